/* feed.c - the durable records of the log in order, for those who follow it.
 *
 * Guarantees: every record once, in the order of the log, none that is not durable. Must not know:
 * who follows; what becomes of the records.
 */
#include "feed.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_state.h"
#include "wal/log_reader.h"

struct feed {
    struct florin *ledger;
    struct log_reader *log;
    uint64_t next_lsn;      /* of the record that comes next; 0: there was no seek */
    bool is_placed;         /* the reader stands at or before it */
    struct log_frame frame; /* that holds frame_lsn */
    uint64_t frame_lsn;     /* at frame_offset; 0: no frame */
    size_t frame_offset;
};

int feed_open(struct florin *ledger, struct feed **opened)
{
    assert(ledger_state(ledger) != LEDGER_RECOVERING);
    struct feed *feed = calloc(1, sizeof(*feed));
    if (feed == NULL)
        return -ENOMEM;
    feed->ledger = ledger;
    int error = log_reader_open(ledger->storage, &ledger->meta, &feed->log);
    if (error != 0) {
        free(feed);
        return error;
    }
    *opened = feed;
    return 0;
}

void feed_close(struct feed *feed)
{
    log_reader_close(feed->log);
    free(feed);
}

static void lose_place(struct feed *feed)
{
    feed->is_placed = false;
    feed->frame_lsn = 0;
}

void feed_seek(struct feed *feed, uint64_t lsn)
{
    assert(lsn > 0);
    if (lsn == feed->next_lsn)
        return;
    feed->next_lsn = lsn;
    lose_place(feed);
}

static void say(const struct feed *feed, const struct log_fault *fault, int error)
{
    /* an I/O error comes without a place */
    ledger_log(feed->ledger,
               "level=error event=feed_failed file=%s/%s offset=%" PRIu64 " lsn=%" PRIu64
               " errno=%d reason=\"%s\" advice=\"run florin verify\"",
               feed->ledger->options.directory, fault->file[0] != '\0' ? fault->file : "log",
               fault->offset, feed->next_lsn, -error,
               fault->reason[0] != '\0' ? fault->reason : strerror(-error));
}

/* Has the frame of the next record. */
static int load_frame(struct feed *feed, uint64_t durable_lsn, struct log_fault *fault)
{
    int error = 0;
    if (!feed->is_placed)
        error = log_reader_seek(feed->log, feed->next_lsn, durable_lsn, fault);
    if (error == 0) {
        feed->is_placed = true;
        error = log_reader_next(feed->log, durable_lsn, &feed->frame, fault);
    }
    if (error != 0) {
        lose_place(feed);
        return error;
    }
    feed->frame_lsn = feed->frame.header.first_lsn;
    feed->frame_offset = 0;
    return 0;
}

int feed_next(struct feed *feed, struct record *record, uint64_t *lsn)
{
    assert(feed->next_lsn > 0); /* a seek comes first */
    struct log_fault fault = {0};
    uint64_t durable_lsn = log_durable_lsn(feed->ledger->log);
    if (feed->next_lsn > durable_lsn)
        return -EAGAIN;
    int error = feed->frame_lsn == 0 ? load_frame(feed, durable_lsn, &fault) : 0;
    for (uint64_t at = 0; error == 0 && at < feed->next_lsn;) {
        at = feed->frame_lsn;
        size_t rest = feed->frame.header.payload_length - feed->frame_offset;
        size_t size = record_decode(feed->frame.payload + feed->frame_offset, rest, record);
        if (size == 0) {
            lose_place(feed);
            error = -EBADMSG;
        }
        feed->frame_offset += size;
        feed->frame_lsn = at == feed->frame.header.last_lsn ? 0 : at + 1;
    }
    if (error != 0) {
        if (error != -ENODATA)
            say(feed, &fault, error);
        return error;
    }
    *lsn = feed->next_lsn++;
    return 0;
}

int feed_first_lsn(struct feed *feed, uint64_t *lsn)
{
    lose_place(feed); /* the reader uses its window for it */
    int error = log_reader_first_lsn(feed->log, lsn);
    if (error != 0) {
        struct log_fault fault = {0};
        say(feed, &fault, error);
    }
    return error;
}

void feed_sleep(struct florin *ledger, uint64_t seen_lsn, int timeout_ms,
                bool (*look)(void *context), void *context)
{
    struct inbox *inbox = &ledger->followers;
    inbox_sleep_begin(inbox);
    if (log_durable_lsn(ledger->log) <= seen_lsn && !look(context)) {
        struct pollfd woken = {.fd = inbox->descriptor, .events = POLLIN};
        (void)poll(&woken, 1, timeout_ms);
    }
    inbox_sleep_end(inbox);
}

void feed_wake(struct florin *ledger)
{
    inbox_wake(&ledger->followers);
}
