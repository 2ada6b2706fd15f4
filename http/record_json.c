/* record_json.c - records of the log as JSON.
 *
 * Guarantees: see the header. It must not know where records come from, nor who asked.
 */
#include "record_json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "florin.h"
#include "json_check.h"

enum { DIRECTION_NONE = 0 };

static const char *type_of(const struct record *record)
{
    switch ((enum florin_command_kind)record->kind) {
    case FLORIN_DEPOSIT:
        return "Deposit";
    case FLORIN_WITHDRAW:
        return "Withdraw";
    case FLORIN_OPEN_ACCOUNT:
        return "Open";
    case FLORIN_CHANGE_ACCOUNT:
        return "Change";
    case FLORIN_TRANSFER:
        return "Transfer";
    case FLORIN_POSTING:
        return "Posting";
    case FLORIN_HOLD:
        return "Hold";
    case FLORIN_CAPTURE:
        return "Capture";
    case FLORIN_VOID:
        return "Void";
    case FLORIN_EXPIRE:
        return "Expire";
    case FLORIN_REVERSE:
        return "Reversal";
    case FLORIN_BATCH:
        return "Batch";
    case FLORIN_READ_ACCOUNT:
    case FLORIN_READ_REVERSAL:
        break;
    }
    abort(); /* not logged */
}

/* Which way money moved on the record's own account. */
static uint8_t own_direction(const struct record *record)
{
    if (record_kind_has_legs(record->kind))
        return record->direction;
    if (record->kind == FLORIN_WITHDRAW)
        return FLORIN_DEBIT;
    if (record->kind == FLORIN_DEPOSIT ||
        (record->kind == FLORIN_OPEN_ACCOUNT && record->amount_minor > 0))
        return FLORIN_CREDIT;
    return DIRECTION_NONE;
}

static void member_money(struct json_text *text, const char *name, int64_t minor, uint8_t exponent,
                         const struct answer_style *style)
{
    json_text_member(text, name);
    json_text_money(text, minor, exponent, style->money_as_string);
}

static void member_transaction(struct json_text *text, const char *name, uint64_t lsn)
{
    char id[32];
    snprintf(id, sizeof(id), "txn%" PRIu64, lsn);
    json_text_member_string(text, name, id);
}

static void member_time(struct json_text *text, const char *name, uint64_t time_ns)
{
    json_text_member(text, name);
    json_text_time(text, time_ns);
}

/* A string of any bytes: those of UTF-8 as they are, others as Latin-1. */
static void write_bytes(struct json_text *text, const char *bytes, size_t length)
{
    struct json_fault fault;
    size_t start = text->length;
    json_text_string(text, bytes, length);
    if (text->truncated || json_check(text->bytes + start, text->length - start, &fault))
        return;
    text->length = start;
    json_text_raw(text, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        char escape[8];
        int count = snprintf(escape, sizeof(escape), "\\u%04x", (unsigned char)bytes[i]);
        json_text_raw(text, escape, (size_t)count);
    }
    json_text_raw(text, "\"", 1);
}

/* On one line: a control character in JSON is white space. Metadata that is no JSON (an embedded
 * ledger keeps any bytes) is shown as a string. */
static void write_metadata(struct json_text *text, const struct record *record)
{
    char line[FLORIN_METADATA_MAX];
    struct json_fault fault;
    size_t length = record->metadata_length;
    if (length == 0) {
        json_text_raw(text, "{}", 2);
        return;
    }
    if (!json_check(record->metadata, length, &fault)) {
        write_bytes(text, record->metadata, length);
        return;
    }
    assert(length <= sizeof(line));
    memcpy(line, record->metadata, length);
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)line[i] < 0x20)
            line[i] = ' ';
    }
    json_text_raw(text, line, length);
}

static void write_leg(struct json_text *text, const struct record_leg *leg,
                      const struct answer_style *style)
{
    static const char *const directions[] = {
        [DIRECTION_NONE] = "none", [FLORIN_CREDIT] = "credit", [FLORIN_DEBIT] = "debit"};
    assert(leg->direction <= FLORIN_DEBIT);
    json_text_raw(text, "{", 1);
    json_text_member(text, "account");
    json_text_string(text, leg->id, leg->id_length);
    json_text_member_string(text, "direction", directions[leg->direction]);
    member_money(text, "amount", leg->amount_minor, leg->exponent, style);
    member_money(text, "balance", leg->balance_minor, leg->exponent, style);
    json_text_member_unsigned(text, "version", leg->version);
    json_text_raw(text, "}", 1);
}

