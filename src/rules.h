/* The kernel's laws, over values: sets and ids. Those of execve(2) are in exec.h. */
#ifndef LP_RULES_H
#define LP_RULES_H

#include <stdbool.h>

#include "sets.h"

#pragma GCC visibility push(hidden)

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
    LP_SETGROUPS_DENIED,
    LP_NO_FILTER_RIGHT
};

/* Why something was refused: the rule, and the capability or securebit it met. */
struct lp_refusal {
    enum lp_rule rule;
    unsigned bit;
};

/* The first bit of a mask is met by the rule; false where there is none. */
bool lp_met(struct lp_refusal *refusal, enum lp_rule rule, uint64_t mask);

/* ---- writes to one set, and to three ---- */

/* What a write leaves of a set. */
uint64_t lp_written(const struct lp_write *write, uint64_t now);
/* What stands in the way of a write? */
struct lp_refusal lp_explain(const struct lp_creds *now, const struct lp_write *write);
/* Of one capset(2) of all three? */
struct lp_refusal lp_explain_caps(const struct lp_creds *now, const struct lp_caps *caps);
/* Does the kernel ask for setpcap, though nothing would change? */
bool lp_idle_without_setpcap(const struct lp_creds *now, const struct lp_write *write);

/* ---- the operations that change credentials, or what goes with them ---- */

enum lp_op_code {
    LP_OP_APPARMOR,
    LP_OP_SELINUX,
    LP_OP_CAPSET,
    LP_OP_KEEPCAPS,
    LP_OP_SETGROUPS,
    LP_OP_SETRESGID,
    LP_OP_SECUREBITS,
    LP_OP_BOUNDING,
    LP_OP_SETRESUID,
    LP_OP_AMBIENT_LOWER,
    LP_OP_AMBIENT_RAISE,
    LP_OP_NO_NEW_PRIVS,
    LP_OP_PDEATHSIG,
    LP_OP_PTRACER
};

struct lp_op {
    unsigned step; /* as the manual counts them */
    enum lp_op_code code;
    struct lp_caps caps; /* of capset */
    uint64_t value;      /* of the others: bits, or a number */
};

/* One operation: what refuses it, and the credentials that it leads to. Ids and groups
 * become those of target. */
struct lp_refusal lp_predict(const struct lp_op *op, const struct lp_creds *target,
                             bool setgroups_denied, struct lp_creds *creds);

/* ---- what belongs together ---- */

bool lp_root_in_slot(const uid_t uid[LP_SLOTS]);
/* Do the laws of uid 0 change the sets when the ids go from one to the other? */
bool lp_sets_follow_uid(const struct lp_creds *creds, const uid_t after[LP_SLOTS]);
/* May a seccomp filter be installed? */
struct lp_refusal lp_explain_filter(const struct lp_creds *creds);

/* What keeps wanted sets from being reached from those that are there now: the field, the
 * field that it depends on (before: its value now), and the capabilities. */
struct lp_conflict {
    uint64_t caps; /* 0: none */
    unsigned field;
    unsigned within;
    bool before;
};

struct lp_conflict lp_conflict_of(const struct lp_creds *now, const struct lp_creds *wanted);

#pragma GCC visibility pop

#endif
