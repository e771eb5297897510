MODULE = Linux::Prctl    PACKAGE = Linux::Prctl::Status

# ---- for Linux::Prctl::Status alone ----

# EACCES EBADF EINVAL ELOOP ENOENT ENOEXEC EPERM ESRCH

void
_errno_numbers()
    PPCODE:
        {
            static const int numbers[] = {EACCES, EBADF,  EINVAL,  EIO,   ELIBBAD,
                                          ELOOP,  ENOENT, ENOEXEC, EPERM, ESRCH};

            EXTEND(SP, 10);
            for (int i = 0; i < 10; i++)
                mPUSHi(numbers[i]);
        }

# A file of /proc.

SV *
_read_proc(const char *path)
    CODE:
        RETVAL = SvREFCNT_inc(read_proc(path));
    OUTPUT:
        RETVAL

# What a symbolic link has: perl's own readlink believes any length.

SV *
_read_link(const char *path)
    PREINIT:
        char text[PATH_MAX];
    CODE:
        RETVAL = lp_readlink(path, text, sizeof text) < 0 ? newSV(0) : newSVpv(text, 0);
        SvTAINTED_on(RETVAL); /* as perl's own */
    OUTPUT:
        RETVAL

# The numbers in one of its directories.

SV *
_proc_numbers(const char *path)
    CODE:
        RETVAL = new_proc_numbers(path);
    OUTPUT:
        RETVAL

# What it says: one fact, all that as_hash has of it, and a line that sums it up, with
# whether the user namespace is ours: undef where nobody knows.

SV *
_fact_of(const char *text, const char *name)
    CODE:
        RETVAL = fact_of(text, name);
    OUTPUT:
        RETVAL

SV *
_facts_of(const char *text)
    CODE:
        RETVAL = facts_of(text);
    OUTPUT:
        RETVAL

SV *
_summary_of(const char *text, SV *ours)
    PREINIT:
        struct status status;
    CODE:
        find_lines(text, &status);
        RETVAL = new_summary(&status, lp_all_caps(), SvOK(ours) ? SvIV(ours) != 0 : -1);
    OUTPUT:
        RETVAL

# All processes: those that are wanted, as hashes of facts, or as texts with the number of
# the user namespace.

SV *
_list(bool privileged, SV *cap, SV *unread, SV *facts)
    CODE:
        {
            struct listing listing = {
                .privileged = privileged,
                .has_cap = SvOK(cap), .cap = SvOK(cap) ? (unsigned)SvUV(cap) : 0,
                .unread = SvOK(unread) ? unread : NULL,
                .facts = SvOK(facts) ? (AV *)SvRV(facts) : NULL,
            };

            RETVAL = list_processes(&listing);
        }
    OUTPUT:
        RETVAL

# The number of a fact that a list may have, or -1.

int
_fact_number(const char *name)
    CODE:
        RETVAL = fact_number(name);
    OUTPUT:
        RETVAL

# The number of the user namespace of a process or thread; and whether it is ours.

SV *
_user_ns(const char *process)
    PREINIT:
        unsigned long id;
    CODE:
        id = user_namespace(process);
        RETVAL = id ? newSVuv(id) : newSV(0);
    OUTPUT:
        RETVAL

SV *
_is_our_ns(const char *process, SV *id)
    PREINIT:
        int ours;
    CODE:
        ours = is_our_namespace(process, SvOK(id) ? SvUV(id) : 0, user_namespace("thread-self"));
        RETVAL = ours < 0 ? newSV(0) : newSViv(ours);
    OUTPUT:
        RETVAL

# What a process would be after it executed a file: by path, or by descriptor.

SV *
_exec(HV *process, SV *path, int fd = -1)
    CODE:
        RETVAL = after_exec(process, SvOK(path) ? SvPV_nolen(path) : NULL, fd);
    OUTPUT:
        RETVAL

# Why it would have a capability or not, and what would give it.

SV *
_exec_why(HV *process, HV *program, unsigned cap)
    CODE:
        RETVAL = exec_why(process, program, cap);
    OUTPUT:
        RETVAL
