/* shard_support.h - a shard with a log and a key file behind it, for tests: commands in one line
 * each, with all look-ups that they need. */
#ifndef TESTS_CORE_SHARD_SUPPORT_H
#define TESTS_CORE_SHARD_SUPPORT_H

#include "support.h"

#include "engine/core/reversal.h"
#include "engine/core/shard.h"

enum {
    LEDGER_ACCOUNTS_MAX = 400,
    LEDGER_KEYS_MAX = 3000,
    LEDGER_HOLDS_MAX = 2000,
    LEDGER_LOG_BYTES_MAX = 8 * 1024 * 1024,
    LEDGER_RECORDS_MAX = LEDGER_LOG_BYTES_MAX / RECORD_FIXED_BYTES,
};

struct logged {
    uint64_t lsn;
    size_t offset;
};

/* One shard and what it has written: `log` holds all sealed records, the first of LSN 1 (unless
 * the test moved next_lsn). `answers` are the key file: of all keys up to filters.to_lsn. */
struct ledger {
    struct shard shard;
    struct hash_secret secret;
    void *memory;
    uint8_t *log;
    size_t log_bytes;
    struct logged *logged;
    size_t logged_count;
    uint64_t next_lsn;
    uint64_t sealed_first_lsn;
    uint64_t now_ns;
    uint64_t kept_from_lsn; /* records before it are gone */
    /* the key file */
    struct key_answer *answers;
    size_t answer_count;
    uint8_t *filter_bytes;
    struct key_filter filter;
    struct key_filter_file file;
    struct key_filters filters;
    /* how often each kind of look-up was needed */
    uint32_t lookups[SHARD_LOOKUP_SHARDS + 1];
};

static inline struct ledger *ledger_create(void)
{
    struct ledger *ledger = memory_take(sizeof(*ledger));
    hash_secret_init(&ledger->secret, "a directory's seed", 18);
    struct shard_options options = {
        .secret = &ledger->secret,
        .accounts_max = LEDGER_ACCOUNTS_MAX,
        .keys_memory = LEDGER_KEYS_MAX,
        .holds_max = LEDGER_HOLDS_MAX,
    };
    ledger->memory = memory_take(shard_memory_bytes(&options));
    ledger->log = memory_take(LEDGER_LOG_BYTES_MAX);
    ledger->logged = memory_take(LEDGER_RECORDS_MAX * sizeof(struct logged));
    ledger->next_lsn = 1;
    ledger->now_ns = 1000000;
    shard_init(&ledger->shard, &options, ledger->memory);
    return ledger;
}

