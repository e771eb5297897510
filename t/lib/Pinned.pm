package Pinned;

# What the module promises, in tables that nothing else is made from: t/data/.
use 5.014;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(functions constants usage sample);

sub rows {
    my ($name) = @_;
    open my $in, '<', "t/data/$name.tsv" or die "t/data/$name.tsv: $!\n";
    return map { chomp; [split /\t/] } grep { !/\A#/ } <$in>;
}

# Every function: { name, tag, args => [{ name, kind, default }], call => [...], answer }.
sub functions {
    return map {
        my ($name, $tag, $args, $call, $answer) = @$_;
        +{
            name   => $name,
            tag    => $tag,
            args   => [map { argument($_) } grep { $_ ne '-' } split ' ', $args],
            call   => [$call eq '-' ? () : split ' ', $call],
            answer => $answer,
        }
    } rows('functions');
}

sub argument {
    my ($text) = @_;
    my ($name, $kind, $default) = $text =~ /\A(\w+):(\w+\??)(?:=(\S+))?\z/ or die "$text?\n";
    return { name => $name, kind => $kind, default => $default };
}

# Every constant: { name, value, tags => [...] }; an option has the word in its tags.
sub constants {
    return map { +{ name => $_->[0], value => $_->[1], tags => [split ' ', $_->[2]] } }
        rows('constants');
}

# What a function says when it is given the wrong number of arguments.
sub usage {
    my ($function) = @_;
    my $text = '';
    for my $arg (@{ $function->{args} }) {
        my ($name, $default) = @$arg{qw(name default)};
        my $comma = length $text ? ', ' : '';
        $text .= !defined $default ? "$comma$name"
            : $default eq '[]'     ? " [$comma$name]"
            :                        "$comma$name = $default";
    }
    return "Usage: Linux::Prctl::$function->{name}($text)";
}

# Something that an argument of this kind may be.
my %sample = (
    number  => 1,
    signal  => 15,
    parent  => 1,
    cap     => 'chown',
    cap63   => 'chown',
    flag    => 0,
    truth   => 0,
    id      => 1,
    exit    => 3,
    option  => 3,
    what    => 'chown',
    bytes   => 'some bytes',
    'bytes?' => 'some bytes',
    program => "\6\0\0\0\0\0\xff\x7f",    # one instruction: let every system call through
);

# Arguments with which a function reaches the kernel; only those it cannot do without.
sub sample {
    my ($function) = @_;
    return map { $sample{ $_->{kind} } } grep { !defined $_->{default} } @{ $function->{args} };
}

1;
