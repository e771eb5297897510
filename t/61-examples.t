use 5.014;
use warnings;

use lib 't/lib';

use File::Temp;
use Linux::Prctl ();
use Manual qw(pages page_file paragraphs);
use POSIX ();
use Test::More;
use TestChild qw(proc_status);

# Every verbatim paragraph of these pages is a display ("=for display"), a call of the
# reference (60-manual.t reads those), a program of the cookbook (64-cookbook.t runs them)
# or an example ("=for example"), which is run here as a program of its own. What must
# come of it stands in its comments: prints, warns:, dies:; a comment line that is
# indented more goes on with the one before. "needs" names capabilities, functions, ids
# (that can be changed to), or unfiltered: no seccomp filter yet. The pages of the other
# modules are run by 78-states-manual.t and 86-setpriv-manual.t.
my @elsewhere = map {"Linux::Prctl::$_"} qw(CapState FileCaps Setpriv Spawn Status);
my %others    = map { $_ => 1 } @elsewhere;
my @pages     = grep { !$others{$_} } pages();

my $dir = File::Temp->newdir;
my %examples = (verbatim => 0, run => 0);

# A script of its own, as a user would run it. Its wait status and what it said.
sub run_script {
    my ($text, @args) = @_;
    my ($script, $out, $err) = map {"$dir/$_"} qw(script out err);
    spew($script, $text);
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        delete $ENV{PERL_UNICODE};    # they are written for a perl as it comes
        open STDOUT, '>', $out or POSIX::_exit(97);
        open STDERR, '>', $err or POSIX::_exit(97);
        exec {$^X} $^X, (map {"-I$_"} @INC), $script, @args or POSIX::_exit(96);
    }
    waitpid $pid, 0;
    return ($?, map { slurp($_) } $out, $err);
}

sub spew {
    my ($file, $text) = @_;
    open my $to, '>', $file or die "$file: $!\n";
    print {$to} $text or die "$file: $!\n";
    close $to or die "$file: $!\n";
    return;
}

sub slurp {
    my ($file) = @_;
    open my $from, '<', $file or die "$file: $!\n";
    local $/;
    return <$from> // '';
}

# Why an example cannot run here, or nothing.
sub missing {
    my ($need) = @_;
    if ($need eq 'ids') {
        my @map = map { [split] } split /\n/, slurp('/proc/self/uid_map');
        return 'uid 65534 cannot be changed to here'
            if !grep { $_->[0] <= 65534 && 65534 - $_->[0] < $_->[2] } @map;
        return 'there is no user nobody, or no group nogroup'
            if !defined getpwnam('nobody') || !defined getgrnam 'nogroup';
        return 'setgroups is denied here' if slurp('/proc/self/setgroups') !~ /\Aallow/;
        return;
    }
    if ($need eq 'unfiltered') {
        my %status = proc_status();
        return $status{Seccomp} ? 'the tests run behind a seccomp filter' : undef;
    }
    if (my $cap = Linux::Prctl->can('CAP_' . uc $need)) {
        my %status = proc_status();
        my $bit = $cap->();
        my ($nibble, $mask) = (int($bit / 4), 1 << $bit % 4);
        my @sets = grep { !(hex(substr $status{$_}, -1 - $nibble, 1) & $mask) } qw(CapEff CapBnd);
        return @sets ? "$need is not in @sets" : undef;
    }
    return Linux::Prctl::supported($need) ? undef : "the kernel does not know $need";
}

# The comments that say what comes of an example.
sub expected {
    my ($text, $verb) = @_;
    return map { s{\n\s*#\s+}{ }gr } $text =~ /# \Q$verb\E (.*(?:\n\s*#   +.*)*)$/mg;
}

sub starts_with {
    my ($text, @starts) = @_;
    my @lines = split /\n/, $text;
    return @lines == @starts && !grep { index $lines[$_], $starts[$_] } 0 .. $#starts;
}

sub check_example {
    my ($where, $text, @needs) = @_;
    my $name = "the example of $where";
SKIP: {
        if (my ($why) = grep {defined} map { missing($_) } @needs) {
            skip "$name: $why", 1;
        }
        my $script = "use 5.014; use warnings; use Linux::Prctl qw(:all :fatal);\n$text";
        my ($status, $out, $err) = run_script($script);
        my @dies = expected($text, 'dies:');
        my $good = ok(
            ($status == 0) == !@dies
                && $out eq join('', map {"$_\n"} expected($text, 'prints'))
                && starts_with($err, expected($text, 'warns:'), @dies),
            "$name does what it says",
        );
        diag($text, "status: $status\nout: $out\nerr: $err") if !$good;
        $examples{run}++;
    }
    return;
}

for my $page (@pages) {
    my $file = page_file($page);
    my @all  = paragraphs($page);
    my $kind = '';
    while (@all) {
        my ($line, $text) = @{ shift @all };
        if ($text !~ /\A /) {
            $kind = $text =~ /\A=for (example|display|program)\b\s*(.*)\z/ ? "$1 $2" : '';
            next;
        }

        # A blank line does not end an example.
        while (@all && $all[0][1] =~ /\A /) {
            my ($at, $more) = @{ shift @all };
            my $lines = $text =~ tr{\n}{} + 1;
            $text .= "\n" x ($at - $line - $lines + 1) . $more;
        }
        $examples{verbatim}++;
        $text =~ s/^    //mg;
        if ($kind =~ /\Aexample (?:needs (.+))?\z/) {
            check_example("$page, line $line", "$text\n", split ' ', $1 // '');
        } elsif ($kind !~ /\A(?:display|program) / && $text !~ /\A\w+\(.*\)\s+-> /) {
            fail("$file, line $line: neither an example nor a display nor a call");
        }
    }
}

# What stands beside the code of others is code, and run: none hides in the text.
for my $text (map { $_->[1] } grep { $_->[1] !~ /\A[ =]/ } paragraphs('Linux::Prctl::Porting')) {
    unlike($text, qr/[BC]<<* [^>]*(?:=>|\w->\w)/, 'Porting: no code outside of an example: ' . substr $text, 0, 40)
        if $text =~ /=>|->/;
}

cmp_ok($examples{run}, '>', 5, "$examples{run} examples ran");
note("$examples{verbatim} verbatim paragraphs");

done_testing;
