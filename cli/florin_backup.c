/* florin_backup.c - a backup into a file, from a server or from a stopped directory; a checkpoint
 * on demand.
 *
 * Guarantees: the file has its name only when all of it is there and flushed; nothing is
 * overwritten.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/runtime/backup.h"
#include "files_error.h"
#include "florin_commands.h"
#include "http/json_object.h"
#include "progress.h"
#include "remote.h"

enum {
    PATH_BYTES = 4096,
    PIECE_BYTES = 1024 * 1024,
    FILE_MODE = 0600,
    /* Between two looks at a checkpoint that is under way. */
    LOOK_MS = 100,
};

struct output {
    int descriptor;
    bool is_stdout;
    char name[PATH_BYTES];
    char temporary[PATH_BYTES];
    uint64_t bytes;
    int error; /* of a write */
    struct progress progress;
};

/* --- the file -------------------------------------------------------------------------------- */

static enum exit_code open_output(struct output *output, const char *name)
{
    *output = (struct output){.descriptor = STDOUT_FILENO};
    progress_start(&output->progress);
    output->is_stdout = strcmp(name, "-") == 0;
    if (output->is_stdout)
        return EXIT_OK;
    int length = snprintf(output->name, PATH_BYTES, "%s", name);
    if (length < 0 || length >= PATH_BYTES - 8)
        return files_error(name, -ENAMETOOLONG, NULL);
    snprintf(output->temporary, PATH_BYTES, "%.*s.tmp", PATH_BYTES - 8, name);
    if (access(name, F_OK) == 0) {
        fprintf(stderr, "florin: %s is there already: it is not overwritten\n", name);
        return EXIT_CANNOT_CREATE;
    }
    output->descriptor =
        open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (output->descriptor >= 0)
        return EXIT_OK;
    int error = errno;
    fprintf(stderr, "florin: %s: %s%s\n", output->temporary, strerror(error),
            error == EEXIST ? " (left by an interrupted backup? remove it first)" : "");
    return files_error_code(-error);
}

/* A remote_sink. */
static bool write_output(void *context, const void *bytes, size_t length)
{
    struct output *output = context;
    const char *rest = bytes;
    output->bytes += length;
    while (length > 0) {
        ssize_t put = write(output->descriptor, rest, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            output->error = put < 0 ? -errno : -EIO;
            return false;
        }
        rest += put;
        length -= (size_t)put;
    }
    progress_show(&output->progress, "backup", output->bytes, 0);
    return true;
}

static int sync_folder(const char *name)
{
    char copy[PATH_BYTES];
    snprintf(copy, sizeof(copy), "%s", name);
    int descriptor = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return -errno;
    int error = fsync(descriptor) == 0 ? 0 : -errno;
    (void)close(descriptor);
    return error;
}

/* Flushes and names what is whole, removes what is not. */
static enum exit_code close_output(struct output *output, enum exit_code code)
{
    progress_end(&output->progress);
    if (output->error != 0 && code != EXIT_OK)
        code = files_error(output->is_stdout ? "stdout" : output->temporary, output->error, NULL);
    if (output->is_stdout)
        return code;
    int error = code == EXIT_OK && fsync(output->descriptor) != 0 ? -errno : 0;
    (void)close(output->descriptor);
    if (code == EXIT_OK && error == 0 &&
        renameat2(AT_FDCWD, output->temporary, AT_FDCWD, output->name, RENAME_NOREPLACE) != 0)
        error = -errno;
    if (code == EXIT_OK && error == 0)
        error = sync_folder(output->name);
    if (error != 0)
        code = files_error(output->name, error, NULL);
    if (code != EXIT_OK)
        (void)unlink(output->temporary);
    else
        printf("%s: %" PRIu64 " bytes\n", output->name, output->bytes);
    return code;
}

/* --- from a directory ------------------------------------------------------------------------ */

static enum exit_code say_backup_error(const char *directory, int error, const char *problem)
{
    fprintf(stderr, "florin: %s: %s\n", directory,
            problem[0] != '\0' ? problem
            : error == -ENOENT ? "there is no ledger"
                               : strerror(-error));
    if (error == -EBUSY)
        fprintf(stderr, "florin: from a server that runs: florin backup http://HOST:PORT FILE\n");
    return files_error_code(error);
}

