/* shard.c - one shard: decides commands, applies them, writes down what they did.
 *
 * Guarantees: a command either does all that its record says or nothing; the same calls give the
 * same bytes; a record is appended for every change and for every refusal that a key must
 * remember, and for nothing else.
 * Must not know: the clock, the log, who asked, whether anything is durable.
 *
 * The order of the checks is that of enum florin_status, with one turn: a decimal amount can only
 * be converted when the account, and with it the currency, is known. So the account is looked up
 * before the key. This changes no answer: keys are remembered for accounts that exist only.
 *
 * Which fields count: a read looks at the account id only, an opening ignores the expected version.
 */
#include "shard.h"

#include <assert.h>
#include <string.h>

#include "arena.h"
#include "money.h"

_Static_assert((int)SHARD_STAGE_BYTES_MAX >= (int)FLORIN_RECORD_MAX, "a stage holds a record");

static const struct key_filters NO_KEY_FILES = {0};
static const struct shard_found NOTHING_FOUND = {0};

/* --- the answer -------------------------------------------------------------------------- */

/* The account as it is now: what a refusal, a read or a repeated opening shows. */
static void answer_with_account(const struct shard *shard, const struct account *account,
                                struct shard_answer *answer)
{
    const struct currency *currency = account_table_currency(&shard->accounts, account);

    answer->account_slot = account_table_slot(&shard->accounts, account);
    answer->wait_lsn = account->last_lsn;
    answer->result.balance_minor = account->balance_minor;
    answer->result.version = account->version;
    memcpy(answer->result.currency, currency->code, sizeof(currency->code));
    answer->result.exponent = currency->exponent;
}

/* And all that reads and openings show besides. */
static void answer_with_details(const struct shard *shard, const struct account *account,
                                struct shard_answer *answer)
{
    uint32_t slot = account_table_slot(&shard->accounts, account);

    answer_with_account(shard, account, answer);
    answer->result.time_ns = shard->accounts.openings[slot].time_ns;
    answer->result.minimum_balance_minor = account_table_minimum(&shard->accounts, account);
    answer->result.metadata = account_table_metadata(&shard->accounts, account);
    answer->result.metadata_length = account->metadata_length;
}

static void answer_with_seen_key(const struct key_answer *seen,
                                 const struct florin_command *command, int64_t amount_minor,
                                 struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;

    result->transaction_id = seen->lsn;
    if (seen->kind != command->kind)
        result->field = FLORIN_FIELD_KIND;
    else if (seen->amount_minor != amount_minor)
        result->field = FLORIN_FIELD_AMOUNT;
    else if (seen->expected_version != command->expected_version)
        result->field = FLORIN_FIELD_EXPECTED_VERSION;
    if (result->field != FLORIN_FIELD_NONE) {
        result->status = FLORIN_KEY_REUSED;
        return;
    }
    answer->wait_lsn = seen->lsn;
    result->status = (enum florin_status)seen->status;
    result->replayed = true;
    result->balance_minor = seen->balance_minor;
    result->version = seen->version;
    result->time_ns = seen->time_ns;
}

/* There is no disk for a record. It shows nothing of the ledger, so that it waits for nothing: what
 * stands before it may not become durable either. */
static void answer_storage_full(const struct florin_command *command, struct shard_answer *answer)
{
    *answer = (struct shard_answer){
        .result = {.user_data = command->user_data,
                   .kind = command->kind,
                   .status = FLORIN_STORAGE_FULL},
        .account_slot = SHARD_NO_SLOT,
    };
}

/* --- syntax ------------------------------------------------------------------------------ */

static bool text_is_missing(const char *text, size_t length)
{
    return text == NULL && length > 0;
}

static enum florin_status refuse(enum florin_status status, enum florin_field at,
                                 enum florin_field *field)
{
    *field = at;
    return status;
}

