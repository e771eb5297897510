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

/* What the pragma warnings left of the statement that runs: nothing said, everything on,
 * everything off; or else a mask, which only (caller 0)[9] shows. That shows "everything
 * off" for "nothing said" before 5.18, and asking it takes a microsecond. */
#define DEFAULT_WARNINGS_HERE (PL_curcop->cop_warnings == pWARN_STD)
#define ALL_WARNINGS_HERE (PL_curcop->cop_warnings == pWARN_ALL)
#define NO_WARNINGS_HERE (PL_curcop->cop_warnings == pWARN_NONE)

/* While something unwinds, the statement that ran may be freed already, with the sub it
 * stood in (5.36): then there is none, and whoever looks for it crashes. perl's own code
 * for no place in particular is PL_compiling. */
#define FIND_STATEMENT                                                              \
    STMT_START {                                                                    \
        if (!PL_curcop)                                                             \
            PL_curcop = &PL_compiling;                                              \
    } STMT_END

/* perl says here that local restores, and takes it back afterwards; but not when what it
 * restores dies, and then `local $SIG{ALRM}` and the like are wrong for good. */
#define LEAVE_LOCAL (PL_localizing = 0)

/* Does the operation that runs localize an element of a hash? Its copy of the hash's magic
 * is then what perl sets at the end of the scope, whatever happened to the code meanwhile.
 * (OPpLVAL_INTRO means other things in other operations. Seen on 5.36.) */
PERL_STATIC_INLINE bool op_is_local(const OP *op)
{
    if (!op || !(op->op_private & OPpLVAL_INTRO))
        return false;
    switch (op->op_type) {
    case OP_HELEM:
    case OP_HSLICE:
    case OP_DELETE:
#ifdef OPpMULTIDEREF_EXISTS /* 5.22 */
    case OP_MULTIDEREF:
#endif
        return true;
    default:
        return false;
    }
}

/* Does the operation that runs only read an element of a hash, so that a value without magic
 * will do? Not where it may be assigned to, be an argument of a sub (which perl reads when the
 * sub does), the value of an lvalue sub, or be deleted. (Flags of pp_helem and pp_multideref,
 * seen on 5.14 to 5.42. Saves a third of the instructions of a read.) */
PERL_STATIC_INLINE bool op_only_reads(const OP *op)
{
    const U8 writes = OPpLVAL_INTRO | OPpLVAL_DEFER | OPpMAYBE_LVSUB;

    if (!op || op->op_flags & OPf_MOD || op->op_private & writes)
        return false;
    switch (op->op_type) {
    case OP_HELEM:
        return true;
#ifdef OPpMULTIDEREF_EXISTS
    case OP_MULTIDEREF:
        return !(op->op_private & (OPpMULTIDEREF_EXISTS | OPpMULTIDEREF_DELETE));
#endif
    default:
        return false;
    }
}

/* Is everything left by exit? It sets this flag first (5.6 to 5.36), and never returns. */
#define PERL_EXITS (PL_exit_flags & PERL_EXIT_EXPECTED)

/* Where each() stands in a tied hash, its entry has a scalar for a key. perl copies it
 * for a thread without saying so, and then takes memory for the key's length: what
 * becomes of the copy is a crash. Seen on 5.14 to 5.36. */
#define mend_iterator(hash) S_mend_iterator(aTHX_ hash)
PERL_STATIC_INLINE void S_mend_iterator(pTHX_ HV *hash)
{
    if (mg_find((SV *)hash, PERL_MAGIC_tied) && HvEITER_get(hash))
        HeKLEN(HvEITER_get(hash)) = HEf_SVKEY;
}

/* What became of a value in the thread that is being made, for CLONE; NULL if it was not
 * copied. threads.pm keeps that table until CLONE is done (since 5.8). */
#define cloned(sv) S_cloned(aTHX_ sv)
PERL_STATIC_INLINE void *S_cloned(pTHX_ void *sv)
{
#ifdef USE_ITHREADS
    return PL_ptr_table ? ptr_table_fetch(PL_ptr_table, sv) : NULL;
#else
    PERL_UNUSED_CONTEXT;
    return sv;
#endif
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

/* Who changes the environment holds this lock (since 5.40). Before, only perl's first thread
 * changes it, without a lock, and nothing keeps another one from reading what it frees. */
#ifdef ENV_READ_LOCK
#define LOCK_ENVIRONMENT ENV_READ_LOCK
#define UNLOCK_ENVIRONMENT ENV_READ_UNLOCK
#else
#define LOCK_ENVIRONMENT NOOP
#define UNLOCK_ENVIRONMENT NOOP
#endif

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
