# privs diff: of processes, of inventories; and the recipe of the manual, run as it is.
use 5.014;
use warnings;

use lib 't/lib';

use File::Temp;
use JSON::PP ();
use Linux::Prctl qw(:all);
use Linux::Prctl::FileCaps;
use POSIX ();
use PrivsTest qw(run privs command waiting written data);
use Test::More;

my $dir  = File::Temp->newdir;
my $json = JSON::PP->new->canonical->utf8;
my @own  = cap_permitted->names;

# ---- two processes ----

SKIP: {
    skip 'this process has no two capabilities', 8 if @own < 2;
    my $less = waiting(sub { cap_permitted->limit($own[0]); set_no_new_privs(1) });
    my $more = waiting(sub { });
    my ($out, $err, $status) = privs('diff', $less->{pid}, $more->{pid});
    is("$err$status", '1', 'diff: more: 1');
    like($out, qr/^permitted +gained \S/m,              'diff: capabilities gained');
    like($out, qr/^from execve +gained privileges \(no_new_privs is not set\)$/m, 'diff: no_new_privs is gone');
    like($out, qr/^$more->{pid} \(.*\) may do what $less->{pid} \(.*\) may not\.$/m, 'diff: in a word');
    ($out, $err, $status) = privs('diff', $more->{pid}, $less->{pid});
    is("$err$status", '0', 'diff: less: 0');
    like($out, qr/^permitted +lost \S/m, 'diff: capabilities lost');
    ok(data((privs('diff', '--json', $less->{pid}, $more->{pid}))[0])->{gained}, 'diff --json: more');
    ok(!data((privs('diff', '--json', $more->{pid}, $less->{pid}))[0])->{gained}, 'diff --json: less');
}
{
    my ($out, $err, $status) = privs('diff', $$, $$);
    is("$err$status", '0', 'diff: the same: 0');
    like($out, qr/\ANo difference between $$ \(.*\) and $$ \(.*\)\.\n\z/, 'diff: and a sentence');
}

# ---- inventories of processes ----

