/* Starting a program in a child that first becomes what a plan says. The child shares the
 * memory of its parent until it executes, so that it costs the same in a large process as in a
 * small one: nothing in it allocates, or changes what the parent remembers. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH */
#endif
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clone.h"

/* ---- memory ---- */

/* AddressSanitizer still knows the frames of a former child that had its stack here, and never
 * returned from them. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(begin, size) ((void)(begin), (void)(size))
#endif

#define STACK_BYTES 65536 /* a look at the process needs a tenth of it */

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* What both see, then the ids and the text of looks; a page that nobody may touch, and the
 * stack above it. Shared, since the child may have a copy of everything else, also where it was
 * to have none: valgrind makes one. */
struct lp_spawn_memory *lp_spawn_memory(size_t groups)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t text = lp_status_size(groups);
    const size_t ids = LP_SOURCES * groups * sizeof(gid_t);
    const size_t guard = round_up(sizeof(struct lp_spawn_memory) + ids + text, page);
    const size_t stack = round_up(STACK_BYTES, page);
    const size_t size = guard + page + stack;
    char *begin = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct lp_spawn_memory *memory;
    gid_t *id;

    if (begin == MAP_FAILED)
        return NULL;
    if (mprotect(begin + guard, page, PROT_NONE) != 0) {
        (void)munmap(begin, size); /* just made: it is there */
        return NULL;
    }
    ASAN_UNPOISON_MEMORY_REGION(begin, size);
    memory = (void *)begin;
    id = (gid_t *)(void *)(begin + sizeof *memory);
    memory->size = size;
    memory->stack = begin + guard + page;
    memory->stack_size = stack;
    memory->buffer.groups = groups;
    for (int source = 0; source < LP_SOURCES; source++, id += groups)
        memory->buffer.ids[source] = id;
    memory->buffer.text = (char *)id;
    memory->buffer.size = text;
    return memory;
}

void lp_free_spawn_memory(struct lp_spawn_memory *memory)
{
    (void)munmap(memory, memory->size); /* it is there */
}

/* ---- signals ---- */

/* By system call: the C library never blocks the signals that it uses itself. */
#ifdef __mips__
#define KERNEL_SIGSET_BYTES 16
#else
#define KERNEL_SIGSET_BYTES 8
#endif

/* What only pretends to work leaves this here. */
#define UNTOUCHED 0x5a

/* A mask that was seen to be set. KILL and STOP cannot be blocked. */
static int set_mask(const sigset_t *mask, sigset_t *before)
{
    sigset_t wanted = *mask, now;

    memset(&now, UNTOUCHED, sizeof now);
    (void)sigdelset(&wanted, SIGKILL); /* fails for a bad number only */
    (void)sigdelset(&wanted, SIGSTOP);
    if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &wanted, before, KERNEL_SIGSET_BYTES) == -1
        || syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &now, KERNEL_SIGSET_BYTES) == -1)
        return -1;
    if (memcmp(&wanted, &now, KERNEL_SIGSET_BYTES) == 0)
        return 0;
    errno = ENOTRECOVERABLE;
    return -1;
}

static int block_signals(sigset_t *before)
{
    sigset_t all;

    memset(&all, 0xff, sizeof all);
    memset(before, 0, sizeof *before);
    return set_mask(&all, before);
}

/* ---- what a child works with ---- */

struct child {
    struct lp_spawn *spawn;
    struct lp_spawn_memory *memory;
    const sigset_t *mask; /* of the parent */
    int lock;   /* a descriptor, if it shares the memory and becomes someone else, or -1 */
    int status; /* its own status file, or -1 */
};

/* A step that only seems to have worked is a failure too. */
static int must(bool done)
{
    if (done)
        return 0;
    errno = ENOTRECOVERABLE;
    return -1;
}

static int must_answer_0(long answer)
{
    return answer == -1 ? -1 : must(answer == 0);
}

