# What a function is given: what it takes, and what it dies of before anything is done.
use 5.014;
use warnings;
no warnings 'portable';

use lib 't/lib';
use Config;
use Errno qw(EINVAL EPERM);
use overload ();
use POSIX ();
use Test::More;

use Pinned qw(functions sample usage);
use Seccomp qw(no_listener peek supervised);
use TestChild qw(in_child long_bits);

use Linux::Prctl qw(:all);

my @functions = functions();
my $blind = no_listener();

# Every system call that a function may make.
my @watched = qw(prctl capget capset setfsuid setfsgid exit unshare);

sub call {
    my ($name, @args) = @_;
    no strict 'refs';
    my @got = &{"Linux::Prctl::$name"}(@args); return @got; use constant LINE => __LINE__;
}

# Where nothing that is asked is done, so that a mistake here can do no harm either:
# how many system calls there were, and what the code returned.
sub watched(&) {
    my ($code) = @_;
    if (length $blind) {
        return (undef, in_child { $code->() });
    }
    my ($calls, @got) = supervised(\@watched, sub { { errno => EPERM } }, $code);
    return ($calls, @got);
}

# ---- the wrong number of arguments ----

for my $function (@functions) {
    my $name = $function->{name};
    my @args = @{ $function->{args} };
    my $least = grep { !defined $_->{default} } @args;
    my @counts = ($least ? $least - 1 : (), @args + 1, @args + 7);
    my ($calls, @said) = watched {
        map { my $count = $_; eval { call($name, (1) x $count); 1 } ? 'lived' : $@ } @counts;
    };
    for my $i (0 .. $#counts) {
        is($said[$i], usage($function) . " at $0 line ${\LINE}.\n",
            "$name with $counts[$i] arguments");
    }
    is(scalar @$calls, 0, "$name: no system call was made") or diag explain $calls if $calls;
}

# ---- the wrong kind of argument ----

{
    package Opaque;    # overloads something, but has no value
    use overload '==' => sub { 1 }, fallback => 1;
}

my @references = ([], {}, \1, \'chown', \*STDOUT, sub { 1 }, qr/1/, bless([], 'Nothing'));
my @no_number = (undef, '', ' ', '-', '+', 'abc', '12abc', 'abc12', '0x10', '0b1',
    '1_000', '1 2', '--1', 'NaN', 'nan', 'Inf', '-inf', 'infinity', 9**9**9, -9**9**9,
    9**9**9 / 9**9**9, 1.5, '1.5', -0.5, '1e-1', '0.1', 2**64, '18446744073709551616', '-9223372036854775809',
    '99999999999999999999', -2**65, 1e300, '1e300', '1e400', "5\0", "\0" . '5', "5\x{263a}", "\x{ff15}",
    *STDOUT, bless([], 'Opaque'), @references);
my @no_name = (undef, '', ' ', 'bogus', 'BOGUS', 'cap_', 'cap_bogus', 'cap_cap_kill',
    'kil', 'kills', 'cap-kill',
    'kill ', ' kill', "kill\n", "kill\0", "kill\0x", "\0kill", "\x{212a}ill",
    'chown,kill', 'all', '007', '00', '039', ' 5', '5 ', "5\n", '+5', '0x5',
    '5.0', '1.5', 1.5, '1e1', '1e9', 'cap_1.5', 'cap_64', 'cap_007', 'cap_+5', 'cap_-1',
    '--1', '-', '-01', 'NaN',
    'Inf', 9**9**9, 9**9**9 / 9**9**9, 2**64, 1e300, '1e300',
    '18446744073709551616', '-9223372036854775809', '12abc',
    *STDOUT, bless([], 'Opaque'), @references);

