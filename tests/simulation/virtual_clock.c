/* virtual_clock.c - the two clocks of the runtime, moved by the simulation only. */
#include "virtual_clock.h"

#include "engine/runtime/clock.h"

/* 2026-01-01, and an hour since the machine was started. */
#define WALL_START_NS      INT64_C(1767225600000000000)
#define MONOTONIC_START_NS UINT64_C(3600000000000)

static struct {
    uint64_t monotonic_ns;
    int64_t wall_offset_ns;
} now;

void virtual_clock_reset(void)
{
    now.monotonic_ns = MONOTONIC_START_NS;
    now.wall_offset_ns = WALL_START_NS;
}

void virtual_clock_advance(uint64_t ns)
{
    now.monotonic_ns += ns;
}

void virtual_clock_jump(int64_t ns)
{
    now.wall_offset_ns += ns;
}

uint64_t clock_monotonic_ns(void)
{
    return now.monotonic_ns;
}

uint64_t clock_wall_ns(void)
{
    return (uint64_t)(now.wall_offset_ns + (int64_t)now.monotonic_ns);
}

/* Nothing is ever waited for. */
uint64_t clock_thread_cpu_ns(void)
{
    return now.monotonic_ns;
}
