use 5.014;
use warnings;

use Errno qw(EBADF EINVAL EISDIR ENOENT);
use Linux::Prctl qw(setpriv spawn);
use POSIX ();
use Test::More;

use lib 't/lib';
use SetprivTest qw(truth told_apart);
use TestChild qw(company in_child);

# Values of options that are nearly good: each is refused, with its reason, before anything is
# changed or started.

plan skip_all => company() if company();

open my $directory, '<', '/'         or die "/: $!\n";
open my $closed,    '<', '/dev/null' or die "/dev/null: $!\n";
close $closed;
my @command = (command => ['true']);
sub is_directory { local $! = EISDIR; return "$!" }
sub is_missing   { local $! = ENOENT; return "$!" }

for my $row (
    [ \&setpriv, [ inh_caps => '' ],   EINVAL, 'setpriv: inh_caps is empty: it takes +name and -name, +all and -all' ],
    [ \&setpriv, [ securebits => '' ], EINVAL, 'setpriv: securebits is empty: it takes +name and -name' ],
    [ \&setpriv, [ seccomp_filter => { file => '/' } ],   EISDIR, 'setpriv: seccomp_filter: ' . is_directory() ],
    [ \&setpriv, [ seccomp_filter => $directory ],        EISDIR, 'setpriv: seccomp_filter: ' . is_directory() ],
    [ \&setpriv, [ seccomp_filter => { file => undef } ], EINVAL, 'setpriv: seccomp_filter: file undef is not a string' ],
    [ \&setpriv, [ seccomp_filter => { file => "/dev/null\0x" } ], EINVAL, qr/\Asetpriv: seccomp_filter: file ".*" has a NUL in it at / ],
    [ \&setpriv, [ seccomp_filter => { file => "/\x{100}" } ], EINVAL, qr/\Asetpriv: seccomp_filter: file ".*" has a character above 255 at / ],
    [ \&setpriv, [ seccomp_filter => \*NEVER_OPENED ],    EBADF,
        'setpriv: seccomp_filter: the handle is not that of an open file' ],
    [ \&setpriv, [ pdeathsig => [ 'TERM', 2**31 ] ], EINVAL, 'setpriv: pdeathsig: the parent 2147483648 is not a process id' ],
    [ \&setpriv, [ pdeathsig => [ 'TERM', 'x' ] ],   EINVAL, 'setpriv: pdeathsig: the parent "x" is not a process id' ],
    [ \&setpriv, [ on_failure => 'exis' ], EINVAL, 'setpriv: on_failure "exis" is neither "die" nor "exit"' ],
    [ \&setpriv, [ on_failure => 'dip' ],  EINVAL, 'setpriv: on_failure "dip" is neither "die" nor "exit"' ],
    [ \&spawn, [ command => [''] ],            ENOENT, 'spawn: exec of "": ' . is_missing() ],
    [ \&spawn, [ command => [] ],              EINVAL, 'spawn: command is empty' ],
    [ \&spawn, [ @command, stdin => $closed ],             EBADF, qr/\Aspawn: stdin GLOB\S+ is not open at / ],
    [ \&spawn, [ @command, stdin => \*NEVER_OPENED ],      EBADF, qr/\Aspawn: stdin GLOB\S+ is not open at / ],
    [ \&spawn, [ @command, stdin => [] ],   EINVAL, qr/\Aspawn: stdin ARRAY\S+ is neither a handle nor a descriptor nor a path at / ],
    [ \&spawn, [ @command, fds => { 3 => undef } ], EINVAL, 'spawn: fds: 3: undef is neither a handle nor a descriptor' ],
    [ \&spawn, [ @command, fds => { 2 => 0 } ],     EINVAL, qr/\Aspawn: fds: "?2"? is not a descriptor from 3 on: there are stdin/ ],
    [ \&spawn, [ @command, fds => { 2_147_483_651 => 0 } ], EINVAL, qr/\Aspawn: fds: "?2147483651"? is not a descriptor from 3 on at / ],
    map({ [ \&spawn, [ @command, rlimits => { nofile => $_ } ], EINVAL, qr/\Aspawn: rlimits: nofile \S+ is not a whole number from 0 to / ] }
        -1, 1.5, 1e30, 'x', {}, sin(9**9**9)),
    map({ [ \&spawn, [ @command, $_ => [] ], EINVAL, qr/\Aspawn: $_ ARRAY\S+ is not a hash reference at / ] } qw(env fds rlimits)),
    [ \&spawn, [ @command, nice => 20 ],   EINVAL, 'spawn: nice 20 is not a whole number from -20 to 19' ],
    [ \&spawn, [ @command, nice => [] ],   EINVAL, qr/\Aspawn: nice ARRAY\S+ is not a whole number/ ],
) {
    my ($function, $options, $errno, $text) = @$row;
    my ($said, $is, $changed, $child) = in_child {
        my $before = truth();
        local $! = 0;
        my $lived = eval { $function->(@$options); 1 };
        my ($said, $is) = ($lived ? 'lived' : "$@", $! + 0);
        return ($said, $is, told_apart(truth(), $before), waitpid(-1, POSIX::WNOHANG()));
    };
    my $title = ref $text ? "$text" : $text;
    like($said, ref $text ? $text : qr/\A\Q$text\E at \Q$0\E line \d+\.\n\z/, $title);
    is($is, $errno, '... with its errno');
    is("$changed$child", '-1', '... nothing is changed, nor started');
}

# Options that are false are as if they were not there; and bytes are bytes, however perl has them.
is_deeply(setpriv(dry_run => 1, no_new_privs => 0, pdeathsig => [ 0, getppid ]), setpriv(dry_run => 1), 'false options, and no signal');
my ($path, $name) = ('/bin/sh', 'true');
utf8::upgrade($_) for $path, $name;
is_deeply(setpriv(dry_run => 1, after_exec => $path), setpriv(dry_run => 1, after_exec => '/bin/sh'), 'a path that perl has as UTF-8');
is_deeply(spawn(command => [$name], new_session => 0, dry_run => 1), spawn(@command, dry_run => 1), 'a name that perl has as UTF-8');
my $pid = spawn(@command, new_session => 0, reset_env => 0, dry_run => 0);
is(waitpid($pid, 0), $pid, 'dry_run that is false: it is started');
is($?, 0, '... and ends well');

done_testing;
