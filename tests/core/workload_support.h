/* workload_support.h - random commands of every kind on a few accounts and keys. */
#ifndef TESTS_CORE_WORKLOAD_SUPPORT_H
#define TESTS_CORE_WORKLOAD_SUPPORT_H

#include "shard_support.h"

enum { WORKLOAD_COMMANDS = 30000 };

static inline void random_id(uint64_t *random, char id[FLORIN_ACCOUNT_ID_MAX + 1])
{
    uint64_t number = random_below(random, 150);
    /* Some ids are longer than a slot, some as long as can be. */
    int width = number % 7 == 0 ? 63 : number % 3 == 0 ? 30 : 1;
    snprintf(id, FLORIN_ACCOUNT_ID_MAX + 1, "%c%0*d", 'a' + (int)(number % 26), width, (int)number);
}

static inline void random_posting(uint64_t *random, struct ledger *ledger)
{
    char id[FLORIN_ACCOUNT_ID_MAX + 1];
    char key[32];
    random_id(random, id);
    snprintf(key, sizeof(key), "key-%d", (int)random_below(random, 12));
    const struct account *account = account_of(ledger, id);
    uint64_t version = account == NULL ? 1 : account->version;
    struct florin_command command = posting_make(
        random_below(random, 2) ? FLORIN_DEPOSIT : FLORIN_WITHDRAW, id,
        random_below(random, 3) ? NULL : key, 1 + (int64_t)random_below(random, 5000), 0);
    if (random_below(random, 3) == 0)
        command.expected_version = version + random_below(random, 2);
    command.expected_by_precondition = random_below(random, 2) == 0;
    if (random_below(random, 50) == 0)
        command.amount_minor = INT64_MAX;
    command.amount_is_decimal = random_below(random, 4) == 0;
    command.amount_scale = (uint8_t)random_below(random, 4);
    run(ledger, &command);
}

static inline void random_open(uint64_t *random, struct ledger *ledger)
{
    static const char *const CURRENCIES[] = {"USD", "JPY", "KWD", "CLF"};
    char id[FLORIN_ACCOUNT_ID_MAX + 1];
    char metadata[200];
    random_id(random, id);
    struct florin_command command = open_make(id, (int64_t)random_below(random, 10000));
    memset(metadata, 'm', sizeof(metadata));
    command.currency = CURRENCIES[random_below(random, COUNT_OF(CURRENCIES))];
    command.currency_length = 3;
    command.minimum_balance_minor = -(int64_t)random_below(random, 1000);
    command.metadata = metadata;
    command.metadata_length =
        random_below(random, 2) ? 0 : (size_t)random_below(random, sizeof(metadata));
    run(ledger, &command);
}

/* One command; now and then the group is full. */
static inline void run_random_command(struct ledger *ledger, uint64_t *random)
{
    if (random_below(random, 40) == 0)
        random_open(random, ledger);
    else
        random_posting(random, ledger);
    if (random_below(random, 60) == 0)
        seal(ledger);
}

static inline void run_workload(struct ledger *ledger, uint64_t *random)
{
    for (int i = 0; i < WORKLOAD_COMMANDS; i++)
        run_random_command(ledger, random);
    seal(ledger);
    shard_audit(&ledger->shard);
}

#endif
