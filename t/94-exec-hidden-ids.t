# A process and a file in a user namespace that has no number for a group of theirs: both
# show 65534, and only the kernel knows whether they are the same.
use 5.014;
use warnings;

use lib 't/lib';

use Errno qw(EACCES);
use File::Copy qw(copy);
use ExecTest qw(build_helper build_dynamic);
use File::Temp;
use JSON::PP ();
use Linux::Prctl qw(:all);
use Linux::Prctl::Status;
use POSIX ();
use SystemCalls qw(sys);
use Test::More;
use TestChild qw(in_child);

my $CLASS = 'Linux::Prctl::Status';
plan skip_all => 'only who may become anyone, with user namespaces'
    if $> || !cap_effective->has(qw(setuid setgid chown setfcap)) || !eval { in_child { sys(unshare => 0x10000000); 1 } };
my ($gids) = do { open my $in, '<', '/proc/self/gid_map' or die "gid_map: $!\n"; map { (split)[2] } <$in> };
plan skip_all => 'too few ids here' if $gids < 6000;

my $dir = File::Temp->newdir;
chmod 0755, $dir or die "$dir: $!\n";
my %file = (
    'its group'         => [ 5001, 0710 ],
    'another group'     => [ 5002, 0710 ],
    'another, for all'  => [ 5002, 0701 ],
    'its, for others'   => [ 5001, 0701 ],
    'no matter'         => [ 5002, 0755 ],
    'read by its group' => [ 5001, 0751 ],
);
for my $name (sort keys %file) {
    copy('/bin/true', "$dir/$name") or die "$name: $!\n";
    chown -1, $file{$name}[0], "$dir/$name" or die "$name: $!\n";
    chmod $file{$name}[1], "$dir/$name" or die "$name: $!\n";
}

# Programs that all may execute, whose loaders not all may.
my $built = 1;
for my $name ('its loader', "another's loader") {
    my $place = "$dir/" . ($name =~ /\Aits/ ? 5001 : 5002);
    mkdir $place or die "$place: $!\n";
    if (!build_dynamic($place)) {
        $built = 0;
        last;
    }
    chown -1, $place =~ /(\d+)\z/, "$place/loader" or die "$place: $!\n";
    chmod 0710, "$place/loader" or die "$place: $!\n";
    rename "$place/dynamic", "$dir/$name" or die "$name: $!\n";
    $file{$name} = [];
}

# What after_exec says of each: may it be executed, and is that sure?
sub said {
    my ($status) = @_;
    my %said;
    for my $name (keys %file) {
        my $after  = eval { $status->after_exec("$dir/$name") };
        my $unsure = $after ? grep { $_ eq 'same_id' } @{ $after->assumed } : $@ =~ /, if the id 65534 is the same of both: /;
        die $@ if !$after && $! != EACCES;
        $said{$name} = ($after ? 'yes' : 'no') . ($unsure ? ', unsure' : '');
    }
    return \%said;
}

sub happens {
    my %happens;
    for my $name (keys %file) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            no warnings 'exec';
            open STDOUT, '>', '/dev/null';
            exec { "$dir/$name" } 'true' or POSIX::_exit($! == EACCES ? 13 : 99);
        }
        waitpid $pid, 0;
        $happens{$name} = $? == 0 ? 'yes' : $? >> 8 == 13 ? 'no' : "status $?";
    }
    return \%happens;
}

