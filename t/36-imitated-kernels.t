# Kernels with more capabilities than the module can name, and with fewer than this
# one, imitated by seccomp.
use 5.014;
use warnings;

use lib 't/lib';
use Test::More;

use Linux::Prctl qw(:hashes :sets :functions last_cap cap_name cap_number supported);
use Masks qw(bit);
use Seccomp qw(instructions fewer_capabilities low_word);
use Shapes qw(privileged no_privilege);
use SystemCalls qw(raw_prctl raw_capget raw_capset raw_drop last_capability sys);
use TestChild qw(in_child proc_caps);
use POSIX ();

my $last = last_capability();

# ---- fewer ----

my $fewer = $last < 40 ? 'this kernel has few capabilities itself'
    : eval { in_child { fewer_capabilities(37); 1 } } ? '' : "no seccomp: $@";
SKIP: {
    skip $fewer, 1 if $fewer;
    # What is above 37 is lowered before: the sets of capget() are not imitated.
    my $old = sub {
        my ($code) = @_;
        return in_child {
            my ($effective, $permitted, $inheritable) = raw_capget();
            my $few = bit(0 .. 37);
            raw_capset($effective & $few, $permitted & $few, $inheritable & $few);
            fewer_capabilities(37);
            my $said = '';
            local $SIG{__WARN__} = sub { $said .= $_[0] };
            $! = 0;
            my @result = eval { $code->() };
            return ($said . $@, $! + 0, @result);
        };
    };
    my %hash = (cap_effective => \%cap_effective, cap_permitted => \%cap_permitted, cap_inheritable => \%cap_inheritable,
        cap_ambient => \%cap_ambient, capbset => \%capbset);
    my %set = (cap_effective => cap_effective, cap_permitted => cap_permitted, cap_inheritable => cap_inheritable,
        cap_ambient => cap_ambient, capbset => capbset);
    is_deeply([ $old->(sub { (last_cap(), supported('audit_read') ? 1 : 0, supported('bpf') ? 1 : 0) }) ], [ '', 0, 37, 1, 0 ],
        'fewer: the last one is 37');
    for my $name (sort keys %hash) {
        my ($h, $set) = ($hash{$name}, $set{$name});
        is_deeply([ $old->(sub { keys %$h }) ], [ '', 0, map { cap_name($_) } 0 .. 37 ], "fewer: keys of $name");
        for my $key ('bpf', 'CAP_BPF', 39, 'cap_39', 38, 40, 41, 63) {
            my ($said, $errno, $exists, $value) = $old->(sub { (exists $h->{$key} ? 1 : 0, $h->{$key}) });
            is($said . $exists, '0', "fewer: $name has no $key");
            is($value, undef, "fewer: $name: it is undef");
            is_deeply([ $old->(sub { $h->{$key} = 0; delete $h->{$key}; $set->drop($key); $set->has($key) ? 1 : 0 }) ], [ '', 0, 0 ],
                "fewer: $name: lowering $key is success, and it is not there");
            next if $name eq 'capbset';
            my $text = cap_name($key =~ /bpf|39/i ? 39 : $key);
            ($said, $errno) = $old->(sub { $h->{$key} = 1 });
            like($said, qr/\A\Q$name\E\{$text\}: Invalid argument \(this kernel does not know $text\) at /, "fewer: $name: raising $key");
            is($errno, POSIX::EINVAL(), "fewer: $name: \$! is EINVAL");
            ($said) = $old->(sub { $set->add('chown', $key) });
            like($said, qr/Invalid argument \(this kernel does not know $text\)|chown is not/, "fewer: $name->add($key) dies");
        }
        is_deeply([ $old->(sub { $set->limit('chown'); 1 }) ], [ '', 0, 1 ], "fewer: $name->limit") if $name ne 'capbset';
    }
    SKIP: {
        skip no_privilege(), 1 if no_privilege();
        my %now = privileged { fewer_capabilities(37); capbset->limit('chown'); proc_caps() };
        is($now{B} & bit(0 .. 37), bit(0), 'fewer: capbset->limit drops all that this kernel has');
    }
}

# ---- more ----

# A listener answers prctl(), capget() and capset() for capabilities 41 to 43 on top
# of what the kernel does with its own. 43 is the last.
my @new = grep { $_ > $last } $last + 1 .. 43;
my $new_bits = bit(@new);
my ($recv, $send) = (0xc0502100, 0xc0182101);

