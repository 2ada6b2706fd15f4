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

/* The next `count` operations are done, all after them answer -EIO and change nothing: what the
 * process still tries after the power has failed is without effect. Units stay as they are.
 * UINT64_MAX: the power stays on. */
void sim_disk_power_off(struct sim_disk *disk, uint64_t count);

/* Whether no operation is left to be done. */
bool sim_disk_is_off(const struct sim_disk *disk);

/* --- operations and faults ------------------------------------------------------------------- */

enum sim_operation {
    SIM_OPEN, /* also of a new file */
    SIM_LOCK,
    SIM_SIZE,
    SIM_READ,
    SIM_WRITE,
    SIM_SYNC,
    SIM_RENAME,
    SIM_REMOVE,
    SIM_MAKE_DIRECTORY,
    SIM_SYNC_DIRECTORY,
    SIM_LIST,
    SIM_SUBMIT, /* to a channel */
    SIM_REAP,   /* from a channel; an empty one is no operation */
    SIM_OPERATIONS,
};

/* "open", "lock", ... */
const char *sim_operation_name(enum sim_operation operation);

/* Operations so far: every call but close, space and an empty reap. */
uint64_t sim_disk_operations(const struct sim_disk *disk);

/* The `nth` operation from now (1: the next) answers -error; with `for_ever` all after it too. A
 * write that fails leaves its units undecided. nth 0: no more faults. */
void sim_disk_fail(struct sim_disk *disk, uint64_t nth, int error, bool for_ever);

/* From now on operations fail at random: one of per_million[operation] in a million answers -error.
 * What a failed write, flush or reap leaves is drawn for each unit of the file: it is gone, or it
 * waits for the next flush. NULL: no more of them. */
void sim_disk_set_faults(struct sim_disk *disk, const uint32_t per_million[SIM_OPERATIONS],
                         int error, uint64_t seed);

/* Bytes that all files together may take; 0: no limit. */
void sim_disk_set_capacity(struct sim_disk *disk, uint64_t bytes);
uint64_t sim_disk_used(const struct sim_disk *disk);

/* While true, channel writes do not complete. */
void sim_disk_hold_completions(struct sim_disk *disk, bool hold);

/* Whether a reap would find something now. */
bool sim_channel_is_ready(const struct channel *channel);

/* --- looking and meddling -------------------------------------------------------------------- */

/* Called after every operation that changed something. NULL: nobody. */
void sim_disk_watch(struct sim_disk *disk, void (*changed)(void *context, struct sim_disk *disk),
                    void *context);

struct sim_event {
    enum sim_operation operation;
    const char *name; /* of the file or directory; valid during the call */
    const char *from; /* RENAME: the old name; else "" */
    uint64_t offset;
    uint64_t length;
    const uint8_t *bytes; /* SUBMIT: what is written; valid during the call */
    int error;            /* 0 or -errno */
    bool injected;        /* the error was not the caller's fault */
};

/* Called after every operation, also failed ones; not after those without power. NULL: nobody. */
void sim_disk_observe(struct sim_disk *disk,
                      void (*seen)(void *context, const struct sim_event *event), void *context);

/* Bytes of a file as they are read, while there are no units; NULL: no such file. Writing to them
 * is rot. */
uint8_t *sim_disk_bytes(struct sim_disk *disk, const char *name, uint64_t *size);

/* Sets them, creating the file, durable. */
void sim_disk_put(struct sim_disk *disk, const char *name, const uint8_t *bytes, uint64_t size);

/* Rot, in what is read and in what is durable; false: there is no such place. Turns one bit of a
 * file, zeroes a part, cuts the file off, loses it, exchanges two. */
bool sim_disk_flip(struct sim_disk *disk, const char *name, uint64_t offset, unsigned bit);
bool sim_disk_zero(struct sim_disk *disk, const char *name, uint64_t offset, uint64_t length);
bool sim_disk_cut(struct sim_disk *disk, const char *name, uint64_t size);
bool sim_disk_lose(struct sim_disk *disk, const char *name);
bool sim_disk_swap(struct sim_disk *disk, const char *one, const char *other);

/* The number-th file in the order of the list of names, NULL behind the last; its size. */
const char *sim_disk_file(const struct sim_disk *disk, size_t number, uint64_t *size);

#endif
