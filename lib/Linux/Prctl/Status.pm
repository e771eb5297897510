package Linux::Prctl::Status;

use 5.014;
use warnings;

use Linux::Prctl (); our $VERSION = $Linux::Prctl::VERSION;    # CPAN tools run this line alone

my $MOST_PID = 2**31 - 1;

# Errno would take a tenth of the time of loading all this.
my ($EACCES, $EBADF, $EINVAL, $EIO, $ELIBBAD, $ELOOP, $ENOENT, $ENOEXEC, $EPERM, $ESRCH) = _errno_numbers();

# ---- what a line says ----

my @SLOTS = qw(real effective saved fs);

my %SET_LINES = (
    effective   => 'CapEff',
    permitted   => 'CapPrm',
    inheritable => 'CapInh',
    bounding    => 'CapBnd',
    ambient     => 'CapAmb',
);
my @SETS = qw(effective permitted inheritable bounding ambient);

# Each comes from a line or some of them, and is read in C.
my @FACTS = qw(pid tid name state ppid tracer uid gid groups caps no_new_privs seccomp
    seccomp_filters privileged);

# What the kernel tells a thread about itself alone.
my %OWN_FACTS = (
    dumpable   => \&Linux::Prctl::get_dumpable,
    keepcaps   => \&Linux::Prctl::get_keepcaps,
    pdeathsig  => \&Linux::Prctl::get_pdeathsig,
    securebits => \&_own_securebits,
    subreaper  => \&Linux::Prctl::get_child_subreaper,
    timerslack => \&Linux::Prctl::get_timerslack,
);

