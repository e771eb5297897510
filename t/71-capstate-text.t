use 5.014;
use warnings;

use Config;
use Errno qw(EINVAL);
use File::Temp;
use Linux::Prctl ();
use Linux::Prctl::CapState;
use Test::More;

use lib 't/lib';
use TestChild qw(fits_long);

my $CLASS = 'Linux::Prctl::CapState';
my @SETS  = qw(effective permitted inheritable);
my $LAST  = Linux::Prctl::last_cap();
my $seed  = $ENV{LINUX_PRCTL_TEST_SEED} // 1;
srand $seed;

# A state as three lists of numbers, in words.
sub shown_state {
    my ($state) = @_;
    return join ' ',
        map { my $set = $_; substr($set, 0, 1) . '=' . join ',', numbers($state, $set) } @SETS;
}

sub numbers {
    my ($state, $set) = @_;
    return map { Linux::Prctl::cap_number($_) } $state->names($set);
}

# The same, from lists of numbers.
sub expected {
    my (%lists) = @_;
    return join ' ',
        map { substr($_, 0, 1) . '=' . join ',', sort { $a <=> $b } @{ $lists{$_} || [] } } @SETS;
}

# ---- every form of the grammar ----

my @all = 0 .. $LAST;
my @forms = (
    [ ''                             => {} ],
    [ ' '                            => {} ],
    [ '='                            => {} ],
    [ 'all='                         => {} ],
    [ '=e'                           => { effective => \@all } ],
    [ '=ep'                          => { effective => \@all, permitted => \@all } ],
    [ '=pie'                         => { map { $_ => \@all } @SETS } ],
    [ 'all=i'                        => { inheritable => \@all } ],
    [ 'ALL+p'                        => { permitted => \@all } ],
    [ 'all-p'                        => {} ],
    [ 'cap_chown='                   => {} ],
    [ 'cap_chown=e'                  => { effective => [0] } ],
    [ 'CAP_CHOWN=e'                  => { effective => [0] } ],
    [ 'Cap_Chown=eep'                => { effective => [0], permitted => [0] } ],
    [ 'cap_chown+i'                  => { inheritable => [0] } ],
    [ 'cap_chown-i'                  => {} ],
    [ '0=p'                          => { permitted => [0] } ],
    [ '8,10,31,32,63=p'              => { permitted => [ 8, 10, 31, 32, 63 ] } ],
    [ 'cap_chown,cap_kill,7=ep'      => { effective => [ 0, 5, 7 ], permitted => [ 0, 5, 7 ] } ],
    [ 'cap_chown,all=e'              => { effective => \@all } ],
    [ 'cap_chown=e+p'                => { effective => [0], permitted => [0] } ],
    [ 'cap_chown=ep-e+i'             => { permitted => [0], inheritable => [0] } ],
    [ 'cap_chown=e cap_chown=p'      => { permitted => [0] } ],
    [ 'cap_chown=e cap_chown+p'      => { effective => [0], permitted => [0] } ],
    [ '=p cap_chown-p'               => { permitted => [ 1 .. $LAST ] } ],
    [ '=ep cap_kill=i'               => {
            effective   => [ grep { $_ != 5 } @all ],
            permitted   => [ grep { $_ != 5 } @all ],
            inheritable => [5],
        } ],
    [ " \t cap_chown=e\n\tcap_kill=p \n" => { effective => [0], permitted => [5] } ],
    [ 'cap_checkpoint_restore=p'     => { permitted => [40] } ],
    [ '= 41+p'                       => { permitted => [41] } ],
);
for my $form (@forms) {
    my ($text, $lists) = @$form;
    my $state = eval { $CLASS->from_text($text) };
    is($state ? shown_state($state) : $@, expected(%$lists),
        'the form "' . $text =~ s/\n/\\n/gr =~ s/\t/\\t/gr . '"');
}
for my $cap (0 .. 63) {
    my $name = Linux::Prctl::cap_name($cap);
    next if $name =~ /\A\d/;
    my $wanted = expected(effective => [$cap]);
    is(shown_state($CLASS->from_text("cap_$name=e")), $wanted, "cap_$name is $cap");
    is(shown_state($CLASS->from_text("\U$name\E=e" =~ s/^/CAP_/r)), $wanted, "and \UCAP_$name");
    is(shown_state($CLASS->from_text("$cap=e")), $wanted, "and $cap");
}

