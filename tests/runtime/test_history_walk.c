/* test_history_walk.c - pages, single transactions and balances of then, over a log that was
 * written record by record: deposits, refusals, postings whose legs touch an account more than
 * once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/history_walk.h"
#include "florin.h"
#include "support/sim_disk.h"
#include "wal/log.h"
#include "wal/segment.h"

enum {
    ACCOUNTS = 5,
    IMAGES_MAX = 4096,
    RECORDS_MAX = 4096,
    SEGMENT_BYTES = 64 * 1024,
    GROUP_BYTES = 32 * 1024,
    SECOND_NS = 1000000000,
};

/* An account after one of its changes. */
struct known_image {
    uint64_t lsn;
    uint64_t version;
    int64_t balance;
    uint64_t time_ns;
};

struct known_account {
    char id[8];
    uint64_t last_lsn;
    struct known_image images[IMAGES_MAX]; /* oldest first */
    unsigned count;
};

/* A log, and what its history is. */
struct sample {
    struct sim_disk *disk;
    struct channel *channel;
    struct log *log;
    struct meta meta;
    struct history_now now;
    struct known_account accounts[ACCOUNTS];
    uint64_t next_lsn;
    uint64_t time_ns;
    uint64_t random;
    uint8_t bytes[GROUP_BYTES];
    size_t length; /* gathered */
    uint32_t count;
    struct history_reader *reader;
    _Alignas(8) uint8_t page[HISTORY_PAGE_BYTES];
    struct history_walk walk;
};

/* splitmix64, public domain, Sebastiano Vigna */
static uint64_t draw(struct sample *sample, uint64_t below)
{
    uint64_t z = sample->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % below;
}

/* --- writing --------------------------------------------------------------------------------- */

static void commit(struct sample *sample)
{
    struct log_reservation reservation;
    uint64_t workers;
    if (sample->count == 0)
        return;
    assert_int_equal(log_reserve(sample->log, 0, sample->length, sample->count, &reservation), 0);
    log_publish(sample->log, &reservation, sample->bytes);
    assert_true(log_commit(sample->log, sample->channel, 0));
    assert_true(log_complete(sample->log, sample->channel, 0, &workers));
    sample->now.durable_lsn = log_durable_lsn(sample->log);
    assert_int_equal(sample->now.durable_lsn, sample->next_lsn - 1);
    sample->length = 0;
    sample->count = 0;
}

static void append(struct sample *sample, const struct record *record)
{
    if (sample->length + FLORIN_RECORD_MAX > sizeof(sample->bytes))
        commit(sample);
    sample->length += record_encode(record, sample->bytes + sample->length);
    sample->count++;
    sample->next_lsn++;
}

static const struct known_image *newest(const struct known_account *account)
{
    static const struct known_image none = {0};
    return account->count == 0 ? &none : &account->images[account->count - 1];
}

static void note(struct sample *sample, struct known_account *account, int64_t balance)
{
    assert_true(account->count < IMAGES_MAX);
    uint64_t version = newest(account)->version + 1;
    account->images[account->count++] = (struct known_image){.lsn = sample->next_lsn,
                                                             .version = version,
                                                             .balance = balance,
                                                             .time_ns = sample->time_ns};
}

static struct record record_of(const struct sample *sample, const struct known_account *account,
                               enum florin_command_kind kind, int64_t amount)
{
    return (struct record){
        .kind = (uint8_t)kind,
        .exponent = 2,
        .time_ns = sample->time_ns,
        .version = newest(account)->version,
        .balance_minor = newest(account)->balance,
        .amount_minor = amount,
        .previous_lsn = account->last_lsn,
        .id = account->id,
        .id_length = (uint8_t)strlen(account->id),
    };
}

static void write_opening(struct sample *sample, struct known_account *account)
{
    sample->time_ns += SECOND_NS;
    note(sample, account, 1000);
    struct record record = record_of(sample, account, FLORIN_OPEN_ACCOUNT, 1000);
    memcpy(record.currency, "USD", 3);
    account->last_lsn = sample->next_lsn;
    append(sample, &record);
}

static void write_deposit(struct sample *sample, struct known_account *account)
{
    int64_t amount = (int64_t)draw(sample, 100) + 1;
    sample->time_ns += SECOND_NS;
    note(sample, account, newest(account)->balance + amount);
    struct record record = record_of(sample, account, FLORIN_DEPOSIT, amount);
    account->last_lsn = sample->next_lsn;
    append(sample, &record);
}

