use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use File::Temp;
use SetprivTest qw(is_root truth);
use TestChild qw(company in_child);

plan skip_all => company() if company();

# The system calls between the first step and the last, as strace(1) sees them: those of
# the manual, in that order, and nothing that allocates.

plan skip_all => 'root with everything: needs root with setuid, setgid and setpcap' if !is_root();
plan skip_all => 'root with everything: no_new_privs is set' if in_child { truth()->{no_new_privs} };
my ($strace) = grep { -x } map { "$_/strace" } split /:/, $ENV{PATH} // '';
plan skip_all => 'root with everything: there is no strace here' if !defined $strace;

my $dir = File::Temp->newdir;

sub calls_of {
    my ($prepare, $plan) = @_;
    my $script = "use Linux::Prctl qw(:all); $prepare; setpriv($plan)";
    system $strace, '-qq', '-o', "$dir/trace", $^X, (map { "-I$_" } grep { !ref } @INC), '-e', $script;
    return if $?;
    open my $in, '<', "$dir/trace" or die "trace: $!\n";
    my ($begun, @calls, @found);
    for (grep { /\A\w+\(/ } <$in>) {
        ($begun, @calls) = (1) if /\Art_sigprocmask\(SIG_SETMASK, ~\[/;
        push @calls, $_ if $begun;
        next if !$begun || !/\Art_sigprocmask\(SIG_SETMASK, \[\]/;
        $begun = 0;
        @found = @calls;    # the last: libraries block signals too
    }
    return @found;
}

# Each by its name, and what an option of prctl(2) is; as often as it comes in a row.
sub in_short {
    my @short;
    for (@_) {
        # with ids of 32 bits, or sizes of 64, where there are others
        my ($name, $first, $second) = /\A(\w+?)(?:32|64)?\((\w*)(?:, (\w+))?/;
        next if $name eq 'fcntl';    # musl's open(3): open and fcntl
        $name = 'openat' if $name eq 'open';
        my $call = $name ne 'prctl' ? $name
            : $first eq 'PR_CAP_AMBIENT' ? $second : "$first" . ($first =~ /KEEPCAPS/ ? " $second" : '');
        push @short, $call if !@short || $short[-1] ne $call;
    }
    return @short;
}

my @calls = calls_of('', q{reuid => 1001, regid => 1002, groups => [20], ambient_caps => ['net_bind_service'],
    bounding_set => ['net_bind_service'], securebits => ['noroot'], no_new_privs => 1, pdeathsig => 'TERM'});
if (!@calls) {
    diag('strace(1) cannot trace here');
    plan skip_all => 'root with everything: strace cannot trace here';
}
my @short = in_short(@calls);
my @steps = (qw(rt_sigprocmask openat fstatfs setgroups setresgid capset capget PR_CAPBSET_DROP),
    qw(capget capset capget capset capget), 'PR_SET_KEEPCAPS 1', qw(setresuid capset capget PR_CAP_AMBIENT_RAISE),
    'PR_SET_KEEPCAPS 0', qw(PR_SET_SECUREBITS capset capget PR_SET_NO_NEW_PRIVS PR_SET_PDEATHSIG getppid));
is_deeply([ @short[ 0 .. $#steps ] ], \@steps, 'root with everything: the steps of the manual, in their order')
    or diag(explain(\@short));
is_deeply([ @short[ -4 .. -1 ] ], [qw(setresuid setresgid close rt_sigprocmask)], 'root with everything: what was given up is tried, last');
my %seen = map { $_ => 1 } @short[ 3 .. $#short ];
is_deeply([ grep { $seen{$_} } qw(brk mmap munmap mremap openat open futex) ], [],
    'root with everything: nothing allocates, opens or waits in between');
ok($seen{read} && $seen{getresuid} && $seen{PR_CAPBSET_READ}, 'root with everything: both sources are asked');

@calls = calls_of('set_keepcaps(1)', '');
is_deeply([ (in_short(@calls))[ 0, 3 ] ], [ 'rt_sigprocmask', 'PR_SET_KEEPCAPS 0' ],
    'root with everything: keepcaps goes off first');
@calls = calls_of('', '');
is(scalar(grep { /\A(?:capset|setgroups|setres[ug]id|prctl\(PR_(?:SET|CAPBSET_DROP))/ } @calls), 0,
    'root with everything: where nothing differs, nothing is set');
cmp_ok(scalar @calls, '>', 2, 'root with everything: ... but it is verified');
@calls = calls_of('', 'reuid => 1001, regid => 1001, clear_groups => 1');
is_deeply([ (in_short(@calls))[ 3, 4 ] ], [qw(setresgid setresuid)],
    'root with everything: ... and only what differs') if truth()->{groups} && !@{ truth()->{groups} };

done_testing;
