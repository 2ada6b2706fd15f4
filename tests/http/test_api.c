/* test_api.c - every row of the API's tables, over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_fixture.h"

static int start(void **state)
{
    static const char *const arguments[] = {"--workers", "2", "--open", "12345:1000.00", NULL};
    struct api *api = calloc(1, sizeof(*api));
    api_start(api, arguments);
    *state = api;
    return 0;
}

static int stop(void **state)
{
    api_stop(*state);
    free(*state);
    return 0;
}

static int call(const struct api *api, const char *method, const char *path, const char *headers,
                const char *body, struct http_response *response)
{
    return http_call(api->server.port, method, path, headers, body, response);
}

static void transaction_id(const struct http_response *response, char id[32])
{
    const char *start_of_id = strstr(response->body, "\"txn");
    assert_non_null(start_of_id);
    assert_int_equal(sscanf(start_of_id, "\"%31[^\"]\"", id), 1);
}

static void balance__has_version_and_tag(void **state)
{
    struct http_response response;
    assert_int_equal(call(*state, "GET", "/accounts/12345/balance", "", NULL, &response), 200);
    api_assert_body(&response, "{\"balance\":1000.00,\"version\":1}");
    api_assert_header(&response, "ETag", "\"1\"");
    api_assert_header(&response, "Content-Type", "application/json");

    assert_int_equal(call(*state, "HEAD", "/accounts/12345/balance", "", NULL, &response), 200);
    api_assert_header(&response, "Content-Length", "31");
    api_assert_header(&response, "ETag", "\"1\"");

    assert_int_equal(
        call(*state, "GET", "/accounts/12345/balance", "Prefer: money=string\r\n", NULL, &response),
        200);
    api_assert_body(&response, "{\"balance\":\"1000.00\",\"version\":1}");
    api_assert_header(&response, "Preference-Applied", "money=string");
}

static void transaction__is_created_in_both_spellings(void **state)
{
    const struct api *api = *state;
    struct http_response response;
    char id[32];
    char expected[256];
    char location[64];
    api_open_account(api, "spell", "300.00");
    assert_int_equal(api_post(api, "spell", NULL,
                              "{\"type\":\"Deposit\",\"amount\":100,\"expectedVersion\":1}",
                              &response),
                     201);
    transaction_id(&response, id);
    snprintf(expected, sizeof(expected),
             "{\"id\":\"%s\",\"type\":\"Deposit\",\"amount\":100.00,\"newBalance\":400.00,"
             "\"newVersion\":2,\"timestamp\":\"",
             id);
    assert_memory_equal(response.body, expected, strlen(expected));
    assert_int_equal(strlen(response.body), strlen(expected) + strlen("2025-05-02T10:24:02Z\"}"));
    snprintf(location, sizeof(location), "/transactions/%s", id);
    api_assert_header(&response, "Location", location);
    api_assert_header(&response, "Idempotency-Replayed", NULL);

    assert_int_equal(api_post(api, "spell", NULL,
                              "{\"typeOfTransaction\":\"withdrawal\","
                              "\"moneyWithdraw/Deposit\":\"0.5\",\"expectedversion\":2}",
                              &response),
                     201);
    api_assert_in_body(&response, "\"type\":\"Withdraw\",\"amount\":0.50,\"newBalance\":399.50,"
                                  "\"newVersion\":3");
    api_assert_balance(api, "spell", "399.50 3");
}

static void withdrawal__beyond_the_balance_is_422(void **state)
{
    const struct api *api = *state;
    struct http_response response;
    api_open_account(api, "poor", "350.00");
    assert_int_equal(
        api_post(api, "poor", NULL, "{\"type\":\"Debit\",\"amount\":350.01}", &response), 422);
    api_assert_body(&response, "{\"error\":\"Insufficient Balance\","
                               "\"code\":\"insufficient_balance\",\"balance\":350.00,"
                               "\"version\":1,\"outcome\":\"rejected\"}");
    api_assert_balance(api, "poor", "350.00 1");
}

static void version__that_is_another_is_409_or_412(void **state)
{
    const struct api *api = *state;
    struct http_response response;
    api_open_account(api, "version", "10.00");
    assert_int_equal(api_post(api, "version", NULL,
                              "{\"type\":\"Credit\",\"amount\":1,\"expectedVersion\":7}",
                              &response),
                     409);
    api_assert_body(&response, "{\"error\":\"Version mismatch\",\"CurrentVersion\":1,"
                               "\"code\":\"version_mismatch\",\"outcome\":\"rejected\"}");
    assert_int_equal(call(api, "POST", "/accounts/version/transactions",
                          API_JSON "If-Match: \"7\"\r\n", "{\"type\":\"Credit\",\"amount\":1}",
                          &response),
                     412);
    api_assert_body(&response, "{\"error\":\"Version mismatch\",\"CurrentVersion\":1,"
                               "\"code\":\"precondition_failed\",\"outcome\":\"rejected\"}");
    assert_int_equal(call(api, "POST", "/accounts/version/transactions",
                          API_JSON "If-Match: \"1\"\r\n", "{\"type\":\"Credit\",\"amount\":1}",
                          &response),
                     201);
    assert_int_equal(call(api, "POST", "/accounts/version/transactions", API_JSON "If-Match: *\r\n",
                          "{\"type\":\"Credit\",\"amount\":1}", &response),
                     201);
    assert_int_equal(call(api, "POST", "/accounts/version/transactions",
                          API_JSON "If-Match: W/\"3\"\r\n", "{\"type\":\"Credit\",\"amount\":1}",
                          &response),
                     400);
    api_assert_in_body(&response, "\"field\":\"If-Match\"");
    assert_int_equal(call(api, "POST", "/accounts/version/transactions",
                          API_JSON "If-Match: \"3\"\r\n",
                          "{\"type\":\"Credit\",\"amount\":1,\"expectedVersion\":2}", &response),
                     400);
    api_assert_in_body(&response, "\"field\":\"If-Match\"");
    api_assert_balance(api, "version", "12.00 3");
}

static void unknown_account__is_404(void **state)
{
    static const char body[] = "{\"error\":\"Account not found\",\"code\":\"account_not_found\","
                               "\"outcome\":\"rejected\"}";
    struct http_response response;
    assert_int_equal(call(*state, "GET", "/accounts/nobody/balance", "", NULL, &response), 404);
    api_assert_body(&response, body);
    assert_int_equal(call(*state, "GET", "/accounts/nobody", "", NULL, &response), 404);
    api_assert_body(&response, body);
    assert_int_equal(
        api_post(*state, "nobody", "k", "{\"type\":\"Credit\",\"amount\":1}", &response), 404);
    api_assert_body(&response, body);
    /* not remembered: the key is free when the account is there */
    api_open_account(*state, "nobody", "0");
    assert_int_equal(
        api_post(*state, "nobody", "k", "{\"type\":\"Credit\",\"amount\":2}", &response), 201);
}

