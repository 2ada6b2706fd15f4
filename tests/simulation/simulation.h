/* simulation.h - one seed: a ledger, its disk, its clients and its misfortunes, under one thread.
 *
 *     simulate.c      seeds, options, the table of counters
 *     simulation.c    the lives of one ledger: open, run, end somehow, again
 *     plan.c          what the seed draws: sizes, rates, kinds of ends
 *     schedule.c      who does the next step: a worker, a client, the disk, the background, time
 *     workload.c      which command comes next, with which key
 *     life.c          a start (with faults in it), a stop, a crash
 *     rot.c           a start with damaged files
 *     disk_eye.c      what the disk and the ledger's log lines tell of what happens
 *     log_eye.c       the records that are written
 *     protocol_eye.c  what postings over several workers are doing
 *     audit.c         after every start: all accounts, keys in doubt, a sample of the others
 *     reference.c     what answers are right
 *
 * Everything is drawn from the seed's random numbers, in one order: the same seed does the same.
 *
 * Thread: one.
 */
#ifndef TESTS_SIMULATION_SIMULATION_H
#define TESTS_SIMULATION_SIMULATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin.h"
#include "simulation/counters.h"
#include "simulation/random.h"
#include "simulation/reference.h"
#include "support/sim_disk.h"

struct channel;
struct worker;
enum { SIM_SEVERAL = 7 };

enum {
    SIM_WORKERS_MAX = 4,
    SIM_ACCOUNTS_MAX = 24,
    SIM_KEYS_MAX = 2048,
    SIM_CONTENTS = 3, /* as which an account may be opened */
    SIM_FAILURE_BYTES = 512,
    SIM_LEGS_MAX = REFERENCE_LEGS_MAX,
    SIM_HOLDS_MAX = 16, /* newest ones, that commands name */
};

/* --- plan.c ---------------------------------------------------------------------------------- */

/* Drawn once a seed. */
struct plan {
    uint64_t operations; /* commands of the workload */
    uint64_t segment_bytes;
    unsigned workers_max;
    bool workers_change;
    uint64_t accounts_max;
    uint64_t keys_memory;
    uint32_t keys_per_file;
    uint64_t checkpoint_bytes;
    unsigned checkpoint_seconds;
    uint64_t retain_bytes;
    uint64_t retain_seconds;
    uint64_t commit_timeout_ms;
    unsigned accounts; /* that commands name */
    unsigned hot_accounts;
    unsigned in_flight_max;
    unsigned life_operations;        /* commands of one life, about */
    uint32_t faults[SIM_OPERATIONS]; /* per million, in lives with faults */
    unsigned faults_percent;         /* of lives */
    unsigned full_percent;           /* of lives that meet a full disk */
    unsigned rot_percent;            /* of starts */
    unsigned start_crash_percent;    /* of starts */
    unsigned start_fault_percent;
    unsigned hold_percent; /* of disk steps that stop completions */
    unsigned long_hold_percent;
    unsigned pause_percent;      /* of client steps after which clients think */
    unsigned spurious_percent;   /* of rounds of a worker that has nothing to do */
    unsigned jump_percent;       /* of steps of time in which the wall clock jumps */
    unsigned request_percent;    /* of steps of the background before which somebody asks it */
    unsigned hold_files_percent; /* the same, for files to stay, or no longer */
    unsigned read_percent;
    unsigned key_percent;      /* of changes */
    unsigned retry_percent;    /* of changes with key */
    unsigned expected_percent; /* of changes */
    unsigned other_body_percent;
    unsigned several_percent;      /* of changes: kinds with legs, holds, changes of accounts */
    unsigned weights[SIM_SEVERAL]; /* of these, in the order of workload_legs.c */
    unsigned dry_percent;
    unsigned weight_worker, weight_client, weight_disk, weight_background, weight_time;
    unsigned end_clean, end_kill, end_power, end_power_later; /* weights */
};

void plan_draw(struct plan *plan, struct random *random);

/* --- the simulation -------------------------------------------------------------------------- */

struct sim_worker {
    struct worker *worker;
    struct channel *channel;
    bool awake;
    uint64_t due_ns; /* UINT64_MAX: never */
    bool has_mail;   /* at simulation->looked_at */
};

