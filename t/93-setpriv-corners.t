# What setpriv() must not get wrong, case by case and without chance: each of these was
# wrong in some version of the code, or could be without another test to notice.
use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Errno qw(EAGAIN EINVAL EIO ENOENT ENOSYS EPERM);
use File::Temp;
use Linux::Prctl qw(:constants setpriv);
use POSIX ();
use Seccomp qw(filter no_filter no_listener peek supervised);
use SetprivTest qw(truth told_apart raw_caps raw_groups raw_ids);
use Shapes qw(in_shape is_root no_shape);
use SystemCalls qw(sys raw_prctl ambient_raise raw_capset);
use TestChild qw(company in_child proc_status);

plan skip_all => company() if company();

my @plan = (reuid => 1001, regid => 1001, clear_groups => 1);
my $needs_root     = is_root() ? '' : 'needs root with setuid, setgid and setpcap';
my $needs_filter   = $needs_root || no_filter();
my $needs_listener = $needs_root || no_listener();
my $none           = '0' x 16;

sub hex_of {
    my $mask = "\0" x 8;
    vec($mask, Linux::Prctl::cap_number($_), 1) = 1 for @_;
    return unpack 'H16', reverse $mask;
}

# What a plan died of, or nothing.
sub died_of { my (@options) = @_; return eval { setpriv(@options); 1 } ? '' : $@ }

sub steps { my (@options) = @_; return @{ setpriv(@options, dry_run => 1)->{steps} } }

sub calls { return map { $_->{call} } steps(@_) }

# A plan behind a filter: what it died of, and the truth afterwards.
sub behind {
    my ($rules, $start, @options) = @_;
    return in_child {
        $start->() if $start;
        filter(@$rules);
        my $died = died_of(@options);
        ($died, truth(), Linux::Prctl::get_keepcaps());
    };
}

# ---- signals ----

SKIP: {
    skip "signals: $needs_listener", 3 if $needs_listener;
    my %blocked;
    my ($calls, $error) = supervised(
        [qw(setgroups setresgid capset setresuid prctl)],
        sub {
            my ($call) = @_;
            my $prctl = $call->{syscall} eq 'prctl';
            return if $prctl && $call->{args}[0] != PR_SET_PDEATHSIG;
            my %status = proc_status("/proc/$call->{pid}/status");
            $blocked{ $call->{syscall} } = $status{SigBlk};
            return;
        },
        sub { raw_groups(20); died_of(@plan, ambient_caps => ['kill'], pdeathsig => 'TERM') }
    );
    is($error, '', 'signals: the plan goes through');
    is_deeply([ sort keys %blocked ], [qw(capset prctl setgroups setresgid setresuid)], 'signals: each step was seen');

    # But KILL, STOP, and the two that the C library keeps for itself.
    my %open = map { $_ => 1 } 9, 19, 32 .. 34;
    my @seen = map {
        my $bits = reverse unpack 'B64', pack 'H16', $_;
        grep { !$open{$_} && !substr $bits, $_ - 1, 1 } 1 .. 64;
    } values %blocked;
    is_deeply(\@seen, [], 'signals: all of them are blocked at the first step and at the last');
}

SKIP: {
    skip "signals: $needs_filter", 2 if $needs_filter;
    my ($error, @blocked) = in_child {
        POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new(POSIX::SIGUSR2()));
        filter([ setresuid => EPERM ]);
        my $error = died_of(@plan);
        my $after = POSIX::SigSet->new;
        POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new, $after);
        ($error, grep { $after->ismember($_) } 1 .. 64);
    };
    like($error, qr/step 8, setresuid/, 'signals: after a failure');
    is("@blocked", POSIX::SIGUSR2(), 'signals: ... those are blocked that were before');
}

# ---- giving up ----

