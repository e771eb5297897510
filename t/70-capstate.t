use 5.014;
use warnings;

use Errno qw(EINVAL EPERM ESRCH);
use Linux::Prctl ();
use Linux::Prctl::CapState;
use Test::More;

use lib 't/lib';
use Masks qw(bit);
use TestChild qw(company in_child proc_caps proc_status);

my $CLASS = 'Linux::Prctl::CapState';
my %LETTER = (effective => 'E', permitted => 'P', inheritable => 'I');

# The sets of an object as masks, by the letters of proc_caps.
sub masks {
    my ($state) = @_;
    my %masks;
    for my $set (keys %LETTER) {
        $masks{ $LETTER{$set} } = bit(map { Linux::Prctl::cap_number($_) } $state->names($set));
    }
    return \%masks;
}

sub proc_masks {
    my %caps = proc_caps(@_);
    return { map { $_ => $caps{$_} } values %LETTER };
}

# What the code dies of, with the line taken off, which must be the caller's.
sub dies_of {
    my ($code) = @_;
    return 'lived' if eval { $code->(); 1 };
    my $error = $@;
    return $error =~ s/ at \Q$0\E line \d+\.\n\z//r;
}

# ---- new, copy, ==, names, has ----

my $empty = $CLASS->new;
isa_ok($empty, $CLASS);
is_deeply(masks($empty), { E => 0, P => 0, I => 0 }, 'new is empty');
ok($empty, 'an empty state is true, as any object');
is("$empty", '=', 'its text');

my $state = $CLASS->new;
is($state->add(effective => 'chown', 'CAP_KILL', 'cap_bpf', 8, 'cap_41', '63'),
    $state, 'add returns the object');
is_deeply([ $state->names('effective') ], [qw(chown kill setpcap bpf 41 63)],
    'names, in order, numbers where there is no name');
is_deeply([ $state->names('permitted') ], [], 'the other sets are as they were');
is(scalar $state->names('effective'), 6, 'in scalar context, how many');
ok($state->has(effective => qw(Chown KILL 41)), 'has all of them');
ok(!$state->has(effective => qw(chown setuid)), 'has not all of them');
ok(!$state->has(permitted => 'chown'), 'not in another set');
ok($state->has('permitted'), 'has none of none');

my $copy = $state->copy;
isa_ok($copy, $CLASS);
ok($copy == $state, 'a copy is equal');
ok(!($copy != $state), 'and not unequal');
$copy->drop(effective => 63);
ok($copy != $state, 'a change of the copy');
ok($state->has(effective => 63), 'leaves the original alone');
for my $set (sort keys %LETTER) {
    for my $cap (0, 31, 32, 63) {
        my $one = $CLASS->new->add($set => $cap);
        ok($one != $CLASS->new, "capability $cap in $set makes a difference");
        ok($one == $CLASS->new->add($set => $cap), 'and the same one does not');
    }
}
my $text = "$state";
my $peek = $$copy;
$copy->add(permitted => 'chown');
ok($peek ne $$copy, 'what was copied out of an object does not change with it');

# ---- drop, limit, clear ----

is($state->drop(effective => 'chown', 'setuid', 41)->add(permitted => 'chown')
        ->limit(effective => 'kill', 'sys_admin'), $state, 'calls chain');
is_deeply(masks($state), { E => 1 << 5, P => 1, I => 0 }, 'drop and limit');
is_deeply(masks($state->copy->limit('effective')), { E => 0, P => 1, I => 0 },
    'limit to nothing');
is_deeply(masks($state->copy->add('effective')->drop('effective')), masks($state),
    'add and drop of nothing');
is_deeply(masks($state->copy->clear), { E => 0, P => 0, I => 0 }, 'clear');
is_deeply(masks($state->copy->clear('permitted')), { E => 1 << 5, P => 0, I => 0 },
    'clear one set');
is_deeply(masks($state->copy->clear('permitted', 'effective')), { E => 0, P => 0, I => 0 },
    'clear two sets');

# ---- what is read ----

is_deeply(masks($CLASS->get_current), proc_masks(), 'get_current is what /proc says');
is_deeply(masks($CLASS->get_for_pid($$)), proc_masks(), 'so is get_for_pid of oneself');

{
    my ($same, $other) = in_child {
        pipe my $from_child, my $to_child or die "pipe: $!\n";
        pipe my $from_parent, my $to_parent or die "pipe: $!\n";
        binmode $_ for $from_child, $to_child, $from_parent, $to_parent;
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            close $to_parent;
            Linux::Prctl::cap_effective()->clear;
            syswrite $to_child, 'x';
            sysread $from_parent, my $end, 1;
            POSIX::_exit(0);
        }
        close $from_parent;
        sysread $from_child, my $ready, 1;
        my @result = (masks($CLASS->get_for_pid($pid)), proc_masks("/proc/$pid/status"));
        close $to_parent;
        waitpid $pid, 0;
        return @result;
    };
    is_deeply($same, $other, 'get_for_pid of another process');
    is($same->{E}, 0, 'which is not this one');
}

