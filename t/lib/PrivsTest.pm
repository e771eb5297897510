package PrivsTest;

# privs(1) as people run it: what it says, what it complains of, its exit status.
use 5.014;
use warnings;

use Config;
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Temp;
use JSON::PP ();
use POSIX ();

our @EXPORT_OK = qw(run privs command as_nobody nobodys nobody_can_run in_namespaces waiting status_of written data);

my $program = abs_path(-e 'blib/script/privs' ? 'blib/script/privs' : 'script/privs');
my @perl    = ($^X, map { '-I' . abs_path($_) } grep { !ref && -d } @INC);

# What comes of a command: its output, its complaints, and its status.
sub run {
    my (@command) = @_;
    my $errors = File::Temp->new;
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::dup2(fileno $to, 1);
        POSIX::dup2(fileno $errors, 2);
        no warnings 'exec';
        exec { $command[0] } @command or POSIX::_exit(96);
    }
    close $to;
    binmode $from;
    my $output = do { local $/; readline $from } // '';
    waitpid $pid, 0;
    my $status = $? & 127 ? -($? & 127) : $? >> 8;
    seek $errors, 0, 0;
    my $complaints = do { local $/; readline $errors } // '';
    return ($output, $complaints, $status);
}

sub command { return (@perl, $program, @_) }

sub privs { return run(command(@_)) }

# The same, by a user who may do nothing; which is this one, if it is not root.
my @nobody = qw(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps -all);

sub as_nobody { return ($> ? () : @nobody, @_) }

sub nobodys { return as_nobody(command(@_)) }

# And can that user read what is to be run?
sub nobody_can_run { return (run(nobodys('--version')))[2] == 0 }

# A command line, run as the second process of new namespaces, after a command of the shell.
sub in_namespaces {
    my ($options, $before, @command) = @_;
    return run('unshare', @$options, '--', 'sh', '-c', "$before || exit 97; \"\$@\"; exit \$?", 'sh', @command);
}

# A child that becomes something, and then waits until the last handle is closed.
sub waiting {
    my ($become) = @_;
    pipe my $end,  my $hold  or die "pipe: $!\n";
    pipe my $from, my $ready or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        close $hold;
        eval { $become->(); 1 } or do { print STDERR $@; POSIX::_exit(98) };
        syswrite $ready, 'x';
        sysread $end, my $byte, 1;
        POSIX::_exit(0);
    }
    close $ready;
    sysread $from, my $byte, 1 or die "the child has not become what it should\n";
    return bless { pid => $pid, hold => $hold }, 'PrivsTest::Waiting';
}

sub PrivsTest::Waiting::DESTROY {
    my ($self) = @_;
    close $self->{hold};
    waitpid $self->{pid}, 0;
    return;
}

# "Name: value"
sub status_of {
    my ($text) = @_;
    return { map { /\A([^:]+):\s*(.*?)\s*\z/ ? ($1, $2) : () } split /\n/, $text };
}

sub written {
    my ($file, @text) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    print {$out} @text;
    close $out or die "$file: $!\n";
    return $file;
}

sub data { my ($json) = @_; return JSON::PP->new->utf8->decode($json) }

1;
