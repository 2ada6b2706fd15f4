/* batch_item.c - one item of a JSON batch, there and back.
 *
 * Guarantees: an item is read by the same rules as the body of a single call, and its result says
 * the same. It must not know the batch that it is in.
 */
#include "batch_item.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "answer_call.h"

/* Members that an item has besides those of the call's body. */
static const char *const of_account[] = {"type", "key", "account"};
static const char *const of_hold[] = {"type", "key", "hold"};
static const char *const of_several[] = {"type", "key"};

struct item_type {
    const char *word;
    enum route route;
    struct json_names besides;
};

/* The first one is also for words that mean either. */
static const struct item_type types[] = {
    {"Deposit", ROUTE_TRANSACTIONS, {of_account, 3}},
    {"Transfer", ROUTE_TRANSFERS, {of_several, 2}},
    {"Posting", ROUTE_POSTINGS, {of_several, 2}},
    {"Hold", ROUTE_HOLDS, {of_account, 3}},
    {"Capture", ROUTE_CAPTURE, {of_hold, 3}},
    {"Void", ROUTE_VOID, {of_hold, 3}},
};

/* A word that no other call has is for the deposit's parser to judge: its `type` has several
 * spellings, and may be absent for another name. */
static const struct item_type *find_type(const struct json_object *object)
{
    struct request_fault ignored;
    const char *word;
    if (!json_object_has(object, "type") || !json_object_text(object, "type", &word, &ignored))
        return &types[0];
    for (size_t i = 1; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcasecmp(word, types[i].word) == 0)
            return &types[i];
    }
    return &types[0];
}

static bool check_word(const struct json_object *object, const struct item_type *type,
                       struct request_fault *fault)
{
    enum florin_command_kind kind;
    struct request_fault ignored;
    const char *word;
    if (type != &types[0] || !json_object_has(object, "type") ||
        !json_object_text(object, "type", &word, &ignored) ||
        transaction_request_kind(object, "type", &kind, &ignored))
        return true;
    return request_fault_set(fault, "type",
                             "\"type\" must be Deposit, Withdraw, Transfer, Posting, Hold, "
                             "Capture or Void");
}

/* What the header Idempotency-Key may be, without quotes. */
static bool take_key(struct batch_item *item, const struct json_object *object,
                     struct request_fault *fault)
{
    const char *text;
    if (!json_object_has(object, "key"))
        return true;
    if (!json_object_text(object, "key", &text, fault))
        return false;
    size_t length = strlen(text);
    if (length == 0 || length > FLORIN_KEY_MAX)
        return request_fault_set(fault, "key", "\"key\" must have 1 to %d bytes", FLORIN_KEY_MAX);
    if (!request_key_is_valid(text, length))
        return request_fault_set(fault, "key", "\"key\" has a control character");
    memcpy(item->key, text, length);
    item->request.command.key = item->key;
    item->request.command.key_length = length;
    return true;
}

bool batch_item_parse(struct batch_item *item, const char *text, size_t length,
                      struct command_flags flags, struct request_fault *fault)
{
    struct json_object object;
    if (length > FLORIN_BATCH_ITEM_BYTES_MAX)
        return request_fault_set(fault, "body", "An item of a batch has at most %d bytes",
                                 FLORIN_BATCH_ITEM_BYTES_MAX);
    if (!json_object_parse(&object, text, length, NULL, 0, fault))
        return false;
    const struct item_type *type = find_type(&object);
    item->route = type->route;
    bool parsed =
        check_word(&object, type, fault) &&
        command_request_take(&item->request, type->route, &object, &type->besides, fault) &&
        take_key(item, &object, fault);
    json_object_free(&object);
    item->request.command.dry_run = flags.dry_run;
    item->request.command.as_admin = flags.as_admin;
    return parsed;
}

void batch_item_keep(const struct batch_item *item, struct batch_outcome *outcome)
{
    outcome->route = (uint8_t)item->route;
    outcome->echo = item->request.echo;
    outcome->echo.legs = NULL;
}

void batch_item_answer(struct answer *answer, const struct batch_outcome *outcome, const char *item,
                       size_t item_length, const struct answer_style *style)
{
    static const struct command_flags no_flags;
    struct batch_item again;
    struct request_fault fault;
    bool needs_legs = !outcome->is_malformed && outcome->route == ROUTE_POSTINGS &&
                      outcome->result.status != FLORIN_APPLIED;
    if (!outcome->is_malformed && !needs_legs) {
        answer_call(answer, (enum route)outcome->route, &outcome->result, &outcome->echo, style);
        return;
    }
    bool parsed = batch_item_parse(&again, item, item_length, no_flags, &fault);
    assert(parsed == needs_legs);
    if (parsed)
        answer_call(answer, (enum route)outcome->route, &outcome->result, &again.request.echo,
                    style);
    else
        answer_fault(answer, &fault, style);
}

enum error_code batch_item_write(struct json_text *text, const struct batch_outcome *outcome,
                                 const char *item, size_t item_length,
                                 const struct answer_style *style)
{
    struct answer answer;
    assert(outcome->is_known);
    batch_item_answer(&answer, outcome, item, item_length, style);
    /* all but the closing bracket */
    assert(answer.body.length >= 2);
    json_text_raw(text, answer.body.bytes, answer.body.length - 1);
    /* a problem has its status already (RFC 9457) */
    if (!answer.is_problem)
        json_text_member_unsigned(text, "status", (uint64_t)answer.status);
    if (answer.replayed) {
        json_text_member(text, "replayed");
        json_text_raw(text, "true", 4);
    }
    json_text_raw(text, "}", 1);
    assert(!text->truncated);
    return answer.code;
}
