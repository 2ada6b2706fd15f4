/* batch.c - durable deposits or transfers through POST /batch: what a florind takes in bulk.
 *
 * Opens --accounts accounts at a running florind, then sends batches of deposits to accounts drawn
 * at random, or of transfers between two of them, each with a key of its own, on some connections
 * for some seconds. A connection is a thread that sends a batch and reads its answer before it
 * makes the next. The bodies are made once; only ids and keys are written anew, so that the load
 * takes little of the cores that it shares with the server. Every result is looked at: what is not
 * applied counts as refused.
 *
 * It must not know more of the server than its API.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "florin_limits.h"
#include "measure.h"

enum {
    CONNECTIONS_MAX = 256,
    HEAD_BYTES = 4096,
    /* Of an answer: what a result may take at most, well above what a deposit's does. */
    RESULT_BYTES_MAX = 512,
    ENTRY_BYTES = 128,
    RESULT_BYTES = 40,
    OPENERS = 64,
};

enum form { FORM_JSON, FORM_NDJSON, FORM_BINARY };

static const struct {
    const char *name;
    const char *type;
} forms[] = {
    [FORM_JSON] = {"json", "application/json"},
    [FORM_NDJSON] = {"ndjson", "application/x-ndjson"},
    [FORM_BINARY] = {"binary", "application/vnd.florin.batch"},
};

/* What an item does, where its accounts are in the text, and the entry's number for it. */
static const struct {
    const char *name;
    const char *item;
    const char *account;
    const char *counterparty; /* NULL: none */
    char number;
} kinds[] = {
    {"deposit",
     "{\"type\":\"Deposit\",\"account\":\"................\","
     "\"amount\":\"1.00\",\"key\":\"................\"}",
     "\"account\":\"", NULL, 1},
    {"transfer",
     "{\"type\":\"Transfer\",\"from\":\"................\",\"to\":\"................\","
     "\"amount\":\"0.01\",\"key\":\"................\"}",
     "\"from\":\"", "\"to\":\"", 5},
};

struct arguments {
    enum form form;
    unsigned kind;
    uint16_t port;
    uint32_t size;
    uint32_t connections;
    uint32_t seconds;
    uint64_t accounts;
};

struct connection {
    /* Set at start, then read-only. */
    const struct arguments *arguments;
    unsigned number;
    uint64_t end_ns;
    uint64_t run; /* makes the keys of this run new */

    /* Owned by the thread. */
    int descriptor;
    char *body;
    size_t body_bytes;
    size_t item_bytes;
    char *answer;
    size_t answer_bytes;
    uint64_t random;
    uint64_t keys;
    uint64_t batches;
    uint64_t applied;
    uint64_t refused;
    struct histogram latency;
};

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(port),
    };
    int on = 1;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    measure_check("socket", descriptor < 0 ? -errno : 0);
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0)
        measure_fail("connect", -errno);
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return descriptor;
}

static void send_all(int descriptor, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(descriptor, bytes, length, MSG_NOSIGNAL);
        if (sent < 0)
            measure_fail("send", -errno);
        bytes += sent;
        length -= (size_t)sent;
    }
}

/* Reads one answer whose body fits; returns its status, *length the body's. */
static int receive(int descriptor, char *body, size_t capacity, size_t *length)
{
    char head[HEAD_BYTES + 1];
    size_t got = 0;
    const char *end = NULL;
    while (end == NULL) {
        ssize_t count = recv(descriptor, head + got, HEAD_BYTES - got, 0);
        if (count <= 0)
            measure_fail("recv", count < 0 ? -errno : -EPIPE);
        got += (size_t)count;
        head[got] = '\0';
        end = memmem(head, got, "\r\n\r\n", 4);
    }
    size_t early = got - (size_t)(end + 4 - head);
    const char *field = strcasestr(head, "\r\ncontent-length:");
    *length = field == NULL ? SIZE_MAX : strtoul(field + strlen("\r\ncontent-length:"), NULL, 10);
    if (*length > capacity || early > *length)
        measure_fail("answer", -EMSGSIZE);
    memcpy(body, end + 4, early);
    for (size_t done = early; done < *length;) {
        ssize_t count = recv(descriptor, body + done, *length - done, 0);
        if (count <= 0)
            measure_fail("recv", count < 0 ? -errno : -EPIPE);
        done += (size_t)count;
    }
    return (int)strtol(head + strlen("HTTP/1.1 "), NULL, 10);
}

/* --- accounts ------------------------------------------------------------------------------- */

static void *open_accounts(void *argument)
{
    struct connection *connection = argument;
    int descriptor = connect_to(connection->arguments->port);
    char answer[HEAD_BYTES];
    for (uint64_t i = connection->number; i < connection->arguments->accounts; i += OPENERS) {
        char id[MEASURE_HEX_BYTES];
        char request[256];
        size_t length;
        measure_write_hex(id, i);
        int count = snprintf(request, sizeof(request),
                             "POST /accounts HTTP/1.1\r\nHost: bench\r\nContent-Length: 43\r\n\r\n"
                             "{\"id\":\"%.16s\",\"balance\":1000000}",
                             id);
        send_all(descriptor, request, (size_t)count);
        int status = receive(descriptor, answer, sizeof(answer), &length);
        if (status != 200 && status != 201)
            measure_fail("opening an account", -EPROTO);
    }
    close(descriptor);
    return NULL;
}

