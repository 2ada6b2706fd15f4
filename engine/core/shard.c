/* shard.c - one shard: decides commands, applies them, writes down what they did.
 *
 * Guarantees: a command either does all that its record says or nothing; the same calls give the
 * same bytes; a record is appended for every change and for every refusal that a key must
 * remember, and for nothing else.
 * Must not know: the clock, the log, who asked, whether anything is durable.
 *
 * This file has what a shard is made of, and how its stage is sealed; shard_internal.h lists the
 * files with the commands.
 */
#include "shard.h"

#include <assert.h>
#include <string.h>

#include "arena.h"
#include "bytes.h"
#include "shard_internal.h"

_Static_assert((int)SHARD_STAGE_BYTES_MAX >= (int)FLORIN_RECORD_MAX, "a stage holds a record");
_Static_assert((int)SHARD_STAGE_OTHERS_MAX >= (int)FLORIN_LEGS_MAX, "and all its accounts");

static const struct key_filters NO_KEY_FILES = {0};
static const struct shard_found NOTHING_FOUND = {0};
static const struct currency_list NO_CURRENCIES = {0};

size_t shard_memory_bytes(const struct shard_options *options)
{
    return account_table_memory_bytes(options->accounts_max) +
           key_table_memory_bytes(options->keys_memory) +
           hold_table_memory_bytes(options->holds_max) + arena_bytes(SHARD_STAGE_BYTES_MAX, 1) +
           arena_bytes(SHARD_STAGE_RECORDS_MAX, sizeof(struct shard_staged)) +
           arena_bytes(SHARD_STAGE_OTHERS_MAX, sizeof(uint32_t)) +
           arena_bytes(1, sizeof(struct posting));
}

void shard_init(struct shard *shard, const struct shard_options *options, void *memory)
{
    struct arena arena = arena_init(memory);

    *shard = (struct shard){
        .secret = options->secret,
        .currencies = options->currencies != NULL ? options->currencies : &NO_CURRENCIES,
        .auto_create = options->auto_create,
        .number = options->number,
        .count = options->count > 0 ? options->count : 1,
        .key_filters = &NO_KEY_FILES,
    };
    assert(options->number < shard->count);
    account_table_init(&shard->accounts, options->accounts_max,
                       arena_take(&arena, account_table_memory_bytes(options->accounts_max)));
    key_table_init(&shard->keys, options->keys_memory,
                   arena_take(&arena, key_table_memory_bytes(options->keys_memory)));
    hold_table_init(&shard->holds, options->secret, options->holds_max,
                    arena_take(&arena, hold_table_memory_bytes(options->holds_max)));
    shard->stage.bytes = arena_take(&arena, arena_bytes(SHARD_STAGE_BYTES_MAX, 1));
    shard->stage.records =
        arena_take(&arena, arena_bytes(SHARD_STAGE_RECORDS_MAX, sizeof(*shard->stage.records)));
    shard->stage.others =
        arena_take(&arena, arena_bytes(SHARD_STAGE_OTHERS_MAX, sizeof(*shard->stage.others)));
    shard->posting = arena_take(&arena, arena_bytes(1, sizeof(*shard->posting)));
}

bool shard_stage_has_room_for(const struct shard *shard, uint32_t count)
{
    const struct shard_stage *stage = &shard->stage;
    size_t bytes = FLORIN_RECORD_MAX + (size_t)count * FLORIN_RECORD_SINGLE_MAX;
    return stage->record_count + count < SHARD_STAGE_RECORDS_MAX &&
           stage->byte_count + bytes <= SHARD_STAGE_BYTES_MAX &&
           stage->other_count + FLORIN_LEGS_MAX <= SHARD_STAGE_OTHERS_MAX;
}

bool shard_stage_has_room(const struct shard *shard)
{
    return shard_stage_has_room_for(shard, 0);
}

void shard_prefetch(const struct shard *shard, uint64_t account_hash)
{
    slot_index_prefetch(&shard->accounts.index, account_hash);
}

void shard_prefetch_key(const struct shard *shard, const struct florin_command *command)
{
    if (command->key_length > 0 && command->key_length <= FLORIN_KEY_MAX &&
        command->account_length <= FLORIN_ACCOUNT_ID_MAX) {
        struct hash128 digest = hash_key(shard->secret, command->account, command->account_length,
                                         command->key, command->key_length);
        key_table_prefetch(&shard->keys, digest);
        key_filters_prefetch(shard->key_filters, digest);
    }
}

void shard_prefetch_account(const struct shard *shard, uint64_t account_hash)
{
    account_table_prefetch(&shard->accounts, account_hash);
}

