/* record_legs.c - the part of a record that tells of several legs or of a hold; record.h has the
 * layout.
 *
 * Guarantees: record_legs_decode() and record_legs_are_valid() accept together exactly the bytes
 * that record_legs_encode() can write.
 * Must not know: the accounts before or after.
 *
 * The posting part is valid when
 *
 *  1. applied: the directions and the number of legs are those of the kind,
 *
 *         kind       own leg   legs behind   target
 *         transfer   debit     1, a credit   0
 *         posting    any       1 to 63       0
 *         batch      any       0 to 63       0
 *         reverse    any       0 to 63       the transaction
 *         capture    debit     0 or 1 credit the hold
 *         hold       none      0             0
 *         void       none      0             the hold
 *         expire     none      0             the hold
 *
 *     and the amount is > 0; a hold is part of what is held; a reversal has a number >= 1 and an
 *     amount of the target's first leg that is reversed by now; else detail and detail_minor are 0;
 *  2. refused: there is a key, no direction and no leg, the status is one that a key remembers, and
 *     refused_leg is one that a posting can have. The amount is as asked: a capture, reversal or
 *     void may have asked for all there is, with 0;
 *  3. expire: applied, no key, no request;
 *  4. each leg has a valid id, a direction, an amount > 0 (of a reversal >= 0: a part may be
 * nothing for a small leg), a version, and money in range;
 *  5. what is held is >= 0, and taking it from the balance stays in range.
 */
#include "record_internal.h"

#include <assert.h>
#include <string.h>

#include "bytes.h"
#include "florin.h"
#include "money.h"

enum {
    /* from the start of the posting part */
    OFFSET_REQUEST = 0,
    OFFSET_TARGET = 8,
    OFFSET_HELD = 16,
    OFFSET_DETAIL = 24,
    OFFSET_DETAIL_MINOR = 32,
    OFFSET_DIRECTION = 40,
    OFFSET_LEG_COUNT = 41,
    OFFSET_REFUSED_LEG = 42,
    OFFSET_RESERVED = 43,
    RESERVED_BYTES = 5,

    /* from the start of a leg */
    LEG_OFFSET_ID_LENGTH = 0,
    LEG_OFFSET_DIRECTION = 1,
    LEG_OFFSET_EXPONENT = 2,
    LEG_OFFSET_RESERVED = 3,
    LEG_RESERVED_BYTES = 5,
    LEG_OFFSET_VERSION = 8,
    LEG_OFFSET_BALANCE = 16,
    LEG_OFFSET_AMOUNT = 24,
    LEG_OFFSET_PREVIOUS = 32,

    /* Of one record: the first stands in the fixed part. */
    LEGS_BEHIND_MAX = FLORIN_LEGS_MAX - 1,
};
_Static_assert((int)OFFSET_RESERVED + (int)RESERVED_BYTES == (int)RECORD_POSTING_BYTES,
               "the posting part adds up");
_Static_assert((int)LEG_OFFSET_RESERVED + (int)LEG_RESERVED_BYTES == (int)LEG_OFFSET_VERSION,
               "the head of a leg adds up");
_Static_assert((int)LEG_OFFSET_PREVIOUS + 8 == (int)RECORD_LEG_BYTES, "a leg adds up");

bool record_kind_has_legs(uint8_t kind)
{
    switch (kind) {
    case FLORIN_TRANSFER:
    case FLORIN_POSTING:
    case FLORIN_HOLD:
    case FLORIN_CAPTURE:
    case FLORIN_VOID:
    case FLORIN_EXPIRE:
    case FLORIN_REVERSE:
    case FLORIN_BATCH:
        return true;
    default:
        return false;
    }
}

bool record_status_is_remembered(uint8_t status)
{
    enum { FIRST = 34, LAST = 59 };
    static const uint8_t STATUSES[] = {
#define X(name, number, code, outcome, message) (number),
        FLORIN_STATUS_LIST(X)
#undef X
    };
    if (status < FIRST || status > LAST)
        return false;
    for (size_t i = 0; i < sizeof(STATUSES); i++) {
        if (STATUSES[i] == status)
            return true;
    }
    return false;
}

/* --- legs -------------------------------------------------------------------------------- */

static size_t leg_size(const struct record_leg *leg)
{
    return record_padded((size_t)RECORD_LEG_BYTES + leg->id_length);
}

/* A part of a reversal may be nothing for a small leg. */
static bool leg_is_valid(const struct record_leg *leg, uint8_t kind)
{
    return (leg->direction == FLORIN_CREDIT || leg->direction == FLORIN_DEBIT) &&
           leg->exponent <= FLORIN_EXPONENT_MAX && leg->version > 0 &&
           leg->balance_minor >= MONEY_MIN &&
           leg->amount_minor >= (kind == FLORIN_REVERSE ? 0 : 1) &&
           florin_account_id_is_valid(leg->id, leg->id_length);
}

