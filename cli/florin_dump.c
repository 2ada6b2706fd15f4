/* florin_dump.c - prints the records of a log, for people and for jq.
 *
 * Guarantees: JSON has a line for each record and nothing else on stdout; amounts are exact. It
 * must not know the format of files.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
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
    AMOUNT_BYTES = MONEY_TEXT_BYTES + 8,
    KEY_BYTES = 4 * FLORIN_KEY_MAX + 1,
    /* key and metadata at their worst, escaped, and the rest */
    LINE_BYTES = 16 * 1024,
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
    default:
        return "unknown";
    }
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

/* Minor units, marked, when the currency is not known. */
static void format_amount(int64_t minor, const struct currency *currency, char text[AMOUNT_BYTES])
{
    if (currency != NULL)
        (void)money_format(minor, currency->exponent, text);
    else
        snprintf(text, AMOUNT_BYTES, "%" PRId64 "m", minor);
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

static bool print_line(void *context, const struct dump_entry *entry)
{
    const struct record *record = entry->record;
    char time[TIME_BYTES];
    char amount[AMOUNT_BYTES];
    char balance[AMOUNT_BYTES];
    char expected[24] = "-";
    char key[KEY_BYTES];
    (void)context;
    format_time(record->time_ns, time);
    format_amount(record->amount_minor, entry->currency, amount);
    format_amount(record->balance_minor, entry->currency, balance);
    format_key(record, key);
    if (record->has_expected_version)
        snprintf(expected, sizeof(expected), "%" PRIu64, record->expected_version);
    return printf("%10" PRIu64 "  %-30s  %-8s  %-20s  %-24.*s  %16s  %16s  %-4s  %8" PRIu64
                  "  %10" PRIu64 "  %8s  %s\n",
                  entry->lsn, time, kind_name(record->kind),
                  florin_status_code((enum florin_status)record->status), (int)record->id_length,
                  record->id, amount, balance,
                  entry->currency == NULL ? "?" : entry->currency->code, record->version,
                  record->previous_lsn, expected, key) >= 0;
}

/* --- for programs ---------------------------------------------------------------------------- */

static void write_signed(struct json_text *text, const char *name, int64_t value)
{
    char number[24];
    int length = snprintf(number, sizeof(number), "%" PRId64, value);
    json_text_member(text, name);
    json_text_raw(text, number, (size_t)length);
}

/* The decimal when the currency is known, minor units always. */
static void write_amount(struct json_text *text, const char *name, const char *minor_name,
                         int64_t minor, const struct currency *currency)
{
    if (currency != NULL) {
        json_text_member(text, name);
        json_text_money(text, minor, currency->exponent, true);
    }
    write_signed(text, minor_name, minor);
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

static void write_opening(struct json_text *text, const struct dump_entry *entry)
{
    const struct record *record = entry->record;
    struct json_fault fault;
    write_amount(text, "minimumBalance", "minimumBalanceMinor", record->minimum_balance_minor,
                 entry->currency);
    if (record->metadata_length == 0)
        return;
    if (!json_check(record->metadata, record->metadata_length, &fault)) {
        write_hex(text, "metadataHex", record->metadata, record->metadata_length);
        return;
    }
    json_text_member(text, "metadata");
    json_text_raw(text, record->metadata, record->metadata_length);
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
    write_amount(&text, "amount", "amountMinor", record->amount_minor, entry->currency);
    write_amount(&text, "balance", "balanceMinor", record->balance_minor, entry->currency);
    if (entry->currency != NULL)
        json_text_member_string(&text, "currency", entry->currency->code);
    json_text_member_unsigned(&text, "version", record->version);
    json_text_member_unsigned(&text, "previous", record->previous_lsn);
    if (record->has_expected_version)
        json_text_member_unsigned(&text, "expectedVersion", record->expected_version);
    if (record->has_expected_version && record->expected_by_precondition) {
        json_text_member(&text, "precondition");
        json_text_raw(&text, "true", 4);
    }
    if (record->key_length > 0)
        write_key(&text, record);
    if (record->kind == FLORIN_OPEN_ACCOUNT)
        write_opening(&text, entry);
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
