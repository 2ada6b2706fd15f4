/* coordinator_world.h - several shards in one thread with messages between them, for tests: what is
 * delivered, decided and sealed next is chosen by chance.
 *
 * Messages between two shards come in order. A stage that is sealed is handed to one log at once.
 * Commands and claims of one account take turns in a line, as in the runtime.
 */
#ifndef TESTS_CORE_COORDINATOR_WORLD_H
#define TESTS_CORE_COORDINATOR_WORLD_H

#include "support.h"

#include "engine/core/coordinator.h"

enum {
    WORLD_SHARDS_MAX = 5,
    WORLD_TASKS_MAX = 4000,
    WORLD_QUEUE_MAX = 1024, /* messages between two shards, a power of two */
    WORLD_LINE_MAX = 4096,
    WORLD_LOG_BYTES_MAX = 16 * 1024 * 1024,
    WORLD_LEGS_MAX = 8,
    WORLD_ID_BYTES = 8,
};

enum task_state { TASK_NEW, TASK_RUNNING, TASK_DONE };

/* One command of a client, and what became of it. */
struct task {
    struct florin_command command;
    struct florin_leg legs[WORLD_LEGS_MAX];
    char ids[WORLD_LEGS_MAX][WORLD_ID_BYTES];
    char key[16];
    enum task_state state;
    struct shard_found found;
    struct florin_result result;
    uint64_t wait_lsn; /* final when `is_final` */
    bool is_final;
    uint64_t after_lsn; /* it was sent when this was known */
    uint32_t node;
};

struct queued {
    size_t length;
    _Alignas(8) uint8_t bytes[POSTING_MESSAGE_BYTES_MAX];
};

struct queue {
    struct queued *messages;
    uint32_t first;
    uint32_t count;
};

struct standing {
    uint64_t hash;
    uint32_t task; /* WORLD_TASKS_MAX: a claim */
    uint32_t claim;
};

struct node {
    struct shard shard;
    struct participant participant;
    struct coordinator coordinator;
    struct standing line[WORLD_LINE_MAX];
    uint32_t line_count;
    struct queue from[WORLD_SHARDS_MAX];
    void *memory[3];
};

struct world {
    struct hash_secret secret;
    struct node *nodes;
    unsigned count;
    uint64_t random;
    bool refuses; /* now and then, as when a deadline has passed */
    uint64_t now_ns;
    uint64_t next_lsn;
    uint8_t *log;
    size_t log_bytes;
    size_t *offsets; /* of the record of LSN i + 1 */
    struct task *tasks;
    uint32_t task_count;
    uint32_t done_count;
};

static inline struct shard_options world_options(const struct world *world, unsigned number)
{
    return (struct shard_options){
        .secret = &world->secret,
        .number = number,
        .count = world->count,
        .accounts_max = 100,
        .keys_memory = 2 * WORLD_TASKS_MAX,
        .holds_max = 100,
    };
}

static inline struct world *world_create(unsigned count, uint64_t seed)
{
    struct world *world = memory_take(sizeof(*world));
    hash_secret_init(&world->secret, "a directory's seed", 18);
    world->nodes = memory_take(count * sizeof(*world->nodes));
    world->count = count;
    world->random = seed;
    world->now_ns = 1000000;
    world->next_lsn = 1;
    world->log = memory_take(WORLD_LOG_BYTES_MAX);
    world->offsets = memory_take(2 * WORLD_TASKS_MAX * sizeof(size_t));
    world->tasks = memory_take(WORLD_TASKS_MAX * sizeof(struct task));
    for (unsigned i = 0; i < count; i++) {
        struct node *node = &world->nodes[i];
        struct shard_options options = world_options(world, i);
        node->memory[0] = memory_take(shard_memory_bytes(&options));
        shard_init(&node->shard, &options, node->memory[0]);
        node->memory[1] = memory_take(participant_memory_bytes(count));
        participant_init(&node->participant, &node->shard, count, node->memory[1]);
        node->memory[2] = memory_take(coordinator_memory_bytes());
        coordinator_init(&node->coordinator, &node->shard, node->memory[2]);
        for (unsigned j = 0; j < count; j++)
            node->from[j].messages = memory_take(WORLD_QUEUE_MAX * sizeof(struct queued));
    }
    return world;
}

