/* Linux::Prctl: a table of contents. What the kernel is asked is in src/, what
 * Perl gives and gets in xs/ and typemap. */
#define PERL_NO_GET_CONTEXT
#include "EXTERN.h"
#include "perl.h"
#include "XSUB.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "src/lp.h"
#include "src/setpriv.h"
#include "xs/errors.h"
#include "xs/args.h"
#include "xs/sets.h"
#include "xs/elements.h"
#include "xs/exports.h"
#include "xs/setpriv.h"
#include "xs/status.h"

/* The C types that typemap knows. */
typedef unsigned long lp_number;
typedef unsigned long lp_any_capability;
typedef unsigned lp_capability;
typedef unsigned long lp_signal;
typedef pid_t lp_parent;
typedef uid_t lp_id;
typedef unsigned long lp_exit_status;
typedef enum lp_set lp_set_flag;
typedef const char *lp_string;
typedef const char *lp_string_or_null;
typedef enum lp_set lp_set;
typedef long lp_status;

/* What every XSUB says when the kernel refused. A write tells the rule from it. */
#define HEARD_OF(refused, write)                                                    \
    if (refused)                                                                    \
        refused_call(cv, &ST(0), items, write)
#define HEARD HEARD_OF(RETVAL == -1, NULL)

/* The answer to a question, or undef. A cookie may be wider than perl's numbers. */
#define RETURN_ANSWER(question)                                                     \
    STMT_START {                                                                    \
        dXSTARG;                                                                    \
        const struct lp_answer answer = question;                                   \
                                                                                    \
        HEARD_OF(answer.failed, NULL);                                              \
        if (answer.failed)                                                          \
            XSRETURN_UNDEF;                                                         \
        if (answer.value > UV_MAX)                                                  \
            PUSHn((NV)answer.value);                                                \
        else                                                                        \
            PUSHu((UV)answer.value);                                                \
    } STMT_END

/* Before a credential changes. */
#define CREDENTIAL_CALL CREDENTIAL(call_text(cv, &ST(0), items))

#define NAME_BYTES 16
#define FILTER_BYTES 8 /* struct sock_filter */

MODULE = Linux::Prctl    PACKAGE = Linux::Prctl

PROTOTYPES: DISABLE

# ---- questions: the answer is the return value ----

void
get_dumpable()
    ALIAS:
        get_dumpable = PR_GET_DUMPABLE
        get_keepcaps = PR_GET_KEEPCAPS
        get_timing = PR_GET_TIMING
        get_seccomp = PR_GET_SECCOMP
        get_securebits = PR_GET_SECUREBITS
        get_mce_kill = PR_MCE_KILL_GET
        get_no_new_privs = PR_GET_NO_NEW_PRIVS
        get_thp_disable = PR_GET_THP_DISABLE
        get_fp_mode = PR_GET_FP_MODE
        sve_get_vl = PR_SVE_GET_VL
        get_tagged_addr_ctrl = PR_GET_TAGGED_ADDR_CTRL
        get_io_flusher = PR_GET_IO_FLUSHER
        pac_get_enabled_keys = PR_PAC_GET_ENABLED_KEYS
        sme_get_vl = PR_SME_GET_VL
        get_mdwe = PR_GET_MDWE
        get_memory_merge = PR_GET_MEMORY_MERGE
        riscv_v_get_control = PR_RISCV_V_GET_CONTROL
    PPCODE:
        RETURN_ANSWER(lp_ask(ix, 0, 0));

void
get_timerslack()
    PPCODE:
        RETURN_ANSWER(lp_get_timerslack());

void
get_speculation_ctrl(lp_number misfeature)
    PPCODE:
        RETURN_ANSWER(lp_ask(PR_GET_SPECULATION_CTRL, misfeature, 0));

void
ppc_get_dexcr(lp_number aspect)
    PPCODE:
        RETURN_ANSWER(lp_ask(PR_PPC_GET_DEXCR, aspect, 0));

void
capbset_read(lp_any_capability capability)
    PPCODE:
        RETURN_ANSWER(lp_ask(PR_CAPBSET_READ, capability, 0));

void
cap_ambient_is_set(lp_any_capability capability)
    PPCODE:
        RETURN_ANSWER(lp_ask(PR_CAP_AMBIENT, LP_PR_CAP_AMBIENT_IS_SET, capability));

