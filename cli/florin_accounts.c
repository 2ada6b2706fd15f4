/* florin_accounts.c - accounts: all of them, one as a whole, and changes of it.
 *
 * It must not know how requests travel.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "florin_exchange.h"
#include "florin_limits.h"
#include "http/json_text.h"
#include "json_slice.h"
#include "table.h"

enum { BODY_BYTES = 64 * 1024, PAGE_ACCOUNTS = 200 };

/* --- all ------------------------------------------------------------------------------------ */

static const struct table_column account_columns[] = {
    {"ID", false},       {"CURRENCY", false}, {"BALANCE", true}, {"HELD", true},
    {"AVAILABLE", true}, {"STATUS", false},   {"VERSION", true},
};

/* Prints a page; returns how many accounts it had. */
static uint64_t print_page(const struct florin_call *call, struct json_slice page,
                           struct table *table)
{
    static const char *const members[] = {"id",        "currency", "balance", "held",
                                          "available", "status",   "version"};
    struct json_slice rest = json_slice_member(page, "accounts");
    struct json_slice account;
    uint64_t count = 0;
    for (; json_slice_next(&rest, &account); count++) {
        if (call->json) {
            printf("%.*s\n", (int)account.length, account.bytes);
            continue;
        }
        char(*cells)[TABLE_CELL_BYTES] = table_row(table);
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
            json_slice_copy(account, members[i], cells[i], TABLE_CELL_BYTES);
    }
    return count;
}

static void page_path(const struct florin_call *call, const char *after, uint64_t left,
                      char path[PATH_BYTES])
{
    uint64_t limit = left < PAGE_ACCOUNTS ? left : PAGE_ACCOUNTS;
    snprintf(path, PATH_BYTES, "/accounts?limit=%" PRIu64 "%s%s%s%s", limit,
             call->prefix == NULL ? "" : "&prefix=", call->prefix == NULL ? "" : call->prefix,
             after[0] == '\0' ? "" : "&after=", after);
}

static enum exit_code read_pages(const struct florin_call *call, struct remote *remote,
                                 struct table *table)
{
    uint64_t left = call->limit == NULL ? UINT64_MAX : strtoull(call->limit, NULL, 10);
    char after[FLORIN_ACCOUNT_ID_MAX + 1] = "";
    while (left > 0) {
        struct remote_answer answer;
        struct json_slice page;
        char path[PATH_BYTES];
        page_path(call, after, left, path);
        if (!remote_get(remote, path, &answer))
            return exchange_unreachable(call, remote);
        if (answer.status != 200)
            return exchange_refused(call, &answer);
        if (!json_slice_whole(answer.body, answer.length, &page))
            return exchange_strange(call);
        left -= print_page(call, page, table);
        struct json_slice next = json_slice_member(page, "next");
        if (next.length == 0 || next.bytes[0] != '"')
            break;
        json_slice_copy(page, "next", after, sizeof(after));
    }
    return EXIT_OK;
}

enum exit_code florin_accounts(const struct florin_call *call)
{
    static struct table table;
    struct remote remote;
    if (!exchange_open(call, &remote))
        return EXIT_USAGE;
    table_begin(&table, account_columns, sizeof(account_columns) / sizeof(account_columns[0]));
    enum exit_code code = read_pages(call, &remote, &table);
    if (!call->json && (code == EXIT_OK || table.row_count > 0))
        table_end(&table);
    remote_close(&remote);
    return code;
}

/* --- one ------------------------------------------------------------------------------------ */

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
