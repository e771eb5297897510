package Linux::Prctl::CapState;

use 5.014;
use warnings;

use Linux::Prctl (); our $VERSION = $Linux::Prctl::VERSION;    # CPAN tools run this line alone
use overload
    '""'     => 'to_text',
    'bool'   => sub { 1 },
    '=='     => '_equal',
    '!='     => '_unequal',
    fallback => 1;

# The methods, and those of Linux::Prctl::FileCaps: all from CapState.xs.
require XSLoader;
XSLoader::load(__PACKAGE__, $VERSION);

1;
