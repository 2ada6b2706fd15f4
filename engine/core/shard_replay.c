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
 * checked either: memory has hints at keys only.
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

/* Whether the record follows from the account as it is. */
static enum shard_replay check_posting(const struct account *account, const struct record *record)
{
    bool applied = record->status == FLORIN_APPLIED;
    int64_t after = account->balance_minor;

    if (record->previous_lsn != account->last_lsn)
        return SHARD_REPLAY_PREVIOUS_WRONG;
    if (record->version != account->version + (applied ? 1 : 0))
        return SHARD_REPLAY_VERSION_GAP;
    if (applied) {
        bool in_range = record->kind == FLORIN_DEPOSIT
                            ? money_add(account->balance_minor, record->amount_minor, &after)
                            : money_subtract(account->balance_minor, record->amount_minor, &after);
        if (!in_range || after < account->minimum_balance_minor)
            return SHARD_REPLAY_BALANCE_WRONG;
    }
    return record->balance_minor == after ? SHARD_REPLAY_APPLIED : SHARD_REPLAY_BALANCE_WRONG;
}

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

/* false: no room. */
static bool replay_key(struct shard *shard, const struct record *record, uint64_t lsn)
{
    if (record->key_length == 0 || lsn <= shard->key_filters->to_lsn)
        return true;
    struct hash128 digest =
        hash_key(shard->secret, record->id, record->id_length, record->key, record->key_length);
    return key_is_there(shard, digest, lsn) ||
           key_table_add(&shard->keys, digest, lsn) != KEY_TABLE_NO_SLOT;
}

static enum shard_replay replay_posting(struct shard *shard, const struct record *record,
                                        struct account *account, uint64_t lsn)
{
    enum shard_replay replay = check_posting(account, record);
    if (replay != SHARD_REPLAY_APPLIED)
        return replay;
    if (!replay_key(shard, record, lsn))
        return SHARD_REPLAY_NO_ROOM;

    /* Cannot fail from here. */
    account->balance_minor = record->balance_minor;
    account->version = record->version;
    account->last_lsn = lsn;
    return SHARD_REPLAY_APPLIED;
}

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

enum shard_replay shard_replay(struct shard *shard, const struct record *record,
                               uint64_t account_hash, uint64_t lsn)
{
    bool is_opening = record->kind == FLORIN_OPEN_ACCOUNT;
    enum shard_replay replay;

    assert(lsn > 0 && lsn < SHARD_LSN_PROVISIONAL);
    assert(shard->stage.record_count == 0);
    struct account *account =
        account_table_find(&shard->accounts, account_hash, record->id, record->id_length);
    if (account != NULL && lsn <= account->last_lsn)
        replay = replay_key(shard, record, lsn) ? SHARD_REPLAY_OLDER : SHARD_REPLAY_NO_ROOM;
    else if (account != NULL && is_opening)
        replay = SHARD_REPLAY_ACCOUNT_TWICE;
    else if (account == NULL && !is_opening)
        replay = SHARD_REPLAY_UNKNOWN_ACCOUNT;
    else if (is_opening)
        replay = replay_opening(shard, record, account_hash, lsn);
    else
        replay = replay_posting(shard, record, account, lsn);
    /* Also of an older one: an image does not say when its account changed last. */
    if ((replay == SHARD_REPLAY_APPLIED || replay == SHARD_REPLAY_OLDER) &&
        record->time_ns > shard->last_time_ns)
        shard->last_time_ns = record->time_ns;
    return replay;
}

/* --- audit ------------------------------------------------------------------------------- */

static void audit_account(const struct shard *shard, const struct account *account)
{
    char id[FLORIN_ACCOUNT_ID_MAX];
    size_t id_length = account_table_id(&shard->accounts, account, id);
    uint64_t hash = hash_account(shard->secret, id, id_length);

    assert(florin_account_id_is_valid(id, id_length));
    assert(account_table_find(&shard->accounts, hash, id, id_length) == account);
    assert(account->currency < shard->accounts.currency_count);
    assert(account->minimum_balance_minor <= 0);
    assert(account->balance_minor >= account->minimum_balance_minor);
    assert(account->version > 0);
    assert(account->last_lsn > 0);
    if (shard->stage.record_count == 0)
        assert(account->last_lsn < SHARD_LSN_PROVISIONAL);
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
        assert(lsn > key_table_lsn(&shard->keys, key_table_slot(&shard->keys, older - 1)));
    if (shard->stage.record_count == 0)
        assert(lsn < SHARD_LSN_PROVISIONAL);
}

void shard_audit(const struct shard *shard)
{
    for (uint32_t slot = 0; slot < shard->accounts.count; slot++)
        audit_account(shard, &shard->accounts.slots[slot]);
    for (uint32_t older = 0; older < shard->keys.count; older++) {
        key_table_prefetch_older(&shard->keys, older + KEY_TABLE_AHEAD);
        audit_key(shard, older);
    }
}
