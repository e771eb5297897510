/* All processes that /proc shows, in one go: one buffer, and of each only what is wanted. */
#ifndef LP_XS_STATUS_LIST_H
#define LP_XS_STATUS_LIST_H

#include "status_facts.h"

#include <errno.h>
#include <unistd.h>

/* ---- files of /proc ---- */

/* The kernel makes the whole of a status for one read; more are for very many groups. */
#define PROC_BLOCK 65536

#define read_all(fd, text) S_read_all(aTHX_ fd, text)
static bool S_read_all(pTHX_ int fd, SV *text)
{
    ssize_t bytes;

    do {
        char *room = SvGROW(text, SvCUR(text) + PROC_BLOCK + 1) + SvCUR(text);

        bytes = lp_read_fd(fd, room, PROC_BLOCK);
        if (bytes > 0)
            SvCUR_set(text, SvCUR(text) + (STRLEN)bytes);
    } while (bytes == PROC_BLOCK);
    *SvEND(text) = '\0';
    return bytes >= 0;
}

/* A file that really is one of /proc, behind a newline; false and errno where there is none. */
#define read_proc_into(text, path) S_read_proc_into(aTHX_ text, path)
static bool S_read_proc_into(pTHX_ SV *text, const char *path)
{
    struct lp_held held;
    bool all;
    int fd;

    sv_setpvs(text, "\n");
    lp_hold_signals(&held);
    fd = lp_open_proc(path);
    all = fd >= 0 && read_all(fd, text);
    if (fd >= 0) {
        const int saved = errno;

        (void)close(fd); /* it was only read */
        errno = saved;
    }
    lp_release_signals(&held);
    return all;
}

/* The same, as a value of its own; undef. */
#define read_proc(path) S_read_proc(aTHX_ path)
static SV *S_read_proc(pTHX_ const char *path)
{
    SV *text = sv_2mortal(newSV(0));

    return read_proc_into(text, path) ? text : &PL_sv_undef;
}

/* ---- which ---- */

static int by_number(const void *a, const void *b)
{
    const unsigned long one = *(const unsigned long *)a, other = *(const unsigned long *)b;

    return (one > other) - (one < other);
}

#define ENTRIES 32768 /* bytes of a directory at once */

/* Of one piece of a directory, what are numbers is added to those in a buffer. */
#define add_numbers(buffer, bytes, length) S_add_numbers(aTHX_ buffer, bytes, length)
static void S_add_numbers(pTHX_ SV *buffer, const char *bytes, ssize_t length)
{
    for (ssize_t at = 0; at < length;) {
        const struct lp_entry *entry = (const void *)(bytes + at);
        unsigned long number;

        if (lp_decimal(entry->name, strlen(entry->name), INT_MAX, &number) && number)
            sv_catpvn(buffer, (const char *)&number, sizeof number);
        at += entry->length;
    }
}

/* The numbers in a directory of /proc, in order, in memory that perl frees with the statement;
 * none: 0, and errno. */
#define proc_numbers(path, number) S_proc_numbers(aTHX_ path, number)
static size_t S_proc_numbers(pTHX_ const char *path, unsigned long **number)
{
    SV *buffer = newSVpvn_flags("", 0, SVs_TEMP);
    char *bytes = SvPVX(sv_2mortal(newSV(ENTRIES)));
    struct lp_held held;
    ssize_t length = -1;
    size_t count;
    int fd, saved;

    lp_hold_signals(&held);
    fd = lp_open_proc(path); /* what is no procfs may have any names in it */
    while (fd >= 0 && (length = lp_getdents(fd, bytes, ENTRIES)) > 0)
        add_numbers(buffer, bytes, length);
    saved = length < 0 ? errno : ENOENT;
    if (fd >= 0)
        (void)close(fd); /* it was only read */
    lp_release_signals(&held);
    errno = saved;
    count = length < 0 ? 0 : SvCUR(buffer) / sizeof **number;
    *number = (unsigned long *)(void *)SvPVX(buffer);
    qsort(*number, count, sizeof **number, by_number);
    return count;
}

/* The same as a list; undef. */
#define new_proc_numbers(path) S_new_proc_numbers(aTHX_ path)
static SV *S_new_proc_numbers(pTHX_ const char *path)
{
    unsigned long *number;
    const size_t count = proc_numbers(path, &number);
    AV *list;

    if (!count)
        return newSV(0);
    list = newAV();
    for (size_t i = 0; i < count; i++)
        av_push(list, newSVuv(number[i]));
    return newRV_noinc((SV *)list);
}

struct listing {
    bool privileged;
    bool has_cap;
    unsigned cap;        /* which has to be permitted */
    SV *unread;          /* code, for those that /proc has and hides */
    AV *facts;           /* NULL: the text, and the number of the user namespace */
    uint64_t all;        /* capabilities of this kernel */
    unsigned long own;   /* our user namespace */
    bool own_numbers;    /* as the system calls count processes */
};

