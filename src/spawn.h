/* Starting a program in a child that first becomes what a plan says. */
#ifndef LP_SPAWN_H
#define LP_SPAWN_H

#include <signal.h>

#include "look.h"
#include "lp.h"
#include "plan.h"
#include "setpriv.h"

#pragma GCC visibility push(hidden)

/* What becomes a descriptor of the program: a file, or another descriptor. */
struct lp_redirection {
    int target;
    const char *path; /* NULL: the descriptor */
    int flags;        /* of open(2) */
    int source;
};

struct lp_limit {
    int resource;
    uint64_t soft, hard;
};

#define LP_NO_LIMIT UINT64_MAX

struct lp_spawn {
    bool becomes; /* what the plan says; else it stays who the parent is */
    struct lp_plan plan;
    const char *const *file; /* the program: each is tried, NULL behind the last */
    char *const *argv;
    char *const *env;
    const char *root;      /* NULL: as it is */
    const char *directory; /* the same */
    struct lp_redirection *fd;
    unsigned fds;
    const struct lp_limit *limit;
    unsigned limits;
    bool new_session, sets_group, sets_umask, sets_nice;
    pid_t group;
    mode_t umask;
    int nice;
    uint64_t defaults; /* signals that the program does not ignore: a bit for each */
    bool copy;         /* in a copy of the memory */
};

/* What a child does, in order; and how far it came. */
enum lp_spawn_stage {
    LP_SPAWN_NOT_BEGUN,
    LP_SPAWN_BEGUN,
    LP_SPAWN_LOCK,
    LP_SPAWN_SIGNALS,
    LP_SPAWN_DUMPABLE,
    LP_SPAWN_SESSION,
    LP_SPAWN_GROUP,
    LP_SPAWN_UMASK,
    LP_SPAWN_STATUS,
    LP_SPAWN_FD,
    LP_SPAWN_CLOSE,
    LP_SPAWN_LIMIT,
    LP_SPAWN_NICE,
    LP_SPAWN_ROOT,
    LP_SPAWN_CREDENTIALS,
    LP_SPAWN_DIRECTORY,
    LP_SPAWN_MASK,
    LP_SPAWN_FILTER,
    LP_SPAWN_EXEC,
    LP_SPAWN_KILLED,
    LP_SPAWN_WAIT,
    LP_SPAWN_DONE
};

/* What came of it. */
struct lp_spawned {
    enum lp_spawn_stage stage;
    int error;
    unsigned index; /* which descriptor, limit or file */
    int status;     /* of a child that was killed, as wait(2) tells it */
    struct lp_outcome outcome;
};

/* Memory that a child shares with its parent. */
struct lp_spawn_memory {
    struct lp_spawned spawned;
    struct lp_buffer buffer; /* for looks at a process with at most so many groups */
    char *stack;             /* its lower end */
    size_t stack_size;
    size_t size; /* of all */
};

/* NULL and errno, if there is none. */
struct lp_spawn_memory *lp_spawn_memory(size_t groups);
void lp_free_spawn_memory(struct lp_spawn_memory *memory);

/* The process id of the program, or -1 and what went wrong; then there is no child. */
pid_t lp_spawn(struct lp_spawn *spawn, struct lp_spawn_memory *memory);

#pragma GCC visibility pop

#endif
