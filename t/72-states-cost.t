use 5.014;
use warnings;

use File::Temp ();
use Test::More;

use lib 't/lib';
use TestChild ();    # which skips where there is no /proc

# What the three classes cost: system calls, and nothing at all for a program that
# does not use them.

# Runs perl with the module that is tested, and returns its lines of output.
sub perl_says {
    my ($code, @before) = @_;
    open my $out, '-|', @before, $^X, (map { "-I$_" } grep { !ref } @INC), '-e', $code
        or die "perl: $!\n";
    my @lines = <$out>;
    close $out;
    chomp @lines;
    return @lines;
}

# ---- loaded only when used ----

my $loaded = 'open my $maps, "<", "/proc/self/maps" or die; my %seen;'
    . 'print "$_\n" for grep { !$seen{$_}++ } (map { m{([^/]+\.so)} ? $1 : () } <$maps>), keys %INC;';

SKIP: {
    skip 'no /proc/self/maps', 4 if !-r '/proc/self/maps';
    my %alone = map { $_ => 1 } perl_says("use Linux::Prctl; $loaded");
    ok($alone{'Prctl.so'}, 'Linux::Prctl is an object file');
    is_deeply([ grep { /libcap|CapState|FileCaps|Status/ } keys %alone ], [],
        'use Linux::Prctl loads none of the states, and no libcap');
    my %status = map { $_ => 1 } perl_says("use Linux::Prctl::Status; $loaded");
    is_deeply([ grep { /libcap|CapState|FileCaps/ } keys %status ], [], 'nor does Status');
    my %state = map { $_ => 1 } perl_says("use Linux::Prctl::CapState; $loaded");
    is_deeply([ sort grep { /libcap|CapState\.so|FileCaps|Status/ } keys %state ],
        [ 'CapState.so', 'libcap.so' ], 'CapState loads libcap, and not the other two');
}

# ---- system calls ----

# The calls of a piece of code, between two that nothing else makes.
sub calls {
    my ($code, $trace) = @_;
    my $log = File::Temp->new;
    perl_says(
        "use Linux::Prctl::FileCaps; use Linux::Prctl::Status; my \$C = 'Linux::Prctl::CapState';"
            . 'my $state = $C->get_current->set_current; my $S = "Linux::Prctl::Status"; $S->of(1);'
            . "getppid(); $code; getppid();",
        qw(strace -qq -o), $log, '-e', "trace=getppid,$trace"
    );
    open my $in, '<', $log or die "$log: $!\n";
    my @lines = <$in>;
    my @at = grep { $lines[$_] =~ /\Agetppid/ } 0 .. $#lines;
    return if @at < 2;
    return map { s/\Aopen\z/openat/r } map { /\A(\w+)\(/ ? $1 : () } @lines[ $at[0] + 1 .. $at[1] - 1 ];
}

SKIP: {
    my $works = `strace -qq -o /dev/null -e trace=none true 2>&1`;
    skip 'strace cannot be run here', 8 if $? != 0;
    my $credentials = 'capget,capset,prctl';
    is_deeply([ calls('$C->get_current', $credentials) ], ['capget'], 'get_current: one call');
    is_deeply([ calls('$C->get_for_pid(1)', $credentials) ], ['capget'], 'get_for_pid: one call');
    is_deeply([ calls('$state->set_current', $credentials) ], ['capset'], 'set_current: one call');
    is_deeply([ calls('eval { $C->get_for_pid(0) }; eval { $C->get_for_pid(2**32 + $$) }', $credentials) ],
        [], 'a pid that is none is not asked for');
    is_deeply([ calls('$state->copy->add(effective => 1)->drop(permitted => 2)->clear', $credentials) ],
        [], 'a change of the value is not one of the process');
    is_deeply([ calls('$C->from_text("cap_chown=ep")->to_text', 'capset') ], [], 'nor is text');
    is_deeply([ calls('$S->of(1)->caps', 'openat,open,read') ], [qw(openat read)],
        'Status->of: one read');
    is_deeply([ calls('$S->current->report', 'openat,open,read,capget,capset') ],
        [qw(openat read)], 'Status->current too');
}

done_testing;
