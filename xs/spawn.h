/* spawn: from its options to what the child is to do, and from what came of it to a process id
 * or an exception. */
#ifndef LP_XS_SPAWN_H
#define LP_XS_SPAWN_H

#include <fcntl.h>
#include <sys/resource.h>

#include "setpriv.h"
#include "../src/spawn.h"

/* ---- strings ---- */

/* A path of an option, or NULL if it is not there. */
#define path_option(options, option) S_path_option(aTHX_ options, option)
static const char *S_path_option(pTHX_ const struct options *options, enum option option)
{
    const char *path;

    if (!options->value[option])
        return NULL;
    path = c_text(options, option_word(option), options->value[option]);
    if (!*path)
        bad_plan(options, ENOENT, "%s is empty", option_table[option].name);
    return path;
}

/* "nofile 1.5 is not a whole number from 0 to 9": digits alone, since '010' may mean two. */
#define count_of(options, what, value, most) S_count_of(aTHX_ options, what, value, most)
static unsigned long S_count_of(pTHX_ const struct options *options, SV *what, SV *value,
                                unsigned long most)
{
    unsigned long number = 0;
    bool good = false;
    STRLEN length;
    const char *text;

    if (is_number(value))
        good = SvNV_nomg(value) >= 0 && whole_number(value, &number) && number <= most;
    else if (is_string(value)) {
        text = SvPV_nomg(value, length);
        good = lp_decimal(text, length, most, &number);
    }
    if (!good)
        bad_plan(options, EINVAL, "%" SVf " %s is not a whole number from 0 to %lu",
                 SVfARG(what), shown(value), most);
    return number;
}

/* ---- the program ---- */

#define read_command(options, spawn) S_read_command(aTHX_ options, spawn)
static void S_read_command(pTHX_ const struct options *options, struct lp_spawn *spawn)
{
    AV *list;
    SSize_t count;
    const char **argv;

    if (!given(options, command))
        bad_plan(options, EINVAL, "command is not given: what is to be started?");
    list = list_option(options, OPT_command);
    count = list_length(list);
    if (count == 0)
        bad_plan(options, EINVAL, "command is empty");
    argv = scratch((size_t)(count + 1) * sizeof *argv);
    for (SSize_t i = 0; i < count; i++)
        argv[i] = c_text(options, sv_2mortal(newSVpvf("command: argument %ld", (long)i)),
                         element(list, i));
    argv[count] = NULL;
    spawn->argv = (char *const *)argv;
}

/* "NAME=value" for each pair of a hash. */
#define env_of(options, hash) S_env_of(aTHX_ options, hash)
static char *const *S_env_of(pTHX_ const struct options *options, HV *hash)
{
    AV *pairs = new_list();
    const char **env;
    HE *entry;

    (void)hv_iterinit(hash);
    while ((entry = next_entry(hash))) {
        SV *name = value_of(hv_iterkeysv(entry));
        const char *key = c_text(options, sv_2mortal(newSVpvs("env: the name")), name);
        SV *what = sv_2mortal(newSVpvf("env: %s", key));

        if (!*key || strchr(key, '='))
            bad_plan(options, EINVAL, "env: %s is no name of a variable", shown(name));
        av_push(pairs,
                newSVpvf("%s=%s", key, c_text(options, what, value_of(hv_iterval(hash, entry)))));
    }
    env = scratch((size_t)(av_len(pairs) + 2) * sizeof *env);
    for (SSize_t i = 0; i <= av_len(pairs); i++)
        env[i] = SvPVX(*av_fetch(pairs, i, 0));
    env[av_len(pairs) + 1] = NULL;
    return (char *const *)env;
}

/* What is given as the environment, or what reset_env makes of it; NULL: the process's own. */
#define read_env(options, reset) S_read_env(aTHX_ options, reset)
static char *const *S_read_env(pTHX_ const struct options *options, HV *reset)
{
    SV *value = given(options, env);

    if (!value)
        return reset ? env_of(options, reset) : NULL;
    if (reset)
        contradict(options, OPT_env, OPT_reset_env);
    if (!SvROK(value) || SvTYPE(SvRV(value)) != SVt_PVHV)
        bad_option(options, OPT_env, "%s is not a hash reference", shown(value));
    return env_of(options, (HV *)SvRV(value));
}

