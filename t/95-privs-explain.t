# privs explain, beside the manual page that it reads; and --help.
use 5.014;
use warnings;

use lib 't/lib';

use Cwd qw(abs_path);
use Errno qw(ENOENT);
use File::Temp;
use Linux::Prctl qw(:all);
use Manual qw(chapter named pages);
use PrivsTest qw(run privs command written data);
use Test::More;

sub error_text { my ($errno) = @_; local $! = $errno; return "$!" }

my @all = map { lc s/\ACAP_//r } named('head2', chapter('Linux::Prctl::Capabilities', 'EACH CAPABILITY'));

my $data = data((privs(qw(explain --json)))[0]);
is_deeply([ map { $_->{name} } @$data ], \@all, 'explain --json: all that the manual has');
is_deeply([ map { $_->{number} } @$data ], [ map { cap_number($_) } @all ], 'explain --json: their numbers');
is_deeply([ grep { !length $_->{allows} || !length $_->{attacker} || !length $_->{instead} || $_->{since} !~ /\A\d+\.\d/ } @$data ], [],
    'explain --json: and all there is to say');

my ($list, $err, $status) = privs('explain');
is("$err$status", '0', 'explain: done');
my ($list_of_caps, $list_of_bits) = map { [ map { /\A *(\d+)  (\w+)/ ? "$1 $2" : () } split /\n/ ] } split /\n\n/, $list;
is_deeply($list_of_caps, [ map { cap_number($_) . " $_" } @all ], 'explain: a list');
is_deeply([ map { s/.* //r } @$list_of_bits ], [ grep { !/_locked\z/ } keys %Linux::Prctl::securebits ],
    'explain: and of the securebits');
like($list, qr/^ +0  noroot +uid 0 gets no capabilities from execve\.$/m, 'explain: which say what they mean');

for my $name (@all[ 0, 7, -1 ]) {
    my ($text) = privs('explain', $name);
    like($text, qr/\A$name, capability @{[ cap_number($name) ]}, since Linux \d[\d.]*(?:; this kernel does not have it)?\n\n  Allows: .*\n  An attacker: .*\n  Instead: /s,
        "explain $name");
    is((privs('explain', $_))[0], $text, "explain $_: the same") for "CAP_\U$name", cap_number($name);
    my ($one) = grep { $_->{name} eq $name } @$data;
    my $words = join ' ', split ' ', $text;
    like($words, qr/\Q$one->{$_}\E/, "explain $name: $_") for qw(allows attacker instead);
}
like((privs(qw(explain noroot)))[0], qr/\Anoroot, a securebit\n\n  \S/, 'explain noroot: a securebit');
is((privs(qw(explain SECBIT_NOROOT_LOCKED)))[0], (privs(qw(explain noroot)))[0], 'explain: by any of its names');
{
    local $ENV{COLUMNS} = 60;
    cmp_ok((sort { $b <=> $a } map { length } split /\n/, (privs('explain', $_))[0])[0], '<=', 60, "explain $_: 60 columns")
        for 'chown', 'sys_admin';
}
{
    local $ENV{COLUMNS} = 200;
    my $widest = (sort { $b <=> $a } map { length } split /\n/, (privs('explain', 'sys_admin'))[0])[0];
    ok($widest > 80 && $widest <= 100, 'explain: at most 100 columns, however wide the screen');
    local $ENV{COLUMNS} = 10;
    $widest = (sort { $b <=> $a } map { length } grep { /\A  \S/ } split /\n/, (privs('explain', 'chown'))[0])[0];
    ok($widest > 30 && $widest <= 40, 'explain: no fewer than 40');
    my ($title, @lines) = split /\n/, (privs('explain'))[0] =~ s/\n\n.*//sr;
    my $start = index $title, 'ALLOWS';
    $widest = (sort { $b <=> $a } map { length } grep {/ /} map { substr $_, $start } @lines)[0];    # but for long words
    ok($widest > 10 && $widest <= 20, 'explain: of which the last column has 20');
}
is_deeply(data((privs(qw(explain --json kill chown)))[0]), [ map { my $name = $_; grep { $_->{name} eq $name } @$data } qw(kill chown) ],
    'explain --json NAME: what there is about these');
my ($out, $complaint, $misuse) = privs(qw(explain bogus));
is("$out$misuse", '2', 'explain bogus: 2');
is($complaint, qq{privs explain: There is no capability bogus; "privs explain" lists those that there are.\n}, 'explain bogus: a sentence');
($out, $complaint, $status) = privs(qw(explain 63 chown));
is($status, 1, 'explain of one that the manual does not know: 1');
like($out, qr/\Achown, /, 'explain: and the rest of the work is done');

# The page may be missing where documentation is left out.
{
    my $lib = File::Temp->newdir;
    chmod 0755, $lib or die "$lib: $!\n";
    mkdir "$lib/Linux" or die "Linux: $!\n";
    symlink abs_path($INC{'Linux/Prctl.pm'}), "$lib/Linux/Prctl.pm" or die "symlink: $!\n";
    my ($perl, @rest) = command('explain', 'chown');
    my @said = run($perl, "-I$lib", @rest);
    is_deeply(\@said, [ '', 'privs explain: The page Linux::Prctl::Capabilities is not installed (' . error_text(ENOENT) . ").\n", 1 ],
        'explain without the page: a sentence');
}

# ---- help ----

my ($help) = privs('--help');
my @commands = $help =~ /^ +privs \[?([a-z]+)/mg;
cmp_ok(scalar @commands, '>=', 6, 'help: the commands');
is((privs('-h'))[0], $help, 'help: -h');
is((privs('help'))[0], $help, 'help: the command help');
for my $command (@commands) {
    my ($text, $err, $status) = privs($command, '--help');
    is("$err$status", '0', "help: $command");
    like($text, qr/\Aprivs $command\b.*\n\n  [A-Z]/, "help: $command: what it does");
    cmp_ok((sort { $b <=> $a } map { length } split /\n/, $text)[0], '<=', 80, "help: $command: 80 columns");
    # Each option is one, and the program knows no other.
    my %said = map { $_ => 1 } $text =~ /(?<![\w-])--([a-z][a-z-]+)/g;
    my @unknown = grep { (privs($command, "--$_", '--bogus'))[1] =~ /There is no option --\Q$_\E\./ } keys %said;
    is_deeply(\@unknown, [], "help: $command: its options are options");
}
{
    require Pod::Checker;
    my $log = '';
    open my $to, '>', \$log or die "podchecker: $!\n";
    Pod::Checker->new(-warnings => 2)->parse_from_file('script/privs', $to);
    is($log, '', 'podchecker is silent');
    my %page = map { $_ => 1 } pages();
    open my $in, '<', 'script/privs' or die "script/privs: $!\n";
    is_deeply([ grep { !$page{$_} } map { /L<(Linux::[\w:]+)/g } <$in> ], [], 'every link leads somewhere');
}
my ($man) = privs('--man');
like($man, qr/^EXIT STATUS$/m, '--man: all of it');
is((sort { $b <=> $a } map { length } split /\n/, $man)[0] <= 80, 1, '--man: 80 columns');
is((privs('ps', '--man'))[0], $man, '--man behind a command: the same');
{
    my @program = command('show', '--help');
    my ($script) = grep { $program[$_] =~ m{/privs\z} } 0 .. $#program;
    my $file = $program[$script];
    $program[$script] = '-';
    my @said = run('sh', '-c', 'file=$1; shift; "$@" <"$file"', 'sh', $file, @program);
    is_deeply(\@said, [ '', 'privs show: -: ' . error_text(ENOENT) . "\n", 2 ], 'help: of a program that is in no file');
}
like((privs('--version'))[0], qr/\Aprivs, of Linux::Prctl \Q$Linux::Prctl::VERSION\E\n\z/, '--version');

# ---- the output cannot be written ----

SKIP: {
    skip 'no /dev/full', 1 if !-w '/dev/full';
    my (undef, $err, $status) = run('sh', '-c', '"$@" >/dev/full', 'sh', command('explain'));
    like("$status $err", qr/\A2 privs explain: The output could not be written: .*\n\z/, 'a full disk is heard');
}

# ---- a terminal ----

SKIP: {
    my $dir = File::Temp->newdir;
    chmod 0755, $dir or die "$dir: $!\n";
    my $on_terminal = sub {
        my ($before, @words) = @_;
        written("$dir/run", "$before\nexec ", join(' ', map { "'$_'" } command(@words)), "\n");
        my ($out, $err, $status) = run('script', '-qec', "sh $dir/run", "$dir/log");
        return $out =~ s/\r//gr;
    };
    delete local @ENV{qw(COLUMNS NO_COLOR)};
    local $ENV{TERM} = 'xterm';
    skip 'no script(1), or no terminal', 6
        if system('command -v script stty >/dev/null 2>&1') != 0 || $on_terminal->('stty cols 60', 'explain', 'chown') !~ /chown/;
    my $text   = $on_terminal->('stty cols 60', 'explain', 'chown');
    my $widest = (sort { $b <=> $a } map { length s/\e\[[0-9;]*m//gr } split /\n/, $text)[0];
    ok($widest > 40 && $widest <= 60, 'a terminal: as wide as that');
    like($text, qr/\A\e\[1mchown\e\[m/, 'a terminal: in colour');
    $text = $on_terminal->('stty cols 0', 'explain', 'chown');
    $widest = (sort { $b <=> $a } map { length s/\e\[[0-9;]*m//gr } split /\n/, $text)[0];
    ok($widest > 60 && $widest <= 80, 'a terminal that does not know its width: 80');
    for my $case ([ 'NO_COLOR', 'NO_COLOR=1' ], [ 'TERM', 'TERM=dumb' ], [ '--color', '', '--color=never' ]) {
        my ($name, $set, @more) = @$case;
        unlike($on_terminal->("export $set", 'explain', 'chown', @more), qr/\e/, "a terminal: no colour if $name says so");
    }
}

# ---- completion ----

SKIP: {
    skip 'no bash', 30 if system('bash -c "((BASH_VERSINFO[0] >= 4))" >/dev/null 2>&1') != 0;
    my $dir = File::Temp->newdir;
    chmod 0755, written("$dir/privs", "#!/bin/sh\nexec ", join(' ', map { "'$_'" } command()), ' "$@"', "\n");
    local $ENV{PATH} = "$dir:$ENV{PATH}";
    my $completed = sub {
        my (@words) = @_;
        my ($out, $err) = run('bash', '-c', '. script/privs.bash-completion; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1));'
            . ' _privs; printf "%s\n" "${COMPREPLY[@]}"', 'bash', 'privs', @words);
        is($err, '', "completion: @words: no complaint");
        return [ sort grep { length } split /\n/, $out ];
    };
    is_deeply([ grep { !/\A-/ } @{ $completed->('') } ], [ sort @commands ], 'completion: the commands');
    is_deeply($completed->(qw(ps --t)),                   ['--threads'],             'completion: an option');
    is_deeply($completed->(qw(ps --with = net_b)),        [qw(net_bind_service net_broadcast)], 'completion: a capability');
    is_deeply($completed->(qw(explain setp)),             ['setpcap'],               'completion: and as an argument');
    is_deeply($completed->(qw(explain noroot)),           [qw(noroot noroot_locked)], 'completion: a securebit');
    is_deeply($completed->(qw(why net_r)),                ['net_raw'],               'completion: what to ask of');
    is_deeply($completed->('run', '--securebits', '+keep_caps,+no_set'), [ map {"+keep_caps,+no_setuid_fixup$_"} '', '_locked' ],
        'completion: securebits in a list');
    ok(scalar(grep { $_ eq 'bash' } @{ $completed->(@$_, 'bas') }), "completion: a program, behind @$_")
        for ['exec'], [ 'why', 'chown', '--' ], ['run'];
    is_deeply($completed->('run', '--caps', 'chown,sys_ch'),  ['chown,sys_chroot'],      'completion: in a list');
    is_deeply($completed->('run', '--bounding-set', '-all,+sys_ch'), ['-all,+sys_chroot'], 'completion: with a sign');
    is_deeply($completed->(qw(files script/privs.b)),     ['script/privs.bash-completion'], 'completion: a file');
    my $evil = PrivsTest::waiting(sub { set_name('$(>' . "x$$)") });
    is_deeply($completed->('show', $evil->{pid}), [ $evil->{pid} ], 'completion: a process');
    $completed->(qw(show x));
    ok(!-e "x$evil->{pid}", 'completion: names are not executed');
}

done_testing;
