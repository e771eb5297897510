/* What the rows of bench/run take without a language in between: the system calls alone, and
 * (with WITH_LIBCAP) by the functions of libcap.
 *
 *   in-c                        prints the names of the rows
 *   in-c ROW COUNT              prints the nanoseconds that COUNT times took
 *   in-c exec COUNT COMMAND...  the same of a program, from fork to its end
 *   in-c memory 1 COMMAND...    prints the most kilobytes that a program had in memory
 *   in-c children N OTHERS      N processes that wait, OTHERS of them as uid 65534, until
 *                               there is no more input */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_LIBCAP
#include <sys/capability.h>
#endif

#define THREE (1ULL << CAP_CHOWN | 1ULL << CAP_KILL | 1ULL << CAP_NET_BIND_SERVICE)
#define TEN 0x3ffU

static volatile long sink; /* so that no answer is optimised away */

static void must(long result)
{
    if (result == -1) {
        perror("in-c");
        exit(1);
    }
    sink = result;
}

static const char *setting(const char *name)
{
    const char *value = getenv(name);

    if (!value) {
        fprintf(stderr, "in-c: %s is not set\n", name);
        exit(2);
    }
    return value;
}

static double now(clockid_t clock)
{
    struct timespec time;

    must(clock_gettime(clock, &time));
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* ---- prctl(2) ---- */

static void ask(int option, unsigned long argument) { must(prctl(option, argument, 0L, 0L, 0L)); }

static void get_dumpable(void) { ask(PR_GET_DUMPABLE, 0); }
static void set_dumpable(void) { ask(PR_SET_DUMPABLE, 1); }
static void get_timerslack(void) { ask(PR_GET_TIMERSLACK, 0); }
static void set_timerslack(void) { ask(PR_SET_TIMERSLACK, 50000); }
static void set_name(void) { ask(PR_SET_NAME, (unsigned long)"bench"); }
static void read_bounding(void) { ask(PR_CAPBSET_READ, 0); }
static void read_securebits(void) { ask(PR_GET_SECUREBITS, 0); }

static void get_pdeathsig(void)
{
    int number;

    ask(PR_GET_PDEATHSIG, (unsigned long)&number);
    sink = number;
}

static void get_name(void)
{
    char name[16];

    ask(PR_GET_NAME, (unsigned long)name);
    sink = name[0];
}

static void write_securebits(void)
{
    must(prctl(PR_GET_SECUREBITS, 0L, 0L, 0L, 0L));
    ask(PR_SET_SECUREBITS, (unsigned long)sink ^ SECBIT_NOROOT);
}

static void limit_bounding(void)
{
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0L, 0L, 0L) >= 0; cap++)
        if (!(THREE >> cap & 1))
            ask(PR_CAPBSET_DROP, (unsigned long)cap);
}

static void limit_bounding_again(void)
{
    int raised;

    for (int cap = 0; (raised = prctl(PR_CAPBSET_READ, cap, 0L, 0L, 0L)) >= 0; cap++)
        if (raised && !(THREE >> cap & 1))
            ask(PR_CAPBSET_DROP, (unsigned long)cap);
}

/* ---- capget(2) and capset(2) ---- */

static struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
static struct __user_cap_data_struct data[2];

static void get_caps(void) { must(syscall(SYS_capget, &head, data)); }
static void set_caps(void) { must(syscall(SYS_capset, &head, data)); }

static void read_effective(void)
{
    get_caps();
    sink = data[0].effective & 1;
}

static void write_effective(void)
{
    get_caps();
    data[0].effective ^= 1;
    set_caps();
}

static void drop_ten(void)
{
    get_caps();
    data[0].effective &= ~TEN;
    set_caps();
}

static void drop_each(void)
{
    for (int cap = 0; cap < 10; cap++) {
        get_caps();
        data[0].effective &= ~(1U << cap);
        set_caps();
    }
}

static void limit_effective(void)
{
    get_caps();
    data[0].effective &= (uint32_t)THREE;
    data[1].effective &= (uint32_t)(THREE >> 32);
    set_caps();
}

