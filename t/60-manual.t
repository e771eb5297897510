use 5.014;
use warnings;

use lib 't/lib';

use Linux::Prctl ();
use Manual qw(pages paragraphs chapters chapter named);
use Test::More;

# The manual and the module name the same things, in both directions.
my $main         = 'Linux::Prctl';
my $reference    = 'Linux::Prctl::Functions';
my $capabilities = 'Linux::Prctl::Capabilities';
my %tags         = %Linux::Prctl::EXPORT_TAGS;

sub same_names {
    my ($got, $expected, $name) = @_;
    return is_deeply([sort @$got], [sort @$expected], $name);
}

sub texts { return map { $_->[1] } paragraphs(@_) }

# ---- functions ----

my @labels   = qw(Takes Values Needs Refused Since Scope Option);
my %optional = map { $_ => 1 } qw(Takes Values);

# An entry: its name, its call and answer, the sentence, and the facts by label.
sub entries {
    my @inside = @_;
    my @entries;
    for my $i (grep { $inside[$_] =~ /\A=head2 / } 0 .. $#inside) {
        my ($name) = named('head2', $inside[$i]);
        my %entry = (name => $name, head => $inside[$i], call => $inside[ $i + 1 ],
            sentence => $inside[ $i + 2 ], order => []);
        for my $text (map { s/\s+/ /gr } grep { $_ && /\AB<(?:Takes|Values|Needs)>/ } @inside[ $i + 3, $i + 4 ]) {
            my (undef, @facts) = split /B<(Takes|Values|Needs|Refused|Since|Scope|Option)> /, $text;
            while (my ($label, $fact) = splice @facts, 0, 2) {
                push @{ $entry{order} }, $label;
                $entry{fact}{$label} = $fact =~ s/ \z//r;
            }
        }
        push @entries, \%entry;
    }
    return @entries;
}

my $chapters = chapters($reference);
my @entries  = map { entries(@{ $chapters->{$_} }) } sort keys %$chapters;
my @public   = (@{ $tags{functions} }, @{ $tags{extra} });

same_names([map { $_->{name} } @entries], \@public,
    'every function has its own heading, and nothing else has');

# How many arguments a function takes, as it says itself: at least, at most.
sub arguments {
    my ($function) = @_;
    return if eval { Linux::Prctl->can($function)->((1) x 10); 1 };
    my ($list) = $@ =~ /\AUsage: Linux::Prctl::\Q$function\E\((.*?)\) at / or return;
    my @all = split /, /, $list;
    return scalar(grep { !/=|\]/ } @all) . ' to ' . @all;
}

