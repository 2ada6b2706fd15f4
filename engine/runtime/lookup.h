/* lookup.h - commands that cannot be executed yet: a key must be looked up on disk first, or a
 * posting has the account.
 *
 * The shard knows recent keys by a hint and old ones by a filter (engine/core/shard.h); whether a
 * key was really seen, and what it was answered, stands in the log or in a key file. A command that
 * needs to know waits here, and so does every later one on its account, so that commands on one
 * account take effect in the order in which they came:
 *
 *     WAITING    for an earlier command of the account, or to be executed (again)
 *     UNDURABLE  the record that may have its key is not durable yet
 *     READING    the reader has it
 *     CLAIMED    a posting has the account (engine/core/participant.h)
 *
 * Claims of postings stand in the same line, one account at a time, so that commands and claims
 * take turns.
 *
 *     worker's list:   [deposit A: READING] [deposit B: READING] [read A: WAITING] ...
 *
 * Accounts are told apart by their whole hash. Nobody may wait for a stranger: a posting that keeps
 * one account and stands behind a command that waits for that one would wait for ever.
 *
 * Thread: the worker's, but for a look-up that is READING: that is the reader's (reader.h).
 */
#ifndef FLORIN_RUNTIME_LOOKUP_H
#define FLORIN_RUNTIME_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/core/shard.h"
#include "message.h"

enum {
    /* Commands of one worker that wait; more are answered QUEUE_FULL. The reader does some thousand
     * a second, and a client waits for seconds at most. */
    LOOKUPS_MAX = 4096,
    /* Lists that the accounts in line are spread over. */
    LOOKUPS_CROWD = 1024,
    /* Of one command, aligned for message_put_command(). */
    LOOKUP_MESSAGE_BYTES = (MESSAGE_COMMAND_BYTES_MAX + 7) / 8 * 8,
    LOOKUP_NONE = -1,
};

enum lookup_state { LOOKUP_WAITING, LOOKUP_UNDURABLE, LOOKUP_READING, LOOKUP_CLAIMED };

struct lookup {
    /* set by the worker; not touched while READING */
    uint8_t *message; /* the command; NULL: a claim */
    bool is_posting;  /* the command may need the coordinator */
    uint32_t claim;
    uint64_t account_hash;
    uint64_t deadline_ns; /* monotonic */
    /* Holds its place in the worker's results. WAITER_NONE: its deadline has passed while it was
     * READING; it was answered and will not be executed, but goes on standing before others. */
    int32_t waiter;
    enum lookup_state state;
    /* what to look up */
    enum shard_lookup kind;
    uint64_t lsn;
    struct hash128 digest;
    bool is_reversal;        /* it asks for a transaction's next reversal */
    uint64_t filters_to_lsn; /* of the shard's filters then */
    /* the reader's answer */
    struct shard_found found;
    int error; /* -errno: it could not be looked up */
    /* places in lists */
    int32_t next;
    int32_t next_in_crowd;
    int32_t next_done;
};

/* Owned by a worker. */
struct lookups {
    struct lookup *pool; /* LOOKUPS_MAX for commands, then claims_max for claims */
    uint8_t *messages;   /* LOOKUP_MESSAGE_BYTES for each command */
    int32_t free;        /* given back */
    int32_t untouched;   /* from here on nobody was ever taken: memory comes as it is needed */
    int32_t claims_free; /* likewise, of claims */
    int32_t claims_untouched;
    uint32_t claims_max;
    int32_t head;
    int32_t tail;
    uint32_t count;
    uint32_t claim_count;   /* of these */
    uint32_t posting_count; /* of the commands */
    uint32_t reading;
    int32_t crowd_head[LOOKUPS_CROWD]; /* the same line, by account hash */
    int32_t crowd_tail[LOOKUPS_CROWD];
};

/* 0 or -ENOMEM. */
int lookups_init(struct lookups *lookups, uint32_t claims_max);
void lookups_deinit(struct lookups *lookups);

/* Whether as many more as that would leave a quarter free, for commands that come one by one. */
static inline bool lookups_have_ample_room(const struct lookups *lookups, uint32_t count)
{
    return lookups->count - lookups->claim_count + count <= LOOKUPS_MAX / 4 * 3;
}

static inline struct lookup *lookups_at(struct lookups *lookups, int32_t number)
{
    return &lookups->pool[number];
}

/* Whether a command of this account has to wait behind another. */
bool lookups_stand_before(const struct lookups *lookups, uint64_t account_hash);

/* Whether nobody of the same account stands before this one. */
bool lookups_is_first(const struct lookups *lookups, int32_t number);

/* Appends a copy of a command, WAITING. NULL: all places are taken. */
struct lookup *lookups_add(struct lookups *lookups, const struct florin_command *command,
                           uint64_t account_hash, uint64_t deadline_ns);

/* Appends a claim that waits for an account. There is room for all. */
void lookups_add_claim(struct lookups *lookups, uint32_t claim, uint64_t account_hash);

/* Takes it out of the list; `before` is the one before it, or LOOKUP_NONE. */
void lookups_remove(struct lookups *lookups, int32_t before, int32_t number);

#endif