static void invalid_requests__are_400_and_name_the_field(void **state)
{
    static const struct {
        const char *path;
        const char *headers;
        const char *body;
        const char *field;
    } rows[] = {
        {"/accounts/12345/transactions", API_JSON, "", "body"},
        {"/accounts/12345/transactions", API_JSON, "{", "body"},
        {"/accounts/12345/transactions", API_JSON, "{\"type\":\"Credit\",\"amount\":1}}", "body"},
        {"/accounts/12345/transactions", API_JSON, "{\"type\":\"Credit\",\"amount\":\"1.001\"}",
         "amount"},
        {"/accounts/12345/transactions", API_JSON, "{\"type\":\"Credit\",\"amount\":0.001}",
         "amount"},
        {"/accounts/12345/transactions", API_JSON,
         "{\"type\":\"Credit\",\"moneyWithdraw/Deposit\":0.001}", "moneyWithdraw/Deposit"},
        {"/accounts/12345/transactions", API_JSON,
         "{\"type\":\"Credit\",\"amount\":\"99999999999999999999\"}", "amount"},
        {"/accounts/12345/transactions", API_JSON, "{\"type\":\"Credit\",\"amount\":-5}", "amount"},
        {"/accounts/12345/transactions", API_JSON, "{\"type\":\"Credit\",\"amount\":0}", "amount"},
        {"/accounts/12345/transactions", API_JSON, "{\"type\":\"Credit\"}", "amount"},
        {"/accounts/12345/transactions", API_JSON, "{\"amount\":1}", "type"},
        {"/accounts/12345/transactions", API_JSON,
         "{\"type\":\"Credit\",\"amount\":1,\"color\":\"red\"}", "color"},
        {"/accounts/12345/transactions", API_JSON "Idempotency-Key: \"\"\r\n",
         "{\"type\":\"Credit\",\"amount\":1}", "Idempotency-Key"},
        {"/accounts/12345/transactions", API_JSON "Idempotency-Key: a\r\nIdempotency-Key: a\r\n",
         "{\"type\":\"Credit\",\"amount\":1}", "Idempotency-Key"},
        {"/accounts/12345/transactions?dryRun=yes", API_JSON, "{\"type\":\"Credit\",\"amount\":1}",
         "dryRun"},
        {"/accounts/12345/transactions?dryrun=true", API_JSON, "{\"type\":\"Credit\",\"amount\":1}",
         "dryrun"},
        {"/accounts/a%20b/transactions", API_JSON, "{\"type\":\"Credit\",\"amount\":1}",
         "accountId"},
        {"/accounts", API_JSON, "{\"id\":\"a b\"}", "id"},
        {"/accounts", API_JSON, "{\"currency\":\"GOLD\"}", "currency"},
        {"/accounts", API_JSON, "{\"currency\":\"usd\"}", "currency"},
        {"/accounts", API_JSON, "{\"balance\":0.001}", "balance"},
        {"/accounts", API_JSON, "{\"balance\":\"100000000000000000\"}", "balance"},
        {"/accounts", API_JSON, "{\"currency\":\"JPY\",\"balance\":0.5}", "balance"},
        {"/accounts", API_JSON, "{\"minimumBalance\":-0.001}", "minimumBalance"},
        {"/accounts?dryRun=true", API_JSON, "{\"minimumBalance\":-0.001}", "minimumBalance"},
    };
    struct http_response response;
    char field[64];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = call(*state, "POST", rows[i].path, rows[i].headers, rows[i].body, &response);
        snprintf(field, sizeof(field), "\"field\":\"%s\"", rows[i].field);
        if (status != 400 || strstr(response.body, field) == NULL)
            fail_msg("row %zu: %d %s", i, status, response.body);
        api_assert_in_body(&response, "{\"error\":\"");
        api_assert_in_body(&response, "\"code\":\"invalid_request\"");
        api_assert_in_body(&response, "\"outcome\":\"rejected\"");
    }
    assert_int_equal(call(*state, "GET", "/accounts/a%2Fb/balance", "", NULL, &response), 400);
    api_assert_in_body(&response, "\"field\":\"accountId\"");
    assert_int_equal(call(*state, "GET", "/accounts/12345/balance?versions=7", "", NULL, &response),
                     400);
    api_assert_in_body(&response, "\"field\":\"versions\"");
    api_assert_balance(*state, "12345", "1000.00 1");
}

