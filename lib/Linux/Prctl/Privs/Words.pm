package Linux::Prctl::Privs::Words;

# Sets, ids and processes in words.
use 5.014;
use warnings;

use Exporter qw(import);
use Linux::Prctl ();
use Linux::Prctl::Privs::Output qw(printable);

our @EXPORT_OK = qw(set_text list_text changes_rows user_text group_text count_text);

# "all", "all but chown, kill", "none", or the names
sub set_text { my ($names) = @_; return Linux::Prctl::caps_text(@$names) }

sub list_text { return join ', ', @_ }

# ---- what a process is, and becomes ----

# One id, or each of them where they differ.
sub _ids_text {
    my ($ids) = @_;
    my %different = map { $_ => 1 } values %$ids;
    return $ids->{real} if keys %different == 1;
    return list_text(map { "$_ $ids->{$_}" } qw(real effective saved fs));
}

my @SETS = qw(effective permitted inheritable bounding ambient);

sub _facts {
    my ($creds) = @_;
    my %text = (
        uid => _ids_text($creds->{uid}),
        gid => _ids_text($creds->{gid}),
        (map { $_ => set_text($creds->{caps}{$_}) } grep { $creds->{caps}{$_} } @SETS),
        (map { $_ => list_text(@{ $creds->{$_} }) || 'none' } grep { $creds->{$_} } qw(groups securebits)),
        (map { $_ => $creds->{$_} } grep { defined $creds->{$_} } qw(no_new_privs pdeathsig at_secure)),
    );
    return \%text;
}

# From now to then, and later where that is told and differs: a row for each fact.
sub changes_rows {
    my ($now, $then, $later) = map { _facts($_) } @_;
    my @rows;
    for my $fact (qw(uid gid groups), @SETS, qw(securebits no_new_privs pdeathsig at_secure)) {
        my ($from, $to) = ($now->{$fact}, $then->{$fact});
        next if !defined $to;
        my $text = !defined $from || $from eq $to ? $to : "$from -> $to";
        $text .= "; after exec: $later->{$fact}" if $later && $later->{$fact} ne $to;
        push @rows, [ $fact, $text ];
    }
    return @rows;
}

# ---- names ----

my (%user, %group);

# The name of a user or group, or the number where there is none.
sub user_text {
    my ($uid) = @_;
    return $user{$uid} //= printable(getpwuid($uid) // $uid);
}

sub group_text {
    my ($gid) = @_;
    return $group{$gid} //= printable(getgrgid($gid) // $gid);
}

sub count_text {
    my ($count, $one, $many) = @_;
    return $count == 1 ? "1 $one" : "$count $many";
}

1;
