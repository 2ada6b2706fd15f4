/* reader.c - looks up keys in the log and in the key files, on a thread of its own.
 *
 * Guarantees: a key is said not to be there only when everything that may hold it was read and was
 * sound; otherwise the look-up has an error, and the command is not applied. Commits never wait for
 * it: its own descriptors, its own thread. Must not know: shards; what a command does.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/reversal.h"
#include "key_archive.h"
#include "ledger_state.h"
#include "reader.h"
#include "wal/log_reader.h"

struct reader_job {
    struct worker *worker;
    int32_t number; /* of its look-up */
};

struct reader_queue {
    struct reader_job *jobs;
    uint64_t first;
    uint64_t count;
    uint64_t size;
};

/* The frame that was read last, which is often the next one, too: a batch that is sent again looks
 * up all records of a frame. Valid until the next call of the log's reader. */
struct reader_frame {
    bool is_there;
    struct log_frame frame;
    /* The record behind the one that was decoded last. */
    uint64_t next_lsn;
    size_t next_offset;
};

struct reader {
    /* set at creation, then read-only */
    struct florin *ledger;
    bool has_thread;
    pthread_t thread;

    /* the reader's */
    struct log_reader *log;
    struct reader_frame last;

    /* under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    struct reader_queue queue;
    int32_t done[FLORIN_WORKERS_MAX]; /* finished jobs of each worker, newest first */
    bool stop;

    /* written by the reader, read by any thread */
    _Atomic uint64_t records;
    _Atomic uint64_t files;
    _Atomic uint64_t in_vain;
};

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* --- one job --------------------------------------------------------------------------------- */

/* What is being found out about the key that is looked up. */
static struct shard_key_found *key_found(struct lookup *lookup)
{
    return lookup->is_reversal ? &lookup->found.next_reversal : &lookup->found.key;
}

static int find_in_files(struct reader *reader, struct lookup *lookup)
{
    struct shard_key_found *key = key_found(lookup);
    struct block_file_fault fault = {0};
    int error = key_archive_find(reader->ledger->archive, lookup->digest, &key->answer, &key->found,
                                 &fault);
    if (error != 0) {
        ledger_log(reader->ledger,
                   "level=error event=lookup_failed file=%s/%s offset=%" PRIu64
                   " errno=%d reason=\"%s\" advice=\"run florin verify\"",
                   reader->ledger->options.directory, fault.file, fault.offset, -error,
                   fault.reason);
    }
    return error;
}

static void note_other(struct lookup *lookup)
{
    struct shard_key_found *key = key_found(lookup);
    assert(key->other_count < SHARD_OTHERS_MAX); /* the shard asks for no more */
    key->others[key->other_count++] = lookup->lsn;
}

static bool frame_holds(const struct reader_frame *last, uint64_t lsn)
{
    return last->is_there && lsn >= last->frame.header.first_lsn &&
           lsn <= last->frame.header.last_lsn;
}

/* Reads the frame that holds a record, unless it is the last one. 0, -ENODATA, -EBADMSG, -errno. */
static int read_frame(struct reader *reader, uint64_t lsn, struct log_fault *fault)
{
    struct reader_frame *last = &reader->last;
    uint64_t durable = log_durable_lsn(reader->ledger->log);
    assert(lsn <= durable);
    if (frame_holds(last, lsn))
        return 0;
    last->is_there = false;
    int error = log_reader_seek(reader->log, lsn, durable, fault);
    if (error == 0)
        error = log_reader_next(reader->log, durable, &last->frame, fault);
    if (error != 0)
        return error;
    last->is_there = true;
    last->next_lsn = last->frame.header.first_lsn;
    last->next_offset = 0;
    return frame_holds(last, lsn) ? 0 : -EBADMSG;
}

/* The record `lsn` of the last frame, which holds it. false: the frame's records are not what its
 * header says. */
