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

# What some code dies of. Before 5.24, what a restore dies of at the end of an eval is not
# caught by that eval.
sub error_of {
    my ($code) = @_;
    eval { eval { $code->(); 1 } or die $@ };
    return $@;
}

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

my $error = privileged { error_of(sub { use Linux::Prctl ':fatal'; { local $capbset{kill} = 0 } 1 }) };
like($error, qr/while leaving the scope of local/, ':fatal: the end of the scope dies');

$error = privileged { error_of(sub { use Linux::Prctl ':fatal'; local $capbset{kill} = 0; die "mine\n" }) };
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

# Nor is perl still restoring when that handler dies: it would not speak of undef any more.
@heard = privileged {
    $SIG{__WARN__} = sub { die "the handler\n" };
    my @heard = error_of(sub { { local $capbset{kill} = 0 } 1 });
    $SIG{__WARN__} = sub { push @heard, @_ };
    my $nothing;
    my $text = 'of ' . $nothing;
    return @heard;
};
is($heard[0], "the handler\n", 'a handler that dies');
like($heard[1], qr/\AUse of uninitialized value \$nothing /, 'leaves perl as it was');

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

# ---- the policy of a restore is that of the statement that said local ----

{
    package Quiet;
    no warnings;
    no Linux::Prctl;
    sub leave { die "quiet\n" }
}
sub fatal_around {
    my ($leave) = @_;
    use Linux::Prctl ':fatal';
    local $capbset{kill} = 0;
    $leave->();
}
my %leave = (
    'code without warnings' => \&Quiet::leave,
    'croak'                 => sub { require Carp; Carp::croak('croaked') },
    'the end of the scope'  => sub { },
);
for my $how (sort keys %leave) {
    my ($error, $errno) = privileged {
        my $error = error_of(sub { fatal_around($leave{$how}) });
        ($error, $! + 0);
    };
    like($error, qr/\Acapbset\{kill\}: .*\) while leaving the scope of local at \Q$0\E line \d+\.\n\z/,
        ":fatal where local stands, left by $how: dies, at that line");
    is($errno, 1, 'and $! says EPERM');
}
for my $case (
    [ 'nothing said', 1, sub { local $capbset{kill} = 0; eval q{use Linux::Prctl ':fatal'; die "there\n"} or die $@ } ],
    [ 'no warnings', 0, sub { no warnings; local $capbset{kill} = 0; eval q{use warnings; die "there\n"} or die $@ } ],
    [ 'warnings but for another', 1, sub { no warnings 'once'; local $capbset{kill} = 0; Quiet::leave() } ],
    [ 'no warnings of the category', 0, sub { no warnings 'Linux::Prctl'; local $capbset{kill} = 0; die "there\n" } ],
    [ 'no, then :fatal inside', 1, sub { local $capbset{kill} = 0; { use Linux::Prctl ':fatal'; die "there\n" } } ],
) {
    my ($title, $warns, $code) = @$case;
    my ($error, @warned) = privileged {
        my @warned;
        local $SIG{__WARN__} = sub { push @warned, @_ };
        eval { $code->() };
        ($@, @warned);
    };
    like($error, qr/\A(?:there|quiet)\n\z/, "$title: the exception is the one that was on its way");
    is(scalar @warned, $warns, "$title: warns: $warns");
}
is(scalar(privileged {
        my $error = error_of(sub { use warnings FATAL => 'Linux::Prctl'; local $capbset{kill} = 0; no warnings; die "there\n" });
        $error =~ /while leaving the scope/ ? 1 : $error;
    }), 1, 'FATAL warnings where local stands');

