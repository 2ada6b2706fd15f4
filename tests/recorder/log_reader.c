/* log_reader.c - events, line by line, to records.
 *
 * An event says what is held behind it, and of a hold how much it was; what a capture frees is
 * known from the hold that it names, which stands before it in the log.
 */
#include "log_reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/members.h"
#include "support/http_client.h"

enum { LINE_BYTES = 64 * 1024 };

struct hold_amount {
    uint64_t lsn;
    int64_t cents;
};

struct log_reader {
    struct history_buffer *buffer;
    uint64_t last_lsn;
    uint64_t events; /* of this page */
    struct hold_amount *holds;
    size_t holds_count;
    size_t holds_room;
    size_t length;
    char line[LINE_BYTES];
    struct http_client client;
    struct http_response response;
};

_Noreturn static void give_up(const struct log_reader *reader)
{
    (void)fprintf(stderr, "record_server: not understood in the log: %d %s\n",
                  reader->response.status, reader->line);
    exit(1);
}

static enum history_kind read_kind(const struct log_reader *reader)
{
    static const struct {
        const char *type;
        enum history_kind kind;
    } kinds[] = {
        {"Open", HISTORY_OPEN},         {"Deposit", HISTORY_DEPOSIT},
        {"Withdraw", HISTORY_WITHDRAW}, {"Transfer", HISTORY_TRANSFER},
        {"Posting", HISTORY_POSTING},   {"Hold", HISTORY_HOLD},
        {"Capture", HISTORY_CAPTURE},   {"Void", HISTORY_VOID},
        {"Expire", HISTORY_EXPIRE},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (member_is(reader->line, "type", kinds[i].type))
            return kinds[i].kind;
    }
    give_up(reader);
}

static void keep_hold(struct log_reader *reader, uint64_t lsn, int64_t cents)
{
    if (reader->holds_count == reader->holds_room) {
        reader->holds_room = reader->holds_room == 0 ? 1024 : reader->holds_room * 2;
        reader->holds = realloc(reader->holds, reader->holds_room * sizeof(*reader->holds));
        if (reader->holds == NULL)
            abort();
    }
    reader->holds[reader->holds_count++] = (struct hold_amount){lsn, cents};
}

/* HISTORY_UNKNOWN: there is no such hold before. */
static int64_t find_hold(const struct log_reader *reader, uint64_t lsn)
{
    size_t low = 0;
    size_t high = reader->holds_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (reader->holds[middle].lsn < lsn)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == reader->holds_count || reader->holds[low].lsn != lsn)
        return HISTORY_UNKNOWN;
    return reader->holds[low].cents;
}

static void read_leg(const struct log_reader *reader, const char *text, struct history_leg *leg)
{
    uint64_t account = 0;
    int64_t amount = 0;
    if (!member_number(text, "account", "a", &account) || !member_cents(text, "amount", &amount))
        give_up(reader);
    if (member_is(text, "direction", "debit"))
        amount = -amount;
    else if (!member_is(text, "direction", "credit"))
        amount = 0;
    *leg = history_leg_of(account, amount, 0);
    if (!member_cents(text, "balance", &leg->balance) ||
        !member_number(text, "version", "", &leg->version))
        give_up(reader);
}

/* "legs":[{...},{...}] */
static size_t read_legs(const struct log_reader *reader, struct history_leg *legs)
{
    const char *at = member_find(reader->line, "legs");
    size_t count = 0;
    if (at == NULL || *at != '[')
        give_up(reader);
    for (; count < HISTORY_LEGS_MAX && at[1] == '{'; at = strchr(at, '}') + 1) {
        if (strchr(at, '}') == NULL)
            give_up(reader);
        read_leg(reader, at + 1, &legs[count++]);
    }
    return count;
}

/* What the first leg does to what is held. */
static uint64_t read_hold(struct log_reader *reader, enum history_kind kind, uint64_t lsn,
                          struct history_leg *leg)
{
    uint64_t hold = 0;
    int64_t cents = 0;
    if (!member_number(reader->line, "hold", "hold", &hold) ||
        !member_cents(reader->line, "held", &leg->held) ||
        !member_cents(reader->line, "amount", &cents))
        give_up(reader);
    if (kind == HISTORY_HOLD) {
        keep_hold(reader, lsn, cents);
        leg->held_delta = cents;
        return 0;
    }
    if (kind == HISTORY_CAPTURE)
        cents = find_hold(reader, hold);
    leg->held_delta = cents == HISTORY_UNKNOWN ? 0 : -cents;
    return hold;
}

static void read_event(struct log_reader *reader)
{
    struct history_leg legs[HISTORY_LEGS_MAX];
    enum history_kind kind = read_kind(reader);
    uint64_t key = 0;
    uint64_t lsn = 0;
    uint64_t refers_to = 0;
    int64_t minimum = 0;
    size_t count = read_legs(reader, legs);
    if (!member_number(reader->line, "lsn", "", &lsn) || lsn <= reader->last_lsn || count == 0)
        give_up(reader);
    if (member_find(reader->line, "key") != NULL && !member_number(reader->line, "key", "k", &key))
        give_up(reader);
    if (kind == HISTORY_HOLD || kind == HISTORY_CAPTURE || kind == HISTORY_VOID ||
        kind == HISTORY_EXPIRE)
        refers_to = read_hold(reader, kind, lsn, &legs[0]);
    if (kind == HISTORY_OPEN && !member_cents(reader->line, "minimumBalance", &minimum))
        give_up(reader);
    size_t record = history_record(reader->buffer, kind, lsn, key, legs, count);
    history_operation(reader->buffer, record)->refers_to = refers_to;
    history_operation(reader->buffer, record)->minimum = minimum;
    reader->last_lsn = lsn;
    reader->events++;
}

static void take_piece(void *context, const char *bytes, size_t length)
{
    struct log_reader *reader = context;
    for (size_t i = 0; i < length; i++) {
        if (reader->length == sizeof(reader->line) - 1)
            give_up(reader);
        reader->line[reader->length++] = bytes[i];
        if (bytes[i] != '\n')
            continue;
        reader->line[reader->length] = '\0';
        read_event(reader);
        reader->length = 0;
    }
}

void log_reader_read(unsigned port, struct history_buffer *buffer)
{
    struct log_reader *reader = calloc(1, sizeof(*reader));
    char path[64];
    if (reader == NULL)
        abort();
    reader->buffer = buffer;
    http_client_open(&reader->client, port);
    do {
        reader->events = 0;
        snprintf(path, sizeof(path), "/events?after=%" PRIu64 "&limit=10000", reader->last_lsn);
        if (!http_client_request(&reader->client, "GET", path, "Prefer: money=string\r\n", NULL) ||
            !http_client_receive_head(&reader->client, &reader->response) ||
            reader->response.status != 200 ||
            !http_client_receive_chunks(&reader->client, take_piece, reader) || reader->length != 0)
            give_up(reader);
    } while (reader->events > 0);
    http_client_close(&reader->client);
    free(reader->holds);
    free(reader);
}
