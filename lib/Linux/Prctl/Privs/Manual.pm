package Linux::Prctl::Privs::Manual;

# Parts of the manual as text: of privs(1) for --help, of Linux::Prctl::Capabilities for
# explain. What is said there is said nowhere else.
use 5.014;
use warnings;

use Exporter qw(import);
use Linux::Prctl::Privs::Output qw(width);
use Pod::Text ();

our @EXPORT_OK = qw(formatted plain shown);

sub formatted {
    my ($pod, $width, $indent) = @_;
    my $formatter = Pod::Text->new(width => $width, indent => $indent);
    $formatter->output_string(\my $text);
    $formatter->parse_string_document("=encoding UTF-8\n\n=pod\n\n$pod\n\n=cut\n");
    utf8::encode($text) if utf8::is_utf8($text);
    return $text =~ s/\s+\z/\n/r;
}

# In one line, and for the screen.
sub plain { my ($pod) = @_; return formatted($pod, 100_000, 0) =~ s/\n\z//r }
sub shown { my ($pod) = @_; return formatted($pod, width() > 100 ? 100 : width(), 2) }

1;
