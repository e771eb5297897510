use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Errno qw(EPERM);
use File::Temp;
use Linux::Prctl::Status;
use Shapes qw(is_root);
use TestChild qw(in_child);

# What is loaded late must not be another's code: after chroot(2) the same path names another
# file, and after chdir(2) so does a path that is not absolute.

plan skip_all => 'root with everything: needs root, for chroot' if !is_root();

my $jail = File::Temp->newdir;
chmod 0755, $jail;
for my $inc (grep { !ref && m{\A/} } @INC) {
    my $dir = $jail;
    for my $part (grep { length } split m{/}, "$inc/JSON") {
        $dir .= "/$part";
        mkdir $dir;
    }
    open my $out, '>', "$dir/PP.pm" or die "$dir: $!\n";
    print {$out} "package JSON::PP; print STDERR qq{the jail's code runs\\n}; sub new { die 'jailed' } 1;\n";
    close $out or die "$dir: $!\n";
}
mkdir "$jail/JSON";
link "$jail" . (grep { !ref && m{\A/} } @INC)[0] . '/JSON/PP.pm', "$jail/JSON/PP.pm" or die "link: $!\n";

my ($said, $errno) = in_child {
    die "it is loaded already\n" if $INC{'JSON/PP.pm'};
    my $status = Linux::Prctl::Status->current;
    chroot $jail or die "chroot: $!\n";
    chdir '/' or die "chdir: $!\n";
    eval { $status->as_json };
    ($@, $! + 0);
};
like($said, qr/\Aas_json: .*\(the root directory is another one by now: load JSON::PP before chroot\(2\)\) at /,
    'in another root directory nothing is loaded');
is($errno, EPERM, '... $! says so');

$said = in_child {
    my $status = Linux::Prctl::Status->current;
    unshift @INC, '.';
    chdir $jail or die "chdir: $!\n";
    eval { $status->as_json } // $@;
};
like($said, qr/\A\{"/, 'a path that is not absolute is not looked at');

$said = in_child {
    my $status = Linux::Prctl::Status->current;
    require JSON::PP;
    chroot $jail or die "chroot: $!\n";
    chdir '/' or die "chdir: $!\n";
    eval { $status->as_json } // $@;
};
like($said, qr/\A\{"/, 'what was loaded before serves');

done_testing;