static void get_all(void)
{
    get_caps();
    sink = data[0].effective | data[0].permitted | data[0].inheritable;
    sink = data[1].effective | data[1].permitted | data[1].inheritable;
}

static void get_parent(void)
{
    head.pid = getppid();
    get_all();
}

static void set_all(void)
{
    if (!data[0].permitted)
        get_caps();
    set_caps();
}

/* ---- /proc and files ---- */

static void read_status(const char *pid)
{
    static char text[65536];
    char path[300];
    int fd;

    snprintf(path, sizeof path, "/proc/%s/status", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* it has ended */
    sink = read(fd, text, sizeof text);
    close(fd);
}

static void status_of_one(void) { read_status(setting("BENCH_PID")); }

static void status_of_all(void)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;

    must(proc ? 0 : -1);
    while ((entry = readdir(proc)))
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
            read_status(entry->d_name);
    closedir(proc);
}

static void get_attribute(void)
{
    struct vfs_cap_data caps;

    must(getxattr(setting("BENCH_FILE"), "security.capability", &caps, sizeof caps));
}

static void set_attribute(void)
{
    const struct vfs_cap_data caps = {
        .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
        .data[0].permitted = 1U << CAP_NET_BIND_SERVICE,
    };

    must(setxattr(setting("BENCH_FILE"), "security.capability", &caps, sizeof caps, 0));
}

static void find_below(const char *directory)
{
    DIR *here = opendir(directory);
    struct dirent *entry;
    char path[4096], caps[64];

    must(here ? 0 : -1);
    while ((entry = readdir(here))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_type == DT_DIR)
            find_below(path);
        else if (entry->d_type == DT_REG)
            sink = lgetxattr(path, "security.capability", caps, sizeof caps);
    }
    closedir(here);
}

static void find_files(void) { find_below(setting("BENCH_TREE")); }

/* ---- by libcap ---- */

#ifdef WITH_LIBCAP
static cap_t current(void)
{
    cap_t caps = cap_get_proc();

    must(caps ? 0 : -1);
    return caps;
}

static void libcap_change(const cap_value_t *list, int count, cap_flag_value_t value)
{
    cap_t caps = current();

    must(cap_set_flag(caps, CAP_EFFECTIVE, count, list, value));
    must(cap_set_proc(caps));
    cap_free(caps);
}

static void libcap_read(void)
{
    cap_t caps = current();
    cap_flag_value_t value;

    must(cap_get_flag(caps, CAP_CHOWN, CAP_EFFECTIVE, &value));
    sink = value;
    cap_free(caps);
}

static void libcap_write(void)
{
    static const cap_value_t chown[] = {CAP_CHOWN};
    static int value;

    libcap_change(chown, 1, (value ^= 1) ? CAP_SET : CAP_CLEAR);
}

static void libcap_all(void)
{
    cap_t caps = current();
    cap_flag_value_t value;

    for (int cap = 0; cap < 41; cap++)
        if (cap_get_flag(caps, cap, CAP_EFFECTIVE, &value) == 0)
            sink = value;
    cap_free(caps);
}

