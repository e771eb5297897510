package Linux::Prctl::Privs::Output;

# What goes out: for a terminal, where nothing may be in it that the terminal acts on,
# or as JSON.
use 5.014;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(colours width printable paint wrap table json text_of);

# ---- colours ----

# Those that can be read on a dark screen and on a light one.
my %SGR = (bold => 1, more => '1;31', less => 32);
my $colours;

# auto: on a terminal, if nobody objects (https://no-color.org).
sub colours {
    my ($when) = @_;
    $colours = $when eq 'always' || $when eq 'auto'
        && -t STDOUT && !length($ENV{NO_COLOR} // '') && ($ENV{TERM} // 'dumb') ne 'dumb';
    return;
}

sub paint {
    my ($colour, $text) = @_;
    return $colours && length $text ? "\e[$SGR{$colour}m$text\e[m" : $text;
}

# ---- text of others ----

my $utf8;

sub _is_utf8 {
    return $utf8 //= do {
        require I18N::Langinfo;
        require POSIX;
        POSIX::setlocale(POSIX::LC_CTYPE(), '');
        I18N::Langinfo::langinfo(I18N::Langinfo::CODESET()) =~ /\Autf-?8\z/i ? 1 : 0;
    };
}

# Bytes, with \x.. for what a terminal would act on or cannot show: control characters in
# any of their forms, and what turns the direction of the text around.
sub printable {
    my ($bytes) = @_;
    return $bytes if $bytes !~ /[^ -~]/;
    if (_is_utf8() && utf8::decode(my $text = $bytes)) {
        $text =~ s{([^\p{Print}]|[\p{C}\p{Zl}\p{Zp}\x{34f}])}{_escaped($1)}ge;
        utf8::encode($text);
        return $text;
    }
    return $bytes =~ s/([^ -~])/_escaped($1)/gre;
}

sub _escaped {
    my ($character) = @_;
    utf8::encode($character) if ord $character > 127 && utf8::is_utf8($character);
    return join '', map { sprintf '\\x%02x', ord } split //, $character;
}

# ---- tables ----

my $width;

# Linux numbers this ioctl in two ways.
sub _asked_width {
    return if !-t STDOUT;
    require Config;
    no warnings 'once';
    my $number = $Config::Config{archname} =~ /\A(?:mips|powerpc|ppc|sparc|alpha)/ ? 0x40087468 : 0x5413;
    my $size   = "\0" x 8;
    return if !ioctl STDOUT, $number, $size;
    return (unpack 'S4', $size)[1];
}

# Of the terminal; 80, where there is none or it does not know.
sub width {
    return $width //= do {
        my $asked = ($ENV{COLUMNS} // '') =~ /\A[1-9][0-9]{0,3}\z/ ? $ENV{COLUMNS} : _asked_width();
        !$asked ? 80 : $asked < 40 ? 40 : $asked;
    };
}

# How many columns it takes; colours take none.
sub _columns {
    my ($bytes) = @_;
    return length $bytes if $bytes !~ /[^ -~]/;
    utf8::decode(my $text = $bytes =~ s/\e\[[0-9;]*m//gr);
    return length $text;
}

# Lines of at most so many columns, if the words are not longer.
sub wrap {
    my ($room, $text) = @_;
    return $text if _columns($text) <= $room;
    my @lines;
    for my $word (split / /, $text) {
        if (@lines && _columns($lines[-1]) + 1 + _columns($word) <= $room) {
            $lines[-1] .= " $word";
        }
        else {
            push @lines, $word;
        }
    }
    return @lines;
}

# Rows of cells, the first row being the title. The last column is wrapped; in front of it
# nothing is cut: what is too long for its column has a line of its own. Columns that have
# numbers alone are on the right.
my $MOST = 32;

# How wide the columns before the last one are, and the format of a row that needs no more
# than that.
sub _layout {
    my ($last, @rows) = @_;
    my ($format, @room) = ('');
    for my $column (0 .. $last - 1) {
        my ($room, $right) = (0, 1);
        for my $row (@rows) {
            my $cell   = $row->[$column];
            my $length = length $cell;
            $length = _columns($cell) if $cell =~ /[^ -~]/;
            $room   = $length if $length > $room && $length <= $MOST;
            $right &&= $row == $rows[0] || $cell !~ m{[^0-9/]};
        }
        push @room, $room;
        $format .= '%' . ($right ? '' : '-') . "${room}s  ";
    }
    return ($format, @room);
}

# sprintf counts bytes: what looks shorter than it is is made longer.
sub _start_of_row {
    my ($format, $room, @cells) = @_;
    return sprintf $format, @cells if !grep { /[^ -~]/ } @cells;
    my $at = 0;
    return $format =~ s{%(-?)[0-9]+s}{
        my ($left, $cell) = ($1, $cells[$at]);
        my $pad = $room->[ $at++ ] - _columns($cell);
        my $blanks = $pad > 0 ? ' ' x $pad : '';
        $left ? "$cell$blanks" : "$blanks$cell"
    }ger;
}

sub table {
    my (@rows) = @_;
    my $last = $#{ $rows[0] };
    my ($format, @room) = _layout($last, @rows);
    my $start = 0;
    $start += $_ + 2 for @room;
    my $rest = width() - $start;
    $rest = 20 if $rest < 20;
    my @lines;
    for my $row (@rows) {
        my @cells = @$row[ 0 .. $last - 1 ];
        my $line  = _start_of_row($format, \@room, @cells);
        my $text  = $row->[$last];
        my $long  = length $line > $start && _columns($line) > $start;
        if ($long || length $text > $rest || !length $text) {
            my @parts = wrap($rest, $text);
            $line .= shift @parts if !$long && @parts;
            $line = join "\n" . ' ' x $start, $line, @parts if @parts;
            $line =~ s/ +$//mg if $long || !length $text;
        }
        else {
            $line .= $text;
        }
        push @lines, @lines ? $line : paint(bold => $line);
    }
    return join "\n", @lines, '';
}

# ---- JSON ----

my $json;

# One line of ASCII, keys sorted.
sub json {
    my ($data) = @_;
    $json //= do {
        require JSON::PP;
        JSON::PP->new->canonical->ascii->allow_nonref;
    };
    return $json->encode($data);
}

# Bytes as a string of JSON, which has characters; what is no UTF-8 is written \xe9, as
# as_json of Linux::Prctl::Status does.
sub text_of {
    my ($bytes) = @_;
    require Linux::Prctl::Status;
    return Linux::Prctl::Status::_characters($bytes);
}

1;
