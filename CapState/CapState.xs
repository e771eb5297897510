/* Linux::Prctl::CapState and Linux::Prctl::FileCaps: a table of contents. What is
 * asked of libcap and of files is in the *.c beside this, of the kernel in ../src; what
 * Perl gives and gets is in the *.h beside this, ../xs and typemap. */
#include "../xs/perl_api.h"

#include "files.h"
#include "known.h"
#include "objects.h"
#include "searches.h"

/* The C types that typemap knows. */
typedef HV *lp_class;
typedef lp_content lp_cap_state;
typedef lp_content lp_file_caps;
typedef lp_content lp_any_caps;
typedef enum lp_set lp_flag;
typedef pid_t lp_pid;

#define NOTHING ((lp_content){.effective = 0})

MODULE = Linux::Prctl::CapState    PACKAGE = Linux::Prctl::CapState

PROTOTYPES: DISABLE

BOOT:
    find_known_caps();

# ---- made of nothing, of text, of another ----

SV *
new(lp_class class)
    ALIAS:
        new = CAP_STATE
        Linux::Prctl::FileCaps::new = FILE_CAPS
    CODE:
        RETVAL = new_object((enum type)ix, class, &NOTHING);
    OUTPUT:
        RETVAL

SV *
from_text(lp_class class, SV *text)
    ALIAS:
        from_text = CAP_STATE
        Linux::Prctl::FileCaps::from_text = FILE_CAPS
    PREINIT:
        lp_content content;
    CODE:
        content = text_arg(cv, (enum type)ix, text);
        RETVAL = new_object((enum type)ix, class, &content);
    OUTPUT:
        RETVAL

SV *
copy(lp_any_caps self)
    ALIAS:
        copy = CAP_STATE
        Linux::Prctl::FileCaps::copy = FILE_CAPS
    CODE:
        RETVAL = new_object((enum type)ix, SvSTASH(SvRV(ST(0))), &self);
    OUTPUT:
        RETVAL

# ---- read (overload hands the operators two arguments more) ----

SV *
to_text(lp_any_caps self, ...)
    ALIAS:
        to_text = CAP_STATE
        Linux::Prctl::FileCaps::to_text = FILE_CAPS
    CODE:
        RETVAL = content_text(cv, (enum type)ix, &self);
    OUTPUT:
        RETVAL

bool
_equal(lp_any_caps self, SV *other, ...)
    ALIAS:
        _equal = CAP_STATE
        Linux::Prctl::FileCaps::_equal = FILE_CAPS
    CODE:
        RETVAL = same_content((enum type)ix, "==", &self, other);
    OUTPUT:
        RETVAL

bool
_unequal(lp_any_caps self, SV *other, ...)
    ALIAS:
        _unequal = CAP_STATE
        Linux::Prctl::FileCaps::_unequal = FILE_CAPS
    CODE:
        RETVAL = !same_content((enum type)ix, "!=", &self, other);
    OUTPUT:
        RETVAL

void
names(lp_any_caps self, lp_flag set)
    ALIAS:
        names = CAP_STATE
        Linux::Prctl::FileCaps::names = FILE_CAPS
    PREINIT:
        uint64_t rest;
    PPCODE:
        HOW_MANY(self.caps.set[set]);
        EXTEND(SP, LP_CAPS);
        for (rest = self.caps.set[set]; rest; rest &= rest - 1)
            mPUSHs(newSVpv(cap_text((unsigned)__builtin_ctzll(rest)), 0));

bool
has(lp_any_caps self, lp_flag set, ...)
    ALIAS:
        has = CAP_STATE
        Linux::Prctl::FileCaps::has = FILE_CAPS
    CODE:
        RETVAL = !(caps_arg(cv, &ST(2), items - 2) & ~self.caps.set[set]);
    OUTPUT:
        RETVAL

# ---- changed ----

void
add(lp_any_caps self, lp_flag set, ...)
    ALIAS:
        add = CAP_STATE
        Linux::Prctl::FileCaps::add = FILE_CAPS
    PPCODE:
        self.caps.set[set] |= caps_arg(cv, &ST(2), items - 2);
        keep_content(cv, (enum type)ix, ST(0), &self);
        XSRETURN(1);

void
drop(lp_any_caps self, lp_flag set, ...)
    ALIAS:
        drop = CAP_STATE
        Linux::Prctl::FileCaps::drop = FILE_CAPS
    PPCODE:
        self.caps.set[set] &= ~caps_arg(cv, &ST(2), items - 2);
        keep_content(cv, (enum type)ix, ST(0), &self);
        XSRETURN(1);

void
limit(lp_any_caps self, lp_flag set, ...)
    ALIAS:
        limit = CAP_STATE
        Linux::Prctl::FileCaps::limit = FILE_CAPS
    PPCODE:
        self.caps.set[set] &= caps_arg(cv, &ST(2), items - 2);
        keep_content(cv, (enum type)ix, ST(0), &self);
        XSRETURN(1);

void
clear(lp_any_caps self, ...)
    ALIAS:
        clear = CAP_STATE
        Linux::Prctl::FileCaps::clear = FILE_CAPS
    PPCODE:
        if (items == 1)
            self = NOTHING;
        for (I32 i = 1; i < items; i++)
            self.caps.set[flag_arg(cv, (enum type)ix, ST(i))] = 0;
        keep_content(cv, (enum type)ix, ST(0), &self);
        XSRETURN(1);

# ---- the kernel's ----

SV *
get_current(lp_class class)
    CODE:
        RETVAL = new_caps_of(cv, class, 0);
    OUTPUT:
        RETVAL

