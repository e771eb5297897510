/* What xt/sanitizers runs under ThreadSanitizer: threads that change their capabilities, note a
 * tracer, protect the memory as spawn does, ask what is remembered, and fork. Not spawn itself: a
 * child that shares the memory would be taken for the thread that waits for it. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../src/lp.h"
#include "../src/memory.h"
#include "../src/sets.h"
#include "../src/threads.h"

#define THREADS 6

#define MUST(condition)                                                                \
    do {                                                                               \
        if (!(condition)) {                                                            \
            fprintf(stderr, "not true: %s (%s)\n", #condition, strerror(errno));       \
            abort();                                                                   \
        }                                                                              \
    } while (0)

static unsigned rounds = 300;

/* As spawn does around a child. */
static void protect_memory(void)
{
    MUST(lp_protect_memory(true));
    MUST(lp_ask(PR_GET_DUMPABLE, 0, 0).value == LP_SUID_DUMP_DISABLE);
    lp_release_memory();
}

static void lower_and_raise(void)
{
    const uint64_t bit = LP_BIT(LP_CAP_kill);
    uint64_t now;

    MUST(lp_write(&(struct lp_write){LP_EFFECTIVE, ~bit, 0, false}) == 0);
    MUST(lp_read(LP_EFFECTIVE, &now) == 0 && !(now & bit));
    MUST(lp_write(&(struct lp_write){LP_EFFECTIVE, ~UINT64_C(0), bit, false}) == 0);
    MUST(lp_bit(LP_EFFECTIVE, LP_CAP_kill) == 1);
}

static void ask_what_is_remembered(void)
{
    lp_forget_caps();
    MUST(lp_all_caps() & LP_BIT(LP_CAP_kill));
    MUST(lp_supported_cap(LP_CAP_chown) == LP_YES && lp_supported_cap(63) == LP_NO);
    MUST(lp_other_threads() > 0);
}

static void note_a_tracer(void)
{
    struct lp_answer answer;

    (void)lp_call(PR_SET_PTRACER, 1, 0, 0, 0); /* only Yama knows it */
    lp_note_ptracer(1);
    answer = lp_get_ptracer();
    MUST(!answer.failed && answer.value == 1);
}

static void fork_a_child(void)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(lp_supported_cap(LP_CAP_kill) == LP_YES ? 0 : 1);
    MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

static void (*const work[])(void) = {
    protect_memory, lower_and_raise, note_a_tracer, fork_a_child, ask_what_is_remembered,
};
#define WORKS (sizeof work / sizeof *work)

/* Each does all of it, and each begins elsewhere. */
static void *run(void *first)
{
    const unsigned at = *(const unsigned *)first;

    for (unsigned i = 0; i < rounds * WORKS; i++)
        work[(at + i) % WORKS]();
    return NULL;
}

int main(int count, char **words)
{
    pthread_t thread[THREADS];
    unsigned first[THREADS];

    if (count > 1)
        rounds = (unsigned)atoi(words[1]);
    for (unsigned i = 0; i < THREADS; i++) {
        first[i] = i;
        MUST(pthread_create(&thread[i], NULL, run, &first[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        MUST(pthread_join(thread[i], NULL) == 0);
    MUST(lp_ask(PR_GET_DUMPABLE, 0, 0).value == 1);
    printf("%u threads, each %u times %u kinds of work\n", THREADS, rounds, (unsigned)WORKS);
    return 0;
}
