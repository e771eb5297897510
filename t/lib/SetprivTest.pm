package SetprivTest;

# What the tests of setpriv share: the truth about a process, ways to make one that
# is in an awkward state, and random states and plans.
use 5.014;
use warnings;

use Exporter qw(import);
use Linux::Prctl;
use Masks qw(bit);
use POSIX ();
use Shapes qw(is_root shape_names user_namespace);
use SystemCalls qw(sys raw_prctl raw_capset);
use TestChild qw(proc_status);

our @EXPORT_OK = qw(
    truth in_truth told_apart held state_text raw_ids raw_groups raw_caps is_root random_trial @SHAPES
);

# ---- the truth ----

my %LINE = (
    effective   => 'CapEff',
    permitted   => 'CapPrm',
    inheritable => 'CapInh',
    bounding    => 'CapBnd',
    ambient     => 'CapAmb',
);

# From a status file, or the lines of one; and where no file tells, from prctl.
sub truth {
    my (%status) = @_ ? @_ : proc_status();
    my %truth = (
        uid          => [ split ' ', $status{Uid} ],
        gid          => [ split ' ', $status{Gid} ],
        groups       => [ sort { $a <=> $b } split ' ', $status{Groups} ],
        no_new_privs => $status{NoNewPrivs},
        map { $_ => $status{ $LINE{$_} } } keys %LINE,
    );
    return \%truth if @_;
    $truth{securebits} = sprintf '%016x', Linux::Prctl::get_securebits();
    $truth{pdeathsig}  = Linux::Prctl::get_pdeathsig();
    return \%truth;
}

my @SLOTS = qw(real effective saved fs);

# The numbers of some capabilities or securebits as a mask of 64 bits, in hex.
sub _hex {
    my $bits = "\0" x 8;
    vec($bits, $_, 1) = 1 for @_;
    return unpack 'H16', reverse $bits;
}

