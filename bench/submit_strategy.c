/* submit_strategy.c - who submits a group when several workers have something to commit?
 *
 * A raw experiment: threads, io_uring, closed-loop clients, no ledger. Three answers are compared:
 *
 *   one     one for all. One frame is in flight; a worker that finds none under way submits what
 *           everybody has gathered.
 *   two     the same, with up to two frames in flight.
 *   own     each worker its own frames. A worker claims the next place in the file, and has one
 *           write of its own in flight beside the others'.
 *
 * In each a frame is durable when all frames before it are. The writes are those of the log:
 * O_DIRECT, RWF_DSYNC, multiples of 4 KiB, on a zeroed file, the ring in epoll with COOP_TASKRUN.
 * Each operation costs its worker the CPU time of --work-ns, as a request does.
 *
 *     worker's loop:   let idle clients work -> stage -> commit -> sleep -> reap, commit, answer
 *
 * What the workers share is in strategy_journal.h.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "measure.h"
#include "strategy_journal.h"

enum {
    RING_ENTRIES = 16,
    ROUNDS_MAX = 31,
};

static const char *const strategy_names[STRATEGIES] = {"one", "two", "own"};

struct setting {
    enum strategy strategy;
    unsigned workers;
    unsigned clients; /* of each worker */
};

enum client_state { CLIENT_IDLE, CLIENT_STAGED, CLIENT_WAITING };

struct client {
    enum client_state state;
    uint64_t started_ns;
    uint64_t sequence; /* of the frame that holds its record */
};

struct worker {
    /* Set at start, then read-only. */
    struct journal *journal;
    struct worker *all;
    const struct setting *setting;
    unsigned number;
    uint64_t work_loops;
    uint64_t end_ns;
    int event_fd;

    /* Owned by the worker. */
    struct io_uring ring;
    int epoll_fd;
    unsigned in_flight;
    uint8_t *in_flight_buffers[FRAMES_MAX]; /* by sequence modulo FRAMES_MAX */
    struct gathering own;                   /* strategy own */
    struct client clients[CLIENTS_MAX];
    struct histogram latency;
    uint64_t work_result;

    /* Set by the worker before it sleeps, taken by whoever wakes it. */
    _Alignas(64) atomic_bool sleeping;
};

/* What one run of one setting gave. */
struct figures {
    double operations;
    double commits;
    double p50_us;
    double p99_us;
    double cpu; /* cores */
};

/* --- work of the CPU ------------------------------------------------------------------------- */

static uint64_t spin(uint64_t value, uint64_t loops)
{
    for (uint64_t i = 0; i < loops; i++)
        value = (value ^ (value >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
    return value;
}

/* The fastest of several samples: the others were disturbed. */
static uint64_t calibrate_loops(uint64_t work_ns)
{
    enum { SAMPLE = 1000000, SAMPLES = 9 };
    uint64_t fastest = UINT64_MAX;
    uint64_t value = work_ns + 1;
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t begin = measure_now_ns();
        value = spin(value, SAMPLE);
        uint64_t elapsed = measure_now_ns() - begin;
        fastest = elapsed < fastest ? elapsed : fastest;
    }
    assert(value != 0 && fastest > 0);
    return work_ns * SAMPLE / fastest;
}

/* --- a worker's turn ------------------------------------------------------------------------- */

/* The staged records are in the frame of this sequence. */
static void worker_await(struct worker *worker, uint64_t sequence)
{
    for (unsigned i = 0; i < worker->setting->clients; i++) {
        struct client *client = &worker->clients[i];
        if (client->state == CLIENT_STAGED) {
            client->state = CLIENT_WAITING;
            client->sequence = sequence;
        }
    }
}

/* Lets every idle client make one operation and hands the records over. */
static void worker_stage(struct worker *worker)
{
    struct journal *journal = worker->journal;
    uint8_t record[RECORD_BYTES];
    uint64_t now = measure_now_ns();
    if (now >= worker->end_ns)
        return;
    unsigned staged = 0;
    for (unsigned i = 0; i < worker->setting->clients; i++) {
        struct client *client = &worker->clients[i];
        if (client->state != CLIENT_IDLE)
            continue;
        client->started_ns = now;
        worker->work_result = spin(worker->work_result + i, worker->work_loops);
        client->state = CLIENT_STAGED;
        staged++;
    }
    if (staged == 0)
        return;
    memset(record, (int)(worker->work_result & 0xff), sizeof(record));
    pthread_mutex_lock(&journal->mutex);
    bool own = journal->strategy == STRATEGY_OWN;
    struct gathering *gathering = own ? &worker->own : &journal->shared;
    for (unsigned i = 0; i < staged; i++)
        journal_gather(gathering, worker->number, record);
    uint64_t sequence = journal->next_sequence;
    pthread_mutex_unlock(&journal->mutex);
    if (own)
        return; /* the sequence is known when the frame is claimed */
    worker_await(worker, sequence);
}

static void worker_submit(struct worker *worker, const struct claim *claim)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&worker->ring);
    assert(sqe != NULL);
    io_uring_prep_write(sqe, worker->journal->fd, claim->buffer, (unsigned)claim->length,
                        claim->offset);
    sqe->rw_flags = RWF_DSYNC;
    sqe->user_data = claim->sequence;
    worker->in_flight_buffers[claim->sequence % FRAMES_MAX] = claim->buffer;
    worker->in_flight++;
    int submitted = io_uring_submit(&worker->ring);
    measure_check("io_uring_submit", submitted == 1 ? 0 : -EIO);
}

