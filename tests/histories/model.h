/* model.h - a ledger in its simplest form: one request after the other. For the generator.
 *
 * Thread: one. Memory that is out ends the program.
 */
#ifndef TESTS_HISTORIES_MODEL_H
#define TESTS_HISTORIES_MODEL_H

#include "histories/history.h"

enum { MODEL_LEGS_MAX = 4 };

struct model_account {
    uint64_t version; /* 0: not opened */
    int64_t balance;
    int64_t held;
    int64_t minimum;
};

/* A hold, or a transaction that can be reversed. */
struct model_original {
    uint64_t lsn;
    enum history_kind kind;
    int64_t rest; /* not yet resolved or reversed */
    uint64_t from;
    uint64_t to; /* 0: none */
};

struct model {
    struct model_account *accounts; /* by number, from 1 on */
    uint64_t accounts_count;
    uint64_t lsn;
    struct model_original *originals; /* in the order of their LSN */
    size_t originals_count;
    size_t originals_room;
};

struct model_request {
    enum history_kind kind;
    uint64_t key;
    uint64_t lsn; /* once it is applied */
    uint64_t refers_to;
    int64_t minimum;
    size_t legs_count;
    struct history_leg legs[MODEL_LEGS_MAX];
};

void model_init(struct model *model, uint64_t accounts_count);
void model_deinit(struct model *model);

/* Does what is asked, if it can be done. Fills in the LSN and all versions and balances of the
 * legs; when rejected, those of the leg that is the reason. */
enum history_outcome model_execute(struct model *model, struct model_request *request);

/* NULL: no such hold or transaction. */
struct model_original *model_find(const struct model *model, uint64_t lsn);

#endif
