/* The attribute security.capability: little-endian words. */
#include "attribute.h"

#include <errno.h>
#include <string.h>

#define UNTOUCHED 0x5a /* no attribute of interest begins with four of these */

void lp_before_getxattr(void *bytes, size_t size)
{
    memset(bytes, UNTOUCHED, size);
}

ssize_t lp_after_getxattr(ssize_t length, const void *bytes, size_t size)
{
    static const unsigned char untouched[] = {UNTOUCHED, UNTOUCHED, UNTOUCHED, UNTOUCHED};

    if (length == -1)
        return -1;
    if (length < 0 || (size_t)length > size
        || ((size_t)length >= sizeof untouched
            && memcmp(bytes, untouched, sizeof untouched) == 0))
        return lp_no_answer();
    return length;
}

bool lp_same_caps(const struct lp_caps *a, const struct lp_caps *b)
{
    return memcmp(a->set, b->set, sizeof a->set) == 0;
}

bool lp_same_file_caps(const struct lp_file_caps *a, const struct lp_file_caps *b)
{
    return lp_same_caps(&a->caps, &b->caps) && a->effective == b->effective
        && a->rootid == b->rootid;
}

#define REVISION 0xff000000U
#define REVISION_1 0x01000000U /* magic, permitted, inheritable */
#define REVISION_2 0x02000000U /* magic, twice permitted and inheritable */
#define REVISION_3 0x03000000U /* the same, and the root id */
#define EFFECTIVE 0x000001U

uint32_t lp_attribute_word(const unsigned char *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16
         | (uint32_t)bytes[3] << 24;
}

static uint32_t get_word(const unsigned char *bytes, size_t word)
{
    return lp_attribute_word(bytes + 4 * word);
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
