# Answers that no kernel gives: those of a call that a seccomp filter traps (its number is
# left as the answer), and of one that a filter lets succeed with nothing done.
use 5.014;
use warnings;

use lib 't/lib';
use Errno qw(EPROTO);
use Test::More;

use Pinned qw(functions sample);
use Seccomp qw(filter no_filter);
use Shapes qw(no_privilege privileged);
use SystemCalls qw(raw_capget);
use TestChild qw(in_child proc_caps);

use Linux::Prctl qw(:functions :extra :hashes :sets :constants);

plan skip_all => no_filter() if length no_filter();

use constant RET_TRAP => 0x00030000;

# From now on these system calls of the calling process are trapped.
sub trap {
    my (@syscalls) = @_;
    $SIG{SYS} = sub { };
    Seccomp::install_program(Seccomp::program(map { [ $_, RET_TRAP ] } @syscalls));
    return;
}

sub call { my ($name, @args) = @_; no strict 'refs'; return &{"Linux::Prctl::$name"}(@args) }

sub fatally {
    my ($name, @args) = @_;
    use Linux::Prctl ':fatal';
    no strict 'refs';
    return &{"Linux::Prctl::$name"}(@args);
}

# ---- functions ----

# What a number may be is the kernel's, and the raw door passes on what it gets.
my @functions = grep { @{ $_->{call} } && $_->{answer} !~ /\A(?:value|new|answer)\z/ } functions();
for my $way ([ 'trapped', sub { trap('prctl') } ], [ 'let succeed', sub { filter([ prctl => 0 ]) } ]) {
    my ($title, $prepare) = @$way;
    my @asked = grep { $title eq 'trapped' || $_->{answer} !~ /\A(?:status|bit)\z/ } @functions;
    my @said  = in_child {
        $prepare->();
        map {
            my ($name, @args) = ($_->{name}, sample($_));
            $! = 77;
            my @answer = call($name, @args);
            my $errno  = $! + 0;
            $! = 77;
            my $lived = eval { fatally($name, @args); 1 };
            [ \@answer, $errno, $lived ? 'lived' : $@, $! + 0 ];
        } @asked;
    };
    for my $i (0 .. $#asked) {
        my $name     = $asked[$i]{name};
        my $expected = $asked[$i]{answer} eq 'status' ? [-1] : $asked[$i]{answer} eq 'auxv' ? [] : [undef];
        is_deeply([ @{ $said[$i] }[ 0, 1, 3 ] ], [ $expected, EPROTO, EPROTO ], "$name, $title: no success");
        like($said[$i][2], qr/\A\Q$name\E\(.*\(no kernel answers like that: a filter may\) at \Q$0\E line \d+\.\n\z/,
            "$name, $title, under :fatal: dies");
    }
}
is_deeply([ in_child { trap('prctl'); (prctl(PR_GET_DUMPABLE), prctl(PR_SET_DUMPABLE, 1)) } ], [ 157, 157 ],
    'the raw prctl() hands over what it gets');

# ---- sets ----

my %hash = (cap_effective => \%cap_effective, cap_permitted => \%cap_permitted, cap_inheritable => \%cap_inheritable,
    cap_ambient => \%cap_ambient, capbset => \%capbset, securebits => \%securebits);
my %set = (cap_effective => cap_effective, cap_permitted => cap_permitted, cap_inheritable => cap_inheritable,
    cap_ambient => cap_ambient, capbset => capbset, securebits => securebits);

SKIP: {
    skip no_privilege(), 1 if no_privilege();
    for my $name (sort keys %hash) {
        my ($h, $set) = ($hash{$name}, $set{$name});
        my $key = $name eq 'securebits' ? 'noroot' : 'kill';
        my @seen = privileged {
            my %before = proc_caps();
            trap(qw(prctl capget capset));
            my @seen;
            $! = 77;
            push @seen, $h->{$key} // 'undef', $! + 0;
            my $said = '';
            local $SIG{__WARN__} = sub { $said .= $_[0] };
            $! = 77;
            $h->{$key} = 0;
            push @seen, $said =~ /no kernel answers/ ? 'warns' : $said, $! + 0;
            for my $method (qw(names has add drop limit replace clear)) {
                next if $name eq 'capbset' && $method eq 'add';
                my @args = $method =~ /\A(?:names|clear)\z/ ? () : $key;
                push @seen, eval { $set->$method(@args); 1 } ? "$method lived" : $! + 0;
            }
            my %after = proc_caps();
            push @seen, join ',', grep { $before{$_} != $after{$_} } sort keys %before;
            @seen;
        };
        my $changed = pop @seen;
        # Securebits are any number; what is written to them is not done, and is told.
        my @expected = ('undef', EPROTO, 'warns', EPROTO, (EPROTO) x ($name eq 'capbset' ? 6 : 7));
        @expected[ 0, 1, 4, 5 ] = @seen[ 0, 1, 4, 5 ] if $name eq 'securebits';
        is_deeply(\@seen, \@expected, "$name: nothing of a trapped call is taken for an answer") or diag "@seen";
        is($changed, '', "$name: and nothing has changed");
    }
}

# A capget(2) that does nothing: one store would wipe all three sets.
SKIP: {
    skip no_privilege(), 1 if no_privilege();
    my ($said, $errno, @rest) = privileged {
        my %before = proc_caps();
        filter([ capget => 0 ]);
        my $said = '';
        local $SIG{__WARN__} = sub { $said .= $_[0] };
        $! = 77;
        $cap_effective{kill} = 0;
        my $errno = $! + 0;
        my %after = proc_caps();
        my $died  = eval { cap_inheritable->drop('kill'); 1 } ? 'lived' : $! + 0;
        ($said, $errno, $died, map { $before{$_} == $after{$_} ? 1 : 0 } qw(E P I));
    };
    like($said, qr/\Acap_effective\{kill\}: .*no kernel answers/, 'a capget(2) that does nothing: a store warns');
    is_deeply([ $errno, @rest ], [ EPROTO, EPROTO, 1, 1, 1 ], 'and no set is touched');
}

# ---- the ids of the file system ----

for my $case ([ uid => \&getfsuid, \&setfsuid ], [ gid => \&getfsgid, \&setfsgid ]) {
    my ($kind, $get, $set) = @$case;
    for my $errno (1, 38, 13) {
        my @seen = in_child {
            filter([ "setfs$kind" => $errno ]);
            my @seen;
            $! = 77;
            my @got = $get->();
            push @seen, scalar(@got), $got[0], $! + 0;
            for my $id (0, 65534, 4294967294) {
                $! = 77;
                push @seen, $set->($id), $! + 0;
            }
            @seen;
        };
        is_deeply(\@seen, [ 1, undef, $errno, (-1, $errno) x 3 ],
            "getfs$kind and setfs$kind, refused with errno $errno, say so");
    }
}

done_testing;
