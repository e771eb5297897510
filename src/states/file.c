/* Capabilities of files: the attribute security.capability. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH */
#endif
#include "states.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ATTRIBUTE "security.capability"

/* ---- what the attribute holds: little-endian words ---- */

#define REVISION 0xff000000U
#define REVISION_1 0x01000000U /* magic, permitted, inheritable */
#define REVISION_2 0x02000000U /* magic, twice permitted and inheritable */
#define REVISION_3 0x03000000U /* the same, and the root id */
#define EFFECTIVE 0x000001U

static uint32_t get_word(const unsigned char *bytes, size_t word)
{
    bytes += 4 * word;
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16
         | (uint32_t)bytes[3] << 24;
}

static void put_word(unsigned char *bytes, size_t word, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[4 * word + i] = (unsigned char)(value >> 8 * i);
}

static size_t revision_bytes(uint32_t magic)
{
    switch (magic & REVISION) {
    case REVISION_1:
        return 12;
    case REVISION_2:
        return 20;
    case REVISION_3:
        return LP_ATTRIBUTE_BYTES;
    default:
        return 0;
    }
}

static uint32_t attribute_rootid(const unsigned char *bytes, size_t length)
{
    return length == LP_ATTRIBUTE_BYTES ? get_word(bytes, 5) : 0;
}

static enum lp_malformed malformed(const struct lp_malformation *why, const unsigned char *bytes)
{
    if (why->length < sizeof why->magic)
        return LP_NO_VERSION;
    if (!why->wanted)
        return LP_BAD_VERSION;
    if (why->length != why->wanted)
        return LP_BAD_LENGTH;
    if (why->magic & ~(REVISION | EFFECTIVE))
        return LP_BAD_FLAGS;
    return attribute_rootid(bytes, why->length) > LP_MOST_ROOTID ? LP_BAD_ROOTID
                                                                 : LP_WELL_FORMED;
}

int lp_file_caps_from_attribute(const unsigned char *bytes, size_t length,
                                struct lp_file_caps *caps, struct lp_malformation *why)
{
    *why = (struct lp_malformation){.length = length};
    if (length >= sizeof why->magic) {
        why->magic = get_word(bytes, 0);
        why->wanted = revision_bytes(why->magic);
    }
    why->what = malformed(why, bytes);
    if (why->what != LP_WELL_FORMED) {
        errno = EINVAL;
        return -1;
    }
    memset(caps, 0, sizeof *caps);
    caps->effective = why->magic & EFFECTIVE;
    for (unsigned half = 0; 8 * half + 12 <= length; half++) {
        caps->caps.set[LP_PERMITTED] |= (uint64_t)get_word(bytes, 1 + 2 * half) << 32 * half;
        caps->caps.set[LP_INHERITABLE] |= (uint64_t)get_word(bytes, 2 + 2 * half) << 32 * half;
    }
    caps->rootid = attribute_rootid(bytes, length);
    return 0;
}

size_t lp_file_caps_to_attribute(const struct lp_file_caps *caps,
                                 unsigned char bytes[LP_ATTRIBUTE_BYTES])
{
    uint32_t magic = caps->rootid ? REVISION_3 : REVISION_2;

    put_word(bytes, 0, magic | (caps->effective ? EFFECTIVE : 0));
    for (unsigned half = 0; half < 2; half++) {
        put_word(bytes, 1 + 2 * half, (uint32_t)(caps->caps.set[LP_PERMITTED] >> 32 * half));
        put_word(bytes, 2 + 2 * half, (uint32_t)(caps->caps.set[LP_INHERITABLE] >> 32 * half));
    }
    put_word(bytes, 5, caps->rootid);
    return revision_bytes(magic);
}

bool lp_same_file_caps(const struct lp_file_caps *a, const struct lp_file_caps *b)
{
    return lp_same_caps(&a->caps, &b->caps) && a->effective == b->effective
        && a->rootid == b->rootid;
}

/* ---- text ---- */

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

/* ---- files ---- */

/* An open file: by its descriptor, or by the name that /proc has for it, since
 * the calls that take a descriptor want one that can be read from. */
struct opened {
    int fd;
    bool ours;
    char name[32];
};

static int fail(struct lp_file_failure *failure, enum lp_file_trouble what)
{
    failure->what = what;
    return -1;
}

static void let_go(const struct opened *opened)
{
    int saved = errno;

    if (opened->ours)
        (void)close(opened->fd); /* nothing was written through it */
    errno = saved;
}