/* ---- the steps of a child: 0, or -1, errno, and of what there are several, which ---- */

/* Until exec, or the end, closes the descriptor: by then the child is out of the memory. Nothing
 * else may close one of that file before. */
static int hold_lock(struct child *child, unsigned *index)
{
    const struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    (void)index;
    return child->lock >= 0 ? must_answer_0(fcntl(child->lock, F_SETLK, &lock)) : 0;
}

static bool has_bit(uint64_t bits, int bit)
{
    return bit < 64 && bits >> bit & 1;
}

/* As the kernel has it: the handler, and more behind it. All zeros stand for the default. */
struct kernel_action {
#ifdef __mips__
    unsigned flags;
#endif
    void (*handler)(int);
    unsigned long more[8];
};

/* By system call: the C library takes a lock for SIGABRT (glibc since 2.42, and musl), which
 * another thread may have had when the memory was copied. */
static int kernel_sigaction(int signal, const struct kernel_action *wanted,
                            struct kernel_action *before)
{
#ifdef __sparc__
    return (int)syscall(SYS_rt_sigaction, signal, wanted, before, NULL, KERNEL_SIGSET_BYTES);
#else
    return (int)syscall(SYS_rt_sigaction, signal, wanted, before, KERNEL_SIGSET_BYTES, NULL);
#endif
}

/* No handler of the parent runs here: it would change the parent's memory. */
static int default_signal(int signal, bool ignored_too)
{
    const struct kernel_action by_default = {.handler = SIG_DFL};
    struct kernel_action now = {.handler = SIG_ERR};

    if (kernel_sigaction(signal, NULL, &now) != 0)
        return -1;
    if (now.handler == SIG_DFL || (now.handler == SIG_IGN && !ignored_too))
        return 0;
    if (kernel_sigaction(signal, &by_default, NULL) != 0
        || kernel_sigaction(signal, NULL, &now) != 0)
        return -1;
    return must(now.handler == SIG_DFL);
}

static int default_signals(struct child *child, unsigned *index)
{
    for (int signal = 1; signal < 8 * KERNEL_SIGSET_BYTES + 1; signal++) {
        *index = (unsigned)signal;
        if (default_signal(signal, has_bit(child->spawn->defaults, signal)) != 0)
            return -1;
    }
    return 0;
}

/* Where the memory is shared, the parent has done it; and a change of ids may leave another
 * value (fs.suid_dumpable). A core dump would read the memory, and before Linux 5.16 end all who
 * share it. */
static int protect(struct child *child, unsigned *index)
{
    struct lp_answer now;

    (void)index;
    if (!child->spawn->becomes)
        return 0;
    if (must_answer_0(lp_prctl(PR_SET_DUMPABLE, LP_SUID_DUMP_DISABLE, 0, 0, 0)) != 0)
        return -1;
    now = lp_ask(PR_GET_DUMPABLE, 0, 0);
    return now.failed ? -1 : must(now.value == LP_SUID_DUMP_DISABLE);
}

/* An old C library remembers that of the parent. */
static pid_t own_pid(void)
{
    return (pid_t)syscall(SYS_getpid);
}

static int new_session(struct child *child, unsigned *index)
{
    pid_t session;

    (void)index;
    if (!child->spawn->new_session)
        return 0;
    session = setsid();
    return session == -1 ? -1 : must(session == own_pid());
}

static int set_group(struct child *child, unsigned *index)
{
    const pid_t group = child->spawn->group;

    (void)index;
    if (!child->spawn->sets_group)
        return 0;
    if (setpgid(0, group) != 0)
        return -1;
    return must(getpgrp() == (group ? group : own_pid()));
}

static int set_umask(struct child *child, unsigned *index)
{
    (void)index;
    if (!child->spawn->sets_umask)
        return 0;
    (void)umask(child->spawn->umask); /* the former one */
    return must(umask(child->spawn->umask) == child->spawn->umask);
}

