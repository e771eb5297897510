use 5.014;
use warnings;

use Test::More;

use lib 't/lib';
use Linux::Prctl qw(spawn);
use SpawnTest qw(no_spawn each_way program said);

plan skip_all => no_spawn() if no_spawn();

# The environment of the program is that of the moment when it is executed, though values that
# are read before run code that changes %ENV.

my $env = program('env');

package Changing {

    # A value that makes %ENV another one each time it is read.
    sub new { my ($class, $value, %becomes) = @_; return bless { value => $value, becomes => \%becomes }, $class }
    sub change {
        my ($self) = @_;
        my $way = $ENV{LINUX_PRCTL_SPAWN};
        for my $round (1 .. 20) {
            %ENV = map { ("GONE$_" => "$round" x 100) } 1 .. 100;
        }
        %ENV = (%{ $self->{becomes} }, LINUX_PRCTL_SPAWN => $way);
        return $self->{value};
    }
    use overload '""' => \&change, fallback => 1;
}

package Listed {
    sub TIEARRAY { my ($class, $first, $value) = @_; return bless { first => $first, value => $value }, $class }
    sub FETCHSIZE { return 1 }
    sub FETCH { my ($self) = @_; $self->{value}->change; return $self->{first} }
}

my %becomes = (PATH => '/bin:/usr/bin', LONG => 'x' x 500, map { ("LEFT$_" => $_) } 1 .. 50);
my $expected = join '', sort map {"$_=$becomes{$_}\n"} keys %becomes;

sub environment_with {
    my (%plan) = @_;
    local %ENV = (%ENV, map { ("BEFORE$_" => $_) } 1 .. 50);
    my ($said, $status) = said(%plan);
    is($status, 0, '... which starts');
    return join '', sort grep { !/\ALINUX_PRCTL_SPAWN=/ } $said =~ /.*\n/g;
}

each_way(sub {
    my ($way) = @_;
    my %case = (
        'an argument'          => sub { (command => [ $env, '-u', $_[0] ]) },
        'a limit'              => sub { (command => [$env], rlimits => { core => $_[0] }) },
        'a descriptor'         => sub { (command => [$env], fds => { 9 => $_[0] }) },
        'umask'                => sub { (command => [$env], umask => $_[0]) },
        'a program along PATH' => sub { (command => ['env'], umask => $_[0]) },
    );
    for my $name (sort keys %case) {
        my $value = Changing->new(2, %becomes);
        is(environment_with($case{$name}->($value)), $expected, "$way: $name, an object");
    }
    tie my @list, 'Listed', $env, Changing->new('', %becomes);
    is(environment_with(command => \@list), $expected, "$way: a tied list");
    my $value = Changing->new('/', PATH => '/nonexistent');
    local %ENV = (%ENV, PATH => '/bin:/usr/bin');
    ok(!eval { spawn(command => ['env'], chdir => $value) }, "$way: the PATH of that moment");
    like($@, qr{\Aspawn: exec of /nonexistent/env: }, '... where the program is not');
});

# The %ENV of a call that has its own is not looked at.

each_way(sub {
    my ($way) = @_;
    my $value = Changing->new(2, %becomes);
    is(environment_with(command => [$env], umask => $value, env => { ONLY => 1 }), "ONLY=1\n", "$way: env is what it says");
});

done_testing;
