use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Linux::Prctl qw(setpriv);
use SetprivTest qw(truth told_apart);
use TestChild qw(company in_child);

# Misuse dies, names what was wrong, at the caller's line, and changes nothing.

{
    package Named;
    use overload '""' => sub { ${ $_[0] } };
    sub new { my ($class, $text) = @_; return bless \$text, $class }
}
{
    package Tied;
    sub TIESCALAR { my ($class, $value) = @_; return bless \$value, $class }
    sub FETCH { ${ $_[0] } }
}

my @gid = (regid => 0, clear_groups => 1);
my @bad = (
    'an odd list'          => ['reuid'], qr/Usage: setpriv\(option => value, \.\.\.\)/,
    'no option'            => [ uid => 0 ], qr/there is no option "uid"/,
    'undef as an option'   => [ undef, 1 ], qr/there is no option undef/,
    'an option twice'      => [ reuid => 0, reuid => 1, @gid ], qr/reuid is given twice/,
    'reuid with ruid'      => [ reuid => 0, ruid => 0, @gid ], qr/reuid and ruid contradict/,
    'reuid with euid'      => [ reuid => 0, euid => 0, @gid ], qr/reuid and euid contradict/,
    'regid with rgid'      => [ rgid => 0, @gid ], qr/regid and rgid contradict/,
    'regid with egid'      => [ egid => 0, @gid ], qr/regid and egid contradict/,
    'two about groups'     => [ clear_groups => 1, keep_groups => 1 ],
        qr/clear_groups and keep_groups contradict/,
    'a list and init'      => [ reuid => 0, regid => 0, init_groups => 1, groups => [] ],
        qr/init_groups and groups contradict/,
    'a uid alone'          => [ reuid => 0 ], qr/a uid needs a gid/,
    'a uid without a gid'  => [ reuid => 0, clear_groups => 1 ], qr/a uid needs a gid/,
    'ids without groups'   => [ reuid => 0, regid => 0 ], qr/.*what becomes of the groups/,
    'a gid without groups' => [ egid => 0 ], qr/.*what becomes of the groups/,
    'a false decision'     => [ regid => 0, clear_groups => 0 ], qr/.*what becomes of the groups/,
    'init without a user'  => [ regid => 0, init_groups => 1 ], qr/init_groups needs a user/,
    'init for nobody'      => [ reuid => 3999999999, regid => 0, init_groups => 1 ],
        qr/init_groups: there is no user with reuid 3999999999|reuid: user 3999999999 is not mapped/,
    'groups as a string'   => [ groups => '1,2' ], qr/groups "1,2" is not an array reference/,
    'groups as undef'      => [ groups => undef ], qr/groups undef is not an array reference/,
    'a group of no number' => [ groups => [ 0, -1 ] ], qr/groups -1 is neither a group/,
    'too many groups'      => [ groups => [ 0 .. 65536 ] ],
        qr/groups: 65537 groups are more than/,
    'caps as a string'     => [ caps => '+chown' ], qr/caps "\+chown" is not an array reference/,
    'an unknown cap'       => [ caps => ['bogus'] ], qr/caps: Unknown capability: "bogus"/,
    'an undefined cap'     => [ caps => [undef] ], qr/caps: Unknown capability: undef/,
    'a cap with a NUL'     => [ caps => ["kill\0"] ], qr/caps: Unknown capability: "kill\\0"/,
    'a cap above 63'       => [ caps => [64] ], qr/caps: Unknown capability: 64/,
    'a cap of no kernel'   => [ inh_caps => [63] ], qr/inh_caps: this kernel does not know 63/,
    'ambient as a hash'    => [ ambient_caps => {} ], qr/ambient_caps HASH\S+ is neither an array/,
    'ambient as undef'     => [ ambient_caps => undef ], qr/ambient_caps undef is neither/,
    'no sign'              => [ ambient_caps => 'net_raw' ], qr/ambient_caps: "net_raw" is neither \+name/,
    'an empty string'      => [ inh_caps => '' ], qr/inh_caps is empty/,
    'an empty change'      => [ inh_caps => '-all,,' ], qr/inh_caps: "" is neither \+name/,
    'a blank'              => [ inh_caps => '-all, +kill' ], qr/inh_caps: " \+kill" is neither/,
    'an unknown change'    => [ bounding_set => '-bogus' ], qr/bounding_set: Unknown capability: "bogus"/,
    'securebits as string' => [ securebits => 'noroot' ], qr/securebits: "noroot" is neither \+name nor -name: exactly these are an array/,
    'an unknown securebit' => [ securebits => ['bogus'] ], qr/securebits: Unknown secbit: "bogus"/,
    'a securebit number'   => [ securebits => [1] ], qr/securebits: Unknown secbit: 1/,
    'keep_caps'            => [ securebits => ['keep_caps'] ], qr/securebits: keep_caps is always off/,
    'no signal'            => [ pdeathsig => 'BOGUS' ], qr/pdeathsig "BOGUS" is neither a signal/,
    'signal 65'            => [ pdeathsig => 65 ], qr/pdeathsig 65 is neither a signal/,
    'signal undef'         => [ pdeathsig => undef ], qr/pdeathsig undef is neither a signal/,
    'an empty array'       => [ pdeathsig => [] ], qr/pdeathsig undef is neither a signal/,
    'a parent of no pid'   => [ pdeathsig => [ 'TERM', 'x' ] ], qr/pdeathsig: the parent "x" is not a process id/,
    'a parent undef'       => [ pdeathsig => [ 'TERM', undef ] ], qr/pdeathsig: the parent undef is not/,
    'another parent'       => [ pdeathsig => [ 'TERM', 2147483646 ] ],
        qr/pdeathsig: the parent is no longer process 2147483646/,
    'two parents'          => [ pdeathsig => [ 'TERM', 1, 1 ] ], qr/pdeathsig takes a signal and the process id/,
    'on_failure'           => [ on_failure => 'return' ], qr/on_failure "return" is neither "die" nor/,
    'on_failure and NUL'   => [ on_failure => "exit\0" ], qr/on_failure "exit\\0" is neither/,
    'on_failure undef'     => [ on_failure => undef ], qr/on_failure undef is neither/,
);
my @no_id = (
    undef, -1, '-1', 4294967295, 2**32, 2**32 + 5, 2**63, 1e300, 1.5, '1.5', '007', ' 5', '5 ', '',
    '0x10', '1e3', "0\0", "root\0", 'no-such-name', "r\x{f6}\x{100}", [], {}, \1, 'NaN', 9**9**9,
    Named->new('no-such-name'),
);
for my $kind (qw(uid gid)) {
    my $what = $kind eq 'uid' ? 'a user' : 'a group';
    for my $option ("re$kind", "r$kind", "e$kind") {
        for my $value (@no_id) {
            my $shown = defined $value ? "$value" : 'undef';
            utf8::encode($shown);
            push @bad, "$option $shown" => [ $kind eq 'uid' ? @gid : (clear_groups => 1), $option => $value ],
                qr/\Q$option\E .* is neither $what nor a whole number from 0 to 4294967294/;
        }
    }
}

