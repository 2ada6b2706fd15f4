/* dump.h - the records of the kept log, one by one, with what is needed to print them.
 *
 * Takes no lock and writes nothing; works on a directory that a server has open.
 *
 * A record of a deposit does not say in which currency: that stands in the account. It is known
 * from the newest checkpoint and from the openings that are met on the way.
 *
 * Thread: any.
 */
#ifndef FLORIN_TOOLS_DUMP_H
#define FLORIN_TOOLS_DUMP_H

#include <stddef.h>
#include <stdint.h>

#include "directory.h"
#include "engine/core/currency.h"
#include "engine/core/record.h"

struct dump_entry {
    uint64_t lsn;
    const struct record *record;
    const struct currency *currency; /* of the record's account; NULL: not known */
};

/* false: enough, the output takes no more. */
typedef bool dump_visit(void *context, const struct dump_entry *entry);

struct dump_options {
    uint64_t from_lsn;   /* 0: the first that is kept */
    uint64_t to_lsn;     /* UINT64_MAX: the end */
    const char *account; /* only its records, and legs of it; NULL: all */
    size_t account_length;
};

/* 0; -ENOENT: no ledger; -ENODATA: from_lsn was removed; -EBADMSG: damaged behind what was visited;
 * -errno. */
__attribute__((warn_unused_result)) int dump_directory(const char *path,
                                                       const struct dump_options *options,
                                                       dump_visit *visit, void *context,
                                                       struct tool_problem *problem);

#endif
