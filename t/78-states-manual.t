use 5.014;
use warnings;

use File::Temp;
use Linux::Prctl qw(:all);
use Linux::Prctl::FileCaps;
use Linux::Prctl::Status;
use Module::Metadata ();
use Test::More;

use lib 't/lib';
use TestChild ();    # which skips where there is no /proc

# The manuals of the three classes: each method is in one, each that is in one is
# there, and the examples do what their comments say.

my $dir = File::Temp->newdir;

sub paragraphs {
    my ($manual) = @_;
    open my $in, '<', $manual or die "$manual: $!\n";
    local $/ = '';
    return map { s/\n+\z//r } <$in>;
}

# Runs an example as a program of its own: its lines, and what it died of.
sub run {
    my ($text) = @_;
    open my $out, '>', "$dir/example" or die "example: $!\n";
    print {$out} "use 5.014;\nuse warnings;\n", $text =~ s/^    //gmr, "\n";
    close $out or die "example: $!\n";
    my @lines = `'$^X' @{[ map { "'-I$_'" } grep { !ref } @INC ]} '$dir/example' 2>'$dir/errors'`;
    open my $errors, '<', "$dir/errors" or die "errors: $!\n";
    return (\@lines, join('', <$errors>));
}

my %examples = (run => 0);
for my $class (qw(CapState FileCaps Status)) {
    my $package = "Linux::Prctl::$class";
    my $manual  = "lib/Linux/Prctl/$class.pod";
    my @manual  = paragraphs($manual);

    # Methods: not what is for ourselves, nor what was imported or is an operator.
    my @methods = do {
        no strict 'refs';
        grep { /\A[a-z]/ && defined &{"${package}::$_"} && !Errno->can($_) }
            grep { !/\A(?:bootstrap|import)\z/ } sort keys %{"${package}::"};
    };
    my %seen;
    my @documented = grep { !$seen{$_}++ } map { /\A=(?:head2|item) ([a-z]\w*)\z/ ? $1 : () } @manual;
    is_deeply([ sort @documented ], \@methods, "$class: the methods and the manual agree");

    for my $i (1 .. $#manual) {
        next if $manual[$i] !~ /\A    / || $manual[ $i - 1 ] !~ /\A=for example(?: needs (\w+))?\z/;
        my $need = $1;
        my $example = $manual[$i];
        my ($first) = $example =~ /;\n\n?    (\S.*)/;
        $example .= "\n\n" . $manual[ ++$i ] while $i < $#manual && $manual[ $i + 1 ] =~ /\A    /;
      SKIP: {
            skip "$need is not effective", 1 if $need && !cap_effective->has($need);
            my ($lines, $errors) = run($example);
            my ($dies)  = $example =~ /^\s*# dies: (.*)/m;
            my @prints  = $example =~ /# prints (.*)/g;
            my $printed = join '', @$lines;
            ok($dies ? index($errors, $dies) == 0 : $errors eq '', "$class: an example" . ($dies ? ' dies' : ''))
                or diag("$example\n$errors");
            $printed =~ s/^\Q$_\E$//m or fail("$class: an example prints $_"), diag($printed) for @prints;
            $examples{run}++;
        }
    }
}
cmp_ok($examples{run}, '>', 4, "$examples{run} examples ran");

# ---- one version ----

for my $class (map { "Linux::Prctl::$_" } qw(CapState FileCaps Status)) {
    is($class->VERSION, Linux::Prctl->VERSION, "$class has the version of the distribution");
    my $file = $class =~ s{::}{/}gr . '.pm';
    is(Module::Metadata->new_from_file($INC{$file})->version, Linux::Prctl->VERSION, 'as CPAN tools read it');
}

done_testing;
