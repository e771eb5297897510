# Arguments that act while they are read, and what is left behind by those that are refused.
use 5.014;
use warnings;

use lib 't/lib';
use Errno qw(EINVAL);
use File::Temp ();
use POSIX ();
use Test::More;

use Seccomp qw(no_listener);
use TestChild ();    # the open descriptors are seen in /proc

use Linux::Prctl qw(setpriv);
use Linux::Prctl::FileCaps;
use Linux::Prctl::Status;

my $dir = File::Temp->newdir;

{
    package Emptying;
    sub TIESCALAR { my ($class, $hash) = @_; return bless { hash => $hash }, $class }

    # What was freed is taken at once for something else.
    sub FETCH {
        my ($self) = @_;
        %{ $self->{hash} } = ();
        $self->{other} = [ map { +{ "$_" . 'x' x 10 => 1 } } 1 .. 20 ];
        return 1;
    }
}

# ---- find: options that empty their hash ----

for my $option (qw(set_id follow one_file_system)) {
    my @errors;
    for (1 .. 20) {
        my %options = ($option => 0, found => undef, error => undef);
        tie $options{$option}, 'Emptying', \%options;
        eval { Linux::Prctl::FileCaps->find("$dir", \%options); 1 } or push @errors, $@;
    }
    is_deeply(\@errors, [], "find: $option empties the hash that it is in");
}

# ---- setpriv: the file of a filter ----

sub descriptors {
    opendir my $open, '/proc/self/fd' or die "/proc/self/fd: $!\n";
    return scalar grep { /\A[0-9]+\z/ } readdir $open;
}

{
    my $fifo = "$dir/fifo";
    POSIX::mkfifo($fifo, 0600) or die "$fifo: $!\n";
    open my $keep, '+<', $fifo or die "$fifo: $!\n";    # nobody writes, and there is no end
    my $before = descriptors();
    local $SIG{ALRM} = sub { die "alarm\n" };
    for (1 .. 2) {
        alarm 1;
        eval { setpriv(no_new_privs => 1, seccomp_filter => { file => $fifo }, dry_run => 1) };
        alarm 0;
        is($@, "alarm\n", 'setpriv: reading a filter is interrupted by a handler that dies');
    }
    is(descriptors(), $before, 'setpriv: and the file is closed');
}

