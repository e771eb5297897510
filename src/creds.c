/* The fields of credentials, and how two of them differ. */
#include "creds.h"

#include <string.h>

#define FIELD(name, type, member, proc) {name, type, offsetof(struct lp_creds, member), proc}

const struct lp_field_info lp_fields[LP_FIELDS] = {
    [LP_FIELD_UID] = FIELD("uid", LP_TYPE_IDS, uid, "Uid:"),
    [LP_FIELD_GID] = FIELD("gid", LP_TYPE_IDS, gid, "Gid:"),
    [LP_FIELD_GROUPS] = FIELD("groups", LP_TYPE_GROUPS, groups, "Groups:"),
    [LP_FIELD_EFFECTIVE] =
        FIELD("effective", LP_TYPE_CAPS, caps.set[LP_EFFECTIVE], "CapEff:"),
    [LP_FIELD_PERMITTED] =
        FIELD("permitted", LP_TYPE_CAPS, caps.set[LP_PERMITTED], "CapPrm:"),
    [LP_FIELD_INHERITABLE] =
        FIELD("inheritable", LP_TYPE_CAPS, caps.set[LP_INHERITABLE], "CapInh:"),
    [LP_FIELD_AMBIENT] = FIELD("ambient", LP_TYPE_CAPS, ambient, "CapAmb:"),
    [LP_FIELD_BOUNDING] = FIELD("bounding", LP_TYPE_CAPS, bounding, "CapBnd:"),
    [LP_FIELD_SECUREBITS] = FIELD("securebits", LP_TYPE_SECUREBITS, securebits, NULL),
    [LP_FIELD_NO_NEW_PRIVS] =
        FIELD("no_new_privs", LP_TYPE_NUMBER, no_new_privs, "NoNewPrivs:"),
    [LP_FIELD_PDEATHSIG] = FIELD("pdeathsig", LP_TYPE_NUMBER, pdeathsig, NULL),
};

uint64_t *lp_field_number(struct lp_creds *creds, enum lp_field field)
{
    return (uint64_t *)(void *)((char *)creds + lp_fields[field].offset);
}

uint32_t *lp_field_ids(struct lp_creds *creds, enum lp_field field)
{
    return (uint32_t *)(void *)((char *)creds + lp_fields[field].offset);
}

static bool same_groups(const struct lp_groups *a, const struct lp_groups *b)
{
    return a->ids && b->ids && a->count == b->count
           && (!a->count || memcmp(a->ids, b->ids, a->count * sizeof *a->ids) == 0);
}

unsigned lp_differ(const struct lp_creds *a, const struct lp_creds *b)
{
    unsigned differ = 0;

    for (unsigned field = 0; field < LP_FIELDS; field++) {
        const char *one = (const char *)a + lp_fields[field].offset;
        const char *other = (const char *)b + lp_fields[field].offset;
        bool same;

        switch (lp_fields[field].type) {
        case LP_TYPE_IDS:
            same = memcmp(one, other, sizeof a->uid) == 0;
            break;
        case LP_TYPE_GROUPS:
            same = same_groups(&a->groups, &b->groups);
            break;
        default:
            same = memcmp(one, other, sizeof(uint64_t)) == 0;
        }
        if (!same)
            differ |= 1U << field;
    }
    return differ;
}

void lp_sort_ids(gid_t *ids, size_t count)
{
    for (size_t gap = count / 2; gap; gap /= 2)
        for (size_t i = gap; i < count; i++) {
            gid_t id = ids[i];
            size_t at = i;

            for (; at >= gap && ids[at - gap] > id; at -= gap)
                ids[at] = ids[at - gap];
            ids[at] = id;
        }
}
