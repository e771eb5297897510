use 5.014;
use warnings;
use open IN => ':bytes', OUT => ':bytes';    # whatever PERL_UNICODE says

use Errno qw(EACCES EINTR EIO EMFILE ENOENT ENOSYS ESTALE);
use File::Path qw(make_path);
use File::Temp;
use Linux::Prctl::FileCaps;
use Test::More;

use lib 't/lib';
use Seccomp qw(no_listener peek supervised);

# A search where one system call fails, at each place where there is one. Each file is found,
# or what it lies in is told to be unread; where somebody was faster, it is not there; and
# after a signal nothing is lost.

plan skip_all => no_listener() if length no_listener();

my $CLASS = 'Linux::Prctl::FileCaps';

# By the numbers of x86_64. Which call fstat(3) is depends on the C library.
my %number = (
    open => 2, fstat => 5, openat => 257, newfstatat => 262, fstatfs => 138, getdents64 => 217, getxattrat => 464,
    getxattr => 191, lgetxattr => 192,
);
my %name = reverse %number;
my $SCHED_YIELD = 24;

my $dir = File::Temp->newdir;

# Files with a set-user-ID bit, all of which are to be found.
sub tree {
    my ($top, @files) = @_;
    for my $file (map { "$dir/$top/$_" } @files) {
        make_path($file =~ s{/[^/]+\z}{}r);
        open my $out, '>', $file or die "$file: $!\n";
        close $out or die "$file: $!\n";
        chmod 04755, $file or die "$file: $!\n";
    }
    return map { "$dir/$top/$_" } @files;
}

# The entries of a directory, as getdents64(2) has them, where a file system does not tell what
# they are.
sub entries {
    my ($path) = @_;
    opendir my $in, $path or die "$path: $!\n";
    my $bytes = '';
    for my $name (readdir $in) {
        my $length = 19 + length($name) + 1;
        $length += -$length % 8;
        $bytes .= pack "Q q S C a@{[ $length - 19 ]}", 1, 0, $length, 0, $name;
    }
    return $bytes;
}

# The calls in their order, what was found, and what was told to be unread. The call of that
# number has this answer.
sub run {
    my ($kind, $at, $answer, @roots) = @_;
    my ($running, @calls, %read) = (0);
    my (undef, @said) = supervised([ $SCHED_YIELD, values %number ], sub {
        my ($call) = @_;
        my ($number, @args) = ($call->{syscall}, @{ $call->{args} });
        if ($number eq $SCHED_YIELD) {
            $running = $args[0];
            return;
        }
        return if !$running;
        my $name = $name{$number} // $number;
        my $is = $name;
        $is .= ' ' . (split /\0/, peek($call, $args[1], 8))[0] if $name eq 'openat';
        push @calls, $is;
        return $answer if defined $at && @calls == $at;
        return { errno => ENOSYS } if $name eq 'getxattrat' && $kind eq 'before Linux 6.13';
        return if $name ne 'getdents64' || $kind ne 'types not told';
        my $path = readlink "/proc/$call->{pid}/fd/$args[0]";
        return { value => 0 } if $read{$path}++;
        my $bytes = entries($path);
        return { value => length $bytes, write => { $args[1] => $bytes } };
    }, sub {
        my (@found, @unread);
        syscall $SCHED_YIELD, 1;
        my $lived = eval {
            $CLASS->find(@roots, { set_id => 1, follow => 1, found => sub { push @found, $_[0] },
                error => sub { push @unread, [ $_[0], $! + 0 ] } });
            1;
        };
        my $error = $lived ? '' : "$@";
        syscall $SCHED_YIELD, 0;
        return ($error, [ sort @found ], \@unread);
    });
    return { calls => \@calls, died => $said[0], found => $said[1], unread => $said[2] };
}

