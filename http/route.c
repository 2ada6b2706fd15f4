/* route.c - paths to calls.
 *
 * Guarantees: an id that comes out is a valid account id. Paths are compared as they came: no
 * "." or ".." is resolved, no slash is forgiven. It must not know what the calls do.
 */
#include "route.h"

#include <assert.h>
#include <string.h>

#include "florin.h"
#include "percent.h"
#include "public_id.h"

static const struct {
    const char *name;
    const char *allow;
} routes[ROUTE_COUNT] = {
#define X(route, text, allow) [ROUTE_##route] = {text, allow},
    ROUTE_LIST(X)
#undef X
};

static bool equals(const char *bytes, size_t length, const char *text)
{
    return length == strlen(text) && memcmp(bytes, text, length) == 0;
}

/* Behind a prefix stands an id, and behind that the rest of the path. */
static const struct {
    const char *prefix;
    const char *rest;
    enum route route;
    enum route_subject subject;
} patterns[] = {
    {"/accounts/", "", ROUTE_ACCOUNT, ROUTE_SUBJECT_ACCOUNT},
    {"/accounts/", "/balance", ROUTE_BALANCE, ROUTE_SUBJECT_ACCOUNT},
    {"/accounts/", "/transactions", ROUTE_TRANSACTIONS, ROUTE_SUBJECT_ACCOUNT},
    {"/accounts/", "/holds", ROUTE_HOLDS, ROUTE_SUBJECT_ACCOUNT},
    {"/holds/", "/capture", ROUTE_CAPTURE, ROUTE_SUBJECT_HOLD},
    {"/holds/", "/void", ROUTE_VOID, ROUTE_SUBJECT_HOLD},
    {"/transactions/", "", ROUTE_TRANSACTION, ROUTE_SUBJECT_TRANSACTION},
    {"/transactions/", "/reversal", ROUTE_REVERSAL, ROUTE_SUBJECT_TRANSACTION},
};

/* Leaves account_length at 0 when it is not a valid id. */
static void read_id(const char *bytes, size_t length, struct route_match *match)
{
    char id[PUBLIC_ID_HOLD_BYTES];
    const char *account = id;
    size_t account_length;
    if (!percent_decode(bytes, length, id, sizeof(id), &account_length))
        return;
    if (match->subject == ROUTE_SUBJECT_TRANSACTION) {
        if (!public_id_read_transaction(id, account_length, &match->target_id))
            match->target_id = 0;
        return;
    }
    bool valid =
        match->subject == ROUTE_SUBJECT_HOLD
            ? public_id_read_hold(id, account_length, &match->target_id, &account, &account_length)
            : florin_account_id_is_valid(id, account_length);
    if (!valid)
        return;
    memcpy(match->account, account, account_length);
    match->account_length = account_length;
}

/* Whether the path has an id where the pattern has one. */
static bool find_pattern(const char *path, size_t path_length, struct route_match *match)
{
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        size_t start = strlen(patterns[i].prefix);
        if (path_length <= start || memcmp(path, patterns[i].prefix, start) != 0)
            continue;
        const char *slash = memchr(path + start, '/', path_length - start);
        size_t end = slash == NULL ? path_length : (size_t)(slash - path);
        if (end == start || !equals(path + end, path_length - end, patterns[i].rest))
            continue;
        match->route = patterns[i].route;
        match->subject = patterns[i].subject;
        read_id(path + start, end - start, match);
        return true;
    }
    return false;
}

void route_find(const char *path, size_t path_length, struct route_match *match)
{
    static const struct {
        const char *path;
        enum route route;
    } whole[] = {
        {"/accounts", ROUTE_ACCOUNTS},   {"/withdraw", ROUTE_WITHDRAW},
        {"/healthz", ROUTE_HEALTHZ},     {"/readyz", ROUTE_READYZ},
        {"/metrics", ROUTE_METRICS},     {"/admin/checkpoint", ROUTE_CHECKPOINT},
        {"/admin/backup", ROUTE_BACKUP}, {"/transfers", ROUTE_TRANSFERS},
        {"/postings", ROUTE_POSTINGS},   {"/events", ROUTE_EVENTS},
        {"/batch", ROUTE_BATCH},
    };
    match->route = ROUTE_NONE;
    match->subject = ROUTE_SUBJECT_NONE;
    match->account_length = 0;
    match->target_id = 0;
    if (find_pattern(path, path_length, match))
        return;
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        if (equals(path, path_length, whole[i].path))
            match->route = whole[i].route;
    }
}

const char *route_name(enum route route)
{
    assert(route < ROUTE_COUNT);
    return routes[route].name;
}

size_t route_body_max(enum route route)
{
    return route == ROUTE_BATCH ? FLORIN_BATCH_BODY_MAX : FLORIN_BODY_MAX;
}

const char *route_media_types(enum route route)
{
    return route == ROUTE_BATCH
               ? "application/json, application/x-ndjson, application/vnd.florin.batch"
               : "application/json";
}

const char *route_allow(enum route route)
{
    assert(route < ROUTE_COUNT);
    return routes[route].allow;
}

/* The list is that of the header: methods with ", " between them. */
bool route_allows(enum route route, const char *method, size_t method_length)
{
    const char *rest = route_allow(route);
    while (*rest != '\0') {
        size_t length = strcspn(rest, ",");
        if (method_length == length && memcmp(rest, method, length) == 0)
            return true;
        rest += length;
        rest += strspn(rest, ", ");
    }
    return false;
}
