/* The files of a tree that have capabilities or set-id bits. One system call for a file,
 * and five for a directory: it is opened from the one above it, never by its path, so that
 * no symbolic link is followed, whoever changes the tree meanwhile. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_DIRECTORY, DT_DIR */
#endif
#include "find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* ---- memory that grows ---- */

struct bytes {
    char *at;
    size_t length;
    size_t room;
};

static int add_bytes(struct bytes *bytes, const char *text, size_t length)
{
    if (bytes->room - bytes->length < length) {
        size_t room = 2 * (bytes->length + length);
        char *at = realloc(bytes->at, room);

        if (!at)
            return -1;
        bytes->at = at;
        bytes->room = room;
    }
    memcpy(bytes->at + bytes->length, text, length);
    bytes->length += length;
    return 0;
}

/* ---- what a search holds ---- */

/* A directory on the way to where the search is. */
struct level {
    int fd; /* or -1: too many were open */
    dev_t device;
    ino_t inode;
    size_t path;          /* how much of the path is its own */
    struct bytes entries; /* the names of its directories, each with its NUL */
    size_t next;          /* of these */
};

#define MOST_OPEN 64

struct lp_find {
    struct lp_find_options options;
    bool by_name; /* a kernel without getxattrat(2) */
    struct bytes roots;
    size_t root;
    struct bytes path;
    struct level *levels;
    size_t depth;
    size_t room;
    size_t first_open; /* the levels before it are closed */
    bool reading;      /* the entries of the last level */
    size_t at;
    size_t length;
    char buffer[32768] __attribute__((aligned(8)));
};

static struct level *last(const struct lp_find *find)
{
    return &find->levels[find->depth - 1];
}

/* The path of an entry of the last level, or of the level itself ("");
 * false for want of memory, else errno is as it was. */
static bool set_path(struct lp_find *find, const char *name)
{
    struct bytes *path = &find->path;
    int saved = errno;

    path->length = last(find)->path;
    if (*name && path->length && path->at[path->length - 1] != '/' && add_bytes(path, "/", 1) != 0)
        return false;
    if (add_bytes(path, name, strlen(name) + 1) != 0)
        return false;
    errno = saved;
    return true;
}

static enum lp_find_event failed(struct lp_find *find, struct lp_found *found)
{
    found->error = errno;
    found->path = find->path.at ? find->path.at : "";
    return LP_FIND_ERROR;
}

static enum lp_find_event refused(struct lp_find *find, struct lp_found *found)
{
    found->failure.what = LP_FILE_REFUSED;
    return failed(find, found);
}

/* It is not there any more, or is something else by now: somebody was faster. */
static bool vanished(void)
{
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ESTALE;
}

/* ---- a file ---- */

#if !defined SYS_getxattrat && !defined __alpha__ && !defined __mips__
#define SYS_getxattrat 464
#endif

/* The attribute of a file in a directory, which getxattrat(2) reads since Linux 6.13. */
static ssize_t getxattr_at(int fd, const char *name, bool follow, void *bytes, size_t size)
{
#ifdef SYS_getxattrat
    struct {
        uint64_t value;
        uint32_t size;
        uint32_t flags;
    } args = {(uintptr_t)bytes, (uint32_t)size, 0};

    return syscall(SYS_getxattrat, (long)fd, name, follow ? 0L : (long)AT_SYMLINK_NOFOLLOW,
                   LP_ATTRIBUTE, &args, sizeof args);
#else
    (void)fd, (void)name, (void)follow, (void)bytes, (void)size;
    errno = ENOSYS;
    return -1;
#endif
}

/* The same by the name that /proc has for the directory. */
static ssize_t getxattr_by_name(int fd, const char *name, bool follow, void *bytes, size_t size)
{
    char path[sizeof LP_DESCRIPTORS + 16 + NAME_MAX];

    if (fd == AT_FDCWD)
        return follow ? getxattr(name, LP_ATTRIBUTE, bytes, size)
                      : lgetxattr(name, LP_ATTRIBUTE, bytes, size);
    (void)snprintf(path, sizeof path, LP_DESCRIPTORS "/%d/%s", fd, name);
    return lgetxattr(path, LP_ATTRIBUTE, bytes, size);
}

