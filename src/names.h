/* Names of capabilities and securebits, and plain numbers. */
#ifndef LP_NAMES_H
#define LP_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* A plain decimal number up to most: digits alone, and no zero in front, which others
 * would read in octal. */
bool lp_decimal(const char *text, size_t length, unsigned long most, unsigned long *number);

/* Is the text this word, which is in lower case, in any case? */
bool lp_same_word(const char *word, const char *text, size_t length);

/* A capability by name (in any case, with or without "cap_") or as a plain
 * decimal number from 0 to 63; -1 for anything else. */
int lp_cap_number(const char *text, size_t length);
/* Its name, or NULL for one that has none here. */
const char *lp_cap_name(unsigned cap);

/* How a set is told: by what is in it, or where that is less, by what is not. */
enum lp_telling { LP_TELL_NONE, LP_TELL_ALL, LP_TELL_THESE, LP_TELL_ALL_BUT };

enum lp_telling lp_telling(uint64_t set, uint64_t all, uint64_t *named);

/* A securebit by name (in any case, with or without "secbit_"), or -1. */
int lp_securebit_number(const char *text, size_t length);
const char *lp_securebit_name(unsigned bit);

#pragma GCC visibility pop

#endif
