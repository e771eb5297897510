use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Config;
use Errno qw(EIO);
use File::Temp;
use Linux::Prctl qw(setpriv);
use SetprivTest qw(truth);
use Shapes qw(is_root);
use TestChild qw(company in_child);

plan skip_all => company() if company();

# Who is asked for a name: a name service of our own, in a root directory of our own, as an
# attacker in a jail would have one. It notes what it is asked.

plan skip_all => 'root with everything: needs root with setuid, setgid and setpcap' if !is_root();

my $jail = File::Temp->newdir;
chmod 0755, $jail;
mkdir "$jail/$_" for qw(etc lib lib64 usr usr/lib usr/lib64);
my ($multiarch) = map { chomp; $_ } `$Config{cc} -print-multiarch 2>/dev/null`;
my @libs = qw(lib lib64 usr/lib usr/lib64);
if ($multiarch) {
    mkdir "$jail/lib/$multiarch";
    mkdir "$jail/usr/lib/$multiarch";
    push @libs, "lib/$multiarch", "usr/lib/$multiarch";
}
my $library = "$jail/lib/libnss_lptest.so.2";
my $built   = system("$Config{cc} $Config{ccflags} -shared -fPIC -o $library t/lib/nss.c >$jail/log 2>&1") == 0;
plan skip_all => 'this C library has no name services that are loaded' if !$built;
for my $lib (grep { $_ ne 'lib' } @libs) {
    link $library, "$jail/$lib/libnss_lptest.so.2" or die "$lib: $!\n";
}
open my $conf, '>', "$jail/etc/nsswitch.conf" or die "nsswitch.conf: $!\n";
print {$conf} "passwd: lptest\ngroup: lptest\ninitgroups: lptest\n";
close $conf or die "nsswitch.conf: $!\n";

