# The three rules about errors: who dies, who warns, what is said, and where.
use 5.014;
use warnings;

use lib 't/lib';
use Test::More;

use Linux::Prctl qw(:hashes :sets :functions prctl);
use Masks qw(bit);
use ReadableLib qw(use_readable_lib);
use Shapes qw(shape in_shape);
use SystemCalls qw(raw_prctl raw_capset);
use TestChild qw(in_child proc_caps);

# In a child that may nothing, anything can be refused. What some code returns, dies
# of, warns, and leaves in $!; the code is compiled by the caller.
sub powerless {
    my ($code) = @_;
    return in_child {
        raw_capset(0, 0, 0);
        my @warned;
        local $SIG{__WARN__} = sub { push @warned, @_ };
        $! = 7;
        my @result = eval { $code->() };
        my ($errno, $error) = ($! + 0, "$@");
        return { result => \@result, died => $error, warned => "@warned", errno => $errno, warnings => scalar @warned };
    };
}
my $refused = qr/\Acap_effective\{chown\}: Operation not permitted \(chown is not permitted\) at /;

# ---- rule 2: a function answers, a store warns ----

my $did = powerless(sub { capbset_drop('chown') });
is_deeply($did, { result => [-1], died => '', warned => '', errno => 1, warnings => 0 }, 'a function answers -1, and $! says why');
$did = powerless(sub { my @answer = capbset_read(99); (scalar(@answer), @answer) });
is_deeply($did, { result => [ 1, undef ], died => '', warned => '', errno => 22, warnings => 0 }, 'a question answers one undef');
$did = powerless(sub { $cap_effective{chown} = 1; 'went on' });
like($did->{warned}, $refused, 'a store warns');
is($did->{warnings}, 1, 'once');
is("@{ $did->{result} }", 'went on', 'and goes on');
is($did->{errno}, 1, 'and $! says why');
$did = powerless(sub { $cap_effective{chown} = 0; my $v = $cap_effective{chown}; my @names = cap_effective->names; exists $cap_effective{kill}; cap_effective->drop('kill'); 'ok' });
is_deeply($did, { result => ['ok'], died => '', warned => '', errno => 7, warnings => 0 }, 'a success leaves $! alone');
$did = powerless(sub { cap_effective->add('chown') });
like($did->{died}, qr/\Acap_effective->add\("chown"\): Operation not permitted \(chown is not permitted\) at \Q$0\E line \d+\.\n\z/,
    'rule 3: a method dies');
is($did->{errno}, 1, 'with $!');
is(scalar(powerless(sub { local $SIG{__WARN__} = sub { die "handled: $_[0]" }; $cap_effective{chown} = 1 })->{died} =~ /\Ahandled: cap_eff/), 1,
    'a handler of warnings may die');
is(powerless(sub { local $SIG{__WARN__} = sub { $! = 99 }; $cap_effective{chown} = 1 })->{errno}, 1, 'or change $!, which is put back');
is(powerless(sub { my $in; local $SIG{__WARN__} = sub { $in = $! + 0 }; $cap_effective{chown} = 1; $in })->{result}[0], 1, 'a handler sees $!');

# ---- the line is the caller's ----

$did = powerless(sub {
#line 1234 "somewhere"
# line 77 "elsewhere.pl"
    $cap_effective{chown} = 1;
});
is($did->{warned}, "cap_effective{chown}: Operation not permitted (chown is not permitted) at elsewhere.pl line 77.\n",
    'a warning is at the line of the store');
$did = powerless(sub {
    use Linux::Prctl ':fatal';
# line 88 "elsewhere.pl"
    set_securebits(1);
});
is($did->{died}, "set_securebits(1): Operation not permitted (setpcap is not effective) at elsewhere.pl line 88.\n",
    'an exception is at the line of the call');
$did = powerless(sub {
# line 99 "elsewhere.pl"
    my $v = $cap_effective{bogus};
});
is($did->{died}, "Unknown capability: bogus at elsewhere.pl line 99.\n", 'misuse too');
# line 200 "t/40-errors.t"

# ---- rule 1: misuse dies, whatever was asked for ----

for my $code (sub { no warnings; no Linux::Prctl ':fatal'; $cap_effective{bogus} = 1 },
              sub { no warnings; set_dumpable('x') }, sub { no warnings; $capbset{kill} = 1 },
              sub { no warnings; $securebits{0} = 1 }, sub { no warnings; %cap_permitted = () }) {
    $did = powerless($code);
    isnt($did->{died}, '', "misuse dies: $did->{died}");
    is($did->{errno}, 22, 'and $! says EINVAL');
}

