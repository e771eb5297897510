/* What execve(2) makes of a process: the file as the kernel sees it, and the rules of
 * credentials(7) and capabilities(7) over both. */
#ifndef LP_EXEC_H
#define LP_EXEC_H

#include <limits.h>
#include <sys/types.h>

#include "lp.h"

#pragma GCC visibility push(hidden)

/* ---- the process ---- */

#define LP_NOBODY ((uid_t)-1) /* an id that nobody has */

struct lp_exec_process {
    struct lp_creds creds;
    uid_t root;          /* of its user namespace; LP_NOBODY: no id is mapped to 0 */
    bool weakly_traced;  /* by one who has no sys_ptrace over it */
    bool shares_fs;      /* its root and working directory, with another process */
    bool real_ids_count; /* before Linux 6.16: an id differs from the real one, not the former */
    bool uids_hidden;    /* those without a number here are all shown as one */
    bool gids_hidden;
};

/* ---- the file ---- */

#define LP_EXEC_ACL 32

struct lp_exec_acl_entry {
    uint16_t tag;
    uint16_t perm;
    uint32_t id;
};

struct lp_exec_file {
    uid_t uid;
    gid_t gid;
    mode_t mode;
    bool mapped; /* the owner and the group have numbers in the process' user namespace */
    bool nosuid;
    bool noexec;
    unsigned acl_count;
    struct lp_exec_acl_entry acl[LP_EXEC_ACL];
    int attribute_error; /* EINVAL: an attribute that is no good */
    bool has_caps;
    bool caps_count; /* its root owns the process' user namespace, or one around it */
    bool effective;
    uint64_t permitted;
    uint64_t inheritable;
};

/* A script, its interpreter, and so on to a program and what loads it: the kernel opens
 * seven, and reads six. */
#define LP_EXEC_DEPTH 7

struct lp_exec_chain {
    unsigned count;
    struct lp_exec_file file[LP_EXEC_DEPTH];
    bool has_loader;
    struct lp_exec_file loader;
    int error;         /* what comes behind the last file, when all are accepted */
    bool unread;       /* whether the last one is a program, or its loader one, could not be seen */
    bool owner_unsure; /* its owner may be the id that stands for those not mapped */
    /* Their names as they are written: "" for a handle; behind the last one, that of
     * the loader or of the file that is not there. */
    char path[LP_EXEC_DEPTH + 1][PATH_MAX];
};

/* ---- exec_rules.c: what comes of it ---- */

enum lp_exec_rule {
    LP_EXEC_DONE,
    LP_EXEC_NOT_A_FILE,
    LP_EXEC_NO_PERMISSION,
    LP_EXEC_NOEXEC,
    LP_EXEC_FORMAT, /* or its interpreter or loader cannot be opened, or is none */
    LP_EXEC_BAD_ATTRIBUTE,
    LP_EXEC_NOT_ALL_CAPS /* which it needs to be effective */
};

/* How the capabilities of the new program came about. */
struct lp_exec_terms {
    bool file_caps;    /* the attribute counts */
    bool root;         /* uid 0 stands for a file that has everything */
    bool root_ignored; /* set-user-ID root, but the attribute goes before */
    bool effective;    /* the effective bit, of the file or of uid 0 */
    bool set_uid;
    bool set_gid;
    bool id_changed;   /* what clears ambient */
    bool downgraded;   /* no more than it had */
    uint64_t granted;   /* by file permitted and bounding */
    uint64_t inherited; /* by file inheritable and inheritable */
    uint64_t taken;     /* what the downgrade took away */
};

struct lp_exec_result {
    enum lp_exec_rule rule;
    int error;
    unsigned file; /* which one of the chain; its count: what is behind the last one */
    struct lp_creds creds;
    bool secure;    /* AT_SECURE */
    bool dumpable;  /* false: as /proc/sys/fs/suid_dumpable says */
    struct lp_exec_terms terms;
};

struct lp_exec_result lp_exec(const struct lp_exec_process *process,
                              const struct lp_exec_chain *chain);

/* Does it depend on whether the process and a file have the same id, where both are shown as
 * the one that stands for all that have no number? That they have is what lp_exec() assumes. */
bool lp_exec_ids_unsure(const struct lp_exec_process *process, const struct lp_exec_chain *chain);

/* The same for one program that may be executed, but for AT_SECURE and dumpable. */
struct lp_exec_result lp_exec_of(const struct lp_exec_process *process,
                                 const struct lp_exec_file *program);

/* And for one that is neither set-id nor has capabilities. */
struct lp_creds lp_exec_plain(const struct lp_creds *creds, bool real_ids_count);

