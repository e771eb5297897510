package Ratios;

# Ways to do the same thing, as ratios to the first of them in the same round: machines
# are noisy, and a ratio within one run is what can be compared.
use 5.014;
use warnings;

use Exporter qw(import);
use File::Temp;

our @EXPORT_OK = qw(output quantile rounds system_calls);

my $FAR = 30;    # times done more, when system calls are counted

# What a command prints, or undef and why in $@.
sub output {
    my (@command) = @_;
    my $errors = File::Temp->new;
    my $pid = open my $out, '-|' // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>&', $errors;
        { no warnings 'exec'; exec { $command[0] } @command }
        print STDERR "$command[0]: $!\n";
        require POSIX;
        POSIX::_exit(127);
    }
    my $text = do { local $/; <$out> };
    return $text if close $out;
    seek $errors, 0, 0;
    $@ = join('', "@command: status $?\n", <$errors>);
    return;
}

sub quantile {
    my ($part, @values) = @_;
    @values = sort { $a <=> $b } @values;
    my $at = $part * $#values;
    my ($low, $rest) = (int $at, $at - int $at);
    return $rest ? $values[$low] * (1 - $rest) + $values[ $low + 1 ] * $rest : $values[$low];
}

# How often, so that it takes about as long as is wanted: nanoseconds.
sub _count {
    my ($measure, $wanted) = @_;
    my $count = 1;
    while (1) {
        my $time = $measure->($count) // return;
        return $count if $time >= $wanted / 2 || $count >= 100_000;
        my $more = int $count * ($time > 0 ? $wanted / $time : 50) + 1;
        $more  = 50 * $count if $more > 50 * $count;
        $count = $more > 100_000 ? 100_000 : $more;
    }
}

# Each way is a code that is given a number and returns the nanoseconds that doing it so
# often took. Returns for each the ratios to the first in each round, or the reason why
# there are none.
sub rounds {
    my ($rounds, $wanted, @ways) = @_;
    my (@counts, @times, @why);
    for my $way (0 .. $#ways) {
        $counts[$way] = $wanted ? _count($ways[$way], $wanted) : 2;
        $why[$way] = $@ if !$counts[$way];
    }
    for (1 .. $rounds) {
        for my $way (grep { $counts[$_] } 0 .. $#ways) {
            my $time = $ways[$way]->($counts[$way]);
            if (!defined $time) { $why[$way] = $@; $counts[$way] = 0; next }
            push @{ $times[$way] }, $time / $counts[$way];
        }
    }
    return map {
        my $way = $_;
        !$counts[$way] || !$counts[0]
            ? { error => $why[$way] // $why[0] }
            : { ratios => [ map { $times[$way][$_] / ($times[0][$_] || 1) } 0 .. $rounds - 1 ] };
    } 0 .. $#ways;
}

# The system calls of one time: those of many less those of one. Given a number, the
# code returns a command.
sub system_calls {
    my ($strace, $command) = @_;
    my @lines = map {
        my $file = File::Temp->new;
        defined output($strace, '-f', '-qq', '-e', 'signal=none', '-o', "$file", $command->($_)) or return;
        scalar grep { !/resumed>/ } <$file>;
    } 1, 1 + $FAR;
    return sprintf '%.0f', ($lines[1] - $lines[0]) / $FAR;
}

1;