struct sim_key {
    unsigned account;
    char name[16];
    struct florin_command command; /* of the first attempt */
    uint8_t legs[SIM_LEGS_MAX];    /* its accounts */
    uint8_t leg_count;
    unsigned flying;
    unsigned life; /* of the newest attempt */
    bool doubt;    /* an answer was lost or "unknown" */
    bool unknown;  /* "unknown" */
};

/* What the simulation remembers of an attempt in flight, by the attempt's number. */
struct sim_attempt {
    unsigned account;
    unsigned key;
    unsigned at; /* worker that it was submitted to */
    enum florin_command_kind kind;
    uint64_t version; /* shown when it was sent */
    bool had_room;    /* the disk, when it was sent */
    bool is_dry;
    bool is_spread; /* over accounts of several workers */
    bool is_flying;
    bool was_lost; /* without an answer, in a crash */
};

/* Legs of a command, kept to the end. */
struct sim_legs {
    struct sim_legs *next;
    struct florin_leg legs[SIM_LEGS_MAX];
};

struct sim_hold {
    unsigned account;
    uint64_t id;
    int64_t amount;
};

/* A command that is about to be sent. */
struct sim_draft {
    struct florin_command command;
    uint8_t legs[SIM_LEGS_MAX]; /* accounts */
    uint8_t leg_count;
};

/* A command that took effect. */
struct sim_effect {
    uint32_t number;
    uint64_t lsn;
};

struct workload {
    char ids[SIM_ACCOUNTS_MAX][32];
    struct florin_command openings[SIM_ACCOUNTS_MAX][SIM_CONTENTS];
    struct sim_key keys[SIM_KEYS_MAX];
    unsigned key_count; /* key numbers begin with 1 */
    struct sim_attempt *attempts;
    size_t attempt_max;
    size_t attempt_count;
    size_t lives_first; /* attempt of this life */
    struct sim_legs *kept_legs;
    struct sim_hold holds[SIM_HOLDS_MAX];
    unsigned hold_count;
    char currencies[SIM_ACCOUNTS_MAX][FLORIN_CURRENCY_MAX + 1]; /* as answers have told; "" */
    uint64_t sent;                                              /* commands of the workload */
    uint64_t pause_until_ns;
    /* of this life, that of the newest command */
    struct sim_effect effects[SIM_ACCOUNTS_MAX][SIM_WORKERS_MAX];
};

/* A part of a file. */
struct sim_place {
    char name[STORAGE_NAME_MAX];
    uint64_t offset;
    uint64_t length;
};

struct trace {
    uint64_t hash;
    bool printed;
};

struct simulation {
    uint64_t seed;
    struct random random;
    struct plan plan;
    struct trace trace;
    struct counters *counters;
    struct reference *reference;
    struct workload workload;

    struct sim_disk *disk;
    struct florin *ledger; /* NULL: not running */
    struct sim_worker workers[SIM_WORKERS_MAX];
    unsigned worker_count;
    uint64_t activity;  /* steps in which somebody may have been woken */
    uint64_t looked_at; /* activity at which the mailboxes were last looked at */
    unsigned flying;
    unsigned life;
    bool held; /* the disk completes nothing */
    uint64_t held_until_ns;
    bool storage_was_full;
    bool has_begun; /* a start has succeeded: the directory is made */
    bool has_room;  /* the disk has, and the ledger has had the time to see it */

    /* what the disk has shown since somebody last looked */
    uint64_t faults_seen;
    enum sim_operation last_operation;
    char last_name[STORAGE_NAME_MAX];
    bool commit_under_way;
    bool recovering;  /* a start is under way */
    bool wiped_start; /* it has written over the start of a segment */
    bool creating;    /* there is no meta yet */
    bool files_held;
    uint64_t damaged_lsn;  /* start of the newest checkpoint that a start has called damaged */
    uint64_t keys_at_file; /* in memory when this life's newest key file was made; 0: none was */
    struct sim_place under_way; /* the write of the commit */
    struct sim_place newest;    /* a frame that is durable */
    struct sim_place older;     /* the one before, in the same file; name "": none */

    /* log_eye.c: by LSN */
    struct reference_record *records;
    size_t record_max;
    bool is_copy; /* the ledger that runs is one of a copy: its records do not count */

    bool failed;
    char failure[SIM_FAILURE_BYTES];
};

/* Runs one seed. false: `failure` says what was wrong. */
bool simulation_run(struct simulation *simulation);

