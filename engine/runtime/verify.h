/* verify.h - reads the log of a directory offline and says what it holds and whether it is sound.
 *
 * Takes no lock and writes nothing; of a directory that a server has open, the newest frames may
 * look torn. Checks what recovery checks: frames, chain and checksums (log_verify()), then that
 * every record follows from the ones before (shard_replay()).
 *
 * Thread: any.
 */
#ifndef FLORIN_RUNTIME_VERIFY_H
#define FLORIN_RUNTIME_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin_limits.h"
#include "wal/log.h"

struct verify_currency {
    char code[FLORIN_CURRENCY_MAX + 1];
    uint8_t exponent;
    uint64_t accounts;
    int64_t balance_minor;  /* of all accounts */
    bool balance_overflows; /* the sum is beyond int64_t */
};

struct verify_report {
    struct log_report log; /* also of a damaged DATA/meta: file and reason */
    uint64_t accounts;
    uint64_t keys;
    struct verify_currency currencies[FLORIN_CURRENCIES_MAX];
    size_t currency_count;
    /* The first record that is whole, but does not follow; NULL: none. */
    const char *record_fault;
    uint64_t record_lsn;
};

/* 0: sound; -EBADMSG: damaged, as the report says, totals up to there; -ENOENT: no ledger there;
 * -errno of the machine. */
__attribute__((warn_unused_result)) int verify_directory(const char *directory,
                                                         struct verify_report *report);

#endif
