/* What xt/sanitizers runs under ThreadSanitizer: threads that change their capabilities, note a
 * tracer, protect the memory as spawn does, ask what is remembered, fork, and spawn. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../src/clone.h"
#include "../src/lp.h"
#include "../src/memory.h"
#include "../src/sets.h"
#include "../src/spawn.h"
#include "../src/threads.h"

#define THREADS 6

#define MUST(condition)                                                                \
    do {                                                                               \
        if (!(condition)) {                                                            \
            fprintf(stderr, "not true: %s (%s)\n", #condition, strerror(errno));       \
            abort();                                                                   \
        }                                                                              \
    } while (0)

static unsigned rounds = 300;

/* ---- what the sanitizer cannot know of a child ---- */

/* A child that shares the memory is taken for the thread that waits for it meanwhile, which is as
 * good as right: what other threads do beside it is a race or is none, whoever of the two it is.
 * But GCC's sanitizer (12) then loses count of what that thread did before, and reports writes of
 * two threads that hold the same lock. In a copy of the memory, clang's (14) often waits for ever
 * for a lock of its own, which another thread had when the copy was made. */
#ifdef __clang__
#define COPY false
#define WAY "sharing the memory"
#else
#define COPY true
#define WAY "in a copy of the memory"
#endif

/* To the sanitizer, all who share the memory share their descriptors, too. A child has its own
 * ones, of which it is told nothing. The linker puts each __wrap_ in the place of what is then
 * __real_. */
pid_t __real_lp_clone_sharing(const struct lp_beginning *begin);
pid_t __wrap_lp_clone_sharing(const struct lp_beginning *begin);
pid_t __real_lp_clone_copying(const struct lp_beginning *begin);
pid_t __wrap_lp_clone_copying(const struct lp_beginning *begin);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_close(int fd);
int __wrap_close(int fd);
ssize_t __real_read(int fd, void *bytes, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size);
int __real_fstat(int fd, struct stat *found);
int __wrap_fstat(int fd, struct stat *found);
int __real_dup2(int from, int to);
int __wrap_dup2(int from, int to);

static __thread bool in_child;

static pid_t marked(pid_t (*make)(const struct lp_beginning *), const struct lp_beginning *begin)
{
    pid_t pid;

    in_child = true;
    pid = make(begin);
    in_child = false;
    return pid;
}

pid_t __wrap_lp_clone_sharing(const struct lp_beginning *begin)
{
    return marked(__real_lp_clone_sharing, begin);
}

pid_t __wrap_lp_clone_copying(const struct lp_beginning *begin)
{
    return marked(__real_lp_clone_copying, begin);
}

int __wrap_open(const char *path, int flags, ...)
{
    mode_t mode = 0;

    if (flags & O_CREAT) {
        va_list more;

        va_start(more, flags);
        mode = va_arg(more, mode_t);
        va_end(more);
    }
    if (in_child)
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    return __real_open(path, flags, mode);
}

int __wrap_close(int fd)
{
    return in_child ? (int)syscall(SYS_close, fd) : __real_close(fd);
}

ssize_t __wrap_read(int fd, void *bytes, size_t size)
{
    return in_child ? syscall(SYS_read, fd, bytes, size) : __real_read(fd, bytes, size);
}

int __wrap_fstat(int fd, struct stat *found)
{
    return in_child ? (int)syscall(SYS_fstat, fd, found) : __real_fstat(fd, found);
}

int __wrap_dup2(int from, int to)
{
    return in_child ? (int)syscall(SYS_dup3, from, to, 0) : __real_dup2(from, to);
}

/* ---- the kinds of work ---- */

/* As spawn does around a child. */
static void protect_memory(void)
{
    MUST(lp_protect_memory(true));
    MUST(lp_ask(PR_GET_DUMPABLE, 0, 0).value == LP_SUID_DUMP_DISABLE);
    lp_release_memory();
}

static void lower_and_raise(void)
{
    const uint64_t bit = LP_BIT(LP_CAP_kill);
    uint64_t now;

    MUST(lp_write(&(struct lp_write){LP_EFFECTIVE, ~bit, 0, false}) == 0);
    MUST(lp_read(LP_EFFECTIVE, &now) == 0 && !(now & bit));
    MUST(lp_write(&(struct lp_write){LP_EFFECTIVE, ~UINT64_C(0), bit, false}) == 0);
    MUST(lp_bit(LP_EFFECTIVE, LP_CAP_kill) == 1);
}

static void ask_what_is_remembered(void)
{
    lp_forget_caps();
    MUST(lp_all_caps() & LP_BIT(LP_CAP_kill));
    MUST(lp_supported_cap(LP_CAP_chown) == LP_YES && lp_supported_cap(63) == LP_NO);
    MUST(lp_other_threads() > 0);
}

static void note_a_tracer(void)
{
    struct lp_answer answer;

    (void)lp_call(PR_SET_PTRACER, 1, 0, 0, 0); /* only Yama knows it */
    lp_note_ptracer(1);
    answer = lp_get_ptracer();
    MUST(!answer.failed && answer.value == 1);
}

static void fork_a_child(void)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(lp_supported_cap(LP_CAP_kill) == LP_YES ? 0 : 1);
    MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

#define GROUPS 64 /* more than who runs this has */

static void spawn_a_program(void)
{
    static char *argv[] = {"true", NULL}, *env[] = {NULL};
    static const char *const file[] = {"/no/such/true", "/bin/true", NULL};
    struct lp_redirection input = {.target = 0, .path = "/dev/null", .flags = O_RDONLY};
    struct lp_spawn spawn = {
        .becomes = true, .file = file, .argv = argv, .env = env, .fd = &input, .fds = 1,
        .copy = COPY,
    };
    struct lp_spawn_memory *look = lp_spawn_memory(GROUPS), *memory = lp_spawn_memory(GROUPS);
    struct lp_reading now[LP_SOURCES];
    int status = -1;
    pid_t pid;

    MUST(look && memory);
    lp_look(&look->buffer, -1, NULL, now);
    spawn.plan.start = now[LP_GETTERS].creds;
    spawn.plan.target = spawn.plan.start;
    spawn.plan.target.no_new_privs = 1;
    spawn.plan.parent = getpid();
    lp_make_plan(&spawn.plan);
    pid = lp_spawn(&spawn, memory);
    MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    lp_free_spawn_memory(memory);
    lp_free_spawn_memory(look);
}

static void (*const work[])(void) = {
    protect_memory, lower_and_raise, spawn_a_program, note_a_tracer, fork_a_child,
    ask_what_is_remembered,
};
#define WORKS (sizeof work / sizeof *work)

/* Each does all of it, and each begins elsewhere. */
static void *run(void *first)
{
    const unsigned at = *(const unsigned *)first;

    for (unsigned i = 0; i < rounds * WORKS; i++)
        work[(at + i) % WORKS]();
    return NULL;
}

int main(int count, char **words)
{
    pthread_t thread[THREADS];
    unsigned first[THREADS];

    if (count > 1)
        rounds = (unsigned)atoi(words[1]);
    for (unsigned i = 0; i < THREADS; i++) {
        first[i] = i;
        MUST(pthread_create(&thread[i], NULL, run, &first[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        MUST(pthread_join(thread[i], NULL) == 0);
    MUST(lp_ask(PR_GET_DUMPABLE, 0, 0).value == 1);
    printf("%u threads, each %u times %u kinds of work, spawn " WAY "\n", THREADS, rounds,
           (unsigned)WORKS);
    return 0;
}
