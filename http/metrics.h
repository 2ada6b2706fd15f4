/* metrics.h - what a worker counts, and the page that Prometheus reads.
 *
 * Each worker has its own counters, which only its thread writes; anyone reads them. Relaxed order
 * is enough: every figure stands for itself.
 */
#ifndef FLORIN_HTTP_METRICS_H
#define FLORIN_HTTP_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/runtime/ledger.h"
#include "error_code.h"
#include "route.h"

enum { METRICS_STATUSES = 18, METRICS_LINE_BYTES = 64 };

enum metrics_transaction {
    METRICS_DEPOSIT,
    METRICS_WITHDRAW,
    METRICS_OPEN,
    METRICS_CHANGE,
    METRICS_TRANSFER,
    METRICS_POSTING,
    METRICS_HOLD,
    METRICS_CAPTURE,
    METRICS_VOID,
    METRICS_REVERSAL,
    METRICS_BATCH, /* atomic ones */
    METRICS_TRANSACTIONS,
};

struct metrics {
    _Alignas(METRICS_LINE_BYTES) _Atomic uint64_t requests[ROUTE_COUNT][METRICS_STATUSES];
    _Atomic uint64_t transactions[METRICS_TRANSACTIONS];
    _Atomic uint64_t refusals[ERROR_CODE_COUNT];
    _Atomic uint64_t replays;
    _Atomic uint64_t batch_items;
    _Atomic uint64_t connections_accepted;
    _Atomic uint64_t connections_closed;
    _Atomic uint64_t connections_refused; /* by the cap of one address */
    _Atomic uint64_t clients_lost;        /* gone before their answer */
    _Atomic uint64_t backups_completed;
    _Atomic uint64_t backups_failed; /* broken off, for whatever reason */
    _Atomic uint64_t backup_bytes;   /* sent */
    _Atomic uint64_t followers_joined;
    _Atomic uint64_t followers_left;
    _Atomic uint64_t followers_dropped; /* too slow */
    _Atomic uint64_t events_sent;
    _Atomic uint64_t event_bytes;
};

/* Thread: the counter's worker. */
static inline void metrics_add(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

/* Thread: the counter's worker. */
static inline void metrics_count(_Atomic uint64_t *counter)
{
    metrics_add(counter, 1);
}

/* Counts an answered request. Thread: the worker. */
void metrics_count_answer(struct metrics *metrics, enum route route, int status,
                          enum error_code code);

/* Counts what a command came to. Thread: the worker. */
void metrics_count_result(struct metrics *metrics, const struct florin_result *result);

/* Counts an item of a batch; `code` is its answer's. Thread: the worker. */
static inline void metrics_count_item(struct metrics *metrics, enum error_code code)
{
    metrics_count(&metrics->batch_items);
    if (code != ERROR_NONE)
        metrics_count(&metrics->refusals[code]);
}

/* The page, as one string to free(); NULL: no memory. Thread: any. */
char *metrics_page(const struct metrics *const *workers, size_t worker_count,
                   const struct florin *ledger, size_t *length);

#endif
