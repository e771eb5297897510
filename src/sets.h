/* The caller's five sets of capabilities and its securebits: reading and changing them. */
#ifndef LP_SETS_H
#define LP_SETS_H

#include <stdbool.h>
#include <stdint.h>

#include "caps.h"
#include "kernel.h"

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
int lp_bit(enum lp_set set, unsigned bit);
struct lp_answer lp_ask_bit(enum lp_set set, unsigned bit);
/* All of them. */
int lp_read(enum lp_set set, uint64_t *mask);
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
