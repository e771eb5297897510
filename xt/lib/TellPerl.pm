package TellPerl;

# Loaded into each perl that the tests start (xt/coverage-perl), it has Devel::Cover tell what of
# the Perl code was reached; which that does at the end of a program alone, and for a process
# that may write where the first one did. Here
#
#   a process that ends with _exit(2), or executes another program, tells before it;
#   a child of fork(2) tells what it counted to the one program that it is a copy of, which is
#   quick and needs nothing but an open file: it may be in another root directory, or nobody;
#   a child that has loaded more than its parent tells it all itself.
#
# Nothing is told of a module that a program loads by -M: perl does that before it comes to this.
#
# By Devel::Cover's own names for its parts, of version 1.38: xt/coverage-perl fails if nothing
# is told.
use 5.014;
use warnings;
no warnings 'io';    # about standard handles that were closed

use B ();
use Fcntl qw(F_DUPFD F_SETFD FD_CLOEXEC O_APPEND O_CREAT O_RDWR);
use POSIX ();
use Storable ();
use Time::HiRes ();

my ($file, $out, @there);    # where all processes of this program tell, and what is there
my $first = $$;
my %loaded_by;               # of those files that count, which process loaded them
my @criteria = qw(statement branch condition);
my %old;                     # what is another function now

sub import {
    my ($class, $folder) = @_;
    $file = sprintf '%s/%d-%.6f', $folder, $$, Time::HiRes::time();
    return if !open_file();
    # Far from those descriptors that tests are about.
    my $far = fcntl $out, F_DUPFD, 200;
    open $out, '>>&=', $far if $far;
    fcntl $out, F_SETFD, FD_CLOEXEC;
    @there = (stat $out)[ 0, 1 ];

    require Devel::Cover;
    Devel::Cover->import('-db', "$folder/none", qw(-silent 1 -blib 0 -coverage), @criteria,
        '-dir', $folder, qw(-ignore . -select), '(?:\bLinux/Prctl(?:/[^/]+)*\.pm|\bscript/privs)\z');
    require Data::Dumper;    # while it can be found
    $^P &= ~0x100;    # the names of evals stay as they are
    my %new = (
        'Devel::Cover::report'      => sub { tell_all(0) },    # it is called before each exec
        'Devel::Cover::last_end'    => sub { tell_all(1) },
        'Devel::Cover::use_file'    => \&use_file,
        'Devel::Cover::coverage'    => \&coverage,
        'Devel::Cover::CLONE'       => sub { Devel::Cover::set_coverage('none') },
        'POSIX::_exit'              => sub { tell_all(1); $old{'POSIX::_exit'}->(@_) },
        'Devel::Cover::DB::write'   => \&write_all,
        'Devel::Cover::DB::Structure::read_all' => sub { $_[0] },
        'Devel::Cover::DB::Digests::write'      => sub { },
    );
    no strict 'refs';
    no warnings qw(redefine prototype);
    for my $name (keys %new) {
        $old{$name} = \&$name;
        *$name = $new{$name};
    }
    return;
}

sub open_file {
    my $mask = umask 0;
    my $done = sysopen $out, $file, O_RDWR | O_APPEND | O_CREAT, 0666;
    umask $mask;
    return $done;
}

# One record: its length, its kind, and what it is. The file may have been closed by what is
# tested, or be another one under its number.
sub put {
    my ($kind, $data) = @_;
    my @now = stat $out;
    open_file() or return if !@now || "@now[ 0, 1 ]" ne "@there";
    syswrite $out, pack('L/a*', $kind . Storable::nfreeze($data));
    return;
}

# All records of a kind in such a file.
sub records {
    my ($in, $kind) = @_;
    my @found;
    binmode $in;
    while (read($in, my $length, 4) == 4) {
        read $in, my $record, unpack 'L', $length;
        push @found, Storable::thaw(substr $record, 1) if $kind eq substr $record, 0, 1;
    }
    return @found;
}

