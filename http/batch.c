/* batch.c - a batch from its body to its answer, a slice at a time.
 *
 *     reading      finds the items of JSON, or checks the entries of the binary form
 *     submitting   item by item to the engine; results come meanwhile
 *     collecting   all are submitted
 *
 * The body is copied: libh2o may move or free a request's memory while a batch goes on. Results of
 * the binary form are written to their place in the answer as they come; those of JSON are kept and
 * written in order as soon as all before them are there. A malformed item keeps nothing: it is
 * parsed again, to the same fault, when its turn comes.
 *
 * Guarantees: nothing is submitted of a body that is refused; one result an item; no pointer to a
 * request outlives the request. It must not know how the engine works.
 */
#include "batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "batch_entry.h"
#include "batch_internal.h"
#include "batch_item.h"
#include "batch_scan.h"
#include "http_worker.h"
#include "respond.h"

enum {
    /* Of one turn of the loop, for each of its two calls: together well within a millisecond. */
    BATCH_SLICE_NS = 300000,
    /* Between two looks at the clock: some 10 us of work each. */
    SCAN_BYTES = 16 * 1024,
    CHECK_ENTRIES = 128,
    WINDOW = 16,
    WRITE_RESULTS = 8,
    /* ... of usual items. One made to be costly takes 0.1 ms (4096 bytes of small values): after so
     * many bytes of items the clock is looked at, however few they are. */
    PARSE_BYTES = 4096,
    /* How soon to try again when a queue was full: results usually wake the loop before. */
    STUCK_WAIT_MS = 1,
    /* What an answer's memory begins with, an item: most results are shorter. */
    RESULT_BYTES_USUAL = 192,
};

/* Set in the tokens of items; parked requests are numbered below. */
#define TOKEN_OF_BATCH (UINT64_C(1) << 31)
static_assert(FLORIN_BATCHES_MAX * FLORIN_BATCH_ITEMS_MAX <= 1 << 30, "an item's number fits");

/* Some items on their way to the engine. */
struct window {
    uint32_t end; /* behind the last item that was looked at */
    uint32_t count;
    uint32_t numbers[WINDOW];
    struct florin_command commands[WINDOW];
    struct batch_item items[WINDOW]; /* JSON: what the commands point into */
};

static uint64_t now_ns(void)
{
    struct timespec now;
    int error = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(error == 0);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- life cycle --------------------------------------------------------------------------- */

static void dispose_guard(void *memory)
{
    struct batch_guard *guard = memory;
    free(guard->answer);
    if (guard->batch == NULL)
        return;
    guard->batch->request = NULL;
    guard->batch->guard = NULL;
}

static void destroy(struct batch *batch)
{
    free(batch->body);
    free(batch->spans);
    free(batch->outcomes);
    free(batch->atomic);
    free(batch->answer);
    free(batch);
}

static void release(struct http_worker *worker, struct batch *batch)
{
    struct batches *batches = &worker->batches;
    assert(batch->outstanding == 0 && batch->request == NULL);
    batches->slots[batch->slot] = NULL;
    batches->generations[batch->slot]++;
    batches->count--;
    destroy(batch);
}

/* The request, which is answered now. */
static h2o_req_t *detach(struct batch *batch)
{
    h2o_req_t *request = batch->request;
    batch->guard->batch = NULL;
    batch->guard = NULL;
    batch->request = NULL;
    return request;
}

static struct batch *create(h2o_iovec_t body, enum request_content content, bool is_atomic)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return NULL;
    batch->content = content;
    batch->body = malloc(body.len + 1);
    batch->body_length = body.len;
    if (content != REQUEST_CONTENT_BATCH)
        batch->spans = malloc(FLORIN_BATCH_ITEMS_MAX * sizeof(*batch->spans));
    if (is_atomic)
        batch->atomic = calloc(1, sizeof(*batch->atomic));
    if (batch->body == NULL || (batch->spans == NULL && content != REQUEST_CONTENT_BATCH) ||
        (batch->atomic == NULL && is_atomic)) {
        destroy(batch);
        return NULL;
    }
    if (body.len > 0)
        memcpy(batch->body, body.base, body.len);
    return batch;
}

