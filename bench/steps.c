/* How a program is started as another user in C: names resolved, ids changed, sets cut, a
 * program executed, and nothing checked but that each call worked. bench/in-perl loads it
 * into perl, so that what is forked is a process of the same size. */
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIT(cap) (1ULL << (cap))

static void must(int failed, const char *what)
{
    if (failed) {
        perror(what);
        _exit(1);
    }
}

static void set_caps(unsigned long long held, unsigned long long inheritable)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];

    for (int half = 0; half < 2; half++) {
        data[half].effective = data[half].permitted = (unsigned)(held >> 32 * half);
        data[half].inheritable = (unsigned)(inheritable >> 32 * half);
    }
    must(capset(&head, data) != 0, "capset");
}

static unsigned long long permitted(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];

    must(capget(&head, data) != 0, "capget");
    return (unsigned long long)data[1].permitted << 32 | data[0].permitted;
}

static void take_steps(const char *user, const char *group)
{
    const unsigned long long keep = BIT(CAP_NET_BIND_SERVICE);
    struct passwd *pw = getpwnam(user);
    struct group *gr = getgrnam(group);
    gid_t ids[64];
    int count = 64;
    sigset_t all, before;
    uid_t uid;
    gid_t gid;

    must(!pw || !gr, "names");
    uid = pw->pw_uid;
    gid = gr->gr_gid;
    must(getgrouplist(user, pw->pw_gid, ids, &count) < 0, "getgrouplist");
    (void)sigfillset(&all);
    must(sigprocmask(SIG_SETMASK, &all, &before) != 0, "sigprocmask");
    must(setgroups((size_t)count, ids) != 0, "setgroups");
    must(setresgid(gid, gid, gid) != 0, "setresgid");
    set_caps(permitted(), keep);
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (cap != CAP_NET_BIND_SERVICE)
            must(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0, "drop");
    must(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0, "keepcaps");
    must(setresuid(uid, uid, uid) != 0, "setresuid");
    set_caps(keep | BIT(CAP_SETPCAP), keep);
    must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) != 0, "ambient");
    must(prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0, "keepcaps");
    must(prctl(PR_SET_SECUREBITS, 3, 0, 0, 0) != 0, "securebits");
    set_caps(keep, keep);
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0, "no_new_privs");
    must(prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) != 0, "pdeathsig");
    must(sigprocmask(SIG_SETMASK, &before, NULL) != 0, "sigprocmask");
}

/* Called by perl, which they do not return to. */
void exec_alone(void)
{
    (void)execl(getenv("BENCH_PROGRAM"), "nothing", (char *)NULL);
    _exit(1);
}

void steps_and_exec(void)
{
    take_steps(getenv("BENCH_USER"), getenv("BENCH_GROUP"));
    exec_alone();
}

static void forked(void (*child)(void))
{
    int status;
    pid_t pid = fork();

    must(pid < 0, "fork");
    if (pid == 0)
        child();
    must(waitpid(pid, &status, 0) != pid || status != 0, "child");
}

void forked_steps_and_exec(void)
{
    forked(steps_and_exec);
}

void forked_exec(void)
{
    forked(exec_alone);
}
