/* The kernel's laws, over values: those of capabilities(7) and credentials(7). Those of
 * execve(2) are in exec_rules.c. Nothing here asks the kernel, and nothing else states a law. */
#include "rules.h"

#include "creds.h"

#include <string.h>

#define CAP(name) LP_BIT(LP_CAP_##name)
#define SECBIT(NAME) LP_BIT(LP_SECURE_##NAME)
#define ALL_BUT(mask) (~(uint64_t)(mask))

bool lp_met(struct lp_refusal *refusal, enum lp_rule rule, uint64_t mask)
{
    if (mask == 0)
        return false;
    refusal->rule = rule;
    refusal->bit = (unsigned)__builtin_ctzll(mask);
    return true;
}

static struct lp_refusal lacks(const struct lp_creds *creds, unsigned cap, enum lp_rule rule)
{
    struct lp_refusal refusal = {LP_NO_RULE, cap};

    if (!(creds->caps.set[LP_EFFECTIVE] & LP_BIT(cap)))
        refusal.rule = rule;
    return refusal;
}

/* ---- writes to one set ---- */

#define SETTINGS UINT64_C(0x5555555555555555) /* each has its lock above it */
#define UNPRIVILEGED                                                                \
    (SECBIT(EXEC_RESTRICT_FILE) | SECBIT(EXEC_RESTRICT_FILE_LOCKED)                 \
     | SECBIT(EXEC_DENY_INTERACTIVE) | SECBIT(EXEC_DENY_INTERACTIVE_LOCKED))

uint64_t lp_written(const struct lp_write *write, uint64_t now)
{
    return (now & write->keep) | write->raise;
}

static void explain_securebits(const struct lp_creds *now, const struct lp_write *write,
                               struct lp_refusal *refusal)
{
    uint64_t wanted = lp_written(write, now->securebits);
    uint64_t changed = wanted ^ now->securebits;
    uint64_t locks = now->securebits & ~SETTINGS;
    uint64_t named = LP_BIT(LP_SECUREBITS) - 1;

    if (lp_met(refusal, LP_LOCKED, changed & locks >> 1)
        || lp_met(refusal, LP_LOCKED, changed & locks))
        return;
    if (!(now->caps.set[LP_EFFECTIVE] & CAP(setpcap)))
        (void)lp_met(refusal, LP_NO_SETPCAP, changed & ~UNPRIVILEGED);
    else if (!lp_met(refusal, LP_UNKNOWN_BIT, wanted & ~named))
        (void)lp_met(refusal, LP_UNKNOWN_BIT, changed & wanted & UNPRIVILEGED);
}

struct lp_refusal lp_explain(const struct lp_creds *now, const struct lp_write *write)
{
    struct lp_refusal refusal = {LP_NO_RULE, 0};
    const uint64_t *set = now->caps.set;
    bool setpcap = set[LP_EFFECTIVE] & CAP(setpcap);
    uint64_t raise = write->raise;

    switch (write->set) {
    case LP_EFFECTIVE:
        (void)lp_met(&refusal, LP_NOT_PERMITTED, raise & ~set[LP_PERMITTED]);
        break;
    case LP_PERMITTED:
        if (!lp_met(&refusal, LP_NOT_PERMITTED, raise & ~set[LP_PERMITTED]) && !write->whole)
            (void)lp_met(&refusal, LP_STILL_EFFECTIVE,
                         set[LP_EFFECTIVE] & ~lp_written(write, set[LP_PERMITTED]));
        break;
    case LP_INHERITABLE:
        raise &= ~set[LP_INHERITABLE];
        if (!lp_met(&refusal, LP_NOT_BOUNDED, raise & ~now->bounding) && !setpcap)
            (void)lp_met(&refusal, LP_BEYOND_PERMITTED, raise & ~set[LP_PERMITTED]);
        break;
    case LP_AMBIENT:
        if (now->securebits & SECBIT(NO_CAP_AMBIENT_RAISE))
            (void)lp_met(&refusal, LP_NO_AMBIENT_RAISE, raise);
        else if (!lp_met(&refusal, LP_NOT_PERMITTED, raise & ~set[LP_PERMITTED]))
            (void)lp_met(&refusal, LP_NOT_INHERITABLE, raise & ~set[LP_INHERITABLE]);
        break;
    case LP_BOUNDING:
        if (!lp_met(&refusal, LP_NOT_BOUNDED, raise & ~now->bounding) && !setpcap)
            (void)lp_met(&refusal, LP_NO_SETPCAP,
                         now->bounding & ~lp_written(write, now->bounding));
        break;
    default:
        explain_securebits(now, write, &refusal);
    }
    return refusal;
}

