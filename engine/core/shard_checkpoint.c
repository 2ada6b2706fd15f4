/* shard_checkpoint.c - the accounts of a shard as images and back, and sums over the whole state.
 *
 * Guarantees: an image shows an account as it is between two commands; loading it gives the same
 * account, digest for digest; whatever differs between two states differs in their digests.
 * Must not know: where images are kept, or what was durable when they were taken.
 *
 * The digest of an account is that of its image: what a checkpoint holds is all that there is.
 */
#include "shard.h"

#include <assert.h>
#include <string.h>

/* Another than that of keys (key_answer.c), so that neither can stand in for the other. */
enum { DIGEST_SEED_ACCOUNT = 1 };

static uint64_t digest_account(const struct shard *shard, const struct account *account)
{
    uint8_t image[ACCOUNT_IMAGE_BYTES_MAX];
    size_t size = account_image_encode(&shard->accounts, &shard->holds, account, image);
    return hash_bytes(image, size, DIGEST_SEED_ACCOUNT);
}

/* --- sums -------------------------------------------------------------------------------- */

void shard_sums_add(struct shard_sums *sums, const struct shard_sums *part)
{
    bool carry = __builtin_add_overflow(sums->balance_low, part->balance_low, &sums->balance_low);
    /* Far from any overflow: 2^63 accounts would be needed. */
    sums->balance_high += part->balance_high + carry;
    sums->accounts += part->accounts;
    sums->digest += part->digest;
    if (part->newest_lsn > sums->newest_lsn)
        sums->newest_lsn = part->newest_lsn;
}

static void add_account(struct shard_sums *sums, const struct account *account, uint64_t digest)
{
    const struct shard_sums one = {
        .accounts = 1,
        .digest = digest,
        .balance_low = (uint64_t)account->balance_minor,
        .balance_high = account->balance_minor < 0 ? -1 : 0,
        .newest_lsn = account->last_lsn,
    };
    shard_sums_add(sums, &one);
}

/* --- images ------------------------------------------------------------------------------ */

size_t shard_write_images(const struct shard *shard, uint32_t *cursor, uint32_t slot_end,
                          uint8_t *bytes, size_t capacity, uint32_t accounts_max,
                          struct shard_sums *sums)
{
    size_t length = 0;

    assert(shard->stage.record_count == 0); /* an image with a provisional LSN would be false */
    assert(slot_end <= shard->accounts.count);
    for (uint32_t written = 0; written < accounts_max && *cursor < slot_end; written++) {
        const struct account *account = &shard->accounts.slots[*cursor];
        /* In the middle of a posting: its record may stand before the checkpoint's start already.
         */
        if ((account->flags & ACCOUNT_CLAIMED) != 0)
            break;
        if (account_image_size(&shard->accounts, account) > capacity - length)
            break;
        size_t size =
            account_image_encode(&shard->accounts, &shard->holds, account, bytes + length);
        add_account(sums, account, hash_bytes(bytes + length, size, DIGEST_SEED_ACCOUNT));
        length += size;
        (*cursor)++;
    }
    return length;
}

/* Whether the holds of an image can be added. *held_minor: their sum. */
static enum shard_replay check_holds(const struct shard *shard, const struct account_image *image,
                                     int64_t *held_minor)
{
    *held_minor = 0;
    if (image->hold_count > shard->holds.slots_max - shard->holds.count)
        return SHARD_REPLAY_NO_ROOM;
    for (uint16_t i = 0; i < image->hold_count; i++) {
        struct account_image_hold hold = account_image_hold(image, i);
        if (hold_table_find(&shard->holds, hold.lsn) != HOLD_NONE)
            return SHARD_REPLAY_HOLD_WRONG;
        *held_minor += hold.amount_minor; /* in range: account_image_decode() has added them up */
    }
    return SHARD_REPLAY_APPLIED;
}

static void load_holds(struct shard *shard, struct account *account,
                       const struct account_image *image)
{
    for (uint16_t i = 0; i < image->hold_count; i++) {
        struct account_image_hold hold = account_image_hold(image, i);
        hold_table_add(&shard->holds, &shard->accounts, account, hold.lsn, hold.amount_minor,
                       hold.expires_ns);
        account->floor_minor += hold.amount_minor;
    }
}

enum shard_replay shard_load_image(struct shard *shard, const struct account_image *image,
                                   uint64_t account_hash, struct shard_sums *sums)
{
    const struct account_content content = {
        .id = image->id,
        .id_length = image->id_length,
        .currency = image->currency,
        .balance_minor = image->opening_balance_minor,
        .minimum_balance_minor = image->minimum_balance_minor,
        .metadata = image->metadata,
        .metadata_length = image->metadata_length,
        .opened_ns = image->opened_ns,
    };
    int64_t held_minor;

    assert(shard->stage.record_count == 0);
    if (account_table_find(&shard->accounts, account_hash, image->id, image->id_length) != NULL)
        return SHARD_REPLAY_ACCOUNT_TWICE;
    enum shard_replay holds = check_holds(shard, image, &held_minor);
    if (holds != SHARD_REPLAY_APPLIED)
        return holds;
    /* the minimum is <= 0: the sum is in range */
    if (image->balance_minor < image->minimum_balance_minor + held_minor)
        return SHARD_REPLAY_BALANCE_WRONG;
    struct account *account = account_table_add(&shard->accounts, account_hash, &content);
    if (account == NULL)
        return SHARD_REPLAY_NO_ROOM;

    /* Cannot fail from here. */
    account->balance_minor = image->balance_minor;
    account->version = image->version;
    account->last_lsn = image->last_lsn;
    account->flags = (uint8_t)image->status;
    load_holds(shard, account, image);
    if (image->opened_ns > shard->last_time_ns)
        shard->last_time_ns = image->opened_ns;
    add_account(sums, account, digest_account(shard, account));
    return SHARD_REPLAY_APPLIED;
}

/* --- digests ----------------------------------------------------------------------------- */

uint64_t shard_accounts_digest(const struct shard *shard)
{
    uint64_t digest = 0;

    assert(shard->stage.record_count == 0);
    for (uint32_t slot = 0; slot < shard->accounts.count; slot++)
        digest += digest_account(shard, &shard->accounts.slots[slot]);
    return digest;
}

uint64_t shard_digest(const struct shard *shard)
{
    uint64_t digest = shard_accounts_digest(shard);

    for (uint32_t older = 0; older < shard->keys.count; older++) {
        uint32_t slot = key_table_slot(&shard->keys, older);
        const struct key_entry *entry = &shard->keys.slots[slot];
        uint64_t lsn = key_table_lsn(&shard->keys, slot);
        if (lsn > shard->key_filters->to_lsn)
            digest += key_state_digest(entry->tag, entry->check, lsn);
    }
    return digest;
}
