# Answers that a kernel gives seldom, or that a filter gives for it: nothing is taken for
# what it is not, and nothing is half done.
use 5.014;
use warnings;

use lib 't/lib';
use Errno qw(EINVAL EIO ENODEV EPERM);
use Scalar::Util qw(refaddr);
use Test::More;

use Linux::Prctl qw(:functions :extra :hashes :sets :constants setpriv);
use Pinned qw(functions);
use Seccomp qw(filter no_filter no_listener peek supervised);
use Shapes qw(in_shape no_privilege privileged shape);
use TestChild qw(in_child proc_caps);

my $blind = no_filter();
my $deaf  = no_listener();

sub dies_of { my ($code) = @_; return eval { $code->(); 1 } ? 'lived' : $@ }

# ---- programs for seccomp ----

SKIP: {
    skip $deaf, 3 if length $deaf;
    my $program = "\6\0\0\0\0\0\xff\x7f" x 300;    # each lets the call through
    my ($calls, $answer) = supervised(
        ['prctl'],
        sub {
            my ($call) = @_;
            ($call->{length}, my $address) = unpack 'S x![Q] Q', peek($call, $call->{args}[2], 16);
            $call->{program} = peek($call, $address, 8 * $call->{length});
            return 0;
        },
        sub { set_seccomp(SECCOMP_MODE_FILTER, $program) }
    );
    is($answer, 0, 'a program of 300 instructions');
    is($calls->[0]{length}, 300, '... has 300 for the kernel');
    ok($calls->[0]{program} eq $program, '... and they are those');
}

# ---- ambient: all of them, or none ----

SKIP: {
    skip $blind, 3 if length $blind;
    skip no_privilege(), 3 if no_privilege();
    for my $method (qw(add replace)) {
        my ($said, $errno, %now) = privileged {
            cap_inheritable->replace(qw(chown kill));
            cap_ambient->clear;
            filter([ prctl => EPERM, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL ]);
            my $said = dies_of(sub { cap_ambient->$method(qw(chown kill)) });
            ($said, $! + 0, proc_caps());
        };
        like($said, qr/\Acap_ambient->$method\("chown", "kill"\): Operation not permitted/,
            "cap_ambient->$method where the second is refused");
        is($errno, EPERM, '... with the errno of that');
        is($now{A}, 0, '... leaves the first lowered');
    }
}

# ---- the bounding set ----

SKIP: {
    skip $blind, 2 if length $blind;
    my ($said, $errno) = in_child {
        filter([ prctl => EINVAL, PR_CAPBSET_READ, CAP_KILL ]);
        (dies_of(sub { my @names = capbset->names }), $! + 0);
    };
    like($said, qr/\Acapbset->names: Invalid argument/,
        'EINVAL for a capability that every kernel has is no end of the list');
    is($errno, EINVAL, '... and says so');
}
SKIP: {
    my $last = last_cap();
    skip 'this kernel has all capabilities that can be', 2 if $last == 63;
    skip no_privilege(), 2 if no_privilege();
    my ($said, $errno) = privileged {
        use Linux::Prctl ':fatal';
        (dies_of(sub { capbset_drop(63) }), $! + 0);
    };
    like($said, qr/\Acapbset_drop\(63\): Invalid argument \(this kernel does not know 63\) at /,
        'capbset_drop of what the kernel does not know says so under :fatal');
    is($errno, EINVAL, '... with EINVAL');
}

# That nobody answers is neither yes nor no.
SKIP: {
    skip $blind, 2 if length $blind;
    my @said = in_child {
        filter([ prctl => EPERM, PR_CAPBSET_READ, CAP_KILL ], [ prctl => EPERM, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL ]);
        map { my $set = $_; dies_of(sub { $set->has('kill') }) } capbset, cap_ambient;
    };
    like($said[0], qr/\Acapbset->has: Operation not permitted at /, 'has() dies where the bounding set cannot be read');
    like($said[1], qr/\Acap_ambient->has: Operation not permitted at /, '... and where the ambient set cannot');
}

# ---- a kernel without an ambient set ----

SKIP: {
    skip $blind, 1 if length $blind;
    my $said = in_child {
        filter([ prctl => EINVAL, PR_CAP_AMBIENT ]);
        dies_of(sub { setpriv(no_new_privs => 1) });
    };
    is($said, 'lived', 'setpriv where there is no ambient set');
}

# ---- fs ids ----

shape user_namespace => sub {
    my @got = in_shape user_namespace => sub {
        map { my $set = $_; map { $! = 0; ($set->($_), $! + 0) } 4711, 0 } \&setfsuid, \&setfsgid;
    };
    is_deeply(\@got, [ (-1, EINVAL, 0, 0) x 2 ], 'user namespace: EINVAL for an fs id that is not mapped');
};

# ---- a slack that looks like an error, and a file that cannot be read to its end ----

SKIP: {
    skip $deaf, 2 if length $deaf;
    skip '/proc does not tell the timer slack', 2 if !-r "/proc/$$/timerslack_ns";
    skip 'a real-time thread has no timer slack', 2 if !get_timerslack();
    my $ask = sub {
        my ($broken) = @_;
        my ($asked, $reads) = (0, 0);
        my (undef, @got) = supervised(
            [ 'prctl', 0 ],    # 0 is read(2)
            sub {
                my ($call) = @_;
                $asked ||= $call->{syscall} eq 'prctl' && $call->{args}[0] == PR_GET_TIMERSLACK;
                $reads++ if $asked && $call->{syscall} ne 'prctl';
                return $reads == 2 && $broken ? { errno => EIO } : undef;
            },
            sub { set_timerslack(-2); $! = 0; get_timerslack() }
        );
        return @got;
    };
    is_deeply([ $ask->(0) ], [ ~0 - 1 ], 'a slack of 2**64 - 2, which /proc confirms');
    is_deeply([ $ask->(1) ], [undef], 'an error of the file is not its end');
}

# ---- supported() ----

SKIP: {
    skip $blind, 2 if length $blind;
    is(in_child { filter([ prctl => ENODEV, PR_GET_TSC ]); defined supported('set_tsc') && !supported('set_tsc') ? 'no' : 'other' },
        'no', 'ENODEV: this processor has it not');
    is(in_child { filter([ prctl => 0, PR_FUTEX_HASH, FUTEX_HASH_GET_SLOTS ]); supported('futex_hash_set_slots') },
        undef, 'no slots: a kernel with private hashes may say so, and one without');
}
SKIP: {
    skip $deaf, 1 if length $deaf;
    my %option = map { ($_->{name} => $_->{call}[0]) } functions();
    my @pairs = grep { exists $option{ $_->[1] } && defined $option{ $_->[1] } }
        map { my $getter = s/set/get/r; $getter eq $_ ? () : [ $_, $getter ] } sort keys %option;
    cmp_ok(scalar @pairs, '>', 15, 'functions that set and others that get');
    for my $pair (@pairs) {
        my ($setter, $getter) = @$pair;
        my ($asked) = supervised(['prctl'], sub { { errno => EINVAL } }, sub { supported($setter); 1 });
        next if !@$asked && $setter eq 'set_ptracer';
        my $wanted = $option{$getter} =~ /\A0/ ? oct $option{$getter} : $option{$getter};
        is_deeply([ map { $_->{args}[0] } @$asked ], [$wanted], "supported('$setter') asks as $getter does");
    }
}

done_testing;