# ---- :fatal is lexical ----

my %scope = (
    'nothing said' => [ 0, sub { $cap_effective{chown} = 1 } ],
    'use' => [ 1, sub { use Linux::Prctl ':fatal'; $cap_effective{chown} = 1 } ],
    'use, in a block around' => [ 1, sub { use Linux::Prctl ':fatal'; { { $cap_effective{chown} = 1 } } } ],
    'use, in a block that is left' => [ 0, sub { { use Linux::Prctl ':fatal' } $cap_effective{chown} = 1 } ],
    'use, then no' => [ 0, sub { use Linux::Prctl ':fatal'; no Linux::Prctl ':fatal'; $cap_effective{chown} = 1 } ],
    'use, then no, without a name' => [ 0, sub { use Linux::Prctl ':fatal'; no Linux::Prctl; $cap_effective{chown} = 1 } ],
    'no, in a block that is left' => [ 1, sub { use Linux::Prctl ':fatal'; { no Linux::Prctl } $cap_effective{chown} = 1 } ],
    'no, then use inside' => [ 1, sub { no Linux::Prctl; { use Linux::Prctl ':fatal'; $cap_effective{chown} = 1 } } ],
    'use, with names' => [ 1, sub { use Linux::Prctl qw(:fatal set_name); $cap_effective{chown} = 1 } ],
    'use of other names afterwards' => [ 1, sub { use Linux::Prctl ':fatal'; use Linux::Prctl 'set_name'; $cap_effective{chown} = 1 } ],
    'a string eval inside' => [ 1, sub { use Linux::Prctl ':fatal'; eval '$cap_effective{chown} = 1; 1' or die $@ } ],
    'a string eval outside' => [ 0, sub { eval q{use Linux::Prctl ':fatal'; 1} or die $@; $cap_effective{chown} = 1 } ],
    'use inside a string eval' => [ 1, sub { eval q{use Linux::Prctl ':fatal'; $cap_effective{chown} = 1; 1} or die $@ } ],
    'no inside a string eval' => [ 0, sub { use Linux::Prctl ':fatal'; eval q{no Linux::Prctl; $cap_effective{chown} = 1; 1} or die $@ } ],
    'a function compiled outside' => [ 0, sub { use Linux::Prctl ':fatal'; plain_store() } ],
    'a function compiled inside' => [ 1, sub { fatal_store() } ],
    'an element passed to a function' => [ 0, sub { use Linux::Prctl ':fatal'; plain_argument($cap_effective{chown}) } ],
    'a list' => [ 1, sub { use Linux::Prctl ':fatal'; @cap_effective{qw(kill chown)} = (0, 1) } ],
    'the whole hash' => [ 1, sub { use Linux::Prctl ':fatal'; %cap_effective = (chown => 1) } ],
    'code called by name' => [ 1, sub { use Linux::Prctl ':fatal'; (tied %cap_effective)->STORE('chown', 1) } ],
    'sort' => [ 1, sub { use Linux::Prctl ':fatal'; my @s = sort { $cap_effective{chown} = 1; 0 } 1, 2 } ],
);
sub plain_store { $cap_effective{chown} = 1; return }
sub plain_argument { $_[0] = 1; return }
{ use Linux::Prctl ':fatal'; sub fatal_store { $cap_effective{chown} = 1; return } }
for my $title (sort keys %scope) {
    my ($dies, $code) = @{ $scope{$title} };
    $did = powerless($code);
    like($did->{ $dies ? 'died' : 'warned' }, $refused, "$title: " . ($dies ? 'dies' : 'warns'));
    is($did->{ $dies ? 'warned' : 'died' }, '', "$title: and nothing else");
}
$did = powerless(sub { use Linux::Prctl ':fatal'; my $x = 1; capbset_drop('chown') });
like($did->{died}, qr/\Acapbset_drop\("chown"\): Operation not permitted \(setpcap is not effective\) at \Q$0\E/, 'functions die under :fatal');
for my $case ([ 'set_securebits(0)', sub { use Linux::Prctl ':fatal'; raw_prctl(27) and die "bits are set\n"; set_securebits(0) } ],
              [ 'capbset_drop(63)', sub { use Linux::Prctl ':fatal'; capbset_drop(63) } ],
              [ 'capbset_drop(999)', sub { use Linux::Prctl ':fatal'; capbset_drop(999) } ]) {
    my ($what, $code) = @$case;
    is(powerless($code)->{died} =~ s/ at \Q$0\E line \d+\.\n\z//r, "$what: Operation not permitted (setpcap is not effective)",
        "$what: says so too, though nothing would change");
}
$did = powerless(sub { use Linux::Prctl ':fatal'; prctl(999999) });
like($did->{died}, qr/\Aprctl\(999999\): Invalid argument at \Q$0\E/, 'prctl() too');
is($did->{errno}, 22, 'with $!');
$did = powerless(sub { use Linux::Prctl ':fatal'; eval { capbset_read(99) }; "$@" });
like($did->{result}[0], qr/\Acapbset_read\(99\): Invalid argument at/, 'a question dies under :fatal');
eval q{no Linux::Prctl ':functions'; 1};
like($@, qr/\A":functions" cannot be switched off/, 'no Linux::Prctl takes :fatal alone');

