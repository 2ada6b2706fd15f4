/* check_graph.c - one order of all operations, over all accounts: a graph without a cycle.
 *
 * Nodes are the events. An edge leads from a change to those who saw its version, from these to the
 * change that made the next version, and from each change of an account to the next one. Real time
 * would need an edge for each pair of which one returned before the other was invoked; instead a
 * row of **barriers** is laid through time, one at each return:
 *
 *     event --> its barrier --> next barrier --> ... --> the last barrier in front of an invocation
 *                                                                              --> that event
 *
 * so that a path leads from one event to another along barriers exactly when it returned first.
 * Three edges an event and two a leg: linear. What is left after taking away nodes without
 * predecessors, again and again, contains a cycle.
 */
#include "histories/check_internal.h"

#include <assert.h>
#include <stdlib.h>

struct edge {
    uint32_t from;
    uint32_t to;
};

struct graph {
    size_t nodes; /* events, then barriers */
    struct edge *edges;
    size_t edges_count;
    size_t edges_room;
    /* By node: where its successors begin, and how many predecessors it still has. */
    uint32_t *starts;
    uint32_t *successors;
    uint32_t *predecessors;
};

static void add_edge(struct graph *graph, size_t from, size_t to)
{
    if (from == to) /* several legs of one change on one account */
        return;
    assert(graph->edges_count < graph->edges_room);
    graph->edges[graph->edges_count++] = (struct edge){(uint32_t)from, (uint32_t)to};
}

/* Whether a version between two legs of one change was seen by its number: it was, but never the
 * newest one of all that others could see. */
static bool is_within(const struct check *check, const struct entry *sight,
                      const struct entry *next, const struct entry *before)
{
    return check_event(check, sight)->kind == HISTORY_PAST && before != NULL &&
           before->event == next->event;
}

/* The entries of an account in order. Those who saw a version stand between two changes. */
static void add_version_edges(struct graph *graph, const struct check *check, size_t first,
                              size_t end)
{
    size_t change = end;   /* the newest; end: none yet */
    size_t sights = first; /* those of the newest change begin here */
    for (size_t i = first; i < end; i++) {
        const struct entry *entry = &check->entries[i];
        if (entry->version == 0 && !entry->is_sight) {
            sights = i + 1;
            continue;
        }
        if (change != end)
            add_edge(graph, check->entries[change].event, entry->event);
        if (entry->is_sight)
            continue;
        for (size_t j = sights; j < i; j++) {
            const struct entry *before = change == end ? NULL : &check->entries[change];
            if (!is_within(check, &check->entries[j], entry, before))
                add_edge(graph, check->entries[j].event, entry->event);
        }
        change = i;
        sights = i + 1;
    }
}

static bool takes_part(const struct event *event)
{
    return event->state == EVENT_CHANGE || event->state == EVENT_SIGHT;
}

/* Returns in their order; their number. */
static size_t list_returns(const struct check *check, struct ordered *returns)
{
    size_t count = 0;
    for (size_t i = 0; i < check->events_count; i++) {
        const struct event *event = &check->events[i];
        if (takes_part(event) && event->latest_ns != HISTORY_NEVER)
            returns[count++] = (struct ordered){.first = event->latest_ns, .index = i};
    }
    check_sort(returns, count);
    return count;
}

static void add_barriers(struct graph *graph, const struct check *check)
{
    struct ordered *returns = check_allocate(check->events_count, sizeof(*returns));
    size_t count = list_returns(check, returns);
    for (size_t i = 0; i < count; i++) {
        add_edge(graph, returns[i].index, check->events_count + i);
        if (i > 0)
            add_edge(graph, check->events_count + i - 1, check->events_count + i);
    }
    graph->nodes = check->events_count + count;
    for (size_t i = 0; i < check->events_count; i++) {
        size_t low = 0; /* becomes the number of returns in front of the invocation */
        size_t high = takes_part(&check->events[i]) ? count : 0;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (returns[middle].first < check->events[i].earliest_ns)
                low = middle + 1;
            else
                high = middle;
        }
        if (low > 0)
            add_edge(graph, check->events_count + low - 1, i);
    }
    free(returns);
}

