/* florin_batch.c - the items of a file, sent in slices.
 *
 *     {"type":"Deposit","account":"alice","amount":"1.00"}      a line each, as POST /batch takes
 * them
 *
 * Guarantees: every item that is sent has a key. One without a key gets
 *
 *     batch-<hash of the file>-<its bytes>-<line>
 *
 * which is the same in every run on the same file: after a crash, a lost answer or ^C the file is
 * sent again as a whole, and what was applied is answered as the first time. A file that was
 * changed is another file. A slice whose fate is unknown is sent again before the next one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files_error.h"
#include "florin_exchange.h"
#include "json_slice.h"
#include "progress.h"

enum {
    SLICE_ITEMS = 1000,
    /* Below the server's limit of a body, 2 MiB. */
    SLICE_BYTES = 1024 * 1024,
    /* Above the server's limit of an item, which judges those between. */
    ITEM_BYTES_MAX = 16 * 1024,
    ITEM_KEY_BYTES = 96,
    TRIES = 5,
};

struct batch {
    const struct florin_call *call;
    struct remote remote;
    struct progress progress;
    FILE *file;
    uint64_t hash;
    uint64_t file_bytes;
    uint64_t bytes_read;
    uint64_t line;

    uint64_t applied;
    uint64_t replayed;
    uint64_t failed;

    size_t count; /* of the slice */
    size_t length;
    uint64_t lines[SLICE_ITEMS];
    char bytes[SLICE_BYTES];
};

/* FNV-1a of 64 bits, as at http://www.isthe.com/chongo/tech/comp/fnv/; tells files apart that
 * nobody has made to collide. */
static uint64_t hash_more(uint64_t hash, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static bool hash_file(struct batch *batch)
{
    char block[4096];
    size_t length;
    batch->hash = UINT64_C(0xcbf29ce484222325);
    while ((length = fread(block, 1, sizeof(block), batch->file)) > 0) {
        batch->hash = hash_more(batch->hash, block, length);
        batch->file_bytes += length;
    }
    return ferror(batch->file) == 0 && fseek(batch->file, 0, SEEK_SET) == 0;
}

static void report(struct batch *batch, uint64_t line, struct json_slice result, const char *reason)
{
    char error[256];
    char code[64];
    char status[16];
    progress_end(&batch->progress);
    batch->failed++;
    if (batch->call->json) {
        if (reason != NULL)
            printf("{\"line\":%" PRIu64 ",\"error\":\"%s\"}\n", line, reason);
        else
            printf("{\"line\":%" PRIu64 ",\"result\":%.*s}\n", line, (int)result.length,
                   result.bytes);
        return;
    }
    if (reason != NULL) {
        printf("line %" PRIu64 ": %s\n", line, reason);
        return;
    }
    json_slice_copy(result, "error", error, sizeof(error));
    json_slice_copy(result, "code", code, sizeof(code));
    json_slice_copy(result, "status", status, sizeof(status));
    printf("line %" PRIu64 ": %s (%s, HTTP %s)\n", line, error, code, status);
}

/* The next of the result lines; false: there is none. */
static bool next_result(const char **at, struct json_slice *result)
{
    size_t length = strcspn(*at, "\n");
    if (length == 0 || !json_slice_whole(*at, length, result))
        return false;
    *at += length + ((*at)[length] == '\n');
    return true;
}

/* Whether there is a result for each item; *unknown: some are to be tried again. */
static bool check_results(const struct batch *batch, const struct remote_answer *answer,
                          bool *unknown)
{
    const char *at = answer->body;
    struct json_slice result;
    char status[16];
    *unknown = false;
    for (size_t i = 0; i < batch->count; i++) {
        if (!next_result(&at, &result))
            return false;
        json_slice_copy(result, "status", status, sizeof(status));
        *unknown |=
            strcmp(status, "408") == 0 || strcmp(status, "429") == 0 || strcmp(status, "503") == 0;
    }
    return *at == '\0';
}

static void take_results(struct batch *batch, const struct remote_answer *answer)
{
    const char *at = answer->body;
    struct json_slice result;
    char status[16];
    for (size_t i = 0; i < batch->count && next_result(&at, &result); i++) {
        json_slice_copy(result, "status", status, sizeof(status));
        if (strcmp(status, "201") != 0)
            report(batch, batch->lines[i], result, NULL);
        else if (json_slice_member(result, "replayed").length > 0)
            batch->replayed++;
        else
            batch->applied++;
    }
}

static enum exit_code send_slice(struct batch *batch)
{
    struct remote_answer answer;
    bool answered = false;
    bool unknown = true;
    if (batch->count == 0)
        return EXIT_OK;
    for (int i = 0; i < TRIES; i++) {
        unknown = true;
        if (i > 0)
            (void)sleep(1);
        answered =
            remote_post_lines(&batch->remote, "/batch", batch->bytes, batch->length, &answer);
        if (answered && answer.status == 200 && !check_results(batch, &answer, &unknown))
            return exchange_strange(batch->call);
        bool passes =
            answered && (answer.status == 408 || answer.status == 429 || answer.status == 503);
        if (answered && !passes && (answer.status != 200 || !unknown))
            break;
    }
    progress_end(&batch->progress);
    if (!answered)
        return exchange_unreachable(batch->call, &batch->remote);
    if (answer.status != 200)
        return exchange_refused(batch->call, &answer);
    take_results(batch, &answer);
    batch->count = 0;
    batch->length = 0;
    progress_show(&batch->progress, "batch", batch->bytes_read, batch->file_bytes);
    /* What follows would overtake it. */
    return unknown ? EXIT_UNAVAILABLE : EXIT_OK;
}

/* The item with a key; it is an object. */
static void add_item(struct batch *batch, struct json_slice item)
{
    char *place = batch->bytes + batch->length;
    int length;
    if (json_slice_member(item, "key").length > 0) {
        length =
            snprintf(place, SLICE_BYTES - batch->length, "%.*s\n", (int)item.length, item.bytes);
    } else {
        bool is_empty = memchr(item.bytes, '"', item.length) == NULL;
        length = snprintf(place, SLICE_BYTES - batch->length,
                          "%.*s%s\"key\":\"batch-%016" PRIx64 "-%" PRIu64 "-%" PRIu64 "\"}\n",
                          (int)item.length - 1, item.bytes, is_empty ? "" : ",", batch->hash,
                          batch->file_bytes, batch->line);
    }
    batch->length += (size_t)length;
    batch->lines[batch->count++] = batch->line;
}

static enum exit_code take_line(struct batch *batch, const char *text, size_t length)
{
    struct json_slice item;
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
        length--;
    if (length == 0)
        return EXIT_OK;
    if (length > ITEM_BYTES_MAX) {
        report(batch, batch->line, (struct json_slice){0}, "the line is too long");
        return EXIT_OK;
    }
    if (!json_slice_whole(text, length, &item) || item.bytes[0] != '{') {
        report(batch, batch->line, (struct json_slice){0}, "the line is not a JSON object");
        return EXIT_OK;
    }
    enum exit_code code = EXIT_OK;
    if (batch->count == SLICE_ITEMS || batch->length + item.length + ITEM_KEY_BYTES > SLICE_BYTES)
        code = send_slice(batch);
    if (code == EXIT_OK)
        add_item(batch, item);
    return code;
}

static enum exit_code send_file(struct batch *batch)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    enum exit_code code = EXIT_OK;
    while (code == EXIT_OK && (length = getline(&line, &capacity, batch->file)) > 0) {
        batch->line++;
        code = take_line(batch, line, (size_t)length);
        batch->bytes_read += (uint64_t)length;
    }
    free(line);
    if (code == EXIT_OK)
        code = send_slice(batch);
    progress_end(&batch->progress);
    if (code == EXIT_OK && ferror(batch->file) != 0) {
        fprintf(stderr, "florin: %s cannot be read\n", batch->call->file);
        code = EXIT_IO;
    }
    return code;
}

