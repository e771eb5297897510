/* What is said when something is refused. Every message is made here. */
#ifndef LP_XS_ERRORS_H
#define LP_XS_ERRORS_H

#include "perl_guts.h"

#include <errno.h>
#include <limits.h>

#include "../src/lp.h"

#define FATAL_HINT "Linux::Prctl/fatal"
#define CATEGORY "Linux::Prctl"
#define THREADS CATEGORY "::threads"

#define ENOUGH 60 /* bytes of a value that a message shows */

/* Would anybody take it for a number, without quotes? */
PERL_STATIC_INLINE bool looks_decimal(const char *text, STRLEN length)
{
    const bool minus = length && *text == '-';
    unsigned long number;

    return lp_decimal(text + minus, length - minus, ULONG_MAX, &number);
}

/* A number of Perl's own, which was never a string. */
PERL_STATIC_INLINE bool is_number(const SV *sv)
{
    return !SvROK(sv) && SvNIOK(sv) && !SvPOK(sv);
}

/* To make a string of: before 5.36 the number itself would be one too from then on. */
#define number_copy(sv) S_number_copy(aTHX_ sv)
static SV *S_number_copy(pTHX_ SV *sv)
{
    if (!SvIOK(sv))
        return sv_2mortal(newSVnv(SvNVX(sv)));
    return sv_2mortal(SvIsUV(sv) ? newSVuv(SvUVX(sv)) : newSViv(SvIVX(sv)));
}

/* The text of a value, which stays what it is. */
#define text_of(sv, length) S_text_of(aTHX_ sv, length)
static const char *S_text_of(pTHX_ SV *sv, STRLEN *length)
{
    return SvPV_nomg(is_number(sv) ? number_copy(sv) : sv, *length);
}

/* A value as a message shows it: nothing that a terminal would act on. Strings are
 * in quotes, except where 1.6.0 had none: "Unknown capability: bogus". A number has
 * none, and may be a string by now too. */
#define shown(sv) S_shown(aTHX_ sv, PERL_PV_PRETTY_QUOTE)
#define bare(sv) S_shown(aTHX_ sv, 0)
static const char *S_shown(pTHX_ SV *sv, U32 quote)
{
    STRLEN length;
    const char *text;
    bool characters;

    if (!SvOK(sv))
        return "undef";
    text = text_of(sv, &length);
    /* What says that it is UTF-8, and is not, would be read from before its first byte. */
    characters = SvUTF8(sv) && is_utf8_string((const U8 *)text, length);
    if (SvROK(sv) || is_number(sv) || looks_decimal(text, length))
        quote = 0;
    return pv_pretty(sv_2mortal(newSVpvs("")), text, length, ENOUGH, NULL, NULL,
                     quote | PERL_PV_PRETTY_ELLIPSES | (characters ? PERL_PV_ESCAPE_UNI : 0));
}

#define function_name(cv) GvNAME(CvGV(cv))

/* An argument of the call that runs. It is found anew each time: what the one before it
 * made perl run may have moved the stack. */
#define ARGUMENT(ax, i) PL_stack_base[(ax) + (i)]

/* "set_dumpable(5)": the arguments are values, or on the stack from ax on. */
#define call_text(cv, args, count) S_call_text(aTHX_ cv, args, 0, count)
#define call_text_at(cv, ax, count) S_call_text(aTHX_ cv, NULL, ax, count)
static SV *S_call_text(pTHX_ CV *cv, SV **args, I32 ax, I32 count)
{
    SV *text = sv_2mortal(newSVpvf("%s(", function_name(cv)));

    for (I32 i = 0; i < count; i++)
        sv_catpvf(text, "%s%s", i ? ", " : "", shown(args ? args[i] : ARGUMENT(ax, i)));
    sv_catpvs(text, ")");
    return text;
}

/* A refusal whose rule is not known, or that no rule of capabilities made. */
static const struct lp_refusal no_reason = {LP_NO_RULE, 0};

static const char *const reasons[] = {
    [LP_NOT_PERMITTED] = "%s is not permitted",
    [LP_NOT_INHERITABLE] = "%s is not inheritable",
    [LP_NOT_BOUNDED] = "%s is not in the bounding set",
    [LP_BEYOND_PERMITTED] = "%s is not permitted, and setpcap is not effective",
    [LP_STILL_EFFECTIVE] = "%s is still effective: lower it there first, or use ->drop",
    [LP_NO_SETPCAP] = "setpcap is not effective",
    [LP_NO_SETFCAP] = "setfcap is not effective",
    [LP_NO_AMBIENT_RAISE] = "no_cap_ambient_raise is set",
    [LP_LOCKED] = "%s is locked",
    [LP_ONLY_LOWERED] = "%s is gone from the bounding set for good",
    [LP_UNKNOWN_BIT] = "this kernel may not know %s",
    [LP_UNKNOWN_CAP] = "this kernel does not know %s",
    [LP_NO_SETUID] = "%s is not effective",
    [LP_NO_SETGID] = "%s is not effective",
    [LP_NO_FILTER_RIGHT] = "it needs no_new_privs, or %s effective",
    [LP_SETGROUPS_DENIED] = "/proc/self/setgroups denies it",
};

