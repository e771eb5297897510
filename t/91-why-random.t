use 5.014;
use warnings;

use Linux::Prctl qw(:all);
use Test::More;

use lib 't/lib';
use TestChild ();    # which skips where there is no /proc
use ExecTest qw(own_mounts exec_stage leave_stage why_trial);

# What why says is true: the first of the ways is taken for real, by the process or by
# root, and the capability is there; where it says that nothing can, many random attempts
# to have it fail. EXEC_SEED repeats a run.

own_mounts();    # runs it again
my $trials   = $ENV{EXEC_TRIALS} // 150;
my $attempts = 200;
my $seed     = $ENV{EXEC_SEED} // time;

plan skip_all => 'no setfcap, chown and setuid to take the ways with'
    if !cap_effective->has(qw(setfcap chown fowner setuid setgid setpcap));
my $stage = eval { exec_stage() };
plan skip_all => "no files to execute: $@" =~ s/\n.*//sr if !$stage;

my (%became, @wrong, $nothing);
for my $i (1 .. $trials) {
    # Attempts take time: a few such trials have all of them.
    my ($what, $found) = why_trial($stage, $seed + $i, ($nothing // 0) < 3 ? $attempts : 5);
    $nothing++ if $what =~ /, nothing/;
    $became{$what}++;
    push @wrong, "seed " . ($seed + $i) . ": $what $found" if $found;
}
leave_stage($stage);
is(join("\n", splice @wrong, 0, 3), '', "$trials answers, each true (seed $seed)");
note("$became{$_} $_") for sort keys %became;
cmp_ok($nothing // 0, '>', 0, 'nothing could give some');
cmp_ok(scalar(grep { /, (?!nothing)/ } keys %became), '>', 3, 'different ways were taken');

done_testing;
