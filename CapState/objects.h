/* CapState and FileCaps: what their objects hold, what their methods take, and
 * what they say when something is refused. */
#ifndef LP_OBJECTS_H
#define LP_OBJECTS_H

#include "../xs/args.h"
#include "../xs/threads.h"
#include "text.h"

/* An object is a blessed string of the bytes of a struct: a thread can have a copy
 * of it, and nothing is left to be freed when a call dies. */
enum type { CAP_STATE, FILE_CAPS };

static const struct {
    const char *class;
    STRLEN size;
    enum lp_set first; /* of the sets that its methods take */
} types[] = {
    [CAP_STATE] = {"Linux::Prctl::CapState", sizeof(struct lp_caps), LP_EFFECTIVE},
    [FILE_CAPS] = {"Linux::Prctl::FileCaps", sizeof(struct lp_file_caps), LP_PERMITTED},
};

/* Both begin with the sets. */
typedef struct lp_file_caps lp_content;

#define new_object(type, stash, content) S_new_object(aTHX_ type, stash, content)
static SV *S_new_object(pTHX_ enum type type, HV *stash, const lp_content *content)
{
    SV *value = newSVpvn((const char *)content, types[type].size);

    return sv_bless(newRV_noinc(value), stash);
}

/* The package of a method, or one that inherits from it. */
#define class_arg(cv, sv) S_class_arg(aTHX_ cv, sv)
static HV *S_class_arg(pTHX_ CV *cv, SV *sv)
{
    HV *own = GvSTASH(CvGV(cv));
    HV *stash;

    SvGETMAGIC(sv);
    stash = SvROK(sv) || !SvOK(sv) ? NULL : gv_stashsv(sv, 0);
    if (stash == own || (stash && sv_derived_from(sv, HvNAME(own))))
        return stash;
    misuse("%s: %s is not the class %s", function_name(cv), shown(sv), HvNAME(own));
}

/* What an object holds; anything else is the end. One that is shared between threads is
 * fetched by its magic. */
#define object_body(type, function, sv) S_object_body(aTHX_ type, function, sv)
static SV *S_object_body(pTHX_ enum type type, const char *function, SV *sv)
{
    if (SvROK(sv) && SvOBJECT(SvRV(sv)) && sv_derived_from(sv, types[type].class)) {
        SV *body = SvRV(sv);

        SvGETMAGIC(body);
        if (SvPOKp(body) && SvCUR(body) == types[type].size)
            return body;
    }
    misuse("%s: %s is not a %s", function, SvAMAGIC(sv) ? "that object" : shown(sv),
          types[type].class);
}

/* The object stays as long as the call, also when code that makes the text of another
 * argument deletes the caller's variable: the methods return it. */
#define content_arg(type, function, sv) S_content_arg(aTHX_ type, function, sv)
static lp_content S_content_arg(pTHX_ enum type type, const char *function, SV *sv)
{
    lp_content content = {.effective = 0};

    SvGETMAGIC(sv);
    sv_2mortal(SvREFCNT_inc_simple_NN(sv));
    Copy(SvPVX(object_body(type, function, sv)), (char *)&content, types[type].size, char);
    return content;
}

/* Back into the object, if that is still what it was: the text of another argument
 * can be made by code that puts something else into the caller's variable. */
#define keep_content(cv, type, sv, content) S_keep_content(aTHX_ cv, type, sv, content)
static void S_keep_content(pTHX_ CV *cv, enum type type, SV *sv, const lp_content *content)
{
    SV *body = object_body(type, function_name(cv), sv);

    sv_setpvn(body, (const char *)content, types[type].size);
    SvSETMAGIC(body);
}

#define same_content(type, operator, a, b) S_same_content(aTHX_ type, operator, a, b)
static bool S_same_content(pTHX_ enum type type, const char *operator, const lp_content *a, SV *b)
{
    const lp_content other = content_arg(type, operator, b);

    return lp_same_file_caps(a, &other);
}

/* ---- arguments ---- */

static const char *const flag_names[] = {
    [LP_EFFECTIVE] = "effective",
    [LP_PERMITTED] = "permitted",
    [LP_INHERITABLE] = "inheritable",
};

#define flag_arg(cv, type, sv) S_flag_arg(aTHX_ cv, type, sv)
static enum lp_set S_flag_arg(pTHX_ CV *cv, enum type type, SV *sv)
{
    SvGETMAGIC(sv);
    if (SvOK(sv) && !(SvROK(sv) && !SvAMAGIC(sv))) {
        STRLEN length;
        const char *text = SvPV_nomg(sv, length);

        for (int set = types[type].first; set <= LP_INHERITABLE; set++)
            if (strlen(flag_names[set]) == length
                && memcmp(flag_names[set], text, length) == 0)
                return (enum lp_set)set;
    }
    if (type == CAP_STATE)
        misuse("%s: set %s is not one of effective, permitted, inheritable", function_name(cv),
               shown(sv));
    misuse("%s: set %s is not one of permitted, inheritable; effective is one flag for the whole"
           " file: ->effective(1)", function_name(cv), shown(sv));
}