static unsigned in_flight_max(const struct worker *worker)
{
    switch (worker->journal->strategy) {
    case STRATEGY_ONE:
        return 1;
    case STRATEGY_TWO:
        return 2;
    case STRATEGY_OWN:
    case STRATEGIES:
        break;
    }
    return 1; /* of its own */
}

/* Submits what is gathered, if the strategy lets this worker do so now. */
static void worker_commit(struct worker *worker)
{
    struct journal *journal = worker->journal;
    bool own = journal->strategy == STRATEGY_OWN;
    struct gathering *gathering = own ? &worker->own : &journal->shared;
    struct claim claim;
    pthread_mutex_lock(&journal->mutex);
    unsigned in_flight = own ? worker->in_flight : journal->in_flight;
    bool submits = gathering->length > 0 && in_flight < in_flight_max(worker);
    if (submits)
        claim = journal_claim(journal, gathering);
    pthread_mutex_unlock(&journal->mutex);
    if (!submits)
        return;
    if (own)
        worker_await(worker, claim.sequence);
    worker_submit(worker, &claim);
}

/* Answers the clients whose frame is durable; returns how many still wait. */
static unsigned worker_answer(struct worker *worker)
{
    uint64_t durable = atomic_load(&worker->journal->durable_sequence);
    uint64_t now = measure_now_ns();
    unsigned waiting = 0;
    for (unsigned i = 0; i < worker->setting->clients; i++) {
        struct client *client = &worker->clients[i];
        if (client->state == CLIENT_IDLE)
            continue;
        if (client->state == CLIENT_STAGED || client->sequence >= durable) {
            waiting++;
            continue;
        }
        histogram_add(&worker->latency, now - client->started_ns, 1);
        client->state = CLIENT_IDLE;
    }
    return waiting;
}

static void worker_wake_others(struct worker *worker, uint64_t workers)
{
    for (unsigned i = 0; i < worker->setting->workers; i++) {
        struct worker *other = &worker->all[i];
        if (other == worker || (workers & UINT64_C(1) << i) == 0)
            continue;
        if (atomic_exchange(&other->sleeping, false))
            measure_check("eventfd", eventfd_write(other->event_fd, 1) == 0 ? 0 : -errno);
    }
}

/* Reaps; the next group is submitted before anybody is told. */
static void worker_reap(struct worker *worker)
{
    struct io_uring_cqe *cqe;
    uint64_t workers = 0;
    bool any = false;
    while (io_uring_peek_cqe(&worker->ring, &cqe) == 0) {
        uint64_t sequence = cqe->user_data;
        measure_check("write", cqe->res > 0 ? 0 : cqe->res);
        io_uring_cqe_seen(&worker->ring, cqe);
        worker->in_flight--;
        workers |= journal_finish(worker->journal, sequence,
                                  worker->in_flight_buffers[sequence % FRAMES_MAX]);
        any = true;
    }
    if (!any)
        return;
    worker_commit(worker);
    worker_wake_others(worker, workers);
}

