/* What Linux::Prctl::Setpriv asks of C. A state is a hash with the names of
 * lp_fields; a set of bits in it is a string of eight bytes, as vec() numbers them:
 * not every perl has numbers of 64 bits. */

#define MASK_BYTES 8

static const char *const act_names[] = {
    [LP_ACT_CAPSET] = "capset", [LP_ACT_KEEPCAPS] = "set_keepcaps",
    [LP_ACT_SETGROUPS] = "setgroups", [LP_ACT_SETRESGID] = "setresgid",
    [LP_ACT_SECUREBITS] = "set_securebits", [LP_ACT_BOUNDING] = "capbset_drop",
    [LP_ACT_SETRESUID] = "setresuid", [LP_ACT_AMBIENT_LOWER] = "cap_ambient_lower",
    [LP_ACT_AMBIENT_RAISE] = "cap_ambient_raise", [LP_ACT_NO_NEW_PRIVS] = "set_no_new_privs",
    [LP_ACT_PDEATHSIG] = "set_pdeathsig",
};

static const char *const stage_names[] = {
    [LP_UNTOUCHED] = "untouched", [LP_AT_STEP] = "step", [LP_NOT_GIVEN_UP_UID] = "uid",
    [LP_NOT_GIVEN_UP_GID] = "gid", [LP_NOT_VERIFIED] = "differs",
    [LP_STILL_BLOCKED] = "signals",
};

static const char *const witness_names[LP_WITNESSES] = {
    [LP_GETTERS] = "getters", [LP_PROC] = "proc",
};

/* ---- to Perl ---- */

#define put(hash, name, sv) S_put(aTHX_ hash, name, sv)
static void S_put(pTHX_ HV *hash, const char *name, SV *sv)
{
    (void)hv_store(hash, name, (I32)strlen(name), sv, 0);
}

#define new_mask(mask) S_new_mask(aTHX_ mask)
static SV *S_new_mask(pTHX_ uint64_t mask)
{
    char bytes[MASK_BYTES];

    for (int i = 0; i < MASK_BYTES; i++)
        bytes[i] = (char)(mask >> 8 * i & 0xff);
    return newSVpvn(bytes, sizeof bytes);
}

#define new_ids(ids, count) S_new_ids(aTHX_ ids, count)
static SV *S_new_ids(pTHX_ const uint32_t *ids, size_t count)
{
    AV *list = newAV();

    if (count)
        av_extend(list, (I32)count - 1);
    for (size_t i = 0; i < count; i++)
        av_push(list, newSVuv(ids[i]));
    return newRV_noinc((SV *)list);
}

/* The fields of a state; not those in untold. */
#define new_state(state, untold) S_new_state(aTHX_ state, untold)
static SV *S_new_state(pTHX_ const struct lp_state *from, unsigned untold)
{
    struct lp_state copy = *from;
    HV *hash = newHV();

    for (unsigned f = 0; f < LP_FIELDS; f++) {
        const enum lp_field field = (enum lp_field)f;
        SV *value;

        if (untold & 1U << f)
            continue;
        switch (lp_fields[f].kind) {
        case LP_KIND_IDS:
            value = new_ids(lp_field_ids(&copy, field), LP_SLOTS);
            break;
        case LP_KIND_GROUPS:
            if (!copy.groups.ids)
                continue;
            value = new_ids(copy.groups.ids, copy.groups.count);
            break;
        case LP_KIND_NUMBER:
            value = newSVuv((UV)*lp_field_number(&copy, field));
            break;
        default:
            value = new_mask(*lp_field_number(&copy, field));
        }
        put(hash, lp_fields[f].name, value);
    }
    return newRV_noinc((SV *)hash);
}

