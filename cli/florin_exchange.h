/* florin_exchange.h - what all commands do alike with the server: keys, tries, refusals.
 *
 * Thread: the main thread.
 */
#ifndef FLORIN_CLI_FLORIN_EXCHANGE_H
#define FLORIN_CLI_FLORIN_EXCHANGE_H

#include "florin_commands.h"
#include "http/json_text.h"
#include "remote.h"

enum {
    KEY_TEXT_BYTES = 48,
    PATH_BYTES = 512,
};

void exchange_make_key(char key[KEY_TEXT_BYTES]);

/* false: it has said that --server is wrong. */
bool exchange_open(const struct florin_call *call, struct remote *remote);

enum exit_code exchange_unreachable(const struct florin_call *call, const struct remote *remote);
/* The server's refusal, in its own words. */
enum exit_code exchange_refused(const struct florin_call *call, const struct remote_answer *answer);
enum exit_code exchange_strange(const struct florin_call *call);

/* Posts until it is known what became of it, a few times. */
bool exchange_post(struct remote *remote, const char *path, const char *key,
                   const struct json_text *body, struct remote_answer *answer);

/* How an answer with the wanted status is printed for people. */
typedef void exchange_print(const struct florin_call *call, const struct remote_answer *answer);

/* A whole command that changes something: opens, sends with a key (call->key, or one that is made;
 * printed when it is not known what became of it), prints. With call->dry_run nothing changes. */
enum exit_code exchange_write(const struct florin_call *call, const char *path,
                              const struct json_text *body, exchange_print *print);
/* A whole command that reads. */
enum exit_code exchange_read(const struct florin_call *call, const char *path,
                             exchange_print *print);

#endif