/* The program, by its name alone. */
#define read_program(options, spawn) S_read_program(aTHX_ options, spawn)
static void S_read_program(pTHX_ const struct options *options, struct lp_spawn *spawn)
{
    const char *name = path_option(options, OPT_program);
    const char **file = scratch(2 * sizeof *file);

    if (!name)
        name = spawn->argv[0];
    if (!*name)
        bad_plan(options, ENOENT, "exec of \"\": %s", Strerror(ENOENT));
    file[0] = name;
    file[1] = NULL;
    spawn->file = file;
}

/* The process's own environment, in a copy: a store into %ENV frees what was there. */
#define own_environment() S_own_environment(aTHX)
static char *const *S_own_environment(pTHX)
{
    size_t count = 0, bytes = 0;
    char **env, *text;

    LOCK_ENVIRONMENT;
    for (; environ && environ[count]; count++)
        bytes += strlen(environ[count]) + 1;
    env = scratch((count + 1) * sizeof *env + bytes);
    text = (char *)&env[count + 1];
    for (size_t i = 0; i < count; i++) {
        env[i] = text;
        text = stpcpy(text, environ[i]) + 1;
    }
    UNLOCK_ENVIRONMENT;
    env[count] = NULL;
    return env;
}

#define DEFAULT_PATH "/bin:/usr/bin" /* as the C library has it */

static const char *path_of(char *const *env)
{
    for (; *env; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return DEFAULT_PATH;
}

/* The places of a program whose name has no slash: one for each directory of PATH. */
#define places_of(name, env) S_places_of(aTHX_ name, env)
static const char *const *S_places_of(pTHX_ const char *name, char *const *env)
{
    const char *path = path_of(env);
    size_t count = 1;
    const char **file;

    for (const char *at = path; *at; at++)
        count += *at == ':';
    file = scratch((count + 1) * sizeof *file);
    for (size_t i = 0; i < count; i++) {
        const size_t length = strcspn(path, ":");

        file[i] = SvPVX(sv_2mortal(newSVpvf("%.*s%s%s", (int)length, path, length ? "/" : "./",
                                            name)));
        path += length + 1;
    }
    file[count] = NULL;
    return file;
}

/* What is left to the environment as it is now. */
#define read_environment(spawn) S_read_environment(aTHX_ spawn)
static void S_read_environment(pTHX_ struct lp_spawn *spawn)
{
    if (!spawn->env)
        spawn->env = own_environment();
    if (!strchr(spawn->file[0], '/'))
        spawn->file = places_of(spawn->file[0], spawn->env);
}

/* ---- descriptors ---- */

/* The descriptor of a handle, or -1. */
#define handle_fd(value) S_handle_fd(aTHX_ value)
static int S_handle_fd(pTHX_ SV *value)
{
    IO *io = io_of(value);

    if (!io || !IoIFP(io))
        return -1;
    return PerlIO_fileno(IoIFP(io));
}

/* What is open, and for what. */
#define check_open(options, what, value, fd, access) S_check_open(aTHX_ options, what, value, fd, access)
static void S_check_open(pTHX_ const struct options *options, SV *what, SV *value, int fd,
                         int access)
{
    const int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);

    if (flags == -1)
        bad_plan(options, EBADF, "%" SVf " %s is not open", SVfARG(what), shown(value));
    if (access != O_RDWR && (flags & O_ACCMODE) != O_RDWR && (flags & O_ACCMODE) != access)
        bad_plan(options, EBADF, "%" SVf " %s is not open for %s", SVfARG(what), shown(value),
                 access == O_RDONLY ? "reading" : "writing");
}

/* access: O_RDWR where either will do, and no path. */
#define read_redirection(options, what, value, access, fd)                          \
    S_read_redirection(aTHX_ options, what, value, access, fd)
