# Values that are not what they seem: objects, numbers, answers, and who hears of them.
use 5.014;
use warnings;

# Before Test::More.
use Config;
BEGIN { require threads if $Config{useithreads} }

use lib 't/lib';
use Scalar::Util qw(refaddr);
use Errno qw(EPROTO);
use Test::More;

use Linux::Prctl qw(:functions :extra :hashes :sets :constants);
use Linux::Prctl::CapState;
use Seccomp qw(no_listener peek supervised);
use Shapes qw(no_privilege privileged);
use SystemCalls qw(raw_capset);
use TestChild qw(company in_child proc_caps);

my $deaf = no_listener();
my @sets = (cap_effective, cap_permitted, cap_inheritable, cap_ambient, capbset, securebits);

sub dies_of { my ($code) = @_; return eval { $code->(); 1 } ? 'lived' : $@ }

# ---- objects ----

SKIP: {
    skip 'this perl has no threads', 2 if !$Config{useithreads};
    my @there = threads->create({ context => 'list' }, sub {
        my @now = (cap_effective, cap_permitted, cap_inheritable, cap_ambient, capbset, securebits);
        ((map { refaddr $_ } @now), scalar(grep { eval { $_->names; 1 } } @now));
    })->join;
    is(pop @there, 6, 'the sets work in a thread');
    my %here = map { (refaddr $_ => 1) } @sets;
    is(scalar(grep { $here{$_} } @there), 0, '... where they are other objects');
}
for my $wrong (\my $text, \(my $short = 'x'), \(my $empty = ''), {}, []) {
    my $object = bless ref $wrong eq 'SCALAR' ? \(my $copy = $$wrong) : $wrong, 'Linux::Prctl::CapState';
    for my $method (qw(to_text copy set_current)) {
        like(dies_of(sub { $object->$method }), qr/\A$method: /, "$method of something blessed into CapState dies");
    }
}

# ---- numbers ----

# Above 2**53 a fraction of perl's may stand for its neighbour.
for my $value ('9007199254740992.0', '-9007199254740992.0', '9007199254740993.0', '18446744073709551615.0') {
    like(dies_of(sub { set_dumpable($value) }),
        qr/\Aset_dumpable: .* \Q"$value"\E is not a whole number/, "set_dumpable('$value') dies");
}

# ---- constants ----

{
    no strict 'refs';
    for my $name (qw(PR_SET_MDWE CAP_KILL SECBIT_NOROOT PR_SET_NAME)) {
        my $value = &{"Linux::Prctl::$name"}();
        like(dies_of(sub { $_ = 99 for &{"Linux::Prctl::$name"}() }), qr/\AModification of a read-only value/,
            "$name cannot be changed");
        is(&{"Linux::Prctl::$name"}(), $value, '... and is not');
    }
}

# ---- an object is asked for its text once ----

