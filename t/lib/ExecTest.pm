package ExecTest;

# Random processes that execute random files for real, beside what after_exec said that
# they would be.
use 5.014;
use warnings;
use open IN => ':bytes', OUT => ':bytes';    # whatever PERL_UNICODE says

use Config;
use Exporter qw(import);
use File::Temp;
use Linux::Prctl qw(:all);
use Linux::Prctl::Status;
use POSIX ();
use SystemCalls qw(raw_clone);

our @EXPORT_OK = qw(own_mounts exec_stage exec_trial leave_stage why_trial build_helper build_dynamic call many_ids
    why_case write_caps caps_attribute);

my $STATUS = 'Linux::Prctl::Status';
my %number;    # of system calls
my $CLONE_FS = 0x200;

sub pick { return $_[ rand @_ ] }
sub chance { return rand() < $_[0] }

# ---- the helper ----

# What the kernel runs in a program's place, where an emulator is registered for it: as seen
# from outside. Nothing, where it runs the program.
sub run_by {
    my ($cat) = grep { -x } qw(/bin/cat /usr/bin/cat) or return '';
    pipe my $gone, my $held or die "pipe: $!\n";    # exec closes it
    pipe my $in, my $end or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::dup2(fileno $in, 0);
        exec {$cat} 'cat' or POSIX::_exit(1);
    }
    close $held;
    sysread $gone, my $byte, 1;
    my ($is, $wanted) = map { join ':', (stat)[ 0, 1 ] } "/proc/$pid/exe", $cat;
    my $name = readlink "/proc/$pid/exe";
    close $end;
    waitpid $pid, 0;
    return $is eq '' || $is eq $wanted ? '' : $name // 'it has no name';
}

# Builds the program in a directory: its path, or undef and why not.
sub build_helper {
    my ($dir) = @_;
    my $by = run_by();
    return (undef, "programs are run by another one here, which has their set-id bits and capabilities: $by") if $by;
    my $source = __FILE__ =~ s{[^/]+\z}{exec-helper.c}r;
    my $helper = "$dir/helper";
    my $log    = `$Config{cc} -O1 -static -o '$helper' '$source' 2>&1`;
    $log = `$Config{cc} -O1 -o '$helper' '$source' 2>&1` if $?;
    return (undef, $log) if $?;
    %number = `'$helper' numbers` =~ /(\w+) (\d+)/g;
    return $helper;
}

sub call {
    my ($name, @arguments) = @_;
    return syscall $number{$name}, @arguments;
}

# The same program with a loader of its own beside it, where that can be built.
sub build_dynamic {
    my ($dir) = @_;
    open my $in, '<:raw', $^X or return 0;
    read $in, my $head, 8192;
    my ($loader) = $head =~ m{\0(/[^\0]*/ld[^\0/]*\.so[^\0/]*)\0} or return 0;
    my $source = __FILE__ =~ s{[^/]+\z}{exec-helper.c}r;
    return !system("cp -L '$loader' '$dir/loader' && $Config{cc} -O1 -o '$dir/dynamic' '$source'"
            . " -Wl,--dynamic-linker='$dir/loader' 2>/dev/null && '$dir/dynamic' numbers >/dev/null");
}

# ---- the stage: files on mounts ----

my $DEPTH = 7;

sub write_file {
    my ($path, $content) = @_;
    open my $out, '>:raw', $path or die "$path: $!\n";
    print {$out} $content;
    close $out or die "$path: $!\n";
    return;
}

# Scripts of scripts: each depth on each mount, to the helper on each.
sub write_scripts {
    my ($dir, @mounts) = @_;
    for my $mount (@mounts) {
        my $next = "$dir/$mount/helper";
        for my $depth (1 .. $DEPTH) {
            write_file("$dir/plain/script$depth-$mount", "#!" . pick('', ' ', "\t ") . $next . pick('', ' -x') . "\n");
            chmod 0755, "$dir/plain/script$depth-$mount";
            $next = "$dir/plain/script$depth-$mount";
        }
    }
    return;
}

# Runs the program again in a mount namespace of its own, where that can be had.
sub own_mounts {
    return $ENV{EXEC_TEST_MOUNTS} if defined $ENV{EXEC_TEST_MOUNTS};
    my @unshare = qw(unshare --mount --propagation private);
    $ENV{EXEC_TEST_MOUNTS} = system("@unshare true 2>/dev/null") == 0 ? 1 : 0;
    return 0 if !$ENV{EXEC_TEST_MOUNTS};
    exec @unshare, $^X, (map { "-I$_" } grep { !ref } @INC), $0, @ARGV or die "unshare: $!\n";
}

