# privs files, beside getcap(8) and the files themselves.
use 5.014;
use warnings;

use lib 't/lib';

use File::Temp;
use Linux::Prctl::FileCaps;
use PrivsTest qw(run privs command nobodys nobody_can_run in_namespaces written data);
use Test::More;

my $dir = File::Temp->newdir;
chmod 0755, $dir or die "$dir: $!\n";
mkdir "$dir/$_" or die "$_: $!\n" for 'a', 'a/deep', 'b c', 'shut';
my %caps = (
    'a/one'          => 'cap_net_raw=ep',
    'a/deep/two'     => 'cap_chown=ei',
    'b c/three four' => '=p',
    'shut/five'      => 'cap_kill=p',
    'a/six'          => 'cap_kill=ep rootid=1000',
    'a/none'         => undef,
);

my $cannot;
for my $name (sort { $a =~ /six/ <=> $b =~ /six/ } keys %caps) {
    written("$dir/$name");
    next if !$caps{$name} || $cannot;
    eval { Linux::Prctl::FileCaps->from_text($caps{$name})->set("$dir/$name"); 1 } or $cannot = $@;
}
if ($cannot && $cannot =~ /root id/) {    # a user namespace may have no user but root
    delete $caps{'a/six'};
    undef $cannot;
}
symlink 'a/one', "$dir/link" or die "symlink: $!\n";

# The file and what it gives, of each row.
sub rows {
    my ($table) = @_;
    my ($title, @lines) = split /\n/, $table;
    my $start = index $title, 'WHAT';
    my (%row, $file);
    for my $line (@lines) {
        my $what;
        if ($line =~ /\A\S/) {
            ($file, $what) = $line =~ /\A(\S.*?)(?: {2,}(\S.*))?\z/;
            $row{$file} = $what // '';
        }
        else {
            $row{$file} .= ($row{$file} eq '' ? '' : ' ') . $line =~ s/\A +//r;
        }
    }
    return \%row;
}

SKIP: {
    skip "capabilities cannot be set here: $cannot", 10 if $cannot;
    my ($out, $err, $status) = privs('files', $dir);
    is("$err$status", '0', 'files: done');
    is_deeply(rows($out), {
        "$dir/a/one"          => 'net_raw',
        "$dir/a/deep/two"     => 'to whom has it inheritable: chown',
        "$dir/b c/three four" => 'all (not effective at once)',
        "$dir/shut/five"      => 'kill (not effective at once)',
        $caps{'a/six'} ? ("$dir/a/six" => 'kill; only where user 1000 is root') : (),
    }, 'files: what each gives');
    my @files = map { /\A(\S\S*)/ ? $1 : () } (split /\n/, $out)[ 1 .. 4 ];
    is_deeply(\@files, [ sort @files ], 'files: sorted');
    my ($json) = privs('files', '--json', $dir);
    my $data = data($json);
    is_deeply([ map { $_->{path} } @{ $data->{files} } ], [ sort map { "$dir/$_" } grep { $caps{$_} } keys %caps ],
        'files --json: those files, sorted');
    ok($data->{complete}, 'files --json: complete');
    is_deeply($data->{files}[1], { path => "$dir/a/one", mode => sprintf('%04o', (stat "$dir/a/one")[2] & 07777),
            uid => $>, gid => (split ' ', $))[0],
            caps => { permitted => ['net_raw'], inheritable => [], effective => 1, rootid => 0 } },
        'files --json: all about one');
    is((privs('files', '--json', $dir))[0], $json, 'files --json: the same again');
    is_deeply(rows((privs('files', "$dir/a/one", "$dir/a/none"))[0]), { "$dir/a/one" => 'net_raw' }, 'files FILE');
    mkdir "$dir/bare" or die "bare: $!\n";
    Linux::Prctl::FileCaps->from_text('=')->set(written("$dir/bare/x"));
    is_deeply(rows((privs('files', "$dir/bare"))[0]), { "$dir/bare/x" => 'nothing, but its ambient set is cleared' },
        'files: an attribute with nothing in it');

  SKIP: {
        skip 'no getcap', 1 if system('command -v getcap >/dev/null 2>&1') != 0;
        my @where = ("$dir", grep { -d && !-l } '/bin', '/sbin', '/usr/bin', '/usr/sbin', '/usr/lib');
        my %ours = map { $_->{path} => 1 } @{ data((privs('files', '--json', @where))[0])->{files} };
        my ($theirs) = run('getcap', '-r', @where);
        my %theirs = map { /\A(.*?)(?: =)? \S*[+=]\S*(?: \[rootid=\d+\])?\z/ ? ($1 => 1) : () } split /\n/, $theirs;
        is_deeply(\%ours, \%theirs, 'getcap -r finds the same');
    }
}

# ---- set-id bits ----

chmod 04755, "$dir/a/none" or die "chmod: $!\n";
chmod 02711, "$dir/b c/three four" or die "chmod: $!\n";
{
    my ($out, $err, $status) = privs('files', '--set-id', "$dir/a/none");
    my $user = getpwuid($>) // $>;
    is_deeply(rows($out), { "$dir/a/none" => "runs as user $user" }, 'files --set-id: a set-user-id bit');
    my $group = getgrgid((stat "$dir/b c/three four")[5]) // (stat _)[5];
    my $more = $cannot ? '' : '; all (not effective at once)';
    is_deeply(rows((privs('files', '--set-id', "$dir/b c"))[0]),
        { "$dir/b c/three four" => "runs as group $group$more" }, 'files --set-id: a set-group-id bit, and both');
    is((privs('files', "$dir/a/none"))[2], 1, 'files: without it there is nothing');
    is(data((privs('files', '--set-id', '--json', "$dir/a/none"))[0])->{files}[0]{mode}, '4755', 'files --json: the mode');
}

