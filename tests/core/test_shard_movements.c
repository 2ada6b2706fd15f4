/* Transfers, postings, holds and changes in one shard: replay and checkpoints give the living
 * state, whatever was done, and a dry run does nothing.
 */
#include "movement_support.h"

enum { COMMANDS = 12000, SHARDS = 3, IMAGES_BYTES_MAX = 1024 * 1024 };

static struct movement movement_make(uint64_t seed)
{
    return (struct movement){.random = seed};
}

static uint64_t digest_of(struct ledger *shards[], size_t count)
{
    uint64_t digest = 0;
    for (size_t i = 0; i < count; i++) {
        shard_audit(&shards[i]->shard);
        digest += shard_digest(&shards[i]->shard);
    }
    return digest;
}

static void check_variety(const struct ledger *ledger)
{
    unsigned applied[32] = {0};
    unsigned refused[100] = {0};
    for (size_t i = 0; i < ledger->logged_count; i++) {
        struct record record = logged_record(ledger, i);
        if (record.status == FLORIN_APPLIED)
            applied[record.kind]++;
        else
            refused[record.status]++;
    }
    for (unsigned kind = FLORIN_DEPOSIT; kind <= FLORIN_BATCH; kind++) {
        if (kind != FLORIN_REVERSE && applied[kind] < 10)
            fail_msg("%u records of kind %u", applied[kind], kind);
    }
    static const enum florin_status STATUSES[] = {
        FLORIN_ACCOUNT_FROZEN,       FLORIN_ACCOUNT_CLOSED,   FLORIN_CURRENCY_MISMATCH,
        FLORIN_UNBALANCED,           FLORIN_VERSION_MISMATCH, FLORIN_BALANCE_CONDITION,
        FLORIN_INSUFFICIENT_BALANCE, FLORIN_HOLD_EXCEEDED};
    for (size_t i = 0; i < COUNT_OF(STATUSES); i++) {
        if (refused[STATUSES[i]] == 0)
            fail_msg("no refusal of status %d", (int)STATUSES[i]);
    }
}

static void replay__of_everything_gives_the_living_digest(void **state)
{
    struct ledger *live = *state;
    struct movement movement = movement_make(seed_choose());
    run_open(live, "a7", 0);
    (void)run_status(live, "a7", FLORIN_STATE_CLOSED); /* chance seldom finds an empty one */
    for (unsigned i = 0; i < COMMANDS; i++)
        (void)movement_run(live, &movement);
    seal(live);
    check_variety(live);
    for (size_t count = 1; count <= SHARDS; count += 2) {
        struct ledger *shards[SHARDS];
        for (size_t i = 0; i < count; i++)
            shards[i] = ledger_create();
        replay_log(live, 1, shards, count, false);
        assert_int_equal(digest_of(shards, count), digest_of(&live, 1));
        for (size_t i = 0; i < count; i++)
            ledger_destroy(shards[i]);
    }
}

/* Images are written a few at a time while the shard goes on. */
static void checkpoint__of_everything_and_the_log_behind_it_give_the_living_digest(void **state)
{
    uint64_t seed = seed_choose();
    (void)state;
    for (unsigned round = 0; round < 6; round++) {
        struct ledger *live = ledger_create();
        struct movement movement = movement_make(seed + round);
        uint8_t *images = memory_take(IMAGES_BYTES_MAX);
        struct shard_sums sums = {0};
        size_t length = 0;
        uint32_t cursor = 0;
        for (unsigned i = 0; i < 500 * (round + 1); i++)
            (void)movement_run(live, &movement);
        seal(live);
        uint64_t start = live->next_lsn;
        uint32_t end = live->shard.accounts.count;
        while (cursor < end) {
            for (uint64_t i = movement_below(&movement, 60); i > 0; i--)
                (void)movement_run(live, &movement);
            seal(live);
            length += shard_write_images(&live->shard, &cursor, end, images + length,
                                         IMAGES_BYTES_MAX - length, 3, &sums);
        }
        for (unsigned i = 0; i < 300; i++)
            (void)movement_run(live, &movement);
        seal(live);

        for (size_t count = 1; count <= SHARDS; count += 2) {
            struct ledger *shards[SHARDS];
            struct shard_sums loaded = {0};
            for (size_t i = 0; i < count; i++)
                shards[i] = ledger_create();
            for (size_t at = 0; at < length;) {
                struct account_image image;
                at += account_image_decode(images + at, length - at, &image);
                uint64_t hash = hash_account(&live->secret, image.id, image.id_length);
                assert_int_equal(shard_load_image(&shards[shard_of(hash, (unsigned)count)]->shard,
                                                  &image, hash, &loaded),
                                 SHARD_REPLAY_APPLIED);
            }
            assert_int_equal(loaded.digest, sums.digest);
            replay_log(live, start, shards, count, true);
            uint64_t digest = 0;
            for (size_t i = 0; i < count; i++) {
                shard_audit(&shards[i]->shard);
                digest += shard_accounts_digest(&shards[i]->shard);
                ledger_destroy(shards[i]);
            }
            assert_int_equal(digest, shard_accounts_digest(&live->shard));
        }
        free(images);
        ledger_destroy(live);
    }
}

