/* transaction_request.c - one transaction from JSON, in the project's spelling or the seed's.
 *
 * Guarantees: a field that is there in both spellings has the same value in both; the amount is
 * greater than zero and is what was written. It must not know the account or its currency.
 */
#include "transaction_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json_object.h"

enum { SPELLINGS = TRANSACTION_SPELLING_IF_MATCH };

static const char *const type_names[SPELLINGS] = {"type", "typeOfTransaction"};
static const char *const amount_names[SPELLINGS] = {"amount", "moneyWithdraw/Deposit"};
static const char *const version_names[SPELLINGS + 1] = {"expectedVersion", "expectedversion",
                                                         "If-Match"};

static const char *const known_names[] = {
    "type",
    "typeOfTransaction",
    "amount",
    "moneyWithdraw/Deposit",
    "expectedVersion",
    "expectedversion",
    "expectedBalanceAtLeast",
};

enum { KNOWN_NAMES = sizeof(known_names) / sizeof(known_names[0]) };

bool transaction_request_kind(const struct json_object *object, const char *name,
                              enum florin_command_kind *kind, struct request_fault *fault)
{
    static const struct {
        const char *word;
        enum florin_command_kind kind;
    } words[] = {
        {"Deposit", FLORIN_DEPOSIT},     {"Credit", FLORIN_DEPOSIT}, {"Withdraw", FLORIN_WITHDRAW},
        {"Withdrawal", FLORIN_WITHDRAW}, {"Debit", FLORIN_WITHDRAW},
    };
    const char *text;
    if (!json_object_text(object, name, &text, fault))
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i].word) == 0) {
            *kind = words[i].kind;
            return true;
        }
    }
    return request_fault_set(fault, name, "\"%s\" must be Deposit or Withdraw", name);
}

static bool conflict(struct request_fault *fault, const char *second, const char *first)
{
    return request_fault_set(fault, second, "\"%s\" and \"%s\" have different values", first,
                             second);
}

static bool parse_type(struct transaction_request *request, const struct json_object *object,
                       struct request_fault *fault)
{
    bool found = false;
    for (unsigned i = 0; i < SPELLINGS; i++) {
        enum florin_command_kind kind = FLORIN_DEPOSIT;
        if (!json_object_has(object, type_names[i]))
            continue;
        if (!transaction_request_kind(object, type_names[i], &kind, fault))
            return false;
        if (found && kind != request->kind)
            return conflict(fault, type_names[i], type_names[0]);
        request->kind = kind;
        if (!found)
            request->spelling.type = (uint8_t)i;
        found = true;
    }
    return found || request_fault_set(fault, type_names[0], "\"%s\" is missing", type_names[0]);
}

static bool parse_amount(struct transaction_request *request, const struct json_object *object,
                         struct request_fault *fault)
{
    bool found = false;
    for (unsigned i = 0; i < SPELLINGS; i++) {
        const char *name = amount_names[i];
        struct money_decimal amount;
        if (!json_object_has(object, name))
            continue;
        if (!json_object_money(object, name, &amount, fault))
            return false;
        if (amount.digits <= 0)
            return request_fault_set(fault, name, "\"%s\" must be greater than zero", name);
        if (found &&
            (amount.digits != request->amount.digits || amount.scale != request->amount.scale))
            return conflict(fault, name, amount_names[0]);
        request->amount = amount;
        if (!found)
            request->spelling.amount = (uint8_t)i;
        found = true;
    }
    return found || request_fault_set(fault, amount_names[0], "\"%s\" is missing", amount_names[0]);
}

static bool parse_version(struct transaction_request *request, const struct json_object *object,
                          struct request_fault *fault)
{
    bool found = false;
    for (unsigned i = 0; i < SPELLINGS; i++) {
        uint64_t version;
        if (!json_object_has(object, version_names[i]))
            continue;
        if (!json_object_version(object, version_names[i], &version, fault))
            return false;
        if (found && version != request->expected_version)
            return conflict(fault, version_names[i], version_names[0]);
        request->expected_version = version;
        if (!found)
            request->spelling.expected_version = (uint8_t)i;
        found = true;
    }
    return true;
}

static bool parse_expected_balance(struct transaction_request *request,
                                   const struct json_object *object, struct request_fault *fault)
{
    request->has_expected_balance = json_object_has(object, "expectedBalanceAtLeast");
    return !request->has_expected_balance ||
           json_object_money(object, "expectedBalanceAtLeast", &request->expected_balance, fault);
}

static bool apply_if_match(struct transaction_request *request,
                           const struct request_headers *headers, struct request_fault *fault)
{
    if (!headers->has_if_match || headers->if_match_version == 0)
        return true;
    if (request->expected_version != 0 && request->expected_version != headers->if_match_version)
        return conflict(fault, version_names[TRANSACTION_SPELLING_IF_MATCH],
                        version_names[request->spelling.expected_version]);
    request->expected_version = headers->if_match_version;
    request->expected_by_precondition = true;
    request->spelling.expected_version = TRANSACTION_SPELLING_IF_MATCH;
    return true;
}

static bool parse_members(struct transaction_request *request, const struct json_object *object,
                          struct request_fault *fault)
{
    memset(request, 0, sizeof(*request));
    return parse_type(request, object, fault) && parse_amount(request, object, fault) &&
           parse_version(request, object, fault) && parse_expected_balance(request, object, fault);
}

bool transaction_request_take(struct transaction_request *request, const struct json_object *object,
                              const struct json_names *besides, struct request_fault *fault)
{
    return json_object_check(object, known_names, KNOWN_NAMES, besides, fault) &&
           parse_members(request, object, fault);
}

bool transaction_request_parse(struct transaction_request *request, const char *body,
                               size_t body_length, const struct request_headers *headers,
                               struct request_fault *fault)
{
    struct json_object object;
    if (!json_object_parse(&object, body, body_length, known_names, KNOWN_NAMES, fault))
        return false;
    bool parsed = parse_members(request, &object, fault);
    json_object_free(&object);
    return parsed && apply_if_match(request, headers, fault);
}

const char *transaction_request_field(enum florin_field field, struct transaction_spelling spelling)
{
    switch (field) {
    case FLORIN_FIELD_ACCOUNT:
        return "accountId";
    case FLORIN_FIELD_KEY:
        return "Idempotency-Key";
    case FLORIN_FIELD_KIND:
        return type_names[spelling.type];
    case FLORIN_FIELD_AMOUNT:
        return amount_names[spelling.amount];
    case FLORIN_FIELD_EXPECTED_VERSION:
        return version_names[spelling.expected_version];
    case FLORIN_FIELD_CURRENCY:
        return "currency";
    case FLORIN_FIELD_BALANCE:
        return "balance";
    case FLORIN_FIELD_MINIMUM_BALANCE:
        return "minimumBalance";
    case FLORIN_FIELD_METADATA:
        return "metadata";
    case FLORIN_FIELD_TO:
        return "to";
    case FLORIN_FIELD_EXPECTED_TO_VERSION:
        return "expectedToVersion";
    case FLORIN_FIELD_EXPECTED_BALANCE:
        return "expectedBalanceAtLeast";
    case FLORIN_FIELD_LEGS:
        return "body";
    case FLORIN_FIELD_EXPIRES_IN:
        return "expiresIn";
    case FLORIN_FIELD_TARGET:
        return "holdId";
    case FLORIN_FIELD_STATUS:
        return "status";
    case FLORIN_FIELD_NONE:
        return NULL;
    }
    abort(); /* not in the list */
}
