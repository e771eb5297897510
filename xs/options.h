/* The options of setpriv() and spawn(): from what Perl was given to the credentials that are
 * wanted. Each is read once, and looked at in full before anything is asked of the kernel. */
#ifndef LP_XS_OPTIONS_H
#define LP_XS_OPTIONS_H

#include "args.h"
#include "signals.h"
#include "../src/supported.h"
#include "../src/userns.h"

#include <grp.h>
#include <pwd.h>

enum option_user { SETPRIV = 1, SPAWN = 2, BOTH = 3 };

enum option {
#define OPT(name, users) OPT_##name,
#include "../src/options.inc"
#undef OPT
    OPTIONS
};

static const struct {
    const char *name;
    enum option_user users;
} option_table[OPTIONS] = {
#define OPT(name, users) {#name, users},
#include "../src/options.inc"
#undef OPT
};

struct options {
    const char *function;
    pid_t parent; /* of the process that they are for */
    bool child;   /* it is one that starts with them */
    SV *value[OPTIONS]; /* a copy; NULL: not given */
};

#define given(options, name) ((options)->value[OPT_##name])
#define is_true(options, name) (given(options, name) && SvTRUE_nomg(given(options, name)))

/* ---- what is wrong ---- */

#define bad_plan(options, ...) S_bad_plan(aTHX_ options, __VA_ARGS__)
static void S_bad_plan(pTHX_ const struct options *options, int error, const char *format, ...)
    __attribute__((noreturn));
static void S_bad_plan(pTHX_ const struct options *options, int error, const char *format, ...)
{
    SV *message = sv_2mortal(newSVpvf("%s: ", options->function));
    va_list rest;

    va_start(rest, format);
    sv_vcatpvf(message, format, &rest);
    va_end(rest);
    die_of(message, error);
}

#define bad_option(options, option, format, ...)                                    \
    bad_plan(options, EINVAL, "%s " format, option_table[option].name, __VA_ARGS__)

/* "a, b and c"; of more than seven, six and how many more. */
#define MOST_WORDS 7
#define and_list(words) S_and_list(aTHX_ words)
static SV *S_and_list(pTHX_ AV *words)
{
    const SSize_t count = av_len(words) + 1;
    const SSize_t shown = count > MOST_WORDS ? MOST_WORDS - 1 : count;
    SV *text = newSVpvn_flags("", 0, SVs_TEMP);

    for (SSize_t i = 0; i < shown; i++) {
        const bool last = i == count - 1;

        sv_catpvf(text, "%s%" SVf, !i ? "" : last ? " and " : ", ",
                  SVfARG(*av_fetch(words, i, 0)));
    }
    if (shown < count)
        sv_catpvf(text, " and %d more", (int)(count - shown));
    return text;
}

#define word(words, text) av_push(words, newSVpv(text, 0))

/* ---- reading them ---- */

/* Read once; unlike sv_mortalcopy, it leaves a temporary value its string. */
#define copy_of(sv) sv_2mortal(newSVsv(sv))

static int find_option(const char *name, STRLEN length, enum option_user user)
{
    for (int option = 0; option < OPTIONS; option++)
        if (option_table[option].users & user && strlen(option_table[option].name) == length
            && memcmp(option_table[option].name, name, length) == 0)
            return option;
    return -1;
}

/* Not a reference, unless it has a string to offer. */
#define is_string(value) S_is_string(aTHX_ value)
static bool S_is_string(pTHX_ SV *value)
{
    if (!SvROK(value))
        return SvOK(value);
    return SvAMAGIC(value)
           && gv_fetchmethod_autoload(SvSTASH(SvRV(value)), "(\"\"", FALSE) != NULL;
}

#define is_handle(value) (SvROK(value) && isGV_with_GP(SvRV(value)))

/* A value that was read once; an object with a string to offer was asked for it once. */
#define value_of(value) S_value_of(aTHX_ value)
static SV *S_value_of(pTHX_ SV *value)
{
    SV *copy = copy_of(value);
    STRLEN length;
    const char *text;

    if (!SvROK(copy) || is_handle(copy) || !is_string(copy))
        return copy;
    text = SvPV_nomg(copy, length);
    return newSVpvn_flags(text, length, SVs_TEMP | SvUTF8(copy));
}

