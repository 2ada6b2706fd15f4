/* coordinator.c - postings over several shards, from home's side.
 *
 * Guarantees: every claim that was granted is resolved once, whatever becomes of the posting; an
 * account of another shard is changed only by a RESOLVE with the LSN of a record that was handed to
 * the log. Must not know: threads, rings, deadlines: time and messages come in, messages go out.
 */
#include "coordinator.h"

#include <assert.h>
#include <string.h>

#include "arena.h"
#include "shard_internal.h"

size_t coordinator_memory_bytes(void)
{
    return arena_bytes(COORDINATOR_POSTINGS_MAX, sizeof(struct coordinated));
}

void coordinator_init(struct coordinator *coordinator, struct shard *shard, void *memory)
{
    const struct coordinated_list empty = {COORDINATOR_NONE, COORDINATOR_NONE};
    struct arena arena = arena_init(memory);
    *coordinator = (struct coordinator){
        .shard = shard,
        .free = COORDINATOR_NONE,
        .ready = empty,
        .staged = empty,
        .outbox = empty,
    };
    coordinator->pool = arena_take(&arena, coordinator_memory_bytes());
}

/* --- lists -------------------------------------------------------------------------------- */

static void append(struct coordinator *coordinator, struct coordinated_list *list, uint32_t number)
{
    coordinator_at(coordinator, number)->next = COORDINATOR_NONE;
    if (list->first == COORDINATOR_NONE)
        list->first = number;
    else
        coordinator_at(coordinator, list->last)->next = number;
    list->last = number;
}

static uint32_t take_first(struct coordinator *coordinator, struct coordinated_list *list)
{
    uint32_t number = list->first;
    assert(number != COORDINATOR_NONE);
    list->first = coordinator_at(coordinator, number)->next;
    if (list->first == COORDINATOR_NONE)
        list->last = COORDINATOR_NONE;
    return number;
}

static void give_back(struct coordinator *coordinator, uint32_t number)
{
    coordinator_at(coordinator, number)->next = coordinator->free;
    coordinator->free = number;
    coordinator->count--;
}

/* --- the order of claims ------------------------------------------------------------------ */

static unsigned shard_of_place(const struct coordinator *coordinator,
                               const struct coordinated *coordinated, uint8_t place)
{
    uint8_t account = coordinated->order[place];
    return shard_of(coordinated->posting.accounts[account].hash, coordinator->shard->count);
}

/* How many accounts from `place` on live in the same shard. */
static uint8_t group_length(const struct coordinator *coordinator,
                            const struct coordinated *coordinated, uint8_t place)
{
    unsigned shard = shard_of_place(coordinator, coordinated, place);
    uint8_t length = 1;
    while (place + length < coordinated->posting.account_count &&
           shard_of_place(coordinator, coordinated, (uint8_t)(place + length)) == shard)
        length++;
    return length;
}

static bool stands_before(const struct coordinator *coordinator, const struct posting_account *a,
                          const struct posting_account *b)
{
    unsigned shard_a = shard_of(a->hash, coordinator->shard->count);
    unsigned shard_b = shard_of(b->hash, coordinator->shard->count);
    if (shard_a != shard_b)
        return shard_a < shard_b;
    if (a->hash != b->hash)
        return a->hash < b->hash;
    size_t shorter = a->id_length < b->id_length ? a->id_length : b->id_length;
    int order = memcmp(a->id, b->id, shorter);
    return order != 0 ? order < 0 : a->id_length < b->id_length;
}

static void put_in_order(const struct coordinator *coordinator, struct coordinated *coordinated)
{
    const struct posting_account *accounts = coordinated->posting.accounts;
    for (uint8_t i = 0; i < coordinated->posting.account_count; i++) {
        uint8_t place = i;
        while (place > 0 &&
               stands_before(coordinator, &accounts[i], &accounts[coordinated->order[place - 1]])) {
            coordinated->order[place] = coordinated->order[place - 1];
            place--;
        }
        coordinated->order[place] = i;
    }
}

uint32_t coordinator_begin(struct coordinator *coordinator, const struct florin_command *command,
                           const struct shard_found *found, uint32_t context, uint64_t deadline_ns)
{
    uint32_t number = coordinator->free;
    if (number == COORDINATOR_NONE) {
        if (coordinator->untouched == COORDINATOR_POSTINGS_MAX)
            return COORDINATOR_NONE;
        number = coordinator->untouched++;
    } else {
        coordinator->free = coordinator_at(coordinator, number)->next;
    }
    struct coordinated *coordinated = coordinator_at(coordinator, number);
    posting_init(&coordinated->posting, command, coordinator->shard->secret);
    coordinated->found = found == NULL ? (struct shard_found){0} : *found;
    coordinated->posting.reversals = coordinated->found.reversals;
    coordinated->posting.reversed_minor = coordinated->found.reversed_minor;
    coordinated->filters_to_lsn = coordinator->shard->key_filters->to_lsn;
    coordinated->deadline_ns = deadline_ns;
    coordinated->context = context;
    coordinated->state = COORDINATED_CLAIMING;
    coordinated->granted = 0;
    coordinated->newest_time_ns = 0;
    coordinated->lsn = 0;
    coordinated->told = 0;
    put_in_order(coordinator, coordinated);
    append(coordinator, &coordinator->outbox, number);
    coordinator->count++;
    return number;
}

