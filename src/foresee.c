/* What setpriv is going to do, and what the kernel will say: the rules of
 * credentials(7) and capabilities(7) over a state that is only a value. Those of
 * single writes are in sets.c. */
#include "setpriv.h"

#include <string.h>

#define FIELD(name, kind, member, proc) {name, kind, offsetof(struct lp_state, member), proc}

const struct lp_field_info lp_fields[LP_FIELDS] = {
    [LP_FIELD_UID] = FIELD("uid", LP_KIND_IDS, uid, "Uid:"),
    [LP_FIELD_GID] = FIELD("gid", LP_KIND_IDS, gid, "Gid:"),
    [LP_FIELD_GROUPS] = FIELD("groups", LP_KIND_GROUPS, groups, "Groups:"),
    [LP_FIELD_EFFECTIVE] =
        FIELD("effective", LP_KIND_CAPS, creds.caps.set[LP_EFFECTIVE], "CapEff:"),
    [LP_FIELD_PERMITTED] =
        FIELD("permitted", LP_KIND_CAPS, creds.caps.set[LP_PERMITTED], "CapPrm:"),
    [LP_FIELD_INHERITABLE] =
        FIELD("inheritable", LP_KIND_CAPS, creds.caps.set[LP_INHERITABLE], "CapInh:"),
    [LP_FIELD_AMBIENT] = FIELD("ambient", LP_KIND_CAPS, creds.ambient, "CapAmb:"),
    [LP_FIELD_BOUNDING] = FIELD("bounding", LP_KIND_CAPS, creds.bounding, "CapBnd:"),
    [LP_FIELD_SECUREBITS] = FIELD("securebits", LP_KIND_SECUREBITS, creds.securebits, NULL),
    [LP_FIELD_NO_NEW_PRIVS] =
        FIELD("no_new_privs", LP_KIND_NUMBER, no_new_privs, "NoNewPrivs:"),
    [LP_FIELD_PDEATHSIG] = FIELD("pdeathsig", LP_KIND_NUMBER, pdeathsig, NULL),
};

uint64_t *lp_field_number(struct lp_state *state, enum lp_field field)
{
    return (uint64_t *)(void *)((char *)state + lp_fields[field].offset);
}

uint32_t *lp_field_ids(struct lp_state *state, enum lp_field field)
{
    return (uint32_t *)(void *)((char *)state + lp_fields[field].offset);
}

static bool same_groups(const struct lp_groups *a, const struct lp_groups *b)
{
    if (!a->ids || !b->ids || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->ids[i] != b->ids[i])
            return false;
    return true;
}

