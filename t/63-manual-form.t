use 5.014;
use warnings;

use lib 't/lib';

use ExtUtils::Manifest qw(maniread);
use Manual qw(pages page_file paragraphs targets plain);
use Pod::Checker;
use Pod::Text;
use Test::More;

# The form of the manual: links lead somewhere, the files of ours that it names exist,
# podchecker has nothing to say, and no line is cut in a terminal of 80 columns.
my @pages = pages();
my %file   = %{ maniread() };
my %target = map { my $page = $_; $page => { map { $_ => 1 } targets($page) } } @pages;

for my $page (@pages) {
    my $file = page_file($page);

    my $text = join "\n\n", map { $_->[1] } grep { $_->[1] !~ /\A / } paragraphs($page);
    my @lost;
    for my $link ($text =~ /L<(?!<)([^<>]*(?:[A-Z]<[^<>]*>[^<>]*)*)>/g) {
        my $to = plain($link) =~ s/\A[^|]*\|//sr =~ s/\s+/ /gr;
        next if $to =~ m{\A(?:https?|mailto):};
        my ($where, $section) = $to =~ m{\A([\w:]*)(?:/(.*))?\z} or push(@lost, $to), next;
        $where = $page if $where eq '';
        next if $where !~ /\ALinux::Prctl/ && !defined $section;    # somebody else's page
        push @lost, $to if !$target{$where} || defined $section && !$target{$where}{ $section =~ s/\A"|"\z//gr };
    }
    is("@lost", '', "$page: every link leads somewhere");

    my @named = $text =~ m{F<((?:t|xt|eg|bench|src)/\w[^<>]*|[A-Z]+\.md)>}g;
    is_deeply([ grep { !exists $file{$_} } @named ], [], "$page: the files it names are in MANIFEST");

    my $log = '';
    open my $to, '>', \$log or die "$file: $!\n";
    # Before 1.70 the second level is about every < and > in a program.
    my $checker = Pod::Checker->new(-warnings => $Pod::Checker::VERSION < 1.70 ? 1 : 2);
    $checker->parse_from_file($file, $to);
    # An index entry may have the name of its heading, and several entries one name.
    my @said = grep { !/multiple occurrences \(\d+\) of link target/ } split /\n/, $log;
    is_deeply(\@said, [], "$page: podchecker is silent");

    # man(1) moves the text 7 columns to the right; what is verbatim is not wrapped.
    my $formatter = Pod::Text->new(width => 79, indent => 7);
    $formatter->output_string(\my $formatted);
    $formatter->parse_file($file);
    is(join("\n", grep { length > 80 } split /\n/, $formatted), '', "$page: 80 columns are enough");
}

# Who has only the manual finds the address of SECURITY.md in it.
{
    open my $in, '<', 'SECURITY.md' or die "SECURITY.md: $!\n";
    my ($address) = do { local $/; readline $in } =~ /^ {4}(\S+\@\S+)$/m;
    my ($reporting) = grep {/\bprivate\b/} map { $_->[1] } paragraphs('Linux::Prctl::Security');
    like($reporting, qr/\Q$address\E/, 'Linux::Prctl::Security: where to report');
}

done_testing;
