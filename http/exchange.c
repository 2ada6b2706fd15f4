/* exchange.c - what happens between a request and its answer.
 *
 *     on_request -> route -> headers -> body -> command -> parked -> worker_submit()
 *                      \______ refused ______/                            |
 *     exchange_finish <- answer <- result <- worker_reap() <--------------'
 *
 * Guarantees: everything is parsed before a request is parked, since its memory may move or go;
 * each request gets exactly one answer. It must not know how the engine works.
 */
#include "exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account_request.h"
#include "backup_stream.h"
#include "batch.h"
#include "recovery_progress.h"
#include "request_headers.h"
#include "respond.h"
#include "withdraw.h"

struct exchange_handler {
    h2o_handler_t super;
    struct http_worker *worker;
};

/* A request while it is being read. */
struct exchange {
    struct http_worker *worker;
    h2o_req_t *request;
    struct route_match match;
    struct answer_style style;
    struct transaction_spelling spelling;
    struct request_headers headers;
};

static void send_answer(struct http_worker *worker, enum route route, h2o_req_t *request,
                        const struct answer *answer)
{
    metrics_count_answer(&worker->metrics, route, answer->status, answer->code);
    if (request == NULL)
        metrics_count(&worker->metrics.clients_lost);
    else
        respond(request, answer);
}

static void refuse(struct exchange *exchange, enum error_code code)
{
    struct answer answer;
    if (exchange->match.route == ROUTE_WITHDRAW)
        withdraw_refuse(&answer, code);
    else if (code == ERROR_METHOD_NOT_ALLOWED)
        answer_method_not_allowed(&answer, route_allow(exchange->match.route), &exchange->style);
    else if (code == ERROR_PAYLOAD_TOO_LARGE)
        answer_too_large(&answer, route_body_max(exchange->match.route), &exchange->style);
    else if (code == ERROR_UNSUPPORTED_MEDIA_TYPE)
        answer_unsupported(&answer, route_media_types(exchange->match.route), &exchange->style);
    else
        answer_refuse(&answer, code, &exchange->style);
    if (code == ERROR_METHOD_NOT_ALLOWED)
        answer.allow = route_allow(exchange->match.route);
    send_answer(exchange->worker, exchange->match.route, exchange->request, &answer);
}

static void refuse_fault(struct exchange *exchange, const struct request_fault *fault)
{
    struct answer answer;
    if (exchange->match.route == ROUTE_WITHDRAW)
        withdraw_refuse(&answer, ERROR_INVALID_REQUEST);
    else
        answer_fault(&answer, fault, &exchange->style);
    send_answer(exchange->worker, exchange->match.route, exchange->request, &answer);
}

static struct recovery_progress progress_of(const struct exchange *exchange)
{
    struct recovery_progress progress;
    struct ledger_progress figures = ledger_progress(exchange->worker->server->options.ledger);
    recovery_progress_of(&figures, &progress);
    return progress;
}

static void refuse_recovering(struct exchange *exchange)
{
    struct answer answer;
    struct recovery_progress progress = progress_of(exchange);
    if (exchange->match.route == ROUTE_WITHDRAW)
        withdraw_refuse(&answer, ERROR_RECOVERING);
    else if (exchange->match.route == ROUTE_READYZ)
        answer_not_ready(&answer, &progress, &exchange->style);
    else
        answer_recovering(&answer, &progress, &exchange->style);
    send_answer(exchange->worker, exchange->match.route, exchange->request, &answer);
}

/* What the engine would not take: `code` is an error of florin_status. */
static void refuse_command(struct exchange *exchange, enum error_code code,
                           const struct florin_command *command)
{
    struct answer answer;
    uint64_t version =
        worker_durable_version(exchange->worker->engine, command->account, command->account_length);
    if (exchange->match.route == ROUTE_WITHDRAW)
        withdraw_refuse(&answer, code);
    else
        answer_not_committed(&answer, code, version, &exchange->style);
    send_answer(exchange->worker, exchange->match.route, exchange->request, &answer);
}

