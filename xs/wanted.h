/* What the options of setpriv() and spawn() ask for, before the process is looked at. */
#ifndef LP_XS_WANTED_H
#define LP_XS_WANTED_H

#include "creds_text.h"
#include "identities.h"
#include "values.h"

struct wanted {
    struct id_option real[2], effective[2]; /* of the uid and of the gid */
    enum option decision;                   /* about the groups, or OPTIONS */
    struct lp_groups groups;
    struct set_option caps, ambient, inheritable, bounding, securebits;
    struct signal_option signal;
    bool no_new_privs;
};

enum { UID, GID };

/* The options of one kind of id; what is saved follows what is effective, as with
 * setpriv(1). */
static const struct {
    enum option both, real, effective;
} id_options[] = {
    [UID] = {OPT_reuid, OPT_ruid, OPT_euid},
    [GID] = {OPT_regid, OPT_rgid, OPT_egid},
};

#define contradict(options, first, second)                                          \
    bad_plan(options, EINVAL, "%s and %s contradict each other", option_table[first].name, \
             option_table[second].name)

#define read_ids(options, wanted, type) S_read_ids(aTHX_ options, wanted, type)
static void S_read_ids(pTHX_ const struct options *options, struct wanted *wanted, int type)
{
    const enum option both = id_options[type].both;
    const enum option half[2] = {id_options[type].real, id_options[type].effective};

    for (int i = 0; i < 2; i++)
        if (options->value[both] && options->value[half[i]])
            contradict(options, both, half[i]);
    if (options->value[both]) {
        wanted->real[type] = wanted->effective[type] = id_option(options, both, type == UID);
    } else {
        wanted->real[type] = id_option(options, half[0], type == UID);
        wanted->effective[type] = id_option(options, half[1], type == UID);
    }
}

/* The entry of the user that an id option named. A number is looked up as one. */
#define entry_of(options, what, id, entry) S_entry_of(aTHX_ options, what, id, entry)
static bool S_entry_of(pTHX_ const struct options *options, SV *what, const struct id_option *id,
                       struct passwd *entry)
{
    return (id->name && find_user(options, what, id->name, 0, entry))
           || find_user(options, what, NULL, id->id, entry);
}

/* user: reuid, and where nothing else is said of them, the group and the groups of its entry. */
#define read_user(options, wanted, entry) S_read_user(aTHX_ options, wanted, entry)
static bool S_read_user(pTHX_ const struct options *options, struct wanted *wanted,
                        struct passwd *entry)
{
    SV *value = given(options, user);
    const bool gid = given(options, regid) || given(options, rgid) || given(options, egid);
    struct id_option id;
    SV *what;

    if (!value)
        return false;
    for (enum option other = OPT_ruid; other <= OPT_reuid; other++)
        if (options->value[other])
            contradict(options, OPT_user, other);
    what = option_text(OPT_user, value);
    id = id_option(options, OPT_user, true);
    wanted->real[UID] = wanted->effective[UID] = id;
    if (gid && wanted->decision != OPTIONS && wanted->decision != OPT_init_groups)
        return false;
    if (!id.name)
        bad_plan(options, EINVAL,
                 "%" SVf " is a number, which asks no name service: name regid and the groups"
                 " beside it, or give the user's name", SVfARG(what));
    if (!entry_of(options, what, &id, entry))
        bad_plan(options, EINVAL, "%" SVf " has no entry that tells its group", SVfARG(what));
    if (!gid) {
        wanted->real[GID] = (struct id_option){.given = true, .id = entry->pw_gid};
        wanted->effective[GID] = wanted->real[GID];
        check_mapped(options, OPT_user, false, &entry->pw_gid, 1);
    }
    if (wanted->decision == OPTIONS)
        wanted->decision = OPT_init_groups;
    return true;
}

/* ---- the groups ---- */

#define MOST_GROUPS 65536

static int by_id(const void *a, const void *b)
{
    const gid_t one = *(const gid_t *)a, other = *(const gid_t *)b;

    return (one > other) - (one < other);
}

