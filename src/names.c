/* Names of capabilities and securebits. */
#include "lp.h"

#include <string.h>

struct name {
    const char *text;
    size_t length;
};

static const struct name caps[] = {
#define CAP(number, name) [number] = {#name, sizeof #name - 1},
#include "capabilities.inc"
#undef CAP
};

static const struct name securebits[] = {
#define SECUREBIT(bit, name, NAME) [bit] = {#name, sizeof #name - 1},
#define SECUREMASK(name, value)
#include "securebits.inc"
#undef SECUREBIT
#undef SECUREMASK
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* Equal but for case; names are ASCII, whatever the locale. */
static bool same(const char *name, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = text[i];

        if (c >= 'A' && c <= 'Z')
            c += 'a' - 'A';
        if (c != name[i])
            return false;
    }
    return true;
}

bool lp_same_word(const char *word, const char *text, size_t length)
{
    return strlen(word) == length && same(word, text, length);
}

static int find(const struct name *table, size_t count, const char *text, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (table[i].length == length && same(table[i].text, text, length))
            return (int)i;
    return -1;
}

static void skip(const char **text, size_t *length, const char *prefix, size_t size)
{
    if (*length > size && same(prefix, *text, size)) {
        *text += size;
        *length -= size;
    }
}

bool lp_decimal(const char *text, size_t length, unsigned long most, unsigned long *number)
{
    unsigned long value = 0;

    if (!length || (length > 1 && *text == '0'))
        return false;
    for (size_t i = 0; i < length; i++) {
        const unsigned digit = (unsigned)text[i] - '0';

        if (digit > 9 || digit > most || value > (most - digit) / 10)
            return false;
        value = 10 * value + digit;
    }
    *number = value;
    return true;
}

int lp_cap_number(const char *text, size_t length)
{
    unsigned long number;

    skip(&text, &length, "cap_", 4);
    return lp_decimal(text, length, LP_CAPS - 1, &number) ? (int)number
                                                           : find(caps, COUNT(caps), text, length);
}

const char *lp_cap_name(unsigned cap)
{
    return cap < COUNT(caps) ? caps[cap].text : NULL;
}

enum lp_telling lp_telling(uint64_t set, uint64_t all, uint64_t *named)
{
    const uint64_t missing = all & ~set;

    *named = 0;
    if (!set)
        return LP_TELL_NONE;
    if (!missing)
        return LP_TELL_ALL;
    if (__builtin_popcountll(missing) < __builtin_popcountll(set)) {
        *named = missing;
        return LP_TELL_ALL_BUT;
    }
    *named = set;
    return LP_TELL_THESE;
}

int lp_securebit_number(const char *text, size_t length)
{
    skip(&text, &length, "secbit_", 7);
    return find(securebits, COUNT(securebits), text, length);
}

const char *lp_securebit_name(unsigned bit)
{
    return bit < COUNT(securebits) ? securebits[bit].text : NULL;
}
