# The methods of the six objects.
use 5.014;
use warnings;

use lib 't/lib';
use Test::More;

use Linux::Prctl qw(:hashes :sets cap_name);
use Masks qw(bit);
use Shapes qw(shape in_shape privileged no_privilege);
use SystemCalls qw(raw_prctl raw_capset raw_drop last_capability ambient_raise);
use TestChild qw(in_child proc_caps);

plan skip_all => no_privilege() if no_privilege();

my %start = privileged { proc_caps() };
my $last  = last_capability();
my %set = (E => cap_effective, P => cap_permitted, I => cap_inheritable, A => cap_ambient, B => capbset);
my %name = (E => 'cap_effective', P => 'cap_permitted', I => 'cap_inheritable', A => 'cap_ambient', B => 'capbset');

sub changed(&) {
    my ($code) = @_;
    my %now = privileged { $code->(); proc_caps() };
    return { map { $now{$_} == $start{$_} ? () : ($_ => $now{$_}) } qw(E P I A B) };
}
sub named { my ($mask) = @_; return map { cap_name($_) } grep { $mask >> $_ & 1 } 0 .. 63 }

# Something in every set.
sub some { raw_capset($start{E}, $start{P}, bit(0, 5, 10)); raw_prctl(47, 2, $_) for 0, 5; return }

# ---- questions ----

for my $set (sort keys %set) {
    my ($names, $mask) = privileged { some(); ([ $set{$set}->names ], { proc_caps() }->{$set}) };
    is_deeply($names, [ named($mask) ], "$set: names");
    my ($inside) = grep { $mask >> $_ & 1 } 0 .. 63;
    my ($outside) = grep { !($mask >> $_ & 1) } 0 .. 63;
    is(scalar(privileged { some(); $set{$set}->has($inside) ? 1 : 0 }), 1, "$set: has one");
    is(scalar(privileged { some(); $set{$set}->has(named($mask)) ? 1 : 0 }), 1, "$set: has all of them");
    is(scalar(privileged { some(); $set{$set}->has($inside, $outside) ? 1 : 0 }), 0, "$set: has not all of these");
    is(scalar(privileged { some(); $! = 0; $set{$set}->has($last + 1, 63) ? 1 : $! + 0 }), 0,
        "$set: has not what the kernel does not know") if $last < 62;
    is(scalar(privileged { some(); $set{$set}->has() ? 1 : 0 }), 1, "$set: has() of nothing");
    is(scalar(privileged { some(); scalar(() = $set{$set}->names) }), scalar(named($mask)), "$set: as many");
    is(scalar(privileged { some(); scalar $set{$set}->names }), scalar(named($mask)), "$set: in scalar context, how many");
}
is_deeply([ privileged { raw_prctl(28, bit(0, 7)); (securebits->names, securebits->has('noroot') ? 1 : 0,
            securebits->has('noroot', 'keep_caps') ? 1 : 0) } ],
    [ 'noroot', 'no_cap_ambient_raise_locked', 1, 0 ], 'securebits: names, has');

# ---- changes ----

is_deeply(changed { cap_effective->drop(qw(kill CHOWN cap_setpcap), 10, 'cap_6') },
    { E => $start{E} & ~bit(0, 5, 6, 8, 10) }, 'effective: drop, in all spellings');
is_deeply(changed { cap_effective->drop('kill', 'kill', 5) }, { E => $start{E} & ~bit(5) }, 'effective: drop, thrice');
is_deeply(changed { cap_effective->clear }, { E => 0 }, 'effective: clear');
is_deeply(changed { cap_effective->limit }, { E => 0 }, 'effective: limit() drops everything');
is_deeply(changed { cap_effective->limit('kill', 63) }, { E => bit(5) }, 'effective: limit');
is_deeply(changed { cap_effective->replace('kill') }, { E => bit(5) }, 'effective: replace');
is_deeply(changed { cap_effective->replace }, { E => 0 }, 'effective: replace by nothing');
is_deeply(changed { cap_effective->clear->add('kill', 0)->drop(0) }, { E => bit(5) }, 'effective: a chain');
is_deeply(changed { cap_permitted->drop('kill') }, { E => $start{E} & ~bit(5), P => $start{P} & ~bit(5) },
    'permitted: drop lowers effective with it');
