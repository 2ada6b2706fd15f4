/* Checkpoints: images taken at any moments, and the log from there on, give the living shard. */
#include "workload_support.h"

enum {
    IMAGES_BYTES_MAX = 1024 * 1024,
    SHARDS_MAX = 3,
};

/* --- images ------------------------------------------------------------------------------ */

struct images {
    uint8_t *bytes;
    size_t length;
    struct shard_sums sums;
};

static void images_init(struct images *images)
{
    *images = (struct images){.bytes = memory_take(IMAGES_BYTES_MAX)};
}

static void write_slice(const struct ledger *ledger, struct images *images, uint32_t *cursor,
                        uint32_t slot_end, uint32_t accounts_max)
{
    images->length +=
        shard_write_images(&ledger->shard, cursor, slot_end, images->bytes + images->length,
                           IMAGES_BYTES_MAX - images->length, accounts_max, &images->sums);
}

static void write_all(const struct ledger *ledger, struct images *images)
{
    uint32_t cursor = 0;
    images_init(images);
    write_slice(ledger, images, &cursor, ledger->shard.accounts.count, UINT32_MAX);
    assert_int_equal(cursor, ledger->shard.accounts.count);
}

/* Loads all images into shards by hash. What they add up to. */
static struct shard_sums load_all(const struct images *images, struct ledger *shards[],
                                  size_t shard_count)
{
    struct shard_sums sums = {0};
    for (size_t at = 0; at < images->length;) {
        struct account_image image;
        size_t size = account_image_decode(images->bytes + at, images->length - at, &image);
        assert_int_not_equal(size, 0);
        uint64_t hash = hash_account(&shards[0]->secret, image.id, image.id_length);
        struct ledger *ledger = shards[(hash & UINT32_MAX) % shard_count];
        assert_int_equal(shard_load_image(&ledger->shard, &image, hash, &sums),
                         SHARD_REPLAY_APPLIED);
        at += size;
    }
    return sums;
}

static void assert_sums_equal(const struct shard_sums *a, const struct shard_sums *b)
{
    assert_int_equal(a->accounts, b->accounts);
    assert_int_equal(a->digest, b->digest);
    assert_int_equal(a->balance_low, b->balance_low);
    assert_int_equal(a->balance_high, b->balance_high);
    assert_int_equal(a->newest_lsn, b->newest_lsn);
}

static void images__give_the_same_accounts(void **state)
{
    struct ledger *live = *state;
    struct ledger *again = ledger_create();
    struct images images;
    uint64_t random = seed_choose();
    run_workload(live, &random);
    write_all(live, &images);
    struct shard_sums sums = load_all(&images, &again, 1);
    assert_sums_equal(&sums, &images.sums);
    assert_int_equal(sums.accounts, live->shard.accounts.count);
    assert_int_equal(sums.digest, shard_accounts_digest(&live->shard));
    assert_int_equal(shard_accounts_digest(&again->shard), sums.digest);
    assert_in_range(sums.newest_lsn, 1, live->next_lsn - 1);
    shard_audit(&again->shard);

    /* And their images are the same bytes. */
    struct images same;
    write_all(again, &same);
    assert_int_equal(same.length, images.length);
    assert_memory_equal(same.bytes, images.bytes, images.length);
    free(same.bytes);
    free(images.bytes);
    ledger_destroy(again);
}

