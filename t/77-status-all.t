# Status->all: what is told of all processes at once, beside /proc and beside what is told
# of each alone.
use 5.014;
use warnings;

use lib 't/lib';

use Errno qw(EINVAL EIO EPERM ESRCH);
use Linux::Prctl qw(:all);
use Linux::Prctl::Status;
use POSIX ();
use PrivsTest qw(run in_namespaces waiting);
use Seccomp qw(filter no_seccomp no_filter no_listener supervised);
use Shapes qw(user_namespace);
use SystemCalls qw(sys);
use Test::More;
use TestChild qw(in_child proc_status);

my $CLASS = 'Linux::Prctl::Status';
my @own   = cap_permitted->names;
my $name  = 'a ' . substr $$, -6;

sub of_pid {
    my ($pid, @processes) = @_;
    my ($one) = grep { (ref $_ eq 'HASH' ? $_->{pid} : $_->pid) == $pid } @processes;
    return $one;
}

sub dies_of {
    my ($code) = @_;
    return eval { $code->(); 1 } ? 'lived' : $@ =~ s/ at .*\n\z//sr;
}

# ---- the same as of each ----

my @facts = qw(pid tid ppid name uid gid groups caps threads tracer no_new_privs seccomp seccomp_filters user_ns
    privileged summary);
my $other = waiting(sub { set_name("$name \\\n"); set_no_new_privs(1); cap_effective->clear });
{
    my $one   = $CLASS->of($other->{pid});
    my $hash  = of_pid($other->{pid}, $CLASS->all(facts => \@facts));
    my %truth = map { $_ => $_ eq 'threads' ? $one->as_hash->{threads} : $one->$_ } @facts;
    is_deeply($hash, \%truth, 'all facts of one');
    my %proc = proc_status("/proc/$other->{pid}/status");
    is("@{ $hash->{uid} }{qw(real effective saved fs)}", join(' ', split ' ', $proc{Uid}), 'its uids are those of /proc');
    is($hash->{name}, "$name \\\n", 'its name, byte by byte');
    my ($object, $alone) = map { $_->as_hash } of_pid($other->{pid}, $CLASS->all), $one;
    delete $_->{state} for $object, $alone;    # it may just be falling asleep
    is_deeply($object, $alone, 'an object that says the same');
    is_deeply(of_pid($$, $CLASS->all)->securebits, $CLASS->current->securebits, 'the own one knows more');
    my $listed = sub { opendir my $proc, '/proc' or die "/proc: $!\n"; return grep {/\A[0-9]+\z/} readdir $proc };
    my $readable = sub { open my $in, '<', "/proc/$_[0]/status" or return; return scalar <$in> };
    my @before   = grep { $readable->($_) } $listed->();
    my @pids     = map { $_->{pid} } $CLASS->all(facts => ['pid']);
    is_deeply(\@pids, [ sort { $a <=> $b } @pids ], 'by number');
    my %seen = map { $_ => 1 } @pids;
    is_deeply([ grep { !$seen{$_} && $readable->($_) } @before ], [], 'none is missing that is there before and after');
    is_deeply($CLASS->all(facts => []) && { %{ ($CLASS->all(facts => []))[0] } }, {}, 'no facts');
}

# ---- which ----