is_deeply(changed { cap_permitted->drop('setpcap', 'kill') },
    { E => $start{E} & ~bit(5, 8), P => $start{P} & ~bit(5, 8) }, 'permitted: SETPCAP itself in the list');
is_deeply(changed { cap_permitted->limit('kill') }, { E => bit(5), P => bit(5) }, 'permitted: keep one');
is_deeply(changed { raw_capset(0, $start{P}, 0); cap_permitted->limit('kill') }, { E => 0, P => bit(5) },
    'permitted: what was not effective stays so');
is_deeply(changed { cap_permitted->limit }, { E => 0, P => 0 }, 'permitted: limit() drops everything');
is_deeply(changed { cap_permitted->clear }, { E => 0, P => 0 }, 'permitted: clear');
is_deeply(changed { cap_permitted->replace('kill', 'chown') }, { E => bit(0, 5), P => bit(0, 5) }, 'permitted: replace');
is_deeply(changed { cap_permitted->add('kill') }, {}, 'permitted: add what is there');
is_deeply(changed { cap_inheritable->add('kill', 'chown') }, { I => $start{I} | bit(0, 5) }, 'inheritable: add');
is_deeply(changed { cap_inheritable->replace('kill') }, { I => bit(5) }, 'inheritable: replace');
is_deeply(changed { some(); cap_inheritable->limit('kill') }, { I => bit(5), A => bit(5) },
    'inheritable: limit, and ambient follows');
is_deeply(changed { some(); cap_ambient->add('net_bind_service') }, { I => bit(0, 5, 10), A => bit(0, 5, 10) }, 'ambient: add');
is_deeply(changed { some(); cap_ambient->drop('kill') }, { I => bit(0, 5, 10), A => bit(0) }, 'ambient: drop');
is_deeply(changed { some(); cap_ambient->limit('kill', 'net_bind_service') }, { I => bit(0, 5, 10), A => bit(5) }, 'ambient: limit');
is_deeply(changed { some(); cap_ambient->replace('net_bind_service', 'kill') }, { I => bit(0, 5, 10), A => bit(5, 10) }, 'ambient: replace');
is_deeply(changed { some(); cap_ambient->clear }, { I => bit(0, 5, 10) }, 'ambient: clear');
is_deeply(changed { some(); cap_ambient->limit }, { I => bit(0, 5, 10) }, 'ambient: limit()');
is_deeply(changed { capbset->drop('kill', 'setpcap') }, { B => $start{B} & ~bit(5, 8) }, 'bounding: drop, SETPCAP too');
is_deeply(changed { capbset->limit('net_bind_service') }, { B => bit(10) }, 'bounding: keep one');
is_deeply(changed { capbset->replace('net_bind_service') }, { B => bit(10) }, 'bounding: replace');
is_deeply(changed { capbset->clear }, { B => 0 }, 'bounding: clear');
is_deeply(changed { capbset->limit }, { B => 0 }, 'bounding: limit()');
is_deeply(changed { capbset->drop(63) }, {}, 'bounding: what the kernel does not know is gone') if $last < 63;
is_deeply([ privileged { securebits->add(qw(noroot SECBIT_KEEP_CAPS)); raw_prctl(27) } ], [ bit(0, 4) ], 'securebits: add');
is_deeply([ privileged { securebits->add(qw(noroot keep_caps))->drop('noroot'); raw_prctl(27) } ], [ bit(4) ], 'securebits: drop');
is_deeply([ privileged { securebits->add(qw(noroot keep_caps))->limit('noroot', 'noroot_locked'); raw_prctl(27) } ], [ bit(0) ], 'securebits: limit');
is_deeply([ privileged { securebits->add(qw(noroot keep_caps))->replace('no_setuid_fixup'); raw_prctl(27) } ], [ bit(2) ], 'securebits: replace');
is_deeply([ privileged { securebits->add(qw(noroot keep_caps))->clear; raw_prctl(27) } ], [0], 'securebits: clear');

# All at once: what remains is one bit in every set.
is_deeply(changed {
    cap_inheritable->replace('net_bind_service');
    cap_ambient->replace('net_bind_service');
    capbset->limit('net_bind_service');
    cap_permitted->limit('net_bind_service');
}, { map { $_ => bit(10) } qw(E P I A B) }, 'keep one: one bit is left in every set');

