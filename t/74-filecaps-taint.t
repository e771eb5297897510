use 5.014;
use warnings;

use Config;
use Errno qw(EPERM);
use File::Temp;
use Test::More;

# perl -T: what came from outside names no file that is changed, as with chmod() beside it.

plan skip_all => 'this perl knows no tainting' if ($Config{ccflags} // '') =~ /NO_TAINT_SUPPORT/;

my $dir = File::Temp->newdir;
open my $out, '>', "$dir/file" or die "file: $!\n";
close $out;

# Each case says what it died of: where setfcap is not effective, that is another reason.
my $script = <<'SCRIPT';
use strict;
use warnings;
use Linux::Prctl::FileCaps;
my ($file) = $ARGV[0] =~ /\A(.*)\z/;
my $dirty  = substr $ARGV[0], 0, 0;
my $class  = 'Linux::Prctl::FileCaps';
my $some   = $class->from_text('cap_kill=p');
open my $handle, '+<', $file or die "$file: $!\n";
my %case = (
    'get, a path from outside'     => sub { $class->get("$file$dirty") },
    'set, a path of its own'       => sub { $some->set($file) },
    'set, a handle'                => sub { $some->set($handle) },
    'set, a path from outside'     => sub { $some->set("$file$dirty") },
    'set, a text from outside'     => sub { $class->from_text("cap_kill=p$dirty")->set($file) },
    'remove, a path of its own'    => sub { $class->remove($file) },
    'remove, a path from outside'  => sub { $class->remove("$file$dirty") },
    'chmod, a path from outside'   => sub { chmod 0644, "$file$dirty" },
);
$SIG{__WARN__} = sub { print "$ARGV[1]warning: ", $_[0] };
for my $name (sort keys %case) {
    $ARGV[1] = "$name: ";
    my $lived = eval { $case{$name}->(); 1 };
    print "$name: ", $lived ? 'lived' : 0 + $! . " $@" =~ s/\n//r, "\n";
}
SCRIPT
open $out, '>', "$dir/script" or die "script: $!\n";
print {$out} $script;
close $out;

sub said_by {
    my (@switches) = @_;
    open my $from, '-|', $^X, (map {"-I$_"} grep { !ref } @INC), @switches, "$dir/script", "$dir/file" or die "perl: $!\n";
    chomp(my @lines = <$from>);
    return @lines;
}

my %said = map { /\A(.*?): (.*)\z/ } said_by('-T');
is(scalar keys %said, 8, 'each case says what came of it');
for my $name (sort keys %said) {
    my ($function, $rest) = $name =~ /\A(\w+), (.*)/;
    if ($function ne 'get' && $rest =~ /from outside/) {
        my $errno = $function eq 'chmod' ? qr/\d+/ : EPERM;
        like($said{$name}, qr/\A$errno Insecure dependency in $function while running with -T switch at /, "-T: $name");
    }
    else { unlike($said{$name}, qr/Insecure/, "-T: $name") }
}

# -t: it is said, and done. (perl says it of chmod more than once.)
my @said   = said_by('-t');
my %warned = map { /\A(\w+, .*): warning: Insecure dependency/ ? ($1 => 1) : () } @said;
is_deeply([ sort keys %warned ], [ grep { /from outside/ && !/\Aget/ } sort keys %said ], '-t: each is a warning');
is(scalar(grep { /: \d+ Insecure/ } @said), 0, '... and no exception');

done_testing;