static enum exit_code copy_directory(const struct florin_call *call, struct output *output)
{
    char problem[BACKUP_PROBLEM_MAX];
    struct backup *backup;
    int error = backup_open_directory(call->directory, &backup, problem);
    if (error != 0)
        return say_backup_error(call->directory, error, problem);
    char *bytes = malloc(PIECE_BYTES);
    size_t got = 0;
    error = bytes == NULL ? -ENOMEM : 0;
    while (error == 0) {
        error = backup_read(backup, bytes, PIECE_BYTES, &got);
        if (error != 0 || got == 0 || !write_output(output, bytes, got))
            break;
    }
    free(bytes);
    enum exit_code code = output->error != 0 ? EXIT_IO : EXIT_OK;
    if (error != 0) {
        progress_end(&output->progress);
        code = say_backup_error(call->directory, error, backup_problem(backup));
    }
    backup_close(backup);
    return code;
}

/* --- from a server --------------------------------------------------------------------------- */

static bool is_url(const char *text)
{
    return strncmp(text, "http://", 7) == 0 || strncmp(text, "unix:", 5) == 0;
}

static enum exit_code download(const struct florin_call *call, struct output *output)
{
    struct remote remote;
    struct remote_answer answer;
    if (remote_open(&remote, call->directory) != 0) {
        fprintf(stderr, "florin: %s: must be http://HOST:PORT, unix:PATH or a directory\n",
                call->directory);
        return EXIT_USAGE;
    }
    enum exit_code code = EXIT_OK;
    bool whole = remote_download(&remote, "/admin/backup", write_output, output, &answer);
    progress_end(&output->progress);
    if (output->error != 0) {
        code = EXIT_IO;
    } else if (!whole) {
        fprintf(stderr, "florin: %s: the backup broke off after %" PRIu64 " bytes: %s\n",
                call->directory, output->bytes, remote.error);
        code = EXIT_UNAVAILABLE;
    } else if (answer.status != 200) {
        fprintf(stderr, "florin: refused: HTTP %ld %s\n", answer.status, answer.body);
        code = EXIT_REFUSED;
    }
    remote_close(&remote);
    return code;
}

enum exit_code florin_backup(const struct florin_call *call)
{
    struct output output;
    enum exit_code code = open_output(&output, call->file);
    if (code != EXIT_OK)
        return code;
    code = is_url(call->directory) ? download(call, &output) : copy_directory(call, &output);
    return close_output(&output, code);
}

/* --- checkpoints ----------------------------------------------------------------------------- */

/* A number of an answer; 0 also when it is not there. */
static uint64_t number_in(const struct remote_answer *answer, const char *name)
{
    struct json_object object;
    struct request_fault fault;
    uint64_t number = 0;
    if (!json_object_parse(&object, answer->body, answer->length, NULL, 0, &fault))
        return 0;
    if (!json_object_has(&object, name) || !json_object_version(&object, name, &number, &fault))
        number = 0;
    json_object_free(&object);
    return number;
}

static enum exit_code refuse(const struct florin_call *call, const struct remote *remote,
                             bool answered, const struct remote_answer *answer)
{
    if (!answered) {
        fprintf(stderr, "florin: no answer from %s: %s\n", call->server, remote->error);
        return EXIT_UNAVAILABLE;
    }
    fprintf(stderr, "florin: refused: HTTP %ld %s\n", answer->status, answer->body);
    return EXIT_REFUSED;
}

static enum exit_code make_checkpoint(const struct florin_call *call, struct remote *remote,
                                      struct remote_answer *answer)
{
    static const char path[] = "/admin/checkpoint";
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    bool answered = remote_get(remote, path, answer);
    if (!answered || answer->status != 200)
        return refuse(call, remote, answered, answer);
    uint64_t failed_before = number_in(answer, "failed");
    answered = remote_post(remote, path, NULL, "", 0, answer);
    if (!answered || answer->status != 202)
        return refuse(call, remote, answered, answer);
    uint64_t number = number_in(answer, "number");
    do {
        (void)nanosleep(&pause, NULL);
        answered = remote_get(remote, path, answer);
        if (!answered || answer->status != 200)
            return refuse(call, remote, answered, answer);
    } while (number_in(answer, "ended") < number);
    if (number_in(answer, "failed") > failed_before) {
        fprintf(stderr, "florin: the checkpoint failed; the server's log says why\n");
        return EXIT_REFUSED;
    }
    if (call->json)
        printf("%s\n", answer->body);
    else
        printf("checkpoint at LSN %" PRIu64 "\n", number_in(answer, "lsn"));
    return EXIT_OK;
}

enum exit_code florin_checkpoint_now(const struct florin_call *call)
{
    struct remote remote;
    struct remote_answer answer;
    if (remote_open(&remote, call->server) != 0) {
        fprintf(stderr, "florin: %s: must be http://HOST:PORT or unix:PATH\n", call->server);
        return EXIT_USAGE;
    }
    enum exit_code code = make_checkpoint(call, &remote, &answer);
    remote_close(&remote);
    return code;
}
