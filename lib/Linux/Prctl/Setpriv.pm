package Linux::Prctl::Setpriv;

# From the options of setpriv() to a plan, and from what happened to words. The
# kernel's rules are in src/foresee.c, the steps in src/setpriv.c.
use 5.014;
use warnings;

use Linux::Prctl ();

# A set of capabilities or securebits is a string of 64 bits here: the operators &, |
# and ~ work on all of it, and not every perl has numbers of 64 bits.
my $NONE      = "\0" x 8;
my $KEEP_CAPS = _named_securebits(['keep_caps']);
my $NOROOT    = _named_securebits(['noroot']);
my $MOST_ID   = 4294967294;
my $NO_ID     = 4294967295;
my $EPERM     = 1;
my $ESRCH     = 3;

my @SETS    = qw(effective permitted inheritable bounding ambient);
my @SLOTS   = qw(real effective saved fs);
my @OPTIONS = qw(
    ruid euid reuid rgid egid regid clear_groups keep_groups init_groups groups
    inh_caps ambient_caps bounding_set caps securebits no_new_privs pdeathsig
    on_failure dry_run
);

sub setpriv {
    my $errno  = $! + 0;
    my $option = &_options;    # with these arguments
    my $plan   = _plan($option);
    my $result = $option->{dry_run} ? _show($plan) : _apply($plan);
    $! = $errno;
    return $result;
}

# Every complaint names the caller's line.
sub _die {
    my ($message, $errno) = @_;
    my ($depth, $package, $file, $line) = (0);
    do { ($package, $file, $line) = caller $depth++ } while $package =~ /\ALinux::Prctl\b/;
    $! = $errno // 0;
    die "setpriv: $message at $file line $line.\n";
}

# ---- options ----

sub _options {
    _die('Usage: setpriv(option => value, ...)') if @_ % 2;
    no warnings qw(uninitialized);    # an option may be undef
    my %option = @_;
    if (@_ != 2 * grep { exists $option{$_} } @OPTIONS) {
        my %seen;
        for my $name (map { $_[ 2 * $_ ] } 0 .. $#_ / 2) {
            _die('there is no option ' . _shown($name))
                if !defined $name || !grep { $_ eq $name } @OPTIONS;
            _die("$name is given twice") if $seen{$name}++;
        }
    }
    if (exists $option{on_failure}) {
        my $failure = $option{on_failure};
        _die('on_failure ' . _shown($failure) . ' is neither "die" nor "exit"')
            if !defined $failure || ($failure ne 'die' && $failure ne 'exit');
    }
    return \%option;
}

sub _and {
    my @words = @_;
    @words = (@words[ 0 .. 5 ], @words - 6 . ' more') if @words > 7;
    my $last = pop @words;
    return @words ? join(', ', @words) . " and $last" : $last;
}

# ---- ids ----

my %WHAT = (uid => 'user', gid => 'group');

sub _check_mapped {
    my ($option, $kind, @ids) = @_;
    my @unmapped = _unmapped($kind, @ids) or return;
    _die("$option: $WHAT{$kind} $unmapped[0] is not mapped in this user namespace")
        if defined $unmapped[0];

    # Without /proc. This one stands for each group that is not mapped.
    _die("$option: group 65534 cannot be told from one that is not mapped, without /proc")
        if $option =~ /groups/ && grep { $_ == 65534 } @ids;
    return;
}

# What is decided must be done even if nothing seems to differ, where 65534 may also
# stand for an id that is not mapped.
sub _is_unsure {
    my ($kind, $now, $wanted) = @_;
    return if $now == $wanted;    # the same list: nothing is decided
    return if !grep({ $_ == 65534 } @$now) || !grep { $_ == 65534 } @$wanted;
    return _hides_ids($kind);
}

