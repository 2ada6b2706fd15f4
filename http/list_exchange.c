/* list_exchange.c - parks questions for pages of accounts, and answers them.
 *
 * Guarantees: each request gets exactly one answer; what it shows is durable, for every account in
 * it was read like any other. It must not know how a page is found.
 */
#include "list_exchange.h"

#include <assert.h>
#include <stdlib.h>

#include "respond.h"

enum {
    /* Brackets, names and a cursor. */
    PAGE_FRAME_BYTES = 256,
};

/* Of one request; not in its own memory, which goes with its client. */
struct account_page {
    struct lister_page ids;
    uint32_t read; /* of them */
    struct json_text body;
    char *bytes; /* touched as far as they are needed */
};

static void destroy(struct account_page *page)
{
    if (page != NULL)
        free(page->bytes);
    free(page);
}

static void finish(struct http_worker *worker, struct parked_request *entry,
                   const struct answer *answer)
{
    enum route route = entry->route;
    struct account_page *page = entry->page;
    h2o_req_t *request = parked_remove(&worker->parked, entry);
    metrics_count_answer(&worker->metrics, route, answer->status, answer->code);
    if (request == NULL)
        metrics_count(&worker->metrics.clients_lost);
    else
        respond(request, answer);
    destroy(page);
}

static void refuse(struct http_worker *worker, struct parked_request *entry, enum error_code code)
{
    struct answer answer;
    answer_refuse(&answer, code, &entry->style);
    finish(worker, entry, &answer);
}

static void finish_page(struct http_worker *worker, struct parked_request *entry)
{
    struct account_page *page = entry->page;
    struct answer answer;
    json_text_raw(&page->body, "]", 1);
    json_text_member(&page->body, "next");
    if (page->ids.has_more) {
        const struct account_list_id *last = &page->ids.ids[page->ids.count - 1];
        json_text_string(&page->body, last->bytes, last->length);
    } else {
        json_text_raw(&page->body, "null", 4);
    }
    json_text_raw(&page->body, "}", 1);
    assert(!page->body.truncated);
    answer_init(&answer, 200);
    answer.money_as_string = entry->style.money_as_string;
    answer.body = page->body;
    finish(worker, entry, &answer);
}

/* The next account, or the answer. */
static void read_next(struct http_worker *worker, struct parked_request *entry)
{
    const struct account_page *page = entry->page;
    if (page->read == page->ids.count) {
        finish_page(worker, entry);
        return;
    }
    const struct account_list_id *id = &page->ids.ids[page->read];
    const struct florin_command command = {
        .user_data = parked_token(&worker->parked, entry),
        .kind = FLORIN_READ_ACCOUNT,
        .account = id->bytes,
        .account_length = id->length,
    };
    enum florin_status status = worker_submit(worker->engine, &command);
    if (status != FLORIN_APPLIED)
        refuse(worker, entry, error_code_of_status(status));
}

static void append(struct account_page *page, const struct florin_result *result,
                   const struct answer_style *style)
{
    struct answer account;
    const struct account_list_id *id = &page->ids.ids[page->read];
    answer_account(&account, result, id->bytes, id->length, (struct transaction_spelling){0},
                   style);
    if (page->read > 0)
        json_text_raw(&page->body, ",", 1);
    json_text_raw(&page->body, account.body.bytes, account.body.length);
    page->read++;
}

enum error_code list_exchange_begin(struct http_worker *worker, h2o_req_t *request,
                                    enum route route, const struct answer_style *style,
                                    const struct lister_query *query)
{
    size_t bytes = PAGE_FRAME_BYTES + query->limit * (size_t)ANSWER_BODY_MAX;
    struct account_page *page = calloc(1, sizeof(*page));
    if (page != NULL)
        page->bytes = malloc(bytes);
    struct parked_request *entry = NULL;
    if (page != NULL && page->bytes != NULL)
        entry = parked_add(&worker->parked, request);
    if (entry == NULL) {
        destroy(page);
        return ERROR_TOO_MANY_REQUESTS;
    }
    json_text_init(&page->body, page->bytes, bytes);
    json_text_raw(&page->body, "{", 1);
    json_text_member(&page->body, "accounts");
    json_text_raw(&page->body, "[", 1);
    entry->page = page;
    entry->route = route;
    entry->style = *style;
    struct lister_query asked = *query;
    asked.user_data = parked_token(&worker->parked, entry);
    enum florin_status status = lister_submit(worker->engine, &asked);
    if (status == FLORIN_APPLIED)
        return ERROR_NONE;
    (void)parked_remove(&worker->parked, entry);
    destroy(page);
    return error_code_of_status(status);
}

void list_exchange_go_on(struct http_worker *worker, struct parked_request *entry,
                         const struct florin_result *result)
{
    struct answer answer;
    if (entry->request == NULL || result->status != FLORIN_APPLIED) {
        answer_balance(&answer, result, &entry->style); /* what a read is refused with */
        finish(worker, entry, &answer);
        return;
    }
    append(entry->page, result, &entry->style);
    read_next(worker, entry);
}

bool list_exchange_answer(struct http_worker *worker)
{
    struct lister_page ids;
    if (!lister_reap(worker->engine, &ids))
        return false;
    struct parked_request *entry = parked_find(&worker->parked, ids.user_data);
    entry->page->ids = ids;
    read_next(worker, entry);
    return true;
}
