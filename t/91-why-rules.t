# Each rule that why can name, with a process and a file that are made for it: without the
# first of the ways the capability is not there after a real exec, with it it is.
use 5.014;
use warnings;

use Linux::Prctl qw(:all);
use Test::More;

use lib 't/lib';
use TestChild ();    # which skips where there is no /proc
use ExecTest qw(own_mounts exec_stage leave_stage why_case write_caps caps_attribute);

own_mounts();    # runs it again
plan skip_all => 'no setfcap, chown and setuid to take the ways with'
    if !cap_effective->has(qw(setfcap chown fowner setuid setgid setpcap sys_ptrace));
my $stage = eval { exec_stage() };
plan skip_all => "no files to execute: $@" =~ s/\n.*//sr if !$stage;
if (!$stage->{root}) {
    leave_stage($stage);
    plan skip_all => 'only who may become anyone';
}

my $ALL = 2**41 - 1;
my ($CHOWN, $KILL, $SETUID) = map { 1 << cap_number($_) } qw(chown kill setuid);

# A user with all in the bounding set and nothing else; what is named is otherwise.
sub process {
    my (%but) = @_;
    return { uid => [ (1000) x 4 ], gid => [ (1000) x 4 ], groups => [], inheritable => 0, ambient => 0, bounding => $ALL,
        permitted => 0, effective => 0, securebits => 0, pdeathsig => 0, %but };
}

sub root { return process(uid => [ (0) x 4 ], @_) }

sub has {
    my ($permitted, $inheritable, $effective, @root) = @_;
    return sub { write_caps($_[0], caps_attribute($permitted, $inheritable, $effective, @root)) };
}

