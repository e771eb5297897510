# No state of the module crosses fork, except what the kernel itself hands down.
use 5.014;
use warnings;

use lib 't/lib';
use POSIX ();
use Test::More;

use Linux::Prctl qw(:hashes :sets :functions last_cap);
use Masks qw(bit);
use Seccomp qw(no_listener supervised prctl_answers fewer_program fewer_capabilities);
use Shapes qw(privileged no_privilege);
use SystemCalls qw(raw_prctl raw_capset last_capability);
use TestChild qw(in_child proc_caps);

# ---- who may trace ----

is(get_ptracer(), getppid, 'get_ptracer: the parent, where nothing was set');
my $filter = eval { in_child { prctl_answers(0, 0x59616d61); 1 } };
SKIP: {
    skip "no seccomp to pretend Yama with: $@", 4 if !$filter;
    my @seen = in_child {
        prctl_answers(0, 0x59616d61);
        my @seen = (set_ptracer(4711), get_ptracer());
        push @seen, in_child { (get_ptracer() == getppid() ? 'parent' : 'other') };
        push @seen, in_child { set_ptracer(4712); get_ptracer() };
        push @seen, get_ptracer();
        return @seen;
    };
    is_deeply(\@seen, [ 0, 4711, 'parent', 4712, 4711 ], 'a child starts afresh, and leaves its parent alone');
    is_deeply([ in_child { prctl_answers(0, 0x59616d61); set_ptracer(-1); get_ptracer() } ], [-1], 'SET_PTRACER_ANY');
    is_deeply([ in_child { prctl_answers(0, 0x59616d61); set_ptracer(4711); in_child { in_child { get_ptracer() == getppid() ? 1 : 0 } } } ], [1], 'nor does a grandchild know');
    my @failed = in_child { prctl_answers(22, 0x59616d61); (set_ptracer(4711), get_ptracer() == getppid() ? 1 : 0) };
    is_deeply(\@failed, [ -1, 1 ], 'what failed is not remembered');
}

# ---- which capabilities there are ----

my $last = last_capability();
SKIP: {
    skip 'this kernel has too few capabilities to hide some', 2 if $last < 36;
    my @seen = eval {
        in_child {
            my @seen = scalar(keys %cap_effective);
            push @seen, in_child { fewer_capabilities(35); (scalar(keys %cap_effective), last_cap()) };
            push @seen, scalar(keys %cap_effective);
            return @seen;
        };
    };
    skip "no seccomp to hide capabilities with: $@", 2 if !@seen;
    is_deeply(\@seen, [ $last + 1, 36, 35, $last + 1 ], 'a child behind a filter sees what the filter lets it see');
    @seen = in_child {
        my $all = scalar(keys %cap_effective);
        Linux::Prctl::set_no_new_privs();
        Linux::Prctl::set_seccomp(2, fewer_program(35));
        ($all, scalar(keys %cap_effective));
    };
    is_deeply(\@seen, [ $last + 1, 36 ], 'and so does a process that has set its own');
}

# ---- sets ----

SKIP: {
    skip no_privilege(), 2 if no_privilege();
    my @seen = privileged {
        my $element = \$cap_effective{kill};
        my $object  = cap_effective;
        my @seen = $$element;
        my $in_child = in_child { $object->drop('kill'); my $value = $cap_effective{kill}; my %now = proc_caps(); "$value" . ($now{E} & bit(5)) };
        my %now = proc_caps();
        return (@seen, $in_child, $now{E} >> 5 & 1, $cap_effective{kill});
    };
    is_deeply(\@seen, [ 1, '00', 1, 1 ], 'objects work in a child, and change the child');
    my ($said) = privileged {
        raw_capset(0, 0, 0);
        in_child { my $said = ''; local $SIG{__WARN__} = sub { $said .= $_[0] }; $cap_effective{kill} = 1; $said };
    };
    like($said, qr/\Acap_effective\{kill\}: .*kill is not permitted/, 'a child hears of refusals, and of no threads');
}

# A handler that runs at once and dies: it comes when the tracer has been noted, not amid, where
# it would leave a lock behind, and fork(2) would wait for it with all signals blocked.
SKIP: {
    my $why = no_listener();
    skip "a signal amid set_ptracer: $why", 1 if $why;
    my %sent;    # perl 5.14 asks for its number after a fork, too
    my (undef, @said) = supervised([39], sub { kill USR1 => $_[0]{pid} if !$sent{ $_[0]{pid} }++; return }, sub {
        my $watch = fork // die "fork: $!\n";
        if (!$watch) {
            sleep 60;
            kill KILL => getppid;
            POSIX::_exit(0);
        }
        POSIX::sigaction(POSIX::SIGUSR1(), POSIX::SigAction->new(sub { die "handler\n" }));
        prctl_answers(0, 0x59616d61);
        eval { set_ptracer(4711) };
        my $died = $@;
        $SIG{USR1} = 'IGNORE';
        my $pid = fork // die "fork: $!\n";
        POSIX::_exit(0) if !$pid;
        waitpid $pid, 0;
        my $status = $?;
        kill KILL => $watch;
        waitpid $watch, 0;
        return ($died, $status);
    });
    is("@said", "handler\n 0", 'a handler that dies leaves set_ptracer no lock: fork goes on');
}

done_testing;
