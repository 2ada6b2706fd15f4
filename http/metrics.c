/* metrics.c - sums the workers' counters into Prometheus' text format, version 0.0.4.
 *
 * Guarantees: names and labels do not change between versions without a note in the changelog. It
 * must not know requests or connections.
 */
#include "metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/runtime/history.h"
#include "wal/log.h"

static const int statuses[METRICS_STATUSES] = {200, 201, 202, 400, 404, 405, 408, 409, 410,
                                               412, 413, 415, 417, 422, 429, 500, 503, 507};

static const char *const transaction_names[METRICS_TRANSACTIONS] = {
    [METRICS_DEPOSIT] = "deposit",   [METRICS_WITHDRAW] = "withdraw", [METRICS_OPEN] = "open",
    [METRICS_CHANGE] = "change",     [METRICS_TRANSFER] = "transfer", [METRICS_POSTING] = "posting",
    [METRICS_HOLD] = "hold",         [METRICS_CAPTURE] = "capture",   [METRICS_VOID] = "void",
    [METRICS_REVERSAL] = "reversal", [METRICS_BATCH] = "batch",
};

void metrics_count_answer(struct metrics *metrics, enum route route, int status,
                          enum error_code code)
{
    size_t slot = 0;
    while (slot < METRICS_STATUSES && statuses[slot] != status)
        slot++;
    assert(slot < METRICS_STATUSES);
    metrics_count(&metrics->requests[route][slot]);
    if (code != ERROR_NONE)
        metrics_count(&metrics->refusals[code]);
}

void metrics_count_result(struct metrics *metrics, const struct florin_result *result)
{
    static const enum florin_command_kind kinds[METRICS_TRANSACTIONS] = {
        [METRICS_DEPOSIT] = FLORIN_DEPOSIT,   [METRICS_WITHDRAW] = FLORIN_WITHDRAW,
        [METRICS_OPEN] = FLORIN_OPEN_ACCOUNT, [METRICS_CHANGE] = FLORIN_CHANGE_ACCOUNT,
        [METRICS_TRANSFER] = FLORIN_TRANSFER, [METRICS_POSTING] = FLORIN_POSTING,
        [METRICS_HOLD] = FLORIN_HOLD,         [METRICS_CAPTURE] = FLORIN_CAPTURE,
        [METRICS_VOID] = FLORIN_VOID,         [METRICS_REVERSAL] = FLORIN_REVERSE,
        [METRICS_BATCH] = FLORIN_BATCH,
    };
    if (result->replayed) {
        metrics_count(&metrics->replays);
        return;
    }
    if (result->status != FLORIN_APPLIED)
        return;
    for (size_t i = 0; i < METRICS_TRANSACTIONS; i++) {
        if (kinds[i] == result->kind)
            metrics_count(&metrics->transactions[i]);
    }
}

static uint64_t sum(const struct metrics *const *workers, size_t worker_count, size_t offset)
{
    uint64_t total = 0;
    for (size_t i = 0; i < worker_count; i++) {
        const char *bytes = (const char *)workers[i];
        const _Atomic uint64_t *counter = (const void *)(bytes + offset);
        total += atomic_load_explicit(counter, memory_order_relaxed);
    }
    return total;
}

