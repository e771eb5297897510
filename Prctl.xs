/* Linux::Prctl: a table of contents. What the kernel is asked is in src/, what Perl gives
 * and gets in xs/ and typemap. The functions that only hand their arguments to prctl(2)
 * are not here: they are rows of src/functions.inc. */
#include "xs/perl_api.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/lp.h"
#include "xs/answers.h"
#include "xs/args.h"
#include "xs/elements.h"
#include "xs/exports.h"
#include "xs/functions.h"
#include "xs/sets.h"
#include "xs/threads.h"
#include "xs/setpriv.h"
#include "xs/spawn.h"
#include "xs/status.h"

/* The C types that typemap knows. */
typedef unsigned long lp_number;
typedef unsigned long lp_any_capability;
typedef unsigned lp_capability;
typedef uid_t lp_id;
typedef unsigned long lp_exit_status;
typedef enum lp_set lp_set_flag;
typedef const char *lp_string;
typedef enum lp_set lp_set;

/* Before a credential changes. */
#define CREDENTIAL_CALL CREDENTIAL(call_text_at(cv, ax, items))

MODULE = Linux::Prctl    PACKAGE = Linux::Prctl

PROTOTYPES: DISABLE

# ---- questions ----

lp_answer
get_cfi(lp_number kind)
    CODE:
        RETVAL = lp_get_cfi(kind);
    OUTPUT:
        RETVAL

lp_answer
sched_core_get(lp_number pid)
    CODE:
        RETVAL = lp_sched_core_get(pid);
    OUTPUT:
        RETVAL

lp_answer
get_cap(lp_set_flag flag, lp_capability capability)
    CODE:
        RETVAL = lp_ask_bit(flag, capability);
    OUTPUT:
        RETVAL

SV *
get_ptracer()
    PREINIT:
        lp_answer answer;
    CODE:
        answer = lp_get_ptracer();
        if (answer.failed) {
            refused_call(cv, ax, items, NULL);
            XSRETURN_UNDEF;
        }
        RETVAL = newSViv((long)answer.value); /* SET_PTRACER_ANY is -1 */
    OUTPUT:
        RETVAL

void
get_name()
    PREINIT:
        char name[LP_NAME_BYTES];
    PPCODE:
        {
            dXSTARG; /* the operator's own: no memory for each answer */

            if (lp_get_name(name) != 0) {
                refused_call(cv, ax, items, NULL);
                XSRETURN_UNDEF;
            }
            sv_setpv(TARG, name);
            SvUTF8_off(TARG); /* which sv_setpv leaves as it was */
            PUSHTARG;
        }

void
get_auxv()
    PREINIT:
        unsigned long auxv[LP_AUXV_WORDS];
        long count;
    PPCODE:
        count = lp_get_auxv(auxv);
        if (count == -1) {
            refused_call(cv, ax, items, NULL);
            XSRETURN_EMPTY;
        }
        /* Nothing but zeros comes behind the pair with type 0. */
        for (long i = 0; i + 2 <= count && auxv[i]; i += 2) {
            EXTEND(SP, 2);
            mPUSHu(auxv[i]);
            mPUSHu(auxv[i + 1]);
        }

# ---- credentials: a refusal has a reason ----

lp_write_status
set_keepcaps(lp_number value)
    CODE:
        CREDENTIAL_CALL;
        RETVAL = set_keepcaps(value);
    OUTPUT:
        RETVAL

lp_write_status
set_securebits(lp_number value)
    CODE:
        CREDENTIAL_CALL;
        RETVAL.write = (struct lp_write){.set = LP_SECURE, .raise = value};
        RETVAL.status = lp_change(PR_SET_SECUREBITS, value, 0, 0, 0);
    OUTPUT:
        RETVAL

lp_write_status
capbset_drop(lp_any_capability capability)
    CODE:
        CREDENTIAL_CALL;
        RETVAL.write = one_cap(LP_BOUNDING, capability, false);
        RETVAL.status = lp_change(PR_CAPBSET_DROP, capability, 0, 0, 0);
    OUTPUT:
        RETVAL

lp_write_status
cap_ambient_raise(lp_any_capability capability)
    ALIAS:
        cap_ambient_raise = LP_PR_CAP_AMBIENT_RAISE
        cap_ambient_lower = LP_PR_CAP_AMBIENT_LOWER
    CODE:
        CREDENTIAL_CALL;
        RETVAL.write = one_cap(LP_AMBIENT, capability, ix == LP_PR_CAP_AMBIENT_RAISE);
        RETVAL.status = lp_change(PR_CAP_AMBIENT, (unsigned long)ix, capability, 0, 0);
    OUTPUT:
        RETVAL

lp_write_status
set_cap(lp_set_flag flag, lp_capability capability, bool value)
    CODE:
        CREDENTIAL_CALL;
        RETVAL.write = one_cap(flag, capability, value);
        RETVAL.status = lp_write(&RETVAL.write);
    OUTPUT:
        RETVAL

# ---- names and numbers ----

SV *
cap_name(lp_capability number)
    CODE:
        RETVAL = newSVpv(cap_text(number), 0);
    OUTPUT:
        RETVAL

unsigned
cap_number(lp_capability name)
    CODE:
        RETVAL = name;
    OUTPUT:
        RETVAL

unsigned
last_cap()
    CODE:
        for (RETVAL = 0; lp_knows(RETVAL + 1); RETVAL++)
            ;
    OUTPUT:
        RETVAL

SV *
caps_text(...)
    PREINIT:
        uint64_t caps = 0;
    CODE:
        for (I32 i = 0; i < items; i++)
            caps |= LP_BIT(cap_arg(cv, ARGUMENT(ax, i)));
        RETVAL = newSVpvs("");
        cat_caps(RETVAL, caps);
    OUTPUT:
        RETVAL

