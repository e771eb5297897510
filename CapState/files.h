/* Files: what the methods of FileCaps take for one, and what they say when something is
 * refused. */
#ifndef LP_FILES_H
#define LP_FILES_H

#include "file.h"
#include "objects.h"

/* The descriptor of a handle: a glob or what is in one, or a reference to these. */
#define handle_fd(handle) S_handle_fd(aTHX_ handle)
static int S_handle_fd(pTHX_ SV *handle)
{
    IO *io = isGV_with_GP(handle) ? GvIO((GV *)handle) : (IO *)handle;

    return io && IoIFP(io) ? PerlIO_fileno(IoIFP(io)) : -1;
}

/* A path, or a handle of any type. An object that is both, as a File::Temp, is a
 * handle: that is the file it has, whatever has become of its name. */
#define file_arg(cv, sv) S_file_arg(aTHX_ cv, sv)
static struct lp_file S_file_arg(pTHX_ CV *cv, SV *sv)
{
    SV *thing;
    struct lp_file file = {NULL, -1};

    SvGETMAGIC(sv);
    thing = SvROK(sv) ? SvRV(sv) : sv;
    if (!isGV_with_GP(thing) && SvTYPE(thing) != SVt_PVIO) {
        file.path = string_arg(cv, "path", sv);
        return file;
    }
    file.fd = handle_fd(thing);
    if (file.fd < 0)
        croak("%s: the handle is not that of an open file", function_name(cv));
    return file;
}

#define malformation_text(why) S_malformation_text(aTHX_ why)
static SV *S_malformation_text(pTHX_ const struct lp_malformation *why)
{
    const unsigned long version = why->magic >> 24;

    switch (why->what) {
    case LP_NO_VERSION:
        return sv_2mortal(newSVpvf("an attribute of %lu bytes has no version",
                                   (unsigned long)why->length));
    case LP_BAD_VERSION:
        return sv_2mortal(newSVpvf("an attribute of version %lu, which is not 1, 2 or 3",
                                   version));
    case LP_BAD_LENGTH:
        return sv_2mortal(newSVpvf("an attribute of version %lu has %lu bytes, not %lu", version,
                                   (unsigned long)why->wanted, (unsigned long)why->length));
    case LP_BAD_ROOTID:
        return sv_2mortal(newSVpvs("an attribute with a root id of -1"));
    default:
        return sv_2mortal(newSVpvf("an attribute with unknown flags: 0x%lx",
                                   (unsigned long)why->magic & 0xfffffe));
    }
}

static const char *irregular(mode_t mode)
{
    return S_ISLNK(mode) ? "a symbolic link" : S_ISDIR(mode) ? "a directory"
         : S_ISFIFO(mode) ? "a fifo" : S_ISSOCK(mode) ? "a socket"
         : S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "none of the known types";
}

#define lacks_setfcap() S_lacks_setfcap()
static bool S_lacks_setfcap(void)
{
    struct lp_caps caps;

    return lp_capget(&caps) == 0 && !(caps.set[LP_EFFECTIVE] & LP_BIT(LP_CAP_setfcap));
}

#define file_text(file) S_file_text(aTHX_ file)
static const char *S_file_text(pTHX_ const struct lp_file *file)
{
    if (!file->path)
        return SvPVX(sv_2mortal(newSVpvf("descriptor %d", file->fd)));
    return shown(sv_2mortal(newSVpv(file->path, 0)));
}

/* "set("/usr/bin/ping"): Operation not permitted (setfcap is not effective)" */
#define file_failed(cv, file, failure) S_file_failed(aTHX_ cv, file, failure)
static void S_file_failed(pTHX_ CV *cv, const struct lp_file *file,
                          const struct lp_file_failure *failure) __attribute__((noreturn));
static void S_file_failed(pTHX_ CV *cv, const struct lp_file *file,
                          const struct lp_file_failure *failure)
{
    const int error = errno;
    struct lp_refusal why = no_reason;
    SV *what = sv_2mortal(newSVpvf("%s(%s)", function_name(cv), file_text(file)));
    SV *text;

    if (failure->what == LP_FILE_REFUSED && error == EPERM && lacks_setfcap())
        why.rule = LP_NO_SETFCAP;
    text = refusal_text(what, error, why);
    switch (failure->what) {
    case LP_FILE_REFUSED:
        if (error == EOVERFLOW)
            sv_catpvs(text, " (its root id is that of another user namespace)");
        break;
    case LP_FILE_IRREGULAR:
        sv_catpvf(text, " (it is %s, not a regular file)", irregular(failure->mode));
        break;
    case LP_FILE_NO_PROC:
        sv_catpvs(text, " (a path needs /proc; a handle does not)");
        break;
    case LP_FILE_MALFORMED:
        sv_catpvf(text, " (%" SVf ")", SVfARG(malformation_text(&failure->malformation)));
        break;
    case LP_FILE_UNREADABLE:
        sv_catpvs(text, " (its attribute is malformed, or of version 1 and this kernel hides it)");
        break;
    case LP_FILE_NO_SUCH_ROOT:
        sv_catpvs(text, " (this user namespace has no such root id)");
        break;
    case LP_FILE_OTHERWISE:
        if (failure->none_found)
            sv_catpvs(text, " (the file has none afterwards)");
        else
            sv_catpvf(text, " (the file has \"%" SVf "\" afterwards)",
                      SVfARG(sv_2mortal(content_text(cv, FILE_CAPS, &failure->found))));
    }
    die_of(text, error);
}

#endif
