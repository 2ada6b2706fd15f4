/* strategy_journal.c - the order of the frames in submit_strategy.
 *
 * Guarantees that places and sequence numbers are claimed in one order, and that the durable
 * sequence is a prefix of it. It must not know who submits, nor how.
 */
#include "strategy_journal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

uint8_t *journal_buffer_create(void)
{
    uint8_t *buffer = aligned_alloc(ALIGNMENT, FRAME_BYTES_MAX);
    measure_check("memory", buffer != NULL ? 0 : -ENOMEM);
    memset(buffer, 0, FRAME_BYTES_MAX);
    return buffer;
}

void journal_init(struct journal *journal, enum strategy strategy, int fd)
{
    memset(journal, 0, sizeof(*journal));
    journal->strategy = strategy;
    journal->fd = fd;
    measure_check("mutex", -pthread_mutex_init(&journal->mutex, NULL));
    /* One gathers and at most two are in flight, or one of each for every worker. */
    for (unsigned i = 0; i < 2 * WORKERS_MAX + 1; i++)
        journal->free_buffers[journal->free_count++] = journal_buffer_create();
    journal->shared.buffer = journal->free_buffers[--journal->free_count];
}

void journal_deinit(struct journal *journal)
{
    assert(journal->in_flight == 0);
    free(journal->shared.buffer);
    while (journal->free_count > 0)
        free(journal->free_buffers[--journal->free_count]);
    pthread_mutex_destroy(&journal->mutex);
}

void journal_gather(struct gathering *gathering, unsigned worker, const uint8_t *record)
{
    assert(gathering->length + RECORD_BYTES <= FRAME_BYTES_MAX);
    memcpy(gathering->buffer + gathering->length, record, RECORD_BYTES);
    gathering->length += RECORD_BYTES;
    gathering->workers |= UINT64_C(1) << worker;
}

struct claim journal_claim(struct journal *journal, struct gathering *gathering)
{
    size_t length = (gathering->length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (journal->next_offset + length > FILE_BYTES)
        journal->next_offset = 0;
    struct claim claim = {
        .sequence = journal->next_sequence++,
        .offset = journal->next_offset,
        .buffer = gathering->buffer,
        .length = length,
    };
    journal->next_offset += length;
    journal->in_flight++;
    journal->commits++;
    journal->frames[claim.sequence % FRAMES_MAX] =
        (struct frame){.done = false, .workers = gathering->workers};
    assert(journal->free_count > 0);
    *gathering = (struct gathering){.buffer = journal->free_buffers[--journal->free_count]};
    return claim;
}

uint64_t journal_finish(struct journal *journal, uint64_t sequence, uint8_t *buffer)
{
    uint64_t workers = 0;
    pthread_mutex_lock(&journal->mutex);
    journal->frames[sequence % FRAMES_MAX].done = true;
    journal->in_flight--;
    journal->free_buffers[journal->free_count++] = buffer;
    uint64_t durable = atomic_load_explicit(&journal->durable_sequence, memory_order_relaxed);
    while (durable < journal->next_sequence && journal->frames[durable % FRAMES_MAX].done) {
        workers |= journal->frames[durable % FRAMES_MAX].workers;
        durable++;
    }
    /* Sequentially consistent, as is `sleeping`: a worker that goes to sleep sees this, or its
     * waker sees that it sleeps. */
    atomic_store(&journal->durable_sequence, durable);
    pthread_mutex_unlock(&journal->mutex);
    return workers;
}
