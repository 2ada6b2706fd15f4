/* ledger.c - makes, opens, stops and frees a ledger: the directory, its lock, the workers.
 *
 * The directory of a ledger:
 *
 *     lock      held by flock() for the life of the process; holds its pid, for people
 *     meta      who the directory is (wal/meta.h); the last file of a new ledger
 *     log/      the segments (wal/log.h)
 *
 * The side file only keeps two starters apart. That writes of a killed process have landed is
 * known by the lock on the segments themselves, which log_open() waits for.
 */
#include "ledger.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "directory_lock.h"
#include "history.h"
#include "keeper.h"
#include "key_archive.h"
#include "ledger_state.h"
#include "lister.h"
#include "reader.h"
#include "restore_mark.h"
#include "wal/channel_posix.h"
#include "wal/channel_uring.h"
#include "wal/storage_posix.h"

enum {
    LOCK_TIMEOUT_MS = 5000,
    LOG_LINE_MAX = 1024,
    /* A commit that takes longer than this makes the ledger unhealthy. */
    HEALTHY_COMMIT_SECONDS = 5,
};

/* --- the operator's log --------------------------------------------------------------------- */

void ledger_log_line(void *context, const char *line)
{
    struct florin *ledger = context;
    if (ledger->options.log_line == NULL)
        return;
    pthread_mutex_lock(&ledger->log_line_lock);
    ledger->options.log_line(ledger->options.log_context, line);
    pthread_mutex_unlock(&ledger->log_line_lock);
}

