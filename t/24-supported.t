# Does this kernel know a function, or a capability? Asked without changing anything.
use 5.014;
use warnings;
no warnings 'portable';

use lib 't/lib';
use Errno qw(EACCES EINVAL ENODEV ENOSYS EPERM);
use POSIX ();
use Test::More;

use Pinned qw(constants functions);
use Seccomp qw(filter no_filter no_listener supervised);
use TestChild qw(in_child proc_status);

use Linux::Prctl qw(:functions :extra);

my $blind    = no_filter();
my $unheard  = no_listener();
my @names    = map { $_->{name} } functions();
my %function = map { $_->{name} => $_ } functions();
my @caps     = map { $_->{name} } grep { $_->{tags}[-1] eq 'capabilities' } constants();

sub said { my ($answer) = @_; return !defined $answer ? 'undef' : $answer ? 'true' : 'false' }

# Whatever the kernel is, these are not in question.
my @always = qw(set_proctitle get_ptracer get_cap set_cap prctl cap_name cap_number last_cap caps_text supported
    getfsuid getfsgid setfsuid setfsgid sys_exit);
my %always = map { $_ => 1 } @always;
is(said(supported($_)), 'true', "supported('$_')") for @always;

# ---- this kernel: what it says when it is asked directly ----

for my $name (grep { /\A(?:\w+_)?get_/ && @{ $function{$_}{call} } } @names) {
    my $function = $function{$name};
    next if $function->{answer} eq 'auxv' || @{ $function->{args} };
    my $answer = in_child {
        my $room = "\0" x 64;
        my @sent = map { $_ eq '&' ? unpack('L!', pack 'P', $room) : $_ } @{ $function->{call} };
        prctl(@sent) == -1 ? $! + 0 : 0;
    };
    my $expected = !$answer ? 'true' : $answer == EINVAL || $answer == ENODEV ? 'false' : 'undef';
    is(said(supported($name)), $expected, "supported('$name') is what the kernel says");
    my ($setter) = $name =~ s/get_/set_/r;
    next if !$function{$setter} || $setter eq 'futex_hash_set_slots';    # 0 slots may say either
    is(said(supported($setter)), $expected, "supported('$setter') is the same");
}
is(said(supported($_)), 'true', "supported('$_'): every kernel has that")
    for qw(get_name set_name get_dumpable set_pdeathsig get_no_new_privs get_timerslack
        capbset_read capbset_drop get_securebits set_keepcaps);
is(said(supported('set_fpemu')), 'false', "supported('set_fpemu'): no kernel of today has that")
    if (POSIX::uname())[4] !~ /ia64/;

SKIP: {
    skip 'no /proc/sys/kernel', 2 if !-d '/proc/sys/kernel';
    is(said(supported('set_ptracer')), -e '/proc/sys/kernel/yama/ptrace_scope' ? 'true' : 'false',
        "supported('set_ptracer') is whether Yama is there");
    is(said(supported("task_perf_events_$_")),
        -e '/proc/sys/kernel/perf_event_paranoid' ? 'true' : 'false',
        "supported('task_perf_events_$_') is whether perf events are there") for qw(enable disable);
}

# ---- capabilities ----

SKIP: {
    open my $in, '<', '/proc/sys/kernel/cap_last_cap' or skip "/proc/sys/kernel/cap_last_cap: $!", 70;
    chomp(my $last = <$in>);
    is(last_cap(), $last, 'last_cap() is the running kernel\'s');
    is(said(supported($_)), $_ <= $last ? 'true' : 'false', "supported($_)") for 0 .. 63;
    is(said(supported("cap_$_")), $_ <= $last ? 'true' : 'false',
        "supported('cap_$_')") for 0, 40, 41, 63;
}
is(said(supported($_)), said(supported(Linux::Prctl->can($_)->())), "supported('$_')") for @caps;
is(said(supported($_)), 'true', "supported('$_')") for 'kill', 'KILL', 'cap_kill', 'CAP_KILL', 5, '5';

# ---- another kernel ----

