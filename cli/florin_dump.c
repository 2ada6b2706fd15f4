/* florin_dump.c - prints the records of a log, for people and for jq.
 *
 * Guarantees: JSON has a line for each record and nothing else on stdout; amounts are exact. It
 * must not know the format of files.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/tools/dump.h"
#include "files_error.h"
#include "florin.h"
#include "florin_commands.h"
#include "http/amount.h"
#include "http/json_check.h"
#include "http/json_text.h"

enum {
    TIME_BYTES = 40,
    KEY_BYTES = 4 * FLORIN_KEY_MAX + 1,
    /* key and metadata at their worst, escaped, or FLORIN_LEGS_MAX legs, and the rest */
    LINE_BYTES = 64 * 1024,
    DETAILS_BYTES = 256,
};

static const char *kind_name(uint8_t kind)
{
    switch (kind) {
    case FLORIN_DEPOSIT:
        return "deposit";
    case FLORIN_WITHDRAW:
        return "withdraw";
    case FLORIN_OPEN_ACCOUNT:
        return "open";
    case FLORIN_CHANGE_ACCOUNT:
        return "change";
    case FLORIN_TRANSFER:
        return "transfer";
    case FLORIN_POSTING:
        return "posting";
    case FLORIN_HOLD:
        return "hold";
    case FLORIN_CAPTURE:
        return "capture";
    case FLORIN_VOID:
        return "void";
    case FLORIN_EXPIRE:
        return "expire";
    case FLORIN_REVERSE:
        return "reverse";
    case FLORIN_BATCH:
        return "batch";
    default:
        return "unknown";
    }
}

static const char *direction_name(uint8_t direction)
{
    return direction == FLORIN_CREDIT ? "credit" : "debit";
}

static const char *account_status_name(uint8_t status)
{
    static const char *const NAMES[] = {"open", "frozen", "closed"};
    return NAMES[status];
}

/* 2026-11-22T15:12:48.951000000Z */
static void format_time(uint64_t time_ns, char text[TIME_BYTES])
{
    char second[JSON_TEXT_TIME_BYTES];
    size_t length = json_text_format_time(time_ns, second);
    snprintf(text, TIME_BYTES, "%.*s.%09uZ", (int)length - 1, second,
             (unsigned)(time_ns % UINT64_C(1000000000)));
}

/* --- for people ------------------------------------------------------------------------------ */

static void print_head(void)
{
    printf("%10s  %-30s  %-8s  %-20s  %-24s  %16s  %16s  %-4s  %8s  %10s  %8s  %s\n", "LSN", "TIME",
           "KIND", "STATUS", "ACCOUNT", "AMOUNT", "BALANCE", "CUR", "VERSION", "PREVIOUS",
           "EXPECTED", "KEY");
}

/* Printable characters as they are, others as \xNN. */
static void format_key(const struct record *record, char text[KEY_BYTES])
{
    size_t length = 0;
    for (size_t i = 0; i < record->key_length; i++) {
        unsigned char byte = (unsigned char)record->key[i];
        if (byte > ' ' && byte < 0x7f && byte != '\\')
            text[length++] = (char)byte;
        else
            length += (size_t)snprintf(text + length, 5, "\\x%02x", byte);
    }
    if (length == 0)
        text[length++] = '-';
    text[length] = '\0';
}

