use 5.014;
use warnings;

use File::Temp ();
use POSIX ();
use Test::More;

use lib 't/lib';
use Linux::Prctl qw(setpriv);
use SetprivTest qw(truth told_apart is_root raw_groups raw_caps raw_ids);
use Shapes qw(in_shape no_shape shape);
use SystemCalls qw(sys);
use TestChild qw(company in_child proc_status);

plan skip_all => company() if company();

# Plans and what becomes of the process, by shape of where it starts. The truth is
# that of /proc/thread-self/status.

sub hex_of {
    my $mask = "\0" x 8;
    vec($mask, Linux::Prctl::cap_number($_), 1) = 1 for @_;
    return unpack 'H16', reverse $mask;
}
my $none = hex_of();
my @bind = hex_of('net_bind_service');

# The truth after a plan in a process of some shape.
sub after {
    my ($shape, $prepare, @plan) = @_;
    return in_shape $shape => sub { $prepare->() if $prepare; setpriv(@plan); truth() };
}

sub died {
    my ($shape, $prepare, @plan) = @_;
    return in_shape $shape => sub {
        $prepare->() if $prepare;
        my $before = truth();
        eval { setpriv(@plan) } and return 'it went through';
        my $error = $@;
        my $changed = told_apart(truth(), $before);
        $changed ? "changed $changed, then $error" : $error;
    };
}

# Shapes that are built from root, where there are other users.
sub root_shape {
    my ($shape, $tests) = @_;
    return shape($shape, $tests) if is_root();
    SKIP: { skip "$shape: needs root with setuid, setgid and setpcap, and other users", 1 }
    return;
}

sub ids { my ($id) = @_; return [ ($id) x 4 ] }

my @user = (reuid => 1001, regid => 1002);
my $nnp  = in_child { truth()->{no_new_privs} };

