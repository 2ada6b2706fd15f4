/* test_command_request.c - what calls ask of the engine, and which parameters they know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "http/command_request.h"

/* A request by hand; what it points to lives as long as it does. */
struct call {
    struct route_match match;
    struct request_headers headers;
    struct command_request request;
    struct request_fault fault;
};

static bool read_call(struct call *call, const char *path, bool is_read, struct command_flags flags,
                      const char *body)
{
    route_find(path, strlen(path), &call->match);
    request_headers_init(&call->headers);
    if (call->match.route != ROUTE_ACCOUNT) /* a change takes none */
        request_headers_add(&call->headers, "idempotency-key", 15, "k1", 2);
    const struct command_source source = {
        .match = &call->match,
        .is_read = is_read,
        .flags = flags,
        .headers = &call->headers,
        .body = body,
        .body_length = strlen(body),
    };
    return command_request_read(&call->request, &source, &call->fault);
}

static const struct florin_command *command_of(struct call *call, const char *path,
                                               const char *body)
{
    if (!read_call(call, path, false, (struct command_flags){.dry_run = false}, body))
        fail_msg("%s: %s", body, call->fault.message);
    return &call->request.command;
}

static void assert_account(const struct florin_command *command, const char *account)
{
    assert_int_equal(command->account_length, strlen(account));
    assert_memory_equal(command->account, account, command->account_length);
}

static void read__asks_for_the_account_and_has_no_key(void **state)
{
    struct call call;
    (void)state;
    assert_true(
        read_call(&call, "/accounts/alice", true, (struct command_flags){.dry_run = false}, ""));
    assert_int_equal(call.request.command.kind, FLORIN_READ_ACCOUNT);
    assert_account(&call.request.command, "alice");
    assert_int_equal(call.request.command.key_length, 0);
    assert_true(read_call(&call, "/accounts/bob/balance", true,
                          (struct command_flags){.dry_run = false}, ""));
    assert_int_equal(call.request.command.kind, FLORIN_READ_ACCOUNT);
    assert_memory_equal(call.request.echo.account.id, "bob", 3);
}

static void transaction__asks_for_a_deposit_or_a_withdrawal(void **state)
{
    struct call call;
    (void)state;
    const struct florin_command *command =
        command_of(&call, "/accounts/alice/transactions",
                   "{\"type\":\"Debit\",\"amount\":\"1.50\",\"expectedVersion\":7,"
                   "\"expectedBalanceAtLeast\":\"-2.25\"}");
    assert_int_equal(command->kind, FLORIN_WITHDRAW);
    assert_account(command, "alice");
    assert_true(command->amount_is_decimal);
    assert_int_equal(command->amount_minor, 15);
    assert_int_equal(command->amount_scale, 1);
    assert_int_equal(command->expected_version, 7);
    assert_true(command->has_expected_balance);
    assert_int_equal(command->expected_balance_minor, -225);
    assert_int_equal(command->expected_balance_scale, 2);
    assert_int_equal(command->key_length, 2);
    assert_memory_equal(command->key, "k1", 2);
    assert_false(command->dry_run);
    assert_false(command->as_admin);
}

static void account__is_idempotent_by_its_id(void **state)
{
    struct call call;
    (void)state;
    const struct florin_command *command =
        command_of(&call, "/accounts", "{\"id\":\"alice\",\"balance\":5,\"minimumBalance\":-1.25}");
    assert_int_equal(command->kind, FLORIN_OPEN_ACCOUNT);
    assert_account(command, "alice");
    assert_int_equal(command->key_length, 0);
    assert_true(command->amount_is_decimal);
    assert_int_equal(command->amount_minor, 5);
    assert_int_equal(command->amount_scale, 0);
    assert_int_equal(command->minimum_balance_minor, -125);
    assert_int_equal(command->minimum_balance_scale, 2);
    assert_memory_equal(command->currency, "USD", 3);
}

