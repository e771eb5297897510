/* setpriv: from its options to a plan, and from what came of it to an answer or an
 * exception. */
#ifndef LP_XS_SETPRIV_H
#define LP_XS_SETPRIV_H

#include "creds_text.h"
#include "options.h"
#include "perl_guts.h"
#include "threads.h"
#include "../src/look.h"
#include "../src/plan.h"
#include "../src/setpriv.h"

/* ---- what the options say, before the process is looked at ---- */

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
    const SSize_t count = av_len(list) + 1;
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

        if (!value || (option != OPT_groups && !SvTRUE_nomg(value)))
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

/* ---- the process as it is ---- */

/* Memory for looks at a process with at most so many groups, one after the other. */
#define make_buffers(buffer, count, most) S_make_buffers(aTHX_ buffer, count, most)
static void S_make_buffers(pTHX_ struct lp_buffer *buffer, int count, size_t most)
{
    const size_t size = lp_status_size(most);
    gid_t *ids = scratch((size_t)count * LP_SOURCES * most * sizeof(gid_t));
    char *text = scratch(size);

    for (int i = 0; i < count; i++) {
        buffer[i].groups = most;
        buffer[i].size = size;
        buffer[i].text = text;
        for (int source = 0; source < LP_SOURCES; source++, ids += most)
            buffer[i].ids[source] = ids;
    }
}

/* What nobody tells for sure cannot be changed for sure. Where a filter may answer for the
 * kernel, /proc must say the same; what a filter says of itself may be false too, so the end is
 * compared in any case. */
#define look_at_self(options, now) S_look_at_self(aTHX_ options, now)
static void S_look_at_self(pTHX_ const struct options *options, struct lp_creds *now)
{
    const bool filtered = lp_filtered();
    const int groups = getgroups(0, NULL);
    struct lp_reading reading[LP_SOURCES];
    struct lp_buffer buffer;
    unsigned unknown;
    int status = -1, error = 0;

    make_buffers(&buffer, 1, (size_t)(groups > 0 ? groups : 0) + 1);
    if (filtered) {
        status = lp_open_status();
        error = errno;
    }
    lp_look(&buffer, status, NULL, reading);
    if (status >= 0)
        (void)close(status); /* it was only read */
    unknown = lp_unknown_fields(&reading[LP_GETTERS].creds);
    if (unknown)
        bad_plan(options, EPERM, "the kernel does not tell %" SVf, SVfARG(field_names(unknown)));
    if (filtered && status < 0)
        bad_plan(options, error, "a seccomp filter may answer for the kernel, and"
                 " /proc/thread-self/status cannot be read beside it: %s", Strerror(error));
    if (reading[LP_PROC].differs)
        bad_plan(options, EPERM,
                 "the kernel and /proc/thread-self/status disagree about %" SVf
                 ": a filter may answer for the kernel",
                 SVfARG(field_names(reading[LP_PROC].differs)));
    *now = reading[LP_GETTERS].creds;
}

/* ---- the plan ---- */

static void set_target_ids(uint32_t ids[LP_SLOTS], const struct id_option *real,
                           const struct id_option *effective)
{
    if (!real->given && !effective->given)
        return;
    if (real->given)
        ids[LP_REAL_ID] = real->id;
    if (effective->given)
        ids[LP_EFFECTIVE_ID] = effective->id;
    ids[LP_SAVED_ID] = ids[LP_FS_ID] = ids[LP_EFFECTIVE_ID];
}

/* The sets depend on each other. The defaults of a plan that leaves root start from nothing,
 * those of any other from what is there. */
static void set_target_sets(const struct wanted *wanted, bool leaves, const struct lp_creds *now,
                            struct lp_creds *target)
{
    const uint64_t *had = now->caps.set;
    uint64_t *set = target->caps.set;
    uint64_t ambient = leaves ? 0 : now->ambient & apply(&wanted->caps, had[LP_PERMITTED]);
    uint64_t inheritable = leaves ? 0 : had[LP_INHERITABLE];

