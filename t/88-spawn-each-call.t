use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Errno qw(EPERM);
use File::Temp;
use Linux::Prctl qw(spawn);
use POSIX ();
use Seccomp qw(supervised no_listener);
use Shapes qw(is_root);
use SpawnTest qw(parent_now unlike_before program plan_that_tells reported is_starting);
use TestChild qw(in_child);

# One system call of the child fails, or is only pretended, at each place where there is one.
# Then there is an exception and no program; or one that is what the plan says.

my $why = no_listener();
plan skip_all => $why if length $why;

my $sh  = program('sh');
my $dir = File::Temp->newdir;
chmod 0777, "$dir";
my $report = "$dir/report";

my @plan = (plan_that_tells($report), is_root() ? (root => '/') : ());

# By number for x86_64. Those that prctl is asked of each capability are the kernel's alone.
my %number = (
    rt_sigaction => 13, rt_sigprocmask => 14, fcntl => 72, open => 2, openat => 257, read => 0, lseek => 8, prctl => 157,
    setsid => 112, getpid => 39, umask => 95, fstatfs => 138, stat => 4, newfstatat => 262, fstat => 5, dup2 => 33,
    close_range => 436, prlimit64 => 302, setpriority => 141, getpriority => 140, fchdir => 81, chroot => 161,
    getresuid => 118, getresgid => 120, getgroups => 115, setfsuid => 122, setfsgid => 123, capget => 125, execve => 59,
    setgroups => 116, setresgid => 119, setresuid => 117, capset => 126, getdents64 => 217,
);
my %name     = reverse %number;
my %FOR_EACH = map { $_ => 1 } 23, 24;    # PR_CAPBSET_READ, PR_CAPBSET_DROP
my ($AMBIENT, $IS_SET) = (47, 1);
my ($O_PATH, $O_CLOEXEC) = (0x200000, 02000000);

my $INHERITABLE = 30;

# A C library may mark, by another call, what it takes for opened or copied: then 0 is said of
# what the program was to read, and is closed with exec.
my ($F_SETFD, $F_DUPFD_CLOEXEC) = (2, 1030);
my ($asked) = supervised([ @number{qw(fcntl open openat)} ], sub {
    my ($call) = @_;
    return $name{ $call->{syscall} } ne 'fcntl' || $call->{args}[1] == $F_DUPFD_CLOEXEC ? { value => 0 } : { errno => EPERM };
}, sub {
    POSIX::open('/', $O_PATH | $O_CLOEXEC);
    fcntl STDIN, $F_DUPFD_CLOEXEC, 3;
    1;
});
my $marks = grep { $name{ $_->{syscall} } eq 'fcntl' && $_->{args}[1] == $F_SETFD } @$asked;

# What was said, what the program reported, and the calls in their order. $answer is for the
# call of that number.
sub run {
    my ($at, $answer) = @_;
    unlink $report;
    my ($child, $over, @calls) = (0, 0);
    my (undef, @said) = supervised([ values %number ], sub {
        my ($call) = @_;
        return if $over;
        if ($call->{pid} != $child) {
            return if $child || !is_starting($call->{pid});
            $child = $call->{pid};
        }
        my $name = $name{ $call->{syscall} } // $call->{syscall};
        $over = $name eq 'execve';
        return if $name eq 'prctl' && ($FOR_EACH{ $call->{args}[0] } || ($call->{args}[0] == $AMBIENT && $call->{args}[1] == $IS_SET));
        push @calls, $name eq 'prctl' ? "prctl $call->{args}[0]"
            : $name eq 'fcntl' && $call->{args}[1] == $F_DUPFD_CLOEXEC ? 'copy' : $name;
        return defined $at && @calls == $at ? $answer : undef;
    }, sub {
        local $SIG{HUP} = sub { };    # which becomes the default
        POSIX::dup2(fileno STDIN, $INHERITABLE) // die "dup2: $!\n";
        my $before = parent_now();
        my $pid    = eval { spawn(@plan) };
        my $error  = $@;
        waitpid $pid, 0 if $pid;
        ($pid ? "status $?" : $error, waitpid(-1, POSIX::WNOHANG()), unlike_before($before));
    });
    return (\@said, scalar reported($report), \@calls);
}

