/* bytes.h - little-endian integers in byte buffers, whatever the machine's own order.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_CORE_BYTES_H
#define FLORIN_CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void bytes_put_u16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static inline void bytes_put_u32(uint8_t *bytes, uint32_t value)
{
    bytes_put_u16(bytes, (uint16_t)value);
    bytes_put_u16(bytes + 2, (uint16_t)(value >> 16));
}

static inline void bytes_put_u64(uint8_t *bytes, uint64_t value)
{
    bytes_put_u32(bytes, (uint32_t)value);
    bytes_put_u32(bytes + 4, (uint32_t)(value >> 32));
}

static inline void bytes_put_i64(uint8_t *bytes, int64_t value)
{
    bytes_put_u64(bytes, (uint64_t)value);
}

static inline uint16_t bytes_get_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint32_t bytes_get_u32(const uint8_t *bytes)
{
    return bytes_get_u16(bytes) | (uint32_t)bytes_get_u16(bytes + 2) << 16;
}

static inline uint64_t bytes_get_u64(const uint8_t *bytes)
{
    return bytes_get_u32(bytes) | (uint64_t)bytes_get_u32(bytes + 4) << 32;
}

static inline int64_t bytes_get_i64(const uint8_t *bytes)
{
    return (int64_t)bytes_get_u64(bytes);
}

static inline bool bytes_are_zero(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

#endif
