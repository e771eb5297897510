use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Errno qw(ECHILD EPERM);
use File::Temp;
use Linux::Prctl qw(spawn);
use POSIX ();
use Seccomp qw(supervised no_listener);
use SpawnTest qw(each_way parent_now unlike_before program);

# The calls of the parent are refused or only pretended. Then there is an exception, no child
# and no program; or the program, and its number.

my $why = no_listener();
plan skip_all => $why if length $why;

my $sh = program('sh');
my $dir = File::Temp->newdir;
my $report = "$dir/report";
my @plan = (command => [ $sh, '-c', 'echo $$' ], stdout => $report, no_new_privs => 1);
my $memory = 0x21;    # MAP_SHARED | MAP_ANONYMOUS

# name, number for x86_64, which of its calls
my @calls = (
    [ clone           => 56,  sub { 1 } ],
    [ mmap            => 9,   sub { $_[3] == $memory } ],
    [ mprotect        => 10,  sub { $_[2] == 0 } ],
    [ memfd_create    => 319, sub { 1 } ],
    [ fcntl           => 72,  sub { $_[1] == 6 || $_[1] == 7 } ],     # F_SETLK, F_SETLKW
    [ prctl           => 157, sub { $_[0] == 3 || $_[0] == 4 } ],     # PR_GET_DUMPABLE, PR_SET_DUMPABLE
    [ rt_sigprocmask  => 14,  sub { 1 } ],
);

sub reported { open my $in, '<', $report or return; local $/; return scalar <$in> }

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
    return (\@said, scalar reported(), $answered, $other);
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
            cmp_ok($answered, '>', 0, "$title: ... of a call that there was") if $way ne 'in a copy' || $name =~ /\A(?:clone|mmap|mprotect|rt_sigprocmask)\z/;
            like($error, qr/\Aspawn: there is no child: /, "$title: there is no child") if $name eq 'clone';
        }
    }
});

done_testing;
