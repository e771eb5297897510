/* Why was a write refused? A look at the caller, and then the rules. */
#include "why.h"

#include "sets.h"

#include <errno.h>

struct lp_refusal lp_why(const struct lp_write *write, int error)
{
    struct lp_refusal refusal = {LP_NO_RULE, 0};
    struct lp_creds now;

    if (error == EINVAL && write->set != LP_SECURE)
        (void)lp_met(&refusal, LP_UNKNOWN_CAP, lp_unknown_caps(write->raise | ~write->keep));
    else if (error == EPERM && lp_read_sets(&now) == 0) {
        refusal = lp_explain(&now, write);
        if (refusal.rule == LP_NO_RULE && lp_idle_without_setpcap(&now, write))
            refusal.rule = LP_NO_SETPCAP;
    }
    errno = error;
    return refusal;
}

struct lp_refusal lp_why_caps(const struct lp_caps *caps, int error)
{
    struct lp_refusal refusal = {LP_NO_RULE, 0};
    struct lp_creds now;

    if (error == EINVAL)
        (void)lp_met(&refusal, LP_UNKNOWN_CAP, lp_unknown_caps(lp_any_set(caps)));
    else if (error == EPERM && lp_read_sets(&now) == 0)
        refusal = lp_explain_caps(&now, caps);
    errno = error;
    return refusal;
}