/* A withdrawal that a key remembers as refused: it changes nothing, and stands in the chain. */
static void write_refusal(struct sample *sample, struct known_account *account)
{
    sample->time_ns += SECOND_NS;
    struct record record = record_of(sample, account, FLORIN_WITHDRAW, INT64_C(1) << 40);
    record.status = FLORIN_INSUFFICIENT_BALANCE;
    record.key = "k";
    record.key_length = 1;
    account->last_lsn = sample->next_lsn;
    append(sample, &record);
}

/* A batch of credits on accounts by chance, some of them more than once. */
static void write_batch(struct sample *sample, unsigned legs_behind)
{
    struct record_leg legs[FLORIN_LEGS_MAX];
    struct known_account *touched[FLORIN_LEGS_MAX + 1];
    sample->time_ns += SECOND_NS;
    struct known_account *own = &sample->accounts[draw(sample, ACCOUNTS)];
    note(sample, own, newest(own)->balance + 7);
    struct record record = record_of(sample, own, FLORIN_BATCH, 7);
    record.direction = FLORIN_CREDIT;
    record.request = 1;
    record.leg_count = (uint8_t)legs_behind;
    record.legs = legs;
    touched[legs_behind] = own;
    for (unsigned i = 0; i < legs_behind; i++) {
        struct known_account *account = &sample->accounts[draw(sample, ACCOUNTS)];
        note(sample, account, newest(account)->balance + 3);
        legs[i] = (struct record_leg){
            .id = account->id,
            .id_length = (uint8_t)strlen(account->id),
            .direction = FLORIN_CREDIT,
            .exponent = 2,
            .version = newest(account)->version,
            .balance_minor = newest(account)->balance,
            .amount_minor = 3,
            .previous_lsn = account->last_lsn,
        };
        touched[i] = account;
    }
    for (unsigned i = 0; i <= legs_behind; i++)
        touched[i]->last_lsn = sample->next_lsn;
    append(sample, &record);
}

static void write_something(struct sample *sample)
{
    struct known_account *account = &sample->accounts[draw(sample, ACCOUNTS)];
    switch (draw(sample, 8)) {
    case 0:
        write_refusal(sample, account);
        break;
    case 1:
    case 2:
        write_batch(sample, 1 + (unsigned)draw(sample, 6));
        break;
    default:
        write_deposit(sample, account);
        break;
    }
    if (draw(sample, 10) == 0)
        commit(sample);
}

static int nothing_to_replay(void *context, uint64_t first_lsn, uint32_t record_count,
                             const uint8_t *bytes, size_t length)
{
    (void)context, (void)first_lsn, (void)record_count, (void)bytes, (void)length;
    return 0;
}

static int setup(void **state)
{
    struct sample *sample = calloc(1, sizeof(*sample));
    assert_non_null(sample);
    sample->disk = sim_disk_create();
    sample->channel = sim_disk_channel(sample->disk);
    sample->meta = (struct meta){
        .format_version = META_FORMAT_VERSION, .created_ns = 1, .segment_bytes = SEGMENT_BYTES};
    struct storage *storage = sim_disk_storage(sample->disk);
    assert_int_equal(meta_create(storage, &sample->meta), 0);
    struct log_options options = {
        .storage = storage, .meta = sample->meta, .replay = nothing_to_replay};
    struct log_report report;
    assert_int_equal(log_open(&options, &sample->log, &report), 0);
    sample->next_lsn = 1;
    sample->time_ns = UINT64_C(1700000000) * SECOND_NS;
    sample->now.first_segment = 1;
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        snprintf(sample->accounts[i].id, sizeof(sample->accounts[i].id), "a%u", i);
        write_opening(sample, &sample->accounts[i]);
    }
    for (unsigned i = 0; i < 2500; i++)
        write_something(sample);
    write_batch(sample, FLORIN_LEGS_MAX - 1);
    write_refusal(sample, &sample->accounts[0]);
    commit(sample);
    assert_int_equal(history_reader_open(storage, &sample->meta, &sample->reader), 0);
    *state = sample;
    return 0;
}

