/* command_request.c - one function a call, from its body to its command.
 *
 * Guarantees: whatever a command points to lives in the request that it is part of, or in the
 * source. It must not know connections or answers.
 */
#include "command_request.h"

#include <stdlib.h>
#include <string.h>

#include "public_id.h"
#include "query.h"

bool command_flags_parse(struct command_flags *flags, enum route route, bool is_read,
                         const char *query, size_t query_length, struct request_fault *fault)
{
    static const char *const names[] = {"dryRun", "asAdmin", "atomic"};
    struct query parameters;
    bool moves = route == ROUTE_TRANSACTIONS || route == ROUTE_TRANSFERS ||
                 route == ROUTE_POSTINGS || route == ROUTE_HOLDS || route == ROUTE_CAPTURE ||
                 route == ROUTE_VOID || route == ROUTE_BATCH || route == ROUTE_REVERSAL;
    bool changes = moves || route == ROUTE_ACCOUNTS || route == ROUTE_ACCOUNT;
    size_t known = is_read || !changes ? 0 : route == ROUTE_BATCH ? 3 : moves ? 2 : 1;
    return query_parse(&parameters, query, query_length, names, known, fault) &&
           query_flag(&parameters, names[0], &flags->dry_run, fault) &&
           query_flag(&parameters, names[1], &flags->as_admin, fault) &&
           query_flag(&parameters, names[2], &flags->atomic, fault);
}

static void set_account(struct florin_command *command, const char *account, size_t length)
{
    command->account = account;
    command->account_length = length;
}

static void set_amount(struct florin_command *command, struct money_decimal amount)
{
    command->amount_is_decimal = true;
    command->amount_minor = amount.digits;
    command->amount_scale = amount.scale;
}

static void set_condition(struct command_request *request, const struct condition *condition)
{
    struct florin_command *command = &request->command;
    command->expected_version = condition->expected_version;
    command->expected_by_precondition = condition->by_precondition;
    command->has_expected_balance = condition->has_expected_balance;
    command->expected_balance_minor = condition->expected_balance.digits;
    command->expected_balance_scale = condition->expected_balance.scale;
    if (condition->by_precondition)
        request->echo.spelling.expected_version = TRANSACTION_SPELLING_IF_MATCH;
}

static void take_transaction(struct command_request *request)
{
    const struct transaction_request *body = &request->body.transaction;
    const struct condition condition = {
        .expected_version = body->expected_version,
        .by_precondition = body->expected_by_precondition,
        .has_expected_balance = body->has_expected_balance,
        .expected_balance = body->expected_balance,
    };
    request->command.kind = body->kind;
    request->echo.spelling = body->spelling;
    set_amount(&request->command, body->amount);
    set_condition(request, &condition);
}

static bool read_account(struct command_request *request, const struct command_source *source,
                         struct request_fault *fault)
{
    struct account_request *body = &request->body.account;
    if (!account_request_parse(body, source->body, source->body_length, source->headers, fault))
        return false;
    struct florin_command *command = &request->command;
    command->kind = FLORIN_OPEN_ACCOUNT;
    set_account(command, body->id, body->id_length);
    /* An account is idempotent by its id, which was made from the key where it was absent. */
    command->key_length = 0;
    set_amount(command, body->balance);
    command->currency = body->currency;
    command->currency_length = body->currency_length;
    command->minimum_balance_minor = body->minimum_balance.digits;
    command->minimum_balance_scale = body->minimum_balance.scale;
    command->metadata = body->metadata;
    command->metadata_length = body->metadata_length;
    return true;
}

static bool read_change(struct command_request *request, const struct command_source *source,
                        struct request_fault *fault)
{
    struct change_request *body = &request->body.change;
    if (!change_request_parse(body, source->body, source->body_length, source->headers, fault))
        return false;
    struct florin_command *command = &request->command;
    command->kind = FLORIN_CHANGE_ACCOUNT;
    command->changes = body->changes;
    command->account_status = body->status;
    command->amount_is_decimal = true;
    command->minimum_balance_minor = body->minimum_balance.digits;
    command->minimum_balance_scale = body->minimum_balance.scale;
    command->metadata = body->metadata;
    command->metadata_length = body->metadata_length;
    set_condition(request, &body->condition);
    return true;
}