# A pid that was just there and is gone.
my $gone = fork // die "fork: $!\n";
POSIX::_exit(0) if !$gone;
waitpid $gone, 0;
{
    local $! = 0;
    is(dies_of(sub { $CLASS->get_for_pid($gone) }), "get_for_pid($gone): No such process",
        'a process that is gone');
    is($! + 0, ESRCH, 'and $!');
    is(dies_of(sub { $CLASS->get_for_pid("$gone") }), "get_for_pid($gone): No such process",
        'named the same when it is text');
}

SKIP: {
    skip 'this perl has no threads', 2 if !eval { require threads; 1 };
    my ($thread, $own, $main) = in_child {
        Linux::Prctl::cap_effective();    # loaded before there are threads
        no warnings 'Linux::Prctl::threads';
        my $thread = threads->create(
            { context => 'list' },
            sub {
                Linux::Prctl::cap_inheritable()->clear;
                my $mine = $CLASS->get_current->clear('effective')->set_current;
                my ($tid) = readlink('/proc/thread-self') =~ /(\d+)\z/;
                return (masks($CLASS->get_for_pid($tid)), proc_masks(), "$mine");
            }
        );
        my @in_thread = $thread->join;
        return ($in_thread[0], $in_thread[1], masks($CLASS->get_for_pid($$)));
    };
    is_deeply($thread, $own, "a thread's id");
    is_deeply($main, proc_masks(), 'what a thread did to itself is not seen on the process');
}

# ---- what is written ----

{
    my ($masks, $wanted, $returned) = in_child {
        my $wanted = $CLASS->get_current->clear('effective');
        my $returned = $wanted->set_current;
        return (proc_masks(), masks($wanted), $returned == $wanted);
    };
    is_deeply($masks, $wanted, 'set_current, says /proc');
    is($masks->{E}, 0, 'which lowered all of effective');
    ok($returned, 'and it returns the object');
}

my %own = proc_caps();
SKIP: {
    skip 'plain user: there is nothing here to lower', 1 if !$own{P};
    my ($masks, $chosen) = in_child {
        my ($first) = $CLASS->get_current->names('permitted');
        $CLASS->new->add(permitted => $first)->add(effective => $first)->set_current;
        return (proc_masks(), bit(Linux::Prctl::cap_number($first)));
    };
    is_deeply($masks, { E => $chosen, P => $chosen, I => 0 }, 'one capability is kept');
}

{
    my ($died, $errno, $before, $after) = in_child {
        my $name = Linux::Prctl::cap_name(0);
        $CLASS->new->set_current;
        my $before = proc_masks();
        my $died = dies_of(sub { $CLASS->new->add(permitted => $name)->set_current });
        return ($died, $! + 0, $before, proc_masks());
    };
    is($died, 'set_current(cap_chown=p): Operation not permitted (chown is not permitted)',
        'permitted cannot grow');
    is($errno, EPERM, 'and $!');
    is_deeply($after, $before, 'and nothing changed');
}
like(in_child { dies_of(sub {
        $CLASS->get_current->clear('permitted')->add(effective => 'chown')->set_current }) },
    qr/Operation not permitted \(\w+ is not permitted\)\z/, 'effective beyond permitted');
like(in_child {
        $CLASS->new->set_current;
        dies_of(sub { $CLASS->new->add(inheritable => 'kill')->set_current }) },
    qr/\(kill is not permitted, and setpcap is not effective\)\z/, 'inheritable without setpcap');
SKIP: {
    my $unknown = Linux::Prctl::last_cap() + 1;
    skip 'this kernel has all 64 capabilities', 2 if $unknown > 63;
    my ($died, $errno) = in_child {
        (dies_of(sub { $CLASS->get_current->add(permitted => $unknown)->set_current }), $! + 0);
    };
    like($died, qr/: Invalid argument \(this kernel does not know $unknown\)\z/,
        'a capability that this kernel would forget without a word');
    is($errno, EINVAL, 'and $!');
}