static int teardown(void **state)
{
    struct sample *sample = *state;
    history_reader_close(sample->reader);
    log_close(sample->log, sample->channel, false);
    sample->channel->operations->destroy(sample->channel);
    sim_disk_destroy(sample->disk);
    free(sample);
    return 0;
}

/* --- asking ---------------------------------------------------------------------------------- */

static struct history_query query_of(const struct known_account *account, enum history_kind kind)
{
    struct history_query query = {
        .kind = kind,
        .account_length = (uint8_t)strlen(account->id),
        .lsn = account->last_lsn,
        .limit = FLORIN_HISTORY_PAGE_MAX,
        .to_ns = UINT64_MAX,
    };
    memcpy(query.account, account->id, query.account_length);
    return query;
}

static const struct history_answer *ask(struct sample *sample, const struct history_query *query)
{
    history_walk_begin(&sample->walk, query, sample->page);
    while (!history_walk_step(&sample->walk, sample->reader, sample->now, 3))
        continue;
    return &sample->walk.answer;
}

/* Compares an answer with the images of an account from number `at` down (each record once); the
 * number of the image of the next page's first record, or -1. */
static int check_page(const struct known_account *account, const struct history_answer *answer,
                      int at)
{
    const uint8_t *bytes = answer->bytes;
    assert_int_equal(answer->status, HISTORY_FOUND);
    for (uint32_t i = 0; i < answer->record_count; i++) {
        uint64_t lsn;
        struct record record;
        bytes = history_next_record(bytes, &lsn, &record);
        assert_true(at >= 0);
        assert_int_equal(lsn, account->images[at].lsn);
        assert_int_equal(record.time_ns, account->images[at].time_ns);
        assert_true(record_touches(&record, account->id, strlen(account->id)));
        while (at >= 0 && account->images[at].lsn == lsn)
            at--;
    }
    return at;
}

/* --- pages ----------------------------------------------------------------------------------- */

static void pages__show_every_transaction_once_newest_first(void **state)
{
    struct sample *sample = *state;
    static const uint32_t limits[] = {1, 7, 100, FLORIN_HISTORY_PAGE_MAX};
    for (unsigned number = 0; number < ACCOUNTS * 4; number++) {
        const struct known_account *account = &sample->accounts[number / 4];
        struct history_query query = query_of(account, HISTORY_PAGE);
        query.limit = limits[number % 4];
        int at = (int)account->count - 1;
        unsigned pages = 0;
        do {
            const struct history_answer *answer = ask(sample, &query);
            assert_in_range(answer->record_count, 1, query.limit);
            at = check_page(account, answer, at);
            query.before_lsn = answer->next_lsn;
            pages++;
        } while (query.before_lsn != 0);
        assert_int_equal(at, -1);
        assert_true(pages > 1 || query.limit >= 100);
    }
}

static void page__stays_true_while_the_log_grows(void **state)
{
    struct sample *sample = *state;
    struct known_account *account = &sample->accounts[2];
    struct history_query query = query_of(account, HISTORY_PAGE);
    query.limit = 5;
    int at = (int)account->count - 1;
    do {
        const struct history_answer *answer = ask(sample, &query);
        at = check_page(account, answer, at);
        query.before_lsn = answer->next_lsn;
        write_deposit(sample, account);
        write_batch(sample, 9);
        commit(sample);
        query.lsn = account->last_lsn; /* as a client's next request finds it */
    } while (query.before_lsn != 0);
    assert_int_equal(at, -1);
}

static void what_is_not_durable__is_not_there(void **state)
{
    struct sample *sample = *state;
    struct known_account *account = &sample->accounts[1];
    uint64_t durable = sample->now.durable_lsn;
    write_deposit(sample, account);
    commit(sample);
    sample->now.durable_lsn = durable;
    struct history_query query = query_of(account, HISTORY_PAGE);
    assert_int_equal(ask(sample, &query)->status, HISTORY_NOT_FOUND);
    query.kind = HISTORY_TRANSACTION;
    assert_int_equal(ask(sample, &query)->status, HISTORY_NOT_FOUND);
}

static void range_of_time__limits_a_page(void **state)
{
    struct sample *sample = *state;
    const struct known_account *account = &sample->accounts[3];
    for (unsigned first = 1; first + 40 < account->count; first += 37) {
        int last = (int)first + 40;
        struct history_query query = query_of(account, HISTORY_PAGE);
        query.from_ns = account->images[first].time_ns;
        query.to_ns = account->images[last].time_ns; /* itself not in */
        const struct history_answer *answer = ask(sample, &query);
        assert_int_equal(answer->next_lsn, 0);
        while (account->images[last].time_ns >= query.to_ns)
            last--;
        int at = check_page(account, answer, last);
        assert_true(at >= 0 && account->images[at].time_ns < query.from_ns);
    }
}