static inline void ledger_destroy(struct ledger *ledger)
{
    free(ledger->answers);
    free(ledger->filter_bytes);
    free(ledger->logged);
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

/* Copies the sealed stage, whose first record has `first_lsn`, into the log, and clears it. */
static inline void log_stage(struct ledger *ledger, uint64_t first_lsn)
{
    struct shard_stage *stage = &ledger->shard.stage;
    assert_true(ledger->log_bytes + stage->byte_count <= LEDGER_LOG_BYTES_MAX);
    for (uint32_t i = 0; i < stage->record_count; i++) {
        assert_true(ledger->logged_count < LEDGER_RECORDS_MAX);
        ledger->logged[ledger->logged_count++] = (struct logged){
            .lsn = first_lsn + i, .offset = ledger->log_bytes + stage->records[i].offset};
    }
    memcpy(ledger->log + ledger->log_bytes, stage->bytes, stage->byte_count);
    ledger->log_bytes += stage->byte_count;
    ledger->sealed_first_lsn = first_lsn;
    ledger->next_lsn = first_lsn + stage->record_count;
    shard_stage_clear(&ledger->shard);
}

/* What a runtime does when a group is full: buy positions, copy the stage into the log, clear. */
static inline void seal(struct ledger *ledger)
{
    shard_seal(&ledger->shard, ledger->next_lsn);
    log_stage(ledger, ledger->next_lsn);
}

/* The same log, for a ledger that was made of it. */
static inline void copy_log(struct ledger *ledger, const struct ledger *from)
{
    memcpy(ledger->log, from->log, from->log_bytes);
    memcpy(ledger->logged, from->logged, from->logged_count * sizeof(struct logged));
    ledger->log_bytes = from->log_bytes;
    ledger->logged_count = from->logged_count;
    ledger->next_lsn = from->next_lsn;
    ledger->now_ns = from->now_ns;
}

/* The record number `index` of the log. */
static inline struct record logged_record(const struct ledger *ledger, size_t index)
{
    struct record record;
    size_t offset = ledger->logged[index].offset;
    assert_true(index < ledger->logged_count);
    assert_int_not_equal(record_decode(ledger->log + offset, ledger->log_bytes - offset, &record),
                         0);
    return record;
}

/* --- key files --------------------------------------------------------------------------- */

static inline int compare_answers(const void *left, const void *right)
{
    return key_answer_compare(left, right);
}

/* A file of all keys up to `to_lsn`, made from the log alone. The shard knows it from now on. */
static inline void make_key_file(struct ledger *ledger, uint64_t to_lsn)
{
    size_t count = 0;
    free(ledger->answers);
    free(ledger->filter_bytes);
    ledger->answers = memory_take((2 * ledger->logged_count + 1) * sizeof(struct key_answer));
    for (size_t i = 0; i < ledger->logged_count && ledger->logged[i].lsn <= to_lsn; i++) {
        struct record record = logged_record(ledger, i);
        if (record.key_length > 0)
            ledger->answers[count++] =
                key_answer_of_record(&ledger->secret, &record, ledger->logged[i].lsn);
        if (key_answer_of_reversal(&ledger->secret, &record, ledger->logged[i].lsn,
                                   &ledger->answers[count]))
            count++;
    }
    ledger->answer_count = count;
    qsort(ledger->answers, count, sizeof(struct key_answer), compare_answers);

    uint64_t *hashes = memory_take((count + 1) * sizeof(*hashes));
    void *scratch = memory_take(key_filter_scratch_bytes((uint32_t)count));
    for (size_t i = 0; i < count; i++)
        hashes[i] = key_filter_hash(ledger->answers[i].digest);
    size_t bytes = key_filter_bytes((uint32_t)count);
    ledger->filter_bytes = memory_take(bytes);
    assert_true(key_filter_build(hashes, (uint32_t)count, scratch, ledger->filter_bytes));
    assert_true(key_filter_open(ledger->filter_bytes, bytes, &ledger->filter));
    free(scratch);
    free(hashes);
    ledger->file = (struct key_filter_file){.parts = &ledger->filter};
    ledger->filters =
        (struct key_filters){.files = &ledger->file, .file_count = 1, .to_lsn = to_lsn};
    ledger->shard.key_filters = &ledger->filters;
}

/* What the keys in the file add to the digest of the state. */
static inline uint64_t key_file_digest(const struct ledger *ledger)
{
    uint64_t digest = 0;
    for (size_t i = 0; i < ledger->answer_count; i++) {
        const struct key_answer *answer = &ledger->answers[i];
        digest += key_state_digest(key_tag(answer->digest), key_check(answer->digest), answer->lsn);
    }
    return digest;
}

/* --- look-ups ---------------------------------------------------------------------------- */

/* A command that waits, with the legs that its look-ups have given it. */
struct asked {
    struct florin_command command;
    struct florin_leg legs[FLORIN_LEGS_MAX];
};

/* The record `lsn`; false: it is not kept. */
static inline bool find_record(const struct ledger *ledger, uint64_t lsn, struct record *record)
{
    *record = (struct record){0};
    size_t low = 0;
    size_t high = ledger->logged_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (ledger->logged[middle].lsn <= lsn)
            low = middle;
        else
            high = middle;
    }
    if (lsn < ledger->kept_from_lsn)
        return false;
    assert_int_equal(ledger->logged[low].lsn, lsn);
    *record = logged_record(ledger, low);
    return true;
}

/* A record that may be of a key, of the command's or of the number of its reversal. */
static inline void look_up_record(struct ledger *ledger, const struct florin_command *command,
                                  uint64_t lsn, struct shard_found *found)
{
    struct record record;
    if (lsn & SHARD_LSN_PROVISIONAL) {
        seal(ledger);
        lsn = shard_final_lsn(lsn, ledger->sealed_first_lsn);
    }
    assert_true(find_record(ledger, lsn, &record));
    found->key.found =
        shard_answer_of_record(&ledger->secret, &record, lsn, command, &found->key.answer);
    if (!found->key.found)
        found->key.others[found->key.other_count++] = lsn;
}

