use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Errno qw(EACCES EBADF EINVAL EOPNOTSUPP EPERM);
use File::Temp;
use Linux::Prctl qw(:all);
use Seccomp qw(instructions install_program no_filter);
use SetprivTest qw(truth told_apart);
use Shapes qw(is_root in_shape shape);
use SystemCalls qw(sys);
use TestChild qw(company in_child proc_status);

plan skip_all => company() if company();

# The options of setpriv() that are no credentials: what traces, filters, labels, and the
# environment.

my @user = (reuid => 1001, regid => 1002, clear_groups => 1);
my $needs_root   = is_root() ? '' : 'needs root with setuid, setgid and setpcap';
my $needs_filter = no_filter();

sub died {
    my (@plan) = @_;
    my ($said, $errno, $changed) = in_child {
        my $before = truth();
        my $said   = eval { setpriv(@plan); 1 } ? 'it went through' : $@;
        my $errno  = $! + 0;
        ($said, $errno, told_apart(truth(), $before));
    };
    is($changed, '', "nothing was changed: $said");
    return ($said, $errno);
}

# ---- a seccomp filter ----

my $allow  = [ 0x06, 0, 0, 0x7fff0000 ];
my $refuse = instructions([ 0x20, 0, 0, 0 ], [ 0x15, 0, 1, sys('setgroups') ],
    [ 0x06, 0, 0, 0x00050000 | EPERM ], $allow);

for my $bad (undef, '', 'abc', "\0" x 9, "\x{100}" x 8, "\0" x (8 * 4097)) {
    my ($said, $errno) = died(no_new_privs => 1, seccomp_filter => $bad);
    like($said, qr/\Asetpriv: seccomp_filter (?:undef is neither|of \d+ bytes is not 1 to 4096|has a character above 255)/,
        'what is no program of instructions');
    is($errno, EINVAL, '... $! says so');
}
for my $bad ([], \1, \'x', sub { 1 }, bless({}, 'Filter')) {
    my ($said, $errno) = died(no_new_privs => 1, seccomp_filter => $bad);
    like($said, qr/\Asetpriv: seccomp_filter [A-Z].* is neither instructions nor a file at /, 'a reference that is no handle');
    is($errno, EINVAL, '... $! says so');
}
my ($said, $errno) = died(no_new_privs => 1, seccomp_filter => { file => '/no/such/file' });
like($said, qr{seccomp_filter: "/no/such/file": No such file}, 'a file that is not there');
{
    open my $closed, '<', '/dev/null' or die "/dev/null: $!\n";
    close $closed;
    ($said, $errno) = died(no_new_privs => 1, seccomp_filter => $closed);
    like($said, qr/seccomp_filter: the handle is not that of an open file/, 'a handle that is closed');
    is($errno, EBADF, '... $! says so');
}

shape plain_user => sub {
    my ($said, $errno) = in_shape plain_user => sub {
        eval { setpriv(seccomp_filter => $refuse) };
        ($@, $! + 0);
    };
    SKIP: {
        skip 'no_new_privs is set', 2 if in_child { truth()->{no_new_privs} };
        like($said, qr/step 17, seccomp_filter would be refused: it needs no_new_privs, or sys_admin effective; nothing was changed/,
            'plain user: a filter needs no_new_privs');
        is($errno, EACCES, 'plain user: ... as the kernel would say');
    }
};

# The file is that of the bytes of the path, and what is in it are bytes.
{
    my $dir  = File::Temp->newdir;
    my $name = "$dir/caf\xe9";
    open my $out, '>:raw', $name or die "$name: $!\n";
    print {$out} instructions([ 0x20, 0, 0, 0 ], [ 0x06, 0, 0, 0x0a0d0a0d ]);
    close $out or die "$name: $!\n";
    utf8::upgrade(my $upgraded = $name);
    my $lived = eval { use open IN => ':crlf'; setpriv(no_new_privs => 1, seccomp_filter => { file => $upgraded }, dry_run => 1) };
    ok($lived, 'a filter is read as bytes, from the path as bytes') or diag($@);
    open my $other, '>', "$dir/filter" or die "$dir/filter: $!\n";
    close $other;
    ($said, $errno) = died(no_new_privs => 1, seccomp_filter => { file => "$dir/filter\0.bpf" });
    like($said, qr/seccomp_filter: file ".*" has a NUL in it/, 'a path with a NUL is that of no file');
}

