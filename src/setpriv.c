/* Taking the steps of a plan, and looking whether they led where they should.
 * Between the first and the last nothing here allocates memory. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* setresuid(2) */
#endif
#include "setpriv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- user namespaces ---- */

int lp_read_map(const char *path, struct lp_map *map)
{
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

/* ---- single steps ---- */

static int result(long answer)
{
    return answer == -1 ? -1 : 0;
}

/* prctl(2) for each capability of a mask. */
static int each(uint64_t mask, int (*call)(unsigned cap), unsigned *cap)
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
    return result(lp_prctl(PR_CAPBSET_DROP, cap, 0, 0, 0));
}

static int lower(unsigned cap)
{
    return result(lp_prctl(PR_CAP_AMBIENT, LP_PR_CAP_AMBIENT_LOWER, cap, 0, 0));
}

static int raise_one(unsigned cap)
{
    return result(lp_prctl(PR_CAP_AMBIENT, LP_PR_CAP_AMBIENT_RAISE, cap, 0, 0));
}

/* The C library's functions: those of the kernel may have ids of 16 bits. */
static int set_gids(const gid_t gid[LP_SLOTS])
{
    return setresgid(gid[LP_REAL_ID], gid[LP_EFFECTIVE_ID], gid[LP_SAVED_ID]);
}

static int set_uids(const uid_t uid[LP_SLOTS])
{
    return setresuid(uid[LP_REAL_ID], uid[LP_EFFECTIVE_ID], uid[LP_SAVED_ID]);
}

