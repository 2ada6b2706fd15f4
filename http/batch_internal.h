/* batch_internal.h - a batch on its way: what batch.c and batch_whole.c share. Private to them.
 *
 * batch.c has the life of all batches, and results of one item each; batch_whole.c the atomic ones,
 * all of whose items are one command.
 *
 * Thread: the worker's.
 */
#ifndef FLORIN_HTTP_BATCH_INTERNAL_H
#define FLORIN_HTTP_BATCH_INTERNAL_H

#include "answer_atomic.h"
#include "batch_atomic.h"
#include "batch_item.h"
#include "batch_scan.h"
#include "http_worker.h"

enum { BATCH_WHOLE_TEXT_MAX = ANSWER_ATOMIC_TEXT_MAX };

enum batch_phase { BATCH_READING, BATCH_SUBMITTING, BATCH_COLLECTING };

struct batch_guard {
    struct batch *batch; /* NULL: detached */
    char *answer;        /* freed with the request; NULL: none */
};

struct batch {
    unsigned slot;
    enum request_content content;
    enum batch_phase phase;
    struct answer_style style;
    struct command_flags flags;
    h2o_req_t *request; /* NULL: the client has left */
    struct batch_guard *guard;
    uint8_t *body;
    size_t body_length;

    uint32_t count;       /* items; known when they were read */
    uint32_t checked;     /* entries of the binary form */
    uint32_t next;        /* the first that is not submitted */
    uint32_t outstanding; /* submitted, without a result */
    bool is_stuck;        /* a queue was full in this turn */
    uint64_t stuck_ns;    /* since when nothing could be submitted; 0: something was */

    struct batch_atomic *atomic; /* all items are one command; NULL: each is its own */

    /* JSON */
    struct batch_scan scan;
    struct batch_span *spans;
    struct batch_outcome *outcomes;
    uint32_t written; /* results that are in the answer */

    char *answer;
    size_t answer_length;
    size_t answer_capacity;
};

static inline bool batch_is_binary(const struct batch *batch)
{
    return batch->content == REQUEST_CONTENT_BATCH;
}

/* The token of an item's command. */
uint64_t batch_token(const struct batches *batches, const struct batch *batch, uint32_t item);

/* Whether a batch has waited for room for so long that its commands' own deadline would be over. */
bool batch_has_waited_enough(const struct http_worker *worker, struct batch *batch);

/* Each of these is the one answer, after which the batch is gone: a refusal; what stands in
 * batch->answer; the same where it is results of items. */
void batch_refuse(struct http_worker *worker, struct batch *batch, const struct answer *answer);
void batch_send(struct http_worker *worker, struct batch *batch, const struct answer *head,
                const char *type);
void batch_send_results(struct http_worker *worker, struct batch *batch);

/* Of an atomic batch: adds an item, or hands the command over; the answer. */
void batch_whole_submit(struct http_worker *worker, struct batch *batch);
void batch_whole_send(struct http_worker *worker, struct batch *batch);
void batch_whole_refuse(struct http_worker *worker, struct batch *batch, uint32_t item,
                        const struct request_fault *fault);

#endif
