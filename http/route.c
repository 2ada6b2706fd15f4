/* route.c - paths to calls.
 *
 * Guarantees: an id that comes out is a valid account id. Paths are compared as they came: no
 * "." or ".." is resolved, no slash is forgiven. It must not know what the calls do.
 */
#include "route.h"

#include <assert.h>
#include <string.h>

#include "florin.h"

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

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes %xx; false: malformed, or longer than an id can be. */
static bool decode_segment(const char *bytes, size_t length, struct route_match *match)
{
    match->account_length = 0;
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        if (c == '%') {
            if (length - i < 3 || hex_value(bytes[i + 1]) < 0 || hex_value(bytes[i + 2]) < 0)
                return false;
            c = (char)(hex_value(bytes[i + 1]) * 16 + hex_value(bytes[i + 2]));
            i += 2;
        }
        if (match->account_length == sizeof(match->account))
            return false;
        match->account[match->account_length++] = c;
    }
    return florin_account_id_is_valid(match->account, match->account_length);
}

/* Behind "/accounts/". */
static void find_below_accounts(const char *rest, size_t length, struct route_match *match)
{
    const char *slash = memchr(rest, '/', length);
    size_t id_length = slash == NULL ? length : (size_t)(slash - rest);
    if (id_length == 0)
        return;
    if (slash == NULL)
        match->route = ROUTE_ACCOUNT;
    else if (equals(slash, length - id_length, "/balance"))
        match->route = ROUTE_BALANCE;
    else if (equals(slash, length - id_length, "/transactions"))
        match->route = ROUTE_TRANSACTIONS;
    else
        return;
    if (!decode_segment(rest, id_length, match))
        match->account_length = 0;
}

void route_find(const char *path, size_t path_length, struct route_match *match)
{
    static const char accounts[] = "/accounts/";
    static const struct {
        const char *path;
        enum route route;
    } whole[] = {
        {"/accounts", ROUTE_ACCOUNTS},   {"/withdraw", ROUTE_WITHDRAW},
        {"/healthz", ROUTE_HEALTHZ},     {"/readyz", ROUTE_READYZ},
        {"/metrics", ROUTE_METRICS},     {"/admin/checkpoint", ROUTE_CHECKPOINT},
        {"/admin/backup", ROUTE_BACKUP}, {"/batch", ROUTE_BATCH},
    };
    match->route = ROUTE_NONE;
    match->account_length = 0;
    if (path_length >= sizeof(accounts) - 1 && memcmp(path, accounts, sizeof(accounts) - 1) == 0) {
        find_below_accounts(path + sizeof(accounts) - 1, path_length - (sizeof(accounts) - 1),
                            match);
        return;
    }
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
