use 5.014;
use warnings;
use open IN => ':bytes', OUT => ':bytes';    # whatever PERL_UNICODE says

use Errno qw(EACCES EBADF EINVAL ELOOP ENOENT ENOEXEC EPERM ESRCH);
use File::Temp;
use JSON::PP ();
use Linux::Prctl qw(:all);
use Linux::Prctl::Status;
use POSIX ();
use Test::More;

use lib 't/lib';
use Seccomp qw(no_seccomp prctl_answers);
use SystemCalls qw(sys);
use TestChild qw(company in_child proc_caps proc_status);

my $CLASS = 'Linux::Prctl::Status';
my @SLOTS = qw(real effective saved fs);
my @SETS  = qw(effective permitted inheritable bounding ambient);

my ($cgroup) = slurp('/proc/self/cgroup') =~ /^0::(.*)$/m;
my ($unit)   = ($cgroup // '') =~ m{([^/]+\.(?:service|scope))};

my @KEYS = sort qw(pid tid name state ppid tracer uid gid groups caps no_new_privs seccomp
    seccomp_filters threads user_ns exe command), defined $cgroup ? 'cgroup' : (), $unit ? 'unit' : ();
my @subreaper = ('subreaper') x !!supported('get_child_subreaper');    # not behind an emulator
my @OWN_KEYS  = sort qw(securebits dumpable keepcaps pdeathsig timerslack), @subreaper;

sub slurp {
    my ($file) = @_;
    local $/;
    open my $in, '<:raw', $file or return '';
    return scalar(<$in>) // '';
}

sub dies_of {
    my ($code) = @_;
    return 'lived' if eval { $code->(); 1 };
    my $error = $@;
    return $error =~ s/ at \Q$0\E line \d+\.\n\z//r;
}

# What as_hash must say, from a status file, by other means.
sub from_proc {
    my ($file) = @_;
    my %line = proc_status($file);
    my %caps = proc_caps($file);
    my %hash = (
        pid => $line{Tgid}, tid => $line{Pid}, ppid => $line{PPid}, tracer => $line{TracerPid},
        name => $line{Name}, threads => $line{Threads}, groups => [ split ' ', $line{Groups} ],
        state => ($line{State} =~ /\((.*)\)/)[0],
    );
    for my $ids (qw(Uid Gid)) {
        @{ $hash{ lc $ids } }{@SLOTS} = split ' ', $line{$ids};
    }
    for my $set (@SETS) {
        my $letter = uc substr $set, 0, 1;
        $hash{caps}{$set} = [ map { cap_name($_) } grep { $caps{$letter} >> $_ & 1 } 0 .. 63 ];
    }
    $hash{no_new_privs}    = $line{NoNewPrivs}      if exists $line{NoNewPrivs};
    $hash{seccomp_filters} = $line{Seccomp_filters} if exists $line{Seccomp_filters};
    $hash{seccomp} = (qw(disabled strict filter))[ $line{Seccomp} ] if exists $line{Seccomp};
    my $at = $file =~ s{/status\z}{}r;
    $hash{exe}     = readlink "$at/exe";
    $hash{command} = [ slurp("$at/cmdline") =~ /([^\0]*)\0/g ];
    $hash{cgroup}  = $cgroup if defined $cgroup;
    $hash{unit}    = $unit   if defined $unit;
    my ($ns) = (readlink("$at/ns/user") // '') =~ /(\d+)/;
    $hash{user_ns} = { id => $ns, ours => $ns == (readlink('/proc/self/ns/user') =~ /(\d+)/)[0] ? 1 : 0 };
    return \%hash;
}

# A child that does what it is told, and then waits until it is let go.
sub waiting {
    my ($code) = @_;
    pipe my $ready, my $say or die "pipe: $!\n";
    pipe my $end, my $hold or die "pipe: $!\n";
    binmode $_ for $ready, $say, $end, $hold;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        close $hold;
        eval { $code->(); 1 } or do { print STDERR $@; POSIX::_exit(1) };
        syswrite $say, 'x';
        sysread $end, my $byte, 1;
        POSIX::_exit(0);
    }
    close $say;
    sysread $ready, my $byte, 1 or die "the child ended early\n";
    # It is asleep a moment later, and its state is to be the same in two reads.
    while ({ proc_status("/proc/$pid/status") }->{State} !~ /\AS/) {
        select undef, undef, undef, 0.001;
    }
    return ($pid, sub { close $hold; waitpid $pid, 0; return });
}

# ---- this process ----

my $me   = $CLASS->current;
my $hash = $me->as_hash;
isa_ok($me, $CLASS);
is_deeply([ sort keys %$hash ], [ sort @KEYS, @OWN_KEYS ], 'the keys of the own process');
{
    my %shared = map { $_ => $hash->{$_} } @KEYS;
    is_deeply(\%shared, from_proc('/proc/thread-self/status'), 'current is what /proc says');
}
for my $key (@KEYS, @OWN_KEYS) {
    is_deeply(scalar $me->$key, $hash->{$key}, "the method $key");
}
is_deeply({ map { $_ => $CLASS->of($$)->as_hash->{$_} } @OWN_KEYS },
    { map { $_ => $hash->{$_} } @OWN_KEYS }, 'of oneself by number: the same');

{
    my $changed = in_child {
        set_dumpable(0);
        set_keepcaps(1);
        set_pdeathsig('USR1');
        set_child_subreaper(1) if @subreaper;
        set_timerslack(123_456);
        my $hash = $CLASS->current->as_hash;
        return { map { $_ => $hash->{$_} } @OWN_KEYS };
    };
    is_deeply(
        $changed,
        { dumpable => 0, keepcaps => 1, pdeathsig => POSIX::SIGUSR1(), map({ $_ => 1 } @subreaper),
            timerslack => 123_456, securebits => ['keep_caps'] },
        'what the kernel tells a process about itself'
    );
}
SKIP: {
    skip 'plain user: setpcap is not effective', 1 if !cap_effective->has('setpcap');
    is_deeply(
        in_child {
            securebits->add('no_cap_ambient_raise', 'noroot_locked');
            $CLASS->current->securebits;
        },
        [qw(noroot_locked no_cap_ambient_raise)], 'securebits, in order'
    );
}
{
    my ($list, $names) = ($me->groups, $me->caps->{bounding});
    push @$list, 99;
    push @$names, 'bogus';
    push @{ $me->securebits }, 'bogus';
    is_deeply($me->as_hash, $hash, 'what is given away is a copy');
}

# ---- plain data ----

{
    my $json = JSON::PP->new->canonical;
    my $text = $json->encode($hash);
    is_deeply($json->decode($text), $hash, 'JSON and back');
    like($text, qr/"pid":$$,/,        'numbers are numbers');
    like($text, qr/"real":$<,/,       'so are ids');
    like($text, qr/"groups":\[[\d,]*\]/, 'and groups');
    unlike($text, qr/"\d+"[,}\]]/ , 'none is a string') if $text !~ /"(?:4[1-9]|[56]\d)"/;
}

