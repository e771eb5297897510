# A status comes from proc(5), or not at all: in a changed root directory, what is called
# /proc may be a plain directory, with whatever somebody put there.
use 5.014;
use warnings;

use lib 't/lib';
use Errno qw(ENOENT);
use File::Path qw(make_path);
use File::Temp ();
use POSIX ();
use Test::More;

use TestChild qw(in_child);

use Linux::Prctl::Status;

my $CLASS = 'Linux::Prctl::Status';

# In a root directory of our own: as root, or as the root of a user namespace.
sub in_jail {
    my ($code) = @_;
    my $jail = File::Temp->newdir;
    return in_child {
        make_path(map { "$jail/proc/$_" } 'thread-self', 'self', $$);
        $code->("$jail/proc");
        if (!chroot $jail) {
            syscall(272, 0x10000000) if (POSIX::uname())[4] eq 'x86_64';    # CLONE_NEWUSER
            chroot $jail or return ("chroot: $!");
        }
        chdir '/' or return ("chdir: $!");
        my @said;
        for my $ask (sub { $CLASS->current->report }, sub { $CLASS->of($$)->report }, sub { my @all = $CLASS->all; scalar @all }) {
            local $! = 0;
            push @said, eval { $ask->() } // $@, $! + 0;
        }
        return ('', @said);
    };
}

my $truth = do { local (@ARGV, $/) = ('/proc/thread-self/status'); <> };
my %false = (
    'a plain file' => sub {
        my ($proc) = @_;
        for my $process ('thread-self', 'self', $$) {
            open my $out, '>', "$proc/$process/status" or die "$process: $!\n";
            print {$out} $truth =~ s/^(Cap\w+:\t)\w+$/${1}0000000000000000/gmr;
            close $out;
        }
    },
    'a fifo, which nobody writes to' => sub {
        my ($proc) = @_;
        POSIX::mkfifo("$proc/$_/status", 0600) or die "mkfifo: $!\n" for 'thread-self', 'self', $$;
    },
);
for my $what (sort keys %false) {
    my ($cannot, @said) = in_jail($false{$what});
SKIP: {
        skip $cannot, 6 if length $cannot;
        for my $method (qw(current of all)) {
            my ($text, $errno) = splice @said, 0, 2;
            like($text, qr/\A$method.*: No such file or directory \(\/proc is not mounted\)/,
                "$method: $what is no status");
            is($errno, ENOENT, "$method: and \$!");
        }
    }
}

done_testing;
