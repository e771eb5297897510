#!/usr/bin/perl
# The build: what it needs, what it says where that is missing, what it makes and what
# it leaves alone. All of it happens in copies of what the MANIFEST lists.
use 5.014;
use warnings;

use Config;
use Cwd qw(abs_path);
use Digest::SHA;
use ExtUtils::Manifest qw(maniread manicopy);
use File::Find qw(find);
use File::Path qw(make_path);
use File::Temp;
use FindBin;
use JSON::PP qw(decode_json);
use Test::More;

my $top = abs_path("$FindBin::Bin/..");
my $dir = File::Temp->newdir;
delete @ENV{qw(PERL5OPT PERL_MM_OPT MAKEFLAGS MFLAGS MAKELEVEL)};

# Runs a command of the shell, in a directory: everything that it said, and its status.
sub run {
    my ($where, $command) = @_;
    my $said = `cd '$where' && { $command; } 2>&1 </dev/null`;
    return ($said, $? >> 8 || $?);
}

sub run_ok {
    my ($where, $command, $title) = @_;
    my ($said, $status) = run($where, $command);
    is($status, 0, $title) or diag($said);
    return $said;
}

# A fresh copy of the distribution.
sub fresh {
    my ($name) = @_;
    my $copy = "$dir/$name";
    make_path($copy);
    local $ExtUtils::Manifest::Quiet = 1;
    chdir $top or die "$top: $!\n";
    manicopy(maniread(), $copy, 'cp');
    return $copy;
}

sub written {
    my ($path, $text) = @_;
    $path =~ m{\A(.*)/} and make_path($1);
    open my $file, '>', $path or die "$path: $!\n";
    print {$file} $text;
    close $file or die "$path: $!\n";
    return $path;
}

# Every file's digest, by its name below the directory.
sub files {
    my ($where) = @_;
    my %digest;
    find({
        no_chdir => 1,
        wanted   => sub {
            return if !-f;
            (my $name = $_) =~ s{\A\Q$where\E/}{};
            $digest{$name} = Digest::SHA->new(256)->addfile($_)->hexdigest;
        },
    }, $where);
    return \%digest;
}

# ---- what is missing is said before there is a Makefile ----

my $none = fresh('none');
written("$dir/nohead/sys/capability.h", "#error there is no such header\n");
written("$dir/nolib/libcap.so",         "/* a library with nothing in it */\n");

my %lacking = (
    'no libcap header'                    => qq{INC="-I$dir/nohead"},
    'no libcap to link with'              => qq{LIBS="-L$dir/nolib -lcap"},
    'no libcap, by the name of a library' => 'LIBS=-lno_such_cap',
    'no C compiler'                       => 'CC=/no/such/compiler',
);
for my $what (sort keys %lacking) {
    my ($said, $status) = run($none, "$^X Makefile.PL $lacking{$what}");
    is($status, 0, "$what: exit status 0, as CPAN's testers expect it");
    ok(!-e "$none/Makefile", "$what: no Makefile");
    like($said, qr/\blibcap-dev\b/,   "$what: the message names libcap-dev");
    like($said, qr/\blibcap-devel\b/, "$what: and libcap-devel");
    like($said, qr/^What was said:\n  \S.*\n  \S/m, "$what: and what the compiler said");
    unlike($said, qr/Makefile\.PL line \d+/,        "$what: and is all there is to read");
}

{
    written("$dir/elsewhere", q{$^O = 'freebsd'; do './Makefile.PL'; die $@ if $@;});
    my ($said, $status) = run($none, "$^X $dir/elsewhere");
    is($status, 0,                   'another system: exit status 0');
    is($said,   "OS unsupported\n", 'another system: OS unsupported, and nothing else');
    ok(!-e "$none/Makefile", 'another system: no Makefile');
}
is_deeply([ grep { !exists maniread("$top/MANIFEST")->{$_} } keys %{ files($none) } ],
    [], 'nothing is left behind');

# ---- the build ----

