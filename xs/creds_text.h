/* Credentials, operations and differences in words, and as plain data. */
#ifndef LP_XS_CREDS_TEXT_H
#define LP_XS_CREDS_TEXT_H

#include "options.h"
#include "../src/creds.h"
#include "../src/rules.h"

static const char *const op_names[] = {
    [LP_OP_CAPSET] = "capset", [LP_OP_KEEPCAPS] = "set_keepcaps",
    [LP_OP_SETGROUPS] = "setgroups", [LP_OP_SETRESGID] = "setresgid",
    [LP_OP_SECUREBITS] = "set_securebits", [LP_OP_BOUNDING] = "capbset_drop",
    [LP_OP_SETRESUID] = "setresuid", [LP_OP_AMBIENT_LOWER] = "cap_ambient_lower",
    [LP_OP_AMBIENT_RAISE] = "cap_ambient_raise", [LP_OP_NO_NEW_PRIVS] = "set_no_new_privs",
    [LP_OP_PDEATHSIG] = "set_pdeathsig", [LP_OP_PTRACER] = "set_ptracer",
    [LP_OP_APPARMOR] = "apparmor_profile", [LP_OP_SELINUX] = "selinux_label",
};

static const char *const slot_names[LP_SLOTS] = {
    [LP_REAL_ID] = "real", [LP_EFFECTIVE_ID] = "effective", [LP_SAVED_ID] = "saved",
    [LP_FS_ID] = "fs",
};

/* ---- lists ---- */

#define add_ids(words, ids, count) S_add_ids(aTHX_ words, ids, count)
static void S_add_ids(pTHX_ AV *words, const uint32_t *ids, size_t count)
{
    if (count)
        av_extend(words, (SSize_t)count - 1);
    for (size_t i = 0; i < count; i++)
        av_push(words, newSVuv(ids[i]));
}

#define add_names(words, set, mask) S_add_names(aTHX_ words, set, mask)
static void S_add_names(pTHX_ AV *words, enum lp_set set, uint64_t mask)
{
    for (; mask; mask &= mask - 1) {
        const unsigned bit = (unsigned)__builtin_ctzll(mask);
        const char *name = set == LP_SECURE ? lp_securebit_name(bit) : cap_text(bit);

        av_push(words, name ? newSVpv(name, 0) : newSVuv(bit));
    }
}

#define new_list() ((AV *)sv_2mortal((SV *)newAV()))

#define caps_list(mask) S_caps_list(aTHX_ LP_EFFECTIVE, mask)
#define securebits_list(mask) S_caps_list(aTHX_ LP_SECURE, mask)
static AV *S_caps_list(pTHX_ enum lp_set set, uint64_t mask)
{
    AV *words = new_list();

    add_names(words, set, mask);
    return words;
}

/* ---- sets of capabilities ---- */

#define told(set, all, named) S_told(aTHX_ set, all, named)
static const char *S_told(pTHX_ uint64_t set, uint64_t all, AV **named)
{
    uint64_t caps;
    const enum lp_telling telling = lp_telling(set, all, &caps);

    *named = caps_list(caps);
    return telling == LP_TELL_NONE ? "none" : telling == LP_TELL_ALL ? "all"
           : telling == LP_TELL_ALL_BUT ? "all but " : "";
}

/* In a sentence: "chown and kill", "all but chown", "all". */
#define caps_words(set) S_caps_words(aTHX_ set)
static SV *S_caps_words(pTHX_ uint64_t set)
{
    AV *named;
    const char *start = told(set, lp_all_caps(), &named);

    return sv_2mortal(newSVpvf("%s%" SVf, start, SVfARG(and_list(named))));
}

/* Where each name counts: "chown, kill", "all but chown", "all"; which are these? */
#define cat_caps(text, set) cat_caps_of(text, set, lp_all_caps())
#define cat_caps_of(text, set, all) S_cat_caps_of(aTHX_ text, set, all)
static void S_cat_caps_of(pTHX_ SV *text, uint64_t set, uint64_t all)
{
    AV *named;

    sv_catpv(text, told(set, all, &named));
    for (SSize_t i = 0; i <= av_len(named); i++)
        sv_catpvf(text, "%s%" SVf, i ? ", " : "", SVfARG(*av_fetch(named, i, 0)));
}

