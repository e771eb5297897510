use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use POSIX ();
use Linux::Prctl ();
use SetprivTest qw(truth is_root);
use TestChild qw(company in_child);

# The page of setpriv(): its examples run, its lists are those of the code.

BEGIN {
    *CORE::GLOBAL::exec   = sub { die "exec @_\n" };
    *CORE::GLOBAL::chroot = sub { 1 };                   # there is no jail here
}

my $manual = 'lib/Linux/Prctl/Setpriv.pod';
open my $in, '<', $manual or die "$manual: $!\n";
my $pod = do { local $/; <$in> };

# Options.

# Options: those that setpriv() itself names.

eval { Linux::Prctl::setpriv('no such option' => 1) };
my ($options) = $@ =~ /there are (.*?)\)/ or die "no options: $@\n";
my ($section) = $pod =~ /^=head1 OPTIONS\n(.*?)^=head1/ms;
my @documented = map { split /, / } $section =~ /^=item (.+)$/mg;
is_deeply([ sort @documented ], [ sort split /, /, $options ],
    'every option has its item, and nothing else has');

# Steps: the calls that plans are made of.

my ($steps) = $pod =~ /^=head1 THE STEPS\n(.*?)^=head1/ms;
my %told = map { $_ => 1 } map { split /, / } $steps =~ /^=item Step \d+: (.+)$/mg;
is_deeply([ sort keys %told ], [ sort(SetprivTest::calls()) ], 'the steps name every call');
is_deeply([ $steps =~ /^=item Step (\d+)/mg ], [ 0 .. 17 ], '... and are all there, in order');

# Examples.

my @examples;
for my $block ($pod =~ /((?:^(?: {4}.*)?\n)+)/mg) {
    push @examples, $block if $block =~ /^ {4}use Linux::Prctl/m;
}
is(scalar @examples, 5, 'the three plans that people need, and two more');
my $needs = company() ? company() : !is_root() ? 'needs root with setuid, setgid and setpcap'
    : !defined getpwnam('www-data') || !defined getgrnam('nogroup') ? 'needs www-data and nogroup' : '';
my @ends = (
    [ 33, ['0000000000000400'], '' ],
    [ undef, ['0000000000000000'], "exec /usr/bin/id\n" ],
    [ undef, ['0000000000002000'], "exec /usr/bin/tcpdump -c1\n" ],
    [ undef, ['0000000000000000'], undef ],
    [ undef, ['0000000000000002'], undef ],
);
SKIP: {
    skip "root with everything: $needs", 2 * @ends if $needs;
    for my $i (0 .. $#examples) {
        my ($error, $truth) = in_child {
            eval "package Example$i; $examples[$i]; 1";
            ($@, truth());
        };
        is($error, $ends[$i][2], "root with everything: example $i runs") if defined $ends[$i][2];
        is_deeply([ $truth->{permitted} ], $ends[$i][1], "root with everything: example $i holds what it says")
            or diag($error);
        isnt($truth->{uid}[$_], 0, "root with everything: example $i: uid $_ is not 0") for 0 .. 3;
    }
}

done_testing;
