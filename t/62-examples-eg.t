# The programs of eg/, run as people run them.
use 5.014;
use warnings;

use File::Temp;
use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use TestChild qw(proc_status);

my $eg   = "$FindBin::Bin/../eg";
my @perl = ($^X, map { "-I$_" } grep { !ref && m{blib} } @INC);
my $dir  = File::Temp->newdir;

# capabilities(7)
my ($dac_read_search, $setpcap, $net_bind_service) = (2, 8, 10);

# Everything that a command says, and its exit status.
sub run {
    my (@command) = @_;
    my $pid = open my $out, '-|' // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT or die "stderr: $!\n";
        exec { $command[0] } @command or die "$command[0]: $!\n";
    }
    my $said = do { local $/; <$out> };
    close $out;
    return ($said // '', $? >> 8);
}

# The same by a user who may do nothing: this one, if it is not root.
my @nobody = qw(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps -all);

sub nobody_can_run {
    return 1 if $>;
    my ($said, $status) = run(@nobody, @perl, '-MLinux::Prctl', '-e', 'print "here"');
    return $said eq 'here' && -r "$eg/keep-one";
}

sub as_nobody { return run($> ? () : @nobody, @_) }

# Is it effective here?
my %status = -r '/proc/thread-self/status' ? proc_status() : ();

sub has {
    my (@numbers) = @_;
    my $bits = unpack 'b64', reverse pack 'H16', $status{CapEff} // '0' x 16;
    return @numbers == grep { substr $bits, $_, 1 } @numbers;
}

# ---- keep-one ----

SKIP: {
    has($setpcap, $net_bind_service)
        or skip 'keep-one needs setpcap and net_bind_service', 9;
    my ($said, $status) = run(@perl, "$eg/keep-one");
    is($status, 0, 'keep-one: exit status') or diag($said);
    like($said, qr/^before:\n.*^  Eff +[0-9]+ .*^after:\n.*^  Eff +1  net_bind_service$/ms,
        'keep-one: what it was allowed, before and after');
    my %kept = map { /\A(\w+):\s*(.*)\z/ ? ($1, $2) : () } split /\n/, $said;
    is($kept{Name}, 'grep', 'keep-one: another program tells the rest');
    is($kept{"Cap$_"}, '0000000000000400', "keep-one: which was left one capability: $_")
        for qw(Inh Prm Eff Bnd Amb);
    is($kept{NoNewPrivs}, 1, 'keep-one: and can gain none');
}

SKIP: {
    has($setpcap) or skip 'keep-one needs setpcap', 2;
    my ($said, $status) = run(@perl, "$eg/keep-one", 'bogus', 'echo', 'went', 'on');
    like($said, qr/Unknown capability: bogus/, 'keep-one: a name that does not exist is heard');
    unlike($said, qr/went on/, 'keep-one: and nothing is started');
}

SKIP: {
    nobody_can_run() or skip 'uid 65534 cannot be had, or cannot read this directory', 3;
    my ($said, $status) = as_nobody(@perl, "$eg/keep-one", 'chown', 'echo', 'went', 'on');
    isnt($status, 0, 'plain user: keep-one: a refusal is an exit status');
    like($said, qr/Operation not permitted/, 'plain user: keep-one: and is heard');
    unlike($said, qr/went on/, 'plain user: keep-one: and nothing is started');
}

# ---- child-of-mine ----

{
    my ($said, $status) = run(@perl, "$eg/child-of-mine", 'sh', '-c', 'echo here; exit 7');
    is($said, "here\n", 'child-of-mine: the command runs');
    is($status, 7, 'child-of-mine: its exit status is passed on');
    ($said, $status) = run(@perl, "$eg/child-of-mine", '-s', 'NOSIGNAL', 'echo', 'went', 'on');
    like($said, qr/NOSIGNAL/, 'child-of-mine: a signal that does not exist is heard');
    unlike($said, qr/went on/, 'child-of-mine: and nothing is started');
}

# The starter is killed; what the command says then, until it is gone.
sub orphan {
    my (@options) = @_;
    my $worker = '$SIG{TERM} = sub { print qq{heard TERM\n}; exit }; $| = 1;'
        . ' print qq{$$\n}; sleep 1 while 1';
    my $starter = open my $out, '-|' // die "fork: $!\n";
    if (!$starter) {
        exec { $perl[0] } @perl, "$eg/child-of-mine", @options, $^X, '-e', $worker
            or die "$perl[0]: $!\n";
    }
    chomp(my $pid = <$out>);
    my %status = proc_status("/proc/$starter/status");
    kill KILL => $starter or die "kill: $!\n";

    # Without a death the pipe never ends; no test needs this minute.
    local $SIG{ALRM} = sub { kill KILL => $pid };
    alarm 60;
    my $said = do { local $/; <$out> };
    alarm 0;
    close $out;
    return ($status{Name}, $said // '');
}

SKIP: {
    -r "/proc/$$/status" or skip 'no /proc', 3;
    my ($name, $said) = orphan();
    is($name, 'child-of-mine', 'child-of-mine: it has a name');
    is($said, '', 'child-of-mine: the command is killed with its starter');
    (undef, $said) = orphan('-s', 'TERM');
    is($said, "heard TERM\n", 'child-of-mine: or hears of it');
}

# ---- peek ----

my $secret = "$dir/secret";
open my $file, '>', $secret or die "$secret: $!\n";
print {$file} "a secret\n";
close $file or die "$secret: $!\n";
chmod 0, $secret or die "$secret: $!\n";

SKIP: {
    has($dac_read_search) or skip 'peek needs dac_read_search', 3;
    my ($said, $status) = run(@perl, "$eg/peek", $secret, '/proc/self/status');
    like($said, qr/\Aa secret\n/, 'peek: reads what it may not');
    like($said, qr/^CapPrm:\t0000000000000004$/m, 'peek: with one capability');
    like($said, qr/^CapEff:\t0000000000000000$/m, 'peek: which is not effective any more');
}

SKIP: {
    nobody_can_run() or skip 'uid 65534 cannot be had, or cannot read this directory', 2;
    my ($said, $status) = as_nobody(@perl, "$eg/peek", $secret);
    isnt($status, 0, 'plain user: peek: a refusal is an exit status');
    like($said, qr/cap_effective\{dac_read_search\}: Operation not permitted/,
        'plain user: peek: and is heard');
}

done_testing;
