/* hand_written.h - records that a test wrote itself, behind those of a ledger. */
#ifndef FLORIN_TESTS_HAND_WRITTEN_H
#define FLORIN_TESTS_HAND_WRITTEN_H

#include <stddef.h>

#include "engine/core/record.h"

/* Opens the log of a closed directory, which begins at LSN 1, and appends the records in one group.
 */
void hand_write(const char *directory, const struct record *records, size_t count);

#endif
