/* florind_run.c - starts, watches and ends a server.
 *
 * Guarantees: the data lock comes before the port; the port is open before the log is replayed; the
 * process never goes on after the disk has failed. Signals are taken by sigtimedwait() in the main
 * thread, so no handler runs anywhere. It must not know HTTP or records.
 */
#include "florind_run.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "http/event_log.h"
#include "http/recovery_progress.h"
#include "http/server.h"
#include "wal/log.h"

enum {
    /* How often the main thread looks at the ledger. */
    TICK_MS = 50,
    PROGRESS_MS = 1000,
    /* After the disk has failed: for answering those who wait. */
    FAILURE_GRACE_MS = 500,
    /* After the commit deadline and the clients' deadline: something is stuck. */
    STOP_GRACE_MS = 5000,
};

struct process {
    const struct florind_options *options;
    struct event_log log;
    struct florin *ledger;
    struct server *server;
    uint64_t started_ms;

    /* The thread that replays the log and opens accounts. */
    pthread_t starter;
    pthread_mutex_t mutex;
    bool starter_ended;     /* under the mutex */
    enum exit_code outcome; /* under the mutex; of the starter */
};

static uint64_t now_ms(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static enum exit_code exit_code_of(int error)
{
    switch (-error) {
    case EINVAL:
        return EXIT_USAGE;
    case EBADMSG:
        return EXIT_DAMAGED;
    case EBUSY:
        return EXIT_LOCKED;
    case EACCES:
    case EPERM:
        return EXIT_NO_PERMISSION;
    case ENOENT:
    case ENOTDIR:
    case EEXIST:
    case EROFS:
    case ENAMETOOLONG:
    case ELOOP:
        return EXIT_CANNOT_CREATE;
    case EIO:
    case ENOSPC:
        return EXIT_IO;
    default:
        return EXIT_UNAVAILABLE;
    }
}

/* A line for an error of the machine; returns its exit code. */
static enum exit_code fail(const struct process *process, const char *event, const char *key,
                           const char *value, int error)
{
    struct event_line line;
    enum exit_code code = exit_code_of(error);
    event_line_begin(&line, EVENT_ERROR, event);
    event_line_text(&line, key, value);
    event_line_text(&line, "reason", strerror(-error));
    event_line_number(&line, "exit", code);
    event_line_write(&line, &process->log);
    return code;
}

/* --- starting ----------------------------------------------------------------------------- */

/* As many descriptors as the system allows: the connection limit is the one that should bind. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static enum exit_code create_ledger(struct process *process, const struct ledger_devices *devices)
{
    const struct florind_options *options = process->options;
    struct florin_options engine = {
        .directory = options->data,
        .workers = options->workers,
        .io = options->io,
        .segment_bytes = options->segment_mib << 20,
        .accounts_max = options->accounts_max,
        .holds_max = options->holds_max,
        .keys_memory = options->keys_memory,
        .checkpoint_bytes = options->checkpoint_bytes,
        .checkpoint_seconds = options->checkpoint_seconds,
        .retain_seconds = options->retain_seconds,
        .retain_bytes = options->retain_bytes,
        .background_mib_per_second = options->background_mib,
        .commit_timeout_ms = options->commit_timeout_ms,
        .currencies = options->currencies,
        .currency_count = options->currency_count,
        .auto_create = options->auto_create,
        .log_line = event_log_line,
        .log_context = &process->log,
    };
    memcpy(engine.auto_create_currency, options->auto_create_currency,
           sizeof(engine.auto_create_currency));
    int error = ledger_create(&engine, devices, &process->ledger);
    if (error == -ENOSYS)
        return fail(process, "cannot_open", "io", "uring", error);
    return error == 0 ? EXIT_OK : fail(process, "cannot_open", "data", options->data, error);
}

static void log_listening(const struct process *process)
{
    struct event_line line;
    char address[LISTEN_TEXT_MAX];
    for (size_t i = 0; i < process->options->listen_count; i++) {
        listen_address_format(server_address(process->server, i), address);
        event_line_begin(&line, EVENT_INFO, "listening");
        event_line_text(&line, "address", address);
        event_line_number(&line, "port", listen_address_port(server_address(process->server, i)));
        event_line_write(&line, &process->log);
    }
}

static enum exit_code start_server(struct process *process)
{
    const struct florind_options *options = process->options;
    const struct server_options settings = {
        .ledger = process->ledger,
        .log = &process->log,
        .addresses = options->listens,
        .address_count = options->listen_count,
        .reject_duplicates = options->reject_duplicates,
        .http2 = options->http2,
        .request_timeout_ms = options->request_timeout_ms,
        .connections_max = options->connections_max,
        .connections_per_address_max = options->connections_per_address,
        .requests_max = options->requests_max,
        .followers_max = options->followers_max,
        .commit_timeout_ms = options->commit_timeout_ms,
        .background_mib_per_second = options->background_mib,
    };
    char address[LISTEN_TEXT_MAX];
    size_t failed;
    int error = server_create(&settings, &process->server, &failed);
    if (error != 0) {
        listen_address_format(&options->listens[failed], address);
        enum exit_code code = fail(process, "cannot_listen", "address", address, error);
        return code == EXIT_NO_PERMISSION ? code : EXIT_UNAVAILABLE;
    }
    error = server_start(process->server);
    if (error != 0)
        return fail(process, "cannot_start", "what", "worker thread", error);
    log_listening(process);
    return EXIT_OK;
}

/* --- replaying and opening, on a thread of their own --------------------------------------- */

static enum exit_code open_account(struct process *process, struct florin_client *client,
                                   const struct florind_open *open)
{
    struct event_line line;
    struct florin_result result;
    const struct florin_command command = {
        .kind = FLORIN_OPEN_ACCOUNT,
        .account = open->account,
        .account_length = strlen(open->account),
        .amount_minor = open->balance_minor,
    };
    if (florin_submit(client, &command, 1) != 1 || florin_reap(client, &result, 1, -1) != 1)
        return fail(process, "cannot_open_account", "account", open->account, -EAGAIN);
    bool opened = result.status == FLORIN_APPLIED && !result.replayed;
    bool present = result.status == FLORIN_ACCOUNT_EXISTS || result.replayed;
    event_line_begin(&line, opened || present ? EVENT_INFO : EVENT_ERROR,
                     opened    ? "account_opened"
                     : present ? "account_present"
                               : "cannot_open_account");
    event_line_text(&line, "account", open->account);
    if (!opened && !present)
        event_line_text(&line, "reason", florin_status_message(result.status));
    event_line_write(&line, &process->log);
    if (opened || present)
        return EXIT_OK;
    return florin_status_outcome(result.status) == FLORIN_OUTCOME_REJECTED ? EXIT_USAGE : EXIT_IO;
}

static enum exit_code open_accounts(struct process *process)
{
    struct florin_client *client;
    if (process->options->open_count == 0)
        return EXIT_OK;
    int error = florin_client_open(process->ledger, &client);
    if (error != 0)
        return fail(process, "cannot_open_account", "what", "client", error);
    enum exit_code code = EXIT_OK;
    for (size_t i = 0; i < process->options->open_count && code == EXIT_OK; i++)
        code = open_account(process, client, &process->options->opens[i]);
    florin_client_close(client);
    return code;
}

static void *starter_run(void *argument)
{
    struct process *process = argument;
    enum exit_code code = EXIT_OK;
    int error = ledger_recover(process->ledger);
    if (error != 0)
        code = fail(process, "cannot_recover", "data", process->options->data, error);
    else
        code = open_accounts(process);
    pthread_mutex_lock(&process->mutex);
    process->starter_ended = true;
    process->outcome = code;
    pthread_mutex_unlock(&process->mutex);
    return NULL;
}

static bool starter_has_ended(struct process *process, enum exit_code *outcome)
{
    pthread_mutex_lock(&process->mutex);
    bool ended = process->starter_ended;
    *outcome = process->outcome;
    pthread_mutex_unlock(&process->mutex);
    return ended;
}

static void log_progress(const struct process *process)
{
    struct event_line line;
    char text[32];
    struct recovery_progress progress;
    struct ledger_progress figures = ledger_progress(process->ledger);
    if (ledger_state(process->ledger) != LEDGER_RECOVERING || figures.bytes_total == 0)
        return;
    recovery_progress_of(&figures, &progress);
    event_line_begin(&line, EVENT_INFO, "recovering");
    snprintf(text, sizeof(text), "%.1f", progress.share * 100);
    event_line_text(&line, "percent", text);
    snprintf(text, sizeof(text), "%.1f", progress.mib_per_second);
    event_line_text(&line, "mib_per_second", text);
    event_line_number(&line, "accounts", (int64_t)figures.accounts_done);
    event_line_number(&line, "records", (int64_t)figures.records_done);
    if (progress.seconds_are_known)
        event_line_number(&line, "seconds_left", (int64_t)progress.seconds_left);
    event_line_write(&line, &process->log);
}

static void log_ready(const struct process *process)
{
    struct event_line line;
    struct ledger_statistics figures;
    struct log_statistics log;
    char address[LISTEN_TEXT_MAX];
    const struct listen_address *first = server_address(process->server, 0);
    ledger_statistics(process->ledger, &figures, &log);
    listen_address_format(first, address);
    event_line_begin(&line, EVENT_INFO, "ready");
    event_line_text(&line, "address", address);
    event_line_number(&line, "port", listen_address_port(first));
    event_line_text(&line, "data", process->options->data);
    event_line_text(&line, "io", figures.io);
    event_line_number(&line, "workers", process->options->workers);
    event_line_number(&line, "accounts", (int64_t)figures.accounts);
    event_line_number(&line, "keys", (int64_t)figures.keys);
    event_line_number(&line, "start_ms", (int64_t)(now_ms() - process->started_ms));
    event_line_number(&line, "pid", getpid());
    event_line_write(&line, &process->log);
}

/* --- watching and ending ------------------------------------------------------------------ */

/* The signal that came within a tick, or 0. */
static int next_signal(const sigset_t *signals)
{
    const struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};
    int number = sigtimedwait(signals, NULL, &tick);
    return number < 0 ? 0 : number;
}

