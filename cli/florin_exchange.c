/* florin_exchange.c - requests with their keys, and answers that are none.
 *
 * Guarantees: a change is sent with an idempotency key, so that trying again after a lost answer
 * does not do it twice; whoever does not learn what became of it learns the key. It must not know
 * what is asked.
 */
#include "florin_exchange.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "http/json_object.h"

enum {
    KEY_BYTES = 16,
    /* The same request again, when it is not known what became of it. */
    UNKNOWN_TRIES = 3,
};

void exchange_make_key(char key[KEY_TEXT_BYTES])
{
    unsigned char bytes[KEY_BYTES];
    ssize_t got = getrandom(bytes, sizeof(bytes), 0);
    assert(got == (ssize_t)sizeof(bytes));
    size_t length = (size_t)snprintf(key, KEY_TEXT_BYTES, "florin-");
    for (size_t i = 0; i < sizeof(bytes); i++)
        length += (size_t)snprintf(key + length, KEY_TEXT_BYTES - length, "%02x", bytes[i]);
}

bool exchange_open(const struct florin_call *call, struct remote *remote)
{
    if (remote_open(remote, call->server) == 0)
        return true;
    fprintf(stderr, "florin: --server %s: must be http://HOST:PORT or unix:PATH\n", call->server);
    return false;
}

enum exit_code exchange_unreachable(const struct florin_call *call, const struct remote *remote)
{
    fprintf(stderr, "florin: no answer from %s: %s\n", call->server, remote->error);
    return EXIT_UNAVAILABLE;
}

enum exit_code exchange_refused(const struct florin_call *call, const struct remote_answer *answer)
{
    struct json_object object;
    struct request_fault fault;
    const char *error = "no reason given";
    const char *code = "unknown";
    if (call->json)
        printf("%s\n", answer->body);
    bool parsed = json_object_parse(&object, answer->body, answer->length, NULL, 0, &fault);
    if (parsed && json_object_has(&object, "error") &&
        !json_object_text(&object, "error", &error, &fault))
        error = "no reason given";
    if (parsed && json_object_has(&object, "code") &&
        !json_object_text(&object, "code", &code, &fault))
        code = "unknown";
    fprintf(stderr, "florin: refused: %s (%s, HTTP %ld)\n", error, code, answer->status);
    if (parsed)
        json_object_free(&object);
    return EXIT_REFUSED;
}

enum exit_code exchange_strange(const struct florin_call *call)
{
    fprintf(stderr, "florin: %s does not answer like a florind\n", call->server);
    return EXIT_UNAVAILABLE;
}

bool exchange_post(struct remote *remote, const char *path, const char *key,
                   const struct json_text *body, struct remote_answer *answer)
{
    bool answered = false;
    for (int i = 0; i < UNKNOWN_TRIES; i++) {
        answered = remote_post(remote, path, key, body->bytes, body->length, answer);
        if (answered && answer->status != 408)
            break;
    }
    return answered;
}

static enum exit_code print_answer(const struct florin_call *call,
                                   const struct remote_answer *answer, exchange_print *print)
{
    struct json_object object;
    struct request_fault fault;
    if (!json_object_parse(&object, answer->body, answer->length, NULL, 0, &fault))
        return exchange_strange(call);
    json_object_free(&object);
    if (call->json)
        printf("%s\n", answer->body);
    else
        print(call, answer);
    return EXIT_OK;
}

enum exit_code exchange_write(const struct florin_call *call, const char *path,
                              const struct json_text *body, exchange_print *print)
{
    struct remote remote;
    struct remote_answer answer;
    char made[KEY_TEXT_BYTES];
    char full_path[PATH_BYTES];
    const char *key = call->key;
    if (body->truncated) {
        fprintf(stderr, "florin: the request is too long\n");
        return EXIT_USAGE;
    }
    if (!exchange_open(call, &remote))
        return EXIT_USAGE;
    if (key == NULL) {
        exchange_make_key(made);
        key = made;
    }
    snprintf(full_path, sizeof(full_path), "%s%s", path, call->dry_run ? "?dryRun=true" : "");
    if (call->verbose)
        fprintf(stderr, "florin: --key %s\n", key);
    bool answered = exchange_post(&remote, full_path, key, body, &answer);
    enum exit_code code = EXIT_OK;
    if (!answered)
        code = exchange_unreachable(call, &remote);
    else if (answer.status == 201 || answer.status == 200)
        code = print_answer(call, &answer, print);
    else
        code = exchange_refused(call, &answer);
    if ((!answered || answer.status == 408) && !call->verbose && !call->dry_run)
        fprintf(stderr, "florin: it may have happened; the same again with --key %s is safe\n",
                key);
    remote_close(&remote);
    return code;
}

enum exit_code exchange_read(const struct florin_call *call, const char *path,
                             exchange_print *print)
{
    struct remote remote;
    struct remote_answer answer;
    enum exit_code code;
    if (!exchange_open(call, &remote))
        return EXIT_USAGE;
    if (!remote_get(&remote, path, &answer))
        code = exchange_unreachable(call, &remote);
    else if (answer.status != 200)
        code = exchange_refused(call, &answer);
    else
        code = print_answer(call, &answer, print);
    remote_close(&remote);
    return code;
}