static void write_legs(struct json_text *text, const struct record *record,
                       const struct answer_style *style)
{
    struct record_leg leg = {
        .id = record->id,
        .id_length = record->id_length,
        .direction = own_direction(record),
        .exponent = record->exponent,
        .version = record->version,
        .balance_minor = record->balance_minor,
        .amount_minor = record->amount_minor,
    };
    json_text_member(text, "legs");
    json_text_raw(text, "[", 1);
    write_leg(text, &leg, style);
    const uint8_t *at = record->leg_bytes;
    for (uint8_t i = 0; i < record->leg_count; i++) {
        at = record_next_leg(at, &leg);
        json_text_raw(text, ",", 1);
        write_leg(text, &leg, style);
    }
    json_text_raw(text, "]", 1);
}

static void write_hold(struct json_text *text, const struct record *record, uint64_t lsn,
                       const struct answer_style *style)
{
    char id[32 + FLORIN_ACCOUNT_ID_MAX];
    snprintf(id, sizeof(id), "hold%" PRIu64 ":%.*s",
             record->kind == FLORIN_HOLD ? lsn : record->target_lsn, (int)record->id_length,
             record->id);
    member_money(text, "held", record->held_minor, record->exponent, style);
    json_text_member_string(text, "hold", id);
    if (record->kind == FLORIN_HOLD && record->detail != 0)
        member_time(text, "expiresAt", record->detail);
}

static void write_account(struct json_text *text, const struct record *record,
                          const struct answer_style *style)
{
    /* by the number that the log has (enum florin_account_status) */
    static const char *const statuses[] = {"open", "frozen", "closed"};
    assert(record->account_status < sizeof(statuses) / sizeof(statuses[0]));
    json_text_member(text, "currency");
    json_text_string(text, record->currency, strnlen(record->currency, FLORIN_CURRENCY_MAX));
    member_money(text, "minimumBalance", record->minimum_balance_minor, record->exponent, style);
    json_text_member_string(text, "status", statuses[record->account_status]);
    json_text_member(text, "metadata");
    write_metadata(text, record);
}

/* What only some kinds have. */
static void write_particulars(struct json_text *text, const struct record *record, uint64_t lsn,
                              const struct answer_style *style)
{
    switch ((enum florin_command_kind)record->kind) {
    case FLORIN_OPEN_ACCOUNT:
    case FLORIN_CHANGE_ACCOUNT:
        write_account(text, record, style);
        return;
    case FLORIN_HOLD:
    case FLORIN_CAPTURE:
    case FLORIN_VOID:
    case FLORIN_EXPIRE:
        write_hold(text, record, lsn, style);
        return;
    case FLORIN_REVERSE:
        member_transaction(text, "reverses", record->target_lsn);
        return;
    case FLORIN_DEPOSIT:
    case FLORIN_WITHDRAW:
    case FLORIN_TRANSFER:
    case FLORIN_POSTING:
    case FLORIN_BATCH:
        return;
    case FLORIN_READ_ACCOUNT:
    case FLORIN_READ_REVERSAL:
        break;
    }
    abort(); /* not logged */
}

void record_json_members(struct json_text *text, const struct record *record, uint64_t lsn,
                         const struct answer_style *style)
{
    assert(record->status == FLORIN_APPLIED);
    member_transaction(text, "id", lsn);
    json_text_member_string(text, "type", type_of(record));
    member_time(text, "timestamp", record->time_ns);
    if (record->key_length > 0) {
        json_text_member(text, "key");
        write_bytes(text, record->key, record->key_length);
    }
    member_money(text, "amount", record->amount_minor, record->exponent, style);
    write_legs(text, record, style);
    write_particulars(text, record, lsn, style);
}

void record_json_write(struct json_text *text, const struct record *record, uint64_t lsn,
                       const struct answer_style *style)
{
    json_text_raw(text, "{", 1);
    record_json_members(text, record, lsn, style);
    json_text_raw(text, "}", 1);
}
