package Linux::Prctl::Privs::Processes;

# privs show, and privs ps.
use 5.014;
use warnings;

use Errno qw(EACCES ENOENT EPERM ESRCH);
use Exporter qw(import);
use Linux::Prctl::CapState;
use Linux::Prctl::Privs qw(complain not_found misuse sentence capability);
use Linux::Prctl::Privs::Output qw(json paint printable table text_of);
use Linux::Prctl::Privs::Words qw(caps_text count_text user_text);
use Linux::Prctl::Status;

our @EXPORT_OK = qw(process record refusal);

my $STATUS = 'Linux::Prctl::Status';
my $NONE   = Linux::Prctl::CapState->new;

# ---- one process ----

# Why there is nothing about a process, after a method has died.
sub refusal {
    my ($pid, $error, $errno) = @_;
    return "There is no process $pid."              if $errno == ESRCH;
    return "/proc hides process $pid from this user." if $errno == EACCES || $errno == EPERM;
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
    return !-e '/proc/1' && (kill(0, 1) || $! == EPERM);
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

# A thread of the kernel has no program, and neither has a process that has ended, unless
# only its first thread has. Where that cannot be asked, the flags of the former say it
# (proc_pid_stat(5)); all are children of process 2, which spares the others the look.
my $PF_KTHREAD = 0x200000;

sub _has_no_program {
    my ($pid) = @_;
    return 0 if defined readlink "/proc/$pid/exe" or $! != ENOENT;
    return ((stat "/proc/$pid/task")[3] // 3) <= 3;    # two links, and one for each thread
}

sub _is_of_the_kernel {
    my ($pid, $status) = @_;
    return 0 if $pid != 2 && $status->ppid != 2;
    open my $in, '<:raw', "/proc/$pid/stat" or return 0;
    my ($flags) = (readline($in) // '') =~ /.*\) \S(?: \S+){5} ([0-9]+)/s;
    return ($flags // 0) & $PF_KTHREAD;
}

# Is there anything to say of it? capget(2) costs a tenth of all that the kernel tells of a
# process. Without a capability, what is left is uid 0, and then the directory is root's.
sub _may_be_listed {
    my ($pid, $caps, $option) = @_;
    return 0 if defined $option->{with} && !$caps->has(permitted => $option->{with});
    return 1 if $option->{all};
    return 0 if $caps == $NONE && (stat "/proc/$pid")[4];
    return !_has_no_program($pid);
}

sub _is_listed {
    my ($status, $caps, $option) = @_;
    return 1 if $option->{all};
    return 0 if _is_of_the_kernel($status->pid, $status);
    return 0 if $status->state eq 'zombie' && $status->threads < 2;
    return 1 if defined $option->{with} || $caps != $NONE;
    return grep { !$_ } values %{ $status->uid };
}

# With --threads: the threads that differ from the first, or all of them.
sub _threads_of {
    my ($pid, $option) = @_;
    return $STATUS->threads($pid) if $option->{all};
    return ($STATUS->of($pid), $STATUS->out_of_step($pid));
}

# The capabilities of a process or thread; there may be none of its number any more.
sub _caps_of { my ($tid) = @_; return eval { Linux::Prctl::CapState->get_for_pid($tid) } }

# What the code makes of the Status and CapState of each, and of how many nothing could be
# learnt. A Status is large: none is kept.
sub _list {
    my ($option, $made) = @_;
    my ($unread, @listed) = (0);
    for my $pid (grep { $_ != $$ } _pids()) {
        my $caps = _caps_of($pid);
        next if $caps && !$option->{threads} && !_may_be_listed($pid, $caps, $option);
        my @threads = eval { $option->{threads} ? _threads_of($pid, $option) : $STATUS->of($pid) };
        if (!@threads) {
            $unread++ if $! != ESRCH && $! != ENOENT;
            next;
        }
        for my $status (@threads) {
            $caps = _caps_of($status->tid) if $option->{threads};
            if (!$caps) {
                $unread++ if $! != ESRCH;
                next;
            }
            next if $option->{threads} && !_may_be_listed($status->tid, $caps, $option);
            push @listed, $made->($status, $caps) if _is_listed($status, $caps, $option);
        }
    }
    return (\@listed, $unread);
}

my %words;    # most processes of a machine have one of a few states

# What is ambient is inheritable too.
sub _caps_text {
    my ($status, $caps) = @_;
    return $words{$caps} //= caps_text({ map { $_ => [ $caps->names($_) ] } qw(effective permitted inheritable) })
        if !$caps->names('inheritable');
    return caps_text($status->caps);
}

# What else decides what it may do.
sub _marks {
    my ($status, $uid) = @_;
    my $marks = '';
    my $ns    = $status->user_ns;
    $marks .= '; in another user namespace' if $ns && !($ns->{ours} // 1);
    $marks .= '; one of its uids is 0'      if $uid->{effective} && grep { !$_ } values %$uid;
    $marks .= '; no new privileges'         if $status->no_new_privs;
    my $seccomp = $status->seccomp // 'disabled';
    return $marks if $seccomp eq 'disabled';
    return $marks . ($seccomp eq 'filter' ? '; seccomp filter' : '; strict seccomp');
}

sub _row {
    my ($status, $caps) = @_;
    my ($pid, $tid, $uid) = ($status->pid, $status->tid, $status->uid);
    return [ $pid == $tid ? $pid : "$pid/$tid", user_text($uid->{effective}),
        printable($status->name), _caps_text($status, $caps) . _marks($status, $uid) ];
}

sub ps {
    my ($option, @more) = @_;
    misuse('It takes no arguments: "privs show" has what there is about one process.') if @more;
    $option->{with} = capability($option->{with}) if defined $option->{with};
    my ($listed, $unread) = _list($option, $option->{json} ? sub { json(record($_[0])) } : \&_row);
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