static void cursor_that_is_not_of_the_account__is_not_found(void **state)
{
    struct sample *sample = *state;
    const struct known_account *account = &sample->accounts[0];
    struct history_query query = query_of(account, HISTORY_PAGE);
    query.before_lsn = 2; /* the opening of another one */
    assert_int_equal(ask(sample, &query)->status, HISTORY_NOT_FOUND);
    query.before_lsn = sample->now.durable_lsn + 1;
    assert_int_equal(ask(sample, &query)->status, HISTORY_NOT_FOUND);
}

static void large_records__end_a_page_early(void **state)
{
    struct sample *sample = *state;
    struct known_account *account = &sample->accounts[0];
    for (unsigned i = 0; i < 60; i++) {
        write_batch(sample, FLORIN_LEGS_MAX - 1); /* touches all of five accounts */
        commit(sample);
    }
    struct history_query query = query_of(account, HISTORY_PAGE);
    int at = (int)account->count - 1;
    const struct history_answer *answer = ask(sample, &query);
    assert_in_range(answer->record_count, 8, 40);
    at = check_page(account, answer, at);
    while (answer->next_lsn != 0) {
        query.before_lsn = answer->next_lsn;
        answer = ask(sample, &query);
        at = check_page(account, answer, at);
    }
    assert_int_equal(at, -1);
}

/* --- single questions ------------------------------------------------------------------------ */

static void transaction__is_found_by_its_id(void **state)
{
    struct sample *sample = *state;
    const struct known_account *account = &sample->accounts[4];
    for (unsigned i = 0; i < account->count; i += 3) {
        struct history_query query = {.kind = HISTORY_TRANSACTION, .lsn = account->images[i].lsn};
        const struct history_answer *answer = ask(sample, &query);
        assert_int_equal(answer->record_count, 1);
        uint64_t lsn;
        struct record record;
        (void)history_next_record(answer->bytes, &lsn, &record);
        assert_int_equal(lsn, query.lsn);
        assert_int_equal(record.time_ns, account->images[i].time_ns);
    }
    struct history_query refused = {.kind = HISTORY_TRANSACTION, .lsn = sample->now.durable_lsn};
    assert_int_equal(ask(sample, &refused)->status, HISTORY_NOT_FOUND);
    refused.lsn = 0;
    assert_int_equal(ask(sample, &refused)->status, HISTORY_NOT_FOUND);
}

static void balance__is_known_at_every_version(void **state)
{
    struct sample *sample = *state;
    for (unsigned number = 0; number < ACCOUNTS; number++) {
        const struct known_account *account = &sample->accounts[number];
        struct history_query query = query_of(account, HISTORY_BALANCE_AT_VERSION);
        for (unsigned i = 0; i < account->count; i += 1 + i / 9) {
            const struct known_image *image = &account->images[i];
            query.version = image->version;
            const struct history_answer *answer = ask(sample, &query);
            assert_int_equal(answer->status, HISTORY_FOUND);
            assert_int_equal(answer->version, image->version);
            assert_int_equal(answer->balance_minor, image->balance);
            assert_int_equal(answer->lsn, image->lsn);
            assert_int_equal(answer->exponent, 2);
        }
        query.version = newest(account)->version + 1;
        assert_int_equal(ask(sample, &query)->status, HISTORY_NOT_FOUND);
    }
}

static void balance__is_known_at_every_time(void **state)
{
    struct sample *sample = *state;
    const struct known_account *account = &sample->accounts[1];
    struct history_query query = query_of(account, HISTORY_BALANCE_AT_TIME);
    for (unsigned i = 0; i < account->count; i += 1 + i / 9) {
        unsigned last = i; /* of the same record */
        while (last + 1 < account->count && account->images[last + 1].lsn == account->images[i].lsn)
            last++;
        query.at_ns = account->images[i].time_ns + (i % 2 == 0 ? 0 : 1);
        const struct history_answer *answer = ask(sample, &query);
        assert_int_equal(answer->status, HISTORY_FOUND);
        assert_int_equal(answer->balance_minor, account->images[last].balance);
        assert_int_equal(answer->version, account->images[last].version);
    }
    query.at_ns = account->images[0].time_ns - 1;
    assert_int_equal(ask(sample, &query)->status, HISTORY_NOT_YET_OPEN);
}

