use 5.014;
use warnings;

use Config;
use Test::More;

use lib 't/lib';
use Errno qw(EMFILE ENOSYS EPERM);
use Linux::Prctl qw(setpriv);
use Linux::Prctl::Setpriv;
use POSIX ();
use Seccomp qw(filter no_filter no_listener peek supervised);
use SetprivTest qw(truth told_apart is_root raw_groups);
use Shapes qw(in_shape shape);
use SystemCalls qw(sys);
use TestChild qw(company in_child how_ended);

my $owner = $$;
END { POSIX::_exit(4) if $$ != $owner }
plan skip_all => company() if company();

# What a failure leaves, and what stands in the way before anything begins.

my @plan = (reuid => 1001, regid => 1001, clear_groups => 1, ambient_caps => ['kill']);
my $needs_filter = no_filter();
my $needs_root   = is_root() ? '' : 'needs root with setuid, setgid and setpcap';

SKIP: {
    my $why = $needs_root || $needs_filter;
    skip "filtered prctl: $why", 8 if $why;

    my ($error, $errno, $truth) = in_child {
        filter([ setresuid => EPERM ]);
        eval { setpriv(@plan) };
        ($@, $! + 0, truth());
    };
    like($error, qr/\Asetpriv: step 8, setresuid\(ids 1001, 1001 and 1001\): Operation not permitted; /,
        'filtered prctl: the step and what the kernel said');
    like($error, qr/this process must not go on: it has no capabilities any more, and is still uid 0 at \S+ line \d+\.$/,
        'filtered prctl: that it must not go on, and why');
    is($errno, EPERM, 'filtered prctl: $! tells it too');
    is_deeply([ @{$truth}{qw(effective permitted inheritable ambient)} ], [ ('0' x 16) x 4 ],
        'filtered prctl: who swallows the exception holds nothing');
    is($truth->{no_new_privs}, 1, 'filtered prctl: ... and uid 0 gets nothing back by an exec');

    my $status = how_ended {
        filter([ setresuid => EPERM ]);
        $SIG{__DIE__} = sub { POSIX::_exit(3) };
        eval { setpriv(@plan, on_failure => 'exit') };
        POSIX::_exit(5);
    };
    is($status, 127 << 8, 'filtered prctl: on_failure => "exit" ends with 127, and no Perl code runs');
    $status = how_ended {
        eval { setpriv(@plan, bounding_set => ['bogus'], on_failure => 'exit') };
        POSIX::_exit($@ =~ /bogus/ ? 6 : 7);
    };
    is($status, 6 << 8, 'root with everything: ... but misuse dies: nothing has begun');

    my $last = in_child {
        my $taken;
        filter([ setresuid => 0, 2**32 - 1, 0, 2**32 - 1 ]);
        eval { setpriv(@plan) };
        $@;
    };
    like($last, qr/step 16, verification: uid 0 was given up, but it could be taken back/,
        'filtered prctl: what was given up is tried');
}

# Signals are blocked from the first step to the last, and no longer.

SKIP: {
    skip "root with everything: $needs_root", 2 if $needs_root;
    my ($blocked, $handled) = in_child {
        my $handled = 0;
        local $SIG{ALRM} = sub { $handled++ };
        my $before = POSIX::SigSet->new;
        POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new(POSIX::SIGUSR2()), $before);
        setpriv(@plan);
        my $after = POSIX::SigSet->new;
        POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new, $after);
        kill ALRM => $$;
        (join(',', grep { $after->ismember($_) } 1 .. 31), $handled);
    };
    is($blocked, POSIX::SIGUSR2(), 'root with everything: afterwards the signals are blocked that were before');
    is($handled, 1, 'root with everything: ... and the others come');
}

SKIP: {
    my $why = $needs_root || $needs_filter;
    skip "filtered prctl: $why", 1 if $why;
    my $error = in_child {
        filter([ 14 => EPERM, undef, undef, 0 ]);    # rt_sigprocmask without an answer
        eval { setpriv(caps => ['chown'], bounding_set => ['chown']) };
        $@;
    };
    like($error, qr/step 16, unblocking the signals: .*no capabilities any more, and is still uid 0/,
        'filtered prctl: where they stay blocked, nothing is left, and what is left is told');
}

