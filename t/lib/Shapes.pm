package Shapes;

# The processes that the module must work in, S1 to S12: each is built in a forked
# child, with bare system calls, and is looked at in /proc before a test runs in it.
# Tests whose title begins with the name of a shape are counted for t/99-shapes.t.
use 5.014;
use warnings;

use Config;
use Exporter qw(import);
use Fcntl qw(:flock :seek);
use File::Spec;
use POSIX ();
use Test::More ();

use TestChild qw(in_child proc_status proc_caps);

our @EXPORT_OK = qw(
    shape in_shape no_shape shape_names shape_meaning privileged no_privilege tally
    sys raw_prctl raw_capget raw_capset raw_drop prctl_answers filter install_filter ambient_raise
    low_word fewer_filter fewer_capabilities
    last_capability bit all_but
);

# ---- system calls ----

# number by architecture; generic are the 64-bit ones that came late
my %generic = (
    prctl => 167, capget => 90, capset => 91, seccomp => 277, unshare => 97,
    setresuid => 147, setresgid => 149, setgroups => 159, ioctl => 29, gettid => 178,
);
my %number_of = (
    'x86_64' => {
        prctl => 157, capget => 125, capset => 126, seccomp => 317, unshare => 272,
        setresuid => 117, setresgid => 119, setgroups => 116, ioctl => 16, gettid => 186,
    },
    'i386' => {
        prctl => 172, capget => 184, capset => 185, seccomp => 354, unshare => 310,
        setresuid => 208, setresgid => 210, setgroups => 206, ioctl => 54, gettid => 224,
    },
    aarch64     => \%generic,
    riscv64     => \%generic,
    loongarch64 => \%generic,
);
my ($machine) = $Config{archname} =~ /\A([^-]+)/;
$machine = 'i386'   if $machine =~ /\Ai[3-6]86\z/;
$machine = 'x86_64' if $machine eq 'x86_64' && $Config{ptrsize} == 8;
my $number = $number_of{$machine};

# The number of a system call, or the call itself; dies of a failure.
sub sys {
    my $name = shift;
    die "no number of $name() for $machine is known to the tests\n" if !$number;
    return $number->{$name} if !@_;
    my $result = syscall $number->{$name}, @_;    # the caller's own: the kernel may write there
    die "$name: $!\n" if $result == -1;
    return $result;
}

