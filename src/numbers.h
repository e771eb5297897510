/* Numbers and their names in C: constants.inc, capabilities.inc and securebits.inc. */
#ifndef LP_NUMBERS_H
#define LP_NUMBERS_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

enum lp_option {
#define OPTION(name, number) name = number,
#define VALUE(name, number)
#include "constants.inc"
#undef OPTION
#undef VALUE
    LP_NO_OPTION = -1
};

enum lp_value {
#define OPTION(name, number)
#define VALUE(name, number) LP_##name = number,
#include "constants.inc"
#undef OPTION
#undef VALUE
    LP_NO_VALUE
};

enum lp_cap {
#define CAP(number, name) LP_CAP_##name = number,
#include "capabilities.inc"
#undef CAP
    LP_CAPS_NAMED, /* one more than the last of them */
    LP_CAPS = 64   /* the kernel's sets have 64 bits */
};

enum lp_securebit {
#define SECUREBIT(bit, name, NAME) LP_SECURE_##NAME = bit,
#define SECUREMASK(name, value)
#include "securebits.inc"
#undef SECUREBIT
#undef SECUREMASK
    LP_SECUREBITS
};

#define LP_BIT(number) ((uint64_t)1 << (number))

#pragma GCC visibility pop

#endif