/* --- messages out ------------------------------------------------------------------------- */

/* The place of the group that the next message is about. */
static uint8_t place_of_message(const struct coordinated *coordinated)
{
    return coordinated->state == COORDINATED_CLAIMING ? coordinated->granted : coordinated->told;
}

bool coordinator_next_message(const struct coordinator *coordinator, unsigned *to, size_t *length)
{
    if (coordinator->outbox.first == COORDINATOR_NONE)
        return false;
    const struct coordinated *coordinated = coordinator_at(coordinator, coordinator->outbox.first);
    uint8_t place = place_of_message(coordinated);
    size_t count = group_length(coordinator, coordinated, place);
    *to = shard_of_place(coordinator, coordinated, place);
    *length = sizeof(struct posting_message);
    if (coordinated->state == COORDINATED_CLAIMING)
        *length += count * sizeof(struct posting_claim_account);
    else if (coordinated->lsn != 0)
        *length += count * sizeof(struct posting_resolve_account);
    return true;
}

static void write_claim(const struct coordinated *coordinated, uint8_t place, uint8_t count,
                        struct posting_message *message)
{
    struct posting_claim_account *accounts = (void *)(message + 1);
    for (uint8_t i = 0; i < count; i++) {
        const struct posting_account *account =
            &coordinated->posting.accounts[coordinated->order[place + i]];
        accounts[i].hash = account->hash;
        accounts[i].id_length = account->id_length;
        accounts[i].may_create = posting_may_create(account) && !coordinated->posting.dry_run;
        memcpy(accounts[i].id, account->id, account->id_length);
    }
}

static void write_resolve(const struct coordinated *coordinated, uint8_t place, uint8_t count,
                          struct posting_message *message)
{
    struct posting_resolve_account *accounts = (void *)(message + 1);
    message->claim = coordinated->claims[place];
    message->lsn = coordinated->lsn;
    message->time_ns = coordinated->time_ns;
    for (uint8_t i = 0; coordinated->lsn != 0 && i < count; i++) {
        const struct posting_account *account =
            &coordinated->posting.accounts[coordinated->order[place + i]];
        accounts[i] = (struct posting_resolve_account){
            .balance_minor = account->balance_after_minor,
            .version = account->version_after,
        };
    }
}

/* Steps over home's own accounts, which nobody has to be told of. */
static void tell_next(struct coordinator *coordinator, uint32_t number)
{
    struct coordinated *coordinated = coordinator_at(coordinator, number);
    while (coordinated->told < coordinated->granted &&
           shard_of_place(coordinator, coordinated, coordinated->told) ==
               coordinator->shard->number)
        coordinated->told++;
    if (coordinated->told < coordinated->granted)
        append(coordinator, &coordinator->outbox, number);
    else
        give_back(coordinator, number);
}

void coordinator_write_message(struct coordinator *coordinator, void *bytes)
{
    uint32_t number = take_first(coordinator, &coordinator->outbox);
    struct coordinated *coordinated = coordinator_at(coordinator, number);
    uint8_t place = place_of_message(coordinated);
    uint8_t count = group_length(coordinator, coordinated, place);
    bool claims = coordinated->state == COORDINATED_CLAIMING;
    struct posting_message *message = bytes;
    *message = (struct posting_message){
        .kind = claims ? POSTING_CLAIM : POSTING_RESOLVE,
        .account_count = count,
        .posting = number,
    };
    if (claims) {
        write_claim(coordinated, place, count, message);
        return;
    }
    write_resolve(coordinated, place, count, message);
    coordinated->told = (uint8_t)(coordinated->told + count);
    tell_next(coordinator, number);
}

/* --- grants ------------------------------------------------------------------------------- */

static void go_on(struct coordinator *coordinator, uint32_t number, uint8_t count)
{
    struct coordinated *coordinated = coordinator_at(coordinator, number);
    coordinated->granted = (uint8_t)(coordinated->granted + count);
    if (coordinated->granted < coordinated->posting.account_count) {
        append(coordinator, &coordinator->outbox, number);
        return;
    }
    coordinated->state = COORDINATED_READY;
    append(coordinator, &coordinator->ready, number);
}