static void S_read_redirection(pTHX_ const struct options *options, SV *what, SV *value,
                               int access, struct lp_redirection *fd)
{
    unsigned long number;
    STRLEN length;
    const char *text;

    fd->path = NULL;
    fd->flags = access == O_RDONLY ? O_RDONLY : O_WRONLY | O_APPEND | O_CREAT;
    if (names_handle(value)) {
        fd->source = handle_fd(value);
    } else if (is_string(value)) {
        text = text_of(value, &length);
        if (lp_decimal(text, length, INT_MAX, &number))
            fd->source = (int)number;
        else if (access != O_RDWR && length && !is_number(value)) {
            fd->path = c_text(options, what, value);
            return;
        } else
            bad_plan(options, EINVAL, "%" SVf " %s is neither a handle nor a descriptor%s",
                     SVfARG(what), shown(value), access == O_RDWR ? "" : " nor a path");
    } else
        bad_plan(options, EINVAL, "%" SVf " %s is neither a handle nor a descriptor%s",
                 SVfARG(what), shown(value), access == O_RDWR ? "" : " nor a path");
    check_open(options, what, value, fd->source, access);
}

static const struct {
    enum option option;
    int access;
} standard_fds[] = {{OPT_stdin, O_RDONLY}, {OPT_stdout, O_WRONLY}, {OPT_stderr, O_WRONLY}};

#define read_fds(options, spawn) S_read_fds(aTHX_ options, spawn)
static void S_read_fds(pTHX_ const struct options *options, struct lp_spawn *spawn)
{
    SV *value = given(options, fds);
    HV *hash = NULL;
    size_t most = C_ARRAY_LENGTH(standard_fds);
    HE *entry;

    if (value) {
        if (!SvROK(value) || SvTYPE(SvRV(value)) != SVt_PVHV)
            bad_option(options, OPT_fds, "%s is not a hash reference", shown(value));
        hash = (HV *)SvRV(value);
        (void)hv_iterinit(hash);
        while (next_entry(hash))
            most++;
    }
    spawn->fd = scratch(most * sizeof *spawn->fd);
    for (int i = 0; i < 3; i++) {
        const enum option option = standard_fds[i].option;

        if (!options->value[option])
            continue;
        read_redirection(options, option_word(option), options->value[option],
                         standard_fds[i].access, &spawn->fd[spawn->fds]);
        spawn->fd[spawn->fds++].target = i;
    }
    if (!hash)
        return;
    (void)hv_iterinit(hash);
    while ((entry = next_entry(hash)) && spawn->fds < most) {
        SV *name = value_of(hv_iterkeysv(entry));
        SV *what = sv_2mortal(newSVpvf("fds: %s:", shown(name)));
        STRLEN length;
        const char *text = SvPV_nomg(name, length);
        unsigned long target;

        if (!lp_decimal(text, length, INT_MAX - 1, &target) || target < 3)
            bad_plan(options, EINVAL, "fds: %s is not a descriptor from 3 on%s", shown(name),
                     length == 1 && *text >= '0' && *text <= '2'
                         ? ": there are stdin, stdout and stderr" : "");
        read_redirection(options, what, value_of(hv_iterval(hash, entry)), O_RDWR,
                         &spawn->fd[spawn->fds]);
        spawn->fd[spawn->fds++].target = (int)target;
    }
}

/* ---- limits ---- */

static const struct {
    const char *name;
    int resource;
} limits[] = {
    {"as", RLIMIT_AS}, {"core", RLIMIT_CORE}, {"cpu", RLIMIT_CPU}, {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE}, {"locks", RLIMIT_LOCKS}, {"memlock", RLIMIT_MEMLOCK},
    {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE}, {"nofile", RLIMIT_NOFILE},
    {"nproc", RLIMIT_NPROC}, {"rss", RLIMIT_RSS}, {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME}, {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK},
};

