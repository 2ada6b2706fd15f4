/* ledger_options.c - the options of a ledger: what they are when nothing is said, and what is wrong
 * with them.
 *
 * Guarantees: what florin_options_init() gives is allowed as soon as it has a directory. It must
 * not know what the options do.
 */
#include "ledger_options.h"

#include <string.h>
#include <unistd.h>

void florin_options_init(struct florin_options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned workers = cores < 1 ? 1 : (unsigned)cores;
    *options = (struct florin_options){
        .workers = workers > FLORIN_WORKERS_MAX ? FLORIN_WORKERS_MAX : workers,
        .io = FLORIN_IO_AUTO,
        .segment_bytes = UINT64_C(64) << 20,
        .accounts_max = UINT64_C(16) << 20,
        .holds_max = UINT64_C(1) << 20,
        .keys_memory = UINT64_C(16) << 20,
        .checkpoint_bytes = UINT64_C(1) << 30,
        .background_mib_per_second = 25,
        .commit_timeout_ms = 5000,
    };
}

static bool numbers_are_in_range(const struct florin_options *options)
{
    const uint64_t mebibyte = UINT64_C(1) << 20;
    const uint64_t entries_max = UINT64_C(1) << 31;
    return options->directory != NULL && options->directory[0] != '\0' && options->workers >= 1 &&
           options->workers <= FLORIN_WORKERS_MAX && options->segment_bytes % mebibyte == 0 &&
           options->segment_bytes >= 4 * mebibyte && options->segment_bytes <= 1024 * mebibyte &&
           options->accounts_max >= 1 && options->accounts_max <= entries_max &&
           options->holds_max >= 1 && options->holds_max <= entries_max &&
           options->keys_memory >= 1 && options->keys_memory <= entries_max &&
           options->commit_timeout_ms > 0 && options->io <= FLORIN_IO_POSIX;
}

static bool find_auto_create(const struct florin_options *options,
                             struct ledger_currencies *currencies)
{
    const char *code = options->auto_create_currency;
    size_t length = strnlen(code, sizeof(options->auto_create_currency));
    const struct currency *found =
        length == 0 ? currency_default() : currency_list_find(&currencies->own, code, length);
    if (found == NULL)
        return false;
    if (options->auto_create)
        currencies->auto_create = *found;
    return true;
}

bool ledger_options_check(const struct florin_options *options,
                          struct ledger_currencies *currencies)
{
    *currencies = (struct ledger_currencies){.own = {.count = 0}};
    for (size_t i = 0; i < options->currency_count; i++) {
        const struct florin_currency *own = &options->currencies[i];
        if (!currency_list_add(&currencies->own, own->code, strnlen(own->code, sizeof(own->code)),
                               own->exponent))
            return false;
    }
    return find_auto_create(options, currencies) && numbers_are_in_range(options);
}
