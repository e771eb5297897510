/* The rules of execve(2) over values: who may execute a file, and what the process is
 * afterwards. No system call is made here. */
#include "exec.h"

#include <errno.h>
#include <sys/stat.h>

#define CAP(name) LP_BIT(LP_CAP_##name)
#define SECBIT(NAME) LP_BIT(LP_SECURE_##NAME)

static bool raised(const struct lp_creds *creds, unsigned cap)
{
    return creds->caps.set[LP_EFFECTIVE] & LP_BIT(cap);
}

/* The fs gid and the groups: what permission checks ask for. */
static bool in_group(const struct lp_creds *creds, gid_t gid)
{
    if (creds->gid[LP_FS_ID] == gid)
        return true;
    for (size_t i = 0; i < creds->groups.count; i++)
        if (creds->groups.ids[i] == gid)
            return true;
    return false;
}

/* ---- may it be executed? ---- */

/* acl(5): the tags of system.posix_acl_access */
enum { USER_OBJ = 0x01, USER = 0x02, GROUP_OBJ = 0x04, GROUP = 0x08, MASK = 0x10, OTHER = 0x20 };

static unsigned acl_mask(const struct lp_exec_file *file)
{
    for (unsigned i = 0; i < file->acl_count; i++)
        if (file->acl[i].tag == MASK)
            return file->acl[i].perm;
    return 07;
}

/* The entries in their order: named users, then all groups that match, then others. */
static bool acl_allows(const struct lp_creds *creds, const struct lp_exec_file *file,
                       unsigned want)
{
    bool matched = false;

    for (unsigned i = 0; i < file->acl_count; i++) {
        const struct lp_exec_acl_entry *entry = &file->acl[i];

        switch (entry->tag) {
        case USER:
            if (entry->id == creds->uid[LP_FS_ID])
                return (entry->perm & acl_mask(file) & want) == want;
            break;
        case GROUP_OBJ:
        case GROUP:
            if (!in_group(creds, entry->tag == GROUP ? entry->id : file->gid))
                break;
            if ((entry->perm & acl_mask(file) & want) == want)
                return true;
            matched = true;
            break;
        case OTHER:
            return !matched && (entry->perm & want) == want;
        default:
            break;
        }
    }
    return false;
}

static bool mode_allows(const struct lp_creds *creds, const struct lp_exec_file *file,
                        unsigned want)
{
    const unsigned mode = file->mode & 0777;

    if (creds->uid[LP_FS_ID] == file->uid)
        return (mode >> 6 & want) == want;
    if (file->acl_count && mode & 070)
        return acl_allows(creds, file, want);
    return ((in_group(creds, file->gid) ? mode >> 3 : mode) & want) == want;
}

static bool may_execute(const struct lp_creds *creds, const struct lp_exec_file *file)
{
    return mode_allows(creds, file, 01)
           || (file->mapped && file->mode & 0111 && raised(creds, LP_CAP_dac_override));
}

static bool may_read(const struct lp_creds *creds, const struct lp_exec_file *file)
{
    return mode_allows(creds, file, 04)
           || (file->mapped
               && (raised(creds, LP_CAP_dac_override) || raised(creds, LP_CAP_dac_read_search)));
}

/* The same file, if those who have no number are not those who own it; or, in an access list,
 * where they have no number either, if they are those it names. */
static struct lp_exec_file of_others(const struct lp_exec_process *process,
                                     const struct lp_exec_file *file)
{
    struct lp_exec_file other = *file;

    if (process->uids_hidden && other.uid == LP_OVERFLOW_ID)
        other.uid = LP_NOBODY;
    if (process->gids_hidden && other.gid == LP_OVERFLOW_ID)
        other.gid = LP_NOBODY;
    for (unsigned i = 0; i < other.acl_count; i++)
        if (other.acl[i].id == LP_NOBODY)
            other.acl[i].id = LP_OVERFLOW_ID;
    return other;
}

static bool is_unsure(const struct lp_exec_process *process, const struct lp_exec_file *file)
{
    const struct lp_exec_file other = of_others(process, file);
    const struct lp_creds *creds = &process->creds;

    return may_execute(creds, file) != may_execute(creds, &other)
           || may_read(creds, file) != may_read(creds, &other);
}

