/* Carrying out a plan: its operations are done, what came of them is verified, and after a
 * failure everything is given up that can be. */
#ifndef LP_SETPRIV_H
#define LP_SETPRIV_H

#include "look.h"
#include "plan.h"

#pragma GCC visibility push(hidden)

enum lp_stage {
    LP_DONE,
    LP_UNTOUCHED, /* it did not begin */
    LP_AT_OP,
    LP_NOT_VERIFIED,
    LP_OTHER_THREADS,
    LP_NOT_GIVEN_UP_UID, /* an id could be taken back */
    LP_NOT_GIVEN_UP_GID,
    LP_STILL_BLOCKED, /* the signals */
    LP_NO_FILTER      /* it was not installed */
};

/* What came of a plan. */
struct lp_outcome {
    enum lp_stage stage;
    int error;
    unsigned op;  /* its index */
    unsigned cap; /* which it was about, or LP_CAPS */
    unsigned long id;
    bool regained; /* it could be taken back */
    struct lp_reading reading[LP_SOURCES]; /* when it failed */
    struct lp_reading left[LP_SOURCES];    /* after everything was given up */
};

/* The whole plan, with the signals blocked; exit: end the process where it fails. Nothing in it
 * allocates: there is memory for two looks. */
enum lp_stage lp_setpriv(const struct lp_plan *plan, const struct lp_buffer buffer[2], bool exit,
                         struct lp_outcome *outcome);

/* The seccomp filter of a plan: the very last, since it may forbid all else. */
int lp_install_filter(const struct lp_plan *plan);

/* The operations and the verification alone. status: an open status file, or -1. */
enum lp_stage lp_carry_out(const struct lp_plan *plan, const struct lp_buffer *buffer, int status,
                           struct lp_outcome *outcome);

#pragma GCC visibility pop

#endif
