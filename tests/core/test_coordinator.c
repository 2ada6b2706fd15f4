/* Postings over several shards, under every order of events that chance finds: nothing is lost,
 * nobody waits for ever, no reader sees a half.
 */
#include "coordinator_world.h"

enum {
    ACCOUNTS = 14,
    OPENED_FIRST = 9, /* the others are opened while postings name them */
    OPENING_BALANCE = 500,
    TASKS = 1500,
    RUNNING_MAX = 60,
    STEPS_MAX = 1000 * TASKS,
    LSN_MAX = 2 * WORLD_TASKS_MAX,
};

/* --- random commands ---------------------------------------------------------------------- */

static const char *random_account(struct world *world, struct task *task, unsigned leg)
{
    /* the first ones are hot */
    uint64_t number = random_below(&world->random, random_below(&world->random, 2) ? 4 : ACCOUNTS);
    snprintf(task->ids[leg], WORLD_ID_BYTES, "a%u", (unsigned)number);
    return task->ids[leg];
}

static struct task *task_add(struct world *world, enum florin_command_kind kind)
{
    struct task *task = &world->tasks[world->task_count];
    assert_true(world->task_count < WORLD_TASKS_MAX);
    task->command.kind = kind;
    task->command.user_data = world->task_count++;
    task->command.account = random_account(world, task, 0);
    task->command.account_length = strlen(task->command.account);
    task->command.amount_minor = 1 + (int64_t)random_below(&world->random, 300);
    return task;
}

static void add_key(struct world *world, struct task *task)
{
    if (random_below(&world->random, 2) == 0)
        return;
    snprintf(task->key, sizeof(task->key), "k%u", world->task_count);
    task->command.key = task->key;
    task->command.key_length = strlen(task->key);
}

static void add_transfer(struct world *world)
{
    struct task *task = task_add(world, FLORIN_TRANSFER);
    do
        task->command.to = random_account(world, task, 1);
    while (strcmp(task->ids[0], task->ids[1]) == 0);
    task->command.to_length = strlen(task->command.to);
    add_key(world, task);
}

/* Two to eight legs; now and then they do not add up, or an account comes twice. */
static void add_posting(struct world *world)
{
    struct task *task = task_add(world, FLORIN_POSTING);
    unsigned count = 2 + (unsigned)random_below(&world->random, WORLD_LEGS_MAX - 1);
    int64_t sum = 0;
    for (unsigned i = 0; i < count; i++) {
        const char *id = i == 0 ? task->ids[0] : random_account(world, task, i);
        int64_t amount = 1 + (int64_t)random_below(&world->random, 100);
        bool credit = i + 1 == count ? sum < 0 : random_below(&world->random, 2);
        if (i + 1 == count && sum != 0 && random_below(&world->random, 30) > 0)
            amount = sum < 0 ? -sum : sum;
        sum += credit ? amount : -amount;
        task->legs[i] = (struct florin_leg){
            .account = id,
            .account_length = strlen(id),
            .direction = credit ? FLORIN_CREDIT : FLORIN_DEBIT,
            .amount_minor = amount,
        };
    }
    task->command.legs = task->legs;
    task->command.leg_count = count;
    add_key(world, task);
}

/* The same request again, at a time when the first may be anywhere. */
static void add_retry(struct world *world)
{
    uint32_t back = 1 + (uint32_t)random_below(&world->random, 40);
    if (back > world->task_count)
        return;
    const struct task *first = &world->tasks[world->task_count - back];
    if (first->command.key_length == 0)
        return;
    struct task *task = &world->tasks[world->task_count];
    task->command = first->command; /* its strings stay with the first */
    task->command.user_data = world->task_count++;
}

static void add_task(struct world *world)
{
    uint64_t choice = random_below(&world->random, 100);
    if (choice < 30)
        add_transfer(world);
    else if (choice < 55)
        add_posting(world);
    else if (choice < 70)
        add_retry(world);
    else if (choice < 80)
        (void)task_add(world, FLORIN_READ_ACCOUNT);
    else if (choice < 98)
        add_key(world, task_add(world, choice < 90 ? FLORIN_DEPOSIT : FLORIN_WITHDRAW));
    else
        task_add(world, FLORIN_OPEN_ACCOUNT)->command.amount_minor = OPENING_BALANCE;
}