/* All that there are, for a message. */
#define option_names(user) S_option_names(aTHX_ user)
static SV *S_option_names(pTHX_ enum option_user user)
{
    SV *names = newSVpvn_flags("", 0, SVs_TEMP);

    for (int option = 0; option < OPTIONS; option++)
        if (option_table[option].users & user)
            sv_catpvf(names, "%s%s", SvCUR(names) ? ", " : "", option_table[option].name);
    return names;
}

#define read_options(options, user, args, count) S_read_options(aTHX_ options, user, args, count)
static void S_read_options(pTHX_ struct options *options, enum option_user user, SV **args,
                           I32 count)
{
    if (count % 2)
        bad_plan(options, EINVAL, "Usage: %s(option => value, ...)", options->function);
    for (I32 i = 0; i < count; i += 2) {
        SV *name = copy_of(args[i]);
        STRLEN length = 0;
        const char *text = SvOK(name) ? SvPV(name, length) : "";
        int option = find_option(text, length, user);

        if (option < 0)
            bad_plan(options, EINVAL, "there is no option %s (there are %" SVf ")", shown(name),
                     SVfARG(option_names(user)));
        if (options->value[option])
            bad_plan(options, EINVAL, "%s is given twice", text);
        options->value[option] = value_of(args[i + 1]);
    }
}

/* An element of a list, read once. */
#define element(list, i) S_element(aTHX_ list, i)
static SV *S_element(pTHX_ AV *list, SSize_t i)
{
    SV **value = av_fetch(list, i, 0);

    return value ? value_of(*value) : &PL_sv_undef;
}

/* An object may be an array inside, and something else to its users. */
#define is_list(value)                                                              \
    (SvROK(value) && SvTYPE(SvRV(value)) == SVt_PVAV && !SvOBJECT(SvRV(value)))

#define list_option(options, option) S_list_option(aTHX_ options, option)
static AV *S_list_option(pTHX_ const struct options *options, enum option option)
{
    SV *value = options->value[option];

    if (!is_list(value))
        bad_option(options, option, "%s is not an array reference", shown(value));
    return (AV *)SvRV(value);
}

/* Memory that lives as long as the call. */
#define scratch(bytes) S_scratch(aTHX_ bytes)
static void *S_scratch(pTHX_ size_t bytes)
{
    return SvPVX(sv_2mortal(newSV(bytes + 1)));
}

/* ---- users and groups ---- */

/* An id, and how it was given: the name service is asked about a name alone. */
struct id_option {
    bool given;
    uint32_t id;
    const char *name; /* as it was given, where that may be a name */
};

static const char *id_word(bool user)
{
    return user ? "user" : "group";
}

#define NAME_SERVICE_BYTES 1024 /* to begin with */

#define service_failed(options, what, error) S_service_failed(aTHX_ options, what, error)
static void S_service_failed(pTHX_ const struct options *options, SV *what, int error)
    __attribute__((noreturn));
static void S_service_failed(pTHX_ const struct options *options, SV *what, int error)
{
    bad_plan(options, error,
             "%" SVf " could not be looked up: %s (a number, or '+1000', asks no name service)",
             SVfARG(what), Strerror(error));
}

/* The entry of a user: by name, or by uid where that is NULL. False: there is none. */
#define find_user(options, what, name, uid, entry) S_find_user(aTHX_ options, what, name, uid, entry)
static bool S_find_user(pTHX_ const struct options *options, SV *what, const char *name, uid_t uid,
                        struct passwd *entry)
{
    for (size_t size = NAME_SERVICE_BYTES;; size *= 2) {
        char *text = scratch(size);
        struct passwd *found = NULL;
        int error = name ? getpwnam_r(name, entry, text, size, &found)
                         : getpwuid_r(uid, entry, text, size, &found);

        if (found)
            return true;
        if (!error)
            return false;
        if (error != ERANGE)
            service_failed(options, what, error);
    }
}