static const cap_value_t first_ten[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

static void libcap_drop_each(void)
{
    for (int i = 0; i < 10; i++)
        libcap_change(first_ten + i, 1, CAP_CLEAR);
}

static void libcap_drop_ten(void) { libcap_change(first_ten, 10, CAP_CLEAR); }
static void libcap_bounding(void) { must(cap_get_bound(CAP_CHOWN)); }
static void libcap_secbits(void) { sink = (long)cap_get_secbits(); }
static void libcap_set_secbits(void) { must(cap_set_secbits(cap_get_secbits() ^ SECBIT_NOROOT)); }
static void libcap_get(void) { cap_free(current()); }

static void libcap_get_parent(void)
{
    cap_t caps = cap_get_pid(getppid());

    must(caps ? 0 : -1);
    cap_free(caps);
}

static void libcap_set(void)
{
    static cap_t caps;

    if (!caps)
        caps = current();
    must(cap_set_proc(caps));
}

static void libcap_limit_bounding(void)
{
    for (int cap = 0; CAP_IS_SUPPORTED(cap); cap++)
        if (!(THREE >> cap & 1))
            must(cap_drop_bound(cap));
}

static void libcap_get_file(void)
{
    cap_t caps = cap_get_file(setting("BENCH_FILE"));

    must(caps ? 0 : -1);
    cap_free(caps);
}

static void libcap_set_file(void)
{
    static cap_t caps;

    if (!caps)
        caps = cap_from_text("cap_net_bind_service=ep");
    must(cap_set_file(setting("BENCH_FILE"), caps));
}
#endif

/* ---- rows ---- */

/* What cannot be done twice is done by children, who time themselves. */
static const struct row {
    const char *name;
    void (*step)(void);
    int in_child;
    void (*before)(void);
} rows[] = {
    {"get_name", get_name, 0, 0},
    {"set_name", set_name, 0, 0},
    {"get_dumpable", get_dumpable, 0, 0},
    {"set_dumpable", set_dumpable, 0, 0},
    {"get_timerslack", get_timerslack, 0, 0},
    {"set_timerslack", set_timerslack, 0, 0},
    {"get_pdeathsig", get_pdeathsig, 0, 0},
    {"effective: read", read_effective, 0, 0},
    {"effective: write", write_effective, 0, 0},
    {"effective: all, one by one", read_effective, 0, 0},
    {"effective: all at once", read_effective, 0, 0},
    {"effective: ten drops, one by one", drop_each, 0, 0},
    {"effective: ten drops at once", drop_ten, 0, 0},
    {"effective: limit, again", limit_effective, 0, 0},
    {"bounding: read", read_bounding, 0, 0},
    {"bounding: capbset_read", read_bounding, 0, 0},
    {"bounding: capbset_read of a number", read_bounding, 0, 0},
    {"bounding: has", read_bounding, 0, 0},
    {"bounding: limit to three, in a child", limit_bounding, 1, 0},
    {"bounding: limit, again", limit_bounding_again, 0, limit_bounding},
    {"securebits: read", read_securebits, 0, 0},
    {"securebits: get_securebits", read_securebits, 0, 0},
    {"securebits: has", read_securebits, 0, 0},
    {"securebits: write", write_securebits, 0, 0},
    {"E, P, I of this process", get_all, 0, 0},
    {"E, P, I of another", get_parent, 0, 0},
    {"E, P, I set", set_all, 0, 0},
    {"file: get", get_attribute, 0, set_attribute},
    {"file: set", set_attribute, 0, 0},
    {"files: find", find_files, 0, 0},
    {"Status: one process", status_of_one, 0, 0},
    {"Status: all processes", status_of_all, 0, 0},
    {"growth: caps", drop_ten, 0, 0},
    {"growth: threads", write_effective, 0, 0},
    {"growth: processes", status_of_all, 0, 0},
    {"growth: files", find_files, 0, 0},
#ifdef WITH_LIBCAP
    {"libcap: effective: read", libcap_read, 0, 0},
    {"libcap: effective: write", libcap_write, 0, 0},
    {"libcap: effective: all, one by one", libcap_all, 0, 0},
    {"libcap: effective: ten drops, one by one", libcap_drop_each, 0, 0},
    {"libcap: effective: ten drops at once", libcap_drop_ten, 0, 0},
    {"libcap: bounding: read", libcap_bounding, 0, 0},
    {"libcap: bounding: limit to three, in a child", libcap_limit_bounding, 1, 0},
    {"libcap: securebits: read", libcap_secbits, 0, 0},
    {"libcap: securebits: write", libcap_set_secbits, 0, 0},
    {"libcap: E, P, I of this process", libcap_get, 0, 0},
    {"libcap: E, P, I of another", libcap_get_parent, 0, 0},
    {"libcap: E, P, I set", libcap_set, 0, 0},
    {"libcap: file: get", libcap_get_file, 0, 0},
    {"libcap: file: set", libcap_set_file, 0, 0},
#endif
};

static double in_child(void (*step)(void))
{
    double time[2];
    int ends[2], status;
    pid_t pid;

    must(pipe(ends));
    must(pid = fork());
    if (pid == 0) {
        time[0] = now(CLOCK_PROCESS_CPUTIME_ID);
        step();
        time[1] = now(CLOCK_PROCESS_CPUTIME_ID);
        must(write(ends[1], time, sizeof time));
        _exit(0);
    }
    close(ends[1]);
    must(read(ends[0], time, sizeof time) == sizeof time ? 0 : -1);
    close(ends[0]);
    must(waitpid(pid, &status, 0));
    return time[1] - time[0];
}

static double measured(const struct row *row, long count)
{
    const clockid_t clock = strcmp(setting("BENCH_CLOCK"), "wall") == 0 ? CLOCK_MONOTONIC
                                                                        : CLOCK_PROCESS_CPUTIME_ID;
    double start, sum = 0;

    if (row->before)
        row->before();
    row->step(); /* the first is not like the others */
    if (row->in_child) {
        for (long n = 0; n < count; n++)
            sum += in_child(row->step);
        return sum;
    }
    start = now(clock);
    for (long n = 0; n < count; n++)
        row->step();
    return now(clock) - start;
}

/* ---- programs ---- */

static struct rusage run(char **command)
{
    struct rusage usage;
    int status;
    pid_t pid = vfork();

    must(pid);
    if (pid == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    must(wait4(pid, &status, 0, &usage));
    if (status) {
        fprintf(stderr, "in-c: %s: status %d\n", command[0], status);
        exit(1);
    }
    return usage;
}

static void silence(void)
{
    int fd = open("/dev/null", O_WRONLY);

    must(fd);
    must(dup2(fd, 1));
    close(fd);
}

static void run_programs(const char *what, long count, char **command)
{
    int out = dup(1);
    double start = now(CLOCK_MONOTONIC);
    struct rusage usage = {0};

    must(out);
    must(fcntl(out, F_SETFD, FD_CLOEXEC));
    silence();
    for (long n = 0; n < count; n++)
        usage = run(command);
    if (strcmp(what, "memory") == 0)
        dprintf(out, "%ld\n", usage.ru_maxrss);
    else
        dprintf(out, "%.0f\n", now(CLOCK_MONOTONIC) - start);
}

static void wait_for_end(void)
{
    char byte;

    while (read(0, &byte, 1) > 0)
        ;
}

static void keep_children(long count, long others)
{
    for (long n = 0; n < count; n++) {
        pid_t pid = fork();

        must(pid);
        if (pid == 0) {
            if (n < others)
                must(setresuid(65534, 65534, 65534));
            must(prctl(PR_SET_PDEATHSIG, SIGKILL));
            wait_for_end();
            _exit(0);
        }
    }
    printf("ready\n");
    fflush(stdout);
    wait_for_end();
    while (wait(NULL) > 0)
        ;
}

static void *sleeper(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void start_threads(long count)
{
    for (long n = 0; n < count; n++) {
        pthread_t thread;

        must(pthread_create(&thread, NULL, sleeper, NULL) == 0 ? 0 : -1);
    }
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    long count = argc > 2 ? atol(argv[2]) : 0;

    if (argc > 3 && (strcmp(name, "exec") == 0 || strcmp(name, "memory") == 0))
        return run_programs(name, count, argv + 3), 0;
    if (argc > 3 && strcmp(name, "children") == 0)
        return keep_children(count, atol(argv[3])), 0;
    if (strcmp(name, "growth: threads") == 0)
        start_threads(atol(setting("BENCH_SIZE")) - 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (argc == 1) {
            printf("%s\n", rows[i].name);
        } else if (strcmp(rows[i].name, name) == 0) {
            printf("%.0f\n", measured(rows + i, count));
            return 0;
        }
    }
    return argc == 1 ? 0 : 2;
}