static enum florin_status check_posting(const struct florin_command *command,
                                        enum florin_field *field)
{
    if (command->key_length > FLORIN_KEY_MAX || text_is_missing(command->key, command->key_length))
        return refuse(FLORIN_INVALID_KEY, FLORIN_FIELD_KEY, field);
    if (command->amount_minor <= 0 ||
        (command->amount_is_decimal && command->amount_scale > MONEY_SCALE_MAX))
        return refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, field);
    return FLORIN_APPLIED;
}

static const struct currency *command_currency(const struct florin_command *command)
{
    if (command->currency == NULL)
        return currency_default();
    return currency_find(command->currency, command->currency_length);
}

/* The amount in minor units. false: it has more decimals than the currency, or is out of range. */
static bool command_amount(const struct florin_command *command, const struct currency *currency,
                           int64_t *amount_minor)
{
    if (command->amount_is_decimal) {
        struct money_decimal decimal = {command->amount_minor, command->amount_scale};
        return money_to_minor(decimal, currency->exponent, amount_minor);
    }
    *amount_minor = command->amount_minor;
    return true;
}

static enum florin_status check_opening(const struct florin_command *command,
                                        enum florin_field *field)
{
    if (command->key_length > 0)
        return refuse(FLORIN_INVALID_KEY, FLORIN_FIELD_KEY, field);
    if (command->amount_is_decimal && command->amount_scale > MONEY_SCALE_MAX)
        return refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_BALANCE, field);
    const struct currency *currency = command_currency(command);
    int64_t balance_minor;
    if (currency != NULL && !command_amount(command, currency, &balance_minor))
        return refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_BALANCE, field);
    if (currency == NULL)
        return refuse(FLORIN_INVALID_CURRENCY, FLORIN_FIELD_CURRENCY, field);
    if (command->amount_minor < 0)
        return refuse(FLORIN_INVALID_BALANCE, FLORIN_FIELD_BALANCE, field);
    if (command->minimum_balance_minor > 0 || command->minimum_balance_minor < MONEY_MIN)
        return refuse(FLORIN_INVALID_BALANCE, FLORIN_FIELD_MINIMUM_BALANCE, field);
    if (command->metadata_length > FLORIN_METADATA_MAX ||
        text_is_missing(command->metadata, command->metadata_length))
        return refuse(FLORIN_INVALID_METADATA, FLORIN_FIELD_METADATA, field);
    return FLORIN_APPLIED;
}

/* All that can be said without looking at the ledger. */
static enum florin_status check_syntax(const struct florin_command *command,
                                       enum florin_field *field)
{
    bool id_is_valid = command->account != NULL &&
                       florin_account_id_is_valid(command->account, command->account_length);

    switch (command->kind) {
    case FLORIN_DEPOSIT:
    case FLORIN_WITHDRAW:
    case FLORIN_OPEN_ACCOUNT:
    case FLORIN_READ_ACCOUNT:
        break;
    case FLORIN_CHANGE_ACCOUNT:
    case FLORIN_TRANSFER:
    case FLORIN_POSTING:
    case FLORIN_HOLD:
    case FLORIN_CAPTURE:
    case FLORIN_VOID:
    case FLORIN_EXPIRE:
    case FLORIN_REVERSE:
    case FLORIN_BATCH:
    default:
        return refuse(FLORIN_INVALID_COMMAND, FLORIN_FIELD_KIND, field);
    }
    if (!id_is_valid)
        return refuse(FLORIN_INVALID_ACCOUNT_ID, FLORIN_FIELD_ACCOUNT, field);
    if (command->kind == FLORIN_READ_ACCOUNT)
        return FLORIN_APPLIED;
    if (command->kind == FLORIN_OPEN_ACCOUNT)
        return check_opening(command, field);
    return check_posting(command, field);
}

/* --- the stage --------------------------------------------------------------------------- */

static uint64_t next_provisional_lsn(const struct shard *shard)
{
    return SHARD_LSN_PROVISIONAL | shard->stage.record_count;
}

static uint64_t next_time(const struct shard *shard, uint64_t now_ns)
{
    return now_ns > shard->last_time_ns ? now_ns : shard->last_time_ns + 1;
}

