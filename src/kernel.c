/* prctl(2) and the few system calls beside it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "kernel.h"

#include "lp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* ---- prctl(2) ---- */

long lp_ask_again(union lp_out *out, int option, unsigned long arg2, unsigned long arg3,
                  unsigned long arg4, unsigned long arg5)
{
    long result = lp_ask_over(~LP_PATTERN, out, option, arg2, arg3, arg4, arg5);

    if (result != 0 || !lp_untouched(~LP_PATTERN, out))
        return result;
    return lp_no_answer();
}

#define POINTER(variable) ((unsigned long)&(variable))

struct lp_answer lp_ask_long(int option)
{
    union lp_out out;
    long result = lp_ask_into(&out, option, POINTER(out), 0, 0, 0);

    return lp_told(result, out.word);
}

struct lp_answer lp_get_cfi(unsigned long kind)
{
    union lp_out out;
    long result = lp_ask_into(&out, PR_GET_CFI, kind, POINTER(out), 0, 0);

    return lp_told(result, out.word);
}

/* A 64-bit kernel writes eight bytes to a 32-bit process too, where the address
 * is in the half that is not zero. */
struct lp_answer lp_get_tid_address(void)
{
    union lp_out out;
    long result = lp_ask_into(&out, PR_GET_TID_ADDRESS, POINTER(out), 0, 0, 0);

    if (sizeof(long) == 8)
        return lp_told(result, out.u64);
    return lp_told(result, out.half[0] ? out.half[0] : out.half[1]);
}

struct lp_answer lp_sched_core_get(unsigned long pid)
{
    union lp_out out;
    long result = lp_ask_into(&out, PR_SCHED_CORE, LP_SCHED_CORE_GET, pid, 0, POINTER(out));

    return lp_told(result, out.u64);
}

long lp_get_auxv(unsigned long auxv[LP_AUXV_WORDS])
{
    const size_t room = LP_AUXV_WORDS * sizeof *auxv;
    long bytes;

    memset(auxv, 0, room); /* should the kernel write less than it says */
    bytes = lp_prctl(PR_GET_AUXV, (unsigned long)auxv, room, 0, 0);
    if (bytes == -1)
        return -1;
    if (bytes < 0 || (size_t)bytes > room || !auxv[0]) /* there is always something */
        return lp_no_answer();
    return bytes / (long)sizeof *auxv;
}

/* Those of a fault, and of a filter's trap, are the end of a process that blocks them. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};

void lp_hold_signals(struct lp_held *held)
{
    const int saved = errno;
    sigset_t all;

    (void)sigfillset(&all); /* these fail for what is no signal only */
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        (void)sigdelset(&all, faults[i]);
    /* Nobody blocks KILL: then there was no answer, and nothing to go back to. */
    (void)sigfillset(&held->before);
    held->held = sigprocmask(SIG_BLOCK, &all, &held->before) == 0
                 && !sigismember(&held->before, SIGKILL);
    errno = saved;
}

void lp_release_signals(const struct lp_held *held)
{
    const int saved = errno;

    if (held->held)
        (void)sigprocmask(SIG_SETMASK, &held->before, NULL); /* as it was allowed before */
    errno = saved;
}

/* In a changed root directory, /proc may be anything: a fifo does not keep us waiting, and
 * what is not procfs does not speak for the kernel. */
int lp_open_proc(const char *path)
{
    struct statfs fs;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return -1;
    if (fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC)
        return fd;
    (void)close(fd); /* it was only read */
    errno = ENOENT;
    return -1;
}

/* No file has the mode 0, without a type. */
static int found_it(int result, const struct stat *found)
{
    return (int)(result == 0 && !found->st_mode ? lp_no_answer() : lp_done(result));
}

int lp_fstat(int fd, struct stat *found)
{
    found->st_mode = 0;
    return found_it(fstat(fd, found), found);
}

int lp_fstatat(int fd, const char *path, struct stat *found, int flags)
{
    found->st_mode = 0;
    return found_it(fstatat(fd, path, found, flags), found);
}

ssize_t lp_read_fd(int fd, void *bytes, size_t size)
{
    ssize_t length = read(fd, bytes, size);

    return length > 0 && (size_t)length > size ? lp_no_answer() : length;
}

static ssize_t read_file(const char *path, char *text, size_t size)
{
    size_t length = 0;
    ssize_t bytes;
    int saved;
    int fd = lp_open_proc(path);

    if (fd < 0)
        return -1;
    while ((bytes = lp_read_fd(fd, text + length, size - 1 - length)) > 0)
        length += (size_t)bytes;
    saved = errno;
    (void)close(fd); /* nothing was written: there is nothing it could lose */
    errno = saved;
    text[length] = '\0';
    return bytes < 0 ? -1 : (ssize_t)length;
}

