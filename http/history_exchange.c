/* history_exchange.c - parks questions about the past, and answers them.
 *
 * Guarantees: each request gets exactly one answer. It must not know how the log is read.
 */
#include "history_exchange.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/record.h"
#include "public_id.h"
#include "record_json.h"
#include "respond.h"
#include "reversal_exchange.h"
#include "reversal_list.h"

enum {
    /* Brackets, names and a cursor. */
    PAGE_FRAME_BYTES = 128,
    /* One record without its legs, its key and its metadata (RECORD_JSON_BYTES_MAX). */
    RECORD_BYTES = 1024,
    /* The id of one, in quotes. The frame has room for their amount. */
    REVERSAL_BYTES = PUBLIC_ID_TRANSACTION_BYTES + 3,
    /* A byte of a text may take so many in JSON. */
    ESCAPE_BYTES = 6,
};

/* --- answers --------------------------------------------------------------------------------- */

enum error_code history_exchange_error(const struct history_answer *found)
{
    switch (found->status) {
    case HISTORY_FOUND:
        return ERROR_NONE;
    case HISTORY_GONE:
        return ERROR_HISTORY_GONE;
    case HISTORY_NOT_FOUND:
        return found->kind == HISTORY_BALANCE_AT_VERSION ? ERROR_VERSION_NOT_FOUND
                                                         : ERROR_TRANSACTION_NOT_FOUND;
    case HISTORY_NOT_YET_OPEN:
        return ERROR_NOT_YET_OPEN;
    case HISTORY_FAILED:
        return found->error == -ESHUTDOWN ? ERROR_STOPPING : ERROR_HISTORY_FAILED;
    }
    abort(); /* not a status */
}

static size_t body_bytes_max(const struct history_answer *found)
{
    const uint8_t *at = found->bytes;
    size_t bytes = PAGE_FRAME_BYTES;
    for (uint32_t i = 0; i < found->record_count; i++) {
        uint64_t lsn;
        struct record record;
        at = history_next_record(at, &lsn, &record);
        bytes += RECORD_BYTES + (record.leg_count + 1U) * (size_t)RECORD_JSON_LEG_BYTES_MAX +
                 ((size_t)record.key_length + record.metadata_length) * ESCAPE_BYTES;
    }
    return bytes;
}

static void write_cursor(struct json_text *body, uint64_t lsn)
{
    char cursor[PUBLIC_ID_TRANSACTION_BYTES];
    if (lsn == 0) {
        json_text_member(body, "next");
        json_text_raw(body, "null", 4);
        return;
    }
    (void)public_id_write_transaction(lsn, cursor);
    json_text_member_string(body, "next", cursor);
}

static void write_page(struct json_text *body, const struct history_answer *found,
                       const struct answer_style *style)
{
    const uint8_t *at = found->bytes;
    json_text_raw(body, "{", 1);
    json_text_member(body, "transactions");
    json_text_raw(body, "[", 1);
    for (uint32_t i = 0; i < found->record_count; i++) {
        uint64_t lsn;
        struct record record;
        at = history_next_record(at, &lsn, &record);
        if (i > 0)
            json_text_raw(body, ",", 1);
        record_json_write(body, &record, lsn, style);
    }
    json_text_raw(body, "]", 1);
    write_cursor(body, found->next_lsn);
    json_text_raw(body, "}", 1);
}

static void write_reversals(struct json_text *body, const struct reversal_list *reversals,
                            const struct record *record, const struct answer_style *style)
{
    json_text_member(body, "reversedBy");
    json_text_raw(body, "[", 1);
    for (uint32_t i = 0; i < reversals->count; i++) {
        char id[PUBLIC_ID_TRANSACTION_BYTES];
        if (i > 0)
            json_text_raw(body, ",", 1);
        json_text_string(body, id, public_id_write_transaction(reversals->lsns[i], id));
    }
    json_text_raw(body, "]", 1);
    json_text_member(body, "reversedAmount");
    json_text_money(body, reversals->amount_minor, record->exponent, style->money_as_string);
}

static void write_transaction(struct json_text *body, const struct history_answer *found,
                              const struct reversal_list *reversals,
                              const struct answer_style *style)
{
    uint64_t lsn;
    struct record record;
    (void)history_next_record(found->bytes, &lsn, &record);
    json_text_raw(body, "{", 1);
    record_json_members(body, &record, lsn, style);
    if (reversals != NULL && reversals->count > 0)
        write_reversals(body, reversals, &record, style);
    json_text_raw(body, "}", 1);
}

static void write_balance(struct json_text *body, const struct history_answer *found,
                          const struct answer_style *style)
{
    json_text_raw(body, "{", 1);
    json_text_member(body, "balance");
    json_text_money(body, found->balance_minor, found->exponent, style->money_as_string);
    json_text_member_unsigned(body, "version", found->version);
    json_text_member(body, "timestamp");
    json_text_time(body, found->time_ns);
    json_text_raw(body, "}", 1);
}