sub _securebits {
    my @names = keys %Linux::Prctl::securebits;
    my %number = map { $names[$_] => $_ } 0 .. $#names;
    return map { $number{$_} // $_ } @_;
}

sub _numbers { return map { Linux::Prctl::cap_number($_) } @_ }

# What setpriv() says of a process, with dry_run, in the same words.
sub in_truth {
    my ($creds) = @_;
    return {
        (map { $_ => [ @{ $creds->{$_} }{@SLOTS} ] } qw(uid gid)),
        (map { $_ => _hex(_numbers(@{ $creds->{caps}{$_} })) } keys %{ $creds->{caps} }),
        securebits => _hex(_securebits(@{ $creds->{securebits} })),
        map { $_ => $creds->{$_} } qw(groups no_new_privs pdeathsig),
    };
}

sub _text {
    my ($value) = @_;
    return !defined $value ? 'undef' : ref $value ? "[@$value]" : $value;
}

sub state_text {
    my ($state) = @_;
    return join ' ', map { "$_=" . _text($state->{$_}) } sort keys %$state;
}

# The fields of the first that the second has too, and otherwise; as text.
sub told_apart {
    my ($got, $expected) = @_;
    return join ', ', map { "$_: " . _text($got->{$_}) . ' not ' . _text($expected->{$_}) }
        grep { _text($got->{$_}) ne _text($expected->{$_}) }
        grep { exists $expected->{$_} } sort keys %$got;
}

# ---- what Perl has no function for; the kernel may refuse, and says so ----

sub raw_ids {
    my ($kind, @ids) = @_;
    return eval { sys("setres$kind", map { $_ + 0 } @ids); 1 };
}

sub raw_groups {
    my (@groups) = @_;
    my $packed = pack 'L*', @groups;
    return eval { sys(setgroups => scalar @groups, $packed); 1 };
}

# Effective, permitted, inheritable: as lists of numbers.
sub raw_caps {
    my (@sets) = @_;
    return eval { raw_capset(map { bit(@$_) } @sets); 1 };
}

sub _caps {
    my ($hex) = @_;
    my $bits = reverse unpack 'B64', pack 'H16', $hex;
    return grep { substr $bits, $_, 1 } 0 .. 63;
}

# The names of all that is in any set but bounding, as messages have them.
sub held {
    my ($truth) = @_;
    my %held  = map { $_ => 1 } map { _caps($truth->{$_}) } qw(effective permitted inheritable ambient);
    my @names = @{ _names(sort { $a <=> $b } keys %held) };
    @names = (@names[ 0 .. 5 ], @names - 6 . ' more') if @names > 7;
    my $last = pop @names;
    return @names ? join(', ', @names) . " and $last" : $last // '';
}

# ---- random states ----

our @SHAPES = grep { $_ ne 'filtered_prctl' } shape_names();

my @USERS = (0, 1001, 1002);
my @SOME  = (0, 5, 6, 7, 8, 10, 12, 13, 21);      # capabilities that matter here

sub _one  { return $_[ rand @_ ] }
sub _odds { return rand() < $_[0] }

# Some of these, each with the same odds.
sub _some {
    my ($odds, @from) = @_;
    return grep { _odds($odds) } @from;
}

sub _keep_in_bounding {
    my %keep = map { $_ => 1 } @_;
    Linux::Prctl::capbset_drop($_) for grep { !$keep{$_} } 0 .. Linux::Prctl::last_cap();
    return;
}

# Becomes a user and keeps its permitted capabilities.
sub _become {
    my ($permitted, @uid) = @_;
    raw_groups(_some(0.5, 20, 24, 1001));
    raw_ids('gid', map { _one(@USERS) } 1 .. 3);
    Linux::Prctl::set_keepcaps(1);
    raw_ids('uid', @uid);
    Linux::Prctl::set_keepcaps(0) if _odds(0.8);
    raw_caps($permitted, $permitted, []);
    return;
}

my %MAKE = (
    root_with_everything => sub { },
    container_root => sub {
        my @fourteen = (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31);
        _keep_in_bounding(@fourteen);
        raw_caps(\@fourteen, \@fourteen, []);
    },
    restricted_root => sub {
        _keep_in_bounding(my @left = (0, 7, _some(0.5, 1 .. 5, 10, 12 .. 30)));
        raw_caps(\@left, \@left, []);
    },
    root_without_setpcap => sub {
        my @left = grep { $_ != 8 } 0 .. 40;
        @left = grep { my $cap = $_; grep { $_ == $cap } _caps(truth()->{permitted}) } @left;
        raw_caps(\@left, \@left, [ _some(0.3, @left) ]);
    },
    locked_securebits => sub {
        my $bits = 0;
        for my $setting (0, 2, 4, 6) {
            $bits |= 2 << $setting if _odds(0.4);
            $bits |= 1 << $setting if $setting != 4 && _odds(0.3);
        }
        Linux::Prctl::set_securebits($bits);
    },
    ambient_user => sub {
        _become([10], (_one(1001, 1002)) x 3);
        raw_caps([10], [10], [10]);
        Linux::Prctl::cap_ambient_raise(10);
    },
    user_with_setgid_and_setpcap => sub {
        _become([ 6, 8, _some(0.3, @SOME) ], map { _one(1001, 1002) } 1 .. 3);
    },
    user_with_saved_uid_0 => sub {
        my @uid = _odds(0.5) ? (0, 1001, 1001) : _odds(0.5) ? (1001, 1001, 0) : (1001, 0, 1002);
        _become([ _some(0.7, @SOME) ], @uid);
    },
    user_namespace => sub { user_namespace() },
    plain_user     => sub { _become([], (1001) x 3) },
    no_new_privs   => sub { Linux::Prctl::set_no_new_privs(1) },
);

# What can be added to any shape.
my @TWISTS = (
    sub { Linux::Prctl::set_pdeathsig(_one(10, 12)) },
    sub { Linux::Prctl::set_keepcaps(1) },
    sub { Linux::Prctl::set_securebits(Linux::Prctl::get_securebits() | 1 << _one(0, 2, 6)) },
    sub { Linux::Prctl::set_securebits(Linux::Prctl::get_securebits() | 2 << _one(0, 2, 4, 6)) },
    sub { Linux::Prctl::capbset_drop($_) for _some(0.3, 0 .. Linux::Prctl::last_cap()) },
    sub {
        my @caps = _some(0.5, _caps(truth()->{permitted}));
        my @old  = _caps(truth()->{effective});
        raw_caps(\@old, [ _caps(truth()->{permitted}) ], \@caps);
        Linux::Prctl::cap_ambient_raise($_) for _some(0.7, @caps);
    },
    sub {
        my $now  = truth();
        my @left = _some(0.8, _caps($now->{permitted}));
        raw_caps([ _some(0.6, @left) ], \@left, [ _caps($now->{inheritable}) ]);
    },
    sub { raw_ids('uid', map { _one(@USERS) } 1 .. 3) },
    sub { raw_ids('gid', map { _one(@USERS) } 1 .. 3) },
    sub { raw_groups(_some(0.5, 20, 24, 1001, 1002)) },
);

sub _random_start {
    my ($shape) = @_;
    $MAKE{$shape}->();
    $_->() for map { _one(@TWISTS) } 1 .. int rand 4;
    return;
}

# ---- random plans ----

sub _names { return [ map { Linux::Prctl::cap_name($_) } @_ ] }

sub _random_set {
    my ($now, $set) = @_;
    my @base = _odds(0.8) ? _caps($now->{$set}) : 0 .. Linux::Prctl::last_cap();
    return _names(_some(_one(0.1, 0.3, 0.9), @base)) if _odds(0.5);
    return _one('+all', '-all', '-all,+net_bind_service', '+net_raw', '-setpcap,-chown')
        if _odds(0.4);
    return _names(_one(@base) // ());
}

sub _random_ids {
    my ($kind) = @_;
    return ("re$kind" => _one(@USERS)) if _odds(0.75);
    my @halves = _some(0.7, 'r', 'e');
    return map { ($_ . $kind => _one(@USERS)) } @halves;
}

sub _random_plan {
    my ($now) = @_;
    my %plan;
    %plan = _random_ids('uid') if _odds(0.7);
    %plan = (%plan, _random_ids('gid')) if %plan ? _odds(0.97) : _odds(0.2);
    if (%plan ? _odds(0.97) : _odds(0.2)) {
        my $decision = _one(qw(clear_groups keep_groups groups));
        $plan{$decision} = $decision eq 'groups' ? [ _some(0.4, 20, 24, 1001) ] : 1;
    }
    my $permitted = [ _caps($now->{permitted}) ];
    $plan{caps} = _names(_some(_one(0.1, 0.5, 1), @$permitted)) if _odds(0.3);
    if (_odds(0.3)) {
        my @from = $plan{caps} ? @{ $plan{caps} } : @{ _names(@$permitted) };
        $plan{ambient_caps} = [ _some(_one(0.1, 0.5), @from) ];
        $plan{ambient_caps} = _random_set($now, 'permitted') if _odds(0.2);
    }
    $plan{inh_caps}     = _random_set($now, 'permitted') if _odds(0.2);
    $plan{bounding_set} = _random_set($now, 'bounding')  if _odds(0.3);
    $plan{securebits}   = [
        _some(0.3, qw(noroot noroot_locked no_setuid_fixup no_setuid_fixup_locked
            keep_caps_locked no_cap_ambient_raise no_cap_ambient_raise_locked))
    ] if _odds(0.25);
    $plan{no_new_privs} = 1 if _odds(0.3);
    $plan{pdeathsig} = _one('TERM', [ 'USR1', getppid ], 0) if _odds(0.2);
    return %plan;
}

# ---- a trial ----

# In a child of its own: what the code found, or nothing.
sub _apart {
    my ($code) = @_;
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        my $found = eval { $code->() } // "died: $@";
        syswrite $to, $found;
        POSIX::_exit(0);
    }
    close $to;
    my $found = do { local $/; <$from> } // '';
    waitpid $pid, 0;
    return $? ? "ended with status $?" : $found;
}

# The system calls of a step, by hand.
my %TAKE = (
    capset => sub {
        my ($step) = @_;
        raw_capset(map { bit(_numbers(@{ $step->{$_} })) } qw(effective permitted inheritable));
    },
    set_keepcaps      => sub { raw_prctl(8, $_[0]{value}) },
    setgroups         => sub { my @groups = @{ $_[0]{groups} }; raw_groups(@groups) or die "setgroups: $!\n" },
    setresgid         => sub { sys(setresgid => map { $_ + 0 } @{ $_[0]{ids} }) },
    setresuid         => sub { sys(setresuid => map { $_ + 0 } @{ $_[0]{ids} }) },
    set_securebits    => sub { raw_prctl(28, bit(_securebits(@{ $_[0]{securebits} }))) },
    capbset_drop      => sub { raw_prctl(24, $_) for _numbers(@{ $_[0]{caps} }) },
    cap_ambient_lower => sub { raw_prctl(47, 3, $_) for _numbers(@{ $_[0]{caps} }) },
    cap_ambient_raise => sub { raw_prctl(47, 2, $_) for _numbers(@{ $_[0]{caps} }) },
    set_no_new_privs  => sub { raw_prctl(38, 1) },
    set_pdeathsig     => sub { raw_prctl(1, $_[0]{value}) },
    set_ptracer       => sub { raw_prctl(0x59616d61, $_[0]{value}) },
);

# With those that need a security module.
sub calls { return (keys %TAKE, qw(apparmor_profile selinux_label)) }

# Each step as predicted.
sub _watch_steps {
    my ($plan) = @_;

    # This is a child: fork(2) disarmed the signal.
    Linux::Prctl::set_pdeathsig($plan->{now}{pdeathsig});
    for my $step (@{ $plan->{steps} }) {
        my $name = "step $step->{step} ($step->{call})";
        eval { $TAKE{ $step->{call} }->($step); 1 } or return "$name: $@";
        my $found = told_apart(truth(), in_truth($step->{after}));
        return "after $name: $found" if $found;
    }
    return '';
}

sub _has { my ($now, $set, $name) = @_; return grep { $_ == Linux::Prctl::cap_number($name) } _caps($now->{$set}) }
sub _bit_set { my ($now, $name) = @_; return grep { $_ == (_securebits($name))[0] } _caps($now->{securebits}) }

# Is the reason of a refusal true of the process as it was?
sub _is_true {
    my ($reason, $now) = @_;
    if ($reason =~ /\Athis kernel may not know/)       { return 1 }
    if ($reason =~ /setgroups denies/)                 { return -e '/proc/self/setgroups' }
    if ($reason =~ /\A(\w+) is not effective\z/)       { return !_has($now, permitted => $1) }
    if ($reason =~ /\A(\w+) is not permitted\z/)       { return !_has($now, permitted => $1) }
    if ($reason =~ /\A(\w+) is not permitted, and setpcap is not effective\z/) {
        return !_has($now, permitted => $1) && !_has($now, permitted => 'setpcap');
    }
    if ($reason =~ /\A(\w+) is not in the bounding set\z/) { return !_has($now, bounding => $1) }
    if ($reason =~ /\A(\w+) is locked\z/) {
        my ($name) = $1 =~ /\A(.*?)(?:_locked)?\z/;
        return _bit_set($now, "${name}_locked");
    }
    if ($reason eq 'no_cap_ambient_raise is set') { return _bit_set($now, 'no_cap_ambient_raise') }
    return;
}

sub _after_exec {
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::dup2(fileno $to, 1);
        exec { '/bin/cat' } 'cat', '/proc/self/status' or POSIX::_exit(97);
    }
    close $to;
    my %status = map { /\A([^:]+):\s*(.*?)\s*\z/ ? ($1, $2) : () } <$from>;
    waitpid $pid, 0;
    return truth(%status);
}