bool batch_start(struct http_worker *worker, h2o_req_t *request, const struct answer_style *style,
                 struct command_flags flags, const struct request_headers *headers)
{
    enum request_content content = headers->content;
    struct batches *batches = &worker->batches;
    if (batches->count == FLORIN_BATCHES_MAX)
        return false;
    struct batch *batch = create(request->entity, content, flags.atomic);
    if (batch == NULL)
        return false;
    while (batches->slots[batch->slot] != NULL)
        batch->slot++;
    batch->style = *style;
    batch->flags = flags;
    if (flags.atomic) {
        batch->atomic->flags = flags;
        batch->atomic->key_length = headers->key_length;
        memcpy(batch->atomic->key, headers->key, headers->key_length);
    }
    batch->request = request;
    batch->guard = h2o_mem_alloc_shared(&request->pool, sizeof(*batch->guard), dispose_guard);
    *batch->guard = (struct batch_guard){.batch = batch};
    batch_scan_begin(&batch->scan,
                     content == REQUEST_CONTENT_NDJSON ? BATCH_SCAN_LINES : BATCH_SCAN_ARRAY,
                     (const char *)batch->body, batch->body_length, batch->spans);
    batches->slots[batch->slot] = batch;
    batches->count++;
    return true;
}

uint64_t batch_token(const struct batches *batches, const struct batch *batch, uint32_t item)
{
    return (uint64_t)batches->generations[batch->slot] << 32 | TOKEN_OF_BATCH |
           (batch->slot * FLORIN_BATCH_ITEMS_MAX + item);
}

bool batch_owns_token(uint64_t token)
{
    return (token & TOKEN_OF_BATCH) != 0;
}

/* --- reading ------------------------------------------------------------------------------ */

void batch_refuse(struct http_worker *worker, struct batch *batch, const struct answer *answer)
{
    metrics_count_answer(&worker->metrics, ROUTE_BATCH, answer->status, answer->code);
    h2o_req_t *request = detach(batch);
    release(worker, batch);
    respond(request, answer);
}

static void refuse(struct http_worker *worker, struct batch *batch,
                   const struct request_fault *fault)
{
    struct answer answer;
    answer_fault(&answer, fault, &batch->style);
    batch_refuse(worker, batch, &answer);
}

static bool check_size(const struct batch *batch, struct request_fault *fault)
{
    if (batch->body_length == 0)
        return request_fault_set(fault, "body", "The body is empty; a batch is needed");
    if (!batch_is_binary(batch))
        return true;
    if (batch->body_length % BATCH_ENTRY_BYTES != 0)
        return request_fault_set(fault, "body", "The body must have a multiple of %d bytes",
                                 BATCH_ENTRY_BYTES);
    if (batch->body_length / BATCH_ENTRY_BYTES > FLORIN_BATCH_ITEMS_MAX)
        return request_fault_set(fault, "body", "A batch has more than %d items",
                                 FLORIN_BATCH_ITEMS_MAX);
    return true;
}

/* Checks some entries; all of them before any is submitted. */
static enum batch_scan_state check_entries(struct batch *batch, struct request_fault *fault)
{
    batch->count = (uint32_t)(batch->body_length / BATCH_ENTRY_BYTES);
    for (unsigned i = 0; i < CHECK_ENTRIES && batch->checked < batch->count; i++) {
        const uint8_t *entry = batch->body + (size_t)batch->checked * BATCH_ENTRY_BYTES;
        if (!batch_entry_check(entry, batch->checked, fault))
            return BATCH_SCAN_REFUSED;
        batch->checked++;
    }
    return batch->checked < batch->count ? BATCH_SCAN_MORE : BATCH_SCAN_DONE;
}

/* Memory for all results; libh2o ends the process when there is none, as it does for a request. */
static void prepare(struct batch *batch)
{
    if (batch_is_binary(batch)) {
        batch->answer_capacity = (size_t)batch->count * BATCH_RESULT_BYTES;
        batch->answer_length = batch->answer_capacity;
    } else {
        batch->count = batch->scan.count;
        batch->outcomes = h2o_mem_alloc((batch->count + 1) * sizeof(*batch->outcomes));
        for (uint32_t i = 0; i < batch->count; i++)
            batch->outcomes[i].is_known = false;
        batch->answer_capacity = (size_t)batch->count * RESULT_BYTES_USUAL + BATCH_ITEM_RESULT_MAX;
        if (batch->atomic != NULL)
            batch->answer_capacity = BATCH_WHOLE_TEXT_MAX;
    }
    batch->answer = h2o_mem_alloc(batch->answer_capacity);
    batch->phase = BATCH_SUBMITTING;
}

