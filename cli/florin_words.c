/* florin_words.c - judges words. What goes into a URL or a header as it is has only characters that
 * may stand there. It must not know commands. */
#include "florin_words.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "florin.h"
#include "http/amount.h"
#include "http/history_request.h"
#include "http/json_check.h"
#include "http/public_id.h"

/* A whole number from 1 on. */
static bool is_number(const char *text)
{
    return text[0] >= '1' && text[0] <= '9' && strspn(text, "0123456789") == strlen(text) &&
           strlen(text) <= 15;
}

static bool is_amount(const char *text)
{
    struct money_decimal decimal;
    return amount_from_text(text, strlen(text), &decimal);
}

static bool is_account(const char *text)
{
    return florin_account_id_is_valid(text, strlen(text));
}

static bool is_time(const char *text)
{
    uint64_t time_ns;
    return history_request_time(text, &time_ns);
}

static bool is_hold(const char *text)
{
    uint64_t id;
    const char *account;
    size_t length;
    return public_id_read_hold(text, strlen(text), &id, &account, &length);
}

static bool is_transaction(const char *text)
{
    uint64_t id;
    return public_id_read_transaction(text, strlen(text), &id);
}

/* Its length and characters are the server's to judge, but no line may end within. */
static bool is_key(const char *text)
{
    return text[0] != '\0' && strlen(text) <= FLORIN_KEY_MAX && strpbrk(text, "\r\n") == NULL;
}

static bool is_object(const char *text)
{
    struct json_fault fault;
    return text[strspn(text, " \t\r\n")] == '{' && json_check(text, strlen(text), &fault);
}

static bool is_one_of(const char *text, const char *const *choices)
{
    for (; *choices != NULL; choices++) {
        if (strcasecmp(text, *choices) == 0)
            return true;
    }
    return false;
}

static bool read_lsn(const char *text, uint64_t *lsn)
{
    if (strcmp(text, "0") != 0 && !is_number(text))
        return false;
    *lsn = strtoull(text, NULL, 10);
    return true;
}

/* 2026-11-22T15:12:48Z, with decimals of the second or without. */
static bool read_time(const char *text, uint64_t *time_ns)
{
    struct tm tm = {.tm_isdst = 0};
    uint64_t decimals = 0;
    uint64_t unit = UINT64_C(1000000000);
    char again[32];
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL || tm.tm_year < 70)
        return false;
    /* neither "7" for "07" nor the 31st of February */
    struct tm normal = tm;
    time_t seconds = timegm(&normal);
    size_t length = strftime(again, sizeof(again), "%Y-%m-%dT%H:%M:%S", &normal);
    if (length != (size_t)(rest - text) || strncmp(again, text, length) != 0)
        return false;
    if (*rest == '.') {
        for (rest++; *rest >= '0' && *rest <= '9' && unit > 1; rest++) {
            unit /= 10;
            decimals += (uint64_t)(*rest - '0') * unit;
        }
    }
    *time_ns = (uint64_t)seconds * UINT64_C(1000000000) + decimals;
    return strcmp(rest, "Z") == 0;
}

static bool read_until(const char *text, struct florin_call *call)
{
    call->until = RESTORE_UNTIL_LSN;
    if (read_lsn(text, &call->until_value))
        return true;
    call->until = RESTORE_UNTIL_TIME;
    return read_time(text, &call->until_value);
}

bool florin_leg_read(const char *text, struct florin_leg_words *leg)
{
    static const char *const types[] = {"debit", "credit", NULL};
    if (strlen(text) >= sizeof(leg->copy))
        return false;
    memcpy(leg->copy, text, strlen(text) + 1);
    char *colon = strrchr(leg->copy, ':');
    if (colon == NULL)
        return false;
    *colon = '\0';
    leg->amount = colon + 1;
    colon = strrchr(leg->copy, ':');
    if (colon == NULL)
        return false;
    *colon = '\0';
    leg->type = colon + 1;
    leg->account = leg->copy;
    return is_account(leg->account) && is_one_of(leg->type, types) && is_amount(leg->amount);
}

static const char *store(const char **place, const char *text, bool is_right, const char *what)
{
    *place = text;
    return is_right ? NULL : what;
}

static const char *judge(bool is_right, const char *what)
{
    return is_right ? NULL : what;
}

static const char *set(bool *flag)
{
    *flag = true;
    return NULL;
}

