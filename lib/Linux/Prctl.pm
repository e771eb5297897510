package Linux::Prctl;

use 5.014;
use warnings;

our $VERSION = '2.0.0';

# What warnings::register does, without loading it. On by default, as perl's own severe
# warnings are: a script that says only "no warnings 'once'" still hears of a refusal.
# "_registered" is on wherever anything is, and so tells the scopes that were compiled before
# the others were known.
# Before 5.18 perl has no such list, and the first word about any category takes its own
# severe ones away, and these with them.
my $before = $warnings::DEFAULT // $warnings::Bits{deprecated} | $warnings::Bits{severe};
for my $category (__PACKAGE__, 'Linux::Prctl::threads', 'Linux::Prctl::_registered') {
    warnings::register_categories($category);
    vec($warnings::DEFAULT //= '', $warnings::Offsets{$category}, 1) = 1;
}

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
sub _severity {
    my ($category) = @_;
    my $mask = (caller 0)[9];
    return 1 if !defined $mask;
    my $offset = $warnings::Offsets{$category};
    my $registered = $warnings::Offsets{ __PACKAGE__ . '::_registered' };
    if (!vec($mask, $offset, 1) && !vec $mask, $registered, 1) {

        # Nothing was said of the category, unless something was said of all. That bit is
        # gone with the first "no warnings 'once'" before 5.28; then what was said of the
        # ones that are on by default was said of all. The bit behind each means FATAL.
        $offset = $warnings::Offsets{all};
        if (!vec $mask, $offset, 1) {
            my $on = unpack 'b*', $mask & $before;
            return 0 if index($on, '1') < 0;
            my $fatal = pack 'b*', '0' . substr $on, 0, -1;
            return ($mask & $fatal) eq $fatal ? 2 : 1;
        }
    }
    return 0 if !vec $mask, $offset, 1;
    return vec($mask, $offset + 1, 1) ? 2 : 1;
}

1;