static inline void world_destroy(struct world *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        for (unsigned j = 0; j < 3; j++)
            free(world->nodes[i].memory[j]);
        for (unsigned j = 0; j < world->count; j++)
            free(world->nodes[i].from[j].messages);
    }
    free(world->nodes);
    free(world->tasks);
    free(world->offsets);
    free(world->log);
    free(world);
}

static inline uint64_t world_hash(const struct world *world, const struct florin_command *command)
{
    return hash_account(&world->secret, command->account, command->account_length);
}

static inline struct record world_record(const struct world *world, uint64_t lsn)
{
    struct record record;
    size_t offset = world->offsets[lsn - 1];
    assert_in_range(lsn, 1, world->next_lsn - 1);
    assert_int_not_equal(record_decode(world->log + offset, world->log_bytes - offset, &record), 0);
    return record;
}

/* --- sealing ------------------------------------------------------------------------------ */

static inline void world_seal(struct world *world, unsigned number)
{
    struct node *node = &world->nodes[number];
    struct shard_stage *stage = &node->shard.stage;
    uint64_t first = world->next_lsn;
    if (stage->record_count == 0)
        return;
    shard_seal(&node->shard, first);
    coordinator_seal(&node->coordinator, first);
    for (uint32_t i = 0; i < stage->record_count; i++)
        world->offsets[first - 1 + i] = world->log_bytes + stage->records[i].offset;
    memcpy(world->log + world->log_bytes, stage->bytes, stage->byte_count);
    world->log_bytes += stage->byte_count;
    world->next_lsn += stage->record_count;
    for (uint32_t i = 0; i < world->task_count; i++) {
        struct task *task = &world->tasks[i];
        if (task->state != TASK_DONE || task->is_final || task->node != number)
            continue;
        task->result.transaction_id = shard_final_lsn(task->result.transaction_id, first);
        task->wait_lsn = shard_final_lsn(task->wait_lsn, first);
        task->is_final = true;
    }
    shard_stage_clear(&node->shard);
}

/* --- commands ----------------------------------------------------------------------------- */

static inline void world_stand(struct world *world, unsigned number, uint64_t hash, uint32_t task,
                               uint32_t claim)
{
    struct node *node = &world->nodes[number];
    assert_true(node->line_count < WORLD_LINE_MAX);
    (void)world;
    node->line[node->line_count++] = (struct standing){hash, task, claim};
}

static inline bool world_stand_before(const struct node *node, uint64_t hash, uint32_t place)
{
    for (uint32_t i = 0; i < place; i++) {
        if (node->line[i].hash == hash)
            return true;
    }
    return false;
}

static inline void world_finish(struct world *world, struct task *task,
                                const struct shard_answer *answer)
{
    assert_int_not_equal(task->state, TASK_DONE);
    task->state = TASK_DONE;
    task->result = answer->result;
    task->wait_lsn = answer->wait_lsn;
    task->is_final = (answer->wait_lsn & SHARD_LSN_PROVISIONAL) == 0;
    world->done_count++;
}

