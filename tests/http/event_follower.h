/* event_follower.h - one client of GET /events, and what gives it something to see. */
#ifndef FLORIN_TESTS_EVENT_FOLLOWER_H
#define FLORIN_TESTS_EVENT_FOLLOWER_H

#include <stddef.h>
#include <stdint.h>

#include "api_fixture.h"

/* What one client has got of one answer. */
struct follower {
    struct http_client client;
    struct http_response response; /* its head; with an error its body */
    char *text;
    size_t length;
};

/* Monotonic. */
uint64_t event_now_ms(void);

/* For http_client_receive_chunk(): appends to the text. */
void follower_keep(void *context, const char *bytes, size_t length);

/* Sends GET /events with this query (with its "?", or ""). */
struct follower *follower_start(const struct api *api, const char *query, const char *headers);
void follower_leave(struct follower *follower);

/* A 200 of this type. */
void follower_expect_head(struct follower *follower, const char *type);

/* How often `part` stands in the text. */
unsigned follower_count(const char *text, const char *part);

/* Reads until it has so many events. */
void follower_read_events(struct follower *follower, unsigned count);

/* Reads to the proper end. */
void follower_read_to_end(struct follower *follower);

/* A whole page; its text is the caller's. NULL: its events are gone. */
char *event_page_or_gone(const struct api *api, const char *query, const char *headers);

/* The same; its events are there. */
char *event_page(const struct api *api, const char *query, const char *headers);
void event_assert_page(const struct api *api, const char *query, const char *expected);

/* 1.00, without a key. */
void event_deposit(const struct api *api, const char *account);

/* Accounts with metadata of a kilobyte, named by the prefix and a number. */
void event_open_large_accounts(const struct api *api, const char *prefix, unsigned count);

/* A figure of /metrics. */
uint64_t event_metric(const struct api *api, const char *name);
void event_wait_for_metric(const struct api *api, const char *name, uint64_t value);

/* And waits for its end. */
void event_make_checkpoint(const struct api *api);

/* Setup and teardown of a test: a directory, no server yet. */
int event_make(void **state);
int event_clean(void **state);

#endif
