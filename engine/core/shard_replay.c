/* shard_replay.c - records of the log back into a shard, and a proof that it came out right.
 *
 * Guarantees: replaying the records of a shard in log order gives the state that wrote them,
 * digest for digest, and so does replaying them onto images of it (shard_checkpoint.c) that were
 * taken at any moment; a record that the account already has is skipped, but for its key; a record
 * that does not follow from the account before it is refused by name and changes nothing.
 * Must not know: where the records come from. Their checksums were right, and record_decode() has
 * accepted each of them.
 *
 * Time is not checked: when the number of workers changes, records of two old shards meet in a new
 * one, and between them only the order of the log counts. That a key was not used before is not
 * checked either: memory has hints at keys only. Nor is whether an account was frozen: that is for
 * people, and admins may move its money.
 *
 * A record is older than an account when the account has a later one; at the same position, when
 * the account's version is not before it: legs of one record on one account come one by one, each
 * of the next version.
 */
#include "shard.h"

#include <assert.h>
#include <string.h>

#include "money.h"

static enum shard_replay replay_opening(struct shard *shard, const struct record *record,
                                        uint64_t account_hash, uint64_t lsn)
{
    struct account_content content = {
        .id = record->id,
        .id_length = record->id_length,
        .currency = {.exponent = record->exponent},
        .balance_minor = record->balance_minor,
        .minimum_balance_minor = record->minimum_balance_minor,
        .metadata = record->metadata,
        .metadata_length = record->metadata_length,
        .opened_ns = record->time_ns,
    };
    memcpy(content.currency.code, record->currency, sizeof(record->currency));

    if (record->previous_lsn != 0)
        return SHARD_REPLAY_PREVIOUS_WRONG;
    if (record->version != 1)
        return SHARD_REPLAY_VERSION_GAP;
    if (record->balance_minor != record->amount_minor)
        return SHARD_REPLAY_BALANCE_WRONG;
    struct account *account = account_table_add(&shard->accounts, account_hash, &content);
    if (account == NULL)
        return SHARD_REPLAY_NO_ROOM;
    account->last_lsn = lsn;
    return SHARD_REPLAY_APPLIED;
}

/* --- legs -------------------------------------------------------------------------------- */

/* What a record or a leg does to one account. */
struct step {
    uint8_t direction; /* 0: the balance stays */
    uint8_t exponent;
    uint64_t version;
    int64_t balance_minor;
    int64_t amount_minor;
    uint64_t previous_lsn;
};

static uint8_t own_direction(const struct record *record)
{
    if (record->kind == FLORIN_DEPOSIT)
        return FLORIN_CREDIT;
    if (record->kind == FLORIN_WITHDRAW)
        return FLORIN_DEBIT;
    return record->direction;
}

static struct step own_step(const struct record *record)
{
    return (struct step){
        .direction = own_direction(record),
        .exponent = record->exponent,
        .version = record->version,
        .balance_minor = record->balance_minor,
        .amount_minor = record->amount_minor,
        .previous_lsn = record->previous_lsn,
    };
}

static struct step leg_step(const struct record_leg *leg)
{
    return (struct step){
        .direction = leg->direction,
        .exponent = leg->exponent,
        .version = leg->version,
        .balance_minor = leg->balance_minor,
        .amount_minor = leg->amount_minor,
        .previous_lsn = leg->previous_lsn,
    };
}

static bool is_older(const struct account *account, uint64_t version, uint64_t lsn)
{
    return lsn < account->last_lsn || (lsn == account->last_lsn && version <= account->version);
}

/* Whether the step follows from the account as it is, whose record before is `last_lsn` and whose
 * balance may not be debited below `floor_minor`. */
static enum shard_replay check_step(const struct shard *shard, const struct account *account,
                                    const struct step *step, uint64_t last_lsn, int64_t floor_minor)
{
    int64_t after = account->balance_minor;

    if (step->previous_lsn != last_lsn)
        return SHARD_REPLAY_PREVIOUS_WRONG;
    if (account_status(account) == FLORIN_STATE_CLOSED)
        return SHARD_REPLAY_CLOSED;
    if (step->version != account->version + 1)
        return SHARD_REPLAY_VERSION_GAP;
    if (step->exponent != account_table_currency(&shard->accounts, account)->exponent)
        return SHARD_REPLAY_CURRENCY_WRONG;
    if (step->direction == FLORIN_CREDIT &&
        !money_add(account->balance_minor, step->amount_minor, &after))
        return SHARD_REPLAY_BALANCE_WRONG;
    if (step->direction == FLORIN_DEBIT &&
        (!money_subtract(account->balance_minor, step->amount_minor, &after) ||
         after < floor_minor))
        return SHARD_REPLAY_BALANCE_WRONG;
    return step->balance_minor == after ? SHARD_REPLAY_APPLIED : SHARD_REPLAY_BALANCE_WRONG;
}