static void log_event(const struct process *process, enum event_level level, const char *event)
{
    struct event_line line;
    event_line_begin(&line, level, event);
    event_line_write(&line, &process->log);
}

/* Ends without unwinding: threads still run, or must not be waited for. */
__attribute__((noreturn)) static void end_now(enum exit_code code)
{
    _exit((int)code);
}

/* The log has refused a write for good. Nothing is unwound: a background thread may be within the
 * failing disk for as long as that pleases. */
__attribute__((noreturn)) static void end_after_failure(struct process *process)
{
    struct event_line line;
    int error = florin_failed(process->ledger);
    event_line_begin(&line, EVENT_ERROR, "disk_failed");
    event_line_text(&line, "data", process->options->data);
    event_line_text(&line, "reason", strerror(error));
    event_line_number(&line, "durable_lsn", (int64_t)florin_durable_lsn(process->ledger));
    event_line_text(&line, "advice", "mend the disk and start again: what was answered is safe");
    event_line_number(&line, "exit", EXIT_IO);
    event_line_write(&line, &process->log);
    server_wake(process->server);
    (void)server_wait(process->server, FAILURE_GRACE_MS);
    end_now(EXIT_IO);
}

static enum exit_code end_after_signal(struct process *process, int signal_number)
{
    struct event_line line;
    const struct florind_options *options = process->options;
    uint64_t limit =
        now_ms() + options->commit_timeout_ms + options->request_timeout_ms + STOP_GRACE_MS;
    event_line_begin(&line, EVENT_INFO, "stopping");
    event_line_text(&line, "signal", signal_number == SIGINT ? "SIGINT" : "SIGTERM");
    event_line_write(&line, &process->log);
    ledger_stop(process->ledger);
    server_wake(process->server);
    while (!server_wait(process->server, TICK_MS)) {
        if (ledger_state(process->ledger) == LEDGER_FAILED)
            end_after_failure(process);
        if (now_ms() > limit) {
            log_event(process, EVENT_ERROR, "stop_timed_out");
            end_now(EXIT_IO);
        }
    }
    return EXIT_OK;
}

