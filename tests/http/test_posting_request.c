/* test_posting_request.c - bodies of postings: legs, their bounds, and which one is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "http/posting_request.h"

#define LEG(account, type) "{\"account\":\"" account "\",\"type\":\"" type "\",\"amount\":1}"
#define LEGS(more)         "{\"legs\":[" LEG("a", "Debit") "," LEG("b", "Credit") more "]}"

static bool parse(const char *body, const char *if_match, struct posting_request *request,
                  struct request_fault *fault)
{
    struct request_headers headers;
    request_headers_init(&headers);
    if (if_match != NULL)
        request_headers_add(&headers, "if-match", 8, if_match, strlen(if_match));
    return posting_request_parse(request, body, strlen(body), &headers, fault);
}

static void posting__has_its_legs_in_order(void **state)
{
    struct posting_request request;
    struct request_fault fault;
    (void)state;
    assert_true(
        parse("{\"legs\":[{\"account\":\"alice\",\"type\":\"withdrawal\",\"amount\":\"10.00\","
              "\"expectedVersion\":7,\"expectedBalanceAtLeast\":-0.5},"
              "{\"account\":\"shop\",\"type\":\"CREDIT\",\"amount\":9.7},"
              "{\"account\":\"alice\",\"type\":\"Deposit\",\"amount\":0.3}]}",
              NULL, &request, &fault));
    assert_int_equal(request.leg_count, 3);
    const struct florin_leg *leg = &request.legs[0];
    assert_int_equal(leg->account_length, 5);
    assert_memory_equal(leg->account, "alice", 5);
    assert_int_equal(leg->direction, FLORIN_DEBIT);
    assert_int_equal(leg->amount_minor, 10);
    assert_int_equal(leg->amount_scale, 0);
    assert_int_equal(leg->expected_version, 7);
    assert_true(leg->has_expected_balance);
    assert_int_equal(leg->expected_balance_minor, -5);
    assert_int_equal(leg->expected_balance_scale, 1);
    leg = &request.legs[1];
    assert_memory_equal(leg->account, "shop", 4);
    assert_int_equal(leg->direction, FLORIN_CREDIT);
    assert_int_equal(leg->amount_minor, 97);
    assert_int_equal(leg->amount_scale, 1);
    assert_int_equal(leg->expected_version, 0);
    assert_false(leg->has_expected_balance);
    assert_int_equal(request.legs[2].direction, FLORIN_CREDIT);
}

static void posting__names_the_field_that_is_wrong(void **state)
{
    static const struct {
        const char *body;
        const char *field;
    } rows[] = {
        {"", "body"},
        {"[]", "body"},
        {"{}", "legs"},
        {"{\"legs\":null}", "legs"},
        {"{\"legs\":{}}", "legs"},
        {"{\"legs\":\"two\"}", "legs"},
        {"{\"legs\":[]}", "legs"},
        {"{\"legs\":[" LEG("a", "Debit") "]}", "legs"},
        {"{\"legs\":[1,2]}", "legs[0]"},
        {LEGS(",null"), "legs[2]"},
        {LEGS(",[]"), "legs[2]"},
        {LEGS(",{}"), "legs[2].account"},
        {LEGS(",{\"account\":\"c\"}"), "legs[2].type"},
        {LEGS(",{\"account\":\"c\",\"type\":\"Debit\"}"), "legs[2].amount"},
        {LEGS(",{\"account\":7,\"type\":\"Debit\",\"amount\":1}"), "legs[2].account"},
        {LEGS(",{\"account\":\"c d\",\"type\":\"Debit\",\"amount\":1}"), "legs[2].account"},
        {LEGS(",{\"account\":\"c\",\"type\":1,\"amount\":1}"), "legs[2].type"},
        {LEGS("," LEG("c", "Transfer")), "legs[2].type"},
        {LEGS(",{\"account\":\"c\",\"type\":\"Debit\",\"amount\":0}"), "legs[2].amount"},
        {LEGS(",{\"account\":\"c\",\"type\":\"Debit\",\"amount\":-1}"), "legs[2].amount"},
        {LEGS(",{\"account\":\"c\",\"type\":\"Debit\",\"amount\":\"x\"}"), "legs[2].amount"},
        {LEGS(",{\"account\":\"c\",\"type\":\"Debit\",\"amount\":1,\"amount\":1}"),
         "legs[2].amount"},
        {LEGS(",{\"account\":\"c\",\"type\":\"Debit\",\"amount\":1,\"note\":1}"), "legs[2].note"},
        {LEGS(",{\"account\":\"c\",\"type\":\"Debit\",\"amount\":1,\"expectedVersion\":0}"),
         "legs[2].expectedVersion"},
        {LEGS(",{\"account\":\"c\",\"type\":\"Debit\",\"amount\":1,"
              "\"expectedBalanceAtLeast\":false}"),
         "legs[2].expectedBalanceAtLeast"},
        {"{\"legs\":[],\"legs\":[]}", "legs"},
        {"{\"legs\":[" LEG("a", "Debit") "," LEG("b", "Credit") "],\"memo\":1}", "memo"},
        {"{\"legs\":[{\"account\":\"a\",}]}", "legs"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct posting_request request;
        struct request_fault fault;
        if (parse(rows[i].body, NULL, &request, &fault))
            fail_msg("accepted: %s", rows[i].body);
        if (strcmp(fault.field, rows[i].field) != 0)
            fail_msg("%s: field %s (%s)", rows[i].body, fault.field, fault.message);
    }
}

/* A body of so many legs of one unit each, on accounts of the longest name. */
static void write_legs(char *body, size_t capacity, unsigned count)
{
    size_t length = (size_t)snprintf(body, capacity, "{\"legs\":[");
    for (unsigned i = 0; i < count; i++)
        length += (size_t)snprintf(body + length, capacity - length,
                                   "%s{\"account\":\"%064u\",\"type\":\"%s\",\"amount\":1}",
                                   i == 0 ? "" : ",", i, i % 2 == 0 ? "Debit" : "Credit");
    length += (size_t)snprintf(body + length, capacity - length, "]}");
    assert_true(length < capacity);
}

