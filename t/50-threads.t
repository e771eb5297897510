# Credentials belong to a thread: who changes one beside other threads is told.
use 5.014;
use warnings;

use Config;
use lib 't/lib';
my $ithreads;
BEGIN { $ithreads = $Config{useithreads} && eval { require threads; 1 } }
use DynaLoader ();
use File::Temp;
use Test::More;

use Linux::Prctl qw(:hashes :sets :functions prctl);
use Masks qw(bit);
use Shapes qw(privileged no_privilege);
use SystemCalls qw(no_sys raw_prctl raw_capset sys);
use TestChild qw(company in_child proc_caps);

plan skip_all => company() if company();

plan skip_all => no_privilege() if no_privilege();

# A thread that never ends would keep the tests for ever; each step has its own time, however
# slow the machine is with all of them.
use constant PATIENCE => 300;    # an emulated machine is slow
alarm PATIENCE;

# ---- two kinds of threads: perl's, and one that perl knows nothing of ----

# Each is a function that starts a thread and returns what ends it.
my %start;
if ($ithreads) {
    $start{'an ithread'} = sub {
        pipe my $from, my $to or die "pipe: $!\n";
        binmode $_ for $from, $to;
        my $thread = threads->create(sub { close $to; sysread $from, my $byte, 1; 1 });
        return sub { close $to; $thread->join };
    };
}
my $dir = File::Temp->newdir;
my $why = foreign();
$start{'a foreign thread'} = sub { Foreign::start(); return \&Foreign::stop } if !$why;

sub foreign {
    open my $source, '>', "$dir/foreign.c" or return "no place for a source: $!";
    print {$source} <<'END' or return "cannot write a source: $!";
#define PERL_NO_GET_CONTEXT
#include "EXTERN.h"
#include "perl.h"
#include "XSUB.h"
#include <pthread.h>
static int ends[2];
static pthread_t thread;
static void *wait_for_the_end(void *nothing)
{
    char byte;
    return (read)(ends[0], &byte, 1) == 1 ? nothing : 0;
}
XS(start_thread);
XS(start_thread)
{
    dXSARGS;
    PERL_UNUSED_VAR(items);
    if ((pipe)(ends) != 0 || pthread_create(&thread, 0, wait_for_the_end, 0) != 0)
        croak("no thread");
    XSRETURN_EMPTY;
}
XS(stop_thread);
XS(stop_thread)
{
    dXSARGS;
    PERL_UNUSED_VAR(items);
    if ((write)(ends[1], "", 1) != 1 || pthread_join(thread, 0) != 0)
        croak("the thread does not end");
    XSRETURN_EMPTY;
}
END
    close $source or return "cannot write a source: $!";
    my $command = "$Config{cc} $Config{ccflags} $Config{cccdlflags} -I'$Config{archlibexp}/CORE'"
        . " $Config{lddlflags} -o '$dir/foreign.so' '$dir/foreign.c' -lpthread >'$dir/log' 2>&1";
    return 'no compiler for a thread that perl does not know' if system $command;
    my $library = DynaLoader::dl_load_file("$dir/foreign.so", 0) or return DynaLoader::dl_error();
    for my $name (qw(start stop)) {
        my $symbol = DynaLoader::dl_find_symbol($library, "${name}_thread") or return DynaLoader::dl_error();
        DynaLoader::dl_install_xsub("Foreign::$name", $symbol);
    }
    return;
}

