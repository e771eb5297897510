package SystemCalls;

# System calls without the module that is tested. The numbers differ by processor.
use 5.014;
use warnings;

use Config;
use Exporter qw(import);
use POSIX ();

use Masks qw(bit);

our @EXPORT_OK = qw(
    sys no_sys raw_clone raw_prctl raw_capget raw_capset raw_drop ambient_raise last_capability
);

# generic: the 64-bit processors that came late
my %generic = (
    clone => 220, prctl => 167, capget => 90, capset => 91, seccomp => 277, unshare => 97,
    setresuid => 147, setresgid => 149, setgroups => 159, ioctl => 29, gettid => 178, set_tid_address => 96,
);
my %numbers = (
    x86_64 => {
        clone => 56, prctl => 157, capget => 125, capset => 126, seccomp => 317, unshare => 272,
        setresuid => 117, setresgid => 119, setgroups => 116, ioctl => 16, gettid => 186, set_tid_address => 218,
    },
    i386 => {
        clone => 120, prctl => 172, capget => 184, capset => 185, seccomp => 354, unshare => 310,
        setresuid => 208, setresgid => 210, setgroups => 206, ioctl => 54, gettid => 224, set_tid_address => 258,
    },
    arm => {
        clone => 120, prctl => 172, capget => 184, capset => 185, seccomp => 383, unshare => 337,
        setresuid => 208, setresgid => 210, setgroups => 206, ioctl => 54, gettid => 224, set_tid_address => 256,
    },
    s390x => {
        clone => 120, prctl => 172, capget => 184, capset => 185, seccomp => 348, unshare => 303,
        setresuid => 208, setresgid => 210, setgroups => 206, ioctl => 54, gettid => 236, set_tid_address => 252,
    },
    powerpc64 => {
        clone => 120, prctl => 171, capget => 183, capset => 184, seccomp => 358, unshare => 282,
        setresuid => 164, setresgid => 169, setgroups => 81, ioctl => 54, gettid => 207, set_tid_address => 232,
    },
    aarch64     => \%generic,
    riscv64     => \%generic,
    loongarch64 => \%generic,
);

# What perl was built for; the kernel under it may well be a wider one.
sub processor {
    my ($name) = $Config{archname} =~ /\A([^-]+)/;
    $name = 'i386'      if $name =~ /\Ai[3-6]86\z/;
    $name = 'powerpc64' if $name =~ /\A(?:powerpc64|ppc64)(?:le|el)?\z/;
    $name = 'arm'       if $name =~ /\Aarm/;
    if ($Config{ptrsize} == 4) {
        $name = 'i386' if $name eq 'x86_64' && $Config{archname} !~ /x32/;
        $name = 'arm'  if $name eq 'aarch64';
        return "$name with pointers of 32 bits" if $name !~ /\A(?:i386|arm)\z/;
    }
    return $name;
}

my $processor = processor();
my $number    = $numbers{$processor};

# Why no system call can be made here; nothing, where they can.
sub no_sys {
    return $number ? '' : "no numbers of system calls are known to the tests for $processor";
}

# The number of a system call, or the call itself; dies of a failure.
sub sys {
    my $name = shift;
    die no_sys() . "\n" if !$number;
    my $this = $number->{$name} // die "no number of $name() is known to the tests\n";
    return $this if !@_;
    my $result = syscall $this, @_;    # the caller's own: the kernel may write there
    die "$name: $!\n" if $result == -1;
    return $result;
}

# As fork(2), with these flags of clone(2). Some processors have the stack before them.
sub raw_clone {
    my ($flags) = @_;
    my ($no_stack, $nothing) = (0, 0);
    return sys(clone => $processor eq 's390x' ? ($no_stack, $flags) : ($flags, $no_stack), $nothing, $nothing, $nothing);
}

# By number: syscall() takes an object, as a mask may be, for a string.
sub raw_prctl {
    my (@arguments) = @_;
    return sys(prctl => map { ref($_) ? $_->numify : $_ // 0 } @arguments[0 .. 4]);
}

# Effective, permitted and inheritable as masks, of the thread that asks.
sub raw_capget {
    my $head = pack 'L l', 0x20080522, 0;
    my $data = "\0" x 24;
    sys(capget => $head, $data);
    my @word = unpack 'L6', $data;
    my $unit = bit(0);    # words become masks by this
    return map { $unit * $word[$_] | $unit * $word[ $_ + 3 ] << 32 } 0 .. 2;
}

sub raw_capset {
    my (@set) = @_;
    my $head = pack 'L l', 0x20080522, 0;
    my $data = pack 'L6', (map { $_ & 0xffffffff } @set), map { $_ >> 32 } @set;
    return sys(capset => $head, $data);
}

sub raw_drop { raw_prctl(24, $_) for @_; return }

sub ambient_raise {
    my (@caps) = @_;
    my ($effective, $permitted, $inheritable) = raw_capget();
    raw_capset($effective, $permitted, $inheritable | bit(@caps));
    raw_prctl(47, 2, $_) for @caps;
    return;
}

# The running kernel's, by asking it: there is not always a file that tells.
sub last_capability {
    for my $cap (0 .. 63) {
        next if eval { raw_prctl(23, $cap); 1 };
        die $@ if $! != POSIX::EINVAL() || !$cap;
        return $cap - 1;
    }
    return 63;
}

1;