SV *
supported(SV *what)
    CODE:
        RETVAL = newSVsv(supported_sv(cv, what));
    OUTPUT:
        RETVAL

# ---- beside prctl(2) ----

lp_status
set_proctitle(lp_string title)
    CODE:
        RETVAL = set_proctitle(title);
    OUTPUT:
        RETVAL

lp_answer
getfsuid()
    CODE:
        RETVAL = id_answer(lp_getfsuid());
    OUTPUT:
        RETVAL

lp_answer
getfsgid()
    CODE:
        RETVAL = id_answer(lp_getfsgid());
    OUTPUT:
        RETVAL

lp_status
setfsuid(lp_id uid)
    CODE:
        RETVAL = lp_setfsuid(uid);
    OUTPUT:
        RETVAL

lp_status
setfsgid(lp_id gid)
    CODE:
        RETVAL = lp_setfsgid(gid);
    OUTPUT:
        RETVAL

void
sys_exit(lp_exit_status status)
    CODE:
        (void)syscall(SYS_exit, status);

# ---- the objects ----

void
cap_effective()
    ALIAS:
        cap_effective = LP_EFFECTIVE
        cap_permitted = LP_PERMITTED
        cap_inheritable = LP_INHERITABLE
        cap_ambient = LP_AMBIENT
        capbset = LP_BOUNDING
        securebits = LP_SECURE
    PPCODE:
        PUSHs(the_set((enum lp_set)ix));

void
CLONE(...)
    CODE:
        {
            MY_CXT_CLONE;
            start_context(&MY_CXT);
            adopt_hashes(MY_CXT.hashes);
            PERL_UNUSED_VAR(items);
        }

BOOT:
    {
        MY_CXT_INIT;
        start_context(&MY_CXT);
        (void)hv_stores(PL_modglobal, LP_KNOWN_CAPS_KEY, newSViv(PTR2IV(&lp_known_caps)));
        add_exports(gv_stashpvs("Linux::Prctl", GV_ADD));
        add_functions();
        tie_hashes();
    }

MODULE = Linux::Prctl    PACKAGE = Linux::Prctl::CapabilitySet

# ---- one element ----

void
FETCH(lp_set self, SV *key)
    PPCODE:
        PUSHs(fetch(self, key));

void
STORE(lp_set self, SV *key, SV *value)
    CODE:
        SvGETMAGIC(value);
        store_value(self, key, value, NULL);

SV *
DELETE(lp_set self, SV *key)
    PREINIT:
        unsigned bit;
        int raised, saved;
    CODE:
        bit = key_arg(self, key);
        saved = errno;
        raised = lp_bit(self, bit);
        errno = saved; /* that there was nothing to lower is no error */
        if (!store(self, bit, false, NULL) || raised == -1)
            XSRETURN_UNDEF;
        RETVAL = newSViv(raised);
    OUTPUT:
        RETVAL

bool
EXISTS(lp_set self, SV *key)
    PREINIT:
        int bit;
    CODE:
        SvGETMAGIC(key);
        bit = bit_number(self, key);
        RETVAL = bit >= 0 && in_keys(self, (unsigned)bit);
    OUTPUT:
        RETVAL

# ---- all of them ----

SV *
FIRSTKEY(lp_set self)
    CODE:
        RETVAL = new_name(kept_names(self), self, 0);
    OUTPUT:
        RETVAL

SV *
NEXTKEY(lp_set self, SV *last)
    PREINIT:
        unsigned bit;
    CODE:
        bit = key_arg(self, last) + 1;
        if (!in_keys(self, bit))
            XSRETURN_UNDEF;
        RETVAL = new_name(kept_names(self), self, bit);
    OUTPUT:
        RETVAL

bool
SCALAR(lp_set self)
    PREINIT:
        uint64_t raised;
    CODE:
        if (lp_read(self, &raised) != 0)
            XSRETURN_UNDEF;
        RETVAL = raised != 0;
    OUTPUT:
        RETVAL

void
UNTIE(lp_set self, ...)
    CODE:
        /* A plain hash would take every store, and change nothing. */
        misuse("%%%s cannot be untied: no change to it would reach the kernel", set_names[self]);

void
CLEAR(lp_set self)
    CODE:
        clear_by_list(self);

void
names(lp_set self)
    PREINIT:
        uint64_t raised;
    PPCODE:
        if (lp_read(self, &raised) != 0)
            method_refused(cv, self, errno);
        if (self == LP_SECURE)
            raised &= LP_BIT(LP_SECUREBITS) - 1;
        HOW_MANY(raised);
        SP = push_names(self, raised, SP);

bool
has(lp_set self, ...)
    CODE:
        RETVAL = has_all(cv, self, mask_args(cv, self, ax + 1, items - 1));
    OUTPUT:
        RETVAL

void
add(lp_set self, ...)
    ALIAS:
        add = METHOD_ADD
        drop = METHOD_DROP
        limit = METHOD_LIMIT
        replace = METHOD_REPLACE
    PREINIT:
        SV *object;
    PPCODE:
        object = sv_2mortal(newRV_inc(SvRV(ST(0)))); /* a name may make perl drop ST(0) */
        change(cv, self, (enum method)ix, ax + 1, items - 1);
        ST(0) = object;
        XSRETURN(1);

void
clear(lp_set self)
    PPCODE:
        change(cv, self, METHOD_LIMIT, ax + 1, 0);
        XSRETURN(1);

INCLUDE: Setpriv.xs

INCLUDE: Spawn.xs

INCLUDE: Status.xs
