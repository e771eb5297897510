/* Signals, by number or by name. */
#ifndef LP_XS_SIGNALS_H
#define LP_XS_SIGNALS_H

#include "args.h"

/* Equal but for case: names are ASCII, whatever the locale makes of an i. */
static bool same_letters(const char *text, const char *word, STRLEN length)
{
    for (STRLEN i = 0; i < length; i++)
        if (toLOWER(text[i]) != toLOWER(word[i]))
            return false;
    return true;
}

static bool begins_with(const char *text, STRLEN length, const char *word)
{
    return length >= strlen(word) && same_letters(text, word, strlen(word));
}

/* By a name that perl has for it. The first is ZERO, which is no signal. */
static bool named_signal(const char *text, STRLEN length, unsigned long *number)
{
    for (int i = 1; PL_sig_name[i]; i++)
        if (strlen(PL_sig_name[i]) == length && same_letters(text, PL_sig_name[i], length)) {
            *number = (unsigned long)PL_sig_num[i];
            return true;
        }
    return false;
}

/* RTMIN+1, RTMAX-1: as kill(1) and setpriv(1) take them. */
static bool real_time_signal(const char *text, STRLEN length, unsigned long *number)
{
    const bool up = begins_with(text, length, "RTMIN+");
    unsigned long first, last, offset;

    if (!up && !begins_with(text, length, "RTMAX-"))
        return false;
    if (!named_signal("RTMIN", 5, &first) || !named_signal("RTMAX", 5, &last)
        || !lp_decimal(text + 6, length - 6, last - first, &offset))
        return false;
    *number = up ? first + offset : last - offset;
    return true;
}

/* A signal by its name, with or without SIG. */
#define signal_number(sv, number) S_signal_number(aTHX_ sv, number)
static bool S_signal_number(pTHX_ SV *sv, unsigned long *number)
{
    STRLEN length;
    const char *text;

    if (!SvOK(sv) || (SvROK(sv) && !SvAMAGIC(sv)))
        return false;
    text = SvPV_nomg(sv, length);
    if (length > 3 && begins_with(text, length, "SIG")) {
        text += 3;
        length -= 3;
    }
    return named_signal(text, length, number) || real_time_signal(text, length, number);
}

#define signal_arg(cv, sv) S_signal_arg(aTHX_ cv, sv)
static unsigned long S_signal_arg(pTHX_ CV *cv, SV *sv)
{
    unsigned long number;
    SV *once;

    SvGETMAGIC(sv);
    once = asked_once(sv);
    if (!whole_number(once, &number) && !signal_number(once, &number))
        misuse("%s: signal %s is neither a number nor the name of a signal", function_name(cv),
              shown(sv));
    return number;
}

#endif
