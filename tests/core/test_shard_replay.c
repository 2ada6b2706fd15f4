/* Replay: the log of a shard gives the shard again, and what does not follow is refused. */
#include "shard_support.h"

enum { WORKLOAD_COMMANDS = 30000, SHARDS = 3 };

/* --- a random workload ------------------------------------------------------------------- */

static void random_id(uint64_t *random, char id[FLORIN_ACCOUNT_ID_MAX + 1])
{
    uint64_t number = random_below(random, 150);
    /* Some ids are longer than a slot, some as long as can be. */
    int width = number % 7 == 0 ? 63 : number % 3 == 0 ? 30 : 1;
    snprintf(id, FLORIN_ACCOUNT_ID_MAX + 1, "%c%0*d", 'a' + (int)(number % 26), width, (int)number);
}

static void random_posting(uint64_t *random, struct ledger *ledger)
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

static void random_open(uint64_t *random, struct ledger *ledger)
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

static void run_workload(struct ledger *ledger, uint64_t *random)
{
    for (int i = 0; i < WORKLOAD_COMMANDS; i++) {
        if (random_below(random, 40) == 0)
            random_open(random, ledger);
        else
            random_posting(random, ledger);
        if (random_below(random, 60) == 0)
            seal(ledger);
    }
    seal(ledger);
    shard_audit(&ledger->shard);
}

/* Every kind of record was written: the workload is worth its name. */
static void check_variety(const struct ledger *ledger)
{
    int seen[256] = {0};
    struct record record;
    for (size_t at = 0; at < ledger->log_bytes;) {
        size_t size = record_decode(ledger->log + at, ledger->log_bytes - at, &record);
        assert_int_not_equal(size, 0);
        seen[record.status]++;
        seen[200 + record.kind]++;
        at += size;
    }
    assert_true(seen[FLORIN_APPLIED] > 1000);
    assert_true(seen[FLORIN_VERSION_MISMATCH] > 10);
    assert_true(seen[FLORIN_PRECONDITION_FAILED] > 10);
    assert_true(seen[FLORIN_INSUFFICIENT_BALANCE] > 10);
    assert_true(seen[FLORIN_BALANCE_OVERFLOW] > 10);
    assert_true(seen[200 + FLORIN_OPEN_ACCOUNT] > 100);
}

/* Replays `length` bytes of a log into shards by hash; returns how many records it met. */
static uint64_t replay_into(struct ledger *shards[], size_t shard_count, const uint8_t *log,
                            size_t length, enum shard_replay expected)
{
    uint64_t lsn = 0;
    for (size_t at = 0; at < length;) {
        struct record record;
        size_t size = record_decode(log + at, length - at, &record);
        assert_int_not_equal(size, 0);
        uint64_t hash = hash_account(&shards[0]->secret, record.id, record.id_length);
        struct ledger *ledger = shards[(hash & UINT32_MAX) % shard_count];
        enum shard_replay replay = shard_replay(&ledger->shard, &record, hash, ++lsn);
        if (replay != expected)
            fail_msg("record %llu: %s", (unsigned long long)lsn, shard_replay_text(replay));
        at += size;
    }
    return lsn;
}

static void replay__gives_the_digest_of_the_living(void **state)
{
    struct ledger *live = *state;
    struct ledger *again = ledger_create();
    uint64_t random = seed_choose();
    run_workload(live, &random);
    check_variety(live);

    uint64_t records = replay_into(&again, 1, live->log, live->log_bytes, SHARD_REPLAY_APPLIED);
    assert_int_equal(records, live->next_lsn - 1);
    assert_int_equal(shard_digest(&again->shard), shard_digest(&live->shard));
    assert_int_equal(again->shard.last_time_ns, live->shard.last_time_ns);
    shard_audit(&again->shard);

    /* Once more changes nothing. */
    replay_into(&again, 1, live->log, live->log_bytes, SHARD_REPLAY_OLDER);
    assert_int_equal(shard_digest(&again->shard), shard_digest(&live->shard));

    /* And both go on alike: the same keys are known, the same answers given. */
    again->now_ns = live->now_ns;
    again->next_lsn = live->next_lsn;
    uint64_t random_again = random;
    live->log_bytes = 0;
    run_workload(live, &random);
    run_workload(again, &random_again);
    assert_int_equal(shard_digest(&again->shard), shard_digest(&live->shard));
    assert_int_equal(again->log_bytes, live->log_bytes);
    assert_memory_equal(again->log, live->log, live->log_bytes);
    ledger_destroy(again);
}

