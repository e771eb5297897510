/* What perl does and does not promise. Each thing is here alone, with the perls it was
 * seen on and what it is good for; all else in xs/ goes by perlapi and perlguts. */
#ifndef LP_XS_PERL_GUTS_H
#define LP_XS_PERL_GUTS_H

#include "perl_api.h"

/* The table behind perl's own magic of a type, to make one from that differs in an
 * entry or two. perl has had these tables behind MAGIC's mg_virtual since 5.0; that they
 * are the same for every interpreter is as old as threads. What it is good for: a read of
 * an element through methods takes 680 ns, through magic of our own 560. */
#define perl_magic(type) S_perl_magic(aTHX_ type)
PERL_STATIC_INLINE MGVTBL S_perl_magic(pTHX_ int type)
{
    SV *plain = sv_newmortal();

    sv_magic(plain, NULL, type, NULL, 0);
    return *mg_find(plain, type)->mg_virtual;
}

/* 2 while local restores; perl clears it afterwards, but not when what it restores
 * dies. Seen on 5.14 to 5.36. */
#define LOCAL_RESTORES (PL_localizing == 2)
#define LEAVE_LOCAL (PL_localizing = 0)

/* Where each() stands in a tied hash, its entry has a scalar for a key. perl copies it
 * for a thread without saying so, and then takes memory for the key's length: what
 * becomes of the copy is a crash. Seen on 5.14 to 5.36. */
#define mend_iterator(hash) S_mend_iterator(aTHX_ hash)
PERL_STATIC_INLINE void S_mend_iterator(pTHX_ HV *hash)
{
    if (mg_find((SV *)hash, PERL_MAGIC_tied) && HvEITER_get(hash))
        HeKLEN(HvEITER_get(hash)) = HEf_SVKEY;
}

/* A constant without a glob: a reference to the value, where the name stands in the
 * stash, as constant.pm leaves it too (since 5.10). 520 globs less to load. */
#define bare_constant(entry, value) S_bare_constant(aTHX_ entry, value)
PERL_STATIC_INLINE void S_bare_constant(pTHX_ SV *entry, SV *value)
{
    SvUPGRADE(entry, SVt_IV);
    SvRV_set(entry, value);
    SvROK_on(entry);
}

/* Before 5.16, perl remembers the four ids that $<, $>, $( and $) show. */
#define reread_ids() S_reread_ids(aTHX)
PERL_STATIC_INLINE void S_reread_ids(pTHX)
{
#if PERL_VERSION < 16
    PL_uid = getuid();
    PL_euid = geteuid();
    PL_gid = getgid();
    PL_egid = getegid();
#else
    PERL_UNUSED_CONTEXT;
#endif
}

#endif
