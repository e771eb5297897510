package Shapes;

# The processes that the module must work in: each has a name in words, is built in a
# forked child with bare system calls, and is looked at in /proc before a test runs in it.
#
# Which can be built depends on who runs the tests, and where. A test whose shape cannot
# be built is skipped: "cannot build SHAPE: why". Root should be able to build them all,
# unless a container forbids it; where ALL_SHAPES is set, root fails instead.
use 5.014;
use warnings;

use Exporter qw(import);
use POSIX ();
use Test::More ();

use Masks qw(bit all_but);
use Seccomp qw(prctl_answers);
use SystemCalls qw(sys raw_prctl raw_capget raw_capset raw_drop ambient_raise);
use TestChild qw(in_child proc_status proc_caps);

our @EXPORT_OK = qw(
    shape in_shape no_shape shape_names privileged no_privilege is_root user_namespace
);

# ---- who we are: from /proc, since an old perl remembers $> beyond a bare system call ----

# Real, effective, saved, fs.
sub uids { my %now = proc_status(); return split ' ', $now{Uid} }
sub gids { my %now = proc_status(); return split ' ', $now{Gid} }

sub effective_uid { return (uids())[1] }

# A line of /proc/self, or nothing.
sub first_line {
    my ($name) = @_;
    open my $in, '<', "/proc/self/$name" or return '';
    return <$in> // '';
}

# Root as most situations need it: with the capabilities that change ids and sets,
# where other users exist and groups can be set. Root in "unshare -Ur" is none.
sub is_root {
    my %now    = proc_caps();
    my $needed = bit(6, 7, 8);    # setgid, setuid, setpcap
    return 0 if ($now{E} & $needed) != $needed;
    for my $map (qw(uid_map gid_map)) {
        my ($first, undef, $count) = split ' ', first_line($map);
        return 0 if $first // 1 or $count < 65535;
    }
    return first_line('setgroups') !~ /\Adeny/;
}

sub in_user_namespace { return first_line('uid_map') !~ /\A\s*0\s+0\s+4294967295/ }

# ---- the shapes ----

my $nobody = 65534;
my @docker = (0, 1, 3 .. 8, 10, 13, 18, 27, 29, 31);    # what a container gives to root

# Another user, with what is permitted kept, in effective too.
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

# The caller in a user namespace of its own: uid 0 with every capability, and alone.
sub user_namespace {
    my ($uid, $gid) = ((uids())[1], (gids())[1]);
    sys(unshare => 0x10000000);
    for (['setgroups', 'deny'], ['uid_map', "0 $uid 1"], ['gid_map', "0 $gid 1"]) {
        my ($name, $text) = @$_;
        open my $file, '>', "/proc/self/$name" or die "/proc/self/$name: $!\n";
        syswrite $file, $text or die "/proc/self/$name: $!\n";
    }
    return;
}

