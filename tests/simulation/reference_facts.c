/* reference_facts.c - what is known of accounts, and whether it fits together. */
#include "simulation/reference_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) void reference_complain(const struct reference *reference,
                                                              const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    reference->complain(reference->context, text);
}

void *reference_grow(void *array, size_t *max, size_t wanted, size_t element_bytes)
{
    if (wanted <= *max)
        return array;
    size_t grown_max = wanted * 2 + 16;
    uint8_t *grown = realloc(array, grown_max * element_bytes);
    assert(grown != NULL);
    memset(grown + *max * element_bytes, 0, (grown_max - *max) * element_bytes);
    *max = grown_max;
    return grown;
}

static void need_version(struct account *account, uint64_t version)
{
    size_t wanted = version + 1;
    account->balances = reference_grow(account->balances, &account->balances_max, wanted,
                                       sizeof *account->balances);
    account->balance_known = reference_grow(account->balance_known, &account->balance_known_max,
                                            wanted, sizeof *account->balance_known);
    account->explained = reference_grow(account->explained, &account->explained_max, wanted,
                                        sizeof *account->explained);
}

static unsigned decimals_of(const struct florin_command *opening)
{
    if (strcmp(opening->currency, "USD") == 0)
        return 2;
    return strcmp(opening->currency, "JPY") == 0 ? 0 : 3;
}

bool amount_in(const struct florin_command *command, const struct florin_command *opening,
               int64_t *amount)
{
    unsigned decimals = decimals_of(opening);
    *amount = command->amount_minor;
    for (unsigned i = command->amount_scale; command->amount_is_decimal && i < decimals; i++)
        *amount *= 10;
    for (unsigned i = decimals; command->amount_is_decimal && i < command->amount_scale; i++) {
        if (*amount % 10 != 0)
            return false;
        *amount /= 10;
    }
    return true;
}

bool same_content(const struct florin_command *one, const struct florin_command *other)
{
    return strcmp(one->currency, other->currency) == 0 &&
           one->amount_minor == other->amount_minor &&
           one->minimum_balance_minor == other->minimum_balance_minor &&
           one->metadata_length == other->metadata_length &&
           (one->metadata_length == 0 ||
            memcmp(one->metadata, other->metadata, one->metadata_length) == 0);
}

/* The account had this balance at this version. */
void know_balance(struct reference *reference, unsigned number, uint64_t version, int64_t balance)
{
    struct account *account = &reference->accounts[number];
    need_version(account, version);
    if (account->balance_known[version] && account->balances[version] != balance)
        reference_complain(reference,
                           "account %u has at version %" PRIu64 " the balance %" PRId64
                           ", but %" PRId64 " follows from other answers",
                           number, version, balance, account->balances[version]);
    account->balance_known[version] = true;
    account->balances[version] = balance;
}

/* A version of the account was shown to somebody. */
void show_version(struct reference *reference, const struct attempt *attempt, uint64_t version)
{
    struct account *account = &reference->accounts[attempt->account];
    if (version < attempt->floor_version)
        reference_complain(reference,
                           "account %u is shown at version %" PRIu64 ", but version %" PRIu64
                           " was shown before the command was sent",
                           attempt->account, version, attempt->floor_version);
    need_version(account, version);
    if (version > account->shown)
        account->shown = version;
}

/* The amount by which a fact has changed the balance. */
int64_t change_of(const struct fact *fact)
{
    if (fact->status != FLORIN_APPLIED)
        return 0;
    return fact->kind == FLORIN_WITHDRAW ? -fact->amount : fact->amount;
}

/* Whether two facts of one account may stand in one log. */
static void compare_facts(const struct reference *reference, const struct fact *one,
                          const struct fact *other)
{
    const struct fact *first = one->lsn < other->lsn ? one : other;
    const struct fact *second = one->lsn < other->lsn ? other : one;
    bool grows = second->status == FLORIN_APPLIED;
    if (first->lsn == second->lsn)
        reference_complain(reference, "LSN %" PRIu64 " of account %u was given twice", first->lsn,
                           first->account);
    else if (first->time_ns >= second->time_ns)
        reference_complain(reference, "account %u: LSN %" PRIu64 " is not older than LSN %" PRIu64,
                           first->account, first->lsn, second->lsn);
    else if (first->version > second->version || (grows && first->version == second->version))
        reference_complain(reference,
                           "account %u: LSN %" PRIu64 " has version %" PRIu64 ", LSN %" PRIu64
                           " has version %" PRIu64,
                           first->account, first->lsn, first->version, second->lsn,
                           second->version);
}