static const char *limit_name(int resource)
{
    size_t i = 0;

    while (limits[i].resource != resource)
        i++;
    return limits[i].name;
}

#define limit_names() S_limit_names(aTHX)
static SV *S_limit_names(pTHX)
{
    SV *names = newSVpvn_flags("", 0, SVs_TEMP);

    for (size_t i = 0; i < C_ARRAY_LENGTH(limits); i++)
        sv_catpvf(names, "%s%s", i ? ", " : "", limits[i].name);
    return names;
}

#define limit_of(options, what, value) S_limit_of(aTHX_ options, what, value)
static uint64_t S_limit_of(pTHX_ const struct options *options, SV *what, SV *value)
{
    STRLEN length;
    const char *text;

    if (is_string(value)) {
        text = SvPV_nomg(value, length);
        if (lp_same_word("unlimited", text, length))
            return LP_NO_LIMIT;
    }
    return count_of(options, what, value, ULONG_MAX - 1);
}

/* A number is both; [soft, hard] are two. */
#define read_limit(options, what, value, limit) S_read_limit(aTHX_ options, what, value, limit)
static void S_read_limit(pTHX_ const struct options *options, SV *what, SV *value,
                         struct lp_limit *limit)
{
    if (!is_list(value)) {
        limit->soft = limit->hard = limit_of(options, what, value);
        return;
    }
    if (list_length((AV *)SvRV(value)) != 2)
        bad_plan(options, EINVAL, "%" SVf " takes one number, or two: [soft, hard]",
                 SVfARG(what));
    limit->soft = limit_of(options, what, element((AV *)SvRV(value), 0));
    limit->hard = limit_of(options, what, element((AV *)SvRV(value), 1));
    if (limit->soft > limit->hard)
        bad_plan(options, EINVAL, "%" SVf " has a soft limit above the hard one", SVfARG(what));
}

#define read_limits(options, spawn) S_read_limits(aTHX_ options, spawn)
static void S_read_limits(pTHX_ const struct options *options, struct lp_spawn *spawn)
{
    SV *value = given(options, rlimits);
    struct lp_limit *limit;
    HV *hash;
    HE *entry;

    if (!value)
        return;
    if (!SvROK(value) || SvTYPE(SvRV(value)) != SVt_PVHV)
        bad_option(options, OPT_rlimits, "%s is not a hash reference", shown(value));
    hash = (HV *)SvRV(value);
    limit = scratch(C_ARRAY_LENGTH(limits) * sizeof *limit);
    spawn->limit = limit;
    (void)hv_iterinit(hash);
    while ((entry = next_entry(hash))) {
        SV *name = value_of(hv_iterkeysv(entry));
        STRLEN length;
        const char *text = SvPV_nomg(name, length);
        size_t i = 0;

        while (i < C_ARRAY_LENGTH(limits)
               && (strlen(limits[i].name) != length || memcmp(limits[i].name, text, length) != 0))
            i++;
        if (i == C_ARRAY_LENGTH(limits) || spawn->limits == C_ARRAY_LENGTH(limits))
            bad_plan(options, EINVAL, "rlimits: there is no limit %s (there are %" SVf ")",
                     shown(name), SVfARG(limit_names()));
        limit[spawn->limits].resource = limits[i].resource;
        read_limit(options, sv_2mortal(newSVpvf("rlimits: %s", limits[i].name)),
                   value_of(hv_iterval(hash, entry)), &limit[spawn->limits]);
        spawn->limits++;
    }
}

/* ---- the rest ---- */

#define MOST_UMASK 0777
#define MOST_NICE 19
#define LEAST_NICE (-20)

#define read_nice(options, spawn) S_read_nice(aTHX_ options, spawn)
static void S_read_nice(pTHX_ const struct options *options, struct lp_spawn *spawn)
{
    SV *value = given(options, nice);
    unsigned long number;

    if (!value)
        return;
    if (!is_string(value) || !whole_number(value, &number) || (long)number < LEAST_NICE
        || (long)number > MOST_NICE)
        bad_option(options, OPT_nice, "%s is not a whole number from %d to %d", shown(value),
                   LEAST_NICE, MOST_NICE);
    spawn->sets_nice = true;
    spawn->nice = (int)(long)number;
}

