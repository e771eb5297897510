/* CapState and FileCaps: what their objects hold, what their methods take, and
 * what they say when something is refused. */

/* An object is a blessed string of the bytes of a struct: a thread can have a copy
 * of it, and nothing is left to be freed when a call dies. */
enum kind { CAP_STATE, FILE_CAPS };

static const struct {
    const char *class;
    STRLEN size;
    enum lp_set first; /* of the sets that its methods take */
} kinds[] = {
    [CAP_STATE] = {"Linux::Prctl::CapState", sizeof(struct lp_caps), LP_EFFECTIVE},
    [FILE_CAPS] = {"Linux::Prctl::FileCaps", sizeof(struct lp_file_caps), LP_PERMITTED},
};

/* Both begin with the sets. */
typedef struct lp_file_caps lp_state;

#define new_state(kind, stash, state) S_new_state(aTHX_ kind, stash, state)
static SV *S_new_state(pTHX_ enum kind kind, HV *stash, const lp_state *state)
{
    SV *value = newSVpvn((const char *)state, kinds[kind].size);

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
    croak("%s: %s is not the class %s", function_name(cv), shown(sv), HvNAME(own));
}

/* What an object holds; anything else is the end. */
#define state_object(kind, function, sv) S_state_object(aTHX_ kind, function, sv)
static SV *S_state_object(pTHX_ enum kind kind, const char *function, SV *sv)
{
    if (SvROK(sv) && SvOBJECT(SvRV(sv)) && sv_derived_from(sv, kinds[kind].class)
        && SvPOK(SvRV(sv)) && SvCUR(SvRV(sv)) == kinds[kind].size)
        return SvRV(sv);
    croak("%s: %s is not a %s", function, SvAMAGIC(sv) ? "that object" : shown(sv),
          kinds[kind].class);
}

#define state_arg(kind, function, sv) S_state_arg(aTHX_ kind, function, sv)
static lp_state S_state_arg(pTHX_ enum kind kind, const char *function, SV *sv)
{
    lp_state state;

    SvGETMAGIC(sv);
    Zero(&state, 1, lp_state);
    Copy(SvPVX(state_object(kind, function, sv)), (char *)&state, kinds[kind].size, char);
    return state;
}

/* Back into the object, if that is still what it was: the text of another argument
 * can be made by code that puts something else into the caller's variable. */
#define keep_state(cv, kind, sv, state) S_keep_state(aTHX_ cv, kind, sv, state)
static void S_keep_state(pTHX_ CV *cv, enum kind kind, SV *sv, const lp_state *state)
{
    sv_setpvn(state_object(kind, function_name(cv), sv), (const char *)state, kinds[kind].size);
}

#define same_state(kind, operator, a, b) S_same_state(aTHX_ kind, operator, a, b)
static bool S_same_state(pTHX_ enum kind kind, const char *operator, const lp_state *a, SV *b)
{
    const lp_state other = state_arg(kind, operator, b);

    return lp_same_file_caps(a, &other);
}

/* ---- arguments ---- */

static const char *const state_set_names[] = {
    [LP_EFFECTIVE] = "effective",
    [LP_PERMITTED] = "permitted",
    [LP_INHERITABLE] = "inheritable",
};

#define state_set_arg(cv, kind, sv) S_state_set_arg(aTHX_ cv, kind, sv)
static enum lp_set S_state_set_arg(pTHX_ CV *cv, enum kind kind, SV *sv)
{
    SvGETMAGIC(sv);
    if (SvOK(sv) && !(SvROK(sv) && !SvAMAGIC(sv))) {
        STRLEN length;
        const char *text = SvPV_nomg(sv, length);

        for (int set = kinds[kind].first; set <= LP_INHERITABLE; set++)
            if (strlen(state_set_names[set]) == length
                && memcmp(state_set_names[set], text, length) == 0)
                return (enum lp_set)set;
    }
    croak("%s: set %s is not one of %spermitted, inheritable", function_name(cv), shown(sv),
          kind == CAP_STATE ? "effective, " : "");
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
        croak("%s: pid %s is not a whole number from 1 to %d", function_name(cv), shown(sv),
              INT_MAX);
    return (pid_t)number;
}

/* The descriptor of a handle: a glob or what is in one, or a reference to these. */
#define handle_fd(handle) S_handle_fd(aTHX_ handle)
static int S_handle_fd(pTHX_ SV *handle)
{
    IO *io = isGV_with_GP(handle) ? GvIO((GV *)handle) : (IO *)handle;

    return io && IoIFP(io) ? PerlIO_fileno(IoIFP(io)) : -1;
}

/* A path, or a handle of any kind. An object that is both, as a File::Temp, is a
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

/* ---- the kernel's ---- */

/* The sets of a process or thread (0: the caller) as a new object, or the end. */
#define caps_of(cv, class, pid) S_caps_of(aTHX_ cv, class, pid)
static SV *S_caps_of(pTHX_ CV *cv, HV *class, pid_t pid)
{
    lp_state state = {.effective = 0};

    if (lp_capget_of(pid, &state.caps) != 0) {
        int error = errno;
        SV *what = sv_2mortal(newSVpvf("%s(", function_name(cv)));

        if (pid)
            sv_catpvf(what, "%ld", (long)pid);
        sv_catpvs(what, ")");
        die_of(refusal_text(what, error, no_reason), error);
    }
    return new_state(CAP_STATE, class, &state);
}

#define set_caps(cv, self, state) S_set_caps(aTHX_ cv, self, state)
static void S_set_caps(pTHX_ CV *cv, SV *self, const lp_state *state)
{
    CREDENTIAL(call_text(cv, &self, 1));
    if (lp_set_caps(&state->caps) != 0) {
        int error = errno;

        die_of(refusal_text(call_text(cv, &self, 1), error, lp_why_caps(&state->caps, error)),
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

#define text_arg(cv, kind, sv) S_text_arg(aTHX_ cv, kind, sv)
static lp_state S_text_arg(pTHX_ CV *cv, enum kind kind, SV *sv)
{
    lp_state state;
    struct lp_fault fault;
    const char *text = string_arg(cv, "text", sv);

    Zero(&state, 1, lp_state);
    if ((kind == CAP_STATE ? lp_caps_from_text(text, &state.caps, &fault)
                           : lp_file_caps_from_text(text, &state, &fault)) != 0)
        bad_text(cv, sv, errno, fault);
    return state;
}

#define state_text(cv, kind, state) S_state_text(aTHX_ cv, kind, state)
static SV *S_state_text(pTHX_ CV *cv, enum kind kind, const lp_state *state)
{
    char *text = kind == CAP_STATE ? lp_caps_to_text(&state->caps) : lp_file_caps_to_text(state);
    SV *sv;

    if (!text)
        die_of(sv_2mortal(newSVpvf("%s: %s", function_name(cv), Strerror(errno))), errno);
    sv = newSVpv(text, 0);
    lp_free_text(text);
    if (state->rootid)
        sv_catpvf(sv, " rootid=%lu", (unsigned long)state->rootid);
    return sv;
}

/* ---- files ---- */

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
         : S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "none of the known kinds";
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
                      SVfARG(sv_2mortal(state_text(cv, FILE_CAPS, &failure->found))));
    }
    die_of(text, error);
}
