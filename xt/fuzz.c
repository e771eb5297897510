/* What xt/fuzz feeds with bytes: one parser a program, chosen by its name. What was read is
 * written and read again where it can be, and must be the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(FUZZ_status)
#include "../src/look.c"
#elif defined(FUZZ_map) || defined(FUZZ_program)
#include "../src/exec_file.c"
#else
#include "../src/lp.h"
#endif
#include "../src/attribute.h"
#include "../src/userns.h"
#ifdef FUZZ_text
#include "../CapState/text.h"
#endif

#define MUST(condition)                                                             \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "not true: %s\n", #condition);                          \
            abort();                                                                \
        }                                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* With a zero behind it, in memory of just that size. */
#if !defined(FUZZ_attribute) && !defined(FUZZ_names) && !defined(FUZZ_program)
static char *text_of(const uint8_t *bytes, size_t size)
{
    char *text = malloc(size + 1);

    MUST(text);
    memcpy(text, bytes, size);
    text[size] = '\0';
    return text;
}
#endif

#if defined(FUZZ_attribute)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct lp_file_caps caps, again;
    struct lp_malformation why;
    unsigned char written[LP_ATTRIBUTE_BYTES];
    size_t length;

    if (lp_file_caps_from_attribute(bytes, size, &caps, &why) != 0) {
        MUST(why.what != LP_WELL_FORMED);
        return 0;
    }
    length = lp_file_caps_to_attribute(&caps, written);
    MUST(length <= sizeof written);
    MUST(lp_file_caps_from_attribute(written, length, &again, &why) == 0);
    MUST(lp_same_file_caps(&caps, &again));
    return 0;
}

#elif defined(FUZZ_text)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text = text_of(bytes, size);
    struct lp_file_caps file;
    struct lp_caps caps, again;
    struct lp_fault fault;

    memset(&file, 0, sizeof file);
    memset(&fault, 0, sizeof fault);
    if (lp_caps_from_text(text, &caps, &fault) == 0) {
        char *written = lp_caps_to_text(&caps);

        MUST(written);
        MUST(lp_caps_from_text(written, &again, &fault) == 0);
        MUST(lp_same_caps(&caps, &again));
        lp_free_text(written);
    } else {
        MUST(!fault.at || (fault.at >= text && fault.at + fault.length <= text + size));
    }
    memset(&fault, 0, sizeof fault);
    if (lp_file_caps_from_text(text, &file, &fault) == 0) {
        char *written = lp_file_caps_to_text(&file);

        MUST(written);
        lp_free_text(written);
    } else {
        MUST(!fault.at || (fault.at >= text && fault.at + fault.length <= text + size));
    }
    free(text);
    return 0;
}

#elif defined(FUZZ_status)

#define GROUPS 5

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct lp_reading reading = {.there = true};
    struct lp_buffer buffer = {.groups = GROUPS, .size = size + 1, .text = text_of(bytes, size)};

    buffer.ids[LP_PROC] = malloc(GROUPS * sizeof(gid_t));
    MUST(buffer.ids[LP_PROC]);
    know_nothing(&reading.creds);
    (void)parse_status(&buffer, &reading);
    MUST(!reading.creds.groups.ids || reading.creds.groups.count <= GROUPS);
    (void)lp_unknown_fields(&reading.creds);
    free(buffer.ids[LP_PROC]);
    free(buffer.text);
    return 0;
}

#elif defined(FUZZ_map)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct lp_map map;
    struct lp_exec_range range[MOST_RANGES];
    char *text = text_of(bytes, size);
    uid_t root = LP_NOBODY;

    MUST(read_ranges(text, true, range, MOST_RANGES, &root) <= MOST_RANGES);
    (void)some_are_hidden(range, read_ranges(text, false, range, MOST_RANGES, &root));
    if (size < sizeof map.text) {
        memcpy(map.text, text, size + 1);
        (void)lp_in_map(&map, 0);
        (void)lp_in_map(&map, UINT32_MAX);
        (void)lp_maps_all(&map);
    }
    free(text);
    return 0;
}

#elif defined(FUZZ_program)

/* A file of these bytes, looked at as the kernel would before it executes it. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct lp_exec_chain chain;
    static struct lp_exec_view view;
    const int file = memfd_create("fuzz", MFD_CLOEXEC);

    MUST(file >= 0 && write(file, bytes, size) == (ssize_t)size);
    MUST(lp_exec_look_at_ids(0, true, &view) == 0);
    MUST(lp_exec_look(NULL, file, &view, &chain) == 0);
    MUST(chain.count > 0 && chain.count <= LP_EXEC_DEPTH);
    for (size_t i = 0; i < chain.count; i++)
        MUST(memchr(chain.path[i], '\0', PATH_MAX));
    (void)close(file);
    return 0;
}

#elif defined(FUZZ_names)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *text = (const char *)bytes; /* no zero behind it */
    unsigned long number;
    int cap = lp_cap_number(text, size);
    int bit = lp_securebit_number(text, size);

    MUST(cap >= -1 && cap < LP_CAPS);
    MUST(bit >= -1 && bit < LP_SECUREBITS);
    if (cap >= 0 && lp_cap_name((unsigned)cap))
        MUST(lp_cap_number(lp_cap_name((unsigned)cap), strlen(lp_cap_name((unsigned)cap))) == cap);
    if (lp_decimal(text, size, 4294967294UL, &number))
        MUST(number <= 4294967294UL);
    (void)lp_same_word("all", text, size);
    return 0;
}

#endif
