/* The system calls of each loop in bench/loops and bench/states, without Perl.
 * loops NAME COUNT prints the processor time of COUNT rounds in nanoseconds. */
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    SET_DUMPABLE = 4, GET_DUMPABLE = 3, GET_PDEATHSIG = 2, SET_TIMERSLACK = 29,
    GET_TIMERSLACK = 30, GET_NAME = 16, SET_NAME = 15, CAPBSET_READ = 23, GET_SECUREBITS = 27
};

static volatile long sink; /* so that no answer is optimised away */

static long ask(int option, unsigned long argument)
{
    return syscall(SYS_prctl, option, argument, 0UL, 0UL, 0UL);
}

static struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
static struct __user_cap_data_struct data[2];

static void must(long result)
{
    if (result == -1) {
        perror("loops");
        exit(1);
    }
    sink = result;
}

static void get_dumpable(void) { must(ask(GET_DUMPABLE, 0)); }
static void set_dumpable(void) { must(ask(SET_DUMPABLE, 1)); }
static void get_timerslack(void) { must(ask(GET_TIMERSLACK, 0)); }
static void set_timerslack(void) { must(ask(SET_TIMERSLACK, 50000)); }
static void set_name(void) { must(ask(SET_NAME, (unsigned long)"bench")); }
static void read_bounding(void) { must(ask(CAPBSET_READ, 0)); }
static void read_securebits(void) { must(ask(GET_SECUREBITS, 0)); }

static void get_pdeathsig(void)
{
    int signal;

    must(ask(GET_PDEATHSIG, (unsigned long)&signal));
    sink = signal;
}

static void get_name(void)
{
    char name[16];

    must(ask(GET_NAME, (unsigned long)name));
    sink = name[0];
}

static void read_effective(void)
{
    must(syscall(SYS_capget, &head, data));
    sink = data[0].effective & 1;
}

static void write_effective(void)
{
    must(syscall(SYS_capget, &head, data));
    data[0].effective ^= 1;
    must(syscall(SYS_capset, &head, data));
}

static void drop_ten(void)
{
    must(syscall(SYS_capget, &head, data));
    data[0].effective &= ~0x3ffU;
    must(syscall(SYS_capset, &head, data));
}

static void get_current(void)
{
    must(syscall(SYS_capget, &head, data));
    sink = data[0].effective | data[0].permitted | data[0].inheritable;
    sink = data[1].effective | data[1].permitted | data[1].inheritable;
}

/* The parent, as in bench/states: the process that asks. */
static void get_for_pid(void)
{
    static struct __user_cap_header_struct other = {_LINUX_CAPABILITY_VERSION_3, 0};

    if (!other.pid)
        other.pid = getppid();
    must(syscall(SYS_capget, &other, data));
    sink = data[0].effective | data[0].permitted | data[0].inheritable;
    sink = data[1].effective | data[1].permitted | data[1].inheritable;
}

static void set_current(void)
{
    if (!data[0].permitted)
        must(syscall(SYS_capget, &head, data));
    must(syscall(SYS_capset, &head, data));
}

static const struct {
    const char *name;
    void (*step)(void);
} loops[] = {
    {"get_dumpable", get_dumpable}, {"set_dumpable", set_dumpable},
    {"get_timerslack", get_timerslack}, {"set_timerslack", set_timerslack},
    {"get_pdeathsig", get_pdeathsig}, {"get_name", get_name}, {"set_name", set_name},
    {"read effective", read_effective}, {"read capbset", read_bounding},
    {"read securebits", read_securebits}, {"write effective", write_effective},
    {"names of effective", read_effective}, {"drop ten of effective", drop_ten},
    {"get_current", get_current}, {"get_for_pid", get_for_pid}, {"set_current", set_current},
};

int main(int argc, char **argv)
{
    struct timespec start, end;
    long count = argc > 2 ? atol(argv[2]) : 0;

    for (size_t i = 0; argc > 2 && i < sizeof loops / sizeof *loops; i++) {
        if (strcmp(loops[i].name, argv[1]) != 0)
            continue;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
        for (long n = 0; n < count; n++)
            loops[i].step();
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        printf("%lld\n", (end.tv_sec - start.tv_sec) * 1000000000LL
                             + (end.tv_nsec - start.tv_nsec));
        return 0;
    }
    fprintf(stderr, "usage: loops NAME COUNT\n");
    return 2;
}
