use 5.014;
use warnings;
use open IN => ':bytes', OUT => ':bytes';    # whatever PERL_UNICODE says

use Errno qw(EACCES EINVAL EIO ENOENT);
use File::Temp;
use Linux::Prctl qw(setpriv);
use POSIX ();
use Test::More;

use lib 't/lib';
use Seccomp qw(filter no_listener peek supervised);
use TestChild qw(company);

# A profile of AppArmor and a label of SELinux, on a kernel that has neither: a listener says
# that it has, and hands out another file of proc(5) in place of theirs, the name of the process.
# What is written there is read from outside. xt/kernels has a kernel with AppArmor.

plan skip_all => company() if company();
plan skip_all => no_listener() if length no_listener();

# By the numbers of x86_64.
my ($WRITE, $CLOSE, $STATFS, $OPEN, $OPENAT, $SCHED_YIELD) = (1, 3, 137, 2, 257, 24);
my $SELINUX_MAGIC = 0xf97cff8c;
my %FILE = (
    enabled => '/sys/module/apparmor/parameters/enabled',
    own     => '/proc/thread-self/attr/apparmor/exec',    # since Linux 5.8
    shared  => '/proc/thread-self/attr/exec',
);
my %name = reverse %FILE;

my $other = File::Temp->new;    # a file of no procfs
my $yes   = File::Temp->new;
syswrite $yes, "Y\n" or die "$yes: $!\n";

# Runs setpriv where those files are these: undef for what is there, an errno, or 'name' or
# 'other'; and writing or closing that file fails with the errno in %$is. What setpriv said, its errno,
# the name of the process afterwards, and the files of these that were opened.
sub run {
    my ($is, @plan) = @_;
    my ($running, $name, @opened, %fd) = (0);
    my (undef, @said) = supervised([ $STATFS, $OPEN, $OPENAT, $SCHED_YIELD ], sub {
        my ($call) = @_;
        my ($number, @args) = ($call->{syscall}, @{ $call->{args} });
        if ($number eq $SCHED_YIELD) {
            $running = $args[0];
            @fd{qw(enabled name other)} = @args[ 1 .. 3 ] if $running;
            open my $in, '<', "/proc/$call->{pid}/comm" or return;
            chomp($name = <$in>);
            return;
        }
        return if !$running;
        if ($number eq $STATFS) {
            return if !$is->{selinux} || peek($call, $args[0], 15) ne "/sys/fs/selinux";
            return { value => 0, write => { $args[1] => pack 'Q', $is->{selinux} } };
        }
        return if $number ne $OPEN && $number ne $OPENAT;
        my ($path) = split /\0/, peek($call, $args[ $number eq $OPENAT ? 1 : 0 ], 48);
        my $file = $name{ $path // '' } or return;
        push @opened, $file if $file ne 'enabled';
        my $answer = $is->{$file} // return;
        return { errno => $answer } if $answer =~ /\A\d+\z/;
        return { value => $fd{$answer} };
    }, sub {
        open my $in,   '<', "$yes"           or die "$yes: $!\n";
        open my $comm, '>', '/proc/self/comm' or die "comm: $!\n";
        open my $out,  '>', "$other"         or die "$other: $!\n";
        # Copies, of which perl knows nothing: they are closed in setpriv.
        my @fds = map { POSIX::dup(fileno $_) // die "dup: $!\n" } $in, $comm, $out;
        my @rules = map { defined $_->[1] ? [ @$_, $fds[1] ] : () } [ $WRITE, $is->{write} ], [ $CLOSE, $is->{close} ];
        filter(@rules) if @rules;
        syscall $SCHED_YIELD, 1, @fds;
        local $! = 0;
        my $said = eval { setpriv(@plan); 1 } ? '' : "$@";
        my $errno = $! + 0;
        syscall $SCHED_YIELD, 0;
        return ($said, $errno, -s $other);
    });
    return { said => $said[0], errno => $said[1], other => $said[2], name => $name, opened => "@opened" };
}

my $before = do { open my $in, '<', '/proc/self/comm' or die "comm: $!\n"; <$in> =~ s/\n//r };
sub text { local $! = $_[0]; return "$!" }

for my $row (
    # what, where, the option, what is written, and the files that are tried
    [ 'AppArmor, with a file of its own', { enabled => 'enabled', own => 'name' }, apparmor_profile => 'webserver', 'exec webserver', 'own' ],
    [ 'AppArmor, before Linux 5.8', { enabled => 'enabled', own => ENOENT, shared => 'name' }, apparmor_profile => 'webserver',
        'exec webserver', 'own shared' ],
    [ 'SELinux', { selinux => $SELINUX_MAGIC, shared => 'name' }, selinux_label => 'a_u:b_r:c_t', 'a_u:b_r:c_t', 'shared' ],
) {
    my ($what, $is, $option, $value, $written, $files) = @$row;
    my @plan  = ($option => $value, no_new_privs => 1);
    my $found = run($is, @plan);
    is($found->{said}, '', "$what: it goes through");
    is($found->{name}, $written, '... and that is written');
    is($found->{opened}, $files, '... where it belongs');

    my ($last) = $files =~ /(\w+)\z/;
    for my $case (
        [ 'the file is refused',            { $last => EACCES },           EACCES, $before ],
        [ 'it is in no procfs',             { $last => 'other', $last eq 'own' ? (shared => ENOENT) : () }, ENOENT, $before ],
        [ 'writing is refused',             { write => EINVAL }, EINVAL, $before ],
        [ 'nothing is written',             { write => 0 },                EIO,    $before ],
        [ 'closing fails',                  { close => EIO }, EIO,    $written ],
    ) {
        my ($how, $but, $errno, $name) = @$case;
        $found = run({ %$is, %$but }, @plan);
        like($found->{said}, qr/\Asetpriv: step 1, $option.*: \Q@{[ text($errno) ]}\E; this process must not go on: /,
            "$what: $how: an exception");
        is($found->{errno}, $errno, '... with its errno');
        is($found->{name}, $name, '... and what is written is what is written');
        is($found->{other}, 0, '... and nowhere else');
        unlike($found->{opened}, qr/own shared/, '... another file is not tried') if $last eq 'own' && $errno != ENOENT;
    }
    $found = run($is, @plan, dry_run => 1);
    is("$found->{said} $found->{opened}", ' ', "$what: dry_run: nothing is opened");
    is($found->{name}, $before, '... nor written');
}

for my $row (
    [ 'AppArmor that is not enabled', { enabled => 'other' }, apparmor_profile => 'webserver', 'AppArmor' ],
    [ 'AppArmor that cannot be asked', { enabled => EACCES }, apparmor_profile => 'webserver', 'AppArmor' ],
    [ 'something else in its place', { selinux => 0x01021994 }, selinux_label => 'a_u:b_r:c_t', 'SELinux' ],
) {
    my ($what, $is, $option, $value, $module) = @$row;
    my $found = run({ %$is, own => 'name', shared => 'name' }, $option => $value);
    like($found->{said}, qr/\Asetpriv: $option: this kernel runs without $module at /, "$what: refused");
    is("$found->{name} $found->{opened}", "$before ", '... before anything is done');
}

done_testing;
