/* Carrying out a plan, and looking whether it led where it should. Between the first operation
 * and the last nothing here allocates memory. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* getresuid(2) */
#endif
#include "setpriv.h"

#include "kernel.h"
#include "memory.h"
#include "sets.h"

#include <errno.h>
#include <linux/filter.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- single operations ---- */

/* prctl(2) for each capability of a mask. */
static int for_each(uint64_t mask, int (*call)(unsigned cap), unsigned *cap)
{
    for (; mask; mask &= mask - 1) {
        *cap = (unsigned)__builtin_ctzll(mask);
        if (call(*cap) != 0)
            return -1;
    }
    *cap = LP_CAPS;
    return 0;
}

static int drop(unsigned cap)
{
    return (int)lp_change(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static int lower(unsigned cap)
{
    return (int)lp_change(PR_CAP_AMBIENT, LP_PR_CAP_AMBIENT_LOWER, cap, 0, 0);
}

static int raise_one(unsigned cap)
{
    return (int)lp_change(PR_CAP_AMBIENT, LP_PR_CAP_AMBIENT_RAISE, cap, 0, 0);
}

static int set_gids(const gid_t gid[LP_SLOTS])
{
    return (int)lp_done(lp_setresgid(gid[LP_REAL_ID], gid[LP_EFFECTIVE_ID], gid[LP_SAVED_ID]));
}

static int set_uids(const uid_t uid[LP_SLOTS])
{
    return (int)lp_done(lp_setresuid(uid[LP_REAL_ID], uid[LP_EFFECTIVE_ID], uid[LP_SAVED_ID]));
}

static int set_groups(const struct lp_groups *groups)
{
    return (int)lp_done(lp_setgroups(groups->count, groups->ids));
}

/* capset(2) that was seen to do what it says: where it only pretends, what is kept
 * over a change of ids could never be given up again. */
static int set_caps(const struct lp_caps *caps)
{
    struct lp_caps now;

    if (lp_capset(caps) != 0 || lp_capget(&now) != 0)
        return -1;
    if (memcmp(caps, &now, sizeof now) == 0)
        return 0;
    errno = EPERM;
    return -1;
}

/* AppArmor has a file of its own where several modules are stacked (5.8). */
static int set_apparmor(const char *profile)
{
    if (lp_write_proc("/proc/thread-self/attr/apparmor/exec", profile) == 0)
        return 0;
    return errno == ENOENT ? lp_write_proc("/proc/thread-self/attr/exec", profile) : -1;
}

/* 0, or -1 and errno; cap: the capability that was refused. */
static int do_op(const struct lp_plan *plan, const struct lp_op *op, unsigned *cap)
{
    *cap = LP_CAPS;
    switch (op->code) {
    case LP_OP_CAPSET:
        return set_caps(&op->caps);
    case LP_OP_KEEPCAPS:
        return (int)lp_change(PR_SET_KEEPCAPS, (unsigned long)op->value, 0, 0, 0);
    case LP_OP_SETGROUPS:
        return set_groups(&plan->target.groups);
    case LP_OP_SETRESGID:
        return set_gids(plan->target.gid);
    case LP_OP_SECUREBITS:
        return (int)lp_change(PR_SET_SECUREBITS, (unsigned long)op->value, 0, 0, 0);
    case LP_OP_BOUNDING:
        return for_each(op->value, drop, cap);
    case LP_OP_SETRESUID:
        return set_uids(plan->target.uid);
    case LP_OP_AMBIENT_LOWER:
        return for_each(op->value, lower, cap);
    case LP_OP_AMBIENT_RAISE:
        return for_each(op->value, raise_one, cap);
    case LP_OP_NO_NEW_PRIVS:
        return (int)lp_change(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    case LP_OP_PDEATHSIG:
        return (int)lp_set_pdeathsig((unsigned long)op->value, plan->parent);
    case LP_OP_PTRACER:
        return (int)lp_change(PR_SET_PTRACER, (unsigned long)op->value, 0, 0, 0);
    case LP_OP_APPARMOR:
        return set_apparmor(plan->apparmor);
    case LP_OP_SELINUX:
        return lp_write_proc("/proc/thread-self/attr/exec", plan->selinux);
    }
    errno = EINVAL;
    return -1;
}

/* Effective goes and comes back: does capset(2) work? */
static int rehearse(void)
{
    struct lp_caps now, without;

    if (lp_capget(&now) != 0)
        return -1;
    without = now;
    without.set[LP_EFFECTIVE] = 0;
    return set_caps(&without) != 0 || set_caps(&now) != 0 ? -1 : 0;
}

static bool keeps(const struct lp_op *op)
{
    return op->code == LP_OP_KEEPCAPS && op->value;
}

static enum lp_stage do_all(const struct lp_plan *plan, struct lp_outcome *outcome)
{
    for (unsigned i = 0; i < plan->count; i++) {
        const struct lp_op *op = &plan->op[i];

        if ((keeps(op) && rehearse() != 0) || do_op(plan, op, &outcome->cap) != 0) {
            outcome->error = errno;
            outcome->op = i;
            return LP_AT_OP;
        }
    }
    return LP_DONE;
}

/* ---- verification ---- */

static bool in_slot(const uint32_t ids[LP_SLOTS], uint32_t id)
{
    for (int slot = 0; slot < LP_SLOTS; slot++)
        if (ids[slot] == id)
            return true;
    return false;
}

#define SAME_ID ((uint32_t)-1) /* leave the slot as it is */

static int take_back_uid(uint32_t id)
{
    return lp_setresuid(SAME_ID, id, SAME_ID);
}

static int take_back_gid(uint32_t id)
{
    return lp_setresgid(SAME_ID, id, SAME_ID);
}

/* Each id that was given up, once: who may still take it has not given it up. */
static bool taken_back(const uint32_t before[LP_SLOTS], const uint32_t after[LP_SLOTS],
                       int (*take_back)(uint32_t id), struct lp_outcome *outcome)
{
    for (int slot = 0; slot < LP_SLOTS; slot++) {
        uint32_t id = before[slot];
        bool tried = false;

        for (int earlier = 0; earlier < slot; earlier++)
            tried = tried || before[earlier] == id;
        if (tried || in_slot(after, id))
            continue;
        outcome->id = id;
        outcome->regained = take_back(id) != -1;
        outcome->error = outcome->regained ? EPERM : errno;
        if (outcome->regained || (outcome->error != EPERM && outcome->error != EINVAL))
            return true;
    }
    return false;
}

#define RETRIES 20
#define RETRY_NS 500000L

/* A thread that was joined a moment ago may still be counted. */
static bool has_other_threads(const struct lp_buffer *buffer, int status,
                              const struct lp_creds *target, struct lp_reading reading[LP_SOURCES])
{
    const struct timespec pause = {0, RETRY_NS};

    for (int i = 0; reading[LP_PROC].threads > 1; i++) {
        if (i == RETRIES)
            return true;
        (void)nanosleep(&pause, NULL); /* interrupted: ask all the sooner */
        lp_look(buffer, status, target, reading);
    }
    return false;
}

static enum lp_stage verify(const struct lp_plan *plan, const struct lp_buffer *buffer, int status,
                            struct lp_outcome *outcome)
{
    const struct lp_creds *target = &plan->target;
    uint64_t kept = target->caps.set[LP_PERMITTED];

    outcome->error = EPERM; /* no call failed, and yet it is not as planned */
    lp_look(buffer, status, target, outcome->reading);
    if (plan->alone && has_other_threads(buffer, status, target, outcome->reading))
        return LP_OTHER_THREADS;
    if (outcome->reading[LP_GETTERS].differs || outcome->reading[LP_PROC].differs)
        return LP_NOT_VERIFIED;
    if (!(kept & LP_BIT(LP_CAP_setuid))
        && taken_back(plan->start.uid, target->uid, take_back_uid, outcome))
        return LP_NOT_GIVEN_UP_UID;
    if (!(kept & LP_BIT(LP_CAP_setgid))
        && taken_back(plan->start.gid, target->gid, take_back_gid, outcome))
        return LP_NOT_GIVEN_UP_GID;
    return LP_DONE;
}

enum lp_stage lp_carry_out(const struct lp_plan *plan, const struct lp_buffer *buffer, int status,
                           struct lp_outcome *outcome)
{
    enum lp_stage stage = do_all(plan, outcome);

    if (stage == LP_DONE)
        stage = verify(plan, buffer, status, outcome);
    outcome->stage = stage;
    return stage;
}

/* ---- after a failure ---- */

static bool root_stays(void)
{
    uid_t real = 0, effective = 0, saved = 0;

    return getresuid(&real, &effective, &saved) != 0 || !real || !effective || !saved;
}

/* An exec by uid 0 brings back the bounding set, unless no_new_privs is set. */
static void spoil_exec(void)
{
    for (unsigned cap = 0; lp_knows(cap); cap++)
        (void)drop(cap);
    (void)lp_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* After a failure nobody shall go on with what is left: as far as the kernel lets
 * us, the ids become those of the plan, and all capabilities go. The result is
 * looked at afterwards, so no single answer matters here. */
static void give_up(const struct lp_plan *plan)
{
    const struct lp_caps none = {{0, 0, 0}};
    unsigned cap;

    (void)lp_prctl(PR_CAP_AMBIENT, LP_PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    (void)lp_prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    for (unsigned i = 0; i < plan->count; i++)
        switch (plan->op[i].code) {
        case LP_OP_SETGROUPS:
        case LP_OP_SETRESGID:
        case LP_OP_SETRESUID:
            (void)do_op(plan, &plan->op[i], &cap);
            break;
        default:
            break;
        }
    if (root_stays())
        spoil_exec();
    (void)lp_capset(&none);
}

/* With no way back: the process ends, or what is left is looked at. */
static void fail(const struct lp_plan *plan, const struct lp_buffer *buffer, int status, bool exit,
                 struct lp_outcome *outcome)
{
    give_up(plan);
    if (exit)
        _exit(127);
    lp_look(buffer, status, NULL, outcome->left);
}

/* ---- the whole ---- */

int lp_install_filter(const struct lp_plan *plan)
{
    const struct sock_fprog filter = {
        .len = (unsigned short)plan->instructions,
        .filter = (struct sock_filter *)plan->filter,
    };

    return (int)lp_change(PR_SET_SECCOMP, LP_SECCOMP_MODE_FILTER, (unsigned long)&filter, 0, 0);
}

static void fail_at(const struct lp_plan *plan, const struct lp_buffer *buffer,
                    enum lp_stage stage, bool exit, struct lp_outcome *outcome)
{
    outcome->error = errno;
    outcome->stage = stage;
    fail(plan, buffer, -1, exit, outcome);
}

static void with_status(const struct lp_plan *plan, const struct lp_buffer buffer[2], int status,
                        bool exit, struct lp_outcome *outcome)
{
    if (lp_carry_out(plan, &buffer[0], status, outcome) != LP_DONE)
        fail(plan, &buffer[1], status, exit, outcome);
}

enum lp_stage lp_setpriv(const struct lp_plan *plan, const struct lp_buffer buffer[2], bool exit,
                         struct lp_outcome *outcome)
{
    sigset_t all, before;
    int status;

    memset(outcome, 0, sizeof *outcome);
    outcome->cap = LP_CAPS;
    outcome->stage = LP_UNTOUCHED;
    (void)sigfillset(&all); /* fails for a bad pointer only */
    if (sigprocmask(SIG_SETMASK, &all, &before) != 0) {
        outcome->error = errno;
        return LP_UNTOUCHED;
    }
    /* Opened now: no handler can jump out of here and leave it open. */
    status = lp_open_status();
    outcome->error = errno;
    if (status >= 0 || (errno != EMFILE && errno != ENFILE && errno != ENOMEM))
        with_status(plan, buffer, status, exit, outcome);
    if (status >= 0)
        (void)close(status); /* it was only read */
    if (sigprocmask(SIG_SETMASK, &before, NULL) != 0 && outcome->stage == LP_DONE)
        fail_at(plan, &buffer[1], LP_STILL_BLOCKED, exit, outcome);
    /* Last: it may forbid all that came before. */
    if (outcome->stage == LP_DONE && plan->filter && lp_install_filter(plan) != 0)
        fail_at(plan, &buffer[1], LP_NO_FILTER, exit, outcome);
    return outcome->stage;
}
