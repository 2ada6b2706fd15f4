/* Replay: the log of a shard gives the shard again, and what does not follow is refused. */
#include "workload_support.h"

enum { SHARDS = 3 };

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
    copy_log(again, live);
    uint64_t random_again = random;
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
        .exponent = 2,
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

    record = deposit_record();
    record.previous_lsn = 2;
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

/* --- keys -------------------------------------------------------------------------------- */

/* The keys that memory has, by LSN. */
static void check_keys(const struct ledger *ledger, const uint64_t *lsns, uint32_t count)
{
    const struct key_table *keys = &ledger->shard.keys;
    assert_int_equal(keys->count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(key_table_lsn(keys, key_table_slot(keys, i)), lsns[i]);
}

static void older_record__adds_its_key_when_no_file_has_it(void **state)
{
    struct ledger *ledger = *state;
    struct record open = open_record();
    struct record record = deposit_record();
    struct shard_sums sums = {0};
    const struct account_image alice = {
        .id = "alice",
        .id_length = 5,
        .currency = {"USD", 2},
        .balance_minor = 500,
        .version = 40,
        .last_lsn = 50,
    };
    const struct key_filters filters = {.to_lsn = 20};
    ledger->shard.key_filters = &filters;
    assert_int_equal(shard_load_image(&ledger->shard, &alice, ledger_hash(ledger, "alice"), &sums),
                     SHARD_REPLAY_APPLIED);

    assert_int_equal(replay_one(ledger, &open, 1), SHARD_REPLAY_OLDER);
    assert_int_equal(replay_one(ledger, &record, 20), SHARD_REPLAY_OLDER); /* in the files */
    check_keys(ledger, NULL, 0);
    record.time_ns = 77;
    assert_int_equal(replay_one(ledger, &record, 21), SHARD_REPLAY_OLDER);
    assert_int_equal(ledger->shard.last_time_ns, 77);
    record.key_length = 0;
    assert_int_equal(replay_one(ledger, &record, 22), SHARD_REPLAY_OLDER);
    record.key_length = 1;
    record.key = "l";
    assert_int_equal(replay_one(ledger, &record, 50), SHARD_REPLAY_OLDER);
    check_keys(ledger, (const uint64_t[]){21, 50}, 2);
    /* Again: it is there. */
    assert_int_equal(replay_one(ledger, &record, 50), SHARD_REPLAY_OLDER);
    check_keys(ledger, (const uint64_t[]){21, 50}, 2);

    /* The account is as its image; the next record follows from that. */
    assert_int_equal(account_of(ledger, "alice")->version, 40);
    assert_int_equal(account_of(ledger, "alice")->last_lsn, 50);
    record.version = 41;
    record.balance_minor = 510;
    record.previous_lsn = 49;
    check_refused(ledger, &record, 51, SHARD_REPLAY_PREVIOUS_WRONG);
    record.previous_lsn = 50;
    assert_int_equal(replay_one(ledger, &record, 51), SHARD_REPLAY_APPLIED);
    check_keys(ledger, (const uint64_t[]){21, 50, 51}, 3);
    shard_audit(&ledger->shard);
}

/* A newer record's key, too, is left to the files when they have it. */
static void applied_record__adds_its_key_only_when_no_file_has_it(void **state)
{
    struct ledger *ledger = *state;
    struct record open = open_record();
    struct record record = deposit_record();
    const struct key_filters filters = {.to_lsn = 2};
    ledger->shard.key_filters = &filters;
    assert_int_equal(replay_one(ledger, &open, 1), SHARD_REPLAY_APPLIED);
    assert_int_equal(replay_one(ledger, &record, 2), SHARD_REPLAY_APPLIED);
    check_keys(ledger, NULL, 0);
    record.version = 3;
    record.balance_minor = 120;
    record.previous_lsn = 2;
    assert_int_equal(replay_one(ledger, &record, 3), SHARD_REPLAY_APPLIED);
    check_keys(ledger, (const uint64_t[]){3}, 1);
}

static void older_record__is_refused_when_its_key_has_no_room(void **state)
{
    struct ledger *ledger = *state;
    struct record record = deposit_record();
    struct shard_sums sums = {0};
    const struct account_image alice = {
        .id = "alice",
        .id_length = 5,
        .currency = {"USD", 2},
        .version = 1,
        .last_lsn = RECORD_LSN_MAX,
    };
    assert_int_equal(shard_load_image(&ledger->shard, &alice, ledger_hash(ledger, "alice"), &sums),
                     SHARD_REPLAY_APPLIED);
    char key[16];
    record.key = key;
    for (uint64_t lsn = 1; lsn <= LEDGER_KEYS_MAX + 1; lsn++) {
        record.key_length = (uint8_t)snprintf(key, sizeof(key), "k%llu", (unsigned long long)lsn);
        assert_int_equal(replay_one(ledger, &record, lsn),
                         lsn <= LEDGER_KEYS_MAX ? SHARD_REPLAY_OLDER : SHARD_REPLAY_NO_ROOM);
    }
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
    open.minimum_balance_minor = -10;
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
        (uint8_t *)&account->floor_minor,
        (uint8_t *)&account->id_start[4],
        (uint8_t *)&opening->time_ns,
        (uint8_t *)&opening->balance_minor,
        (uint8_t *)&currency->code[2],
        &currency->exponent,
        ledger->shard.accounts.texts + 8 * (size_t)account->text_offset,
        (uint8_t *)&key->tag,
        (uint8_t *)&key->check,
        (uint8_t *)&key->lsn_low,
        (uint8_t *)&key->lsn_high,
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
        ledger_test(older_record__adds_its_key_when_no_file_has_it),
        ledger_test(applied_record__adds_its_key_only_when_no_file_has_it),
        ledger_test(older_record__is_refused_when_its_key_has_no_room),
        ledger_test(digest__depends_on_every_part_of_the_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