{
    package Texts;
    use overload '""' => sub { my ($self) = @_; return $self->[ ++$self->[0] ] // 'bogus' }, fallback => 1;
}
for my $case ([ set_pdeathsig => 'TERM', 0 ], [ set_pdeathsig => 15, 0 ], [ set_dumpable => 1, 0 ], [ capbset_read => 'kill', 1 ],
    [ cap_number => 'kill', 5 ], [ supported => 'set_name', 1 ], [ supported => 'kill', 1 ])
{
    my ($name, $text, $expected) = @$case;
    no strict 'refs';
    is(in_child { eval { &{"Linux::Prctl::$name"}(bless [ 0, $text ], 'Texts') } // $@ }, $expected, "$name of an object that says $text once");
}

# ---- answers of other kernels ----

SKIP: {
    skip $deaf, 8 if length $deaf;
    my @pairs = (6, 4096, 33, 7);
    my $said = 8 * 40;    # and what the heap holds there is not zero
    for my $case ([ 4, 32 ], [ 2, 16 ], [ 4, $said ]) {
        my ($written, $answer) = @$case;
        my (undef, @auxv) = supervised(
            ['prctl'],
            sub {
                my ($call) = @_;
                my (undef, $address, $size) = @{ $call->{args} };
                return $said if !$address;
                return { value => $answer, write => { $address => pack 'Q*', @pairs[ 0 .. $written - 1 ] } };
            },
            sub {
                my %auxv;
                for (1 .. 20) {
                    { my @dirt = map { 'x' x ($said + $_ % 32) } 1 .. 1000 }
                    $auxv{ join ' ', get_auxv() } = 1;
                }
                sort keys %auxv;
            }
        );
        is_deeply(\@auxv, [ join ' ', @pairs[ 0 .. $written - 1 ] ],
            "get_auxv: $written numbers that were written, of $said bytes that were announced, and $answer told");
    }

    # More than any kernel has is no answer: it is neither made room for nor read.
    for my $bytes (8 * 513, 2**31, 2**40) {
        my (undef, @said) = supervised(
            ['prctl'],
            sub { return { value => $bytes } },
            sub { $! = 77; my @auxv = get_auxv(); (scalar(@auxv), $! + 0) }
        );
        is("@said", "0 " . EPROTO, "get_auxv: $bytes bytes are no answer");
    }
    my (undef, @names) = supervised(['prctl'], sub { 1 << 0 | 1 << 12 | 1 << 40 }, sub { securebits->names });
    is("@names", 'noroot', 'securebits without a name are not among names');
    (undef, my $count) = supervised(['prctl'], sub { 1 << 0 | 1 << 12 | 1 << 40 }, sub { scalar securebits->names });
    is($count, 1, '... nor counted');
}

# ---- who hears of a refusal ----

SKIP: {
    skip no_privilege(), 6 if no_privilege();
    skip company(), 6 if company();
    my @heard = privileged {
        my @heard;
        raw_capset(0, 0, 0);
        local $SIG{__WARN__} = sub { push @heard, @_ };
        { local $capbset{chown} }
        @heard;
    };
    is(scalar @heard, 1, '{ local $capbset{chown} } without setpcap warns once');

    my ($said, $after) = privileged {
        my %now = proc_caps();
        my $said = dies_of(sub {
            local $SIG{__WARN__} = sub { die "heard: @_" };
            { local $cap_effective{kill} = 0; raw_capset(0, 0, 0) }
        });
        ($said, scalar cap_effective->names);
    };
    like($said, qr/\Aheard: cap_effective\{kill\}: .* while leaving the scope of local/,
        'a __WARN__ handler that dies of what cannot be restored');
    is($after, 0, '... and nothing is half done');
  SKIP: {
        skip 'this perl has no threads', 2 if !$Config{useithreads};
        my ($first, $second) = privileged {
            pipe my $from, my $to or die "pipe: $!\n";
            binmode $_ for $from, $to;
            my $thread = threads->create(sub { close $to; sysread $from, my $byte, 1; 1 });
            my @heard;
            {
                local $SIG{__WARN__} = sub { die "heard: @_" };
                push @heard, dies_of(sub { $cap_effective{kill} = 0 });
            }
            {
                local $SIG{__WARN__} = sub { push @heard, @_ };
                $cap_effective{kill} = 0;
            }
            close $to;
            $thread->join;
            @heard;
        };
        like($first, qr/\Aheard: cap_effective\{kill\} changes this thread alone/, 'a handler that dies of the warning beside a thread');
        like($second, qr/\Acap_effective\{kill\} changes this thread alone/, '... does not silence the next one');
    }
}

# "no warnings 'once'" says nothing of our categories, which are on where nothing is said.
SKIP: {
    skip 'this perl has no threads', 2 if !$Config{useithreads};
    my @perl = ($^X, map { "-I$_" } grep { !ref } @INC);
    my $code = q{use threads; use Linux::Prctl; pipe my $from, my $to; binmode $from;
        my $thread = threads->create(sub { close $to; sysread $from, my $byte, 1 });
        Linux::Prctl::set_no_new_privs(); close $to; $thread->join};
    my $said = sub {
        my ($scope) = @_;
        my $pid = open(my $out, '-|') // die "fork: $!\n";
        if (!$pid) {
            open STDERR, '>&', \*STDOUT or die "dup: $!\n";
            exec @perl, '-e', "use Linux::Prctl (); $scope; $code" or die "perl: $!\n";
        }
        my $text = do { local $/; <$out> };
        close $out;
        return $text // '';
    };
    if ($] >= 5.018) {    # before, it turns off all that is on by default, perl's own too
        like($said->(q{no warnings 'once'}), qr/\Aset_no_new_privs\(\) changes this thread alone/,
            q{no warnings 'once': heard});
    }
    is($said->(q{no warnings 'Linux::Prctl::threads'}), '', q{no warnings 'Linux::Prctl::threads': not});
}

done_testing;
