# ---- start a program as someone else ----

MODULE = Linux::Prctl    PACKAGE = Linux::Prctl

SV *
spawn(...)
    CODE:
        RETVAL = SvREFCNT_inc(do_spawn(&ST(0), items));
    OUTPUT:
        RETVAL
