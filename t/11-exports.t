# What can be imported, by which tag, and what a program that imports it gets.
use 5.014;
use warnings;

use lib 't/lib';
use Config;
use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

use Pinned qw(constants functions);

use Linux::Prctl ();

my @sets = qw(cap_effective cap_permitted cap_inheritable cap_ambient capbset securebits);
my @constants = constants();
my @functions = functions();

my %expected = (
    constants => [map { $_->{name} } @constants],
    sets      => \@sets,
    hashes    => [map { "%$_" } @sets],
);
for my $tag (qw(capabilities securebits)) {
    $expected{$tag} = [map { $_->{name} } grep { grep { $_ eq $tag } @{ $_->{tags} } } @constants];
}
for my $tag (qw(functions extra)) {
    $expected{$tag} = [map { $_->{name} } grep { $_->{tag} eq $tag } @functions];
}
# These take a plan, and have files of their own; or any number of arguments.
my @setpriv = grep { /\A(?:setpriv|spawn|caps_text)\z/ } @{ $Linux::Prctl::EXPORT_TAGS{extra} };
push @{ $expected{extra} }, @setpriv;
$expected{all} = [map { @{ $expected{$_} } } qw(constants functions extra sets hashes)];

# ---- the lists ----

is_deeply(\@Linux::Prctl::EXPORT, [], 'nothing is exported by default');
is_deeply([sort keys %Linux::Prctl::EXPORT_TAGS], [sort keys %expected], 'the tags, and no other');

# Says of each name that is in one list alone where it is missing.
sub same_names {
    my ($got, $expected, $title) = @_;
    my %got      = map { $_ => 1 } @$got;
    my %expected = map { $_ => 1 } @$expected;
    my @wrong = (
        map({ 'no row in t/data/' . (/[a-z]/ ? 'functions' : 'constants') . ".tsv for $_" }
            grep { !$expected{$_} } sort keys %got),
        map({ "$_ is not exported" } grep { !$got{$_} } sort keys %expected),
    );
    push @wrong, 'a name is there twice' if @$got != keys %got;
    return is(join("\n", @wrong), '', $title);
}
same_names($Linux::Prctl::EXPORT_TAGS{$_}, $expected{$_}, ":$_") for sort keys %expected;
same_names(\@Linux::Prctl::EXPORT_OK, $expected{all},
    'what can be imported by name is what :all imports');
is_deeply([grep { !/\ACAP_/ } @{ $Linux::Prctl::EXPORT_TAGS{capabilities} }], [],
    '$EXPORT_TAGS{capabilities} lists CAP_* names');
ok(!grep({ /\ACAP_(?:EFFECTIVE|PERMITTED|INHERITABLE)\z/ } @{ $Linux::Prctl::EXPORT_TAGS{capabilities} }),
    'and not the flags of get_cap');

# ---- what an import brings ----

sub names_in {
    my ($package) = @_;
    no strict 'refs';
    my $stash = \%{"${package}::"};
    return sort map {
        my $name = $_;
        my $glob = \$stash->{$name};
        my @names;
        push @names, $name if defined &{"${package}::$name"};
        push @names, "%$name" if ref $glob eq 'GLOB' && *{$$glob}{HASH} && $name !~ /::\z/;
        @names;
    } grep { $_ ne 'BEGIN' } keys %$stash;
}

for my $import ('', (map { "qw(:$_)" } sort keys %expected), 'qw(:functions :extra)',
    'qw(set_pdeathsig)', 'qw(%capbset CAP_BPF)', 'qw(:fatal)', 'qw(:fatal :capabilities)')
{
    state $package = 'Importer000';
    $package++;
    local @SIG{qw(__WARN__)} = sub { fail("use Linux::Prctl $import warns: @_") };
    ok(eval "package $package; use strict; use warnings; use Linux::Prctl $import; 1",
        "use Linux::Prctl $import") or diag $@;
    my ($names) = $import =~ /\((.*)\)/;
    my @expected = map { /\A:(.*)/ ? @{ $expected{$1} || [] } : $_ } split ' ', $names // '';
    same_names([names_in($package)], \@expected, "use Linux::Prctl $import: what it brings");
}

{
    local $SIG{__WARN__} = sub { };    # Exporter says more than it dies of
    ok(!eval 'package Wrong1; use Linux::Prctl qw(no_such_name); 1',
        'a name that there is not cannot be imported');
    like($@, qr/import/, 'the message says what went wrong');
    ok(!eval 'package Wrong2; use Linux::Prctl qw(:no_such_tag); 1', 'nor a tag');
    ok(!eval "package Wrong3; use Linux::Prctl qw($_); 1", "$_ is not for others")
        for qw(import unimport _severity bootstrap CLONE constant);
}
ok(!eval 'package Wrong4; no Linux::Prctl qw(set_name); 1', 'only :fatal can be switched off');
like($@, qr/\A"set_name" cannot be switched off: only :fatal can at \(eval \d+\) line 1\.$/m,
    'the message says so');

