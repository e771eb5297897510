# Every module can be loaded, and they all say one version.
use 5.014;
use warnings;

use ExtUtils::MakeMaker ();
use File::Find qw(find);
use Test::More;

require_ok('Linux::Prctl');
is(scalar @Linux::Prctl::EXPORT, 0, 'nothing is exported by default');

my @files;
find({ no_chdir => 1, wanted => sub { push @files, $_ if /\.pm\z/ } }, 'lib');
is(scalar(grep { $_ eq 'lib/Linux/Prctl.pm' } @files), 1, 'its file is among those of lib/');

# What CPAN tools read from a file, and what is there when it is loaded.
my $version = MM->parse_version('lib/Linux/Prctl.pm');
like($version, qr/\A\d+\.\d+\.\d+\z/, 'a version');
for my $file (sort @files) {
    my $module = $file =~ s{\Alib/}{}r =~ s{/}{::}gr =~ s/\.pm\z//r;
    require_ok($module);
    my $here = MM->parse_version($file);
    if ($here eq 'undef') {
        is($module->VERSION, undef, "$module: no version in its file, and none when it is loaded");
    }
    else {
        is($here, $version, "$module: the version in its file is Linux::Prctl's");
        is($module->VERSION, $version, "$module: and when it is loaded");
    }
}

# What a program may ask for: use Linux::Prctl::Status 2.0.
for my $module (map { "Linux::Prctl$_" } '', qw(::CapState ::FileCaps ::Status)) {
    is($module->VERSION, $version, "$module has a version");
}

open my $in, '<', 'Changes' or die "Changes: $!\n";
my ($newest) = map { /\A(\d\S*)/ ? $1 : () } <$in>;
is($newest, $version, 'the newest entry of Changes is about it');

done_testing;
