/* The text of capabilities: libcap's cap_from_text(3) and cap_to_text(3), with a
 * look at each word before libcap sees it. */
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>

#define BLANKS " \t\n\v\f\r"
#define OPERATORS "=+-"
#define FLAGS "eip"
#define PREFIX "cap_"

static int misread(struct lp_fault *fault, enum lp_misread what, const char *at, size_t length)
{
    *fault = (struct lp_fault){what, at, length};
    errno = EINVAL;
    return -1;
}

/* ---- words ---- */

/* libcap may know a name that is younger than ours. Its answer counts only if it
 * gives the same name back: it has been known to look at the beginning alone. */
static int younger_cap(const char *word, size_t length)
{
    char *name = strndup(word, length);
    char *back = NULL;
    cap_value_t cap;
    int number = -1;

    if (name && cap_from_name(name, &cap) == 0 && cap >= 0 && cap < LP_CAPS) {
        back = cap_to_name(cap);
        if (back && strcasecmp(back, name) == 0)
            number = cap;
    }
    if (back)
        (void)cap_free(back);
    free(name);
    return number;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A capability as libcap spells it: "cap_" and a name, or a number; but a number
 * in decimal (010 is ten or nothing), and not above 63. */
static int cap_word(const char *word, size_t length)
{
    const size_t prefix = sizeof PREFIX - 1;
    int cap = lp_cap_number(word, length);

    if (length > 0 && is_digit(*word))
        return cap;
    if (length <= prefix || strncasecmp(word, PREFIX, prefix) != 0 || is_digit(word[prefix]))
        return -1;
    return cap >= 0 ? cap : younger_cap(word, length);
}

/* ---- the text, word for word, with numbers in the place of names ---- */

struct plain {
    char *text;
    size_t length;
};

static void append(struct plain *plain, const char *text, size_t length)
{
    memcpy(plain->text + plain->length, text, length);
    plain->length += length;
}

static void append_cap(struct plain *plain, int cap)
{
    char digits[2] = {(char)('0' + cap / 10), (char)('0' + cap % 10)};

    append(plain, digits + (cap < 10), cap < 10 ? 1 : 2);
}

/* "cap_chown,5" or "all" or nothing */
static int plain_list(const char *list, size_t length, struct plain *plain,
                      struct lp_fault *fault)
{
    const char *end = list + length;

    while (length) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        size_t word = (size_t)((comma ? comma : end) - list);
        int cap = cap_word(list, word);

        if (cap >= 0)
            append_cap(plain, cap);
        else if (word == 3 && strncasecmp(list, "all", word) == 0)
            append(plain, list, word);
        else
            return misread(fault, LP_TEXT_NO_CAP, list, word);
        if (!comma)
            break;
        append(plain, ",", 1);
        list = comma + 1;
    }
    return 0;
}

/* "cap_chown,5=e-p" */
static int plain_clause(const char *clause, size_t length, struct plain *plain,
                        struct lp_fault *fault)
{
    size_t list = strcspn(clause, OPERATORS BLANKS);
    size_t end = list + strspn(clause + list, OPERATORS FLAGS);

    if (plain_list(clause, list, plain, fault) != 0)
        return -1;
    if (end != length)
        return misread(fault, LP_TEXT_NO_FLAG, clause + end, length - end);
    append(plain, clause + list, end - list);
    return 0;
}

/* A number takes no more room than a word, unless that is a digit. */
static int plain_text(const char *text, struct plain *plain, struct lp_fault *fault)
{
    while (*(text += strspn(text, BLANKS))) {
        size_t length = strcspn(text, BLANKS);

        if (plain->length)
            append(plain, " ", 1);
        if (plain_clause(text, length, plain, fault) != 0)
            return -1;
        text += length;
    }
    plain->text[plain->length] = '\0';
    return 0;
}

/* ---- libcap ---- */

static const cap_flag_t flags[] = {
    [LP_EFFECTIVE] = CAP_EFFECTIVE,
    [LP_PERMITTED] = CAP_PERMITTED,
    [LP_INHERITABLE] = CAP_INHERITABLE,
};

static int get_flags(cap_t libcaps, struct lp_caps *caps)
{
    for (int set = LP_EFFECTIVE; set <= LP_INHERITABLE; set++) {
        caps->set[set] = 0;
        for (cap_value_t cap = 0; cap < LP_CAPS; cap++) {
            cap_flag_value_t raised;

            if (cap_get_flag(libcaps, cap, flags[set], &raised) != 0)
                return -1;
            if (raised == CAP_SET)
                caps->set[set] |= LP_BIT(cap);
        }
    }
    return 0;
}

