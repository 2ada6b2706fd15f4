/* exchange.c - what happens between a request and its answer.
 *
 *     on_request -> route -> headers -> command_request -> parked -> worker_submit()
 *                      \______ refused ______/                            |
 *     exchange_finish <- answer <- result <- worker_reap() <--------------'
 *
 * Guarantees: everything is parsed before a request is parked, since its memory may move or go;
 * each request gets exactly one answer. It must not know how the engine works.
 */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>

#include "answer_call.h"
#include "batch.h"
#include "command_request.h"
#include "exchange_internal.h"
#include "history_exchange.h"
#include "list_exchange.h"
#include "recovery_progress.h"
#include "request_headers.h"
#include "respond.h"
#include "reversal_exchange.h"
#include "withdraw.h"

struct exchange_handler {
    h2o_handler_t super;
    struct http_worker *worker;
};

void exchange_send(struct http_worker *worker, enum route route, h2o_req_t *request,
                   const struct answer *answer)
{
    metrics_count_answer(&worker->metrics, route, answer->status, answer->code);
    if (request == NULL)
        metrics_count(&worker->metrics.clients_lost);
    else
        respond(request, answer);
}

void exchange_refuse(struct exchange *exchange, enum error_code code)
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
    exchange_send(exchange->worker, exchange->match.route, exchange->request, &answer);
}

void exchange_refuse_fault(struct exchange *exchange, const struct request_fault *fault)
{
    struct answer answer;
    if (exchange->match.route == ROUTE_WITHDRAW)
        withdraw_refuse(&answer, ERROR_INVALID_REQUEST);
    else
        answer_fault(&answer, fault, &exchange->style);
    exchange_send(exchange->worker, exchange->match.route, exchange->request, &answer);
}

static struct recovery_progress progress_of(const struct exchange *exchange)
{
    struct recovery_progress progress;
    struct ledger_progress figures = ledger_progress(exchange->worker->server->options.ledger);
    recovery_progress_of(&figures, &progress);
    return progress;
}

void exchange_refuse_recovering(struct exchange *exchange)
{
    struct answer answer;
    struct recovery_progress progress = progress_of(exchange);
    if (exchange->match.route == ROUTE_WITHDRAW)
        withdraw_refuse(&answer, ERROR_RECOVERING);
    else if (exchange->match.route == ROUTE_READYZ)
        answer_not_ready(&answer, &progress, &exchange->style);
    else
        answer_recovering(&answer, &progress, &exchange->style);
    exchange_send(exchange->worker, exchange->match.route, exchange->request, &answer);
}

