/* Does this kernel, on this processor, know a function, or run a security module? */
#ifndef LP_SUPPORTED_H
#define LP_SUPPORTED_H

#include <stdbool.h>
#include <stddef.h>

#include "memory.h"

#pragma GCC visibility push(hidden)

/* Is this security module at work? */
bool lp_has_apparmor(void);
bool lp_has_selinux(void);

enum lp_supported lp_supported(const char *function, size_t length);

#pragma GCC visibility pop

#endif
