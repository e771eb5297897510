use 5.014;
use warnings;

use Errno qw(EBADF EINVAL EIO EISDIR ELOOP ENOENT EOPNOTSUPP EPERM EROFS);
use Fcntl qw(:mode);
use File::Copy qw(copy);
use File::Temp;
use Linux::Prctl qw(:all);
use Linux::Prctl::FileCaps;
use POSIX ();
use Socket;
use Test::More;

use lib 't/lib';
use Seccomp qw(no_listener supervised);
use SystemCalls qw(no_sys sys);
use TestChild qw(in_child proc_status);

my $CLASS = 'Linux::Prctl::FileCaps';
my $dir   = File::Temp->newdir;
chmod 0755, $dir or die "$dir: $!\n";

# The numbers of system calls that perl has no functions for.
my %generic = (setxattr => 5, fsetxattr => 7, removexattr => 14, fremovexattr => 16);
my %numbers = (
    x86_64 => { setxattr => 188, fsetxattr => 190, removexattr => 197, fremovexattr => 199 },
    s390x   => { setxattr => 224, fsetxattr => 226, removexattr => 233, fremovexattr => 235 },
    ppc64le => { setxattr => 209, fsetxattr => 211, removexattr => 218, fremovexattr => 220 },
    map { $_ => \%generic } qw(aarch64 riscv64 loongarch64),
);
my $calls = length pack('p', '') == 8 ? $numbers{ (POSIX::uname())[4] } : undef;

# The C library's words.
sub text_of { local $! = shift; return "$!" }

sub dies_of {
    my ($code) = @_;
    return 'lived' if eval { $code->(); 1 };
    my $error = $@;
    return $error =~ s/ at \Q$0\E line \d+\.\n\z//r;
}

sub new_file {
    my ($name, $mode) = @_;
    open my $out, '>', "$dir/$name" or die "$name: $!\n";
    print {$out} "a file\n";
    close $out or die "$name: $!\n";
    chmod $mode // 0644, "$dir/$name" or die "$name: $!\n";
    return "$dir/$name";
}

# Runs perl with the module in namespaces of its own, after the commands of a shell.
# Returns its lines, or nothing where there are no such namespaces.
sub in_namespaces {
    my ($options, $setup, $code, @args) = @_;
    my @command = ('unshare', @$options, 'sh', '-c', "$setup && exec \"\$@\"", 'sh',
        $^X, (map { "-I$_" } grep { !ref } @INC), '-MLinux::Prctl::FileCaps', '-e', $code, @args);
    my $pid = open(my $out, '-|') // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>', '/dev/null';
        exec @command or POSIX::_exit(127);
    }
    chomp(my @lines = <$out>);
    close $out;
    return @lines;
}

# ---- what is no regular file, and what is not there ----

my $file = new_file('file');
symlink 'file',    "$dir/link"     or die "symlink: $!\n";
symlink 'nowhere', "$dir/dangling" or die "symlink: $!\n";
POSIX::mkfifo("$dir/fifo", 0600) or die "fifo: $!\n";
mkdir "$dir/directory" or die "mkdir: $!\n";
socket my $socket, AF_UNIX, SOCK_STREAM, 0 or die "socket: $!\n";
bind $socket, pack_sockaddr_un("$dir/socket") or die "bind: $!\n";

my $some = $CLASS->from_text('cap_net_bind_service=ep');
for my $row (
    [ link      => ELOOP,  'it is a symbolic link: with follow => 1 it is followed' ],
    [ dangling  => ELOOP,  'it is a symbolic link: with follow => 1 it is followed' ],
    [ fifo      => EINVAL, 'it is a fifo, not a regular file' ],
    [ directory => EISDIR, 'it is a directory, not a regular file' ],
    [ socket    => EINVAL, 'it is a socket, not a regular file' ],
    [ '../../../../../../dev/null' => EINVAL, 'it is a device, not a regular file' ],
    [ nowhere   => ENOENT, undef ],
) {
    my ($name, $errno, $why) = @$row;
    for my $method (
        [ get    => sub { $CLASS->get("$dir/$name") } ],
        [ set    => sub { $some->set("$dir/$name") } ],
        [ remove => sub { $CLASS->remove("$dir/$name") } ],
    ) {
        my ($title, $code) = @$method;
        local $! = 0;
        my $error = dies_of($code);
        is($! + 0, $errno, "$title of $name: \$!");
        my $said = do { local $! = $errno; "$!" };
        is($error, "$title(\"$dir/$name\"): $said" . ($why ? " ($why)" : ''), 'and the message');
    }
}
is($CLASS->get($file), undef, 'get of a file without capabilities');
is_deeply([ $CLASS->get($file) ], [undef], 'one undef, in a list too');

