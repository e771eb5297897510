# FileCaps->find: the files of a tree that have capabilities or set-id bits.
use 5.014;
use warnings;

use lib 't/lib';
use Cwd qw(getcwd);
use Errno qw(EACCES EINVAL ELOOP ENOENT ENOSYS);
use File::Temp;
use POSIX ();
use Test::More;

use Linux::Prctl qw(:sets);
use Linux::Prctl::FileCaps;
use Seccomp qw(filter no_filter no_listener peek supervised);
use TestChild qw(in_child);

my $CLASS = 'Linux::Prctl::FileCaps';
my $dir   = File::Temp->newdir;
# On x86_64, as the filters.
my ($GETXATTRAT, $LGETXATTR, $OPENAT, $GETDENTS) = (464, 192, 257, 217);

sub dies_of {
    my ($code) = @_;
    return 'lived' if eval { $code->(); 1 };
    return $@ =~ s/ at \Q$0\E line \d+\.\n\z//r;
}

sub new_file {
    my ($path, $mode) = @_;
    open my $out, '>', $path or die "$path: $!\n";
    close $out or die "$path: $!\n";
    chmod $mode // 0644, $path or die "$path: $!\n";
    return $path;
}

# What is found, as text: path, capabilities, mode. What fails is found too.
sub found {
    my ($paths, %options) = @_;
    my @found;
    my $count = $CLASS->find(@$paths, {
        found => sub { my ($path, $caps, $mode) = @_; push @found, sprintf '%s %s %04o', $path, $caps // '-', $mode },
        error => sub { push @found, "error $_[1]" },
        %options,
    });
    push @found, "count $count" if $count != grep { !/\Aerror / } @found;
    return [ sort @found ];
}

# ---- a tree ----

my $tree = "$dir/tree";
my @directories = ($tree, "$tree/a", "$tree/a/b", "$tree/a/b/c", "$tree/empty", "$tree/with\nnewline", "$tree/\xe9", "$dir/outside");
mkdir $_ or die "mkdir: $!\n" for @directories;
new_file("$_/nothing") for @directories;
my @set_id = map { new_file($_->[0], $_->[1]) } [ "$tree/setuid", 04755 ], [ "$tree/a/setgid", 02755 ],
    [ "$tree/a/b/c/both", 06711 ], [ "$tree/with\nnewline/setuid", 04700 ], [ "$tree/\xe9/setuid", 04700 ];
new_file("$dir/outside/setuid", 04755);
symlink '../outside', "$tree/link-to-directory" or die "symlink: $!\n";
symlink '../outside/setuid', "$tree/link-to-file" or die "symlink: $!\n";
symlink 'nowhere', "$tree/dangling" or die "symlink: $!\n";
symlink '.', "$tree/a/loop" or die "symlink: $!\n";
POSIX::mkfifo("$tree/fifo", 0600) or die "fifo: $!\n";
chmod 02755, "$tree/empty" or die "chmod: $!\n";    # no file

my %expected = map { $_ => sprintf '%s %s %04o', $_, '-', (stat $_)[2] & 07777 } @set_id;
my $some     = $CLASS->from_text('cap_chown=ep');
my $can_set  = eval { $some->set("$tree/a/nothing"); 1 };
my $why_not  = "capabilities cannot be set here: $@";
my %with;
if ($can_set) {
    $some->set($_) for "$tree/a/b/nothing", "$tree/setuid", "$dir/outside/nothing";
    %with = map { $_ => sprintf '%s %s %04o', $_, $some, (stat $_)[2] & 07777 }
        "$tree/a/nothing", "$tree/a/b/nothing", "$tree/setuid";
}
my $all  = [ sort values %{ { %expected, %with } } ];
my $caps = [ sort values %with ];

is_deeply(found([$tree], set_id => 1), $all, 'set-id bits, and capabilities');
is_deeply(found([$tree]), $caps, 'capabilities alone');
is_deeply(found(["$tree/"], set_id => 1), $all, 'a slash at the end makes no second one');
is_deeply(found([ "$tree/a", "$tree/setuid", "$tree/a", "$tree/empty" ], set_id => 1),
    [ sort map { ($_) x (m{\A\Q$tree/a/\E} ? 2 : 1) } grep { m{\A\Q$tree\E/(?:a/|setuid )} } @$all ],
    'several paths, one of them twice, one a file');
is_deeply(found([ "$tree/fifo", "$tree/nothing" ], set_id => 1), [], 'a fifo and a file without any');
{
    my $before = getcwd();
    chdir $tree or die "chdir: $!\n";
    is_deeply(found(['.'], set_id => 1), [ sort map { s/\A\Q$tree\E/./r } @$all ], 'a path that is relative');
    chdir $before or die "chdir: $!\n";
}
SKIP: {
    skip 'a file of another user takes root', 1 if $>;
    my @owned;
    my $owned = new_file("$dir/outside/owned");
    chown 12, 34, $owned or skip 'ids that are not mapped', 1;
    chmod 06755, $owned or die "chmod: $!\n";
    $CLASS->find("$dir/outside/owned", { set_id => 1, found => sub { @owned = @_ } });
    is_deeply(\@owned, [ $owned, undef, 06755, 12, 34 ], 'the owner and the group are told');
    unlink $owned;
}
@Derived::ISA = $CLASS;
SKIP: {
    skip $why_not, 1 if !$can_set;
    Derived->find("$tree/a/nothing", { found => sub { is(ref $_[1], 'Derived', 'of the class that was asked') } });
}

# ---- one after the other ----

{
    my $search = $CLASS->find($tree, { set_id => 1 });
    my @found;
    while (my ($path, $caps, $mode, $uid, $gid) = $search->next) {
        push @found, sprintf '%s %s %04o', $path, $caps // '-', $mode;
        is_deeply([ $uid, $gid ], [ (stat $path)[ 4, 5 ] ], 'owner and group');
    }
    is_deeply([ sort @found ], $all, 'next gives the same');
    is_deeply([ $search->next ], [], 'and nothing when there is no more');
    is(scalar $search->next, undef, 'in scalar context undef');
    $search = $CLASS->find($tree, { set_id => 1 });
    my @paths;
    while (defined(my $path = $search->next)) { push @paths, $path }
    is_deeply([ sort @paths ], [ sort keys %{ { %expected, %with } } ], 'where it gives the path');
    my @both = map { $CLASS->find($tree, { set_id => 1 }) } 1, 2;
    my @seen = map { my $i = $_; map { scalar $both[ $_ % 2 ]->next // () } 1 .. 2 * @$all } 1;
    is(@seen, 2 * @$all, 'two at a time do not meet');
}

# ---- what cannot be looked at ----

mkdir "$dir/half" or die "mkdir: $!\n";
mkdir "$dir/half/$_" or die "mkdir: $!\n" for qw(closed open);
new_file("$dir/half/$_/setuid", 04755) for qw(closed open);
{
    local $! = 77;
    my @half = in_child {
        chmod 0, "$dir/half/closed" or die "chmod: $!\n";
        cap_effective()->clear;
        my ($error, $text);
        my $found = found(["$dir/half"], set_id => 1, error => sub { ($error, $text) = ($! + 0, "@_") });
        chmod 0700, "$dir/half/closed" or die "chmod: $!\n";
        ($found, $error, $text);
    };
    is_deeply($half[0], ["$dir/half/open/setuid - 4755"], 'a directory that cannot be read: the rest is');
    is($half[1], EACCES, 'with $!');
    is($half[2], qq{$dir/half/closed find("$dir/half/closed"): Permission denied}, 'it is told');
}
my $loop = do { local $! = ELOOP; "$!" };
for my $row (
    [ "$dir/nowhere", ENOENT, qq{find("$dir/nowhere"): No such file or directory} ],
    [ "$tree/a/loop", ELOOP, qq{find("$tree/a/loop"): $loop (it is a symbolic link: with follow => 1 it is followed)} ],
    [ "$tree/link-to-file", ELOOP, qq{find("$tree/link-to-file"): $loop (it is a symbolic link: with follow => 1 it is followed)} ],
) {
    my ($path, $errno, $text) = @$row;
    my @told;
    local $! = 77;
    is($CLASS->find($path, { set_id => 1, found => sub { }, error => sub { @told = ($! + 0, @_) } }), 0, 'nothing is found');
    is_deeply(\@told, [ $errno, $path, $text ], "a path that cannot be searched: $errno");
    my $warned = '';
    local $SIG{__WARN__} = sub { $warned .= $_[0] };
    is_deeply([ $CLASS->find($path)->next ], [], 'without code for that');
    like($warned, qr/\A\Q$text\E at \Q$0\E line \d+\.\n\z/, 'it is a warning');
    $warned = '';
    { no warnings 'Linux::Prctl'; () = $CLASS->find($path)->next }
    is($warned, '', 'of the category Linux::Prctl');
    { use Linux::Prctl ':fatal'; is(dies_of(sub { $CLASS->find($path)->next }), $text, 'or an exception') }
}
{
    is_deeply([ map { s/ .*//r } grep { !/nothing/ } @{ found([ "$tree/link-to-directory", "$tree/link-to-file" ], set_id => 1, follow => 1) } ],
        [ "$tree/link-to-directory/setuid", "$tree/link-to-file" ], 'follow => 1 takes what a path leads to');
    is_deeply(found([$tree], set_id => 1, follow => 1), $all, 'and no link below it');
}

# ---- file systems ----

sub in_namespaces {
    my ($setup, $code, @args) = @_;
    my @command = ('unshare', ($> ? '-Urm' : '-m'), 'sh', '-c', "$setup && exec \"\$@\"", 'sh',
        $^X, (map { "-I$_" } grep { !ref } @INC), '-MLinux::Prctl::FileCaps', '-e', $code, @args);
    my $pid = open(my $out, '-|') // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>', '/dev/null';
        exec @command or POSIX::_exit(127);
    }
    chomp(my @lines = <$out>);
    close $out;
    return @lines;
}

mkdir "$dir/mounts" or die "mkdir: $!\n";
mkdir "$dir/mounts/$_" or die "mkdir: $!\n" for qw(tmpfs proc plain);
new_file("$dir/mounts/plain/setuid", 04755);
SKIP: {
    my @lines = in_namespaces(
        "mount -t tmpfs none '$dir/mounts/tmpfs' && mount --rbind /proc '$dir/mounts/proc'"
            . " && touch '$dir/mounts/tmpfs/setuid' && chmod 4755 '$dir/mounts/tmpfs/setuid'",
        <<'END', "$dir/mounts");
        for my $one (0, 1) {
            my @found;
            Linux::Prctl::FileCaps->find($ARGV[0], { set_id => 1, one_file_system => $one,
                found => sub { push @found, $_[0] =~ s/\A\Q$ARGV[0]\E//r }, error => sub { push @found, "error: $_[1]" } });
            print join(' ', sort @found), "\n";
        }
END
    skip 'no mounts here', 2 if @lines < 2;
    is($lines[0], '/plain/setuid /tmpfs/setuid', 'what is mounted below is searched, but for proc');
    is($lines[1], '/plain/setuid', 'one_file_system leaves it out');
}
SKIP: {
    skip no_listener(), 2 if length no_listener();
    for my $pseudo (grep { -d } '/proc', '/sys') {
        my ($calls, $found) = supervised([$OPENAT], sub { return }, sub { found([$pseudo], set_id => 1) });
        is_deeply([ scalar @$calls, $found ], [ 1, [] ], "$pseudo is not entered");
    }
    my ($calls) = supervised([$OPENAT], sub { return }, sub { found([ $tree, "$dir/outside" ]) });
    is(scalar(grep { !($_->{args}[2] & 02000000) } @$calls), 0, 'no directory is open in a program that is started meanwhile');
}

# ---- a kernel without getxattrat(2) ----

SKIP: {
    skip no_filter(), 4 if no_filter();
    is_deeply([ in_child { filter([ $GETXATTRAT => ENOSYS ]); found([ $tree, "$tree/a/nothing" ], set_id => 1) } ],
        [ [ sort @$all, grep { m{/a/nothing } } @$all ] ], 'without getxattrat(2) it is the same');
    my ($found) = in_child {
        filter([ $GETXATTRAT => ENOSYS ], [ $LGETXATTR => EINVAL ]);
        found(["$dir/half"]);
    };
    is_deeply($found, [ map { qq{error find("$dir/half/$_/setuid"): Invalid argument (its attribute is malformed,}
                . ' or of version 1 and this kernel hides it)' } qw(closed open) ], 'attributes that cannot be read are told');
    my $said = in_child { filter([ $GETXATTRAT => ENOSYS ], [ 137 => ENOENT ]); dies_of(sub { $CLASS->find($tree) }) };
    is($said, 'find(): No such file or directory (a path needs /proc; a handle does not)', 'but it takes /proc') ;
}

# ---- a tree that changes ----

sub beside {
    my ($code) = @_;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        my $parent = getppid;
        while (getppid == $parent) { $code->() }
        POSIX::_exit(0);
    }
    return $pid;
}

mkdir "$dir/moving" or die "mkdir: $!\n";
mkdir "$dir/moving/$_" or die "mkdir: $!\n" for 'a' .. 'e';
{
    my $pid = beside(sub {
        for my $name ('a' .. 'e') {
            my $path = "$dir/moving/$name";
            mkdir "$path/x";
            new_file("$path/x/setuid", 04755);
            rename "$path/x", "$path/y";
            symlink '../../outside', "$path/x";
            unlink "$path/y/setuid", "$path/x";
            rmdir "$path/y";
        }
    });
    my (%errors, %strange);
    my $seen = 0;
    for my $round (1 .. 50_000) {
        last if $seen >= 100 && $round > 1_000;
        $CLASS->find("$dir/moving", { set_id => 1,
            found => sub { $seen++; $strange{ $_[0] }++ if $_[0] !~ m{\A\Q$dir\E/moving/[a-e]/[xy]/setuid\z} || $_[1] },
            error => sub { $errors{ $_[1] }++ } });
    }
    kill KILL => $pid;
    waitpid $pid, 0;
    is_deeply([ \%errors, \%strange ], [ {}, {} ], 'files that come and go, and links in the place of directories, are no error');
    note "seen $seen files";
}

# The same, to the point: something is put in the place of an entry after it was read and
# before it is opened or asked for its attribute.
sub found_while {
    my ($syscall, $name, $change) = @_;
    my $there = "$dir/there";
    system('rm', '-rf', $there) == 0 or die "rm failed\n";
    mkdir $_ or die "mkdir: $!\n" for $there, "$there/directory";
    new_file($_, 04755) for "$there/directory/setuid", "$there/file", "$there/other";
    my $changed = 0;
    my $answer = sub {
        my ($call) = @_;
        my ($asked) = peek($call, $call->{args}[1], 16) =~ /\A([^\0]*)/;
        return if $asked ne $name || $changed++;
        rename "$there/$name", "$dir/taken" . rand or die "rename: $!\n";
        $change->("$there/$name");
        return;
    };
    my (undef, $found) = supervised([$syscall], $answer, sub { found([$there], set_id => 1) });
    return [ $changed, map { s{\Q$there/\E}{}gr } @$found ];
}
SKIP: {
    skip no_listener(), 9 if length no_listener();
    my $to = sub { my ($target) = @_; return sub { symlink $target, $_[0] or die "symlink: $!\n" } };
    my @others = ('directory/setuid - 4755', 'other - 4755');
    is_deeply(found_while($OPENAT, 'directory', sub { }), [ 1, 'file - 4755', 'other - 4755' ], 'a directory that goes away');
    is_deeply(found_while($OPENAT, 'directory', $to->('../outside')), [ 1, 'file - 4755', 'other - 4755' ],
        'a link in the place of a directory');
    is_deeply(found_while($OPENAT, 'directory', \&new_file), [ 1, 'file - 4755', 'other - 4755' ], 'a file in its place');
    # Since 6.13; or newfstatat(2), which asks for the bits.
    my $has = syscall($GETXATTRAT, -1, 0, 0, 0, 0, 0) == -1 && $! != ENOSYS;
    for my $syscall (($GETXATTRAT) x $has, 262) {
        is_deeply(found_while($syscall, 'file', sub { }), [ 1, @others ], "$syscall: a file that goes away");
        is_deeply(found_while($syscall, 'file', $to->('../outside/setuid')), [ 1, @others ],
            "$syscall: a link in the place of a file");
        is_deeply(found_while($syscall, 'file', sub { mkdir $_[0] and chmod 06755, $_[0] or die "mkdir: $!\n" }), [ 1, @others ],
            "$syscall: a directory in its place");
    }
}

# A file system that does not tell what its entries are.
SKIP: {
    skip no_listener(), 1 if length no_listener();
    my ($NEWFSTATAT, $refuse) = (262, '');
    my %done;
    my $answer = sub {
        my ($call) = @_;
        if ($call->{syscall} eq $NEWFSTATAT) {
            my ($name) = peek($call, $call->{args}[1], 16) =~ /\A([^\0]*)/;
            return $name eq $refuse ? { errno => EACCES } : undef;
        }
        my $path = readlink "/proc/$call->{pid}/fd/$call->{args}[0]" or die "readlink: $!\n";
        return if $path !~ m{\A\Q$tree\E(?:/|\z)};
        return { value => 0 } if $done{$path}++;
        opendir my $in, $path or die "$path: $!\n";
        my $entries = '';
        while (defined(my $name = readdir $in)) {
            my $length = 8 * int((19 + length($name) + 8) / 8);
            $entries .= pack "a$length", pack 'Q q S C Z*', 1, 0, $length, 0, $name;
        }
        return { value => length $entries, write => { $call->{args}[1] => $entries } };
    };
    my ($calls, $found) = supervised([$GETDENTS], $answer, sub { found([$tree], set_id => 1) });
    is_deeply($found, $all, 'a file system that does not tell types');
    %done   = ();
    $refuse = 'setgid';
    (undef, $found) = supervised([ $GETDENTS, $NEWFSTATAT ], $answer, sub { found([$tree], set_id => 1) });
    is_deeply($found, [ sort qq{error find("$tree/a/setgid"): Permission denied}, grep { !m{/a/setgid } } @$all ],
        'nor this one');
}

# ---- deeper than a path, and than there are descriptors ----

SKIP: {
    my $deep = "$dir/deep";
    my $made = in_child {
        mkdir $deep and chdir $deep or die "$deep: $!\n";
        for (1 .. 1500) {
            mkdir $_ or die "mkdir: $!\n" for 'down', 'side';
            chdir 'down' or die "chdir: $!\n";
        }
        new_file('setuid', 04755);
        1;
    };
    my $code = <<'END';
        my ($found, @errors);
        Linux::Prctl::FileCaps->find($ARGV[0], { set_id => 1, found => sub { $found = $_[0] }, error => sub { push @errors, $_[1] } });
        print length($found) - length $ARGV[0], "\n", scalar @errors, "\n", @errors;
END
    # One after the other: while one file is loaded for another, each has a descriptor.
    my @perl = ($^X, (map { "-I$_" } grep { !ref } @INC), qw(-mvars -mDynaLoader -MLinux::Prctl::FileCaps -e), $code, $deep);
    for my $limit ('', 'ulimit -n 8;') {
        my $pid = open(my $out, '-|', 'sh', '-c', "$limit exec \"\$@\"", 'sh', @perl) // die "fork: $!\n";
        chomp(my @lines = <$out>);
        is_deeply(\@lines, [ 1500 * 5 + 7, 0 ], "1500 directories deep $limit");
    }
    # The way back is gone: what is left above is told.
    my $search = $CLASS->find($deep, { set_id => 1, error => sub { note $_[1] } });
    is(length(scalar $search->next) - length $deep, 1500 * 5 + 7, 'next, down there');
    system('rm', '-rf', $deep) == 0 or die "rm failed\n";
    is_deeply([ $search->next ], [], 'and there is an end when it is removed meanwhile');
}
{
    my $moved = "$dir/moved";
    my @path  = ($moved);
    push @path, "$path[-1]/d" for 1 .. 100;
    my $beside = sub {
        my ($where) = @_;
        mkdir $where or die "mkdir: $!\n";
        new_file("$where/setuid", 04755);
    };
    # Beside each, names that a file system sorts before or behind, older and newer ones.
    mkdir $path[0] or die "mkdir: $!\n";
    for my $depth (0 .. 99) {
        $beside->("$path[$depth]/z$depth");
        mkdir $path[ $depth + 1 ] or die "mkdir: $!\n";
        $beside->("$path[$depth]/a$depth");
    }
    new_file("$path[-1]/setuid", 04755);
    my @away = ("$dir/away");    # where a search would be that is lost
    push @away, "$away[-1]/d" for 1 .. 20;
    mkdir $_ or die "mkdir: $!\n" for @away;
    for my $depth (0 .. 19) {
        for my $name ("z$depth", "a$depth") {
            mkdir "$away[$depth]/$name" or die "mkdir: $!\n";
            new_file("$away[$depth]/$name/setuid", 04711);
        }
    }
  SKIP: {
        skip no_listener(), 1 if length no_listener();
        my ($calls, $found) = supervised([$OPENAT], sub { return }, sub { found([$moved], set_id => 1) });
        is_deeply([ scalar @$found, grep { !($_->{args}[2] & 02000000) } @$calls ], [201],
            'also the ways back are closed in a program that is started meanwhile');
    }
    my @errors;
    my $search = $CLASS->find($moved, { set_id => 1, error => sub { push @errors, $_[1] } });
    my @found;
    my %mode;
    while (my ($path, undef, $mode) = $search->next) {
        push @found, $path;
        $mode{$mode}++;
        rename $path[20], "$away[19]/x" if $path eq "$path[-1]/setuid";
    }
    is_deeply([ scalar(grep { m{/[az](?:[2-9].)/} } @found), scalar(grep { !/Stale file handle/ } @errors) ], [ 160, 0 ],
        'a directory that is moved away: what is in it is found');
    cmp_ok(scalar @errors, '>', 0, 'what is left above it is told');
    is_deeply([ keys %mode ], [04755], 'and nothing is looked for where it is now');
    system('rm', '-rf', $moved, $away[0]) == 0 or die "rm failed\n";
}

# ---- what goes wrong in the caller ----

sub descriptors { my @fds = glob '/proc/self/fd/*'; return scalar @fds }
{
    my $before = descriptors();
    for (1 .. 20) {
        is(dies_of(sub { $CLASS->find($tree, { set_id => 1, found => sub { die "enough\n" } }) }), "enough\n", 'code that dies')
            if $_ == 1;
        eval { $CLASS->find($tree, { set_id => 1, found => sub { die "enough\n" } }) };
        eval { $CLASS->find("$dir/nowhere", { error => sub { die "enough\n" } })->next };
        my $search = $CLASS->find($tree, { set_id => 1 });
        $search->next;
    }
    is(descriptors(), $before, 'leaves no directory open, nor does a search that is not ended');
}
{
    my $search;
    $search = $CLASS->find("$dir/nowhere", $tree, { set_id => 1, error => sub { undef $search } });
    ok(defined $search->next, 'code for errors that gives the search up');
    my @inner;
    my $outer = 0;
    $CLASS->find($tree, { set_id => 1, found => sub { $outer++; @inner = @{ found([$tree], set_id => 1) }; my @stack = map { [$_] } 1 .. 1000; return @stack } });
    is_deeply([ $outer, \@inner ], [ scalar @$all, $all ], 'code that searches itself');
    my @again;
    $search = $CLASS->find("$dir/nowhere", $tree, { set_id => 1, error => sub { push @again, scalar $search->next } });
    while (defined(my $path = $search->next)) { push @again, $path }
    is_deeply([ sort @again ], [ sort keys %{ { %expected, %with } } ], 'code for errors that goes on');
}
SKIP: {
    skip 'this perl has no threads', 2 if !eval { require threads; 1 };
    my ($said, $rest) = in_child {    # where the end of a thread removes no directory
        my $search = $CLASS->find($tree, { set_id => 1 });
        $search->next;
        my $said = threads->create(sub { dies_of(sub { $search->next }) })->join;
        my $rest = 0;
        $rest++ while defined $search->next;
        ($said, $rest);
    };
    is($said, 'next: the search belongs to another thread', 'a search belongs to its thread');
    is($rest, @$all - 1, 'which goes on with it');
}

# A search of many files lets a handler of a signal run long before its end.
SKIP: {
    skip no_listener(), 1 if length no_listener();
    my $files = 3000;
    mkdir "$dir/many" or die "mkdir: $!\n";
    new_file("$dir/many/$_") for 1 .. $files;
    my $first  = 1;
    # The call that the signal interrupts may be gone when it is answered.
    local $SIG{__WARN__} = sub { warn $_[0] if $_[0] !~ /\Aanswer to / };
    my $answer = sub { my ($call) = @_; kill USR1 => $call->{pid} if $first; $first = 0; return };
    my ($calls, $said) = supervised([$GETXATTRAT], $answer, sub {
        local $SIG{USR1} = sub { die "a signal\n" };
        dies_of(sub { found(["$dir/many"]) });
    });
    is($said, "a signal\n", 'a handler of a signal can end a search');
    cmp_ok(scalar @$calls, '<', $files, 'before it is at its end');

    # One that returns leaves the search as it is, also where it interrupts a call.
    my %seen;
    $answer = sub {
        my ($call) = @_;
        kill USR1 => $call->{pid} if $seen{ $call->{syscall} }++ % 5 == 1;
        return;
    };
    (undef, my $found, my $handled) = supervised([ $GETXATTRAT, $OPENAT, $GETDENTS, 262 ], $answer, sub {
        my $handled = 0;
        local $SIG{USR1} = sub { $handled++ };
        (found([$tree], set_id => 1), $handled);
    });
    is_deeply($found, $all, 'a search that signals interrupt finds the same');
    cmp_ok($handled, '>', 0, 'and they are handled');
}

# ---- bad input ----

for my $row (
    [ 'no path', [], 'Usage: Linux::Prctl::FileCaps->find(path, ..., { option => value, ... })' ],
    [ 'options alone', [ {} ], 'Usage: Linux::Prctl::FileCaps->find(path, ..., { option => value, ... })' ],
    [ 'undef', [undef], 'find: path undef is not a string' ],
    [ 'a NUL', ["$tree\0"], qq{find: path "$tree\\0" has a NUL in it} ],
    [ 'another option', [ $tree, { xdev => 1 } ], 'find: the option "xdev" is none of found, error, set_id, one_file_system, follow' ],
    [ 'no code', [ $tree, { found => 1 } ], 'find: found 1 is not a reference to code' ],
    [ 'no code for errors', [ $tree, { error => 'x' } ], 'find: error "x" is not a reference to code' ],
) {
    my ($what, $args, $text) = @$row;
    local $! = 77;
    is(dies_of(sub { $CLASS->find(@$args) }), $text, "bad input: $what");
    is($! + 0, EINVAL, 'and $! is EINVAL');
}
like(dies_of(sub { $CLASS->find($tree, { 'found\0' => sub { } }) }), qr/the option/, 'bad input: an option with a NUL');
like(dies_of(sub { Linux::Prctl::FileCaps::Search::next($_) }), qr/\Anext: .* is not a search\z/, 'no search')
    for undef, 1, [], bless([], 'Linux::Prctl::FileCaps::Search'), $CLASS;
{
    local $! = 7;
    found([$tree], set_id => 1);
    is($! + 0, 7, 'success leaves $! alone');
}

done_testing;
