package Hostile;

# Calls with values that are not what they seem: tied, overloaded, dying, re-entrant. And
# public operations behind filters that refuse, pretend, or trap a system call.
use 5.014;
use warnings;

use Exporter qw(import);
use File::Temp;
use POSIX ();

use Linux::Prctl qw(:all);
use Linux::Prctl::CapState;
use Linux::Prctl::FileCaps;
use Linux::Prctl::Status;
use Pinned qw(functions sample);
use Seccomp ();
use SystemCalls qw(raw_prctl);

our @EXPORT_OK = qw(random_calls random_plans behind_filters operations filtered_calls);

sub one  { return $_[ rand @_ ] }
sub odds { return rand() < $_[0] }

# ---- values ----

open my $null, '<', '/dev/null' or die "/dev/null: $!\n";
my @PLAIN = (
    undef, '', 0, 1, -1, 2**31, 2**32, 2**53, 2**63, 2**64, -2**63, 1.5, 1e300, 9**9**9, -sin(9**9**9),
    '0', '1', ' 1', '1 ', '01', '0x1', '1e3', '+1', '+all', '-all', '+kill,-chown', 'kill', 'CAP_KILL', 'noroot',
    "kill\0", "\0", "k\x{100}", "\x{ff}", 'x' x 70_000, '=ep', 'cap_kill=eip', 'cap_kill+e', 'effective', 'TERM',
    'root', 63, 64, 41, '41', 'all', 'user', 'dry_run', '/', '/dev/null', "/proc/self/status", [], {}, [1], ['kill'],
    { file => '/dev/null' }, \1, \'x', sub { 1 }, qr/x/, $null, v1.2.3,
);

# What the values of a call may reach, to do harm to: the arguments, and what they are made of.
our (@victims, $depth);

my @HARM = (
    sub { @victims = () },
    sub { undef $victims[ rand @victims ] if @victims },
    sub { ${ $victims[ rand @victims ] } = one(@PLAIN) if @victims },
    sub { my %copy = %cap_effective; scalar keys %copy },
    sub { local $cap_effective{kill} = 0; local $! = 5; 1 },
    sub { my @names = map { $_->names } cap_permitted, capbset },
    sub { my @many = map { "x$_" } 1 .. 2000; scalar @many },
    sub { my $state = Linux::Prctl::CapState->get_current; "$state" },
    sub { eval { setpriv(dry_run => 1) } },
    sub { eval { get_auxv() }; 1 },
    sub { $@ = 'other'; $! = 7 },
    sub { each %cap_permitted; 1 },
);

sub harm {
    return if $depth;
    local $depth = 1;
    die "hostile\n" if odds(0.15);
    local $_;
    for my $harm (map { one(@HARM) } 1 .. rand 3) {
        eval { $harm->(); 1 } or $@ =~ /read-only/ or die $@;
    }
    return;
}