SKIP: {
    skip 'this perl has no threads', 4 if !eval { require threads; require Thread::Queue; 1 };
    my ($warning, $died, $quiet, $before, $between, $after) = in_child {
        my $queue  = Thread::Queue->new;
        my $thread = threads->create(sub { $queue->dequeue });
        my $lower  = $CLASS->get_current->clear('effective');
        my ($warning, $quiet) = ('', '');
        my $before = proc_masks();
        my $died   = dies_of(sub { use Linux::Prctl ':fatal'; $lower->set_current });
        my $between = proc_masks();
        {
            local $SIG{__WARN__} = sub { $warning .= $_[0] };
            $lower->set_current;
        }
        {
            local $SIG{__WARN__} = sub { $quiet .= $_[0] };
            no warnings 'Linux::Prctl::threads';
            $lower->set_current;
        }
        my $after = proc_masks();
        $queue->enqueue(1);
        $thread->join;
        return ($warning, $died, $quiet, $before, $between, $after);
    };
    my $others = company() ? '[0-9]+ others' : '1 other';    # an emulator may have one
    like($warning, qr/\Aset_current\(.*\) changes this thread alone: the process has $others, .* at \Q$0\E line/,
        'set_current beside a thread warns');
    like($died, qr/\Aset_current\(.*\) changes this thread alone/, 'or dies under :fatal');
    is_deeply($between, $before, 'before anything changes');
    is($quiet, '', 'or says nothing');
    is($after->{E}, 0, 'and happens');
}

# ---- bad input ----

for my $pid (0, undef, -1, '', 'abc', '12abc', 1.5, 2**31, 2**32, 2**32 + $$, 2**64, 1e300, 'NaN',
    [], {}, "$$\0")
{
    my $shown = $pid // 'undef';
    like(dies_of(sub { $CLASS->get_for_pid($pid) }),
        qr/\Aget_for_pid: pid .* is not a whole number from 1 to 2147483647\z/,
        'get_for_pid: no ' . $shown =~ s/\0/\\0/r);
}
is(dies_of(sub { $CLASS->get_for_pid }), 'Usage: Linux::Prctl::CapState::get_for_pid(class, pid)',
    'get_for_pid of nobody');

