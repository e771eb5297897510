/* Credentials belong to a thread: what is said when the process has others. */
#ifndef LP_XS_THREADS_H
#define LP_XS_THREADS_H

#include "../src/threads.h"
#include "errors.h"

#include <time.h>

#define PAUSE_NS 500000
#define MOST_PAUSES 2000 /* a second, and more: how long a thread may take to end */
#define FEW_PAUSES 4     /* ... where nobody tells that it does */

/* Other threads that stay, or do not get out of the way. count: the way to ask. */
PERL_STATIC_INLINE unsigned remaining_threads(unsigned (*count)(void))
{
    const struct timespec pause = {0, PAUSE_NS};
    unsigned others = count();

    for (int i = 0; others && others != LP_THREADS_UNKNOWN && i < MOST_PAUSES; i++) {
        const enum lp_leaving leaving = lp_others_leave();

        if (leaving == LP_ONE_STAYS || (leaving == LP_LEAVING_UNKNOWN && i >= FEW_PAUSES))
            break;
        (void)nanosleep(&pause, NULL); /* interrupted: ask all the sooner */
        others = count();
    }
    return others;
}

#define threads_text(what, others) S_threads_text(aTHX_ what, others)
static SV *S_threads_text(pTHX_ SV *what, unsigned others)
{
    if (others == LP_THREADS_UNKNOWN)
        return sv_2mortal(newSVpvf("%" SVf " changes this thread alone: whether the process has"
                                   " others cannot be told", SVfARG(what)));
    return sv_2mortal(newSVpvf("%" SVf " changes this thread alone: the process has %u other%s,"
                               " and what they may do stays as it is",
                               SVfARG(what), others, others == 1 ? "" : "s"));
}

/* Called when the process has other threads, before this one changes a credential. */
#define beside_threads(what) S_beside_threads(aTHX_ what)
static void S_beside_threads(pTHX_ SV *what)
{
    const int saved = errno;
    const enum severity how = severity(THREADS);
    const unsigned others = how == SILENCE ? 0 : remaining_threads(lp_other_threads);

    errno = saved;
    if (others)
        tell(threads_text(what, others), saved, how);
}

#define CREDENTIAL(what)                                                            \
    STMT_START {                                                                    \
        if (lp_other_threads())                                                     \
            beside_threads(what);                                                   \
    } STMT_END

#endif
