/* checkpoint_file.c - names and fields of checkpoints.
 *
 * Guarantees: what it decodes is in range; a file whose fields are not is damaged, by name. It must
 * not know who writes or loads the images.
 */
#include "checkpoint_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/bytes.h"
#include "file_number.h"

enum {
    INFO_START_LSN = 0,
    INFO_STARTED_NS = 8,
    INFO_LOG_START = 16,
    INFO_END = INFO_LOG_START + LOG_START_BYTES,
    TOTALS_END_LSN = 0,
    TOTALS_ACCOUNTS = 8,
    TOTALS_DIGEST = 16,
    TOTALS_BALANCE_LOW = 24,
    TOTALS_BALANCE_HIGH = 32,
    TOTALS_NEWEST_TIME_NS = 40,
    TOTALS_END = 48,
};
_Static_assert((int)INFO_END <= (int)BLOCK_FILE_INFO_BYTES, "the fields fit");
_Static_assert((int)TOTALS_END <= (int)BLOCK_FILE_TOTALS_BYTES, "the fields fit");

static const char name_end[] = ".ckpt";
static const char temporary_end[] = ".tmp";

void checkpoint_name(uint64_t start_lsn, char name[STORAGE_NAME_MAX])
{
    snprintf(name, STORAGE_NAME_MAX, "%016" PRIx64 "%s", start_lsn, name_end);
}

bool checkpoint_parse_name(const char *name, uint64_t *start_lsn)
{
    return file_number_parse(name, start_lsn) && strcmp(name + FILE_NUMBER_DIGITS, name_end) == 0;
}

void checkpoint_info_encode(const struct checkpoint_info *info,
                            uint8_t bytes[BLOCK_FILE_INFO_BYTES])
{
    memset(bytes, 0, BLOCK_FILE_INFO_BYTES);
    bytes_put_u64(bytes + INFO_START_LSN, info->start_lsn);
    bytes_put_u64(bytes + INFO_STARTED_NS, info->started_ns);
    log_start_encode(&info->log_start, bytes + INFO_LOG_START);
}

void checkpoint_totals_encode(const struct checkpoint_totals *totals,
                              uint8_t bytes[BLOCK_FILE_TOTALS_BYTES])
{
    memset(bytes, 0, BLOCK_FILE_TOTALS_BYTES);
    bytes_put_u64(bytes + TOTALS_END_LSN, totals->end_lsn);
    bytes_put_u64(bytes + TOTALS_ACCOUNTS, totals->sums.accounts);
    bytes_put_u64(bytes + TOTALS_DIGEST, totals->sums.digest);
    bytes_put_u64(bytes + TOTALS_BALANCE_LOW, totals->sums.balance_low);
    bytes_put_i64(bytes + TOTALS_BALANCE_HIGH, totals->sums.balance_high);
    bytes_put_u64(bytes + TOTALS_NEWEST_TIME_NS, totals->newest_time_ns);
}

static bool decode_info(const uint8_t *bytes, struct checkpoint_info *info)
{
    info->start_lsn = bytes_get_u64(bytes + INFO_START_LSN);
    info->started_ns = bytes_get_u64(bytes + INFO_STARTED_NS);
    return log_start_decode(bytes + INFO_LOG_START, &info->log_start) &&
           info->start_lsn < SHARD_LSN_PROVISIONAL &&
           info->log_start.first_lsn <= info->start_lsn + 1 &&
           bytes_are_zero(bytes + INFO_END, BLOCK_FILE_INFO_BYTES - INFO_END);
}

static bool decode_totals(const uint8_t *bytes, struct checkpoint_totals *totals)
{
    *totals = (struct checkpoint_totals){
        .end_lsn = bytes_get_u64(bytes + TOTALS_END_LSN),
        .sums =
            {
                .accounts = bytes_get_u64(bytes + TOTALS_ACCOUNTS),
                .digest = bytes_get_u64(bytes + TOTALS_DIGEST),
                .balance_low = bytes_get_u64(bytes + TOTALS_BALANCE_LOW),
                .balance_high = bytes_get_i64(bytes + TOTALS_BALANCE_HIGH),
            },
        .newest_time_ns = bytes_get_u64(bytes + TOTALS_NEWEST_TIME_NS),
    };
    return totals->end_lsn < SHARD_LSN_PROVISIONAL &&
           bytes_are_zero(bytes + TOTALS_END, BLOCK_FILE_TOTALS_BYTES - TOTALS_END);
}

int checkpoint_open(struct storage *storage, const uint8_t *log_id, uint64_t start_lsn,
                    struct block_file *file, struct checkpoint_info *info,
                    struct checkpoint_totals *totals, struct block_file_fault *fault)
{
    char name[STORAGE_NAME_MAX];
    checkpoint_name(start_lsn, name);
    int error = block_file_open(storage, log_id, BLOCK_FILE_CHECKPOINT, CHECKPOINT_DIRECTORY, name,
                                file, fault);
    if (error != 0)
        return error;
    const char *reason = NULL;
    if (file->block_bytes != CHECKPOINT_BLOCK_BYTES)
        reason = "blocks of another size than checkpoints have";
    else if (!decode_info(file->info, info) || !decode_totals(file->totals, totals))
        reason = "its fields are out of range";
    else if (info->start_lsn != start_lsn)
        reason = "it begins at another LSN than its name says";
    else if (totals->end_lsn < start_lsn)
        reason = "it ends before it begins";
    if (reason == NULL)
        return 0;
    memset(fault, 0, sizeof(*fault));
    snprintf(fault->file, sizeof(fault->file), "%s", file->name);
    snprintf(fault->reason, sizeof(fault->reason), "%s", reason);
    block_file_close(file);
    return -EBADMSG;
}