my $nothing = waiting(sub {
    cap_inheritable->clear;
    POSIX::setuid(65534) if !$>;
    cap_permitted->clear;
});
my $is_root = (proc_status("/proc/$nothing->{pid}/status"))[0] && { proc_status("/proc/$nothing->{pid}/status") }->{Uid} =~ /\b0\b/;
my @privileged = $CLASS->all(privileged => 1, facts => [qw(pid summary)]);
is(!!of_pid($nothing->{pid}, @privileged), !!$is_root, 'privileged: none that has nothing');
SKIP: {
    skip 'this process has no capability', 6 if !@own;
    ok(of_pid($other->{pid}, @privileged), 'privileged: one that has some');
    ok(of_pid($other->{pid}, $CLASS->all(with => $own[0])), 'with: one that has it permitted, and not effective');
    my $inherits = waiting(sub {
        cap_inheritable->replace($own[0]);
        POSIX::setuid(65534) if !$>;
        cap_permitted->clear;
    });
    ok(of_pid($inherits->{pid}, $CLASS->all(privileged => 1)), 'privileged: one that could inherit some');
    my $one = waiting(sub { cap_permitted->limit($own[0]) });
    ok(of_pid($one->{pid}, $CLASS->all(with => "CAP_\U$own[0]")), 'with: one that has it');
    ok(!of_pid($nothing->{pid}, $CLASS->all(with => $own[0])), 'with: not one that has not');
    ok(@own < 2 || !of_pid($one->{pid}, $CLASS->all(with => $own[1])), 'with: nor one that has another');
}
is_deeply([ grep { my $exe = readlink "/proc/$_->{pid}/exe"; !defined $exe && $_->{pid} == 2 } @privileged ], [],
    'privileged: no thread of the kernel') if !$>;

# Uid 0 in one slot, with no capability, in a process whose directory is not root's: it has
# all after the next exec.
SKIP: {
    skip 'only root can hide so', 2 if $> || !cap_effective->has('setuid') || in_child { !POSIX::setuid(65534) };
    for my $slot (0, 2) {
        my @uids   = map { $_ == $slot ? 0 : 65534 } 0 .. 2;
        my $hidden = waiting(sub {
            cap_inheritable->clear;
            sys(setresuid => @uids);
            cap_permitted->clear;
            set_dumpable(1);
        });
        my ($owner) = (stat "/proc/$hidden->{pid}")[4];
        my $found = of_pid($hidden->{pid}, $CLASS->all(privileged => 1, facts => [qw(pid summary)]));
        is($found && "$owner $found->{summary}", '65534 none; one of its uids is 0', "privileged: uid 0 in slot $slot");
    }
}

# The numbers of /proc may be those of a pid namespace around ours, and say nothing to the
# system calls.
SKIP: {
    my @pid_ns = ([qw(--pid --fork)], 'true');
    skip 'only root, in pid namespaces', 1 if $> || !@own || (in_namespaces(@pid_ns, 'true'))[2];
    my $script = <<'END';
        use Linux::Prctl qw(:all); use Linux::Prctl::Status; use POSIX ();
        my $pid = shift;
        open my $last, '>', '/proc/sys/kernel/ns_last_pid' or print('no ns_last_pid'), exit;
        syswrite $last, $pid - 1;
        pipe my $given_up, my $say or die;
        my $same = fork // die;
        if (!$same) { cap_inheritable->clear; POSIX::setuid(65534); syswrite $say, 'x'; sleep 100; exit }
        sysread $given_up, my $byte, 1;
        my @found = grep { $_->{pid} == $pid } Linux::Prctl::Status->all(privileged => 1, facts => ['pid']);
        print $same == $pid ? scalar @found : 'another number';
        kill KILL => $same;
END
    my ($out) = in_namespaces(@pid_ns, $^X, (map {"-I$_"} grep { !ref } @INC), '-e', $script, $other->{pid});
    skip "no process with that number: $out", 1 if $out !~ /\A[01]\z/;
    is($out, 1, 'privileged: in another pid namespace than /proc');
}

# ---- in one line ----

my $all = $CLASS->current->summary =~ s/;.*//r;
is($all, caps_text(@own), 'summary: what is permitted');
sub summary_of { my ($become) = @_; my $child = waiting($become); return $CLASS->of($child->{pid})->summary }