/* What a fact says about itself. NULL, or what is wrong. */
const char *fact_fault(const struct fact *fact, const struct florin_command *opening)
{
    bool met = fact->expected == 0 ||
               fact->expected == fact->version - (fact->status == FLORIN_APPLIED ? 1 : 0);
    int64_t unused;
    if (fact->status == FLORIN_VERSION_MISMATCH || fact->status == FLORIN_PRECONDITION_FAILED)
        return met ? "the version that was expected is the account's" : NULL;
    if (!met)
        return "another version was expected";
    if (fact->status == FLORIN_INSUFFICIENT_BALANCE)
        return fact->kind == FLORIN_WITHDRAW &&
                       fact->balance - fact->amount < opening->minimum_balance_minor
                   ? NULL
                   : "the balance would have sufficed";
    if (fact->status == FLORIN_BALANCE_OVERFLOW)
        return fact->kind == FLORIN_DEPOSIT &&
                       __builtin_add_overflow(fact->balance, fact->amount, &unused)
                   ? NULL
                   : "the balance would not have overflowed";
    if (fact->status != FLORIN_APPLIED)
        return "a status that is not remembered";
    return fact->kind == FLORIN_WITHDRAW && fact->balance < opening->minimum_balance_minor
               ? "the balance is below the minimum"
               : NULL;
}

void add_fact(struct reference *reference, const struct fact *fact)
{
    struct account *account = &reference->accounts[fact->account];
    for (size_t i = 0; i < reference->fact_count; i++) {
        const struct fact *other = &reference->facts[i];
        if (other->account == fact->account)
            compare_facts(reference, fact, other);
        else if (other->lsn == fact->lsn)
            reference_complain(reference, "LSN %" PRIu64 " is of account %u and of account %u",
                               fact->lsn, other->account, fact->account);
    }
    const char *fault = fact_fault(fact, &account->opening);
    if (fault != NULL)
        reference_complain(reference, "account %u, LSN %" PRIu64 ", version %" PRIu64 ": %s",
                           fact->account, fact->lsn, fact->version, fault);
    know_balance(reference, fact->account, fact->version, fact->balance);
    if (fact->status == FLORIN_APPLIED) {
        account->explained[fact->version] = true;
        if (fact->version > 1)
            know_balance(reference, fact->account, fact->version - 1,
                         fact->balance - change_of(fact));
    }
    if (fact->lsn > reference->shown_lsn)
        reference->shown_lsn = fact->lsn;
    reference->facts = reference_grow(reference->facts, &reference->fact_max,
                                      reference->fact_count + 1, sizeof *reference->facts);
    reference->facts[reference->fact_count++] = *fact;
}

bool details_are_right(const struct account *account, const struct florin_result *result)
{
    const struct florin_command *opening = &account->opening;
    return strcmp(result->currency, opening->currency) == 0 &&
           result->exponent == decimals_of(opening) &&
           result->minimum_balance_minor == opening->minimum_balance_minor &&
           result->metadata_length == opening->metadata_length &&
           (opening->metadata_length == 0 ||
            memcmp(result->metadata, opening->metadata, opening->metadata_length) == 0) &&
           result->time_ns != 0 &&
           (account->opened_ns == 0 || result->time_ns == account->opened_ns);
}

/* Openings of one account that differ have different currencies. */
bool learn_opening(struct reference *reference, unsigned number, const struct florin_result *result)
{
    struct account *account = &reference->accounts[number];
    for (size_t i = 0; i < reference->attempt_count && !account->is_open; i++) {
        const struct attempt *attempt = &reference->attempts[i];
        const struct florin_command *opening = &attempt->command;
        if (attempt->account != number || opening->kind != FLORIN_OPEN_ACCOUNT ||
            attempt->malformed != FLORIN_APPLIED || attempt->fate == NOTHING ||
            strcmp(opening->currency, result->currency) != 0)
            continue;
        account->is_open = true;
        account->opening = *opening;
        know_balance(reference, number, 1, opening->amount_minor);
        account->explained[1] = true;
    }
    if (!account->is_open)
        reference_complain(reference, "account %u exists, but nobody has opened it so", number);
    return account->is_open;
}
