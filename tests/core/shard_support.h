/* shard_support.h - a shard with a log behind it, for tests: commands in one line each. */
#ifndef TESTS_CORE_SHARD_SUPPORT_H
#define TESTS_CORE_SHARD_SUPPORT_H

#include "support.h"

#include "engine/core/shard.h"

enum {
    LEDGER_ACCOUNTS_MAX = 400,
    LEDGER_KEYS_MAX = 3000,
    LEDGER_LOG_BYTES_MAX = 8 * 1024 * 1024,
};

/* One shard and what it has written: `log` holds all sealed records, the first of LSN 1 (unless
 * the test moved next_lsn). */
struct ledger {
    struct shard shard;
    struct hash_secret secret;
    void *memory;
    uint8_t *log;
    size_t log_bytes;
    uint64_t next_lsn;
    uint64_t sealed_first_lsn;
    uint64_t now_ns;
};

static inline struct ledger *ledger_create(void)
{
    struct ledger *ledger = memory_take(sizeof(*ledger));
    hash_secret_init(&ledger->secret, "a directory's seed", 18);
    struct shard_options options = {
        .secret = &ledger->secret,
        .accounts_max = LEDGER_ACCOUNTS_MAX,
        .keys_max = LEDGER_KEYS_MAX,
    };
    ledger->memory = memory_take(shard_memory_bytes(&options));
    ledger->log = memory_take(LEDGER_LOG_BYTES_MAX);
    ledger->next_lsn = 1;
    ledger->now_ns = 1000000;
    shard_init(&ledger->shard, &options, ledger->memory);
    return ledger;
}

static inline void ledger_destroy(struct ledger *ledger)
{
    free(ledger->log);
    free(ledger->memory);
    free(ledger);
}

static inline int ledger_setup(void **state)
{
    *state = ledger_create();
    return 0;
}

static inline int ledger_teardown(void **state)
{
    ledger_destroy(*state);
    return 0;
}

#define ledger_test(function)                                                                      \
    cmocka_unit_test_setup_teardown(function, ledger_setup, ledger_teardown)

static inline uint64_t ledger_hash(const struct ledger *ledger, const char *id)
{
    return hash_account(&ledger->secret, id, strlen(id));
}

static inline struct account *account_of(const struct ledger *ledger, const char *id)
{
    return account_table_find(&ledger->shard.accounts, ledger_hash(ledger, id), id, strlen(id));
}

/* What a runtime does when a group is full: buy positions, copy the stage into the log, clear. */
static inline void seal(struct ledger *ledger)
{
    struct shard_stage *stage = &ledger->shard.stage;
    shard_seal(&ledger->shard, ledger->next_lsn);
    ledger->sealed_first_lsn = ledger->next_lsn;
    ledger->next_lsn += stage->record_count;
    assert_true(ledger->log_bytes + stage->byte_count <= LEDGER_LOG_BYTES_MAX);
    memcpy(ledger->log + ledger->log_bytes, stage->bytes, stage->byte_count);
    ledger->log_bytes += stage->byte_count;
    shard_stage_clear(&ledger->shard);
}

static inline struct shard_answer run(struct ledger *ledger, const struct florin_command *command)
{
    struct shard_answer answer;
    uint64_t hash = 0;
    if (command->account != NULL)
        hash = hash_account(&ledger->secret, command->account, command->account_length);
    if (!shard_stage_has_room(&ledger->shard))
        seal(ledger);
    shard_prefetch(&ledger->shard, hash);
    shard_prefetch_account(&ledger->shard, hash);
    shard_execute(&ledger->shard, command, hash, ++ledger->now_ns, &answer);
    return answer;
}

static inline struct florin_command posting_make(enum florin_command_kind kind, const char *account,
                                                 const char *key, int64_t amount_minor,
                                                 uint64_t expected_version)
{
    return (struct florin_command){
        .kind = kind,
        .account = account,
        .account_length = strlen(account),
        .key = key,
        .key_length = key == NULL ? 0 : strlen(key),
        .amount_minor = amount_minor,
        .expected_version = expected_version,
    };
}

static inline struct florin_command open_make(const char *account, int64_t balance_minor)
{
    return posting_make(FLORIN_OPEN_ACCOUNT, account, NULL, balance_minor, 0);
}

static inline struct shard_answer run_posting(struct ledger *ledger, enum florin_command_kind kind,
                                              const char *account, const char *key,
                                              int64_t amount_minor, uint64_t expected_version)
{
    struct florin_command command =
        posting_make(kind, account, key, amount_minor, expected_version);
    shard_prefetch_key(&ledger->shard, &command);
    return run(ledger, &command);
}

static inline struct shard_answer run_open(struct ledger *ledger, const char *account,
                                           int64_t balance_minor)
{
    struct florin_command command = open_make(account, balance_minor);
    return run(ledger, &command);
}

static inline struct shard_answer run_read(struct ledger *ledger, const char *account)
{
    struct florin_command command = posting_make(FLORIN_READ_ACCOUNT, account, NULL, 0, 0);
    return run(ledger, &command);
}

/* The command is refused so, and leaves no trace. */
static inline void check_refusal(struct ledger *ledger, const struct florin_command *command,
                                 enum florin_status status, enum florin_field field)
{
    uint32_t staged = ledger->shard.stage.record_count;
    struct shard_answer answer = run(ledger, command);
    assert_int_equal(answer.result.status, status);
    assert_int_equal(answer.result.field, field);
    assert_int_equal(answer.result.transaction_id, 0);
    assert_false(answer.staged);
    assert_int_equal(ledger->shard.stage.record_count, staged);
}

/* Uses up all keys with deposits of one cent, and seals. */
static inline void fill_keys(struct ledger *ledger, const char *account)
{
    char key[16];
    for (int i = 0; key_table_has_room(&ledger->shard.keys); i++) {
        snprintf(key, sizeof(key), "fill%d", i);
        assert_int_equal(run_posting(ledger, FLORIN_DEPOSIT, account, key, 1, 0).result.status,
                         FLORIN_APPLIED);
    }
    seal(ledger);
}

#endif