/* A dry run says what the command would get, and leaves no trace. */
static void dry_run__changes_nothing_and_tells_the_truth(void **state)
{
    struct ledger *ledger = *state;
    struct movement movement = movement_make(seed_choose() + 100);
    unsigned applied = 0;
    for (unsigned i = 0; i < 3000; i++) {
        (void)movement_run(ledger, &movement);
        seal(ledger);
        uint64_t digest = shard_digest(&ledger->shard);
        struct florin_command command = movement_command(&movement);
        movement_aim(ledger, &movement, &command);
        command.dry_run = true;
        struct shard_answer dry = run(ledger, &command);
        assert_false(dry.staged);
        assert_int_equal(dry.result.transaction_id, 0);
        assert_int_equal(ledger->shard.stage.record_count, 0);
        assert_int_equal(ledger->shard.stage.byte_count, 0);
        assert_int_equal(shard_digest(&ledger->shard), digest);
        command.dry_run = false;
        ledger->now_ns--; /* at the same moment: a hold may expire */
        struct shard_answer done = run(ledger, &command);
        assert_int_equal(dry.result.status, done.result.status);
        assert_int_equal(dry.result.field, done.result.field);
        assert_int_equal(dry.result.leg, done.result.leg);
        assert_int_equal(dry.result.balance_minor, done.result.balance_minor);
        assert_int_equal(dry.result.amount_minor, done.result.amount_minor);
        assert_int_equal(dry.result.version, done.result.version);
        assert_int_equal(dry.result.exponent, done.result.exponent);
        assert_string_equal(dry.result.currency, done.result.currency);
        assert_int_equal(dry.result.minimum_balance_minor, done.result.minimum_balance_minor);
        assert_int_equal(dry.result.account_status, done.result.account_status);
        assert_int_equal(dry.result.held_minor, done.result.held_minor);
        applied += done.result.status == FLORIN_APPLIED && done.staged;
        seal(ledger);
    }
    assert_true(applied > 500);
}

/* --- keys --------------------------------------------------------------------------------- */

/* In the order of the first run: accounts a, b (USD), y (JPY), f (frozen), z (closed). */
struct keyed {
    const char *name;
    struct florin_command command;
    enum florin_status status;
    uint8_t leg;
    enum florin_field field;
};

static struct florin_leg pair[2];
static struct florin_leg unbalanced[2];
static struct florin_leg picky[3];
static struct florin_leg batch[2];

static void make_legs(void)
{
    pair[0] = leg_make("a", FLORIN_DEBIT, 40);
    pair[1] = leg_make("b", FLORIN_CREDIT, 40);
    unbalanced[0] = leg_make("a", FLORIN_DEBIT, 40);
    unbalanced[1] = leg_make("b", FLORIN_CREDIT, 41);
    picky[0] = leg_make("a", FLORIN_DEBIT, 2);
    picky[1] = leg_make("b", FLORIN_CREDIT, 1);
    picky[2] = leg_make("a", FLORIN_CREDIT, 1);
    picky[1].has_expected_balance = true;
    picky[1].expected_balance_minor = 1000000;
    batch[0] = leg_make("a", FLORIN_CREDIT, 5);
    batch[1] = leg_make("a", FLORIN_CREDIT, 6);
}

