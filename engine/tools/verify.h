/* verify.h - reads everything in a directory offline and says what it holds and whether it is
 * sound.
 *
 * Takes no lock and writes nothing. What is checked:
 *
 *     log           every kept segment: frames, checksums, chain, and that every record follows
 * from the ones before checkpoints   every block, count, sum and digest; and that the log behind
 * each of them leads to the same state as the log from its first kept record, or from the oldest
 *                   checkpoint, does
 *     key files     every block, order, ranges without a gap, counts, digests, that the filters let
 *                   every key through; and that they hold the keys of the kept log, no more, no
 * less
 *
 * All damage is listed, not only the first; of the log also what comes behind the first.
 *
 * Thread: any.
 */
#ifndef FLORIN_TOOLS_VERIFY_H
#define FLORIN_TOOLS_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "directory.h"
#include "florin_limits.h"
#include "problem.h"
#include "wal/log.h"
#include "wal/survey.h"

enum {
    /* Enough to see what happened; the others are counted. */
    VERIFY_PROBLEMS_MAX = 16,
};

struct verify_currency {
    char code[FLORIN_CURRENCY_MAX + 1];
    uint8_t exponent;
    uint64_t accounts;
    int64_t balance_minor;  /* of all accounts */
    bool balance_overflows; /* the sum is beyond int64_t */
};

struct verify_checkpoint {
    uint64_t start_lsn;
    uint64_t end_lsn;
    uint64_t accounts;
    uint64_t bytes;
    bool sound;
};

struct verify_report {
    struct log_report log; /* of the kept log, up to the first damage */
    bool moving;           /* a server writes to it meanwhile */
    uint64_t first_segment;
    uint64_t first_lsn;              /* kept */
    struct log_survey_report survey; /* only when the log is damaged */
    bool surveyed;

    struct verify_checkpoint checkpoints[CHECKPOINTS_LISTED_MAX]; /* ascending */
    size_t checkpoint_count;

    uint64_t key_files;
    uint64_t key_file_keys;
    uint64_t key_file_bytes;
    uint64_t keys_to_lsn; /* records up to there have their keys in files */

    /* The state at the end of the log, or where its first damage is; has_state: it could be built.
     */
    bool has_state;
    uint64_t lsn;
    uint64_t digest;
    uint64_t accounts;
    uint64_t keys;
    struct verify_currency currencies[FLORIN_CURRENCIES_MAX];
    size_t currency_count;

    struct tool_problem problems[VERIFY_PROBLEMS_MAX];
    size_t problem_count; /* may be more than stand there */
};

/* 0: sound; -EBADMSG: damaged, as the report says; -ENOENT: no ledger there; -errno of the machine.
 */
__attribute__((warn_unused_result)) int verify_directory(const char *path, tool_progress *progress,
                                                         void *progress_context,
                                                         struct verify_report *report);

#endif
