/* florin_commands.c - balance, post, open and reset, through the server.
 *
 * Guarantees: money is compared exactly. It must not know files.
 */
#include "florin_commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "florin.h"
#include "florin_exchange.h"
#include "http/amount.h"
#include "http/json_object.h"
#include "http/json_text.h"

enum {
    BODY_BYTES = 1024,
    /* Another look, when somebody else's transaction came first. */
    RESET_TRIES = 10,
};

/* What the tool reads of an account or a transaction. */
struct account_view {
    char balance[FLORIN_AMOUNT_TEXT_MAX + 1];
    char currency[FLORIN_CURRENCY_MAX + 1];
    uint64_t version;
};

static bool copy_text(const struct json_object *object, const char *name, char *text,
                      size_t capacity)
{
    const char *value;
    struct request_fault fault;
    if (!json_object_has(object, name) || !json_object_text(object, name, &value, &fault))
        return false;
    int length = snprintf(text, capacity, "%s", value);
    return length >= 0 && (size_t)length < capacity;
}

static bool view_account(const struct remote_answer *answer, struct account_view *view)
{
    struct json_object object;
    struct request_fault fault;
    if (!json_object_parse(&object, answer->body, answer->length, NULL, 0, &fault))
        return false;
    bool whole = copy_text(&object, "balance", view->balance, sizeof(view->balance)) &&
                 copy_text(&object, "currency", view->currency, sizeof(view->currency)) &&
                 json_object_has(&object, "version") &&
                 json_object_version(&object, "version", &view->version, &fault);
    json_object_free(&object);
    return whole;
}

static void account_path(const struct florin_call *call, const char *below, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "/accounts/%s%s", call->account, below);
}

/* GET of the account; EXIT_OK, or what to end with. */
static enum exit_code read_account(const struct florin_call *call, struct remote *remote,
                                   struct remote_answer *answer, struct account_view *view)
{
    char path[PATH_BYTES];
    account_path(call, "", path);
    if (!remote_get(remote, path, answer))
        return exchange_unreachable(call, remote);
    if (answer->status != 200)
        return exchange_refused(call, answer);
    return view_account(answer, view) ? EXIT_OK : exchange_strange(call);
}

static void print_account(const struct florin_call *call, const struct account_view *view)
{
    if (call->json) {
        char bytes[BODY_BYTES];
        struct json_text text;
        json_text_init(&text, bytes, sizeof(bytes));
        json_text_raw(&text, "{", 1);
        json_text_member_string(&text, "id", call->account);
        json_text_member_string(&text, "balance", view->balance);
        json_text_member_string(&text, "currency", view->currency);
        json_text_member_unsigned(&text, "version", view->version);
        json_text_raw(&text, "}", 1);
        printf("%.*s\n", (int)text.length, bytes);
        return;
    }
    printf("%s: %s %s (version %" PRIu64 ")\n", call->account, view->balance, view->currency,
           view->version);
}

enum exit_code florin_balance(const struct florin_call *call)
{
    if (call->version != NULL || call->at_time != NULL)
        return florin_balance_then(call);
    struct remote remote;
    struct remote_answer answer;
    struct account_view view = {.version = 0};
    if (!exchange_open(call, &remote))
        return EXIT_USAGE;
    enum exit_code code = read_account(call, &remote, &answer, &view);
    if (code == EXIT_OK)
        print_account(call, &view);
    remote_close(&remote);
    return code;
}

/* An exchange_print. */
static void print_transaction(const struct florin_call *call, const struct remote_answer *answer)
{
    char id[32] = "dry run";
    char type[16] = "?";
    char amount[FLORIN_AMOUNT_TEXT_MAX + 1] = "?";
    char balance[FLORIN_AMOUNT_TEXT_MAX + 1] = "?";
    struct json_object object;
    struct request_fault fault;
    if (!json_object_parse(&object, answer->body, answer->length, NULL, 0, &fault))
        return;
    if ((call->dry_run || copy_text(&object, "id", id, sizeof(id))) &&
        copy_text(&object, "type", type, sizeof(type)) &&
        copy_text(&object, "amount", amount, sizeof(amount)) &&
        copy_text(&object, "newBalance", balance, sizeof(balance)))
        printf("%s: %s %s, new balance %s\n", id, type, amount, balance);
    json_object_free(&object);
}

static void write_transaction(struct json_text *body, const char *type, const char *amount,
                              const char *expected_version)
{
    json_text_raw(body, "{", 1);
    json_text_member_string(body, "type", type);
    json_text_member_string(body, "amount", amount);
    if (expected_version != NULL) {
        json_text_member(body, "expectedVersion");
        json_text_raw(body, expected_version, strlen(expected_version));
    }
    json_text_raw(body, "}", 1);
}