/* --- batches -------------------------------------------------------------------------------- */

static void make_body(struct connection *connection)
{
    uint32_t size = connection->arguments->size;
    bool binary = connection->arguments->form == FORM_BINARY;
    const char *item_text = kinds[connection->arguments->kind].item;
    size_t text_bytes = strlen(item_text) + 1; /* and a separator */
    connection->item_bytes = binary ? ENTRY_BYTES : text_bytes;
    connection->body_bytes = size * connection->item_bytes + (binary ? 0 : 1);
    connection->answer_bytes = size * (binary ? RESULT_BYTES : (size_t)RESULT_BYTES_MAX) + 2;
    connection->body = calloc(1, connection->body_bytes);
    connection->answer = malloc(connection->answer_bytes);
    measure_check("memory", connection->body == NULL || connection->answer == NULL ? -ENOMEM : 0);
    char *at = connection->body;
    if (!binary) {
        bool array = connection->arguments->form == FORM_JSON;
        *at++ = array ? '[' : '\n';
        for (uint32_t i = 0; i < size; i++, at += text_bytes) {
            memcpy(at, item_text, text_bytes - 1);
            at[text_bytes - 1] = array ? ',' : '\n';
        }
        at[-1] = array ? ']' : '\n';
        return;
    }
    for (uint32_t i = 0; i < size; i++, at += ENTRY_BYTES) {
        bool is_transfer = kinds[connection->arguments->kind].counterparty != NULL;
        at[0] = kinds[connection->arguments->kind].number;
        at[2] = MEASURE_HEX_BYTES;
        at[3] = is_transfer ? MEASURE_HEX_BYTES : 0;
        at[4] = MEASURE_HEX_BYTES;
        at[8] = 100;
    }
}

/* Where a value begins in an item of a body, which begins with a bracket or line end. */
static size_t place_behind(const char *text, const char *name)
{
    return 1 + (size_t)(strstr(text, name) - text) + strlen(name);
}

static void renew_body(struct connection *connection)
{
    bool binary = connection->arguments->form == FORM_BINARY;
    const char *text = kinds[connection->arguments->kind].item;
    const char *counterparty = kinds[connection->arguments->kind].counterparty;
    uint64_t accounts = connection->arguments->accounts;
    size_t account_at =
        binary ? 32 : place_behind(text, kinds[connection->arguments->kind].account);
    size_t key_at = binary ? 32 + MEASURE_HEX_BYTES : place_behind(text, "\"key\":\"");
    size_t counterparty_at = key_at;
    if (counterparty != NULL && binary)
        key_at += MEASURE_HEX_BYTES;
    else if (counterparty != NULL)
        counterparty_at = place_behind(text, counterparty);
    for (uint32_t i = 0; i < connection->arguments->size; i++) {
        char *item = connection->body + i * connection->item_bytes;
        uint64_t account = measure_random(&connection->random) % accounts;
        measure_write_hex(item + account_at, account);
        if (counterparty != NULL) /* another one */
            measure_write_hex(item + counterparty_at,
                              (account + 1 + measure_random(&connection->random) % (accounts - 1)) %
                                  accounts);
        measure_write_hex(item + key_at, connection->run << 48 |
                                             (uint64_t)connection->number << 40 |
                                             connection->keys++);
    }
}

static uint64_t count_applied(const struct connection *connection, size_t length)
{
    uint64_t applied = 0;
    if (connection->arguments->form == FORM_BINARY) {
        for (size_t at = 0; at < length; at += RESULT_BYTES)
            applied += connection->answer[at] == 0 && connection->answer[at + 1] == 0;
        return applied;
    }
    static const char wanted[] = "\"status\":201";
    const char *rest = connection->answer;
    const char *end = rest + length;
    const char *found;
    while ((found = memmem(rest, (size_t)(end - rest), wanted, sizeof(wanted) - 1)) != NULL) {
        applied++;
        rest = found + sizeof(wanted) - 1;
    }
    return applied;
}

static void *run(void *argument)
{
    struct connection *connection = argument;
    const struct arguments *arguments = connection->arguments;
    char head[256];
    make_body(connection);
    connection->descriptor = connect_to(arguments->port);
    int head_length = snprintf(head, sizeof(head),
                               "POST /batch HTTP/1.1\r\nHost: bench\r\nContent-Type: %s\r\n"
                               "Content-Length: %zu\r\n\r\n",
                               forms[arguments->form].type, connection->body_bytes);
    while (measure_now_ns() < connection->end_ns) {
        size_t length;
        renew_body(connection);
        uint64_t began_ns = measure_now_ns();
        send_all(connection->descriptor, head, (size_t)head_length);
        send_all(connection->descriptor, connection->body, connection->body_bytes);
        int status =
            receive(connection->descriptor, connection->answer, connection->answer_bytes, &length);
        histogram_add(&connection->latency, measure_now_ns() - began_ns, 1);
        uint64_t applied = status == 200 ? count_applied(connection, length) : 0;
        connection->batches++;
        connection->applied += applied;
        connection->refused += arguments->size - applied;
    }
    close(connection->descriptor);
    free(connection->body);
    free(connection->answer);
    return NULL;
}

