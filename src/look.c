/* What is a process? Two sources tell: the getters, and /proc/thread-self/status. Nothing
 * here allocates memory. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* getresuid(2) */
#endif
#include "look.h"

#include "kernel.h"
#include "sets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a source does not tell differs from everything. */
static void know_nothing(struct lp_creds *creds)
{
    memset(creds, 0xff, sizeof *creds);
    creds->groups.ids = NULL;
}

unsigned lp_unknown_fields(const struct lp_creds *creds)
{
    const uint64_t unknown = UINT64_MAX;
    unsigned fields = creds->groups.ids ? 0 : LP_FIELD(GROUPS);

    for (unsigned field = 0; field < LP_FIELDS; field++)
        if (field != LP_FIELD_GROUPS
            && memcmp((const char *)creds + lp_fields[field].offset, &unknown, sizeof unknown)
                   == 0)
            fields |= 1U << field;
    return fields;
}

static void set_groups(struct lp_creds *creds, gid_t *ids, size_t count)
{
    lp_sort_ids(ids, count);
    creds->groups.ids = ids;
    creds->groups.count = count;
}

/* ---- the getters ---- */

static void ask_getters(const struct lp_buffer *buffer, struct lp_creds *creds)
{
    struct lp_creds sets;
    struct lp_answer answer;
    int count;

    if (getresuid(&creds->uid[LP_REAL_ID], &creds->uid[LP_EFFECTIVE_ID],
                  &creds->uid[LP_SAVED_ID]) == 0)
        creds->uid[LP_FS_ID] = lp_getfsuid();
    if (getresgid(&creds->gid[LP_REAL_ID], &creds->gid[LP_EFFECTIVE_ID],
                  &creds->gid[LP_SAVED_ID]) == 0)
        creds->gid[LP_FS_ID] = lp_getfsgid();
    count = getgroups((int)buffer->groups, buffer->ids[LP_GETTERS]);
    if (count >= 0 && (size_t)count <= buffer->groups) /* else no kernel's answer */
        set_groups(creds, buffer->ids[LP_GETTERS], (size_t)count);
    if (lp_read_sets(&sets) == 0) {
        creds->caps = sets.caps;
        creds->ambient = sets.ambient;
        creds->bounding = sets.bounding;
        creds->securebits = sets.securebits;
    }
    answer = lp_ask(PR_GET_NO_NEW_PRIVS, 0, 0);
    if (!answer.failed)
        creds->no_new_privs = answer.value;
    answer = lp_ask_int(PR_GET_PDEATHSIG);
    if (!answer.failed)
        creds->pdeathsig = answer.value;
}

bool lp_filtered(void)
{
    struct lp_answer mode = lp_ask(PR_GET_SECCOMP, 0, 0);

    return mode.failed ? errno != EINVAL : mode.value != 0;
}

/* ---- /proc/thread-self/status ---- */

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
    int fd = lp_open_proc("/proc/thread-self/status");

    return fd >= 0 || errno != ENOENT ? fd : lp_open_proc("/proc/self/status"); /* before 3.17 */
}

/* Its bytes, or -1 if they cannot be read or are more than was made room for. */
static ssize_t read_status(int fd, char *text, size_t size)
{
    size_t length = 0;

    if (lseek(fd, 0, SEEK_SET) != 0)
        return -1;
    for (;;) {
        ssize_t bytes = lp_read_fd(fd, text + length, size - length);

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

static void read_field(const struct lp_buffer *buffer, const char *text, enum lp_field field,
                       struct lp_creds *creds)
{
    size_t count;

    switch (lp_fields[field].type) {
    case LP_TYPE_IDS:
        if (numbers(text, lp_field_ids(creds, field), LP_SLOTS) != LP_SLOTS)
            memset(lp_field_ids(creds, field), 0xff, sizeof creds->uid);
        break;
    case LP_TYPE_GROUPS:
        count = numbers(text, buffer->ids[LP_PROC], buffer->groups);
        if (count <= buffer->groups)
            set_groups(creds, buffer->ids[LP_PROC], count);
        break;
    case LP_TYPE_CAPS:
        *lp_field_number(creds, field) = strtoull(text, NULL, 16);
        break;
    default:
        *lp_field_number(creds, field) = strtoull(text, NULL, 10);
    }
}

/* What stands behind a name at the beginning of a line. */
static const char *behind(const char *line, const char *name)
{
    const size_t length = name ? strlen(name) : 0;

    return length && strncmp(line, name, length) == 0 ? line + length : NULL;
}

/* The first line of each name counts: the kernel writes a newline in a name as \n. Returns the
 * fields that were found. */
static unsigned parse_status(const struct lp_buffer *buffer, struct lp_reading *reading)
{
    const char *line = buffer->text;
    unsigned found = 0;

    while (*line) {
        const char *value = behind(line, "Threads:");

        if (value && !reading->threads)
            reading->threads = (unsigned)strtoul(value, NULL, 10);
        for (unsigned field = 0; !value && field < LP_FIELDS; field++) {
            value = (found & 1U << field) ? NULL : behind(line, lp_fields[field].proc);
            if (value) {
                read_field(buffer, value, (enum lp_field)field, &reading->creds);
                found |= 1U << field;
            }
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return found;
}

/* Not in the file: in no kernel, or in none before 4.3 and 4.10. */
#define NEVER_TOLD (LP_FIELD(SECUREBITS) | LP_FIELD(PDEATHSIG))
#define NOT_ALWAYS_TOLD (LP_FIELD(AMBIENT) | LP_FIELD(NO_NEW_PRIVS))

static void ask_proc(const struct lp_buffer *buffer, int status, struct lp_reading *reading)
{
    unsigned found = 0;

    if (read_status(status, buffer->text, buffer->size) >= 0)
        found = parse_status(buffer, reading);
    reading->untold = NEVER_TOLD | (found ? NOT_ALWAYS_TOLD & ~found : 0);
}

/* ---- both ---- */

void lp_look(const struct lp_buffer *buffer, int status, const struct lp_creds *expected,
             struct lp_reading reading[LP_SOURCES])
{
    for (int i = 0; i < LP_SOURCES; i++) {
        reading[i] = (struct lp_reading){.there = i == LP_GETTERS || status >= 0};
        know_nothing(&reading[i].creds);
    }
    ask_getters(buffer, &reading[LP_GETTERS].creds);
    if (reading[LP_PROC].there)
        ask_proc(buffer, status, &reading[LP_PROC]);
    if (!expected)
        expected = &reading[LP_GETTERS].creds;
    for (int i = 0; i < LP_SOURCES; i++)
        if (reading[i].there)
            reading[i].differs = lp_differ(&reading[i].creds, expected) & ~reading[i].untold;
}
