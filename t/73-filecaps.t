use 5.014;
use warnings;

use Errno qw(EINVAL);
use Linux::Prctl ();
use Linux::Prctl::FileCaps;
use Test::More;

my $CLASS = 'Linux::Prctl::FileCaps';
my $LAST  = Linux::Prctl::last_cap();
my $seed  = $ENV{LINUX_PRCTL_TEST_SEED} // 1;
srand $seed;

sub dies_of {
    my ($code) = @_;
    return 'lived' if eval { $code->(); 1 };
    my $error = $@;
    return $error =~ s/ at \Q$0\E line \d+\.\n\z//r;
}

# ---- the methods ----

my $caps = $CLASS->new;
isa_ok($caps, $CLASS);
is("$caps", '=', 'new is empty');
ok(!$caps->effective, 'effective is not set');
is($caps->rootid, 0, 'no root id');
is_deeply([ map { $caps->names($_) } qw(permitted inheritable) ], [], 'no names');
ok($caps, 'true, as any object');

is($caps->add(permitted => 'chown', 'CAP_KILL', 63)->add(inheritable => 'kill', 41)->effective(1)
        ->rootid(1000), $caps, 'calls chain');
is_deeply([ $caps->names('permitted') ],   [qw(chown kill 63)], 'names of permitted');
is_deeply([ $caps->names('inheritable') ], [qw(kill 41)],       'names of inheritable');
ok($caps->effective, 'effective');
is($caps->rootid, 1000, 'rootid');
ok($caps->has(permitted => 'kill', 0), 'has');
ok(!$caps->has(inheritable => 'chown'), 'has not');

my $copy = $caps->copy;
ok($copy == $caps, 'a copy is equal');
for my $change (
    [ 'permitted',   sub { $_[0]->drop(permitted => 63) } ],
    [ 'inheritable', sub { $_[0]->limit(inheritable => 'kill') } ],
    [ 'effective',   sub { $_[0]->effective(0) } ],
    [ 'rootid',      sub { $_[0]->rootid(1) } ],
    [ 'all',         sub { $_[0]->clear } ],
    [ 'one set',     sub { $_[0]->clear('permitted') } ],
) {
    my ($what, $code) = @$change;
    my $changed = $caps->copy;
    $code->($changed);
    ok($changed != $caps, "$what makes a difference");
    ok($copy == $caps,    'and the original is as it was');
}
is($caps->copy->clear . '', '=', 'clear takes the flag and the root id too');
is($caps->copy->clear('permitted', 'inheritable') . '', '=e rootid=1000',
    'the sets alone leave them');

# ---- text ----