/* Are the numbers of /proc those of our pid namespace, and not of one around it? */
#define proc_is_ours() S_proc_is_ours(aTHX)
static bool S_proc_is_ours(pTHX)
{
    SV *text = sv_2mortal(newSV(0));
    const char *at;
    unsigned long number, numbers = 0;

    if (!read_proc_into(text, "/proc/self/status"))
        return false;
    at = strstr(SvPVX(text), "\nNSpid:\t"); /* one for each namespace, from /proc's on */
    for (at = at ? at + 8 : ""; next_number(&at, &number);)
        numbers++;
    return numbers == 1;
}

static bool is_wanted(const struct listing *listing, const struct status *status)
{
    if (listing->has_cap && !(line_set(status, FACT_permitted) & LP_BIT(listing->cap)))
        return false;
    return !listing->privileged || is_privileged(status);
}

static bool surely_has_nothing(unsigned long number)
{
    struct lp_held held;
    bool nothing;

    lp_hold_signals(&held);
    nothing = lp_surely_has_nothing((pid_t)number);
    lp_release_signals(&held);
    return nothing;
}

/* ---- what of each ---- */

#define new_listed_fact(listing, status, fact, process) \
    S_new_listed_fact(aTHX_ listing, status, fact, process)
static SV *S_new_listed_fact(pTHX_ const struct listing *listing, const struct status *status,
                             unsigned fact, const char *process)
{
    unsigned long id;
    int ours;

    if (fact != FACT_user_ns && fact != FACT_summary)
        return new_fact(status, fact);
    id = user_namespace(process);
    ours = is_our_namespace(process, id, listing->own);
    return fact == FACT_user_ns ? new_namespace(id, ours)
                                : new_summary(status, listing->all, ours);
}

#define new_listed(listing, status, text, process) \
    S_new_listed(aTHX_ listing, status, text, process)
static SV *S_new_listed(pTHX_ const struct listing *listing, const struct status *status,
                        SV *text, const char *process)
{
    HV *hash;

    if (!listing->facts) {
        AV *pair = newAV();
        const unsigned long id = user_namespace(process);

        av_push(pair, newSVpvn(SvPVX(text), SvCUR(text)));
        av_push(pair, id ? newSVuv(id) : newSV(0));
        return newRV_noinc((SV *)pair);
    }
    hash = newHV();
    for (SSize_t i = 0; i <= av_len(listing->facts); i++) {
        const unsigned fact = (unsigned)SvUV(*av_fetch(listing->facts, i, 0));
        SV *value = new_listed_fact(listing, status, fact, process);

        if (value && SvOK(value))
            put(hash, fact_name(fact), value);
        else
            SvREFCNT_dec(value);
    }
    return newRV_noinc((SV *)hash);
}

/* With $! as it is. */
#define tell_unread(code, number) S_tell_unread(aTHX_ code, number)
static void S_tell_unread(pTHX_ SV *code, unsigned long number)
{
    dSP;

    ENTER;
    SAVETMPS;
    PUSHMARK(SP);
    mXPUSHu(number);
    PUTBACK;
    call_sv(code, G_VOID | G_DISCARD);
    FREETMPS;
    LEAVE;
}

/* One that ends meanwhile is not there. */
#define list_processes(listing) S_list_processes(aTHX_ listing)
static SV *S_list_processes(pTHX_ struct listing *listing)
{
    AV *found = (AV *)sv_2mortal((SV *)newAV());
    SV *text = sv_2mortal(newSV(0));
    unsigned long *number;
    const size_t count = proc_numbers("/proc", &number);

    if (!count)
        return newSV(0);
    listing->all = lp_all_caps();
    listing->own = user_namespace("thread-self");
    listing->own_numbers = listing->privileged && proc_is_ours();
    ENTER;
    for (size_t i = 0; i < count; i++) {
        char path[64], process[32];
        struct status status;

        if (listing->privileged && listing->own_numbers && surely_has_nothing(number[i]))
            continue;
        (void)snprintf(process, sizeof process, "%lu", number[i]);
        (void)snprintf(path, sizeof path, "/proc/%s/status", process);
        SAVETMPS;
        if (!read_proc_into(text, path)) {
            if (errno != ENOENT && errno != ESRCH && listing->unread)
                tell_unread(listing->unread, number[i]);
        }
        else {
            find_lines(SvPVX(text), &status);
            if (is_wanted(listing, &status))
                av_push(found, new_listed(listing, &status, text, process));
        }
        FREETMPS;
    }
    LEAVE;
    return newRV_inc((SV *)found);
}

#endif
