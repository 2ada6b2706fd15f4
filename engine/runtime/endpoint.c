/* endpoint.c - pairs of rings with a promise of room for every answer. */
#include "endpoint.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { ENDPOINT_RINGS = 3 };

int endpoint_create(unsigned worker_count, unsigned except, size_t ring_bytes, struct inbox *inbox,
                    struct endpoint **endpoint)
{
    struct endpoint *created = calloc(1, sizeof *created);
    if (created == NULL)
        return -ENOMEM;
    created->links = aligned_alloc(RING_CACHE_LINE, worker_count * sizeof *created->links);
    if (created->links == NULL)
        goto free_endpoint;
    /* reserved address space: rings that are never used cost nothing */
    created->memory_bytes = worker_count * ENDPOINT_RINGS * ring_bytes;
    created->memory = mmap(NULL, created->memory_bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (created->memory == MAP_FAILED)
        goto free_links;
    for (unsigned worker = 0; worker < worker_count; worker++) {
        struct endpoint_link *link = &created->links[worker];
        uint8_t *bytes = (uint8_t *)created->memory + worker * ENDPOINT_RINGS * ring_bytes;
        ring_init(&link->requests, bytes, ring_bytes);
        ring_init(&link->answers, bytes + ring_bytes, ring_bytes);
        ring_init(&link->postings, bytes + 2 * ring_bytes, ring_bytes);
        link->answer_bytes = worker == except ? ring_bytes : 0;
        link->outstanding = 0;
    }
    created->inbox = inbox;
    created->worker_count = worker_count;
    *endpoint = created;
    return 0;

free_links:
    free(created->links);
free_endpoint:
    free(created);
    return -ENOMEM;
}

void endpoint_destroy(struct endpoint *endpoint)
{
    if (endpoint == NULL)
        return;
    munmap(endpoint->memory, endpoint->memory_bytes);
    free(endpoint->links);
    free(endpoint);
}

bool endpoint_has_ample_room(struct endpoint *endpoint, unsigned worker,
                             const struct florin_command *command)
{
    struct endpoint_link *link = &endpoint->links[worker];
    return link->answer_bytes <= link->answers.capacity / 4 * 3 &&
           ring_has_ample_room(&link->requests, message_command_bytes(command));
}

bool endpoint_send(struct endpoint *endpoint, unsigned worker, const struct florin_command *command,
                   uint64_t account_hash, uint64_t submitted_ns)
{
    struct endpoint_link *link = &endpoint->links[worker];
    uint64_t answer = ring_message_bytes(message_result_bytes_max(command->kind));
    /* one largest message may be lost where the ring wraps */
    uint64_t room = link->answers.capacity - ring_message_bytes(MESSAGE_RESULT_BYTES_MAX);
    if (link->answer_bytes + answer > room)
        return false;
    void *bytes = ring_reserve(&link->requests, message_command_bytes(command));
    if (bytes == NULL)
        return false;
    message_put_command(bytes, command, account_hash, submitted_ns);
    link->answer_bytes += answer;
    link->outstanding++;
    endpoint->outstanding++;
    return true;
}

void *endpoint_reserve_posting(struct endpoint *endpoint, unsigned worker, size_t length)
{
    return ring_reserve(&endpoint->links[worker].postings, length);
}

bool endpoint_publish(struct endpoint *endpoint, unsigned worker)
{
    bool postings = ring_publish(&endpoint->links[worker].postings);
    return ring_publish(&endpoint->links[worker].requests) || postings;
}

bool endpoint_receive(struct endpoint *endpoint, unsigned worker, struct florin_result *result)
{
    struct endpoint_link *link = &endpoint->links[worker];
    size_t length;
    const void *bytes = ring_next(&link->answers, &length);
    if (bytes == NULL)
        return false;
    message_get_result(bytes, result);
    assert(link->outstanding > 0);
    link->answer_bytes -= ring_message_bytes(message_result_bytes_max(result->kind));
    link->outstanding--;
    endpoint->outstanding--;
    return true;
}

void endpoint_release(struct endpoint *endpoint, unsigned worker)
{
    ring_release(&endpoint->links[worker].answers);
}

bool endpoint_has_results(struct endpoint *endpoint)
{
    for (unsigned worker = 0; worker < endpoint->worker_count; worker++) {
        if (!ring_is_empty(&endpoint->links[worker].answers))
            return true;
    }
    return false;
}

void endpoint_answer(struct endpoint *endpoint, unsigned worker, const struct florin_result *result)
{
    void *bytes = ring_reserve(&endpoint->links[worker].answers, message_result_bytes(result));
    assert(bytes != NULL);
    message_put_result(bytes, result);
}
