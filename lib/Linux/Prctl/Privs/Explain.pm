package Linux::Prctl::Privs::Explain;

# privs explain: what the manual says of a capability or a securebit.
use 5.014;
use warnings;

use Linux::Prctl ();
use Linux::Prctl::Privs qw(capability complain not_found);
use Linux::Prctl::Privs::Manual qw(plain shown);
use Linux::Prctl::Privs::Output qw(json paint table);

# ---- the manual ----

# It is beside the module.
my $manual;

sub _manual {
    return $manual if defined $manual;
    my $file = $INC{'Linux/Prctl.pm'} =~ s{\.pm\z}{/Capabilities.pod}r;
    open my $in, '<:encoding(UTF-8)', $file
        or not_found("The page Linux::Prctl::Capabilities is not installed ($!).");
    local $/;
    return $manual = readline $in;
}

# The paragraphs below a heading or item.
sub _below {
    my ($command, $name) = @_;
    my ($text) = _manual() =~ /^=$command \Q$name\E\n(.*?)^=(?:head|item|back)/ms;
    return grep { /\S/ && !/\AX</ } split /\n\n+/, $text // '';
}

# What there is about a capability: its name, number, kernel, and three texts.
my %LABEL = (allows => 'Allows', attacker => 'An attacker', instead => 'Instead');

sub _entry {
    my ($cap) = @_;
    my ($intro, @more) = _below(head2 => 'CAP_' . uc $cap);
    return if !defined $intro;
    my %entry = (name => $cap, pod => \@more);
    @entry{qw(number since)} = $intro =~ /\ACAP_\w+ (\d+), since Linux (\d[\d.]*\d)/;
    $entry{number} += 0;
    for my $paragraph (@more) {
        for my $key (keys %LABEL) {
            $entry{$key} = plain($1) if $paragraph =~ /\AB<$LABEL{$key}>:\s+(.*)/s;
        }
    }
    return \%entry;
}

# ---- one ----

sub _data {
    my ($entry) = @_;
    my %data = %$entry;
    delete $data{pod};
    utf8::decode($data{$_}) for keys %LABEL;
    return \%data;
}

sub _shown {
    my ($entry) = @_;
    my $here = $entry->{number} > Linux::Prctl::last_cap() ? '; this kernel does not have it' : '';
    my $text = shown(join "\n\n", @{ $entry->{pod} });
    my $labels = join '|', values %LABEL;
    $text =~ s/^  ($labels):/'  ' . paint(bold => "$1:")/gme;
    return paint(bold => $entry->{name}) . ", capability $entry->{number}, since Linux $entry->{since}$here\n\n"
        . $text;
}

# A securebit; undef if there is none of that name.
sub _securebit {
    my ($name) = @_;
    my $key = lc($name) =~ s/\Asecbit_//r =~ s/_locked\z//r;
    return if !exists $Linux::Prctl::securebits{$key};
    my @paragraphs = _below(item => $key);
    return paint(bold => $key) . ", a securebit\n\n"
        . shown(join "\n\n", @paragraphs);
}

# ---- all ----

# The settings, each without the lock behind it.
sub _securebit_rows {
    my @rows;
    for my $name (grep { !/_locked\z/ } keys %Linux::Prctl::securebits) {
        my ($intro) = _below(item => $name);
        my ($means) = plain($intro // next) =~ /\ALinux [\d.]+\d\. (.*?)[:.] \W*SECBIT/s or next;
        push @rows, [ Linux::Prctl->can('SECURE_' . uc $name)->(), $name, "$means." ];
    }
    return sort { $a->[0] <=> $b->[0] } @rows;
}

sub _list {
    my ($option) = @_;
    my @entries = grep { $_ } map { _entry(Linux::Prctl::cap_name($_)) } 0 .. 63;
    if ($option->{json}) {
        print "[\n", join(",\n", map { json(_data($_)) } @entries), "\n]\n";
        return 0;
    }
    print table([qw(NUMBER NAME ALLOWS)],
        map { [ $_->{number}, $_->{name}, $_->{allows} =~ s/\A(?:\S+ \S+[^.:]*|[^.]*)\K[.:] .*/./sr ] } @entries), "\n";
    print table([qw(NUMBER SECUREBIT MEANS)], _securebit_rows());
    return 0;
}

sub explain {
    my ($option, @names) = @_;
    return _list($option) if !@names;
    my @texts;
    for my $name (@names) {
        my $bit = $option->{json} ? undef : _securebit($name);
        my $cap = defined $bit ? undef : capability($name);
        my $entry = defined $cap ? _entry($cap) : undef;
        if (defined $bit) {
            push @texts, $bit;
        }
        elsif (!$entry) {
            complain("The manual says nothing of capability $cap.");
        }
        else {
            push @texts, $option->{json} ? json(_data($entry)) : _shown($entry);
        }
    }
    print $option->{json} ? ("[\n", join(",\n", @texts), "\n]\n") : join "\n", @texts;
    return 0;
}

1;
