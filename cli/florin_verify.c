/* florin_verify.c - prints what a directory holds and whether it is sound.
 *
 * It must not know the format of files: engine/tools/verify.h reads them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tools/verify.h"
#include "files_error.h"
#include "florin_commands.h"
#include "http/amount.h"
#include "http/json_text.h"
#include "progress.h"

enum {
    /* 255 currencies of 50 bytes, 64 checkpoints of 120, 16 problems of 400, and the rest. */
    JSON_BYTES = 48 * 1024,
};

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

static void print_files(const struct verify_report *report)
{
    for (size_t i = 0; i < report->checkpoint_count; i++) {
        const struct verify_checkpoint *checkpoint = &report->checkpoints[i];
        printf("  checkpoint  LSN %" PRIu64 " to %" PRIu64 ", %" PRIu64 " accounts, %" PRIu64
               " bytes, %s\n",
               checkpoint->start_lsn, checkpoint->end_lsn, checkpoint->accounts, checkpoint->bytes,
               checkpoint->sound ? "sound" : "DAMAGED");
    }
    printf("  key files %" PRIu64 ", %" PRIu64 " keys of LSN 1 to %" PRIu64 ", %" PRIu64 " bytes\n",
           report->key_files, report->key_file_keys, report->keys_to_lsn, report->key_file_bytes);
}

static void print_state(const struct verify_report *report)
{
    if (!report->has_state)
        return;
    printf("  accounts  %" PRIu64 "\n  keys      %" PRIu64 "\n", report->accounts, report->keys);
    print_balances(report);
    printf("  digest    %016" PRIx64 " at LSN %" PRIu64 "\n", report->digest, report->lsn);
}

static void print_after(const struct log_survey_report *survey)
{
    if (!survey->is_damaged)
        return;
    printf("  behind the first damage of the log: %" PRIu64 " more damaged places, %" PRIu64
           " whole frames, %" PRIu64 " records",
           survey->damaged_after, survey->frames_after, survey->records_after);
    if (survey->records_after > 0)
        printf(", LSN %" PRIu64 " to %" PRIu64, survey->first_lsn_after, survey->last_lsn_after);
    printf("\n");
}

/* Of the log: the first LSN that cannot be read or does not fit. */
static uint64_t first_damaged_lsn(const struct verify_report *report)
{
    for (size_t i = 0; i < report->problem_count && i < VERIFY_PROBLEMS_MAX; i++) {
        if (report->problems[i].lsn != 0)
            return report->problems[i].lsn;
    }
    return report->log.last_lsn + 1;
}

static void print_problems(const char *directory, const struct verify_report *report)
{
    for (size_t i = 0; i < report->problem_count && i < VERIFY_PROBLEMS_MAX; i++) {
        char text[TOOL_PROBLEM_TEXT_MAX];
        problem_text(&report->problems[i], text);
        printf("DAMAGED: %s%s%s\n", directory, report->problems[i].file[0] == '\0' ? ": " : "/",
               text);
    }
    if (report->problem_count > VERIFY_PROBLEMS_MAX)
        printf("DAMAGED: and %zu more\n", report->problem_count - VERIFY_PROBLEMS_MAX);
    if (!report->surveyed)
        return;
    print_after(&report->survey);
    printf("a backup restores what was acknowledged; without one, florin repair %s --drop-from "
           "%" PRIu64 " says what would be lost\n",
           directory, first_damaged_lsn(report));
}

static void print_report(const char *directory, const struct verify_report *report, bool sound)
{
    const struct log_report *log = &report->log;
    printf("%s\n", directory);
    printf("  log       %" PRIu64 " segments, %" PRIu64 " frames, %" PRIu64 " records, %" PRIu64
           " bytes, LSN %" PRIu64 " to %" PRIu64 "\n",
           log->segments, log->frames, log->records, log->bytes, report->first_lsn, log->last_lsn);
    printf("  end       %s\n", report->moving ? "a server writes to it" : end_words(log->end));
    print_files(report);
    print_state(report);
    if (sound)
        printf("sound\n");
    else
        print_problems(directory, report);
}

/* --- JSON ------------------------------------------------------------------------------------ */

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

static void write_bool(struct json_text *text, const char *name, bool value)
{
    json_text_member(text, name);
    json_text_raw(text, value ? "true" : "false", value ? 4 : 5);
}

static void begin_element(struct json_text *text, bool first)
{
    if (!first)
        json_text_raw(text, ",", 1);
    json_text_raw(text, "{", 1);
}

