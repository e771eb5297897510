#!/usr/bin/perl
# No call leaks: everything that can be imported is called, with arguments the kernel
# takes, with some that it refuses, and with some that die. Two measures: Test::LeakTrace
# counts Perl's values, and resident memory over many calls sees what C forgets.
use 5.014;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../t/lib";

use Linux::Prctl qw(:all);
use Test::More;
use TestChild qw(in_child);

my $calls = $ENV{LEAKS_CALLS} // 10_240;    # of each

# What each function is called with; those without a row are called without arguments.
# Nothing here changes what the test itself needs.
my %arguments = (
    cap_ambient_is_set  => [ ['chown'], [63] ],
    cap_ambient_lower   => [ ['chown'], [63] ],
    cap_ambient_raise   => [ ['chown'], [63] ],
    cap_name            => [ [0], [63] ],
    cap_number          => [ ['chown'], [63] ],
    capbset_drop        => [ [63] ],
    capbset_read        => [ ['chown'], [63] ],
    futex_hash_set_slots => [ [3] ],
    get_cap             => [ [ 0, 'chown' ], [ 1, 63 ] ],
    get_cfi             => [ [0] ],
    get_speculation_ctrl => [ [0], [99] ],
    lock_shadow_stack_status => [ [0] ],
    pac_reset_keys      => [ [99] ],
    pac_set_enabled_keys => [ [ 99, 99 ] ],
    ppc_get_dexcr       => [ [0] ],
    ppc_set_dexcr       => [ [ 0, 0 ] ],
    prctl               => [ [ PR_GET_DUMPABLE() ], [ 99_999, 1, 2, 3, 4 ] ],
    riscv_set_icache_flush_ctx => [ [ 0, 0 ] ],
    riscv_v_set_control => [ [0] ],
    rseq_slice_extension_set => [ [0] ],
    sched_core_create   => [ [ 0, 99 ] ],
    sched_core_get      => [ [0] ],
    sched_core_share_from => [ [ 2**32 - 2 ] ],
    sched_core_share_to => [ [ 0, 99 ] ],
    set_cap             => [ [ 0, 'chown', 0 ], [ 0, 63, 1 ] ],
    set_cfi             => [ [ 0, 0 ] ],
    set_child_subreaper => [ [0] ],
    set_dumpable        => [ [1], [99] ],
    set_endian          => [ [0] ],
    set_fp_mode         => [ [0] ],
    set_fpemu           => [ [0] ],
    set_fpexc           => [ [0] ],
    set_io_flusher      => [ [0] ],
    set_keepcaps        => [ [0], [99] ],
    set_mce_kill        => [ [MCE_KILL_DEFAULT()], [99] ],
    set_mdwe            => [ [0], [99] ],
    set_memory_merge    => [ [0] ],
    set_mm              => [ [ 99, 0 ] ],
    set_name            => [ ['leaks'], ["\xe9" x 20] ],
    set_no_new_privs    => [ [], [99] ],
    set_pdeathsig       => [ [0], ['SIGTERM'], [99], [ 0, 1 ] ],
    set_proctitle       => [ ['leaks'] ],
    set_ptracer         => [ [0] ],
    set_seccomp         => [ [99], [ 2, "\0" x 8 ] ],
    set_securebits      => [ [0], [1 << 31] ],
    set_shadow_stack_status => [ [0] ],
    set_speculation_ctrl => [ [ 99, 0 ] ],
    set_syscall_user_dispatch => [ [0], [99] ],
    set_tagged_addr_ctrl => [ [0] ],
    set_thp_disable     => [ [0], [ 0, 99 ] ],
    set_timerslack      => [ [50_000] ],
    set_timing          => [ [0], [1] ],
    set_tsc             => [ [TSC_ENABLE()], [99] ],
    set_unalign         => [ [0] ],
    set_vma_anon_name   => [ [ 0, 0, undef ], [ 0, 0, 'leaks' ], [ 1, 1, 'leaks' ] ],
    setfsgid            => [ [0] ],
    setpriv             => [ [], [ keep_groups => 1, inh_caps => '-all', no_new_privs => 1, dry_run => 1 ] ],
    setfsuid            => [ [0] ],
    sme_set_vl          => [ [0] ],
    spawn               => [ [ command => ['true'], no_new_privs => 1, dry_run => 1 ] ],    # t/88 starts some
    supported           => [ ['set_name'], ['chown'], [63] ],
    sve_set_vl          => [ [0] ],
    sys_exit            => [],
);