static bool record_of_frame(struct reader_frame *last, uint64_t lsn, struct record *record)
{
    const struct log_frame *frame = &last->frame;
    if (lsn < last->next_lsn) {
        last->next_lsn = frame->header.first_lsn;
        last->next_offset = 0;
    }
    for (; last->next_lsn <= lsn; last->next_lsn++) {
        size_t size = record_decode(frame->payload + last->next_offset,
                                    frame->header.payload_length - last->next_offset, record);
        if (size == 0)
            return false;
        last->next_offset += size;
    }
    return true;
}

/* Reads a record; its strings are valid until the next one is read. 0; -ENODATA: the log was
 * shortened behind it; -errno, and said so. */
static int read_record(struct reader *reader, uint64_t lsn, struct record *record)
{
    struct florin *ledger = reader->ledger;
    struct log_fault fault = {0};
    int error = read_frame(reader, lsn, &fault);
    if (error == 0 && !record_of_frame(&reader->last, lsn, record))
        error = -EBADMSG;
    if (error != 0 && error != -ENODATA) {
        /* an I/O error comes without a place */
        const char *file = fault.file[0] != '\0' ? fault.file : "log";
        const char *reason = fault.reason[0] != '\0' ? fault.reason : strerror(-error);
        ledger_log(ledger,
                   "level=error event=lookup_failed file=%s/%s offset=%" PRIu64 " lsn=%" PRIu64
                   " errno=%d reason=\"%s\" advice=\"run florin verify\"",
                   ledger->options.directory, file, fault.offset, lsn, -error, reason);
    }
    return error;
}

/* Whether a record is the one whose key is looked up; what was answered then. */
static bool take_answer(const struct reader *reader, struct lookup *lookup,
                        const struct record *record)
{
    const struct hash_secret *secret = &reader->ledger->secret;
    struct key_answer *answer = &key_found(lookup)->answer;
    struct message_command message;
    message_get_command(lookup->message, &message);
    if (!lookup->is_reversal)
        return shard_answer_of_record(secret, record, lookup->lsn, &message.command, answer);
    return shard_record_is_reversal(record, &message.command,
                                    (uint64_t)lookup->found.reversals + 1) &&
           key_answer_of_reversal(secret, record, lookup->lsn, answer);
}

/* --- reversals ------------------------------------------------------------------------------- */

/* Gives the waiting command the legs of the transaction that it reverses, turned round. */
static void give_legs(struct lookup *lookup, const struct record *record)
{
    struct florin_leg legs[FLORIN_LEGS_MAX];
    uint8_t bytes[LOOKUP_MESSAGE_BYTES];
    struct message_command message;
    memcpy(bytes, lookup->message, sizeof(bytes));
    message_get_command(bytes, &message);
    message.command.legs = legs;
    message.command.leg_count = reversal_legs(record, legs);
    message_put_command(lookup->message, &message.command, message.account_hash,
                        message.submitted_ns);
}

/* Takes an earlier reversal off them. false: its legs are others. */
static bool take_off(struct lookup *lookup, const struct record *record)
{
    uint8_t bytes[LOOKUP_MESSAGE_BYTES];
    struct message_command message;
    memcpy(bytes, lookup->message, sizeof(bytes));
    message_get_command(bytes, &message);
    if (!reversal_take_off(message.legs, message.command.leg_count, record))
        return false;
    message_put_command(lookup->message, &message.command, message.account_hash,
                        message.submitted_ns);
    lookup->found.reversals++;
    lookup->found.reversed_minor += record->amount_minor;
    return true;
}

/* An earlier reversal was found: the question is about the next one. */
static int count_reversal(struct lookup *lookup, const struct record *record)
{
    if (!take_off(lookup, record))
        return -EBADMSG;
    lookup->found.next_reversal = (struct shard_key_found){0};
    return 0;
}