static void take_transfer(struct command_request *request)
{
    const struct transfer_request *body = &request->body.transfer;
    struct florin_command *command = &request->command;
    command->kind = FLORIN_TRANSFER;
    set_account(command, body->from.id, body->from.length);
    command->to = body->to.id;
    command->to_length = body->to.length;
    command->expected_to_version = body->expected_to_version;
    set_amount(command, body->amount);
    set_condition(request, &body->from_condition);
    request->echo.to = body->to;
}

static void take_posting(struct command_request *request)
{
    const struct posting_request *body = &request->body.posting;
    struct florin_command *command = &request->command;
    command->kind = FLORIN_POSTING;
    set_account(command, body->accounts[0].id, body->accounts[0].length);
    command->amount_is_decimal = true;
    command->legs = body->legs;
    command->leg_count = body->leg_count;
    request->echo.leg_count = (uint8_t)body->leg_count;
    request->echo.legs = body->accounts;
}

static void take_hold(struct command_request *request)
{
    const struct hold_request *body = &request->body.hold;
    request->command.kind = FLORIN_HOLD;
    request->command.expires_in_ns = body->expires_in_ns;
    set_amount(&request->command, body->amount);
    set_condition(request, &body->condition);
}

static void take_capture(struct command_request *request)
{
    const struct capture_request *body = &request->body.capture;
    request->command.kind = FLORIN_CAPTURE;
    request->command.to = body->to.id;
    request->command.to_length = body->to.length;
    set_amount(&request->command, body->amount);
    request->echo.to = body->to;
}

static void take_void(struct command_request *request)
{
    request->command.kind = FLORIN_VOID;
}

static bool read_void(struct command_request *request, const struct command_source *source,
                      struct request_fault *fault)
{
    take_void(request);
    return void_request_parse(source->body, source->body_length, source->headers, fault);
}

static bool read_reversal(struct command_request *request, const struct command_source *source,
                          struct request_fault *fault)
{
    struct reversal_request *body = &request->body.reversal;
    if (!reversal_request_parse(body, source->body, source->body_length, source->headers, fault))
        return false;
    request->command.kind = FLORIN_REVERSE;
    set_amount(&request->command, body->amount);
    return true;
}

static bool read_withdraw(struct command_request *request, const struct command_source *source,
                          struct request_fault *fault)
{
    struct withdraw_request *body = &request->body.withdraw;
    if (!withdraw_request_parse(body, source->body, source->body_length, fault))
        return false;
    request->command.kind = FLORIN_WITHDRAW;
    set_account(&request->command, body->account, body->account_length);
    set_amount(&request->command, body->amount);
    return true;
}

static bool read_body(struct command_request *request, const struct command_source *source,
                      struct request_fault *fault)
{
    switch (source->match->route) {
    case ROUTE_ACCOUNT:
        return read_change(request, source, fault);
    case ROUTE_ACCOUNTS:
        return read_account(request, source, fault);
    case ROUTE_TRANSACTIONS:
        if (!transaction_request_parse(&request->body.transaction, source->body,
                                       source->body_length, source->headers, fault))
            return false;
        take_transaction(request);
        return true;
    case ROUTE_TRANSFERS:
        if (!transfer_request_parse(&request->body.transfer, source->body, source->body_length,
                                    source->headers, fault))
            return false;
        take_transfer(request);
        return true;
    case ROUTE_POSTINGS:
        if (!posting_request_parse(&request->body.posting, source->body, source->body_length,
                                   source->headers, fault))
            return false;
        take_posting(request);
        return true;
    case ROUTE_HOLDS:
        if (!hold_request_parse(&request->body.hold, source->body, source->body_length,
                                source->headers, fault))
            return false;
        take_hold(request);
        return true;
    case ROUTE_CAPTURE:
        if (!capture_request_parse(&request->body.capture, source->body, source->body_length,
                                   source->headers, fault))
            return false;
        take_capture(request);
        return true;
    case ROUTE_VOID:
        return read_void(request, source, fault);
    case ROUTE_REVERSAL:
        return read_reversal(request, source, fault);
    case ROUTE_WITHDRAW:
        return read_withdraw(request, source, fault);
    case ROUTE_NONE:
    case ROUTE_BALANCE:
    case ROUTE_BATCH:
    case ROUTE_TRANSACTION:
    case ROUTE_HEALTHZ:
    case ROUTE_READYZ:
    case ROUTE_METRICS:
    case ROUTE_CHECKPOINT:
    case ROUTE_BACKUP:
    case ROUTE_EVENTS:
    case ROUTE_COUNT:
        break;
    }
    abort(); /* a route that asks nothing of the engine */
}