static void open_accounts(struct world *world)
{
    for (unsigned i = 0; i < OPENED_FIRST; i++) {
        struct task *task = task_add(world, FLORIN_OPEN_ACCOUNT);
        snprintf(task->ids[0], WORLD_ID_BYTES, "a%u", i);
        task->command.account_length = strlen(task->ids[0]);
        task->command.amount_minor = OPENING_BALANCE;
        world_submit(world, world->task_count - 1);
    }
}

/* The newest record that some client has seen. */
static uint64_t newest_seen(const struct world *world)
{
    uint64_t newest = 0;
    for (uint32_t i = 0; i < world->task_count; i++) {
        const struct task *task = &world->tasks[i];
        if (task->state == TASK_DONE && task->is_final && task->wait_lsn > newest)
            newest = task->wait_lsn;
    }
    return newest;
}

static void run_tasks(struct world *world, uint32_t count)
{
    uint32_t last = world->task_count + count;
    uint32_t submitted = world->task_count;
    for (uint32_t steps = 0; world->done_count < last; steps++) {
        if (steps > STEPS_MAX)
            fail_msg("%u of %u done: somebody waits for ever", world->done_count, last);
        if (submitted < last && submitted - world->done_count < RUNNING_MAX &&
            random_below(&world->random, 8) == 0) {
            while (world->task_count == submitted)
                add_task(world);
            world->tasks[submitted].after_lsn = newest_seen(world);
            world_submit(world, submitted++);
        }
        world_step(world);
    }
    /* what was decided last is told */
    for (uint32_t steps = 0; steps < 20000; steps++)
        world_step(world);
    for (unsigned i = 0; i < world->count; i++)
        world_seal(world, i);
    for (uint32_t steps = 0; steps < 20000; steps++)
        world_step(world);
}

/* --- checks ------------------------------------------------------------------------------- */

/* The ledger again, made from the log. */
struct copy {
    struct shard shards[WORLD_SHARDS_MAX];
    void *memory[WORLD_SHARDS_MAX];
    /* by account and LSN: what it was then */
    uint64_t versions[ACCOUNTS][LSN_MAX];
    int64_t balances[ACCOUNTS][LSN_MAX];
};

static struct account *find(struct copy *copy, const struct world *world, unsigned number)
{
    char id[WORLD_ID_BYTES];
    int length = snprintf(id, sizeof(id), "a%u", number);
    uint64_t hash = hash_account(&world->secret, id, (size_t)length);
    return account_table_find(&copy->shards[shard_of(hash, world->count)].accounts, hash, id,
                              (size_t)length);
}

static void replay_record(struct copy *copy, const struct world *world, uint64_t lsn)
{
    struct record record = world_record(world, lsn);
    struct record_leg leg;
    const uint8_t *at = record.leg_bytes;
    uint64_t hash = hash_account(&world->secret, record.id, record.id_length);
    assert_int_equal(shard_replay(&copy->shards[shard_of(hash, world->count)], &record, hash, lsn),
                     SHARD_REPLAY_APPLIED);
    for (uint8_t i = 0; i < record.leg_count; i++) {
        at = record_next_leg(at, &leg);
        hash = hash_account(&world->secret, leg.id, leg.id_length);
        assert_int_equal(
            shard_replay_leg(&copy->shards[shard_of(hash, world->count)], &record, &leg, hash, lsn),
            SHARD_REPLAY_APPLIED);
    }
}

/* What a record adds to all the money there is: postings and transfers nothing. */
static int64_t money_added(const struct record *record)
{
    if (record->status != FLORIN_APPLIED)
        return 0;
    if (record->kind == FLORIN_OPEN_ACCOUNT || record->kind == FLORIN_DEPOSIT)
        return record->amount_minor;
    return record->kind == FLORIN_WITHDRAW ? -record->amount_minor : 0;
}