static bool is_empty(const struct batch *batch)
{
    return !batch_is_binary(batch) && batch->scan.count == 0;
}

static void read_some(struct http_worker *worker, struct batch *batch)
{
    struct request_fault fault;
    enum batch_scan_state state = BATCH_SCAN_REFUSED;
    if (batch->request == NULL) {
        metrics_count(&worker->metrics.clients_lost);
        release(worker, batch);
        return;
    }
    if (check_size(batch, &fault))
        state = batch_is_binary(batch) ? check_entries(batch, &fault)
                                       : batch_scan_step(&batch->scan, SCAN_BYTES, &fault);
    if (state == BATCH_SCAN_REFUSED && batch->atomic != NULL && batch->checked < batch->count)
        batch_whole_refuse(worker, batch, batch->checked, &fault);
    else if (state == BATCH_SCAN_REFUSED)
        refuse(worker, batch, &fault);
    else if (state == BATCH_SCAN_DONE && batch->atomic != NULL && is_empty(batch)) {
        (void)request_fault_set(&fault, "body", "An atomic batch has at least one item");
        refuse(worker, batch, &fault);
    } else if (state == BATCH_SCAN_DONE)
        prepare(batch);
}

/* --- submitting --------------------------------------------------------------------------- */

/* What became of an item: for JSON it is written later. */
static void record(struct http_worker *worker, struct batch *batch, uint32_t item,
                   const struct florin_result *result)
{
    if (!batch->flags.dry_run)
        metrics_count_result(&worker->metrics, result);
    if (batch->atomic != NULL) {
        batch->atomic->result = *result;
        return;
    }
    if (!batch_is_binary(batch)) {
        batch->outcomes[item].result = *result;
        batch->outcomes[item].is_known = true;
        batch->outcomes[item].is_malformed = false;
        return;
    }
    metrics_count_item(&worker->metrics, error_code_of_status(result->status));
    batch_entry_put_result((uint8_t *)batch->answer + (size_t)item * BATCH_RESULT_BYTES, item,
                           result);
}

/* The command of an item; false: it is malformed. */
static bool read_item(const struct batch *batch, uint32_t number, struct batch_item *item,
                      struct florin_command *command)
{
    struct request_fault fault;
    if (batch_is_binary(batch)) {
        batch_entry_command(batch->body + (size_t)number * BATCH_ENTRY_BYTES, command);
        command->dry_run = batch->flags.dry_run;
        command->as_admin = batch->flags.as_admin;
        return true;
    }
    const struct batch_span *span = &batch->spans[number];
    if (!batch_item_parse(item, (const char *)batch->body + span->offset, span->length,
                          batch->flags, &fault))
        return false;
    batch_item_keep(item, &batch->outcomes[number]);
    *command = item->request.command;
    return true;
}

/* The bytes of an item that have to be parsed. */
static size_t item_bytes(const struct batch *batch, uint32_t number)
{
    return batch_is_binary(batch) ? 0 : batch->spans[number].length;
}

/* Looks at the next items, WINDOW at most. */
static void fill_window(const struct batches *batches, const struct batch *batch,
                        struct window *window)
{
    size_t bytes = 0;
    window->count = 0;
    window->end = batch->next;
    for (unsigned i = 0; i < WINDOW && bytes < PARSE_BYTES && window->end < batch->count;
         i++, window->end++) {
        struct florin_command *command = &window->commands[window->count];
        bytes += item_bytes(batch, window->end);
        if (!read_item(batch, window->end, &window->items[window->count], command))
            continue;
        command->user_data = batch_token(batches, batch, window->end);
        window->numbers[window->count++] = window->end;
    }
}

/* What the engine would not take and will not: not applied. */
static void record_refused(struct http_worker *worker, struct batch *batch,
                           const struct window *window, size_t first)
{
    for (size_t i = first; i < window->count; i++) {
        const struct florin_command *command = &window->commands[i];
        struct florin_result result = {
            .status = FLORIN_NOT_COMMITTED,
            .kind = command->kind,
            .version =
                worker_durable_version(worker->engine, command->account, command->account_length),
        };
        record(worker, batch, window->numbers[i], &result);
    }
}

