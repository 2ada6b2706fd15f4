/* backup_server.h - what a made-up backup consists of. */
#ifndef FLORIN_TESTS_BACKUP_SERVER_H
#define FLORIN_TESTS_BACKUP_SERVER_H

#include <stdint.h>

/* A pattern without a period near a buffer's length. */
static inline uint8_t backup_byte(uint64_t offset)
{
    return (uint8_t)((offset * UINT64_C(0x9E3779B97F4A7C15)) >> 56);
}

#endif
