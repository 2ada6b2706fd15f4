/* list_embedded.c - florin_list_accounts(): a page of ids, and each of them read.
 *
 * An id alone may be of an account whose opening is not durable; its read waits for that. Must not
 * know: how a page is found.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "ledger_state.h"
#include "lister.h"

/* false: there is one, and it is no id. */
static bool take_id(const char *id, size_t length, struct account_list_id *taken)
{
    *taken = (struct account_list_id){.length = 0};
    if (length == 0)
        return true;
    if (!florin_account_id_is_valid(id, length))
        return false;
    taken->length = (uint8_t)length;
    memcpy(taken->bytes, id, length);
    return true;
}

static int read_page(struct florin_client *client, const struct lister_page *page,
                     struct florin_listed_account *accounts)
{
    for (uint32_t i = 0; i < page->count; i++) {
        struct florin_listed_account *account = &accounts[i];
        const struct account_list_id *id = &page->ids[i];
        memcpy(account->id, id->bytes, id->length);
        account->id[id->length] = '\0';
        account->id_length = id->length;
        enum florin_status status =
            florin_read_account(client, account->id, account->id_length, &account->state);
        account->state.metadata = NULL;
        if (status != FLORIN_APPLIED)
            return status == FLORIN_QUEUE_FULL ? -EAGAIN : -ESHUTDOWN;
    }
    return 0;
}

int florin_list_accounts(struct florin_client *client, const struct florin_list *list,
                         struct florin_listed_account *accounts, size_t *count, bool *has_more)
{
    struct lister_query query = {.limit = list->limit};
    if (list->limit < 1 || list->limit > FLORIN_ACCOUNT_PAGE_MAX ||
        !take_id(list->after, list->after_length, &query.after) ||
        !take_id(list->prefix, list->prefix_length, &query.prefix))
        return -EINVAL;
    struct lister_page *page = malloc(sizeof *page);
    if (page == NULL)
        return -ENOMEM;
    int error = lister_wait(client_ledger(client), &query, page);
    if (error == 0)
        error = read_page(client, page, accounts);
    if (error == 0) {
        *count = page->count;
        *has_more = page->has_more;
    }
    free(page);
    return error;
}