void coordinator_granted(struct coordinator *coordinator, const struct posting_message *message)
{
    const struct posting_grant_account *accounts =
        (const struct posting_grant_account *)(const void *)(message + 1);
    struct coordinated *coordinated = coordinator_at(coordinator, message->posting);
    assert(message->kind == POSTING_GRANT && coordinated->state == COORDINATED_CLAIMING);
    coordinated->claims[coordinated->granted] = message->claim;
    if (message->time_ns > coordinated->newest_time_ns)
        coordinated->newest_time_ns = message->time_ns;
    for (uint8_t i = 0; i < message->account_count; i++) {
        struct posting_account *account =
            &coordinated->posting.accounts[coordinated->order[coordinated->granted + i]];
        account->exists = accounts[i].exists;
        account->status = (enum florin_account_status)accounts[i].status;
        account->currency = accounts[i].currency;
        account->balance_minor = accounts[i].balance_minor;
        account->floor_minor = accounts[i].floor_minor;
        account->version = accounts[i].version;
        account->last_lsn = accounts[i].last_lsn;
    }
    go_on(coordinator, message->posting, (uint8_t)message->account_count);
}

void coordinator_granted_here(struct coordinator *coordinator, struct participant *participant,
                              uint32_t claim)
{
    const struct claim *granted = participant_claim(participant, claim);
    struct coordinated *coordinated = coordinator_at(coordinator, granted->posting);
    assert(granted->home == coordinator->shard->number);
    coordinated->claims[coordinated->granted] = claim;
    go_on(coordinator, granted->posting, granted->count);
}

/* --- the decision ------------------------------------------------------------------------- */

uint32_t coordinator_next_ready(const struct coordinator *coordinator)
{
    return coordinator->ready.first;
}

/* One of home's own accounts that was not there when it was claimed is not kept: if it has been
 * opened since, it may be somebody else's. For this posting it is not there. */
static void forget_unclaimed(struct coordinated *coordinated, const struct claim *claim,
                             uint8_t place)
{
    for (uint8_t i = 0; i < claim->count; i++) {
        if (claim->slots[i] == SHARD_NO_SLOT)
            coordinated->posting.accounts[coordinated->order[place + i]].exists = false;
    }
}

/* Home's own accounts as they are, and free: the decision is made in the same call. */
static void free_own(struct coordinator *coordinator, struct participant *participant,
                     struct coordinated *coordinated)
{
    shard_load_posting(coordinator->shard, &coordinated->posting);
    for (uint8_t place = 0; place < coordinated->granted;) {
        if (shard_of_place(coordinator, coordinated, place) == coordinator->shard->number) {
            const struct posting_message nothing = {.kind = POSTING_RESOLVE,
                                                    .claim = coordinated->claims[place]};
            forget_unclaimed(coordinated, participant_claim(participant, nothing.claim), place);
            participant_resolve(participant, &nothing);
        }
        place = (uint8_t)(place + group_length(coordinator, coordinated, place));
    }
}

uint32_t coordinator_decide(struct coordinator *coordinator, struct participant *participant,
                            uint32_t number, uint64_t now_ns, enum florin_status refuse,
                            struct shard_answer *answer, struct florin_leg legs[FLORIN_LEGS_MAX],
                            struct florin_command *command)
{
    struct shard *shard = coordinator->shard;
    uint32_t first = take_first(coordinator, &coordinator->ready);
    struct coordinated *coordinated = coordinator_at(coordinator, number);
    assert(first == number && coordinated->state == COORDINATED_READY);
    free_own(coordinator, participant, coordinated);
    /* What was not in the key files then may be in newer ones. */
    if (coordinated->filters_to_lsn != shard->key_filters->to_lsn)
        shard_found_forget_files(&coordinated->found);
    if (refuse == FLORIN_APPLIED) {
        shard_decide_posting(shard, &coordinated->posting, &coordinated->found, now_ns,
                             coordinated->newest_time_ns, answer);
    } else {
        *answer = (struct shard_answer){
            .result = {.user_data = coordinated->posting.user_data,
                       .kind = coordinated->posting.kind,
                       .status = refuse},
            .account_slot = SHARD_NO_SLOT,
        };
    }
    if (answer->lookup != SHARD_LOOKUP_NONE)
        posting_command(&coordinated->posting, legs, command);
    if (answer->staged && answer->result.status == FLORIN_APPLIED) {
        coordinated->state = COORDINATED_STAGED;
        coordinated->lsn = answer->result.transaction_id;
        coordinated->time_ns = answer->result.time_ns;
        append(coordinator, &coordinator->staged, number);
    } else {
        coordinated->state = COORDINATED_TELLING;
        tell_next(coordinator, number);
    }
    return coordinated->context;
}

void coordinator_seal(struct coordinator *coordinator, uint64_t first_lsn)
{
    while (coordinator->staged.first != COORDINATOR_NONE) {
        uint32_t number = take_first(coordinator, &coordinator->staged);
        struct coordinated *coordinated = coordinator_at(coordinator, number);
        coordinated->lsn = record_final_lsn(coordinated->lsn, first_lsn);
        coordinated->state = COORDINATED_TELLING;
        tell_next(coordinator, number);
    }
}
