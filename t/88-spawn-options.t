use 5.014;
use warnings;
use open IN => ':bytes', OUT => ':bytes';    # whatever PERL_UNICODE says
delete $ENV{PERL_UNICODE};    # of the programs that are started

use Test::More;

use lib 't/lib';
use Errno qw(EACCES EBADF EINVAL ENOENT ENOEXEC EPERM);
use File::Temp;
use Linux::Prctl qw(spawn);
use POSIX ();
use SpawnTest qw(no_spawn each_way said status_of parent_now unlike_before program);
use TestChild qw(in_child proc_status);

# Every option around the plan of setpriv, and misuse of each.

# A process group outside of this pid namespace is 0 from here, which cannot be joined.
setpgrp if !getpgrp;

{
    package Named;
    use overload '""' => sub { ${ $_[0] } };
    sub new { my ($class, $text) = @_; return bless \$text, $class }
}

my ($true, $cat, $sh) = map { program($_) } qw(true cat sh);
my $dir = File::Temp->newdir;
chmod 0755, "$dir";

# ---- misuse ----

open my $read, '<', '/dev/null' or die "/dev/null: $!\n";
open my $write, '>', '/dev/null' or die "/dev/null: $!\n";
open my $closed, '<', '/dev/null' or die "/dev/null: $!\n";
close $closed;
open my $memory, '<', \'text' or die "memory: $!\n";

