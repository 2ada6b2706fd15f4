/* message.h - commands and results as messages between threads of one process.
 *
 * In memory only, so the layout is the machine's own.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_RUNTIME_MESSAGE_H
#define FLORIN_RUNTIME_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "florin.h"

enum {
    MESSAGE_HEAD_BYTES = 64,
    MESSAGE_EXTENSION_BYTES = 32,
    MESSAGE_LEG_BYTES = 40,
    /* A command whose strings are too long, or that has too many legs, travels cut to one more than
     * allowed, so that the shard refuses it: no message is longer than this. */
    MESSAGE_COMMAND_BYTES_MAX =
        MESSAGE_HEAD_BYTES + MESSAGE_EXTENSION_BYTES + 2 * (FLORIN_ACCOUNT_ID_MAX + 1) +
        (FLORIN_KEY_MAX + 1) + (FLORIN_CURRENCY_MAX + 1) + (FLORIN_METADATA_MAX + 1) +
        (FLORIN_LEGS_MAX + 1) * (MESSAGE_LEG_BYTES + FLORIN_ACCOUNT_ID_MAX + 1),
    MESSAGE_RESULT_BYTES_MAX = sizeof(struct florin_result) + FLORIN_METADATA_MAX,
};

/* Length of the message that message_put_command() writes. */
size_t message_command_bytes(const struct florin_command *command);

/* `bytes` is message_command_bytes() long and aligned to 8. */
void message_put_command(void *bytes, const struct florin_command *command, uint64_t account_hash,
                         uint64_t submitted_ns);

/* A command read back; its strings point into the message, its legs into `legs`. */
struct message_command {
    struct florin_command command;
    uint64_t account_hash;
    uint64_t submitted_ns; /* monotonic */
    struct florin_leg legs[FLORIN_LEGS_MAX + 1];
};
void message_get_command(const void *bytes, struct message_command *message);

/* The most that the result of a command of this kind takes in a message. */
size_t message_result_bytes_max(enum florin_command_kind kind);

size_t message_result_bytes(const struct florin_result *result);
void message_put_result(void *bytes, const struct florin_result *result);
/* result->metadata points into the message. */
void message_get_result(const void *bytes, struct florin_result *result);

#endif
