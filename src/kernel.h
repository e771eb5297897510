/* prctl(2), capget(2), capset(2) and the other system calls, each at one place. Every function
 * answers -1 with errno set when the kernel refused. */
#ifndef LP_KERNEL_H
#define LP_KERNEL_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "caps.h"

#pragma GCC visibility push(hidden)

/* The system call itself: glibc's prctl() returns an int, and takes what it was not given from
 * wherever a register was left. Here, because it is what most functions come down to. */
static inline long lp_prctl(int option, unsigned long arg2, unsigned long arg3,
                            unsigned long arg4, unsigned long arg5)
{
    return syscall(SYS_prctl, (unsigned long)option, arg2, arg3, arg4, arg5);
}

/* The errno for an answer that no kernel gives, as what a seccomp filter traps or fakes:
 * something else than 0 for a change, no number where one was to be written. */
#define LP_NO_ANSWER EPROTO

/* -1, with that. */
long lp_no_answer(void);
/* What a change returned, if it is 0 or -1; or else -1, with that. */
static inline long lp_done(long result)
{
    return result == 0 || result == -1 ? result : lp_no_answer();
}
long lp_change(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
               unsigned long arg5);
/* A question about a bit: 0, 1 or -1. */
int lp_ask_bit_of(int option, unsigned long arg2, unsigned long arg3);

#define LP_NAME_BYTES 16
int lp_get_name(char name[LP_NAME_BYTES]);

/* The answer to a question: a value, or failed and errno. */
struct lp_answer {
    bool failed;
    uint64_t value;
};

/* The three ways in which prctl(2) answers: as its return value, in an int, in
 * an unsigned long. */
struct lp_answer lp_ask(int option, unsigned long arg2, unsigned long arg3);
struct lp_answer lp_ask_int(int option);
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

int lp_capget(struct lp_caps *caps);
/* Those of another process or thread; 0 is the caller. */
int lp_capget_of(pid_t pid, struct lp_caps *caps);
int lp_capset(const struct lp_caps *caps);

/* Does the process surely have neither a capability nor uid 0 in any slot? Two system calls
 * and a descriptor, which take a tenth of a status file's time; no, where they cannot tell:
 * the uids are told since Linux 6.13. The number is one of our pid namespace. */
bool lp_surely_has_nothing(pid_t pid);

#pragma GCC visibility pop

#endif
