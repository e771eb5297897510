use 5.014;
use warnings;

use Errno qw(EACCES ENOEXEC);
use File::Temp;
use Test::More;

use lib 't/lib';
use Linux::Prctl::Status;
use Seccomp qw(no_listener peek supervised);

# Programs of other processors: which ones after_exec takes for runnable, by what the
# processor is said to be. What the kernel would say is in the file of this process alone,
# and a listener puts another one's number there.

plan skip_all => no_listener() if length no_listener();

my $own = readlink '/proc/self/exe' or die "/proc/self/exe: $!\n";
my ($read, $openat, $open) = (0, 257, 2);    # musl's open(3) is 2
my %machine = (
    x86_64 => 62, 386 => 3, aarch64 => 183, arm => 40, ppc64 => 21, ppc => 20,
    sparcv9 => 43, sparc32plus => 18, sparc => 2, riscv => 243, s390 => 22,
);

my $dir = File::Temp->newdir;

# A program for a machine: a header, and a segment to load. Its class is that of this perl, but
# for 386: what has that number is read as 32 bits.
sub program {
    my ($number) = @_;
    my $bytes = $number == $machine{386}
        ? pack('a4 C3 x9 S2 L5 S6', "\x7fELF", 1, 1, 1, 2, $number, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0) . pack 'L x28', 1
        : pack('a4 C3 x9 S2 L Q3 L S6', "\x7fELF", 2, 1, 1, 2, $number, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0) . pack 'L x52', 1;
    my $path = "$dir/program-$number";
    open my $out, '>:raw', $path or die "$path: $!\n";
    print {$out} $bytes;
    close $out or die "$path: $!\n";
    chmod 0755, $path or die "$path: $!\n";
    return $path;
}

my %file = map { $_ => program($machine{$_}) } keys %machine;

# Those that after_exec foresees an exec of, where that is the answer to what it asks of its
# own file. All else that is refused is refused for its format.
sub runnable {
    my ($answer) = @_;
    my $told = 0;
    my (undef, @found) = supervised([ $read, $openat, $open ], sub {
        my ($call) = @_;
        my @args = @{ $call->{args} };
        if ($call->{syscall} ne $read) {
            my $path = $args[ $call->{syscall} eq $open ? 0 : 1 ];
            $told = 0;
            return $answer->{errno} && peek($call, $path, 15) eq "/proc/self/exe\0" ? $answer : undef;
        }
        my $path = readlink "/proc/$call->{pid}/fd/$args[0]";
        return if !defined $answer->{bytes} || ($path // '') ne $own;
        return { value => 0 } if $told++;
        return { value => length $answer->{bytes}, write => { $args[1] => $answer->{bytes} } };
    }, sub {
        return map {
            my $lived = eval { Linux::Prctl::Status->current->after_exec($file{$_}); 1 };
            $lived ? $_ : $! == ENOEXEC ? () : "$_: $@";
        } sort keys %file;
    });
    return join ' ', @found;
}

# The first bytes of a file for a machine, in one read, and then no more.
sub header {
    my ($number) = @_;
    open my $in, '<:raw', $own or die "$own: $!\n";
    read $in, my $bytes, 256;
    substr $bytes, 18, 2, pack 'S', $number;
    return $bytes;
}

my %runs = (
    x86_64 => '386 x86_64', 386 => '386 x86_64', aarch64 => 'aarch64 arm', arm => 'aarch64 arm',
    ppc64 => 'ppc ppc64', ppc => 'ppc ppc64', riscv => 'riscv', s390 => 's390',
    sparcv9 => 'sparc sparc32plus sparcv9', sparc32plus => 'sparc sparc32plus sparcv9',
    sparc => 'sparc sparc32plus sparcv9',
);
is(runnable({}), $runs{x86_64}, 'this processor: its own and its older one\'s');
is(runnable({ bytes => header($machine{$_}) }), $runs{$_}, "$_: its own and its relatives'") for sort keys %runs;

my $all = join ' ', sort keys %machine;
is(runnable({ errno => EACCES }), $all, 'where its own file cannot be opened, nobody can tell');
is(runnable({ bytes => substr header($machine{riscv}), 0, 30 }), $all, 'nor where that is too short to say');

done_testing;