/* --- trace ----------------------------------------------------------------------------------- */

/* `what` has at most 8 significant letters. */
void trace(struct simulation *simulation, const char *what, uint64_t a, uint64_t b, uint64_t c);
void trace_text(struct simulation *simulation, const char *what, const char *text);

__attribute__((format(printf, 2, 3))) void simulation_fail(struct simulation *simulation,
                                                           const char *format, ...);

/* --- workload.c ------------------------------------------------------------------------------ */

void workload_init(struct simulation *simulation);
void workload_deinit(struct simulation *simulation);

/* Sends the next command. */
void workload_send(struct simulation *simulation);

/* Sends a read, or the command of a key once more. */
void workload_send_read(struct simulation *simulation, unsigned account);
void workload_send_key(struct simulation *simulation, unsigned key);

/* An answer has come. */
void workload_answer(struct simulation *simulation, const struct florin_result *result);

/* The number of an account; REFERENCE_NO_ACCOUNT. */
unsigned workload_account(const struct simulation *simulation, const char *id, size_t id_length);

/* What became of what was in flight at the last crash is known. */
void workload_settled(struct simulation *simulation);

/* The process has ended. */
void workload_crash(struct simulation *simulation);

/* --- workload_legs.c: transfers, postings, batches, holds, captures, voids, changes ------------
 */

struct sim_draft workload_draw_several(struct simulation *simulation, unsigned account);

/* Expected version and balance, as the plan likes. */
void workload_draw_expected(struct simulation *simulation, unsigned account,
                            struct florin_command *command);

/* --- life.c ---------------------------------------------------------------------------------- */

/* Starts the ledger, through as many failed starts as the plan likes. */
void life_begin(struct simulation *simulation);

/* rot.c: a start on a copy with damaged files: either it is refused, or nothing is missing. */
void life_begin_with_rot(struct simulation *simulation, unsigned workers);

/* Everything up to a ledger that serves. 0 or -errno. The process is there in any case. */
int life_start(struct simulation *simulation, unsigned workers);

/* The process ends; the next start finds this disk. */
void life_change_disk(struct simulation *simulation, struct sim_disk *disk);

/* Ends the ledger and leaves the disk that is found afterwards. */
void life_stop(struct simulation *simulation);
void life_kill(struct simulation *simulation);
void life_lose_power(struct simulation *simulation);

/* The log has failed: everybody gets an answer, the process ends. */
void life_fail(struct simulation *simulation);

/* --- disk_eye.c ------------------------------------------------------------------------------ */

/* From now on the simulation sees what this disk does. */
void disk_eye_open(struct simulation *simulation, struct sim_disk *disk);

/* One line of the ledger's log. */
void disk_eye_log_line(void *context, const char *line);

/* --- log_eye.c ------------------------------------------------------------------------------- */

/* A frame is submitted. */
void log_eye_see(struct simulation *simulation, const struct sim_event *event);

/* reference_log; `context`: the simulation. */
const struct reference_record *log_eye_record(void *context, uint64_t lsn);

/* --- protocol_eye.c -------------------------------------------------------------------------- */

/* Whether accounts are of several workers. */
bool protocol_eye_is_spread(const struct simulation *simulation, const struct sim_draft *draft);

/* Behind a round of a worker. */
void protocol_eye_see_round(struct simulation *simulation, unsigned number);

/* Whether a posting has its record, and not all workers know. */
bool protocol_eye_is_resolving(const struct simulation *simulation);

/* The process is about to end by itself or by force. */
void protocol_eye_see_crash(struct simulation *simulation);

/* --- schedule.c ------------------------------------------------------------------------------ */

/* One step of anybody. */
void schedule_step(struct simulation *simulation);

/* A round of one worker, and its answers taken. */
void schedule_round(struct simulation *simulation, unsigned number);

/* A step of what background threads do otherwise. true: something was done. */
bool schedule_background(struct simulation *simulation);

/* Steps of workers, without clients and faults, until nothing is in flight. */
void schedule_drain(struct simulation *simulation);

void schedule_release_disk(struct simulation *simulation);

/* --- audit.c --------------------------------------------------------------------------------- */

/* Compares the started ledger with the reference; `all`: every key that was ever used. */
void audit_run(struct simulation *simulation, bool all);

/* Compares it without leaving a trace in the reference. */
void audit_peek(struct simulation *simulation);

#endif