SKIP: {
    skip $blind, 1 if length $blind;

    for my $case ([EPERM, 'a filter that forbids prctl'],
        [ENOSYS, 'a filter that knows no prctl'], [EACCES, 'another refusal'])
    {
        my ($errno, $what) = @$case;
        my @said = in_child { filter([prctl => $errno]); map { said(supported($_)) } @names };
        for my $i (0 .. $#names) {
            my $by_file = $names[$i] =~ /\A(?:set_ptracer|task_perf_events_\w+)\z/;
            my $processor = $names[$i] =~ /\Ariscv_set_icache/;    # known without asking
            my $expected = $always{ $names[$i] } ? 'true' : $processor ? 'false' : 'undef';
            next if $by_file;
            is($said[$i], $expected, "filtered prctl: $what: supported('$names[$i]') is $expected");
        }
    }
    my @old = in_child { filter([prctl => EINVAL]); map { said(supported($_)) } @names };
    for my $i (0 .. $#names) {
        next if $names[$i] =~ /\A(?:set_ptracer|task_perf_events_\w+)\z/;
        if ($always{ $names[$i] }) {
            is($old[$i], 'true', "filtered prctl: a kernel without options: supported('$names[$i]')");
        }
        else {
            isnt($old[$i], 'true',
                "filtered prctl: a kernel without options: supported('$names[$i]') is not true");
        }
    }

    # A kernel with more capabilities than the module knows, and one with fewer.
    my @more = in_child {
        filter(map({ [prctl => 0, 23, $_] } 41 .. 50), map { [prctl => EINVAL, 23, $_] } 51 .. 63);
        (last_cap(), map { said(supported($_)) } 40, 41, 'cap_50', 51);
    };
    is_deeply(\@more, [50, qw(true true true false)], 'filtered prctl: a kernel with more capabilities');
    my @fewer = in_child {
        filter(map { [prctl => EINVAL, 23, $_] } 38 .. 63);
        (last_cap(), map { said(supported($_)) } qw(audit_read perfmon bpf), 40, 63);
    };
    is_deeply(\@fewer, [37, qw(true false false false false)], 'filtered prctl: a kernel with fewer');
    my @silent = in_child {
        filter([prctl => EPERM]);
        (last_cap(), map { said(supported($_)) } 'chown', 'bpf', 40, 41, 63);
    };
    my $named = $#{ $Linux::Prctl::EXPORT_TAGS{capabilities} };    # the last
    is_deeply(\@silent, [$named, qw(true undef undef undef undef)],
        'filtered prctl: a filter that refuses everything says nothing about what there is');
}

SKIP: {
    skip $unheard, 1 if length $unheard;
    my (undef, @said) = supervised(['prctl'], sub { 0 }, sub { map { said(supported($_)) } @names });
    my $asked_otherwise =
        qr/\A(?:set_ptracer|task_perf_events_|mpx_|riscv_set_icache|futex_hash_set)/;
    for my $i (grep { $names[$_] !~ $asked_otherwise } 0 .. $#names) {
        is($said[$i], 'true', "filtered prctl: a kernel with every option: supported('$names[$i]')");
    }
}

# ---- nothing is changed ----

# The options that only ask.
my %getter = map { (oct_or_decimal($_->{call}[0]) => 1) }
    grep { @{ $_->{call} } && $_->{answer} !~ /\A(?:status|new|answer)\z/ } values %function;
# Those that ask by one sub-operation, and change something by others.
my %asks_by = (47 => 1, 62 => 0, 77 => 2, 78 => 2, 79 => 1);

sub oct_or_decimal { my ($text) = @_; return $text =~ /\A0/ ? oct $text : $text }

sub is_question {
    my ($option, @args) = @_;
    return $args[0] == $asks_by{$option} if exists $asks_by{$option};
    # SET_MM: only the size of a struct, written where the module wants it.
    return $args[0] == 15 if $option == 35;
    # SYSCALL_USER_DISPATCH: only with a selector that no process can have.
    return $args[0] == 1 && $args[3] == ~0 if $option == 59;
    # SET_VMA: only a name for no bytes.
    return $args[0] == 0 && $args[2] == 0 if $option == 0x53564d41;
    return $getter{$option};
}

SKIP: {
    skip $unheard, 1 if length $unheard;
    my @watched = qw(prctl capset setfsuid setfsgid setuid setgid setresuid setresgid
        setgroups seccomp unshare exit);
    for my $what (@names, @caps, 0 .. 63) {
        my ($calls) = supervised(\@watched, sub { undef }, sub { supported($what); 1 });
        my @wrong = grep { $_->{syscall} ne 'prctl' || !is_question(@{ $_->{args} }) } @$calls;
        is_deeply(\@wrong, [],
            "filtered prctl: supported('$what') asks, and sets nothing") or diag explain \@wrong;
    }
}

# Everything that /proc and the getters show, before and after, on the kernel as it is.
sub state_of_process {
    my %status = proc_status();
    # What belongs to memory, to time, or (SigQ) to all processes of the user, changes by itself.
    delete @status{grep { /\A(?:SigQ|Vm|Rss|voluntary|nonvoluntary|HugetlbPages|Cpus_|Mems_)/ } keys %status};
    my %now = map {
        my $name = $_;
        ($name => join ',', map { $_ // 'undef' } Linux::Prctl->can($name)->())
    } grep { /\A(?:\w+_)?get_|_get\z|getfs/ && !@{ $function{$_}{args} } } @names;
    return { %status, %now };
}
{
    my ($before, $after) = in_child {
        my $before = state_of_process();
        for my $round (1, 2) {
            supported($_) for @names, @caps, 0 .. 63;
        }
        ($before, state_of_process());
    };
    ok(scalar(keys %$before) > 60, 'there is something to compare');
    is_deeply($after, $before, 'asking for everything, twice, has changed nothing');
}

# An answer in list context is one answer.
is(scalar(my @one = supported('mpx_enable_management')), 1,
    'in list context it is one answer, undef too');

done_testing;