static void posting__has_two_to_64_legs(void **state)
{
    static char body[16384];
    struct posting_request request;
    struct request_fault fault;
    (void)state;
    assert_true(parse(LEGS(""), NULL, &request, &fault));
    assert_int_equal(request.leg_count, 2);
    write_legs(body, sizeof(body), FLORIN_LEGS_MAX);
    assert_true(parse(body, NULL, &request, &fault));
    assert_int_equal(request.leg_count, FLORIN_LEGS_MAX);
    assert_int_equal(request.legs[63].account_length, FLORIN_ACCOUNT_ID_MAX);
    assert_memory_equal(request.legs[63].account + 62, "63", 2);
    write_legs(body, sizeof(body), FLORIN_LEGS_MAX + 1);
    assert_false(parse(body, NULL, &request, &fault));
    assert_string_equal(fault.field, "legs");
}

static void if_match__names_no_account_here(void **state)
{
    struct posting_request request;
    struct request_fault fault;
    (void)state;
    assert_true(parse(LEGS(""), "*", &request, &fault));
    assert_false(parse(LEGS(""), "\"7\"", &request, &fault));
    assert_string_equal(fault.field, "If-Match");
}

static void long_names__are_cut_where_a_character_ends(void **state)
{
    char body[512];
    char name[REQUEST_FIELD_MAX + 1];
    struct posting_request request;
    struct request_fault fault;
    (void)state;
    /* two bytes each: a cut at an odd place would leave half of one */
    for (size_t i = 0; i + 1 < sizeof(name); i += 2)
        memcpy(name + i, "\xc3\xa9", 2);
    name[REQUEST_FIELD_MAX] = '\0';
    snprintf(body, sizeof(body), "{\"legs\":[{\"%s\":1},{}]}", name);
    assert_false(parse(body, NULL, &request, &fault));
    assert_memory_equal(fault.field, "legs[0].\xc3\xa9", 10);
    assert_int_equal(strlen(fault.field) % 2, 0);
    assert_int_equal((unsigned char)fault.field[strlen(fault.field) - 1], 0xa9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posting__has_its_legs_in_order),
        cmocka_unit_test(posting__names_the_field_that_is_wrong),
        cmocka_unit_test(posting__has_two_to_64_legs),
        cmocka_unit_test(if_match__names_no_account_here),
        cmocka_unit_test(long_names__are_cut_where_a_character_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
