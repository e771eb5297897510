/* The six hashes and the objects behind them. */
#ifndef LP_XS_SETS_H
#define LP_XS_SETS_H

#include "args.h"
#include "errors.h"
#include "threads.h"

#define SET_CLASS "Linux::Prctl::CapabilitySet"

static const char *const set_names[LP_SETS] = {
    [LP_EFFECTIVE] = "cap_effective", [LP_PERMITTED] = "cap_permitted",
    [LP_INHERITABLE] = "cap_inheritable", [LP_AMBIENT] = "cap_ambient",
    [LP_BOUNDING] = "capbset", [LP_SECURE] = "securebits",
};

/* ---- what each interpreter has of its own ---- */

#define MY_CXT_KEY SET_CLASS "::_guts" XS_VERSION
typedef struct {
    SV *sets[LP_SETS];
    HV *hashes[LP_SETS]; /* however they are called by now */
    /* keys, so that a list of names costs no copies */
    SV *caps[LP_CAPS];
    SV *securebits[LP_SECUREBITS];
    /* the two values that an element can have */
    SV *values[2];
} my_cxt_t;
START_MY_CXT

/* An object is a blessed number, which a thread can have a copy of. */
#define new_set(set, stash) S_new_set(aTHX_ set, stash)
static SV *S_new_set(pTHX_ enum lp_set set, HV *stash)
{
    SV *number = newSViv(set);
    SV *object = sv_bless(newRV_noinc(number), stash);

    SvREADONLY_on(number);
    SvREADONLY_on(object);
    return object;
}

#define start_context(context) S_start_context(aTHX_ context)
static void S_start_context(pTHX_ my_cxt_t *context)
{
    HV *stash = gv_stashpvs(SET_CLASS, GV_ADD);

    Zero(context->caps, LP_CAPS, SV *);
    Zero(context->securebits, LP_SECUREBITS, SV *);
    for (int set = 0; set < LP_SETS; set++)
        context->sets[set] = new_set((enum lp_set)set, stash);
    for (int value = 0; value < 2; value++) {
        context->values[value] = newSViv(value);
        SvREADONLY_on(context->values[value]);
    }
}

#define the_set(set) S_the_set(aTHX_ set)
static SV *S_the_set(pTHX_ enum lp_set set)
{
    dMY_CXT;

    return MY_CXT.sets[set];
}

#define set_arg(cv, sv) S_set_arg(aTHX_ cv, sv)
static enum lp_set S_set_arg(pTHX_ CV *cv, SV *sv)
{
    if (SvROK(sv)) {
        SV *object = SvRV(sv);

        /* The package of the method that runs is the class of every object. */
        if (SvOBJECT(object) && SvSTASH(object) == GvSTASH(CvGV(cv)) && SvIOK(object)
            && (UV)SvIVX(object) < LP_SETS)
            return (enum lp_set)SvIVX(object);
    }
    misuse("%s: %s is not one of the sets of Linux::Prctl", function_name(cv), shown(sv));
}

#define bit_text(set, bit) S_bit_text(aTHX_ set, bit)
static const char *S_bit_text(pTHX_ enum lp_set set, unsigned bit)
{
    return set == LP_SECURE ? lp_securebit_name(bit) : cap_text(bit);
}

/* Where the keys of a set are kept, for new_name. */
#define kept_names(set) S_kept_names(aTHX_ set)
static SV **S_kept_names(pTHX_ enum lp_set set)
{
    dMY_CXT;

    return set == LP_SECURE ? MY_CXT.securebits : MY_CXT.caps;
}

#define new_name(kept, set, bit) S_new_name(aTHX_ &(kept)[bit], set, bit)
static inline SV *S_new_name(pTHX_ SV **kept, enum lp_set set, unsigned bit)
{
    if (!*kept)
        *kept = newSVpvn_share(bit_text(set, bit), (I32)strlen(bit_text(set, bit)), 0);
    return newSVhek(SvSHARED_HEK_FROM_PV(SvPVX(*kept)));
}

/* The raised ones. */
#define push_names(set, raised, sp) S_push_names(aTHX_ set, raised, sp)
static SV **S_push_names(pTHX_ enum lp_set set, uint64_t raised, SV **sp)
{
    SV **kept = kept_names(set);

    EXTEND(SP, LP_CAPS);
    for (; raised; raised &= raised - 1)
        mPUSHs(new_name(kept, set, (unsigned)__builtin_ctzll(raised)));
    return sp;
}

/* Does the kernel have it, and does it have a name? */
static bool in_keys(enum lp_set set, unsigned bit)
{
    return set == LP_SECURE ? bit < LP_SECUREBITS : lp_knows(bit);
}

