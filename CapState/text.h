/* The text of capabilities, of a process and of a file. */
#ifndef LP_TEXT_H
#define LP_TEXT_H

#include "../src/attribute.h"

#pragma GCC visibility push(hidden)

enum lp_misread {
    LP_TEXT_FINE,
    LP_TEXT_NO_CAP,     /* a word that is no capability */
    LP_TEXT_NO_FLAG,    /* something else than flags behind an operator */
    LP_TEXT_NO_GRAMMAR, /* the whole of it, says libcap */
    LP_TEXT_PARTLY_EFFECTIVE,
    LP_TEXT_NO_ROOTID
};

/* What was wrong with a text, and where. */
struct lp_fault {
    enum lp_misread what;
    const char *at;
    size_t length;
};

/* Text to sets: libcap's grammar, without what libcap would misread. */
int lp_caps_from_text(const char *text, struct lp_caps *caps, struct lp_fault *fault);
/* Sets to text, to be freed with lp_free_text. */
char *lp_caps_to_text(const struct lp_caps *caps);
void lp_free_text(char *text);

int lp_file_caps_from_text(const char *text, struct lp_file_caps *caps, struct lp_fault *fault);
/* The text of all but the root id, to be freed with lp_free_text. */
char *lp_file_caps_to_text(const struct lp_file_caps *caps);

#pragma GCC visibility pop

#endif