/* What uid 0 in a slot gains by an exec over what is permitted. saved_only: not before
 * seteuid(0). */
struct lp_gain {
    uint64_t caps;
    bool saved_only;
};

struct lp_gain lp_root_gains(const struct lp_creds *creds, bool real_ids_count);
/* The same, if permitted is lowered from what it is now: what was given up comes back. */
struct lp_gain lp_regained(const struct lp_creds *now, const struct lp_creds *wanted,
                           bool real_ids_count);

/* Why a capability is or is not effective after an exec, the first that applies. */
enum lp_exec_why {
    LP_WHY_AMBIENT,
    LP_WHY_ROOT_BOUNDING,
    LP_WHY_ROOT_INHERITABLE,
    LP_WHY_FILE_PERMITTED,
    LP_WHY_FILE_INHERITABLE,
    LP_WHY_NOT_RAISED,       /* permitted, but the file has no effective bit */
    LP_WHY_ONLY_REAL_ROOT,   /* permitted, but the effective uid is not 0 */
    LP_WHY_NOT_BOUNDED,      /* from here: what stands in its way, the most final first */
    LP_WHY_NO_NEW_PRIVS,
    LP_WHY_NOROOT,
    LP_WHY_TRACED,
    LP_WHY_SHARES_FS,
    LP_WHY_NOSUID,
    LP_WHY_OTHER_NAMESPACE,  /* the attribute belongs to another one's root */
    LP_WHY_OWNER_NOT_MAPPED, /* set-user-ID, but owner or group are not in the namespace */
    LP_WHY_NOT_INHERITABLE,  /* from here: what was never meant to give it */
    LP_WHY_CAPS_BEFORE_ROOT, /* the attribute's, not all that set-user-ID root would give */
    LP_WHY_AMBIENT_CLEARED,
    LP_WHY_FILE_LACKS_IT,    /* it has an attribute, without this one */
    LP_WHY_PLAIN_FILE,
    LP_WHYS
};

enum lp_exec_why lp_exec_why(const struct lp_exec_process *process,
                             const struct lp_exec_file *program,
                             const struct lp_exec_result *result, unsigned cap);

/* What would give it: a step, and what is to be out of the way for it. */
enum lp_exec_way {
    LP_WAY_AS_IT_IS,
    LP_WAY_INHERITABLE,      /* raised before, with the file as it is */
    LP_WAY_AMBIENT,          /* raised before, and inheritable for it */
    LP_WAY_BE_ROOT,          /* uid 0 before */
    LP_WAY_EFFECTIVE_BIT,    /* the same attribute, with the effective bit */
    LP_WAY_FILE_PERMITTED,   /* an attribute with it permitted and effective */
    LP_WAY_FILE_INHERITABLE, /* one with it inheritable and effective, and so before */
    LP_WAY_SET_UID_ROOT,
    LP_WAYS
};

enum lp_exec_removal {
    LP_WITHOUT_ATTRIBUTE = 1,
    LP_WITHOUT_NOSUID = 2,
    LP_WITHOUT_TRACER = 4,
    LP_WITHOUT_SHARED_FS = 8,
    LP_WITHOUT_NOROOT = 16,
    LP_REMOVALS = 32
};

struct lp_exec_offer {
    enum lp_exec_way way;
    unsigned removals;
};

/* Each way that leads there, with as few removals as it takes. None: nothing can. */
unsigned lp_exec_ways(const struct lp_exec_process *process, const struct lp_exec_file *program,
                      unsigned cap, struct lp_exec_offer offer[LP_WAYS]);

/* ---- exec_file.c: the file as it is ---- */

/* How the process sees ids: those that are mapped, as the caller counts them. */
struct lp_exec_view {
    size_t uid_ranges, gid_ranges;
    struct lp_exec_range {
        uint32_t first;
        uint32_t count;
        uint32_t outside; /* the first one, of ours, in the namespace around us */
    } uid[340], gid[340];
    uid_t root;
    bool ours; /* the same user namespace as the caller's */
    bool uids_hidden, gids_hidden; /* some have no number in the caller's namespace */
};

/* That of a process, 0 for the caller. */
int lp_exec_look_at_ids(pid_t pid, bool ours, struct lp_exec_view *view);
/* The file and what it leads to; -1 and errno where it cannot be looked at. fd: of a
 * file that is open, or -1. */
int lp_exec_look(const char *path, int fd, const struct lp_exec_view *view,
                 struct lp_exec_chain *chain);
/* Do the real ids count, on the running kernel? */
bool lp_exec_real_ids_count(void);

#pragma GCC visibility pop

#endif