my @cases;    # name, code
for my $name (@{ $Linux::Prctl::EXPORT_TAGS{functions} }, @{ $Linux::Prctl::EXPORT_TAGS{extra} }) {
    my $code = Linux::Prctl->can($name);
    my $rows = delete $arguments{$name} // [ [] ];
    for my $row (@$rows) {
        my @row = @$row;
        push @cases, [ "$name(@{[ map { $_ // 'undef' } @row ]})", sub { my @x = $code->(@row) } ];
        push @cases, [ "$name, :fatal", eval "no strict; use Linux::Prctl ':fatal';
            sub { my \@x = eval { \$code->(\@row) } }" ];
    }

    # Misuse: too many arguments, and ones that are no number, no name, no bytes.
    push @cases, [ "$name, misused", sub { eval { $code->((0) x 9) } } ];
    next if !@$rows || !@{ $rows->[0] };
    my $count = @{ $rows->[0] };
    for my $bad ("\x{263a}", undef, [], "a\0b") {
        next if $name eq 'set_vma_anon_name' && !defined $bad;
        push @cases, [ "$name, bad argument",
            sub { eval { $code->(($bad) x $count) } } ];
    }
}
is_deeply([ sort keys %arguments ], [], 'every function that is called here exists');

my %hashes = (
    cap_effective   => \%cap_effective,
    cap_permitted   => \%cap_permitted,
    cap_inheritable => \%cap_inheritable,
    cap_ambient     => \%cap_ambient,
    capbset         => \%capbset,
    securebits      => \%securebits,
);
for my $set (sort keys %hashes) {
    my $h      = $hashes{$set};
    my $object = Linux::Prctl->can($set)->();
    my $key    = $set eq 'securebits' ? 'keep_caps' : 'audit_read';
    my $now    = { %$h };
    my $quiet  = sub { my ($code) = @_; sub { no warnings; local $SIG{__WARN__} = sub { }; eval { $code->() } } };
    push @cases,
        [ "$set: read",          sub { my $x = $h->{$key} } ],
        [ "$set: read 63",       $quiet->(sub { my $x = $h->{63} }) ],
        [ "$set: read bogus",    $quiet->(sub { my $x = $h->{bogus} }) ],
        [ "$set: store 0",       $quiet->(sub { $h->{$key} = 0 }) ],
        [ "$set: store 1",       $quiet->(sub { $h->{$key} = 1 }) ],
        [ "$set: store refused", $quiet->(sub { $h->{63} = 1 }) ],
        [ "$set: local",         $quiet->(sub { local $h->{$key} = 0 }) ],
        [ "$set: exists",        sub { my $x = exists $h->{$key} } ],
        [ "$set: exists bogus",  sub { my $x = exists $h->{bogus} } ],
        [ "$set: delete",        $quiet->(sub { my $x = delete $h->{$key} }) ],
        [ "$set: keys",          sub { my @x = keys %$h } ],
        [ "$set: values",        sub { my @x = values %$h } ],
        [ "$set: each",          sub { while (my ($k, $v) = each %$h) { } } ],
        [ "$set: in boolean",    sub { my $x = %$h ? 1 : 0 } ],
        [ "$set: tied",          sub { my $x = tied %$h } ],
        [ "$set: %h = ()",       $quiet->(sub { %$h = () }) ],
        [ "$set: list",          $quiet->(sub { %$h = ($key => 0) }) ],
        [ "$set: names",         sub { my @x = $object->names } ],
        [ "$set: has",           sub { my $x = $object->has($key) } ],
        [ "$set: add",           $quiet->(sub { $object->add($key) }) ],
        [ "$set: add refused",   $quiet->(sub { $object->add(63) }) ],
        [ "$set: add bogus",     $quiet->(sub { $object->add('bogus') }) ],
        [ "$set: drop",          $quiet->(sub { $object->drop($key) }) ],
        [ "$set: method usage",  $quiet->(sub { Linux::Prctl::CapabilitySet::add() }) ],
        [ "$set: method of a string", $quiet->(sub { Linux::Prctl::CapabilitySet::add('x') }) ],
        [ "$set: limit",         $quiet->(sub { $object->limit($key) }) ],
        [ "$set: replace",       $quiet->(sub { $object->replace($key) }) ],
        [ "$set: clear",         $quiet->(sub { $object->clear }) ];
}

# In the order above, each case finds the sets as the ones before left them, which is
# why each is also called once before it is measured.
SKIP: {
    eval { require Test::LeakTrace; 1 } or skip 'Test::LeakTrace is not installed', 1;
    my @leaks = in_child {
        my @found;
        for my $case (@cases) {
            my ($name, $code) = @$case;
            $code->() for 1 .. 2;
            my $leaked = Test::LeakTrace::leaked_count($code);
            push @found, "$name: $leaked" if $leaked;
        }
        return @found;
    };
    is("@leaks", '', 'no value of Perl leaks from ' . @cases . ' calls')
        or diag(join "\n", @leaks);
}

sub resident {
    open my $in, '<', '/proc/self/status' or die "/proc/self/status: $!\n";
    my ($kb) = map { /\AVmRSS:\s*(\d+)/ ? $1 : () } <$in>;
    return $kb;
}

# The heap may grow by a step at any time; a leak grows with every call. So what counts
# is the middle one of ten samples. A leak of malloc's least piece, in one case of all,
# is two pages from one sample to the next.
SKIP: {
    -r '/proc/self/status' or skip 'no /proc', 1;
    my $rounds = int($calls / 20);
    $rounds * 16 >= 2 * 4096 or skip "$calls rounds are too few to see a leak", 1;
    my @growth = in_child {
        my (@grown, $before);
        for my $sample (0 .. 20) {
            for (1 .. $rounds) { $_->[1]->() for @cases }
            my $now = resident();
            push @grown, $now - $before if $sample > 10;
            $before = $now;
        }
        return @grown;
    };
    my $middle = (sort { $a <=> $b } @growth)[5];
    is($middle, 0, "resident memory does not grow over $calls rounds of " . @cases . ' calls')
        or diag("kB from sample to sample: @growth");
}

done_testing;