sub start_listener {
    my (%state) = @_;    # E P I A B of the new ones
    my $seen_by = $$;
    raw_prctl(38, 1);
    my $program = instructions(
        [ 0x20, 0, 0, 0 ],
        [ 0x15, 6, 0, sys('capget') ],
        [ 0x15, 5, 0, sys('capset') ],
        [ 0x15, 0, 5, sys('prctl') ],
        [ 0x20, 0, 0, low_word(0) ],
        [ 0x15, 2, 0, 23 ],
        [ 0x15, 1, 0, 24 ],
        [ 0x15, 0, 1, 47 ],
        [ 0x06, 0, 0, 0x7fc00000 ],
        [ 0x06, 0, 0, 0x7fff0000 ],
    );
    my $prog = pack 'S x![P] P', length($program) / 8, $program;
    my $listener = sys(seccomp => 1, 8, $prog);
    pipe my $alive, my $end or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    return ($pid, POSIX::close($listener)) if $pid;

    # The one that answers asks nothing of what is answered.
    my $memory;
    while (1) {
        my $notice = "\0" x 80;
        my $got = syscall sys('ioctl'), $listener, $recv, $notice;
        POSIX::_exit(0) if $got == -1;
        my ($id, undef, undef, $call, undef, undef, @argument) = unpack 'Q L L l L Q Q6', $notice;
        my ($value, $error, $go_on) = (0, 0, 0);
        open $memory, '+<:raw', "/proc/$seen_by/mem" or POSIX::_exit(97) if !$memory;
        if ($call == sys('prctl')) {
            my ($option, $first, $second) = @argument;
            my $cap = $option == 47 ? $second : $first;
            my $bit = $cap <= 63 ? bit($cap) & $new_bits : 0;
            my $up = $option == 47 && $first == 2;
            if ($option == 47 && $first == 4) { $state{A} = 0; $go_on = 1 }
            elsif (!$bit)                     { $go_on = 1 }
            elsif ($option == 23)             { $value = $state{B} & $bit ? 1 : 0 }
            elsif ($option == 24)             { $state{B} &= ~$bit }
            elsif ($first == 1)               { $value = $state{A} & $bit ? 1 : 0 }
            elsif ($up && !($state{P} & $state{I} & $bit)) { $error = -POSIX::EPERM() }
            elsif ($up)                       { $state{A} |= $bit }
            else                              { $state{A} &= ~$bit }
        } elsif ($call == sys('capget')) {
            # the kernel's own answer, with the new bits in the upper words
            my $head = pack 'L l', 0x20080522, $seen_by;
            my $data = "\0" x 24;
            open my $status, '<', "/proc/$seen_by/status" or POSIX::_exit(96);
            no warnings 'portable';
            my %now = map { /^Cap(.)\w+:\s*(\w+)/ ? ($1 => hex $2) : () } <$status>;
            my @set = map { $now{$_} | $state{$_} } qw(E P I);
            sysseek $memory, $argument[1], 0;
            syswrite $memory, pack('L6', (map { $_ & 0xffffffff } @set), map { $_ >> 32 } @set) if $argument[1];
        } else {
            sysseek $memory, $argument[1], 0;
            sysread $memory, my $data, 24;
            my @word = unpack 'L6', $data;
            my %wish = map { (qw(E P I))[$_] => ($word[$_] | $word[ $_ + 3 ] << 32) & $new_bits } 0 .. 2;
            if ($wish{E} & ~$wish{P} || $wish{P} & ~$state{P} || $wish{I} & ~($state{I} | $state{B})) {
                $error = -POSIX::EPERM();
            } else {
                @state{qw(E P I)} = @wish{qw(E P I)};
                $state{A} &= $wish{P} & $wish{I};
                $go_on = 1;
            }
        }
        my $answer = pack 'Q q l L', $id, $value, $error, $go_on;
        syscall sys('ioctl'), $listener, $send, $answer;
    }
}

# Some code in a process on such a kernel: what it said, $!, and what it returned.
sub newer {
    my ($code, %state) = @_;
    my @all = privileged {
        local $SIG{ALRM} = 'DEFAULT';
        alarm 20;
        my ($pid) = start_listener(map({ $_ => $new_bits } qw(E P B)), I => 0, A => 0, %state);
        my $said = '';
        local $SIG{__WARN__} = sub { $said .= $_[0] };
        $! = 0;
        my @result = eval { $code->() };
        my $errno = $! + 0;
        kill 'KILL', $pid;
        waitpid $pid, 0;
        return ($said . $@, $errno, map { ref $_ ? [@$_] : $_ } @result);
    };
    return @all;
}

