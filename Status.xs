MODULE = Linux::Prctl    PACKAGE = Linux::Prctl::Status

# ---- for Linux::Prctl::Status alone ----

# A file of /proc.

SV *
_read_proc(const char *path)
    CODE:
        RETVAL = SvREFCNT_inc(read_proc(path));
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