# FETCH never depends on the pragma.
for my $code (sub { $cap_ambient{kill} }, sub { use Linux::Prctl ':fatal'; $cap_ambient{kill} }, sub { use Linux::Prctl ':fatal'; $capbset{kill} },
              sub { use Linux::Prctl ':fatal'; sub { $_[0] }->($cap_ambient{kill}) }) {
    shape filtered_prctl => sub {
        my $did = in_shape filtered_prctl => sub { $! = 0; my $value = eval { $code->() } // 'undef'; [ $value, $! + 0, "$@" ] };
        is_deeply($did, [ 'undef', 1, '' ], 'filtered prctl: an element that cannot be read is undef under any policy');
    };
}

# ---- warnings ----

use_readable_lib();    # root without capabilities may not look into another's home
my $store = '$Linux::Prctl::cap_effective{chown} = 1; print "went on\n"; 1';
my ($compiled, $call) = ("-MLinux::Prctl;sub store { $store }", 'store()');    # before the first line
my %wish = (
    'no word of warnings'             => [ 'warns',  "use Linux::Prctl; $store" ],
    'use warnings'                    => [ 'warns',  "use warnings; use Linux::Prctl; $store" ],
    'use warnings afterwards'         => [ 'warns',  "use Linux::Prctl; use warnings; $store" ],
    'no warnings'                     => [ 'silent', "use Linux::Prctl; no warnings; $store" ],
    'no warnings before'              => [ 'silent', "no warnings; use Linux::Prctl; $store" ],
    'no warnings of the category'     => [ 'silent', "use Linux::Prctl; no warnings 'Linux::Prctl'; $store" ],
    'use, then no'                    => [ 'silent', "use Linux::Prctl; use warnings; no warnings 'Linux::Prctl'; $store" ],
    'no warnings of both'             => [ 'silent', "use Linux::Prctl; no warnings qw(Linux::Prctl Linux::Prctl::threads); $store" ],
    'no warnings of the threads'      => [ 'warns',  "use Linux::Prctl; no warnings 'Linux::Prctl::threads'; $store" ],
    'no warnings of another'          => [ 'warns',  "use Linux::Prctl; no warnings 'void'; $store" ],
    'no warnings of another, before'  => [ 'warns',  "no warnings 'void'; use Linux::Prctl; $store" ],
    'no, of another, before require'  => [ 'warns',  "no warnings 'void'; require Linux::Prctl; $store" ],
    'use, no, before'                 => [ 'warns',  "use warnings; no warnings 'void'; use Linux::Prctl; $store" ],
    'use of another alone'            => [ 'warns',  "use Linux::Prctl; use warnings 'void'; $store" ],
    'use of another alone, before'    => [ 'warns',  "use warnings 'void'; use Linux::Prctl; $store" ],
    'no, then use of another'         => [ 'silent', "use Linux::Prctl; no warnings; use warnings 'void'; $store" ],
    'no, then use of this one'        => [ 'warns',  "use Linux::Prctl; no warnings; use warnings 'Linux::Prctl'; $store" ],
    'FATAL'                           => [ 'dies',   "use Linux::Prctl; use warnings FATAL => 'Linux::Prctl'; $store" ],
    'FATAL all'                       => [ 'dies',   "use Linux::Prctl; use warnings FATAL => 'all'; $store" ],
    'FATAL all before'                => [ 'dies',   "use warnings FATAL => 'all'; use Linux::Prctl; $store" ],
    'FATAL all before require'        => [ 'dies',   "use warnings FATAL => 'all'; no warnings 'once'; require Linux::Prctl; $store" ],
    'FATAL of another'                => [ 'warns',  "use Linux::Prctl; use warnings; use warnings FATAL => 'void'; $store" ],
    'FATAL of this, NONFATAL'         => [ 'warns',  "use Linux::Prctl; use warnings FATAL => 'all'; use warnings NONFATAL => 'Linux::Prctl'; $store" ],
    '-w'                              => [ 'warns',  "use Linux::Prctl; $store", '-w' ],
    '-w, no warnings'                 => [ 'silent', "no warnings; use Linux::Prctl; $store", '-w' ],
    '-w, no warnings of this'         => [ 'silent', "use Linux::Prctl; no warnings 'Linux::Prctl'; $store", '-w' ],
    '-X'                              => [ 'silent', "use warnings; use Linux::Prctl; $store", '-X' ],
    '-X, FATAL'                       => [ 'silent', "use Linux::Prctl; use warnings FATAL => 'all'; $store", '-X' ],
    'compiled before a line with -X'  => [ 'silent', "#!perl -X\n$call", $compiled ],
    '... or without'                  => [ 'warns',  "#!perl\n$call", $compiled ],
    '-W'                              => [ 'warns',  "use Linux::Prctl; $store", '-W' ],
    'use warnings, loaded later'      => [ 'warns',  "use warnings; no warnings 'once'; require Linux::Prctl; $store" ],
    'nothing said, loaded later'      => [ 'warns',  "require Linux::Prctl; $store" ],
    'no warnings, loaded later'       => [ 'silent', "no warnings; require Linux::Prctl; $store" ],
    'a string eval, inside no'        => [ 'silent', "use Linux::Prctl; no warnings; eval q{$store}" ],
    'a string eval, inside FATAL'     => [ 'dies',   "use Linux::Prctl; use warnings FATAL => 'Linux::Prctl'; eval q{$store} or die \$@" ],
    'while the program ends'          => [ 'warns',  "use Linux::Prctl; print qq{went on\\n}; END { \$Linux::Prctl::cap_effective{chown} = 1 }" ],
    ':fatal before no warnings'       => [ 'dies',   "use Linux::Prctl ':fatal'; no warnings; $store" ],
    ':fatal and -X'                   => [ 'dies',   "use Linux::Prctl ':fatal'; $store", '-X' ],
);
# Before 5.18, the first word about any category turns off all that is on by default,
# perl's own and these: nothing can tell that from "no warnings".
if ($] < 5.018) {
    $wish{$_}[0] = 'silent' for 'no warnings of another', 'no warnings of another, before',
        'no warnings of the threads', 'no, of another, before require', 'use of another alone',
        'use of another alone, before';
}
# There, -w also sets a bit too many, which becomes that of the first category to be
# registered, and which "no warnings" does not know.
delete $wish{'-w, no warnings'} if $] < 5.016;
for my $title (sort keys %wish) {
    my ($expected, $script, @switches) = @{ $wish{$title} };
    my $output = in_child {
        raw_prctl(38, 1);    # no exec brings anything back
        raw_capset(0, 0, 0);
        pipe my $from, my $to or die $!;
        my $pid = fork // die $!;
        if (!$pid) {
            open STDOUT, '>&', $to or die $!;
            open STDERR, '>&', $to or die $!;
            exec $^X, @switches, '-e', $script;
        }
        close $to;
        my $text = do { local $/; <$from> };
        waitpid $pid, 0;
        "$text($?)";
    };
    my $at   = "@switches" eq $compiled ? qr/(?: at \S+ line 0)?/ : qr/ at (?:-e|\(eval 1\)) line 1/;
    my $said = qr/^cap_effective\{chown\}: Operation not permitted \(chown is not permitted\)$at\./m;
    my $got = $output !~ /went on/ ? ($output =~ $said ? 'dies' : $output) : $output =~ $said ? 'warns' : 'silent';
    $got = $output if $got ne 'dies' && $output !~ /\(0\)\z/;
    is($got, $expected, "$title: $expected");
}

# Perl takes the objects away before the last destructors run: the hashes are gone
# then, and say so.
for my $code ('$Linux::Prctl::cap_effective{kill} = 0', 'my $v = $Linux::Prctl::cap_effective{kill}',
              'delete $Linux::Prctl::cap_effective{kill}', '%Linux::Prctl::cap_effective = ()',
              'Linux::Prctl::cap_effective()->drop("kill")') {
    my $output = in_child {
        pipe my $from, my $to or die $!;
        my $pid = fork // die $!;
        if (!$pid) {
            open STDERR, '>&', $to or die $!;
            exec $^X, '-e', "use Linux::Prctl; our \$o = bless []; sub DESTROY { $code; }";
        }
        close $to;
        my $text = do { local $/; <$from> };
        waitpid $pid, 0;
        ($text // '') . "($?)";
    };
    like($output, qr/\A(?:\s*\(in cleanup\) .*\n)?\(0\)\z/, "in the last destructor: $code");
}

done_testing;
