/* setpriv() itself, and what is said where a plan fails. */
#ifndef LP_XS_SETPRIV_H
#define LP_XS_SETPRIV_H

#include "environment.h"
#include "perl_guts.h"
#include "plan.h"
#include "plan_data.h"
#include "../src/setpriv.h"

/* ---- what went wrong ---- */

static const char *const source_names[LP_SOURCES] = {
    [LP_GETTERS] = "the kernel", [LP_PROC] = "/proc/thread-self/status",
};

/* "the kernel says uid 0, 0, 0 and 0 instead of 1, 1, 1 and 1" */
#define differing_text(target, reading) S_differing_text(aTHX_ target, reading)
static SV *S_differing_text(pTHX_ const struct lp_creds *target,
                            const struct lp_reading reading[LP_SOURCES])
{
    SV *text = newSVpvn_flags("", 0, SVs_TEMP);

    for (int source = 0; source < LP_SOURCES; source++) {
        const struct lp_reading *one = &reading[source];
        const char *before = SvCUR(text) ? "; " : "";

        if (!one->there || !one->differs)
            continue;
        sv_catpvf(text, "%s%s says ", before, source_names[source]);
        for (unsigned field = 0, first = 1; field < LP_FIELDS; field++) {
            if (!(one->differs & 1U << field))
                continue;
            sv_catpvf(text, "%s%s %" SVf " instead of %" SVf, first ? "" : ", ",
                      lp_fields[field].name,
                      SVfARG(field_text(&one->creds, (enum lp_field)field)),
                      SVfARG(field_text(target, (enum lp_field)field)));
            first = 0;
        }
    }
    return text;
}

#define failure_text(plan, outcome) S_failure_text(aTHX_ plan, outcome)
static SV *S_failure_text(pTHX_ const struct lp_plan *plan, const struct lp_outcome *outcome)
{
    const char *said = Strerror(outcome->error);
    unsigned others;
    SV *text;

    switch (outcome->stage) {
    case LP_AT_OP:
        text = copy_of(op_text(&plan->op[outcome->op], &plan->target));
        if (outcome->cap < LP_CAPS)
            sv_catpvf(text, ", %s", cap_text(outcome->cap));
        sv_catpvf(text, ": %s", said);
        return text;
    case LP_NO_FILTER:
        return sv_2mortal(newSVpvf("step 17, seccomp_filter: %s", said));
    case LP_STILL_BLOCKED:
        return sv_2mortal(newSVpvf("step 16, unblocking the signals: %s", said));
    case LP_OTHER_THREADS:
        others = outcome->reading[LP_PROC].threads - 1;
        return sv_2mortal(newSVpvf("step 16, verification: the process has %u other thread%s,"
                                   " still with what this one gave up",
                                   others, others == 1 ? "" : "s"));
    case LP_NOT_GIVEN_UP_UID:
    case LP_NOT_GIVEN_UP_GID:
        text = sv_2mortal(newSVpvf("step 16, verification: %s %lu was given up, but ",
                                   outcome->stage == LP_NOT_GIVEN_UP_UID ? "uid" : "gid",
                                   outcome->id));
        if (outcome->regained)
            sv_catpvs(text, "it could be taken back");
        else
            sv_catpvf(text, "asking for it gives: %s", said);
        return text;
    default:
        return sv_2mortal(newSVpvf("step 16, verification: %" SVf,
                                   SVfARG(differing_text(&plan->target, outcome->reading))));
    }
}

/* Field by field, by /proc where it tells, else by the getters. */
static void best_known(const struct lp_reading left[LP_SOURCES], struct lp_creds *creds,
                       unsigned *unknown)
{
    *creds = left[LP_GETTERS].creds;
    *unknown = 0;
    for (unsigned f = 0; f < LP_FIELDS; f++) {
        const enum lp_field field = (enum lp_field)f;
        struct lp_creds proc = left[LP_PROC].creds;
        const bool told = left[LP_PROC].there && !(left[LP_PROC].untold & 1U << f)
                          && is_told(&proc, field);

        if (told && lp_fields[f].type == LP_TYPE_IDS)
            memcpy(lp_field_ids(creds, field), lp_field_ids(&proc, field), sizeof creds->uid);
        else if (told && lp_fields[f].type == LP_TYPE_GROUPS)
            creds->groups = proc.groups;
        else if (told)
            *lp_field_number(creds, field) = *lp_field_number(&proc, field);
        if (!is_told(creds, field))
            *unknown |= 1U << f;
    }
    /* What nobody tells does not keep an exec from giving anything back. */
    if (*unknown & LP_FIELD(NO_NEW_PRIVS))
        creds->no_new_privs = 0;
    if (*unknown & LP_FIELD(SECUREBITS))
        creds->securebits = 0;
}

