/* What a function returns for what the kernel answered: typemap puts it on the stack.
 * A refusal is -1 or one undef, with errno as it was, or an exception under :fatal. */
#ifndef LP_XS_ANSWERS_H
#define LP_XS_ANSWERS_H

#include "errors.h"

typedef long lp_status;
typedef struct lp_answer lp_answer;

/* A status, and the write that it tells of, for the reason of a refusal. */
typedef struct {
    long status;
    struct lp_write write;
} lp_write_status;

/* Lowering or raising one capability. */
PERL_STATIC_INLINE struct lp_write one_cap(enum lp_set set, unsigned long cap, bool raise)
{
    const uint64_t mask = cap < LP_CAPS ? LP_BIT(cap) : 0;

    return (struct lp_write){.set = set, .keep = ~mask, .raise = raise ? mask : 0};
}

/* An id, or that of nobody for a refusal. */
PERL_STATIC_INLINE lp_answer id_answer(uint32_t id)
{
    return (lp_answer){.failed = id == (uint32_t)-1, .value = id};
}

/* A write of which nothing is to be said. */
#define NO_WRITE ((struct lp_write){.set = LP_SETS})

PERL_STATIC_INLINE lp_write_status set_keepcaps(unsigned long value)
{
    const uint64_t keep_caps = LP_BIT(LP_SECURE_KEEP_CAPS);
    lp_write_status change = {lp_change(PR_SET_KEEPCAPS, value, 0, 0, 0), NO_WRITE};
    const int error = errno;

    /* A lock refuses even the value that is there: ask about the other. Setpcap, which a
     * store into securebits wants, has no part in this. */
    if (change.status == -1 && lp_bit(LP_SECURE, LP_SECURE_KEEP_CAPS_LOCKED) == 1)
        change.write = (struct lp_write){
            .set = LP_SECURE,
            .keep = ~keep_caps,
            .raise = lp_bit(LP_SECURE, LP_SECURE_KEEP_CAPS) == 1 ? 0 : keep_caps,
        };
    errno = error;
    return change;
}

/* A call was refused: the caller gets a value, unless it wants an exception. */
#define refused_call(cv, ax, count, write) S_refused_call(aTHX_ cv, ax, count, write)
static void S_refused_call(pTHX_ CV *cv, I32 ax, I32 count, const struct lp_write *write)
{
    int error = errno;

    if (fatal())
        die_of(refusal_text(call_text_at(cv, ax, count), error,
                            write && write->set < LP_SETS ? lp_why(write, error) : no_reason),
               error);
    errno = error;
}

/* For typemap: a new value, while the arguments are still on the stack. */
#define status_sv(cv, ax, count, status) S_status_sv(aTHX_ cv, ax, count, status, NULL)
#define change_sv(cv, ax, count, change)                                          \
    S_status_sv(aTHX_ cv, ax, count, (change).status, &(change).write)
static SV *S_status_sv(pTHX_ CV *cv, I32 ax, I32 count, long status,
                       const struct lp_write *write)
{
    if (status == -1)
        refused_call(cv, ax, count, write);
    return newSViv(status);
}

#define answer_sv(cv, ax, count, answer) S_answer_sv(aTHX_ cv, ax, count, answer)
static SV *S_answer_sv(pTHX_ CV *cv, I32 ax, I32 count, struct lp_answer answer)
{
    if (answer.failed) {
        refused_call(cv, ax, count, NULL);
        return newSV(0);
    }
    if (answer.value > UV_MAX) /* a cookie may be wider than perl's numbers */
        return newSVnv((NV)answer.value);
    return newSVuv((UV)answer.value);
}

#endif
