/* The caller's five sets of capabilities and its securebits: reading and changing them. */
#include "sets.h"

#include "lp.h"

#include <errno.h>

/* ---- reading ---- */

struct lp_answer lp_ask_bit(enum lp_set set, unsigned bit)
{
    int raised = lp_bit(set, bit);

    return (struct lp_answer){.failed = raised == -1, .value = raised == 1};
}

/* Ambient and bounding, which the kernel tells one by one. */
int lp_read_each(enum lp_set set, uint64_t *mask)
{
    int saved = errno;

    *mask = 0;
    for (unsigned cap = 0; cap < LP_CAPS; cap++) {
        int bit = lp_bit(set, cap);

        if (bit == -1) {
            if (errno != EINVAL || lp_knows(cap))
                return -1;
            errno = saved;
            break;
        }
        if (bit)
            *mask |= LP_BIT(cap);
    }
    return 0;
}

int lp_read_sets(struct lp_creds *creds)
{
    if (lp_capget(&creds->caps) != 0
        || lp_read(LP_BOUNDING, &creds->bounding) != 0
        || lp_read(LP_SECURE, &creds->securebits) != 0)
        return -1;
    /* No ambient set before 4.3: none of it is raised. */
    if (lp_read(LP_AMBIENT, &creds->ambient) != 0) {
        if (errno != EINVAL)
            return -1;
        creds->ambient = 0;
    }
    return 0;
}

/* ---- what the kernel has ---- */

/* From the highest down: what the kernel knows has no gaps. */
uint64_t lp_unknown_caps(uint64_t mask)
{
    uint64_t known = mask;

    while (known) {
        unsigned cap = LP_CAPS - 1 - (unsigned)__builtin_clzll(known);

        if (lp_knows(cap))
            break;
        known &= ~LP_BIT(cap);
    }
    return mask & ~known;
}

uint64_t lp_all_caps(void)
{
    return ~lp_unknown_caps(UINT64_MAX);
}

uint64_t lp_any_set(const struct lp_caps *caps)
{
    return caps->set[LP_EFFECTIVE] | caps->set[LP_PERMITTED] | caps->set[LP_INHERITABLE];
}

/* ---- writing ---- */

static int refuse(int error)
{
    errno = error;
    return -1;
}

static int write_caps(const struct lp_write *write)
{
    struct lp_caps caps;

    /* capset(2) takes a bit that it does not know, and forgets it. */
    if (write->raise && lp_unknown_caps(write->raise))
        return refuse(EINVAL);
    if (lp_capget(&caps) != 0)
        return -1;
    caps.set[write->set] = lp_written(write, caps.set[write->set]);
    if (write->whole && write->set == LP_PERMITTED)
        caps.set[LP_EFFECTIVE] &= caps.set[LP_PERMITTED];
    return lp_capset(&caps);
}

int lp_set_caps(const struct lp_caps *caps)
{
    if (lp_unknown_caps(lp_any_set(caps)))
        return refuse(EINVAL);
    return lp_capset(caps);
}

static int write_securebits(const struct lp_write *write)
{
    long now = lp_prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
    unsigned long wanted;

    if (now == -1)
        return -1;
    wanted = (unsigned long)lp_written(write, (uint64_t)now);
    if (lp_change(PR_SET_SECUREBITS, wanted, 0, 0, 0) == 0)
        return 0;
    /* Without setpcap the kernel refuses even what changes nothing. */
    return errno == EPERM && wanted == (unsigned long)now ? 0 : -1;
}

static int ambient(int what, unsigned cap)
{
    return (int)lp_change(PR_CAP_AMBIENT, (unsigned long)what, cap, 0, 0);
}

/* Each capability of a mask once, in the kernel's order, as far as it has them. */
static int each(uint64_t mask, int (*step)(unsigned cap))
{
    for (; mask; mask &= mask - 1) {
        unsigned cap = (unsigned)__builtin_ctzll(mask);

        if (step(cap) != 0) {
            if (errno == EINVAL && lp_lacks(cap))
                break; /* nor does it know those above */
            return -1;
        }
    }
    return 0;
}