sub call { return setpriv(@_) } my $here = __LINE__;

my @results = in_child {
    my @said;
    my $before = truth();
    for (my $i = 0; $i < @bad; $i += 3) {
        my $lived = eval { call(@{ $bad[ $i + 1 ] }) };
        push @said, $lived ? 'it went through' : $@;
    }
    push @said, told_apart(truth(), $before);
    @said;
};
is(pop @results, '', 'nothing was changed by any of them');
for (my $i = 0; $i < @bad; $i += 3) {
    my ($name, undef, $message) = @bad[ $i .. $i + 2 ];
    my $said = shift @results;
    ok($said =~ /\Asetpriv: (?:$message)/ && $said =~ / at \Q$0\E line $here\.\n\z/, $name)
        or diag("it said: $said");
}

if (my $why = company()) {
  SKIP: { skip $why, 1 }
    done_testing;
    exit;
}

# Names, numbers, and what behaves like them.

my %now = (uid => $>, gid => (split ' ', $))[0]);
my $user  = getpwuid $now{uid};
my $group = getgrgid $now{gid};

sub expected {
    my (@plan) = @_;
    return in_child { setpriv(@plan, dry_run => 1)->{expected} };
}

tie my $tied, 'Tied', $now{uid};
for my $given ([ 'a number', $now{uid} ], [ 'a string', "$now{uid}" ], [ 'a sign', "+$now{uid}" ],
    [ 'a tied value', $tied ], [ 'an object', Named->new($now{uid}) ], [ 'a fraction', $now{uid} + 0.0 ])
{
    my ($name, $value) = @$given;
    is_deeply(expected(reuid => $value, regid => $now{gid}, keep_groups => 1)->{uid},
        { map { $_ => $now{uid} } qw(real effective saved fs) }, "reuid as $name");
}
SKIP: {
    skip 'the tests run as a user or group without a name', 2 if !defined $user || !defined $group;
    my $expected = expected(reuid => $user, regid => $group, keep_groups => 1);
    is($expected->{uid}{saved}, $now{uid}, "the user $user by name");
    is($expected->{gid}{saved}, $now{gid}, "the group $group by name");
}

# The function itself.

is(prototype('Linux::Prctl::setpriv'), undef, 'setpriv has no prototype');
ok((grep { $_ eq 'setpriv' } @{ $Linux::Prctl::EXPORT_TAGS{extra} }), ':extra exports it');
ok(Linux::Prctl->can('setpriv'), 'can() finds it');
is(in_child { setpriv() }, 1, 'no options: 1');
is(in_child { $! = 5; setpriv(keep_groups => 1); $! + 0 }, 5, 'a success leaves $! alone');
is(in_child { $@ = 'mine'; setpriv(keep_groups => 1); $@ }, 'mine', '... and $@');
is(in_child { eval { setpriv(caps => ['bogus']) }; Linux::Prctl::setpriv(); 1 }, 1,
    'after misuse it works as before');
is(`$^X -Mblib -MLinux::Prctl=:all -e 'print exists \$INC{"Linux/Prctl/Setpriv.pm"} ? 1 : 0' 2>/dev/null`,
    '0', 'nothing of it is loaded before it is called');

done_testing;
