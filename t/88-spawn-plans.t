use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Errno qw(EPERM);
use Linux::Prctl qw(spawn);
use POSIX ();
use Seccomp qw(instructions no_filter);
use SetprivTest qw(truth in_truth told_apart is_root);
use SystemCalls ();
use SpawnTest qw(no_spawn each_way said status_of parent_now unlike_before program);
use TestChild qw(in_child proc_status);

plan skip_all => no_spawn() if no_spawn();

# The plan: what the program is, by its own /proc/self/status; and what is no credential.

my ($true, $env) = map { program($_) } qw(true env);

sub program_is {
    my ($title, %plan) = @_;
    my $expected = in_truth(spawn(command => [$true], %plan, dry_run => 1)->{after_exec});
    my %status = status_of(%plan);
    delete @$expected{qw(securebits pdeathsig)};    # no file tells
    is(told_apart(truth(%status), $expected), '', $title);
    return %status;
}

each_way(sub {
    my ($way) = @_;
    my $before = parent_now();
    program_is("$way: no plan");
    is({ program_is("$way: no_new_privs", no_new_privs => 1) }->{NoNewPrivs}, 1, "$way: ... is set");
    SKIP: {
        skip 'root with everything: needs root with setuid, setgid and setpcap', 7 if !is_root();
        my @user = (reuid => 1001, regid => 1002);
        program_is("root with everything: $way: a user", @user, clear_groups => 1, bounding_set => []);
        program_is("root with everything: $way: with groups and a capability", @user, groups => [ 3, 5, 1003 ],
            ambient_caps => ['net_raw'], securebits => [qw(noroot noroot_locked)]);
        program_is("root with everything: $way: two ids", ruid => 1001, euid => 1003, regid => 1002, keep_groups => 1, no_new_privs => 0);
        program_is("root with everything: $way: still root, with less", bounding_set => ['chown'], caps => ['chown']);
        my @signal = in_child {
            Linux::Prctl::set_child_subreaper(1);
            my $middle = fork // die "fork: $!\n";
            if (!$middle) {
                my $pid = spawn(command => [ program('sleep'), 60 ], @user, clear_groups => 1, pdeathsig => 'USR2');
                POSIX::_exit($pid > 0 ? 0 : 1);
            }
            waitpid $middle, 0;
            my $left = waitpid -1, 0;
            ($left > 0, $? & 127);
        };
        is("@signal", '1 ' . POSIX::SIGUSR2(), "root with everything: $way: pdeathsig survives the change of ids");
        my @entry = getpwuid 65534;
        skip "root with everything: there is no user 65534", 1 if !@entry;
        my %found = map { /\A(\w+)=(.*)\z/ ? ($1, $2) : () } split /\n/, said(command => [$env], user => $entry[0], reset_env => 1);
        is_deeply([ @found{qw(HOME USER LOGNAME)}, $found{SPAWN_TEST} ], [ @entry[ 7, 0, 0 ], undef ],
            "root with everything: $way: reset_env: the environment is the user's");
    }
    {
        local $ENV{SPAWN_TEST} = 'here';
        unlike(scalar said(command => [$env], reset_env => 1), qr/SPAWN_TEST/, "$way: reset_env");
        is($ENV{SPAWN_TEST}, 'here', "$way: ... is for the program alone");
        like(scalar said(command => [$env]), qr/SPAWN_TEST/, "$way: the next program has it");
        eval { spawn(command => [$env], env => {}, reset_env => 1) };
        like($@, qr/\Aspawn: env and reset_env contradict each other/, "$way: env and reset_env");
    }
    is(unlike_before($before), '', "$way: the parent is what it was");
});

# The other words of setpriv(1), where they go through and where they do not.

