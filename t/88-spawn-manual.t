use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Errno qw(EAGAIN EACCES ENOENT);
use File::Temp;
use Linux::Prctl ();
use POSIX ();
use Shapes qw(is_root);
use TestChild qw(in_child proc_status);

# The page of spawn(): its examples run, its lists are those of the code.

my $manual = 'lib/Linux/Prctl/Spawn.pod';
open my $in, '<', $manual or die "$manual: $!\n";
my $pod = do { local $/; <$in> };

# Options: those that spawn() itself names.

eval { Linux::Prctl::spawn('no such option' => 1) };
my ($options) = $@ =~ /there are (.*?)\)/ or die "no options: $@\n";
my ($section) = $pod =~ /^=head1 OPTIONS\n(.*?)^=head1/ms;
my @documented = map { split /, / } $section =~ /^=item (.+)$/mg;
is_deeply([ sort @documented ], [ sort split /, /, $options ],
    'every option has its item, and nothing else has');

# Limits.

eval { Linux::Prctl::spawn(command => ['x'], rlimits => { 'no such limit' => 1 }) };
my %limit = map { $_ => 1 } split /, /, ($@ =~ /there are (.*?)\)/)[0];
my ($named) = $section =~ /^=item rlimits\n(.*?)^=item/ms;
my @unknown = grep { !$limit{$_} && $_ ne "'unlimited'" } $named =~ /C<([a-z']+)>/g;
is_deeply(\@unknown, [], 'the limits that are named are limits');

# Messages: made as they are shown.

my ($messages) = $pod =~ /^The exception has C<\$!>.*?\n\n(.*?)^\S/ms;
my @shown = map { s/\s+/ /gr =~ s/ at \.\.\.\s*\z//r } $messages =~ /^    (spawn: .*?)(?=^    spawn|\z)/msg;
my $dir = File::Temp->newdir;
my ($noent, $acces) = map { local $! = $_; "$!" } ENOENT, EACCES;
is($shown[0], "spawn: exec of /usr/bin/rsyn: $noent", 'a message: exec');
is(eval { Linux::Prctl::spawn(command => ["$dir/rsyn"]) } // $@ =~ s/ at \S+ line.*//sr =~ s{\Q$dir\E}{/usr/bin}r, $shown[0], '... is that');
is($shown[1], qq{spawn: chdir to "/var/jobs": $acces}, 'a message: chdir');
like($shown[3], qr/\Aspawn: the child was killed by SIGKILL before it executed the program\z/, 'a message: killed');

# Examples.

my @examples;
for my $block ($pod =~ /((?:^(?: {4}.*)?\n)+)/mg) {
    push @examples, $block if $block =~ /^ {4}use Linux::Prctl/m;
}
is(scalar @examples, 3, 'the three uses that people need');
my ($first) = $pod =~ /^=head1 SYNOPSIS\n(.*?)^=head1/ms;
is(scalar(() = $first =~ /use Linux::Prctl/g), 3, '... come first');

SKIP: {
    skip 'root with everything: needs root with setuid, setgid and setpcap', 7 if !is_root();
    skip 'root with everything: needs www-data', 7 if !defined getpwnam('www-data');
    chmod 0755, "$dir";
    my $log = "$dir/job.log";
    my $nobody = getpwnam 'nobody';
    my @said = in_child {
        open STDOUT, '>', "$dir/out" or die "out: $!\n";
        eval "package Example0; $examples[0]; 1" or die $@;
        open my $got, '<', "$dir/out" or die "out: $!\n";
        scalar <$got>;
    };
    like($said[0], qr/\Auid=$nobody\(nobody\) gid=\d+\S* groups=/, 'root with everything: example 1: id says who it is');
    @said = in_child {
        my $pid = eval "package Example1; $examples[1]; \$worker" // die $@;
        my %status = proc_status("/proc/$pid/status");
        kill KILL => $pid;
        waitpid $pid, 0;
        @status{qw(Uid CapEff CapPrm CapInh CapAmb CapBnd NoNewPrivs)};
    };
    my $www = getpwnam 'www-data';
    is_deeply(\@said, [ join("\t", ($www) x 4), ('0000000000000400') x 5, 1 ], 'root with everything: example 2: one capability');
    @said = in_child {
        my $pid = eval "package Example2; " . ($examples[2] =~ s{/var/log/job\.log}{$log}gr) . '; $job' // die $@;
        waitpid $pid, 0;
        $?;
    };
    is($said[0], 0, 'root with everything: example 3: ends well');
    open my $got, '<', $log or die "$log: $!\n";
    my @lines = <$got>;
    is($lines[1], "/\n", 'root with everything: example 3: where it runs');
    is($lines[-1], "64\n", 'root with everything: example 3: its limit');
    ok((grep { $_ eq "LOGNAME=nobody\n" } @lines), 'root with everything: example 3: its environment');
    is((stat $log)[2] & 0777, 0640, 'root with everything: example 3: the file that keeps what it says');
}

done_testing;
