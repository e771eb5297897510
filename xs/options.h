/* The options of setpriv() and spawn(), as they are given: each is read once, and what is wrong
 * with one names it. */
#ifndef LP_XS_OPTIONS_H
#define LP_XS_OPTIONS_H

#include "args.h"

enum option_user { SETPRIV = 1, SPAWN = 2, BOTH = 3 };

enum option {
#define OPT(name, users) OPT_##name,
#include "../src/options.inc"
#undef OPT
    OPTIONS
};

static const struct {
    const char *name;
    enum option_user users;
} option_table[OPTIONS] = {
#define OPT(name, users) {#name, users},
#include "../src/options.inc"
#undef OPT
};

struct options {
    const char *function;
    pid_t parent; /* of the process that they are for */
    bool child;   /* it is one that starts with them */
    SV *value[OPTIONS]; /* a copy; NULL: not given */
};

#define given(options, name) ((options)->value[OPT_##name])

/* perl -T: PL_tainted tells that something in this statement came from outside. Code of Perl's
 * that a value runs (FETCH, overloading) has statements of its own, which forget it; so it is
 * kept around all that may run some. */
#define KEEPING_TAINT(what)                                                         \
    STMT_START {                                                                    \
        const bool tainted_before = cBOOL(PL_tainted);                              \
                                                                                    \
        what;                                                                       \
        if (tainted_before)                                                         \
            TAINT;                                                                  \
    } STMT_END

#define truth_of(value) S_truth_of(aTHX_ value)
static bool S_truth_of(pTHX_ SV *value)
{
    bool truth;

    KEEPING_TAINT(truth = SvTRUE_nomg(value));
    return truth;
}

#define is_true(options, name) (given(options, name) && truth_of(given(options, name)))

/* ---- what is wrong ---- */

#define bad_plan(options, ...) S_bad_plan(aTHX_ options, __VA_ARGS__)
static void S_bad_plan(pTHX_ const struct options *options, int error, const char *format, ...)
    __attribute__((noreturn));
static void S_bad_plan(pTHX_ const struct options *options, int error, const char *format, ...)
{
    SV *message = sv_2mortal(newSVpvf("%s: ", options->function));
    va_list rest;

    va_start(rest, format);
    sv_vcatpvf(message, format, &rest);
    va_end(rest);
    die_of(message, error);
}

#define bad_option(options, option, format, ...)                                    \
    bad_plan(options, EINVAL, "%s " format, option_table[option].name, __VA_ARGS__)

/* "a, b and c"; of more than seven, six and how many more. */
#define MOST_WORDS 7
#define and_list(words) S_and_list(aTHX_ words)
static SV *S_and_list(pTHX_ AV *words)
{
    const SSize_t count = av_len(words) + 1;
    const SSize_t shown = count > MOST_WORDS ? MOST_WORDS - 1 : count;
    SV *text = newSVpvn_flags("", 0, SVs_TEMP);

    for (SSize_t i = 0; i < shown; i++) {
        const bool last = i == count - 1;

        sv_catpvf(text, "%s%" SVf, !i ? "" : last ? " and " : ", ",
                  SVfARG(*av_fetch(words, i, 0)));
    }
    if (shown < count)
        sv_catpvf(text, " and %d more", (int)(count - shown));
    return text;
}

#define word(words, text) av_push(words, newSVpv(text, 0))

/* ---- reading them ---- */

/* Read once; unlike sv_mortalcopy, it leaves a temporary value its string. */
#define copy_of(sv) S_copy_of(aTHX_ sv)
static SV *S_copy_of(pTHX_ SV *sv)
{
    SV *copy;

    KEEPING_TAINT(copy = newSVsv(sv));
    return sv_2mortal(copy);
}

static int find_option(const char *name, STRLEN length, enum option_user user)
{
    for (int option = 0; option < OPTIONS; option++)
        if (option_table[option].users & user && strlen(option_table[option].name) == length
            && memcmp(option_table[option].name, name, length) == 0)
            return option;
    return -1;
}

/* Not a reference, unless it has a string to offer. */
#define is_string(value) S_is_string(aTHX_ value)
static bool S_is_string(pTHX_ SV *value)
{
    if (!SvROK(value))
        return SvOK(value);
    return SvAMAGIC(value)
           && gv_fetchmethod_autoload(SvSTASH(SvRV(value)), "(\"\"", FALSE) != NULL;
}

#define is_handle(value) (SvROK(value) && isGV_with_GP(SvRV(value)))

