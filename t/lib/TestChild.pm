package TestChild;

# Things that cannot be undone happen in a forked child, and the truth comes from
# /proc, never from the module that is tested.
use 5.014;
use warnings;

use Exporter qw(import);
use POSIX ();
use Storable qw(freeze thaw);
use Test::More ();

use Masks qw(hex_mask);

# 52-no-proc.t is the one that can do without.
Test::More->builder->skip_all('no /proc to read the truth from') if !-r '/proc/thread-self/status';

our @EXPORT_OK = qw(in_child how_ended proc_status proc_caps long_bits fits_long sanitized company);

# Threads that a process has without having made one, as an emulator of processors does:
# setpriv refuses beside them, and who changes a set is told. Nothing, if there is none.
sub company {
    state $others = {proc_status('/proc/self/status')}->{Threads} - 1;
    return $others ? "a process here has threads that it did not make: $others" : '';
}
company();    # before a test makes some

# How wide is what a system call takes?
sub long_bits { return 8 * length pack 'L!', 0 }

# Has this perl been started with a compiler's sanitizers (xt/sanitizers)?
sub sanitized { return ($ENV{LD_PRELOAD} // '') =~ /[at]san/ }

# Those whole numbers that an unsigned long can hold, or a long if they are negative.
sub fits_long {
    my (@numbers) = @_;
    my $half = 2**(long_bits() - 1);
    return grep { $_ >= -$half && $_ < 2 * $half } @numbers;
}

# Runs the code in a child and returns what it returned (plain data). What it dies
# of is died of here; a child that ends in any other way is an error too.
sub in_child(&) {
    my ($code) = @_;
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        close $from;
        my @result = eval { (1, $code->()) };
        @result = (0, "$@") if !@result;
        binmode $to;
        print {$to} freeze(\@result) or POSIX::_exit(99);
        close $to or POSIX::_exit(99);
        POSIX::_exit(0);
    }
    close $to;
    binmode $from;
    my $frozen = do { local $/; <$from> };
    waitpid $pid, 0;
    die sprintf "the child ended with status %#x and said nothing\n", $? if $? || !length $frozen;
    my ($lived, @result) = @{ thaw($frozen) };
    die $result[0] if !$lived;
    return wantarray ? @result : $result[-1];
}

# Runs the code in a child that may be killed, and returns its wait status.
sub how_ended(&) {
    my ($code) = @_;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        eval { $code->(); 1 } or POSIX::_exit(98);
        POSIX::_exit(0);
    }
    waitpid $pid, 0;
    return $?;
}

# The lines of a status file, by name; of the calling thread, if none is named.
sub proc_status {
    my ($file) = @_;
    $file //= '/proc/thread-self/status';
    open my $in, '<', $file or die "$file: $!\n";
    return map { /\A([^:]+):\s*(.*?)\s*\z/ ? ($1, $2) : () } <$in>;
}

# The five sets as masks: E P I B A.
sub proc_caps {
    my %status = proc_status(@_);
    return map { substr($_, 3, 1) => hex_mask($status{$_}) } qw(CapEff CapPrm CapInh CapBnd CapAmb);
}

1;
