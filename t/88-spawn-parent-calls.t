use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Errno qw(ECHILD ENOTRECOVERABLE EPERM);
use File::Temp;
use Linux::Prctl qw(spawn);
use POSIX ();
use Seccomp qw(supervised no_listener);
use SpawnTest qw(each_way parent_now unlike_before program reported);
use TestChild qw(proc_status);

# The calls of the parent are refused or only pretended. Then there is an exception, no child
# and no program; or the program, and its number.

my $why = no_listener();
plan skip_all => $why if length $why;

my $sh = program('sh');
my $dir = File::Temp->newdir;
my $report = "$dir/report";
my @plan = (command => [ $sh, '-c', 'echo $$' ], stdout => $report, no_new_privs => 1);
my ($least, $most) = (90_000, 130_000);    # bytes of the memory for a child; perl maps more at a time

# name, number for x86_64, which of its calls
my @calls = (
    [ clone           => 56,  sub { 1 } ],
    [ mmap            => 9,   sub { $_[1] > $least && $_[1] < $most } ],
    [ mprotect        => 10,  sub { $_[2] == 0 } ],
    [ memfd_create    => 319, sub { 1 } ],
    [ fcntl           => 72,  sub { $_[1] == 6 || $_[1] == 7 } ],     # F_SETLK, F_SETLKW
    [ prctl           => 157, sub { $_[0] == 3 || $_[0] == 4 } ],     # PR_GET_DUMPABLE, PR_SET_DUMPABLE
    [ rt_sigprocmask  => 14,  sub { 1 } ],
    [ waitid          => 247, sub { 1 } ],
);

# The other child is one that the caller has already.
sub run_with {
    my ($call, $answer) = @_;
    my (undef, $number, $is_meant) = @$call;
    unlink $report;
    my ($parent, $other, $answered) = (0, 0, 0);
    my (undef, @said) = supervised([ $number, 'getppid' ], sub {
        my ($call) = @_;
        my @args = @{ $call->{args} };
        if ($call->{syscall} eq 'getppid') {
            ($parent, $other) = ($call->{pid}, $args[0]) if !$parent;
            return;
        }
        return if $call->{pid} != $parent || !$is_meant->(@args);
        $answered++;
        my $value = ref $answer->{value} ? $other : $answer->{value};
        return { %$answer, defined $value ? (value => $value) : () };
    }, sub {
        my $other = fork // die "fork: $!\n";
        if (!$other) { sleep 60; POSIX::_exit(1) }
        my $before = parent_now();
        syscall 110, $other;
        my $pid = eval { spawn(@plan) };
        my ($error, $errno) = ($@, $! + 0);
        my $waited = $pid ? waitpid $pid, 0 : 0;
        my $status = $?;
        my $differs = $error ? unlike_before($before) : '';
        kill KILL => $other;
        my $killed = waitpid($other, 0) == $other && $? == 9;
        ($pid, $error, $errno, $waited, $status, $differs, $killed, waitpid(-1, POSIX::WNOHANG()));
    });
    return (\@said, scalar reported($report), $answered, $other);
}

each_way(sub {
    my ($way) = @_;
    for my $call (@calls) {
        my ($name, $number) = @$call;
        my %answers = (EPERM => { errno => EPERM }, 'a pretended success' => { value => 0 }, 'its own number' => { value => $number },
            'the number of another child' => { value => \0 });
        for my $answer (sort keys %answers) {
            my ($said, $report, $answered, $other) = run_with($call, $answers{$answer});
            my ($pid, $error, $errno, $waited, $status, $differs, $killed, $left) = @$said;
            my $title = "$way: $answer from $name";
            if ($pid) {
                is($report, "$pid\n", "$title: the program has the number that was returned");
                is("$waited $status", "$pid 0", "$title: ... and is our child");
                isnt($pid, $other, "$title: ... and no other");
            }
            else {
                like($error, qr/\Aspawn: .* at \Q$0\E line \d+\.\n\z/, "$title: an exception");
                isnt($errno, 0, "$title: ... with \$!");
                ok(!defined $report || $report eq '', "$title: no program");
            }
            is($differs, '', "$title: nothing is left");
            ok($killed, "$title: another child is still there");
            is($left, -1, "$title: ... and nothing else");
            cmp_ok($answered, '>', 0, "$title: ... of a call that there was") if $way ne 'in a copy' || $name =~ /\A(?:clone|mmap|mprotect|rt_sigprocmask|waitid)\z/;
            like($error, qr/\Aspawn: there is no child: /, "$title: there is no child") if $name =~ /\A(?:clone|rt_sigprocmask)\z/;
        }
    }
});

