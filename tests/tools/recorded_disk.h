/* recorded_disk.h - what a tool does to a real directory, recorded, and the directory as a power
 * failure behind any of its calls would leave it.
 *
 * The tools of a stopped ledger work on real files, some of them beside the storage of wal/. So it
 * is the calls of the C library that are recorded: the program is linked with
 * RECORDED_DISK_LINK_OPTIONS (CMakeLists.txt), and those calls go through here. Flushes are
 * recorded, but not done, and files are not opened with O_DIRECT: that is what makes a state cheap.
 *
 * The model is that of support/sim_disk.h: of what was not flushed, a power failure keeps any set
 * of sectors (and of changes of a file's length), and of each folder's changes any prefix. The
 * flush of a file does not make its name durable, the flush of a folder no file in it.
 *
 * Thread: one starts, stops and plays; the calls may come from any.
 */
#ifndef FLORIN_TESTS_RECORDED_DISK_H
#define FLORIN_TESTS_RECORDED_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recording;

/* All that is in `root` counts as durable; what the process changes below it from now on is
 * recorded. */
void recorded_disk_start(const char *root);
struct recording *recorded_disk_stop(void);
void recording_destroy(struct recording *recording);

/* Units (a sector written, a length set, a change of a folder) and flushes, in order; and whether
 * number `end` - 1 is the last one of its call, so that the power may fail behind it. */
size_t recording_end(const struct recording *recording);
bool recording_is_call_end(const struct recording *recording, size_t end);

/* The units among the first `end` that are not flushed by then, into `units`, which has room for
 * `end` numbers. */
size_t recording_unflushed(const struct recording *recording, size_t end, size_t *units);

/* Makes the directory `path` as it is found after a power failure behind the first `end`: with all
 * that is flushed, and the unflushed units for which keep[number] is true. false, and nothing is
 * made: this recording has played the very same state before. */
bool recording_play(struct recording *recording, size_t end, const bool *keep, const char *path);

#endif