SKIP: {
    skip no_privilege(), 1 if no_privilege();
    skip 'this kernel has more capabilities already', 1 if $last != 40;
    skip 'answers of this width are for 64 bits', 1 if length(pack 'P', '') != 8;
    my @first = eval { newer(sub { (last_cap(), raw_prctl(23, 41)) }) };
    skip 'no seccomp listener: ' . ($@ || "@first"), 1 if @first != 4 || $first[3] ne '1';

    is_deeply(\@first, [ '', 0, 43, 1 ], 'more: the last one is 43');
    my %hash = (cap_effective => \%cap_effective, cap_permitted => \%cap_permitted, cap_inheritable => \%cap_inheritable,
        cap_ambient => \%cap_ambient, capbset => \%capbset);
    for my $name (sort keys %hash) {
        my $h = $hash{$name};
        my $on = $name =~ /effective|permitted|bset/ ? 1 : 0;
        is_deeply([ newer(sub { (keys %$h)[ 39 .. 43 ] }) ], [ '', 0, map { cap_name($_) } 39 .. 43 ], "more: keys of $name");
        is_deeply([ newer(sub { map { $h->{$_} } 41, '42', 'cap_43', 'CAP_41' }) ], [ '', 0, ($on) x 4 ], "more: elements of $name");
        is_deeply([ newer(sub { map { exists $h->{$_} ? 1 : 0 } 41, 'cap_43', 44, 63 }) ], [ '', 0, 1, 1, 0, 0 ], "more: exists in $name");
        is_deeply([ newer(sub { ($h->{44}) }) ]->[2], undef, "more: $name: 44 is undef");
    }
    is_deeply([ newer(sub { $cap_effective{41} = 0; my @now = @cap_effective{ 41, 42 }; $cap_effective{cap_41} = 1; (@now, $cap_effective{41}) }) ],
        [ '', 0, 0, 1, 1 ], 'more: an element is lowered and raised');
    is_deeply([ newer(sub { my $was = delete $capbset{41}; ($was, @capbset{ 41, 42 }) }) ], [ '', 0, 1, 0, 1 ], 'more: bounding: delete');
    is_deeply([ newer(sub { $cap_inheritable{42} = 1; $cap_ambient{42} = 1; @cap_ambient{ 41, 42 } }) ], [ '', 0, 0, 1 ], 'more: ambient');
    my ($said, $errno) = newer(sub { $cap_ambient{42} = 1 });
    like($said, qr/\Acap_ambient\{42\}: Operation not permitted \(42 is not inheritable\) at /, 'more: the reason of a refusal');
    ($said) = newer(sub { $cap_effective{42} = 1 }, P => 0, E => 0);
    like($said, qr/\Acap_effective\{42\}: Operation not permitted \(42 is not permitted\) at /, 'more: and another');
    ($said) = newer(sub { $cap_effective{44} = 1 });
    like($said, qr/Invalid argument \(this kernel does not know 44\)/, 'more: but not more than it has');
    is_deeply([ newer(sub { my @n = cap_effective->names; @n[ -3 .. -1 ] }) ], [ '', 0, map { cap_name($_) } 41 .. 43 ], 'more: names of effective');
    is_deeply([ newer(sub { my @n = capbset->names; @n[ -3 .. -1 ] }) ], [ '', 0, map { cap_name($_) } 41 .. 43 ], 'more: names of the bounding set');
    is_deeply([ newer(sub { (cap_effective->has(41, 'cap_42') ? 1 : 0, cap_effective->has(44) ? 1 : 0) }) ], [ '', 0, 1, 0 ], 'more: has');
    is_deeply([ newer(sub { cap_effective->limit('kill'); cap_effective->names }) ], [ '', 0, 'kill' ], 'more: limit drops what has no name');
    is_deeply([ newer(sub { cap_permitted->limit('kill', 42); (cap_permitted->names, cap_effective->names) }) ],
        [ '', 0, ('kill', 42) x 2 ], 'more: or keeps it');
    is_deeply([ newer(sub { capbset->limit('kill'); capbset->names }) ], [ '', 0, 'kill' ], 'more: in the bounding set too');
    is_deeply([ newer(sub { capbset->limit('kill', 'cap_42'); capbset->names }) ], [ '', 0, 'kill', 42 ], 'more: and keeps it there');
    is_deeply([ newer(sub { capbset->limit; scalar(() = capbset->names) }) ], [ '', 0, 0 ], 'more: limit() of the bounding set');
    is_deeply([ newer(sub { cap_permitted->clear; scalar(() = cap_permitted->names) }) ], [ '', 0, 0 ], 'more: clear');
    is_deeply([ newer(sub { %cap_effective = (); scalar(() = cap_effective->names) }) ], [ '', 0, 0 ], 'more: %h = ()');
    is_deeply([ newer(sub { %cap_effective = (42 => 1); cap_effective->names }) ], [ '', 0, cap_name(42) ], 'more: a list');
    is_deeply([ newer(sub { cap_permitted->limit(42); (%cap_effective ? 1 : 0) }) ], [ '', 0, 1 ], 'more: if (%h)');
    is_deeply([ newer(sub { cap_inheritable->replace(41, 42); cap_ambient->replace(41, 42); cap_ambient->limit(42); cap_ambient->names }) ],
        [ '', 0, cap_name(42) ], 'more: ambient: replace and limit');
    is_deeply([ newer(sub { cap_inheritable->add(41, 42); cap_ambient->add(41); cap_ambient->clear; scalar(() = cap_ambient->names) }) ],
        [ '', 0, 0 ], 'more: ambient: clear');
    is_deeply([ newer(sub { { local $cap_effective{41} = 0; die 'not lowered' if $cap_effective{41} } $cap_effective{41} }) ], [ '', 0, 1 ], 'more: local');
    is_deeply([ newer(sub { (supported(43) ? 1 : 0, supported(44) ? 1 : 0, cap_name(42), cap_number('cap_42')) }) ], [ '', 0, 1, 0, cap_name(42), 42 ],
        'more: supported, cap_name, cap_number');
    is_deeply([ newer(sub { (capbset_read(41), capbset_drop(41), capbset_read(41)) }) ], [ '', 0, 1, 0, 0 ], 'more: the functions');
}

done_testing;
