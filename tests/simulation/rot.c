/* rot.c - damage between two lives: flipped bits, lost writes, cut, lost and exchanged files.
 *
 * What looks like the normal state of a log cannot be told from it: a last frame of which a part
 * was lost is a torn one. So writes are lost only where a later one is durable.
 */
#include <errno.h>
#include <string.h>

#include "simulation/simulation.h"

/* What was there when one file was damaged. */
struct damage {
    char name[STORAGE_NAME_MAX];
    bool is_newest; /* of the checkpoints */
};

enum rot { ROT_FLIP, ROT_FLIP_NEWEST, ROT_ZERO, ROT_CUT, ROT_LOSE, ROT_SWAP, ROTS };

static const char *draw_file(struct simulation *simulation, uint64_t *size)
{
    size_t files = 0;
    while (sim_disk_file(simulation->disk, files, size) != NULL)
        files++;
    return sim_disk_file(simulation->disk, random_below(&simulation->random, files + (files == 0)),
                         size);
}

/* Where the log's last frame may be: to be told from a torn one. */
static bool flip_newest(struct simulation *simulation)
{
    const struct sim_place *frame = &simulation->newest;
    return frame->name[0] != '\0' &&
           sim_disk_flip(simulation->disk, frame->name,
                         frame->offset + random_below(&simulation->random, frame->length),
                         (unsigned)random_below(&simulation->random, 8));
}

/* A sector of a durable frame, with a later frame in the same segment. */
static bool lose_write(struct simulation *simulation)
{
    const struct sim_place *frame = &simulation->older;
    uint64_t sectors = frame->length / STORAGE_SECTOR_BYTES;
    return frame->name[0] != '\0' &&
           sim_disk_zero(simulation->disk, frame->name,
                         frame->offset +
                             random_below(&simulation->random, sectors) * STORAGE_SECTOR_BYTES,
                         STORAGE_SECTOR_BYTES);
}

static bool is_checkpoint(const char *name)
{
    size_t length = strlen(name);
    return strncmp(name, "checkpoint/", 11) == 0 && strcmp(name + length - 5, ".ckpt") == 0;
}

static void note_checkpoints(const struct simulation *simulation, struct damage *damage)
{
    uint64_t size;
    const char *name;
    damage->is_newest = is_checkpoint(damage->name);
    for (size_t i = 0; (name = sim_disk_file(simulation->disk, i, &size)) != NULL; i++) {
        if (!is_checkpoint(name))
            continue;
        damage->is_newest &= strcmp(name, damage->name) <= 0;
    }
}

/* A checkpoint alone does not bring anything down: the one before it stands there, or the whole
 * log. */
static void judge_refusal(struct simulation *simulation, const struct damage *damage)
{
    count(simulation->counters, COUNT_rot_refused);
    if (is_checkpoint(damage->name))
        simulation_fail(simulation, "for the damaged %s a start is refused", damage->name);
}

static void judge_start(struct simulation *simulation, const struct damage *damage)
{
    count(simulation->counters, COUNT_rot_harmless);
    if (damage->is_newest && simulation->damaged_lsn == 0)
        simulation_fail(simulation, "the damaged %s was not named", damage->name);
    audit_peek(simulation);
}

static bool damage_file(struct simulation *simulation, enum rot rot, struct damage *damage)
{
    struct random *random = &simulation->random;
    struct sim_disk *disk = simulation->disk;
    uint64_t size;
    uint64_t other_size;
    const char *name = draw_file(simulation, &size);
    if (name == NULL || size == 0)
        return false;
    trace_text(simulation, "rot", name);
    if (rot == ROT_FLIP || rot == ROT_CUT) {
        memcpy(damage->name, name, strlen(name) + 1);
        note_checkpoints(simulation, damage);
    }
    switch (rot) {
    case ROT_FLIP:
        return sim_disk_flip(disk, name, random_below(random, size),
                             (unsigned)random_below(random, 8));
    case ROT_FLIP_NEWEST:
        return flip_newest(simulation);
    case ROT_ZERO:
        return lose_write(simulation);
    case ROT_CUT:
        return sim_disk_cut(disk, name, random_below(random, size));
    case ROT_LOSE:
        return sim_disk_lose(disk, name);
    case ROT_SWAP:
        return sim_disk_swap(disk, name, draw_file(simulation, &other_size));
    case ROTS:
        break;
    }
    return false;
}

void life_begin_with_rot(struct simulation *simulation, unsigned workers)
{
    struct sim_disk *whole = sim_disk_kill(simulation->disk);
    enum rot rot = (enum rot)random_below(&simulation->random, ROTS);
    struct damage damage = {0};
    bool damaged = damage_file(simulation, rot, &damage);
    trace(simulation, "rot", rot, damaged, 0);
    simulation->is_copy = true;
    int error = life_start(simulation, workers);
    if (error == 0) {
        judge_start(simulation, &damage);
    } else if (error == -EBADMSG) {
        judge_refusal(simulation, &damage);
    } else {
        simulation_fail(simulation, "damaged files are answered with error %d", error);
    }
    life_change_disk(simulation, whole);
    simulation->is_copy = false;
}