my %bad = (
    number  => \@no_number,
    parent  => [@no_number, -1, 2**31, 2**32, 2**32 + 9, 2**63, '4294967305'],
    id      => [@no_number, -1, 2**32 - 1, 2**32, 2**32 + 5, 2**63, 'root'],
    exit    => [@no_number, -1, 256, 2**32, 2**32 + 1],
    flag    => [@no_number, -1, 3, 2**32, 2**32 + 1, 'effective'],
    option  => [@no_number, 2**32, 2**32 + 3, 2**63, -2**31 - 1, 'PR_SET_NAME'],
    cap     => \@no_name,
    cap63   => [@no_name, -1, 64, '64', 100, 1e9, 2**31, 2**32, 2**32 + 9, 2**63],
    signal  => [(@no_number), 'SIG', 'SIGSIGTERM', 'RTMIN+', 'RTMIN-1', 'RTMAX+1', 'RTMIN+99', 'RTMAX-99', 'RTMIN+01', 'RTMIN+ 1',
        'RTMIN+x', 'RTMIN+-1', 'SIGFOO', 'FOO', 'TERM ', ' TERM', 'TERMS',
        "TERM\0", 'SIGTER', 'ZERO', 'SIGZERO', 'S', "SIGTERM\n"],
    bytes   => [undef, "a\0b", "\0", "end\0", "wide \x{263a}", "\x{100}", @references],
    'bytes?' => ["a\0b", "\0", "end\0", "wide \x{263a}", @references],
    program => [undef, 'x', 'seven b', 'x' x 9, "\0" x 8 x 65536, "\x{263a}" x 8, @references],
    what    => [@no_name, -1, 64, 'set_nam', 'set_names', 'SET_NAME', "set_name\0",
        'PR_SET_NAME', 'Linux::Prctl::set_name', 'import', 'bogus()'],
);