static void apply_step(struct account *account, const struct step *step, uint64_t lsn)
{
    account->balance_minor = step->balance_minor;
    account->version = step->version;
    account->last_lsn = lsn;
}

/* --- keys -------------------------------------------------------------------------------- */

static bool key_is_there(const struct shard *shard, struct hash128 digest, uint64_t lsn)
{
    struct key_table_cursor cursor = key_table_start(&shard->keys, digest);
    uint32_t slot;
    while (key_table_next(&cursor, &slot)) {
        if (key_table_lsn(&shard->keys, slot) == lsn)
            return true;
    }
    return false;
}

static bool add_key(struct shard *shard, struct hash128 digest, uint64_t lsn)
{
    return key_is_there(shard, digest, lsn) ||
           key_table_add(&shard->keys, digest, lsn) != KEY_TABLE_NO_SLOT;
}

/* The client's key, and the one of a reversal. false: no room. */
static bool replay_key(struct shard *shard, const struct record *record, uint64_t lsn)
{
    if (lsn <= shard->key_filters->to_lsn)
        return true;
    if (record->key_length > 0 && !add_key(shard,
                                           hash_key(shard->secret, record->id, record->id_length,
                                                    record->key, record->key_length),
                                           lsn))
        return false;
    if (record->kind != FLORIN_REVERSE || record->status != FLORIN_APPLIED)
        return true;
    return add_key(shard,
                   key_of_reversal(shard->secret, record->id, record->id_length, record->target_lsn,
                                   record->detail),
                   lsn);
}

/* --- records of all kinds ---------------------------------------------------------------- */

/* A refusal changes nothing but the account's chain of records. */
static enum shard_replay check_refusal(const struct shard *shard, const struct account *account,
                                       const struct record *record)
{
    if (record->previous_lsn != account->last_lsn)
        return SHARD_REPLAY_PREVIOUS_WRONG;
    if (record->version != account->version)
        return SHARD_REPLAY_VERSION_GAP;
    if (record->exponent != account_table_currency(&shard->accounts, account)->exponent)
        return SHARD_REPLAY_CURRENCY_WRONG;
    return record->balance_minor == account->balance_minor ? SHARD_REPLAY_APPLIED
                                                           : SHARD_REPLAY_BALANCE_WRONG;
}

static enum shard_replay check_change(const struct shard *shard, const struct account *account,
                                      const struct record *record)
{
    const struct account_opening *opening = account_table_opening(&shard->accounts, account);
    const struct currency *currency = account_table_currency(&shard->accounts, account);

    if (memcmp(record->currency, currency->code, sizeof(record->currency)) != 0)
        return SHARD_REPLAY_CURRENCY_WRONG;
    /* the minimum is <= 0: the sum is in range */
    if (account->balance_minor < record->minimum_balance_minor + opening->held_minor)
        return SHARD_REPLAY_BALANCE_WRONG;
    if (record->account_status == FLORIN_STATE_CLOSED &&
        (account->balance_minor != 0 || opening->hold_count != 0))
        return SHARD_REPLAY_CLOSED;
    return account_table_has_metadata_room(&shard->accounts, account, record->metadata_length)
               ? SHARD_REPLAY_APPLIED
               : SHARD_REPLAY_NO_ROOM;
}

static void apply_change(struct shard *shard, struct account *account, const struct record *record)
{
    account->floor_minor = record->minimum_balance_minor +
                           account_table_opening(&shard->accounts, account)->held_minor;
    account->flags = record->account_status;
    account_table_set_metadata(&shard->accounts, account, record->metadata,
                               record->metadata_length);
}

/* The hold that a record ends: active, of this account, of at least that amount. HOLD_NONE: there
 * is none such. */
