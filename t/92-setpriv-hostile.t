use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Config;
use Errno qw(EPERM);
use File::Temp;
use Linux::Prctl qw(setpriv);
use POSIX ();
use Seccomp qw(filter instructions install_program no_filter no_listener);
use SetprivTest qw(truth told_apart);
use Shapes qw(is_root);
use SystemCalls qw(sys);
use TestChild qw(company in_child how_ended);

plan skip_all => company() if company();

# setpriv() where signals, filters, a false /proc and the options' own code are against it.

my @plan = (reuid => 1001, regid => 1001, clear_groups => 1, ambient_caps => ['kill']);
my $needs_root     = is_root() ? '' : 'needs root with setuid, setgid and setpcap';
my $needs_filter   = $needs_root || no_filter();
my $needs_listener = $needs_root || no_listener();

# ---- a signal handler that dies ----

SKIP: {
    skip "signals: $needs_listener", 4 if $needs_listener;

    # While the kernel has a step in hand, the signal is sent; then the step is refused.
    for my $signals ('', 'unsafe') {
        local $ENV{PERL_SIGNALS} = $signals || 'safe';
        my $script = File::Temp->new;
        print {$script} <<'END';
use lib 't/lib';
use Linux::Prctl qw(setpriv);
use Seccomp qw(supervised);
my ($calls, @said) = supervised(['setresuid'],
    sub { my ($call) = @_; kill ALRM => $call->{pid} if !$sent++; return { errno => 1 } },
    sub {
        local $SIG{ALRM} = sub { die "the handler died\n" };
        my $fds = sub { opendir my $dir, '/proc/self/fd' or die; my @fd = readdir $dir; scalar @fd };
        my $before = $fds->();
        my @got;

        # In one statement: perl runs handlers between two.
        eval { @got = (scalar(eval { setpriv(reuid => 1001, regid => 1001, clear_groups => 1) }), "$@"); 1 };
        my $handler = $@;
        return ($got[1], "then: $handler", $fds->() - $before);
    });
print join "\n", map { s/\n/ /gr } @said;
END
        close $script or die "$script: $!\n";
        my @said = split /\n/, `$^X @{[ map { "-I$_" } grep { !ref } @INC ]} $script 2>&1`;
      SKIP: {
            skip 'perl before 5.18 runs the handler before anybody can look at $@', 1 if $] < 5.018;
            like($said[0], qr/\Asetpriv: step 8, setresuid.*must not go on/,
                'a dying handler does not hide a failure') if !$signals;
        }
        is($said[2], 0, "... and no descriptor is left open ($ENV{PERL_SIGNALS} signals)") or diag(explain(\@said));
        like($said[1], qr/then: the handler died/, '... it runs afterwards') if !$signals;
    }
}

# ---- filters that lie ----

SKIP: {
    skip "filters: $needs_filter", 3 if $needs_filter;
    my ($error, $bounding) = in_child {
        filter([ prctl => 0, 24 ], [ prctl => 0, 23 ], [ 257 => EPERM ], [ 2 => EPERM ]);
        eval { setpriv(bounding_set => [], no_new_privs => 1) };
        my $error = $@;
        $error;
    };
    like($error, qr/a seccomp filter may answer for the kernel, and \/proc\/thread-self\/status cannot be read beside it/,
        'a filter that fakes the bounding set and forbids open(2) and openat(2): it does not begin');
    for my $call (qw(setresuid setresgid setgroups capset)) {
        my $error = in_child {
            SetprivTest::raw_groups(20, 24) or die "setgroups: $!\n";
            filter([ $call => 0 ]);
            eval { setpriv(@plan); 1 } ? '' : $@;
        };
        like($error, qr/\Asetpriv: step \d+, .*; this process must not go on/s, "$call only pretends: it is noticed");
    }
}

# A system call that is trapped while the signals are blocked is the end of the process.
SKIP: {
    skip "trapped calls: $needs_filter", 4 if $needs_filter;
    for my $call (qw(setresuid setresgid setgroups capset)) {
        my $ended = how_ended {
            SetprivTest::raw_groups(20, 24) or die "setgroups: $!\n";
            local $SIG{SYS} = sub { };
            install_program(instructions([ 0x20, 0, 0, 0 ], [ 0x15, 0, 1, sys($call) ],
                [ 0x06, 0, 0, 0x00030000 ], [ 0x06, 0, 0, 0x7fff0000 ]));
            setpriv(@plan);
        };
        is($ended & 127, POSIX::SIGSYS(), "$call is trapped: the process ends") if POSIX->can('SIGSYS');
        isnt($ended, 0, '... and does not go on');
    }
}

# ---- gid 0 in another slot ----