# What a message must say of a value: itself, as far as it can be shown in one line.
sub about {
    my ($kind, $argument, $value) = @_;
    my $is_cap = $kind =~ /\Acap/;
    my $shown;
    if (!defined $value) {
        $shown = 'undef';
    }
    elsif (ref $value) {
        $shown = quotemeta overload::StrVal($value);
        $shown = '.*' if ref $value eq 'Regexp';
    }
    elsif ($kind eq 'program' && $value !~ /[^\0-\xff]/) {
        $shown = 'of ' . length($value) . ' bytes';
    }
    elsif ($value =~ /\A[ !#-\[\]-~]{0,50}\z/) {
        $shown = $is_cap ? quotemeta $value : '"?' . quotemeta($value) . '"?';
    }
    else {
        $shown = '.+';    # escaped, or cut
    }
    my $named = $is_cap ? 'Unknown capability: ' : $kind eq 'what' ? '' : "$argument ";
    return qr/$named$shown(?: |\z)/s;
}

for my $function (@functions) {
    my $name = $function->{name};
    my @args = @{ $function->{args} };
    for my $position (0 .. $#args) {
        my ($argument, $kind) = @{ $args[$position] }{qw(name kind)};
        next if $kind eq 'truth';
        my @values = @{ $bad{$kind} or die "no bad values for $kind\n" };
        my @sample = map { sample({ args => [{ kind => $_->{kind} }] }) } @args;
        my ($calls, @said) = watched {
            map {
                my @given = @sample[0 .. ($position > $#sample ? $#sample : $position)];
                push @given, @sample[@given .. $#sample]
                    if grep { !defined $_->{default} } @args[@given .. $#args];
                $given[$position] = $_;
                eval { call($name, @given); 1 } ? 'lived' : "$@";
            } @values;
        };
        my $wrong = 0;
        for my $i (0 .. $#values) {
            my ($value, $said) = ($values[$i], $said[$i]);
            my $about = about($kind, $argument, $value);
            next if $said =~ /\A$name: .* at \Q$0\E line ${\LINE}\.\n\z/
                && $said =~ $about && $said !~ /[^\n -~]/ && length $said < 250;
            fail("$name: $argument") if !$wrong++;
            diag 'given ', explain($value), "it said: $said";
        }
        ok(!$wrong, "$name dies of each of " . @values . " bad values for $argument");
        is(scalar @$calls, 0, "$name: no system call was made") or diag explain $calls if $calls;
    }
}

# A message is for the eyes of whoever reads it.
{
    my ($calls, @said) = watched {
        map { eval { $_->(); 1 } ? 'lived' : $@ } sub { set_dumpable("a" x 100_000) },
            sub { set_dumpable("\e[2J\r\n") }, sub { set_name("\x{1F600}\e") },
            sub { cap_number("\e[1m") },
            sub { set_dumpable([]) }, sub { capbset_read('x' x 100_000) },
            sub { set_dumpable(bless ["\e[2J\r\n"], 'Text') };
    };
    for my $said (@said) {
        ok(length $said < 250 && $said =~ /\A[ -~]+\n\z/,
            "one short line without control characters: $said");
    }
    like($said[1], qr/\\33\[2J\\r\\n/, 'they are shown escaped');
    like($said[4], qr/value ARRAY\(0x[0-9a-f]+\) is not a whole number/,
        'a reference is shown as perl shows it');
    like($said[6], qr/value \\33\[2J\\r\\n is not/, 'an overloaded value as it says, escaped');
}

# ---- what is taken ----

# What arrives as the argument: one of prctl(2)'s five.
sub arrives {
    my ($place, $code) = @_;
    my ($calls, $got) = supervised(\@watched, sub { $_[0]{syscall} eq 'prctl' ? 0 : undef }, $code);
    my @prctl = grep { $_->{syscall} eq 'prctl' } @$calls;
    return @prctl == 1 ? $prctl[0]{args}[$place] : 'calls: ' . @prctl;
}

my @names = map { lc =~ s/\Acap_//r } @{ $Linux::Prctl::EXPORT_TAGS{capabilities} };

SKIP: {
    skip $blind, 1 if length $blind;

    my %number = (0, 0, '-0', 0, 1, 1, '1', 1, ' 5', 5, '5 ', 5, "5\n", 5, '+5', 5, '007', 7,
        '1e9', 1e9, '1.0', 1, '2e0', 2,
        '4294967296', 1 << 32, '18446744073709551615', ~0, '-1', ~0, '-9223372036854775808', 1 << 63);
    for my $text (sort keys %number) {
        is(arrives(1, sub { set_dumpable($text) }), $number{$text}, "set_dumpable('" . ($text =~ s/\n/\\n/r) . "')");
    }
    for my $case ([2**31, 1 << 31], [2**32, 1 << 32], [2**32 + 9, (1 << 32) + 9], [2**63, 1 << 63],
        [2**63 + 2**62, 3 << 62], [2**64 - 2048, ~0 - 2047], [-1, ~0],
        [-2**63, 1 << 63], [1e9, 1_000_000_000], [-1.0, ~0], [~0, ~0], [!!1, 1], [1.0, 1])
    {
        my ($number, $arrives) = @$case;
        my $shown = "$case->[0]";    # a copy: before 5.20, $number would be a string too
        is(arrives(1, sub { set_dumpable($number) }), $arrives, "set_dumpable($shown), a number");
        is(arrives(1, sub { capbset_read($number) }), $arrives, "capbset_read($shown), a number");
    }

    for my $bpf (qw(bpf BPF Bpf cap_bpf CAP_BPF Cap_bPF 39 cap_39 CAP_39), CAP_BPF, 39.0) {
        is(arrives(1, sub { capbset_read($bpf) }), 39, "capbset_read('$bpf')");
        is(arrives(2, sub { cap_ambient_is_set($bpf) }), 39, "cap_ambient_is_set('$bpf')");
        is(arrives(2, sub { cap_ambient_raise($bpf) }), 39, "cap_ambient_raise('$bpf')");
        is(arrives(2, sub { cap_ambient_lower($bpf) }), 39, "cap_ambient_lower('$bpf')");
        is(arrives(1, sub { capbset_drop($bpf) }), 39, "capbset_drop('$bpf')");
    }
    for my $number (41, '41', 'cap_41', 63, '63', 'cap_63') {
        is(arrives(1, sub { capbset_read($number) }), $number =~ s/cap_//r,
            "capbset_read('$number')");
    }
    is(arrives(1, sub { capbset_read($_) }), $_ < 0 ? ~0 : $_,
        "capbset_read('$_'): the kernel's to refuse")
        for 64, '64', -1, '-1', '1000000000000';
    for my $i (0 .. $#names) {
        is(arrives(1, sub { capbset_read($names[$i]) }), $i, "capbset_read('$names[$i]')");
    }

    # Signals, by every name that perl has for them.
    my @signals = split ' ', $Config{sig_name};
    my @numbers = split ' ', $Config{sig_num};
    for my $i (1 .. $#signals) {
        my @spelled = ($signals[$i], "SIG$signals[$i]",
            lc "SIG$signals[$i]", lc $signals[$i], $numbers[$i]);
        my ($calls, @got) = supervised(['prctl'], sub { 0 }, sub { map { set_pdeathsig($_) } @spelled });
        is_deeply([map { $_->{args}[1] } @$calls], [($numbers[$i]) x @spelled],
            "set_pdeathsig('$signals[$i]')");
    }
    my %number_of;
    @number_of{@signals} = @numbers;
    for my $case (['RTMIN+1', $number_of{RTMIN} + 1], ['SIGRTMIN+1', $number_of{RTMIN} + 1],
        ['RTMAX-1', $number_of{RTMAX} - 1], ['sigrtmax-2', $number_of{RTMAX} - 2],
        ['RTMIN+0', $number_of{RTMIN}], ['RTMAX-0', $number_of{RTMAX}],
        ['RTMIN+' . ($number_of{RTMAX} - $number_of{RTMIN}), $number_of{RTMAX}])
    {
        my ($name, $number) = @$case;
        is(arrives(1, sub { set_pdeathsig($name) }), $number, "set_pdeathsig('$name')");
    }

    # Where a Turkish i is another letter than an I.
    SKIP: {
        skip 'there is no Turkish locale', 2
            if !grep { POSIX::setlocale(POSIX::LC_ALL(), $_) } qw(tr_TR.UTF-8 tr_TR.utf8 tr_TR);
        is(arrives(1, sub { set_pdeathsig($_) }), 9, "set_pdeathsig('$_') in a Turkish locale")
            for qw(kill sigkill);
        POSIX::setlocale(POSIX::LC_ALL(), 'C');
    }

    is(arrives(1, sub { set_pdeathsig(0) }), 0, 'set_pdeathsig(0)');
    is(arrives(1, sub { set_pdeathsig($_) }), $_,
        "set_pdeathsig($_): the kernel's to refuse") for 65, 1 << 40;

    # Truth, in get_cap's and set_cap's way.
    for my $case ([undef, 0], ['', 0], ['0', 0], [0, 0], [0.0, 0], ['0.0', 1], ['00', 1],
        ['false', 1], [1, 1],
        [-1, 1], [2**64, 1], ['NaN', 1], [[], 1])
    {
        my ($truth, $raised) = @$case;
        my ($calls) = supervised(
            ['capset'],
            sub {
                my ($call) = @_;
                my ($low, undef, undef, $high) = unpack 'L*', peek($call, $call->{args}[1], 24);
                $call->{effective} = $low;
                return 0;
            },
            sub { set_cap(CAP_EFFECTIVE, 'kill', $truth) });
        is($calls->[0]{effective} >> 5 & 1, $raised, 'set_cap(CAP_EFFECTIVE, "kill", ' . ($truth // 'undef') . ')');
    }

    # Bytes.
    for my $case (['plain', 'plain'], ["caf\xe9", "caf\xe9"], ['', ''], [12, '12'], [1.5, '1.5'],
        ["\xff" x 15, "\xff" x 15])
    {
        my ($text, $bytes) = @$case;
        for my $utf8 (0, 1) {
            my $given = "$text";
            $utf8 ? utf8::upgrade($given) : utf8::downgrade($given);
            my ($calls, @same) = supervised(['prctl'],
                sub { $_[0]{text} = peek($_[0], $_[0]{args}[1], 1 + length $bytes); 0 },
                sub { set_name($given); (utf8::is_utf8($given) ? 1 : 0, $given eq $text ? 1 : 0) });
            is($calls->[0]{text}, "$bytes\0", "set_name: the bytes of a string, utf8 $utf8");
            is_deeply(\@same, [$utf8, 1], 'what was given is left as it was');
        }
    }
}

# ---- tied, magical and overloaded values ----

{
    package Counted;
    sub TIESCALAR { my ($class, $value) = @_; return bless { value => $value, fetched => 0 }, $class }
    sub FETCH { my ($self) = @_; $self->{fetched}++; return $self->{value} }
    sub STORE { die "nothing is stored\n" }

    package Number;
    use overload '0+' => sub { $_[0][0] }, fallback => 1;

    package Text;
    use overload '""' => sub { $_[0][0] }, fallback => 1;

    package TextOnly;
    use overload '""' => sub { $_[0][0] };

    package Angry;
    use overload '""' => sub { die "do not look at me\n" }, '0+' => sub { die "do not look at me\n" },
        bool => sub { die "do not look at me\n" };
}

SKIP: {
    skip $blind, 1 if length $blind;

    # What a call asks of the kernel, as text; addresses differ, whatever was passed.
    my $asked = sub {
        my ($code) = @_;
        my ($calls, @got) = supervised(\@watched, sub { 0 }, $code);
        return (join('; ', map { join ' ', $_->{syscall},
            map { $_ > 1 << 32 && $_ < 1 << 47 ? 'address' : $_ } @{ $_->{args} }[0 .. 4] }
            grep { $_->{syscall} eq 'prctl' } @$calls), @got);
    };

    for my $function (grep { @{ $_->{args} } } @functions) {
        my $name = $function->{name};
        next if $name eq 'set_proctitle';    # perl writes over the whole command line: see 25-names.t
        my @sample = map { sample({ args => [{ kind => $_->{kind} }] }) } @{ $function->{args} };
        my ($plain) = $asked->(sub { eval { call($name, @sample) }; 0 });
        my ($tied, @fetched) = $asked->(sub {
            my @counters = map { tie my $scalar, 'Counted', $_; \$scalar } @sample;
            no strict 'refs';
            eval { &{"Linux::Prctl::$name"}(map { $$_ } @counters); 1 } or return $@;
            map { tied($$_)->{fetched} } @counters;
        });
        is($tied, $plain, "$name: tied values");
        my ($direct, @once) = $asked->(sub {
            my @args = (0) x @sample;
            tie $args[$_], 'Counted', $sample[$_] for 0 .. $#sample;
            no strict 'refs';
            eval { &{"Linux::Prctl::$name"}(@args); 1 } or return $@;
            map { tied($_)->{fetched} } @args;
        });
        is($direct, $plain, "$name: tied arguments");
        is_deeply(\@once, [(1) x @sample], "$name: each is fetched once");

        my ($fatal, @refused) = do {
            my ($calls, @got) = supervised(\@watched, sub { { errno => EPERM } }, sub {
                my @args = (0) x @sample;
                tie $args[$_], 'Counted', $sample[$_] for 0 .. $#sample;
                use Linux::Prctl qw(:fatal);
                no strict 'refs';
                eval { &{"Linux::Prctl::$name"}(@args) };
                map { tied($_)->{fetched} } @args;
            });
            ($calls, @got);
        };
        is_deeply(\@refused, [(1) x @sample], "$name: and once when it is refused under :fatal");

        for my $class ($function->{args}[-1]{kind} eq 'program' ? () : qw(Text TextOnly Number)) {
            my @objects = map { bless [$_], $class } @sample;
            my ($overloaded, $said) = $asked->(sub { eval { call($name, @objects); 1 } ? '' : $@ });
            is($overloaded, $plain, "$name: overloaded values of class $class") or diag $said;
        }
        my ($angry, $said) = $asked->(sub {
            eval { call($name, map { bless [], 'Angry' } @sample); 1 } ? '' : $@;
        });
        is($said, "do not look at me\n", "$name: an overloaded value that dies");
        is($angry, '', "$name: and then no system call is made");
    }

    # Magic of perl's own.
    is(arrives(1, sub { '15' =~ /(\d+)/; set_pdeathsig($1) }), 15, 'a match variable');
    is(arrives(1, sub { my $text = 'xx15'; set_pdeathsig(substr $text, 2) }), 15, 'a substr');
    is(arrives(1, sub { my $bits = "\x0f"; set_pdeathsig(vec $bits, 0, 8) }), 15, 'a vec');
    is(arrives(1, sub { local $ENV{LP_TEST} = 15; set_pdeathsig($ENV{LP_TEST}) }), 15,
        'an element of %ENV');
    is(arrives(1, sub { my %h = (a => 15); set_pdeathsig($h{a}) }), 15, 'an element of a hash');
    is(arrives(1, sub { $! = 15; set_pdeathsig($! + 0) }), 15, 'errno as a number');
    my ($missing) = $asked->(sub { my %h; eval { set_pdeathsig($h{none}) }; 0 });
    is($missing, '', 'an element that is not there is undef, and no system call is made');
}

# ---- the same policy for all: misuse dies, whatever was said of refusals ----

for my $policy ('use Linux::Prctl qw(:fatal);', 'no Linux::Prctl qw(:fatal);', 'no warnings;',
    'use warnings FATAL => "all";')
{
    my $lived = eval "$policy set_dumpable('abc'); 1";
    ok(!$lived, "$policy a bad argument dies");
    like($@, qr/\Aset_dumpable: value "abc" is not a whole number of at most @{[long_bits()]} bits at \(eval \d+\) line 1\.$/,
        'and says what it was');
}
{
    local $! = 77;
    eval { set_dumpable('abc') };
    is($! + 0, EINVAL, '$! says EINVAL after a bad argument');
    local $! = 77;
    eval { set_dumpable() };
    is($! + 0, EINVAL, 'and after the wrong number of them');
    local $! = 77;
    eval { cap_name() };
    is($! + 0, EINVAL, 'whoever counts');
}

done_testing;