/* Items before `end` that are not among the window's commands are malformed. */
static void pass_items(struct batch *batch, const struct window *window, uint32_t end)
{
    uint32_t command = 0;
    for (; batch->next < end; batch->next++) {
        if (command < window->count && window->numbers[command] == batch->next) {
            command++;
            continue;
        }
        batch->outcomes[batch->next].is_malformed = true;
        batch->outcomes[batch->next].is_known = true;
    }
}

/* Whether a batch has waited for room for so long that its commands' own deadline would be over. */
bool batch_has_waited_enough(const struct http_worker *worker, struct batch *batch)
{
    uint64_t now = now_ns();
    if (batch->stuck_ns == 0)
        batch->stuck_ns = now;
    return now - batch->stuck_ns >= (uint64_t)worker->server->options.commit_timeout_ms * 1000000;
}

static void submit_some(struct http_worker *worker, struct batch *batch)
{
    struct window window;
    enum florin_status status;
    if (batch->request == NULL)
        batch->count = batch->next; /* nobody waits for the others */
    fill_window(&worker->batches, batch, &window);
    size_t taken = worker_submit_many(worker->engine, window.commands, window.count, &status);
    batch->outstanding += (uint32_t)taken;
    uint32_t end = taken == window.count ? window.end : window.numbers[taken];
    if (end > batch->next)
        batch->stuck_ns = 0;
    if (status == FLORIN_QUEUE_FULL && !batch_has_waited_enough(worker, batch)) {
        batch->is_stuck = true;
    } else if (status != FLORIN_APPLIED) {
        record_refused(worker, batch, &window, taken);
        end = window.end;
    }
    pass_items(batch, &window, end);
    if (batch->next == batch->count)
        batch->phase = BATCH_COLLECTING;
}

/* Whether batches_submit() has something to do for it now. */
static bool has_input(const struct batch *batch)
{
    return batch->phase == BATCH_READING || (batch->phase == BATCH_SUBMITTING && !batch->is_stuck);
}

void batches_submit(struct http_worker *worker)
{
    struct batches *batches = &worker->batches;
    unsigned first = batches->turn;
    if (batches->count == 0)
        return;
    uint64_t end_ns = now_ns() + BATCH_SLICE_NS;
    for (unsigned i = 0; i < FLORIN_BATCHES_MAX; i++) {
        unsigned slot = (first + i) % FLORIN_BATCHES_MAX;
        if (batches->slots[slot] != NULL)
            batches->slots[slot]->is_stuck = false;
        while (batches->slots[slot] != NULL && has_input(batches->slots[slot])) {
            /* the next one begins when this one has used up the slice */
            if (now_ns() >= end_ns) {
                batches->turn = (slot + 1) % FLORIN_BATCHES_MAX;
                return;
            }
            if (batches->slots[slot]->phase == BATCH_READING)
                read_some(worker, batches->slots[slot]);
            else if (batches->slots[slot]->atomic != NULL)
                batch_whole_submit(worker, batches->slots[slot]);
            else
                submit_some(worker, batches->slots[slot]);
        }
    }
}

void batches_take(struct http_worker *worker, const struct florin_result *result)
{
    struct batches *batches = &worker->batches;
    uint32_t number = (uint32_t)(result->user_data & (TOKEN_OF_BATCH - 1));
    unsigned slot = number / FLORIN_BATCH_ITEMS_MAX;
    assert(slot < FLORIN_BATCHES_MAX);
    /* Exactly one result comes for every command: an old token is a fault of the engine. */
    assert(batches->generations[slot] == (uint32_t)(result->user_data >> 32));
    struct batch *batch = batches->slots[slot];
    assert(batch != NULL && batch->outstanding > 0);
    batch->outstanding--;
    record(worker, batch, number % FLORIN_BATCH_ITEMS_MAX, result);
}

/* --- answering ---------------------------------------------------------------------------- */

/* Whether the next result can be written. */
static bool can_write(const struct batch *batch)
{
    return batch->phase != BATCH_READING && !batch_is_binary(batch) && batch->atomic == NULL &&
           batch->request != NULL && batch->written < batch->next &&
           batch->outcomes[batch->written].is_known;
}

/* Whether nothing more comes. */
static bool is_complete(const struct batch *batch)
{
    return batch->phase == BATCH_COLLECTING && batch->outstanding == 0 && !can_write(batch);
}

