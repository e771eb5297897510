/* Making a child: clone(2), whose answer is not believed alone. */
#ifndef LP_CLONE_H
#define LP_CLONE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#pragma GCC visibility push(hidden)

/* Where a child begins: code(argument), which never returns; and its stack. */
struct lp_beginning {
    int (*code)(void *argument);
    void *argument;
    char *stack; /* its lower end */
    size_t stack_size;
};

/* A child that shares the memory, or has a copy of it. Both ways, the caller waits until the
 * child executes or ends; and who ends without having executed sends no signal, and is waited
 * for with __WCLONE. -1 and errno: there is no child, whatever clone(2) answered. */
pid_t lp_clone_sharing(const struct lp_beginning *begin);
pid_t lp_clone_copying(const struct lp_beginning *begin);

#pragma GCC visibility pop

#endif
