/* account_request.c - a new account from JSON.
 *
 * Guarantees: the same body and idempotency key give the same account id; an id made without a key
 * is not to be guessed. It must not know which accounts or which currencies there are.
 */
#include "account_request.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#include "h2o_embed.h"
#include "json_object.h"

static const char *const known_names[] = {"id", "currency", "balance", "minimumBalance",
                                          "metadata"};

enum { MADE_ID_BYTES = 13 }; /* 104 bits: 26 hexadecimal digits behind "acc_" */

static void make_id(struct account_request *request, const struct request_headers *headers)
{
    static const char digits[] = "0123456789abcdef";
    static const char prefix[] = "acc_";
    /* Keys name accounts in a domain of their own: "florin account\0" before the key. */
    static const char domain[] = "florin account";
    unsigned char bytes[EVP_MAX_MD_SIZE];
    if (headers->key_length > 0) {
        unsigned char input[sizeof(domain) + FLORIN_KEY_MAX];
        memcpy(input, domain, sizeof(domain));
        memcpy(input + sizeof(domain), headers->key, headers->key_length);
        int hashed = EVP_Digest(input, sizeof(domain) + headers->key_length, bytes, NULL,
                                EVP_sha256(), NULL);
        assert(hashed == 1);
    } else {
        /* Up to 256 bytes come whole and without error once the kernel has started. */
        ssize_t filled = getrandom(bytes, MADE_ID_BYTES, 0);
        assert(filled == MADE_ID_BYTES);
    }
    memcpy(request->id, prefix, sizeof(prefix) - 1);
    request->id_length = sizeof(prefix) - 1;
    for (size_t i = 0; i < MADE_ID_BYTES; i++) {
        request->id[request->id_length++] = digits[bytes[i] >> 4];
        request->id[request->id_length++] = digits[bytes[i] & 15];
    }
}

static bool parse_id(struct account_request *request, const struct json_object *object,
                     const struct request_headers *headers, struct request_fault *fault)
{
    const char *text;
    if (!json_object_has(object, "id")) {
        make_id(request, headers);
        return true;
    }
    if (!json_object_text(object, "id", &text, fault))
        return false;
    size_t length = strlen(text);
    if (!florin_account_id_is_valid(text, length))
        return request_fault_set(fault, "id", "%s",
                                 florin_status_message(FLORIN_INVALID_ACCOUNT_ID));
    memcpy(request->id, text, length);
    request->id_length = length;
    return true;
}

static bool parse_currency(struct account_request *request, const struct json_object *object,
                           struct request_fault *fault)
{
    const char *text = "USD";
    if (json_object_has(object, "currency") && !json_object_text(object, "currency", &text, fault))
        return false;
    size_t length = strlen(text);
    if (length == 0 || length > FLORIN_CURRENCY_MAX)
        return request_fault_set(fault, "currency",
                                 "\"currency\" must be a code of 1 to %d characters, like USD",
                                 FLORIN_CURRENCY_MAX);
    memcpy(request->currency, text, length);
    request->currency_length = length;
    return true;
}

static bool parse_money(const struct json_object *object, const char *name,
                        struct money_decimal *money, struct request_fault *fault)
{
    return !json_object_has(object, name) || json_object_money(object, name, money, fault);
}

static bool parse_members(struct account_request *request, const struct json_object *object,
                          const struct request_headers *headers, struct request_fault *fault)
{
    if (!parse_id(request, object, headers, fault) || !parse_currency(request, object, fault) ||
        !parse_money(object, "balance", &request->balance, fault) ||
        !parse_money(object, "minimumBalance", &request->minimum_balance, fault))
        return false;
    if (request->balance.digits < 0)
        return request_fault_set(fault, "balance", "\"balance\" must not be negative");
    if (request->minimum_balance.digits > 0)
        return request_fault_set(fault, "minimumBalance",
                                 "\"minimumBalance\" must not be greater than zero");
    return !json_object_has(object, "metadata") ||
           json_object_compact(object, "metadata", request->metadata, sizeof(request->metadata),
                               &request->metadata_length, fault);
}

bool account_request_parse(struct account_request *request, const char *body, size_t body_length,
                           const struct request_headers *headers, struct request_fault *fault)
{
    struct json_object object;
    memset(request, 0, sizeof(*request));
    if (!json_object_parse(&object, body, body_length, known_names,
                           sizeof(known_names) / sizeof(known_names[0]), fault))
        return false;
    bool parsed = parse_members(request, &object, headers, fault);
    json_object_free(&object);
    return parsed;
}