    if (wanted->inheritable.list)
        ambient &= wanted->inheritable.raise;
    if (wanted->ambient.given)
        ambient = apply(&wanted->ambient, ambient);
    inheritable = apply(&wanted->inheritable, inheritable | ambient);
    if (!wanted->ambient.given)
        ambient &= inheritable;
    set[LP_INHERITABLE] = inheritable;
    set[LP_PERMITTED] = set[LP_EFFECTIVE] = ambient;
    if (wanted->caps.given)
        set[LP_PERMITTED] = set[LP_EFFECTIVE] = wanted->caps.raise;
    else if (!leaves) {
        set[LP_PERMITTED] = had[LP_PERMITTED];
        set[LP_EFFECTIVE] = had[LP_EFFECTIVE];
    }
    target->ambient = ambient;
    target->bounding = apply(&wanted->bounding, now->bounding);
}

#define KEEP_CAPS_BIT LP_BIT(LP_SECURE_KEEP_CAPS)

#define set_target(options, wanted, now, target) S_set_target(aTHX_ options, wanted, now, target)
static void S_set_target(pTHX_ const struct options *options, const struct wanted *wanted,
                         const struct lp_creds *now, struct lp_creds *target)
{
    const bool uid = wanted->real[UID].given || wanted->effective[UID].given;
    bool root;

    *target = *now;
    set_target_ids(target->uid, &wanted->real[UID], &wanted->effective[UID]);
    set_target_ids(target->gid, &wanted->real[GID], &wanted->effective[GID]);
    if (wanted->groups.ids)
        target->groups = wanted->groups;
    root = lp_root_in_slot(target->uid) || target->uid[LP_FS_ID] == 0;
    set_target_sets(wanted, uid && !root, now, target);
    target->securebits = apply(&wanted->securebits, now->securebits & ~KEEP_CAPS_BIT);
    if (target->securebits & KEEP_CAPS_BIT)
        bad_plan(options, EINVAL, "securebits: keep_caps is always off afterwards, and an exec"
                                  " would clear it anyway");
    if (wanted->no_new_privs)
        target->no_new_privs = 1;
    if (wanted->signal.given)
        target->pdeathsig = wanted->signal.number;
}

static const char *const conflict_options[LP_FIELDS] = {
    [LP_FIELD_PERMITTED] = "caps",
    [LP_FIELD_AMBIENT] = "ambient_caps",
    [LP_FIELD_INHERITABLE] = "inh_caps",
    [LP_FIELD_BOUNDING] = "bounding_set",
};

static const char *conflict_words(const struct lp_conflict *conflict)
{
    if (conflict->field == LP_FIELD_BOUNDING)
        return "in the bounding set, and nothing can be added to it";
    if (conflict->before)
        return "permitted now";
    return conflict->within == LP_FIELD_PERMITTED ? "in caps, and ambient needs permitted"
                                                  : "in inh_caps, and ambient needs inheritable";
}

#define check_target(options, plan) S_check_target(aTHX_ options, plan)
static void S_check_target(pTHX_ const struct options *options, const struct lp_plan *plan)
{
    struct lp_conflict conflict = lp_conflict_of(&plan->start, &plan->target);
    const struct lp_gain regained = lp_regained(&plan->start, &plan->target);
    AV *caps;

    if (conflict.caps) {
        if (conflict.field == LP_FIELD_PERMITTED && !given(options, caps))
            conflict.field = LP_FIELD_AMBIENT; /* which it follows */
        caps = caps_list(conflict.caps);
        bad_plan(options, EPERM, "%s: %" SVf " %s not %s", conflict_options[conflict.field],
                 SVfARG(and_list(caps)), av_len(caps) ? "are" : "is", conflict_words(&conflict));
    }
    if (regained.caps)
        bad_plan(options, EPERM, "uid 0 stays, and %s would give back %" SVf
                 ": cut bounding_set (and inh_caps) to what is kept, or set no_new_privs,"
                 " or have noroot among securebits",
                 regained.saved_only ? "seteuid(0) and an exec" : "the next exec",
                 SVfARG(and_list(caps_list(regained.caps))));
}