static void write_checkpoints(struct json_text *text, const struct verify_report *report)
{
    json_text_member(text, "checkpoints");
    json_text_raw(text, "[", 1);
    for (size_t i = 0; i < report->checkpoint_count; i++) {
        const struct verify_checkpoint *checkpoint = &report->checkpoints[i];
        begin_element(text, i == 0);
        json_text_member_unsigned(text, "startLsn", checkpoint->start_lsn);
        json_text_member_unsigned(text, "endLsn", checkpoint->end_lsn);
        json_text_member_unsigned(text, "accounts", checkpoint->accounts);
        json_text_member_unsigned(text, "bytes", checkpoint->bytes);
        write_bool(text, "sound", checkpoint->sound);
        json_text_raw(text, "}", 1);
    }
    json_text_raw(text, "]", 1);
}

static void write_problems(struct json_text *text, const struct verify_report *report)
{
    json_text_member(text, "damage");
    json_text_raw(text, "[", 1);
    for (size_t i = 0; i < report->problem_count && i < VERIFY_PROBLEMS_MAX; i++) {
        const struct tool_problem *problem = &report->problems[i];
        begin_element(text, i == 0);
        json_text_member_string(text, "file", problem->file);
        json_text_member_unsigned(text, "offset", problem->offset);
        json_text_member_unsigned(text, "lsn", problem->lsn);
        json_text_member_string(text, "reason", problem->reason);
        json_text_raw(text, "}", 1);
    }
    json_text_raw(text, "]", 1);
    if (!report->surveyed || !report->survey.is_damaged)
        return;
    json_text_member(text, "behind");
    json_text_raw(text, "{", 1);
    json_text_member_unsigned(text, "damagedPlaces", report->survey.damaged_after);
    json_text_member_unsigned(text, "frames", report->survey.frames_after);
    json_text_member_unsigned(text, "records", report->survey.records_after);
    json_text_member_unsigned(text, "firstLsn", report->survey.first_lsn_after);
    json_text_member_unsigned(text, "lastLsn", report->survey.last_lsn_after);
    json_text_raw(text, "}", 1);
}

static void write_state(struct json_text *text, const struct verify_report *report)
{
    char digest[24];
    if (!report->has_state)
        return;
    snprintf(digest, sizeof(digest), "%016" PRIx64, report->digest);
    json_text_member_unsigned(text, "accounts", report->accounts);
    json_text_member_unsigned(text, "keys", report->keys);
    write_balances(text, report);
    json_text_member_unsigned(text, "lsn", report->lsn);
    json_text_member_string(text, "digest", digest);
}

static void print_json(const struct verify_report *report, bool sound)
{
    char bytes[JSON_BYTES];
    struct json_text text;
    const struct log_report *log = &report->log;
    json_text_init(&text, bytes, sizeof(bytes));
    json_text_raw(&text, "{", 1);
    write_bool(&text, "sound", sound);
    json_text_member_string(&text, "end", report->moving ? "moving" : log_end_name(log->end));
    json_text_member_unsigned(&text, "segments", log->segments);
    json_text_member_unsigned(&text, "frames", log->frames);
    json_text_member_unsigned(&text, "records", log->records);
    json_text_member_unsigned(&text, "bytes", log->bytes);
    json_text_member_unsigned(&text, "firstLsn", report->first_lsn);
    json_text_member_unsigned(&text, "lastLsn", log->last_lsn);
    write_checkpoints(&text, report);
    json_text_member_unsigned(&text, "keyFiles", report->key_files);
    json_text_member_unsigned(&text, "keyFileKeys", report->key_file_keys);
    json_text_member_unsigned(&text, "keyFileBytes", report->key_file_bytes);
    json_text_member_unsigned(&text, "keysToLsn", report->keys_to_lsn);
    write_state(&text, report);
    if (!sound)
        write_problems(&text, report);
    json_text_raw(&text, "}", 1);
    printf("%.*s\n", (int)text.length, bytes);
}

enum exit_code florin_verify(const struct florin_call *call)
{
    struct progress progress;
    struct verify_report *report = calloc(1, sizeof(*report));
    if (report == NULL)
        return files_error(call->directory, -ENOMEM, NULL);
    progress_start(&progress);
    int error = verify_directory(call->directory, progress_show, &progress, report);
    progress_end(&progress);
    enum exit_code code = EXIT_OK;
    if (error != 0 && error != -EBADMSG)
        code = files_error(call->directory, error, NULL);
    else if (call->json)
        print_json(report, error == 0);
    else
        print_report(call->directory, report, error == 0);
    free(report);
    return code != EXIT_OK ? code : error == 0 ? EXIT_OK : EXIT_DAMAGED;
}
