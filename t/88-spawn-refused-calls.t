use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Errno qw(EINVAL ENOSYS EPERM);
use File::Temp;
use Linux::Prctl qw(spawn);
use POSIX ();
use Seccomp qw(supervised install_program no_listener);
use Shapes qw(is_root);
use SpawnTest qw(each_way parent_now unlike_before program plan_that_tells reported is_starting);
use TestChild qw(in_child proc_status);

# Each system call of the child is refused, or only pretended, or leaves its number as an
# answer, or kills. Then there is an exception and no program; or one that is what the
# plan says.

my $why = no_listener();
plan skip_all => $why if length $why;

my $sh  = program('sh');
my $dir = File::Temp->newdir;
chmod 0777, "$dir";
my $report = "$dir/report";

my $root = is_root();
my @plan = plan_that_tells($report);

# What open(3) calls, by number for x86_64: musl open(2), glibc openat(2). Where it is not
# open(2), that is left alone: AddressSanitizer opens its log by it, until it succeeds.
my ($OPEN, $OPENAT) = (2, 257);
my ($opened) = supervised([ $OPEN, $OPENAT ], sub { return }, sub { POSIX::open('/dev/null', POSIX::O_RDONLY()) });
my @open = $opened->[-1]{syscall} == $OPEN ? $OPEN : ();

# What is in the child's way; some are made with values only. The C library calls stat(2)
# before glibc 2.33, newfstatat(2) since.
my @calls = (
    [ rt_sigaction => 13 ], [ rt_sigprocmask => 14 ], [ fcntl => 72 ], [ openat => [ $OPENAT, @open ] ], [ read => 0 ], [ lseek => 8 ],
    [ 'PR_SET_DUMPABLE', 157, 4 ], [ setsid => 112 ], [ getpid => 39 ], [ getppid => 110 ], [ umask => 95 ],
    [ fstatfs => 138 ], [ newfstatat => [ 262, 4 ] ], [ fstat => 5 ], [ dup2 => 33 ], [ close_range => 436 ], [ close => 3 ],
    [ prlimit64 => 302 ], [ setpriority => 141 ], [ getpriority => 140 ], [ fchdir => 81 ], [ getresuid => 118 ],
    [ getresgid => 120 ], [ getgroups => 115 ], [ setfsuid => 122 ], [ capget => 125 ],
    [ 'PR_SET_NO_NEW_PRIVS', 157, 38 ], [ 'PR_SET_PDEATHSIG', 157, 1 ], [ execve => 59 ],
    $root ? ([ setgroups => 116 ], [ setresgid => 119 ], [ setresuid => 117 ], [ capset => 126 ], [ 'PR_CAPBSET_DROP', 157, 24 ],
        [ 'PR_SET_KEEPCAPS', 157, 8 ], [ 'PR_SET_SECUREBITS', 157, 28 ], [ 'PR_CAP_AMBIENT', 157, 47 ]) : (),
);

# (what was said, what the program reported, how often it was answered)
sub run_with {
    my ($number, $option, $answer, @plan) = @_;
    unlink $report;
    my $answered = 0;
    my (undef, @said) = supervised([ ref $number ? @$number : $number ], sub {
        my ($call) = @_;
        return if defined $option && $call->{args}[0] != $option;
        return if !is_starting($call->{pid});
        $answered++;
        return $answer;
    }, sub {
        my $before = parent_now();
        my $pid = eval { spawn(@plan) };
        my $error = $@;
        waitpid $pid, 0 if $pid;
        ($pid ? "status $?" : $error, waitpid(-1, POSIX::WNOHANG()), unlike_before($before));
    });
    return (\@said, scalar reported($report), $answered);
}