/* ---- one field ---- */

#define field_list(creds, field) S_field_list(aTHX_ creds, field)
static AV *S_field_list(pTHX_ const struct lp_creds *creds, enum lp_field field)
{
    struct lp_creds copy = *creds;
    AV *words = new_list();

    switch (lp_fields[field].type) {
    case LP_TYPE_IDS:
        add_ids(words, lp_field_ids(&copy, field), LP_SLOTS);
        break;
    case LP_TYPE_GROUPS:
        if (copy.groups.ids)
            add_ids(words, copy.groups.ids, copy.groups.count);
        break;
    case LP_TYPE_CAPS:
        add_names(words, LP_EFFECTIVE, *lp_field_number(&copy, field));
        break;
    case LP_TYPE_SECUREBITS:
        add_names(words, LP_SECURE, *lp_field_number(&copy, field));
        break;
    default:
        av_push(words, newSVuv((UV)*lp_field_number(&copy, field)));
    }
    return words;
}

/* What nobody told has every bit set. */
static bool is_told(const struct lp_creds *creds, enum lp_field field)
{
    struct lp_creds copy = *creds;

    switch (lp_fields[field].type) {
    case LP_TYPE_IDS:
        for (int slot = 0; slot < LP_SLOTS; slot++)
            if (lp_field_ids(&copy, field)[slot] == UINT32_MAX)
                return false;
        return true;
    case LP_TYPE_GROUPS:
        return copy.groups.ids != NULL;
    default:
        return *lp_field_number(&copy, field) != UINT64_MAX;
    }
}

#define list_text(words) S_list_text(aTHX_ words)
static SV *S_list_text(pTHX_ AV *words)
{
    return av_len(words) < 0 ? newSVpvn_flags("none", 4, SVs_TEMP) : and_list(words);
}

#define field_text(creds, field) S_field_text(aTHX_ creds, field)
static SV *S_field_text(pTHX_ const struct lp_creds *creds, enum lp_field field)
{
    if (!is_told(creds, field))
        return newSVpvn_flags("unknown", 7, SVs_TEMP);
    if (lp_fields[field].type == LP_TYPE_CAPS) {
        struct lp_creds copy = *creds;

        return caps_words(*lp_field_number(&copy, field));
    }
    return list_text(field_list(creds, field));
}

#define field_names(fields) S_field_names(aTHX_ fields)
static SV *S_field_names(pTHX_ unsigned fields)
{
    AV *names = new_list();

    for (unsigned field = 0; field < LP_FIELDS; field++)
        if (fields & 1U << field)
            word(names, lp_fields[field].name);
    return and_list(names);
}

/* ---- as data ---- */

#define put(hash, name, sv) S_put(aTHX_ hash, name, sv)
static void S_put(pTHX_ HV *hash, const char *name, SV *sv)
{
    (void)hv_store(hash, name, (I32)strlen(name), sv, 0);
}

#define list_ref(words) newRV_inc((SV *)(words))

#define slots_data(ids) S_slots_data(aTHX_ ids)
static SV *S_slots_data(pTHX_ const uint32_t ids[LP_SLOTS])
{
    HV *hash = newHV();

    for (int slot = 0; slot < LP_SLOTS; slot++)
        put(hash, slot_names[slot], newSVuv(ids[slot]));
    return newRV_noinc((SV *)hash);
}

/* As Linux::Prctl::Status has it. */
#define creds_data(creds) S_creds_data(aTHX_ creds)
static SV *S_creds_data(pTHX_ const struct lp_creds *creds)
{
    HV *hash = newHV();
    HV *caps = newHV();

    for (unsigned f = 0; f < LP_FIELDS; f++) {
        const enum lp_field field = (enum lp_field)f;
        const char *name = lp_fields[f].name;
        AV *words = field_list(creds, field);

        switch (lp_fields[f].type) {
        case LP_TYPE_IDS:
            put(hash, name, slots_data(field == LP_FIELD_UID ? creds->uid : creds->gid));
            break;
        case LP_TYPE_CAPS:
            put(caps, name, list_ref(words));
            break;
        case LP_TYPE_NUMBER:
            put(hash, name, SvREFCNT_inc(*av_fetch(words, 0, 0)));
            break;
        default:
            put(hash, name, list_ref(words));
        }
    }
    put(hash, "caps", newRV_noinc((SV *)caps));
    return newRV_noinc((SV *)hash);
}