/* Every prefix of the log is a ledger in which no money was made or lost. */
static void check_log(struct world *world, struct copy *copy)
{
    int64_t money = 0;
    for (unsigned i = 0; i < world->count; i++) {
        struct shard_options options = world_options(world, i);
        copy->memory[i] = memory_take(shard_memory_bytes(&options));
        shard_init(&copy->shards[i], &options, copy->memory[i]);
    }
    assert_true(world->next_lsn <= LSN_MAX);
    for (uint64_t lsn = 1; lsn < world->next_lsn; lsn++) {
        struct record record = world_record(world, lsn);
        int64_t sum = 0;
        replay_record(copy, world, lsn);
        money += money_added(&record);
        for (unsigned i = 0; i < ACCOUNTS; i++) {
            const struct account *account = find(copy, world, i);
            copy->versions[i][lsn] = account == NULL ? 0 : account->version;
            copy->balances[i][lsn] = account == NULL ? 0 : account->balance_minor;
            sum += copy->balances[i][lsn];
        }
        assert_int_equal(sum, money);
    }
    for (unsigned i = 0; i < world->count; i++) {
        assert_int_equal(shard_digest(&copy->shards[i]), shard_digest(&world->nodes[i].shard));
        shard_audit(&copy->shards[i]);
        free(copy->memory[i]);
    }
}

static unsigned number_of(const struct task *task)
{
    return (unsigned)strtoul(task->command.account + 1, NULL, 10);
}

/* A read shows the account as some prefix of the log has it, which is no older than what its client
 * had seen of any account. */
static void check_reads(const struct world *world, const struct copy *copy)
{
    unsigned reads = 0;
    for (uint32_t i = 0; i < world->task_count; i++) {
        const struct task *task = &world->tasks[i];
        if (task->command.kind != FLORIN_READ_ACCOUNT || task->result.status != FLORIN_APPLIED)
            continue;
        unsigned number = number_of(task);
        assert_int_equal(task->result.version, copy->versions[number][task->wait_lsn]);
        assert_int_equal(task->result.balance_minor, copy->balances[number][task->wait_lsn]);
        assert_true(task->result.version >= copy->versions[number][task->after_lsn]);
        reads++;
    }
    assert_true(reads > 30);
}

static bool same_key(const struct task *a, const struct task *b)
{
    return a->command.key_length > 0 && a->command.key == b->command.key;
}

/* Of all tasks with one key one has taken effect, or was refused for good; the others say the same.
 */
static void check_keys(const struct world *world)
{
    unsigned repeated = 0;
    for (uint32_t i = 0; i < world->task_count; i++) {
        const struct task *first = &world->tasks[i];
        if (first->result.transaction_id == 0 || first->result.replayed)
            continue;
        for (uint32_t j = 0; j < world->task_count; j++) {
            const struct task *other = &world->tasks[j];
            if (i == j || !same_key(first, other) || other->result.transaction_id == 0)
                continue;
            assert_true(other->result.replayed);
            assert_int_equal(other->result.status, first->result.status);
            assert_int_equal(other->result.transaction_id, first->result.transaction_id);
            assert_int_equal(other->result.balance_minor, first->result.balance_minor);
            assert_int_equal(other->result.amount_minor, first->result.amount_minor);
            assert_int_equal(other->result.version, first->result.version);
            assert_int_equal(other->result.leg, first->result.leg);
            assert_int_equal(other->result.field, first->result.field);
            assert_int_equal(other->result.time_ns, first->result.time_ns);
            repeated++;
        }
    }
    assert_true(repeated > 20);
}

static unsigned count_status(const struct world *world, enum florin_status status)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < world->task_count; i++)
        count += world->tasks[i].result.status == status;
    return count;
}

static void check_variety(const struct world *world)
{
    unsigned applied = 0;
    for (uint64_t lsn = 1; lsn < world->next_lsn; lsn++) {
        struct record record = world_record(world, lsn);
        applied += record.kind == FLORIN_POSTING && record.status == FLORIN_APPLIED;
    }
    assert_true(applied > 100);
    assert_true(count_status(world, FLORIN_INSUFFICIENT_BALANCE) > 5);
    assert_true(count_status(world, FLORIN_ACCOUNT_NOT_FOUND) > 0);
    assert_true(count_status(world, FLORIN_UNBALANCED) > 0);
    if (world->count > 1)
        assert_true(count_status(world, FLORIN_NOT_COMMITTED) > 0);
}

