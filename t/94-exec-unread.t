use 5.014;
use warnings;

use Errno qw(EACCES EINVAL EIO ENODATA ENOENT EOPNOTSUPP EPERM ERANGE);
use File::Temp;
use Linux::Prctl qw(cap_effective setpriv);
use Linux::Prctl::FileCaps;
use Linux::Prctl::Status;
use Test::More;

use lib 't/lib';
use ExecTest qw(build_helper build_dynamic call);
use Seccomp qw(no_listener peek supervised);
use Shapes qw(is_root);
use TestChild qw(in_child);

# What after_exec makes of a file of which something cannot be read: nothing is taken for not
# there because it could not be seen.

my $CLASS = 'Linux::Prctl::Status';
my $dir   = File::Temp->newdir;
chmod 0755, $dir or die "$dir: $!\n";
my ($helper, $why) = build_helper($dir);
plan skip_all => "no helper: $why" =~ s/\n.*//sr if !$helper;

sub name_of { return $_[0] =~ s{.*/}{}r }

sub text { local $! = $_[0]; return "$!" }

sub script {
    my ($name, $program) = @_;
    open my $out, '>', "$dir/$name" or die "$name: $!\n";
    print {$out} "#!$program\n";
    close $out or die "$name: $!\n";
    chmod 0755, "$dir/$name" or die "$name: $!\n";
    return "$dir/$name";
}