/* All arguments of a method, before anything is changed. */
#define caps_arg(cv, args, count) S_caps_arg(aTHX_ cv, args, count)
static uint64_t S_caps_arg(pTHX_ CV *cv, SV **args, I32 count)
{
    uint64_t mask = 0;

    for (I32 i = 0; i < count; i++)
        mask |= LP_BIT(cap_arg(cv, args[i]));
    return mask;
}

/* Zero would mean the caller to capget(2), and what is wider another process. */
#define pid_arg(cv, sv) S_pid_arg(aTHX_ cv, sv)
static pid_t S_pid_arg(pTHX_ CV *cv, SV *sv)
{
    unsigned long number;

    SvGETMAGIC(sv);
    if (!whole_number(sv, &number) || number < 1 || number > INT_MAX)
        misuse("%s: pid %s is not a whole number from 1 to %d", function_name(cv), shown(sv),
              INT_MAX);
    return (pid_t)number;
}

/* ---- the kernel's ---- */

/* The sets of a process or thread (0: the caller) as a new object, or the end. */
#define new_caps_of(cv, class, pid) S_new_caps_of(aTHX_ cv, class, pid)
static SV *S_new_caps_of(pTHX_ CV *cv, HV *class, pid_t pid)
{
    lp_content content = {.effective = 0};

    if (lp_capget_of(pid, &content.caps) != 0) {
        int error = errno;
        SV *what = sv_2mortal(newSVpvf("%s(", function_name(cv)));

        if (pid)
            sv_catpvf(what, "%ld", (long)pid);
        sv_catpvs(what, ")");
        die_of(refusal_text(what, error, no_reason), error);
    }
    return new_object(CAP_STATE, class, &content);
}

#define set_current(cv, self, content) S_set_current(aTHX_ cv, self, content)
static void S_set_current(pTHX_ CV *cv, SV *self, const lp_content *content)
{
    CREDENTIAL(call_text(cv, &self, 1));
    if (lp_set_caps(&content->caps) != 0) {
        int error = errno;

        die_of(refusal_text(call_text(cv, &self, 1), error, lp_why_caps(&content->caps, error)),
               error);
    }
}

/* ---- text ---- */

static const char *const text_faults[] = {
    [LP_TEXT_NO_CAP] = "is neither all, a capability like cap_chown nor a number from 0 to 63",
    [LP_TEXT_NO_FLAG] = "is not made of =, + or - and the flags e, i, p",
    [LP_TEXT_NO_GRAMMAR] = "is not what cap_from_text(3) describes",
    [LP_TEXT_NO_ROOTID] = "is not rootid= and a user id",
};

#define bad_text(cv, sv, error, fault) S_bad_text(aTHX_ cv, sv, error, fault)
static void S_bad_text(pTHX_ CV *cv, SV *sv, int error, struct lp_fault fault)
    __attribute__((noreturn));
static void S_bad_text(pTHX_ CV *cv, SV *sv, int error, struct lp_fault fault)
{
    SV *text = sv_2mortal(newSVpvf("%s: %s", function_name(cv), shown(sv)));
    SV *part;

    if (fault.what == LP_TEXT_FINE)
        sv_catpvf(text, ": %s", Strerror(error));
    else if (fault.what == LP_TEXT_PARTLY_EFFECTIVE)
        sv_catpvs(text, ": effective is one flag for the whole file: e belongs to everything that"
                        " is permitted or inheritable, or to nothing");
    else {
        part = newSVpvn_flags(fault.at, fault.length, SVs_TEMP);
        if (fault.what != LP_TEXT_NO_GRAMMAR)
            sv_catpvf(text, ": %s", shown(part));
        sv_catpvf(text, " %s", text_faults[fault.what]);
    }
    die_of(text, error);
}

#define text_arg(cv, type, sv) S_text_arg(aTHX_ cv, type, sv)
static lp_content S_text_arg(pTHX_ CV *cv, enum type type, SV *sv)
{
    lp_content content;
    struct lp_fault fault;
    const char *text = string_arg(cv, "text", sv);

    Zero(&content, 1, lp_content);
    if ((type == CAP_STATE ? lp_caps_from_text(text, &content.caps, &fault)
                           : lp_file_caps_from_text(text, &content, &fault)) != 0)
        bad_text(cv, sv, errno, fault);
    return content;
}

#define content_text(cv, type, content) S_content_text(aTHX_ cv, type, content)
static SV *S_content_text(pTHX_ CV *cv, enum type type, const lp_content *content)
{
    char *text = type == CAP_STATE ? lp_caps_to_text(&content->caps)
                                   : lp_file_caps_to_text(content);
    SV *sv;

    if (!text)
        die_of(sv_2mortal(newSVpvf("%s: %s", function_name(cv), Strerror(errno))), errno);
    sv = newSVpv(text, 0);
    lp_free_text(text);
    if (content->rootid)
        sv_catpvf(sv, " rootid=%lu", (unsigned long)content->rootid);
    return sv;
}

#endif
