package Seccomp;

# Another kernel than the one that runs: system calls are answered by a filter, or
# by a process that watches. Nothing but perl is needed for that, and no privilege.
use 5.014;
use warnings;

use SystemCalls qw(sys no_sys raw_prctl);
use TestChild ();    # the listener, too, needs /proc

use Config;
use Errno qw(EACCES EINTR);
use Exporter qw(import);
use POSIX ();
use Storable qw(freeze thaw);

our @EXPORT_OK = qw(
    no_filter no_listener no_seccomp filter supervised peek
    instructions low_word install_program prctl_answers fewer_program fewer_capabilities
);

# The numbers of the system calls that tests speak of, on x86_64.
my %number = (
    ioctl => 16, getppid => 110, exit => 60, capget => 125, capset => 126, prctl => 157,
    setuid => 105, setgid => 106, setreuid => 113, setregid => 114, setgroups => 116,
    setresuid => 117, setresgid => 119, setfsuid => 122, setfsgid => 123, unshare => 272,
    seccomp => 317, pidfd_open => 434, pidfd_getfd => 438,
);
my %name = reverse %number;

use constant {
    AUDIT_ARCH_X86_64 => 0xc000003e,
    SET_MODE_FILTER   => 1,
    NEW_LISTENER      => 8,
    NOTIF_RECV        => 0xc0502100,    # _IOWR('!', 0, struct seccomp_notif)
    NOTIF_SEND        => 0xc0182101,    # _IOWR('!', 1, struct seccomp_notif_resp)
    NOTIF_CONTINUE    => 1,
    RET_ALLOW         => 0x7fff0000,
    RET_ERRNO         => 0x00050000,
    RET_USER_NOTIF    => 0x7fc00000,
    # BPF
    LOAD         => 0x20,
    JUMP         => 0x05,
    JUMP_EQUAL   => 0x15,
    JUMP_GREATER => 0x25,
    RETURN       => 0x06,
    # struct seccomp_data
    AT_NUMBER => 0,
    AT_ARCH   => 4,
    AT_ARGS   => 16,
};

# ---- filters as programs: for any processor whose system calls have known numbers ----

# [code, jump if true, jump if false, k]
sub instructions { return join '', map { pack 'S C C L', @$_ } @_ }

# Where seccomp_data has the low half of an argument.
sub low_word {
    my ($argument) = @_;
    return AT_ARGS + 8 * $argument + ($Config{byteorder} =~ /\A1234/ ? 0 : 4);
}

