/* recovery_progress.h - how far the start is, and how long it will still take.
 *
 * Derived from the ledger's own figures, for the operator's log and for clients alike.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_RECOVERY_PROGRESS_H
#define FLORIN_HTTP_RECOVERY_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/runtime/ledger.h"

struct recovery_progress {
    double share;           /* 0 to 1 */
    double mib_per_second;  /* since the beginning; 0: too early to say */
    bool seconds_are_known; /* whether the next one means anything */
    uint64_t seconds_left;  /* rounded up */
};

void recovery_progress_of(const struct ledger_progress *figures,
                          struct recovery_progress *progress);

#endif
