package Linux::Prctl;

use 5.014;
use warnings;
use warnings::register 'threads';

our $VERSION = '2.0.0';

# Functions, constants, the lists that can be imported and the six tied hashes:
# all from Prctl.xs.
require XSLoader;
XSLoader::load(__PACKAGE__, $VERSION);

# The policy for errors belongs to the scope that is being compiled.
sub import {
    my ($class, @names) = @_;
    my @exports = grep { $_ ne ':fatal' } @names;
    $^H{'Linux::Prctl/fatal'} = 1 if @exports < @names;
    return if !@exports;
    require Exporter;
    @_ = ($class, @exports);
    goto &Exporter::import;
}

sub unimport {
    my ($class, @names) = @_;
    for my $name (grep { $_ ne ':fatal' } @names) {
        my (undef, $file, $line) = caller;
        die qq{"$name" cannot be switched off: only :fatal can at $file line $line.\n};
    }
    $^H{'Linux::Prctl/fatal'} = 0;
    return;
}

# What does the calling statement want done with a warning of a category? 0:
# nothing, 1: to see it, 2: to die of it. The category is on where nothing was said.
sub _wish {
    my ($category) = @_;
    my $mask = (caller 0)[9];
    return 1 if !defined $mask;
    my $offset = $warnings::Offsets{$category};

    # Compiled before the category was registered: what was said of all counts.
    $offset = $warnings::Offsets{all} if length $mask <= $offset >> 3;
    return vec($mask, $offset, 1) + (vec($mask, $offset, 1) && vec($mask, $offset + 1, 1));
}

1;
