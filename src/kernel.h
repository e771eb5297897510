/* prctl(2), capget(2), capset(2) and the other system calls, each at one place. Every function
 * answers -1 with errno set when the kernel refused. */
#ifndef LP_KERNEL_H
#define LP_KERNEL_H

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/stat.h>
#include <unistd.h>

#include "caps.h"
#include "numbers.h"
#include "system_call.h"

#pragma GCC visibility push(hidden)

/* prctl(2) itself: glibc's prctl() returns an int, and takes what it was not given from wherever
 * a register was left. */
LP_INLINE long lp_prctl(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
                        unsigned long arg5)
{
    return lp_system_call(SYS_prctl, (unsigned long)option, arg2, arg3, arg4, arg5);
}

/* The errno for an answer that no kernel gives, as what a seccomp filter traps or fakes:
 * something else than 0 for a change, no number where one was to be written. */
#define LP_NO_ANSWER EPROTO

/* -1, with that. */
LP_INLINE long lp_no_answer(void)
{
    errno = LP_NO_ANSWER;
    return -1;
}

/* What a change returned, if it is 0 or -1; or else -1, with that. */
LP_INLINE long lp_done(long result)
{
    return result == 0 || result == -1 ? result : lp_no_answer();
}

LP_INLINE long lp_change(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
                         unsigned long arg5)
{
    return lp_done(lp_prctl(option, arg2, arg3, arg4, arg5));
}

/* A question about a bit: 0, 1 or -1. */
LP_INLINE int lp_ask_bit_of(int option, unsigned long arg2, unsigned long arg3)
{
    long result = lp_prctl(option, arg2, arg3, 0, 0);

    return (int)(result == 0 || result == 1 || result == -1 ? result : lp_no_answer());
}

#define LP_NAME_BYTES 16
LP_INLINE int lp_get_name(char name[LP_NAME_BYTES])
{
    long result;

    name[LP_NAME_BYTES - 1] = 1; /* the kernel ends a name with a NUL, here at the latest */
    result = lp_change(PR_GET_NAME, (unsigned long)name, 0, 0, 0);
    return (int)(result == 0 && name[LP_NAME_BYTES - 1] ? lp_no_answer() : result);
}

/* The answer to a question: a value, or failed and errno. */
struct lp_answer {
    bool failed;
    uint64_t value;
};

LP_INLINE struct lp_answer lp_told(long result, uint64_t value)
{
    return (struct lp_answer){.failed = result == -1, .value = value};
}

/* The three ways in which prctl(2) answers: as its return value, in an int, in
 * an unsigned long. */
LP_INLINE struct lp_answer lp_ask(int option, unsigned long arg2, unsigned long arg3)
{
    long result = lp_prctl(option, arg2, arg3, 0, 0);

    return lp_told(result, (unsigned long)result);
}

/* A buffer for whatever size of number a kernel writes through a pointer. */
union lp_out {
    uint64_t u64;
    unsigned long word;
    unsigned int integer;
    uint32_t half[2];
};

#define LP_PATTERN 0x5aa5c33cU

/* A question whose answer comes through a pointer to out, which holds a pattern before. */
LP_INLINE long lp_ask_over(unsigned int pattern, union lp_out *out, int option,
                           unsigned long arg2, unsigned long arg3, unsigned long arg4,
                           unsigned long arg5)
{
    *out = (union lp_out){.u64 = 0};
    out->integer = pattern;
    return lp_change(option, arg2, arg3, arg4, arg5);
}

LP_INLINE bool lp_untouched(unsigned int pattern, const union lp_out *out)
{
    union lp_out before = {.u64 = 0};

    before.integer = pattern;
    return out->u64 == before.u64;
}

/* The pattern is hardly an answer, to see whether there was one; and if it was one, the pattern
 * is something else the next time. */
long lp_ask_again(union lp_out *out, int option, unsigned long arg2, unsigned long arg3,
                  unsigned long arg4, unsigned long arg5);
LP_INLINE long lp_ask_into(union lp_out *out, int option, unsigned long arg2, unsigned long arg3,
                           unsigned long arg4, unsigned long arg5)
{
    long result = lp_ask_over(LP_PATTERN, out, option, arg2, arg3, arg4, arg5);

    if (result != 0 || !lp_untouched(LP_PATTERN, out))
        return result;
    return lp_ask_again(out, option, arg2, arg3, arg4, arg5);
}

LP_INLINE struct lp_answer lp_ask_int(int option)
{
    union lp_out out;
    long result = lp_ask_into(&out, option, (unsigned long)&out, 0, 0, 0);

    return lp_told(result, out.integer);
}