/* ---- descriptors ---- */

static bool is_target(const struct lp_spawn *spawn, int fd)
{
    for (unsigned i = 0; i < spawn->fds; i++)
        if (spawn->fd[i].target == fd)
            return true;
    return fd < 3;
}

/* A copy of a descriptor that is in nothing's way. */
static int outside(const struct lp_spawn *spawn, int fd)
{
    for (int least = 3;;) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, least);

        if (copy == -1 || copy < least)
            return copy == -1 ? -1 : must(false);
        if (!is_target(spawn, copy))
            return copy;
        (void)close(copy); /* just made: nothing was written to it */
        least = copy + 1;
    }
}

/* Opened before the root directory changes, and while there are descriptors. */
static int open_status(struct child *child, unsigned *index)
{
    int status;

    (void)index;
    if (!child->spawn->becomes)
        return 0;
    status = lp_open_status();
    if (status < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -1 : 0;
    child->status = is_target(child->spawn, status) ? outside(child->spawn, status) : status;
    return child->status < 0 ? -1 : 0;
}

static bool same_file(const struct stat *one, const struct stat *other)
{
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

static int same_descriptors(int one, int other)
{
    struct stat here, there;

    if (lp_fstat(one, &here) != 0 || lp_fstat(other, &there) != 0)
        return -1;
    return must(same_file(&here, &there));
}

#define CREATED 0666 /* as far as the umask lets it */

/* Without waiting for the other end of a fifo: all signals are blocked here, and the parent
 * waits. The program gets a descriptor that waits. */
static int open_path(const struct lp_redirection *fd)
{
    int source = open(fd->path, fd->flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, CREATED);
    int flags = source < 0 ? -1 : fcntl(source, F_GETFL);

    if (flags == -1)
        return -1;
    if (must_answer_0(fcntl(source, F_SETFL, flags & ~O_NONBLOCK)) != 0)
        return -1;
    flags = fcntl(source, F_GETFL);
    return flags == -1 || must(!(flags & O_NONBLOCK)) != 0 ? -1 : source;
}

/* The descriptor itself, or a copy of it where something else will be. */
static int find_source(const struct lp_spawn *spawn, struct lp_redirection *fd)
{
    if (fd->path)
        fd->source = open_path(fd);
    if (fd->source < 0)
        return -1;
    if (is_target(spawn, fd->source) && (fd->path || fd->source != fd->target))
        fd->source = outside(spawn, fd->source);
    return fd->source < 0 ? -1 : 0;
}

static int put_in_place(const struct lp_redirection *fd)
{
    int found;

    if (fd->source == fd->target) {
        if (fcntl(fd->target, F_SETFD, 0) != 0)
            return -1;
        return must_answer_0(fcntl(fd->target, F_GETFD));
    }
    found = dup2(fd->source, fd->target);
    if (found == -1)
        return -1;
    return found == fd->target ? same_descriptors(fd->source, found) : must(false);
}

static int arrange_fds(struct child *child, unsigned *index)
{
    struct lp_spawn *spawn = child->spawn;

    for (*index = 0; *index < spawn->fds; ++*index)
        if (find_source(spawn, &spawn->fd[*index]) != 0)
            return -1;
    for (*index = 0; *index < spawn->fds; ++*index)
        if (put_in_place(&spawn->fd[*index]) != 0)
            return -1;
    return 0;
}

#ifndef SYS_close_range
#ifdef __alpha__
#define SYS_close_range 546
#else
#define SYS_close_range 436 /* Linux 5.9 */
#endif
#endif

static bool is_kept(const struct child *child, int fd)
{
    return is_target(child->spawn, fd) || fd == child->status || fd == child->lock;
}

/* The next descriptor from here on that is kept, or INT_MAX. */
static int next_kept(const struct child *child, int from)
{
    int next = INT_MAX;

    for (unsigned i = 0; i < child->spawn->fds; i++) {
        const int target = child->spawn->fd[i].target;

        if (target >= from && target < next)
            next = target;
    }
    if (child->status >= from && child->status < next)
        next = child->status;
    if (child->lock >= from && child->lock < next)
        next = child->lock;
    return next;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static int open_root(void)
{
    return open("/", O_PATH | O_CLOEXEC);
}

/* What is open in a range: one that is known, or a new one; or, where there is no room for a new
 * one, the first of all that are taken. */
static int open_in(const struct child *child, int one, int first, int last)
{
    int root, copy;

    if (one >= first && one <= last)
        return one;
    root = open_root();
    copy = root < 0 ? -1 : fcntl(root, F_DUPFD_CLOEXEC, first);
    if (root != copy && !is_kept(child, root))
        (void)close(root); /* just made, if anything: nothing was written to it */
    return copy >= first && copy <= last ? copy : first; /* a copy elsewhere ends with exec */
}

/* Each range, and looks whether that was done. */
static int close_ranges(const struct child *child, int one)
{
    for (int first = 3;;) {
        const int kept = next_kept(child, first);

        if (kept > first) {
            const int open = open_in(child, one, first, kept - 1);

            if (syscall(SYS_close_range, first, kept == INT_MAX ? ~0U : (unsigned)kept - 1, 0) != 0
                || is_open(open))
                return -1;
        }
        if (kept == INT_MAX)
            return 0;
        first = kept + 1;
    }
}

static int close_one(int fd)
{
    (void)close(fd); /* the parent still has what it stands for */
    return must(!is_open(fd));
}

/* By the list of those that are open. */
static int close_listed(const struct child *child, int one)
{
    int list = lp_open_proc("/proc/self/fd");
    union {
        struct lp_entry entry;
        char bytes[2048];
    } found;
    ssize_t bytes;
    bool all = true;

    (void)one;
    if (list < 0)
        return -1;
    while ((bytes = lp_getdents(list, &found, sizeof found)) > 0) {
        for (ssize_t at = 0; at < bytes;) {
            const struct lp_entry *entry = (const void *)(found.bytes + at);
            unsigned long fd;

            if (lp_decimal(entry->name, strlen(entry->name), INT_MAX, &fd) && (int)fd != list
                && !is_kept(child, (int)fd))
                all = close_one((int)fd) == 0 && all;
            at += entry->length;
        }
    }
    (void)close(list); /* it was only read */
    return bytes == 0 && all ? 0 : -1;
}

#define MOST_FDS 1048576UL /* fs.nr_open, where nobody has raised it */

/* One after the other, up to the limit. */
static int close_each(const struct child *child, int one)
{
    struct rlimit limit;
    unsigned long most = MOST_FDS;

    (void)one;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max > most
        && limit.rlim_max < INT_MAX)
        most = limit.rlim_max;
    for (int fd = 3; (unsigned long)fd < most; fd++)
        if (!is_kept(child, fd) && close_one(fd) != 0)
            return -1;
    return 0;
}

/* All that are neither named nor kept; and that is tried with one that is known to be open. */
static int close_others(struct child *child, unsigned *index)
{
    static int (*const ways[])(const struct child *, int) = {close_ranges, close_listed,
                                                             close_each};

    (void)index;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        int one = open_root();

        if (one >= 0 && is_kept(child, one)) /* nothing was there: exec closes it */
            one = fcntl(one, F_DUPFD_CLOEXEC, 3);
        if (ways[i](child, one) == 0 && (one < 0 || !is_open(one)))
            return 0;
    }
    return must(false);
}

/* ---- limits ---- */

static int set_limits(struct child *child, unsigned *index)
{
    const struct lp_spawn *spawn = child->spawn;

    for (*index = 0; *index < spawn->limits; ++*index) {
        const struct lp_limit *wanted = &spawn->limit[*index];
        const uint64_t pair[2] = {wanted->soft, wanted->hard};
        uint64_t now[2] = {~wanted->soft, ~wanted->hard};

        if (syscall(SYS_prlimit64, 0, wanted->resource, pair, NULL) == -1
            || syscall(SYS_prlimit64, 0, wanted->resource, NULL, now) == -1)
            return -1;
        if (memcmp(pair, now, sizeof now) != 0)
            return must(false);
    }
    return 0;
}

static int set_nice(struct child *child, unsigned *index)
{
    (void)index;
    if (!child->spawn->sets_nice)
        return 0;
    if (setpriority(PRIO_PROCESS, 0, child->spawn->nice) != 0)
        return -1;
    errno = 0;
    return must(getpriority(PRIO_PROCESS, 0) == child->spawn->nice && errno == 0);
}

/* ---- directories ---- */

/* Is that directory here? */
static int is_here(int directory, const char *path)
{
    struct stat wanted, here;

    if (lp_fstat(directory, &wanted) != 0 || lp_fstatat(AT_FDCWD, path, &here, 0) != 0)
        return -1;
    return must(same_file(&wanted, &here));
}

static int go_to(const char *path)
{
    int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (directory < 0 || must_answer_0(fchdir(directory)) != 0 || is_here(directory, ".") != 0)
        return -1;
    return directory;
}

/* The working directory is the new root: else it would lie outside. */
static int change_root(struct child *child, unsigned *index)
{
    int root;

    (void)index;
    if (!child->spawn->root)
        return 0;
    root = go_to(child->spawn->root);
    if (root < 0 || must_answer_0(chroot(".")) != 0)
        return -1;
    return is_here(root, "/");
}

/* By whom the program will be: who may not enter it shall not stand in it. */
static int change_directory(struct child *child, unsigned *index)
{
    (void)index;
    return child->spawn->directory && go_to(child->spawn->directory) < 0 ? -1 : 0;
}

/* ---- credentials ---- */

static int become(struct child *child, unsigned *index)
{
    struct lp_spawned *spawned = &child->memory->spawned;
    struct lp_plan *plan = &child->spawn->plan;

    (void)index;
    if (!child->spawn->becomes)
        return 0;
    if (getppid() == 0) /* the parent is outside of this pid namespace */
        plan->parent = 0;
    if (lp_carry_out(plan, &child->memory->buffer, child->status, &spawned->outcome) == LP_DONE)
        return 0;
    errno = spawned->outcome.error;
    return -1;
}

/* ---- the end of a child ---- */

static int restore_mask(struct child *child, unsigned *index)
{
    (void)index;
    return set_mask(child->mask, NULL);
}

/* The very last, since it may forbid all else. */
static int install_filter(struct child *child, unsigned *index)
{
    (void)index;
    return child->spawn->plan.filter ? lp_install_filter(&child->spawn->plan) : 0;
}

/* Is that a reason to look on, along PATH? */
static bool is_elsewhere(int error)
{
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == ESTALE
           || error == ENODEV || error == ETIMEDOUT;
}

/* As execvp(3) does, but that it starts no shell: a file that may not be executed counts more
 * than those that are not there. */
static int execute(struct child *child, unsigned *index)
{
    const struct lp_spawn *spawn = child->spawn;
    int error = ENOENT;

    for (unsigned i = 0; spawn->file[i]; i++) {
        if (execve(spawn->file[i], spawn->argv, spawn->env) != -1)
            errno = ENOTRECOVERABLE;
        if (i == 0 || error != EACCES || !is_elsewhere(errno)) {
            error = errno;
            *index = i;
        }
        if (!is_elsewhere(errno))
            break;
    }
    errno = error;
    return -1;
}

static const struct {
    enum lp_spawn_stage stage;
    int (*take)(struct child *child, unsigned *index);
} steps[] = {
    {LP_SPAWN_LOCK, hold_lock},
    {LP_SPAWN_SIGNALS, default_signals},
    {LP_SPAWN_DUMPABLE, protect},
    {LP_SPAWN_SESSION, new_session},
    {LP_SPAWN_GROUP, set_group},
    {LP_SPAWN_UMASK, set_umask},
    {LP_SPAWN_STATUS, open_status},
    {LP_SPAWN_FD, arrange_fds},
    {LP_SPAWN_CLOSE, close_others},
    {LP_SPAWN_LIMIT, set_limits},
    {LP_SPAWN_NICE, set_nice},
    {LP_SPAWN_ROOT, change_root},
    {LP_SPAWN_CREDENTIALS, become},
    {LP_SPAWN_DUMPABLE, protect},
    {LP_SPAWN_DIRECTORY, change_directory},
    {LP_SPAWN_MASK, restore_mask},
    {LP_SPAWN_FILTER, install_filter},
    {LP_SPAWN_EXEC, execute},
};

/* Here begins the child. */
static int run(void *argument) __attribute__((noreturn));
static int run(void *argument)
{
    struct child *child = argument;
    struct lp_spawned *spawned = &child->memory->spawned;

    spawned->stage = LP_SPAWN_BEGUN;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        unsigned index = 0;

        if (steps[i].take(child, &index) != 0) {
            spawned->error = errno;
            spawned->index = index;
            spawned->stage = steps[i].stage;
            break;
        }
    }
    _exit(127); /* no handler of the parent's for the end of a process */
}