static void append(struct batch *batch, const char *bytes, size_t length)
{
    assert(batch->answer_capacity - batch->answer_length >= length);
    memcpy(batch->answer + batch->answer_length, bytes, length);
    batch->answer_length += length;
}

static void write_some(struct http_worker *worker, struct batch *batch)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < WRITE_RESULTS && bytes < PARSE_BYTES && can_write(batch); i++) {
        const struct batch_span *span = &batch->spans[batch->written];
        struct json_text text;
        /* a bracket or comma before, a bracket or line end behind it */
        if (batch->answer_capacity - batch->answer_length < BATCH_ITEM_RESULT_MAX + 2) {
            batch->answer_capacity = 2 * batch->answer_capacity + BATCH_ITEM_RESULT_MAX;
            batch->answer = h2o_mem_realloc(batch->answer, batch->answer_capacity);
        }
        if (batch->content == REQUEST_CONTENT_JSON)
            append(batch, batch->written == 0 ? "[" : ",", 1);
        json_text_init(&text, batch->answer + batch->answer_length, BATCH_ITEM_RESULT_MAX);
        enum error_code code =
            batch_item_write(&text, &batch->outcomes[batch->written],
                             (const char *)batch->body + span->offset, span->length, &batch->style);
        batch->answer_length += text.length;
        if (batch->content == REQUEST_CONTENT_NDJSON)
            append(batch, "\n", 1);
        metrics_count_item(&worker->metrics, code);
        bytes += item_bytes(batch, batch->written);
        batch->written++;
    }
}

static const char *content_type(const struct batch *batch)
{
    return batch_is_binary(batch)                     ? "application/vnd.florin.batch"
           : batch->content == REQUEST_CONTENT_NDJSON ? "application/x-ndjson"
                                                      : "application/json";
}

/* The answer is whole. */
void batch_send(struct http_worker *worker, struct batch *batch, const struct answer *head,
                const char *type)
{
    const char *bytes = batch->answer;
    size_t length = batch->answer_length;
    batch->guard->answer = batch->answer;
    batch->answer = NULL;
    h2o_req_t *request = detach(batch);
    release(worker, batch);
    metrics_count_answer(&worker->metrics, ROUTE_BATCH, head->status, ERROR_NONE);
    respond_kept(request, head, type, bytes, length);
}

void batch_send_results(struct http_worker *worker, struct batch *batch)
{
    struct answer head;
    answer_init(&head, 200);
    head.money_as_string = batch->style.money_as_string && !batch_is_binary(batch);
    if (batch->content == REQUEST_CONTENT_JSON)
        append(batch, batch->count == 0 ? "[]" : "]", batch->count == 0 ? 2 : 1);
    batch_send(worker, batch, &head, content_type(batch));
}

static void end(struct http_worker *worker, struct batch *batch)
{
    if (batch->request != NULL) {
        if (batch->atomic != NULL)
            batch_whole_send(worker, batch);
        else
            batch_send_results(worker, batch);
        return;
    }
    metrics_count(&worker->metrics.clients_lost);
    release(worker, batch);
}

size_t batches_answer(struct http_worker *worker)
{
    struct batches *batches = &worker->batches;
    size_t answered = 0;
    if (batches->count == 0)
        return 0;
    uint64_t end_ns = now_ns() + BATCH_SLICE_NS;
    for (unsigned i = 0; i < FLORIN_BATCHES_MAX; i++) {
        struct batch *batch = batches->slots[(batches->turn + i) % FLORIN_BATCHES_MAX];
        if (batch == NULL)
            continue;
        while (can_write(batch) && now_ns() < end_ns)
            write_some(worker, batch);
        if (is_complete(batch)) {
            end(worker, batch);
            answered++;
        }
    }
    return answered;
}

int batches_wait_ms(const struct http_worker *worker)
{
    const struct batches *batches = &worker->batches;
    int wait = -1;
    for (unsigned slot = 0; slot < FLORIN_BATCHES_MAX && batches->count > 0; slot++) {
        const struct batch *batch = batches->slots[slot];
        if (batch == NULL)
            continue;
        if (has_input(batch) || can_write(batch) || is_complete(batch))
            return 0;
        if (batch->is_stuck)
            wait = STUCK_WAIT_MS;
    }
    return wait;
}
