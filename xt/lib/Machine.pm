package Machine;

# Machines that are emulated as a whole, with a kernel of Debian's or another one. They have
# no disk: the file system, a release of Debian and a copy of this distribution that was
# built there, is all in their memory, so that a kernel needs no module. Whatever is written
# there ends with it.
use 5.014;
use warnings;

use Exporter qw(import);
use File::Path qw(make_path remove_tree);
use File::Temp;

use Proof qw(must_run write_file read_file copy_distribution private_apt unpack_debian inside);

our @EXPORT_OK = qw(debian_kernel file_system boot last_words);

# By Debian's name of the processor: the emulator, the serial line that the kernel's messages go
# to, the one that the commands' words go to, what the kernel is told, and the end of its
# package's name. A board with one line has both on it.
my %machine = (
    amd64 => { qemu => [qw(qemu-system-x86_64 -cpu max)], lines => [qw(ttyS0 ttyS1)], append => 'no_timer_check' },
    arm64 => { qemu => [qw(qemu-system-aarch64 -M virt -cpu), 'max,pauth-impdef=on'], lines => ['ttyAMA0'] },
    ppc64el => { qemu => [qw(qemu-system-ppc64 -M pseries)], lines => ['hvc0'], package => 'powerpc64le' },
    riscv64 => { qemu => [qw(qemu-system-riscv64 -M virt)],  lines => ['ttyS0'] },
    s390x   => { qemu => [qw(qemu-system-s390x)],            lines => ['ttysclp0'] },
);
my @all = qw(-accel tcg -m 3072 -smp 2 -nodefaults -no-user-config -display none -no-reboot);

# The file of a release's newest kernel, below a folder.
sub debian_kernel {
    my ($folder, $log, $release, $arch) = @_;
    my ($there) = glob "$folder/vmlinu?-*";
    return $there if $there;
    remove_tree($folder);
    make_path($folder);

    # The newest one's package, and since 7.0 another one that has the kernel itself.
    my @apt = private_apt("$folder/apt", $log, $arch, $release);
    my $any = 'linux-image-' . ($machine{$arch}{package} // $arch);
    my ($image)  = depends(\@apt, $any, 'image') or die "$release has no $any\n";
    my ($binary) = depends(\@apt, $image, 'binary');
    my $package  = $binary // $image;
    must_run($log, 'sh', '-euc', <<'END', 'sh', $folder, $package, @apt);
cd "$1"
package=$2
shift 2
apt-get "$@" download "$package"
mkdir unpacked
dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x -C unpacked --wildcards '*/boot/vmlinu?-*'
mv "$(find unpacked -type f)" "vmlinuz-$package"
rm -rf apt unpacked "$package"_*.deb
END
    return "$folder/vmlinuz-$package";
}

# The packages that one depends on, of those whose names begin with linux- and a word.
sub depends {
    my ($apt, $package, $word) = @_;
    return map { /\A *Depends: (linux-\Q$word\E-\S+)/ ? $1 : () } qx{apt-cache @$apt depends $package};
}

# An archive of a folder, as the kernel unpacks it into its memory.
sub archive {
    my ($folder, $file, $log, @leave_out) = @_;
    must_run($log, 'sh', '-euc', <<'END', 'sh', $folder, $file, join '|', '^$', @leave_out);
cd "$1"
find . -xdev | grep -Ev "$3" | LC_ALL=C sort | cpio --quiet -o -H newc >"$2"
END
    return $file;
}

# Debian below a cache's folder, and the built copy, as an archive in the folder $work; and what
# runs first in the machine.
sub file_system {
    my ($root, $log, $release, $arch, $work) = @_;
    unpack_debian($root, $log, $release, $arch);
    my $base = "$root.cpio";
    if (!-e $base || -M $base > -M "$root/.unpacked") {
        archive($root, "$base.new", $log, '^\./usr/share/(doc|man|locale|info)/', '^\./copy', '^\./tmp/');
        rename "$base.new", $base or die "$base: $!\n";
    }

    copy_distribution("$root/copy");
    must_run($log, inside($root, 'sh', '-euc', 'cd /copy; perl Makefile.PL; make -s'));
    make_path("$work/add");
    must_run($log, 'mv', "$root/copy", "$work/add/copy");
    write_file("$work/add/init", first_process($machine{$arch}{lines}[-1]));
    chmod 0755, "$work/add/init" or die "$work/add/init: $!\n";
    archive("$work/add", "$work/add.cpio", $log);
    must_run($log, 'sh', '-euc', 'cat "$1" "$2" >"$3"', 'sh', $base, "$work/add.cpio", "$work/initrd");
    return "$work/initrd";
}

sub first_process {
    my ($line) = @_;
    return <<"END";
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm /run
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t securityfs securityfs /sys/kernel/security
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
ip link set lo up
yama=/proc/sys/kernel/yama/ptrace_scope    # which Debian's kernels leave at 0
test ! -e \$yama || echo 1 >\$yama
stty -F /dev/$line raw -echo
cd /copy
setsid sh -c 'echo    # the kernel may have left a line without its end
    echo "kernel: \$(uname -r)"
    echo "security modules: \$(cat /sys/kernel/security/lsm)"
    sh /commands | cat' </dev/null >/dev/$line 2>&1
stty -F /dev/$line raw -echo    # waits until all of it is sent
sync
echo 1 >/proc/sys/kernel/sysrq
echo b >/proc/sysrq-trigger    # a restart, which ends the emulator
END
}

# Boots, and appends what the commands say to the log; the kernel's messages go to one beside it.
# With kernel, initrd (of file_system), arch, log, commands for the shell, a list of what
# passed before, more words for the kernel, and seconds until it is killed.
sub boot {
    my (%how) = @_;
    my ($log, $machine) = ($how{log}, $machine{ $how{arch} });
    my $own = File::Temp->newdir;
    make_path("$own/add");
    write_file("$own/add/commands", $how{commands});
    write_file("$own/add/passed", defined $how{passed} ? read_file($how{passed}) : '');

    # The kernel takes archives one after another.
    archive("$own/add", "$own/add.cpio", $log);
    must_run($log, 'sh', '-euc', 'cat "$1" "$2" >"$3"', 'sh', $how{initrd}, "$own/add.cpio", "$own/initrd");
    my @lines = @{ $machine->{lines} };
    my @files = ("$log.console", "$log.out")[ 0 .. $#lines ];
    must_run("$log.console", 'timeout', '--kill-after=10', $how{limit}, @{ $machine->{qemu} }, @all,
        '-kernel', $how{kernel}, '-initrd', "$own/initrd", '-append',
        join(' ', "console=$lines[0] panic=-1 loglevel=4", grep { length } $machine->{append} // '', $how{append} // ''),
        map { ('-serial', "file:$_") } @files);
    must_run($log, 'sed', '-n', '/^kernel: /,$p', $files[-1]);
    unlink "$log.out";
    return;
}

# The end of the kernel's own messages.
sub last_words {
    my ($log) = @_;
    my @lines = split /\r?\n/, -e "$log.console" ? read_file("$log.console") : '';
    return join ' / ', @lines[ $#lines > 2 ? -3 .. -1 : 0 .. $#lines ];
}

1;