/* ---- the parent ---- */

/* Only a file in memory has seals. */
static bool is_in_memory(int file)
{
    return fcntl(file, F_GETFD) == FD_CLOEXEC && fcntl(file, F_GET_SEALS) > 0;
}

/* A file that nobody else has, with a descriptor that is in nothing's way. */
static int make_lock(const struct lp_spawn *spawn)
{
#if defined(SYS_memfd_create) && defined(F_GET_SEALS)
    int file = (int)syscall(SYS_memfd_create, "spawn", 1U /* MFD_CLOEXEC */);
    int lock = file;

    if (file < 0 || !is_in_memory(file)) /* it was only said that there is one */
        return -1;
    if (is_target(spawn, file)) {
        lock = outside(spawn, file);
        (void)close(file); /* nothing was written */
    }
    return lock;
#else
    (void)spawn;
    return -1;
#endif
}

/* The parent goes on as soon as the child begins to leave the memory, and that may be a while
 * before it has left: as long as it has not, the flag must stay off. Where a filter refuses
 * even to wait, it stays off for good. */
static bool has_left(int lock)
{
    const struct flock wanted = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const bool left = fcntl(lock, F_SETLKW, &wanted) == 0; /* the signals are blocked */

    (void)close(lock); /* nothing was written */
    return left;
}

