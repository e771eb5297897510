# A process and a file in a user namespace that has no number for a group of theirs: both
# show 65534, and only the kernel knows whether they are the same.
use 5.014;
use warnings;

use lib 't/lib';

use Errno qw(EACCES);
use File::Copy qw(copy);
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
);
is_deeply($data->{happens}, \%truth, 'what really happens');
is_deeply($data->{said}, {
    'its group' => 'yes, unsure', 'another group' => 'yes, unsure',
    'another, for all' => 'no, unsure', 'its, for others' => 'no, unsure',
    'no matter' => 'yes', 'read by its group' => 'yes, unsure',
}, 'from inside: unsure, unless it does not matter');
is_deeply(said($CLASS->of($pid)), \%truth, 'from outside it can be seen');
close $go;
waitpid $pid, 0;

done_testing;
