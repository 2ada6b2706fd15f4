/* answer.h - what goes back to a client: status, headers that matter, body.
 *
 * From results of the engine and from refusals to JSON, and nothing of HTTP's transport:
 * http/respond.h sends an answer. Every error body has `error`, `code`, `outcome`; a client that
 * accepts application/problem+json gets type, title, status and detail besides (RFC 9457).
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_ANSWER_H
#define FLORIN_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/runtime/ledger.h"
#include "error_code.h"
#include "florin.h"
#include "json_text.h"
#include "recovery_progress.h"
#include "request_fault.h"
#include "transaction_request.h"

enum {
    /* The longest is an account with metadata: FLORIN_METADATA_MAX, an id, six amounts. A message
     * of REQUEST_MESSAGE_MAX bytes, each escaped to six, twice in a problem, is the runner-up. */
    ANSWER_BODY_MAX = 4096,
    ANSWER_LOCATION_MAX = 96,
    ANSWER_TAG_MAX = 24,
    /* Seconds after which a refused request may come again. */
    ANSWER_RETRY_AFTER_S = 1,
};

/* How this client wants its answers. */
struct answer_style {
    bool money_as_string;
    bool problem;
    bool reject_duplicates; /* --on-duplicate=reject */
    bool dry_run;           /* ?dryRun=true: nothing was changed */
};

struct answer {
    int status;
    enum error_code code; /* ERROR_NONE: success */
    bool is_problem;      /* application/problem+json */
    bool money_as_string; /* Preference-Applied: money=string */
    bool replayed;        /* Idempotency-Replayed: true */
    bool close;           /* Connection: close */
    bool retry_after;
    const char *allow;                  /* NULL: no such header */
    char etag[ANSWER_TAG_MAX];          /* "": no such header */
    char location[ANSWER_LOCATION_MAX]; /* "": no such header */
    struct json_text body;
    char bytes[ANSWER_BODY_MAX];
};

/* 200 or 201 with an empty body. */
void answer_init(struct answer *answer, int status);

/* Errors that the engine has not seen. */
void answer_refuse(struct answer *answer, enum error_code code, const struct answer_style *style);
/* 413 and 415, with what would be taken. */
void answer_too_large(struct answer *answer, size_t limit, const struct answer_style *style);
void answer_unsupported(struct answer *answer, const char *media_types,
                        const struct answer_style *style);
void answer_fault(struct answer *answer, const struct request_fault *fault,
                  const struct answer_style *style);
void answer_method_not_allowed(struct answer *answer, const char *allow,
                               const struct answer_style *style);
void answer_recovering(struct answer *answer, const struct recovery_progress *progress,
                       const struct answer_style *style);
/* The same with `rate` (MiB/s) and `secondsLeft` (null: not known yet), for /readyz. */
void answer_not_ready(struct answer *answer, const struct recovery_progress *progress,
                      const struct answer_style *style);

/* GET /events behind a position that retention has removed. */
void answer_events_gone(struct answer *answer, uint64_t first_lsn,
                        const struct answer_style *style);

/* Of POST /admin/checkpoint (202) and GET of the same. */
void answer_checkpoint_begun(struct answer *answer, uint64_t number);
void answer_checkpoints(struct answer *answer, const struct ledger_keeper_statistics *figures);

/* A command that was refused when it was submitted, or answered without success; `version` is the
 * last durable one of the account. */
void answer_not_committed(struct answer *answer, enum error_code code, uint64_t version,
                          const struct answer_style *style);

/* Results of the engine. */
void answer_transaction(struct answer *answer, const struct florin_result *result,
                        struct transaction_spelling spelling, const struct answer_style *style);
void answer_balance(struct answer *answer, const struct florin_result *result,
                    const struct answer_style *style);
/* For opening (201, or 200 when it was there), reading and changing (200). A change says
 * `timestamp` where the others say `createdAt`. */
void answer_account(struct answer *answer, const struct florin_result *result, const char *id,
                    size_t id_length, struct transaction_spelling spelling,
                    const struct answer_style *style);

#endif
