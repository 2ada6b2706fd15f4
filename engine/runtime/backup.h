/* backup.h - everything that a ledger holds up to one LSN, as one stream of bytes.
 *
 *     backup_open(ledger, &backup)             of an open ledger, while it works
 *     backup_open_directory("data", &backup)   of a stopped one
 *     while (backup_read(backup, buffer, length, &got) == 0 && got > 0)
 *         (send or write the bytes)
 *     backup_close(backup)
 *
 * The stream is a tar archive (backup_format.h). It is complete only when backup_read() has
 * answered 0 bytes: a stream that ends before lacks its manifest, and restore refuses it. What
 * goes into it is verified on the way: a damaged file ends the stream with -EBADMSG.
 *
 * While a backup of an open ledger is open, no file of the directory is removed, so that it grows.
 *
 * Thread: any, one at a time; blocks on the disk: never a worker's.
 */
#ifndef FLORIN_RUNTIME_BACKUP_H
#define FLORIN_RUNTIME_BACKUP_H

#include <stddef.h>
#include <stdint.h>

struct florin;
struct backup;

enum { BACKUP_PROBLEM_MAX = 512 };

/* Of a ledger that was recovered and stays open until backup_close(). 0; -ENOMEM; -errno. */
__attribute__((warn_unused_result)) int backup_open(struct florin *ledger, struct backup **backup);

/* Takes the lock of the directory until backup_close(). 0; -ENOENT: no ledger there; -EBUSY: a
 * process has it open; -EBADMSG: damaged; -errno. `problem` says the last two in words. */
__attribute__((warn_unused_result)) int backup_open_directory(const char *directory,
                                                              struct backup **backup,
                                                              char problem[BACKUP_PROBLEM_MAX]);

/* The next bytes, at most `length`. 0 and *got, which is 0 at the end only; -EBADMSG: a file is
 * damaged (backup_problem()); -errno. After an error: close it. */
__attribute__((warn_unused_result)) int backup_read(struct backup *backup, void *buffer,
                                                    size_t length, size_t *got);

/* The LSN up to which it holds everything. */
uint64_t backup_durable_lsn(const struct backup *backup);

/* What an -EBADMSG of backup_read() was about: file, offset, reason; else "". */
const char *backup_problem(const struct backup *backup);

/* NULL is allowed. */
void backup_close(struct backup *backup);

#endif
