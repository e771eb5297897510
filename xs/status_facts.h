/* A status file of /proc as the facts of Linux::Prctl::Status. */
#ifndef LP_XS_STATUS_FACTS_H
#define LP_XS_STATUS_FACTS_H

#include "creds_text.h"

#include <stdlib.h>
#include <string.h>

/* ---- its lines ---- */

enum fact_kind {
    FACT_NUMBER,
    FACT_NAME,
    FACT_STATE,
    FACT_SLOTS,
    FACT_NUMBERS,
    FACT_SECCOMP,
    FACT_OF_SETS, /* these sets and what follows are no facts of their own: see caps */
    FACT_INTERNAL
};

enum fact {
    FACT_name,
    FACT_state,
    FACT_pid,
    FACT_tid,
    FACT_ppid,
    FACT_tracer,
    FACT_uid,
    FACT_gid,
    FACT_groups,
    FACT_kernel_thread,
    FACT_threads,
    FACT_inheritable,
    FACT_permitted,
    FACT_effective,
    FACT_bounding,
    FACT_ambient,
    FACT_no_new_privs,
    FACT_seccomp,
    FACT_seccomp_filters,
    FACT_LINES, /* those that follow come of several lines, or of other files */
    FACT_caps = FACT_LINES,
    FACT_summary,
    FACT_privileged,
    FACT_user_ns,
    FACTS
};

#define LINE(fact, line, kind) [FACT_##fact] = {#fact, line ":\t", sizeof line + 1, kind}

/* In the order of the kernel. */
static const struct fact_line {
    const char *name, *start;
    size_t length;
    enum fact_kind kind;
} fact_lines[FACT_LINES] = {
    LINE(name, "Name", FACT_NAME), LINE(state, "State", FACT_STATE),
    LINE(pid, "Tgid", FACT_NUMBER), LINE(tid, "Pid", FACT_NUMBER),
    LINE(ppid, "PPid", FACT_NUMBER), LINE(tracer, "TracerPid", FACT_NUMBER),
    LINE(uid, "Uid", FACT_SLOTS), LINE(gid, "Gid", FACT_SLOTS),
    LINE(groups, "Groups", FACT_NUMBERS),
    LINE(kernel_thread, "Kthread", FACT_INTERNAL), /* since Linux 6.8 */
    LINE(threads, "Threads", FACT_NUMBER),
    LINE(inheritable, "CapInh", FACT_OF_SETS), LINE(permitted, "CapPrm", FACT_OF_SETS),
    LINE(effective, "CapEff", FACT_OF_SETS), LINE(bounding, "CapBnd", FACT_OF_SETS),
    LINE(ambient, "CapAmb", FACT_OF_SETS), LINE(no_new_privs, "NoNewPrivs", FACT_NUMBER),
    LINE(seccomp, "Seccomp", FACT_SECCOMP),
    LINE(seccomp_filters, "Seccomp_filters", FACT_NUMBER),
};

static const char *const other_facts[] = {
    [FACT_caps - FACT_LINES] = "caps", [FACT_summary - FACT_LINES] = "summary",
    [FACT_privileged - FACT_LINES] = "privileged", [FACT_user_ns - FACT_LINES] = "user_ns",
};

static const char *fact_name(unsigned fact)
{
    return fact < FACT_LINES ? fact_lines[fact].name : other_facts[fact - FACT_LINES];
}

static int fact_number(const char *name)
{
    for (int fact = 0; fact < FACTS; fact++)
        if (strcmp(fact_name((unsigned)fact), name) == 0
            && (fact >= FACT_LINES || fact_lines[fact].kind < FACT_OF_SETS))
            return fact;
    return -1;
}

/* What stands behind the name of each line, up to a newline; NULL where there is none. */
struct status {
    const char *value[FACT_LINES];
};

static bool is_line(const char *line, unsigned at)
{
    return *line == *fact_lines[at].start
           && strncmp(line, fact_lines[at].start, fact_lines[at].length) == 0;
}

