use 5.014;
use warnings;

use Config;
my $threads;
BEGIN { $threads = $Config{useithreads} && eval { require threads; 1 } }
use Test::More;

use lib 't/lib';
use Linux::Prctl qw(spawn);
use POSIX ();
use Shapes qw(is_root);
use SpawnTest qw(no_spawn each_way beside_threads program);
use TestChild qw(in_child);

plan skip_all => no_spawn() if no_spawn();

# A slice of xt/spawn-threads: other threads of the parent do not matter.

plan skip_all => 'this perl has no threads' if !$threads;

my @plan = is_root() ? (reuid => 1001, regid => 1001, clear_groups => 1, ambient_caps => ['net_raw']) : (no_new_privs => 1);
each_way(sub {
    my ($way) = @_;
    my @wrong = in_child { beside_threads(60, @plan) };
    is("@wrong", '', "$way: 60 spawns beside four threads at work");
});

# The death signal goes by the thread that started the program.

each_way(sub {
    my ($way) = @_;
    my ($spawned, $status) = in_child {
        my $pid = threads->create(sub { spawn(command => [ program('sleep'), 60 ], pdeathsig => 'USR2') })->join;
        waitpid $pid, 0;
        ($pid, $? & 127);
    };
    cmp_ok($spawned, '>', 0, "$way: a program is started by a thread");
    is($status, POSIX::SIGUSR2(), "$way: ... which gets its signal when that thread ends");
});

done_testing;
