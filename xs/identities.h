/* Users and groups in options: by number, or by what the name service tells. */
#ifndef LP_XS_IDENTITIES_H
#define LP_XS_IDENTITIES_H

#include "options.h"
#include "../src/userns.h"

#include <grp.h>
#include <pwd.h>

/* An id, and how it was given: the name service is asked about a name alone. */
struct id_option {
    bool given;
    uint32_t id;
    const char *name; /* as it was given, where that may be a name */
};

static const char *id_word(bool user)
{
    return user ? "user" : "group";
}

#define NAME_SERVICE_BYTES 1024 /* to begin with */

#define service_failed(options, what, error) S_service_failed(aTHX_ options, what, error)
static void S_service_failed(pTHX_ const struct options *options, SV *what, int error)
    __attribute__((noreturn));
static void S_service_failed(pTHX_ const struct options *options, SV *what, int error)
{
    bad_plan(options, error,
             "%" SVf " could not be looked up: %s (a number, or '+1000', asks no name service)",
             SVfARG(what), Strerror(error));
}

/* The entry of a user: by name, or by uid where that is NULL. False: there is none. */
#define find_user(options, what, name, uid, entry) S_find_user(aTHX_ options, what, name, uid, entry)
static bool S_find_user(pTHX_ const struct options *options, SV *what, const char *name, uid_t uid,
                        struct passwd *entry)
{
    for (size_t size = NAME_SERVICE_BYTES;; size *= 2) {
        char *text = scratch(size);
        struct passwd *found = NULL;
        int error = name ? getpwnam_r(name, entry, text, size, &found)
                         : getpwuid_r(uid, entry, text, size, &found);

        if (found)
            return true;
        if (!error)
            return false;
        if (error != ERANGE)
            service_failed(options, what, error);
    }
}

#define find_group(options, what, name, gid) S_find_group(aTHX_ options, what, name, gid)
static bool S_find_group(pTHX_ const struct options *options, SV *what, const char *name,
                         uint32_t *gid)
{
    for (size_t size = NAME_SERVICE_BYTES;; size *= 2) {
        char *text = scratch(size);
        struct group entry, *found = NULL;
        int error = getgrnam_r(name, &entry, text, size, &found);

        if (found)
            *gid = found->gr_gid;
        if (found)
            return true;
        if (!error)
            return false;
        if (error != ERANGE)
            service_failed(options, what, error);
    }
}

/* The text of a value that may be a name, or NULL. */
#define name_of(value) S_name_of(aTHX_ value)
static const char *S_name_of(pTHX_ SV *value)
{
    STRLEN length;
    SV *bytes = copy_of(value);
    const char *text;

    if (SvUTF8(bytes) && !sv_utf8_downgrade(bytes, TRUE))
        return NULL;
    text = SvPV(bytes, length);
    return length && *text != '+' && !memchr(text, '\0', length) ? text : NULL;
}

/* A whole number without a minus, a blank or a leading zero. */
#define plain_id(value, id) S_plain_id(aTHX_ value, id)
static bool S_plain_id(pTHX_ SV *value, uint32_t *id)
{
    STRLEN length;
    const char *text = SvPV_nomg(value, length);
    unsigned long number;

    if (length && *text == '+') {
        text++;
        length--;
    }
    if (!lp_decimal(text, length, MOST_ID, &number))
        return false;
    *id = (uint32_t)number;
    return true;
}

#define look_up(options, user, what, value) S_look_up(aTHX_ options, user, what, value)
static struct id_option S_look_up(pTHX_ const struct options *options, bool user, SV *what,
                                  SV *value)
{
    struct id_option option = {.given = true};
    const bool number = is_number(value);
    struct passwd entry;
    bool found = false;

    if (is_string(value)) {
        option.name = number ? NULL : name_of(value);
        if (option.name && user) {
            found = find_user(options, what, option.name, 0, &entry);
            option.id = found ? entry.pw_uid : 0;
        } else if (option.name)
            found = find_group(options, what, option.name, &option.id);
        found = (found && option.id <= MOST_ID) || plain_id(value, &option.id);
    }
    if (!found)
        bad_plan(options, EINVAL, "%" SVf " is neither a %s nor a whole number from 0 to %lu",
                 SVfARG(what), id_word(user), MOST_ID);
    return option;
}

/* "reuid "www"": an option and its value. */
#define option_text(option, value) S_option_text(aTHX_ option, value)
static SV *S_option_text(pTHX_ enum option option, SV *value)
{
    return sv_2mortal(newSVpvf("%s %s", option_table[option].name, shown(value)));
}

/* ids: in /proc/self/uid_map, or gid_map. Without it, 65534 stands for every group that is not
 * mapped. */
#define check_mapped(options, option, user, ids, count)                             \
    S_check_mapped(aTHX_ options, option, user, ids, count)
static void S_check_mapped(pTHX_ const struct options *options, enum option option, bool user,
                           const uint32_t *ids, size_t count)
{
    const char *name = option_table[option].name;
    const bool mapped = count && option != OPT_groups && option != OPT_init_groups;
    struct lp_map map;
    bool told;

    if (!count)
        return;
    told = lp_read_map(user, &map) == 0;
    for (size_t i = 0; i < count; i++) {
        if (told && !lp_in_map(&map, ids[i]))
            bad_plan(options, EINVAL, "%s: %s %lu is not mapped in this user namespace", name,
                     id_word(user), (unsigned long)ids[i]);
        if (!told && !mapped && ids[i] == LP_OVERFLOW_ID)
            bad_plan(options, EINVAL,
                     "%s: group %lu cannot be told from one that is not mapped, without /proc",
                     name, (unsigned long)ids[i]);
    }
}

#define id_option(options, option, user) S_id_option(aTHX_ options, option, user)
static struct id_option S_id_option(pTHX_ const struct options *options, enum option option,
                                    bool user)
{
    SV *value = options->value[option];
    struct id_option id = {.given = false};

    if (value) {
        id = look_up(options, user, option_text(option, value), value);
        check_mapped(options, option, user, &id.id, 1);
    }
    return id;
}

#endif
