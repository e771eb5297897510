/* perl's own headers, as every file here wants them. */
#ifndef LP_XS_PERL_API_H
#define LP_XS_PERL_API_H

#ifndef PERL_NO_GET_CONTEXT
#define PERL_NO_GET_CONTEXT
#endif
#include "EXTERN.h"
#include "perl.h"
#include "XSUB.h"

#endif