# In a process: what goes wrong with a plan, and what became of it.
sub _try {
    my (%plan) = @_;
    my $before = truth();
    my $plan   = eval { Linux::Prctl::setpriv(%plan, dry_run => 1) };
    my $said   = $@;
    my $became = $plan ? 'done' : $said =~ /would be refused: (.*); nothing was changed/ ? 'refused' : 'misuse';
    return ($became, "untrue: $said") if $became eq 'refused' && !_is_true($1, $before);
    if ($plan) {
        my $found = _apart(sub { _watch_steps($plan) });
        return ($became, $found) if $found;
    }
    my $lived = eval { Linux::Prctl::setpriv(%plan) };
    my $error = $@;
    if ($became ne 'done') {
        return ($became, 'it went through') if $lived;
        my $found = told_apart(truth(), $before);
        return ($became, $found && "it died ($error) but changed $found");
    }
    return ($became, "it died: $error") if !$lived;
    my $found = told_apart(truth(), in_truth($plan->{expected}));
    return ($became, "it left $found") if $found;
    my $exec = in_truth($plan->{after_exec});

    # Before 6.16 an exec with two ids set one of them back, and took ambient away.
    return ($became, '') if $exec->{uid}[0] != $exec->{uid}[1] || $exec->{gid}[0] != $exec->{gid}[1];
    $found = told_apart(_after_exec(), $exec);
    return ($became, $found && "an exec left $found");
}

# One random start and plan: (what became of it, what went wrong).
sub random_trial {
    my ($seed, $shape) = @_;
    my $said = _apart(
        sub {
            srand $seed;
            _random_start($shape);
            my $before = truth();
            my %plan   = _random_plan($before);
            my ($became, $found) = _try(%plan);
            return $became if !$found;
            my $option = join ', ', map { "$_ => " . _text($plan{$_}) } sort keys %plan;
            return "$became $found\n  from " . state_text($before) . "\n  to $option";
        }
    );
    return $said =~ /\A(misuse|refused|done)(?: (.*))?\z/s ? ($1, $2 // '') : ('lost', $said);
}

1;
