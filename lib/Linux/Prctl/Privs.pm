package Linux::Prctl::Privs;

# The program privs(1): which command, with which options, and what becomes of what fails.
# The commands are in the modules below this one.
use 5.014;
use warnings;

use Exporter qw(import);
use Linux::Prctl ();
use Linux::Prctl::Privs::Output qw(colours paint printable);

our @EXPORT_OK = qw(complain not_found misuse sentence capability);

# ---- what a command is ----

# Its module, whose function has the name of the command, and its options, behind those
# that all have: "with=" takes a value, "x" is one letter. What comes behind the first
# argument of run, or behind "--" for why, is a command line of its own.
my @COMMON  = qw(json color= help h man);
my %COMMAND = (
    show    => [ Processes => [] ],
    ps      => [ Processes => [qw(with= all a threads t)] ],
    files   => [ Files     => [qw(one-file-system x set-id)] ],
    diff    => [ Diff      => [] ],
    why     => [ Exec      => [] ],
    exec    => [ Exec      => [] ],
    explain => [ Explain   => [] ],
    run     => [
        Run => [
            qw(user= reuid= ruid= euid= regid= rgid= egid=
                clear-groups keep-groups init-groups groups=
                caps= inh-caps= ambient-caps= bounding-set= securebits= no-new-privs nnp
                pdeathsig= ptracer= seccomp-filter= reset-env
                apparmor-profile= selinux-label= dry-run n)
        ],
    ],
);
my %SHORT = (h => 'help', a => 'all', t => 'threads', x => 'one-file-system', n => 'dry-run',
    nnp => 'no-new-privs');

# ---- what fails ----

my $command = 'privs';
my $failed;

# Said, and the rest of the work is done.
sub complain {
    my ($sentence) = @_;
    print STDERR "$command: $sentence\n";
    $failed = 1;
    return;
}

# The end, with the status that says what it is.
sub not_found { my ($sentence) = @_; die { status => 1, sentence => $sentence } }
sub misuse    { my ($sentence) = @_; die { status => 2, sentence => $sentence } }

# What a method died of, without the place in a program that nobody here is writing.
sub sentence {
    my ($error) = @_;
    return printable($error =~ s/ at (?:(?! at ).)* line [0-9]+\.?\n\z//sr =~ s/\s+\z//r);
}

# The name of a capability in any of its spellings, or the end.
sub capability {
    my ($name) = @_;
    my $number = eval { Linux::Prctl::cap_number($name) };
    misuse('There is no capability ' . printable($name) . '; "privs explain" lists those that there are.')
        if !defined $number;
    return Linux::Prctl::cap_name($number);
}

# ---- the command line ----

# Options wherever they stand, until "--", or until the first argument if that begins a
# command line.
sub _options {
    my ($known, $up_to_first, @arguments) = @_;
    my %takes = map { s/=\z//r => s/=\z// ? 1 : 0 } @{ [@$known] };
    my (%option, @left);
    while (@arguments) {
        my $argument = shift @arguments;
        return (\%option, [ @left, '--', @arguments ]) if $argument eq '--';
        if ($argument !~ /\A-./) {
            return (\%option, [ @left, $argument, @arguments ]) if $up_to_first;
            push @left, $argument;
            next;
        }
        my ($name, $value) = $argument =~ /\A--([^=]+)(?:=(.*))?\z/s;
        if (!defined $name) {
            ($name, my $more) = $argument =~ /\A-(.)(.*)\z/s;
            unshift @arguments, "-$more" if length $more;
        }
        my $shown = printable($argument);
        misuse("There is no option $shown.") if !exists $takes{$name};
        misuse("The option $shown takes no value.") if defined $value && !$takes{$name};
        if ($takes{$name} && !defined $value) {
            misuse("The option $shown needs a value.") if !@arguments;
            $value = shift @arguments;
        }
        $option{ $SHORT{$name} // $name } = $value // 1;
    }
    return (\%option, \@left);
}

sub _help {
    my ($verbose) = @_;
    require Pod::Usage;
    Pod::Usage::pod2usage(-verbose => $verbose, -exitval => 'NOEXIT', -output => \*STDOUT, -noperldoc => 1);
    return 0;
}

# What the manual has about one command.
sub _help_about {
    my ($name) = @_;
    require Linux::Prctl::Privs::Manual;
    open my $in, '<:raw', $0 or die "$0: $!\n";
    my ($title, $pod) = do { local $/; readline $in } =~ /^=head2 (\Q$name\E\b[^\n]*)\n(.*?)^=head/ms;
    print paint(bold => "privs $title"), "\n\n", Linux::Prctl::Privs::Manual::shown($pod);
    return 0;
}

sub _run {
    my (@arguments) = @_;
    my ($common, $left) = _options([ @COMMON, 'version' ], 1, @arguments);
    my $name = @$left && $left->[0] ne '--' ? shift @$left : 'show';
    if ($common->{version}) {
        print "privs, of Linux::Prctl $Linux::Prctl::VERSION\n";
        return 0;
    }
    return _help(2) if $common->{man};
    return _help(1) if $common->{help} || $name eq 'help';
    my $known = $COMMAND{$name};
    # A process is enough: "privs 1" is "privs show 1".
    if (!$known && $name =~ /\A[0-9]+\z/) {
        unshift @$left, $name;
        $known = $COMMAND{ $name = 'show' };
    }
    misuse('There is no command ' . printable($name) . '; "privs --help" lists those that there are.') if !$known;
    $command = "privs $name";
    my ($module, $options) = @$known;
    my ($own, $rest) = _options([ @COMMON, @$options ], $name eq 'run', @$left);
    my %option = (%$common, %$own);
    my $when = $option{color} // 'auto';
    misuse('--color is always, never or auto, not ' . printable($when) . '.') if $when !~ /\A(?:always|never|auto)\z/;
    colours($when);
    return _help(2) if $option{man};
    return _help_about($name) if $option{help};
    require "Linux/Prctl/Privs/$module.pm";
    my $code = "Linux::Prctl::Privs::$module"->can($name);
    return $code->(\%option, @$rest);
}

# The exit status. What comes in and goes out is bytes, whatever PERL_UNICODE says.
sub main {
    my (@arguments) = @_;
    utf8::is_utf8($_) && utf8::encode($_) for @arguments;
    binmode $_ for *STDIN, *STDOUT, *STDERR;
    my $status = eval { _run(@arguments) };
    if (my $error = $@) {
        my $known = ref $error ? $error : { status => 2, sentence => sentence($error) };
        print STDERR "$command: $known->{sentence}\n";
        $status = $known->{status};
    }
    if (!close STDOUT) {
        print STDERR "$command: The output could not be written: $!\n";
        return 2;
    }
    return $status || ($failed ? 1 : 0);
}

1;
