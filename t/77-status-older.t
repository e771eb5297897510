use 5.014;
use warnings;
use open IN => ':bytes', OUT => ':bytes';    # whatever PERL_UNICODE says

use Errno qw(EACCES EIO);
use Linux::Prctl qw(:all);
use Linux::Prctl::Status;
use POSIX ();
use Test::More;

use lib 't/lib';
use Seccomp qw(filter no_listener peek supervised);
use TestChild qw(in_child proc_status);

# A status file as older kernels have it, without the lines that came later; and what cannot be
# asked beside it. A listener hands it out, by the numbers of x86_64.

my $CLASS = 'Linux::Prctl::Status';
my ($READ, $OPENAT, $OPEN, $READLINK, $READLINKAT) = (0, 257, 2, 89, 267);
my $BLOCK = 65_536;    # at once; perl itself reads less

plan skip_all => no_listener() if length no_listener();

sub slurp {
    my ($file) = @_;
    local $/;
    open my $in, '<', $file or return '';
    return scalar(<$in>) // '';
}

# Runs the code where each status file lacks these lines.
sub without {
    my ($lines, $code) = @_;
    my $lacking = join '|', @$lines;
    my (undef, @said) = supervised([$READ], sub {
        my ($call) = @_;
        my ($fd, $address, $size) = @{ $call->{args} };
        return if $size != $BLOCK;
        my $path = readlink "/proc/$call->{pid}/fd/$fd";
        return if ($path // '') !~ m{\A/proc/\d.*/status\z};
        my $text = slurp($path) =~ s/^(?:$lacking):.*\n//gmr;
        return if $text eq '';    # the process has ended: let the kernel say so
        return { value => length $text, write => { $address => $text } };
    }, $code);
    return @said;
}

# Runs the code where what is asked of these paths is refused.
sub refused {
    my ($what, $code) = @_;
    my (undef, @said) = supervised([ $OPENAT, $OPEN, $READLINK, $READLINKAT ], sub {
        my ($call) = @_;
        my $at = $call->{syscall} eq $OPENAT || $call->{syscall} eq $READLINKAT ? 1 : 0;
        my ($path) = split /\0/, peek($call, $call->{args}[$at], 24);
        return ($path // '') =~ $what ? { errno => EACCES } : undef;
    }, $code);
    return @said;
}

# ---- the threads of the kernel, before Linux 6.8 ----

# The ninth number behind the name, by proc_pid_stat(5).
sub is_of_the_kernel {
    my ($pid) = @_;
    my ($flags) = slurp("/proc/$pid/stat") =~ /.*\) \S(?: -?\d+){5} (\d+)/s or return 0;
    return $flags & 0x200000 ? 1 : 0;
}

my @of_the_kernel = grep { is_of_the_kernel($_) } map { m{(\d+)\z} } glob '/proc/[0-9]*';
my @own_caps      = cap_permitted->names;
my $is_privileged = @own_caps || cap_inheritable->names || $< == 0 || $> == 0 ? 1 : 0;

for my $lines ([], ['Kthread'], [ 'Kthread', 'NSpid' ]) {
    my $title = @$lines ? 'without ' . join ' and ', @$lines : 'as it is';
    my ($self, $privileged, @all) = without($lines, sub {
        my @privileged = $CLASS->all(privileged => 1, facts => ['pid']);
        ($$, join(' ', map { $_->{pid} } @privileged), $CLASS->all(facts => [qw(pid privileged)]));
    });
    my %privileged = map { $_ => 1 } split ' ', $privileged;
    is($privileged{$self} // 0, $is_privileged, "$title: privileged: this process, if it is");
    my %said = map { $_->{pid} => $_->{privileged} } @all;
    is($said{$self}, $is_privileged, "$title: and in the list");
    SKIP: {
        skip 'no threads of the kernel are seen here', 2 if !@of_the_kernel;
        is_deeply([ grep { $privileged{$_} } @of_the_kernel ], [], "$title: no threads of the kernel");
        is_deeply([ grep { $said{$_} } @of_the_kernel ], [], "$title: nor does the list say that they are");
    }
}
# Nobody can tell what it is: then it may well be one that has everything.
SKIP: {
    my ($thread) = grep { $_ == 2 } @of_the_kernel;
    skip 'no threads of the kernel are seen here', 1 if !$thread;
    my (undef, @all) = supervised([ $READ, $OPENAT, $OPEN ], sub {
        my ($call) = @_;
        my ($fd, $address, $size) = @{ $call->{args} };
        if ($call->{syscall} ne $READ) {
            my ($path) = split /\0/, peek($call, $call->{args}[ $call->{syscall} eq $OPENAT ? 1 : 0 ], 16);
            return ($path // '') =~ m{\A/proc/2/stat\z} ? { errno => EACCES } : undef;
        }
        my $path = $size == $BLOCK ? readlink "/proc/$call->{pid}/fd/$fd" : '';
        return if ($path // '') ne '/proc/2/status';
        my $text = slurp($path) =~ s/^Kthread:.*\n//gmr;
        return { value => length $text, write => { $address => $text } };
    }, sub { map { $_->{privileged} } grep { $_->{pid} == 2 } $CLASS->all(facts => [qw(pid privileged)]) });
    is("@all", 1, 'without Kthread, and flags that cannot be read: privileged');
}

# ---- lines that came later ----

my %since = (
    CapAmb => 'Linux 4.3', NoNewPrivs => 'Linux 4.10', Seccomp => 'Linux 3.8', Seccomp_filters => 'Linux 5.9',
);
my %truth = proc_status();
for my $lines (map({ [$_] } sort keys %since), [ sort keys %since ]) {
    my $title = 'without ' . join ', ', @$lines;
    my ($hash, $summary, $caps, $asked, $after, $assumed) = without($lines, sub {
        my $status = $CLASS->current;
        my $after  = $status->after_exec('/bin/sh');
        my @asked  = map { defined $status->$_ ? 1 : 0 } qw(no_new_privs seccomp seccomp_filters);
        return ($status->as_hash, $status->summary, [ sort keys %{ $status->caps } ], \@asked,
            $after->caps, [ grep { /no_new_privs/ } @{ $after->assumed } ]);
    });
    my %lacks = map { $_ => 1 } @$lines;
    is_deeply($caps, [ sort grep { $_ ne 'ambient' || !$lacks{CapAmb} } qw(ambient bounding effective inheritable permitted) ],
        "$title: the sets");
    is_deeply($asked, [ map { $lacks{$_} ? 0 : 1 } qw(NoNewPrivs Seccomp Seccomp_filters) ], "$title: what is told");
    is_deeply([ grep { exists $hash->{$_} } qw(no_new_privs seccomp seccomp_filters) ],
        [ map { $lacks{ $_->[1] } ? () : $_->[0] } [qw(no_new_privs NoNewPrivs)], [qw(seccomp Seccomp)],
            [qw(seccomp_filters Seccomp_filters)] ], "$title: in as_hash too");
    my $all = caps_text(@own_caps);
    like($summary, qr/\A\Q$all\E(?!\w)/, "$title: the summary");
    # The listener itself is a filter.
    is($summary =~ /seccomp filter/ ? 1 : 0, $lacks{Seccomp} ? 0 : 1, "$title: ... and of seccomp what is told");
    is_deeply($assumed, $lacks{NoNewPrivs} ? ['no_new_privs'] : [], "$title: after_exec: what is assumed");
    my $kept = $after->{permitted};
    is_deeply($kept, in_child { $CLASS->current->after_exec('/bin/sh')->caps->{permitted} }, "$title: after_exec: the same")
        if !grep { $_ } hex $truth{CapAmb} // 0;
}

# ---- whose user namespace it is ----

# The parent's is the same one as ours: its number, and whether it is ours, as far as that is told.
my $number = (readlink('/proc/self/ns/user') // '') =~ /(\d+)/ ? $1 : undef;
my $ask    = sub {
    my $parent = $CLASS->of(getppid);
    my ($listed) = grep { $_->{pid} == $parent->pid } $CLASS->all(facts => [qw(pid user_ns summary)]);
    my $assumed = $parent->after_exec('/bin/sh')->assumed;
    return ($parent->user_ns, $listed->{user_ns}, $listed->{summary}, scalar grep { $_ eq 'user_ns' } @$assumed);
};
SKIP: {
    skip "this process cannot ask for its parent's user namespace", 1
        if !defined $number || !in_child { defined readlink '/proc/' . getppid . '/ns/user' };
    for my $case (
        [ 'its own is told', qr{\A/nothing}, { id => $number, ours => 1 }, 0 ],
        [ 'its own is not told', qr{\A/proc/thread-self/ns}, { id => $number }, 1 ],
        [ 'nobody\'s is told',   qr{\A/proc/[^/]+/(?:task/\d+/)?ns}, undef, 1 ],
        [ 'nor the ids in it', qr{\A/proc/[^/]+/(?:task/\d+/)?(?:ns|uid_map)}, undef, undef ],
        [ 'nor ours',          qr{\A/proc/(?:\d+/(?:task/\d+/)?ns|thread-self/(?:ns|uid_map))}, undef, undef ],
    ) {
        my ($what, $path, $expected, $assumed) = @$case;
        if (!defined $assumed) {    # what an exec would be cannot be told at all
            my ($said, $listed, $summary) = refused($path, sub {
                my $parent = $CLASS->of(getppid);
                my ($listed) = grep { $_->{pid} == $parent->pid } $CLASS->all(facts => [qw(pid user_ns summary)]);
                return ($parent->user_ns, $listed->{user_ns}, $listed->{summary});
            });
            is_deeply([ $said, $listed ], [ $expected, $expected ], "user_ns: $what");
            unlike($summary, qr/another user namespace/, '... the summary says nothing of it');
            next;
        }
        my ($said, $listed, $summary, $is_assumed) = refused($path, $ask);
        is_deeply([ $said, $listed ], [ $expected, $expected ], "user_ns: $what");
        unlike($summary, qr/another user namespace/, '... the summary says nothing of it');
        is($is_assumed, $assumed, '... after_exec: whether that is assumed');
    }
}

# ---- strict seccomp ----

SKIP: {
    pipe my $ready, my $say  or die "pipe: $!\n";
    pipe my $wait,  my $hold or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        my ($in, $out, $byte) = (fileno $wait, fileno $say, '');
        close $hold;
        POSIX::_exit(1) if set_seccomp(SECCOMP_MODE_STRICT) != 0;
        syswrite $say, 'x';
        sysread $wait, $byte, 1;    # and all that comes then is its end
        POSIX::_exit(0);
    }
    close $_ for $say, $wait;
    my $there = sysread $ready, my $byte, 1;
    my $status = $there ? $CLASS->of($pid) : undef;
    my ($listed) = $there ? grep { $_->{pid} == $pid } $CLASS->all(facts => [qw(pid seccomp summary)]) : ();
    close $hold;
    waitpid $pid, 0;
    skip 'no strict seccomp can be had', 3 if !$there;
    is($status->seccomp, 'strict', 'strict seccomp');
    like($status->summary, qr/; strict seccomp\z/, '... in the summary');
    like($listed->{summary}, qr/; strict seccomp\z/, '... and in the list');
}

# ---- one that cannot be read ----

is(in_child {
        filter([ $READ => EIO, undef, undef, $BLOCK ]);
        join ' ', map { scalar @$_ } [ $CLASS->all(facts => ['pid']) ], [ $CLASS->all(facts => ['pid'], privileged => 1) ];
    }, '0 0', 'all that cannot be read are left out, where nobody asked to be told');

done_testing;