static uint32_t find_target(const struct shard *shard, const struct account *account,
                            const struct record *record)
{
    uint32_t slot = hold_table_find(&shard->holds, record->target_lsn);
    if (slot == HOLD_NONE)
        return HOLD_NONE;
    const struct hold *hold = &shard->holds.slots[slot];
    bool amount_fits = record->kind == FLORIN_CAPTURE ? record->amount_minor <= hold->amount_minor
                                                      : record->amount_minor == hold->amount_minor;
    return amount_fits && hold->account_slot == account_table_slot(&shard->accounts, account)
               ? slot
               : HOLD_NONE;
}

static bool ends_hold(const struct record *record)
{
    return record->status == FLORIN_APPLIED &&
           (record->kind == FLORIN_CAPTURE || record->kind == FLORIN_VOID ||
            record->kind == FLORIN_EXPIRE);
}

static bool makes_hold(const struct record *record)
{
    return record->status == FLORIN_APPLIED && record->kind == FLORIN_HOLD;
}

/* Whether what is held is what the record says, and a new hold fits. *freed_minor: what the record
 * sets free, < 0: what it sets aside. */
static enum shard_replay check_holds(const struct shard *shard, const struct account *account,
                                     const struct record *record, uint64_t lsn,
                                     int64_t *freed_minor)
{
    const struct account_opening *opening = account_table_opening(&shard->accounts, account);

    *freed_minor = 0;
    if (makes_hold(record)) {
        if (hold_table_find(&shard->holds, lsn) != HOLD_NONE ||
            opening->hold_count >= FLORIN_ACCOUNT_HOLDS_MAX ||
            record->amount_minor > MONEY_MAX - opening->held_minor)
            return SHARD_REPLAY_HOLD_WRONG;
        if (!hold_table_has_room(&shard->holds))
            return SHARD_REPLAY_NO_ROOM;
        *freed_minor = -record->amount_minor;
    } else if (ends_hold(record)) {
        uint32_t slot = find_target(shard, account, record);
        if (slot == HOLD_NONE)
            return SHARD_REPLAY_HOLD_WRONG;
        *freed_minor = shard->holds.slots[slot].amount_minor;
    }
    if (record_kind_has_legs(record->kind) &&
        record->held_minor != opening->held_minor - *freed_minor)
        return SHARD_REPLAY_HOLD_WRONG;
    return SHARD_REPLAY_APPLIED;
}

static void apply_holds(struct shard *shard, struct account *account, const struct record *record,
                        uint64_t lsn, int64_t freed_minor)
{
    if (makes_hold(record))
        hold_table_add(&shard->holds, &shard->accounts, account, lsn, record->amount_minor,
                       record->detail);
    else if (ends_hold(record))
        hold_table_remove(&shard->holds, &shard->accounts,
                          hold_table_find(&shard->holds, record->target_lsn));
    account->floor_minor -= freed_minor;
}

static enum shard_replay check_record(const struct shard *shard, const struct account *account,
                                      const struct record *record, uint64_t lsn,
                                      int64_t *freed_minor)
{
    const struct step step = own_step(record);
    enum shard_replay replay = check_holds(shard, account, record, lsn, freed_minor);

    if (record->status != FLORIN_APPLIED) {
        enum shard_replay refusal = check_refusal(shard, account, record);
        return refusal == SHARD_REPLAY_APPLIED ? replay : refusal;
    }
    int64_t floor_minor = account->floor_minor - *freed_minor;
    enum shard_replay stepped = check_step(shard, account, &step, account->last_lsn, floor_minor);
    if (stepped != SHARD_REPLAY_APPLIED)
        return stepped;
    if (replay == SHARD_REPLAY_APPLIED && step.balance_minor < floor_minor)
        return SHARD_REPLAY_BALANCE_WRONG; /* more is held than there is */
    if (replay == SHARD_REPLAY_APPLIED && record->kind == FLORIN_CHANGE_ACCOUNT)
        return check_change(shard, account, record);
    return replay;
}

/* Any record but an opening, newer than the account. */
static enum shard_replay replay_record(struct shard *shard, const struct record *record,
                                       struct account *account, uint64_t lsn)
{
    const struct step step = own_step(record);
    int64_t freed_minor;
    enum shard_replay replay = check_record(shard, account, record, lsn, &freed_minor);

