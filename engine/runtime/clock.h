/* clock.h - the two clocks. The core gets time as data; only the runtime reads it.
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

#endif
