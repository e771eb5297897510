package Sanitized;

# Copies of the distribution that are built with the compiler's sanitizers, for a perl that
# is not: their libraries are loaded before it.
use 5.014;
use warnings;

use Exporter qw(import);

use Proof qw(copy_distribution);

our @EXPORT_OK = qw(build_sanitized sanitized_environment);

my %library = (address => 'asan', undefined => 'ubsan');

# In a new folder, which is returned. Kinds: address, undefined, or both with a comma.
sub build_sanitized {
    my ($to, $kinds) = @_;
    copy_distribution($to);
    my $flags = "-O1 -g -fno-omit-frame-pointer -fsanitize=$kinds -fno-sanitize-recover=undefined";
    my $said  = `cd '$to' && { '$^X' Makefile.PL OPTIMIZE='$flags' LDDLFLAGS='-shared -fsanitize=$kinds' && make; } 2>&1 </dev/null`;
    die "it does not build:\n$said" if $?;
    return $to;
}

# What perl's own leaks and habits would be told of is left out.
sub sanitized_environment {
    my ($kinds) = @_;
    my @libraries = map {
        chomp(my $file = `cc -print-file-name=lib$library{$_}.so`);
        $file;
    } split /,/, $kinds;
    return (
        LD_PRELOAD    => join(':', @libraries),
        ASAN_OPTIONS  => 'detect_leaks=0:abort_on_error=0:exitcode=99:allocator_may_return_null=1:handle_segv=1',
        UBSAN_OPTIONS => 'print_stacktrace=1:halt_on_error=1:exitcode=99',
    );
}

1;
