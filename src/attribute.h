/* The capabilities of a file as a value, and as the bytes of the attribute
 * security.capability. */
#ifndef LP_ATTRIBUTE_H
#define LP_ATTRIBUTE_H

#include "lp.h"

#pragma GCC visibility push(hidden)

#define LP_ATTRIBUTE "security.capability"
#define LP_ATTRIBUTE_BYTES 24 /* of version 3, the longest */

/* A file has permitted and inheritable, one flag for effective, and the user id
 * that is root in the user namespaces where all this counts (0: anywhere). */
struct lp_file_caps {
    struct lp_caps caps; /* its effective set stays empty */
    uint32_t effective;
    uint32_t rootid;
};

#define LP_MOST_ROOTID 0xfffffffeU

/* Around getxattr(2), for any attribute: what has to be in the buffer before, and what the
 * answer says. That is a length; or -1 and errno, also where no kernel answers like that: more
 * bytes than there was room for, or none where there should be some. */
void lp_before_getxattr(void *bytes, size_t size);
ssize_t lp_after_getxattr(ssize_t length, const void *bytes, size_t size);

/* The next four bytes of an attribute as a number: they are little-endian everywhere. */
uint32_t lp_attribute_word(const unsigned char *bytes);

bool lp_same_caps(const struct lp_caps *a, const struct lp_caps *b);
bool lp_same_file_caps(const struct lp_file_caps *a, const struct lp_file_caps *b);

size_t lp_file_caps_to_attribute(const struct lp_file_caps *caps,
                                 unsigned char bytes[LP_ATTRIBUTE_BYTES]);

enum lp_malformed {
    LP_WELL_FORMED,
    LP_NO_VERSION,
    LP_BAD_VERSION,
    LP_BAD_LENGTH,
    LP_BAD_FLAGS,
    LP_BAD_ROOTID
};

/* Why an attribute cannot be read. */
struct lp_malformation {
    enum lp_malformed what;
    uint32_t magic;
    size_t length;
    size_t wanted; /* the length that its version has */
};

int lp_file_caps_from_attribute(const unsigned char *bytes, size_t length,
                                struct lp_file_caps *caps, struct lp_malformation *why);

#pragma GCC visibility pop

#endif
