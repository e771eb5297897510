/* The caller's five sets of capabilities and its securebits: reading and changing them. */
#ifndef LP_SETS_H
#define LP_SETS_H

#include <stdbool.h>
#include <stdint.h>

#include "caps.h"
#include "kernel.h"
#include "memory.h"

#pragma GCC visibility push(hidden)

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
LP_INLINE int lp_bit(enum lp_set set, unsigned bit)
{
    struct lp_caps caps;
    long bits;

    switch (set) {
    case LP_AMBIENT:
        return lp_ask_bit_of(PR_CAP_AMBIENT, LP_PR_CAP_AMBIENT_IS_SET, bit);
    case LP_BOUNDING:
        return lp_ask_bit_of(PR_CAPBSET_READ, bit, 0);
    case LP_SECURE:
        bits = lp_prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
        return bits == -1 ? -1 : (int)(bits >> bit & 1);
    default:
        if (lp_capget(&caps) != 0)
            return -1;
        if (caps.set[set] & LP_BIT(bit))
            return 1;
        if (lp_knows(bit))
            return 0;
        errno = EINVAL;
        return -1;
    }
}

struct lp_answer lp_ask_bit(enum lp_set set, unsigned bit);

/* Ambient and bounding, which the kernel tells one by one. */
int lp_read_each(enum lp_set set, uint64_t *mask);
/* All of a set. */
LP_INLINE int lp_read(enum lp_set set, uint64_t *mask)
{
    struct lp_caps caps;
    long bits;

    switch (set) {
    case LP_AMBIENT:
    case LP_BOUNDING:
        return lp_read_each(set, mask);
    case LP_SECURE:
        bits = lp_prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
        *mask = (uint64_t)bits;
        return bits == -1 ? -1 : 0;
    default:
        if (lp_capget(&caps) != 0)
            return -1;
        *mask = caps.set[set];
        return 0;
    }
}

int lp_write(const struct lp_write *write);
/* Those of a mask that this kernel does not know. */
uint64_t lp_unknown_caps(uint64_t mask);
/* All that it knows. */
uint64_t lp_all_caps(void);
/* All that is in one of the three. */
uint64_t lp_any_set(const struct lp_caps *caps);
/* All three sets of the caller at once, exactly these. */
int lp_set_caps(const struct lp_caps *caps);

#pragma GCC visibility pop

#endif
