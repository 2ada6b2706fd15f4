/* history.c - growable buffers of operations, and how one is written as a line. */
#include "histories/history.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_AT_START = 64 };

/* Room for `count` elements of `size` bytes more than `used`. */
static void *grow(void *memory, size_t used, size_t count, size_t *room, size_t size)
{
    if (used + count <= *room)
        return memory;
    size_t wanted = *room == 0 ? ROOM_AT_START : *room * 2;
    while (wanted < used + count)
        wanted *= 2;
    void *grown = realloc(memory, wanted * size);
    if (grown == NULL)
        abort();
    *room = wanted;
    return grown;
}

void history_buffer_init(struct history_buffer *buffer, uint32_t client)
{
    *buffer = (struct history_buffer){.client = client};
}

void history_buffer_deinit(struct history_buffer *buffer)
{
    free(buffer->operations);
    free(buffer->legs);
    free(buffer->crashes_ns);
    *buffer = (struct history_buffer){0};
}

struct history_leg history_leg_of(uint64_t account, int64_t balance_delta, int64_t held_delta)
{
    return (struct history_leg){
        .account = account,
        .balance_delta = balance_delta,
        .held_delta = held_delta,
        .balance = HISTORY_UNKNOWN,
        .held = HISTORY_UNKNOWN,
    };
}

size_t history_invoke(struct history_buffer *buffer, enum history_kind kind, uint64_t key,
                      const struct history_leg *legs, size_t legs_count, uint64_t invoke_ns)
{
    buffer->operations = grow(buffer->operations, buffer->operations_count, 1,
                              &buffer->operations_room, sizeof(*buffer->operations));
    buffer->legs = grow(buffer->legs, buffer->legs_count, legs_count, &buffer->legs_room,
                        sizeof(*buffer->legs));
    if (legs_count > 0)
        memcpy(buffer->legs + buffer->legs_count, legs, legs_count * sizeof(*legs));
    buffer->operations[buffer->operations_count] = (struct history_operation){
        .kind = kind,
        .outcome = HISTORY_UNANSWERED,
        .key = key,
        .invoke_ns = invoke_ns,
        .return_ns = HISTORY_NEVER,
        .first_leg = buffer->legs_count,
        .legs_count = legs_count,
    };
    buffer->legs_count += legs_count;
    return buffer->operations_count++;
}

void history_return(struct history_buffer *buffer, size_t operation, enum history_outcome outcome,
                    uint64_t return_ns)
{
    buffer->operations[operation].outcome = outcome;
    buffer->operations[operation].return_ns = return_ns;
}

struct history_operation *history_operation(struct history_buffer *buffer, size_t operation)
{
    return &buffer->operations[operation];
}

struct history_leg *history_legs(struct history_buffer *buffer, size_t operation)
{
    return buffer->legs + buffer->operations[operation].first_leg;
}

size_t history_record(struct history_buffer *buffer, enum history_kind kind, uint64_t lsn,
                      uint64_t key, const struct history_leg *legs, size_t legs_count)
{
    size_t operation = history_invoke(buffer, kind, key, legs, legs_count, 0);
    buffer->operations[operation].lsn = lsn;
    buffer->operations[operation].outcome = HISTORY_APPLIED;
    buffer->operations[operation].is_record = true;
    return operation;
}

void history_crash(struct history_buffer *buffer, uint64_t dead_ns)
{
    buffer->crashes_ns = grow(buffer->crashes_ns, buffer->crashes_count, 1, &buffer->crashes_room,
                              sizeof(*buffer->crashes_ns));
    buffer->crashes_ns[buffer->crashes_count++] = dead_ns;
}

#define KIND_NAME(name, text) [HISTORY_##name] = (text),

const char *history_kind_name(enum history_kind kind)
{
    static const char *const NAMES[] = {HISTORY_KINDS(KIND_NAME)};
    return NAMES[kind];
}

bool history_kind_is_read(enum history_kind kind)
{
    return kind == HISTORY_READ || kind == HISTORY_PAST;
}

const char *history_outcome_name(enum history_outcome outcome)
{
    static const char *const NAMES[] = {
        [HISTORY_UNANSWERED] = "unanswered",     [HISTORY_APPLIED] = "applied",
        [HISTORY_INSUFFICIENT] = "insufficient", [HISTORY_MISMATCH] = "mismatch",
        [HISTORY_REFUSED] = "refused",
    };
    return NAMES[outcome];
}

/* A line that is filled from the left, and cut off where its room ends. */
struct line {
    char *text;
    size_t capacity;
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int written =
        vsnprintf(line->text + line->length, line->capacity - line->length, format, arguments);
    va_end(arguments);
    if (written > 0)
        line->length += (size_t)written;
    if (line->length >= line->capacity)
        line->length = line->capacity - 1;
}

static void put_leg(struct line *line, const struct history_leg *leg)
{
    put(line, " a%" PRIu64, leg->account);
    if (leg->balance_delta != 0)
        put(line, "%+" PRId64, leg->balance_delta);
    if (leg->held_delta != 0)
        put(line, "~%+" PRId64, leg->held_delta);
    if (leg->version != 0)
        put(line, "@%" PRIu64, leg->version);
    if (leg->balance != HISTORY_UNKNOWN)
        put(line, "=%" PRId64, leg->balance);
    if (leg->held != HISTORY_UNKNOWN)
        put(line, "~%" PRId64, leg->held);
    if (leg->expected_version != 0)
        put(line, "!%" PRIu64, leg->expected_version);
}

size_t history_operation_format(const struct history_buffer *buffer, size_t operation, char *text,
                                size_t capacity)
{
    const struct history_operation *it = &buffer->operations[operation];
    struct line line = {text, capacity, 0};
    if (it->is_record) {
        put(&line, "record");
    } else {
        put(&line, "c%" PRIu32 " %" PRIu64 "-", buffer->client, it->invoke_ns);
        if (it->return_ns == HISTORY_NEVER)
            put(&line, "?");
        else
            put(&line, "%" PRIu64, it->return_ns);
    }
    put(&line, " %s", history_kind_name(it->kind));
    if (it->outcome != HISTORY_APPLIED)
        put(&line, " %s", history_outcome_name(it->outcome));
    if (it->key != 0)
        put(&line, " key=%" PRIu64, it->key);
    if (it->lsn != 0)
        put(&line, " lsn=%" PRIu64, it->lsn);
    if (it->refers_to != 0)
        put(&line, " of=%" PRIu64, it->refers_to);
    if (it->minimum != 0)
        put(&line, " min=%" PRId64, it->minimum);
    for (size_t i = 0; i < it->legs_count; i++)
        put_leg(&line, &buffer->legs[it->first_leg + i]);
    return line.length;
}
