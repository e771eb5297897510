use 5.014;
use warnings;

use Test::More;

use Config;
use Cwd qw(abs_path);
use File::Basename qw(basename);
use File::Temp;

use lib 't/lib';
use Seccomp qw(no_seccomp);
use SystemCalls qw(sys);

# The module where there is no /proc: a tmpfs lies over it in a mount namespace. What
# comes of it is told by the process itself, since nobody there can look.
my $covered = 'mount -t tmpfs none /proc && exec "$@"';
my @unshare = $> == 0 && -w '/proc/sys/kernel/core_pattern' ? qw(unshare -m) : qw(unshare -Urm);

sub without_proc {
    my (@command) = @_;
    my @how = -e '/proc/self' ? (@unshare, 'sh', '-c', $covered, 'sh') : ();
    open my $out, '-|', @how, @command or return ('', -1);
    my $text = do { local $/; <$out> } // '';
    return close $out ? ($text, 0) : ($text, $?);
}

my ($answer, $status) = without_proc('test', '!', '-e', '/proc/self');
plan skip_all => "cannot hide /proc here (status $status)" if $status;

my @perl = ($^X, map { '-I' . abs_path($_) } grep { !ref && -e } @INC);

sub answers {
    my ($code) = @_;
    my ($text, $failed) = without_proc(@perl, '-MLinux::Prctl=:all', '-e', $code);
    is($failed, 0, 'it ends well: ' . $code =~ s/\n.*/ .../sr);
    return split /\n/, $text;
}

is_deeply([answers('print map { "$_\n" } get_name(), set_name("nobody"), get_name()')],
    [substr(basename($^X), 0, 15), 0, 'nobody'], 'the name');
is_deeply([answers('print map { "$_\n" } set_timerslack(77_000), get_timerslack()')],
    [0, 77_000], 'the timer slack');
is_deeply(
    [   answers('cap_effective->limit("chown"); print map { "$_\n" } cap_effective->names;'
                . ' cap_permitted->clear; print scalar(() = cap_permitted->names), "\n"')
    ],
    [(grep { $_ eq 'chown' } answers('print map { "$_\n" } cap_permitted->names')), 0],
    'limit, clear and names'
);
is_deeply([answers('$! = 0; printf "%s\n%s\n", exists $cap_effective{kill} ? 1 : 0, $!+0')],
    [1, 0], 'a key');
is_deeply([answers('print defined supported("set_ptracer") ? 1 : 0, "\n"')],
    [0], 'what only /proc could tell cannot be asked');

SKIP: {
    skip 'perl without threads', 2 if !$Config{useithreads};
    my $code = <<'END';
use threads;
use threads::shared;
my ($end, @heard) : shared;
local $SIG{__WARN__} = sub { push @heard, @_ };
set_keepcaps(0);
print scalar @heard, "\n";
my $thread = threads->create(sub { lock $end; cond_wait($end) until $end });
set_keepcaps(0);
print $heard[0];
{ lock $end; $end = 1; cond_signal($end) }
$thread->join;
END
    my ($alone, $beside) = answers($code);
    is($alone, 0, 'no warning when alone');
    like($beside, qr/\Aset_keepcaps\(0\) changes this thread alone: .* has 1 other,/,
        'a warning beside another thread');
}

# Nobody can tell whether there are other threads: unshare(2) is refused by a filter, or let
# succeed with nothing done.
SKIP: {
    my $unshare = eval { sys('unshare') };
    skip 'the number of unshare(2) is not known here', 12 if !$unshare;
    my $filtered = sub {
        my ($errno, $body) = @_;
        return <<"END";
set_no_new_privs();
my \$filter = join '', map { pack 'S C C L', \@\$_ } [ 0x20, 0, 0, 0 ], [ 0x15, 0, 1, $unshare ],
    [ 6, 0, 0, 0x50000 | $errno ], [ 6, 0, 0, 0x7fff0000 ];
set_seccomp(SECCOMP_MODE_FILTER(), \$filter) == 0 or die "no filter: \$!\\n";
require threads;    # the C library is sure until there was a second one
threads->create(sub { 1 })->join;
$body
END
    };
    skip 'perl without threads', 12 if !$Config{useithreads};
    skip no_seccomp(), 12 if length no_seccomp();
    for my $errno (0, 1) {
        my $what = $errno ? 'refused' : 'let succeed';
        my ($warned, $died, $unchanged, $setpriv) = answers($filtered->($errno, <<'END'));
local $SIG{__WARN__} = sub { print @_ };
set_keepcaps(0);
{ use Linux::Prctl ':fatal'; print eval { set_keepcaps(1); 1 } ? "lived\n" : $@ }
print get_keepcaps(), "\n";
print eval { setpriv(no_new_privs => 1); 1 } ? "lived\n" : $@;
END
        like($warned, qr/\Aset_keepcaps\(0\) changes this thread alone: whether the process has others cannot be told at /,
            "unshare(2) $what, and no /proc: a warning");
        like($died, qr/\Aset_keepcaps\(1\) changes this thread alone: whether/, 'and an exception under :fatal');
        is($unchanged, 0, 'before anything is changed');
        like($setpriv, qr/\Asetpriv: .*cannot be (?:told|read)/, 'and setpriv refuses');
    }
}

done_testing;