# What some code beside a thread, and alone again, says and changes.
sub beside {
    my ($start, $code, $prepare) = @_;
    alarm PATIENCE;
    return privileged {
        $prepare->() if $prepare;
        my $stop = $start->();
        my @said;
        local $SIG{__WARN__} = sub { push @said, @_ };
        my $state  = sub { my %now = proc_caps(); join ' ', raw_prctl(27), raw_prctl(39), @now{qw(E P I A B)} };
        my $before = $state->();
        $! = 7;
        my @result = eval { $code->() };
        my ($errno, $error, $after) = ($! + 0, "$@", $state->());
        $stop->();
        my $beside = @said;
        eval { $code->() };
        return { said => "@said[ 0 .. $beside - 1 ]", times => $beside, died => $error, errno => $errno,
            changed => $before eq $after ? 0 : 1, later => scalar grep { /thread/ } @said[ $beside .. $#said ] };
    };
}

my $filter = pack 'S C C L', 0x06, 0, 0, 0x7fff0000;
my $quoted = join '', map { sprintf '\\%o', $_ } unpack 'C*', $filter;
my @operations = (
    # what changes, what the message calls it, whether it changes something, and success
    [ sub { $cap_effective{kill} = 0 },      'cap_effective{kill}',          1 ],
    [ sub { $cap_inheritable{kill} = 1 },    'cap_inheritable{kill}',        1 ],
    [ sub { $capbset{kill} = 0 },            'capbset{kill}',                1 ],
    [ sub { $securebits{noroot} = 1 },       'securebits{noroot}',           1 ],
    [ sub { delete $cap_effective{kill} },   'cap_effective{kill}',          1 ],
    [ sub { $cap_ambient{kill} = 0 },        'cap_ambient{kill}',            0 ],
    [ sub { %cap_effective = () },           '%cap_effective = ()',          1 ],
    [ sub { %cap_ambient = () },             '%cap_ambient = ()',            0 ],
    [ sub { cap_effective->drop('kill') },   'cap_effective->drop("kill")',  1 ],
    [ sub { cap_permitted->limit('kill') },  'cap_permitted->limit("kill")', 1 ],
    [ sub { cap_inheritable->add('kill') },  'cap_inheritable->add("kill")', 1 ],
    [ sub { cap_ambient->clear },            'cap_ambient->clear()',         0 ],
    [ sub { capbset->replace('kill') },      'capbset->replace("kill")',     1 ],
    [ sub { securebits->add('noroot') },     'securebits->add("noroot")',    1 ],
    [ sub { set_cap(0, 'kill', 0) },         'set_cap(0, "kill", 0)',        1 ],
    [ sub { set_keepcaps(1) },               'set_keepcaps(1)',              1 ],
    [ sub { set_securebits(1) },             'set_securebits(1)',            1 ],
    [ sub { set_no_new_privs() },            'set_no_new_privs()',           1 ],
    [ sub { raw_prctl(38, 1); set_seccomp(2, $filter) }, qq{set_seccomp(2, "$quoted")}, 0 ],
    [ sub { no Linux::Prctl; $! = 7 if cap_ambient_raise('kill') == -1 && $! == 1 }, 'cap_ambient_raise("kill")', 0 ],
    [ sub { capbset_drop('kill') },          'capbset_drop("kill")',         1 ],
    [ sub { cap_ambient_lower('kill') },     'cap_ambient_lower("kill")',    0 ],
    [ sub { cap_ambient_clear_all() },       'cap_ambient_clear_all()',      0 ],
);
my @others = (
    [ sub { my $value = $cap_effective{kill} }, 'a read' ],
    [ sub { my @names = cap_effective->names; cap_effective->has('kill') }, 'names and has' ],
    [ sub { cap_effective->drop; capbset->drop }, 'a method without names' ],
    [ sub { eval { $cap_effective{bogus} = 0 } }, 'misuse' ],
    [ sub { eval { $capbset{kill} = 1 } }, 'raising in the bounding set' ],
    [ sub { prctl(24, 5) }, 'the raw prctl()' ],
    [ sub { set_name('name') }, 'what is no credential' ],
    [ sub { get_keepcaps(); get_cap(0, 'kill') }, 'a question' ],
);

for my $kind ('an ithread', 'a foreign thread') {
    SKIP: {
        skip $kind eq 'an ithread' ? 'this perl has no threads' : $why, 1 if !$start{$kind};
        my $start = $start{$kind};
        for my $operation (@operations) {
            my ($code, $what, $changes) = @$operation;
            my $did = beside($start, $code);
            like($did->{said}, qr/\A\Q$what\E changes this thread alone: the process has 1 other, .* at \Q$0\E line \d+\.\n\z/,
                "beside $kind: $what warns");
            is($did->{times}, 1, 'once');
            is($did->{changed}, $changes, 'and does what it was told') if $changes;
            is($did->{errno}, 7, 'and leaves $! alone');
            is($did->{later}, 0, "and after $kind has ended it is silent");
        }
        for my $other (@others) {
            my ($code, $title) = @$other;
            is(beside($start, $code)->{said}, '', "beside $kind: $title does not warn");
        }
        my $did = beside($start, sub { no warnings 'Linux::Prctl::threads'; $cap_effective{kill} = 0 });
        is($did->{said}, '', "beside $kind: the category can be turned off");
        is($did->{changed}, 1, 'and the change happens');
        $did = beside($start, sub { no warnings 'Linux::Prctl::threads'; $operations[0][0]->() });
        is($did->{times}, 1, 'where the store stands, not around');
        $did = beside($start, sub { no warnings 'Linux::Prctl'; $cap_effective{kill} = 0 });
        is($did->{times}, 1, 'that of refusals is another');
        for my $case ([ 'FATAL', sub { use warnings FATAL => 'Linux::Prctl::threads'; $cap_effective{kill} = 0 } ],
                      [ 'FATAL, a method', sub { use warnings FATAL => 'Linux::Prctl::threads'; cap_effective->drop('kill') } ],
                      [ 'FATAL, a function', sub { use warnings FATAL => 'Linux::Prctl::threads'; set_no_new_privs() } ],
                      [ ':fatal', sub { use Linux::Prctl ':fatal'; $cap_effective{kill} = 0 } ],
                      [ ':fatal, a delete', sub { use Linux::Prctl ':fatal'; delete $cap_effective{kill} } ],
                      [ ':fatal, a list', sub { use Linux::Prctl ':fatal'; %cap_effective = () } ],
                      [ ':fatal, a method', sub { use Linux::Prctl ':fatal'; cap_permitted->clear } ],
                      [ ':fatal, a function', sub { use Linux::Prctl ':fatal'; set_no_new_privs() } ],
                      [ ':fatal, the bounding set', sub { use Linux::Prctl ':fatal'; capbset_drop('kill') } ],
                      [ ':fatal, no warnings', sub { use Linux::Prctl ':fatal'; no warnings; set_securebits(1) } ]) {
            my ($title, $code) = @$case;
            $did = beside($start, $code);
            like($did->{died}, qr/changes this thread alone: the process has 1 other, .* at \Q$0\E line/, "beside $kind: $title dies");
            is($did->{changed}, 0, 'before anything has changed');
            is($did->{said}, '', 'and does not warn');
        }
        alarm PATIENCE;
        my $two = privileged {
            my @stop = map { $start->() } 1;
            my $said = '';
            local $SIG{__WARN__} = sub { $said .= $_[0] };
            { local $cap_effective{kill} = 0; }
            $_->() for @stop;
            $said;
        };
        is(scalar(() = $two =~ /changes this thread/g), 2, "beside $kind: local changes twice");
        my $silent = privileged {
            my $stop = $start->();
            my $said = '';
            local $SIG{__WARN__} = sub { $said .= $_[0] };
            { no warnings 'Linux::Prctl::threads'; local $cap_effective{kill} = 0; }
            $stop->();
            $said;
        };
        is($silent, '', "beside $kind: where the category is off, local restores without a word");
        is(scalar(privileged {
                my $said = '';
                local $SIG{__WARN__} = sub { $said .= $_[0] };
                for (1 .. 50) { my $stop = $start->(); $stop->(); cap_effective->drop('kill'); cap_effective->add('kill') }
                $said;
            }), '', "$kind that was just joined is not counted");
        is(scalar(privileged {
                my $stop = $start->();
                my $code = in_child { my $said = ''; local $SIG{__WARN__} = sub { $said .= $_[0] }; $cap_effective{kill} = 0; $said };
                $stop->();
                $code;
            }), '', "a child of fork is alone, although its parent was beside $kind");
    }
}

is(scalar(privileged {
        my $said = '';
        local $SIG{__WARN__} = sub { $said .= $_[0] };
        eval { $_->[0]->() } for @operations;
        $said =~ /thread/ ? $said : '';
    }), '', 'alone, nothing warns of threads');

# ---- a thread that takes long to end ----

# It is joined when the kernel says that it has ended, and counted until that has closed what was
# its own: many pipes.
SKIP: {
    my $unshare = $ithreads && eval { sys('unshare') };
    skip $ithreads ? no_sys() : 'this perl has no threads', 3 if !$unshare;
    my $program = <<'END';
use threads;
use Linux::Prctl qw(:functions setpriv);
use POSIX ();
sub counted { open my $in, '<', '/proc/self/status' or die "status: $!\n"; local $/; <$in> =~ /^Threads:\s+([0-9]+)/m; $1 }
sub joined {
    threads->create(sub { syscall($ARGV[0], 0x400) == 0 or die "unshare: $!\n"; 1 while POSIX::pipe() })->join;
    return counted();    # CLONE_FILES
}
my $said = '';
local $SIG{__WARN__} = sub { $said .= $_[0] };
my @beside = joined();
set_keepcaps(0);
push @beside, joined();
print eval { setpriv(no_new_privs => 1); 1 } ? "done\n" : $@, "warned: $said\n", "counted: @beside\n";
END
    alarm PATIENCE;
    my @said = do {
        open my $out, '-|', 'sh', '-c', 'ulimit -n "$(ulimit -Hn)"; exec "$@"', 'sh', $^X, '-Mblib', '-e', $program, $unshare
            or die "sh: $!\n";
        <$out>;
    };
    is($said[0], "done\n", 'setpriv waits for a thread that was joined');
    is($said[1], "warned: \n", 'and so does what would warn');
    skip 'such a thread ends at once here', 1 if $said[2] eq "counted: 1 1\n";
    like($said[2], qr/\Acounted: [12] [12]\n\z/, 'while it is counted');
}

# ---- objects and hashes in another thread ----

alarm PATIENCE;

SKIP: {
    skip 'this perl has no threads', 1 if !$ithreads;
    my @seen = privileged {
        my $element = \$cap_effective{kill};
        my $object  = cap_effective;
        return threads->create({ context => 'list' }, sub {
            no warnings 'Linux::Prctl::threads';
            my @seen = (ref tied %cap_effective, $cap_effective{kill}, $$element, scalar(keys %cap_effective) == scalar(keys %capbset) ? 1 : 0);
            $cap_effective{kill} = 0;
            my %now = proc_caps();
            push @seen, $now{E} & bit(5), $cap_effective{kill}, $object->has('kill') ? 1 : 0;
            (tied %cap_effective)->add('kill');
            %now = proc_caps();
            push @seen, $now{E} & bit(5);
            $object->drop('kill');
            cap_permitted->limit('chown');
            %now = proc_caps();
            return (@seen, $now{P}, eval { my $value = $cap_effective{bogus}; 1 } ? '' : $@ =~ /\AUnknown/ ? 'dies' : $@);
        })->join, { proc_caps() };
    };
    my $main = pop @seen;
    is_deeply(\@seen, [ 'Linux::Prctl::CapabilitySet', 1, 1, 1, 0, 0, 0, bit(5), bit(0), 'dies' ], 'the hashes and the objects work in a thread');
    cmp_ok($main->{P}, '!=', bit(0), 'and change that thread alone');
    @seen = privileged {
        local $SIG{__WARN__} = sub { };
        threads->create(sub { $cap_effective{kill} = 0 })->join for 1 .. 5;
        my @names = cap_effective->names;
        ($cap_effective{kill}, scalar(grep { $_ eq 'kill' } @names), scalar(keys %cap_effective), scalar(() = %capbset) / 2);
    };
    is_deeply(\@seen, [ 1, 1, (scalar keys %cap_effective) x 2 ], 'and the main thread goes on');
    my $fatal = privileged {
        threads->create(sub { use Linux::Prctl ':fatal'; eval { $cap_effective{kill} = 0 }; "$@" })->join;
    };
    like($fatal, qr/changes this thread alone/, ':fatal counts in a thread too');
    my ($first, $second, @seconds) = privileged {
        my ($first) = each %cap_effective;
        threads->create(sub { 1 })->join for 1 .. 20;
        my @seconds = map { threads->create(sub { scalar each %cap_effective })->join } 1 .. 20;
        return ($first, scalar each %cap_effective, @seconds);
    };
    is_deeply([ $first, $second, @seconds ], [ 'chown', ('dac_override') x 21 ],
        'each goes on in a thread that starts in the middle of it, and beside it');
}

done_testing;