# Threads.

{
    package StartsThread;
    use overload '""' => sub {
        threads->create(sub { sleep 60 })->detach;
        return '-all';
    };
}

SKIP: {
    skip 'several threads: this perl has none', 5 if !$Config{useithreads};
    my ($error, $changed) = in_child {
        require threads;
        my $before = truth();
        threads->create(sub { sleep 60 })->detach;    # it ends with the child
        eval { setpriv(no_new_privs => 1) };
        my $error = $@;
        my $changed = told_apart(truth(), $before);
        ($error, $changed);
    };
    like($error, qr/\Asetpriv: the process has 1 other thread, which would keep/,
        'several threads: it dies');
    is($changed, '', 'several threads: ... before anything changes');
    like(scalar(in_child {
            require threads;
            threads->create(sub { sleep 60 })->detach for 1, 2;
            eval { setpriv(no_new_privs => 1) };
            $@;
        }), qr/has 2 other threads, which/, 'several threads: they are counted');
    my $works = in_child {
        require threads;
        threads->create(sub { 1 })->join;
        setpriv(no_new_privs => 1);
        truth()->{no_new_privs};
    };
    my $late = in_child {
        require threads;
        my $name = bless [], 'StartsThread';
        eval { setpriv(inh_caps => $name) };
        $@;
    };
    like($late, qr/has 1 other thread/, 'several threads: also one that a value started');
    is($works, 1, 'several threads: those that were joined are no hindrance');
}

# ... where a filter answers for the call that tells of them.
SKIP: {
    skip 'several threads: this perl has none', 13 if !$Config{useithreads};
    skip "several threads: $needs_filter", 13 if $needs_filter;
    for my $errno (0, EPERM, ENOSYS) {
        my ($error, $changed, $warned, $died) = in_child {
            require threads;
            threads->create(sub { sleep 60 })->detach;
            filter([ unshare => $errno ]);
            my $before = truth();
            my $warned = '';
            local $SIG{__WARN__} = sub { $warned .= $_[0] };
            my $died = eval { use Linux::Prctl ':fatal'; Linux::Prctl::set_keepcaps(1); 1 } ? 'lived' : $@;
            eval { setpriv(no_new_privs => 1) };
            my ($error, $changed) = ($@, told_apart(truth(), $before));
            $Linux::Prctl::cap_effective{kill} = 0;
            ($error, $changed, $warned, $died);
        };
        my $what = $errno ? "refused with $errno" : 'let succeed';
        like($error, qr/\Asetpriv: the process has 1 other thread, which would keep/, "unshare(2) $what: setpriv hears of a thread from /proc");
        is($changed, '', '... before anything changes');
        like($warned, qr/\Acap_effective\{kill\} changes this thread alone: the process has 1 other,/, '... and a store');
        like($died, qr/\Aset_keepcaps\(1\) changes this thread alone: the process has 1 other,/, '... and a function, under :fatal');
    }
    my $error = in_child {
        require threads;
        threads->create(sub { sleep 60 })->detach;
        filter([ unshare => 0, 0x10000 ]);    # CLONE_THREAD, and nothing else
        eval { setpriv(no_new_privs => 1) };
        $@;
    };
    like($error, qr/\Asetpriv: step 16, verification: the process has 1 other thread, still with what this one gave up; this process must not go on/,
        'unshare(2) that lies about threads alone: the status file tells of them');
}