#define find_group(options, what, name, gid) S_find_group(aTHX_ options, what, name, gid)
static bool S_find_group(pTHX_ const struct options *options, SV *what, const char *name,
                         uint32_t *gid)
{
    for (size_t size = NAME_SERVICE_BYTES;; size *= 2) {
        char *text = scratch(size);
        struct group entry, *found = NULL;
        int error = getgrnam_r(name, &entry, text, size, &found);

        if (found)
            *gid = found->gr_gid;
        if (found)
            return true;
        if (!error)
            return false;
        if (error != ERANGE)
            service_failed(options, what, error);
    }
}

/* The text of a value that may be a name, or NULL. */
#define name_of(value) S_name_of(aTHX_ value)
static const char *S_name_of(pTHX_ SV *value)
{
    STRLEN length;
    SV *bytes = copy_of(value);
    const char *text;

    if (SvUTF8(bytes) && !sv_utf8_downgrade(bytes, TRUE))
        return NULL;
    text = SvPV(bytes, length);
    return length && *text != '+' && !memchr(text, '\0', length) ? text : NULL;
}

/* A whole number without a minus, a blank or a leading zero. */
#define plain_id(value, id) S_plain_id(aTHX_ value, id)
static bool S_plain_id(pTHX_ SV *value, uint32_t *id)
{
    STRLEN length;
    const char *text = SvPV_nomg(value, length);
    unsigned long number;

    if (length && *text == '+') {
        text++;
        length--;
    }
    if (!lp_decimal(text, length, MOST_ID, &number))
        return false;
    *id = (uint32_t)number;
    return true;
}

#define look_up(options, user, what, value) S_look_up(aTHX_ options, user, what, value)
static struct id_option S_look_up(pTHX_ const struct options *options, bool user, SV *what,
                                  SV *value)
{
    struct id_option option = {.given = true};
    const bool number = is_number(value);
    struct passwd entry;
    bool found = false;

    if (is_string(value)) {
        option.name = number ? NULL : name_of(value);
        if (option.name && user) {
            found = find_user(options, what, option.name, 0, &entry);
            option.id = found ? entry.pw_uid : 0;
        } else if (option.name)
            found = find_group(options, what, option.name, &option.id);
        found = (found && option.id <= MOST_ID) || plain_id(value, &option.id);
    }
    if (!found)
        bad_plan(options, EINVAL, "%" SVf " is neither a %s nor a whole number from 0 to %lu",
                 SVfARG(what), id_word(user), MOST_ID);
    return option;
}

/* "reuid "www"": an option and its value. */
#define option_text(option, value) S_option_text(aTHX_ option, value)
static SV *S_option_text(pTHX_ enum option option, SV *value)
{
    return sv_2mortal(newSVpvf("%s %s", option_table[option].name, shown(value)));
}

/* ids: in /proc/self/uid_map, or gid_map. Without it, 65534 stands for every group that is not
 * mapped. */
#define check_mapped(options, option, user, ids, count)                             \
    S_check_mapped(aTHX_ options, option, user, ids, count)
static void S_check_mapped(pTHX_ const struct options *options, enum option option, bool user,
                           const uint32_t *ids, size_t count)
{
    const char *name = option_table[option].name;
    const bool mapped = count && option != OPT_groups && option != OPT_init_groups;
    struct lp_map map;
    bool told;

    if (!count)
        return;
    told = lp_read_map(user, &map) == 0;
    for (size_t i = 0; i < count; i++) {
        if (told && !lp_in_map(&map, ids[i]))
            bad_plan(options, EINVAL, "%s: %s %lu is not mapped in this user namespace", name,
                     id_word(user), (unsigned long)ids[i]);
        if (!told && !mapped && ids[i] == LP_OVERFLOW_ID)
            bad_plan(options, EINVAL,
                     "%s: group %lu cannot be told from one that is not mapped, without /proc",
                     name, (unsigned long)ids[i]);
    }
}

