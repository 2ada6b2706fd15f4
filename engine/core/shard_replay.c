/* shard_replay.c - records of the log back into a shard, and proofs that it came out right.
 *
 * Guarantees: replaying the records of a shard in log order gives the state that wrote them,
 * digest for digest; a record that the account already has is skipped; a record that does not
 * follow from the account before it is refused by name and changes nothing. Must not know: where
 * the records come from. Their checksums were right, and record_decode() has accepted each of them.
 *
 * Time is not checked: when the number of workers changes, records of two old shards meet in a new
 * one, and between them only the order of the log counts.
 */
#include "shard.h"

#include <assert.h>
#include <string.h>

#include "bytes.h"
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

static enum shard_replay replay_key(struct shard *shard, const struct record *record, uint64_t lsn)
{
    const struct key_entry entry = {
        .digest =
            hash_key(shard->secret, record->id, record->id_length, record->key, record->key_length),
        .lsn_kind_status = key_entry_pack(lsn, record->kind, record->status),
        .time_ns = record->time_ns,
        .expected_version = record->expected_version,
        .amount_minor = record->amount_minor,
        .balance_minor = record->balance_minor,
        .version = record->version,
    };
    if (key_table_find(&shard->keys, entry.digest) != NULL)
        return SHARD_REPLAY_KEY_TWICE;
    return key_table_add(&shard->keys, &entry) == NULL ? SHARD_REPLAY_NO_ROOM
                                                       : SHARD_REPLAY_APPLIED;
}

static enum shard_replay replay_posting(struct shard *shard, const struct record *record,
                                        struct account *account, uint64_t lsn)
{
    enum shard_replay replay = check_posting(account, record);
    if (replay == SHARD_REPLAY_APPLIED && record->key_length > 0)
        replay = replay_key(shard, record, lsn);
    if (replay != SHARD_REPLAY_APPLIED)
        return replay;

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
        return SHARD_REPLAY_OLDER;
    if (account != NULL && is_opening)
        return SHARD_REPLAY_ACCOUNT_TWICE;
    if (account == NULL && !is_opening)
        return SHARD_REPLAY_UNKNOWN_ACCOUNT;

    if (is_opening)
        replay = replay_opening(shard, record, account_hash, lsn);
    else
        replay = replay_posting(shard, record, account, lsn);
    if (replay == SHARD_REPLAY_APPLIED && record->time_ns > shard->last_time_ns)
        shard->last_time_ns = record->time_ns;
    return replay;
}

/* --- digest and audit -------------------------------------------------------------------- */

enum {
    DIGEST_NUMBERS = 8,
    DIGEST_ACCOUNT_BYTES_MAX = DIGEST_NUMBERS * 8 + (FLORIN_CURRENCY_MAX + 1) +
                               FLORIN_ACCOUNT_ID_MAX + FLORIN_METADATA_MAX,
    DIGEST_KEY_BYTES = 64,
    /* Different sums for different things, so that an account cannot stand in for a key. */
    DIGEST_SEED_ACCOUNT = 1,
    DIGEST_SEED_KEY = 2,
};

static uint64_t digest_account(const struct account_table *table, uint32_t slot)
{
    const struct account *account = &table->slots[slot];
    const struct account_opening *opening = &table->openings[slot];
    const struct currency *currency = account_table_currency(table, account);
    const char *metadata = account_table_metadata(table, account);
    char id[FLORIN_ACCOUNT_ID_MAX];
    uint8_t bytes[DIGEST_ACCOUNT_BYTES_MAX];
    uint8_t *next = bytes;

    size_t id_length = account_table_id(table, account, id);
    const uint64_t numbers[DIGEST_NUMBERS] = {
        (uint64_t)account->balance_minor,
        account->version,
        account->last_lsn,
        (uint64_t)account->minimum_balance_minor,
        opening->time_ns,
        (uint64_t)opening->balance_minor,
        id_length,
        account->metadata_length,
    };
    for (size_t i = 0; i < DIGEST_NUMBERS; i++) {
        bytes_put_u64(next, numbers[i]);
        next += 8;
    }
    memcpy(next, currency->code, FLORIN_CURRENCY_MAX);
    next += FLORIN_CURRENCY_MAX;
    *next++ = currency->exponent;
    memcpy(next, id, id_length);
    next += id_length;
    if (metadata != NULL)
        memcpy(next, metadata, account->metadata_length);
    next += account->metadata_length;
    return hash_bytes(bytes, (size_t)(next - bytes), DIGEST_SEED_ACCOUNT);
}

static uint64_t digest_key(const struct key_entry *entry)
{
    uint8_t bytes[DIGEST_KEY_BYTES];
    const uint64_t numbers[] = {
        entry->digest.low,
        entry->digest.high,
        entry->lsn_kind_status,
        entry->time_ns,
        entry->expected_version,
        (uint64_t)entry->amount_minor,
        (uint64_t)entry->balance_minor,
        entry->version,
    };
    _Static_assert(sizeof(numbers) == DIGEST_KEY_BYTES, "the whole entry");

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        bytes_put_u64(bytes + i * 8, numbers[i]);
    return hash_bytes(bytes, sizeof(bytes), DIGEST_SEED_KEY);
}

uint64_t shard_digest(const struct shard *shard)
{
    uint64_t digest = 0;

    assert(shard->stage.record_count == 0);
    for (uint32_t slot = 0; slot < shard->accounts.count; slot++)
        digest += digest_account(&shard->accounts, slot);
    for (uint32_t slot = 0; slot < shard->keys.count; slot++)
        digest += digest_key(&shard->keys.slots[slot]);
    return digest;
}

static void audit_account(const struct shard *shard, const struct account *account)
{
    char id[FLORIN_ACCOUNT_ID_MAX];
    size_t id_length = account_table_id(&shard->accounts, account, id);
    uint64_t hash = hash_account(shard->secret, id, id_length);

    assert(record_id_is_valid(id, id_length));
    assert(account_table_find(&shard->accounts, hash, id, id_length) == account);
    assert(account->currency < shard->accounts.currency_count);
    assert(account->minimum_balance_minor <= 0);
    assert(account->balance_minor >= account->minimum_balance_minor);
    assert(account->version > 0);
    assert(account->last_lsn > 0);
    if (shard->stage.record_count == 0)
        assert(account->last_lsn < SHARD_LSN_PROVISIONAL);
}

static void audit_key(const struct shard *shard, const struct key_entry *entry)
{
    assert(key_table_find(&shard->keys, entry->digest) == entry);
    assert(entry->version > 0);
    assert(entry->amount_minor > 0);
    if (shard->stage.record_count == 0)
        assert(key_entry_lsn(entry) < SHARD_LSN_PROVISIONAL);
}

void shard_audit(const struct shard *shard)
{
    for (uint32_t slot = 0; slot < shard->accounts.count; slot++)
        audit_account(shard, &shard->accounts.slots[slot]);
    for (uint32_t slot = 0; slot < shard->keys.count; slot++)
        audit_key(shard, &shard->keys.slots[slot]);
}
