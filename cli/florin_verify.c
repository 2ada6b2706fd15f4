/* florin_verify.c - prints what a log holds and whether it is sound.
 *
 * It must not know the format of files: engine/runtime/verify.h reads them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/runtime/verify.h"
#include "florin_commands.h"
#include "http/amount.h"
#include "http/json_text.h"

static const char *end_words(enum log_end end)
{
    switch (end) {
    case LOG_END_NEW:
        return "empty";
    case LOG_END_CLEAN:
        return "ends with a clean-shutdown mark";
    case LOG_END_CRASH:
        return "ends as after a crash, with a whole frame";
    case LOG_END_TORN:
        return "ends with a torn frame that was never acknowledged; the next start cuts it off";
    case LOG_END_AMBIGUOUS:
        return "the last frame is wrong and may have been acknowledged";
    case LOG_END_DAMAGED:
        return "damaged";
    }
    return "unknown";
}

static void print_balances(const struct verify_report *report)
{
    for (size_t i = 0; i < report->currency_count; i++) {
        const struct verify_currency *currency = &report->currencies[i];
        char text[MONEY_TEXT_BYTES];
        (void)money_format(currency->balance_minor, currency->exponent, text);
        printf("  balance   %s %s (%" PRIu64 " accounts)\n",
               currency->balance_overflows ? "(beyond 64 bits)" : text, currency->code,
               currency->accounts);
    }
}

static void print_damage(const char *directory, const struct verify_report *report)
{
    if (report->record_fault != NULL)
        printf("DAMAGED: record at LSN %" PRIu64 ": %s\n", report->record_lsn,
               report->record_fault);
    else
        printf("DAMAGED: %s/%s at offset %" PRIu64 ", LSN %" PRIu64 ": %s\n", directory,
               report->log.file, report->log.offset, report->log.lsn, report->log.reason);
}

static void print_report(const char *directory, const struct verify_report *report, bool sound)
{
    const struct log_report *log = &report->log;
    printf("%s\n", directory);
    printf("  log       %" PRIu64 " segments, %" PRIu64 " frames, %" PRIu64 " records, %" PRIu64
           " bytes, last LSN %" PRIu64 "\n",
           log->segments, log->frames, log->records, log->bytes, log->last_lsn);
    printf("  end       %s\n", end_words(log->end));
    printf("  accounts  %" PRIu64 "\n  keys      %" PRIu64 "\n", report->accounts, report->keys);
    print_balances(report);
    if (sound)
        printf("sound\n");
    else
        print_damage(directory, report);
}

static void write_balances(struct json_text *text, const struct verify_report *report)
{
    json_text_member(text, "balances");
    json_text_raw(text, "{", 1);
    for (size_t i = 0; i < report->currency_count; i++) {
        const struct verify_currency *currency = &report->currencies[i];
        json_text_member(text, currency->code);
        if (currency->balance_overflows)
            json_text_raw(text, "null", 4);
        else
            json_text_money(text, currency->balance_minor, currency->exponent, true);
    }
    json_text_raw(text, "}", 1);
}

static void write_damage(struct json_text *text, const struct verify_report *report)
{
    json_text_member(text, "damage");
    json_text_raw(text, "{", 1);
    if (report->record_fault != NULL) {
        json_text_member_unsigned(text, "lsn", report->record_lsn);
        json_text_member_string(text, "reason", report->record_fault);
    } else {
        json_text_member_string(text, "file", report->log.file);
        json_text_member_unsigned(text, "offset", report->log.offset);
        json_text_member_unsigned(text, "lsn", report->log.lsn);
        json_text_member_string(text, "reason", report->log.reason);
    }
    json_text_raw(text, "}", 1);
}

static void print_json(const struct verify_report *report, bool sound)
{
    /* 255 currencies of 50 bytes, and the rest. */
    char bytes[16 * 1024];
    struct json_text text;
    const struct log_report *log = &report->log;
    json_text_init(&text, bytes, sizeof(bytes));
    json_text_raw(&text, "{", 1);
    json_text_member(&text, "sound");
    json_text_raw(&text, sound ? "true" : "false", sound ? 4 : 5);
    json_text_member_string(&text, "end", log_end_name(log->end));
    json_text_member_unsigned(&text, "segments", log->segments);
    json_text_member_unsigned(&text, "frames", log->frames);
    json_text_member_unsigned(&text, "records", log->records);
    json_text_member_unsigned(&text, "bytes", log->bytes);
    json_text_member_unsigned(&text, "lastLsn", log->last_lsn);
    json_text_member_unsigned(&text, "accounts", report->accounts);
    json_text_member_unsigned(&text, "keys", report->keys);
    write_balances(&text, report);
    if (!sound)
        write_damage(&text, report);
    json_text_raw(&text, "}", 1);
    printf("%.*s\n", (int)text.length, bytes);
}

enum exit_code florin_verify(const struct florin_call *call)
{
    struct verify_report report;
    int error = verify_directory(call->directory, &report);
    if (error != 0 && error != -EBADMSG) {
        fprintf(stderr, "florin: %s: %s\n", call->directory,
                error == -ENOENT ? "there is no ledger" : strerror(-error));
        return error == -EACCES || error == -EPERM ? EXIT_NO_PERMISSION : EXIT_IO;
    }
    if (call->json)
        print_json(&report, error == 0);
    else
        print_report(call->directory, &report, error == 0);
    return error == 0 ? EXIT_OK : EXIT_DAMAGED;
}
