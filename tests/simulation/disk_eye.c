/* disk_eye.c - what the disk and the ledger's log lines tell of what happens: trace and counters.
 *
 * Must not change anything.
 */
#include <string.h>

#include "simulation/simulation.h"
#include "wal/storage.h"

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static void see_commit(struct simulation *simulation, const struct sim_event *event)
{
    if (event->operation == SIM_REAP)
        simulation->commit_under_way = false;
    if (event->operation != SIM_SUBMIT || event->error != 0)
        return;
    simulation->commit_under_way = true;
    if (event->offset == 0 && simulation->flying > 0)
        count(simulation->counters, COUNT_rotation_in_flight);
    if (simulation->flying == 0 && simulation->ledger != NULL && !simulation->recovering)
        count(simulation->counters, COUNT_idle_mark);
}

static void see_files(struct simulation *simulation, const struct sim_event *event)
{
    if (event->error != 0)
        return;
    if (event->operation == SIM_WRITE && event->offset == 0 && simulation->recovering &&
        ends_with(event->name, ".wal"))
        simulation->wiped_start = true;
    if (event->operation == SIM_RENAME && begins_with(event->name, "checkpoint/"))
        count(simulation->counters, COUNT_checkpoint_made);
    if (event->operation == SIM_RENAME && begins_with(event->name, "keys/"))
        count(simulation->counters, COUNT_key_file_made);
    if (event->operation == SIM_REMOVE && ends_with(event->name, ".wal") && !simulation->creating)
        count(simulation->counters, COUNT_segment_removed);
    if (event->operation == SIM_RENAME && strcmp(event->name, "meta") == 0)
        simulation->creating = false;
}

static void see(void *context, const struct sim_event *event)
{
    struct simulation *simulation = context;
    trace_text(simulation, "disk", event->name);
    trace(simulation, sim_operation_name(event->operation), event->offset, event->length,
          (uint64_t)-event->error);
    if (event->injected)
        simulation->faults_seen++;
    simulation->last_operation = event->operation;
    memcpy(simulation->last_name, event->name, strlen(event->name) + 1);
    see_commit(simulation, event);
    see_files(simulation, event);
}

void disk_eye_open(struct simulation *simulation, struct sim_disk *disk)
{
    sim_disk_observe(disk, see, simulation);
}

/* --- the ledger's log ------------------------------------------------------------------------ */

static const struct {
    const char *text;
    enum counter counter;
} told[] = {
    {"event=recovered end=new", COUNT_recovered_new},
    {"event=recovered end=clean", COUNT_recovered_clean},
    {"event=recovered end=crash", COUNT_recovered_whole},
    {"event=recovered end=torn", COUNT_torn_frame_cut},
    {"event=log_failed step=submit", COUNT_poisoned_by_submit},
    {"event=log_failed step=write", COUNT_poisoned_by_write},
    {"event=log_failed step=prepare_segment", COUNT_poisoned_by_segment},
};

static unsigned long long number_behind(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    unsigned long long number = 0;
    for (at = at == NULL ? "" : at + strlen(name); *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (unsigned long long)(*at - '0');
    return number;
}

void disk_eye_log_line(void *context, const char *line)
{
    struct simulation *simulation = context;
    trace_text(simulation, "log", line);
    if (simulation->ledger == NULL && !simulation->recovering)
        return; /* last words behind a power failure */
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        if (strstr(line, told[i].text) != NULL)
            count(simulation->counters, told[i].counter);
    }
    if (strstr(line, "event=recovered end=torn") != NULL && simulation->wiped_start)
        count(simulation->counters, COUNT_torn_at_segment_start);
    if (strstr(line, "event=recovered") != NULL && number_behind(line, "segments=") >= 5)
        count(simulation->counters, COUNT_many_segments);
}
