/* Searches for files: what FileCaps->find takes and gives. */
#ifndef LP_SEARCHES_H
#define LP_SEARCHES_H

#include "files.h"
#include "find.h"

#define SEARCH_CLASS "Linux::Prctl::FileCaps::Search"

/* A search is a blessed array: the class of the objects that are found, and the code for
 * what fails. Its C part hangs on it as magic. */
enum { SEARCH_FOUND_CLASS, SEARCH_ERROR };

static int S_search_free(pTHX_ SV *sv, MAGIC *magic)
{
    PERL_UNUSED_CONTEXT;
    PERL_UNUSED_VAR(sv);
    if (magic->mg_ptr)
        lp_find_free((struct lp_find *)magic->mg_ptr);
    return 0;
}

#ifdef USE_ITHREADS
/* It goes on in the thread that began it. */
static int S_search_dup(pTHX_ MAGIC *magic, CLONE_PARAMS *param)
{
    PERL_UNUSED_CONTEXT;
    PERL_UNUSED_VAR(param);
    magic->mg_ptr = NULL;
    return 0;
}
#endif

static const MGVTBL search_magic = {
    .svt_free = S_search_free,
#ifdef USE_ITHREADS
    .svt_dup = S_search_dup,
#endif
};

struct search_options {
    struct lp_find_options c;
    SV *found;
    SV *error;
};

#define code_arg(cv, name, value) S_code_arg(aTHX_ cv, name, value)
static SV *S_code_arg(pTHX_ CV *cv, const char *name, SV *value)
{
    if (!SvOK(value))
        return NULL;
    if (!SvROK(value) || (SvTYPE(SvRV(value)) != SVt_PVCV && !SvAMAGIC(value)))
        misuse("%s: %s %s is not a reference to code", function_name(cv), name, shown(value));
    return sv_mortalcopy(value);
}

#define search_option(cv, name, value, options) S_search_option(aTHX_ cv, name, value, options)
static void S_search_option(pTHX_ CV *cv, const char *name, SV *value,
                            struct search_options *options)
{
    SvGETMAGIC(value);
    if (strEQ(name, "found"))
        options->found = code_arg(cv, name, value);
    else if (strEQ(name, "error"))
        options->error = code_arg(cv, name, value);
    else if (strEQ(name, "set_id"))
        options->c.set_id = SvTRUE_nomg(value);
    else if (strEQ(name, "one_file_system"))
        options->c.one_file_system = SvTRUE_nomg(value);
    else if (strEQ(name, "follow"))
        options->c.follow = SvTRUE_nomg(value);
    else
        misuse("%s: the option %s is none of found, error, set_id, one_file_system, follow",
               function_name(cv), shown(sv_2mortal(newSVpv(name, 0))));
}

/* Options are in a hash behind the paths. */
#define search_options(cv, sv, options) S_search_options(aTHX_ cv, sv, options)
static bool S_search_options(pTHX_ CV *cv, SV *sv, struct search_options *options)
{
    HV *hash;
    HE *entry;

    SvGETMAGIC(sv);
    if (!SvROK(sv) || SvTYPE(SvRV(sv)) != SVt_PVHV || SvOBJECT(SvRV(sv)))
        return false;
    hash = (HV *)SvRV(sv);
    (void)hv_iterinit(hash);
    while ((entry = hv_iternext(hash))) {
        STRLEN length;
        const char *key = HePV(entry, length);
        SV *value = hv_iterval(hash, entry);
        const char *name = SvPVX(sv_2mortal(newSVpvn(key, length)));

        /* Both stay, should code that gives a value empty the hash. */
        sv_2mortal(SvREFCNT_inc(value));
        search_option(cv, strlen(name) == length ? name : "", value, options);
    }
    return true;
}

/* A search of the paths in the arguments from the second on. */
#define new_search(cv, class, args, count, options)                                 \
    S_new_search(aTHX_ cv, class, args, count, options)