# What the code answers in the jail, what it leaves, and what was asked there.
sub in_jail {
    my ($code) = @_;
    unlink "$jail/asked";
    my ($said, $errno, @ids) = in_child {
        chroot $jail or die "chroot: $!\n";
        chdir '/' or die "chdir: $!\n";
        local ($@, $!);
        my $said = eval { $code->() } // $@;
        my $errno = $! + 0;
        ($said, $errno, "$< $>", join(' ', split ' ', $(), );
    };
    my $asked = '';
    if (open my $in, '<', "$jail/asked") {
        $asked = join '; ', map { chomp; $_ } <$in>;
    }
    return { said => $said, errno => $errno, uid => $ids[0], groups => $ids[1], asked => $asked };
}

my $control = in_jail(sub { join ' ', (getpwnam 'somebody')[ 2, 3 ] });
plan skip_all => "names are not looked up in a jail here: $control->{said}" if $control->{said} ne '77 78';
is($control->{asked}, 'getpwnam somebody', 'the name service of the jail is asked by this process');

my @gid = (regid => 5, clear_groups => 1);

for my $value (65534, '+65534') {
    my $found = in_jail(sub { setpriv(reuid => $value, regid => $value, clear_groups => 1) });
    is_deeply([ @$found{qw(said uid asked)} ], [ 1, '65534 65534', '' ],
        "a number asks nobody: $value") or diag(explain($found));
}
my $found = in_jail(sub { setpriv(keep_groups => 1, regid => 5, ruid => 6, euid => 7) });
is_deeply([ @$found{qw(said uid asked)} ], [ 1, '6 7', '' ], '... each half');
$found = in_jail(sub { setpriv(groups => [ 5, '+6' ]) });
is_deeply([ @$found{qw(said groups asked)} ], [ 1, '0 5 6', '' ], '... and a group of a list');

$found = in_jail(sub { setpriv(reuid => '+1000', @gid) });
is_deeply([ @$found{qw(said uid asked)} ], [ 1, '1000 1000', '' ], 'a user +1000 does not beat the number');
$found = in_jail(sub { setpriv(reuid => 'somebody', @gid) });
is_deeply([ @$found{qw(said uid)} ], [ 1, '77 77' ], '... a name is one');

$found = in_jail(sub { setpriv(reuid => '1000', @gid) });
like($found->{said}, qr/\Asetpriv: reuid 1000 could not be looked up: \Q@{[ do { local $! = EIO; "$!" } ]}\E/,
    'a look-up that fails is heard');
is($found->{errno}, EIO, '... with its errno');
is($found->{uid}, '0 0', '... and nothing is changed');
$found = in_jail(sub { setpriv(reuid => 0, rgid => '1000', egid => 0, keep_groups => 1) });
like($found->{said}, qr/rgid 1000 could not be looked up/, '... of a group too');
$found = in_jail(sub { setpriv(reuid => '1234', @gid) });
is_deeply([ @$found{qw(said uid asked)} ], [ 1, '1234 1234', 'getpwnam 1234' ],
    'where there is no such name, a numeral is a number');
$found = in_jail(sub { setpriv(reuid => 'nobody-at-all', @gid) });
like($found->{said}, qr/is neither a user nor a whole number/, '... and a word is none');

for my $value (1000, '+1000') {
    $found = in_jail(sub { setpriv(reuid => $value, regid => 5, init_groups => 1) });
    is_deeply([ @$found{qw(said uid groups)} ], [ 1, '1000 1000', '5 78 80' ],
        "init_groups of a number, $value: its entry's groups") or diag(explain($found));
    like($found->{asked}, qr/\Agetpwuid 1000; initgroups thousand\z/, '... by its uid');
}
$found = in_jail(sub { setpriv(reuid => 1001, regid => 5, init_groups => 1) });
like($found->{said}, qr/init_groups: the groups of reuid 1001 could not be looked up/,
    'groups that cannot be looked up are not left out');
is($found->{uid}, '0 0', '... and nothing is changed');

$found = in_jail(sub { setpriv(user => 'somebody') });
is_deeply([ @$found{qw(said uid groups)} ], [ 1, '77 77', '78 78 80' ], 'user: ids and groups of an entry')
    or diag(explain($found));
$found = in_jail(sub { setpriv(user => 1000) });
like($found->{said}, qr/user 1000 is a number, which asks no name service: name regid and the groups/,
    'user as a number has no entry');
is($found->{asked}, '', '... and asks for none');
$found = in_jail(sub { setpriv(user => 1000, @gid) });
is_deeply([ @$found{qw(said uid groups asked)} ], [ 1, '1000 1000', '5', '' ], '... and needs none with the rest');
$found = in_jail(sub { setpriv(user => 'somebody', clear_groups => 1) });
is_deeply([ @$found{qw(said uid groups)} ], [ 1, '77 77', '78' ], 'user: the groups can be said otherwise');
$found = in_jail(sub { setpriv(user => 'somebody', reuid => 5) });
like($found->{said}, qr/user and reuid contradict each other/, 'user and reuid contradict each other');
for my $option (qw(groups clear_groups)) {
    $found = in_jail(sub { setpriv(user => 'nobody-at-all', regid => 5, $option => $option eq 'groups' ? [6] : 1) });
    like($found->{said}, qr/user "?nobody-at-all"? is neither a user nor a whole number/, "a user that there is not, with $option");
}
$found = in_jail(sub { setpriv(user => '1234') });
like($found->{said}, qr/user "?1234"? has no entry that tells its group/, 'a numeral that is no name has no entry');
is($found->{uid}, '0 0', '... and nothing is changed');
$found = in_jail(sub { setpriv(user => 'somebody', regid => 5) });
is_deeply([ @$found{qw(said uid groups)} ], [ 1, '77 77', '5 78 80' ], 'user: the gid can be said otherwise');

# ---- a user of very many groups ----

# The C library's own files, in the jail, where it has those built in or loads them.
my @many = map { 3000 + 7 * $_ } 0 .. 199;
open $conf, '>', "$jail/etc/nsswitch.conf" or die "nsswitch.conf: $!\n";
print {$conf} "passwd: lptest\ngroup: files\ninitgroups: files\n";
close $conf or die "nsswitch.conf: $!\n";
open my $group, '>', "$jail/etc/group" or die "group: $!\n";
print {$group} map { "group$_:x:$_:root,somebody\n" } reverse @many;
close $group or die "group: $!\n";
SKIP: {
    my $known = in_jail(sub { scalar getgrnam 'group3007' });
    skip 'the C library reads no files in a jail here', 3 if $known->{said} ne '3007';
    $found = in_jail(sub { setpriv(user => 'somebody') });
    is($found->{said}, 1, 'user: very many groups') or diag(explain($found));
    is($found->{groups}, join(' ', 78, 78, @many), '... all of them');
    $found = in_jail(sub { setpriv(reuid => 'somebody', regid => 5, init_groups => 1) });
    is($found->{groups}, join(' ', 5, 78, @many), '... init_groups too');
}

done_testing;
