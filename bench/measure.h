/* measure.h - what every measurement needs: a clock, a histogram, CPU time, numbers from options.
 */
#ifndef FLORIN_BENCH_MEASURE_H
#define FLORIN_BENCH_MEASURE_H

#include <stdint.h>

enum {
    /* Each power of two is split in 32: a percentile is right to 3 percent. */
    HISTOGRAM_STEPS = 32,
    HISTOGRAM_BUCKETS = 60 * HISTOGRAM_STEPS,
};

/* Values of 0 to 2^63 ns. Zeroed is empty. Thread: one writer. */
struct histogram {
    uint64_t count;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value, uint64_t times);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value that `percent` (0 to 100) of all are not above; 0 when empty. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

/* Monotonic. */
uint64_t measure_now_ns(void);

/* User and system time of all threads of this process. */
uint64_t measure_cpu_ns(void);

/* The next of a sequence of numbers (xorshift64, Marsaglia 2003); *state is not 0. */
uint64_t measure_random(uint64_t *state);

/* A number as 16 letters, without terminator: an id, or a key. */
enum { MEASURE_HEX_BYTES = 16 };
void measure_write_hex(char text[MEASURE_HEX_BYTES], uint64_t number);

/* florin_options.log_line: to stderr. */
void measure_print_line(void *context, const char *line);

/* A whole number of lowest to highest; anything else ends the program with a line that names the
 * option (exit code 64). */
uint64_t measure_parse_number(const char *option, const char *text, uint64_t lowest,
                              uint64_t highest);

/* Ends the program with 74 and a line that says what failed with which -errno. */
_Noreturn void measure_fail(const char *what, int error);

/* The same when `error` (0 or -errno) is not 0. */
static inline void measure_check(const char *what, int error)
{
    if (error != 0)
        measure_fail(what, error);
}

#endif