/* Where 65534 may also stand for an id that is not mapped, what is decided must be done even if
 * nothing seems to differ. */
static bool is_unsure(bool user, const uint32_t *now, size_t had, const uint32_t *wanted,
                      size_t count)
{
    bool here = false, there = false;
    struct lp_map map;

    for (size_t i = 0; i < had; i++)
        here = here || now[i] == LP_OVERFLOW_ID;
    for (size_t i = 0; i < count; i++)
        there = there || wanted[i] == LP_OVERFLOW_ID;
    return here && there && (lp_read_map(user, &map) != 0 || !lp_maps_all(&map));
}

static void find_unsure(const struct wanted *wanted, struct lp_plan *plan)
{
    const struct lp_creds *now = &plan->start, *target = &plan->target;
    const bool named[] = {
        [UID] = wanted->real[UID].given || wanted->effective[UID].given,
        [GID] = wanted->real[GID].given || wanted->effective[GID].given,
    };

    if (named[UID] && is_unsure(true, now->uid, LP_SLOTS, target->uid, LP_SLOTS))
        plan->unsure |= LP_FIELD(UID);
    if (named[GID] && is_unsure(false, now->gid, LP_SLOTS, target->gid, LP_SLOTS))
        plan->unsure |= LP_FIELD(GID);
    if (wanted->groups.ids && is_unsure(false, now->groups.ids, now->groups.count,
                                        target->groups.ids, target->groups.count))
        plan->unsure |= LP_FIELD(GROUPS);
}

/* Asked last: names may be looked up by code that starts threads. */
#define check_threads(options) S_check_threads(aTHX_ options)
static void S_check_threads(pTHX_ const struct options *options)
{
    const unsigned others = remaining_threads(lp_count_other_threads);

    if (others == LP_THREADS_UNKNOWN)
        bad_plan(options, EINVAL, "whether the process has other threads cannot be told: they"
                                  " would keep what this one gives up");
    if (others)
        bad_plan(options, EINVAL,
                 "the process has %u other thread%s, which would keep what this one gives up",
                 others, others == 1 ? "" : "s");
}

/* All that an option names is looked up before the process is looked at, and all that may be
 * refused is refused before anything is changed. */
#define read_others(options, plan) S_read_others(aTHX_ options, plan)
static void S_read_others(pTHX_ const struct options *options, struct lp_plan *plan)
{
    plan->set_ptracer = ptracer_option(options, &plan->ptracer);
    plan->filter = filter_option(options, &plan->instructions);
    plan->apparmor = apparmor_option(options);
    plan->selinux = selinux_option(options);
}

/* ---- the environment ---- */

#define USERS_PATH "/usr/local/bin:/usr/bin:/bin"
#define ROOTS_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What reset_env makes of the environment, for the user that the process then is. */
#define new_environment(options, wanted, now) S_new_environment(aTHX_ options, wanted, now)
static HV *S_new_environment(pTHX_ const struct options *options, const struct wanted *wanted,
                             const struct lp_creds *now)
{
    struct id_option id = wanted->real[UID];
    const char *term = PerlEnv_getenv("TERM");
    struct passwd entry;
    HV *env;
    SV *what;

    if (!is_true(options, reset_env))
        return NULL;
    if (!id.given)
        id.id = now->uid[LP_REAL_ID];
    what = sv_2mortal(newSVpvf("reset_env: uid %lu", (unsigned long)id.id));
    if (!entry_of(options, what, &id, &entry))
        bad_plan(options, EINVAL, "%" SVf " has no entry in the password database", SVfARG(what));
    env = (HV *)sv_2mortal((SV *)newHV());
    put(env, "HOME", newSVpv(entry.pw_dir, 0));
    put(env, "SHELL", newSVpv(*entry.pw_shell ? entry.pw_shell : "/bin/sh", 0));
    put(env, "USER", newSVpv(entry.pw_name, 0));
    put(env, "LOGNAME", newSVpv(entry.pw_name, 0));
    put(env, "PATH", newSVpv(id.id ? USERS_PATH : ROOTS_PATH, 0));
    if (term)
        put(env, "TERM", newSVpv(term, 0));
    return env;
}

