/* measure.c - a clock, a latency histogram, CPU time and option numbers for the measurements.
 *
 * The histogram has buckets whose width grows with the value (32 in each power of two), so that
 * adding is a shift and an increment, and a percentile is right to 3 percent. It must not know what
 * is measured.
 */
#include "measure.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static unsigned bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (unsigned)value;
    unsigned top = 63U - (unsigned)__builtin_clzll(value);
    unsigned shift = top - 5; /* 2^5 steps */
    return (shift + 1) * HISTOGRAM_STEPS + (unsigned)((value >> shift) - HISTOGRAM_STEPS);
}

static uint64_t value_of(unsigned bucket)
{
    if (bucket < HISTOGRAM_STEPS)
        return bucket;
    unsigned shift = bucket / HISTOGRAM_STEPS - 1;
    uint64_t lowest = ((uint64_t)(bucket % HISTOGRAM_STEPS) + HISTOGRAM_STEPS) << shift;
    return lowest + (UINT64_C(1) << shift) / 2;
}

void histogram_add(struct histogram *histogram, uint64_t value, uint64_t times)
{
    unsigned bucket = bucket_of(value);
    assert(bucket < HISTOGRAM_BUCKETS);
    histogram->buckets[bucket] += times;
    histogram->count += times;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
        into->buckets[bucket] += from->buckets[bucket];
    into->count += from->count;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    double wanted = (double)histogram->count * percent / 100;
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen > 0 && (double)seen >= wanted)
            return value_of(bucket);
    }
    return 0;
}

uint64_t measure_now_ns(void)
{
    struct timespec now;
    int error = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(error == 0);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t measure_cpu_ns(void)
{
    struct rusage usage;
    int error = getrusage(RUSAGE_SELF, &usage);
    assert(error == 0);
    uint64_t seconds = (uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec;
    uint64_t micros = (uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec;
    return seconds * UINT64_C(1000000000) + micros * UINT64_C(1000);
}

uint64_t measure_parse_number(const char *option, const char *text, uint64_t lowest,
                              uint64_t highest)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || strchr(text, '-') != NULL || number < lowest ||
        number > highest) {
        fprintf(stderr, "%s %s: wanted is a whole number of %llu to %llu\n", option, text,
                (unsigned long long)lowest, (unsigned long long)highest);
        exit(64);
    }
    return number;
}

void measure_fail(const char *what, int error)
{
    fprintf(stderr, "%s: %s\n", what, strerror(-error));
    exit(74);
}

uint64_t measure_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

void measure_write_hex(char text[MEASURE_HEX_BYTES], uint64_t number)
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < MEASURE_HEX_BYTES; i++)
        text[i] = digits[number >> (60 - 4 * i) & 15];
}

void measure_print_line(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "%s\n", line);
}