static void slices__keep_to_their_limits_and_add_up(void **state)
{
    struct ledger *ledger = *state;
    struct images whole;
    struct images sliced;
    uint64_t random = seed_choose();
    run_workload(ledger, &random);
    write_all(ledger, &whole);
    images_init(&sliced);
    uint32_t count = ledger->shard.accounts.count;
    for (uint32_t cursor = 0; cursor < count;) {
        uint32_t from = cursor;
        uint32_t accounts_max = 1 + (uint32_t)random_below(&random, 5);
        size_t capacity = random_below(&random, 1000);
        struct shard_sums part = {0};
        size_t length =
            shard_write_images(&ledger->shard, &cursor, count, sliced.bytes + sliced.length,
                               capacity, accounts_max, &part);
        assert_true(length <= capacity);
        assert_true(cursor - from <= accounts_max);
        assert_int_equal(part.accounts, cursor - from);
        if (cursor - from < accounts_max && cursor < count)
            assert_true(
                capacity - length <
                account_image_size(&ledger->shard.accounts, &ledger->shard.accounts.slots[cursor]));
        sliced.length += length;
        shard_sums_add(&sliced.sums, &part);
    }
    assert_int_equal(sliced.length, whole.length);
    assert_memory_equal(sliced.bytes, whole.bytes, whole.length);
    assert_sums_equal(&sliced.sums, &whole.sums);
    free(sliced.bytes);
    free(whole.bytes);
}

static void sums__hold_more_than_64_bits(void **state)
{
    struct ledger *ledger = *state;
    struct images images;
    run_open(ledger, "a", INT64_MAX);
    run_open(ledger, "b", INT64_MAX);
    run_open(ledger, "c", INT64_MAX);
    seal(ledger);
    write_all(ledger, &images);
    assert_int_equal(images.sums.balance_high, 1); /* 3 * (2^63 - 1) = 2^64 + 2^63 - 3 */
    assert_int_equal(images.sums.balance_low, (UINT64_C(1) << 63) - 3);
    free(images.bytes);

    static const char *const DEEP[] = {"d", "e", "f", "g", "h"};
    for (size_t i = 0; i < COUNT_OF(DEEP); i++) {
        struct florin_command open = open_make(DEEP[i], 0);
        open.minimum_balance_minor = -INT64_MAX;
        run(ledger, &open);
        run_posting(ledger, FLORIN_WITHDRAW, DEEP[i], NULL, INT64_MAX, 0);
    }
    seal(ledger);
    write_all(ledger, &images);
    assert_int_equal(images.sums.balance_high, -1); /* -2 * (2^63 - 1) = -2^64 + 2 */
    assert_int_equal(images.sums.balance_low, 2);
    free(images.bytes);
}

static void image__that_the_shard_cannot_take_is_refused_by_name(void **state)
{
    struct ledger *ledger = *state;
    struct shard_sums sums = {0};
    struct account_image image = {
        .id = "alice",
        .id_length = 5,
        .currency = {"USD", 2},
        .balance_minor = -6,
        .version = 3,
        .last_lsn = 9,
        .minimum_balance_minor = -5,
        .opened_ns = 8,
    };
    uint64_t hash = ledger_hash(ledger, "alice");
    assert_int_equal(shard_load_image(&ledger->shard, &image, hash, &sums),
                     SHARD_REPLAY_BALANCE_WRONG);
    image.balance_minor = -5;
    assert_int_equal(sums.accounts, 0);
    assert_int_equal(ledger->shard.accounts.count, 0);
    assert_int_equal(shard_load_image(&ledger->shard, &image, hash, &sums), SHARD_REPLAY_APPLIED);
    assert_int_equal(shard_load_image(&ledger->shard, &image, hash, &sums),
                     SHARD_REPLAY_ACCOUNT_TWICE);
    struct shard_answer answer = run_read(ledger, "alice");
    assert_int_equal(answer.result.balance_minor, -5);
    assert_int_equal(answer.result.version, 3);
    assert_int_equal(answer.result.time_ns, 8);
    assert_int_equal(answer.wait_lsn, 9);
    for (int i = 1; i <= LEDGER_ACCOUNTS_MAX; i++) {
        char id[8];
        image.id_length = (uint8_t)snprintf(id, sizeof(id), "a%d", i);
        image.id = id;
        assert_int_equal(shard_load_image(&ledger->shard, &image, ledger_hash(ledger, id), &sums),
                         i < LEDGER_ACCOUNTS_MAX ? SHARD_REPLAY_APPLIED : SHARD_REPLAY_NO_ROOM);
    }
    assert_int_equal(sums.accounts, LEDGER_ACCOUNTS_MAX);
    assert_int_equal(sums.digest, shard_accounts_digest(&ledger->shard));
}