static void wrong_method_type_and_size__have_their_own_status(void **state)
{
    const struct api *api = *state;
    struct http_response response;
    assert_int_equal(call(api, "DELETE", "/accounts/12345", "", NULL, &response), 405);
    api_assert_header(&response, "Allow", "GET, HEAD, PATCH");
    api_assert_in_body(&response, "\"code\":\"method_not_allowed\"");
    api_assert_in_body(&response, "\"outcome\":\"rejected\"");
    assert_int_equal(call(api, "PUT", "/accounts/12345/transactions", "", NULL, &response), 405);
    api_assert_header(&response, "Allow", "GET, HEAD, POST");
    assert_int_equal(call(api, "GET", "/withdraw", "", NULL, &response), 405);
    api_assert_header(&response, "Allow", "POST");
    api_assert_body(&response, "{\"error\":\"Invalid request\"}");

    assert_int_equal(
        call(api, "POST", "/accounts", "Content-Type: text/plain\r\n", "{\"id\":\"x\"}", &response),
        415);
    api_assert_body(&response, "{\"error\":\"The body must be application/json in UTF-8\","
                               "\"code\":\"unsupported_media_type\","
                               "\"supported\":\"application/json\",\"outcome\":\"rejected\"}");
    /* a body without a type is taken for JSON */
    assert_int_equal(call(api, "POST", "/accounts", "", "{\"id\":\"typeless\"}", &response), 201);

    assert_int_equal(call(api, "GET", "/", "", NULL, &response), 404);
    api_assert_body(&response,
                    "{\"error\":\"Not found\",\"code\":\"not_found\",\"outcome\":\"rejected\"}");
}

