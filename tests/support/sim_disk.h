/* sim_disk.h - a disk in memory that forgets what was not flushed: storage and channel for tests.
 *
 * Each file has its durable bytes and its current ones; what lies between is a list of units, in
 * the order in which they were made: one sector of one write, or one change of a directory. A
 * power failure keeps any set of sector units, and of each directory's changes any prefix (a
 * journal keeps their order). A flush of a file or directory, or a reaped channel write with
 * CHANNEL_FLUSH, makes its units durable.
 *
 * Thread: one.
 */
#ifndef TESTS_SUPPORT_SIM_DISK_H
#define TESTS_SUPPORT_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wal/channel.h"
#include "wal/storage.h"

struct sim_disk;

/* Aborts when memory is out, like everything here: tests only. */
struct sim_disk *sim_disk_create(void);
void sim_disk_destroy(struct sim_disk *disk);

struct storage *sim_disk_storage(struct sim_disk *disk);

/* To be destroyed by its own operation, before the disk. */
struct channel *sim_disk_channel(struct sim_disk *disk);

/* --- power failure --------------------------------------------------------------------------- */

/* Units that a power failure may keep or lose. */
size_t sim_disk_units(const struct sim_disk *disk);

/* The disk that is found after a power failure that kept the units of which keep[i] is true (and
 * of a directory's changes those before the first lost one). */
struct sim_disk *sim_disk_crash(const struct sim_disk *disk, const bool *keep);

/* After a killed process: the machine goes on, nothing is lost yet, locks are gone. */
struct sim_disk *sim_disk_kill(const struct sim_disk *disk);

/* --- faults ---------------------------------------------------------------------------------- */

/* Operations so far: every call but close, space and an empty reap. */
uint64_t sim_disk_operations(const struct sim_disk *disk);

/* The `nth` operation from now (1: the next) answers -error; with `for_ever` all after it too. A
 * write that fails leaves its units undecided. nth 0: no more faults. */
void sim_disk_fail(struct sim_disk *disk, uint64_t nth, int error, bool for_ever);

/* Bytes that all files together may take; 0: no limit. */
void sim_disk_set_capacity(struct sim_disk *disk, uint64_t bytes);

/* While true, channel writes do not complete. */
void sim_disk_hold_completions(struct sim_disk *disk, bool hold);

/* --- looking and meddling -------------------------------------------------------------------- */

/* Called after every operation that changed something. NULL: nobody. */
void sim_disk_watch(struct sim_disk *disk, void (*changed)(void *context, struct sim_disk *disk),
                    void *context);

/* Bytes of a file as they are read, while there are no units; NULL: no such file. Writing to them
 * is rot. */
uint8_t *sim_disk_bytes(struct sim_disk *disk, const char *name, uint64_t *size);

/* Sets them, creating the file, durable. */
void sim_disk_put(struct sim_disk *disk, const char *name, const uint8_t *bytes, uint64_t size);

#endif