SV *
get_for_pid(lp_class class, lp_pid pid)
    CODE:
        RETVAL = new_caps_of(cv, class, pid);
    OUTPUT:
        RETVAL

void
set_current(lp_cap_state self)
    PPCODE:
        set_current(cv, ST(0), &self);
        XSRETURN(1);

MODULE = Linux::Prctl::CapState    PACKAGE = Linux::Prctl::FileCaps

SV *
get(lp_class class, SV *file, ...)
    PREINIT:
        lp_target target;
        struct lp_file_failure failure = {.mode = 0};
        lp_content content;
        int found;
    CODE:
        PERL_UNUSED_VAR(file);
        target_args(cv, &ST(1), items - 1, &target);
        found = lp_file_get(&target.file, &content, &failure);
        if (found < 0)
            file_failed(cv, &target.file, &failure);
        tell_followed(&target);
        if (!found)
            XSRETURN_UNDEF;
        RETVAL = new_object(FILE_CAPS, class, &content);
    OUTPUT:
        RETVAL

void
set(lp_file_caps self, SV *file, ...)
    PREINIT:
        lp_target target;
        struct lp_file_failure failure = {.mode = 0};
    PPCODE:
        PERL_UNUSED_VAR(file);
        target_args(cv, &ST(1), items - 1, &target);
        check_dependency(cv);
        if (lp_file_set(&target.file, &self, &failure) != 0)
            file_failed(cv, &target.file, &failure);
        tell_followed(&target);
        XSRETURN(1);

bool
remove(lp_class class, SV *file, ...)
    PREINIT:
        lp_target target;
        struct lp_file_failure failure = {.mode = 0};
        int removed;
    CODE:
        PERL_UNUSED_VAR(class);
        PERL_UNUSED_VAR(file);
        target_args(cv, &ST(1), items - 1, &target);
        check_dependency(cv);
        removed = lp_file_remove(&target.file, &failure);
        if (removed < 0)
            file_failed(cv, &target.file, &failure);
        tell_followed(&target);
        RETVAL = removed;
    OUTPUT:
        RETVAL

void
effective(lp_file_caps self, SV *value = NULL)
    PPCODE:
        if (!value) {
            ST(0) = boolSV(self.effective);
            XSRETURN(1);
        }
        self.effective = SvTRUE(value);
        keep_content(cv, FILE_CAPS, ST(0), &self);
        XSRETURN(1);

void
rootid(lp_file_caps self, SV *uid = NULL)
    PPCODE:
        if (!uid) {
            ST(0) = sv_2mortal(newSVuv(self.rootid));
            XSRETURN(1);
        }
        self.rootid = (uint32_t)ranged_arg(cv, "uid", uid, LP_MOST_ROOTID);
        keep_content(cv, FILE_CAPS, ST(0), &self);
        XSRETURN(1);

# ---- files that have some ----

void
find(lp_class class, ...)
    PREINIT:
        struct search_options options = {.found = NULL};
        SV *search;
        struct lp_found found = {.error = 0};
        UV count = 0;
    PPCODE:
        if (items > 1 && search_options(cv, ST(items - 1), &options))
            items--;
        if (items < 2)
            misuse("Usage: Linux::Prctl::FileCaps->find(path, ..., { option => value, ... })");
        search = new_search(cv, class, &ST(1), items - 1, &options);
        if (!options.found) {
            ST(0) = search;
            XSRETURN(1);
        }
        for (; search_on(cv, (AV *)SvRV(search), &found); count++)
            tell_found(options.found, class, &found);
        ST(0) = sv_2mortal(newSVuv(count));
        XSRETURN(1);

# The bytes of the attribute itself, from anywhere: what get and set go through.

SV *
_from_attribute(lp_class class, SV *bytes)
    PREINIT:
        lp_content content;
        struct lp_malformation why;
        const char *attribute;
        STRLEN length;
    CODE:
        attribute = bytes_arg(cv, "bytes", bytes, &length);
        if (lp_file_caps_from_attribute((const unsigned char *)attribute, length, &content,
                                        &why) != 0)
            die_of(sv_2mortal(newSVpvf("%s: %" SVf, function_name(cv),
                                       SVfARG(malformation_text(&why)))),
                   EINVAL);
        RETVAL = new_object(FILE_CAPS, class, &content);
    OUTPUT:
        RETVAL

SV *
_to_attribute(lp_file_caps self)
    PREINIT:
        unsigned char bytes[LP_ATTRIBUTE_BYTES];
    CODE:
        RETVAL = newSVpvn((const char *)bytes, lp_file_caps_to_attribute(&self, bytes));
    OUTPUT:
        RETVAL

MODULE = Linux::Prctl::CapState    PACKAGE = Linux::Prctl::FileCaps::Search

void
next(SV *self)
    PREINIT:
        AV *search;
        struct lp_found found = {.error = 0};
    PPCODE:
        search = search_arg(cv, self);
        sv_2mortal(SvREFCNT_inc((SV *)search)); /* whatever the code for errors does */
        if (!search_on(cv, search, &found)) {
            if (GIMME_V == G_SCALAR)
                XSRETURN_UNDEF;
            XSRETURN_EMPTY;
        }
        SP = PL_stack_base + ax - 1; /* which that code may have moved */
        if (GIMME_V == G_SCALAR)
            XPUSHs(sv_2mortal(newSVpv(found.path, 0)));
        else
            SP = push_found(SP, (HV *)SvRV(*av_fetch(search, SEARCH_FOUND_CLASS, 0)), &found);
