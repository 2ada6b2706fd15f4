/* server_process.c - starts, watches and ends child processes.
 *
 * Guarantees: a child does not outlive the test program (PR_SET_PDEATHSIG); every wait has an end.
 * It must not know the API.
 */
#include "server_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NOBODY = 65534 };

__attribute__((noreturn)) static void give_up(const char *what)
{
    fprintf(stderr, "server_process: %s: %s\n", what, strerror(errno));
    abort();
}

static void run_child(const char *program, const char *const *arguments, int log_descriptor,
                      bool as_nobody)
{
    char *words[SERVER_PROCESS_ARGUMENTS_MAX + 2] = {strdup(program)};
    for (size_t i = 0; arguments[i] != NULL && i < SERVER_PROCESS_ARGUMENTS_MAX; i++)
        words[i + 1] = strdup(arguments[i]);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(log_descriptor, STDERR_FILENO) < 0)
        _exit(126);
    if (as_nobody && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
        _exit(126);
    if (setenv("LSAN_OPTIONS", "print_suppressions=0:suppressions=" LEAK_SUPPRESSIONS, 1) != 0)
        _exit(126);
    execv(program, words);
    _exit(127);
}

void server_process_spawn(struct server_process *process, const char *program,
                          const char *const *arguments, bool as_nobody)
{
    int pipe_ends[2];
    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        give_up("pipe2");
    process->log_length = 0;
    process->log[0] = '\0';
    process->port = 0;
    process->pid = fork();
    if (process->pid < 0)
        give_up("fork");
    if (process->pid == 0)
        run_child(program, arguments, pipe_ends[1], as_nobody);
    close(pipe_ends[1]);
    process->log_descriptor = pipe_ends[0];
}

/* Reads what there is, waiting up to timeout_ms for something; false: the end of the log. */
static bool read_log(struct server_process *process, int timeout_ms)
{
    struct pollfd ready = {.fd = process->log_descriptor, .events = POLLIN};
    int count = poll(&ready, 1, timeout_ms);
    if (count < 0 && errno != EINTR)
        give_up("poll");
    if (count <= 0)
        return true;
    size_t room = sizeof(process->log) - 1 - process->log_length;
    if (room == 0) {
        /* The older half has been judged. */
        size_t half = process->log_length / 2;
        memmove(process->log, process->log + half, process->log_length - half);
        process->log_length -= half;
        room = half;
    }
    ssize_t got = read(process->log_descriptor, process->log + process->log_length, room);
    if (got < 0)
        give_up("read");
    process->log_length += (size_t)got;
    process->log[process->log_length] = '\0';
    return got > 0;
}

bool server_process_wait_log(struct server_process *process, const char *text)
{
    for (int waited_ms = 0; waited_ms < SERVER_PROCESS_TIMEOUT_MS; waited_ms += 100) {
        const char *found = strstr(process->log, text);
        /* A line counts when it is whole. */
        if (found != NULL && strchr(found, '\n') != NULL)
            return true;
        if (!read_log(process, 100))
            return strstr(process->log, text) != NULL;
    }
    fprintf(stderr, "no \"%s\" in the log of process %d:\n%s", text, (int)process->pid,
            process->log);
    abort();
}

unsigned server_process_log_number(const struct server_process *process, const char *key)
{
    const char *newest = NULL;
    for (const char *found = process->log; (found = strstr(found, key)) != NULL; found++)
        newest = found;
    return newest == NULL ? 0 : (unsigned)strtoul(newest + strlen(key), NULL, 10);
}

void server_process_start(struct server_process *process, const char *program,
                          const char *directory, const char *const *arguments)
{
    const char *words[SERVER_PROCESS_ARGUMENTS_MAX + 1] = {"--data", directory, "--listen",
                                                           "127.0.0.1:0"};
    size_t count = 4;
    for (size_t i = 0; arguments != NULL && arguments[i] != NULL; i++)
        words[count++] = arguments[i];
    words[count] = NULL;
    server_process_spawn(process, program, words, false);
    if (!server_process_wait_log(process, "event=ready")) {
        fprintf(stderr, "%s did not start:\n%s", program, process->log);
        abort();
    }
    process->port = server_process_log_number(process, " port=");
}

void server_process_signal(const struct server_process *process, int signal_number)
{
    if (kill(process->pid, signal_number) != 0)
        give_up("kill");
}

int server_process_wait(struct server_process *process)
{
    int descriptor = (int)syscall(SYS_pidfd_open, process->pid, 0);
    struct pollfd ended = {.fd = descriptor, .events = POLLIN};
    if (descriptor < 0)
        give_up("pidfd_open");
    int count = 0;
    for (int waited_ms = 0; count == 0 && waited_ms < SERVER_PROCESS_TIMEOUT_MS; waited_ms += 20) {
        /* The child must not wait for room in the pipe. */
        (void)read_log(process, 0);
        count = poll(&ended, 1, 20);
    }
    if (count != 1) {
        fprintf(stderr, "process %d does not end; its log:\n%s", (int)process->pid, process->log);
        abort();
    }
    close(descriptor);
    while (read_log(process, 0)) {
        struct pollfd more = {.fd = process->log_descriptor, .events = POLLIN};
        if (poll(&more, 1, 0) != 1)
            break;
    }
    close(process->log_descriptor);
    int status;
    if (waitpid(process->pid, &status, 0) != process->pid)
        give_up("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void server_process_stop(struct server_process *process)
{
    server_process_signal(process, SIGTERM);
    int code = server_process_wait(process);
    if (code == 0)
        return;
    fprintf(stderr, "the server ended with %d:\n%s", code, process->log);
    abort();
}
