/* florin_history.c - what was: pages of transactions, one transaction, a balance of then.
 *
 * It must not know how requests travel.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "florin_exchange.h"
#include "json_slice.h"
#include "table.h"

enum { PAGE_TRANSACTIONS = 100, CURSOR_BYTES = 32 };

/* An exchange_print. */
static void print_balance(const struct florin_call *call, const struct remote_answer *answer)
{
    struct json_slice object;
    char balance[TABLE_CELL_BYTES];
    char version[TABLE_CELL_BYTES];
    char time[TABLE_CELL_BYTES];
    if (!json_slice_whole(answer->body, answer->length, &object))
        return;
    json_slice_copy(object, "balance", balance, sizeof(balance));
    json_slice_copy(object, "version", version, sizeof(version));
    json_slice_copy(object, "timestamp", time, sizeof(time));
    printf("%s: %s (version %s, since %s)\n", call->account, balance, version, time);
}

enum exit_code florin_balance_then(const struct florin_call *call)
{
    char path[PATH_BYTES];
    if (call->version != NULL && call->at_time != NULL) {
        fprintf(stderr, "florin: --version or --at, not both\n");
        return EXIT_USAGE;
    }
    snprintf(path, sizeof(path), "/accounts/%s/balance?%s=%s", call->account,
             call->version != NULL ? "version" : "at",
             call->version != NULL ? call->version : call->at_time);
    return exchange_read(call, path, print_balance);
}

/* A leg's amount with its sign. */
static void copy_amount(struct json_slice leg, char cell[TABLE_CELL_BYTES])
{
    char direction[16];
    char amount[TABLE_CELL_BYTES - 1];
    json_slice_copy(leg, "direction", direction, sizeof(direction));
    json_slice_copy(leg, "amount", amount, sizeof(amount));
    snprintf(cell, TABLE_CELL_BYTES, "%s%s", strcmp(direction, "debit") == 0 ? "-" : "", amount);
}

/* The leg of an account. */
static bool find_leg(struct json_slice transaction, const char *account, struct json_slice *leg)
{
    struct json_slice rest = json_slice_member(transaction, "legs");
    while (json_slice_next(&rest, leg)) {
        struct json_slice id = json_slice_text(json_slice_member(*leg, "account"));
        if (id.length == strlen(account) && memcmp(id.bytes, account, id.length) == 0)
            return true;
    }
    return false;
}

static const struct table_column history_columns[] = {
    {"TIME", false},   {"ID", false},     {"TYPE", false}, {"AMOUNT", true},
    {"BALANCE", true}, {"VERSION", true}, {"KEY", false},
};

static void add_row(struct table *table, struct json_slice transaction, const char *account)
{
    char(*cells)[TABLE_CELL_BYTES] = table_row(table);
    struct json_slice leg;
    json_slice_copy(transaction, "timestamp", cells[0], TABLE_CELL_BYTES);
    json_slice_copy(transaction, "id", cells[1], TABLE_CELL_BYTES);
    json_slice_copy(transaction, "type", cells[2], TABLE_CELL_BYTES);
    json_slice_copy(transaction, "key", cells[6], TABLE_CELL_BYTES);
    if (!find_leg(transaction, account, &leg))
        return;
    copy_amount(leg, cells[3]);
    json_slice_copy(leg, "balance", cells[4], TABLE_CELL_BYTES);
    json_slice_copy(leg, "version", cells[5], TABLE_CELL_BYTES);
}

/* Prints a page; returns how many transactions it had. */
static uint64_t print_page(const struct florin_call *call, struct json_slice page,
                           struct table *table)
{
    struct json_slice rest = json_slice_member(page, "transactions");
    struct json_slice transaction;
    uint64_t count = 0;
    while (json_slice_next(&rest, &transaction)) {
        count++;
        if (call->json)
            printf("%.*s\n", (int)transaction.length, transaction.bytes);
        else
            add_row(table, transaction, call->account);
    }
    return count;
}

static void page_path(const struct florin_call *call, const char *cursor, uint64_t left,
                      char path[PATH_BYTES])
{
    uint64_t limit = left < PAGE_TRANSACTIONS ? left : PAGE_TRANSACTIONS;
    int length = snprintf(path, PATH_BYTES, "/accounts/%s/transactions?limit=%" PRIu64,
                          call->account, limit);
    const char *const names[] = {"before", "from", "to"};
    const char *const values[] = {cursor[0] == '\0' ? NULL : cursor, call->since, call->before};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (values[i] != NULL)
            length +=
                snprintf(path + length, PATH_BYTES - (size_t)length, "&%s=%s", names[i], values[i]);
    }
}

static enum exit_code read_pages(const struct florin_call *call, struct remote *remote,
                                 struct table *table)
{
    uint64_t left = call->limit == NULL ? UINT64_MAX : strtoull(call->limit, NULL, 10);
    char cursor[CURSOR_BYTES] = "";
    while (left > 0) {
        struct remote_answer answer;
        struct json_slice page;
        char path[PATH_BYTES];
        page_path(call, cursor, left, path);
        if (!remote_get(remote, path, &answer))
            return exchange_unreachable(call, remote);
        if (answer.status != 200)
            return exchange_refused(call, &answer);
        if (!json_slice_whole(answer.body, answer.length, &page))
            return exchange_strange(call);
        left -= print_page(call, page, table);
        json_slice_copy(page, "next", cursor, sizeof(cursor));
        if (strncmp(cursor, "txn", 3) != 0)
            break;
    }
    return EXIT_OK;
}

enum exit_code florin_history(const struct florin_call *call)
{
    static struct table table;
    struct remote remote;
    if (!exchange_open(call, &remote))
        return EXIT_USAGE;
    table_begin(&table, history_columns, sizeof(history_columns) / sizeof(history_columns[0]));
    enum exit_code code = read_pages(call, &remote, &table);
    if (!call->json && (code == EXIT_OK || table.row_count > 0))
        table_end(&table);
    remote_close(&remote);
    return code;
}

static const struct table_column leg_columns[] = {
    {"ACCOUNT", false}, {"AMOUNT", true}, {"BALANCE", true}, {"VERSION", true}};

/* An exchange_print. */
static void print_transaction(const struct florin_call *call, const struct remote_answer *answer)
{
    static struct table table;
    static const char *const members[] = {
        "id",        "type",   "timestamp",      "amount",   "key",      "hold",    "held",
        "expiresAt", "status", "minimumBalance", "currency", "reverses", "metadata"};
    struct json_slice object;
    struct json_slice leg;
    (void)call;
    if (!json_slice_whole(answer->body, answer->length, &object))
        return;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        struct json_slice value = json_slice_text(json_slice_member(object, members[i]));
        if (value.length > 0)
            printf("%-14s  %.*s\n", members[i], (int)value.length, value.bytes);
    }
    printf("\n");
    table_begin(&table, leg_columns, sizeof(leg_columns) / sizeof(leg_columns[0]));
    struct json_slice rest = json_slice_member(object, "legs");
    while (json_slice_next(&rest, &leg)) {
        char(*cells)[TABLE_CELL_BYTES] = table_row(&table);
        json_slice_copy(leg, "account", cells[0], TABLE_CELL_BYTES);
        copy_amount(leg, cells[1]);
        json_slice_copy(leg, "balance", cells[2], TABLE_CELL_BYTES);
        json_slice_copy(leg, "version", cells[3], TABLE_CELL_BYTES);
    }
    table_end(&table);
}

enum exit_code florin_transaction(const struct florin_call *call)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "/transactions/%s", call->words[0]);
    return exchange_read(call, path, print_transaction);
}