void
timer_create_restore_ids_get()
    PPCODE:
        RETURN_ANSWER(lp_ask(PR_TIMER_CREATE_RESTORE_IDS, LP_TIMER_CREATE_RESTORE_IDS_GET, 0));

void
futex_hash_get_slots()
    PPCODE:
        RETURN_ANSWER(lp_ask(PR_FUTEX_HASH, LP_FUTEX_HASH_GET_SLOTS, 0));

void
rseq_slice_extension_get()
    PPCODE:
        RETURN_ANSWER(lp_ask(PR_RSEQ_SLICE_EXTENSION, LP_RSEQ_SLICE_EXTENSION_GET, 0));

# ---- questions: the answer comes through a pointer ----

void
get_pdeathsig()
    ALIAS:
        get_pdeathsig = PR_GET_PDEATHSIG
        get_unalign = PR_GET_UNALIGN
        get_fpemu = PR_GET_FPEMU
        get_fpexc = PR_GET_FPEXC
        get_endian = PR_GET_ENDIAN
        get_tsc = PR_GET_TSC
        get_child_subreaper = PR_GET_CHILD_SUBREAPER
    PPCODE:
        RETURN_ANSWER(lp_ask_int(ix));

void
get_shadow_stack_status()
    PPCODE:
        RETURN_ANSWER(lp_ask_long(PR_GET_SHADOW_STACK_STATUS));

void
get_tid_address()
    PPCODE:
        RETURN_ANSWER(lp_get_tid_address());

void
get_cfi(lp_number kind)
    PPCODE:
        RETURN_ANSWER(lp_get_cfi(kind));

void
sched_core_get(lp_number pid)
    PPCODE:
        RETURN_ANSWER(lp_sched_core_get(pid));

SV *
get_name()
    PREINIT:
        char name[NAME_BYTES + 1] = "";
    CODE:
        if (lp_prctl(PR_GET_NAME, (unsigned long)name, 0, 0, 0) == -1) {
            HEARD_OF(true, NULL);
            XSRETURN_UNDEF;
        }
        RETVAL = newSVpv(name, 0);
    OUTPUT:
        RETVAL

void
get_auxv()
    PREINIT:
        unsigned long *auxv;
        long room, size;
    PPCODE:
        room = lp_prctl(PR_GET_AUXV, 0, 0, 0, 0);
        size = room;
        if (room > 0) {
            auxv = (unsigned long *)SvPVX(sv_2mortal(newSV((STRLEN)room)));
            Zero(auxv, room, char); /* should the kernel write less than it said */
            size = lp_prctl(PR_GET_AUXV, (unsigned long)auxv, (unsigned long)room, 0, 0);
        }
        if (size == -1) {
            HEARD_OF(true, NULL);
            XSRETURN_EMPTY;
        }
        /* Nothing but zeros comes behind the pair with type 0. */
        for (long i = 0; (i + 2) * (long)sizeof *auxv <= (size < room ? size : room); i += 2) {
            if (!auxv[i])
                break;
            EXTEND(SP, 2);
            mPUSHu(auxv[i]);
            mPUSHu(auxv[i + 1]);
        }

# ---- settings of one number ----