/* The command number `number`; false: there are no more. */
static bool keyed_make(struct ledger *ledger, unsigned number, struct keyed *keyed)
{
    struct florin_command *command = &keyed->command;
    *keyed = (struct keyed){.status = FLORIN_APPLIED};
    switch (number) {
    case 0:
        *command = transfer_make("a", "b", "k0", 30);
        return true;
    case 1:
        *command = transfer_make("a", "b", "k1", 30);
        command->expected_to_version = 99;
        keyed->status = FLORIN_VERSION_MISMATCH;
        keyed->field = FLORIN_FIELD_EXPECTED_VERSION;
        keyed->leg = 1;
        return true;
    case 2:
        *command = transfer_make("a", "b", "k2", 3000000);
        keyed->status = FLORIN_INSUFFICIENT_BALANCE;
        keyed->field = FLORIN_FIELD_AMOUNT;
        return true;
    case 3:
        *command = transfer_make("a", "y", "k3", 30);
        keyed->status = FLORIN_CURRENCY_MISMATCH;
        keyed->field = FLORIN_FIELD_TO;
        keyed->leg = 1;
        return true;
    case 4:
        *command = transfer_make("a", "f", "k4", 30);
        keyed->status = FLORIN_ACCOUNT_FROZEN;
        keyed->field = FLORIN_FIELD_ACCOUNT;
        keyed->leg = 1;
        return true;
    case 5:
        *command = transfer_make("a", "z", "k5", 30);
        keyed->status = FLORIN_ACCOUNT_CLOSED;
        keyed->field = FLORIN_FIELD_ACCOUNT;
        keyed->leg = 1;
        return true;
    case 6:
        *command = legs_make(FLORIN_POSTING, pair, 2, "k6");
        return true;
    case 7:
        *command = legs_make(FLORIN_POSTING, unbalanced, 2, "k7");
        keyed->status = FLORIN_UNBALANCED;
        keyed->field = FLORIN_FIELD_LEGS;
        return true;
    case 8:
        *command = legs_make(FLORIN_POSTING, picky, 3, "k8");
        keyed->status = FLORIN_BALANCE_CONDITION;
        keyed->field = FLORIN_FIELD_EXPECTED_BALANCE;
        keyed->leg = 1;
        return true;
    case 9:
        *command = legs_make(FLORIN_BATCH, batch, 2, "k9");
        return true;
    case 10:
        *command = posting_make(FLORIN_HOLD, "a", "k10", 25, 0);
        command->expires_in_ns = UINT64_MAX;
        return true;
    case 11:
        *command = posting_make(FLORIN_HOLD, "a", "k11", 2500000, 0);
        keyed->status = FLORIN_INSUFFICIENT_BALANCE;
        keyed->field = FLORIN_FIELD_AMOUNT;
        return true;
    case 12:
        *command = end_make(FLORIN_CAPTURE, "a", "k12", run_hold(ledger, "a", 70, 0), 20);
        command->to = "b";
        command->to_length = 1;
        return true;
    case 13:
        *command = end_make(FLORIN_CAPTURE, "a", "k13", run_hold(ledger, "a", 70, 0), 71);
        keyed->status = FLORIN_HOLD_EXCEEDED;
        keyed->field = FLORIN_FIELD_AMOUNT;
        return true;
    case 14:
        *command = end_make(FLORIN_VOID, "a", "k14", run_hold(ledger, "a", 60, 0), 0);
        return true;
    case 15:
    case 16: {
        uint64_t hold = run_hold(ledger, "a", 60, 0);
        struct florin_command end = end_make(FLORIN_VOID, "a", NULL, hold, 0);
        (void)run(ledger, &end);
        *command = number == 15 ? end_make(FLORIN_VOID, "a", "k15", hold, 0)
                                : end_make(FLORIN_CAPTURE, "a", "k16", hold, 0);
        keyed->status = FLORIN_HOLD_RESOLVED;
        keyed->field = FLORIN_FIELD_TARGET;
        return true;
    }
    case 17:
    case 18:
        *command = posting_make(FLORIN_DEPOSIT, "a", number == 17 ? "k17" : "k18", 9, 0);
        command->has_expected_balance = true;
        command->expected_balance_minor = number == 17 ? 5 : 5000000;
        keyed->status = number == 17 ? FLORIN_APPLIED : FLORIN_BALANCE_CONDITION;
        return true;
    case 19:
        *command = posting_make(FLORIN_DEPOSIT, "f", "k19", 9, 0);
        command->as_admin = true;
        return true;
    default:
        return false;
    }
}

enum { KEYED_MAX = 20 };

static void set_up_accounts(struct ledger *ledger)
{
    make_legs();
    run_open(ledger, "a", 100000);
    run_open(ledger, "b", 1000);
    run_open_in(ledger, "y", 77, "JPY");
    run_open(ledger, "f", 10);
    run_open(ledger, "z", 0);
    assert_int_equal(run_status(ledger, "f", FLORIN_STATE_FROZEN).result.status, FLORIN_APPLIED);
    assert_int_equal(run_status(ledger, "z", FLORIN_STATE_CLOSED).result.status, FLORIN_APPLIED);
}