sub _securebit_names {
    my ($mask) = @_;
    my @names = keys %Linux::Prctl::securebits;
    return [ @names[ grep { $mask >> $_ & 1 } 0 .. $#names ] ];
}

sub _securebit_mask {
    my ($names) = @_;
    my @all = keys %Linux::Prctl::securebits;
    my %bit = map { $all[$_] => 1 << $_ } 0 .. $#all;
    my $mask = 0;
    $mask |= $bit{$_} for @$names;
    return $mask;
}

sub _own_securebits {
    my $mask = Linux::Prctl::get_securebits() // return;
    return _securebit_names($mask);
}

# ---- reading ----

# The line of the caller, behind any of our own.
sub _die {
    my ($message, $errno) = @_;
    my ($level, $package, $file, $line) = (0);
    do { ($package, $file, $line) = caller $level++ } while $package eq __PACKAGE__;
    $! = $errno // $EINVAL;
    die "$message at $file line $line.\n";
}

sub _refused {
    my ($what, $errno, $why) = @_;
    $! = $errno;
    _die("$what: $!" . (defined $why ? " ($why)" : ''), $errno);
}

# What code gives, or undef if it dies; which is nothing to the program's own $@ and handler.
sub _try {
    my ($code) = @_;
    local ($@, $SIG{__DIE__});
    return scalar eval { $code->() };
}

# One that is an object is asked for its text once: what is looked at is what is used.
sub _pid {
    my ($function, $what, $pid) = @_;
    my $text = defined $pid ? "$pid" : '';
    return $text if $text =~ /\A[1-9][0-9]{0,9}\z/ && $text <= $MOST_PID;
    my $shown = defined $pid ? qq{"$text"} =~ s/([^ -~])/sprintf '\\x{%x}', ord $1/gre : 'undef';
    _die("$function: $what $shown is not a whole number from 1 to $MOST_PID");
}

sub _is_status { return ref $_[0] && UNIVERSAL::isa($_[0], __PACKAGE__) }

# In a changed root directory, /proc may be anything: a fifo, or what somebody wrote there.
sub _read {
    my ($path) = @_;
    my $text = _read_proc($path) // return;
    return \$text;
}

# Why /proc has nothing: a process that is there all the same is one that it hides.
sub _lost {
    my ($what, $errno, $number) = @_;
    my ($pid) = $number =~ /\A([0-9]+)\z/;    # untainted: kill(2) sends nothing here
    _refused($what, $errno, '/proc hides it') if $errno == $EACCES || $errno == $EPERM;
    _refused($what, $errno) if $errno != $ENOENT && $errno != $ESRCH;
    _refused($what, $ENOENT, '/proc is not mounted') if !_read('/proc/self/status');
    _refused($what, $EACCES, '/proc hides it')
        if !-e "/proc/$pid" && (kill(0, $pid) || $! == $EPERM);
    _refused($what, $ESRCH);
}

sub _new {
    my ($class, $text, %own) = @_;
    return bless { text => $$text, own => \%own }, $class;
}

# Is the user namespace ours?
sub _is_ours {
    my ($self) = @_;
    return _is_our_ns($self->pid, $self->{user_ns});
}

sub _own {
    my %own;
    for my $fact (keys %OWN_FACTS) {
        my $value = $OWN_FACTS{$fact}->();
        $own{$fact} = $value if defined $value;
    }
    return %own;
}

sub _class {
    my ($class, $function) = @_;
    _die("$function: " . (defined $class ? "$class is not the class " : 'no class ') . __PACKAGE__)
        if !defined $class || ref $class || !UNIVERSAL::isa($class, __PACKAGE__);
    return;
}

sub current {
    my ($class) = @_;
    _die('Usage: ' . __PACKAGE__ . '->current') if @_ != 1;
    _class($class, 'current');
    my $errno = $! + 0;
    my $text = _read('/proc/thread-self/status') // _lost('current', $!, $$);
    my $self = $class->_new($text, _own());
    $self->{mine}    = 1;
    $self->{user_ns} = _user_ns('thread-self');
    $! = $errno;
    return $self;
}

sub of {
    my ($class, @ids) = @_;
    _die('Usage: ' . __PACKAGE__ . '->of(pid, tid)') if @ids != 1 && @ids != 2;
    _class($class, 'of');
    $ids[0] = _pid('of', 'pid', $ids[0]);
    $ids[1] = _pid('of', 'tid', $ids[1]) if @ids > 1;
    my $errno = $! + 0;
    my $text = _read('/proc/' . join('/task/', @ids) . '/status')
        // _lost('of(' . join(', ', @ids) . ')', $!, @ids);
    my $mine = _is_me($text, $ids[-1]);
    my $self = $class->_new($text, $mine ? _own() : ());
    $self->{mine}    = $mine;
    $self->{user_ns} = _user_ns(join '/task/', @ids);
    $! = $errno;
    return $self;
}

# Which process it is of says the text; only for the own one is the thread to be asked.
sub _is_me {
    my ($text, $tid) = @_;
    return 0 if index($$text, "\nTgid:\t$$\n") < 0;
    my $link = _read_link('/proc/thread-self');
    return defined $link && $link =~ m{/([0-9]+)\z} && $1 == $tid;
}

# One for each thread, the leader first. One that ends meanwhile is not there.
sub _threads {
    my ($class, $function, $pid) = @_;
    _class($class, $function);
    $pid = _pid($function, 'pid', $pid);
    my $errno = $! + 0;
    my $tids = _proc_numbers("/proc/$pid/task") // _lost("$function($pid)", $!, $pid);
    my @threads;
    for my $tid (@$tids) {
        my $text = _read("/proc/$pid/task/$tid/status");
        if ($text) {
            push @threads, $class->_new($text);
            $threads[-1]{user_ns} = _user_ns("$pid/task/$tid");
        }
        elsif ($! != $ENOENT && $! != $ESRCH) {
            _lost("$function($pid)", $!, $pid);
        }
    }
    _refused("$function($pid)", $ESRCH) if !@threads;
    $! = $errno;
    @threads = sort { ($b->pid == $b->tid) - ($a->pid == $a->tid) || $a->tid <=> $b->tid } @threads;
    return @threads;
}

# ---- all of them ----

my %WHICH = map { $_ => 1 } qw(facts privileged unread with);

sub _listed_facts {
    my ($facts) = @_;
    return if !defined $facts;
    _die('all: facts is not a list of names') if ref $facts ne 'ARRAY';
    return [ map {
        my $number = defined($_) && !ref($_) ? _fact_number($_) : -1;
        my $shown  = defined($_) ? '"' . _printable("$_") . '"' : 'undef';
        _die("all: there is no fact $shown for a list") if $number < 0;
        $number;
    } @$facts ];
}

sub all {
    my ($class, @which) = @_;
    _die('Usage: ' . __PACKAGE__ . '->all(...)') if !@_ || @which % 2;
    _class($class, 'all');
    my %which = @which;
    for my $shown (map { _printable($_) } grep { !$WHICH{$_} } sort keys %which) {
        _die("all: unknown option \"$shown\"");
    }
    my ($with, $unread) = @which{qw(with unread)};
    my $number = defined $with ? _try(sub { Linux::Prctl::cap_number($with) }) : undef;
    my $shown  = defined $with ? '"' . _printable("$with") . '"' : '';
    _die("all: $shown is not a capability") if length $shown && !defined $number;
    _die('all: unread is not code') if defined $unread && ref $unread ne 'CODE';
    my $facts = _listed_facts($which{facts});
    my $errno = $! + 0;
    my $found = _list($which{privileged}, $number, $unread, $facts)
        // _refused('all', $! + 0, $! == $ENOENT ? '/proc is not mounted' : undef);
    $! = $errno;
    return @$found if $facts;
    return map { $class->_listed(@$_) } @$found;
}

# An object that a list has; the own thread has more to tell.
sub _listed {
    my ($class, $text, $user_ns) = @_;
    my $mine = _is_me(\$text, $$);
    my $self = $class->_new(\$text, $mine ? _own() : ());
    @$self{qw(mine user_ns)} = ($mine, $user_ns);
    return $self;
}

# The threads of a process; of an object, how many there were.
sub threads {
    my ($self, @pid) = @_;
    if (_is_status($self)) {
        _die('Usage: $status->threads') if @pid;
        return $self->_fact('threads');
    }
    _die('Usage: ' . __PACKAGE__ . '->threads(pid)') if @pid != 1;
    return $self->_threads('threads', @pid);
}

sub out_of_step {
    my ($class, @pid) = @_;
    _die('Usage: ' . __PACKAGE__ . '->out_of_step(pid)') if @pid != 1;
    my ($leader, @others) = $class->_threads('out_of_step', @pid);
    return grep { %{ $leader->diff($_) } } @others;
}

# ---- facts ----

sub _line {
    my ($self, $line) = @_;
    my $from = index $self->{text}, "\n$line:\t";
    return if $from < 0;
    $from += 3 + length $line;
    return substr $self->{text}, $from, index($self->{text}, "\n", $from) - $from;
}

sub _fact {
    my ($self, $fact) = @_;
    return _fact_of($self->{text}, $fact);
}

sub _own_fact {
    my ($self, $fact) = @_;
    my $value = $self->{own}{$fact};
    return ref $value ? [@$value] : $value;
}

# ---- what is read when it is asked for ----

my $INITIAL_USER_NS = 4_026_531_837;    # the kernel's own number for it, everywhere

# A status says which thread it was, by the numbers of this /proc.
sub _at {
    my ($self) = @_;
    return join '/', '/proc', $self->pid, 'task', $self->tid;
}

sub _exe {
    my ($self) = @_;
    return _read_link($self->_at . '/exe');
}

sub _command {
    my ($self) = @_;
    my $text = _read($self->_at . '/cmdline') // return;
    my @words = split /\0/, substr($$text, 1), -1;
    pop @words if @words && !length $words[-1];
    return \@words;
}

# Of several hierarchies, the one that all have in common since 4.5, or systemd's own.
sub _cgroup {
    my ($self) = @_;
    my $text = _read($self->_at . '/cgroup') // return;
    return $$text =~ /^0::(.*)$/m ? $1 : $$text =~ /^[0-9]+:name=systemd:(.*)$/m ? $1 : undef;
}

# systemd names a group after the unit: the innermost that is no slice.
sub _unit {
    my ($self) = @_;
    my $cgroup = $self->cgroup // return;
    my ($unit) = $cgroup =~ m{.*/([^/]+\.(?:service|scope|socket|mount|swap))(?:/|\z)};
    return $unit;
}

my %ASKED = (exe => \&_exe, command => \&_command, cgroup => \&_cgroup, unit => \&_unit);

sub _asked {
    my ($self, $fact) = @_;
    if (!exists $self->{asked}{$fact}) {
        my $errno = $! + 0;
        $self->{asked}{$fact} = $ASKED{$fact}->($self);
        $! = $errno;
    }
    my $value = $self->{asked}{$fact};
    return ref $value ? [@$value] : $value;
}

sub _namespace {
    my ($self) = @_;
    my %ns;
    return if !exists $self->{user_ns};    # nobody looked
    $ns{id} = $self->{user_ns} if defined $self->{user_ns};
    my $ours = $self->{mine} ? 1 : $self->_is_ours;
    $ns{ours} = $ours ? 1 : 0 if defined $ours;
    return %ns ? \%ns : undef;
}

sub _summary {
    my ($self) = @_;
    my $ns = $self->_namespace;
    return _summary_of($self->{text}, $ns ? $ns->{ours} : undef);
}

# ---- methods ----

# A method that takes nothing and gives what the code gives.
sub _accessor {
    my ($name, $code) = @_;
    no strict 'refs';
    *$name = sub {
        my ($self, @more) = @_;
        _die("Usage: \$status->$name") if !_is_status($self) || @more;
        return $code->($self, $name);
    };
    return;
}

_accessor($_, \&_fact) for @FACTS;
_accessor($_, \&_own_fact) for keys %OWN_FACTS, qw(at_secure assumed);
_accessor($_, \&_asked) for keys %ASKED;
_accessor(user_ns => \&_namespace);
_accessor(summary => \&_summary);
_accessor(as_hash => \&_as_hash);
_accessor(as_json => \&_as_json);
_accessor(report  => \&_report);

# All that was read when the object was made.
sub _facts {
    my ($self) = @_;
    my $hash = _facts_of($self->{text});
    for my $fact (keys %{ $self->{own} }) {
        $hash->{$fact} = $self->_own_fact($fact);
    }
    my $ns = $self->_namespace;
    $hash->{user_ns} = $ns if $ns;
    return $hash;
}

sub _as_hash {
    my ($self) = @_;
    my $hash = $self->_facts;
    for my $fact (keys %ASKED) {
        my $value = $self->_asked($fact);
        $hash->{$fact} = $value if defined $value;
    }
    return $hash;
}

my $UTF8 = qr/
    [\x00-\x7f] | [\xc2-\xdf][\x80-\xbf] | \xe0[\xa0-\xbf][\x80-\xbf] | \xed[\x80-\x9f][\x80-\xbf]
  | [\xe1-\xec\xee\xef][\x80-\xbf]{2} | \xf0[\x90-\xbf][\x80-\xbf]{2} | [\xf1-\xf3][\x80-\xbf]{3}
  | \xf4[\x80-\x8f][\x80-\xbf]{2}
/x;

# Characters for JSON, from bytes; those that are no UTF-8 are spelled out. Not by Encode: that
# of perl 5.26 loses what stands behind them.
sub _characters {
    my ($data) = @_;
    return { map { $_ => _characters($data->{$_}) } keys %$data } if ref $data eq 'HASH';
    return [ map { _characters($_) } @$data ] if ref $data;
    my $bytes = $data;    # a number that is looked at as text would be text from then on
    return $data if $bytes !~ /[^ -~]/;
    $bytes =~ s/($UTF8+)|(.)/$1 \/\/ sprintf '\\x%02x', ord $2/gse;
    utf8::decode($bytes);
    return $bytes;
}

# In another root directory, or by a path that depends on the working directory, the same name
# is another's code, which would run with what this process may do.
my $ROOT = join ' ', (stat '/')[ 0, 1 ];

sub _load_json {
    return if $INC{'JSON/PP.pm'};
    _refused('as_json', $EPERM, 'the root directory is another one by now: load JSON::PP before chroot(2)')
        if $ROOT ne join ' ', (stat '/')[ 0, 1 ];
    local @INC = grep { ref || m{\A/} } @INC;
    require JSON::PP;
    return;
}

sub _as_json {
    my ($self) = @_;
    my $errno = $! + 0;
    _load_json();
    my $text = JSON::PP->new->utf8->canonical->encode(_characters($self->_as_hash));
    $! = $errno;
    return $text;
}

# ---- the difference of two ----

# What decides what a thread may do, by kind. Which thread it is does not count.
my @LISTS   = qw(groups securebits);
my @IDS     = qw(uid gid);
my @SCALARS = qw(no_new_privs seccomp seccomp_filters tracer dumpable keepcaps pdeathsig subreaper
    timerslack);

# What is compared as text is text from then on, to a JSON encoder before perl 5.36: so
# copies are compared, and what is given away stays a number.
sub _not_in {
    my ($others, $list) = @_;
    my %other = map { my $copy = $_; ($copy => 1) } @$others;
    return [ grep { my $copy = $_; !exists $other{$copy} } @$list ];
}

sub _diff_lists {
    my ($from, $to) = @_;
    my %diff = (gained => _not_in($from, $to), lost => _not_in($to, $from));
    return @{ $diff{gained} } || @{ $diff{lost} } ? \%diff : undef;
}

sub _diff_scalars {
    my ($from, $to) = @_;
    return $_[0] eq $_[1] ? undef : { from => $from, to => $to };
}

# The keys of two hashes that differ. What one of them does not know is no difference.
sub _diff_hashes {
    my ($diff, $from, $to, @keys) = @_;
    my %diffs;
    for my $key (grep { defined $from->{$_} && defined $to->{$_} } @keys) {
        my $found = $diff->($from->{$key}, $to->{$key});
        $diffs{$key} = $found if $found;
    }
    return %diffs;
}

sub diff {
    my ($self, $other) = @_;
    _die('Usage: $status->diff(other)')         if @_ != 2 || !_is_status($self);
    _die('diff: other is not a ' . __PACKAGE__) if !_is_status($other);
    my ($from, $to) = ($self->_facts, $other->_facts);
    my %diff = (
        _diff_hashes(\&_diff_lists,   $from, $to, @LISTS),
        _diff_hashes(\&_diff_scalars, $from, $to, @SCALARS),
    );
    for my $ids (grep { $from->{$_} && $to->{$_} } @IDS) {
        my %slots = _diff_hashes(\&_diff_scalars, $from->{$ids}, $to->{$ids}, @SLOTS);
        $diff{$ids} = \%slots if %slots;
    }
    my %caps = _diff_hashes(\&_diff_lists, $from->{caps}, $to->{caps}, @SETS);
    $diff{caps} = \%caps if %caps;
    my ($old, $new) = map { $_->{user_ns} && $_->{user_ns}{id} } $from, $to;
    $diff{user_ns} = { from => $old, to => $new } if $old && $new && $old != $new;
    return \%diff;
}

# ---- what exec makes of it ----

# What of the process the rules ask for, as C takes it.
sub _process {
    my ($self, $assumed) = @_;
    my %line = map { $_ => scalar $self->_line($_) } qw(Uid Gid Groups NoNewPrivs TracerPid),
        values %SET_LINES;
    my %process = (
        uid    => [ split ' ', $line{Uid} ],
        gid    => [ split ' ', $line{Gid} ],
        groups => [ split ' ', $line{Groups} // '' ],
        (map { $_ => $line{ $SET_LINES{$_} } } @SETS),
        no_new_privs => $line{NoNewPrivs},
        pdeathsig    => $self->{own}{pdeathsig},
        pid          => $self->{mine} ? 0 : $self->pid,
        ours         => $self->{mine} ? 1 : $self->_is_ours,
    );
    push @$assumed, 'no_new_privs' if !defined $line{NoNewPrivs};
    if ($self->{own}{securebits}) {
        $process{securebits} = _securebit_mask($self->{own}{securebits});
    }
    else {
        push @$assumed, 'securebits';
    }
    if ($line{TracerPid}) {
        $process{weakly_traced} = !_has_ptrace($line{TracerPid});
        push @$assumed, 'tracer';
    }
    push @$assumed, 'user_ns' if !defined $process{ours};
    $process{ours} //= 1;
    return \%process;
}

# The one who traces is asked now; what counts is what it was when it began.
sub _has_ptrace {
    my ($pid) = @_;
    my $text = _read("/proc/$pid/status") // return 0;
    my $caps = _fact_of($$text, 'caps');
    return !!grep { $_ eq 'sys_ptrace' } @{ $caps->{effective} // [] };
}

# What stands in place of what the kernel does not tell, by name.
my %GIVEN = (
    securebits => sub {
        my ($process, $names) = @_;
        _die('after_exec: securebits is not a list of names') if ref $names ne 'ARRAY';
        my %known = map { $_ => 1 } keys %Linux::Prctl::securebits;
        for my $name (@$names) {
            _die('after_exec: Unknown secbit: ' . ($name // 'undef')) if !$known{ $name // '' };
        }
        $process->{securebits} = _securebit_mask($names);
    },
    shared_fs => sub { $_[0]{shared_fs}     = $_[1] ? 1 : 0 },
    tracer    => sub { $_[0]{weakly_traced} = $_[1] ? 0 : 1 },
);

# A path or a descriptor, and what it is called.
sub _file {
    my ($file) = @_;
    _die('after_exec: file is undef') if !defined $file;
    if (ref $file || ref \$file eq 'GLOB') {
        my $fd = _try(sub { fileno $file });
        _die('after_exec: file is not an open handle', $EBADF) if !defined $fd || $fd < 0;
        return (undef, $fd, "handle $fd");
    }
    my $path = "$file";
    _die('after_exec: file has a character above 255') if !utf8::downgrade($path, 1);
    _die('after_exec: file has a NUL')                 if $path =~ /\0/;
    return ($path, -1, $path);
}

my %REFUSED = (
    not_a_file    => 'it is not a regular file',
    no_permission => 'the process may not execute it',
    noexec        => 'it is on a file system that is mounted noexec',
    bad_attribute => 'its capabilities are malformed, or of a version that no kernel shows',
    not_all_caps  => 'it wants capabilities to be effective that the bounding set cuts off',
);

sub _why_refused {
    my ($shown, $exec, $unsure) = @_;
    my $errno = $exec->{error};
    my $why   = $REFUSED{ $exec->{rule} };
    if ($exec->{rule} eq 'format') {
        $why = $errno == $ENOEXEC ? 'the kernel does not know what it is'
            : $errno == $ELOOP ? 'one script is the interpreter of another too often'
            : $errno == $EIO ? 'it ends before what is wanted of it'
            : $errno == $ELIBBAD ? 'it is no loader for such a program'
            : $errno == $EINVAL ? 'it says that its loader is named at an offset below zero'
            : 'what it needs to run cannot be opened';
    }
    # The attribute of a script does not count; whether it may be executed does.
    $why .= ', if it is a program: it cannot be read'
        if $exec->{unread} && $exec->{rule} =~ /\A(?:bad_attribute|not_all_caps)\z/;
    $why .= ', if the id 65534 is the same of both: it stands for all that have no number here'
        if $exec->{rule} eq 'no_permission' && $unsure;
    my $file = _printable($exec->{file});
    return length $file && $file ne $shown ? "$file: $why" : $why;
}

sub _printable {
    my ($bytes) = @_;
    return $bytes =~ s/([^ -~])/sprintf '\\x%02x', ord $1/gre;
}

# The lines of a status that exec changes.
sub _text_after {
    my ($self, $exec, $name) = @_;
    my %line = (
        Uid => join("\t", @{ $exec->{uid} }),
        Gid => join("\t", @{ $exec->{gid} }),
        Pid => $self->pid,
        Threads => 1,
        (map { $SET_LINES{$_} => $exec->{$_} } @SETS),
    );
    $line{Name} = $name =~ s/([\n\\])/$1 eq "\n" ? '\\n' : '\\\\'/gre if defined $name;
    my $text = $self->{text};
    $text =~ s/\n(\w+):\t[^\n]*/exists $line{$1} ? "\n$1:\t$line{$1}" : $&/ge;
    return \$text;
}

# What a process knows of itself, afterwards.
sub _own_after {
    my ($self, $exec, $assumed) = @_;
    my %own = (dumpable => $exec->{dumpable} || _suid_dumpable(), keepcaps => 0);
    $own{securebits} = _securebit_names($exec->{securebits});
    $own{pdeathsig} = $exec->{pdeathsig} if defined $self->{own}{pdeathsig};
    for my $kept (grep { defined $self->{own}{$_} } qw(subreaper timerslack)) {
        $own{$kept} = $self->{own}{$kept};
    }
    $own{at_secure} = $exec->{secure};
    $own{assumed}   = $assumed;
    return %own;
}

sub _suid_dumpable {
    my $text = _read('/proc/sys/fs/suid_dumpable') // return 0;
    return $$text =~ /([0-9]+)/ ? $1 + 0 : 0;
}

# The file is not there, or the process is not any more.
sub _not_looked_at {
    my ($self, $what, $told) = @_;
    return $told ? _refused($what, $! + 0) : _lost($what, $! + 0, $self->pid);
}

sub after_exec {
    my ($self, $file, %given) = @_;
    _die('Usage: $status->after_exec(file, ...)') if !_is_status($self) || @_ < 2 || @_ % 2;
    my $errno = $! + 0;
    my @assumed;
    my $process = $self->_process(\@assumed);
    push @assumed, 'shared_fs';
    for my $what (sort keys %given) {
        my $take = $GIVEN{$what} // _die("after_exec: unknown option \"$what\"");
        $take->($process, $given{$what});
        @assumed = grep { $_ ne $what } @assumed;
    }
    my ($path, $fd, $called) = _file($file);
    my $shown = _printable($called);
    my $exec  = _exec($process, $path, $fd) // $self->_not_looked_at("after_exec($shown)", $process->{told});
    _refused("after_exec($shown)", $exec->{error}, _why_refused($shown, $exec, $process->{ids_unsure}))
        if $exec->{error};
    push @assumed, 'program' if $exec->{unread};
    push @assumed, 'owner'   if $exec->{owner_unsure};
    push @assumed, 'same_id' if $process->{ids_unsure};
    my ($name) = ($path // _read_link("/proc/self/fd/$fd") // '') =~ m{([^/]+)\z};
    my $after = (ref $self)->_new($self->_text_after($exec, substr $name // '', 0, 15),
        $self->_own_after($exec, [ sort @assumed ]));
    @$after{qw(mine user_ns)} = @$self{qw(mine user_ns)};
    $after->{asked} = { exe => undef, command => undef };    # those of before
    $after->{exec} = { process => $process, program => $exec->{program}, path => $shown };
    $! = $errno;
    return $after;
}

# ---- why ----

# The error of most refusals is EPERM; of these, that of the call that one meets first.
my %EACCES_OF = (
    dac_override     => 'opening a file',
    dac_read_search  => 'opening a file or a directory',
    net_bind_service => 'bind(2) to a port below 1024',
    ipc_owner        => 'shmat(2), msgrcv(2) and semop(2)',
    sys_nice         => 'setpriority(2), not sched_setscheduler(2)',
    lease            => 'fcntl(2) with F_SETLEASE',
    perfmon          => 'perf_event_open(2)',
);

# What each rule says of a capability and, after an exec, of the file: how it ends, and why.
my %ENDS = (
    now       => 'CAP is',
    effective => 'CAP is effective after FILE:',
    permitted => 'CAP is permitted after FILE, but not effective:',
    lost      => 'CAP is lost with FILE:',
);
my %WHY_TEXT = (
    effective      => [ now => 'effective' ],
    not_raised_now => [ now => 'permitted, but not effective' ],
    not_permitted  => [ now => 'not permitted: this process cannot raise it by itself' ],
    gone => [ now => 'not permitted, and no program can give it to this process: BECAUSE' ],

    ambient          => [ effective => 'it is ambient, and the file gives no privileges' ],
    root_bounding    => [ effective => 'it runs as uid 0, which gets all of the bounding set' ],
    root_inheritable => [ effective => 'it runs as uid 0, which also gets what is inheritable' ],
    file_permitted   => [ effective => 'it is permitted by the file, and in the bounding set' ],
    file_inheritable => [ effective => 'it is inheritable, of the file and of the process' ],
    not_raised       => [ permitted => 'the file has no effective bit' ],
    only_real_root   => [ permitted => 'only the real uid is 0' ],

    plain_file => [ lost => 'the file gives none, the uid is not 0, and it is not ambient' ],
    file_lacks_it   => [ lost => 'it is not among the capabilities of the file' ],
    ambient_cleared => [ lost => 'capabilities of a file, or another id, clear the ambient set' ],
    caps_before_root => [ lost => 'the capabilities of the file count, not its set-user-ID bit' ],
    not_inheritable => [ lost => 'it is inheritable of the file, but not of the process' ],
    no_new_privs    => [ lost => 'no_new_privs is set, and nothing is gained' ],
    traced          => [ lost => 'who traces the process has no sys_ptrace' ],
    shared_fs       => [ lost => 'the process shares its working directory with another one' ],
    nosuid          => [ lost => 'its file system is mounted nosuid' ],
    other_namespace =>
        [ lost => "the file's capabilities are for the root of another user namespace" ],
    owner_not_mapped =>
        [ lost => 'the owner or group of the set-user-ID file is not mapped in the user namespace' ],
    noroot      => [ lost => 'the securebit noroot is set, and uid 0 is nothing special' ],
    not_bounded => [ lost => 'it is not in the bounding set' ],
);

# Where not even a file with the capability would help.
my %GONE_TEXT = (
    no_new_privs => 'no_new_privs is set, and cannot be unset',
    not_bounded  => 'it is neither in the bounding set nor inheritable, and cannot come back there',
);

# What one does, who can, and the capabilities that it takes.
my %STEPS = (
    raise            => [ 'raise it in the effective set', 'process' ],
    exec             => [ 'execute a program', 'process' ],
    ambient => [ 'raise it in the inheritable and the ambient set, and execute', 'process' ],
    inheritable      => [ 'raise it in the inheritable set, and execute', 'process' ],
    be_root          => [ 'become uid 0, and execute', 'process', 'setuid' ],
    effective_bit    => [ 'set the effective bit of the file', 'administrator', 'setfcap' ],
    file_permitted   => [ 'give it to the file: setcap cap_CAP=ep', 'administrator', 'setfcap' ],
    file_inheritable => [
        'raise it in the inheritable set, and give it to the file: setcap cap_CAP=ei',
        'administrator', 'setfcap'
    ],
    set_uid_root     => [ 'make the file set-user-ID root', 'administrator', qw(chown fowner) ],
    no_attribute     => [ "remove the file's capabilities", 'administrator', 'setfcap' ],
    no_nosuid        => [ 'have it on a file system without nosuid', 'administrator', 'sys_admin' ],
    no_tracer        => [ 'be traced by nobody, or by one with sys_ptrace', 'tracer' ],
    no_shared_fs     => [ 'stop sharing the working directory: unshare(CLONE_FS)', 'process' ],
    no_noroot        => [ 'turn the securebit noroot off', 'process', 'setpcap' ],
);

# One way: its steps in order, what it takes, and as a sentence.
sub _way {
    my ($self, $name, $way, @removals) = @_;
    my @steps = map { $STEPS{$_} } @removals, $way;
    my %needs = map { $_ => 1 } map { @$_[ 2 .. $#$_ ] } @steps;
    delete $needs{setuid} if $self->_can_return_to_root;
    my %who   = map { $_->[1] => 1 } @steps;
    my ($by)  = grep { $who{$_} } qw(administrator tracer process);
    return {
        way   => $way,
        steps => [ @removals, $way ],
        by    => $by,
        needs => [ sort keys %needs ],
        text  => join(', and ', map { $_->[0] } @steps) =~ s/CAP/$name/gr,
    };
}

# An id moves between the slots without a capability.
sub _can_return_to_root {
    my ($self) = @_;
    my $uid = $self->{exec} ? $self->{exec}{process}{uid} : [ split ' ', $self->_line('Uid') ];
    return !$uid->[0] || !$uid->[2];
}

# What else decides, and is no capability.
my %BESIDE = (
    no_new_privs => 'With no_new_privs, no program that is executed gains anything.',
    nosuid => 'Its file system is mounted nosuid: set-id bits and capabilities do not count.',
    seccomp => 'A seccomp filter can refuse any call, with any error, whatever is effective.',
    user_ns => 'It counts in a user namespace that is not the initial one: for what belongs to'
        . ' the whole machine, it is refused with EPERM.',
);

sub _beside {
    my ($self) = @_;
    my ($seccomp, $nnp, $ns) = map { $self->$_ } qw(seccomp no_new_privs user_ns);
    my %found = (
        seccomp      => defined $seccomp && $seccomp ne 'disabled',
        no_new_privs => $nnp,
        user_ns      => $ns && ($ns->{id} // $INITIAL_USER_NS) != $INITIAL_USER_NS,
        nosuid       => $self->{exec} && $self->{exec}{program}{nosuid},
    );
    return [ map { { what => $_, text => $BESIDE{$_} } } grep { $found{$_} } sort keys %found ];
}

sub _refusal_text {
    my ($name) = @_;
    my $call = $EACCES_OF{$name} // return 'Without it, what it allows fails with EPERM.';
    return "Without it, $call fails with EACCES.";
}

# Which sets have it: those of the object, or what they were before an exec.
sub _where {
    my ($self, $number) = @_;
    my $caps = $self->caps;
    my $name = Linux::Prctl::cap_name($number);
    my $has = sub { (grep { $_ eq $name } @{ $_[0] }) ? 1 : 0 };
    return { map { $_ => $has->($caps->{$_}) } keys %$caps };
}

sub _has_bit {
    my ($hex, $number) = @_;
    return substr(unpack('b*', reverse pack 'H16', $hex), $number, 1) + 0;
}

# A program that anyone may execute, and nothing more.
sub _plain_program { return { uid => 0, gid => 0, mode => 0755, mapped => 1, @_ } }

sub _why_now {
    my ($self, $number, $name, $sets) = @_;
    return { rule => 'effective', ways => [] } if $sets->{effective};
    return { rule => 'not_raised_now', ways => [ ['raise'] ] } if $sets->{permitted};
    my $process = $self->_process([]);
    _exec($process, '/', -1);    # for its root, and the kernel's rules
    $process->{root} = 0 if !exists $process->{root};
    my @ways = map { [@$_] } @{ _exec_why($process, _plain_program(), $number)->{ways} };
    return { rule => 'not_permitted', ways => \@ways } if @ways;
    my $bits = '0' x $number . '1' . '0' x (63 - $number);
    my $hex  = reverse unpack 'h16', pack 'b64', $bits;
    my %best = (has_caps => 1, caps_count => 1, effective => 1, permitted => $hex);
    my $stands = _exec_why($process, _plain_program(%best), $number)->{rule};
    return { rule => 'gone', because => $stands, ways => [] };
}

sub _why_after {
    my ($self, $number) = @_;
    my ($process, $program) = @{ $self->{exec} }{qw(process program)};
    my $why = _exec_why($process, $program, $number);
    return { rule => $why->{rule}, ways => $why->{ways} };
}

# The terms of the transition: P', and what it is made of.
sub _terms {
    my ($self, $number) = @_;
    my ($process, $program) = @{ $self->{exec} }{qw(process program)};
    return (
        before => { map { $_ => _has_bit($process->{$_} // '0' x 16, $number) } @SETS },
        file   => {
            permitted   => _has_bit($program->{permitted},   $number),
            inheritable => _has_bit($program->{inheritable}, $number),
            effective   => $program->{effective},
            set_user_id  => $program->{mode} & 04000 ? 1 : 0,
            set_group_id => ($program->{mode} & 02010) == 02010 ? 1 : 0,
            owner        => $program->{uid},
            nosuid       => $program->{nosuid},
        },
    );
}

sub why {
    my ($self, $cap) = @_;
    _die('Usage: $status->why(capability)') if !_is_status($self) || @_ != 2;
    $cap = "$cap" if defined $cap;    # which is asked for its text once
    my $number = _try(sub { Linux::Prctl::cap_number($cap) });
    my $shown = defined $cap ? '"' . _printable($cap) . '"' : 'undef';
    _die("why: $shown is not a capability") if !defined $number;
    my $errno = $! + 0;
    my $name  = Linux::Prctl::cap_name($number);
    my $sets  = $self->_where($number);
    my $why   = $self->{exec} ? $self->_why_after($number) : $self->_why_now($number, $name, $sets);
    my %word = (
        CAP     => $name,
        FILE    => $self->{exec} ? $self->{exec}{path} : '',
        BECAUSE => $GONE_TEXT{ $why->{because} // '' } // '',
    );
    my ($end, $reason) = @{ $WHY_TEXT{ $why->{rule} } };
    my $text = "$ENDS{$end} $reason." =~ s/(CAP|FILE|BECAUSE)/$word{$1}/gr;
    my @ways = $sets->{effective} ? () : map { $self->_way($name, @$_) } @{ $why->{ways} };
    if (!$sets->{effective}) {
        $text .= ' To have it: ' . join('; or ', map { $_->{text} } @ways) . '.' if @ways;
        $text .= ' Nothing can give it to this process.' if !@ways && $self->{exec};
        $text .= ' ' . _refusal_text($name);
    }
    $! = $errno;
    return {
        capability => $name,
        effective  => $sets->{effective},
        rule       => $why->{because} // $why->{rule} =~ s/_now\z//r,
        errno      => $EACCES_OF{$name} ? 'EACCES' : 'EPERM',
        sets       => $sets,
        ways       => \@ways,
        also       => $self->_beside,
        text       => $text,
        $self->{exec} ? $self->_terms($number) : (),
    };
}

# ---- for people ----

my $WIDTH = 80;

# One id, or each of them where they differ.
sub _ids_text {
    my ($ids) = @_;
    my %different = map { $_ => 1 } values %$ids;
    return $ids->{real} if keys %different == 1;
    return join ', ', map { "$_ $ids->{$_}" } @SLOTS;
}

sub _list_text {
    my ($list) = @_;
    return @$list ? join ', ', @$list : 'none';
}

# A process may have 65536 groups, and a screen has no room for them.
my $MOST_GROUPS = 32;

sub _groups_text {
    my ($groups) = @_;
    my $more = @$groups - $MOST_GROUPS;
    return _list_text($groups) if $more <= 0;
    return join(', ', @$groups[ 0 .. $MOST_GROUPS - 1 ]) . ", and $more more";
}

# What is usual: root has everything, anyone else nothing, and nobody has more than
# the kernel gives at login.
sub _usual_set {
    my ($fact, $set) = @_;
    return Linux::Prctl::caps_text(@{ $fact->{caps}{$set} }) eq 'all'
        if $set eq 'bounding' || ($set =~ /\A[ep]/ && !$fact->{uid}{effective});
    return !@{ $fact->{caps}{$set} };
}

my %USUAL = (
    dumpable        => 1,
    keepcaps        => 0,
    no_new_privs    => 0,
    pdeathsig       => 0,
    seccomp         => 'disabled',
    seccomp_filters => 0,
    subreaper       => 0,
    tracer          => 0,
);

# In a namespace of its own, anyone can have all capabilities.
sub _namespace_line {
    my ($ns) = @_;
    my $id = $ns->{id} // 'another one';
    return [ user_ns => $id, 1 ] if $ns->{ours} // 1;
    return [ user_ns => "$id, not ours: the capabilities count there, not here", 0 ];
}

# A fact as three: its name, its text, and whether it is usual.
sub _report_lines {
    my ($fact) = @_;
    my @lines;
    for my $ids (grep { $fact->{$_} } @IDS) {
        my $text = _ids_text($fact->{$ids});
        push @lines, [ $ids, $text, $text !~ /,/ ];
    }
    push @lines, [ groups => _groups_text($fact->{groups}), 1 ] if $fact->{groups};
    push @lines, map { [ $_, Linux::Prctl::caps_text(@{ $fact->{caps}{$_} }), _usual_set($fact, $_) ] }
        grep { $fact->{caps}{$_} } @SETS;
    push @lines, [ securebits => _list_text($fact->{securebits}), !@{ $fact->{securebits} } ]
        if $fact->{securebits};
    push @lines, map { [ $_, $fact->{$_}, $fact->{$_} eq $USUAL{$_} ] }
        grep { defined $fact->{$_} } sort keys %USUAL;
    push @lines, [ timerslack => "$fact->{timerslack} ns", 1 ] if defined $fact->{timerslack};
    push @lines, _namespace_line($fact->{user_ns})            if $fact->{user_ns};
    push @lines, [ at_secure => $fact->{at_secure}, !$fact->{at_secure} ]
        if defined $fact->{at_secure};
    push @lines, [ assumed => _list_text($fact->{assumed}), 1 ] if $fact->{assumed};
    return @lines;
}

# Folded, with what follows under the first word.
sub _report_line {
    my ($name, $text, $usual) = @{ $_[0] };
    my $start = sprintf '%s %-16s', $usual ? ' ' : '*', $name;
    my $room  = $WIDTH - length $start;
    my @parts = $text =~ /\G(.{1,$room})(?:\s+|\z)/g;
    my $rest  = "\n" . ' ' x length $start;
    return $start . join($rest, @parts) . "\n";
}

# Nothing that a terminal would act on: anyone may choose a name.
sub _report_title {
    my ($fact) = @_;
    my $name = $fact->{name} =~ s/([^ -~])/sprintf '\\x%02x', ord $1/gre;
    my $leader = $fact->{tid} == $fact->{pid};
    my $count  = $fact->{threads} == 1 ? '1 thread' : "$fact->{threads} threads";
    my @parts  = (
        "$fact->{pid} ($name)" . ($leader ? ':' : ','),
        ($leader ? '' : "thread $fact->{tid}: ")
            . "$fact->{state}, $count, child of $fact->{ppid}"
    );
    return join(length "@parts" > $WIDTH ? "\n    " : ' ', @parts) . "\n";
}

sub _report {
    my ($self) = @_;
    my $fact = $self->_facts;
    my @lines = _report_lines($fact);
    return _report_title($fact)
        . join('', map { _report_line($_) } @lines)
        . ((grep { !$_->[2] } @lines) ? "* unusual\n" : '');
}

1;
