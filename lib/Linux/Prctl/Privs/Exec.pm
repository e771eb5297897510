package Linux::Prctl::Privs::Exec;

# privs exec: what a process would be after it executed a program; and privs why: why it
# has a capability or not, and would have it.
use 5.014;
use warnings;

use Errno qw(ESRCH);
use Linux::Prctl::Privs qw(capability misuse not_found sentence);
use Linux::Prctl::Privs::Output qw(json paint printable table text_of width wrap);
use Linux::Prctl::Privs::Processes qw(process record refusal);
use Linux::Prctl::Privs::Words qw(changes_rows list_text);
use Linux::Prctl::Status;

# The file that a shell would execute.
sub _program {
    my ($name) = @_;
    return $name if $name =~ m{/};
    my ($found) = grep { -f && -x _ } map { (length($_) ? $_ : '.') . "/$name" } split /:/, $ENV{PATH} // '', -1;
    return $found // not_found('There is no program ' . printable($name) . ' in PATH.');
}

sub _status { my ($pid) = @_; return defined $pid ? process($pid) : Linux::Prctl::Status->current }

sub _after {
    my ($status, $file) = @_;
    my $after = eval { $status->after_exec($file) };
    not_found(refusal($status->pid, $@, ESRCH)) if !$after && $! == ESRCH;
    return $after // not_found(sentence($@ =~ s/\Aafter_exec\((.*?)\): /$1: /r) . '.');
}

sub _paragraph { my ($text) = @_; return map { "$_\n" } wrap(width(), $text) }

# What is assumed of a process, in words.
my %ASSUMED = (
    securebits   => 'that it has no securebits',
    tracer       => 'that its tracer has sys_ptrace over it if it has it now',
    shared_fs    => 'that it shares its working directory with no other process',
    user_ns      => 'that it is in the user namespace of this process',
    no_new_privs => 'that it does not have no_new_privs',
    program      => 'that the file, which cannot be read, is no script',
    owner        => 'that the owner of the file is the user 65534',
    same_id      => 'that 65534 is the same of the process and of the file, which both have no number here',
);

sub _assumed {
    my ($after) = @_;
    my @assumed = map { $ASSUMED{$_} // $_ } @{ $after->assumed };
    return @assumed ? ("\n", _paragraph('Assumed, since the kernel does not tell it: ' . list_text(@assumed) . '.')) : ();
}

sub exec {
    my ($option, @arguments) = @_;
    misuse('It takes a program, and perhaps a process id.') if !@arguments || @arguments > 2;
    my ($file, $status) = (_program($arguments[0]), _status($arguments[1]));
    my $after = _after($status, $file);
    my ($from, $to) = map { record($_) } $status, $after;
    if ($option->{json}) {
        print json({ program => text_of($file), from => $from, to => $to }), "\n";
    }
    else {
        print table([ '', 'NOW -> AFTER IT' ], changes_rows($from, $to)), _assumed($after);
    }
    return 0;
}

sub why {
    my ($option, @arguments) = @_;
    my ($program) = grep { $arguments[$_] eq '--' } 0 .. $#arguments;
    my @program = defined $program ? splice @arguments, $program : ();
    shift @program;
    misuse('It takes a capability, perhaps a process id, and perhaps a program behind --.')
        if !@arguments || @arguments > 2 || @program > 1 || defined $program && !@program;
    my $cap    = capability($arguments[0]);
    my $status = _status($arguments[1]);
    my $after  = @program ? _after($status, _program($program[0])) : undef;
    my $why    = ($after // $status)->why($cap);
    if ($option->{json}) {
        print json({ %$why, pid => $status->pid, name => text_of($status->name) }), "\n";
    }
    else {
        print paint(bold => $status->pid . ' (' . printable($status->name) . ')'), "\n",
            map({ _paragraph($_) } $why->{text}, map { $_->{text} } @{ $why->{also} }), $after ? _assumed($after) : ();
    }
    return $why->{effective} ? 0 : 1;
}

1;
