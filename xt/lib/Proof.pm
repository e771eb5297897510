package Proof;

# What the programs beside this folder share: copies of the distribution, other Debian
# releases without installing them, the results of xt/suite, a table at the end, and
# the line of each program in xt/README.
use 5.014;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA ();
use Exporter qw(import);
use ExtUtils::Manifest qw(maniread);
use Fcntl qw(LOCK_EX);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use File::Temp;
use POSIX ();

our @EXPORT_OK = qw(
    open_cache run must_run write_file read_file quoted copy_distribution function_in
    private_apt unpack_debian inside debian_source debian_package build_libcap build_and_test prove_each
    show_table note_run
);

my $top = abs_path(dirname(abs_path(__FILE__)) . '/../..');
umask 022;    # uid 65534 reads what is made here

# Where fetched and built things and the logs go: the folder that was named, or one that
# goes with the program.
my ($cache, $temporary);

sub open_cache {
    my ($folder) = @_;
    $folder //= $temporary = File::Temp->newdir;
    make_path("$folder/log");
    chmod 0755, $folder or die "$folder: $!\n";
    return $cache = abs_path($folder);
}

# ---- commands ----

# Runs a command, appends what it says to a file, returns its exit status.
sub run {
    my ($log, @command) = @_;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDIN,  '<',  '/dev/null' or POSIX::_exit(126);
        open STDOUT, '>>', $log        or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT    or POSIX::_exit(126);
        exec { $command[0] } @command or print "$command[0]: $!\n";
        POSIX::_exit(127);
    }
    waitpid $pid, 0;
    return $? >> 8 || $?;
}

sub must_run {
    my ($log, @command) = @_;
    my $status = run($log, @command);
    die "@command: status $status, see $log\n" if $status;
    return;
}

sub quoted { return join ' ', map { "'" . s/'/'\\''/gr . "'" } @_ }

# What the MANIFEST lists, and nothing else, in a new folder.
sub copy_distribution {
    my ($to) = @_;
    remove_tree($to);
    make_path($to);
    open my $tar, '|-', 'sh', '-c', 'tar -C "$1" --null -cT - | tar -C "$2" --no-same-owner -x', 'sh', $top, $to
        or die "tar: $!\n";
    print {$tar} map {"$_\0"} sort keys %{ maniread("$top/MANIFEST") };
    close $tar or die "copying to $to failed\n";
    return $to;
}

