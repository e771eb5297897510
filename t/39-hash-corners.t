# Corners of perl that the hashes meet: aliases, threads, objects that change what they are
# given to, text that is none.
use 5.014;
use warnings;

use lib 't/lib';
use Config;
use Encode ();
use Errno qw(EPERM);
use Test::More;

use Linux::Prctl qw(:hashes :sets :functions last_cap);
use Masks qw(bit);
use Seccomp qw(filter no_filter no_listener supervised);
use Shapes qw(privileged no_privilege);
use TestChild qw(in_child proc_caps);

# What a script of its own prints, and how it ends: it may be a crash that is looked for.
sub script {
    my ($code) = @_;
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>&', $to or die "dup: $!\n";
        open STDERR, '>&', $to or die "dup: $!\n";
        exec $^X, (map {"-I$_"} grep { !ref } @INC), '-e', $code;
    }
    close $to;
    my $text = do { local $/; <$from> };
    waitpid $pid, 0;
    return $text . "($?)";
}

# ---- an element that is another's already ----

SKIP: {
    skip 'this perl has no aliases of references', 3 if $] < 5.022;
    my $said = script(<<'END');
use 5.022;
use experimental 'refaliasing';
use Linux::Prctl ();
use Tie::Hash;
tie my %other, 'Tie::StdHash';
$other{x} = 7;
my $element = \$other{x};
\$Linux::Prctl::cap_effective{chown} = $element;
print "$$element ";
$$element = 9;
print "$other{x} $$element ";
$$element = 0;
print Linux::Prctl::cap_effective()->has('chown') ? 1 : 0;
END
    my $chown = Linux::Prctl::cap_effective()->has('chown') ? 1 : 0;
    is($said, "7 9 9 $chown(0)", 'an element of another tied hash stays one when it is aliased');
}

# ---- a thread that starts while a hash is iterated over ----

SKIP: {
    skip 'this perl has no threads', 3 if !$Config{useithreads};
    for my $case (
        [ 'a hash', '' ],
        [ 'a hash under a local of its name', 'local %Linux::Prctl::cap_effective;' ],
        [ 'a hash whose name is gone', 'delete $Linux::Prctl::{cap_effective};' ],
        [ 'a hash under another name', '*Linux::Prctl::cap_effective = {};' ],
    ) {
        my ($title, $hide) = @$case;
        my $said = script(<<"END");
use threads;
use Linux::Prctl ();
my \$hash = \\%Linux::Prctl::cap_effective;
my (\$first) = each %\$hash;
$hide
my \@next = map { threads->create(sub { scalar each %\$hash })->join } 1 .. 20;
print join ' ', \$first, scalar(each %\$hash), \@next;
END
        is($said, join(' ', 'chown', ('dac_override') x 21) . '(0)', "$title: each goes on in a thread");
    }
}

# ---- names where nothing has one ----

SKIP: {
    skip no_listener(), 2 if length no_listener();
    my (undef, @names) = supervised(
        [qw(capget prctl)],
        sub {
            my ($call) = @_;
            return $call->{args}[0] == 23 ? 1 : undef if $call->{syscall} eq 'prctl';
            return { write => { $call->{args}[1] => "\xff" x 24 } } if $call->{args}[1];
            return;
        },
        sub { map { my @names = cap_effective->names; scalar @names } 1 .. 50 });
    is_deeply(\@names, [ (64) x 50 ], 'names of 64 capabilities, of which some have no name');
    (undef, @names) = supervised(['prctl'], sub { my ($call) = @_; $call->{args}[0] == 23 ? 1 : undef },
        sub { my @names = capbset->names; (scalar(@names), $names[63]) });
    is_deeply(\@names, [ 64, 63 ], 'and of the bounding set');
}

# ---- a change that a filter stops half-way ----

SKIP: {
    skip no_filter(), 3 if length no_filter();
    skip no_privilege(), 3 if no_privilege();
    my ($said, $after) = privileged {
        cap_inheritable->replace(qw(chown kill bpf));
        cap_ambient->replace(qw(chown kill));
        filter([ prctl => EPERM, 47, 3, 5 ]);    # cap_ambient_lower('kill')
        my $said = eval { cap_ambient->replace('bpf'); 1 } ? 'lived' : $@;
        my %now = proc_caps();
        ($said, $now{A});
    };
    like($said, qr/\Acap_ambient->replace\("bpf"\): Operation not permitted; cap_ambient is now kill bpf at /,
        'the message says what the set is now');
    is($after, bit(5, 39), 'and that is true');
    $said = privileged {
        filter([ prctl => EPERM, 24, 5 ]);    # capbset_drop('kill')
        eval { capbset->limit('chown'); 1 } ? 'lived' : $@;
    };
    like($said, qr/\Acapbset->limit\("chown"\): Operation not permitted; capbset is now chown kill setgid .* at /,
        'of the bounding set as well');
}

# ---- a name that takes the object away ----

SKIP: {
    skip no_privilege(), 2 if no_privilege();
    {
        package Greedy;
        use overload '""' => sub { my ($self) = @_; $self->[0]->(); return 'kill' };
    }
    my @seen = privileged {
        my %held = (object => cap_effective);
        my $taken = \%held;
        my $got = $held{object}->drop(bless [ sub { delete $taken->{object}; my @more = map {"x$_"} 1 .. 100 } ], 'Greedy');
        my %now = proc_caps();
        my $other = cap_permitted;
        my $same = $other->drop(bless [ sub { $other = 'gone' } ], 'Greedy');
        my $dropped = $now{E} & bit(5);
        %now = proc_caps();
        return (ref $got, $dropped, $got->has('kill') ? 1 : 0, ref $same, $now{P} & bit(5));
    };
    is_deeply(\@seen, [ ('Linux::Prctl::CapabilitySet', 0, 0), ('Linux::Prctl::CapabilitySet', 0) ],
        'a method returns its object, though the caller has it no more');
}

# ---- text that says it is UTF-8 ----

for my $bytes ("\x80" x 4, "ab\xf0", 'a' x 58 . "\xf0", "\xe2\x98", "\xff\xfe") {
    my $text = $bytes;
    Encode::_utf8_on($text);
    for my $code (sub { set_dumpable($text) }, sub { my $value = $cap_effective{$text} }, sub { set_name("\0$text") }) {
        my $lived = eval { $code->(); 1 };
        my $shown = join '', map { /[a-z]/ ? $_ : sprintf '\%o', ord } split //, $bytes;
        like($lived ? 'lived' : $@, qr/\Q@{[ substr $shown, 0, 20 ]}\E/, "malformed text is shown as its bytes: $shown");
    }
}

done_testing;