static void replay__into_more_shards_gives_the_same_sum(void **state)
{
    struct ledger *live = *state;
    struct ledger *shards[SHARDS];
    uint64_t random = seed_choose() + 1;
    uint64_t sum = 0;
    run_workload(live, &random);
    for (size_t i = 0; i < SHARDS; i++)
        shards[i] = ledger_create();
    replay_into(shards, SHARDS, live->log, live->log_bytes, SHARD_REPLAY_APPLIED);
    for (size_t i = 0; i < SHARDS; i++) {
        assert_true(shards[i]->shard.accounts.count > 0);
        shard_audit(&shards[i]->shard);
        sum += shard_digest(&shards[i]->shard);
        ledger_destroy(shards[i]);
    }
    assert_int_equal(sum, shard_digest(&live->shard));
}

/* --- what does not follow ---------------------------------------------------------------- */

static enum shard_replay replay_one(struct ledger *ledger, const struct record *record,
                                    uint64_t lsn)
{
    uint64_t hash = hash_account(&ledger->secret, record->id, record->id_length);
    return shard_replay(&ledger->shard, record, hash, lsn);
}

static struct record deposit_record(void)
{
    return (struct record){
        .kind = FLORIN_DEPOSIT,
        .time_ns = 9,
        .version = 2,
        .balance_minor = 110,
        .amount_minor = 10,
        .previous_lsn = 1,
        .id = "alice",
        .id_length = 5,
        .key = "k",
        .key_length = 1,
    };
}

static struct record open_record(void)
{
    return (struct record){
        .kind = FLORIN_OPEN_ACCOUNT,
        .time_ns = 5,
        .version = 1,
        .balance_minor = 100,
        .amount_minor = 100,
        .id = "alice",
        .id_length = 5,
        .currency = "USD",
        .exponent = 2,
    };
}

/* The record is refused so, and leaves the shard as it was. */
static void check_refused(struct ledger *ledger, const struct record *record, uint64_t lsn,
                          enum shard_replay expected)
{
    uint64_t digest = shard_digest(&ledger->shard);
    assert_int_equal(replay_one(ledger, record, lsn), expected);
    assert_int_equal(shard_digest(&ledger->shard), digest);
}

static void records__that_do_not_follow_are_refused_by_name(void **state)
{
    struct ledger *ledger = *state;
    struct record open = open_record();
    struct record record = deposit_record();
    check_refused(ledger, &record, 1, SHARD_REPLAY_UNKNOWN_ACCOUNT);
    open.previous_lsn = 1;
    check_refused(ledger, &open, 2, SHARD_REPLAY_PREVIOUS_WRONG);
    open.previous_lsn = 0;
    assert_int_equal(replay_one(ledger, &open, 1), SHARD_REPLAY_APPLIED);
    check_refused(ledger, &open, 1, SHARD_REPLAY_OLDER);
    check_refused(ledger, &open, 2, SHARD_REPLAY_ACCOUNT_TWICE);
    check_refused(ledger, &record, 1, SHARD_REPLAY_OLDER);

    record.previous_lsn = 0;
    check_refused(ledger, &record, 2, SHARD_REPLAY_PREVIOUS_WRONG);
    record = deposit_record();
    record.version = 3;
    check_refused(ledger, &record, 2, SHARD_REPLAY_VERSION_GAP);
    record.version = 1;
    check_refused(ledger, &record, 2, SHARD_REPLAY_VERSION_GAP);
    record = deposit_record();
    record.balance_minor = 111;
    check_refused(ledger, &record, 2, SHARD_REPLAY_BALANCE_WRONG);
    record.amount_minor = INT64_MAX;
    check_refused(ledger, &record, 2, SHARD_REPLAY_BALANCE_WRONG);
    record = deposit_record();
    record.kind = FLORIN_WITHDRAW;
    check_refused(ledger, &record, 2, SHARD_REPLAY_BALANCE_WRONG);
    record.amount_minor = 101;
    record.balance_minor = -1;
    check_refused(ledger, &record, 2, SHARD_REPLAY_BALANCE_WRONG);

    record = deposit_record();
    record.status = FLORIN_BALANCE_OVERFLOW;
    check_refused(ledger, &record, 2, SHARD_REPLAY_VERSION_GAP);
    record.version = 1;
    check_refused(ledger, &record, 2, SHARD_REPLAY_BALANCE_WRONG);
    record.balance_minor = 100;
    assert_int_equal(replay_one(ledger, &record, 2), SHARD_REPLAY_APPLIED);

    /* The key is taken now, by the refusal. */
    record = deposit_record();
    record.previous_lsn = 2;
    check_refused(ledger, &record, 3, SHARD_REPLAY_KEY_TWICE);
    record.key = "other";
    record.key_length = 5;
    assert_int_equal(replay_one(ledger, &record, 3), SHARD_REPLAY_APPLIED);
    shard_audit(&ledger->shard);
}

