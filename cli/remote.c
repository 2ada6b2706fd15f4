/* remote.c - requests through libcurl.
 *
 * Guarantees: an answer is kept whole or the call fails. It must not know what is asked.
 */
#include "remote.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "florin_limits.h"

static const char unix_prefix[] = "unix:";

/* Where the body of a download goes. */
struct download {
    struct remote *remote;
    remote_sink *sink;
    void *context;
    struct remote_answer *answer;
};

/* For `length` bytes and a terminator. */
static bool make_room(struct remote *remote, size_t length)
{
    size_t capacity = remote->capacity;
    while (capacity <= length)
        capacity *= 2;
    if (capacity == remote->capacity)
        return true;
    char *memory = realloc(remote->memory, capacity);
    if (memory == NULL)
        return false;
    remote->memory = memory;
    remote->capacity = capacity;
    return true;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct remote_answer *answer = context;
    struct remote *remote = answer->remote;
    size_t length = size * count;
    if (length > REMOTE_BODY_MAX - answer->length) {
        answer->too_long = true;
        return 0;
    }
    if (!make_room(remote, answer->length + length))
        return 0;
    memcpy(remote->memory + answer->length, bytes, length);
    answer->length += length;
    remote->memory[answer->length] = '\0';
    answer->body = remote->memory;
    return length;
}

int remote_open(struct remote *remote, const char *server)
{
    bool is_unix = strncmp(server, unix_prefix, sizeof(unix_prefix) - 1) == 0;
    bool is_url = strncmp(server, "http://", 7) == 0 && strlen(server) > 7;
    if ((!is_unix && !is_url) || strlen(server) >= sizeof(remote->base))
        return -EINVAL;
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return -ENOMEM;
    snprintf(remote->base, sizeof(remote->base), "%s", is_unix ? "http://localhost" : server);
    size_t length = strlen(remote->base);
    while (length > 0 && remote->base[length - 1] == '/')
        remote->base[--length] = '\0';
    remote->curl = curl;
    remote->capacity = REMOTE_BODY_FIRST;
    remote->memory = malloc(remote->capacity);
    if (remote->memory == NULL)
        goto close_curl;
    CURLcode code = curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, remote->error);
    if (code == CURLE_OK && is_unix)
        code = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, server + sizeof(unix_prefix) - 1);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)REMOTE_TIMEOUT_S);
    /* "." and ".." are account ids. */
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    /* A local server is meant as it is named, whatever proxy the environment names. */
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    if (code == CURLE_OK)
        return 0;
    free(remote->memory);
close_curl:
    curl_easy_cleanup(curl);
    return -ENOMEM;
}

void remote_close(struct remote *remote)
{
    curl_easy_cleanup(remote->curl);
    free(remote->memory);
}

/* Adds a header; NULL: no memory, and the list is freed. */
static struct curl_slist *add_header(struct curl_slist *headers, const char *text)
{
    struct curl_slist *longer = curl_slist_append(headers, text);
    if (longer == NULL)
        curl_slist_free_all(headers);
    return longer;
}

/* `sink_context`: what the write function gets. */
static bool perform(struct remote *remote, const char *path, struct curl_slist *headers,
                    void *sink_context, struct remote_answer *answer)
{
    char url[REMOTE_URL_MAX + REMOTE_PATH_MAX];
    CURL *curl = remote->curl;
    answer->length = 0;
    answer->too_long = false;
    answer->remote = remote;
    remote->memory[0] = '\0';
    answer->body = remote->memory;
    remote->error[0] = '\0';
    snprintf(url, sizeof(url), "%s%s", remote->base, path);
    CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_WRITEDATA, sink_context);
    if (code == CURLE_OK)
        code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_slist_free_all(headers);
    if (code != CURLE_OK && answer->too_long)
        snprintf(remote->error, sizeof(remote->error), "the answer is too long");
    else if (code != CURLE_OK && remote->error[0] == '\0')
        snprintf(remote->error, sizeof(remote->error), "%s", curl_easy_strerror(code));
    return code == CURLE_OK;
}

bool remote_get(struct remote *remote, const char *path, struct remote_answer *answer)
{
    struct curl_slist *headers = add_header(NULL, "Prefer: money=string");
    if (headers == NULL || curl_easy_setopt(remote->curl, CURLOPT_HTTPGET, 1L) != CURLE_OK)
        return false;
    return perform(remote, path, headers, answer, answer);
}

static bool post(struct remote *remote, const char *path, const char *content_type, const char *key,
                 const char *body, size_t body_length, struct remote_answer *answer)
{
    char key_header[sizeof("Idempotency-Key: ") + FLORIN_KEY_MAX];
    CURL *curl = remote->curl;
    struct curl_slist *headers = add_header(NULL, "Prefer: money=string");
    if (headers != NULL)
        headers = add_header(headers, content_type);
    /* curl would wait a second for a leave to send a large body. */
    if (headers != NULL)
        headers = add_header(headers, "Expect:");
    if (headers != NULL && key != NULL) {
        snprintf(key_header, sizeof(key_header), "Idempotency-Key: %s", key);
        headers = add_header(headers, key_header);
    }
    if (headers == NULL || curl_easy_setopt(curl, CURLOPT_POST, 1L) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body_length) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body) != CURLE_OK)
        return false;
    return perform(remote, path, headers, answer, answer);
}

bool remote_post(struct remote *remote, const char *path, const char *key, const char *body,
                 size_t body_length, struct remote_answer *answer)
{
    return post(remote, path, "Content-Type: application/json", key, body, body_length, answer);
}

bool remote_post_lines(struct remote *remote, const char *path, const char *lines, size_t length,
                       struct remote_answer *answer)
{
    return post(remote, path, "Content-Type: application/x-ndjson", NULL, lines, length, answer);
}

bool remote_patch(struct remote *remote, const char *path, const char *body, size_t body_length,
                  struct remote_answer *answer)
{
    if (curl_easy_setopt(remote->curl, CURLOPT_CUSTOMREQUEST, "PATCH") != CURLE_OK)
        return false;
    bool answered = remote_post(remote, path, NULL, body, body_length, answer);
    /* Unsetting it cannot fail. */
    (void)curl_easy_setopt(remote->curl, CURLOPT_CUSTOMREQUEST, NULL);
    return answered;
}

static size_t take_download(char *bytes, size_t size, size_t count, void *context)
{
    struct download *download = context;
    long status = 0;
    if (curl_easy_getinfo(download->remote->curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
        return 0;
    if (status != 200)
        return take_body(bytes, size, count, download->answer);
    return download->sink(download->context, bytes, size * count) ? size * count : 0;
}

bool remote_download(struct remote *remote, const char *path, remote_sink *sink, void *context,
                     struct remote_answer *answer)
{
    struct download download = {remote, sink, context, answer};
    CURL *curl = remote->curl;
    struct curl_slist *headers = add_header(NULL, "Prefer: money=string");
    if (headers == NULL || curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, 0L) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)REMOTE_STALL_S) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_download) != CURLE_OK)
        return false;
    return perform(remote, path, headers, &download, answer);
}
