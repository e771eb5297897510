/* The files of a tree that have capabilities or set-id bits. */
#ifndef LP_FIND_H
#define LP_FIND_H

#include "file.h"

#pragma GCC visibility push(hidden)

struct lp_find_options {
    bool set_id;          /* files with a set-id bit too */
    bool one_file_system; /* what is mounted below a path is left out */
    bool follow;          /* a path that is a symbolic link; none below one is followed */
};

enum lp_find_event {
    LP_FIND_END,
    LP_FIND_FILE,  /* path, stat, and caps if it has some */
    LP_FIND_ERROR, /* path, error and failure: it was left out, the rest goes on */
    LP_FIND_PAUSE  /* nothing yet: the caller may look after other things */
};

struct lp_found {
    const char *path; /* until the next call */
    bool has_caps;
    struct lp_file_caps caps;
    struct stat stat;
    int error;
    struct lp_file_failure failure;
};

struct lp_find;

/* A search without a path; or NULL: want of memory, or of proc(5) at /proc (ENOENT), which
 * kernels before 6.13 need. */
struct lp_find *lp_find_new(const struct lp_find_options *options);
/* One more path to search; -1 for want of memory. */
int lp_find_add(struct lp_find *find, const char *path);
enum lp_find_event lp_find_next(struct lp_find *find, struct lp_found *found);
void lp_find_free(struct lp_find *find);

#pragma GCC visibility pop

#endif
