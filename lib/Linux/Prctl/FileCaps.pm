package Linux::Prctl::FileCaps;

use 5.014;
use warnings;

use Linux::Prctl (); our $VERSION = $Linux::Prctl::VERSION;    # CPAN tools run this line alone
use Linux::Prctl::CapState ();    # whose object file has the methods
use overload
    '""'     => 'to_text',
    'bool'   => sub { 1 },
    '=='     => '_equal',
    '!='     => '_unequal',
    fallback => 1;

1;
