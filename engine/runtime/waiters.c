/* waiters.c - lists of results, linked by number in one pool. */
#include "waiters.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/shard.h"

static const struct waiter_list empty_list = {.head = WAITER_NONE, .tail = WAITER_NONE};
static const struct waiter_batch empty_batch = {
    .list = {.head = WAITER_NONE, .tail = WAITER_NONE},
    .notes = {.head = WAITER_NONE, .tail = WAITER_NONE},
    .answered = WAITER_NONE,
};

int waiters_init(struct waiters *waiters)
{
    *waiters = (struct waiters){.staging = empty_batch, .done = empty_list};
    waiters->pool = calloc(FLORIN_WAITERS_MAX, sizeof *waiters->pool);
    waiters->batches = calloc(WAITERS_BATCHES_MAX, sizeof *waiters->batches);
    waiters->texts = calloc(FLORIN_WAITERS_MAX, FLORIN_METADATA_MAX);
    waiters->versions = calloc(WAITERS_VERSIONS, sizeof *waiters->versions);
    if (waiters->pool == NULL || waiters->batches == NULL || waiters->texts == NULL ||
        waiters->versions == NULL) {
        waiters_deinit(waiters);
        return -ENOMEM;
    }
    waiters->free = WAITER_NONE;
    waiters->free_count = FLORIN_WAITERS_MAX;
    return 0;
}

void waiters_deinit(struct waiters *waiters)
{
    free(waiters->pool);
    free(waiters->batches);
    free(waiters->texts);
    waiters->texts = NULL;
    free(waiters->versions);
    waiters->pool = NULL;
    waiters->batches = NULL;
    waiters->versions = NULL;
}

void waiters_keep_metadata(struct waiters *waiters, int32_t number)
{
    struct florin_result *result = &waiters->pool[number].result;
    char *text = waiters->texts + (size_t)number * FLORIN_METADATA_MAX;
    if (result->metadata_length == 0)
        return;
    assert(result->metadata_length <= FLORIN_METADATA_MAX);
    memcpy(text, result->metadata, result->metadata_length);
    result->metadata = text;
}

int32_t waiters_take(struct waiters *waiters)
{
    if (waiters->free_count == 0)
        return WAITER_NONE;
    waiters->free_count--;
    int32_t number = waiters->free;
    if (number == WAITER_NONE)
        return waiters->untouched++;
    waiters->free = waiters->pool[number].next;
    return number;
}

void waiters_give_back(struct waiters *waiters, int32_t number)
{
    waiters->pool[number].next = waiters->free;
    waiters->free = number;
    waiters->free_count++;
}

void waiter_list_append(struct waiters *waiters, struct waiter_list *list, int32_t number)
{
    waiters->pool[number].next = WAITER_NONE;
    if (list->tail == WAITER_NONE)
        list->head = number;
    else
        waiters->pool[list->tail].next = number;
    list->tail = number;
}

int32_t waiter_list_pop(struct waiters *waiters, struct waiter_list *list)
{
    int32_t number = list->head;
    if (number == WAITER_NONE)
        return WAITER_NONE;
    list->head = waiters->pool[number].next;
    if (list->head == WAITER_NONE)
        list->tail = WAITER_NONE;
    return number;
}

static void append_unanswered(struct waiters *waiters, struct waiter_batch *batch, int32_t number)
{
    waiters->pool[number].answered = false;
    waiters->versions_known = false;
    waiter_list_append(waiters, &batch->list, number);
    waiters->unanswered++;
}

void waiters_stage(struct waiters *waiters, int32_t number, uint64_t deadline_ns)
{
    if (waiters->staging.list.head == WAITER_NONE)
        waiters->staging.deadline_ns = deadline_ns;
    append_unanswered(waiters, &waiters->staging, number);
}

static struct waiter_batch *batch_at(const struct waiters *waiters, uint32_t place)
{
    return &waiters->batches[(waiters->batch_first + place) % WAITERS_BATCHES_MAX];
}

