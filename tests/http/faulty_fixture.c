/* faulty_fixture.c - starts a florind whose disk the test rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "faulty_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void faulty_spawn(struct faulty *faulty, const char *const *arguments)
{
    char switch_text[16];
    char wake_text[16];
    const char *words[SERVER_PROCESS_ARGUMENTS_MAX] = {switch_text,      wake_text,  "--data",
                                                       faulty->api.data, "--listen", "127.0.0.1:0",
                                                       "--workers",      "1"};
    size_t count = 8;
    for (size_t i = 0; arguments[i] != NULL; i++)
        words[count++] = arguments[i];
    snprintf(switch_text, sizeof(switch_text), "%d", faulty->switch_descriptor);
    snprintf(wake_text, sizeof(wake_text), "%d", faulty->wake_descriptor);
    server_process_spawn(&faulty->api.server, FAULTY_SERVER_PATH, words, false);
    assert_true(server_process_wait_log(&faulty->api.server, "event=listening"));
    faulty->api.server.port = server_process_log_number(&faulty->api.server, " port=");
}

void faulty_restart(struct faulty *faulty, const char *const *arguments)
{
    faulty_spawn(faulty, arguments);
    assert_true(server_process_wait_log(&faulty->api.server, "event=ready"));
}

static struct faulty *faulty_make(void)
{
    struct faulty *faulty = calloc(1, sizeof(*faulty));
    assert_non_null(faulty);
    temporary_directory_make(faulty->api.directory);
    snprintf(faulty->api.data, sizeof(faulty->api.data), "%s/data", faulty->api.directory);
    faulty->switch_descriptor = memfd_create("switch", 0);
    faulty->wake_descriptor = eventfd(0, EFD_NONBLOCK);
    assert_int_equal(ftruncate(faulty->switch_descriptor, sizeof(*faulty->control)), 0);
    faulty->control = mmap(NULL, sizeof(*faulty->control), PROT_READ | PROT_WRITE, MAP_SHARED,
                           faulty->switch_descriptor, 0);
    assert_true(faulty->control != MAP_FAILED);
    return faulty;
}

/* The account, and some milliseconds later the mark that the log is at rest: so that the next write
 * is the test's own. */
static void wait_for_idle_mark(struct faulty *faulty)
{
    uint64_t limit = now_ms() + SERVER_PROCESS_TIMEOUT_MS;
    do {
        assert_true(now_ms() < limit);
        assert_int_equal(
            http_call(faulty->api.server.port, "GET", "/metrics", "", NULL, &faulty->response),
            200);
    } while (strstr(faulty->response.body, "\nflorin_log_bytes_total 8192\n") == NULL);
}

struct faulty *faulty_start(const char *const *arguments)
{
    struct faulty *faulty = faulty_make();
    faulty_restart(faulty, arguments);
    api_open_account(&faulty->api, "a", "100.00");
    wait_for_idle_mark(faulty);
    return faulty;
}

void faulty_end(struct faulty *faulty)
{
    munmap(faulty->control, sizeof(*faulty->control));
    close(faulty->switch_descriptor);
    close(faulty->wake_descriptor);
    temporary_directory_remove(faulty->api.directory);
    free(faulty);
}

void faulty_set_mode(struct faulty *faulty, enum faulty_mode mode)
{
    const uint64_t one = 1;
    atomic_store(&faulty->control->mode, mode);
    assert_int_equal(write(faulty->wake_descriptor, &one, sizeof(one)), sizeof(one));
}

/* Until a write hangs in the server. */
void faulty_wait_until_hanging(struct faulty *faulty)
{
    uint64_t limit = now_ms() + SERVER_PROCESS_TIMEOUT_MS;
    while (atomic_load(&faulty->control->hanging) == 0)
        assert_true(now_ms() < limit);
}
