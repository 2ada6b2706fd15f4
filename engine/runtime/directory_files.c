/* directory_files.c - lists checkpoint/ and keys/. It must not know what is in the files. */
#include "directory_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup_format.h"
#include "checkpoint_file.h"

const char *directory_file_folder(enum block_file_kind kind)
{
    return kind == BLOCK_FILE_CHECKPOINT ? "checkpoint" : "keys";
}

const char *directory_file_plain_name(const struct directory_file *file)
{
    return file->name + strlen(directory_file_folder(file->kind)) + 1;
}

static void add(struct directory_files *files, struct directory_file *file, const char *name)
{
    if (files->count == files->max) {
        size_t max = files->max == 0 ? 64 : 2 * files->max;
        struct directory_file *more = realloc(files->files, max * sizeof(*more));
        if (more == NULL) {
            files->error = -ENOMEM;
            return;
        }
        files->files = more;
        files->max = max;
    }
    /* a name that was parsed has at most 38 letters */
    snprintf(file->name, sizeof(file->name), "%s/%.40s", directory_file_folder(file->kind), name);
    files->files[files->count++] = *file;
}

static void visit_checkpoint(void *context, const char *name)
{
    struct directory_file file = {.kind = BLOCK_FILE_CHECKPOINT};
    if (checkpoint_parse_name(name, &file.from))
        add(context, &file, name);
}

static void visit_keys(void *context, const char *name)
{
    struct directory_file file = {.kind = BLOCK_FILE_KEYS};
    if (backup_parse_keys(name, &file.from, &file.to))
        add(context, &file, name);
}

/* Of key files that begin together the longest comes first. */
static int compare(const void *left, const void *right)
{
    const struct directory_file *a = left;
    const struct directory_file *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    return (a->to < b->to) - (a->to > b->to);
}

static void drop_merged(struct directory_files *files)
{
    uint64_t covered = 0;
    size_t kept = 0;
    for (size_t i = 0; i < files->count; i++) {
        const struct directory_file *file = &files->files[i];
        if (file->kind == BLOCK_FILE_KEYS && file->to <= covered)
            continue;
        if (file->kind == BLOCK_FILE_KEYS)
            covered = file->to;
        files->files[kept++] = *file;
    }
    files->count = kept;
}

int directory_files_init(struct directory_files *files, struct storage *storage)
{
    const struct storage_operations *operations = storage->operations;
    *files = (struct directory_files){.count = 0};
    int error = operations->list(storage, directory_file_folder(BLOCK_FILE_CHECKPOINT),
                                 visit_checkpoint, files);
    if (error == 0 || error == -ENOENT)
        error =
            operations->list(storage, directory_file_folder(BLOCK_FILE_KEYS), visit_keys, files);
    if (error != 0 && error != -ENOENT)
        return error;
    if (files->error != 0)
        return files->error;
    if (files->count > 0)
        qsort(files->files, files->count, sizeof(*files->files), compare);
    drop_merged(files);
    return 0;
}

void directory_files_deinit(struct directory_files *files)
{
    free(files->files);
    files->files = NULL;
}