SKIP: {
    skip "after a failure: $needs_filter", 12 if $needs_filter;
    my ($error, $truth, $keepcaps) =
        behind([ [ prctl => EPERM, PR_CAPBSET_DROP ] ], sub { raw_groups(20) }, @plan, bounding_set => []);
    like($error, qr/step 6, capbset_drop.*it has no capabilities any more at /s, 'after a refused drop');
    is_deeply([ @{$truth}{qw(uid gid groups)} ], [ [ (1001) x 4 ], [ (1001) x 4 ], [] ],
        '... the ids and the groups are those of the plan');

    ($error, $truth) = behind([ [ prctl => EPERM, PR_SET_KEEPCAPS, 0 ] ],
        sub { raw_groups(20, 24); raw_prctl(8, 1) }, @plan);
    like($error, qr/step 1, set_keepcaps\(0\): Operation not permitted/, 'after a first step that is refused');
    is_deeply([ @{$truth}{qw(uid gid groups)} ], [ [ (1001) x 4 ], [ (1001) x 4 ], [] ],
        '... all the ids and groups become those of the plan');
    is_deeply([ @{$truth}{qw(effective permitted inheritable ambient)} ], [ ($none) x 4 ], '... nothing is left');

    ($error, $truth, $keepcaps) = behind([ [ setresuid => EPERM ] ], undef, @plan, caps => ['kill']);
    like($error, qr/step 8, setresuid/, 'after a refused setresuid');
    is($keepcaps, 0, '... keepcaps is off');

    ($error, $truth) = behind([ [ capset => EPERM ] ], sub { ambient_raise(5) }, inh_caps => ['chown']);
    like($error, qr/step 4, capset/, 'after a refused capset');
    is($truth->{ambient}, $none, '... ambient is empty');

    # uid 0 in the saved slot: with all that is permitted, and no way out of it.
    ($error, $truth) = behind([ [ setresuid => EPERM ] ], sub {
        my $permitted = truth()->{permitted};
        my @all = grep { substr(reverse(unpack 'B64', pack 'H16', $permitted), $_, 1) } 0 .. 63;
        raw_prctl(8, 1);
        raw_ids(uid => 1001, 1001, 0) or die "setresuid: $!\n";
        raw_prctl(8, 0);
        raw_caps(\@all, \@all, []) or die "capset: $!\n";
    }, reuid => 1002, regid => 1001, clear_groups => 1);
    like($error, qr/step 8, setresuid/, 'after a refused setresuid with uid 0 in the saved slot');
    is_deeply([ @{$truth}{qw(uid no_new_privs bounding)} ], [ [ 1001, 1001, 0, 1001 ], 1, $none ],
        '... no_new_privs is set, and the bounding set is empty');
}

# ---- capset(2) that only pretends ----

SKIP: {
    skip "a pretended capset: $needs_listener", 2 if $needs_listener;
    my ($calls, $error) = supervised(
        [qw(capset setresuid prctl)],
        sub { my ($call) = @_; return $call->{syscall} eq 'capset' ? 0 : undef },
        sub { died_of(@plan, ambient_caps => ['kill']) }
    );
    like($error, qr/step 4, capset.*Operation not permitted/, 'a pretended capset is noticed at its step');
    my @kept = grep { $_->{syscall} eq 'prctl' && $_->{args}[0] == PR_SET_KEEPCAPS && $_->{args}[1] } @$calls;
    is(scalar @kept, 0, '... while uid 0 is there, and nothing was to be kept');
}

SKIP: {
    skip "a refused capset: $needs_filter", 2 if $needs_filter;
    my ($error, $truth) = behind([ [ capset => EPERM ] ], sub { raw_caps(([ 5, 6, 7, 8 ]) x 2, [5]) },
        @plan, ambient_caps => ['kill']);
    like($error, qr/step 7, set_keepcaps\(1\): Operation not permitted/,
        'before anything is kept, capset is seen to work');
    is_deeply([ @{$truth}{qw(uid permitted)} ], [ [ (1001) x 4 ], $none ], '... for it could not be given up');
}

# ---- what was given up is asked for again ----