bool waiters_can_seal(const struct waiters *waiters)
{
    return waiters->batch_count < WAITERS_BATCHES_MAX;
}

void waiters_seal(struct waiters *waiters, uint64_t first_lsn, uint64_t last_lsn)
{
    assert(waiters_can_seal(waiters));
    for (int32_t i = waiters->staging.list.head; i != WAITER_NONE; i = waiters->pool[i].next) {
        struct florin_result *result = &waiters->pool[i].result;
        result->transaction_id = shard_final_lsn(result->transaction_id, first_lsn);
    }
    waiters->staging.last_lsn = last_lsn;
    *batch_at(waiters, waiters->batch_count) = waiters->staging;
    waiters->batch_count++;
    waiters->staging = empty_batch;
}

/* The batch that becomes durable with a record, or with a younger one. */
static struct waiter_batch *batch_of(struct waiters *waiters, uint64_t lsn, uint64_t deadline_ns)
{
    uint32_t place = 0;
    while (place < waiters->batch_count && batch_at(waiters, place)->last_lsn < lsn)
        place++;
    if (place < waiters->batch_count)
        return batch_at(waiters, place);
    /* A record of another worker, younger than all that this one has handed over. */
    waiters->foreign_lsn = lsn;
    if (!waiters_can_seal(waiters)) {
        struct waiter_batch *newest = batch_at(waiters, waiters->batch_count - 1);
        newest->last_lsn = lsn;
        return newest;
    }
    struct waiter_batch *batch = batch_at(waiters, waiters->batch_count++);
    *batch = empty_batch;
    batch->last_lsn = lsn;
    batch->deadline_ns = deadline_ns;
    return batch;
}

void waiters_join(struct waiters *waiters, int32_t number, uint64_t lsn, uint64_t deadline_ns)
{
    struct waiter_batch *batch = batch_of(waiters, lsn, deadline_ns);
    /* So far nobody waits for it: its records are of holds whose time was over. */
    if (batch->list.head == WAITER_NONE)
        batch->deadline_ns = deadline_ns;
    append_unanswered(waiters, batch, number);
}

void waiters_note(struct waiters *waiters, uint32_t promised, uint32_t account_slot,
                  uint64_t version, uint8_t raised, uint64_t lsn, uint64_t deadline_ns)
{
    bool is_staged = (lsn & SHARD_LSN_PROVISIONAL) != 0;
    if (!waiters_have_room(waiters, promised, WAITERS_NOTE_RESERVE))
        return;
    int32_t number = waiters_take(waiters);
    struct waiter *note = waiters_at(waiters, number);
    note->result = (struct florin_result){.status = FLORIN_APPLIED, .version = version};
    note->account_slot = account_slot;
    note->raised = raised;
    note->staged = true;
    struct waiter_batch *batch =
        is_staged ? &waiters->staging : batch_of(waiters, lsn, deadline_ns);
    waiters->versions_known = false;
    waiter_list_append(waiters, &batch->notes, number);
}

bool waiters_have_durable(const struct waiters *waiters, uint64_t durable_lsn)
{
    return waiters->batch_count > 0 && batch_at(waiters, 0)->last_lsn <= durable_lsn;
}

int32_t waiters_pop_durable(struct waiters *waiters, uint64_t durable_lsn)
{
    while (waiters->batch_count > 0) {
        struct waiter_batch *oldest = batch_at(waiters, 0);
        if (oldest->last_lsn > durable_lsn)
            return WAITER_NONE;
        for (;;) {
            int32_t number = waiter_list_pop(waiters, &oldest->list);
            if (number == WAITER_NONE)
                break;
            waiters->versions_known = false;
            if (!waiters->pool[number].answered) {
                waiters->unanswered--;
                return number;
            }
            waiters_give_back(waiters, number);
        }
        int32_t note;
        while ((note = waiter_list_pop(waiters, &oldest->notes)) != WAITER_NONE) {
            waiters->versions_known = false;
            waiters_give_back(waiters, note);
        }
        waiters->batch_first = (waiters->batch_first + 1) % WAITERS_BATCHES_MAX;
        waiters->batch_count--;
    }
    return WAITER_NONE;
}