static void body__beyond_the_limit_is_413(void **state)
{
    const struct api *api = *state;
    struct http_client client;
    struct http_response response;
    static const char expected[] = "{\"error\":\"The body is too large\","
                                   "\"code\":\"payload_too_large\",\"limit\":65536,"
                                   "\"outcome\":\"rejected\"}";
    /* by one byte: read and refused; the connection goes on */
    char *spaces = malloc(65538);
    memset(spaces, ' ', 65537);
    spaces[65537] = '\0';
    http_client_open(&client, api->server.port);
    static const char slightly[] =
        "POST /accounts HTTP/1.1\r\nHost: test\r\nContent-Length: 65537\r\n\r\n";
    assert_true(http_client_send(&client, slightly, strlen(slightly)));
    assert_true(http_client_send(&client, spaces, 65537));
    assert_true(http_client_receive(&client, &response, false));
    assert_int_equal(response.status, 413);
    api_assert_body(&response, expected);
    assert_true(http_client_request(&client, "GET", "/healthz", "", NULL));
    assert_true(http_client_receive(&client, &response, false));
    assert_int_equal(response.status, 200);
    /* at the limit: read and judged */
    static const char exactly[] =
        "POST /accounts HTTP/1.1\r\nHost: test\r\nContent-Length: 65536\r\n\r\n";
    assert_true(http_client_send(&client, exactly, strlen(exactly)));
    assert_true(http_client_send(&client, spaces, 65536));
    assert_true(http_client_receive(&client, &response, false));
    assert_int_equal(response.status, 400);
    http_client_close(&client);
    free(spaces);
    /* by far: refused at its header, and closed */
    http_client_open(&client, api->server.port);
    static const char far[] =
        "POST /accounts HTTP/1.1\r\nHost: test\r\nContent-Length: 100000000\r\n\r\n";
    assert_true(http_client_send(&client, far, strlen(far)));
    assert_true(http_client_receive(&client, &response, false));
    assert_int_equal(response.status, 413);
    api_assert_body(&response, expected);
    api_assert_header(&response, "Connection", "close");
    assert_true(http_client_is_closed(&client));
    http_client_close(&client);
}

static void problem__is_sent_to_who_accepts_it(void **state)
{
    struct http_response response;
    assert_int_equal(call(*state, "GET", "/accounts/nobody-here/balance",
                          "Accept: application/problem+json\r\n", NULL, &response),
                     404);
    api_assert_header(&response, "Content-Type", "application/problem+json");
    api_assert_body(&response, "{\"type\":\"urn:florin:problem:account_not_found\","
                               "\"title\":\"Account not found\",\"status\":404,"
                               "\"detail\":\"Account not found\",\"error\":\"Account not found\","
                               "\"code\":\"account_not_found\",\"outcome\":\"rejected\"}");
    assert_int_equal(call(*state, "GET", "/accounts/12345/balance",
                          "Accept: application/problem+json\r\n", NULL, &response),
                     200);
    api_assert_header(&response, "Content-Type", "application/json");
}

static void account__is_opened_once(void **state)
{
    static const char body[] = "{\"id\":\"alice\",\"currency\":\"EUR\",\"balance\":\"10.00\","
                               "\"minimumBalance\":\"-50.00\",\"metadata\":{\"owner\":\"Alice\"}}";
    const struct api *api = *state;
    struct http_response response;
    struct http_response shown;
    assert_int_equal(call(api, "POST", "/accounts", API_JSON, body, &response), 201);
    api_assert_header(&response, "Location", "/accounts/alice");
    api_assert_in_body(&response,
                       "{\"id\":\"alice\",\"currency\":\"EUR\",\"balance\":10.00,\"held\":0.00,"
                       "\"available\":10.00,\"version\":1,\"minimumBalance\":-50.00,"
                       "\"status\":\"open\",\"createdAt\":\"");
    api_assert_in_body(&response, "\"metadata\":{\"owner\":\"Alice\"}}");
    assert_int_equal(call(api, "GET", "/accounts/alice", "", NULL, &shown), 200);
    assert_string_equal(shown.body, response.body);
    api_assert_header(&shown, "ETag", "\"1\"");

    assert_int_equal(call(api, "POST", "/accounts", API_JSON, body, &response), 200);
    assert_string_equal(shown.body, response.body);
    assert_int_equal(call(api, "POST", "/accounts", API_JSON, "{\"id\":\"alice\"}", &response),
                     409);
    api_assert_body(&response, "{\"error\":\"An account of this id exists with other content\","
                               "\"code\":\"account_exists\",\"outcome\":\"rejected\"}");
    /* down to the minimum, and not below */
    assert_int_equal(api_post(api, "alice", NULL, "{\"type\":\"Debit\",\"amount\":60}", &response),
                     201);
    assert_int_equal(
        api_post(api, "alice", NULL, "{\"type\":\"Debit\",\"amount\":0.01}", &response), 422);
    api_assert_balance(api, "alice", "-50.00 2");
}