    if (replay != SHARD_REPLAY_APPLIED)
        return replay;
    if (!replay_key(shard, record, lsn))
        return SHARD_REPLAY_NO_ROOM;

    /* Cannot fail from here. */
    apply_holds(shard, account, record, lsn, freed_minor);
    if (record->kind == FLORIN_CHANGE_ACCOUNT)
        apply_change(shard, account, record);
    apply_step(account, &step, lsn);
    return SHARD_REPLAY_APPLIED;
}

/* --- public ------------------------------------------------------------------------------ */

const char *shard_replay_text(enum shard_replay replay)
{
    switch (replay) {
#define X(name, text)                                                                              \
    case SHARD_REPLAY_##name:                                                                      \
        return text;
        SHARD_REPLAY_LIST(X)
#undef X
    }
    assert(false && "a result of shard_replay()");
    return "";
}

/* Also of an older one: an image does not say when its account changed last. */
static void note_time(struct shard *shard, const struct record *record, enum shard_replay replay)
{
    if ((replay == SHARD_REPLAY_APPLIED || replay == SHARD_REPLAY_OLDER) &&
        record->time_ns > shard->last_time_ns)
        shard->last_time_ns = record->time_ns;
}

enum shard_replay shard_replay(struct shard *shard, const struct record *record,
                               uint64_t account_hash, uint64_t lsn)
{
    bool is_opening = record->kind == FLORIN_OPEN_ACCOUNT;
    enum shard_replay replay;

    assert(lsn > 0 && lsn < SHARD_LSN_PROVISIONAL);
    assert(shard->stage.record_count == 0);
    struct account *account =
        account_table_find(&shard->accounts, account_hash, record->id, record->id_length);
    if (account != NULL && is_older(account, record->version, lsn))
        replay = replay_key(shard, record, lsn) ? SHARD_REPLAY_OLDER : SHARD_REPLAY_NO_ROOM;
    else if (account != NULL && is_opening)
        replay = SHARD_REPLAY_ACCOUNT_TWICE;
    else if (account == NULL && !is_opening)
        replay = SHARD_REPLAY_UNKNOWN_ACCOUNT;
    else if (is_opening)
        replay = replay_opening(shard, record, account_hash, lsn);
    else
        replay = replay_record(shard, record, account, lsn);
    note_time(shard, record, replay);
    return replay;
}

static bool has_id(const struct record_leg *leg, const char *id, size_t id_length)
{
    return leg->id_length == id_length && memcmp(leg->id, id, id_length) == 0;
}

/* The position before a record, of the account of a leg: that of the account's last record; when
 * that is this very record, what its first leg on this account said. */
static uint64_t position_before(const struct account *account, const struct record *record,
                                const struct record_leg *leg, uint64_t lsn)
{
    const uint8_t *at = record->leg_bytes;

    if (account->last_lsn != lsn)
        return account->last_lsn;
    if (record->id_length == leg->id_length && memcmp(record->id, leg->id, leg->id_length) == 0)
        return record->previous_lsn;
    for (uint8_t i = 0; i < record->leg_count; i++) {
        struct record_leg first;
        at = record_next_leg(at, &first);
        if (has_id(&first, leg->id, leg->id_length))
            return first.previous_lsn;
    }
    assert(false && "a leg stands in its record");
    return 0;
}

enum shard_replay shard_replay_leg(struct shard *shard, const struct record *record,
                                   const struct record_leg *leg, uint64_t account_hash,
                                   uint64_t lsn)
{
    const struct step step = leg_step(leg);
    enum shard_replay replay;

    assert(lsn > 0 && lsn < SHARD_LSN_PROVISIONAL);
    assert(shard->stage.record_count == 0);
    struct account *account =
        account_table_find(&shard->accounts, account_hash, leg->id, leg->id_length);
    if (account == NULL)
        replay = SHARD_REPLAY_UNKNOWN_ACCOUNT;
    else if (is_older(account, leg->version, lsn))
        replay = SHARD_REPLAY_OLDER;
    else
        replay = check_step(shard, account, &step, position_before(account, record, leg, lsn),
                            account->floor_minor);
    if (replay == SHARD_REPLAY_APPLIED)
        apply_step(account, &step, lsn);
    note_time(shard, record, replay);
    return replay;
}

/* --- audit ------------------------------------------------------------------------------- */

