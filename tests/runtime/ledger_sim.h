/* ledger_sim.h - a ledger of one thread on a simulated disk, under a clock that the test moves, and
 * a book of what was acknowledged.
 *
 * Accounts are a0, a1, ...; the key of deposit n is kn. Nothing moves by itself: workers move in
 * ledger_sim_round(), the background in ledger_sim_step(), time in virtual_clock_advance(). The
 * book knows the answer of every deposit, so that after any start each of them can be sent again.
 *
 * Thread: one. Checks end the test (cmocka).
 */
#ifndef TESTS_RUNTIME_LEDGER_SIM_H
#define TESTS_RUNTIME_LEDGER_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/runtime/ledger_state.h"
#include "florin.h"
#include "simulation/virtual_clock.h"
#include "support/sim_disk.h"

/* user_data of commands whose results nobody waits for. */
#define LEDGER_SIM_UNREAD UINT64_MAX

enum {
    LEDGER_SIM_WORKERS_MAX = 4,
    LEDGER_SIM_ACCOUNTS_MAX = 8192,
    LEDGER_SIM_DEPOSITS_MAX = 16384,
    LEDGER_SIM_LINES_BYTES = 64 * 1024,
};

struct ledger_sim_deposit {
    unsigned account;
    int64_t amount_minor;
    uint64_t lsn;
    int64_t balance_minor;
    uint64_t time_ns;
};

/* What was acknowledged. */
struct ledger_sim_book {
    unsigned account_count;
    unsigned deposit_count; /* also the number of the next key */
    int64_t balances[LEDGER_SIM_ACCOUNTS_MAX];
    struct ledger_sim_deposit deposits[LEDGER_SIM_DEPOSITS_MAX];
};

struct ledger_sim {
    struct sim_disk *disk;
    struct florin_options options; /* of the next open */
    uint64_t segment_bytes;        /* of a new directory */
    struct florin *ledger;         /* NULL: not open */
    struct worker *workers[LEDGER_SIM_WORKERS_MAX];
    unsigned worker_count;
    struct ledger_sim_book *book;
    uint64_t random;
    bool reader_rests;                  /* look-ups are begun and do not end */
    char lines[LEDGER_SIM_LINES_BYTES]; /* the operator's log since the last open */
    size_t lines_length;
};

/* An empty disk. Checkpoints only on demand, small tables, no retention. */
void ledger_sim_init(struct ledger_sim *sim);
void ledger_sim_deinit(struct ledger_sim *sim);

/* Another simulation of the same directory and book, on another disk, which it then owns. */
void ledger_sim_init_copy(struct ledger_sim *copy, const struct ledger_sim *sim,
                          struct sim_disk *disk);

/* 0, or what ledger_create() or ledger_recover() answered; then it is not open. */
int ledger_sim_try_open(struct ledger_sim *sim, unsigned workers);
void ledger_sim_open(struct ledger_sim *sim, unsigned workers);
/* Stopped, with a clean mark. */
void ledger_sim_close(struct ledger_sim *sim);
/* Ends the process; nothing that it still tries reaches the disk. */
void ledger_sim_end(struct ledger_sim *sim);

enum ledger_sim_keep { LEDGER_SIM_KEEP_NONE, LEDGER_SIM_KEEP_ALL, LEDGER_SIM_KEEP_RANDOM };
/* What a power failure leaves of a disk. */
struct sim_disk *ledger_sim_disk_after(struct ledger_sim *sim, const struct sim_disk *disk,
                                       enum ledger_sim_keep keep);
/* The power fails; the disk is what was kept. */
void ledger_sim_crash(struct ledger_sim *sim, enum ledger_sim_keep keep);

/* One round of each worker, and what the reader has to do. */
void ledger_sim_round(struct ledger_sim *sim);
/* One step of the background. */
bool ledger_sim_step(struct ledger_sim *sim);
/* Both, until nothing is left to do. */
void ledger_sim_settle(struct ledger_sim *sim);
/* Looks at the rule again, which it does once a second. */
void ledger_sim_retain(struct ledger_sim *sim);

uint64_t ledger_sim_random(struct ledger_sim *sim);

/* Opens the next `count` accounts with 0, and waits for the results. */
void ledger_sim_open_accounts(struct ledger_sim *sim, unsigned count, size_t metadata_length);
/* `count` deposits with new keys into accounts by chance; waits, and writes them into the book. */
void ledger_sim_deposit(struct ledger_sim *sim, unsigned count);
/* Sends a command to the first worker, and waits for its result. */
struct florin_result ledger_sim_run(struct ledger_sim *sim, const struct florin_command *command);
/* The command of the deposit with that number; `texts` holds its strings. */
struct ledger_sim_texts {
    char account[16];
    char key[24];
};
struct florin_command ledger_sim_retry(const struct ledger_sim *sim, unsigned number,
                                       struct ledger_sim_texts *texts);
struct florin_command ledger_sim_read(unsigned account, struct ledger_sim_texts *texts);

/* Sends every `stride`th deposit again: it gets the answer that is in the book. */
void ledger_sim_check_deposits(struct ledger_sim *sim, unsigned stride);
/* The same, and reads every `stride`th account. */
void ledger_sim_check(struct ledger_sim *sim, unsigned stride);
/* Over accounts and keys; not while anything is staged. */
uint64_t ledger_sim_digest(const struct ledger_sim *sim);

/* Asks for a checkpoint and moves everything until it has ended. 0, or errno of its failure. */
int ledger_sim_checkpoint(struct ledger_sim *sim);
struct ledger_keeper_statistics ledger_sim_statistics(const struct ledger_sim *sim);

/* Files of a directory, by their plain names' ending. */
unsigned ledger_sim_files(const struct ledger_sim *sim, const char *directory, const char *ending);
/* The whole name of the number-th file of a directory in alphabetical order. */
void ledger_sim_file(const struct ledger_sim *sim, const char *directory, const char *ending,
                     unsigned number, char name[STORAGE_NAME_MAX]);

/* Whether a line holds both texts. */
bool ledger_sim_said(const struct ledger_sim *sim, const char *event, const char *detail);
/* The number behind `field` in the last line of an event; the test ends when there is none. */
uint64_t ledger_sim_said_number(const struct ledger_sim *sim, const char *event, const char *field);

/* For the setup of a test: one that is not open yet, and what ends it. ledger_sim_fixture.c */
struct ledger_sim *ledger_sim_create(void);
int ledger_sim_teardown(void **state);

/* A checkpoint; then all keys so far are in files, and in no shard. */
void ledger_sim_move_keys_to_files(struct ledger_sim *sim);

/* A command on an account, with a key of its own or none (NULL). The texts and the key outlive it.
 */
struct florin_command ledger_sim_posting(enum florin_command_kind kind, unsigned account,
                                         const char *key, int64_t amount_minor,
                                         struct ledger_sim_texts *texts);

/* The next result of worker 0, if one comes within some rounds. */
bool ledger_sim_take(struct ledger_sim *sim, struct florin_result *result);

/* The next result of worker 0, which is this one, or the test fails. */
struct florin_result ledger_sim_expect(struct ledger_sim *sim, uint64_t user_data,
                                       enum florin_status status);

/* Fails the test unless both have the same checkpoints, key files and segments, byte for byte. */
void ledger_sim_assert_same_files(const struct ledger_sim *copy, const struct ledger_sim *sim);

#endif