# May it become anyone? In most user namespaces there is not much to choose from.
sub many_ids {
    return 0 if !cap_effective->has('setuid', 'setgid', 'setpcap');
    for my $kind (qw(uid gid)) {
        open my $in, '<', "/proc/self/${kind}_map" or return 0;
        return 0 if !grep { my ($first, undef, $count) = split ' '; $first == 0 && $count > 101_010 } <$in>;
    }
    return 1;
}

# A user namespace cannot be had in a chroot, nor where a limit of them is 0.
sub may_unshare {
    my $pid = fork // die "fork: $!\n";
    POSIX::_exit(call(unshare => 0x10000000) == 0 ? 0 : 1) if !$pid;
    waitpid $pid, 0;
    return $? == 0;
}

# A directory with the helper and its like; with mounts of one's own, also seen through
# some without set-id bits and without programs.
sub exec_stage {
    die "the masks of these tests take integers of 64 bits\n" if $Config{ivsize} < 8;
    my $own = own_mounts();
    my $dir = File::Temp->newdir('exec-XXXXXX', TMPDIR => 1);
    chmod 0755, $dir;
    mkdir "$dir/plain" or die "plain: $!\n";
    my @mounts = ('plain');
    if ($own) {
        system('mount', '-t', 'tmpfs', '-o', 'mode=755', 'none', "$dir/plain") == 0 or die "no tmpfs\n";
    }
    my ($helper, $why) = build_helper("$dir/plain");
    die "no helper: $why\n" if !$helper;
    for my $option ($own ? qw(nosuid noexec) : ()) {
        mkdir "$dir/$option" or die "$option: $!\n";
        system('mount', '--bind', "$dir/plain", "$dir/$option") == 0
            && system('mount', '-o', "remount,bind,$option", "$dir/$option") == 0
            or die "no $option mount\n";
        push @mounts, $option;
    }
    # A group of ours that a namespace hides shows there as the same number as a file's: which
    # of the two the kernel compares with, nobody there can tell.
    call(setgroups => 0, 0) if many_ids();
    my $dynamic = build_dynamic("$dir/plain");
    write_scripts($dir, @mounts);
    write_file("$dir/plain/text",  "not a program\n");
    write_file("$dir/plain/empty", '');
    write_file("$dir/plain/elf",   "\x7fELF" . "\0" x 100);
    write_file("$dir/plain/wanting", "#!$dir/plain/missing\n");
    write_file("$dir/plain/nameless", "#! \n");
    return { dir => "$dir", keep => $dir, dynamic => $dynamic, mounts => \@mounts, root => many_ids(),
        namespaces => may_unshare() };
}

sub leave_stage {
    my ($stage) = @_;
    return if !own_mounts();
    system 'umount', "$stage->{dir}/$_" for reverse @{ $stage->{mounts} };
    return;
}

# ---- what a file is ----

sub caps_attribute {
    my ($permitted, $inheritable, $effective, $root) = @_;
    my @words = map { ($permitted >> 32 * $_ & 0xffffffff, $inheritable >> 32 * $_ & 0xffffffff) } 0, 1;
    return pack 'V*', 0x02000000 | $effective, @words if !defined $root;
    return pack 'V*', 0x03000000 | $effective, @words, $root;
}

sub random_mask {
    my ($all) = @_;
    return 0    if chance(0.2);
    return $all if chance(0.3);
    my $mask = 0;
    for my $cap (0 .. 40) {
        $mask |= 1 << $cap if chance(0.5);
    }
    return $mask & $all;
}

sub few_caps {
    my $mask = 0;
    $mask |= 1 << pick(0, 1, 5, 6, 7, 8, 10, 21, 40) for 1 .. pick(1, 1, 2, 4);
    return $mask;
}

my @MODES = (0755, 0755, 0755, 0755, 0711, 0750, 0700, 0745, 0555, 0111, 0754, 0644, 0705);

