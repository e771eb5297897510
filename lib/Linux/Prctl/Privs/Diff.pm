package Linux::Prctl::Privs::Diff;

# privs diff: of two processes, or of two inventories that "ps --json" or "files --json"
# has made.
use 5.014;
use warnings;

use Linux::Prctl::Privs qw(complain misuse sentence);
use Linux::Prctl::Privs::Files qw(file_text);
use Linux::Prctl::Privs::Output qw(json paint printable table width wrap);
use Linux::Prctl::Privs::Processes qw(process record);
use Linux::Prctl::Privs::Words qw(group_text list_text set_text user_text);

my @SETS  = qw(effective permitted inheritable bounding ambient);
my @SLOTS = qw(real effective saved fs);

# ---- what is more in the second of two ----

# A change is what it is about, and texts of what came and what went.

sub _without {
    my ($list, $others) = @_;
    my %other = map { $_ => 1 } @$others;
    return [ grep { !$other{$_} } @$list ];
}

sub _change {
    my ($what, $gained, $lost) = @_;
    return if !length $gained && !length $lost;
    return { what => $what, gained => $gained, lost => $lost };
}

sub _lists {
    my ($what, $text, $from, $to) = @_;
    my ($gained, $lost) = map { @$_ ? $text->($_) : '' } _without($to, $from), _without($from, $to);
    return _change($what, $gained, $lost);
}

