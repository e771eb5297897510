use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use IO::Socket::INET;
use POSIX ();
use SetprivTest qw(is_root);
use TestChild qw(company);

plan skip_all => company() if company();

# eg/drop, run as anyone would.

my @perl = ($^X, map { "-I$_" } grep { !ref } @INC);

sub run {
    my (@command) = @_;
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::dup2(fileno $to, $_) for 1, 2;
        exec { $command[0] } @command or POSIX::_exit(96);
    }
    close $to;
    my $said = do { local $/; <$from> } // '';
    waitpid $pid, 0;
    return ($? >> 8, $said);
}

sub status_of {
    my ($said) = @_;
    return { map { /\A([^:]+):\s*(.*?)\s*\z/ ? ($1, $2) : () } split /\n/, $said };
}

# drop: a real request to a real port.

my $drop = sub {
    my (@arguments) = @_;
    open my $out, '-|', @perl, 'eg/drop', @arguments or die "eg/drop: $!\n";
    my $line = <$out> // '';
    my ($port) = $line =~ /\Aport (\d+) /;
    my $answer = '';
    if ($port) {
        my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10)
            or die "port $port: $@\n";
        print {$client} "GET / HTTP/1.0\r\n\r\n";
        $answer = do { local $/; <$client> };
    }
    close $out;
    return ($? >> 8, $line, $answer);
};

SKIP: {
    skip 'root with everything: drop: needs root with setuid, setgid and setpcap', 4 if !is_root();
    my ($user, $uid, $gid) = (getpwuid 65534)[ 0, 2, 3 ];
    skip 'root with everything: drop: there is no user 65534', 4 if !defined $user;
    my ($status, $line, $answer) = $drop->(0, $user);
    is($status, 0, 'root with everything: drop: ends well');
    like($line, qr/\Aport \d+ as uid $uid, gid $gid\n\z/, 'root with everything: drop: says who it is');
    like($answer, qr{\AHTTP/1\.0 200 OK\r\n}, 'root with everything: drop: answers');
    my $truth = status_of($answer =~ s/\A.*?\r\n\r\n//sr);
    is_deeply([ @{$truth}{qw(Uid CapEff CapPrm CapBnd NoNewPrivs)} ],
        [ join("\t", ($uid) x 4), ('0' x 16) x 3, 1 ], 'root with everything: drop: ... as someone who may do nothing');
}
SKIP: {
    skip 'drop by a plain user: this is root', 1 if is_root() || $> == 0;
    my ($name) = (getpwuid $>)[0];
    skip 'drop by a plain user: who has no name', 1 if !defined $name;
    my ($status, $line) = run(@perl, 'eg/drop', 0, $name);
    like($line, qr/\Asetpriv: step \d+, .* would be refused: set\w+ is not effective/,
        'plain user: drop: a plain user cannot, and serves nothing');
}

done_testing;