SKIP: {
    skip "verification: $needs_filter", 8 if $needs_filter;
    my $same = 2**32 - 1;
    for my $case ([ uid => 'setresuid' ], [ gid => 'setresgid' ]) {
        my ($what, $call) = @$case;
        for my $errno (EAGAIN, ENOSYS) {
            my $said = do { local $! = $errno; "$!" };
            my ($error) = behind([ [ $call => $errno, $same, 0, $same ] ], undef, @plan);
            like($error, qr/step 16, verification: $what 0 was given up, but asking for it gives: \Q$said\E/,
                "$call answers $said: that is no refusal");
        }
        my ($error) = behind([ [ $call => EPERM, $same, 0, $same ] ], undef, @plan);
        is($error, '', "$call answers EPERM: given up");
        ($error) = behind([ [ $call => EINVAL, $same, 0, $same ] ], undef, @plan);
        is($error, '', "$call answers EINVAL: it cannot come back");
    }
}

SKIP: {
    skip "verification: $needs_filter", 1 if $needs_filter;
    my $same = 2**32 - 1;
    my ($error) = behind([ [ setresuid => EAGAIN, $same, 0, $same ] ], sub { raw_ids(uid => 1001, 0, 0) },
        reuid => 1002, regid => 1002, clear_groups => 1);
    like($error, qr/uid 0 was given up, but asking for it gives/, 'each id that was given up, not only the first');
}

# What no call failed of is told in $! too, and not by what was there before.
SKIP: {
    skip "verification: $needs_filter", 3 if $needs_filter;
    my %filter = (
        'a pretended setresuid' => [ setresuid => 0 ],
        'an id that could be taken back' => [ setresuid => 0, 2**32 - 1, 0, 2**32 - 1 ],
        'a pretended drop' => [ prctl => 0, PR_CAPBSET_DROP ],
    );
    for my $name (sort keys %filter) {
        my $errno = in_child {
            filter($filter{$name});
            $! = EIO;
            died_of(@plan, bounding_set => ['kill']) ? $! + 0 : 'lived';
        };
        is($errno, EPERM, "$name: \$! says so");
    }
}

# ---- other ids than the four ----

SKIP: {
    skip "fs ids: $needs_root", 6 if $needs_root;
    my ($error, $now) = in_child {
        Linux::Prctl::setfsuid(7);
        Linux::Prctl::setfsgid(8);
        my $now = setpriv(dry_run => 1)->{now};
        (died_of(no_new_privs => 1), [ $now->{uid}{fs}, $now->{gid}{fs}, truth()->{uid}[3], truth()->{gid}[3] ]);
    };
    is($error, '', 'fs ids of their own are no hindrance');
    is_deeply($now, [ 7, 8, 7, 8 ], '... and are told, and stay');
    my $armed = in_child {
        Linux::Prctl::setfsuid(7);
        Linux::Prctl::set_pdeathsig('USR1');
        (died_of(reuid => 0, regid => 0, keep_groups => 1), Linux::Prctl::get_pdeathsig());
    };
    is($armed, POSIX::SIGUSR1(), 'a change of the fs uid alone disarms the signal, which is armed again');
    $armed = in_child {
        Linux::Prctl::setfsgid(7);
        Linux::Prctl::set_pdeathsig('USR1');
        (died_of(regid => 0, keep_groups => 1), Linux::Prctl::get_pdeathsig());
    };
    is($armed, POSIX::SIGUSR1(), '... and so with the fs gid');
}

