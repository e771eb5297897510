# The signal that comes when the parent dies.
use 5.014;
use warnings;

use lib 't/lib';
use Config;
use Errno qw(ESRCH);
use POSIX ();
use Test::More;

use TestChild qw(company in_child proc_caps);

use Linux::Prctl qw(get_pdeathsig set_pdeathsig);

use constant PATIENCE => 20;    # seconds, for a signal that does not come

# Runs the code in a grandchild. It is given two functions: one lets its parent go and
# waits until it is gone, the other writes what is then returned, with a note of the
# signal, if one came.
sub orphan(&) {
    my ($code) = @_;
    pipe my $from, my $to or die "pipe: $!\n";
    pipe my $ready, my $let_go or die "pipe: $!\n";
    binmode $_ for $from, $to, $ready, $let_go;
    my $parent = fork // die "fork: $!\n";
    if (!$parent) {
        my $child = fork // POSIX::_exit(99);
        if (!$child) {
            my $middle = getppid;
            alarm PATIENCE;
            my $say = sub { syswrite $to, join '', @_, "\n" };
            my $leave = sub {
                syswrite $let_go, 'x';
                select undef, undef, undef, 0.001 while getppid == $middle;
            };
            eval { $code->($say, $leave, $middle); 1 } or $say->("died: $@");
            POSIX::_exit(0);
        }
        close $let_go;
        sysread $ready, my ($byte), 1;
        POSIX::_exit(0);
    }
    close $_ for $to, $let_go;
    waitpid $parent, 0;
    my @said = <$from>;
    chomp @said;
    return @said;
}

# ---- it comes ----

for my $signal ('USR1', 'SIGUSR1', POSIX::SIGUSR1()) {
    my @said = orphan {
        my ($say, $leave) = @_;
        my $came = 0;
        local $SIG{USR1} = sub { $came++ };
        $say->(set_pdeathsig($signal), ' ', get_pdeathsig());
        $leave->();
        select undef, undef, undef, 0.001 while !$came;
        $say->('USR1 came ', company() ? 'once or more' : "$came time");    # a parent of two threads ends twice
    };
    is_deeply(\@said, ['0 ' . POSIX::SIGUSR1(), 'USR1 came ' . (company() ? 'once or more' : '1 time')],
        "set_pdeathsig('$signal'): the signal comes when the parent dies");
}
{
    my @said = orphan {
        my ($say, $leave) = @_;
        my $came = 0;
        local $SIG{USR1} = sub { $came++ };
        set_pdeathsig('USR1');
        $say->(set_pdeathsig(0), ' ', get_pdeathsig());
        $leave->();
        $say->("came $came");
    };
    is_deeply(\@said, ['0 0', 'came 0'], 'set_pdeathsig(0): no signal comes');
}
{
    # SIGKILL cannot be caught: the end of the process is what is seen.
    my @said = orphan {
        my ($say, $leave) = @_;
        $say->('alive');
        set_pdeathsig('KILL');
        $leave->();
        sleep PATIENCE;
        $say->('still alive');
    };
    is_deeply(\@said, ['alive'], 'set_pdeathsig("KILL"): the child dies with its parent');
}

# ---- the race ----

{
    my @said = orphan {
        my ($say, $leave, $parent) = @_;
        local $SIG{USR1} = 'IGNORE';
        $say->('alive: ', set_pdeathsig('USR1', $parent));
        $leave->();
        $! = 0;
        my $answer = set_pdeathsig('USR1', $parent);
        $say->('gone: ', $answer, $! == ESRCH ? ' ESRCH ' : " $! ", get_pdeathsig());
        use Linux::Prctl qw(:fatal);
        eval { set_pdeathsig('USR1', $parent) };
        $say->($! == ESRCH ? 'ESRCH ' : "$! ", $@ =~ s/ at .*//sr =~ s/\Q$parent\E/PARENT/r);
    };
    my $text = do { local $! = ESRCH; "$!" };
    is_deeply(\@said, [
        'alive: 0',
        'gone: -1 ESRCH ' . POSIX::SIGUSR1(),
        qq(ESRCH set_pdeathsig("USR1", PARENT): $text),
    ], 'with the parent expected: 0 while it lives, -1 and ESRCH once it is gone, the signal armed');
}

# ---- what keeps it, and what clears it ----

{
    my ($mine, $childs) = in_child {
        set_pdeathsig('TERM');
        (get_pdeathsig(), in_child { get_pdeathsig() });
    };
    is_deeply([$mine, $childs], [15, 0], 'a child of fork does not inherit it');
}
{
    my $executed = in_child {
        pipe my $from, my $to or die "pipe: $!\n";
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            open STDOUT, '>&', $to or die "dup: $!\n";
            set_pdeathsig('TERM');
            exec $^X, map({ "-I$_" } @INC), '-MLinux::Prctl=get_pdeathsig', '-e',
                'print get_pdeathsig()';
        }
        close $to;
        my $line = <$from>;
        waitpid $pid, 0;
        $line;
    };
    is($executed, 15, 'exec of a plain program keeps it');
}
SKIP: {
    my %caps = proc_caps();
    skip 'a change of ids takes CAP_SETUID, and uid 65534 mapped', 2
        if !($caps{E} >> 7 & 1) || in_child { $> = 65534; $> != 65534 };
    is(in_child { set_pdeathsig('TERM'); $> = 65534; get_pdeathsig() }, 0,
        'root with everything: a change of the effective uid clears it');
    is(in_child { $> = 65534; set_pdeathsig('TERM'); get_pdeathsig() }, 15,
        'root with everything: set after the change, it stays');
}

# ---- a new pid namespace: the parent is 0, because it is outside ----

SKIP: {
    my ($unshare) = grep { -x } map { "$_/unshare" } split /:/, $ENV{PATH} // '';
    skip 'unshare is not installed', 1 if !$unshare;
    my @namespace = ($unshare, $> ? '-Ur' : (), '-pf');
    my $said = join ' ', map { "'$_'" } @namespace, 'true';
    skip "no pid namespace can be made here: $said", 1 if system "$said >/dev/null 2>&1";
    open my $from, '-|', @namespace, $^X, map({ "-I$_" } @INC), '-MLinux::Prctl=:functions', '-e',
        'print join " ", getppid, set_pdeathsig("TERM", 0), get_pdeathsig(), set_pdeathsig("TERM", 77), $! + 0'
        or die "$unshare: $!\n";
    my $line = <$from>;
    close $from;
    is($line, '0 0 15 -1 ' . ESRCH, 'user namespace: in a new pid namespace, the parent to expect is 0');
}

# ---- threads: the parent is the thread that called fork ----

SKIP: {
    skip 'this perl has no threads', 1 if !$Config{useithreads};
    my $ended = in_child {
        require threads;
        pipe my $ready, my $armed or die "pipe: $!\n";
        binmode $_ for $ready, $armed;
        threads->create(sub {
            my $pid = fork // die "fork: $!\n";
            if (!$pid) {
                alarm PATIENCE;
                set_pdeathsig('USR1', getppid);
                syswrite $armed, 'x';
                sleep PATIENCE + 1;    # perl handles no signals outside its first thread
                POSIX::_exit(0);
            }
            sysread $ready, my ($byte), 1;
        })->join;
        wait;    # this process, the parent, is still there
        $?;
    };
    is($ended, POSIX::SIGUSR1(),
        'a child forked in a thread: the signal comes when that thread ends');
}

done_testing;