#define new_step(step, after) S_new_step(aTHX_ step, after)
static SV *S_new_step(pTHX_ const struct lp_step *step, const struct lp_state *after)
{
    HV *hash = newHV();

    put(hash, "step", newSVuv(step->number));
    put(hash, "call", newSVpv(act_names[step->act], 0));
    switch (step->act) {
    case LP_ACT_CAPSET:
        put(hash, "effective", new_mask(step->caps.set[LP_EFFECTIVE]));
        put(hash, "permitted", new_mask(step->caps.set[LP_PERMITTED]));
        put(hash, "inheritable", new_mask(step->caps.set[LP_INHERITABLE]));
        break;
    case LP_ACT_SECUREBITS:
        put(hash, "securebits", new_mask(step->value));
        break;
    case LP_ACT_BOUNDING:
    case LP_ACT_AMBIENT_LOWER:
    case LP_ACT_AMBIENT_RAISE:
        put(hash, "caps", new_mask(step->value));
        break;
    case LP_ACT_KEEPCAPS:
    case LP_ACT_NO_NEW_PRIVS:
    case LP_ACT_PDEATHSIG:
        put(hash, "value", newSVuv((UV)step->value));
        break;
    case LP_ACT_SETGROUPS:
    case LP_ACT_SETRESGID:
    case LP_ACT_SETRESUID:
        break; /* the target says it */
    }
    if (after)
        put(hash, "after", new_state(after, 0));
    return newRV_noinc((SV *)hash);
}

#define new_field_names(fields) S_new_field_names(aTHX_ fields)
static SV *S_new_field_names(pTHX_ unsigned fields)
{
    AV *names = newAV();

    for (unsigned field = 0; field < LP_FIELDS; field++)
        if (fields & 1U << field)
            av_push(names, newSVpv(lp_fields[field].name, 0));
    return newRV_noinc((SV *)names);
}

/* { getters => { state => {...}, differs => [...] }, proc => ... } */
#define new_views(view) S_new_views(aTHX_ view)
static SV *S_new_views(pTHX_ const struct lp_view view[LP_WITNESSES])
{
    HV *views = newHV();

    for (int i = 0; i < LP_WITNESSES; i++) {
        HV *hash;

        if (!view[i].there)
            continue;
        hash = newHV();
        put(hash, "state", new_state(&view[i].state, view[i].untold));
        put(hash, "differs", new_field_names(view[i].differs));
        put(views, witness_names[i], newRV_noinc((SV *)hash));
    }
    return newRV_noinc((SV *)views);
}

/* ---- from Perl ---- */

#define entry(hash, name) S_entry(aTHX_ hash, name)
static SV *S_entry(pTHX_ HV *hash, const char *name)
{
    SV **value = hv_fetch(hash, name, (I32)strlen(name), 0);

    if (!value)
        croak("setpriv: the plan lacks %s", name);
    return *value;
}

#define entry_list(hash, name) S_entry_list(aTHX_ hash, name)
static AV *S_entry_list(pTHX_ HV *hash, const char *name)
{
    SV *list = entry(hash, name);

    if (!SvROK(list) || SvTYPE(SvRV(list)) != SVt_PVAV)
        croak("setpriv: %s in the plan is not a list", name);
    return (AV *)SvRV(list);
}

#define entry_mask(hash, name) S_entry_mask(aTHX_ hash, name)
static uint64_t S_entry_mask(pTHX_ HV *hash, const char *name)
{
    STRLEN length;
    const char *bytes = SvPV(entry(hash, name), length);
    uint64_t mask = 0;

    if (length != MASK_BYTES)
        croak("setpriv: %s in the plan is not a set", name);
    for (int i = 0; i < MASK_BYTES; i++)
        mask |= (uint64_t)(unsigned char)bytes[i] << 8 * i;
    return mask;
}

