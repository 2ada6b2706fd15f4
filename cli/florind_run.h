/* florind_run.h - the life of a server process, from its options to its exit code.
 *
 *     lock the data -> listen -> threads -> replay the log -> open accounts -> ready
 *     -> SIGTERM or SIGINT: accept nothing more, finish, clean-shutdown mark
 *     -> a failed disk: answer what waits, end with 74 within a second
 *
 * Thread: the main thread.
 */
#ifndef FLORIN_CLI_FLORIND_RUN_H
#define FLORIN_CLI_FLORIND_RUN_H

#include "engine/runtime/ledger.h"
#include "exit_codes.h"
#include "florind_options.h"

/* `devices` NULL: the real disk; else as ledger_create(). Logs to stderr. */
enum exit_code florind_run(const struct florind_options *options,
                           const struct ledger_devices *devices);

#endif