# ---- another process ----

{
    my ($pid, $let_go) = waiting(sub {
        cap_inheritable->clear;
        cap_effective->clear;
        set_no_new_privs(1);
    });
    my $status = $CLASS->of($pid);
    is_deeply($status->as_hash, from_proc("/proc/$pid/status"), 'of another process');
    is_deeply([ sort keys %{ $status->as_hash } ], \@KEYS, 'without what only it can ask');
    is($status->$_, undef, "$_ is not known") for @OWN_KEYS;
    is($status->ppid, $$, 'its parent');
    is($status->state, 'sleeping', 'its state');
    is_deeply($CLASS->of($pid, $pid)->as_hash, $status->as_hash, 'its only thread is the same');

    # the difference
    my $diff = $me->diff($status);
    is_deeply($diff->{no_new_privs}, { from => $me->no_new_privs, to => 1 }, 'diff: a number')
        if !$me->no_new_privs;
    is_deeply($diff->{caps}{effective}{lost} // [], $hash->{caps}{effective}, 'diff: what was lost');
    is_deeply($status->diff($me)->{caps}{effective}{gained} // [], $hash->{caps}{effective},
        'diff: what was gained, the other way around');
    is($diff->{$_}, undef, "diff: $_ is known of one only, no difference") for @OWN_KEYS;
    is($diff->{$_}, undef, "diff: $_ is not about what it may do") for qw(pid tid name state ppid threads);
    is_deeply($status->diff($CLASS->of($pid)), {}, 'diff: nothing');
    my $gone = $CLASS->of($pid);
    $let_go->();

    local $! = 0;
    is(dies_of(sub { $CLASS->of($pid) }), "of($pid): No such process", 'a process that is gone');
    is($! + 0, ESRCH, 'and $!');
    ok(!defined $gone->exe && !defined $gone->as_hash->{command}, 'what is read later is gone with it');
}
SKIP: {
    skip 'plain user: no groups or ids to change here', 4
        if !cap_effective->has('setuid', 'setgid') || in_child { !POSIX::setgid(1) };
    my ($pid, $let_go) = waiting(sub {
        $) = '7 7 8 9';
        $> = 1000;
    });
    my $status = $CLASS->of($pid);
    is_deeply($status->as_hash, from_proc("/proc/$pid/status"), 'other ids and groups');
    my $diff = $me->diff($status);
    is(JSON::PP->new->encode([ @{ $diff->{uid}{fs} }{qw(from to)} ]), '[0,1000]',
        'diff: ids are numbers');
    is_deeply($diff->{uid}, { map { $_ => { from => 0, to => 1000 } } qw(effective fs) },
        'diff: ids by slot');
    is(JSON::PP->new->encode($diff->{groups}{gained}), '[7,8,9]', 'diff: groups, as numbers');
    $let_go->();
}
SKIP: {
    my $many = join ' ', 0, 0, 100_000 .. 120_000;
    skip 'plain user: no groups to change here', 1
        if !in_child { $! = 0; local $) = $many; my @now = split ' ', $); @now > 20_000 };
    my ($pid, $let_go) = waiting(sub { $) = $many });
    is_deeply($CLASS->of($pid)->as_hash, from_proc("/proc/$pid/status"),
        'a file that is longer than one read');
    $let_go->();
}
{
    my $zombie = fork // die "fork: $!\n";
    POSIX::_exit(0) if !$zombie;
    select undef, undef, undef, 0.001 while { proc_status("/proc/$zombie/status") }->{State} !~ /\AZ/;
    is($CLASS->of($zombie)->state, 'zombie', 'a process that has ended and was not waited for');
    waitpid $zombie, 0;
}
SKIP: {
    skip no_seccomp(), 2 if no_seccomp();
    my ($pid, $let_go) = waiting(sub {
        my $filter = pack 'SCCL', 0x06, 0, 0, 0x7fff0000;    # allow everything
        set_no_new_privs(1);
        set_seccomp(SECCOMP_MODE_FILTER, $filter) == 0 or die "seccomp: $!\n" for 1, 2;
    });
    my $status = $CLASS->of($pid);
    is($status->seccomp, 'filter', 'filtered prctl: seccomp');
    my $before = $me->seccomp_filters;
    is($status->seccomp_filters, $before + 2, 'filtered prctl: its filters') if defined $before;
    $let_go->();
}

# ---- names ----

# All bytes that a name can have, and what an escape might be taken for.
my @names = ("a\nb", 'a\\nb', 'back\\\\slash', '\\', "\n", ") S 1 (x", '((()))', "tab\there", ' space ',
    "caf\x{c3}\x{a9}", "\x{e9}\x{ff}", "Uid:\t0\t0\t0", 'Name:', "\e[31mred", '');
push @names, pack 'C*', grep { $_ } 16 * $_ .. 16 * $_ + 14 for 0 .. 15;
for my $name (@names) {
    my ($pid, $let_go) = waiting(sub { set_name($name) });
    my $status = $CLASS->of($pid);
    my $shown  = $name =~ s/([^ -~])/sprintf '\\x%02x', ord $1/gre;
    is(unpack('H*', $status->name), unpack('H*', $name), "the name '$shown'");
    is($status->uid->{real}, $<, 'does not disturb what follows');
    unlike($status->report, qr/[^\n -~]/, 'nor a terminal');
    $let_go->();
}

# ---- what a kernel does not say ----

