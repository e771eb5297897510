# What the functions do on the kernel that runs: the truth from /proc, from another
# process, or from the bare system call.
use 5.014;
use warnings;
no warnings 'portable';

use lib 't/lib';
use Config;
use Errno qw(EACCES EINVAL EPERM);
use POSIX ();
use Test::More;

use Masks qw(all_but);
use Seccomp qw(no_filter);
use SystemCalls qw(no_sys sys raw_capset);
use TestChild qw(fits_long how_ended in_child proc_caps proc_status sanitized);

use Linux::Prctl qw(:functions :extra :constants);

plan skip_all => '/proc/thread-self/status cannot be read' if !-r '/proc/thread-self/status';

my %caps = proc_caps();

sub effective { my ($cap) = @_; return $caps{E} >> $cap & 1 }

my $x86_64 = $Config{archname} =~ /\Ax86_64/ && $Config{ptrsize} == 8;

# prctl(2) without the module, where its number is known.
sub raw {
    my ($option, @args) = @_;
    return syscall sys('prctl'), $option, map({ $_ // 0 } @args[0 .. 3]);
}

# An option's int, by a pointer, without the module.
sub raw_int {
    my ($option) = @_;
    my $room = "\0" x 8;
    return syscall(sys('prctl'), $option, $room, 0, 0, 0) == 0 ? unpack('i', $room) : undef;
}

sub witness {
    my ($tests) = @_;
    skip no_sys(), $tests if no_sys();
    return;
}

sub needs {
    my ($function, $tests) = @_;
    my $answer = supported($function);
    return if $answer;
    skip defined $answer ? "this kernel has no $function"
        : "whether this kernel has $function cannot be asked", $tests;
}

# Where an emulator stands between this program and the kernel, what every kernel does may be
# refused: by the bare call too.
sub refused {
    my ($option, @args) = @_;
    return '' if no_sys();
    my $why = in_child { raw($option, @args) == -1 ? "$!" : '' };
    return $why && "the bare prctl($option) is refused: $why";
}

# ---- settings of one number, each with its getter ----

for my $case (
    # setter, getter, how the kernel is asked, [value to set, what it is then] ...
    ['set_dumpable', 'get_dumpable', sub { raw(3) }, [0, 0], [1, 1]],
    ['set_keepcaps', 'get_keepcaps', sub { raw(7) }, [1, 1], [0, 0]],
    ['set_timing', 'get_timing', sub { raw(13) }, [0, 0]],
    ['set_pdeathsig', 'get_pdeathsig', sub { raw_int(2) },
        [15, 15], ['USR1', POSIX::SIGUSR1()], ['sigkill', 9], [64, 64], [0, 0]],
    ['set_child_subreaper', 'get_child_subreaper', sub { raw_int(37) },
        [1, 1], [0, 0], [7, 1], (map { [$_, 1] } fits_long(2**32)), [-1, 1]],
    ['set_no_new_privs', 'get_no_new_privs', sub { raw(39) }, [1, 1]],
    ['set_thp_disable', 'get_thp_disable', sub { raw(42) }, [1, 1], [0, 0], [5, 1]],
    ['set_mce_kill', 'get_mce_kill', sub { raw(34) }, [0, 0], [1, 1], [2, 2]],
    ['set_mdwe', 'get_mdwe', sub { raw(66) }, [0, 0], [1, 1], [1, 1]],
    ['set_memory_merge', 'get_memory_merge', sub { raw(68) }, [1, 1], [0, 0]],
    ['set_tsc', 'get_tsc', sub { raw_int(25) }, [2, 2], [1, 1]],
) {
    my ($setter, $getter, $ask, @values) = @$case;
    SKIP: {
        needs($getter, 1 + @values);
        skip "the kernel would compare all of a sanitizer's memory", 1 + @values
            if $setter eq 'set_memory_merge' && sanitized();
        my ($before, $now) = in_child {
            (scalar Linux::Prctl->can($getter)->(), no_sys() ? undef : $ask->());
        };
        $now //= $before;
        is($before, $now, "$getter() is what the kernel says");
        my @seen = in_child {
            my ($set, $get) = map { Linux::Prctl->can($_) } $setter, $getter;
            # No other call in between: some of these settings are hard to live with.
            map {
                my $answer = $set->($_->[0]);
                my $got = $get->();
                my $is  = no_sys() ? $got : $ask->();
                [$answer, $got, $is];
            } @values;
        };
        for my $i (0 .. $#values) {
            my ($value, $expected) = @{ $values[$i] };
            # glibc keeps signals for itself, and so does an emulator.
            my $why = $setter eq 'set_pdeathsig' && $value eq 64 ? refused(1, 64) : '';
            SKIP: {
                skip $why, 1 if $why;
                is_deeply($seen[$i], [0, $expected, $expected],
                    "$setter($value): $expected, as the kernel sees it");
            }
        }
    }
}

# ---- dumpable ----

SKIP: {
    skip 'for root, all files under /proc look the same', 1 if !$>;
    my @owner = in_child {
        my @before = (stat "/proc/$$/status")[4];
        set_dumpable(0);
        my @then = (stat "/proc/$$/status")[4];
        set_dumpable(1);
        return (@before, @then, (stat "/proc/$$/status")[4]);
    };
    is($owner[0], $>, 'plain user: a dumpable process owns its files in /proc');
    isnt($owner[1], $>, 'plain user: set_dumpable(0): they are root\'s');
    is($owner[2], $>, 'plain user: set_dumpable(1): they are its own again');
}

# ---- the right to keep capabilities ----

SKIP: {
    skip 'setuid() to another user takes CAP_SETUID, and uid 65534 mapped', 2
        if !effective(CAP_SETUID) || in_child { POSIX::setuid(65534) ? 0 : 1 };
    my $permitted = $caps{P};
    my ($kept, $lost) = map {
        my $keep = $_;
        in_child {
            set_keepcaps($keep);
            POSIX::setuid(65534) or die "setuid: $!\n";
            my %now = proc_caps();
            $now{P};
        };
    } 1, 0;
    is($kept, $permitted, 'set_keepcaps(1): setuid() leaves permitted as it was');
    is($lost, 0, 'set_keepcaps(0): setuid() takes everything');
}

# ---- no_new_privs ----

{
    my @seen = in_child {
        my %before = proc_status();
        my @answers = (set_no_new_privs(), set_no_new_privs(1));
        my %after = proc_status();
        my %child = in_child { proc_status() };
        my $executed = qx{$^X -ne 'print \$1 if /^NoNewPrivs:\\s*(\\d)/' /proc/self/status};
        return ($before{NoNewPrivs}, @answers, $after{NoNewPrivs}, $child{NoNewPrivs}, $executed);
    };
    SKIP: {
        skip 'the kernel does not show NoNewPrivs', 1 if !defined $seen[0];
        is_deeply([@seen[1 .. 5]], [0, 0, 1, 1, 1],
            'no new privs: set_no_new_privs() is there, kept over fork and exec');
    }
}

# ---- child subreaper ----

SKIP: {
    needs('set_child_subreaper', 2);
    # A grandchild whose parent is gone: who adopts it?
    my $adopted_by = sub {
        my ($reaper) = @_;
        return in_child {
            set_child_subreaper($reaper);
            pipe my $from, my $to or die "pipe: $!\n";
            pipe my $wait, my $gone or die "pipe: $!\n";
            binmode $_ for $from, $to, $wait, $gone;
            my $me = $$;
            my $middle = fork // die "fork: $!\n";
            if (!$middle) {
                my $grandchild = fork // die "fork: $!\n";
                if (!$grandchild) {
                    close $gone;
                    sysread $wait, my ($nothing), 1;    # the middle one has been waited for
                    my %status = proc_status();
                    syswrite $to, join ' ', $status{PPid} == $me ? 'me' : 'another',
                        get_child_subreaper() ? 'inherited' : 'not inherited';
                }
                POSIX::_exit(0);
            }
            close $to;
            waitpid $middle, 0;
            close $gone;
            my $said = <$from>;
            wait;
            return $said;
        };
    };
    is($adopted_by->(1), 'me not inherited',
        'set_child_subreaper(1): orphans become children of this process');
    is($adopted_by->(0), 'another not inherited', 'set_child_subreaper(0): they do not');
}

# ---- timer slack ----

SKIP: {
    my $is = sub {
        open my $in, '<', "/proc/$$/timerslack_ns" or return;
        chomp(my $line = <$in> // '');
        return $line;
    };
    my $default = get_timerslack();
    is($default, $is->(), 'get_timerslack() is what /proc says') if length($is->() // '');
    skip 'real-time threads have no timer slack', 7 if !$default;
    my $most = unpack 'L!', pack 'l!', -1;
    # Does all of an answer come back? An emulator may keep an int of it.
    my ($raw, $there) = no_sys() ? () : in_child { raw(29, 2**31 + 5); (raw(30), $is->()) };
    my $cut = length($there // '') && $raw != $there ? "the bare call answers $raw where /proc has $there" : '';
    for my $slack (fits_long(1, 2**31, 2**32 - 1, 2**32 + 5, 2**33), $most >> 1, $most, -2, -4095, -4096) {
        my ($answer, $got, $seen) = in_child { (set_timerslack($slack), get_timerslack(), $is->()) };
        my $expected = unpack 'L!', pack $slack < 0 ? 'l!' : 'L!', $slack;
        is($answer, 0, "set_timerslack($slack)");
        SKIP: {
            skip $cut, 1 if $cut;
            is($got, $expected, "set_timerslack($slack): get_timerslack() carries all of it");
        }
        is($seen, $expected, "set_timerslack($slack): as /proc says") if length($seen // '');
    }
    is(in_child { set_timerslack(77); set_timerslack(0); get_timerslack() }, $default,
        'set_timerslack(0): the default again');
}

# ---- memory ----

SKIP: {
    my %status = proc_status();
    skip 'the kernel does not show THP_enabled', 2 if !defined $status{THP_enabled};
    needs('set_thp_disable', 2);
    my @enabled = in_child {
        map { set_thp_disable($_); my %now = proc_status(); $now{THP_enabled} } 1, 0;
    };
    is_deeply(\@enabled, [0, 1], 'set_thp_disable: as /proc says');
    my ($answer, $errno, $got) = in_child {
        my $answer = set_thp_disable(1, THP_DISABLE_EXCEPT_ADVISED);
        ($answer, $! + 0, get_thp_disable());
    };
    ok($answer == 0 ? $got == 3 : $errno == EINVAL && $got == 0,
        'set_thp_disable with a flag: taken, or EINVAL before 6.18')
        or diag "$answer $errno $got";
}

SKIP: {
    needs('set_mdwe', 3);
    skip 'mmap is called by its number on x86_64', 3 if !$x86_64;
    my $map = sub { syscall(9, 0, 4096, 7, 0x22, -1, 0) == -1 ? $! + 0 : 0 };
    # Before 6.12, a mapping beside one of the same kind becomes a part of it, and is not
    # refused: so the first is made in another process.
    my $before = in_child { $map->() };
    my @seen   = in_child {
        set_mdwe(MDWE_REFUSE_EXEC_GAIN);
        my $after = $map->();
        my $undo = set_mdwe(0);
        return ($before, $after, $undo, $! + 0, get_mdwe());
    };
    is($seen[0], 0, 'memory may be writable and executable');
    is($seen[1], EACCES, 'set_mdwe: no longer');
    is_deeply([@seen[2 .. 4]], [-1, EPERM, 1], 'set_mdwe(0) does not undo it');
}

SKIP: {
    skip 'mmap is called by its number on x86_64', 3 if !$x86_64;
    needs('set_vma_anon_name', 3);
    my @seen = in_child {
        my $address = syscall 9, 0, 8192, 3, 0x22, -1, 0;
        my $maps = sub {
            open my $in, '<', '/proc/self/maps' or die "maps: $!\n";
            my ($line) = grep { /\A0*@{[sprintf '%x', $address]}-/ } <$in>;
            return $line =~ /\[anon:(.*)\]/ ? $1 : '';
        };
        my @seen = (set_vma_anon_name($address, 8192, 'a name of mine'), $maps->());
        push @seen, set_vma_anon_name($address, 8192, undef), $maps->();
        push @seen, set_vma_anon_name($address, 8192, '[not allowed]'), $! + 0, $maps->();
        return @seen;
    };
    is_deeply([@seen[0, 1]], [0, 'a name of mine'], 'set_vma_anon_name: in /proc/self/maps');
    is_deeply([@seen[2, 3]], [0, ''], 'set_vma_anon_name: undef takes it away');
    is_deeply([@seen[4 .. 6]], [-1, EINVAL, ''],
        'set_vma_anon_name: a character that the kernel does not like');
}

SKIP: {
    needs('get_auxv', 2);
    open my $in, '<:raw', '/proc/self/auxv' or skip "/proc/self/auxv: $!", 2;
    my @expected = unpack 'L!*', do { local $/; <$in> };
    splice @expected, -2 while @expected && !$expected[-2];
    my @got = get_auxv();
    is_deeply(\@got, \@expected, 'get_auxv() is /proc/self/auxv');
    my %auxv = @got;
    is($auxv{6}, POSIX::sysconf(POSIX::_SC_PAGESIZE()), 'get_auxv() makes a hash: AT_PAGESZ');
}

SKIP: {
    needs('get_tid_address', 3);
    my $thread_at = sub {
        my $address = get_tid_address();
        open my $memory, '<:raw', '/proc/self/mem' or die "/proc/self/mem: $!\n";
        sysseek $memory, $address, 0;
        sysread $memory, my ($bytes), 4;
        return unpack 'L', $bytes;
    };
    SKIP: {
        skip no_sys(), 1 if length no_sys();
        my $wished = 0x5aa5c33c;    # what is in the buffer for the answer before
        my ($bare, $is) = in_child {
            sys(set_tid_address => $wished);
            my $room = "\0" x 8;
            sys(prctl => 40, $room, 0, 0, 0);
            (unpack('L!', $room), get_tid_address());
        };
        skip 'the bare call answers with another one', 1 if $bare != $wished;
        is($is, $wished, 'get_tid_address(): an answer that looks like none');
    }
    # glibc 2.42 has a state of the thread there.
    skip 'the C library keeps no number of a thread there', 2 if $thread_at->() < 10 && $$ >= 10;
    is($thread_at->(), $$, 'get_tid_address(): the number of this thread stands there');
    my ($is, $pid) = in_child { ($thread_at->(), $$) };
    is($is, $pid, 'get_tid_address(): in a child too');
}

# ---- performance events: nothing is open, so there is nothing to see ----

SKIP: {
    needs('task_perf_events_disable', 2);
    skip refused(31), 2 if refused(31);
    is(in_child { task_perf_events_disable() }, 0, 'task_perf_events_disable()');
    is(in_child { task_perf_events_enable() }, 0, 'task_perf_events_enable()');
}
SKIP: {
    needs('mce_kill_clear', 1);
    is_deeply([in_child { set_mce_kill(MCE_KILL_EARLY); (mce_kill_clear(), get_mce_kill()) }],
        [0, MCE_KILL_DEFAULT], 'mce_kill_clear() brings the default back');
}
SKIP: {
    witness(3);
    for my $misfeature (SPEC_STORE_BYPASS, SPEC_INDIRECT_BRANCH, SPEC_L1D_FLUSH) {
        my $expected = raw(52, $misfeature);
        is(get_speculation_ctrl($misfeature), $expected == -1 ? undef : $expected,
            "get_speculation_ctrl($misfeature) is what the kernel says");
    }
}
SKIP: {
    witness(1);
    my $expected = raw(58);
    is(get_io_flusher(), $expected == -1 ? undef : $expected,
        'get_io_flusher() is what the kernel says');
}
SKIP: {
    witness(1);
    needs('get_io_flusher', 1);
    skip 'set_io_flusher takes sys_resource', 1 if !effective(CAP_SYS_RESOURCE);
    is_deeply([in_child { map { (set_io_flusher($_), get_io_flusher(), raw(58)) } 1, 0 }], [0, 1, 1, 0, 0, 0],
        'set_io_flusher: 1 and 0, as the kernel sees it');
}

# ---- seccomp ----

SKIP: {
    my %status = proc_status();
    skip 'this kernel has no seccomp', 4 if !defined $status{Seccomp};
    skip refused(21), 4 if !$status{Seccomp} && refused(21);
    is(get_seccomp(), $status{Seccomp}, 'get_seccomp() is what /proc says');
    skip 'a filter is there already, and strict mode cannot follow', 3 if $status{Seccomp};
    is(how_ended { set_seccomp(SECCOMP_MODE_STRICT) == 0 or die; sys_exit(7) }, 7 << 8,
        'strict seccomp: sys_exit(7) is the way out');
    is(how_ended { set_seccomp(SECCOMP_MODE_STRICT) == 0 or die; POSIX::_exit(7) }, POSIX::SIGKILL(),
        'strict seccomp: POSIX::_exit is not');
    is(how_ended { set_seccomp(SECCOMP_MODE_STRICT) == 0 or die; getppid }, POSIX::SIGKILL(),
        'strict seccomp: nor is anything else allowed');
}
is(how_ended { sys_exit($_) }, $_ << 8, "sys_exit($_)") for 0, 3, 255;

SKIP: {
    my $reason = no_filter();
    skip $reason, 4 if length $reason;
    my $program = join '', map { pack 'S C C L', @$_ } [0x20, 0, 0, 0], [0x15, 0, 1, 110],
        [6, 0, 0, 0x50021], [6, 0, 0, 0x7fff0000];    # getppid: errno 33
    my @seen = in_child {
        set_no_new_privs();
        my $answer = set_seccomp(SECCOMP_MODE_FILTER, $program);
        my $ppid = syscall 110;
        my $errno = $! + 0;
        my %status = proc_status();
        return ($answer, $ppid, $errno, $status{Seccomp}, get_seccomp());
    };
    is_deeply(\@seen, [0, -1, 33, 2, 2],
        'set_seccomp(SECCOMP_MODE_FILTER, $program): the filter works');
    is(in_child { set_seccomp(SECCOMP_MODE_FILTER, '') }, -1, 'an empty program is refused');
    SKIP: {
        my %status = proc_status();
        skip 'no new privs: no_new_privs is set already', 1 if $status{NoNewPrivs};
        skip 'who has CAP_SYS_ADMIN needs no no_new_privs', 1 if effective(CAP_SYS_ADMIN);
        my @refused = in_child {
            my $answer = set_seccomp(SECCOMP_MODE_FILTER, $program);
            ($answer, $! + 0, get_seccomp());
        };
        is_deeply(\@refused,
            [-1, EACCES, 0], 'plain user: without no_new_privs, a filter is refused');
    }
}

# ---- who may trace ----

{
    my ($ppid, @seen) = in_child {
        my $mine = set_ptracer($$);    # EINVAL without Yama
        my $then = get_ptracer();
        my @child = in_child { (get_ptracer(), getppid) };
        return (getppid, $mine, $then, $$, @child);
    };
    my ($mine, $then, $pid, $childs, $childs_parent) = @seen;
    is($then, $mine == 0 ? $pid : $ppid,
        'get_ptracer(): what was set, or the parent if it was refused');
    is($childs, $childs_parent, 'get_ptracer(): a child starts afresh');
}

# What Yama makes of it: a child, which may not trace its parent, looks into its memory.
SKIP: {
    open my $in, '<', '/proc/sys/kernel/yama/ptrace_scope' or skip 'this kernel has no Yama', 4;
    skip 'who may trace is not told by Yama alone: ptrace_scope is not 1', 4 if <$in> != 1;
    witness(4);
    my @seen = in_child {
        raw_capset(0, 0, 0);    # sys_ptrace may trace everybody
        pipe my $asked, my $ask or die "pipe: $!\n";
        pipe my $told, my $tell or die "pipe: $!\n";
        binmode $_ for $asked, $ask, $told, $tell;
        my $me    = $$;    # a list would have the variable itself
        my $other = fork // die "fork: $!\n";
        if (!$other) {
            close $ask;
            syswrite $tell, open(my $memory, '<', "/proc/$me/mem") ? 1 : 0 while sysread $asked, my $byte, 1;
            POSIX::_exit(0);
        }
        my @seen = map {
            my $answer = defined $_ ? set_ptracer($_ eq 'it' ? $other : $_) : 'unset';
            syswrite $ask, 'x';
            sysread $told, my $opened, 1;
            "$answer $opened";
        } undef, 'it', 0, SET_PTRACER_ANY;
        close $ask;
        waitpid $other, 0;
        return @seen;
    };
    is($seen[0], 'unset 0', 'Yama: a child may not trace its parent');
    is($seen[1], '0 1', 'Yama: set_ptracer($pid): then it may');
    is($seen[2], '0 0', 'Yama: set_ptracer(0): no more');
    is($seen[3], '0 1', 'Yama: set_ptracer(SET_PTRACER_ANY): everybody may');
}

# ---- sets in words ----

{
    my @all = map { cap_name($_) } 0 .. last_cap();
    is(caps_text(), 'none', 'caps_text(): none');
    is(caps_text(reverse @all), 'all', 'caps_text(): all that the kernel has');
    is(caps_text(@all, 63), 'all', 'caps_text(): and one that it has not');
    is(caps_text(qw(kill CAP_CHOWN 0 63)), 'chown, kill, 63', 'caps_text(): in order, each once');
    is(caps_text(@all[ 2 .. $#all ]), "all but $all[0], $all[1]", 'caps_text(): all but two');
    my $half = int @all / 2;
    is(caps_text(@all[ 0 .. $half - 1 ]), join(', ', @all[ 0 .. $half - 1 ]), 'caps_text(): a half by name');
    is(caps_text(@all[ 0 .. $half + 1 ]), 'all but ' . join(', ', @all[ $half + 2 .. $#all ]),
        'caps_text(): more than a half by what is missing');
    is(eval { caps_text('chown', 'bogus') }, undef, 'caps_text(): what is none dies');
    is($@, "caps_text: Unknown capability: bogus at $0 line ${\(__LINE__ - 1)}.\n", '... and says so');
}

# ---- capabilities, one at a time ----

SKIP: {
    open my $in, '<', '/proc/sys/kernel/cap_last_cap' or skip "cap_last_cap: $!", 4;
    chomp(my $last = <$in>);
    is(last_cap(), $last, 'last_cap() is what /proc says');
    for my $case (
        ['capbset_read', $caps{B}, sub { capbset_read($_[0]) }],
        ['cap_ambient_is_set', $caps{A}, sub { cap_ambient_is_set($_[0]) }],
        ['get_cap(CAP_EFFECTIVE)', $caps{E}, sub { get_cap(CAP_EFFECTIVE, $_[0]) }],
        ['get_cap(CAP_PERMITTED)', $caps{P}, sub { get_cap(CAP_PERMITTED, $_[0]) }],
        ['get_cap(CAP_INHERITABLE)', $caps{I}, sub { get_cap(CAP_INHERITABLE, $_[0]) }],
    ) {
        my ($what, $mask, $ask) = @$case;
        is_deeply([map { $ask->($_) } 0 .. $last], [map { $mask >> $_ & 1 } 0 .. $last],
            "$what: all of them, as /proc says");
        is($ask->($last + 1), undef,
            "$what: undef for one that this kernel does not have") if $last < 63;
    }
}

SKIP: {
    skip 'lowering takes something that is effective', 3 if !effective(CAP_KILL);
    my ($answer, %now) = in_child { (set_cap(CAP_EFFECTIVE, 'kill', 0), proc_caps()) };
    is($answer, 0, 'set_cap(CAP_EFFECTIVE, "kill", 0)');
    is($now{E}, all_but($caps{E}, CAP_KILL), 'one capability is gone from effective');
    is_deeply([@now{qw(P I B A)}], [@caps{qw(P I B A)}], 'and nothing else has changed');
    my @inherit = in_child {
        my @answers = (set_cap(CAP_INHERITABLE, 'kill', 1), cap_ambient_raise('kill'));
        my %up = proc_caps();
        push @answers, cap_ambient_lower('kill');
        my %down = proc_caps();
        push @answers, cap_ambient_raise('CAP_KILL'), cap_ambient_clear_all();
        my %clear = proc_caps();
        (@answers, $up{I} >> CAP_KILL & 1, $up{A} >> CAP_KILL & 1, $down{A} >> CAP_KILL & 1, $clear{A});
    };
    is_deeply(\@inherit, [(0) x 5, 1, 1, 0, 0], 'inheritable and ambient, raised and lowered');
}
SKIP: {
    my ($answer, $errno, %now) = in_child {
        my $answer = capbset_drop('kill');
        ($answer, $! + 0, proc_caps());
    };
    if (effective(CAP_SETPCAP)) {
        is($answer, 0, 'root with everything: capbset_drop("kill")');
        is($now{B}, all_but($caps{B}, CAP_KILL), 'root with everything: one capability is gone from the bounding set');
    }
    else {
        is_deeply([$answer, $errno], [-1, EPERM], 'plain user: capbset_drop("kill") is refused');
        is($now{B}, $caps{B}, 'plain user: and the bounding set is as it was');
    }
}
{
    my ($answer, $errno, %now) = in_child {
        my $answer = cap_ambient_raise('kill');
        ($answer, $! + 0, proc_caps());
    };
    SKIP: {
        skip 'kill is inheritable here', 1 if $caps{I} >> CAP_KILL & 1;
        is_deeply([$answer, $errno, $now{A}], [-1, EPERM, $caps{A}],
            'cap_ambient_raise: not without inheritable');
    }
}

SKIP: {
    witness(3);
    is(get_securebits(), raw(27), 'get_securebits() is what the kernel says');
    my ($answer, $errno, $got, $is) = in_child {
        my $answer = set_securebits(SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NOROOT);
        ($answer, $! + 0, get_securebits(), raw(27));
    };
    if (effective(CAP_SETPCAP) && !get_securebits()) {
        is_deeply([$answer, $got, $is], [0, 65, 65], 'root with everything: set_securebits');
    }
    elsif (!effective(CAP_SETPCAP)) {
        is_deeply([$answer, $errno, $got, $is], [-1, EPERM, get_securebits(), get_securebits()],
            'plain user: set_securebits is refused');
    }
}

for my $name (map { lc substr $_, 4 } @{ $Linux::Prctl::EXPORT_TAGS{capabilities} }) {
    my $number = cap_number($name);
    is(cap_name($number), $name, "cap_name($number) is $name, and cap_number('$name') its number");
}
my $unnamed = @{ $Linux::Prctl::EXPORT_TAGS{capabilities} };    # the first
is(cap_name($_), "$_", "cap_name($_): a number where there is no name") for $unnamed, 63;
is(cap_number("cap_$unnamed"), $unnamed, 'cap_number: a number that has no name');

# ---- the ids of the file system ----

{
    my %status = proc_status();
    for my $case (
        ['uid', 'Uid', \&getfsuid, \&setfsuid, CAP_SETUID],
        ['gid', 'Gid', \&getfsgid, \&setfsgid, CAP_SETGID],
    ) {
        my ($kind, $field, $get, $set, $cap) = @$case;
        my ($real, $effective, $saved, $fs) = split ' ', $status{$field};
        is($get->(), $fs, "getfs$kind() is what /proc says");
        my @same = in_child { $! = 77; my $answer = $set->($effective); ($answer, $! + 0) };
        is_deeply(\@same, [0, 77], "setfs$kind to the effective id is no change, and no error");
        my ($answer, $errno, $got, %now) = in_child {
            my $answer = $set->(65534);
            ($answer, $! + 0, $get->(), proc_status());
        };
        my $then = (split ' ', $now{$field})[3];
        is($got, $then, "getfs$kind() afterwards is what /proc says");
        if (grep { $_ == 65534 } $real, $effective, $saved, $fs) {
            is_deeply([$answer, $then], [0, 65534], "setfs$kind(65534): one of its own");
        }
        elsif (effective($cap)) {
            my $mapped = $then == 65534;
            is_deeply([$answer, $mapped ? 0 : $errno], $mapped ? [0, 0] : [-1, EINVAL],
                "setfs$kind(65534): done, or EINVAL where that id is not mapped");
        }
        my %mine = map { $_ => 1 } $real, $effective, $saved, $fs;
        my ($foreign) = grep { !$mine{$_} } 12345 .. 12349;
        my ($refused, $why, %left) = in_child {
            my $answer = $set->($foreign);
            ($answer, $! + 0, proc_status());
        };
        if (!effective($cap)) {
            is_deeply([$refused, $why], [-1, EPERM],
                "plain user: setfs$kind($foreign) is refused, and says so");
            is($left{$field}, $status{$field}, "plain user: setfs$kind($foreign): nothing has changed");
        }
        else {
            is($refused, (split ' ', $left{$field})[3] == $foreign ? 0 : -1,
                "setfs$kind($foreign): the answer is what happened");
        }
    }
}

done_testing;
