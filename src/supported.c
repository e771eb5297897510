/* Does this kernel, on this processor, know a function of ours? Nothing here
 * changes anything: where that cannot be had, the answer is "cannot ask". */
#include "lp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

static enum lp_supported verdict(bool failed)
{
    if (!failed || errno == EFAULT) /* it went as far as looking at the pointer */
        return LP_YES;
    /* Any other refusal may be a filter's. */
    return errno == EINVAL || errno == ENODEV ? LP_NO : LP_CANNOT_ASK;
}

/* A file that is there in every kernel that was built with the option. */
static enum lp_supported by_file(const char *path)
{
    if (access(path, F_OK) == 0)
        return LP_YES;
    return access("/proc/sys/kernel", F_OK) == 0 ? LP_NO : LP_CANNOT_ASK;
}

static enum lp_supported perf_events(void)
{
    return by_file("/proc/sys/kernel/perf_event_paranoid");
}

static enum lp_supported yama(void)
{
    return by_file("/proc/sys/kernel/yama/ptrace_scope");
}

static bool file_begins(const char *path, char first)
{
    char begin = 0;
    struct lp_held held;
    ssize_t bytes;
    int fd;

    lp_hold_signals(&held);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bytes = fd < 0 ? -1 : lp_read_fd(fd, &begin, 1);
    if (fd >= 0)
        (void)close(fd); /* it was only read */
    lp_release_signals(&held);
    return bytes == 1 && begin == first;
}

bool lp_has_apparmor(void)
{
    return file_begins("/sys/module/apparmor/parameters/enabled", 'Y');
}

bool lp_has_selinux(void)
{
    struct statfs fs;

    return statfs("/sys/fs/selinux", &fs) == 0 && fs.f_type == SELINUX_MAGIC;
}

/* The one sub-operation without privilege: it writes the size of a struct. */
static enum lp_supported mm(void)
{
    unsigned int size[2] = {0, 0};
    long result = lp_prctl(PR_SET_MM, LP_SET_MM_MAP_SIZE, (unsigned long)size, 0, 0);

    /* Without CHECKPOINT_RESTORE the others may still be there. */
    return result == -1 ? LP_CANNOT_ASK : LP_YES;
}

static enum lp_supported mpx(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return LP_CANNOT_ASK; /* turning it on or off is all that it can do */
#else
    return LP_NO;
#endif
}

/* A selector that no process can have, which is looked at before anything is
 * changed. Where every address may be a process's, there is no such selector. */
static enum lp_supported syscall_user_dispatch(void)
{
#if defined(__s390__) || !defined(__LP64__)
    return LP_CANNOT_ASK;
#else
    return verdict(lp_prctl(PR_SET_SYSCALL_USER_DISPATCH, LP_SYS_DISPATCH_ON, 0, 0,
                            (unsigned long)-1) == -1);
#endif
}

static enum lp_supported sched_core(void)
{
    uint64_t cookie;

    return verdict(lp_prctl(PR_SCHED_CORE, LP_SCHED_CORE_GET, 0, 0, (unsigned long)&cookie) == -1);
}

static enum lp_supported cfi(void)
{
    unsigned long control;

    return verdict(lp_prctl(PR_GET_CFI, LP_CFI_BRANCH_LANDING_PADS, (unsigned long)&control, 0, 0)
                   == -1);
}

static enum lp_supported riscv_icache(void)
{
#if defined(__riscv)
    return LP_CANNOT_ASK; /* there is no getter */
#else
    return LP_NO;
#endif
}

/* A kernel without private hashes answers 0, and so does one that has them, in a
 * process that uses the global one. */
static enum lp_supported futex_hash_set(void)
{
    struct lp_answer slots = lp_ask(PR_FUTEX_HASH, LP_FUTEX_HASH_GET_SLOTS, 0);

    if (slots.failed)
        return verdict(true);
    return slots.value ? LP_YES : LP_CANNOT_ASK;
}

static enum lp_supported ask(int option, unsigned long arg2, unsigned long arg3)
{
    return verdict(lp_ask(option, arg2, arg3).failed);
}

static enum lp_supported ask_out(int option)
{
    uint64_t out[2] = {0, 0}; /* a name is the longest: 16 bytes */

    return ask(option, (unsigned long)out, 0);
}

enum lp_supported lp_supported(const char *function, size_t length)
{
    int saved = errno;
    enum lp_supported answer = LP_UNKNOWN_FUNCTION;

#define ASK(option, arg2, arg3) ask(option, arg2, arg3)
#define ASK_OUT(option) ask_out(option)
#define ASK_BY(probe) probe()
#define ALWAYS LP_YES
#define FUNCTION(name, tag, body, probe)                                              \
    if (length == sizeof #name - 1 && memcmp(function, #name, length) == 0)         \
        answer = probe;
#include "functions.inc"
#undef FUNCTION
    errno = saved;
    return answer;
}
