/* generator.h - large good histories: clients at a strictly serializable ledger that crashes.
 *
 * Requests are carried out one after the other, each at a moment between its invocation and its
 * return; the intervals overlap. Some answers are lost, some requests are refused, the server dies
 * with what is in flight, and clients send again under the same key or never. The same seed gives
 * the same history.
 *
 * Thread: one.
 */
#ifndef TESTS_HISTORIES_GENERATOR_H
#define TESTS_HISTORIES_GENERATOR_H

#include "histories/model.h"

enum generator_log {
    GENERATOR_WITH_RECORDS,    /* the log is read at the end; answers tell less */
    GENERATOR_WITHOUT_RECORDS, /* answers tell everything */
};

struct generator_options {
    uint64_t seed;
    size_t operations; /* attempts, about */
    uint32_t clients;
    uint64_t accounts;
    enum generator_log log;
    uint32_t
        doubts_per_mille; /* attempts without an answer, crashes apart; so many again refused */
    uint32_t crashes_per_million;
};

struct generated {
    struct history_buffer *buffers; /* of clients 1 on; buffer 0: crashes, log, expiries */
    size_t buffers_count;
    struct model model; /* as it is at the end */
    uint64_t end_ns;    /* everything has returned */
    uint64_t next_key;
};

void history_generate(const struct generator_options *options, struct generated *generated);
void generated_deinit(struct generated *generated);

#endif