void history_exchange_write(struct answer *answer, const struct history_answer *found,
                            const struct reversal_list *reversals, const struct answer_style *style,
                            void **memory)
{
    enum error_code code = history_exchange_error(found);
    *memory = NULL;
    if (code != ERROR_NONE) {
        answer_refuse(answer, code, style);
        return;
    }
    size_t bytes = body_bytes_max(found);
    if (reversals != NULL)
        bytes += reversals->count * (size_t)REVERSAL_BYTES;
    char *body = malloc(bytes);
    if (body == NULL) {
        answer_refuse(answer, ERROR_HISTORY_FAILED, style);
        return;
    }
    *memory = body;
    answer_init(answer, 200);
    answer->money_as_string = style->money_as_string;
    json_text_init(&answer->body, body, bytes);
    switch (found->kind) {
    case HISTORY_PAGE:
        write_page(&answer->body, found, style);
        break;
    case HISTORY_TRANSACTION:
        write_transaction(&answer->body, found, reversals, style);
        break;
    case HISTORY_BALANCE_AT_VERSION:
    case HISTORY_BALANCE_AT_TIME:
        write_balance(&answer->body, found, style);
        break;
    }
    assert(!answer->body.truncated);
}

/* --- the way there --------------------------------------------------------------------------- */

static void finish(struct http_worker *worker, struct parked_request *entry,
                   const struct answer *answer)
{
    enum route route = entry->route;
    h2o_req_t *request = parked_remove(&worker->parked, entry);
    metrics_count_answer(&worker->metrics, route, answer->status, answer->code);
    if (request == NULL)
        metrics_count(&worker->metrics.clients_lost);
    else
        respond(request, answer);
}

static enum florin_status submit(struct http_worker *worker, struct parked_request *entry,
                                 const struct history_query *query)
{
    uint64_t token = parked_token(&worker->parked, entry);
    if (query->kind == HISTORY_TRANSACTION) {
        struct history_query asked = *query;
        asked.user_data = token;
        return history_submit(worker->engine, &asked);
    }
    const struct florin_command read = {
        .user_data = token,
        .kind = FLORIN_READ_ACCOUNT,
        .account = query->account,
        .account_length = query->account_length,
    };
    return worker_submit(worker->engine, &read);
}

enum error_code history_exchange_begin(struct http_worker *worker, h2o_req_t *request,
                                       enum route route, const struct answer_style *style,
                                       const struct history_query *query)
{
    if (query->kind == HISTORY_TRANSACTION && query->lsn == 0)
        return ERROR_TRANSACTION_NOT_FOUND;
    struct parked_request *entry = parked_add(&worker->parked, request);
    if (entry == NULL)
        return ERROR_TOO_MANY_REQUESTS;
    /* Lives as long as the request, which is all that it is good for. */
    entry->history = h2o_mem_alloc_pool(&request->pool, sizeof(*entry->history));
    *entry->history = *query;
    entry->route = route;
    entry->style = *style;
    enum florin_status status = submit(worker, entry, query);
    if (status != FLORIN_APPLIED) {
        (void)parked_remove(&worker->parked, entry);
        return error_code_of_status(status);
    }
    /* The account at rest is read by now. */
    if (query->kind != HISTORY_TRANSACTION)
        (void)http_worker_answer(worker);
    return ERROR_NONE;
}

static void finish_found(struct http_worker *worker, struct parked_request *entry,
                         const struct history_answer *found, const struct reversal_list *reversals)
{
    struct answer answer;
    void *memory;
    history_exchange_write(&answer, found, reversals, &entry->style, &memory);
    finish(worker, entry, &answer);
    free(memory);
}

/* The transaction is there, and one of its reversals, or none behind them. */
static void go_on_listing(struct http_worker *worker, struct parked_request *entry,
                          const struct florin_result *result)
{
    struct answer answer;
    enum florin_status status =
        entry->request == NULL ? FLORIN_NOT_COMMITTED : reversal_list_go_on(worker, entry, result);
    if (status == FLORIN_APPLIED)
        return;
    if (status == FLORIN_TRANSACTION_NOT_FOUND) {
        finish_found(worker, entry, &entry->reversals->found, entry->reversals);
        return;
    }
    answer_refuse(&answer, error_code_of_status(status), &entry->style);
    finish(worker, entry, &answer);
}

void history_exchange_go_on(struct http_worker *worker, struct parked_request *entry,
                            const struct florin_result *result)
{
    struct answer answer;
    if (entry->reversals != NULL) {
        go_on_listing(worker, entry, result);
        return;
    }
    if (entry->request == NULL || result->status != FLORIN_APPLIED) {
        answer_balance(&answer, result, &entry->style); /* what a read is refused with */
        finish(worker, entry, &answer);
        return;
    }
    struct history_query query = *entry->history;
    query.user_data = result->user_data;
    query.lsn = result->transaction_id;
    enum florin_status status = history_submit(worker->engine, &query);
    if (status != FLORIN_APPLIED) {
        answer_refuse(&answer, error_code_of_status(status), &entry->style);
        finish(worker, entry, &answer);
    }
}

static void answer_found(struct http_worker *worker, struct parked_request *entry,
                         const struct history_answer *found)
{
    struct answer answer;
    if (entry->route == ROUTE_REVERSAL) {
        reversal_exchange_go_on(worker, entry, found);
        return;
    }
    if (entry->request == NULL || !reversal_list_is_for(found)) {
        finish_found(worker, entry, found, NULL);
        return;
    }
    enum florin_status status = reversal_list_begin(worker, entry, found);
    if (status != FLORIN_APPLIED) {
        answer_refuse(&answer, error_code_of_status(status), &entry->style);
        finish(worker, entry, &answer);
    }
}

bool history_exchange_answer(struct http_worker *worker)
{
    const struct history_answer *found = history_reap(worker->engine);
    if (found == NULL)
        return false;
    answer_found(worker, parked_find(&worker->parked, found->user_data), found);
    history_release(worker->engine, found);
    return true;
}
