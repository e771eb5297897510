package Reached;

# Copies of the distribution that are built for gcov, and what of the C code was reached there.
use 5.014;
use warnings;

use Exporter qw(import);

use Proof qw(copy_distribution read_file write_file);

our @EXPORT_OK = qw(build_for_reached reached_environment forget_reached reached);

# In a new folder. A process that ends with _exit(2) or executes another program would tell
# nothing. A library that is loaded before all others makes it tell, and each object gives it
# the means.
sub build_for_reached {
    my ($copy) = @_;
    copy_distribution($copy);
    write_file("$copy/tell.inc", <<'END');
#include <dlfcn.h>
extern void __gcov_dump(void), __gcov_reset(void);
static void lp_tell(void) { __gcov_dump(); __gcov_reset(); }
__attribute__((constructor)) static void lp_offer_to_tell(void)
{
    void (*offer)(void (*)(void)) = (void (*)(void (*)(void)))dlsym(RTLD_DEFAULT, "offer_to_tell");

    if (offer)
        offer(lp_tell);
}
END
    # One function for all that call it, not a copy in each, with branches of its own.
    my $inline = read_file("$copy/src/system_call.h");
    $inline =~ s/^#define LP_INLINE static inline\K .*//m or die "where is LP_INLINE?\n";
    write_file("$copy/src/system_call.h", $inline);
    write_file("$copy/src/names.c", read_file("$copy/src/names.c") . qq{#include "../tell.inc"\n});
    write_file("$copy/tell.c", <<'END');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static void (*tells[8])(void);
static int count;
static pid_t known; /* a child of spawn() is not: it may have a copy of a lock of gcov's */

static void know(void) { known = getpid(); }
__attribute__((constructor)) static void start(void) { know(); (void)pthread_atfork(0, 0, know); }
void offer_to_tell(void (*tell)(void)) { if (count < 8) tells[count++] = tell; }
static void all(void) { for (int i = 0; known == getpid() && i < count; i++) tells[i](); }

void _exit(int status) { all(); for (;;) syscall(SYS_exit_group, status); }
void _Exit(int status) { _exit(status); }
extern char **environ;
int execve(const char *path, char *const argv[], char *const env[]) { all(); return (int)syscall(SYS_execve, path, argv, env); }
int execv(const char *path, char *const argv[]) { return execve(path, argv, environ); }
int execvp(const char *path, char *const argv[])
{
    int (*next)(const char *, char *const *) = (int (*)(const char *, char *const *))dlsym(RTLD_NEXT, "execvp");

    all();
    return next(path, argv);
}
END
    my $said = `cd '$copy' && { cc -shared -fPIC -o tell.so tell.c -ldl && '$^X' Makefile.PL OPTIMIZE='-O0 --coverage -fprofile-update=atomic -fno-builtin' LDDLFLAGS='-shared --coverage' && make; } 2>&1 </dev/null`;
    die "it does not build:\n$said" if $?;
    local %ENV = (%ENV, reached_environment($copy));
    system qq{cd '$copy' && '$^X' -Iblib/lib -Iblib/arch -MLinux::Prctl -MLinux::Prctl::CapState -e 1}
        . q{ && find . -name '*.gc*' -exec chmod a+rw {} + && find . -type d -exec chmod a+rwx {} +};
    die "it does not tell what is reached\n" if $?;
    return $copy;
}

# For what is run there, by a user too who may not write there, or no longer.
sub reached_environment {
    my ($copy) = @_;
    return (GCOV_ERROR_FILE => '/dev/null', LD_PRELOAD => "$copy/tell.so");
}

sub told { my ($copy) = @_; return map { glob "$copy/$_/*.gcda" } qw(. src CapState) }

# As if nothing had been run.
sub forget_reached {
    my ($copy) = @_;
    truncate $_, 0 or die "$_: $!\n" for told($copy);
    return;
}

# How often each line was reached, and each branch taken, since: by source and number. An object
# of its own counts what it has of a header, here is the sum.
sub reached {
    my ($copy) = @_;
    my (%line, %branch);
    for my $data (grep { -s } told($copy)) {
        my ($folder, $object) = $data =~ m{([^/]+)/([^/]+)\.gcda\z};
        my ($in, $of) = $folder eq 'src' ? ('.', 'src') : ($folder, '.');
        my ($source, $number);
        for (`cd '$copy/$in' && gcov -b -c -t -o '$of' '$object.gcda' 2>/dev/null`) {
            if (/\A\s*-:\s+0:Source:(.*)/) {
                $source = $1 =~ s{\A\.\./}{}r;
                $source = "CapState/$source" if $in eq 'CapState' && $source !~ m{/};
                $source = undef if $source =~ m{\A/};
            }
            next if !defined $source;
            if (/\A\s*([^:]+):\s*(\d+):/ && $2) {
                $number = $2;
                next if $1 eq '-';
                my $count = $1 =~ /\A[#=]/ ? 0 : $1 =~ /(\d+)/ ? $1 : 0;
                $line{$source}{$number} += $count;
            }
            elsif (/\Abranch\s+(\d+) (?:taken (\d+)|never executed)/) {
                $branch{$source}{"$number/$1"} += $2 // 0;
            }
        }
    }
    return (\%line, \%branch);
}

1;
