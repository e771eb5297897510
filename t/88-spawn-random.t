use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use SetprivTest qw(is_root @SHAPES);
use Shapes qw(no_shape);
use SpawnTest qw(no_spawn each_way random_comparison);

plan skip_all => no_spawn() if no_spawn();

# A slice of xt/spawn-random: random starts and plans, by spawn and by fork, setpriv and
# exec. SPAWN_SEED repeats a run.

my $trials = 6;    # for each shape and way
my $seed   = $ENV{SPAWN_SEED} // time;

# Without root, there is what a plain user and a user namespace allow.
my @shapes = is_root() ? @SHAPES : qw(user_namespace plain_user no_new_privs);
my %became;
each_way(sub {
    my ($way) = @_;
    for my $shape (@shapes) {
        my $why = no_shape($shape);
        SKIP: {
            skip $why, 1 if $why;
            my @wrong;
            for my $i (1 .. $trials) {
                my ($kind, $found) = random_comparison($seed + $i, $shape);
                $became{$kind}++;
                push @wrong, 'seed ' . ($seed + $i) . ": $kind $found" if $kind eq 'lost' || $found;
            }
            is("@wrong", '', "$shape: $way: $trials random plans, as by setpriv and exec (seed $seed)");
        }
    }
});
note(join ', ', map { "$became{$_} $_" } sort keys %became);
SKIP: {
    # What a user may do is mostly refused: it may well be all of so few.
    skip 'some of each kind: needs root with setuid, setgid and setpcap', 2 if !is_root();
    cmp_ok($became{done} // 0, '>', 0, 'some went through');
    cmp_ok($became{refused} // 0, '>', 0, 'some were refused');
}

done_testing;