static int set_flags(cap_t libcaps, const struct lp_caps *caps)
{
    for (int set = LP_EFFECTIVE; set <= LP_INHERITABLE; set++)
        for (uint64_t rest = caps->set[set]; rest; rest &= rest - 1) {
            const cap_value_t cap = __builtin_ctzll(rest);

            if (cap_set_flag(libcaps, flags[set], 1, &cap, CAP_SET) != 0)
                return -1;
        }
    return 0;
}

static int parse(const char *text, struct lp_caps *caps)
{
    cap_t libcaps = cap_from_text(text);
    int result = libcaps ? get_flags(libcaps, caps) : -1;

    if (libcaps)
        (void)cap_free(libcaps); /* fails for what is not libcap's */
    return result;
}

int lp_caps_from_text(const char *text, struct lp_caps *caps, struct lp_fault *fault)
{
    struct plain plain = {malloc(strlen(text) + 1), 0};
    int result = -1;

    *fault = (struct lp_fault){LP_TEXT_FINE, NULL, 0};
    if (plain.text && plain_text(text, &plain, fault) == 0) {
        result = parse(plain.text, caps);
        if (result != 0 && errno == EINVAL)
            (void)misread(fault, LP_TEXT_NO_GRAMMAR, text, strlen(text));
    }
    free(plain.text);
    return result;
}

char *lp_caps_to_text(const struct lp_caps *caps)
{
    cap_t libcaps = cap_init();
    char *text = NULL;

    if (libcaps && set_flags(libcaps, caps) == 0)
        text = cap_to_text(libcaps, NULL);
    if (libcaps)
        (void)cap_free(libcaps);
    return text;
}

void lp_free_text(char *text)
{
    if (text)
        (void)cap_free(text);
}

/* ---- of a file ---- */

/* All of them effective and nothing else: how setcap(8) spells the flag alone. */
#define FLAG_ALONE "=e"
#define ROOTID "rootid="

static uint64_t granted(const struct lp_file_caps *caps)
{
    return caps->caps.set[LP_PERMITTED] | caps->caps.set[LP_INHERITABLE];
}

/* What the text makes effective is all of the file's, or nothing. */
static int take_flag(struct lp_file_caps *caps, struct lp_fault *fault)
{
    const uint64_t effective = caps->caps.set[LP_EFFECTIVE];
    uint64_t wanted = granted(caps);

    if (!wanted) {
        struct lp_caps alone;

        if (lp_caps_from_text(FLAG_ALONE, &alone, fault) != 0)
            return -1;
        wanted = alone.set[LP_EFFECTIVE];
    }
    if (effective && effective != wanted) {
        fault->what = LP_TEXT_PARTLY_EFFECTIVE;
        errno = EINVAL;
        return -1;
    }
    caps->effective = effective != 0;
    caps->caps.set[LP_EFFECTIVE] = 0;
    return 0;
}

static int take_rootid(const char *text, struct lp_file_caps *caps, struct lp_fault *fault)
{
    const char *digits = text + sizeof ROOTID - 1;
    const size_t count = strspn(digits, "0123456789");
    const size_t rest = strlen(digits);
    unsigned long long number = strtoull(digits, NULL, 10);

    if (!count || count > 10 || (*digits == '0' && count > 1) || number > LP_MOST_ROOTID
        || digits[count + strspn(digits + count, " ")] != '\0') {
        *fault = (struct lp_fault){LP_TEXT_NO_ROOTID, text, sizeof ROOTID - 1 + rest};
        errno = EINVAL;
        return -1;
    }
    caps->rootid = (uint32_t)number;
    return 0;
}

int lp_file_caps_from_text(const char *text, struct lp_file_caps *caps, struct lp_fault *fault)
{
    const char *rootid = strstr(text, " " ROOTID);
    char *sets = strndup(text, rootid ? (size_t)(rootid - text) : strlen(text));
    int result;

    *fault = (struct lp_fault){LP_TEXT_FINE, NULL, 0};
    memset(caps, 0, sizeof *caps);
    if (!sets)
        return -1;
    result = lp_caps_from_text(sets, &caps->caps, fault);
    if (fault->at)
        fault->at = text + (fault->at - sets); /* where the caller can read it */
    free(sets);
    if (result != 0 || take_flag(caps, fault) != 0)
        return -1;
    return rootid ? take_rootid(rootid + 1, caps, fault) : 0;
}

char *lp_file_caps_to_text(const struct lp_file_caps *caps)
{
    struct lp_caps sets = caps->caps;

    if (caps->effective)
        sets.set[LP_EFFECTIVE] = granted(caps);
    if (caps->effective && !granted(caps)) {
        struct lp_fault fault;

        if (lp_caps_from_text(FLAG_ALONE, &sets, &fault) != 0)
            return NULL;
    }
    return lp_caps_to_text(&sets);
}