/* What the process still is, after all was done to leave it with nothing. */
#define left_text(left) S_left_text(aTHX_ left)
static SV *S_left_text(pTHX_ const struct lp_reading left[LP_SOURCES])
{
    const unsigned sets = LP_FIELD(EFFECTIVE) | LP_FIELD(PERMITTED) | LP_FIELD(INHERITABLE)
                          | LP_FIELD(AMBIENT);
    AV *parts = new_list();
    struct lp_creds creds;
    unsigned unknown;
    uint64_t caps;
    SV *text;

    best_known(left, &creds, &unknown);
    caps = lp_any_set(&creds.caps) | creds.ambient;
    if (unknown & sets)
        av_push(parts, newSVpvs("nobody tells its capabilities"));
    else if (caps)
        av_push(parts, newSVpvf("it still has %" SVf, SVfARG(caps_words(caps))));
    else
        av_push(parts, newSVpvs("it has no capabilities any more"));
    if (!(unknown & LP_FIELD(UID)) && lp_root_in_slot(creds.uid))
        av_push(parts, newSVpvf("is still uid 0%s",
                                lp_root_gains(&creds, lp_exec_real_ids_count()).caps ? ", whose next exec gives them back"
                                                           : ""));
    if (!(unknown & LP_FIELD(GID)) && lp_root_in_slot(creds.gid))
        av_push(parts, newSVpvs("is still gid 0"));
    if (!(unknown & LP_FIELD(GROUPS)) && creds.groups.count)
        av_push(parts, newSVpvf("is still in the groups %" SVf,
                                SVfARG(and_list(field_list(&creds, LP_FIELD_GROUPS)))));
    text = newSVpvn_flags("this process must not go on: ", 29, SVs_TEMP);
    for (SSize_t i = 0; i <= av_len(parts); i++)
        sv_catpvf(text, "%s%" SVf, i ? ", and " : "", SVfARG(*av_fetch(parts, i, 0)));
    return text;
}

/* ---- setpriv itself ---- */

#define exit_option(options) S_exit_option(aTHX_ options)
static bool S_exit_option(pTHX_ const struct options *options)
{
    SV *value = given(options, on_failure);
    STRLEN length = 0;
    const char *text;

    if (!value)
        return false;
    text = is_string(value) ? SvPV(value, length) : "";
    if (length == 4 && memEQ(text, "exit", 4))
        return true;
    if (length != 3 || memNE(text, "die", 3))
        bad_option(options, OPT_on_failure, "%s is neither \"die\" nor \"exit\"", shown(value));
    return false;
}

/* The exception is made and thrown here: no handler of a pending signal comes before it. */
#define run_plan(options, plan, exit) S_run_plan(aTHX_ options, plan, exit)
static void S_run_plan(pTHX_ const struct options *options, const struct lp_plan *plan, bool exit)
{
    const size_t start = plan->start.groups.count, target = plan->target.groups.count;
    struct lp_buffer buffer[2];
    struct lp_outcome outcome;

    make_buffers(buffer, 2, (start > target ? start : target) + 1);
    switch (lp_setpriv(plan, buffer, exit, &outcome)) {
    case LP_DONE:
        reread_ids();
        if (plan->set_ptracer)
            lp_note_ptracer((long)plan->ptracer);
        if (plan->filter)
            lp_forget_caps(); /* the kernel may answer differently from now on */
        return;
    case LP_UNTOUCHED:
        bad_plan(options, outcome.error, "it did not begin: %s; nothing was changed",
                 Strerror(outcome.error));
    default:
        bad_plan(options, outcome.error, "%" SVf "; %" SVf, SVfARG(failure_text(plan, &outcome)),
                 SVfARG(left_text(outcome.left)));
    }
}

#define do_setpriv(args, count) S_do_setpriv(aTHX_ args, count)
static SV *S_do_setpriv(pTHX_ SV **args, I32 count)
{
    const int saved = errno;
    struct options options = {.function = "setpriv", .parent = getppid()};
    struct lp_plan plan;
    HV *env;
    bool exit;

    read_options(&options, SETPRIV, args, count);
    exit = exit_option(&options);
    prepare_plan(&options, &plan, &env);
    plan.alone = true;
    check_threads(&options);
    if (is_true(&options, dry_run)) {
        SV *data = sv_2mortal(plan_data(&options, &plan, env));

        errno = saved;
        return data;
    }
    run_plan(&options, &plan, exit);
    if (env)
        set_environment(env);
    errno = saved;
    return &PL_sv_yes;
}

#endif