void shard_execute(struct shard *shard, const struct florin_command *command, uint64_t account_hash,
                   uint64_t now_ns, const struct shard_found *found, struct shard_answer *answer)
{
    assert(shard_stage_has_room(shard));
    assert(found == NULL || (found->key.other_count <= SHARD_OTHERS_MAX &&
                             found->next_reversal.other_count <= SHARD_OTHERS_MAX));
    *answer = (struct shard_answer){
        .result = {.user_data = command->user_data, .kind = command->kind},
        .account_slot = SHARD_NO_SLOT,
    };
    answer->result.status = shard_check_syntax(shard, command, &answer->result);
    if (answer->result.status != FLORIN_APPLIED)
        return;
    if (found == NULL)
        found = &NOTHING_FOUND;

    switch (command->kind) {
    case FLORIN_DEPOSIT:
    case FLORIN_WITHDRAW:
        shard_execute_move(shard, command, account_hash, now_ns, found, answer);
        break;
    case FLORIN_OPEN_ACCOUNT:
        shard_execute_open(shard, command, account_hash, now_ns, answer);
        break;
    case FLORIN_CHANGE_ACCOUNT:
        shard_execute_change(shard, command, account_hash, now_ns, answer);
        break;
    case FLORIN_HOLD:
        shard_execute_hold(shard, command, account_hash, now_ns, found, answer);
        break;
    case FLORIN_VOID:
        shard_execute_void(shard, command, account_hash, now_ns, found, answer);
        break;
    case FLORIN_TRANSFER:
    case FLORIN_POSTING:
    case FLORIN_BATCH:
    case FLORIN_CAPTURE:
    case FLORIN_REVERSE:
        shard_execute_posting(shard, command, account_hash, now_ns, found, answer);
        break;
    case FLORIN_READ_ACCOUNT:
        shard_execute_read(shard, command, account_hash, answer);
        break;
    case FLORIN_READ_REVERSAL:
        shard_execute_read_reversal(shard, command, account_hash, found, answer);
        break;
    case FLORIN_EXPIRE: /* refused by its syntax */
        break;
    }
}

bool shard_record_has_key(const struct record *record, const struct florin_command *command)
{
    return record->key_length > 0 && record->id_length == command->account_length &&
           record->key_length == command->key_length &&
           memcmp(record->id, command->account, record->id_length) == 0 &&
           memcmp(record->key, command->key, record->key_length) == 0;
}

static bool is_applied_of(const struct record *record, const struct florin_command *command)
{
    return record->status == FLORIN_APPLIED && record->id_length == command->account_length &&
           memcmp(record->id, command->account, record->id_length) == 0;
}

enum shard_target shard_target_of_record(const struct record *record,
                                         const struct florin_command *command)
{
    if (!is_applied_of(record, command))
        return SHARD_TARGET_NOT_FOUND;
    switch (record->kind) {
    case FLORIN_HOLD:
        return SHARD_TARGET_HOLD;
    case FLORIN_DEPOSIT:
    case FLORIN_WITHDRAW:
    case FLORIN_TRANSFER:
    case FLORIN_POSTING:
    case FLORIN_BATCH:
    case FLORIN_CAPTURE:
        return SHARD_TARGET_REVERSIBLE;
    default:
        return SHARD_TARGET_OTHER;
    }
}

bool shard_record_is_reversal(const struct record *record, const struct florin_command *command,
                              uint64_t number)
{
    return record->kind == FLORIN_REVERSE && is_applied_of(record, command) &&
           record->target_lsn == command->target_id && record->detail == number;
}

bool shard_answer_of_record(const struct hash_secret *secret, const struct record *record,
                            uint64_t lsn, const struct florin_command *command,
                            struct key_answer *answer)
{
    if (command->kind == FLORIN_READ_REVERSAL)
        return shard_record_is_reversal(record, command, (uint64_t)command->amount_minor) &&
               key_answer_of_reversal(secret, record, lsn, answer);
    if (!shard_record_has_key(record, command))
        return false;
    *answer = key_answer_of_record(secret, record, lsn);
    return true;
}

static void seal_account(struct shard *shard, uint32_t slot, uint64_t first_lsn)
{
    struct account *account = &shard->accounts.slots[slot];
    account->last_lsn = shard_final_lsn(account->last_lsn, first_lsn);
}

void shard_seal(struct shard *shard, uint64_t first_lsn)
{
    struct shard_stage *stage = &shard->stage;
    assert(!stage->is_sealed);
    assert(first_lsn > 0 && first_lsn + stage->record_count <= SHARD_LSN_PROVISIONAL);

    for (uint32_t i = 0; i < stage->record_count; i++) {
        const struct shard_staged *staged = &stage->records[i];
        seal_account(shard, staged->account_slot, first_lsn);
        for (uint32_t other = 0; other < staged->other_count; other++)
            seal_account(shard, stage->others[staged->first_other + other], first_lsn);
        record_seal(stage->bytes + staged->offset, first_lsn);
        if (staged->key_slot != SHARD_NO_SLOT)
            key_table_set_lsn(&shard->keys, staged->key_slot, first_lsn + i);
        if (staged->link_slot != SHARD_NO_SLOT)
            key_table_set_lsn(&shard->keys, staged->link_slot, first_lsn + i);
        if (staged->hold_slot != SHARD_NO_SLOT)
            hold_table_set_lsn(&shard->holds, staged->hold_slot, first_lsn + i);
    }
    stage->is_sealed = true;
}

void shard_stage_clear(struct shard *shard)
{
    struct shard_stage *stage = &shard->stage;
    /* Else it would leave provisional LSNs behind: seal it first. */
    assert(stage->is_sealed || stage->record_count == 0);
    stage->byte_count = 0;
    stage->record_count = 0;
    stage->other_count = 0;
    stage->is_sealed = false;
}

uint32_t shard_forget_keys(struct shard *shard, uint32_t count_max)
{
    assert(shard->key_filters->to_lsn <= RECORD_LSN_MAX);
    return key_table_forget(&shard->keys, shard->key_filters->to_lsn, count_max);
}