sub raw_prctl {
    my (@arguments) = @_;
    return sys(prctl => map { $_ // 0 } @arguments[0 .. 4]);
}

# The three sets as numbers, of the thread that asks.
sub raw_capget {
    my $head = pack 'L l', 0x20080522, 0;
    my $data = "\0" x 24;
    sys(capget => $head, $data);
    my @word = unpack 'L6', $data;
    return map { $word[$_] | $word[ $_ + 3 ] << 32 } 0 .. 2;
}

sub raw_capset {
    my (@set) = @_;
    my $head = pack 'L l', 0x20080522, 0;
    my $data = pack 'L6', (map { $_ & 0xffffffff } @set), map { $_ >> 32 } @set;
    return sys(capset => $head, $data);
}

sub raw_drop { raw_prctl(24, $_) for @_; return }

sub ambient_raise {
    my (@caps) = @_;
    my ($effective, $permitted, $inheritable) = raw_capget();
    $inheritable |= 1 << $_ for @caps;
    raw_capset($effective, $permitted, $inheritable);
    raw_prctl(47, 2, $_) for @caps;
    return;
}

sub bit { my (@bits) = @_; my $mask = 0; $mask |= 1 << $_ for @bits; return $mask }

# The running kernel's, by asking it: there is not always a file that tells.
sub last_capability {
    my $last = 0;
    $last++ while $last < 63 && eval { raw_prctl(23, $last + 1); 1 };
    return $last;
}

# A mask without some bits of it.
sub all_but { my ($mask, @bits) = @_; return $mask & ~bit(@bits) }

# ---- seccomp: answers instead of the kernel's ----

# [code, jump if true, jump if false, k]
sub filter { return join '', map { pack 'S C C L', @$_ } @_ }

sub install_filter {
    my ($program) = @_;
    raw_prctl(38, 1) if !((raw_capget())[0] & bit(21));
    my $prog = pack 'S x![P] P', length($program) / 8, $program;
    return raw_prctl(22, 2, $prog);
}

# Every prctl(), or those with these options, is answered with an errno.
sub prctl_answers {
    my ($errno, @options) = @_;
    my @test = map { [ 0x15, @options - $_, 0, $options[ $_ - 1 ] ] } 1 .. @options;
    install_filter(filter(
        [ 0x20, 0, 0, 0 ],                                  # the number of the call
        [ 0x15, 0, (@options ? @options + 2 : 1), sys('prctl') ],
        (@options ? ([ 0x20, 0, 0, low_word(0) ], @test[ 0 .. $#test - 1 ],
                     [ 0x15, 0, 1, $options[-1] ]) : ()),
        [ 0x06, 0, 0, 0x00050000 | $errno ],
        [ 0x06, 0, 0, 0x7fff0000 ],
    ));
    return;
}

# A kernel with capabilities up to $last alone, as far as prctl() tells: reading and
# dropping in the bounding set, and the ambient set, answer EINVAL above it.
sub fewer_filter {
    my ($last) = @_;
    return filter(
        [ 0x20, 0, 0, 0 ],
        [ 0x15, 0, 9, sys('prctl') ],
        [ 0x20, 0, 0, low_word(0) ],
        [ 0x15, 4, 0, 23 ],
        [ 0x15, 3, 0, 24 ],
        [ 0x15, 0, 5, 47 ],
        [ 0x20, 0, 0, low_word(2) ],      # PR_CAP_AMBIENT: the third argument
        [ 0x05, 0, 0, 1 ],
        [ 0x20, 0, 0, low_word(1) ],
        [ 0x25, 0, 1, $last ],
        [ 0x06, 0, 0, 0x00050000 | POSIX::EINVAL() ],
        [ 0x06, 0, 0, 0x7fff0000 ],
    );
}

sub fewer_capabilities { my ($last) = @_; return install_filter(fewer_filter($last)) }

# Where seccomp_data has the low half of an argument.
sub low_word {
    my ($argument) = @_;
    return 16 + 8 * $argument + ($Config{byteorder} =~ /\A1234/ ? 0 : 4);
}

# ---- the shapes ----

my $nobody = 65534;
my @docker = (0, 1, 3 .. 8, 10, 13, 18, 27, 29, 31);

sub become {
    my ($uid, %keep) = @_;
    sys(setgroups => 0, 0);
    sys(setresgid => $nobody, $nobody, $nobody);
    raw_prctl(8, 1) if $keep{permitted};
    sys(setresuid => @{ $keep{uids} // [ ($uid) x 3 ] });
    raw_prctl(8, 0) if $keep{permitted};
    raw_capset($keep{permitted}, $keep{permitted}, 0) if $keep{permitted};
    return;
}

sub is_root { return $> == 0 }

my %shape = (
    S1 => {
        meaning => 'root with everything',
        build   => sub { my %now = proc_caps(); raw_capset(@now{qw(B B)}, 0) },
        looks   => sub { my (%now) = @_; is_root() && $now{E} == $now{B} && $now{P} == $now{B} },
    },
    S2 => {
        meaning => "root short of a capability (a container's fourteen)",
        build   => sub {
            my %now = proc_caps();
            my $few = bit(@docker) & $now{B};
            raw_drop(grep { $now{B} & ~$few & bit($_) } 0 .. 63);
            raw_capset($few, $few, 0);
        },
        looks => sub { my (%now) = @_; is_root() && !($now{P} & ~bit(@docker)) && $now{E} & bit(8) },
    },
    S3 => {
        meaning => 'root with a cut bounding set and neither SETPCAP nor SETGID',
        build   => sub {
            raw_drop(6, 8, 21);
            my ($effective, $permitted) = raw_capget();
            raw_capset(all_but($effective, 6, 8, 21), all_but($permitted, 6, 8, 21), 0);
        },
        looks => sub { my (%now) = @_; is_root() && $now{P} && !(($now{P} | $now{B}) & bit(6, 8, 21)) },
    },
    S4 => {
        meaning => 'root without SETPCAP',
        build   => sub {
            my ($effective, $permitted) = raw_capget();
            raw_capset(all_but($effective, 8), all_but($permitted, 8), 0);
        },
        looks => sub {
            my (%now) = @_;
            is_root() && $now{P} && !($now{P} & bit(8)) && $now{B} & bit(8);
        },
    },
    S5 => {
        meaning => 'locked securebits',
        build   => sub { raw_prctl(28, bit(1, 5)) },
        looks   => sub { raw_prctl(27) == bit(1, 5) },
    },
    S6 => {
        meaning => 'a user with ambient NET_BIND_SERVICE',
        build   => sub { become($nobody, permitted => bit(10)); ambient_raise(10) },
        looks   => sub { my (%now) = @_; $> == $nobody && $now{A} == bit(10) },
    },
    S7 => {
        meaning => 'a user holding SETGID and SETPCAP',
        build   => sub { become($nobody, permitted => bit(6, 8)) },
        looks   => sub { my (%now) = @_; $> == $nobody && $now{E} == bit(6, 8) },
    },
    S8 => {
        meaning => 'uid 0 left in the saved or the real slot',
        build   => sub { become($nobody, uids => [ $nobody, $nobody, 0 ]) },
        looks   => sub { my (%now) = @_; $> == $nobody && $now{P} && !$now{E} },
    },
    S9 => {
        meaning => 'a user namespace',
        build   => \&user_namespace,
        looks   => sub { my (%now) = @_; is_root() && in_namespace() && $now{E} & bit(21) },
    },
    S10 => {
        meaning => 'a plain user',
        build   => sub { become($nobody) if is_root() },
        looks   => sub { my (%now) = @_; $> != 0 && !($now{P} | $now{I} | $now{A}) },
    },
    S11 => {
        meaning => 'no_new_privs is set',
        build   => sub { raw_prctl(38, 1) },
        looks   => sub { my %now = proc_status(); $now{NoNewPrivs} },
    },
    S12 => {
        meaning => 'prctl() filtered by seccomp',
        build   => sub { my ($errno) = @_; prctl_answers($errno // POSIX::EPERM()) },
        looks   => sub { !eval { raw_prctl(3); 1 } },
    },
);

sub in_namespace {
    open my $map, '<', '/proc/self/uid_map' or return 0;
    my $line = <$map>;
    return $line !~ /\A\s*0\s+0\s+4294967295/;
}

sub user_namespace {
    my ($uid, $gid) = ($>, $) + 0);
    sys(unshare => 0x10000000);
    for (['setgroups', 'deny'], ['uid_map', "0 $uid 1"], ['gid_map', "0 $gid 1"]) {
        my ($name, $text) = @$_;
        open my $file, '>', "/proc/self/$name" or die "/proc/self/$name: $!\n";
        syswrite $file, $text or die "/proc/self/$name: $!\n";
    }
    return;
}

sub shape_names { return sort { substr($a, 1) <=> substr($b, 1) } keys %shape }
sub shape_meaning { my ($name) = @_; return $shape{$name}{meaning} }

sub build {
    my ($name, @how) = @_;
    my $shape = $shape{$name} // die "there is no shape $name\n";
    $shape->{build}->(@how);
    $shape->{looks}->(proc_caps()) or die "$name does not come out as $shape->{meaning}\n";
    return;
}

# Why this shape cannot be built from here, or nothing.
my %missing;
sub no_shape {
    my ($name) = @_;
    $missing{$name} //= eval { in_child { build($name); 1 }; 1 } ? '' : "cannot build it: $@";
    chomp $missing{$name};
    return $missing{$name};
}

# in_shape S4 => sub { ... }: what the code returns that runs in such a process.
sub in_shape {
    my ($name, $code, @how) = @_;
    return in_child { build($name, @how); $code->() };
}

# shape S4 => sub { ... }: tests, in this process, about a shape; or a reason.
sub shape {
    my ($name, $tests) = @_;
    my $why = no_shape($name);
    return $tests->() if !$why;
    SKIP: { Test::More::skip("$name: $why", 1) }
    return;
}

# A child with capabilities to play with: this process's, or those that a user
# namespace gives to anybody.
sub take_privilege {
    my $holds = sub { my ($effective, $permitted) = raw_capget(); $effective & $permitted & bit(8) };
    user_namespace() if !$holds->();
    $holds->() or die "a user namespace gives no capabilities here\n";
    return;
}

my $no_privilege;
sub no_privilege {
    $no_privilege //= eval { in_child { take_privilege(); 1 }; 1 }
        ? '' : "no capabilities to be had: $@";
    chomp $no_privilege;
    return $no_privilege;
}

sub privileged(&) {
    my ($code) = @_;
    return in_child { take_privilege(); $code->() };
}

# ---- the tally of a run ----

# A run is what one harness starts. It is known by the harness's process.
sub run_id {
    my $parent = getppid;
    open my $stat, '<', "/proc/$parent/stat" or return $parent;
    my ($started) = <$stat> =~ /.*\)\s+(?:\S+\s+){19}(\d+)/;
    return "$parent-" . ($started // '');
}

# In the build's own directory, or where anybody may write: then one for each tree.
sub tally_file {
    return 'blib/shapes-seen' if -d 'blib' && -w 'blib';
    my $tree = join '-', (stat '.')[ 0, 1 ];
    return File::Spec->catfile(File::Spec->tmpdir, "linux-prctl-shapes-$>-$tree");
}

my ($owner, $file, $told) = ($$, $0);

# A line for each thing that happened; the first one says in which run.
sub note_down {
    my (@lines) = @_;
    return if !$ENV{HARNESS_ACTIVE};
    my $name = tally_file();
    my $run  = 'run ' . run_id() . "\n";
    sysopen my $tally, $name, POSIX::O_RDWR() | POSIX::O_CREAT() | Fcntl::O_NOFOLLOW(), 0600
        or die "$name: $!\n";
    flock $tally, LOCK_EX or die "$name: $!\n";
    if ((<$tally> // '') ne $run) {
        truncate $tally, 0 or die "$name: $!\n";
        unshift @lines, [ $run =~ s/\n//r ];
    }
    sysseek $tally, 0, SEEK_END or die "$name: $!\n";
    syswrite $tally, join('', map {"@$_\n"} @lines) or die "$name: $!\n";
    return;
}

note_down([ 'begin', $$, $file ]);

END {
    if ($$ == $owner && !$told) {
        my $status = $?;
        my %seen;
        for my $test (Test::More->builder->details) {
            $seen{$1}++ if $test && $test->{type} ne 'skip' && ($test->{name} // '') =~ /\A(S\d+)\b/;
        }
        note_down((map { [ 'seen', $_, $seen{$_} ] } sort keys %seen), [ 'end', $$, $file ]);
        $? = $status;
    }
}

# What the others of this run have written down: counts by shape, and the files
# that took part. Waits for those that still run beside this one.
sub tally {
    my (%seen, %files);
    for (1 .. 600) {
        my %open;
        (%seen, %files) = ();
        open my $in, '<', tally_file() or last;
        last if (<$in> // '') ne 'run ' . run_id() . "\n";
        while (my $line = <$in>) {
            my ($what, $which, $value) = split ' ', $line, 3;
            chomp $value;
            if    ($what eq 'begin') { $open{$which} = 1; $files{$value} = 1 }
            elsif ($what eq 'end')   { delete $open{$which} }
            else                     { $seen{$which} += $value }
        }
        last if !grep { $_ != $$ && kill 0, $_ } keys %open;
        select undef, undef, undef, 0.1;
    }
    unlink tally_file();
    $told = 1;
    return (\%seen, [ grep { $_ ne $file } keys %files ]);
}

1;