static void run_threads(struct connection *connections, unsigned count, void *(*body)(void *))
{
    pthread_t threads[CONNECTIONS_MAX];
    for (unsigned i = 0; i < count; i++)
        measure_check("thread", -pthread_create(&threads[i], NULL, body, &connections[i]));
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void report(const struct arguments *arguments, const struct connection *connections,
                   double seconds, double cpu_seconds)
{
    static struct histogram latency;
    uint64_t batches = 0;
    uint64_t applied = 0;
    uint64_t refused = 0;
    for (unsigned i = 0; i < arguments->connections; i++) {
        batches += connections[i].batches;
        applied += connections[i].applied;
        refused += connections[i].refused;
        histogram_merge(&latency, &connections[i].latency);
    }
    printf("batch form=%s kind=%s size=%u connections=%u seconds=%.2f batches=%llu applied=%llu "
           "refused=%llu per_second=%.0f p50_us=%.0f p99_us=%.0f load_cpu=%.2f\n",
           forms[arguments->form].name, kinds[arguments->kind].name, arguments->size,
           arguments->connections, seconds, (unsigned long long)batches,
           (unsigned long long)applied, (unsigned long long)refused, (double)applied / seconds,
           (double)histogram_percentile(&latency, 50) / 1e3,
           (double)histogram_percentile(&latency, 99) / 1e3, cpu_seconds / seconds);
}

static void usage(FILE *out)
{
    fputs("Usage: batch [OPTION...]\n"
          "\n"
          "Sends batches to a florind on 127.0.0.1 and prints transactions a second.\n"
          "\n"
          "  --form json|ndjson|binary   default json\n"
          "  --kind deposit|transfer     default deposit\n"
          "  --size N                    items of a batch, 1 to 8192 (default 1000)\n"
          "  --connections N             default 4\n"
          "  --seconds N                 default 3\n"
          "  --accounts N                opened first (default 10000)\n"
          "  --port N                    default 5000\n",
          out);
}

static enum form parse_form(const char *text)
{
    for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strcmp(text, forms[i].name) == 0)
            return (enum form)i;
    }
    usage(stderr);
    exit(64);
}

static unsigned parse_kind(const char *text)
{
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(text, kinds[i].name) == 0)
            return i;
    }
    usage(stderr);
    exit(64);
}

static void parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"form", required_argument, NULL, 'f'},
        {"kind", required_argument, NULL, 'k'},
        {"size", required_argument, NULL, 's'},
        {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 't'},
        {"accounts", required_argument, NULL, 'a'},
        {"port", required_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'f':
            arguments->form = parse_form(optarg);
            break;
        case 'k':
            arguments->kind = parse_kind(optarg);
            break;
        case 's':
            arguments->size =
                (uint32_t)measure_parse_number("--size", optarg, 1, FLORIN_BATCH_ITEMS_MAX);
            break;
        case 'c':
            arguments->connections =
                (uint32_t)measure_parse_number("--connections", optarg, 1, CONNECTIONS_MAX);
            break;
        case 't':
            arguments->seconds = (uint32_t)measure_parse_number("--seconds", optarg, 1, 3600);
            break;
        case 'a':
            arguments->accounts = measure_parse_number("--accounts", optarg, 2, 100000000);
            break;
        case 'p':
            arguments->port = (uint16_t)measure_parse_number("--port", optarg, 1, UINT16_MAX);
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(64);
        }
    }
}

int main(int argc, char **argv)
{
    struct arguments arguments = {
        .form = FORM_JSON,
        .port = 5000,
        .size = 1000,
        .connections = 4,
        .seconds = 3,
        .accounts = 10000,
    };
    parse_arguments(argc, argv, &arguments);
    struct connection *connections = calloc(CONNECTIONS_MAX, sizeof(*connections));
    measure_check("memory", connections == NULL ? -ENOMEM : 0);
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        connections[i] = (struct connection){
            .arguments = &arguments,
            .number = i,
            .run = measure_now_ns() >> 20 & 0xffff,
            .random = 0x9e3779b97f4a7c15U + i,
        };
    static_assert(OPENERS <= CONNECTIONS_MAX, "openers are connections");
    run_threads(connections, OPENERS, open_accounts);
    uint64_t began_ns = measure_now_ns();
    uint64_t cpu_ns = measure_cpu_ns();
    for (unsigned i = 0; i < arguments.connections; i++)
        connections[i].end_ns = began_ns + arguments.seconds * UINT64_C(1000000000);
    run_threads(connections, arguments.connections, run);
    report(&arguments, connections, (double)(measure_now_ns() - began_ns) / 1e9,
           (double)(measure_cpu_ns() - cpu_ns) / 1e9);
    free(connections);
    return 0;
}