my %texts = (
    '='                                 => '=',
    ''                                  => '=',
    '=e'                                => '=e',
    'cap_chown=ep'                      => 'cap_chown=ep',
    'cap_chown=p'                       => 'cap_chown=p',
    'cap_chown=ei'                      => 'cap_chown=ei',
    'cap_chown+eip'                     => 'cap_chown=eip',
    'CAP_CHOWN=ep rootid=0'             => 'cap_chown=ep',
    'cap_chown=ep rootid=1'             => 'cap_chown=ep rootid=1',
    'cap_chown=ep   rootid=4294967294 ' => 'cap_chown=ep rootid=4294967294',
    '= rootid=5'                        => '= rootid=5',
    '=e rootid=5'                       => '=e rootid=5',
    '41=p'                              => '= 41+p',
);
for my $text (sort keys %texts) {
    my $read = eval { $CLASS->from_text($text) };
    is($read ? "$read" : $@, $texts{$text}, qq{the text "$text"});
}
for my $reject (
    [ 'cap_chown=ep cap_kill=p',  'effective is one flag' ],
    [ 'cap_chown=p cap_kill=e',   'effective is one flag' ],
    [ 'cap_chown=e',              'effective is one flag' ],
    [ '=ep cap_kill-p',           'effective is one flag' ],
    [ '010=p',                    '"010" is neither' ],
    [ 'cap_chownx=p',             '"cap_chownx" is neither' ],
    [ 'chown=p',                  '"chown" is neither' ],
    [ 'cap_chown',                'is not what cap_from_text(3) describes' ],
    [ '= rootid=',                '"rootid=" is not rootid= and a user id' ],
    [ '= rootid=01',              '"rootid=01" is not' ],
    [ '= rootid=-1',              '"rootid=-1" is not' ],
    [ '= rootid=0x1',             '"rootid=0x1" is not' ],
    [ '= rootid=4294967295',      '"rootid=4294967295" is not' ],
    [ '= rootid=4294967296',      '"rootid=4294967296" is not' ],
    [ '= rootid=99999999999999999999999', 'is not rootid=' ],
    [ '= rootid=1x',              '"rootid=1x" is not' ],
    [ '= rootid=1 rootid=2',      '"rootid=1 rootid=2" is not' ],
    [ 'rootid=1',                 '"rootid" is neither' ],
    [ "=\0",                      'has a NUL in it' ],
    [ undef,                      'text undef is not a string' ],
) {
    my ($text, $why) = @$reject;
    like(dies_of(sub { $CLASS->from_text($text) }), qr/\Afrom_text: .*\Q$why\E/,
        'no text: ' . ($text // 'undef') =~ s/\0/\\0/r);
}

# ---- the attribute ----

# magic, permitted and inheritable by halves, root id
sub attribute {
    my ($version, $flags, @words) = @_;
    return pack 'V*', $version << 24 | $flags, @words;
}
my @attributes = (
    [ 'version 1', attribute(1, 0, 1, 32), 'cap_kill=i cap_chown+p' ],
    [ 'version 1, effective', attribute(1, 1, 1, 0), 'cap_chown=ep' ],
    [ 'version 2', attribute(2, 0, 1, 32, 0, 0), 'cap_kill=i cap_chown+p' ],
    [ 'version 2, high halves', attribute(2, 0, 0, 0, 1 << 7, 1 << 6), '39=p 38=i' ],
    [ 'version 2, effective alone', attribute(2, 1, 0, 0, 0, 0), '=e' ],
    [ 'version 2, empty', attribute(2, 0, 0, 0, 0, 0), '=' ],
    [ 'version 3', attribute(3, 1, 1, 0, 0, 0, 1000), 'cap_chown=ep rootid=1000' ],
    [ 'version 3, root 0', attribute(3, 1, 1, 0, 0, 0, 0), 'cap_chown=ep' ],
);
for my $row (@attributes) {
    my ($name, $bytes, $text) = @$row;
    my $read = $CLASS->_from_attribute($bytes);
    ok($read == $CLASS->from_text($text), "$name is $text");
}
is(unpack('H*', $CLASS->from_text('cap_chown=ep')->_to_attribute),
    unpack('H*', attribute(2, 1, 1, 0, 0, 0)), 'written as version 2');
is(unpack('H*', $CLASS->from_text('cap_chown=ep rootid=7')->_to_attribute),
    unpack('H*', attribute(3, 1, 1, 0, 0, 0, 7)), 'as version 3 with a root id');

my @malformed = (
    [ '',                                 'an attribute of 0 bytes has no version' ],
    [ "\0\0\0",                           'an attribute of 3 bytes has no version' ],
    [ attribute(0, 0),                    'an attribute of version 0, which is not 1, 2 or 3' ],
    [ attribute(4, 0, 0, 0, 0, 0, 0),     'an attribute of version 4, which is not 1, 2 or 3' ],
    [ attribute(1, 0, 0),                 'an attribute of version 1 has 12 bytes, not 8' ],
    [ attribute(1, 0, 0, 0, 0, 0),        'an attribute of version 1 has 12 bytes, not 20' ],
    [ attribute(2, 0, 0, 0),              'an attribute of version 2 has 20 bytes, not 12' ],
    [ attribute(2, 0, 0, 0, 0, 0, 0),     'an attribute of version 2 has 20 bytes, not 24' ],
    [ attribute(3, 0, 0, 0, 0, 0),        'an attribute of version 3 has 24 bytes, not 20' ],
    [ attribute(3, 0, 0, 0, 0, 0, 0) . 'x', 'an attribute of version 3 has 24 bytes, not 25' ],
    [ attribute(2, 2, 0, 0, 0, 0),        'an attribute with unknown flags: 0x2' ],
    [ attribute(2, 0x800001, 0, 0, 0, 0), 'an attribute with unknown flags: 0x800000' ],
    [ attribute(3, 0, 0, 0, 0, 0, 2**32 - 1), 'an attribute with a root id of -1' ],
);
for my $row (@malformed) {
    my ($bytes, $why) = @$row;
    local $! = 0;
    is(dies_of(sub { $CLASS->_from_attribute($bytes) }), "_from_attribute: $why", $why);
    is($! + 0, EINVAL, 'and $!');
}

# What is random has the right version and no strange flag only by design: half of
# these have a good first word.
my ($read, $died) = (0, 0);
for my $length (0 .. 30) {
    for my $try (1 .. 200) {
        my $bytes = join '', map { chr int rand 256 } 1 .. $length;
        substr($bytes, 0, 4) = attribute(1 + int rand 3, int rand 2)
            if $length >= 4 && $try % 2;
        my $caps = eval { $CLASS->_from_attribute($bytes) };
        my ($magic, @words) = unpack 'V*', $bytes;
        my %length = (1 => 12, 2 => 20, 3 => 24);
        my $good = defined $magic && ($length{ $magic >> 24 } // -1) == $length
            && !($magic & 0xfffffe) && ($words[4] // 0) != 2**32 - 1;
        if (!!$caps ne !!$good) {
            fail(unpack('H*', $bytes) . ($good ? ' is not read' : ' is read'));
        }
        elsif (!$caps) {
            $died++;
        }
        else {
            $read++;
            my $again = $CLASS->_from_attribute($caps->_to_attribute);
            my $text  = $CLASS->from_text($caps->to_text);
            fail(unpack('H*', $bytes) . ' does not survive') if $again != $caps || $text != $caps;
        }
    }
}
cmp_ok($read, '>', 50,  "$read random attributes of 0 to 30 bytes are read");
cmp_ok($died, '>', 200, "$died are refused, for a reason");

# ---- random capabilities through text ----

my $survived = 0;
my $count    = 2_000;
for (1 .. $count) {
    my $caps = $CLASS->new->effective(rand() < 0.5);
    $caps->rootid(int rand 2**32 - 1) if rand() < 0.5;
    for my $set (qw(permitted inheritable)) {
        my $many = rand;
        $caps->add($set => grep { rand() < $many } 0 .. (rand() < 0.5 ? $LAST : 63)) if rand() < 0.8;
    }
    my $back = eval { $CLASS->from_text($caps->to_text) };
    $survived++ if $back && $back == $caps;
}
is($survived, $count, "$count random ones survive to_text and from_text (seed $seed)");

# ---- bad input ----

for my $uid (undef, -1, 2**32 - 1, 2**32, 2**64, 'root', '', 1.5, []) {
    my $before = $caps->copy;
    like(dies_of(sub { $caps->rootid($uid) }),
        qr/\Arootid: uid .* is not a whole number from 0 to 4294967294\z/,
        'rootid: no ' . ($uid // 'undef'));
    ok($caps == $before, 'and nothing changed');
}
like(dies_of(sub { $caps->$_('effective', 'chown') }),
    qr/\A$_: set "effective" is not one of permitted, inheritable; effective is one flag for the whole file: ->effective\(1\)\z/,
    "$_: effective is a flag")
    for qw(add drop limit has);
for my $true ('yes', 2, -1, '00', 0.5, []) {
    my $caps = $CLASS->from_text('cap_chown=p')->effective($true);
    ok($caps == $CLASS->from_text('cap_chown=ep'), "effective($true) is effective(1)");
    is($caps->effective ? 1 : 0, 1, 'and true');
}
for my $false ('', 0, '0', undef) {
    ok($CLASS->from_text('cap_chown=ep')->effective($false) == $CLASS->from_text('cap_chown=p'),
        'effective(' . ($false // 'undef') . ') takes the flag away');
}
like(dies_of(sub { $caps->add(permitted => 'bogus') }), qr/\Aadd: Unknown capability: bogus\z/,
    'an unknown capability');
for my $other (undef, 'cap_chown=ep', [], Linux::Prctl::CapState->new) {
    like(dies_of(sub { my $x = $caps == $other }),
        qr/\A==: .* is not a Linux::Prctl::FileCaps\z/, '== ' . (ref $other || ($other // 'undef')));
}
like(dies_of(sub { Linux::Prctl::CapState::names($caps, 'permitted') }),
    qr/is not a Linux::Prctl::CapState\z/, 'nor is it the state of a process');
like(dies_of(sub { $CLASS->_from_attribute("\x{100}") }), qr/has a character above 255\z/,
    'wide characters are no attribute');

# An object has the bytes of one, and they are not read from elsewhere.
for my $length (0, 1, length(${ $CLASS->new }) - 1, length(${ $CLASS->new }) + 1, 300) {
    my $bytes  = 'x' x $length;
    my $object = bless \$bytes, $CLASS;
    for my $method ([ names => 'permitted' ], ['effective'], [ rootid => 5 ], ['to_text'], ['copy'], [ set => '/nowhere' ]) {
        my ($name, @args) = @$method;
        local $! = 0;
        is(dies_of(sub { $object->$name(@args) }), "$name: that object is not a $CLASS",
            "$name: an object of $length bytes");
        is($! + 0, EINVAL, 'and $!');
    }
    is($bytes, 'x' x $length, 'which is as it was');
}

done_testing;