/* -1: try the other way. Who does not become someone else is in nobody's reach who could not
 * reach the parent: there, the flag is for core dumps, and a child that leaves makes none. */
static pid_t start_sharing(struct child *child, const struct lp_beginning *begin)
{
    const bool becomes = child->spawn->becomes;
    const int lock = becomes ? make_lock(child->spawn) : -1;
    pid_t pid = -1;

    if (becomes && lock < 0)
        return -1;
    if (lp_protect_memory(becomes)) {
        child->lock = lock;
        pid = lp_clone_sharing(begin);
        child->lock = -1;
        if (lock < 0 || has_left(lock))
            lp_release_memory();
    } else if (lock >= 0)
        (void)close(lock); /* nothing was written */
    return pid;
}

/* ---- what became of the child ---- */

#define PAUSE_NS 50000L
#define MOST_PAUSES 2000 /* where wait4(2) alone tells: a tenth of a second and more */

enum end { STILL_THERE, EXECUTED, ENDED, UNTOLD };

/* As wait(2) has it. */
static int status_of(const siginfo_t *info)
{
    return info->si_code == CLD_EXITED ? (info->si_status & 0xff) << 8 : info->si_status & 0x7f;
}

/* Who has executed is no longer waited for with __WCLONE. The kernel writes whom it found, or
 * that there was nobody: what was not written is no answer. */