#define read_group(options, spawn) S_read_group(aTHX_ options, spawn)
static void S_read_group(pTHX_ const struct options *options, struct lp_spawn *spawn)
{
    SV *value = given(options, process_group);

    spawn->new_session = is_true(options, new_session);
    if (!value)
        return;
    if (spawn->new_session)
        contradict(options, OPT_new_session, OPT_process_group);
    spawn->sets_group = true;
    spawn->group = (pid_t)count_of(options, option_word(OPT_process_group), value, INT_MAX);
}

/* What the rules let one say before there is a child. */
#define check_root(options, spawn) S_check_root(aTHX_ options, spawn)
static void S_check_root(pTHX_ const struct options *options, const struct lp_spawn *spawn)
{
    if (spawn->root
        && !(spawn->plan.start.caps.set[LP_EFFECTIVE] & LP_BIT(LP_CAP_sys_chroot)))
        bad_plan(options, EPERM, "chroot to %s would be refused: sys_chroot is not effective",
                 shown(given(options, root)));
}

/* perl ignores SIGFPE for itself, and for the programs that it executes if it was ignored
 * before. */
static uint64_t not_ignored(void)
{
    return (void (*)(int))PL_sigfpe_saved == SIG_IGN ? 0 : (uint64_t)1 << SIGFPE;
}

/* ---- perl -T ---- */

/* perl marks a PATH with a directory that others may write to. */
#define has_insecure_directory(value) S_has_insecure_directory(aTHX_ value)
static bool S_has_insecure_directory(pTHX_ SV *value)
{
    const MAGIC *magic = mg_find(value, PERL_MAGIC_envelem);

    return magic && MgTAINTEDDIR(magic);
}

/* A terminal's name does no harm, if it is one. */
#define is_insecure_term(value) S_is_insecure_term(aTHX_ value)
static bool S_is_insecure_term(pTHX_ SV *value)
{
    STRLEN length;
    const char *text = SvPV_nomg(value, length);

    for (STRLEN i = 0; i < length; i++)
        if (!isALNUM(text[i]) && !strchr("-.+", text[i]))
            return true;
    return false;
}

/* What perl itself looks at before it executes something. reset: only TERM is the caller's. */
#define check_environment(reset) S_check_environment(aTHX_ reset)
static void S_check_environment(pTHX_ bool reset)
{
    static const char *const names[] = {"TERM", "PATH", "IFS", "CDPATH", "ENV", "BASH_ENV"};
    const size_t count = reset ? 1 : C_ARRAY_LENGTH(names);

    if (!env_is_environment())
        is_insecure("%%ENV is aliased to %s%s", "another variable");
    for (size_t i = 0; i < count; i++) {
        SV **value = hv_fetch(GvHVn(PL_envgv), names[i], (I32)strlen(names[i]), 0);

        if (!value)
            continue;
        if (SvTAINTED(*value) && (i != 0 || is_insecure_term(*value)))
            is_insecure("Insecure $ENV{%s}%s", names[i]);
        if (has_insecure_directory(*value) && i != 0)
            is_insecure("Insecure directory in $ENV{%s}%s", names[i]);
    }
}

#define check_taint(options) S_check_taint(aTHX_ options)
static void S_check_taint(pTHX_ const struct options *options)
{
    if (!PL_tainting)
        return;
    if (PL_tainted)
        is_insecure(INSECURE_DEPENDENCY, "spawn");
    if (!given(options, env))
        check_environment(is_true(options, reset_env));
}

/* Is there anything that says who the program is, or asks it? To change the root directory needs
 * a capability, which is looked for. */
static bool has_plan(const struct options *options)
{
    for (int option = 0; option < OPTIONS; option++)
        if (options->value[option] && (option_table[option].users == BOTH || option == OPT_root))
            return true;
    return false;
}