/* ---- keys ---- */

#define key_arg(set, key) S_key_arg(aTHX_ set, key)
static unsigned S_key_arg(pTHX_ enum lp_set set, SV *key)
{
    int bit;

    SvGETMAGIC(key);
    bit = bit_number(set, key);
    if (bit < 0)
        misuse("%s: %s", unknown_text(set), bare(key));
    return (unsigned)bit;
}

/* All arguments of a method, before anything is changed. */
#define mask_args(cv, set, ax, count) S_mask_args(aTHX_ cv, set, ax, count)
static uint64_t S_mask_args(pTHX_ CV *cv, enum lp_set set, I32 ax, I32 count)
{
    uint64_t mask = 0;

    for (I32 i = 0; i < count; i++) {
        SV *name = ARGUMENT(ax, i);
        int bit;

        SvGETMAGIC(name);
        bit = bit_number(set, name);
        if (bit < 0)
            misuse("%s->%s: %s: %s", set_names[set], function_name(cv), unknown_text(set),
                  bare(name));
        mask |= LP_BIT(bit);
    }
    return mask;
}

/* ---- one element ---- */

#define element_text(set, bit) S_element_text(aTHX_ set, bit)
static SV *S_element_text(pTHX_ enum lp_set set, unsigned bit)
{
    return sv_2mortal(newSVpvf("%s{%s}", set_names[set], bit_text(set, bit)));
}

/* The end of a local: what its statement wants done about a refusal, whatever code runs
 * by now, and where it stands. */
struct local {
    enum severity refused, threads;
    const char *where;
};

/* A message about a store, at the statement that runs or at that of local. An exit is not
 * stopped by it. */
#define tell_store(message, error, how, local) S_tell_store(aTHX_ message, error, how, local)
static void S_tell_store(pTHX_ SV *message, int error, enum severity how,
                         const struct local *local)
{
    if (local) {
        sv_catpvf(message, " while leaving the scope of local at %s.\n", local->where);
        if (how == AN_EXCEPTION && PERL_EXITS)
            how = A_WARNING;
    }
    tell(message, error, how);
}

/* A store was refused: a warning, since an assignment has no return value. */
#define refused_store(what, error, why, local) S_refused_store(aTHX_ what, error, why, local)
static void S_refused_store(pTHX_ SV *what, int error, struct lp_refusal why,
                            const struct local *local)
{
    tell_store(refusal_text(what, error, why), error,
               local ? local->refused : severity(CATEGORY), local);
}

/* What is gone from the bounding set does not come back. For a program that asks
 * for it that is misuse; for the end of local it is a refusal, if it is one. */
#define raise_bounding(bit, local) S_raise_bounding(aTHX_ bit, local)
static void S_raise_bounding(pTHX_ unsigned bit, const struct local *local)
{
    const struct lp_refusal gone = {LP_ONLY_LOWERED, bit};

    if (!local)
        misuse("Can only drop capabilities from the bounding set, not add them");
    if (lp_bit(LP_BOUNDING, bit) != 1)
        refused_store(element_text(LP_BOUNDING, bit), EPERM, gone, local);
}

#define restored_beside_threads(what, local) S_restored_beside_threads(aTHX_ what, local)
static void S_restored_beside_threads(pTHX_ SV *what, const struct local *local)
{
    const int saved = errno;
    const unsigned others = local->threads == SILENCE ? 0 : remaining_threads(lp_other_threads);

    errno = saved;
    if (others)
        tell_store(threads_text(what, others), saved, local->threads, local);
}

/* A restore is never left out: of the other threads it tells afterwards. */
#define store(set, bit, raise, local) S_store(aTHX_ set, bit, raise, local)
static bool S_store(pTHX_ enum lp_set set, unsigned bit, bool raise, const struct local *local)
{
    const struct lp_write write = {
        .set = set,
        .keep = ~LP_BIT(bit),
        .raise = raise ? LP_BIT(bit) : 0,
    };

    if (!local)
        CREDENTIAL(element_text(set, bit));
    if (lp_write(&write) != 0) {
        int error = errno;

        refused_store(element_text(set, bit), error, lp_why(&write, error), local);
        return false;
    }
    if (local && lp_other_threads())
        restored_beside_threads(element_text(set, bit), local);
    return true;
}

/* ---- the whole set ---- */

