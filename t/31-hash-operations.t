# What one can do to a hash of Perl's, done to these six.
use 5.014;
use warnings;

use lib 't/lib';
use Test::More;

use Linux::Prctl qw(:hashes :sets);
use Masks qw(bit);
use Shapes qw(shape in_shape privileged no_privilege);
use SystemCalls qw(raw_prctl raw_capset raw_capget last_capability ambient_raise);
use TestChild qw(in_child proc_caps);

plan skip_all => no_privilege() if no_privilege();

my %start = privileged { proc_caps() };
my $last  = last_capability();

sub letters { my (%now) = @_; return [ @now{qw(E P I A B)} ] }
my $nothing_else = letters(%start);

# What the five sets are after some code, as far as they differ.
sub changed(&) {
    my ($code) = @_;
    my %now = privileged { local $SIG{__WARN__} = sub { die "warned: @_" }; $code->(); proc_caps() };
    return { map { $now{$_} == $start{$_} ? () : ($_ => $now{$_}) } qw(E P I A B) };
}

# ---- whole hashes ----

is_deeply(changed { %cap_effective = () }, { E => 0 }, '%cap_effective = ()');
is_deeply(changed { undef %cap_effective if 0; %cap_inheritable = (kill => 1, chown => 1) },
    { I => bit(0, 5) }, 'a list assigned to %cap_inheritable');
is_deeply(changed { %cap_effective = (kill => 1, setpcap => 1, chown => 0) }, { E => bit(5, 8) },
    'a list assigned to %cap_effective');
is_deeply(changed { $cap_inheritable{kill} = 1; %cap_ambient = (kill => 1); %cap_ambient = () },
    { I => $start{I} | bit(5) }, '%cap_ambient = ()');
is_deeply(changed { @cap_inheritable{qw(chown kill)} = (1, 1); %cap_ambient = (kill => 1); },
    { I => $start{I} | bit(0, 5), A => bit(5) }, 'a list assigned to %cap_ambient');
is_deeply(changed { my %wish = (kill => 1); %cap_effective = %wish }, { E => bit(5) },
    'a hash assigned');
is_deeply([ privileged { %securebits = (noroot => 1, keep_caps => 1); %securebits = (noroot_locked => 0);
            %securebits = (no_cap_ambient_raise => 1); raw_prctl(27) } ], [ bit(6) ],
    'a list assigned to %securebits');

for my $case ([ cap_permitted => sub { %cap_permitted = () } ],
              [ cap_permitted => sub { %cap_permitted = (chown => 1) } ],
              [ capbset => sub { %capbset = () } ], [ capbset => sub { %capbset = (chown => 0) } ],
              [ capbset => sub { undef %capbset } ]) {
    my ($name, $code) = @$case;
    my ($error, $now) = privileged { eval { $code->() }; ($@, letters(proc_caps())) };
    like($error, qr/\A%$name takes neither .*->limit.*->replace.*->clear at \Q$0\E line \d+\.\n\z/,
        "%$name refuses a list");
    is_deeply($now, $nothing_else, 'and nothing has changed');
}

for my $case ([ '%cap_effective', sub { %cap_effective ? 1 : 0 }, sub { raw_capset(0, $start{P}, 0) } ],
              [ '%cap_permitted', sub { %cap_permitted ? 1 : 0 }, sub { raw_capset(0, 0, 0) } ],
              [ '%securebits', sub { %securebits ? 1 : 0 }, sub { }, sub { raw_prctl(28, 1) } ],
              [ '%cap_inheritable', sub { %cap_inheritable ? 1 : 0 }, sub { raw_capset(@start{qw(E P)}, 0) },
                sub { raw_capset(@start{qw(E P)}, 1) } ],
              [ '%cap_ambient', sub { %cap_ambient ? 1 : 0 }, sub { }, sub { ambient_raise(5) } ],
              [ '%capbset', sub { %capbset ? 1 : 0 }, sub { raw_prctl(24, $_) for 0 .. $last } ]) {
    my ($name, $ask, $lower, $raise) = @$case;
    is(scalar(privileged { $raise->() if $raise; $ask->() }), 1, "if ($name): something is raised");
    is(scalar(privileged { $lower->(); $ask->() }), 0, "if ($name): nothing is");
    is(scalar(privileged { $lower->(); !$ask->() && 1 }), 1, "if (!$name)");
}
is(scalar(keys %cap_effective), $last + 1, 'scalar keys counts what the kernel has');
is(scalar(values %capbset), $last + 1, 'and so does scalar values');

# ---- elements, many and one ----

is_deeply(changed { @cap_effective{qw(chown kill)} = (0, 0) }, { E => $start{E} & ~bit(0, 5) },
    'a slice, written');