# In the order in which they are told: how each is built, and what it looks like then,
# by its sets (E P I B A) and its effective uid.
my @shapes = (
    root_with_everything => {
        build => sub { my %now = proc_caps(); raw_capset(@now{qw(B B)}, 0) },
        looks => sub { my (%now) = @_; !$now{uid} && $now{E} == $now{B} && $now{P} == $now{B} },
    },
    container_root => {
        build => sub {
            my %now = proc_caps();
            my $few = bit(@docker) & $now{B};
            raw_drop(grep { all_but($now{B}, @docker) & bit($_) } 0 .. 63);
            raw_capset($few, $few, 0);
        },
        looks => sub {
            my (%now) = @_;
            !$now{uid} && !all_but($now{P}, @docker) && $now{E} & bit(8);
        },
    },
    # a cut bounding set, and neither setpcap nor setgid
    restricted_root => {
        build => sub {
            raw_drop(6, 8, 21);
            my ($effective, $permitted) = raw_capget();
            raw_capset(all_but($effective, 6, 8, 21), all_but($permitted, 6, 8, 21), 0);
        },
        looks => sub {
            my (%now) = @_;
            !$now{uid} && $now{P} && !(($now{P} | $now{B}) & bit(6, 8, 21));
        },
    },
    root_without_setpcap => {
        build => sub {
            my ($effective, $permitted) = raw_capget();
            raw_capset(all_but($effective, 8), all_but($permitted, 8), 0);
        },
        looks => sub {
            my (%now) = @_;
            !$now{uid} && $now{P} && !($now{P} & bit(8)) && $now{B} & bit(8);
        },
    },
    # noroot_locked and keep_caps_locked, with both settings off
    locked_securebits => {
        build => sub { raw_prctl(28, 1 << 1 | 1 << 5) },
        looks => sub { raw_prctl(27) == (1 << 1 | 1 << 5) },
    },
    # net_bind_service in all sets of a user
    ambient_user => {
        build => sub { become($nobody, permitted => bit(10)); ambient_raise(10) },
        looks => sub { my (%now) = @_; $now{uid} == $nobody && $now{A} == bit(10) },
    },
    user_with_setgid_and_setpcap => {
        build => sub { become($nobody, permitted => bit(6, 8)) },
        looks => sub { my (%now) = @_; $now{uid} == $nobody && $now{E} == bit(6, 8) },
    },
    # and with all that root had permitted, nothing of it effective
    user_with_saved_uid_0 => {
        build => sub { become($nobody, uids => [ $nobody, $nobody, 0 ]) },
        looks => sub { my (%now) = @_; $now{uid} == $nobody && $now{P} && !$now{E} },
    },
    user_namespace => {
        build => \&user_namespace,
        looks => sub { my (%now) = @_; !$now{uid} && in_user_namespace() && $now{E} & bit(21) },
    },
    plain_user => {
        build => sub { become($nobody) if !effective_uid() },
        looks => sub { my (%now) = @_; $now{uid} && !($now{P} | $now{I} | $now{A}) },
    },
    no_new_privs => {
        build => sub { raw_prctl(38, 1) },
        looks => sub { my %now = proc_status(); $now{NoNewPrivs} },
    },
    # prctl() answers with an errno, EPERM if none is named
    filtered_prctl => {
        build => sub { my ($errno) = @_; prctl_answers($errno // POSIX::EPERM()) },
        looks => sub { !eval { raw_prctl(3); 1 } },
    },
);
my @names = @shapes[ grep { $_ % 2 == 0 } 0 .. $#shapes ];
my %shape = @shapes;

sub shape_names { return @names }

sub build {
    my ($name, @how) = @_;
    my $shape = $shape{$name} // die "there is no shape $name\n";
    $shape->{build}->(@how);
    $shape->{looks}->(proc_caps(), uid => effective_uid())
        or die "what came out does not look like it\n";
    return;
}

# Why this shape cannot be built from here; nothing, where it can. Dies if it must be.
my %missing;
sub no_shape {
    my ($name) = @_;
    die "there is no shape $name\n" if !$shape{$name};
    $missing{$name} //= eval { in_child { build($name); 1 }; 1 } ? '' : "cannot build $name: $@";
    chomp $missing{$name};
    die "$missing{$name}\n" if $missing{$name} && $ENV{ALL_SHAPES} && is_root();
    return $missing{$name};
}

# in_shape plain_user => sub { ... }: what the code returns that runs in such a process.
sub in_shape {
    my ($name, $code, @how) = @_;
    return in_child { build($name, @how); $code->() };
}

# shape plain_user => sub { ... }: tests, in this process, about a shape; or a reason.
sub shape {
    my ($name, $tests) = @_;
    my $why = eval { no_shape($name) };
    return Test::More::fail("cannot be skipped: $@") if !defined $why;
    return $tests->() if !$why;
    SKIP: { Test::More::skip($why, 1) }
    return;
}

# ---- a child with capabilities to play with ----

# Those that this process has, or those that a user namespace gives to anybody.
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

1;