{
    my $before = () = glob '/proc/self/fd/*';
    eval { $CLASS->get($_) } for ("$dir/fifo", "$dir/link", $file, '/proc/version') x 50;
    eval { $some->set('/proc/version') } for 1 .. 50;
    my $after = () = glob '/proc/self/fd/*';
    is($after, $before, 'no descriptor is left open');
}
SKIP: {
    skip no_listener(), 1 if length no_listener();
    my ($open, $openat, $O_CLOEXEC) = (2, 257, 02000000);    # where the listener works; musl's open(3) is 2
    for my $method ([ get => sub { $CLASS->get($file) } ], [ set => sub { $some->set($file) } ],
        [ remove => sub { $CLASS->remove($file) } ], [ follow => sub { $CLASS->get("$dir/link", follow => 1) } ])
    {
        my ($name, $code) = @$method;
        my ($calls) = supervised([ $open, $openat ], sub { return }, sub { eval { $code->() }; 1 });
        is_deeply([ map { $_->{args}[ $_->{syscall} eq $open ? 1 : 2 ] & $O_CLOEXEC ? 1 : 0 } @$calls ], [1],
            "$name: no program that another thread starts inherits the file");
    }
}

# ---- bad input ----

for my $path (undef, "$file\0", "$dir/\x{20ac}", [], {}, \1) {
    my $shown = ref $path || ($path // 'undef') =~ s/\0/\\0/r =~ s/\x{20ac}/euro/r;
    for my $row ([ get => sub { $CLASS->get($path) } ], [ set => sub { $some->set($path) } ],
        [ remove => sub { $CLASS->remove($path) } ])
    {
        my ($method, $code) = @$row;
        local $! = 77;
        like(dies_of($code), qr/\A$method: path /, "$method: no path $shown");
        is($! + 0, EINVAL, 'and $! is EINVAL');
    }
}
{
    open my $closed, '<', $file or die "$file: $!\n";
    close $closed;
    open my $memory, '<', \my $buffer or die "memory: $!\n";
    opendir my $listing, $dir or die "$dir: $!\n";
    no warnings 'once';
    for my $row ([ closed => $closed ], [ 'in memory' => $memory ], [ 'of a directory' => $listing ],
        [ 'never opened' => \*NEVER ])
    {
        my ($what, $handle) = @$row;
        for my $row ([ get => sub { $CLASS->get($handle) } ], [ set => sub { $some->set($handle) } ],
            [ remove => sub { $CLASS->remove($handle) } ])
        {
            my ($method, $code) = @$row;
            local $! = 77;
            is(dies_of($code), "$method: the handle is not that of an open file",
                "$method: a handle that is $what");
            is($! + 0, EBADF, 'and $! is EBADF');
        }
    }
}
is(dies_of(sub { $CLASS->get }), 'Usage: Linux::Prctl::FileCaps::get(class, file, ...)', 'get of nothing');
is($CLASS->get("$dir/f\x{f6}"), undef, 'a path of bytes, utf-8 inside of perl or not')
    for map { my $name = new_file("f\x{f6}"); utf8::upgrade($name); $name } 1;

# ---- a symbolic link that is to be followed ----

for my $row (
    [ get    => sub { $CLASS->get(@_) } ],
    [ set    => sub { $some->set(@_) } ],
    [ remove => sub { $CLASS->remove(@_) } ],
) {
    my ($method, $code) = @$row;
    local $! = 0;
    my $error = dies_of(sub { $code->("$dir/dangling", follow => 1) });
    is($! + 0, ENOENT, "$method: follow, to nowhere");
    is($error, "$method(\"$dir/dangling\"): No such file or directory", 'and the message');
    like(dies_of(sub { $code->("$dir/link", follow => 0) }), qr/follow => 1/, "$method: follow => 0");
    symlink '/proc/self/status', "$dir/process" or die "symlink: $!\n" if !-l "$dir/process";
    like(dies_of(sub { $code->("$dir/process", follow => 1) }), qr{\A\w+\("\Q$dir\E/process" -> "/proc/$$/status"\): },
        "$method: follow, and where that led to") if $method eq 'set';
    like(dies_of(sub { $code->("$dir/link", FOLLOW => 1) }),
        qr/\A$method: the option "FOLLOW" is not follow\z/, "$method: another option");
    like(dies_of(sub { $code->("$dir/link", undef, 1) }),
        qr/\A$method: the option undef is not follow\z/, "$method: no option");
    like(dies_of(sub { $code->("$dir/link", 'follow') }), qr/\AUsage: .*::$method\(.*, file, follow => 0\)\z/,
        "$method: an option without a value");
    like(dies_of(sub { $code->("$dir/link", follow => $_) }),
        qr/\A$method: follow is neither true, false nor a reference to a variable\z/,
        "$method: follow that cannot be told") for \1, [], {}, sub { };
}
symlink 'directory', "$dir/to-directory" or die "symlink: $!\n";
like(dies_of(sub { $CLASS->get("$dir/to-directory", follow => 1) }),
    qr/Is a directory \(it is a directory, not a regular file\)\z/, 'follow to a directory');
{
    package Shifty;
    use overload '""' => sub { $_[0][0]->() };
}
{
    my $led_to = 'as it was';
    is($CLASS->get("$dir/link", follow => \$led_to), undef, 'get of the file that a link leads to');
    is($led_to, "$dir/file", 'which is told');
    $CLASS->get($file, follow => \$led_to);
    is($led_to, $file, 'also where there was no link');
    open my $handle, '<', $file or die "$file: $!\n";
    $CLASS->get($handle, follow => \$led_to);
    is($led_to, undef, 'a handle leads nowhere');
    my $held = \my $variable;
    my $shifty = bless [ sub { undef $held; "$dir/link" } ], 'Shifty';
    $CLASS->get($shifty, follow => $held);
    is($variable, "$dir/file", 'a path that takes the reference away');
}

# ---- no xattrs, no /proc ----

SKIP: {
    skip 'no /proc/version', 5 if !-f '/proc/version';
    is($CLASS->get('/proc/version'), undef, 'none where the file system has no attributes');
    ok(!$CLASS->remove('/proc/version'), 'and nothing to remove') if $> == 0;
    local $! = 0;
    like(dies_of(sub { $some->set('/proc/version') }),
        qr{\Aset\("/proc/version"\): (?:\Q@{[ text_of(EOPNOTSUPP) ]}\E|\Q@{[ text_of(EPERM) ]}\E)}, 'set there dies');
}
SKIP: {
    my @lines = in_namespaces([ $> ? '-Urm' : '-m' ], 'mount -t tmpfs none /proc', <<'END', $file);
        print eval { Linux::Prctl::FileCaps->get($ARGV[0]); 'lived' } // $@;
        open my $in, '<', $ARGV[0] or die;
        print Linux::Prctl::FileCaps->get($in) // 'none', "\n";
END
    skip 'no mount namespace', 2 if @lines < 2;
    like($lines[0], qr{No such file or directory \(a path needs /proc; a handle does not\)},
        'no /proc: a path needs it');
    is($lines[1], 'none', 'a handle does not');
}

# What is at /proc can be anything. As root of the machine or of a user namespace: what
# the calls say, and who has some afterwards.
sub jail {
    my ($name, @directories) = @_;
    my $jail = "$dir/$name";
    mkdir "$jail$_" or die "mkdir: $!\n" for '', @directories;
    copy($file, "$jail/$_") or die "copy: $!\n" for qw(file victim);
    return $jail;
}
my $in_jail = <<'END';
    sub in_jail {
        chroot $ARGV[0] and chdir '/' or die;
        my $some = Linux::Prctl::FileCaps->from_text('cap_kill=ep');
        my @said = map { my $code = $_; eval { $code->(); 1 } ? 'lived' : $@ =~ /\((a path needs.*)\)/ }
            sub { $some->set('/file') }, sub { Linux::Prctl::FileCaps->get('/file') },
            sub { Linux::Prctl::FileCaps->remove('/file') };
        for my $name (qw(file victim)) {
            open my $in, '<', "/$name" or die;
            push @said, Linux::Prctl::FileCaps->get($in) // 'none';
        }
        print join('|', @said), "\n";
    }
END
my $untouched = join '|', ('a path needs /proc; a handle does not') x 3, 'none', 'none';

SKIP: {
    my $jail = jail('jail', '/proc', map { ("/proc/$_", "/proc/$_/fd") } qw(self thread-self));
    for my $self (qw(self thread-self)) {
        symlink '/victim', "$jail/proc/$self/fd/$_" or die "symlink: $!\n" for 0 .. 50;
    }
    my @lines = in_namespaces([ $> ? '-Urm' : '-m' ], 'true', "$in_jail in_jail()", $jail);
    skip 'no chroot', 1 if !@lines;
    is($lines[0], $untouched, 'a plain directory for /proc: no other file is taken');
}
SKIP: {
    my $jail = jail('jail-of-another', '/proc', '/proc/thread-self');
    my @lines = in_namespaces([ $> ? '-Urm' : '-m' ], 'true', $in_jail . <<'END', $jail);
        my ($jail) = @ARGV;
        pipe my $from, my $to or die;
        pipe my $wait, my $go or die;
        my $pid = fork // die;
        if (!$pid) {
            close $go;
            my @open = map { open my $in, '<', "$jail/victim" or die; $in } 1 .. 30;
            syswrite $to, 'x';
            sysread $wait, my $end, 1;
            exit;
        }
        sysread $from, my $ready, 1;
        system('mount', '--bind', "/proc/$pid", "$jail/proc/thread-self") == 0 or die;
        in_jail();
        close $go;
        waitpid $pid, 0;
END
    skip 'no bind mount in a chroot', 1 if !@lines;
    is($lines[0], $untouched, 'the descriptors of another process there: no other file is taken');
}

# ---- without the right ----

{
    my ($error, $errno) = in_child {
        cap_effective->clear;
        local $! = 0;
        (dies_of(sub { $some->set($file) }), $! + 0);
    };
    is($error, qq{set("$file"): Operation not permitted (setfcap is not effective)},
        'plain user: set without setfcap');
    is($errno, EPERM, 'and $!');
    # Between 5.17 and 6.11 a kernel with BPF among its security modules lets anybody do that.
    my $anybody = $calls && in_child {
        cap_effective->clear;
        my ($path, $name) = ("$file\0", "security.capability\0");    # the kernel's, so no constants
        syscall($calls->{removexattr}, $path, $name) == 0 || $! != EPERM;
    };
    my $removed = in_child { cap_effective->clear; dies_of(sub { $CLASS->remove($file) }) };
    if ($anybody) { is($removed, 'lived', 'plain user: and remove, which this kernel allows') }
    else { like($removed, qr/\Aremove\(.*Operation not permitted \(setfcap/, 'plain user: and remove') }
}

# ---- set, get, remove ----

my $can_set = eval { $some->set($file); 1 };
my $why_not = $@;

sub getcap {
    my ($path) = @_;
    my ($line) = grep { defined } `getcap -n '$path' 2>/dev/null`;
    return defined $line ? $line =~ s/\A\Q$path\E (?:= )?(.*?)\n?\z/$1/sr : undef;
}

SKIP: {
    skip "capabilities cannot be set here: $why_not", 1 if !$can_set;

    my $back = $CLASS->get($file);
    ok($back == $some, 'get gives what set wrote');
    ok($CLASS->remove($file), 'remove: there was something');
    is($CLASS->get($file), undef, 'and nothing is left');
    {
        local $! = 7;
        ok(!$CLASS->remove($file), 'nothing more to remove');
        is($! + 0, 7, 'which leaves $! alone');
    }

    open my $read, '<', $file or die "$file: $!\n";
    is($some->set($read), $some, 'set on a handle returns the object');
    ok($CLASS->get($read) == $some, 'get from it');
    ok($CLASS->get($file) == $some, 'is get from the path');
    ok($CLASS->get(*$read) == $some,     'a glob');
    ok($CLASS->get(*$read{IO}) == $some, 'and its IO');
    ok($CLASS->remove($read), 'remove from a handle');
    my $temporary = File::Temp->new(DIR => "$dir");
    unlink "$temporary" or die "unlink: $!\n";
    $some->set($temporary);
    ok($CLASS->get($temporary) == $some, 'a file that has lost its name');
    sysopen my $path_only, $file, 010000000 or die "O_PATH: $!\n";
    local $! = 0;
    like(dies_of(sub { $CLASS->get($path_only) }), qr/\Aget\(descriptor \d+\): Bad file descriptor\z/,
        'a handle that cannot be read from');
    is($! + 0, EBADF, 'and $!');

    my $hidden = new_file('hidden', 0111);
    $some->set($hidden);
    my ($opened, $got) = in_child {
        cap_effective->clear;
        (open(my $in, '<', $hidden) ? 1 : 0, $CLASS->get($hidden) . '');
    };
    is($opened, 0,       'a file that may be executed, not read');
    is($got,    "$some", 'has them all the same');
    $! = 7;
    $CLASS->get($file);
    $some->set($file);
    is($! + 0, 7, 'success leaves $! alone');

    $CLASS->remove($file);
    is($some->set("$dir/link", follow => \my $set), $some, 'set follows a link');
    is_deeply([ $set, $CLASS->get($file) . '' ], [ $file, "$some" ], 'to this file, which has them');
    ok($CLASS->get("$dir/link", follow => 1) == $some, 'get does');
    ok($CLASS->remove("$dir/link", follow => \my $removed), 'so does remove');
    is_deeply([ $removed, $CLASS->get($file) ], [ $file, undef ], 'from this file');

    # A thread with descriptors of its own: with the numbers that it uses for its files,
    # the others have another one open.
  SKIP: {
        skip 'this perl has no threads', 1 if !eval { require threads; 1 };
        skip no_sys(), 2 if no_sys();
        my $unshare = sys('unshare');
        my $victim = new_file('victim');
        my $said = in_child {
            my @open = map { open my $in, '<', $victim or die "$victim: $!\n"; $in } 1 .. 20;
            threads->create(sub {
                syscall($unshare, 0x400) == 0 or return "unshare: $!";    # CLONE_FILES
                POSIX::close(fileno $_) for @open;
                eval { $some->set($file); 1 } or return $@;
                return $CLASS->get($file) . '';
            })->join;
        };
        is($said, "$some", 'a thread with descriptors of its own sets those of its file');
        is_deeply([ map { my $caps = $CLASS->get($_); $caps && "$caps" } $victim, $file ], [ undef, "$some" ],
            'and of no other');
    }

  SKIP: {
        $some->set($file);
        my @lines = in_namespaces([ $> ? '-Urm' : '-m' ],
            'mount --bind "$6" "$6" && mount -o remount,bind,ro "$6"' =~ s/\$6/$dir/gr, <<'END', $file);
            print Linux::Prctl::FileCaps->get($ARGV[0]), "\n";
            print eval { Linux::Prctl::FileCaps->new->set($ARGV[0]); 'lived' } // $@;
END
        skip 'no read-only mount', 2 if @lines < 2;
        is($lines[0], "$some", 'a read-only mount: get');
        like($lines[1], qr/\Aset\(.*Read-only file system/, 'and set');
    }
}

# ---- beside setcap(8) and getcap(8), both ways ----

SKIP: {
    skip "capabilities cannot be set here: $why_not", 1 if !$can_set;
    skip 'no setcap or getcap', 1 if grep { system("command -v $_ >/dev/null 2>&1") } qw(setcap getcap);
    my @texts = ('cap_net_bind_service=ep', 'cap_chown,cap_kill=ei', 'cap_chown=p', 'cap_kill=i', '=ep',
        '=p', 'cap_chown=ep cap_kill=ei', 'cap_bpf,cap_chown=eip', 'cap_chown=eip cap_kill=ep');
    for my $text (@texts) {
        my $caps = $CLASS->from_text($text);
        $caps->set($file);
        is(getcap($file), "$caps", "getcap reads $text");
        system('setcap', $text, $file) == 0 or die "setcap failed\n";
        ok($CLASS->get($file) == $caps, 'setcap writes the same');
    }
  SKIP: {
        skip 'this setcap does not take the flag alone, as since libcap 2.7x', 1 if system("setcap =e '$file' 2>/dev/null") != 0;
        is($CLASS->get($file) . '', '=e', 'the flag alone');
    }
    system('setcap', '-r', $file);
    is($CLASS->get($file), undef, 'setcap -r leaves none');

    # Only the owner of a user namespace's ids may name its root.
  SKIP: {
        my $rooted = $CLASS->from_text('cap_chown=ep rootid=1000');
        eval { $rooted->set($file); 1 } or skip "user namespace: no other root id can be set here: $@", 3;
        is(getcap($file), 'cap_chown=ep [rootid=1000]', 'getcap reads the root id');
        system("setcap -n 1001 cap_kill=ep '$file'") == 0 or die "setcap failed\n";
        is($CLASS->get($file) . '', 'cap_kill=ep rootid=1001', 'and setcap writes one');
        system("setcap cap_kill=ep '$file'");
        is($CLASS->get($file) . '', 'cap_kill=ep', 'or none');
    }
}

# ---- what a kernel takes and hands out of bytes that are no such attribute ----

SKIP: {
    skip "capabilities cannot be set here: $why_not", 1 if !$can_set;
    skip 'the number of setxattr(2) is not known here', 1 if !$calls;
    my ($taken, $refused, $wrong) = (0, 0, 0);
    for my $length (0 .. 30) {
        for my $version (0 .. 4) {
            $CLASS->from_text('cap_kill=p')->set($file);
            my $bytes = join '', map { chr int rand 256 } 1 .. $length;
            substr($bytes, 0, 4) = pack 'V', $version << 24 if $version && $length >= 4;
            my $name = "security.capability\0";
            my $done = syscall($calls->{setxattr}, "$file\0", $name, $bytes, $length, 0) == 0;
            my $caps = eval { $CLASS->get($file) };
            my $error = $@;
            if ($done) { $taken++ } else { $refused++ }
            # Refused: nothing changed. Taken: read, or an error that says why.
            $wrong++ if !$done && ($caps // '') ne 'cap_kill=p';
            $wrong++ if $done && !$caps && $error !~ /\Aget\(.*: Invalid argument/;
        }
    }
    is($wrong, 0, "random attributes: the kernel took $taken and refused $refused");
}

# A kernel that says that it did what it did not, or says no.
sub with_lies {
    my ($code, $errno, @jumps) = @_;
    return in_child {
        set_no_new_privs(1);
        # struct sock_filter: load the number; these calls fail; all else is allowed
        @jumps = sort { $a <=> $b } values %$calls if !@jumps;
        my $filter = pack 'SCCL', 0x20, 0, 0, 0;
        $filter .= pack 'SCCL', 0x15, $#jumps - $_ + 1, 0, $jumps[$_] for 0 .. $#jumps;
        $filter .= pack('SCCL', 0x06, 0, 0, 0x7fff0000) . pack 'SCCL', 0x06, 0, 0, 0x00050000 | ($errno // 0);
        set_seccomp(SECCOMP_MODE_FILTER, $filter) == 0 or die "seccomp: $!\n";
        dies_of($code);
    };
}

SKIP: {
    skip "capabilities cannot be set here: $why_not", 1 if !$can_set;
    skip 'the numbers of the system calls are not known here', 1 if !$calls;
    skip 'no seccomp here', 1 if !eval { with_lies(sub { 1 }); 1 };
    $CLASS->remove($file);
    open my $handle, '<', $file or die "$file: $!\n";
    like(with_lies(sub { $some->set($file) }, EPERM), qr/\Aset\("\Q$file\E"\): Operation not permitted\z/,
        'filtered prctl: a refusal that setfcap has no part in');
    for my $target ($file, $handle) {
        my $by = ref $target ? 'handle' : 'path';
        like(with_lies(sub { $some->set($target) }),
            qr/\Aset\(.*\): \Q@{[ text_of(EIO) ]}\E \(the file has none afterwards\)\z/,
            "filtered prctl: set by $by that did nothing");
    }
    for my $target ($file, $handle) {
        my $by = ref $target ? 'handle' : 'path';
        my $number = $calls->{ ref $target ? 'fsetxattr' : 'setxattr' } + 3;    # the same with get
        like(with_lies(sub { $CLASS->get($target) }, EINVAL, $number),
            qr/\Aget\(.*\): Invalid argument \(its attribute is malformed, or of version 1/,
            "filtered prctl: get by $by of what the kernel hides");
        like(with_lies(sub { cap_effective->clear; $CLASS->get($target) }, EPERM, $number),
            qr/\Aget\(.*\): Operation not permitted\z/, "filtered prctl: get by $by takes no setfcap");
    }
    my $other = $CLASS->from_text('cap_kill=p');
    $other->set($file);
    for my $target ($file, $handle) {
        my $by = ref $target ? 'handle' : 'path';
        like(with_lies(sub { $some->set($target) }),
            qr/\Aset\(.*\(the file has "cap_kill=p" afterwards\)\z/, "filtered prctl: set by $by over others");
        like(with_lies(sub { $CLASS->remove($target) }),
            qr/\Aremove\(.*\(the file has "cap_kill=p" afterwards\)\z/, "filtered prctl: remove by $by");
    }
}

# Changed, and then nobody tells what is there.
SKIP: {
    skip "capabilities cannot be set here: $why_not", 1 if !$can_set;
    skip 'the numbers of the system calls are not known here', 1 if !$calls;
    skip 'no seccomp here', 1 if !eval { with_lies(sub { 1 }); 1 };
    for my $by ('path', 'handle') {
        open my $handle, '<', $file or die "$file: $!\n";
        my $target = $by eq 'path' ? $file : $handle;
        my $number = $calls->{ $by eq 'path' ? 'setxattr' : 'fsetxattr' } + 3;    # the same with get
        $CLASS->remove($file);
        like(with_lies(sub { $some->set($target) }, EPERM, $number),
            qr/\Aset\(.*\): Operation not permitted \(the file was changed, says the kernel, but it cannot be read back\)\z/,
            "filtered prctl: set by $by, which is not read back, says that the file was changed");
        is($CLASS->get($file), $some, '... and it was');
        like(with_lies(sub { $CLASS->remove($target) }, EPERM, $number),
            qr/\Aremove\(.*\): Operation not permitted \(the file was changed, says the kernel/, "filtered prctl: ... and remove");
        is($CLASS->get($file), undef, '... and it has none');
    }
}

# ---- execution ----

# What /proc/self/status says in a program that is executed with no capability and no
# privilege of root, but with the capabilities of its file.
my $program = "$dir/cat";
copy('/bin/cat', $program) or die "copy: $!\n";
chmod 0755, $program or die "chmod: $!\n";

sub executed {
    my ($prepare) = @_;
    return in_child {
        set_securebits(SECBIT_NOROOT) == 0 or die "noroot: $!\n" if !$>;
        $prepare->();
        pipe my $from, my $to or die "pipe: $!\n";
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            cap_permitted->clear;
            open STDOUT, '>&', $to;
            no warnings 'exec';
            exec { $program } 'cat', '/proc/self/status' or POSIX::_exit(127);
        }
        close $to;
        my %status = map { /\A(Cap\w+):\s*(\w+)/ ? ($1, $2) : () } <$from>;
        waitpid $pid, 0;
        # The lower halves, which have all that is granted here.
        return { status => $? >> 8, map { $_ => hex substr $status{$_}, -8 } keys %status };
    };
}

SKIP: {
    skip "capabilities cannot be set here: $why_not", 1 if !$can_set;
    my %own = proc_status();
    skip 'no new privs: no_new_privs is set', 1 if $own{NoNewPrivs};
    my $nothing = sub { cap_inheritable->clear };
    is(executed($nothing)->{CapPrm}, 0, 'a program without capabilities gains none');

    $CLASS->from_text('cap_chown,cap_kill=ep')->set($program);
    my $gained = executed($nothing);
    skip 'the file system is mounted nosuid', 1 if !$gained->{CapPrm};
    is($gained->{CapPrm}, 1 | 1 << 5, 'it gains permitted');
    is($gained->{CapEff}, 1 | 1 << 5, 'and effective');
    is($gained->{CapInh}, 0, 'and nothing else');

    $CLASS->from_text('cap_chown,cap_kill=p')->set($program);
    $gained = executed($nothing);
    is($gained->{CapPrm}, 1 | 1 << 5, 'without the flag: permitted');
    is($gained->{CapEff}, 0, 'is not effective');

    $CLASS->from_text('cap_chown,cap_kill=ei')->set($program);
    is(executed($nothing)->{CapPrm}, 0, 'inheritable needs that of the process');
    is(executed(sub { cap_inheritable->replace('kill') })->{CapEff}, 1 << 5, 'which it then gains');

    $CLASS->from_text('=e')->set($program);
    is(executed($nothing)->{CapPrm}, 0, 'the flag alone grants nothing');

    $some->set($program);
    is(executed(sub { cap_inheritable->clear; set_no_new_privs(1) })->{CapPrm}, 0,
        'no new privs: with no_new_privs it gains nothing');
    $CLASS->from_text('cap_chown,cap_kill=ep')->set($program);
    my $ended = executed(sub { cap_inheritable->clear; capbset->drop('kill') });
    isnt(delete $ended->{status}, 0, 'restricted root: what is outside the bounding set keeps the program');
    is_deeply($ended, {}, 'restricted root: from running at all');

    $CLASS->remove($program);
    is(executed($nothing)->{CapPrm}, 0, 'removed: gone');
}

# ---- user namespaces ----

my $NOBODY = 65_534;

# Runs code of perl as root of a user namespace that a plain user made.
sub as_root_of_nobody {
    my ($code, @args) = @_;
    my @command = ('setpriv', '--reuid', $NOBODY, '--regid', $NOBODY, '--clear-groups',
        'unshare', '-Ur', $^X, (map { "-I$_" } grep { !ref } @INC), '-MLinux::Prctl::FileCaps', '-e', $code, @args);
    my $pid = open(my $out, '-|') // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>', '/dev/null';
        exec @command or POSIX::_exit(127);
    }
    chomp(my @lines = <$out>);
    return close $out ? @lines : ();
}

SKIP: {
    skip 'user namespace: not root of the machine', 1
        if $> || !$can_set || !eval { $CLASS->from_text('= rootid=1000')->set($file); 1 };
    skip 'user namespace: a plain user has no user namespace here', 1 if !as_root_of_nobody('print 1');
    my $get = 'print eval { Linux::Prctl::FileCaps->get($ARGV[0]) } // $@';

    my $theirs = new_file('theirs');
    chown $NOBODY, $NOBODY, $theirs or die "chown: $!\n";
    is(join('', as_root_of_nobody('Linux::Prctl::FileCaps->from_text("cap_chown=ep")->set($ARGV[0]); '
                . $get, $theirs)),
        'cap_chown=ep', 'user namespace: set and get inside');
    like(join('', as_root_of_nobody('eval { Linux::Prctl::FileCaps->from_text("cap_kill=ep rootid=1000")'
                . '->set($ARGV[0]) }; print $@', $theirs)),
        qr/\): Invalid argument \(this user namespace has no such root id\)/, 'user namespace: not for a stranger');
    is($CLASS->get($theirs) . '', "cap_chown=ep rootid=$NOBODY", 'user namespace: have a root id outside');
    $CLASS->from_text("cap_kill=ep rootid=$NOBODY")->set($file);
    is(join('', as_root_of_nobody($get, $file)), 'cap_kill=ep', 'user namespace: set outside for that root');
    $CLASS->from_text('cap_kill=ep rootid=1000')->set($file);
    like(join('', as_root_of_nobody($get, $file)),
        qr/its root id is that of another user namespace/, 'user namespace: for another one');
}

done_testing;