#define clear_by_list(set) S_clear_by_list(aTHX_ set)
static void S_clear_by_list(pTHX_ enum lp_set set)
{
    const struct lp_write nothing = {.set = set};
    SV *what = sv_2mortal(newSVpvf("%%%s = ()", set_names[set]));

    if (set == LP_PERMITTED || set == LP_BOUNDING)
        misuse("%%%s takes neither a list nor (): what that lowers first cannot be raised again;"
              " use ->limit, ->replace or ->clear",
              set_names[set]);
    CREDENTIAL(what);
    if (lp_write(&nothing) != 0) {
        int error = errno;

        refused_store(what, error, lp_why(&nothing, error), NULL);
    }
}

/* "cap_effective->drop("kill")": the method that runs, with its arguments from ax on. */
#define method_text(cv, set, ax, count) S_method_text(aTHX_ cv, set, ax, count)
static SV *S_method_text(pTHX_ CV *cv, enum lp_set set, I32 ax, I32 count)
{
    return sv_2mortal(newSVpvf("%s->%" SVf, set_names[set],
                               SVfARG(call_text_at(cv, ax, count))));
}

/* Ambient and bounding change one by one. A filter may stop that half-way: no rule foresees
 * it, and so the message says what is there. */
#define add_present(text, set) S_add_present(aTHX_ text, set)
static void S_add_present(pTHX_ SV *text, enum lp_set set)
{
    uint64_t raised;

    if ((set != LP_AMBIENT && set != LP_BOUNDING) || lp_read(set, &raised) != 0)
        return;
    sv_catpvf(text, "; %s is now", set_names[set]);
    if (!raised)
        sv_catpvs(text, " empty");
    for (; raised; raised &= raised - 1)
        sv_catpvf(text, " %s", cap_text((unsigned)__builtin_ctzll(raised)));
}

/* A method's write: it happened, or it dies. */
#define method_write(cv, ax, count, write) S_method_write(aTHX_ cv, ax, count, write)
static void S_method_write(pTHX_ CV *cv, I32 ax, I32 count, const struct lp_write *write)
{
    struct lp_refusal why;
    SV *text;
    int error;

    CREDENTIAL(method_text(cv, write->set, ax, count));
    if (lp_write(write) == 0)
        return;
    error = errno;
    why = lp_why(write, error);
    text = refusal_text(method_text(cv, write->set, ax, count), error, why);
    if (why.rule == LP_NO_RULE)
        add_present(text, write->set);
    die_of(text, error);
}

/* A method's read. */
#define method_refused(cv, set, error) S_method_refused(aTHX_ cv, set, error)
static void S_method_refused(pTHX_ CV *cv, enum lp_set set, int error)
    __attribute__((noreturn));
static void S_method_refused(pTHX_ CV *cv, enum lp_set set, int error)
{
    die_of(refusal_text(sv_2mortal(newSVpvf("%s->%s", set_names[set],
                                                 function_name(cv))),
                        error, no_reason),
           error);
}

/* Are all of these raised? Ambient and bounding are asked one by one, the others
 * are read once. */
#define has_all(cv, set, mask) S_has_all(aTHX_ cv, set, mask)
static bool S_has_all(pTHX_ CV *cv, enum lp_set set, uint64_t mask)
{
    int saved = errno;
    uint64_t raised;

    if (!mask)
        return true;
    if (set != LP_AMBIENT && set != LP_BOUNDING) {
        if (lp_read(set, &raised) != 0)
            method_refused(cv, set, errno);
        return !(mask & ~raised);
    }
    for (; mask; mask &= mask - 1) {
        int bit = lp_bit(set, (unsigned)__builtin_ctzll(mask));

        if (bit == -1 && errno != EINVAL)
            method_refused(cv, set, errno);
        errno = saved;
        if (bit != 1)
            return false;
    }
    return true;
}

enum method { METHOD_ADD, METHOD_DROP, METHOD_LIMIT, METHOD_REPLACE };

#define change(cv, set, method, ax, count) S_change(aTHX_ cv, set, method, ax, count)
static void S_change(pTHX_ CV *cv, enum lp_set set, enum method method, I32 ax, I32 count)
{
    const uint64_t mask = mask_args(cv, set, ax, count);
    struct lp_write write = {.set = set, .whole = true};

    switch (method) {
    case METHOD_ADD:
        if (set == LP_BOUNDING && mask)
            misuse("%s->%s: Can only drop capabilities from the bounding set, not add them",
                  set_names[set], function_name(cv));
        write.keep = ~UINT64_C(0);
        write.raise = mask;
        break;
    case METHOD_DROP:
        write.keep = ~mask;
        break;
    case METHOD_LIMIT:
        write.keep = mask;
        break;
    case METHOD_REPLACE:
        write.raise = mask;
    }
    if (write.raise || ~write.keep)
        method_write(cv, ax, count, &write);
}

#endif
