/* virtual_clock.h - time that stands still until the simulation moves it.
 *
 * virtual_clock.c defines the functions of engine/runtime/clock.h, so that the linker takes them
 * instead of the archive's clock.o. They have no argument: the time is the one global variable of
 * the simulation.
 *
 * Thread: one.
 */
#ifndef TESTS_SIMULATION_VIRTUAL_CLOCK_H
#define TESTS_SIMULATION_VIRTUAL_CLOCK_H

#include <stdint.h>

void virtual_clock_reset(void);
void virtual_clock_advance(uint64_t ns);

/* The wall clock alone. */
void virtual_clock_jump(int64_t ns);

#endif