static void change__asks_for_what_changes(void **state)
{
    struct call call;
    (void)state;
    const struct florin_command *command =
        command_of(&call, "/accounts/alice", "{\"minimumBalance\":-50.5,\"status\":\"frozen\"}");
    assert_int_equal(command->kind, FLORIN_CHANGE_ACCOUNT);
    assert_account(command, "alice");
    assert_int_equal(command->changes, FLORIN_CHANGE_MINIMUM_BALANCE | FLORIN_CHANGE_STATUS);
    assert_int_equal(command->account_status, FLORIN_STATE_FROZEN);
    assert_true(command->amount_is_decimal);
    assert_int_equal(command->minimum_balance_minor, -505);
    assert_int_equal(command->minimum_balance_scale, 1);
    assert_int_equal(command->amount_minor, 0);
}

static void transfer__has_its_key_on_from(void **state)
{
    struct call call;
    (void)state;
    const struct florin_command *command =
        command_of(&call, "/transfers",
                   "{\"from\":\"alice\",\"to\":\"bob\",\"amount\":3,\"expectedFromVersion\":7,"
                   "\"expectedToVersion\":9,\"expectedFromBalanceAtLeast\":4}");
    assert_int_equal(command->kind, FLORIN_TRANSFER);
    assert_account(command, "alice");
    assert_int_equal(command->to_length, 3);
    assert_memory_equal(command->to, "bob", 3);
    assert_int_equal(command->amount_minor, 3);
    assert_int_equal(command->expected_version, 7);
    assert_int_equal(command->expected_to_version, 9);
    assert_true(command->has_expected_balance);
    assert_int_equal(command->expected_balance_minor, 4);
    assert_int_equal(command->key_length, 2);
    assert_memory_equal(call.request.echo.to.id, "bob", 3);
}

static void posting__has_its_key_on_the_first_leg(void **state)
{
    struct call call;
    (void)state;
    const struct florin_command *command =
        command_of(&call, "/postings",
                   "{\"legs\":[{\"account\":\"bob\",\"type\":\"Credit\",\"amount\":1},"
                   "{\"account\":\"alice\",\"type\":\"Debit\",\"amount\":\"1.0\"}]}");
    assert_int_equal(command->kind, FLORIN_POSTING);
    assert_account(command, "bob");
    assert_true(command->amount_is_decimal);
    assert_int_equal(command->leg_count, 2);
    assert_int_equal(command->legs[0].direction, FLORIN_CREDIT);
    assert_int_equal(command->legs[1].direction, FLORIN_DEBIT);
    assert_memory_equal(command->legs[1].account, "alice", 5);
    assert_int_equal(call.request.echo.leg_count, 2);
    assert_memory_equal(call.request.echo.legs[1].id, "alice", 5);
}

static void hold__and_its_ends_know_their_account(void **state)
{
    struct call call;
    (void)state;
    const struct florin_command *command = command_of(
        &call, "/accounts/alice/holds", "{\"amount\":25,\"expiresIn\":60,\"expectedVersion\":7}");
    assert_int_equal(command->kind, FLORIN_HOLD);
    assert_account(command, "alice");
    assert_int_equal(command->amount_minor, 25);
    assert_true(command->expires_in_ns == UINT64_C(60000000000));
    assert_int_equal(command->expected_version, 7);

    command = command_of(&call, "/holds/hold131:alice/capture", "{\"amount\":20,\"to\":\"shop\"}");
    assert_int_equal(command->kind, FLORIN_CAPTURE);
    assert_account(command, "alice");
    assert_int_equal(command->target_id, 131);
    assert_int_equal(command->amount_minor, 20);
    assert_int_equal(command->to_length, 4);
    command = command_of(&call, "/holds/hold131:alice/capture", "");
    assert_int_equal(command->amount_minor, 0);
    assert_int_equal(command->to_length, 0);

    command = command_of(&call, "/holds/hold131:alice/void", "");
    assert_int_equal(command->kind, FLORIN_VOID);
    assert_account(command, "alice");
    assert_int_equal(command->target_id, 131);
    assert_int_equal(call.request.echo.target_id, 131);
    assert_int_equal(command->key_length, 2);
}

