use 5.014;
use warnings;

use Linux::Prctl ();
use Test::More;

use lib 't/lib';
use Manual qw(paragraphs plain);
use Messages qw(messages shape_of);

# The list of messages and the source agree: each text of the source stands in the
# page, and each item of the page is in the source (Messages.pm says how they are read).
my $page = 'Linux::Prctl::Diagnostics';

# Files whose texts are answers, not messages: they have a page of their own.
my %answers = map { $_ => 1 } qw(xs/status_facts.h);

my %shape = map { $_ => 1 } keys %{ messages(\%answers) };
cmp_ok(scalar keys %shape, '>', 80, 'the source has messages');

my @texts = map { $_->[1] =~ s/^X<.*\n?//mgr =~ s/\s+/ /gr } paragraphs($page);
my $whole = plain(join "\n", @texts);

# ---- each message has its place ----

my @missing = grep { index($whole, $_) < 0 } sort keys %shape;
is(join("\n", @missing), '', 'every text of a message stands in the page')
    or diag("write an item for it into lib/Linux/Prctl/Diagnostics.pod, with cause and way out");

# ---- each item is a message ----

# Not in our source: what xsubpp and Exporter say, seen here as they say it.
my %others = (
    'Usage: ...'                                          => sub { Linux::Prctl::set_name() },
    '"..." is not exported by the Linux::Prctl module'    => sub {
        local $SIG{__WARN__} = sub { die @_ };
        Linux::Prctl->import('bogus');
    },
);
for my $item (sort keys %others) {
    eval { $others{$item}->() };
    my $like = join '.*', map {quotemeta} split /\Q...\E/, $item, -1;
    like($@, qr/$like/, "others say: $item");
}

my ($chapter, @items) = '';
for my $text (@texts) {
    $chapter = plain($1) if $text =~ /\A=head1 (.*)/;
    push @items, plain($1) if $text =~ /\A=item (.*)/ && $chapter ne 'WHAT THE KERNEL SAYS';
}
cmp_ok(scalar @items, '>', 80, 'the page has items');
is(join("\n", grep { !$shape{$_} && !$others{$_} } @items), '', 'every item is a message of the source');
my %seen;
my @twice = grep { $seen{$_}++ == 1 } @items;
is_deeply([grep { !/is not a whole number from|is not the class/ } @twice], [], 'each once');

# ---- the reader of the source reads ----

is(shape_of('%s: %s %lu is not mapped'), '... is not mapped', 'conversions');
is(shape_of('"%s" at %s'), '"..." at ...', 'and quotes');
is(shape_of('the process has %u other thread%s, which'), 'the process has ... other thread(s), which', 'plurals');

done_testing;