static void chance__loses_nothing_and_leaves_nobody_waiting(void **state)
{
    (void)state;
    uint64_t seed = seed_choose();
    struct copy *copy = memory_take(sizeof(*copy));
    for (unsigned count = 1; count <= WORLD_SHARDS_MAX; count++) {
        for (unsigned round = 0; round < 4; round++) {
            struct world *world = world_create(count, seed + 10 * round + count);
            world->refuses = true;
            open_accounts(world);
            run_tasks(world, TASKS);
            world_check_quiet(world);
            check_variety(world);
            check_log(world, copy);
            check_reads(world, copy);
            check_keys(world);
            world_destroy(world);
        }
    }
    free(copy);
}

/* --- one thing at a time ------------------------------------------------------------------ */

/* An account id that lives in that shard. */
static void id_in_shard(const struct world *world, unsigned shard, unsigned skip,
                        char id[WORLD_ID_BYTES])
{
    for (unsigned i = 0;; i++) {
        snprintf(id, WORLD_ID_BYTES, "x%u", i);
        if (shard_of(hash_account(&world->secret, id, strlen(id)), world->count) == shard &&
            skip-- == 0)
            return;
    }
}

static struct task *task_of(struct world *world, enum florin_command_kind kind, const char *id,
                            const char *to, int64_t amount)
{
    struct task *task = task_add(world, kind);
    snprintf(task->ids[0], WORLD_ID_BYTES, "%s", id);
    task->command.account_length = strlen(id);
    task->command.amount_minor = amount;
    if (to != NULL) {
        snprintf(task->ids[1], WORLD_ID_BYTES, "%s", to);
        task->command.to = task->ids[1];
        task->command.to_length = strlen(to);
    }
    world_submit(world, world->task_count - 1);
    return task;
}

static void run_until_quiet(struct world *world)
{
    for (uint32_t steps = 0; steps < 20000; steps++)
        world_step(world);
    for (unsigned i = 0; i < world->count; i++)
        world_seal(world, i);
    for (uint32_t steps = 0; steps < 20000; steps++)
        world_step(world);
    world_check_quiet(world);
}

/* An account that is not there when home claims it, and is opened and claimed by another posting
 * before the first is decided: the first does not see it. */
static void account__opened_after_its_claim_belongs_to_the_next_posting(void **state)
{
    (void)state;
    struct world *world = world_create(2, 1);
    char home[WORLD_ID_BYTES];
    char late[WORLD_ID_BYTES];
    char there[WORLD_ID_BYTES];
    id_in_shard(world, 0, 0, home);
    id_in_shard(world, 0, 1, late);
    id_in_shard(world, 1, 0, there);
    (void)task_of(world, FLORIN_OPEN_ACCOUNT, home, NULL, 1000);
    (void)task_of(world, FLORIN_OPEN_ACCOUNT, there, NULL, 1000);
    run_until_quiet(world);

    /* home and late are claimed in shard 0, then `there` in shard 1 */
    struct task *first = task_add(world, FLORIN_POSTING);
    static const int64_t AMOUNTS[] = {20, 10, 10};
    const char *const ids[] = {home, late, there};
    for (unsigned i = 0; i < 3; i++) {
        snprintf(first->ids[i], WORLD_ID_BYTES, "%s", ids[i]);
        first->legs[i] = (struct florin_leg){.account = first->ids[i],
                                             .account_length = strlen(ids[i]),
                                             .direction = i == 0 ? FLORIN_DEBIT : FLORIN_CREDIT,
                                             .amount_minor = AMOUNTS[i]};
    }
    first->command.account_length = strlen(home);
    first->command.legs = first->legs;
    first->command.leg_count = 3;
    world_submit(world, world->task_count - 1);
    assert_true(world_send(world, 0)); /* claimed here */
    assert_true(world_send(world, 0)); /* on its way to the other */

    /* it is opened, and a transfer from the other shard takes it */
    struct task *open = task_of(world, FLORIN_OPEN_ACCOUNT, late, NULL, 500);
    assert_int_equal(open->result.status, FLORIN_APPLIED);
    world_seal(world, 0);
    struct task *second = task_of(world, FLORIN_TRANSFER, there, late, 100);
    assert_int_equal(second->state, TASK_RUNNING);
    assert_true(world_send(world, 1)); /* claims `late` first: its shard is the smaller */
    assert_true(world_receive(world, 0, 1));
    assert_true(world_grant(world, 0));

    /* the first is decided while the second keeps `late` */
    assert_true(world_receive(world, 1, 0));
    assert_true(world_grant(world, 1));
    assert_true(world_receive(world, 0, 1));
    assert_true(world_decide(world, 0, FLORIN_APPLIED));
    assert_int_equal(first->result.status, FLORIN_ACCOUNT_NOT_FOUND);
    assert_int_equal(first->result.leg, 1);
    run_until_quiet(world);
    assert_int_equal(second->result.status, FLORIN_APPLIED);
    struct task *read = task_of(world, FLORIN_READ_ACCOUNT, late, NULL, 0);
    assert_int_equal(read->result.balance_minor, 600);
    world_destroy(world);
}

