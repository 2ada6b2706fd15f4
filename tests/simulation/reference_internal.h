/* reference_internal.h - what the reference has written down. Private to reference*.c.
 *
 *     attempt   one command sent, and what became of it
 *     answer    what came back, kept until the log is known up to there
 *     state     an account as it is at one version
 *     entry     what one record of the log did, by its LSN
 *     hold      money set aside
 *     key       the entry that answers all attempts with one idempotency key
 *
 * Thread: one.
 */
#ifndef TESTS_SIMULATION_REFERENCE_INTERNAL_H
#define TESTS_SIMULATION_REFERENCE_INTERNAL_H

#include <stddef.h>

#include "simulation/reference.h"

__extension__ typedef __int128 wide; /* many amounts add up in it */

enum { ACCOUNTS_MAX = 64, NO_ATTEMPT = -1 };

enum fate {
    FLYING,  /* no answer yet */
    DOUBT,   /* no answer will come, or "unknown" has: it may have happened */
    KNOWN,   /* answered with what happened */
    NOTHING, /* it never happened and never will */
};

struct attempt {
    struct florin_command command;
    unsigned account;
    unsigned key;
    unsigned life;
    enum florin_status malformed;
    enum fate fate;
    bool is_in_log; /* its record was found */
    bool was_in_doubt;
    uint64_t floor_version; /* shown before it was sent */
    uint64_t floor_lsn;
    bool key_was_used; /* as an answer had told before it was sent */
    uint8_t leg_count;
    uint8_t legs[REFERENCE_LEGS_MAX]; /* numbers of their accounts */
};

struct answer {
    uint32_t attempt;
    uint64_t durable_lsn;
    struct florin_result result; /* but for the metadata */
    char metadata[REFERENCE_METADATA_MAX];
};

struct state {
    uint64_t lsn; /* of the record that made it */
    uint64_t time_ns;
    int64_t balance;
    int64_t held;
    int64_t minimum;
    enum florin_account_status status;
    const char *metadata;
    size_t metadata_length;
    bool is_between; /* a later leg of the same record is of the same account */
};

struct account {
    struct florin_command opening;
    uint64_t version; /* newest; 0: there is no such account */
    uint64_t last_time_ns;
    struct state *states; /* by version */
    size_t states_max;
    uint64_t shown; /* version */
};

struct hold {
    uint64_t id;
    unsigned account;
    int64_t amount;
    uint64_t expires_ns;
    uint64_t ended_lsn; /* 0: it is active */
    enum florin_command_kind ended_by;
};

/* What is told of a command by a record, as an answer says it. */
struct entry {
    int64_t attempt;
    bool is_guess; /* nobody was told: another one with the same key may be meant as well */
    unsigned account;
    enum florin_command_kind kind;
    enum florin_status status;
    uint64_t lsn;
    uint64_t time_ns;
    unsigned leg; /* refused: version and balance are of its account */
    uint64_t version;
    int64_t balance;
    int64_t amount;
    uint64_t expires_ns;
};

struct key {
    uint64_t lsn; /* that answers have told; 0: none */
    bool known;
    struct entry entry;
};

enum { CURRENCIES = 4 }; /* by decimals */

struct reference {
    void (*complain)(void *context, const char *what);
    void *context;
    struct counters *counters;
    struct attempt *attempts;
    size_t attempt_count, attempt_max;
    size_t attempts_settled; /* before this one all are KNOWN or NOTHING */
    struct answer *answers;
    size_t answer_count, answer_max;
    struct entry *entries; /* by LSN */
    size_t entry_max;
    struct hold *holds;
    size_t hold_count, hold_max;
    struct key *keys; /* by number */
    size_t key_max;
    struct account accounts[ACCOUNTS_MAX];
    wide flows[CURRENCIES]; /* into the ledger */
    uint64_t shown_lsn;
    uint64_t settled_lsn;
    uint64_t recovered_lsn;
    unsigned life;
};

__attribute__((format(printf, 2, 3))) void reference_complain(const struct reference *reference,
                                                              const char *format, ...);

/* Makes room for `wanted` elements, new ones zeroed. */
void *reference_grow(void *array, size_t *max, size_t wanted, size_t element_bytes);

/* --- reference_rules.c: what a command does to accounts as they are */

/* Decimals of the account's currency. */
unsigned decimals_of(const struct account *account);

/* An amount in minor units of the account. false: it cannot be said in them. */
bool amount_in(const struct account *account, int64_t amount, bool is_decimal, unsigned scale,
               int64_t *minor);

/* The leg-th leg of a command, as if all kinds had legs. */
struct florin_leg leg_of(const struct attempt *attempt, unsigned leg);

/* What a decision looks at. An account that is not looked at counts as one that has nothing against
 * the command. */
struct view {
    bool is_seen[REFERENCE_LEGS_MAX]; /* by leg */
    struct state states[REFERENCE_LEGS_MAX];
    uint64_t versions[REFERENCE_LEGS_MAX];
    const struct hold *hold; /* that the command names */
    bool hold_is_active;
};

struct ruling {
    enum florin_status status;
    unsigned leg;
    int64_t amounts[REFERENCE_LEGS_MAX]; /* in minor units */
};

struct ruling rule(const struct reference *reference, const struct attempt *attempt,
                   const struct view *view);

/* The balance that the refusal of a leg shows: none in another currency than the first leg's. */
int64_t refused_balance(const struct reference *reference, const struct attempt *attempt,
                        unsigned leg, int64_t balance);

/* The hold of this account with this id; NULL: there is none. */
struct hold *find_hold(const struct reference *reference, unsigned account, uint64_t id);

/* The accounts as they are after the last settled record. */
struct view view_now(const struct reference *reference, const struct attempt *attempt);

/* What the status, limit and metadata are after a change. */
struct state changed(const struct florin_command *command, const struct state *before);

/* --- reference_log.c: the records of the log, one after the other */

void take_record(struct reference *reference, const struct reference_record *record);

/* Counts a capture that was refused because its hold expired meanwhile. */
void note_race(const struct reference *reference, const struct attempt *attempt,
               enum florin_status status);

/* --- reference_judge.c: answers against what the log says */

void judge_answer(struct reference *reference, const struct answer *answer);

#endif
