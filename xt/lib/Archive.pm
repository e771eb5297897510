package Archive;

# Makes the archive that is published, for the programs that look at it.
use 5.014;
use warnings;

use Exporter qw(import);
use File::Glob qw(bsd_glob);

use Proof qw(must_run);

our @EXPORT_OK = qw(make_archive);

# Makes the archive of a copy of the distribution with make dist, as everybody does who
# publishes it. Its name.
sub make_archive {
    my ($copy, $log) = @_;
    delete local @ENV{qw(PERL5OPT PERL_MM_OPT MAKEFLAGS MFLAGS MAKELEVEL)};
    must_run($log, 'sh', '-euc', 'cd "$1"; "$2" Makefile.PL; make dist', 'sh', $copy, $^X);
    my @archive = bsd_glob("$copy/Linux-Prctl-*.tar.gz");
    die "make dist made @{[ scalar @archive ]} archives, see $log\n" if @archive != 1;
    return $archive[0];
}

1;