/* Whether the newest record of the stage still waits for its LSN. */
static bool stage_is_open(const struct shard *shard)
{
    const struct shard_stage *stage = &shard->stage;
    uint32_t newest = stage->record_count - 1;
    return stage->record_count > 0 &&
           shard->accounts.slots[stage->records[newest].account_slot].last_lsn ==
               (SHARD_LSN_PROVISIONAL | newest);
}

/* Appends the record of a change that was just made to `account`, and links it. */
static void stage_record(struct shard *shard, struct record *record, struct account *account,
                         uint32_t key_slot)
{
    struct shard_stage *stage = &shard->stage;
    uint64_t lsn = next_provisional_lsn(shard);

    assert(stage->record_count == 0 || stage_is_open(shard)); /* sealed: clear it first */
    record->previous_lsn = account->last_lsn;
    record->version = account->version;
    record->balance_minor = account->balance_minor;
    record->exponent = account_table_currency(&shard->accounts, account)->exponent;
    account->last_lsn = lsn;
    shard->last_time_ns = record->time_ns;

    stage->records[stage->record_count++] = (struct shard_staged){
        .offset = stage->byte_count,
        .account_slot = account_table_slot(&shard->accounts, account),
        .key_slot = key_slot,
    };
    stage->byte_count += (uint32_t)record_encode(record, stage->bytes + stage->byte_count);
}

/* --- keys -------------------------------------------------------------------------------- */

static bool is_other(const struct shard_found *found, uint64_t lsn)
{
    for (uint8_t i = 0; i < found->other_count; i++) {
        if (found->others[i] == lsn)
            return true;
    }
    return false;
}

/* Whether the key was never seen. Otherwise the answer is finished: what the key got, or what is to
 * be looked up first. */
static bool key_is_new(const struct shard *shard, const struct florin_command *command,
                       struct hash128 digest, const struct shard_found *found,
                       struct shard_answer *answer)
{
    if (found->found) {
        assert(found->answer.digest.high == digest.high);
        assert(found->answer.digest.low == digest.low);
        answer_with_seen_key(&found->answer, command, answer->result.amount_minor, answer);
        return false;
    }
    answer->lookup_digest = digest;
    struct key_table_cursor cursor = key_table_start(&shard->keys, digest);
    uint32_t slot;
    while (key_table_next(&cursor, &slot)) {
        uint64_t lsn = key_table_lsn(&shard->keys, slot);
        if (is_other(found, lsn))
            continue;
        if (found->other_count == SHARD_OTHERS_MAX) {
            answer->result.status = FLORIN_QUEUE_FULL;
            return false;
        }
        answer->lookup = SHARD_LOOKUP_RECORD;
        answer->lookup_lsn = lsn;
        return false;
    }
    if (!found->files_have_not && key_filters_may_contain(shard->key_filters, digest)) {
        answer->lookup = SHARD_LOOKUP_FILES;
        return false;
    }
    return true;
}

/* --- deposit, withdraw ------------------------------------------------------------------- */

/* What the account says to it. `*balance_minor` is the balance after; unchanged by a refusal. */
static enum florin_status decide_posting(const struct account *account,
                                         const struct florin_command *command, int64_t amount_minor,
                                         int64_t *balance_minor)
{
    int64_t after = account->balance_minor;

    if (command->expected_version != 0 && command->expected_version != account->version)
        return command->expected_by_precondition ? FLORIN_PRECONDITION_FAILED
                                                 : FLORIN_VERSION_MISMATCH;
    if (command->kind == FLORIN_DEPOSIT) {
        if (!money_add(account->balance_minor, amount_minor, &after))
            return FLORIN_BALANCE_OVERFLOW;
    } else {
        if (!money_subtract(account->balance_minor, amount_minor, &after) ||
            after < account->floor_minor)
            return FLORIN_INSUFFICIENT_BALANCE;
    }
    *balance_minor = after;
    return FLORIN_APPLIED;
}

