use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use TestChild ();    # which skips where there is no /proc
use ExecTest qw(own_mounts exec_stage exec_trial leave_stage);

# Processes and files from a fixed seed, each executed for real and compared with what
# after_exec said: t/90-exec-random.t without chance.

own_mounts();    # runs it again
my $trials = 250;
my $seed   = 1;

my $stage = eval { exec_stage() };
plan skip_all => "no files to execute: $@" =~ s/\n.*//sr if !$stage;

my @wrong;
for my $i (1 .. $trials) {
    my ($what, $found) = exec_trial($stage, $seed + $i);
    next if $what ne 'lost' && !$found;
    push @wrong, "seed " . ($seed + $i) . ": $what $found";
    last;
}
leave_stage($stage);
is("@wrong", '', "$trials execs, each as foreseen");

done_testing;
