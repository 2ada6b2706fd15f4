/* participant.c - accounts that are kept for postings.
 *
 * Guarantees: a kept account is freed by exactly one RESOLVE, which applies all that the record
 * says of it in this shard, or nothing. Must not know: what the posting does, who else takes part,
 * who waits.
 */
#include "participant.h"

#include <assert.h>
#include <string.h>

#include "arena.h"
#include "shard_internal.h"

static uint64_t claims_max(unsigned shard_count)
{
    return (uint64_t)shard_count * COORDINATOR_POSTINGS_MAX;
}

size_t participant_memory_bytes(unsigned shard_count)
{
    return arena_bytes(claims_max(shard_count), sizeof(struct claim));
}

void participant_init(struct participant *participant, struct shard *shard, unsigned shard_count,
                      void *memory)
{
    struct arena arena = arena_init(memory);
    *participant = (struct participant){
        .shard = shard,
        .claims_max = (uint32_t)claims_max(shard_count),
        .free = PARTICIPANT_NONE,
        .granted_first = PARTICIPANT_NONE,
        .granted_last = PARTICIPANT_NONE,
    };
    participant->claims = arena_take(&arena, participant_memory_bytes(shard_count));
}

static void append_granted(struct participant *participant, uint32_t number)
{
    participant->claims[number].next = PARTICIPANT_NONE;
    if (participant->granted_first == PARTICIPANT_NONE)
        participant->granted_first = number;
    else
        participant->claims[participant->granted_last].next = number;
    participant->granted_last = number;
}

uint32_t participant_begin(struct participant *participant, unsigned home,
                           const struct posting_message *message)
{
    const struct posting_claim_account *accounts =
        (const struct posting_claim_account *)(const void *)(message + 1);
    uint32_t number = participant->free;
    assert(message->kind == POSTING_CLAIM && message->account_count <= FLORIN_LEGS_MAX);
    if (number == PARTICIPANT_NONE)
        number = participant->untouched++;
    else
        participant->free = participant->claims[number].next;
    assert(number < participant->claims_max);
    struct claim *claim = &participant->claims[number];
    claim->posting = message->posting;
    claim->home = (uint16_t)home;
    claim->count = (uint8_t)message->account_count;
    claim->taken = 0;
    memcpy(claim->accounts, accounts, claim->count * sizeof(*accounts));
    participant->count++;
    return number;
}

bool participant_next(const struct participant *participant, uint32_t number,
                      uint64_t *account_hash)
{
    const struct claim *claim = &participant->claims[number];
    if (claim->taken == claim->count)
        return false;
    *account_hash = claim->accounts[claim->taken].hash;
    return true;
}

/* The account that the claim takes next, which is not there: it comes into being.
 * PARTICIPANT_TAKEN: it does not. */
static enum participant_step create(struct shard *shard,
                                    const struct posting_claim_account *missing, uint64_t now_ns,
                                    struct account **account)
{
    if (!missing->may_create || shard->auto_create == NULL || shard->storage_is_full)
        return PARTICIPANT_TAKEN;
    if (!shard_stage_has_room(shard))
        return PARTICIPANT_WAITS;
    *account = shard_create_account(shard, missing->id, missing->id_length, missing->hash, now_ns);
    return *account == NULL ? PARTICIPANT_TAKEN : PARTICIPANT_CREATED;
}

enum participant_step participant_advance(struct participant *participant, uint32_t number,
                                          uint64_t now_ns)
{
    struct claim *claim = &participant->claims[number];
    struct shard *shard = participant->shard;
    assert(claim->taken < claim->count);
    const struct posting_claim_account *wanted = &claim->accounts[claim->taken];
    enum participant_step step = PARTICIPANT_TAKEN;
    struct account *account =
        account_table_find(&shard->accounts, wanted->hash, wanted->id, wanted->id_length);
    if (account == NULL)
        step = create(shard, wanted, now_ns, &account);
    else if ((account->flags & ACCOUNT_CLAIMED) != 0)
        step = PARTICIPANT_WAITS;
    if (step == PARTICIPANT_WAITS)
        return step;
    claim->slots[claim->taken] = SHARD_NO_SLOT;
    if (account != NULL) {
        account->flags |= ACCOUNT_CLAIMED;
        claim->slots[claim->taken] = account_table_slot(&shard->accounts, account);
    }
    claim->taken++;
    if (claim->taken == claim->count && claim->home != participant->shard->number)
        append_granted(participant, number);
    return step;
}

uint32_t participant_next_grant(const struct participant *participant)
{
    return participant->shard->stage.record_count == 0 ? participant->granted_first
                                                       : PARTICIPANT_NONE;
}

size_t participant_grant_bytes(const struct participant *participant, uint32_t number)
{
    return sizeof(struct posting_message) +
           participant->claims[number].count * sizeof(struct posting_grant_account);
}

void participant_grant(struct participant *participant, uint32_t number, void *bytes)
{
    struct claim *claim = &participant->claims[number];
    const struct shard *shard = participant->shard;
    struct posting_message *message = bytes;
    struct posting_grant_account *accounts = (void *)(message + 1);
    assert(number == participant->granted_first && shard->stage.record_count == 0);
    *message = (struct posting_message){
        .kind = POSTING_GRANT,
        .account_count = claim->count,
        .posting = claim->posting,
        .claim = number,
        .time_ns = shard->last_time_ns,
    };
    for (uint8_t i = 0; i < claim->count; i++) {
        memset(&accounts[i], 0, sizeof(accounts[i]));
        if (claim->slots[i] == SHARD_NO_SLOT)
            continue;
        const struct account *account = &shard->accounts.slots[claim->slots[i]];
        assert((account->last_lsn & SHARD_LSN_PROVISIONAL) == 0);
        accounts[i].exists = true;
        accounts[i].status = (uint8_t)account_status(account);
        accounts[i].currency = *account_table_currency(&shard->accounts, account);
        accounts[i].balance_minor = account->balance_minor;
        accounts[i].floor_minor = account->floor_minor;
        accounts[i].version = account->version;
        accounts[i].last_lsn = account->last_lsn;
    }
    participant->granted_first = claim->next;
    if (participant->granted_first == PARTICIPANT_NONE)
        participant->granted_last = PARTICIPANT_NONE;
}

static void free_account(struct shard *shard, uint32_t slot, const struct posting_message *message,
                         const struct posting_resolve_account *after)
{
    struct account *account = &shard->accounts.slots[slot];
    assert((account->flags & ACCOUNT_CLAIMED) != 0);
    account->flags &= (uint8_t)~ACCOUNT_CLAIMED;
    if (message->lsn == 0)
        return;
    assert(message->lsn > account->last_lsn && after->version > account->version);
    account->balance_minor = after->balance_minor;
    account->version = after->version;
    account->last_lsn = message->lsn;
}

void participant_resolve(struct participant *participant, const struct posting_message *message)
{
    const struct posting_resolve_account *after =
        (const struct posting_resolve_account *)(const void *)(message + 1);
    struct shard *shard = participant->shard;
    struct claim *claim = &participant->claims[message->claim];
    assert(message->kind == POSTING_RESOLVE && claim->taken == claim->count);
    for (uint8_t i = 0; i < claim->count; i++) {
        if (claim->slots[i] != SHARD_NO_SLOT)
            free_account(shard, claim->slots[i], message, &after[i]);
    }
    if (message->lsn != 0 && message->time_ns > shard->last_time_ns)
        shard->last_time_ns = message->time_ns;
    claim->next = participant->free;
    participant->free = message->claim;
    participant->count--;
}