ssize_t lp_read_file(const char *path, char *text, size_t size)
{
    struct lp_held held;
    ssize_t length;

    lp_hold_signals(&held);
    length = read_file(path, text, size);
    lp_release_signals(&held);
    return length;
}

/* The name, in parentheses, may have anything in it. */
int lp_read_task_flags(const char *path, unsigned long *flags)
{
    char text[512]; /* they are the ninth of all numbers */
    const char *at;

    if (lp_read_file(path, text, sizeof text) < 0)
        return -1;
    at = strrchr(text, ')');
    if (at && sscanf(at, ") %*c %*d %*d %*d %*d %*d %lu", flags) == 1)
        return 0;
    errno = EBADMSG;
    return -1;
}

int lp_write_proc(const char *path, const char *text)
{
    const size_t length = strlen(text);
    struct statfs fs;
    ssize_t written = -1;
    int saved;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return -1;
    if (fstatfs(fd, &fs) != 0 || fs.f_type != PROC_SUPER_MAGIC)
        errno = ENOENT;
    else
        written = write(fd, text, length);
    saved = errno;
    if (written >= 0 && (size_t)written != length)
        saved = EIO;
    if (close(fd) != 0 && (size_t)written == length)
        return -1;
    errno = saved;
    return written >= 0 && (size_t)written == length ? 0 : -1;
}

/* By system call, since the C library is not told that it may be answered with anything. */
ssize_t lp_readlink(const char *path, char *text, size_t size)
{
    long length = syscall(SYS_readlinkat, AT_FDCWD, path, text, size - 1);

    if (length < 0)
        return -1;
    if (length == 0 || (size_t)length > size - 1)
        return lp_no_answer();
    text[length] = '\0';
    return length;
}

static bool is_whole(const struct lp_entry *entry, size_t room)
{
    const size_t header = offsetof(struct lp_entry, name);

    return room > header && entry->length > header && entry->length <= room
           && memchr(entry->name, '\0', entry->length - header);
}

/* Who answers for the kernel leaves in the buffer what was there: without a first entry. */
ssize_t lp_getdents(int fd, void *bytes, size_t size)
{
    long length;

    memset(bytes, 0, sizeof(struct lp_entry));
    length = syscall(SYS_getdents64, fd, bytes, size);
    if (length > 0 && (size_t)length > size)
        return lp_no_answer();
    for (long at = 0; at < length;) {
        const struct lp_entry *entry = (const void *)((const char *)bytes + at);

        if (!is_whole(entry, (size_t)(length - at)))
            return lp_no_answer();
        at += entry->length;
    }
    return length;
}

/* What a file under /proc begins with, as a number. */
static int proc_number(const char *path, unsigned long *number)
{
    char text[32];
    char *end;

    if (lp_read_file(path, text, sizeof text) <= 0)
        return -1;
    errno = 0;
    *number = strtoul(text, &end, 10);
    return errno == 0 && end != text ? 0 : -1;
}

/* A slack within 4095 of the largest number looks like an error: /proc tells
 * whether it is one. */
static bool is_slack(unsigned long slack)
{
    char path[64];
    unsigned long found;

    (void)snprintf(path, sizeof path, "/proc/%ld/timerslack_ns", (long)syscall(SYS_gettid));
    return proc_number(path, &found) == 0 && found == slack;
}

struct lp_answer lp_get_timerslack(void)
{
    int saved = errno;
    long result = lp_prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    int error = errno;

    if (result != -1)
        return lp_told(result, (unsigned long)result);
    if (is_slack(-(unsigned long)error)) {
        errno = saved;
        return lp_told(0, -(unsigned long)error);
    }
    errno = error;
    return lp_told(-1, 0);
}

/* The kernel looks at the policy after it has changed the state: ask first. */
long lp_set_mce_kill(unsigned long policy)
{
    if (policy > LP_MCE_KILL_DEFAULT) {
        errno = EINVAL;
        return -1;
    }
    return lp_change(PR_MCE_KILL, LP_MCE_KILL_SET, policy, 0, 0);
}

/* parent: whose child the caller must still be afterwards, or -1. */
long lp_set_pdeathsig(unsigned long signal, pid_t parent)
{
    long result = lp_change(PR_SET_PDEATHSIG, signal, 0, 0, 0);

    if (result == 0 && parent != -1 && getppid() != parent) {
        errno = ESRCH;
        return -1;
    }
    return result;
}

