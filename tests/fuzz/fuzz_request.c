/* fuzz_request.c - any body is a request or a fault that says what and where.
 *
 * What the strict check lets through, cJSON must read; an accepted amount is positive, an accepted
 * id valid.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "http/account_request.h"
#include "http/json_check.h"
#include "http/transaction_request.h"
#include "http/withdraw.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* on the heap without a terminator, so that reading past the end is seen */
    char *body = malloc(size + (size == 0));
    assert(body != NULL);
    if (size > 0)
        memcpy(body, data, size);
    struct request_headers headers;
    request_headers_init(&headers);
    struct request_fault fault;
    check_json(body, size);

    struct transaction_request transaction;
    if (transaction_request_parse(&transaction, body, size, &headers, &fault))
        assert(transaction.amount.digits > 0 && transaction.amount.scale <= MONEY_SCALE_MAX);
    else
        check_fault(&fault);

    struct account_request account;
    if (account_request_parse(&account, body, size, &headers, &fault)) {
        assert(florin_account_id_is_valid(account.id, account.id_length));
        assert(account.balance_minor >= 0 && account.minimum_balance_minor <= 0);
        assert(account.metadata_length <= FLORIN_METADATA_MAX);
    } else {
        check_fault(&fault);
    }

    struct withdraw_request withdraw;
    if (withdraw_request_parse(&withdraw, body, size, &fault))
        assert(withdraw.amount.digits > 0);
    else
        check_fault(&fault);
    free(body);
    return 0;
}