for my $cap ('bogus', '', undef, -1, 64, 1e9, 'NaN', 1.5, '007', ' 5', '+5', "kill\0", [], {},
    'effective', 2**32, 2**64)
{
    for my $method (qw(add drop limit has)) {
        my $before = $CLASS->from_text('cap_chown=ep');
        my $after  = $before->copy;
        like(dies_of(sub { $after->$method(effective => 'kill', $cap) }),
            qr/\A$method: Unknown capability: /,
            "$method: no " . ($cap // 'undef') =~ s/\0/\\0/r);
        ok($before == $after, 'and nothing changed');
    }
}
for my $set ('ambient', 'bounding', 'Effective', 'E', '', 0, undef, [], "effective\0", 'chown') {
    for my $method (qw(add drop limit has names clear)) {
        my $before = $CLASS->from_text('cap_chown=ep');
        my $after  = $before->copy;
        like(dies_of(sub { $after->$method($set) }),
            qr/\A$method: set .* is not one of effective, permitted, inheritable\z/,
            "$method: no set " . ($set // 'undef') =~ s/\0/\\0/r);
        ok($before == $after, 'and nothing changed');
    }
}
like(dies_of(sub { $CLASS->new->clear('effective', 'bogus') }), qr/\Aclear: set "bogus"/,
    'clear looks at all of its arguments');
{
    my $tied = $CLASS->from_text('cap_chown,cap_kill=ep');
    like(dies_of(sub { $tied->clear('effective', 'bogus') }), qr/bogus/, 'before it clears');
    ok($tied == $CLASS->from_text('cap_chown,cap_kill=ep'), 'the first');
}
{
    package Overloaded;
    use overload '""' => sub { ${ $_[0] } };
    package Tied;
    sub TIESCALAR { return bless \my $value, shift }
    sub FETCH { return 'kill' }
}
my $kill = 'kill';
tie my $magical, 'Tied';
for my $value ($magical, bless \$kill, 'Overloaded') {
    is($CLASS->new->add(effective => $value)->to_text, 'cap_kill=e', 'a tied or overloaded name');
}

for my $other (undef, 0, '=', 'Linux::Prctl::CapState', [], \1, bless [], 'Linux::Prctl::CapState') {
    my $shown = ref $other || ($other // 'undef');
    like(dies_of(sub { my $x = $empty == $other }),
        qr/\A==: .* is not a Linux::Prctl::CapState\z/, "== $shown");
    like(dies_of(sub { my $x = $empty != $other }),
        qr/\A!=: .* is not a Linux::Prctl::CapState\z/, "!= $shown");
    like(dies_of(sub { Linux::Prctl::CapState::names($other, 'effective') }),
        qr/\Anames: .* is not a Linux::Prctl::CapState\z/, "names of $shown");
}
for my $class (undef, '', 'Linux::Prctl', 'No::Such', $empty, []) {
    my $shown = ref $class || ($class // 'undef');
    like(dies_of(sub { Linux::Prctl::CapState::new($class) }),
        qr/\Anew: .* is not the class Linux::Prctl::CapState\z/, "new of $shown");
}
{
    @Derived::ISA = $CLASS;
    my $derived = Derived->from_text('cap_kill=p');
    is(ref $derived, 'Derived', 'a class of one\'s own');
    is(ref $derived->copy, 'Derived', 'and its copies');
    ok($derived == $CLASS->from_text('cap_kill=p'), 'compares');
}
{
    package Shifty;
    use overload '""' => sub { ${ $_[0][0] } = $_[0][1]; 'chown' }, fallback => 1;
}
for my $junk (undef, 1, 'text', [], {}, \1, sub { }, qr/x/) {
    my $shown = ref $junk || ($junk // 'undef');
    for my $method (qw(add drop limit)) {
        my $state  = $CLASS->from_text('cap_kill=p');
        my $object = $state;
        my $shifty = bless [ \$state, $junk ], 'Shifty';
        like(dies_of(sub { $state->$method(permitted => $shifty) }),
            qr/\A$method: .* is not a $CLASS\z/, "$method: an argument that makes the object $shown");
        is("$object", 'cap_kill=p', 'and the object is as it was');
    }
}
is(dies_of(sub { $empty->set_current(1) }), 'Usage: Linux::Prctl::CapState::set_current(self)',
    'too many arguments');

for my $row (
    [ 'a set'    => sub { $empty->names('bogus') } ],
    [ 'a pid'    => sub { $CLASS->get_for_pid(0) } ],
    [ 'a class'  => sub { Linux::Prctl::CapState::new('No::Such') } ],
    [ 'an object' => sub { Linux::Prctl::CapState::names([], 'effective') } ],
    [ 'another side' => sub { my $x = $empty == 5 } ],
    [ 'an empty object' => sub { (bless \my $none, $CLASS)->to_text } ],
    [ 'a small object' => sub { (bless \(my $x = 'x'), $CLASS)->to_text } ],
) {
    my ($what, $code) = @$row;
    local $! = 77;
    isnt(dies_of($code), 'lived', "$what that is none dies");
    is($! + 0, EINVAL, 'and $! is EINVAL');
}

# Code that makes the text of an argument can take the object from its variable.
{
    package Taker;
    use overload '""' => sub { $_[0][0]->(); 'chown' };
}
for my $method (qw(add drop limit)) {
    my %have = (state => $CLASS->from_text('cap_chown,cap_kill=ep'));
    my $taker = bless [ sub { delete $have{state}; my @again = map { "x$_" } 1 .. 100; return } ], 'Taker';
    my $result = $have{state}->$method(effective => $taker);
    is(ref $result, $CLASS, "$method returns the object that was deleted meanwhile");
    is($result->has(permitted => 'kill') ? 1 : 0, 1, 'which is whole');
}

# ---- nothing is shared, but for what is meant to be ----

SKIP: {
    skip 'this perl has no threads', 2 if !eval { require threads; 1 };
    my $shared = $CLASS->from_text('cap_kill=ep');
    my ($text) = threads->create({ context => 'list' },
        sub { $shared->add(inheritable => 'chown')->to_text })->join;
    is($text, $CLASS->from_text('cap_kill=ep cap_chown+i')->to_text, 'a thread has a copy');
    is("$shared", 'cap_kill=ep', 'of its own');
}
SKIP: {
    skip 'this perl has no threads', 12 if !eval { require threads; require threads::shared; 1 };
    for my $class ($CLASS, 'Linux::Prctl::FileCaps') {
        require Linux::Prctl::FileCaps;
        my $shared = threads::shared::shared_clone($class->from_text('cap_kill=p'));
        my ($seen) = threads->create({ context => 'list' }, sub {
            my $seen = "$shared";
            $shared->add(inheritable => 'chown')->drop(permitted => 'kill')->limit(inheritable => 0, 1);
            return $seen;
        })->join;
        is($seen, 'cap_kill=p', "a shared $class: what it holds is seen in a thread");
        is("$shared", 'cap_chown=i', 'and what that makes of it');
        is(threads->create(sub { $shared->clear; 1 })->join, 1, 'cleared in a thread');
        ok($shared == $class->new, 'is cleared');
        is_deeply([ scalar $shared->names('inheritable'), $shared->has(inheritable => 'chown') ? 1 : 0, $shared->copy . '' ],
            [ 0, 0, '=' ], 'for all methods');
        $shared->add(permitted => 'kill');
        is(threads->create(sub { "$shared" })->join, 'cap_kill=p', 'and the other way');
    }
}
{
    local $! = 7;
    my $text = $CLASS->get_current->copy->add(effective => 'kill')->to_text;
    $CLASS->from_text($text);
    is($! + 0, 7, 'success leaves $! alone');
}

done_testing;