/* The bits of these names, unless one of them is unknown, here or to the kernel. */
#define named_bits(set, names, mask) S_named_bits(aTHX_ set, names, mask)
static bool S_named_bits(pTHX_ enum lp_set set, AV *names, uint64_t *mask)
{
    *mask = 0;
    for (I32 i = 0; i <= av_len(names); i++) {
        SV **name = av_fetch(names, i, 0);
        int bit;

        if (!name)
            return false;
        SvGETMAGIC(*name);
        bit = bit_number(set, *name);
        if (bit < 0 || (set != LP_SECURE && lp_supported_cap((unsigned)bit) != LP_YES))
            return false;
        *mask |= LP_BIT(bit);
    }
    return true;
}

/* Not a reference, unless it has a string to offer. */
#define is_string(value) S_is_string(aTHX_ value)
static bool S_is_string(pTHX_ SV *value)
{
    if (!SvROK(value))
        return SvOK(value);
    return SvAMAGIC(value)
           && gv_fetchmethod_autoload(SvSTASH(SvRV(value)), "(\"\"", FALSE) != NULL;
}

/* A user or a group by its name. One whose id is that of none is none. */
#define named_id(user, value, id) S_named_id(aTHX_ user, value, id)
static bool S_named_id(pTHX_ bool user, SV *value, uint32_t *id)
{
    STRLEN length;
    const char *name = SvPV_nomg(value, length);
    const struct passwd *passwd;
    const struct group *group;

    if (SvUTF8(value)) {
        SV *bytes = newSVpvn_flags(name, length, SVs_TEMP | SVf_UTF8);

        if (!sv_utf8_downgrade(bytes, TRUE))
            return false;
        name = SvPV(bytes, length);
    }
    if (!length || memchr(name, '\0', length))
        return false;
    if (user) {
        passwd = getpwnam(name);
        *id = passwd ? passwd->pw_uid : UINT32_MAX;
    } else {
        group = getgrnam(name);
        *id = group ? group->gr_gid : UINT32_MAX;
    }
    return *id <= MOST_ID;
}

/* A number with a minus, a blank or a leading zero is none. */
#define plain_id(value, id) S_plain_id(aTHX_ value, id)
static bool S_plain_id(pTHX_ SV *value, uint32_t *id)
{
    STRLEN length;
    const char *text = SvPV_nomg(value, length);
    const char *end = text + length;
    unsigned long number = 0;

    text += text < end && *text == '+';
    if (text == end || end - text > 10 || (*text == '0' && end - text > 1))
        return false;
    for (; text < end; text++) {
        unsigned digit = (unsigned)(*text - '0');

        if (digit > 9 || number > (MOST_ID - digit) / 10)
            return false;
        number = 10 * number + digit;
    }
    *id = (uint32_t)number;
    return true;
}

/* A name comes before a number, as with chown(1) and setpriv(1). */
#define id_of(user, value, id) S_id_of(aTHX_ user, value, id)
static bool S_id_of(pTHX_ bool user, SV *value, uint32_t *id)
{
    if (!is_string(value))
        return false;
    if (SvROK(value)) { /* ask it once */
        STRLEN length;
        const char *text = SvPV_nomg(value, length);

        value = newSVpvn_flags(text, length, SVs_TEMP | SvUTF8(value));
    }
    return named_id(user, value, id) || plain_id(value, id);
}

/* Memory that lives as long as the call. */
#define scratch(bytes) S_scratch(aTHX_ bytes)
static void *S_scratch(pTHX_ size_t bytes)
{
    return SvPVX(sv_2mortal(newSV(bytes + 1)));
}

#define fill_ids(list, ids, count) S_fill_ids(aTHX_ list, ids, count)
static void S_fill_ids(pTHX_ AV *list, uint32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        SV **id = av_fetch(list, (I32)i, 0);

        ids[i] = id ? (uint32_t)SvUV(*id) : UINT32_MAX;
    }
}