/* %ENV, and with it what programs are given. */
#define set_environment(env) S_set_environment(aTHX_ env)
static void S_set_environment(pTHX_ HV *env)
{
    HV *all = get_hv("ENV", GV_ADD);
    HE *entry;

    hv_clear(all);
    (void)hv_iterinit(env);
    while ((entry = hv_iternext(env))) {
        STRLEN length;
        const char *name = HePV(entry, length);
        SV **value = hv_fetch(all, name, (I32)length, TRUE);

        if (value)
            sv_setsv_mg(*value, HeVAL(entry));
    }
}

/* ---- the whole ---- */

#define prepare_plan(options, plan, env) S_prepare_plan(aTHX_ options, plan, env)
static void S_prepare_plan(pTHX_ const struct options *options, struct lp_plan *plan, HV **env)
{
    const pid_t parent = getppid();
    struct wanted wanted;
    unsigned differ;

    Zero(plan, 1, struct lp_plan);
    read_wanted(options, &wanted);
    read_others(options, plan);
    look_at_self(options, &plan->start);
    *env = new_environment(options, &wanted, &plan->start);
    set_target(options, &wanted, &plan->start, &plan->target);
    check_target(options, plan);
    find_unsure(&wanted, plan);
    differ = lp_differ(&plan->start, &plan->target) | plan->unsure;
    if (differ & LP_FIELD(GROUPS))
        plan->setgroups_denied = lp_setgroups_denied(!plan->target.groups.count);
    plan->parent = wanted.signal.parent == -1 ? parent : wanted.signal.parent;
    plan->check_parent = wanted.signal.parent != -1 && wanted.signal.number;
    lp_make_plan(plan);
    if (plan->refusal.rule != LP_NO_RULE)
        bad_plan(options, EPERM, "%" SVf " would be refused: %" SVf "; nothing was changed",
                 SVfARG(op_text(&plan->op[plan->count - 1], &plan->target)),
                 SVfARG(reason_text(plan->refusal)));
    if (plan->filter_refusal.rule != LP_NO_RULE)
        bad_plan(options, EACCES, "step 17, seccomp_filter would be refused: %" SVf
                 "; nothing was changed", SVfARG(reason_text(plan->filter_refusal)));
    if (plan->unreached)
        bad_plan(options, EPERM, "no steps lead to the wanted %" SVf "; nothing was changed",
                 SVfARG(field_names(plan->unreached)));
}

/* ---- the plan as data ---- */

#define plan_data(plan, env) S_plan_data(aTHX_ plan, env)
static SV *S_plan_data(pTHX_ const struct lp_plan *plan, HV *env)
{
    const struct lp_creds exec = lp_after_exec(&plan->target);
    struct lp_creds creds = plan->start;
    HV *hash = newHV();
    AV *steps = newAV();

    for (unsigned i = 0; i < plan->count; i++) {
        (void)lp_predict(&plan->op[i], &plan->target, plan->setgroups_denied, &creds);
        av_push(steps, op_data(&plan->op[i], &plan->target, &creds));
    }
    put(hash, "steps", newRV_noinc((SV *)steps));
    put(hash, "now", creds_data(&plan->start));
    put(hash, "expected", creds_data(&plan->target));
    put(hash, "after_exec", creds_data(&exec));
    if (env)
        put(hash, "env", newRV_inc((SV *)env));
    if (plan->filter)
        put(hash, "seccomp_filter", newSVuv(plan->instructions));
    return newRV_noinc((SV *)hash);
}

/* ---- what went wrong ---- */

static const char *const source_names[LP_SOURCES] = {
    [LP_GETTERS] = "the kernel", [LP_PROC] = "/proc/thread-self/status",
};