static int find_in_log(struct reader *reader, struct lookup *lookup)
{
    struct shard_key_found *key = key_found(lookup);
    struct record record;
    int error = read_record(reader, lookup->lsn, &record);
    /* The log was shortened behind the hint: then a key file has the record's key by now. If that
     * is another one, the files may still get the wanted key from another record. */
    if (error == -ENODATA) {
        error = find_in_files(reader, lookup);
        if (error == 0 && !key->found)
            note_other(lookup);
        return error;
    }
    if (error != 0)
        return error;
    key->found = take_answer(reader, lookup, &record);
    if (!key->found)
        note_other(lookup);
    else if (lookup->is_reversal)
        return count_reversal(lookup, &record);
    return 0;
}

/* The same, of one that a key file knows of. Its record is kept, because that of the transaction,
 * which is older, is. */
static int count_filed_reversal(struct reader *reader, struct lookup *lookup)
{
    struct record record;
    int error = read_record(reader, lookup->found.next_reversal.answer.lsn, &record);
    if (error == -ENODATA) {
        lookup->found.target = SHARD_TARGET_NOT_FOUND;
        lookup->found.next_reversal = (struct shard_key_found){0};
        return 0;
    }
    return error == 0 ? count_reversal(lookup, &record) : error;
}

/* What the record is that the command names. One that retention has removed is none. */
static int find_target(struct reader *reader, struct lookup *lookup)
{
    struct record record;
    struct message_command message;
    int error = read_record(reader, lookup->lsn, &record);
    if (error == -ENODATA) {
        lookup->found.target = SHARD_TARGET_NOT_FOUND;
        return 0;
    }
    if (error != 0)
        return error;
    message_get_command(lookup->message, &message);
    lookup->found.target = shard_target_of_record(&record, &message.command);
    if (lookup->found.target == SHARD_TARGET_REVERSIBLE && message.command.kind == FLORIN_REVERSE)
        give_legs(lookup, &record);
    return 0;
}

static void do_job(struct reader *reader, struct lookup *lookup)
{
    assert(lookup->state == LOOKUP_READING);
    if (lookup->kind == SHARD_LOOKUP_TARGET) {
        lookup->error = find_target(reader, lookup);
        count(&reader->records);
        return;
    }
    struct shard_key_found *key = key_found(lookup);
    uint32_t reversals = lookup->found.reversals;
    bool in_log = lookup->kind == SHARD_LOOKUP_RECORD;
    lookup->error = in_log ? find_in_log(reader, lookup) : find_in_files(reader, lookup);
    if (!in_log && lookup->error == 0)
        key->files_have_not = !key->found;
    count(in_log ? &reader->records : &reader->files);
    if (lookup->error == 0 && !key->found && lookup->found.reversals == reversals)
        count(&reader->in_vain);
    if (lookup->error == 0 && key->found && lookup->is_reversal)
        lookup->error = count_filed_reversal(reader, lookup);
}

/* --- the queue ------------------------------------------------------------------------------- */

/* Under the mutex. Never full: it has a place for every look-up that a worker can have. */
static void queue_put(struct reader_queue *queue, struct worker *worker, int32_t number)
{
    uint64_t place = (queue->first + queue->count) % queue->size;
    assert(queue->count < queue->size);
    queue->jobs[place] = (struct reader_job){worker, number};
    queue->count++;
}

static bool queue_take(struct reader_queue *queue, struct worker **worker, int32_t *number)
{
    if (queue->count == 0)
        return false;
    *worker = queue->jobs[queue->first].worker;
    *number = queue->jobs[queue->first].number;
    queue->first = (queue->first + 1) % queue->size;
    queue->count--;
    return true;
}

void reader_submit(struct reader *reader, struct worker *worker, int32_t number)
{
    pthread_mutex_lock(&reader->mutex);
    queue_put(&reader->queue, worker, number);
    pthread_cond_signal(&reader->wanted);
    pthread_mutex_unlock(&reader->mutex);
}

