use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Errno qw(EACCES EBADF ECANCELED EISDIR EMFILE ENOENT ENOEXEC ENOTDIR EPERM);
use File::Temp;
use Linux::Prctl qw(spawn);
use POSIX ();
use Seccomp qw(supervised no_listener);
use Shapes qw(is_root);
use SpawnTest qw(no_spawn each_way said status_of parent_now unlike_before program);
use TestChild qw(in_child proc_status);

plan skip_all => no_spawn() if no_spawn();

# Whatever goes wrong in the child is one exception in the caller, and nothing is left.

my ($true, $sh) = map { program($_) } qw(true sh);
my $dir = File::Temp->newdir;
chmod 0755, "$dir";
mkdir "$dir/closed";
my $text = sub { my ($name, $mode, $said) = @_; open my $out, '>', "$dir/$name" or die "$name: $!\n"; print {$out} $said; close $out; chmod $mode, "$dir/$name" };
$text->('data', 0644, "no program\n");
$text->('format', 0755, "no program\n");
$text->('script', 0755, "#!/no/such/interpreter\n");
mkdir "$dir/path";
$text->('path/data', 0644, "no program\n");

my @fails = (
    # name, plan, message, errno
    'no such file'        => [ command => ["$dir/none"] ], "exec of $dir/none", ENOENT,
    'no permission'       => [ command => ["$dir/data"] ], "exec of $dir/data", EACCES,
    'no format'           => [ command => ["$dir/format"] ], "exec of $dir/format", ENOEXEC,
    'no interpreter'      => [ command => ["$dir/script"] ], "exec of $dir/script", ENOENT,
    'a directory'         => [ command => ["$dir"] ], "exec of $dir", EACCES,
    'nowhere along PATH'  => [ command => ['no-such-program'], env => { PATH => '/bin:/usr/bin' } ], 'exec of no-such-program', ENOENT,
    'not to be executed'  => [ command => ['data'], env => { PATH => "/none:$dir/path:/nowhere" } ],
        "exec of $dir/path/data", EACCES,
    'another program'     => [ command => [$true], program => "$dir/none" ], "exec of $dir/none", ENOENT,
    'no directory'        => [ command => [$true], chdir => "$dir/none" ], qq{chdir to "$dir/none"}, ENOENT,
    'a file for chdir'    => [ command => [$true], chdir => $0 ], qq{chdir to "$0"}, ENOTDIR,
    'no such stdin'       => [ command => [$true], stdin => "$dir/none" ], qq{stdin "$dir/none"}, ENOENT,
    'stdout in nothing'   => [ command => [$true], stdout => "$dir/none/log" ], qq{stdout "$dir/none/log"}, ENOENT,
    'stderr a directory'  => [ command => [$true], stderr => "$dir" ], qq{stderr "$dir"}, EISDIR,
    'a descriptor beyond' => [ command => [$true], fds => { 1999999999 => \*STDIN } ], 'fds: 1999999999', EBADF,
    'a group of others'   => [ command => [$true], process_group => 2147483647 ], 'process_group', EPERM,
    'a limit beyond'      => [ command => [$true], rlimits => { nofile => 'unlimited' } ], 'rlimits: nofile', EPERM,
);