static void if_match__is_named_when_a_key_comes_again_without(void **state)
{
    static const char body[] = "{\"amount\":1}";
    struct call call;
    (void)state;
    route_find("/accounts/alice/holds", 21, &call.match);
    request_headers_init(&call.headers);
    request_headers_add(&call.headers, "if-match", 8, "\"7\"", 3);
    const struct command_source source = {
        .match = &call.match,
        .headers = &call.headers,
        .body = body,
        .body_length = sizeof(body) - 1,
    };
    assert_true(command_request_read(&call.request, &source, &call.fault));
    assert_int_equal(call.request.command.expected_version, 7);
    assert_true(call.request.command.expected_by_precondition);
    assert_string_equal(
        transaction_request_field(FLORIN_FIELD_EXPECTED_VERSION, call.request.echo.spelling),
        "If-Match");
}

static void flags__reach_the_command(void **state)
{
    struct call call;
    (void)state;
    assert_true(read_call(&call, "/holds/hold1:a/void", false,
                          (struct command_flags){.dry_run = true, .as_admin = true}, ""));
    assert_true(call.request.command.dry_run);
    assert_true(call.request.command.as_admin);
}

static void flags__are_known_to_calls_that_change_something(void **state)
{
    static const struct {
        enum route route;
        bool is_read;
        bool dry_run;
        bool as_admin;
    } rows[] = {
        {ROUTE_TRANSACTIONS, false, true, true}, {ROUTE_TRANSFERS, false, true, true},
        {ROUTE_POSTINGS, false, true, true},     {ROUTE_HOLDS, false, true, true},
        {ROUTE_CAPTURE, false, true, true},      {ROUTE_VOID, false, true, true},
        {ROUTE_REVERSAL, false, true, true},     {ROUTE_ACCOUNTS, false, true, false},
        {ROUTE_ACCOUNT, false, true, false},     {ROUTE_ACCOUNT, true, false, false},
        {ROUTE_BALANCE, true, false, false},     {ROUTE_WITHDRAW, false, false, false},
        {ROUTE_CHECKPOINT, false, false, false}, {ROUTE_BACKUP, true, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct command_flags flags;
        struct request_fault fault;
        bool tried =
            command_flags_parse(&flags, rows[i].route, rows[i].is_read, "dryRun=true", 11, &fault);
        if (tried != rows[i].dry_run)
            fail_msg("dryRun of %s", route_name(rows[i].route));
        if (tried)
            assert_true(flags.dry_run && !flags.as_admin);
        else
            assert_string_equal(fault.field, "dryRun");
        bool admin =
            command_flags_parse(&flags, rows[i].route, rows[i].is_read, "asAdmin=true", 12, &fault);
        if (admin != rows[i].as_admin)
            fail_msg("asAdmin of %s", route_name(rows[i].route));
        if (admin)
            assert_true(flags.as_admin && !flags.dry_run);
        else
            assert_string_equal(fault.field, "asAdmin");
        assert_true(command_flags_parse(&flags, rows[i].route, rows[i].is_read, "", 0, &fault));
        assert_false(flags.dry_run || flags.as_admin);
    }
}

static void flags__may_come_together(void **state)
{
    static const char query[] = "asAdmin=true&dryRun=true";
    static const char wrong[] = "asAdmin=true&dryRun=maybe";
    struct command_flags flags;
    struct request_fault fault;
    (void)state;
    assert_true(command_flags_parse(&flags, ROUTE_HOLDS, false, query, sizeof(query) - 1, &fault));
    assert_true(flags.dry_run && flags.as_admin);
    assert_false(command_flags_parse(&flags, ROUTE_HOLDS, false, wrong, sizeof(wrong) - 1, &fault));
    assert_string_equal(fault.field, "dryRun");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read__asks_for_the_account_and_has_no_key),
        cmocka_unit_test(transaction__asks_for_a_deposit_or_a_withdrawal),
        cmocka_unit_test(account__is_idempotent_by_its_id),
        cmocka_unit_test(change__asks_for_what_changes),
        cmocka_unit_test(transfer__has_its_key_on_from),
        cmocka_unit_test(posting__has_its_key_on_the_first_leg),
        cmocka_unit_test(hold__and_its_ends_know_their_account),
        cmocka_unit_test(if_match__is_named_when_a_key_comes_again_without),
        cmocka_unit_test(flags__reach_the_command),
        cmocka_unit_test(flags__are_known_to_calls_that_change_something),
        cmocka_unit_test(flags__may_come_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