SKIP: {
    skip "filter: $needs_filter", 9 if $needs_filter;
    my $file = File::Temp->new;
    binmode $file;
    print {$file} $refuse;
    close $file or die "$file: $!\n";
    open my $handle, '<:raw', "$file" or die "$file: $!\n";
    for my $case ([ bytes => $refuse ], [ 'a file' => { file => "$file" } ], [ 'a handle' => $handle ]) {
        my ($what, $filter) = @$case;
        my ($mode, $refused) = in_child {
            seek $handle, 0, 0;
            setpriv(no_new_privs => 1, seccomp_filter => $filter);
            my $refused = eval { sys(setgroups => 0, 0); 1 } ? 0 : $!{EPERM} ? 1 : 0;
            my %status = proc_status();
            ($status{Seccomp}, $refused);
        };
        is($mode, 2, "a filter given as $what is installed");
        is($refused, 1, '... and filters') if is_root();
    }

    # The length is told in full: an instruction beyond the 256th counts.
    my $long = in_child {
        my $padding = join '', map { instructions([ 0x20, 0, 0, 0 ]) } 1 .. 300;
        setpriv(no_new_privs => 1, seccomp_filter => $padding . $refuse);
        my %status = proc_status();
        $status{Seccomp};
    };
    is($long, 2, 'a filter of 304 instructions is installed');

    # It comes last: it may forbid everything that setpriv does.
    my $last = in_child {
        my @calls = map { sys($_) } qw(prctl capset capget setgroups);
        my $strict = join '', instructions([ 0x20, 0, 0, 0 ]),
            (map { instructions([ 0x15, 0, 1, $_ ], [ 0x06, 0, 0, 0x00050000 | EPERM ]) } @calls), instructions($allow);
        setpriv(no_new_privs => 1, inh_caps => [], seccomp_filter => $strict);
    };
    is($last, 1, 'a filter that forbids the steps themselves comes after them');

    # The kernel refuses one that is none; then nothing is left to go on with.
    my ($bad, $truth) = in_child {
        eval { setpriv(no_new_privs => 1, seccomp_filter => instructions([ 0xff, 0, 0, 0 ])) };
        ($@, truth());
    };
    like($bad, qr/step 17, seccomp_filter: Invalid argument; this process must not go on: it has no capabilities any more/,
        'a filter that the kernel refuses is a failure');
    is_deeply([ @{$truth}{qw(effective permitted inheritable ambient)} ], [ ('0' x 16) x 4 ],
        '... and nothing is left');
    my $knows = in_child {
        my ($known) = grep { supported($_) } last_cap();
        my $fewer = instructions([ 0x20, 0, 0, 0 ], [ 0x15, 0, 4, sys('prctl') ], [ 0x20, 0, 0, Seccomp::low_word(0) ],
            [ 0x15, 0, 2, 23 ], [ 0x20, 0, 0, Seccomp::low_word(1) ], [ 0x15, 1, 0, $known ], $allow,
            [ 0x06, 0, 0, 0x00050000 | EINVAL ]);
        setpriv(no_new_privs => 1, seccomp_filter => $fewer);
        supported($known) ? 1 : 0;
    };
    is($knows, 0, 'what was known of the kernel before the filter is asked again');
}

# ---- who may trace ----

for my $bad (undef, '', -1, 0, 'someone', 1.5, 2**31) {
    my ($said, $errno) = died(ptracer => $bad);
    like($said, qr/\Asetpriv: ptracer .* is neither a process id, any nor none/, 'no ptracer');
}
my $steps = in_child { setpriv(ptracer => 'any', dry_run => 1)->{steps} };
is_deeply([ map { @$_{qw(step call value)} } $steps->[-1] ], [ 15, 'set_ptracer', -1 ], 'ptracer is a step');
my ($answer, $yama) = in_child {
    my $lived = eval { setpriv(ptracer => $$) };
    ($lived ? get_ptracer() == $$ ? 'noted' : 'lost' : $@, supported('set_ptracer'));
};
if ($yama) { is($answer, 'noted', 'ptracer is set, and get_ptracer tells') }
else {
    like($answer, qr/step 15, set_ptracer\(\d+\): Invalid argument; this process must not go on/,
        'without Yama the kernel refuses, and it is heard');
}