# An access list of owner, a user, the group, a group, a mask, others.
sub random_acl {
    my ($users, $groups) = @_;
    my @entries = ([ 1, pick(5, 7, 4) ], [ 2, pick(0, 1, 5), pick(@$users) ], [ 4, pick(0, 1, 5) ],
        [ 8, pick(0, 1, 5), pick(@$groups) ], [ 16, pick(1, 5, 7, 4) ], [ 32, pick(0, 1, 5) ]);
    return pack 'V' . 'vvV' x @entries, 2, map { ($_->[0], $_->[1], $_->[2] // 0xffffffff) } @entries;
}

# Changes the file; what the user may not do is left out.
sub dress {
    my ($path, $stage, $users, $groups, $roots) = @_;
    my $buffer = $path;
    call(removexattr => $buffer, 'security.capability');
    call(removexattr => $buffer, 'system.posix_acl_access');
    chown pick(@$users), pick(@$groups), $path;
    my $mode = pick(@MODES) | (chance(0.3) ? 04000 : 0) | (chance(0.3) ? 02000 : 0);
    if (chance(0.2)) {
        my $acl = random_acl($users, $groups);
        call(setxattr => $buffer, 'system.posix_acl_access', $acl, length $acl, 0);
    }
    chmod $mode, $path;
    if (chance(0.45)) {
        my $effective = chance(0.6) ? 1 : 0;
        my @masks     = map { chance(0.5) ? few_caps() : chance(0.5) ? 0 : random_mask(2**41 - 1) } 1, 2;
        my $attribute = caps_attribute(@masks, $effective, chance(0.5) ? undef : pick(@$roots));
        call(setxattr => $buffer, 'security.capability', $attribute, length $attribute, 0);
    }
    return;
}

# The file of a trial: its path, dressed.
sub random_file {
    my ($stage, $users, $groups, $roots) = @_;
    my $dir    = $stage->{dir};
    my $helper = "$dir/plain/helper";
    my $mount  = chance(0.7) ? 'plain' : pick(@{ $stage->{mounts} });
    dress($helper, $stage, $users, $groups, $roots);
    return pick(map { "$dir/plain/$_" } qw(text empty elf wanting nameless missing . helper/x))
        if chance(0.06);
    if ($stage->{dynamic} && chance(0.1)) {
        dress("$dir/plain/$_", $stage, $users, $groups, $roots) for qw(dynamic loader);
        chmod 0755, "$dir/plain/" . pick(qw(dynamic loader)) if chance(0.7);
        return "$dir/$mount/dynamic";
    }
    return "$dir/$mount/helper" if chance(0.7);
    my $script = "$dir/plain/script" . pick(1, 1, 1, 2, 3, 4, 5, 6, 7) . "-$mount";
    dress($script, $stage, $users, $groups, $roots) if chance(0.3);
    chmod 0755, $script                             if chance(0.7);
    return $script;
}

# ---- what a process is ----

# The ids that it may have, and those of files, with a user namespace or without.
my @OUTER = (0, 0, 1000, 1001, 65_534);
my @MAPS = (
    "0 100000 10\n1000 101000 5\n",
    "0 100000 10\n1000 101000 5\n",
    "1000 101000 5\n3 100003 1\n",
    "0 0 4294967295\n",
    "0 101000 1\n1000 0 1\n",
);

# What a map makes of an id inside, or undef.
sub mapped_ids {
    my ($map) = @_;
    return grep {
        my $id = $_;
        grep { my ($in, undef, $count) = split ' '; $id >= $in && $id < $in + $count } split /\n/, $map
    } 0, 0, 3, 1000, 1001;
}

sub random_process {
    my ($stage) = @_;
    my %process;
    if ($stage->{root} && $stage->{namespaces} && chance(0.25)) {
        $process{map}    = pick(@MAPS);
        $process{gidmap} = chance(0.7) ? $process{map} : pick(@MAPS);
    }
    my @uids = $process{map} ? mapped_ids($process{map})    : @OUTER;
    my @gids = $process{map} ? mapped_ids($process{gidmap}) : @OUTER;
    my $uid  = pick(@uids);
    my $gid  = pick(@gids);
    $process{uid} = [ map { chance(0.6) ? $uid : pick(@uids) } 1 .. 4 ];
    $process{gid} = [ map { chance(0.6) ? $gid : pick(@gids) } 1 .. 4 ];
    $process{groups} = [ map { pick(@gids) } 1 .. pick(0, 0, 1, 2, 3) ] if chance(0.8);
    $process{inheritable} = chance(0.4) ? 0 : chance(0.5) ? few_caps() : random_mask(2**41 - 1);
    $process{ambient}     = chance(0.5) ? 0 : chance(0.3) ? 2**41 - 1 : random_mask(2**41 - 1);
    $process{bounding}    = chance(0.45) ? 2**41 - 1 : chance(0.5) ? (2**41 - 1) & ~few_caps() : random_mask(2**41 - 1);
    $process{permitted}   = chance(0.4) ? 2**41 - 1 : random_mask(2**41 - 1);
    $process{effective}   = chance(0.5) ? 2**41 - 1 : random_mask(2**41 - 1);
    $process{securebits}  = 0;
    if (chance(0.5)) {
        $process{securebits} |= 1 << $_ for grep { chance(0.3) } 0 .. 11;
    }
    $process{nnp}       = chance(0.25);
    $process{pdeathsig} = chance(0.5) ? pick(1, 10, 12) : 0;
    $process{tracer}    = pick('strong', $process{map} ? () : 'weak') if chance(0.15);
    $process{shared_fs} = 1 if !$process{map} && chance(0.1);
    $process{outside} = 1 if !$process{tracer} && !$process{shared_fs} && chance(0.2);
    return \%process;
}

sub set_caps {
    my (@set) = @_;
    my $head = pack 'L l', 0x20080522, 0;
    my $data = pack 'L6', (map { $_ & 0xffffffff } @set), map { $_ >> 32 } @set;
    return call(capset => $head, $data);
}

my %LETTER = (CapEff => 0, CapPrm => 1, CapInh => 2);

sub get_caps {
    no warnings 'portable';
    open my $in, '<', '/proc/thread-self/status' or die "status: $!\n";
    my @set;
    while (<$in>) {
        $set[ $LETTER{$1} ] = hex $2 if /\A(Cap(?:Eff|Prm|Inh)):\s*([0-9a-f]+)/;
    }
    return @set;
}

# Makes the calling process what it shall be, as far as it can.
sub become {
    my ($process) = @_;
    my $building = 1 << 2 | 1 << 4;    # no fix-up meanwhile
    set_securebits($building);
    call(setgroups => scalar @{ $process->{groups} }, pack 'L*', @{ $process->{groups} }) if $process->{groups};
    call(setresgid => @{ $process->{gid} }[ 0 .. 2 ]);
    call(setresuid => @{ $process->{uid} }[ 0 .. 2 ]);
    setfsgid($process->{gid}[3]);
    setfsuid($process->{uid}[3]);
    my ($effective, $permitted) = get_caps();
    set_caps($permitted, $permitted, $process->{inheritable} & $permitted);
    for my $cap (grep { $process->{ambient} & $process->{inheritable} & 1 << $_ } 0 .. 40) {
        cap_ambient_raise($cap);
    }
    for my $cap (grep { !($process->{bounding} & 1 << $_) } 0 .. 40) {
        capbset_drop($cap);
    }
    set_securebits($process->{securebits});
    my (undef, $now, $inheritable) = get_caps();
    my $left = $process->{permitted} & $now;
    set_caps($process->{effective} & $left, $left, $inheritable);
    set_no_new_privs(1) if $process->{nnp};
    set_pdeathsig($process->{pdeathsig});
    return;
}

# ---- in a child ----

# As the helper says it.
sub text_of {
    my ($status) = @_;
    my $hash = $status->as_hash;
    my %set  = (Inh => 'inheritable', Prm => 'permitted', Eff => 'effective', Bnd => 'bounding', Amb => 'ambient');
    my $text = '';
    for my $ids (qw(uid gid)) {
        $text .= ucfirst($ids) . ':' . join('', map { "\t$hash->{$ids}{$_}" } qw(real effective saved fs)) . "\n";
    }
    $text .= "Groups:\t" . join('', map { "$_ " } @{ $hash->{groups} }) . "\n";
    for my $letter (qw(Inh Prm Eff Bnd Amb)) {
        my $mask = 0;
        $mask |= 1 << cap_number($_) for @{ $hash->{caps}{ $set{$letter} } };
        $text .= sprintf "Cap%s:\t%016x\n", $letter, $mask;
    }
    $text .= "NoNewPrivs:\t$hash->{no_new_privs}\n";
    my @bits = keys %Linux::Prctl::securebits;
    my %bit  = map { $bits[$_] => 1 << $_ } 0 .. $#bits;
    my $securebits = 0;
    $securebits |= $bit{$_} for @{ $hash->{securebits} };
    return $text . "securebits $securebits\nat_secure $hash->{at_secure}\npdeathsig " . ($hash->{pdeathsig} // '?') . "\n"
        . "dumpable $hash->{dumpable}\n";
}

# What is foreseen: a text, or a number of an error and why.
sub foreseen {
    my ($status, $process, $path, @known) = @_;
    my $after = eval { $status->after_exec($path, $process->{shared_fs} ? (shared_fs => 1) : (), @known) };
    # What it may not read is not known to be a script, nor to need a loader.
    return "unread" if $path =~ /script|dynamic/
        && ($after ? grep { $_ eq 'program' } @{ $after->assumed } : $@ =~ /cannot be read/);
    return $after ? text_of($after) : 'refused ' . ($! + 0) . "\n$@";
}

sub say_and_exec {
    my ($process, $path, $foresight, $outcome, $say, $wait) = @_;
    become($process);
    syswrite $foresight, "before " . text_of_now() . "\0";
    if ($process->{outside}) {
        say_line($say, "@{ $STATUS->current->securebits }");
        hear_line($wait);
    }
    else {
        syswrite $foresight, foreseen($STATUS->current, $process, $path);
    }
    close $foresight;
    open STDOUT, '>&', $outcome or POSIX::_exit(99);
    binmode STDOUT;
    open STDERR, '>', '/dev/null';
    exec {$path} 'helper' or syswrite STDOUT, 'refused ' . ($! + 0) . "\n";
    POSIX::_exit(0);
}

sub text_of_now {
    open my $in, '<', '/proc/thread-self/status' or return '';
    return join '', grep { /\A(?:Uid|Gid|Groups|Cap|NoNew|Tracer)/ } <$in>, 'securebits ' . get_securebits();
}

# The maps are written by one who may, when the namespace is there.
sub enter_namespace {
    my ($process, $ready, $go) = @_;
    call(unshare => 0x10000000) == 0 or POSIX::_exit(98);
    syswrite $ready, 'x';
    sysread $go, my $byte, 1;
    return;
}

sub write_maps {
    my ($process, $pid) = @_;
    for my $map ([ uid_map => $process->{map} ], [ gid_map => $process->{gidmap} ]) {
        open my $out, '>', "/proc/$pid/$map->[0]" or die "$map->[0]: $!\n";
        syswrite($out, $map->[1]) or die "$map->[0]: $!\n";
    }
    return;
}

# By this signal it asks to be traced no more.
my $LEAVE_ME = 31;

# Lets a traced child go on, whatever it stops for. Perl's own waitpid tells of no stop.
sub follow_traced {
    my ($pid) = @_;
    my $status = pack 'i', 0;
    while (syscall($number{wait4}, $pid, $status, 0, 0) == $pid) {    # which writes there
        my $found = unpack 'i', $status;
        return if ($found & 0xff) != 0x7f;
        my $signal = $found >> 8 & 0xff;
        if ($signal == $LEAVE_ME) {
            call(ptrace => 17, $pid, 0, 0);    # PTRACE_DETACH
            waitpid $pid, 0;
            return;
        }
        call(ptrace => 7, $pid, 0, $signal == 5 || $signal == 19 ? 0 : $signal);
    }
    return;
}

# The process that executes, beneath one that traces it or shares its directory with it.
sub lower {
    my ($process, $path, @out) = @_;
    pipe my $ready, my $say  or die "pipe: $!\n";
    pipe my $wait,  my $let  or die "pipe: $!\n";
    my $pid = $process->{shared_fs} ? raw_clone($CLONE_FS | POSIX::SIGCHLD) : fork;
    die "fork: $!\n" if !defined $pid || $pid < 0;
    if (!$pid) {
        if ($process->{tracer}) {
            call(ptrace => 0, 0, 0, 0);
            syswrite $say, 'x';
            sysread $wait, my $byte, 1;
        }
        say_and_exec($process, $path, @out);
    }
    if ($process->{tracer}) {
        sysread $ready, my $byte, 1;
        syswrite $let, 'x';
        follow_traced($pid);
    }
    else {
        waitpid $pid, 0;
    }
    return;
}

sub upper {
    my ($process, $path, @out) = @_;
    if (($process->{tracer} // '') eq 'weak') {
        my ($effective, $permitted, $inheritable) = get_caps();
        set_caps($effective & ~(1 << 19), $permitted, $inheritable);
    }
    lower($process, $path, @out);
    POSIX::_exit(0);
}

# ---- a trial ----

sub read_all {
    my ($in) = @_;
    local $/;
    return scalar(<$in>) // '';
}

# One process and one file: what happened (done, downgraded, refused), and what differs.
sub exec_trial {
    my ($stage, $seed) = @_;
    srand $seed;
    my $process = random_process($stage);
    my @users   = $stage->{root} ? (@OUTER, 100_000, 101_000, 101_001, 100_003) : ($>, $>);
    my @groups  = $stage->{root} ? (@OUTER, 100_000, 101_000, 101_001, 100_003) : split ' ', $);
    my $path    = random_file($stage, \@users, \@groups, [ 0, 100_000, 101_000, 777 ]);
    pipe my $foresight, my $foresee or die "pipe: $!\n";
    pipe my $outcome,   my $happen  or die "pipe: $!\n";
    pipe my $ready,     my $say     or die "pipe: $!\n";
    pipe my $wait,      my $let     or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        close $_ for $foresight, $outcome, $ready, $let;
        eval {
            enter_namespace($process, $say, $wait) if $process->{map};
            if ($process->{tracer} || $process->{shared_fs}) {
                upper($process, $path, $foresee, $happen);
            }
            say_and_exec($process, $path, $foresee, $happen, $say, $wait);
        };
        print STDERR $@;
        POSIX::_exit(97);
    }
    close $_ for $foresee, $happen, $say, $wait;
    if ($process->{map}) {
        sysread $ready, my $byte, 1;
        write_maps($process, $pid);
        syswrite $let, 'x';
    }
    my $outside;
    if ($process->{outside} && defined(my $securebits = hear_line($ready))) {
        my $status = $STATUS->of($pid);
        $outside = foreseen($status, $process, $path, securebits => [ split ' ', $securebits ]);
        say_line($let, 'go');
    }
    my ($before, $foreseen) = split /\0/, read_all($foresight), 2;
    $foreseen = seen_inside($process, $outside) if defined $outside;
    my $happened = read_all($outcome);
    waitpid $pid, 0;
    return judge($process, $path, $before, $foreseen // '', $happened);
}

# The ids of a text, as its process counts them.
sub seen_inside {
    my ($process, $text) = @_;
    return $text if !$process->{map};
    my %map = (Uid => $process->{map}, Gid => $process->{gidmap}, Groups => $process->{gidmap});
    return $text =~ s{^(Uid|Gid|Groups):(.*)$}{ my $map = $map{$1}; "$1:" . $2 =~ s/(\d+)/inside($map, $1)/ger }germ;
}

sub inside {
    my ($map, $id) = @_;
    for my $line (split /\n/, $map) {
        my ($in, $out, $count) = split ' ', $line;
        return $in + $id - $out if $id >= $out && $id < $out + $count;
    }
    return 65_534;
}

sub judge {
    my ($process, $path, $before, $foreseen, $happened) = @_;
    my $what = $happened =~ /\Arefused/ ? 'refused' : !length $happened ? 'lost' : 'done';
    s{ +$}{}gm for $foreseen, $happened;
    $happened =~ s/^pdeathsig.*$/pdeathsig ?/m if $process->{outside};    # of another, nobody knows
    my ($compared) = $foreseen =~ /\A(refused \d+\n)/;
    $compared //= $foreseen;
    $what = 'downgraded'
        if $what eq 'done' && ($process->{nnp} || $process->{tracer} || $process->{shared_fs} || $path =~ /nosuid/);
    return ('unread', '') if $foreseen eq 'unread';
    return ($what, '') if $compared eq $happened && length $happened;
    my @info = map { "$_=" . (ref $process->{$_} ? "@{ $process->{$_} }" : $process->{$_}) =~ s/\n/;/gr }
        grep { defined $process->{$_} } sort keys %$process;
    my $stat = join ' ', map { sprintf '%o %d %d', (stat $_)[ 2, 4, 5 ] } $path =~ s{[^/]+/[^/]+\z}{plain/helper}r;
    return ($what, "$path ($stat) @info\n$before\n  foreseen:\n$foreseen  happened:\n$happened");
}

# ---- why ----

# A dialogue: the child says a line, and goes on when it is answered.
sub say_line {
    my ($pipe, $text) = @_;
    syswrite $pipe, "$text\n";
    return;
}

sub hear_line {
    my ($pipe) = @_;
    my $text = '';
    while (sysread $pipe, my $byte, 1) {
        return $text if $byte eq "\n";
        $text .= $byte;
    }
    return;
}

sub write_caps {
    my ($path, $attribute) = @_;
    my $buffer = $path;
    return call(setxattr => $buffer, 'security.capability', $attribute, length $attribute, 0);
}

# What an administrator does to the file, for a capability.
my %ADMIN = (
    file_permitted   => sub { write_caps($_[0], caps_attribute(1 << $_[1], 0, 1, $_[2])) },
    file_inheritable => sub { write_caps($_[0], caps_attribute(0, 1 << $_[1], 1)) },
    set_uid_root     => sub { my $mode = (stat $_[0])[2]; chown 0, -1, $_[0]; chmod $mode & 07777 | 04000 | 0111, $_[0] },
    no_attribute     => sub { my $buffer = $_[0]; call(removexattr => $buffer, 'security.capability') },
    effective_bit    => sub {
        my ($path, $name, $attribute) = ($_[0], 'security.capability', "\0" x 24);
        my $length = syscall $number{getxattr}, $path, $name, $attribute, length $attribute;
        vec($attribute, 0, 1) = 1;
        write_caps($_[0], substr $attribute, 0, $length);
    },
);

# What the process does.
my %OWN = (
    ambient     => sub { cap_inheritable->add($_[0]); cap_ambient->add($_[0]) },
    inheritable => sub { cap_inheritable->add($_[0]) },
    file_inheritable => sub { cap_inheritable->add($_[0]) },
    be_root     => sub { call(setresuid => -1, 0, -1) },
    no_noroot   => sub { securebits->drop('noroot') },
    no_shared_fs => sub { call(unshare => 0x200) },
    no_tracer    => sub { kill $LEAVE_ME => $$ },
);

sub effective_of_helper {
    my ($text) = @_;
    no warnings 'portable';
    return $text =~ /^CapEff:\s*([0-9a-f]+)/m ? hex $1 : 0;
}

# One attempt to have it: what the process tries, and then executes.
sub attempt {
    my ($cap, $path, $out) = @_;
    for my $try (grep { chance(0.5) } qw(no_noroot be_root ambient inheritable)) {
        eval { $OWN{$try}->($cap) };
    }
    open STDOUT, '>&', $out or POSIX::_exit(99);
    binmode STDOUT;
    open STDERR, '>', '/dev/null';
    exec {$path} 'helper' or POSIX::_exit(0);
}

# In the child: says why, then takes the first way, or tries at random where there is none.
sub ask_why {
    my ($process, $path, $cap, $after, $say, $answer, $attempts) = @_;
    become($process);
    my $status = $STATUS->current;
    $status = eval { $status->after_exec($path) } // POSIX::_exit(0) if $after;
    my $why = $status->why($cap);
    say_line($say, JSON::PP->new->canonical->encode($why));
    return if $why->{effective};
    if (!@{ $why->{ways} }) {
        for (1 .. $attempts) {
            hear_line($answer);
            pipe my $in, my $out or POSIX::_exit(99);
            my $pid = fork // POSIX::_exit(99);
            srand, attempt($cap, $path, $out) if !$pid;
            close $out;
            say_line($say, sprintf '%d', !!(effective_of_helper(read_all($in)) & 1 << $cap));
            waitpid $pid, 0;
        }
        return;
    }
    hear_line($answer);
    my @steps = @{ $why->{ways}[0]{steps} };
    if ($steps[0] eq 'raise') {
        cap_effective->add($cap);
        say_line($say, (get_caps())[0] & 1 << $cap ? 1 : 0);
        return;
    }
    $OWN{$_} && $OWN{$_}->($cap) for @steps;
    $path =~ s{/nosuid/}{/plain/} if grep { $_ eq 'no_nosuid' } @steps;
    pipe my $in, my $out or POSIX::_exit(99);
    my $pid = fork // POSIX::_exit(99);
    if (!$pid) {
        open STDOUT, '>&', $out or POSIX::_exit(99);
        binmode STDOUT;
        exec {$path} 'helper' or POSIX::_exit(98);
    }
    close $out;
    say_line($say, sprintf '%d', !!(effective_of_helper(read_all($in)) & 1 << $cap));
    waitpid $pid, 0;
    return;
}

# Random process and file: what why says of a capability, and whether it is true.
sub why_trial {
    my ($stage, $seed, $attempts) = @_;
    require JSON::PP;
    require Linux::Prctl::FileCaps;
    srand $seed;
    my $process = random_process($stage);
    delete @$process{qw(map gidmap tracer shared_fs)};
    my $after   = chance(0.6);
    my $mount   = $after && chance(0.2) ? 'nosuid' : 'plain';
    $mount = 'plain' if !grep { $_ eq $mount } @{ $stage->{mounts} };
    my $helper  = "$stage->{dir}/plain/helper";
    dress($helper, $stage, $after ? ([0, 1000, 1001], [0, 1000]) : ([0], [0]), [0]);
    chmod((stat $helper)[2] & 07777 | 0111, $helper) if chance(0.8);
    if (!$after) {
        my $buffer = $helper;
        call(removexattr => $buffer, "security.capability");
        call(removexattr => $buffer, "system.posix_acl_access");
        chmod 0755, $helper;
    }
    my $cap = int rand 41;
    pipe my $hear, my $say    or die "pipe: $!\n";
    pipe my $wait, my $answer or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        close $_ for $hear, $answer;
        eval { ask_why($process, "$stage->{dir}/$mount/helper", $cap, $after, $say, $wait, $attempts); 1 }
            or say_line($say, "died: $@");
        POSIX::_exit(0);
    }
    close $_ for $say, $wait;
    my $text = hear_line($hear);
    my @result = defined $text ? judge_why($stage, $text, $cap, $after, $hear, $answer, $attempts, $helper)
        : ('refused', '');
    close $_ for $hear, $answer;
    waitpid $pid, 0;
    return @result;
}

sub judge_why {
    my ($stage, $text, $cap, $after, $hear, $answer, $attempts, $helper) = @_;
    return ('died', $text) if $text !~ /\A\{/;
    my $why  = JSON::PP::decode_json($text);
    my $what = ($after ? 'after: ' : 'now: ') . $why->{rule};
    return ($what, '') if $why->{effective};
    if (!@{ $why->{ways} }) {
        for (1 .. $attempts) {
            dress($helper, $stage, [ 0, 1000, 1001 ], [ 0, 1000 ], [0]);
            chmod((stat $helper)[2] & 07777 | 0111, $helper);
            $ADMIN{ pick(qw(file_permitted file_inheritable)) }->($helper, $cap) if chance(0.5);
            say_line($answer, 'go');
            my $had = hear_line($hear) // 'nothing';
            return ($what, "an attempt had it: $text") if $had ne '0';
        }
        return ("$what, nothing", '');
    }
    my @steps = @{ $why->{ways}[0]{steps} };
    $ADMIN{$_} && $ADMIN{$_}->($helper, $cap) for @steps;
    say_line($answer, 'go');
    my $had = hear_line($hear) // 'nothing';
    return ("$what, @steps", $had eq '1' ? '' : "@steps: $had\n$text");
}

# ---- one case of why ----

# In the child: says why, waits for what others do, takes the process' own steps or does not,
# and executes. A fork of it would be traced by nobody, and share its directory with nobody.
sub say_why_and_exec {
    my ($case, $path, $take, $say, $answer, $out) = @_;
    become($case->{process});
    my $status = $STATUS->current;
    $status = $status->after_exec($path, $case->{process}{shared_fs} ? (shared_fs => 1) : ()) if $case->{after};
    my $why = $status->why($case->{cap});
    say_line($say, JSON::PP->new->canonical->encode($why));
    hear_line($answer);
    my @steps = $take ? @{ $why->{ways}[0]{steps} } : ();
    if (@steps && $steps[0] eq 'raise') {
        cap_effective->add($case->{cap});
        syswrite $out, sprintf "CapEff:\t%016x\n", (get_caps())[0];
        return;
    }
    $OWN{$_} && $OWN{$_}->(cap_number($case->{cap})) for @steps;
    $path =~ s{/nosuid/}{/plain/} if grep { $_ eq 'no_nosuid' } @steps;
    open STDOUT, '>&', $out or die "stdout: $!\n";
    binmode STDOUT;
    no warnings 'exec';
    exec {$path} 'helper' or die "$path: $!\n";
}

sub in_case {
    my ($case, $path, $take, $say, $answer, $out) = @_;
    my $process = $case->{process};
    enter_namespace($process, $say, $answer) if $process->{map};
    my $code = sub {
        eval { say_why_and_exec($case, $path, $take, $say, $answer, $out); 1 } or say_line($say, "died: $@");
        POSIX::_exit(0);
    };
    $code->() if !$process->{tracer} && !$process->{shared_fs};
    if ($process->{tracer}) {
        my ($effective, $permitted, $inheritable) = get_caps();
        set_caps($effective & ~(1 << 19), $permitted, $inheritable);
    }
    my $pid = $process->{shared_fs} ? raw_clone($CLONE_FS | POSIX::SIGCHLD) : fork;
    POSIX::_exit(97) if !defined $pid || $pid < 0;
    if (!$pid) {
        if ($process->{tracer}) {
            call(ptrace => 0, 0, 0, 0);
            kill STOP => $$;    # until it is followed
        }
        $code->();
    }
    $process->{tracer} ? follow_traced($pid) : waitpid $pid, 0;
    POSIX::_exit(0);
}

# A process, a file and a capability: what why says, and whether the capability is there
# after an exec, the first of the ways taken or not.
sub why_case {
    my ($stage, $case, $take) = @_;
    require JSON::PP;
    require Linux::Prctl::FileCaps;
    my $helper = "$stage->{dir}/plain/helper";
    my $buffer = $helper;
    call(removexattr => $buffer, $_) for 'security.capability', 'system.posix_acl_access';
    chown 0, 0, $helper;
    chmod 0755, $helper;
    $case->{file}->($helper) if $case->{file};
    pipe my $hear,   my $say    or die "pipe: $!\n";
    pipe my $wait,   my $answer or die "pipe: $!\n";
    pipe my $result, my $out    or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        close $_ for $hear, $answer, $result;
        in_case($case, "$stage->{dir}/" . ($case->{mount} // 'plain') . '/helper', $take, $say, $wait, $out);
    }
    close $_ for $say, $wait, $out;
    if ($case->{process}{map}) {
        sysread $hear, my $byte, 1;
        write_maps($case->{process}, $pid);
        syswrite $answer, 'x';
    }
    my $text = hear_line($hear) // '';
    my $why  = $text =~ /\A\{/ ? JSON::PP::decode_json($text) : { rule => $text, ways => [] };
    if ($take) {
        for my $step (@{ $why->{ways}[0]{steps} }) {
            $ADMIN{$step}->($helper, cap_number($case->{cap}), $case->{root}) if $ADMIN{$step};
        }
    }
    say_line($answer, 'go');
    close $answer;
    my $had = effective_of_helper(read_all($result));
    my $more = hear_line($hear);
    waitpid $pid, 0;
    return ($why, defined $more ? $more : $had & 1 << cap_number($case->{cap}) ? 1 : 0);
}

1;