#define id_option(options, option, user) S_id_option(aTHX_ options, option, user)
static struct id_option S_id_option(pTHX_ const struct options *options, enum option option,
                                    bool user)
{
    SV *value = options->value[option];
    struct id_option id = {.given = false};

    if (value) {
        id = look_up(options, user, option_text(option, value), value);
        check_mapped(options, option, user, &id.id, 1);
    }
    return id;
}

/* ---- sets ---- */

/* What an option makes of a set: (what it was & keep) | raise. */
struct set_option {
    bool given;
    bool list; /* exactly these */
    uint64_t keep;
    uint64_t raise;
};

static uint64_t apply(const struct set_option *option, uint64_t set)
{
    return (set & option->keep) | option->raise;
}

#define named_bit(options, option, set, name) S_named_bit(aTHX_ options, option, set, name)
static uint64_t S_named_bit(pTHX_ const struct options *options, enum option option,
                            enum lp_set set, SV *name)
{
    int bit = bit_number(set, name);

    if (bit < 0)
        bad_plan(options, EINVAL, "%s: %s: %s", option_table[option].name, unknown_text(set),
                 shown(name));
    if (set != LP_SECURE && lp_supported_cap((unsigned)bit) != LP_YES)
        bad_plan(options, EINVAL, "%s: this kernel does not know %s", option_table[option].name,
                 cap_text((unsigned)bit));
    return LP_BIT(bit);
}

static uint64_t all_caps(void)
{
    uint64_t mask = 0;

    for (unsigned cap = 0; lp_knows(cap); cap++)
        mask |= LP_BIT(cap);
    return mask;
}

/* "+name", "-name", "+all" or "-all". */
#define change_of(options, option, set, text, length, change)                       \
    S_change_of(aTHX_ options, option, set, text, length, change)
static void S_change_of(pTHX_ const struct options *options, enum option option, enum lp_set set,
                        const char *text, STRLEN length, struct set_option *change)
{
    SV *whole = newSVpvn_flags(text, length, SVs_TEMP);
    const bool raise = length && *text == '+';
    SV *name;
    uint64_t mask;

    if (length < 2 || (!raise && *text != '-'))
        bad_plan(options, EINVAL, "%s: %s is neither +name nor -name%s",
                 option_table[option].name, shown(whole),
                 bit_number(set, whole) < 0 ? "" : ": exactly these are an array reference");
    name = newSVpvn_flags(text + 1, length - 1, SVs_TEMP);
    if (set != LP_SECURE && lp_same_word("all", SvPVX(name), SvCUR(name)))
        mask = raise ? all_caps() : ~UINT64_C(0);
    else
        mask = named_bit(options, option, set, name);
    change->keep &= ~mask;
    change->raise = raise ? change->raise | mask : change->raise & ~mask;
}

/* From the left to the right. */
#define relative(options, option, set, value) S_relative(aTHX_ options, option, set, value)
static struct set_option S_relative(pTHX_ const struct options *options, enum option option,
                                    enum lp_set set, SV *value)
{
    struct set_option change = {.given = true, .keep = ~UINT64_C(0)};
    STRLEN length;
    const char *text = SvPV_nomg(value, length);
    const char *end = text + length;

    if (!length)
        bad_plan(options, EINVAL, "%s is empty: it takes +name and -name%s",
                 option_table[option].name, set == LP_SECURE ? "" : ", +all and -all");
    for (;;) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma ? comma : end;

        change_of(options, option, set, text, (STRLEN)(stop - text), &change);
        if (!comma)
            return change;
        text = comma + 1;
    }
}

#define exactly(options, option, set) S_exactly(aTHX_ options, option, set)
static struct set_option S_exactly(pTHX_ const struct options *options, enum option option,
                                   enum lp_set set)
{
    struct set_option change = {.given = true, .list = true};
    AV *list = list_option(options, option);

    for (SSize_t i = 0; i <= av_len(list); i++)
        change.raise |= named_bit(options, option, set, element(list, i));
    return change;
}

