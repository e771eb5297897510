/* Has the process other threads? */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* unshare(2) */
#endif
#include "threads.h"

#include "lp.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

extern char __libc_single_threaded __attribute__((weak)); /* glibc 2.32 */

/* A directory has two links, and in /proc one for each thread in it. */
#define OWN_LINKS 2

static unsigned links(void)
{
    unsigned others = LP_THREADS_UNKNOWN;
    struct stat task;
    int fd = lp_open_proc("/proc/self/task");

    if (fd < 0)
        return LP_THREADS_UNKNOWN;
    if (lp_fstat(fd, &task) == 0 && task.st_nlink > OWN_LINKS)
        others = (unsigned)task.st_nlink - OWN_LINKS - 1;
    (void)close(fd); /* it was only looked at */
    return others;
}

static unsigned counted(void)
{
    struct lp_held held;
    unsigned others;

    lp_hold_signals(&held);
    others = links();
    lp_release_signals(&held);
    return others;
}

/* No unshare(2) that is one takes a bit of the signal that clone(2) is given. */
#define NO_FLAG 1

/* Asked for what it does anyway: the kernel refuses when there are more threads. A seccomp
 * filter may refuse instead of it, or let everything succeed. */
static unsigned asked(void)
{
    if (unshare(CLONE_THREAD) == 0)
        return unshare(NO_FLAG) == 0 ? LP_THREADS_UNKNOWN : 0;
    return errno == EINVAL ? 1 : LP_THREADS_UNKNOWN;
}

unsigned lp_count_other_threads(void)
{
    const int saved = errno;
    unsigned others = asked();

    if (others) {
        const unsigned count = counted();

        if (count != LP_THREADS_UNKNOWN)
            others = count;
    }
    errno = saved;
    return others;
}

unsigned lp_other_threads(void)
{
    if (&__libc_single_threaded && __libc_single_threaded)
        return 0;
    return lp_count_other_threads();
}

/* ---- those that are on their way out ---- */

#define PF_EXITING 0x4UL /* set before anybody is told that a thread has ended */

/* Gone in the meantime is on its way, too. */
static bool is_leaving(const char *tid)
{
    char path[64];
    unsigned long flags;

    (void)snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", tid);
    if (lp_read_task_flags(path, &flags) != 0)
        return errno == ENOENT || errno == ESRCH;
    return flags & PF_EXITING;
}

/* How many stay, this one included: more than one is as good as all; 0 if nobody tells. */
static unsigned staying(int task)
{
    union {
        struct lp_entry entry;
        char bytes[2048];
    } found;
    unsigned count = 0;
    ssize_t bytes = 0;

    while (count < 2 && (bytes = lp_getdents(task, &found, sizeof found)) > 0)
        for (ssize_t at = 0; at < bytes && count < 2;) {
            const struct lp_entry *entry = (const void *)(found.bytes + at);

            count += entry->name[0] != '.' && !is_leaving(entry->name);
            at += entry->length;
        }
    return bytes >= 0 ? count : 0;
}

enum lp_leaving lp_others_leave(void)
{
    const int saved = errno;
    struct lp_held held;
    unsigned count = 0;
    int task;

    lp_hold_signals(&held);
    task = lp_open_proc("/proc/self/task");
    if (task >= 0) {
        count = staying(task);
        (void)close(task); /* it was only read */
    }
    lp_release_signals(&held);
    errno = saved;
    return count == 0 ? LP_LEAVING_UNKNOWN : count == 1 ? LP_ALL_LEAVE : LP_ONE_STAYS;
}
