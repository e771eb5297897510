/* The constants, and the lists of what can be imported: made when the module is loaded,
 * from the same tables as everything else. */
#ifndef LP_XS_EXPORTS_H
#define LP_XS_EXPORTS_H

#include "perl_guts.h"
#include "sets.h"

enum tag {
    TAG_CONSTANTS = 1,
    TAG_CAPABILITIES = 2,
    TAG_SECUREBITS = 4,
    TAG_FUNCTIONS = 8,
    TAG_EXTRA = 16,
    TAG_SETS = 32,
    TAG_HASHES = 64
};

static const struct {
    const char *name;
    enum tag tag;
} tags[] = {
    {"constants", TAG_CONSTANTS}, {"capabilities", TAG_CAPABILITIES},
    {"securebits", TAG_SECUREBITS}, {"functions", TAG_FUNCTIONS}, {"extra", TAG_EXTRA},
    {"sets", TAG_SETS}, {"hashes", TAG_HASHES},
};

struct export {
    const char *name;
    I32 length;
    I32 value; /* of a constant */
    int tags;
};

#define EXPORT(name, value, tags) {name, sizeof name - 1, value, tags},

static const struct export exports[] = {
#define OPTION(name, number) EXPORT(#name, number, TAG_CONSTANTS)
#define VALUE(name, number) EXPORT(#name, number, TAG_CONSTANTS)
#include "../src/constants.inc"
#undef OPTION
#undef VALUE
    /* the flags of get_cap and set_cap */
    EXPORT("CAP_EFFECTIVE", LP_EFFECTIVE, TAG_CONSTANTS)
    EXPORT("CAP_PERMITTED", LP_PERMITTED, TAG_CONSTANTS)
    EXPORT("CAP_INHERITABLE", LP_INHERITABLE, TAG_CONSTANTS)
    /* as linux/capability.h has it: the last that has a name here; last_cap() asks the kernel */
    EXPORT("CAP_LAST_CAP", LP_CAPS_NAMED - 1, TAG_CONSTANTS)
#define SECUREBIT(bit, name, NAME)                                                  \
    EXPORT("SECBIT_" #NAME, 1 << bit, TAG_CONSTANTS | TAG_SECUREBITS)               \
    EXPORT("SECURE_" #NAME, bit, TAG_CONSTANTS | TAG_SECUREBITS)
#define SECUREMASK(name, value) EXPORT(#name, value, TAG_CONSTANTS | TAG_SECUREBITS)
#include "../src/securebits.inc"
#undef SECUREBIT
#undef SECUREMASK
#define CAP(number, name) EXPORT("CAP_" #name, number, TAG_CONSTANTS | TAG_CAPABILITIES)
#include "../src/capabilities.inc"
#undef CAP
#define TAG_functions TAG_FUNCTIONS
#define TAG_extra TAG_EXTRA
#define FUNCTION(name, tag, body, probe) EXPORT(#name, 0, TAG_##tag)
#include "../src/functions.inc"
#undef FUNCTION
};

/* The compiler puts the value where the name stands. */
#define add_constant(stash, name, value) S_add_constant(aTHX_ stash, name, value)
static void S_add_constant(pTHX_ HV *stash, SV *name, IV value)
{
    SV *entry = HeVAL(hv_fetch_ent(stash, name, true, SvSHARED_HASH(name)));
    SV *constant = newSViv(value);

    SvREADONLY_on(constant);
    if (SvOK(entry) || isGV(entry))
        newCONSTSUB(stash, SvPVX(name), constant);
    else
        bare_constant(entry, constant);
}

/* Has room for each of them. */
union cap_export {
#define CAP(number, name) char of_##name[sizeof "CAP_" #name];
#include "../src/capabilities.inc"
#undef CAP
};

/* As the key of the stash, whose text it shares. */
#define export_name(export) S_export_name(aTHX_ export)
static SV *S_export_name(pTHX_ const struct export *export)
{
    char upper[sizeof(union cap_export)];

    if (!(export->tags & TAG_CAPABILITIES))
        return newSVpvn_share(export->name, export->length, 0);
    for (I32 i = 0; i < export->length; i++)
        upper[i] = toUPPER(export->name[i]);
    return newSVpvn_share(upper, export->length, 0);
}

#define add_exports(stash) S_add_exports(aTHX_ stash)
static void S_add_exports(pTHX_ HV *stash)
{
    AV *all = get_av("Linux::Prctl::EXPORT_OK", GV_ADD);
    HV *by_tag = get_hv("Linux::Prctl::EXPORT_TAGS", GV_ADD);
    AV *lists[C_ARRAY_LENGTH(tags)];

    for (size_t t = 0; t < C_ARRAY_LENGTH(tags); t++) {
        lists[t] = newAV();
        (void)hv_store(by_tag, tags[t].name, (I32)strlen(tags[t].name),
                       newRV_noinc((SV *)lists[t]), 0);
    }
    (void)hv_stores(by_tag, "all", newRV_inc((SV *)all));
    av_extend(all, C_ARRAY_LENGTH(exports) + 2 * LP_SETS);
    hv_ksplit(stash, C_ARRAY_LENGTH(exports));
    for (size_t i = 0; i < C_ARRAY_LENGTH(exports); i++) {
        SV *name = export_name(&exports[i]);

        av_push(all, name);
        for (size_t t = 0; t < C_ARRAY_LENGTH(tags); t++)
            if (exports[i].tags & tags[t].tag)
                av_push(lists[t], SvREFCNT_inc_simple_NN(name));
        if (exports[i].tags & TAG_CONSTANTS)
            add_constant(stash, name, exports[i].value);
    }
    /* the sets, by function and by hash */
    for (size_t t = 0; t < C_ARRAY_LENGTH(tags); t++)
        for (int set = 0; set < LP_SETS && tags[t].tag & (TAG_SETS | TAG_HASHES); set++) {
            SV *name = newSVpvf("%s%s", tags[t].tag == TAG_HASHES ? "%" : "",
                                     set_names[set]);

            av_push(lists[t], name);
            av_push(all, SvREFCNT_inc(name));
        }
    mro_method_changed_in(stash);
}

#endif
