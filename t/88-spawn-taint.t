use 5.014;
use warnings;

use Config;
use Test::More;

use lib 't/lib';
use Errno qw(EPERM);
use File::Temp;
use SpawnTest qw(no_spawn each_way program);

plan skip_all => no_spawn() if no_spawn();

# perl -T: what came from outside starts no program, as with system() beside it.

plan skip_all => 'this perl knows no tainting' if ($Config{ccflags} // '') =~ /NO_TAINT_SUPPORT/;

my $dir = File::Temp->newdir;
chmod 0777, "$dir";
my $true = program('true');
open my $filter, '>:raw', "$dir/filter" or die "filter: $!\n";
print {$filter} pack 'S C C L', 6, 0, 0, 0x7fff0000;    # allow all
close $filter;

# Each case says what spawn and what system died of; then how spawn ended.
my $script = <<'SCRIPT';
use strict;
use warnings;
use Linux::Prctl qw(spawn);
my ($true, $open) = map { /\A(.*)\z/ } @ARGV;
my $dirty = substr $ARGV[0], 0, 0;
$ENV{PATH} = '/bin:/usr/bin';
delete @ENV{qw(IFS CDPATH ENV BASH_ENV)};
$ENV{TERM} = 'xterm';
my $program = "$true$dirty";
my $listed  = [$program];
my @true    = (command => [$true]);
# What runs code when it is read, and came from nowhere.
package Clean {
    sub new { my $value = $_[1]; return bless \$value, $_[0] }
    use overload '""' => sub { my $text = ${ $_[0] }; return $text }, fallback => 1;
    sub TIEARRAY { return bless $_[1], $_[0] }
    sub TIEHASH { return bless $_[1], $_[0] }
    sub FETCHSIZE { my $size = @{ $_[0] }; return $size }
    sub FETCH { my ($self, $key) = @_; return ref $self && "$key" =~ /\A\d+\z/ ? '0' : 'x' }
    sub FIRSTKEY { my ($self) = @_; my $reset = keys %$self; return each %$self }
    sub NEXTKEY { my ($self) = @_; return each %$self }
}
my $object = Clean->new('0');
tie my @clean, 'Clean', [ '0', '0' ];
tie my %clean, 'Clean', { A => 1, B => 2 };
my %case = (
    'objects behind'    => [ command => [ $program, $object, $object ] ],
    'a list behind'     => [ command => [$program], rlimits => { core => \@clean } ],
    'a hash behind'     => [ command => [$program], env => \%clean ],
    'truth behind'      => [ command => [$program], new_session => Clean->new('') ],
    'an option behind'  => [ command => [$program], Clean->new('umask'), 18 ],
    'a text of objects' => [ command => [ $true, Clean->new("a$dirty"), $object ] ],
    'nothing'          => [@true],
    'command'          => [ command => [$program] ],
    'a list'           => [ command => $listed ],
    'an argument'      => [ command => [ $true, "a$dirty" ] ],
    'program'          => [ @true, program => $program ],
    'env'              => [ @true, env => { A => "a$dirty" } ],
    'PATH of env'      => [ @true, env => { PATH => "/bin$dirty" } ],
    'chdir'            => [ @true, chdir => "/$dirty" ],
    'umask'            => [ @true, umask => "18$dirty" ],
    'stdin'            => [ @true, stdin => "/dev/null$dirty" ],
    'stdout'           => [ @true, stdout => "/dev/null$dirty" ],
    'fds'              => [ @true, fds => { 5 => "0$dirty" } ],
    'rlimits'          => [ @true, rlimits => { core => [ 0, "0$dirty" ] } ],
    'process_group'    => [ @true, process_group => "0$dirty" ],
    'pdeathsig'        => [ @true, pdeathsig => "TERM$dirty" ],
    'no_new_privs'     => [ @true, no_new_privs => "1$dirty" ],
    'a filter'         => [ @true, no_new_privs => 1, seccomp_filter => { file => "$open/filter$dirty" } ],
    'dry_run'          => [ command => [$program], dry_run => 1 ],
);
$SIG{__WARN__} = sub { print 'warning: ', $_[0] };
sub reason { return $@ =~ s/ at \S+ line \d+\.\n//r }
sub try {
    my ($name, @plan) = @_;
    print "$name: ";
    my $line = __LINE__ + 1;
    my $pid  = eval { spawn(@plan) };
    if (ref $pid) { print "a plan\n" }
    elsif ($pid)  { waitpid $pid, 0; print "status $?\n" }
    else { print 0 + $!, ' ', $@ =~ / line $line\.$/ ? '' : 'at another line: ', reason(), "\n" }
    return;
}
$case{root} = [ @true, root => "/$dirty" ] if $> == 0;
try($_, @{ $case{$_} }) for sort keys %case;
my @environments = (
    [ PATH => "/bin$dirty" ], [ PATH => "$open:/bin" ], [ IFS => " $dirty" ], [ CDPATH => "/$dirty" ], [ ENV => "/$dirty" ],
    [ BASH_ENV => "/$dirty" ], [ TERM => "xterm-256color$dirty" ], [ TERM => "x;y$dirty" ], [ TERM => "-x$dirty" ], [ OTHER => "x$dirty" ],
);
sub beside_system {
    my ($title) = @_;
    try("spawn with $title", @true);
    my $said = eval { system $true; 1 } ? "status $?" : 1 . ' ' . reason();
    print "system with $title: $said\n";
    try("spawn with env and $title", @true, env => {});
    try("spawn with reset_env and $title", @true, reset_env => 1);
    return;
}
for my $set (@environments) {
    my ($name, $value) = @$set;
    local $ENV{$name} = $value;
    beside_system("$name=" . ($value eq "$open:/bin" ? 'open' : $value));
}
{
    # What is in the hash is not what a program is given.
    local *ENV = { PATH => '/bin', LINUX_PRCTL_SPAWN => $ENV{LINUX_PRCTL_SPAWN} };
    beside_system('another %ENV');
}
SCRIPT
open my $out, '>', "$dir/script" or die "script: $!\n";
print {$out} $script;
close $out;
chmod 0755, "$dir/script";

my @perl = ($^X, map { "-I$_" } grep { !ref } @INC);
sub said_by { my (@switches) = @_; open my $from, '-|', @perl, @switches, "$dir/script", $true, "$dir" or die "perl: $!\n"; return <$from> }

my $eperm = EPERM;
my $insecure = qr/\A$eperm Insecure dependency in spawn while running with -T switch\z/;
each_way(sub {
    my ($way) = @_;
    my %said = map { chomp; /\A(.*?): (.*)\z/s } said_by('-T');
    is(delete $said{nothing}, 'status 0', "$way: what is in the script itself is started");
    my %beside = map { /\A(?:spawn|system) with / ? ($_ => delete $said{$_}) : () } keys %said;
    cmp_ok(scalar keys %said, '>', 15, "$way: there are cases");
    like($said{$_}, $insecure, "$way: $_ from outside") for sort keys %said;
    for my $set (map { /\Asystem with (.*)/ ? $1 : () } sort keys %beside) {
        is($beside{"spawn with $set"}, $beside{"system with $set"}, "$way: $set: as system has it");
        is($beside{"spawn with env and $set"}, 'status 0', "$way: $set: not with env");
        my $reset = $set =~ /\ATERM|%ENV\z/ ? $beside{"system with $set"} : 'status 0';
        is($beside{"spawn with reset_env and $set"}, $reset, "$way: $set: with reset_env, only what stays");
    }
    is(scalar(grep { !/\Astatus/ } map { $beside{$_} } grep { /\Asystem/ } keys %beside), 8, "$way: eight of them are insecure");
});

# -t: it is said, and done.

my @said = said_by('-t');
is(scalar(grep { /status (?!0)/ } @said), 0, '-t: all is started');
cmp_ok(scalar(grep { /warning: Insecure dependency in spawn while running with -t switch at .* line \d+\.$/ } @said), '>', 15,
    '... with warnings');
is(scalar(grep { /: \d+ Insecure/ } @said), 0, '... and no exception');

done_testing;