static void on_early_input(h2o_socket_t *socket, const char *error)
{
    (void)error; /* a client that has left is noticed when its answer is written */
    h2o_socket_read_stop(socket);
}

/* libh2o has stopped reading for the time of the request, and goes on afterwards: two epoll_ctl() a
 * parked request, 12 % of the server's time. So reading goes on until something does come, which
 * then waits in the input buffer, where libh2o looks when it goes on. Only for requests with a
 * body: those have their headers copied out of that buffer, which may move (http1.c,
 * fixup_request()). */
static void keep_polled(h2o_req_t *request)
{
    if (request->version >= 0x200 || request->entity.len == 0)
        return;
    h2o_socket_t *socket = request->conn->callbacks->get_socket(request->conn);
    if (!h2o_socket_is_reading(socket))
        h2o_socket_read_start(socket, on_early_input);
}

/* Parks the request and hands the command over. */
static void submit(struct exchange *exchange, struct florin_command *command)
{
    struct http_worker *worker = exchange->worker;
    if (ledger_state(worker->server->options.ledger) == LEDGER_RECOVERING) {
        refuse_recovering(exchange);
        return;
    }
    struct parked_request *entry = parked_add(&worker->parked, exchange->request);
    if (entry == NULL) {
        refuse(exchange, ERROR_TOO_MANY_REQUESTS);
        return;
    }
    entry->route = exchange->match.route;
    entry->style = exchange->style;
    entry->spelling = exchange->spelling;
    entry->account_length = (uint8_t)command->account_length;
    memcpy(entry->account, command->account, command->account_length);
    command->user_data = parked_token(&worker->parked, entry);

    enum florin_status status = worker_submit(worker->engine, command);
    if (status != FLORIN_APPLIED) {
        (void)parked_remove(&worker->parked, entry);
        refuse_command(exchange, error_code_of_status(status), command);
        return;
    }
    /* A read of an account at rest has its result now: answering from within the loop's callback
     * saves a turn of the loop. */
    if (command->kind == FLORIN_READ_ACCOUNT)
        (void)http_worker_answer(worker);
    else
        keep_polled(exchange->request);
}

static void read_account(struct exchange *exchange)
{
    struct florin_command command = {
        .kind = FLORIN_READ_ACCOUNT,
        .account = exchange->match.account,
        .account_length = exchange->match.account_length,
    };
    submit(exchange, &command);
}

static void post_transaction(struct exchange *exchange)
{
    struct transaction_request request;
    struct request_fault fault;
    h2o_iovec_t body = exchange->request->entity;
    if (!transaction_request_parse(&request, body.base, body.len, &exchange->headers, &fault)) {
        refuse_fault(exchange, &fault);
        return;
    }
    exchange->spelling = request.spelling;
    struct florin_command command = {
        .kind = request.kind,
        .account = exchange->match.account,
        .account_length = exchange->match.account_length,
        .key = exchange->headers.key,
        .key_length = exchange->headers.key_length,
        .amount_minor = request.amount.digits,
        .amount_is_decimal = true,
        .amount_scale = request.amount.scale,
        .expected_version = request.expected_version,
        .expected_by_precondition = request.expected_by_precondition,
    };
    submit(exchange, &command);
}

static void post_account(struct exchange *exchange)
{
    struct account_request request;
    struct request_fault fault;
    h2o_iovec_t body = exchange->request->entity;
    if (!account_request_parse(&request, body.base, body.len, &exchange->headers, &fault)) {
        refuse_fault(exchange, &fault);
        return;
    }
    struct florin_command command = {
        .kind = FLORIN_OPEN_ACCOUNT,
        .account = request.id,
        .account_length = request.id_length,
        .amount_minor = request.balance_minor,
        .currency = request.currency,
        .currency_length = request.currency_length,
        .minimum_balance_minor = request.minimum_balance_minor,
        .metadata = request.metadata,
        .metadata_length = request.metadata_length,
    };
    submit(exchange, &command);
}