each_way(sub {
    my ($way) = @_;
    my ($said, $expected) = run_with(39, -1, undef, @plan);
    is($said->[0], 'status 0', "$way: goes through by itself");
    like($expected, qr/^CapEff:.*^NoNewPrivs: 1.*^\/usr\n40\n50\n1 19\n0 1 2 .*9\n\z/ms, "$way: ... and tells what it is");
    my %tally;
    for my $call (@calls) {
        my ($name, $number, $option) = @$call;
        my %answers = (EPERM => { errno => EPERM }, EINVAL => { errno => EINVAL }, ENOSYS => { errno => ENOSYS },
            'a pretended success' => { value => 0 }, 'its own number' => { value => ref $number ? $number->[0] : $number });
        for my $answer (sort keys %answers) {
            my ($said, $report, $answered) = run_with($number, $option, $answers{$answer}, @plan);
            my $title = "$way: $answer from $name";
            if ($said->[0] =~ /\Astatus/) {
                $tally{lived}++;
                is($report, $expected, "$title: the program is what the plan says");
            }
            else {
                $tally{died}++;
                like($said->[0], qr/\Aspawn: .* line \d+\.\n\z/s, "$title: an exception");
                ok(!defined $report || $report eq '', "$title: no program");
            }
            is("@$said[1, 2]", '-1 ', "$title: nothing is left");
            cmp_ok($answered, '>', 0, "$title: ... of a call that there was") if $name !~ /\A(?:lseek|fstat|close|capset|PR_SET_KEEPCAPS|getpriority|PR_SET_DUMPABLE|PR_SET_NO_NEW_PRIVS)\z/;
        }
    }
    note("$way: ", join ', ', map { "$tally{$_} $_" } sort keys %tally);

    # What must be noticed, and by whom.
    my $state = do { local $! = 131; "$!" };    # ENOTRECOVERABLE
    my @noticed = (
        [ rt_sigaction => 13, sub { $_[1] }, { value => 0 }, 'resetting the handlers of signals' ],
        [ execve => 59, sub { 1 }, { value => 0 }, "exec of $sh" ],
        $way eq 'sharing' ? [ fcntl => 72, sub { $_[1] == 6 }, { value => 72 }, 'holding the lock on the shared memory' ] : (),    # F_SETLK
        # Where the memory is shared, the parent has done it.
        $way eq 'sharing' ? () : [ prctl => 157, sub { $_[0] == 4 }, { value => 0 }, 'set_dumpable(0)' ],    # PR_SET_DUMPABLE
    );
    for my $case (@noticed) {
        my ($name, $number, $is_meant, $answer, $where) = @$case;
        my (undef, $error) = supervised([$number], sub {
            my ($call) = @_;
            return if !$is_meant->(@{ $call->{args} }) || !is_starting($call->{pid});
            return $answer;
        }, sub { local $SIG{USR1} = sub { }; my $pid = eval { spawn(@plan) }; waitpid $pid, 0 if $pid; $@ });
        like($error, qr/\Aspawn: \Q$where: $state\E at /, "$way: a pretended success from $name: $where");
    }
    open my $stdin, '<&', \*STDIN or die "stdin: $!\n";
    open STDIN, '<', $0 or die "$0: $!\n";
    my (undef, $input) = run_with(33, undef, { value => 0 }, command => [ $sh, '-c', "cat >$report" ], stdin => '/dev/null');
    open STDIN, '<&', $stdin or die "stdin: $!\n";
    ok(!length($input // ''), "$way: a pretended success from dup2: nothing else is read instead");

    # The step that the kernel refused, by its name.
    if ($root) {
        my $again = do { local $! = 11; "$!" };    # EAGAIN
        my ($refused) = run_with(117, undef, { errno => 11 }, @plan);
        like($refused->[0], qr/\Aspawn: step \d+, setresuid\(ids 1001, 1001 and 1001\): \Q$again\E at /, "$way: EAGAIN from setresuid: what it says");
    }

    # The parent ends before the signal for that is armed: nothing is started.
    unlink $report;
    my $orphan = 0;
    my (undef, $ended) = supervised([157], sub {
        my ($call) = @_;
        return if $call->{args}[0] != 1 || !$call->{args}[1] || !is_starting($call->{pid});    # PR_SET_PDEATHSIG
        my %status = proc_status("/proc/$call->{pid}/status");
        $orphan = $call->{pid} if kill KILL => $status{PPid};
        select undef, undef, undef, 0.01 while { proc_status("/proc/$call->{pid}/status") }->{PPid} == $status{PPid};
        return;
    }, sub {
        Linux::Prctl::set_child_subreaper(1);
        my $parent = fork // die "fork: $!\n";
        if (!$parent) { spawn(@plan); POSIX::_exit(1) }
        my $ended = 0;
        $ended++ while waitpid(-1, 0) > 0;
        $ended;
    });
    cmp_ok($orphan, '>', 0, "$way: the parent is killed before the signal for its end is armed");
    is($ended, 2, "$way: ... and so its child ends");
    ok(!length(reported($report) // ''), "$way: ... and there is no program");

    # No range of descriptors, but a list.
    my ($listed, $listed_report) = run_with(436, undef, { errno => EPERM }, @plan);
    is($listed->[0], 'status 0', "$way: EPERM from close_range: goes through");
    is($listed_report, $expected, "$way: ... and the program has no other descriptor");

    # Neither a range nor a list of descriptors: each is closed.
    my ($closed, $closed_report) = run_with([ 436, 217 ], undef, { errno => EPERM }, @plan);
    is($closed->[0], 'status 0', "$way: EPERM from close_range and getdents64: goes through");
    is($closed_report, $expected, "$way: ... and the program has no other descriptor");

    # A process group of its own.
    my @group = (command => [ $sh, '-c', 'read -r stat </proc/$$/stat; set -- $stat; echo $(($1 == $5))' ], stdout => $report, process_group => 0);
    for my $answer ({ errno => EPERM }, { value => 0 }, { value => 109 }) {
        my ($said, $told) = run_with(109, undef, $answer, @group);
        like($said->[0], qr/\Aspawn: process_group: /, "$way: @{[ %$answer ]} from setpgid: an exception");
        ok(!length($told // ''), "$way: ... and no program");
    }
});

# A root directory of its own: where /usr has all that a program needs.

my $list = '/bin/ls';
SKIP: {
    skip 'root with everything: needs root', 1 if !$root;
    my $can = fork // die "fork: $!\n";
    if (!$can) { open STDOUT, '>', '/dev/null'; chroot '/usr' and exec $list, '/' or POSIX::_exit(1) }
    waitpid $can, 0;
    skip 'root with everything: /usr is no root directory here', 1 if $?;
    my $pid = spawn(command => [ $list, '/' ], root => '/usr', stdout => "$report");
    waitpid $pid, 0;
    my $usr = reported($report);
    my $expected = join '', map { "$_\n" } sort grep { !/\A\./ } do { opendir my $in, '/usr'; readdir $in };
    is(join('', sort $usr =~ /^.*\n/mg), join('', sort $expected =~ /^.*\n/mg), 'root with everything: root: the program is inside');
    each_way(sub {
        my ($way) = @_;
        for my $plan ([], [ chdir => '/bin' ], [ reuid => 1001, regid => 1001, clear_groups => 1, chdir => '/bin' ]) {
            my ($said, $report) = run_with(39, -1, undef, command => ['/bin/pwd'], root => '/usr', stdout => $report, @$plan);
            is($report, (@$plan ? '/bin' : '/') . "\n", "root with everything: $way: root and (@$plan): the working directory");
        }
        for my $call ([ chroot => 161 ], [ fchdir => 81 ], [ newfstatat => 262 ], [ openat => 257 ]) {
            my ($name, $number) = @$call;
            for my $answer ({ errno => EPERM }, { value => 0 }, { value => $number }) {
                my ($said, $report) = run_with($number, undef, $answer, command => [ $list, '/' ], root => '/usr', stdout => $report);
                my $title = "root with everything: $way: " . join(' ', %$answer) . " from $name";
                if ($said->[0] =~ /\Astatus/) { is($report, $usr, "$title: the program is inside") }
                else                          { ok(!length($report // ''), "$title: no program") or diag("$said->[0]\n$report") }
            }
        }
    });
}

# Killed by the filter.

each_way(sub {
    my ($way) = @_;
    for my $call (grep { $_->[0] =~ /\A(?:setsid|umask|fchdir|close_range|setpriority|setgroups|setres.id|capset)\z/ } @calls) {
        my ($name, $number) = @$call;
        for my $returns (0x00030000, 0x80000000) {    # SECCOMP_RET_TRAP, SECCOMP_RET_KILL_PROCESS
            unlink $report;
            my @said = in_child {
                $SIG{SYS} = sub { };
                my $before = parent_now();
                install_program(Seccomp::program([ $number, $returns ]));
                my $now = parent_now();
                my $pid = eval { spawn(@plan) };
                my $error = $@;
                waitpid $pid, 0 if $pid;
                ($error, waitpid(-1, POSIX::WNOHANG()), unlike_before($now));
            };
            my $title = "$way: " . ($returns == 0x00030000 ? 'a trap' : 'killed') . " at $name";
            like($said[0], qr/\Aspawn: the child was killed by SIGSYS before it executed the program/, $title);
            is("@said[1, 2]", '-1 ', "$title: nothing is left");
            ok(!length(reported($report) // ''), "$title: no program");
        }
    }
});

done_testing;
