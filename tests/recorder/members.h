/* members.h - members of JSON that the server wrote, found by their names.
 *
 * No parser: names and values of these tests have no quotes in them, and nothing is nested twice
 * under one name. Texts are terminated.
 *
 * Thread: any; pure.
 */
#ifndef TESTS_RECORDER_MEMBERS_H
#define TESTS_RECORDER_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

/* Behind `"name":` and, if there is one, the quote that opens its value; NULL: not there. */
const char *member_find(const char *text, const char *name);

/* The number behind a prefix of letters ("txn31", "a7", "31"); false: not there. */
bool member_number(const char *text, const char *name, const char *prefix, uint64_t *number);

/* Money with two decimals, as cents; false: not there. */
bool member_cents(const char *text, const char *name, int64_t *cents);

/* Whether the member has this very text. */
bool member_is(const char *text, const char *name, const char *value);

#endif