/* "the kernel says uid 0, 0, 0 and 0 instead of 1, 1, 1 and 1" */
#define differing_text(target, reading) S_differing_text(aTHX_ target, reading)
static SV *S_differing_text(pTHX_ const struct lp_creds *target,
                            const struct lp_reading reading[LP_SOURCES])
{
    SV *text = newSVpvn_flags("", 0, SVs_TEMP);

    for (int source = 0; source < LP_SOURCES; source++) {
        const struct lp_reading *one = &reading[source];
        const char *before = SvCUR(text) ? "; " : "";

        if (!one->there || !one->differs)
            continue;
        sv_catpvf(text, "%s%s says ", before, source_names[source]);
        for (unsigned field = 0, first = 1; field < LP_FIELDS; field++) {
            if (!(one->differs & 1U << field))
                continue;
            sv_catpvf(text, "%s%s %" SVf " instead of %" SVf, first ? "" : ", ",
                      lp_fields[field].name,
                      SVfARG(field_text(&one->creds, (enum lp_field)field)),
                      SVfARG(field_text(target, (enum lp_field)field)));
            first = 0;
        }
    }
    return text;
}

#define failure_text(plan, outcome) S_failure_text(aTHX_ plan, outcome)
static SV *S_failure_text(pTHX_ const struct lp_plan *plan, const struct lp_outcome *outcome)
{
    const char *said = Strerror(outcome->error);
    SV *text;

    switch (outcome->stage) {
    case LP_AT_OP:
        text = copy_of(op_text(&plan->op[outcome->op], &plan->target));
        if (outcome->cap < LP_CAPS)
            sv_catpvf(text, ", %s", cap_text(outcome->cap));
        sv_catpvf(text, ": %s", said);
        return text;
    case LP_NO_FILTER:
        return sv_2mortal(newSVpvf("step 17, seccomp_filter: %s", said));
    case LP_STILL_BLOCKED:
        return sv_2mortal(newSVpvf("step 16, unblocking the signals: %s", said));
    case LP_OTHER_THREADS:
        return sv_2mortal(newSVpvf("step 16, verification: the process has %u other threads,"
                                   " which keep what this one gave up",
                                   outcome->reading[LP_PROC].threads - 1));
    case LP_NOT_GIVEN_UP_UID:
    case LP_NOT_GIVEN_UP_GID:
        text = sv_2mortal(newSVpvf("step 16, verification: %s %lu was given up, but ",
                                   outcome->stage == LP_NOT_GIVEN_UP_UID ? "uid" : "gid",
                                   outcome->id));
        if (outcome->error)
            sv_catpvf(text, "asking for it gives: %s", said);
        else
            sv_catpvs(text, "it could be taken back");
        return text;
    default:
        return sv_2mortal(newSVpvf("step 16, verification: %" SVf,
                                   SVfARG(differing_text(&plan->target, outcome->reading))));
    }
}

/* Field by field, by /proc where it tells, else by the getters. */
static void best_known(const struct lp_reading left[LP_SOURCES], struct lp_creds *creds,
                       unsigned *unknown)
{
    *creds = left[LP_GETTERS].creds;
    *unknown = 0;
    for (unsigned f = 0; f < LP_FIELDS; f++) {
        const enum lp_field field = (enum lp_field)f;
        struct lp_creds proc = left[LP_PROC].creds;
        const bool told = left[LP_PROC].there && !(left[LP_PROC].untold & 1U << f)
                          && is_told(&proc, field);

        if (told && lp_fields[f].type == LP_TYPE_IDS)
            memcpy(lp_field_ids(creds, field), lp_field_ids(&proc, field), sizeof creds->uid);
        else if (told && lp_fields[f].type == LP_TYPE_GROUPS)
            creds->groups = proc.groups;
        else if (told)
            *lp_field_number(creds, field) = *lp_field_number(&proc, field);
        if (!is_told(creds, field))
            *unknown |= 1U << f;
    }
}

