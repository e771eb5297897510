# privs run: the command line of setpriv(1), and what the program then is.
use 5.014;
use warnings;

use lib 't/lib';

use Errno qw(EACCES ENOENT);
use File::Temp;
use Linux::Prctl;
use PrivsTest qw(run privs command status_of written data);
use SetprivTest qw(truth is_root);
use TestChild qw(company);
use Test::More;

plan skip_all => company() if company();

sub error_text { my ($errno) = @_; local $! = $errno; return "$!" }

$ENV{PATH} = "/usr/bin:/bin";    # what is not there is looked for in directories that are
my ($gid) = split ' ', $(;
my @same  = ("--reuid=$>", "--regid=$gid", '--keep-groups', '--inh-caps=-all', $> ? () : '--ambient-caps=-all');
my $dir   = File::Temp->newdir;
chmod 0755, $dir or die "$dir: $!\n";

# ---- who one is already ----

{
    my ($out, $err, $status) = privs('run', @same, '--no-new-privs', '--', '/bin/cat', '/proc/self/status');
    is("$err$status", '0', 'run: a program');
    is(status_of($out)->{NoNewPrivs}, 1, 'run: ... with no_new_privs');
    is((privs('run', '--nnp', '/bin/sh', '-c', 'exit 7'))[2], 7, 'run: the status of the program');
    is((privs('run', '--nnp', '/bin/sh', '-c', 'kill -TERM $$'))[2], -15, 'run: and its signal');
    is((privs('run', '--nnp', 'echo', '--json', '-n', '--', 'x'))[0], "--json -n -- x\n",
        'run: what is behind the program is its own');
    is((privs('run', '--nnp', '--', 'echo', '--', 'x'))[0], "-- x\n", 'run: with -- too');
    ($out, $err, $status) = privs('run', '--caps=', '--nnp', '--', '/bin/cat', '/proc/self/status');
    is("$err$status", '0', 'run: an empty list of capabilities');
    ($out) = do { local $ENV{SECRET} = 'x'; privs('run', @same, '--reset-env', '--', '/usr/bin/env') };
    is_deeply([ grep { !/\A(?:HOME|SHELL|USER|LOGNAME|PATH|TERM)=/ } split /\n/, $out ], [], 'run --reset-env');
    ($out) = privs('run', '--nnp', '--pdeathsig', 'TERM', $^X, '-Mblib', '-MLinux::Prctl=get_pdeathsig', '-e', 'print get_pdeathsig()');
    is($out, 15, 'run --pdeathsig');
    ($out) = privs('run', '--nnp', '--pdeathsig', 'keep', $^X, '-Mblib', '-MLinux::Prctl=get_pdeathsig', '-e', 'print get_pdeathsig()');
    is($out, 0, 'run --pdeathsig keep');
    for my $case ([ keep => 15 ], [ clear => 0 ], [ CLEAR => 0 ]) {
        ($out) = privs('run', '--nnp', '--pdeathsig', 'TERM', command('run', '--nnp', '--pdeathsig', $case->[0],
            $^X, '-Mblib', '-MLinux::Prctl=get_pdeathsig', '-e', 'print get_pdeathsig()'));
        is($out, $case->[1], "run --pdeathsig $case->[0], where there is one");
    }
}

# ---- what cannot be ----

my $plain = written("$dir/plain", "x\n");
for my $case (
    [ ['/no/such/program'],           127, '/no/such/program: ' . error_text(ENOENT) . '.' ],
    [ ['no-such-program-anywhere'],   127, 'no-such-program-anywhere: ' . error_text(ENOENT) . '.' ],
    [ [$plain],                       126, "$plain: " . error_text(EACCES) . '.' ],
    [ [qw(--reuid=4294967295 --regid=0 --clear-groups true)], 125,
        'setpriv: reuid 4294967295 is neither a user nor a whole number from 0 to 4294967294' ],
    [ [qw(--caps=bogus true)],        125, qr/\Asetpriv: caps: .*bogus/ ],
    [ [qw(--pdeathsig=BOGUS true)],   125, qr/\Asetpriv: pdeathsig .*BOGUS/ ],
    [ [qw(--ambient-caps=bogus true)], 125, qr/\Asetpriv: ambient_caps: .*bogus/ ],
    [ [qw(--bogus true)],             2,   'There is no option --bogus.' ],
    [ [qw(--nnp)],                    2,   'There is no program to run.' ],
    [ [qw(--nnp --)],                 2,   'There is no program to run.' ],
    [ [qw(--json true)],              2,   '--json goes with --dry-run.' ],
    [ [qw(--reuid)],                  2,   'The option --reuid needs a value.' ],
) {
    my ($arguments, $status, $message) = @$case;
    my ($out, $err, $got) = privs('run', @$arguments);
    is("$out$got", $status, "run @$arguments: $status");
    ref $message ? like($err =~ s/\Aprivs run: //r, $message, '... and a sentence')
        : is($err, "privs run: $message\n", '... and a sentence, once');
}

# ---- the plan ----

{
    my ($out, $err, $status) = privs('run', '--dry-run', '--no-new-privs');
    is("$err$status", '0', 'run --dry-run: goes through');
    like($out, qr/^ *14  set_no_new_privs  value 1$/m, 'run --dry-run: the steps') if !truth()->{no_new_privs};
    like($out, qr/^uid +$>$/m, 'run --dry-run: what stays') if $> == $<;
    like($out, qr/^no_new_privs  0 -> 1$/m, 'run --dry-run: what they lead to') if !truth()->{no_new_privs};
    cmp_ok((sort { $b <=> $a } map { length } split /\n/, $out)[0], '<=', 80, 'run --dry-run: 80 columns');
    my $plan = data((privs('run', '-n', '--nnp', '--json'))[0]);
    is($plan->{expected}{no_new_privs}, 1, 'run --dry-run --json: the plan');
    my $file = "$dir/made";
    privs('run', '-n', '--nnp', 'touch', $file);
    ok(!-e $file, 'run --dry-run: the program is not run');
}

# ---- somebody else ----

SKIP: {
    skip 'root with everything: run as someone else: needs root with setuid, setgid and setpcap', 6 if !is_root();
    my ($out, $err, $status) = privs('run', '--reuid=1001', '--regid=1002', '--groups=20,30',
        '--ambient-caps=-all,+net_bind_service', '--bounding-set', 'net_bind_service',
        '--securebits=noroot,noroot_locked', '--', '/bin/cat', '/proc/self/status');
    is("$err$status", '0', 'root with everything: run: another user');
    my $truth = status_of($out);
    is_deeply([ @{$truth}{qw(Uid Gid Groups)} ],
        [ join("\t", (1001) x 4), join("\t", (1002) x 4), '20 30' ], 'root with everything: run: its ids and groups');
    is_deeply([ @{$truth}{qw(CapEff CapPrm CapInh CapBnd CapAmb)} ], [ ('0000000000000400') x 5 ],
        'root with everything: run: one capability, over the exec');
    ($out) = privs(qw(run --securebits +noroot --), $^X, '-Mblib', '-MLinux::Prctl=get_securebits', '-e', 'print get_securebits()');
    is($out, 1, 'root with everything: run: a securebit, with a sign');
    ($out) = privs(qw(run -n --reuid=1001 --regid=1002 --clear-groups --ambient-caps=+chown), '--caps=chown,kill');
    like($out, qr/^permitted +\S.* -> chown, kill; after exec: chown$/m, 'root with everything: run --dry-run: what exec leaves');
    my @entry = getpwuid 65534;
    SKIP: {
        skip 'there is no user 65534', 1 if !@entry;
        ($out) = privs('run', "--user=$entry[0]", '--', '/bin/cat', '/proc/self/status');
        is_deeply([ @{ status_of($out) }{qw(Uid Gid CapEff)} ],
            [ join("\t", (65534) x 4), join("\t", ($entry[3]) x 4), '0' x 16 ], 'root with everything: run --user');
    }
}

done_testing;
