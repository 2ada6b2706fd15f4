/* ledger_options.h - what florin_options allow.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_RUNTIME_LEDGER_OPTIONS_H
#define FLORIN_RUNTIME_LEDGER_OPTIONS_H

#include <stdbool.h>

#include "engine/core/currency.h"
#include "florin.h"

/* What the options say of currencies. */
struct ledger_currencies {
    struct currency_list own;    /* besides those of ISO 4217 */
    struct currency auto_create; /* of accounts that come into being; no code: none do */
};

/* false: an option is out of range. */
__attribute__((warn_unused_result)) bool ledger_options_check(const struct florin_options *options,
                                                              struct ledger_currencies *currencies);

#endif
