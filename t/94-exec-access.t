use 5.014;
use warnings;

use Errno qw(EACCES EOPNOTSUPP EPERM);
use File::Copy qw(copy);
use POSIX ();
use Test::More;

use lib 't/lib';
use ExecTest qw(own_mounts build_helper build_dynamic call many_ids);
use Linux::Prctl qw(:all);
use Linux::Prctl::Status;
use TestChild qw(in_child);

# Who may execute a file: every access list of a few entries, by every kind of process,
# each really executed. And what an exec leaves on kernels of another law than this one's.

own_mounts();    # runs it again
plan skip_all => 'it takes a process that may become anyone' if !many_ids();

my $dir = File::Temp->newdir('access-XXXXXX', TMPDIR => 1);
chmod 0755, $dir;
my $mounted = own_mounts() && system('mount', '-t', 'tmpfs', '-o', 'mode=755', 'none', $dir) == 0;
END { system 'umount', $dir if $mounted }
my ($helper, $why) = build_helper($dir);
plan skip_all => "no helper: $why" =~ s/\n.*//sr if !$helper;

# The file's owner and group, and those whom the list names. The fs uid is what counts,
# and the fs gid with the groups.
my ($OWNER, $GROUP, $USER, $OTHERS_GROUP) = (1001, 2001, 1002, 2002);
my %process = (
    'the owner'                       => { uid => $OWNER },
    'the named user'                  => { uid => $USER },
    'the named user, in both groups'  => { uid => $USER, groups => [ $GROUP, $OTHERS_GROUP ] },
    'the named user by fs uid alone'  => { uid => 1003, fs => $USER },
    'the named user but for fs uid'   => { uid => $USER, fs => 1003 },
    'one of the group'                => { uid => 1003, gid => $GROUP },
    'one of the named group'          => { uid => 1003, groups => [$OTHERS_GROUP] },
    'one of the named group by gid'   => { uid => 1003, gid => $OTHERS_GROUP },
    'one of both groups'              => { uid => 1003, groups => [ $GROUP, $OTHERS_GROUP ] },
    'another'                         => { uid => 1003 },
);

sub become {
    my ($process) = @_;
    my $groups = $process->{groups} // [];
    my $gid    = $process->{gid} // 2003;
    my $uid    = $process->{uid};
    cap_inheritable->clear;    # or the next exec might be root's
    call(setgroups => scalar @$groups, pack 'L*', @$groups) == 0 or die "setgroups: $!\n";
    call(setresgid => $gid, $gid, $gid) == 0                    or die "setresgid: $!\n";
    my $saved = $process->{fs} // $uid;
    call(setresuid => $uid, $uid, $saved) == 0 or die "setresuid: $!\n";
    setfsuid($saved);
    return;
}

# What after_exec says, and what happens: 0 for an exec, or errno.
sub tried {
    my ($process, $path) = @_;
    return in_child {
        become($process);
        my $said = eval { Linux::Prctl::Status->current->after_exec($path); 1 } ? 0 : $! + 0;
        pipe my $from, my $to or die "pipe: $!\n";    # which an exec closes
        binmode $_ for $from, $to;    # whatever PERL_UNICODE says
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            open STDOUT, '>', '/dev/null';
            no warnings 'exec';
            exec {$path} 'helper' or syswrite $to, $! + 0;
            POSIX::_exit(0);
        }
        close $to;
        my $happened = readline($from) // 0;
        waitpid $pid, 0;
        return ($said, $happened + 0);
    };
}

# ---- access lists ----

