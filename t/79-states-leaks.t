use 5.014;
use warnings;

use File::Temp;
use Linux::Prctl qw(:all);
use Linux::Prctl::CapState;
use Linux::Prctl::FileCaps;
use Linux::Prctl::Status;
use Test::More;

use lib 't/lib';
use TestChild ();    # which skips where there is no /proc

no warnings 'once';    # a handle that was never opened

# Nothing leaks, also when a call dies: not of perl's, and not of libcap's.

my ($S, $F, $T) = map { "Linux::Prctl::$_" } qw(CapState FileCaps Status);
my $file = File::Temp->new;
my $path = "$file";
chmod 04700, $path or die "chmod: $!\n";
my ($state, $caps, $status) = ($S->get_current, $F->from_text('cap_chown=ep rootid=5'), $T->current);
my $other = $T->of($$);
my $some  = $F->from_text('cap_chown=ep');
my $gone  = 2**31 - 1;

# Where files can have capabilities, the calls below succeed; else they die.
sub tried {
    my ($code) = @_;
    return sub { eval { $code->(); 1 }; return };
}

my @calls = (
    [ 'Status: all'            => sub { my @x = $T->all(privileged => 1); my @y = $T->all(unread => sub { }, facts => [qw(name caps summary user_ns groups)]) } ],
    [ 'Status: all, refused'   => tried(sub { $T->all(facts => ['pid', 'bogus']) }) ],
    [ 'Status: summary'        => sub { my $x = $status->summary; my $y = $other->privileged; my $z = caps_text(qw(chown kill)) } ],
    [ 'CapState: new, copy'    => sub { my $x = $S->new; my $y = $x->copy } ],
    [ 'CapState: get_current'  => sub { my $x = $S->get_current } ],
    [ 'CapState: get_for_pid'  => sub { my $x = $S->get_for_pid($$) } ],
    [ 'CapState: from_text'    => sub { my $x = $S->from_text('cap_chown,63=ep cap_kill+i') } ],
    [ 'CapState: to_text'      => sub { my $x = $state->to_text; my $y = "$state" } ],
    [ 'CapState: == and !='    => sub { my $x = $state == $state; my $y = $state != $S->new } ],
    [ 'CapState: names, has'   => sub { my @x = $state->names('permitted'); my $y = $state->has(effective => 'kill', 63) } ],
    [ 'CapState: changes'      => sub { $state->copy->add(effective => 'chown', 63)->drop(permitted => 0)->limit(inheritable => 1)->clear('effective')->clear } ],
    [ 'CapState: set_current'  => sub { $state->set_current } ],
    [ 'CapState: a subclass'   => sub { @Derived::ISA = $S; my $x = Derived->new } ],
    [ 'CapState: no text'      => tried(sub { $S->from_text('cap_chown=ep cap_chownx=ep') }) ],
    [ 'CapState: no grammar'   => tried(sub { $S->from_text('cap_chown=e=p') }) ],
    [ 'CapState: no string'    => tried(sub { $S->from_text([]) }) ],
    [ 'CapState: wide text'    => tried(sub { $S->from_text("=e\x{20ac}") }) ],
    [ 'CapState: no capability' => tried(sub { $state->add(effective => 'chown', 'bogus') }) ],
    [ 'CapState: no set'       => tried(sub { $state->names('bogus') }) ],
    [ 'CapState: no pid'       => tried(sub { $S->get_for_pid(0) }) ],
    [ 'CapState: gone'         => tried(sub { $S->get_for_pid($gone) }) ],
    [ 'CapState: == of text'   => tried(sub { my $x = $state == '=' }) ],
    [ 'CapState: refused'      => tried(sub { $state->copy->add(permitted => 63)->set_current }) ],
    [ 'FileCaps: new, copy'    => sub { my $x = $F->new; my $y = $caps->copy } ],
    [ 'FileCaps: from_text'    => sub { my $x = $F->from_text('cap_chown=ep rootid=5') } ],
    [ 'FileCaps: to_text'      => sub { my $x = "$caps"; my $y = $F->new->effective(1)->to_text } ],
    [ 'FileCaps: flags'        => sub { my $x = $caps->effective; my $y = $caps->rootid; $caps->copy->rootid(7) } ],
    [ 'FileCaps: attribute'    => sub { my $x = $F->_from_attribute($caps->_to_attribute) } ],
    [ 'FileCaps: get none'     => sub { my $x = $F->get($path); my $y = $F->get($file) } ],
    [ 'FileCaps: set'          => tried(sub { $some->set($path); my $x = $F->get($file) }) ],
    [ 'FileCaps: remove'       => tried(sub { $F->remove($file) }) ],
    [ 'FileCaps: malformed'    => tried(sub { $F->_from_attribute('x' x 9) }) ],
    [ 'FileCaps: partly'       => tried(sub { $F->from_text('cap_chown=ep cap_kill=p') }) ],
    [ 'FileCaps: no root id'   => tried(sub { $F->from_text('= rootid=x') }) ],
    [ 'FileCaps: a directory'  => tried(sub { $F->get('/') }) ],
    [ 'FileCaps: not there'    => tried(sub { $some->set("$path/x") }) ],
    [ 'FileCaps: no path'      => tried(sub { $F->get(undef) }) ],
    [ 'FileCaps: no handle'    => tried(sub { $F->get(\*NEVER) }) ],
    [ 'FileCaps: find'         => sub { $F->find($path, '/dev/mqueue', { set_id => 1, found => sub { }, error => sub { } }) } ],
    [ 'FileCaps: find, next'   => sub { my $x = $F->find($path, { set_id => 1 }); my @x = $x->next; my $y = $x->next } ],
    [ 'FileCaps: find dies'    => tried(sub { $F->find($path, { set_id => 1, found => sub { die "enough\n" } }) }) ],
    [ 'FileCaps: find, no path' => tried(sub { $F->find($path, undef) }) ],
    [ 'FileCaps: find, no option' => tried(sub { $F->find($path, { bogus => 1 }) }) ],
    [ 'FileCaps: find fails'   => tried(sub { use Linux::Prctl ':fatal'; $F->find("$path/x", { found => sub { } }) }) ],
    [ 'FileCaps: find tells'   => sub { $F->find("$path/x", { found => sub { }, error => sub { } }) } ],
    [ 'FileCaps: follow'       => sub { my $x = $F->get('/proc/self/exe', follow => \my $y) } ],
    [ 'FileCaps: no attributes' => tried(sub { $some->set('/proc/version') }) ],
    [ 'Status: current'        => sub { my $x = $T->current->as_hash } ],
    [ 'Status: of'             => sub { my $x = $T->of($$, $$)->as_hash } ],
    [ 'Status: threads'        => sub { my @x = $T->threads($$); my @y = $T->out_of_step($$) } ],
    [ 'Status: report'         => sub { my $x = $status->report } ],
    [ 'Status: diff'           => sub { my $x = $status->diff($other) } ],
    [ 'Status: gone'           => tried(sub { $T->of($gone) }) ],
    [ 'Status: no pid'         => tried(sub { $T->of('x') }) ],
);

SKIP: {
    skip 'Test::LeakTrace is not installed', scalar @calls if !eval { require Test::LeakTrace; 1 };
    for my $call (@calls) {
        my ($name, $code) = @$call;
        $code->();    # what is kept, is kept once
        Test::LeakTrace::no_leaks_ok($code, $name);
    }
}

# What malloc gave and nobody freed shows in what the process takes.
sub resident {
    open my $in, '<', '/proc/self/statm' or return;
    return (split ' ', <$in>)[1];
}

SKIP: {
    skip 'no /proc/self/statm', 1 if !defined resident();
    skip 'valgrind keeps what was freed', 1 if ($ENV{LD_PRELOAD} // '') =~ /valgrind|vgpreload/;
    my @in_c = grep { $_->[0] =~ /text|grammar|chown|partly|root id|wide|get|set|remove|director|find/ } @calls;
    my $round = sub { $_->[1]->() for @in_c; return };
    $round->() for 1 .. 200;
    my $before = resident();
    $round->() for 1 .. 15_000;
    my $pages = resident() - $before;
    cmp_ok($pages, '<', 50, scalar(@in_c) . " kinds of calls, 15,000 times, take $pages pages");
}

done_testing;
