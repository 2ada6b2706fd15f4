/* florin_movements.c - transfers, postings, holds and their ends.
 *
 * It must not know how requests travel.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "florin_exchange.h"
#include "florin_words.h"
#include "json_slice.h"

enum { BODY_BYTES = 32 * 1024 };

/* An exchange_print:
 *     txn7: Transfer 12.50 alice to bob, new balance 37.50
 */
static void print_movement(const struct florin_call *call, const struct remote_answer *answer)
{
    static const struct {
        const char *member;
        const char *before;
    } parts[] = {
        {"type", ""},
        {"amount", " "},
        {"reverses", " of "},
        {"from", " from "},
        {"account", " on "},
        {"to", " to "},
        {"newBalance", ", new balance "},
        {"newAvailable", ", available "},
        {"expiresAt", ", until "},
    };
    struct json_slice object;
    (void)call;
    if (!json_slice_whole(answer->body, answer->length, &object))
        return;
    struct json_slice id = json_slice_text(json_slice_member(object, "id"));
    if (id.length > 0)
        printf("%.*s: ", (int)id.length, id.bytes);
    else
        printf("dry run: ");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct json_slice value = json_slice_text(json_slice_member(object, parts[i].member));
        if (value.length > 0)
            printf("%s%.*s", parts[i].before, (int)value.length, value.bytes);
    }
    printf("\n");
}

static void member_number(struct json_text *body, const char *name, const char *number)
{
    if (number == NULL)
        return;
    json_text_member(body, name);
    json_text_raw(body, number, strlen(number));
}

static void member_text(struct json_text *body, const char *name, const char *text)
{
    if (text != NULL)
        json_text_member_string(body, name, text);
}

enum exit_code florin_transfer(const struct florin_call *call)
{
    char bytes[BODY_BYTES];
    struct json_text body;
    json_text_init(&body, bytes, sizeof(bytes));
    json_text_raw(&body, "{", 1);
    member_text(&body, "from", call->account);
    member_text(&body, "to", call->to);
    member_text(&body, "amount", call->amount);
    member_number(&body, "expectedFromVersion", call->expected_version);
    json_text_raw(&body, "}", 1);
    return exchange_write(call, "/transfers", &body, print_movement);
}

enum exit_code florin_posting(const struct florin_call *call)
{
    char bytes[BODY_BYTES];
    struct json_text body;
    json_text_init(&body, bytes, sizeof(bytes));
    json_text_raw(&body, "{", 1);
    json_text_member(&body, "legs");
    json_text_raw(&body, "[", 1);
    for (int i = 0; i < call->word_count; i++) {
        struct florin_leg_words leg;
        bool is_leg = florin_leg_read(call->words[i], &leg);
        assert(is_leg);
        json_text_raw(&body, i == 0 ? "{" : ",{", i == 0 ? 1 : 2);
        member_text(&body, "account", leg.account);
        member_text(&body, "type", leg.type);
        member_text(&body, "amount", leg.amount);
        json_text_raw(&body, "}", 1);
    }
    json_text_raw(&body, "]}", 2);
    return exchange_write(call, "/postings", &body, print_movement);
}

enum exit_code florin_hold(const struct florin_call *call)
{
    char path[PATH_BYTES];
    char bytes[BODY_BYTES];
    struct json_text body;
    snprintf(path, sizeof(path), "/accounts/%s/holds", call->account);
    json_text_init(&body, bytes, sizeof(bytes));
    json_text_raw(&body, "{", 1);
    member_text(&body, "amount", call->amount);
    member_number(&body, "expiresIn", call->expires_in);
    member_number(&body, "expectedVersion", call->expected_version);
    json_text_raw(&body, "}", 1);
    return exchange_write(call, path, &body, print_movement);
}

enum exit_code florin_capture(const struct florin_call *call)
{
    char path[PATH_BYTES];
    char bytes[BODY_BYTES];
    struct json_text body;
    snprintf(path, sizeof(path), "/holds/%s/capture", call->words[0]);
    json_text_init(&body, bytes, sizeof(bytes));
    json_text_raw(&body, "{", 1);
    member_text(&body, "amount", call->amount);
    member_text(&body, "to", call->to);
    json_text_raw(&body, "}", 1);
    return exchange_write(call, path, &body, print_movement);
}

enum exit_code florin_void(const struct florin_call *call)
{
    char path[PATH_BYTES];
    char bytes[] = "{}";
    struct json_text body;
    snprintf(path, sizeof(path), "/holds/%s/void", call->words[0]);
    json_text_init(&body, bytes, sizeof(bytes));
    json_text_raw(&body, "{}", 2);
    return exchange_write(call, path, &body, print_movement);
}

enum exit_code florin_reverse(const struct florin_call *call)
{
    char path[PATH_BYTES];
    char bytes[BODY_BYTES];
    struct json_text body;
    snprintf(path, sizeof(path), "/transactions/%s/reversal", call->words[0]);
    json_text_init(&body, bytes, sizeof(bytes));
    json_text_raw(&body, "{", 1);
    member_text(&body, "amount", call->amount);
    json_text_raw(&body, "}", 1);
    return exchange_write(call, path, &body, print_movement);
}
