use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Errno qw(EINTR EMFILE EPERM);
use Linux::Prctl qw(setpriv);
use Seccomp qw(no_listener supervised);
use SetprivTest qw(truth in_truth told_apart held is_root);
use TestChild qw(company proc_status);

# One system call fails on the way, at each place there is one: alone, or with all that follow.
# Then setpriv lives, and the process is what was planned; or it dies and has changed nothing;
# or it dies, and what it tells of what is left is true.

plan skip_all => company() if company();
plan skip_all => no_listener() if length no_listener();
plan skip_all => 'root with everything: needs root with setuid, setgid and setpcap' if !is_root();

my @plan = (
    reuid => 1001, regid => 1001, groups => [1002], ambient_caps => ['net_bind_service'],
    bounding_set => ['net_bind_service'], securebits => ['noroot'], no_new_privs => 1, pdeathsig => 'TERM',
);

# What prctl is asked for each capability is answered by the kernel: it would be most of all calls.
my %number = (
    read => 0, lseek => 8, rt_sigprocmask => 14, prctl => 157, getresuid => 118, getresgid => 120, getgroups => 115,
    setgroups => 116, setresuid => 117, setresgid => 119, setfsuid => 122, setfsgid => 123, capget => 125, capset => 126,
    fstatfs => 138, openat => 257,
);
my %name   = reverse %number;
my %FOR_EACH = map { $_ => 1 } 23, 24;    # PR_CAPBSET_READ, PR_CAPBSET_DROP
my ($SCHED_YIELD, $AMBIENT) = (24, 47);

# The calls in their order, what setpriv said, and what the process is afterwards, as seen from
# outside. $answer is for the call of that number, and those that follow if all are to fail.
sub run {
    my ($at, $all, $answer) = @_;
    my ($marks, @calls, %truth) = (0);
    my (undef, @said) = supervised([ $SCHED_YIELD, values %number ], sub {
        my ($call) = @_;
        if ($call->{syscall} eq $SCHED_YIELD) {
            %truth = %{ truth(proc_status("/proc/$call->{pid}/status")) } if $marks++;
            return;
        }
        my $name = $name{ $call->{syscall} } // $call->{syscall};
        return if $marks != 1;
        return if $name eq 'prctl' && ($FOR_EACH{ $call->{args}[0] } || ($call->{args}[0] == $AMBIENT && $call->{args}[1] == 1));
        push @calls, $name eq 'prctl' ? "prctl $call->{args}[0]" : $name;
        return if !defined $at || @calls < $at || (@calls > $at && !$all);
        return $answer;
    }, sub {
        syscall $SCHED_YIELD;
        my $lived = eval { setpriv(@plan) } ? 1 : 0;
        my $error = $lived ? '' : "$@";
        syscall $SCHED_YIELD;
        return ($lived, $error);
    });
    return { calls => \@calls, lived => $said[0], died => $said[1], truth => \%truth };
}

sub has_0 { my ($ids) = @_; return scalar grep { $_ == 0 } @$ids }

sub gives_back {
    my ($truth) = @_;
    return has_0($truth->{uid}) && !$truth->{no_new_privs} && $truth->{bounding} =~ /[^0]/;
}

# What is wrong with what is said of what is left: nothing may be, and where $all is said, it
# is all that is left.
sub wrong {
    my ($said, $truth, $all) = @_;
    my @wrong;
    my $held = held($truth);
    my ($caps) = $said =~ /it still has (.*?)(?:, and is still .*|\z)/s;
    push @wrong, "it has $held" if $said =~ /no capabilities any more/ ? $held ne '' : defined $caps && $caps ne $held;
    push @wrong, 'somebody tells its capabilities' if $all && $said =~ /nobody tells/;
    for my $row ([ uid => 'uid 0', has_0($truth->{uid}) ], [ gid => 'gid 0', has_0($truth->{gid}) ],
        [ groups => "in the groups? .*", scalar @{ $truth->{groups} } ])
    {
        my ($what, $words, $is) = @$row;
        my $told = $said =~ /is still $words/;
        push @wrong, "$what: @{ $truth->{$what} }" if $told ? !$is : $all && $is;
    }
    push @wrong, 'an exec gives them back' if $all && gives_back($truth) && $said !~ /whose next exec/;
    return "@wrong";
}

my $before   = truth(proc_status());
my $expected = in_truth(setpriv(@plan, dry_run => 1)->{expected});
my $plain    = run();
is($plain->{died}, '', 'it goes through');
is(told_apart($plain->{truth}, $expected), '', '... to what was planned');
note("@{ $plain->{calls} }");
my $count = @{ $plain->{calls} };

my %seen;
for my $row (
    [ 'EPERM, once',               0, { errno => EPERM } ],
    [ 'EPERM, from then on',       1, { errno => EPERM } ],
    [ 'pretended, once',           0, { value => 0 } ],
    [ 'pretended, from then on',   1, { value => 0 } ],
    [ 'interrupted, once',         0, { errno => EINTR }, qr/\A(?:read|openat|fstatfs|lseek)\z/ ],
    [ 'no descriptor left, once',  0, { errno => EMFILE }, qr/\Aopenat\z/ ],
) {
    my ($how, $all, $answer, $which) = @$row;
    my @wrong;
    for my $at (1 .. $count) {
        my $call = $plain->{calls}[ $at - 1 ];
        next if $which && $call !~ $which;
        my $is = run($at, $all, $answer);
        my $problem;
        if ($is->{lived}) {
            $seen{lived}++;
            $problem = told_apart($is->{truth}, $expected);
        }
        elsif ($is->{died} =~ /this process must not go on: (.*) at \S+ line \d+\.\n\z/s) {
            my $left = $1;
            $seen{ended}++;
            $problem = wrong($left, $is->{truth}, !$all);
            # After one failure all else works: nothing is left, and comes back with no exec. Who
            # has no setuid any more when setresuid is found to have failed stays uid 0.
            $problem ||= 'it holds ' . held($is->{truth}) if !$all && held($is->{truth}) ne '';
            $problem ||= 'an exec gives it back' if !$all && gives_back($is->{truth});
        }
        else {
            $seen{refused}++;
            $problem = told_apart($is->{truth}, $before);
        }
        push @wrong, "$at, $call: $problem: $is->{died}" if length $problem;
    }
    is("@wrong", '', "each call: $how");
}
is(join(' ', sort keys %seen), 'ended lived refused', 'some lived, some were refused, some were to end: '
    . join ', ', map { "$seen{$_} $_" } sort keys %seen);

done_testing;