static unsigned line_number(const char *line, unsigned likely)
{
    if (likely < FACT_LINES && is_line(line, likely))
        return likely;
    for (unsigned at = 0; at < FACT_LINES; at++)
        if (is_line(line, at))
            return at;
    return FACT_LINES;
}

/* The first line of each name counts: the kernel writes a newline in a name as \n. */
static void find_lines(const char *text, struct status *status)
{
    unsigned likely = 0;

    memset(status, 0, sizeof *status);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        unsigned at;

        line += *line == '\n';
        at = line_number(line, likely);
        if (at == FACT_LINES || status->value[at])
            continue;
        status->value[at] = line + fact_lines[at].length;
        likely = at + 1;
    }
}

static size_t line_length(const char *value) { return strcspn(value, "\n"); }

static unsigned long line_value(const struct status *status, enum fact fact)
{
    const char *value = status->value[fact];

    return value ? strtoul(value, NULL, 10) : 0;
}

static uint64_t line_set(const struct status *status, enum fact fact)
{
    const char *value = status->value[fact];

    return value ? (uint64_t)strtoull(value, NULL, 16) : 0;
}

/* The next number of a line, or false at its end. */
static bool next_number(const char **at, unsigned long *number)
{
    char *end;

    while (**at == ' ' || **at == '\t')
        ++*at;
    if (**at < '0' || **at > '9')
        return false;
    *number = strtoul(*at, &end, 10);
    *at = end;
    return true;
}

static bool has_slots(const struct status *status, enum fact fact, unsigned long id[LP_SLOTS])
{
    const char *at = status->value[fact];

    for (int slot = 0; slot < LP_SLOTS; slot++)
        if (!at || !next_number(&at, &id[slot]))
            return false;
    return true;
}

/* ---- one fact ---- */

/* The kernel writes a newline and a backslash as \n and \\, all else as it is. */
#define new_process_name(value) S_new_process_name(aTHX_ value)
static SV *S_new_process_name(pTHX_ const char *value)
{
    const size_t length = line_length(value);
    SV *name = newSVpvn(value, length);
    char *to = SvPVX(name);

    for (size_t i = 0; i < length; i++) {
        const bool escape = value[i] == '\\' && i + 1 < length
                            && (value[i + 1] == 'n' || value[i + 1] == '\\');

        i += escape;
        *to++ = escape && value[i] == 'n' ? '\n' : value[i];
    }
    *to = '\0';
    SvCUR_set(name, (STRLEN)(to - SvPVX(name)));
    return name;
}

/* "S (sleeping)" */
#define new_state(value) S_new_state(aTHX_ value)
static SV *S_new_state(pTHX_ const char *value)
{
    const size_t length = line_length(value);
    const char *from = memchr(value, '(', length);
    const char *to = value + length;

    while (from && to > from && *to != ')')
        to--;
    return from && to > from ? newSVpvn(from + 1, (STRLEN)(to - from - 1)) : newSVpvn(value, length);
}

#define new_seccomp(value) S_new_seccomp(aTHX_ value)
static SV *S_new_seccomp(pTHX_ const char *value)
{
    static const char *const modes[] = {"disabled", "strict", "filter"};
    const unsigned long mode = strtoul(value, NULL, 10);

    return mode < 3 ? newSVpv(modes[mode], 0) : newSVpvn(value, line_length(value));
}

#define new_slots(status, fact) S_new_slots(aTHX_ status, fact)
static SV *S_new_slots(pTHX_ const struct status *status, enum fact fact)
{
    HV *hash = newHV();
    unsigned long id[LP_SLOTS];

    if (has_slots(status, fact, id))
        for (int slot = 0; slot < LP_SLOTS; slot++)
            put(hash, slot_names[slot], newSVuv(id[slot]));
    return newRV_noinc((SV *)hash);
}

#define new_numbers(value) S_new_numbers(aTHX_ value)
static SV *S_new_numbers(pTHX_ const char *value)
{
    AV *list = newAV();
    unsigned long number;

    while (next_number(&value, &number))
        av_push(list, newSVuv(number));
    return newRV_noinc((SV *)list);
}

