/* User namespaces: which ids are mapped, and whether groups may be set. */
#ifndef LP_USERNS_H
#define LP_USERNS_H

#include <stdbool.h>

#pragma GCC visibility push(hidden)

/* The ids of a user namespace: at most 340 lines of three numbers. */
struct lp_map {
    char text[340 * 3 * 11 + 1];
};

/* The caller's map of user ids, or of group ids; -1 where /proc does not tell. */
int lp_read_map(bool users, struct lp_map *map);
bool lp_in_map(const struct lp_map *map, unsigned long id);
/* Is there no id that it leaves out? */
bool lp_maps_all(const struct lp_map *map);
/* May groups that are mapped, or none, not be set in it at all? */
bool lp_setgroups_denied(bool to_none);

#pragma GCC visibility pop

#endif