#define set_option(options, option, set) S_set_option(aTHX_ options, option, set)
static struct set_option S_set_option(pTHX_ const struct options *options, enum option option,
                                      enum lp_set set)
{
    SV *value = options->value[option];
    struct set_option unchanged = {.keep = ~UINT64_C(0)};

    if (!value)
        return unchanged;
    if (is_list(value))
        return exactly(options, option, set);
    if (option == OPT_caps)
        bad_option(options, option, "%s is not an array reference", shown(value));
    if (!is_string(value))
        bad_option(options, option, "%s is neither an array reference nor a string",
                   shown(value));
    return relative(options, option, set, value);
}

/* ---- the death signal ---- */

struct signal_option {
    bool given;
    unsigned long number;
    pid_t parent; /* who it must still be, or -1 */
};

#define MOST_SIGNAL 64

#define pdeathsig_option(options) S_pdeathsig_option(aTHX_ options)
static struct signal_option S_pdeathsig_option(pTHX_ const struct options *options)
{
    struct signal_option option = {.parent = -1};
    SV *value = given(options, pdeathsig);
    SV *signal = value;
    unsigned long number;

    if (!value)
        return option;
    option.given = true;
    if (is_list(value)) {
        AV *list = (AV *)SvRV(value);

        if (av_len(list) > 1)
            bad_plan(options, EINVAL, "pdeathsig takes a signal and the process id of the parent");
        signal = element(list, 0);
        if (av_len(list) == 1) {
            SV *parent = element(list, 1);

            if (!is_string(parent) || !whole_number(parent, &number) || number > INT_MAX)
                bad_plan(options, EINVAL, "pdeathsig: the parent %s is not a process id",
                         shown(parent));
            option.parent = (pid_t)number;
        }
    }
    if (!is_string(signal)
        || (!whole_number(signal, &option.number) && !signal_number(signal, &option.number))
        || option.number > MOST_SIGNAL)
        bad_plan(options, EINVAL,
                 "pdeathsig %s is neither a signal nor a whole number from 0 to %d",
                 shown(signal), MOST_SIGNAL);
    if (option.parent != -1 && options->parent != option.parent)
        bad_plan(options, ESRCH, "pdeathsig: the parent is no longer process %ld",
                 (long)option.parent);
    return option;
}

/* ---- what is no credential ---- */

#define string_option(options, option) S_string_option(aTHX_ options, option)
static const char *S_string_option(pTHX_ const struct options *options, enum option option)
{
    SV *value = options->value[option];
    STRLEN length;
    const char *text;

    if (!is_string(value))
        bad_option(options, option, "%s is not a string", shown(value));
    value = copy_of(value);
    if (SvUTF8(value) && !sv_utf8_downgrade(value, TRUE))
        bad_option(options, option, "%s has a character above 255", shown(value));
    text = SvPV(value, length);
    if (memchr(text, '\0', length))
        bad_option(options, option, "%s has a NUL in it", shown(value));
    if (!length)
        bad_plan(options, EINVAL, "%s is empty", option_table[option].name);
    return text;
}

/* A process, "any" or "none", as setpriv(1) has it. */
#define ptracer_option(options, pid) S_ptracer_option(aTHX_ options, pid)
static bool S_ptracer_option(pTHX_ const struct options *options, unsigned long *pid)
{
    SV *value = given(options, ptracer);
    STRLEN length = 0;
    const char *text;

    if (!value)
        return false;
    text = is_string(value) ? SvPV_nomg(value, length) : "";
    if (lp_same_word("any", text, length))
        *pid = (unsigned long)LP_SET_PTRACER_ANY;
    else if (lp_same_word("none", text, length))
        *pid = 0;
    else if (!is_string(value) || !whole_number(value, pid) || *pid < 1 || *pid > INT_MAX)
        bad_option(options, OPT_ptracer, "%s is neither a process id, any nor none", shown(value));
    return true;
}

