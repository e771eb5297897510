package Manual;

# The pages of the manual as the tests read them: paragraphs with their line, chapters,
# and what can be linked to.
use 5.014;
use warnings;

use Exporter qw(import);
use File::Find qw(find);

our @EXPORT_OK = qw(pages page_file paragraphs chapters chapter named targets plain);

# Linux::Prctl and all below it.
sub pages {
    my @pages;
    find({ no_chdir => 1, wanted => sub { push @pages, $_ if /\.pod\z/ } }, 'lib');
    return sort map { s{\Alib/|\.pod\z}{}gr =~ s{/}{::}gr } @pages;
}

sub page_file { my ($page) = @_; return 'lib/' . $page =~ s{::}{/}gr . '.pod' }

# [line, text] of each.
sub paragraphs {
    my ($page) = @_;
    my $file = page_file($page);
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    my ($line, @found) = 1;
    my @parts = split /(\n{2,})/, <$in>;
    while (@parts) {
        my ($text, $gap) = splice @parts, 0, 2;
        push @found, [$line, $text =~ s/\n+\z//r];
        $line += "$text$gap" =~ tr/\n// if defined $gap;
    }
    return @found;
}

# A heading or item as one would link to it: the line of the command, without codes.
sub plain {
    my ($text) = @_;
    1 while $text =~ s/[BCFIS]<<+ (.*?) >>+/$1/ || $text =~ s/[BCFIS]<([^<>]*)>/$1/;
    return $text =~ s/X<[^<>]*>//gr =~ s/E<gt>/>/gr =~ s/E<lt>/</gr =~ s/\s+\z//r;
}

# Texts by the title of the =head1 they stand under.
sub chapters {
    my ($page) = @_;
    my (%chapter, $title);
    for my $text (map { $_->[1] } paragraphs($page)) {
        $title = $1 if $text =~ /\A=head1 (.*)/;
        push @{ $chapter{$title} }, $text if defined $title;
    }
    return \%chapter;
}

sub chapter {
    my ($page, $title) = @_;
    my $chapter = chapters($page)->{$title} or die "$page has no chapter $title\n";
    return @$chapter;
}

# What commands of a kind name.
sub named {
    my ($command, @inside) = @_;
    return map { /\A=$command (.*)/ ? plain($1) : () } @inside;
}

# All that can be linked to in a page.
sub targets {
    my ($page) = @_;
    return named('(?:head[1-4]|item)', map { $_->[1] } paragraphs($page));
}

1;
