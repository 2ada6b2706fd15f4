/* history_request.c - queries about the past from URLs.
 *
 * Guarantees: what is not understood is refused, never ignored. It must not know who answers.
 */
#include "history_request.h"

#include <assert.h>
#include <string.h>

#include "public_id.h"
#include "query.h"

enum {
    YEAR_MIN = 1970,
    YEAR_MAX = 2261, /* nanoseconds fit into 63 bits */
    DAYS_OF_YEARS_BEFORE_1970 = 719468,
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A whole decimal number from 1 on, without leading zeros. */
static bool parse_number(const char *text, size_t length, uint64_t max, uint64_t *number)
{
    uint64_t value = 0;
    if (length == 0 || length > 19 || text[0] == '0')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(text[i]))
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    if (value > max)
        return false;
    *number = value;
    return true;
}

/* --- times ----------------------------------------------------------------------------------- */

/* Days since 1970 of a date of the Gregorian calendar; Howard Hinnant, days_from_civil. */
static unsigned days_of_date(unsigned year, unsigned month, unsigned day)
{
    if (month <= 2)
        year--;
    unsigned era = year / 400;
    unsigned year_of_era = year % 400;
    unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - DAYS_OF_YEARS_BEFORE_1970;
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Numbers and marks of "YYYY-MM-DDTHH:MM:SS". */
static bool parse_fields(const char *text, unsigned fields[6])
{
    static const char shape[] = "0000-00-00T00:00:00";
    unsigned field = 0;
    fields[0] = 0;
    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        if (shape[i] == '0') {
            if (!is_digit(text[i]))
                return false;
            fields[field] = fields[field] * 10 + (unsigned)(text[i] - '0');
        } else {
            if (text[i] != shape[i])
                return false;
            fields[++field] = 0;
        }
    }
    return true;
}

/* Behind the seconds: ".123" or nothing, then "Z". */
static bool parse_fraction(const char *text, uint64_t *nanoseconds)
{
    uint64_t unit = 100000000;
    *nanoseconds = 0;
    if (*text == '.') {
        text++;
        if (!is_digit(*text))
            return false;
        for (; is_digit(*text); text++) {
            if (unit == 0)
                return false;
            *nanoseconds += (uint64_t)(*text - '0') * unit;
            unit /= 10;
        }
    }
    return strcmp(text, "Z") == 0;
}

bool history_request_time(const char *text, uint64_t *time_ns)
{
    enum { SHAPE_BYTES = 19 };
    unsigned fields[6];
    uint64_t nanoseconds;
    if (strlen(text) <= SHAPE_BYTES || !parse_fields(text, fields) ||
        !parse_fraction(text + SHAPE_BYTES, &nanoseconds))
        return false;
    unsigned year = fields[0];
    unsigned month = fields[1];
    unsigned day = fields[2];
    if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || day < 1 ||
        day > days_of_month(year, month) || fields[3] > 23 || fields[4] > 59 || fields[5] > 59)
        return false;
    uint64_t seconds = days_of_date(year, month, day) * UINT64_C(86400) +
                       fields[3] * UINT64_C(3600) + fields[4] * UINT64_C(60) + fields[5];
    *time_ns = seconds * UINT64_C(1000000000) + nanoseconds;
    return true;
}

/* --- parameters ------------------------------------------------------------------------------ */

static bool take_time(const struct query *query, const char *name, uint64_t *time_ns,
                      struct request_fault *fault)
{
    const char *value = query_value(query, name);
    if (value == NULL || history_request_time(value, time_ns))
        return true;
    return request_fault_set(fault, name, "A time is written as 2025-05-02T10:24:02Z");
}

static bool parse_page(struct history_query *asked, const char *text, size_t length,
                       struct request_fault *fault)
{
    static const char *const names[] = {"before", "limit", "from", "to"};
    struct query query;
    uint64_t limit = HISTORY_LIMIT_DEFAULT;
    if (!query_parse(&query, text, length, names, sizeof(names) / sizeof(names[0]), fault))
        return false;
    const char *before = query_value(&query, "before");
    const char *limit_text = query_value(&query, "limit");
    if (before != NULL) {
        if (!public_id_read_transaction(before, strlen(before), &asked->before_lsn))
            return request_fault_set(fault, "before", "This is no cursor");
    }
    if (limit_text != NULL &&
        !parse_number(limit_text, strlen(limit_text), FLORIN_HISTORY_PAGE_MAX, &limit))
        return request_fault_set(fault, "limit", "A limit is a number from 1 to %d",
                                 FLORIN_HISTORY_PAGE_MAX);
    asked->kind = HISTORY_PAGE;
    asked->limit = (uint32_t)limit;
    asked->to_ns = UINT64_MAX;
    if (!take_time(&query, "from", &asked->from_ns, fault) ||
        !take_time(&query, "to", &asked->to_ns, fault))
        return false;
    if (asked->to_ns <= asked->from_ns)
        return request_fault_set(fault, "to", "The end must be later than the start");
    return true;
}

static bool parse_balance(struct history_query *asked, const char *text, size_t length,
                          struct request_fault *fault)
{
    static const char *const names[] = {"version", "at"};
    struct query query;
    if (!query_parse(&query, text, length, names, sizeof(names) / sizeof(names[0]), fault))
        return false;
    const char *version = query_value(&query, "version");
    const char *at = query_value(&query, "at");
    if (version != NULL && at != NULL)
        return request_fault_set(fault, "at", "Either a version or a time, not both");
    if (version == NULL && at == NULL)
        return request_fault_set(fault, "query", "A query has parameters");
    if (version == NULL) {
        asked->kind = HISTORY_BALANCE_AT_TIME;
        return take_time(&query, "at", &asked->at_ns, fault);
    }
    asked->kind = HISTORY_BALANCE_AT_VERSION;
    return parse_number(version, strlen(version), INT64_MAX, &asked->version) ||
           request_fault_set(fault, "version", "A version is a number from 1 on");
}

static bool parse_transaction(struct history_query *asked, const struct route_match *match,
                              const char *text, size_t length, struct request_fault *fault)
{
    static const char *const none[] = {""};
    struct query query;
    asked->kind = HISTORY_TRANSACTION;
    asked->lsn = match->target_id;
    return query_parse(&query, text, length, none, 0, fault);
}

bool history_request_parse(struct history_query *query, const struct route_match *match,
                           const char *text, size_t length, struct request_fault *fault)
{
    *query = (struct history_query){.account_length = (uint8_t)match->account_length};
    if (match->route == ROUTE_TRANSACTION)
        return parse_transaction(query, match, text, length, fault);
    assert(match->route == ROUTE_TRANSACTIONS || match->route == ROUTE_BALANCE);
    if (match->account_length == 0)
        return request_fault_set(fault, "accountId", "%s",
                                 florin_status_message(FLORIN_INVALID_ACCOUNT_ID));
    memcpy(query->account, match->account, match->account_length);
    return match->route == ROUTE_TRANSACTIONS ? parse_page(query, text, length, fault)
                                              : parse_balance(query, text, length, fault);
}
