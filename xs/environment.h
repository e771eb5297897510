/* The environment that reset_env makes. */
#ifndef LP_XS_ENVIRONMENT_H
#define LP_XS_ENVIRONMENT_H

#include "wanted.h"

#define USERS_PATH "/usr/local/bin:/usr/bin:/bin"
#define ROOTS_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Is a store into %ENV one into the environment? Not where *ENV holds another hash. */
#define env_is_environment() (mg_find((SV *)GvHVn(PL_envgv), PERL_MAGIC_env) != NULL)

/* What reset_env makes of the environment, for the user that the process then is. */
#define new_environment(options, wanted, now) S_new_environment(aTHX_ options, wanted, now)
static HV *S_new_environment(pTHX_ const struct options *options, const struct wanted *wanted,
                             const struct lp_creds *now)
{
    struct id_option id = wanted->real[UID];
    const char *term;
    struct passwd entry;
    HV *env;
    SV *what;

    if (!is_true(options, reset_env))
        return NULL;
    if (!options->child && !env_is_environment())
        bad_plan(options, EINVAL, "reset_env: %%ENV is another variable here, and not what programs"
                                  " are given");
    if (!id.given)
        id.id = now->uid[LP_REAL_ID];
    what = sv_2mortal(newSVpvf("reset_env: uid %lu", (unsigned long)id.id));
    if (!entry_of(options, what, &id, &entry))
        bad_plan(options, EINVAL, "%" SVf " has no entry in the password database", SVfARG(what));
    env = (HV *)sv_2mortal((SV *)newHV());
    put(env, "HOME", newSVpv(entry.pw_dir, 0));
    put(env, "SHELL", newSVpv(*entry.pw_shell ? entry.pw_shell : "/bin/sh", 0));
    put(env, "USER", newSVpv(entry.pw_name, 0));
    put(env, "LOGNAME", newSVpv(entry.pw_name, 0));
    put(env, "PATH", newSVpv(id.id ? USERS_PATH : ROOTS_PATH, 0));
    term = PerlEnv_getenv("TERM"); /* to be used at once: another thread may change it */
    if (term)
        put(env, "TERM", newSVpv(term, 0));
    return env;
}

/* %ENV, and with it what programs are given. */
#define set_environment(env) S_set_environment(aTHX_ env)
static void S_set_environment(pTHX_ HV *env)
{
    HV *all = GvHVn(PL_envgv);
    HE *entry;

    hv_clear(all);
    (void)hv_iterinit(env);
    while ((entry = hv_iternext(env))) {
        STRLEN length;
        const char *name = HePV(entry, length);
        SV **value = hv_fetch(all, name, (I32)length, TRUE);

        if (value)
            sv_setsv_mg(*value, HeVAL(entry));
    }
}

#endif