# What after_exec says: '' and what would be, or why not and errno.
sub said {
    my ($file) = @_;
    local $! = 0;
    my $after = eval { $CLASS->current->after_exec($file) };
    return ($@ =~ s/ at \S+ line \d+\.?\n.*//sr, $! + 0) if !$after;
    return ('', 0, join(' ', @{ $after->caps->{permitted} }), join ' ', grep { $_ eq 'program' } @{ $after->assumed });
}

# ---- a long access list ----

my ($ACCESS, $CAPS) = ('system.posix_acl_access', 'security.capability');

sub access_list {
    my (@entries) = @_;
    return pack 'V' . 'vvV' x @entries, 2, map { ($_->[0], $_->[1], $_->[2] // 0xffffffff) } @entries;
}

my ($OWNER, $USER, $GROUP_OWNER, $GROUP, $MASK, $OTHER) = (1, 2, 4, 8, 16, 32);

SKIP: {
    my ($ids) = do { open my $in, '<', '/proc/self/uid_map' or die "uid_map: $!\n"; map { (split)[2] } <$in> };
    skip 'no ids for a long access list', 1 if $> || $ids < 2000;
    my $listed = script('listed', $helper);
    for my $users (27, 28, 29, 60) {
        my $list = access_list([ $OWNER, 7 ], map({ [ $USER, 5, 1000 + $_ ] } 1 .. $users), [ $GROUP_OWNER, 5 ],
            [ $MASK, 7 ], [ $OTHER, 5 ]);
        my $buffer = $listed;
        skip "no such access lists: $!", 1 if call(setxattr => $buffer, $ACCESS, $list, length $list, 0) != 0;
        my $entries = $users + 4;
        my ($said, $errno) = said($listed);
        if ($entries <= 32) {
            is($said, '', "an access list of $entries entries is read");
            next;
        }
        is($errno, ERANGE, "an access list of $entries entries is not read in part");
        like($said, qr/\Aafter_exec\(\Q$listed\E\): \Q@{[ text(ERANGE) ]}\E/, '... and that is said');
    }
}

# ---- what is refused ----

my ($PREAD, $GETXATTR, $FSTATFS, $OPEN, $OPENAT) = (17, 191, 138, 2, 257);    # by the numbers of x86_64

# Runs code where $answer->(call, path of the file, name of the attribute) answers.
sub answered_by {
    my ($answer, $code) = @_;
    my (undef, @said) = supervised([ $PREAD, $GETXATTR, $FSTATFS, $OPEN, $OPENAT ], sub {
        my ($call) = @_;
        my ($number, @args) = ($call->{syscall}, @{ $call->{args} });
        my %what = ($PREAD => 'pread', $GETXATTR => 'getxattr', $FSTATFS => 'fstatfs', $OPEN => 'open', $OPENAT => 'open');
        my $path = $what{$number} eq 'pread' || $what{$number} eq 'fstatfs' ? readlink "/proc/$call->{pid}/fd/$args[0]"
            : (split /\0/, peek($call, $args[ $number eq $OPENAT ? 1 : 0 ], 120))[0];
        my $named = $path // '';
        my $file = $named =~ m{\A/proc/thread-self/fd/(\d+)\z} ? readlink "/proc/$call->{pid}/fd/$1" : $named;
        my ($name) = $what{$number} eq 'getxattr' ? split /\0/, peek($call, $args[1], 24) : ('');
        return $answer->($what{$number}, $file // '', $name // '', $named, \@args);
    }, $code);
    return @said;
}

sub refusals {
    my $script  = script('script', $helper);
    my $of      = script('of', $script);
    my $dynamic = build_dynamic($dir) ? "$dir/dynamic" : undef;

    # Whose attribute, or file system, is not told: of the file, of what it leads to, of its loader.
    my @chain = ([ $helper, $helper ], [ $script, $script ], [ $script, $helper ], [ $of, $script ], [ $of, $helper ],
        $dynamic ? ([ $dynamic, $dynamic ], [ $dynamic, "$dir/loader" ]) : ());
    for my $row (@chain) {
        my ($file, $refused) = @$row;
        my $title = name_of($file) . ' and ' . name_of($refused);
        for my $case ([ getxattr => $ACCESS, EIO ], [ getxattr => $ACCESS, EACCES ], [ getxattr => $CAPS, EIO ],
            [ getxattr => $CAPS, EPERM ], [ fstatfs => '', EIO ])
        {
            my ($call, $attribute, $error) = @$case;
            my $how = $attribute || $call;
            my ($text, $errno) = answered_by(sub {
                my ($what, $path, $name) = @_;
                return $what eq $call && $path eq $refused && $name eq $attribute ? { errno => $error } : undef;
            }, sub { said($file) });
            is($errno, $error, "$title: $how cannot be read: an exception");
            like($text, qr/\Aafter_exec\(\Q$file\E\): \Q@{[ text($error) ]}\E/, '... with the reason');
        }
        for my $error (ENODATA, EOPNOTSUPP) {
            my ($text) = answered_by(sub {
                my ($what, $path) = @_;
                return $what eq 'getxattr' && $path eq $refused ? { errno => $error } : undef;
            }, sub { said($file) });
            is($text, '', "$title: " . text($error) . ' is none');
        }
        # Neither a script nor a loader gives capabilities.
        my ($text, $errno) = answered_by(sub {
            my ($what, $path, $name) = @_;
            return $what eq 'getxattr' && $path eq $refused && $name eq $CAPS ? { errno => EINVAL } : undef;
        }, sub { said($file) });
        my $counts = $refused eq $file && $file !~ /script|of\z/ || $refused eq $helper;
        is($errno, $counts ? EINVAL : 0, "$title: a malformed attribute counts where capabilities would");
    }

    # Nobody reads whether it is a program: that is assumed.
    for my $row ([ $helper, $helper ], [ $script, $script ], $dynamic ? [ $dynamic, "$dir/loader" ] : ()) {
        my ($file, $unread) = @$row;
        my (undef, undef, undef, $assumed) = answered_by(sub {
            my ($what, $path) = @_;
            return $what eq 'pread' && $path eq $unread ? { errno => EIO } : undef;
        }, sub { said($file) });
        is($assumed, 'program', name_of($file) . ': the first bytes of ' . name_of($unread) . ' cannot be read: assumed');
    }

    # Without the descriptors in /proc all goes by the names: it is the same.
    my $capable = script('capable', "$dir/capable-helper");
    system('cp', $helper, "$dir/capable-helper") == 0 or die "cp: $?\n";
    my $has = cap_effective->has('setfcap')
        && eval { Linux::Prctl::FileCaps->from_text('cap_kill=ep')->set("$dir/capable-helper"); 1 };
    for my $file ($helper, $script, $of, $capable, $dynamic // ()) {
        my $become = sub {
            setpriv(reuid => 1003, regid => 2003, clear_groups => 1, inh_caps => []) if is_root();
            said($file);
        };
        my @with = in_child { $become->() };
        my @without = answered_by(sub {
            my ($what, $path, $name, $named) = @_;
            return $what ne 'pread' && $named =~ m{\A/proc/thread-self/fd/} ? { errno => ENOENT } : undef;
        }, $become);
        is_deeply(\@without, \@with, "without /proc/thread-self/fd: " . name_of($file));
        is($with[2], 'kill', '... with the capability of the file') if $has && is_root() && $file eq $capable;
    }
    # By a handle there is no name.
    my @by_handle = answered_by(sub {
        my ($what, $path, $name, $named) = @_;
        return $what eq 'open' && $named =~ m{\A/proc/thread-self/fd/} ? { errno => ENOENT } : undef;
    }, sub { open my $in, '<', $script or die "$script: $!\n"; said($in) });
    is("$by_handle[0] $by_handle[3]", ' program', '... and by a handle it is assumed to be a program');
    return;
}

# Lists that a file system of another kernel may have: without a mask, and without the others.
sub lists {
    my ($true) = grep { -x } qw(/bin/true /usr/bin/true);
    my $owner  = (stat $true)[4];
    SKIP: {
        skip 'who owns it has no use for an access list', 1 if $owner == $> && !is_root();
        for my $case (
            [ 'no mask: a group that may',      0,      [ $GROUP, 5 ], [ $OTHER, 0 ] ],
            [ 'no mask: a group that may not',  EACCES, [ $GROUP, 4 ], [ $OTHER, 5 ] ],
            [ 'no mask: others that may',       0,      [ $OTHER, 5 ] ],
            [ 'a mask of another group',        EACCES, [ $GROUP, 5 ], [ $MASK, 4 ], [ $OTHER, 5 ] ],
            [ 'no others',                      EACCES, [ $MASK, 7 ] ],
            [ 'no others, and a group that may', 0,     [ $GROUP, 5 ], [ $MASK, 7 ] ],
        ) {
            my ($what, $expected, @entries) = @$case;
            my (undef, $errno) = answered_by(sub {
                my ($call, $path, $name, $named, $args) = @_;
                return if $call ne 'getxattr' || $name ne $ACCESS;
                my $gid  = is_root() ? 2003 : (split ' ', $))[0];
                my $list = access_list([ $OWNER, 7 ], [ $GROUP_OWNER, 0 ],
                    map { [ @$_, $_->[0] == $GROUP ? $gid : () ] } @entries);
                return { value => length $list, write => { $args->[2] => $list } };
            }, sub {
                setpriv(reuid => 1003, regid => 2003, clear_groups => 1, inh_caps => []) if is_root();
                said($true);
            });
            is($errno, $expected, "an access list, $what");
        }
    }
    return;
}

SKIP: {
    skip no_listener(), 1 if length no_listener();
    refusals();
    lists();
}

done_testing;