static void audit_balance(const struct shard *shard, const struct account *account)
{
    bool is_closed = account_status(account) == FLORIN_STATE_CLOSED;

    assert(account_status(account) <= FLORIN_STATE_CLOSED);
    assert(account_table_minimum(&shard->accounts, account) <= 0);
    assert(account->balance_minor >= account->floor_minor);
    assert(!is_closed || account->balance_minor == 0);
    assert(!is_closed || account_table_opening(&shard->accounts, account)->hold_count == 0);
}

static void audit_account(const struct shard *shard, const struct account *account)
{
    char id[FLORIN_ACCOUNT_ID_MAX];
    size_t id_length = account_table_id(&shard->accounts, account, id);
    uint64_t hash = hash_account(shard->secret, id, id_length);

    assert(florin_account_id_is_valid(id, id_length));
    assert(account_table_find(&shard->accounts, hash, id, id_length) == account);
    assert(account->currency < shard->accounts.currency_count);
    audit_balance(shard, account);
    assert(account->version > 0);
    assert(account->last_lsn > 0);
    if (shard->stage.record_count == 0)
        assert(account->last_lsn < SHARD_LSN_PROVISIONAL);
}

/* A hold of the account can be found, and is older than the one before it in the list. */
static void audit_hold(const struct shard *shard, const struct account *account, uint32_t slot,
                       uint32_t newer)
{
    const struct hold *hold = &shard->holds.slots[slot];

    assert(hold->account_slot == account_table_slot(&shard->accounts, account));
    assert(hold->amount_minor > 0);
    assert(hold->previous == newer);
    assert(newer == HOLD_NONE || shard->holds.slots[newer].lsn > hold->lsn);
    if (shard->stage.record_count == 0)
        assert(hold_table_find(&shard->holds, hold->lsn) == slot);
}

/* The list of an account is what its sums say. Returns how many. */
static uint32_t audit_holds(const struct shard *shard, const struct account *account)
{
    const struct account_opening *opening = account_table_opening(&shard->accounts, account);
    int64_t held_minor = 0;
    uint32_t slot = opening->first_hold - 1;
    uint32_t newer = HOLD_NONE;

    for (uint32_t i = 0; i < opening->hold_count; i++) {
        audit_hold(shard, account, slot, newer);
        held_minor += shard->holds.slots[slot].amount_minor;
        newer = slot;
        slot = shard->holds.slots[slot].next;
    }
    assert(slot == HOLD_NONE);
    assert(held_minor == opening->held_minor);
    return opening->hold_count;
}

/* No hold expires before the one above it. */
static void audit_heap(const struct hold_table *holds)
{
    for (uint32_t place = 0; place < holds->heap_count; place++) {
        const struct hold *hold = &holds->slots[holds->heap[place]];
        assert(hold->heap_place == place);
        assert(hold->expires_ns > 0);
        assert(place == 0 ||
               hold->expires_ns >= holds->slots[holds->heap[(place - 1) / 2]].expires_ns);
    }
}

/* The key with `older` older ones. */
static void audit_key(const struct shard *shard, uint32_t older)
{
    uint32_t slot = key_table_slot(&shard->keys, older);
    const struct key_entry *entry = &shard->keys.slots[slot];
    const struct hash128 like = {.low = entry->check, .high = (uint64_t)entry->tag << 32};
    uint64_t lsn = key_table_lsn(&shard->keys, slot);

    assert(key_is_there(shard, like, lsn));
    assert(lsn > 0);
    if (older > 0)
        assert(lsn >= key_table_lsn(&shard->keys, key_table_slot(&shard->keys, older - 1)));
    if (shard->stage.record_count == 0)
        assert(lsn < SHARD_LSN_PROVISIONAL);
}

void shard_audit(const struct shard *shard)
{
    uint32_t holds = 0;
    for (uint32_t slot = 0; slot < shard->accounts.count; slot++) {
        audit_account(shard, &shard->accounts.slots[slot]);
        holds += audit_holds(shard, &shard->accounts.slots[slot]);
    }
    assert(holds == shard->holds.count);
    audit_heap(&shard->holds);
    for (uint32_t older = 0; older < shard->keys.count; older++) {
        key_table_prefetch_older(&shard->keys, older + KEY_TABLE_AHEAD);
        audit_key(shard, older);
    }
}
