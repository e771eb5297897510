use 5.014;
use warnings;
use open IN => ':bytes', OUT => ':bytes';    # whatever PERL_UNICODE says

use Errno qw(EIO EPERM);
use Test::More;

use lib 't/lib';
use Linux::Prctl qw(spawn setpriv);
use POSIX ();
use Seccomp qw(supervised no_listener);
use Shapes qw(is_root);
use SpawnTest qw(no_spawn each_way parent_now unlike_before program);
use TestChild qw(in_child proc_status);

plan skip_all => no_spawn() if no_spawn();

# While the child uses the memory of its parent: nobody of the new user gets in, no handler
# of the parent runs in it, and the parent is afterwards what it was.

my $true = program('true');

# ---- an observer of the new user ----

my ($uid, $canary) = (1001, 'untouched' x 3);
my $address = unpack 'J', pack 'p', $canary;
my ($process_vm_readv, $process_vm_writev, $ptrace, $kcmp) = (310, 311, 101, 312);
my ($seize, $detach, $getresgid, $execve) = (0x4206, 17, 120, 59);

# What a process of that user can do to another one.
sub can {
    my ($pid, $at) = @_;
    return in_child {
        setpriv(reuid => $uid, regid => $uid, clear_groups => 1, bounding_set => []);
        my @can;
        my $bytes  = 'REPLACED ';
        my $local  = pack 'P J', $bytes, length $bytes;
        my $remote = pack 'J J', $at, length $bytes;
        push @can, 'process_vm_readv'  if syscall($process_vm_readv, $pid, $local, 1, $remote, 1, 0) > 0;
        $bytes = 'REPLACED ';
        push @can, 'process_vm_writev' if syscall($process_vm_writev, $pid, $local, 1, $remote, 1, 0) > 0;
        for my $file (qw(mem environ maps auxv)) {
            open my $in, '<', "/proc/$pid/$file" or next;
            push @can, "/proc/PID/$file" if $file eq 'mem' || sysread $in, my ($got), 1;
        }
        push @can, '/proc/PID/mem for writing' if open my $out, '+<', "/proc/$pid/mem";
        push @can, '/proc/PID/fd' if opendir my $dir, "/proc/$pid/fd";
        push @can, 'ptrace' if syscall($ptrace, $seize, $pid, 0, 0) == 0;
        "@can";
    };
}

my $why = no_listener() || (is_root() ? '' : 'needs root with setuid, setgid and setpcap');
SKIP: {
    skip "root with everything: $why", 1 if $why;
    my $ordinary = spawn(command => [ program('sleep'), 60 ], reuid => $uid, regid => $uid, clear_groups => 1);
    my $control = can($ordinary, $address);
    kill KILL => $ordinary;
    waitpid $ordinary, 0;
    skip 'root with everything: a security module keeps processes of one user apart', 1 if $control !~ m{/proc/PID/environ.*ptrace};
    note("of an ordinary process: $control");

    each_way(sub {
        my ($way) = @_;
        for my $plan ([ bounding_set => [] ], [ ambient_caps => ['chown'], bounding_set => ['chown'] ], [ no_new_privs => 1 ]) {
            my %can;
            my (undef, @said) = supervised([ $getresgid, $execve ], sub {
                my ($call) = @_;
                my %status = proc_status("/proc/$call->{pid}/status");
                if ($status{PPid} != $$) {
                    my ($first) = $status{Uid} =~ /\A(\d+)/;
                    $can{"$call->{syscall} as $first"} = can($call->{pid}, $address);
                }
                return;
            }, sub {
                my $before = parent_now();
                waitpid spawn(command => [$true], reuid => $uid, regid => $uid, clear_groups => 1, @$plan), 0;
                ($?, $canary, unlike_before($before));
            });
            my $title = "root with everything: $way: @$plan[0]";
            is_deeply(\%can, { map { ("$_ as $uid" => '') } $getresgid, $execve }, "$title: the new user cannot get in")
                or diag(explain(\%can));
            is_deeply(\@said, [ 0, 'untouched' x 3, '' ], "$title: the parent is as it was");
        }
    });
}

# The flag itself: as it was, whatever it was.

each_way(sub {
    my ($way) = @_;
    for my $plan ([], [ no_new_privs => 1 ]) {
        for my $value (1, 0) {
            my @left = in_child {
                Linux::Prctl::set_dumpable($value) == 0 or die "set_dumpable: $!\n";
                waitpid spawn(command => [$true], @$plan), 0;
                my $good = Linux::Prctl::get_dumpable();
                eval { spawn(command => ['/no/such/program'], @$plan) };
                ($good, Linux::Prctl::get_dumpable(), $?);
            };
            is_deeply(\@left, [ $value, $value, 0 ], "$way: (@$plan): dumpable was $value, and is");
        }
    }
});

# Where a change of ids turns it on, or leaves what cannot be given back, the memory is not
# shared; how it is made shows in the child, which can write in its parent's memory or not.

