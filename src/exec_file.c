/* A program as the kernel finds it: its owner and bits, its attribute, its mount, and
 * what it leads to. Which comes of it is in exec_rules.c. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH, ST_NOEXEC */
#endif
#include "attribute.h"
#include "exec.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

#define HEADER 256 /* what the kernel reads of a file to tell what it is */

/* ---- ids ---- */

/* The lines of a map: the first number inside, the first outside, how many. */
static size_t read_ranges(const char *text, bool inside, struct lp_exec_range *range,
                          size_t most, uid_t *root)
{
    size_t count = 0;
    unsigned long in, out, length;
    int used;

    while (count < most && sscanf(text, "%lu %lu %lu%n", &in, &out, &length, &used) == 3) {
        range[count].first = (uint32_t)(inside ? in : out);
        range[count].count = (uint32_t)length;
        range[count].outside = (uint32_t)out;
        if (in == 0 && root)
            *root = inside ? 0 : (uid_t)out;
        count++;
        text += used;
    }
    return count;
}

static ssize_t read_map(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];

    if (pid)
        (void)snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    else
        (void)snprintf(path, sizeof path, "/proc/thread-self/%s", name);
    return lp_read_file(path, text, size);
}

#define MOST_RANGES (sizeof ((struct lp_exec_view *)0)->uid / sizeof(struct lp_exec_range))

/* All that a map has, in memory for its text; -1 where there is none. */
static ssize_t look_at_map(pid_t pid, const char *name, bool inside, struct lp_exec_range *range,
                           uid_t *root)
{
    static const size_t size = MOST_RANGES * 3 * 11 + 1;
    char *text = malloc(size);
    ssize_t count = -1;

    if (text && read_map(pid, name, text, size) >= 0)
        count = (ssize_t)read_ranges(text, inside, range, MOST_RANGES, root);
    free(text);
    return count;
}

static bool some_are_hidden(const struct lp_exec_range *range, size_t count)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += range[i].count;
    return sum < UINT32_MAX;
}

/* Those of the caller, whose numbers all are told in. */
static bool are_hidden(const char *name)
{
    struct lp_exec_range range[MOST_RANGES];
    const ssize_t count = look_at_map(0, name, true, range, NULL);

    return count < 0 || some_are_hidden(range, (size_t)count);
}

int lp_exec_look_at_ids(pid_t pid, bool ours, struct lp_exec_view *view)
{
    ssize_t uids, gids;

    view->root = LP_NOBODY;
    view->ours = ours;
    uids = look_at_map(pid, "uid_map", ours, view->uid, &view->root);
    gids = uids < 0 ? -1 : look_at_map(pid, "gid_map", ours, view->gid, NULL);
    if (gids < 0)
        return -1;
    view->uid_ranges = (size_t)uids;
    view->gid_ranges = (size_t)gids;
    view->uids_hidden = ours ? some_are_hidden(view->uid, view->uid_ranges) : are_hidden("uid_map");
    view->gids_hidden = ours ? some_are_hidden(view->gid, view->gid_ranges) : are_hidden("gid_map");
    return 0;
}

static bool in_ranges(const struct lp_exec_range *range, size_t count, uint32_t id)
{
    for (size_t i = 0; i < count; i++)
        if (id >= range[i].first && id - range[i].first < range[i].count)
            return true;
    return false;
}

static void look_at_owner(const struct lp_exec_view *view, struct lp_exec_chain *chain,
                          struct lp_exec_file *file)
{
    const bool uid = in_ranges(view->uid, view->uid_ranges, file->uid);
    const bool gid = in_ranges(view->gid, view->gid_ranges, file->gid);

    file->mapped = uid && gid;
    chain->owner_unsure = chain->owner_unsure
                          || (file->mapped
                              && ((file->uid == LP_OVERFLOW_ID && view->uids_hidden)
                                  || (file->gid == LP_OVERFLOW_ID && view->gids_hidden)));
}

/* ---- attributes ---- */