/* capset(2) takes the three together: effective goes by what permitted becomes. */
struct lp_refusal lp_explain_caps(const struct lp_creds *now, const struct lp_caps *caps)
{
    const struct lp_write permitted = {.set = LP_PERMITTED, .raise = caps->set[LP_PERMITTED],
                                       .whole = true};
    const struct lp_write inheritable = {.set = LP_INHERITABLE,
                                         .raise = caps->set[LP_INHERITABLE]};
    struct lp_refusal refusal = lp_explain(now, &permitted);

    if (refusal.rule == LP_NO_RULE
        && !lp_met(&refusal, LP_NOT_PERMITTED,
                   caps->set[LP_EFFECTIVE] & ~caps->set[LP_PERMITTED]))
        refusal = lp_explain(now, &inheritable);
    return refusal;
}

bool lp_idle_without_setpcap(const struct lp_creds *now, const struct lp_write *write)
{
    uint64_t bits = write->set == LP_SECURE ? now->securebits : now->bounding;

    return (write->set == LP_SECURE || write->set == LP_BOUNDING)
           && lacks(now, LP_CAP_setpcap, LP_NO_SETPCAP).rule != LP_NO_RULE
           && lp_written(write, bits) == bits;
}

/* ---- ids ---- */

bool lp_root_in_slot(const uid_t uid[LP_SLOTS])
{
    return uid[LP_REAL_ID] == 0 || uid[LP_EFFECTIVE_ID] == 0 || uid[LP_SAVED_ID] == 0;
}

