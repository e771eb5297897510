# Every constant: its value, on every build, put in by the compiler.
use 5.014;
use warnings;

use lib 't/lib';
use B ();
use Test::More;

use Pinned qw(constants);

use Linux::Prctl ();

my @constants = constants();
my %seen;
is(scalar(grep { $seen{ $_->{name} }++ } @constants), 0, 'the table names each constant once');

# ---- values ----

for my $constant (@constants) {
    my $name = $constant->{name};
    my @got  = eval { no strict 'refs'; &{"Linux::Prctl::$name"}() };
    is_deeply(\@got, [$constant->{value}], "$name is $constant->{value}");
}

is(Linux::Prctl::SET_PTRACER_ANY(), -1, 'a negative one stays negative');

# ---- no call is left at run time ----

# The names of the operations in the code.
sub operations {
    my ($code) = @_;
    my @ops;
    no warnings 'once';
    local *B::OP::note_name = sub { push @ops, $_[0]->name };
    B::walkoptree(B::svref_2object($code)->ROOT, 'note_name');
    return @ops;
}

my $imported = join ' ', map { $_->{name} } @constants;
my $listed   = join ', ', map { $_->{name} } @constants;
for my $way (
    ['imported', "use Linux::Prctl qw($imported); sub { return ($listed) }"],
    ['by tags', "use Linux::Prctl qw(:constants); sub { return ($listed) }"],
    ['fully qualified',
        'sub { return (' . join(', ', map { "Linux::Prctl::$_->{name}" } @constants) . ') }'],
    ['fully qualified, with parentheses',
        'sub { return (' . join(', ', map { "Linux::Prctl::$_->{name}()" } @constants) . ') }'],
) {
    my ($how, $text) = @$way;
    state $package = 'Inlined000';
    $package++;
    my $code = eval "package $package; use strict; use warnings; $text" or die $@;
    my @ops = operations($code);
    is(scalar(grep { $_ eq 'entersub' } @ops), 0, "$how: no constant is called at run time");
    is(scalar(grep { $_ eq 'const' } @ops), scalar @constants, "$how: each is a value in the code");
    is_deeply([$code->()], [map { $_->{value} } @constants], "$how: their values");
}

# What is not called cannot be changed, and a branch that cannot be taken is not compiled.
{
    my $code = eval q{
        package Folded;
        use Linux::Prctl qw(:constants);
        sub { return PR_SET_NAME + CAP_BPF == 54 ? 'yes' : die }
    } or die $@;
    is(scalar(grep { $_ eq 'die' || $_ eq 'add' } operations($code)), 0,
        'expressions of constants are computed when they are compiled');
    is($code->(), 'yes', 'and give the right value');
}
ok(!eval { ${ \Linux::Prctl::PR_SET_NAME() } = 1; 1 }, 'a constant cannot be assigned to');
is(Linux::Prctl::PR_SET_NAME(), 15, 'and keeps its value');

# ---- no machinery ----

ok(!defined &Linux::Prctl::AUTOLOAD, 'there is no AUTOLOAD');
ok(!defined &Linux::Prctl::constant, 'there is no constant()');
ok(!Linux::Prctl->can($_), "there is no $_") for qw(PR_BOGUS CAP_BOGUS CAP_41 PR_MCE_KILL_EARLY);
eval { no strict 'refs'; &{'Linux::Prctl::PR_BOGUS'}() };
like($@, qr/\AUndefined subroutine &Linux::Prctl::PR_BOGUS called at \Q$0\E line/,
    'an unknown constant is an unknown sub of perl');
ok(!eval q{package Strange; use strict; use Linux::Prctl qw(:constants); my $x = PR_BOGUS; 1},
    'under strict, an unknown name does not compile');

# The numbers as a program of the kernel's own would see them.
my %value = map { $_->{name} => $_->{value} } @constants;
for my $bit (grep { /\ASECBIT_/ } sort keys %value) {
    my $name = $bit =~ s/\ASECBIT_/SECURE_/r;
    is($value{$bit}, 1 << $value{$name}, "$bit is the mask of $name");
}

done_testing;