static int ambient_lower(unsigned cap)
{
    return ambient(LP_PR_CAP_AMBIENT_LOWER, cap);
}

/* Raises those that are not raised yet, or none of them. */
static int ambient_raise(const struct lp_write *write)
{
    struct lp_write missing = {.set = LP_AMBIENT, .keep = ~UINT64_C(0)};
    struct lp_creds now = {.ambient = 0};
    long securebits;
    uint64_t raised = 0;

    for (uint64_t rest = write->raise; rest; rest &= rest - 1) {
        unsigned cap = (unsigned)__builtin_ctzll(rest);
        int bit = lp_bit(LP_AMBIENT, cap);

        if (bit == -1)
            return -1;
        if (!bit)
            missing.raise |= LP_BIT(cap);
    }
    if (!missing.raise)
        return 0;
    securebits = lp_prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
    if (securebits == -1 || lp_capget(&now.caps) != 0)
        return -1;
    now.securebits = (uint64_t)securebits;
    if (lp_explain(&now, &missing).rule != LP_NO_RULE)
        return refuse(EPERM);
    for (uint64_t rest = missing.raise; rest; rest &= rest - 1) {
        unsigned cap = (unsigned)__builtin_ctzll(rest);

        if (ambient(LP_PR_CAP_AMBIENT_RAISE, cap) == -1) {
            int error = errno;

            (void)each(raised, ambient_lower); /* the first error is the one to tell */
            return refuse(error);
        }
        raised |= LP_BIT(cap);
    }
    return 0;
}

static int write_ambient(const struct lp_write *write)
{
    if (!write->keep && !write->raise)
        return ambient(LP_PR_CAP_AMBIENT_CLEAR_ALL, 0);
    if (!write->whole && write->raise) /* one element: the kernel decides */
        return ambient(LP_PR_CAP_AMBIENT_RAISE, (unsigned)__builtin_ctzll(write->raise));
    if (write->raise && ambient_raise(write) != 0)
        return -1;
    return each(~(write->keep | write->raise), ambient_lower);
}

static int bounding_drop(unsigned cap)
{
    return (int)lp_change(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static int bounding_gone(unsigned cap)
{
    int bit = lp_bit(LP_BOUNDING, cap);

    return bit > 0 ? refuse(EPERM) : bit;
}

static int bounding_there(unsigned cap)
{
    int bit = lp_bit(LP_BOUNDING, cap);

    if (bit == -1 && !(errno == EINVAL && lp_lacks(cap)))
        return -1;
    return bit == 1 ? 0 : refuse(EPERM);
}

static int write_bounding(const struct lp_write *write)
{
    uint64_t drop = ~(write->keep | write->raise);
    struct lp_caps caps;

    if (!write->whole) {
        if (each(drop, bounding_drop) == 0)
            return 0;
        /* The kernel asks for setpcap before it sees that nothing is left to do. */
        return errno == EPERM ? each(drop, bounding_gone) : -1;
    }
    if (each(write->raise, bounding_there) != 0 || lp_capget(&caps) != 0)
        return -1;
    if (caps.set[LP_EFFECTIVE] & LP_BIT(LP_CAP_setpcap))
        return each(drop, bounding_drop);
    return each(drop, bounding_gone);
}

int lp_write(const struct lp_write *write)
{
    int saved = errno;
    int result;

    switch (write->set) {
    case LP_AMBIENT:
        result = write_ambient(write);
        break;
    case LP_BOUNDING:
        result = write_bounding(write);
        break;
    case LP_SECURE:
        result = write_securebits(write);
        break;
    default:
        result = write_caps(write);
    }
    if (result == 0)
        errno = saved;
    return result;
}