my $copy   = fresh('copy');
my $before = files($copy);
run_ok($copy, "$^X Makefile.PL OPTIMIZE='-O2 -Wall -Wextra -Werror'", 'Makefile.PL');
run_ok($copy, 'make', 'make, without a warning under -Wall -Wextra');
unlike(run_ok($copy, 'make', 'a second make'), qr/\.[cho]\b/, 'has nothing left to compile');
{
    my $perl = "-I$Config{archlibexp}/CORE $Config{ccflags}";
    my @not;
    for my $header (map { glob "$copy/$_/*.h" } qw(src xs CapState)) {
        my ($said, $status) = run($copy, "$Config{cc} -std=gnu99 -D_GNU_SOURCE $perl -fsyntax-only -x c $header");
        push @not, $said if $status;
    }
    is("@not", '', 'each header has what it needs, and can be read alone');
}
# A perl with DEBUGGING takes a word of C away.
for my $made (qw(Prctl CapState)) {
    run_ok($made eq 'Prctl' ? $copy : "$copy/$made", "$Config{cc} -std=gnu99 -D_GNU_SOURCE -I$Config{archlibexp}/CORE"
            . " $Config{ccflags} -I../src -DDEBUGGING -DVERSION='\"0\"' -DXS_VERSION='\"0\"' -Werror -fsyntax-only $made.c",
        "$made compiles for a perl with DEBUGGING");
}
my $after = files($copy);
is_deeply([ grep { $before->{$_} ne ($after->{$_} // '') } sort keys %$before ],
    [], 'the build rewrites no file of the distribution');

SKIP: {
    my ($said, $status) = run($top, 'git rev-parse --git-dir');
    skip 'this is no checkout of git', 3 if $status || !-e "$top/.git";
    my @made = sort grep { !$before->{$_} } keys %$after;
    written("$dir/made", join "\n", @made, 'META.yml', 'META.json', 'MANIFEST.bak', "Linux-Prctl-2.0.0.tar.gz\n");
    ($said) = run($top, "git check-ignore --no-index --stdin --non-matching --verbose <$dir/made | grep '^::'");
    cmp_ok(scalar @made, '>', 10, 'the build makes files');
    is($said, '', 'git ignores everything that the build makes');

    # What is for this repository alone begins with a dot, or is packaging for a system.
    ($said) = run($top, 'git ls-files');
    is_deeply([ sort keys %{ maniread("$top/MANIFEST") } ],
        [ sort grep { !m{(?:\A|/)\.|\Apackaging/} } split /\n/, $said ], 'the MANIFEST lists what git has');
}

my $meta = decode_json(do { local (@ARGV, $/) = "$copy/MYMETA.json"; scalar <> });
is_deeply($meta->{license}, ['perl_5'], 'META: the licence');
is($meta->{prereqs}{runtime}{requires}{perl}, '5.014', 'META: the least perl');
is_deeply([ sort keys %{ $meta->{prereqs} } ], [qw(build configure develop runtime test)],
    'META: prerequisites by phase');
is(eval { version->parse($meta->{provides}{"Linux::Prctl$_"}{version}) },
    version->parse($meta->{version}), "META: Linux::Prctl$_ for the index")
    for '', qw(::CapState ::FileCaps ::Status);
ok($meta->{resources}{$_}, "META: resources: $_") for qw(bugtracker homepage license);

# libpsx cannot live in a module that is loaded at run time.
unlike(run_ok($copy, 'objdump -p blib/arch/auto/Linux/Prctl/Prctl.so', 'the object can be read'),
    qr/libpsx/, 'it is not linked with libpsx');

# ---- what the command line says of the compiler and the libraries ----

my $given = fresh('given');
run_ok($given, qq{$^X Makefile.PL CC="$Config{cc} -DGIVEN_CC" CCFLAGS="$Config{ccflags} -DGIVEN_FLAG" LIBS="-lcap -lpthread"},
    'Makefile.PL with a compiler, its flags and libraries');
my @compiled = grep { / -c .*\.c\s*\z/ } split /\n/, run_ok($given, 'make', 'make with them');
cmp_ok(scalar(grep { /CapState\.c\s*\z/ } @compiled), '==', 1, 'CapState/ is compiled too');
is_deeply([ grep { !/-DGIVEN_CC .*-DGIVEN_FLAG / } @compiled ], [], 'each file with that compiler and those flags');
my $objects = 'objdump -p blib/arch/auto/Linux/Prctl';
unlike(run_ok($given, "$objects/Prctl.so", 'the object can be read'), qr/libcap/, 'Prctl.so does not load libcap');
like(run_ok($given, "$objects/CapState/CapState.so", "CapState's too"), qr/libcap/, 'CapState.so does');

# ---- the installation ----

run_ok($copy, "make install DESTDIR='$dir/root'", 'make install');
my @installed = grep { !m{/perllocal\.pod\z} } keys %{ files("$dir/root") };
ok((grep { m{/auto/Linux/Prctl/Prctl\.so\z} } @installed), 'the object is installed');
ok((grep { m{/Linux/Prctl\.pm\z} } @installed), 'the module is installed');
ok((grep { m{/bin/privs\z} } @installed), 'the program is installed');
is_deeply([ grep { !m{/(?:auto/)?Linux/Prctl[/.]|/Linux::Prctl\b|/privs(?:\.1p?)?\z} } @installed ],
    [], 'and nothing outside its own names');
{
    my ($pm) = grep { m{/Linux/Prctl\.pm\z} } @installed;
    my $lib = "$dir/root/$pm" =~ s{/Linux/Prctl\.pm\z}{}r;
    is((run($dir, "$^X -I'$lib' -MLinux::Prctl=get_dumpable -e 'print get_dumpable() // q{undef}'"))[0],
        (run($copy, "$^X -Mblib -MLinux::Prctl=get_dumpable -e 'print get_dumpable() // q{undef}'"))[0],
        'the installed module works');
}
run_ok($copy, 'make realclean', 'make realclean');
is_deeply(files($copy), $before, 'make realclean leaves the distribution and nothing else');

# ---- the archive ----

my $dist = fresh('dist');
run_ok($dist, "$^X Makefile.PL && make", 'a build to make the archive of');
unlike(run_ok($dist, 'make distcheck', 'make distcheck'),
    qr/^(?:Not in MANIFEST|No such file)/m, 'distcheck finds nothing missing and nothing more');
run_ok($dist, 'make dist && mv Linux-Prctl-*.tar.gz first.tgz && find lib t src -type f'
        . ' -exec touch -d 2001-02-03 {} + -exec chmod go-r {} +'
        . ' && umask 077 && make dist && cmp first.tgz Linux-Prctl-*.tar.gz',
    'the same files make the same archive, whatever their times and modes');
is_deeply([ split /\n/, (run($dist, 'tar -tzf first.tgz'))[0] ],
    [   map { tr{\0}{/}r } sort map { tr{/}{\0}r } split /\n/, (run($dist, 'tar -tzf first.tgz'))[0] ],
    'its files have a fixed order, folder by folder');

done_testing;