/* In order, each once. */
#define keep_groups(options, wanted, ids, count) S_keep_groups(aTHX_ options, wanted, ids, count)
static void S_keep_groups(pTHX_ const struct options *options, struct wanted *wanted, gid_t *ids,
                          size_t count)
{
    size_t kept = 0;

    qsort(ids, count, sizeof *ids, by_id);
    for (size_t i = 0; i < count; i++)
        if (!kept || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    if (kept > MOST_GROUPS)
        bad_plan(options, EINVAL, "%s: %lu groups are more than the kernel takes",
                 option_table[wanted->decision].name, (unsigned long)kept);
    wanted->groups = (struct lp_groups){kept, ids};
    check_mapped(options, wanted->decision, false, ids, kept);
}

#define read_groups(options, wanted) S_read_groups(aTHX_ options, wanted)
static void S_read_groups(pTHX_ const struct options *options, struct wanted *wanted)
{
    AV *list = list_option(options, OPT_groups);
    const SSize_t count = list_length(list);
    gid_t *ids = scratch((size_t)count * sizeof *ids);

    for (SSize_t i = 0; i < count; i++) {
        SV *value = element(list, i);

        ids[i] = look_up(options, false, option_text(OPT_groups, value), value).id;
    }
    keep_groups(options, wanted, ids, (size_t)count);
}

/* A source of groups that cannot be reached is no reason to leave groups out; the C library
 * tells of it in errno alone. */
static bool is_unreachable(int error)
{
    return error == EIO || error == EAGAIN || error == EMFILE || error == ENFILE
           || error == ENOMEM || error == ECONNREFUSED || error == ETIMEDOUT
           || error == EHOSTUNREACH || error == ENETUNREACH;
}

/* As initgroups(3) would set them. */
#define groups_of_user(options, wanted, what, entry) S_groups_of_user(aTHX_ options, wanted, what, entry)
static void S_groups_of_user(pTHX_ const struct options *options, struct wanted *wanted, SV *what,
                             const struct passwd *entry)
{
    for (int room = 64;;) {
        gid_t *ids = scratch((size_t)room * sizeof *ids);
        int count = room;
        int found;

        errno = 0;
        found = getgrouplist(entry->pw_name, entry->pw_gid, ids, &count);
        if (found >= 0 && is_unreachable(errno))
            bad_plan(options, errno, "init_groups: the groups of %" SVf
                     " could not be looked up: %s", SVfARG(what), Strerror(errno));
        if (found >= 0) {
            keep_groups(options, wanted, ids, (size_t)count);
            return;
        }
        room = count > room ? count : 2 * room;
    }
}

#define init_groups(options, wanted) S_init_groups(aTHX_ options, wanted)
static void S_init_groups(pTHX_ const struct options *options, struct wanted *wanted)
{
    static const enum option names[] = {OPT_reuid, OPT_ruid, OPT_euid};
    const struct id_option *id;
    struct passwd entry;
    size_t i = 0;
    SV *what;

    while (i < C_ARRAY_LENGTH(names) && !options->value[names[i]])
        i++;
    if (i == C_ARRAY_LENGTH(names))
        bad_plan(options, EINVAL, "init_groups needs a user: user, reuid, ruid or euid");
    id = names[i] == OPT_euid ? &wanted->effective[UID] : &wanted->real[UID];
    what = option_text(names[i], options->value[names[i]]);
    if (!entry_of(options, what, id, &entry))
        bad_plan(options, EINVAL, "init_groups: there is no user with %" SVf, SVfARG(what));
    groups_of_user(options, wanted, what, &entry);
}

#define read_decision(options, wanted) S_read_decision(aTHX_ options, wanted)
static void S_read_decision(pTHX_ const struct options *options, struct wanted *wanted)
{
    AV *decided = new_list();

    wanted->decision = OPTIONS;
    for (enum option option = OPT_clear_groups; option <= OPT_groups; option++) {
        SV *value = options->value[option];

        if (!value || (option != OPT_groups && !truth_of(value)))
            continue;
        wanted->decision = option;
        word(decided, option_table[option].name);
    }
    if (av_len(decided) > 0)
        bad_plan(options, EINVAL, "%" SVf " contradict each other", SVfARG(and_list(decided)));
}

/* Whoever names a uid names a gid, and whoever names a gid decides about the groups: each that
 * is forgotten is a hole. */
#define check_decided(options, wanted) S_check_decided(aTHX_ options, wanted)
static void S_check_decided(pTHX_ const struct options *options, const struct wanted *wanted)
{
    const bool gid = wanted->real[GID].given || wanted->effective[GID].given;

    if ((wanted->real[UID].given || wanted->effective[UID].given)
        && !(wanted->real[GID].given && wanted->effective[GID].given))
        bad_plan(options, EINVAL, "a uid needs a gid beside it: regid, or rgid and egid");
    if (gid && wanted->decision == OPTIONS)
        bad_plan(options, EINVAL, "who changes ids must say what becomes of the groups:"
                                  " clear_groups, init_groups, groups or keep_groups");
}

/* ---- all of them ---- */

#define read_wanted(options, wanted) S_read_wanted(aTHX_ options, wanted)
static void S_read_wanted(pTHX_ const struct options *options, struct wanted *wanted)
{
    struct passwd entry;
    bool by_user;

    Zero(wanted, 1, struct wanted);
    read_decision(options, wanted);
    read_ids(options, wanted, UID);
    read_ids(options, wanted, GID);
    by_user = read_user(options, wanted, &entry);
    check_decided(options, wanted);
    switch (wanted->decision) {
    case OPT_groups:
        read_groups(options, wanted);
        break;
    case OPT_clear_groups:
        keep_groups(options, wanted, scratch(0), 0);
        break;
    case OPT_init_groups:
        if (by_user)
            groups_of_user(options, wanted, option_text(OPT_user, given(options, user)), &entry);
        else
            init_groups(options, wanted);
        break;
    default:
        break;
    }
    wanted->caps = set_option(options, OPT_caps, LP_PERMITTED);
    wanted->inheritable = set_option(options, OPT_inh_caps, LP_INHERITABLE);
    wanted->ambient = set_option(options, OPT_ambient_caps, LP_AMBIENT);
    wanted->bounding = set_option(options, OPT_bounding_set, LP_BOUNDING);
    wanted->securebits = set_option(options, OPT_securebits, LP_SECURE);
    wanted->no_new_privs = is_true(options, no_new_privs);
    wanted->signal = pdeathsig_option(options);
}

#endif