static void post_withdraw(struct exchange *exchange)
{
    struct withdraw_request request;
    struct request_fault fault;
    h2o_iovec_t body = exchange->request->entity;
    if (!withdraw_request_parse(&request, body.base, body.len, &fault)) {
        refuse_fault(exchange, &fault);
        return;
    }
    struct florin_command command = {
        .kind = FLORIN_WITHDRAW,
        .account = request.account,
        .account_length = request.account_length,
        .key = exchange->headers.key,
        .key_length = exchange->headers.key_length,
        .amount_minor = request.amount.digits,
        .amount_is_decimal = true,
        .amount_scale = request.amount.scale,
    };
    submit(exchange, &command);
}

/* Its items have keys and versions of their own. */
static bool check_batch_headers(const struct exchange *exchange, struct request_fault *fault)
{
    if (exchange->headers.has_key)
        return request_fault_set(fault, "Idempotency-Key",
                                 "Each item of a batch has a key of its own");
    if (exchange->headers.has_if_match)
        return request_fault_set(fault, "If-Match",
                                 "Each item of a batch has a version of its own");
    return true;
}

static void post_batch(struct exchange *exchange)
{
    struct http_worker *worker = exchange->worker;
    struct request_fault fault;
    if (!check_batch_headers(exchange, &fault))
        refuse_fault(exchange, &fault);
    else if (ledger_state(worker->server->options.ledger) == LEDGER_RECOVERING)
        refuse_recovering(exchange);
    else if (!batch_start(worker, exchange->request, &exchange->style, exchange->headers.content))
        refuse(exchange, ERROR_TOO_MANY_REQUESTS);
}

static void answer_status(struct exchange *exchange, const char *status)
{
    struct answer answer;
    answer_init(&answer, 200);
    json_text_raw(&answer.body, "{", 1);
    json_text_member_string(&answer.body, "status", status);
    json_text_raw(&answer.body, "}", 1);
    send_answer(exchange->worker, exchange->match.route, exchange->request, &answer);
}

static void get_health(struct exchange *exchange)
{
    if (ledger_is_healthy(exchange->worker->server->options.ledger))
        answer_status(exchange, "ok");
    else
        refuse(exchange, ERROR_UNHEALTHY);
}

static void get_readiness(struct exchange *exchange)
{
    struct server *server = exchange->worker->server;
    enum ledger_state state = ledger_state(server->options.ledger);
    if (state == LEDGER_STOPPING)
        refuse(exchange, ERROR_STOPPING);
    else if (!ledger_is_healthy(server->options.ledger))
        refuse(exchange, ERROR_UNHEALTHY);
    else if (state == LEDGER_RECOVERING || !server_is_ready(server))
        refuse_recovering(exchange);
    else
        answer_status(exchange, "ready");
}

static bool is_post(const struct exchange *exchange)
{
    const h2o_iovec_t *method = &exchange->request->method;
    return h2o_memis(method->base, method->len, H2O_STRLIT("POST"));
}

/* What is refused while the ledger is not at work; whether it is. */
static bool check_ready(struct exchange *exchange)
{
    switch (ledger_state(exchange->worker->server->options.ledger)) {
    case LEDGER_READY:
        return true;
    case LEDGER_RECOVERING:
        refuse_recovering(exchange);
        return false;
    case LEDGER_STOPPING:
        refuse(exchange, ERROR_STOPPING);
        return false;
    case LEDGER_FAILED:
        refuse(exchange, ERROR_UNHEALTHY);
        return false;
    }
    abort(); /* not a state */
}

static void checkpoint(struct exchange *exchange)
{
    struct answer answer;
    struct ledger_keeper_statistics figures;
    uint64_t number;
    struct florin *ledger = exchange->worker->server->options.ledger;
    if (!check_ready(exchange))
        return;
    if (!is_post(exchange)) {
        ledger_keeper_statistics(ledger, &figures);
        answer_checkpoints(&answer, &figures);
    } else if (ledger_request_checkpoint(ledger, &number) == 0) {
        answer_checkpoint_begun(&answer, number);
    } else {
        refuse(exchange, florin_failed(ledger) == 0 ? ERROR_STOPPING : ERROR_UNHEALTHY);
        return;
    }
    send_answer(exchange->worker, exchange->match.route, exchange->request, &answer);
}