unsigned lp_differ(const struct lp_state *a, const struct lp_state *b)
{
    unsigned differ = 0;

    for (unsigned field = 0; field < LP_FIELDS; field++) {
        const char *one = (const char *)a + lp_fields[field].offset;
        const char *other = (const char *)b + lp_fields[field].offset;
        bool same;

        switch (lp_fields[field].kind) {
        case LP_KIND_IDS:
            same = memcmp(one, other, sizeof a->uid) == 0;
            break;
        case LP_KIND_GROUPS:
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

/* ---- the rules ---- */

#define CAP(name) LP_BIT(LP_CAP_##name)
#define SECBIT(NAME) LP_BIT(LP_SECURE_##NAME)
#define ALL_BUT(mask) ~(uint64_t)(mask)

static bool root_in_slot(const uid_t uid[LP_SLOTS])
{
    return uid[LP_REAL_ID] == 0 || uid[LP_EFFECTIVE_ID] == 0 || uid[LP_SAVED_ID] == 0;
}

static struct lp_refusal lacks(const struct lp_state *state, unsigned cap, enum lp_rule rule)
{
    struct lp_refusal refusal = {LP_NO_RULE, cap};

    if (!(state->creds.caps.set[LP_EFFECTIVE] & LP_BIT(cap)))
        refusal.rule = rule;
    return refusal;
}

static bool holds(const uint32_t ids[LP_SLOTS], uint32_t id)
{
    return ids[LP_REAL_ID] == id || ids[LP_EFFECTIVE_ID] == id || ids[LP_SAVED_ID] == id;
}

/* Without the capability, an id can only move between the slots. */
static bool only_moves(const uint32_t now[LP_SLOTS], const uint32_t wanted[LP_SLOTS])
{
    return holds(now, wanted[LP_REAL_ID]) && holds(now, wanted[LP_EFFECTIVE_ID])
           && holds(now, wanted[LP_SAVED_ID]);
}

static void set_ids(struct lp_state *state, uint32_t now[LP_SLOTS],
                    const uint32_t wanted[LP_SLOTS])
{
    if (now[LP_EFFECTIVE_ID] != wanted[LP_EFFECTIVE_ID]
        || now[LP_FS_ID] != wanted[LP_EFFECTIVE_ID])
        state->pdeathsig = 0;
    memcpy(now, wanted, LP_SLOTS * sizeof *now);
    now[LP_FS_ID] = wanted[LP_EFFECTIVE_ID];
}

/* What the kernel does to the sets when a uid changes. */
static void fix_up(struct lp_creds *creds, const uid_t before[LP_SLOTS],
                   const uid_t after[LP_SLOTS])
{
    uint64_t *set = creds->caps.set;

    if (creds->securebits & SECBIT(NO_SETUID_FIXUP))
        return;
    if (root_in_slot(before) && !root_in_slot(after)) {
        if (!(creds->securebits & SECBIT(KEEP_CAPS)))
            set[LP_PERMITTED] = set[LP_EFFECTIVE] = 0;
        creds->ambient = 0;
    }
    if (before[LP_EFFECTIVE_ID] == 0 && after[LP_EFFECTIVE_ID] != 0)
        set[LP_EFFECTIVE] = 0;
    if (before[LP_EFFECTIVE_ID] != 0 && after[LP_EFFECTIVE_ID] == 0)
        set[LP_EFFECTIVE] = set[LP_PERMITTED];
}

static struct lp_refusal foresee_setresgid(const struct lp_plan *plan, struct lp_state *state)
{
    struct lp_refusal refusal = {LP_NO_RULE, 0};

    if (!only_moves(state->gid, plan->target.gid))
        refusal = lacks(state, LP_CAP_setgid, LP_NO_SETGID);
    if (refusal.rule == LP_NO_RULE)
        set_ids(state, state->gid, plan->target.gid);
    return refusal;
}

static struct lp_refusal foresee_setresuid(const struct lp_plan *plan, struct lp_state *state)
{
    struct lp_refusal refusal = {LP_NO_RULE, 0};
    uid_t before[LP_SLOTS];

    if (!only_moves(state->uid, plan->target.uid))
        refusal = lacks(state, LP_CAP_setuid, LP_NO_SETUID);
    if (refusal.rule == LP_NO_RULE) {
        memcpy(before, state->uid, sizeof before);
        set_ids(state, state->uid, plan->target.uid);
        fix_up(&state->creds, before, state->uid);
    }
    return refusal;
}

static struct lp_refusal foresee_setgroups(const struct lp_plan *plan, struct lp_state *state)
{
    struct lp_refusal refusal = lacks(state, LP_CAP_setgid, LP_NO_SETGID);

    if (refusal.rule == LP_NO_RULE && plan->setgroups_denied)
        refusal.rule = LP_SETGROUPS_DENIED;
    state->groups = plan->target.groups;
    return refusal;
}

/* capset(2): the rules of the three sets, and that effective lies within permitted. */
static struct lp_refusal foresee_capset(const struct lp_step *step, struct lp_state *state)
{
    static const enum lp_set order[] = {LP_INHERITABLE, LP_PERMITTED, LP_EFFECTIVE};
    struct lp_refusal refusal = {LP_NO_RULE, 0};

    for (size_t i = 0; i < sizeof order / sizeof *order && refusal.rule == LP_NO_RULE; i++) {
        const struct lp_write write = {
            .set = order[i],
            .raise = step->caps.set[order[i]],
            .whole = true,
        };

        refusal = lp_explain(&state->creds, &write);
    }
    state->creds.caps = step->caps;
    state->creds.ambient &= step->caps.set[LP_PERMITTED] & step->caps.set[LP_INHERITABLE];
    return refusal;
}

/* PR_SET_KEEPCAPS obeys the lock, but asks for no capability. */
static struct lp_refusal foresee_keepcaps(const struct lp_step *step, struct lp_state *state)
{
    const struct lp_write write = {
        .set = LP_SECURE,
        .keep = ALL_BUT(SECBIT(KEEP_CAPS)),
        .raise = step->value ? SECBIT(KEEP_CAPS) : 0,
    };
    struct lp_creds allowed = state->creds;

    allowed.caps.set[LP_EFFECTIVE] |= CAP(setpcap);
    state->creds.securebits = (state->creds.securebits & write.keep) | write.raise;
    return lp_explain(&allowed, &write);
}

static struct lp_refusal foresee_securebits(const struct lp_step *step, struct lp_state *state)
{
    const struct lp_write write = {.set = LP_SECURE, .raise = step->value};
    struct lp_refusal refusal = lp_explain(&state->creds, &write);

    /* Whether the kernel has heard of a bit shows only when it is set. */
    if (refusal.rule == LP_UNKNOWN_BIT)
        refusal.rule = LP_NO_RULE;
    state->creds.securebits = step->value;
    return refusal;
}

static struct lp_refusal foresee_write(enum lp_set set, uint64_t *now, uint64_t keep,
                                       uint64_t raise, const struct lp_creds *creds)
{
    const struct lp_write write = {.set = set, .keep = keep, .raise = raise, .whole = true};
    struct lp_refusal refusal = lp_explain(creds, &write);

    *now = (*now & keep) | raise;
    return refusal;
}

struct lp_refusal lp_foresee(const struct lp_plan *plan, const struct lp_step *step,
                             struct lp_state *state)
{
    struct lp_creds *creds = &state->creds;
    struct lp_refusal none = {LP_NO_RULE, 0};

    switch (step->act) {
    case LP_ACT_CAPSET:
        return foresee_capset(step, state);
    case LP_ACT_KEEPCAPS:
        return foresee_keepcaps(step, state);
    case LP_ACT_SETGROUPS:
        return foresee_setgroups(plan, state);
    case LP_ACT_SETRESGID:
        return foresee_setresgid(plan, state);
    case LP_ACT_SECUREBITS:
        return foresee_securebits(step, state);
    case LP_ACT_BOUNDING:
        return foresee_write(LP_BOUNDING, &creds->bounding, ALL_BUT(step->value), 0, creds);
    case LP_ACT_SETRESUID:
        return foresee_setresuid(plan, state);
    case LP_ACT_AMBIENT_LOWER:
        return foresee_write(LP_AMBIENT, &creds->ambient, ALL_BUT(step->value), 0, creds);
    case LP_ACT_AMBIENT_RAISE:
        return foresee_write(LP_AMBIENT, &creds->ambient, ALL_BUT(0), step->value, creds);
    case LP_ACT_NO_NEW_PRIVS:
        state->no_new_privs = 1;
        break;
    case LP_ACT_PDEATHSIG:
        state->pdeathsig = step->value;
    }
    return none;
}

/* ---- the steps ---- */

/* A step where something is left to do; nothing behind one that is refused. */
static void add(struct lp_plan *plan, struct lp_state *state, const struct lp_step *step)
{
    unsigned at = plan->count;

    if (plan->refusal.rule != LP_NO_RULE)
        return;
    plan->step[at] = *step;
    plan->refusal = lp_foresee(plan, step, state);
    plan->after[at] = *state;
    plan->count++;
}

static void add_value(struct lp_plan *plan, struct lp_state *state, unsigned number,
                      enum lp_act act, uint64_t value)
{
    const struct lp_step step = {.number = number, .act = act, .value = value};

    add(plan, state, &step);
}

/* The bits of a mask, if it has any. */
static void add_bits(struct lp_plan *plan, struct lp_state *state, unsigned number,
                     enum lp_act act, uint64_t bits)
{
    if (bits)
        add_value(plan, state, number, act, bits);
}

static void add_capset(struct lp_plan *plan, struct lp_state *state, unsigned number,
                       const struct lp_caps *caps)
{
    const struct lp_step step = {.number = number, .act = LP_ACT_CAPSET, .caps = *caps};

    if (memcmp(caps, &state->creds.caps, sizeof *caps) != 0)
        add(plan, state, &step);
}

static void add_securebits(struct lp_plan *plan, struct lp_state *state, unsigned number,
                           uint64_t bits)
{
    if (state->creds.securebits != bits)
        add_value(plan, state, number, LP_ACT_SECUREBITS, bits);
}

static void add_keepcaps(struct lp_plan *plan, struct lp_state *state, unsigned number, bool on)
{
    if (!(state->creds.securebits & SECBIT(KEEP_CAPS)) == on)
        add_value(plan, state, number, LP_ACT_KEEPCAPS, on);
}

/* What needs setuid, setgid or setpcap. */
#define PRIVILEGED                                                                  \
    (1U << LP_FIELD_UID | 1U << LP_FIELD_GID | 1U << LP_FIELD_GROUPS                \
     | 1U << LP_FIELD_INHERITABLE | 1U << LP_FIELD_BOUNDING | 1U << LP_FIELD_SECUREBITS)

static void begin(struct lp_plan *plan, struct lp_state *state, unsigned differ)
{
    struct lp_caps caps = state->creds.caps;

    caps.set[LP_EFFECTIVE] |=
        caps.set[LP_PERMITTED] & (CAP(setuid) | CAP(setgid) | CAP(setpcap));
    if (differ & PRIVILEGED)
        add_capset(plan, state, 1, &caps);
    add_keepcaps(plan, state, 1, false);
}

/* Everything that needs the capabilities, while they are there. */
static void prepare(struct lp_plan *plan, struct lp_state *state, unsigned differ)
{
    const struct lp_creds *wanted = &plan->target.creds;
    struct lp_caps caps;
    uint64_t bits = wanted->securebits;

    if (differ & 1U << LP_FIELD_GROUPS)
        add_value(plan, state, 2, LP_ACT_SETGROUPS, 0);
    if (differ & 1U << LP_FIELD_GID)
        add_value(plan, state, 3, LP_ACT_SETRESGID, 0);
    caps = state->creds.caps;
    caps.set[LP_INHERITABLE] = wanted->caps.set[LP_INHERITABLE];
    add_capset(plan, state, 4, &caps);
    if (wanted->caps.set[LP_PERMITTED]) /* the others wait until ambient is raised */
        bits &= state->creds.securebits;
    add_securebits(plan, state, 5, bits);
    add_bits(plan, state, 6, LP_ACT_BOUNDING, state->creds.bounding & ~wanted->bounding);
}

static void change_uid(struct lp_plan *plan, struct lp_state *state, unsigned differ)
{
    if (!(differ & 1U << LP_FIELD_UID))
        return;
    if (root_in_slot(state->uid) && !root_in_slot(plan->target.uid)
        && !(state->creds.securebits & SECBIT(NO_SETUID_FIXUP))
        && plan->target.creds.caps.set[LP_PERMITTED])
        add_keepcaps(plan, state, 7, true);
    add_value(plan, state, 8, LP_ACT_SETRESUID, 0);
}

static void finish(struct lp_plan *plan, struct lp_state *state)
{
    const struct lp_state *target = &plan->target;
    const struct lp_creds *wanted = &target->creds;
    struct lp_caps caps = wanted->caps;

    if ((state->creds.securebits & ALL_BUT(SECBIT(KEEP_CAPS))) != wanted->securebits) {
        uint64_t setpcap = state->creds.caps.set[LP_PERMITTED] & CAP(setpcap);

        caps.set[LP_PERMITTED] |= setpcap;
        caps.set[LP_EFFECTIVE] |= setpcap;
    }
    add_capset(plan, state, 9, &caps);
    add_bits(plan, state, 10, LP_ACT_AMBIENT_LOWER, state->creds.ambient & ~wanted->ambient);
    add_bits(plan, state, 10, LP_ACT_AMBIENT_RAISE, wanted->ambient & ~state->creds.ambient);
    add_keepcaps(plan, state, 11, false);
    add_securebits(plan, state, 12, wanted->securebits);
    add_capset(plan, state, 13, &wanted->caps);
    if (target->no_new_privs && !state->no_new_privs)
        add_value(plan, state, 14, LP_ACT_NO_NEW_PRIVS, 1);
    if (state->pdeathsig != target->pdeathsig || plan->check_parent)
        add_value(plan, state, 15, LP_ACT_PDEATHSIG, target->pdeathsig);
}

void lp_make_plan(struct lp_plan *plan)
{
    struct lp_state state = plan->start;
    unsigned differ = lp_differ(&plan->start, &plan->target) | plan->unsure;

    plan->count = 0;
    plan->refusal.rule = LP_NO_RULE;
    begin(plan, &state, differ);
    prepare(plan, &state, differ);
    change_uid(plan, &state, differ);
    finish(plan, &state);
    plan->unreached = lp_differ(&state, &plan->target);
}

/* ---- exec ---- */

/* Of a program that is neither set-id nor has capabilities. */
struct lp_state lp_after_exec(const struct lp_state *state)
{
    struct lp_state after = *state;
    const struct lp_creds *creds = &state->creds;
    uint64_t *set = after.creds.caps.set;
    bool effective = !(creds->securebits & SECBIT(NOROOT)) && state->uid[LP_EFFECTIVE_ID] == 0;
    bool real = !(creds->securebits & SECBIT(NOROOT)) && state->uid[LP_REAL_ID] == 0;
    uint64_t gained = 0;

    if (effective || real)
        gained = creds->bounding | creds->caps.set[LP_INHERITABLE];
    if (state->no_new_privs && gained & ~creds->caps.set[LP_PERMITTED]) {
        gained &= creds->caps.set[LP_PERMITTED];
        /* The effective ids go back where the gain is refused. */
        after.uid[LP_EFFECTIVE_ID] = after.uid[LP_REAL_ID];
        after.gid[LP_EFFECTIVE_ID] = after.gid[LP_REAL_ID];
    }
    set[LP_PERMITTED] = gained | creds->ambient;
    set[LP_EFFECTIVE] = effective ? set[LP_PERMITTED] : creds->ambient;
    after.creds.securebits &= ALL_BUT(SECBIT(KEEP_CAPS));
    /* The signal goes where the program is treated as one with privileges. */
    if (set[LP_PERMITTED] & ~creds->caps.set[LP_PERMITTED]
        || state->uid[LP_REAL_ID] != state->uid[LP_EFFECTIVE_ID]
        || state->gid[LP_REAL_ID] != state->gid[LP_EFFECTIVE_ID]
        || state->uid[LP_FS_ID] != state->uid[LP_EFFECTIVE_ID]
        || state->gid[LP_FS_ID] != state->gid[LP_EFFECTIVE_ID])
        after.pdeathsig = 0;
    after.uid[LP_SAVED_ID] = after.uid[LP_FS_ID] = after.uid[LP_EFFECTIVE_ID];
    after.gid[LP_SAVED_ID] = after.gid[LP_FS_ID] = after.gid[LP_EFFECTIVE_ID];
    return after;
}
