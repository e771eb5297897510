/* Why was a write refused? A look at the caller, and then the rules. */
#ifndef LP_WHY_H
#define LP_WHY_H

#include "rules.h"

#pragma GCC visibility push(hidden)

/* For a write that was just refused with this errno, which stays as it is. */
struct lp_refusal lp_why(const struct lp_write *write, int error);
struct lp_refusal lp_why_caps(const struct lp_caps *caps, int error);

#pragma GCC visibility pop

#endif
