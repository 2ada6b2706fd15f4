/* reversal_exchange.c - reversals: the path names a transaction, the command needs its account.
 *
 * Guarantees: each request gets exactly one answer; of one whose client has left before the
 * transaction was read nothing is submitted. It must not know what is left of a transaction.
 */
#include "reversal_exchange.h"

#include <string.h>

#include "engine/core/record.h"
#include "exchange_internal.h"
#include "history_exchange.h"

/* In the request's memory, and with it gone when its client leaves. */
struct parked_reversal {
    struct florin_command command; /* without its account */
    char key[FLORIN_KEY_MAX];
};

enum error_code reversal_exchange_begin(struct http_worker *worker, h2o_req_t *request,
                                        const struct answer_style *style,
                                        const struct command_request *asked)
{
    if (asked->command.target_id == 0)
        return ERROR_TRANSACTION_NOT_FOUND;
    struct parked_request *entry = parked_add(&worker->parked, request);
    if (entry == NULL)
        return ERROR_TOO_MANY_REQUESTS;
    struct parked_reversal *kept = h2o_mem_alloc_pool(&request->pool, sizeof(*kept));
    kept->command = asked->command;
    kept->command.key = kept->key;
    if (asked->command.key_length > 0)
        memcpy(kept->key, asked->command.key, asked->command.key_length);
    entry->reversal = kept;
    entry->route = ROUTE_REVERSAL;
    entry->style = *style;
    entry->echo = asked->echo;
    const struct history_query query = {
        .user_data = parked_token(&worker->parked, entry),
        .kind = HISTORY_TRANSACTION,
        .lsn = asked->command.target_id,
    };
    enum florin_status status = history_submit(worker->engine, &query);
    if (status == FLORIN_APPLIED)
        return ERROR_NONE;
    (void)parked_remove(&worker->parked, entry);
    return error_code_of_status(status);
}

static void take_account(struct named_account *account, const char *id, uint8_t length)
{
    memcpy(account->id, id, length);
    account->length = length;
}

/* The accounts of the transaction's legs, which a refusal names. */
static void keep_accounts(struct parked_request *entry, const struct record *record)
{
    uint8_t count = (uint8_t)(record->leg_count + 1);
    struct named_account *legs =
        h2o_mem_alloc_pool(&entry->request->pool, count * sizeof(struct named_account));
    const uint8_t *at = record->leg_bytes;
    take_account(&legs[0], record->id, record->id_length);
    for (uint8_t i = 1; i < count; i++) {
        struct record_leg leg;
        at = record_next_leg(at, &leg);
        take_account(&legs[i], leg.id, leg.id_length);
    }
    entry->echo.account = legs[0];
    entry->echo.legs = legs;
    entry->echo.leg_count = count;
}

static void finish(struct http_worker *worker, struct parked_request *entry,
                   const struct answer *answer)
{
    h2o_req_t *request = parked_remove(&worker->parked, entry);
    exchange_send(worker, ROUTE_REVERSAL, request, answer);
}

static void submit(struct http_worker *worker, struct parked_request *entry,
                   const struct history_answer *found)
{
    uint64_t lsn;
    struct record record;
    struct answer answer;
    struct florin_command command = entry->reversal->command;
    (void)history_next_record(found->bytes, &lsn, &record);
    keep_accounts(entry, &record);
    command.user_data = found->user_data;
    command.account = entry->echo.account.id;
    command.account_length = entry->echo.account.length;
    enum florin_status status = worker_submit(worker->engine, &command);
    if (status == FLORIN_APPLIED)
        return;
    uint64_t version =
        worker_durable_version(worker->engine, command.account, command.account_length);
    answer_not_committed(&answer, error_code_of_status(status), version, &entry->style);
    finish(worker, entry, &answer);
}

void reversal_exchange_go_on(struct http_worker *worker, struct parked_request *entry,
                             const struct history_answer *found)
{
    struct answer answer;
    enum error_code code = history_exchange_error(found);
    if (code == ERROR_NONE && entry->request != NULL) {
        submit(worker, entry, found);
        return;
    }
    answer_refuse(&answer, code == ERROR_NONE ? error_code_of_status(FLORIN_NOT_COMMITTED) : code,
                  &entry->style);
    finish(worker, entry, &answer);
}