/* false: it has to come again. */
static inline bool world_execute(struct world *world, unsigned number, uint32_t index)
{
    struct node *node = &world->nodes[number];
    struct task *task = &world->tasks[index];
    struct shard_answer answer;
    for (;;) {
        if (!shard_stage_has_room(&node->shard))
            return false;
        shard_execute(&node->shard, &task->command, world_hash(world, &task->command),
                      ++world->now_ns, &task->found, &answer);
        if (answer.lookup == SHARD_LOOKUP_NONE) {
            world_finish(world, task, &answer);
            return true;
        }
        if (answer.lookup == SHARD_LOOKUP_SHARDS) {
            uint32_t begun =
                coordinator_begin(&node->coordinator, &task->command, &task->found, index, 0);
            assert_int_not_equal(begun, COORDINATOR_NONE);
            return true;
        }
        if (answer.lookup == SHARD_LOOKUP_CLAIM || (answer.lookup_lsn & SHARD_LSN_PROVISIONAL))
            return false;
        assert_int_equal(answer.lookup, SHARD_LOOKUP_RECORD);
        struct record record = world_record(world, answer.lookup_lsn);
        task->found.key.found = shard_record_has_key(&record, &task->command);
        if (task->found.key.found)
            task->found.key.answer =
                key_answer_of_record(&world->secret, &record, answer.lookup_lsn);
        else
            task->found.key.others[task->found.key.other_count++] = answer.lookup_lsn;
    }
}

static inline void world_submit(struct world *world, uint32_t index)
{
    struct task *task = &world->tasks[index];
    uint64_t hash = world_hash(world, &task->command);
    unsigned number = shard_of(hash, world->count);
    assert_int_equal(task->state, TASK_NEW);
    task->state = TASK_RUNNING;
    task->node = number;
    struct node *node = &world->nodes[number];
    if (world_stand_before(node, hash, node->line_count) || !world_execute(world, number, index))
        world_stand(world, number, hash, index, 0);
}

/* --- claims and messages ------------------------------------------------------------------ */

static inline bool world_take_account(struct world *world, unsigned number, uint32_t claim)
{
    struct participant *participant = &world->nodes[number].participant;
    return participant_advance(participant, claim, ++world->now_ns) != PARTICIPANT_WAITS;
}

static inline void world_advance_claim(struct world *world, unsigned number, uint32_t claim)
{
    struct node *node = &world->nodes[number];
    uint64_t hash;
    while (participant_next(&node->participant, claim, &hash)) {
        if (world_stand_before(node, hash, node->line_count) ||
            !world_take_account(world, number, claim)) {
            world_stand(world, number, hash, WORLD_TASKS_MAX, claim);
            return;
        }
    }
    if (participant_claim(&node->participant, claim)->home == number)
        coordinator_granted_here(&node->coordinator, &node->participant, claim);
}

static inline void world_serve_line(struct world *world, unsigned number)
{
    struct node *node = &world->nodes[number];
    for (uint32_t place = 0; place < node->line_count;) {
        struct standing standing = node->line[place];
        bool is_claim = standing.task == WORLD_TASKS_MAX;
        bool advanced = !world_stand_before(node, standing.hash, place) &&
                        (is_claim ? world_take_account(world, number, standing.claim)
                                  : world_execute(world, number, standing.task));
        if (!advanced) {
            place++;
            continue;
        }
        node->line_count--;
        memmove(&node->line[place], &node->line[place + 1],
                (node->line_count - place) * sizeof(node->line[0]));
        if (is_claim)
            world_advance_claim(world, number, standing.claim);
    }
}

static inline struct queued *world_queue(struct world *world, unsigned from, unsigned to,
                                         size_t length)
{
    struct queue *queue = &world->nodes[to].from[from];
    assert_true(queue->count < WORLD_QUEUE_MAX);
    assert_true(length <= POSTING_MESSAGE_BYTES_MAX);
    struct queued *message = &queue->messages[(queue->first + queue->count++) % WORLD_QUEUE_MAX];
    message->length = length;
    return message;
}

/* Takes what is sent next out of the coordinator. */
static inline bool world_send(struct world *world, unsigned number)
{
    struct node *node = &world->nodes[number];
    unsigned to;
    size_t length;
    if (!coordinator_next_message(&node->coordinator, &to, &length))
        return false;
    if (to != number) {
        coordinator_write_message(&node->coordinator,
                                  world_queue(world, number, to, length)->bytes);
        return true;
    }
    static struct queued own;
    coordinator_write_message(&node->coordinator, own.bytes);
    world_advance_claim(world, number,
                        participant_begin(&node->participant, number,
                                          (const struct posting_message *)(void *)own.bytes));
    return true;
}