static void worker_sleep(struct worker *worker, uint64_t seen)
{
    struct epoll_event events[2];
    atomic_store(&worker->sleeping, true);
    bool news = atomic_load(&worker->journal->durable_sequence) != seen;
    int count = epoll_wait(worker->epoll_fd, events, 2, news ? 0 : 100);
    atomic_store(&worker->sleeping, false);
    for (int i = 0; i < count; i++) {
        eventfd_t value;
        if (events[i].data.fd == worker->event_fd)
            (void)eventfd_read(worker->event_fd, &value);
    }
}

static void *worker_run(void *argument)
{
    struct worker *worker = argument;
    for (;;) {
        uint64_t seen = atomic_load(&worker->journal->durable_sequence);
        worker_reap(worker);
        unsigned waiting = worker_answer(worker);
        if (waiting == 0 && worker->in_flight == 0 && measure_now_ns() >= worker->end_ns)
            return NULL;
        worker_stage(worker);
        worker_commit(worker);
        bool all_wait = true;
        for (unsigned i = 0; i < worker->setting->clients && all_wait; i++)
            all_wait = worker->clients[i].state != CLIENT_IDLE;
        if (all_wait || measure_now_ns() >= worker->end_ns)
            worker_sleep(worker, seen);
    }
}

/* --- one run --------------------------------------------------------------------------------- */

static void worker_watch(struct worker *worker, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    int error = epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    measure_check("epoll_ctl", error == 0 ? 0 : -errno);
}

static void worker_init(struct worker *worker)
{
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    };
    measure_check("io_uring", io_uring_queue_init_params(RING_ENTRIES, &worker->ring, &parameters));
    worker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    measure_check("epoll", worker->event_fd >= 0 && worker->epoll_fd >= 0 ? 0 : -errno);
    worker_watch(worker, worker->event_fd);
    worker_watch(worker, worker->ring.ring_fd);
    worker->own.buffer = journal_buffer_create();
    worker->work_result = worker->number + 1;
}

static void worker_deinit(struct worker *worker)
{
    io_uring_queue_exit(&worker->ring);
    close(worker->epoll_fd);
    close(worker->event_fd);
    free(worker->own.buffer);
}

static struct figures run_setting(const struct setting *setting, int fd, uint64_t work_loops,
                                  uint64_t duration_ns)
{
    static const struct histogram empty;
    struct histogram latency = empty;
    struct journal journal;
    journal_init(&journal, setting->strategy, fd);
    struct worker *workers = aligned_alloc(64, setting->workers * sizeof(*workers));
    measure_check("memory", workers != NULL ? 0 : -ENOMEM);
    memset(workers, 0, setting->workers * sizeof(*workers));
    uint64_t begin = measure_now_ns();
    uint64_t cpu_begin = measure_cpu_ns();
    pthread_t threads[WORKERS_MAX];
    for (unsigned i = 0; i < setting->workers; i++) {
        workers[i].journal = &journal;
        workers[i].all = workers;
        workers[i].setting = setting;
        workers[i].number = i;
        workers[i].work_loops = work_loops;
        workers[i].end_ns = begin + duration_ns;
        worker_init(&workers[i]);
    }
    for (unsigned i = 0; i < setting->workers; i++)
        measure_check("thread", -pthread_create(&threads[i], NULL, worker_run, &workers[i]));
    for (unsigned i = 0; i < setting->workers; i++)
        pthread_join(threads[i], NULL);
    double seconds = (double)(measure_now_ns() - begin) / 1e9;
    double cpu_seconds = (double)(measure_cpu_ns() - cpu_begin) / 1e9;
    for (unsigned i = 0; i < setting->workers; i++) {
        histogram_merge(&latency, &workers[i].latency);
        worker_deinit(&workers[i]);
    }
    struct figures figures = {
        .operations = (double)latency.count / seconds,
        .commits = (double)journal.commits / seconds,
        .p50_us = (double)histogram_percentile(&latency, 50) / 1e3,
        .p99_us = (double)histogram_percentile(&latency, 99) / 1e3,
        .cpu = cpu_seconds / seconds,
    };
    free(workers);
    journal_deinit(&journal);
    return figures;
}

/* --- all runs -------------------------------------------------------------------------------- */

static const unsigned worker_counts[] = {1, 2, 4};
static const unsigned client_counts[] = {1, 8, 32};

enum {
    WORKER_COUNTS = sizeof(worker_counts) / sizeof(worker_counts[0]),
    CLIENT_COUNTS = sizeof(client_counts) / sizeof(client_counts[0]),
    SETTINGS = WORKER_COUNTS * CLIENT_COUNTS * STRATEGIES,
};