{
    open my $in, '<', "/proc/$$/status" or die "status: $!\n";
    my @lines = <$in>;
    my %line  = (caps => 'CapAmb', no_new_privs => 'NoNewPrivs', seccomp => 'Seccomp',
        seccomp_filters => 'Seccomp_filters', tracer => 'TracerPid', groups => 'Groups');
    for my $fact (sort keys %line) {
        my $text = join '', "\n", grep { !/\A$line{$fact}:/ } @lines;
        my $old  = $CLASS->_new(\$text);
        if ($fact eq 'caps') {
            is_deeply([ sort keys %{ $old->caps } ], [ sort grep { $_ ne 'ambient' } @SETS ],
                'no ambient set before 4.3');
        }
        else {
            is($old->$fact, undef, "$fact is not known");
            ok(!exists $old->as_hash->{$fact}, 'and no key');
        }
        like($old->report, qr/\A$$ \(.*^. bounding/ms, 'the report does without');
        my $diff = $old->diff($me);
        ok(!exists $diff->{$fact} || $fact eq 'caps' && !$diff->{caps}{ambient},
            'and it is no difference');
    }
}

# ---- threads ----

SKIP: {
    skip company(), 2 if company();
    is_deeply([ map { $_->tid } $CLASS->threads($$) ], [$$], 'one thread');
    is(scalar $CLASS->threads($$), 1, 'counted');
}
is_deeply([ $CLASS->out_of_step($$) ], [], 'in step with itself');

SKIP: {
    skip company(), 11 if company();
    skip 'this perl has no threads', 11 if !eval { require threads; require Thread::Queue; 1 };
    my $result = in_child {
        no warnings 'Linux::Prctl::threads';
        my ($ready, $end) = map { Thread::Queue->new } 1, 2;
        my $odd = threads->create(sub {
            set_name('odd one');
            set_no_new_privs(1);
            my ($own_tid) = readlink('/proc/thread-self') =~ /(\d+)\z/;
            my @own = map { join ' ', sort keys %{ $_->as_hash } } $CLASS->of($own_tid), $CLASS->of($$);
            $ready->enqueue(join '; ', @own);
            my $text = "$$ " . join ' ', map { $CLASS->current->$_ } qw(pid tid name);
            $ready->enqueue((readlink('/proc/thread-self') =~ /(\d+)\z/), $text);
            $end->dequeue;
        });
        my $own = $ready->dequeue;
        my ($tid, $text) = ($ready->dequeue, $ready->dequeue);
        my $even = threads->create(sub {
            $ready->enqueue(readlink('/proc/thread-self') =~ /(\d+)\z/);
            $end->dequeue;
        });
        my $other = $ready->dequeue;
        my $of    = $CLASS->of($$, $tid);
        my @all   = $CLASS->threads($$);
        my %result = (
            wanted   => [ $$, sort { $a <=> $b } $tid, $other ],
            got      => [ map { $_->tid } @all ],
            leader   => [ map { $_->pid == $$ } @all ],
            count    => $all[0]->threads,
            current  => $text,
            expected => "$$ $$ $tid odd one",
            of       => [ $of->pid, $of->tid, $of->name, $of->no_new_privs, $of->dumpable ],
            wanted_of => [ $$, $tid, 'odd one', 1, undef ],
            by_tid   => $CLASS->of($tid)->as_hash,
            by_both  => $of->as_hash,
            odd      => [ map { $_->tid } $CLASS->out_of_step($$) ],
            tid      => $tid,
            own      => $own,
            elsewhere => dies_of(sub { $CLASS->of(getppid, $tid) }),
            proc     => from_proc("/proc/$$/task/$tid/status"),
            nnp      => from_proc('/proc/thread-self/status')->{no_new_privs},
        );
        $end->enqueue(1, 1);
        $_->join for $odd, $even;
        return \%result;
    };
    is_deeply($result->{got}, $result->{wanted}, 'threads: the leader, then the others');
    is_deeply($result->{leader}, [ 1, 1, 1 ], 'all of one process');
    is($result->{count}, 3, 'each says how many');
    is($result->{current}, $result->{expected}, 'current is the calling thread');
    is_deeply($result->{of}, $result->{wanted_of}, 'of(pid, tid)');
    delete @{ $result->{$_} }{qw(state)} for qw(by_tid by_both proc);
    is_deeply($result->{by_both}, $result->{proc}, 'is what /proc says');
    is_deeply($result->{by_tid}, $result->{by_both}, 'of(tid) is the same');
    is($result->{own}, join('; ', "@{[ sort @KEYS, @OWN_KEYS ]}", "@KEYS"),
        'a thread by its id alone: what it knows of itself; not of the leader');
    is_deeply($result->{odd}, $result->{nnp} ? [] : [ $result->{tid} ],
        'out_of_step: who has no_new_privs alone');
    like($result->{elsewhere}, qr/\Aof\(\d+, \d+\): No such process\z/, "another process's thread");
}

# In which order, and what if one ends while they are read?
SKIP: {
    skip company(), 2 if company();
    skip 'this perl has no threads', 2 if !eval { require threads; 1 };
    my $found = in_child {
        pipe my $end, my $hold or die "pipe: $!\n";
        my @threads = map { threads->create(sub { sysread $end, my $byte, 1 }) } 1 .. 3;
        my @texts = map { "\nTgid:\t10\nPid:\t$_\nName:\tx\n" } 100, 9, 10, 11;
        my @next  = @texts;
        no warnings 'redefine';
        local *Linux::Prctl::Status::_read = sub { my $text = shift @next; return \$text };
        my @all = map { $_->tid } $CLASS->threads($$);
        @next = (undef, @texts[ 1 .. 3 ]);
        local *Linux::Prctl::Status::_read = sub {
            my $text = shift @next;
            $! = ESRCH;
            return defined $text ? \$text : undef;
        };
        my @rest = map { $_->tid } $CLASS->threads($$);
        syswrite $hold, 'xxx';
        $_->join for @threads;
        return [ \@all, \@rest ];
    };
    my ($order, $left) = @$found;
    is_deeply($order, [ 10, 9, 11, 100 ], 'the leader first, then by number');
    is_deeply($left,  [ 10, 9, 11 ],      'without one that ended meanwhile');
}

# ---- the report ----

{
    my $report = $me->report;
    my @lines  = split /\n/, $report;
    is($lines[0], "$$ (" . $me->name . '): running, ' . ($hash->{threads} == 1 ? '1 thread' : "$hash->{threads} threads")
        . ', child of ' . getppid, 'the title');
    cmp_ok(scalar @lines, '<=', 24, 'one screen');
    is_deeply([ grep { length > 80 } @lines ], [], 'of 80 columns');
    for my $set (@SETS) {
        my $count = @{ $hash->{caps}{$set} };
        my ($text) = $report =~ /^[ *] $set\s+(.*)$/m;
        my $kind = !$count ? qr/\Anone\z/ : $count == last_cap() + 1 ? qr/\Aall\z/
            : $count > (last_cap() + 1) / 2 ? qr/\Aall but \w/ : qr/\A\w+/;
        like($text, $kind, "$set: $text");
    }
}
{
    my $text = in_child {
        set_no_new_privs(1);
        set_name('odd');
        set_dumpable(0);
        set_pdeathsig(9);
        cap_permitted->clear;
        cap_inheritable->clear;
        $CLASS->current->report;
    };
    like($text, qr/^\* no_new_privs    1$/m, 'what is unusual is marked');
    like($text, qr/^\* dumpable        0$/m, 'dumpable');
    like($text, qr/^\* pdeathsig       9$/m, 'pdeathsig');
    like($text, qr/^  keepcaps        0$/m,  'what is usual is not');
    like($text, qr/^. permitted       none$/m, 'an empty set');
    is(!!($text =~ /^\* permitted/m), !$>, 'which is unusual for root alone');
    like($text, qr/^\* unusual$/m, 'and the mark is explained');
}
{
    my @caps = map { cap_name($_) } 0 .. last_cap();
    my $mask = sub { my $bits = '0' x 64; substr($bits, $_, 1) = 1 for @_; unpack 'H16', reverse pack 'b64', $bits };
    my $report_of = sub {
        my (@raised) = @_;
        my $text = "\nName:\tx\nState:\tR (running)\nTgid:\t5\nPid:\t6\nPPid:\t1\nUid:\t1\t2\t3\t4\n"
            . "Threads:\t2\nCapEff:\t" . $mask->(@raised) . "\n";
        $CLASS->_new(\$text)->report;
    };
    like($report_of->(0 .. $#caps), qr/^\* effective       all$/m, 'all');
    like($report_of->(1 .. $#caps), qr/^\* effective       all but chown$/m, 'all but one');
    like($report_of->(0), qr/^\* effective       chown$/m, 'one');
    like($report_of->(), qr/^  effective       none$/m, 'none');
    like($report_of->(), qr/^\* uid             real 1, effective 2, saved 3, fs 4$/m, 'ids that differ');
    like($report_of->(), qr/\A5 \(x\), thread 6: running, 2 threads, child of 1\n/, 'a thread');
    my $half = $report_of->(grep { $_ % 2 } 0 .. $#caps);
    (my $list = ($half =~ /^\* effective\s+(.*)\z/ms)[0]) =~ s/\n\* unusual\n\z//;
    is_deeply([ split /,\s+/, $list ], [ @caps[ grep { $_ % 2 } 0 .. $#caps ] ], 'a long list is folded, and whole');
    is_deeply([ grep { length > 80 } split /\n/, $half ], [], 'within 80 columns');
}

{
    my $report_of = sub {
        my ($name, $tid, @groups) = @_;
        my $text = "\nName:\t$name\nState:\tt (tracing stop)\nTgid:\t4194303\nPid:\t$tid\n"
            . "PPid:\t4194301\nThreads:\t99999\nGroups:\t@groups \n";
        $CLASS->_new(\$text)->report;
    };
    my $bytes = "\xff" x 15;
    my $shown = '\\xff' x 15;
    for my $name ('x', $bytes, 'a ' x 7, 'w' x 63) {
        for my $tid (4194302, 4194303) {
            my $report = $report_of->($name, $tid, 1 .. 3);
            is_deeply([ grep { length > 80 } split /\n/, $report ], [],
                "80 columns for the name " . unpack('H*', $name));
            like($report, qr/tracing stop, 99999 threads, child of 4194301\n/, 'and all is said');
        }
    }
    is((split /^  /m, $report_of->($bytes, 4194302))[0],
        "4194303 ($shown),\n", 'a long title is folded');
    like($report_of->('x', 4194303, 1 .. 32), qr/, 31, 32$/m, '32 groups');
    my $many = $report_of->('x', 4194303, map { 4294900000 + $_ } 0 .. 65535);
    like($many, qr/ 4294900031, and\s+65504 more$/m, 'more are counted');
    cmp_ok(scalar(() = $many =~ /\n/g), '<=', 24, 'one screen all the same');
}

# ---- /proc that hides ----

sub with_proc {
    my ($options, $user, $code) = @_;
    my @perl = ($^X, (map { "-I$_" } grep { !ref } @INC), '-MLinux::Prctl::Status', '-e', $code);
    unshift @perl, 'setpriv', '--reuid', 65_534, '--regid', 65_534, '--clear-groups' if $user;
    my $pid = open(my $out, '-|') // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>', '/dev/null';
        exec 'unshare', ($> ? '-Urm' : '-m'), 'sh', '-c', "mount $options /proc && exec \"\$@\"", 'sh', @perl
            or POSIX::_exit(127);
    }
    chomp(my @lines = <$out>);
    close $out;
    return @lines;
}
for my $hide ([ 1 => qr/Permission denied|Operation not permitted/ ], [ 2 => qr/Permission denied/ ]) {
    my ($hidepid, $said) = @$hide;
  SKIP: {
        my @lines = with_proc("-t proc -o hidepid=$hidepid none", 1, <<'END');
            print eval { Linux::Prctl::Status->of(1); 'lived' } // $@, $! + 0, "\n";
            print eval { Linux::Prctl::Status->threads(1); 'lived' } // $@;
            print eval { Linux::Prctl::Status->of(2**31 - 1); 'lived' } // $@;
            print Linux::Prctl::Status->current->uid->{real}, "\n";
END
        skip "user namespace: /proc cannot be mounted with hidepid=$hidepid here", 5 if @lines < 5;
        like($lines[0], qr/\Aof\(1\): $said \(\/proc hides it\) at -e line 1\.\z/, "hidepid=$hidepid is said");
        cmp_ok($lines[1], '!=', ESRCH, 'the process is not said to be gone');
        like($lines[2], qr/\Athreads\(1\): $said \(\/proc hides it\)/, 'for threads too');
        like($lines[3], qr/: No such process at/, 'one that is gone is gone');
        is($lines[4], 65_534, 'the own process is there');
    }
}
SKIP: {
    my @lines = with_proc('-t tmpfs none', 0, <<'END');
        print eval { Linux::Prctl::Status->of(1); 'lived' } // $@, $! + 0, "\n";
        print eval { Linux::Prctl::Status->current; 'lived' } // $@;
        print eval { Linux::Prctl::Status->threads($$); 'lived' } // $@;
END
    skip 'no mount namespace', 4 if @lines < 4;
    like($lines[0], qr/\Aof\(1\): No such file or directory \(\/proc is not mounted\)/, 'no /proc');
    is($lines[1], ENOENT, 'and $!');
    like($lines[2], qr/\Acurrent: No such file .*not mounted/, 'for current');
    like($lines[3], qr/\Athreads\(\d+\): No such file .*not mounted/, 'for threads');
}

# ---- in the middle of reading ----

# A signal handler runs between two operations: after a read, say. So does this.
{
    my @perl = ($^X, map { "-I$_" } grep { !ref } @INC);
    my $code = <<'END';
        use Linux::Prctl::Status;
        my ($handler, $other);
        my $read = \&Linux::Prctl::Status::_read_proc;
        no warnings 'redefine';
        *Linux::Prctl::Status::_read_proc = sub {
            my $text = $read->(@_);
            my $now = $handler;
            undef $handler;
            $now->() if $now;
            return $text;
        };
        $handler = sub { $other = Linux::Prctl::Status->of(getppid) };
        my $me = Linux::Prctl::Status->of($$);
        print join ' ', map { $_->pid } $me, $other;
END
    my $pid = open(my $out, '-|', @perl, '-e', "print qq{\$\$ };$code") // die "fork: $!\n";
    is(<$out>, "$pid $pid $$", 'a handler that reads another status disturbs nothing');
    close $out;

    local $ENV{PERLIO} = ':utf8';
    open $out, '-|', @perl, '-MLinux::Prctl::Status', '-e',
        'print Linux::Prctl::Status->current->pid == $$ ? "read" : "lost"' or die "fork: $!\n";
    is(<$out>, 'read', 'nor does a layer that every file gets');
    close $out;
}

# ---- bytes and JSON ----

{
    my %shown = ("caf\xc3\xa9" => "caf\x{e9}", "\xff\xc3" => '\\xff\\xc3', "x\xe9y" => 'x\\xe9y');
    for my $name (sort keys %shown) {
        my ($pid, $let_go) = waiting(sub { set_name($name) });
        my $json = $CLASS->of($pid)->as_json;
        $let_go->();
        is(JSON::PP->new->utf8->decode($json)->{name}, $shown{$name}, 'as_json: ' . unpack 'H*', $name);
        like($json, qr/"pid":$pid,/, 'with numbers');
    }
    my @perl = ($^X, map { "-I$_" } grep { !ref } @INC);
    open my $out, '-|', @perl, '-MLinux::Prctl::Status', '-e',
        'my $s = Linux::Prctl::Status->current; print grep({ /JSON|Encode/ } keys %INC) ? "loaded" : "not loaded"'
        or die "fork: $!\n";
    is(<$out>, 'not loaded', 'JSON::PP is loaded only then');
    close $out;
}

# ---- user namespaces ----

SKIP: {
    skip 'no user namespace to be had', 7 if system('unshare -U true 2>/dev/null') != 0;
    my ($pid, $let_go) = waiting(sub { sys(unshare => 0x10000000) });
    my $status = $CLASS->of($pid);
    my $ns     = $status->user_ns;
    is($ns->{ours}, 0, 'a user namespace that is not ours');
    is(scalar @{ $status->caps->{effective} }, last_cap() + 1, 'has everything');
    like($status->report, qr/^\* user_ns +(?:\d+|another one), not ours/m, 'and the report marks it');
    like($status->report, qr/^  effective       all$/m, 'so that it does not look like root') if !$>;
    is_deeply($me->diff($status)->{user_ns}, { from => $me->user_ns->{id}, to => $ns->{id} }, 'diff: user_ns');
    my ($line) = grep { /\A *$pid / } `'$^X' @{[ map { "'-I$_'" } grep { !ref } @INC ]} script/privs ps`;
    like($line, qr/\A *$pid +\S+ +\S.* all; in another\b/, 'as does privs ps');
    $let_go->();
    is_deeply($me->user_ns, { id => $hash->{user_ns}{id}, ours => 1 }, 'ours is ours');
}

# ---- of lists, ids and threads ----

{
    my $text = sub {
        my (%line) = @_;
        my $status = "\nName:\tx\nState:\tR (running)\nTgid:\t5\nPid:\t5\nPPid:\t1\nThreads:\t1\n"
            . join '', map { "$_:\t$line{$_}\n" } sort keys %line;
        return \$status;
    };
    my $of = sub { $CLASS->_new($text->(@_)) };
    is_deeply($of->(TracerPid => 0)->diff($of->(TracerPid => 7)), { tracer => { from => 0, to => 7 } }, 'diff: tracer');
    is_deeply($of->(Seccomp_filters => 1)->diff($of->(Seccomp_filters => 2)),
        { seccomp_filters => { from => 1, to => 2 } }, 'diff: seccomp_filters');
    my @all = map { cap_name($_) } 0 .. last_cap();
    my $full = sprintf '%08x%08x', 2**(last_cap() - 31) - 1, 0xffffffff;
    for my $ids ([ "0\t0\t0\t0", 1 ], [ "1000\t0\t0\t0", 1 ], [ "0\t1000\t0\t1000", 0 ]) {
        my ($uid, $root) = @$ids;
        my %line = (Uid => $uid, Gid => "0\t0\t0\t0");
        is($of->(%line, CapEff => $full)->report =~ /^\* effective/m ? 0 : 1, $root, "root by the effective uid: all, $uid");
        is($of->(%line, CapEff => '0' x 16)->report =~ /^\* effective/m ? 1 : 0, $root, "none, $uid");
    }
    # as many masks as one likes: each is read right, and they are not all kept
    my $size = sub { slurp('/proc/self/status') =~ /^VmData:\s*(\d+)/m ? $1 : 0 };
    my $before = $size->();
    my @wrong;
    for my $i (1 .. 20_000) {
        my @bits  = grep { $i >> $_ & 1 } 0 .. 15;
        my $names = $of->(CapEff => sprintf '%016x', $i)->caps->{effective};
        push @wrong, $i if "@$names" ne "@all[@bits]";
    }
    is("@wrong", '', 'masks');
    cmp_ok($size->() - $before, '<', 4096, 'of which few are kept');
}
{
    my $before = $CLASS->current;
    my $after  = in_child { set_timerslack(77_777); my $now = $CLASS->current; $before->diff($now)->{timerslack} };
    is($after->{to}, 77_777, 'diff: timerslack');
  SKIP: {
        skip 'plain user: setpcap is not effective', 1 if !cap_effective->has('setpcap');
        my $bits = in_child { set_securebits(1 << 8 | 1 << 9 | 1 << 11) == 0 ? $CLASS->current->securebits : [] };
        skip 'no securebits above 7 in this kernel', 1 if !@$bits;
        is_deeply($bits, [qw(exec_restrict_file exec_restrict_file_locked exec_deny_interactive_locked)],
            'securebits above 7');
    }
}
{
    # a missing process, also where arguments are tainted
    open my $out, '-|', $^X, '-T', (map { "-I$_" } grep { !ref } @INC), '-MLinux::Prctl::Status', '-e',
        'print eval { Linux::Prctl::Status->of(shift); 1 } ? "lived" : $@; print $! + 0', 2**31 - 1 or die "fork: $!\n";
    is(join('', <$out>), "of(2147483647): No such process at -e line 1.\n" . ESRCH, 'perl -T: ESRCH');
    close $out;
    local $! = ENOENT;
    dies_of(sub { $CLASS->of(-1) });
    is($! + 0, EINVAL, 'misuse sets $! to EINVAL');
}

# ---- what exec makes of it ----

{
    my $dir = File::Temp->newdir;
    my $put = sub {
        my ($name, $content, $mode) = @_;
        open my $file, '>:raw', "$dir/$name" or die "$name: $!\n";
        print {$file} $content;
        close $file or die "$name: $!\n";
        chmod $mode, "$dir/$name" or die "chmod: $!\n";
        return "$dir/$name";
    };
    my $refused = sub {
        my ($errno, $why, $what) = @_;
        local $! = 0;
        my $said = dies_of(sub { $me->after_exec($what) });
        is($! + 0, $errno, 'after_exec: ' . ($errno + 0) . " for $what");
        local $! = $errno;
        is($said, "after_exec($what): $!" . (length $why ? " ($why)" : ''), 'and why');
    };
    my $shell = $me->after_exec('/bin/sh');
    isa_ok($shell, $CLASS);
    is($shell->name, 'sh', 'its name');
    is($shell->pid,  $$,   'the same process');
    is_deeply($shell->uid, $me->uid, 'the same ids') if $me->uid->{real} == $me->uid->{effective};
    is($shell->keepcaps, 0, 'without keepcaps');
    is_deeply($shell->assumed, ['shared_fs'], 'what is assumed');
    push @{ $shell->assumed }, 'securebits';
    is_deeply([ $shell->assumed, $shell->as_hash->{assumed} ], [ ['shared_fs'], ['shared_fs'] ], '... and stays so, whatever the caller does with the list');
    is($shell->exe, undef, 'of the program itself, nothing is known');
    is_deeply($me->after_exec('/bin/sh')->after_exec('/bin/sh')->as_hash, $shell->as_hash, 'and again');
    open my $handle, '<', '/bin/sh' or die "sh: $!\n";
    is_deeply($me->after_exec($handle)->caps, $shell->caps, 'by handle');
    is(dies_of(sub { close $handle; $me->after_exec($handle) }), 'after_exec: file is not an open handle', 'a closed one');
    is($! + 0, EBADF, 'and $!');
    my $text   = $put->(text => "no program\n", 0755);
    my $script = $put->(script => "#!/bin/sh\n", 0755);
    is($me->after_exec($script)->name, 'script', 'a script has its own name');
    $refused->(ENOEXEC, 'the kernel does not know what it is', $text);
    $refused->(EACCES, 'the process may not execute it', $put->(plain => "#!/bin/sh\n", 0644));
    $refused->(EACCES, 'it is not a regular file', '/');
    $refused->(ENOENT, '', "$dir/nothing");
    $refused->(ENOENT, "$dir/nothing: what it needs to run cannot be opened",
        $put->(dangling => "#!$dir/nothing\n", 0755));
    my $deep = $script;
    $deep = $put->("deep$_", "#!$deep\n", 0755) for 1 .. 6;
    $refused->(ELOOP, 'one script is the interpreter of another too often', $deep);
    for my $bad (undef, "a\0b", "\x{100}") {
        like(dies_of(sub { $me->after_exec($bad) }), qr/\Aafter_exec: file (?:is undef|has a )/, 'no path');
        is($! + 0, EINVAL, 'and $!');
    }
    like(dies_of(sub { $me->after_exec('/bin/sh', bogus => 1) }), qr/\Aafter_exec: unknown option "bogus"/, 'no such option');
    like(dies_of(sub { $me->after_exec('/bin/sh', securebits => ['bogus']) }),
        qr/\Aafter_exec: Unknown secbit: bogus/, 'no such securebit');
    like(dies_of(sub { $me->after_exec('/bin/sh', securebits => 1) }), qr/\Aafter_exec: securebits is not a list/, 'no list');
    like(dies_of(sub { $me->after_exec }),                 qr/\AUsage/, 'without a file');
    like(dies_of(sub { $CLASS->after_exec('/bin/sh') }),   qr/\AUsage/, 'for the class');

    my $other = $CLASS->of(getppid)->after_exec('/bin/sh');
    ok((grep { $_ eq 'securebits' } @{ $other->assumed }), 'of another process, securebits are assumed');
    ok(!(grep { $_ eq 'securebits' } @{ $CLASS->of(getppid)->after_exec('/bin/sh', securebits => [])->assumed }),
        'or given');
    is($other->pdeathsig, undef, 'and what nobody tells stays unknown');
}

# ---- why ----

{
    my ($none) = grep { my $cap = $_; !grep { $_ eq $cap } @{ $hash->{caps}{permitted} } }
        map { cap_name($_) } 0 .. last_cap() + 1;
    my $why = $me->why("CAP_\U$none");
    is($why->{capability}, $none, 'why: names in any spelling');
    is($why->{effective},  0,     'is it effective?');
    like($why->{text}, qr/\A$none is not permitted[,:]/, 'a sentence');
    is_deeply([ map { ref } @$why{qw(ways also sets)} ], [qw(ARRAY ARRAY HASH)], 'plain data');
    is(JSON::PP->new->decode(JSON::PP->new->encode($why))->{rule}, $why->{rule}, 'which JSON takes');
    my %errno = (net_bind_service => 'EACCES', dac_override => 'EACCES', chown => 'EPERM', sys_admin => 'EPERM');
    is($me->why($_)->{errno}, $errno{$_}, "$_: $errno{$_}") for sort keys %errno;
    for my $bad (undef, 'bogus', 64, '') {
        like(dies_of(sub { $me->why($bad) }), qr/\Awhy: .* is not a capability\z/, 'why: no capability');
    }
    like(dies_of(sub { $me->why }),             qr/\AUsage/, 'why: of nothing');
    like(dies_of(sub { $CLASS->why('chown') }), qr/\AUsage/, 'why: for the class');
    local $! = 7;
    $me->why('chown');
    $me->after_exec('/bin/sh')->why('chown');
    is($! + 0, 7, 'why leaves $! alone');
}
SKIP: {
    skip 'a socket family that is not there', 1 if !eval { require Socket; 1 };
    # bind below 1024, without the capability
    my $errno = in_child {
        cap_effective->clear;
        socket my $socket, Socket::PF_INET(), Socket::SOCK_STREAM(), 0 or return 'no socket';
        return 'bound' if bind $socket, Socket::sockaddr_in(1, Socket::INADDR_LOOPBACK());
        return $! + 0;
    };
    skip "no refusal here: $errno", 1 if $errno !~ /\A\d+\z/;
    is($errno, EACCES, 'bind to a port below 1024 says EACCES, as why does');
}
SKIP: {
    skip no_seccomp(), 1 if no_seccomp();
    my $also = in_child {
        set_no_new_privs(1);
        set_seccomp(SECCOMP_MODE_FILTER, pack 'SCCL', 0x06, 0, 0, 0x7fff0000);
        return [ map { $_->{what} } @{ $CLASS->current->why('chown')->{also} } ];
    };
    is_deeply([ grep { /seccomp|nnp|no_new/ } @$also ], [qw(no_new_privs seccomp)], 'why: what else decides');
}

# ---- bad input ----

for my $pid (0, undef, -1, '', 'abc', '1abc', "1\n", ' 1', '+1', '01', 1.5, 2**31, 2**32, 2**32 + $$, 2**64, 1e300, [], {},
    "$$\0", '../1', "\x{661}", 'self')
{
    my $shown = ($pid // 'undef') =~ s/([^ -~])/sprintf '\\x{%x}', ord $1/gre;
    $shown = ref $pid if ref $pid;
    for my $method (qw(of threads out_of_step)) {
        like(dies_of(sub { $CLASS->$method($pid) }),
            qr/\A$method: pid .* is not a whole number from 1 to 2147483647\z/, "$method: no $shown");
    }
    like(dies_of(sub { $CLASS->of($$, $pid) }), qr/\Aof: tid .* is not a whole number/, "tid: no $shown");
}
is(dies_of(sub { $CLASS->of($$, 2**31 - 1) }), "of($$, 2147483647): No such process", 'no such thread');
is(dies_of(sub { $CLASS->$_ }), "Usage: $CLASS->$_(pid" . ($_ eq 'of' ? ', tid)' : ')'), "$_ of nothing")
    for qw(of threads out_of_step);
is(dies_of(sub { $CLASS->current(1) }), "Usage: $CLASS->current", 'current takes nothing');
is(dies_of(sub { $me->$_(1) }), "Usage: \$status->$_", "$_ takes nothing")
    for @KEYS, @OWN_KEYS, qw(as_hash as_json report at_secure assumed);
is(dies_of(sub { $CLASS->$_ }), "Usage: \$status->$_", "$_ is not for the class")
    for grep { $_ ne 'threads' } @KEYS, @OWN_KEYS, qw(as_hash as_json report at_secure assumed);
for my $other (undef, 1, 'x', {}, [], $CLASS, bless {}, 'Other') {
    my $shown = ref $other || ($other // 'undef');
    is(dies_of(sub { $me->diff($other) }), "diff: other is not a $CLASS", "diff with $shown");
}
for my $class (undef, '', 'Linux::Prctl', $me, []) {
    like(dies_of(sub { Linux::Prctl::Status::of($class, 1) }), qr/\Aof: .*class/,
        'of for ' . (ref $class || ($class // 'undef')));
}
{
    @Derived::ISA = $CLASS;
    is(ref Derived->of($$), 'Derived', "a class of one's own");
    is(ref((Derived->threads($$))[0]), 'Derived', 'for threads too');
}
{
    local $! = 7;
    $CLASS->current->report;
    $CLASS->of($$)->as_hash;
    my @threads = $CLASS->threads($$);
    is($! + 0, 7, 'success leaves $! alone');
    is(eval { $CLASS->of(1) ? 1 : 0 }, 1, 'an object is true');
}

# ---- what is rarely so ----

my $files = File::Temp->newdir;
chmod 0755, $files or die "$files: $!\n";

# Of a process that ends after it was read, and that is no longer asked for more than it said.
{
    pipe my $end, my $hold or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        close $hold;
        eval { cap_permitted->clear };
        sysread $end, my $byte, 1;
        POSIX::_exit(0);
    }
    select undef, undef, undef, 0.01 until {proc_status("/proc/$pid/status")}->{CapPrm} !~ /[^0]/;
    my $status = $CLASS->of($pid);
    my $before = $status->why('chown');
    close $hold;
    waitpid $pid, 0;
    is_deeply($status->why('chown'), $before, 'why: of one that has ended since');
}

# What refusals say; and who can become root again without a capability.
{
    my $why = sub { my ($become) = @_; return in_child { $become->(); cap_permitted->clear; my $me = $CLASS->current; map { $me->why($_) } qw(dac_override chown) } };
    my @said = $why->(sub { });
    is_deeply([ map { $_->{errno} } @said ], [qw(EACCES EPERM)], 'why: the errno');
    like($said[0]{text}, qr/ Without it, opening a file fails with EACCES\.\z/,       'why: of which call');
    like($said[1]{text}, qr/ Without it, what it allows fails with EPERM\.\z/,        'why: of all others');
  SKIP: {
        skip 'root, and another user', 4 if $> || !in_child { POSIX::setuid(65534) ? 1 : 0 };
        my (undef, $chown) = $why->(sub { $> = 65534 });
        my ($root) = grep { $_->{way} eq 'be_root' } @{ $chown->{ways} };
        is_deeply($root->{needs}, [], 'why: becoming root again takes nothing where another uid is still 0');
        my ($then, $never) = in_child {
            $> = 65534;
            cap_permitted->clear;
            my $first = $CLASS->current->after_exec('/bin/true')->why('chown');
            POSIX::setuid(65534);
            set_no_new_privs(1);
            ($first, $CLASS->current->after_exec('/bin/true')->why('chown'));
        };
        ($root) = grep { $_->{way} eq 'be_root' } @{ $then->{ways} };
        is_deeply($root->{needs}, [], 'why: nor before an exec');
        is_deeply($never->{ways}, [], 'why: with no_new_privs there is no way');
        like($never->{text}, qr/ Nothing can give it to this process\. /, 'why: and that is said');
    }
}

# What a filter keeps from it is not told.
SKIP: {
    my $no = no_seccomp();
    skip "no filter: $no", 1 if length $no;
    my $names = in_child { prctl_answers(EPERM, 30); join ' ', sort keys %{ $CLASS->current->as_hash } };    # PR_GET_TIMERSLACK
    is($names, join(' ', grep { $_ ne 'timerslack' } sort keys %{ $CLASS->current->as_hash }), 'current: but for what is refused');
}

# Names of files are those of processes.
{
    my $name = "a\nb\\c";
    system('cp', '/bin/true', "$files/$name") == 0 or die "cp: $?\n";
    my $after = $CLASS->current->after_exec("$files/$name");
    is($after->name, $name, 'after_exec: a name with a newline and a backslash');
    like($after->report, qr/^[ *] at_secure +\d$/m, 'report: of what will be: is it at_secure?');
    like($after->report, qr/^  assumed +shared_fs$/m, 'report: and what is assumed');
}

# Set-id bits in the terms of an exec.
{
    my $file = "$files/set-id";
    system('cp', '/bin/true', $file) == 0 or die "cp: $?\n";
    for my $case ([ 00755, 0, 0 ], [ 04755, 1, 0 ], [ 02755, 0, 1 ], [ 02745, 0, 0 ]) {    # without x for the group, it is for locks
        my ($mode, $uid, $gid) = @$case;
        chmod $mode, $file or die "$file: $!\n";
        my $why = $CLASS->current->after_exec($file)->why('kill');
        is_deeply([ @{ $why->{file} }{qw(set_user_id set_group_id)} ], [ $uid, $gid ], sprintf 'why: the bits of %04o', $mode);
    }
}

# Another's code may be asked for modules.
{
    my $code = 'use Linux::Prctl::Status; my $asked = 0; unshift @INC, sub { $asked++ if $_[1] eq "JSON/PP.pm"; return };'
        . ' my $text = Linux::Prctl::Status->current->as_json; print $asked, ref JSON::PP->new->decode($text)';
    my @command = ($^X, (map {"-I$_"} grep { !ref } @INC), '-e', $code);
    is(do { open my $from, '-|', @command or die "$^X: $!\n"; readline $from }, '1HASH', 'as_json: code in @INC is asked');
}

# What no kernel tells, and the caller may say.
SKIP: {
    my $file = "$files/gives";
    system('cp', '/bin/true', $file) == 0 or die "cp: $?\n";
    skip 'root with setfcap, and another user', 7 if $> || !in_child { POSIX::setuid(65534) ? 1 : 0 } || !eval { require Linux::Prctl::FileCaps; Linux::Prctl::FileCaps->from_text('cap_kill=ep')->set($file); 1 };
    my $after = sub {
        my (%given) = @_;
        return join ' ', in_child {
            POSIX::setuid(65534);
            my $then = $CLASS->current->after_exec($file, %given);
            (@{ $then->caps->{permitted} }, map {"($_)"} @{ $then->assumed });
        };
    };
    is($after->(), 'kill (shared_fs)', 'after_exec: a file with a capability');
    is($after->(shared_fs => 0), 'kill', 'after_exec: who shares its directory with nobody');
    is($after->(shared_fs => 1), '',     'after_exec: who shares it gains nothing');
    is($after->(tracer => 1), 'kill (shared_fs)', 'after_exec: a tracer that may do more');
    is($after->(tracer => 0), '(shared_fs)',      'after_exec: one that may not');
    # Not for all to read.
    chmod 0711, $file or die "$file: $!\n";
    my @said = in_child {
        capbset_drop('kill') == 0 or return ('dropped: no', '');
        POSIX::setuid(65534);
        map { my $what = $_; dies_of(sub { $CLASS->current->after_exec($file, %$what) }) } {}, { shared_fs => 1 };
    };
    skip 'root with setpcap', 2 if $said[0] eq 'dropped: no';
    like($said[0], qr/effective that the bounding set cuts off, if it is a program: it cannot be read\)\z/, 'after_exec: a file that is not read');
    is($said[1], $said[0], 'after_exec: whoever shares what');
}

done_testing;
