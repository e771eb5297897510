use 5.014;
use warnings;

use Config;
use File::Temp;
use Test::More;

use lib 't/lib';
use Shapes qw(is_root);
use SpawnTest qw(no_spawn each_way program);

plan skip_all => no_spawn() if no_spawn();

# What makes the program takes no lock of the C library: another thread may have had it when
# the memory was copied, and then nobody gives it back. A library that is loaded before all
# others ends whoever asks for one there.

my $dir     = File::Temp->newdir;
chmod 0755, $dir or die "$dir: $!\n";
my $library = "$dir/locks.so";
my $log     = `$Config{cc} $Config{ccflags} -shared -fPIC -o $library t/lib/locks.c -ldl -lpthread 2>&1`;
plan skip_all => 'the library cannot be built: ' . $log =~ s/\n.*//sr if $? || !-e $library;

my $script = "$dir/spawns";
open my $out, '>', $script or die "$script: $!\n";
print {$out} <<'END';
use Linux::Prctl qw(spawn);
my $plan = eval $ARGV[0] or die $@;
$SIG{ABRT} = sub { };
my $pid = eval { spawn(%$plan) };
print $@ if !$pid;
waitpid $pid, 0 if $pid;
print "status $?\n";
END
close $out or die "$script: $!\n";

my $true = program('true');
my @user = is_root() ? 'reuid => 1001, regid => 1001, clear_groups => 1, ambient_caps => ["net_raw"], bounding_set => ["net_raw"]' : ();
each_way(sub {
    my ($way) = @_;
    for my $more ('', 'no_new_privs => 1, pdeathsig => "TERM"', 'stdout => "/dev/null", chdir => "/", env => { A => 1 }', @user) {
        local $ENV{LD_PRELOAD} = $library;
        open my $from, '-|', $^X, (map {"-I$_"} grep { !ref } @INC), $script, "{ command => ['$true'], $more }"
            or die "$^X: $!\n";
        my $said = join '', <$from>;
        is($said, "status 0\n", "$way: no lock is taken: $more");
    }
});

done_testing;