# What the kernel answers is written here.
sub way_with {
    my (%imitated) = @_;
    my ($calls, @said) = supervised([ 0, 56, 'prctl' ], sub {
        my ($call) = @_;
        my @args = @{ $call->{args} };
        if ($call->{syscall} eq '0' && defined $imitated{sysctl}) {
            my $file = readlink "/proc/$call->{pid}/fd/$args[0]" // '';
            return if $file ne '/proc/sys/fs/suid_dumpable' || $args[2] < 7;
            return { errno => $imitated{sysctl} } if $imitated{sysctl} =~ /\A\d+\z/;
            return { value => length $imitated{sysctl}, write => { $args[1] => $imitated{sysctl} } };
        }
        return { errno => EPERM } if $call->{syscall} eq 'prctl' && $args[0] == 4 && $args[1] == ($imitated{refused} // -1);
        return if $args[0] != 3 || $call->{syscall} ne 'prctl' || !defined $imitated{dumpable};
        my %status = proc_status("/proc/$call->{pid}/status");
        return $status{PPid} == $$ ? { value => $imitated{dumpable} } : undef;    # the child has its own
    }, sub { my $pid = spawn(command => [$true], @{ $imitated{plan} || [ no_new_privs => 1 ] }); waitpid $pid, 0; ($?, Linux::Prctl::get_dumpable()) });
    my ($dumpable, @at_clone) = (1);
    for my $call (@$calls) {
        my @args = @{ $call->{args} };
        $dumpable = $args[1] if $call->{syscall} eq 'prctl' && $args[0] == 4;
        @at_clone = (!!($args[0] & 0x100), $dumpable) if $call->{syscall} eq '56' && !@at_clone;
    }
    return ($at_clone[0], @said, $imitated{plan} ? $at_clone[1] : ());
}

SKIP: {
    skip no_listener(), 1 if length no_listener();
    skip 'the tests run in copies anyway', 1 if $ENV{LINUX_PRCTL_SPAWN};
    local $ENV{LINUX_PRCTL_SPAWN} = '';
    is_deeply([ way_with(sysctl => "0\n") ], [ 1, 0, 1 ], 'fs.suid_dumpable is 0: the memory is shared');
    is_deeply([ way_with(sysctl => "2\n") ], [ 1, 0, 1 ], 'fs.suid_dumpable is 2: the memory is shared');
    is_deeply([ way_with(sysctl => "1\n") ], [ '', 0, 1 ], 'fs.suid_dumpable is 1: it is not');
    is_deeply([ way_with(sysctl => EIO) ], [ '', 0, 1 ], 'fs.suid_dumpable cannot be read: it is not');
    is_deeply([ way_with(sysctl => '') ], [ '', 0, 1 ], 'fs.suid_dumpable says nothing: it is not');
    is_deeply([ way_with(refused => 1) ], [ '', 0, 1 ], 'a filter would not give the flag back: it is not');
    is_deeply([ way_with(dumpable => 2) ], [ '', 0, 2 ], 'the flag is SUID_DUMP_ROOT: it is not');

    # Who stays who he is: the flag is off all the same, or a signal could have a core dump end the parent too.
    is_deeply([ way_with(plan => [], sysctl => "1\n") ], [ 1, 0, 1, 0 ], 'without a plan, no change of ids can turn it on');
    is_deeply([ way_with(plan => [ stdin => '/dev/null' ]) ], [ 1, 0, 1, 0 ], 'without a plan, it is off while the memory is shared');
    is_deeply([ (way_with(plan => [], dumpable => 2))[ 0 .. 2 ] ], [ '', 0, 2 ], 'without a plan, the flag is SUID_DUMP_ROOT: not shared');
}

# ---- handlers ----

# USR1 goes to all; USR2 and ALRM to children alone. A handler of perl's notes a signal in
# memory, which would be the parent's.
each_way(sub {
    my ($way) = @_;
    my $rounds = 300;
    my @said = in_child {
        setpgrp;
        my ($parent, $elsewhere, $here) = ($$, 0, 0);
        $SIG{USR1} = sub { $here++ };
        $SIG{$_} = sub { $elsewhere++ } for qw(USR2 ALRM);
        my $helper = fork // die "fork: $!\n";
        if (!$helper) {
            $SIG{$_} = 'IGNORE' for qw(USR1 USR2 ALRM);
            while (getppid == $parent) {
                kill USR1 => -$parent;
                open my $in, '<', "/proc/$parent/task/$parent/children" or next;
                my @children = grep { $_ != $$ } split ' ', <$in> // '';
                kill $_ => @children for qw(USR2 ALRM);
                select undef, undef, undef, 0.0002;
            }
            POSIX::_exit(0);
        }
        my $before = parent_now();
        my %became;
        for (1 .. $rounds) {
            my $pid = eval { spawn(command => [$true], no_new_privs => 1) };
            if (!$pid) {

                # In an old perl a handler that comes then empties $@.
                my $killed = $@ =~ /was killed by SIG(USR1|USR2|ALRM) before/ || $] < 5.018 && $@ eq '';
                $became{ $killed ? 'killed before' : $@ }++;
                next;
            }
            1 while waitpid($pid, 0) != $pid;
            my $signal = $? & 127;
            $became{ !$? ? 'done' : (grep { $signal == $_ } 10, 12, 14) ? 'killed' : "status $?" }++;
        }
        my $after = unlike_before($before);
        kill KILL => $helper;
        1 while waitpid($helper, 0) != $helper;
        (\%became, $elsewhere, $here, $after);
    };
    my $became = shift @said;
    my $sum = 0;
    $sum += $became->{$_} // 0 for 'done', 'killed before', 'killed';
    is($sum, $rounds, "$way: signals throughout: each ran, or was killed") or diag(explain($became));
    is($said[0], 0, "$way: ... and no handler ran in a child");
    cmp_ok($said[1], '>', 0, "$way: ... while they ran in the parent");
    is($said[2], '', "$way: ... which is what it was");
    note(join ', ', map { "$_: $became->{$_}" } sort keys %$became);
});

