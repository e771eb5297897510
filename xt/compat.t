#!/usr/bin/perl
# Beside Linux::Prctl 1.6.0: both are run as black boxes, each in processes of its own,
# through the same probes. What they answer, say and do to the process is compared. A
# difference that is wanted has a reason here; any other one fails, and so does a
# reason for a difference that is none.
#
# 1.6.0 is Debian's liblinux-prctl-perl, unpacked (not installed) in a directory that
# COMPAT_OLD names, or fetched with apt-get download. Best run as root.
use 5.014;
use warnings;

use Config;
use Cwd qw(abs_path);
use File::Temp;
use FindBin;
use JSON::PP;
use Test::More;

my $dir = File::Temp->newdir;
chmod 0755, "$dir" or die "$dir: $!\n";    # for probes as another user
my $old = $ENV{COMPAT_OLD} // "$dir/old";
if (!-d $old) {
    my $said = `cd '$dir' && apt-get -q -o APT::Sandbox::User=root download liblinux-prctl-perl 2>&1 &&
        dpkg-deb -x liblinux-prctl-perl_*.deb '$old' 2>&1`;
    plan skip_all => "1.6.0 cannot be had: $said" if $?;
}
my ($old_lib) = map { s{/Linux/Prctl\.pm\z}{}r } glob "$old/usr/lib/*/perl5/*/Linux/Prctl.pm";
plan skip_all => "no Linux/Prctl.pm below $old" if !$old_lib;

my %libs = (
    old => ["-I$old_lib"],
    new => [ map { "-I$_" } grep { !ref && m{blib} } map { !ref && -e $_ ? abs_path($_) : $_ } @INC ],
);
{
    my $version = `$^X -I'$old_lib' -MLinux::Prctl -e 'print Linux::Prctl->VERSION' 2>&1`;
    plan skip_all => "this perl does not load 1.6.0: $version" if $version ne '1.6.0';
}

# ---- why they differ ----

