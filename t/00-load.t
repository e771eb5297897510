use 5.014;
use warnings;

use Test::More;

require_ok('Linux::Prctl');
is($Linux::Prctl::VERSION, Linux::Prctl->VERSION, 'a version');
is(scalar @Linux::Prctl::EXPORT, 0, 'nothing is exported by default');

done_testing;
