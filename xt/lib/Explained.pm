package Explained;

# What the tests do not reach of the code, and why: what xt/coverage and xt/coverage-perl do
# with what was counted.
use 5.014;
use warnings;

use Exporter qw(import);

use Proof qw(function_in note_run read_file show_table);

our @EXPORT_OK = qw(judge);

my ($least_lines, $least_branches) = (98, 90);    # percent

# Shows what is not reached and the sums, and returns the exit status. It takes
#
#   program, list     its name, and the file with the reasons
#   full, missing     was everything run? is what is explained shown too?
#   text              by source, its lines, from 1 on
#   line, branch      by source and place, how often it was reached
#   never             by source and line, what to say of what was not
#   lines             what is counted as a line
#   beside            what is told beside the result
sub judge {
    my (%how) = @_;
    my ($why, @stale) = reasons(@how{qw(list text never)});
    my $unexplained = 0;
    for my $source (sort keys %{ $how{never} }) {
        my $never = $how{never}{$source};
        for my $number (sort { $a <=> $b } keys %$never) {
            my $reason = $why->{$source}{$number};
            $unexplained++ if !defined $reason;
            next if defined $reason && !$how{missing};
            print "$source:$number: $never->{$number}", defined $reason ? " ($reason)" : '', ": $how{text}{$source}[$number]\n";
        }
    }
    print map {"reached, or gone: $_\n"} @stale if $how{full};

    my ($lines, $reached, $branches, $taken) = sums(@how{qw(lines line branch)});
    my $result = sprintf '%.1f %% of %d %s, %.1f %% of %d branches; %s', 100 * $reached / ($lines || 1), $lines, $how{lines},
        100 * $taken / ($branches || 1), $branches,
        $unexplained ? "$unexplained of the others not explained" : 'the others explained';
    print "$how{program}: $result", $how{beside} // '', "\n";
    return 0 if !$how{full};
    note_run($how{program}, $result);
    return $unexplained || @stale || $reached < $lines * $least_lines / 100 || $taken < $branches * $least_branches / 100 ? 1 : 0;
}

# By source and line, why it is not reached; and what of the list explains nothing. Each line of
# that is a source, or "*"; after a colon a function of it, or none; a part of the line, or
# nothing; why.
sub reasons {
    my ($list, $text, $never) = @_;
    my (%why, @stale);
    for (grep { !/\A(?:#|\z)/ } split /\n/, read_file($list)) {
        my ($where, $part, $why) = split /\t/;
        die "$list:\n$_: has no reason\n" if !length($why // '');
        my ($file, $function) = split /:/, $where;
        my $fits = 0;
        for my $source ($file eq '*' ? keys %$never : $file) {
            my ($first, $last) = (1, $#{ $text->{$source} // die "$list: there is no $source\n" });
            if (defined $function) {
                my ($before, $code) = function_in(join("\n", @{ $text->{$source} }[ 1 .. $last ]) . "\n", $function)
                    or die "$list: $source has not one function $function\n";
                $first = 1 + ($before =~ tr/\n//);
                $last  = $first + ($code =~ tr/\n//);
            }
            for my $number (grep { $_ >= $first && $_ <= $last } keys %{ $never->{$source} }) {
                next if index($text->{$source}[$number], $part) < 0;
                $why{$source}{$number} //= $why;
                $fits++;
            }
        }
        push @stale, $_ if !$fits && $why !~ /\Aat times /;
    }
    return (\%why, @stale);
}

# Shown by source; and of all.
sub sums {
    my ($lines, $line, $branch) = @_;
    my @rows = ([ 'file', $lines, qw(reached % branches taken %) ]);
    my (@all) = (0) x 4;
    for my $source (sort keys %$line) {
        my @count = map { my $of = $_->{$source} // {}; (scalar keys %$of, scalar grep { $_ } values %$of) } $line, $branch;
        $all[$_] += $count[$_] for 0 .. 3;
        push @rows, [ $source, percent(@count[ 0, 1 ]), percent(@count[ 2, 3 ]) ];
    }
    show_table(@rows, [ 'all', percent(@all[ 0, 1 ]), percent(@all[ 2, 3 ]) ]);
    return @all;
}

sub percent { my ($of, $is) = @_; return ($of, $is, $of ? sprintf('%.1f', 100 * $is / $of) : '-') }

1;
