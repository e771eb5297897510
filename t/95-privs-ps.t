# privs ps and privs show, beside /proc and getpcaps(8).
use 5.014;
use warnings;

use lib 't/lib';

use Linux::Prctl qw(:all);
use Linux::Prctl::CapState;
use Linux::Prctl::Status;
use POSIX ();
use PrivsTest qw(run privs command as_nobody nobodys nobody_can_run in_namespaces waiting data);
use TestChild qw(company proc_status proc_caps);
use Test::More;

# What a table has in the row of a process: user, name, capabilities. What is folded
# belongs to the row above it.
sub rows {
    my ($table) = @_;
    my (%row, $pid);
    my ($title, @lines) = split /\n/, $table;
    for my $line (@lines) {
        # A name that is too long for its column has the line for itself.
        if ($line =~ /\A *([0-9\/]+)  (\S+) +(\S.*?)(?: {2,}(\S.*))?\z/) {
            $pid = $1;
            $row{$pid} = [ $2, $3, $4 // '' ];
        }
        else {
            $row{$pid}[2] .= ($row{$pid}[2] eq '' ? '' : ' ') . $line =~ s/\A +//r;
        }
    }
    return \%row;
}

my @own = cap_permitted->names;

# Two that stay: one without any capability, one with one.
my $name    = 'p ' . substr $$, -6;
my $without = waiting(sub {
    set_name("$name -");
    cap_inheritable->clear;
    POSIX::setuid(65534) if !$>;    # in a user namespace there may be nobody else
    cap_permitted->clear;
});
my $with = waiting(sub {
    set_name("$name +");
    cap_permitted->limit(@own[0, 1]);
    cap_effective->drop($own[0]);
}) if @own > 1;

# ---- ps ----

{
    my ($out, $err, $status) = privs('ps', '--color=always');
    is($err, '', 'ps: no complaint') or diag($err);
    is($status, $out eq '' ? 1 : 0, 'ps: the status says whether there is any');
    like($out, qr/\A\e\[1m *PID  USER .*CAPABILITIES\e\[m\n/, 'ps: a title') if !$status;
    ($out) = privs('ps');
    unlike($out, qr/\e/, 'ps: no colour where there is no terminal');
    cmp_ok((sort { $b <=> $a } map { length } split /\n/, $out)[0] // 0, '<=', 80, 'ps: 80 columns');
    my $row = rows($out);
    my %truth = proc_status("/proc/$without->{pid}/status");
    is(($row->{ $without->{pid} } // [])->[2], $truth{Uid} =~ /\b0\b/ ? 'none' : undef,
        'ps: of processes without capabilities, those of root alone');
    my %kernel = map { $_ => 1 } grep { !-e "/proc/$_/exe" && !defined readlink "/proc/$_/exe" } keys %$row;
    is($kernel{2}, undef, 'ps: no thread of the kernel') if !$>;
  SKIP: {
        skip 'this process has no two capabilities', 4 if !$with;
        is_deeply([ @{ $row->{ $with->{pid} } }[0, 1] ],
            [ scalar(getpwuid $>) // $>, "$name +" ], 'ps: user and name');
        is($row->{ $with->{pid} }[2] =~ s/;? ?(?:inheritable|ambient|no new|seccomp|strict).*//r,
            "$own[0], $own[1]; effective: $own[1]", 'ps: what is permitted, and what is effective');
        my ($listed) = map { rows($_)->{ $with->{pid} } } (privs('ps', '--with', "CAP_\U$own[0]"))[0];
        ok($listed, 'ps --with: one that has it');
        my ($none) = map { rows($_)->{ $with->{pid} } } (privs('ps', "--with=$own[-1]"))[0];
        ok(@own == 2 || !$none, 'ps --with: not one that has it not');
    }
    ok(rows((privs('ps', '--all'))[0])->{ $without->{pid} }, 'ps --all: it is there');
}
{
    my $bare = waiting(sub { cap_permitted->clear });
    my $row  = rows((privs('ps'))[0])->{ $bare->{pid} };
    is($row && $row->[2] =~ s/;.*//r, $> ? undef : 'none', 'ps: root is listed without capabilities too');
}
SKIP: {
    skip 'this process does not have most capabilities', 1 if @own < last_cap() - 3;
    my $most = waiting(sub { cap_permitted->limit(@own[ 2 .. $#own ]) });
    like(rows((privs('ps'))[0])->{ $most->{pid} }[2], qr/\Aall but $own[0], $own[1]\b/, 'ps: all but');
}

# Beside getpcaps(8): of all that stand still, the same are listed.
SKIP: {
    skip 'no getpcaps', 2 if system('command -v getpcaps >/dev/null 2>&1') != 0;
    my $before   = rows((privs('ps', '-a'))[0]);
    my ($theirs) = run('getpcaps', keys %$before);
    my $after    = rows((privs('ps', '-a'))[0]);
    my ($compared, @different) = 0;
    for my $line (split /\n/, $theirs) {
        # "1: =ep", and "Capabilities for `1': = ..." from older ones
        my ($pid, $caps) = $line =~ /(\d+)'?:\s*(.*)\z/ or next;
        next if !$after->{$pid} || "@{ $after->{$pid} }" ne "@{ $before->{$pid} }";
        $compared++;
        my $words = $before->{$pid}[2] =~ s/;.*//r;
        my $count = () = Linux::Prctl::CapState->from_text($caps)->names('permitted');
        my $all   = last_cap() + 1;
        my $but   = $words =~ s/\Aall(?: but )?//;
        my $named = () = $words =~ /\w+/g;
        my $ours  = $words eq 'none' ? 0 : $but ? $all - $named : $named;
        push @different, "$pid: $caps, and $before->{$pid}[2]" if $ours != $count;
    }
    cmp_ok($compared, '>=', 2, "compared $compared processes with getpcaps");
    is_deeply(\@different, [], 'ps: which says the same');
}

{
    my ($out, $err, $status) = privs(qw(ps --json --all));
    my $data = data($out);
    is("$err$status", '0', 'ps --json: done');
    is_deeply([ map { "$_" } @$data{qw(privs format all complete)} ], [ 'ps', 1, 1, 1 ], 'ps --json: what it is');
    my @pids = map { $_->{pid} } @{ $data->{processes} };
    is_deeply(\@pids, [ sort { $a <=> $b } @pids ], 'ps --json: sorted');
    my ($one) = grep { $_->{pid} == $without->{pid} } @{ $data->{processes} };
    my $as_it_is = Linux::Prctl::Status->of($without->{pid})->as_hash;
    delete $_->{state} for $one, $as_it_is;
    is_deeply($one, $as_it_is, 'ps --json: all about one');
    is(scalar(split /\n/, $out), @pids + 2, 'ps --json: a line each');
}

# Processes that end meanwhile are no news.
{
    my $stop  = waiting(sub { });
    my $spawn = fork // die "fork: $!\n";
    if (!$spawn) {
        $SIG{TERM} = sub { POSIX::_exit(0) };
        while (1) {
            my $pid = fork // next;
            POSIX::_exit(0) if !$pid;
            waitpid $pid, 0;
        }
    }
    my @complaints = map { (privs(qw(ps -a)))[1] } 1 .. 5;
    kill TERM => $spawn;
    waitpid $spawn, 0;
    is(join('', @complaints), '', 'ps: no complaint about those that end');
}

# ---- threads that are out of step ----

SKIP: {
    skip 'this perl has no threads, or this process nothing to give up', 7
        if !eval { require threads; 1 } || @own < 2;
    my $odd = waiting(sub {
        set_name("$name t");
        $SIG{__WARN__} = sub { };
        no warnings;
        my $ready = 0;
        pipe my $from, my $to or die "pipe: $!\n";
        binmode $_ for $from, $to;
        for my $nth (0, 1) {
            threads->create(sub { cap_permitted->limit($own[$nth]); syswrite $to, 'x'; sleep 1000 })->detach;
            sysread $from, my $byte, 1;
        }
    });
    my ($one) = privs('ps');
    my ($all) = privs(qw(ps --threads));
    is(scalar(grep { m{\A$odd->{pid}\b} } keys %{ rows($one) }), 1, 'ps: one line');
    my @lines = grep { m{\A$odd->{pid}\b} } keys %{ rows($all) };
    is(scalar @lines, 3, 'ps --threads: one more for each thread that has given up something');
    my @tids = sort { $a <=> $b } map { m{/(.*)} ? $1 : () } @lines;
    is_deeply([ map { rows($all)->{"$odd->{pid}/$_"}[2] =~ s/;.*//r } @tids ], [ @own[ 0, 1 ] ], 'ps --threads: what it has left');
    my $data = data((privs(qw(ps --threads --json)))[0]);
    is($data->{threads}, 1, 'ps --threads --json: what it is');
    is_deeply([ map { $_->{pid} == $odd->{pid} ? $_->{tid} : () } @{ $data->{processes} } ], [ $odd->{pid}, @tids ],
        'ps --threads --json: the same');
    is_deeply([ @{ data((privs(qw(ps -ta --json)))[0]) }{qw(all threads)} ], [ 1, 1 ], 'ps -ta: letters in one');
    my @reports = map { Linux::Prctl::Status->of($odd->{pid}, $_)->report } $odd->{pid}, @tids;
    is((privs('show', $odd->{pid}))[0], join("\n", @reports), 'show: the process, and the threads that are out of step');
}

# A process whose first thread has ended looks like a zombie, and is none.
SKIP: {
    skip 'this perl has no threads, or this process no capabilities', 2 if !eval { require threads; 1 } || !@own;
    pipe my $from, my $to or die "pipe: $!\n";
    binmode $_ for $from, $to;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        set_name("$name z");
        threads->create(sub { sleep 1000 });
        syswrite $to, 'x';
        sys_exit(0);
    }
    close $to;
    sysread $from, my $byte, 1;
    my $state = '';
    $state = {proc_status("/proc/$pid/status")}->{State} until $state =~ /\AZ/;
    ok(rows((privs('ps'))[0])->{$pid}, 'ps: one whose first thread has ended is listed');
    kill KILL => $pid;
    select undef, undef, undef, 0.01 while -e "/proc/$pid/task" && (stat "/proc/$pid/task")[3] > 3;
    ok(!rows((privs('ps'))[0])->{$pid}, 'ps: one that has ended is not');
    waitpid $pid, 0;
}

# ---- show ----

{
    my ($out, $err, $status) = privs('show', $without->{pid});
    is("$err$status", '0', 'show PID: done');
    SKIP: {
        skip company(), 1 if company();
        is($out, Linux::Prctl::Status->of($without->{pid})->report, 'show PID: the report');
    }
    is((privs($without->{pid}))[0], $out, 'a PID alone: the same');
    is((privs('show', "$name -"))[0], $out, 'show NAME: the same');
    my $long = waiting(sub { set_name("$name and more") });
    like((privs('show', "$name and more"))[0], qr/\A$long->{pid} \(/, 'show NAME: as far as the kernel keeps it');
    my ($painted) = privs('show', $without->{pid}, '--color=always');
    isnt($painted, $out, 'show --color: painted');
    is($painted =~ s/\e\[[0-9;]*m//gr, $out, 'show --color: and otherwise the same');
    ($out) = privs('show', '--json', $without->{pid}, $$);
    my %seen;
    is_deeply([ grep { !$seen{$_}++ } map { $_->{pid} } @{ data($out) } ], [ $without->{pid}, $$ ], 'show --json: a list');
    is((privs())[2], 0, 'nothing: show');
    like((privs())[0], qr/^[ *] securebits /m, 'show: what only the process itself knows');
}

# What is unusual is bold, all lines of it.
SKIP: {
    skip 'this process does not have many capabilities', 2 if @own < 24;
    my $half = waiting(sub { cap_permitted->limit(@own[ grep { $_ % 2 } 0 .. $#own ]) });
    my ($plain) = privs('show', $half->{pid});
    my ($folded) = $plain =~ /^(\* permitted .*\n(?: {6}.*\n)+)/m;
    isnt($folded, undef, 'show: a long line is folded');
    my $bold = ($folded // '') =~ s/^(.*)$/\e[1m$1\e[m/gmr;
    like((privs('show', $half->{pid}, '--color=always'))[0], qr/^\Q$bold\E/m, 'show --color: all of it is bold');
}

# ---- what is not there ----

my ($gone) = do {
    my $pid = fork // die "fork: $!\n";
    POSIX::_exit(0) if !$pid;
    waitpid $pid, 0;
    $pid;
};
for my $case (
    [ [ 'show', $gone ],              1, "privs show: There is no process $gone.\n" ],
    [ [ 'show', 'no such' ],          1, "privs show: There is no process of the name no such.\n" ],
    [ [ 'show', '0' ],                2, "privs show: 0 is no process id.\n" ],
    [ [ 'show', '99999999999' ],      2, "privs show: 99999999999 is no process id.\n" ],
    [ [ 'show', "no\e[2Jsuch" ],      1, "privs show: There is no process of the name no\\x1b[2Jsuch.\n" ],
    [ [qw(ps --with bogus)],          2, qr/\Aprivs ps: There is no capability bogus[;.]/ ],
    [ [qw(ps --with)],                2, "privs ps: The option --with needs a value.\n" ],
    [ [qw(ps --all=yes)],             2, "privs ps: The option --all=yes takes no value.\n" ],
    [ [qw(ps 1)],                     2, qr/\Aprivs ps: It takes no arguments/ ],
    [ [qw(ps --bogus)],               2, "privs ps: There is no option --bogus.\n" ],
    [ [qw(--color=green ps)],         2, "privs ps: --color is always, never or auto, not green.\n" ],
    [ ["\e[31mps"],                   2, qr/\Aprivs: There is no command \\x1b\[31mps; / ],
) {
    my ($arguments, $status, $message) = @$case;
    my @got = privs(@$arguments);
    is_deeply([ @got[0, 2] ], [ '', $status ], "@{ [ map { s/\e/ESC/r } @$arguments ] }: $status");
    ref $message ? like($got[1], $message, '... and a sentence') : is($got[1], $message, '... and a sentence');
}
{
    my ($out, $err, $status) = privs('show', $gone, $without->{pid});
    is($status, 1, 'show of one that is not there and one that is: 1');
    is($out, (privs('show', $without->{pid}))[0], '... and the rest of the work is done');
}

# ---- names that are made to deceive ----

{
    my $forger = waiting(sub { set_name("\e[2J\r\x{9b}1m\n\xe2\x80\xae") });
    my $escaped = '\x1b[2J\x0d\x9b1m\x0a\xe2\x80\xae';
    for my $locale (qw(C C.UTF-8)) {
        local $ENV{LC_ALL} = $locale;
        my ($out) = privs(qw(ps -a));
        my ($line) = $out =~ /^( *$forger->{pid} .*)/m;    # the names of others may have letters
        unlike($line, qr/[^ -~]/, "$locale: ps: nothing that a terminal acts on");
        is(rows($out)->{ $forger->{pid} }[1], $escaped, "$locale: ps: the name is spelled out");
        ($out) = privs('show', $forger->{pid}, '--color=always');
        unlike($out =~ s/\e\[(?:1|1;31|32)?m//gr, qr/[^ -~\n]/, "$locale: show: neither");
    }
    my ($one) = grep { $_->{pid} == $forger->{pid} } @{ data((privs(qw(ps --all --json)))[0])->{processes} };
    is($one->{name}, "\e[2J\r\\x9b1m\n\x{202e}", 'ps --json: as characters, what is no UTF-8 spelled out');
    unlike((privs(qw(ps --all --json)))[0], qr/[^ -~\n]/, 'ps --json: in ASCII');
}
for my $unseen ("\xe2\x80\xae", "\xc2\x85", "\xe2\x80\x8b", "\xee\x80\x80") {
    my $forger  = waiting(sub { set_name("a${unseen}b") });
    my $escaped = $unseen =~ s/(.)/sprintf '\\x%02x', ord $1/gser;
    local $ENV{LC_ALL} = 'C.UTF-8';
    is(rows((privs(qw(ps -a)))[0])->{ $forger->{pid} }[1], "a${escaped}b", "UTF-8: $escaped is spelled out");
}
{
    my $umlaut = waiting(sub { set_name("caf\xc3\xa9") });
    local $ENV{LC_ALL} = 'C.UTF-8';
    like((privs(qw(ps -a)))[0], qr/^ *$umlaut->{pid} .* caf\xc3\xa9 /m, 'UTF-8: letters stay letters');
    local $ENV{LC_ALL} = 'C';
    like((privs(qw(ps -a)))[0], qr/^ *$umlaut->{pid} .* caf\\xc3\\xa9 /m, 'C: and are spelled out elsewhere');
}

# ---- somebody else's /proc ----

SKIP: {
    skip 'this user cannot read the program', 4 if !nobody_can_run();
    my ($out, $err, $status) = run(nobodys('ps'));
    is($err, '', 'plain user: ps') or diag($err);
    is($status, $out eq '' ? 1 : 0, 'plain user: its status');
    SKIP: {
        skip 'only root has another one to look at', 2 if $> || !$with;
        is(rows($out)->{ $with->{pid} }[1], "$name +", "plain user: sees root's processes");
        is(rows($out)->{2}, undef, 'plain user: and no threads of the kernel');
    }
}

for my $hidepid (1, 2) {
    my $mount = "mount -t proc -o hidepid=$hidepid proc /proc";
    my @alone = ([qw(--mount --pid --fork)], $mount);
  SKIP: {
        skip "root, and a /proc with hidepid=$hidepid", $hidepid == 1 ? 6 : 4
            if $> || !nobody_can_run() || (in_namespaces(@alone, 'true'))[2];
        my ($out, $err, $status) = in_namespaces(@alone, nobodys(qw(ps --json --all)));
        is($status, 1, "hidepid=$hidepid: the status");
        like($err, $hidepid == 1 ? qr/\Aprivs ps: \/proc hides what 1 process may do from this user\.\n\z/
            : qr/\Aprivs ps: \/proc is mounted with hidepid: .*\.\n\z/, "hidepid=$hidepid: a sentence");
        ok(!data($out)->{complete}, "hidepid=$hidepid: the inventory says that it is not complete");
        if ($hidepid == 1) {
            my @two = ([qw(--mount --pid --fork)], "$mount && { sleep 1000 & }");
            (undef, $err) = in_namespaces(@two, nobodys('ps', @$_)) and is($err,
                "privs ps: /proc hides what 2 processes may do from this user.\n", "hidepid=1: ps @$_: how many") for [], ['--threads'];
        }
        ($out, $err, $status) = in_namespaces(@alone, nobodys(qw(show 1)));
        is("$status $err", "1 privs show: /proc hides process 1 from this user.\n", "hidepid=$hidepid: show 1");
    }
}

# Alone, with no capability; and where there is no /proc, or none that one may read.
SKIP: {
    my $alone = sub {
        my ($mount, @command) = @_;
        return run(qw(unshare --mount --pid --fork sh -c), "$mount || exit 97; exec \"\$\@\"", 'sh', @command);
    };
    skip 'root, and a /proc of its own', 6 if $> || !nobody_can_run() || ($alone->('mount -t proc proc /proc', 'true'))[2];
    for my $case ([ [], 'No process has any.' ], [ [qw(--with CAP_CHOWN)], 'No process has chown.' ]) {
        my ($more, $message) = @$case;
        is_deeply([ $alone->('mount -t proc proc /proc', nobodys('ps', @$more)) ], [ '', "privs ps: $message\n", 1 ], "ps @$more: $message");
    }
    skip 'without /proc: setpriv(1) wants one, to become nobody', 4 if ($alone->('mount -t tmpfs none /proc', as_nobody('true')))[2];
    my $denied = do { local $! = POSIX::EACCES(); "$!" };
    my $none = do { local $! = POSIX::ENOENT(); "of(1): $! (/proc is not mounted)." };
    for my $case ([ 0755, 'show', '1', $none ], [ 0755, 'show', 'x', '/proc is not mounted.' ], [ 0755, 'ps', '--threads', '/proc is not mounted.' ],
        [ 0, 'ps', '--threads', "/proc: $denied." ]) {
        my ($mode, $command, $word, $message) = @$case;
        is_deeply([ $alone->(sprintf('mount -t tmpfs -o mode=%04o none /proc', $mode), nobodys($command, $word)) ],
            [ '', "privs $command: $message\n", 1 ], "$command $word: $message");
    }
}

# ---- in a user namespace ----

SKIP: {
    my @userns = (['-Ur'], 'true');
    skip 'no user namespace can be had', 2 if (in_namespaces(@userns, 'true'))[2];
    my ($out, $err, $status) = in_namespaces(@userns, command('show'));
    is("$err$status", '0', 'user namespace: show') or diag($err);
    like($out, qr/^[ *] effective +all/m, 'user namespace: everything is effective there');
}

done_testing;
