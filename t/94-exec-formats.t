use 5.014;
use warnings;

use Config;
use Errno qw(EACCES EINVAL EIO ENOENT ENOEXEC);
use File::Temp;
use Test::More;

use lib 't/lib';
use TestChild ();    # which skips where there is no /proc
use ExecTest qw(build_helper);
use Linux::Prctl::Status;

# Odd programs and scripts: what after_exec says of each, and what execve(2) does. A copy of a
# program of this machine, with another header or other program headers; one of 32 bits, made
# from nothing; and first lines of scripts.

my $dir = File::Temp->newdir;
chmod 0755, $dir or die "$dir: $!\n";
my (undef, $why) = build_helper($dir);    # asks who runs programs here, too
plan skip_all => "no helper: $why" =~ s/\n.*//sr if $why;

# execve(2) itself: what perl and the C library call by that name runs a shell for ENOEXEC. It
# tells errno, or 0 where there is a program in its place, of which nothing more is asked; it
# may well crash, and leaves no core.
open my $source, '>', "$dir/run.c" or die "run.c: $!\n";
print {$source} <<'END';
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char *args[] = {"true", NULL}, *none[] = {NULL};
    const struct rlimit one = {1, 1}; /* not 0: that would be no limit to a program that takes cores */
    int error = 0, null = open("/dev/null", O_RDWR), tell[2];

    if (argc != 2 || null < 0 || setrlimit(RLIMIT_CORE, &one) != 0 || pipe2(tell, O_CLOEXEC) != 0)
        return 1;
    switch (fork()) {
    case -1:
        return 1;
    case 0:
        if (dup2(null, 0) != 0 || dup2(null, 1) != 1 || dup2(null, 2) != 2)
            _exit(1);
        execve(argv[1], args, none);
        error = errno;
        _exit(write(tell[1], &error, sizeof error) != sizeof error);
    }
    close(tell[1]);
    if (read(tell[0], &error, sizeof error) < 0)
        return 1;
    wait(NULL);
    printf("%d\n", error);
    return 0;
}
END
close $source or die "run.c: $!\n";
my $log = `$Config{cc} -o '$dir/run' '$dir/run.c' 2>&1`;
plan skip_all => "it does not build: $log" =~ s/\n.*//sr if $?;

my $count = 0;

sub file {
    my ($bytes, $mode) = @_;
    my $path = "$dir/" . $count++;
    open my $out, '>:raw', $path or die "$path: $!\n";
    print {$out} $bytes;
    close $out or die "$path: $!\n";
    chmod $mode // 0755, $path or die "$path: $!\n";
    return $path;
}

sub happens {
    my ($path) = @_;
    my ($errno) = `'$dir/run' '$path'` =~ /\A(\d+)\n\z/ or die "run: status $?\n";
    return $errno;
}

sub called { local $! = $_[0]; return $_[0] ? "$!" : 'executed' }

# What is expected is written down, and the kernel agrees.
sub agrees {
    my ($what, $expected, $bytes, $mode) = @_;
    my $path = file($bytes, $mode);
    my $said = eval { Linux::Prctl::Status->current->after_exec($path); 1 } ? 0 : $! + 0;
    is(called($said), called($expected), "$what: after_exec");
    is(called(happens($path)), called($said), "$what: and so it is");
    return;
}

# What the kernel does is all that is expected.
sub foretells {
    my ($what, $path) = @_;
    my $said = eval { Linux::Prctl::Status->current->after_exec($path); 1 } ? 0 : $! + 0;
    my $happens = happens($path);
    is(called($said), called($happens), "$what: " . called($happens));
    return $happens;
}

my %met;    # the errnos that the kernel gave for odd files

sub meets { my ($what, $bytes, $mode) = @_; $met{ foretells($what, file($bytes, $mode)) }++; return }

# ---- a program of this machine ----

# Of what an ELF header and a program header have, where it is and how wide: by class.
my %layout = (
    1 => { word => 'L', phoff => 28, entry => 42, count => 44, header => 52, size => 32, offset => 4, filesz => 16 },
    2 => { word => 'Q', phoff => 32, entry => 54, count => 56, header => 64, size => 56, offset => 8, filesz => 32 },
);
my ($INTERP, $NULL) = (3, 0);
sub ELIBBAD () { return Errno->can('ELIBBAD')->() }

