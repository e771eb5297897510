/* Has the process other threads? Credentials belong to a thread. */
#ifndef LP_THREADS_H
#define LP_THREADS_H

#include <limits.h>

#pragma GCC visibility push(hidden)

/* Nobody can tell. */
#define LP_THREADS_UNKNOWN UINT_MAX

/* How many the process has beside this one. */
unsigned lp_other_threads(void);
/* The same asked of the kernel, also where the C library is sure of the answer: it does not
 * see a thread that was made without it. */
unsigned lp_count_other_threads(void);

/* Do those that it has beside this one all end by themselves? One that was joined is counted
 * until the kernel has put it away. */
enum lp_leaving { LP_ONE_STAYS, LP_ALL_LEAVE, LP_LEAVING_UNKNOWN };
enum lp_leaving lp_others_leave(void);

#pragma GCC visibility pop

#endif