/* For tests. Not by getenv(3): another thread may be changing what that reads. */
#define copies_memory() S_copies_memory(aTHX)
static bool S_copies_memory(pTHX)
{
    SV **way = hv_fetchs(GvHVn(PL_envgv), "LINUX_PRCTL_SPAWN", 0);

    return way && SvPOK(*way) && strEQ(SvPVX(*way), "fork");
}

/* Returns what reset_env makes of the environment, or NULL. */
#define read_spawn(options, spawn) S_read_spawn(aTHX_ options, spawn)
static HV *S_read_spawn(pTHX_ const struct options *options, struct lp_spawn *spawn)
{
    HV *env;

    Zero(spawn, 1, struct lp_spawn);
    spawn->copy = copies_memory();
    read_command(options, spawn);
    spawn->becomes = has_plan(options);
    env = NULL;
    if (spawn->becomes)
        prepare_plan(options, &spawn->plan, &env);
    spawn->env = read_env(options, env);
    read_program(options, spawn);
    read_fds(options, spawn);
    read_limits(options, spawn);
    read_nice(options, spawn);
    read_group(options, spawn);
    spawn->root = path_option(options, OPT_root);
    spawn->directory = path_option(options, OPT_chdir);
    if (given(options, umask)) {
        spawn->sets_umask = true;
        spawn->umask = (mode_t)count_of(options, option_word(OPT_umask), given(options, umask),
                                        MOST_UMASK);
    }
    spawn->defaults = not_ignored();
    check_taint(options);
    check_root(options, spawn);
    return env;
}

/* ---- what went wrong ---- */

#define redirection_text(options, fd) S_redirection_text(aTHX_ options, fd)
static SV *S_redirection_text(pTHX_ const struct options *options, const struct lp_redirection *fd)
{
    if (fd->target < 3) {
        const enum option option = standard_fds[fd->target].option;

        return option_text(option, options->value[option]);
    }
    return sv_2mortal(newSVpvf("fds: %d", fd->target));
}

/* Which program: as it was given, if it was nowhere along PATH. */
#define exec_text(options, spawn, spawned) S_exec_text(aTHX_ options, spawn, spawned)
static SV *S_exec_text(pTHX_ const struct options *options, const struct lp_spawn *spawn,
                       const struct lp_spawned *spawned)
{
    SV *name = given(options, program);
    const bool along_path = spawn->file[1] != NULL;

    if (!along_path || spawned->error != ENOENT)
        name = sv_2mortal(newSVpv(spawn->file[spawned->index], 0));
    else if (!name)
        name = element((AV *)SvRV(given(options, command)), 0);
    return sv_2mortal(newSVpvf("exec of %s: %s%s", bare(name), Strerror(spawned->error),
                               along_path && spawned->error == ENOENT ? " (along PATH)" : ""));
}

#define end_text(status) S_end_text(aTHX_ status)
static SV *S_end_text(pTHX_ int status)
{
    const int signal = WTERMSIG(status);

    if (!WIFSIGNALED(status))
        return sv_2mortal(newSVpvf("ended with status %d", WEXITSTATUS(status)));
    for (int i = 1; PL_sig_name[i]; i++)
        if (PL_sig_num[i] == signal)
            return sv_2mortal(newSVpvf("was killed by SIG%s", PL_sig_name[i]));
    return sv_2mortal(newSVpvf("was killed by signal %d", signal));
}

/* What a child was at, where that is no option's. */
static const char *const stage_words[] = {
    [LP_SPAWN_NOT_BEGUN] = "there is no child",
    [LP_SPAWN_LOCK] = "holding the lock on the shared memory",
    [LP_SPAWN_SIGNALS] = "resetting the handlers of signals",
    [LP_SPAWN_DUMPABLE] = "set_dumpable(0)",
    [LP_SPAWN_SESSION] = "new_session",
    [LP_SPAWN_GROUP] = "process_group",
    [LP_SPAWN_UMASK] = "umask",
    [LP_SPAWN_STATUS] = "opening /proc/thread-self/status",
    [LP_SPAWN_CLOSE] = "closing the other descriptors",
    [LP_SPAWN_NICE] = "nice",
    [LP_SPAWN_MASK] = "setting the mask of signals",
    [LP_SPAWN_FILTER] = "step 17, seccomp_filter",
    [LP_SPAWN_WAIT] = "a seccomp filter keeps back what became of the child, which was killed",
};

