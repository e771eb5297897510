/* What Linux::Prctl knows of the kernel, in plain C: nothing here has heard of
 * Perl. Every function answers -1 with errno set when the kernel refused. */
#ifndef LP_H
#define LP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "memory.h"

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

/* As much of a file as there is room for, and its length: one under /proc may come in
 * several pieces. */
ssize_t lp_read_file(const char *path, char *text, size_t size);

long lp_set_mce_kill(unsigned long policy);
long lp_set_pdeathsig(unsigned long signal, pid_t parent);
long lp_setfsuid(uid_t uid);
long lp_setfsgid(gid_t gid);
uid_t lp_getfsuid(void);
gid_t lp_getfsgid(void);

/* How many threads the process has beside this one, 0 where nobody can tell. */
unsigned lp_other_threads(void);
/* The same asked of the kernel, also where the C library is sure of the answer:
 * it does not see a thread that was made without it. */
unsigned lp_count_other_threads(void);

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

/* A thread's credentials as far as the rules of capabilities(7) ask for them. */
struct lp_creds {
    struct lp_caps caps;
    uint64_t ambient;
    uint64_t bounding;
    uint64_t securebits;
};

int lp_snapshot(struct lp_creds *creds);

/* Afterwards the set holds what it held of keep, and all of raise. */
struct lp_write {
    enum lp_set set;
    uint64_t keep;
    uint64_t raise;
    /* Leave nothing half done: what the kernel would refuse is foreseen, and
     * what leaves permitted leaves effective with it. */
    bool whole;
};

enum lp_rule {
    LP_NO_RULE,
    LP_NOT_PERMITTED,
    LP_NOT_INHERITABLE,
    LP_NOT_BOUNDED,
    LP_BEYOND_PERMITTED, /* into inheritable, without setpcap */
    LP_STILL_EFFECTIVE,
    LP_NO_SETPCAP,
    LP_NO_SETFCAP,
    LP_NO_AMBIENT_RAISE,
    LP_LOCKED,
    LP_ONLY_LOWERED,
    LP_UNKNOWN_BIT,
    LP_UNKNOWN_CAP,
    LP_NO_SETUID,
    LP_NO_SETGID,
    LP_SETGROUPS_DENIED
};

/* Why a write was refused: the rule, and the capability or securebit it met. */
struct lp_refusal {
    enum lp_rule rule;
    unsigned bit;
};

/* One capability or securebit: 0 or 1; -1 and EINVAL if the kernel lacks it. */
int lp_bit(enum lp_set set, unsigned bit);
struct lp_answer lp_ask_bit(enum lp_set set, unsigned bit);
/* All of them. */
int lp_read(enum lp_set set, uint64_t *mask);
int lp_write(const struct lp_write *write);
/* All three sets of the caller at once, exactly these. */
int lp_set_caps(const struct lp_caps *caps);
/* The kernel's rules, over a snapshot: what stands in the way of a write? */
struct lp_refusal lp_explain(const struct lp_creds *now, const struct lp_write *write);
/* The same for a write that was just refused with this errno. */
struct lp_refusal lp_why(const struct lp_write *write, int error);
struct lp_refusal lp_why_caps(const struct lp_caps *caps, int error);

#pragma GCC visibility pop

#endif
