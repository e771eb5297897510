use 5.014;
use warnings;

use lib 't/lib';

use File::Temp;
use Linux::Prctl ();
use POSIX ();
use Test::More;
use TestChild qw(proc_status);

# Every verbatim paragraph of the manual is a display ("=for display"), a block of facts
# (60-manual.t reads those) or an example ("=for example"), which is run here as a
# program of its own. What must come of it stands in its comments: prints, warns:,
# dies:. "needs" names capabilities, functions, ids (that can be changed to), or
# unfiltered: no seccomp filter yet.
my $manual = 'lib/Linux/Prctl.pod';

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
    return $text =~ /# \Q$verb\E (.*)$/mg;
}

sub starts_with {
    my ($text, @starts) = @_;
    my @lines = split /\n/, $text;
    return @lines == @starts && !grep { index $lines[$_], $starts[$_] } 0 .. $#starts;
}

sub check_example {
    my ($line, $text, @needs) = @_;
    my $name = "the example at line $line";
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

# The script of the synopsis, with a program that tells what it was left with.
sub check_synopsis {
    my ($text) = @_;
SKIP: {
        if (my ($why) = grep {defined} map { missing($_) } qw(setpcap net_bind_service)) {
            skip "the synopsis: $why", 5;
        }
        my ($status, $out, $err) = run_script($text, 'cat', '/proc/self/status');
        is("$status $err", '0 ', 'the synopsis runs its program');
        my %left = map { /\A(\w+):\s*(.*)/ ? ($1, $2) : () } split /\n/, $out;
        my $keep = sprintf '%016x', 1 << Linux::Prctl::CAP_NET_BIND_SERVICE();
        is_deeply(
            [@left{qw(CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs)}],
            [($keep) x 5, 1],
            'with one capability in every set and no_new_privs',
        );
        ($status, $out, $err) = run_script(
            $text, $^X, (map {"-I$_"} @INC), '-MLinux::Prctl=get_pdeathsig',
            '-e', 'print get_pdeathsig',
        );
        is("$status $out$err", '0 15', 'and the signal of its parent armed');
        ($status, $out, $err) = run_script(
            "END { open my \$comm, '<', '/proc/self/comm'; print <\$comm>; }\n$text",
            '/nonexistent/program',
        );
        is($out, "launcher\n", 'the script names itself');
        like($err, qr{\Q/nonexistent/program\E: No such file}, 'and says what it cannot execute');
        $examples{run}++;
    }
    return;
}

my $kind = '';
my @paragraphs = split /(\n{2,})/, slurp($manual);
my $line = 1;
while (@paragraphs) {
    my ($paragraph, $gap) = splice @paragraphs, 0, 2;
    my $at = $line;
    $line += ($paragraph . ($gap // '')) =~ tr/\n//;
    if ($paragraph !~ /\A /) {
        $kind = $paragraph =~ /\A=for (example|display)\b\s*(.*)\z/ ? "$1 $2" : '';
        next;
    }

    # A blank line does not end an example.
    while (@paragraphs && $paragraphs[0] =~ /\A /) {
        my ($more, $space) = splice @paragraphs, 0, 2;
        $paragraph .= "$gap$more";
        $gap = $space;
        $line += ($more . ($gap // '')) =~ tr/\n//;
    }
    $examples{verbatim}++;
    $paragraph =~ s/^    //mg;
    $paragraph .= "\n";
    if ($kind eq 'example synopsis') {
        check_synopsis($paragraph);
    } elsif ($kind =~ /\Aexample (?:needs (.+))?\z/) {
        check_example($at, $paragraph, split ' ', $1 // '');
    } elsif ($kind ne 'display ' && $paragraph !~ /\ACalls\s/) {
        fail("$manual, line $at: neither an example nor a display nor a block of facts");
    }
}

cmp_ok($examples{run}, '>', 5, "$examples{run} examples ran");
note("$examples{verbatim} verbatim paragraphs");

done_testing;