static bool lacks_getxattrat(void)
{
    return getxattr_at(AT_FDCWD, "/", false, NULL, 0) < 0 && errno != ENODATA
        && errno != EOPNOTSUPP;
}

/* A file by its name in a directory, or by its path. */
static enum lp_find_event examine(struct lp_find *find, int fd, const char *name, bool follow,
                                  struct lp_found *found)
{
    unsigned char bytes[LP_ATTRIBUTE_ROOM];
    ssize_t length;
    int has_caps;

    lp_before_getxattr(bytes, sizeof bytes);
    length = (find->by_name ? getxattr_by_name : getxattr_at)(fd, name, follow, bytes,
                                                              sizeof bytes);
    length = lp_after_getxattr(length, bytes, sizeof bytes);
    if (length < 0 && vanished())
        return LP_FIND_PAUSE;
    has_caps = lp_file_read(length, bytes, &found->caps, &found->failure);
    if (has_caps == 0 && !find->options.set_id)
        return LP_FIND_PAUSE;
    if (fd != AT_FDCWD && !set_path(find, name))
        return refused(find, found);
    if (has_caps < 0)
        return failed(find, found);
    if (lp_fstatat(fd, name, &found->stat, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0)
        return vanished() ? LP_FIND_PAUSE : refused(find, found);
    if (!S_ISREG(found->stat.st_mode)
        || (!has_caps && !(found->stat.st_mode & (S_ISUID | S_ISGID))))
        return LP_FIND_PAUSE;
    found->has_caps = has_caps;
    found->path = find->path.at;
    return LP_FIND_FILE;
}

/* ---- a directory ---- */

/* File systems that are made by the kernel: nothing on them is executed. */
static bool is_pseudo(int fd)
{
    static const uint32_t magics[] = {
        0x00009fa0, /* proc */
        0x62656572, /* sysfs */
        0x0027e0eb, /* cgroup */
        0x63677270, /* cgroup2 */
        0x64626720, /* debugfs */
        0x74726163, /* tracefs */
        0x73636673, /* securityfs */
        0xf97cff8c, /* selinuxfs */
        0x43415d53, /* smackfs */
        0x5a3c69f0, /* apparmorfs */
        0xcafe4a11, /* bpf */
        0x6165676c, /* pstore */
        0x62656570, /* configfs */
        0x00001cd1, /* devpts */
        0x19800202, /* mqueue */
        0x42494e4d, /* binfmt_misc */
        0x958458f6, /* hugetlbfs */
        0x65735543, /* fusectl */
        0xde5e81e4, /* efivarfs */
        0x67596969, /* rpc_pipefs */
        0x07655821, /* resctrl */
        0x6e736673, /* nsfs */
        0x00000187, /* autofs, where nothing is mounted yet */
    };
    struct statfs system = {.f_type = 0};

    if (lp_done(fstatfs(fd, &system)) != 0)
        return false;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if ((uint32_t)system.f_type == magics[i])
            return true;
    return false;
}

/* So that a tree may be deeper than descriptors are many. */
static bool close_first(struct lp_find *find)
{
    struct level *first;

    if (find->depth < 2 || find->first_open >= find->depth - 1)
        return false;
    first = &find->levels[find->first_open++];
    (void)close(first->fd); /* it was only read */
    first->fd = -1;
    return true;
}

static int open_directory(struct lp_find *find, int fd, const char *name, bool follow)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
    int opened;

    if (find->depth - find->first_open >= MOST_OPEN)
        (void)close_first(find);
    while ((opened = openat(fd, name, flags)) < 0 && (errno == EMFILE || errno == ENFILE))
        if (!close_first(find)) {
            errno = EMFILE;
            break;
        }
    return opened;
}