/* What is refused while the ledger is not at work; whether it is. */
bool exchange_check_ready(struct exchange *exchange)
{
    switch (ledger_state(exchange->worker->server->options.ledger)) {
    case LEDGER_READY:
        return true;
    case LEDGER_RECOVERING:
        exchange_refuse_recovering(exchange);
        return false;
    case LEDGER_STOPPING:
        exchange_refuse(exchange, ERROR_STOPPING);
        return false;
    case LEDGER_FAILED:
        exchange_refuse(exchange, ERROR_UNHEALTHY);
        return false;
    }
    abort(); /* not a state */
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
    exchange_send(exchange->worker, exchange->match.route, exchange->request, &answer);
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

/* A posting's accounts outlive the parsing of its body: they go into the request's own memory. */
static void keep_legs(h2o_req_t *request, struct request_echo *echo)
{
    if (echo->legs == NULL)
        return;
    size_t bytes = echo->leg_count * sizeof(*echo->legs);
    struct named_account *kept = h2o_mem_alloc_pool(&request->pool, bytes);
    memcpy(kept, echo->legs, bytes);
    echo->legs = kept;
}

/* One whose account is not known yet. */
static void submit_reversal(struct exchange *exchange, const struct command_request *asked)
{
    enum error_code code =
        reversal_exchange_begin(exchange->worker, exchange->request, &exchange->style, asked);
    if (code != ERROR_NONE)
        exchange_refuse(exchange, code);
}

/* Parks the request and hands its command over. */
static void submit(struct exchange *exchange, struct command_request *asked)
{
    struct http_worker *worker = exchange->worker;
    struct florin_command *command = &asked->command;
    if (ledger_state(worker->server->options.ledger) == LEDGER_RECOVERING) {
        exchange_refuse_recovering(exchange);
        return;
    }
    if (command->kind == FLORIN_REVERSE) {
        submit_reversal(exchange, asked);
        return;
    }
    struct parked_request *entry = parked_add(&worker->parked, exchange->request);
    if (entry == NULL) {
        exchange_refuse(exchange, ERROR_TOO_MANY_REQUESTS);
        return;
    }
    entry->route = exchange->match.route;
    entry->style = exchange->style;
    entry->echo = asked->echo;
    keep_legs(exchange->request, &entry->echo);
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

bool exchange_is_read(const struct exchange *exchange)
{
    const h2o_iovec_t *method = &exchange->request->method;
    return h2o_memis(method->base, method->len, H2O_STRLIT("GET")) ||
           h2o_memis(method->base, method->len, H2O_STRLIT("HEAD"));
}

/* What the engine is for: one command. */
static void ask(struct exchange *exchange)
{
    struct command_request asked;
    struct request_fault fault;
    const struct command_source source = {
        .match = &exchange->match,
        .is_read = exchange_is_read(exchange),
        .flags = exchange->flags,
        .headers = &exchange->headers,
        .body = exchange->request->entity.base,
        .body_length = exchange->request->entity.len,
    };
    if (command_request_read(&asked, &source, &fault))
        submit(exchange, &asked);
    else
        exchange_refuse_fault(exchange, &fault);
}

/* Its items have versions of their own, and keys unless they are one command. */
static bool check_batch_headers(const struct exchange *exchange, struct request_fault *fault)
{
    if (exchange->headers.has_key && !exchange->flags.atomic)
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
        exchange_refuse_fault(exchange, &fault);
    else if (ledger_state(worker->server->options.ledger) == LEDGER_RECOVERING)
        exchange_refuse_recovering(exchange);
    else if (!batch_start(worker, exchange->request, &exchange->style, exchange->flags,
                          &exchange->headers))
        exchange_refuse(exchange, ERROR_TOO_MANY_REQUESTS);
}

static bool read_query(struct exchange *exchange, struct request_fault *fault)
{
    const h2o_req_t *request = exchange->request;
    size_t start = request->query_at == SIZE_MAX ? request->path.len : request->query_at + 1;
    bool read =
        command_flags_parse(&exchange->flags, exchange->match.route, exchange_is_read(exchange),
                            request->path.base + start, request->path.len - start, fault);
    exchange->style.dry_run = read && exchange->flags.dry_run;
    return read;
}

/* What can be judged before the body is read; whether it is well. */
static bool check_request(struct exchange *exchange)
{
    const h2o_req_t *request = exchange->request;
    const struct route_match *match = &exchange->match;
    struct request_fault fault;
    bool takes_body = match->route != ROUTE_CHECKPOINT && !exchange_is_read(exchange);
    /* The end of a hold and a reversal have nothing that they must say. */
    bool needs_body =
        match->subject != ROUTE_SUBJECT_HOLD && match->subject != ROUTE_SUBJECT_TRANSACTION;
    enum request_content content = exchange->headers.content;
    bool takes_content = content == REQUEST_CONTENT_JSON ||
                         (match->route == ROUTE_BATCH && content != REQUEST_CONTENT_FOREIGN);
    if (request->entity.len > route_body_max(match->route)) {
        exchange_refuse(exchange, ERROR_PAYLOAD_TOO_LARGE);
        return false;
    }
    if (takes_body && !takes_content && (needs_body || request->entity.len > 0)) {
        exchange_refuse(exchange, ERROR_UNSUPPORTED_MEDIA_TYPE);
        return false;
    }
    bool well = read_query(exchange, &fault) && request_headers_check(&exchange->headers, &fault);
    if (well && match->route == ROUTE_CHECKPOINT && request->entity.len > 0)
        well = request_fault_set(&fault, "body", "This call takes no body");
    if (well && match->subject == ROUTE_SUBJECT_HOLD && match->account_length == 0) {
        exchange_refuse(exchange, ERROR_HOLD_NOT_FOUND);
        return false;
    }
    if (well && match->subject == ROUTE_SUBJECT_ACCOUNT && match->account_length == 0)
        well = request_fault_set(&fault, "accountId", "%s",
                                 florin_status_message(FLORIN_INVALID_ACCOUNT_ID));
    if (!well)
        exchange_refuse_fault(exchange, &fault);
    return well;
}

static bool asks_of_the_past(const struct exchange *exchange)
{
    const h2o_req_t *request = exchange->request;
    enum route route = exchange->match.route;
    bool has_query = request->query_at != SIZE_MAX && request->query_at + 1 < request->path.len;
    return route == ROUTE_TRANSACTION ||
           (route == ROUTE_TRANSACTIONS && exchange_is_read(exchange)) ||
           (route == ROUTE_BALANCE && has_query);
}

static void dispatch(struct exchange *exchange)
{
    if (asks_of_the_past(exchange)) {
        exchange_ask_history(exchange);
        return;
    }
    if (exchange->match.route == ROUTE_ACCOUNTS && exchange_is_read(exchange)) {
        exchange_list_accounts(exchange);
        return;
    }
    switch (exchange->match.route) {
    case ROUTE_HEALTHZ:
        exchange_get_health(exchange);
        return;
    case ROUTE_READYZ:
        exchange_get_readiness(exchange);
        return;
    case ROUTE_METRICS:
        exchange_get_metrics(exchange);
        return;
    case ROUTE_ACCOUNT:
    case ROUTE_ACCOUNTS:
    case ROUTE_BALANCE:
    case ROUTE_CAPTURE:
    case ROUTE_HOLDS:
    case ROUTE_POSTINGS:
    case ROUTE_REVERSAL:
    case ROUTE_TRANSACTIONS:
    case ROUTE_TRANSFERS:
    case ROUTE_VOID:
    case ROUTE_WITHDRAW:
        if (check_request(exchange))
            ask(exchange);
        return;
    case ROUTE_BATCH:
        if (check_request(exchange))
            post_batch(exchange);
        return;
    case ROUTE_CHECKPOINT:
        if (check_request(exchange))
            exchange_checkpoint(exchange);
        return;
    case ROUTE_BACKUP:
        if (check_request(exchange) && exchange_check_ready(exchange))
            exchange_backup(exchange);
        return;
    case ROUTE_EVENTS:
        exchange_follow_events(exchange);
        return;
    case ROUTE_TRANSACTION:
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
        exchange_refuse(&exchange, ERROR_NOT_FOUND);
    else if (!route_allows(exchange.match.route, request->method.base, request->method.len))
        exchange_refuse(&exchange, ERROR_METHOD_NOT_ALLOWED);
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

void exchange_finish(struct http_worker *worker, const struct florin_result *result)
{
    struct answer answer;
    if (batch_owns_token(result->user_data)) {
        batches_take(worker, result);
        return;
    }
    struct parked_request *entry = parked_find(&worker->parked, result->user_data);
    enum route route = entry->route;
    if (entry->page != NULL) {
        list_exchange_go_on(worker, entry, result);
        return;
    }
    if (entry->history != NULL) {
        history_exchange_go_on(worker, entry, result);
        return;
    }
    answer_call(&answer, entry->route, result, &entry->echo, &entry->style);
    if (!entry->style.dry_run)
        metrics_count_result(&worker->metrics, result);
    h2o_req_t *request = parked_remove(&worker->parked, entry);
    exchange_send(worker, route, request, &answer);
}