root_shape root_with_everything => sub {
    my $after = after(root_with_everything => sub { raw_groups(0, 20) }, @user, clear_groups => 1);
    is_deeply([ @{$after}{qw(uid gid groups)} ], [ ids(1001), ids(1002), [] ], 'root with everything: a user, all four ids');
    is_deeply([ @{$after}{qw(effective permitted inheritable ambient)} ], [ ($none) x 4 ],
        'root with everything: with no capabilities');
    my $bounding = in_shape root_with_everything => sub { truth()->{bounding} };
    is($after->{bounding}, $bounding, 'root with everything: the bounding set stays if nothing is said');
    is($after->{no_new_privs}, $nnp, 'root with everything: ... and so does no_new_privs');

    $after = after(root_with_everything => undef, @user, groups => [ 30, 20, 30 ],
        ambient_caps => ['net_bind_service'], bounding_set => ['net_bind_service'], no_new_privs => 1);
    is_deeply([ @{$after}{qw(effective permitted inheritable ambient bounding)} ], [ (@bind) x 5 ],
        'root with everything: one capability in all five sets');
    is_deeply([ @{$after}{qw(groups no_new_privs securebits)} ], [ [ 20, 30 ], 1, '0' x 16 ],
        'root with everything: groups as given, each once; no_new_privs; no securebits');

    $after = after(root_with_everything => undef, @user, keep_groups => 1, caps => [qw(kill chown)]);
    is_deeply([ @{$after}{qw(effective permitted inheritable ambient)} ],
        [ (hex_of(qw(kill chown))) x 2, ($none) x 2 ], 'root with everything: caps, and nothing to inherit');

    $after = after(root_with_everything => undef, @user, keep_groups => 1, caps => ['kill'], inh_caps => '+net_raw,+kill',
        ambient_caps => '+kill');
    is($after->{inheritable}, hex_of(qw(kill net_raw)), 'root with everything: relative lists start from nothing');
    is($after->{ambient}, hex_of('kill'), 'root with everything: ... the ambient one too');

    $after = after(root_with_everything => undef, bounding_set => '-all,+kill,-sys_module');
    is($after->{bounding}, hex_of('kill'), 'root with everything: -all, then +kill');

    $after = after(root_with_everything => undef, ruid => 1001, euid => 1002, rgid => 1, egid => 2, keep_groups => 1);
    is_deeply([ @{$after}{qw(uid gid)} ], [ [ 1001, 1002, 1002, 1002 ], [ 1, 2, 2, 2 ] ],
        'root with everything: saved and fs ids follow the effective one');

    $after = after(root_with_everything => undef, @user, keep_groups => 1, caps => ['setpcap'],
        securebits => [qw(noroot noroot_locked no_cap_ambient_raise keep_caps_locked)]);
    is($after->{securebits}, sprintf('%016x', 0b1100011), 'root with everything: exactly these securebits');
    is($after->{permitted}, hex_of('setpcap'), 'root with everything: ... and setpcap can be kept beside them');

    $after = after(root_with_everything => sub { Linux::Prctl::set_keepcaps(1) }, @user, keep_groups => 1);
    is($after->{securebits}, '0' x 16, 'root with everything: keepcaps is off afterwards');
    $after = after(root_with_everything => sub { Linux::Prctl::set_keepcaps(1) });
    is($after->{securebits}, '0' x 16, 'root with everything: ... also where nothing else is asked for');

    $after = after(root_with_everything => sub { raw_caps([], [ 6, 7, 8, 10 ], []) }, @user, clear_groups => 1,
        ambient_caps => ['net_bind_service']);
    is_deeply([ @{$after}{qw(effective permitted ambient)} ], [ (@bind) x 3 ],
        'root with everything: what is permitted and not effective is enough');

    for my $way ([ bounding_set => ['kill'] ], [ no_new_privs => 1 ], [ securebits => ['noroot'] ]) {
        $after = after(root_with_everything => undef, caps => ['kill'], @$way);
        is_deeply([ @{$after}{qw(uid effective permitted)} ], [ ids(0), (hex_of('kill')) x 2 ],
            "root with everything: uid 0 with fewer capabilities, and $way->[0]");
    }
    like(died(root_with_everything => undef, caps => ['kill']),
        qr/\Asetpriv: uid 0 stays, .*: cut bounding_set .* no_new_privs, or have noroot/,
        'root with everything: ... and without: the three ways out') if !$nnp;

    $after = after(root_with_everything => sub { Linux::Prctl::set_pdeathsig('USR1') }, @user, keep_groups => 1);
    is($after->{pdeathsig}, 10, 'root with everything: a signal that was armed is armed again');
    $after = after(root_with_everything => sub { Linux::Prctl::set_pdeathsig('USR1') }, @user, keep_groups => 1,
        pdeathsig => [ 'SIGTERM', $$ ]);
    is($after->{pdeathsig}, 15, 'root with everything: another one, and the parent checked');
    $after = after(root_with_everything => sub { Linux::Prctl::set_pdeathsig('USR1') }, pdeathsig => 0);
    is($after->{pdeathsig}, 0, 'root with everything: none');

    my $last = in_shape root_with_everything => sub {
        raw_groups(0, 20);
        setpriv(@user, groups => [20]);
        return "$< $> $( $)";
    };
    is($last, '1001 1001 1002 20 1002 20', 'root with everything: $< $> $( $) are true');

    my $dumpable = in_shape root_with_everything => sub { setpriv(@user, keep_groups => 1); Linux::Prctl::get_dumpable() };
    my $suid_dumpable = do { open my $in, '<', '/proc/sys/fs/suid_dumpable' or last; <$in> };
    is($dumpable, 0 + $suid_dumpable, 'root with everything: dumpable stays as the kernel leaves it');

    SKIP: {
        my ($name, $gid) = (getpwuid 33)[ 0, 3 ];
        skip 'there is no user 33 to take the groups of', 2 if !defined $name;
        my $wanted = [ sort { $a <=> $b } split ' ', qx(id -G $name) ];
        my $plan   = in_shape root_with_everything => sub {
            setpriv(reuid => $name, regid => $gid, init_groups => 1); truth();
        };
        is_deeply($plan->{groups}, $wanted, "root with everything: init_groups of $name, as id(1) has them");
        $plan = in_shape root_with_everything => sub { setpriv(reuid => 33, regid => 0, init_groups => 1); truth() };
        is_deeply($plan->{groups}, $wanted, 'root with everything: ... found by number');
    }
};

