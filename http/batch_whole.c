/* batch_whole.c - an atomic batch: item by item into one command, and its one result to all.
 *
 * Guarantees: nothing is submitted before all items are read; a refusal names the item. It must not
 * know how the engine works.
 */
#include <string.h>

#include "batch_entry.h"
#include "batch_internal.h"

void batch_whole_refuse(struct http_worker *worker, struct batch *batch, uint32_t item,
                        const struct request_fault *fault)
{
    struct answer answer;
    answer_fault(&answer, fault, &batch->style);
    answer_name_item(&answer, item);
    batch_refuse(worker, batch, &answer);
}

/* Adds the next item to the command. false: it was refused, and the batch is gone. */
static bool add_item(struct http_worker *worker, struct batch *batch)
{
    struct request_fault fault;
    struct florin_command command;
    struct batch_item item;
    const struct request_echo *echo = NULL;
    bool well = true;
    if (batch_is_binary(batch)) {
        batch_entry_command(batch->body + (size_t)batch->next * BATCH_ENTRY_BYTES, &command);
    } else {
        const struct batch_span *span = &batch->spans[batch->next];
        well = batch_item_parse(&item, (const char *)batch->body + span->offset, span->length,
                                batch->flags, &fault);
        if (well)
            command = item.request.command;
        echo = &item.request.echo;
    }
    if (well && batch_atomic_add(batch->atomic, &command, echo, &fault)) {
        batch->next++;
        return true;
    }
    batch_whole_refuse(worker, batch, batch->next, &fault);
    return false;
}

void batch_whole_submit(struct http_worker *worker, struct batch *batch)
{
    struct florin_command command;
    enum florin_status status;
    if (batch->request == NULL) { /* nobody waits for it */
        batch->phase = BATCH_COLLECTING;
        return;
    }
    if (batch->next < batch->count) {
        (void)add_item(worker, batch);
        return;
    }
    batch_atomic_command(batch->atomic, &command);
    command.user_data = batch_token(&worker->batches, batch, 0);
    if (worker_submit_many(worker->engine, &command, 1, &status) == 1) {
        batch->outstanding = 1;
    } else if (status == FLORIN_QUEUE_FULL && !batch_has_waited_enough(worker, batch)) {
        batch->is_stuck = true;
        return;
    } else {
        batch->atomic->result = (struct florin_result){
            .status = FLORIN_NOT_COMMITTED,
            .kind = command.kind,
            .version =
                worker_durable_version(worker->engine, command.account, command.account_length),
        };
    }
    batch->phase = BATCH_COLLECTING;
}

/* One result an entry: what is not the refused one's fault was not applied, and may be sent again.
 */
static void put_results(struct batch *batch)
{
    const struct batch_atomic *atomic = batch->atomic;
    uint8_t refused = batch_atomic_refused_item(atomic);
    for (uint8_t i = 0; i < atomic->item_count; i++) {
        struct florin_result result = {
            .status = atomic->result.status,
            .replayed = atomic->result.replayed,
            .transaction_id = atomic->result.transaction_id,
            .time_ns = atomic->result.time_ns,
        };
        if (atomic->result.status != FLORIN_APPLIED && i == refused)
            result = batch_atomic_item_result(atomic, i);
        else if (atomic->result.status != FLORIN_APPLIED && refused < atomic->item_count)
            result = (struct florin_result){.status = FLORIN_NOT_COMMITTED};
        batch_entry_put_result((uint8_t *)batch->answer + (size_t)i * BATCH_RESULT_BYTES, i,
                               &result);
    }
}

void batch_whole_send(struct http_worker *worker, struct batch *batch)
{
    const struct batch_atomic *atomic = batch->atomic;
    const struct batch_span *span = batch->spans;
    struct answer answer;
    struct json_text text;
    for (uint8_t i = 0; i < atomic->item_count; i++)
        metrics_count_item(&worker->metrics, error_code_of_status(atomic->result.status));
    if (batch_is_binary(batch)) {
        put_results(batch);
        batch_send_results(worker, batch);
        return;
    }
    if (atomic->result.status != FLORIN_APPLIED && batch_atomic_refused_item(atomic) < batch->count)
        span += batch_atomic_refused_item(atomic);
    if (answer_atomic_refused(&answer, atomic, (const char *)batch->body + span->offset,
                              span->length, &batch->style)) {
        batch_refuse(worker, batch, &answer);
        return;
    }
    json_text_init(&text, batch->answer, batch->answer_capacity);
    answer_atomic(&answer, &text, atomic, &batch->style);
    batch->answer_length = text.length;
    batch_send(worker, batch, &answer, "application/json");
}