static int only_regular(int fd, struct lp_file_failure *failure)
{
    struct stat stat;

    if (fstat(fd, &stat) != 0)
        return fail(failure, LP_FILE_REFUSED);
    if (S_ISREG(stat.st_mode))
        return 0;
    failure->mode = stat.st_mode;
    errno = S_ISLNK(stat.st_mode) ? ELOOP : S_ISDIR(stat.st_mode) ? EISDIR : EINVAL;
    return fail(failure, LP_FILE_IRREGULAR);
}

static int take(const struct lp_file *file, struct opened *opened,
                struct lp_file_failure *failure)
{
    *opened = (struct opened){.fd = file->fd};
    if (file->path) {
        opened->fd = open(file->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (opened->fd < 0)
            return fail(failure, LP_FILE_REFUSED);
        opened->ours = true;
        (void)snprintf(opened->name, sizeof opened->name, "/proc/self/fd/%d", opened->fd);
    }
    if (only_regular(opened->fd, failure) == 0)
        return 0;
    let_go(opened);
    return -1;
}

/* The kernel said no; with a name in /proc, that there is no such name means that
 * there is no /proc. */
static int refused(const struct opened *opened, struct lp_file_failure *failure)
{
    return fail(failure, opened->ours && errno == ENOENT ? LP_FILE_NO_PROC : LP_FILE_REFUSED);
}

/* No attribute, also where the file system has none at all: execve(2) takes both
 * for the same. */
static bool has_none(void)
{
    return errno == ENODATA || errno == EOPNOTSUPP;
}

static int get(const struct opened *opened, struct lp_file_caps *caps,
               struct lp_file_failure *failure)
{
    unsigned char bytes[256];
    int saved = errno;
    ssize_t length = opened->ours ? getxattr(opened->name, ATTRIBUTE, bytes, sizeof bytes)
                                  : fgetxattr(opened->fd, ATTRIBUTE, bytes, sizeof bytes);

    if (length < 0 && has_none()) {
        errno = saved;
        return 0;
    }
    if (length < 0)
        return errno == EINVAL ? fail(failure, LP_FILE_UNREADABLE) : refused(opened, failure);
    if (lp_file_caps_from_attribute(bytes, (size_t)length, caps, &failure->malformation) != 0)
        return fail(failure, LP_FILE_MALFORMED);
    return 1;
}

static int set(const struct opened *opened, struct lp_file_caps *caps,
               struct lp_file_failure *failure)
{
    unsigned char bytes[LP_ATTRIBUTE_BYTES];
    size_t length = lp_file_caps_to_attribute(caps, bytes);
    int found;

    if ((opened->ours ? setxattr(opened->name, ATTRIBUTE, bytes, length, 0)
                      : fsetxattr(opened->fd, ATTRIBUTE, bytes, length, 0)) != 0)
        return errno == EINVAL && caps->rootid ? fail(failure, LP_FILE_NO_SUCH_ROOT)
                                               : refused(opened, failure);
    found = get(opened, &failure->found, failure);
    if (found == 1 && lp_same_file_caps(caps, &failure->found))
        return 0;
    if (found < 0)
        return -1;
    failure->none_found = found == 0;
    errno = EIO;
    return fail(failure, LP_FILE_OTHERWISE);
}

static int remove_all(const struct opened *opened, struct lp_file_caps *left,
                      struct lp_file_failure *failure)
{
    int saved = errno;

    if ((opened->ours ? removexattr(opened->name, ATTRIBUTE)
                      : fremovexattr(opened->fd, ATTRIBUTE)) != 0) {
        if (!has_none())
            return refused(opened, failure);
        errno = saved;
        return 0;
    }
    switch (get(opened, left, failure)) {
    case 0:
        return 1;
    case 1:
        errno = EIO;
        return fail(failure, LP_FILE_OTHERWISE);
    default:
        return -1;
    }
}

/* Opens the file, takes a step, and lets go of it. */
static int with_file(const struct lp_file *file,
                     int (*step)(const struct opened *, struct lp_file_caps *,
                                 struct lp_file_failure *),
                     struct lp_file_caps *caps, struct lp_file_failure *failure)
{
    struct opened opened;
    int result;

    if (take(file, &opened, failure) != 0)
        return -1;
    result = step(&opened, caps, failure);
    let_go(&opened);
    return result;
}

int lp_file_get(const struct lp_file *file, struct lp_file_caps *caps,
                struct lp_file_failure *failure)
{
    return with_file(file, get, caps, failure);
}

int lp_file_set(const struct lp_file *file, const struct lp_file_caps *caps,
                struct lp_file_failure *failure)
{
    struct lp_file_caps wanted = *caps;

    return with_file(file, set, &wanted, failure);
}

int lp_file_remove(const struct lp_file *file, struct lp_file_failure *failure)
{
    return with_file(file, remove_all, &failure->found, failure);
}
