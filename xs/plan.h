/* From what is wanted to a plan: the process is looked at, and all that may be refused is refused
 * before anything is changed. */
#ifndef LP_XS_PLAN_H
#define LP_XS_PLAN_H

#include "environment.h"
#include "threads.h"
#include "wanted.h"
#include "../src/exec.h"
#include "../src/look.h"
#include "../src/plan.h"

#include <unistd.h>

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
    struct lp_held held;
    unsigned unknown;
    int status = -1, error = 0;

    make_buffers(&buffer, 1, (size_t)(groups > 0 ? groups : 0) + 1);
    lp_hold_signals(&held);
    if (filtered) {
        status = lp_open_status();
        error = errno;
    }
    lp_look(&buffer, status, NULL, reading);
    if (status >= 0)
        (void)close(status); /* it was only read */
    lp_release_signals(&held);
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
    const struct lp_gain regained = lp_regained(&plan->start, &plan->target,
                                                 lp_exec_real_ids_count());

    if (conflict.caps) {
        if (conflict.field == LP_FIELD_PERMITTED && !given(options, caps))
            conflict.field = LP_FIELD_AMBIENT; /* which it follows */
        bad_plan(options, EPERM, "%s: %" SVf " %s not %s", conflict_options[conflict.field],
                 SVfARG(caps_words(conflict.caps)),
                 conflict.caps & (conflict.caps - 1) ? "are" : "is", conflict_words(&conflict));
    }
    if (regained.caps)
        bad_plan(options, EPERM, "uid 0 stays, and %s would give back %" SVf
                 ": cut bounding_set (and inh_caps) to what is kept, or set no_new_privs,"
                 " or have noroot among securebits",
                 regained.saved_only ? "seteuid(0) and an exec" : "the next exec",
                 SVfARG(caps_words(regained.caps)));
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

/* ---- the whole ---- */

#define prepare_plan(options, plan, env) S_prepare_plan(aTHX_ options, plan, env)
static void S_prepare_plan(pTHX_ const struct options *options, struct lp_plan *plan, HV **env)
{
    struct wanted wanted;
    unsigned differ;

    Zero(plan, 1, struct lp_plan);
    if (given(options, after_exec) && !is_true(options, dry_run))
        bad_plan(options, EINVAL, "after_exec goes with dry_run: it changes nothing, and only tells");
    read_wanted(options, &wanted);
    read_others(options, plan);
    look_at_self(options, &plan->start);
    if (options->child)
        plan->start.pdeathsig = 0; /* not inherited */
    *env = new_environment(options, &wanted, &plan->start);
    set_target(options, &wanted, &plan->start, &plan->target);
    check_target(options, plan);
    find_unsure(&wanted, plan);
    differ = lp_differ(&plan->start, &plan->target) | plan->unsure;
    if (differ & LP_FIELD(GROUPS))
        plan->setgroups_denied = lp_setgroups_denied(!plan->target.groups.count);
    plan->parent = options->parent;
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

#endif