root_shape container_root => sub {
    my $after = after(container_root => undef, @user, clear_groups => 1, ambient_caps => ['net_bind_service'],
        bounding_set => '-all,+net_bind_service');
    is_deeply([ @{$after}{qw(effective permitted inheritable ambient bounding)} ], [ (@bind) x 5 ],
        'container root: what root has is enough');
    like(died(container_root => undef, @user, clear_groups => 1, ambient_caps => ['sys_admin']),
        qr/\Asetpriv: ambient_caps: sys_admin is not permitted now at/, 'container root: what it lacks cannot be kept');
    like(died(container_root => undef, bounding_set => '+all'), qr/bounding_set: .* not in the bounding set, and nothing/,
        'container root: nothing can be added to the bounding set');
    like(died(container_root => undef, inh_caps => '+sys_admin'),
        qr/step 4, capset.* would be refused: sys_admin is not in the bounding set; nothing was changed/,
        'container root: nor to inheritable beyond it');
};

root_shape restricted_root => sub {
    like(died(restricted_root => undef, @user, keep_groups => 1), qr/step 3, setresgid\(.* refused: setgid is not effective/,
        'restricted root: no setgid, no gid');
    like(died(restricted_root => sub { }, groups => [ 12, 13 ]), qr/step 2, setgroups\(.* refused: setgid is not effective/,
        'restricted root: no setgid, no groups');
    like(died(restricted_root => undef, bounding_set => []), qr/step 6, capbset_drop\(.* refused: setpcap is not effective/,
        'restricted root: no setpcap, no drop');
    my $after = after(restricted_root => undef, reuid => 1001, regid => 0, keep_groups => 1, ambient_caps => ['kill']);
    is_deeply([ @{$after}{qw(uid effective ambient)} ], [ ids(1001), (hex_of('kill')) x 2 ],
        'restricted root: what needs neither goes through');
};

root_shape root_without_setpcap => sub {
    like(died(root_without_setpcap => undef, @user, clear_groups => 1, securebits => ['noroot']),
        qr/step 5, set_securebits\(securebits noroot\) would be refused: setpcap is not effective/,
        'root without setpcap: securebits need setpcap');
    like(died(root_without_setpcap => undef, @user, clear_groups => 1, bounding_set => ['kill']),
        qr/step 6, capbset_drop.* refused: setpcap is not effective; nothing was changed/, 'root without setpcap: so do drops');
    my $after = after(root_without_setpcap => undef, @user, clear_groups => 1, ambient_caps => ['net_bind_service']);
    is($after->{ambient}, $bind[0], 'root without setpcap: ambient does not');
};

root_shape locked_securebits => sub {
    like(died(locked_securebits => undef, @user, clear_groups => 1, ambient_caps => ['kill']),
        qr/step 7, set_keepcaps\(1\) would be refused: keep_caps_locked is locked|keep_caps is locked/,
        'locked securebits: keep_caps is locked off: nothing can be kept');
    like(died(locked_securebits => undef, securebits => [qw(noroot_locked keep_caps_locked noroot)]),
        qr/step \d+, set_securebits.* refused: noroot is locked/, 'locked securebits: what is locked stays');
    like(died(locked_securebits => undef, securebits => []), qr/refused: noroot_locked is locked/, 'locked securebits: so does a lock');
    my $after = after(locked_securebits => undef, @user, clear_groups => 1);
    is_deeply([ @{$after}{qw(uid permitted securebits)} ], [ ids(1001), $none, sprintf('%016x', 0b100010) ],
        'locked securebits: a user with nothing: no lock is in the way');
};

root_shape ambient_user => sub {
    my $now   = in_shape ambient_user => sub { truth() };
    my $after = after(ambient_user => undef, no_new_privs => 1);
    is(told_apart($after, { %$now, no_new_privs => 1 }), '', 'ambient user: nothing but no_new_privs changes');
    $after = after(ambient_user => undef, ambient_caps => []);
    is_deeply([ @{$after}{qw(ambient permitted)} ], [ $none, $bind[0] ], 'ambient user: ambient is lowered alone');
    $after = after(ambient_user => undef, caps => []);
    is_deeply([ @{$after}{qw(effective permitted ambient inheritable)} ],
        [ ($none) x 3, $bind[0] ], 'ambient user: caps takes ambient with it');
    my $id = $now->{uid}[0];
    $after = after(ambient_user => undef, reuid => $id, regid => $now->{gid}[0], keep_groups => 1);
    is($after->{permitted}, $none, 'ambient user: a plan that names a user leaves nothing by default');
    like(died(ambient_user => undef, @user, keep_groups => 1), qr/step 3, setresgid.* refused: setgid is not effective/,
        'ambient user: it cannot become another');
};

root_shape user_with_setgid_and_setpcap => sub {
    my $uid   = in_shape user_with_setgid_and_setpcap => sub { truth()->{uid}[0] };
    my $after = after(user_with_setgid_and_setpcap => undef, regid => 30, groups => [ 30, 31 ], bounding_set => ['setgid'],
        caps => ['setgid']);
    is_deeply([ @{$after}{qw(gid groups bounding permitted)} ],
        [ ids(30), [ 30, 31 ], (hex_of('setgid')) x 2 ], 'user with setgid and setpcap: what setgid and setpcap allow');
    like(died(user_with_setgid_and_setpcap => undef, @user, clear_groups => 1), qr/step 8, setresuid.* refused: setuid is not effective/,
        'user with setgid and setpcap: no setuid, no uid');
};

root_shape user_with_saved_uid_0 => sub {
    my $after = after(user_with_saved_uid_0 => undef, @user, clear_groups => 1, ambient_caps => ['kill']);
    is_deeply([ @{$after}{qw(uid effective permitted ambient)} ], [ ids(1001), (hex_of('kill')) x 3 ],
        'user with saved uid 0: uid 0 in the saved slot is given up, a capability kept');
    $after = after(user_with_saved_uid_0 => undef, reuid => 0, regid => 0, keep_groups => 1);
    is_deeply([ @{$after}{qw(uid effective)} ], [ ids(0), $none ],
        'user with saved uid 0: or taken back, with effective as it was');
    like(died(user_with_saved_uid_0 => undef, caps => ['kill']), qr/uid 0 stays, and seteuid\(0\) and an exec would give back/,
        'user with saved uid 0: it counts as uid 0 that stays') if !$nnp;
};

shape user_namespace => sub {
    # What differs from the groups that there are: of some users, the mapped one is all.
    my $now    = in_shape user_namespace => sub { truth()->{groups} };
    my @others = "@$now" eq '0' ? (clear_groups => 1) : (groups => [0]);
    like(died(user_namespace => undef, @others), qr/step 2, setgroups\(.* refused: .*\/proc\/self\/setgroups denies it/,
        'user namespace: groups are denied');
    like(died(user_namespace => undef, groups => [ 0, 65534 ]), qr/groups: group 65534 is not mapped in this user namespace/,
        'user namespace: the overflow id is no group');
    like(died(user_namespace => undef, reuid => 1001, regid => 0, keep_groups => 1),
        qr/reuid: user 1001 is not mapped in this user namespace/, 'user namespace: a user that is not mapped');
    like(died(user_namespace => undef, regid => 1001, keep_groups => 1), qr/regid: group 1001 is not mapped/,
        'user namespace: a group that is not mapped');
    my $after = after(user_namespace => undef, reuid => 0, regid => 0, keep_groups => 1, caps => ['kill'],
        bounding_set => ['kill'], no_new_privs => 1);
    is_deeply([ @{$after}{qw(uid permitted bounding)} ], [ ids(0), (hex_of('kill')) x 2 ],
        'user namespace: what it can do, it does');
};

# A user namespace with maps of several ids. One who stayed outside has to write them.
sub mapped {
    my ($map) = @_;
    my $pid = $$;
    pipe my $ready, my $go or die "pipe: $!\n";
    my $writer = fork // die "fork: $!\n";
    if (!$writer) {
        close $go;
        readline $ready;
        for my $file (map { "/proc/$pid/$_" } qw(uid_map gid_map)) {
            open my $out, '>', $file or POSIX::_exit(1);
            syswrite $out, $map or POSIX::_exit(1);
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
    my $map = join '', map { $_ * 2 . ' ' . (100_000 + $_ * 2) . " 1\n" } 0 .. 299;
    my $can = is_root() && eval { in_child { mapped($map); 1 } };
    skip 'user namespace: needs root, and more ids than one user namespace maps', 2 if !$can;
    my $answer = sub {
        my ($id) = @_;
        return in_child {
            mapped($map);
            raw_ids(gid => 0, 0, 0);
            raw_ids(uid => 0, 0, 0);
            eval { setpriv(reuid => $id, regid => $id, clear_groups => 1); 1 } or return $@;
            truth()->{uid};
        };
    };
    is_deeply($answer->(598), ids(598), 'user namespace: an id in the last line of a long map');
    like($answer->(597), qr/reuid: user 597 is not mapped/, 'user namespace: and one between its lines');
}

# There, 65534 is an id, and also what all look like that are not mapped: those of
# root outside.
SKIP: {
    my $map = "0 100000 65536\n";
    my $can = is_root() && eval { in_child { mapped($map); 1 } };
    skip 'user namespace: needs root, and more ids than one user namespace maps', 4 if !$can;
    my @nobody = (reuid => 65534, regid => 65534);
    my $secret = File::Temp->new;
    my $end    = in_child {
        raw_groups(27);
        mapped($map);
        my $steps = setpriv(@nobody, groups => [65534], dry_run => 1)->{steps};
        setpriv(@nobody, groups => [65534]);
        return { %{ truth() }, steps => $steps, reads => open(my $in, '<', "$secret") ? 1 : 0 };
    };
    is_deeply([ grep { /\Aset(?:groups|resgid|resuid)\z/ } map { $_->{call} } @{ $end->{steps} } ],
        [qw(setgroups setresgid setresuid)], 'user namespace: what looks like the overflow id is set');
    is_deeply([ @{$end}{qw(uid gid groups)} ], [ ids(65534), ids(65534), [65534] ],
        'user namespace: to the id that is mapped');
    is($end->{reads}, 0, 'user namespace: nothing of root outside is left');
    my $kept = in_child {
        mapped($map);
        my $plan = setpriv(groups => [], no_new_privs => 1, dry_run => 1);
        return [ map { $_->{call} } @{ $plan->{steps} } ];
    };
    ok(!grep({ /\Asetres/ } @$kept), 'user namespace: an id that the plan does not name is left alone');
}

shape plain_user => sub {
    my $now   = in_shape plain_user => sub { truth() };
    my $after = after(plain_user => undef);
    is(told_apart($after, $now), '', 'plain user: nothing to do');
    $after = after(plain_user => undef, reuid => $now->{uid}[0], regid => $now->{gid}[0], keep_groups => 1,
        no_new_privs => 1, inh_caps => '-all', ambient_caps => [], pdeathsig => 'USR2');
    is(told_apart($after, { %$now, no_new_privs => 1, pdeathsig => 12 }), '',
        'plain user: the user that one is already');
    my $other = $now->{uid}[0] + 1;
    like(died(plain_user => undef, reuid => $other, regid => $now->{gid}[0], keep_groups => 1),
        qr/step 8, setresuid\(.* refused: setuid is not effective|not mapped/, 'plain user: but no other');
    like(died(plain_user => undef, caps => ['kill']), qr/\Asetpriv: caps: kill is not permitted now at/,
        'plain user: no capability comes from nowhere');
    my @most = grep { $_ ne 'kill' } map { Linux::Prctl::cap_name($_) } 0 .. Linux::Prctl::last_cap();
    like(died(plain_user => undef, caps => \@most), qr/\Asetpriv: caps: all but kill are not permitted now at/,
        'plain user: nor most of them, which are told by what is not among them');
};

shape no_new_privs => sub {
    my $after = after(no_new_privs => undef, no_new_privs => 0);
    is($after->{no_new_privs}, 1, 'no new privs: no_new_privs stays, whatever is asked for');
    my $now = in_shape no_new_privs => sub { truth() };
    SKIP: {
        skip 'no new privs: needs root', 1 if !is_root();
        $after = after(no_new_privs => undef, caps => ['kill']);
        is_deeply([ @{$after}{qw(uid permitted)} ], [ ids(0), hex_of('kill') ],
            'no new privs: uid 0 may lower its capabilities: no exec gives them back');
    }
};

# What an exec leaves.

root_shape user_with_saved_uid_0 => sub {
    my ($foreseen, $found) = in_child {
        my @plan = (euid => 1001, rgid => 0, egid => 1002, clear_groups => 1, caps => ['kill'],
            no_new_privs => 1);
        my $foreseen = setpriv(@plan, dry_run => 1)->{after_exec};
        setpriv(@plan);
        my %status = map { /\A(\w+):\s*(.*)/ } `cat /proc/self/status`;
        return (
            [ map { join ' ', @$_{qw(real effective saved fs)} } @{$foreseen}{qw(uid gid)} ],
            [ map { join ' ', split ' ', $status{$_} } qw(Uid Gid) ],
        );
    };
    is_deeply($foreseen, $found, 'user with saved uid 0: no_new_privs and a real uid of 0: an exec makes it effective');
};

# The plan as data.

my $plan = in_child {
    my $before = truth();
    my $plan = setpriv(no_new_privs => 1, inh_caps => '-all', ambient_caps => '-all', dry_run => 1);
    die "it changed something\n" if told_apart(truth(), $before);
    $plan;
};
is_deeply([ sort keys %$plan ], [qw(after_exec expected now steps)], 'dry_run: what it tells');
is_deeply([ sort keys %{ $plan->{expected} } ],
    [qw(caps gid groups no_new_privs pdeathsig securebits uid)], 'dry_run: a state');
is_deeply([ sort keys %{ $plan->{expected}{caps} } ],
    [qw(ambient bounding effective inheritable permitted)], 'dry_run: five sets');
is($plan->{expected}{no_new_privs}, 1, 'dry_run: what is expected');
is(scalar(in_child { $! = 7; setpriv(dry_run => 1, after_exec => '/bin/sh'); $! + 0 }), 7, 'dry_run: leaves $! alone');
if (!$nnp) {
    my %step  = %{ $plan->{steps}[-1] };
    my $after = delete $step{after};
    is_deeply(\%step, { step => 14, call => 'set_no_new_privs', value => 1 }, 'dry_run: a step');
    is_deeply($after, $plan->{expected}, 'dry_run: ... and what it leads to');
}

# What the kernel does to the sets when a uid changes, in each step that says what it leads to.
for my $case (
    [ 'nothing is kept',  [],                 0 ],
    [ 'one is kept',      [ caps => ['kill'] ], 1 ],
) {
    my ($title, $caps, $kept) = @$case;
SKIP: {
        my $cannot = is_root() ? no_shape('root_with_everything') : 'needs root with setuid, setgid and setpcap';
        skip "root with everything: $cannot", 2 if $cannot;
        my $said = in_shape root_with_everything => sub {
            my @plan = (reuid => 65534, regid => 65534, clear_groups => 1, @$caps);
            my $steps = setpriv(@plan, dry_run => 1)->{steps};
            my ($to)  = grep { $_->{call} eq 'setresuid' } @$steps;
            # The kernel itself, in the same state: keepcaps, then setresuid(2).
            Linux::Prctl::set_keepcaps($kept);
            raw_ids('uid', (65534) x 3) or die "setresuid: $!\n";
            my $now = truth();
            return { to => $to->{after}{caps}, now => $now };
        };
        is(hex_of(@{ $said->{to}{permitted} }), $said->{now}{permitted}, "$title: permitted after setresuid");
        is(hex_of(@{ $said->{to}{effective} }), $said->{now}{effective}, "$title: effective after setresuid");
    }
}

done_testing;