static enum end ask_waitid(pid_t pid, int flags, int *status)
{
    siginfo_t info = {.si_pid = -1};

    if (syscall(SYS_waitid, P_PID, pid, &info, WEXITED | __WCLONE | flags, NULL) == -1)
        return errno == ECHILD ? EXECUTED : UNTOLD;
    if (info.si_pid == pid)
        *status = status_of(&info);
    return info.si_pid == pid ? ENDED : info.si_pid == 0 && flags ? STILL_THERE : UNTOLD;
}

/* Where a filter keeps the other one back. */
static enum end ask_wait4(pid_t pid, int flags, int *status)
{
    int found = -1;
    const long answer = syscall(SYS_wait4, pid, &found, __WCLONE | flags, NULL);

    if (answer == -1)
        return errno == ECHILD ? EXECUTED : UNTOLD;
    if (answer == pid && found != -1)
        *status = found;
    return answer == pid && found != -1 ? ENDED : answer == 0 && flags ? STILL_THERE : UNTOLD;
}

/* Until the child has executed, or ended: then it is gone, and this is its status. */
static enum end wait_for(pid_t pid, const struct lp_spawned *spawned, int *status)
{
    const struct timespec pause = {0, PAUSE_NS};

    for (int pauses = 0; pauses < MOST_PAUSES;) {
        const int flags = spawned->stage > LP_SPAWN_BEGUN ? 0 : WNOHANG;
        enum end end = ask_waitid(pid, flags, status);

        if (end == UNTOLD) {
            end = ask_wait4(pid, flags, status);
            pauses++;
        }
        if (end != STILL_THERE)
            return end;
        (void)nanosleep(&pause, NULL); /* the signals are blocked */
    }
    return UNTOLD;
}

