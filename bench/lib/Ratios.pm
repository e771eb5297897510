package Ratios;

# Two ways to do the same, as a ratio of processor time: the least of interleaved
# rounds. Machines are noisy, and a ratio of one run is what can be compared.
use 5.014;
use warnings;

use Config;
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp;
use List::Util qw(min);
use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID);

our @EXPORT_OK = qw(c_time perl_time ratios);

my $dir = File::Temp->newdir;
my $c;

sub compiled {
    my $source = dirname(__FILE__) . '/../loops.c';
    system($Config{cc}, '-O2', '-D_GNU_SOURCE', '-o', "$dir/loops", $source) == 0
        or die "bench/loops.c does not compile\n";
    return "$dir/loops";
}

# Nanoseconds that a loop of bench/loops.c takes.
sub c_time {
    my ($name, $count) = @_;
    $c //= compiled();
    open my $out, '-|', $c, $name, $count or die "$c: $!\n";
    my $time = <$out>;
    close $out or die "$c: failed\n";
    return $time;
}

# Nanoseconds that the code takes.
sub perl_time {
    my ($code) = @_;
    my $start = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
    $code->();
    return 1e9 * (clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $start);
}

# Prints a line for each row: name, limit, how often, and two measurements, of what
# is compared with and of ours. Returns how many are over the limit.
sub ratios {
    my ($rounds, $titles, @rows) = @_;
    my $over = 0;
    printf "%-22s %8s %8s %6s %6s\n", '', @$titles, 'ratio', 'limit';
    for my $row (@rows) {
        my ($name, $limit, $count, $base, $ours) = @$row;
        my (@base, @ours);
        for (1 .. $rounds) {
            push @base, $base->();
            push @ours, $ours->();
        }
        my $ratio = min(@ours) / min(@base);
        $over++ if $ratio > $limit;
        printf "%-22s %8.1f %8.1f %6.2f %6.1f%s\n", $name, min(@base) / $count,
            min(@ours) / $count, $ratio, $limit, $ratio > $limit ? '  over' : '';
    }
    return $over;
}

1;
