/* A name service for tests: what it is asked is written to /asked, in whatever root directory
 * it is loaded. A name decides over the answer. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

static void note(const char *what, const char *name)
{
    int fd = open("/asked", O_WRONLY | O_CREAT | O_APPEND, 0666);

    if (fd < 0)
        return;
    (void)!write(fd, what, strlen(what));
    (void)!write(fd, " ", 1);
    (void)!write(fd, name, strlen(name));
    (void)!write(fd, "\n", 1);
    (void)close(fd);
}

static enum nss_status no_entry(const char *name, int *error)
{
    if (strcmp(name, "1000") == 0) { /* the directory is down */
        *error = EIO;
        return NSS_STATUS_UNAVAIL;
    }
    *error = ENOENT;
    return NSS_STATUS_NOTFOUND;
}

/* There are "somebody" and "+1000", both with uid 77. */
static int is_known(const char *name)
{
    return strcmp(name, "somebody") == 0 || strcmp(name, "+1000") == 0;
}

static enum nss_status entry(const char *name, uid_t uid, struct passwd *user, char *text,
                             size_t size)
{
    if (size < 64)
        return NSS_STATUS_TRYAGAIN;
    (void)strcpy(text, name);
    user->pw_name = text;
    user->pw_passwd = user->pw_gecos = user->pw_dir = user->pw_shell = text + strlen(text);
    user->pw_uid = uid;
    user->pw_gid = 78;
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_lptest_getpwnam_r(const char *name, struct passwd *user, char *text,
                                       size_t size, int *error)
{
    note("getpwnam", name);
    if (!is_known(name))
        return no_entry(name, error);
    return entry(name, 77, user, text, size);
}

enum nss_status _nss_lptest_getpwuid_r(uid_t uid, struct passwd *user, char *text, size_t size,
                                       int *error)
{
    note("getpwuid", uid == 1000 ? "1000" : uid == 1001 ? "1001" : "other");
    if (uid != 1000 && uid != 1001) {
        *error = ENOENT;
        return NSS_STATUS_NOTFOUND;
    }
    return entry(uid == 1000 ? "thousand" : "unlucky", uid, user, text, size);
}

enum nss_status _nss_lptest_getgrnam_r(const char *name, struct group *group, char *text,
                                       size_t size, int *error)
{
    static char *none[] = {NULL};

    note("getgrnam", name);
    if (!is_known(name) || size < 64)
        return no_entry(name, error);
    (void)strcpy(text, name);
    group->gr_name = text;
    group->gr_passwd = text + strlen(text);
    group->gr_gid = 79;
    group->gr_mem = none;
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_lptest_initgroups_dyn(const char *name, gid_t skip, long *start, long *size,
                                           gid_t **groups, long limit, int *error)
{
    note("initgroups", name);
    if (strcmp(name, "unlucky") == 0) {
        *error = errno = EIO;
        return NSS_STATUS_UNAVAIL;
    }
    if (*start < *size)
        (*groups)[(*start)++] = 80;
    return NSS_STATUS_SUCCESS;
}