static void account__without_id_gets_one(void **state)
{
    struct http_response first;
    struct http_response again;
    static const char headers[] = API_JSON "Idempotency-Key: open-1\r\n";
    assert_int_equal(call(*state, "POST", "/accounts", headers, "{}", &first), 201);
    assert_int_equal(call(*state, "POST", "/accounts", headers, "{}", &again), 200);
    assert_string_equal(first.body, again.body);
    assert_int_equal(call(*state, "POST", "/accounts", API_JSON, "{}", &first), 201);
    assert_int_equal(call(*state, "POST", "/accounts", API_JSON, "{}", &again), 201);
    assert_string_not_equal(first.body, again.body);
}

static void withdraw__is_the_seeds(void **state)
{
    const struct api *api = *state;
    struct http_response response;
    api_open_account(api, "seed", "1000.00");
    assert_int_equal(call(api, "POST", "/withdraw", API_JSON,
                          "{\"account_id\":\"seed\",\"amount\":200}", &response),
                     200);
    api_assert_body(&response, "{\"account_id\":\"seed\",\"message\":\"Withdrawal successful\","
                               "\"new_balance\":\"$800.00\"}");
    assert_int_equal(call(api, "POST", "/withdraw", API_JSON,
                          "{\"account_id\":\"seed\",\"amount\":800.01}", &response),
                     400);
    api_assert_body(&response, "{\"account_id\":\"seed\",\"error\":\"Insufficient funds\"}");
    assert_int_equal(call(api, "POST", "/withdraw", API_JSON,
                          "{\"account_id\":\"seedless\",\"amount\":1}", &response),
                     404);
    api_assert_body(&response, "{\"error\":\"Account not found\"}");

    static const char *const wrong[] = {"",
                                        "{}",
                                        "{\"account_id\":\"seed\"}",
                                        "{\"amount\":1}",
                                        "{\"account_id\":\"seed\",\"amount\":0}",
                                        "{\"account_id\":\"seed\",\"amount\":-1}",
                                        "{\"account_id\":\"seed\",\"amount\":\"x\"}",
                                        "{\"account_id\":\"seed\",\"amount\":0.001}",
                                        "{\"account_id\":7,\"amount\":1}",
                                        "{\"account_id\":\"seed\",\"amount\":1,\"more\":1}",
                                        "{\"account_id\":\"seed\",\"amount\":1"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(call(api, "POST", "/withdraw", API_JSON, wrong[i], &response), 400);
        api_assert_body(&response, "{\"error\":\"Invalid request\"}");
    }
    api_assert_balance(api, "seed", "800.00 2");
}

