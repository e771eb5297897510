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

#define store_value(set, key, value, local) S_store_value(aTHX_ set, key, value, local)
static void S_store_value(pTHX_ enum lp_set set, SV *key, SV *value, const struct local *local)
{
    unsigned bit = key_arg(set, key);
    bool raise = SvTRUE_nomg(value);

    if (raise && set == LP_BOUNDING)
        raise_bounding(bit, local);
    else
        (void)store(set, bit, raise, local);
}

/* An element's magic holds the object and the key, as that of any tied hash. */
#define element_set(magic) S_element_set(aTHX_ magic)
static enum lp_set S_element_set(pTHX_ MAGIC *magic)
{
    /* perl takes objects away from their references when it ends. */
    if (!SvROK(magic->mg_obj))
        misuse("The hashes of Linux::Prctl are gone");
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
    const enum lp_set set = element_set(magic);
    const int raised = lp_bit(set, key_arg(set, element_key(magic)));

    magic->mg_flags |= MGf_GSKIP; /* as perl's own does: the value stays in sv */
    if (raised == -1)
        sv_setsv(sv, &PL_sv_undef);
    else
        sv_setiv(sv, raised); /* a quarter of the instructions of a copy */
    return 0;
}

/* ---- local ---- */

/* `local $hash{key}` keeps the element that it finds, with its magic, and sets it again at
 * the end of the scope. So the magic can say what it was made for: in mg_private that it
 * restores, and what is to be done about a refusal then; in another magic beside it, where
 * that was said. */
#define RESTORES 1U
#define REFUSED_SHIFT 1
#define THREADS_SHIFT 3
#define SEVERITY_MASK 3U

static const MGVTBL where_magic;

#define note_local(element, magic) S_note_local(aTHX_ element, magic)
static void S_note_local(pTHX_ SV *element, MAGIC *magic)
{
    SV *where = sv_2mortal(newSVpvf("%s line %lu", CopFILE(PL_curcop),
                                          (unsigned long)CopLINE(PL_curcop)));

    magic->mg_private = (U16)(RESTORES | (unsigned)severity(CATEGORY) << REFUSED_SHIFT
                              | (unsigned)severity(THREADS) << THREADS_SHIFT);
    (void)sv_magicext(element, NULL, PERL_MAGIC_ext, &where_magic, SvPVX(where),
                      (I32)SvCUR(where) + 1);
}

#define noted_local(element, magic) S_noted_local(aTHX_ element, magic)
static struct local S_noted_local(pTHX_ const SV *element, const MAGIC *magic)
{
    const MAGIC *where;

    PERL_UNUSED_CONTEXT; /* since 5.22 */
    where = mg_findext(element, PERL_MAGIC_ext, &where_magic);

    return (struct local){
        .refused = (enum severity)(magic->mg_private >> REFUSED_SHIFT & SEVERITY_MASK),
        .threads = (enum severity)(magic->mg_private >> THREADS_SHIFT & SEVERITY_MASK),
        .where = where ? where->mg_ptr : "an unknown place",
    };
}

static int S_set_element(pTHX_ SV *sv, MAGIC *magic)
{
    const enum lp_set set = element_set(magic);

    if (magic->mg_private & RESTORES) {
        const struct local local = noted_local(sv, magic);

        store_value(set, element_key(magic), sv, &local);
    } else {
        store_value(set, element_key(magic), sv, NULL);
    }
    return 0;
}

/* ---- magic ---- */

/* Perl's own, with these functions in their place. */
static MGVTBL element_magic;
static MGVTBL hash_magic;

/* The value of an element that is only read, at once. Not where that would run code of Perl's
 * or die: whoever called us has not yet put away what it holds. */
#define read_element(set, element, key) S_read_element(aTHX_ set, element, key)
static bool S_read_element(pTHX_ enum lp_set set, SV *element, SV *key)
{
    int bit, raised;

    if (SvROK(key) || SvGMAGICAL(key) || SvTYPE(element) >= SVt_PVMG)
        return false;
    bit = bit_number(set, key);
    if (bit < 0)
        return false;
    raised = lp_bit(set, (unsigned)bit);
    if (raised != -1)
        sv_setiv(element, raised);
    return true;
}

static int S_copy_element(pTHX_ SV *hash, MAGIC *magic, SV *element, const char *key, I32 length)
{
    MAGIC *own;

    PERL_UNUSED_ARG(hash);
    if (length == HEf_SVKEY && SvROK(magic->mg_obj) && op_only_reads(PL_op)
        && read_element(element_set(magic), element, (SV *)key))
        return 1;
    /* Who aliases an element to one that is magical already gets what perl's own hashes do:
     * it stays what it was. */
    if (SvTYPE(element) >= SVt_PVMG && mg_find(element, PERL_MAGIC_tiedelem))
        return 1;
    if (length == HEf_SVKEY) /* what is lowered is what is restored */
        key = (const char *)asked_once((SV *)key);
    own = sv_magicext(element, magic->mg_obj, PERL_MAGIC_tiedelem, &element_magic, key, length);
    if (op_is_local(PL_op))
        note_local(element, own);
    return 1;
}

#define tie_hash(hash, set) S_tie_hash(aTHX_ hash, set)
static void S_tie_hash(pTHX_ HV *hash, enum lp_set set)
{
    dMY_CXT;
    MAGIC *magic;

    MY_CXT.hashes[set] = (HV *)SvREFCNT_inc_simple_NN((SV *)hash);
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

/* In a thread that has just been made: the hashes of its creator are its own by now. */
#define adopt_hashes(hashes) S_adopt_hashes(aTHX_ hashes)
static void S_adopt_hashes(pTHX_ HV **hashes)
{
    for (int set = 0; set < LP_SETS; set++) {
        hashes[set] = hashes[set] ? (HV *)cloned(hashes[set]) : NULL;
        if (hashes[set]) {
            SvREFCNT_inc_simple_void_NN((SV *)hashes[set]);
            mend_iterator(hashes[set]);
        }
    }
}

#endif
