/* Which capabilities the kernel has is remembered in Prctl.so, which Linux::Prctl loads:
 * its answers are passed on to what is compiled into CapState.so. */
#ifndef LP_KNOWN_H
#define LP_KNOWN_H

#include "../xs/perl_api.h"

#include "../src/memory.h"

static const struct lp_known_caps *known_caps; /* set when CapState.so is loaded */

#define find_known_caps() S_find_known_caps(aTHX)
static void S_find_known_caps(pTHX)
{
    SV **address = hv_fetchs(PL_modglobal, LP_KNOWN_CAPS_KEY, 0);

    if (!address)
        croak("Linux::Prctl::CapState needs Linux::Prctl");
    known_caps = INT2PTR(const struct lp_known_caps *, SvIV(*address));
}

bool lp_knows(unsigned cap)
{
    return known_caps->knows(cap);
}

bool lp_lacks(unsigned cap)
{
    return known_caps->lacks(cap);
}

#endif