sub set_uid {
    my ($owner, $group) = @_;
    return sub { chown $owner, $group // -1, $_[0]; chmod 04755, $_[0] };
}

sub both { my (@steps) = @_; return sub { my ($file) = @_; $_->($file) for @steps } }

# What it is, the rule, and whether there is a way; cap is kill.
my $MAP   = "0 100000 10\n1000 101000 5\n";
my @cases = (
    [ 'not raised, now', 'not_raised',    'raise', process => process(permitted => $KILL), now => 1 ],
    [ 'not there, now',  'not_permitted', 'file_permitted', process => process(), now => 1 ],
    [ 'uid 0 comes back, now', 'not_permitted', 'be_root', process => process(uid => [ 0, 1000, 1000, 1000 ]), now => 1 ],
    [ 'nothing gained, now',   'no_new_privs', undef, process => process(nnp => 1), now => 1 ],
    [ 'cut off, now',          'not_bounded',  undef, process => process(bounding => $ALL & ~$KILL), now => 1 ],
    [ 'both, now', 'not_bounded', undef, process => process(bounding => $ALL & ~$KILL, nnp => 1), now => 1 ],
    [ 'a plain file', 'plain_file', 'file_permitted', process => process() ],
    [ 'a plain file, and it could be ambient', 'plain_file', 'ambient', process => process(permitted => $KILL) ],
    [ 'a plain file, and it cannot be inherited', 'plain_file', undef,
        process => process(permitted => $KILL, bounding => $ALL & ~$KILL) ],
    [ 'a plain file, and uid 0 to be had', 'plain_file', 'be_root', process => process(permitted => $SETUID, effective => $SETUID) ],
    [ 'a file that uid 0 may not execute', 'plain_file', 'file_permitted',
        process => process(permitted => $SETUID, effective => $SETUID), file => sub { chown 1000, -1, $_[0]; chmod 0700, $_[0] } ],
    [ 'another capability', 'file_lacks_it', 'file_permitted', process => process(), file => has($CHOWN, 0, 1) ],
    [ 'no effective bit',   'not_raised',    'effective_bit',  process => process(), file => has($KILL, 0, 0) ],
    [ 'not inheritable', 'not_inheritable', 'inheritable', process => process(permitted => $KILL), file => has(0, $KILL, 1) ],
    [ 'no_new_privs', 'no_new_privs', undef, process => process(nnp => 1), file => has($KILL, 0, 1) ],
    [ 'a tracer',   'traced',    'no_tracer exec',    process => process(tracer => 'weak'), file => has($KILL, 0, 1) ],
    [ 'a shared directory', 'shared_fs', 'no_shared_fs exec', process => process(shared_fs => 1), file => has($KILL, 0, 1) ],
    [ 'a tracer, of set-user-ID root', 'traced', 'no_tracer exec', process => process(tracer => 'weak'), file => set_uid(0) ],
    [ 'nosuid', 'nosuid', 'no_nosuid exec', process => process(), file => has($KILL, 0, 1), mount => 'nosuid' ],
    [ "another namespace's root", 'other_namespace', 'file_permitted', process => process(), file => has($KILL, 0, 1, 777) ],
    [ 'an group that is not mapped', 'owner_not_mapped', 'file_permitted', file => set_uid(100_000, 5), root => 100_000,
        process => process(map => $MAP, gidmap => $MAP) ],
    [ 'a namespace without uid 0', 'plain_file', 'file_permitted',
        process => process(map => "1000 101000 5\n", gidmap => "1000 101000 5\n", permitted => $SETUID, effective => $SETUID) ],
    [ 'noroot', 'noroot', 'no_noroot exec', process => root(permitted => $ALL, effective => $ALL, securebits => 1) ],
    [ 'noroot, locked', 'noroot', 'ambient', process => root(permitted => $KILL, effective => $KILL, securebits => 3) ],
    [ 'noroot and nosuid', 'noroot|nosuid', 'no_nosuid exec', process => root(securebits => 3), file => has($KILL, 0, 1),
        mount => 'nosuid' ],
    [ 'the bounding set', 'not_bounded', undef, process => process(bounding => $ALL & ~$KILL), file => has($KILL, 0, 0) ],
    [ 'attribute before set-user-ID root', 'caps_before_root', 'no_attribute exec', process => process(),
        file => both(set_uid(0), has($CHOWN, 0, 1)) ],
    [ 'ambient cleared', 'ambient_cleared', 'no_attribute exec',
        process => process(permitted => $KILL, inheritable => $KILL, ambient => $KILL), file => has($CHOWN, 0, 1) ],
    [ 'the real uid alone', 'only_real_root', 'be_root', process => process(uid => [ 0, 1000, 1000, 1000 ]) ],
);

for my $case (@cases) {
    my ($what, $rule, $steps, %case) = @$case;
    $case{cap}   = 'kill';
    $case{after} = !$case{now};
  SKIP: {
        my $process = $case{process};
        skip "$what: no user namespace with these ids", 3 if $process->{map} && !($stage->{root} && $stage->{namespaces});
        skip "$what: no mounts of one's own", 3 if $case{mount} && !grep { $_ eq $case{mount} } @{ $stage->{mounts} };
        my ($why, $without) = why_case($stage, \%case, 0);
        like($why->{rule}, qr/\A(?:$rule)\z/, "$what: $rule") or diag($why->{text} // '');
        is($without, 0, "$what: it is not there");
        my @first = @{ $why->{ways} } ? @{ $why->{ways}[0]{steps} } : ();
        is("@first", $steps // '', "$what: the first way");
        next if !@first;
        my (undef, $with) = why_case($stage, \%case, 1);
        is($with, 1, "$what: with @first it is") or diag($why->{text});
    }
}

# Where it is there, and why.
for my $case (
    [ 'a plain file, and it is ambient', 'ambient',
        process => process(permitted => $KILL, inheritable => $KILL, ambient => $KILL) ],
    [ 'uid 0', 'root_bounding', process => root() ],
    [ 'uid 0, and not bounded but inheritable', 'root_inheritable',
        process => root(inheritable => $KILL, bounding => $ALL & ~$KILL) ],
    [ 'of the file', 'file_permitted', process => process(), file => has($KILL, 0, 1) ],
    [ 'of both, inheritable', 'file_inheritable', process => process(inheritable => $KILL), file => has(0, $KILL, 1) ],
    [ 'of both, inheritable, and not bounded', 'file_inheritable',
        process => process(inheritable => $KILL, bounding => $ALL & ~$KILL), file => has(0, $KILL, 1) ],
    [ 'set-user-ID root', 'root_bounding', process => process(), file => set_uid(0) ],
) {
    my ($what, $rule, %case) = @$case;
    my ($why, $is) = why_case($stage, { %case, cap => 'kill', after => 1 }, 0);
    is($why->{rule}, $rule, "$what: $rule") or diag($why->{text} // '');
    is($is, 1, "$what: it is there");
    is_deeply($why->{ways}, [], "$what: and nothing is to be done");
}

leave_stage($stage);
done_testing;
