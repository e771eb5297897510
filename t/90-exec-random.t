use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use TestChild ();    # which skips where there is no /proc
use ExecTest qw(own_mounts exec_stage exec_trial leave_stage);

# A slice of xt/exec-random: random processes and files, each executed for real and
# compared with what after_exec said. EXEC_SEED repeats a run.

own_mounts();    # runs it again
my $trials = 300;
my $seed   = $ENV{EXEC_SEED} // time;

my $stage = eval { exec_stage() };
plan skip_all => "no files to execute: $@" =~ s/\n.*//sr if !$stage;

my (%became, @wrong);
for my $i (1 .. $trials) {
    my ($what, $found) = exec_trial($stage, $seed + $i);
    $became{$what}++;
    push @wrong, "seed " . ($seed + $i) . ": $what $found" if $what eq 'lost' || $found;
}
leave_stage($stage);
is("@wrong[ 0 .. ($#wrong > 2 ? 2 : $#wrong) ]", '', "$trials random execs, each as foreseen (seed $seed)");
note(join ', ', map { "$became{$_} $_" } sort keys %became);
cmp_ok($became{done} // 0, '>', 0, 'some went through');
cmp_ok(($became{refused} // 0) + ($became{downgraded} // 0), '>', $trials / 10, 'some were refused or got less');

done_testing;
