/* reversal_list.c - asks for one reversal after the other.
 *
 * Guarantees: numbers are asked for in their order, at most REVERSAL_LIST_MAX of them. It must not
 * know how they are found, nor what is said of them.
 */
#include "reversal_list.h"

#include <string.h>

#include "engine/core/record.h"

bool reversal_list_is_for(const struct history_answer *found)
{
    uint64_t lsn;
    struct record record;
    if (found->status != HISTORY_FOUND || found->kind != HISTORY_TRANSACTION)
        return false;
    (void)history_next_record(found->bytes, &lsn, &record);
    switch (record.kind) {
    case FLORIN_DEPOSIT:
    case FLORIN_WITHDRAW:
    case FLORIN_TRANSFER:
    case FLORIN_POSTING:
    case FLORIN_BATCH:
    case FLORIN_CAPTURE:
        return true;
    default:
        return false;
    }
}

static enum florin_status ask(struct http_worker *worker, const struct parked_request *entry)
{
    uint64_t lsn;
    struct record record;
    (void)history_next_record(entry->reversals->found.bytes, &lsn, &record);
    const struct florin_command read = {
        .user_data = parked_token(&worker->parked, entry),
        .kind = FLORIN_READ_REVERSAL,
        .account = record.id,
        .account_length = record.id_length,
        .target_id = lsn,
        .amount_minor = (int64_t)entry->reversals->count + 1,
    };
    return worker_submit(worker->engine, &read);
}

enum florin_status reversal_list_begin(struct http_worker *worker, struct parked_request *entry,
                                       const struct history_answer *found)
{
    uint64_t lsn;
    struct record record;
    h2o_mem_pool_t *pool = &entry->request->pool;
    const uint8_t *end = history_next_record(found->bytes, &lsn, &record);
    size_t size = (size_t)(end - found->bytes);
    uint8_t *bytes = h2o_mem_alloc_pool(pool, size);
    memcpy(bytes, found->bytes, size);
    entry->reversals = h2o_mem_alloc_pool(pool, sizeof(*entry->reversals));
    entry->reversals->found = *found;
    entry->reversals->found.bytes = bytes;
    entry->reversals->amount_minor = 0;
    entry->reversals->count = 0;
    return ask(worker, entry);
}

enum florin_status reversal_list_go_on(struct http_worker *worker, struct parked_request *entry,
                                       const struct florin_result *result)
{
    struct reversal_list *list = entry->reversals;
    if (result->status != FLORIN_APPLIED)
        return result->status;
    list->lsns[list->count++] = result->transaction_id;
    list->amount_minor += result->amount_minor; /* no more than the transaction's */
    return list->count < REVERSAL_LIST_MAX ? ask(worker, entry) : FLORIN_TRANSACTION_NOT_FOUND;
}