/* What an operation is about: { effective => [...], ... } in pairs, name and list. */
#define MOST_PARTS 3
struct op_part {
    const char *name;
    AV *list; /* NULL: a number */
    const uint64_t *caps; /* what the list has the names of, if it is capabilities */
};

#define caps_part(name, caps) ((struct op_part){name, caps_list(caps), &(caps)})

#define op_parts(op, target, part) S_op_parts(aTHX_ op, target, part)
static unsigned S_op_parts(pTHX_ const struct lp_op *op, const struct lp_creds *target,
                           struct op_part part[MOST_PARTS])
{
    AV *ids;

    switch (op->code) {
    case LP_OP_CAPSET:
        part[0] = caps_part("effective", op->caps.set[LP_EFFECTIVE]);
        part[1] = caps_part("permitted", op->caps.set[LP_PERMITTED]);
        part[2] = caps_part("inheritable", op->caps.set[LP_INHERITABLE]);
        return 3;
    case LP_OP_SECUREBITS:
        part[0] = (struct op_part){"securebits", securebits_list(op->value), NULL};
        return 1;
    case LP_OP_BOUNDING:
    case LP_OP_AMBIENT_LOWER:
    case LP_OP_AMBIENT_RAISE:
        part[0] = caps_part("caps", op->value);
        return 1;
    case LP_OP_SETRESUID:
    case LP_OP_SETRESGID:
        ids = new_list();
        add_ids(ids, op->code == LP_OP_SETRESUID ? target->uid : target->gid, LP_FS_ID);
        part[0] = (struct op_part){"ids", ids, NULL};
        return 1;
    case LP_OP_SETGROUPS:
        part[0] = (struct op_part){"groups", field_list(target, LP_FIELD_GROUPS), NULL};
        return 1;
    case LP_OP_APPARMOR:
    case LP_OP_SELINUX:
        return 0; /* its name says all */
    case LP_OP_KEEPCAPS:
    case LP_OP_NO_NEW_PRIVS:
    case LP_OP_PDEATHSIG:
    case LP_OP_PTRACER:
        break;
    }
    part[0] = (struct op_part){"value", NULL, NULL};
    return 1;
}

#define op_data(op, target, after) S_op_data(aTHX_ op, target, after)
static SV *S_op_data(pTHX_ const struct lp_op *op, const struct lp_creds *target,
                     const struct lp_creds *after)
{
    HV *hash = newHV();
    struct op_part part[MOST_PARTS];
    const unsigned parts = op_parts(op, target, part);

    put(hash, "step", newSVuv(op->step));
    put(hash, "call", newSVpv(op_names[op->code], 0));
    for (unsigned i = 0; i < parts; i++)
        put(hash, part[i].name, part[i].list ? list_ref(part[i].list)
                                             : newSViv((IV)(long)op->value)); /* -1: any tracer */
    put(hash, "after", creds_data(after));
    return newRV_noinc((SV *)hash);
}

/* "step 8, setresuid(ids 1, 1 and 1)" */
#define op_text(op, target) S_op_text(aTHX_ op, target)
static SV *S_op_text(pTHX_ const struct lp_op *op, const struct lp_creds *target)
{
    SV *text = sv_2mortal(newSVpvf("step %u, %s(", op->step, op_names[op->code]));
    struct op_part part[MOST_PARTS];
    const unsigned parts = op_parts(op, target, part);

    for (unsigned i = 0; i < parts; i++)
        if (part[i].list)
            sv_catpvf(text, "%s%s %" SVf, i ? "; " : "", part[i].name,
                      SVfARG(part[i].caps ? caps_words(*part[i].caps) : list_text(part[i].list)));
        else
            sv_catpvf(text, "%ld", (long)op->value);
    sv_catpvs(text, ")");
    return text;
}

#endif
