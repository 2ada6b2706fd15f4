/* endpoint.h - somebody who sends commands to workers and gets results back: a worker on behalf
 * of its connections, or an embedded client.
 *
 * A pair of rings to every worker, and between workers a third for postings. An endpoint sends a
 * command only when its result is sure to find room on the way back, so that a worker never has to
 * hold a result back: it counts the most that every outstanding result may take.
 *
 * Thread: the endpoint's owner, but for endpoint_answer() and the `requests` rings' consumer side,
 * which are the worker's.
 */
#ifndef FLORIN_RUNTIME_ENDPOINT_H
#define FLORIN_RUNTIME_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inbox.h"
#include "message.h"
#include "ring.h"

struct endpoint_link {
    struct ring requests;  /* endpoint to worker */
    struct ring answers;   /* worker to endpoint */
    struct ring postings;  /* worker to worker: posting_message.h, both ways by a ring each */
    uint64_t answer_bytes; /* owner: promised to outstanding results */
    uint32_t outstanding;  /* owner */
};

struct endpoint {
    /* set at creation */
    struct inbox *inbox; /* of the thread that waits for results */
    struct endpoint_link *links;
    unsigned worker_count;
    void *memory;
    size_t memory_bytes;
    /* owner */
    uint32_t outstanding; /* over all links */
};

enum {
    /* Between workers: some 2,000 deposits and their results on the way, far more than one round
     * of a loop brings in. */
    ENDPOINT_WORKER_RING_BYTES = 256 * 1024,
    /* For embedded clients, who send in bulk: some 30,000 deposits and their results, three full
     * groups, so that one gathers while another is committed and a third is read. */
    ENDPOINT_CLIENT_RING_BYTES = 4 * 1024 * 1024,
};

/* Rings of `ring_bytes` each way to every worker but number `except` (UINT_MAX: to all). 0 or
 * -ENOMEM. */
int endpoint_create(unsigned worker_count, unsigned except, size_t ring_bytes, struct inbox *inbox,
                    struct endpoint **endpoint);
void endpoint_destroy(struct endpoint *endpoint);

/* Room for a message of a posting; endpoint_publish() sends it off. NULL: no room now. Of workers.
 */
void *endpoint_reserve_posting(struct endpoint *endpoint, unsigned worker, size_t length);

/* Puts a command on its way; endpoint_publish() sends it off. false: no room now. */
bool endpoint_send(struct endpoint *endpoint, unsigned worker, const struct florin_command *command,
                   uint64_t account_hash, uint64_t submitted_ns);

/* Whether endpoint_send() would leave a quarter of the rings for others: asked by those who send in
 * bulk. */
bool endpoint_has_ample_room(struct endpoint *endpoint, unsigned worker,
                             const struct florin_command *command);

/* true: there was something new for that worker; wake it. */
bool endpoint_publish(struct endpoint *endpoint, unsigned worker);

/* The next result from that worker; result->metadata stays valid until endpoint_release(). */
bool endpoint_receive(struct endpoint *endpoint, unsigned worker, struct florin_result *result);
void endpoint_release(struct endpoint *endpoint, unsigned worker);

/* Whether a result has come. */
bool endpoint_has_results(struct endpoint *endpoint);

/* Worker's side: puts a result on its way back; the room was promised. The worker publishes the
 * ring and wakes the inbox at the end of its round. */
void endpoint_answer(struct endpoint *endpoint, unsigned worker,
                     const struct florin_result *result);

#endif
