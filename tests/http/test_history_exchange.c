/* test_history_exchange.c - answers about the past, as clients get them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/history_exchange.h"

static const struct answer_style plain = {0};

static void what_cannot_be_shown__has_its_status_and_code(void **state)
{
    static const struct {
        struct history_answer found;
        int status;
        enum error_code code;
    } rows[] = {
        {{.kind = HISTORY_PAGE, .status = HISTORY_GONE}, 410, ERROR_HISTORY_GONE},
        {{.kind = HISTORY_TRANSACTION, .status = HISTORY_GONE}, 410, ERROR_HISTORY_GONE},
        {{.kind = HISTORY_BALANCE_AT_TIME, .status = HISTORY_GONE}, 410, ERROR_HISTORY_GONE},
        {{.kind = HISTORY_PAGE, .status = HISTORY_NOT_FOUND}, 404, ERROR_TRANSACTION_NOT_FOUND},
        {{.kind = HISTORY_TRANSACTION, .status = HISTORY_NOT_FOUND},
         404,
         ERROR_TRANSACTION_NOT_FOUND},
        {{.kind = HISTORY_BALANCE_AT_VERSION, .status = HISTORY_NOT_FOUND},
         404,
         ERROR_VERSION_NOT_FOUND},
        {{.kind = HISTORY_BALANCE_AT_TIME, .status = HISTORY_NOT_YET_OPEN},
         404,
         ERROR_NOT_YET_OPEN},
        {{.kind = HISTORY_PAGE, .status = HISTORY_FAILED, .error = -EBADMSG},
         503,
         ERROR_HISTORY_FAILED},
        {{.kind = HISTORY_PAGE, .status = HISTORY_FAILED, .error = -ESHUTDOWN},
         503,
         ERROR_STOPPING},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer;
        void *memory;
        history_exchange_write(&answer, &rows[i].found, NULL, &plain, &memory);
        assert_int_equal(answer.status, rows[i].status);
        assert_int_equal(answer.code, rows[i].code);
        assert_null(memory);
    }
}

static void assert_written(const struct history_answer *found, const struct answer_style *style,
                           const char *expected)
{
    struct answer answer;
    void *memory;
    history_exchange_write(&answer, found, NULL, style, &memory);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.money_as_string, style->money_as_string);
    assert_int_equal(answer.body.length, strlen(expected));
    assert_memory_equal(answer.body.bytes, expected, answer.body.length);
    free(memory);
}

static void answers__are_json(void **state)
{
    static const struct answer_style strings = {.money_as_string = true};
    const struct history_answer balance = {
        .kind = HISTORY_BALANCE_AT_VERSION,
        .version = 7,
        .balance_minor = 35000,
        .exponent = 2,
        .time_ns = UINT64_C(1746181442) * 1000000000,
    };
    struct history_answer page = {.kind = HISTORY_PAGE};
    (void)state;
    assert_written(&balance, &plain,
                   "{\"balance\":350.00,\"version\":7,\"timestamp\":\"2025-05-02T10:24:02Z\"}");
    assert_written(&balance, &strings,
                   "{\"balance\":\"350.00\",\"version\":7,\"timestamp\":\"2025-05-02T10:24:02Z\"}");
    assert_written(&page, &plain, "{\"transactions\":[],\"next\":null}");
    page.next_lsn = 77;
    assert_written(&page, &plain, "{\"transactions\":[],\"next\":\"txn77\"}");
}

/* The largest texts, each byte of which takes six in JSON. */
static void largest_records__fit(void **state)
{
    static _Alignas(8) uint8_t bytes[HISTORY_PAGE_BYTES];
    char id[FLORIN_ACCOUNT_ID_MAX];
    char key[FLORIN_KEY_MAX];
    struct record record = {
        .kind = FLORIN_DEPOSIT,
        .time_ns = 1,
        .version = UINT64_MAX / 2,
        .balance_minor = INT64_MAX,
        .amount_minor = INT64_MAX,
        .previous_lsn = 1,
        .id = id,
        .id_length = sizeof(id),
        .key = key,
        .key_length = FLORIN_KEY_MAX,
    };
    struct history_answer page = {.kind = HISTORY_PAGE, .bytes = bytes, .next_lsn = RECORD_LSN_MAX};
    (void)state;
    memset(id, 'a', sizeof(id));
    memset(key, 1, sizeof(key));
    for (size_t used = 0; used + 8 + record_size(&record) <= sizeof(bytes);) {
        memset(bytes + used, 0x7f, 4); /* an LSN */
        used += 8 + record_encode(&record, bytes + used + 8);
        page.record_count++;
    }
    assert_true(page.record_count > 100);
    struct answer answer;
    void *memory;
    history_exchange_write(&answer, &page, NULL, &plain,
                           &memory); /* asserts that it is not truncated */
    assert_int_equal(answer.status, 200);
    assert_true(answer.body.length > (size_t)page.record_count * 6 * FLORIN_KEY_MAX);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_shown__has_its_status_and_code),
        cmocka_unit_test(answers__are_json),
        cmocka_unit_test(largest_records__fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