# What a source has before a function, and the function: from the line with its name and a
# parenthesis to the next that begins with "}". Nothing if there is not one of that name.
sub function_in {
    my ($source, $name) = @_;
    my @found = $source =~ /^(?:(?:\w[^\n;]*\b|\s*)\Q$name\E\([^;{]*?\n\{|sub \Q$name\E \{).*?\n\}/msg;
    return @found == 1 ? (substr($source, 0, index $source, $found[0]), $found[0]) : ();
}

# ---- Debian, unpacked ----

my $mirror   = $ENV{MIRROR}          || 'http://deb.debian.org/debian';
my $security = $ENV{MIRROR_SECURITY} || 'http://deb.debian.org/debian-security';
my $keyring  = '/usr/share/keyrings/debian-archive-keyring.gpg';

sub write_file {
    my ($name, @text) = @_;
    open my $file, '>', $name or die "$name: $!\n";
    print {$file} @text;
    close $file or die "$name: $!\n";
    return;
}

sub read_file {
    my ($name) = @_;
    open my $file, '<', $name or die "$name: $!\n";
    local $/;
    return scalar <$file>;
}

# The words before apt-get's own, so that it works below one folder and sees nothing of
# this system's; its lists are there afterwards. "deb-src RELEASE": that of sources.
sub private_apt {
    my ($folder, $log, $arch, @releases) = @_;
    my $sources = "$folder/sources.list";
    make_path("$folder/lists/partial", "$folder/archives/partial");
    write_file("$folder/status", '');
    write_file($sources, map {
        my ($kind, $release) = /\A(?:(deb-src) )?(.*)\z/;
        join(' ', $kind // 'deb', "[signed-by=$keyring]", $release =~ /-security\z/ ? $security : $mirror, $release,
            'main') . "\n"
    } @releases);
    my %option = (
        'APT::Architecture'        => $arch,
        'APT::Architectures'       => $arch,
        'APT::Sandbox::User'       => 'root',
        'Acquire::Languages'       => 'none',
        'Dir::State::lists'        => "$folder/lists",
        'Dir::State::status'       => "$folder/status",
        'Dir::Cache'               => $folder,
        'Dir::Cache::archives'     => "$folder/archives",
        'Dir::Etc::sourcelist'     => $sources,
        'Dir::Etc::sourceparts'    => '/dev/null',
        'Dir::Etc::preferences'    => '/dev/null',
        'Dir::Etc::preferencesparts' => '/dev/null',
    );
    my @apt = ('-q', map { ('-o', "$_=$option{$_}") } sort keys %option);
    must_run($log, 'apt-get', @apt, 'update');
    return @apt;
}

# What the tests and the build need of a release.
my @needed = qw(
    base-files base-passwd bash binutils coreutils dash debianutils diffutils findutils
    gcc grep hostname iproute2 libc-bin libc6-dev libcap-dev libcrypt-dev libcap2-bin make mawk mount perl
    procps sed strace tar util-linux
);

# A release of Debian below a folder: apt reads its lists, its packages are opened, none
# of their scripts runs. What is there already is taken as it is.
sub unpack_debian {
    my ($root, $log, $release, $arch, @more) = @_;
    my $wanted = "@needed @more\n";
    open my $lock, '>>', "$root.lock" or die "$root.lock: $!\n";    # other jobs want it, too
    flock $lock, LOCK_EX or die "$root.lock: $!\n";
    return $root if -e "$root/.unpacked" && read_file("$root/.unpacked") eq $wanted;
    remove_tree($root);
    my @apt = private_apt("$root.apt", $log, $arch, $release);
    must_run($log, 'apt-get', @apt, qw(install --yes --download-only --no-install-recommends), @needed, @more);
    for my $folder (qw(bin sbin lib lib32 lib64 libx32)) {
        make_path("$root/usr/$folder");
        symlink "usr/$folder", "$root/$folder" or die "$root/$folder: $!\n";
    }
    for my $deb (glob "$root.apt/archives/*.deb") {
        must_run($log, 'sh', '-c',
            'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"', 'sh', $deb, $root);
    }
    # What the packages' scripts would have done.
    -e "$root/usr/bin/awk" or symlink 'mawk', "$root/usr/bin/awk" or die "$root/usr/bin/awk: $!\n";
    must_run($log, 'cp', "$root/usr/share/base-passwd/$_.master", "$root/etc/$_") for qw(passwd group);
    write_file("$root/etc/shadow", "root:*:20000:0:99999:7:::\n");
    chmod 0640, "$root/etc/shadow" or die "$root/etc/shadow: $!\n";
    make_path(map {"$root/$_"} qw(proc sys dev tmp root));
    chmod 01777, "$root/tmp" or die "$root/tmp: $!\n";
    remove_tree("$root.apt");
    if (run($log, inside($root, 'ldconfig'))) {
        die "programs for $arch do not run here: are qemu-user-static and binfmt-support"
            . " there, and does /proc/sys/fs/binfmt_misc list the emulator?\n";
    }
    write_file("$root/.unpacked", $wanted);
    return $root;
}

# The words before a command that runs it in such a folder; what is mounted there ends
# with it. Not by chroot: behind that the kernel allows no user namespace.
sub inside {
    my ($root, @command) = @_;
    return ('unshare', '--mount', 'sh', '-euc', <<'END', 'sh', $root, @command);
root=$1
shift
mount --rbind "$root" "$root"
for folder in proc sys dev; do mount --rbind "/$folder" "$root/$folder"; done
mkdir -p "$root/.outside"
cd "$root"
pivot_root . .outside
umount -l /.outside
exec /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
END
}

# The source of a package of a release, unpacked in a folder that is made: its path.
sub debian_source {
    my ($folder, $log, $package, $release) = @_;
    my @apt = new_folder($folder, $log, "deb-src $release");
    must_run($log, 'env', '-C', $folder, 'apt-get', @apt, 'source', "$package/$release");
    remove_tree("$folder/apt");
    my ($source) = glob "$folder/*/Makefile";
    die "$folder has no source of $package\n" if !$source;
    return dirname($source);
}

# The files of one package of a release, in a folder that is made.
sub debian_package {
    my ($folder, $log, $package, $release) = @_;
    my @apt = new_folder($folder, $log, $release);
    must_run($log, 'env', '-C', "$folder/apt", 'apt-get', @apt, 'download', $package);
    must_run($log, 'dpkg-deb', '-x', glob("$folder/apt/*.deb"), $folder);
    remove_tree("$folder/apt");
    return;
}

sub new_folder {
    my ($folder, $log, $release) = @_;
    remove_tree($folder);
    make_path($folder);
    return private_apt("$folder/apt", $log, `dpkg --print-architecture` =~ s/\n//r, $release);
}

# Builds libcap from its source, with a compiler, and installs it below a folder.
sub build_libcap {
    my ($source, $prefix, $log, $cc) = @_;
    # With DESTDIR it leaves the system's cache of libraries alone.
    must_run($log, 'make', '-C', "$source/libcap", "CC=$cc", 'BUILD_CC=gcc', "prefix=$prefix", 'lib=lib',
        qw(DESTDIR=/ GOLANG=no PTHREADS=no all install));
    return;
}

# ---- building, testing, telling ----

# Builds a copy with a perl and runs xt/suite there: as few or as many arguments as one
# likes for Makefile.PL and for xt/suite, and a list of what passed before. In a Debian's folder,
# if one is given; behind other words, if those are. Between the two, code may look at what was
# built, in its folder, and die.
sub build_and_test {
    my (%how) = @_;
    my ($root, $perl, $log) = @how{qw(root perl log)};
    my $where = "/tmp/linux-prctl-copy-$$";
    my $there = copy_distribution(($root // '') . $where);
    my $make  = quoted($perl, 'Makefile.PL', 'OPTIMIZE=-O2 -g ' . ($how{optimize} // ''), @{ $how{makefile} // [] });
    my @passed = defined $how{passed} ? '--passed' : ();
    write_file("$there/passed", read_file($how{passed})) if @passed;
    my $suite = quoted($perl, 'xt/suite', @{ $how{suite} // [] }, map { ($_, 'passed') } @passed);
    my $in = sub {
        my @sh = ('sh', '-euc', "cd '$where'; $_[0]");
        return run($log, @{ $how{within} // [] }, $root ? inside($root, @sh) : @sh);
    };
    my $status = $in->("$make; make -s");
    my $went = eval {
        $how{check}->($there) if !$status && $how{check};
        $status ||= $in->("exec $suite");
        1;
    };
    my $why = $@;
    remove_tree($there);
    die $why if !$went;
    return $status;
}

# What xt/suite said in a file: the sums, and what failed or did not end.
sub results {
    my ($log) = @_;
    my %sum = map { ($_ => 0) } qw(tests failed skipped);
    my @bad;
    for (split /\r?\n/, -e $log ? read_file($log) : '') {
        my ($who, $tests, $failed, $skipped, $which) =
            /\Asuite: (\w+): (\d+) tests, (\d+) failed, (\d+) skipped, \d+ s(?:: (.*))?\z/ or next;
        $sum{tests} += $tests;
        $sum{failed} += $failed;
        $sum{skipped} += $skipped;
        push @bad, "$who: $which" if defined $which;
    }
    return { %sum, bad => \@bad };
}

sub show_table {
    my (@rows) = @_;
    my @width;
    for my $row (@rows) {
        for my $column (0 .. $#$row) {
            my $length = length $row->[$column];
            $width[$column] = $length if $length > ($width[$column] // -1);
        }
    }
    for my $row (@rows) {
        my $line = join '  ', map {
            my $space = ' ' x ($width[$_] - length $row->[$_]);
            $row->[$_] =~ /\A\d+\z/ ? $space . $row->[$_] : $row->[$_] . $space;
        } 0 .. $#$row;
        print $line =~ s/ +\z//r, "\n";
    }
    return;
}

# What makes a result one of this tree: how it is tested, and what is copied, but for what says
# nothing about the module as it runs. By test file, of which each is another one's matter, and
# as '' of all.
sub digests_of {
    my (@how) = @_;
    my $common = Digest::SHA->new(256)->add("@how\n");
    my (%of, $all);
    for my $name (sort keys %{ maniread("$top/MANIFEST") }) {
        next if $name =~ m{\A(?:MANIFEST|README|Changes|bench/|packaging/|xt/(?!suite\z))};
        my $sha = Digest::SHA->new(256)->addfile("$top/$name")->hexdigest;
        $all .= $sha;
        $name =~ m{\At/\d[^/]*\.t\z} ? $of{$name} = $sha : $common->add("$name $sha\n");
    }
    $common = $common->hexdigest;
    $_ = Digest::SHA::sha256_hex("$common $_") for values %of;
    return ('' => Digest::SHA::sha256_hex("$common $all"), %of);
}

# Tests each of a list, with a log for each, and returns the exit status: 0 if nothing
# failed. The code gets an item, the name of its log and a list for xt/suite --passed, and
# returns the item's names in the table; then the log says how it went, and an exception says
# why it did not go. With jobs, that many at the same time. With resume, what passed before
# is not tested again: with the same code and tests, and by the same words. A full run's line in
# xt/README begins with what is proved, or the number of items.
sub prove_each {
    my (%how) = @_;
    my @items = @{ $how{items} };
    my (%running, @table, $failed);
    die "$0: --resume needs --cache\n" if $how{resume} && $temporary;
    $how{digest} = { digests_of(@{ $how{resume} }) } if $how{resume};
    for my $place (0 .. $#items) {
        next if $how{resume} && ($table[$place] = passed_before($how{digest}{''}, $items[$place]));
        row_of(\%running, \@table) if keys %running >= ($how{jobs} // 1);
        print '== ', name_of($items[$place]), "\n";
        my ($pid, $from) = start_proof(\%how, $items[$place]);
        $running{$pid} = [$place, $from];
    }
    row_of(\%running, \@table) while %running;
    for my $place (0 .. $#items) {
        my $bad = $table[$place][-1];
        next if $bad eq '';
        $failed++;
        # The log goes with the temporary folder.
        my $log = log_of($items[$place]);
        print $temporary ? read_file($log) : name_of($items[$place]) . ": see $log\n";
    }
    show_table([ @{ $how{columns} }, qw(tests failed skipped) ], @table);
    note_run($how{program}, ($how{what} // @table . " $how{program}") . ': ' . ($failed ? "$failed failed" : 'all pass'))
        if $how{full};
    return $failed ? 1 : 0;
}

sub name_of { my ($item) = @_; return ref $item ? $item->{name} : $item }
sub log_of  { my ($item) = @_; return "$cache/log/" . name_of($item) =~ tr{/:,}{---}r }

# The row of the table that it had, or nothing.
sub passed_before {
    my ($digest, $item) = @_;
    my $file = log_of($item) . '.passed';
    my ($of, @row) = -e $file ? split /\0/, read_file($file), -1 : ('');
    return $of eq $digest ? \@row : undef;
}

# Which test files passed, as who: of the run whose log is there, also if that was broken off, and
# before it. Each line has what it passed as, its digest. A list of those that still hold is for
# xt/suite.
sub keep_passed {
    my ($digest, $log) = @_;
    my %passed = map { ($_ => 1) } -e "$log.files" ? split /\n/, read_file("$log.files") : ();
    my %of = map { split ' ' } -e "$log.digests" ? split /\n/, read_file("$log.digests") : ();
    for (map { -e ? split /\r?\n/, read_file($_) : () } $log, "$log.out", "$log.console") {
        my ($words, $file) = /\bpassed: (\w+ (\S+) \d+ \d+)\z/ or next;
        $passed{"$of{$file} $words"} = 1 if $of{$file};
    }
    write_file("$log.files", map {"$_\n"} sort keys %passed);
    write_file("$log.digests", map {"$_ $digest->{$_}\n"} grep {length} sort keys %$digest);
    write_file("$log.before", map { /\A(\w+) (\w+ (\S+) .*)/ && $1 eq ($digest->{$3} // '') ? "$2\n" : () } keys %passed);
    return "$log.before";
}

# A process that tests one, and says its row of the table in the end.
sub start_proof {
    my ($how, $item) = @_;
    my $pid = open my $from, '-|' // die "fork: $!\n";
    return ($pid, $from) if $pid;
    $SIG{$_} = 'DEFAULT' for qw(HUP INT TERM);
    my $log = log_of($item);
    my $passed = $how->{resume} && keep_passed($how->{digest}, $log);
    unlink $log, "$log.out", "$log.console", "$log.passed";
    unlink "$log.digests" if !$how->{resume};    # they are not this log's
    my @names = (name_of($item), ('-') x (@{ $how->{columns} } - 1));
    my $went  = eval { @names = $how->{test}->($item, $log, $passed); 1 };
    chomp(my $why = $@);
    keep_passed($how->{digest}, $log) if $how->{resume};
    my $result = results($log);
    push @{ $result->{bad} }, $went ? 'no test ran to its end' : $why if !$went || !$result->{tests};
    my @row = (@names, @$result{qw(tests failed skipped)}, join '; ', @{ $result->{bad} });
    write_file("$log.passed", join "\0", $how->{digest}{''}, @row) if $how->{resume} && $row[-1] eq '';
    print join "\0", @row;
    STDOUT->flush;
    POSIX::_exit(0);    # the folders and mounts are the parent's
}

# Waits for one of them.
sub row_of {
    my ($running, $table) = @_;
    my $pid = waitpid -1, 0;
    my ($place, $from) = @{ delete $running->{$pid} // return };
    my @row = split /\0/, do { local $/; <$from> // '' }, -1;
    $table->[$place] = @row ? \@row : ['?', "process $pid ended with status $?"];
    close $from;
    return;
}

# Writes the result of a full run into the program's own line of xt/README.
sub note_run {
    my ($program, $result) = @_;
    system("$top/xt/note-run", $program, $result) == 0 or die "xt/README does not say it\n";
    return;
}

1;
