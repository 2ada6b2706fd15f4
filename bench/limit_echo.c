/* limit_echo.c - what the front end gives: bare libh2o, the same requests and answers, no ledger.
 *
 * A POST's body is parsed with cJSON and its members are looked up, then a 201 with a body of the
 * size of florind's is sent; a GET gets a body of the size of a balance. One thread a worker, each
 * with its own listening socket (SO_REUSEPORT) and event loop, as florind has them. Nothing is
 * kept, nothing is durable: the difference to florind's figures is what the ledger costs.
 *
 * It ends when it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <h2o.h>

#include "measure.h"

enum {
    WORKERS_MAX = 64,
    BACKLOG = 1024,
};

/* Owned by its thread. */
struct worker {
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    uint16_t port;
};

static const char created_body[] =
    "{\"id\":\"txn1311234\",\"type\":\"Deposit\",\"amount\":1.00,\"newBalance\":14400.00,"
    "\"newVersion\":14388,\"timestamp\":\"2025-05-02T10:24:02Z\"}";
static const char balance_body[] = "{\"balance\":14400.00,\"version\":14388}";
static const char refused_body[] = "{\"error\":\"Invalid request\",\"code\":\"invalid_request\"}";

static void usage(FILE *out)
{
    fputs("Usage: limit_echo [--port N] [--workers N]\n"
          "\n"
          "Answers on 127.0.0.1 as florind does, without a ledger, until it is killed.\n"
          "\n"
          "  --port N      default 5099\n"
          "  --workers N   threads (default 1)\n",
          out);
}

static int answer(h2o_req_t *request, int status, const char *reason, const char *body,
                  size_t length)
{
    request->res.status = status;
    request->res.reason = reason;
    request->res.content_length = length;
    h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL,
                   H2O_STRLIT("application/json"));
    h2o_send_inline(request, body, length);
    return 0;
}

static bool body_is_a_transaction(const h2o_req_t *request)
{
    cJSON *root = cJSON_ParseWithLength(request->entity.base, request->entity.len);
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(root, "type");
    const cJSON *amount = cJSON_GetObjectItemCaseSensitive(root, "amount");
    bool valid = cJSON_IsString(type) && cJSON_IsNumber(amount);
    cJSON_Delete(root);
    return valid;
}

static int on_request(h2o_handler_t *handler, h2o_req_t *request)
{
    (void)handler;
    if (h2o_memis(request->method.base, request->method.len, H2O_STRLIT("GET")))
        return answer(request, 200, "OK", balance_body, sizeof(balance_body) - 1);
    if (!body_is_a_transaction(request))
        return answer(request, 400, "Bad Request", refused_body, sizeof(refused_body) - 1);
    return answer(request, 201, "Created", created_body, sizeof(created_body) - 1);
}

static void on_accept(h2o_socket_t *listener, const char *error)
{
    struct worker *worker = listener->data;
    if (error != NULL)
        return;
    h2o_socket_t *socket = h2o_evloop_socket_accept(listener);
    if (socket != NULL)
        h2o_accept(&worker->accept, socket);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(port),
    };
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, BACKLOG) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    h2o_config_init(&worker->config);
    worker->config.http1.upgrade_to_http2 = 0;
    h2o_hostconf_t *host =
        h2o_config_register_host(&worker->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    h2o_handler_t *handler = h2o_create_handler(path, sizeof(*handler));
    handler->on_req = on_request;
    h2o_context_init(&worker->context, h2o_evloop_create(), &worker->config);
    worker->accept.ctx = &worker->context;
    worker->accept.hosts = worker->config.hosts;

    int fd = listen_on(worker->port);
    measure_check("listen", fd >= 0 ? 0 : fd);
    h2o_socket_t *listener =
        h2o_evloop_socket_create(worker->context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    listener->data = worker;
    h2o_socket_read_start(listener, on_accept);
    /* The loop also returns when a signal interrupted it. */
    for (;;)
        (void)h2o_evloop_run(worker->context.loop, INT32_MAX);
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"workers", required_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    uint16_t port = 5099;
    unsigned workers = 1;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            port = (uint16_t)measure_parse_number("--port", optarg, 1, UINT16_MAX);
            break;
        case 'w':
            workers = (unsigned)measure_parse_number("--workers", optarg, 1, WORKERS_MAX);
            break;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 64;
        }
    }

    signal(SIGPIPE, SIG_IGN);
    struct worker *all = calloc(workers, sizeof(*all));
    measure_check("memory", all != NULL ? 0 : -ENOMEM);
    pthread_t threads[WORKERS_MAX];
    for (unsigned i = 0; i < workers; i++) {
        all[i].port = port;
        measure_check("thread", -pthread_create(&threads[i], NULL, run_worker, &all[i]));
    }
    for (unsigned i = 0; i < workers; i++)
        pthread_join(threads[i], NULL);
    free(all);
    return 0;
}