is_deeply([ privileged { raw_capset(bit(5), $start{P}, 0); @cap_effective{qw(chown kill KILL 5)} } ],
    [ 0, 1, 1, 1 ], 'a slice, read');
is_deeply([ privileged { raw_capset(bit(5), $start{P}, 0);
            (delete $cap_effective{kill}, delete $cap_effective{kill}) } ],
    [ 1, 0 ], 'delete returns what the value was');
is_deeply(changed { delete $cap_effective{kill} }, { E => $start{E} & ~bit(5) }, 'delete lowers');
is_deeply(changed { delete @cap_effective{qw(kill chown)} }, { E => $start{E} & ~bit(0, 5) },
    'delete of a slice');
is_deeply(changed { delete $capbset{kill} }, { B => $start{B} & ~bit(5) }, 'delete from the bounding set');
is_deeply([ privileged { raw_prctl(28, 1); (delete $securebits{noroot}, raw_prctl(27)) } ], [ 1, 0 ],
    'delete of a securebit');
is_deeply([ privileged { $! = 0; (delete $cap_effective{63}, $! + 0) } ], [ undef, 0 ],
    'delete of what the kernel does not know: undef, and no error') if $last < 63;
is_deeply(changed { exists $cap_effective{kill} }, {}, 'exists changes nothing');
is_deeply(changed { $_ = 0 for values %cap_effective }, { E => 0 }, 'for (values %h) { $_ = 0 }');
is_deeply(changed { $_ = 0 for @cap_effective{qw(kill chown)} }, { E => $start{E} & ~bit(0, 5) },
    'a loop over a slice');
is_deeply(changed { sub { $_[0] = 0 }->($cap_effective{kill}) }, { E => $start{E} & ~bit(5) },
    'an element passed to a function is the element');
is_deeply(changed { my $element = \$cap_effective{kill}; $$element = 0 }, { E => $start{E} & ~bit(5) },
    'a reference to an element');
is_deeply(changed { my $hash = \%cap_effective; $hash->{kill} = 0 }, { E => $start{E} & ~bit(5) },
    'a reference to the hash');
is_deeply(changed { local *alias = \%cap_effective; our %alias; $alias{kill} = 0 }, { E => $start{E} & ~bit(5) },
    'an alias of the hash');
is_deeply([ privileged { raw_capset(bit(5), $start{P}, 0); "$cap_effective{kill}$cap_effective{chown}" } ],
    ['10'], 'interpolation');
is_deeply([ privileged { raw_capset(bit(5), $start{P}, 0); grep { $cap_effective{$_} } keys %cap_effective } ],
    ['kill'], 'grep over keys');
is_deeply([ privileged { raw_capset(bit(5), $start{P}, 0);
            my %now = %cap_effective; grep { $now{$_} } sort keys %now } ], ['kill'], 'a copy');
is_deeply([ privileged { raw_capset(bit(5), $start{P}, 0);
            my @raised; while (my ($key, $value) = each %cap_effective) { push @raised, $key if $value } @raised } ],
    ['kill'], 'each');
is_deeply(changed { $cap_effective{kill} ^= 1 }, { E => $start{E} & ~bit(5) }, '^=');
is_deeply(changed { $cap_effective{kill}-- }, { E => $start{E} & ~bit(5) }, '--');
is_deeply(changed { ($cap_effective{kill}, my $other) = (0, 1) }, { E => $start{E} & ~bit(5) },
    'in a list that is assigned to');
is_deeply(changed { ($cap_effective{kill}, $cap_effective{chown}) = (0, $cap_effective{chown}) },
    { E => $start{E} & ~bit(5) }, 'and with another element');
is_deeply(changed { $cap_effective{kill} = $cap_inheritable{kill} }, { E => $start{E} & ~bit(5) },
    'one element assigned to another');