SKIP: {
    skip "gid 0: $needs_root", 3 if $needs_root;
    for my $half (qw(rgid egid)) {
        my ($error, $changed) = in_child {
            my $before = truth();
            eval { setpriv(reuid => 33, $half => 33, clear_groups => 1) };
            ($@, told_apart(truth(), $before));
        };
        like($error, qr/a uid needs a gid beside it: regid, or rgid and egid/, "$half alone leaves gid 0 in other slots");
        is($changed, '', '... nothing was changed');
    }
    my $truth = in_child { setpriv(reuid => 33, rgid => 33, egid => 34, clear_groups => 1); truth() };
    is("@{ $truth->{gid} }", '33 34 34 34', 'rgid and egid together name it');
    SKIP: {
        skip "what is left: $needs_filter", 1 if $needs_filter;
        my $error = in_child {
            POSIX::setgid(0);
            SetprivTest::raw_groups(0, 20, 24) or die "setgroups: $!\n";
            filter([ setgroups => EPERM ], [ setresgid => EPERM ]);
            eval { setpriv(reuid => 1001, regid => 1001, clear_groups => 1) };
            $@;
        };
        like($error, qr/it has no capabilities any more, and is still gid 0, and is still in the groups 0, 20 and 24 at/,
            'a failure tells of gid 0 and of groups');
    }
}

# ---- a /proc that is none ----

SKIP: {
    skip "a false /proc: $needs_root", 2 if $needs_root;
    my $jail = File::Temp->newdir;
    chmod 0755, $jail;
    mkdir "$jail/$_" for qw(proc proc/thread-self proc/self);
    POSIX::mkfifo("$jail/proc/thread-self/status", 0644) or die "mkfifo: $!\n";
    my $ended = how_ended {
        chroot $jail or die "chroot: $!\n";
        chdir '/' or die "chdir: $!\n";
        alarm 20;    # nobody writes to the fifo
        setpriv(reuid => 1001, regid => 1001, clear_groups => 1);
    };
    is($ended, 0, 'a fifo in the place of the status file does not keep it waiting');
    unlink "$jail/proc/thread-self/status";
    for my $file (qw(thread-self/status self/status self/uid_map self/gid_map self/setgroups)) {
        open my $out, '>', "$jail/proc/$file" or die "$file: $!\n";
        print {$out} "Threads: 7\nUid: 5 5 5 5\ndeny\n0 0 1\n";
        close $out or die "$file: $!\n";
    }
    $ended = how_ended {
        chroot $jail or die "chroot: $!\n";
        chdir '/' or die "chdir: $!\n";
        setpriv(reuid => 1001, regid => 1001, groups => [ 20, 30 ]);
    };
    is($ended, 0, 'ordinary files under /proc are not believed');
}

# ---- what the program has set for its own output ----

{
    my $expected = in_child { setpriv(no_new_privs => 1, inh_caps => '-all', dry_run => 1) };
    my $plan = in_child {
        local ($", $,, $\, $;, $/) = ('x', 'y', 'z', 'u', 'v');
        setpriv(no_new_privs => 1, inh_caps => '-all', dry_run => 1);
    };
    is_deeply($plan, $expected, 'a plan does not depend on $" and the like');
}

# ---- options with code behind them ----

{
    package Counted;
    use overload '""' => sub { $_[0]{count}++; $_[0]{text} };
    sub new { my ($class, $text) = @_; return bless { text => $text, count => 0 }, $class }
}
{
    my $id  = $< + 0;
    my %value = (reuid => "+$id", regid => '+' . ($( + 0), inh_caps => '-all', ambient_caps => '-all',
        bounding_set => '+chown,-chown', securebits => '-noroot', pdeathsig => 'TERM', ptracer => 'any',
        on_failure => 'die', caps => ['chown']);
    my %counted = map { $_ => Counted->new($value{$_}) } grep { !ref $value{$_} } keys %value;
    my $count = in_child {
        eval { setpriv(%counted, keep_groups => 1, dry_run => 1) };
        +{ map { $_ => $counted{$_}{count} } keys %counted };
    };
    is_deeply($count, { map { $_ => 1 } keys %counted }, 'each value with code behind it is asked once');
}

# ---- signals by all their names ----

my $rtmin = POSIX::SIGRTMIN();    # the C library keeps some
for my $case ([ 'RTMIN', $rtmin ], [ 'SIGRTMIN+1', $rtmin + 1 ], [ 'RTMAX-1', 63 ], [ 'sigkill', 9 ]) {
    my ($name, $number) = @$case;
    is(in_child { eval { setpriv(pdeathsig => $name); Linux::Prctl::get_pdeathsig() } // $@ }, $number, "pdeathsig => '$name'");
}

# ---- from any package ----

{
    my $error = in_child {
        package Linux::Prctl::Anything;
        local $SIG{__WARN__} = sub { die "warned: @_" };
        eval { Linux::Prctl::setpriv(reuid => undef) };
        $@;
    };
    like($error, qr/\Asetpriv: .* at \S+92-setpriv-hostile\.t line \d+\.$/, 'the line is the caller\'s, whatever its package is called');
}

# ---- the module of that name ----

is(eval "package UsesVersion; use Linux::Prctl::Setpriv 2 'setpriv'; defined &setpriv", 1, 'Linux::Prctl::Setpriv has a version and exports setpriv') or diag($@);

done_testing;
