use 5.014;
use warnings;

use Config;
no warnings 'portable';    # masks of 64 bits

use File::Copy qw(copy);
use File::Temp;
use IO::Socket::INET;
use List::Util qw(shuffle);
use JSON::PP;
use Linux::Prctl ();
use POSIX ();
use Test::More;

use lib 't/lib';
use Manual qw(paragraphs);
use ReadableLib qw(use_readable_lib);
use TestChild qw(proc_status);

# Each program of the cookbook is run for what it promises: "=for program NAME" stands
# before it, and maybe the modules it wants (prctl.py is one of Python). A program that nothing here runs fails.

# ---- the programs ----

my $dir = File::Temp->newdir;
chmod 0755, $dir or die "$dir: $!\n";
my (%wants, %program, %display);
{
    my $name = '';
    for (map { $_->[1] } paragraphs('Linux::Prctl::Cookbook')) {
        if (/\A=for program (\S+)\s*(.*)/) {
            ($name, $wants{$1}) = ($1, [split ' ', $2]);
        } elsif (/\A=for display (\S+)/) {
            $name = "display $1";
        } elsif (/\A /) {
            $program{$name} .= s/^    //gmr . "\n\n" if $name;
        } else {
            $name = '';
        }
    }
}
for my $name (grep {/\Adisplay /} keys %program) {
    $display{ $name =~ s/\Adisplay //r } = delete $program{$name};
}
for my $name (keys %program) {
    open my $out, '>', "$dir/$name" or die "$dir/$name: $!\n";
    print {$out} $program{$name} or die "$dir/$name: $!\n";
    close $out or die "$dir/$name: $!\n";
}

use_readable_lib();

# The program for the shell, as installed.
mkdir "$dir/bin" or die "$dir/bin: $!\n";
copy('script/privs', "$dir/privs.pl") or die "$dir/privs.pl: $!\n";
open my $privs, '>', "$dir/bin/privs" or die "$dir/bin/privs: $!\n";
print {$privs} "#!/bin/sh\nexec $^X $dir/privs.pl \"\$@\"\n" or die "$dir/bin/privs: $!\n";
close $privs or die "$dir/bin/privs: $!\n";
chmod 0755, "$dir/bin", "$dir/bin/privs" or die "$dir/bin: $!\n";
$ENV{PATH} = "$dir/bin:$ENV{PATH}";

my %ran;

# Starts a program of the book (or any, by its path): pid and a handle on all it says.
sub start {
    my ($name, @arguments) = @_;
    $ran{$name}++;
    my @command = $program{$name} ? ($^X, "$dir/$name") : $name;
    my $pid = open my $out, '-|' // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT or POSIX::_exit(98);
        exec { $command[0] } @command, @arguments or POSIX::_exit(97);
    }
    return ($pid, $out);
}

