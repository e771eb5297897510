use 5.014;
use warnings;

use Pod::Checker;
use Test::More;
use Test::Pod 1.22;
use Test::Pod::Coverage 1.08;

# The form of the manual; t/60-manual.t has what it says.
my $manual = 'lib/Linux/Prctl.pod';

for my $file (all_pod_files('lib')) {
    pod_file_ok($file);
    my $log = '';
    open my $to, '>', \$log or die "$file: $!\n";
    my $checker = Pod::Checker->new(-warnings => 2);
    $checker->parse_from_file($file, $to);
    is($log, '', "$file: podchecker is silent")
        if $checker->num_errors >= 0;    # -1: no pod at all
}

# Constants stand in tables, which Pod::Coverage does not read.
pod_coverage_ok('Linux::Prctl', { pod_from => $manual, trustme => [qr/\A[A-Z]/] });

# The class is in the same file; without an entry here it would be looked for.
$INC{'Linux/Prctl/CapabilitySet.pm'} = $INC{'Linux/Prctl.pm'};
pod_coverage_ok('Linux::Prctl::CapabilitySet', { pod_from => $manual, trustme => [qr/\A[A-Z]+\z/] });

done_testing;
