# %securebits: twelve bits, some with locks, some that anybody may set.
use 5.014;
use warnings;

use lib 't/lib';
use Test::More;

use Linux::Prctl qw(:hashes :sets);
use Masks qw(bit);
use Shapes qw(shape in_shape privileged no_privilege);
use SystemCalls qw(raw_prctl raw_capset);
use TestChild qw(in_child proc_caps);

my @names = qw(
    noroot noroot_locked no_setuid_fixup no_setuid_fixup_locked keep_caps keep_caps_locked
    no_cap_ambient_raise no_cap_ambient_raise_locked exec_restrict_file exec_restrict_file_locked
    exec_deny_interactive exec_deny_interactive_locked
);

# Does this kernel have the bits that came in 6.14? It alone can tell.
my $exec_bits = eval { in_child { raw_prctl(28, bit(8)); 1 } };

# The warnings of some code, and the bits afterwards.
sub heard {
    my ($code) = @_;
    my @heard;
    local $SIG{__WARN__} = sub { push @heard, @_ };
    $! = 0;
    $code->();
    return ("@heard", $! + 0, raw_prctl(27));
}

SKIP: {
    skip no_privilege(), 1 if no_privilege();
    for my $bit (0 .. $#names) {
        SKIP: {
            skip "this kernel does not know $names[$bit]", 1 if $bit >= 8 && !$exec_bits;
            my @seen = privileged {
                my @seen = $securebits{ $names[$bit] };
                $securebits{ $names[$bit] } = 1;
                (@seen, raw_prctl(27), $securebits{ $names[$bit] }, scalar(securebits->has($names[$bit])) ? 1 : 0);
            };
            is_deeply(\@seen, [ 0, bit($bit), 1, 1 ], "$names[$bit] is bit $bit");
            my ($said, $errno, $bits) = privileged {
                raw_prctl(28, bit($bit));
                heard(sub { $securebits{ $names[$bit] } = 0 });
            };
            if ($bit % 2) {
                like($said, qr/\Asecurebits\{$names[$bit]\}: Operation not permitted \($names[$bit] is locked\) at \Q$0\E line \d+\.\n\z/,
                    "locked securebits: $names[$bit] cannot be unlocked");
                is($errno, 1, "locked securebits: and \$! says so");
                is($bits, bit($bit), "locked securebits: it stays");
                my $setting = $names[ $bit - 1 ];
                for my $from (0, 1) {
                    ($said, $errno, $bits) = privileged {
                        raw_prctl(28, $from << $bit - 1 | bit($bit));
                        heard(sub { $securebits{$setting} = !$from });
                    };
                    like($said, qr/\Asecurebits\{$setting\}: Operation not permitted \($setting is locked\) at /,
                        "locked securebits: $setting that is locked at $from stays");
                    is($bits, $from << $bit - 1 | bit($bit), "locked securebits: as it was");
                    ($said, $errno, $bits) = privileged {
                        raw_prctl(28, $from << $bit - 1 | bit($bit));
                        heard(sub { $securebits{$setting} = $from });
                    };
                    is($said . $errno, '0', "locked securebits: $setting that is locked at $from can be set to $from");
                }
            } else {
                is($said . $errno . $bits, '00', "$names[$bit] is lowered");
            }
        }
    }
    my ($said, $errno, $bits) = privileged { raw_prctl(28, bit(0, 1)); heard(sub { %securebits = () }) };
    like($said, qr/\A%securebits = \(\): Operation not permitted \(noroot is locked\) at |\(noroot_locked is locked\) at /,
        'locked securebits: %securebits = () meets the lock');
    is($bits, bit(0, 1), 'locked securebits: and changes nothing');

    # Without SETPCAP.
    for my $bit (0 .. 7) {
        ($said, $errno, $bits) = privileged { raw_capset(0, bit(8), 0); heard(sub { $securebits{ $names[$bit] } = 1 }) };
        like($said, qr/\Asecurebits\{$names[$bit]\}: Operation not permitted \(setpcap is not effective\) at /,
            "$names[$bit] wants setpcap");
        is($errno . $bits, '10', 'and $! says EPERM');
        ($said, $errno, $bits) = privileged { raw_capset(0, bit(8), 0); heard(sub { $securebits{ $names[$bit] } = 0 }) };
        is($said . $errno, '0', "$names[$bit] is lowered already: success");
    }
}

for my $shape (qw(root_without_setpcap user_with_setgid_and_setpcap plain_user no_new_privs)) {
    shape $shape => sub {
        SKIP: {
            skip "$shape: this kernel has no exec bits", 1 if !$exec_bits;
            my @seen = in_shape $shape => sub {
                local $SIG{__WARN__} = sub { die @_ };
                $securebits{exec_restrict_file} = 1;
                my @seen = raw_prctl(27);
                securebits->add('exec_deny_interactive', 'exec_deny_interactive_locked');
                return (@seen, raw_prctl(27));
            };
            is_deeply(\@seen, [ bit(8), bit(8, 10, 11) ], "$shape: the exec bits want no privilege");
            my $said = in_shape $shape => sub {
                raw_prctl(28, bit(8, 9));
                (heard(sub { $securebits{exec_restrict_file} = 0 }))[0];
            };
            like($said, qr/\(exec_restrict_file is locked\)/, "$shape: but their locks hold");
        }
        my ($said, $errno, $bits) = in_shape $shape => sub { raw_capset(0, 0, 0); heard(sub { $securebits{keep_caps} = 1 }) };
        like($said, qr/\(setpcap is not effective\)/, "$shape: keep_caps wants setpcap");
        is($bits, 0, "$shape: and is not set without");
    };
}

shape locked_securebits => sub {
    my @said = in_shape locked_securebits => sub { heard(sub { $securebits{keep_caps} = 1 }) };
    like($said[0], qr/\(keep_caps is locked\)/, 'locked securebits: keep_caps is locked');
    my ($error, $errno) = in_shape locked_securebits => sub {
        use Linux::Prctl ':fatal';
        $! = 0;
        eval { Linux::Prctl::set_keepcaps(1) };
        ($@, $! + 0);
    };
    like($error, qr/\Aset_keepcaps\(1\): Operation not permitted \(keep_caps is locked\) at /, 'locked securebits: set_keepcaps says so too');
    is($errno, 1, 'locked securebits: with $!');
    for my $bits (bit(5), bit(4, 5)) {
        for my $value (0, 1) {
            ($error) = privileged {
                use Linux::Prctl ':fatal';
                raw_prctl(28, $bits);
                eval { Linux::Prctl::set_keepcaps($value) };
                $@;
            };
            like($error, qr/\(keep_caps is locked\)/, "locked securebits: set_keepcaps($value) under the bits $bits");
        }
    }
    is(scalar(in_shape locked_securebits => sub { Linux::Prctl::set_keepcaps(1) }), -1, 'locked securebits: or answers -1');
    ($error, my $bits) = in_shape locked_securebits => sub { eval { securebits->clear }; ($@, raw_prctl(27)) };
    like($error, qr/\Asecurebits->clear\(\): .*\(noroot_locked is locked\)/, 'locked securebits: clear meets the lock');
    is($bits, bit(1, 5), 'locked securebits: and leaves the bits');
};

done_testing;
