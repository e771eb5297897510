package Messages;

# The messages that the source can give: its string literals of more than one word, in
# the form of the manual, where "..." stands for what differs.
use 5.014;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(messages shape_of);

# "%s: %s %lu is not mapped" and "$what $id is not mapped" are "... is not mapped".
sub shape_of {
    my ($text) = @_;
    $text =~ s/%(?:(%)|[-+ #0-9.*]*(?:l|ll|h|z)?[a-zA-Z])/$1 \/\/ '...'/ge;
    $text =~ s/[\$\@](?:\{[^{}]*\}|[\w!]+)(?:->\{\w+\})?/.../g;
    $text =~ s/(?:\.\.\.){2,}/.../g;
    $text =~ s/(thread|other)\.\.\./$1(s)/g;
    $text =~ s/\A[\s:,]*(?:\.\.\.[\s:>-]+)+(?=[\w.])/... /;
    $text =~ s/\A(?:\.\.\. )+/... /;
    $text =~ s/\A\.\.\. (?=\()//;
    return $text =~ s/\A[\s:,]+|[\s:,]+\z//gr =~ s/(?<!\.)\.\z//r =~ s/\s+/ /gr;
}

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return <$in>;
}

# Adjacent literals are one; SVf between them is the rest of a conversion.
sub literals_of_c {
    my ($code) = @_;
    $code =~ s{/\*.*?\*/}{ }gs;
    $code =~ s{\\\n}{ }g;
    $code =~ s{^\s*#\s*include.*$}{}mg;
    $code =~ s{\b__asm__ volatile\(.*?\);}{}gs;
    my @found;
    while ($code =~ /("(?:[^"\\\n]|\\.)*"(?:\s*(?:SVf|"(?:[^"\\\n]|\\.)*"))*)/g) {
        push @found, join '', map { /\A"(.*)"\z/s ? $1 : 's' } $1 =~ /("(?:[^"\\]|\\.)*"|SVf)/g;
    }
    return map { s/\\(["\\])/$1/gr } @found;
}

# In Perl, what stands behind a die or a refusal of any name.
sub literals_of_perl {
    my ($code) = @_;
    my @found;
    while ($code =~ /(?:\b_(?:die|refused|lost)\w*\s*\(|\b(?:die|warn)\s)(.*?;)/gs) {
        my $said = $1;
        push @found, grep {defined} $1, $2, $3
            while $said =~ /qq\{([^{}]*)\}|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g;
    }
    return @found;
}

# Shape by shape, the files that can say it.
sub messages {
    my ($but) = @_;
    my %said;
    my @c    = map { glob } qw(Prctl.xs src/*.c src/*.h xs/*.h typemap CapState/*.xs CapState/*.c CapState/*.h);
    my @perl = map { glob } qw(lib/Linux/Prctl.pm lib/Linux/Prctl/*.pm);
    for my $file (grep { !$but->{$_} && !m{\A(?:CapState/CapState|Prctl)\.c\z} } @c, @perl) {
        my $code = slurp($file);
        for my $literal ($file =~ /\.pm\z/ ? literals_of_perl($code) : literals_of_c($code)) {
            my $shape = shape_of($literal =~ s/\\n\z//r =~ s/\\(["\\])/$1/gr);
            next if $shape !~ m{[a-z]{2}[^a-z]* \S*[a-z]{2}}i;
            next if $shape =~ m{\AUsage: |\A->|\A\.\.\. at \.\.\. line};    # one item tells of them all
            $said{$shape}{$file} = 1;
        }
    }
    return \%said;
}

1;