# ---- what they return; nothing to do ----

for my $set (sort keys %set) {
    for my $method (qw(add drop limit replace clear)) {
        next if $set eq 'B' && $method eq 'add';
        my @args = $method eq 'clear' ? () : 'kill';
        is(scalar(privileged { some(); $set{$set}->$method(@args) == $set{$set} ? 1 : 0 }), 1, "$set: $method returns the object");
    }
    is_deeply(changed { $set{$set}->$_() for qw(add drop has) }, {}, "$set: add, drop and has of nothing do nothing");
}
is(scalar(privileged { $! = 7; cap_effective->drop('kill')->add('kill'); capbset->drop('kill', 63); cap_ambient->drop(63); $! + 0 }), 7,
    'a success leaves $! alone');

# ---- arguments, before anything changes ----

{ package Stringy; use overload '""' => sub { 'kill' }, fallback => 1; }
for my $set (sort keys %set) {
    for my $method (qw(has add drop limit replace)) {
        for my $bad ('bogus', undef, '', -1, 64, ' 5', "kill\0", [], 1.5, 'noroot') {
            my ($error, @same) = privileged {
                some();
                my $before = join ' ', map { { proc_caps() }->{$_} } qw(E P I A B);
                eval { $set{$set}->$method('kill', $bad, 'chown') };
                ($@, $before, join ' ', map { { proc_caps() }->{$_} } qw(E P I A B));
            };
            my $shown = defined $bad ? $bad =~ s/[^ -~]/?/gr : 'undef';
            like($error, qr/\A$name{$set}->$method: Unknown capability: .* at \Q$0\E line \d+\.\n\z/, "$set: $method of $shown dies");
            is($same[0], $same[1], "$set: and $method has changed nothing");
        }
    }
    for my $method (qw(clear names)) {
        eval { $set{$set}->$method('kill') };
        like($@, qr/\AUsage: .*$method\(self\) at \Q$0\E/, "$set: $method takes nothing");
    }
}
for my $method (qw(has add drop limit replace)) {
    my ($error, $bits) = privileged { eval { securebits->$method('noroot', 'chown') }; ($@, raw_prctl(27)) };
    like($error, qr/\Asecurebits->$method: Unknown secbit: chown at /, "securebits: $method of a capability dies");
    is($bits, 0, 'and changes nothing');
}
for my $names ([ 'kill' ], [ 'chown', 'kill' ]) {
    my ($error, $left) = privileged { eval { capbset->add(@$names) }; ($@, { proc_caps() }->{B}) };
    like($error, qr/\Acapbset->add: Can only drop capabilities from the bounding set, not add them at \Q$0\E line/, 'bounding: add dies');
    is($left, $start{B}, 'bounding: and changes nothing');
}

# ---- a refusal leaves the set as it was, and dies ----

