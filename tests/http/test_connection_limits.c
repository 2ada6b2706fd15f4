/* test_connection_limits.c - counts of connections, against a plain model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "http/connection_limits.h"

static void limits__hold_in_all_and_by_address(void **state)
{
    struct connection_limits limits;
    (void)state;
    assert_int_equal(connection_limits_init(&limits, 3, 2), 0);
    assert_int_equal(connection_limits_admit(&limits, 7), CONNECTION_ADMITTED);
    assert_int_equal(connection_limits_admit(&limits, 7), CONNECTION_ADMITTED);
    assert_int_equal(connection_limits_admit(&limits, 7), CONNECTION_ADDRESS_IS_FULL);
    assert_true(connection_limits_have_room(&limits));
    assert_int_equal(connection_limits_admit(&limits, 8), CONNECTION_ADMITTED);
    assert_false(connection_limits_have_room(&limits));
    assert_int_equal(connection_limits_admit(&limits, 9), CONNECTION_SERVER_IS_FULL);
    connection_limits_release(&limits, 7);
    assert_int_equal(connection_limits_admit(&limits, 7), CONNECTION_ADMITTED);
    connection_limits_deinit(&limits);
}

static void unix_sockets__count_in_all_only(void **state)
{
    struct connection_limits limits;
    (void)state;
    assert_int_equal(connection_limits_init(&limits, 2, 1), 0);
    assert_int_equal(connection_limits_admit(&limits, 0), CONNECTION_ADMITTED);
    assert_int_equal(connection_limits_admit(&limits, 0), CONNECTION_ADMITTED);
    assert_int_equal(connection_limits_admit(&limits, 0), CONNECTION_SERVER_IS_FULL);
    connection_limits_release(&limits, 0);
    connection_limits_deinit(&limits);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Addresses that collide in the table come and go; the counts stay those of the model. */
static void counts__agree_with_a_model(void **state)
{
    enum { ADDRESSES = 24, STEPS = 200000, TOTAL_MAX = 32, ADDRESS_MAX = 3 };
    struct connection_limits limits;
    unsigned model[ADDRESSES] = {0};
    unsigned total = 0;
    uint64_t seed = 0x5eed;
    (void)state;
    assert_int_equal(connection_limits_init(&limits, TOTAL_MAX, ADDRESS_MAX), 0);
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned which = (unsigned)(next_random(&seed) % ADDRESSES);
        uint64_t address = which * UINT64_C(1000003) + 1;
        if (next_random(&seed) % 2 == 0 && model[which] > 0) {
            connection_limits_release(&limits, address);
            model[which]--;
            total--;
            continue;
        }
        enum connection_admission expected = total == TOTAL_MAX ? CONNECTION_SERVER_IS_FULL
                                             : model[which] == ADDRESS_MAX
                                                 ? CONNECTION_ADDRESS_IS_FULL
                                                 : CONNECTION_ADMITTED;
        assert_int_equal(connection_limits_admit(&limits, address), expected);
        if (expected == CONNECTION_ADMITTED) {
            model[which]++;
            total++;
        }
    }
    connection_limits_deinit(&limits);
}

static uint64_t address_of(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        v4->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        v6->sin6_family = AF_INET6;
    else
        storage.ss_family = AF_UNIX;
    return connection_limits_address((const struct sockaddr *)&storage);
}

static void addresses__are_hosts_or_prefixes(void **state)
{
    (void)state;
    assert_int_not_equal(address_of("127.0.0.1"), address_of("127.0.0.2"));
    assert_int_equal(address_of("2001:db8::1"), address_of("2001:db8::2:3"));
    assert_int_not_equal(address_of("2001:db8::1"), address_of("2001:db8:0:1::1"));
    assert_int_not_equal(address_of("0.0.0.0"), 0);
    assert_int_not_equal(address_of("::1"), 0);
    assert_int_equal(address_of("unix"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits__hold_in_all_and_by_address),
        cmocka_unit_test(unix_sockets__count_in_all_only),
        cmocka_unit_test(counts__agree_with_a_model),
        cmocka_unit_test(addresses__are_hosts_or_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