sub run {
    my ($pid, $out) = start(@_);
    my $said = do { local $/; <$out> };
    close $out;
    return wantarray ? ($said // '', $? >> 8) : $said // '';
}

# A starter of the test's own: an ordinary user with these capabilities ambient.
sub run_as_nobody {
    my ($caps, @command) = @_;
    $ran{ $command[0] }++;
    unshift @command, $^X if $program{ $command[0] } && ($command[0] = "$dir/$command[0]");
    my $plan = 'reuid => q(nobody), regid => q(nogroup), clear_groups => 1, ambient_caps => [qw(' . $caps . ')]';
    return run($^X, '-MLinux::Prctl=setpriv', '-e', "setpriv($plan); exec {\$ARGV[0]} \@ARGV", @command);
}

# ---- what is to be had here ----

my %status = proc_status();
my $nobody = getpwnam('nobody') // -1;
sub has {
    my (@caps) = @_;
    return @caps == grep { Linux::Prctl::get_cap(0, $_) && Linux::Prctl::capbset_read($_) } @caps;
}
sub is_root {
    open my $map, '<', '/proc/self/uid_map' or return;
    my ($inside, $outside, $count) = split ' ', <$map>;
    return $> == 0 && $count > 65534 && has(qw(setuid setgid setpcap)) && getpwnam('nobody') && getgrnam 'nogroup';
}

# A module, of Perl or (with .py) of Python.
sub available {
    my ($module) = @_;
    return eval "require $module; 1" if $module !~ /\A(\w+)\.py\z/;
    return system("/usr/bin/python3 -c 'import $1' 2>/dev/null") == 0;
}

# Tests in a block of their own, if what they need is there. With ALL_RECIPES in the
# environment, a module that is not here is a failure.
sub recipe($$$) {
    my ($name, $need, $tests) = @_;
    my ($why) = ref $need ? $need->() : $need ? () : 'needs root with setuid, setgid and setpcap';
    if (!$why) {
        ($why) = grep { !available($_) } @{ $wants{$name} // [] };
        return fail("$name: $why is not here") if $why && $ENV{ALL_RECIPES};
    }
  SKIP: {
        $ran{$name} = 1, skip "$name: $why", 1 if $why;
        subtest $name => $tests;
    }
    return;
}

# ---- servers ----

# A port below 1024 that nobody has.
sub free_port {
    for my $port (shuffle 600 .. 1023) {    # others may run these tests at the same time
        my $socket = IO::Socket::INET->new(LocalPort => $port, Listen => 1, ReuseAddr => 1) or next;
        close $socket;    # before 5.24 it would live on until the caller's statement ends
        return $port;
    }
    die "no port below 1024 is free\n";
}

# The body of the answer; the server may not listen yet.
sub fetch {
    my ($port, $request) = @_;
    for (1 .. 600) {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
        select(undef, undef, undef, 0.05), next if !$socket;
        print {$socket} $request // "GET / HTTP/1.0\r\n\r\n";
        my $answer = do { local $/; <$socket> } // '';
        next if $answer eq '';    # it was about to start itself again
        return $answer =~ s/\A.*?\r\n\r\n//sr;
    }
    die "nobody listens at port $port\n";
}

sub served {
    my ($name, $port, $like, @more) = @_;
    my ($pid, $out) = start($name, $port, @more);
    my $answer = eval { fetch($port) };
    like($answer // $@, $like, 'it answers as the ordinary user') or kill(KILL => $pid), diag(<$out>), return;
    my %is = proc_status("/proc/$pid/status");
    my @caps = map { hex $is{"Cap$_"} } qw(Prm Eff Amb Bnd Inh);
    is((split ' ', $is{$_})[2], $_ eq 'Uid' ? $nobody : getgrnam 'nogroup', "saved $_") for qw(Uid Gid);
    return ($pid, $out, \@caps, $is{NoNewPrivs});
}

# In a network of one's own even lo may be down.
sub loopback {
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1) or return;
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $listen->sockport);
}
my $may_bind = sub {
    return 'needs root with setuid, setgid and setpcap' if !is_root();
    return 'needs net_bind_service' if !has('net_bind_service');
    return loopback() ? () : 'the network is down';
};

recipe 'port-80' => $may_bind, sub {
    my ($pid, $out, $caps, $nnp) = served('port-80', free_port(), qr/\Auid $nobody\n\z/, 'nobody') or return;
    is("@$caps $nnp", '0 0 0 0 0 1', 'it has no capability, and no way to one');
    my %is = proc_status("/proc/$pid/status");
    is($is{Name}, 'port-80', 'its name');
    kill KILL => $pid;
};

recipe 'jail' => sub { ($may_bind->(), has('sys_chroot') ? () : 'needs sys_chroot')[0] // () }, sub {
    my $root = File::Temp->newdir;
    mkdir "$root/only-this" or die "mkdir: $!\n";
    chmod 0755, $root or die "chmod: $!\n";
    my ($pid, $out, $caps, $nnp) = served('jail', free_port(), qr/\Auid $nobody: only-this\n\z/, 'nobody', "$root")
        or return;
    is("@$caps $nnp", '0 0 0 0 0 1', 'it has no capability, and no way to one');
    kill KILL => $pid;
};

recipe 're-exec' => $may_bind, sub {
    my $port = free_port();
    my ($pid, $out, $caps) = served('re-exec', $port, qr/\Auid $nobody: net_bind_service\n\z/, 'nobody') or return;
    is("@$caps", join(' ', (1024) x 5), 'one capability, and no way to another');
    kill HUP => $pid;
    is(eval { fetch($port) }, "uid $nobody: net_bind_service\n", 'it answers again behind SIGHUP');
    my $twice = 0;
    $twice += eval { fetch($port) } eq "uid $nobody: net_bind_service\n" for 1 .. 3;
    is($twice, 3, 'and goes on');
    kill KILL => $pid;
};

recipe 'net-server' => $may_bind, sub {
    my ($pid, $out, $caps, $nnp) = served('net-server', free_port(), qr/\Auid $nobody\r\n\z/) or return;
    is("@$caps $nnp", '0 0 0 0 0 1', 'it has no capability, and no way to one');
    kill KILL => $pid;
};

recipe 'mojolicious' => $may_bind, sub {
    my ($pid, $out, $caps, $nnp) = served('mojolicious', free_port(), qr/\Auid $nobody\n\z/) or return;
    is("@$caps $nnp", '0 0 0 0 0 1', 'it has no capability, and no way to one');
    kill KILL => $pid;
};

# A zombie waits for init, but lives no more.
sub lives {
    my ($pid) = @_;
    my %is = eval { proc_status("/proc/$pid/status") };
    return ($is{State} // 'X') !~ /\A[XZ]/;
}

recipe 'pool' => 1, sub {
    my ($pid, $out) = start('pool', 2);
    my %worker = map { scalar(<$out>) =~ /worker (\d) is (\d+)/ } 1 .. 2;
    is_deeply([sort keys %worker], [1, 2], 'two workers');
    kill KILL => $worker{1};
    my ($again, $new) = scalar(<$out>) =~ /worker (\d) is (\d+)/;
    is($again, 1, 'one that is killed is started again');
    for my $ready ($worker{2}, $new) {    # their name is the last thing they set
        my %is;
        select(undef, undef, undef, 0.02), %is = proc_status("/proc/$ready/status")
            until ($is{Name} // '') =~ /\Aworker/;
    }
    kill KILL => $pid;
    my $rest = do { local $/; <$out> };    # until the last of them is gone
    is($rest // '', '', 'and all end with their parent');
    close $out;
    for (1 .. 600) {
        last if !grep { lives($_) } $worker{2}, $new;
        select undef, undef, undef, 0.05;
    }
    is_deeply([grep { lives($_) } $worker{2}, $new], [], '... really');
};

recipe 'supervise' => 1, sub {
    my $orphan = q{exec >/dev/null; sleep 1; exit 3};
    my ($said, $status) = run('supervise', 'sh', '-c', "sh -c '$orphan' & exit 7");
    is($said, "the command: exit 7\nan orphan: exit 3\n", 'it waits for both');
    is($status, 0, 'and ends');
};

recipe 'helpers' => is_root(), sub {
    local $ENV{PATH} = '/usr/bin:/bin';
    my @said = split /\n/, scalar run('helpers', 20, 'sh', '-c', "test \$(id -u) = $nobody && echo \$0");
    is(pop @said, 'all went well', 'all of them went well');
    is_deeply([sort { $a <=> $b } @said], [1 .. 20], 'and each ran as another user');
    like(run('helpers', 3, 'no-such-program'), qr/\Ahelper 1: spawn: exec of no-such-program: No such file.*\n1 failed\n\z/,
        'an error is heard in the parent');
    is(run('helpers', 2, 'false'), "2 failed\n", 'and so is a status');
};

recipe 'as-expected' => is_root(), sub {
    is(run('as-expected'), "do not run me as root\n", 'root is refused');
    is(run_as_nobody('chown', 'as-expected'), "too much: chown\n", 'too much is refused');
    is(run_as_nobody('', 'as-expected'), "no_new_privs is off\n", 'and so is a way back')
        if !$status{NoNewPrivs};
    my $plan = q{setpriv(reuid => 'nobody', regid => 'nogroup', clear_groups => 1, no_new_privs => 1,}
        . q{ambient_caps => ['chown'])};
    is(run($^X, '-MLinux::Prctl=setpriv', '-e', "$plan; exec \@ARGV", $^X, "$dir/as-expected", 'chown'),
        "as expected\n", 'the right one is not');
};

# The unit is text; what it says of each key must come of the program that is its plan.
recipe 'unit-plan' => sub { is_root() ? has('net_bind_service') ? getpwnam 'www-data' ? () : 'needs the user www-data'
    : 'needs net_bind_service' : 'needs root with setuid, setgid and setpcap' }, sub {
    my %key = $display{unit} =~ /^(\w+)=(.+)$/mg;
    like($key{ExecStart}, qr{\A/}, 'the unit has a program');
    my %comment = $program{'unit-plan'} =~ /^\s*# (\w+)=(.+)$/mg;
    is_deeply(\%comment, { map { ($_ => $key{$_}) } grep { $_ ne 'ExecStart' } keys %key }, 'each of its keys is in the plan');
    my %is = run('unit-plan', 'cat', '/proc/self/status') =~ /^(\w+):\s*(.*)$/mg;
    my ($uid, $gid) = (getpwnam $key{User})[2, 3];
    is($is{Uid}, join("\t", ($uid) x 4), 'User=: the user');
    is($is{Gid}, join("\t", ($gid) x 4), 'User=: its group');
    my $mask = sub { my $m = 0; $m |= 2**Linux::Prctl::cap_number($_) for split ' ', shift; return sprintf '%016x', $m };
    is($is{CapAmb}, $mask->($key{AmbientCapabilities}),   'AmbientCapabilities=');
    is($is{CapBnd}, $mask->($key{CapabilityBoundingSet}), 'CapabilityBoundingSet=');
    is($is{NoNewPrivs}, $key{NoNewPrivileges} eq 'yes' ? 1 : 0, 'NoNewPrivileges=');
    my $command = $display{'unit-privs'} =~ s{\Q$key{ExecStart}\E$}{cat /proc/self/status}mr;
    my $of = sub { join '', sort $_[0] =~ /^((?:Uid|Gid|Groups|Cap\w+|NoNewPrivs):.*\n)/mg };
    is($of->(scalar run('sh', '-c', $command)), $of->(scalar run('unit-plan', 'cat', '/proc/self/status')),
        'privs run does the same');
    my $bits = 0;
    $bits |= Linux::Prctl->can('SECBIT_' . uc s/-/_/gr)->() for split ' ', $key{SecureBits};
    is(run('unit-plan', $^X, '-MLinux::Prctl=get_securebits', '-e', 'print get_securebits'), $bits, 'SecureBits=');
    is(run('unit-plan', $^X, "$dir/as-expected", 'net_bind_service'), "as expected\n",
        'and the program of the next recipe is content');
};

# ---- jobs ----

my $secret = "$dir/secret";
{
    open my $file, '>', $secret or die "$secret: $!\n";
    print {$file} "a secret\n";
    close $file;
    chmod 0, $secret or die "$secret: $!\n";
}

recipe 'backup' => is_root() && has('dac_read_search'), sub {
    my $data = File::Temp->newdir;
    system('cp', '-p', $secret, "$data/secret");
    my ($pid, $out) = start('backup', "$data");
    open my $archive, '>', "$dir/archive" or die "archive: $!\n";
    print {$archive} do { local $/; <$out> };
    close $archive;
    close $out;
    is($?, 0, 'tar is content');
    is(`tar -xOf '$dir/archive' ./secret`, "a secret\n", 'and has what nobody may read');
};

recipe 'one-statement' => is_root() && has('dac_read_search'), sub {
    is(run_as_nobody('dac_read_search', 'one-statement', $secret), "a secret\nand not again: Permission denied\n",
        'it reads once');
    my $command = $display{'one-statement-privs'} =~ s{perl \./(one-statement) \S+}{$^X $dir/$1 $secret}r;
    is(run('sh', '-c', $command), "a secret\nand not again: Permission denied\n", 'and as it says');
};

recipe 'lock-down' => is_root(), sub {
    my $said = run('lock-down', 'cat', '/proc/self/status');
    my %is = $said =~ /^(\w+):\s*(.*)$/mg;
    like($is{Uid}, qr/\A$nobody(\s+$nobody){3}\z/, 'another user');
    is_deeply([map { hex $is{"Cap$_"} } qw(Inh Prm Eff Bnd Amb)], [(0) x 5], 'no capability anywhere');
    is($is{NoNewPrivs}, 1, 'no_new_privs');
    is(run('lock-down', $^X, '-MLinux::Prctl=get_securebits', '-e', 'print get_securebits'),
        0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80, 'securebits, locked');
};

# Asks to be traced.
my $traceme = q{require POSIX; my %n = (x86_64 => 101, aarch64 => 117, riscv64 => 117);}
    . q{my $n = length pack('P', 0) == 4 ? 26 : $n{(POSIX::uname())[4]} // 26; print syscall($n, 0, 0, 0, 0) == 0 ? 'traced' : $! + 0}
    . q{; print ' ', getppid > 0 ? 'and goes on' : ''};
recipe 'no-ptrace' => sub {
    return 'there is a filter already' if $status{Seccomp};
    return 'this perl of 32 bits calls itself one of 64' if $Config{archname} =~ /\Ax86_64/ && $Config{ptrsize} == 4;
    return;
}, sub {
    is(run($^X, '-e', $traceme), 'traced and goes on', 'ptrace works') or return;
    is(run('no-ptrace', $^X, '-e', $traceme), POSIX::EPERM() . ' and goes on', 'and not behind the filter');
    is(run('no-ptrace', 'sh', '-c', 'grep NoNewPrivs /proc/self/status'), "NoNewPrivs:\t1\n",
        'where other programs run');
};

recipe 'filter.py' => sub { return $status{Seccomp} ? 'there is a filter already' : () }, sub {
    $ran{'filter.py'}++;
    my ($said, $wrong) = run('/usr/bin/python3', "$dir/filter.py", "$dir/filter");
    is("$said$wrong", '0', 'Python writes a file') or return;
    my $behind = q{setpriv(no_new_privs => 1, seccomp_filter => { file => shift }); exec {$ARGV[0]} @ARGV};
    is(run($^X, '-MLinux::Prctl=setpriv', '-e', $behind, "$dir/filter", $^X, '-e', $traceme),
        POSIX::EPERM() . ' and goes on', 'which setpriv takes');
};

# A program of our own, on a file system that keeps attributes.
sub program {
    my ($name) = @_;
    my ($cat) = grep { -x } '/bin/cat', '/usr/bin/cat';
    copy($cat, "$dir/$name") or die "$dir/$name: $!\n";
    chmod 0755, "$dir/$name" or die "$dir/$name: $!\n";
    return "$dir/$name";
}

my $nosuid = sub {
    return 'needs root with setuid, setgid and setpcap' if !is_root();
    return 'needs setfcap and dac_read_search' if !has(qw(setfcap dac_read_search));
    my $cat = program('probe');
    require Linux::Prctl::FileCaps;
    eval { Linux::Prctl::FileCaps->from_text('cap_dac_read_search=ep')->set($cat); 1 }
        or return "files here have no capabilities: $@";
    return run_as_nobody('', $cat, $secret) =~ /secret\n\z/ ? () : 'this is a nosuid mount, or a filter';
};

recipe 'instead-of-setuid' => $nosuid, sub {
    my $cat = program('cat');
    chmod 04755, $cat or die "$cat: $!\n";
    is(run('instead-of-setuid', $cat, 'cap_dac_read_search=ep'), "$cat: 0755, cap_dac_read_search=ep\n",
        'it loses the bit and gets the capability');
    is(run_as_nobody('', $cat, $secret), "a secret\n", 'which is enough');
    my ($said, $status) = run('instead-of-setuid', $cat, 'bogus=ep');
    like($said, qr/bogus/, 'a wrong text is heard');
    is(run_as_nobody('', $cat, $secret), "a secret\n", 'before anything is changed');
};

recipe 'wrapper' => $nosuid, sub {
    my $cat = program('agrees');
    require Linux::Prctl::FileCaps;
    Linux::Prctl::FileCaps->from_text('cap_dac_read_search=ie')->set($cat);
    is(run('wrapper', 'dac_read_search', $cat, $secret), "a secret\n", 'the file and the wrapper agree');
    like(run_as_nobody('', $cat, $secret), qr/Permission denied/, 'the file alone is not enough');
    like(run('wrapper', 'dac_read_search', 'cat', $secret), qr/Permission denied/, 'nor the wrapper');
};

# ---- looking ----

recipe 'who-holds' => 1, sub {
    my ($pid, $out) = start($^X, '-MLinux::Prctl=:sets', '-e', '$| = 1; print "here\n"; sleep 600');
    <$out>;
    my %is   = proc_status("/proc/$pid/status");    # perl, or debugperl, or as it was installed
    my $has  = eval { Linux::Prctl::get_cap(1, 'chown') };
    my $said = run('who-holds', 'CAP_CHOWN');
    is(scalar($said =~ /^ *$pid +$> \Q$is{Name}\E\b/m) ? 1 : 0, $has, 'a process that has it is listed, and no other');
    kill KILL => $pid;
};

recipe 'grants' => $nosuid, sub {
    my $tree = "$dir/tree";
    mkdir $tree or die "$tree: $!\n";
    for my $name (qw(plain caps suid)) {
        copy(program('x'), "$tree/$name") or die "copy: $!\n";
    }
    chmod 04755, "$tree/suid" or die "chmod: $!\n";
    symlink 'caps', "$tree/link" or die "symlink: $!\n";
    require Linux::Prctl::FileCaps;
    Linux::Prctl::FileCaps->from_text('cap_kill=p')->set("$tree/caps");
    is(join('', sort split /^/, run('grants', $tree)), "$tree/caps: cap_kill=p\n$tree/suid: set-user-ID\n",
        'it finds what there is, and follows no link');
};

recipe 'what-after' => $nosuid, sub {
    my $suid = program('suid-root');
    chmod 04755, $suid or die "$suid: $!\n";
    my $plain = program('plain');
    my $caps  = program('with-caps');
    require Linux::Prctl::FileCaps;
    Linux::Prctl::FileCaps->from_text('cap_kill=ep')->set($caps);
    is(ask_for_nobody($plain), "nothing changes\n", 'a plain program');
    is(ask_for_nobody($caps), "effective, gained: kill\npermitted, gained: kill\n", 'one with a capability');
    like(ask_for_nobody($suid), qr/^effective, gained: chown .*^effective uid: 0\n/ms, 'set-user-ID root');
    like(ask_for_nobody("$dir/none"), qr/could not even start: after_exec.*No such file/, 'none');
};

# what-after of a process of nobody's that waits.
sub ask_for_nobody {
    my ($file) = @_;
    my $plan = 'setpriv(reuid => q(nobody), regid => q(nogroup), clear_groups => 1)';
    my ($pid, $out) = start($^X, '-MLinux::Prctl=setpriv', '-e', "$plan; \$| = 1; print qq(here\\n); sleep 600");
    <$out>;
    my $said = run('what-after', $file, $pid);
    kill KILL => $pid;
    return $said;
}

recipe 'why-not' => 1, sub {
    my %case = (
        '' => qr/\Achown is effective\.\n/,
        'cap_effective->clear' => qr/\Achown .*\nA way, for the process: /,
        'cap_permitted->clear' => qr/\Achown is not permitted.*(?:\nA way, |no_new_privs)/,
        'setpriv(user => q(nobody), bounding_set => [], no_new_privs => 1)' => qr/\Achown is not permitted/,
    );
    delete $case{$_} for $< || !has('chown') ? keys %case : is_root() ? () : grep {/setpriv/} keys %case;
    for my $do (sort keys %case) {
        my ($pid, $out) = start($^X, '-MLinux::Prctl=:sets,setpriv', '-e', "$do; \$| = 1; print qq(here\\n); sleep 600");
        <$out>;
        like(run('why-not', 'chown', $pid), $case{$do}, $do || 'root');
        kill KILL => $pid;
    }
    like(run('why-not', 'chown'), qr/\Achown is .*\.\n/, 'it asks about its starter');
};

recipe 'inventory' => 1, sub {
    my $list = eval { JSON::PP->new->decode(run('inventory')) };
    is(ref $list, 'ARRAY', 'JSON') or diag($@);
    my ($me) = grep { $_->{pid} == $$ } @$list;
    is($me ? 1 : 0, $status{CapPrm} =~ /[1-9a-f]/ ? 1 : 0, 'with this process, if it has anything');
    is($me->{uid}{effective}, $>, 'as it is') if $me;
};

# ---- programming ----

recipe 'optional' => 1, sub {
    like(run('optional'), qr/\Arefused: set_dumpable\(5\): Invalid argument at /, 'with the module, :fatal holds');
    my $hide = 'BEGIN { unshift @INC, sub { die "hidden\n" if $_[1] =~ m{\ALinux/Prctl} } } do shift';
    is(run($^X, '-e', $hide, "$dir/optional"), "without\n", 'and without it the program runs');
    my $old = '$INC{"Linux/Prctl.pm"} = 1; $Linux::Prctl::VERSION = "1.6.0"; do shift';
    is(run($^X, '-e', $old, "$dir/optional"), "without\n", 'as it does with 1.6.0');
};

# What a process is, but for what differs from one to the next.
sub privileges {
    my ($status) = @_;
    return join '', sort $status =~ /^((?:Name|Uid|Gid|Groups|Cap\w+|NoNewPrivs):.*\n)/mg;
}

my $ported = sub {
    return 'needs root with setuid, setgid and setpcap' if !is_root();
    return has('net_bind_service') ? () : 'needs net_bind_service';
};
my $as_ported;
recipe 'worker' => $ported, sub {
    $as_ported = privileges(scalar run('worker'));
    like($as_ported, qr/^Name:\tworker$/m, 'its name');
    like($as_ported, qr/^Uid:(?:\t$nobody){4}$/m, 'another user');
    like($as_ported, qr/^Cap$_:\t0{13}400$/m, "one capability: $_") for qw(Bnd Eff Prm);
    like($as_ported, qr/^Cap$_:\t0{16}$/m, "none: $_") for qw(Amb Inh);
};
recipe 'worker.py' => $ported, sub {
    $ran{'worker.py'}++;
    is(privileges(scalar run('/usr/bin/python3', "$dir/worker.py")), $as_ported, 'in Python the same comes of it');
};

recipe 'container' => 1, sub {
    my $said = run('container', 'chown', 'bpf');
    my $here = Linux::Prctl::get_cap(0, 'chown') ? 'here' : '(?:to be raised|only by an exec|never in this container)';
    like($said, qr/\Achown: $here\nbpf: \w.*\n(?:a|the first) user namespace.*\n\z/, 'it tells what is there');
};

is_deeply([grep { !$ran{$_} } sort keys %program], [], 'every program was run');

done_testing;