# The four ids afterwards, and whether the plan names one. What is saved follows
# what is effective, as with setpriv(1).
sub _ids {
    my ($option, $kind, $now) = @_;
    if (exists $option->{"re$kind"}) {
        my $half = exists $option->{"r$kind"} ? "r$kind" : "e$kind";
        _die("re$kind and $half contradict each other") if exists $option->{$half};
        my $id = _mapped_id("re$kind", $option, $kind);
        return ([ $id, $id, $id, $id ], 1);
    }
    my ($real, $effective)
        = map { exists $option->{$_} ? _mapped_id($_, $option, $kind) : undef } "r$kind", "e$kind";
    return ($now, 0) if !defined $real && !defined $effective;
    $effective //= $now->[1];
    return ([ $real // $now->[0], $effective, $effective, $effective ], 1);
}

sub _mapped_id {
    my ($name, $option, $kind) = @_;
    my $id = _id($kind, $option->{$name}) // _die_of_id($name, $option->{$name}, $kind);
    _check_mapped($name, $kind, $id);
    return $id;
}

sub _die_of_id {
    my ($option, $value, $kind) = @_;
    return _die("$option " . _shown($value)
            . " is neither a $WHAT{$kind} nor a whole number from 0 to $MOST_ID");
}

# ---- groups ----

sub _groups {
    my ($option, $uid, $uid_named, $gid_named, $now) = @_;
    my @decided = grep { $option->{$_} } qw(clear_groups keep_groups init_groups);
    push @decided, 'groups' if exists $option->{groups};
    _die(_and(@decided) . ' contradict each other') if @decided > 1;
    my $decision = $decided[0];
    _die('a uid needs a gid beside it: regid, or rgid and egid') if $uid_named && !$gid_named;
    _die('who changes ids must say what becomes of the groups:'
            . ' clear_groups, init_groups, groups or keep_groups')
        if $gid_named && !$decision;
    return $now if !$decision || $decision eq 'keep_groups';
    my $ids = $decision eq 'clear_groups' ? []
        : $decision eq 'groups' ? _named_groups($option->{groups})
        :                         _groups_of_user($option, $uid);
    my %seen;
    my @groups = @$ids < 2 ? @$ids : sort { $a <=> $b } grep { !$seen{$_}++ } @$ids;
    _die("$decision: " . @groups . ' groups are more than the kernel takes') if @groups > 65536;
    _check_mapped($decision, 'gid', @groups);
    return \@groups;
}

sub _named_groups {
    my ($groups) = @_;
    return [ map { _id('gid', $_) // _die_of_id('groups', $_, 'gid') }
            @{ _array('groups', $groups) } ];
}

sub _groups_of_user {
    my ($option, $uid) = @_;
    my ($name) = grep { exists $option->{$_} } qw(reuid ruid euid);
    _die('init_groups needs a user: reuid or ruid') if !$name;
    return _init_groups("$option->{$name}", $uid->[ $name eq 'euid' ? 1 : 0 ])
        // _die("init_groups: there is no user with $name " . _shown($option->{$name}));
}

# ---- sets ----

sub _mask {
    my $mask = $NONE;
    vec($mask, $_, 1) = 1 for @_;
    return $mask;
}

sub _bits {
    my ($mask) = @_;
    return if $mask eq $NONE;
    return grep { vec $mask, $_, 1 } 0 .. 63;
}

sub _cap_names {
    my ($mask) = @_;
    return map { Linux::Prctl::cap_name($_) } _bits($mask);
}

sub _securebit_names {
    my ($mask) = @_;
    my @names = keys %Linux::Prctl::securebits;
    return map { $names[$_] // $_ } _bits($mask);
}

sub _array {
    my ($option, $value) = @_;
    _die("$option " . _shown($value) . ' is not an array reference') if ref $value ne 'ARRAY';
    return $value;
}

sub _cap_mask {
    my ($option, $name) = @_;
    my $cap = _cap($name);
    _die("$option: Unknown capability: " . _shown($name)) if !defined $cap;
    _die("$option: this kernel does not know " . Linux::Prctl::cap_name($cap))
        if !Linux::Prctl::supported($cap);
    return _mask($cap);
}

sub _list {
    my ($option, $names) = @_;
    my $mask = _named_caps($names);
    return $mask if defined $mask;
    $mask = $NONE;
    $mask |= _cap_mask($option, $_) for @$names;    # it dies of one of them
    return $mask;
}

# "+a,-b,+all,-all", from the left to the right.
sub _relative {
    my ($option, $text, $mask) = @_;
    _die("$option is empty: it takes +name, -name, +all and -all") if $text eq '';
    for my $change (split /,/, $text, -1) {
        my ($sign, $name) = $change =~ /\A([+-])(.+)\z/s
            or _die("$option: " . _shown($change) . ' is neither +name nor -name');
        my $caps = lc $name ne 'all' ? _cap_mask($option, $name)
            : $sign eq '+' ? _mask(0 .. Linux::Prctl::last_cap())
            :                ~$NONE;
        $mask = $sign eq '+' ? $mask | $caps : $mask & ~$caps;
    }
    return $mask;
}

sub _set {
    my ($option, $value, $default) = @_;
    return _list($option, $value) if ref $value eq 'ARRAY';
    return _relative($option, "$value", $default) if _is_string($value);
    return _die("$option " . _shown($value) . ' is neither an array reference nor a string');
}

sub _check_within {
    my ($option, $set, $within, $why) = @_;
    return if ($set & ~$within) eq $NONE;
    my @outside = _cap_names($set & ~$within);
    return _die("$option: " . _and(@outside) . (@outside > 1 ? ' are' : ' is') . " not $why", $EPERM);
}

# The sets depend on each other. The defaults of a plan that leaves root start from
# nothing, those of any other from what is there.
sub _caps {
    my ($option, $leaves, $now) = @_;
    my ($caps, $inh);
    $caps = _list('caps', _array('caps', $option->{caps})) if exists $option->{caps};
    $inh = _list('inh_caps', $option->{inh_caps}) if ref $option->{inh_caps} eq 'ARRAY';

    my $ambient = $leaves ? $NONE : $now->{ambient} & ($caps // $now->{permitted});
    $ambient &= $inh if defined $inh;
    $ambient = _set('ambient_caps', $option->{ambient_caps}, $ambient)
        if exists $option->{ambient_caps};

    if (!defined $inh) {
        $inh = $ambient | ($leaves ? $NONE : $now->{inheritable});
        $inh = _set('inh_caps', $option->{inh_caps}, $inh) if exists $option->{inh_caps};
        $ambient &= $inh if !exists $option->{ambient_caps};
    }
    my $permitted = $caps // ($leaves ? $ambient : $now->{permitted});
    my $bounding  = $now->{bounding};
    $bounding = _set('bounding_set', $option->{bounding_set}, $bounding)
        if exists $option->{bounding_set};

    _check_within('caps',         $permitted, $now->{permitted}, 'permitted now') if defined $caps;
    _check_within('ambient_caps', $ambient,   $now->{permitted}, 'permitted now');
    _check_within('ambient_caps', $ambient,   $permitted, 'in caps, and ambient needs permitted');
    _check_within('ambient_caps', $ambient, $inh, 'in inh_caps, and ambient needs inheritable');
    _check_within('bounding_set', $bounding, $now->{bounding},
        'in the bounding set, and nothing can be added to it');
    return (
        effective   => $caps // ($leaves ? $ambient : $now->{effective}),
        permitted   => $permitted,
        inheritable => $inh,
        ambient     => $ambient,
        bounding    => $bounding,
    );
}

sub _securebits {
    my ($option, $now) = @_;
    return $now & ~$KEEP_CAPS if !exists $option->{securebits};
    my $names  = _array('securebits', $option->{securebits});
    my $wanted = _named_securebits($names);
    if (!defined $wanted) {
        my ($unknown) = grep { !defined _securebit($_) } @$names;
        _die('securebits: Unknown secbit: ' . _shown($unknown));
    }
    _die('securebits: keep_caps is always off afterwards, and an exec would clear it anyway')
        if ($wanted & $KEEP_CAPS) ne $NONE;
    return $wanted;
}

# ---- the plan ----

# The process as it is now. What nobody tells for sure cannot be changed for sure.
sub _now {
    my $now = _look();
    return $now if !$now->{unknown};
    _die('the kernel does not tell ' . _and(@{ $now->{unknown} })) if @{ $now->{unknown} };
    return _die('the kernel and /proc/thread-self/status disagree about '
            . _and(@{ $now->{differs} }) . ': a filter may answer for the kernel');
}

# What was not told has every bit set.
sub _told {
    my ($value) = @_;
    return 0 if !defined $value;
    return !grep { $_ == $NO_ID } @$value if ref $value;
    return length $value == 8 ? $value ne ~$NONE : $value <= 64;
}

# An exec as uid 0 gives back what is in the bounding set.
sub _check_root {
    my ($start, $target) = @_;
    return if ($start->{permitted} & ~$target->{permitted}) eq $NONE;
    return if $target->{no_new_privs} || ($target->{securebits} & $NOROOT) ne $NONE;
    return if !grep { $_ == 0 } @{ $target->{uid} };
    my $back = ($target->{bounding} | $target->{inheritable}) & ~$target->{permitted};
    return if $back eq $NONE;
    return _die('uid 0 stays, and the next exec would give back ' . _and(_cap_names($back))
            . ': cut bounding_set (and inh_caps) to what is kept, or set no_new_privs,'
            . ' or have noroot among securebits', $EPERM);
}

sub _pdeathsig {
    my ($option, $now) = @_;
    return $now if !exists $option->{pdeathsig};
    my $value = $option->{pdeathsig};
    my ($signal, @parent) = ref $value eq 'ARRAY' ? @$value : $value;
    my $number = _is_string($signal) ? _signal($signal) : undef;
    _die('pdeathsig ' . _shown($signal) . ' is neither a signal nor a whole number from 0 to 64')
        if !defined $number;
    return $number if !@parent;
    my $parent = $parent[0];
    _die('pdeathsig: the parent ' . _shown($parent) . ' is not a process id')
        if !_is_string($parent) || $parent !~ /\A(?:0|[1-9][0-9]{0,9})\z/ || $parent > 2147483647;
    _die('pdeathsig takes a signal and the process id of the parent') if @parent > 1;
    _die("pdeathsig: the parent is no longer process $parent", $ESRCH) if getppid != $parent;
    return ($number, $parent);
}

# Asked last: names may be looked up by code that starts threads.
sub _check_threads {
    my $others = _other_threads() or return;
    return _die("the process has $others other thread" . ($others == 1 ? '' : 's')
            . ', which would keep what this one gives up');
}

sub _plan {
    my ($option) = @_;
    my $parent = getppid;
    my $now    = _now();
    my ($uid, $uid_named) = _ids($option, 'uid', $now->{uid});
    my ($gid, $gid_named) = _ids($option, 'gid', $now->{gid});
    my $groups = _groups($option, $uid, $uid_named, $gid_named, $now->{groups});
    my $leaves = $uid_named && !grep { $_ == 0 } @$uid;
    my ($signal, $expected) = _pdeathsig($option, $now->{pdeathsig});
    my %target = (
        uid          => $uid,
        gid          => $gid,
        groups       => $groups,
        _caps($option, $leaves, $now),
        securebits   => _securebits($option, $now->{securebits}),
        no_new_privs => $option->{no_new_privs} || $now->{no_new_privs} ? 1 : 0,
        pdeathsig    => $signal,
    );
    _check_root($now, \%target);
    _check_threads();
    my @unsure = grep { _is_unsure($_ eq 'uid' ? $_ : 'gid', $now->{$_}, $target{$_}) }
        qw(uid gid groups);
    my $sets_groups = "@$groups" ne "@{ $now->{groups} }" || grep { $_ eq 'groups' } @unsure;
    return {
        start            => $now,
        target           => \%target,
        unsure           => \@unsure,
        setgroups_denied => $sets_groups && _setgroups_denied(!@$groups),
        parent           => $expected // $parent,
        check_parent     => defined $expected && $signal,
        exit             => ($option->{on_failure} // '') eq 'exit',
    };
}

# ---- as plain data ----

sub _slots {
    my ($ids) = @_;
    my %slot;
    @slot{@SLOTS} = @$ids;
    return \%slot;
}

sub _state_data {
    my ($state) = @_;
    return {
        uid          => _slots($state->{uid}),
        gid          => _slots($state->{gid}),
        groups       => [ @{ $state->{groups} } ],
        caps         => { map { $_ => [ _cap_names($state->{$_}) ] } @SETS },
        securebits   => [ _securebit_names($state->{securebits}) ],
        no_new_privs => $state->{no_new_privs},
        pdeathsig    => $state->{pdeathsig},
    };
}

sub _step_data {
    my ($step, $target) = @_;
    my %data = (step => $step->{step}, call => $step->{call});
    $data{$_} = [ _cap_names($step->{$_}) ]
        for grep { exists $step->{$_} } qw(caps effective permitted inheritable);
    $data{securebits} = [ _securebit_names($step->{securebits}) ] if exists $step->{securebits};
    $data{value}      = $step->{value} if exists $step->{value};
    $data{ids}        = [ @{ $target->{$1} }[ 0 .. 2 ] ] if $step->{call} =~ /\Asetres([ug]id)\z/;
    $data{groups}     = [ @{ $target->{groups} } ] if $step->{call} eq 'setgroups';
    return \%data;
}

sub _step_text {
    my ($data) = @_;
    my @words = map { "$_ " . (@{ $data->{$_} } ? _and(@{ $data->{$_} }) : 'none') }
        grep { $data->{$_} } qw(caps effective permitted inheritable securebits ids groups);
    push @words, $data->{value} if exists $data->{value};
    return "step $data->{step}, $data->{call}(" . join('; ', @words) . ')';
}

# ---- what happened ----

sub _check_foreseen {
    my ($plan, $steps) = @_;
    if (defined $steps->{refused}) {
        my $step = _step_data($steps->{steps}[-1], $plan->{target});
        _die(_step_text($step) . " would be refused: $steps->{refused}; nothing was changed", $EPERM);
    }
    _die('no steps lead to the wanted ' . _and(@{ $steps->{unreached} }) . '; nothing was changed')
        if @{ $steps->{unreached} };
    return;
}

sub _show {
    my ($plan) = @_;
    my $steps = _foresee($plan);
    _check_foreseen($plan, $steps);
    return {
        steps      => [ map { _step_data($_, $plan->{target}) } @{ $steps->{steps} } ],
        now        => _state_data($plan->{start}),
        expected   => _state_data($plan->{target}),
        after_exec => _state_data($steps->{after_exec}),
    };
}

sub _apply {
    my ($plan) = @_;
    my $failure = _run($plan) // return 1;
    _check_foreseen($plan, $failure) if $failure->{steps};
    my $error = $failure->{error};
    my $said  = do { local $! = $error; "$!" };
    return _die("it did not begin: $said; nothing was changed", $error)
        if $failure->{stage} eq 'untouched';
    return _die(_failure_text($plan, $failure, $said) . '; ' . _left_text($failure->{left}), $error);
}

sub _failure_text {
    my ($plan, $failure, $said) = @_;
    my $stage = $failure->{stage};
    if ($stage eq 'step') {
        my $step = _step_text(_step_data($failure->{step}, $plan->{target}));
        return $step . (defined $failure->{cap} ? ", $failure->{cap}" : '') . ": $said";
    }
    return "step 16, unblocking the signals: $said" if $stage eq 'signals';
    return "step 16, verification: $stage $failure->{id} was given up, but "
        . ($failure->{error} ? "asking for it gives: $said" : 'it could be taken back')
        if $stage ne 'differs';
    my %source = (getters => 'the kernel', proc => '/proc/thread-self/status');
    my @texts;
    for my $witness (sort keys %{ $failure->{views} }) {
        my $view = $failure->{views}{$witness};
        my @fields = map {
            "$_ " . _value_text($_, $view->{state}{$_})
                . ' instead of ' . _value_text($_, $plan->{target}{$_})
        } @{ $view->{differs} };
        push @texts, "$source{$witness} says " . join ', ', @fields if @fields;
    }
    return 'step 16, verification: ' . join '; ', @texts;
}

sub _value_text {
    my ($field, $value) = @_;
    return 'unknown' if !_told($value);
    my @words = $field eq 'securebits' ? _securebit_names($value)
        : ref $value         ? @$value
        : length $value == 8 ? _cap_names($value)
        :                      $value;
    return @words ? _and(@words) : 'none';
}

# What the process still is, after all was done to leave it with nothing: by /proc,
# where it tells.
sub _left_text {
    my ($views) = @_;
    my %state;
    for my $told (map { $_->{state} } grep { $_ } @$views{qw(getters proc)}) {
        $state{$_} = $told->{$_} for grep { _told($told->{$_}) } keys %$told;
    }
    my @sets = grep { defined $state{$_} } qw(effective permitted inheritable ambient);
    my %cap  = map { $_ => 1 } map { _cap_names($state{$_}) } @sets;
    my $left  = %cap ? 'it still has ' . _and(sort keys %cap) : 'it has no capabilities any more';
    if (grep { $_ == 0 } @{ $state{uid} }) {
        $left .= ', and is still uid 0';
        $left .= ', whose next exec gives them back'
            if !$state{no_new_privs} && $state{bounding} ne $NONE;
    }
    return "this process must not go on: $left";
}

1;
