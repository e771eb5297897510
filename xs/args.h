/* Arguments: from what Perl was given to what C takes, or an exception that names
 * the function, the argument and the value. */
#ifndef LP_XS_ARGS_H
#define LP_XS_ARGS_H

#include "errors.h"

#include <limits.h>

/* An object that has a text, as that text: what is asked once cannot be another one the next
 * time. */
#define asked_once(sv) S_asked_once(aTHX_ sv)
PERL_STATIC_INLINE SV *S_asked_once(pTHX_ SV *sv)
{
    STRLEN length;
    const char *text;

    if (!SvROK(sv) || !SvAMAGIC(sv))
        return sv;
    text = SvPV_nomg(sv, length);
    return newSVpvn_flags(text, length, SVs_TEMP | SvUTF8(sv));
}

/* A whole number of Perl's, as the kernel will see it. */
#define whole_number(sv, number) S_whole_number(aTHX_ sv, number)
static bool S_whole_nv(NV value, unsigned long *number)
{
    const NV half = (NV)((unsigned long)LONG_MAX + 1);

    if (!(value >= -half && value < 2 * half) || value != Perl_floor(value))
        return false;
    *number = value < 0 ? (unsigned long)(long)value : (unsigned long)value;
    return true;
}

static bool S_whole_uv(UV magnitude, bool negative, unsigned long *number)
{
    if (magnitude > (negative ? (unsigned long)LONG_MAX + 1 : ULONG_MAX))
        return false;
    *number = negative ? -(unsigned long)magnitude : (unsigned long)magnitude;
    return true;
}

static bool S_whole_text(pTHX_ const char *text, STRLEN length, unsigned long *number)
{
    /* From here on, not every whole number is one of Perl's fractions. */
    const NV exact = 9007199254740992.0;
    UV magnitude;
    int kind = grok_number(text, length, &magnitude);
    NV value;

    if (!kind)
        return false;
    if (kind & IS_NUMBER_IN_UV && !(kind & IS_NUMBER_NOT_INT))
        return S_whole_uv(magnitude, kind & IS_NUMBER_NEG, number);
    if (kind & (IS_NUMBER_GREATER_THAN_UV_MAX | IS_NUMBER_INFINITY | IS_NUMBER_NAN))
        return false;
    value = my_atof(text);
    return value > -exact && value < exact && S_whole_nv(value, number);
}

static bool S_whole_number(pTHX_ SV *sv, unsigned long *number)
{
    if (!SvOK(sv) || (SvROK(sv) && !SvAMAGIC(sv)))
        return false;
    if (!SvROK(sv) && SvIOK(sv)) {
        if (SvIsUV(sv))
            return S_whole_uv(SvUVX(sv), false, number);
        return S_whole_uv(SvIVX(sv) < 0 ? -(UV)SvIVX(sv) : (UV)SvIVX(sv), SvIVX(sv) < 0, number);
    }
    if (!SvROK(sv) && SvNOK(sv))
        return S_whole_nv(SvNVX(sv), number);
    {
        STRLEN length;
        const char *text = SvPV_nomg(sv, length);

        return S_whole_text(aTHX_ text, length, number);
    }
}

#define number_arg(cv, argument, sv) S_number_arg(aTHX_ cv, argument, sv)
PERL_STATIC_INLINE unsigned long S_number_arg(pTHX_ CV *cv, const char *argument, SV *sv)
{
    unsigned long number;

    /* As nearly all are: a signed integer, and nothing else to it. */
    if (sizeof(IV) <= sizeof number
        && LIKELY((SvFLAGS(sv) & (SVf_IOK | SVf_ROK | SVs_GMG | SVf_IVisUV)) == SVf_IOK))
        return (unsigned long)SvIVX(sv);
    SvGETMAGIC(sv);
    if (!whole_number(sv, &number))
        misuse("%s: %s %s is not a whole number of at most %d bits", function_name(cv), argument,
              shown(sv), (int)(8 * sizeof number));
    return number;
}

/* A number from 0 to most. */
#define ranged_arg(cv, argument, sv, most) S_ranged_arg(aTHX_ cv, argument, sv, most)
static unsigned long S_ranged_arg(pTHX_ CV *cv, const char *argument, SV *sv, unsigned long most)
{
    unsigned long number;

    SvGETMAGIC(sv);
    if (!whole_number(sv, &number) || number > most)
        misuse("%s: %s %s is not a whole number from 0 to %lu", function_name(cv), argument,
              shown(sv), most);
    return number;
}

#define MOST_ID 0xfffffffeUL /* one more means "leave it as it is" */

/* ---- capabilities and securebits ---- */

/* The bit that a key names in a set, or -1. */
#define bit_number(set, sv) S_bit_number(aTHX_ set, sv)
static int S_bit_number(pTHX_ enum lp_set set, SV *sv)
{
    STRLEN length;
    const char *text;

    if (!SvOK(sv) || (SvROK(sv) && !SvAMAGIC(sv)))
        return -1;
    if (SvIOK(sv) && is_number(sv)) /* a name of a capability as good as its digits */
        return set != LP_SECURE && (UV)SvIVX(sv) < LP_CAPS ? (int)SvIVX(sv) : -1;
    text = text_of(sv, &length);
    return set == LP_SECURE ? lp_securebit_number(text, length) : lp_cap_number(text, length);
}

#define unknown_text(set) ((set) == LP_SECURE ? "Unknown secbit" : "Unknown capability")