# A file without an end, and one that is only just too long.
for my $length (undef, 8 * 4096 + 8) {
    my $file = '/dev/zero';
    if ($length) {
        $file = "$dir/filter";
        open my $out, '>', $file or die "$file: $!\n";
        print {$out} "\0" x $length;
        close $out;
    }
    my $lived = eval {
        local $SIG{ALRM} = sub { die "it went on reading\n" };
        alarm 5;
        setpriv(no_new_privs => 1, seccomp_filter => { file => $file }, dry_run => 1);
    };
    my $errno = $! + 0;
    alarm 0;
    ok(!$lived, "setpriv: a filter of " . ($length // 'endless') . ' bytes');
    like($@, qr/\Asetpriv: seccomp_filter of \d+ bytes is not 1 to 4096 instructions/,
        'setpriv: it is too long');
    is($errno, EINVAL, 'setpriv: and $!');
}

# ---- a handler that jumps out of a system call ----

# While the kernel has a call in hand, a signal is sent whose handler runs at once, and dies.
SKIP: {
    skip no_listener(), 1 if length no_listener();
    my $script = "$dir/unsafe.pl";
    open my $out, '>', $script or die "$script: $!\n";
    print {$out} <<'END';
use lib 't/lib';
use Linux::Prctl qw(setpriv);
use Linux::Prctl::FileCaps;
use Linux::Prctl::Status;
use Seccomp qw(supervised);

my ($dir) = @ARGV;
sub descriptors { opendir my $open, '/proc/self/fd' or die; return scalar grep { /\A[0-9]/ } readdir $open }
my %operation = (
    'Status->current' => [ 0 => sub { Linux::Prctl::Status->current } ],                        # read
    'after_exec'    => [ 193 => sub { Linux::Prctl::Status->current->after_exec("$dir/filter") } ], # fgetxattr
    'FileCaps->get' => [ 191 => sub { Linux::Prctl::FileCaps->get("$dir/filter") } ],           # getxattr
    'FileCaps->find' => [ 138 => sub { Linux::Prctl::FileCaps->find($dir, { found => sub { } }) } ], # fstatfs
    'setpriv'       => [ 0 => sub { setpriv(no_new_privs => 1, dry_run => 1) } ],
);
for my $name (sort keys %operation) {
    my ($number, $code) = @{ $operation{$name} };
    my $sent;
    my ($calls, $handled, $left) = supervised(
        [$number],
        sub {
            my ($call) = @_;
            my $file = readlink("/proc/$call->{pid}/fd/$call->{args}[0]") // '';
            return if !$number && $file !~ m{/status\z};    # a read of another's
            kill ALRM => $call->{pid} if !$sent++;
            return;
        },
        sub {
            local $SIG{ALRM} = sub { die "handled\n" };
            my $before = descriptors();
            eval { $code->(); 1 };
            my $handled = $@;
            return ($handled, descriptors() - $before);
        }
    );
    print "$name: $left left, $handled";
}
END
    close $out or die "$script: $!\n";
    local $ENV{PERL_SIGNALS} = 'unsafe';
    my @said = qx($^X @{[ map { "-I$_" } grep { !ref } @INC ]} $script $dir 2>/dev/null);
    is_deeply(\@said, [ map { "$_: 0 left, handled\n" } 'FileCaps->find', 'FileCaps->get', 'Status->current', 'after_exec', 'setpriv' ],
        'no descriptor is left open by a handler that dies at once');
}

# ---- status: what is tried inside is no business of the program ----

{
    my $status = Linux::Prctl::Status->current;
    my @heard;
    local $SIG{__DIE__} = sub { push @heard, $_[0] };
    local $@ = "mine\n";
    $status->why('kill');
    is($@, "mine\n", 'why: $@ stays');
    open my $handle, '<', $^X or die "$^X: $!\n";
    $status->after_exec($handle);
    is($@, "mine\n", 'after_exec of a handle: $@ stays');
    eval { $status->why('bogus') };
    like($@, qr/\Awhy: "bogus" is not a capability/, 'why: an unknown one');
    is_deeply(\@heard, [$@], 'why: and the handler hears of that alone');
}

# ---- status: who is asked, and how often ----

{
    package Asked;
    use overload '""' => sub { my ($self) = @_; return $self->{texts}[ $self->{count}++ ] // $self->{texts}[-1] }, fallback => 1;
    sub new { my ($class, @texts) = @_; return bless { texts => \@texts, count => 0 }, $class }
}
{
    my $class  = 'Linux::Prctl::Status';
    my $status = $class->current;
    my %call = (
        'of a pid'    => [ $$, sub { $class->of($_[0]) } ],
        'of a thread' => [ $$, sub { $class->of($$, $_[0]) } ],
        threads       => [ $$, sub { $class->threads($_[0]) } ],
        out_of_step   => [ $$, sub { $class->out_of_step($_[0]) } ],
        why           => [ kill => sub { $status->why($_[0]) } ],
    );
    for my $what (sort keys %call) {
        my ($text, $code) = @{ $call{$what} };
        my $object = Asked->new($text, '../../etc');
        ok(eval { $code->($object); 1 }, "$what: what was looked at is what is used") or diag($@);
        is($object->{count}, 1, '... an object is asked for its text once');
        $object = Asked->new('bogus', $text);
        ok(!eval { $code->($object); 1 }, "$what: the second answer does not count");
    }
    for my $foreign ({}, [], \1, bless({}, 'Other')) {
        for my $method (qw(uid groups caps report as_hash threads), 'why', 'diff', 'after_exec') {
            my @args = $method eq 'why' ? 'kill' : $method eq 'diff' ? $status : $method eq 'after_exec' ? $^X : ();
            local $SIG{__WARN__} = sub { die "warned: @_" };
            eval { $class->can($method)->($foreign, @args) };
            like($@, qr/\A(?:Usage: (?:\$status|Linux::Prctl::Status)->$method|threads: .* is not the class)/, "$method of what is no status");
            is($! + 0, EINVAL, '... $!');
        }
    }
}

done_testing;
