/* disk_eye.c - what the disk and the ledger's log lines tell of what happens: trace and counters.
 *
 * Must not change anything.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/ledger.h"
#include "simulation/simulation.h"
#include "wal/log.h"
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

static void see_completion(struct simulation *simulation, const struct sim_event *event)
{
    simulation->commit_under_way = false;
    if (event->error != 0)
        return;
    simulation->older = simulation->newest;
    simulation->newest = simulation->under_way;
    if (strcmp(simulation->older.name, simulation->newest.name) != 0)
        simulation->older.name[0] = '\0';
}

static void see_commit(struct simulation *simulation, const struct sim_event *event)
{
    if (event->operation == SIM_REAP)
        see_completion(simulation, event);
    if (event->operation != SIM_SUBMIT || event->error != 0)
        return;
    simulation->commit_under_way = true;
    if (ends_with(event->name, ".wal"))
        log_eye_see(simulation, event);
    simulation->under_way = (struct sim_place){.offset = event->offset, .length = event->length};
    memcpy(simulation->under_way.name, event->name, strlen(event->name));
    if (event->offset == 0 && simulation->flying > 0)
        count(simulation->counters, COUNT_rotation_in_flight);
    if (event->offset == 0 && protocol_eye_is_resolving(simulation))
        count(simulation->counters, COUNT_rotation_in_posting);
    if (simulation->flying == 0 && simulation->ledger != NULL && !simulation->recovering)
        count(simulation->counters, COUNT_idle_mark);
}

static void see_key_file(struct simulation *simulation)
{
    struct ledger_statistics statistics;
    struct log_statistics log;
    count(simulation->counters, COUNT_key_file_made);
    ledger_statistics(simulation->ledger, &statistics, &log);
    simulation->keys_at_file = statistics.keys_held;
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
        see_key_file(simulation);
    /* In keys/ what failed steps have left may go: later files must not overlap it. */
    if (event->operation == SIM_REMOVE && simulation->files_held &&
        (ends_with(event->name, ".ckpt") || ends_with(event->name, ".wal")))
        simulation_fail(simulation, "%s is removed while files are held", event->name);
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
    {"event=keys_moved", COUNT_keys_moved_at_start},
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

/* Which checkpoint a start has found. */
static void see_recovered(struct simulation *simulation, const char *line)
{
    uint64_t lsn = number_behind(line, "checkpoint_lsn=");
    if (strstr(line, "end=torn") != NULL && simulation->wiped_start)
        count(simulation->counters, COUNT_torn_at_segment_start);
    if (number_behind(line, "segments=") >= 5)
        count(simulation->counters, COUNT_many_segments);
    for (uint64_t i = lsn + 1; i <= number_behind(line, "last_lsn="); i++) {
        const struct reference_record *record = log_eye_record(simulation, i);
        if (record != NULL && record->leg_count > 1 && !simulation->is_copy)
            count(simulation->counters, COUNT_legs_replayed);
    }
    if (lsn > 0)
        count(simulation->counters, COUNT_checkpoint_loaded);
    if (lsn > 0 && lsn < simulation->damaged_lsn)
        count(simulation->counters, COUNT_checkpoint_older);
    if (lsn == 0 && simulation->damaged_lsn > 0)
        count(simulation->counters, COUNT_checkpoint_none);
}

/* "... file=simulated/checkpoint/<16 hex digits>.ckpt ..." */
static void see_damaged(struct simulation *simulation, const char *line)
{
    static const char directory[] = "/checkpoint/";
    const char *name = strstr(line, directory);
    uint64_t lsn = name == NULL ? 0 : strtoull(name + sizeof directory - 1, NULL, 16);
    if (lsn > simulation->damaged_lsn)
        simulation->damaged_lsn = lsn;
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
    if (strstr(line, "event=recovered ") != NULL)
        see_recovered(simulation, line);
    if (strstr(line, "event=checkpoint_damaged") != NULL ||
        strstr(line, "event=checkpoint_unreadable") != NULL)
        see_damaged(simulation, line);
}
