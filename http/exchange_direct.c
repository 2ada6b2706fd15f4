/* exchange_direct.c - calls that are answered without a command: how the server is, its figures,
 * checkpoints, and what other threads read and send (backups, events, the past).
 *
 * Guarantees: none of them waits here. It must not know accounts.
 */
#include <errno.h>
#include <stdlib.h>

#include "backup_stream.h"
#include "event_stream.h"
#include "exchange_internal.h"
#include "history_exchange.h"
#include "history_request.h"
#include "list_exchange.h"
#include "list_request.h"
#include "respond.h"

static void answer_status(struct exchange *exchange, const char *status)
{
    struct answer answer;
    answer_init(&answer, 200);
    json_text_raw(&answer.body, "{", 1);
    json_text_member_string(&answer.body, "status", status);
    json_text_raw(&answer.body, "}", 1);
    exchange_send(exchange->worker, exchange->match.route, exchange->request, &answer);
}

void exchange_get_health(struct exchange *exchange)
{
    if (ledger_is_healthy(exchange->worker->server->options.ledger))
        answer_status(exchange, "ok");
    else
        exchange_refuse(exchange, ERROR_UNHEALTHY);
}

void exchange_get_readiness(struct exchange *exchange)
{
    struct server *server = exchange->worker->server;
    enum ledger_state state = ledger_state(server->options.ledger);
    if (state == LEDGER_STOPPING)
        exchange_refuse(exchange, ERROR_STOPPING);
    else if (!ledger_is_healthy(server->options.ledger))
        exchange_refuse(exchange, ERROR_UNHEALTHY);
    else if (state == LEDGER_RECOVERING || !server_is_ready(server))
        exchange_refuse_recovering(exchange);
    else
        answer_status(exchange, "ready");
}

void exchange_get_metrics(struct exchange *exchange)
{
    struct server *server = exchange->worker->server;
    size_t length;
    char *page =
        metrics_page(server->metrics, server->worker_count, server->options.ledger, &length);
    if (page == NULL) {
        exchange_refuse(exchange, ERROR_UNHEALTHY);
        return;
    }
    metrics_count_answer(&exchange->worker->metrics, exchange->match.route, 200, ERROR_NONE);
    respond_text(exchange->request, "text/plain; version=0.0.4; charset=utf-8", page, length);
    free(page);
}

void exchange_checkpoint(struct exchange *exchange)
{
    struct answer answer;
    struct ledger_keeper_statistics figures;
    uint64_t number;
    struct florin *ledger = exchange->worker->server->options.ledger;
    if (!exchange_check_ready(exchange))
        return;
    if (exchange_is_read(exchange)) {
        ledger_keeper_statistics(ledger, &figures);
        answer_checkpoints(&answer, &figures);
    } else if (ledger_request_checkpoint(ledger, &number) == 0) {
        answer_checkpoint_begun(&answer, number);
    } else {
        exchange_refuse(exchange, florin_failed(ledger) == 0 ? ERROR_STOPPING : ERROR_UNHEALTHY);
        return;
    }
    exchange_send(exchange->worker, exchange->match.route, exchange->request, &answer);
}

void exchange_backup(struct exchange *exchange)
{
    int error = backup_stream_start(exchange->worker, exchange->request, &exchange->style);
    if (error == -EBUSY)
        exchange_refuse(exchange, ERROR_TOO_MANY_REQUESTS);
    else if (error != 0)
        exchange_refuse(exchange, ERROR_BACKUP_FAILED);
}

/* What stands behind the "?"; empty when there is none. */
static const char *query_text(const h2o_req_t *request, size_t *length)
{
    *length = 0;
    if (request->query_at == SIZE_MAX)
        return "";
    *length = request->path.len - request->query_at - 1;
    return request->path.base + request->query_at + 1;
}

void exchange_follow_events(struct exchange *exchange)
{
    const h2o_req_t *request = exchange->request;
    struct event_request wish;
    struct request_fault fault;
    size_t length;
    const char *query = query_text(request, &length);
    if (!request_headers_check(&exchange->headers, &fault) ||
        !event_request_parse(&wish, query, length, &exchange->headers, &fault)) {
        exchange_refuse_fault(exchange, &fault);
        return;
    }
    if (!exchange_check_ready(exchange))
        return;
    if (event_stream_start(exchange->worker, exchange->request, &wish, &exchange->style) != 0)
        exchange_refuse(exchange, ERROR_TOO_MANY_FOLLOWERS);
}

/* What was: from the log, not from the account. */
void exchange_ask_history(struct exchange *exchange)
{
    const h2o_req_t *request = exchange->request;
    struct history_query query;
    struct request_fault fault;
    size_t length;
    const char *text = query_text(request, &length);
    if (!request_headers_check(&exchange->headers, &fault) ||
        !history_request_parse(&query, &exchange->match, text, length, &fault)) {
        exchange_refuse_fault(exchange, &fault);
        return;
    }
    if (!exchange_check_ready(exchange))
        return;
    enum error_code code = history_exchange_begin(exchange->worker, exchange->request,
                                                  exchange->match.route, &exchange->style, &query);
    if (code != ERROR_NONE)
        exchange_refuse(exchange, code);
}

void exchange_list_accounts(struct exchange *exchange)
{
    struct lister_query query;
    struct request_fault fault;
    size_t length;
    const char *text = query_text(exchange->request, &length);
    if (!request_headers_check(&exchange->headers, &fault) ||
        !list_request_parse(&query, text, length, &fault)) {
        exchange_refuse_fault(exchange, &fault);
        return;
    }
    if (!exchange_check_ready(exchange))
        return;
    enum error_code code = list_exchange_begin(exchange->worker, exchange->request,
                                               exchange->match.route, &exchange->style, &query);
    if (code != ERROR_NONE)
        exchange_refuse(exchange, code);
}
