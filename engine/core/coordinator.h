/* coordinator.h - the home shard's part in its postings over several shards.
 *
 *     begin ------> CLAIMING ---all shards have granted---> READY ---decided---> TELLING ---> gone
 *                   one shard after the other, ascending              |            ^
 *                                                                     |            | sealed
 *                                                                     '-> STAGED --'
 *
 * 1. coordinator_begin(): the accounts of the posting in the order of their shards, and within a
 * shard in an order that all postings share.
 * 2. A CLAIM goes to the first shard, then, with its GRANT, to the next. Home's own accounts are
 * claimed in turn, like those of any shard.
 * 3. With all accounts kept, the caller calls coordinator_decide(): the decision is staged as one
 * record in home's stage (shard.h). Home's own accounts are free again at once.
 * 4. When the stage is sealed (coordinator_seal()), and with that handed to the log, the other
 * shards are told by RESOLVE. A posting that was refused is told at once, with LSN 0.
 *
 * Why there is no deadlock: accounts are taken in one order that all postings share (shard, then
 * hash, then id), so that whoever waits for an account holds only smaller ones, and the holder of
 * the greatest one waits for nobody: it is decided, and freed. A decision waits for room in the
 * stage and in the log only, which claims do not take. Why nobody starves: an account's claims and
 * commands take turns in the order in which they came (the caller's line), and each has it for a
 * bounded time. Why only the accounts involved are touched: a claim is a flag of an account. Why no
 * reader sees half of it: between its claim and the RESOLVE an account is not read; afterwards what
 * it shows has the record's LSN, which the reader waits for. Why every prefix of the log is right:
 * state is told to home only when it was handed to the log before, so that the record stands behind
 * all that it builds on; and what builds on it comes behind it, because RESOLVE comes after it was
 * handed over.
 *
 * Thread: the shard's owner.
 */
#ifndef FLORIN_CORE_COORDINATOR_H
#define FLORIN_CORE_COORDINATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "participant.h"
#include "posting.h"
#include "posting_message.h"
#include "shard.h"

#define COORDINATOR_NONE UINT32_MAX

enum coordinated_state {
    COORDINATED_CLAIMING,
    COORDINATED_READY,
    COORDINATED_STAGED,
    COORDINATED_TELLING,
};

struct coordinated {
    struct posting posting;
    struct shard_found found; /* what was known of its key when it began */
    uint64_t filters_to_lsn;  /* likewise */
    uint64_t deadline_ns;     /* the caller's */
    uint32_t context;         /* the caller's */
    enum coordinated_state state;
    uint8_t order[FLORIN_LEGS_MAX];   /* numbers of accounts, as they are claimed */
    uint8_t granted;                  /* of that order */
    uint32_t claims[FLORIN_LEGS_MAX]; /* by place of a shard's first account in the order */
    uint64_t newest_time_ns;
    uint64_t lsn; /* of its record; provisional while STAGED; 0: there is none */
    uint64_t time_ns;
    uint8_t told;  /* accounts of the order whose shard knows */
    uint32_t next; /* in a list */
};

struct coordinated_list {
    uint32_t first;
    uint32_t last;
};

struct coordinator {
    struct shard *shard;
    struct coordinated *pool;
    uint32_t untouched;
    uint32_t free;
    uint32_t count;
    struct coordinated_list ready;  /* all is granted */
    struct coordinated_list staged; /* decided, in the stage */
    struct coordinated_list outbox; /* has a message to send */
};

size_t coordinator_memory_bytes(void);
/* `memory`: zeroed, aligned to 64, kept by the caller. */
void coordinator_init(struct coordinator *coordinator, struct shard *shard, void *memory);

/* Begins a command for which shard_execute() has answered SHARD_LOOKUP_SHARDS, with what was found
 * for it. COORDINATOR_NONE: too many are under way. `context` comes back with coordinator_decide().
 */
uint32_t coordinator_begin(struct coordinator *coordinator, const struct florin_command *command,
                           const struct shard_found *found, uint32_t context, uint64_t deadline_ns);

/* The next message to send: its receiver and length. false: there is none. One for this very shard
 * is a CLAIM for its own participant. */
bool coordinator_next_message(const struct coordinator *coordinator, unsigned *to, size_t *length);
/* Writes it, and takes it off the list. */
void coordinator_write_message(struct coordinator *coordinator, void *bytes);

/* A GRANT from another shard. */
void coordinator_granted(struct coordinator *coordinator, const struct posting_message *message);
/* This shard's own participant keeps all accounts of a claim of this coordinator. */
void coordinator_granted_here(struct coordinator *coordinator, struct participant *participant,
                              uint32_t claim);

/* The oldest posting that can be decided; COORDINATOR_NONE. */
uint32_t coordinator_next_ready(const struct coordinator *coordinator);

/* Decides it. Needs shard_stage_has_room(). With answer->lookup other than NONE its key was seen
 * meanwhile: nothing was decided, its accounts are given back, and the command (which `command` and
 * `legs` then hold, until the next call) is to be executed from the beginning. `refuse`: the status
 * that it gets undecided (its deadline has passed, the log has failed); APPLIED: none. Returns
 * its context. */
uint32_t coordinator_decide(struct coordinator *coordinator, struct participant *participant,
                            uint32_t number, uint64_t now_ns, enum florin_status refuse,
                            struct shard_answer *answer, struct florin_leg legs[FLORIN_LEGS_MAX],
                            struct florin_command *command);

/* The stage was sealed: what was decided in it can be told. */
void coordinator_seal(struct coordinator *coordinator, uint64_t first_lsn);

/* Whether `count` more postings may begin. */
static inline bool coordinator_has_room(const struct coordinator *coordinator, uint32_t count)
{
    return coordinator->count + count <= COORDINATOR_POSTINGS_MAX;
}

static inline struct coordinated *coordinator_at(const struct coordinator *coordinator,
                                                 uint32_t number)
{
    return &coordinator->pool[number];
}

#endif
