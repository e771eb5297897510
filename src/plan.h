/* A plan: the operations that lead from the credentials of a process to others, in the only
 * order that works, each predicted by the rules. */
#ifndef LP_PLAN_H
#define LP_PLAN_H

#include "creds.h"
#include "rules.h"

#pragma GCC visibility push(hidden)

#define LP_MOST_OPS 20

struct lp_plan {
    /* what it is made from */
    struct lp_creds start;
    struct lp_creds target;
    unsigned unsure; /* fields that are set even if they seem to be right */
    bool setgroups_denied;
    pid_t parent;      /* who it must still be when the death signal is armed */
    bool check_parent; /* even where the signal is armed already */
    bool alone;        /* there must be no other thread */
    const char *apparmor; /* profile and label for the next exec, or NULL */
    const char *selinux;
    bool set_ptracer;
    unsigned long ptracer;
    const void *filter; /* of seccomp(2), comes after all else; NULL: none */
    size_t instructions;
    /* what it is */
    unsigned count;
    struct lp_op op[LP_MOST_OPS];
    struct lp_refusal refusal; /* of the last operation, if it would be refused */
    struct lp_refusal filter_refusal; /* of the filter, if that would be */
    unsigned unreached;        /* the fields that it does not bring to the target */
};

void lp_make_plan(struct lp_plan *plan);

#pragma GCC visibility pop

#endif