each_way(sub {
    my ($way) = @_;
    my $chld = 0;
    local $SIG{CHLD} = sub { $chld++ };
    my $before = parent_now();
    my @fails = @fails;
    while (my ($name, $plan, $said, $error) = splice @fails, 0, 4) {
        local $@;
        local ($!, $?) = (0, 77);
        my $pid  = eval { spawn(@$plan) };
        my $line = __LINE__ - 1;
        my ($got, $errno) = ($@, $! + 0);
        is($pid, undef, "$way: $name: an exception") or waitpid $pid, 0;
        my $reason = do { local $! = $error; "$!" };
        like($got, qr/\Aspawn: \Q$said: $reason\E(?: \(along PATH\))? at \Q$0\E line $line\.\n\z/, "$way: $name: what it says");
        is($errno, $error, "$way: $name: \$!");
        is($?, 77, "$way: $name: \$? stays");
    }
    is($chld, 0, "$way: no SIGCHLD for any of them");
    is(waitpid(-1, POSIX::WNOHANG()), -1, "$way: no child");
    is(unlike_before($before), '', "$way: nothing is left");

    # What a plain user may not.
    my @said = in_child {
        Linux::Prctl::setpriv(!is_root() ? () : (reuid => 65534, regid => 65534, clear_groups => 1, bounding_set => []),
            caps => [], ambient_caps => [], no_new_privs => 1);
        map { my $plan = $_; eval { spawn(command => [$true], @$plan) }; [ $@ =~ s/ at .*//sr, $! + 0 ] }
            [ root => '/' ], [ nice => -20 ], [ user => 'root' ], [ reuid => 0, regid => 0, clear_groups => 1 ];
    };
    is_deeply($said[0], [ 'spawn: chroot to "/" would be refused: sys_chroot is not effective', EPERM ],
        "$way: plain user: root is refused before there is a child");
    like($said[1][0], qr/\Aspawn: nice: /, "$way: plain user: nice");
    SKIP: {
        skip 'plain user: uid 0 is mine, or not mapped', 1 if $> == 0 && !is_root();
        like($said[$_][0], qr/\Aspawn: step \d+, set.*would be refused: set\w+ is not effective/, "$way: plain user: root's ids")
            for 2, 3;
    }
});

# ---- a process that is full of descriptors ----

each_way(sub {
    my ($way) = @_;
    my @said = in_child {
        my @full;
        while (open my $null, '<', '/dev/null') { push @full, $null }
        waitpid spawn(command => [$true]), 0;
        my $plain = $?;
        my $error = eval { spawn(command => [$true], no_new_privs => 1); 'it went through' } // $@;
        my $left = eval { spawn(command => [$true]); 1 } ? 1 : 0;
        @full = ();
        waitpid spawn(command => [$true]), 0;
        ($error, $?, $plain);
    };
    is($said[2], 0, "$way: without a descriptor to be had, a program that stays who it is");
    my $full = do { local $! = EMFILE; "$!" };
    like($said[0], qr/\Aspawn: opening .*: \Q$full\E at/, "$way: ... and one that does not");
    is($said[1], 0, "$way: ... and with one, it goes on");
});

# ---- memory ----

each_way(sub {
    my ($way) = @_;
    my ($before, $after) = in_child {
        my $rounds = sub {
            for (1 .. $_[0]) {
                waitpid spawn(command => [$true], no_new_privs => 1), 0;
                eval { spawn(command => ["$dir/none"]) };
                eval { spawn(command => [$true], env => { A => undef }) };
            }
            my %status = proc_status('/proc/self/status');
            $status{VmSize};
        };
        $rounds->(20);
        map { $rounds->(100) } 1 .. 2;
    };
    cmp_ok($after =~ s/\D+//r, '<=', $before =~ s/\D+//r, "$way: no memory is lost");
});

# ---- a child that is killed, at several places ----

# The spawning process is our child; what it starts is not.
sub parent_of { my ($pid) = @_; my %status = proc_status("/proc/$pid/status"); return $status{PPid} }

my $why = no_listener();
SKIP: {
    skip $why, 1 if length $why;
    # There is nobody to answer any more.
    local $SIG{__WARN__} = sub { warn @_ if $_[0] !~ /\Aanswer to \d+: / };
    each_way(sub {
        my ($way) = @_;
        my @places = ([ getresgid => 120 ], [ lseek => 8 ], [ execve => 59 ]);
        for my $signal (qw(KILL TERM SEGV)) {
            for my $place (@places) {
                my ($name, $number) = @$place;
                my ($killed, $parent) = (0);
                my (undef, @said) = supervised([$number], sub {
                    my ($call) = @_;
                    if ($killed || parent_of($call->{pid}) == $$) { $parent = $call->{pid}; return }
                    $killed = kill $signal => $call->{pid};
                    return;
                }, sub {
                    my $chld = 0;
                    local $SIG{CHLD} = sub { $chld++ };
                    local $SIG{TERM} = sub { die "a handler in the child\n" };
                    my $before = parent_now();
                    my $pid = eval { spawn(command => [$true], no_new_privs => 1) };
                    ($@, $! + 0, $chld, unlike_before($before), $pid ? do { waitpid $pid, 0; $? } : undef);
                });
                my $title = "$way: SIG$signal at $name";
                is($killed, 1, "$title: it was sent");
                if (defined $said[4]) {    # by the time it is heard, the program runs
                    is($said[4] & 127, { KILL => 9, TERM => 15, SEGV => 11 }->{$signal}, "$title: the program has it");
                    next;
                }
                like($said[0], qr/\Aspawn: the child was killed by SIG$signal before it executed the program at /, $title);
                is($said[1], ECANCELED, "$title: \$!");
                is($said[2], 0, "$title: no SIGCHLD");
                is($said[3], '', "$title: nothing is left");
            }
        }
    });
}

# ---- a handler of a signal that came meanwhile ----

SKIP: {
    skip $why, 1 if length $why;
    each_way(sub {
        my ($way) = @_;
        for my $safe (1, 0) {
            my $sent = 0;
            my (undef, @said) = supervised([8], sub {    # lseek: in the child, its status is read
                my ($call) = @_;
                my $parent = parent_of($call->{pid});
                $sent += kill USR1 => $parent if $parent != $$;
                return;
            }, sub {
                my $handled = 0;
                my $action = POSIX::SigAction->new(sub { $handled++; die "handler\n" });
                $action->safe($safe);
                POSIX::sigaction(POSIX::SIGUSR1(), $action);
                my $before = parent_now();
                my ($pid, $error);
                eval {
                    $pid   = eval { spawn(command => ["$dir/none"], no_new_privs => 1) };
                    $error = $@;
                    select undef, undef, undef, 0;    # perl runs its handlers now and then
                };
                $error ||= $@;
                ($pid, $error, $handled, waitpid(-1, POSIX::WNOHANG()), unlike_before($before));
            });
            my $title = "$way: a" . ($safe ? '' : 'n un') . 'safe handler dies';
            is($sent, 1, "$title: the signal came while there was a child");
            is($said[0], undef, "$title: no program");
            like($said[1], qr/\A(?:spawn: exec of |handler$)/, "$title: one exception");
            is($said[2], 1, "$title: the handler ran once, in the parent");
            is($said[3], -1, "$title: no child");
            is($said[4], '', "$title: nothing is left");
        }
    });
}

done_testing;