SKIP: {
    skip 'this process has no three capabilities', 5 if @own < 3;
    my ($first, $second, $third) = @own;
    my $bare = sub { cap_inheritable->clear; cap_permitted->limit($first, $second) };
    is(summary_of($bare), "$first, $second", 'summary: two');
    is(summary_of(sub { $bare->(); cap_effective->drop($first) }), "$first, $second; effective: $second",
        'summary: what is effective, where it is something else');
    is(summary_of(sub { $bare->(); cap_inheritable->add($first) }), "$first, $second; inheritable: $first",
        'summary: what is inheritable');
    is(summary_of(sub { $bare->(); cap_inheritable->add($first, $second); cap_ambient->add($first, $second) }),
        "$first, $second; inheritable too; ambient too", 'summary: and ambient');
    skip no_seccomp(), 1 if no_seccomp();
    is(summary_of(sub { $bare->(); set_no_new_privs(1); set_seccomp(SECCOMP_MODE_FILTER, pack 'SCCL', 6, 0, 0, 0x7fff0000) }),
        "$first, $second; no new privileges; seccomp filter", 'summary: what else decides');
}
SKIP: {
    skip 'no user namespace can be had', 2 if !eval { in_child { sys(unshare => 0x10000000); 1 } };
    my $apart = waiting(sub { sys(unshare => 0x10000000) });
    my $status = $CLASS->of($apart->{pid});
    skip 'its namespace is not told', 2 if !defined $status->user_ns || ($status->user_ns->{ours} // 1);
    like($status->summary, qr/\Aall; in another user namespace\b/, 'summary: of another user namespace');
    is(of_pid($apart->{pid}, $CLASS->all(privileged => 1, facts => [qw(pid summary)]))->{summary}, $status->summary,
        'and in the list');
}

# A user may not ask for another's; the ids in it tell.
SKIP: {
    skip 'only root can be two users', 2 if $> || in_child { !POSIX::setuid(65534) };
    skip 'no user namespace can be had', 2 if !eval { in_child { user_namespace(); 1 } };
    my $apart = waiting(\&user_namespace);
    my @said  = in_child {
        POSIX::setuid(65534);
        my $link = readlink "/proc/$apart->{pid}/ns/user";
        my ($listed) = of_pid($apart->{pid}, $CLASS->all(facts => [qw(pid user_ns summary)]));
        (defined $link, $CLASS->of($apart->{pid})->user_ns, @$listed{qw(user_ns summary)});
    };
    skip "another's user namespace is told here", 2 if $said[0];
    is_deeply([ @said[ 1, 2 ] ], [ ({ ours => 0 }) x 2 ], 'a user namespace that is not told, with other ids in it, is not ours');
    like($said[3], qr/; in another user namespace\b/, 'and the summary says so');
}

# ---- those that end, and those that are hidden ----

{
    my $spawn = fork // die "fork: $!\n";
    if (!$spawn) {
        $SIG{TERM} = sub { POSIX::_exit(0) };
        while (1) { my $pid = fork // next; POSIX::_exit(0) if !$pid; waitpid $pid, 0 }
    }
    my @unread;
    for (1 .. 30) {
        my @list = ($CLASS->all(unread => sub { push @unread, @_ }),
            $CLASS->all(unread => sub { push @unread, @_ }, facts => \@facts, privileged => 1));
        push @unread, grep { !defined $_->{pid} } grep { ref $_ eq 'HASH' } @list;
    }
    kill TERM => $spawn;
    waitpid $spawn, 0;
    # Where others' processes are hidden, they are all the time.
    is_deeply([ grep { !-e "/proc/$_" } @unread ], [], 'one that ends meanwhile is not there');
}
SKIP: {
    my $mount = 'mount -t proc -o hidepid=1 proc /proc';
    my @alone = ([qw(--mount --pid --fork)], $mount);
    skip 'root, and a /proc with hidepid=1', 1 if $> || (in_namespaces(@alone, 'true'))[2];
    my $script = 'print join " ", map { "$_->[0] " . ($_->[1] == 1 || $_->[1] == 13 ? "hidden" : $_->[1]) } do { my @u;'
        . ' Linux::Prctl::Status->all(facts => ["pid"], unread => sub { push @u, [ @_, $! + 0 ] }); @u }';
    my @nobody = qw(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps -all);
    skip 'uid 65534, and a /proc with hidepid=1', 1 if (in_namespaces(@alone, @nobody, 'true'))[2];
    my ($out, $err) = in_namespaces(@alone, @nobody, $^X, (map {"-I$_"} grep { !ref } @INC), '-MLinux::Prctl::Status', '-e', $script);
    skip "this user cannot read the module: $err", 1 if $err =~ /Can't locate|Permission denied/;
    is($out, '1 hidden', 'unread: one that is hidden, and why');
}

# What a kernel may answer that the tests do not run on: by the numbers of x86_64.
my ($read, $getdents64) = (0, 217);
SKIP: {
    skip no_filter(), 6 if length no_filter();
    my $with = sub {
        my @rules = @_;
        return in_child {
            my @unread;
            filter(@rules);
            my $lived = eval { $CLASS->all(facts => ['pid'], unread => sub { push @unread, "$_[0] " . ($! + 0) }); 1 };
            return ($lived ? 'lived' : $@, @unread);
        };
    };
    my ($how, @unread) = $with->([ $read => ESRCH, undef, undef, 65536 ]);
    is($how, 'lived', 'they end while they are read: a list');
    is_deeply(\@unread, [], 'and none is unread');
    ($how, @unread) = $with->([ $read => EIO, undef, undef, 65536 ]);
    is($how, 'lived', 'they cannot be read: a list');
    ok((grep { $_ eq "$$ " . EIO } @unread), 'and this one is unread, with the reason');
    like($with->([ $getdents64 => EPERM ]), qr/\Aall: Operation not permitted at /, '/proc cannot be listed: dies, and says why');
    skip no_listener(), 1 if length no_listener();
    my $calls = 0;
    my (undef, $said) = supervised([$getdents64], sub { $calls++ ? { errno => EIO } : undef },
        sub { eval { $CLASS->all(facts => ['pid']); 1 } ? 'lived' : $@ });
    my $error = do { local $! = EIO; "$!" };
    like($said, qr/\Aall: \Q$error\E at /, 'it cannot be listed to its end: dies');
}

# ---- bad input ----

for my $case (
    [ [ facts => 'pid' ],         'all: facts is not a list of names' ],
    [ [ facts => ['bogus'] ],     'all: there is no fact "bogus" for a list' ],
    [ [ facts => ['permitted'] ], 'all: there is no fact "permitted" for a list' ],
    [ [ facts => ['exe'] ],       'all: there is no fact "exe" for a list' ],
    [ [ facts => [undef] ],       'all: there is no fact undef for a list' ],
    [ [ facts => [ [] ] ],        qr/\Aall: there is no fact "ARRAY/ ],
    [ [ with => 'bogus' ],        'all: "bogus" is not a capability' ],
    [ [ with => 64 ],             'all: "64" is not a capability' ],
    [ [ unread => 1 ],            'all: unread is not code' ],
    [ [ bogus => 1 ],             'all: unknown option "bogus"' ],
    [ ['facts'],                  "Usage: $CLASS->all(...)" ],
) {
    my ($which, $message) = @$case;
    my $got = dies_of(sub { $CLASS->all(@$which) });
    ref $message ? like($got, $message, 'a reference') : is($got, $message, $message);
}
like(dies_of(sub { $CLASS->current->all }), qr/\Aall: .*class/, 'all is for the class');
{
    local $! = EINVAL;
    my @list = $CLASS->all(facts => \@facts);
    is($! + 0, EINVAL, 'success leaves $! alone');
}
is(dies_of(sub { $CLASS->all(unread => sub { die "mine\n" }, facts => ['pid']) }) =~ /\A(?:lived|mine)/ ? 1 : 0, 1,
    'code that dies ends it');

done_testing;
