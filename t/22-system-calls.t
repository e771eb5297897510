# What reaches the kernel, and what comes back: a listener takes the place of the
# kernel, so that options of other processors and of later kernels answer too.
use 5.014;
use warnings;
no warnings 'portable';    # numbers of 64 bits are what this is about

use lib 't/lib';
use Errno qw(EPROTO);
use Test::More;

use POSIX ();

use Pinned qw(constants functions sample);
use Seccomp qw(no_listener peek supervised);

use Linux::Prctl qw(:all);

plan skip_all => no_listener() if length no_listener();

my @functions = functions();

# Some value in full width, another for each place.
use constant { WIDE => 0x1122334455667788, ALL => 0xffffffffffffffff, A_POINTER => 'a pointer' };

# Answers in the way the kernel gives them: how, and what Perl is to make of it.
my %answer = (
    status => [0, 0],
    new    => [0x20040, 0x20040],
    answer => [WIDE, WIDE],
    value  => [0x8877665544332211, 0x8877665544332211],
    bit    => [1, 1],
    # what stands behind the four bytes of an int is none of the answer
    int    => [{ bytes => pack 'L L', 0xfedcba98, 0xdeadbeef }, 0xfedcba98],
    long   => [{ bytes => pack 'Q', 0xfedcba9876543210 }, 0xfedcba9876543210],
    u64    => [{ bytes => pack 'Q', 0xfedcba9876543211 }, 0xfedcba9876543211],
    name   => [{ bytes => "fifteen \xfft long\0" }, "fifteen \xfft long"],
);

sub call {
    my ($name, @args) = @_;
    no strict 'refs';
    return &{"Linux::Prctl::$name"}(@args);
}

# The five numbers that are to arrive; A_POINTER where it cannot be known.
sub expected {
    my ($function, @args) = @_;
    @args = map { defined && $_ eq 'chown' ? 0 : $_ } @args;
    my @numbers = map {
          /\A\$([0-9])\z/ ? $args[$1 - 1] // $function->{args}[$1 - 1]{default}
        : /\A\*([0-9])\z/ ? defined $args[$1 - 1] ? A_POINTER : 0
        : /\A[&*]\z/      ? A_POINTER
        :                   oct_or_decimal($_)
    } @{ $function->{call} };
    return (map({ $_ eq A_POINTER ? A_POINTER : unpack 'Q', pack $_ < 0 ? 'q' : 'Q', $_ } @numbers),
        (0) x (5 - @numbers));
}

sub oct_or_decimal {
    my ($text) = @_;
    return $text =~ /\A0x/ ? oct $text : $text;
}