my @true = (command => [$true]);
my @bad = (
    'nothing'                => [], qr/command is not given/,
    'an odd list'            => ['command'], qr/Usage: spawn\(option => value, \.\.\.\)/,
    'no option'              => [ @true, argv => [] ], qr/there is no option "argv" \(there are user, .*command/,
    'an option of setpriv alone' => [ @true, on_failure => 'exit' ], qr/there is no option "on_failure"/,
    'a string'               => [ command => $true ], qr/command ".*" is not an array reference/,
    'an empty list'          => [ command => [] ], qr/command is empty/,
    'undef as an argument'   => [ command => [ $true, undef ] ], qr/command: argument 1 undef is not a string/,
    'a reference'            => [ command => [ [] ] ], qr/command: argument 0 ARRAY\S+ is not a string/,
    'a NUL'                  => [ command => [ $true, "a\0b" ] ], qr/command: argument 1 "a\\0b" has a NUL/,
    'a wide character'       => [ command => [ $true, "\x{263a}" ] ], qr/command: argument 1 .* has a character above 255/,
    'an empty program'       => [ @true, program => '' ], qr/program is empty/,
    'program as undef'       => [ @true, program => undef ], qr/program undef is not a string/,
    'env as a list'          => [ @true, env => [] ], qr/env ARRAY\S+ is not a hash reference/,
    'env of undef'           => [ @true, env => { A => undef } ], qr/env: A undef is not a string/,
    'env with an empty name' => [ @true, env => { '' => 1 } ], qr/env: "" is no name/,
    'env with ='             => [ @true, env => { 'A=B' => 1 } ], qr/env: "A=B" is no name/,
    'env with a NUL'         => [ @true, env => { A => "\0" } ], qr/env: A "\\0" has a NUL/,
    'an empty chdir'         => [ @true, chdir => '' ], qr/chdir is empty/,
    'chdir as undef'         => [ @true, chdir => undef ], qr/chdir undef is not a string/,
    'an empty root'          => [ @true, root => '' ], qr/root is empty/,
    'umask as text'          => [ @true, umask => '022' ], qr/umask "?022"? is not a whole number from 0 to 511/,
    'umask too large'        => [ @true, umask => 01000 ], qr/umask 512 is not a whole number/,
    'umask negative'         => [ @true, umask => -1 ], qr/umask -1 is not/,
    'umask undef'            => [ @true, umask => undef ], qr/umask undef is not/,
    'nice too large'         => [ @true, nice => 20 ], qr/nice 20 is not a whole number from -20 to 19/,
    'nice too small'         => [ @true, nice => -21 ], qr/nice -21 is not/,
    'nice as a fraction'     => [ @true, nice => 1.5 ], qr/nice 1\.5 is not/,
    'nice as text'           => [ @true, nice => 'low' ], qr/nice "low" is not/,
    'rlimits as a list'      => [ @true, rlimits => [] ], qr/rlimits ARRAY\S+ is not a hash reference/,
    'an unknown limit'       => [ @true, rlimits => { files => 1 } ], qr/rlimits: there is no limit "files" \(there are as, core, /,
    'a negative limit'       => [ @true, rlimits => { nofile => -1 } ], qr/rlimits: nofile -1 is not a whole number/,
    'a limit of text'        => [ @true, rlimits => { nofile => 'many' } ], qr/rlimits: nofile "many" is not/,
    'a limit of three'       => [ @true, rlimits => { nofile => [ 1, 2, 3 ] } ], qr/rlimits: nofile takes one number, or two/,
    'soft above hard'        => [ @true, rlimits => { nofile => [ 2, 1 ] } ], qr/rlimits: nofile has a soft limit above/,
    'a session and a group'  => [ @true, new_session => 1, process_group => 0 ], qr/new_session and process_group contradict/,
    'a group of text'        => [ @true, process_group => 'x' ], qr/process_group "x" is not a whole number/,
    'stdin undef'            => [ @true, stdin => undef ], qr/stdin undef is neither a handle nor a descriptor nor a path/,
    'stdin empty'            => [ @true, stdin => '' ], qr/stdin "" is neither/,
    'stdin as a list'        => [ @true, stdin => [] ], qr/stdin ARRAY\S+ is neither/,
    'stdin closed'           => [ @true, stdin => $closed ], qr/stdin GLOB\S+ is not open/,
    'stdin in memory'        => [ @true, stdin => $memory ], qr/stdin GLOB\S+ is not open/,
    'stdin for writing'      => [ @true, stdin => $write ], qr/stdin GLOB\S+ is not open for reading/,
    'stdout for reading'     => [ @true, stdout => $read ], qr/stdout GLOB\S+ is not open for writing/,
    'no descriptor'          => [ @true, stderr => 987 ], qr/stderr 987 is not open/,
    'a negative descriptor'  => [ @true, stderr => -1 ], qr/stderr -1 is neither/,
    'fds as a list'          => [ @true, fds => [] ], qr/fds ARRAY\S+ is not a hash reference/,
    'fds with 1'             => [ @true, fds => { 1 => $write } ], qr/fds: 1 is not a descriptor from 3 on: there are stdin/,
    'fds with a name'        => [ @true, fds => { x => $write } ], qr/fds: "x" is not a descriptor from 3 on/,
    'fds with a path'        => [ @true, fds => { 3 => '/dev/null' } ], qr{fds: 3: "/dev/null" is neither a handle nor a descriptor at},
    'fds closed'             => [ @true, fds => { 3 => $closed } ], qr/fds: 3: GLOB\S+ is not open/,
    'the plan too'           => [ @true, caps => ['bogus'] ], qr/caps: Unknown capability: "bogus"/,
    'another parent'         => [ @true, pdeathsig => [ 'TERM', getppid ] ], qr/pdeathsig: the parent is no longer process/,
);

sub call { return spawn(@_) } my $here = __LINE__;

my $before = parent_now();
for (my $i = 0; $i < @bad; $i += 3) {
    my ($name, $plan, $message) = @bad[ $i .. $i + 2 ];
    $! = 0;
    my $pid = eval { call(@$plan) };
    my ($said, $error) = ($@, $! + 0);
    waitpid $pid, 0 if $pid;
    ok($said =~ /\Aspawn: (?:$message)/ && $said =~ / at \Q$0\E line $here\.\n\z/, $name)
        or diag($pid ? 'it went through' : "it said: $said");
    isnt($error, 0, "$name: \$! is set");
}
is(unlike_before($before), '', 'nothing is left of all that');

# ---- what works ----

if (my $why = no_spawn()) {
  SKIP: { skip $why, 1 }
    done_testing;
    exit;
}

sub script { return (command => [ $sh, '-c', @_ ]) }

# Whatever runs, with some more after it.
sub seen { my (%plan) = @_; my $said = said(%plan); chomp $said; return $said }

each_way(sub {
    my ($way) = @_;
    my $before = parent_now();

    # command, program, env
    my ($said, $status) = said(script('echo "$0 $1 $#"; exit 7', 'zero', 'a b', ''));
    is($said, "zero a b 2\n", "$way: the arguments as they are");
    is($status >> 8, 7, "$way: waitpid tells the status");
    is(seen(command => [ 'sh', '-c', 'echo here' ]), 'here', "$way: looked up along PATH");
    is(seen(program => $sh, command => [ '-name', '-c', 'echo $0' ]), '-name', "$way: argv[0] says something else");
    is(seen(command => [ Named->new($sh), '-c', 'echo object' ]), 'object', "$way: an object is its string");
    is(seen(command => ['env'], env => { ONLY => 'this', PATH => $ENV{PATH} }) =~ s/^PATH=.*\n?//mr =~ s/\n//r, 'ONLY=this',
        "$way: exactly this environment");
    is(said(command => [ program('env') ], env => {}), '', "$way: no environment");
    { local $ENV{SPAWN_TEST} = 'seen'; is(seen(script('echo $SPAWN_TEST')), 'seen', "$way: else the parent's"); }
    mkdir "$dir/bin";
    open my $out, '>', "$dir/bin/greet" or die "greet: $!\n";
    print {$out} "#!$sh\necho hello\n";
    close $out;
    chmod 0755, "$dir/bin/greet";
    is(seen(command => ['greet'], env => { PATH => "/nowhere:$dir/bin" }), 'hello', "$way: the PATH is the child's");
    {
        local $ENV{PATH} = "$dir/none:$dir/bin";
        is(seen(command => ['greet'], env => { PATH => "$dir/bin" }), 'hello', "$way: ... and not the parent's");
        is(eval { spawn(command => ['greet'], env => {}) }, undef, "$way: ... also where it has none");
        is(seen(command => ['greet'], chdir => "$dir/bin", env => { PATH => '/nowhere:' }), 'hello',
            "$way: an empty entry is the working directory");
    }

    is(seen(command => ['greet'], env => { PATH => "$dir/bin/greet:$dir/bin" }), 'hello', "$way: a file in the PATH is passed over");

    # chdir, umask, nice, groups of processes
    is(seen(command => [ $sh, '-c', 'pwd -P' ], chdir => "$dir"), Cwd::abs_path("$dir"), "$way: chdir");
    is(seen(script('umask'), umask => 027), '0027', "$way: umask");
    is(seen(script('umask'), umask => '63'), '0077', "$way: umask from a string of decimal digits");
    my $nice = getpriority(0, 0);
    is(seen(script('cut -d" " -f19 /proc/self/stat'), nice => 19), 19, "$way: nice");
    is(seen(script('cut -d" " -f19 /proc/self/stat')), $nice, "$way: nice as it was");
    my @stat = split ' ', seen(command => [ $cat, '/proc/self/stat' ], new_session => 1);
    is_deeply([ @stat[ 4, 5 ] ], [ @stat[ 0, 0 ] ], "$way: a session of its own");
    @stat = split ' ', seen(command => [ $cat, '/proc/self/stat' ], process_group => 0);
    is($stat[4], $stat[0], "$way: a process group of its own");
    @stat = split ' ', seen(command => [ $cat, '/proc/self/stat' ], process_group => getpgrp);
    is($stat[4], getpgrp, "$way: that process group");
    is($stat[3], $$, "$way: it is our child");

    # limits
    is(seen(script('ulimit -Sn; ulimit -Hn; ulimit -c'), rlimits => { nofile => [ 20, 30 ], core => 0 }),
        "20\n30\n0", "$way: limits");
    is(seen(script('ulimit -Sn'), rlimits => { nofile => 24 }), '24', "$way: one number is both");

    # descriptors
    is(seen(script('cat'), stdin => '/dev/null'), '', "$way: stdin is a path");
    open my $in, '<', $0 or die "$0: $!\n";
    is(seen(script('head -c 11'), stdin => $in), 'use 5.014;', "$way: stdin is a handle");
    seek $in, 0, 0;
    is(seen(script('head -c 11'), stdin => fileno $in), 'use 5.014;', "$way: stdin is a descriptor");
    my $log = "$dir/log-" . ($way =~ tr/ /-/r);
    for my $text (qw(one two)) {
        my $pid = spawn(script("echo $text; echo err-$text >&2"), stdout => $log, stderr => $log, umask => 077);
        waitpid $pid, 0;
    }
    open my $got, '<', $log or die "$log: $!\n";
    is(join('', sort <$got>), "err-one\nerr-two\none\ntwo\n", "$way: a file is appended to");
    is((stat $log)[2] & 07777, 0600, "$way: ... and made with the umask of the child");
    {
        # nobody has the other end of it
        my $fifo = "$dir/fifo-" . ($way =~ tr/ /-/r);
        POSIX::mkfifo($fifo, 0600) or die "mkfifo: $!\n";
        local $SIG{ALRM} = 'DEFAULT';
        alarm 60;
        my ($flags) = seen(script('cat /proc/self/fdinfo/0'), stdin => $fifo) =~ /^flags:\s*([0-7]+)/m;
        is(oct($flags) & POSIX::O_NONBLOCK(), 0, "$way: a fifo without a writer is not waited for, and given as it is");
        is(eval { spawn(script('true'), stdout => $fifo); 1 }, undef, "$way: one without a reader is refused");
        is($! + 0, POSIX::ENXIO(), "$way: ... with the errno of open(2)");
        alarm 0;
    }
    pipe my $read_end, my $write_end or die "pipe: $!\n";
    waitpid spawn(script('echo out; echo err >&2'), stdout => $write_end, stderr => $write_end), 0;
    close $write_end;
    is(join('', <$read_end>), "out\nerr\n", "$way: one handle for two");
    is(seen(script('ls -1 /proc/self/fd | wc -l'), fds => { 5 => $in }), 5, "$way: nothing is open but what was named");
    {
        local $^F = 100;
        open my $other, '<', '/dev/null' or die "/dev/null: $!\n";
        is(seen(script('ls -1 /proc/self/fd | wc -l')), 4, "$way: ... whatever \$^F says");
    }

    # whatever is open on the way is in nobody's way
    open my $one, '<', "$dir/bin/greet" or die "greet: $!\n";
    is(seen(script('for fd in /proc/self/fd/*; do test $fd -ef "$0" && echo $fd; done | wc -l', "$dir/bin/greet"), no_new_privs => 1,
        fds => { map { $_ => $one } 3 .. 40 }), 38, "$way: many descriptors are named");

    # clashes: each goes where another comes from
    my @pipe = map { pipe my $r, my $w or die "pipe: $!\n"; [ $r, $w ] } 1 .. 3;
    my @w = map { fileno $_->[1] } @pipe;
    my $writes = 'for (@ARGV) { my ($fd, $text) = split /=/; open my $to, ">&=", $fd; syswrite $to, $text }';
    my $pid = spawn(command => [ $^X, '-e', $writes, "$w[0]=a", "$w[1]=b", "$w[2]=c", '1=d' ], stdout => $w[0],
        fds => { $w[0] => $w[1], $w[1] => $w[2], $w[2] => $w[0] });
    close $_->[1] for @pipe;
    is_deeply([ map { my $r = $_->[0]; scalar <$r> } @pipe ], [ 'cd', 'a', 'b' ],
        "$way: descriptors change places");
    waitpid $pid, 0;

    is(unlike_before($before) =~ s/fds: .*? and not .*?(?:, |\z)//r, '', "$way: the parent is what it was");
});

# ---- what was said before comes before ----

my $said = in_child {
    pipe my $from, my $to or die "pipe: $!\n";
    print {$to} 'first ';
    waitpid spawn(command => [ $sh, '-c', 'echo second' ], stdout => $to), 0;
    close $to;
    scalar <$from>;
};
is($said, "first second\n", 'buffered output comes first');

# ---- the function ----

is(prototype('Linux::Prctl::spawn'), undef, 'spawn has no prototype');
ok((grep { $_ eq 'spawn' } @{ $Linux::Prctl::EXPORT_TAGS{extra} }), ':extra exports it');
is(in_child { $! = 5; waitpid spawn(command => [$true]), 0; $! + 0 }, 5, 'a success leaves $! alone');
my $plan = spawn(command => ['no such program'], no_new_privs => 1, dry_run => 1);
is_deeply([ sort keys %$plan ], [qw(after_exec expected now steps)], 'dry_run returns the plan');
is($plan->{expected}{no_new_privs}, 1, '... with what is expected');

# By the module that has its manual page.
{
    package Elsewhere;
    require Linux::Prctl::Spawn;
    Linux::Prctl::Spawn->import('spawn');
    Test::More::is(\&Elsewhere::spawn, \&Linux::Prctl::spawn, 'Linux::Prctl::Spawn exports it');
}

done_testing;