# What a list is in the attribute: a version, then tag, permissions and id of each entry.
sub access_list {
    my (@entries) = @_;
    return pack 'V' . 'vvV' x @entries, 2, map { ($_->[0], $_->[1], $_->[2] // 0xffffffff) } @entries;
}

sub set_list {
    my ($path, $list) = @_;
    my $buffer = $path;
    return call(setxattr => $buffer, 'system.posix_acl_access', $list, length $list, 0);
}

chown $OWNER, $GROUP, $helper or die "$helper: $!\n";
chmod 0755, $helper;
SKIP: {
    skip "no access lists: $!", 1 + keys %process
        if set_list($helper, access_list([ 1, 7 ], [ 4, 5 ], [ 16, 5 ], [ 32, 5 ])) != 0 && $! == EOPNOTSUPP;
    my %seen;
    for my $who (sort keys %process) {
        my @wrong;
        my $owns = $process{$who}{uid} == $OWNER;
        for my $bits (0 .. ($owns ? 1 : 2**5 - 1)) {
            # Each may read it, or read and execute it; of the mask, nothing too.
            my ($owner, $user, $group, $named, $mask, $other) =
                map { $_ & 1 ? 5 : 4 } $owns ? ($bits, ~$bits, ~$bits, ~$bits, 1, ~$bits) : (1, map { $bits >> $_ } 0 .. 4);
            for my $masked ($mask, $mask == 4 ? 0 : ()) {
                set_list($helper, access_list([ 1, $owner ], [ 2, $user, $USER ], [ 4, $group ],
                    [ 8, $named, $OTHERS_GROUP ], [ 16, $masked ], [ 32, $other ])) == 0 or die "setxattr: $!\n";
                my ($said, $happened) = tried($process{$who}, $helper);
                $seen{$happened}++;
                push @wrong, "u:$owner user:$user g:$group group:$named m:$masked o:$other: $said, but $happened"
                    if $said != $happened;
            }
        }
        is("@wrong[0 .. ($#wrong < 3 ? $#wrong : 3)]", '', "access lists, and $who");
    }
    is_deeply([ sort { $a <=> $b } keys %seen ], [ 0, EACCES ], 'some were executed, some refused, and nothing else');
}

# ---- whether it may be read ----

# Who may execute a file and not read it, or its loader, is not dumpable afterwards.
sub dumpable_after {
    my ($path, @caps) = @_;
    return in_child {
        setpriv(reuid => 1003, regid => 2003, clear_groups => 1, caps => \@caps, inh_caps => []);
        my $said = Linux::Prctl::Status->current->after_exec($path)->dumpable;
        open my $out, '-|', $path, 'again' or die "$path: $!\n";
        my ($happened) = map { /^dumpable (\d)$/ ? $1 : () } <$out>;
        return ($said, $happened);
    };
}

my $buffer = $helper;
call(removexattr => $buffer, 'system.posix_acl_access');
chown 0, 0, $helper or die "$helper: $!\n";
chmod 0711, $helper;
for my $case ([ 'nobody in particular', 0 ], [ 'with kill', 0, 'kill' ], [ 'with dac_read_search', 1, 'dac_read_search' ],
    [ 'with dac_override', 1, 'dac_override' ])
{
    my ($who, $readable, @caps) = @$case;
    my ($said, $happened) = dumpable_after($helper, @caps);
    is($said, $happened, "a file that may not be read, $who: dumpable");
    is($happened == 1 ? 1 : 0, $readable, "... which it is: $readable");
}
SKIP: {
    skip 'no program with a loader of its own', 4 if !build_dynamic($dir);
    chmod 0755, "$dir/dynamic";
    for my $case ([ 0755, 1 ], [ 0711, 0 ]) {
        my ($mode, $readable) = @$case;
        chmod $mode, "$dir/loader";
        my ($said, $happened) = dumpable_after("$dir/dynamic");
        is($said, $happened, sprintf 'a loader with %04o: dumpable', $mode);
        is($happened == 1 ? 1 : 0, $readable, "... which it is: $readable");
    }
}

# ---- whether real ids count ----

# Linux 6.16 looks whether an effective id is a new one, and before that, whether it is the
# real one. With a bit of its personality a process is told that the kernel is a 2.6.
my $UNAME26 = 0x0020000;

sub after_plain {
    my ($process) = @_;
    return in_child {
        call(personality => $UNAME26) == -1 and die "personality: $!\n";
        my ($release) = (POSIX::uname())[2] =~ /\A(\d+\.\d+)/;
        set_no_new_privs(1) if $process->{nnp};
        setpriv(caps => [qw(kill setuid setgid)], inh_caps => ['kill'], ambient_caps => ['kill'],
            clear_groups => 1, map { ($_ => $process->{$_}) } grep { $_ ne 'nnp' } keys %$process);
        my $after = Linux::Prctl::Status->current->after_exec($helper);
        my $plan  = setpriv(dry_run => 1)->{after_exec};
        return ($release, map { join ' ', @$_{qw(real effective)} } $after->as_hash->{uid}, $plan->{uid},
            $after->as_hash->{gid}, $plan->{gid}) if $process->{nnp};
        return ($release, map { "@$_" } $after->as_hash->{caps}{ambient}, $plan->{caps}{ambient});
    };
}

chmod 0755, $helper;
for my $case (
    [ 'ids that are the same', { ruid => 1001, euid => 1001, rgid => 2001, egid => 2001 }, 'kill', 'kill' ],
    [ 'another effective uid', { ruid => 1001, euid => 1002, rgid => 2001, egid => 2001 }, '', '' ],
    [ 'another effective gid', { ruid => 1001, euid => 1001, rgid => 2001, egid => 2002 }, '', '' ],
    [ 'another effective uid, under no_new_privs', { nnp => 1, ruid => 1001, euid => 1002, rgid => 2001, egid => 2002 },
        '1001 1001', '1001 1001', '2001 2001', '2001 2001' ],
) {
    my ($what, $process, @expected) = @$case;
    my ($release, @found) = after_plain($process);
    is($release, '2.6', "before 6.16: $what: it is a 2.6");
    is_deeply(\@found, \@expected, "before 6.16: $what: after an exec");
}

done_testing;
