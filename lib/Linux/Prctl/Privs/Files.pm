package Linux::Prctl::Privs::Files;

# privs files.
use 5.014;
use warnings;

use Exporter qw(import);
use Linux::Prctl::FileCaps;
use Linux::Prctl::Privs qw(complain sentence);
use Linux::Prctl::Privs::Output qw(json printable table text_of);
use Linux::Prctl::Privs::Words qw(group_text set_text user_text);

our @EXPORT_OK = qw(file_text);

my ($SET_UID, $SET_GID) = (04000, 02000);

# What is told of a file, as plain data.
sub _file {
    my ($path, $caps, $mode, $uid, $gid) = @_;
    my %file = (path => text_of($path), mode => sprintf('%04o', $mode), uid => $uid, gid => $gid);
    $file{caps} = {
        permitted   => [ $caps->names('permitted') ],
        inheritable => [ $caps->names('inheritable') ],
        effective   => $caps->effective ? 1 : 0,
        rootid      => $caps->rootid,
    } if $caps;
    return \%file;
}

# What it gives to who executes it.
sub file_text {
    my ($mode, $uid, $gid, $caps) = @_;
    my @parts;
    push @parts, 'runs as user ' . user_text($uid)   if $mode & $SET_UID;
    push @parts, 'runs as group ' . group_text($gid) if $mode & $SET_GID;
    if ($caps) {
        my @permitted   = @{ $caps->{permitted} };
        my @inheritable = @{ $caps->{inheritable} };
        push @parts, set_text(\@permitted) . ($caps->{effective} ? '' : ' (not effective at once)') if @permitted;
        push @parts, 'to whom has it inheritable: ' . set_text(\@inheritable) if @inheritable;
        push @parts, 'nothing, but its ambient set is cleared' if !@permitted && !@inheritable;
        push @parts, "only where user $caps->{rootid} is root" if $caps->{rootid};
    }
    return join '; ', @parts;
}

# find("/some/where"): No such file or directory
sub _sentence { my ($error) = @_; return sentence($error) =~ s/\Afind\("(.*?)"\): /$1: /r . '.' }

sub files {
    my ($option, @paths) = @_;
    @paths = '/' if !@paths;
    my $failed = 0;
    my @found;
    Linux::Prctl::FileCaps->find(@paths, {
        set_id          => $option->{'set-id'},
        one_file_system => $option->{'one-file-system'},
        found           => sub { push @found, [@_] },
        error           => sub { $failed = 1; complain(_sentence($_[1])) },
    });
    @found = sort { $a->[0] cmp $b->[0] } @found;
    if ($option->{json}) {
        my %head = (
            privs => 'files', format => 1, complete => $failed ? 0 : 1, paths => [ map { text_of($_) } @paths ],
            set_id => $option->{'set-id'} ? 1 : 0, one_file_system => $option->{'one-file-system'} ? 1 : 0,
        );
        print json(\%head) =~ s/\}\z//r, qq(,"files":[\n), join(",\n", map { json(_file(@$_)) } @found), "\n]}\n";
    }
    elsif (@found) {
        print table([ 'FILE', 'WHAT IT GIVES' ], map {
            my ($path, $caps, $mode, $uid, $gid) = @$_;
            [ printable($path), file_text($mode, $uid, $gid, $caps && _file(@$_)->{caps}) ]
        } @found);
    }
    complain('There is none.') if !@found && !$failed;
    return 0;    # or what complain() has made of it
}

1;