static int add_level(struct lp_find *find, int fd, const struct stat *stat)
{
    if (find->depth == find->room) {
        size_t room = 2 * find->room + 16;
        struct level *levels = realloc(find->levels, room * sizeof *levels);

        if (!levels)
            return -1;
        find->levels = levels;
        find->room = room;
    }
    find->levels[find->depth++] = (struct level){
        .fd = fd,
        .device = stat->st_dev,
        .inode = stat->st_ino,
        .path = find->path.length - 1,
    };
    find->reading = true;
    find->at = find->length = 0;
    return 0;
}

static bool left_out(const struct lp_find *find, const struct level *parent, int fd, dev_t device)
{
    if (parent && parent->device == device)
        return false;
    return (parent && find->options.one_file_system) || is_pseudo(fd);
}

/* Into a directory, whose path is set. */
static enum lp_find_event enter(struct lp_find *find, int above, const char *name, bool follow,
                                struct lp_found *found)
{
    const struct level *parent = find->depth ? last(find) : NULL;
    enum lp_find_event event;
    struct stat stat;
    int fd = open_directory(find, above, name, follow);

    if (fd < 0)
        return parent && vanished() ? LP_FIND_PAUSE : refused(find, found);
    if (lp_fstat(fd, &stat) == 0) {
        if (left_out(find, parent, fd, stat.st_dev)) {
            (void)close(fd);
            return LP_FIND_PAUSE;
        }
        if (add_level(find, fd, &stat) == 0)
            return LP_FIND_PAUSE;
    }
    event = refused(find, found);
    (void)close(fd);
    return event;
}

/* Back to the directory above, which may have to be opened again: through the one that is
 * left, if it is still where it was. */
static enum lp_find_event leave(struct lp_find *find, struct lp_found *found)
{
    struct level *level = last(find);
    struct level *parent = find->depth > 1 ? level - 1 : NULL;
    enum lp_find_event event = LP_FIND_PAUSE;

