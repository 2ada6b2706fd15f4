/* directory_lock.h - DATA/lock: who has a directory open.
 *
 * An flock() for the life of the process, and the pid of the holder as text, for people.
 *
 * Thread: any.
 */
#ifndef FLORIN_RUNTIME_DIRECTORY_LOCK_H
#define FLORIN_RUNTIME_DIRECTORY_LOCK_H

#include "wal/storage.h"

enum { DIRECTORY_LOCK_HOLDER_MAX = 32 };

/* Takes it, trying for timeout_ms; closing *file gives it back. 0; -EBUSY: `holder` is what the one
 * who has it has written ("pid 17"); -errno. */
__attribute__((warn_unused_result)) int directory_lock_take(struct storage *storage,
                                                            unsigned timeout_ms,
                                                            struct storage_file **file,
                                                            char holder[DIRECTORY_LOCK_HOLDER_MAX]);

#endif
