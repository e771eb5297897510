use 5.014;
use warnings;

use File::Basename qw(basename);
use Linux::Prctl qw(:all :fatal);
use POSIX ();
use Test::More;

use lib 't/lib';
use Manual qw(chapter);
use TestChild qw(in_child proc_status);

# The table "What survives", cell by cell: a thing is set in a child, then comes an exec,
# a fork or a change of the uid, and it is asked for again, of /proc where that tells.
my $status = sub { my ($field) = @_; return sub { my %is = proc_status(); $is{$field} } };
my $chown  = sub { my ($set) = @_; return sub { my %is = proc_status(); hex(substr $is{"Cap$set"}, -1) & 1 } };

# name => [how to set it, how to ask, what it is when nothing was set]
my %row = (
    'effective'    => [sub { cap_effective->add('chown') }, $chown->('Eff'), 0],
    'permitted'    => [sub { cap_permitted->has('chown') or die "chown is not permitted\n" }, $chown->('Prm'), 0],
    'inheritable'  => [sub { cap_inheritable->replace('chown') }, $chown->('Inh'), 0],
    'ambient'      => [sub { cap_inheritable->add('chown'); cap_ambient->add('chown') }, $chown->('Amb'), 0],
    'bounding set' => [sub { capbset->drop('chown') }, $chown->('Bnd'), 1],
    'securebits'   => [sub { set_securebits(SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_KEEP_CAPS) },
        sub { get_securebits() & ~SECBIT_KEEP_CAPS }, 0],
    'no_new_privs'    => [sub { set_no_new_privs() }, $status->('NoNewPrivs'), 0],
    'seccomp'         => [sub { prctl(PR_GET_SECCOMP) and die "a filter is there\n"; set_no_new_privs();
            set_seccomp(SECCOMP_MODE_FILTER, pack 'S C C L', 6, 0, 0, 0x7fff0000) }, $status->('Seccomp'), 0],
    'name'            => [sub { set_name('survivor') }, $status->('Name'), basename($^X)],
    'dumpable'        => [sub { set_dumpable(0) }, sub { get_dumpable() }, 1],
    'pdeathsig'       => [sub { set_pdeathsig('URG') }, sub { get_pdeathsig() }, 0],
    'child_subreaper' => [sub { set_child_subreaper(1) }, sub { get_child_subreaper() }, 0],
    'timerslack'      => [sub { set_timerslack(12345) }, sub { get_timerslack() }, 50_000],
    'mce_kill'        => [sub { set_mce_kill(MCE_KILL_EARLY) }, sub { get_mce_kill() }, MCE_KILL_DEFAULT],
    'thp_disable'     => [sub { set_thp_disable(1) }, sub { get_thp_disable() & 1 }, 0],
    'memory_merge'    => [sub { set_memory_merge(1) }, sub { get_memory_merge() }, 0],
    'mdwe'            => [sub { set_mdwe(MDWE_REFUSE_EXEC_GAIN) }, sub { get_mdwe() }, 0],
    # Reading it takes sys_resource too.
    'io_flusher'      => [sub { set_keepcaps(1); set_io_flusher(1) },
        sub { local $cap_effective{sys_resource} = 1; get_io_flusher() }, 0],
    'timer_create_restore_ids' => [sub { timer_create_restore_ids_on() }, sub { timer_create_restore_ids_get() }, 0],
    'futex_hash'      => [sub { futex_hash_set_slots(64) }, sub { futex_hash_get_slots() }, undef],
);

# Nothing can be asked there, without danger, or in the process itself.
my %unasked = map { $_ => 1 } qw(title ptracer tsc sched_core syscall_user_dispatch);

my ($table) = grep {/\A    what +exec/} chapter('Linux::Prctl', 'WHAT SURVIVES');
my %said;
for my $line (grep { !/\A    (?:what|---)/ } split /\n/, $table) {
    my ($names, @cells) = map { s/ \(\d\)|\s+\z//gr } unpack '(A28 A18 A10 A12)', substr $line, 4;
    $said{$_} = \@cells for split /, /, $names;
}
is_deeply([grep { !$row{$_} && !$unasked{$_} } sort keys %said], [], 'every row can be measured');
is_deeply([grep { !$said{$_} } sort keys %row, keys %unasked], [], 'and is there');

# The three events: what is asked after each of them, in a child of its own.
my $asked = $ARGV[0] // '';
if ($asked eq 'ask') {
    print $row{ $ARGV[1] }[1]->() // 'undef';
    POSIX::_exit(0);
}
my %event = (
    exec => sub {
        my ($row, $name) = @_;
        my $pid = open my $out, '-|' // die "fork: $!\n";
        if (!$pid) {
            eval { $row->[0]->(); 1 } or POSIX::_exit(9);
            exec { $^X } $^X, (map {"-I$_"} grep { !ref } @INC), $0, 'ask', $name or POSIX::_exit(9);
        }
        my $said = do { local $/; <$out> };
        return ($said // '') =~ s/\A.*\n//sr;
    },
    fork   => sub { my ($row) = @_; $row->[0]->(); return in_child { $row->[1]->() } },
    setuid => sub {
        my ($row) = @_;
        $row->[0]->();
        POSIX::setgid(65534) // die "setgid: $!\n";
        POSIX::setuid(65534) // die "setuid: $!\n";
        return $row->[1]->();
    },
);

# Before Linux 6.7, exec cleared what since then it keeps.
my ($version, $patch) = (POSIX::uname())[2] =~ /\A(\d+)\.(\d+)/;
my $is_cleared = $version < 6 || $version == 6 && $patch < 7;

sub suid_dumpable { open my $in, '<', '/proc/sys/fs/suid_dumpable' or return 0; return <$in> + 0 }

for my $name (sort keys %row) {
    my $row   = $row{$name};
    my $start = eval { in_child { $row->[0]->(); $row->[1]->() } };
  SKIP: {
        skip "$name cannot be set here: $@", 1 if !defined $start;
        my %cell;
        @cell{qw(exec fork setuid)} = @{ $said{$name} };
        $cell{exec} = 'cleared' if $name eq 'memory_merge' && $is_cleared;
        for my $event (sort keys %cell) {
            next if $cell{$event} eq 'computed';
            skip "$name: no uid to change to", 1 if $event eq 'setuid' && !eval {
                die "this is no root\n" if $>;
                in_child { POSIX::setgid(65534) // die "$!\n"; POSIX::setuid(65534) // die "$!\n"; 1 }
            };
            my $is = eval { $event eq 'exec' ? $event{exec}->($row, $name) : in_child { $event{$event}->($row, $name) } };
            my $like =
                  $cell{$event} =~ /\Akept|all but keepcaps/        ? $start
                : $cell{$event} =~ /\A(?:cleared|emptied)/          ? $row->[2]
                : $cell{$event} =~ /\A(?:program's name|back to 1)/ ? $row->[2]
                : $cell{$event} eq '0'                              ? suid_dumpable()
                :                                                     undef;
            my $title = "$name over $event: $cell{$event}";
            if ($cell{$event} eq 'reset') { isnt($is, $start, $title) }
            else                          { is($is, $like, $title) or diag($@) }
        }
    }
}

done_testing;