sub get { my ($bytes, $at, $as) = @_; return unpack "x$at $as", $bytes }

sub with { my ($bytes, $at, $as, $value) = @_; substr $bytes, $at, length pack($as, 0), pack $as, $value; return $bytes }

# A program that has a loader: its bytes, its layout, and where the loader's header is.
sub dynamic {
    for my $path (qw(/bin/true /usr/bin/true /bin/sh), $^X) {
        open my $in, '<:raw', $path or next;
        my $bytes = do { local $/; <$in> };
        next if $bytes !~ /\A\x7fELF([\1\2])/;
        my $is = $layout{ ord $1 };
        next if $is->{word} eq 'Q' && $Config{ivsize} < 8;
        my ($phoff, $number) = (get($bytes, $is->{phoff}, $is->{word}), get($bytes, $is->{count}, 'S'));
        my ($at) = grep { get($bytes, $_, 'L') == $INTERP } map { $phoff + $is->{size} * $_ } 0 .. $number - 1;
        return ($bytes, $is, $at) if $at && happens(file($bytes)) == 0;
    }
    return;
}

my ($program, $is, $at) = dynamic();
my $machine_of = sub { return get($_[0], 18, 'S') };

SKIP: {
    skip 'no program with a loader can be copied and executed here', 1 if !$program;
    my $word   = $is->{word};
    my ($name) = substr($program, get($program, $at + $is->{offset}, $word)) =~ m{\A(/[^\0]+)\0}
        or die "a loader without a name\n";
    # With another name in its place, behind all else.
    my $named = sub {
        my ($text, $size) = @_;
        my $bytes = with($program, $at + $is->{offset}, $word, length $program);
        return with($bytes, $at + $is->{filesz}, $word, $size // length $text) . $text;
    };
    agrees('as it is',                             0,       $program);
    agrees('another place for the loader\'s name', 0,       $named->("$name\0"));
    agrees('a loader\'s name filled up with NULs', 0,       $named->($name . "\0" x (4096 - length $name)));
    agrees('a loader\'s name of 4096 bytes',       0,       $named->('/' x (4095 - length $name) . "$name\0"));
    agrees('... of 4097 bytes',                    ENOEXEC, $named->($name . "\0" x (4097 - length $name)));
    agrees('... of one byte',                      ENOEXEC, $named->("\0"));
    agrees('... of none',                          ENOEXEC, $named->("$name\0", 0));
    agrees('... without a NUL',                    ENOEXEC, $named->($name));
    agrees('a loader that is not there',           ENOENT,  $named->("$dir/missing\0"));
    agrees('a loader that is a directory',         EACCES,  $named->("$dir\0"));
    agrees('a loader that nobody may execute',     EACCES,  $named->(file($program, 0644) . "\0"));
    my $size = $is->{size};
    agrees("program headers of $_ bytes", ENOEXEC, with($program, $is->{entry}, 'S', $_)) for 0, $size - 1, $size + 1;
    agrees('no program headers', ENOEXEC, with($program, $is->{count}, 'S', 0));
    my $alone = with($program, $at, 'L', $NULL);
    agrees('no loader', 0, $alone);
    my $length = length($alone) - (get($alone, $is->{count}, 'S') - 1) * $size;
    agrees('a table that is cut off',          ENOEXEC, with($alone, $is->{phoff}, $word, $length));
    agrees('a table behind the end',           ENOEXEC, with($alone, $is->{phoff}, $word, length $alone));
    agrees('a table of an offset below zero',  ENOEXEC, with($alone, $is->{phoff}, $word, ~0));
    agrees("a file of type $_",                ENOEXEC, with($program, 16, 'S', $_)) for 0, 1, 4, 5;
    agrees('a header that is cut off',         ENOEXEC, substr $program, 0, $is->{header} - 1);
    agrees('another magic number',             ENOEXEC, with($program, 3, 'C', ord 'G'));

    # The class and the order of bytes, which some processors look at.
    if ($machine_of->($program) == 62 || $machine_of->($program) == 3) {
        meets("class $_", with($program, 4, 'C', $_)) for 0 .. 3, 255;
        meets("order $_", with($program, 5, 'C', $_)) for 0 .. 3, 255;
        meets('class 1 and order 2, of a header that is cut off', with(with(substr($program, 0, 63), 4, 'C', 1), 5, 'C', 2));
    }
    # Those that there are may be known to binfmt_misc.
    meets("machine $_", with($program, 18, 'S', $_)) for 0, 3, 6, 9999, 0xffff;

    # How much of a table there may be, and all of it has to be there, whatever it begins with.
    my $table = sub {
        my ($bytes, $number, $more) = @_;
        my $headers = substr $bytes, get($bytes, $is->{phoff}, $word), get($bytes, $is->{count}, 'S') * $size;
        my $moved = with(with($bytes, $is->{phoff}, $word, length $bytes), $is->{count}, 'S', $number);
        return $moved . substr $headers . "\0" x ($number * $size), 0, $number * $size + ($more // 0);
    };
    my $most = int 65_536 / $size;
    meets('as many program headers as fit in a page', $table->($program, int 4096 / $size));
    # Older kernels take no more than a page of them: there, that is not foreseen.
    my $full = file($table->($program, $most));
    foretells('... in 65536 bytes', $full) if !happens($full);
    meets('... and one more',                $table->($program, $most + 1));
    meets('65535 program headers',           with($program, $is->{count}, 'S', 65_535));
    meets('a table whose last byte is missing', $table->($program, int(4096 / $size), -1));
    meets('a table cut off behind the loader', with($program, $is->{phoff}, $word, length $program) . substr $program, $at, $size);
    meets('... and the loader is not there', do {
        my $bytes = $named->("$dir/missing\0");
        with($bytes, $is->{phoff}, $word, length $bytes) . substr $bytes, $at, $size;
    });

    # The name of the loader.
    my $placed = sub { return with($named->("$name\0"), $at + $is->{offset}, $word, $_[0]) };
    meets('an empty name of a loader',       $named->("\0\0"));
    meets('a name of a loader that is cut off', $named->("$name\0", 100));
    meets('... without a byte of it',        $named->('', 100));
    meets('... and is too long',             $named->("$name\0", 4097));
    meets('a name of a loader behind the end', $placed->(1 << 30));
    meets('... at the highest offset',       $placed->(~0 >> 1)) if $word eq 'Q';
    meets('... at the highest that its end fits behind', $placed->((~0 >> 1) - length "$name\0")) if $word eq 'Q';
    meets('... at an offset below zero',     $placed->(~(~0 >> 1))) if $word eq 'Q';
    meets('... at -1',                       $placed->(~0)) if $word eq 'Q';

    # The loader itself.
    my ($loader) = do { open my $in, '<:raw', $name or die "$name: $!\n"; local $/; <$in> };
    my $with_loader = sub {
        my ($what, $bytes, $mode) = @_;
        return meets("a loader $what", $named->(file($bytes, $mode) . "\0"));
    };
    $with_loader->('as it is',               $loader);
    $with_loader->('that is text',           "not a program\n" x 20);
    $with_loader->('that is text, short',    "not a program\n");
    $with_loader->('that is empty',          '');
    $with_loader->('of four bytes',          "\x7fELF");
    $with_loader->('that is a script',       "#!$name\n");
    $with_loader->('that is a long script',  "#!$name\n" . 'x' x 300);
    $with_loader->('that is a header alone', substr $loader, 0, $is->{header});
    $with_loader->('of a byte less',         substr $loader, 0, $is->{header} - 1);
    $with_loader->("for machine $_",         with($loader, 18, 'S', $_)) for 0, 3, 6, 243;
    $with_loader->("of type $_",             with($loader, 16, 'S', $_)) for 0 .. 4;
    $with_loader->('with another magic number', with($loader, 3, 'C', ord 'G'));
    $with_loader->("with program headers of $_ bytes", with($loader, $is->{entry}, 'S', $_)) for 0, $size - 1, $size + 1;
    $with_loader->('without program headers', with($loader, $is->{count}, 'S', 0));
    $with_loader->('with too many of them',  $table->($loader, $most + 1));
    $with_loader->('with a table that is cut off', $table->($loader, get($loader, $is->{count}, 'S'), -1));
    $with_loader->('with a table at an offset below zero', with($loader, $is->{phoff}, $word, ~0));
    $with_loader->('that is text, and not executable', "not a program\n" x 20, 0644);
    $with_loader->('that is empty, and not executable', '', 0644);
    if ($machine_of->($program) == 62) {
        $with_loader->("of class $_",        with($loader, 4, 'C', $_)) for 0 .. 3;
        $with_loader->("of order $_",        with($loader, 5, 'C', $_)) for 0 .. 3;
        $with_loader->('of 32 bits',         small(3, []));
    }

    # Why it is refused, and which file is meant.
    my $text = file("not a program\n" x 20);
    my $empty = file('');
    for my $case (
        [ ELIBBAD, "$text: it is no loader for such a program", $named->("$text\0") ],
        [ EIO, "$empty: it ends before what is wanted of it", $named->("$empty\0") ],
        [ EIO, 'it ends before what is wanted of it', $named->("$name\0", 100) ],
        [ EACCES, 'what it needs to run cannot be opened', $named->("\0\0") ],
        $word eq 'Q' ? [ EINVAL, 'it says that its loader is named at an offset below zero', $placed->(~0) ] : (),
    ) {
        my ($errno, $why, $bytes) = @$case;
        my $path = file($bytes);
        my $lived = eval { Linux::Prctl::Status->current->after_exec($path); 1 };
        my $said = $lived ? 'nothing' : $@ =~ s/ at \S+ line \d+\.?\n\z//r;
        is($said, "after_exec($path): " . called($errno) . " ($why)", 'refused: ' . $why =~ s{.*/\d+: }{}r);
    }
    ok($met{$_}, 'the kernel said ' . called($_)) for 0, EACCES, EIO, ELIBBAD, ENOEXEC, $word eq 'Q' ? EINVAL : ();
}

# ---- one of 32 bits ----

# By the number of this machine, that of its older programs of 32 bits.
my %older = (62 => 3, 183 => 40, 21 => 20);

# A program that does nothing: an address that can be had, and beside what it loads, other
# program headers, of [type, text, what is otherwise].
sub small {
    my ($machine, $headers, %but) = @_;
    my $length = 52 + 32 * (1 + @$headers);
    my ($table, $text) = ('', '');
    for my $header (@$headers) {
        my ($type, $what, %is) = @$header;
        $table .= pack 'L8', $type, $length + length $text, 0, 0, $is{filesz} // length $what, length $what, 4, 1;
        $text .= $what;
    }
    my $all = $length + length $text;
    my $order = $Config{byteorder} =~ /\A1/ ? 1 : 2;
    my $ident = pack 'a4 C3 x9', "\x7fELF", 1, $order, 1;
    return $ident . pack('S2 L5 S6', 2, $machine, 1, 0x8048000 + $length, 52, 0, 0, 52, $but{entry} // 32,
            $but{count} // 1 + @$headers, 40, 0, 0)
        . $table . pack('L8', 1, 0, 0x8048000, 0x8048000, $all, $all, 5, 0x1000) . $text;
}

SKIP: {
    open my $in, '<:raw', '/proc/self/exe' or die "/proc/self/exe: $!\n";
    read $in, my $own, 20 or die "/proc/self/exe: $!\n";
    my $machine = get($own, 18, 'S');
    $machine = $older{$machine} // $machine;
    my $plain = small($machine, []);
    my $error = happens(file($plain));
    skip 'the kernel does not execute a program of 32 bits that is made for it: ' . called($error), 1 if $error;
    my $loader = file($plain);
    agrees('32 bits',                              0,       $plain);
    agrees('32 bits, and another header',          0,       small($machine, [ [ $NULL, '' ] ]));
    agrees('32 bits, and a loader',                0,       small($machine, [ [ $INTERP, "$loader\0" ] ]));
    agrees('32 bits, a loader that is not there',  ENOENT,  small($machine, [ [ $INTERP, "$dir/missing\0" ] ]));
    agrees('32 bits, one that is a directory',     EACCES,  small($machine, [ [ $INTERP, "$dir\0" ] ]));
    agrees('32 bits, one nobody may execute',      EACCES,
        small($machine, [ [ $INTERP, file($plain, 0644) . "\0" ] ]));
    agrees('32 bits, the loader\'s name without a NUL', ENOEXEC, small($machine, [ [ $INTERP, $loader ] ]));
    agrees('32 bits, the loader\'s name of a byte',     ENOEXEC, small($machine, [ [ $INTERP, "\0" ] ]));
    agrees('32 bits, the loader\'s name too long',      ENOEXEC,
        small($machine, [ [ $INTERP, $loader . "\0" x (4097 - length $loader) ] ]));
    agrees("32 bits, program headers of $_ bytes", ENOEXEC, small($machine, [], entry => $_)) for 0, 31, 56;
    agrees('32 bits, no program headers',          ENOEXEC, small($machine, [], count => 0));
    agrees('32 bits, a table that is cut off',     ENOEXEC, small($machine, [], count => 2));
    my $loaded = sub {
        my ($what, $bytes) = @_;
        return meets("32 bits, a loader $what", small($machine, [ [ $INTERP, file($bytes) . "\0" ] ]));
    };
    $loaded->('of 51 bytes',                       substr $plain, 0, 51);
    $loaded->('of 52 bytes',                       substr $plain, 0, 52);
    $loaded->('of 63 bytes',                       substr $plain, 0, 63);
    $loaded->('that is text',                      "no program\n" x 20);
    $loaded->('of 64 bits',                        $program) if $program && $is->{word} eq 'Q';
    meets('32 bits, a loader of no name',          small($machine, [ [ $INTERP, "\0\0" ] ]));
    meets('32 bits, its name is cut off',          small($machine, [ [ $INTERP, "$loader\0", filesz => 200 ] ]));
    meets('32 bits, more than 65536 bytes of headers', small($machine, [ ([ $NULL, '' ]) x 2048 ]));
    meets('32 bits, as many as a page has',        small($machine, [ ([ $NULL, '' ]) x 127 ]));
    if ($machine == 3) {
        meets("32 bits, class $_",                 with($plain, 4, 'C', $_)) for 0 .. 3;
        meets("32 bits, order $_",                 with($plain, 5, 'C', $_)) for 0 .. 3;
        meets('32 bits, what was the 486',         small(6, []));
        $loaded->('for what was the 486',          small(6, []));
        $loaded->("of class $_",                   with($plain, 4, 'C', $_)) for 0 .. 3;
    }
}

# ---- scripts ----

my $shell = file(do { open my $in, '<:raw', '/bin/true' or die "true: $!\n"; local $/; <$in> });

SKIP: {
    skip 'no program can be copied and executed here', 1 if happens($shell);
    agrees('a script',                          0,       "#!$shell\n");
    agrees('a script without a newline',        0,       "#!$shell");
    agrees('a script, and an argument',         0,       "#!$shell x y\n");
    agrees('a script whose name ends in a NUL', 0,       "#!$shell\0 and what follows\n");
    agrees('a script with blanks before',       0,       "#! \t $shell\t\n");
    agrees('a script with a carriage return',   ENOENT,  "#!$shell\r\n");
    agrees('a script of nothing that is there', ENOENT,  "#!$dir/missing\n");
    agrees('a script of a directory',           EACCES,  "#!$dir\n");
    agrees('an empty name',                     ENOEXEC, "#!\n");
    agrees('nothing but blanks',                ENOEXEC, "#! \t \n");
    agrees('a number sign alone',               ENOEXEC, '#');
    meets('#! and no more',                     '#!');
    meets('an empty name that ends in a NUL',   "#!  \0\n");
    meets('#! and a NUL',                       "#!\0$shell\n");
    agrees('a number sign and no more of it',   ENOEXEC, "# !$shell\n");
    agrees('an exclamation mark before it',     ENOEXEC, "!#$shell\n");
    agrees('nothing at all',                    ENOEXEC, '');

    # Linux reads 256 bytes, and before 5.1 it read 128.
    skip 'the kernel reads less of a first line here', 1
        if happens(file('#!' . ' ' x (200 - length $shell) . "$shell\n"));
    my %rest = ('nothing' => '', 'a newline' => "\n", 'a blank' => " x\n", 'a long argument' => "\t" . 'x' x 300 . "\n",
        'a NUL' => "\0" . 'x' x 300 . "\n");
    for my $end (254 .. 257) {
        my $line = '#!' . ' ' x ($end - 2 - length $shell) . $shell;
        agrees("a name that ends at $end, and then $_", $end > 255 ? ENOEXEC : 0, $line . $rest{$_}) for sort keys %rest;
    }
    agrees('blanks that do not end',    ENOEXEC, '#!' . ' ' x 300);
    agrees('blanks for 256 bytes',      ENOEXEC, '#!' . ' ' x 254 . "$shell\n");
    agrees('a name that does not end',  ENOEXEC, "#!$shell" . 'x' x 300 . "\n");
}

done_testing;
