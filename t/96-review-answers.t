# Answers that no kernel gives, where bytes come through a pointer: those of a call that a
# seccomp filter traps (its number is left as the answer), and of a listener that says there
# is more than there was room for.
use 5.014;
use warnings;

use lib 't/lib';
use Errno qw(EINVAL ENOSYS EPERM EPROTO);
use File::Temp ();
use Test::More;

use Seccomp qw(no_filter no_listener supervised);
use TestChild qw(in_child);

use Linux::Prctl qw(setpriv spawn);
use Linux::Prctl::FileCaps;
use Linux::Prctl::Status;

plan skip_all => no_filter() if length no_filter();

use constant RET_TRAP => 0x00030000;

my %number = (
    fstat => 5, newfstatat => 262, statx => 332,
    getgroups => 115,
    setxattr => 188, fsetxattr => 190,
    getxattr => 191, lgetxattr => 192, fgetxattr => 193, getxattrat => 464,
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
# Which call the C library makes of fstat(2) is its own affair; all of them are answered. It may
# even have a structure of its own filled and copy from that: where nothing was filled in, it
# copies what happened to be there. Perl's structure is not on the stack.
my @filled;
my %structure_at = ($number{fstat} => 1, $number{newfstatat} => 2, $number{statx} => 4);
if (!length no_listener()) {
    supervised([ keys %structure_at ], sub {
        my ($call) = @_;
        my $at = $call->{args}[ $structure_at{ $call->{syscall} } ];
        open my $maps, '<', "/proc/$call->{pid}/maps" or die "maps: $!\n";
        no warnings 'portable';    # addresses have 64 bits where the listener works
        my ($in) = grep { my ($from, $to) = /\A(\w+)-(\w+) / or die; hex $from <= $at && $at < hex $to } <$maps>;
        push @filled, $in // 'nothing';
        return;
    }, sub { open my $in, '<', $file or die "$file: $!\n"; stat $in or die "stat: $!\n"; 1 });
}
my $of_its_own = @filled && !grep { !/\[stack\]$/ } @filled;
for my $method (sort keys %ways) {
    for my $how ('trapped', 'pretended') {
        my ($error, $errno) = in_child {
            $how eq 'trapped' ? trap(qw(fstat newfstatat statx))
                : Seccomp::filter(map { [ $number{$_}, 0 ] } qw(fstat newfstatat statx));
            local $! = 0;
            return ('', 0) if eval { $ways{$method}->($file); 1 };
            return ($@, $! + 0);
        };
        SKIP: {
            skip 'the C library copies from a structure of its own, filled or not', 2 if $how eq 'pretended' && $of_its_own;
            is($errno, EPROTO, "$method: what a $how fstat tells is not believed");
            like($error, qr/\A\Q$method\E\(.*no kernel answers like that/, '... and why is said');
        }
    }
}

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
    for my $case (map { ([ $_, 0 ], [ $_, 1 ]) } 300, 60_000, 2**40) {
        my ($bytes, $begins) = @$case;
        my $answer = sub {
            my ($call) = @_;
            return { value => $bytes, write => $begins ? { $call->{args}[2] => pack 'V5', 0x02000000, (0) x 4 } : {} };
        };
        my ($calls, $error, $errno) = supervised([ @number{qw(getxattr fgetxattr)} ], $answer, sub {
            return ('', 0) if eval { Linux::Prctl::Status->current->after_exec($file); 1 };
            return ($@, $! + 0);
        });
        is($errno, EPROTO, "after_exec: an attribute of $bytes bytes is more than there is room for")
            or diag $error;
        ok(scalar @$calls, 'after_exec: it was asked for');
    }

    # Nor does the kernel show an attribute that is malformed.
    my @malformed = (
        [ "\1\0\0",                    'an attribute of 3 bytes has no version' ],
        [ pack('V5', 0x04000000, 0, 0, 0, 0), 'an attribute of version 4, which is not 1, 2 or 3' ],
        [ pack('V6', 0x02000000, (0) x 5),    'an attribute of version 2 has 20 bytes, not 24' ],
    );
    for my $row (@malformed) {
        my ($bytes, $why) = @$row;
        my $answer  = sub {
            my ($call) = @_;
            return { errno => 38 } if $call->{syscall} eq $number{getxattrat};    # as before Linux 6.13
            my $name = Seccomp::peek($call, $call->{args}[1], 20);
            return { errno => 61 } if $name !~ /\Asecurity.capability\0?/;    # an access list
            return { value => length $bytes, write => { $call->{args}[2] => $bytes } };
        };
        my (undef, %failed) = supervised([ @number{qw(getxattr lgetxattr fgetxattr getxattrat)} ], $answer, sub {
            open my $handle, '<', $file or die "$file: $!\n";
            my %do = (
                'get by path'   => sub { $CLASS->get($file) },
                'get by handle' => sub { $CLASS->get($handle) },
                'find'          => sub { $CLASS->find($file, { found => sub { die "found @_\n" }, error => sub { die $_[-1] } }) },
                'after_exec'    => sub { Linux::Prctl::Status->current->after_exec($file) },
            );
            my %said;
            for my $what (keys %do) {
                local $! = 0;
                $said{$what} = eval { $do{$what}->(); 1 } ? ['', 0] : ["$@", $! + 0];
            }
            return %said;
        });
        for my $what (sort keys %failed) {
            my ($error, $errno) = @{ $failed{$what} };
            is($errno, EINVAL, "$what: $why") or diag $error;
            like($error, $what eq 'after_exec' ? qr/its capabilities are malformed/ : qr/\Q$why\E/, "$what: and the message says so");
        }
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

# ---- the entries of a directory ----

# A call that is trapped, or let succeed, leaves the buffer as it was: what stands there is no
# entry, and not one without a length, which would never end. (The signals wait meanwhile; but
# not that of a limit.)
SKIP: {
    skip no_listener(), 8 if length no_listener();
    my $limit = pack 'QQ', 20, 20;
    mkdir "$dir/tree" or die "$dir/tree: $!\n";
    my %list = (
        'find' => sub {
            my @errors;
            $CLASS->find("$dir/tree", { found => sub { }, error => sub { push @errors, $! + 0 } });
            return "@errors";
        },
        'Status->all'     => sub { eval { Linux::Prctl::Status->all; 1 } ? 'lived' : $! + 0 },
        'Status->threads' => sub { eval { Linux::Prctl::Status->threads($$); 1 } ? 'lived' : $! + 0 },
    );
    for my $name (sort keys %list) {
        for my $bytes (217, 2**20) {
            my ($calls, $said) = supervised([217], sub { return { value => $bytes } }, sub {
                syscall 302, 0, 0, $limit, 0;    # RLIMIT_CPU
                { my @dirt = map { "\0" x 40_000 } 1 .. 5 }
                return $list{$name}->();
            });
            is($said, EPROTO, "$name: a getdents64 that answers $bytes and writes nothing");
        }
    }

    # spawn lists its descriptors only where close_range(2) is not there.
    for my $bytes (217, 2**20) {
        my (undef, $status) = supervised([ 436, 217 ],
            sub { return $_[0]{syscall} == 436 ? { errno => ENOSYS } : { value => $bytes } },
            sub {
                syscall 302, 0, 0, $limit, 0;
                my $pid = spawn(command => ['/bin/true']);
                waitpid $pid, 0;
                return $?;
            });
        is($status, 0, "spawn: a getdents64 that answers $bytes");
    }
}

# ---- a symbolic link ----

SKIP: {
    skip no_listener(), 4 if length no_listener();
    symlink $file, "$dir/link" or die "$dir/link: $!\n";
    for my $bytes (4096, 2**40) {
        my (undef, @said) = supervised([ 89, 267 ], sub { return { value => $bytes } }, sub {    # readlink, readlinkat
            $CLASS->get("$dir/link", follow => \my $followed);
            return ($followed, scalar Linux::Prctl::Status->of($$)->user_ns);
        });
        is($said[0], undef, "get: a link of $bytes bytes led to nobody knows which file");
        is($said[1] && $said[1]{id}, undef, "user_ns: a link of $bytes bytes has no number");
    }
}

# ---- reading a file ----

SKIP: {
    skip no_listener(), 4 if length no_listener();
    for my $bytes (70_000, 2**33) {

        # Of what setpriv and after_exec read themselves; perl's own reads are let through.
        my $answer = sub {
            my ($call) = @_;
            my $path = readlink "/proc/$call->{pid}/fd/$call->{args}[0]";
            return ($path // '') =~ m{\A/proc/.*(?:/status|_map)\z} ? { value => $bytes } : undef;
        };
        my ($calls, $error) = supervised([0], $answer, sub {
            eval { setpriv(no_new_privs => 1, inh_caps => []); 1 } ? '' : $@;
        });
        like($error, qr/\Asetpriv: /, "setpriv: a read of $bytes bytes into less room is no answer");
        ok(scalar(grep { $_->{args}[2] } @$calls), '... it was asked for');
    }
}

done_testing;