/* A file that was opened as a place only has no attributes but by a name. */
static ssize_t attribute(int fd, const char *path, const char *name, void *bytes, size_t size)
{
    char link[64];
    ssize_t length;

    lp_before_getxattr(bytes, size);
    length = fgetxattr(fd, name, bytes, size);
    if (length == -1 && errno == EBADF) {
        (void)snprintf(link, sizeof link, "/proc/thread-self/fd/%d", fd);
        length = getxattr(link, name, bytes, size);
        if (length == -1 && errno == ENOENT && *path) /* no /proc */
            length = getxattr(path, name, bytes, size);
    }
    return lp_after_getxattr(length, bytes, size);
}

static bool is_outer_root(const struct lp_exec_view *view, uint32_t id)
{
    for (size_t i = 0; i < view->uid_ranges; i++) {
        const struct lp_exec_range *range = &view->uid[i];

        if (range->outside == 0 && id == range->first && range->count)
            return true;
    }
    return false;
}

static void take_attribute(const unsigned char *bytes, size_t length,
                           const struct lp_exec_view *view, struct lp_exec_file *file)
{
    struct lp_file_caps caps;
    struct lp_malformation why;

    if (lp_file_caps_from_attribute(bytes, length, &caps, &why) != 0) {
        file->attribute_error = EINVAL;
        return;
    }
    file->has_caps = true;
    file->effective = caps.effective;
    file->permitted = caps.caps.set[LP_PERMITTED];
    file->inheritable = caps.caps.set[LP_INHERITABLE];
    /* A root of ours, or of a namespace around us, is shown as none; but not the outer
     * one's where it is somebody else here. */
    file->caps_count = caps.rootid == 0 || (view->ours ? is_outer_root(view, caps.rootid)
                                                       : caps.rootid == view->root);
}

static bool has_none(void)
{
    return errno == ENODATA || errno == EOPNOTSUPP;
}

static int look_at_caps(int fd, const char *path, const struct lp_exec_view *view,
                        struct lp_exec_file *file)
{
    unsigned char bytes[256];
    ssize_t length = attribute(fd, path, LP_ATTRIBUTE, bytes, sizeof bytes);

    if (length >= 0)
        take_attribute(bytes, (size_t)length, view, file);
    else if (errno == EOVERFLOW)
        file->has_caps = true; /* of a root that has no number here */
    else if (errno == EINVAL)
        file->attribute_error = EINVAL;
    else if (!has_none())
        return -1;
    file->permitted &= lp_all_caps();
    file->inheritable &= lp_all_caps();
    return 0;
}

/* A version, and eight bytes an entry. */
static int look_at_acl(int fd, const char *path, struct lp_exec_file *file)
{
    unsigned char bytes[4 + 8 * LP_EXEC_ACL];
    ssize_t length = attribute(fd, path, "system.posix_acl_access", bytes, sizeof bytes);

    for (size_t at = 4; length >= 4 && at + 8 <= (size_t)length; at += 8) {
        struct lp_exec_acl_entry *entry = &file->acl[file->acl_count++];

        entry->tag = (uint16_t)(bytes[at] | bytes[at + 1] << 8);
        entry->perm = (uint16_t)(bytes[at + 2] | bytes[at + 3] << 8);
        entry->id = lp_attribute_word(bytes + at + 4);
    }
    return length >= 0 || has_none() ? 0 : -1;
}

/* ---- one file ---- */

static int look_at_file(int fd, const char *path, const struct lp_exec_view *view,
                        struct lp_exec_chain *chain, struct lp_exec_file *file)
{
    struct stat stat;
    struct statvfs mount;

    memset(file, 0, sizeof *file);
    if (lp_fstat(fd, &stat) != 0 || lp_done(fstatvfs(fd, &mount)) != 0)
        return -1;
    file->uid = stat.st_uid;
    file->gid = stat.st_gid;
    file->mode = stat.st_mode;
    file->nosuid = mount.f_flag & ST_NOSUID;
    file->noexec = mount.f_flag & ST_NOEXEC;
    look_at_owner(view, chain, file);
    if (look_at_acl(fd, path, file) != 0)
        return -1;
    return S_ISREG(stat.st_mode) ? look_at_caps(fd, path, view, file) : 0;
}