/* A capability from 0 to 63. */
#define cap_arg(cv, sv) S_cap_arg(aTHX_ cv, sv)
static unsigned S_cap_arg(pTHX_ CV *cv, SV *sv)
{
    int cap;

    SvGETMAGIC(sv);
    cap = bit_number(LP_EFFECTIVE, sv);
    if (cap < 0)
        misuse("%s: %s: %s", function_name(cv), unknown_text(LP_EFFECTIVE), bare(sv));
    return (unsigned)cap;
}

/* A capability on its way to prctl(2): a name, or any number, which the kernel
 * takes or refuses. */
#define cap_number_arg(cv, sv) S_cap_number_arg(aTHX_ cv, sv)
PERL_STATIC_INLINE unsigned long S_cap_number_arg(pTHX_ CV *cv, SV *sv)
{
    unsigned long number;
    int cap;

    SvGETMAGIC(sv);
    cap = bit_number(LP_EFFECTIVE, sv);
    if (cap >= 0)
        return (unsigned long)cap;
    if (SvOK(sv) && !(SvROK(sv) && !SvAMAGIC(sv))) {
        STRLEN length;
        const char *text = text_of(sv, &length);

        /* A number may look like 9.2e+18. */
        if ((looks_decimal(text, length) || is_number(sv))
            && whole_number(sv, &number))
            return number;
    }
    misuse("%s: %s: %s", function_name(cv), unknown_text(LP_EFFECTIVE), bare(sv));
}

/* ---- bytes ---- */

/* The bytes of a string, in a copy that lives as long as the call. */
#define bytes_of(cv, argument, sv, length) S_bytes_of(aTHX_ cv, argument, sv, length)
static const char *S_bytes_of(pTHX_ CV *cv, const char *argument, SV *sv, STRLEN *length)
{
    SV *copy;
    const char *text;

    if (!SvOK(sv) || (SvROK(sv) && !SvAMAGIC(sv)))
        misuse("%s: %s %s is not a string", function_name(cv), argument, shown(sv));
    text = SvPV_nomg(sv, *length);
    copy = newSVpvn_flags(text, *length, SVs_TEMP | SvUTF8(sv));
    if (!sv_utf8_downgrade(copy, true))
        misuse("%s: %s %s has a character above 255", function_name(cv), argument, shown(copy));
    return SvPV(copy, *length);
}

/* The same for C, where a NUL would end them. */
#define c_string_of(cv, argument, sv) S_c_string_of(aTHX_ cv, argument, sv)
static const char *S_c_string_of(pTHX_ CV *cv, const char *argument, SV *sv)
{
    STRLEN length;
    const char *text = bytes_of(cv, argument, sv, &length);

    if (memchr(text, '\0', length))
        misuse("%s: %s %s has a NUL in it", function_name(cv), argument, shown(sv));
    return text;
}

#define bytes_arg(cv, argument, sv, length) S_bytes_arg(aTHX_ cv, argument, sv, length)
static const char *S_bytes_arg(pTHX_ CV *cv, const char *argument, SV *sv, STRLEN *length)
{
    SvGETMAGIC(sv);
    return bytes_of(cv, argument, sv, length);
}

#define string_arg(cv, argument, sv) S_string_arg(aTHX_ cv, argument, sv)
static const char *S_string_arg(pTHX_ CV *cv, const char *argument, SV *sv)
{
    SvGETMAGIC(sv);
    return c_string_of(cv, argument, sv);
}

/* The same without a copy, where the bytes are there as they are wanted and nothing runs
 * before they are used. (A foreign buffer may end without the NUL.) */
#define borrowed_string_arg(cv, argument, sv) S_borrowed_string_arg(aTHX_ cv, argument, sv)
PERL_STATIC_INLINE const char *S_borrowed_string_arg(pTHX_ CV *cv, const char *argument, SV *sv)
{
    SvGETMAGIC(sv);
    if (SvPOK(sv) && !SvROK(sv) && !SvUTF8(sv) && !SvGMAGICAL(sv) && SvLEN(sv) > SvCUR(sv)
        && !SvPVX(sv)[SvCUR(sv)] && !memchr(SvPVX(sv), '\0', SvCUR(sv)))
        return SvPVX(sv);
    return c_string_of(cv, argument, sv);
}

/* undef is no string at all. */
#define string_or_null_arg(cv, argument, sv) S_string_or_null_arg(aTHX_ cv, argument, sv)
PERL_STATIC_INLINE const char *S_string_or_null_arg(pTHX_ CV *cv, const char *argument, SV *sv)
{
    SvGETMAGIC(sv);
    return SvOK(sv) ? c_string_of(cv, argument, sv) : NULL;
}

/* ---- perl -T ---- */

/* As perl says it of exec, chmod and others: with -t, that is a warning. */
#define is_insecure(format, what) S_is_insecure(aTHX_ format, what)
PERL_STATIC_INLINE void S_is_insecure(pTHX_ const char *format, const char *what)
{
    TAINT;
    errno = EPERM;
    taint_proper(format, what);
}

#define INSECURE_DEPENDENCY "Insecure dependency in %s%s"

/* ---- lists of capabilities ---- */

/* In scalar context a list would be its last name: say how many there are. */
#define HOW_MANY(mask)                                                              \
    STMT_START {                                                                    \
        if (GIMME_V == G_SCALAR)                                                    \
            XSRETURN_IV(__builtin_popcountll(mask));                                \
    } STMT_END

#endif