/* Makes a decided posting true: applied, or refused and remembered under its key. Its last check
 * is the room for the key; NULL digest: no key. */
static void commit_posting(struct shard *shard, const struct florin_command *command,
                           const struct hash128 *digest, struct account *account,
                           int64_t balance_minor, uint64_t now_ns, struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;
    bool applied = result->status == FLORIN_APPLIED;
    uint64_t version = applied ? account->version + 1 : account->version;
    uint64_t time_ns = next_time(shard, now_ns);
    uint64_t lsn = next_provisional_lsn(shard);
    uint32_t key_slot = SHARD_NO_SLOT;

    if (digest != NULL) {
        key_slot = key_table_add(&shard->keys, *digest, lsn);
        if (key_slot == KEY_TABLE_NO_SLOT) {
            result->status = FLORIN_KEYS_FULL;
            return;
        }
    }

    /* Cannot fail from here. */
    account->balance_minor = balance_minor;
    account->version = version;
    struct record record = {
        .kind = (uint8_t)command->kind,
        .status = (uint8_t)result->status,
        .has_expected_version = command->expected_version != 0,
        .expected_by_precondition =
            command->expected_version != 0 && command->expected_by_precondition,
        .time_ns = time_ns,
        .amount_minor = result->amount_minor,
        .expected_version = command->expected_version,
        .id = command->account,
        .id_length = (uint8_t)command->account_length,
        .key = command->key,
        .key_length = (uint8_t)command->key_length,
    };
    stage_record(shard, &record, account, key_slot);
    result->transaction_id = lsn;
    result->balance_minor = balance_minor;
    result->version = version;
    result->time_ns = time_ns;
    answer->wait_lsn = lsn;
    answer->staged = true;
}

static void execute_posting(struct shard *shard, const struct florin_command *command,
                            uint64_t account_hash, uint64_t now_ns, const struct shard_found *found,
                            struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;
    bool has_key = command->key_length > 0;
    struct hash128 digest = {0};

    if (has_key) {
        /* Early, so that the cache fetches both tables at once. */
        digest = hash_key(shard->secret, command->account, command->account_length, command->key,
                          command->key_length);
        key_table_prefetch(&shard->keys, digest);
    }
    struct account *account = account_table_find(&shard->accounts, account_hash, command->account,
                                                 command->account_length);
    if (account == NULL) {
        result->status = FLORIN_ACCOUNT_NOT_FOUND;
        return;
    }
    answer_with_account(shard, account, answer);
    if (!command_amount(command, account_table_currency(&shard->accounts, account),
                        &result->amount_minor)) {
        result->status = refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, &result->field);
        return;
    }
    if (has_key && !key_is_new(shard, command, digest, found, answer))
        return;
    int64_t balance_minor = account->balance_minor;
    result->status = decide_posting(account, command, result->amount_minor, &balance_minor);
    if (result->status != FLORIN_APPLIED && !has_key)
        return;
    if (shard->storage_is_full) {
        answer_storage_full(command, answer);
        return;
    }
    commit_posting(shard, command, has_key ? &digest : NULL, account, balance_minor, now_ns,
                   answer);
}

/* --- open, read -------------------------------------------------------------------------- */

static bool account_has_content(const struct shard *shard, const struct account *account,
                                const struct account_content *content)
{
    const struct account_opening *opening =
        &shard->accounts.openings[account_table_slot(&shard->accounts, account)];
    const struct currency *currency = account_table_currency(&shard->accounts, account);

    return memcmp(currency, &content->currency, sizeof(*currency)) == 0 &&
           opening->balance_minor == content->balance_minor &&
           account_table_minimum(&shard->accounts, account) == content->minimum_balance_minor &&
           account->metadata_length == content->metadata_length &&
           (content->metadata_length == 0 ||
            memcmp(account_table_metadata(&shard->accounts, account), content->metadata,
                   content->metadata_length) == 0);
}

