/* To be loaded before a program: ends a process that calls a function of the C library which
 * may wait for a lock, if it was not made by the C library. Of another thread's lock, such a
 * process has a copy that nobody gives back. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static pid_t known;

static pid_t own(void)
{
    return (pid_t)syscall(SYS_getpid);
}

static void know(void)
{
    known = own();
}

__attribute__((constructor)) static void start(void)
{
    know();
    (void)pthread_atfork(NULL, NULL, know);
}

static void check(void)
{
    if (known && own() != known)
        (void)syscall(SYS_kill, own(), SIGABRT);
}

#define NEXT(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

int sigaction(int signal, const struct sigaction *wanted, struct sigaction *before)
{
    check();
    return NEXT(sigaction)(signal, wanted, before);
}

#define ID_FUNCTION(name, parameters, arguments)                                         \
    int name parameters                                                                  \
    {                                                                                    \
        check();                                                                         \
        return NEXT(name) arguments;                                                     \
    }

ID_FUNCTION(setuid, (uid_t id), (id))
ID_FUNCTION(setgid, (gid_t id), (id))
ID_FUNCTION(setresuid, (uid_t real, uid_t effective, uid_t saved), (real, effective, saved))
ID_FUNCTION(setresgid, (gid_t real, gid_t effective, gid_t saved), (real, effective, saved))
ID_FUNCTION(setgroups, (size_t count, const gid_t *ids), (count, ids))

#ifdef __GLIBC__
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *old);

void *malloc(size_t size)
{
    check();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    check();
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    check();
    return __libc_realloc(old, size);
}

void free(void *old)
{
    check();
    __libc_free(old);
}
#endif
