/* faulty_fixture.h - a florind with one worker, whose disk works, hangs or fails as a test says. */
#ifndef FLORIN_TESTS_FAULTY_FIXTURE_H
#define FLORIN_TESTS_FAULTY_FIXTURE_H

#include "api_fixture.h"
#include "faulty_server.h"

struct faulty {
    struct api api;
    struct faulty_switch *control;
    int switch_descriptor;
    int wake_descriptor;
    struct http_client clients[4];
    struct http_response response;
};

/* A server in a directory of its own, ready, with the account "a" of 100.00 and a log at rest, so
 * that the next write is the test's own. */
struct faulty *faulty_start(const char *const *arguments);

/* Of a server that has ended: the next one on the same directory, listening; and ready. */
void faulty_spawn(struct faulty *faulty, const char *const *arguments);
void faulty_restart(struct faulty *faulty, const char *const *arguments);

/* The server has ended. */
void faulty_end(struct faulty *faulty);

void faulty_set_mode(struct faulty *faulty, enum faulty_mode mode);

/* Until a write hangs in the server. */
void faulty_wait_until_hanging(struct faulty *faulty);

#endif
