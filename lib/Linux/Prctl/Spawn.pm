package Linux::Prctl::Spawn;

# spawn() is in Prctl.xs, with all else that changes credentials: nothing is left to be
# found and loaded when it is called. This file has the name of its manual page.
use 5.014;
use warnings;

use Linux::Prctl (); our $VERSION = $Linux::Prctl::VERSION;    # CPAN tools run this line alone

our @EXPORT_OK = qw(spawn);
*spawn = \&Linux::Prctl::spawn;

sub import {
    require Exporter;
    goto &Exporter::import;
}

1;
