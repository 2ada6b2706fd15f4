/* backup_stream.h - GET /admin/backup: a copy of the ledger as one chunked answer.
 *
 * Reading the directory blocks, so a thread of the backup's own does it, ahead of the client by two
 * buffers; the loop of the connection's worker only sends what is there:
 *
 *     backup thread                                    worker's loop
 *     backup_open()                 -- wake ->         200 and the headers, or a refusal
 *     backup_read() into buffer 0   -- wake ->         send; when the client has taken it:
 *     backup_read() into buffer 1   <- room --         the buffer is free again
 *     ...
 *     backup_close(), ended         -- wake ->         last chunk; or, after an error, none: the
 *                                                      connection breaks, so that the client knows
 *
 * One backup at a time in a server. A client that leaves, that takes less than a buffer within the
 * request timeout, or a server that stops, ends the thread at its next step.
 *
 * Private to http/. Thread: the worker's.
 */
#ifndef FLORIN_HTTP_BACKUP_STREAM_H
#define FLORIN_HTTP_BACKUP_STREAM_H

#include "answer.h"
#include "h2o_embed.h"

struct http_worker;

/* Begins to answer the request with a backup; 0, or -EBUSY: another one is running, or -errno. */
__attribute__((warn_unused_result)) int backup_stream_start(struct http_worker *worker,
                                                            h2o_req_t *request,
                                                            const struct answer_style *style);

/* Sends what there is to send, ends what has ended: when the loop was woken, from inside of its
 * callback. */
void backup_stream_proceed(struct http_worker *worker);

/* Breaks a backup that its client does not take. Each turn of the loop. */
void backup_stream_check(struct http_worker *worker);

/* The server stops: breaks the connection, tells the thread. It has ended when worker->backup is
 * NULL. */
void backup_stream_stop(struct http_worker *worker);

#endif