static void index_edges(struct graph *graph)
{
    graph->starts = check_allocate(graph->nodes + 1, sizeof(*graph->starts));
    graph->successors = check_allocate(graph->edges_count, sizeof(*graph->successors));
    graph->predecessors = check_allocate(graph->nodes, sizeof(*graph->predecessors));
    for (size_t i = 0; i < graph->edges_count; i++) {
        graph->starts[graph->edges[i].from + 1]++;
        graph->predecessors[graph->edges[i].to]++;
    }
    for (size_t node = 0; node < graph->nodes; node++)
        graph->starts[node + 1] += graph->starts[node];
    uint32_t *next = check_allocate(graph->nodes, sizeof(*next));
    for (size_t i = 0; i < graph->edges_count; i++) {
        uint32_t from = graph->edges[i].from;
        graph->successors[graph->starts[from] + next[from]++] = graph->edges[i].to;
    }
    free(next);
}

/* Takes away what has no predecessor, until nothing is left or all that is left has one. Returns
 * how many are left. */
static size_t peel(struct graph *graph)
{
    uint32_t *ready = check_allocate(graph->nodes, sizeof(*ready));
    size_t end = 0;
    for (size_t node = 0; node < graph->nodes; node++) {
        if (graph->predecessors[node] == 0)
            ready[end++] = (uint32_t)node;
    }
    for (size_t begin = 0; begin < end; begin++) {
        uint32_t node = ready[begin];
        for (uint32_t i = graph->starts[node]; i < graph->starts[node + 1]; i++) {
            if (--graph->predecessors[graph->successors[i]] == 0)
                ready[end++] = graph->successors[i];
        }
    }
    free(ready);
    return graph->nodes - end;
}

/* Walks from predecessor to predecessor among what is left, until a node comes again: from there
 * on it is a cycle, which is reported in its direction. Barriers are passed over in silence. */
static void report_cycle(const struct graph *graph, struct check *check)
{
    uint32_t *before = check_allocate(graph->nodes, sizeof(*before));
    bool *visited = check_allocate(graph->nodes, sizeof(*visited));
    uint32_t node = 0;
    for (size_t i = 0; i < graph->edges_count; i++) {
        const struct edge *edge = &graph->edges[i];
        if (graph->predecessors[edge->from] > 0 && graph->predecessors[edge->to] > 0) {
            before[edge->to] = edge->from;
            node = edge->to;
        }
    }
    while (!visited[node]) {
        visited[node] = true;
        node = before[node];
    }
    uint32_t *cycle = check_allocate(graph->nodes, sizeof(*cycle));
    size_t length = 0;
    uint32_t last = node;
    do {
        if (node < check->events_count)
            cycle[length++] = node;
        node = before[node];
    } while (node != last);
    struct history_violation *violation = check_violation(check, HISTORY_CYCLE, 0, 0);
    for (size_t i = length; i > 0; i--)
        check_involve(violation, check->events[cycle[i - 1]].place);
    free(cycle);
    free(visited);
    free(before);
}

void check_graph(struct check *check)
{
    struct graph graph = {.edges_room = 2 * check->entries_count + 3 * check->events_count};
    graph.edges = check_allocate(graph.edges_room, sizeof(*graph.edges));
    for (size_t first = 0; first < check->entries_count;) {
        size_t end = check_account_end(check, first);
        add_version_edges(&graph, check, first, end);
        first = end;
    }
    add_barriers(&graph, check);
    index_edges(&graph);
    if (peel(&graph) > 0)
        report_cycle(&graph, check);
    free(graph.edges);
    free(graph.starts);
    free(graph.successors);
    free(graph.predecessors);
}
