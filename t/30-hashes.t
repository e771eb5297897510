# The elements of the six hashes: what can be a key, and what a value says.
use 5.014;
use warnings;

use lib 't/lib';
use Test::More;

use Linux::Prctl qw(:hashes :sets cap_name);
use Masks qw(bit);
use Pinned qw(constants);
use Shapes qw(shape in_shape shape_names privileged no_privilege);
use SystemCalls qw(raw_prctl last_capability);
use TestChild qw(in_child proc_caps);

my %hash = (
    E => \%cap_effective,
    P => \%cap_permitted,
    I => \%cap_inheritable,
    A => \%cap_ambient,
    B => \%capbset,
);
my @secbits = map { lc $_->{name} =~ s/\ASECBIT_//r } sort { $a->{value} <=> $b->{value} }
    grep { $_->{name} =~ /\ASECBIT_/ } constants();

# ---- keys ----

my $last = last_capability();
my @keys = map { cap_name($_) } 0 .. $last;
is_deeply([ keys %{ $hash{$_} } ], \@keys, "keys of $_: the kernel's, in the kernel's order")
    for sort keys %hash;
is_deeply([ @keys[ 0, 5, 8, 10, 21 ] ], [qw(chown kill setpcap net_bind_service sys_admin)],
    'some of them are known by heart');
is_deeply([ keys %securebits ], \@secbits, 'keys of securebits');
{
    my %copy = %cap_effective;
    is_deeply([ sort keys %copy ], [ sort @keys ], 'a copy has the same keys');
    my (@each, $n);
    while (my ($key, $value) = each %cap_effective) {
        push @each, $key;
        die 'each() has no end' if ++$n > 100;
    }
    is_deeply(\@each, \@keys, 'each() sees each, in order');
    each %capbset;
    keys %capbset;
    is((each %capbset)[0], 'chown', 'keys() starts each() afresh');
    is((each %capbset)[0], 'dac_override', 'and each() goes on');
    keys %capbset;
}

# ---- every element, in every shape, is what /proc says ----

for my $shape (shape_names()) {
    shape $shape => sub {
        my @wrong = in_shape $shape => sub {
            my %now   = proc_caps();
            my $known = $shape eq 'filtered_prctl' ? [] : [qw(A B)];
            my @wrong;
            for my $set (qw(E P I), @$known) {
                for my $cap (0 .. $last) {
                    my $value = $hash{$set}{ $keys[$cap] };
                    push @wrong, "$set $keys[$cap]: " . ($value // 'undef')
                        if !defined $value || $value ne ($now{$set} >> $cap & 1);
                }
            }
            return @wrong;
        };
        is("@wrong", '', "$shape: each element says what /proc says");
    };
}
shape filtered_prctl => sub {
    my @said = in_shape filtered_prctl => sub {
        map { my $hash = $_; $! = 0; (exists $hash->{chown} ? 1 : 0), $hash->{chown}, $! + 0 }
            \%cap_ambient, \%capbset;
    };
    is_deeply(\@said, [ (1, undef, 1) x 2 ],
        'filtered prctl: where nobody may ask, an element is undef, and $! says why');
};
shape locked_securebits => sub {
    is_deeply([ in_shape locked_securebits => sub { map { $securebits{$_} } @secbits } ],
        [ map { $_ == 1 || $_ == 5 ? 1 : 0 } 0 .. $#secbits ], 'locked securebits: securebits are read bit by bit');
};

# ---- spellings ----

for my $key ('net_bind_service', 'NET_BIND_SERVICE', 'cap_net_bind_service', 'CAP_NET_BIND_SERVICE',
             'Cap_Net_Bind_Service', 10, '10', 'cap_10', 'CAP_10', 10.0, '1' . '0') {
    my %now = proc_caps();
    is_deeply([ map { $hash{$_}{$key} } qw(E P I A B) ], [ map { $now{$_} >> 10 & 1 } qw(E P I A B) ],
        "the key $key");
    ok(exists $cap_permitted{$key}, "$key exists");
}
for my $key (qw(noroot NOROOT secbit_noroot SECBIT_NOROOT SecBit_NoRoot)) {
    is($securebits{$key}, raw_prctl(27) & 1, "the key $key");
    ok(exists $securebits{$key}, "$key exists");
}

# ---- capabilities that this kernel does not know ----

SKIP: {
    skip 'this kernel has all capabilities that can be', 1 if $last == 63;
    for my $key ($last + 1, 63, 'cap_63') {
        ok(!exists $hash{$_}{$key}, "$_: $key does not exist") for sort keys %hash;
        is($hash{$_}{$key}, undef, "$_: $key is undef") for sort keys %hash;
    }
}

# ---- what is no key ----

{ package Loud; use overload '""' => sub { ${ $_[0] } }, fallback => 1; }
my $text = '05';
my $used_as_number = $text + 1;    # which leaves the number in it too
my @bad_caps = (
    [ $text,       '05' ],
    [ 'bogus',     'bogus' ],
    [ '',          '' ],
    [ undef,       '(undef|)' ],
    [ -1,          '-1' ],
    [ 64,          '64' ],
    [ 100,         '100' ],
    [ 1e9,         '1000000000' ],
    [ '1e1',       '1e1' ],
    [ 'NaN',       'NaN' ],
    [ 1.5,         '1\.5' ],
    [ '007',       '007' ],
    [ '08',        '08' ],
    [ ' 5',        ' 5' ],
    [ '5 ',        '5 ' ],
    [ '+5',        '\+5' ],
    [ "5\n",       '5\\\\n' ],
    [ "kill\0",    'kill\\\\0' ],
    [ "kill\n",    'kill\\\\n' ],
    [ 'cap_',      'cap_' ],
    [ 'cap_cap_kill', 'cap_cap_kill' ],
    [ 'cap_-1',    'cap_-1' ],
    [ 'cap_64',    'cap_64' ],
    [ "k\x{131}ll", 'k\\\\x\{131\}ll' ],
    [ 'secbit_noroot', 'secbit_noroot' ],
    [ [],          'ARRAY\(0x[0-9a-f]+\)' ],
    [ 'effective', 'effective' ],
    [ bless(\(my $x = 'loud'), 'Loud'), 'loud' ],
    [ 2**32,       '4294967296' ],
    [ 2**32 + 9,   '4294967305' ],
    [ 'x' x 100,   'x{60}.*' ],
);
my @bad_bits = (@bad_caps[ 0 .. 2 ], [ 0, 0 ], [ '1', 1 ], [ 'chown', 'chown' ],
    [ 'noroot ', 'noroot ' ], [ 'secbit_', 'secbit_' ], [ "noroot\0", 'noroot\\\\0' ]);

no warnings 'uninitialized';
for my $set ((sort keys %hash), 'S') {
    my $hash = $hash{$set} // \%securebits;
    my $text = $set eq 'S' ? 'secbit' : 'capability';
    for my $bad ($set eq 'S' ? @bad_bits : @bad_caps) {
        my ($key, $pattern) = @$bad;
        my $expected = qr/\AUnknown $text: $pattern at \Q$0\E line \d+\.\n\z/;
        my %before = proc_caps();
        (my $shown = defined $key ? "$key" : 'undef') =~ s/[^ -~]/?/g;
        my $exists = eval { exists $hash->{$key} ? 'yes' : 'no' };
        is($exists, 'no', "$set: exists $shown does not die");
        eval { my $value = $hash->{$key} };
        like($@, $expected, "$set: reading $shown dies");
        eval { $hash->{$key} = 0 };
        like($@, $expected, "$set: lowering $shown dies");
        eval { $hash->{$key} = 1 };
        like($@, $set eq 'B' ? qr/\A(?:Unknown|Can only)/ : $expected, "$set: raising $shown dies");
        eval { delete $hash->{$key} };
        like($@, $expected, "$set: deleting $shown dies");
        is_deeply({ proc_caps() }, \%before, "$set: and nothing has changed for $shown");
    }
}

# ---- stores ----

my %of = (chown => 0, kill => 5, net_bind_service => 10);
SKIP: {
    skip no_privilege(), 1 if no_privilege();
    my %start = privileged { proc_caps() };
    for my $key ('kill', 'KILL', 'cap_kill', 5, '5', 'cap_5') {
        for my $set (qw(E I)) {
            my @seen = privileged {
                my @seen;
                for my $value (1, 0, 'yes', '', 2, undef, '0.0', '0') {
                    no warnings 'uninitialized';
                    $hash{$set}{$key} = $value;
                    push @seen, { proc_caps() }->{$set};
                }
                return @seen;
            };
            my ($off, $on) = ($start{$set} & ~bit(5), $start{$set} | bit(5));
            is_deeply(\@seen, [ $on, $off, $on, $off, $on, $off, $on, $off ],
                "$set: $key is raised by what is true and lowered by what is not");
        }
    }
    my %now = privileged { $cap_inheritable{kill} = 1; $cap_ambient{kill} = 1; proc_caps() };
    is($now{A}, bit(5), 'ambient: raised');
    is($now{I}, $start{I} | bit(5), 'what was inheritable already stays');
    %now = privileged { $cap_inheritable{kill} = 1; $cap_ambient{kill} = 1; $cap_ambient{kill} = 0; proc_caps() };
    is($now{A}, 0, 'ambient: lowered');
    is($now{I}, $start{I} | bit(5), 'and inheritable stays');
    %now = privileged { $cap_effective{kill} = 0; $cap_permitted{kill} = 0; proc_caps() };
    is($now{P}, $start{P} & ~bit(5), 'permitted: lowered');
    is($now{E}, $start{E} & ~bit(5), 'effective: lowered');
    is($now{B}, $start{B}, 'the bounding set stays');
    %now = privileged { $capbset{kill} = 0; proc_caps() };
    is($now{B}, $start{B} & ~bit(5), 'bounding: lowered');
    is_deeply([ @now{qw(E P I A)} ], [ @start{qw(E P I A)} ], 'and nothing else');
    %now = privileged { $capbset{kill} = 0; $capbset{kill} = 0; proc_caps() };
    is($now{B}, $start{B} & ~bit(5), 'lowered twice is lowered');
    my ($error, $line) = privileged { eval { $capbset{kill} = 1 }; ($@, __LINE__) };
    is($error,
        "Can only drop capabilities from the bounding set, not add them at $0 line $line.\n",
        'the bounding set can only be lowered, and the text is that of 1.6.0');
}

done_testing;
