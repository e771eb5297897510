/* What is remembered between two calls. */
#ifndef LP_MEMORY_H
#define LP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel.h"

#pragma GCC visibility push(hidden)

/* Another filter may answer from now on. */
void lp_forget_caps(void);
/* What a bare call has set: whom get_ptracer is to tell of. */
void lp_note_ptracer(long tracer);

/* prctl(2), and what has to be remembered of it. */
LP_INLINE long lp_call(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
                       unsigned long arg5)
{
    long result = lp_prctl(option, arg2, arg3, arg4, arg5);

    if (option == PR_SET_SECCOMP)
        lp_forget_caps();
    else if (option == PR_SET_PTRACER && result == 0)
        lp_note_ptracer((long)arg2);
    return result;
}

long lp_set_seccomp(unsigned long mode, const void *program, size_t instructions);
/* The process that lp_call was last told of, or the parent. */
struct lp_answer lp_get_ptracer(void);

/* The dumpable flag goes off, so that nobody of another user reaches into memory that a child
 * of his shares, and nobody's core dump has it; false: it cannot, or its value could not be
 * given back. */
bool lp_protect_memory(bool ids_change);
/* The last that was protected gives it back. */
void lp_release_memory(void);

enum lp_supported { LP_NO, LP_YES, LP_CANNOT_ASK, LP_UNKNOWN_FUNCTION };
/* Does the running kernel have this capability? */
enum lp_supported lp_supported_cap(unsigned cap);

/* The same, where nobody can tell by whether it has a name. */
bool lp_knows(unsigned cap);
/* Is it sure that it has not? */
bool lp_lacks(unsigned cap);

/* CapState.so asks Prctl.so, so that there is one answer in a process: Prctl.so leaves
 * the address of these two in PL_modglobal. */
#define LP_KNOWN_CAPS_KEY "Linux::Prctl::known_caps"
struct lp_known_caps {
    bool (*knows)(unsigned cap);
    bool (*lacks)(unsigned cap);
};
extern const struct lp_known_caps lp_known_caps;

#pragma GCC visibility pop

#endif
