use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use File::Temp;
use POSIX ();
use Shapes qw(is_root);
use SpawnTest qw(no_spawn program);
use TestChild qw(proc_status);

plan skip_all => no_spawn() if no_spawn();

# eg/pool, eg/supervise and eg/cron-job, run as anyone would.

my @perl = ($^X, map { "-I$_" } grep { !ref } @INC);
my $sh   = program('sh');
my $dir  = File::Temp->newdir;
chmod 0777, "$dir";
my $nobody = getpwuid 65534;
my @user = is_root() && defined $nobody ? (-u => $nobody) : ();

# Everything that a command says, and its exit status.
sub run {
    my (@command) = @_;
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::dup2(fileno $to, $_) for 1, 2;
        exec { $command[0] } @command or POSIX::_exit(96);
    }
    close $to;
    my $said = do { local $/; <$from> } // '';
    waitpid $pid, 0;
    return ($said, $? >> 8, $pid);
}

# Waits for something that is to come, in another process.
sub comes {
    my ($what) = @_;
    for (1 .. 2000) {
        my $found = $what->();
        return $found if $found;
        select undef, undef, undef, 0.01;
    }
    return;
}

sub is_there { my ($pid) = @_; my %status = eval { proc_status("/proc/$pid/status") }; return %status && $status{State} !~ /\A[ZX]/ }
sub content { my ($file) = @_; open my $in, '<', $file or return ''; local $/; return <$in> // '' }

# ---- pool ----

my ($said, $status) = run(@perl, 'eg/pool', '-n', 3, '-r', 2, @user, $sh, '-c', 'echo "worker $WORKER_NUMBER $(id -u)"');
is($status, 0, 'pool: ends well');
my $uid = @user ? 65534 : $>;
my @workers = $said =~ /^worker (\d) $uid$/mg;
is(scalar @workers, 5, 'pool: three, and two of them again') or diag($said);
is_deeply([ sort keys %{{ map { $_ => 1 } @workers }} ], [ 1 .. 3 ], 'pool: each knows which it is');
like($said, qr/^5 started, 5 ended well, 0 did not$/m, 'pool: counted');

($said, $status) = run(@perl, 'eg/pool', '-n', 1, '-r', 0, $sh, '-c', 'exit 3');
is($status, 1, 'pool: one that ends badly');
like($said, qr/^1 started, 0 ended well, 1 did not$/m, 'pool: ... is told');
($said, $status) = run(@perl, 'eg/pool', '/no/such/program');
like($said, qr{\Aspawn: exec of /no/such/program: }, 'pool: one that cannot be started');
isnt($status, 0, 'pool: ... is an error');

for my $signal (qw(TERM KILL)) {
    my $list = "$dir/$signal";
    my $pool = fork // die "fork: $!\n";
    if (!$pool) {
        POSIX::close(1);
        open STDOUT, '>', '/dev/null' or POSIX::_exit(1);
        exec @perl, 'eg/pool', '-n', 3, $sh, '-c', 'echo $$ >>"$0"; exec sleep 60', $list or POSIX::_exit(96);
    }
    my @pids = comes(sub { my @found = split ' ', content($list); @found == 3 ? \@found : undef });
    @pids = @{ $pids[0] || [] };
    is(scalar @pids, 3, "pool: three workers run");
    kill $signal => $pool;
    waitpid $pool, 0;
    ok(comes(sub { !grep { is_there($_) } @pids }), "pool: SIG$signal for it ends them all");
}

# ---- supervise ----

($said, $status) = run(@perl, 'eg/supervise', @user, $sh, '-c', 'echo here; id -u; exit 7');
is($status, 7, 'supervise: the status of the program');
is($said, "here\n$uid\n", 'supervise: ... and what it says');
($said, $status) = run(@perl, 'eg/supervise', $sh, '-c', '(sleep 0.2; echo orphan) & exit 5');
is($status, 5, 'supervise: the status of a program that leaves something behind');
is($said, "orphan\nsupervise: 1 orphan reaped\n", 'supervise: ... which is waited for');
($said, $status) = run(@perl, 'eg/supervise', '/no/such/program');
is($status, 125, 'supervise: one that cannot be started');
like($said, qr{\Aspawn: exec of /no/such/program: }, 'supervise: ... and why');

my $file = "$dir/supervised";
my $supervisor = fork // die "fork: $!\n";
if (!$supervisor) {
    exec @perl, 'eg/supervise', $sh, '-c', 'exec 2>/dev/null; trap "exit 9" TERM; echo $$ >"$0"; while :; do sleep 0.05; done', $file or POSIX::_exit(96);
}
ok(comes(sub { content($file) =~ /\n/ }), 'supervise: the program runs');
kill TERM => $supervisor;
waitpid $supervisor, 0;
is($? >> 8, 9, 'supervise: TERM goes on to it');

# ---- cron-job ----

($said, $status) = run(@perl, 'eg/cron-job', @user, '-l', 'nofile=33', '-n', 19, '-o', "$dir/log", $sh, '-c',
    'id -u; ulimit -Sn; ulimit -c; umask; echo "$HOME $LOGNAME ${SPAWN_SECRET-none}"');
is($status, 0, 'cron-job: ends well') or diag($said);
is($said, '', 'cron-job: ... and says nothing');
my ($name, $home) = (getpwuid $uid)[ 0, 7 ];
is(content("$dir/log"), "$uid\n33\n0\n0077\n$home $name none\n", 'cron-job: who it is, limits, environment');
($said, $status) = run(@perl, 'eg/cron-job', @user, $sh, '-c', 'echo out; echo err >&2; exit 3');
is($status, 3, 'cron-job: the status');
is($said, "cron-job: $sh ended with status 3; it said:\n  out\n  err\n", 'cron-job: ... and all that it said');
($said, $status) = run(@perl, 'eg/cron-job', $sh, '-c', 'kill -KILL $$');
is($status, 137, 'cron-job: a signal');
like($said, qr/was killed by signal 9/, 'cron-job: ... is told');
($said, $status) = run(@perl, 'eg/cron-job', '-l', 'files=1', $sh);
is($status, 125, 'cron-job: a limit that there is not');
like($said, qr/\Acron-job: spawn: rlimits: there is no limit "files"/, 'cron-job: ... and what it was');

done_testing;