# What was asked for, what the kernel did and what was said are compared. The first of
# these that fits tells why two answers differ: what the probe must be marked with, what
# the new answer must be, given the old one ($o, $n: values, errno, died, warned, did).
my @reasons = (
    [ usage => 'a wrong number of arguments: Usage names the arguments by other names', sub {
        my ($o, $n) = @_;
        my ($was, $is) = map { $_->{died} =~ /\A(Usage: [\w:]+)\(/ } $o, $n;
        return defined $was && defined $is && $was eq $is;
    } ],
    [ misuse => 'what is no number of the right size, and no name, dies and changes nothing;'
            . ' 1.6.0 took it for some number', sub {
        my ($o, $n) = @_;
        return $n->{died} =~ /is not a whole number|is neither a number nor|Unknown capability: /
            && !@{ $n->{values} } && !%{ $n->{did} };
    } ],
    [ wide => 'numbers go to the kernel in full width; 1.6.0 cut them to 32 bits', sub {
        my ($o, $n) = @_;
        return $n->{died} eq '' && abs($n->{did}{timerslack} // 0) > 2**31
            || $n->{errno} && !%{ $n->{did} } && ($n->{values}[0] // -1) == -1
            && (!defined $o->{values} || $o->{values}[0] != -1);
    } ],
    [ getter => 'a getter that fails answers undef; 1.6.0 answered -1, 0 or what was on the stack', sub {
        my ($o, $n) = @_;
        return !defined $n->{values}[-1] && $n->{errno} && same($o, $n, qw(died warned did))
            && $o->{values}[-1] =~ /\A-?\d+\z/;
    } ],
    [ getter => 'get_ptracer answers what was last set with success, or getppid(); 1.6.0 said 0,'
            . ' or what was refused', sub {
        my ($o, $n, $probe) = @_;
        return $probe->{name} =~ /get_ptracer/ && $n->{values}[-1] == $n->{ppid};
    } ],
    [ mce => 'set_mce_kill refuses a bad policy; with 1.6.0 the kernel changed the policy first', sub {
        my ($o, $n) = @_;
        return $o->{values}[0] == -1 && $n->{values}[0] == -1 && %{ $o->{did} } && !%{ $n->{did} };
    } ],
    [ truth => 'a value is true or false as Perl has it; 1.6.0 took its number, and no others than 0 and 1', sub {
        my ($o, $n, $probe) = @_;
        return $n->{died} eq ''
            && ($o->{died} =~ /failed: Invalid argument/ || "@{ $o->{warned} }" =~ /uninit|numeric/
                || $probe->{name} =~ /'(?:yes|00)'/);
    } ],
    [ set_cap => 'set_cap answers -1 where the kernel refuses; 1.6.0 answered 0, with $! set', sub {
        my ($o, $n) = @_;
        return refused($n) && ($o->{values}[0] // '') eq '0' && same($o, $n, qw(errno did));
    } ],
    [ set_cap => 'set_cap answers -1 and EINVAL for what the kernel does not have, if it is to be raised;'
            . ' 1.6.0 answered 0', sub {
        my ($o, $n, $probe) = @_;
        return refused($n) && $n->{errno} == 22 && ($o->{values}[0] // '') eq '0' && $probe->{name} =~ /, (?:41|63), 1\)/;
    } ],
    [ spelled => 'the keys of %securebits are taken in any case', sub {
        my ($o, $n, $probe) = @_;
        return $probe->{name} !~ /SECBIT_/i && $o->{died} =~ /\AUnknown secbit/ && $n->{died} eq '';
    } ],
    [ spelled => 'names with CAP_ and SECBIT_, and numbers of capabilities, are keys as well', sub {
        my ($o, $n) = @_;
        return $o->{died} =~ /\AUnknown/ && $n->{died} eq '' && !%{ $n->{did} };
    } ],
    [ unknown => 'an unknown name is shown in a form that can be read, and without other warnings', sub {
        my ($o, $n) = @_;
        my ($was, $is) = map { $_->{died} =~ /\A(Unknown \w+): / } $o, $n;
        return defined $was && defined $is && $was eq $is
            && ($o->{died} =~ /: \z|\n\z/ && $n->{died} =~ /: undef\z|\\n\z/);
    } ],
    [ unknown => 'delete of an unknown name dies; 1.6.0 never lowered anything', sub {
        my ($o, $n, $probe) = @_;
        return $probe->{name} =~ /\Adelete/ && $n->{died} =~ /\AUnknown/ && $o->{died} eq '';
    } ],
    [ store => 'a store that the kernel refuses is a warning with the reason; 1.6.0 was silent', sub {
        my ($o, $n) = @_;
        return "@{ $n->{warned} }" =~ /Operation not permitted \(/ && same($o, $n, qw(values died did))
            && !@{ $o->{warned} };
    } ],
    [ store => 'what succeeds leaves $! alone', sub {
        my ($o, $n) = @_;
        return $n->{errno} == 0 && same($o, $n, qw(values died warned did));
    } ],
    [ whole => 'keys, values, each, exists, delete, local, lists and = () do what a hash does;'
            . ' 1.6.0 listed its own fields, or did nothing', sub {
        my ($o, $n) = @_;
        return $n->{died} =~ /\A(?:\z|%\w+ takes neither a list nor)/;
    } ],
    [ class => 'one class serves all the hashes', sub {
        my ($o, $n) = @_;
        return $n->{values}[0] eq 'Linux::Prctl::CapabilitySet' && $o->{values}[0] =~ /\ALinux::Prctl::/;
    } ],
    [ no_such => 'there is no AUTOLOAD for constants', sub {
        my ($o, $n) = @_;
        return $n->{died} =~ /\AUndefined subroutine/ && $o->{died} =~ /not a valid/;
    } ],
    [ version => 'this is a later version', sub {
        my ($o, $n) = @_;
        return $n->{died} eq '' && $o->{died} =~ /only version 1\.6\.0/;
    } ],
);

sub refused {
    my ($n) = @_;
    return @{ $n->{values} } && $n->{values}[0] eq '-1' && $n->{errno} && $n->{died} eq '' && !%{ $n->{did} };
}

sub same {
    my ($o, $n, @fields) = @_;
    state $json = JSON::PP->new->canonical;
    return !grep { $json->encode([ $o->{$_} ]) ne $json->encode([ $n->{$_} ]) } @fields;
}

# ---- probes ----

# What is asked, as Perl code. What it leaves in @_ is compared, and what it says.
my @probes;    # { name, code, reason, as }

sub probe {
    my ($code, %more) = @_;
    push @probes, { name => $code, code => $code, %more };
    return;
}

my $P       = 'Linux::Prctl::';
my @getters = qw(get_dumpable get_endian get_fpemu get_fpexc get_mce_kill get_name get_pdeathsig
    get_ptracer get_seccomp get_securebits get_timerslack get_timing get_tsc get_unalign);
my %setters = (
    set_dumpable   => [ 0, 1, 2, 3, -1 ],
    set_endian     => [ 0, 1, 2 ],
    set_fpemu      => [ 0, 1 ],
    set_fpexc      => [ 0, 1 ],
    set_mce_kill   => [ 0, 1, 2, 3, 99 ],
    set_name       => [ q{'x'}, q{''}, q{'fifteen bytes 1'}, q{'sixteen bytes 16'}, q{'more than sixteen'} ],
    set_pdeathsig  => [ 0, 1, 15, 64, 65, -1 ],
    set_ptracer    => [ 0, 1, -1, '$$', 99999999 ],
    set_seccomp    => [ 0, 3, 99 ],
    set_securebits => [ 0 .. 63, 64, 1 << 30 ],
    set_timerslack => [ 0, 1, 50_000, 2**31 - 1 ],
    set_timing     => [ 0, 1, 2 ],
    set_tsc        => [ 0, 1, 3 ],
    set_unalign    => [ 0, 1 ],
    capbset_read   => [ 0 .. 41, 63, 64, 999, -1 ],
    capbset_drop   => [ 0 .. 41, 63, 64, 999, -1 ],
);
my @caps = qw(chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap
    linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module
    sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time
    sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog
    wake_alarm);
my @secbits = map { ($_, "${_}_locked") } qw(noroot no_setuid_fixup keep_caps);
my @sets    = qw(cap_effective cap_permitted cap_inheritable capbset);

probe("${P}$_()", getter => 1) for @getters;
probe("${P}$_",   getter => 1) for @getters;
probe("${P}$_(1)", usage => 1) for @getters;
for my $setter (sort keys %setters) {
    (my $getter = $setter) =~ s/\Aset_/get_/;
    for my $value (@{ $setters{$setter} }) {
        my %marks = (mce => $setter eq 'set_mce_kill', getter => $setter eq 'capbset_read');
        probe("${P}$setter($value)", %marks);
        probe("(${P}$setter($value), ${P}$getter())", %marks, getter => 1) if $setter =~ /\Aset_/;
    }
    probe("${P}$setter($_)", usage => 1) for '', '1, 2, 3';
    next if $setter eq 'set_name';
    probe("${P}$setter($_)") for q{'0'}, q{'1'};
    probe("${P}$setter($_)", misuse => 1) for q{undef}, q{''}, q{'bogus'}, q{'12abc'}, q{1.5}, q{[]}, q{2**64};
    probe("${P}$setter($_)", wide => 1) for q{2**32}, q{2**32 + 1}, q{2**63};
}
for my $flag (qw(CAP_EFFECTIVE CAP_PERMITTED CAP_INHERITABLE), 0 .. 3, 99, -1) {
    my $f = $flag =~ /\AC/ ? "${P}$flag()" : $flag;
    for my $cap (0, 10, 40, 41, 63, 64, 99, -1, "${P}CAP_CHOWN()") {
        my %misuse = (misuse => scalar grep { /\A(?:[0-9]{2}|-1)\z/ && !/\A(?:10|4[01]|63)\z/ } $flag, $cap);
        $misuse{misuse} ||= $flag eq '3';
        probe("${P}get_cap($f, $cap)", %misuse, getter => 1);
        probe("${P}set_cap($f, $cap, $_)", %misuse, set_cap => 1) for 0, 1;
        probe("${P}set_cap($f, $cap, $_)", %misuse, set_cap => 1, truth => 1) for 2, -1;
    }
}
probe("${P}get_cap($_)", usage => 1) for '', 0, '0, 0, 0';
probe("${P}get_cap($_)", misuse => 1) for q{undef, 0}, q{0, undef}, q{'bogus', 0}, q{0, 'bogus'};
probe("${P}set_cap($_)", usage => 1) for '', 0, '0, 0', '0, 0, 0, 0';
probe("${P}set_cap($_)", truth => 1) for q{0, 0, undef}, q{0, 0, ''}, q{0, 0, 'yes'};

for my $set (@sets, 'securebits') {
    my @keys = $set eq 'securebits' ? @secbits : @caps;
    my $h = "\$${P}$set";
    my $all = "%${P}$set";
    for my $key (@keys) {
        my $upper = uc $key;
        my $full = ($set eq 'securebits' ? 'SECBIT_' : 'CAP_') . $upper;
        probe("$h\{$key}");
        probe("$h\{$_}", spelled => 1) for $upper, $full, lc $full, ucfirst $key;
        probe("$h\{$key} = $_; $h\{$key}", store => 1) for 0, 1;
        probe("exists $h\{$key}", whole => 1);
    }
    my ($key, $other) = @keys[ 0, 1 ];
    for my $bad (qw('bogus' '' 'chownx' 'xchown' 'cap_' 'cap_bogus' undef), "'chown '", "\"chown\\n\"", "'cap_cap_chown'", q{'secbit_'}) {
        probe("my \$v = $h\{+$bad}; \$v", unknown => 1);
        probe("$h\{+$bad} = 0", unknown => 1);
        probe("exists $h\{+$bad}");
        probe("delete $h\{+$bad}", unknown => 1, whole => 1);
    }
    probe("my \$v = $h\{$_}; \$v", spelled => 1) for 0, 5, 40, 41, 63, 64, q{'0'}, q{'41'};
    probe("$h\{$key} = $_; $h\{$key}", store => 1, truth => 1) for qw(2 -1 'yes' '' '0' undef '00');
    probe("sort keys $all", whole => 1);
    probe("sort { \$a <=> \$b } values $all", whole => 1);
    probe("my %c = $all; map { (\$_, \$c{\$_}) } sort keys %c", whole => 1);
    probe("my \$n = 0; while (my (\$k, \$v) = each $all) { \$n++ } \$n", whole => 1);
    probe("$all ? 'true' : 'false'", whole => 1);
    probe("delete $h\{$key}; $h\{$key}", whole => 1);
    probe("my \$d = delete $h\{$key}; \$d", whole => 1);
    probe("$all = (); $h\{$key}", whole => 1);
    probe("$all = ($key => 1); ($h\{$key}, $h\{$other})", whole => 1);
    probe("my \@v = \@{\\$all}{'$key', '$other'}; \@v", whole => 1);
    probe("{ local $h\{$key} = 0; push \@seen, $h\{$key} } (\@seen, $h\{$key})", whole => 1);
    probe("{ local $h\{$key}; push \@seen, $h\{$key} } (\@seen, $h\{$key})", whole => 1);
    probe("\"$h\{$key}\"");
    probe("ref tied $all", class => 1);
    probe("defined tied $all");
}

# names, tags, imports
my %tags = (
    constants => 'ENDIAN_BIG', functions => 'get_name', capabilities => 'CAP_CHOWN',
    securebits => 'SECBIT_NOROOT',
);
my @constants = qw(ENDIAN_BIG ENDIAN_LITTLE ENDIAN_PPC_LITTLE FPEMU_NOPRINT FPEMU_SIGFPE
    FP_EXC_ASYNC FP_EXC_DISABLED FP_EXC_DIV FP_EXC_INV FP_EXC_NONRECOV FP_EXC_OVF FP_EXC_PRECISE
    FP_EXC_RES FP_EXC_SW_ENABLE FP_EXC_UND MCE_KILL_DEFAULT MCE_KILL_EARLY MCE_KILL_LATE
    TIMING_STATISTICAL TIMING_TIMESTAMP TSC_ENABLE TSC_SIGSEGV UNALIGN_NOPRINT UNALIGN_SIGBUS
    CAP_PERMITTED CAP_EFFECTIVE CAP_INHERITABLE
    SECBIT_KEEP_CAPS SECBIT_KEEP_CAPS_LOCKED SECBIT_NOROOT SECBIT_NOROOT_LOCKED
    SECBIT_NO_SETUID_FIXUP SECBIT_NO_SETUID_FIXUP_LOCKED SECURE_KEEP_CAPS SECURE_KEEP_CAPS_LOCKED
    SECURE_NOROOT SECURE_NOROOT_LOCKED SECURE_NO_SETUID_FIXUP SECURE_NO_SETUID_FIXUP_LOCKED);
my @functions = (@getters, grep({ $_ ne 'set_cap' } sort keys %setters), qw(get_cap set_cap));
for my $name (@constants, map { "CAP_\U$_" } @caps) {
    probe("${P}$name()");
    probe("package Importing; Linux::Prctl->import('$name'); &{'$name'}()");
    probe("eval 'package Inlined; use Linux::Prctl qw($name); $name' // \$@");
}
for my $name (@functions) {
    probe("defined &{'${P}$name'}");
    probe("ref(Linux::Prctl->can('$name'))");
    probe("package Importing; Linux::Prctl->import('$name'); defined &{'Importing::$name'}");
    probe("prototype('${P}$name')");
}
probe("package Importing; Linux::Prctl->import(':$_'); &{'Importing::$tags{$_}'}()") for sort keys %tags;
probe("\@{\$${P}EXPORT_TAGS{capabilities}} >= 36");
probe("package Importing; Linux::Prctl->import(); join ' ', grep { defined &{qq{Importing::\$_}} } sort keys %Importing::");
probe("package Importing; Linux::Prctl->import('no_such_name')");
probe("package Importing; Linux::Prctl->import(':no_such_tag')");
probe("${P}no_such_function()", no_such => 1);
probe("Linux::Prctl->VERSION(1.6)", version => 1);

# Each as root and as a user who may do nothing: refusals differ most.
@probes = map { ({ %$_, as => 'itself' }, { %$_, as => 'nobody', name => "$_->{name}, as nobody" }) } @probes
    if !$>;

# ---- the runner ----

my $runner = "$dir/runner";
open my $out, '>', $runner or die "$runner: $!\n";
print {$out} <<'END' or die "$runner: $!\n";
use JSON::PP;
use POSIX ();
use Linux::Prctl ();
no strict;
our @seen;

my $json   = JSON::PP->new->canonical->allow_nonref;
my @probes = @{ $json->decode(do { local $/; <STDIN> }) };

# prctl(2) itself: the options that answer as their return value, and those that answer
# through a pointer.
my $number = shift;
my %ask    = (dumpable => 3, keepcaps => 7, timing => 13, seccomp => 21, securebits => 27,
    timerslack => 30, mce_kill => 34);
my %ask_by_pointer = (pdeathsig => 2, tsc => 25);

sub truth {
    my %truth;
    open my $in, '<', '/proc/thread-self/status';
    while (<$in>) { $truth{$1} = $2 if /\A(Name|Cap\w+|NoNewPrivs|Seccomp):\s*(.*)/ }
    $truth{$_} = syscall $number, $ask{$_}, 0, 0, 0, 0 for keys %ask;
    for (keys %ask_by_pointer) {
        my $answer = pack 'L2', 0, 0;
        syscall $number, $ask_by_pointer{$_}, $answer, 0, 0, 0;
        $truth{$_} = unpack 'L', $answer;
    }
    return \%truth;
}

sub plain {
    my ($text) = @_;
    $text =~ s/ at (?:\S+|\(eval \d+\)) line \d+(?:, <\w+> (?:line|chunk) \d+)?\.?\n?//g;
    return $text;
}

sub result {
    my ($probe) = @_;
    if ($probe->{as} eq 'nobody') {
        POSIX::setgid(65534);
        POSIX::setuid(65534);
    }
    my @warned;
    local $SIG{__WARN__} = sub { push @warned, plain($_[0]) };
    my $code = eval "sub { $probe->{code} }" or return { syntax => plain($@) };
    my %before = %{ truth() };
    $! = 0;
    my @values = eval { $code->() };
    my $errno = $! + 0;
    my $died  = plain($@);
    my %after = %{ truth() };
    return {
        values => [ map { defined ? "$_" =~ s/0x[0-9a-f]+/0x.../r : undef } @values ],
        errno  => $errno,
        died   => $died,
        warned => \@warned,
        ppid   => getppid,
        did    => { map { $after{$_} ne $before{$_} ? ($_ => $after{$_}) : () } keys %after },
    };
}

for my $probe (@probes) {
    pipe my $from, my $to;
    my $pid = fork;
    if (!$pid) {
        syswrite $to, $json->encode(result($probe));
        POSIX::_exit(0);
    }
    close $to;
    my $line = do { local $/; <$from> };
    waitpid $pid, 0;
    print length $line ? $line : $json->encode({ ended => $? }), "\n";
}
END
close $out or die "$runner: $!\n";

my $json   = JSON::PP->new->canonical;
my $listed = "$dir/probes";
open my $list, '>', $listed or die "$listed: $!\n";
print {$list} $json->encode(\@probes) or die "$listed: $!\n";
close $list or die "$listed: $!\n";

# The number of prctl(2) for syscall(): this perl may have no headers for syscall.ph.
my %numbers = (x86_64 => 157, i386 => 172, i686 => 172, aarch64 => 167, riscv64 => 167);
my ($arch) = $Config{archname} =~ /\A(\w+?)-/;
my $number = $numbers{$arch} // plan(skip_all => "the number of prctl(2) on $arch is not known here");

my %results;
for my $which (qw(old new)) {
    my @lines = `$^X @{ $libs{$which} } $runner $number <$listed 2>$dir/$which.err`;
    is($?, 0, "$which: all probes ran");
    $results{$which} = [ map { $json->decode($_) } @lines ];
    is(@lines, @probes, "$which: " . @probes . ' answers');
}

# ---- compare ----

# Of whatever probe.
my $misuse = [ any => 'misuse leaves EINVAL in $!, not what was there' ];

my (%seen, @unwanted);
for my $i (0 .. $#probes) {
    my ($o, $n) = map { $results{$_}[$i] } qw(old new);
    my $probe = $probes[$i];
    my ($was, $is) = map { my %r = %$_; delete $r{ppid}; $json->encode(\%r) } $o, $n;
    next if $was eq $is;
    my ($reason) = grep { $probe->{ $_->[0] } && $_->[2]->($o, $n, $probe) } @reasons;
    $reason //= $misuse if $n->{died} ne '' && $n->{errno} == 22 && same($o, $n, qw(values died warned did));
    if ($reason) {
        push @{ $seen{ $reason->[1] } }, $probe->{name};
    } else {
        push @unwanted, "$probe->{name}\n  1.6.0: $was\n  now:   $is";
    }
}
is(@unwanted, 0, 'no difference but those that are wanted') or diag(join "\n", @unwanted);
for my $reason (map { $_->[1] } $misuse, @reasons) {
    my $count = @{ $seen{$reason} // [] };
    ok($count, "$count times: $reason") and note("  such as $seen{$reason}[0]");
}

# ---- what travels to the kernel, where the kernel here refuses it ----

SKIP: {
    my $calls = join '; ', map { "Linux::Prctl::$_" } qw(set_dumpable(42) set_endian(42) set_fpemu(42)
        set_fpexc(42) set_pdeathsig(15) set_ptracer(42) set_seccomp(42) set_timerslack(50042) set_timing(42)
        set_tsc(42) set_unalign(42) capbset_read(7));
    my %sent;
    for my $which (qw(old new)) {
        my $said = `strace -e trace=prctl -e raw=prctl $^X @{ $libs{$which} } -MLinux::Prctl -e '$calls' 2>&1`;
        $sent{$which} = { $said =~ /^prctl\((0x\w+), (0x\w+|0)/mg };
        %{ $sent{$which} } or skip "strace does not work here: $said", 3;
    }
    my $set_endian = sprintf '%#x', 20;
    is(delete $sent{new}{$set_endian}, '0x2a', 'set_endian passes its argument on');
    isnt(delete $sent{old}{$set_endian}, '0x2a', '1.6.0 did not');
    is_deeply($sent{new}, $sent{old}, 'all others send the same');
}

done_testing;