static enum exit_code conclude(const struct batch *batch, enum exit_code code)
{
    if (batch->call->json)
        printf("{\"applied\":%" PRIu64 ",\"replayed\":%" PRIu64 ",\"failed\":%" PRIu64
               ",\"complete\":%s}\n",
               batch->applied, batch->replayed, batch->failed, code == EXIT_OK ? "true" : "false");
    else
        printf("%" PRIu64 " applied, %" PRIu64 " applied before, %" PRIu64 " failed\n",
               batch->applied, batch->replayed, batch->failed);
    if (code != EXIT_OK) {
        fprintf(stderr,
                "florin: stopped at line %" PRIu64
                "; the same again is safe: nothing is applied twice\n",
                batch->count > 0 ? batch->lines[0] : batch->line);
        return code;
    }
    return batch->failed > 0 ? EXIT_REFUSED : EXIT_OK;
}

enum exit_code florin_batch(const struct florin_call *call)
{
    static struct batch batch;
    struct stat status;
    enum exit_code code = EXIT_IO;
    batch.call = call;
    batch.file = fopen(call->file, "re");
    if (batch.file == NULL) {
        int error = errno;
        fprintf(stderr, "florin: %s: %s\n", call->file, strerror(error));
        return files_error_code(-error);
    }
    /* It is read twice. */
    if (fstat(fileno(batch.file), &status) != 0 || !S_ISREG(status.st_mode)) {
        fprintf(stderr, "florin: %s is not a file\n", call->file);
        code = EXIT_USAGE;
        goto close_file;
    }
    if (!hash_file(&batch)) {
        fprintf(stderr, "florin: %s cannot be read\n", call->file);
        goto close_file;
    }
    if (!exchange_open(call, &batch.remote)) {
        code = EXIT_USAGE;
        goto close_file;
    }
    progress_start(&batch.progress);
    code = conclude(&batch, send_file(&batch));
    remote_close(&batch.remote);
close_file:
    (void)fclose(batch.file);
    return code;
}