static void stage_opening(struct shard *shard, const struct account_content *content,
                          struct account *account)
{
    struct record record = {
        .kind = FLORIN_OPEN_ACCOUNT,
        .status = FLORIN_APPLIED,
        .time_ns = content->opened_ns,
        .amount_minor = content->balance_minor,
        .id = content->id,
        .id_length = (uint8_t)content->id_length,
        .minimum_balance_minor = content->minimum_balance_minor,
        .metadata = content->metadata,
        .metadata_length = (uint16_t)content->metadata_length,
    };
    memcpy(record.currency, content->currency.code, sizeof(record.currency));
    stage_record(shard, &record, account, SHARD_NO_SLOT);
}

static void execute_open(struct shard *shard, const struct florin_command *command,
                         uint64_t account_hash, uint64_t now_ns, struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;
    struct account_content content = {
        .id = command->account,
        .id_length = command->account_length,
        .currency = *command_currency(command),
        .minimum_balance_minor = command->minimum_balance_minor,
        .metadata = command->metadata,
        .metadata_length = command->metadata_length,
        .opened_ns = next_time(shard, now_ns),
    };
    bool converted = command_amount(command, &content.currency, &content.balance_minor);
    assert(converted);
    result->amount_minor = content.balance_minor;

    struct account *account =
        account_table_find(&shard->accounts, account_hash, content.id, content.id_length);
    if (account != NULL) {
        answer_with_details(shard, account, answer);
        result->replayed = account_has_content(shard, account, &content);
        result->status = result->replayed ? FLORIN_APPLIED : FLORIN_ACCOUNT_EXISTS;
        return;
    }
    if (shard->storage_is_full) {
        answer_storage_full(command, answer);
        return;
    }
    account = account_table_add(&shard->accounts, account_hash, &content);
    if (account == NULL) {
        result->status = FLORIN_ACCOUNTS_FULL;
        return;
    }
    /* Cannot fail from here. */
    result->transaction_id = next_provisional_lsn(shard);
    stage_opening(shard, &content, account);
    answer_with_details(shard, account, answer);
    answer->staged = true;
}

static void execute_read(struct shard *shard, const struct florin_command *command,
                         uint64_t account_hash, struct shard_answer *answer)
{
    const struct account *account = account_table_find(&shard->accounts, account_hash,
                                                       command->account, command->account_length);
    if (account == NULL) {
        answer->result.status = FLORIN_ACCOUNT_NOT_FOUND;
        return;
    }
    answer_with_details(shard, account, answer);
    answer->result.transaction_id = account->last_lsn;
}

/* --- public ------------------------------------------------------------------------------ */

size_t shard_memory_bytes(const struct shard_options *options)
{
    return account_table_memory_bytes(options->accounts_max) +
           key_table_memory_bytes(options->keys_memory) +
           hold_table_memory_bytes(options->holds_max) + arena_bytes(SHARD_STAGE_BYTES_MAX, 1) +
           arena_bytes(SHARD_STAGE_RECORDS_MAX, sizeof(struct shard_staged));
}

void shard_init(struct shard *shard, const struct shard_options *options, void *memory)
{
    struct arena arena = arena_init(memory);

    *shard = (struct shard){.secret = options->secret, .key_filters = &NO_KEY_FILES};
    account_table_init(&shard->accounts, options->accounts_max,
                       arena_take(&arena, account_table_memory_bytes(options->accounts_max)));
    key_table_init(&shard->keys, options->keys_memory,
                   arena_take(&arena, key_table_memory_bytes(options->keys_memory)));
    hold_table_init(&shard->holds, options->secret, options->holds_max,
                    arena_take(&arena, hold_table_memory_bytes(options->holds_max)));
    shard->stage.bytes = arena_take(&arena, arena_bytes(SHARD_STAGE_BYTES_MAX, 1));
    shard->stage.records =
        arena_take(&arena, arena_bytes(SHARD_STAGE_RECORDS_MAX, sizeof(*shard->stage.records)));
}

bool shard_stage_has_room(const struct shard *shard)
{
    return shard->stage.record_count < SHARD_STAGE_RECORDS_MAX &&
           shard->stage.byte_count <= SHARD_STAGE_BYTES_MAX - FLORIN_RECORD_MAX;
}

