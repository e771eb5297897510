# Answers that no kernel gives, where bytes come through a pointer: those of a call that a
# seccomp filter traps (its number is left as the answer), and of a listener that says there
# is more than there was room for.
use 5.014;
use warnings;

use lib 't/lib';
use Errno qw(EPERM EPROTO);
use File::Temp ();
use Test::More;

use Seccomp qw(no_filter no_listener supervised);
use TestChild qw(in_child);

use Linux::Prctl qw(setpriv);
use Linux::Prctl::FileCaps;
use Linux::Prctl::Status;

plan skip_all => no_filter() if length no_filter();

use constant RET_TRAP => 0x00030000;

my %number = (
    getgroups => 115,
    setxattr => 188, fsetxattr => 190,
    getxattr => 191, fgetxattr => 193, getxattrat => 464,
    removexattr => 197, fremovexattr => 199,
);

my $dir  = File::Temp->newdir;
my $file = "$dir/program";
open my $out, '>', $file or die "$file: $!\n";
print {$out} "#!/bin/true\n";
close $out;
chmod 0755, $file or die "$file: $!\n";

sub trap {
    my (@names) = @_;
    $SIG{SYS} = sub { };
    Seccomp::install_program(Seccomp::program(map { [ $number{$_}, RET_TRAP ] } @names));
    return;
}

# ---- attributes ----

my $CLASS = 'Linux::Prctl::FileCaps';
my $some  = $CLASS->from_text('cap_chown=p');
my %ways  = (
    set    => sub { $some->set($_[0]) },
    get    => sub { $CLASS->get($_[0]) },
    remove => sub { $CLASS->remove($_[0]) },
);
for my $row ([ set => 'setxattr' ], [ get => 'getxattr' ], [ remove => 'removexattr' ]) {
    my ($method, $call) = @$row;
    for my $by ('path', 'handle') {
        my ($error, $errno) = in_child {
            open my $handle, '<', $file or die "$file: $!\n";
            trap($by eq 'path' ? $call : "f$call");
            local $! = 0;
            return ('', 0) if eval { $ways{$method}->($by eq 'path' ? $file : $handle); 1 };
            return ($@, $! + 0);
        };
        is($errno, EPROTO, "$method by $by: a trapped $call is no answer") or diag $error;
        like($error, qr/\A\Q$method\E\(.*: .* \(no kernel answers like that: a filter may\)/,
            "$method by $by: and the message says so");
    }
}

my @failed = in_child {
    my @errors;
    trap(qw(getxattrat getxattr));
    $CLASS->find($file, { found => sub { die "found @_\n" }, error => sub { push @errors, $! + 0 } });
    return @errors;
};
is_deeply(\@failed, [EPROTO], 'find: nor is a trapped getxattrat');

SKIP: {
    skip no_listener(), 1 if length no_listener();
    for my $bytes (300, 60_000, 2**40) {
        my $answer = sub { return { value => $bytes } };
        my ($calls, $error, $errno) = supervised([ @number{qw(getxattr fgetxattr)} ], $answer, sub {
            return ('', 0) if eval { Linux::Prctl::Status->current->after_exec($file); 1 };
            return ($@, $! + 0);
        });
        is($errno, EPROTO, "after_exec: an attribute of $bytes bytes is more than there is room for")
            or diag $error;
        ok(scalar @$calls, 'after_exec: it was asked for');
    }

    # ---- groups ----

    my $answer = sub { my ($call) = @_; return { value => $call->{args}[0] ? 500 : 0 } };
    my (undef, $error, $errno) = supervised([ $number{getgroups} ], $answer, sub {
        return ('', 0) if eval { setpriv(no_new_privs => 1, dry_run => 1); 1 };
        return ($@, $! + 0);
    });
    is($errno, EPERM, 'setpriv: more groups than there is room for are none that are told');
    like($error, qr/\Asetpriv: the kernel does not tell groups/, 'setpriv: and the message says so');
}

done_testing;
