package Linux::Prctl::Privs::Run;

# privs run: the command line of setpriv(1), on setpriv().
use 5.014;
use warnings;

use Errno qw(ENOENT);
use Linux::Prctl ();
use Linux::Prctl::Privs qw(misuse sentence);
use Linux::Prctl::Privs::Output qw(json printable table);
use Linux::Prctl::Privs::Words qw(changes_rows list_text set_text);

# ---- from the words of the command line to a plan ----

sub _list { my ($text) = @_; return [ split /,/, $text ] }

# With signs it is relative, and setpriv's to understand; without, exactly these.
sub _set { my ($text) = @_; return $text =~ /\A[+-]/ ? $text : _list($text) }

# What is as it is given; sets; yes; and what has a word of its own.
my %TAKEN = (
    (map { $_ => sub { $_[0] } }
        qw(user ruid euid reuid rgid egid regid ptracer apparmor-profile selinux-label)),
    (map { $_ => \&_set } qw(inh-caps ambient-caps bounding-set securebits)),
    (map { $_ => sub { 1 } } qw(clear-groups keep-groups init-groups no-new-privs reset-env)),
    groups           => \&_list,
    caps             => \&_list,
    pdeathsig        => sub { my ($text) = @_; lc $text eq 'clear' ? 0 : $text },
    'seccomp-filter' => sub { return { file => $_[0] } },
);

sub _plan {
    my ($option) = @_;
    my %plan = map { tr/-/_/r => $TAKEN{$_}->($option->{$_}) } grep { $TAKEN{$_} } keys %$option;
    delete $plan{pdeathsig} if lc($plan{pdeathsig} // '') eq 'keep';
    return %plan;
}

# ---- what it would do ----

sub _step {
    my ($step) = @_;
    my @details = map {
        my $value = $step->{$_};
        "$_ " . (ref $value ne 'ARRAY' ? printable($value) : /\A(?:caps|effective|permitted|inheritable)\z/
            ? set_text($value) : list_text(@$value) || 'none');
    } grep { !/\A(?:step|call|after)\z/ } sort keys %$step;
    return [ $step->{step}, $step->{call}, join '; ', @details ];
}

sub _shown {
    my ($plan) = @_;
    my @steps = map { _step($_) } @{ $plan->{steps} };
    return table([qw(STEP CALL WITH)], @steps) . "\n"
        . table([ '', 'NOW -> THEN' ], changes_rows(@$plan{qw(now expected after_exec)}));
}

# ---- the command ----

my ($CANNOT, $NOT_EXECUTABLE, $NO_PROGRAM) = (125, 126, 127);    # as of env(1)

sub _refused {
    my ($error) = @_;
    die { status => $CANNOT, sentence => sentence($error) };
}

sub _not_run {
    my ($program, $errno) = @_;
    my $sentence = printable($program) . ': ' . do { local $! = $errno; "$!." };
    die { status => $errno == ENOENT ? $NO_PROGRAM : $NOT_EXECUTABLE, sentence => $sentence };
}

sub run {
    my ($option, @command) = @_;
    shift @command if @command && $command[0] eq '--';
    my %plan = _plan($option);
    if ($option->{'dry-run'}) {
        my $planned = eval { Linux::Prctl::setpriv(%plan, dry_run => 1) } // _refused($@);
        print $option->{json} ? json($planned) . "\n" : _shown($planned);
        return 0;
    }
    misuse('--json goes with --dry-run.') if $option->{json};
    misuse('There is no program to run.') if !@command;
    eval { Linux::Prctl::setpriv(%plan) } // _refused($@);
    no warnings 'exec';    # said once
    exec { $command[0] } @command or _not_run($command[0], $! + 0);
}

1;
