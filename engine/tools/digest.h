/* digest.h - the digest of a directory's state at an LSN: one number for all accounts and keys.
 *
 * Two directories with the same history have the same digest at the same LSN, whatever checkpoints,
 * key files and segments they keep and however many workers wrote them. So it tells whether a copy,
 * a restored backup or a replica is what it should be.
 *
 * Thread: any.
 */
#ifndef FLORIN_TOOLS_DIGEST_H
#define FLORIN_TOOLS_DIGEST_H

#include <stdint.h>

#include "directory.h"
#include "state.h"

struct digest_report {
    uint64_t lsn;
    uint64_t digest;
    uint64_t accounts;
    uint64_t keys;
};

/* `lsn`: STATE_AT_END for the end of the log. Writes nothing, takes no lock. 0; -ENOENT: no ledger;
 * -ERANGE: no such LSN, or none that can be built any more; -EBADMSG; -errno. */
__attribute__((warn_unused_result)) int
digest_directory(const char *path, uint64_t lsn, tool_progress *progress, void *progress_context,
                 struct digest_report *report, struct tool_problem *problem);

/* Up to which LSN the key files cover all records; 0: there are none. 0; -EBADMSG: a gap. */
__attribute__((warn_unused_result)) int digest_keys_end(const struct tool_directory *directory,
                                                        uint64_t *to_lsn,
                                                        struct tool_problem *problem);

/* Keys of records from..to (inclusive) in the key files: their number and the sum of
 * key_state_digest(). 0; -EBADMSG; -errno. */
__attribute__((warn_unused_result)) int digest_sum_keys(const struct tool_directory *directory,
                                                        uint64_t from_lsn, uint64_t to_lsn,
                                                        uint64_t *keys, uint64_t *digest,
                                                        struct tool_problem *problem);

#endif