/* The bytes of a file, given by its handle or as { file => $path }. */
#define file_bytes(options, option, value) S_file_bytes(aTHX_ options, option, value)
static SV *S_file_bytes(pTHX_ const struct options *options, enum option option, SV *value)
{
    SV *bytes = newSVpvn_flags("", 0, SVs_TEMP);
    SV **path = NULL;
    PerlIO *in;
    char block[4096];
    SSize_t got;

    if (SvROK(value) && SvTYPE(SvRV(value)) == SVt_PVHV && !SvOBJECT(SvRV(value)))
        path = hv_fetchs((HV *)SvRV(value), "file", 0);
    if (path) {
        SV *copy = copy_of(*path);

        in = SvOK(copy) ? PerlIO_open(SvPV_nolen(copy), "rb") : NULL;
        if (!in)
            bad_plan(options, SvOK(copy) ? errno : EINVAL, "%s: %s: %s", option_table[option].name,
                     shown(copy), SvOK(copy) ? Strerror(errno) : "not a path");
    } else {
        IO *io = sv_2io(value);

        in = io ? IoIFP(io) : NULL;
        if (!in)
            bad_plan(options, EBADF, "%s: the handle is not that of an open file",
                     option_table[option].name);
    }
    while ((got = PerlIO_read(in, block, sizeof block)) > 0)
        sv_catpvn(bytes, block, (STRLEN)got);
    if (got < 0 || PerlIO_error(in)) {
        const int error = errno;

        if (path)
            (void)PerlIO_close(in); /* it was only read */
        bad_plan(options, error, "%s: %s", option_table[option].name, Strerror(error));
    }
    if (path)
        (void)PerlIO_close(in);
    return bytes;
}

#define INSTRUCTION_BYTES 8 /* struct sock_filter */
#define MOST_INSTRUCTIONS 4096

/* A program of seccomp(2): packed instructions, or the file that has them. */
#define filter_option(options, instructions) S_filter_option(aTHX_ options, instructions)
static const void *S_filter_option(pTHX_ const struct options *options, size_t *instructions)
{
    SV *value = given(options, seccomp_filter);
    STRLEN length;
    const char *bytes;

    if (!value)
        return NULL;
    if (is_string(value) && !is_handle(value) && !isGV_with_GP(value))
        value = copy_of(value);
    else if (SvROK(value) || isGV_with_GP(value))
        value = file_bytes(options, OPT_seccomp_filter, value);
    else
        bad_option(options, OPT_seccomp_filter, "%s is neither instructions nor a file",
                   shown(value));
    if (SvUTF8(value) && !sv_utf8_downgrade(value, TRUE))
        bad_plan(options, EINVAL, "seccomp_filter has a character above 255");
    bytes = SvPV(value, length);
    if (!length || length % INSTRUCTION_BYTES || length / INSTRUCTION_BYTES > MOST_INSTRUCTIONS)
        bad_plan(options, EINVAL, "seccomp_filter of %lu bytes is not 1 to %d instructions of %d"
                 " bytes", (unsigned long)length, MOST_INSTRUCTIONS, INSTRUCTION_BYTES);
    *instructions = length / INSTRUCTION_BYTES;
    return bytes;
}

/* Profiles and labels are written where a security module reads them; without one, the kernel
 * would take them for another's. */
#define check_module(options, option, there, module)                                \
    STMT_START {                                                                    \
        if (!(there))                                                               \
            bad_plan(options, EOPNOTSUPP, "%s: this kernel runs without %s",        \
                     option_table[option].name, module);                            \
    } STMT_END

#define apparmor_option(options) S_apparmor_option(aTHX_ options)
static const char *S_apparmor_option(pTHX_ const struct options *options)
{
    if (!given(options, apparmor_profile))
        return NULL;
    check_module(options, OPT_apparmor_profile, lp_has_apparmor(), "AppArmor");
    return SvPVX(sv_2mortal(newSVpvf("exec %s", string_option(options, OPT_apparmor_profile))));
}

#define selinux_option(options) S_selinux_option(aTHX_ options)
static const char *S_selinux_option(pTHX_ const struct options *options)
{
    if (!given(options, selinux_label))
        return NULL;
    check_module(options, OPT_selinux_label, lp_has_selinux(), "SELinux");
    return string_option(options, OPT_selinux_label);
}

#endif
