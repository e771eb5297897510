# The rules of the ambient and the bounding set, over exec too.
use 5.014;
use warnings;

use lib 't/lib';
use Test::More;

use Linux::Prctl qw(:hashes :sets :functions);
use Masks qw(bit hex_mask);
use Shapes qw(shape in_shape privileged no_privilege);
use SystemCalls qw(raw_prctl raw_capset raw_drop last_capability ambient_raise);
use TestChild qw(in_child proc_caps);

plan skip_all => no_privilege() if no_privilege();

my %start = privileged { proc_caps() };
my $last  = last_capability();
sub in_set { my ($set) = @_; my %now = proc_caps(); return $now{$set} }

# What a store, a function and a method say, and what is in the set afterwards.
sub tried {
    my ($prepare, $set, $hash, $function, $method, $value) = @_;
    my @tried;
    for my $way (sub { $hash->{kill} = $value }, sub { use Linux::Prctl ':fatal'; $function->('kill') }, $method) {
        push @tried, [ privileged {
            my $said = '';
            local $SIG{__WARN__} = sub { $said .= $_[0] };
            $prepare->();
            my $before = in_set($set);
            $! = 0;
            eval { $way->() };
            ($said . $@, $! + 0, in_set($set) == $before ? 'same' : 'changed');
        } ];
    }
    return @tried;
}

my $ambient_raise = sub { my ($cap) = @_; use Linux::Prctl ':fatal'; cap_ambient_raise($cap) };
my $ambient_lower = sub { my ($cap) = @_; use Linux::Prctl ':fatal'; cap_ambient_lower($cap) };
my $bounding_drop = sub { my ($cap) = @_; use Linux::Prctl ':fatal'; capbset_drop($cap) };

for my $case ([ 'not inheritable', sub { raw_capset($start{E}, $start{P}, 0) }, 'kill is not inheritable' ],
              [ 'not permitted', sub { raw_capset(0, $start{P} & ~bit(5), bit(5)) }, 'kill is not permitted' ],
              [ 'no_cap_ambient_raise', sub { raw_prctl(28, bit(6)); raw_capset($start{E}, $start{P}, bit(5)) },
                'no_cap_ambient_raise is set' ]) {
    my ($title, $prepare, $reason) = @$case;
    my @tried = tried($prepare, 'A', \%cap_ambient, $ambient_raise, sub { cap_ambient->add('kill') }, 1);
    my @what = ('cap_ambient{kill}', 'cap_ambient_raise("kill")', 'cap_ambient->add("kill")');
    for my $try (@tried) {
        my $what = shift @what;
        like($try->[0], qr/\A\Q$what\E: Operation not permitted \($reason\) at \Q$0\E line \d+\.\n\z/, "$what: $title");
        is($try->[1], 1, "$what: \$! is EPERM");
        is($try->[2], 'same', "$what: nothing has changed");
    }
}
for my $prepare (sub { ambient_raise(5) }, sub { ambient_raise(5); raw_prctl(28, bit(6)) }, sub { }) {
    my @tried = tried($prepare, 'A', \%cap_ambient, $ambient_lower, sub { cap_ambient->drop('kill') }, 0);
    is($_->[0] . $_->[1], '0', 'ambient: lowering always works') for @tried;
}
is(scalar(privileged { ambient_raise(5, 10); cap_ambient_clear_all(); in_set('A') }), 0, 'cap_ambient_clear_all');
is(scalar(privileged { ambient_raise(5); $cap_inheritable{kill} = 0; in_set('A') }), 0, 'lowering inheritable lowers ambient');
is(scalar(privileged { ambient_raise(5); cap_permitted->drop('kill'); in_set('A') }), 0, 'lowering permitted lowers ambient');
is(scalar(privileged { ambient_raise(5); $cap_effective{kill} = 0; in_set('A') }), bit(5), 'lowering effective does not');

# ---- the bounding set ----

{
    my @tried = tried(sub { raw_capset($start{E} & ~bit(8), $start{P}, 0) }, 'B', \%capbset, $bounding_drop,
        sub { capbset->drop('kill') }, 0);
    my @what = ('capbset{kill}', 'capbset_drop("kill")', 'capbset->drop("kill")');
    for my $try (@tried) {
        my $what = shift @what;
        like($try->[0], qr/\A\Q$what\E: Operation not permitted \(setpcap is not effective\) at \Q$0\E line \d+\.\n\z/, "$what: no setpcap");
        is($try->[1], 1, "$what: \$! is EPERM");
        is($try->[2], 'same', "$what: nothing has changed");
    }
}
my @gone = privileged {
    raw_drop(5);
    raw_capset($start{E} & ~bit(8), $start{P}, 0);
    my $said = '';
    local $SIG{__WARN__} = sub { $said .= $_[0] };
    $! = 0;
    $capbset{kill} = 0;
    delete $capbset{kill};
    capbset->drop('kill');
    ($said, $! + 0, capbset_drop('kill'), $! + 0);
};
is_deeply(\@gone, [ '', 0, -1, 1 ], 'what is gone is gone without setpcap too; the function asks the kernel alone');
is_deeply([ privileged { $! = 0; (capbset_drop(63), $! + 0, capbset_read(63), $! + 0) } ], [ -1, 22, undef, 22 ],
    'the functions say what the kernel says') if $last < 63;
