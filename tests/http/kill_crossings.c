/* kill_crossings.c - reads figures and directories of servers.
 *
 * Guarantees: what it counts has happened. It must not know how a server is killed.
 */
#include "kill_crossings.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 512 };

static const char *const names[CROSSINGS] = {
    [CROSSING_CHECKPOINT] = "checkpoint",
    [CROSSING_ROTATION] = "rotation",
    [CROSSING_KEY_FILE] = "key file",
    [CROSSING_MERGE] = "merge",
    [CROSSING_RETENTION] = "retention",
    [CROSSING_HALF_CHECKPOINT] = "half a checkpoint",
    [CROSSING_HALF_KEY_FILE] = "half a key file",
};

static uint64_t figure(const char *page, const char *name)
{
    char line[128];
    snprintf(line, sizeof(line), "\n%s ", name);
    const char *found = strstr(page, line);
    if (found == NULL) {
        fprintf(stderr, "kill_loop: no %s in /metrics\n", name);
        exit(1);
    }
    return strtoull(found + strlen(line), NULL, 10);
}

void crossings_read_figures(struct crossings *crossings, const char *page)
{
    static const struct {
        const char *name;
        enum crossing crossing;
    } figures[] = {
        {"florin_checkpoints_completed_total", CROSSING_CHECKPOINT},
        {"florin_key_merges_total", CROSSING_MERGE},
        {"florin_log_segments_removed_total", CROSSING_RETENTION},
    };
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        if (figure(page, figures[i].name) > 0)
            crossings->seen[figures[i].crossing] = true;
    }
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name);
    return length >= strlen(end) && strcmp(name + length - strlen(end), end) == 0;
}

/* Calls `look` for every name in a folder of the directory; one that is missing is empty. */
static void look_at_folder(struct crossings *crossings, const char *data, const char *folder,
                           void (*look)(struct crossings *, const char *name))
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", data, folder);
    DIR *directory = opendir(path);
    if (directory == NULL && errno == ENOENT)
        return;
    if (directory == NULL) {
        perror(path);
        exit(1);
    }
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL)
        look(crossings, entry->d_name);
    closedir(directory);
}

static void look_at_checkpoint(struct crossings *crossings, const char *name)
{
    if (ends_with(name, ".tmp"))
        crossings->seen[CROSSING_HALF_CHECKPOINT] = true;
    if (!ends_with(name, ".ckpt"))
        return;
    uint64_t start = strtoull(name, NULL, 16);
    if (start > crossings->newest_checkpoint) {
        crossings->newest_checkpoint = start;
        crossings->seen[CROSSING_CHECKPOINT] = true;
    }
}

/* "<from>-<to>.keys": one that reaches further is new. */
static void look_at_key_file(struct crossings *crossings, const char *name)
{
    if (ends_with(name, ".tmp"))
        crossings->seen[CROSSING_HALF_KEY_FILE] = true;
    const char *dash = strchr(name, '-');
    if (!ends_with(name, ".keys") || dash == NULL)
        return;
    uint64_t to = strtoull(dash + 1, NULL, 16);
    if (to > crossings->last_key) {
        crossings->last_key = to;
        crossings->seen[CROSSING_KEY_FILE] = true;
    }
}

/* Spares stand behind the one in use; a new one is made after each rotation. */
static void look_at_segment(struct crossings *crossings, const char *name)
{
    if (!ends_with(name, ".wal"))
        return;
    uint64_t number = strtoull(name, NULL, 10);
    if (crossings->first_segment == 0 || number < crossings->first_segment)
        crossings->first_segment = number;
    if (number > crossings->last_segment) {
        crossings->seen[CROSSING_ROTATION] |= crossings->last_segment > 0;
        crossings->last_segment = number;
    }
}

void crossings_read_directory(struct crossings *crossings, const char *data)
{
    uint64_t first_before = crossings->first_segment;
    crossings->first_segment = 0;
    look_at_folder(crossings, data, "checkpoint", look_at_checkpoint);
    look_at_folder(crossings, data, "keys", look_at_key_file);
    look_at_folder(crossings, data, "log", look_at_segment);
    if (first_before > 0 && crossings->first_segment > first_before)
        crossings->seen[CROSSING_RETENTION] = true;
}

void crossings_end_round(struct crossings *crossings)
{
    for (unsigned i = 0; i < CROSSINGS; i++) {
        crossings->rounds[i] += crossings->seen[i];
        crossings->seen[i] = false;
    }
}

bool crossings_report(const struct crossings *crossings)
{
    bool all = true;
    printf("kill_loop: rounds with");
    for (unsigned i = 0; i < CROSSINGS; i++) {
        printf("%s %s %u", i == 0 ? "" : ",", names[i], crossings->rounds[i]);
        if (i < CROSSING_HALF_CHECKPOINT && crossings->rounds[i] == 0)
            all = false;
    }
    printf("\n");
    return all;
}
