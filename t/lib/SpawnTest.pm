package SpawnTest;

# What the tests of spawn share: what a program saw, what the parent still is, and both
# ways to make a child.
use 5.014;
use warnings;

use Cwd ();
use Exporter qw(import);
use Linux::Prctl qw(setpriv spawn);
use POSIX ();
use SetprivTest ();
use Shapes qw(is_root);
use SystemCalls qw(no_sys sys);
use TestChild qw(in_child proc_status);

our @EXPORT_OK = qw(each_way said status_of parent_now unlike_before program random_comparison
    beside_threads no_spawn plan_that_tells reported is_starting
);

# Why there can be no child of spawn, one that sends no signal at its end: the bare clone(2)
# is asked. Nothing, where there can.
sub no_spawn {
    return '' if no_sys();
    return in_child {
        my $pid = syscall sys('clone'), 0, 0, 0, 0, 0;
        return "the bare clone(2) is refused: $!" if $pid == -1;
        POSIX::_exit(0) if !$pid;
        waitpid $pid, 0x40000000;    # __WALL
        '';
    };
}

# Once with the parent's memory shared, and once in a copy of it.
sub each_way {
    my ($code) = @_;
    for my $way ('', 'fork') {
        local $ENV{LINUX_PRCTL_SPAWN} = $way;
        $code->($way eq 'fork' ? 'in a copy' : 'sharing');
    }
    return;
}

# The first of these that is there: not every system has them in one place.
sub program {
    my ($name) = @_;
    for my $file (map { "$_/$name" } qw(/bin /usr/bin /sbin /usr/sbin)) {
        return $file if -x $file;
    }
    die "there is no $name\n";
}

# Everything that a program says, and its wait status.
sub said {
    my (%plan) = @_;
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = spawn(stdout => $to, %plan);
    close $to;
    my $said = do { local $/; <$from> } // '';
    waitpid $pid, 0;
    return wantarray ? ($said, $?) : $said;
}

# The lines of the program's own /proc/self/status.
sub status_of {
    my (%plan) = @_;
    my ($said, $status) = said(command => [ program('cat'), '/proc/self/status' ], %plan);
    die "cat ended with $status\n" if $status;
    return map { /\A([^:]+):\s*(.*?)\s*\z/ ? ($1, $2) : () } split /\n/, $said;
}

# ---- calls that are answered by somebody else ----

# What the program tells of itself. No process of its own: a signal from one would break off a
# call that is being answered.
my $tell = <<'TELL';
exec 2>&1
while read -r name rest; do
    case $name in Uid:|Gid:|Groups:|Cap*|NoNewPrivs:|SigBlk:|SigIgn:|Umask:) echo "$name $rest";; esac
done </proc/$$/status
pwd; ulimit -Sn; ulimit -Hn
read -r stat </proc/$$/stat; set -- $stat; echo $(($1 == $6)) ${19}
cd /proc/$$/fd; echo *
TELL

# A plan of nearly all there is, of a program that tells in this file what it became.
sub plan_that_tells {
    my ($report) = @_;
    return (
        command => [ program('sh'), '-c', $tell ], stdin => '/dev/null', stdout => $report, fds => { 9 => \*STDIN },
        chdir => '/usr', umask => 027, nice => 19, rlimits => { nofile => [ 40, 50 ] }, new_session => 1,
        no_new_privs => 1, pdeathsig => 'KILL',
        is_root() ? (reuid => 1001, regid => 1002, groups => [ 7, 1003 ], ambient_caps => ['net_bind_service'],
            bounding_set => ['net_bind_service'], securebits => ['noroot']) : (),
    );
}

# What a program told; undef, if there was none.
sub reported { my ($report) = @_; open my $in, '<', $report or return; local $/; return scalar <$in> }

# The child of spawn, before it executes: its memory cannot be looked at, or is perl's.
my $perl = readlink '/proc/self/exe';

