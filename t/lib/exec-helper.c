/* What a process is, a line for each thing; with an argument "numbers", the numbers of
 * the system calls that the tests make. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_setresuid32
#define ID_CALL(name) SYS_##name##32
#else
#define ID_CALL(name) SYS_##name
#endif

static void numbers(void)
{
    printf("setresuid %ld\nsetresgid %ld\nsetgroups %ld\ncapset %ld\nptrace %ld\nunshare %ld\n"
           "getxattr %ld\nsetxattr %ld\nremovexattr %ld\nwait4 %ld\npersonality %ld\n",
           (long)ID_CALL(setresuid), (long)ID_CALL(setresgid), (long)ID_CALL(setgroups),
           (long)SYS_capset, (long)SYS_ptrace, (long)SYS_unshare, (long)SYS_getxattr,
           (long)SYS_setxattr, (long)SYS_removexattr, (long)SYS_wait4, (long)SYS_personality);
}

static void status(void)
{
    static const char *const wanted[] = {"Uid:",    "Gid:",    "Groups:", "CapInh:", "CapPrm:",
                                         "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:"};
    char line[65536];
    FILE *in = fopen("/proc/self/status", "r");

    while (in && fgets(line, sizeof line, in))
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (strncmp(line, wanted[i], strlen(wanted[i])) == 0)
                fputs(line, stdout);
}

int main(int argc, char **argv)
{
    int signal = -1;

    if (argc > 1 && strcmp(argv[1], "numbers") == 0) {
        numbers();
        return 0;
    }
    status();
    prctl(PR_GET_PDEATHSIG, &signal);
    printf("securebits %d\nat_secure %lu\npdeathsig %d\ndumpable %d\n",
           prctl(PR_GET_SECUREBITS), getauxval(AT_SECURE), signal, prctl(PR_GET_DUMPABLE));
    return 0;
}
