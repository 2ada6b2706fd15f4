/* keeper.c - what the ledger does in the background. Nothing yet: the contract stands in ledger.h.
 */
#include <errno.h>
#include <string.h>

#include "ledger_state.h"

bool ledger_step(struct florin *ledger)
{
    (void)ledger;
    return false;
}

int ledger_request_checkpoint(struct florin *ledger, uint64_t *number)
{
    (void)ledger;
    (void)number;
    return -ESHUTDOWN;
}

int florin_checkpoint(struct florin *ledger)
{
    uint64_t number;
    return ledger_request_checkpoint(ledger, &number);
}

void ledger_hold_files(struct florin *ledger)
{
    (void)ledger;
}

void ledger_release_files(struct florin *ledger)
{
    (void)ledger;
}

void ledger_keeper_statistics(const struct florin *ledger,
                              struct ledger_keeper_statistics *statistics)
{
    (void)ledger;
    memset(statistics, 0, sizeof *statistics);
}
