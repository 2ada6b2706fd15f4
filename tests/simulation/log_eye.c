/* log_eye.c - the records that the ledger hands to the disk, for the reference to judge by.
 *
 * A position may be written more than once, by lives of which the earlier were lost: the last one
 * counts. Which positions are there in the end, the ledger says after its start.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/bytes.h"
#include "engine/core/record.h"
#include "simulation/simulation.h"
#include "wal/frame.h"

static struct reference_record *record_at(struct simulation *simulation, uint64_t lsn)
{
    if (lsn >= simulation->record_max) {
        size_t grown = (size_t)lsn * 2 + 256;
        simulation->records = realloc(simulation->records, grown * sizeof *simulation->records);
        assert(simulation->records != NULL);
        memset(simulation->records + simulation->record_max, 0,
               (grown - simulation->record_max) * sizeof *simulation->records);
        simulation->record_max = grown;
    }
    return &simulation->records[lsn];
}

static void see_record(struct simulation *simulation, uint64_t lsn, const struct record *record)
{
    struct reference_record *seen = record_at(simulation, lsn);
    const uint8_t *at = record->leg_bytes;
    *seen = (struct reference_record){
        .lsn = lsn,
        .time_ns = record->time_ns,
        .kind = (enum florin_command_kind)record->kind,
        .status = (enum florin_status)record->status,
        .target_id = record->target_lsn,
        .key_length = record->key_length,
        .minimum = record->minimum_balance_minor,
        .account_status = (enum florin_account_status)record->account_status,
        .metadata_length = record->metadata_length,
        .leg_count = 1,
        .legs = {{.account = workload_account(simulation, record->id, record->id_length),
                  .direction = (enum florin_direction)record->direction,
                  .amount = record->amount_minor,
                  .version = record->version,
                  .balance = record->balance_minor}},
    };
    if (record->kind == FLORIN_DEPOSIT || record->kind == FLORIN_WITHDRAW)
        seen->legs[0].direction = record->kind == FLORIN_DEPOSIT ? FLORIN_CREDIT : FLORIN_DEBIT;
    if (record->key_length > 0 && record->key_length <= REFERENCE_KEY_MAX)
        memcpy(seen->key, record->key, record->key_length);
    memcpy(seen->currency, record->currency, FLORIN_CURRENCY_MAX);
    if (record->metadata_length > 0 && record->metadata_length <= REFERENCE_METADATA_MAX)
        memcpy(seen->metadata, record->metadata, record->metadata_length);
    for (uint8_t i = 0; i < record->leg_count && seen->leg_count < REFERENCE_LEGS_MAX; i++) {
        struct record_leg leg;
        at = record_next_leg(at, &leg);
        seen->legs[seen->leg_count++] = (struct reference_leg){
            .account = workload_account(simulation, leg.id, leg.id_length),
            .direction = (enum florin_direction)leg.direction,
            .amount = leg.amount_minor,
            .version = leg.version,
            .balance = leg.balance_minor,
        };
    }
    for (unsigned i = 0; i < seen->leg_count; i++) {
        if (seen->legs[i].account == REFERENCE_NO_ACCOUNT)
            simulation_fail(simulation, "a record of an account that nobody named");
    }
}

void log_eye_see(struct simulation *simulation, const struct sim_event *event)
{
    enum { KIND = 6, RECORD_COUNT = 20, FIRST_LSN = 40, PAYLOAD_LENGTH = 68 };
    /* the first frame of a segment is written with the header in front of it */
    const uint8_t *frame = event->bytes + (event->offset == 0 ? STORAGE_ALIGNMENT : 0);
    if (simulation->is_copy || frame[KIND] != FRAME_RECORDS)
        return;
    uint64_t lsn = bytes_get_u64(frame + FIRST_LSN);
    uint32_t count = bytes_get_u32(frame + RECORD_COUNT);
    size_t length = bytes_get_u32(frame + PAYLOAD_LENGTH);
    uint8_t *payload = malloc(length);
    assert(payload != NULL);
    frame_payload_get(frame, length, payload);
    size_t offset = 0;
    for (uint32_t i = 0; i < count && !simulation->failed; i++) {
        struct record record;
        size_t size = record_decode(payload + offset, length - offset, &record);
        if (size == 0)
            simulation_fail(simulation, "a record cannot be read");
        else
            see_record(simulation, lsn + i, &record);
        offset += size;
    }
    free(payload);
}

const struct reference_record *log_eye_record(void *context, uint64_t lsn)
{
    const struct simulation *simulation = context;
    bool seen = lsn < simulation->record_max && simulation->records[lsn].lsn == lsn;
    return seen ? &simulation->records[lsn] : NULL;
}
