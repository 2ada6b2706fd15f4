/* florin_accounts.c - an account as a whole, and changes of it.
 *
 * It must not know how requests travel.
 */
#include <stdio.h>
#include <string.h>

#include "florin_exchange.h"
#include "http/json_text.h"
#include "json_slice.h"

enum { BODY_BYTES = 64 * 1024 };

/* An exchange_print: a line each member, in the server's order of meaning. */
static void print_account(const struct florin_call *call, const struct remote_answer *answer)
{
    static const char *const members[] = {"id",        "currency",       "balance", "held",
                                          "available", "minimumBalance", "status",  "version",
                                          "createdAt", "metadata"};
    struct json_slice object;
    (void)call;
    if (!json_slice_whole(answer->body, answer->length, &object))
        return;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        struct json_slice value = json_slice_text(json_slice_member(object, members[i]));
        if (value.length > 0)
            printf("%-14s  %.*s\n", members[i], (int)value.length, value.bytes);
    }
}

enum exit_code florin_account(const struct florin_call *call)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "/accounts/%s", call->account);
    return exchange_read(call, path, print_account);
}

static void write_change(const struct florin_call *call, struct json_text *body)
{
    json_text_raw(body, "{", 1);
    if (call->status != NULL)
        json_text_member_string(body, "status", call->status);
    if (call->minimum_balance != NULL)
        json_text_member_string(body, "minimumBalance", call->minimum_balance);
    if (call->metadata != NULL) {
        json_text_member(body, "metadata");
        json_text_raw(body, call->metadata, strlen(call->metadata));
    }
    if (call->expected_version != NULL) {
        json_text_member(body, "expectedVersion");
        json_text_raw(body, call->expected_version, strlen(call->expected_version));
    }
    json_text_raw(body, "}", 1);
}

/* Without a key: made twice a change is the same, and the server takes none. */
enum exit_code florin_change(const struct florin_call *call)
{
    static char bytes[BODY_BYTES];
    struct remote remote;
    struct remote_answer answer;
    struct json_text body;
    char path[PATH_BYTES];
    enum exit_code code = EXIT_OK;
    if (call->status == NULL && call->minimum_balance == NULL && call->metadata == NULL) {
        fprintf(stderr, "florin: nothing to change; see florin change --help\n");
        return EXIT_USAGE;
    }
    json_text_init(&body, bytes, sizeof(bytes));
    write_change(call, &body);
    if (body.truncated) {
        fprintf(stderr, "florin: the request is too long\n");
        return EXIT_USAGE;
    }
    if (!exchange_open(call, &remote))
        return EXIT_USAGE;
    snprintf(path, sizeof(path), "/accounts/%s%s", call->account,
             call->dry_run ? "?dryRun=true" : "");
    if (!remote_patch(&remote, path, body.bytes, body.length, &answer))
        code = exchange_unreachable(call, &remote);
    else if (answer.status != 200)
        code = exchange_refused(call, &answer);
    else if (call->json)
        printf("%s\n", answer.body);
    else
        print_account(call, &answer);
    remote_close(&remote);
    return code;
}
