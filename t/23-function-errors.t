# What a function says when the kernel refuses: -1 or one undef and $!, or, where
# :fatal was asked for, an exception at the caller's line.
use 5.014;
use warnings;

use lib 't/lib';
use Errno qw(EFAULT EINVAL ENODEV ENOSYS EPERM ESRCH);
use Test::More;

use Pinned qw(functions sample);
use Seccomp qw(filter no_filter no_listener supervised);
use SystemCalls qw(no_sys raw_capset raw_prctl);
use TestChild qw(fits_long in_child);

use Linux::Prctl qw(:functions :extra :constants);

my $blind = no_filter();

# Those that ask the kernel something which a filter of prctl(2) can refuse.
my @functions = grep { @{ $_->{call} } || $_->{name} eq 'set_proctitle' } functions();

# Each in a caller of its own, so that the line is known.
sub plainly { my ($name, @args) = @_; no strict 'refs'; return &{"Linux::Prctl::$name"}(@args); }

sub fatally {
    my ($name, @args) = @_;
    use Linux::Prctl qw(:fatal);
    no strict 'refs';
    return &{"Linux::Prctl::$name"}(@args); use constant FATAL_LINE => __LINE__;
}

# What is returned for a refusal.
sub refusal {
    my ($function) = @_;
    my $answer = $function->{answer};
    return [] if $answer eq 'auxv';
    return [$answer =~ /\A(?:status|new|answer)\z/ ? -1 : undef];
}

sub shown { my ($value) = @_; return $value =~ /\A[0-9]+\z/ ? $value : qq("$value") }

# ---- filtered prctl: every function, and every errno that a filter likes ----

SKIP: {
    skip $blind, 1 if length $blind;
    for my $errno (EPERM, ENOSYS, EINVAL, ENODEV, 133) {
        my $text = do { local $! = $errno; "$!" };
        my @cases = in_child {
            filter([prctl => $errno]);
            map {
                my $function = $_;
                my ($name, @args) = ($function->{name}, sample($function));
                $! = 77;
                my @list = plainly($name, @args);
                my $plain = $! + 0;
                $! = 77;
                my $scalar = plainly($name, @args);
                my $again = $! + 0;
                $! = 77;
                my $lived = eval { fatally($name, @args); 1 };
                my $fatal = $! + 0;
                [\@list, $plain, [$scalar], $again, $lived ? 'lived' : $@, $fatal];
            } @functions;
        };
        for my $i (0 .. $#functions) {
            my ($function, $case) = ($functions[$i], $cases[$i]);
            my $refusal = refusal($function);
            my $call = "$function->{name}(" . join(', ', map { shown($_) } sample($function)) . ')';
            my $message = "$call: $text";
            is_deeply($case->[0], $refusal, "filtered prctl: $call, errno $errno: the answer in list context");
            is_deeply($case->[2], @$refusal ? $refusal : [undef],
                "filtered prctl: $call, errno $errno: the answer in scalar context");
            is_deeply([@$case[1, 3]], [$errno, $errno], "filtered prctl: $call, errno $errno: \$!");
            is($case->[4] =~ s/ \(.*?\)(?= at )//r, "$message at $0 line ${\FATAL_LINE}.\n",
                "filtered prctl: $call, errno $errno: what :fatal says")
                or diag $case->[4];
            is($case->[5], $errno, "filtered prctl: $call, errno $errno: \$! under :fatal");
        }
    }
}

# A refusal of the other system calls.
SKIP: {
    skip $blind, 1 if length $blind;
    my @got = in_child {
        filter([capget => ENOSYS], [capset => EPERM]);
        my @got;
        for my $ask (sub { get_cap(CAP_EFFECTIVE, 'kill') },
            sub { set_cap(CAP_EFFECTIVE, 'kill', 0) }) {
            $! = 77;
            my @list = $ask->();
            push @got, [\@list, $! + 0];
        }
        use Linux::Prctl qw(:fatal);
        eval { get_cap(CAP_EFFECTIVE, 'kill') };
        push @got, $@, $! + 0;
        @got;
    };
    is_deeply($got[0], [[undef], ENOSYS], 'filtered prctl: get_cap refused');
    is_deeply($got[1], [[-1], ENOSYS], 'filtered prctl: set_cap refused');
    like($got[2], qr/\Aget_cap\(0, "kill"\): \Q${\ do { local $! = ENOSYS; "$!" }}\E at \Q$0\E line/,
        'filtered prctl: get_cap refused, under :fatal');
    is($got[3], ENOSYS, 'filtered prctl: and $!');
}

# ---- where the pragma counts ----