static SV *S_new_search(pTHX_ CV *cv, HV *class, SV **args, I32 count,
                        const struct search_options *options)
{
    AV *perl = newAV();
    SV *search = sv_2mortal(newRV_noinc((SV *)perl));
    struct lp_find *find = lp_find_new(&options->c);

    if (!find) {
        const int error = errno;
        const struct lp_file_failure failure = {
            .what = error == ENOENT ? LP_FILE_NO_PROC : LP_FILE_REFUSED,
        };

        die_of(file_failure_text(cv, function_name(cv), "", error, &failure), error);
    }
    sv_magicext((SV *)perl, NULL, PERL_MAGIC_ext, &search_magic, (const char *)find, 0)
        ->mg_flags |= MGf_DUP;
    av_store(perl, SEARCH_FOUND_CLASS, newRV_inc((SV *)class));
    av_store(perl, SEARCH_ERROR, options->error ? newSVsv(options->error) : newSV(0));
    for (I32 i = 0; i < count; i++)
        if (lp_find_add(find, string_arg(cv, "path", args[i])) != 0)
            die_of(sv_2mortal(newSVpvf("%s: %s", function_name(cv), Strerror(errno))), errno);
    return sv_bless(search, gv_stashpvs(SEARCH_CLASS, GV_ADD));
}

#define search_arg(cv, sv) S_search_arg(aTHX_ cv, sv)
static AV *S_search_arg(pTHX_ CV *cv, SV *sv)
{
    MAGIC *magic = NULL;

    SvGETMAGIC(sv);
    if (SvROK(sv) && SvOBJECT(SvRV(sv)) && SvTYPE(SvRV(sv)) == SVt_PVAV)
        magic = mg_findext(SvRV(sv), PERL_MAGIC_ext, &search_magic);
    if (!magic)
        misuse("%s: %s is not a search", function_name(cv), shown(sv));
    if (!magic->mg_ptr)
        misuse("%s: the search belongs to another thread", function_name(cv));
    return (AV *)SvRV(sv);
}

/* "find("/root"): Permission denied": to the code that asked for it, or as a warning. */
#define search_failed(cv, code, found) S_search_failed(aTHX_ cv, code, found)
static void S_search_failed(pTHX_ CV *cv, SV *code, const struct lp_found *found)
{
    dSP;
    SV *path = newSVpvn_flags(found->path, strlen(found->path), SVs_TEMP);
    SV *text = file_failure_text(cv, "find", shown(path), found->error, &found->failure);

    if (!SvOK(code)) {
        tell(text, found->error, fatal() ? AN_EXCEPTION : severity(CATEGORY));
        return;
    }
    PUSHMARK(SP);
    XPUSHs(path);
    XPUSHs(text);
    PUTBACK;
    errno = found->error;
    call_sv(code, G_VOID | G_DISCARD);
}

/* What is told of a file: path, capabilities or undef, mode, owner and group. */
#define push_found(sp, class, found) S_push_found(aTHX_ sp, class, found)
static SV **S_push_found(pTHX_ SV **sp, HV *class, const struct lp_found *found)
{
    EXTEND(sp, 5);
    mPUSHp(found->path, strlen(found->path));
    if (found->has_caps)
        mPUSHs(new_object(FILE_CAPS, class, &found->caps));
    else
        PUSHs(&PL_sv_undef);
    mPUSHu(found->stat.st_mode & 07777);
    mPUSHu(found->stat.st_uid);
    mPUSHu(found->stat.st_gid);
    return sp;
}

#define tell_found(code, class, found) S_tell_found(aTHX_ code, class, found)
static void S_tell_found(pTHX_ SV *code, HV *class, const struct lp_found *found)
{
    dSP;

    ENTER;
    SAVETMPS;
    PUSHMARK(SP);
    SP = push_found(SP, class, found);
    PUTBACK;
    call_sv(code, G_VOID | G_DISCARD);
    FREETMPS;
    LEAVE;
}

/* On to the next file that is found. */
#define search_on(cv, search, found) S_search_on(aTHX_ cv, search, found)
static bool S_search_on(pTHX_ CV *cv, AV *search, struct lp_found *found)
{
    MAGIC *magic = mg_findext((SV *)search, PERL_MAGIC_ext, &search_magic);
    SV *error = *av_fetch(search, SEARCH_ERROR, 0);

    for (;;)
        switch (lp_find_next((struct lp_find *)magic->mg_ptr, found)) {
        case LP_FIND_END:
            return false;
        case LP_FIND_FILE:
            return true;
        case LP_FIND_ERROR:
            ENTER;
            SAVETMPS;
            search_failed(cv, error, found);
            FREETMPS;
            LEAVE;
            break;
        case LP_FIND_PAUSE:
            PERL_ASYNC_CHECK(); /* a search can take its time */
        }
}

#endif
