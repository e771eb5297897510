/* What Linux::Prctl::Status asks of C. A process and a file are hashes; a set is sixteen
 * hexadecimal digits, as in /proc: not every perl has numbers of 64 bits. */
#ifndef LP_XS_STATUS_H
#define LP_XS_STATUS_H

#include "status_list.h"
#include "../src/exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const exec_rules[] = {
    [LP_EXEC_DONE] = "done", [LP_EXEC_NOT_A_FILE] = "not_a_file",
    [LP_EXEC_NO_PERMISSION] = "no_permission", [LP_EXEC_NOEXEC] = "noexec",
    [LP_EXEC_FORMAT] = "format", [LP_EXEC_BAD_ATTRIBUTE] = "bad_attribute",
    [LP_EXEC_NOT_ALL_CAPS] = "not_all_caps",
};

static const char *const why_rules[LP_WHYS] = {
    [LP_WHY_AMBIENT] = "ambient", [LP_WHY_ROOT_BOUNDING] = "root_bounding",
    [LP_WHY_ROOT_INHERITABLE] = "root_inheritable",
    [LP_WHY_FILE_PERMITTED] = "file_permitted",
    [LP_WHY_FILE_INHERITABLE] = "file_inheritable", [LP_WHY_NOT_RAISED] = "not_raised",
    [LP_WHY_ONLY_REAL_ROOT] = "only_real_root", [LP_WHY_NO_NEW_PRIVS] = "no_new_privs",
    [LP_WHY_TRACED] = "traced", [LP_WHY_SHARES_FS] = "shared_fs",
    [LP_WHY_NOSUID] = "nosuid", [LP_WHY_OTHER_NAMESPACE] = "other_namespace",
    [LP_WHY_OWNER_NOT_MAPPED] = "owner_not_mapped", [LP_WHY_NOROOT] = "noroot",
    [LP_WHY_NOT_BOUNDED] = "not_bounded", [LP_WHY_NOT_INHERITABLE] = "not_inheritable",
    [LP_WHY_CAPS_BEFORE_ROOT] = "caps_before_root",
    [LP_WHY_AMBIENT_CLEARED] = "ambient_cleared", [LP_WHY_FILE_LACKS_IT] = "file_lacks_it",
    [LP_WHY_PLAIN_FILE] = "plain_file",
};

static const char *const way_names[LP_WAYS] = {
    [LP_WAY_AS_IT_IS] = "exec", [LP_WAY_AMBIENT] = "ambient",
    [LP_WAY_INHERITABLE] = "inheritable", [LP_WAY_BE_ROOT] = "be_root",
    [LP_WAY_EFFECTIVE_BIT] = "effective_bit", [LP_WAY_FILE_PERMITTED] = "file_permitted",
    [LP_WAY_FILE_INHERITABLE] = "file_inheritable", [LP_WAY_SET_UID_ROOT] = "set_uid_root",
};

static const char *const removal_names[] = {
    "no_attribute", "no_nosuid", "no_tracer", "no_shared_fs", "no_noroot",
};

/* ---- from Perl ---- */

#define field(hash, name) S_field(aTHX_ hash, name)
static SV *S_field(pTHX_ HV *hash, const char *name)
{
    SV **value = hv_fetch(hash, name, (I32)strlen(name), 0);

    return value && SvOK(*value) ? *value : NULL;
}

#define field_number(hash, name) S_field_number(aTHX_ hash, name)
static UV S_field_number(pTHX_ HV *hash, const char *name)
{
    SV *value = field(hash, name);

    return value ? SvUV(value) : 0;
}

#define field_mask(hash, name) S_field_mask(aTHX_ hash, name)
static uint64_t S_field_mask(pTHX_ HV *hash, const char *name)
{
    SV *value = field(hash, name);

    return value ? (uint64_t)strtoull(SvPV_nolen(value), NULL, 16) : 0;
}

#define list_field(hash, name) S_list_field(aTHX_ hash, name)
static AV *S_list_field(pTHX_ HV *hash, const char *name)
{
    SV *value = field(hash, name);

    if (!value || !SvROK(value) || SvTYPE(SvRV(value)) != SVt_PVAV)
        croak("%s is not a list", name);
    return (AV *)SvRV(value);
}

#define list_id(list, at) S_list_id(aTHX_ list, at)
static uint32_t S_list_id(pTHX_ AV *list, size_t at)
{
    SV **value = av_fetch(list, (I32)at, 0);

    return value ? (uint32_t)SvUV(*value) : LP_NOBODY;
}

/* The groups are in a buffer that perl frees with the statement. */
#define take_groups(creds, list) S_take_groups(aTHX_ creds, list)
static void S_take_groups(pTHX_ struct lp_creds *creds, AV *list)
{
    const size_t count = (size_t)(av_len(list) + 1);
    SV *buffer = sv_2mortal(newSV(count * sizeof(gid_t) + 1));
    gid_t *ids = (gid_t *)(void *)SvPVX(buffer);

    for (size_t i = 0; i < count; i++)
        ids[i] = list_id(list, i);
    creds->groups.ids = ids;
    creds->groups.count = count;
}

