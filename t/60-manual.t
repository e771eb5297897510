use 5.014;
use warnings;

use Linux::Prctl ();
use Test::More;

# The manual and the module name the same things, in both directions.
my $manual = 'lib/Linux/Prctl.pod';
my %tags   = %Linux::Prctl::EXPORT_TAGS;

my @paragraphs = do {
    open my $in, '<', $manual or die "$manual: $!\n";
    local $/ = '';
    map {s/\n+\z//r} <$in>;
};

# The paragraphs of each chapter.
my %chapters;
for my $paragraph (@paragraphs) {
    state $title = '';
    $title = $1 if $paragraph =~ /\A=head1 (.*)/;
    push @{ $chapters{$title} }, $paragraph;
}

sub chapter {
    my ($title) = @_;
    return @{ $chapters{$title} or die "$manual has no chapter $title\n" };
}

# What its headings or items name.
sub named {
    my ($command, @inside) = @_;
    return map { /\A=$command (.*)/ ? $1 : () } @inside;
}

sub same_names {
    my ($got, $expected, $name) = @_;
    return is_deeply([sort @$got], [sort @$expected], $name);
}

# ---- functions ----

my @labels   = qw(Calls Takes Values Needs Refused Since Scope Option);
my %optional = map { $_ => 1 } qw(Takes Values);

# Each heading with the block of facts behind it: [[names], {label => text}, [labels]].
sub entries {
    my @inside = @_;
    my @entries;
    for my $i (grep { $inside[$_] =~ /\A=head3 / } 0 .. $#inside) {
        my ($names) = named('head3', $inside[$i]);
        my (%facts, @order);
        for my $line (split /\n/, $inside[$i + 1]) {
            push @order, $1 if $line =~ s/\A    (\w+)(?=\s)/ ' ' x (4 + length $1)/e;
            $facts{ $order[-1] // '' } .= "$line\n";
        }
        push @entries, [[split /, /, $names], \%facts, \@order];
    }
    return @entries;
}

my @entries = entries(chapter('FUNCTIONS'));

same_names(
    [map { @{ $_->[0] } } @entries],
    [@{ $tags{functions} }, @{ $tags{extra} }],
    'every function has its heading, and nothing else has',
);

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
    my ($names, $facts, $order) = @$entry;
    my %there = map { $_ => 1 } @$order;
    is_deeply($order, [grep { $there{$_} || !$optional{$_} } @labels], "@$names: the block of facts");
    my %calls = $facts->{Calls} =~ /^ +(\w+)\(([^)]*)\) *\n? *-> \S/mg;
    same_names([keys %calls], $names, "@$names: how to call it, and what comes back");
    is(documented($calls{$_} // ''), arguments($_), "$_: its arguments")
        for grep { ($calls{$_} // '') !~ /%/ } @$names;    # named ones say no usage
    like($facts->{Since}, qr/\A\s+(?:Linux \d+\.\d+|every Linux)/, "@$names: since which kernel");
}

# ---- constants ----

# "NAME number", in the facts and in the tables.
my @pairs = map {/\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\s+(-?(?:0x[0-9a-f]+|\d+))\b/g}
    grep {/\A /} chapter('FUNCTIONS'), chapter('CONSTANTS AND TAGS');
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
for my $entry (@entries) {
    my ($names, $facts) = @$entry;
    for my $option ($facts->{Option} =~ /\bPR_[A-Z0-9_]+\b/g) {
        my $function = $elsewhere{$option} // lc $option =~ s/\APR_//r;
        ok(scalar(grep { index($_, $function) == 0 } @$names) || $option eq 'PR_MCE_KILL',
            "$option belongs to @$names");
    }
}

my @unknown = grep { !Linux::Prctl->can($_) && !Linux::Prctl->can("SECBIT_$_") }
    map {/\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b(?!\*)/g} map { grep {defined} @{ $_->[1] }{qw(Values Option)} }
    @entries;
is_deeply(\@unknown, [], 'the facts name no constant that does not exist');

# ---- capabilities and securebits ----

my @tables = grep {/\A /} chapter('CONSTANTS AND TAGS');
is_deeply(
    [map {/^    (CAP_\w+) +\d/mg} grep { !/EFFECTIVE/ } @tables],
    $tags{capabilities},
    'the table of capabilities is whole and in order',
);
same_names(
    [map {/\b(SEC(?:BIT|URE|UREBITS)_[A-Z_]+) /g} @tables],
    $tags{securebits},
    'and so is that of securebits',
);

# ---- hashes, objects, methods ----

same_names([named('head3', chapter('HASHES'))], $tags{hashes}, 'every hash has its heading');
my @methods = chapter('METHODS OF THE SETS');
same_names([map { split /, / } named('head3', @methods)], $tags{sets}, 'and every object');

my $class = 'Linux::Prctl::CapabilitySet';
my @subs = do { no strict 'refs'; grep { defined &{"${class}::$_"} } keys %{"${class}::"} };
same_names(
    [map {s/\(.*//r} named('item', @methods)],
    [grep { !/[A-Z_]/ } @subs],
    'every method has its item',
);

# ---- what is left ----

same_names(
    [grep {/\A:/} named('item', chapter('CONSTANTS AND TAGS'))],
    [':fatal', map {":$_"} keys %tags],
    'every tag has its item',
);
my ($extra) = grep {/\Aprctl, /} chapter('CONSTANTS AND TAGS');
same_names([$extra =~ /\w+/g], $tags{extra}, 'the list of :extra');

my %category = map { $_ => 1 } map {/C<(Linux::Prctl[\w:]*)> for/g} map {s/\s+/ /gr} @paragraphs;
is_deeply([sort keys %category], [grep {/\ALinux::Prctl(?!::_)/} sort keys %warnings::Offsets],
    'the categories of warnings');

done_testing;