# A descriptor that is not new is none of a new file, and stays open.

SKIP: {
    skip 'the tests run in copies anyway', 1 if $ENV{LINUX_PRCTL_SPAWN};
    my $answered = 0;
    my (undef, @said) = supervised([ 319, 'getppid' ], sub {
        my ($call) = @_;
        state $own = $call->{args}[0];
        $answered++ if $call->{syscall} eq '319';
        return $call->{syscall} eq '319' ? { value => $own } : undef;
    }, sub {
        # Not of a tmpfs: that is a file in memory, and could be locked.
        open my $own, '<', '/proc/version' or die "/proc/version: $!\n";
        syscall 110, fileno $own;
        my $pid = spawn(@plan);
        waitpid $pid, 0;
        ($?, scalar(<$own>) =~ /\A(Linux) version /);
    });
    is($answered, 1, 'the number of another file from memfd_create');
    is_deeply(\@said, [ 0, 'Linux' ], '... is not locked, nor closed');
}

# Two calls tell what became of the child. A filter that fakes both must not keep us waiting,
# and neither may a program stay that nobody knows of.

my $clone = 0x80000000;    # __WCLONE: with it the module waits, and perl without it
sub wait_with {
    my ($answers, @plan) = @_;
    unlink $report;
    my $child = 0;
    my (undef, @said) = supervised([ keys %$answers ], sub {
        my ($call) = @_;
        my ($options, $pid) = $call->{syscall} == 61 ? @{ $call->{args} }[ 2, 0 ] : @{ $call->{args} }[ 3, 1 ];
        return if !($options & $clone);
        $child = $pid;
        my $answer = $answers->{ $call->{syscall} };
        return ref $answer ? $answer : { value => $pid };
    }, sub {
        local $SIG{ALRM} = 'DEFAULT';
        alarm 60;    # the signals are blocked while it waits, but none is sent then
        my $pid = eval { spawn(@plan) };
        my ($error, $errno) = ($@, $! + 0);
        return ($pid, $error, $errno, $pid ? waitpid($pid, 0) == $pid && $? : 0);
    });
    return (@said, scalar(reported($report)), $child);
}

each_way(sub {
    my ($way) = @_;
    my %answers = (EPERM => { errno => EPERM }, 'a pretended success' => { value => 0 }, "the child's number" => 'pid');
    my @sleeps = (command => [ $sh, '-c', 'exec sleep 600' ], stdout => '/dev/null', stderr => '/dev/null');
    my @fails  = (command => ['/nonexistent/program']);
    for my $answer (sort keys %answers) {
        my ($pid, $error, $errno, $status, $report) = wait_with({ 61 => $answers{$answer} }, @plan);
        is($report, "$pid\n", "$way: $answer from wait4 alone: the program runs");
        ($pid, $error, $errno, $status) = wait_with({ 247 => $answers{$answer} }, @fails);
        is($error =~ s/ at .*//sr, 'spawn: exec of /nonexistent/program: No such file or directory',
            "$way: $answer from waitid: why nothing was executed");

        # Nobody tells: whatever there is, it does not stay.
        ($pid, $error, $errno, $status, $report, my $child) = wait_with({ 61 => $answers{$answer}, 247 => $answers{$answer} }, @sleeps);
        like($error, qr/\Aspawn: a seccomp filter keeps back what became of the child, which was killed: /,
            "$way: $answer from wait4 and waitid: an exception");
        is($errno, ENOTRECOVERABLE, "$way: $answer from both: \$!");
        cmp_ok($child, '>', 0, "$way: $answer from both: there was a child");
        my $state = '';
        for (1 .. 600) {
            my %status = eval { proc_status("/proc/$child/status") };
            last if ($state = $status{State} // 'Z') =~ /\A[ZX]/;
            select undef, undef, undef, 0.1;
        }
        like($state, qr/\A[ZX]/, "$way: $answer from both: its program does not stay");
        ($pid, $error) = wait_with({ map { $_ => { errno => ECHILD } } 61, 247 }, @fails);
        like($error, qr/\Aspawn: exec of \/nonexistent\/program: /, "$way: ECHILD from both: why nothing was executed");
        ($pid, $error) = wait_with({ 61 => $answers{$answer}, 247 => $answers{$answer} }, @fails);
        like($error, qr/\Aspawn: exec of \/nonexistent\/program: /, "$way: $answer from both: why nothing was executed");
    }
});

done_testing;