# The death signal after an exec: as predicted, and as a program finds it.
SKIP: {
    skip "after an exec: $needs_root", 8 if $needs_root;
    my %start = (
        'nothing'                 => sub { },
        'an fs uid of its own'    => sub { Linux::Prctl::setfsuid(7) },
        'an fs gid of its own'    => sub { Linux::Prctl::setfsgid(7) },
        'another effective gid'   => sub { raw_ids(gid => 0, 5, 5) },
        'another effective uid'   => sub { raw_ids(uid => 0, 1001, 0) },
        'another saved gid'       => sub { raw_ids(gid => 0, 0, 5) },
        'a capability to gain'    => sub { raw_caps([5], [5], []) },
        'nothing to gain'         => sub { raw_prctl(24, $_) for grep { $_ != 5 } 0 .. Linux::Prctl::last_cap(); raw_caps([5], [5], []) },
    );
    for my $name (sort keys %start) {
        my ($predicted, $found) = in_child {
            $start{$name}->();
            Linux::Prctl::set_pdeathsig('USR1');
            my $predicted = setpriv(dry_run => 1)->{after_exec}{pdeathsig};
            my $number = sys('prctl');
            my $pid = open(my $from, '-|') // die "fork: $!\n";
            if (!$pid) {
                raw_prctl(1, POSIX::SIGUSR1());    # fork(2) disarmed it
                exec $^X, '-e', "my \$n = pack 'i', 0; syscall $number, 2, \$n, 0, 0, 0; print unpack 'i', \$n"
                    or POSIX::_exit(1);
            }
            ($predicted, scalar readline $from);
        };
        is($predicted, $found, "after an exec with $name: the death signal as predicted");
    }
}

# ---- filters ----

SKIP: {
    skip "filters: $needs_filter", 4 if $needs_filter;
    my ($error, $changed) = in_child {
        my $before = truth();
        filter([ prctl => EPERM, PR_GET_SECCOMP ], [ prctl => 0, PR_CAPBSET_READ ]);
        my $error = died_of(@plan);
        ($error, told_apart(truth(), $before));
    };
    like($error, qr/the kernel and \/proc\/thread-self\/status disagree about bounding/,
        'a filter that does not tell of itself, and lies');
    is($changed, '', '... nothing is changed');
    my @many = (0 .. 4999);
    ($error, $changed) = in_child {
        raw_groups(@many) or die "setgroups: $!\n";
        my $before = truth();
        filter([ 115 => 0 ]);    # getgroups(2): none
        my $error = died_of(@plan);
        ($error, told_apart(truth(), $before));
    };
    like($error, qr/disagree about groups/, 'more groups in /proc than getgroups(2) tells of');
    is($changed, '', '... nothing is changed');
}
SKIP: {
    skip "filters: $needs_filter", 2 if $needs_filter;
    my ($error) = behind([ [ prctl => EPERM, PR_CAPBSET_DROP, CAP_KILL ] ], undef, bounding_set => ['chown']);
    like($error, qr/step 6, capbset_drop\(.*\), kill: Operation not permitted/, 'a refused drop names its capability');
    ($error) = behind([ [ prctl => EPERM, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL ] ], undef,
        @plan, ambient_caps => [qw(chown kill)]);
    like($error, qr/step 10, cap_ambient_raise\(.*\), kill: Operation not permitted/, '... and so does a refused raise');
}

# Who asks in vain says of what.
SKIP: {
    skip "filters: $needs_filter", 9 if $needs_filter;
    my @asked = (
        [ 118 => 'uid' ], [ 120 => 'gid' ], [ 115 => 'groups' ], [ capget => 'effective' ],
        [ prctl => 'no_new_privs', PR_GET_NO_NEW_PRIVS ], [ prctl => 'pdeathsig', PR_GET_PDEATHSIG ],
    );
    for my $case (@asked) {
        my ($call, $field, @arguments) = @$case;
        my ($error) = behind([ [ $call => EPERM, @arguments ] ], undef, @plan);
        like($error, qr/\Asetpriv: the kernel does not tell .*\b$field\b/, "the kernel does not tell $field");
    }
    my ($error) = behind([ [ prctl => 0, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET ] ], sub { ambient_raise(5) }, @plan);
    like($error, qr/disagree about ambient/, 'a filter that hides what is ambient');
    ($error) = behind([ [ prctl => 0, PR_GET_NO_NEW_PRIVS ] ], sub { raw_prctl(38, 1) }, @plan);
    like($error, qr/disagree about no_new_privs/, '... and no_new_privs');
    ($error) = in_child {
        filter([ prctl => EPERM, PR_SET_SECUREBITS ]);
        eval { Linux::Prctl::securebits()->add('exec_restrict_file') };
        $@;
    };
    like($error, qr/this kernel may not know exec_restrict_file|\A\z/, 'a bit that is refused to one with setpcap may be unknown');
}