static const char number[] = "not a whole number from 1 on";
static const char lsn_text[] = "not an LSN";
static const char time_text[] = "not a time like 2026-11-22T15:12:48Z";
static const char amount_text[] = "not a decimal";
static const char account_text[] = "not an account id";

/* Of commands on files. */
static const char *store_files(struct florin_call *call, enum florin_word word, const char *text)
{
    if (word == WORD_DIRECTORY)
        return store(&call->directory, text, true, "");
    if (word == WORD_FILE)
        return store(&call->file, text, true, "");
    if (word == WORD_FROM_LSN)
        return judge(read_lsn(text, &call->from_lsn) && call->from_lsn > 0, lsn_text);
    if (word == WORD_TO_LSN)
        return judge(read_lsn(text, &call->to_lsn), lsn_text);
    if (word == WORD_AT_LSN)
        return judge(read_lsn(text, &call->at_lsn), lsn_text);
    return judge(read_until(text, call), "neither an LSN nor a time like 2026-11-22T15:12:48Z");
}

const char *florin_word_store(struct florin_call *call, enum florin_word word, const char *text)
{
    static const char *const shells[] = {"bash", "zsh", "fish", NULL};
    static const char *const statuses[] = {"open", "frozen", "closed", NULL};
    static const char *const directions[] = {"deposit", "withdraw", NULL};
    struct florin_leg_words leg;
    uint64_t lsn;
    switch (word) {
    case WORD_SERVER:
    case WORD_URL:
        return store(&call->server, text, true, "");
    case WORD_JSON:
        return set(&call->json);
    case WORD_VERBOSE:
        return set(&call->verbose);
    case WORD_DRY_RUN:
        return set(&call->dry_run);
    case WORD_FOLLOW:
        return set(&call->follow);
    case WORD_ACCEPT_LOSS:
        return set(&call->accept_loss);
    case WORD_HELP:
        return NULL;
    case WORD_ACCOUNT:
        return store(&call->account, text, is_account(text), account_text);
    case WORD_TO_ACCOUNT:
        return store(&call->to, text, is_account(text), account_text);
    case WORD_DIRECTION:
        return judge(is_one_of(text, directions), "neither deposit nor withdraw");
    case WORD_AMOUNT:
        return store(&call->amount, text, is_amount(text), amount_text);
    case WORD_LEG:
        return judge(florin_leg_read(text, &leg), "not ID:debit|credit:AMOUNT");
    case WORD_HOLD:
        return judge(is_hold(text), "not a hold like hold131:alice");
    case WORD_TRANSACTION:
        return judge(is_transaction(text), "not a transaction like txn131");
    case WORD_SHELL:
        return judge(is_one_of(text, shells), "not a shell that is known: bash, zsh, fish");
    case WORD_KEY:
        return store(&call->key, text, is_key(text), "not a key of 1 to 255 bytes on one line");
    case WORD_EXPECTED_VERSION:
        return store(&call->expected_version, text, is_number(text), number);
    case WORD_CURRENCY:
        return store(&call->currency, text, true, "");
    case WORD_BALANCE:
        return store(&call->balance, text, is_amount(text), amount_text);
    case WORD_MINIMUM_BALANCE:
        return store(&call->minimum_balance, text, is_amount(text), amount_text);
    case WORD_STATUS:
        return store(&call->status, text, is_one_of(text, statuses), "not open, frozen, closed");
    case WORD_METADATA:
        return store(&call->metadata, text, is_object(text), "not a JSON object");
    case WORD_EXPIRES_IN:
        return store(&call->expires_in, text, is_number(text), number);
    case WORD_SINCE:
        return store(&call->since, text, is_time(text), time_text);
    case WORD_BEFORE:
        return store(&call->before, text, is_time(text), time_text);
    case WORD_LIMIT:
        return store(&call->limit, text, is_number(text) && strlen(text) <= 9, number);
    case WORD_VERSION:
        return store(&call->version, text, is_number(text), number);
    case WORD_AT_TIME:
        return store(&call->at_time, text, is_time(text), time_text);
    case WORD_AFTER:
        return store(&call->after, text, read_lsn(text, &lsn), lsn_text);
    case WORD_PREFIX: /* whatever begins an id may be one */
        return store(&call->prefix, text, is_account(text), account_text);
    case WORD_DIRECTORY:
    case WORD_FILE:
    case WORD_FROM_LSN:
    case WORD_TO_LSN:
    case WORD_AT_LSN:
    case WORD_UNTIL:
        return store_files(call, word, text);
    }
    return "not known";
}