/* --- fuzzy images and the tail of the log ------------------------------------------------ */

struct checkpoint {
    struct images images;
    uint64_t start_lsn;
    uint32_t slot_end;
    uint32_t cursor;
};

/* A key file that covers more, by chance, and a shard that forgets some of it. */
static void make_and_forget(struct ledger *ledger, uint64_t *random)
{
    uint64_t covered = ledger->shard.key_filters->to_lsn;
    make_key_file(ledger, covered + random_below(random, ledger->next_lsn - covered));
    shard_forget_keys(&ledger->shard, (uint32_t)random_below(random, 2000));
}

/* Some commands, and an empty stage. */
static void run_for_a_while(struct ledger *ledger, uint64_t *random, uint64_t commands_max)
{
    for (uint64_t commands = random_below(random, commands_max); commands > 0; commands--)
        run_random_command(ledger, random);
    seal(ledger);
}

/* Takes images of some accounts at a time while commands go on, and makes a key file and forgets
 * at a moment of its own. */
static void run_with_checkpoint(struct ledger *live, struct checkpoint *checkpoint,
                                uint64_t *random)
{
    images_init(&checkpoint->images);
    run_for_a_while(live, random, 5000);
    checkpoint->start_lsn = live->next_lsn;
    checkpoint->slot_end = live->shard.accounts.count;
    checkpoint->cursor = 0;
    uint32_t slices = 0;
    while (checkpoint->cursor < checkpoint->slot_end) {
        run_for_a_while(live, random, 300);
        write_slice(live, &checkpoint->images, &checkpoint->cursor, checkpoint->slot_end,
                    1 + (uint32_t)random_below(random, 20));
        if (++slices % 4 == 0)
            make_and_forget(live, random);
    }
    run_for_a_while(live, random, 2000);
}

/* Replays the log from `from_lsn` on, which is not behind the checkpoint's start or the key file's
 * end. */
static void replay_tail(const struct ledger *live, struct ledger *shards[], size_t shard_count,
                        uint64_t from_lsn)
{
    for (size_t i = 0; i < live->logged_count; i++) {
        uint64_t lsn = live->logged[i].lsn;
        if (lsn < from_lsn)
            continue;
        struct record record = logged_record(live, i);
        uint64_t hash = hash_account(&live->secret, record.id, record.id_length);
        struct ledger *ledger = shards[(hash & UINT32_MAX) % shard_count];
        enum shard_replay replay = shard_replay(&ledger->shard, &record, hash, lsn);
        if (replay != SHARD_REPLAY_APPLIED && replay != SHARD_REPLAY_OLDER)
            fail_msg("record %llu: %s", (unsigned long long)lsn, shard_replay_text(replay));
    }
}

static void recover(const struct ledger *live, const struct checkpoint *checkpoint,
                    struct ledger *shards[], size_t shard_count, uint64_t *random)
{
    uint64_t covered = live->shard.key_filters->to_lsn + 1;
    uint64_t latest = checkpoint->start_lsn < covered ? checkpoint->start_lsn : covered;
    for (size_t i = 0; i < shard_count; i++) {
        shards[i] = ledger_create();
        shards[i]->shard.key_filters = live->shard.key_filters;
    }
    struct shard_sums sums = load_all(&checkpoint->images, shards, shard_count);
    assert_sums_equal(&sums, &checkpoint->images.sums);
    /* A segment of the log begins somewhere before. */
    replay_tail(live, shards, shard_count, latest - random_below(random, latest));
}

/* The digest does not depend on how many keys are in files, so that of a replay of everything from
 * the first record on is the same. */
static uint64_t digest_of_replay(const struct ledger *live)
{
    struct ledger *again = ledger_create();
    replay_tail(live, &again, 1, 1);
    uint64_t digest = shard_digest(&again->shard);
    ledger_destroy(again);
    return digest;
}

