/* counters.h - what a long run must have met: each of these sometimes happens.
 *
 * X(name, text): a run with --require-counters fails when one is zero.
 *
 * Thread: one.
 */
#ifndef TESTS_SIMULATION_COUNTERS_H
#define TESTS_SIMULATION_COUNTERS_H

#include <stdint.h>

#define COUNTER_LIST(X)                                                                            \
    X(recovered_new, "a log was begun")                                                            \
    X(recovered_clean, "a clean-shutdown mark was found")                                          \
    X(recovered_whole, "after a crash all frames were whole")                                      \
    X(torn_frame_cut, "a torn frame was cut off")                                                  \
    X(torn_at_segment_start, "a torn frame at the start of a segment was cut off")                 \
    X(rotation_in_flight, "a segment began with records that somebody waited for")                 \
    X(many_segments, "five segments and more were replayed")                                       \
    X(power_lost_none, "power failed and all unsynced units were lost")                            \
    X(power_kept_all, "power failed and all unsynced units were kept")                             \
    X(power_kept_random, "power failed and a random set of them was kept")                         \
    X(power_kept_prefix, "power failed and the first ones were kept")                              \
    X(power_lost_one, "power failed and all but one were kept")                                    \
    X(power_in_commit, "power failed with a commit under way")                                     \
    X(power_making_segment, "power failed while a segment was made")                               \
    X(power_in_creation, "power failed while the directory was made")                              \
    X(power_in_stop, "power failed while the ledger was stopped")                                  \
    X(power_after_stop, "power failed behind a clean stop")                                        \
    X(killed, "the process was killed")                                                            \
    X(killed_in_commit, "the process was killed with a commit under way")                          \
    X(crash_in_recovery, "a recovery was crashed")                                                 \
    X(crash_in_recovery_again, "the recovery behind it was crashed, too")                          \
    X(clean_stop, "the ledger was stopped in order")                                               \
    X(stop_with_commands, "it was stopped with commands in flight")                                \
    X(idle_mark, "an idle mark was written")                                                       \
    X(large_group, "a group of eight records and more")                                            \
    X(commit_unknown, "a commit took too long and was answered unknown")                           \
    X(unknown_resolved, "a key that was answered unknown was tried again: it had happened")        \
    X(not_committed, "a command was answered not committed")                                       \
    X(doubt_survived, "a key in doubt was tried again after a restart: it had happened")           \
    X(doubt_was_lost, "a key in doubt was tried again after a restart: it had not")                \
    X(storage_full, "a command was refused because the disk is full")                              \
    X(replayed_while_full, "a command was answered once more while the disk was full")             \
    X(storage_resumed, "commands were taken again when there was room")                            \
    X(storage_full_at_start, "a start was refused because the disk is full")                       \
    X(fault_at_start, "a start was refused because of an I/O error")                               \
    X(poisoned_by_submit, "the submission of a write failed: the log failed")                      \
    X(poisoned_by_write, "a write failed: the log failed")                                         \
    X(poisoned_by_segment, "the making of a segment failed: the log failed")                       \
    X(clock_jumped_back, "the wall clock jumped back")                                             \
    X(clock_jumped_forward, "the wall clock jumped forwards")                                      \
    X(worker_count_changed, "a start with another number of workers")                              \
    X(hop, "a command travelled to another worker")                                                \
    X(same_key_concurrently, "two commands with one key in flight")                                \
    X(other_body_concurrently, "the same with different content")                                  \
    X(key_replayed, "a key was answered again")                                                    \
    X(key_replayed_after_restart, "the same after a restart")                                      \
    X(key_reused, "a key was refused to another command")                                          \
    X(key_reused_after_restart, "the same after a restart")                                        \
    X(mismatch_remembered, "a version mismatch was answered again after a restart")                \
    X(precondition_remembered, "a failed precondition, the same")                                  \
    X(insufficient_remembered, "an insufficient balance, the same")                                \
    X(overflow_remembered, "an overflow, the same")                                                \
    X(opened_again, "an opening was repeated")                                                     \
    X(account_exists, "an account was opened with other content")                                  \
    X(keys_full, "there was no room for another key")                                              \
    X(decimal_refused, "an amount had too many decimals")                                          \
    X(read_waited, "a read waited for a record that it shows")                                     \
    X(rot_refused, "a flipped bit was found at the start")                                         \
    X(rot_harmless, "a flipped bit changed nothing")                                               \
    X(checkpoint_made, "a checkpoint was completed")                                               \
    X(checkpoint_loaded, "a recovery began with a checkpoint")                                     \
    X(keys_moved_at_start, "a start moved keys to a file because memory had no room")              \
    X(checkpoint_none, "a recovery had no sound checkpoint and read the whole log")                \
    X(files_held, "somebody held the files")                                                       \
    X(rot_at_lookup, "a look-up met damage: unknown")                                              \
    X(checkpoint_older, "a recovery fell back to the older checkpoint")                            \
    X(checkpoint_abandoned, "a checkpoint was given up")                                           \
    X(power_in_slices, "power failed while a checkpoint was written")                              \
    X(power_before_rename, "power failed between the flush of a checkpoint and its name")          \
    X(power_after_rename, "power failed between its name and the flush of the directory")          \
    X(key_file_made, "a key file was made")                                                        \
    X(key_files_merged, "key files were merged")                                                   \
    X(power_in_key_file, "power failed while a key file was made")                                 \
    X(key_from_log, "a key was looked up in the log")                                              \
    X(key_from_file, "a key was looked up in the key files")                                       \
    X(lookup_in_vain, "a look-up found another key")                                               \
    X(keys_forgotten, "memory forgot keys that a file has")                                        \
    X(segment_removed, "retention removed a segment")                                              \
    X(posting_durable, "a posting over workers was durable")                                       \
    X(posting_survived, "a posting over workers without an answer survived a crash")               \
    X(posting_lost, "a posting over workers was lost in a crash")                                  \
    X(posting_refused, "a posting over workers was refused")                                       \
    X(posting_replayed, "a key of a posting was answered again")                                   \
    X(refusal_after_restart, "a refused posting was answered again after a restart")               \
    X(posting_key_in_flight, "two postings with one key in flight")                                \
    X(crash_before_resolve, "a crash between a decision and the RESOLVE of it")                    \
    X(crash_with_claims, "a crash while accounts were claimed")                                    \
    X(claim_waited, "a posting waited for an account")                                             \
    X(command_waited, "a command waited for a claimed account")                                    \
    X(slice_at_claim, "a checkpoint was wanted while accounts were claimed")                       \
    X(rotation_in_posting, "a segment began while a posting was between decision and RESOLVE")     \
    X(legs_replayed, "a start replayed legs")                                                      \
    X(legs_on_one_account, "a posting had several legs on one account")                            \
    X(hold_made, "money was held")                                                                 \
    X(hold_captured, "a hold was captured")                                                        \
    X(hold_voided, "a hold was voided")                                                            \
    X(hold_resolved, "a hold had ended before")                                                    \
    X(expired_before_restart, "a hold expired in the life that made it")                           \
    X(expired_after_restart, "a hold expired in a later life")                                     \
    X(capture_lost_to_expiry, "a capture was under way when its hold expired")                     \
    X(account_frozen, "an account was frozen")                                                     \
    X(account_closed, "an account was closed")                                                     \
    X(refused_frozen, "money of a frozen account did not move")                                    \
    X(dry_run, "a dry run")

enum counter {
#define X(name, text) COUNT_##name,
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