/* The strategies of one load stand side by side, so that they are measured close in time. */
static struct setting setting_of(unsigned number)
{
    return (struct setting){
        .strategy = (enum strategy)(number % STRATEGIES),
        .clients = client_counts[number / STRATEGIES % CLIENT_COUNTS],
        .workers = worker_counts[number / STRATEGIES / CLIENT_COUNTS],
    };
}

static int compare_doubles(const void *left, const void *right)
{
    const double *a = left;
    const double *b = right;
    return (*a > *b) - (*a < *b);
}

/* The median of one member of several runs; `member` is its offset. */
static double median_of(const struct figures *runs, unsigned count, size_t member)
{
    double values[ROUNDS_MAX];
    for (unsigned i = 0; i < count; i++)
        memcpy(&values[i], (const char *)&runs[i] + member, sizeof(values[i]));
    qsort(values, count, sizeof(values[0]), compare_doubles);
    return values[count / 2];
}

static void print_setting(const struct setting *setting, const struct figures *runs, unsigned count)
{
    printf("submit_strategy workers=%u clients=%u strategy=%s operations=%.0f commits=%.0f "
           "p50_us=%.0f p99_us=%.0f cpu=%.2f cpu_us_per_operation=%.1f\n",
           setting->workers, setting->clients, strategy_names[setting->strategy],
           median_of(runs, count, offsetof(struct figures, operations)),
           median_of(runs, count, offsetof(struct figures, commits)),
           median_of(runs, count, offsetof(struct figures, p50_us)),
           median_of(runs, count, offsetof(struct figures, p99_us)),
           median_of(runs, count, offsetof(struct figures, cpu)),
           median_of(runs, count, offsetof(struct figures, cpu)) * 1e6 /
               median_of(runs, count, offsetof(struct figures, operations)));
}

static int open_zeroed(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
    measure_check(path, fd >= 0 ? 0 : -errno);
    uint8_t *zeros = journal_buffer_create();
    for (off_t offset = 0; offset < FILE_BYTES; offset += FRAME_BYTES_MAX) {
        ssize_t written = pwrite(fd, zeros, FRAME_BYTES_MAX, offset);
        measure_check("zeroing", written == FRAME_BYTES_MAX ? 0 : -EIO);
    }
    measure_check("fsync", fsync(fd) == 0 ? 0 : -errno);
    free(zeros);
    return fd;
}

static void usage(FILE *out)
{
    fputs(
        "Usage: submit_strategy [OPTION...]\n"
        "\n"
        "Compares who submits a group: one for all (one or two frames in flight), or each worker\n"
        "its own. Medians of interleaved rounds, with 1, 2, 4 workers of 1, 8, 32 clients each.\n"
        "\n"
        "  --file PATH        a scratch file, made and removed (default submit_strategy.tmp)\n"
        "  --milliseconds N   of one run (default 500)\n"
        "  --rounds N         default 5\n"
        "  --work-ns N        CPU time of an operation beside the commit (default 5000)\n",
        out);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"file", required_argument, NULL, 'f'},   {"milliseconds", required_argument, NULL, 'm'},
        {"rounds", required_argument, NULL, 'r'}, {"work-ns", required_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    const char *path = "submit_strategy.tmp";
    uint64_t duration_ns = UINT64_C(500000000);
    uint64_t work_ns = 5000;
    unsigned rounds = 5;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'f':
            path = optarg;
            break;
        case 'm':
            duration_ns = measure_parse_number("--milliseconds", optarg, 1, 3600000) * 1000000;
            break;
        case 'r':
            rounds = (unsigned)measure_parse_number("--rounds", optarg, 1, ROUNDS_MAX);
            break;
        case 'w':
            work_ns = measure_parse_number("--work-ns", optarg, 0, 1000000);
            break;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 64;
        }
    }

    static struct figures all[SETTINGS][ROUNDS_MAX];
    int fd = open_zeroed(path);
    uint64_t work_loops = calibrate_loops(work_ns);
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned number = 0; number < SETTINGS; number++) {
            struct setting setting = setting_of(number);
            all[number][round] = run_setting(&setting, fd, work_loops, duration_ns);
        }
    for (unsigned number = 0; number < SETTINGS; number++) {
        struct setting setting = setting_of(number);
        print_setting(&setting, all[number], rounds);
    }
    close(fd);
    unlink(path);
    return 0;
}
