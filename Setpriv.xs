# ---- become someone else ----

MODULE = Linux::Prctl    PACKAGE = Linux::Prctl

SV *
setpriv(...)
    CODE:
        RETVAL = SvREFCNT_inc(do_setpriv(&ST(0), items));
    OUTPUT:
        RETVAL