# As it is about to execute: no signal of it has a handler any more but those of the C library
# itself, and it holds the lock that tells its parent when it has left the memory.
SKIP: {
    skip no_listener(), 1 if length no_listener();
    each_way(sub {
        my ($way) = @_;
        for my $plan ([], [ no_new_privs => 1 ]) {
            my (%status, @locked, @fds);
            my (undef, $status) = supervised([$execve], sub {
                my ($call) = @_;
                my %now = proc_status("/proc/$call->{pid}/status");
                return if $now{PPid} == $$;
                %status = %now;
                open my $locks, '<', '/proc/locks' or die "locks: $!\n";
                @locked = grep { /POSIX\s+ADVISORY\s+WRITE\s+$call->{pid}\s/ } <$locks>;
                @fds = map { readlink "/proc/$call->{pid}/fd/$_" // () } 3 .. 20;
                return;
            }, sub {
                POSIX::sigaction($_, POSIX::SigAction->new(sub { })) or die "sigaction $_: $!\n" for 10, 31, 40, 64;
                waitpid spawn(command => [$true], @$plan), 0;
                $?;
            });
            my $title = "$way: (@$plan): about to execute";
            is($status, 0, "$title: the program runs");
            is(hex(substr $status{SigCgt}, 0, 8), 0, "$title: no real-time signal has a handler");
            is(hex(substr $status{SigCgt}, 8) & 0x7fffffff, 0, "$title: nor has another one");
            my $locks = @$plan && $way eq 'sharing' && !$ENV{LINUX_PRCTL_SPAWN} ? 1 : 0;
            is(scalar @locked, $locks, "$title: " . ($locks ? 'the lock is held' : 'there is no lock'));
            is(scalar(grep { !m{\A/memfd:spawn|/status\z} } @fds), 0, "$title: nothing else is open") if is_root();
        }
    });
}

# What is blocked, ignored and by default in the program: as by exec.
each_way(sub {
    my ($way) = @_;
    my @said = in_child {
        local $SIG{USR1} = sub { };
        local $SIG{USR2} = 'IGNORE';
        my $mask = POSIX::SigSet->new(POSIX::SIGHUP(), POSIX::SIGTERM());
        POSIX::sigprocmask(POSIX::SIG_BLOCK(), $mask);
        my @grep = (program('grep'), '^Sig\(Blk\|Ign\|Cgt\)', '/proc/self/status');
        pipe my $from, my $to or die "pipe: $!\n";
        waitpid spawn(command => \@grep, stdout => $to), 0;
        close $to;
        my $spawned = join '', <$from>;
        pipe $from, $to or die "pipe: $!\n";
        my $pid = fork // die "fork: $!\n";
        if (!$pid) { POSIX::dup2(fileno $to, 1); exec { $grep[0] } @grep or POSIX::_exit(1) }
        close $to;
        my $executed = join '', <$from>;
        waitpid $pid, 0;
        ($spawned, $executed);
    };
    is($said[0], $said[1], "$way: the signals of the program are as exec leaves them");
});

# perl ignores SIGFPE; the program does if that was so before there was a perl.
for my $ignored (0, 1) {
    each_way(sub {
        my ($way) = @_;
        my @perl = ($^X, map({ "-I$_" } grep { !ref } @INC), '-MLinux::Prctl=spawn', '-e');
        my @grep = (program('grep'), '^SigIgn', '/proc/self/status');
        my ($spawned, $executed) = map {
            my $code = $_;
            pipe my $from, my $to or die "pipe: $!\n";
            my $pid = fork // die "fork: $!\n";
            if (!$pid) {
                POSIX::dup2(fileno $to, 1);
                exec program('sh'), '-c', ($ignored ? 'trap "" FPE; ' : '') . 'exec "$@"', 'sh', @perl, $code, @grep
                    or POSIX::_exit(1);
            }
            close $to;
            waitpid $pid, 0;
            scalar <$from>;
        } 'waitpid spawn(command => [@ARGV]), 0', 'exec @ARGV';
        is($spawned, $executed, "$way: SIGFPE was " . ($ignored ? '' : 'not ') . 'ignored: as exec leaves it');
        like($executed, $ignored ? qr/[89a-f].\n/ : qr/[0-7].\n/, "$way: ... and so it is")
            if !$ENV{LD_PRELOAD};    # such a library may have a handler for it
    });
}

done_testing;