/* --- what is not there any more, or not right ------------------------------------------------- */

static void history_beyond_retention__is_gone(void **state)
{
    struct sample *sample = *state;
    const struct known_account *account = &sample->accounts[2];
    struct history_query query = query_of(account, HISTORY_PAGE);
    const struct history_answer *answer = ask(sample, &query);
    uint64_t cursor = answer->next_lsn != 0 ? answer->next_lsn : account->images[1].lsn;
    struct history_query first = {.kind = HISTORY_TRANSACTION, .lsn = 1};
    assert_int_equal(ask(sample, &first)->status, HISTORY_FOUND);
    assert_int_equal(log_remove_segments(sample->log, log_live_start(sample->log).segment), 0);
    sample->now.first_segment = log_first_segment(sample->log);
    assert_true(sample->now.first_segment > 2);
    /* Its frame is in memory. */
    assert_int_equal(ask(sample, &first)->status, HISTORY_GONE);

    answer = ask(sample, &query); /* as far as it is kept */
    assert_int_equal(answer->status, HISTORY_FOUND);
    int at = check_page(account, answer, (int)account->count - 1);
    assert_true(at > 0 && answer->next_lsn > 0);
    query.before_lsn = answer->next_lsn;
    assert_int_equal(ask(sample, &query)->status, HISTORY_GONE);
    query.before_lsn = cursor;
    assert_int_equal(ask(sample, &query)->status, HISTORY_GONE);

    query = query_of(account, HISTORY_BALANCE_AT_VERSION);
    query.version = 1;
    assert_int_equal(ask(sample, &query)->status, HISTORY_GONE);
    query.version = newest(account)->version;
    assert_int_equal(ask(sample, &query)->status, HISTORY_FOUND);
}

static void damage__is_named_and_spoils_nothing_else(void **state)
{
    struct sample *sample = *state;
    char name[STORAGE_NAME_MAX];
    uint64_t size;
    segment_name(2, name);
    uint8_t *bytes = sim_disk_bytes(sample->disk, name, &size);
    assert_non_null(bytes);
    uint64_t place = 5 * 4096 + 100; /* in records, not in the zeros behind them */
    while (bytes[place] == 0)
        place++;
    bytes[place] ^= 1;
    unsigned refused = 0;
    unsigned found = 0;
    for (uint64_t lsn = 1; lsn <= sample->now.durable_lsn; lsn++) {
        struct history_query query = {.kind = HISTORY_TRANSACTION, .lsn = lsn};
        const struct history_answer *answer = ask(sample, &query);
        found += answer->status == HISTORY_FOUND;
        if (answer->status != HISTORY_FAILED)
            continue;
        refused++;
        assert_int_equal(answer->error, -EBADMSG);
        assert_string_equal(sample->walk.fault.file, name);
        assert_int_equal(sample->walk.fault.offset / 512, place / 512);
    }
    assert_in_range(refused, 1, 300); /* one frame */
    assert_true(found > 1000);
    unsigned cut = 0; /* accounts with a record in it: their history ends there */
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct history_query query = query_of(&sample->accounts[i], HISTORY_BALANCE_AT_VERSION);
        query.version = 1;
        enum history_status status = ask(sample, &query)->status;
        assert_true(status == HISTORY_FOUND || status == HISTORY_FAILED);
        cut += status == HISTORY_FAILED;
        query.version = newest(&sample->accounts[i])->version;
        assert_int_equal(ask(sample, &query)->status, HISTORY_FOUND);
    }
    assert_true(cut > 0);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        test(pages__show_every_transaction_once_newest_first),
        test(page__stays_true_while_the_log_grows),
        test(what_is_not_durable__is_not_there),
        test(range_of_time__limits_a_page),
        test(cursor_that_is_not_of_the_account__is_not_found),
        test(large_records__end_a_page_early),
        test(transaction__is_found_by_its_id),
        test(balance__is_known_at_every_version),
        test(balance__is_known_at_every_time),
        test(history_beyond_retention__is_gone),
        test(damage__is_named_and_spoils_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
