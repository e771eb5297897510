/* The functions that src/functions.inc describes whole: one body serves them all. */
#ifndef LP_XS_FUNCTIONS_H
#define LP_XS_FUNCTIONS_H

#include "answers.h"
#include "args.h"
#include "signals.h"
#include "threads.h"

#include <limits.h>

/* ---- what a row says ---- */

enum word_kind {
    W_NONE, /* behind the last */
    W_FIXED,
    W_NUMBER,
    W_CAPABILITY, /* a name, or any number */
    W_SIGNAL,
    W_STRING, /* bytes without a NUL: a pointer to them */
    W_STRING_OR_UNDEF,
    W_PARENT,  /* the pid of one */
    W_PROGRAM, /* of a filter: a pointer to a struct program */
    W_OPTION   /* a number that prctl(2) may take first */
};

/* What prctl(2) is given after its option, in order: a number, or an argument. */
struct word {
    enum word_kind kind;
    const char *name;
    unsigned long value; /* a fixed one, or that of an argument which is left out */
    bool optional;
    bool shown; /* does Usage say what it is when left out? */
};

#define WORDS 5 /* and one behind the last */

enum body {
    BODY_XSUB,
    BODY_VALUE,
    BODY_BIT,
    BODY_INT,
    BODY_LONG,
    BODY_ASK,
    BODY_STATUS,
    BODY_LENGTH,
    BODY_CALL,
    BODY_RAW
};

struct function {
    const char *name;
    enum body body;
    bool credential;
    int option;
    struct lp_answer (*ask)(void);
    long (*call)(const unsigned long *word);
    struct word word[WORDS + 1];
};

/* The program of a seccomp filter. */
struct program {
    const char *bytes;
    size_t instructions;
};

#define FILTER_BYTES 8 /* struct sock_filter */
#define ANY_PARENT ((unsigned long)-1)

static long pdeathsig(const unsigned long *word)
{
    return lp_set_pdeathsig(word[0], (pid_t)word[1]);
}

static long mce_kill(const unsigned long *word)
{
    return lp_set_mce_kill(word[0]);
}

static long seccomp(const unsigned long *word)
{
    const struct program *program = (const struct program *)word[1];

    return lp_done(lp_set_seccomp(word[0], program ? program->bytes : NULL,
                                  program ? program->instructions : 0));
}

static long raw_prctl(const unsigned long *word)
{
    return lp_call((int)word[0], word[1], word[2], word[3], word[4]);
}