/* ---- the parent ---- */

/* What stands in a status file comes before anything that is long. */
static bool proc_confirms(long parent)
{
    char text[512], line[64];

    (void)snprintf(line, sizeof line, "\nPPid:\t%ld\n", parent);
    return lp_read_file("/proc/thread-self/status", text, sizeof text) > 0
           && strstr(text, line) != NULL;
}

/* By system call: the C library takes a filter's refusal for a number. What a filter traps
 * may answer with the number of the call. */
struct lp_answer lp_getppid(void)
{
    const int saved = errno;
    long parent = syscall(SYS_getppid);

    if (parent == SYS_getppid && !proc_confirms(parent))
        parent = lp_no_answer();
    else if (parent == 0) { /* it is in another pid namespace, or a filter says so */
        errno = ESRCH;
        parent = -1;
    } else if (parent != -1)
        errno = saved;
    return lp_told(parent, (unsigned long)parent);
}

/* ---- ids ---- */

/* By system call: the C library's functions signal all threads that it knows of, and those of
 * a parent whose memory is shared are not ours to signal. The first names of some processors
 * take ids of 16 bits. */
#ifdef SYS_setresuid32
#define ID_CALL(name) SYS_##name##32
#else
#define ID_CALL(name) SYS_##name
#endif

/* setfsuid(2) answers the former id whether it worked or not; -1 is no id, so that it
 * changes nothing. The C library takes a refusal, which a filter makes, for an id. */
uid_t lp_getfsuid(void)
{
    return (uid_t)syscall(ID_CALL(setfsuid), (uid_t)-1);
}

gid_t lp_getfsgid(void)
{
    return (gid_t)syscall(ID_CALL(setfsgid), (gid_t)-1);
}

/* What became of a change: the id is that one now, or the kernel left it as it was. It does
 * not say why: who has the capability was refused an id that is not mapped here. */
static long fs_result(uint32_t now, uint32_t wanted, unsigned cap)
{
    struct lp_caps caps;

    if (now == wanted)
        return 0;
    if (now != (uint32_t)-1)
        errno = lp_capget(&caps) == 0 && caps.set[LP_EFFECTIVE] & LP_BIT(cap) ? EINVAL : EPERM;
    return -1;
}

long lp_setfsuid(uid_t uid)
{
    if (syscall(ID_CALL(setfsuid), uid) == -1)
        return -1;
    return fs_result(lp_getfsuid(), uid, LP_CAP_setuid);
}

long lp_setfsgid(gid_t gid)
{
    if (syscall(ID_CALL(setfsgid), gid) == -1)
        return -1;
    return fs_result(lp_getfsgid(), gid, LP_CAP_setgid);
}

int lp_setresuid(uid_t real, uid_t effective, uid_t saved)
{
    return (int)syscall(ID_CALL(setresuid), real, effective, saved);
}

int lp_setresgid(gid_t real, gid_t effective, gid_t saved)
{
    return (int)syscall(ID_CALL(setresgid), real, effective, saved);
}

int lp_setgroups(size_t count, const gid_t *ids)
{
    return (int)syscall(ID_CALL(setgroups), count, ids);
}

/* ---- what another process may do ---- */

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

struct pidfd_info {
    uint64_t mask;
    uint64_t cgroup;
    uint32_t pid, process, parent;
    uint32_t uid, gid, effective_uid, effective_gid;
    uint32_t saved_uid, saved_gid, fs_uid, fs_gid;
    int32_t exit_status;
};

#define PIDFD_GET_INFO _IOWR(0xff, 11, struct pidfd_info)
#define PIDFD_INFO_CREDS 2

static bool surely_not_root(pid_t pid)
{
    struct pidfd_info info = {.mask = PIDFD_INFO_CREDS};
    const int fd = (int)syscall(SYS_pidfd_open, (long)pid, 0L);
    bool told;

    if (fd < 0)
        return false;
    told = ioctl(fd, PIDFD_GET_INFO, &info) == 0 && info.mask & PIDFD_INFO_CREDS
           && info.pid == (uint32_t)pid;
    (void)close(fd); /* nothing was written through it */
    return told && info.uid && info.effective_uid && info.saved_uid && info.fs_uid;
}

bool lp_surely_has_nothing(pid_t pid)
{
    struct lp_caps caps;

    /* What is ambient is permitted. */
    return lp_capget_of(pid, &caps) == 0
           && !(caps.set[LP_EFFECTIVE] | caps.set[LP_PERMITTED] | caps.set[LP_INHERITABLE])
           && surely_not_root(pid);
}