# A sub that frees itself while it dies takes the statement with it that runs.
for my $pragma (q{use Linux::Prctl ':fatal';}, q{use warnings; no warnings 'redefine';}) {
    for my $scope ('{ LOCAL; init(); 1 }', 'for (1) { LOCAL; init(); 1 }', 'sub { LOCAL; init(); 1 }->()') {
        my $script = "use Linux::Prctl qw(%capbset); $pragma"
            . ' sub init { *init = sub { 1 }; die "mine\n" }'
            . ' eval { eval { ' . $scope =~ s/LOCAL/local \$capbset{kill} = 0/r . '; 1 } or die $@ }; print $@, "done\n"';
        my $said = privileged {
            pipe my $from, my $to or die $!;
            my $pid = fork // die $!;
            if (!$pid) {
                open STDERR, '>&', $to or die $!;
                open STDOUT, '>&', $to or die $!;
                exec $^X, (map {"-I$_"} grep { !ref } @INC), '-e', $script;
            }
            close $to;
            my $text = do { local $/; <$from> };
            waitpid $pid, 0;
            "$text($?)";
        };
        like($said, qr/\Acapbset\{kill\}: .* while leaving the scope of local at -e line 1\.\n(?:mine\n)?done\n\(0\)\z/,
            "$pragma $scope: a sub that is gone by then");
    }
}

# Whoever dies while perl restores, nothing of it stays.
{
    package Dies;
    sub TIEHASH { return bless [] }
    sub EXISTS { 1 }
    sub FETCH { 1 }
    sub STORE { die "at the end\n" if $_[2] }
}
@heard = privileged {
    tie my %dies, 'Dies';
    my @heard = error_of(sub { local $dies{x} = 0; 1 });
    eval { $capbset{kill} = 1 };
    push @heard, $@;
    local $SIG{__WARN__} = sub { push @heard, @_ };
    raw_capset(0, 0, 0);
    $cap_effective{chown} = 1;
    return @heard;
};
is($heard[0], "at the end\n", 'a foreign hash dies when it is restored');
like($heard[1], qr/\ACan only drop/, 'and raising in the bounding set is misuse as before');
like($heard[2], qr/\Acap_effective\{chown\}: .*\(chown is not permitted\) at /, 'and a refusal does not speak of local');

# ---- exit is not stopped ----

for my $case ([ 'in eval', sub { eval { local $capbset{kill} = 0; use Linux::Prctl ':fatal'; exit 5 }; exit 6 } ],
    [ 'in eval, under :fatal', sub { use Linux::Prctl ':fatal'; eval { local $capbset{kill} = 0; exit 5 }; exit 6 } ],
    [ 'in a sub in eval, under :fatal', sub { eval { fatal_around(sub { exit 5 }) }; exit 6 } ],
    [ 'in sort, under :fatal', sub { use Linux::Prctl ':fatal'; eval { local $capbset{kill} = 0; my @s = sort { exit 5 } 1, 2 }; exit 6 } ])
{
    my ($title, $code) = @$case;
    my ($status, $said) = privileged {
        pipe my $from, my $to or die $!;
        my $pid = fork // die $!;
        if (!$pid) {
            open STDERR, '>&', $to or die $!;
            close $to;
            Test::More->builder->no_ending(1);
            $code->();
        }
        close $to;
        my $text = do { local $/; <$from> };
        waitpid $pid, 0;
        ($? >> 8, $text // '');
    };
    is($status, 5, "exit $title: the status is that of exit");
    like($said, qr/\Acapbset\{kill\}: .* while leaving the scope of local at \Q$0\E line \d+\.\n\z/, 'and the refusal is a warning');
}

# ---- what was lowered is what is restored ----

{
    package Changing;    # another capability each time
    use overload '""' => sub { my ($self) = @_; return ++$self->[0] };
}
for my $case ([ 'an element', sub { my ($key, $see) = @_; local $cap_effective{$key} = 0; $see->() } ],
    [ 'a slice', sub { my ($key, $see) = @_; local @cap_effective{ $key, 'bpf' } = (0, 0); $see->() } ])
{
    my ($title, $code) = @$case;
    my ($lowered, $after) = privileged {
        my $lowered;
        $code->(bless([0], 'Changing'), sub { $lowered = $start{E} & ~effective() });
        ($lowered, effective());
    };
    isnt($lowered & ~bit(39), 0, "local of $title with an object for a key");
    is($after, $start{E}, 'restores what it lowered, whatever the object says by then');
}

done_testing;