void ledger_log(struct florin *ledger, const char *format, ...)
{
    char line[LOG_LINE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    ledger_log_line(ledger, line);
}

/* --- devices -------------------------------------------------------------------------------- */

static int create_uring(void *context, struct channel **channel)
{
    (void)context;
    return channel_uring_create(channel);
}

static int create_posix(void *context, struct channel **channel)
{
    (void)context;
    return channel_posix_create(channel);
}

static bool is_refusal(int error)
{
    return error == -ENOSYS || error == -EPERM || error == -EACCES;
}

/* Decides how bytes reach the disk, by trying. */
static int choose_channel(struct florin *ledger)
{
    ledger->create_channel = create_posix;
    ledger->io_name = "posix";
    if (ledger->options.io == FLORIN_IO_POSIX)
        return 0;
    struct channel *probe;
    int error = channel_uring_create(&probe);
    if (error == 0) {
        probe->operations->destroy(probe);
        ledger->create_channel = create_uring;
        ledger->io_name = "uring";
        return 0;
    }
    if (ledger->options.io == FLORIN_IO_URING || !is_refusal(error))
        return error;
    ledger_log(ledger, "level=warning event=io_fallback io=posix reason=\"io_uring refused: %s\"",
               strerror(-error));
    return 0;
}

static int open_devices(struct florin *ledger, const struct ledger_devices *devices)
{
    if (devices != NULL) {
        ledger->storage = devices->storage;
        ledger->create_channel = devices->create_channel;
        ledger->channel_context = devices->context;
        ledger->io_name = "other";
        ledger->single_thread = devices->single_thread;
        ledger->keys_per_file = devices->keys_per_file;
        return 0;
    }
    int error = choose_channel(ledger);
    if (error != 0)
        return error;
    error = storage_posix_create(ledger->options.directory, true, &ledger->own_storage);
    ledger->storage = ledger->own_storage;
    return error;
}

/* --- the directory -------------------------------------------------------------------------- */

/* Takes DATA/lock, or says who has it. */
static int lock_directory(struct florin *ledger)
{
    char holder[DIRECTORY_LOCK_HOLDER_MAX];
    int error = directory_lock_take(ledger->storage, LOCK_TIMEOUT_MS, &ledger->lock_file, holder);
    if (error == -EBUSY)
        ledger_log(ledger, "level=error event=locked directory=%s holder=\"%s\" waited_ms=%d",
                   ledger->options.directory, holder, LOCK_TIMEOUT_MS);
    return error;
}

/* What a restore has not finished would be a ledger that ends too early. */
static int refuse_unfinished(struct florin *ledger)
{
    int error = restore_mark_check(ledger->storage);
    if (error == -EBADMSG)
        ledger_log(ledger,
                   "level=error event=recovery_refused file=%s/" RESTORE_MARK_NAME
                   " offset=0 reason=\"" RESTORE_MARK_REASON "\" advice=\"nothing was changed\"",
                   ledger->options.directory);
    return error;
}

static int create_meta(struct florin *ledger)
{
    struct meta meta = {
        .format_version = META_FORMAT_VERSION,
        .created_ns = clock_wall_ns(),
        .segment_bytes = ledger->options.segment_bytes,
    };
    if (getrandom(meta.log_id, META_LOG_ID_BYTES, 0) != META_LOG_ID_BYTES ||
        getrandom(meta.hash_seed, META_HASH_SEED_BYTES, 0) != META_HASH_SEED_BYTES)
        return -EIO;
    return meta_create(ledger->storage, &meta);
}

/* Says what is wrong with DATA/meta; the error for the caller. */
static int log_meta_error(struct florin *ledger, int error)
{
    const char *directory = ledger->options.directory;
    if (error == -EPROTONOSUPPORT) {
        ledger_log(ledger,
                   "level=error event=other_version file=%s/meta version=%" PRIu32
                   " supported=%d advice=\"start the release that wrote this directory\"",
                   directory, ledger->meta.format_version, META_FORMAT_VERSION);
        return -EBADMSG;
    }
    ledger_log(ledger,
               "level=error event=recovery_refused file=%s/meta offset=0 reason=\"it is %s\" "
               "advice=\"nothing was changed; restore it from a copy\"",
               directory, error == -ENOTEMPTY ? "missing, but there is a log" : "damaged");
    return -EBADMSG;
}

static int read_meta(struct florin *ledger)
{
    int error = meta_read(ledger->storage, &ledger->meta);
    if (error == -ENOENT) {
        error = create_meta(ledger);
        if (error == 0)
            error = meta_read(ledger->storage, &ledger->meta);
    }
    if (error == -EPROTONOSUPPORT || error == -EBADMSG || error == -ENOTEMPTY)
        return log_meta_error(ledger, error);
    return error;
}

/* --- workers -------------------------------------------------------------------------------- */

/* Entries of one shard: its share, and eight standard deviations of an even distribution. */
static uint64_t shard_share(uint64_t total, unsigned workers)
{
    uint64_t share = total / workers + 1;
    uint64_t root = 1;
    while (root * root < share)
        root *= 2;
    return share + 8 * root + 64;
}

static int shard_create(struct worker *worker)
{
    const struct florin *ledger = worker->ledger;
    struct shard_options options = {
        .secret = &ledger->secret,
        .currencies = &ledger->currencies.own,
        .auto_create =
            ledger->currencies.auto_create.code[0] != '\0' ? &ledger->currencies.auto_create : NULL,
        .number = worker->number,
        .count = ledger->worker_count,
        .accounts_max = shard_share(ledger->options.accounts_max, ledger->worker_count),
        .keys_memory = shard_share(ledger->options.keys_memory, ledger->worker_count),
        /* counted by accounts, each of which has all its holds in one shard */
        .holds_max = FLORIN_ACCOUNT_HOLDS_MAX *
                     shard_share(ledger->options.holds_max / FLORIN_ACCOUNT_HOLDS_MAX + 1,
                                 ledger->worker_count),
    };
    /* address space now, memory as the tables grow */
    size_t shard_bytes = shard_memory_bytes(&options);
    size_t coordinator_bytes = coordinator_memory_bytes();
    worker->shard_memory_bytes =
        shard_bytes + coordinator_bytes + participant_memory_bytes(ledger->worker_count);
    void *memory = mmap(NULL, worker->shard_memory_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    worker->shard_memory = memory;
    /* fewer TLB misses on random accounts; where it is refused, small pages do */
    (void)madvise(memory, worker->shard_memory_bytes, MADV_HUGEPAGE);
    shard_init(&worker->shard, &options, memory);
    uint8_t *behind = (uint8_t *)memory + shard_bytes;
    coordinator_init(&worker->coordinator, &worker->shard, behind);
    participant_init(&worker->participant, &worker->shard, ledger->worker_count,
                     behind + coordinator_bytes);
    return 0;
}

static void shard_destroy(struct worker *worker)
{
    if (worker->shard_memory != NULL)
        munmap(worker->shard_memory, worker->shard_memory_bytes);
    worker->shard_memory = NULL;
}

int ledger_clear_shards(struct florin *ledger)
{
    assert(ledger_state(ledger) == LEDGER_RECOVERING);
    for (unsigned number = 0; number < ledger->worker_count; number++) {
        struct worker *worker = &ledger->workers[number];
        shard_destroy(worker);
        int error = shard_create(worker);
        if (error != 0)
            return error;
        worker->shard.key_filters = atomic_load(&ledger->key_filters);
    }
    return 0;
}

static int worker_init(struct florin *ledger, unsigned number)
{
    struct worker *worker = &ledger->workers[number];
    worker->ledger = ledger;
    worker->number = number;
    int error = inbox_init(&worker->inbox);
    if (error == 0)
        error = shard_create(worker);
    if (error != 0)
        return error;
    worker->metadata = malloc(WORKER_METADATA_BYTES);
    if (worker->metadata == NULL)
        return -ENOMEM;
    error = waiters_init(&worker->waiters);
    if (error == 0)
        error = lookups_init(&worker->lookups, worker->participant.claims_max);
    if (error != 0)
        return error;
    error = endpoint_create(ledger->worker_count, number, ENDPOINT_WORKER_RING_BYTES,
                            &worker->inbox, &worker->self);
    if (error == 0)
        ledger_add_endpoint(ledger, worker->self);
    return error;
}

static void worker_deinit(struct worker *worker)
{
    if (worker->ledger == NULL)
        return;
    assert(!worker->attached);
    waiters_deinit(&worker->waiters);
    free(worker->metadata);
    lookups_deinit(&worker->lookups);
    shard_destroy(worker);
    inbox_deinit(&worker->inbox);
}

static int create_workers(struct florin *ledger)
{
    ledger->worker_count = ledger->options.workers;
    ledger->workers = calloc(ledger->worker_count, sizeof *ledger->workers);
    if (ledger->workers == NULL)
        return -ENOMEM;
    for (unsigned number = 0; number < ledger->worker_count; number++) {
        int error = worker_init(ledger, number);
        if (error != 0)
            return error;
    }
    return 0;
}

unsigned ledger_add_endpoint(struct florin *ledger, struct endpoint *endpoint)
{
    unsigned number = atomic_load_explicit(&ledger->endpoint_count, memory_order_relaxed);
    assert(number < ENDPOINTS_MAX);
    atomic_store_explicit(&ledger->endpoints[number], endpoint, memory_order_relaxed);
    /* pairs with the workers' acquire of the count: the endpoint is complete */
    atomic_store_explicit(&ledger->endpoint_count, number + 1, memory_order_release);
    return number;
}

/* --- life cycle ----------------------------------------------------------------------------- */

int ledger_create(const struct florin_options *options, const struct ledger_devices *devices,
                  struct florin **ledger)
{
    struct ledger_currencies currencies;
    if (!ledger_options_check(options, &currencies))
        return -EINVAL;
    struct florin *created = calloc(1, sizeof *created);
    if (created == NULL)
        return -ENOMEM;
    created->options = *options;
    created->options.currencies = NULL; /* the caller's */
    created->currencies = currencies;
    created->commit_timeout_ns = options->commit_timeout_ms * UINT64_C(1000000);
    pthread_mutex_init(&created->log_line_lock, NULL);
    pthread_mutex_init(&created->clients_lock, NULL);
    atomic_init(&created->state, LEDGER_RECOVERING);
    created->followers.descriptor = -1;
    int error = open_devices(created, devices);
    if (error == 0)
        error = inbox_init(&created->followers);
    if (error == 0)
        error = refuse_unfinished(created);
    if (error == 0)
        error = lock_directory(created);
    if (error == 0)
        error = read_meta(created);
    if (error == 0) {
        hash_secret_init(&created->secret, created->meta.hash_seed, META_HASH_SEED_BYTES);
        error = create_workers(created);
    }
    if (error == 0)
        error = lister_create(created, &created->lister);
    if (error != 0) {
        ledger_destroy(created);
        return error;
    }
    *ledger = created;
    return 0;
}

int ledger_recover(struct florin *ledger)
{
    assert(ledger_state(ledger) == LEDGER_RECOVERING);
    int error = recovery_run(ledger);
    if (error != 0)
        return error;
    /* pairs with the acquire in ledger_state(): the log and the shards are complete */
    int expected = LEDGER_RECOVERING;
    atomic_compare_exchange_strong(&ledger->state, &expected, LEDGER_READY);
    ledger_wake(ledger, UINT64_MAX);
    return 0;
}

static void write_clean_mark(struct florin *ledger)
{
    struct channel *channel = NULL;
    bool clean = florin_failed(ledger) == 0 && ledger_state(ledger) != LEDGER_RECOVERING &&
                 ledger->create_channel(ledger->channel_context, &channel) == 0;
    log_close(ledger->log, channel, clean);
    if (channel != NULL)
        channel->operations->destroy(channel);
}

void ledger_destroy(struct florin *ledger)
{
    keeper_destroy(ledger->keeper);
    reader_destroy(ledger->reader);
    history_destroy(ledger->history);
    lister_destroy(ledger->lister);
    if (ledger->log != NULL)
        write_clean_mark(ledger);
    key_archive_close(ledger->archive);
    for (unsigned number = 0; ledger->workers != NULL && number < ledger->worker_count; number++)
        worker_deinit(&ledger->workers[number]);
    ledger_free_clients(ledger);
    unsigned endpoints = atomic_load(&ledger->endpoint_count);
    for (unsigned number = 0; number < endpoints; number++)
        endpoint_destroy(atomic_load(&ledger->endpoints[number]));
    free(ledger->workers);
    if (ledger->followers.descriptor >= 0)
        inbox_deinit(&ledger->followers);
    if (ledger->lock_file != NULL)
        ledger->storage->operations->close(ledger->lock_file);
    if (ledger->own_storage != NULL)
        storage_posix_destroy(ledger->own_storage);
    pthread_mutex_destroy(&ledger->clients_lock);
    pthread_mutex_destroy(&ledger->log_line_lock);
    free(ledger);
}

/* --- what anybody may ask ------------------------------------------------------------------- */

enum ledger_state ledger_state(const struct florin *ledger)
{
    return (enum ledger_state)atomic_load_explicit(&ledger->state, memory_order_acquire);
}

void ledger_wake(struct florin *ledger, uint64_t workers)
{
    for (unsigned number = 0; number < ledger->worker_count; number++) {
        if (workers >> number & 1)
            inbox_wake(&ledger->workers[number].inbox);
    }
}

void ledger_stop(struct florin *ledger)
{
    int expected = LEDGER_READY;
    bool was_ready = atomic_compare_exchange_strong(&ledger->state, &expected, LEDGER_STOPPING);
    ledger_wake(ledger, UINT64_MAX);
    if (was_ready)
        keeper_wake(ledger->keeper); /* somebody may be waiting for a checkpoint */
}

void ledger_fail(struct florin *ledger)
{
    if (atomic_exchange(&ledger->state, LEDGER_FAILED) != LEDGER_FAILED) {
        ledger_wake(ledger, UINT64_MAX);
        keeper_wake(ledger->keeper);
    }
}

int florin_failed(const struct florin *ledger)
{
    return ledger->log == NULL ? 0 : log_failed(ledger->log);
}

uint64_t florin_durable_lsn(const struct florin *ledger)
{
    return ledger_state(ledger) == LEDGER_RECOVERING ? 0 : log_durable_lsn(ledger->log);
}

struct ledger_progress ledger_progress(const struct florin *ledger)
{
    uint64_t started_ns = atomic_load(&ledger->recovery_started_ns);
    return (struct ledger_progress){
        .bytes_done =
            atomic_load(&ledger->progress.bytes_done) + atomic_load(&ledger->checkpoint_bytes_done),
        .bytes_total = atomic_load(&ledger->progress.bytes_total) +
                       atomic_load(&ledger->checkpoint_bytes_total),
        .records_done = atomic_load(&ledger->progress.records_done),
        .accounts_done = atomic_load(&ledger->accounts_loaded),
        .elapsed_ms = started_ns == 0 ? 0 : (clock_monotonic_ns() - started_ns) / 1000000,
    };
}

unsigned ledger_worker_count(const struct florin *ledger)
{
    return ledger->worker_count;
}

struct worker *ledger_worker(struct florin *ledger, unsigned number)
{
    assert(number < ledger->worker_count);
    return &ledger->workers[number];
}

void ledger_statistics(const struct florin *ledger, struct ledger_statistics *statistics,
                       struct log_statistics *log)
{
    *statistics = (struct ledger_statistics){
        .accounts_max = ledger->options.accounts_max,
        .keys_memory = ledger->options.keys_memory,
        .durable_lsn = florin_durable_lsn(ledger),
        .io = ledger->io_name,
    };
    for (unsigned number = 0; number < ledger->worker_count; number++) {
        const struct worker *worker = &ledger->workers[number];
        statistics->accounts += atomic_load_explicit(&worker->accounts_now, memory_order_relaxed);
        statistics->keys_held += atomic_load_explicit(&worker->keys_held_now, memory_order_relaxed);
        statistics->hops += atomic_load_explicit(&worker->hops_now, memory_order_relaxed);
    }
    memset(log, 0, sizeof *log);
    struct ledger_keeper_statistics keeper;
    ledger_keeper_statistics(ledger, &keeper);
    statistics->keys = statistics->keys_held + keeper.key_file_keys;
    if (ledger_state(ledger) != LEDGER_RECOVERING)
        log_statistics(ledger->log, log);
}

static void raise_to(uint64_t *maximum, const _Atomic uint64_t *value)
{
    uint64_t now = atomic_load_explicit(value, memory_order_relaxed);
    if (now > *maximum)
        *maximum = now;
}

static void add_pauses(const struct worker *worker, struct ledger_keeper_statistics *statistics)
{
    const struct worker_pauses *pauses = &worker->pauses;
    for (unsigned i = 0; i < LEDGER_PAUSE_BUCKETS; i++)
        statistics->pause_us[i] += atomic_load_explicit(&pauses->us[i], memory_order_relaxed);
    statistics->pause_us_sum += atomic_load_explicit(&pauses->us_sum, memory_order_relaxed);
    raise_to(&statistics->pause_ns_max, &pauses->ns_max);
    raise_to(&statistics->pause_cpu_ns_max, &pauses->cpu_ns_max);
}

void ledger_keeper_statistics(const struct florin *ledger,
                              struct ledger_keeper_statistics *statistics)
{
    memset(statistics, 0, sizeof *statistics);
    if (ledger_state(ledger) == LEDGER_RECOVERING)
        return;
    keeper_statistics(ledger->keeper, statistics);
    struct reader_statistics reader = reader_statistics(ledger->reader);
    statistics->lookups_record = reader.records;
    statistics->lookups_files = reader.files;
    statistics->lookups_in_vain = reader.in_vain;
    for (unsigned number = 0; number < ledger->worker_count; number++)
        add_pauses(&ledger->workers[number], statistics);
}

/* --- the background ------------------------------------------------------------------------- */

bool ledger_step(struct florin *ledger)
{
    assert(ledger->single_thread);
    bool made_segment = log_step(ledger->log);
    return reader_step(ledger->reader) || history_step(ledger->history) ||
           keeper_step(ledger->keeper) || made_segment;
}

int ledger_request_checkpoint(struct florin *ledger, uint64_t *number)
{
    if (ledger_state(ledger) != LEDGER_READY)
        return -ESHUTDOWN;
    return keeper_request_checkpoint(ledger->keeper, number);
}

int florin_checkpoint(struct florin *ledger)
{
    if (ledger_state(ledger) != LEDGER_READY)
        return -ESHUTDOWN;
    return keeper_make_checkpoint(ledger->keeper);
}

bool ledger_is_healthy(const struct florin *ledger)
{
    if (ledger_state(ledger) == LEDGER_RECOVERING)
        return true;
    if (log_failed(ledger->log) != 0)
        return false;
    struct log_statistics statistics;
    log_statistics(ledger->log, &statistics);
    return statistics.commit_started_ns == 0 ||
           clock_monotonic_ns() - statistics.commit_started_ns <
               HEALTHY_COMMIT_SECONDS * UINT64_C(1000000000);
}