# ---- the environment ----

SKIP: {
    my @entry = getpwuid 1;    # daemon, nearly everywhere
    skip 'there is no user 1', 7 if !@entry;
    my %plain = (HOME => $entry[7], SHELL => length $entry[8] ? $entry[8] : '/bin/sh', USER => $entry[0], LOGNAME => $entry[0], TERM => 'vt220');
    my ($env, $inherited) = in_child {
        local $ENV{TERM} = 'vt220';
        local $ENV{SECRET} = 'kept from the user';
        my $plan = setpriv(dry_run => 1, reset_env => 1, ($needs_root ? () : (reuid => 1, regid => 1, clear_groups => 1)));
        $plan->{env};
    };
    SKIP: {
        skip "environment: $needs_root", 3 if $needs_root;
        is_deeply({ map { $_ => $env->{$_} } keys %plain }, \%plain, 'the environment that it will have');
        my ($perl, $program) = in_child {
            $ENV{TERM}   = 'vt220';
            $ENV{SECRET} = 'not for the user';
            setpriv(reuid => $entry[0], regid => 1, clear_groups => 1, reset_env => 1);
            my $program = `/usr/bin/env`;
            ({%ENV}, $program);
        };
        is_deeply($perl, { %plain, PATH => '/usr/local/bin:/usr/bin:/bin' }, 'reset_env: what perl has');
        is_deeply({ map { /\A(\w+)=(.*)/ ? ($1, $2) : () } grep { !/\A_=/ } split /\n/, $program }, $perl,
            'reset_env: ... and what programs are given');
    }
    SKIP: {
        skip "environment: $needs_root", 3 if $needs_root;
        my $root = (getpwuid 0)[0];
        is(setpriv(dry_run => 1, reset_env => 1)->{env}{LOGNAME}, $root, 'reset_env without a uid: that of the one that it is');
        my $other = in_child {
            setpriv(ruid => 1, rgid => 1, egid => 1, clear_groups => 1);
            my $env = setpriv(dry_run => 1, reset_env => 1)->{env};
            [ @$env{qw(LOGNAME HOME PATH)} ];
        };
        is_deeply($other, [ @plain{qw(LOGNAME HOME)}, '/usr/local/bin:/usr/bin:/bin' ], 'reset_env without a uid: the real one counts');
        my $euid = in_child { setpriv(dry_run => 1, euid => 1, rgid => 1, egid => 1, clear_groups => 1, reset_env => 1)->{env}{LOGNAME} };
        is($euid, $root, 'reset_env with an effective uid alone: that of the real one');
    }
    my $kept = in_child { $ENV{SECRET} = 'kept'; eval { setpriv(reset_env => 1, groups => 'x') }; $ENV{SECRET} };
    is($kept, 'kept', 'reset_env: where the plan dies, nothing is changed');
    local *ENV = { PATH => '/bin' };
    my ($said, $errno) = died(no_new_privs => 1, reset_env => 1);
    like($said, qr/\Asetpriv: reset_env: %ENV is another variable here/, 'reset_env: not where *ENV holds another hash');
    is($errno, EINVAL, '... $!');
}
SKIP: {
    skip "no entry: $needs_root", 1 if $needs_root;
    my ($unknown) = grep { !defined getpwuid $_ } map { 3_000_000_000 + $_ } 0 .. 10;
    my ($said) = died(reuid => $unknown, regid => 1, clear_groups => 1, reset_env => 1);
    like($said, qr/reset_env: uid $unknown has no entry in the password database/, 'reset_env: of whom nothing is known');
}

# ---- what an exec of a file leaves ----

