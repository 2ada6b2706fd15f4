/* record_support.h - what the tests of records share: bytes against records, and damage. */
#ifndef TESTS_CORE_RECORD_SUPPORT_H
#define TESTS_CORE_RECORD_SUPPORT_H

#include "example_bytes.h"
#include "support.h"

#include "engine/core/record.h"
#include "florin.h"

static inline void assert_text_equal(const char *a, size_t a_length, const char *b, size_t b_length)
{
    assert_int_equal(a_length, b_length);
    if (a_length > 0)
        assert_memory_equal(a, b, a_length);
}

static inline void assert_record_equal(const struct record *a, const struct record *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->has_expected_version, b->has_expected_version);
    assert_int_equal(a->expected_by_precondition, b->expected_by_precondition);
    assert_int_equal(a->has_expected_balance, b->has_expected_balance);
    assert_int_equal(a->as_admin, b->as_admin);
    assert_int_equal(a->time_ns, b->time_ns);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->balance_minor, b->balance_minor);
    assert_int_equal(a->amount_minor, b->amount_minor);
    assert_int_equal(a->previous_lsn, b->previous_lsn);
    assert_int_equal(a->expected_version, b->expected_version);
    assert_int_equal(a->expected_balance_minor, b->expected_balance_minor);
    assert_int_equal(a->account_status, b->account_status);
    assert_int_equal(a->minimum_balance_minor, b->minimum_balance_minor);
    assert_memory_equal(a->currency, b->currency, sizeof(a->currency));
    assert_int_equal(a->exponent, b->exponent);
    assert_text_equal(a->id, a->id_length, b->id, b->id_length);
    assert_text_equal(a->key, a->key_length, b->key, b->key_length);
    assert_text_equal(a->metadata, a->metadata_length, b->metadata, b->metadata_length);
    assert_int_equal(a->request, b->request);
    assert_int_equal(a->target_lsn, b->target_lsn);
    assert_int_equal(a->held_minor, b->held_minor);
    assert_int_equal(a->detail, b->detail);
    assert_int_equal(a->detail_minor, b->detail_minor);
    assert_int_equal(a->direction, b->direction);
    assert_int_equal(a->refused_leg, b->refused_leg);
    assert_int_equal(a->leg_count, b->leg_count);
}

static inline void assert_leg_equal(const struct record_leg *a, const struct record_leg *b)
{
    assert_text_equal(a->id, a->id_length, b->id, b->id_length);
    assert_int_equal(a->direction, b->direction);
    assert_int_equal(a->exponent, b->exponent);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->balance_minor, b->balance_minor);
    assert_int_equal(a->amount_minor, b->amount_minor);
    assert_int_equal(a->previous_lsn, b->previous_lsn);
}

/* `built` has legs to encode, `decoded` has them as bytes. */
static inline void assert_legs_equal(const struct record *built, const struct record *decoded)
{
    const uint8_t *at = decoded->leg_bytes;
    assert_null(decoded->legs);
    assert_true((at != NULL) == record_kind_has_legs(decoded->kind));
    for (uint8_t i = 0; i < built->leg_count; i++) {
        struct record_leg leg;
        at = record_next_leg(at, &leg);
        assert_leg_equal(&built->legs[i], &leg);
    }
}

static inline void check_golden(const struct record *record, const uint8_t *golden, size_t size)
{
    uint8_t bytes[FLORIN_RECORD_MAX];
    struct record decoded;
    memset(bytes, 0xaa, sizeof(bytes));
    assert_int_equal(record_size(record), size);
    assert_int_equal(record_encode(record, bytes), size);
    assert_memory_equal(bytes, golden, size);
    assert_int_equal(bytes[size], 0xaa);
    assert_int_equal(record_decode(golden, size, &decoded), size);
    assert_record_equal(record, &decoded);
    assert_legs_equal(record, &decoded);
}

/* In memory of exactly that length, so that a sanitizer sees a read beyond it. */
static inline size_t decode_exact(const uint8_t *bytes, size_t length, struct record *record,
                                  uint8_t **copy)
{
    *copy = malloc(length == 0 ? 1 : length);
    assert_non_null(*copy);
    memcpy(*copy, bytes, length);
    return record_decode(*copy, length, record);
}

/* What decodes is a record: it encodes to the very bytes that it came from. */
static inline void check_damaged(const uint8_t *bytes, size_t size)
{
    struct record record;
    uint8_t again[FLORIN_RECORD_MAX];
    uint8_t *copy;
    size_t decoded = decode_exact(bytes, size, &record, &copy);
    if (decoded != 0) {
        assert_true(decoded <= size);
        assert_int_equal(record_encode(&record, again), decoded);
        assert_memory_equal(again, copy, decoded);
    }
    free(copy);
}

static inline void check_truncations_and_flips(const uint8_t *golden, size_t size)
{
    uint8_t bytes[512];
    struct record record;
    assert_true(size <= sizeof(bytes));
    for (size_t length = 0; length < size; length++) {
        uint8_t *copy;
        assert_int_equal(decode_exact(golden, length, &record, &copy), 0);
        free(copy);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {
        memcpy(bytes, golden, size);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        check_damaged(bytes, size);
        for (size_t other = 0; other < RECORD_FIXED_BYTES * 8; other++) {
            bytes[other / 8] ^= (uint8_t)(1u << other % 8);
            check_damaged(bytes, size);
            bytes[other / 8] ^= (uint8_t)(1u << other % 8);
        }
    }
}

struct bad_byte {
    const char *what;
    const uint8_t *golden;
    size_t size;
    size_t offset;
    uint8_t value;
};

/* Each case changes one byte of a valid record, which makes it another one or none: none. */
static inline void check_bad_bytes(const struct bad_byte *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[512];
        struct record record;
        assert_true(cases[i].size <= sizeof(bytes));
        memcpy(bytes, cases[i].golden, cases[i].size);
        print_message("%s\n", cases[i].what);
        assert_true(bytes[cases[i].offset] != cases[i].value);
        bytes[cases[i].offset] = cases[i].value;
        assert_int_equal(record_decode(bytes, cases[i].size, &record), 0);
    }
}

#endif
