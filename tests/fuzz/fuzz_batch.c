/* fuzz_batch.c - any body of a batch has items that lie within it, in order and apart, or a fault;
 * any entry is a command that points into itself, or a fault.
 *
 * The same items are found however the scanner is interrupted, and all of a well-formed array's:
 * what they are together with brackets and commas is the body again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "http/batch_entry.h"
#include "http/batch_item.h"
#include "http/batch_scan.h"
#include "http/json_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct batch_span spans[FLORIN_BATCH_ITEMS_MAX];
static struct batch_span again[FLORIN_BATCH_ITEMS_MAX];

static enum batch_scan_state scan_all(struct batch_scan *scan, enum batch_scan_form form,
                                      const char *body, size_t size, size_t step,
                                      struct batch_span *found)
{
    struct request_fault fault;
    enum batch_scan_state state;
    batch_scan_begin(scan, form, body, size, found);
    while ((state = batch_scan_step(scan, step, &fault)) == BATCH_SCAN_MORE)
        assert(scan->at < size);
    if (state == BATCH_SCAN_REFUSED)
        assert(strnlen(fault.message, sizeof fault.message) > 0);
    return state;
}

/* Its strings lie in the item, and each part is one that the engine may see. */
static void check_command(const struct batch_item *item)
{
    const struct florin_command *command = &item->request.command;
    bool is_end = command->kind == FLORIN_CAPTURE || command->kind == FLORIN_VOID;
    bool has_legs = command->kind == FLORIN_POSTING;
    assert(is_end || has_legs || command->amount_minor > 0);
    assert(is_end == (command->target_id != 0));
    assert(command->dry_run && !command->as_admin);
    assert(command->key_length <= FLORIN_KEY_MAX);
    assert(command->key_length == 0 || command->key == item->key);
    assert(florin_account_id_is_valid(command->account, command->account_length));
    if (command->kind == FLORIN_TRANSFER || command->to_length > 0)
        assert(florin_account_id_is_valid(command->to, command->to_length));
    assert(has_legs == (command->leg_count > 0) && command->leg_count <= FLORIN_LEGS_MAX);
    for (size_t i = 0; i < command->leg_count; i++) {
        const struct florin_leg *leg = &command->legs[i];
        assert(leg->amount_minor > 0);
        assert(florin_account_id_is_valid(leg->account, leg->account_length));
    }
}

static void check_items(const char *body, const struct batch_scan *scan)
{
    size_t before = 0;
    for (uint32_t i = 0; i < scan->count; i++) {
        static const struct command_flags flags = {.dry_run = true};
        struct batch_item item;
        struct request_fault fault;
        assert(spans[i].length > 0 && spans[i].offset >= before);
        before = spans[i].offset + spans[i].length;
        assert(before <= scan->length);
        if (batch_item_parse(&item, body + spans[i].offset, spans[i].length, flags, &fault))
            check_command(&item);
    }
}

/* An array that cJSON reads has as many items as cJSON finds. */
static void check_count(const char *body, size_t size, const struct batch_scan *scan,
                        enum batch_scan_state state)
{
    struct json_fault fault;
    if (!json_check(body, size, &fault))
        return;
    cJSON *read = cJSON_ParseWithLength(body, size);
    assert(read != NULL);
    assert(cJSON_IsArray(read) == (state == BATCH_SCAN_DONE));
    if (state == BATCH_SCAN_DONE)
        assert((uint32_t)cJSON_GetArraySize(read) == scan->count);
    cJSON_Delete(read);
}

static void check_form(enum batch_scan_form form, const char *body, size_t size)
{
    struct batch_scan whole;
    struct batch_scan parts;
    enum batch_scan_state state = scan_all(&whole, form, body, size, size + 1, spans);
    assert(scan_all(&parts, form, body, size, 1 + size % 7, again) == state);
    if (form == BATCH_SCAN_ARRAY)
        check_count(body, size, &whole, state);
    if (state != BATCH_SCAN_DONE)
        return;
    assert(whole.count == parts.count);
    assert(memcmp(spans, again, whole.count * sizeof(spans[0])) == 0);
    check_items(body, &whole);
}

static void check_entry(const uint8_t *entry)
{
    struct request_fault fault;
    struct florin_command command;
    if (!batch_entry_check(entry, 0, &fault)) {
        assert(strnlen(fault.field, sizeof fault.field) > 0);
        return;
    }
    batch_entry_command(entry, &command);
    assert(command.amount_minor > 0);
    assert(florin_account_id_is_valid(command.account, command.account_length));
    assert((command.kind == FLORIN_TRANSFER) == (command.to_length > 0));
    assert(command.to_length == 0 || florin_account_id_is_valid(command.to, command.to_length));
    assert(command.key + command.key_length <= (const char *)entry + BATCH_ENTRY_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* on the heap without a terminator, so that reading past the end is seen */
    char *body = malloc(size + (size == 0));
    assert(body != NULL);
    if (size > 0)
        memcpy(body, data, size);
    check_form(BATCH_SCAN_ARRAY, body, size);
    check_form(BATCH_SCAN_LINES, body, size);
    for (size_t at = 0; at + BATCH_ENTRY_BYTES <= size; at += BATCH_ENTRY_BYTES)
        check_entry((const uint8_t *)body + at);
    free(body);
    return 0;
}
