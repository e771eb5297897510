use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use SetprivTest qw(random_trial is_root @SHAPES);
use Shapes qw(no_shape);
use TestChild qw(company);

plan skip_all => company() if company();

# A slice of xt/setpriv-random: random starts and plans, each run for real in a child
# and compared, step by step, with what was foreseen. SETPRIV_SEED repeats a run.

my $trials = 12;    # for each shape
my $seed   = $ENV{SETPRIV_SEED} // time;
diag("seed $seed") if $ENV{SETPRIV_SEED};

# Without root, there is what a plain user and a user namespace allow.
my @shapes = is_root() ? @SHAPES : qw(user_namespace plain_user no_new_privs);
my %became;
for my $shape (@shapes) {
    my $why = no_shape($shape);
    SKIP: {
        skip $why, 1 if $why;
        my @wrong;
        for my $i (1 .. $trials) {
            my ($kind, $found) = random_trial($seed + $i, $shape);
            $became{$kind}++;
            push @wrong, "seed " . ($seed + $i) . ": $kind $found" if $kind eq 'lost' || $found;
        }
        is("@wrong", '', "$shape: $trials random plans, each as foreseen (seed $seed)");
    }
}
note(join ', ', map { "$became{$_} $_" } sort keys %became);
SKIP: {
    # What a user may do is mostly refused, and in a chroot there is no user namespace.
    skip 'some of each kind: needs root with setuid, setgid and setpcap', 2 if !is_root();
    cmp_ok($became{done} // 0, '>', 0, 'some went through');
    cmp_ok(($became{refused} // 0) + ($became{misuse} // 0), '>', 0, 'some were refused');
}

done_testing;