static uint8_t *leg_encode(const struct record_leg *leg, uint8_t *bytes)
{
    size_t size = leg_size(leg);

    memset(bytes, 0, size);
    bytes[LEG_OFFSET_ID_LENGTH] = leg->id_length;
    bytes[LEG_OFFSET_DIRECTION] = leg->direction;
    bytes[LEG_OFFSET_EXPONENT] = leg->exponent;
    bytes_put_u64(bytes + LEG_OFFSET_VERSION, leg->version);
    bytes_put_i64(bytes + LEG_OFFSET_BALANCE, leg->balance_minor);
    bytes_put_i64(bytes + LEG_OFFSET_AMOUNT, leg->amount_minor);
    bytes_put_u64(bytes + LEG_OFFSET_PREVIOUS, leg->previous_lsn);
    memcpy(bytes + RECORD_LEG_BYTES, leg->id, leg->id_length);
    return bytes + size;
}

const uint8_t *record_next_leg(const uint8_t *at, struct record_leg *leg)
{
    *leg = (struct record_leg){
        .id = (const char *)at + RECORD_LEG_BYTES,
        .id_length = at[LEG_OFFSET_ID_LENGTH],
        .direction = at[LEG_OFFSET_DIRECTION],
        .exponent = at[LEG_OFFSET_EXPONENT],
        .version = bytes_get_u64(at + LEG_OFFSET_VERSION),
        .balance_minor = bytes_get_i64(at + LEG_OFFSET_BALANCE),
        .amount_minor = bytes_get_i64(at + LEG_OFFSET_AMOUNT),
        .previous_lsn = bytes_get_u64(at + LEG_OFFSET_PREVIOUS),
    };
    return at + leg_size(leg);
}

/* Leg number `number`, of a record to encode or of a decoded one, whose legs `*at` walks over. */
static struct record_leg take_leg(const struct record *record, uint8_t number, const uint8_t **at)
{
    struct record_leg leg;
    if (record->legs != NULL)
        return record->legs[number];
    *at = record_next_leg(*at, &leg);
    return leg;
}

bool record_touches(const struct record *record, const char *id, size_t id_length)
{
    const uint8_t *at = record->leg_bytes;

    if (record->status != FLORIN_APPLIED)
        return false;
    if (record->id_length == id_length && memcmp(record->id, id, id_length) == 0)
        return true;
    for (uint8_t i = 0; i < record->leg_count; i++) {
        struct record_leg leg = take_leg(record, i, &at);
        if (leg.id_length == id_length && memcmp(leg.id, id, id_length) == 0)
            return true;
    }
    return false;
}

/* --- validity ---------------------------------------------------------------------------- */

static bool needs_target(uint8_t kind)
{
    return kind == FLORIN_CAPTURE || kind == FLORIN_VOID || kind == FLORIN_EXPIRE ||
           kind == FLORIN_REVERSE;
}

static bool moves_money(uint8_t kind)
{
    return kind != FLORIN_HOLD && kind != FLORIN_VOID && kind != FLORIN_EXPIRE;
}

/* Whether an applied record of this kind may have so many legs behind the first. */
static bool leg_count_is_valid(uint8_t kind, uint8_t leg_count)
{
    switch (kind) {
    case FLORIN_TRANSFER:
        return leg_count == 1;
    case FLORIN_CAPTURE:
        return leg_count <= 1;
    case FLORIN_POSTING:
        return leg_count >= 1 && leg_count <= LEGS_BEHIND_MAX;
    case FLORIN_BATCH:
    case FLORIN_REVERSE:
        return leg_count <= LEGS_BEHIND_MAX;
    default:
        return leg_count == 0;
    }
}

static bool directions_are_valid(const struct record *record)
{
    bool out_of_first = record->kind == FLORIN_TRANSFER || record->kind == FLORIN_CAPTURE;
    const uint8_t *at = record->leg_bytes;

    if (!moves_money(record->kind))
        return record->direction == 0;
    if (record->direction != FLORIN_DEBIT && (out_of_first || record->direction != FLORIN_CREDIT))
        return false;
    for (uint8_t i = 0; i < record->leg_count; i++) {
        struct record_leg leg = take_leg(record, i, &at);
        if (!leg_is_valid(&leg, record->kind) || (out_of_first && leg.direction != FLORIN_CREDIT))
            return false;
    }
    return true;
}

static bool details_are_valid(const struct record *record)
{
    switch (record->kind) {
    case FLORIN_HOLD:
        return record->detail_minor == 0 && record->held_minor >= record->amount_minor;
    case FLORIN_REVERSE:
        return record->detail >= 1 && record->detail_minor > 0;
    default:
        return record->detail == 0 && record->detail_minor == 0;
    }
}

static bool applied_is_valid(const struct record *record)
{
    return record->amount_minor > 0 && record->refused_leg == 0 &&
           leg_count_is_valid(record->kind, record->leg_count) && directions_are_valid(record) &&
           (record->target_lsn != 0) == needs_target(record->kind) && details_are_valid(record);
}