/* Until the starter has ended, or the process must. `*ending`: with the returned code. */
static enum exit_code wait_for_start(struct process *process, const sigset_t *signals, bool *ending)
{
    enum exit_code outcome;
    uint64_t next_progress = now_ms() + PROGRESS_MS;
    int signal_number = 0;
    while (!starter_has_ended(process, &outcome)) {
        if (signal_number == 0)
            signal_number = next_signal(signals);
        if (signal_number != 0 && ledger_state(process->ledger) == LEDGER_RECOVERING) {
            /* Nothing new has been acknowledged, and the replay writes nothing that a crash
             * could not interrupt. */
            log_event(process, EVENT_INFO, "stopped");
            end_now(EXIT_OK);
        }
        if (now_ms() >= next_progress) {
            log_progress(process);
            next_progress += PROGRESS_MS;
        }
    }
    pthread_join(process->starter, NULL);
    *ending = outcome != EXIT_OK || signal_number != 0;
    if (outcome != EXIT_OK)
        end_now(outcome);
    return signal_number == 0 ? EXIT_OK : end_after_signal(process, signal_number);
}

static enum exit_code serve(struct process *process, const sigset_t *signals)
{
    bool ending;
    if (pthread_create(&process->starter, NULL, starter_run, process) != 0)
        end_now(fail(process, "cannot_start", "what", "thread", -EAGAIN));
    enum exit_code code = wait_for_start(process, signals, &ending);
    if (ending)
        return code;
    server_set_ready(process->server);
    log_ready(process);
    for (;;) {
        int signal_number = next_signal(signals);
        if (ledger_state(process->ledger) == LEDGER_FAILED)
            end_after_failure(process);
        if (signal_number != 0)
            return end_after_signal(process, signal_number);
    }
}

static enum exit_code run(struct process *process, const struct ledger_devices *devices,
                          const sigset_t *signals)
{
    enum exit_code code = create_ledger(process, devices);
    if (code != EXIT_OK)
        return code;
    code = start_server(process);
    if (code != EXIT_OK && process->server != NULL)
        end_now(code);
    if (code == EXIT_OK) {
        code = serve(process, signals);
        server_destroy(process->server);
    }
    ledger_destroy(process->ledger);
    if (code == EXIT_OK)
        log_event(process, EVENT_INFO, "stopped");
    return code;
}

enum exit_code florind_run(const struct florind_options *options,
                           const struct ledger_devices *devices)
{
    struct process process = {
        .options = options,
        .log = {.descriptor = STDERR_FILENO},
        .started_ms = now_ms(),
        .mutex = PTHREAD_MUTEX_INITIALIZER,
    };
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    /* Before any thread is started, so that all inherit it. */
    int error = pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (error != 0)
        return fail(&process, "cannot_start", "what", "signals", -error);
    (void)signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    return run(&process, devices, &signals);
}
