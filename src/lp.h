/* What Linux::Prctl knows of the kernel, in plain C: nothing here has heard of
 * Perl. Every function answers -1 with errno set when the kernel refused. */
#ifndef LP_H
#define LP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "memory.h"
#include "threads.h"

#pragma GCC visibility push(hidden)

/* ---- numbers: constants.inc, capabilities.inc and securebits.inc ---- */

enum lp_option {
#define OPTION(name, number) name = number,
#define VALUE(name, number)
#include "constants.inc"
#undef OPTION
#undef VALUE
    LP_NO_OPTION = -1
};

enum lp_value {
#define OPTION(name, number)
#define VALUE(name, number) LP_##name = number,
#include "constants.inc"
#undef OPTION
#undef VALUE
    LP_NO_VALUE
};

enum lp_cap {
#define CAP(number, name) LP_CAP_##name = number,
#include "capabilities.inc"
#undef CAP
    LP_CAPS = 64 /* the kernel's sets have 64 bits */
};

enum lp_securebit {
#define SECUREBIT(bit, name, NAME) LP_SECURE_##NAME = bit,
#define SECUREMASK(name, value)
#include "securebits.inc"
#undef SECUREBIT
#undef SECUREMASK
    LP_SECUREBITS
};

#define LP_BIT(number) ((uint64_t)1 << (number))

/* ---- names.c ---- */

/* A plain decimal number up to most: digits alone, and no zero in front, which others
 * would read in octal. */
bool lp_decimal(const char *text, size_t length, unsigned long most, unsigned long *number);

/* Is the text this word, which is in lower case, in any case? */
bool lp_same_word(const char *word, const char *text, size_t length);

/* A capability by name (in any case, with or without "cap_") or as a plain
 * decimal number from 0 to 63; -1 for anything else. */
int lp_cap_number(const char *text, size_t length);
/* Its name, or NULL for one that has none here. */
const char *lp_cap_name(unsigned cap);
/* A securebit by name (in any case, with or without "secbit_"), or -1. */
int lp_securebit_number(const char *text, size_t length);
const char *lp_securebit_name(unsigned bit);

/* ---- kernel.c: prctl(2) and its neighbours ---- */

long lp_prctl(int option, unsigned long arg2, unsigned long arg3,
              unsigned long arg4, unsigned long arg5);

/* The errno for an answer that no kernel gives, as what a seccomp filter traps or fakes:
 * something else than 0 for a change, no number where one was to be written. */
#define LP_NO_ANSWER EPROTO

/* -1, with that. */
long lp_no_answer(void);
/* What a change returned, if it is 0 or -1; or else -1, with that. */
long lp_done(long result);
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

/* Opens a file for reading, if it really is one of /proc. */
int lp_open_proc(const char *path);
/* All of a text into a file of /proc, in one call. */
int lp_write_proc(const char *path, const char *text);
/* As much of a file of /proc as there is room for, and its length: it may come in several
 * pieces. */
ssize_t lp_read_file(const char *path, char *text, size_t size);

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

/* Is this security module at work? */
bool lp_has_apparmor(void);
bool lp_has_selinux(void);

/* ---- supported.c ---- */

enum lp_supported lp_supported(const char *function, size_t length);

/* ---- sets.c: five sets of capabilities, and the securebits ---- */

enum lp_set {
    LP_EFFECTIVE, /* the first three in the order of libcap's flags */
    LP_PERMITTED,
    LP_INHERITABLE,
    LP_AMBIENT,
    LP_BOUNDING,
    LP_SECURE,
    LP_SETS
};

struct lp_caps {
    uint64_t set[3];
};

int lp_capget(struct lp_caps *caps);
/* Those of another process or thread; 0 is the caller. */
int lp_capget_of(pid_t pid, struct lp_caps *caps);
int lp_capset(const struct lp_caps *caps);

enum lp_slot { LP_REAL_ID, LP_EFFECTIVE_ID, LP_SAVED_ID, LP_FS_ID, LP_SLOTS };

/* What the getters of a user namespace answer for an id that is not mapped in it. */
#define LP_OVERFLOW_ID 65534

struct lp_groups {
    size_t count;
    gid_t *ids; /* sorted; NULL where nobody told */
};

/* The credentials of a thread, and what else decides over what it may do. */
struct lp_creds {
    uid_t uid[LP_SLOTS];
    gid_t gid[LP_SLOTS];
    struct lp_groups groups;
    struct lp_caps caps;
    uint64_t ambient;
    uint64_t bounding;
    uint64_t securebits;
    uint64_t no_new_privs;
    uint64_t pdeathsig;
};

/* The five sets and the securebits of the caller; the rest stays as it was. */
int lp_read_sets(struct lp_creds *creds);

/* Afterwards the set holds what it held of keep, and all of raise. */
struct lp_write {
    enum lp_set set;
    uint64_t keep;
    uint64_t raise;
    /* Leave nothing half done: what the kernel would refuse is predicted, and
     * what leaves permitted leaves effective with it. */
    bool whole;
};

/* One capability or securebit: 0 or 1; -1 and EINVAL if the kernel lacks it. */
int lp_bit(enum lp_set set, unsigned bit);
struct lp_answer lp_ask_bit(enum lp_set set, unsigned bit);
/* All of them. */
int lp_read(enum lp_set set, uint64_t *mask);
int lp_write(const struct lp_write *write);
/* Those of a mask that this kernel does not know. */
uint64_t lp_unknown_caps(uint64_t mask);
/* All that is in one of the three. */
uint64_t lp_any_set(const struct lp_caps *caps);
/* All three sets of the caller at once, exactly these. */
int lp_set_caps(const struct lp_caps *caps);

#pragma GCC visibility pop

#include "rules.h"
#include "why.h"

#endif