/* --- listing and removing -------------------------------------------------------------------- */

struct listing {
    uint64_t start_lsns[CHECKPOINTS_LISTED_MAX];
    size_t count;
    char temporaries[CHECKPOINTS_LISTED_MAX][STORAGE_NAME_MAX];
    size_t temporary_count;
    bool more; /* than there is room for */
};

static bool has_end(const char *name, const char *end)
{
    size_t length = strlen(name);
    size_t end_length = strlen(end);
    return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

/* When there is no room, the oldest goes. */
static void add_checkpoint(struct listing *listing, uint64_t start_lsn)
{
    if (listing->count < CHECKPOINTS_LISTED_MAX) {
        listing->start_lsns[listing->count++] = start_lsn;
        return;
    }
    listing->more = true;
    size_t oldest = 0;
    for (size_t i = 1; i < listing->count; i++) {
        if (listing->start_lsns[i] < listing->start_lsns[oldest])
            oldest = i;
    }
    if (start_lsn > listing->start_lsns[oldest])
        listing->start_lsns[oldest] = start_lsn;
}

static void add_temporary(struct listing *listing, const char *name)
{
    if (listing->temporary_count == CHECKPOINTS_LISTED_MAX)
        listing->more = true;
    else
        snprintf(listing->temporaries[listing->temporary_count++], STORAGE_NAME_MAX, "%s", name);
}

static void visit(void *context, const char *name)
{
    struct listing *listing = context;
    uint64_t start_lsn;
    if (checkpoint_parse_name(name, &start_lsn))
        add_checkpoint(listing, start_lsn);
    else if (has_end(name, temporary_end) && strlen(name) < STORAGE_NAME_MAX / 2)
        add_temporary(listing, name);
}

static int compare_newest_first(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a < b) - (a > b);
}

static int list(struct storage *storage, struct listing *listing)
{
    memset(listing, 0, sizeof(*listing));
    int error = storage->operations->list(storage, CHECKPOINT_DIRECTORY, visit, listing);
    if (error != 0)
        return error == -ENOENT ? 0 : error;
    qsort(listing->start_lsns, listing->count, sizeof(listing->start_lsns[0]),
          compare_newest_first);
    return 0;
}

int checkpoint_list(struct storage *storage, uint64_t start_lsns[CHECKPOINTS_LISTED_MAX],
                    size_t *count)
{
    struct listing listing;
    int error = list(storage, &listing);
    if (error != 0)
        return error;
    memcpy(start_lsns, listing.start_lsns, sizeof(listing.start_lsns));
    *count = listing.count;
    return 0;
}

static int remove_file(struct storage *storage, const char *plain_name)
{
    char name[STORAGE_NAME_MAX];
    int length = snprintf(name, sizeof(name), "%s/%s", CHECKPOINT_DIRECTORY, plain_name);
    if (length < 0 || (size_t)length >= sizeof(name))
        return -ENAMETOOLONG;
    int error = storage->operations->remove(storage, name);
    return error == -ENOENT ? 0 : error;
}

static bool is_kept(uint64_t start_lsn, const uint64_t *kept, size_t kept_count)
{
    for (size_t i = 0; i < kept_count; i++) {
        if (kept[i] == start_lsn)
            return true;
    }
    return false;
}

/* Checkpoints that are listed and not kept. */
static int remove_checkpoints(struct storage *storage, const struct listing *listing,
                              const uint64_t *kept, size_t kept_count, bool *removed)
{
    int error = 0;
    for (size_t i = 0; i < listing->count && error == 0; i++) {
        char name[STORAGE_NAME_MAX];
        if (is_kept(listing->start_lsns[i], kept, kept_count))
            continue;
        checkpoint_name(listing->start_lsns[i], name);
        error = remove_file(storage, name);
        *removed = true;
    }
    return error;
}

static int remove_temporaries(struct storage *storage, const struct listing *listing, bool *removed)
{
    int error = 0;
    for (size_t i = 0; i < listing->temporary_count && error == 0; i++) {
        error = remove_file(storage, listing->temporaries[i]);
        *removed = true;
    }
    return error;
}

static int flush_removals(struct storage *storage, bool removed)
{
    return removed ? storage->operations->sync_directory(storage, CHECKPOINT_DIRECTORY) : 0;
}

int checkpoint_remove_leftovers(struct storage *storage)
{
    struct listing listing;
    bool removed = false;
    int error = list(storage, &listing);
    if (error == 0)
        error = remove_temporaries(storage, &listing, &removed);
    return error != 0 ? error : flush_removals(storage, removed);
}

int checkpoint_remove_older(struct storage *storage, const uint64_t *kept, size_t kept_count)
{
    struct listing listing = {.more = true};
    bool removed = true;
    int error = 0;
    /* Ends: every turn removes files, and nobody adds any. */
    while (listing.more && removed && error == 0) {
        removed = false;
        error = list(storage, &listing);
        if (error == 0)
            error = remove_checkpoints(storage, &listing, kept, kept_count, &removed);
        if (error == 0)
            error = remove_temporaries(storage, &listing, &removed);
        if (error == 0)
            error = flush_removals(storage, removed);
    }
    return error;
}