struct lp_answer lp_ask_long(int option);
struct lp_answer lp_get_cfi(unsigned long kind);
struct lp_answer lp_get_tid_address(void);
struct lp_answer lp_get_timerslack(void);
struct lp_answer lp_sched_core_get(unsigned long pid);

/* More than twice what any kernel has. */
#define LP_AUXV_WORDS 512
/* How many of them the kernel has written, or -1. */
long lp_get_auxv(unsigned long auxv[LP_AUXV_WORDS]);

/* The parent, as far as it has a number here and a filter does not keep it back. */
struct lp_answer lp_getppid(void);

/* While a descriptor is open that nobody else knows of, no handler of a signal runs: one may
 * jump out of here (PERL_SIGNALS=unsafe, POSIX::sigaction), and leave it open. Both leave errno
 * alone. */
struct lp_held {
    bool held;
    sigset_t before;
};
void lp_hold_signals(struct lp_held *held);
void lp_release_signals(const struct lp_held *held);

/* read(2), whose answer is never more than there is room for. */
ssize_t lp_read_fd(int fd, void *bytes, size_t size);
/* Opens a file for reading, if it really is one of /proc. */
int lp_open_proc(const char *path);
/* All of a text into a file of /proc, in one call. */
int lp_write_proc(const char *path, const char *text);
/* As much of a file of /proc as there is room for, and its length: it may come in several
 * pieces. */
ssize_t lp_read_file(const char *path, char *text, size_t size);
/* The kernel's own flags of a process or thread, from its stat file (proc_pid_stat(5)). */
int lp_read_task_flags(const char *path, unsigned long *flags);

/* fstat(2) and fstatat(2), which have written something, or fail. */
int lp_fstat(int fd, struct stat *found);
int lp_fstatat(int fd, const char *path, struct stat *found, int flags);

/* What a symbolic link has, with a NUL behind it, and its length; or -1. */
ssize_t lp_readlink(const char *path, char *text, size_t size);

/* What getdents64(2) writes, one behind the other. */
struct lp_entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length; /* of the whole */
    unsigned char type;
    char name[];
};
/* As many entries as there is room for, each whole: their bytes, 0 behind the last, or -1. */
ssize_t lp_getdents(int fd, void *bytes, size_t size);

long lp_set_mce_kill(unsigned long policy);
long lp_set_pdeathsig(unsigned long signal, pid_t parent);
long lp_setfsuid(uid_t uid);
long lp_setfsgid(gid_t gid);
int lp_setresuid(uid_t real, uid_t effective, uid_t saved);
int lp_setresgid(gid_t real, gid_t effective, gid_t saved);
int lp_setgroups(size_t count, const gid_t *ids);
/* -1, which is no id, where a filter refuses. */
uid_t lp_getfsuid(void);
gid_t lp_getfsgid(void);

/* ---- capabilities ---- */

/* Those of another process or thread; 0 is the caller. */
LP_INLINE int lp_capget_of(pid_t pid, struct lp_caps *caps)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, pid};
    /* More effective than permitted, which no kernel answers. */
    struct __user_cap_data_struct data[2] = {{1, 0, 0}, {1, 0, 0}};

    if (lp_done(lp_system_call(SYS_capget, (unsigned long)&head, (unsigned long)data, 0, 0, 0)) != 0)
        return -1;
    if ((data[0].effective & ~data[0].permitted) | (data[1].effective & ~data[1].permitted))
        return (int)lp_no_answer();
    caps->set[LP_EFFECTIVE] = (uint64_t)data[1].effective << 32 | data[0].effective;
    caps->set[LP_PERMITTED] = (uint64_t)data[1].permitted << 32 | data[0].permitted;
    caps->set[LP_INHERITABLE] = (uint64_t)data[1].inheritable << 32 | data[0].inheritable;
    return 0;
}

LP_INLINE int lp_capget(struct lp_caps *caps)
{
    return lp_capget_of(0, caps);
}

LP_INLINE int lp_capset(const struct lp_caps *caps)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];

    for (int half = 0; half < 2; half++) {
        data[half].effective = (uint32_t)(caps->set[LP_EFFECTIVE] >> 32 * half);
        data[half].permitted = (uint32_t)(caps->set[LP_PERMITTED] >> 32 * half);
        data[half].inheritable = (uint32_t)(caps->set[LP_INHERITABLE] >> 32 * half);
    }
    return (int)lp_done(lp_system_call(SYS_capset, (unsigned long)&head, (unsigned long)data, 0, 0, 0));
}

/* Does the process surely have neither a capability nor uid 0 in any slot? Two system calls
 * and a descriptor, which take a tenth of a status file's time; no, where they cannot tell:
 * the uids are told since Linux 6.13. The number is one of our pid namespace. */
bool lp_surely_has_nothing(pid_t pid);

#pragma GCC visibility pop

#endif
