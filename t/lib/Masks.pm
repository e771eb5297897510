package Masks;

# Sets of capabilities, and of other bits up to 63, as numbers. Where perl's own are too
# narrow for that, they are Math::BigInt's, which take the same operators.
use 5.014;
use warnings;

use Config;
use Exporter qw(import);

our @EXPORT_OK = qw(bit all_but hex_mask);

use constant NARROW => $Config{ivsize} < 8;
if (NARROW) { require Math::BigInt; Math::BigInt->import }    # which chooses its arithmetic

sub bit {
    my (@bits) = @_;
    my $one  = NARROW ? Math::BigInt->new(1) : 1;
    my $mask = $one - $one;
    $mask |= $one << $_ for @bits;
    return $mask;
}

# A mask without some bits of it. (No "~": it is as wide as perl's numbers.)
sub all_but { my ($mask, @bits) = @_; return $mask ^ ($mask & bit(@bits)) }

# What /proc writes.
sub hex_mask {
    my ($digits) = @_;
    return Math::BigInt->from_hex($digits) if NARROW;
    no warnings 'portable';    # of more than 32 bits
    return hex $digits;
}

1;