static void let_go(int fd)
{
    int saved = errno;

    (void)close(fd); /* nothing was written through it */
    errno = saved;
}

/* What the file begins with, filled up with zeros; -1 where it cannot be read. */
static int read_at(int fd, const char *path, off_t at, void *bytes, size_t size)
{
    char link[64];
    int in;
    ssize_t length;

    memset(bytes, 0, size);
    (void)snprintf(link, sizeof link, "/proc/thread-self/fd/%d", fd);
    in = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (in < 0 && errno == ENOENT && *path)
        in = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (in < 0)
        return -1;
    length = pread(in, bytes, size, at);
    let_go(in);
    return length < 0 ? -1 : (int)length;
}

/* ---- scripts ---- */

static bool blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* The path behind #!, which has to end within what the kernel reads. A line that ends
 * with a zero byte may name nothing, which is no file. */
static bool interpreter(const char header[HEADER], char path[PATH_MAX])
{
    const char *line_end = memchr(header, '\n', strnlen(header, HEADER));
    const char *end = line_end ? line_end : header + HEADER - 1;
    const char *from = header + 2;
    const char *to;

    while (from < end && blank(*from))
        from++;
    for (to = from; to < end && *to && !blank(*to);)
        to++;
    if (from == end || (!line_end && to == end && *end && !blank(*end)))
        return false;
    memcpy(path, from, (size_t)(to - from));
    path[to - from] = '\0';
    return true;
}

/* ---- programs ---- */

/* Both sizes begin alike; what follows is where it is in each. */
union elf {
    unsigned char ident[EI_NIDENT];
    Elf32_Ehdr small;
    Elf64_Ehdr large;
    char bytes[HEADER];
};

union segment {
    Elf32_Phdr small;
    Elf64_Phdr large;
};

/* What was EM_486: x86 takes it for EM_386. */
#define OLDER_386 6

/* Processors that run each other's programs. */
static const uint16_t relatives[][2] = {
    {EM_X86_64, EM_386}, {EM_AARCH64, EM_ARM}, {EM_PPC64, EM_PPC}, {EM_SPARCV9, EM_SPARC},
    {EM_SPARC32PLUS, EM_SPARC}, {EM_SPARCV9, EM_SPARC32PLUS},
    {EM_X86_64, OLDER_386}, {EM_386, OLDER_386},
};

static bool runs_here(uint16_t machine)
{
    union elf own;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ssize_t length;

    if (fd < 0)
        return true; /* nobody can tell */
    length = lp_read_fd(fd, &own, sizeof own);
    let_go(fd);
    if (length < (ssize_t)sizeof own.small || own.small.e_machine == machine)
        return true;
    for (size_t i = 0; i < sizeof relatives / sizeof *relatives; i++)
        if ((relatives[i][0] == machine && relatives[i][1] == own.small.e_machine)
            || (relatives[i][1] == machine && relatives[i][0] == own.small.e_machine))
            return true;
    return false;
}

static bool is_x86(const union elf *elf)
{
    const uint16_t machine = elf->small.e_machine;

    return machine == EM_X86_64 || machine == EM_386 || machine == OLDER_386;
}

/* On x86 the kernel looks at the number of the processor alone, not at the class and not at
 * the order of bytes. On others it depends (MIPS, RISC-V and s390 want their class): there
 * both have to be right, which is more than some of them ask for. */
static bool is_of_this_order(const union elf *elf)
{
    const unsigned char order = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? ELFDATA2MSB
                                                                       : ELFDATA2LSB;

    return is_x86(elf) || elf->ident[EI_DATA] == order;
}

/* Is it read as one of 64 bits? Those of x32 have the number of x86-64, which is tried first.
 * Whether the kernel knows x32 it does not tell: it is taken to. */
