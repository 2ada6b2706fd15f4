/* history_embedded.c - the history of florin.h: walks on the calling thread.
 *
 * A client for the account's newest LSN, a reader for the log. Must not know: the thread that
 * serves front ends (history.c).
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "history_walk.h"
#include "ledger_state.h"

enum {
    /* Records between two looks at what is durable and what is kept. */
    SLICE_RECORDS = 256,
};

struct florin_history {
    struct florin *ledger;
    struct florin_client *client;
    struct history_reader *reader;
    struct history_walk walk;
    /* of the page: what florin_history_next() has not returned */
    const uint8_t *next_record;
    uint32_t records_left;
    _Alignas(8) uint8_t page[HISTORY_PAGE_BYTES];
};

int florin_history_open(struct florin *ledger, struct florin_history **history)
{
    struct florin_history *created = calloc(1, sizeof *created);
    if (created == NULL)
        return -ENOMEM;
    created->ledger = ledger;
    int error = florin_client_open(ledger, &created->client);
    if (error == 0)
        error = history_reader_open(ledger->storage, &ledger->meta, &created->reader);
    if (error != 0) {
        florin_history_close(created);
        return error;
    }
    *history = created;
    return 0;
}

void florin_history_close(struct florin_history *history)
{
    if (history == NULL)
        return;
    history_reader_close(history->reader);
    florin_client_close(history->client);
    free(history);
}

static void say_failure(const struct florin_history *history)
{
    const struct log_fault *fault = &history->walk.fault;
    if (history->walk.answer.error != -EBADMSG)
        return; /* the caller knows all */
    ledger_log(history->ledger,
               "level=error event=history_failed file=%s/%s offset=%" PRIu64 " lsn=%" PRIu64
               " errno=%d reason=\"%s\" advice=\"run florin verify\"",
               history->ledger->options.directory, fault->file, fault->offset, fault->lsn, EBADMSG,
               fault->reason);
}

static int error_of(const struct florin_history *history)
{
    switch (history->walk.answer.status) {
    case HISTORY_FOUND:
        return 0;
    case HISTORY_GONE:
        return -ENODATA;
    case HISTORY_NOT_FOUND:
        return -ENOENT;
    case HISTORY_NOT_YET_OPEN:
        return -ERANGE;
    case HISTORY_FAILED:
        say_failure(history);
        return history->walk.answer.error;
    }
    abort(); /* not a status */
}

static int walk(struct florin_history *history, const struct history_query *query)
{
    const struct florin *ledger = history->ledger;
    struct history_now now;
    history->records_left = 0;
    history_walk_begin(&history->walk, query, history->page);
    do {
        now = (struct history_now){
            .durable_lsn = log_durable_lsn(ledger->log),
            .first_segment = log_first_segment(ledger->log),
        };
    } while (!history_walk_step(&history->walk, history->reader, now, SLICE_RECORDS));
    return error_of(history);
}

/* Fills in the account and its newest LSN. */
static int begin_at_account(struct florin_history *history, const char *account,
                            size_t account_length, struct history_query *query)
{
    struct florin_result result;
    if (!florin_account_id_is_valid(account, account_length))
        return -EINVAL;
    enum florin_status status =
        florin_read_account(history->client, account, account_length, &result);
    if (status == FLORIN_ACCOUNT_NOT_FOUND)
        return -ENOENT;
    if (status != FLORIN_APPLIED)
        return status == FLORIN_QUEUE_FULL ? -EAGAIN : -ESHUTDOWN;
    query->account_length = (uint8_t)account_length;
    memcpy(query->account, account, account_length);
    query->lsn = result.transaction_id;
    return 0;
}

/* --- pages and transactions ------------------------------------------------------------------ */

/* Which way money moved on the record's own account. */
static uint8_t own_direction(const struct record *record)
{
    if (record_kind_has_legs(record->kind))
        return record->direction;
    if (record->kind == FLORIN_WITHDRAW)
        return FLORIN_DEBIT;
    bool credits = record->kind == FLORIN_DEPOSIT ||
                   (record->kind == FLORIN_OPEN_ACCOUNT && record->amount_minor > 0);
    return credits ? FLORIN_CREDIT : 0;
}