# ---- what dies ----

my @rejects = (
    # what libcap would misread
    [ '010=e', '"010" is neither' ],    # octal
    [ '08=e',  '"08" is neither' ],
    [ '00=e',  '"00" is neither' ],
    [ '0x8=e', '"0x8" is neither' ],
    [ '64=e',  '"64" is neither' ],     # skipped in silence
    [ '999=e', '"999" is neither' ],
    [ '4294967296=e', '"4294967296" is neither' ],
    [ 'cap_chownx=e', '"cap_chownx" is neither' ],    # junk behind a name
    [ 'cap_chown_=e', '"cap_chown_" is neither' ],
    [ 'cap_chown1=e', '"cap_chown1" is neither' ],
    [ 'cap_chown;cap_kill=e', '"cap_chown;cap_kill" is neither' ],
    [ '5a=e',         '"5a" is neither' ],
    [ '5cap_chown=e', '"5cap_chown" is neither' ],
    [ 'allx=e',       '"allx" is neither' ],
    [ 'all1=e',       '"all1" is neither' ],
    [ 'allcap_chown=e', '"allcap_chown" is neither' ],
    [ '=ep;',         '";" is not made of' ],
    [ '=epx',         '"x" is not made of' ],
    [ '=E',           '"E" is not made of' ],
    [ '=ep,cap_chown-e',        '",cap_chown-e" is not made of' ],
    [ 'cap_chown+e,cap_kill+p', '",cap_kill+p" is not made of' ],
    # what other places take, and libcap does not
    [ 'chown=e',   '"chown" is neither' ],
    [ 'cap_41=e',  '"cap_41" is neither' ],
    [ 'cap_=e',    '"cap_" is neither' ],
    [ 'bogus=e',   '"bogus" is neither' ],
    [ 'cap_chown:e', '"cap_chown:e" is neither' ],
    # what is no grammar
    [ 'cap_chown',          'is not what' ],
    [ 'cap_chown+',         'is not what' ],
    [ 'cap_chown-',         'is not what' ],
    [ 'cap_chown=e+',       'is not what' ],
    [ 'cap_chown=e=p',      'is not what' ],
    [ 'cap_chown+e=p',      'is not what' ],
    [ '=e=p',               'is not what' ],
    [ '=+e',                'is not what' ],
    [ '+e',                 'is not what' ],
    [ '-e',                 'is not what' ],
    [ '=ep -e',             'is not what' ],
    [ 'cap_chown = e',      '"e" is neither' ],
    [ 'cap_chown, cap_kill=e', '"" is neither' ],
    [ 'cap_chown,=e',       '"" is neither' ],
    [ ',cap_chown=e',       '"" is neither' ],
    [ ',=e',                '"" is neither' ],
    [ '-1=e',               '"1=e" is not made of' ],
    [ '+1=e',               '"1=e" is not made of' ],
    # bytes
    [ "cap_chown\0=e",      'has a NUL in it' ],
    [ "=e\0",               'has a NUL in it' ],
    [ "cap_ch\x{f6}wn=e",   'is neither' ],
    [ "=e\x{20ac}",         'has a character above 255' ],
    [ undef,                'text undef is not a string' ],
    [ [],                   'is not a string' ],
);
for my $reject (@rejects) {
    my ($text, $why) = @$reject;
    local $! = 0;
    my $lived = eval { $CLASS->from_text($text); 1 };
    my $error = $@;
    my $shown = defined $text ? $text =~ s/([^ -~])/sprintf '\\x{%x}', ord $1/ger : 'undef';
    ok(!$lived, "no text: $shown");
    # A number has no quotes, if an unsigned long can hold it.
    $why =~ s/\A"([1-9]\d*)" is neither/$1 is neither/ if $why =~ /\A"(\d+)"/ && fits_long($1);
    like($error, qr/\Afrom_text: .*\Q$why\E.* at \Q$0\E line \d+\.\n\z/, 'it says why');
    is($! + 0, EINVAL, 'and $!') if defined $text && !ref $text && $text !~ /[\0\x{100}-\x{ffff}]/;
}