lp_status
set_dumpable(lp_number value)
    ALIAS:
        set_dumpable = PR_SET_DUMPABLE
        set_unalign = PR_SET_UNALIGN
        set_fpemu = PR_SET_FPEMU
        set_fpexc = PR_SET_FPEXC
        set_timing = PR_SET_TIMING
        set_endian = PR_SET_ENDIAN
        set_tsc = PR_SET_TSC
        set_timerslack = PR_SET_TIMERSLACK
        set_child_subreaper = PR_SET_CHILD_SUBREAPER
        set_fp_mode = PR_SET_FP_MODE
        sve_set_vl = PR_SVE_SET_VL
        pac_reset_keys = PR_PAC_RESET_KEYS
        set_tagged_addr_ctrl = PR_SET_TAGGED_ADDR_CTRL
        set_io_flusher = PR_SET_IO_FLUSHER
        sme_set_vl = PR_SME_SET_VL
        set_mdwe = PR_SET_MDWE
        set_memory_merge = PR_SET_MEMORY_MERGE
        riscv_v_set_control = PR_RISCV_V_SET_CONTROL
        set_shadow_stack_status = PR_SET_SHADOW_STACK_STATUS
        lock_shadow_stack_status = PR_LOCK_SHADOW_STACK_STATUS
    CODE:
        RETVAL = lp_prctl(ix, value, 0, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
set_pdeathsig(lp_signal signal, lp_parent parent = -1)
    CODE:
        RETVAL = lp_set_pdeathsig(signal, parent);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
set_name(lp_string name)
    CODE:
        RETVAL = lp_prctl(PR_SET_NAME, (unsigned long)name, 0, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
set_mce_kill(lp_number policy)
    CODE:
        RETVAL = lp_set_mce_kill(policy);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
set_ptracer(lp_number pid)
    CODE:
        RETVAL = lp_set_ptracer(pid);
        HEARD;
    OUTPUT:
        RETVAL

long
get_ptracer()
    CODE:
        RETVAL = lp_get_ptracer();
    OUTPUT:
        RETVAL

lp_status
rseq_slice_extension_set(lp_number value)
    CODE:
        RETVAL = lp_prctl(PR_RSEQ_SLICE_EXTENSION, LP_RSEQ_SLICE_EXTENSION_SET, value, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

# ---- settings of no number ----

lp_status
task_perf_events_disable()
    ALIAS:
        task_perf_events_disable = PR_TASK_PERF_EVENTS_DISABLE
        task_perf_events_enable = PR_TASK_PERF_EVENTS_ENABLE
        mpx_enable_management = PR_MPX_ENABLE_MANAGEMENT
        mpx_disable_management = PR_MPX_DISABLE_MANAGEMENT
    CODE:
        RETVAL = lp_prctl(ix, 0, 0, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
mce_kill_clear()
    CODE:
        RETVAL = lp_prctl(PR_MCE_KILL, LP_MCE_KILL_CLEAR, 0, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
timer_create_restore_ids_on()
    ALIAS:
        timer_create_restore_ids_on = LP_TIMER_CREATE_RESTORE_IDS_ON
        timer_create_restore_ids_off = LP_TIMER_CREATE_RESTORE_IDS_OFF
    CODE:
        RETVAL = lp_prctl(PR_TIMER_CREATE_RESTORE_IDS, (unsigned long)ix, 0, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

# ---- settings of several numbers ----

lp_status
set_speculation_ctrl(lp_number misfeature, lp_number control)
    CODE:
        RETVAL = lp_prctl(PR_SET_SPECULATION_CTRL, misfeature, control, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
pac_set_enabled_keys(lp_number affected, lp_number enabled)
    CODE:
        RETVAL = lp_prctl(PR_PAC_SET_ENABLED_KEYS, affected, enabled, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
riscv_set_icache_flush_ctx(lp_number context, lp_number scope)
    CODE:
        RETVAL = lp_prctl(PR_RISCV_SET_ICACHE_FLUSH_CTX, context, scope, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
ppc_set_dexcr(lp_number aspect, lp_number mask)
    CODE:
        RETVAL = lp_prctl(PR_PPC_SET_DEXCR, aspect, mask, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
set_cfi(lp_number kind, lp_number value)
    CODE:
        RETVAL = lp_prctl(PR_SET_CFI, kind, value, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
set_thp_disable(lp_number flag, lp_number flags = 0)
    CODE:
        RETVAL = lp_prctl(PR_SET_THP_DISABLE, flag, flags, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
futex_hash_set_slots(lp_number slots, lp_number flags = 0)
    CODE:
        RETVAL = lp_prctl(PR_FUTEX_HASH, LP_FUTEX_HASH_SET_SLOTS, slots, flags, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
set_mm(lp_number field, lp_number address, lp_number length = 0)
    CODE:
        RETVAL = lp_prctl(PR_SET_MM, field, address, length, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
set_syscall_user_dispatch(lp_number mode, lp_number offset = 0, lp_number length = 0, lp_number selector = 0)
    CODE:
        RETVAL = lp_prctl(PR_SET_SYSCALL_USER_DISPATCH, mode, offset, length, selector);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
sched_core_create(lp_number pid, lp_number scope)
    ALIAS:
        sched_core_create = LP_SCHED_CORE_CREATE
        sched_core_share_to = LP_SCHED_CORE_SHARE_TO
    CODE:
        RETVAL = lp_prctl(PR_SCHED_CORE, (unsigned long)ix, pid, scope, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
sched_core_share_from(lp_number pid)
    CODE:
        RETVAL = lp_prctl(PR_SCHED_CORE, LP_SCHED_CORE_SHARE_FROM, pid, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
set_vma_anon_name(lp_number address, lp_number length, lp_string_or_null name)
    CODE:
        RETVAL = lp_prctl(PR_SET_VMA, LP_SET_VMA_ANON_NAME, address, length, (unsigned long)name);
        HEARD;
    OUTPUT:
        RETVAL

# ---- credentials ----

lp_status
set_no_new_privs(lp_number value = 1)
    CODE:
        CREDENTIAL_CALL;
        RETVAL = lp_prctl(PR_SET_NO_NEW_PRIVS, value, 0, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
set_keepcaps(lp_number value)
    CODE:
        CREDENTIAL_CALL;
        RETVAL = lp_prctl(PR_SET_KEEPCAPS, value, 0, 0, 0);
        if (RETVAL == -1) {
            /* A lock refuses even the value that is there: ask about the other. Setpcap,
             * which a store into securebits wants, has no part in this. */
            const int error = errno;
            const uint64_t keep_caps = LP_BIT(LP_SECURE_KEEP_CAPS);
            const bool locked = lp_bit(LP_SECURE, LP_SECURE_KEEP_CAPS_LOCKED) == 1;
            const struct lp_write other = {
                .set = LP_SECURE,
                .keep = ~keep_caps,
                .raise = lp_bit(LP_SECURE, LP_SECURE_KEEP_CAPS) == 1 ? 0 : keep_caps,
            };

            errno = error;
            HEARD_OF(true, locked ? &other : NULL);
        }
    OUTPUT:
        RETVAL

lp_status
set_securebits(lp_number value)
    CODE:
        CREDENTIAL_CALL;
        RETVAL = lp_prctl(PR_SET_SECUREBITS, value, 0, 0, 0);
        if (RETVAL == -1) {
            const struct lp_write exactly = {.set = LP_SECURE, .raise = value};

            HEARD_OF(true, &exactly);
        }
    OUTPUT:
        RETVAL

lp_status
capbset_drop(lp_any_capability capability)
    CODE:
        CREDENTIAL_CALL;
        RETVAL = lp_prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
        if (RETVAL == -1) {
            const struct lp_write drop = one_cap(LP_BOUNDING, capability, false);

            HEARD_OF(true, &drop);
        }
    OUTPUT:
        RETVAL

lp_status
cap_ambient_raise(lp_any_capability capability)
    ALIAS:
        cap_ambient_raise = LP_PR_CAP_AMBIENT_RAISE
        cap_ambient_lower = LP_PR_CAP_AMBIENT_LOWER
    CODE:
        CREDENTIAL_CALL;
        RETVAL = lp_prctl(PR_CAP_AMBIENT, (unsigned long)ix, capability, 0, 0);
        if (RETVAL == -1) {
            const struct lp_write change =
                one_cap(LP_AMBIENT, capability, ix == LP_PR_CAP_AMBIENT_RAISE);

            HEARD_OF(true, &change);
        }
    OUTPUT:
        RETVAL

lp_status
cap_ambient_clear_all()
    CODE:
        CREDENTIAL_CALL;
        RETVAL = lp_prctl(PR_CAP_AMBIENT, LP_PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
set_seccomp(lp_number mode, SV *program = NULL)
    PREINIT:
        const char *bytes = NULL;
        STRLEN length = 0;
    CODE:
        if (program) {
            bytes = bytes_arg(cv, "program", program, &length);
            if (length % FILTER_BYTES || length / FILTER_BYTES > USHRT_MAX)
                croak("%s: program of %lu bytes is not a whole number of instructions of %d bytes,"
                      " or more than %d of them", function_name(cv), (unsigned long)length,
                      FILTER_BYTES, USHRT_MAX);
        }
        CREDENTIAL_CALL;
        RETVAL = lp_set_seccomp(mode, bytes, length / FILTER_BYTES);
        HEARD;
    OUTPUT:
        RETVAL

void
get_cap(lp_set_flag flag, lp_capability capability)
    PPCODE:
        RETURN_ANSWER(lp_ask_bit(flag, capability));

lp_status
set_cap(lp_set_flag flag, lp_capability capability, bool value)
    CODE:
        CREDENTIAL_CALL;
        {
            const struct lp_write change = one_cap(flag, capability, value);

            RETVAL = lp_write(&change);
            HEARD_OF(RETVAL == -1, &change);
        }
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
supported(SV *what)
    CODE:
        RETVAL = newSVsv(supported_sv(cv, what));
    OUTPUT:
        RETVAL

# ---- beside prctl(2) ----

lp_status
set_proctitle(lp_string title)
    PREINIT:
        char name[NAME_BYTES] = "";
    CODE:
        /* perl writes the title where ps looks, and the name with it */
        RETVAL = lp_prctl(PR_GET_NAME, (unsigned long)name, 0, 0, 0);
        if (RETVAL != -1) {
            SV *zero = get_sv("0", GV_ADD);

            sv_setpv(zero, title);
            SvUTF8_off(zero); /* which sv_setpv leaves as it was */
            SvSETMAGIC(zero);
            RETVAL = lp_prctl(PR_SET_NAME, (unsigned long)name, 0, 0, 0);
        }
        HEARD;
    OUTPUT:
        RETVAL

SV *
prctl(lp_number option, lp_number arg2 = 0, lp_number arg3 = 0, lp_number arg4 = 0, lp_number arg5 = 0)
    PREINIT:
        long answer;
    CODE:
        if (option > UINT_MAX && ((long)option > -1 || (long)option < INT_MIN))
            croak("%s: option %s does not fit into an int", function_name(cv), shown(ST(0)));
        answer = lp_prctl((int)option, arg2, arg3, arg4, arg5);
        HEARD_OF(answer == -1, NULL);
        RETVAL = newSViv(answer);
    OUTPUT:
        RETVAL

lp_id
getfsuid()
    CODE:
        RETVAL = lp_getfsuid();
    OUTPUT:
        RETVAL

lp_id
getfsgid()
    CODE:
        RETVAL = lp_getfsgid();
    OUTPUT:
        RETVAL

lp_status
setfsuid(lp_id uid)
    CODE:
        RETVAL = lp_setfsuid(uid);
        HEARD;
    OUTPUT:
        RETVAL

lp_status
setfsgid(lp_id gid)
    CODE:
        RETVAL = lp_setfsgid(gid);
        HEARD;
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
            mend_iterators();
            PERL_UNUSED_VAR(items);
        }

BOOT:
    {
        MY_CXT_INIT;
        start_context(&MY_CXT);
        add_exports(gv_stashpvs("Linux::Prctl", GV_ADD));
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
        store_value(self, key, value);

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
        if (!store(self, bit, false) || raised == -1)
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
        croak("%%%s cannot be untied: no change to it would reach the kernel", set_names[self]);

void
CLEAR(lp_set self)
    CODE:
        clear_by_list(self);

void
names(lp_set self)
    PREINIT:
        SV **kept;
        uint64_t raised;
    PPCODE:
        kept = kept_names(self);
        if (lp_read(self, &raised) != 0)
            method_refused(cv, self, errno);
        if (self == LP_SECURE)
            raised &= LP_BIT(LP_SECUREBITS) - 1;
        HOW_MANY(raised);
        EXTEND(SP, LP_CAPS);
        EXTEND_MORTAL(LP_CAPS); /* room for all at once: mPUSHs asks for each */
        for (; raised; raised &= raised - 1) {
            SV *name = new_name(kept, self, (unsigned)__builtin_ctzll(raised));

            SvTEMP_on(name);
            PL_tmps_stack[++PL_tmps_ix] = name;
            PUSHs(name);
        }

bool
has(lp_set self, ...)
    CODE:
        RETVAL = has_all(cv, self, mask_args(cv, self, &ST(1), items - 1));
    OUTPUT:
        RETVAL

void
add(lp_set self, ...)
    ALIAS:
        add = METHOD_ADD
        drop = METHOD_DROP
        limit = METHOD_LIMIT
        replace = METHOD_REPLACE
    PPCODE:
        change(cv, self, (enum method)ix, &ST(1), items - 1);
        XSRETURN(1);

void
clear(lp_set self)
    PPCODE:
        change(cv, self, METHOD_LIMIT, NULL, 0);
        XSRETURN(1);

MODULE = Linux::Prctl    PACKAGE = Linux::Prctl::Setpriv

# ---- for Linux::Prctl::Setpriv alone ----

unsigned
_other_threads()
    CODE:
        RETVAL = remaining_threads(lp_count_other_threads);
    OUTPUT:
        RETVAL

SV *
_look()
    CODE:
        RETVAL = look();
    OUTPUT:
        RETVAL

SV *
_foresee(HV *plan)
    PREINIT:
        struct lp_plan steps;
    CODE:
        fill_plan(&steps, plan);
        RETVAL = plan_hash(&steps);
    OUTPUT:
        RETVAL

SV *
_run(HV *plan)
    PREINIT:
        struct lp_plan steps;
    CODE:
        fill_plan(&steps, plan);
        if (steps.refusal.rule != LP_NO_RULE || steps.unreached)
            RETVAL = plan_hash(&steps);
        else
            RETVAL = run_plan(&steps);
    OUTPUT:
        RETVAL

# One step of a plan, for tests that watch the kernel: 0, or errno.

int
_take(HV *plan, unsigned index)
    PREINIT:
        struct lp_plan steps;
        unsigned cap;
    CODE:
        fill_plan(&steps, plan);
        if (index >= steps.count)
            croak("setpriv: the plan has %u steps", steps.count);
        RETVAL = lp_take(&steps, &steps.step[index], &cap) == 0 ? 0 : errno;
    OUTPUT:
        RETVAL

# The groups of a user, by name or else by number, or undef.

SV *
_init_groups(lp_string name, lp_id uid)
    CODE:
        RETVAL = init_groups(name, uid);
    OUTPUT:
        RETVAL

unsigned long
_signal(SV *signal)
    PREINIT:
        unsigned long number;
    CODE:
        SvGETMAGIC(signal);
        if ((!whole_number(signal, &number) && !signal_number(signal, &number)) || number > 64)
            XSRETURN_UNDEF;
        RETVAL = number;
    OUTPUT:
        RETVAL

SV *
_shown(SV *value)
    CODE:
        SvGETMAGIC(value);
        RETVAL = newSVpv(shown(value), 0);
    OUTPUT:
        RETVAL

# The number of a capability or of a securebit, or undef.

unsigned
_cap(SV *name)
    ALIAS:
        _cap = LP_EFFECTIVE
        _securebit = LP_SECURE
    PREINIT:
        int bit;
    CODE:
        SvGETMAGIC(name);
        bit = bit_number((enum lp_set)ix, name);
        if (bit < 0)
            XSRETURN_UNDEF;
        RETVAL = (unsigned)bit;
    OUTPUT:
        RETVAL

# The set of a list of capabilities or of securebits, or undef where one is unknown.

SV *
_named_caps(AV *names)
    ALIAS:
        _named_caps = LP_EFFECTIVE
        _named_securebits = LP_SECURE
    PREINIT:
        uint64_t mask;
    CODE:
        if (!named_bits((enum lp_set)ix, names, &mask))
            XSRETURN_UNDEF;
        RETVAL = new_mask(mask);
    OUTPUT:
        RETVAL

bool
_is_string(SV *value)
    CODE:
        SvGETMAGIC(value);
        RETVAL = is_string(value);
    OUTPUT:
        RETVAL

# The id of a kind (uid, gid) with this name or number, or undef.

UV
_id(lp_string kind, SV *value)
    PREINIT:
        uint32_t id;
    CODE:
        SvGETMAGIC(value);
        if (!id_of(*kind == 'u', value, &id))
            XSRETURN_UNDEF;
        RETVAL = id;
    OUTPUT:
        RETVAL

# The ids of a kind (uid, gid) that are not mapped; undef where there is no /proc.

void
_unmapped(lp_string kind, ...)
    PREINIT:
        struct lp_map map;
        I32 found = 0;
    PPCODE:
        if (read_map(kind, &map) != 0)
            XSRETURN_UNDEF;
        for (I32 i = 1; i < items; i++)
            if (!lp_in_map(&map, (unsigned long)SvUV(ST(i))))
                ST(found++) = ST(i);
        XSRETURN(found);

# Are there ids of a kind (uid, gid) that are not mapped? Without /proc nobody knows.

bool
_hides_ids(lp_string kind)
    PREINIT:
        struct lp_map map;
    CODE:
        RETVAL = read_map(kind, &map) != 0 || !lp_maps_all(&map);
    OUTPUT:
        RETVAL

bool
_setgroups_denied(bool to_none)
    CODE:
        RETVAL = lp_setgroups_denied(to_none);
    OUTPUT:
        RETVAL

INCLUDE: Status.xs