#define fill_state(state, from) S_fill_state(aTHX_ state, from)
static void S_fill_state(pTHX_ struct lp_state *state, HV *from)
{
    for (unsigned f = 0; f < LP_FIELDS; f++) {
        const enum lp_field field = (enum lp_field)f;
        const char *name = lp_fields[f].name;
        AV *list;

        switch (lp_fields[f].kind) {
        case LP_KIND_IDS:
            fill_ids(entry_list(from, name), lp_field_ids(state, field), LP_SLOTS);
            break;
        case LP_KIND_GROUPS:
            list = entry_list(from, name);
            state->groups.count = (size_t)(av_len(list) + 1);
            state->groups.ids = scratch(state->groups.count * sizeof(gid_t));
            fill_ids(list, state->groups.ids, state->groups.count);
            break;
        case LP_KIND_NUMBER:
            *lp_field_number(state, field) = SvUV(entry(from, name));
            break;
        default:
            *lp_field_number(state, field) = entry_mask(from, name);
        }
    }
}

#define entry_fields(hash, name) S_entry_fields(aTHX_ hash, name)
static unsigned S_entry_fields(pTHX_ HV *hash, const char *name)
{
    AV *names = entry_list(hash, name);
    unsigned fields = 0;

    for (I32 i = 0; i <= av_len(names); i++) {
        SV **one = av_fetch(names, i, 0);

        for (unsigned field = 0; field < LP_FIELDS; field++)
            if (one && strEQ(SvPV_nolen(*one), lp_fields[field].name))
                fields |= 1U << field;
    }
    return fields;
}

#define fill_plan(plan, from) S_fill_plan(aTHX_ plan, from)
static void S_fill_plan(pTHX_ struct lp_plan *plan, HV *from)
{
    SV *start = entry(from, "start");
    SV *target = entry(from, "target");

    if (!SvROK(start) || SvTYPE(SvRV(start)) != SVt_PVHV || !SvROK(target)
        || SvTYPE(SvRV(target)) != SVt_PVHV)
        croak("setpriv: a state in the plan is not a hash");
    memset(plan, 0, sizeof *plan);
    fill_state(&plan->start, (HV *)SvRV(start));
    fill_state(&plan->target, (HV *)SvRV(target));
    plan->unsure = entry_fields(from, "unsure");
    plan->setgroups_denied = SvTRUE(entry(from, "setgroups_denied"));
    plan->parent = (pid_t)SvIV(entry(from, "parent"));
    plan->check_parent = SvTRUE(entry(from, "check_parent"));
    plan->exit = SvTRUE(entry(from, "exit"));
    lp_make_plan(plan);
}

/* Looks at a process with at most so many groups, one after the other. */
#define make_rooms(room, count, most) S_make_rooms(aTHX_ room, count, most)
static void S_make_rooms(pTHX_ struct lp_room *room, int count, size_t most)
{
    const size_t size = lp_status_size(most);
    gid_t *ids = (gid_t *)scratch((size_t)count * LP_WITNESSES * most * sizeof(gid_t));
    char *text = (char *)scratch(size);

    for (int i = 0; i < count; i++) {
        room[i].groups = most;
        room[i].size = size;
        room[i].text = text;
        for (int witness = 0; witness < LP_WITNESSES; witness++, ids += most)
            room[i].ids[witness] = ids;
    }
}

/* ---- what it does ---- */

#define plan_hash(plan) S_plan_hash(aTHX_ plan)
static SV *S_plan_hash(pTHX_ const struct lp_plan *plan)
{
    HV *hash = newHV();
    AV *steps = newAV();
    const struct lp_state exec = lp_after_exec(&plan->target);

    for (unsigned i = 0; i < plan->count; i++)
        av_push(steps, new_step(&plan->step[i], &plan->after[i]));
    put(hash, "steps", newRV_noinc((SV *)steps));
    put(hash, "unreached", new_field_names(plan->unreached));
    put(hash, "after_exec", new_state(&exec, 0));
    if (plan->refusal.rule != LP_NO_RULE)
        put(hash, "refused", SvREFCNT_inc(reason_text(plan->refusal)));
    return newRV_noinc((SV *)hash);
}

