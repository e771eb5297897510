/* The steps from what a process is to what it shall be, in order. Why each of them may be
 * taken, and what it leads to, say the rules. */
#include "plan.h"

#include <string.h>

#define CAP(name) LP_BIT(LP_CAP_##name)
#define SECBIT(NAME) LP_BIT(LP_SECURE_##NAME)
#define ALL_BUT(mask) (~(uint64_t)(mask))

/* A plan while it is made, and the credentials as they are by then. */
struct draft {
    struct lp_plan *plan;
    struct lp_creds creds;
    unsigned differ;
};

/* Nothing comes behind an operation that would be refused. */
static void add(struct draft *draft, const struct lp_op *op)
{
    struct lp_plan *plan = draft->plan;

    if (plan->refusal.rule != LP_NO_RULE)
        return;
    plan->refusal = lp_predict(op, &plan->target, plan->setgroups_denied, &draft->creds);
    plan->op[plan->count++] = *op;
}

static void add_value(struct draft *draft, unsigned step, enum lp_op_code code, uint64_t value)
{
    const struct lp_op op = {.step = step, .code = code, .value = value};

    add(draft, &op);
}

/* The bits of a mask, if it has any. */
static void add_bits(struct draft *draft, unsigned step, enum lp_op_code code, uint64_t bits)
{
    if (bits)
        add_value(draft, step, code, bits);
}

static void add_capset(struct draft *draft, unsigned step, const struct lp_caps *caps)
{
    const struct lp_op op = {.step = step, .code = LP_OP_CAPSET, .caps = *caps};

    if (memcmp(caps, &draft->creds.caps, sizeof *caps) != 0)
        add(draft, &op);
}

static void add_securebits(struct draft *draft, unsigned step, uint64_t bits)
{
    if (draft->creds.securebits != bits)
        add_value(draft, step, LP_OP_SECUREBITS, bits);
}

static void add_keepcaps(struct draft *draft, unsigned step, bool on)
{
    if (!(draft->creds.securebits & SECBIT(KEEP_CAPS)) == on)
        add_value(draft, step, LP_OP_KEEPCAPS, on);
}

static bool differs(const struct draft *draft, unsigned fields)
{
    return draft->differ & fields;
}

/* What needs setuid, setgid or setpcap. */
#define PRIVILEGED                                                                  \
    (LP_FIELD(UID) | LP_FIELD(GID) | LP_FIELD(GROUPS) | LP_FIELD(INHERITABLE)       \
     | LP_FIELD(BOUNDING) | LP_FIELD(SECUREBITS))

static void begin(struct draft *draft)
{
    struct lp_caps caps = draft->creds.caps;

    if (draft->plan->apparmor)
        add_value(draft, 1, LP_OP_APPARMOR, 0);
    if (draft->plan->selinux)
        add_value(draft, 1, LP_OP_SELINUX, 0);
    caps.set[LP_EFFECTIVE] |=
        caps.set[LP_PERMITTED] & (CAP(setuid) | CAP(setgid) | CAP(setpcap));
    if (differs(draft, PRIVILEGED))
        add_capset(draft, 1, &caps);
    add_keepcaps(draft, 1, false);
}

/* Everything that needs the capabilities, while they are there. */
static void prepare(struct draft *draft)
{
    const struct lp_creds *wanted = &draft->plan->target;
    struct lp_caps caps;
    uint64_t bits = wanted->securebits;

    if (differs(draft, LP_FIELD(GROUPS)))
        add_value(draft, 2, LP_OP_SETGROUPS, 0);
    if (differs(draft, LP_FIELD(GID)))
        add_value(draft, 3, LP_OP_SETRESGID, 0);
    caps = draft->creds.caps;
    caps.set[LP_INHERITABLE] = wanted->caps.set[LP_INHERITABLE];
    add_capset(draft, 4, &caps);
    if (wanted->caps.set[LP_PERMITTED]) /* the others wait until ambient is raised */
        bits &= draft->creds.securebits;
    add_securebits(draft, 5, bits);
    add_bits(draft, 6, LP_OP_BOUNDING, draft->creds.bounding & ~wanted->bounding);
}

static void change_uid(struct draft *draft)
{
    const struct lp_creds *wanted = &draft->plan->target;

    if (!differs(draft, LP_FIELD(UID)))
        return;
    if (wanted->caps.set[LP_PERMITTED] && lp_sets_follow_uid(&draft->creds, wanted->uid))
        add_keepcaps(draft, 7, true);
    add_value(draft, 8, LP_OP_SETRESUID, 0);
}

static void finish(struct draft *draft)
{
    const struct lp_creds *wanted = &draft->plan->target;
    const struct lp_creds *now = &draft->creds;
    struct lp_caps caps = wanted->caps;

    if ((now->securebits & ALL_BUT(SECBIT(KEEP_CAPS))) != wanted->securebits) {
        uint64_t setpcap = now->caps.set[LP_PERMITTED] & CAP(setpcap);

        caps.set[LP_PERMITTED] |= setpcap;
        caps.set[LP_EFFECTIVE] |= setpcap;
    }
    add_capset(draft, 9, &caps);
    add_bits(draft, 10, LP_OP_AMBIENT_LOWER, now->ambient & ~wanted->ambient);
    add_bits(draft, 10, LP_OP_AMBIENT_RAISE, wanted->ambient & ~now->ambient);
    add_keepcaps(draft, 11, false);
    add_securebits(draft, 12, wanted->securebits);
    add_capset(draft, 13, &wanted->caps);
    if (wanted->no_new_privs && !now->no_new_privs)
        add_value(draft, 14, LP_OP_NO_NEW_PRIVS, 1);
    if (now->pdeathsig != wanted->pdeathsig || draft->plan->check_parent)
        add_value(draft, 15, LP_OP_PDEATHSIG, wanted->pdeathsig);
    if (draft->plan->set_ptracer)
        add_value(draft, 15, LP_OP_PTRACER, draft->plan->ptracer);
}

void lp_make_plan(struct lp_plan *plan)
{
    struct draft draft = {
        .plan = plan,
        .creds = plan->start,
        .differ = lp_differ(&plan->start, &plan->target) | plan->unsure,
    };

    plan->count = 0;
    plan->refusal.rule = LP_NO_RULE;
    begin(&draft);
    prepare(&draft);
    change_uid(&draft);
    finish(&draft);
    if (plan->filter && plan->refusal.rule == LP_NO_RULE)
        plan->filter_refusal = lp_explain_filter(&plan->target);
    plan->unreached = lp_differ(&draft.creds, &plan->target);
}
