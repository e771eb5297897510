# What vanishes between the moment when privs(1) has heard of it and the one when it looks:
# each time for real, while the system call that looks at it waits.
use 5.014;
use warnings;

use lib 't/lib';

use File::Temp;
use Linux::Prctl qw(:all);
use PrivsTest qw(privs waiting written data);
use Seccomp qw(no_listener peek supervised);
use Test::More;

plan skip_all => no_listener() if length no_listener();

# x86_64: openat, newfstatat, statx, getxattrat; and, with the path first, readlink, open, stat, lstat
my @PATH_FIRST = (89, 2, 4, 6);
my @WATCHED = (257, 262, 332, 464, @PATH_FIRST);

# What privs says, while something happens when it is about to look at a path.
sub while_looking {
    my ($path, $happen, @command) = @_;
    my $happened;
    my ($calls, @said) = supervised(\@WATCHED, sub {
        my ($call) = @_;
        my $at = grep({ $call->{syscall} eq $_ } @PATH_FIRST, 'readlink') ? 0 : 1;
        my $name = eval { peek($call, $call->{args}[$at], 4096) } // return;
        $name =~ s/\0.*//s;
        $happen->() if $name eq $path && !$happened++;
        return;
    }, sub { privs(@command) });
    ok($happened, "@command: it looks at $path");
    return @said;
}

my $tag = substr $$, -6;
sub name { return "v $tag $_[0]" }

# One that ends when its file is opened.
sub with_victim {
    my ($file, @command) = @_;
    my $victim = waiting(sub { set_name(name('victim')) });
    my $pid    = $victim->{pid};
    my @said   = while_looking("/proc/" . $file =~ s/PID/$pid/gr, sub { kill KILL => $pid; waitpid $pid, 0 }, map { s/\bPID\b/$pid/gr } @command);
    return ($pid, @said);
}

my $other = waiting(sub { set_name(name('other')) });

# ---- processes ----

for my $case (
    [ [qw(ps -a)],    'PID/status' ],
    [ [qw(ps -a -t)], 'PID/task' ],
    [ [qw(ps -a -t)], 'PID/task/PID/status' ],
) {
    my ($command, $file) = @$case;
    my ($pid, $out, $err, $status) = with_victim($file, @$command);
    is("$err$status", '0', "@$command: nothing to complain of");
    unlike($out, qr/^ *$pid /m, "@$command: it is not there");
    like($out, qr/^ *$other->{pid} /m, "@$command: the others are");
}
for my $file (qw(PID/status PID/task/PID/cmdline PID/task/PID/cgroup)) {
    my ($pid, $out, $err, $status) = with_victim($file, qw(ps -a --json));
    is("$err$status", '0', "ps --json, $file: nothing to complain of");
    my $data = eval { data($out) };
    ok($data && $data->{complete}, "ps --json, $file: complete");
    my ($one) = grep { $_->{pid} == $pid } @{ $data->{processes} // [] };
    is($one && $one->{name}, $file eq 'PID/status' ? undef : name('victim'), "ps --json, $file: what was read is there");
    ok((grep { $_->{pid} == $other->{pid} } @{ $data->{processes} }), "ps --json, $file: so are the others");
}
{
    my ($pid, $out, $err, $status) = with_victim('PID/status', 'show', 'PID', $other->{pid});
    is("$err$status", "privs show: There is no process $pid.\n1", 'show PID: a sentence');
    like($out, qr/\A$other->{pid} /, 'show PID: the rest of the work is done');
    ($pid, $out, $err, $status) = with_victim('PID/status', 'show', name('victim'));
    is("$out$err$status", 'privs show: There is no process of the name ' . name('victim') . ".\n1", 'show NAME: a sentence');
}
for my $command ([qw(why chown PID)], [qw(exec /bin/sh PID)], [ 'diff', $$, 'PID' ]) {
    my ($pid, $out, $err, $status) = with_victim('PID/status', @$command);
    is("$out$err$status", "privs $command->[0]: There is no process $pid.\n1", "@$command: a sentence");
}
{
    my ($pid, $out, $err, $status) = with_victim('PID/uid_map', qw(exec /bin/sh PID));
    is("$out$status", '1', 'exec: it ends after it was read');
    is($err, "privs exec: There is no process $pid.\n", 'exec: a sentence');
}

# ---- files ----

my $dir = File::Temp->newdir;
sub set_id { my ($path) = @_; written($path); chmod 04755, $path or die "$path: $!\n"; return $path }
for my $round (1, 2) {
    mkdir "$dir/sub" or die "sub: $!\n";
    set_id("$dir/$_") for qw(before after sub/inside);
    my @vanishes = $round == 1 ? ('after', sub { unlink "$dir/after" }) : ('sub', sub { unlink "$dir/sub/inside"; rmdir "$dir/sub" });
    my ($out, $err, $status) = while_looking(@vanishes, 'files', '--set-id', "$dir");
    is("$err$status", '0', "files: $vanishes[0] vanishes: nothing to complain of");
    unlike($out, qr{^\Q$dir/$vanishes[0]\E}m, "files: $vanishes[0] is not there");
    like($out, qr{^\Q$dir/before\E  }m, 'files: the others are');
    unlink glob "$dir/* $dir/sub/*";
    rmdir "$dir/sub";
}
{
    my $program = "$dir/program";
    system('cp', '/bin/true', $program);
    my ($out, $err, $status) = while_looking($program, sub { unlink $program }, 'exec', $program);
    is("$out$status", '1', 'exec: a program that vanishes');
    like($err, qr{\Aprivs exec: \Q$program\E: No such file or directory\.\n\z}, 'exec: a sentence');
}

done_testing;
