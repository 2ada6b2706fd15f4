/* fuzz_request.c - any body is a request or a fault that says what and where; any path is a call or
 * none; any query is read or refused.
 *
 * What the strict check lets through, cJSON must read; an accepted amount is positive, an accepted
 * id valid.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "http/command_request.h"
#include "http/json_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fault(const struct request_fault *fault)
{
    assert(strnlen(fault->message, sizeof fault->message) > 0);
    assert(strnlen(fault->message, sizeof fault->message) < sizeof fault->message);
    assert(strnlen(fault->field, sizeof fault->field) < sizeof fault->field);
}

static void check_json(const char *body, size_t length)
{
    struct json_fault fault;
    if (!json_check(body, length, &fault)) {
        assert(fault.offset <= length);
        assert(fault.member_offset + fault.member_length <= length);
        return;
    }
    cJSON *read = cJSON_ParseWithLength(body, length);
    assert(read != NULL);
    cJSON_Delete(read);
}

static void check_command(const struct florin_command *command)
{
    assert(florin_account_id_is_valid(command->account, command->account_length));
    assert(command->to_length == 0 || florin_account_id_is_valid(command->to, command->to_length));
    assert(command->amount_minor >= 0 && command->minimum_balance_minor <= 0);
    assert(command->amount_scale <= MONEY_SCALE_MAX);
    assert(command->expected_balance_scale <= MONEY_SCALE_MAX);
    assert(command->metadata_length <= FLORIN_METADATA_MAX);
    assert(command->leg_count <= FLORIN_LEGS_MAX);
    for (size_t i = 0; i < command->leg_count; i++) {
        const struct florin_leg *leg = &command->legs[i];
        assert(florin_account_id_is_valid(leg->account, leg->account_length));
        assert(leg->amount_minor > 0 && leg->amount_scale <= MONEY_SCALE_MAX);
        assert(leg->direction == FLORIN_CREDIT || leg->direction == FLORIN_DEBIT);
    }
}

/* The bytes as the body of every call. */
static void check_calls(const char *body, size_t length, const struct request_headers *headers)
{
    static const char *const paths[] = {
        "/accounts", "/accounts/a",       "/accounts/a/transactions", "/transfers",
        "/postings", "/accounts/a/holds", "/holds/hold1:a/capture",   "/holds/hold1:a/void",
        "/withdraw",
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct command_request request;
        struct route_match match;
        struct request_fault fault;
        route_find(paths[i], strlen(paths[i]), &match);
        const struct command_source source = {
            .match = &match, .headers = headers, .body = body, .body_length = length};
        if (command_request_read(&request, &source, &fault))
            check_command(&request.command);
        else
            check_fault(&fault);
    }
}

/* The bytes as a path, and as a query. */
static void check_target(const char *text, size_t length)
{
    struct command_flags flags;
    struct route_match match;
    struct request_fault fault;
    route_find(text, length, &match);
    assert(match.account_length == 0 ||
           florin_account_id_is_valid(match.account, match.account_length));
    if (!command_flags_parse(&flags, ROUTE_HOLDS, false, text, length, &fault))
        check_fault(&fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* on the heap without a terminator, so that reading past the end is seen */
    char *body = malloc(size + (size == 0));
    assert(body != NULL);
    if (size > 0)
        memcpy(body, data, size);
    struct request_headers headers;
    request_headers_init(&headers);
    check_json(body, size);
    check_calls(body, size, &headers);
    check_target(body, size);
    free(body);
    return 0;
}
