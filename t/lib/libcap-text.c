/* What libcap itself makes of texts: for each line of standard input the sets
 * effective, permitted and inheritable in hexadecimal, or "rejected". */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>

static uint64_t mask(cap_t state, cap_flag_t flag)
{
    uint64_t mask = 0;

    for (int cap = 0; cap < 64; cap++) {
        cap_flag_value_t raised;

        if (cap_get_flag(state, cap, flag, &raised) == 0 && raised == CAP_SET)
            mask |= (uint64_t)1 << cap;
    }
    return mask;
}

int main(void)
{
    char line[4096];

    while (fgets(line, sizeof line, stdin)) {
        cap_t state;

        line[strcspn(line, "\n")] = '\0';
        state = cap_from_text(line);
        if (state) {
            printf("%llx %llx %llx\n", (unsigned long long)mask(state, CAP_EFFECTIVE),
                   (unsigned long long)mask(state, CAP_PERMITTED),
                   (unsigned long long)mask(state, CAP_INHERITABLE));
            cap_free(state);
        } else {
            puts("rejected");
        }
    }
    return 0;
}
