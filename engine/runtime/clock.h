/* clock.h - the clocks. The core gets time as data; only the runtime reads it.
 *
 * Thread: any.
 */
#ifndef FLORIN_RUNTIME_CLOCK_H
#define FLORIN_RUNTIME_CLOCK_H

#include <stdint.h>

/* For deadlines and latencies: never goes back, origin unknown. */
uint64_t clock_monotonic_ns(void);

/* Unix time, for records: may jump; shards make it grow. */
uint64_t clock_wall_ns(void);

/* How long the calling thread has run on a core: what it did, without what it waited for one. */
uint64_t clock_thread_cpu_ns(void);

#endif