enum exit_code florin_post(const struct florin_call *call)
{
    char path[PATH_BYTES];
    char bytes[BODY_BYTES];
    struct json_text body;
    account_path(call, "/transactions", path);
    json_text_init(&body, bytes, sizeof(bytes));
    write_transaction(&body, call->words[1], call->amount, call->expected_version);
    return exchange_write(call, path, &body, print_transaction);
}

enum exit_code florin_open_account(const struct florin_call *call)
{
    struct remote remote;
    struct remote_answer answer;
    struct account_view view = {.version = 0};
    char bytes[BODY_BYTES];
    struct json_text body;
    json_text_init(&body, bytes, sizeof(bytes));
    json_text_raw(&body, "{", 1);
    json_text_member_string(&body, "id", call->account);
    if (call->currency != NULL)
        json_text_member_string(&body, "currency", call->currency);
    if (call->balance != NULL)
        json_text_member_string(&body, "balance", call->balance);
    json_text_raw(&body, "}", 1);
    if (body.truncated || !exchange_open(call, &remote))
        return EXIT_USAGE;
    enum exit_code code = EXIT_OK;
    if (!exchange_post(&remote, "/accounts", NULL, &body, &answer))
        code = exchange_unreachable(call, &remote);
    else if (answer.status != 201 && answer.status != 200)
        code = exchange_refused(call, &answer);
    else if (call->json)
        printf("%s\n", answer.body);
    else if (!view_account(&answer, &view))
        code = exchange_strange(call);
    else
        print_account(call, &view);
    remote_close(&remote);
    return code;
}

/* What must be added to the balance, in minor units. */
static bool difference(const struct florin_call *call, const struct account_view *view,
                       uint8_t exponent, int64_t *missing)
{
    int64_t wanted;
    int64_t present;
    return amount_to_minor(call->amount, strlen(call->amount), exponent, &wanted) &&
           amount_to_minor(view->balance, strlen(view->balance), exponent, &present) &&
           money_subtract(wanted, present, missing);
}

/* One correcting transaction. EXIT_OK with answer->status 201 or 409, or what to end with. */
static enum exit_code correct(const struct florin_call *call, struct remote *remote,
                              const struct account_view *view, int64_t missing, uint8_t exponent,
                              struct remote_answer *answer)
{
    char path[PATH_BYTES];
    char key[KEY_TEXT_BYTES];
    char bytes[BODY_BYTES];
    char amount[MONEY_TEXT_BYTES];
    char version[24];
    struct json_text body;
    exchange_make_key(key);
    account_path(call, "/transactions", path);
    (void)money_format(missing < 0 ? -missing : missing, exponent, amount);
    snprintf(version, sizeof(version), "%" PRIu64, view->version);
    json_text_init(&body, bytes, sizeof(bytes));
    write_transaction(&body, missing < 0 ? "Withdraw" : "Deposit", amount, version);
    if (!exchange_post(remote, path, key, &body, answer))
        return exchange_unreachable(call, remote);
    return answer->status == 201 || answer->status == 409 ? EXIT_OK
                                                          : exchange_refused(call, answer);
}

/* The server writes a balance with as many decimals as its currency has, also one that ISO 4217
 * does not have. */
static uint8_t exponent_of(const struct account_view *view)
{
    const char *point = strchr(view->balance, '.');
    return point == NULL ? 0 : (uint8_t)strlen(point + 1);
}

static enum exit_code reset(const struct florin_call *call, struct remote *remote,
                            struct remote_answer *answer)
{
    struct account_view view = {.version = 0};
    for (int i = 0; i < RESET_TRIES; i++) {
        int64_t missing;
        enum exit_code code = read_account(call, remote, answer, &view);
        if (code != EXIT_OK)
            return code;
        uint8_t exponent = exponent_of(&view);
        if (exponent > FLORIN_EXPONENT_MAX)
            return exchange_strange(call);
        if (!difference(call, &view, exponent, &missing)) {
            fprintf(stderr, "florin: %s is not an amount in %s\n", call->amount, view.currency);
            return EXIT_USAGE;
        }
        if (missing == 0) {
            print_account(call, &view);
            return EXIT_OK;
        }
        code = correct(call, remote, &view, missing, exponent, answer);
        if (code != EXIT_OK)
            return code;
        /* Corrected: the next look finds nothing missing, and prints what is there. */
    }
    fprintf(stderr, "florin: %s: other transactions came first, %d times\n", call->account,
            RESET_TRIES);
    return EXIT_REFUSED;
}

enum exit_code florin_reset(const struct florin_call *call)
{
    struct remote remote;
    struct remote_answer answer;
    if (!exchange_open(call, &remote))
        return EXIT_USAGE;
    enum exit_code code = reset(call, &remote, &answer);
    remote_close(&remote);
    return code;
}