is_deeply([ privileged { raw_drop(5); (capbset_read('kill'), capbset_read('chown'), @capbset{qw(kill chown)}) } ],
    [ 0, 1, 0, 1 ], 'capbset_read');

# Inheritable cannot take what the bounding set has lost, permitted or not.
my @said = privileged {
    raw_drop(5);
    my $said = '';
    local $SIG{__WARN__} = sub { $said .= $_[0] };
    $cap_inheritable{kill} = 1;
    ($said, $! + 0, in_set('I'));
};
like($said[0], qr/\Acap_inheritable\{kill\}: Operation not permitted \(kill is not in the bounding set\) at /,
    'inheritable: outside the bounding set');
is($said[1], 1, 'and $! is EPERM');
is($said[2] & bit(5), 0, 'and it is not raised');

# ---- permitted while effective ----

@said = privileged {
    my $said = '';
    local $SIG{__WARN__} = sub { $said .= $_[0] };
    $cap_permitted{kill} = 0;
    ($said, $! + 0, in_set('P'), delete $cap_permitted{kill}, in_set('P'));
};
like($said[0], qr/\Acap_permitted\{kill\}: Operation not permitted \(kill is still effective: lower it there first, or use ->drop\) at /,
    'permitted: still effective');
is($said[1], 1, 'and $! is EPERM');
is($said[2], $start{P}, 'and it stays');
is($said[3], undef, 'delete: undef, since it was refused');
is($said[4], $start{P}, 'and it stays');

# ---- over exec ----

# The sets of a program that is executed now.
sub after_exec {
    my @line = grep { /^Cap/ } qx(cat /proc/self/status);
    return { map { /^Cap(.)\w+:\s*(\w+)/ ? ($1 => hex_mask($2)) : () } @line };
}
shape ambient_user => sub {
    my $now = in_shape ambient_user => sub { after_exec() };
    is_deeply([ @$now{qw(E P I A)} ], [ (bit(10)) x 4 ], 'ambient user: ambient is kept over exec');
    $now = in_shape ambient_user => sub { $cap_ambient{net_bind_service} = 0; after_exec() };
    is_deeply([ @$now{qw(E P A)} ], [ 0, 0, 0 ], 'ambient user: and without it nothing is');
    $now = in_shape ambient_user => sub { raw_prctl(38, 1); after_exec() };
    is_deeply([ @$now{qw(E P I A)} ], [ (bit(10)) x 4 ], 'ambient user: no_new_privs changes nothing there');
    my ($error) = in_shape ambient_user => sub { eval { cap_ambient->add('chown') }; $@ };
    like($error, qr/\(chown is not permitted\)/, 'ambient user: another one cannot be raised');
};
shape root_with_everything => sub {
    my $now = in_shape root_with_everything => sub { capbset->limit('kill'); after_exec() };
    is_deeply([ @$now{qw(E P B)} ], [ (bit(5)) x 3 ], 'root with everything: the bounding set limits what root gets at exec');
    $now = in_shape root_with_everything => sub { $securebits{noroot} = 1; after_exec() };
    is_deeply([ @$now{qw(E P)} ], [ 0, 0 ], 'root with everything: noroot: root gets nothing at exec');
    $now = in_shape root_with_everything => sub { cap_permitted->limit('kill'); after_exec() };
    cmp_ok($now->{P}, '!=', bit(5), 'root with everything: lowered sets come back at exec');
};
shape root_without_setpcap => sub {
    my @said = in_shape root_without_setpcap => sub { map { eval { $_->(); 1 } ? 'lived' : "$@" }
        sub { capbset->limit('kill') }, sub { cap_inheritable->add('kill') }, sub { cap_inheritable->add('setpcap') } };
    like($said[0], qr/\(setpcap is not effective\)/, 'root without setpcap: the bounding set stays');
    is($said[1], 'lived', 'root without setpcap: inheritable takes what is permitted');
    like($said[2], qr/\(setpcap is not permitted, and setpcap is not effective\)/, 'root without setpcap: and nothing else');
};
shape user_with_saved_uid_0 => sub {
    my @said = in_shape user_with_saved_uid_0 => sub { capbset->has('kill'), eval { capbset->drop('kill'); 1 } ? 'lived' : "$@",
        eval { cap_effective->add('setpcap'); capbset->drop('kill'); 1 } ? 'lived' : "$@" };
    like($said[1], qr/\(setpcap is not effective\)/, 'user with saved uid 0: permitted is not effective');
    is($said[2], 'lived', 'user with saved uid 0: but can be made so');
};

done_testing;