static void head(FILE *page, const char *name, const char *type, const char *help)
{
    fprintf(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void figure(FILE *page, const char *name, const char *type, const char *help, uint64_t value)
{
    head(page, name, type, help);
    fprintf(page, "%s %" PRIu64 "\n", name, value);
}

static void write_requests(FILE *page, const struct metrics *const *workers, size_t worker_count)
{
    head(page, "florin_http_requests_total", "counter", "Requests answered, by route and status.");
    for (size_t route = 0; route < ROUTE_COUNT; route++) {
        for (size_t slot = 0; slot < METRICS_STATUSES; slot++) {
            size_t index = route * METRICS_STATUSES + slot;
            uint64_t value =
                sum(workers, worker_count,
                    offsetof(struct metrics, requests) + index * sizeof(_Atomic uint64_t));
            if (value > 0)
                fprintf(page,
                        "florin_http_requests_total{route=\"%s\",status=\"%d\"} %" PRIu64 "\n",
                        route_name((enum route)route), statuses[slot], value);
        }
    }
}

static void write_outcomes(FILE *page, const struct metrics *const *workers, size_t worker_count)
{
    head(page, "florin_transactions_total", "counter", "Changes applied, by type.");
    for (size_t i = 0; i < METRICS_TRANSACTIONS; i++) {
        size_t offset = offsetof(struct metrics, transactions) + i * sizeof(_Atomic uint64_t);
        fprintf(page, "florin_transactions_total{type=\"%s\"} %" PRIu64 "\n", transaction_names[i],
                sum(workers, worker_count, offset));
    }
    head(page, "florin_refusals_total", "counter",
         "Requests and items of batches refused, by code.");
    for (size_t i = ERROR_NONE + 1; i < ERROR_CODE_COUNT; i++) {
        size_t offset = offsetof(struct metrics, refusals) + i * sizeof(_Atomic uint64_t);
        uint64_t value = sum(workers, worker_count, offset);
        if (value > 0)
            fprintf(page, "florin_refusals_total{code=\"%s\"} %" PRIu64 "\n",
                    error_code_describe((enum error_code)i)->code, value);
    }
    figure(page, "florin_replays_total", "counter", "Answers given again for a known key.",
           sum(workers, worker_count, offsetof(struct metrics, replays)));
    figure(page, "florin_batch_items_total", "counter", "Items of batches answered.",
           sum(workers, worker_count, offsetof(struct metrics, batch_items)));
}

static void write_connections(FILE *page, const struct metrics *const *workers, size_t worker_count)
{
    uint64_t closed = sum(workers, worker_count, offsetof(struct metrics, connections_closed));
    uint64_t accepted = sum(workers, worker_count, offsetof(struct metrics, connections_accepted));
    /* Read later, so that a connection that came in between does not make this negative. */
    figure(page, "florin_connections", "gauge", "Connections that are open.",
           accepted > closed ? accepted - closed : 0);
    figure(page, "florin_connections_accepted_total", "counter", "Connections accepted.", accepted);
    figure(page, "florin_connections_refused_total", "counter",
           "Connections refused because their address had too many.",
           sum(workers, worker_count, offsetof(struct metrics, connections_refused)));
    figure(page, "florin_clients_lost_total", "counter",
           "Clients that left before their answer was ready.",
           sum(workers, worker_count, offsetof(struct metrics, clients_lost)));
}

static void write_group_sizes(FILE *page, const struct log_statistics *log)
{
    static const char name[] = "florin_group_records";
    uint64_t count = 0;
    head(page, name, "histogram", "Records in one group commit.");
    for (unsigned i = 0; i + 1 < LOG_HISTOGRAM_BUCKETS; i++) {
        count += log->group_records[i];
        fprintf(page, "%s_bucket{le=\"%" PRIu64 "\"} %" PRIu64 "\n", name, (UINT64_C(2) << i) - 1,
                count);
    }
    count += log->group_records[LOG_HISTOGRAM_BUCKETS - 1];
    fprintf(page, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, count);
    fprintf(page, "%s_sum %" PRIu64 "\n%s_count %" PRIu64 "\n", name, log->records, name, count);
}

/* Bucket i counts [2^i, 2^(i+1)) us, the last one all above. */
static void write_latency(FILE *page, const char *name, const char *help, const uint64_t *buckets,
                          unsigned bucket_count, uint64_t sum_us)
{
    uint64_t count = 0;
    head(page, name, "histogram", help);
    for (unsigned i = 0; i + 1 < bucket_count; i++) {
        count += buckets[i];
        fprintf(page, "%s_bucket{le=\"%.6f\"} %" PRIu64 "\n", name,
                (double)(UINT64_C(2) << i) / 1e6, count);
    }
    count += buckets[bucket_count - 1];
    fprintf(page, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, count);
    fprintf(page, "%s_sum %.6f\n%s_count %" PRIu64 "\n", name, (double)sum_us / 1e6, name, count);
}

static void seconds(FILE *page, const char *name, const char *help, double value)
{
    head(page, name, "gauge", help);
    fprintf(page, "%s %.6f\n", name, value);
}

static void write_checkpoints(FILE *page, const struct ledger_keeper_statistics *keeper)
{
    figure(page, "florin_checkpoints_completed_total", "counter", "Checkpoints made.",
           keeper->checkpoints_completed);
    figure(page, "florin_checkpoints_failed_total", "counter",
           "Checkpoints given up; the log is kept and the service goes on.",
           keeper->checkpoints_failed);
    figure(page, "florin_checkpoint_running", "gauge", "1 while a checkpoint is being made.",
           keeper->checkpoint_running ? 1 : 0);
    figure(page, "florin_checkpoint_lsn", "gauge",
           "Start of the newest complete checkpoint; 0: none.", keeper->checkpoint_lsn);
    seconds(page, "florin_checkpoint_timestamp_seconds",
            "Unix time of the end of the newest checkpoint; 0: none since the start.",
            (double)keeper->checkpoint_time_ns / 1e9);
    figure(page, "florin_checkpoint_bytes", "gauge", "Size of the newest checkpoint.",
           keeper->checkpoint_bytes);
    seconds(page, "florin_checkpoint_seconds", "How long the newest checkpoint took.",
            (double)keeper->checkpoint_ms / 1e3);
    figure(page, "florin_log_bytes_since_checkpoint", "gauge",
           "Log behind the newest checkpoint, to be replayed by a restart.",
           keeper->log_bytes_since);
    figure(page, "florin_log_segments_removed_total", "counter",
           "Log segments removed by the rule of retention.", keeper->log_segments_removed);
    figure(page, "florin_background_errno", "gauge",
           "errno of the newest failure of the background; 0: none.",
           (uint64_t)(keeper->last_error < 0 ? -keeper->last_error : keeper->last_error));
}

static void write_keys(FILE *page, const struct ledger_keeper_statistics *keeper)
{
    figure(page, "florin_key_files", "gauge", "Files of older idempotency keys.",
           keeper->key_files);
    figure(page, "florin_key_file_bytes", "gauge", "Size of the key files.",
           keeper->key_file_bytes);
    figure(page, "florin_key_file_keys", "gauge", "Idempotency keys in the key files.",
           keeper->key_file_keys);
    figure(page, "florin_key_filter_bytes", "gauge",
           "Memory of the key files' filters and indexes.", keeper->key_filter_bytes);
    figure(page, "florin_key_merges_total", "counter", "Key files merged from smaller ones.",
           keeper->key_merges);
    head(page, "florin_lookups_total", "counter",
         "Keys that were looked up on the disk, by where it was expected.");
    fprintf(page,
            "florin_lookups_total{kind=\"record\"} %" PRIu64
            "\nflorin_lookups_total{kind=\"files\"} %" PRIu64 "\n",
            keeper->lookups_record, keeper->lookups_files);
    figure(page, "florin_lookups_in_vain_total", "counter", "Looked up, and it was another key.",
           keeper->lookups_in_vain);
}

static void write_history(FILE *page, const struct florin *ledger)
{
    struct history_statistics history = history_statistics(ledger);
    figure(page, "florin_history_queries_total", "counter", "Questions about the past.",
           history.queries);
    figure(page, "florin_history_reads_total", "counter", "Reads of the log for them.",
           history.reads);
    figure(page, "florin_history_failures_total", "counter",
           "Answered with an error: the log is damaged or unreadable.", history.failures);
}

static void write_keeper(FILE *page, const struct florin *ledger)
{
    struct ledger_keeper_statistics keeper;
    ledger_keeper_statistics(ledger, &keeper);
    write_checkpoints(page, &keeper);
    write_keys(page, &keeper);
    write_latency(page, "florin_worker_pause_seconds",
                  "Pauses of a worker for checkpoints and key files.", keeper.pause_us,
                  LEDGER_PAUSE_BUCKETS, keeper.pause_us_sum);
    seconds(page, "florin_worker_pause_seconds_max", "The longest of them.",
            (double)keeper.pause_ns_max / 1e9);
    seconds(page, "florin_worker_pause_cpu_seconds_max",
            "The longest, without what the worker waited for a core meanwhile.",
            (double)keeper.pause_cpu_ns_max / 1e9);
}

static void write_backups(FILE *page, const struct metrics *const *workers, size_t worker_count)
{
    figure(page, "florin_backups_completed_total", "counter", "Backups sent to their end.",
           sum(workers, worker_count, offsetof(struct metrics, backups_completed)));
    figure(page, "florin_backups_failed_total", "counter", "Backups that were broken off.",
           sum(workers, worker_count, offsetof(struct metrics, backups_failed)));
    figure(page, "florin_backup_bytes_total", "counter", "Bytes of backups sent.",
           sum(workers, worker_count, offsetof(struct metrics, backup_bytes)));
}

static void write_followers(FILE *page, const struct metrics *const *workers, size_t worker_count)
{
    uint64_t left = sum(workers, worker_count, offsetof(struct metrics, followers_left));
    uint64_t joined = sum(workers, worker_count, offsetof(struct metrics, followers_joined));
    figure(page, "florin_followers", "gauge", "Clients that GET /events is answering.",
           joined > left ? joined - left : 0);
    figure(page, "florin_followers_total", "counter", "Answers of GET /events begun.", joined);
    figure(page, "florin_followers_dropped_total", "counter", "Followers that were too slow.",
           sum(workers, worker_count, offsetof(struct metrics, followers_dropped)));
    figure(page, "florin_events_sent_total", "counter", "Events sent to followers.",
           sum(workers, worker_count, offsetof(struct metrics, events_sent)));
    figure(page, "florin_event_bytes_total", "counter", "Bytes of events sent to followers.",
           sum(workers, worker_count, offsetof(struct metrics, event_bytes)));
}

static void write_ledger(FILE *page, const struct florin *ledger)
{
    struct ledger_statistics figures;
    struct log_statistics log;
    ledger_statistics(ledger, &figures, &log);
    write_group_sizes(page, &log);
    write_latency(page, "florin_commit_seconds",
                  "From the submission of a group to its durability.", log.commit_us,
                  LOG_HISTOGRAM_BUCKETS, log.commit_us_sum);
    figure(page, "florin_log_bytes_total", "counter", "Bytes written to the log, with padding.",
           log.bytes);
    figure(page, "florin_log_records_total", "counter", "Records written to the log.", log.records);
    figure(page, "florin_log_segments_started_total", "counter", "Log segments begun.",
           log.segments_started);
    figure(page, "florin_log_spare_segments", "gauge", "Zeroed segments ready for use.",
           log.spare_segments);
    figure(page, "florin_durable_lsn", "gauge", "The highest position that is on stable storage.",
           figures.durable_lsn);
    figure(page, "florin_accounts", "gauge", "Accounts.", figures.accounts);
    figure(page, "florin_accounts_max", "gauge", "Room for accounts.", figures.accounts_max);
    figure(page, "florin_keys", "gauge", "Idempotency keys.", figures.keys);
    figure(page, "florin_keys_held", "gauge", "Idempotency keys in memory.", figures.keys_held);
    figure(page, "florin_keys_memory", "gauge", "Room for idempotency keys in memory.",
           figures.keys_memory);
    figure(page, "florin_hops_total", "counter", "Commands that went to another worker.",
           figures.hops);
    head(page, "florin_build_info", "gauge", "Version, and how bytes reach the disk.");
    fprintf(page, "florin_build_info{version=\"%s\",io=\"%s\"} 1\n", FLORIN_VERSION, figures.io);
}

char *metrics_page(const struct metrics *const *workers, size_t worker_count,
                   const struct florin *ledger, size_t *length)
{
    char *bytes = NULL;
    FILE *page = open_memstream(&bytes, length);
    if (page == NULL)
        return NULL;
    write_requests(page, workers, worker_count);
    write_outcomes(page, workers, worker_count);
    write_connections(page, workers, worker_count);
    write_backups(page, workers, worker_count);
    write_followers(page, workers, worker_count);
    write_ledger(page, ledger);
    write_keeper(page, ledger);
    write_history(page, ledger);
    if (fclose(page) != 0) {
        free(bytes);
        return NULL;
    }
    return bytes;
}
