# The name of a thread, and the title that ps shows.
use 5.014;
use warnings;

use lib 't/lib';
use Config;
use Errno qw(EACCES);
use Test::More;

use Seccomp qw(filter no_filter);
use TestChild qw(in_child);

use Linux::Prctl qw(get_name set_name set_proctitle);

plan skip_all => '/proc/thread-self/comm cannot be read' if !-r '/proc/thread-self/comm';

sub contents {
    my ($file) = @_;
    open my $in, '<:raw', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

sub comm    { return contents('/proc/thread-self/comm') =~ s/\n\z//r }
sub cmdline { return contents('/proc/self/cmdline') =~ s/\0+\z//r }

is(get_name(), comm(), 'get_name() is what /proc says');

# ---- what becomes of a name ----

my $utf8 = "fourteen bytes\xc3\xa9";    # a character in two bytes, across the cut
for my $case (
    ['a word', 'word', 'word'],
    ['15 bytes', 'a' x 15, 'a' x 15],
    ['16 bytes', 'b' x 15 . 'x', 'b' x 15],
    ['17 bytes', 'c' x 15 . 'xy', 'c' x 15],
    ['100000 bytes', 'd' x 100_000, 'd' x 15],
    ['nothing', '', ''],
    ['UTF-8 across the cut', $utf8, "fourteen bytes\xc3"],
    ['every kind of byte', "\x01\x7f\x80\xff (%s)", "\x01\x7f\x80\xff (%s)"],
    ['one with a newline in it', "a\nb", "a\nb"],
    ['a character of Latin-1', "caf\xe9", "caf\xe9"],
    ['a number', 12, '12'],
) {
    my ($what, $name, $expected) = @$case;
    for my $form ('bytes', 'characters') {
        my $given = "$name";
        $form eq 'characters' ? utf8::upgrade($given) : utf8::downgrade($given);
        my ($answer, $comm, $got, $flag, $argv) = in_child {
            my $argv = cmdline();
            my $answer = set_name($given);
            my $got    = get_name();
            return ($answer, comm(), $got, utf8::is_utf8($got) ? 1 : 0, $argv eq cmdline() ? 1 : 0);
        };
        is($answer, 0, "set_name of $what, in $form");
        is($comm, $expected, "$what, in $form: the name in /proc");
        is($got, $expected, "$what, in $form: get_name()");
        is($flag, 0, "$what, in $form: get_name() returns bytes");
        is($argv, 1, "$what, in $form: the command line is left alone");
    }
}

for my $case (['a NUL', "be\0fore"], ['a trailing NUL', "name\0"],
    ['wide characters', "\x{263a}"], ['undef', undef], ['a reference', []])
{
    my ($what, $name) = @$case;
    for my $function (qw(set_name set_proctitle)) {
        my ($said, @after) = in_child {
            set_name('before');
            my $title = cmdline();
            my $zero  = $0;
            my $lived = eval { Linux::Prctl->can($function)->($name); 1 };
            return ($lived ? 'lived' : $@, comm(), cmdline() eq $title ? 1 : 0, $0 eq $zero ? 1 : 0);
        };
        like($said, qr/\A$function: (?:name|title) .* at \Q$0\E line \d+\.$/m,
            "$function dies of $what");
        is_deeply(\@after, ['before', 1, 1], "$function: $what: name and title are as they were");
    }
}

# ---- $0, before and after ----

{
    my ($zero, $name, $title, @then) = in_child {
        set_name('by hand');
        my @first = ($0, comm(), cmdline());
        local $SIG{__WARN__} = sub { die @_ };
        $0 = 'by perl itself';
        my @second = (comm(), get_name());
        set_name('again');
        (@first, @second, $0, comm());
    };
    is($zero, $0, 'set_name leaves $0 alone');
    is($name, 'by hand', 'the name is set');
    is($title, cmdline(), 'and not the command line');
    is_deeply(\@then, ['by perl itself', 'by perl itself', 'by perl itself', 'again'],
        'perl sets the name when $0 is assigned to, and set_name() has the last word');
}

# ---- the title ----

# An emulator may keep a command line of its own for /proc: perl's $0 is not seen there either.
my $unseen = in_child { $0 = 'asked'; cmdline() } =~ /\Aasked/ ? '' : '/proc does not show what perl makes of $0';
sub shows(&) {
    my ($test) = @_;
    SKIP: {
        skip $unseen, 1 if $unseen;
        $test->();
    }
    return;
}

my $room = length contents('/proc/self/cmdline');
for my $title ('t', 'a title', "two words \xff", 'with: punctuation (%s)', '') {
    my ($answer, $comm, $name, $cmdline) = in_child {
        set_name('fifteen bytes..');
        my $answer = set_proctitle($title);
        return ($answer, comm(), get_name(), cmdline());
    };
    is($answer, 0, "set_proctitle('$title')");
    is($comm, 'fifteen bytes..', "set_proctitle('$title') leaves the name alone");
    is($name, 'fifteen bytes..', "set_proctitle('$title'): and so says get_name()");
    shows { is($cmdline =~ s/ +\z//r, $title, "set_proctitle('$title'): the command line in /proc") };
}
{
    my ($answer, $cmdline, $comm) = in_child {
        set_name('kept');
        return (set_proctitle('long ' x 20_000), cmdline(), comm());
    };
    is($answer, 0, 'set_proctitle with more than there is room for');
    shows { like($cmdline, qr/\A(?:long )+l?o?n?g?\z/, 'as much as there is room for is shown') };
    cmp_ok(length $cmdline, '>=', $room / 2, 'and that is not nothing');
    is($comm, 'kept', 'the name is left alone');
}
{
    my @shown = in_child {
        set_proctitle('the first, which is longer');
        set_proctitle('second');
        return (cmdline() =~ s/ +\z//r);
    };
    shows { is($shown[0], 'second', 'a shorter title leaves nothing of a longer one') };
}

{
    package Counted;
    sub TIESCALAR { return bless [0] }
    sub FETCH { $_[0][0]++; return 'a tied title' }
}
{
    my ($fetched, $cmdline) = in_child {
        tie my $title, 'Counted';
        set_proctitle($title);
        return ((tied $title)->[0], cmdline() =~ s/ +\z//r);
    };
    shows { is($cmdline, 'a tied title', 'a title may be tied') };
    is($fetched, 1, 'and is fetched once');
}

# Where perl's own writing of $0 would die, nothing is written.
SKIP: {
    skip no_filter(), 3 if length no_filter();
    for my $refused (15, 16) {    # PR_SET_NAME, PR_GET_NAME
        my @seen = in_child {
            my $before = cmdline();
            filter([prctl => EACCES, $refused]);
            $! = 77;
            my $answer = eval { set_proctitle('a new title') } // $@;
            ($answer, $! + 0, $0 eq 'a new title' ? 1 : 0, cmdline() eq $before ? 1 : 0);
        };
        is_deeply(\@seen, [-1, EACCES, 0, 1],
            "set_proctitle where prctl($refused) is refused is -1, and the title is as it was");
        my $died = in_child {
            filter([prctl => EACCES, $refused]);
            use Linux::Prctl ':fatal';
            eval { set_proctitle('a new title'); 1 } ? 'lived' : $@;
        };
        like($died, qr/\Aset_proctitle\("a new title"\): Permission denied at \Q$0\E line/, 'and dies under :fatal');
    }
}

# ---- fork, exec, threads ----

{
    my ($forked, $executed) = in_child {
        set_name('the parent');
        my $forked = in_child { comm() };
        my $executed = in_child {
            open my $from, '-|', $^X, '-e', 'open F, "<", "/proc/self/comm"; print <F>'
                or die "$^X: $!\n";
            chomp(my $line = <$from>);
            $line;
        };
        ($forked, $executed);
    };
    is($forked, 'the parent', 'fork keeps the name');
    is($executed, substr($^X =~ s{.*/}{}r, 0, 15), 'exec gives the program its own');
}

SKIP: {
    skip 'this perl has no threads', 4 if !$Config{useithreads};
    my @seen = in_child {
        require threads;
        set_name('main');
        my @in_thread = threads->create({ context => 'list' }, sub {
            my $inherited = comm();
            set_name('worker');
            return ($inherited, comm(), get_name());
        })->join;
        (@in_thread, comm(), get_name());
    };
    is($seen[0], 'main', 'a thread starts with the name of its creator');
    is_deeply([@seen[1, 2]], ['worker', 'worker'], 'in a thread, set_name names that thread');
    is_deeply([@seen[3, 4]], ['main', 'main'], 'and no other');
    my $name = in_child {
        require threads;
        set_name('main');
        threads->create(sub { set_name('worker'); set_proctitle('from a thread'); comm() })->join;
    };
    is($name, 'worker', 'in a thread, set_proctitle leaves its name alone');
}

done_testing;
