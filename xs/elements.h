#ifndef LP_XS_ELEMENTS_H
#define LP_XS_ELEMENTS_H

#include "perl_guts.h"
#include "sets.h"

/* The elements of the six hashes. The hashes are tied: tied() gives the object, and
 * every operation is a method of it. But perl would call FETCH and STORE through
 * several layers, slower by far than the system call behind them. So the elements
 * come with magic of their own, which goes straight to C; perlguts describes the
 * means (svt_copy). */

#define fetch(set, key) S_fetch(aTHX_ set, key)
static SV *S_fetch(pTHX_ enum lp_set set, SV *key)
{
    dMY_CXT;
    int raised = lp_bit(set, key_arg(set, key));

    return raised == -1 ? &PL_sv_undef : MY_CXT.values[raised];
}

#define store_value(set, key, value) S_store_value(aTHX_ set, key, value)
static void S_store_value(pTHX_ enum lp_set set, SV *key, SV *value)
{
    unsigned bit = key_arg(set, key);
    bool raise = SvTRUE_nomg(value);

    if (raise && set == LP_BOUNDING)
        raise_bounding(bit);
    else
        (void)store(set, bit, raise);
}

/* An element's magic holds the object and the key, as that of any tied hash. */
#define element_set(magic) S_element_set(aTHX_ magic)
static enum lp_set S_element_set(pTHX_ MAGIC *magic)
{
    /* perl takes objects away from their references when it ends. */
    if (!SvROK(magic->mg_obj))
        croak("The hashes of Linux::Prctl are gone");
    return (enum lp_set)SvIVX(SvRV(magic->mg_obj));
}

#define element_key(magic) S_element_key(aTHX_ magic)
static SV *S_element_key(pTHX_ MAGIC *magic)
{
    if (magic->mg_len == HEf_SVKEY)
        return (SV *)magic->mg_ptr;
    return newSVpvn_flags(magic->mg_ptr, (STRLEN)magic->mg_len, SVs_TEMP);
}

static int S_get_element(pTHX_ SV *sv, MAGIC *magic)
{
    magic->mg_flags |= MGf_GSKIP; /* as perl's own does: the value stays in sv */
    sv_setsv(sv, fetch(element_set(magic), element_key(magic)));
    return 0;
}

static int S_set_element(pTHX_ SV *sv, MAGIC *magic)
{
    store_value(element_set(magic), element_key(magic), sv);
    return 0;
}

/* Perl's own, with these two (and S_copy_element, for the hash) in their place. */
static MGVTBL element_magic;
static MGVTBL hash_magic;

static int S_copy_element(pTHX_ SV *hash, MAGIC *magic, SV *element, const char *key, I32 length)
{
    PERL_UNUSED_ARG(hash);
    sv_magic(element, magic->mg_obj, PERL_MAGIC_tiedelem, key, length);
    mg_find(element, PERL_MAGIC_tiedelem)->mg_virtual = &element_magic;
    return 1;
}

#define tie_hash(hash, set) S_tie_hash(aTHX_ hash, set)
static void S_tie_hash(pTHX_ HV *hash, enum lp_set set)
{
    MAGIC *magic;

    sv_magic((SV *)hash, the_set(set), PERL_MAGIC_tied, NULL, 0);
    magic = mg_find((SV *)hash, PERL_MAGIC_tied);
    magic->mg_virtual = &hash_magic;
    magic->mg_flags |= MGf_COPY;
}

/* The same for every interpreter: perl's tables do not change. */
#define start_elements() S_start_elements(aTHX)
static void S_start_elements(pTHX)
{
    hash_magic = perl_magic(PERL_MAGIC_tied);
    hash_magic.svt_copy = S_copy_element;
    element_magic = perl_magic(PERL_MAGIC_tiedelem);
    element_magic.svt_get = S_get_element;
    element_magic.svt_set = S_set_element;
}

/* ---- the hashes ---- */

#define the_hash(set) S_the_hash(aTHX_ set)
static HV *S_the_hash(pTHX_ enum lp_set set)
{
    return get_hv(SvPVX(sv_2mortal(newSVpvf("Linux::Prctl::%s", set_names[set]))), GV_ADD);
}

#define tie_hashes() S_tie_hashes(aTHX)
static void S_tie_hashes(pTHX)
{
    start_elements();
    for (int set = 0; set < LP_SETS; set++)
        tie_hash(the_hash((enum lp_set)set), (enum lp_set)set);
}

/* In a thread that has just been made. */
#define mend_iterators() S_mend_iterators(aTHX)
static void S_mend_iterators(pTHX)
{
    for (int set = 0; set < LP_SETS; set++)
        mend_iterator(the_hash((enum lp_set)set));
}

#endif