    if (parent && parent->fd < 0) {
        struct stat stat;

        do
            parent->fd = openat(level->fd, "..",
                                O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
        while (parent->fd < 0 && errno == EINTR);
        if (parent->fd < 0 || lp_fstat(parent->fd, &stat) != 0 || stat.st_dev != parent->device
            || stat.st_ino != parent->inode) {
            if (parent->next < parent->entries.length) {
                find->path.length = parent->path;
                (void)add_bytes(&find->path, "", 1); /* shorter than what is there */
                errno = ESTALE;
                event = refused(find, found);
            }
            parent->next = parent->entries.length; /* nothing more can be looked at */
        }
        find->first_open = find->depth - 2;
    }
    (void)close(level->fd);
    free(level->entries.at);
    find->depth--;
    if (find->first_open > find->depth)
        find->first_open = find->depth;
    return event;
}

/* ---- one step after the other ---- */

/* What an entry is, where its file system does not tell. */
static int find_type(int fd, const char *name, unsigned char *type)
{
    struct stat stat;

    if (lp_fstatat(fd, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    *type = S_ISREG(stat.st_mode) ? DT_REG : S_ISDIR(stat.st_mode) ? DT_DIR : DT_UNKNOWN;
    return 0;
}

static enum lp_find_event take_entry(struct lp_find *find, struct lp_found *found)
{
    const struct lp_entry *entry = (const struct lp_entry *)(find->buffer + find->at);
    const char *name = entry->name;
    struct level *level = last(find);
    unsigned char type = entry->type;

    find->at += entry->length;
    if (type == DT_UNKNOWN && find_type(level->fd, name, &type) != 0) {
        if (vanished())
            return LP_FIND_PAUSE;
        (void)set_path(find, name); /* else want of memory is the error */
        return refused(find, found);
    }
    if (type == DT_REG)
        return examine(find, level->fd, name, false, found);
    if (type == DT_DIR && strcmp(name, ".") != 0 && strcmp(name, "..") != 0
        && add_bytes(&level->entries, name, strlen(name) + 1) != 0)
        return refused(find, found);
    return LP_FIND_PAUSE;
}

/* The entries of the last level, as many as there is room for. */
static enum lp_find_event read_entries(struct lp_find *find, struct lp_found *found)
{
    ssize_t length = lp_getdents(last(find)->fd, find->buffer, sizeof find->buffer);

    find->at = 0;
    find->length = length > 0 ? (size_t)length : 0;
    find->reading = length > 0;
    if (length >= 0 || vanished())
        return LP_FIND_PAUSE;
    (void)set_path(find, ""); /* no longer than what is there */
    return refused(find, found);
}

/* A path that was given: here nothing vanishes without a word. */
static enum lp_find_event begin(struct lp_find *find, struct lp_found *found)
{
    const char *path = find->roots.at + find->root;
    const bool follow = find->options.follow;
    struct stat stat;

    find->root += strlen(path) + 1;
    find->path.length = 0;
    if (add_bytes(&find->path, path, strlen(path) + 1) != 0
        || lp_fstatat(AT_FDCWD, path, &stat, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0)
        return refused(find, found);
    if (S_ISDIR(stat.st_mode))
        return enter(find, AT_FDCWD, path, follow, found);
    if (S_ISREG(stat.st_mode))
        return examine(find, AT_FDCWD, path, follow, found);
    if (!S_ISLNK(stat.st_mode))
        return LP_FIND_PAUSE;
    errno = ELOOP;
    found->failure.what = LP_FILE_IRREGULAR;
    found->failure.mode = stat.st_mode;
    return failed(find, found);
}

static enum lp_find_event step(struct lp_find *find, struct lp_found *found)
{
    struct level *level;
    const char *name;

    if (!find->depth)
        return find->root < find->roots.length ? begin(find, found) : LP_FIND_END;
    if (find->at < find->length)
        return take_entry(find, found);
    if (find->reading)
        return read_entries(find, found);
    level = last(find);
    if (level->next == level->entries.length)
        return leave(find, found);
    name = level->entries.at + level->next;
    level->next += strlen(name) + 1;
    if (!set_path(find, name))
        return refused(find, found);
    return enter(find, level->fd, name, false, found);
}

/* One step, or none where a signal interrupted it: it is taken again once the handler of
 * the signal has run. */
static enum lp_find_event try_step(struct lp_find *find, struct lp_found *found,
                                   bool *interrupted)
{
    const bool reading = find->reading;
    const size_t root = find->root;
    const size_t at = find->at;
    const size_t next = find->depth ? last(find)->next : 0;
    enum lp_find_event event = step(find, found);

    *interrupted = event == LP_FIND_ERROR && found->error == EINTR;
    if (!*interrupted)
        return event;
    find->reading = reading;
    find->root = root;
    find->at = at;
    if (find->depth)
        last(find)->next = next;
    return LP_FIND_PAUSE;
}

#define STEPS 1000 /* some hundred microseconds */

enum lp_find_event lp_find_next(struct lp_find *find, struct lp_found *found)
{
    int saved = errno;
    enum lp_find_event event = LP_FIND_PAUSE;
    bool interrupted = false;
    struct lp_held held;

    found->failure = (struct lp_file_failure){.what = LP_FILE_REFUSED};
    lp_hold_signals(&held);
    for (int i = 0; i < STEPS && event == LP_FIND_PAUSE && !interrupted; i++)
        event = try_step(find, found, &interrupted);
    lp_release_signals(&held);
    errno = saved;
    return event;
}

struct lp_find *lp_find_new(const struct lp_find_options *options)
{
    int saved = errno;
    struct lp_find *find = malloc(sizeof *find);

    if (!find)
        return NULL;
    memset(find, 0, offsetof(struct lp_find, buffer));
    find->options = *options;
    find->by_name = lacks_getxattrat();
    if (find->by_name && !lp_has_proc()) {
        free(find);
        errno = ENOENT;
        return NULL;
    }
    errno = saved;
    return find;
}

int lp_find_add(struct lp_find *find, const char *path)
{
    return add_bytes(&find->roots, path, strlen(path) + 1);
}

void lp_find_free(struct lp_find *find)
{
    for (size_t i = 0; i < find->depth; i++) {
        if (find->levels[i].fd >= 0)
            (void)close(find->levels[i].fd);
        free(find->levels[i].entries.at);
    }
    free(find->levels);
    free(find->path.at);
    free(find->roots.at);
    free(find);
}