is_deeply(changed { $cap_effective{kill} ||= 1; $cap_effective{kill} &&= 1; $cap_effective{kill} //= 0 }, {},
    '||=, &&= and //=');

# Operators that assign and return something else: a refusal's warning runs Perl
# code between the two.
{
    my @got = privileged {
        no warnings 'Linux::Prctl';
        raw_capset(bit(8), bit(8), 0);
        my @got = ('before', ($cap_effective{chown} =~ s/0/1/), 'after');
        push @got, 'before', ($cap_effective{chown} =~ tr/0/1/), 'after';
        push @got, 'before', $cap_effective{chown}++, 'after';
        return @got;
    };
    is_deeply(\@got, [ qw(before 1 after), qw(before 1 after), qw(before 0 after) ],
        'a refused store leaves the values around it alone');
}

# ---- securebits keep the bits that they do not name ----

is_deeply([ privileged { raw_prctl(28, bit(2, 6)); $securebits{noroot} = 1; raw_prctl(27) } ],
    [ bit(0, 2, 6) ], 'a write to securebits keeps the other bits');

# ---- magic, once: for a key of a hash, as often as perl asks for any tied hash ----

{
    package Counted;
    our ($fetched, $value) = (0);
    sub TIESCALAR { my ($class) = @_; return bless [], $class }
    sub FETCH { $fetched++; return $value }
    package Asked;
    our $asked = 0;
    use overload
        '""'   => sub { $asked++; 'kill' },
        'bool' => sub { $asked++; 0 },
        fallback => 1;
}
{
    package Plain;
    sub TIEHASH { my ($class) = @_; return bless {}, $class }
    sub FETCH  { my ($self, $key) = @_; return $self->{$key} }
    sub STORE  { my ($self, $key, $value) = @_; $self->{$key} = $value; return }
    sub DELETE { my ($self, $key) = @_; return delete $self->{$key} }
    sub EXISTS { my ($self, $key) = @_; return exists $self->{$key} }
}
tie my $magical, 'Counted';
tie my %plain, 'Plain';
my $object = bless [], 'Asked';
for my $key ([ 'a tied key', $magical ], [ 'an overloaded key', $object ]) {
    my $asked = sub {
        my ($code) = @_;
        return scalar(privileged {
            ($Counted::value, $Counted::fetched, $Asked::asked) = ('kill', 0, 0);
            $code->($key->[0] =~ /tied/ ? \$magical : \$object);
            $Counted::fetched + $Asked::asked;
        });
    };
    for my $case ([ read => sub { my ($h) = @_; sub { my ($k) = @_; my $v = $h->{$$k} } } ],
                  [ written => sub { my ($h) = @_; sub { my ($k) = @_; $h->{$$k} = 0 } } ],
                  [ deleted => sub { my ($h) = @_; sub { my ($k) = @_; delete $h->{$$k} } } ],
                  [ exists => sub { my ($h) = @_; sub { my ($k) = @_; exists $h->{$$k} } } ]) {
        my ($title, $code) = @$case;
        is($asked->($code->(\%cap_effective)), $asked->($code->(\%plain)), "$key->[0], $title");
    }
}
for my $case ([ 'a tied value', 0, sub { $cap_effective{kill} = $magical } ],
              [ 'FETCH with a tied key', 'kill', sub { (tied %cap_effective)->FETCH($magical) } ],
              [ 'STORE with a tied key', 'kill', sub { (tied %cap_effective)->STORE($magical, 0) } ],
              [ 'STORE with a tied value', 0, sub { (tied %cap_effective)->STORE('kill', $magical) } ],
              [ 'STORE with a tied value, bounding', 0, sub { (tied %capbset)->STORE('kill', $magical) } ],
              [ 'DELETE with a tied key', 'kill', sub { (tied %cap_effective)->DELETE($magical) } ],
              [ 'EXISTS with a tied key', 'kill', sub { (tied %cap_effective)->EXISTS($magical) } ],
              [ 'has() with a tied name', 'kill', sub { cap_effective->has($magical) } ],
              [ 'drop() with a tied name', 'kill', sub { cap_effective->drop($magical) } ],
              [ 'drop() with an unknown tied name', 'bogus', sub { eval { cap_effective->drop($magical) } } ]) {
    my ($title, $value, $code) = @$case;
    is(scalar(privileged { ($Counted::value, $Counted::fetched) = ($value, 0); $code->(); $Counted::fetched }), 1, "$title: asked once");
}
for my $case ([ 'an overloaded value', sub { $cap_effective{kill} = $object } ],
              [ 'drop() with an overloaded name', sub { cap_effective->drop($object) } ]) {
    my ($title, $code) = @$case;
    is(scalar(privileged { $Asked::asked = 0; $code->(); $Asked::asked }), 1, "$title: asked once");
}
is_deeply(changed { $cap_effective{$object} = $object }, { E => $start{E} & ~bit(5) },
    'and the answers are what counts');
is_deeply(changed { "xkillx" =~ /(k.*l)/; $cap_effective{$1} = 0 }, { E => $start{E} & ~bit(5) }, '$1 as a key');
is_deeply(changed { "x0x" =~ /(\d)/; $cap_effective{kill} = $1 }, { E => $start{E} & ~bit(5) }, '$1 as a value');
{
    my @got = privileged {
        raw_capset(bit(5), $start{P}, 0);
        my @got;
        for my $name (qw(kill chown kill)) {
            "x$name" =~ /x(.*)/ or die "no match\n";
            $Counted::value = $name;
            push @got, $cap_effective{$1}, $cap_effective{$magical};
        }
        return @got;
    };
    is_deeply(\@got, [ 1, 1, 0, 0, 1, 1 ], '$1 and a tied key that change between two reads');
}

# ---- what only reads, and what does not ----

# A statement that reads gets a value of its own; through every other way to an element one
# can write.
sub element :lvalue { $cap_effective{kill} }
sub lowered { $_[0] = 0; return }
my @key = ('kill');
for my $case ([ 'map' => sub { my @x = map { $_ = 0 } $cap_effective{kill} } ],
              [ 'grep' => sub { my @x = grep { $_ = 0 } $cap_effective{$key[0]} } ],
              [ 'for' => sub { $_ = 0 for $cap_effective{kill} } ],
              [ 'an argument of a sub' => sub { lowered($cap_effective{kill}) } ],
              [ 'a reference' => sub { my $x = \$cap_effective{kill}; $$x = 0 } ],
              [ 'an lvalue sub' => sub { element() = 0 } ],
              [ 'the argument of an lvalue sub' => sub { lowered(element()) } ],
              [ 'chop' => sub { chop $cap_effective{kill} } ],
              [ '--' => sub { $cap_effective{kill}-- } ], [ '-=' => sub { $cap_effective{$key[0]} -= 1 } ],
              [ '&&=' => sub { $cap_effective{kill} &&= 0 } ], [ 's///' => sub { $cap_effective{kill} =~ s/1// } ],
              [ 'substr' => sub { substr($cap_effective{kill}, 0, 1) = '' } ],
              [ 'a condition' => sub { ($start{E} ? $cap_effective{kill} : $cap_effective{chown}) = 0 } ],
              [ 'undef' => sub { undef $cap_effective{kill} } ],
              [ 'delete' => sub { delete $cap_effective{kill} } ],
              [ 'delete with a key that is made' => sub { delete $cap_effective{ lc 'KILL' } } ]) {
    my ($title, $code) = @$case;
    is_deeply(changed { $code->() }, { E => $start{E} & ~bit(5) }, "$title writes");
}
is_deeply(changed { $_ = 0 for map { $_ } scalar element(); my $x = $cap_effective{kill}; $x = 0;
            $_++ for sub { $cap_effective{kill} }->(); $x = $cap_effective{kill} || 0; $x = 0 if "$cap_effective{kill}" },
    {}, 'a value that was read is one of its own');
is_deeply([ privileged { raw_capset(bit(5), $start{P}, 0);
            my @key = qw(kill CHOWN cap_kill 5 0);
            (map({ $cap_effective{$_} } @key), $cap_effective{kill}, $cap_effective{CHOWN}, $cap_effective{5},
                map { $cap_effective{ $_ + 0 } } 5, 0) } ],
    [ 1, 0, 1, 1, 0, 1, 0, 1, 1, 0 ], 'names and numbers, as constants, variables and made on the way');
is_deeply([ map { defined $cap_effective{$_} ? 1 : 0 } 63, 'cap_63', 0 ], [ 0, 0, 1 ],
    'what this kernel lacks is undef');
for my $key ('bogus', undef, '', "kill\0", [], 64) {
    no warnings 'uninitialized';
    for my $way ([ variable => sub { my $x = $cap_effective{$key} } ], [ made => sub { my $x = $capbset{ (sub { $key })->() } } ]) {
        ok(!eval { $way->[1]->(); 1 }, 'no capability dies');
        like($@, qr/\AUnknown capability: /, "with its text ($way->[0])");
    }
}

# ---- another process, another thread ----

is_deeply([ privileged { raw_capset(bit(5), $start{P}, 0); in_child { @cap_effective{qw(kill chown)} } } ],
    [ 1, 0 ], 'after fork');
is_deeply([ privileged { in_child { $cap_effective{kill} = 0; (proc_caps())[1] }; (proc_caps())[1] } ],
    [ $start{E} ], "a child's store is the child's");

# ---- tied() ----

is(ref tied %cap_effective, 'Linux::Prctl::CapabilitySet', 'tied() gives the object');
is(tied(%Linux::Prctl::capbset), capbset(), 'which is what the function of that name returns');
for my $wrong (undef, 3, 'x', [], \1, bless(\(my $n = 1), 'Other')) {
    eval { Linux::Prctl::CapabilitySet::names($wrong) };
    like($@, qr/\Anames: .* is not one of the sets of Linux::Prctl at \Q$0\E line/, 'no other object will do');
}
for my $name (@{ $Linux::Prctl::EXPORT_TAGS{hashes} }) {
    my $hash = do { no strict 'refs'; \%{ 'Linux::Prctl::' . substr $name, 1 } };
    eval { untie %$hash };
    like($@, qr/\A\Q$name\E cannot be untied: /, "untie $name dies");
    ok(tied %$hash, 'and it is tied as before');
}
eval { ${ cap_effective() } = 3 };
like($@, qr/\AModification of a read-only/, 'an object cannot be turned into another');

done_testing;
