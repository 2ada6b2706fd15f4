/* counters.h - what a long run must have met: each of these sometimes happens.
 *
 * X(name, stage, text): stage NOW: a run with --require-counters fails when it is zero; LATER: what
 * it counts is not built yet.
 *
 * Thread: one.
 */
#ifndef TESTS_SIMULATION_COUNTERS_H
#define TESTS_SIMULATION_COUNTERS_H

#include <stdint.h>

#define COUNTER_LIST(X)                                                                            \
    X(recovered_new, NOW, "a log was begun")                                                       \
    X(recovered_clean, NOW, "a clean-shutdown mark was found")                                     \
    X(recovered_whole, NOW, "after a crash all frames were whole")                                 \
    X(torn_frame_cut, NOW, "a torn frame was cut off")                                             \
    X(torn_at_segment_start, NOW, "a torn frame at the start of a segment was cut off")            \
    X(rotation_in_flight, NOW, "a segment began with records that somebody waited for")            \
    X(many_segments, NOW, "five segments and more were replayed")                                  \
    X(power_lost_none, NOW, "power failed and all unsynced units were lost")                       \
    X(power_kept_all, NOW, "power failed and all unsynced units were kept")                        \
    X(power_kept_random, NOW, "power failed and a random set of them was kept")                    \
    X(power_kept_prefix, NOW, "power failed and the first ones were kept")                         \
    X(power_lost_one, NOW, "power failed and all but one were kept")                               \
    X(power_in_commit, NOW, "power failed with a commit under way")                                \
    X(power_making_segment, NOW, "power failed while a segment was made")                          \
    X(power_in_creation, NOW, "power failed while the directory was made")                         \
    X(power_in_stop, NOW, "power failed while the ledger was stopped")                             \
    X(power_after_stop, NOW, "power failed behind a clean stop")                                   \
    X(killed, NOW, "the process was killed")                                                       \
    X(killed_in_commit, NOW, "the process was killed with a commit under way")                     \
    X(crash_in_recovery, NOW, "a recovery was crashed")                                            \
    X(crash_in_recovery_again, NOW, "the recovery behind it was crashed, too")                     \
    X(clean_stop, NOW, "the ledger was stopped in order")                                          \
    X(stop_with_commands, NOW, "it was stopped with commands in flight")                           \
    X(idle_mark, NOW, "an idle mark was written")                                                  \
    X(large_group, NOW, "a group of eight records and more")                                       \
    X(commit_unknown, NOW, "a commit took too long and was answered unknown")                      \
    X(unknown_resolved, NOW, "a key that was answered unknown was tried again: it had happened")   \
    X(not_committed, NOW, "a command was answered not committed")                                  \
    X(doubt_survived, NOW, "a key in doubt was tried again after a restart: it had happened")      \
    X(doubt_was_lost, NOW, "a key in doubt was tried again after a restart: it had not")           \
    X(storage_full, NOW, "a command was refused because the disk is full")                         \
    X(storage_resumed, NOW, "commands were taken again when there was room")                       \
    X(storage_full_at_start, NOW, "a start was refused because the disk is full")                  \
    X(fault_at_start, NOW, "a start was refused because of an I/O error")                          \
    X(poisoned_by_submit, NOW, "the submission of a write failed: the log failed")                 \
    X(poisoned_by_write, NOW, "a write failed: the log failed")                                    \
    X(poisoned_by_segment, NOW, "the making of a segment failed: the log failed")                  \
    X(clock_jumped_back, NOW, "the wall clock jumped back")                                        \
    X(clock_jumped_forward, NOW, "the wall clock jumped forwards")                                 \
    X(worker_count_changed, NOW, "a start with another number of workers")                         \
    X(hop, NOW, "a command travelled to another worker")                                           \
    X(same_key_concurrently, NOW, "two commands with one key in flight")                           \
    X(other_body_concurrently, NOW, "the same with different content")                             \
    X(key_replayed, NOW, "a key was answered again")                                               \
    X(key_replayed_after_restart, NOW, "the same after a restart")                                 \
    X(key_reused, NOW, "a key was refused to another command")                                     \
    X(key_reused_after_restart, NOW, "the same after a restart")                                   \
    X(mismatch_remembered, NOW, "a version mismatch was answered again after a restart")           \
    X(precondition_remembered, NOW, "a failed precondition, the same")                             \
    X(insufficient_remembered, NOW, "an insufficient balance, the same")                           \
    X(overflow_remembered, NOW, "an overflow, the same")                                           \
    X(opened_again, NOW, "an opening was repeated")                                                \
    X(account_exists, NOW, "an account was opened with other content")                             \
    X(keys_full, NOW, "there was no room for another key")                                         \
    X(decimal_refused, NOW, "an amount had too many decimals")                                     \
    X(read_waited, NOW, "a read waited for a record that it shows")                                \
    X(rot_refused, NOW, "a flipped bit was found at the start")                                    \
    X(rot_harmless, NOW, "a flipped bit changed nothing")                                          \
    X(checkpoint_made, LATER, "a checkpoint was completed")                                        \
    X(checkpoint_loaded, LATER, "a recovery began with a checkpoint")                              \
    X(checkpoint_older, LATER, "a recovery fell back to the older checkpoint")                     \
    X(checkpoint_abandoned, LATER, "a checkpoint was given up")                                    \
    X(power_in_slices, LATER, "power failed while a checkpoint was written")                       \
    X(power_before_rename, LATER, "power failed between the flush of a checkpoint and its name")   \
    X(power_after_rename, LATER, "power failed between its name and the flush of the directory")   \
    X(key_file_made, LATER, "a key file was made")                                                 \
    X(key_files_merged, LATER, "key files were merged")                                            \
    X(power_in_key_file, LATER, "power failed while a key file was made")                          \
    X(key_from_log, LATER, "a key was looked up in the log")                                       \
    X(key_from_file, LATER, "a key was looked up in the key files")                                \
    X(lookup_in_vain, LATER, "a look-up found another key")                                        \
    X(keys_forgotten, LATER, "memory forgot keys that a file has")                                 \
    X(segment_removed, LATER, "retention removed a segment")

enum counter {
#define X(name, stage, text) COUNT_##name,
    COUNTER_LIST(X)
#undef X
        COUNTERS
};

struct counters {
    uint64_t of[COUNTERS];
};

static inline void count(struct counters *counters, enum counter counter)
{
    counters->of[counter]++;
}

#endif