static void show(const struct record *record, uint64_t lsn, struct florin_transaction *transaction)
{
    *transaction = (struct florin_transaction){
        .transaction_id = lsn,
        .kind = (enum florin_command_kind)record->kind,
        .time_ns = record->time_ns,
        .key = record->key,
        .key_length = record->key_length,
        .target_id = record_kind_has_legs(record->kind) ? record->target_lsn : 0,
        .expires_ns = record->kind == FLORIN_HOLD ? record->detail : 0,
        .leg_count = record->leg_count + 1U,
    };
    assert(transaction->leg_count <= FLORIN_LEGS_MAX);
    transaction->legs[0] = (struct florin_transaction_leg){
        .account = record->id,
        .account_length = record->id_length,
        .direction = own_direction(record),
        .exponent = record->exponent,
        .amount_minor = record->amount_minor,
        .balance_minor = record->balance_minor,
        .version = record->version,
    };
    const uint8_t *at = record->leg_bytes;
    for (uint8_t i = 0; i < record->leg_count; i++) {
        struct record_leg leg;
        at = record_next_leg(at, &leg);
        transaction->legs[i + 1] = (struct florin_transaction_leg){
            .account = leg.id,
            .account_length = leg.id_length,
            .direction = leg.direction,
            .exponent = leg.exponent,
            .amount_minor = leg.amount_minor,
            .balance_minor = leg.balance_minor,
            .version = leg.version,
        };
    }
}

int florin_history_page(struct florin_history *history, const char *account, size_t account_length,
                        const struct florin_history_range *range, uint64_t *next_before_id)
{
    history->records_left = 0;
    if (range->limit == 0 || range->limit > FLORIN_HISTORY_PAGE_MAX)
        return -EINVAL;
    struct history_query query = {
        .kind = HISTORY_PAGE,
        .before_lsn = range->before_id,
        .limit = range->limit,
        .from_ns = range->from_ns,
        .to_ns = range->to_ns,
    };
    int error = begin_at_account(history, account, account_length, &query);
    if (error == 0)
        error = walk(history, &query);
    if (error != 0)
        return error;
    history->next_record = history->walk.answer.bytes;
    history->records_left = history->walk.answer.record_count;
    *next_before_id = history->walk.answer.next_lsn;
    return 0;
}

bool florin_history_next(struct florin_history *history, struct florin_transaction *transaction)
{
    uint64_t lsn;
    struct record record;
    if (history->records_left == 0)
        return false;
    history->records_left--;
    history->next_record = history_next_record(history->next_record, &lsn, &record);
    show(&record, lsn, transaction);
    return true;
}

int florin_history_transaction(struct florin_history *history, uint64_t transaction_id,
                               struct florin_transaction *transaction)
{
    const struct history_query query = {.kind = HISTORY_TRANSACTION, .lsn = transaction_id};
    int error = walk(history, &query);
    if (error != 0)
        return error;
    history->next_record = history->walk.answer.bytes;
    history->records_left = 1;
    (void)florin_history_next(history, transaction);
    return 0;
}

/* --- balances -------------------------------------------------------------------------------- */

static int past_balance(struct florin_history *history, const char *account, size_t account_length,
                        struct history_query *query, struct florin_past_balance *balance)
{
    int error = begin_at_account(history, account, account_length, query);
    if (error == 0)
        error = walk(history, query);
    if (error != 0)
        return error;
    const struct history_answer *answer = &history->walk.answer;
    *balance = (struct florin_past_balance){
        .balance_minor = answer->balance_minor,
        .version = answer->version,
        .transaction_id = answer->lsn,
        .time_ns = answer->time_ns,
        .exponent = answer->exponent,
    };
    return 0;
}

int florin_history_balance_at_version(struct florin_history *history, const char *account,
                                      size_t account_length, uint64_t version,
                                      struct florin_past_balance *balance)
{
    struct history_query query = {.kind = HISTORY_BALANCE_AT_VERSION, .version = version};
    if (version == 0)
        return -EINVAL;
    return past_balance(history, account, account_length, &query, balance);
}

int florin_history_balance_at_time(struct florin_history *history, const char *account,
                                   size_t account_length, uint64_t time_ns,
                                   struct florin_past_balance *balance)
{
    struct history_query query = {.kind = HISTORY_BALANCE_AT_TIME, .at_ns = time_ns};
    return past_balance(history, account, account_length, &query, balance);
}
