# How many system calls an operation costs, counted from outside by strace.
use 5.014;
use warnings;

use Config;
use File::Temp;
use lib 't/lib';
use Test::More;

use Linux::Prctl ();
use Masks qw(bit);
use Shapes qw(no_privilege);
use SystemCalls qw(last_capability raw_capget);

my ($strace) = grep { -x } map {"$_/strace"} split /:/, $ENV{PATH} // '';
plan skip_all => 'no strace to count with' if !$strace;
my $dir = File::Temp->newdir;
system("$strace -f -o '$dir/probe' true >/dev/null 2>&1") == 0
    or plan skip_all => 'strace may not trace here';

my ($glibc) = `getconf GNU_LIBC_VERSION 2>/dev/null` =~ /\b2\.(\d+)/;
my $glibc_tells = ($glibc // 0) >= 32 && $Config{gnulibc_version};    # perl's own may be another

# The calls that some code makes between two marks, by name. The code runs once
# before, so that what is learned once is learned.
sub calls {
    my ($code) = @_;
    my $libs = join ' ', map {"'-I$_'"} grep { !ref } @INC;
    open my $script, '>', "$dir/script" or die "$dir/script: $!\n";
    print {$script} <<"END" or die "$dir/script: $!\n";
use 5.014; use warnings; no warnings;
use Linux::Prctl qw(:all);
my \$code = sub { $code };
\$Linux::Prctl::securebits{noroot}; exists \$Linux::Prctl::cap_effective{63};
my \$free = opendir my \$dir, '/nonexistent-begin';
\$code->();
opendir \$dir, '/nonexistent-end';
END
    close $script or die "$dir/script: $!\n";
    my $unshare = no_privilege_of_own() ? 'unshare -Ur ' : '';
    system("$unshare$strace -f -o '$dir/trace' '$^X' $libs '$dir/script' >'$dir/log' 2>&1") == 0
        or die "strace failed for $code\n", slurp("$dir/log");
    my ($between) = slurp("$dir/trace") =~ m{nonexistent-begin[^\n]*\n(.*?)[^\n]*nonexistent-end}s;
    defined $between or die "no marks in the trace\n";
    my @calls = $between =~ /^\d+\s+(\w+)\(/mg;

    # Where the C library does not say that there is one thread, it is asked for.
    return [ grep { $glibc_tells || $_ ne 'unshare' } @calls ];
}

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

sub no_privilege_of_own {
    my ($effective) = raw_capget();
    return !($effective & bit(8));
}

my $last = last_capability();
my @tests = (
    [ 'my $v = $Linux::Prctl::cap_effective{kill}', 'capget' ],
    [ 'my $v = $Linux::Prctl::cap_permitted{kill}', 'capget' ],
    [ 'my $v = $Linux::Prctl::cap_inheritable{net_admin} || $Linux::Prctl::cap_ambient{chown}', 'capget prctl' ],
    [ 'my $v = $Linux::Prctl::cap_ambient{kill}', 'prctl' ],
    [ 'my $v = $Linux::Prctl::capbset{kill}', 'prctl' ],
    [ 'my $v = $Linux::Prctl::securebits{noroot}', 'prctl' ],
    [ 'if ($Linux::Prctl::cap_effective{kill}) { 1 }', 'capget' ],
    [ 'my $v = "$Linux::Prctl::cap_effective{kill}"', 'capget' ],
    [ 'sub { my ($v) = @_ }->($Linux::Prctl::cap_effective{kill})', 'capget' ],
    [ '$Linux::Prctl::cap_effective{kill} = 0', 'capget capset' ],
    [ '$Linux::Prctl::cap_effective{kill} = 1', 'capget capset' ],
    [ '$Linux::Prctl::cap_inheritable{kill} = 1', 'capget capset' ],
    [ 'delete $Linux::Prctl::cap_inheritable{kill}', 'capget capget capset' ],
    [ '$Linux::Prctl::securebits{noroot} = 1', 'prctl prctl' ],
    [ '%Linux::Prctl::cap_effective = ()', 'capget capset' ],
    [ 'cap_effective->drop(qw(chown kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod setfcap))', 'capget capset' ],
    [ 'cap_permitted->drop(qw(chown kill setgid setuid))', 'capget capset' ],
    [ 'cap_permitted->limit("kill")', 'capget capset' ],
    [ 'cap_inheritable->replace(qw(chown kill))', 'capget capset' ],
    [ 'cap_effective->clear', 'capget capset' ],
    [ 'securebits->add(qw(noroot keep_caps))', 'prctl prctl' ],
    [ 'securebits->clear', 'prctl prctl' ],
    [ 'cap_effective->drop; cap_permitted->add; capbset->drop; cap_ambient->add', '' ],
    [ 'my @n = cap_effective->names', 'capget' ],
    [ 'my @n = cap_permitted->names', 'capget' ],
    [ 'my @n = cap_inheritable->names', 'capget' ],
    [ 'my $h = cap_effective->has(qw(chown kill setgid))', 'capget' ],
    [ 'my $h = securebits->has(qw(noroot keep_caps))', 'prctl' ],
    [ 'my @n = securebits->names', 'prctl' ],
    [ 'my $v = %Linux::Prctl::cap_effective ? 1 : 0', 'capget' ],
    [ 'my $h = capbset->has(qw(chown kill))', 'prctl prctl' ],
    [ 'capbset->drop(qw(chown kill))', 'capget prctl prctl' ],
    [ 'cap_ambient->clear', 'prctl' ],
    [ 'cap_ambient->drop(qw(chown kill))', 'prctl prctl' ],
    [ '$Linux::Prctl::capbset{kill} = 0', 'prctl' ],
    [ '$Linux::Prctl::cap_ambient{kill} = 0', 'prctl' ],
    [ 'my $e = exists $Linux::Prctl::cap_effective{kill}', '' ],
    [ 'my $v = get_cap(CAP_EFFECTIVE, CAP_KILL)', 'capget' ],
    [ 'set_cap(CAP_EFFECTIVE, CAP_KILL, 0)', 'capget capset' ],
    [ 'use Linux::Prctl ":fatal"; { local $Linux::Prctl::cap_effective{kill} = 0 }', 'capget capget capset capget capset', 'at most' ],
);

SKIP: {
    skip no_privilege(), 1 if no_privilege();
    for my $test (@tests) {
        my ($code, $expected, $at_most) = @$test;
        my $calls = calls($code);
        if ($at_most) {
            cmp_ok(scalar @$calls, '<=', scalar(split ' ', $expected), "$code: @$calls");
        } else {
            is("@$calls", $expected, $code);
        }
    }

    # Each capability that the kernel has once, and one question more to see the end.
    for my $set (qw(capbset cap_ambient)) {
        my $calls = calls("my \@n = $set->names");
        cmp_ok(scalar @$calls, '<=', $last + 4, "$set->names asks once for each capability");
        cmp_ok(scalar @$calls, '>=', $last + 1, "$set->names asks for each capability");
    }
}

done_testing;