static void backup(struct exchange *exchange)
{
    int error = backup_stream_start(exchange->worker, exchange->request, &exchange->style);
    if (error == -EBUSY)
        refuse(exchange, ERROR_TOO_MANY_REQUESTS);
    else if (error != 0)
        refuse(exchange, ERROR_BACKUP_FAILED);
}

static void get_metrics(struct exchange *exchange)
{
    struct server *server = exchange->worker->server;
    size_t length;
    char *page =
        metrics_page(server->metrics, server->worker_count, server->options.ledger, &length);
    if (page == NULL) {
        refuse(exchange, ERROR_UNHEALTHY);
        return;
    }
    metrics_count_answer(&exchange->worker->metrics, exchange->match.route, 200, ERROR_NONE);
    respond_text(exchange->request, "text/plain; version=0.0.4; charset=utf-8", page, length);
    free(page);
}

/* A parameter that is not understood must not be ignored: with ?dryRun=true a client expects that
 * nothing is changed. */
static bool has_query(const h2o_req_t *request, struct request_fault *fault)
{
    char name[REQUEST_FIELD_MAX + 1] = "query";
    if (request->query_at == SIZE_MAX || request->query_at + 1 >= request->path.len)
        return false;
    const char *query = request->path.base + request->query_at + 1;
    size_t length = request->path.len - request->query_at - 1;
    size_t named = 0;
    while (named < length && query[named] > 0x20 && query[named] < 0x7f &&
           strchr("=&%\"\\", query[named]) == NULL)
        named++;
    if (named > 0 && named < sizeof(name)) {
        memcpy(name, query, named);
        name[named] = '\0';
    }
    (void)request_fault_set(fault, name, "Unknown query parameter \"%s\"", name);
    return true;
}

/* What can be judged before the body is read; whether it is well. */
static bool check_request(struct exchange *exchange)
{
    const h2o_req_t *request = exchange->request;
    struct request_fault fault;
    bool takes_body = exchange->match.route != ROUTE_CHECKPOINT && is_post(exchange);
    bool takes_content = exchange->headers.content == REQUEST_CONTENT_JSON ||
                         (exchange->match.route == ROUTE_BATCH &&
                          exchange->headers.content != REQUEST_CONTENT_FOREIGN);
    if (request->entity.len > route_body_max(exchange->match.route)) {
        refuse(exchange, ERROR_PAYLOAD_TOO_LARGE);
        return false;
    }
    if (takes_body && !takes_content) {
        refuse(exchange, ERROR_UNSUPPORTED_MEDIA_TYPE);
        return false;
    }
    bool well = !has_query(request, &fault) && request_headers_check(&exchange->headers, &fault);
    bool needs_id = exchange->match.route == ROUTE_ACCOUNT ||
                    exchange->match.route == ROUTE_BALANCE ||
                    exchange->match.route == ROUTE_TRANSACTIONS;
    if (well && exchange->match.route == ROUTE_CHECKPOINT && request->entity.len > 0)
        well = request_fault_set(&fault, "body", "This call takes no body");
    if (well && needs_id && exchange->match.account_length == 0)
        well = request_fault_set(&fault, "accountId", "%s",
                                 florin_status_message(FLORIN_INVALID_ACCOUNT_ID));
    if (!well)
        refuse_fault(exchange, &fault);
    return well;
}