each_way(sub {
    my ($way) = @_;
    my $signal = in_child {
        Linux::Prctl::set_child_subreaper(1);
        my $middle = fork // die "fork: $!\n";
        if (!$middle) {
            my $pid = spawn(command => [ program('sleep'), 60 ], pdeathsig => 'RTMIN+3');
            POSIX::_exit($pid > 0 ? 0 : 1);
        }
        waitpid $middle, 0;
        waitpid -1, 0;
        $? & 127;
    };
    is($signal, POSIX::SIGRTMIN() + 3, "$way: pdeathsig RTMIN+3");
    for my $option (qw(apparmor_profile selinux_label)) {
        my $pid = eval { spawn(command => [$true], $option => 'unconfined') };
        waitpid $pid, 0 if $pid;
        ok($pid ? !$? : $@ =~ /\Aspawn: .*(?:$option|AppArmor|SELinux).* at /i, "$way: $option: is there, or a clear refusal") or diag($@);
    }
});
SKIP: {
    skip 'root with everything: needs root with setuid, setgid and setpcap', 2 if !is_root();
    each_way(sub {
        my ($way) = @_;
        my $bits = in_child {
            my $code = 'print Linux::Prctl::get_securebits()';
            scalar said(command => [ $^X, map({ "-I$_" } grep { !ref } @INC), '-MLinux::Prctl', '-e', $code ], securebits => '+noroot,+no_setuid_fixup,-noroot');
        };
        is($bits, 4, "root with everything: $way: relative securebits");
    });
}

# A parent that has no number for its child: it is outside of the pid namespace.
SKIP: {
    skip 'root with everything: needs root with setuid, setgid and setpcap', 2 if !is_root();
    each_way(sub {
        my ($way) = @_;
        my ($said, $status) = in_child {
            SystemCalls::sys(unshare => 0x20000000);    # CLONE_NEWPID
            my $pid = eval { spawn(command => [$true], pdeathsig => 'KILL') } or return ($@, -1);
            waitpid $pid, 0;
            ('started', $?);
        };
        is("$said $status", 'started 0', "root with everything: $way: into another pid namespace, with pdeathsig");
    });
}

# A seccomp filter, which comes last.

my ($load, $equal, $return) = (0x20, 0x15, 0x06);

# All is allowed but one system call.
sub filter_of {
    my ($number, $answer) = @_;
    return instructions([ $load, 0, 0, 0 ], [ $equal, 0, 1, $number ], [ $return, 0, 0, $answer ], [ $return, 0, 0, 0x7fff0000 ]);
}

SKIP: {
    my $why = no_filter();
    skip $why, 1 if length $why;
    my ($refuse, $kill, $getuid, $execve) = (0x50000 | EPERM, 0x80000000, 102, 59);
    each_way(sub {
        my ($way) = @_;
        my $before = parent_now();
        my %status = status_of(no_new_privs => 1, seccomp_filter => filter_of($getuid, $refuse));
        my %parent = proc_status();
        is($status{Seccomp}, 2, "$way: the program runs behind the filter");
        is($parent{Seccomp}, Linux::Prctl::get_seccomp(), "$way: ... and the parent is as it was");
        eval { spawn(command => [$true], no_new_privs => 1, seccomp_filter => filter_of($execve, $refuse)) };
        my $eperm = do { local $! = EPERM; "$!" };
        like($@, qr/\Aspawn: exec of \Q$true\E: \Q$eperm\E at/, "$way: a filter that refuses the exec");
        eval { spawn(command => [$true], no_new_privs => 1, seccomp_filter => filter_of($execve, $kill)) };
        like($@, qr/\Aspawn: the child was killed by SIGSYS before/, "$way: ... or kills for it");
        is(unlike_before($before), '', "$way: nothing is left");
        my ($said) = in_child {
            SetprivTest::raw_caps([], [], []);
            eval { spawn(command => [$true], seccomp_filter => filter_of($getuid, $refuse)) };
            Linux::Prctl::get_no_new_privs() ? 'no_new_privs is set already' : $@;
        };
        like($said, qr/\Aspawn: step 17, seccomp_filter would be refused|already/, "$way: without privilege, refused before there is a child");
    });
}

# The parent's memory of who may trace it is not the child's.

my @tracer = in_child {
    my $before = Linux::Prctl::get_ptracer();
    my $pid = eval { spawn(command => [$true], ptracer => 'any') };
    waitpid $pid, 0 if $pid;
    (Linux::Prctl::get_ptracer() - $before, $@);
};
is($tracer[0], 0, 'ptracer is for the program alone');

done_testing;
