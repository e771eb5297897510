/* What else an option may be: sets, a signal, a seccomp filter, a profile or label. */
#ifndef LP_XS_VALUES_H
#define LP_XS_VALUES_H

#include "options.h"
#include "signals.h"
#include "../src/supported.h"

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

    for (SSize_t i = 0, count = list_length(list); i < count; i++)
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
        const SSize_t count = list_length(list);

        if (count > 2)
            bad_plan(options, EINVAL, "pdeathsig takes a signal and the process id of the parent");
        signal = element(list, 0);
        if (count == 2) {
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
    const char *text = c_text(options, option_word(option), options->value[option]);

    if (!*text)
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

#define INSTRUCTION_BYTES 8 /* struct sock_filter */
#define MOST_INSTRUCTIONS 4096

static void close_input(pTHX_ void *in)
{
    (void)PerlIO_close((PerlIO *)in); /* it was only read */
}

static bool names_handle(SV *value)
{
    SV *thing = SvROK(value) ? SvRV(value) : value;

    return isGV_with_GP(thing) || SvTYPE(thing) == SVt_PVIO;
}

/* Of a handle, or NULL. */
#define io_of(value) S_io_of(aTHX_ value)
static IO *S_io_of(pTHX_ SV *value)
{
    SV *thing = SvROK(value) ? SvRV(value) : value;

    return isGV_with_GP(thing) ? GvIO((GV *)thing) : SvTYPE(thing) == SVt_PVIO ? (IO *)thing : NULL;
}

/* Without the layers that the pragma open gives: a filter is bytes. */
#define open_input(path) S_open_input(aTHX_ path)
static PerlIO *S_open_input(pTHX_ const char *path)
{
    SV *name = newSVpvn_flags(path, strlen(path), SVs_TEMP);

    return PerlIO_openn(aTHX_ ":unix", "rb", -1, 0, 0, NULL, 1, &name);
}

/* The bytes that are left to read, but no more than a bit beyond what a filter may have. */
#define rest_of(options, option, in) S_rest_of(aTHX_ options, option, in)
static SV *S_rest_of(pTHX_ const struct options *options, enum option option, PerlIO *in)
{
    SV *bytes = newSVpvn_flags("", 0, SVs_TEMP);
    char block[4096];
    SSize_t got;

    do {
        KEEPING_TAINT(got = PerlIO_read(in, block, sizeof block)); /* a layer may be of Perl's */
        if (got > 0)
            sv_catpvn(bytes, block, (STRLEN)got);
    } while (got > 0 && SvCUR(bytes) <= MOST_INSTRUCTIONS * INSTRUCTION_BYTES);
    if (got < 0 || PerlIO_error(in))
        bad_plan(options, errno, "%s: %s", option_table[option].name, Strerror(errno));
    return bytes;
}

#define bytes_of_path(options, option, value) S_bytes_of_path(aTHX_ options, option, value)
static SV *S_bytes_of_path(pTHX_ const struct options *options, enum option option, SV *value)
{
    SV *what = sv_2mortal(newSVpvf("%s: %s", option_table[option].name, "file"));
    const char *path = c_text(options, what, value_of(value));
    PerlIO *in = open_input(path);
    SV *bytes;

    if (!in)
        bad_plan(options, errno, "%s: %s: %s", option_table[option].name,
                 shown(sv_2mortal(newSVpv(path, 0))), Strerror(errno));
    ENTER;
    SAVEDESTRUCTOR_X(close_input, in); /* also when the handler of a signal dies */
    bytes = rest_of(options, option, in);
    LEAVE;
    return bytes;
}

/* Of a file, given by its handle or as { file => $path }. */
#define file_bytes(options, option, value) S_file_bytes(aTHX_ options, option, value)
static SV *S_file_bytes(pTHX_ const struct options *options, enum option option, SV *value)
{
    SV **path = NULL;
    IO *io;

    if (SvROK(value) && SvTYPE(SvRV(value)) == SVt_PVHV && !SvOBJECT(SvRV(value)))
        path = hv_fetchs((HV *)SvRV(value), "file", 0);
    if (path)
        return bytes_of_path(options, option, *path);
    if (!names_handle(value))
        bad_option(options, option, "%s is neither instructions nor a file", shown(value));
    io = io_of(value);
    if (!io || !IoIFP(io))
        bad_plan(options, EBADF, "%s: the handle is not that of an open file",
                 option_table[option].name);
    return rest_of(options, option, IoIFP(io));
}

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