# What is asked of prctl(2) has zeros behind it.
SKIP: {
    skip "filters: $needs_listener", 2 if $needs_listener;
    my $allow = pack 'S C C L', 0x06, 0, 0, 0x7fff0000;
    my ($calls, $error) = supervised(['prctl'], sub { return }, sub {
        raw_prctl(8, 1);
        Linux::Prctl::securebits()->add('no_setuid_fixup');
        Linux::Prctl::securebits()->drop('no_setuid_fixup');
        died_of(@plan, bounding_set => ['kill'], ambient_caps => ['kill'], securebits => ['noroot'], no_new_privs => 1,
            pdeathsig => 'TERM', seccomp_filter => $allow);
    });
    is($error, '', 'zeros: the plan goes through');
    my %used = (PR_CAP_AMBIENT, 2, PR_SET_SECCOMP, 2, PR_GET_SECUREBITS, 0, PR_GET_NO_NEW_PRIVS, 0, PR_GET_SECCOMP, 0);
    my @more = grep {
        my ($option, @arguments) = @{ $_->{args} }[ 0 .. 4 ];
        grep { $_ } @arguments[ ($used{$option} // 1) .. 3 ];
    } @$calls;
    is_deeply(\@more, [], 'zeros: behind what each option takes');
}

# Before Linux 3.17 there is no thread-self.
SKIP: {
    skip "no thread-self: $needs_listener", 2 if $needs_listener;
    my %opened;
    my (undef, $error) = supervised(
        [ 'setresuid', 2, 257 ],    # open and openat
        sub {
            my ($call) = @_;
            return if $call->{syscall} eq 'setresuid';
            my $path = peek($call, $call->{args}[ $call->{syscall} eq '2' ? 0 : 1 ], 64) =~ s/\0.*//sr;
            $opened{$path}++;
            return $path eq '/proc/thread-self/status' ? { errno => ENOENT } : undef;
        },
        sub { died_of(@plan) }
    );
    is($error, '', 'no thread-self: the plan goes through');
    ok($opened{'/proc/self/status'}, '... by the status of the process');
}

# What an exec would give back, where nobody tells whether no_new_privs is set.
SKIP: {
    skip "nothing is told: $needs_listener", 2 if $needs_listener;
    my $refused;
    my (undef, $error) = supervised(
        [ qw(setresuid prctl), 8 ],    # lseek
        sub {
            my ($call) = @_;
            $refused = 1 if $call->{syscall} eq 'setresuid';
            return { errno => EPERM } if $call->{syscall} eq 'setresuid';
            return if !$refused;
            return { errno => EIO } if $call->{syscall} eq '8';
            my $option = $call->{args}[0];
            return $option == PR_SET_NO_NEW_PRIVS || $option == PR_GET_NO_NEW_PRIVS || $option == PR_CAPBSET_DROP
                ? { errno => EPERM } : undef;
        },
        sub { died_of(@plan) }
    );
    like($error, qr/step 8, setresuid/, 'nothing is told: after a refused setresuid');
    like($error, qr/is still uid 0, whose next exec gives them back/, '... an exec may give back what was given up');
}

# ---- user namespaces ----

# One with these maps, written from outside; undef: none.
sub mapped {
    my (%map) = @_;
    my $pid = $$;
    pipe my $ready, my $go or die "pipe: $!\n";
    my $writer = fork // die "fork: $!\n";
    if (!$writer) {
        close $go;
        readline $ready;
        for my $file (sort keys %map) {
            open my $out, '>', "/proc/$pid/$file" or POSIX::_exit(1);
            syswrite $out, $map{$file} or POSIX::_exit(1);
        }
        POSIX::_exit(0);
    }
    sys(unshare => 0x10000000);    # CLONE_NEWUSER
    close $go;
    waitpid $writer, 0;
    die "the maps cannot be written\n" if $?;
    return;
}

SKIP: {
    my %ten = (uid_map => "0 100000 10\n", gid_map => "0 100000 10\n");
    my $can = is_root() && eval { in_child { mapped(%ten); 1 } };
    skip 'maps: needs root, and more ids than one user namespace maps', 8 if !$can;
    my ($error, $truth) = in_child {
        raw_groups();
        mapped(%ten);
        (died_of(reuid => 1, regid => 2, clear_groups => 1), truth());
    };
    is($error, '', 'maps: ids that are not mapped cannot be taken back, and need not');
    is_deeply([ @{$truth}{qw(uid gid)} ], [ [ (1) x 4 ], [ (2) x 4 ] ], '... those of the plan are there');

    ($error, $truth) = in_child {
        raw_groups();
        mapped(uid_map => "0 100000 10\n", gid_map => join '', map { "$_ " . (100_009 - $_) . " 1\n" } 0 .. 9);
        (died_of(regid => 0, groups => [ 1, 5, 9 ]), truth());
    };
    is($error, '', 'maps: one that reverses the order of groups');
    is_deeply($truth->{groups}, [ 1, 5, 9 ], '... they are those of the plan');

    ($error, my $changed) = in_child {
        raw_groups(20);
        mapped();
        my $before = truth();
        my $error = died_of(groups => []);
        ($error, told_apart(truth(), $before));
    };
    like($error, qr/step 2, setgroups\(.*\) would be refused: .*; nothing was changed/, 'maps: no group can be set without one');
    is($changed, '', '... nothing is changed');

    my @nobody = (reuid => 65534, regid => 65534, keep_groups => 1);
    my %calls = map {
        my $count = $_;
        $count => [ in_child {
            mapped(map { $_ => "0 0 $count\n" } qw(uid_map gid_map));
            raw_ids(gid => (65534) x 3);
            raw_ids(uid => (65534) x 3);
            calls(@nobody);
        } ]
    } 4294967294, 4294967295;
    is_deeply([ grep { /\Asetres/ } @{ $calls{4294967294} } ], [qw(setresgid setresuid)],
        'maps: where a single id is left out, 65534 may be that');
    is_deeply([ grep { /\Asetres/ } @{ $calls{4294967295} } ], [], '... and where none is, it is itself');
}
SKIP: {
    skip "no /proc: $needs_root", 1 if $needs_root;
    my @calls = eval {
        in_child {
            sys(unshare => 0x00020000);    # CLONE_NEWNS
            system('mount --make-rprivate / 2>/dev/null && mount -t tmpfs none /proc 2>/dev/null') == 0
                or die "no mount\n";
            raw_ids(gid => 65534, 65534, 65534);
            raw_ids(uid => 65534, 65534, 65534);
            calls(reuid => 65534, regid => 65534, keep_groups => 1);
        };
    };
    skip "no /proc: cannot hide it: $@", 1 if $@;
    is_deeply([ grep { /\Asetres/ } @calls ], [qw(setresgid setresuid)], 'no /proc: 65534 may be any id');
}

# ---- the plan ----

SKIP: {
    skip "plans: $needs_root", 22 if $needs_root;
    my ($error, $truth, @calls);

    ($error, $truth) = in_child {
        raw_caps([], [ 0, 5, 8 ], []);
        (died_of(bounding_set => ['chown']), truth());
    };
    is($error, '', 'setpcap that is permitted and not effective is raised for a smaller bounding set');
    is($truth->{bounding}, hex_of('chown'), '... which it is then');

    ($error, $truth, @calls) = in_child {
        raw_prctl(28, 1 << 2 | 1 << 5);    # no_setuid_fixup, keep_caps_locked
        my @calls = calls(@plan, ambient_caps => ['kill']);
        (died_of(@plan, ambient_caps => ['kill']), truth(), @calls);
    };
    is($error, '', 'no_setuid_fixup: keep_caps that is locked is not in the way');
    is_deeply([ grep { /keepcaps/ } @calls ], [], '... and is not needed');
    is($truth->{ambient}, hex_of('kill'), '... to keep a capability');

    my ($step) = in_child {
        raw_prctl(1, POSIX::SIGTERM());
        (steps(pdeathsig => [ 'TERM', getppid ]))[-1];
    };
    is_deeply([ @{$step}{qw(step call value)} ], [ 15, 'set_pdeathsig', POSIX::SIGTERM() ],
        'a parent is checked where the signal is armed already');

    ($error, $truth, $step) = in_child {
        ambient_raise(5);
        my ($step) = grep { $_->{call} eq 'setresuid' } steps(@plan, ambient_caps => ['kill']);
        (died_of(@plan, ambient_caps => ['kill']), truth(), $step);
    };
    is_deeply($step->{after}{caps}{ambient}, [], 'leaving uid 0 empties ambient');
    is($error, '', '... and what shall be in it is raised again');
    is($truth->{ambient}, hex_of('kill'), '... which it is then');

    # uid 0 with less than it had
    my @few = (caps => ['chown'], bounding_set => ['chown']);
    $error = in_child { died_of(@few, inh_caps => [qw(chown kill)]) };
    like($error, qr/uid 0 stays, and the next exec would give back kill: cut bounding_set \(and inh_caps\)/,
        'inheritable counts where uid 0 stays');
    is(in_child { died_of(@few, inh_caps => ['chown']) }, '', '... unless it has nothing more');
    $error = in_child { died_of(caps => ['chown'], bounding_set => [qw(chown kill)]) };
    like($error, qr/would give back kill/, '... and so does the bounding set');

    my $saved = in_child {
        raw_prctl(24, $_) for 1 .. Linux::Prctl::last_cap();
        raw_prctl(8, 1);
        raw_ids(uid => 1001, 1001, 0);
        died_of(caps => []);
    };
    like($saved, qr/uid 0 stays, and seteuid\(0\) and an exec would give back chown:/, 'uid 0 in the saved slot counts');

    # The user with uid 1 is one like all others.
    ($error, $truth) = in_child {
        my @all = map { Linux::Prctl::cap_name($_) // $_ } grep { Linux::Prctl::cap_permitted()->has($_) } 0 .. Linux::Prctl::last_cap();
        (died_of(reuid => 1, regid => 1, clear_groups => 1, caps => \@all), truth());
    };
    is($error, '', 'all that is permitted is kept by uid 1');
    is($truth->{effective}, $truth->{permitted}, '... and effective');

    # leaving root
    my $all = in_child { truth()->{permitted} };
    my $expected = in_child { setpriv(ruid => 0, euid => 1001, regid => 1001, clear_groups => 1, dry_run => 1)->{expected} };
    is(SetprivTest::in_truth($expected)->{permitted}, $all, 'a real uid of 0 is not left: nothing is lowered');
    $expected = in_child { setpriv(ruid => 1001, euid => 1001, regid => 1001, clear_groups => 1, dry_run => 1)->{expected} };
    is(SetprivTest::in_truth($expected)->{permitted}, $none, '... and where no slot has it, everything is');

    # The default ambient set follows inh_caps.
    for my $inherit ([ exactly => ['chown'] ], [ lowered => '-kill' ]) {
        my ($name, $value) = @$inherit;
        ($error, $truth) = in_child { ambient_raise(0, 5); (died_of(inh_caps => $value), truth()) };
        is($error, '', "inh_caps, $name: the ambient set follows");
        is($truth->{ambient}, hex_of('chown'), '... to what is inheritable');
    }
    ($error, $truth) = in_child {
        ambient_raise(0, 5);
        (died_of(inh_caps => ['kill'], ambient_caps => '-kill'), truth());
    };
    is($error, '', 'inh_caps and a relative ambient_caps: that starts from what is inheritable');
    is($truth->{ambient}, $none, '... and not from what was ambient');
    ($error, $truth) = in_child { ambient_raise(0, 5); (died_of(caps => ['chown'], no_new_privs => 1), truth()) };
    is($truth->{ambient}, hex_of('chown'), 'caps: the ambient set follows them too');
    $error = in_child { died_of(@plan, caps => ['chown'], ambient_caps => ['kill']) };
    like($error, qr/\Asetpriv: ambient_caps: kill is not in caps, and ambient needs permitted at /,
        'ambient_caps beyond caps: what is wrong with them');
    $error = in_child {
        Linux::Prctl::cap_permitted()->drop('kill');
        died_of(@plan, caps => ['chown'], ambient_caps => ['kill']);
    };
    like($error, qr/\Asetpriv: ambient_caps: kill is not permitted now at /,
        '... and of one that is not there at all, that it is not');
    $error = in_child { died_of(@plan, inh_caps => '-kill', ambient_caps => ['kill']) };
    like($error, qr/\Asetpriv: ambient_caps: kill is not in inh_caps, and ambient needs inheritable at /,
        '... and beyond inh_caps');
}

# ---- $! and $@ ----

{
    my @perl = ($^X, map { "-I$_" } grep { !ref } @INC);
    my $said = sub {
        my ($code) = @_;
        open my $out, '-|', @perl, '-e', "use Linux::Prctl; $code" or die "perl: $!\n";
        return do { local $/; <$out> };
    };
    is($said->(q{$! = 5; $@ = "mine"; Linux::Prctl::setpriv(keep_groups => 1); print $! + 0, " $@"}), '5 mine',
        'the very first call of a process leaves $! and $@ alone');
    SKIP: {
        skip "plans: $needs_root", 1 if $needs_root;
        is($said->(q{$! = 5; Linux::Prctl::setpriv(reuid => 1001, regid => 1001, clear_groups => 1); print $! + 0}), 5,
            '... also where it was refused to take ids back');
    }
    is($said->(q{$! = 5; eval { Linux::Prctl::setpriv(bogus => 1) }; print $! + 0}), EINVAL,
        '... and if it is misuse, $! says so');
    is($said->(q{$! = 5; Linux::Prctl::setpriv(dry_run => 1, no_new_privs => 1); print $! + 0}), 5, '... dry_run leaves it alone');
}

# ---- the groups of a user ----

SKIP: {
    skip "groups of a user: $needs_root", 4 if $needs_root;
    my $dir  = File::Temp->newdir;
    my $with = sub {
        my ($code) = @_;
        sys(unshare => 0x00020000);    # CLONE_NEWNS
        my %file = (
            passwd => "root:x:0:0::/:/bin/sh\nlpfew:x:2001:2101::/:/bin/sh\nlpmany:x:2002:2102::/:/bin/sh\n",
            group  => join('', "root:x:0:\n", "lpone:x:2200:lpfew\n", map { "lp$_:x:$_:lpmany\n" } 3001 .. 3070),
        );
        for my $name (sort keys %file) {
            open my $out, '>', "$dir/$name" or die "$name: $!\n";
            print {$out} $file{$name};
            close $out or die "$name: $!\n";
        }
        system("mount --make-rprivate / 2>/dev/null && mount --bind $dir/passwd /etc/passwd 2>/dev/null"
                . " && mount --bind $dir/group /etc/group 2>/dev/null") == 0 or die "no mount\n";
        die "they are not read\n" if ((getpwnam 'lpfew')[2] // 0) != 2001;
        return $code->();
    };
    my $can = eval { in_child { $with->(sub { 1 }) } };
    skip "groups of a user: cannot have users of their own: $@", 4 if !$can;
    my $groups = sub {
        my (@options) = @_;
        return in_child { $with->(sub { setpriv(@options); truth()->{groups} }) };
    };
    is_deeply($groups->(euid => 'lpfew', rgid => 2101, egid => 2101, init_groups => 1), [ 2101, 2200 ],
        'init_groups with euid alone: the groups of that user');
    is_deeply($groups->(ruid => 'lpfew', euid => 'lpmany', regid => 2101, init_groups => 1), [ 2101, 2200 ],
        '... with both, those of the real one');
    is_deeply($groups->(reuid => 'lpmany', regid => 2102, init_groups => 1), [ 2102, 3001 .. 3070 ],
        'a user with 71 groups');
    is_deeply($groups->(user => 'lpmany'), [ 2102, 3001 .. 3070 ], '... by user alone');
}

done_testing;
