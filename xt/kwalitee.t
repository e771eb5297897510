#!/usr/bin/perl
# The archive, as CPAN sees it: CPANTS' marks, fields of META that are true, and the same
# bytes from every clone.
use 5.014;
use warnings;

use Cwd qw(abs_path);
use File::Temp;
use FindBin;
use JSON::PP qw(decode_json);
use Test::More;

use lib "$FindBin::Bin/lib";
use Archive qw(make_archive);
use Proof qw(copy_distribution must_run read_file);

eval { require Module::CPANTS::Analyse; Module::CPANTS::Analyse->import; 1 }
    or plan skip_all => 'Module::CPANTS::Analyse is not here (Debian: libmodule-cpants-analyse-perl)';

my $top = abs_path("$FindBin::Bin/..");
my $dir = File::Temp->newdir;
my $log = "$dir/log";

my $archive = eval { make_archive(copy_distribution("$dir/copy"), $log) }
    or BAIL_OUT($@ . (-e $log ? read_file($log) : ''));

# ---- kwalitee ----

# What CPANTS calls experimental is neither core nor extra. Of it we lack one mark, the
# address of a public repository: there is none.
my %lacks = (meta_yml_has_repository_resource => 1);

my $analysis = Module::CPANTS::Analyse->new({ dist => $archive });
$analysis->run;
my $found = $analysis->d;
my %marks;
for my $mark (map { @{ $_->kwalitee_indicators } } @{ $analysis->mck->generators }) {
    my $name = $mark->{name};
    $marks{ $mark->{is_experimental} ? 'experimental' : $mark->{is_extra} ? 'extra' : 'core' }++;
    if ($lacks{$name}) {
        ok(!$found->{kwalitee}{$name}, "$name: not given, as it must be");
        next;
    }
    my $error = $found->{error}{$name} // $mark->{error};
    ok($found->{kwalitee}{$name}, $name) or diag(explain($error), $mark->{remedy} // '');
}
cmp_ok($marks{$_} // 0, '>', 5, "there are marks of CPANTS: $_") for qw(core extra);

# ---- META ----

my ($name) = $archive =~ m{([^/]+)\.tar\.gz\z};
must_run($log, 'tar', '-C', "$dir", '-xzf', $archive);
my $meta = decode_json(read_file("$dir/$name/META.json"));
is("$meta->{name}-" . $meta->{version} =~ s/\Av//r, $name, 'META: name and version are those of the archive');
is($meta->{dynamic_config}, 1,        'META: Makefile.PL must be run');
is($meta->{release_status}, 'stable', 'META: a release');
is_deeply([ sort keys %{ $meta->{resources} } ], [qw(bugtracker homepage license)],
    'META: no resource that does not exist');
like($meta->{resources}{bugtracker}{web}, qr/\A\Qhttps:\/\/rt.cpan.org\/\E.*\bName=\Q$meta->{name}\E\z/,
    'META: the queue for bugs that CPAN has for the distribution');
like(read_file("$dir/$name/SECURITY.md"), qr/\b\Q$meta->{resources}{bugtracker}{mailto}\E\b/,
    'META: its address is the one of SECURITY.md');
is($meta->{resources}{homepage}, "https://metacpan.org/dist/$meta->{name}", 'META: the page CPAN has for it');
is_deeply([ sort keys %{ $meta->{provides} } ],
    [ sort map { m{\Alib/(.+)\.pm\z} ? $1 =~ s{/}{::}gr : () } split /\n/, read_file("$dir/$name/MANIFEST") =~ s/[ \t].*//mgr ],
    'META: what it provides is what it has');
# MakeMaker adds inc by itself.
is_deeply([ grep { $_ ne 'inc' && !-d "$dir/$name/$_" } @{ $meta->{no_index}{directory} } ], [],
    'META: the folders that are not indexed exist');

# ---- two clones ----

SKIP: {
    skip 'this is no checkout of git', 1 if !-e "$top/.git";
    my @archives = map {
        my ($where, $umask, $date) = @$_;
        must_run($log, 'sh', '-euc', 'umask "$1"; git clone -q "$2" "$3"', 'sh', $umask, $top, "$dir/$where");
        must_run($log, 'find', "$dir/$where", qw(-name .git -prune -o -type f -exec touch -d), $date, '{}', '+');
        my $before = umask oct $umask;
        my $made   = make_archive("$dir/$where", $log);
        umask $before;
        $made;
    } [ 'one', '022', '2001-02-03' ], [ 'another/with a longer name', '077', '2021-12-13' ];
    ok(system('cmp', @archives) == 0, 'two clones, at other times and with other modes: one archive');
}

done_testing;