#define spawn_failure_text(options, spawn, spawned) S_spawn_failure_text(aTHX_ options, spawn, spawned)
static SV *S_spawn_failure_text(pTHX_ const struct options *options, const struct lp_spawn *spawn,
                                const struct lp_spawned *spawned)
{
    const char *said = Strerror(spawned->error);
    const unsigned i = spawned->index;

    switch (spawned->stage) {
    case LP_SPAWN_KILLED:
        return sv_2mortal(newSVpvf("the child %" SVf " before it executed the program",
                                   SVfARG(end_text(spawned->status))));
    case LP_SPAWN_CREDENTIALS:
        return failure_text(&spawn->plan, &spawned->outcome);
    case LP_SPAWN_EXEC:
        return exec_text(options, spawn, spawned);
    case LP_SPAWN_FD:
        return sv_2mortal(newSVpvf("%" SVf ": %s",
                                   SVfARG(redirection_text(options, &spawn->fd[i])), said));
    case LP_SPAWN_LIMIT:
        return sv_2mortal(newSVpvf("rlimits: %s: %s", limit_name(spawn->limit[i].resource), said));
    case LP_SPAWN_ROOT:
        return sv_2mortal(newSVpvf("chroot to %s: %s", shown(given(options, root)), said));
    case LP_SPAWN_DIRECTORY:
        return sv_2mortal(newSVpvf("chdir to %s: %s", shown(given(options, chdir)), said));
    default:
        return sv_2mortal(newSVpvf("%s: %s", stage_words[spawned->stage], said));
    }
}

/* ---- spawn itself ---- */

static void free_memory(pTHX_ void *memory)
{
    PERL_UNUSED_CONTEXT;
    lp_free_spawn_memory(memory);
}

/* What the program says comes behind what was said before. */
#define flush_all() S_flush_all(aTHX)
static void S_flush_all(pTHX)
{
    PERL_FLUSHALL_FOR_CHILD;
}

#define run_spawn(options, spawn) S_run_spawn(aTHX_ options, spawn)
static pid_t S_run_spawn(pTHX_ const struct options *options, struct lp_spawn *spawn)
{
    const size_t start = spawn->plan.start.groups.count;
    const size_t target = spawn->plan.target.groups.count;
    struct lp_spawn_memory *memory = lp_spawn_memory((start > target ? start : target) + 1);
    pid_t pid;

    if (!memory)
        bad_plan(options, errno, "there is no memory for a child: %s", Strerror(errno));
    SAVEDESTRUCTOR_X(free_memory, memory);
    pid = lp_spawn(spawn, memory);
    if (pid == -1)
        bad_plan(options, memory->spawned.error, "%" SVf,
                 SVfARG(spawn_failure_text(options, spawn, &memory->spawned)));
    return pid;
}

#define do_spawn(args, count) S_do_spawn(aTHX_ args, count)
static SV *S_do_spawn(pTHX_ SV **args, I32 count)
{
    const int saved = errno;
    struct options options = {.function = "spawn", .parent = getpid(), .child = true};
    struct lp_spawn spawn;
    SV *result;
    HV *env;

    read_options(&options, SPAWN, args, count);
    env = read_spawn(&options, &spawn);
    if (is_true(&options, dry_run)) {
        result = plan_data(&options, &spawn.plan, env);
    } else {
        flush_all();
        read_environment(&spawn); /* the last: all before may run code that changes %ENV */
        ENTER;
        result = newSViv(run_spawn(&options, &spawn));
        LEAVE;
    }
    errno = saved;
    return sv_2mortal(result);
}

#endif
