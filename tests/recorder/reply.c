/* reply.c - statuses and bodies to outcomes. It must not know connections. */
#include "reply.h"

#include <string.h>

#include "recorder/members.h"

static void begin(struct reply *reply)
{
    *reply = (struct reply){
        .outcome = HISTORY_REFUSED,
        .balance = HISTORY_UNKNOWN,
        .held = HISTORY_UNKNOWN,
    };
}

/* 408: the version is the last durable one, so it was seen, whatever became of the request. */
static bool read_crash(const struct http_response *response, struct reply *reply)
{
    reply->again = true;
    reply->closes = true;
    if (member_is(response->body, "code", "commit_unknown"))
        reply->outcome = HISTORY_UNANSWERED;
    else if (!member_is(response->body, "code", "not_committed"))
        return false;
    return member_number(response->body, "CurrentVersion", "", &reply->version);
}

/* No room, or no time, now; an account that has all the holds it may have keeps them. */
static bool read_later(const struct http_response *response, struct reply *reply)
{
    reply->again = !member_is(response->body, "code", "holds_full");
    return member_is(response->body, "outcome", "not_applied");
}

/* The leg of which a refusal speaks. */
static bool find_leg(const struct request *request, const char *body, struct reply *reply)
{
    uint64_t number = 0;
    if (member_number(body, "leg", "", &number)) {
        reply->leg = (size_t)number;
        return number < request->legs_count;
    }
    if (!member_number(body, "account", "a", &number))
        return request->legs_count == 1;
    while (reply->leg < request->legs_count && request->legs[reply->leg].account != number)
        reply->leg++;
    return reply->leg < request->legs_count;
}

static bool read_refusal(const struct request *request, const struct http_response *response,
                         struct reply *reply)
{
    const char *body = response->body;
    if (member_is(body, "code", "insufficient_balance")) {
        reply->outcome = HISTORY_INSUFFICIENT;
        return find_leg(request, body, reply) && member_cents(body, "balance", &reply->balance) &&
               member_number(body, "version", "", &reply->version);
    }
    if (member_is(body, "code", "version_mismatch")) {
        reply->outcome = HISTORY_MISMATCH;
        return find_leg(request, body, reply) &&
               member_number(body, "CurrentVersion", "", &reply->version);
    }
    return request->refers_to != 0 && member_is(body, "code", "hold_resolved");
}

/* A posting tells of the account of its first leg, behind its last one there. */
static size_t last_leg_of_first_account(const struct request *request)
{
    size_t last = 0;
    for (size_t i = 1; i < request->legs_count; i++) {
        if (request->legs[i].account == request->legs[0].account)
            last = i;
    }
    return last;
}

static bool read_applied(const struct request *request, const struct http_response *response,
                         struct reply *reply)
{
    bool is_hold = request->kind == HISTORY_HOLD;
    reply->outcome = HISTORY_APPLIED;
    reply->leg = last_leg_of_first_account(request);
    if (!member_number(response->body, "id", is_hold ? "hold" : "txn", &reply->lsn) ||
        !member_number(response->body, "newVersion", "", &reply->version))
        return false;
    return is_hold || request->kind == HISTORY_VOID ||
           member_cents(response->body, "newBalance", &reply->balance);
}

bool reply_read(const struct request *request, const struct http_response *response,
                struct reply *reply)
{
    begin(reply);
    switch (response->status) {
    case 201:
        return read_applied(request, response, reply);
    case 408:
        return read_crash(response, reply);
    case 409:
    case 422:
        return read_refusal(request, response, reply);
    case 429:
    case 503:
    case 507:
        return read_later(response, reply);
    default:
        return false;
    }
}

/* GET /accounts/{id}/balance does not say what is held. */
static bool read_held(const char *body, struct reply *reply)
{
    int64_t available = 0;
    if (!member_cents(body, "held", &reply->held))
        return member_find(body, "held") == NULL;
    return member_cents(body, "available", &available) && available == reply->balance - reply->held;
}

bool reply_read_account(const struct http_response *response, struct reply *reply)
{
    begin(reply);
    switch (response->status) {
    case 200:
        reply->outcome = HISTORY_APPLIED;
        return member_cents(response->body, "balance", &reply->balance) &&
               member_number(response->body, "version", "", &reply->version) &&
               read_held(response->body, reply);
    case 408:
        return read_crash(response, reply);
    case 429:
    case 503:
        return read_later(response, reply);
    default:
        return false;
    }
}
