/* What is remembered between two calls. No other source has C state that changes, and
 * this one is in Prctl.so alone: there is one memory in a process. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include "lp.h"

#include <errno.h>
#include <linux/filter.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- which capabilities the kernel has ---- */

/* The highest that is known to exist. Kernels without CAPBSET_READ are older than any
 * we run on, and that came when there were 34. Each thread has its own, as each can have
 * a seccomp filter of its own. */
#define SURE 33
static __thread unsigned highest = SURE;

static bool readable(unsigned cap)
{
    return lp_ask_bit_of(PR_CAPBSET_READ, cap, 0) != -1;
}

/* Only a kernel that answers for chown, and not for this one, lacks it: a filter
 * that refuses everything says nothing about what there is. */
enum lp_supported lp_supported_cap(unsigned cap)
{
    int saved = errno;
    enum lp_supported has = LP_YES;

    if (cap > highest) {
        if (readable(cap))
            highest = cap;
        else
            has = errno == EINVAL && readable(LP_CAP_chown) ? LP_NO : LP_CANNOT_ASK;
    }
    errno = saved;
    return has;
}

bool lp_knows(unsigned cap)
{
    const enum lp_supported has = cap < LP_CAPS ? lp_supported_cap(cap) : LP_NO;

    return has == LP_YES || (has == LP_CANNOT_ASK && lp_cap_name(cap));
}

bool lp_lacks(unsigned cap)
{
    return lp_supported_cap(cap) == LP_NO;
}

const struct lp_known_caps lp_known_caps = {lp_knows, lp_lacks};

/* ---- what all threads share ---- */

static pthread_mutex_t shared = PTHREAD_MUTEX_INITIALIZER;

/* Signals are held around it: a handler that jumps out would leave it locked, for each fork(2)
 * to wait for, and one that comes back here would wait for itself. */
static void lock_shared(void)
{
    (void)pthread_mutex_lock(&shared); /* fails for a bad one only */
}

static void unlock_shared(void)
{
    (void)pthread_mutex_unlock(&shared);
}

/* ---- who may trace this process ---- */

/* The kernel keeps that per process, and does not tell. */
struct ptracer {
    bool noted;
    pid_t process; /* that it holds for */
    long tracer;
};

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18 /* glibc 2.27 */
#endif

static struct ptracer without_page;
static struct ptracer *ptracer = &without_page;

/* In a child the kernel clears it (since 4.14), also in one that has the pid of its parent
 * in a namespace of its own and was made without the C library. */
static void keep_from_children(void)
{
    void *page = mmap(NULL, sizeof *ptracer, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return;
    if (madvise(page, sizeof *ptracer, MADV_WIPEONFORK) == 0)
        ptracer = page;
    else
        (void)munmap(page, sizeof *ptracer); /* just made: it is there */
}

void lp_note_ptracer(long tracer)
{
    int saved = errno;
    struct lp_held held;

    lp_hold_signals(&held);
    lock_shared();
    if (ptracer == &without_page)
        keep_from_children();
    *ptracer = (struct ptracer){.noted = true, .process = getpid(), .tracer = tracer};
    unlock_shared();
    lp_release_signals(&held);
    errno = saved;
}

/* Only of a page that the kernel does not clear is it asked whose it is. */
static bool is_noted(long *tracer)
{
    struct lp_held held;
    bool noted;

    lp_hold_signals(&held);
    lock_shared();
    noted = ptracer->noted && (ptracer != &without_page || ptracer->process == getpid());
    *tracer = ptracer->tracer;
    unlock_shared();
    lp_release_signals(&held);
    return noted;
}

struct lp_answer lp_get_ptracer(void)
{
    long tracer;

    if (is_noted(&tracer))
        return (struct lp_answer){.value = (unsigned long)tracer};
    return lp_getppid();
}

/* ---- the dumpable flag, while children share the memory ---- */

/* It belongs to the memory, and so to all threads: the first one that starts a child turns it
 * off, and the last one whose child is gone gives its value back. */
static struct {
    unsigned children;
    unsigned long value;
} dumpable;

/* The value that a change of ids gives it, or -1 where nobody tells. */
static int value_after_ids(void)
{
    char text[8];

    if (lp_read_file("/proc/sys/fs/suid_dumpable", text, sizeof text) < 1)
        return -1;
    return text[0] - '0';
}

static void turn_back(void)
{
    (void)lp_prctl(PR_SET_DUMPABLE, dumpable.value, 0, 0, 0); /* it was tried before */
}

static bool set_dumpable(unsigned long value)
{
    struct lp_answer now;

    if (lp_prctl(PR_SET_DUMPABLE, value, 0, 0, 0) != 0)
        return false;
    now = lp_ask(PR_GET_DUMPABLE, 0, 0);
    return !now.failed && now.value == value;
}

static bool stays_off_over_ids(void)
{
    const int after_ids = value_after_ids();

    return after_ids == LP_SUID_DUMP_DISABLE || after_ids == LP_SUID_DUMP_ROOT;
}

/* Not where it is SUID_DUMP_ROOT: prctl(2) does not give that back. */
static bool turn_off(void)
{
    const struct lp_answer now = lp_ask(PR_GET_DUMPABLE, 0, 0);

    if (now.failed || now.value == LP_SUID_DUMP_ROOT)
        return false;
    dumpable.value = (unsigned long)now.value;
    if (!set_dumpable(dumpable.value))
        return false;
    if (set_dumpable(LP_SUID_DUMP_DISABLE))
        return true;
    turn_back();
    return false;
}

bool lp_protect_memory(bool ids_change)
{
    bool off;

    if (ids_change && !stays_off_over_ids())
        return false;
    lock_shared();
    off = dumpable.children || turn_off();
    dumpable.children += off;
    unlock_shared();
    return off;
}

void lp_release_memory(void)
{
    lock_shared();
    if (--dumpable.children == 0)
        turn_back();
    unlock_shared();
}

/* ---- forgetting ---- */

/* A child may live behind another filter than its parent, and nobody was asked yet to
 * trace it. */
static void forget(void)
{
    highest = SURE;
    ptracer->noted = false;
    if (dumpable.children) { /* of another thread: here is none of them */
        dumpable.children = 0;
        turn_back();
    }
    unlock_shared();
}

__attribute__((constructor)) static void forget_after_fork(void)
{
    (void)pthread_atfork(lock_shared, unlock_shared, forget); /* fails for want of memory only */
}

void lp_forget_caps(void)
{
    highest = SURE;
}

/* ---- calls that are remembered ---- */

long lp_set_seccomp(unsigned long mode, const void *program, size_t instructions)
{
    struct sock_fprog filter = {
        .len = (unsigned short)instructions,
        .filter = (struct sock_filter *)program,
    };

    return lp_call(PR_SET_SECCOMP, mode, program ? (unsigned long)&filter : 0, 0, 0);
}