static void dispatch(struct exchange *exchange)
{
    switch (exchange->match.route) {
    case ROUTE_HEALTHZ:
        get_health(exchange);
        return;
    case ROUTE_READYZ:
        get_readiness(exchange);
        return;
    case ROUTE_METRICS:
        get_metrics(exchange);
        return;
    case ROUTE_ACCOUNT:
    case ROUTE_BALANCE:
        if (check_request(exchange))
            read_account(exchange);
        return;
    case ROUTE_ACCOUNTS:
        if (check_request(exchange))
            post_account(exchange);
        return;
    case ROUTE_TRANSACTIONS:
        if (check_request(exchange))
            post_transaction(exchange);
        return;
    case ROUTE_WITHDRAW:
        if (check_request(exchange))
            post_withdraw(exchange);
        return;
    case ROUTE_BATCH:
        if (check_request(exchange))
            post_batch(exchange);
        return;
    case ROUTE_CHECKPOINT:
        if (check_request(exchange))
            checkpoint(exchange);
        return;
    case ROUTE_BACKUP:
        if (check_request(exchange) && check_ready(exchange))
            backup(exchange);
        return;
    case ROUTE_NONE:
    case ROUTE_COUNT:
        break;
    }
    abort(); /* a route without a handler */
}

static int on_request(h2o_handler_t *self, h2o_req_t *request)
{
    struct exchange exchange;
    exchange.worker = ((struct exchange_handler *)self)->worker;
    exchange.request = request;
    exchange.spelling = (struct transaction_spelling){0};
    size_t path_length = request->query_at == SIZE_MAX ? request->path.len : request->query_at;
    route_find(request->path.base, path_length, &exchange.match);
    request_headers_init(&exchange.headers);
    for (size_t i = 0; i < request->headers.size; i++) {
        const h2o_header_t *header = &request->headers.entries[i];
        request_headers_add(&exchange.headers, header->name->base, header->name->len,
                            header->value.base, header->value.len);
    }
    exchange.style = (struct answer_style){
        .money_as_string = exchange.headers.money_as_string,
        .problem = exchange.headers.wants_problem,
        .reject_duplicates = exchange.worker->server->options.reject_duplicates,
    };
    if (exchange.match.route == ROUTE_NONE)
        refuse(&exchange, ERROR_NOT_FOUND);
    else if (!route_allows(exchange.match.route, request->method.base, request->method.len))
        refuse(&exchange, ERROR_METHOD_NOT_ALLOWED);
    else
        dispatch(&exchange);
    return 0;
}

void exchange_register(struct http_worker *worker, h2o_pathconf_t *path)
{
    struct exchange_handler *handler =
        (struct exchange_handler *)h2o_create_handler(path, sizeof(*handler));
    handler->super.on_req = on_request;
    handler->worker = worker;
}

static void build_answer(struct answer *answer, const struct parked_request *entry,
                         const struct florin_result *result)
{
    switch (entry->route) {
    case ROUTE_BALANCE:
        answer_balance(answer, result, &entry->style);
        return;
    case ROUTE_ACCOUNT:
    case ROUTE_ACCOUNTS:
        answer_account(answer, result, entry->account, entry->account_length, &entry->style);
        return;
    case ROUTE_TRANSACTIONS:
        answer_transaction(answer, result, entry->spelling, &entry->style);
        return;
    case ROUTE_WITHDRAW:
        withdraw_answer(answer, result, entry->account, entry->account_length);
        return;
    case ROUTE_NONE:
    case ROUTE_BATCH:
    case ROUTE_HEALTHZ:
    case ROUTE_READYZ:
    case ROUTE_METRICS:
    case ROUTE_CHECKPOINT:
    case ROUTE_BACKUP:
    case ROUTE_COUNT:
        break;
    }
    abort(); /* a route that parks nothing */
}

void exchange_finish(struct http_worker *worker, const struct florin_result *result)
{
    struct answer answer;
    if (batch_owns_token(result->user_data)) {
        batches_take(worker, result);
        return;
    }
    struct parked_request *entry = parked_find(&worker->parked, result->user_data);
    enum route route = entry->route;
    build_answer(&answer, entry, result);
    metrics_count_result(&worker->metrics, result);
    h2o_req_t *request = parked_remove(&worker->parked, entry);
    send_answer(worker, route, request, &answer);
}
