/* request.c - what clients ask for, as JSON. It must not know how it is sent. */
#include "request.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Appends to the body, which is as large as any of them. */
__attribute__((format(printf, 2, 3))) static void add(struct request *request, const char *format,
                                                      ...)
{
    va_list arguments;
    size_t length = strlen(request->body);
    va_start(arguments, format);
    int count =
        vsnprintf(request->body + length, sizeof(request->body) - length, format, arguments);
    va_end(arguments);
    assert(count >= 0 && (size_t)count < sizeof(request->body) - length);
}

static void add_amount(struct request *request, int64_t amount)
{
    int64_t cents = amount < 0 ? -amount : amount;
    add(request, "\"amount\":\"%" PRId64 ".%02" PRId64 "\"", cents / 100, cents % 100);
}

static void add_expected(struct request *request, const char *name, uint64_t version)
{
    if (version != 0)
        add(request, ",\"%s\":%" PRIu64, name, version);
}

static void begin(struct request *request, enum history_kind kind, uint64_t key,
                  const struct history_leg *legs, size_t count)
{
    assert(count > 0 && count <= REQUEST_LEGS_MAX);
    request->kind = kind;
    request->key = key;
    request->refers_to = 0;
    request->legs_count = count;
    memcpy(request->legs, legs, count * sizeof(*legs));
    request->body[0] = '\0';
}

void request_make_single(struct request *request, enum history_kind kind, uint64_t key,
                         struct history_leg leg)
{
    begin(request, kind, key, &leg, 1);
    snprintf(request->path, sizeof(request->path), "/accounts/a%" PRIu64 "/transactions",
             leg.account);
    add(request, "{\"type\":\"%s\",", kind == HISTORY_DEPOSIT ? "Deposit" : "Withdraw");
    add_amount(request, leg.balance_delta);
    add_expected(request, "expectedVersion", leg.expected_version);
    add(request, "}");
}

void request_make_transfer(struct request *request, uint64_t key, const struct history_leg legs[2])
{
    begin(request, HISTORY_TRANSFER, key, legs, 2);
    snprintf(request->path, sizeof(request->path), "/transfers");
    add(request, "{\"from\":\"a%" PRIu64 "\",\"to\":\"a%" PRIu64 "\",", legs[0].account,
        legs[1].account);
    add_amount(request, legs[1].balance_delta);
    add_expected(request, "expectedFromVersion", legs[0].expected_version);
    add_expected(request, "expectedToVersion", legs[1].expected_version);
    add(request, "}");
}

void request_make_posting(struct request *request, uint64_t key, const struct history_leg *legs,
                          size_t count)
{
    begin(request, HISTORY_POSTING, key, legs, count);
    snprintf(request->path, sizeof(request->path), "/postings");
    for (size_t i = 0; i < count; i++) {
        add(request, "%s{\"account\":\"a%" PRIu64 "\",\"type\":\"%s\",",
            i == 0 ? "{\"legs\":[" : ",", legs[i].account,
            legs[i].balance_delta > 0 ? "Credit" : "Debit");
        add_amount(request, legs[i].balance_delta);
        add_expected(request, "expectedVersion", legs[i].expected_version);
        add(request, "}");
    }
    add(request, "]}");
}

void request_make_hold(struct request *request, uint64_t key, struct history_leg leg,
                       unsigned seconds)
{
    begin(request, HISTORY_HOLD, key, &leg, 1);
    snprintf(request->path, sizeof(request->path), "/accounts/a%" PRIu64 "/holds", leg.account);
    add(request, "{");
    add_amount(request, leg.held_delta);
    if (seconds > 0)
        add(request, ",\"expiresIn\":%u", seconds);
    add_expected(request, "expectedVersion", leg.expected_version);
    add(request, "}");
}

static void name_hold(struct request *request, const struct request_hold *hold, const char *end)
{
    request->refers_to = hold->lsn;
    snprintf(request->path, sizeof(request->path), "/holds/hold%" PRIu64 ":a%" PRIu64 "/%s",
             hold->lsn, hold->account, end);
}

void request_make_capture(struct request *request, uint64_t key, const struct request_hold *hold,
                          int64_t amount, uint64_t to)
{
    int64_t taken = amount == 0 ? hold->amount : amount;
    struct history_leg legs[2] = {history_leg_of(hold->account, -taken, -hold->amount),
                                  history_leg_of(to, taken, 0)};
    begin(request, HISTORY_CAPTURE, key, legs, to == 0 ? 1 : 2);
    name_hold(request, hold, "capture");
    add(request, "{");
    if (amount != 0)
        add_amount(request, amount);
    if (to != 0)
        add(request, "%s\"to\":\"a%" PRIu64 "\"", amount != 0 ? "," : "", to);
    add(request, "}");
}

void request_make_void(struct request *request, uint64_t key, const struct request_hold *hold)
{
    begin(request, HISTORY_VOID, key,
          &(struct history_leg){.account = hold->account,
                                .held_delta = -hold->amount,
                                .balance = HISTORY_UNKNOWN,
                                .held = HISTORY_UNKNOWN},
          1);
    name_hold(request, hold, "void");
}
