/* remote.h - a server, spoken to over HTTP.
 *
 * The only header with libcurl behind it. Thread: one at a time.
 */
#ifndef FLORIN_CLI_REMOTE_H
#define FLORIN_CLI_REMOTE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    REMOTE_URL_MAX = 1024,
    REMOTE_PATH_MAX = 512, /* with its query */
    REMOTE_ERROR_MAX = 256,
    /* Above every answer of the API: a page of history with all its legs, keys and metadata. */
    REMOTE_BODY_MAX = 16 * 1024 * 1024,
    REMOTE_BODY_FIRST = 64 * 1024,
    /* Above the server's longest commit deadline in practice; a server that is silent for longer
     * is as good as unreachable. */
    REMOTE_TIMEOUT_S = 30,
    /* A download may take hours, but not stand still for longer than this: the server reads at
     * least a block in that time. */
    REMOTE_STALL_S = 60,
};

struct remote {
    void *curl; /* a CURL handle */
    char base[REMOTE_URL_MAX];
    char error[REMOTE_ERROR_MAX];
    char *memory; /* for the bodies of answers */
    size_t capacity;
};

struct remote_answer {
    long status;
    bool too_long;
    size_t length;
    struct remote *remote;
    const char *body; /* terminated; the remote's, until its next call or its end */
};

/* `server`: http://HOST:PORT or unix:PATH. 0; -EINVAL: neither; -ENOMEM. */
__attribute__((warn_unused_result)) int remote_open(struct remote *remote, const char *server);
void remote_close(struct remote *remote);

/* false: no answer came; remote->error says why. `key` NULL: none. Money comes as strings. */
__attribute__((warn_unused_result)) bool remote_get(struct remote *remote, const char *path,
                                                    struct remote_answer *answer);
__attribute__((warn_unused_result)) bool remote_post(struct remote *remote, const char *path,
                                                     const char *key, const char *body,
                                                     size_t body_length,
                                                     struct remote_answer *answer);

/* POST of lines, each a JSON object; their keys are within. */
__attribute__((warn_unused_result)) bool remote_post_lines(struct remote *remote, const char *path,
                                                           const char *lines, size_t length,
                                                           struct remote_answer *answer);
/* PATCH of a JSON body; without a key. */
__attribute__((warn_unused_result)) bool remote_patch(struct remote *remote, const char *path,
                                                      const char *body, size_t body_length,
                                                      struct remote_answer *answer);

/* Takes bytes of a body as they come; false: no more. */
typedef bool remote_sink(void *context, const void *bytes, size_t length);

/* GET of a body of any length, which may come slowly. With status 200 it goes to the sink, else
 * into the answer. false: no answer, it broke off, or the sink wanted no more; remote->error says
 * why. */
__attribute__((warn_unused_result)) bool remote_download(struct remote *remote, const char *path,
                                                         remote_sink *sink, void *context,
                                                         struct remote_answer *answer);

#endif
