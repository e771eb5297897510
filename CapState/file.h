/* The capabilities that a file has. */
#ifndef LP_FILE_H
#define LP_FILE_H

#include <limits.h>
#include <sys/stat.h>

#include "../src/attribute.h"

#pragma GCC visibility push(hidden)

/* A file by its path, or by a descriptor where there is none. */
struct lp_file {
    const char *path;
    int fd;
    bool follow;             /* a symbolic link at the end of the path */
    char followed[PATH_MAX]; /* the file that it led to, once that is known, or "" */
};

enum lp_file_trouble {
    LP_FILE_REFUSED,     /* by the kernel: errno */
    LP_FILE_UNCHANGED,   /* likewise, a change */
    LP_FILE_IRREGULAR,   /* not a regular file: mode */
    LP_FILE_NO_PROC,     /* a path needs proc(5) at /proc */
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
    bool changed; /* the file, all the same */
};

/* The descriptors of this thread, which may have its own, and whether that is so. */
#define LP_DESCRIPTORS "/proc/thread-self/fd"
bool lp_has_proc(void);

/* What getxattr(2) answered between lp_before_getxattr and lp_after_getxattr: as
 * lp_file_get. */
#define LP_ATTRIBUTE_ROOM 256
int lp_file_read(ssize_t length, const unsigned char *bytes, struct lp_file_caps *caps,
                 struct lp_file_failure *failure);

/* 1: it has some; 0: it has none; -1: errno, and the failure. */
int lp_file_get(struct lp_file *file, struct lp_file_caps *caps,
                struct lp_file_failure *failure);
/* Both look at the file again: 0 only if it is as it should be. Removing answers 1
 * where there was something to remove. */
int lp_file_set(struct lp_file *file, const struct lp_file_caps *caps,
                struct lp_file_failure *failure);
int lp_file_remove(struct lp_file *file, struct lp_file_failure *failure);

#pragma GCC visibility pop

#endif
