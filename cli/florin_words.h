/* florin_words.h - one word of a command line: is it what it must be? Thread: any; pure. */
#ifndef FLORIN_CLI_FLORIN_WORDS_H
#define FLORIN_CLI_FLORIN_WORDS_H

#include "florin_table.h"

enum { LEG_TEXT_MAX = 160 };

/* Puts the word into the call, or says what is wrong with it; NULL: nothing. `text` stays the
 * caller's and must outlive the call. */
const char *florin_word_store(struct florin_call *call, enum florin_word word, const char *text);

/* A leg in its parts; account ids may have colons, so the last two count. The copy holds the parts.
 */
struct florin_leg_words {
    char copy[LEG_TEXT_MAX];
    const char *account;
    const char *type; /* "debit" or "credit" */
    const char *amount;
};
bool florin_leg_read(const char *text, struct florin_leg_words *leg);

#endif