#define new_sets(status) S_new_sets(aTHX_ status)
static SV *S_new_sets(pTHX_ const struct status *status)
{
    HV *caps = newHV();

    for (unsigned set = FACT_inheritable; set <= FACT_ambient; set++)
        if (status->value[set]) {
            AV *names = newAV();

            put(caps, fact_lines[set].name, newRV_noinc((SV *)names));
            add_names(names, LP_EFFECTIVE, line_set(status, (enum fact)set));
        }
    return newRV_noinc((SV *)caps);
}

/* ---- what may it do? ---- */

/* Linux before 6.8 has no line for it: the flags of its children of process 2 tell. */
#define PF_KTHREAD 0x200000UL

static bool is_of_the_kernel(const struct status *status)
{
    const unsigned long pid = line_value(status, FACT_pid);
    char path[64];
    unsigned long flags;

    if (status->value[FACT_kernel_thread])
        return line_value(status, FACT_kernel_thread) != 0;
    if (pid != 2 && line_value(status, FACT_ppid) != 2)
        return false;
    (void)snprintf(path, sizeof path, "/proc/%lu/stat", pid);
    return lp_read_task_flags(path, &flags) == 0 && flags & PF_KTHREAD;
}

/* A process whose first thread has ended has the others. */
static bool has_ended(const struct status *status)
{
    const char *state = status->value[FACT_state];

    return state && (*state == 'Z' || *state == 'X') && line_value(status, FACT_threads) < 2;
}

/* Has it any capability, or uid 0 in a slot, and can it do something with that? */
static bool is_privileged(const struct status *status)
{
    unsigned long uid[LP_SLOTS];
    bool root = false;

    if (has_slots(status, FACT_uid, uid))
        for (int slot = 0; slot < LP_SLOTS; slot++)
            root = root || uid[slot] == 0;
    return (root || line_set(status, FACT_permitted) || line_set(status, FACT_effective)
            || line_set(status, FACT_inheritable) || line_set(status, FACT_ambient))
           && !has_ended(status) && !is_of_the_kernel(status);
}

/* What is permitted, and what of the other sets is not as that would lead one to expect. */
#define cat_sets(text, status, all) S_cat_sets(aTHX_ text, status, all)
static void S_cat_sets(pTHX_ SV *text, const struct status *status, uint64_t all)
{
    static const enum fact others[] = {FACT_inheritable, FACT_ambient};
    const uint64_t permitted = line_set(status, FACT_permitted);
    const uint64_t effective = line_set(status, FACT_effective);

    cat_caps_of(text, permitted, all);
    if (effective != permitted) {
        sv_catpvs(text, "; effective: ");
        cat_caps_of(text, effective, all);
    }
    for (size_t i = 0; i < 2; i++) {
        const uint64_t set = line_set(status, others[i]);

        if (!set)
            continue;
        sv_catpvf(text, set == permitted ? "; %s too" : "; %s: ", fact_lines[others[i]].name);
        if (set != permitted)
            cat_caps_of(text, set, all);
    }
}

/* One line: its capabilities, and what else decides. all: what this kernel has; ours: -1
 * where nobody knows whose the user namespace is. */
#define new_summary(status, all, ours) S_new_summary(aTHX_ status, all, ours)
static SV *S_new_summary(pTHX_ const struct status *status, uint64_t all, int ours)
{
    SV *text = newSVpvs("");
    unsigned long uid[LP_SLOTS];
    const unsigned long seccomp = line_value(status, FACT_seccomp);
    bool root = false;

    cat_sets(text, status, all);
    if (ours == 0)
        sv_catpvs(text, "; in another user namespace");
    if (has_slots(status, FACT_uid, uid) && uid[LP_EFFECTIVE_ID])
        for (int slot = 0; slot < LP_SLOTS; slot++)
            root = root || uid[slot] == 0;
    if (root)
        sv_catpvs(text, "; one of its uids is 0");
    if (line_value(status, FACT_no_new_privs))
        sv_catpvs(text, "; no new privileges");
    if (seccomp)
        sv_catpv(text, seccomp == 1 ? "; strict seccomp" : "; seccomp filter");
    return text;
}