#define take_process(hash, process) S_take_process(aTHX_ hash, process)
static void S_take_process(pTHX_ HV *hash, struct lp_exec_process *process)
{
    struct lp_creds *creds = &process->creds;
    SV *root = field(hash, "root");

    memset(process, 0, sizeof *process);
    for (size_t slot = 0; slot < LP_SLOTS; slot++) {
        creds->uid[slot] = list_id(list_field(hash, "uid"), slot);
        creds->gid[slot] = list_id(list_field(hash, "gid"), slot);
    }
    take_groups(creds, list_field(hash, "groups"));
    creds->caps.set[LP_EFFECTIVE] = field_mask(hash, "effective");
    creds->caps.set[LP_PERMITTED] = field_mask(hash, "permitted");
    creds->caps.set[LP_INHERITABLE] = field_mask(hash, "inheritable");
    creds->ambient = field_mask(hash, "ambient");
    creds->bounding = field_mask(hash, "bounding");
    creds->securebits = field_number(hash, "securebits");
    creds->no_new_privs = field_number(hash, "no_new_privs");
    creds->pdeathsig = field_number(hash, "pdeathsig");
    process->root = root ? (uid_t)SvUV(root) : LP_NOBODY;
    process->weakly_traced = field_number(hash, "weakly_traced") != 0;
    process->shares_fs = field_number(hash, "shared_fs") != 0;
    process->real_ids_count = field_number(hash, "real_ids_count") != 0;
}

/* As it was given: its entries, in bytes. */
#define take_acl(hash, file) S_take_acl(aTHX_ hash, file)
static void S_take_acl(pTHX_ HV *hash, struct lp_exec_file *file)
{
    SV *acl = field(hash, "acl");
    STRLEN length = 0;
    const char *bytes = acl ? SvPVbyte(acl, length) : NULL;

    file->acl_count = (unsigned)(length / sizeof *file->acl);
    if (file->acl_count > LP_EXEC_ACL)
        file->acl_count = LP_EXEC_ACL;
    if (file->acl_count)
        memcpy(file->acl, bytes, file->acl_count * sizeof *file->acl);
}

#define take_program(hash, file) S_take_program(aTHX_ hash, file)
static void S_take_program(pTHX_ HV *hash, struct lp_exec_file *file)
{
    memset(file, 0, sizeof *file);
    file->uid = (uid_t)field_number(hash, "uid");
    file->gid = (gid_t)field_number(hash, "gid");
    file->mode = (mode_t)field_number(hash, "mode");
    file->mapped = field_number(hash, "mapped") != 0;
    file->nosuid = field_number(hash, "nosuid") != 0;
    file->has_caps = field_number(hash, "has_caps") != 0;
    file->caps_count = field_number(hash, "caps_count") != 0;
    file->effective = field_number(hash, "effective") != 0;
    file->permitted = field_mask(hash, "permitted");
    file->inheritable = field_mask(hash, "inheritable");
    take_acl(hash, file);
}

/* ---- to Perl ---- */

#define give(hash, name, sv) S_give(aTHX_ hash, name, sv)
static void S_give(pTHX_ HV *hash, const char *name, SV *sv)
{
    (void)hv_store(hash, name, (I32)strlen(name), sv, 0);
}

#define give_hex(hash, name, mask) S_give_hex(aTHX_ hash, name, mask)
static void S_give_hex(pTHX_ HV *hash, const char *name, uint64_t mask)
{
    char digits[17];

    (void)snprintf(digits, sizeof digits, "%08lx%08lx", (unsigned long)(mask >> 32),
                   (unsigned long)(mask & 0xffffffffU));
    give(hash, name, newSVpvn(digits, 16));
}

#define give_slots(hash, name, ids) S_give_slots(aTHX_ hash, name, ids)
static void S_give_slots(pTHX_ HV *hash, const char *name, const uint32_t ids[LP_SLOTS])
{
    AV *list = newAV();

    for (size_t slot = 0; slot < LP_SLOTS; slot++)
        av_push(list, newSVuv(ids[slot]));
    give(hash, name, newRV_noinc((SV *)list));
}

#define new_program(chain) S_new_program(aTHX_ chain)
static SV *S_new_program(pTHX_ const struct lp_exec_chain *chain)
{
    const struct lp_exec_file *file = &chain->file[chain->count - 1];
    HV *hash = newHV();

    give(hash, "path", newSVpv(chain->path[chain->count - 1], 0));
    give(hash, "uid", newSVuv(file->uid));
    give(hash, "gid", newSVuv(file->gid));
    give(hash, "mode", newSVuv(file->mode));
    give(hash, "mapped", newSViv(file->mapped));
    give(hash, "nosuid", newSViv(file->nosuid));
    give(hash, "has_caps", newSViv(file->has_caps));
    give(hash, "caps_count", newSViv(file->caps_count));
    give(hash, "effective", newSViv(file->effective));
    give_hex(hash, "permitted", file->permitted);
    give_hex(hash, "inheritable", file->inheritable);
    give(hash, "acl",
         newSVpvn((const char *)file->acl, file->acl_count * sizeof *file->acl));
    return newRV_noinc((SV *)hash);
}

