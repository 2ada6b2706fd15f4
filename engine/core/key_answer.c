/* key_answer.c - what a retry needs of a finished command, to bytes and back; key_answer.h has the
 * layout.
 *
 * Guarantees: key_answer_decode() accepts exactly the bytes that key_answer_encode() can write, so
 * an answer has one form.
 * Must not know: where answers are kept, or who asks for them.
 *
 * An answer is valid when it is that of a record with a key: of a kind that has one, applied with
 * an amount > 0 and a version, or refused as its kind can be, and a position; of a deposit or
 * withdrawal, a mismatch has the expected version that failed; of a kind with legs, a refusal names
 * a leg that a posting can have.
 */
#include "key_answer.h"

#include <assert.h>
#include <string.h>

#include "bytes.h"
#include "florin.h"
#include "money.h"

enum {
    OFFSET_DIGEST_HIGH = 0,
    OFFSET_DIGEST_LOW = 8,
    OFFSET_LSN_KIND_STATUS = 16,
    OFFSET_TIME = 24,
    OFFSET_EXPECTED = 32,
    OFFSET_AMOUNT = 40,
    OFFSET_BALANCE = 48,
    OFFSET_VERSION = 56,

    LSN_SHIFT = 16,
    KIND_SHIFT = 8,

    STATE_DIGEST_BYTES = 16,
    /* Not that of an account (shard_checkpoint.c), so that neither can stand in for the other. */
    STATE_DIGEST_SEED = 2,

    EXPECTED_BYTES = 24,
    EXPECTED_SEED = 4, /* another than those of other digests (posting.c) */
};
_Static_assert((int)OFFSET_VERSION + 8 == (int)KEY_ANSWER_BYTES, "the version is the last");

static bool single_is_valid(const struct key_answer *answer)
{
    if (answer->amount_minor <= 0 || answer->version == 0)
        return false;
    switch (answer->status) {
    case FLORIN_APPLIED:
    case FLORIN_ACCOUNT_FROZEN:
    case FLORIN_ACCOUNT_CLOSED:
    case FLORIN_BALANCE_CONDITION:
        return true;
    case FLORIN_VERSION_MISMATCH:
    case FLORIN_PRECONDITION_FAILED:
        return answer->expected_version != 0;
    case FLORIN_INSUFFICIENT_BALANCE:
        return answer->kind == FLORIN_WITHDRAW;
    case FLORIN_BALANCE_OVERFLOW:
        return answer->kind == FLORIN_DEPOSIT;
    default:
        return false;
    }
}

static bool with_legs_is_valid(const struct key_answer *answer)
{
    if (answer->kind == FLORIN_EXPIRE) /* nobody asks for it */
        return false;
    if (answer->status == FLORIN_APPLIED)
        return answer->amount_minor > 0 && answer->version > 0;
    return record_status_is_remembered(answer->status) && answer->amount_minor >= 0 &&
           answer->amount_minor < FLORIN_LEGS_MAX;
}

static bool answer_is_valid(const struct key_answer *answer)
{
    if (answer->balance_minor < MONEY_MIN || answer->lsn == 0 || answer->lsn > RECORD_LSN_MAX)
        return false;
    if (record_kind_has_legs(answer->kind))
        return with_legs_is_valid(answer);
    return (answer->kind == FLORIN_DEPOSIT || answer->kind == FLORIN_WITHDRAW) &&
           single_is_valid(answer);
}

/* Of a record of a kind with legs: what was answered to it. */
static void answer_with_legs(const struct record *record, struct key_answer *answer)
{
    const uint8_t *at = record->leg_bytes;

    answer->expected_version = record->request;
    if (record->status != FLORIN_APPLIED) {
        answer->amount_minor = record->refused_leg;
        answer->balance_minor = record->detail_minor;
        answer->version = record->detail;
        return;
    }
    if (record->kind == FLORIN_HOLD || record->kind == FLORIN_VOID)
        answer->balance_minor -= record->held_minor; /* in range, for it is valid */
    for (uint8_t i = 0; i < record->leg_count; i++) {
        struct record_leg leg;
        at = record_next_leg(at, &leg);
        if (leg.id_length == record->id_length && memcmp(leg.id, record->id, leg.id_length) == 0) {
            answer->balance_minor = leg.balance_minor;
            answer->version = leg.version;
        }
    }
}

uint64_t key_answer_expected(uint64_t expected_version, bool has_expected_balance,
                             int64_t expected_balance_minor, bool as_admin)
{
    uint8_t bytes[EXPECTED_BYTES] = {0};

    if (!has_expected_balance && !as_admin)
        return expected_version;
    bytes_put_u64(bytes, expected_version);
    bytes_put_i64(bytes + 8, has_expected_balance ? expected_balance_minor : 0);
    bytes[16] = has_expected_balance;
    bytes[17] = as_admin;
    uint64_t digest = hash_bytes(bytes, sizeof(bytes), EXPECTED_SEED);
    return digest == 0 ? 1 : digest;
}

