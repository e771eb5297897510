/* Signals, by number or by name. */
#ifndef LP_XS_SIGNALS_H
#define LP_XS_SIGNALS_H

#include "args.h"

#include <strings.h>

#define signal_number(sv, number) S_signal_number(aTHX_ sv, number)
static bool S_signal_number(pTHX_ SV *sv, unsigned long *number)
{
    STRLEN length;
    const char *text;

    if (!SvOK(sv) || (SvROK(sv) && !SvAMAGIC(sv)))
        return false;
    text = SvPV_nomg(sv, length);
    if (length > 3 && strncasecmp(text, "SIG", 3) == 0) {
        text += 3;
        length -= 3;
    }
    /* The first is ZERO, which is no signal. */
    for (int i = 1; PL_sig_name[i]; i++)
        if (strlen(PL_sig_name[i]) == length && strncasecmp(PL_sig_name[i], text, length) == 0) {
            *number = (unsigned long)PL_sig_num[i];
            return true;
        }
    return false;
}

#define signal_arg(cv, sv) S_signal_arg(aTHX_ cv, sv)
static unsigned long S_signal_arg(pTHX_ CV *cv, SV *sv)
{
    unsigned long number;

    SvGETMAGIC(sv);
    if (!whole_number(sv, &number) && !signal_number(sv, &number))
        misuse("%s: signal %s is neither a number nor the name of a signal", function_name(cv),
              shown(sv));
    return number;
}

#endif
