package SpawnTest;

# What the tests of spawn share: what a program saw, what the parent still is, and both
# ways to make a child.
use 5.014;
use warnings;

use Cwd ();
use Exporter qw(import);
use File::Temp;
use Linux::Prctl qw(spawn);
use TestChild qw(proc_status);

our @EXPORT_OK = qw(each_way said status_of parent_now unlike_before program);

# Once with the parent's memory shared, and once in a copy of it.
sub each_way {
    my ($code) = @_;
    for my $way ('', 'fork') {
        local $ENV{LINUX_PRCTL_SPAWN} = $way;
        $code->($way eq 'fork' ? 'in a copy' : 'sharing');
    }
    return;
}

# The first of these that is there: not every system has them in one place.
sub program {
    my ($name) = @_;
    for my $file (map { "$_/$name" } qw(/bin /usr/bin /sbin /usr/sbin)) {
        return $file if -x $file;
    }
    die "there is no $name\n";
}

# Everything that a program says, and its wait status.
sub said {
    my (%plan) = @_;
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = spawn(stdout => $to, %plan);
    close $to;
    my $said = do { local $/; <$from> } // '';
    waitpid $pid, 0;
    return wantarray ? ($said, $?) : $said;
}

# The lines of the program's own /proc/self/status.
sub status_of {
    my (%plan) = @_;
    my ($said, $status) = said(command => [ program('cat'), '/proc/self/status' ], %plan);
    die "cat ended with $status\n" if $status;
    return map { /\A([^:]+):\s*(.*?)\s*\z/ ? ($1, $2) : () } split /\n/, $said;
}

sub _names {
    my ($directory) = @_;
    opendir my $dir, $directory or die "$directory: $!\n";
    return sort grep { !/\A\.\.?\z/ } readdir $dir;
}

# The list has one more while it is read, and in the same place each time.
sub _fds { return join ' ', map { "$_=" . (readlink "/proc/self/fd/$_" // '') } _names('/proc/self/fd') }

sub _children {
    my @found;
    for my $thread (_names('/proc/self/task')) {
        open my $in, '<', "/proc/self/task/$thread/children" or next;
        push @found, <$in>;
    }
    return "@found";
}

# All that a call must leave as it is.
sub parent_now {
    my %status = proc_status('/proc/self/status');
    my %now = (
        (map { $_ => $status{$_} } qw(Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb
            NoNewPrivs SigBlk SigIgn SigCgt Threads Umask)),
        dumpable   => Linux::Prctl::get_dumpable(),
        securebits => Linux::Prctl::get_securebits(),
        pdeathsig  => Linux::Prctl::get_pdeathsig(),
        ptracer    => Linux::Prctl::get_ptracer(),
        cwd        => Cwd::getcwd(),
        nice       => getpriority(0, 0),
        group      => getpgrp(),
        env        => join("\0", map { "$_=$ENV{$_}" } sort keys %ENV),
        children   => _children(),
        fds        => _fds(),
    );
    return \%now;
}

# The names of what differs.
sub unlike_before {
    my ($before) = @_;
    my $now = parent_now();
    return join ', ', map { "$_: $now->{$_} and not $before->{$_}" }
        grep { ($now->{$_} // '') ne ($before->{$_} // '') } sort keys %$now;
}

1;
