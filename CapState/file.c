/* The capabilities that a file has: read, written, removed. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH */
#endif
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* An open file: by its descriptor, or by the name that /proc has for it, since
 * the calls that take a descriptor want one that can be read from. */
struct opened {
    int fd;
    bool ours;
    char name[48];
};

static int trouble(struct lp_file_failure *failure, enum lp_file_trouble what)
{
    failure->what = what;
    return -1;
}

static void close_file(const struct opened *opened)
{
    int saved = errno;

    if (opened->ours)
        (void)close(opened->fd); /* nothing was written through it */
    errno = saved;
}

bool lp_has_proc(void)
{
    struct statfs system;

    return statfs(LP_DESCRIPTORS, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

/* Does the name in /proc lead to that very file? What is at /proc can be anything: after
 * chroot(2) a plain directory, or the descriptors of another process. */
static int check_name(const struct opened *opened, const struct stat *wanted,
                      struct lp_file_failure *failure)
{
    struct stat found;

    if (lp_has_proc() && lp_fstatat(AT_FDCWD, opened->name, &found, 0) == 0
        && found.st_dev == wanted->st_dev && found.st_ino == wanted->st_ino)
        return 0;
    errno = ENOENT;
    return trouble(failure, LP_FILE_NO_PROC);
}

static int check(const struct opened *opened, struct lp_file_failure *failure)
{
    struct stat stat;

    if (lp_fstat(opened->fd, &stat) != 0)
        return trouble(failure, LP_FILE_REFUSED);
    if (S_ISREG(stat.st_mode))
        return opened->ours ? check_name(opened, &stat, failure) : 0;
    failure->mode = stat.st_mode;
    errno = S_ISLNK(stat.st_mode) ? ELOOP : S_ISDIR(stat.st_mode) ? EISDIR : EINVAL;
    return trouble(failure, LP_FILE_IRREGULAR);
}

/* Which file a symbolic link led to; should nobody tell, the path has to do. */
static void read_name(const struct opened *opened, struct lp_file *file)
{
    int saved = errno;

    if (lp_readlink(opened->name, file->followed, sizeof file->followed) < 0)
        file->followed[0] = '\0';
    errno = saved;
}

static int open_file(struct lp_file *file, struct opened *opened,
                     struct lp_file_failure *failure)
{
    *opened = (struct opened){.fd = file->fd};
    if (file->path) {
        opened->fd = open(file->path, O_PATH | O_CLOEXEC | (file->follow ? 0 : O_NOFOLLOW));
        if (opened->fd < 0)
            return trouble(failure, LP_FILE_REFUSED);
        opened->ours = true;
        (void)snprintf(opened->name, sizeof opened->name, LP_DESCRIPTORS "/%d", opened->fd);
    }
    if (check(opened, failure) != 0) {
        close_file(opened);
        return -1;
    }
    if (file->follow && opened->ours)
        read_name(opened, file);
    return 0;
}

/* No attribute, also where the file system has none at all: execve(2) takes both
 * for the same. */
static bool has_none(void)
{
    return errno == ENODATA || errno == EOPNOTSUPP;
}

int lp_file_read(ssize_t length, const unsigned char *bytes, struct lp_file_caps *caps,
                 struct lp_file_failure *failure)
{
    if (length < 0 && has_none())
        return 0;
    if (length < 0)
        return trouble(failure, errno == EINVAL ? LP_FILE_UNREADABLE : LP_FILE_REFUSED);
    if (lp_file_caps_from_attribute(bytes, (size_t)length, caps, &failure->malformation) != 0)
        return trouble(failure, LP_FILE_MALFORMED);
    return 1;
}

static int get_attribute(const struct opened *opened, struct lp_file_caps *caps,
                         struct lp_file_failure *failure)
{
    unsigned char bytes[LP_ATTRIBUTE_ROOM];
    int saved = errno;
    ssize_t length;
    int found;

    lp_before_getxattr(bytes, sizeof bytes);
    length = opened->ours ? getxattr(opened->name, LP_ATTRIBUTE, bytes, sizeof bytes)
                          : fgetxattr(opened->fd, LP_ATTRIBUTE, bytes, sizeof bytes);
    length = lp_after_getxattr(length, bytes, sizeof bytes);
    found = lp_file_read(length, bytes, caps, failure);
    if (found == 0)
        errno = saved;
    return found;
}

static int set_attribute(const struct opened *opened, struct lp_file_caps *caps,
                         struct lp_file_failure *failure)
{
    unsigned char bytes[LP_ATTRIBUTE_BYTES];
    size_t length = lp_file_caps_to_attribute(caps, bytes);
    int found;

    if (lp_done(opened->ours ? setxattr(opened->name, LP_ATTRIBUTE, bytes, length, 0)
                             : fsetxattr(opened->fd, LP_ATTRIBUTE, bytes, length, 0)) != 0)
        return trouble(failure, errno == EINVAL && caps->rootid ? LP_FILE_NO_SUCH_ROOT
                                                                : LP_FILE_UNCHANGED);
    failure->changed = true;
    found = get_attribute(opened, &failure->found, failure);
    if (found == 1 && lp_same_file_caps(caps, &failure->found))
        return 0;
    if (found < 0)
        return -1;
    failure->none_found = found == 0;
    errno = EIO;
    return trouble(failure, LP_FILE_OTHERWISE);
}

static int remove_attribute(const struct opened *opened, struct lp_file_caps *left,
                            struct lp_file_failure *failure)
{
    int saved = errno;

    if (lp_done(opened->ours ? removexattr(opened->name, LP_ATTRIBUTE)
                             : fremovexattr(opened->fd, LP_ATTRIBUTE)) != 0) {
        if (!has_none())
            return trouble(failure, LP_FILE_UNCHANGED);
        errno = saved;
        return 0;
    }
    failure->changed = true;
    switch (get_attribute(opened, left, failure)) {
    case 0:
        return 1;
    case 1:
        errno = EIO;
        return trouble(failure, LP_FILE_OTHERWISE);
    default:
        return -1;
    }
}

/* Opens the file, takes a step, and lets go of it. */
static int with_file(struct lp_file *file,
                     int (*step)(const struct opened *, struct lp_file_caps *,
                                 struct lp_file_failure *),
                     struct lp_file_caps *caps, struct lp_file_failure *failure)
{
    struct opened opened;
    struct lp_held held;
    int result = -1;

    lp_hold_signals(&held);
    if (open_file(file, &opened, failure) == 0) {
        result = step(&opened, caps, failure);
        close_file(&opened);
    }
    lp_release_signals(&held);
    return result;
}

int lp_file_get(struct lp_file *file, struct lp_file_caps *caps,
                struct lp_file_failure *failure)
{
    return with_file(file, get_attribute, caps, failure);
}

int lp_file_set(struct lp_file *file, const struct lp_file_caps *caps,
                struct lp_file_failure *failure)
{
    struct lp_file_caps wanted = *caps;

    return with_file(file, set_attribute, &wanted, failure);
}

int lp_file_remove(struct lp_file *file, struct lp_file_failure *failure)
{
    return with_file(file, remove_attribute, &failure->found, failure);
}