static bool is_large(const union elf *elf)
{
    const unsigned char bits = elf->ident[EI_CLASS];

    switch (elf->small.e_machine) {
    case EM_386:
    case OLDER_386:
        return false;
    case EM_X86_64:
        return bits != ELFCLASS32 || elf->large.e_phentsize == sizeof(Elf64_Phdr);
    default:
        return bits == ELFCLASS64;
    }
}

static bool is_ours(const union elf *elf)
{
    return memcmp(elf->ident, ELFMAG, SELFMAG) == 0 && is_of_this_order(elf)
           && runs_here(elf->small.e_machine);
}

static bool is_program(const union elf *elf)
{
    const uint16_t type = elf->small.e_type;

    return (type == ET_EXEC || type == ET_DYN) && is_ours(elf);
}

static size_t segment_size(bool large)
{
    return large ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
}

/* All of that: 0, or -1 and errno, which is EIO where the file ends before. */
static int read_all_at(int fd, const char *path, uint64_t at, void *bytes, size_t size)
{
    const int length = read_at(fd, path, (off_t)at, bytes, size);

    if (length < 0)
        return -1;
    errno = EIO;
    return (size_t)length == size ? 0 : -1;
}

/* In bytes. Older kernels (6.12, not 6.18) take no more than a page: of so many headers, what
 * is foreseen is what newer ones do. */
#define MOST_OF_A_TABLE 65536

/* How many bytes describe its segments; 0 where the kernel does not take them. */
static size_t table_size(const union elf *elf)
{
    const bool large = is_large(elf);
    const size_t each = large ? elf->large.e_phentsize : elf->small.e_phentsize;
    const size_t size = each * (large ? elf->large.e_phnum : elf->small.e_phnum);

    return each == segment_size(large) && size <= MOST_OF_A_TABLE ? size : 0;
}

/* What describes its segments, for the caller to free: all of it, or NULL and errno. */
static char *read_table(int fd, const char *path, const union elf *elf)
{
    const uint64_t at = is_large(elf) ? elf->large.e_phoff : elf->small.e_phoff;
    const size_t size = table_size(elf);
    char *table;

    errno = ENOEXEC;
    if (size == 0)
        return NULL;
    table = malloc(size);
    if (!table || read_all_at(fd, path, at, table, size) == 0)
        return table;
    free(table);
    errno = ENOEXEC; /* whatever it was: so the kernel says */
    return NULL;
}

struct place {
    uint64_t at;
    uint64_t length;
};

/* Where the first segment is that names a loader; false: it needs none. */
static bool find_name(const char *table, const union elf *elf, struct place *name)
{
    const bool large = is_large(elf);
    const size_t size = table_size(elf);

    for (size_t i = 0; i < size; i += segment_size(large)) {
        union segment segment;

        memcpy(&segment, table + i, segment_size(large));
        if ((large ? segment.large.p_type : segment.small.p_type) != PT_INTERP)
            continue;
        name->at = large ? segment.large.p_offset : segment.small.p_offset;
        name->length = large ? segment.large.p_filesz : segment.small.p_filesz;
        return true;
    }
    return false;
}

static int read_name(int fd, const char *own_path, const struct place *name,
                     char path[PATH_MAX])
{
    errno = ENOEXEC;
    if (name->length < 2 || name->length > PATH_MAX
        || read_all_at(fd, own_path, name->at, path, (size_t)name->length) != 0)
        return -1;
    errno = ENOEXEC;
    return path[name->length - 1] == '\0' ? 0 : -1;
}

/* The path of what loads it: 1, 0 for a program that needs none, -1 and errno. */
static int loader(int fd, const char *own_path, const union elf *elf, char path[PATH_MAX])
{
    char *table = read_table(fd, own_path, elf);
    struct place name;
    bool named;

    if (!table)
        return -1;
    named = find_name(table, elf, &name);
    free(table);
    if (!named)
        return 0;
    if (read_name(fd, own_path, &name, path) == 0)
        return 1;
    *path = '\0'; /* part of a name is none */
    return -1;
}

