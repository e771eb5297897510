package Linux::Prctl::Status;

use 5.014;
use warnings;

use Errno qw(EACCES ENOENT EPERM ESRCH);
use Linux::Prctl (); our $VERSION = $Linux::Prctl::VERSION;    # CPAN tools run this line alone

my $MOST_PID = 2**31 - 1;

# ---- what a line says ----

my @SLOTS   = qw(real effective saved fs);
my @SECCOMP = qw(disabled strict filter);

my %SET_LINES = (
    effective   => 'CapEff',
    permitted   => 'CapPrm',
    inheritable => 'CapInh',
    bounding    => 'CapBnd',
    ambient     => 'CapAmb',
);
my @SETS = qw(effective permitted inheritable bounding ambient);

# A fact, the line that it comes from, and how it is read.
my %FACTS = (
    pid             => [ Tgid            => \&_number ],
    tid             => [ Pid             => \&_number ],
    name            => [ Name            => \&_name ],
    state           => [ State           => \&_state ],
    ppid            => [ PPid            => \&_number ],
    tracer          => [ TracerPid       => \&_number ],
    uid             => [ Uid             => \&_slots ],
    gid             => [ Gid             => \&_slots ],
    groups          => [ Groups          => \&_numbers ],
    no_new_privs    => [ NoNewPrivs      => \&_number ],
    seccomp         => [ Seccomp         => \&_seccomp ],
    seccomp_filters => [ Seccomp_filters => \&_number ],
    threads         => [ Threads         => \&_number ],
);

# What the kernel tells a thread about itself alone.
my %OWN_FACTS = (
    dumpable   => \&Linux::Prctl::get_dumpable,
    keepcaps   => \&Linux::Prctl::get_keepcaps,
    pdeathsig  => \&Linux::Prctl::get_pdeathsig,
    securebits => \&_own_securebits,
    subreaper  => \&Linux::Prctl::get_child_subreaper,
    timerslack => \&Linux::Prctl::get_timerslack,
);

sub _number  { return $_[0] + 0 }
sub _numbers { return [ map { $_ + 0 } split ' ', $_[0] ] }

sub _slots {
    my ($real, $effective, $saved, $fs) = map { $_ + 0 } split ' ', $_[0];
    return { real => $real, effective => $effective, saved => $saved, fs => $fs };
}

# The kernel writes a newline and a backslash as \n and \\, all else as it is.
sub _name {
    my ($text) = @_;
    return $text =~ s/\\([n\\])/$1 eq 'n' ? "\n" : '\\'/gre;
}

# "S (sleeping)"
sub _state {
    my ($text) = @_;
    return $text =~ /\((.*)\)/ ? $1 : $text;
}

sub _seccomp {
    my ($mode) = @_;
    return $SECCOMP[$mode] // $mode;
}

# The names in a mask. Most processes of a machine have one of a few masks.
my @NAMES = map { Linux::Prctl::cap_name($_) } 0 .. 63;
my %NAMES_OF;

sub _names {
    my ($hex) = @_;
    my $names = $NAMES_OF{$hex};
    if (!$names) {
        my $bits = unpack 'b*', reverse pack 'H16', $hex;
        %NAMES_OF = () if keys %NAMES_OF > 100;
        $names = $NAMES_OF{$hex} = [ @NAMES[ grep { substr $bits, $_, 1 } 0 .. 63 ] ];
    }
    return [@$names];
}

