package Chart;

# Pictures of numbers as SVG, readable on light and on dark.
use 5.014;
use warnings;
use utf8;

use Exporter qw(import);
use List::Util qw(max min);

our @EXPORT_OK = qw(bars lines);

my @COLOURS = (
    [ '#1f5fa8', '#6ea8ff' ], [ '#c2570c', '#ff9d57' ], [ '#2f7d32', '#77cf7a' ],
    [ '#7b3fa0', '#cf9bf0' ], [ '#8a6d00', '#e3c64a' ], [ '#00767a', '#5fd0d4' ],
    [ '#a8275f', '#ff86b6' ], [ '#555555', '#b5b5b5' ], [ '#3f3fb5', '#a3a3ff' ],
    [ '#7a3b1e', '#d9a07f' ], [ '#56740a', '#b6d957' ], [ '#c01f1f', '#ff7a70' ],
    [ '#0d8f6b', '#4fe0b4' ], [ '#8c4a8c', '#e6a8e6' ], [ '#30475e', '#9fb8d1' ],
);

sub _document {
    my ($width, $height, @body) = @_;
    my ($light, $dark) = map {
        my $which = $_;
        join ' ', map { ".f$_ { fill: $COLOURS[$_][$which] } .s$_ { stroke: $COLOURS[$_][$which] }" } 0 .. $#COLOURS;
    } 0, 1;
    return join "\n",
        qq{<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $width $height" width="$width" height="$height" font-family="sans-serif" font-size="12">},
        '<style>',
        ".paper { fill: #ffffff } text { fill: #202020 } .grid { stroke: #d0d0d0 } $light",
        '@media (prefers-color-scheme: dark) {',
        ".paper { fill: #16181c } text { fill: #e6e6e6 } .grid { stroke: #3c4048 } $dark",
        '}',
        '</style>',
        qq{<rect class="paper" width="$width" height="$height"/>},
        @body, '</svg>', '';
}

sub _text {
    my ($x, $y, $text, $more) = @_;
    $text =~ s/&/&amp;/g;
    $text =~ s/</&lt;/g;
    return sprintf '<text x="%.1f" y="%.1f"%s>%s</text>', $x, $y, $more ? " $more" : '', $text;
}

sub _number {
    my ($value) = @_;
    return $value >= 100 ? sprintf '%.0f', $value : $value >= 10 ? sprintf '%.1f', $value : sprintf '%.2f', $value;
}

# From a value to its place, by the logarithm.
sub _scale {
    my ($low, $high, $from, $to) = @_;
    my ($first, $last) = (log $low, log $high);
    $last = $first + 1 if $last <= $first;
    return sub { $from + ($to - $from) * (log($_[0]) - $first) / ($last - $first) };
}

sub _powers {
    my ($low, $high, @parts) = @_;
    return grep { $_ >= $low * 0.999 && $_ <= $high * 1.001 } map { my $power = 10**$_; map { $_ * $power } @parts } -3 .. 7;
}

sub _legend {
    my ($x, $y, $names, $wide) = @_;
    my @body;
    for my $n (0 .. $#$names) {
        push @body, qq{<rect class="f$n" x="$x" y="@{[ $y - 10 ]}" width="11" height="11"/>},
            _text($x + 15, $y, $names->[$n]);
        $x += 30 + 7 * length $names->[$n];
        if ($x > $wide && $n < $#$names) { $x = 20; $y += 18 }
    }
    return ($y + 10, @body);
}

# A group of bars for each row: [ title, [ row, { name => value } ], ... ] ...
sub bars {
    my ($title, $names, @groups) = @_;
    my ($left, $wide, $bar) = (330, 900, 11);
    my %number = map { $names->[$_] => $_ } 0 .. $#$names;
    my @values = map { values %{ $_->[1] } } map { @$_[ 1 .. $#$_ ] } @groups;
    my ($low, $high) = (min(0.5, @values), 1.05 * max(@values));
    my $place = _scale($low, $high, $left, $wide - 60);
    my @body = (_text(20, 24, $title, 'font-size="15" font-weight="bold"'));
    my ($y, @legend) = _legend(20, 48, $names, $wide - 200);
    push @body, @legend;
    my ($top, @rest) = ($y);
    for my $group (@groups) {
        my ($heading, @rows) = @$group;
        $y += 20;
        push @rest, _text(20, $y, $heading, 'font-weight="bold"');
        $y += 6;
        for my $row (@rows) {
            my ($name, $values) = @$row;
            my @there = grep { defined $values->{$_} } @$names;
            push @rest, _text($left - 8, $y + $bar * @there / 2 + 4, $name, 'text-anchor="end"');
            for my $way (@there) {
                my $at = $place->($values->{$way});
                my ($from, $width) = ($left, $at - $left);
                push @rest, sprintf('<rect class="f%d" x="%.1f" y="%.1f" width="%.1f" height="%d"><title>%s</title></rect>',
                    $number{$way}, $from, $y, max($width, 1), $bar - 1, _plain($way)),
                    _text($at + 4, $y + $bar - 2, _number($values->{$way}), 'font-size="9"');
                $y += $bar;
            }
            $y += 7;
        }
    }
    for my $tick (_powers($low, $high, 1)) {
        my $x = sprintf '%.1f', $place->($tick);
        push @body, qq{<line class="grid" x1="$x" y1="$top" x2="$x" y2="$y"/>},
            _text($x, $y + 15, $tick, 'text-anchor="middle" font-size="10"');
    }
    return _document($wide, $y + 26, @body, @rest);
}

sub _plain { return $_[0] =~ s/&/&amp;/gr =~ s/</&lt;/gr }

# A panel for each question: [ title, what is along x, [ name, [ x, y ] ... ] ... ] ...
sub lines {
    my ($title, $names, @panels) = @_;
    my ($wide, $high) = (430, 250);
    my %number = map { $names->[$_] => $_ } 0 .. $#$names;
    my @body = (_text(20, 24, $title, 'font-size="15" font-weight="bold"'));
    my ($top, @legend) = _legend(20, 48, $names, 2 * $wide - 200);
    push @body, @legend;
    for my $n (0 .. $#panels) {
        my ($heading, $along, @lines) = @{ $panels[$n] };
        my ($x, $y) = ($n % 2 * $wide + 60, $top + int($n / 2) * $high + 30);
        my @points = map { @$_[ 1 .. $#$_ ] } @lines;
        next if !@points;
        my ($x0, $x1) = (min(map { $_->[0] } @points), max(map { $_->[0] } @points));
        my ($y0, $y1) = (0.8 * min(map { $_->[1] } @points), 1.3 * max(map { $_->[1] } @points));
        my ($right, $bottom) = ($x + $wide - 90, $y + $high - 80);
        my ($across, $up) = (_scale($x0, $x1, $x, $right), _scale($y0, $y1, $bottom, $y));
        push @body, _text($x, $y - 10, $heading, 'font-weight="bold"'),
            _text(($x + $right) / 2, $bottom + 30, $along, 'text-anchor="middle" font-size="11"');
        my %seen;
        for my $tick (grep { !$seen{$_}++ } sort { $a <=> $b } map { $_->[0] } @points) {
            push @body, sprintf('<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>', ($across->($tick), $y) , $across->($tick), $bottom),
                _text($across->($tick), $bottom + 14, $tick, 'text-anchor="middle" font-size="10"');
        }
        my @ticks = _powers($y0, $y1, 1);
        @ticks = _powers($y0, $y1, 1, 2, 5) if @ticks < 3;
        for my $tick (@ticks) {
            push @body, sprintf('<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>', $x, $up->($tick), $right, $up->($tick)),
                _text($x - 5, $up->($tick) + 4, $tick, 'text-anchor="end" font-size="10"');
        }
        for my $line (@lines) {
            my ($name, @there) = @$line;
            my $class = $number{$name};
            push @body, sprintf '<polyline class="s%d" fill="none" stroke-width="2" points="%s"/>', $class,
                join ' ', map { sprintf '%.1f,%.1f', $across->($_->[0]), $up->($_->[1]) } @there;
            push @body, map { sprintf '<circle class="f%d" cx="%.1f" cy="%.1f" r="3"/>', $class, $across->($_->[0]), $up->($_->[1]) } @there;
        }
    }
    return _document(2 * $wide, $top + int((@panels + 1) / 2) * $high + 10, @body);
}

1;