{
    my $bad = SECCOMP_MODE_FILTER + 5;
    my @said;
    {
        use Linux::Prctl qw(:fatal);
        push @said, [scalar eval { set_seccomp($bad); 1 }, __LINE__, $@];
        {
            no Linux::Prctl qw(:fatal);
            push @said, [scalar eval { set_seccomp($bad); 1 }];
            use Linux::Prctl qw(:fatal);
            push @said, [scalar eval { set_seccomp($bad); 1 }];
        }
        push @said, [scalar eval { set_seccomp($bad); 1 }];
        {
            no Linux::Prctl;
            push @said, [scalar eval { set_seccomp($bad); 1 }];
        }
        push @said, [scalar eval { plainly('set_seccomp', $bad); 1 }];
        push @said, [scalar eval 'set_seccomp($bad); 1'];
        push @said, [scalar eval 'no Linux::Prctl; set_seccomp($bad); 1'];
        my $later = sub { set_seccomp($bad) };
        no Linux::Prctl;
        push @said, [scalar eval { $later->(); 1 }];
    }
    push @said, [scalar eval { set_seccomp($bad); 1 }];
    is_deeply([map { $_->[0] ? 'lived' : 'died' } @said],
        [qw(died lived died died lived lived died lived died lived)],
        ':fatal belongs to the lexical scope of the call')
        or diag explain \@said;
    is($said[0][2], "set_seccomp(7): ${\ do { local $! = EINVAL; \"$!\" }} at $0 line $said[0][1].\n",
        'the message: call, reason, the caller\'s file and line');
}

