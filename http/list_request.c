/* list_request.c - pages of accounts from URLs.
 *
 * Guarantees: what is not understood is refused, never ignored. It must not know who answers.
 */
#include "list_request.h"

#include <string.h>

#include "query.h"

static bool take_id(const struct query *query, const char *name, struct account_list_id *id,
                    struct request_fault *fault)
{
    const char *value = query_value(query, name);
    id->length = 0;
    if (value == NULL)
        return true;
    size_t length = strlen(value);
    if (!florin_account_id_is_valid(value, length))
        return request_fault_set(fault, name, "%s",
                                 florin_status_message(FLORIN_INVALID_ACCOUNT_ID));
    id->length = (uint8_t)length;
    memcpy(id->bytes, value, length);
    return true;
}

static bool take_limit(const struct query *query, uint32_t *limit, struct request_fault *fault)
{
    enum { DIGITS_MAX = 3 };
    const char *value = query_value(query, "limit");
    uint32_t number = 0;
    *limit = LIST_LIMIT_DEFAULT;
    if (value == NULL)
        return true;
    size_t digits = strspn(value, "0123456789");
    bool well = digits >= 1 && digits <= DIGITS_MAX && value[digits] == '\0' && value[0] != '0';
    for (size_t i = 0; well && i < digits; i++)
        number = number * 10 + (uint32_t)(value[i] - '0');
    if (!well || number > FLORIN_ACCOUNT_PAGE_MAX)
        return request_fault_set(fault, "limit", "A limit is a number from 1 to %d",
                                 FLORIN_ACCOUNT_PAGE_MAX);
    *limit = number;
    return true;
}

bool list_request_parse(struct lister_query *query, const char *text, size_t length,
                        struct request_fault *fault)
{
    static const char *const names[] = {"after", "limit", "prefix"};
    struct query parameters;
    return query_parse(&parameters, text, length, names, sizeof(names) / sizeof(names[0]), fault) &&
           take_id(&parameters, "after", &query->after, fault) &&
           take_id(&parameters, "prefix", &query->prefix, fault) &&
           take_limit(&parameters, &query->limit, fault);
}
