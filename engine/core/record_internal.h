/* record_internal.h - what record.c and record_legs.c share: the posting part and the legs.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_CORE_RECORD_INTERNAL_H
#define FLORIN_CORE_RECORD_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

enum { RECORD_ALIGNMENT = 8 };

static inline size_t record_padded(size_t bytes)
{
    return (bytes + RECORD_ALIGNMENT - 1) / RECORD_ALIGNMENT * RECORD_ALIGNMENT;
}

/* Bytes of the posting part with its legs. */
size_t record_legs_size(const struct record *record);

/* Writes the posting part with its legs; returns the byte behind. */
uint8_t *record_legs_encode(const struct record *record, uint8_t *bytes);

/* Reads the posting part with its legs, which must end at or before `end`. Returns the byte behind,
 * NULL: it does not, or a leg is not valid, or a reserved byte is not zero. */
const uint8_t *record_legs_decode(const uint8_t *bytes, const uint8_t *end, struct record *record);

/* Whether the posting part and the legs are such as a record of its kind and status has. */
bool record_legs_are_valid(const struct record *record);

/* record_seal() of the legs of the posting part that begins here. */
void record_legs_seal(uint8_t *bytes, uint64_t first_lsn);

#endif