bool lp_sets_follow_uid(const struct lp_creds *creds, const uid_t after[LP_SLOTS])
{
    return lp_root_in_slot(creds->uid) && !lp_root_in_slot(after)
           && !(creds->securebits & SECBIT(NO_SETUID_FIXUP));
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

/* A change of the effective or the file-system id disarms the death signal. */
static void set_ids(struct lp_creds *creds, uint32_t now[LP_SLOTS],
                    const uint32_t wanted[LP_SLOTS])
{
    if (now[LP_EFFECTIVE_ID] != wanted[LP_EFFECTIVE_ID]
        || now[LP_FS_ID] != wanted[LP_EFFECTIVE_ID])
        creds->pdeathsig = 0;
    memcpy(now, wanted, LP_SLOTS * sizeof *now);
    now[LP_FS_ID] = wanted[LP_EFFECTIVE_ID];
}

/* What the kernel does to the sets when a uid changes. */
static void fix_up_sets(struct lp_creds *creds, const uid_t before[LP_SLOTS])
{
    const uid_t *after = creds->uid;
    uint64_t *set = creds->caps.set;

    if (creds->securebits & SECBIT(NO_SETUID_FIXUP))
        return;
    if (lp_root_in_slot(before) && !lp_root_in_slot(after)) {
        if (!(creds->securebits & SECBIT(KEEP_CAPS)))
            set[LP_PERMITTED] = set[LP_EFFECTIVE] = 0;
        creds->ambient = 0;
    }
    if (before[LP_EFFECTIVE_ID] == 0 && after[LP_EFFECTIVE_ID] != 0)
        set[LP_EFFECTIVE] = 0;
    if (before[LP_EFFECTIVE_ID] != 0 && after[LP_EFFECTIVE_ID] == 0)
        set[LP_EFFECTIVE] = set[LP_PERMITTED];
}

/* ---- one operation ---- */

static struct lp_refusal predict_setresgid(const struct lp_creds *target, struct lp_creds *creds)
{
    struct lp_refusal refusal = {LP_NO_RULE, 0};

    if (!only_moves(creds->gid, target->gid))
        refusal = lacks(creds, LP_CAP_setgid, LP_NO_SETGID);
    if (refusal.rule == LP_NO_RULE)
        set_ids(creds, creds->gid, target->gid);
    return refusal;
}

static struct lp_refusal predict_setresuid(const struct lp_creds *target, struct lp_creds *creds)
{
    struct lp_refusal refusal = {LP_NO_RULE, 0};
    uid_t before[LP_SLOTS];

    if (!only_moves(creds->uid, target->uid))
        refusal = lacks(creds, LP_CAP_setuid, LP_NO_SETUID);
    if (refusal.rule == LP_NO_RULE) {
        memcpy(before, creds->uid, sizeof before);
        set_ids(creds, creds->uid, target->uid);
        fix_up_sets(creds, before);
    }
    return refusal;
}

static struct lp_refusal predict_setgroups(const struct lp_creds *target, bool denied,
                                           struct lp_creds *creds)
{
    struct lp_refusal refusal = lacks(creds, LP_CAP_setgid, LP_NO_SETGID);

    if (refusal.rule == LP_NO_RULE && denied)
        refusal.rule = LP_SETGROUPS_DENIED;
    creds->groups = target->groups;
    return refusal;
}

static struct lp_refusal predict_capset(const struct lp_op *op, struct lp_creds *creds)
{
    struct lp_refusal refusal = lp_explain_caps(creds, &op->caps);

    creds->caps = op->caps;
    creds->ambient &= op->caps.set[LP_PERMITTED] & op->caps.set[LP_INHERITABLE];
    return refusal;
}

/* PR_SET_KEEPCAPS obeys the lock, but asks for no capability. */
static struct lp_refusal predict_keepcaps(const struct lp_op *op, struct lp_creds *creds)
{
    const struct lp_write write = {
        .set = LP_SECURE,
        .keep = ALL_BUT(SECBIT(KEEP_CAPS)),
        .raise = op->value ? SECBIT(KEEP_CAPS) : 0,
    };
    struct lp_creds allowed = *creds;

    allowed.caps.set[LP_EFFECTIVE] |= CAP(setpcap);
    creds->securebits = lp_written(&write, creds->securebits);
    return lp_explain(&allowed, &write);
}

static struct lp_refusal predict_securebits(const struct lp_op *op, struct lp_creds *creds)
{
    const struct lp_write write = {.set = LP_SECURE, .raise = op->value};
    struct lp_refusal refusal = lp_explain(creds, &write);

    /* Whether the kernel has heard of a bit shows only when it is set. */
    if (refusal.rule == LP_UNKNOWN_BIT)
        refusal.rule = LP_NO_RULE;
    creds->securebits = op->value;
    return refusal;
}

static struct lp_refusal predict_write(const struct lp_creds *creds, enum lp_set set,
                                       uint64_t *now, uint64_t keep, uint64_t raise)
{
    const struct lp_write write = {.set = set, .keep = keep, .raise = raise, .whole = true};
    struct lp_refusal refusal = lp_explain(creds, &write);

    *now = lp_written(&write, *now);
    return refusal;
}

struct lp_refusal lp_predict(const struct lp_op *op, const struct lp_creds *target,
                             bool setgroups_denied, struct lp_creds *creds)
{
    const struct lp_refusal none = {LP_NO_RULE, 0};

    switch (op->code) {
    case LP_OP_CAPSET:
        return predict_capset(op, creds);
    case LP_OP_KEEPCAPS:
        return predict_keepcaps(op, creds);
    case LP_OP_SETGROUPS:
        return predict_setgroups(target, setgroups_denied, creds);
    case LP_OP_SETRESGID:
        return predict_setresgid(target, creds);
    case LP_OP_SECUREBITS:
        return predict_securebits(op, creds);
    case LP_OP_BOUNDING:
        return predict_write(creds, LP_BOUNDING, &creds->bounding, ALL_BUT(op->value), 0);
    case LP_OP_SETRESUID:
        return predict_setresuid(target, creds);
    case LP_OP_AMBIENT_LOWER:
        return predict_write(creds, LP_AMBIENT, &creds->ambient, ALL_BUT(op->value), 0);
    case LP_OP_AMBIENT_RAISE:
        return predict_write(creds, LP_AMBIENT, &creds->ambient, ALL_BUT(0), op->value);
    case LP_OP_NO_NEW_PRIVS:
        creds->no_new_privs = 1;
        break;
    case LP_OP_PDEATHSIG:
        creds->pdeathsig = op->value;
        break;
    case LP_OP_APPARMOR:
    case LP_OP_SELINUX:
    case LP_OP_PTRACER:
        break; /* no credential: the security modules decide */
    }
    return none;
}

struct lp_refusal lp_explain_filter(const struct lp_creds *creds)
{
    if (creds->no_new_privs)
        return (struct lp_refusal){LP_NO_RULE, 0};
    return lacks(creds, LP_CAP_sys_admin, LP_NO_FILTER_RIGHT);
}

/* ---- what belongs together ---- */

static bool outside(struct lp_conflict *conflict, uint64_t set, enum lp_field field,
                    uint64_t within, enum lp_field other, bool before)
{
    if (!(set & ~within))
        return false;
    *conflict = (struct lp_conflict){set & ~within, field, other, before};
    return true;
}

struct lp_conflict lp_conflict_of(const struct lp_creds *now, const struct lp_creds *wanted)
{
    const uint64_t permitted = wanted->caps.set[LP_PERMITTED];
    const uint64_t had = now->caps.set[LP_PERMITTED];
    struct lp_conflict conflict = {0, 0, 0, false};

    (void)(outside(&conflict, permitted, LP_FIELD_PERMITTED, had, LP_FIELD_PERMITTED, true)
           || outside(&conflict, wanted->ambient, LP_FIELD_AMBIENT, had, LP_FIELD_PERMITTED, true)
           || outside(&conflict, wanted->ambient, LP_FIELD_AMBIENT, permitted,
                      LP_FIELD_PERMITTED, false)
           || outside(&conflict, wanted->ambient, LP_FIELD_AMBIENT,
                      wanted->caps.set[LP_INHERITABLE], LP_FIELD_INHERITABLE, false)
           || outside(&conflict, wanted->bounding, LP_FIELD_BOUNDING, now->bounding,
                      LP_FIELD_BOUNDING, true));
    return conflict;
}
