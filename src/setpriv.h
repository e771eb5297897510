/* setpriv: from what a process is to what it shall be. The steps between the two
 * are found first, over a model of the kernel's rules; then taken; then verified. */
#ifndef LP_SETPRIV_H
#define LP_SETPRIV_H

#include "lp.h"

#pragma GCC visibility push(hidden)

enum lp_slot { LP_REAL_ID, LP_EFFECTIVE_ID, LP_SAVED_ID, LP_FS_ID, LP_SLOTS };

struct lp_groups {
    size_t count;
    gid_t *ids; /* sorted; NULL where nobody told */
};

/* Everything that setpriv changes. */
struct lp_state {
    uid_t uid[LP_SLOTS];
    gid_t gid[LP_SLOTS];
    struct lp_groups groups;
    struct lp_creds creds;
    uint64_t no_new_privs;
    uint64_t pdeathsig;
};

/* Its parts, by name; a set of them has the bit of each one's place in the table. */
enum lp_kind { LP_KIND_IDS, LP_KIND_GROUPS, LP_KIND_CAPS, LP_KIND_SECUREBITS, LP_KIND_NUMBER };

enum lp_field {
    LP_FIELD_UID,
    LP_FIELD_GID,
    LP_FIELD_GROUPS,
    LP_FIELD_EFFECTIVE,
    LP_FIELD_PERMITTED,
    LP_FIELD_INHERITABLE,
    LP_FIELD_AMBIENT,
    LP_FIELD_BOUNDING,
    LP_FIELD_SECUREBITS,
    LP_FIELD_NO_NEW_PRIVS,
    LP_FIELD_PDEATHSIG,
    LP_FIELDS
};

struct lp_field_info {
    const char *name;
    enum lp_kind kind;
    size_t offset;
    const char *proc; /* its line in /proc/thread-self/status */
};

extern const struct lp_field_info lp_fields[LP_FIELDS];

/* Where a number or a set of bits stands in a state. */
uint64_t *lp_field_number(struct lp_state *state, enum lp_field field);
/* Where its four ids stand. */
uint32_t *lp_field_ids(struct lp_state *state, enum lp_field field);

/* The fields in which two states differ. */
unsigned lp_differ(const struct lp_state *a, const struct lp_state *b);

/* ---- foresee.c: the model ---- */

enum lp_act {
    LP_ACT_CAPSET,
    LP_ACT_KEEPCAPS,
    LP_ACT_SETGROUPS,
    LP_ACT_SETRESGID,
    LP_ACT_SECUREBITS,
    LP_ACT_BOUNDING,
    LP_ACT_SETRESUID,
    LP_ACT_AMBIENT_LOWER,
    LP_ACT_AMBIENT_RAISE,
    LP_ACT_NO_NEW_PRIVS,
    LP_ACT_PDEATHSIG
};

struct lp_step {
    unsigned number; /* as the manual counts them */
    enum lp_act act;
    struct lp_caps caps; /* of capset */
    uint64_t value;      /* of the others: bits, or a number */
};

#define LP_MOST_STEPS 20

struct lp_plan {
    /* what it is made from */
    struct lp_state start;
    struct lp_state target;
    unsigned unsure; /* fields that are set even if they seem to be right */
    bool setgroups_denied;
    pid_t parent;      /* who it must still be when the death signal is armed */
    bool check_parent; /* even where the signal is armed already */
    bool exit;         /* end the process where it fails */
    /* what it is */
    unsigned count;
    struct lp_step step[LP_MOST_STEPS];
    struct lp_state after[LP_MOST_STEPS];
    struct lp_refusal refusal; /* of the last step, if it would be refused */
    unsigned unreached;        /* the fields that it does not bring to the target */
};

void lp_make_plan(struct lp_plan *plan);
/* One step, by the kernel's rules: what refuses it, or the state it leads to. */
struct lp_refusal lp_foresee(const struct lp_plan *plan, const struct lp_step *step,
                             struct lp_state *state);
/* What an exec of a program without privileges of its own would leave. */
struct lp_state lp_after_exec(const struct lp_state *state);

/* ---- setpriv.c: the kernel ---- */

/* The ids of a user namespace: at most 340 lines of three numbers. */
struct lp_map {
    char text[340 * 3 * 11 + 1];
};

/* From its file under /proc. */
int lp_read_map(const char *path, struct lp_map *map);
bool lp_in_map(const struct lp_map *map, unsigned long id);
/* Is there no id that it leaves out? */
bool lp_maps_all(const struct lp_map *map);
/* May groups that are mapped, or none, be set in it at all? */
bool lp_setgroups_denied(bool to_none);

/* A state as one witness tells it. */
struct lp_view {
    bool there;
    unsigned untold;  /* the fields that it knows nothing of */
    unsigned differs; /* those that are not as they should be */
    struct lp_state state;
};

enum lp_witness { LP_GETTERS, LP_PROC, LP_WITNESSES };

/* Room for reading without allocating. */
struct lp_room {
    size_t groups;           /* as many as one view may have */
    gid_t *ids[LP_WITNESSES]; /* each of that many */
    size_t size;
    char *text; /* of /proc/thread-self/status */
};

size_t lp_status_size(size_t groups);

/* Both witnesses, each beside the expected state; NULL: beside the getters. */
void lp_look(const struct lp_room *room, int proc, const struct lp_state *expected,
             struct lp_view view[LP_WITNESSES]);
int lp_open_status(void);
/* Is there nobody who could answer for the kernel? */
bool lp_unfiltered(void);

enum lp_stage {
    LP_DONE,
    LP_UNTOUCHED, /* it did not begin */
    LP_AT_STEP,
    LP_NOT_GIVEN_UP_UID, /* an id could be taken back */
    LP_NOT_GIVEN_UP_GID,
    LP_NOT_VERIFIED,
    LP_STILL_BLOCKED /* the signals */
};

struct lp_outcome {
    enum lp_stage stage;
    unsigned step; /* its index */
    int error;
    unsigned cap;    /* which it was about, or LP_CAPS */
    unsigned long id;
    struct lp_view view[LP_WITNESSES]; /* when it failed */
    struct lp_view left[LP_WITNESSES]; /* after everything was given up */
};

/* One step's system calls: 0, or -1 and errno. cap: the capability that was refused. */
int lp_take(const struct lp_plan *plan, const struct lp_step *step, unsigned *cap);
/* The whole plan. Nothing in it allocates: there is room for two looks. */
enum lp_stage lp_setpriv(const struct lp_plan *plan, const struct lp_room room[2],
                         struct lp_outcome *outcome);

#pragma GCC visibility pop

#endif