# Who loads a file runs it.
sub use_file {
    my ($name) = @_;
    my $wanted = $old{'Devel::Cover::use_file'}->($name);
    $loaded_by{$name} //= $$ if $wanted;
    return $wanted;
}

# At the end of a process, or of its program.
sub tell_all {
    my ($last) = @_;
    local ($!, $?, $@, $SIG{__DIE__}, $SIG{__WARN__}, $SIG{CHLD});
    return unlink $file if !%loaded_by && $$ == $first && $last;
    return if !%loaded_by;
    Devel::Cover::set_coverage(@criteria);
    if ($$ != $first && !grep { $_ != $first } values %loaded_by) {
        my $counts = $old{'Devel::Cover::coverage'}->($last);
        eval { put(c => { map { $_ => $counts->{$_} } @criteria }) };
        return;
    }
    # It can be told once by a process. An exec may fail.
    my $pid = $last ? 0 : fork;
    waitpid $pid, 0 if $pid;
    return if $pid;
    show_hidden();
    $old{'Devel::Cover::report'}->();
    $old{'POSIX::_exit'}->(0) if !$last && defined $pid;
    return;
}

# Functions without a name, in a variable of a file, are found by name.
my $hidden = 0;

sub show_hidden {
    for my $code (map { code_in($_, 0) } map { pad_of($_) } functions_of('Linux::Prctl')) {
        no strict 'refs';
        *{ 'TellPerl::hidden' . $hidden++ } = $code;
    }
    return;
}

sub functions_of {
    my ($package) = @_;
    no strict 'refs';
    my $names = \%{"${package}::"};
    return map {
        my $name = "${package}::$_";
        $name =~ s/::\z// ? functions_of($name) : defined &$name ? \&$name : ();
    } sort keys %$names;
}

sub pad_of {
    my ($code) = @_;
    my $cv = B::svref_2object($code);
    return if $cv->XSUB || !$cv->PADLIST->can('ARRAY');
    my $pad = ($cv->PADLIST->ARRAY)[1];
    return map { $_->object_2svref } grep { $_->isa('B::HV') || $_->isa('B::AV') } $pad ? $pad->ARRAY : ();
}

sub code_in {
    my ($ref, $depth) = @_;
    return $ref if ref $ref eq 'CODE';
    return if $depth > 2;
    return map { code_in($_, $depth + 1) } grep {ref} ref $ref eq 'HASH' ? values %$ref : ref $ref eq 'ARRAY' ? @$ref : ();
}

# With what the children told.
sub coverage {
    my ($last) = @_;
    my $counts = $old{'Devel::Cover::coverage'}->($last);
    return $counts if !$last || !open my $in, '<', $file;
    for my $more (records($in, 'c')) {
        for my $kind (keys %$more) {
            my ($into, $from) = ($counts->{$kind} //= {}, $more->{$kind});
            for my $place (keys %$from) {
                if (ref $from->{$place}) {
                    $into->{$place}[$_] += $from->{$place}[$_] // 0 for 0 .. $#{ $from->{$place} };
                }
                else {
                    $into->{$place} += $from->{$place};
                }
            }
        }
    }
    return $counts;
}

# By file: each statement as its line and how often it was reached; each branch as its line, what
# it asks, and how often it was so and not so.
sub write_all {
    my ($db) = @_;
    my $what = $db->{structure}{f};
    for my $run (values %{ $db->{runs} }) {
        my %told;
        for my $name (keys %{ $run->{count} }) {
            my $count = $run->{count}{$name};
            my $there = $what->{$name};
            $told{$name}{statement} = [ map { [ $there->{statement}[$_], $count->{statement}[$_] ] }
                0 .. $#{ $count->{statement} } ];
            $told{$name}{branch} = [ map { [ $there->{branch}[$_][0], $there->{branch}[$_][1]{text}, @{ $count->{branch}[$_] } ] }
                0 .. $#{ $count->{branch} // [] } ];
        }
        put(a => \%told);
    }
    return $db;
}

1;
