/* What is a process? Two sources tell: the getters, and /proc/thread-self/status. */
#ifndef LP_LOOK_H
#define LP_LOOK_H

#include <stdbool.h>

#include "creds.h"

#pragma GCC visibility push(hidden)

enum lp_source { LP_GETTERS, LP_PROC, LP_SOURCES };

/* Credentials as one source tells them. */
struct lp_reading {
    bool there;
    unsigned untold;  /* the fields that it knows nothing of */
    unsigned differs; /* those that are not as they should be */
    unsigned threads; /* 0: it does not tell */
    struct lp_creds creds;
};

/* Memory for reading without allocating. */
struct lp_buffer {
    size_t groups;           /* as many as one reading may have */
    gid_t *ids[LP_SOURCES]; /* each of that many */
    size_t size;
    char *text; /* of /proc/thread-self/status */
};

/* How long a status file may be that tells of so many groups. */
size_t lp_status_size(size_t groups);

/* The status file of the calling thread, or -1: also where /proc is not what it seems. */
int lp_open_status(void);

/* Both sources, each beside what is expected; NULL: beside the getters. status: an open status
 * file, or -1. */
void lp_look(const struct lp_buffer *buffer, int status, const struct lp_creds *expected,
             struct lp_reading reading[LP_SOURCES]);

/* The fields that a reading does not tell. */
unsigned lp_unknown_fields(const struct lp_creds *creds);

/* May a seccomp filter answer in the kernel's place? */
bool lp_filtered(void);

#pragma GCC visibility pop

#endif
