/* Names of capabilities and securebits. */
#include "lp.h"


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

#define COUNT(table) (sizeof table / sizeof *table)

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

/* Plain decimal, and no leading zero: libcap takes 010 for 8. */
static int decimal(const char *text, size_t length)
{
    int number = 0;

    if (length < 1 || length > 2 || (length == 2 && text[0] == '0'))
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number < LP_CAPS ? number : -1;
}

int lp_cap_number(const char *text, size_t length)
{
    int number;

    skip(&text, &length, "cap_", 4);
    number = decimal(text, length);
    return number >= 0 ? number : find(caps, COUNT(caps), text, length);
}

const char *lp_cap_name(unsigned cap)
{
    return cap < COUNT(caps) ? caps[cap].text : NULL;
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