bool command_request_read(struct command_request *request, const struct command_source *source,
                          struct request_fault *fault)
{
    struct florin_command *command = &request->command;
    *command = (struct florin_command){
        .kind = FLORIN_READ_ACCOUNT,
        .account = source->match->account,
        .account_length = source->match->account_length,
        .target_id = source->match->target_id,
        .dry_run = source->flags.dry_run,
        .as_admin = source->flags.as_admin,
    };
    request->echo = (struct request_echo){.target_id = source->match->target_id};
    if (!source->is_read) {
        command->key = source->headers->key;
        command->key_length = source->headers->key_length;
        if (!read_body(request, source, fault))
            return false;
    }
    memcpy(request->echo.account.id, command->account, command->account_length);
    request->echo.account.length = (uint8_t)command->account_length;
    return true;
}

/* --- items of a batch --------------------------------------------------------------------- */

static bool take_body(struct command_request *request, enum route route,
                      const struct json_object *object, const struct json_names *besides,
                      struct request_fault *fault)
{
    switch ((unsigned)route) {
    case ROUTE_TRANSACTIONS:
        if (!transaction_request_take(&request->body.transaction, object, besides, fault))
            return false;
        take_transaction(request);
        return true;
    case ROUTE_TRANSFERS:
        if (!transfer_request_take(&request->body.transfer, object, besides, fault))
            return false;
        take_transfer(request);
        return true;
    case ROUTE_POSTINGS:
        if (!posting_request_take(&request->body.posting, object, besides, fault))
            return false;
        take_posting(request);
        return true;
    case ROUTE_HOLDS:
        if (!hold_request_take(&request->body.hold, object, besides, fault))
            return false;
        take_hold(request);
        return true;
    case ROUTE_CAPTURE:
        if (!capture_request_take(&request->body.capture, object, besides, fault))
            return false;
        take_capture(request);
        return true;
    case ROUTE_VOID:
        take_void(request);
        return void_request_take(object, besides, fault);
    default:
        abort(); /* a route that moves nothing */
    }
}

/* Where the single call has it in its path. */
static bool take_path(struct command_request *request, enum route route,
                      const struct json_object *object, struct request_fault *fault)
{
    struct named_account *own = &request->echo.account;
    struct florin_command *command = &request->command;
    const char *hold;
    const char *account;
    size_t length;
    if (route == ROUTE_TRANSACTIONS || route == ROUTE_HOLDS) {
        if (!movement_member_account(object, "account", own, fault))
            return false;
    } else if (route == ROUTE_CAPTURE || route == ROUTE_VOID) {
        if (!json_object_has(object, "hold"))
            return request_fault_set(fault, "hold", "\"hold\" is missing");
        if (!json_object_text(object, "hold", &hold, fault))
            return false;
        if (!public_id_read_hold(hold, strlen(hold), &command->target_id, &account, &length))
            return request_fault_set(fault, "hold", "\"hold\" must be the id of a hold");
        request->echo.target_id = command->target_id;
        memcpy(own->id, account, length);
        own->length = (uint8_t)length;
    } else {
        own->length = (uint8_t)command->account_length;
        memcpy(own->id, command->account, command->account_length);
        return true;
    }
    set_account(command, own->id, own->length);
    return true;
}

bool command_request_take(struct command_request *request, enum route route,
                          const struct json_object *object, const struct json_names *besides,
                          struct request_fault *fault)
{
    request->command = (struct florin_command){.user_data = 0};
    request->echo = (struct request_echo){.target_id = 0};
    return take_body(request, route, object, besides, fault) &&
           take_path(request, route, object, fault);
}
