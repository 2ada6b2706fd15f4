/* prefetch.h - asks the cache for a line, and means it.
 *
 * gcc (12) takes a function that does nothing but __builtin_prefetch() for one without effect and
 * deletes the calls of it. The empty asm is an effect; it emits no instruction.
 *
 * Thread: any; a hint only, any address is allowed.
 */
#ifndef FLORIN_CORE_PREFETCH_H
#define FLORIN_CORE_PREFETCH_H

static inline void prefetch_line(const void *address)
{
    __builtin_prefetch(address);
    __asm__ volatile("");
}

#endif
