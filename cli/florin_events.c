/* florin_events.c - every change in the order of the log, as it comes.
 *
 * Guarantees: each event is printed once and in order, also across connections that break: the next
 * one begins behind the last event that was printed. It must not know what events mean.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "florin_exchange.h"
#include "json_slice.h"

enum {
    LINE_BYTES_MAX = 1024 * 1024, /* above a record with all its legs, key and metadata */
    CELL_BYTES = 96,
};

struct follower {
    const struct florin_call *call;
    bool has_place; /* `last` is known */
    uint64_t last;
    uint64_t left; /* events that are still wanted */
    uint64_t page; /* events of this answer */
    bool has_heading;
    bool output_failed;
    bool is_strange; /* a line that is no event */
    size_t length;
    char line[LINE_BYTES_MAX];
};

static void print_event(struct follower *follower, struct json_slice event)
{
    char cells[5][CELL_BYTES];
    static const char *const members[] = {"lsn", "timestamp", "type", "amount"};
    if (follower->call->json) {
        printf("%.*s\n", (int)event.length, event.bytes);
        return;
    }
    if (!follower->has_heading)
        printf("%10s  %-20s  %-8s  %14s  ACCOUNTS\n", "LSN", "TIME", "TYPE", "AMOUNT");
    follower->has_heading = true;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        json_slice_copy(event, members[i], cells[i], CELL_BYTES);
    printf("%10s  %-20s  %-8s  %14s ", cells[0], cells[1], cells[2], cells[3]);
    struct json_slice rest = json_slice_member(event, "legs");
    struct json_slice leg;
    while (json_slice_next(&rest, &leg)) {
        json_slice_copy(leg, "account", cells[4], CELL_BYTES);
        printf(" %s", cells[4]);
    }
    printf("\n");
}

/* false: no more. */
static bool take_line(struct follower *follower)
{
    struct json_slice event;
    char lsn[32];
    if (follower->length == 0)
        return true; /* a sign of life */
    if (!json_slice_whole(follower->line, follower->length, &event)) {
        follower->is_strange = true;
        return false;
    }
    json_slice_copy(event, "lsn", lsn, sizeof(lsn));
    follower->length = 0;
    if (lsn[0] == '\0')
        return false; /* the server says why it ends, and may be asked again */
    follower->last = strtoull(lsn, NULL, 10);
    follower->has_place = true;
    follower->page++;
    follower->left--;
    print_event(follower, event);
    return follower->left > 0;
}

/* A remote_sink. */
static bool take_bytes(void *context, const void *bytes, size_t length)
{
    struct follower *follower = context;
    const char *at = bytes;
    bool goes_on = true;
    for (size_t i = 0; i < length && goes_on; i++) {
        if (at[i] == '\n')
            goes_on = take_line(follower);
        else if (follower->length < LINE_BYTES_MAX)
            follower->line[follower->length++] = at[i];
        else
            goes_on = false;
    }
    follower->output_failed |= fflush(stdout) != 0;
    return goes_on && !follower->output_failed;
}

static void events_path(const struct follower *follower, char path[PATH_BYTES])
{
    int length =
        snprintf(path, PATH_BYTES, "/events?follow=%s", follower->call->follow ? "true" : "false");
    if (follower->has_place)
        (void)snprintf(path + length, PATH_BYTES - (size_t)length, "&after=%" PRIu64,
                       follower->last);
}

/* One answer. EXIT_OK: it may be asked again; *ended: there is no more, or it shall not. */
static enum exit_code read_once(struct follower *follower, struct remote *remote, bool *ended)
{
    const struct florin_call *call = follower->call;
    struct remote_answer answer;
    char path[PATH_BYTES];
    follower->length = 0;
    follower->page = 0;
    events_path(follower, path);
    bool whole = remote_download(remote, path, take_bytes, follower, &answer);
    *ended = true;
    if (follower->output_failed) {
        fprintf(stderr, "florin: the output cannot be written\n");
        return EXIT_IO;
    }
    if (follower->is_strange)
        return exchange_strange(call);
    if (follower->left == 0)
        return EXIT_OK;
    *ended = false;
    if (!whole)
        return EXIT_UNAVAILABLE;
    if (answer.status != 200) {
        /* 503: it starts, 429: too many follow; both pass */
        *ended = answer.status != 503 && answer.status != 429;
        return *ended || !call->follow ? exchange_refused(call, &answer) : EXIT_UNAVAILABLE;
    }
    *ended = !call->follow && follower->page == 0;
    return EXIT_OK;
}

static enum exit_code follow(struct follower *follower, struct remote *remote)
{
    bool ended = false;
    bool was_there = false;
    enum exit_code code = EXIT_OK;
    while (!ended) {
        code = read_once(follower, remote, &ended);
        was_there |= code == EXIT_OK || follower->page > 0;
        if (ended || (code == EXIT_OK && !follower->call->follow))
            continue;
        if (!follower->call->follow || !was_there)
            return code == EXIT_UNAVAILABLE && remote->error[0] != '\0'
                       ? exchange_unreachable(follower->call, remote)
                       : code;
        if (follower->call->verbose)
            fprintf(stderr, "florin: connects again behind LSN %" PRIu64 "\n", follower->last);
        (void)sleep(1);
    }
    return code;
}

enum exit_code florin_events(const struct florin_call *call)
{
    static struct follower follower;
    struct remote remote;
    follower.call = call;
    follower.left = call->limit == NULL ? UINT64_MAX : strtoull(call->limit, NULL, 10);
    follower.has_place = call->after != NULL;
    follower.last = call->after == NULL ? 0 : strtoull(call->after, NULL, 10);
    if (!exchange_open(call, &remote))
        return EXIT_USAGE;
    enum exit_code code = follow(&follower, &remote);
    remote_close(&remote);
    return code;
}