bool lp_exec_ids_unsure(const struct lp_exec_process *process, const struct lp_exec_chain *chain)
{
    for (unsigned i = 0; i < chain->count; i++)
        if (is_unsure(process, &chain->file[i]))
            return true;
    return chain->has_loader && is_unsure(process, &chain->loader);
}

static enum lp_exec_rule opened(const struct lp_creds *creds,
                                const struct lp_exec_file *file)
{
    if (!S_ISREG(file->mode))
        return LP_EXEC_NOT_A_FILE;
    if (!may_execute(creds, file))
        return LP_EXEC_NO_PERMISSION;
    return file->noexec ? LP_EXEC_NOEXEC : LP_EXEC_DONE;
}

/* The files of a chain are opened one after the other, the loader last; what is wrong with
 * the last one is seen when it is open. */
static bool all_open(const struct lp_exec_process *process, const struct lp_exec_chain *chain,
                     struct lp_exec_result *result)
{
    for (result->file = 0; result->file < chain->count; result->file++) {
        result->rule = opened(&process->creds, &chain->file[result->file]);
        if (result->rule != LP_EXEC_DONE)
            break;
    }
    if (result->rule == LP_EXEC_DONE && chain->has_loader)
        result->rule = opened(&process->creds, &chain->loader);
    if (result->rule != LP_EXEC_DONE) {
        result->error = EACCES;
    } else if (chain->error) {
        result->rule = LP_EXEC_FORMAT;
        result->error = chain->error;
    }
    return result->rule == LP_EXEC_DONE;
}

/* ---- what the file gives ---- */

