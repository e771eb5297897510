package ReadableLib;

# The module where any user can read it, as if it were installed: for tests that start
# perl as somebody who may not look into the directory where it was built, such as root
# without capabilities in the home of another user.
use 5.014;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Temp;

our @EXPORT_OK = qw(use_readable_lib);

my $dir;

# Each perl that is started from now on finds the module in a copy, which lasts as long as
# the test, and no directory that only some may read.
sub use_readable_lib {
    $dir = File::Temp->newdir;
    chmod 0755, $dir or die "$dir: $!\n";
    my @copies;
    for my $lib (grep { !ref && m{\bblib\b} && -d } @INC) {
        my $copy = "$dir/lib" . @copies;
        system('cp', '-r', abs_path($lib), $copy) == 0 or die "cp: $?\n";
        system('chmod', '-R', 'a+rX', $copy) == 0 or die "chmod: $?\n";
        push @copies, $copy;
    }
    $ENV{PERL5LIB} = join ':', @copies;
    return;
}

1;
