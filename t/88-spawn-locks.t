use 5.014;
use warnings;

use Config;
use File::Temp;
use Test::More;

use lib 't/lib';
use Shapes qw(is_root);
use SpawnTest qw(no_spawn each_way program);
use SystemCalls qw(no_sys);

plan skip_all => no_spawn() if no_spawn();

# What makes the program takes no lock of the C library: another thread may have had it when
# the memory was copied, and then nobody gives it back. A library that is loaded before all
# others ends whoever asks for one there.

my $dir     = File::Temp->newdir;
chmod 0755, $dir or die "$dir: $!\n";
my $library = "$dir/locks.so";
my $log     = `$Config{cc} $Config{ccflags} -shared -fPIC -o $library t/lib/locks.c -ldl -lpthread 2>&1`;
plan skip_all => 'the library cannot be built: ' . $log =~ s/\n.*//sr if $? || !-e $library;

# A program of Perl with it: what it says.
my $number = 0;
sub said_by {
    my ($text, @arguments) = @_;
    my $script = "$dir/" . $number++;
    open my $out, '>', $script or die "$script: $!\n";
    print {$out} $text;
    close $out or die "$script: $!\n";
    local $ENV{LD_PRELOAD} = $library;
    open my $from, '-|', $^X, (map {"-I$_"} grep { !ref } @INC), $script, @arguments or die "$^X: $!\n";
    return join '', <$from>;
}

SKIP: {
    skip no_sys(), 1 if no_sys();
    is(said_by(<<'END'), "ended by ABRT\n", 'a child that asks for one is ended');
use POSIX qw(SIGABRT SIGCHLD);
use SystemCalls qw(raw_clone);
my $pid = raw_clone(SIGCHLD);
if (!$pid) {
    $SIG{USR1} = 'IGNORE';
    POSIX::_exit(0);
}
waitpid $pid, 0;
print 'ended by ', ($? & 127) == SIGABRT ? 'ABRT' : "status $?", "\n";
END
}

my $true = program('true');
my @user = is_root() ? 'reuid => 1001, regid => 1001, clear_groups => 1, ambient_caps => ["net_raw"], bounding_set => ["net_raw"]' : ();
each_way(sub {
    my ($way) = @_;
    for my $more ('', 'no_new_privs => 1, pdeathsig => "TERM"', 'stdout => "/dev/null", chdir => "/", env => { A => 1 }', @user) {
        is(said_by(<<'END', "{ command => ['$true'], $more }"), "status 0\n", "$way: no lock is taken: $more");
use Linux::Prctl qw(spawn);
delete $ENV{LD_PRELOAD};    # the program may be another C library's
my $plan = eval $ARGV[0] or die $@;
$SIG{ABRT} = sub { };
my $pid = eval { spawn(%$plan) };
print $@ if !$pid;
waitpid $pid, 0 if $pid;
print "status $?\n";
END
    }
});

done_testing;