/* ---- whose user namespace ---- */

/* Of "123", "123/task/124" or "thread-self": its number, or 0 where it may not be asked for. */
static unsigned long user_namespace(const char *process)
{
    char path[64], link[64] = "";

    (void)snprintf(path, sizeof path, "/proc/%s/ns/user", process);
    if (lp_readlink(path, link, sizeof link) < 0)
        return 0;
    return strncmp(link, "user:[", 6) == 0 ? strtoul(link + 6, NULL, 10) : 0;
}

/* Is it ours? Where its number is not told, other ids in it say that it is not: 1, 0, or -1
 * for unknown. */
static int is_our_namespace(const char *process, unsigned long id, unsigned long own)
{
    static const size_t size = 340 * 3 * 11 + 1;
    char path[64], *text[2];
    int ours = -1;

    if (id && own)
        return id == own;
    text[0] = malloc(2 * size);
    if (!text[0])
        return -1;
    text[1] = text[0] + size;
    (void)snprintf(path, sizeof path, "/proc/%s/uid_map", process);
    if (lp_read_file(path, text[0], size) > 0
        && lp_read_file("/proc/thread-self/uid_map", text[1], size) > 0
        && strcmp(text[0], text[1]) != 0)
        ours = 0;
    free(text[0]);
    return ours;
}

#define new_namespace(id, ours) S_new_namespace(aTHX_ id, ours)
static SV *S_new_namespace(pTHX_ unsigned long id, int ours)
{
    HV *hash;

    if (!id && ours < 0)
        return newSV(0);
    hash = newHV();
    if (id)
        put(hash, "id", newSVuv(id));
    if (ours >= 0)
        put(hash, "ours", newSViv(ours));
    return newRV_noinc((SV *)hash);
}

/* ---- all facts ---- */

/* Where they are told: NULL. */
#define new_fact(status, fact) S_new_fact(aTHX_ status, fact)
static SV *S_new_fact(pTHX_ const struct status *status, unsigned fact)
{
    const char *value = fact < FACT_LINES ? status->value[fact] : NULL;

    if (fact == FACT_caps)
        return new_sets(status);
    if (fact == FACT_privileged)
        return newSViv(is_privileged(status));
    if (!value)
        return NULL;
    switch (fact_lines[fact].kind) {
    case FACT_NUMBER:
        return newSVuv(strtoul(value, NULL, 10));
    case FACT_NAME:
        return new_process_name(value);
    case FACT_STATE:
        return new_state(value);
    case FACT_SLOTS:
        return new_slots(status, (enum fact)fact);
    case FACT_NUMBERS:
        return new_numbers(value);
    case FACT_SECCOMP:
        return new_seccomp(value);
    default:
        return NULL;
    }
}

#define fact_of(text, name) S_fact_of(aTHX_ text, name)
static SV *S_fact_of(pTHX_ const char *text, const char *name)
{
    const int fact = fact_number(name);
    struct status status;
    SV *value;

    if (fact < 0)
        croak("%s is no fact", name);
    find_lines(text, &status);
    value = new_fact(&status, (unsigned)fact);
    return value ? value : newSV(0);
}

/* All that the file tells, as as_hash has it. */
#define facts_of(text) S_facts_of(aTHX_ text)
static SV *S_facts_of(pTHX_ const char *text)
{
    HV *hash = newHV();
    struct status status;

    find_lines(text, &status);
    for (unsigned fact = 0; fact < FACT_LINES; fact++) {
        SV *value = fact_lines[fact].kind < FACT_OF_SETS ? new_fact(&status, fact) : NULL;

        if (value)
            put(hash, fact_lines[fact].name, value);
    }
    put(hash, "caps", new_sets(&status));
    return newRV_noinc((SV *)hash);
}

#endif
