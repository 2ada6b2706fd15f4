/* reference_internal.h - what the reference has written down. Private to reference*.c.
 *
 *     attempt   one command sent, and what became of it
 *     fact      one record of the log that an answer has shown (an opening, a change, a remembered
 *               refusal)
 *     key       all attempts with one idempotency key, and the fact that answers them
 *     account   the balance of each version as far as it is known, and what was shown
 *
 * Thread: one.
 */
#ifndef TESTS_SIMULATION_REFERENCE_INTERNAL_H
#define TESTS_SIMULATION_REFERENCE_INTERNAL_H

#include <stddef.h>

#include "simulation/reference.h"

enum { ACCOUNTS_MAX = 64 };

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
    uint64_t floor_version; /* shown before it was sent */
    uint64_t floor_lsn;
    bool key_was_used; /* as an answer had told before it was sent */
};

struct fact {
    unsigned account;
    enum florin_command_kind kind;
    enum florin_status status;
    uint64_t lsn;
    uint64_t time_ns;
    uint64_t version;
    int64_t balance;
    int64_t amount;
    uint64_t expected;
};

struct key {
    bool known;      /* its fact is */
    bool first_seen; /* the answer that was not a replay */
    uint64_t lsn;    /* 0: not known; may be known before the fact */
    struct fact fact;
};

struct account {
    bool is_open; /* and its opening known */
    struct florin_command opening;
    uint64_t opened_ns;
    uint64_t shown;   /* version */
    uint64_t settled; /* versions up to here are explained for good */
    /* by version */
    int64_t *balances;
    bool *balance_known;
    bool *explained; /* its fact is known */
    size_t balances_max, balance_known_max, explained_max;
};

struct reference {
    void (*complain)(void *context, const char *what);
    void *context;
    struct attempt *attempts;
    size_t attempt_count, attempt_max;
    struct fact *facts;
    size_t fact_count, fact_max;
    struct key *keys; /* by number */
    size_t key_max;
    struct account accounts[ACCOUNTS_MAX];
    uint64_t shown_lsn;
    uint64_t recovered_lsn;
    unsigned life;
};

__attribute__((format(printf, 2, 3))) void reference_complain(const struct reference *reference,
                                                              const char *format, ...);

/* Makes room for `wanted` elements, new ones zeroed. */
void *reference_grow(void *array, size_t *max, size_t wanted, size_t element_bytes);

/* --- reference_facts.c: what is known of accounts */

/* The account had this balance at this version. */
void know_balance(struct reference *reference, unsigned account, uint64_t version, int64_t balance);

/* A version of the attempt's account was shown to it. */
void show_version(struct reference *reference, const struct attempt *attempt, uint64_t version);

/* NULL, or what a fact says wrongly about itself. */
const char *fact_fault(const struct fact *fact, const struct florin_command *opening);

/* The amount by which a fact has changed the balance. */
int64_t change_of(const struct fact *fact);

void add_fact(struct reference *reference, const struct fact *fact);

/* Makes sure that it is known as what the account was opened. false: nobody can have. */
bool learn_opening(struct reference *reference, unsigned account,
                   const struct florin_result *result);

bool same_content(const struct florin_command *one, const struct florin_command *other);

/* The command's amount in minor units of the account. false: it cannot be said in them. */
bool amount_in(const struct florin_command *command, const struct florin_command *opening,
               int64_t *amount);

/* Whether a read or an opening shows the account as it was opened. */
bool details_are_right(const struct account *account, const struct florin_result *result);

#endif