static bool refusal_is_valid(const struct record *record)
{
    bool may_ask_for_all = record->kind == FLORIN_CAPTURE || record->kind == FLORIN_REVERSE ||
                           record->kind == FLORIN_VOID;

    return record_status_is_remembered(record->status) && record->key_length > 0 &&
           record->amount_minor >= (may_ask_for_all ? 0 : 1) && record->direction == 0 &&
           record->leg_count == 0 && record->refused_leg < FLORIN_LEGS_MAX &&
           record->detail_minor >= MONEY_MIN &&
           (record->target_lsn == 0 || needs_target(record->kind));
}

bool record_legs_are_valid(const struct record *record)
{
    int64_t available_minor;

    if (record->held_minor < 0 ||
        !money_subtract(record->balance_minor, record->held_minor, &available_minor) ||
        record->target_lsn > RECORD_LSN_MAX)
        return false;
    if (record->kind == FLORIN_EXPIRE &&
        (record->status != FLORIN_APPLIED || record->key_length > 0 || record->request != 0))
        return false;
    return record->status == FLORIN_APPLIED ? applied_is_valid(record) : refusal_is_valid(record);
}

/* --- bytes ------------------------------------------------------------------------------- */

size_t record_legs_size(const struct record *record)
{
    size_t size = RECORD_POSTING_BYTES;
    const uint8_t *at = record->leg_bytes;

    for (uint8_t i = 0; i < record->leg_count; i++) {
        struct record_leg leg = take_leg(record, i, &at);
        size += leg_size(&leg);
    }
    return size;
}

uint8_t *record_legs_encode(const struct record *record, uint8_t *bytes)
{
    const uint8_t *at = record->leg_bytes;

    bytes_put_u64(bytes + OFFSET_REQUEST, record->request);
    bytes_put_u64(bytes + OFFSET_TARGET, record->target_lsn);
    bytes_put_i64(bytes + OFFSET_HELD, record->held_minor);
    bytes_put_u64(bytes + OFFSET_DETAIL, record->detail);
    bytes_put_i64(bytes + OFFSET_DETAIL_MINOR, record->detail_minor);
    bytes[OFFSET_DIRECTION] = record->direction;
    bytes[OFFSET_LEG_COUNT] = record->leg_count;
    bytes[OFFSET_REFUSED_LEG] = record->refused_leg;
    memset(bytes + OFFSET_RESERVED, 0, RESERVED_BYTES);

    uint8_t *next = bytes + RECORD_POSTING_BYTES;
    for (uint8_t i = 0; i < record->leg_count; i++) {
        struct record_leg leg = take_leg(record, i, &at);
        next = leg_encode(&leg, next);
    }
    return next;
}

/* The byte behind a leg, NULL: it does not end before `end`, or a byte that means nothing is set.
 */
static const uint8_t *skip_leg(const uint8_t *at, const uint8_t *end)
{
    struct record_leg leg;

    if (end - at < RECORD_LEG_BYTES)
        return NULL;
    size_t left = (size_t)(end - at);
    size_t size = record_padded((size_t)RECORD_LEG_BYTES + at[LEG_OFFSET_ID_LENGTH]);
    if (size > left || !bytes_are_zero(at + LEG_OFFSET_RESERVED, LEG_RESERVED_BYTES))
        return NULL;
    const uint8_t *next = record_next_leg(at, &leg);
    const uint8_t *padding = at + RECORD_LEG_BYTES + leg.id_length;
    return bytes_are_zero(padding, (size_t)(next - padding)) ? next : NULL;
}

const uint8_t *record_legs_decode(const uint8_t *bytes, const uint8_t *end, struct record *record)
{
    if (end - bytes < RECORD_POSTING_BYTES ||
        !bytes_are_zero(bytes + OFFSET_RESERVED, RESERVED_BYTES))
        return NULL;
    record->request = bytes_get_u64(bytes + OFFSET_REQUEST);
    record->target_lsn = bytes_get_u64(bytes + OFFSET_TARGET);
    record->held_minor = bytes_get_i64(bytes + OFFSET_HELD);
    record->detail = bytes_get_u64(bytes + OFFSET_DETAIL);
    record->detail_minor = bytes_get_i64(bytes + OFFSET_DETAIL_MINOR);
    record->direction = bytes[OFFSET_DIRECTION];
    record->leg_count = bytes[OFFSET_LEG_COUNT];
    record->refused_leg = bytes[OFFSET_REFUSED_LEG];
    record->leg_bytes = bytes + RECORD_POSTING_BYTES;

    const uint8_t *next = record->leg_bytes;
    for (uint8_t i = 0; i < record->leg_count && next != NULL; i++)
        next = skip_leg(next, end);
    return next;
}

void record_legs_seal(uint8_t *bytes, uint64_t first_lsn)
{
    uint8_t *at = bytes + RECORD_POSTING_BYTES;

    for (uint8_t i = 0; i < bytes[OFFSET_LEG_COUNT]; i++) {
        uint64_t previous = bytes_get_u64(at + LEG_OFFSET_PREVIOUS);
        bytes_put_u64(at + LEG_OFFSET_PREVIOUS, record_final_lsn(previous, first_lsn));
        at += record_padded((size_t)RECORD_LEG_BYTES + at[LEG_OFFSET_ID_LENGTH]);
    }
}
