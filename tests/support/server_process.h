/* server_process.h - a real florind as a child process, for black-box tests.
 *
 * It serves on a port of 127.0.0.1 that the kernel chose and logs into a pipe, which tells when it
 * is ready. Failures of the harness itself end the test program with a message.
 *
 * Thread: one at a time a process.
 */
#ifndef FLORIN_TESTS_SERVER_PROCESS_H
#define FLORIN_TESTS_SERVER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
    SERVER_PROCESS_ARGUMENTS_MAX = 32,
    SERVER_PROCESS_LOG_BYTES = 64 * 1024,
    SERVER_PROCESS_TIMEOUT_MS = 30000,
};

struct server_process {
    pid_t pid;
    int log_descriptor;
    unsigned port;
    size_t log_length;
    char log[SERVER_PROCESS_LOG_BYTES]; /* what it said so far; terminated */
};

/* Starts `program` with `arguments` (NULL-terminated, without argv[0]) as they are. `as_nobody`:
 * without the rights of root. */
void server_process_spawn(struct server_process *process, const char *program,
                          const char *const *arguments, bool as_nobody);

/* Starts it on `--data directory --listen 127.0.0.1:0` and further `arguments`, and waits until it
 * is ready. */
void server_process_start(struct server_process *process, const char *program,
                          const char *directory, const char *const *arguments);

/* Waits for a line with `text`; false: the process ended without it. */
bool server_process_wait_log(struct server_process *process, const char *text);

/* The number behind `key` (like "port=") in the newest line that has it. */
unsigned server_process_log_number(const struct server_process *process, const char *key);

void server_process_signal(const struct server_process *process, int signal_number);

/* Waits for its end: the exit code, or 128 + the signal. */
int server_process_wait(struct server_process *process);

/* SIGTERM, and its end must be 0. */
void server_process_stop(struct server_process *process);

#endif