sub _own_securebits {
    my $mask = Linux::Prctl::get_securebits() // return;
    my @names = keys %Linux::Prctl::securebits;
    return [ @names[ grep { $mask >> $_ & 1 } 0 .. $#names ] ];
}

# ---- reading ----

# The line of the caller, behind any of our own.
sub _die {
    my ($message, $errno) = @_;
    my ($level, $package, $file, $line) = (0);
    do { ($package, $file, $line) = caller $level++ } while $package eq __PACKAGE__;
    $! = $errno if defined $errno;
    die "$message at $file line $line.\n";
}

sub _refused {
    my ($what, $errno, $why) = @_;
    $! = $errno;
    _die("$what: $!" . (defined $why ? " ($why)" : ''), $errno);
}

sub _check_pid {
    my ($function, $what, $pid) = @_;
    return if defined $pid && $pid =~ /\A[1-9][0-9]{0,9}\z/ && $pid <= $MOST_PID;
    my $shown = defined $pid ? qq{"$pid"} =~ s/([^ -~])/sprintf '\\x{%x}', ord $1/gre : 'undef';
    _die("$function: $what $shown is not a whole number from 1 to $MOST_PID");
}

# The kernel makes the whole of it for one read; more are for very many groups.
# Nothing here is shared: a signal handler of the program may read in the middle of it.
my $BLOCK = 65_536;

sub _read {
    my ($path) = @_;
    my $text = "\n";
    open my $in, '<:raw', $path or return;
    while (1) {
        my $got = sysread $in, $text, $BLOCK, length $text;
        return if !defined $got;
        last if $got < $BLOCK;
    }
    return \$text;
}

# Why /proc has nothing: a process that is there all the same is one that it hides.
sub _lost {
    my ($what, $errno, $pid, $tid) = @_;
    _refused($what, $errno, '/proc hides it') if $errno == EACCES || $errno == EPERM;
    _refused($what, $errno) if $errno != ENOENT && $errno != ESRCH;
    _refused($what, ENOENT, '/proc is not mounted') if !-e '/proc/self';
    _refused($what, EACCES, '/proc hides it')
        if !-e "/proc/$pid" && (kill(0, $pid) || $! == EPERM);
    _refused($what, ESRCH);
}

sub _new {
    my ($class, $text, %own) = @_;
    return bless { text => $$text, own => \%own }, $class;
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
    $! = $errno;
    return $self;
}

sub of {
    my ($class, @ids) = @_;
    _die('Usage: ' . __PACKAGE__ . '->of(pid, tid)') if @ids != 1 && @ids != 2;
    _class($class, 'of');
    _check_pid('of', 'pid', $ids[0]);
    _check_pid('of', 'tid', $ids[1]) if @ids > 1;
    my $errno = $! + 0;
    my $text = _read('/proc/' . join('/task/', @ids) . '/status')
        // _lost('of(' . join(', ', @ids) . ')', $!, @ids);
    my $self = $class->_new($text, _is_me($text, $ids[-1]) ? _own() : ());
    $! = $errno;
    return $self;
}

# Which process it is of says the text; only for the own one is the thread to be asked.
sub _is_me {
    my ($text, $tid) = @_;
    return 0 if index($$text, "\nTgid:\t$$\n") < 0;
    my $link = readlink '/proc/thread-self';
    return defined $link && $link =~ m{/([0-9]+)\z} && $1 == $tid;
}

# One for each thread, the leader first. One that ends meanwhile is not there.
sub _threads {
    my ($class, $function, $pid) = @_;
    _class($class, $function);
    _check_pid($function, 'pid', $pid);
    my $errno = $! + 0;
    opendir my $task, "/proc/$pid/task" or _lost("$function($pid)", $!, $pid);
    my @threads;
    for my $tid (grep { /\A[0-9]+\z/ } readdir $task) {
        my $text = _read("/proc/$pid/task/$tid/status");
        if ($text) {
            push @threads, $class->_new($text);
        }
        elsif ($! != ENOENT && $! != ESRCH) {
            _lost("$function($pid)", $!, $pid);
        }
    }
    _refused("$function($pid)", ESRCH) if !@threads;
    $! = $errno;
    @threads = sort { ($b->pid == $b->tid) - ($a->pid == $a->tid) || $a->tid <=> $b->tid } @threads;
    return @threads;
}

# The threads of a process; of an object, how many there were.
sub threads {
    my ($self, @pid) = @_;
    if (ref $self) {
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

# All lines that a fact comes from.
my ($LINES) = map { qr/\n($_):\t([^\n]*)/ }
    join '|', values %SET_LINES, map { $_->[0] } values %FACTS;

sub _fact {
    my ($self, $fact) = @_;
    my ($name, $read) = @{ $FACTS{$fact} };
    my $line = $self->_line($name);
    return defined $line ? $read->($line) : undef;
}

sub _caps {
    my ($self) = @_;
    my %line;
    for my $line (values %SET_LINES) {
        my $mask = $self->_line($line);
        $line{$line} = $mask if defined $mask;
    }
    return _sets(\%line);
}

sub _sets {
    my ($line) = @_;
    my %caps;
    for my $set (@SETS) {
        my $mask = $line->{ $SET_LINES{$set} } // next;
        $caps{$set} = _names($mask);
    }
    return \%caps;
}

sub _own_fact {
    my ($self, $fact) = @_;
    my $value = $self->{own}{$fact};
    return ref $value ? [@$value] : $value;
}

# A method that takes nothing and gives what the code gives.
sub _accessor {
    my ($name, $code) = @_;
    no strict 'refs';
    *$name = sub {
        my ($self, @more) = @_;
        _die("Usage: \$status->$name") if !ref $self || @more;
        return $code->($self, $name);
    };
    return;
}

_accessor($_, \&_fact)     for grep { $_ ne 'threads' } keys %FACTS;
_accessor($_, \&_own_fact) for keys %OWN_FACTS;
_accessor(caps    => \&_caps);
_accessor(as_hash => \&_as_hash);
_accessor(report  => \&_report);

sub _as_hash {
    my ($self) = @_;
    my %line = $self->{text} =~ /$LINES/g;
    my %hash = (caps => _sets(\%line));
    for my $fact (keys %FACTS) {
        my ($name, $read) = @{ $FACTS{$fact} };
        $hash{$fact} = $read->($line{$name}) if defined $line{$name};
    }
    for my $fact (keys %{ $self->{own} }) {
        $hash{$fact} = $self->_own_fact($fact);
    }
    return \%hash;
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
    _die('Usage: $status->diff(other)')     if @_ != 2 || !ref $self;
    _die('diff: other is not a ' . __PACKAGE__) if !ref $other || !UNIVERSAL::isa($other, __PACKAGE__);
    my ($from, $to) = ($self->_as_hash, $other->_as_hash);
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
    return \%diff;
}

# ---- for people ----

my $WIDTH = 80;

# "all", "all but chown, kill", "none", or the names
sub _set_text {
    my ($names) = @_;
    my @all     = @NAMES[ 0 .. Linux::Prctl::last_cap() ];
    my %raised  = map { $_ => 1 } @$names;
    my @missing = grep { !$raised{$_} } @all;
    return 'none' if !@$names;
    return 'all'  if !@missing;
    return @missing < @$names ? 'all but ' . join(', ', @missing) : join ', ', @$names;
}

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
    return _set_text($fact->{caps}{$set}) eq 'all'
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

# A fact as three: its name, its text, and whether it is usual.
sub _report_lines {
    my ($fact) = @_;
    my @lines;
    for my $ids (grep { $fact->{$_} } @IDS) {
        my $text = _ids_text($fact->{$ids});
        push @lines, [ $ids, $text, $text !~ /,/ ];
    }
    push @lines, [ groups => _groups_text($fact->{groups}), 1 ] if $fact->{groups};
    push @lines, map { [ $_, _set_text($fact->{caps}{$_}), _usual_set($fact, $_) ] }
        grep { $fact->{caps}{$_} } @SETS;
    push @lines, [ securebits => _list_text($fact->{securebits}), !@{ $fact->{securebits} } ]
        if $fact->{securebits};
    push @lines, map { [ $_, $fact->{$_}, $fact->{$_} eq $USUAL{$_} ] }
        grep { defined $fact->{$_} } sort keys %USUAL;
    push @lines, [ timerslack => "$fact->{timerslack} ns", 1 ] if defined $fact->{timerslack};
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
    my $fact = $self->_as_hash;
    my @lines = _report_lines($fact);
    return _report_title($fact)
        . join('', map { _report_line($_) } @lines)
        . ((grep { !$_->[2] } @lines) ? "* unusual\n" : '');
}

1;
