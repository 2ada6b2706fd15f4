/* client.h - what the files of the embedded engine know of a client. Private to engine/runtime.
 *
 * Thread: any.
 */
#ifndef FLORIN_RUNTIME_CLIENT_H
#define FLORIN_RUNTIME_CLIENT_H

struct florin;
struct florin_client;

/* The ledger that it was opened on. */
struct florin *client_ledger(const struct florin_client *client);

#endif