{
    my @plan = (no_new_privs => 1, dry_run => 1);
    my ($plain, $file, $handle) = in_child {
        open my $in, '<', '/bin/sh' or die "/bin/sh: $!\n";
        map { setpriv(@plan, @$_)->{after_exec} } [], [ after_exec => '/bin/sh' ], [ after_exec => $in ];
    };
    is_deeply($file, $plain, 'after_exec: a file without privileges is as any other');
    is_deeply($handle, $plain, '... by its handle too');
    my ($said, $errno) = died(after_exec => '/bin/sh');
    like($said, qr/after_exec goes with dry_run/, 'after_exec: only with dry_run');
    ($said, $errno) = died(@plan, after_exec => '/no/such/file');
    like($said, qr{after_exec "/no/such/file": No such file}, 'after_exec: a file that is not there');
    ($said, $errno) = died(@plan, after_exec => '/etc/passwd');
    like($said, qr{after_exec "/etc/passwd": the exec would be refused: Permission denied}, 'after_exec: a file that is no program');
    is($errno, EACCES, '... $! is that of the exec');
}
SKIP: {
    skip "a set-user-ID program: $needs_root", 2 if $needs_root;
    my $dir = File::Temp->newdir(DIR => '/var/tmp');
    chmod 0755, $dir;
    system('cp', '/bin/cat', "$dir/cat") == 0 or die "cp\n";
    chmod 04755, "$dir/cat" or die "chmod: $!\n";
    my ($expected, $found) = in_child {
        my $plan = setpriv(@user, dry_run => 1, after_exec => "$dir/cat");
        setpriv(@user);
        my %status = map { /\A(\w+):\s*(.*)/ } `$dir/cat /proc/self/status`;
        ($plan->{after_exec}, \%status);
    };
    is("@{ $expected->{uid} }{qw(real effective saved fs)}", '1001 0 0 0', 'after_exec: a set-user-ID program');
    is(join(' ', split ' ', $found->{Uid}), '1001 0 0 0', '... as the kernel has it');
}

# ---- labels for the next exec ----

for my $case ([ apparmor_profile => 'AppArmor', '/sys/module/apparmor/parameters/enabled' ], [ selinux_label => 'SELinux', '/sys/fs/selinux/enforce' ]) {
    my ($option, $module, $file) = @$case;
    for my $bad (undef, [], \1) {
        my ($said, $errno) = died($option => $bad);
        like($said, qr/\Asetpriv: $option(?:: this kernel runs without $module| .* is not a string)/, "$option: no label");
    }
    SKIP: {
        skip "$module is at work here", 2 if -e $file && (do { open my $in, '<', $file or die; <$in> }) =~ /\A[Y01]/;
        my ($said, $errno) = died($option => 'some_label');
        like($said, qr/\Asetpriv: $option: this kernel runs without $module at /, "$option: a clear refusal without $module");
        is($errno, EOPNOTSUPP, '... $! says so');
    }
}

# ---- what is no name of a file, nor of anybody ----

{
    open my $closed, '<', '/dev/null' or die "/dev/null: $!\n";
    close $closed;
    for my $case (
        [ [ after_exec => [] ],          qr/\Asetpriv: after_exec ARRAY\(0x[0-9a-f]+\) is not a string / ],
        [ [ after_exec => "\x{100}" ],   qr/\Asetpriv: after_exec "\\x\{100\}" has a character above 255 / ],
        [ [ after_exec => "a\0b" ],      qr/\Asetpriv: after_exec "a\\0b" has a NUL in it / ],
        [ [ after_exec => '' ],          qr/\Asetpriv: after_exec is empty / ],
        [ [ after_exec => $closed ],     qr/\Asetpriv: after_exec: the handle is not that of an open file / ],
        [ [ user => 'root', reuid => 0 ], qr/\Asetpriv: user and reuid contradict each other / ],
    ) {
        my ($options, $message) = @$case;
        eval { setpriv(dry_run => 1, @$options) };
        like($@, $message, "@$options[0]: " . $message =~ s/.*: |\\//gr);
    }
    my $filter = pack 'S C C L', 0x06, 0, 0, 0x7fff0000;
    is(setpriv(dry_run => 1, no_new_privs => 1, seccomp_filter => $filter)->{seccomp_filter}, 1,
        'dry_run: the instructions of a filter');
    is(setpriv(dry_run => 1, ptracer => 'none')->{steps}[-1]{value}, 0, 'ptracer none is 0');
}

done_testing;
