# privs why and privs exec: what Linux::Prctl::Status answers, in words; and one thing that
# really happens.
use 5.014;
use warnings;

use lib 't/lib';

use ExecTest ();
use File::Temp;
use Linux::Prctl qw(:all);
use Linux::Prctl::FileCaps;
use Linux::Prctl::Status;
use PrivsTest qw(run privs command as_nobody nobodys nobody_can_run waiting data status_of);
use Test::More;

my @own = cap_permitted->names;
my $dir = File::Temp->newdir;
chmod 0755, $dir or die "$dir: $!\n";

sub words { return join ' ', split ' ', $_[0] }

# ---- why ----

my $bare = waiting(sub { cap_permitted->clear; set_name('bare') });
{
    my ($out, $err, $status) = privs('why', 'chown', $bare->{pid});
    is("$err$status", '1', 'why: it is not effective: 1');
    my $why = Linux::Prctl::Status->of($bare->{pid})->why('chown');
    like($out, qr/\A$bare->{pid} \(bare\)\n/, 'why: of whom');
    like(words($out), qr/\Q$why->{text}\E/, 'why: the sentence');
    cmp_ok((sort { $b <=> $a } map { length } split /\n/, $out)[0], '<=', 80, 'why: 80 columns');
    my $data = data((privs('why', 'CAP_CHOWN', '--json', $bare->{pid}))[0]);
    is_deeply($data, { %$why, pid => $bare->{pid}, name => 'bare' }, 'why --json: all of it');
}
{
    my $locked = waiting(sub { set_no_new_privs(1) });
    my ($out) = privs('why', 'chown', $locked->{pid});
    like(words($out), qr/ With no_new_privs, no program that is executed gains anything\.(?: |\z)/, 'why: and what else decides');
}
SKIP: {
    skip 'this process has no capability', 2 if !@own;
    my ($out, $err, $status) = privs('why', $own[0], $$);
    is("$err$status", cap_effective->has($own[0]) ? '0' : '1', 'why: it is effective: 0');
    like($out, qr/^\Q$own[0]\E is effective\.$/m, 'why: and a sentence') if !$status;
    ok(1) if $status;
}
for my $case (
    [ [qw(why)],                        2, qr/\AIt takes a capability, / ],
    [ [qw(why bogus)],                  2, qr/\AThere is no capability bogus[;.]/ ],
    [ [qw(why chown x)],                2, qr/\Ax is no process id\.$/ ],
    [ [qw(why chown --)],               2, qr/\AIt takes a capability, / ],
    [ [qw(why chown 1 2)],              2, qr/\AIt takes a capability, / ],
    [ [qw(why chown -- a b)],           2, qr/\AIt takes a capability, / ],
    [ [ 'why', 'chown', 2**31 - 1 ],    1, qr/\AThere is no process 2147483647\.$/ ],
    [ [qw(why chown -- no-such-thing)], 1, qr/\AThere is no program no-such-thing in PATH\.$/ ],
    [ [qw(why chown -- /no/such)],      1, qr{\A/no/such: No such file or directory} ],
    [ [qw(exec)],                       2, qr/\AIt takes a program/ ],
    [ [qw(exec sh 1 2)],                2, qr/\AIt takes a program/ ],
    [ [ 'exec', 'sh', 2**31 - 1 ],      1, qr/\AThere is no process 2147483647\.$/ ],
    [ [ 'exec', "$dir" ],               1, qr{\A\Q$dir\E: Permission denied } ],
) {
    my ($arguments, $status, $message) = @$case;
    my ($out, $err, $got) = privs(@$arguments);
    is("$out$got", $status, "@$arguments: $status");
    like($err =~ s/\Aprivs (?:why|exec): //r, $message, '... and a sentence');
}

# ---- exec ----

{
    my ($out, $err, $status) = privs('exec', '/bin/sh', $bare->{pid});
    is("$err$status", '0', 'exec: done');
    like($out, qr/^Assumed, since the kernel does not tell it: .*securebits/m, 'exec: what is assumed');
    my $data  = data((privs('exec', '/bin/sh', $bare->{pid}, '--json'))[0]);
    my $after = Linux::Prctl::Status->of($bare->{pid})->after_exec('/bin/sh');
    is_deeply($data->{to}{caps}, $after->caps, 'exec --json: what it would have');
    is($data->{program}, '/bin/sh', 'exec --json: the program');
}

# An empty word of PATH is the directory where one is.
{
    symlink '/bin/sh', "$dir/sh-here" or die "symlink: $!\n";
    local $ENV{PATH} = ":$ENV{PATH}";
    my ($out, $err, $status) = run('sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', "$dir", command(qw(exec --json sh-here)));
    is("$err$status", '0', 'exec: a program of this directory');
    is(data($out)->{program}, './sh-here', 'exec: by an empty word of PATH');
}

# What is said of a program with capabilities, and of what really executes it.
SKIP: {
    my $program = "$dir/cat";
    skip 'cat(1) cannot be copied', 5 if system('cp', '/bin/cat', $program);
    chmod 0755, $program or die "$program: $!\n";
    eval { Linux::Prctl::FileCaps->from_text('cap_kill=ep')->set($program); 1 }
        or skip 'capabilities cannot be set here', 5;
    skip 'this user cannot read the program', 5 if !nobody_can_run();
    my $by = ExecTest::run_by();
    skip "programs are run by another one here, which has their capabilities: $by", 5 if $by;
    my ($out, $err, $status) = run(nobodys('why', 'kill', '--', $program));
    my @real = run(as_nobody($program, '/proc/self/status'));
    skip "$program cannot be run by another user: $real[1]", 5 if $real[2];
    my $truth = status_of($real[0]);
    is($status, hex(substr $truth->{CapEff}, -2) & 0x20 ? 0 : 1, 'why -- PROGRAM: what really happens');
    like(words($out), qr/\bkill is effective after \Q$program\E\b/, 'why -- PROGRAM: and a sentence') if !$status;
    ok(1) if $status;
    ($out) = run(nobodys('exec', $program));
    like($out, $status ? qr/^effective +none$/m : qr/^effective +none -> kill$/m, 'exec: what really happens');
    ($out, $err, $status) = run(nobodys('why', 'kill'));
    is($status, 1, 'why: without it it is not effective');
    like(words($out), qr/\bkill is not permitted: .* To have it: /, 'why: and what would give it');
}

# A file that one may neither execute nor read is refused, whatever is in it.
SKIP: {
    skip 'this user cannot read the program', 2 if !nobody_can_run();
    my $secret = "$dir/secret";
    system('cp', '/bin/cat', $secret) == 0 or die "cp: $?\n";
    chmod $> ? 0 : 0700, $secret or die "$secret: $!\n";
    my ($out, $err, $status) = run(nobodys('exec', $secret));
    is("$out$status", '1', 'exec: a file that is not for this user');
    like($err, qr{\Aprivs exec: \Q$secret\E: Permission denied \(the process may not execute it\)\.\n\z}, 'exec: and a sentence');
}

# With a set-id bit the ids differ.
SKIP: {
    skip 'root alone has another user', 2 if $> || !nobody_can_run();
    my $other = "$dir/other";
    system('cp', '/bin/cat', $other) == 0 or die "cp: $?\n";
    chmod 04755, $other or die "$other: $!\n";
    my ($out, $err) = run(nobodys('exec', $other));
    my @real = run(as_nobody($other, '/proc/self/status'));
    skip "$other cannot be run by another user: $real[1]", 2 if $real[2];
    my %id;
    @id{qw(real effective saved fs)} = split ' ', status_of($real[0])->{Uid};
    skip 'nothing here has a set-id bit', 2 if $id{effective} == $id{real};
    is($err, '', 'exec: a set-user-id program') or diag($err);
    like(words($out), qr/\buid $id{real} -> \Q@{[ join ', ', map { "$_ $id{$_}" } qw(real effective saved fs) ]}\E gid /,
        'exec: each of its ids');
}

done_testing;