# The places: of very many calls of one kind in a row, the first ones and the last.
sub places {
    my (@calls) = @_;
    return grep {
        my $at = $_;
        my $in = grep { ($calls[ $at - $_ ] // '') eq $calls[$at] } 1 .. 3;
        $at < 3 || $in < 3 || ($calls[ $at + 1 ] // '') ne $calls[$at];
    } 0 .. $#calls;
}

my ($said, $expected, $calls) = run();
is($said->[0], 'status 0', 'goes through by itself');
like($expected, qr/^CapEff:.*^NoNewPrivs: 1.*^\/usr\n40\n50\n1 19\n0 1 2 (?:\d )*9\n\z/ms, '... and tells what it is');
my @places = places(@$calls);
note("@$calls[@places]");
my %tally;
for my $row (
    [ 'EPERM',     { errno => EPERM } ],
    # A descriptor 0 may be one.
    [ 'pretended', { value => 0 }, $marks ? qr/\A(?:open|openat|copy)\z/ : qr/\A(?:open|openat)\z/ ],
) {
    my ($how, $answer, $but) = @$row;
    my @wrong;
    for my $at (@places) {
        next if $but && $calls->[$at] =~ $but;
        my ($said, $report) = run($at + 1, $answer);
        my $lived = $said->[0] =~ /\Astatus/;
        $tally{ $lived ? 'lived' : 'died' }++;
        my $problem = $lived ? ($said->[0] eq 'status 0' && $report eq $expected ? '' : "it is $report")
            : $said->[0] !~ /\Aspawn: .* line \d+\.\n\z/s ? 'no exception'
            : length($report // '')                       ? 'there was a program'
            :                                               '';
        $problem ||= "left: @$said[1, 2]" if "@$said[1, 2]" ne '-1 ';
        push @wrong, "$at, $calls->[$at]: $problem ($said->[0])\n" if $problem;
    }
    is("@wrong", '', "each call: $how");
}
cmp_ok($tally{$_} // 0, '>', 0, "some $_: " . ($tally{$_} // 0)) for qw(lived died);

# ---- the descriptors that nobody named ----

# There are three ways to close them, each where the ones before fail or are only pretended. An
# inheritable one is not there in the program, or there is an exception and no program.
my ($close_range, $getdents64, $close) = (@number{qw(close_range getdents64)}, 3);
my %answers = ('as it is' => undef, 'refused' => EPERM, 'pretended' => 0);
my $has_range = syscall($close_range, 2**20, 2**20, 0) == 0;    # since Linux 5.9
my %ends;
for my $range (sort keys %answers) {
    for my $list (sort keys %answers) {
        for my $each ('as it is', 'pretended') {
            my @rules = grep { defined $_->[1] } [ $close_range, $answers{$range} ], [ $getdents64, $answers{$list} ],
                [ $close, $answers{$each} ];
            my ($error, $status, $left) = in_child {
                POSIX::dup2(fileno STDIN, $INHERITABLE) // die "dup2: $!\n";
                Seccomp::filter(@rules) if @rules;
                my $pid = eval { spawn(command => [ $sh, '-c', "test ! -e /proc/\$\$/fd/$INHERITABLE" ]) };
                my $error = "$@";
                waitpid $pid, 0 if $pid;
                my $status = $pid ? $? : undef;
                return ($error, $status, waitpid(-1, POSIX::WNOHANG()));
            };
            my $title = "close_range $range, the list $list, close $each";
            $ends{ $error ? 'died' : 'closed' }++;
            is($left, -1, "$title: no child is left");
            if ($error) {
                like($error, qr/\Aspawn: .* line \d+\.\n\z/s, "$title: an exception");
                ok($each eq 'pretended' && !($has_range && $range eq 'as it is'), '... since it cannot be closed');
                next;
            }
            is($status, 0, "$title: what nobody named is closed");
        }
    }
}
is(join(' ', sort keys %ends), 'closed died', "$ends{closed} were closed, $ends{died} were not");

# There may be several ranges, of which one is only pretended to be closed.
for my $first (3, 10, 21) {
    my ($error, $status) = in_child {
        POSIX::dup2(fileno STDIN, $_) // die "dup2: $!\n" for 5, 15, $INHERITABLE;
        Seccomp::filter([ $close_range, 0, $first ]);
        my $pid = eval {
            spawn(command => [ $sh, '-c', 'cd /proc/$$/fd; for i in 5 15 30; do test ! -e $i || exit 1; done' ],
                fds => { 9 => \*STDIN, 20 => \*STDIN });
        };
        my $error = "$@";
        waitpid $pid, 0 if $pid;
        return ($error, $?);
    };
    is("$error$status", 0, "close_range($first, ...) pretended: all of them are closed all the same");
}

# One of them stays where close(2) of it alone is pretended: that is seen.
{
    my ($error, $status) = in_child {
        POSIX::dup2(fileno STDIN, $INHERITABLE) // die "dup2: $!\n";
        Seccomp::filter([ $close_range, EPERM ], [ $close, 0, $INHERITABLE ]);
        my $pid = eval { spawn(command => [ $sh, '-c', "test ! -e /proc/\$\$/fd/$INHERITABLE" ]) };
        my $error = "$@";
        waitpid $pid, 0 if $pid;
        return ($error, $pid ? $? : 0);
    };
    like($error, qr/\Aspawn: .* line \d+\.\n\z/s, 'close(2) of one descriptor pretended: an exception');
    is($status, 0, '... and no program has it');
}

# A descriptor for the try of it, said to be that of what the program reads.
my $stdin = 0;
unlink $report;
my (undef, $error) = supervised([ $number{open}, $number{openat} ], sub {
    my ($call) = @_;
    my $flags  = $call->{args}[ ($name{ $call->{syscall} } // $call->{syscall}) eq 'open' ? 1 : 2 ];
    return if !($flags & $O_PATH) || !is_starting($call->{pid});
    $stdin++;
    return { value => 0 };
}, sub {
    my $pid = eval { spawn(command => [ $sh, '-c', "test -e /proc/\$\$/fd/0 && echo there >'$report'" ]) };
    my $error = "$@";
    waitpid $pid, 0 if $pid;
    return $error;
});
cmp_ok($stdin, '>', 0, 'a descriptor for the try is asked for');
SKIP: {
    skip 'the C library marks 0 to be closed', 1 if $marks;
    ok(($error // '') ne '' || (reported($report) // '') eq "there\n", '... and the program keeps what it reads')
        or diag("error: $error");
}

done_testing;
