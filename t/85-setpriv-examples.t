use 5.014;
use warnings;

use Errno qw(ENOENT);
use Test::More;

use lib 't/lib';
use IO::Socket::INET;
use POSIX ();
use SetprivTest qw(truth is_root);

# eg/drop and eg/run-as, run as anyone would.

my @perl = ($^X, map { "-I$_" } grep { !ref } @INC);

sub run {
    my (@command) = @_;
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::dup2(fileno $to, $_) for 1, 2;
        exec { $command[0] } @command or POSIX::_exit(96);
    }
    close $to;
    my $said = do { local $/; <$from> } // '';
    waitpid $pid, 0;
    return ($? >> 8, $said);
}

sub status_of {
    my ($said) = @_;
    return { map { /\A([^:]+):\s*(.*?)\s*\z/ ? ($1, $2) : () } split /\n/, $said };
}

my $ENOENT = do { local $! = ENOENT; "$!" };
my @run_as = (@perl, 'eg/run-as');
my ($gid) = split ' ', $(;

# Who one is already.

my ($status, $said) = run(@run_as, "--reuid=$>", "--regid=$gid", '--keep-groups', '--no-new-privs',
    '--inh-caps=-all', $> ? () : '--ambient-caps=-all', '--', '/bin/cat', '/proc/self/status');
is($status, 0, 'run-as: runs a program') or diag($said);
is(status_of($said)->{NoNewPrivs}, 1, 'run-as: ... with no_new_privs');

($status, $said) = run(@run_as, '--no-new-privs', '--', '/bin/sh', '-c', 'exit 7');
is($status, 7, 'run-as: the status of the program');
($status, $said) = run(@run_as, '--no-new-privs', '--', '/no/such/program');
is($status, 127, 'run-as: no such program');
is($said, "run-as: /no/such/program: $ENOENT\n", 'run-as: ... said once');
($status, $said) = run(@run_as, '--caps=', '--no-new-privs', '--', '/bin/cat', '/proc/self/status');
is($status, 0, 'run-as: an empty list of capabilities') or diag($said);
($status, $said) = run(@run_as, '--reuid=4294967295', '--regid=0', '--clear-groups', 'true');
is($status, 125, 'run-as: a plan that cannot be');
is($said, qq{setpriv: reuid 4294967295 is neither a user nor a whole number from 0 to 4294967294\n},
    'run-as: ... and why');
($status, $said) = run(@run_as, '--bogus', 'true');
is($status, 2, 'run-as: an unknown option');
like($said, qr/^Usage: run-as/m, 'run-as: ... and the usage');

($status, $said) = run(@run_as, '--dry-run', '--no-new-privs');
is($status, 0, 'run-as --dry-run: goes through') or diag($said);
like($said, qr/^step 14: set_no_new_privs value=1$/m, 'run-as --dry-run: the steps') if !truth()->{no_new_privs};
like($said, qr/^afterwards:\n  uid           $> $> $> $>\n/m, 'run-as --dry-run: what they lead to');
like($said, qr/^after exec:$/m, 'run-as --dry-run: ... and what an exec leaves');

SKIP: {
    skip 'root with everything: run-as someone else: needs root with setuid, setgid and setpcap', 4 if !is_root();
    ($status, $said) = run(@run_as, '--reuid=1001', '--regid=1002', '--groups=20,30',
        '--ambient-caps=-all,+net_bind_service', '--bounding-set=-all,+net_bind_service',
        '--securebits=noroot,noroot_locked', '--', '/bin/cat', '/proc/self/status');
    is($status, 0, 'root with everything: run-as: another user') or diag($said);
    my $truth = status_of($said);
    is_deeply([ @{$truth}{qw(Uid Gid Groups)} ],
        [ join("\t", (1001) x 4), join("\t", (1002) x 4), '20 30' ], 'root with everything: run-as: its ids and groups');
    is_deeply([ @{$truth}{qw(CapEff CapPrm CapInh CapBnd CapAmb)} ], [ ('0000000000000400') x 5 ],
        'root with everything: run-as: one capability, over the exec');
    ($status, $said) = run(@run_as, qw(--reuid=1001 --regid=1002 --clear-groups --ambient-caps=chown));
    is($status, 2, 'root with everything: run-as: a program is needed');
}

# drop: a real request to a real port.

my $drop = sub {
    my (@arguments) = @_;
    open my $out, '-|', @perl, 'eg/drop', @arguments or die "eg/drop: $!\n";
    my $line = <$out> // '';
    my ($port) = $line =~ /\Aport (\d+) /;
    my $answer = '';
    if ($port) {
        my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10)
            or die "port $port: $@\n";
        print {$client} "GET / HTTP/1.0\r\n\r\n";
        $answer = do { local $/; <$client> };
    }
    close $out;
    return ($? >> 8, $line, $answer);
};

SKIP: {
    skip 'root with everything: drop: needs root with setuid, setgid and setpcap', 4 if !is_root();
    my ($user, $uid, $gid) = (getpwuid 65534)[ 0, 2, 3 ];
    skip 'root with everything: drop: there is no user 65534', 4 if !defined $user;
    my ($status, $line, $answer) = $drop->(0, $user);
    is($status, 0, 'root with everything: drop: ends well');
    like($line, qr/\Aport \d+ as uid $uid, gid $gid\n\z/, 'root with everything: drop: says who it is');
    like($answer, qr{\AHTTP/1\.0 200 OK\r\n}, 'root with everything: drop: answers');
    my $truth = status_of($answer =~ s/\A.*?\r\n\r\n//sr);
    is_deeply([ @{$truth}{qw(Uid CapEff CapPrm CapBnd NoNewPrivs)} ],
        [ join("\t", ($uid) x 4), ('0' x 16) x 3, 1 ], 'root with everything: drop: ... as someone who may do nothing');
}
SKIP: {
    skip 'drop by a plain user: this is root', 1 if is_root() || $> == 0;
    my ($name) = (getpwuid $>)[0];
    skip 'drop by a plain user: who has no name', 1 if !defined $name;
    my ($status, $line) = run(@perl, 'eg/drop', 0, $name);
    like($line, qr/\Asetpriv: step \d+, .* would be refused: set\w+ is not effective/,
        'plain user: drop: a plain user cannot, and serves nothing');
}

done_testing;