void shard_prefetch(const struct shard *shard, uint64_t account_hash)
{
    slot_index_prefetch(&shard->accounts.index, account_hash);
}

void shard_prefetch_key(const struct shard *shard, const struct florin_command *command)
{
    if (command->key_length > 0 && command->key_length <= FLORIN_KEY_MAX &&
        command->account_length <= FLORIN_ACCOUNT_ID_MAX) {
        struct hash128 digest = hash_key(shard->secret, command->account, command->account_length,
                                         command->key, command->key_length);
        key_table_prefetch(&shard->keys, digest);
        key_filters_prefetch(shard->key_filters, digest);
    }
}

void shard_prefetch_account(const struct shard *shard, uint64_t account_hash)
{
    account_table_prefetch(&shard->accounts, account_hash);
}

void shard_execute(struct shard *shard, const struct florin_command *command, uint64_t account_hash,
                   uint64_t now_ns, const struct shard_found *found, struct shard_answer *answer)
{
    assert(shard_stage_has_room(shard));
    assert(found == NULL || found->other_count <= SHARD_OTHERS_MAX);
    *answer = (struct shard_answer){
        .result = {.user_data = command->user_data, .kind = command->kind},
        .account_slot = SHARD_NO_SLOT,
    };
    answer->result.status = check_syntax(command, &answer->result.field);
    if (answer->result.status != FLORIN_APPLIED)
        return;

    switch (command->kind) {
    case FLORIN_DEPOSIT:
    case FLORIN_WITHDRAW:
        execute_posting(shard, command, account_hash, now_ns,
                        found == NULL ? &NOTHING_FOUND : found, answer);
        break;
    case FLORIN_OPEN_ACCOUNT:
        execute_open(shard, command, account_hash, now_ns, answer);
        break;
    case FLORIN_READ_ACCOUNT:
        execute_read(shard, command, account_hash, answer);
        break;
    case FLORIN_CHANGE_ACCOUNT:
    case FLORIN_TRANSFER:
    case FLORIN_POSTING:
    case FLORIN_HOLD:
    case FLORIN_CAPTURE:
    case FLORIN_VOID:
    case FLORIN_EXPIRE:
    case FLORIN_REVERSE:
    case FLORIN_BATCH:
        assert(false && "check_syntax() refuses them");
    }
}

bool shard_record_has_key(const struct record *record, const struct florin_command *command)
{
    return record->key_length > 0 && record->id_length == command->account_length &&
           record->key_length == command->key_length &&
           memcmp(record->id, command->account, record->id_length) == 0 &&
           memcmp(record->key, command->key, record->key_length) == 0;
}

void shard_seal(struct shard *shard, uint64_t first_lsn)
{
    const struct shard_stage *stage = &shard->stage;
    assert(first_lsn > 0 && first_lsn + stage->record_count <= SHARD_LSN_PROVISIONAL);

    for (uint32_t i = 0; i < stage->record_count; i++) {
        const struct shard_staged *staged = &stage->records[i];
        struct account *account = &shard->accounts.slots[staged->account_slot];
        uint8_t *bytes = stage->bytes + staged->offset;

        account->last_lsn = shard_final_lsn(account->last_lsn, first_lsn);
        record_seal(bytes, first_lsn);
        if (staged->key_slot != SHARD_NO_SLOT)
            key_table_set_lsn(&shard->keys, staged->key_slot, first_lsn + i);
    }
}

void shard_stage_clear(struct shard *shard)
{
    assert(!stage_is_open(shard)); /* it would leave provisional LSNs behind: seal it first */
    shard->stage.byte_count = 0;
    shard->stage.record_count = 0;
}

uint32_t shard_forget_keys(struct shard *shard, uint32_t count_max)
{
    assert(shard->key_filters->to_lsn <= RECORD_LSN_MAX);
    return key_table_forget(&shard->keys, shard->key_filters->to_lsn, count_max);
}