static inline bool world_grant(struct world *world, unsigned number)
{
    struct node *node = &world->nodes[number];
    uint32_t claim = participant_next_grant(&node->participant);
    if (claim == PARTICIPANT_NONE)
        return false;
    unsigned home = participant_claim(&node->participant, claim)->home;
    size_t length = participant_grant_bytes(&node->participant, claim);
    participant_grant(&node->participant, claim, world_queue(world, number, home, length)->bytes);
    return true;
}

static inline bool world_receive(struct world *world, unsigned number, unsigned from)
{
    struct node *node = &world->nodes[number];
    struct queue *queue = &node->from[from];
    if (queue->count == 0)
        return false;
    const struct posting_message *message =
        (const struct posting_message *)(void *)queue->messages[queue->first].bytes;
    if (message->kind == POSTING_CLAIM)
        world_advance_claim(world, number, participant_begin(&node->participant, from, message));
    else if (message->kind == POSTING_GRANT)
        coordinator_granted(&node->coordinator, message);
    else
        participant_resolve(&node->participant, message);
    queue->first = (queue->first + 1) % WORLD_QUEUE_MAX;
    queue->count--;
    return true;
}

static inline bool world_decide(struct world *world, unsigned number, enum florin_status refuse)
{
    struct node *node = &world->nodes[number];
    struct florin_leg legs[FLORIN_LEGS_MAX];
    struct florin_command command;
    struct shard_answer answer;
    uint32_t ready = coordinator_next_ready(&node->coordinator);
    if (ready == COORDINATOR_NONE || !shard_stage_has_room(&node->shard))
        return false;
    uint32_t index = coordinator_decide(&node->coordinator, &node->participant, ready,
                                        ++world->now_ns, refuse, &answer, legs, &command);
    struct task *task = &world->tasks[index];
    if (answer.lookup == SHARD_LOOKUP_NONE) {
        world_finish(world, task, &answer);
        return true;
    }
    assert_int_equal(posting_request(&command), posting_request(&task->command));
    task->found = (struct shard_found){0};
    world_stand(world, number, world_hash(world, &task->command), index, 0);
    return true;
}

/* One thing happens somewhere. */
static inline void world_step(struct world *world)
{
    unsigned number = (unsigned)random_below(&world->random, world->count);
    switch (random_below(&world->random, 9)) {
    case 0:
    case 1:
        (void)world_send(world, number);
        break;
    case 2:
    case 3:
    case 4:
        (void)world_receive(world, number, (unsigned)random_below(&world->random, world->count));
        break;
    case 5:
        (void)world_decide(world, number,
                           world->refuses && random_below(&world->random, 50) == 0
                               ? FLORIN_NOT_COMMITTED
                               : FLORIN_APPLIED);
        break;
    case 6:
        if (random_below(&world->random, 3) == 0)
            world_seal(world, number);
        break;
    case 7:
        (void)world_grant(world, number);
        break;
    default:
        world_serve_line(world, number);
        break;
    }
}

/* Nothing is under way any more. */
static inline void world_check_quiet(const struct world *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        const struct node *node = &world->nodes[i];
        assert_int_equal(node->coordinator.count, 0);
        assert_int_equal(node->participant.count, 0);
        assert_int_equal(node->line_count, 0);
        assert_int_equal(node->shard.stage.record_count, 0);
        for (uint32_t slot = 0; slot < node->shard.accounts.count; slot++)
            assert_int_equal(node->shard.accounts.slots[slot].flags & ACCOUNT_CLAIMED, 0);
        shard_audit(&node->shard);
    }
}

#endif
