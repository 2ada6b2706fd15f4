/* participant.h - a shard's part in postings of all shards: it keeps accounts for them.
 *
 *     participant_begin()    a CLAIM has come, from another shard or from this one's coordinator
 *     participant_advance()  takes its accounts, one after the other in the order of the message,
 * each as soon as nobody else has it; the caller says when to try, and lets claims and commands on
 * one account take turns in the order in which they came participant_grant()    all are kept: their
 * state. Only when it is final (no provisional LSN), for what is told must have been handed to the
 * log participant_resolve()  the end: accounts are as the record says, or as they were, and free
 *
 * A kept account (ACCOUNT_CLAIMED) is neither read nor changed by anybody else.
 *
 * Thread: the shard's owner.
 */
#ifndef FLORIN_CORE_PARTICIPANT_H
#define FLORIN_CORE_PARTICIPANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "posting_message.h"
#include "shard.h"

#define PARTICIPANT_NONE UINT32_MAX

enum {
    /* Postings of one shard under way: at some 20 us each, far more than its thread can decide. */
    COORDINATOR_POSTINGS_MAX = 512,
};

struct claim {
    uint32_t posting; /* home's number */
    uint16_t home;    /* its shard */
    uint8_t count;
    uint8_t taken;                   /* accounts before this one are kept */
    uint32_t next;                   /* in a list */
    uint32_t slots[FLORIN_LEGS_MAX]; /* when it is taken; SHARD_NO_SLOT: there is no such account */
    struct posting_claim_account accounts[FLORIN_LEGS_MAX];
};

struct participant {
    struct shard *shard;
    struct claim *claims;
    uint32_t claims_max;
    uint32_t untouched;
    uint32_t free;
    uint32_t count;
    /* all accounts kept, state not told yet: oldest first */
    uint32_t granted_first;
    uint32_t granted_last;
};

/* Room for every posting that any coordinator can have under way: a claim is never refused. */
size_t participant_memory_bytes(unsigned shard_count);
/* `memory`: zeroed, aligned to 64, kept by the caller. */
void participant_init(struct participant *participant, struct shard *shard, unsigned shard_count,
                      void *memory);

/* Notes a CLAIM of shard `home`. Its number. */
uint32_t participant_begin(struct participant *participant, unsigned home,
                           const struct posting_message *message);

/* The hash of the account that it takes next; false: it has all. */
bool participant_next(const struct participant *participant, uint32_t claim,
                      uint64_t *account_hash);

enum participant_step {
    PARTICIPANT_WAITS,   /* somebody has the account, or there is no room to stage its opening */
    PARTICIPANT_TAKEN,   /* also when there is no such account */
    PARTICIPANT_CREATED, /* it has come into being by this: its opening is staged */
};

/* Takes that account, which the shard creates if it may and has room. The last one makes the claim
 * granted: one of another shard waits for its GRANT; one of this shard's own coordinator is told by
 * coordinator_granted_here(). */
enum participant_step participant_advance(struct participant *participant, uint32_t claim,
                                          uint64_t now_ns);

/* The oldest granted claim whose state may be told now; PARTICIPANT_NONE: there is none, or the
 * stage must be sealed first. */
uint32_t participant_next_grant(const struct participant *participant);
size_t participant_grant_bytes(const struct participant *participant, uint32_t claim);
/* Writes the GRANT of participant_next_grant() and takes it off the list. */
void participant_grant(struct participant *participant, uint32_t claim, void *bytes);

/* Ends a claim that was granted, as a RESOLVE says. It stays readable until the next call of
 * participant_begin(), for a caller who keeps track of what is durable. */
void participant_resolve(struct participant *participant, const struct posting_message *message);

static inline const struct claim *participant_claim(const struct participant *participant,
                                                    uint32_t claim)
{
    return &participant->claims[claim];
}

#endif