/* What went wrong, or undef. */
#define run_plan(plan) S_run_plan(aTHX_ plan)
static SV *S_run_plan(pTHX_ const struct lp_plan *plan)
{
    const size_t start = plan->start.groups.count, target = plan->target.groups.count;
    struct lp_room room[2];
    struct lp_outcome outcome;
    HV *hash;

    make_rooms(room, 2, (start > target ? start : target) + 1);
    if (lp_setpriv(plan, room, &outcome) == LP_DONE) {
#if PERL_VERSION < 16 /* it remembers the ids */
        PL_uid = getuid();
        PL_euid = geteuid();
        PL_gid = getgid();
        PL_egid = getegid();
#endif
        return &PL_sv_undef;
    }
    hash = newHV();
    put(hash, "stage", newSVpv(stage_names[outcome.stage], 0));
    put(hash, "error", newSViv(outcome.error));
    put(hash, "id", newSVuv(outcome.id));
    if (outcome.stage == LP_AT_STEP)
        put(hash, "step", new_step(&plan->step[outcome.step], NULL));
    if (outcome.cap < LP_CAPS)
        put(hash, "cap", newSVpv(cap_text(outcome.cap), 0));
    if (outcome.stage == LP_NOT_VERIFIED)
        put(hash, "views", new_views(outcome.view));
    if (outcome.stage != LP_UNTOUCHED)
        put(hash, "left", new_views(outcome.left));
    return newRV_noinc((SV *)hash);
}

/* What nobody told has every bit set, and no groups. */
static unsigned unknown_fields(struct lp_state *state)
{
    const uint64_t unknown = UINT64_MAX;
    unsigned fields = state->groups.ids ? 0 : 1U << LP_FIELD_GROUPS;

    for (unsigned field = 0; field < LP_FIELDS; field++)
        if (field != LP_FIELD_GROUPS
            && memcmp(lp_field_number(state, (enum lp_field)field), &unknown, sizeof unknown) == 0)
            fields |= 1U << field;
    return fields;
}

/* The process as it is; or the fields that the getters do not tell, and those where
 * /proc tells something else, which takes a filter. (What a filter says of itself may
 * be false too: the end is compared in any case.) */
#define look() S_look(aTHX)
static SV *S_look(pTHX)
{
    struct lp_view view[LP_WITNESSES];
    struct lp_room room;
    HV *hash;
    unsigned unknown;
    int groups = getgroups(0, NULL);
    int proc = lp_unfiltered() ? -1 : lp_open_status();

    make_rooms(&room, 1, (size_t)(groups > 0 ? groups : 0) + 1);
    lp_look(&room, proc, NULL, view);
    if (proc >= 0)
        (void)close(proc); /* it was only read */
    unknown = unknown_fields(&view[LP_GETTERS].state);
    if (!unknown && !view[LP_PROC].differs)
        return new_state(&view[LP_GETTERS].state, 0);
    hash = newHV();
    put(hash, "unknown", new_field_names(unknown));
    put(hash, "differs", new_field_names(view[LP_PROC].differs));
    return newRV_noinc((SV *)hash);
}

/* The groups of a user, by name or else by number, as initgroups(3) would set them. */
#define init_groups(name, uid) S_init_groups(aTHX_ name, uid)
static SV *S_init_groups(pTHX_ const char *name, uid_t uid)
{
    const struct passwd *user = getpwnam(name);
    int room = 64;

    if (!user)
        user = getpwuid(uid);
    if (!user)
        return &PL_sv_undef;
    for (;;) {
        gid_t *ids = (gid_t *)scratch((size_t)room * sizeof *ids);
        int count = room;

        if (getgrouplist(user->pw_name, user->pw_gid, ids, &count) >= 0)
            return new_ids(ids, (size_t)count);
        room = count > room ? count : 2 * room;
    }
}

static int read_map(const char *kind, struct lp_map *map)
{
    return lp_read_map(*kind == 'u' ? "/proc/self/uid_map" : "/proc/self/gid_map", map);
}