/* Whoever claims a hot account waits for those before it, however many come behind. */
static void hot_account__is_given_in_the_order_of_the_line(void **state)
{
    (void)state;
    enum { CLAIMS = 40 };
    struct world *world = world_create(2, 2);
    struct task *transfers[CLAIMS];
    char hot[WORLD_ID_BYTES];
    char from[WORLD_ID_BYTES];
    id_in_shard(world, 0, 0, hot);
    (void)task_of(world, FLORIN_OPEN_ACCOUNT, hot, NULL, 0);
    for (unsigned i = 0; i < CLAIMS; i++) {
        id_in_shard(world, 1, i, from);
        (void)task_of(world, FLORIN_OPEN_ACCOUNT, from, NULL, 100);
    }
    run_until_quiet(world);
    for (unsigned i = 0; i < CLAIMS; i++) {
        id_in_shard(world, 1, i, from);
        transfers[i] = task_of(world, FLORIN_TRANSFER, from, hot, 1);
        assert_true(world_send(world, 1));
        assert_true(world_receive(world, 0, 1));
        /* and deposits of home's own clients between them */
        (void)task_of(world, FLORIN_DEPOSIT, hot, NULL, 1);
    }
    run_until_quiet(world);
    for (unsigned i = 0; i < CLAIMS; i++) {
        assert_int_equal(transfers[i]->result.status, FLORIN_APPLIED);
        if (i > 0)
            assert_true(transfers[i]->result.transaction_id >
                        transfers[i - 1]->result.transaction_id);
    }
    world_destroy(world);
}

/* The second of two equal requests comes while the first keeps its accounts. */
static void duplicate__that_was_under_way_gets_the_first_answer(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 20; seed++) {
        struct world *world = world_create(2, seed);
        char home[WORLD_ID_BYTES];
        char there[WORLD_ID_BYTES];
        struct task *tasks[5];
        id_in_shard(world, 1, 0, home);
        id_in_shard(world, 0, 0, there);
        (void)task_of(world, FLORIN_OPEN_ACCOUNT, home, NULL, 1000);
        (void)task_of(world, FLORIN_OPEN_ACCOUNT, there, NULL, 0);
        run_until_quiet(world);
        for (unsigned i = 0; i < 5; i++) {
            tasks[i] = task_add(world, FLORIN_TRANSFER);
            struct florin_command *command = &tasks[i]->command;
            command->account = home;
            command->account_length = strlen(home);
            command->to = there;
            command->to_length = strlen(there);
            command->amount_minor = 70;
            command->key = "same";
            command->key_length = 4;
            world_submit(world, world->task_count - 1);
        }
        run_until_quiet(world);
        unsigned first = 0;
        for (unsigned i = 0; i < 5; i++) {
            assert_int_equal(tasks[i]->result.status, FLORIN_APPLIED);
            assert_int_equal(tasks[i]->result.transaction_id, tasks[0]->result.transaction_id);
            assert_int_equal(tasks[i]->result.balance_minor, 930);
            first += !tasks[i]->result.replayed;
        }
        assert_int_equal(first, 1);
        world_destroy(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chance__loses_nothing_and_leaves_nobody_waiting),
        cmocka_unit_test(account__opened_after_its_claim_belongs_to_the_next_posting),
        cmocka_unit_test(hot_account__is_given_in_the_order_of_the_line),
        cmocka_unit_test(duplicate__that_was_under_way_gets_the_first_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
