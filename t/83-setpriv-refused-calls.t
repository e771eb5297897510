use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Errno qw(EINVAL ENOSYS EPERM);
use Linux::Prctl qw(setpriv :constants);
use Linux::Prctl::Setpriv;    # behind some filters nothing can be loaded
use POSIX ();
use Seccomp qw(filter no_filter);
use SetprivTest qw(truth in_truth told_apart held is_root raw_groups raw_caps);
use Storable qw(freeze thaw);
use TestChild qw(proc_status);

# A filter refuses one system call, or pretends that it worked. Then setpriv dies,
# and the process holds nothing any more; or it lives, and is what was planned. What
# is true is read from outside, while the child waits.

plan skip_all => no_filter() if length no_filter();

my ($parent) = ($$);

# How each starts, and the plan.
my %plans = (
    'leaves root' => {
        start => sub {
            raw_groups(0, 20);
            Linux::Prctl::set_pdeathsig('USR1');
            Linux::Prctl::set_keepcaps(1);
        },
        plan => [
            reuid => 1001, regid => 1001, groups => [1001], ambient_caps => ['net_bind_service'],
            bounding_set => ['net_bind_service'], securebits => ['noroot'], no_new_privs => 1,
            pdeathsig => 'TERM',
        ],
        root => 1,
    },
    'leaves root, keeping what is inheritable' => {
        start => sub { raw_caps([ 6, 7, 8, 10, 21 ], [ 6, 7, 8, 10, 21 ], [10]) },
        plan  => [
            reuid => 1001, regid => 1001, clear_groups => 1, ambient_caps => ['net_bind_service'],
        ],
        root => 1,
    },
    'leaves root with nothing' => {
        start => sub { raw_groups(20) },
        plan  => [ reuid => 1001, regid => 1001, clear_groups => 1, securebits => ['noroot'] ],
        root  => 1,
    },
    'raises what is permitted' => {
        start => sub { raw_caps([21], [ 6, 7, 8, 10, 21 ], []) },
        plan  => [ reuid => 1001, regid => 1001, groups => [ 20, 30 ], caps => ['net_bind_service'] ],
        root  => 1,
    },
    'keeps its ids' => {
        start => sub { Shapes::ambient_raise(0, 10) },
        plan  => [ ambient_caps => ['chown'], no_new_privs => 1, pdeathsig => 'USR1' ],
    },
);

# What is filtered, which step needs it, and how that is told.
my @calls = (
    [ 'setgroups',           'setgroups',         'setgroups' ],
    [ 'setresgid',           'setresgid',         'setresgid' ],
    [ 'capset',              'capset',            'capset' ],
    [ 'setresuid',           'setresuid',         'setresuid' ],
    [ 'PR_CAPBSET_DROP',     'capbset_drop',      prctl => PR_CAPBSET_DROP ],
    [ 'PR_SET_KEEPCAPS 1',   'set_keepcaps',      prctl => PR_SET_KEEPCAPS, 1 ],
    [ 'PR_SET_KEEPCAPS 0',   'set_keepcaps',      prctl => PR_SET_KEEPCAPS, 0 ],
    [ 'PR_SET_SECUREBITS',   'set_securebits',    prctl => PR_SET_SECUREBITS ],
    [ 'PR_CAP_AMBIENT_RAISE', 'cap_ambient_raise', prctl => PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE ],
    [ 'PR_CAP_AMBIENT_LOWER', 'cap_ambient_lower', prctl => PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER ],
    [ 'PR_SET_NO_NEW_PRIVS', 'set_no_new_privs',  prctl => PR_SET_NO_NEW_PRIVS ],
    [ 'PR_SET_PDEATHSIG',    'set_pdeathsig',     prctl => PR_SET_PDEATHSIG ],
    # the questions: no step of the plan
    [ 'PR_CAP_AMBIENT_IS_SET', '', prctl => PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET ],
    [ 'PR_CAP_AMBIENT_CLEAR_ALL', '', prctl => PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL ],
    [ 'PR_CAPBSET_READ',     '', prctl => PR_CAPBSET_READ ],
    [ 'PR_GET_SECUREBITS',   '', prctl => PR_GET_SECUREBITS ],
    [ 'PR_GET_NO_NEW_PRIVS', '', prctl => PR_GET_NO_NEW_PRIVS ],
    [ 'PR_GET_PDEATHSIG',    '', prctl => PR_GET_PDEATHSIG ],
    [ 'PR_GET_SECCOMP',      '', prctl => PR_GET_SECCOMP ],
    [ 'rt_sigprocmask', '', 14 ], # where no name is looked up: nss-systemd would abort
    [ 'read',      '', 0 ],   [ 'lseek',     '', 8 ],
    [ 'getgroups',      '', 115 ], [ 'getresuid', '', 118 ], [ 'getresgid', '', 120 ],
    [ 'setfsuid',       '', 122 ], [ 'setfsgid',  '', 123 ], [ 'capget',    '', 125 ],
    [ 'openat',         '', 257 ], [ 'unshare',   '', 272 ], [ 'getppid',   '', 110 ],
);

