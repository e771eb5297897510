# What the module remembers of the kernel: one answer in a process, and none of it where
# it no longer holds.
use 5.014;
use warnings;

use lib 't/lib';
use Errno qw(EINVAL ENOSYS EPERM EPROTO ESRCH);
use POSIX ();
use Test::More;

use Linux::Prctl qw(:functions :extra :hashes :sets :constants);
use Linux::Prctl::CapState;
use Seccomp qw(filter no_filter);
use TestChild qw(in_child);

use constant SYS_CLONE     => 56;    # on x86_64, as the filters
use constant SYS_UNSHARE   => 272;
use constant NEW_PID_SPACE => 0x20000000;
use constant NEW_USER      => 0x10000000;

# What dies, without its line.
sub dies_of {
    my ($code) = @_;
    return 'lived' if eval { $code->(); 1 };
    return $@ =~ s/ at \Q$0\E line \d+\.\n\z//r;
}

plan skip_all => no_filter() if no_filter();

# ---- which capabilities there are ----

SKIP: {
    my $last = last_cap();
    skip 'this kernel has few capabilities itself', 3 if $last < 38;

    # The filter comes by the module's own functions, after both objects have seen that
    # there are more.
    my @rules = map { [ prctl => Seccomp::RET_ERRNO | EINVAL, PR_CAPBSET_READ, $_ ] } 38 .. 63;
    my $install = sub {
        my ($way) = @_;
        my $program = Seccomp::program(@rules);
        my $fprog   = pack 'S x![P] P', length($program) / 8, $program;
        no warnings 'Linux::Prctl::threads';
        set_no_new_privs() == 0 or die "no_new_privs: $!\n";
        return $way eq 'set_seccomp' ? set_seccomp(SECCOMP_MODE_FILTER, $program)
            : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, unpack 'J', pack 'P', $fprog);
    };
    for my $way (qw(set_seccomp prctl)) {
        my ($installed, $set, $state, $errno) = in_child {
            my $with = Linux::Prctl::CapState->get_current->add(inheritable => 38);
            dies_of(sub { $with->set_current });
            exists $cap_inheritable{38} or die "38 was there\n";
            my $installed = $install->($way);
            my $set   = dies_of(sub { cap_inheritable->replace(38) });
            my $state = dies_of(sub { $with->set_current });
            ($installed, $set, $state, $! + 0);
        };
        my $name = cap_name(38);
        is($installed, 0, "$way installs a filter that hides what is above 37");
        is($set, "cap_inheritable->replace(38): Invalid argument (this kernel does not know $name)",
            "$way: then the set refuses 38");
        like($state, qr/\Aset_current\(.*\): Invalid argument \(this kernel does not know $name\)\z/,
            "$way: and so does CapState");
        is($errno, EINVAL, "$way: with EINVAL");
    }

    # A thread may have a filter that the others do not have.
    SKIP: {
        skip 'this perl has no threads', 1 if !eval { require threads; 1 };
        my ($in_thread, $beside) = in_child {
            my $in_thread = threads->create(sub {
                $install->('set_seccomp');
                last_cap();
            })->join;
            ($in_thread, last_cap());
        };
        is_deeply([ $in_thread, $beside ], [ 37, $last ], 'each thread knows its own');
    }
}

# ---- who may trace ----

# With a kernel that says yes, with or without Yama.
my $yama = [ prctl => 0, PR_SET_PTRACER ];

is_deeply([ in_child { filter($yama); (prctl(PR_SET_PTRACER, 4711), get_ptracer()) } ], [ 0, 4711 ],
    'prctl(PR_SET_PTRACER) counts as set_ptracer does');
is_deeply([ in_child { filter([ prctl => EINVAL, PR_SET_PTRACER ]); (prctl(PR_SET_PTRACER, 4711), get_ptracer() == getppid) } ],
    [ -1, 1 ], 'where it was refused it does not');

# A filter that keeps the parent back, or a false one: no pid is made of it.
{
    my %answer = (refused => [EPERM], 'refused with another errno' => [ENOSYS], 'a pretended 0' => [0]);
    my %errno  = (refused => EPERM, 'refused with another errno' => ENOSYS, 'a pretended 0' => ESRCH);
    for my $how (sort keys %answer) {
        my @said = in_child {
            filter([ getppid => @{ $answer{$how} } ]);
            $! = 77;
            my @pid = get_ptracer();
            my $errno = $! + 0;
            my $died  = eval { use Linux::Prctl ':fatal'; get_ptracer(); 1 } ? 'lived' : $@;
            (\@pid, $errno, $died);
        };
        is_deeply([ @said[ 0, 1 ] ], [ [undef], $errno{$how} ], "get_ptracer where getppid(2) is $how: undef, and \$!");
        like($said[2], qr/\Aget_ptracer\(\): .* at \Q$0\E line \d+\.$/, '... and an exception under :fatal');
    }
    my @said = in_child {
        local $SIG{SYS} = sub { };
        Seccomp::install_program(Seccomp::program([ getppid => 0x00030000 ]));
        $! = 77;
        (get_ptracer(), $! + 0);
    };
    is_deeply(\@said, [ undef, EPROTO ], 'get_ptracer where getppid(2) is trapped');

    # What was set is known without the kernel, whatever a filter makes of getpid(2).
    for my $errno (EPERM, 0) {
        my @said = in_child {
            filter($yama, [ 39 => $errno ]);    # getpid
            set_ptracer(4711);
            my @said = get_ptracer();
            set_ptracer(0);
            (@said, get_ptracer());
        };
        is_deeply(\@said, [ 4711, 0 ], "what was set is told where getpid(2) is answered with errno $errno");
    }
    my @then = in_child { filter($yama); set_ptracer(4711); filter([ 39 => 0 ]); get_ptracer() };
    is_deeply(\@then, [4711], '... and where that begins afterwards');
}

# The child is number 1 of a new namespace, and so is its child of another one: with the
# C library's fork, and with the system call alone.
for my $way ('fork', 'clone') {
    my $pids = in_child {
        syscall(SYS_UNSHARE, $> ? NEW_USER | NEW_PID_SPACE : NEW_PID_SPACE) == 0
            or return "unshare: $!";
        filter($yama);
        pipe my $from, my $to or die "pipe: $!\n";
        binmode $_ for $from, $to;
        my $first = fork // die "fork: $!\n";
        if (!$first) {
            set_ptracer(4711);
            my $own = get_ptracer();
            my $second = $way eq 'fork'
                ? (syscall(SYS_UNSHARE, NEW_PID_SPACE) == 0 ? fork : undef)
                : syscall SYS_CLONE, NEW_PID_SPACE | POSIX::SIGCHLD(), 0, 0, 0, 0;
            if (defined $second && $second == 0) {
                $! = 0;
                syswrite $to, join ' ', POSIX::getpid(), $own, get_ptracer() // 'undef', $! + 0, POSIX::getppid();
                POSIX::_exit(0);
            }
            syswrite $to, "$way: $!" if !defined $second || $second == -1;
            waitpid $second, 0;
            POSIX::_exit(0);
        }
        close $to;
        waitpid $first, 0;
        return do { local $/; <$from> };
    };
    SKIP: {
        skip "no namespace of pids here: $pids", 1 if $pids !~ /\A\d/;
        is($pids, '1 4711 undef ' . ESRCH . ' 0',
            "$way: a child with the same pid in another namespace starts afresh: its parent has no number there");
    }
}

done_testing;