# Without flags it returns 0, and with NEW_LISTENER a descriptor.
sub install_program {
    my ($program, $flags) = @_;
    my $filter = pack 'S x![P] P', length($program) / 8, $program;
    my @install = (SET_MODE_FILTER, $flags // 0, $filter);
    my $result = eval { sys(seccomp => @install) };
    return $result if defined $result;
    die $@ if $! != EACCES;    # without privilege: no_new_privs first
    raw_prctl(38, 1);
    return sys(seccomp => @install);
}

# Why there can be no filter at all, not even one that allows everything, on whatever
# processor; nothing, where there can. An emulator has none.
sub no_seccomp {
    state $why = no_sys() || TestChild::in_child {
        eval { install_program(instructions([ RETURN, 0, 0, RET_ALLOW ])); 1 } ? '' : $@;
    };
    return $why =~ s/\n\z//r;
}

# Every prctl(), or those with these options, is answered with an errno.
sub prctl_answers {
    my ($errno, @options) = @_;
    my @test = map { [ JUMP_EQUAL, @options - $_, 0, $options[ $_ - 1 ] ] } 1 .. @options;
    install_program(instructions(
        [ LOAD, 0, 0, AT_NUMBER ],
        [ JUMP_EQUAL, 0, (@options ? @options + 2 : 1), sys('prctl') ],
        (@options ? ([ LOAD, 0, 0, low_word(0) ], @test[ 0 .. $#test - 1 ],
                     [ JUMP_EQUAL, 0, 1, $options[-1] ]) : ()),
        [ RETURN, 0, 0, RET_ERRNO | $errno ],
        [ RETURN, 0, 0, RET_ALLOW ],
    ));
    return;
}

# A kernel with capabilities up to $last alone, as far as prctl() tells: reading and
# dropping in the bounding set, and the ambient set, answer EINVAL above it.
sub fewer_program {
    my ($last) = @_;
    return instructions(
        [ LOAD, 0, 0, AT_NUMBER ],
        [ JUMP_EQUAL, 0, 9, sys('prctl') ],
        [ LOAD, 0, 0, low_word(0) ],
        [ JUMP_EQUAL, 4, 0, 23 ],
        [ JUMP_EQUAL, 3, 0, 24 ],
        [ JUMP_EQUAL, 0, 5, 47 ],
        [ LOAD, 0, 0, low_word(2) ],      # PR_CAP_AMBIENT: the third argument
        [ JUMP, 0, 0, 1 ],
        [ LOAD, 0, 0, low_word(1) ],
        [ JUMP_GREATER, 0, 1, $last ],
        [ RETURN, 0, 0, RET_ERRNO | POSIX::EINVAL() ],
        [ RETURN, 0, 0, RET_ALLOW ],
    );
}

sub fewer_capabilities { my ($last) = @_; return install_program(fewer_program($last)) }

# ---- filters as rules: for x86_64 ----

sub number_of {
    my ($syscall) = @_;
    return $syscall if $syscall =~ /\A[0-9]+\z/;
    return $number{$syscall} // die "no number is known for $syscall\n";
}

# One rule: [syscall, what the filter returns, the arguments it is about]. An
# argument that is undef, or not there, may be anything.
sub compiled {
    my ($syscall, $returns, @args) = @_;
    my @test = ([AT_NUMBER, number_of($syscall)]);
    for my $i (grep { defined $args[$_] } 0 .. $#args) {
        my ($low, $high) = unpack 'L L', pack $args[$i] < 0 ? 'q' : 'Q', $args[$i];
        push @test, [AT_ARGS + 8 * $i, $low], [AT_ARGS + 8 * $i + 4, $high];
    }
    my $left = 2 * @test + 1;
    my $code = '';
    for my $test (@test) {
        my ($offset, $value) = @$test;
        $left -= 2;
        $code .= instructions([ LOAD, 0, 0, $offset ], [ JUMP_EQUAL, 0, $left, $value ]);
    }
    return $code . instructions([ RETURN, 0, 0, $returns ]);
}

sub program {
    my (@rules) = @_;
    my $allow = instructions([ RETURN, 0, 0, RET_ALLOW ]);
    return join '',
        instructions([ LOAD, 0, 0, AT_ARCH ], [ JUMP_EQUAL, 1, 0, AUDIT_ARCH_X86_64 ]),
        $allow, map({ compiled(@$_) } @rules), $allow;
}

# filter([prctl => EPERM], [prctl => EINVAL, 23, 40], [capset => 0]): from now on the
# calling process gets these answers; an errno of 0 is a success that did nothing.
# The first rule that fits counts.
sub filter {
    my (@rules) = @_;
    my @answers = map { my ($syscall, $errno, @args) = @$_; [$syscall, RET_ERRNO | $errno, @args] }
        @rules;
    install_program(program(@answers));
    return;
}

# Why there can be no filter here; nothing, where there can.
sub no_filter {
    state $why = do {
        my $machine = (POSIX::uname())[4];
        my $reason = '';
        if ($machine ne 'x86_64' || $Config{ptrsize} != 8) {
            $reason = "the filters are written for x86_64, this is $machine"
                . " with pointers of $Config{ptrsize} bytes";
        }
        else {
            pipe my $from, my $to or die "pipe: $!\n";
            my $pid = fork // die "fork: $!\n";
            if (!$pid) {
                my $works = eval { filter([getppid => 33]); 1 };
                my $said = !$works ? $@ : syscall($number{getppid}) == -1 ? '' : "it does nothing\n";
                syswrite $to, $said;
                POSIX::_exit(0);
            }
            close $to;
            $reason = do { local $/; <$from> } // '';
            waitpid $pid, 0;
            chomp $reason;
            $reason = "no seccomp filter can be installed: $reason" if length $reason;
        }
        $reason;
    };
    return $why;
}

# ---- a listener that answers: for x86_64 ----

# Why there can be no listener here; nothing, where there can.
sub no_listener {
    state $why = do {
        my $reason = no_filter();
        if (!length $reason) {
            my $said = eval {
                my (undef, $answer) = supervised(['getppid'], sub { 1234567 },
                    sub { syscall $number{getppid} });
                $answer == 1234567 ? '' : "the answer was $answer\n";
            } // $@;
            chomp $said;
            $reason = "no seccomp listener can be installed: $said" if length $said;
        }
        $reason;
    };
    return $why;
}

# my ($calls, @result) = supervised(\@syscalls, \&answer, \&code);
#
# Runs the code in a child; each system call named is answered here, by what
# answer($call) returns: a number, { errno => N }, { value => N, write => { address =>
# bytes } }, or undef to let the kernel have it. $call is { syscall, args, pid }, args
# being all six in full width; it is kept in @$calls, with whatever was added to it.
sub supervised {
    my ($syscalls, $answer, $code) = @_;
    pipe my $from, my $to or die "pipe: $!\n";
    pipe my $wait, my $go or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        close $from;
        close $go;
        my @result = eval {
            my $fd = install_program(program(map { [$_, RET_USER_NOTIF] } @$syscalls), NEW_LISTENER);
            syswrite $to, pack 'l', $fd or die "write: $!\n";
            sysread $wait, my $gone, 1 and die "nobody was to write\n";
            POSIX::close($fd);
            (1, $code->());
        };
        @result = (0, "$@") if !@result;
        binmode $to;
        my $frozen = freeze(\@result);
        while (length $frozen) {
            my $written = syswrite($to, $frozen) // POSIX::_exit(99);
            substr $frozen, 0, $written, '';
        }
        POSIX::_exit(0);
    }
    close $to;
    close $wait;
    binmode $from;

    my @calls;
    my $frozen = '';
    my $listener;
    if ((sysread($from, my $number, 4) // 0) == 4) {
        my $fd = unpack 'l', $number;
        if ($fd > 2 && $fd < 1024) {
            $listener = eval { handle_of($pid, $fd) };
            if (!$listener) {
                my $why = $@;
                kill KILL => $pid;
                waitpid $pid, 0;
                die $why;
            }
        }
        else {
            $frozen = $number;    # not that far: the first bytes of what it died of
        }
    }
    close $go;
    while (1) {
        my $ready = '';
        vec($ready, fileno $_, 1) = 1 for $from, $listener || ();
        if (select($ready, undef, undef, undef) < 0) {
            next if $! == EINTR;
            die "select: $!\n";
        }
        if (vec $ready, fileno $from, 1) {
            last if !sysread $from, $frozen, 65536, length $frozen;
        }
        elsif ($listener) {
            my $call = received($listener) or next;
            push @calls, $call;
            answered($listener, $call, scalar $answer->($call));
        }
    }
    waitpid $pid, 0;
    die sprintf "the child ended with status %#x and said nothing\n", $? if !length $frozen;
    my ($lived, @result) = @{ thaw($frozen) };
    die $result[0] if !$lived;
    delete @$_{qw(id pid)} for @calls;
    return (\@calls, @result);
}

# A copy of the listener that the child has.
sub handle_of {
    my ($pid, $fd) = @_;
    my $process = syscall $number{pidfd_open}, $pid, 0;
    die "pidfd_open: $!\n" if $process < 0;
    my $copy  = syscall $number{pidfd_getfd}, $process, $fd, 0;
    my $error = $!;
    POSIX::close($process);
    die "pidfd_getfd: $error\n" if $copy < 0;
    open my $handle, '+<&=', $copy or die "listener: $!\n";
    return $handle;
}

sub received {
    my ($listener) = @_;
    my $notif = "\0" x 80;
    ioctl $listener, NOTIF_RECV, $notif or return;    # the caller was killed meanwhile
    my ($id, $pid, undef, $number, undef, undef, @args) = unpack 'Q L L l L Q Q6', $notif;
    return {
        id => $id, pid => $pid, syscall => $name{$number} // $number, args => \@args,
    };
}

sub answered {
    my ($listener, $call, $answer) = @_;
    my $flags = defined $answer ? 0 : NOTIF_CONTINUE;
    $answer = { value => $answer // 0 } if ref $answer ne 'HASH';
    poke($call, $_, $answer->{write}{$_}) for keys %{ $answer->{write} || {} };
    my $value = $answer->{value} // 0;
    my $reply = pack +($value < 0 ? 'Q q l L' : 'Q Q l L'), $call->{id}, $value,
        -($answer->{errno} // 0), $flags;
    ioctl $listener, NOTIF_SEND, $reply or warn "answer to $call->{syscall}: $!\n";
    return;
}

sub memory {
    my ($call, $address, $mode) = @_;
    open my $memory, "$mode:raw", "/proc/$call->{pid}/mem" or die "memory: $!\n";
    sysseek $memory, $address, 0 or die "memory at $address: $!\n";
    return $memory;
}

# What the caller has at an address.
sub peek {
    my ($call, $address, $length) = @_;
    my $memory = memory($call, $address, '<');
    my $got = sysread $memory, my ($bytes), $length;
    die "memory at $address: $!\n" if !defined $got;
    return $bytes;
}

sub poke {
    my ($call, $address, $bytes) = @_;
    my $memory = memory($call, $address, '+<');
    my $put = syswrite $memory, $bytes;
    die "memory at $address: $!\n" if ($put // 0) != length $bytes;
    return;
}

1;