static void fuzzy_images_and_the_tail__give_the_digest_of_the_living(void **state)
{
    (void)state;
    enum { ROUNDS = 20 };
    uint64_t random = seed_choose();
    for (int round = 0; round < ROUNDS; round++) {
        struct ledger *live = ledger_create();
        struct ledger *shards[SHARDS_MAX];
        struct checkpoint checkpoint;
        run_with_checkpoint(live, &checkpoint, &random);
        uint64_t digest = shard_digest(&live->shard);
        assert_int_equal(digest + key_file_digest(live), digest_of_replay(live));
        for (size_t shard_count = 1; shard_count <= SHARDS_MAX; shard_count++) {
            uint64_t sum = 0;
            uint64_t last_time_ns = 0;
            recover(live, &checkpoint, shards, shard_count, &random);
            for (size_t i = 0; i < shard_count; i++) {
                const struct shard *shard = &shards[i]->shard;
                shard_audit(shard);
                sum += shard_digest(shard);
                if (shard->last_time_ns > last_time_ns)
                    last_time_ns = shard->last_time_ns;
                ledger_destroy(shards[i]);
            }
            assert_int_equal(sum, digest);
            assert_int_equal(last_time_ns, live->shard.last_time_ns);
        }
        free(checkpoint.images.bytes);
        ledger_destroy(live);
    }
}

/* The recovered shard and the living one answer the same from then on: same bytes, same keys. */
static void recovered_shard__goes_on_as_the_living(void **state)
{
    struct ledger *live = *state;
    struct ledger *again;
    struct checkpoint checkpoint;
    uint64_t random = seed_choose() + 1;
    run_with_checkpoint(live, &checkpoint, &random);
    recover(live, &checkpoint, &again, 1, &random);
    copy_log(again, live);
    make_key_file(again, live->shard.key_filters->to_lsn);
    uint64_t random_again = random;
    run_workload(live, &random);
    run_workload(again, &random_again);
    assert_int_equal(again->log_bytes, live->log_bytes);
    assert_memory_equal(again->log, live->log, live->log_bytes);
    assert_int_equal(shard_digest(&again->shard), shard_digest(&live->shard));
    free(checkpoint.images.bytes);
    ledger_destroy(again);
}

/* Where a key is kept shows nowhere: a shard that forgets at random writes the same log as one that
 * never does. */
static void forgetting__changes_no_answer(void **state)
{
    struct ledger *forgetful = *state;
    struct ledger *other = ledger_create();
    uint64_t random = seed_choose() + 2;
    uint64_t random_again = random;
    uint64_t chance = random ^ 1;
    for (int i = 0; i < WORKLOAD_COMMANDS; i++) {
        run_random_command(forgetful, &random);
        run_random_command(other, &random_again);
        if (random_below(&chance, 1000) == 0)
            make_and_forget(forgetful, &chance);
    }
    seal(forgetful);
    seal(other);
    assert_true(forgetful->lookups[SHARD_LOOKUP_FILES] > 100);
    assert_int_equal(other->lookups[SHARD_LOOKUP_FILES], 0);
    assert_int_equal(forgetful->log_bytes, other->log_bytes);
    assert_memory_equal(forgetful->log, other->log, other->log_bytes);
    assert_int_equal(shard_digest(&forgetful->shard) + key_file_digest(forgetful),
                     shard_digest(&other->shard));
    ledger_destroy(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ledger_test(images__give_the_same_accounts),
        ledger_test(slices__keep_to_their_limits_and_add_up),
        ledger_test(sums__hold_more_than_64_bits),
        ledger_test(image__that_the_shard_cannot_take_is_refused_by_name),
        cmocka_unit_test(fuzzy_images_and_the_tail__give_the_digest_of_the_living),
        ledger_test(recovered_shard__goes_on_as_the_living),
        ledger_test(forgetting__changes_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
