/* A plan as plain data, for dry_run. */
#ifndef LP_XS_PLAN_DATA_H
#define LP_XS_PLAN_DATA_H

#include "plan.h"
#include "../src/exec.h"

/* ---- after an exec ---- */

/* What an exec of the file that after_exec names leaves; without it, of a program that has no
 * privileges of its own. */
#define predict_exec(options, target) S_predict_exec(aTHX_ options, target)
static struct lp_creds S_predict_exec(pTHX_ const struct options *options,
                                      const struct lp_creds *target)
{
    SV *file = given(options, after_exec);
    struct lp_exec_process process = {.creds = *target,
                                      .real_ids_count = lp_exec_real_ids_count()};
    struct lp_exec_chain *chain = scratch(sizeof *chain);
    struct lp_exec_view *view = scratch(sizeof *view);
    struct lp_exec_result result;
    const char *path = NULL;
    int fd = -1;

    if (!file)
        return lp_exec_plain(target, process.real_ids_count);
    if (is_handle(file)) {
        IO *io = sv_2io(file);

        fd = io && IoIFP(io) ? PerlIO_fileno(IoIFP(io)) : -1;
        if (fd < 0)
            bad_plan(options, EBADF, "after_exec: the handle is not that of an open file");
    } else
        path = string_option(options, OPT_after_exec);
    if (lp_exec_look_at_ids(0, true, view) != 0 || lp_exec_look(path, fd, view, chain) != 0)
        bad_plan(options, errno, "after_exec %s: %s", shown(file), Strerror(errno));
    process.root = view->root;
    result = lp_exec(&process, chain);
    if (result.rule != LP_EXEC_DONE)
        bad_plan(options, result.error, "after_exec %s: the exec would be refused: %s",
                 shown(file), Strerror(result.error));
    return result.creds;
}

/* ---- the plan as data ---- */

#define plan_data(options, plan, env) S_plan_data(aTHX_ options, plan, env)
static SV *S_plan_data(pTHX_ const struct options *options, const struct lp_plan *plan, HV *env)
{
    const struct lp_creds exec = predict_exec(options, &plan->target);
    struct lp_creds creds = plan->start;
    HV *hash = newHV();
    AV *steps = newAV();

    for (unsigned i = 0; i < plan->count; i++) {
        (void)lp_predict(&plan->op[i], &plan->target, plan->setgroups_denied, &creds);
        av_push(steps, op_data(&plan->op[i], &plan->target, &creds));
    }
    put(hash, "steps", newRV_noinc((SV *)steps));
    put(hash, "now", creds_data(&plan->start));
    put(hash, "expected", creds_data(&plan->target));
    put(hash, "after_exec", creds_data(&exec));
    if (env)
        put(hash, "env", newRV_inc((SV *)env));
    if (plan->filter)
        put(hash, "seccomp_filter", newSVuv(plan->instructions));
    return newRV_noinc((SV *)hash);
}

#endif
