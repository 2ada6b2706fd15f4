/* A sample that core_purity.sh must refuse: it does one of each forbidden kind of thing.
 *
 * It is compiled into an archive of its own and linked to nothing.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void *impure_sample(pthread_mutex_t *mutex);

void *impure_sample(pthread_mutex_t *mutex)
{
    struct timespec now;
    if (pthread_mutex_lock(mutex) != 0 || clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return NULL;
    (void)puts("a line");
    (void)fsync(0);
    return malloc(16);
}