# ---- what is not there, or cannot be read ----

{
    my ($out, $err, $status) = privs('files', "$dir/nowhere", "$dir/a/none", "$dir/link", '--set-id');
    is($status, 1, 'files of what is not there: 1');
    like($err, qr{\Aprivs files: \Q$dir\E/nowhere: No such file or directory\.\nprivs files: \Q$dir\E/link: .*\.\n\z},
        'files: a sentence for each');
    is_deeply([ keys %{ rows($out) } ], ["$dir/a/none"], 'files: and the rest of the work is done');
    ok(!data((privs('files', "$dir/nowhere", '--json'))[0])->{complete}, 'files --json: not complete');
    mkdir "$dir/empty" or die "empty: $!\n";
    ($out, $err, $status) = privs('files', "$dir/empty", '--json');
    is_deeply([ data($out)->{files}, $err, $status ], [ [], "privs files: There is none.\n", 1 ], 'files: of nothing');
    ($out, $err, $status) = privs('files', '--bogus');
    is("$out$err$status", "privs files: There is no option --bogus.\n2", 'files: an unknown option');
}
SKIP: {
    skip 'this user cannot read the program', 3 if !nobody_can_run();
    chmod 0700, "$dir/shut" or die "chmod: $!\n";
    chmod 0, "$dir/shut" or die "chmod: $!\n" if $>;
    my ($out, $err, $status) = run(nobodys('files', '--set-id', "$dir"));
    is($status, 1, 'plain user: a directory that cannot be read: 1');
    like($err, qr{\Aprivs files: \Q$dir\E/shut: Permission denied\.\n\z}, 'plain user: a sentence');
    ok(rows($out)->{"$dir/a/none"}, 'plain user: and the rest of the work is done');
    chmod 0700, "$dir/shut";
}

# ---- names that are made to deceive ----

{
    my $evil = "$dir/\e]0;x\a\xff\n";
    written($evil);
    chmod 04755, $evil or die "chmod: $!\n";
    for my $locale (qw(C C.UTF-8)) {
        local $ENV{LC_ALL} = $locale;
        my ($out) = privs('files', '--set-id', "$dir", '--color=never');
        unlike($out, qr/[^ -~\n]/, "$locale: files: nothing that a terminal acts on");
        like($out, qr{^\Q$dir\E/\\x1b\]0;x\\x07\\xff\\x0a\b}m, "$locale: files: the name is spelled out");
    }
    my (undef, $err) = privs('files', "$dir/\e[2J");
    unlike($err, qr/[^ -~\n]/, 'files: nor in what it complains of');
    my ($one) = grep { $_->{path} =~ /\e/ } @{ data((privs('files', '--set-id', '--json', "$dir"))[0])->{files} };
    is($one->{path}, "$dir/\e]0;x\a\\xff\n", 'files --json: as characters, what is no UTF-8 spelled out');
}

# What is as wide as its column, and takes more bytes, needs no blanks.
{
    local $ENV{LC_ALL} = 'C.UTF-8';
    mkdir "$dir/wide" or die "wide: $!\n";
    chmod 04755, written("$dir/wide/\xc3\xbc") or die "chmod: $!\n";
    my $room  = length("$dir/wide/x") > 32 ? 0 : length "$dir/wide/x";
    my $user  = getpwuid($>) // $>;
    my ($out) = privs('files', '--set-id', "$dir/wide");
    is($out, sprintf("%-${room}s  WHAT IT GIVES\n", 'FILE') . "$dir/wide/\xc3\xbc  runs as user $user\n", 'files: a letter of two bytes') if $room;
    ok(1) if !$room;
}

# ---- one file system ----

is(data((privs('files', '--json', @$_, "$dir"))[0])->{one_file_system}, scalar @$_, "files --json @$_: is it one file system?") for [], ['-x'];
SKIP: {
    my $mount = "mount -t tmpfs none $dir/a/deep && touch $dir/a/deep/x && chmod 4755 $dir/a/deep/x";
    my @there = ([ $> ? '-Urm' : '-m' ], $mount);
    skip 'no mount namespace can be had', 2 if (in_namespaces(@there, 'true'))[2];
    my ($all) = in_namespaces(@there, command('files', '--set-id', "$dir"));
    my ($one) = in_namespaces(@there, command('files', '--set-id', '-x', "$dir"));
    ok(rows($all)->{"$dir/a/deep/x"},  'files: what is mounted below a path is searched');
    ok(!rows($one)->{"$dir/a/deep/x"}, 'files -x: not with that');
}

# Without a path it is all there is: in a root directory that has little of its own.
SKIP: {
    my $root   = "$dir/root";
    my $fill   = "mkdir $root && mount -t tmpfs none $root && for d in /*/; do mkdir $root\$d && mount --rbind \$d $root\$d || exit; done"
        . " && touch $root/alone && chmod 4755 $root/alone";
    my @there = ([ $> ? '-Urm' : '-m' ], $fill);
    my @said  = in_namespaces(@there, 'chroot', $root, 'true');
    rmdir $root;
    skip "no root directory can be had: $said[1]", 1 if $said[2];
    my ($out) = in_namespaces(@there, 'chroot', $root, command(qw(files --set-id -x)));
    is_deeply([ keys %{ rows($out) } ], ['/alone'], 'files without a path: all below the root directory');
    rmdir $root;
}

done_testing;