/* A value that was read once; an object with a string to offer was asked for it once. */
#define value_of(value) S_value_of(aTHX_ value)
static SV *S_value_of(pTHX_ SV *value)
{
    SV *copy = copy_of(value);
    STRLEN length;
    const char *text;

    if (!SvROK(copy) || is_handle(copy) || !is_string(copy))
        return copy;
    KEEPING_TAINT(text = SvPV_nomg(copy, length));
    return newSVpvn_flags(text, length, SVs_TEMP | SvUTF8(copy));
}

/* All that there are, for a message. */
#define option_names(user) S_option_names(aTHX_ user)
static SV *S_option_names(pTHX_ enum option_user user)
{
    SV *names = newSVpvn_flags("", 0, SVs_TEMP);

    for (int option = 0; option < OPTIONS; option++)
        if (option_table[option].users & user)
            sv_catpvf(names, "%s%s", SvCUR(names) ? ", " : "", option_table[option].name);
    return names;
}

#define read_options(options, user, args, count) S_read_options(aTHX_ options, user, args, count)
static void S_read_options(pTHX_ struct options *options, enum option_user user, SV **args,
                           I32 count)
{
    if (count % 2)
        bad_plan(options, EINVAL, "Usage: %s(option => value, ...)", options->function);
    for (I32 i = 0; i < count; i += 2) {
        SV *name = copy_of(args[i]);
        STRLEN length = 0;
        const char *text = "";
        int option;

        if (SvOK(name))
            KEEPING_TAINT(text = SvPV(name, length));
        option = find_option(text, length, user);
        if (option < 0)
            bad_plan(options, EINVAL, "there is no option %s (there are %" SVf ")", shown(name),
                     SVfARG(option_names(user)));
        if (options->value[option])
            bad_plan(options, EINVAL, "%s is given twice", text);
        options->value[option] = value_of(args[i + 1]);
    }
}

/* A string for C, in a copy that lives as long as the call. */
#define c_text(options, what, value) S_c_text(aTHX_ options, what, value)
static const char *S_c_text(pTHX_ const struct options *options, SV *what, SV *value)
{
    STRLEN length;
    SV *copy;
    const char *text;

    if (!is_string(value))
        bad_plan(options, EINVAL, "%" SVf " %s is not a string", SVfARG(what), shown(value));
    copy = copy_of(value);
    (void)SvPV_force_nomg_nolen(copy); /* a number has no string yet */
    if (SvUTF8(copy) && !sv_utf8_downgrade(copy, TRUE))
        bad_plan(options, EINVAL, "%" SVf " %s has a character above 255", SVfARG(what),
                 shown(copy));
    text = SvPV(copy, length);
    if (memchr(text, '\0', length))
        bad_plan(options, EINVAL, "%" SVf " %s has a NUL in it", SVfARG(what), shown(copy));
    return text;
}

#define option_word(option) sv_2mortal(newSVpv(option_table[option].name, 0))

/* An element of a list, read once. */
#define element(list, i) S_element(aTHX_ list, i)
static SV *S_element(pTHX_ AV *list, SSize_t i)
{
    SV **value = av_fetch(list, i, 0);

    return value ? value_of(*value) : &PL_sv_undef;
}

/* An object may be an array inside, and something else to its users. */
#define is_list(value)                                                              \
    (SvROK(value) && SvTYPE(SvRV(value)) == SVt_PVAV && !SvOBJECT(SvRV(value)))

#define list_option(options, option) S_list_option(aTHX_ options, option)
static AV *S_list_option(pTHX_ const struct options *options, enum option option)
{
    SV *value = options->value[option];

    if (!is_list(value))
        bad_option(options, option, "%s is not an array reference", shown(value));
    return (AV *)SvRV(value);
}

#define list_length(list) S_list_length(aTHX_ list)
static SSize_t S_list_length(pTHX_ AV *list)
{
    SSize_t last;

    KEEPING_TAINT(last = av_len(list));
    return last + 1;
}

#define next_entry(hash) S_next_entry(aTHX_ hash)
static HE *S_next_entry(pTHX_ HV *hash)
{
    HE *entry;

    KEEPING_TAINT(entry = hv_iternext(hash));
    return entry;
}

/* Memory that lives as long as the call. */
#define scratch(bytes) S_scratch(aTHX_ bytes)
static void *S_scratch(pTHX_ size_t bytes)
{
    return SvPVX(sv_2mortal(newSV(bytes + 1)));
}

#endif
