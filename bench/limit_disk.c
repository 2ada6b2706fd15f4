/* limit_disk.c - what the disk gives: durable direct writes, one at a time, to a zeroed file.
 *
 * One blocking pwritev2(RWF_DSYNC) on an O_DIRECT descriptor after the other, over a file whose
 * extents were written with zeros before, for each group size: the floor below which no commit can
 * be. It must not know the log's format.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "measure.h"

enum {
    FILE_BYTES = 64 * 1024 * 1024,
    WRITE_BYTES_MAX = 256 * 1024,
    ALIGNMENT = 4096,
};

static const size_t write_sizes[] = {4096, 16384, 65536, WRITE_BYTES_MAX};

static void usage(FILE *out)
{
    fputs("Usage: limit_disk [--file PATH] [--milliseconds N]\n"
          "\n"
          "Prints for each write size how many durable direct writes a second one thread gets.\n"
          "\n"
          "  --file PATH        a scratch file, made and removed (default limit_disk.tmp)\n"
          "  --milliseconds N   for each size (default 2000)\n",
          out);
}

static int write_durably(int fd, char *buffer, size_t length, off_t offset, int flags)
{
    struct iovec part = {.iov_base = buffer, .iov_len = length};
    ssize_t written = pwritev2(fd, &part, 1, offset, flags);
    if (written < 0)
        return -errno;
    return (size_t)written == length ? 0 : -EIO;
}

static void zero_file(int fd, char *buffer)
{
    memset(buffer, 0, WRITE_BYTES_MAX);
    for (off_t offset = 0; offset < FILE_BYTES; offset += WRITE_BYTES_MAX)
        measure_check("zeroing", write_durably(fd, buffer, WRITE_BYTES_MAX, offset, 0));
    measure_check("fsync", fsync(fd) == 0 ? 0 : -errno);
    memset(buffer, 'x', WRITE_BYTES_MAX);
}

static void measure_size(int fd, char *buffer, size_t length, uint64_t duration_ns)
{
    static const struct histogram empty;
    struct histogram latency = empty;
    off_t offset = 0;
    uint64_t begin = measure_now_ns();
    uint64_t now = begin;
    while (now - begin < duration_ns) {
        measure_check("pwritev2", write_durably(fd, buffer, length, offset, RWF_DSYNC));
        uint64_t after = measure_now_ns();
        histogram_add(&latency, after - now, 1);
        now = after;
        offset = (offset + (off_t)length) % FILE_BYTES;
    }
    double seconds = (double)(now - begin) / 1e9;
    double rate = (double)latency.count / seconds;
    printf("limit_disk bytes=%zu per_second=%.0f mib_per_second=%.1f p50_us=%.1f p99_us=%.1f\n",
           length, rate, rate * (double)length / (1024.0 * 1024.0),
           (double)histogram_percentile(&latency, 50) / 1e3,
           (double)histogram_percentile(&latency, 99) / 1e3);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"file", required_argument, NULL, 'f'},
        {"milliseconds", required_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = "limit_disk.tmp";
    uint64_t duration_ns = UINT64_C(2000000000);
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'f':
            path = optarg;
            break;
        case 'm':
            duration_ns = measure_parse_number("--milliseconds", optarg, 1, 3600000) * 1000000;
            break;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 64;
        }
    }

    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
    measure_check(path, fd >= 0 ? 0 : -errno);
    char *buffer = aligned_alloc(ALIGNMENT, WRITE_BYTES_MAX);
    measure_check("memory", buffer != NULL ? 0 : -ENOMEM);
    zero_file(fd, buffer);
    for (size_t i = 0; i < sizeof(write_sizes) / sizeof(write_sizes[0]); i++)
        measure_size(fd, buffer, write_sizes[i], duration_ns);
    free(buffer);
    close(fd);
    unlink(path);
    return 0;
}