#define give_creds(hash, creds) S_give_creds(aTHX_ hash, creds)
static void S_give_creds(pTHX_ HV *hash, const struct lp_creds *creds)
{
    give_slots(hash, "uid", creds->uid);
    give_slots(hash, "gid", creds->gid);
    give_hex(hash, "effective", creds->caps.set[LP_EFFECTIVE]);
    give_hex(hash, "permitted", creds->caps.set[LP_PERMITTED]);
    give_hex(hash, "inheritable", creds->caps.set[LP_INHERITABLE]);
    give_hex(hash, "ambient", creds->ambient);
    give_hex(hash, "bounding", creds->bounding);
    give(hash, "securebits", newSVuv((UV)creds->securebits));
    give(hash, "pdeathsig", newSVuv((UV)creds->pdeathsig));
}

#define new_exec(result, chain) S_new_exec(aTHX_ result, chain)
static SV *S_new_exec(pTHX_ const struct lp_exec_result *result,
                      const struct lp_exec_chain *chain)
{
    HV *hash = newHV();

    give(hash, "rule", newSVpv(exec_rules[result->rule], 0));
    give(hash, "error", newSViv(result->error));
    give(hash, "file", newSVpv(chain->path[result->file], 0));
    give(hash, "unread", newSViv(chain->unread));
    give(hash, "owner_unsure", newSViv(chain->owner_unsure));
    give(hash, "secure", newSViv(result->secure));
    give(hash, "dumpable", newSViv(result->dumpable));
    give(hash, "program", new_program(chain));
    give_creds(hash, &result->creds);
    return newRV_noinc((SV *)hash);
}

/* ---- the entries ---- */

/* The file, by path or by descriptor, as a process of that user namespace executes it:
 * undef and errno where it cannot be looked at. */
#define after_exec(process, path, fd) S_after_exec(aTHX_ process, path, fd)
static SV *S_after_exec(pTHX_ HV *hash, const char *path, int fd)
{
    struct lp_exec_chain *chain;
    struct lp_exec_view *view;
    struct lp_exec_process process;
    struct lp_exec_result result;
    struct lp_held held;
    bool ours, told, found;
    pid_t pid;

    Newx(chain, 1, struct lp_exec_chain);
    SAVEFREEPV(chain);
    Newx(view, 1, struct lp_exec_view);
    SAVEFREEPV(view);
    take_process(hash, &process);
    pid = (pid_t)field_number(hash, "pid");
    ours = field_number(hash, "ours") != 0;
    lp_hold_signals(&held);
    told = lp_exec_look_at_ids(pid, ours, view) == 0;
    found = told && lp_exec_look(path, fd, view, chain) == 0;
    lp_release_signals(&held);
    (void)hv_stores(hash, "told", newSViv(told));
    if (!found)
        return &PL_sv_undef;
    process.root = view->root;
    process.uids_hidden = view->uids_hidden;
    process.gids_hidden = view->gids_hidden;
    process.real_ids_count = lp_exec_real_ids_count();
    result = lp_exec(&process, chain);
    (void)hv_stores(hash, "root", view->root == LP_NOBODY ? newSV(0) : newSVuv(view->root));
    (void)hv_stores(hash, "real_ids_count", newSViv(process.real_ids_count));
    (void)hv_stores(hash, "ids_unsure", newSViv(lp_exec_ids_unsure(&process, chain)));
    return new_exec(&result, chain);
}

#define new_way(offer) S_new_way(aTHX_ offer)
static SV *S_new_way(pTHX_ const struct lp_exec_offer *offer)
{
    AV *list = newAV();

    av_push(list, newSVpv(way_names[offer->way], 0));
    for (unsigned i = 0; i < sizeof removal_names / sizeof *removal_names; i++)
        if (offer->removals & 1U << i)
            av_push(list, newSVpv(removal_names[i], 0));
    return newRV_noinc((SV *)list);
}

/* The rule, and the ways. */
#define exec_why(process, program, cap) S_exec_why(aTHX_ process, program, cap)
static SV *S_exec_why(pTHX_ HV *process_hash, HV *program_hash, unsigned cap)
{
    struct lp_exec_process process;
    struct lp_exec_file program;
    struct lp_exec_result result;
    struct lp_exec_offer offer[LP_WAYS];
    unsigned count;
    AV *ways = newAV();
    HV *hash = (HV *)sv_2mortal((SV *)newHV());

    give(hash, "ways", newRV_noinc((SV *)ways));
    take_process(process_hash, &process);
    take_program(program_hash, &program);
    result = lp_exec_of(&process, &program);
    count = lp_exec_ways(&process, &program, cap, offer);
    for (unsigned i = 0; i < count; i++)
        av_push(ways, new_way(&offer[i]));
    give(hash, "rule", newSVpv(why_rules[lp_exec_why(&process, &program, &result, cap)], 0));
    return newRV_inc((SV *)hash);
}

#endif