/* What the process still is, after all was done to leave it with nothing. */
#define left_text(left) S_left_text(aTHX_ left)
static SV *S_left_text(pTHX_ const struct lp_reading left[LP_SOURCES])
{
    const unsigned sets = LP_FIELD(EFFECTIVE) | LP_FIELD(PERMITTED) | LP_FIELD(INHERITABLE)
                          | LP_FIELD(AMBIENT);
    AV *parts = new_list();
    struct lp_creds creds;
    unsigned unknown;
    uint64_t caps;
    SV *text;

    best_known(left, &creds, &unknown);
    caps = lp_any_set(&creds.caps) | creds.ambient;
    if (unknown & sets)
        av_push(parts, newSVpvs("nobody tells its capabilities"));
    else if (caps)
        av_push(parts, newSVpvf("it still has %" SVf, SVfARG(and_list(caps_list(caps)))));
    else
        av_push(parts, newSVpvs("it has no capabilities any more"));
    if (!(unknown & LP_FIELD(UID)) && lp_root_in_slot(creds.uid))
        av_push(parts, newSVpvf("is still uid 0%s",
                                lp_root_gains(&creds).caps ? ", whose next exec gives them back"
                                                           : ""));
    if (!(unknown & LP_FIELD(GID)) && lp_root_in_slot(creds.gid))
        av_push(parts, newSVpvs("is still gid 0"));
    if (!(unknown & LP_FIELD(GROUPS)) && creds.groups.count)
        av_push(parts, newSVpvf("is still in the groups %" SVf,
                                SVfARG(and_list(field_list(&creds, LP_FIELD_GROUPS)))));
    text = newSVpvn_flags("this process must not go on: ", 29, SVs_TEMP);
    for (SSize_t i = 0; i <= av_len(parts); i++)
        sv_catpvf(text, "%s%" SVf, i ? ", and " : "", SVfARG(*av_fetch(parts, i, 0)));
    return text;
}

/* ---- setpriv itself ---- */

#define exit_option(options) S_exit_option(aTHX_ options)
static bool S_exit_option(pTHX_ const struct options *options)
{
    SV *value = given(options, on_failure);
    const char *text;

    if (!value)
        return false;
    text = is_string(value) ? SvPV_nolen(value) : "";
    if (strEQ(text, "exit"))
        return true;
    if (strNE(text, "die"))
        bad_option(options, OPT_on_failure, "%s is neither \"die\" nor \"exit\"", shown(value));
    return false;
}

/* The exception is made and thrown here: no handler of a pending signal comes before it. */
#define run_plan(options, plan, exit) S_run_plan(aTHX_ options, plan, exit)
static void S_run_plan(pTHX_ const struct options *options, const struct lp_plan *plan, bool exit)
{
    const size_t start = plan->start.groups.count, target = plan->target.groups.count;
    struct lp_buffer buffer[2];
    struct lp_outcome outcome;

    make_buffers(buffer, 2, (start > target ? start : target) + 1);
    switch (lp_setpriv(plan, buffer, exit, &outcome)) {
    case LP_DONE:
        reread_ids();
        if (plan->set_ptracer)
            lp_note_ptracer((long)plan->ptracer);
        if (plan->filter)
            lp_forget_caps(); /* the kernel may answer differently from now on */
        return;
    case LP_UNTOUCHED:
        bad_plan(options, outcome.error, "it did not begin: %s; nothing was changed",
                 Strerror(outcome.error));
    default:
        bad_plan(options, outcome.error, "%" SVf "; %" SVf, SVfARG(failure_text(plan, &outcome)),
                 SVfARG(left_text(outcome.left)));
    }
}

#define do_setpriv(args, count) S_do_setpriv(aTHX_ args, count)
static SV *S_do_setpriv(pTHX_ SV **args, I32 count)
{
    const int saved = errno;
    struct options options = {.function = "setpriv"};
    struct lp_plan plan;
    HV *env;
    bool exit;

    read_options(&options, SETPRIV, args, count);
    exit = exit_option(&options);
    prepare_plan(&options, &plan, &env);
    plan.alone = true;
    check_threads(&options);
    if (is_true(&options, dry_run)) {
        errno = saved;
        return sv_2mortal(plan_data(&plan, env));
    }
    run_plan(&options, &plan, exit);
    if (env)
        set_environment(env);
    errno = saved;
    return &PL_sv_yes;
}

#endif
