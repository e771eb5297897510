use 5.014;
use warnings;

use Linux::Prctl ();
use Test::More;
use Test::Pod 1.22;
use Test::Pod::Coverage 1.08;

# All of the manual is pod, and nothing is left out. t/60-manual.t has what it says,
# t/63-manual-form.t the rest of its form.
my $main      = 'lib/Linux/Prctl.pod';
my $reference = 'lib/Linux/Prctl/Functions.pod';

pod_file_ok($_) for all_pod_files('lib');

# Constants stand in text and the objects in a list, which Pod::Coverage does not read.
my @objects = map { qr{\A\Q$_\E\z} } @{ $Linux::Prctl::EXPORT_TAGS{sets} };
pod_coverage_ok('Linux::Prctl', { pod_from => $reference, trustme => [qr/\A[A-Z]/, @objects] });

# The class is in the same file; without an entry here it would be looked for.
$INC{'Linux/Prctl/CapabilitySet.pm'} = $INC{'Linux/Prctl.pm'};
pod_coverage_ok('Linux::Prctl::CapabilitySet', { pod_from => $main, trustme => [qr/\A[A-Z]+\z/] });

done_testing;
