/* florin_files.c - digest, repair, restore: what is done to a directory that no server has open.
 *
 * It must not know the format of files: engine/tools does it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/tools/digest.h"
#include "engine/tools/repair.h"
#include "engine/tools/restore.h"
#include "files_error.h"
#include "florin_commands.h"
#include "progress.h"

enum exit_code florin_digest(const struct florin_call *call)
{
    struct digest_report report;
    struct tool_problem problem;
    struct progress progress;
    progress_start(&progress);
    int error = digest_directory(call->directory, call->at_lsn, progress_show, &progress, &report,
                                 &problem);
    progress_end(&progress);
    if (error != 0)
        return files_error(call->directory, error, &problem);
    if (call->json)
        printf("{\"lsn\":%" PRIu64 ",\"digest\":\"%016" PRIx64 "\",\"accounts\":%" PRIu64
               ",\"keys\":%" PRIu64 "}\n",
               report.lsn, report.digest, report.accounts, report.keys);
    else
        printf("%" PRIu64 " %016" PRIx64 "\n", report.lsn, report.digest);
    return EXIT_OK;
}

static void print_line(void *context, const char *line)
{
    (void)context;
    printf("%s\n", line);
}

enum exit_code florin_repair(const struct florin_call *call)
{
    struct tool_problem problem;
    struct timespec now;
    if (call->from_lsn == 0) {
        fprintf(stderr, "florin: repair needs --drop-from LSN\n");
        return EXIT_USAGE;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
    enum repair_mode mode = call->accept_loss ? REPAIR_ACCEPT_LOSS : REPAIR_SAY;
    int error =
        repair_directory(call->directory, call->from_lsn, mode, now_ns, print_line, NULL, &problem);
    if (error != 0)
        return files_error(call->directory, error, &problem);
    if (call->accept_loss)
        return EXIT_OK;
    fprintf(stderr, "florin: nothing was changed; to do it, say --accept-loss\n");
    return EXIT_USAGE;
}

static void print_restored(const struct florin_call *call, const struct restore_report *report)
{
    if (call->json)
        printf("{\"directory\":\"%s\",\"lsn\":%" PRIu64 ",\"digest\":\"%016" PRIx64
               "\",\"accounts\":%" PRIu64 ",\"keys\":%" PRIu64 "}\n",
               call->directory, report->lsn, report->digest, report->accounts, report->keys);
    else
        printf("%s: restored and verified, %" PRIu64 " accounts, %" PRIu64 " keys\n"
               "%" PRIu64 " %016" PRIx64 "\n",
               call->directory, report->accounts, report->keys, report->lsn, report->digest);
}

enum exit_code florin_restore(const struct florin_call *call)
{
    struct restore_report report;
    struct tool_problem problem;
    struct progress progress;
    struct restore_options options = {
        .input = STDIN_FILENO,
        .directory = call->directory,
        .until = call->until,
        .value = call->until_value,
        .progress = progress_show,
        .progress_context = &progress,
    };
    bool is_file = strcmp(call->file, "-") != 0;
    if (is_file)
        options.input = open(call->file, O_RDONLY | O_CLOEXEC);
    if (options.input < 0) {
        int error = errno;
        fprintf(stderr, "florin: %s: %s\n", call->file, strerror(error));
        return files_error_code(-error);
    }
    progress_start(&progress);
    int error = restore_backup(&options, &report, &problem);
    progress_end(&progress);
    if (is_file)
        (void)close(options.input);
    if (error != 0)
        return files_error(error == -EEXIST ? call->directory : call->file, error, &problem);
    print_restored(call, &report);
    return EXIT_OK;
}