static pid_t start(struct child *child)
{
    struct lp_spawned *spawned = &child->memory->spawned;
    const struct lp_beginning begin = {
        .code = run, .argument = child,
        .stack = child->memory->stack, .stack_size = child->memory->stack_size,
    };
    pid_t pid = child->spawn->copy ? -1 : start_sharing(child, &begin);
    enum end end;

    if (pid == -1)
        pid = lp_clone_copying(&begin);
    if (pid == -1) {
        spawned->error = errno;
        return -1;
    }
    end = wait_for(pid, spawned, &spawned->status);
    if (end == EXECUTED && spawned->stage == LP_SPAWN_BEGUN) {
        spawned->stage = LP_SPAWN_DONE;
        return pid;
    }
    if (end == UNTOLD)
        (void)kill(pid, SIGKILL); /* a program that may be there must not stay */
    if (end == UNTOLD && spawned->stage <= LP_SPAWN_BEGUN) {
        spawned->stage = LP_SPAWN_WAIT;
        spawned->error = ENOTRECOVERABLE;
    } else if (spawned->stage <= LP_SPAWN_BEGUN) {
        spawned->stage = LP_SPAWN_KILLED;
        spawned->error = ECANCELED;
    }
    return -1;
}

pid_t lp_spawn(struct lp_spawn *spawn, struct lp_spawn_memory *memory)
{
    sigset_t mask;
    struct child child = {
        .spawn = spawn, .memory = memory, .mask = &mask, .lock = -1, .status = -1,
    };
    struct lp_spawned *spawned = &memory->spawned;
    int cancelled;
    pid_t pid = -1;

    memset(spawned, 0, sizeof *spawned);
    spawned->outcome.cap = LP_CAPS;
    if (block_signals(&mask) != 0) {
        spawned->error = errno;
        return -1;
    }
    /* A child that is asked to end as a thread would run the parent's handlers for that. */
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelled);
    pid = start(&child);
    (void)pthread_setcancelstate(cancelled, NULL);
    (void)set_mask(&mask, NULL);
    return pid;
}