sub process {
    my (%fact) = @_;
    my $uid = delete $fact{uid} // 33;
    return {
        pid => 10, tid => 10, name => 'server', ppid => 1, state => 'sleeping', threads => 1, tracer => 0,
        uid => { map { $_ => $uid } qw(real effective saved fs) },
        gid => { map { $_ => 33 } qw(real effective saved fs) },
        groups => [], no_new_privs => 0, seccomp => 'disabled', seccomp_filters => 0,
        %fact,
        caps => { (map { $_ => [] } qw(effective permitted inheritable ambient bounding)), %{ $fact{caps} // {} } },
    };
}

my $count = 0;

sub inventory {
    my ($kind, $list, %more) = @_;
    my %head = $kind eq 'ps' ? (all => 0, threads => 0, with => undef) : (paths => ['/'], set_id => 1, one_file_system => 0);
    return written("$dir/" . $count++, $json->encode({ privs => $kind, format => 1, complete => 1, %head,
        ($kind eq 'ps' ? 'processes' : 'files') => $list, %more }));
}

my $some = { permitted => ['kill'], effective => ['kill'], bounding => [ 'kill', 'chown' ] };
my $all  = { permitted => [ 'kill', 'chown' ], effective => ['kill'], bounding => [ 'kill', 'chown' ] };
for my $case (
    [ 'nothing', [process()], [process()], {} ],
    [ 'a restart', [process(pid => 10, caps => $some)], [process(pid => 99, caps => $some)], {} ],
    [ 'a capability', [process(caps => $some)], [process(caps => $all)], { server => ['permitted: chown'] } ],
    [ 'less', [process(caps => $all)], [process(caps => $some)], {} ],
    [ 'a new program', [], [process(caps => $some)],
        { server => [ 'effective: kill', 'permitted: kill' ] } ],
    [ 'a new program without any', [], [process()], {} ],
    [ 'a new program of root', [], [process(uid => 0)],
        { server => [ map { "$_ uid: 0" } qw(real effective saved fs) ] } ],
    [ 'uid 0', [process(uid => 33)], [process(uid => 0)],
        { server => [ map { "$_ uid: 0, before 33" } qw(real effective saved fs) ] } ],
    [ 'another user', [process(uid => 33)], [process(uid => 34)], {} ],
    [ 'a group', [process(groups => [1])], [process(groups => [ 1, 4_000_000_000 ])], { server => ['groups: 4000000000'] } ],
    [ 'a gid', [process()], [process(gid => { real => 33, effective => 33, saved => 4_000_000_000, fs => 33 })],
        { server => ['groups: 4000000000'] } ],
    [ 'an update of the program', [process(exe => '/bin/a (deleted)', caps => $some)], [process(exe => '/bin/a', caps => $some)], {} ],
    [ 'no_new_privs', [process(no_new_privs => 1)], [process()], { server => ['from execve: privileges (no_new_privs is not set)'] } ],
    [ 'seccomp', [process(seccomp => 'filter', seccomp_filters => 2)], [process(seccomp => 'filter', seccomp_filters => 1)],
        { server => ['seccomp: system calls: a filter, before 2 filters'] } ],
    [ 'the strict mode', [process(seccomp => 'strict')], [process(seccomp => 'filter', seccomp_filters => 9)],
        { server => ['seccomp: system calls: 9 filters, before strict'] } ],
    [ 'into the strict mode', [process(seccomp => 'filter', seccomp_filters => 9)], [process(seccomp => 'strict')], {} ],
    [ 'a larger bounding set', [process(caps => { bounding => [] })], [process(caps => { bounding => ['kill'] })],
        { server => ['bounding: kill'] } ],
    [ 'the same as the other of that name', [ process(caps => $some), process(caps => $all) ],
        [ process(caps => $all), process(caps => $all) ], {} ],
    [ 'everything in a namespace of its own', [process()],
        [process(caps => $all, user_ns => { id => 1, ours => 0 })], {} ],
    [ 'the same, out of its namespace', [process(caps => $some, user_ns => { id => 1, ours => 0 })],
        [process(caps => $some)], { server => [ 'effective: kill', 'permitted: kill', 'bounding: chown, kill' ] } ],
    [ 'another program of that name', [process(exe => '/bin/a', caps => $some)], [process(exe => '/bin/b', caps => $some)],
        { '/bin/b' => [ 'effective: kill', 'permitted: kill' ] } ],
    [ 'another unit', [process(unit => 'a.service', caps => $some)], [process(unit => 'b.service', caps => $some)],
        { server => [ 'effective: kill', 'permitted: kill' ] } ],
    [ 'a forged name', [], [process(name => "\e[2Jx", caps => $some)],
        { '\\x1b[2Jx' => [ 'effective: kill', 'permitted: kill' ] } ],
) {
    my ($title, $from, $to, $gained) = @$case;
    my @two = map { inventory(ps => $_) } $from, $to;
    my ($out, $err, $status) = privs('diff', @two);
    is("$err$status", %$gained ? 1 : 0, "diff of ps: $title: the status");
    my (%found, $of);
    for my $line (split /\n/, $out) {
        $line =~ /\A {4}(.*)/ ? push @{ $found{$of} }, $1 : (($of) = $line =~ /\A(\S+) \(process(?:es)? [\d, ]+, \S+\) (?:is new|has gained)\z/);
    }
    is_deeply(\%found, $gained, "diff of ps: $title: what is gained") or diag($out);
}
{
    my @two = map { inventory(ps => $_) } [process(caps => $some)], [ map { process(pid => $_, tid => $_, caps => $all) } 11, 12 ];
    like((privs('diff', @two))[0], qr/\Aserver \(processes 11, 12, \S+\) has gained\n    permitted: chown\n\z/,
        'diff of ps: two that have gained the same');
    my $data = data((privs('diff', '--json', @two))[0]);
    is_deeply([ map { $_->{pids} } @{ $data->{gained} } ], [ [ 11, 12 ] ], 'diff --json of ps');
    my ($out, $err, $status) = privs('diff', '--json', @two[ 0, 0 ]);
    is_deeply([ data($out)->{gained}, $err, $status ], [ [], '', 0 ], 'diff --json: nothing gained: 0');
}

# ---- inventories of files ----

sub file { return { path => '/bin/x', mode => '0755', uid => 0, gid => 0, @_ } }
sub caps { return (caps => { permitted => ['kill'], inheritable => [], effective => 0, rootid => 0, @_ }) }

for my $case (
    [ 'nothing',        [file(caps())], [file(caps())], [] ],
    [ 'new',            [],             [file(caps())], ['permitted: kill'] ],
    [ 'a capability',   [file(caps())], [file(caps(permitted => [ 'kill', 'chown' ]))], ['permitted: chown'] ],
    [ 'inheritable',    [file(caps())], [file(caps(inheritable => ['chown']))], ['inheritable: chown'] ],
    [ 'effective',      [file(caps())], [file(caps(effective => 1))], ['effective: at once'] ],
    [ 'fewer',          [file(caps(effective => 1))], [file(caps())], [] ],
    [ 'none any more',  [file(caps())], [], [] ],
    [ 'a set-user-id bit', [file(caps())], [file(caps(), mode => '4755')], ['set-uid: root'] ],
    [ 'no set-user-id bit any more', [file(mode => '4755')], [file(mode => '0755')], [] ],
    [ 'another owner',  [file(mode => '4755', uid => 4_000_000_000)], [file(mode => '4755')], ['set-uid: root'] ],
    [ 'a set-group-id bit', [file(mode => '4755')], [file(mode => '6755')], ['set-gid: root'] ],
    [ 'for more',       [file(mode => '4750')], [file(mode => '4755')], ['mode: 4755, before 4750'] ],
    [ 'to be written',  [file(caps())], [file(caps(), mode => '0775')], ['mode: 0775, before 0755'] ],
    [ 'for fewer',      [file(mode => '4755')], [file(mode => '4700')], [] ],
    [ 'a root id less', [file(caps(rootid => 1000))], [file(caps())], ['rootid: 0, before 1000'] ],
) {
    my ($title, $from, $to, $gained) = @$case;
    my ($out, $err, $status) = privs('diff', map { inventory(files => $_) } $from, $to);
    is("$err$status", @$gained ? 1 : 0, "diff of files: $title: the status");
    is_deeply([ map { /\A {4}(.*)/ ? $1 : () } split /\n/, $out ], $gained, "diff of files: $title: what is gained") or diag($out);
}

{
    my @two = map { inventory(files => [ file(mode => '4755', uid => $_) ]) } 4_000_000_000, 0;
    is_deeply(data((privs('diff', '--json', @two))[0])->{gained}[0]{changes}, [ { what => 'set-uid', gained => 'root', lost => '' } ],
        'diff --json of files: one for another is no loss');
}

# Of real ones.
SKIP: {
    mkdir "$dir/tree" or die "tree: $!\n";
    written("$dir/tree/x");
    my $old = written("$dir/old", (privs('files', '--json', '--set-id', "$dir/tree"))[0]);
    is((privs('diff', $old, $old))[2], 0, 'diff: a real inventory and itself');
    chmod 04755, "$dir/tree/x" or die "x: $!\n";
    my $new = written("$dir/new", (privs('files', '--json', '--set-id', "$dir/tree"))[0]);
    my ($out, undef, $status) = privs('diff', $old, $new);
    is($status, 1, 'diff: a real gain');
    like($out, qr{\A\Q$dir\E/tree/x is new\n    set-uid: \S+\n\z}, 'diff: and what it is');
    ($out, undef, $status) = run('sh', '-c', '"$@" <' . $new, 'sh', command('diff', $old, '-'));
    is($status, 1, 'diff: from standard input');
    my $ps = written("$dir/ps", (privs(qw(ps --json)))[0]);
    is(join('', (privs('diff', $ps, $ps))[ 0, 1, 2 ]), '0', 'diff: all processes, and themselves');
}

# ---- what is no inventory ----

my $processes = inventory(ps => []);
for my $case (
    [ [ "$dir/none", $processes ],                         qr/none: No such file or directory\.$/ ],
    [ [ written("$dir/text", 'hello'), $processes ],       qr/text is no inventory of privs: malformed JSON/ ],
    [ [ written("$dir/list", '[]'), $processes ],          qr/list is no inventory of privs: it is JSON of something else\.$/ ],
    [ [ written("$dir/empty", ''), $processes ],           qr/empty is no inventory of privs: / ],
    [ [ written("$dir/other", '{"privs":"ps"}'), $processes ], qr/other is no inventory of privs: it is JSON of something else\.$/ ],
    [ [ "$dir", $processes ],                              qr/: Is a directory\.$/ ],
    [ [ $processes, inventory(ps => ['x']) ],              qr/ is no inventory of privs: something in it / ],
    [ [ $processes, inventory(files => []) ],              qr/ is of processes, and \S+ of files\.$/ ],
    [ [ $processes, inventory(ps => [], all => 1) ],       qr/ were made with different options\.$/ ],
    [ [ $processes, inventory(ps => [ {} ]) ],             qr/ is no inventory of privs: something in it / ],
    [ [ $processes, inventory(ps => [], format => 2) ],    qr/ is of a later privs than this\.$/ ],
    [ [$processes],                                        qr/It takes two process ids, or two inventories\.$/ ],
    [ [ $$, $processes ],                                  qr/$$: No such file or directory\.$/ ],
) {
    my ($arguments, $message) = @$case;
    my ($out, $err, $status) = privs('diff', @$arguments);
    is("$out$status", 2, "diff: 2: $message");
    like($err, $message, 'diff: and a sentence');
    is(scalar(() = $err =~ /\n/g), 1, 'diff: one');
}
is((privs('diff', 2**31 - 1, $$))[2], 1, 'diff: no such process: 1');
like((privs('diff', inventory(ps => [], complete => 0), $processes))[1], qr/ is not complete: /, 'diff: not complete: a sentence');

# ---- the recipe ----

{
    open my $in, '<', 'script/privs' or die "script/privs: $!\n";
    my ($recipe) = do { local $/; readline $in } =~ /^=head1 AUDIT\n.*?\n((?:    .*\n|\n(?=    ))+)/ms;
    $recipe =~ s/\A\n+//;    # else it is no script, and only glibc's execvp(3) gives it to a shell
    $recipe =~ s/^    //mg;
    mkdir "$dir/$_" or die "$_: $!\n" for 'bin', 'searched';
    $recipe =~ s{/var/lib/privs}{$dir/state}g;
    $recipe =~ s{--json / >}{--json $dir/searched >} or die "the recipe searches what?\n";
    chmod 0755, written("$dir/bin/privs", "#!/bin/sh\nexec ", join(' ', map { "'$_'" } command()), ' "$@"', "\n");
    chmod 0755, written("$dir/recipe", $recipe);
    local $ENV{PATH} = "$dir/bin:$ENV{PATH}";
    written("$dir/searched/x");
    my @first = run("$dir/recipe");
    is($first[0], '', 'the recipe: nothing to mail the first time') or diag($first[1]);
    chmod 04755, "$dir/searched/x" or die "x: $!\n";
    like((run("$dir/recipe"))[0], qr{^\Q$dir\E/searched/x is new$}m, 'the recipe: what has gained is mailed');
    unlike((run("$dir/recipe"))[0], qr{searched}, 'the recipe: once');
    is((stat "$dir/state/files")[2] & 077, 0, 'the recipe: nobody else can read the inventories');
}

done_testing;