# And as the manual shows its calls.
sub documented {
    my ($list) = @_;
    my ($needed, $optional) = $list =~ /\A([^\[]*)(.*)\z/;
    my ($least, $more) = map { scalar(() = /\$/g) } $needed, $optional;
    return "$least to " . ($least + $more);
}

for my $entry (@entries) {
    my ($name, $fact) = @$entry{qw(name fact)};
    my %there = map { $_ => 1 } @{ $entry->{order} };
    is_deeply($entry->{order}, [grep { $there{$_} || !$optional{$_} } @labels], "$name: the facts");
    is_deeply([grep { $fact->{$_} !~ /\S.*\.\z/ } @{ $entry->{order} }], [],
        "$name: each fact is a sentence");
    my ($called, $arguments) = $entry->{call} =~ /\A    (\w+)\(([^)]*)\)\s+-> \S/;
    is($called, $name, "$name: how to call it, and what comes back");
    is(documented($arguments // ''), arguments($name), "$name: its arguments")
        if ($arguments // '') !~ /[%\@]/;    # named ones, and any number, say no usage
    like($entry->{sentence}, qr/\A[A-Z][^:]*\w.?\.\z/s, "$name: a sentence says what it does");
    like($fact->{Since}, qr/\A(?:Linux \d+\.\d+|every Linux)/, "$name: since which kernel");
    like($entry->{head}, qr/^X<\Q$name\E>/m, "$name: an index entry");
}

# From the main page and from the index, each has a link.
my %links = (
    "$reference, the index" => [join(' ', chapter($reference, 'ALPHABETICAL INDEX')), ''],
    $main                   => [join(' ', texts($main)), $reference],
);
for my $from (sort keys %links) {
    my ($text, $page) = @{ $links{$from} };
    my %link = map { $_ => 1 } $text =~ m{L<\w+\|\Q$page\E/(\w+)>}g;
    is_deeply([grep { !$link{$_} } @public], [], "$from links to every function");
}

# ---- constants ----

# "NAME number", wherever it stands; C<NAME> number, too.
my @pairs = map {/\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)>?\s+(-?(?:0x[0-9a-f]+|\d+))(?![\w.]\w)/g}
    grep { !/\A[ =]/ } texts($reference), texts($capabilities);
my (%number, @wrong);
while (my ($name, $number) = splice @pairs, 0, 2) {
    my $constant = Linux::Prctl->can($name);
    push @wrong, "$name $number"
        if !$constant || $constant->() != ($number =~ /x/ ? hex $number : $number);
    $number{$name}++;
}
is_deeply(\@wrong, [], 'every number of a constant in the manual is true');
same_names([keys %number], $tags{constants}, 'every constant stands there with its number');
is_deeply([grep { $number{$_} > 1 } sort keys %number], [], 'each of them once');

# An option stands where the function is that is called after it.
my %elsewhere = (PR_MCE_KILL_GET => 'get_mce_kill');
my %several   = (PR_MCE_KILL => qr/\A(?:set_mce_kill|mce_kill_clear)\z/);
for my $entry (@entries) {
    for my $option ($entry->{fact}{Option} =~ /\bPR_[A-Z0-9_]+\b/g) {
        my $function = $elsewhere{$option} // lc $option =~ s/\APR_//r;
        like($entry->{name}, $several{$option} // qr/\A\Q$function\E/, "$option belongs to $entry->{name}");
        like($entry->{head}, qr/X<\Q$option\E>/, "$option: an index entry");
    }
}

my @unknown = grep { !Linux::Prctl->can($_) && !Linux::Prctl->can("SECBIT_$_") && !/\ASCHED_FIFO\z/ }
    map {/\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b(?!\*)/g} map { values %{ $_->{fact} } } @entries;
is_deeply(\@unknown, [], 'the facts name no constant that does not exist');

# ---- capabilities and securebits ----

my @each = chapter($capabilities, 'EACH CAPABILITY');
is_deeply([named('head2', @each)], $tags{capabilities}, 'each capability has its heading, in order');
for my $i (grep { $each[$_] =~ /\A=head2 / } 0 .. $#each) {
    my ($name) = named('head2', $each[$i]);
    my $key = lc $name =~ s/CAP_//r;
    like($each[$i], qr/X<$name>X<$key>/, "$name: index entries");
    like($each[ $i + 1 ], qr/\A$name \d+, since Linux \d/, "$name: number and kernel");
    my @parts = map { /\AB<([^>]+)>: \S/ ? $1 : '' } @each[$i + 2 .. $i + 4];
    is_deeply(\@parts, ['Allows', 'An attacker', 'Instead'], "$name: what it allows, and what that means");
}
my ($masks) = grep {/\AMasks: /} chapter($capabilities, 'SECUREBITS');
same_names(
    [map {/\b(SEC(?:BIT|URE|UREBITS)_[A-Z_]+)> \d/g} grep { !/\A[ =]/ } chapter($capabilities, 'SECUREBITS')],
    $tags{securebits},
    'and so has each securebit',
);
same_names([named('item', chapter($capabilities, 'SECUREBITS'))],
    [grep { !/_locked\z/ } keys %Linux::Prctl::securebits], 'by its key');

# ---- hashes, objects, methods ----

same_names([grep {/\A%/} named('head2', chapter($main, 'HASHES'))], $tags{hashes},
    'every hash has its heading');
my @methods = chapter($main, 'METHODS OF THE SETS');
my ($objects) = grep {/\A    cap_effective /} @methods;
same_names([split ' ', $objects], $tags{sets}, 'and every object is named');

my $class = 'Linux::Prctl::CapabilitySet';
my @subs = do { no strict 'refs'; grep { defined &{"${class}::$_"} } keys %{"${class}::"} };
same_names(
    [map {s/\(.*//r} named('item', @methods)],
    [grep { !/[A-Z_]/ } @subs],
    'every method has its item',
);

# ---- what is left ----

same_names(
    [grep {/\A:/} named('item', chapter($main, 'IMPORTS'))],
    [':fatal', map {":$_"} keys %tags],
    'every tag has its item',
);
my ($extra) = grep {/\Aprctl, /} chapter($main, 'IMPORTS');
same_names([$extra =~ /\w+/g], $tags{extra}, 'the list of :extra');

my %category = map { $_ => 1 } map {/C<(Linux::Prctl[\w:]*)> for/g} map {s/\s+/ /gr} texts($main);
is_deeply([sort keys %category], [grep {/\ALinux::Prctl(?!::_)/} sort keys %warnings::Offsets],
    'the categories of warnings');

# The table of what to reach for names functions, hashes, objects and pages that exist.
my %page = map { $_ => 1 } pages();
my $table = join "\n", grep {/\A    /} chapter($main, 'WHAT TO REACH FOR');
my %option = map { $_ => 1 } named('item', texts('Linux::Prctl::Setpriv'));
my @named = map { /\A {4}(?!task|---).{43}(\S.*)/ ? split /, /, $1 : () } split /\n/, $table;
cmp_ok(@named, '>', 20, 'the table of what to reach for');
for my $name (@named) {
    my ($object, $method) = split /->/, $name =~ s/\Alocal \$(\w+)\{.*/$1/r;
    ok($page{$object} || $option{$object} || Linux::Prctl->can($object), "$name exists");
    ok($class->can($method), "$name exists") if $method;
}

done_testing;
