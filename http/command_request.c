/* command_request.c - one function a call, from its body to its command.
 *
 * Guarantees: whatever a command points to lives in the request that it is part of, or in the
 * source. It must not know connections or answers.
 */
#include "command_request.h"

#include <stdlib.h>
#include <string.h>

#include "query.h"

bool command_flags_parse(struct command_flags *flags, enum route route, bool is_read,
                         const char *query, size_t query_length, struct request_fault *fault)
{
    static const char *const names[] = {"dryRun", "asAdmin"};
    struct query parameters;
    bool moves = route == ROUTE_TRANSACTIONS || route == ROUTE_TRANSFERS ||
                 route == ROUTE_POSTINGS || route == ROUTE_HOLDS || route == ROUTE_CAPTURE ||
                 route == ROUTE_VOID || route == ROUTE_REVERSAL;
    bool changes = moves || route == ROUTE_ACCOUNTS || route == ROUTE_ACCOUNT;
    size_t known = is_read || !changes ? 0 : moves ? 2 : 1;
    return query_parse(&parameters, query, query_length, names, known, fault) &&
           query_flag(&parameters, names[0], &flags->dry_run, fault) &&
           query_flag(&parameters, names[1], &flags->as_admin, fault);
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

static bool read_transaction(struct command_request *request, const struct command_source *source,
                             struct request_fault *fault)
{
    struct transaction_request *body = &request->body.transaction;
    if (!transaction_request_parse(body, source->body, source->body_length, source->headers, fault))
        return false;
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
    return true;
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
    command->amount_minor = body->balance_minor;
    command->currency = body->currency;
    command->currency_length = body->currency_length;
    command->minimum_balance_minor = body->minimum_balance_minor;
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
    command->amount_scale = body->minimum_balance.scale;
    command->metadata = body->metadata;
    command->metadata_length = body->metadata_length;
    set_condition(request, &body->condition);
    return true;
}

static bool read_transfer(struct command_request *request, const struct command_source *source,
                          struct request_fault *fault)
{
    struct transfer_request *body = &request->body.transfer;
    if (!transfer_request_parse(body, source->body, source->body_length, source->headers, fault))
        return false;
    struct florin_command *command = &request->command;
    command->kind = FLORIN_TRANSFER;
    set_account(command, body->from.id, body->from.length);
    command->to = body->to.id;
    command->to_length = body->to.length;
    command->expected_to_version = body->expected_to_version;
    set_amount(command, body->amount);
    set_condition(request, &body->from_condition);
    request->echo.to = body->to;
    return true;
}

static bool read_posting(struct command_request *request, const struct command_source *source,
                         struct request_fault *fault)
{
    struct posting_request *body = &request->body.posting;
    if (!posting_request_parse(body, source->body, source->body_length, source->headers, fault))
        return false;
    struct florin_command *command = &request->command;
    command->kind = FLORIN_POSTING;
    set_account(command, body->accounts[0].id, body->accounts[0].length);
    command->amount_is_decimal = true;
    command->legs = body->legs;
    command->leg_count = body->leg_count;
    request->echo.leg_count = (uint8_t)body->leg_count;
    request->echo.legs = body->accounts;
    return true;
}

static bool read_hold(struct command_request *request, const struct command_source *source,
                      struct request_fault *fault)
{
    struct hold_request *body = &request->body.hold;
    if (!hold_request_parse(body, source->body, source->body_length, source->headers, fault))
        return false;
    request->command.kind = FLORIN_HOLD;
    request->command.expires_in_ns = body->expires_in_ns;
    set_amount(&request->command, body->amount);
    set_condition(request, &body->condition);
    return true;
}

static bool read_capture(struct command_request *request, const struct command_source *source,
                         struct request_fault *fault)
{
    struct capture_request *body = &request->body.capture;
    if (!capture_request_parse(body, source->body, source->body_length, source->headers, fault))
        return false;
    request->command.kind = FLORIN_CAPTURE;
    request->command.to = body->to.id;
    request->command.to_length = body->to.length;
    set_amount(&request->command, body->amount);
    request->echo.to = body->to;
    return true;
}

static bool read_void(struct command_request *request, const struct command_source *source,
                      struct request_fault *fault)
{
    request->command.kind = FLORIN_VOID;
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
        return read_transaction(request, source, fault);
    case ROUTE_TRANSFERS:
        return read_transfer(request, source, fault);
    case ROUTE_POSTINGS:
        return read_posting(request, source, fault);
    case ROUTE_HOLDS:
        return read_hold(request, source, fault);
    case ROUTE_CAPTURE:
        return read_capture(request, source, fault);
    case ROUTE_VOID:
        return read_void(request, source, fault);
    case ROUTE_REVERSAL:
        return read_reversal(request, source, fault);
    case ROUTE_WITHDRAW:
        return read_withdraw(request, source, fault);
    case ROUTE_NONE:
    case ROUTE_BALANCE:
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
