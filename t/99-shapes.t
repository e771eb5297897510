use 5.014;
use warnings;

use lib 't/lib';
use Test::More;

use Shapes qw(tally no_shape shape_names shape_meaning);

plan skip_all => 'no harness runs this file: nothing was counted' if !$ENV{HARNESS_ACTIVE};

my ($seen, $files) = tally();
plan skip_all => 'no test ran before this one: nothing was counted' if !@$files;

diag sprintf "%-4s %5s  %s", 'shape', 'tests', '';
diag sprintf "%-4s %5d  %s", $_, $seen->{$_} // 0, shape_meaning($_) for shape_names();

# Which files count? Those that load Shapes.
my %ran = map { s{.*/}{}r => 1 } @$files;
my @absent = grep {
    my $name = s{.*/}{}r;
    open my $in, '<', $_ or die "$_: $!\n";
    my $text = do { local $/; <$in> };
    $text =~ /^use Shapes\b/m && $name ne '99-shapes.t' && !$ran{$name};
} glob 't/*.t';
plan skip_all => "only some of the tests ran: not @absent" if @absent;

for my $shape (shape_names()) {
    SKIP: {
        my $why = no_shape($shape);
        fail("root builds $shape: $why") if $why && $ENV{ALL_SHAPES} && is_root();
        skip "$shape: $why", 1 if $why;
        cmp_ok($seen->{$shape} // 0, '>', 0, 'seen: ' . shape_meaning($shape));
    }
}

done_testing;

# Containers forbid root to build some. Where all must be seen, ALL_SHAPES is set; root
# in a namespace of users is a user.
sub is_root {
    open my $map, '<', '/proc/self/uid_map' or return 0;
    return $> == 0 && <$map> =~ /\A\s*0\s+0\s+4294967295/;
}