static int set_groups(const struct lp_groups *groups)
{
    return setgroups(groups->count, groups->ids);
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

int lp_take(const struct lp_plan *plan, const struct lp_step *step, unsigned *cap)
{
    *cap = LP_CAPS;
    switch (step->act) {
    case LP_ACT_CAPSET:
        return set_caps(&step->caps);
    case LP_ACT_KEEPCAPS:
        return result(lp_prctl(PR_SET_KEEPCAPS, (unsigned long)step->value, 0, 0, 0));
    case LP_ACT_SETGROUPS:
        return set_groups(&plan->target.groups);
    case LP_ACT_SETRESGID:
        return set_gids(plan->target.gid);
    case LP_ACT_SECUREBITS:
        return result(lp_prctl(PR_SET_SECUREBITS, (unsigned long)step->value, 0, 0, 0));
    case LP_ACT_BOUNDING:
        return each(step->value, drop, cap);
    case LP_ACT_SETRESUID:
        return set_uids(plan->target.uid);
    case LP_ACT_AMBIENT_LOWER:
        return each(step->value, lower, cap);
    case LP_ACT_AMBIENT_RAISE:
        return each(step->value, raise_one, cap);
    case LP_ACT_NO_NEW_PRIVS:
        return result(lp_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    case LP_ACT_PDEATHSIG:
        return result(lp_set_pdeathsig((unsigned long)step->value, plan->parent));
    }
    errno = EINVAL;
    return -1;
}

/* ---- the witnesses ---- */

/* qsort(3) may allocate. */
static void sort_ids(gid_t *ids, size_t count)
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

/* What a witness does not tell differs from everything. */
static void know_nothing(struct lp_state *state)
{
    memset(state, 0xff, sizeof *state);
    state->groups.ids = NULL;
}

static void know_groups(struct lp_state *state, gid_t *ids, size_t count)
{
    sort_ids(ids, count);
    state->groups.ids = ids;
    state->groups.count = count;
}

static void ask_getters(const struct lp_room *room, struct lp_state *state)
{
    struct lp_creds creds;
    struct lp_answer answer;
    int count;

    if (getresuid(&state->uid[LP_REAL_ID], &state->uid[LP_EFFECTIVE_ID],
                  &state->uid[LP_SAVED_ID]) == 0)
        state->uid[LP_FS_ID] = lp_getfsuid();
    if (getresgid(&state->gid[LP_REAL_ID], &state->gid[LP_EFFECTIVE_ID],
                  &state->gid[LP_SAVED_ID]) == 0)
        state->gid[LP_FS_ID] = lp_getfsgid();
    count = getgroups((int)room->groups, room->ids[LP_GETTERS]);
    if (count >= 0)
        know_groups(state, room->ids[LP_GETTERS], (size_t)count);
    if (lp_snapshot(&creds) == 0)
        state->creds = creds;
    answer = lp_ask(PR_GET_NO_NEW_PRIVS, 0, 0);
    if (!answer.failed)
        state->no_new_privs = answer.value;
    answer = lp_ask_int(PR_GET_PDEATHSIG);
    if (!answer.failed)
        state->pdeathsig = answer.value;
}

/* Bytes: all that comes before and after the groups, with a list of every second one
 * of 8192 processors. */
#define LINES 32000
#define ID_TEXT 11 /* a group's digits and the blank behind them */

size_t lp_status_size(size_t groups)
{
    return LINES + groups * ID_TEXT;
}

int lp_open_status(void)
{
    int fd = open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC);

    return fd >= 0 ? fd : open("/proc/self/status", O_RDONLY | O_CLOEXEC); /* before 3.17 */
}

bool lp_unfiltered(void)
{
    struct lp_answer mode = lp_ask(PR_GET_SECCOMP, 0, 0);

    return mode.failed ? errno == EINVAL : mode.value == 0;
}

/* Its bytes, or -1 if they cannot be read or are more than was made room for. */
static ssize_t read_status(int fd, char *text, size_t size)
{
    size_t length = 0;

    if (lseek(fd, 0, SEEK_SET) != 0)
        return -1;
    for (;;) {
        ssize_t bytes = read(fd, text + length, size - length);

        if (bytes == 0 && length < size)
            break;
        if (bytes <= 0 && !(bytes < 0 && errno == EINTR))
            return -1;
        length += bytes > 0 ? (size_t)bytes : 0;
    }
    text[length] = '\0';
    return (ssize_t)length;
}

static const char *skip_blanks(const char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    return text;
}

/* At most so many numbers of a line; how many there were, or more than that. */
static size_t numbers(const char *text, uint32_t *ids, size_t most)
{
    size_t count = 0;

    for (text = skip_blanks(text); *text >= '0' && *text <= '9'; text = skip_blanks(text)) {
        char *end;
        unsigned long id = strtoul(text, &end, 10);

        if (count == most)
            return most + 1;
        ids[count++] = (uint32_t)id;
        text = end;
    }
    return count;
}

static void read_line(const struct lp_room *room, const char *text, enum lp_field field,
                      struct lp_state *state)
{
    size_t count;

    switch (lp_fields[field].kind) {
    case LP_KIND_IDS:
        if (numbers(text, lp_field_ids(state, field), LP_SLOTS) != LP_SLOTS)
            memset(lp_field_ids(state, field), 0xff, sizeof state->uid);
        break;
    case LP_KIND_GROUPS:
        count = numbers(text, room->ids[LP_PROC], room->groups);
        if (count <= room->groups)
            know_groups(state, room->ids[LP_PROC], count);
        break;
    case LP_KIND_CAPS:
        *lp_field_number(state, field) = strtoull(text, NULL, 16);
        break;
    default:
        *lp_field_number(state, field) = strtoull(text, NULL, 10);
    }
}

/* The fields that were found. */
static unsigned parse_status(const struct lp_room *room, struct lp_state *state)
{
    const char *text = room->text;
    unsigned found = 0;

    while (*text) {
        for (unsigned field = 0; field < LP_FIELDS; field++) {
            const char *name = lp_fields[field].proc;

            if (name && !(found & 1U << field) && strncmp(text, name, strlen(name)) == 0) {
                read_line(room, text + strlen(name), (enum lp_field)field, state);
                found |= 1U << field;
                break;
            }
        }
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return found;
}

/* Not in the file: in no kernel, or in none before 4.3 and 4.10. */
#define NEVER_TOLD (1U << LP_FIELD_SECUREBITS | 1U << LP_FIELD_PDEATHSIG)
#define NOT_ALWAYS_TOLD (1U << LP_FIELD_AMBIENT | 1U << LP_FIELD_NO_NEW_PRIVS)

static unsigned ask_proc(const struct lp_room *room, int fd, struct lp_state *state)
{
    unsigned found = 0;

    if (read_status(fd, room->text, room->size) >= 0)
        found = parse_status(room, state);
    return NEVER_TOLD | (found ? NOT_ALWAYS_TOLD & ~found : 0);
}

void lp_look(const struct lp_room *room, int proc, const struct lp_state *expected,
             struct lp_view view[LP_WITNESSES])
{
    for (int i = 0; i < LP_WITNESSES; i++) {
        know_nothing(&view[i].state);
        view[i].there = i == LP_GETTERS || proc >= 0;
        view[i].untold = 0;
        view[i].differs = 0;
    }
    ask_getters(room, &view[LP_GETTERS].state);
    if (view[LP_PROC].there)
        view[LP_PROC].untold = ask_proc(room, proc, &view[LP_PROC].state);
    if (!expected)
        expected = &view[LP_GETTERS].state;
    for (int i = 0; i < LP_WITNESSES; i++)
        if (view[i].there)
            view[i].differs = lp_differ(&view[i].state, expected) & ~view[i].untold;
}

/* ---- afterwards ---- */

static bool in_slot(const uint32_t ids[LP_SLOTS], uint32_t id)
{
    for (int slot = 0; slot < LP_SLOTS; slot++)
        if (ids[slot] == id)
            return true;
    return false;
}

static int take_back_uid(uint32_t id)
{
    return setresuid((uid_t)-1, id, (uid_t)-1);
}

static int take_back_gid(uint32_t id)
{
    return setresgid((gid_t)-1, id, (gid_t)-1);
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
        outcome->error = take_back(id) == 0 ? 0 : errno;
        if (outcome->error != EPERM && outcome->error != EINVAL)
            return true;
    }
    return false;
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

static bool keeps(const struct lp_step *step)
{
    return step->act == LP_ACT_KEEPCAPS && step->value;
}

static enum lp_stage take_all(const struct lp_plan *plan, struct lp_outcome *outcome)
{
    for (unsigned i = 0; i < plan->count; i++) {
        const struct lp_step *step = &plan->step[i];

        if ((keeps(step) && rehearse() != 0) || lp_take(plan, step, &outcome->cap) != 0) {
            outcome->error = errno;
            outcome->step = i;
            return LP_AT_STEP;
        }
    }
    return LP_DONE;
}

static enum lp_stage verify(const struct lp_plan *plan, const struct lp_room *room, int proc,
                            struct lp_outcome *outcome)
{
    const struct lp_state *target = &plan->target;
    uint64_t kept = target->creds.caps.set[LP_PERMITTED];

    lp_look(room, proc, target, outcome->view);
    if (outcome->view[LP_GETTERS].differs || outcome->view[LP_PROC].differs)
        return LP_NOT_VERIFIED;
    if (!(kept & LP_BIT(LP_CAP_setuid))
        && taken_back(plan->start.uid, target->uid, take_back_uid, outcome))
        return LP_NOT_GIVEN_UP_UID;
    if (!(kept & LP_BIT(LP_CAP_setgid))
        && taken_back(plan->start.gid, target->gid, take_back_gid, outcome))
        return LP_NOT_GIVEN_UP_GID;
    return LP_DONE;
}

static enum lp_stage run(const struct lp_plan *plan, const struct lp_room *room, int proc,
                         struct lp_outcome *outcome)
{
    enum lp_stage stage = take_all(plan, outcome);

    return stage == LP_DONE ? verify(plan, room, proc, outcome) : stage;
}

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
        switch (plan->step[i].act) {
        case LP_ACT_SETGROUPS:
        case LP_ACT_SETRESGID:
        case LP_ACT_SETRESUID:
            (void)lp_take(plan, &plan->step[i], &cap);
            break;
        default:
            break;
        }
    if (root_stays())
        spoil_exec();
    (void)lp_capset(&none);
}

/* With no way back: the process ends, or what is left is looked at. */
static void fail(const struct lp_plan *plan, const struct lp_room *room, int proc,
                 struct lp_outcome *outcome)
{
    give_up(plan);
    if (plan->exit)
        _exit(127);
    lp_look(room, proc, NULL, outcome->left);
}

enum lp_stage lp_setpriv(const struct lp_plan *plan, const struct lp_room room[2],
                         struct lp_outcome *outcome)
{
    sigset_t all, before;
    int proc = lp_open_status();

    memset(outcome, 0, sizeof *outcome);
    outcome->cap = LP_CAPS;
    outcome->stage = LP_UNTOUCHED;
    outcome->error = errno;
    if (proc < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
        return LP_UNTOUCHED; /* there may be a /proc */
    (void)sigfillset(&all); /* fails for a bad pointer only */
    if (sigprocmask(SIG_SETMASK, &all, &before) != 0) {
        outcome->error = errno;
    } else {
        outcome->stage = run(plan, &room[0], proc, outcome);
        if (outcome->stage != LP_DONE)
            fail(plan, &room[1], proc, outcome);
        if (sigprocmask(SIG_SETMASK, &before, NULL) != 0 && outcome->stage == LP_DONE) {
            outcome->error = errno;
            outcome->stage = LP_STILL_BLOCKED;
            fail(plan, &room[1], proc, outcome);
        }
    }
    if (proc >= 0)
        (void)close(proc); /* it was only read */
    return outcome->stage;
}