# Runs a plan behind a filter and waits; what it said, and what it is.
sub run_behind {
    my ($plan, @rule) = @_;
    pipe my $from, my $to or die "pipe: $!\n";
    binmode $_ for $from, $to;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        my %said;
        eval {
            $plan->{start}->();
            %said = (before => truth(), plan => setpriv(@{ $plan->{plan} }, dry_run => 1));
            filter(\@rule) if @rule;
            $said{filtered} = 1;
            $said{lived} = setpriv(@{ $plan->{plan} });
            $said{keepcaps} = Linux::Prctl::get_keepcaps();
        };
        $said{died} = "$@";
        syswrite $to, freeze(\%said);
        close $to;
        sleep 60;
        POSIX::_exit(0);
    }
    close $to;
    my $frozen = do { local $/; <$from> };
    die "the child behind a filter for @rule said nothing\n" if !length $frozen;
    my $said = thaw($frozen);
    $said->{after} = truth(proc_status("/proc/$pid/status"));
    kill KILL => $pid;
    waitpid $pid, 0;
    return $said;
}

# What is left of privilege after a failure, as seen from outside.
sub privilege {
    my ($truth, $before) = @_;
    my @left = grep { $truth->{$_} =~ /[^0]/ } qw(effective permitted inheritable ambient);
    my $setpcap = hex(substr $before->{permitted}, -3) & 0x100;    # without it, nothing cuts the bounding set
    push @left, 'an exec that gives it back'
        if $setpcap && !$truth->{no_new_privs} && $truth->{bounding} =~ /[^0]/ && grep { $_ == 0 } @{ $truth->{uid} };
    return "@left";
}

my %answers = (EPERM => EPERM, EINVAL => EINVAL, ENOSYS => ENOSYS, 'a pretended success' => 0);
my ($lived, $died) = (0, 0);
for my $name (sort keys %plans) {
    my $plan = $plans{$name};
    SKIP: {
        skip "filtered prctl: $name: needs root with setuid, setgid and setpcap", 1 if $plan->{root} && !is_root();
        skip "filtered prctl: $name: needs capabilities", 1 if truth()->{permitted} =~ /\A0+\z/;
        my $plain = run_behind($plan);
        is($plain->{died}, '', "filtered prctl: $name: goes through without a filter") or next;
        my $expected = in_truth($plain->{plan}{expected});
        is(told_apart($plain->{after}, $expected), '', "filtered prctl: $name: ... to what was planned");
        my %needs = map { $_->{call} => $_->{step} } @{ $plain->{plan}{steps} };
        $needs{'PR_SET_KEEPCAPS 1'} = grep { $_->{call} eq 'set_keepcaps' && $_->{value} }
            @{ $plain->{plan}{steps} };
        $needs{'PR_SET_KEEPCAPS 0'} = grep { $_->{call} eq 'set_keepcaps' && !$_->{value} }
            @{ $plain->{plan}{steps} };
        for my $case (@calls) {
            my ($call, $step, @rule) = @$case;
            next if $call eq 'rt_sigprocmask' && $plan->{root};
            my $needed = $needs{$call} // $needs{$step};
            for my $answer (sort keys %answers) {
                my $title = "filtered prctl: $name: $answer from $call";
                my $said  = run_behind($plan, $rule[0], $answers{$answer}, @rule[ 1 .. $#rule ]);
                if (!$said->{filtered}) {
                    fail($title);
                    diag($said->{died});
                    next;
                }
                if ($said->{lived}) {
                    $lived++;
                    # keepcaps that only seemed to go off goes with the securebits
                    ok(!$needed || $call eq 'PR_SET_KEEPCAPS 0', "$title: needed, so it dies")
                        or diag(explain($said->{after}));
                    is($said->{keepcaps}, 0, "$title: keepcaps is off")
                        if $call !~ /SECUREBITS/ || $answer =~ /pretended/;
                    is(told_apart($said->{after}, $expected), '', "$title: it is what was planned");
                    next;
                }
                $died++;
                if ($said->{died} !~ /must not go on/) {
                    ok(!$needed, "$title: foreseen, or it dies of the step") or diag($said->{died});
                    # a filter that could only be had with no_new_privs has set that
                    is(told_apart($said->{after}, { %{ $said->{before} },
                                no_new_privs => $said->{after}{no_new_privs} }),
                        '', "$title: it dies before anything changes") or diag($said->{died});
                    next;
                }
                like($said->{died}, qr/\Asetpriv: step \d+, .* line \d+\.\n\z/s, "$title: it names the step");
                my $back = !$said->{after}{no_new_privs} && $said->{after}{bounding} =~ /[^0]/
                    && grep { $_ == 0 } @{ $said->{after}{uid} };
                is($said->{died} =~ /whose next exec gives them back/ ? 1 : 0, $back ? 1 : 0,
                    "$title: it tells what an exec would give back");
                if ($call eq 'capset' && $said->{died} =~ /it still has (.*?)(?:, and is still uid 0.*)? at /) {

                    # Without capset(2), only leaving uid 0 empties permitted, and nothing inheritable.
                    my $told = $1;
                    is($told, held($said->{after}), "$title: it dies, and tells what nothing could take away");
                    next;
                }
                is(privilege($said->{after}, $said->{before}), '', "$title: it dies, and holds nothing")
                    or diag($said->{died}, explain($said->{after}));
            }
        }
    }
}
note("$lived lived, $died died");

done_testing;