pipe my $from, my $to   or die "pipe: $!\n";
pipe my $wait, my $go   or die "pipe: $!\n";
binmode $_ for $from, $to, $wait, $go;    # whatever PERL_UNICODE says
my $pid = fork // die "fork: $!\n";
if (!$pid) {
    close $_ for $from, $go;
    eval {
        $( = 1000;
        $) = '1000 5001';
        POSIX::setgid(1000);
        POSIX::setuid(1000);
        sys(unshare => 0x10000000) and die "unshare: $!\n";
        syswrite $to, "x";
        sysread $wait, my $byte, 1;
        my $data = { groups => $CLASS->current->groups, said => said($CLASS->current), happens => happens() };
        syswrite $to, JSON::PP->new->encode($data) . "\n";
        sysread $wait, $byte, 1;
        1;
    } or syswrite $to, "died: $@\n";
    POSIX::_exit(0);
}
close $to;
sysread $from, my $byte, 1;
for my $map (qw(uid_map gid_map)) {
    open my $out, '>:raw', "/proc/$pid/$map" or die "$map: $!\n";
    syswrite $out, "1000 1000 1\n" or die "$map: $!\n";
}
syswrite $go, 'x';
my $line = <$from> // '';
like($line, qr/\A\{/, 'the child went on') or diag($line);
my $data = eval { JSON::PP->new->decode($line) } // { groups => [], said => {}, happens => {} };
is_deeply($data->{groups}, [65534], 'its group has no number there');

my %truth = (
    'its group' => 'yes', 'another group' => 'no', 'another, for all' => 'yes', 'its, for others' => 'no',
    'no matter' => 'yes', 'read by its group' => 'yes',
    $built ? ('its loader' => 'yes', "another's loader" => 'no') : (),
);
is_deeply($data->{happens}, \%truth, 'what really happens');
is_deeply($data->{said}, {
    'its group' => 'yes, unsure', 'another group' => 'yes, unsure',
    'another, for all' => 'no, unsure', 'its, for others' => 'no, unsure',
    'no matter' => 'yes', 'read by its group' => 'yes, unsure',
    $built ? ('its loader' => 'yes, unsure', "another's loader" => 'yes, unsure') : (),
}, 'from inside: unsure, unless it does not matter');
is_deeply(said($CLASS->of($pid)), \%truth, 'from outside it can be seen');
close $go;
waitpid $pid, 0;

# ---- the owner of a set-user-ID program ----

my ($helper) = build_helper($dir);

# In a user namespace of these ids, as uid and gid 1 there: what after_exec says of the files
# inside, and outside, and what they really become. Of each, the effective ids and what was
# assumed of the owner; or why there is no such namespace.
sub in_namespace {
    my ($map, @paths) = @_;
    my $foreseen = sub {
        my ($status) = @_;
        return { map { ($_ => eval { ids($status->after_exec($_)) } // $@) } @paths };
    };
    pipe my $in,   my $tell or die "pipe: $!\n";
    pipe my $wait, my $go   or die "pipe: $!\n";
    binmode $_ for $in, $tell, $wait, $go;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        close $_ for $in, $go;
        eval {
            sys(unshare => 0x10000000) and die "unshare: $!\n";
            syswrite $tell, 'x';
            sysread $wait, my $byte, 1 or POSIX::_exit(0);
            setpriv(reuid => 1, regid => 1, clear_groups => 1, inh_caps => []);
            my %data = (said => $foreseen->($CLASS->current), happens => { map { ($_ => becomes($_)) } @paths });
            syswrite $tell, JSON::PP->new->encode(\%data) . "\n";
            sysread $wait, $byte, 1;
            1;
        } or syswrite $tell, "died: $@\n";
        POSIX::_exit(0);
    }
    close $_ for $tell, $wait;
    sysread $in, my $byte, 1;
    for my $kind (qw(uid_map gid_map)) {
        open my $out, '>:raw', "/proc/$pid/$kind" or die "$kind: $!\n";
        next if syswrite $out, $map;
        my $why = "$kind: $!";
        close $go;
        waitpid $pid, 0;
        return { cannot => $why };
    }
    syswrite $go, 'x';
    my $line = <$in> // '';
    my $data = eval { JSON::PP->new->decode($line) } // die "the child said $line\n";
    $data->{outside} = $foreseen->($CLASS->of($pid));
    close $go;
    waitpid $pid, 0;
    return $data;
}

sub ids {
    my ($after) = @_;
    my ($unsure) = grep { $_ eq 'owner' } @{ $after->assumed };
    return join ' ', $after->uid->{effective}, $after->gid->{effective}, $unsure // ();
}

sub becomes {
    my ($path) = @_;
    open my $out, '-|', $path, 'again' or die "$path: $!\n";
    my %is = map { /\A([UG]id):\s+\d+\s+(\d+)/ ? ($1 => $2) : () } <$out>;
    return "$is{Uid} $is{Gid}";
}

sub helper_of {
    my ($name, $owner, $group) = @_;
    my $path = "$dir/$name";
    copy($helper, $path) or die "$path: $!\n";
    chown $owner, $group, $path or die "$path: $!\n";
    chmod 06755, $path or die "$path: $!\n";
    return $path;
}

sub script_of {
    my ($name, $program, $owner) = @_;
    my $path = "$dir/$name";
    open my $out, '>', $path or die "$path: $!\n";
    print {$out} "#!$program\n";
    close $out or die "$path: $!\n";
    chown $owner, $owner, $path or die "$path: $!\n";
    chmod 0755, $path or die "$path: $!\n";
    return $path;
}

SKIP: {
    skip 'no program that tells its ids', 1 if !$helper;
    skip 'too few ids here', 1 if $gids < 165_536;

    # As in a container, with 65536 ids: its own 65534, and those of others which show as that.
    my $own     = helper_of('its-nobody', 165_534, 165_534);
    my $user    = helper_of('its-nobody-and-a-group', 165_534, 100_007);
    my $group   = helper_of('a-user-and-nobodys-group', 100_007, 165_534);
    my $other   = helper_of('of-another', 5001, 5001);
    my $nobody  = helper_of('anothers-nobody', 65_534, 65_534);
    my $script  = script_of('script-of-its-nobody', $own, 165_534);
    my $foreign = script_of('script-of-another', $other, 5001);
    my @paths = ($own, $user, $group, $other, $nobody, $script, $foreign);
    my $plain = in_child {
        setpriv(reuid => 1, regid => 1, clear_groups => 1, inh_caps => []);
        becomes($own);
    };
    skip 'set-user-ID programs do not count here', 1 if $plain eq '1 1';
    my $data = in_namespace("0 100000 65536\n", @paths);
    skip $data->{cannot}, 1 if $data->{cannot};
    my %happens = (
        $own => '65534 65534', $user => '65534 7', $group => '7 65534', $script => '65534 65534',
        map { ($_ => '1 1') } $other, $nobody, $foreign,
    );
    is_deeply($data->{happens}, \%happens, 'in a container: what its nobody owns is, what others own is not set-user-ID');
    my %said = map { ($_ => $_ eq $user ? '65534 7 owner' : $_ eq $group ? '7 65534 owner' : '65534 65534 owner') } @paths;
    is_deeply($data->{said}, \%said, 'from inside: that it is its own is assumed, and said');
    my %outside = map { ($_ => $happens{$_} =~ s/(\d+)/100_000 + $1/ger) } @paths;
    is_deeply($data->{outside}, \%outside, 'from outside it can be seen, and nothing is assumed');

    # As many lines as a map can have, from Linux 4.15 on (it is written as one page, at most), and
    # the ids of the last one.
    my @ranges = map { "$_ " . (2000 + 2 * $_) . ' 1' } 0 .. 339;
    my $last   = helper_of('the-last-one', 2678, 2678);
    my $beside = helper_of('beside-the-last-one', 2679, 2679);
    $data = in_namespace(join("\n", @ranges) . "\n", $last, $beside);
    skip $data->{cannot}, 1 if $data->{cannot};
    is_deeply($data->{happens}, { $last => '339 339', $beside => '1 1' }, 'a map of 340 lines: an id of the last one counts');
    is_deeply($data->{said}, $data->{happens}, 'from inside it is foreseen');
    is_deeply($data->{outside}, { $last => '2678 2678', $beside => '2002 2002' }, 'and from outside');
}

done_testing;
