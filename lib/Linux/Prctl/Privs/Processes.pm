package Linux::Prctl::Privs::Processes;

# privs show, and privs ps.
use 5.014;
use warnings;

use Exporter qw(import);
use Linux::Prctl::Privs qw(complain not_found misuse sentence capability);
use Linux::Prctl::Privs::Output qw(json paint printable table text_of);
use Linux::Prctl::Privs::Words qw(count_text user_text);
use Linux::Prctl::Status;

our @EXPORT_OK = qw(process record refusal);

my $STATUS = 'Linux::Prctl::Status';

# ---- one process ----

# Why there is nothing about a process, after a method has died.
sub refusal {
    my ($pid, $error, $errno) = @_;
    require Errno;    # where all goes well, nobody needs it
    return "There is no process $pid." if $errno == Errno::ESRCH();
    return "/proc hides process $pid from this user." if $errno == Errno::EACCES() || $errno == Errno::EPERM();
    return sentence($error) . '.';
}

# A pid that was given: its Status, or the end.
sub process {
    my ($pid) = @_;
    misuse(printable($pid) . ' is no process id.') if $pid !~ /\A[1-9][0-9]{0,9}\z/ || $pid > 2**31 - 1;
    return eval { $STATUS->of($pid) } // not_found(refusal($pid, $@, $! + 0));
}

# As plain data for JSON.
sub record {
    my ($status) = @_;
    my $hash = $status->as_hash;
    $hash->{$_} = text_of($hash->{$_}) for grep { defined $hash->{$_} } qw(name exe cgroup unit);
    $hash->{command} = [ map { text_of($_) } @{ $hash->{command} } ] if $hash->{command};
    return $hash;
}

sub _pids {
    opendir my $proc, '/proc' or not_found("/proc: $!.");
    my @pids = sort { $a <=> $b } grep { /\A[0-9]+\z/ } readdir $proc;
    not_found('/proc is not mounted.') if !@pids;
    return @pids;
}

# Is it mounted so that the processes of others are not even listed?
sub _hidden {
    return 0 if -e '/proc/1';
    require Errno;
    return kill(0, 1) || $! == Errno::EPERM();
}

sub _warn_of_hidden {
    complain('/proc is mounted with hidepid: the processes of other users are not there to be seen.')
        if _hidden();
    return;
}

# ---- show ----

# The processes of a name, as ps -e has it. The kernel keeps 15 bytes.
sub _named {
    my ($name) = @_;
    my @found;
    for my $pid (grep { $_ != $$ } _pids()) {
        my $status = eval { $STATUS->of($pid) } // next;
        push @found, $status if $status->name eq substr $name, 0, 15;
    }
    return @found;
}

sub _wanted {
    my ($wanted) = @_;
    if ($wanted !~ /\A[0-9]+\z/) {
        my @named = _named($wanted);
        if (!@named) {
            complain('There is no process of the name ' . printable($wanted) . '.');
            _warn_of_hidden();
        }
        return @named;
    }
    my $status = eval { process($wanted) };
    return $status if $status;
    die $@ if !ref $@ || $@->{status} != 1;
    complain($@->{sentence});
    return;
}

# The process, and those of its threads that may do something else.
sub _with_threads {
    my ($status) = @_;
    return $status if $status->threads == 1;
    return ($status, eval { $STATUS->out_of_step($status->pid) });
}

sub _painted {
    my ($report) = @_;
    my ($title, @lines) = split /^/, $report;
    chomp $title;
    my $unusual = 0;
    for my $line (@lines) {
        $unusual = $line =~ /\A\*/ if $line !~ /\A {6}/;
        $line =~ s/\A(.*)\n\z/paint(bold => $1) . "\n"/se if $unusual;
    }
    return join '', paint(bold => $title), "\n", @lines;
}

sub show {
    my ($option, @wanted) = @_;
    my @found = map { _with_threads($_) } @wanted ? map { _wanted($_) } @wanted : $STATUS->current;
    if ($option->{json}) {
        print "[\n", join(",\n", map { json(record($_)) } @found), "\n]\n";
    }
    else {
        print join "\n", map { _painted($_->report) } @found;
    }
    return 0;
}

# ---- ps ----

# What a row has of a process or thread.
my @FACTS = qw(pid tid uid name summary);

sub _row {
    my ($fact) = @_;
    my ($pid, $tid) = @$fact{qw(pid tid)};
    return [ $pid == $tid ? $pid : "$pid/$tid", user_text($fact->{uid}{effective}), printable($fact->{name}),
        $fact->{summary} ];
}

# With --threads: the threads that differ from the first, or all of them.
sub _threads_of {
    my ($pid, $option) = @_;
    return $STATUS->threads($pid) if $option->{all};
    return ($STATUS->of($pid), $STATUS->out_of_step($pid));
}

sub _is_listed {
    my ($status, $option) = @_;
    return 0 if !$option->{all} && !$status->privileged;
    return !defined $option->{with} || grep { $_ eq $option->{with} } @{ $status->caps->{permitted} // [] };
}

# Threads, each a Status; of a process that ends meanwhile there are none.
sub _threads {
    my ($option, $unread) = @_;
    my @listed;
    for my $pid (_pids()) {
        my @threads = eval { _threads_of($pid, $option) };
        my $errno   = $! + 0;
        require Errno;
        $unread->() if !@threads && $errno != Errno::ESRCH() && $errno != Errno::ENOENT();
        push @listed, grep { _is_listed($_, $option) } @threads;
    }
    return @listed;
}

# A row or a line of JSON for each that is listed, and of how many nothing could be learnt.
# A Status is large: where there are many, none is made.
sub _list {
    my ($option) = @_;
    my $unread = 0;
    my $count  = sub { $unread++ };
    my %which  = (privileged => !$option->{all}, with => $option->{with}, unread => $count);
    my @listed = $option->{threads} ? _threads($option, $count)
        : $STATUS->all(%which, $option->{json} ? () : (facts => \@FACTS));
    return ([ map { json(record($_)) } grep { $_->pid != $$ } @listed ], $unread) if $option->{json};
    @listed = map { my $status = $_; +{ map { $_ => $status->$_ } @FACTS } } @listed if $option->{threads};
    return ([ map { _row($_) } grep { $_->{pid} != $$ } @listed ], $unread);
}

sub ps {
    my ($option, @more) = @_;
    misuse('It takes no arguments: "privs show" has what there is about one process.') if @more;
    $option->{with} = capability($option->{with}) if defined $option->{with};
    my ($listed, $unread) = _list($option);
    complain('/proc hides what ' . count_text($unread, 'process', 'processes') . ' may do from this user.') if $unread;
    _warn_of_hidden();
    if ($option->{json}) {
        my %head = (privs => 'ps', format => 1, complete => $unread || _hidden() ? 0 : 1,
            all => $option->{all} ? 1 : 0, threads => $option->{threads} ? 1 : 0, with => $option->{with});
        print json(\%head) =~ s/\}\z//r, qq(,"processes":[\n), join(",\n", @$listed), "\n]}\n";
    }
    elsif (@$listed) {
        print table([qw(PID USER NAME CAPABILITIES)], @$listed);
    }
    complain(defined $option->{with} ? "No process has $option->{with}." : 'No process has any.')
        if !@$listed && !$unread && !_hidden();
    return 0;    # or what complain() has made of it
}

1;
