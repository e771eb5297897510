/* The credentials of a process: everything that decides what it may do and that can be
 * changed, by name, and how two of them differ. */
#ifndef LP_CREDS_H
#define LP_CREDS_H

#include <stdbool.h>

#include "caps.h"

#pragma GCC visibility push(hidden)

/* The fields of credentials, by name. A set of fields has the bit of each one's place. */
enum lp_field_type { LP_TYPE_IDS, LP_TYPE_GROUPS, LP_TYPE_CAPS, LP_TYPE_SECUREBITS, LP_TYPE_NUMBER };

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

#define LP_FIELD(NAME) (1U << LP_FIELD_##NAME)

struct lp_field_info {
    const char *name;
    enum lp_field_type type;
    size_t offset;
    const char *proc; /* its line in /proc/PID/status */
};

extern const struct lp_field_info lp_fields[LP_FIELDS];

/* Where a number or a set stands in credentials. */
uint64_t *lp_field_number(struct lp_creds *creds, enum lp_field field);
/* Where its four ids stand. */
uint32_t *lp_field_ids(struct lp_creds *creds, enum lp_field field);

/* The fields in which two differ. Groups that nobody told differ from all others. */
unsigned lp_differ(const struct lp_creds *a, const struct lp_creds *b);

/* qsort(3) may allocate. */
void lp_sort_ids(gid_t *ids, size_t count);

#pragma GCC visibility pop

#endif