static void operators__see_health_readiness_and_figures(void **state)
{
    struct http_response response;
    assert_int_equal(call(*state, "GET", "/healthz", "", NULL, &response), 200);
    api_assert_body(&response, "{\"status\":\"ok\"}");
    assert_int_equal(call(*state, "GET", "/readyz", "", NULL, &response), 200);
    api_assert_body(&response, "{\"status\":\"ready\"}");
    static const char *const names[] = {
        "florin_http_requests_total{route=\"healthz\",status=\"200\"} ",
        "florin_transactions_total{type=\"open\"} ",
        "florin_refusals_total{code=\"account_not_found\"} ",
        "florin_group_records_bucket{le=\"1\"} ",
        "florin_group_records_bucket{le=\"+Inf\"} ",
        "florin_commit_seconds_sum ",
        "florin_log_bytes_total ",
        "florin_accounts ",
        "florin_keys ",
        "florin_connections ",
        "florin_hops_total ",
        "florin_durable_lsn ",
        "florin_replays_total ",
        "florin_build_info{version=\"",
        "florin_keys_held ",
        "florin_checkpoints_completed_total ",
        "florin_checkpoints_failed_total ",
        "florin_checkpoint_running ",
        "florin_checkpoint_lsn ",
        "florin_checkpoint_timestamp_seconds ",
        "florin_checkpoint_bytes ",
        "florin_checkpoint_seconds ",
        "florin_log_bytes_since_checkpoint ",
        "florin_log_segments_removed_total ",
        "florin_background_errno ",
        "florin_key_files ",
        "florin_key_file_bytes ",
        "florin_key_file_keys ",
        "florin_key_filter_bytes ",
        "florin_key_merges_total ",
        "florin_lookups_total{kind=\"record\"} ",
        "florin_lookups_total{kind=\"files\"} ",
        "florin_lookups_in_vain_total ",
        "florin_history_queries_total ",
        "florin_history_reads_total ",
        "florin_history_failures_total ",
        "florin_worker_pause_seconds_bucket{le=\"0.000002\"} ",
        "florin_worker_pause_seconds_bucket{le=\"+Inf\"} ",
        "florin_worker_pause_seconds_sum ",
        "florin_worker_pause_seconds_max ",
        "florin_worker_pause_cpu_seconds_max ",
        "florin_backups_completed_total ",
        "florin_backups_failed_total ",
        "florin_backup_bytes_total ",
    };
    assert_int_equal(call(*state, "GET", "/accounts/no-such-one", "", NULL, &response), 404);
    assert_int_equal(call(*state, "GET", "/metrics", "", NULL, &response), 200);
    api_assert_header(&response, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        api_assert_in_body(&response, names[i]);
}

/* The tables keep some room above the number that was asked for, because accounts do not spread
 * evenly over workers. */
static void full_tables__are_507_and_the_rest_goes_on(void **state)
{
    enum { TRIES = 400, RETRIES_MAX = 100000 };
    static const char *const arguments[] = {
        "--workers", "1", "--accounts-max", "1", "--keys-memory", "1", NULL};
    struct api *api = calloc(1, sizeof(*api));
    struct http_response response;
    char text[64];
    int status = 201;
    (void)state;
    api_start(api, arguments);
    for (unsigned i = 0; i < TRIES && status == 201; i++) {
        snprintf(text, sizeof(text), "{\"id\":\"full%u\"}", i);
        status = call(api, "POST", "/accounts", API_JSON, text, &response);
    }
    assert_int_equal(status, 507);
    api_assert_body(&response, "{\"error\":\"No room for another account\","
                               "\"code\":\"accounts_full\",\"outcome\":\"not_applied\"}");
    /* Keys move to files: when memory is full, the next one has to wait a moment at most. */
    for (unsigned i = 0; i < TRIES; i++) {
        snprintf(text, sizeof(text), "key%u", i);
        for (unsigned again = 0; again < RETRIES_MAX; again++) {
            status = api_post(api, "full0", text, "{\"type\":\"Credit\",\"amount\":1}", &response);
            if (status == 201)
                break;
            assert_int_equal(status, 507);
            api_assert_body(&response, "{\"error\":\"No room for another idempotency key\","
                                       "\"code\":\"keys_full\",\"outcome\":\"not_applied\"}");
        }
        assert_int_equal(status, 201);
    }
    assert_int_equal(api_post(api, "full0", NULL, "{\"type\":\"Credit\",\"amount\":1}", &response),
                     201);
    /* a known key still gets its answer */
    assert_int_equal(
        api_post(api, "full0", "key0", "{\"type\":\"Credit\",\"amount\":1}", &response), 201);
    api_assert_header(&response, "Idempotency-Replayed", "true");
    api_stop(api);
    free(api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(balance__has_version_and_tag),
        cmocka_unit_test(transaction__is_created_in_both_spellings),
        cmocka_unit_test(withdrawal__beyond_the_balance_is_422),
        cmocka_unit_test(version__that_is_another_is_409_or_412),
        cmocka_unit_test(unknown_account__is_404),
        cmocka_unit_test(invalid_requests__are_400_and_name_the_field),
        cmocka_unit_test(wrong_method_type_and_size__have_their_own_status),
        cmocka_unit_test(body__beyond_the_limit_is_413),
        cmocka_unit_test(problem__is_sent_to_who_accepts_it),
        cmocka_unit_test(account__is_opened_once),
        cmocka_unit_test(account__without_id_gets_one),
        cmocka_unit_test(withdraw__is_the_seeds),
        cmocka_unit_test(full_tables__are_507_and_the_rest_goes_on),
        cmocka_unit_test(operators__see_health_readiness_and_figures),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