int32_t reader_take(struct reader *reader, struct worker *worker)
{
    pthread_mutex_lock(&reader->mutex);
    int32_t number = reader->done[worker->number];
    if (number != LOOKUP_NONE)
        reader->done[worker->number] = lookups_at(&worker->lookups, number)->next_done;
    pthread_mutex_unlock(&reader->mutex);
    return number;
}

bool reader_has_finished(struct reader *reader, const struct worker *worker)
{
    pthread_mutex_lock(&reader->mutex);
    bool finished = reader->done[worker->number] != LOOKUP_NONE;
    pthread_mutex_unlock(&reader->mutex);
    return finished;
}

/* Gives a finished job back. */
static void give_back(struct reader *reader, struct worker *worker, int32_t number)
{
    pthread_mutex_lock(&reader->mutex);
    lookups_at(&worker->lookups, number)->next_done = reader->done[worker->number];
    reader->done[worker->number] = number;
    pthread_mutex_unlock(&reader->mutex);
    inbox_wake(&worker->inbox);
}

bool reader_step(struct reader *reader)
{
    struct worker *worker;
    int32_t number;
    pthread_mutex_lock(&reader->mutex);
    bool got = queue_take(&reader->queue, &worker, &number);
    pthread_mutex_unlock(&reader->mutex);
    if (!got)
        return false;
    do_job(reader, lookups_at(&worker->lookups, number));
    give_back(reader, worker, number);
    return true;
}

static void *reader_main(void *context)
{
    struct reader *reader = context;
    pthread_mutex_lock(&reader->mutex);
    while (!reader->stop) {
        if (reader->queue.count == 0) {
            pthread_cond_wait(&reader->wanted, &reader->mutex);
            continue;
        }
        pthread_mutex_unlock(&reader->mutex);
        (void)reader_step(reader);
        pthread_mutex_lock(&reader->mutex);
    }
    pthread_mutex_unlock(&reader->mutex);
    return NULL;
}

struct reader_statistics reader_statistics(const struct reader *reader)
{
    return (struct reader_statistics){
        .records = atomic_load_explicit(&reader->records, memory_order_relaxed),
        .files = atomic_load_explicit(&reader->files, memory_order_relaxed),
        .in_vain = atomic_load_explicit(&reader->in_vain, memory_order_relaxed),
    };
}

/* --- life cycle ------------------------------------------------------------------------------ */

int reader_create(struct florin *ledger, bool thread, struct reader **created)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return -ENOMEM;
    reader->ledger = ledger;
    pthread_mutex_init(&reader->mutex, NULL);
    pthread_cond_init(&reader->wanted, NULL);
    for (unsigned number = 0; number < FLORIN_WORKERS_MAX; number++)
        reader->done[number] = LOOKUP_NONE;
    reader->queue.size = (uint64_t)ledger->worker_count * LOOKUPS_MAX;
    reader->queue.jobs = calloc(reader->queue.size, sizeof *reader->queue.jobs);
    int error = reader->queue.jobs == NULL ? -ENOMEM : 0;
    if (error == 0)
        error = log_reader_open(ledger->storage, &ledger->meta, &reader->log);
    if (error == 0 && thread) {
        error = -pthread_create(&reader->thread, NULL, reader_main, reader);
        reader->has_thread = error == 0;
    }
    if (error != 0) {
        reader_destroy(reader);
        return error;
    }
    *created = reader;
    return 0;
}

void reader_destroy(struct reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->has_thread) {
        pthread_mutex_lock(&reader->mutex);
        reader->stop = true;
        pthread_cond_signal(&reader->wanted);
        pthread_mutex_unlock(&reader->mutex);
        pthread_join(reader->thread, NULL);
    }
    if (reader->log != NULL)
        log_reader_close(reader->log);
    free(reader->queue.jobs);
    pthread_cond_destroy(&reader->wanted);
    pthread_mutex_destroy(&reader->mutex);
    free(reader);
}