# ... and where nothing tells of them: neither the call nor the list in /proc.
SKIP: {
    skip 'threads that nobody tells of: ' . no_listener(), 12 if no_listener();
    my ($fstat, $newfstatat, $openat, $open) = (5, 262, 257, 2);
    for my $refused ('opening', 'looking at it') {
        for my $answer ({ errno => EPERM }, { value => 0 }) {
            my (undef, $error, $errno, $changed) = supervised([ 'unshare', $fstat, $newfstatat, $openat, $open ], sub {
                my ($call) = @_;
                my ($number, @args) = ($call->{syscall}, @{ $call->{args} });
                return $answer if $number eq 'unshare';
                if ($number eq $fstat || $number eq $newfstatat) {
                    my $path = $refused eq 'opening' ? '' : readlink "/proc/$call->{pid}/fd/$args[0]";
                    return ($path // '') =~ m{\A/proc/\d+/task\z} ? { errno => EPERM } : undef;
                }
                my ($path) = split /\0/, peek($call, $args[ $number eq $openat ? 1 : 0 ], 16);
                return $refused eq 'opening' && ($path // '') eq '/proc/self/task' ? { errno => EPERM } : undef;
            }, sub {
                my $before = truth();
                local $! = 0;
                eval { setpriv(no_new_privs => 1, pdeathsig => 'USR1') };
                my ($error, $errno) = ("$@", $! + 0);
                ($error, $errno, told_apart(truth(), $before));
            });
            my $what = "unshare(2) " . ($answer->{errno} ? 'refused' : 'let succeed') . ", and $refused too";
            like($error, qr/\Asetpriv: whether the process has other threads cannot be told: they would keep what this one gives up at /,
                "$what: setpriv refuses");
            isnt($errno, 0, '... with an errno');
            is($changed, '', '... before anything changes');
        }
    }
}

# The death signal.

SKIP: {
    skip "root with everything: $needs_root", 1 if $needs_root;
    my $error = in_child {
        my $parent = getppid;
        eval { setpriv(@plan, pdeathsig => [ 'TERM', $parent + 1 ]) };
        "$@|" . truth()->{uid}[0];
    };
    like($error, qr/pdeathsig: the parent is no longer process \d+ at .*\|0$/s,
        'root with everything: another parent than expected: it dies before anything changes');
}

# Without /proc: an empty file system over it, in a mount namespace of one's own.

SKIP: {
    skip "no /proc: $needs_root", 4 if $needs_root;
    my $without_proc = sub {
        my ($code) = @_;
        sys(unshare => 0x00020000);    # CLONE_NEWNS
        system('mount --make-rprivate / 2>/dev/null && mount -t tmpfs none /proc 2>/dev/null') == 0
            or die "no mount\n";
        return $code->();
    };
    my @plan = (reuid => 1001, regid => 1001, groups => [ 20, 30 ]);
    my $can = eval { in_child { $without_proc->(sub { 1 }) } };
    skip "no /proc: cannot hide it: $@", 4 if !$can;
    is(in_child { $without_proc->(sub { setpriv(@plan); "$< $> $( $)" }) }, '1001 1001 1001 20 30 1001 20 30',
        'no /proc: the getters alone');
    like(in_child { $without_proc->(sub { eval { setpriv(groups => [65534]) }; $@ }) },
        qr/groups: group 65534 cannot be told from one that is not mapped, without \/proc/,
        'no /proc: the overflow id cannot be trusted');
    like(in_child { $without_proc->(sub { eval { setpriv(@plan, bounding_set => ['x']) }; $@ }) },
        qr/Unknown capability: "x"/, 'no /proc: misuse is misuse');
    SKIP: {
        skip "no /proc: $needs_filter", 1 if $needs_filter;
        like(in_child {
                $without_proc->(sub { filter([ setgroups => EPERM ]); eval { setpriv(@plan) }; $@ })
            }, qr/a seccomp filter may answer for the kernel, and \/proc.* cannot be read beside it/,
            'no /proc: what a filter answers cannot be checked');
    }
}

# Another file in the place of the status: one of /proc that says nothing, and one that is not
# of /proc, which is not believed.

SKIP: {
    skip "another status: $needs_root", 2 if $needs_root;
    my $replace = sub {
        my ($by) = @_;
        sys(unshare => 0x00020000);    # CLONE_NEWNS
        my $mounted = system("mount --make-rprivate / 2>/dev/null"
                . " && mount --bind $by /proc/$$/task/$$/status 2>/dev/null");
        die "no mount\n" if $mounted != 0;
        return 1;
    };
    my $can = eval { in_child { $replace->('/dev/null') } };
    skip "another status: cannot have one: $@", 2 if !$can;
    like(in_child { $replace->('/proc/version'); eval { setpriv(no_new_privs => 1) }; $@ },
        qr/status says uid unknown.*it has no capabilities any more, and is still uid 0/,
        'where a status says nothing, the kernel says what is left');
    is(in_child { $replace->('/dev/null'); eval { setpriv(keep_groups => 1) } || $@ }, 1,
        'a file that is not of /proc is not believed');
}

# A user whose name is a number: in a password file of one's own.

SKIP: {
    skip "root with everything: $needs_root", 3 if $needs_root;
    my $with_users = sub {
        my ($code) = @_;
        my $file = "/tmp/linux-prctl-passwd-$$";
        sys(unshare => 0x00020000);    # CLONE_NEWNS
        open my $out, '>', $file or die "$file: $!\n";
        print {$out} "root:x:0:0::/:/bin/sh\n1234:x:2345:2345::/:/bin/sh\n",
            "most:x:4294967295:1::/:/bin/sh\n";
        close $out or die "$file: $!\n";
        my $mounted = system("mount --make-rprivate / 2>/dev/null && mount --bind $file /etc/passwd 2>/dev/null");
        unlink $file;
        die "no mount\n" if $mounted != 0;
        return $code->();
    };
    my $can = eval { in_child { $with_users->(sub { (getpwnam '1234')[2] }) } };
    skip 'root with everything: cannot have a password file of its own: ' . ($@ || 'it is not read'), 3 if ($can // 0) != 2345;
    my @other = (regid => 1, clear_groups => 1);
    is(in_child { $with_users->(sub { setpriv(reuid => '1234', @other); $> }) }, 2345,
        'root with everything: a name comes before a number');
    is(in_child { $with_users->(sub { setpriv(reuid => '+1234', @other); $> }) }, 1234,
        'root with everything: a number with a sign is a number');
    like(in_child { $with_users->(sub { eval { setpriv(reuid => 'most', @other) }; $@ }) },
        qr/reuid "most" is neither a user nor a whole number/,
        'root with everything: nobody becomes the user whose id means "leave it as it is"');
}

# The bits that need no capability, where the kernel has them.

my $bits;
$bits = in_child {
    setpriv(securebits => ['exec_restrict_file']);
    Linux::Prctl::get_securebits();
} if supports_exec_bits();
SKIP: {
    skip 'this kernel has no exec_restrict_file, or securebits are set already', 1 if !defined $bits;
    is($bits, 1 << 8, 'exec_restrict_file, with and without capabilities');
}

sub supports_exec_bits {
    return in_child {
        Linux::Prctl::get_securebits() == 0 && Linux::Prctl::set_securebits(1 << 8) == 0;
    };
}

# No descriptor left: the process cannot be looked at, so it is not touched.

SKIP: {
    skip "root with everything: $needs_root", 2 if $needs_root;
    my ($error, $uid) = in_child {
        my @all;
        while (open my $null, '<', '/dev/null') { push @all, $null }
        eval { setpriv(reuid => 1001, regid => 1001, clear_groups => 1) };
        my $error = $@;
        @all = ();
        ($error, $>);
    };
    my $full = do { local $! = EMFILE; "$!" };
    like($error, qr/\Asetpriv: it did not begin: \Q$full\E; nothing was changed/,
        'root with everything: without a descriptor to be had, it does not begin');
    is($uid, 0, 'root with everything: ... and changes nothing');
}

# Nothing is left open.

my $open = in_child {
    my $count = sub { opendir my $dir, '/proc/self/fd' or return 0; scalar(() = readdir $dir) };
    my $before = $count->();
    setpriv(no_new_privs => 1);
    eval { setpriv(caps => ['bogus']) };
    setpriv(dry_run => 1);
    $count->() - $before;
};
is($open, 0, 'no file stays open');

done_testing;