# One call, its answer from the table: what arrived, what came back.
sub travels {
    my ($function, $what, @args) = @_;
    my ($give, $get) = @{ $answer{ $function->{answer} } };
    my @expected = expected($function, @args);
    my ($room) = grep { $function->{call}[$_] eq '&' } 0 .. $#{ $function->{call} };
    my ($calls, $errno, @got) = supervised(
        ['prctl'],
        sub {
            my ($call) = @_;
            return ref $give
                ? { write => { $call->{args}[$room] => $give->{bytes} } }
                : $give;
        },
        sub { $! = 77; my @got = call($function->{name}, @args); ($! + 0, @got) });
    my $title = "filtered prctl: $function->{name}(" . join(', ', map { $_ // 'undef' } @args) . "): $what";
    my @arrived = map { [@{ $_->{args} }[0 .. 4]] } @$calls;
    for my $i (grep { $expected[$_] eq A_POINTER } 0 .. 4) {
        $arrived[0][$i] = A_POINTER if @arrived && $arrived[0][$i];
    }
    is_deeply(\@arrived, [\@expected], "$title: one system call, and nothing but its arguments");
    is_deeply(\@got, [$get], "$title: the answer");
    is($errno, 77, "$title: \$! is left alone");
    return $arrived[0] ? $arrived[0][0] : ();
}

my %reached;

for my $function (@functions) {
    my @kinds = map { $_->{kind} } @{ $function->{args} };
    next if !@{ $function->{call} } || !$answer{ $function->{answer} };
    next if $function->{name} eq 'prctl';
    my @values = sample($function);
    $reached{$_}{ $function->{name} } = 1 for travels($function, 'what it needs', @values);
    next if !@kinds || $function->{name} eq 'set_mce_kill';

    my $wide = sub {
        my ($value, $step) = @_;
        my $i = 0;
        return map {
              /\A(?:number|signal|cap)\z/ ? $value + $step * $i++
            : /\Aparent\z/                ? getppid    # does not travel
            : /\Aprogram\z/               ? "\6\0\0\0\0\0\xff\x7f"
            :                               'text'
        } @kinds;
    };
    my @full = $wide->(WIDE, 1);
    pop @full if $kinds[-1] eq 'parent';
    travels($function, 'full width', @full);
    next if !grep { /\A(?:number|signal|cap)\z/ } @kinds;
    my @minus = $wide->(-1, 0);
    pop @minus if $kinds[-1] eq 'parent';
    travels($function, 'all bits', @minus);
    travels($function, 'the largest', map { $_ eq '-1' ? ALL : $_ } @minus);
    travels($function, 'the smallest', map { $_ eq '-1' ? '-9223372036854775808' : $_ } @minus);
    travels($function, 'as text', map { $_ eq '-1' ? '18446744073709551614' : $_ } @minus);
    travels($function, '2**63', map { $_ eq '-1' ? 2**63 : $_ } @minus);
    travels($function, 'nothing lost at 32 bits', map { $_ eq '-1' ? 2**32 + 9 : $_ } @minus);
}

my ($set_mce_kill) = grep { $_->{name} eq 'set_mce_kill' } @functions;
travels($set_mce_kill, "policy $_", $_) for 0 .. 2;

# ---- those that need more than a table ----

{
    my $auxv = pack 'Q*', 6, 4096, 33, 0xfedcba9876543210, 0, 0;
    my $more = $auxv . "\0" x 32;
    my ($calls, $errno, @pairs) = supervised(
        ['prctl'],
        sub {
            my ($call) = @_;
            my $size = $call->{args}[2];
            return length $more if !$size;
            return { value => length $more,
                write => { $call->{args}[1] => substr $more, 0, $size } };
        },
        sub { $! = 77; my @pairs = get_auxv(); ($! + 0, @pairs) });
    $reached{ $_->{args}[0] }{get_auxv} = 1 for @$calls;
    ok(!grep({ $_->{args}[0] != 0x41555856 || $_->{args}[3] || $_->{args}[4] } @$calls),
        'filtered prctl: get_auxv: its option, and zeros behind the buffer and its size')
        or diag explain $calls;
    is_deeply(\@pairs, [6, 4096, 33, 0xfedcba9876543210], 'filtered prctl: get_auxv: the pairs, in full width');
    is($errno, 77, 'filtered prctl: get_auxv: $! is left alone');

    # More than there was room for is no answer, though it begins like one.
    my $answer = sub { my ($call) = @_; return { value => 2**20, write => { $call->{args}[1] => $auxv } } };
    (undef, $errno, @pairs) = supervised(['prctl'], $answer, sub { $! = 0; my @pairs = get_auxv(); ($! + 0, @pairs) });
    is_deeply([ $errno, @pairs ], [EPROTO], 'filtered prctl: get_auxv: no more is read than there is room for');

    # What was not written is not there, whatever a call before has left in the memory.
    my @parts = ($auxv, substr($auxv, 0, 16), '');
    my (undef, @counts) = supervised(['prctl'],
        sub { my ($call) = @_; return { value => length $auxv, write => { $call->{args}[1] => shift @parts } } },
        sub { map { $! = 0; my @got = get_auxv(); (scalar @got, $! + 0) } 1 .. 3 });
    is_deeply(\@counts, [ 4, 0, 2, 0, 0, EPROTO ], 'filtered prctl: get_auxv: less is written than was said');
}

{
    my $program = "\x20\0\0\0\0\0\0\0" . "\6\0\0\0\0\0\xff\x7f";
    my ($calls, $answer) = supervised(
        ['prctl'],
        sub {
            my ($call) = @_;
            my ($length, $filter) = unpack 'S x![Q] Q', peek($call, $call->{args}[2], 16);
            @$call{qw(length program)} = ($length, peek($call, $filter, 16));
            return 0;
        },
        sub { set_seccomp(SECCOMP_MODE_FILTER, $program) });
    is($answer, 0, 'filtered prctl: set_seccomp with a program');
    is(scalar @$calls, 1, 'filtered prctl: set_seccomp: one system call');
    is_deeply([@{ $calls->[0]{args} }[0, 1, 3, 4]], [22, 2, 0, 0], 'filtered prctl: set_seccomp: its arguments');
    is($calls->[0]{length}, 2, 'filtered prctl: set_seccomp: the number of instructions');
    is($calls->[0]{program}, $program, 'filtered prctl: set_seccomp: the instructions');
}

for my $case (
    [set_name => [1, "n\xe4me"], ["n\xe4me"], [15]],
    [set_vma_anon_name => [4, "n\xe4me"], [4096, 8192, "n\xe4me"], [0x53564d41, 0, 4096, 8192]],
) {
    my ($name, $where, $args, $numbers) = @$case;
    my ($position, $text) = @$where;
    my ($calls, $answer) = supervised(
        ['prctl'],
        sub {
            my ($call) = @_;
            $call->{text} = peek($call, $call->{args}[$position], length($text) + 1);
            return 0;
        },
        sub { call($name, @$args) });
    is_deeply([@{ $calls->[0]{args} }[0 .. $#$numbers]], $numbers, "filtered prctl: $name: its numbers");
    is($calls->[0]{text}, "$text\0", "filtered prctl: $name: the bytes, and the NUL behind them");
}

{
    my ($calls, @got) = supervised(['prctl'], sub { 0 }, sub { set_vma_anon_name(1, 2, undef) });
    is_deeply([@{ $calls->[0]{args} }[0 .. 4]], [0x53564d41, 0, 1, 2, 0],
        'filtered prctl: set_vma_anon_name without a name: a null pointer');
}

# The raw door.
for my $case (
    [[3], [3, 0, 0, 0, 0]],
    [[1, 2, 3, 4, 5], [1 .. 5]],
    [[0x59616d61, -1, ALL, WIDE, 2**63], [0x59616d61, ALL, ALL, WIDE, 1 << 63]],
    [[2**31 - 1, 7], [2**31 - 1, 7, 0, 0, 0]],
) {
    my ($args, $expected) = @$case;
    my ($calls, $errno, @got) = supervised(['prctl'], sub { 0x123456789 },
        sub { $! = 77; my @got = prctl(@$args); ($! + 0, @got) });
    is_deeply([map { [@{ $_->{args} }[0 .. 4]] } @$calls], [$expected], "filtered prctl: prctl(@$args)");
    is_deeply(\@got, [0x123456789], "filtered prctl: prctl(@$args): the whole answer");
    is($errno, 77, "filtered prctl: prctl(@$args): \$! is left alone");
}
for my $option (-1, 2**32 - 1, -2**31, 2**31) {
    my ($calls) = supervised(['prctl'], sub { 0 }, sub { prctl($option) });
    is($calls->[0]{args}[0] & 0xffffffff, $option & 0xffffffff,
        "filtered prctl: prctl($option): the 32 bits of an option");
}

# What a title is written with: perl's own prctl, and the name as it was before.
{
    my ($calls, $answer) = supervised(
        ['prctl'],
        sub {
            my ($call) = @_;
            my ($option, $address) = @{ $call->{args} };
            return { write => { $address => "kept" . "\0" x 12 } } if $option == 16;
            ($call->{text}) = peek($call, $address, 16) =~ /\A([^\0]*)/;
            return 0;
        },
        sub { set_proctitle('a title') });
    is($answer, 0, 'filtered prctl: set_proctitle');
    is($calls->[0]{args}[0], 16, 'filtered prctl: set_proctitle asks for the name first');
    is($calls->[-1]{args}[0], 15, 'filtered prctl: set_proctitle sets the name last');
    is($calls->[-1]{text}, 'kept', 'filtered prctl: set_proctitle leaves the name as it was');
}

# A process that may be traced by whom it last said.
{
    my ($calls, @got) = supervised(
        ['prctl'],
        sub { $_[0]{args}[1] == 9 ? { errno => 22 } : 0 },
        sub {
            my $ask = sub { my @pid = get_ptracer(); [@pid] };
            my @seen = $ask->();
            for my $pid (WIDE, 0, SET_PTRACER_ANY) {
                set_ptracer($pid);
                push @seen, $ask->();
            }
            set_ptracer(77);
            push @seen, set_ptracer(9), $ask->();
            pipe my $from, my $to or die "pipe: $!\n";
            binmode $_ for $from, $to;
            my $child = fork // die "fork: $!\n";
            if (!$child) {
                syswrite $to, get_ptracer() == getppid ? 'its parent' : get_ptracer();
                POSIX::_exit(0);
            }
            close $to;
            push @seen, scalar <$from>, $ask->(), getppid;
            waitpid $child, 0;
            @seen;
        });
    my $parent = pop @got;
    is($parent, $$, 'the parent is this process');
    is_deeply(\@got, [[$parent], [WIDE], [0], [-1], -1, [77], 'its parent', [77]],
        'filtered prctl: get_ptracer: the parent, what was last set with success, and a child of fork anew')
        or diag explain \@got;
    is(scalar(grep { $_->{args}[0] == 0x59616d61 } @$calls), scalar @$calls,
        'filtered prctl: get_ptracer asks the kernel nothing');
}

# Those that are other system calls.
{
    my ($calls, @got) = supervised(
        [qw(setfsuid setfsgid)],
        sub { $_[0]{args}[0] == 0xffffffff ? 0xfffffffe : 7 },
        sub {
            my @got;
            push @got, $_->() for \&getfsuid, \&getfsgid;
            push @got, $_->(0xfffffffe) for \&setfsuid, \&setfsgid;
            push @got, $_->(5) for \&setfsuid, \&setfsgid;
            @got;
        });
    is_deeply([@got[0, 1]], [0xfffffffe, 0xfffffffe], 'filtered prctl: getfsuid, getfsgid: the whole id');
    is_deeply([@got[2, 3]], [0, 0], 'filtered prctl: setfsuid, setfsgid: the id is what was asked for');
    is_deeply([@got[4, 5]], [-1, -1], 'filtered prctl: setfsuid, setfsgid: the id is another');
    my @set = map { [$_->{syscall}, $_->{args}[0] & 0xffffffff] }
        grep { ($_->{args}[0] & 0xffffffff) != 0xffffffff } @$calls;
    is_deeply(\@set, [[setfsuid => 0xfffffffe], [setfsgid => 0xfffffffe], [setfsuid => 5],
        [setfsgid => 5]], 'filtered prctl: setfsuid, setfsgid: what arrives');
}
for my $status (0, 7, 255) {
    my ($calls, @got) = supervised(['exit'], sub { 0 }, sub { sys_exit($status) });
    is_deeply([map { $_->{args}[0] } @$calls], [$status],
        "filtered prctl: sys_exit($status): exit, and no exit_group");
}

# ---- nothing is left out ----

$reached{ 22 }{set_seccomp} = 1;
for my $option (grep { grep { $_ eq 'option' } @{ $_->{tags} } } constants()) {
    my @by = sort keys %{ $reached{ $option->{value} } || {} };
    ok(scalar @by, "$option->{name} is reached by " . (join(' ', @by) || 'nothing'));
}

# ---- a second witness ----

SKIP: {
    my ($strace) = grep { -x } map { "$_/strace" } split /:/, $ENV{PATH};
    skip 'strace is not installed', 4 if !$strace;
    my $code = 'set_timerslack(0x1122334455667788); set_mdwe(0x8000000000000004); '
        . 'cap_ambient_is_set(39); set_thp_disable(-1, 0x70000000f)';
    my @command = ($strace, '-e', 'trace=prctl', '-e', 'raw=prctl', $^X, map({ "-I$_" } @INC),
        '-MLinux::Prctl=:all', '-e', $code);
    my $pid = open my $from, '-|' // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT or die "dup: $!\n";
        exec @command or die "$strace: $!\n";
    }
    my @lines = <$from>;
    close $from;
    skip "strace cannot trace here: @lines", 4 if $? || grep { /\Astrace: (?!Process)/ } @lines;
    for my $expected (
        'prctl(0x1d, 0x1122334455667788, 0, 0, 0)',
        'prctl(0x41, 0x8000000000000004, 0, 0, 0)',
        'prctl(0x2f, 0x1, 0x27, 0, 0)',
        'prctl(0x29, 0xffffffffffffffff, 0x70000000f, 0, 0)',
    ) {
        ok(1 == grep({ index($_, $expected) == 0 } @lines), "strace sees $expected")
            or diag @lines;
    }
}

done_testing;