# The file is the caller's too, and an object that dies of nothing is not changed by it.
{
    use Linux::Prctl qw(:fatal);
    eval qq{# line 4711 "some/where.pl"\nset_seccomp(9); 1};
    like($@, qr/ at some\/where\.pl line 4711\.$/m, 'the caller may be in any file');
    my $calls = 0;
    local $SIG{__DIE__} = sub { $calls++; die { wrapped => $_[0] } };
    eval { set_seccomp(9) };
    is($calls, 1, '$SIG{__DIE__} is called once');
    like($@->{wrapped}, qr/\Aset_seccomp\(9\): /, 'with the message');
}

# What a message shows of the arguments.
SKIP: {
    skip $blind, 1 if length $blind;
    my @said = in_child {
        filter([prctl => EPERM]);
        use Linux::Prctl qw(:fatal);
        map { eval { $_->(); 1 } ? 'lived' : $@ =~ s/: .*//sr }
            sub { set_name("tab\t and \"quotes\"\e") }, sub { set_timerslack(~0) },
            sub { set_timerslack(-2) }, sub { set_pdeathsig('TERM', 1) },
            sub { set_vma_anon_name(4096, 8192, undef) }, sub { set_name('long' x 1000) },
            sub { prctl(PR_SET_NAME, 1, 2, 3, 4) }, sub { get_name() },
            sub { cap_ambient_raise('kill') };
    };
    like($said[0], qr/\Aset_name\("tab\\t and \\"quotes\\"\\(?:e|33)"\)\z/,
        'text, in quotes, escaped');
    is($said[1], 'set_timerslack(18446744073709551615)', 'the largest number');
    is($said[2], 'set_timerslack(-2)', 'a negative number');
    is($said[3], 'set_pdeathsig("TERM", 1)', 'two arguments');
    is($said[4], 'set_vma_anon_name(4096, 8192, undef)', 'undef');
    like($said[5], qr/\Aset_name\("(?:long)+"\.\.\.\)\z/, 'long text is cut');
    ok(length $said[5] < 150, 'to a length that can be read');
    is($said[6], 'prctl(15, 1, 2, 3, 4)', 'the raw door');
    is($said[7], 'get_name()', 'no argument');
    is($said[8], 'cap_ambient_raise("kill")', 'a capability as it was given');

    # A user, who lacks setpcap, and a filter: one has nothing to do with the other.
    my $keepcaps = in_child {
        use Linux::Prctl qw(:fatal);
        raw_capset(0, 0, 0);
        filter([prctl => EPERM, 8]);
        eval { set_keepcaps(1); 1 } ? 'lived' : $@;
    };
    like($keepcaps, qr/\Aset_keepcaps\(1\): Operation not permitted at /,
        'filtered prctl: no reason is made up for set_keepcaps');
}

# ---- success leaves $! alone, whatever the kernel said on the way ----

for my $ask (
    [get_name => sub { get_name() }], [get_timerslack => sub { get_timerslack() }],
    [get_dumpable => sub { get_dumpable() }], [last_cap => sub { last_cap() }],
    [supported => sub { supported('get_endian'); supported(63) }],
    [cap_name => sub { cap_name(5) }], [cap_number => sub { cap_number('kill') }],
    [getfsuid => sub { getfsuid() }], [get_ptracer => sub { get_ptracer() }],
    [get_cap => sub { get_cap(CAP_EFFECTIVE, 'kill') }],
    [capbset_read => sub { capbset_read('kill') }],
    [mce => sub { get_mce_kill() }], [set_name => sub { set_name(get_name()) }],
) {
    my ($name, $code) = @$ask;
    my $errno = in_child { $! = 77; $code->(); $! + 0 };
    is($errno, 77, "$name: a success leaves \$! alone");
}

# A success that looks like a failure until /proc has been asked.
my $slack = in_child { $! = 77; set_timerslack(-2); my $got = get_timerslack(); [$got, $! + 0] };
SKIP: {
    skip '/proc does not tell the timer slack', 1 if !-r "/proc/$$/timerslack_ns";
    skip 'a real-time thread has no timer slack', 1 if !(get_timerslack() // 0);
    my $long = unpack 'L!', pack 'l!', -2;    # of the processor, not of perl
    is_deeply($slack, [$long, 77], "get_timerslack: a slack of $long is no error");
}
SKIP: {
    skip $blind, 1 if length $blind;
    my @got = in_child { filter([prctl => EPERM, 30]); my @got = get_timerslack(); ($! + 0, @got) };
    is_deeply(\@got, [EPERM, undef], 'filtered prctl: get_timerslack: an error is none of its answers');
}

# ---- refusals that the module itself makes ----

{
    my @got = in_child {
        my $before = get_mce_kill() // return 'unknown';
        my @got;
        for my $bad (3, 4, 9, -1, fits_long(2**32, 2**32 + 1)) {
            $! = 0;
            push @got, [set_mce_kill($bad), $! + 0, get_mce_kill() == $before ? 'same' : 'changed'];
        }
        @got;
    };
    SKIP: {
        skip 'this kernel has no machine check policy', 1 if $got[0] eq 'unknown';
        is_deeply(\@got, [([-1, EINVAL, 'same']) x (4 + fits_long(2**32, 2**32 + 1))],
            'set_mce_kill: a bad policy is -1, EINVAL and no change');
    }
}
SKIP: {
    my $reason = no_listener();
    skip $reason, 1 if length $reason;
    my ($calls, @got) = supervised(['prctl'], sub { 0 },
        sub { map { (set_mce_kill($_), $! + 0) } 3, -1, 2**32 });
    is_deeply(\@got, [(-1, EINVAL) x 3],
        'filtered prctl: set_mce_kill: a bad policy, where the kernel would take it');
    is(scalar @$calls, 0, 'filtered prctl: set_mce_kill: and the kernel was not asked');
}
{
    my @got = in_child {
        my @got = (set_pdeathsig('TERM', 1_999_999_999), $! + 0, get_pdeathsig());
        eval { use Linux::Prctl qw(:fatal); set_pdeathsig('TERM', 1_999_999_999) };
        (@got, $@);
    };
    is_deeply([@got[0 .. 2]], [-1, ESRCH, 15],
        'set_pdeathsig: another parent is -1 and ESRCH, with the signal armed');
    like($got[3], qr/\Aset_pdeathsig\("TERM", 1999999999\): ./,
        'set_pdeathsig: and an exception under :fatal');
}

# ---- refusals of this kernel ----

# What every kernel since 3.5 refuses, by privilege or not.
# An emulator may keep an int of it, and then the bare call is taken too.
my $cut = !no_sys() && fits_long(2**32) && in_child { eval { raw_prctl(1, 2**32 + 9); 1 } };
for my $case (
    ['set_dumpable(2)', EINVAL, sub { set_dumpable(2) }],
    ['set_dumpable(-1)', EINVAL, sub { set_dumpable(-1) }],
    (['set_dumpable(2**32)', EINVAL, sub { set_dumpable(2**32) }]) x fits_long(2**32),
    ['set_keepcaps(2)', EINVAL, sub { set_keepcaps(2) }],
    ['set_no_new_privs(0)', EINVAL, sub { set_no_new_privs(0) }],
    ['set_no_new_privs(2)', EINVAL, sub { set_no_new_privs(2) }],
    (['set_no_new_privs(2**32 + 1)', EINVAL, sub { set_no_new_privs(2**32 + 1) }]) x fits_long(2**32),
    ['set_pdeathsig(65)', EINVAL, sub { set_pdeathsig(65) }],
    ['set_pdeathsig(-1)', EINVAL, sub { set_pdeathsig(-1) }],
    (['set_pdeathsig(2**32 + 9)', EINVAL, sub { set_pdeathsig(2**32 + 9) }]) x (!$cut && fits_long(2**32)),
    ['set_timing(1)', EINVAL, sub { set_timing(1) }],
    ['prctl(4711)', EINVAL, sub { prctl(4711) }],
    ['cap_ambient_lower(999)', EINVAL, sub { cap_ambient_lower(999) }],
) {
    my ($what, $errno, $code) = @$case;
    my ($answer, $got) = in_child {
        $! = 77;
        my $answer = $code->();
        ($answer, $! + 0);
    };
    is_deeply([$answer, $got], [-1, $errno], "$what is refused");
}
for my $case (['capbset_read(999)', sub { capbset_read(999) }],
    (['capbset_read(2**32)', sub { capbset_read(2**32) }]) x fits_long(2**32),
    ['cap_ambient_is_set(-1)', sub { cap_ambient_is_set(-1) }])
{
    my ($what, $code) = @$case;
    my @got = in_child { $! = 77; my @answer = $code->(); ($! + 0, @answer) };
    is_deeply(\@got, [EINVAL, undef], "$what is one undef");
}

done_testing;
