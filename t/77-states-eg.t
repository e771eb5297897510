use 5.014;
use warnings;

use File::Temp;
use Linux::Prctl qw(:all);
use Linux::Prctl::CapState;
use Linux::Prctl::FileCaps;
use Linux::Prctl::Status;
use POSIX ();
use Test::More;

use lib 't/lib';
use TestChild ();    # which skips where there is no /proc

# The programs in eg/, beside getpcaps(8) and getcap(8).

my @INC_ARGS = map { "-I$_" } grep { !ref } @INC;

# A program's lines, what it complained of, and its exit status.
sub run {
    my ($program, @args) = @_;
    my $errors = File::Temp->new;
    my $pid = open(my $out, '-|') // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>&', $errors or POSIX::_exit(126);
        exec @$program, @args or POSIX::_exit(127);
    }
    chomp(my @lines = <$out>);
    close $out;
    my $status = $? >> 8;
    seek $errors, 0, 0;
    return (\@lines, join('', <$errors>), $status);
}

# What pcaps says of each process.
sub texts { return map { /\A *(\d+) +\d+ .{16,}? (\S*=.*|cap_.*)\z/ ? ($1, $2) : () } @_ }

sub eg { return [ $^X, @INC_ARGS, "eg/$_[0]" ] }

# ---- pcaps ----

# Two children that stay: one with no capability, one with what there is but chown.
pipe my $end, my $hold or die "pipe: $!\n";
pipe my $from, my $ready or die "pipe: $!\n";
binmode $_ for $end, $hold, $from, $ready;
my @children = map {
    my $code = $_;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        close $hold;
        set_name('with capability');
        $code->();
        syswrite $ready, 'x';
        sysread $end, my $byte, 1;
        POSIX::_exit(0);
    }
    $pid;
} (sub { $_->clear for cap_permitted, cap_inheritable }, sub { cap_effective->drop('chown') });
sysread $from, my $byte, 1 for @children;
my ($without, $with) = @children;

{
    my ($lines, $errors, $status) = run(eg('pcaps'));
    is($status, 0,  'pcaps succeeds');
    is($errors, '', 'without a complaint');
    my $title = shift @$lines;
    is($title, '    PID    EUID NAME             CAPABILITIES', 'pcaps: the title');
    my %text = texts(@$lines);
    is(scalar keys %text, scalar @$lines, 'a line for each process');
    ok(!$text{$without}, 'none for one without capabilities');
    my $own = Linux::Prctl::CapState->get_for_pid($with);
    is($text{$with}, $own == Linux::Prctl::CapState->new ? undef : "$own", 'one for one with');

  SKIP: {
        skip 'no getpcaps', 2 if system('which getpcaps >/dev/null 2>&1') != 0;
        my @pids = grep { -e "/proc/$_" } keys %text, $without, $with;
        my ($theirs) = run(['getpcaps'], @pids);
        my %again = texts(@{ (run(eg('pcaps')))[0] });
        my ($compared, $different) = (0, 0);
        for my $line (@$theirs) {
            # "1: =ep", and "Capabilities for `1': = ..." from older ones
            my ($pid, $caps) = $line =~ /(\d+)'?:\s*(.*)\z/ or next;
            next if ($text{$pid} // '') ne ($again{$pid} // '');    # others do not stand still
            $compared++;
            next if Linux::Prctl::CapState->from_text($text{$pid} // '=')
                == Linux::Prctl::CapState->from_text($caps);
            $different++;
            diag("$pid: " . ($text{$pid} // 'nothing') . ", getpcaps says $caps");
        }
        cmp_ok($compared, '>=', 2, "compared $compared processes with getpcaps");
        is($different, 0, 'which says the same');
    }
}
{
    my ($lines, $errors, $status) = run(eg('pcaps'), $with, $without);
    is($status, 0, 'pcaps PID... succeeds');
    is(join("\n", @$lines) . "\n",
        join('', map { Linux::Prctl::Status->of($_)->report . "\n" } $with, $without),
        'and prints the reports');
}
{
    my ($lines, $errors, $status) = run(eg('pcaps'), 2**31 - 1, 'bogus', $without);
    is($status, 1, 'pcaps of what is not there fails');
    like($errors, qr/\Apcaps: of\(2147483647\): No such process\npcaps: of: pid "bogus" [^\n]*\n\z/, 'says so');
    is($lines->[0], Linux::Prctl::Status->of($without)->report =~ s/\n.*//sr, 'and goes on');
}
close $hold;
waitpid $_, 0 for @children;

# ---- whatcan ----

my $dir = File::Temp->newdir;
mkdir "$dir/$_" or die "$_: $!\n" for 'a', 'a/deep', 'b c';
my %caps = ('a/one' => 'cap_net_raw=ep', 'a/deep/two' => 'cap_chown=ei', 'b c/three four' => '=p', 'none' => undef);
my $why;
for my $name (sort keys %caps) {
    open my $out, '>', "$dir/$name" or die "$name: $!\n";
    close $out;
    next if !$caps{$name};
    eval { Linux::Prctl::FileCaps->from_text($caps{$name})->set("$dir/$name"); 1 } or $why = $@;
}
symlink 'a/one', "$dir/link" or die "symlink: $!\n";

SKIP: {
    skip "capabilities cannot be set here: $why", 4 if $why;
    my ($lines, $errors, $status) = run(eg('whatcan'), "$dir");
    is_deeply([ sort @$lines ], [ sort map { "$dir/$_ $caps{$_}" } grep { $caps{$_} } keys %caps ],
        'whatcan lists what is there');
    is("$errors$status", '0', 'and succeeds');
    ($lines) = run(eg('whatcan'), "$dir/a/one", "$dir/none", "$dir/b c");
    is_deeply($lines, [ "$dir/a/one cap_net_raw=ep", "$dir/b c/three four =p" ], 'files and directories');
  SKIP: {
        skip 'no getcap', 1 if system('which getcap >/dev/null 2>&1') != 0;
        my @where = ("$dir", grep { -d && !-l } '/bin', '/sbin', '/usr/bin', '/usr/sbin');
        my ($ours) = run(eg('whatcan'), @where);
        my ($theirs) = run([ 'getcap', '-r' ], @where);
        # Before 2.48 it put " = " in between and "+" into the text.
        is_deeply([ sort @$ours ], [ sort map { s/ = (?=cap_)/ /r =~ s/(?<=[a-z])\+(?=[eip]+\z)/=/r } @$theirs ],
            'getcap -r says the same');
    }
}
{
    my ($lines, $errors, $status) = run(eg('whatcan'), "$dir/nowhere", "$dir/none");
    is($status, 1, 'whatcan of what is not there fails');
    like($errors, qr{\Awhatcan: Can't stat \Q$dir\E/nowhere: No such file or directory\n\z}, 'and says so');
    is_deeply($lines, [], 'and nothing else');
    ($lines, $errors, $status) = run(eg('whatcan'), "$dir/link");
    is($status, 1, 'whatcan of a symbolic link fails');
    is($errors, "whatcan: $dir/link is a symbolic link: name what it leads to\n", 'and says so');

    ($lines, $errors, $status) = run(eg('whatcan'));
    is($errors, "usage: whatcan FILE...\n", 'whatcan of nothing');
    isnt($status, 0, 'fails');
}

done_testing;