/* What only some kinds have, as words behind the line. */
struct details {
    char bytes[DETAILS_BYTES];
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void add_detail(struct details *details,
                                                             const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(details->bytes + details->length,
                           sizeof(details->bytes) - details->length, format, arguments);
    va_end(arguments);
    assert(length >= 0 && (size_t)length < sizeof(details->bytes) - details->length);
    details->length += (size_t)length;
}

static void add_amount(struct details *details, const char *name, int64_t minor, uint8_t exponent)
{
    char amount[MONEY_TEXT_BYTES];
    (void)money_format(minor, exponent, amount);
    add_detail(details, "  %s %s", name, amount);
}

static void add_posting_details(struct details *details, const struct record *record)
{
    char time[TIME_BYTES];
    if (record->direction != 0)
        add_detail(details, "  %s", direction_name(record->direction));
    if (record->held_minor != 0)
        add_amount(details, "held", record->held_minor, record->exponent);
    if (record->target_lsn != 0)
        add_detail(details, "  of %" PRIu64, record->target_lsn);
    if (record->status != FLORIN_APPLIED) {
        add_detail(details, "  leg %u", record->refused_leg);
    } else if (record->kind == FLORIN_HOLD && record->detail != 0) {
        format_time(record->detail, time);
        add_detail(details, "  until %s", time);
    } else if (record->kind == FLORIN_REVERSE) {
        add_detail(details, "  reversal %" PRIu64, record->detail);
        add_amount(details, "reversed", record->detail_minor, record->exponent);
    }
}

static void add_details(struct details *details, const struct record *record)
{
    details->bytes[0] = '\0';
    if (record->has_expected_balance)
        add_amount(details, "at least", record->expected_balance_minor, record->exponent);
    if (record->as_admin)
        add_detail(details, "  admin");
    if (record->kind == FLORIN_CHANGE_ACCOUNT) {
        add_detail(details, "  %s", account_status_name(record->account_status));
        add_amount(details, "minimum", record->minimum_balance_minor, record->exponent);
    }
    if (record_kind_has_legs(record->kind))
        add_posting_details(details, record);
}

/* A leg has the columns that it has a value for. */
static bool print_leg(const struct record_leg *leg)
{
    char amount[MONEY_TEXT_BYTES];
    char balance[MONEY_TEXT_BYTES];
    (void)money_format(leg->amount_minor, leg->exponent, amount);
    (void)money_format(leg->balance_minor, leg->exponent, balance);
    return printf("%10s  %-30s  %-8s  %-20s  %-24.*s  %16s  %16s  %-4s  %8" PRIu64 "  %10" PRIu64
                  "\n",
                  "", "", direction_name(leg->direction), "", (int)leg->id_length, leg->id, amount,
                  balance, "", leg->version, leg->previous_lsn) >= 0;
}

static bool print_legs(const struct record *record)
{
    const uint8_t *at = record->leg_bytes;
    bool written = true;
    for (uint8_t i = 0; i < record->leg_count && written; i++) {
        struct record_leg leg;
        at = record_next_leg(at, &leg);
        written = print_leg(&leg);
    }
    return written;
}

static bool print_line(void *context, const struct dump_entry *entry)
{
    const struct record *record = entry->record;
    char time[TIME_BYTES];
    char amount[MONEY_TEXT_BYTES];
    char balance[MONEY_TEXT_BYTES];
    char expected[24] = "-";
    char key[KEY_BYTES];
    struct details details = {.length = 0};
    (void)context;
    format_time(record->time_ns, time);
    (void)money_format(record->amount_minor, record->exponent, amount);
    (void)money_format(record->balance_minor, record->exponent, balance);
    format_key(record, key);
    add_details(&details, record);
    if (record->has_expected_version)
        snprintf(expected, sizeof(expected), "%" PRIu64, record->expected_version);
    return printf("%10" PRIu64 "  %-30s  %-8s  %-20s  %-24.*s  %16s  %16s  %-4s  %8" PRIu64
                  "  %10" PRIu64 "  %8s  %s%s\n",
                  entry->lsn, time, kind_name(record->kind),
                  florin_status_code((enum florin_status)record->status), (int)record->id_length,
                  record->id, amount, balance,
                  entry->currency == NULL ? "?" : entry->currency->code, record->version,
                  record->previous_lsn, expected, key, details.bytes) >= 0 &&
           print_legs(record);
}

/* --- for programs ---------------------------------------------------------------------------- */

static void write_signed(struct json_text *text, const char *name, int64_t value)
{
    char number[24];
    int length = snprintf(number, sizeof(number), "%" PRId64, value);
    json_text_member(text, name);
    json_text_raw(text, number, (size_t)length);
}

static void write_amount(struct json_text *text, const char *name, const char *minor_name,
                         int64_t minor, uint8_t exponent)
{
    json_text_member(text, name);
    json_text_money(text, minor, exponent, true);
    write_signed(text, minor_name, minor);
}

static void write_true(struct json_text *text, const char *name)
{
    json_text_member(text, name);
    json_text_raw(text, "true", 4);
}

static void write_hex(struct json_text *text, const char *name, const char *bytes, size_t length)
{
    json_text_member(text, name);
    json_text_raw(text, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        char digits[3];
        snprintf(digits, sizeof(digits), "%02x", (unsigned char)bytes[i]);
        json_text_raw(text, digits, 2);
    }
    json_text_raw(text, "\"", 1);
}

/* Embedded programs may choose keys of any bytes: what is not plain ASCII goes out in hex. */
static void write_key(struct json_text *text, const struct record *record)
{
    bool is_plain = true;
    for (size_t i = 0; i < record->key_length; i++)
        is_plain = is_plain && isprint((unsigned char)record->key[i]) && record->key[i] < 0x7f;
    if (!is_plain) {
        write_hex(text, "keyHex", record->key, record->key_length);
        return;
    }
    json_text_member(text, "key");
    json_text_string(text, record->key, record->key_length);
}

/* Of an opening or a change: the account as it is afterwards. */
static void write_account(struct json_text *text, const struct record *record)
{
    struct json_fault fault;
    write_amount(text, "minimumBalance", "minimumBalanceMinor", record->minimum_balance_minor,
                 record->exponent);
    if (record->kind == FLORIN_CHANGE_ACCOUNT)
        json_text_member_string(text, "accountStatus", account_status_name(record->account_status));
    if (record->metadata_length == 0)
        return;
    if (!json_check(record->metadata, record->metadata_length, &fault)) {
        write_hex(text, "metadataHex", record->metadata, record->metadata_length);
        return;
    }
    json_text_member(text, "metadata");
    json_text_raw(text, record->metadata, record->metadata_length);
}

static void write_legs(struct json_text *text, const struct record *record)
{
    const uint8_t *at = record->leg_bytes;
    json_text_member(text, "legs");
    json_text_raw(text, "[", 1);
    for (uint8_t i = 0; i < record->leg_count; i++) {
        struct record_leg leg;
        at = record_next_leg(at, &leg);
        if (i > 0)
            json_text_raw(text, ",", 1);
        json_text_raw(text, "{", 1);
        json_text_member(text, "account");
        json_text_string(text, leg.id, leg.id_length);
        json_text_member_string(text, "direction", direction_name(leg.direction));
        write_amount(text, "amount", "amountMinor", leg.amount_minor, leg.exponent);
        write_amount(text, "balance", "balanceMinor", leg.balance_minor, leg.exponent);
        json_text_member_unsigned(text, "version", leg.version);
        json_text_member_unsigned(text, "previous", leg.previous_lsn);
        json_text_raw(text, "}", 1);
    }
    json_text_raw(text, "]", 1);
}

static void write_posting(struct json_text *text, const struct record *record)
{
    char time[TIME_BYTES];
    char request[24];
    snprintf(request, sizeof(request), "%016" PRIx64, record->request);
    json_text_member_string(text, "request", request);
    if (record->target_lsn != 0)
        json_text_member_unsigned(text, "target", record->target_lsn);
    write_amount(text, "held", "heldMinor", record->held_minor, record->exponent);
    if (record->status != FLORIN_APPLIED) {
        json_text_member_unsigned(text, "refusedLeg", record->refused_leg);
        json_text_member_unsigned(text, "refusedVersion", record->detail);
        write_signed(text, "refusedBalanceMinor", record->detail_minor);
        return;
    }
    if (record->kind == FLORIN_HOLD && record->detail != 0) {
        format_time(record->detail, time);
        json_text_member_string(text, "expires", time);
    }
    if (record->kind == FLORIN_REVERSE) {
        json_text_member_unsigned(text, "reversal", record->detail);
        write_amount(text, "reversed", "reversedMinor", record->detail_minor, record->exponent);
    }
    if (record->direction != 0) {
        json_text_member_string(text, "direction", direction_name(record->direction));
        write_legs(text, record);
    }
}

static bool print_json(void *context, const struct dump_entry *entry)
{
    const struct record *record = entry->record;
    char bytes[LINE_BYTES];
    char time[TIME_BYTES];
    struct json_text text;
    (void)context;
    format_time(record->time_ns, time);
    json_text_init(&text, bytes, sizeof(bytes));
    json_text_raw(&text, "{", 1);
    json_text_member_unsigned(&text, "lsn", entry->lsn);
    json_text_member_string(&text, "time", time);
    json_text_member_string(&text, "kind", kind_name(record->kind));
    json_text_member_string(&text, "status",
                            florin_status_code((enum florin_status)record->status));
    json_text_member(&text, "account");
    json_text_string(&text, record->id, record->id_length);
    write_amount(&text, "amount", "amountMinor", record->amount_minor, record->exponent);
    write_amount(&text, "balance", "balanceMinor", record->balance_minor, record->exponent);
    if (entry->currency != NULL)
        json_text_member_string(&text, "currency", entry->currency->code);
    json_text_member_unsigned(&text, "version", record->version);
    json_text_member_unsigned(&text, "previous", record->previous_lsn);
    if (record->has_expected_version)
        json_text_member_unsigned(&text, "expectedVersion", record->expected_version);
    if (record->has_expected_version && record->expected_by_precondition)
        write_true(&text, "precondition");
    if (record->has_expected_balance)
        write_amount(&text, "expectedBalance", "expectedBalanceMinor",
                     record->expected_balance_minor, record->exponent);
    if (record->as_admin)
        write_true(&text, "admin");
    if (record->key_length > 0)
        write_key(&text, record);
    if (record->kind == FLORIN_OPEN_ACCOUNT || record->kind == FLORIN_CHANGE_ACCOUNT)
        write_account(&text, record);
    if (record_kind_has_legs(record->kind))
        write_posting(&text, record);
    json_text_raw(&text, "}\n", 2);
    return !text.truncated && fwrite(bytes, 1, text.length, stdout) == text.length;
}

enum exit_code florin_dump(const struct florin_call *call)
{
    struct tool_problem problem;
    const struct dump_options options = {
        .from_lsn = call->from_lsn,
        .to_lsn = call->to_lsn,
        .account = call->account,
        .account_length = call->account == NULL ? 0 : strlen(call->account),
    };
    if (!call->json)
        print_head();
    int error = dump_directory(call->directory, &options, call->json ? print_json : print_line,
                               NULL, &problem);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        fprintf(stderr, "florin: the output cannot be written: %s\n", strerror(errno));
        return EXIT_IO;
    }
    return error == 0 ? EXIT_OK : files_error(call->directory, error, &problem);
}