# Full sets in somebody's own user namespace are not full here.
sub _caps {
    my ($process, $set) = @_;
    return [] if !($process->{user_ns}{ours} // 1);
    return $process->{caps}{$set} // [];
}

# A gid is as good as a group.
sub _groups {
    my ($process) = @_;
    my %groups = map { my $copy = $_; ($copy => 1) } @{ $process->{groups} // [] }, values %{ $process->{gid} // {} };
    return [ sort { $a <=> $b } keys %groups ];
}

sub _seccomp_text {
    my ($process) = @_;
    my $mode    = $process->{seccomp} // 'disabled';
    my $filters = $process->{seccomp_filters} // 0;
    return $mode ne 'filter' ? $mode : $filters > 1 ? "$filters filters" : 'a filter';
}

# How much it holds back.
sub _seccomp_rank {
    my ($process) = @_;
    my $mode = $process->{seccomp} // 'disabled';
    return $mode eq 'strict' ? 1e9 : $mode eq 'filter' ? $process->{seccomp_filters} || 1 : 0;
}

# In whose place one stands that was not there before: it had no capability and was not
# root, and about the rest there is nothing to compare with.
my $NOBODY = { uid => { map { $_ => 65534 } @SLOTS } };

sub _uid_changes {
    my ($from, $to) = @_;
    my @changes;
    for my $slot (@SLOTS) {
        my ($before, $after) = map { $_->{uid}{$slot} } $from, $to;
        next if $before == $after;
        push @changes, $after ? _change("$slot uid", '', "$before, now $after") : _change("$slot uid", "0, before $before", '');
    }
    return @changes;
}

sub _set_changes {
    my ($from, $to, @sets) = @_;
    return map { _lists($_, \&set_text, _caps($from, $_), _caps($to, $_)) } @sets;
}

# What one is kept from; the smaller, the better for it.
sub _less {
    my ($what, $from, $to, $if_less, $if_more) = @_;
    return _change($what, $to < $from ? $if_less : '', $to > $from ? $if_more : '');
}

sub _process_changes {
    my ($from, $to) = @_;
    my $text = 'system calls: ' . _seccomp_text($to) . ', before ' . _seccomp_text($from);
    return (
        _uid_changes($from, $to),
        _set_changes($from, $to, @SETS),
        _lists(groups => sub { list_text(map { group_text($_) } @{ $_[0] }) }, map { _groups($_) } $from, $to),
        _less('from execve', map({ $_->{no_new_privs} // 0 } $from, $to),
            'privileges (no_new_privs is not set)', 'privileges (no_new_privs is set)'),
        _less(seccomp => map({ _seccomp_rank($_) } $from, $to), $text, $text),
    );
}

# Of one that was not there before.
sub _new_process {
    my ($process) = @_;
    my @root = grep { !$process->{uid}{$_} } @SLOTS;
    return ((map { _change("$_ uid", '0', '') } @root),
        _set_changes($NOBODY, $process, grep { $_ ne 'bounding' } @SETS));
}

# Others than the owner may execute it, or write to it.
my $OTHERS_MAY = 0033;

sub _file_changes {
    my ($from, $to) = @_;
    my ($old, $new) = map { $_->{caps} // {} } $from, $to;
    my @bits = map { oct($_->{mode} // 0) } $from, $to;
    my @changes = map { _lists($_, \&set_text, $old->{$_} // [], $new->{$_} // []) } qw(permitted inheritable);
    push @changes, _less(effective => map({ $_->{effective} ? 0 : 1 } $old, $new), 'at once', 'at once');
    push @changes, _change(rootid => "$new->{rootid}, before $old->{rootid}", '')
        if %$old && %$new && $old->{rootid} != $new->{rootid};
    push @changes, _runs_as('set-uid', \&user_text, map { $bits[$_] & 04000 ? ($from, $to)[$_]{uid} : undef } 0, 1);
    push @changes, _runs_as('set-gid', \&group_text, map { $bits[$_] & 02000 ? ($from, $to)[$_]{gid} : undef } 0, 1);
    push @changes, _change(mode => sprintf('%04o, before %04o', reverse @bits), '')
        if %$from && $bits[1] & ~$bits[0] & $OTHERS_MAY;
    return @changes;
}

# Whom a set-id bit makes of who executes it, if there is one.
sub _runs_as {
    my ($what, $text, @ids) = @_;
    my ($before, $after) = map { defined $_ ? $text->($_) : '' } @ids;
    return $before eq $after ? () : _change($what, $after, $after eq '' ? $before : '');
}

# ---- two processes ----

sub _processes {
    my ($option, @pids) = @_;
    my ($from, $to) = map { record(process($_)) } @pids;
    my @changes = _process_changes($from, $to);
    my $more = grep { length $_->{gained} } @changes;
    if ($option->{json}) {
        print json({ from => $from, to => $to, changes => \@changes, gained => $more ? 1 : 0 }), "\n";
    }
    else {
        my @names = map { "$_->{pid} (" . printable($_->{name}) . ')' } $from, $to;
        print @changes ? _table('', @changes) : "No difference between $names[0] and $names[1].\n";
        print paint(bold => "$names[1] may do what $names[0] may not."), "\n" if $more;
    }
    return $more ? 1 : 0;
}

sub _table {
    my ($title, @changes) = @_;
    return table([ $title, 'CHANGE' ], map {
        my $change = $_;
        [ $change->{what}, join '; ', map { length $change->{$_} ? paint($_ eq 'gained' ? 'more' : 'less', $_) . " $change->{$_}" : () } qw(gained lost) ]
    } @changes);
}

# ---- two inventories ----

my %LIST = (ps => 'processes', files => 'files');

sub _inventory {
    my ($file) = @_;
    my $shown = $file eq '-' ? 'standard input' : printable($file);
    my $in = \*STDIN;
    if ($file ne '-') {
        undef $in;
        open $in, '<:raw', $file or misuse("$shown: $!.");
    }
    my $text = do { local $/; readline $in };
    misuse("$shown: $!.") if !defined $text;
    require JSON::PP;
    my $data = eval { JSON::PP->new->utf8->decode($text) };
    misuse("$shown is no inventory of privs: " . ($@ ? sentence($@) : 'it is JSON of something else') . '.')
        if ref $data ne 'HASH' || !$LIST{ $data->{privs} // '' } || ref $data->{ $LIST{ $data->{privs} } } ne 'ARRAY';
    my @odd = grep { ref $_ ne 'HASH' || ref $_->{uid} ne 'HASH' && !(defined $_->{path} && defined $_->{mode}) }
        @{ $data->{ $LIST{ $data->{privs} } } };
    misuse("$shown is no inventory of privs: something in it is about no process or file.") if @odd;
    misuse("$shown is of a later privs than this.") if $data->{format} != 1;
    complain("$shown is not complete: not all could be read when it was made.") if !$data->{complete};
    $data->{shown} = $shown;
    return $data;
}

# They must be of one thing.
sub _comparable {
    my ($from, $to) = @_;
    misuse("$from->{shown} is of $LIST{ $from->{privs} }, and $to->{shown} of $LIST{ $to->{privs} }.")
        if $from->{privs} ne $to->{privs};
    for my $key (qw(paths set_id one_file_system all threads with)) {
        my ($old, $new) = map { json($_->{$key}) } $from, $to;
        misuse("$from->{shown} and $to->{shown} were made with different options.") if $old ne $new;
    }
    return;
}

# By what a process is known again: its program, not its number. One that was replaced by
# a newer one is still the same.
sub _program {
    my ($process) = @_;
    return ($process->{exe} // $process->{name}) =~ s/ \(deleted\)\z//r;
}

sub _identity {
    my ($process) = @_;
    return join "\0", _program($process), $process->{unit} // '';
}

# What it has gained: of all the old ones that it may be, from that from which it is least.
sub _process_gains {
    my ($old, $new) = @_;
    return _new_process($new) if !$old;
    my ($least) = sort { @$a <=> @$b } map { [ grep { length $_->{gained} } _process_changes($_, $new) ] } @$old;
    return @$least;
}

sub _gained_processes {
    my ($from, $to) = @_;
    my (%old, @found, %same);
    push @{ $old{ _identity($_) } }, $_ for @{ $from->{processes} };
    for my $process (@{ $to->{processes} }) {
        my $old = $old{ _identity($process) };
        my @gains = _process_gains($old, $process) or next;
        my $name = printable(_bytes(_program($process)));
        my $key  = json([ $name, \@gains ]);
        if (!$same{$key}) {
            push @found, $same{$key} = { subject => $name, new => $old ? 0 : 1, changes => \@gains,
                uid => $process->{uid}{effective}, pids => [] };
        }
        push @{ $same{$key}{pids} }, $process->{tid} // $process->{pid};
    }
    return @found;
}

sub _gained_files {
    my ($from, $to) = @_;
    my %old = map { $_->{path} => $_ } @{ $from->{files} };
    my @found;
    for my $file (@{ $to->{files} }) {
        my $old = $old{ $file->{path} };
        my @gains = grep { length $_->{gained} } _file_changes($old // {}, $file) or next;
        push @found, { subject => printable(_bytes($file->{path})), new => $old ? 0 : 1, changes => \@gains,
            now => file_text(oct $file->{mode}, $file->{uid}, $file->{gid}, $file->{caps}) };
    }
    return @found;
}

# Text of JSON, which anybody may have written.
sub _bytes {
    my ($text) = @_;
    utf8::encode($text);
    return $text;
}

sub _inventories {
    my ($option, @files) = @_;
    my ($from, $to) = map { _inventory($_) } @files;
    _comparable($from, $to);
    my @found = $to->{privs} eq 'ps' ? _gained_processes($from, $to) : _gained_files($from, $to);
    if ($option->{json}) {
        print json({ privs => 'diff', format => 1, of => $to->{privs} }) =~ s/\}\z//r,
            qq(,"gained":[\n), join(",\n", map { json($_) } @found), "\n]}\n";
        return @found ? 1 : 0;
    }
    for my $one (@found) {
        my $about = $one->{pids}
            ? ' (' . ($one->{pids}[1] ? 'processes ' : 'process ') . list_text(@{ $one->{pids} }) . ', ' . user_text($one->{uid}) . ')' : '';
        print paint(bold => $one->{subject}), $about, $one->{new} ? ' is new' : ' has gained', "\n",
            map { _indented("$_->{what}: $_->{gained}") } @{ $one->{changes} };
    }
    return @found ? 1 : 0;
}

sub _indented {
    my ($text) = @_;
    my @lines = wrap(width() - 8, $text);
    return '    ' . join("\n        ", @lines) . "\n";
}

# ---- the command ----

sub diff {
    my ($option, @two) = @_;
    misuse('It takes two process ids, or two inventories.') if @two != 2;
    return _processes($option, @two) if @two == grep { /\A[0-9]+\z/ } @two;
    return _inventories($option, @two);
}

1;