/* The oldest of the batch that is not answered, or WAITER_NONE. */
static int32_t first_unanswered(const struct waiters *waiters, const struct waiter_batch *batch)
{
    return batch->answered == WAITER_NONE ? batch->list.head : waiters->pool[batch->answered].next;
}

static int32_t answer_expired(struct waiters *waiters, struct waiter_batch *batch)
{
    int32_t number = first_unanswered(waiters, batch);
    if (number == WAITER_NONE)
        return WAITER_NONE;
    batch->answered = number;
    waiters->pool[number].answered = true;
    waiters->unanswered--;
    return number;
}

int32_t waiters_next_expired(struct waiters *waiters, uint64_t now_ns)
{
    for (uint32_t place = 0; place < waiters->batch_count; place++) {
        struct waiter_batch *batch = batch_at(waiters, place);
        if (batch->deadline_ns > now_ns)
            return WAITER_NONE;
        int32_t number = answer_expired(waiters, batch);
        if (number != WAITER_NONE)
            return number;
    }
    if (waiters->staging.deadline_ns > now_ns)
        return WAITER_NONE;
    return answer_expired(waiters, &waiters->staging);
}

uint64_t waiters_next_deadline(const struct waiters *waiters)
{
    if (waiters->unanswered == 0)
        return UINT64_MAX;
    for (uint32_t place = 0; place < waiters->batch_count; place++) {
        const struct waiter_batch *batch = batch_at(waiters, place);
        if (first_unanswered(waiters, batch) != WAITER_NONE)
            return batch->deadline_ns;
    }
    return waiters->staging.deadline_ns;
}

/* The account's entry, or the free one where it belongs. */
static struct waiter_version *find_version(const struct waiters *waiters, uint32_t account_slot)
{
    uint32_t place = account_slot * UINT32_C(2654435769) % WAITERS_VERSIONS;
    struct waiter_version *entry = &waiters->versions[place];
    while (entry->generation == waiters->versions_generation &&
           entry->account_slot != account_slot) {
        place = (place + 1) % WAITERS_VERSIONS;
        entry = &waiters->versions[place];
    }
    return entry;
}

static void note_versions(struct waiters *waiters, const struct waiter_list *list)
{
    for (int32_t i = list->head; i != WAITER_NONE; i = waiters->pool[i].next) {
        const struct waiter *waiter = &waiters->pool[i];
        if (!waiter->staged || waiter->result.status != FLORIN_APPLIED)
            continue;
        struct waiter_version *entry = find_version(waiters, waiter->account_slot);
        uint64_t version = waiter->result.version - waiter->raised;
        if (entry->generation == waiters->versions_generation && entry->version <= version)
            continue;
        *entry = (struct waiter_version){.account_slot = waiter->account_slot,
                                         .generation = waiters->versions_generation,
                                         .version = version};
    }
}

static void learn_versions(struct waiters *waiters)
{
    waiters->versions_generation++;
    if (waiters->versions_generation == 0) {
        /* so old that entries of the generation may be left */
        memset(waiters->versions, 0, WAITERS_VERSIONS * sizeof *waiters->versions);
        waiters->versions_generation = 1;
    }
    for (uint32_t place = 0; place < waiters->batch_count; place++) {
        note_versions(waiters, &batch_at(waiters, place)->list);
        note_versions(waiters, &batch_at(waiters, place)->notes);
    }
    note_versions(waiters, &waiters->staging.list);
    note_versions(waiters, &waiters->staging.notes);
    waiters->versions_known = true;
}

uint64_t waiters_durable_version(struct waiters *waiters, uint32_t account_slot, uint64_t version)
{
    if (!waiters->versions_known)
        learn_versions(waiters);
    const struct waiter_version *entry = find_version(waiters, account_slot);
    bool waits = entry->generation == waiters->versions_generation;
    return waits && entry->version < version ? entry->version : version;
}
