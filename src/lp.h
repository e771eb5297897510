/* What Linux::Prctl knows of the kernel, in plain C: nothing here has heard of Perl. Each part
 * has a header and a source of its own; these are the parts that most of them need. */
#ifndef LP_H
#define LP_H

#include "numbers.h"
#include "names.h"
#include "memory.h"
#include "caps.h"
#include "kernel.h"
#include "supported.h"
#include "threads.h"
#include "sets.h"
#include "threads.h"
#include "rules.h"
#include "why.h"

#endif
