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

# Each case says what it died of: where setfcap is not effective, that is another reason. A process
# for each: in 5.14 a method that is called after something died of this is insecure too.
my $script = <<'SCRIPT';
use strict;
use warnings;
use Linux::Prctl::FileCaps;
my ($file, $name) = map { /\A(.*)\z/ } @ARGV;
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
$SIG{__WARN__} = sub { print "warning: ", $_[0] };
my $lived = eval { $case{$name}->(); 1 };
print $lived ? 'lived' : 0 + $! . " $@";
SCRIPT
my @cases = $script =~ /^    '(.*?)' *=> sub/mg;
open $out, '>', "$dir/script" or die "script: $!\n";
print {$out} $script;
close $out;

sub said_by {
    my ($switch, $name) = @_;
    open my $from, '-|', $^X, (map {"-I$_"} grep { !ref } @INC), $switch, "$dir/script", "$dir/file", $name or die "perl: $!\n";
    return join '', <$from>;
}

cmp_ok(scalar @cases, '>', 7, 'there are cases');
for my $name (@cases) {
    my ($function, $rest) = $name =~ /\A(\w+), (.*)/;
    my $insecure = qr/Insecure dependency in $function while running with/;
    my ($dies, $warns) = map { said_by($_, $name) } qw(-T -t);
    if ($function ne 'get' && $rest =~ /from outside/) {
        my $errno = $function eq 'chmod' ? qr/\d+/ : EPERM;
        like($dies, qr/\A$errno $insecure -T switch at /, "-T: $name");
        like($warns, qr/\Awarning: $insecure -t switch at /, "-t: $name: it is said");
        unlike($warns, qr/^\d+ Insecure/m, '... and done');
    }
    else {
        unlike($dies, qr/Insecure/, "-T: $name");
        unlike($warns, qr/Insecure/, "-t: $name");
    }
}

done_testing;