static void check_same(const struct florin_result *first, const struct shard_answer *again,
                       unsigned number)
{
    const struct florin_result *result = &again->result;
    if (!result->replayed || again->staged || result->status != first->status ||
        result->transaction_id != first->transaction_id || result->field != first->field ||
        result->leg != first->leg || result->amount_minor != first->amount_minor ||
        result->balance_minor != first->balance_minor || result->version != first->version ||
        result->time_ns != first->time_ns || result->expires_ns != first->expires_ns ||
        result->exponent != first->exponent || strcmp(result->currency, first->currency) != 0)
        fail_msg("command %u: not the first answer again", number);
}

static void retry__of_every_kind_gets_the_first_answer_wherever_its_key_is(void **state)
{
    struct ledger *live = *state;
    struct keyed keyed[KEYED_MAX + 1];
    struct florin_result first[KEYED_MAX];
    set_up_accounts(live);
    unsigned count = 0;
    for (; keyed_make(live, count, &keyed[count]); count++) {
        struct shard_answer answer = run(live, &keyed[count].command);
        if (answer.result.status != keyed[count].status ||
            answer.result.field != keyed[count].field || answer.result.leg != keyed[count].leg)
            fail_msg("command %u: status %d, field %d, leg %u", count, (int)answer.result.status,
                     (int)answer.result.field, answer.result.leg);
        assert_true(answer.staged);
        seal(live);
        first[count] = answer.result;
        first[count].transaction_id =
            shard_final_lsn(answer.result.transaction_id, live->sealed_first_lsn);
        struct shard_answer again = run(live, &keyed[count].command);
        check_same(&first[count], &again, count);
    }
    assert_int_equal(count, KEYED_MAX);
    /* later, from memory; from the key file; after a restart, from both */
    for (unsigned round = 0; round < 4; round++) {
        if (round == 1) {
            make_key_file(live, live->next_lsn - 1);
            assert_int_not_equal(shard_forget_keys(&live->shard, UINT32_MAX), 0);
        }
        struct ledger *second = round < 2 ? live : ledger_create();
        if (round >= 2) {
            copy_log(second, live);
            if (round == 3)
                make_key_file(second, second->next_lsn - 1);
            replay_log(live, 1, &second, 1, false);
        }
        for (unsigned i = 0; i < KEYED_MAX; i++) {
            struct shard_answer again = run(second, &keyed[i].command);
            check_same(&first[i], &again, i);
        }
        if (second != live)
            ledger_destroy(second);
    }
}

static void check_reused(struct ledger *ledger, const struct florin_command *command,
                         enum florin_field field)
{
    struct shard_answer answer = run(ledger, command);
    assert_int_equal(answer.result.status, FLORIN_KEY_REUSED);
    assert_int_equal(answer.result.field, field);
    assert_false(answer.staged);
}

static void key__with_other_content_is_refused_and_says_what_differs(void **state)
{
    struct ledger *ledger = *state;
    struct keyed keyed;
    set_up_accounts(ledger);
    for (unsigned i = 0; keyed_make(ledger, i, &keyed); i++) {
        (void)run(ledger, &keyed.command);
        struct florin_command other = keyed.command;
        bool single = other.kind == FLORIN_DEPOSIT;
        other.amount_is_decimal = !single;
        if (!single)
            check_reused(ledger, &other, FLORIN_FIELD_LEGS);
        other = posting_make(FLORIN_WITHDRAW, keyed.command.account, keyed.command.key, 1, 0);
        check_reused(ledger, &other, FLORIN_FIELD_KIND);
        if (!single)
            continue;
        other = keyed.command;
        other.amount_minor++;
        check_reused(ledger, &other, FLORIN_FIELD_AMOUNT);
        other = keyed.command;
        other.expected_balance_minor++;
        if (other.has_expected_balance)
            check_reused(ledger, &other, FLORIN_FIELD_EXPECTED_BALANCE);
        other = keyed.command;
        other.has_expected_balance = false;
        other.as_admin = false;
        check_reused(ledger, &other, FLORIN_FIELD_EXPECTED_VERSION);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ledger_test(replay__of_everything_gives_the_living_digest),
        cmocka_unit_test(checkpoint__of_everything_and_the_log_behind_it_give_the_living_digest),
        ledger_test(dry_run__changes_nothing_and_tells_the_truth),
        ledger_test(retry__of_every_kind_gets_the_first_answer_wherever_its_key_is),
        ledger_test(key__with_other_content_is_refused_and_says_what_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