# What is wrong with a search: files that nobody speaks of, or that are not there.
sub silent {
    my ($is, @files) = @_;
    my %found = map { $_ => 1 } @{ $is->{found} };
    return grep {
        my $file = $_;
        !$found{$file} && !grep { $file eq $_->[0] || index($file, "$_->[0]/") == 0 } @{ $is->{unread} };
    } @files;
}

# With one answer at each of these places.
sub each_call {
    my ($title, $kind, $roots, $files, $places, $calls) = @_;
    my %all = map { $_ => 1 } @$files;
    for my $row ([ EIO => EIO ], [ EACCES => EACCES ], [ EINTR => EINTR ], [ ENOENT => ENOENT ], [ EMFILE => EMFILE, qr/\Aopenat/ ]) {
        my ($how, $errno, $which) = @$row;
        my @wrong;
        for my $at (@$places) {
            my $call = $calls->[ $at - 1 ];
            next if $which && $call !~ $which;
            my $is = run($kind, $at, { errno => $errno }, @$roots);
            my $what = "$at, $call:";
            if (length $is->{died}) {
                # Before it begins: it cannot tell how attributes are read.
                push @wrong, "$what $is->{died}" if $at > 2;
                next;
            }
            my @silent = silent($is, @$files);
            push @wrong, "$what more than there is" if grep { !$all{$_} } @{ $is->{found} };
            # fstat(2) waits for nothing: whether that is the directory above cannot be told then.
            push @wrong, "$what interrupted, and @silent is not found, or told: " . join ', ', map { "$_->[0] $_->[1]" } @{ $is->{unread} }
                if $errno == EINTR && (@silent || grep { $_->[1] != ESTALE || $call =~ /\Aopenat/ } @{ $is->{unread} });
            push @wrong, "$what nobody tells of @silent" if $errno != ENOENT && @silent;
            push @wrong, "$what told with another errno" if grep { $_->[1] != $errno && $_->[1] != ESTALE } @{ $is->{unread} };
        }
        is(join("\n", @wrong), '', "$title: $how");
    }
    return;
}

symlink 'small/a', "$dir/link" or die "link: $!\n";
for my $kind ('a search', 'before Linux 6.13', 'types not told') {
    my @files = tree('small', qw(a d/b d/d/c e/f z));
    my @roots = ("$dir/link", map { "$dir/small/$_" } qw(a d e z));
    push @files, "$dir/link";
    my $plain = run($kind, undef, undef, @roots);
    is($plain->{died}, '', "$kind: goes through");
    is_deeply([ $plain->{found}, $plain->{unread} ], [ [ sort @files ], [] ], "$kind: all are found");
    note("@{ $plain->{calls} }");
    each_call($kind, $kind, \@roots, \@files, [ 1 .. @{ $plain->{calls} } ], $plain->{calls});
}

# Deeper than directories are kept open: on the way back they are opened again.
{
    # In the order that a file system has its names in, some that are beside the way down come
    # after it: on the way back they are still to be looked into.
    my @way    = (qw(d k q z b m u w), ('d') x 62);
    my @beside = map { my $depth = $_; map { join '/', @way[ 0 .. $depth - 1 ], $_, 'y' } qw(e n x) } 1 .. 6, 30, 69;
    my @files  = tree('deep', @beside, join '/', @way, 'x');
    my @roots = ("$dir/deep");
    my $plain = run('a search', undef, undef, @roots);
    is_deeply([ $plain->{found}, $plain->{unread} ], [ [ sort @files ], [] ], 'deep: all are found');
    my @calls  = @{ $plain->{calls} };
    my @places = grep { $calls[ $_ - 1 ] eq 'openat ..' || $calls[ $_ - 2 ] eq 'openat ..' } 2 .. @calls;
    cmp_ok(scalar @places, '>', 8, 'deep: some are opened again');
    note(scalar @calls, " calls, of these @places");
    each_call('deep', 'a search', \@roots, \@files, \@places, \@calls);
}

done_testing;
