/* Sets of capabilities, and the credentials of a process, as values. */
#ifndef LP_CAPS_H
#define LP_CAPS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "numbers.h"

#pragma GCC visibility push(hidden)

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

#pragma GCC visibility pop

#endif