{
    package Hostile::Tied;
    sub TIESCALAR { my ($class, $value) = @_; return bless { value => $value }, $class }
    sub FETCH { Hostile::harm(); return Hostile::odds(0.9) ? $_[0]{value} : Hostile::one(@PLAIN) }
    sub STORE { Hostile::harm(); return }
}
{
    package Hostile::Object;
    use overload
        '""' => sub { Hostile::harm(); return Hostile::odds(0.9) ? "" . ($_[0]{value} // '') : \'x' },
        '0+' => sub { Hostile::harm(); return $_[0]{value} // 0 },
        'bool' => sub { Hostile::harm(); return !!$_[0]{value} },
        '==' => sub { Hostile::harm(); return 0 },
        fallback => 1;
    sub new { my ($class, $value) = @_; return bless { value => $value }, $class }
}
{
    package Hostile::NoString;    # overloads, but not that
    use overload '+' => sub { 1 };
    sub new { return bless [], shift }
}
{
    package Hostile::Sub;         # a class that inherits from ours
    our @ISA = qw(Linux::Prctl::CapState);
}

# One value, by reference: an argument is an alias.
sub value {
    my ($plain) = @_;
    $plain = one(@PLAIN) if !@_;
    my $kind = rand;
    if ($kind < 0.3) { my $copy = $plain; return \$copy }
    if ($kind < 0.45) { tie my $tied, 'Hostile::Tied', $plain; return \$tied }
    if ($kind < 0.6) { my $object = Hostile::Object->new($plain); return \$object }
    if ($kind < 0.64) { my $object = Hostile::NoString->new; return \$object }
    if ($kind < 0.7) { return \one(values %{ { map { $_ => Linux::Prctl::CapState->new } 1 } }) }
    if ($kind < 0.76) { return \$cap_effective{kill} }
    if ($kind < 0.8) { return \$capbset{ one(qw(kill chown)) } }
    if ($kind < 0.84) { my %hash = (o => $plain); my $ref = \$hash{o}; push @victims, $ref; return $ref }
    if ($kind < 0.87) { my $bytes = "k\xc3"; Encode::_utf8_on($bytes) if defined &Encode::_utf8_on; return \$bytes }
    if ($kind < 0.9) { 'kill' =~ /(.*)/; return \$1 }
    if ($kind < 0.93) { my $long = sprintf '%s', $plain // ''; substr $long, 0, 0, ''; return \substr $long, 0, 3 }
    if ($kind < 0.96) { my @list = (Hostile::Object->new($plain)) x 3; my $ref = \@list; return \$ref }
    my $capstate = odds(0.5) ? Linux::Prctl::CapState->from_text('cap_kill=eip')
        : bless \(my $x = 'short'), one('Linux::Prctl::CapState', 'Linux::Prctl::FileCaps', 'Hostile::Sub');
    return \$capstate;
}

# ---- calls ----

# What ends or breaks the process whatever it is given, or what is beside it.
my %NEVER = map { $_ => 1 } qw(
    prctl sys_exit set_seccomp set_mdwe set_tsc set_syscall_user_dispatch set_unalign set_endian
    set_tagged_addr_ctrl set_proctitle set_name lock_shadow_stack_status set_shadow_stack_status
    set_thp_disable set_sched_core
);

# With it the kernel walks through all of a sanitizer's memory, which takes minutes.
$NEVER{set_memory_merge} = 1 if ($ENV{LD_PRELOAD} // '') =~ /asan/;

my @functions = grep { !$NEVER{$_} && !/\Aset_mm|\Asched_core|\Asyscall_user|\Apac_|\Amce|\Atask_perf/ }
    map { $_->{name} } functions();
my @METHODS = qw(has names add drop limit replace clear FETCH STORE EXISTS DELETE FIRSTKEY NEXTKEY CLEAR SCALAR);
my @STATE   = qw(new get_current get_for_pid from_text to_text copy names has add drop limit clear set_current);
my @FILE    = qw(new get set remove from_text to_text effective rootid names add drop);
my @STATUS  = qw(current of threads out_of_step as_hash report diff after_exec why caps uid groups all);
my @OPTIONS = qw(
    reuid regid ruid euid rgid egid user init_groups keep_groups clear_groups groups inh_caps ambient_caps
    bounding_set caps securebits no_new_privs pdeathsig ptracer seccomp_filter reset_env dry_run on_failure
);
my %HASHES = map { $_ => do { no strict 'refs'; \%{"Linux::Prctl::$_"} } }
    qw(cap_effective cap_permitted cap_inheritable cap_ambient capbset securebits);

sub arguments { my ($most) = @_; return map { value() } 1 .. rand($most + 1) }

# Calls with aliases of what the references name.
# No map: perl itself does not survive a value that dies there.
sub with {
    my ($code, @r) = @_;
    return
          @r == 0 ? $code->()
        : @r == 1 ? $code->(${ $r[0] })
        : @r == 2 ? $code->(${ $r[0] }, ${ $r[1] })
        : @r == 3 ? $code->(${ $r[0] }, ${ $r[1] }, ${ $r[2] })
        : @r == 4 ? $code->(${ $r[0] }, ${ $r[1] }, ${ $r[2] }, ${ $r[3] })
        : @r == 5 ? $code->(${ $r[0] }, ${ $r[1] }, ${ $r[2] }, ${ $r[3] }, ${ $r[4] })
        :           $code->(${ $r[0] }, ${ $r[1] }, ${ $r[2] }, ${ $r[3] }, ${ $r[4] }, ${ $r[5] });
}

sub call_function {
    my ($name) = one(@functions);
    my @refs = arguments(3);
    push @victims, @refs;
    no strict 'refs';
    my $code = \&{"Linux::Prctl::$name"};
    return ($name, sub { my @got = with(sub { &$code }, @refs); scalar @got });
}

sub call_method {
    my ($class, $object, @methods) = @_;
    my $name = one(@methods);
    my @refs = arguments(4);
    push @victims, @refs;
    my $self = odds(0.85) ? $object : ${ value() };
    my $code = $class->can($name) or return ("$class->$name", sub { 1 });
    return ("$class->$name", sub { my @got = with(sub { &$code }, \$self, @refs); scalar @got });
}

sub call_hash {
    my $name = one(sort keys %HASHES);
    my $hash = $HASHES{$name};
    my ($key, $value) = (value(), value());
    push @victims, $key, $value;

    # Before 5.18, perl itself does not survive a key that dies while it is put away.
    my $kept = $] < 5.018 ? \'kill' : $key;
    my @how = (
        sub { $hash->{$$key} }, sub { $hash->{$$key} = $$value }, sub { exists $hash->{$$key} },
        sub { delete $hash->{$$key} }, sub { local $hash->{$$kept} = $$value; 1 }, sub { local $hash->{$$kept}; harm(); 1 },
        sub { my @all = each %$hash; harm(); my @more = each %$hash; scalar @all },
        sub { %$hash = ($$key => $$value) }, sub { my @got = @{$hash}{ $$key, $$value, 'kill' }; scalar @got },
        sub { @{$hash}{ 'kill', $$key } = (1, $$value) }, sub { my @all = %$hash; scalar @all },
        sub { for (values %$hash) { harm(); last if odds(0.1) } 1 },
        sub { delete local $hash->{$$kept}; 1 }, sub { my $ref = \$hash->{$$key}; harm(); $$ref = $$value; "$$ref" },
        sub { keys %$hash; for (1 .. 50) { my ($k, $v) = each %$hash or last; harm() } 1 },
    );
    my $which = int rand @how;
    return ("$name, operation $which", $how[$which]);
}

# Made here, by the process that removes it: a child ends by _exit(2).
my $file = File::Temp->new;
print {$file} "#!/bin/sh\n";
$file->flush;

sub call_file {
    my $name = one(@FILE);
    my $code = Linux::Prctl::FileCaps->can($name) or return ("FileCaps->$name", sub { 1 });
    my @refs = (odds(0.6) ? \"$file" : value(), arguments(2));
    push @victims, @refs;
    my $self = odds(0.7) ? 'Linux::Prctl::FileCaps'
        : odds(0.8) ? Linux::Prctl::FileCaps->from_text('cap_kill=ep') : ${ value() };
    return ("FileCaps->$name", sub { my @got = with(sub { &$code }, \$self, @refs); scalar @got });
}

sub call_setpriv {
    my @refs = map { (\one(@OPTIONS), value()) } 1 .. 1 + rand 2;
    push @refs, \'dry_run', \1;
    push @victims, @refs;
    return ('setpriv', sub { with(sub { &setpriv }, @refs) });
}

my @AROUND = qw(
    program env chdir root umask nice rlimits new_session process_group stdin stdout stderr fds command
);

sub call_spawn {
    my @refs = (\'command', \['/bin/true'], \one(@AROUND, @OPTIONS), value(), \'dry_run', \1);
    push @victims, @refs[ 2, 3 ];
    return ('spawn', sub { with(sub { &spawn }, @refs) });
}

sub random_call {
    my $kind = rand;
    return call_function() if $kind < 0.35;
    return call_hash()     if $kind < 0.6;
    return call_method('Linux::Prctl::CapabilitySet', one(cap_effective, cap_permitted, cap_inheritable, cap_ambient, capbset, securebits), @METHODS)
        if $kind < 0.75;
    return call_method('Linux::Prctl::CapState', one('Linux::Prctl::CapState', Linux::Prctl::CapState->from_text('cap_kill=eip')), @STATE)
        if $kind < 0.85;
    return call_file() if $kind < 0.9;
    return call_method('Linux::Prctl::Status', one('Linux::Prctl::Status', Linux::Prctl::Status->current), @STATUS) if $kind < 0.93;
    return odds(0.6) ? call_setpriv() : call_spawn();
}

# Perl's own words for memory that is not what it should be.
my $FREED = qr/freed|unreferenced|panic|corrupt|Bizarre|uninitialized value in subroutine/;

# So many calls from a seed, in this process: what was wrong. A crash is the caller's to see.
sub random_calls {
    my ($seed, $count, $note) = @_;
    srand $seed;
    my (@wrong, $name);
    local $SIG{__WARN__} = sub { push @wrong, "$name warned: $_[0]" if $_[0] =~ $FREED };
    local $SIG{ALRM} = 'DEFAULT';

    # After chroot(2), what is loaded late is the code of another.
    local @INC = (sub { push @wrong, "$name loads $_[1]"; return }, @INC);
    for my $i (1 .. $count) {
        local (@victims, $depth);
        ($name, my $code) = eval { random_call() } or next;    # a value that died too early
        $note->("$seed/$i $name") if $note;
        $! = 0;
        my ($lived, $error, $errno);
        my $inside = eval {
            $lived = eval { if (odds(0.5)) { my $got = $code->() } else { my @got = $code->() } 1 };
            ($error, $errno) = ($@, $! + 0);
            1;
        };
        # Before 5.24, the eval that is left does not catch what a hash refuses to restore.
        ($error, $errno) = ($@, $! + 0) if !$inside;
        next if $lived;
        push @wrong, "$seed/$i $name: $error" if $error =~ $FREED;
        push @wrong, "$seed/$i $name dies of perl: $error" if $error =~ /\A(?:Bad filehandle|Can't use an undefined)/;
        # Whoever dies sets $!: what died was ours, if it names what was called.
        push @wrong, "$seed/$i $name: \$! is 0 after: $error"
            if !$errno && $error =~ /\A(?:\w+(?:->\w+)?[:(]|Usage: Linux)/ && $error !~ /hostile/;
    }
    return @wrong;
}

# ---- plans ----

{
    package Hostile::Counted;
    use overload '""' => sub { $_[0][0] }, fallback => 0;
}

# The same value in another coat. A number must stay one: it is no name.
sub coated {
    my ($value) = @_;
    return ref $value eq 'ARRAY' && odds(0.7) ? [ map { coated($_) } @$value ] : $value if ref $value;
    my $kind = rand;
    if ($kind < 0.4) { tie my $tied, 'Hostile::Quiet', $value; return $tied }
    return $value if $kind < 0.6 || $value !~ /\A[-+a-z_,]+\z/i;
    return bless [$value], 'Hostile::Counted';
}
{
    package Hostile::Quiet;
    sub TIESCALAR { my ($class, $value) = @_; return bless \$value, $class }
    sub FETCH { ${ $_[0] } }
}

# A random plan in a random process is one and the same whatever its values are wrapped in.
sub random_plans {
    my ($seed, $count) = @_;
    require SetprivTest;
    require Storable;
    local $Storable::canonical = 1;
    srand $seed;
    my @wrong;
    for my $i (1 .. $count) {
        my %plan   = SetprivTest::_random_plan(SetprivTest::truth());
        my %coated = map { $_ => coated($plan{$_}) } keys %plan;
        my @said   = map {
            my $options = $_;
            my $data = eval { setpriv(%$options, dry_run => 1) };
            $data ? Storable::freeze($data) : $@ =~ s/ at \S+ line \d+\.\n//r;
        } \%plan, \%coated;
        push @wrong, "plan $seed/$i: $said[0]\nnot $said[1]" if $said[0] ne $said[1];
    }
    return @wrong;
}

# ---- filters ----

my %ANSWER = (
    EPERM => 0x00050000 | POSIX::EPERM(), EINVAL => 0x00050000 | POSIX::EINVAL(), ENOSYS => 0x00050000 | POSIX::ENOSYS(),
    'a pretended success' => 0x00050000, 'a trap' => 0x00030000,
);

# System calls that the operations are made of, by their numbers on x86_64.
my %CALL = (
    read => 0, open => 2, fstat => 5, lseek => 8, rt_sigprocmask => 14, access => 21, getpid => 39, getppid => 110,
    getuid => 102, getgroups => 115, setgroups => 116, setresuid => 117, getresuid => 118, setresgid => 119,
    getresgid => 120, setfsuid => 122, setfsgid => 123, capget => 125, capset => 126, statfs => 137, fstatfs => 138,
    prctl => 157, gettid => 186, setxattr => 188, fsetxattr => 190, getxattr => 191, fgetxattr => 193, removexattr => 197,
    fremovexattr => 199, openat => 257, newfstatat => 262, unshare => 272, readlink => 89, madvise => 28,
    getdents64 => 217, kill => 62, statx => 332, clone => 56, wait4 => 61, waitid => 247, execve => 59,
    memfd_create => 319, fcntl => 72, rt_sigaction => 13, close_range => 436, readlinkat => 267,
);
sub filtered_calls { my @names = sort keys %CALL; return @names }

# Every public operation: code that does it, and whether it answers as functions do.
sub operations {
    my ($path) = @_;
    my @plain = grep { !$NEVER{$_} && !/\Aset_mm|\Asched_core_share|\Asyscall_user/ } map { $_->{name} } functions();
    my %operation = map {
        my $name = $_;
        my ($function) = grep { $_->{name} eq $name } functions();
        no strict 'refs';
        ($name => sub { &{"Linux::Prctl::$name"}(sample($function)) });
    } @plain;
    my $class = 'Linux::Prctl::CapState';
    %operation = (
        %operation,
        'cap_effective->drop'      => sub { cap_effective->drop('kill') },
        'cap_effective->has'       => sub { cap_effective->has('kill'); 1 },
        'cap_permitted->limit'     => sub { cap_permitted->limit('chown', 'setpcap') },
        'cap_inheritable->replace' => sub { cap_inheritable->replace('kill') },
        'cap_ambient->names'       => sub { my @names = cap_ambient->names; 1 },
        'capbset->limit'           => sub { capbset->limit('kill') },
        'securebits->add'          => sub { securebits->add('noroot') },
        'CapState->get_current'    => sub { "" . $class->get_current },
        'CapState->set_current'    => sub { $class->from_text('cap_kill=ep')->set_current },
        'FileCaps->get'            => sub { Linux::Prctl::FileCaps->get($path); 1 },
        'FileCaps->set'            => sub { Linux::Prctl::FileCaps->from_text('cap_kill=ep')->set($path) },
        'FileCaps->remove'         => sub { Linux::Prctl::FileCaps->remove($path); 1 },
        'FileCaps->find'           => sub { Linux::Prctl::FileCaps->find('/etc/security', $path, { found => sub { } }); 1 },
        'Status->current'          => sub { Linux::Prctl::Status->current->as_hash; 1 },
        'Status->of'               => sub { Linux::Prctl::Status->of(1)->report; 1 },
        'Status->all'              => sub { my @all = Linux::Prctl::Status->all(facts => ['pid'], with => 'kill'); 1 },
        'Status->threads'          => sub { my @threads = Linux::Prctl::Status->threads($$); 1 },
        'Status->after_exec'       => sub { Linux::Prctl::Status->current->after_exec('/bin/true')->report; 1 },
        'spawn'                    => sub { spawn(command => ['/bin/true'], stdout => '/dev/null', stderr => '/dev/null', no_new_privs => 1) },
        'setpriv'                  => sub {
            setpriv(reuid => 1001, regid => 1001, clear_groups => 1, ambient_caps => ['kill'], no_new_privs => 1)
        },
        'setpriv-nothing'         => sub { setpriv(no_new_privs => 1) },
    );
    return \%operation;
}

# What must be true after an operation that says it was done.
my %EFFECT = (
    'cap_effective->drop'      => sub { my ($now) = @_; !has($now, CapEff => 5) },
    'cap_permitted->limit'     => sub { my ($now) = @_; !has($now, CapPrm => 5) },
    'cap_inheritable->replace' => sub { my ($now) = @_; has($now, CapInh => 5) && !has($now, CapInh => 0) },
    'capbset->limit'           => sub { my ($now) = @_; !has($now, CapBnd => 0) },
    'CapState->set_current'    => sub { my ($now) = @_; !has($now, CapEff => 0) && has($now, CapEff => 5) },
    'setpriv'                  => sub {
        my ($now) = @_;
        $now->{Uid} eq "1001\t1001\t1001\t1001" && $now->{CapPrm} =~ /\A0{14}20\z/ && $now->{NoNewPrivs};
    },
    'setpriv-nothing'          => sub { my ($now) = @_; $now->{NoNewPrivs} },
    set_no_new_privs           => sub { my ($now) = @_; $now->{NoNewPrivs} },
    'FileCaps->set'            => sub { my ($now, $path) = @_; (Linux::Prctl::FileCaps->get($path) // '') eq 'cap_kill=ep' },
    'FileCaps->remove'         => sub { my ($now, $path) = @_; !Linux::Prctl::FileCaps->get($path) },

    # Nobody has waited for it: it is there, or what is left of it.
    'spawn' => sub {
        my ($now, undef, $program) = @_;
        my %program = eval { TestChild::proc_status("/proc/$program/status") };
        ($program{PPid} // -1) == $now->{Pid};
    },
);

# What must be there before, and after an operation that died.
my %BEFORE = (
    'FileCaps->set'    => sub { Linux::Prctl::FileCaps->remove($_[0]) },
    'FileCaps->remove' => sub { Linux::Prctl::FileCaps->from_text('cap_chown=p')->set($_[0]) },
);
my %DIED = (
    'spawn' => sub {
        my ($now) = @_;
        open my $in, '<', "/proc/$now->{Pid}/task/$now->{Pid}/children" or return 1;
        return !defined <$in>;
    },
);

sub has {
    my ($now, $set, $bit) = @_;
    return substr reverse(unpack 'B64', pack 'H16', $now->{$set}), $bit, 1;
}

# Those of them that an operation makes: behind a listener that lets the kernel have them.
sub calls_of {
    my ($operation) = @_;
    my %name = reverse %CALL;
    my ($calls) = Seccomp::supervised([ values %CALL ], sub { return }, sub {
        local $SIG{__WARN__} = sub { };
        eval { $operation->() };
        return 1;
    });
    my %made = map { $name{ Seccomp::number_of($_->{syscall}) } => 1 } @$calls;
    my @made = sort keys %made;
    return @made;
}

sub started_by {
    my ($pid) = @_;
    open my $in, '<', "/proc/$pid/task/$pid/children" or return;
    return split ' ', <$in> // '';
}

# One operation behind one filter, in a child: what is wrong, or nothing. The truth comes
# from outside, and was not filtered.
sub behind_filters {
    my ($name, $operation, $call, $answer, $path) = @_;
    $BEFORE{$name}->($path) if $BEFORE{$name};
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        close $from;
        local $SIG{SYS} = sub { };
        local $SIG{__WARN__} = sub { };
        require Carp;
        Seccomp::install_program(Seccomp::program([ $CALL{$call}, $ANSWER{$answer} ]));
        $! = 0;
        my $got   = eval { $operation->() };
        my $error = $@;
        my $errno = $! + 0;
        my $said  = length $error ? 'died' : !defined $got ? 'undef' : $got eq '-1' ? 'failed' : 'done';
        syswrite $to, "$said $errno " . (($got // '') =~ /\A([0-9]+)\z/ ? $1 : 0) . " $error";
        sleep 60;
        POSIX::_exit(0);
    }
    close $to;
    vec(my $ready = '', fileno $from, 1) = 1;
    my $ends = select $ready, undef, undef, 120;
    my $said = '';
    sysread $from, $said, 65536 if $ends;
    my %now = eval { TestChild::proc_status("/proc/$pid/status") };
    my ($how, $errno, $got, $error) = $said =~ /\A(\w+) (\d+) (\d+) (.*)/s;
    my $checks = !defined $how || !%now ? undef : $how eq 'done' ? $EFFECT{$name} : $how eq 'died' ? $DIED{$name} : undef;
    my $is_so  = $checks && $checks->(\%now, $path, $got);
    kill KILL => started_by($pid), $pid;    # a program behind a filter may not know how to end
    waitpid $pid, 0;
    return 'waits for ever' if !$ends;
    if (!defined $how) {
        my $signal = $? & 127;
        # With all signals blocked, a trap is the end; and some of perl's own calls are.
        return '' if $answer eq 'a trap' && $signal == POSIX::SIGSYS();
        return "ended by signal $signal, status $?" if $signal != 9;
        return '';
    }
    return "$how, and \$! is 0: $error" if $how ne 'done' && $how ne 'undef' && !$errno;
    return "an error that is none: $error" if $how eq 'died' && $error =~ /: (?:Success)?(?: at|;|\()/;
    return '' if !$checks || $is_so;
    # Of a change that was only pretended, a function says what the kernel said.
    return '' if $answer eq 'a pretended success' && $name !~ /setpriv|spawn|FileCaps/;
    return "$how, and it is not: " . join ' ', map {"$_=$now{$_}"} qw(Uid CapEff CapPrm CapInh CapBnd NoNewPrivs);
}

1;