static void take_set_id_bits(const struct lp_exec_process *process,
                             const struct lp_exec_file *file, struct lp_exec_result *result)
{
    if (file->nosuid || process->creds.no_new_privs || !file->mapped)
        return;
    result->terms.set_uid = file->mode & S_ISUID;
    /* Without execution by the group, the bit once meant mandatory locking. */
    result->terms.set_gid = (file->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
    if (result->terms.set_uid)
        result->creds.uid[LP_EFFECTIVE_ID] = file->uid;
    if (result->terms.set_gid)
        result->creds.gid[LP_EFFECTIVE_ID] = file->gid;
}

static void refuse(struct lp_exec_result *result, enum lp_exec_rule rule, int error)
{
    result->rule = rule;
    result->error = error;
}

static void take_file_caps(const struct lp_exec_process *process,
                           const struct lp_exec_file *file, struct lp_exec_result *result)
{
    struct lp_exec_terms *terms = &result->terms;

    if (file->nosuid)
        return;
    if (file->attribute_error)
        refuse(result, LP_EXEC_BAD_ATTRIBUTE, file->attribute_error);
    if (file->attribute_error || !file->has_caps || !file->caps_count)
        return;
    terms->file_caps = true;
    terms->effective = file->effective;
    terms->granted = file->permitted & process->creds.bounding;
    terms->inherited = file->inheritable & process->creds.caps.set[LP_INHERITABLE];
    if (file->effective && file->permitted & ~(terms->granted | terms->inherited))
        refuse(result, LP_EXEC_NOT_ALL_CAPS, EPERM);
}

static void take_root(const struct lp_exec_process *process, struct lp_exec_result *result)
{
    struct lp_exec_terms *terms = &result->terms;
    const bool real = result->creds.uid[LP_REAL_ID] == process->root;
    const bool effective = result->creds.uid[LP_EFFECTIVE_ID] == process->root;

    if (process->root == LP_NOBODY || process->creds.securebits & SECBIT(NOROOT)
        || !(real || effective))
        return;
    if (terms->file_caps && effective && !real) {
        terms->root_ignored = true;
        return;
    }
    terms->root = true;
    terms->effective |= effective;
    terms->granted = process->creds.bounding;
    terms->inherited = process->creds.caps.set[LP_INHERITABLE];
}

static bool ids_change(const struct lp_exec_process *process, const struct lp_creds *after)
{
    const struct lp_creds *before = &process->creds;

    if (process->real_ids_count)
        return after->uid[LP_EFFECTIVE_ID] != before->uid[LP_REAL_ID]
               || after->gid[LP_EFFECTIVE_ID] != before->gid[LP_REAL_ID];
    return after->uid[LP_EFFECTIVE_ID] != before->uid[LP_EFFECTIVE_ID]
           || !in_group(before, after->gid[LP_EFFECTIVE_ID]);
}

/* Nobody gains anything under no_new_privs, or while another could interfere. */
static uint64_t downgrade(const struct lp_exec_process *process, struct lp_exec_result *result,
                          uint64_t permitted)
{
    const struct lp_creds *before = &process->creds;
    const uint64_t had = before->caps.set[LP_PERMITTED];

    if (!result->terms.id_changed && !(permitted & ~had))
        return permitted;
    if (!before->no_new_privs && !process->shares_fs && !process->weakly_traced)
        return permitted;
    result->terms.downgraded = true;
    result->terms.taken = permitted & ~had;
    if (before->no_new_privs || !raised(before, LP_CAP_setuid)) {
        result->creds.uid[LP_EFFECTIVE_ID] = before->uid[LP_REAL_ID];
        result->creds.gid[LP_EFFECTIVE_ID] = before->gid[LP_REAL_ID];
    }
    return permitted & had;
}

static void settle_ids(struct lp_creds *creds)
{
    creds->uid[LP_SAVED_ID] = creds->uid[LP_FS_ID] = creds->uid[LP_EFFECTIVE_ID];
    creds->gid[LP_SAVED_ID] = creds->gid[LP_FS_ID] = creds->gid[LP_EFFECTIVE_ID];
}

static void settle_caps(const struct lp_exec_process *process, struct lp_exec_result *result)
{
    struct lp_creds *after = &result->creds;
    struct lp_exec_terms *terms = &result->terms;
    uint64_t permitted = terms->granted | terms->inherited;

    terms->id_changed = ids_change(process, after);
    permitted = downgrade(process, result, permitted);
    settle_ids(after);
    if (terms->file_caps || terms->id_changed)
        after->ambient = 0;
    after->caps.set[LP_PERMITTED] = permitted | after->ambient;
    after->caps.set[LP_EFFECTIVE] =
        terms->effective ? after->caps.set[LP_PERMITTED] : after->ambient;
    after->securebits &= ~SECBIT(KEEP_CAPS);
}

/* ---- what else changes ---- */

static bool changed(const uint32_t before[LP_SLOTS], const uint32_t after[LP_SLOTS])
{
    return before[LP_EFFECTIVE_ID] != after[LP_EFFECTIVE_ID]
           || before[LP_FS_ID] != after[LP_FS_ID];
}

static bool unreadable(const struct lp_creds *creds, const struct lp_exec_chain *chain)
{
    return !may_read(creds, &chain->file[chain->count - 1])
           || (chain->has_loader && !may_read(creds, &chain->loader));
}

static void settle_the_rest(const struct lp_exec_process *process,
                            const struct lp_exec_chain *chain, struct lp_exec_result *result)
{
    const struct lp_creds *before = &process->creds;
    struct lp_creds *after = &result->creds;
    const uint64_t *set = after->caps.set;
    const bool real_root = process->root != LP_NOBODY
                           && after->uid[LP_REAL_ID] == process->root;
    const bool other_creds = changed(before->uid, after->uid) || changed(before->gid, after->gid)
                             || set[LP_PERMITTED] & ~before->caps.set[LP_PERMITTED];

    result->secure = result->terms.id_changed
                     || after->uid[LP_EFFECTIVE_ID] != before->uid[LP_REAL_ID]
                     || after->gid[LP_EFFECTIVE_ID] != before->gid[LP_REAL_ID]
                     || (!real_root && (result->terms.effective
                                        || set[LP_PERMITTED] & ~after->ambient));
    if (result->secure || other_creds)
        after->pdeathsig = 0;
    result->dumpable = !other_creds && !unreadable(before, chain)
                       && before->uid[LP_EFFECTIVE_ID] == before->uid[LP_REAL_ID]
                       && before->gid[LP_EFFECTIVE_ID] == before->gid[LP_REAL_ID];
}

/* Of one program, which may be executed. */
static void become(const struct lp_exec_process *process, const struct lp_exec_file *program,
                   struct lp_exec_result *result)
{
    take_set_id_bits(process, program, result);
    take_file_caps(process, program, result);
    if (result->rule != LP_EXEC_DONE)
        return;
    take_root(process, result);
    settle_caps(process, result);
}

struct lp_exec_result lp_exec(const struct lp_exec_process *process,
                              const struct lp_exec_chain *chain)
{
    struct lp_exec_result result = {.rule = LP_EXEC_DONE, .creds = process->creds};

    if (!all_open(process, chain, &result))
        return result;
    result.file = chain->count - 1;
    become(process, &chain->file[result.file], &result);
    if (result.rule == LP_EXEC_DONE)
        settle_the_rest(process, chain, &result);
    return result;
}

struct lp_exec_result lp_exec_of(const struct lp_exec_process *process,
                                 const struct lp_exec_file *program)
{
    struct lp_exec_result result = {.rule = LP_EXEC_DONE, .creds = process->creds};

    become(process, program, &result);
    return result;
}

struct lp_creds lp_exec_plain(const struct lp_creds *creds, bool real_ids_count)
{
    const struct lp_exec_process process = {.creds = *creds, .real_ids_count = real_ids_count};
    const struct lp_exec_chain chain = {.count = 1, .file = {{.mode = S_IFREG | 0755}}};

    return lp_exec(&process, &chain).creds;
}

/* ---- what uid 0 gets back ---- */

struct lp_gain lp_root_gains(const struct lp_creds *creds, bool real_ids_count)
{
    const uint64_t had = creds->caps.set[LP_PERMITTED];
    struct lp_gain gain = {0, false};
    struct lp_creds root = *creds;

    if (!lp_root_in_slot(creds->uid))
        return gain;
    gain.caps = lp_exec_plain(creds, real_ids_count).caps.set[LP_PERMITTED] & ~had;
    if (!gain.caps) {
        root.uid[LP_EFFECTIVE_ID] = root.uid[LP_FS_ID] = 0;
        gain.caps = lp_exec_plain(&root, real_ids_count).caps.set[LP_PERMITTED] & ~had;
        gain.saved_only = gain.caps != 0;
    }
    return gain;
}

struct lp_gain lp_regained(const struct lp_creds *now, const struct lp_creds *wanted,
                           bool real_ids_count)
{
    if (now->caps.set[LP_PERMITTED] & ~wanted->caps.set[LP_PERMITTED])
        return lp_root_gains(wanted, real_ids_count);
    return (struct lp_gain){0, false};
}

/* ---- why ---- */

static bool gives(const struct lp_exec_process *process, const struct lp_exec_file *program,
                  enum lp_set set, unsigned cap)
{
    const struct lp_exec_result result = lp_exec_of(process, program);

    return result.rule == LP_EXEC_DONE && result.creds.caps.set[set] & LP_BIT(cap);
}

/* A process and a program with nothing in their way but what they are. */
static void clear_the_way(struct lp_exec_process *process, struct lp_exec_file *program)
{
    process->creds.no_new_privs = 0;
    process->creds.bounding = ~UINT64_C(0);
    process->creds.securebits &= ~SECBIT(NOROOT);
    process->weakly_traced = process->shares_fs = false;
    program->nosuid = false;
    program->mapped = program->caps_count = true;
}

/* Puts one thing back that was in the way; false where there was none. */
static bool put_back(enum lp_exec_why why, const struct lp_exec_process *process,
                     const struct lp_exec_file *program, struct lp_exec_process *cleared,
                     struct lp_exec_file *same)
{
    switch (why) {
    case LP_WHY_NO_NEW_PRIVS:
        return (cleared->creds.no_new_privs = process->creds.no_new_privs) != 0;
    case LP_WHY_TRACED:
        return cleared->weakly_traced = process->weakly_traced;
    case LP_WHY_SHARES_FS:
        return cleared->shares_fs = process->shares_fs;
    case LP_WHY_NOSUID:
        return same->nosuid = program->nosuid;
    case LP_WHY_OTHER_NAMESPACE:
        same->caps_count = program->caps_count;
        return program->has_caps && !program->caps_count;
    case LP_WHY_OWNER_NOT_MAPPED:
        return !(same->mapped = program->mapped);
    case LP_WHY_NOROOT:
        cleared->creds.securebits = process->creds.securebits;
        return process->creds.securebits & SECBIT(NOROOT);
    case LP_WHY_NOT_BOUNDED:
        cleared->creds.bounding = process->creds.bounding;
        return true;
    default:
        return false;
    }
}

static enum lp_exec_why why_given(const struct lp_exec_result *result, unsigned cap)
{
    const uint64_t bit = LP_BIT(cap);
    const struct lp_exec_terms *terms = &result->terms;

    if (result->creds.ambient & bit)
        return LP_WHY_AMBIENT;
    if (!(result->creds.caps.set[LP_EFFECTIVE] & bit))
        return terms->root ? LP_WHY_ONLY_REAL_ROOT : LP_WHY_NOT_RAISED;
    if (terms->granted & bit)
        return terms->root ? LP_WHY_ROOT_BOUNDING : LP_WHY_FILE_PERMITTED;
    return terms->root ? LP_WHY_ROOT_INHERITABLE : LP_WHY_FILE_INHERITABLE;
}

/* What the file is wanting, where nothing was in its way. */
static enum lp_exec_why why_not_meant(const struct lp_exec_process *process,
                                      const struct lp_exec_file *program,
                                      const struct lp_exec_result *result, unsigned cap)
{
    struct lp_exec_process heir = *process;
    struct lp_exec_file bare = *program;

    heir.creds.caps.set[LP_INHERITABLE] |= LP_BIT(cap);
    if (gives(&heir, program, LP_PERMITTED, cap))
        return LP_WHY_NOT_INHERITABLE;
    if (process->creds.ambient & LP_BIT(cap))
        return LP_WHY_AMBIENT_CLEARED;
    bare.has_caps = false;
    if (program->has_caps && gives(process, &bare, LP_PERMITTED, cap))
        return LP_WHY_CAPS_BEFORE_ROOT;
    return result->terms.file_caps ? LP_WHY_FILE_LACKS_IT : LP_WHY_PLAIN_FILE;
}

enum lp_exec_why lp_exec_why(const struct lp_exec_process *process,
                             const struct lp_exec_file *program,
                             const struct lp_exec_result *result, unsigned cap)
{
    struct lp_exec_process cleared = *process;
    struct lp_exec_file same = *program;

    if (result->creds.caps.set[LP_PERMITTED] & LP_BIT(cap))
        return why_given(result, cap);
    clear_the_way(&cleared, &same);
    if (!gives(&cleared, &same, LP_PERMITTED, cap))
        return why_not_meant(&cleared, &same, result, cap);
    for (int why = LP_WHY_NOT_BOUNDED; why < LP_WHY_NOT_INHERITABLE; why++) {
        struct lp_exec_process one = cleared;
        struct lp_exec_file only = same;

        if (put_back((enum lp_exec_why)why, process, program, &one, &only)
            && !gives(&one, &only, LP_PERMITTED, cap))
            return (enum lp_exec_why)why;
    }
    /* None alone: nosuid for the attribute and noroot for uid 0, say. */
    for (int why = LP_WHY_NOT_BOUNDED; why < LP_WHY_NOT_INHERITABLE; why++)
        if (put_back((enum lp_exec_why)why, process, program, &cleared, &same)
            && !gives(&cleared, &same, LP_PERMITTED, cap))
            return (enum lp_exec_why)why;
    return why_not_meant(process, program, result, cap); /* not reached: all is as it was */
}

/* ---- what would give it ---- */

/* Takes things out of the way; false where this one is not in the way, or stays. */
static bool take_away(unsigned removals, struct lp_exec_process *process,
                      struct lp_exec_file *program)
{
    const uint64_t securebits = process->creds.securebits;
    unsigned there = (program->has_caps && program->caps_count ? LP_WITHOUT_ATTRIBUTE : 0U)
                     | (program->nosuid ? LP_WITHOUT_NOSUID : 0U)
                     | (process->weakly_traced ? LP_WITHOUT_TRACER : 0U)
                     | (process->shares_fs ? LP_WITHOUT_SHARED_FS : 0U);

    if (securebits & SECBIT(NOROOT) && !(securebits & SECBIT(NOROOT_LOCKED))
        && raised(&process->creds, LP_CAP_setpcap))
        there |= LP_WITHOUT_NOROOT;
    if (removals & ~there)
        return false;
    if (removals & LP_WITHOUT_ATTRIBUTE)
        program->has_caps = false;
    if (removals & LP_WITHOUT_NOSUID)
        program->nosuid = false;
    if (removals & LP_WITHOUT_TRACER)
        process->weakly_traced = false;
    if (removals & LP_WITHOUT_SHARED_FS)
        process->shares_fs = false;
    if (removals & LP_WITHOUT_NOROOT)
        process->creds.securebits &= ~SECBIT(NOROOT);
    return true;
}

/* Makes it inheritable, which what is not bounded cannot become. */
static bool inherit(struct lp_creds *creds, unsigned cap)
{
    uint64_t *set = creds->caps.set;

    if (set[LP_INHERITABLE] & LP_BIT(cap))
        return true;
    if (!(creds->bounding & LP_BIT(cap))
        || !(set[LP_PERMITTED] & LP_BIT(cap) || raised(creds, LP_CAP_setpcap)))
        return false;
    set[LP_INHERITABLE] |= LP_BIT(cap);
    return true;
}

static bool become_root(struct lp_exec_process *process)
{
    uid_t *uid = process->creds.uid;

    if (process->root == LP_NOBODY
        || !(raised(&process->creds, LP_CAP_setuid) || uid[LP_REAL_ID] == process->root
             || uid[LP_SAVED_ID] == process->root))
        return false;
    uid[LP_EFFECTIVE_ID] = uid[LP_FS_ID] = process->root;
    return true;
}

static void give_attribute(struct lp_exec_file *program, uint64_t permitted,
                           uint64_t inheritable)
{
    program->attribute_error = 0;
    program->has_caps = program->caps_count = program->effective = true;
    program->permitted = permitted;
    program->inheritable = inheritable;
}

/* The step itself; false where it cannot be taken. */
static bool take(enum lp_exec_way way, struct lp_exec_process *process,
                 struct lp_exec_file *program, unsigned cap)
{
    struct lp_creds *creds = &process->creds;

    switch (way) {
    case LP_WAY_AMBIENT:
        if (creds->securebits & SECBIT(NO_CAP_AMBIENT_RAISE)
            || !(creds->caps.set[LP_PERMITTED] & LP_BIT(cap)) || !inherit(creds, cap))
            return false;
        creds->ambient |= LP_BIT(cap);
        return true;
    case LP_WAY_INHERITABLE:
        return !(creds->caps.set[LP_INHERITABLE] & LP_BIT(cap)) && inherit(creds, cap);
    case LP_WAY_BE_ROOT:
        return creds->uid[LP_EFFECTIVE_ID] != process->root && become_root(process)
               && may_execute(creds, program); /* it may be another's, and not root's */
    case LP_WAY_EFFECTIVE_BIT:
        if (!program->has_caps || program->effective)
            return false;
        return program->effective = true;
    case LP_WAY_FILE_PERMITTED:
        give_attribute(program, LP_BIT(cap), 0);
        return true;
    case LP_WAY_FILE_INHERITABLE:
        give_attribute(program, 0, LP_BIT(cap));
        return inherit(creds, cap);
    case LP_WAY_SET_UID_ROOT:
        if (process->root == LP_NOBODY)
            return false;
        program->uid = process->root;
        program->mode |= S_ISUID;
        program->mapped = true;
        return true;
    default:
        return true;
    }
}

static unsigned bits_in(unsigned mask)
{
    return (unsigned)__builtin_popcount(mask);
}

/* The removals that it takes, or LP_REMOVALS where none help. */
static unsigned fewest_removals(enum lp_exec_way way, const struct lp_exec_process *process,
                                const struct lp_exec_file *program, unsigned cap)
{
    unsigned best = LP_REMOVALS;

    for (unsigned removals = 0; removals < LP_REMOVALS; removals++) {
        struct lp_exec_process other = *process;
        struct lp_exec_file changed_file = *program;

        if ((best == LP_REMOVALS || bits_in(removals) < bits_in(best))
            && take_away(removals, &other, &changed_file)
            && take(way, &other, &changed_file, cap)
            && gives(&other, &changed_file, LP_EFFECTIVE, cap))
            best = removals;
    }
    return best;
}

unsigned lp_exec_ways(const struct lp_exec_process *process, const struct lp_exec_file *program,
                      unsigned cap, struct lp_exec_offer offer[LP_WAYS])
{
    unsigned count = 0;

    for (int way = LP_WAY_AS_IT_IS; way < LP_WAYS; way++) {
        unsigned removals = fewest_removals((enum lp_exec_way)way, process, program, cap);

        if (removals < LP_REMOVALS)
            offer[count++] = (struct lp_exec_offer){(enum lp_exec_way)way, removals};
        if (removals == 0 && way == LP_WAY_AS_IT_IS)
            break; /* nothing more is to be done */
    }
    return count;
}