sub is_starting {
    my ($pid) = @_;
    my %status = eval { proc_status("/proc/$pid/status") } or return;
    return if $status{PPid} == $$;
    my $file = readlink "/proc/$pid/exe";
    return !defined $file || $file eq $perl;
}

# ---- what a process is ----

sub _names {
    my ($directory) = @_;
    opendir my $dir, $directory or die "$directory: $!\n";
    return sort grep { !/\A\.\.?\z/ } readdir $dir;
}

# The list has one more while it is read, and in the same place each time.
sub _fds { return join ' ', map { "$_=" . (readlink "/proc/self/fd/$_" // '') } _names('/proc/self/fd') }

sub _children {
    my @found;
    for my $thread (_names('/proc/self/task')) {
        open my $in, '<', "/proc/self/task/$thread/children" or next;
        push @found, <$in>;
    }
    return "@found";
}

# All that a call must leave as it is.
sub parent_now {
    my %status = proc_status('/proc/self/status');
    my %now = (
        (map { $_ => $status{$_} } qw(Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb
            NoNewPrivs SigBlk SigIgn SigCgt Threads Umask)),
        dumpable   => Linux::Prctl::get_dumpable(),
        securebits => Linux::Prctl::get_securebits(),
        pdeathsig  => Linux::Prctl::get_pdeathsig(),
        ptracer    => Linux::Prctl::get_ptracer(),
        cwd        => Cwd::getcwd(),
        nice       => getpriority(0, 0),
        group      => getpgrp(),
        env        => join("\0", map { "$_=$ENV{$_}" } sort keys %ENV),
        children   => _children(),
        fds        => _fds(),
    );
    return \%now;
}

# The names of what differs.
sub unlike_before {
    my ($before) = @_;
    my $now = parent_now();
    return join ', ', map { "$_: $now->{$_} and not $before->{$_}" }
        grep { ($now->{$_} // '') ne ($before->{$_} // '') } sort keys %$now;
}

# ---- spawn beside fork, setpriv and exec ----

# What is of the one process alone.
my $own = qr/\A(?:Pid|Tgid|Ngid|PPid|NS\w+|Vm\w+|Rss\w+|Hugetlb\w+|FDSize|State|\w+_ctxt_switches|SigQ):/;

sub _compared { my ($status) = @_; return join '', grep { !/$own/ } $status =~ /^.*\n/mg }

# Which function, where, and what is left of a process that goes on.
sub _reason {
    my ($said) = @_;
    return $said =~ s/\A(?:spawn|setpriv): //r =~ s/; this process must not go on.*//sr =~ s/ at \S+ line \d+\.\n\z//r;
}

sub _by_hand {
    my ($command, %plan) = @_;
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::dup2(fileno $to, 1);
        eval { setpriv(%plan) if %plan; 1 } or do { syswrite $to, "refused: $@"; POSIX::_exit(0) };
        exec { $command->[0] } @$command or do { syswrite $to, "refused: exec of $command->[0]: $!"; POSIX::_exit(0) };
    }
    close $to;
    my $said = do { local $/; <$from> } // '';
    waitpid $pid, 0;
    return $? ? "status $?" : $said =~ s/\A(refused: )(.*)\z/$1 . _reason($2)/ser;
}

sub _by_spawn {
    my ($command, %plan) = @_;
    my ($said, $status) = eval { said(command => $command, %plan) };
    return 'refused: ' . _reason($@) if !defined $status;
    return $status ? "status $status" : $said;
}

# One random start and plan: (done or refused, what differs).
sub random_comparison {
    my ($seed, $shape) = @_;
    my $found = SetprivTest::_apart(
        sub {
            srand $seed;
            SetprivTest::_random_start($shape);
            my $before = SetprivTest::truth();
            my %plan   = SetprivTest::_random_plan($before);
            $plan{pdeathsig} = [ 'USR1', $$ ] if ref $plan{pdeathsig};
            my @command = (program('cat'), '/proc/self/status');
            my ($spawned, $by_hand) = map { _compared("$_\n") } _by_spawn(\@command, %plan), _by_hand(\@command, %plan);
            my $became = $by_hand =~ /\Arefused/ ? 'refused' : 'done';
            return $became if $spawned eq $by_hand;
            my $option = join ', ', map { "$_ => " . SetprivTest::_text($plan{$_}) } sort keys %plan;
            return "$became spawn:\n$spawned\nby hand:\n$by_hand\nfrom " . SetprivTest::state_text($before) . "\nto $option";
        }
    );
    return $found =~ /\A(refused|done)(?: (.*))?\z/s ? ($1, $2 // '') : ('lost', $found);
}

# ---- spawn beside threads ----

# What the others do until they are told to stop: they return what went wrong.
my %work = (
    allocate => sub {
        my $text = 'x' x (100_000 + rand 3_000_000);
        my @many = map { "$_" x 20 } 1 .. 200;
        return length $text < 100_000 || @many != 200 ? 'memory' : ();
    },
    fork => sub {
        my $pid = fork // return "fork: $!";
        POSIX::_exit(Linux::Prctl::get_dumpable() == 1 ? 0 : 17) if !$pid;
        waitpid $pid, 0;
        return $? ? "a forked child ended with $?" : ();
    },
    capabilities => sub {
        no warnings 'Linux::Prctl::threads';
        return if !Linux::Prctl::get_cap(0, 'chown') && !$_[0]++;    # who has none, raises none
        my $wrong = '';
        return if !Linux::Prctl::get_cap(1, 'chown');
        Linux::Prctl::set_cap(0, 'chown', 0);
        $wrong .= 'not lowered ' if Linux::Prctl::get_cap(0, 'chown');
        { local $Linux::Prctl::cap_effective{chown} = 1; $wrong .= 'not raised ' if !Linux::Prctl::get_cap(0, 'chown') }
        $wrong .= 'not lowered again ' if Linux::Prctl::get_cap(0, 'chown');
        Linux::Prctl::set_cap(0, 'chown', 1);
        return $wrong ? $wrong : ();
    },
    spawn => sub {
        my $pid = eval { spawn(command => [ program('true') ], no_new_privs => 1) } or return $@;
        waitpid $pid, 0;
        return $? ? "a program of another thread ended with $?" : ();
    },
);

# Four threads at work while there are so many spawns with a plan: all that went wrong.
sub beside_threads {
    my ($count, %plan) = @_;
    require threads;
    require threads::shared;
    my $stop = 0;
    &threads::shared::share(\$stop);    # its prototype may be there by now
    threads->create(sub { 1 })->join;    # the first one makes glibc catch a signal
    my $before = parent_now();
    my @threads = map {
        my $work = $work{$_};
        threads->create({ context => 'list' }, sub {
            my ($rounds, @wrong) = (0);
            while (!$stop) { push @wrong, $work->(); $rounds++; last if @wrong > 5 }
            return ($rounds ? () : 'a thread that did nothing', @wrong);
        });
    } sort keys %work;
    my @wrong;
    my %expected = status_of(%plan);
    for my $i (1 .. $count) {
        last if @wrong > 5;
        if ($i % 20 == 0) {
            my %seen = eval { status_of(%plan) };
            push @wrong, map { "$_: $seen{$_}" } grep { ($seen{$_} // '') ne $expected{$_} }
                qw(Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs SigBlk SigIgn SigCgt);
            next;
        }
        my $pid = eval { spawn(command => [ program('true') ], %plan) };
        if (!$pid) { push @wrong, $@; next }
        waitpid $pid, 0;
        push @wrong, "a program ended with $?" if $?;
    }
    $stop = 1;
    push @wrong, map { $_->join } @threads;
    my $differs = unlike_before($before);
    push @wrong, "the parent: $differs" if $differs;
    return @wrong;
}

1;
