use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Encode ();
use File::Temp;
use Hostile qw(random_calls random_plans operations behind_filters filtered_calls);
use Seccomp qw(no_filter);
use Shapes qw(is_root);
use TestChild qw(how_ended in_child);

# A slice of xt/hostile: values that are not what they seem, and system calls that are
# refused, faked or trapped. HOSTILE_SEED repeats a run.

my $seed = $ENV{HOSTILE_SEED} // time % 1_000_000;

my @found = eval { in_child { random_calls($seed, 400) } };
is("@found$@", '', "calls with hostile values: seed $seed");
@found = eval { in_child { random_plans($seed, 40) } };
is("@found$@", '', "plans in values that are read as code: seed $seed");

SKIP: {
    my $why = is_root() ? no_filter() : 'needs root with setuid, setgid and setpcap';
    skip "filtered prctl: $why", 1 if $why;
    my $file = File::Temp->new;
    my $all  = operations("$file");
    my @wrong;
    my @names = sort keys %$all;
    my @calls = filtered_calls();
    srand $seed;
    for (1 .. 150) {
        my ($name, $call) = ($names[ rand @names ], $calls[ rand @calls ]);
        my $answer = ('EPERM', 'EINVAL', 'ENOSYS', 'a pretended success', 'a trap')[ rand 5 ];
        my $found = behind_filters($name, $all->{$name}, $call, $answer, "$file");
        push @wrong, "$name, $answer from $call: $found" if length $found;
    }
    is("@wrong", '', "operations behind filters: seed $seed");
}

done_testing;