/* All but the digest. */
static struct key_answer answer_of_record(const struct record *record, uint64_t lsn)
{
    struct key_answer answer = {
        .lsn = lsn,
        .kind = record->kind,
        .status = record->status,
        .time_ns = record->time_ns,
        .expected_version =
            key_answer_expected(record->expected_version, record->has_expected_balance,
                                record->expected_balance_minor, record->as_admin),
        .amount_minor = record->amount_minor,
        .balance_minor = record->balance_minor,
        .version = record->version,
    };
    if (record_kind_has_legs(record->kind))
        answer_with_legs(record, &answer);
    return answer;
}

struct key_answer key_answer_of_record(const struct hash_secret *secret,
                                       const struct record *record, uint64_t lsn)
{
    assert(record->key_length > 0);
    struct key_answer answer = answer_of_record(record, lsn);
    answer.digest =
        hash_key(secret, record->id, record->id_length, record->key, record->key_length);
    return answer;
}

struct hash128 key_of_reversal(const struct hash_secret *secret, const char *id, size_t id_length,
                               uint64_t target_lsn, uint64_t number)
{
    uint8_t key[FLORIN_KEY_MAX + 1 + 16] = {0};
    bytes_put_u64(key + FLORIN_KEY_MAX + 1, target_lsn);
    bytes_put_u64(key + FLORIN_KEY_MAX + 9, number);
    return hash_key(secret, id, id_length, (const char *)key, sizeof(key));
}

bool key_answer_of_reversal(const struct hash_secret *secret, const struct record *record,
                            uint64_t lsn, struct key_answer *answer)
{
    if (record->kind != FLORIN_REVERSE || record->status != FLORIN_APPLIED)
        return false;
    *answer = answer_of_record(record, lsn);
    answer->digest =
        key_of_reversal(secret, record->id, record->id_length, record->target_lsn, record->detail);
    return true;
}

void key_answer_encode(const struct key_answer *answer, uint8_t bytes[KEY_ANSWER_BYTES])
{
    assert(answer_is_valid(answer));
    bytes_put_u64(bytes + OFFSET_DIGEST_HIGH, answer->digest.high);
    bytes_put_u64(bytes + OFFSET_DIGEST_LOW, answer->digest.low);
    bytes_put_u64(bytes + OFFSET_LSN_KIND_STATUS,
                  answer->lsn << LSN_SHIFT | (uint64_t)answer->kind << KIND_SHIFT | answer->status);
    bytes_put_u64(bytes + OFFSET_TIME, answer->time_ns);
    bytes_put_u64(bytes + OFFSET_EXPECTED, answer->expected_version);
    bytes_put_i64(bytes + OFFSET_AMOUNT, answer->amount_minor);
    bytes_put_i64(bytes + OFFSET_BALANCE, answer->balance_minor);
    bytes_put_u64(bytes + OFFSET_VERSION, answer->version);
}

bool key_answer_decode(const uint8_t bytes[KEY_ANSWER_BYTES], struct key_answer *answer)
{
    uint64_t lsn_kind_status = bytes_get_u64(bytes + OFFSET_LSN_KIND_STATUS);
    const struct key_answer decoded = {
        .digest = {.low = bytes_get_u64(bytes + OFFSET_DIGEST_LOW),
                   .high = bytes_get_u64(bytes + OFFSET_DIGEST_HIGH)},
        .lsn = lsn_kind_status >> LSN_SHIFT,
        .kind = (uint8_t)(lsn_kind_status >> KIND_SHIFT),
        .status = (uint8_t)lsn_kind_status,
        .time_ns = bytes_get_u64(bytes + OFFSET_TIME),
        .expected_version = bytes_get_u64(bytes + OFFSET_EXPECTED),
        .amount_minor = bytes_get_i64(bytes + OFFSET_AMOUNT),
        .balance_minor = bytes_get_i64(bytes + OFFSET_BALANCE),
        .version = bytes_get_u64(bytes + OFFSET_VERSION),
    };
    if (!answer_is_valid(&decoded))
        return false;
    *answer = decoded;
    return true;
}

static int compare_u64(uint64_t left, uint64_t right)
{
    return (left > right) - (left < right);
}

int key_answer_compare(const struct key_answer *left, const struct key_answer *right)
{
    int order = compare_u64(left->digest.high, right->digest.high);
    if (order == 0)
        order = compare_u64(left->digest.low, right->digest.low);
    if (order == 0)
        order = compare_u64(left->lsn, right->lsn);
    return order;
}

uint64_t key_state_digest(uint32_t tag, uint16_t check, uint64_t lsn)
{
    uint8_t bytes[STATE_DIGEST_BYTES] = {0};

    bytes_put_u64(bytes, lsn);
    bytes_put_u32(bytes + 8, tag);
    bytes_put_u16(bytes + 12, check);
    return hash_bytes(bytes, sizeof(bytes), STATE_DIGEST_SEED);
}
