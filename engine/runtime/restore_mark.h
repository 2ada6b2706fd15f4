/* restore_mark.h - DATA/unfinished-restore: a restore makes this directory and has not ended.
 *
 * What a restore has written so far can look like a whole ledger that ends earlier. So the mark
 * stands in the directory, durable, before anything else does, and goes when all else is durable;
 * whoever opens a directory looks for it.
 *
 * Thread: any.
 */
#ifndef FLORIN_RUNTIME_RESTORE_MARK_H
#define FLORIN_RUNTIME_RESTORE_MARK_H

#include "wal/storage.h"

#define RESTORE_MARK_NAME   "unfinished-restore"
#define RESTORE_MARK_REASON "this is an unfinished restore: remove the directory and restore again"

/* 0: there is none; -EBADMSG: it is there; -errno. */
__attribute__((warn_unused_result)) int restore_mark_check(struct storage *storage);

/* Durable when they return 0; else -errno. */
__attribute__((warn_unused_result)) int restore_mark_set(struct storage *storage);
__attribute__((warn_unused_result)) int restore_mark_remove(struct storage *storage);

#endif
