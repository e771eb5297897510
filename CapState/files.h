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

/* What the methods take for a file. */
typedef struct {
    struct lp_file file;
    SV *followed; /* the variable that gets the file which a symbolic link led to */
} lp_target;

/* follow => 1, or a reference to such a variable. */
#define follow_arg(cv, value, target) S_follow_arg(aTHX_ cv, value, target)
static void S_follow_arg(pTHX_ CV *cv, SV *value, lp_target *target)
{
    SvGETMAGIC(value);
    target->file.follow = SvTRUE_nomg(value);
    if (!SvROK(value))
        return;
    target->followed = sv_2mortal(SvREFCNT_inc(SvRV(value))); /* whatever becomes of value */
    if (SvTYPE(target->followed) >= SVt_PVAV || SvREADONLY(target->followed))
        misuse("%s: follow is neither true, false nor a reference to a variable",
               function_name(cv));
}

/* A path, or a handle of any type. An object that is both, as a File::Temp, is a
 * handle: that is the file it has, whatever has become of its name. */
#define file_arg(cv, sv, target) S_file_arg(aTHX_ cv, sv, target)
static void S_file_arg(pTHX_ CV *cv, SV *sv, lp_target *target)
{
    SV *thing;

    SvGETMAGIC(sv);
    thing = SvROK(sv) ? SvRV(sv) : sv;
    if (!isGV_with_GP(thing) && SvTYPE(thing) != SVt_PVIO) {
        target->file.path = string_arg(cv, "path", sv);
        return;
    }
    target->file.fd = handle_fd(thing);
    if (target->file.fd < 0)
        die_of(sv_2mortal(newSVpvf("%s: the handle is not that of an open file",
                                   function_name(cv))),
               EBADF);
}

/* A file, and the options behind it. */
#define target_args(cv, args, count, target) S_target_args(aTHX_ cv, args, count, target)
static void S_target_args(pTHX_ CV *cv, SV **args, I32 count, lp_target *target)
{
    target->file.path = NULL;
    target->file.fd = -1;
    target->file.follow = false;
    target->file.followed[0] = '\0';
    target->followed = NULL;
    if (count % 2 == 0)
        misuse("Usage: %s::%s(self, file, follow => 0)", HvNAME(GvSTASH(CvGV(cv))),
               function_name(cv));
    for (I32 i = 1; i < count; i += 2) {
        SvGETMAGIC(args[i]);
        if (!SvOK(args[i]) || strNE(SvPV_nomg_nolen(args[i]), "follow"))
            misuse("%s: the option %s is not follow", function_name(cv), shown(args[i]));
        follow_arg(cv, args[i + 1], target);
    }
    file_arg(cv, args[0], target);
}

/* A file that is changed must not be named from outside, as with chmod. It was the last argument
 * that was read; and perl counts all that is in the statement. */
#define check_dependency(cv) S_check_dependency(aTHX_ cv)
static void S_check_dependency(pTHX_ CV *cv)
{
    if (PL_tainting && PL_tainted)
        is_insecure(INSECURE_DEPENDENCY, function_name(cv));
}

#define tell_followed(target) S_tell_followed(aTHX_ target)
static void S_tell_followed(pTHX_ const lp_target *target)
{
    if (!target->followed)
        return;
    if (target->file.followed[0])
        sv_setpv(target->followed, target->file.followed);
    else
        sv_setsv(target->followed, &PL_sv_undef);
    SvUTF8_off(target->followed);
    SvSETMAGIC(target->followed);
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
    return S_ISDIR(mode) ? "a directory" : S_ISFIFO(mode) ? "a fifo"
         : S_ISSOCK(mode) ? "a socket" : S_ISCHR(mode) || S_ISBLK(mode) ? "a device"
         : "of an unknown type";
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
    const char *path;

    if (!file->path)
        return SvPVX(sv_2mortal(newSVpvf("descriptor %d", file->fd)));
    path = shown(sv_2mortal(newSVpv(file->path, 0)));
    if (!file->followed[0] || strEQ(file->followed, file->path))
        return path;
    return SvPVX(sv_2mortal(newSVpvf("%s -> %s", path,
                                     shown(sv_2mortal(newSVpv(file->followed, 0))))));
}

/* "set("/usr/bin/ping"): Operation not permitted (setfcap is not effective)" */
#define file_failure_text(cv, function, file, error, failure)                       \
    S_file_failure_text(aTHX_ cv, function, file, error, failure)
static SV *S_file_failure_text(pTHX_ CV *cv, const char *function, const char *file, int error,
                          const struct lp_file_failure *failure)
{
    struct lp_refusal why = no_reason;
    SV *what = sv_2mortal(newSVpvf("%s(%s)", function, file));
    SV *text;

    if (failure->what == LP_FILE_UNCHANGED && error == EPERM && lacks_setfcap())
        why.rule = LP_NO_SETFCAP;
    text = refusal_text(what, error, why);
    switch (failure->what) {
    case LP_FILE_REFUSED:
        if (error == EOVERFLOW)
            sv_catpvs(text, " (its root id is that of another user namespace)");
        break;
    case LP_FILE_UNCHANGED:
        break;
    case LP_FILE_IRREGULAR:
        if (S_ISLNK(failure->mode))
            sv_catpvs(text, " (it is a symbolic link: with follow => 1 it is followed)");
        else
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
    if (failure->changed && failure->what != LP_FILE_OTHERWISE)
        sv_catpvs(text, " (the file was changed, says the kernel, but it cannot be read back)");
    return text;
}

#define file_failed(cv, file, failure) S_file_failed(aTHX_ cv, file, failure)
static void S_file_failed(pTHX_ CV *cv, const struct lp_file *file,
                          const struct lp_file_failure *failure) __attribute__((noreturn));
static void S_file_failed(pTHX_ CV *cv, const struct lp_file *file,
                          const struct lp_file_failure *failure)
{
    const int error = errno;

    die_of(file_failure_text(cv, function_name(cv), file_text(file), error, failure), error);
}

#endif
