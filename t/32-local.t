# local $hash{key}: for a scope, whichever way it is left.
use 5.014;
use warnings;

use lib 't/lib';
use Test::More;

use Linux::Prctl qw(:hashes);
use Masks qw(bit);
use Shapes qw(shape in_shape privileged no_privilege);
use SystemCalls qw(raw_prctl raw_capset ambient_raise);
use TestChild qw(proc_caps);

plan skip_all => no_privilege() if no_privilege();

my %start = privileged { proc_caps() };
sub in_set { my ($set) = @_; my %now = proc_caps(); return $now{$set} }
sub effective { return in_set('E') }

# One way out each. The scope notes what it sees.
my $seen;
my %way = (
    'falling out' => sub { { local $cap_effective{kill} = 0; $seen = effective() } },
    'die'         => sub { eval { local $cap_effective{kill} = 0; $seen = effective(); die "so\n" };
                           die "lost: $@" if $@ ne "so\n" },
    'die, far away' => sub { eval { local $cap_effective{kill} = 0; sub { $seen = effective(); die "so\n" }->() };
                           die "lost: $@" if $@ ne "so\n" },
    'last'        => sub { for (1) { local $cap_effective{kill} = 0; $seen = effective(); last } },
    'next'        => sub { for (1) { local $cap_effective{kill} = 0; $seen = effective(); next } },
    'return'      => sub { sub { local $cap_effective{kill} = 0; $seen = effective(); return 1 }->() },
    'return of a list' => sub {
        my @list = sub { local $cap_effective{kill} = 0; $seen = effective(); return (1, 2, 3) }->();
        die "got @list" if "@list" ne '1 2 3';
    },
    'goto'        => sub { { local $cap_effective{kill} = 0; $seen = effective(); goto OUT } OUT: return },
    'the end of a string eval' => sub { eval q{local $cap_effective{kill} = 0; $seen = effective(); 1} or die $@ },
    'do' => sub { my $got = do { local $cap_effective{kill} = 0; $seen = effective() } },
    'another spelling' => sub { local $cap_effective{CAP_KILL} = 0; $seen = effective() },
    'a number' => sub { local $cap_effective{5} = 0; $seen = effective() },
    'delete local' => sub { delete local $cap_effective{kill}; $seen = effective() },
    'a bare local, lowered later' => sub { local $cap_effective{kill}; $cap_effective{kill} = 0; $seen = effective() },
    'a slice' => sub { local @cap_effective{qw(kill)} = (0); $seen = effective() },
    'twice' => sub {
        local $cap_effective{kill} = 0;
        { local $cap_effective{kill} = 1; die 'not raised' if effective() != $start{E} }
        $seen = effective();
    },
);
for my $way (sort keys %way) {
    my ($inside, $after, @warned) = privileged {
        my @warned;
        local $SIG{__WARN__} = sub { push @warned, @_ };
        $way{$way}->();
        ($seen, effective(), @warned);
    };
    is($inside, $start{E} & ~bit(5), "$way: lowered inside");
    is($after, $start{E}, "$way: raised again outside");
    is("@warned", '', "$way: in silence");
}

my ($inside, $after) = privileged {
    raw_capset(0, $start{P}, 0);
    my $inside = sub { local $cap_effective{kill} = 1; effective() }->();
    ($inside, effective());
};
is($inside, bit(5), 'raised for the scope');
is($after, 0, 'and lowered afterwards');

($inside, $after) = privileged {
    my $inside = sub { local $cap_inheritable{kill} = 1; in_set('I') }->();
    ($inside, in_set('I'));
};
is($inside, $start{I} | bit(5), 'inheritable: raised for the scope');
is($after, $start{I}, 'inheritable: and lowered afterwards');

($inside, $after) = privileged {
    raw_capset($start{E}, $start{P}, bit(5));
    my $inside = sub { local $cap_ambient{kill} = 1; in_set('A') }->();
    ($inside, in_set('A'));
};
is($inside, bit(5), 'ambient: raised for the scope');
is($after, 0, 'ambient: and lowered afterwards');