/* What the kernel has against a loader that begins so, read by a program of that width. Of
 * which type it is, it asks when there is no way back. */
static int loader_error(int fd, const char *path, const union elf *elf, size_t length,
                        bool large)
{
    char *table;

    if (length < (large ? sizeof elf->large : sizeof elf->small))
        return EIO;
    if (!is_ours(elf) || is_large(elf) != large)
        return ELIBBAD;
    table = read_table(fd, path, elf);
    if (!table)
        return errno == ENOEXEC ? ELIBBAD : errno;
    free(table);
    return 0;
}

/* ---- all of them ---- */

static int open_as_place(const char *path)
{
    return open(path, O_PATH | O_CLOEXEC);
}

/* To execve(2), an empty name in a file is the working directory, which is no program. */
static int open_what_is_named(const char *path)
{
    errno = EACCES;
    return *path ? open_as_place(path) : -1;
}

/* A loader that may be executed can still be none. */
static void read_loader(int fd, const char *path, bool large, struct lp_exec_chain *chain)
{
    union elf header;
    const int length = read_at(fd, path, 0, &header, sizeof header);

    if (length < 0)
        chain->unread = true;
    else
        chain->error = loader_error(fd, path, &header, (size_t)length, large);
}

static void look_at_loader(int fd, const union elf *elf, const struct lp_exec_view *view,
                           struct lp_exec_chain *chain)
{
    char *path = chain->path[chain->count];
    int found = loader(fd, chain->path[chain->count - 1], elf, path);
    int place;

    if (found == 0)
        return;
    place = found < 0 ? -1 : open_what_is_named(path);
    if (place < 0 || look_at_file(place, path, view, chain, &chain->loader) != 0)
        chain->error = errno;
    else
        chain->has_loader = true;
    if (chain->has_loader && S_ISREG(chain->loader.mode))
        read_loader(place, path, is_large(elf), chain);
    if (place >= 0)
        let_go(place);
}

/* What the last file of the chain leads to: a descriptor of it, or -1. */
static int follow(int fd, const struct lp_exec_view *view, struct lp_exec_chain *chain)
{
    union elf header;
    char *next = chain->path[chain->count];
    int place;

    if (!S_ISREG(chain->file[chain->count - 1].mode))
        return -1;
    if (read_at(fd, chain->path[chain->count - 1], 0, &header, sizeof header) < 0) {
        chain->unread = true;
        return -1;
    }
    if (header.bytes[0] == '#' && header.bytes[1] == '!') {
        errno = ENOEXEC;
        place = interpreter(header.bytes, next) ? open_what_is_named(next) : -1;
        if (place < 0)
            chain->error = errno;
        return place;
    }
    if (is_program(&header))
        look_at_loader(fd, &header, view, chain);
    else
        chain->error = ENOEXEC;
    return -1;
}

int lp_exec_look(const char *path, int fd, const struct lp_exec_view *view,
                 struct lp_exec_chain *chain)
{
    int place = path ? open_as_place(path) : fd;
    int result = -1;

    memset(chain, 0, sizeof *chain);
    if (path)
        (void)snprintf(chain->path[0], PATH_MAX, "%s", path);
    while (place >= 0) {
        int next = -1;

        result = look_at_file(place, chain->path[chain->count], view, chain,
                              &chain->file[chain->count]);
        if (result == 0 && ++chain->count == LP_EXEC_DEPTH)
            chain->error = ELOOP;
        else if (result == 0)
            next = follow(place, view, chain);
        if (place != fd)
            let_go(place);
        place = next;
    }
    return result;
}

/* Linux 6.16 compares with what the process was before; there is nothing to ask that
 * would show it but the version. */
bool lp_exec_real_ids_count(void)
{
    struct utsname name;
    unsigned major, minor;

    return uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2
           && (major < 6 || (major == 6 && minor < 16));
}