/* Words. */
#define FIXED(number) {.kind = W_FIXED, .value = number}
#define NUMBER(named) {.kind = W_NUMBER, .name = #named}
#define OPTIONAL(named, number)                                                     \
    {.kind = W_NUMBER, .name = #named, .value = number, .optional = true, .shown = true}
#define CAPABILITY(named) {.kind = W_CAPABILITY, .name = #named}
#define SIGNAL(named) {.kind = W_SIGNAL, .name = #named}
#define STRING(named) {.kind = W_STRING, .name = #named}
#define STRING_OR_UNDEF(named) {.kind = W_STRING_OR_UNDEF, .name = #named}
#define MAYBE_PARENT(named)                                                         \
    {.kind = W_PARENT, .name = #named, .value = ANY_PARENT, .optional = true}
#define MAYBE_PROGRAM(named) {.kind = W_PROGRAM, .name = #named, .optional = true}
#define OPTION_NUMBER(named) {.kind = W_OPTION, .name = #named}

/* Bodies. */
#define XSUB .body = BODY_XSUB
#define GET(number, ...) .body = BODY_VALUE, .option = number, .word = {__VA_ARGS__}
#define GET_BIT(number, ...) .body = BODY_BIT, .option = number, .word = {__VA_ARGS__}
#define GET_INT(number) .body = BODY_INT, .option = number
#define GET_LONG(number) .body = BODY_LONG, .option = number
#define GET_BY(function) .body = BODY_ASK, .ask = function
#define SET(number, ...) .body = BODY_STATUS, .option = number, .word = {__VA_ARGS__}
#define SET_LENGTH(number, ...) .body = BODY_LENGTH, .option = number, .word = {__VA_ARGS__}
#define SET_BY(function, ...) .body = BODY_CALL, .call = function, .word = {__VA_ARGS__}
#define RAW(function, ...) .body = BODY_RAW, .call = function, .word = {__VA_ARGS__}
#define CREDENTIAL_SET(number, ...) .credential = true, SET(number, __VA_ARGS__)
#define CREDENTIAL_BY(function, ...) .credential = true, SET_BY(function, __VA_ARGS__)

static const struct function functions[] = {
#define FUNCTION(named, tag, body, probe) {.name = "Linux::Prctl::" #named, body},
#include "../src/functions.inc"
#undef FUNCTION
};

/* ---- arguments ---- */

/* "flag, flags = 0", "signal [, parent]" */
#define usage(cv, function) S_usage(aTHX_ cv, function)
static void S_usage(pTHX_ CV *cv, const struct function *function) __attribute__((noreturn));
static void S_usage(pTHX_ CV *cv, const struct function *function)
{
    SV *text = sv_2mortal(newSVpvs(""));

    for (int i = 0; i < WORDS; i++) {
        const struct word *word = &function->word[i];
        const char *comma = SvCUR(text) ? ", " : "";

        if (!word->name)
            continue;
        if (word->shown)
            sv_catpvf(text, "%s%s = %lu", comma, word->name, word->value);
        else if (word->optional)
            sv_catpvf(text, " [%s%s]", comma, word->name);
        else
            sv_catpvf(text, "%s%s", comma, word->name);
    }
    misuse("Usage: Linux::Prctl::%s(%s)", function_name(cv), SvPVX(text));
}

#define program_arg(cv, argument, sv) S_program_arg(aTHX_ cv, argument, sv)
static unsigned long S_program_arg(pTHX_ CV *cv, const char *argument, SV *sv)
{
    struct program *program = (struct program *)SvPVX(sv_2mortal(newSV(sizeof *program)));
    STRLEN length;

    program->bytes = bytes_arg(cv, argument, sv, &length);
    if (length % FILTER_BYTES || length / FILTER_BYTES > USHRT_MAX)
        misuse("%s: %s of %lu bytes is not a whole number of instructions of %d bytes,"
              " or more than %d of them", function_name(cv), argument, (unsigned long)length,
              FILTER_BYTES, USHRT_MAX);
    program->instructions = length / FILTER_BYTES;
    return (unsigned long)program;
}

#define option_arg(cv, argument, sv) S_option_arg(aTHX_ cv, argument, sv)
static unsigned long S_option_arg(pTHX_ CV *cv, const char *argument, SV *sv)
{
    const unsigned long number = number_arg(cv, argument, sv);

    if (number > UINT_MAX && ((long)number > -1 || (long)number < INT_MIN))
        misuse("%s: %s %s does not fit into an int", function_name(cv), argument, shown(sv));
    return number;
}

#define word_arg(cv, word, sv) S_word_arg(aTHX_ cv, word, sv)
static unsigned long S_word_arg(pTHX_ CV *cv, const struct word *word, SV *sv)
{
    switch (word->kind) {
    case W_CAPABILITY:
        return cap_number_arg(cv, sv);
    case W_SIGNAL:
        return signal_arg(cv, sv);
    case W_STRING:
        return (unsigned long)borrowed_string_arg(cv, word->name, sv); /* the last word */
    case W_STRING_OR_UNDEF:
        return (unsigned long)string_or_null_arg(cv, word->name, sv);
    case W_PARENT:
        return ranged_arg(cv, word->name, sv, INT_MAX);
    case W_PROGRAM:
        return program_arg(cv, word->name, sv);
    case W_OPTION:
        return option_arg(cv, word->name, sv);
    default:
        return number_arg(cv, word->name, sv);
    }
}

/* All words, before anything is done. */
#define take_words(cv, function, ax, count, words)                                \
    S_take_words(aTHX_ cv, function, ax, count, words)
static void S_take_words(pTHX_ CV *cv, const struct function *function, I32 ax, I32 count,
                         unsigned long *words)
{
    const struct word *word;
    I32 least = 0, most = 0;
    I32 taken = 0;

    for (word = function->word; word->kind != W_NONE; word++)
        if (word->name) {
            most++;
            least += !word->optional;
        }
    if (count < least || count > most)
        usage(cv, function);
    for (word = function->word; word->kind != W_NONE; word++, words++) {
        *words = word->value;
        if (word->name && taken < count) {
            *words = word_arg(cv, word, ARGUMENT(ax, taken));
            taken++;
        }
    }
}

/* ---- the bodies ---- */

static struct lp_answer bit_answer(int bit)
{
    return (struct lp_answer){.failed = bit == -1, .value = bit == 1};
}

LP_INLINE struct lp_answer answer_of(const struct function *function, enum body body,
                                     const unsigned long *word)
{
    switch (body) {
    case BODY_BIT:
        return bit_answer(lp_ask_bit_of(function->option, word[0], word[1]));
    case BODY_INT:
        return lp_ask_int(function->option);
    case BODY_LONG:
        return lp_ask_long(function->option);
    case BODY_ASK:
        return function->ask();
    default:
        return lp_ask(function->option, word[0], word[1]);
    }
}

LP_INLINE long status_of(const struct function *function, enum body body,
                         const unsigned long *word)
{
    if (body == BODY_CALL || body == BODY_RAW)
        return function->call(word);
    if (body == BODY_LENGTH)
        return lp_call(function->option, word[0], word[1], word[2], word[3]);
    return lp_done(lp_call(function->option, word[0], word[1], word[2], word[3]));
}

/* Most functions are given nothing, or one argument which is all that prctl(2) takes. */
enum taking { TAKES_NONE, TAKES_ONE, TAKES_ANY };

static enum taking taking_of(const struct word *word)
{
    if (word[0].kind == W_NONE)
        return TAKES_NONE;
    return word[0].name && !word[0].optional && word[1].kind == W_NONE ? TAKES_ONE : TAKES_ANY;
}

#define take(cv, function, taking, ax, count, words)                              \
    S_take(aTHX_ cv, function, taking, ax, count, words)
LP_INLINE void S_take(pTHX_ CV *cv, const struct function *function, enum taking taking, I32 ax,
                      I32 count, unsigned long *words)
{
    if (taking == TAKES_ANY) {
        take_words(cv, function, ax, count, words);
        return;
    }
    if (count != (taking == TAKES_ONE))
        usage(cv, function);
    if (taking == TAKES_ONE)
        words[0] = word_arg(cv, &function->word[0], ARGUMENT(ax, 0));
}

/* The whole stack of an XSUB becomes its answer, in the operator's own scalar. */
LP_INLINE void S_set(pTHX_ CV *cv, enum body body, enum taking taking)
{
    dXSARGS;
    const struct function *function = (const struct function *)XSANY.any_ptr;
    unsigned long word[WORDS] = {0};
    long status;

    take(cv, function, taking, ax, items, word);
    if (function->credential)
        CREDENTIAL(call_text_at(cv, ax, items));
    status = status_of(function, body, word);
    if (status == -1)
        refused_call(cv, ax, items, NULL);
    XSprePUSH;
    EXTEND(SP, 1);
    {
        dXSTARG;

        PUSHi((IV)status);
    }
    XSRETURN(1);
}

LP_INLINE void S_get(pTHX_ CV *cv, enum body body, enum taking taking)
{
    dXSARGS;
    const struct function *function = (const struct function *)XSANY.any_ptr;
    unsigned long word[WORDS] = {0};
    struct lp_answer answer;

    take(cv, function, taking, ax, items, word);
    answer = answer_of(function, body, word);
    if (answer.failed)
        refused_call(cv, ax, items, NULL);
    XSprePUSH;
    EXTEND(SP, 1);
    if (answer.failed) {
        PUSHs(&PL_sv_undef);
    } else {
        dXSTARG;

        if (answer.value > UV_MAX) /* a cookie may be wider than perl's numbers */
            PUSHn((NV)answer.value);
        else
            PUSHu((UV)answer.value);
    }
    XSRETURN(1);
}

/* What most functions are: an XSUB of one piece, from perl to the kernel and back. */
#define ONE_PIECE(_)                                                                \
    _(get, VALUE, NONE)                                                             \
    _(get, BIT, NONE)                                                               \
    _(get, BIT, ONE)                                                                \
    _(get, INT, NONE)                                                               \
    _(set, STATUS, ONE)

#define DEFINE(way, body, taking)                                                   \
    static void way##_##body##_##taking(pTHX_ CV *cv)                               \
    {                                                                               \
        S_##way(aTHX_ cv, BODY_##body, TAKES_##taking);                             \
    }
ONE_PIECE(DEFINE)
#undef DEFINE

static void get_function(pTHX_ CV *cv)
{
    const struct function *function = (const struct function *)XSANY.any_ptr;

    S_get(aTHX_ cv, function->body, TAKES_ANY);
}

static void set_function(pTHX_ CV *cv)
{
    const struct function *function = (const struct function *)XSANY.any_ptr;

    S_set(aTHX_ cv, function->body, TAKES_ANY);
}

static XSUBADDR_t body_of(const struct function *function)
{
    const enum taking taking = taking_of(function->word);

#define CHOOSE(way, named, takes)                                                   \
    if (function->body == BODY_##named && taking == TAKES_##takes)                  \
        return way##_##named##_##takes;
    ONE_PIECE(CHOOSE)
#undef CHOOSE
    return function->body < BODY_STATUS ? get_function : set_function;
}

/* All of them into the package. */
#define add_functions() S_add_functions(aTHX)
static void S_add_functions(pTHX)
{
    for (size_t i = 0; i < C_ARRAY_LENGTH(functions); i++)
        if (functions[i].body != BODY_XSUB) {
            CV *cv = newXS((char *)functions[i].name, body_of(&functions[i]),
                           (char *)__FILE__);

            XSANY.any_ptr = (void *)&functions[i];
        }
}

/* ---- the title that ps shows ---- */

/* perl writes it when $0 is set, and the name with it; where it could not, it would die
 * with $0 changed. So the name is set first, to what it is. */
#define set_proctitle(title) S_set_proctitle(aTHX_ title)
static long S_set_proctitle(pTHX_ const char *title)
{
    char name[LP_NAME_BYTES];
    SV *zero;

    if (lp_get_name(name) != 0 || lp_change(PR_SET_NAME, (unsigned long)name, 0, 0, 0) != 0)
        return -1;
    zero = get_sv("0", GV_ADD);
    sv_setpv(zero, title);
    SvUTF8_off(zero); /* which sv_setpv leaves as it was */
    SvSETMAGIC(zero);
    return lp_change(PR_SET_NAME, (unsigned long)name, 0, 0, 0);
}

/* ---- supported() ---- */

#define supported_sv(cv, what) S_supported_sv(aTHX_ cv, what)
static SV *S_supported_sv(pTHX_ CV *cv, SV *what)
{
    enum lp_supported answer = LP_UNKNOWN_FUNCTION;
    SV *once;
    int cap;

    SvGETMAGIC(what);
    once = asked_once(what);
    cap = bit_number(LP_EFFECTIVE, once);
    if (cap >= 0) {
        answer = lp_supported_cap((unsigned)cap);
    } else if (SvOK(once) && !SvROK(once)) {
        STRLEN length;
        const char *text = SvPV_nomg(once, length);

        answer = lp_supported(text, length);
    }
    switch (answer) {
    case LP_YES:
        return &PL_sv_yes;
    case LP_NO:
        return &PL_sv_no;
    case LP_CANNOT_ASK:
        return &PL_sv_undef;
    case LP_UNKNOWN_FUNCTION:
        break;
    }
    misuse("%s: %s is neither a function of Linux::Prctl nor a capability", function_name(cv),
          shown(what));
}

#endif