($inside, $after) = privileged {
    my $inside = sub { local $securebits{noroot} = 1; raw_prctl(27) }->();
    ($inside, raw_prctl(27));
};
is($inside, 1, 'securebits: raised for the scope');
is($after, 0, 'securebits: and lowered afterwards');

# ---- what cannot be restored says so, at the end of the scope ----

my @heard = privileged {
    my @heard;
    local $SIG{__WARN__} = sub { push @heard, @_ };
    { local $capbset{kill} = 0 }
    push @heard, $! + 0, in_set('B');
    return @heard;
};
like($heard[0], qr/\Acapbset\{kill\}: Operation not permitted \(kill is gone from the bounding set for good\) while leaving the scope of local at \Q$0\E line \d+\.\n\z/,
    'local $capbset{kill}: gone for good');
is($heard[1], 1, 'and $! says EPERM');
is($heard[-1], $start{B} & ~bit(5), 'it is gone');
@heard = privileged {
    my @heard;
    local $SIG{__WARN__} = sub { push @heard, @_ };
    { local $cap_effective{kill} = 0; raw_capset($start{E} & ~bit(5), $start{P} & ~bit(5), 0) }
    @heard;
};
is(scalar @heard, 1, 'a restore that is refused warns once');
like($heard[0], qr/\Acap_effective\{kill\}: Operation not permitted \(kill is not permitted\) while leaving the scope of local at /,
    'and says when and why');

my $error = privileged {
    eval { use Linux::Prctl ':fatal'; { local $capbset{kill} = 0 } 1 };
    $@;
};
like($error, qr/while leaving the scope of local/, ':fatal: the end of the scope dies');

$error = privileged {
    eval { use Linux::Prctl ':fatal'; local $capbset{kill} = 0; die "mine\n" };
    $@;
};
like($error, qr/\Acapbset\{kill\}.*while leaving the scope of local|\Amine$/, ':fatal: which may take the place of an exception');

# After such an exception everything is as it was: no word of local, and misuse dies.
@heard = privileged {
    my @heard;
    eval { use Linux::Prctl ':fatal'; { local $capbset{kill} = 0 } };
    eval { $capbset{chown} = 1 };
    push @heard, $@;
    local $SIG{__WARN__} = sub { push @heard, @_ };
    raw_capset(0, 0, 0);
    $cap_effective{chown} = 1;
    return @heard;
};
like($heard[0], qr/\ACan only drop/, 'after an exception at the end of a scope, misuse dies as before');
like($heard[1], qr/\Acap_effective\{chown\}: Operation not permitted \(chown is not permitted\) at /,
    'and a refusal does not speak of local');

# Nor does what the handler of such a warning does itself.
@heard = privileged {
    my @heard;
    local $SIG{__WARN__} = sub {
        push @heard, @_;
        return if @heard > 1;
        eval { $capbset{chown} = 1 };
        push @heard, $@;
    };
    { local $capbset{kill} = 0 }
    return @heard;
};
like($heard[1], qr/\ACan only drop/, 'the handler of the warning restores nothing');

# A reference to an element outlives the scope; the process does not keep the change.
is(scalar(privileged { my $r; { local $cap_effective{kill} = 0; $r = \$cap_effective{kill}; } effective() }), $start{E},
    'a reference that leaves the scope');

shape ambient_user => sub {
    my @seen = in_shape ambient_user => sub {
        my @seen = in_set('A');
        { local $cap_ambient{net_bind_service} = 0; push @seen, in_set('A') }
        return (@seen, in_set('A'));
    };
    is_deeply(\@seen, [ bit(10), 0, bit(10) ], 'ambient user: ambient lowered for a scope');
};
shape user_with_saved_uid_0 => sub {
    my @seen = in_shape user_with_saved_uid_0 => sub {
        my @seen;
        { local $cap_effective{setuid} = 1; push @seen, effective() }
        return (@seen, effective());
    };
    is_deeply(\@seen, [ bit(7), 0 ], 'user with saved uid 0: what is permitted alone is raised for a scope');
};

done_testing;