#define cap_text(cap) S_cap_text(aTHX_ cap)
static const char *S_cap_text(pTHX_ unsigned cap)
{
    const char *name = lp_cap_name(cap);

    return name ? name : SvPVX(sv_2mortal(newSVpvf("%u", cap)));
}

#define reason_text(why) S_reason_text(aTHX_ why)
static SV *S_reason_text(pTHX_ struct lp_refusal why)
{
    const char *name;

    if (why.rule == LP_LOCKED || why.rule == LP_UNKNOWN_BIT) {
        name = lp_securebit_name(why.bit);
        if (!name)
            name = "that bit";
    } else
        name = cap_text(why.bit);
    return sv_2mortal(newSVpvf(reasons[why.rule], name));
}

/* "cap_ambient{chown}: Operation not permitted (chown is not inheritable)" */
#define refusal_text(what, error, why) S_refusal_text(aTHX_ what, error, why)
static SV *S_refusal_text(pTHX_ SV *what, int error, struct lp_refusal why)
{
    SV *text = sv_2mortal(newSVpvf("%" SVf ": %s", SVfARG(what), Strerror(error)));

    if (why.rule != LP_NO_RULE)
        sv_catpvf(text, " (%" SVf ")", SVfARG(reason_text(why)));
    else if (error == LP_NO_ANSWER)
        sv_catpvs(text, " (no kernel answers like that: a filter may)");
    return text;
}

/* Is the statement that runs now in the scope of use Linux::Prctl ':fatal'? */
#define fatal() S_fatal(aTHX)
static bool S_fatal(pTHX)
{
    SV *hint = cop_hints_fetch_pvs(PL_curcop, FATAL_HINT, 0);

    return hint != &PL_sv_placeholder && SvTRUE(hint);
}

enum severity { SILENCE, A_WARNING, AN_EXCEPTION };

/* What that statement wants done with a warning of this category. The rules are
 * those of warnings.pm, and only Perl code can see what they go by. */
#define severity(category) S_severity(aTHX_ category)
static enum severity S_severity(pTHX_ const char *category)
{
    dSP;
    const int saved = errno;
    IV answer;

    if (fatal())
        return AN_EXCEPTION;
    if (PL_dowarn & G_WARN_ALL_OFF || NO_WARNINGS_HERE)
        return SILENCE;
    if (DEFAULT_WARNINGS_HERE || ALL_WARNINGS_HERE)
        return A_WARNING;
    /* A stack of its own: the operator that stores may not be done with perl's. */
    PUSHSTACKi(PERLSI_MAGIC);
    ENTER;
    SAVETMPS;
    PUSHMARK(SP);
    mXPUSHp(category, strlen(category));
    PUTBACK;
    call_pv("Linux::Prctl::_severity", G_SCALAR);
    SPAGAIN;
    answer = POPi;
    PUTBACK;
    FREETMPS;
    LEAVE;
    POPSTACK;
    errno = saved;
    return (enum severity)answer;
}

#define die_of(message, error) S_die_of(aTHX_ message, error)
static void S_die_of(pTHX_ SV *message, int error) __attribute__((noreturn));
static void S_die_of(pTHX_ SV *message, int error)
{
    LEAVE_LOCAL;
    FIND_STATEMENT;
    errno = error;
    croak_sv(message);
}

#define tell(message, error, how) S_tell(aTHX_ message, error, how)
static void S_tell(pTHX_ SV *message, int error, enum severity how)
{
    if (how == AN_EXCEPTION)
        die_of(message, error);
    if (how == A_WARNING) {
        const U8 localizing = PL_localizing;
        COP *statement = PL_curcop;

        LEAVE_LOCAL; /* the handler of the warning may die too */
        FIND_STATEMENT;
        errno = error;
        warn_sv(message);
        PL_curcop = statement;
        PL_localizing = localizing;
    }
    errno = error;
}

/* The wrong kind of argument, or of operation: the end of the call under any policy. */
#define misuse(...) S_misuse(aTHX_ __VA_ARGS__)
static void S_misuse(pTHX_ const char *pattern, ...)
    __attribute__((noreturn, format(printf, pTHX_1, pTHX_2)));
static void S_misuse(pTHX_ const char *pattern, ...)
{
    va_list args;
    SV *message;

    va_start(args, pattern);
    message = sv_2mortal(vnewSVpvf(pattern, &args));
    va_end(args);
    die_of(message, EINVAL);
}

/* The wrong number of arguments, which xsubpp looks at. */
PERL_STATIC_INLINE void S_wrong_count(pTHX_ CV *cv, const char *parameters)
{
    errno = EINVAL;
    croak_xs_usage(cv, parameters);
}
#undef croak_xs_usage
#define croak_xs_usage(cv, parameters) S_wrong_count(aTHX_ cv, parameters)

#endif