my @refused = (
    [ 'effective: add beyond permitted', sub { raw_capset(bit(5), bit(5, 8), 0) }, sub { cap_effective->add('setpcap', 'chown') },
      qr/\Acap_effective->add\("setpcap", "chown"\): Operation not permitted \(chown is not permitted\) at / ],
    [ 'effective: replace beyond permitted', sub { raw_capset(bit(5), bit(5, 8), 0) }, sub { cap_effective->replace('setpcap', 'chown') },
      qr/\(chown is not permitted\) at / ],
    [ 'permitted: add', sub { raw_capset(bit(5), bit(5), 0) }, sub { cap_permitted->add('kill', 'chown') }, qr/\(chown is not permitted\) at / ],
    [ 'permitted: replace', sub { raw_capset(bit(5), bit(5), 0) }, sub { cap_permitted->replace('chown') }, qr/\(chown is not permitted\) at / ],
    [ 'inheritable: outside the bounding set', sub { raw_drop(5) }, sub { cap_inheritable->add('chown', 'kill') },
      qr/\(kill is not in the bounding set\) at / ],
    [ 'inheritable: not permitted, without setpcap', sub { raw_capset(0, bit(0), 0) }, sub { cap_inheritable->add('chown', 'kill') },
      qr/\(kill is not permitted, and setpcap is not effective\) at / ],
    [ 'ambient: one of two not inheritable', sub { some() }, sub { cap_ambient->add('net_bind_service', 'setgid') },
      qr/\Acap_ambient->add\("net_bind_service", "setgid"\): Operation not permitted \(setgid is not inheritable\) at / ],
    [ 'ambient: replace, one not inheritable', sub { some() }, sub { cap_ambient->replace('net_bind_service', 'setgid') }, qr/\(setgid is not inheritable\) at / ],
    [ 'ambient: one not permitted', sub { some(); raw_capset(bit(0, 5), bit(0, 5), bit(0, 5, 10)) }, sub { cap_ambient->replace('net_bind_service') },
      qr/\(net_bind_service is not permitted\) at / ],
    [ 'ambient: no_cap_ambient_raise', sub { some(); raw_prctl(28, bit(6)) }, sub { cap_ambient->replace('net_bind_service') },
      qr/\(no_cap_ambient_raise is set\) at / ],
    [ 'bounding: replace with what is gone', sub { raw_drop(5) }, sub { capbset->replace('chown', 'kill') },
      qr/\Acapbset->replace\("chown", "kill"\): Operation not permitted \(kill is not in the bounding set\) at / ],
    [ 'bounding: drop without setpcap', sub { raw_capset($start{E} & ~bit(8), $start{P}, 0) }, sub { capbset->drop('kill') },
      qr/\(setpcap is not effective\) at / ],
    [ 'bounding: limit without setpcap', sub { raw_capset($start{E} & ~bit(8), $start{P}, 0) }, sub { capbset->limit('kill') },
      qr/\(setpcap is not effective\) at / ],
    [ 'bounding: clear without setpcap', sub { raw_capset($start{E} & ~bit(8), $start{P}, 0) }, sub { capbset->clear },
      qr/\Acapbset->clear\(\): .*\(setpcap is not effective\) at / ],
    [ 'securebits: locked', sub { raw_prctl(28, bit(1)) }, sub { securebits->add('keep_caps', 'noroot') }, qr/\(noroot is locked\) at / ],
    [ 'securebits: without setpcap', sub { raw_capset($start{E} & ~bit(8), $start{P}, 0) }, sub { securebits->add('exec_restrict_file', 'noroot') },
      qr/\(setpcap is not effective\) at / ],
);
for my $unknown ($last < 63 ? (63) : ()) {
    push @refused,
        [ "effective: add $unknown", sub { raw_capset(0, $start{P}, 0) }, sub { cap_effective->add('kill', $unknown) },
          qr/: Invalid argument \(this kernel does not know 63\) at / ],
        [ "inheritable: replace by $unknown", sub { some() }, sub { cap_inheritable->replace('kill', $unknown) }, qr/: Invalid argument \(this kernel/ ],
        [ "ambient: add $unknown", sub { some() }, sub { cap_ambient->add('net_bind_service', $unknown) }, qr/: Invalid argument \(this kernel/ ];
}
for my $case (@refused) {
    my ($title, $prepare, $code, $message) = @$case;
    my ($error, $errno, $before, $after) = privileged {
        my $state = sub { join ' ', raw_prctl(27), map { { proc_caps() }->{$_} } qw(E P I A B) };
        $prepare->();
        my $before = $state->();
        $! = 0;
        eval { $code->() };
        my $errno = $! + 0;
        ($@, $errno, $before, $state->());
    };
    like($error, $message, "$title: dies, and says why");
    is($after, $before, "$title: everything is as it was");
    is($errno, $message =~ /Invalid/ ? 22 : 1, "$title: \$! is what the kernel said");
}

# ---- without privilege, what is gone is no error ----

shape restricted_root => sub {
    my @result = in_shape restricted_root => sub {
        my $before = { proc_caps() }->{B};
        my $kept = eval { capbset->drop('setpcap', 'setgid') } ? 1 : $@;
        my $list = eval { $capbset{setpcap} = 0; delete $capbset{setgid} };
        ($kept, $list, $before == { proc_caps() }->{B} ? 1 : 0, eval { capbset->drop('setgid', 'chown'); 1 } ? 'lived' : $@);
    };
    is($result[0], 1, 'restricted root: dropping what is gone is no error');
    is($result[1], 0, 'restricted root: nor is deleting it');
    is($result[2], 1, 'restricted root: and nothing has changed');
    like($result[3], qr/setpcap is not effective/, 'restricted root: dropping what is there is refused');
};
shape user_with_setgid_and_setpcap => sub {
    my %now = in_shape user_with_setgid_and_setpcap => sub { capbset->limit('setgid'); cap_permitted->limit('setgid'); proc_caps() };
    is_deeply([ @now{qw(E P B)} ], [ (bit(6)) x 3 ], 'user with setgid and setpcap: a user with SETPCAP cuts the bounding set, and keeps one');
};
shape container_root => sub {
    my ($error, %now) = in_shape container_root => sub { eval { cap_effective->add('kill', 'sys_admin') }; ($@, proc_caps()) };
    like($error, qr/\(sys_admin is not permitted\)/, 'container root: what a container lacks is not to be had');
};
shape root_with_everything => sub {
    my %now = in_shape root_with_everything => sub { $_->limit('kill') for capbset, cap_permitted; proc_caps() };
    is_deeply([ @now{qw(E P B)} ], [ (bit(5)) x 3 ], 'root with everything: root keeps one');
};
shape user_namespace => sub {
    my %now = in_shape user_namespace => sub { $_->limit('kill') for capbset, cap_permitted; proc_caps() };
    is_deeply([ @now{qw(E P B)} ], [ (bit(5)) x 3 ], 'user namespace: keeps one in a user namespace');
};
shape plain_user => sub {
    my @result = in_shape plain_user => sub {
        map { eval { $_->drop('kill')->limit('chown')->clear; 1 } ? 'lived' : $@ } cap_effective, cap_permitted, cap_inheritable, cap_ambient;
    };
    is_deeply(\@result, [ ('lived') x 4 ], 'plain user: lowering what one has not is no error');
};

# ---- filtered prctl: no drop looks as if it had happened ----

shape filtered_prctl => sub {
    for my $errno (1, 22, 38) {
        for my $case ([ 'capbset{kill} = 0', sub { use Linux::Prctl ':fatal'; $capbset{kill} = 0 } ],
                      [ 'capbset{39} = 0', sub { use Linux::Prctl ':fatal'; $capbset{39} = 0 } ],
                      [ 'capbset{63} = 0', sub { use Linux::Prctl ':fatal'; $capbset{63} = 0 } ],
                      [ 'capbset->drop(63)', sub { capbset->drop(63) } ],
                      [ 'cap_ambient->drop(63)', sub { cap_ambient->drop(63) } ],
                      [ 'delete capbset{kill}', sub { use Linux::Prctl ':fatal'; delete $capbset{kill} } ],
                      [ 'capbset->drop', sub { capbset->drop('kill') } ],
                      [ 'capbset->limit', sub { capbset->limit('kill') } ],
                      [ 'capbset->limit of all but one', sub { capbset->limit(0 .. 4, 6 .. 63) } ],
                      [ 'capbset->clear', sub { capbset->clear } ],
                      [ 'capbset->replace', sub { capbset->replace('chown') } ],
                      [ 'cap_ambient{kill} = 0', sub { use Linux::Prctl ':fatal'; $cap_ambient{kill} = 0 } ],
                      [ 'cap_ambient->drop', sub { cap_ambient->drop('kill') } ],
                      [ 'cap_ambient->limit', sub { cap_ambient->limit('chown') } ],
                      [ 'cap_ambient->clear', sub { cap_ambient->clear } ],
                      [ '%cap_ambient = ()', sub { use Linux::Prctl ':fatal'; %cap_ambient = () } ],
                      [ 'securebits{noroot} = 1', sub { use Linux::Prctl ':fatal'; $securebits{noroot} = 1 } ],
                      [ 'securebits->replace', sub { securebits->replace('noroot') } ],
                      [ 'capbset_drop', sub { use Linux::Prctl ':fatal'; Linux::Prctl::capbset_drop('kill') } ]) {
            my ($title, $code) = @$case;
            my ($error, $said) = in_shape filtered_prctl => sub { $! = 0; my $lived = eval { $code->(); 1 }; my $said = $! + 0; ($lived ? 'lived' : $@, $said) }, $errno;
            isnt($error, 'lived', "filtered prctl: $title under errno $errno dies");
            is($said, $errno, "filtered prctl: $title says errno $errno");
        }
    }
};

done_testing;