static void more_than_fits__is_refused_by_name(void **state)
{
    struct ledger *ledger = *state;
    uint64_t lsn = 0;
    char id[16];
    for (int i = 0; i <= LEDGER_ACCOUNTS_MAX; i++) {
        struct record open = open_record();
        snprintf(id, sizeof(id), "a%d", i);
        open.id = id;
        open.id_length = (uint8_t)strlen(id);
        assert_int_equal(replay_one(ledger, &open, ++lsn),
                         i < LEDGER_ACCOUNTS_MAX ? SHARD_REPLAY_APPLIED : SHARD_REPLAY_NO_ROOM);
    }
    struct record deposit = deposit_record();
    deposit.id = "a0";
    deposit.id_length = 2;
    for (int i = 0; i <= LEDGER_KEYS_MAX; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        deposit.key = key;
        deposit.key_length = (uint8_t)strlen(key);
        deposit.version = 2 + (uint64_t)i;
        deposit.balance_minor = 100 + 10 * (1 + (int64_t)i);
        deposit.previous_lsn = account_of(ledger, "a0")->last_lsn;
        assert_int_equal(replay_one(ledger, &deposit, ++lsn),
                         i < LEDGER_KEYS_MAX ? SHARD_REPLAY_APPLIED : SHARD_REPLAY_NO_ROOM);
    }
    assert_int_equal(account_of(ledger, "a0")->version, 1 + LEDGER_KEYS_MAX);
}

/* --- the digest -------------------------------------------------------------------------- */

/* Whatever differs between two states shows in the digest. */
static void digest__depends_on_every_part_of_the_state(void **state)
{
    struct ledger *ledger = *state;
    struct record open = open_record();
    struct record deposit = deposit_record();
    open.metadata = "{}";
    open.metadata_length = 2;
    assert_int_equal(shard_digest(&ledger->shard), 0);
    assert_int_equal(replay_one(ledger, &open, 1), SHARD_REPLAY_APPLIED);
    assert_int_equal(replay_one(ledger, &deposit, 2), SHARD_REPLAY_APPLIED);

    struct account *account = account_of(ledger, "alice");
    struct account_opening *opening = &ledger->shard.accounts.openings[0];
    struct key_entry *key = &ledger->shard.keys.slots[0];
    struct currency *currency = &ledger->shard.accounts.currencies[0];
    uint8_t *parts[] = {
        (uint8_t *)&account->balance_minor,
        (uint8_t *)&account->version,
        (uint8_t *)&account->last_lsn,
        (uint8_t *)&account->minimum_balance_minor,
        (uint8_t *)&account->id_start[4],
        (uint8_t *)&opening->time_ns,
        (uint8_t *)&opening->balance_minor,
        (uint8_t *)&currency->code[2],
        &currency->exponent,
        ledger->shard.accounts.texts + 8 * (size_t)account->text_offset,
        (uint8_t *)&key->digest.low,
        (uint8_t *)&key->digest.high,
        (uint8_t *)&key->lsn_kind_status,
        (uint8_t *)&key->time_ns,
        (uint8_t *)&key->expected_version,
        (uint8_t *)&key->amount_minor,
        (uint8_t *)&key->balance_minor,
        (uint8_t *)&key->version,
    };
    uint64_t digest = shard_digest(&ledger->shard);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        *parts[i] ^= 1;
        assert_true(shard_digest(&ledger->shard) != digest);
        *parts[i] ^= 1;
    }
    assert_int_equal(shard_digest(&ledger->shard), digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ledger_test(replay__gives_the_digest_of_the_living),
        ledger_test(replay__into_more_shards_gives_the_same_sum),
        ledger_test(records__that_do_not_follow_are_refused_by_name),
        ledger_test(more_than_fits__is_refused_by_name),
        ledger_test(digest__depends_on_every_part_of_the_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
