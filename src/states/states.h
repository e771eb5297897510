/* Capabilities as values: their text, which is libcap's, and those of files. */
#ifndef LP_STATES_H
#define LP_STATES_H

#include <sys/stat.h>

#include "../lp.h"

#pragma GCC visibility push(hidden)

/* ---- text.c ---- */

enum lp_misread {
    LP_TEXT_FINE,
    LP_TEXT_NO_CAP,     /* a word that is no capability */
    LP_TEXT_NO_FLAG,    /* something else than flags behind an operator */
    LP_TEXT_NO_GRAMMAR, /* the whole of it, says libcap */
    LP_TEXT_PARTLY_EFFECTIVE,
    LP_TEXT_NO_ROOTID
};

/* What was wrong with a text, and where. */
struct lp_fault {
    enum lp_misread what;
    const char *at;
    size_t length;
};

/* Text to sets: libcap's grammar, without what libcap would misread. */
int lp_caps_from_text(const char *text, struct lp_caps *caps, struct lp_fault *fault);
/* Sets to text, to be freed with lp_free_text. */
char *lp_caps_to_text(const struct lp_caps *caps);
void lp_free_text(char *text);

/* ---- file.c ---- */

/* A file has permitted and inheritable, one flag for effective, and the user id
 * that is root in the user namespaces where all this counts (0: anywhere). */
struct lp_file_caps {
    struct lp_caps caps; /* its effective set stays empty */
    uint32_t effective;
    uint32_t rootid;
};

#define LP_MOST_ROOTID 0xfffffffeU

int lp_file_caps_from_text(const char *text, struct lp_file_caps *caps, struct lp_fault *fault);
/* The text of all but the root id, to be freed with lp_free_text. */
char *lp_file_caps_to_text(const struct lp_file_caps *caps);

#define LP_ATTRIBUTE_BYTES 24 /* of version 3, the longest */

/* What the attribute security.capability holds. */
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

/* A file by its path, or by a descriptor where there is none. */
struct lp_file {
    const char *path;
    int fd;
};

enum lp_file_trouble {
    LP_FILE_REFUSED,     /* by the kernel: errno */
    LP_FILE_IRREGULAR,   /* not a regular file: mode */
    LP_FILE_NO_PROC,     /* a path needs /proc */
    LP_FILE_MALFORMED,
    LP_FILE_UNREADABLE,  /* malformed, says the kernel, or of version 1 */
    LP_FILE_NO_SUCH_ROOT, /* no such id in this user namespace */
    LP_FILE_OTHERWISE    /* what was read back is not what was written */
};

struct lp_file_failure {
    enum lp_file_trouble what;
    mode_t mode;
    struct lp_malformation malformation;
    struct lp_file_caps found;
    bool none_found;
};

/* 1: it has some; 0: it has none; -1: errno, and the failure. */
int lp_file_get(const struct lp_file *file, struct lp_file_caps *caps,
                struct lp_file_failure *failure);
/* Both look at the file again: 0 only if it is as it should be. Removing answers 1
 * where there was something to remove. */
int lp_file_set(const struct lp_file *file, const struct lp_file_caps *caps,
                struct lp_file_failure *failure);
int lp_file_remove(const struct lp_file *file, struct lp_file_failure *failure);

bool lp_same_caps(const struct lp_caps *a, const struct lp_caps *b);
bool lp_same_file_caps(const struct lp_file_caps *a, const struct lp_file_caps *b);

#pragma GCC visibility pop

#endif