static inline bool find_in_files(const struct ledger *ledger, struct hash128 digest,
                                 struct shard_key_found *found)
{
    const struct key_answer wanted = {.digest = digest};
    size_t low = 0;
    size_t high = ledger->answer_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (key_answer_compare(&ledger->answers[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    found->found = low < ledger->answer_count && ledger->answers[low].digest.high == digest.high &&
                   ledger->answers[low].digest.low == digest.low;
    if (found->found)
        found->answer = ledger->answers[low];
    found->files_have_not = !found->found;
    return found->found;
}

static inline void look_up_files(const struct ledger *ledger, struct hash128 digest,
                                 struct shard_found *found)
{
    (void)find_in_files(ledger, digest, &found->key);
}

/* The record that a command names. */
static inline void look_up_target(struct ledger *ledger, struct asked *asked, uint64_t lsn,
                                  struct shard_found *found)
{
    struct record record;
    if (ledger->shard.stage.record_count > 0)
        seal(ledger);
    found->target = SHARD_TARGET_NOT_FOUND;
    if (lsn >= ledger->next_lsn || !find_record(ledger, lsn, &record))
        return;
    found->target = shard_target_of_record(&record, &asked->command);
    if (found->target == SHARD_TARGET_REVERSIBLE && asked->command.kind == FLORIN_REVERSE) {
        asked->command.leg_count = reversal_legs(&record, asked->legs);
        asked->command.legs = asked->legs;
    }
}

/* Whether there is a next reversal, by the look-up that the shard has asked for; it is taken off.
 */
static inline void look_up_reversal(struct ledger *ledger, struct asked *asked,
                                    const struct shard_answer *answer, struct shard_found *found)
{
    struct record record;
    struct shard_key_found *next = &found->next_reversal;
    uint64_t lsn = answer->lookup_lsn;
    if (answer->lookup == SHARD_LOOKUP_FILES) {
        if (!find_in_files(ledger, answer->lookup_digest, next))
            return;
        lsn = next->answer.lsn;
    } else if (lsn & SHARD_LSN_PROVISIONAL) {
        seal(ledger);
        lsn = shard_final_lsn(lsn, ledger->sealed_first_lsn);
    }
    assert_true(find_record(ledger, lsn, &record));
    if (!shard_record_is_reversal(&record, &asked->command, found->reversals + 1)) {
        next->others[next->other_count++] = lsn;
        return;
    }
    assert_true(reversal_take_off(asked->legs, asked->command.leg_count, &record));
    found->reversals++;
    found->reversed_minor += record.amount_minor;
    assert_int_equal(found->reversed_minor, record.detail_minor);
    *next = (struct shard_key_found){0};
}

/* --- commands ---------------------------------------------------------------------------- */

/* Executes it once, with what was found so far. */
static inline struct shard_answer run_once(struct ledger *ledger,
                                           const struct florin_command *command,
                                           const struct shard_found *found)
{
    struct shard_answer answer;
    uint64_t hash = 0;
    if (command->account != NULL)
        hash = hash_account(&ledger->secret, command->account, command->account_length);
    if (!shard_stage_has_room(&ledger->shard))
        seal(ledger);
    shard_prefetch(&ledger->shard, hash);
    shard_prefetch_account(&ledger->shard, hash);
    shard_execute(&ledger->shard, command, hash, ledger->now_ns, found, &answer);
    ledger->lookups[answer.lookup]++;
    return answer;
}

/* Executes it, and looks up what that needs, until it is decided. */
static inline struct shard_answer run(struct ledger *ledger, const struct florin_command *command)
{
    struct shard_found found = {0};
    struct asked asked = {.command = *command};
    ledger->now_ns++;
    for (;;) {
        struct shard_answer answer = run_once(ledger, &asked.command, &found);
        if (answer.lookup == SHARD_LOOKUP_NONE)
            return answer;
        assert_false(answer.staged);
        if (answer.lookup == SHARD_LOOKUP_TARGET)
            look_up_target(ledger, &asked, answer.lookup_lsn, &found);
        else if (answer.lookup_is_reversal)
            look_up_reversal(ledger, &asked, &answer, &found);
        else if (answer.lookup == SHARD_LOOKUP_RECORD)
            look_up_record(ledger, command, answer.lookup_lsn, &found);
        else
            look_up_files(ledger, answer.lookup_digest, &found);
    }
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
