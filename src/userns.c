/* User namespaces: which ids are mapped, and whether groups may be set. */
#include "userns.h"

#include "kernel.h"

#include <stdlib.h>
#include <string.h>

int lp_read_map(bool users, struct lp_map *map)
{
    const char *path = users ? "/proc/self/uid_map" : "/proc/self/gid_map";

    return lp_read_file(path, map->text, sizeof map->text) < 0 ? -1 : 0;
}

struct range {
    unsigned long first, count;
};

/* The next line: the first id inside, the first outside, and how many there are. */
static bool next_range(const char **at, struct range *range)
{
    char *end;

    if (!**at)
        return false;
    range->first = strtoul(*at, &end, 10);
    (void)strtoul(end, &end, 10);
    range->count = strtoul(end, &end, 10);
    *at = end + strcspn(end, "\n");
    *at += **at == '\n';
    return true;
}

bool lp_in_map(const struct lp_map *map, unsigned long id)
{
    const char *at = map->text;
    struct range range;

    while (next_range(&at, &range))
        if (id >= range.first && id - range.first < range.count)
            return true;
    return false;
}

bool lp_maps_all(const struct lp_map *map)
{
    const char *at = map->text;
    struct range range;
    unsigned long ids = 0;

    while (next_range(&at, &range))
        ids += range.count;
    return ids == UINT32_MAX; /* the last one is no id */
}

bool lp_setgroups_denied(bool to_none)
{
    char text[16];

    /* Not before there is a map; to be in it, an id needs one. */
    if (to_none && lp_read_file("/proc/self/gid_map", text, sizeof text) == 0)
        return true;
    return lp_read_file("/proc/self/setgroups", text, sizeof text) > 0
           && strncmp(text, "deny", 4) == 0;
}