# ---- to_text ----

is($CLASS->from_text('cap_kill+p cap_chown=ep')->to_text,
    $CLASS->from_text('CAP_CHOWN=ep 5=p')->to_text, 'equal states have equal texts');
is("$forms[0][0]" . $CLASS->from_text('cap_kill=ep'), 'cap_kill=ep', 'the state as a string');
like($CLASS->new->add(permitted => 63), qr/\b63\+p/, 'a number where there is no name');

# ---- states through text and back ----

sub random_caps {
    my $kind = int rand 6;
    return () if $kind == 0;
    return @all if $kind == 1;
    return 0 .. 63 if $kind == 2;
    return map { int rand 64 } 1 .. 3 if $kind == 3;
    my $many = rand;
    return grep { rand() < $many } 0 .. ($kind == 4 ? $LAST : 63);
}

my $count = 10_000;
my (%texts, @states);
my $survived = 0;
for (1 .. $count) {
    my $state = $CLASS->new;
    my @same  = random_caps();
    $state->add($_ => rand() < 0.5 ? @same : random_caps()) for @SETS;
    my $text = $state->to_text;
    my $back = eval { $CLASS->from_text($text) };
    if ($back && $back == $state && shown_state($back) eq shown_state($state)) {
        $survived++;
    }
    else {
        diag("$text (" . shown_state($state) . ') comes back as ' . ($back // $@));
    }
    push @states, $state if !$texts{$text}++;
}
is($survived, $count, "$count random states survive to_text and from_text (seed $seed)");
cmp_ok(scalar keys %texts, '>', $count / 2, 'different ones');

# ---- beside libcap ----

SKIP: {
    my $dir    = File::Temp->newdir;
    my $libcap = "$dir/libcap-text";
    skip 'no C compiler to ask libcap with', 2
        if system("$Config{cc} -o '$libcap' t/lib/libcap-text.c -lcap >'$dir/log' 2>&1") != 0;

    # Texts of the right words in any order, but none that libcap misreads.
    my @words = (qw(cap_chown CAP_KILL cap_setfcap 0 7 33 all = + - = + - e i p e i p ep eip), ',',
        ',', ' ', ' ', "\t", 'x', '_', ';', 'cap_', 'bogus');
    my @random = map {
        join '', map { $words[ rand @words ] } 1 .. 1 + rand 9
    } 1 .. 20_000;
    my @sensible = map {
        join ' ', map {
            join(',', map { $words[ rand 7 ] } 1 .. 1 + rand 3)
                . join '', map { (qw(= + -))[ rand 3 ] . (qw(e i p ep eip), '')[ rand 6 ] } 1 .. 1 + rand 3
        } 1 .. 1 + rand 3
    } 1 .. 20_000;
    my @texts = (
        (grep { !/(?<![0-9a-z_])[0-9]{2,}|[0-9][a-z_]|x[0-9]/i || /\b33\b/ } @random),
        @sensible, map { "$_" } @states
    );

    open my $in, '>', "$dir/texts" or die "texts: $!\n";
    print {$in} "$_\n" for @texts;
    close $in or die "texts: $!\n";
    my @verdicts = `'$libcap' <'$dir/texts'`;
    my ($differ, $accepted) = (0, 0);
    for my $i (0 .. $#texts) {
        my $ours = eval { $CLASS->from_text($texts[$i]) };
        my $text = $ours ? join ' ', map { hex_mask(numbers($ours, $_)) } @SETS : 'rejected';
        $accepted++ if $ours;
        next if "$text\n" eq $verdicts[$i];
        diag(qq{"$texts[$i]": ours $text, libcap $verdicts[$i]}) if $differ++ < 10;
    }
    is($differ, 0, scalar(@texts) . ' texts read as libcap reads them');
    cmp_ok($accepted, '>', @states, "of which $accepted are states");
}

sub hex_mask {
    my $bits = '0' x 64;
    substr($bits, $_, 1) = 1 for @_;
    return unpack('H16', reverse pack 'b64', $bits) =~ s/\A0+(?=.)//r;
}

done_testing;