# A script of 1.6.0 with subs of these names stays quiet.
{
    my @warned;
    local $SIG{__WARN__} = sub { push @warned, @_ };
    ok(eval q{
        package Older;
        use strict; use warnings;
        use Linux::Prctl qw(:constants :functions :capabilities);
        sub prctl { 1 } sub supported { 2 } sub cap_name { 3 } sub last_cap { 4 } sub setpriv { 5 }
        1;
    }, 'a script may have its own subs with the names of :extra');
    is_deeply(\@warned, [], 'and hears no warning');
}

# ---- every function is there, by every way to it ----

for my $function (@functions) {
    my $name = $function->{name};
    ok(Linux::Prctl->can($name), "Linux::Prctl->can('$name')");
    no strict 'refs';
    ok(defined &{"Linux::Prctl::$name"}, "$name is defined");
    is(prototype("Linux::Prctl::$name"), undef, "$name has no prototype");
}

# What else lives in the package: imports of nobody, and helpers that say so.
{
    my %known = map { $_ => 1 } map({ $_->{name} } @constants, @functions), @sets, @setpriv,
        qw(import unimport CLONE BEGIN bootstrap);    # bootstrap: XSLoader's
    is_deeply([grep { !/\A%/ && !/\A_/ && !$known{$_} } names_in('Linux::Prctl')], [],
        'no other sub is in the package');
}

# ---- as installed ----

# A tree as make install leaves it: from blib, XSLoader would ask for more modules.
my $root = tempdir(CLEANUP => 1);
my ($lib) = $INC{'Linux/Prctl.pm'} =~ m{\A(.*)/Linux/Prctl\.pm\z};
my ($object) = grep { -e } map { "$_/auto/Linux/Prctl/Prctl.$Config{dlext}" } @INC;
make_path("$root/Linux", "$root/auto/Linux/Prctl");
copy($INC{'Linux/Prctl.pm'}, "$root/Linux/Prctl.pm") or die "Prctl.pm: $!\n";
copy($object, "$root/auto/Linux/Prctl/Prctl.$Config{dlext}") or die "$object: $!\n";
chmod 0755, $root, "$root/auto/Linux/Prctl/Prctl.$Config{dlext}";

# What a fresh perl prints.
sub fresh {
    my ($code) = @_;
    local %ENV = %ENV;
    delete @ENV{qw(PERL5OPT PERL5LIB HARNESS_PERL_SWITCHES)};
    open my $from, '-|', $^X, "-I$root", '-e', $code or die "$^X: $!\n";
    my $output = do { local $/; <$from> };
    close $from;
    return $? ? "status $?: " . ($output // '') : $output;
}

my $loaded = fresh('use Linux::Prctl; print join "\n", sort keys %INC');
like($loaded, qr{^Linux/Prctl\.pm$}m, 'use Linux::Prctl loads, as installed');
for my $module (qw(Carp Tie/Hash POSIX Errno Config Exporter DynaLoader Tie/StdHash)) {
    unlike($loaded, qr{^\Q$module\E(?:\.pm|_heavy\.pl)$}m, "it does not load $module")
        or diag $loaded;
}
my $imports = fresh('use Linux::Prctl qw(:all :fatal); print join "\n", sort keys %INC');
for my $module (qw(Carp Tie/Hash POSIX Errno Config DynaLoader)) {
    unlike($imports, qr{^\Q$module\E(?:\.pm|_heavy\.pl)$}m, "nor does an import load $module")
        or diag $imports;
}

is(fresh('require Linux::Prctl; print Linux::Prctl::get_dumpable(), " ", '
        . 'Linux::Prctl::PR_SET_NAME(), " ", Linux::Prctl->can("set_ptracer") ? 1 : 0, " ", '
        . 'ref tied %Linux::Prctl::capbset'),
    '1 15 1 Linux::Prctl::CapabilitySet', 'fully qualified, after require');
is(fresh('use strict; use warnings FATAL => "all"; use Linux::Prctl qw(get_dumpable set_dumpable); '
        . 'set_dumpable 0; my $was = get_dumpable; set_dumpable 1; print $was, get_dumpable'),
    '01', 'calls without parentheses');

done_testing;
