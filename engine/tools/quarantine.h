/* quarantine.h - copies of files that are about to be changed: DIR/quarantine/<time>/.
 *
 * Thread: one at a time a quarantine.
 */
#ifndef FLORIN_TOOLS_QUARANTINE_H
#define FLORIN_TOOLS_QUARANTINE_H

#include <stdint.h>

enum { QUARANTINE_PATH_MAX = 4096 };

struct quarantine {
    int from; /* descriptors of the ledger's directory and of this one */
    int to;
    int log; /* of repair.log */
    char path[QUARANTINE_PATH_MAX];
};

/* Makes the directory with the folders of a ledger and an empty repair.log. 0; -EEXIST: it is there
 * already; -ENAMETOOLONG; -errno. */
__attribute__((warn_unused_result)) int quarantine_open(struct quarantine *quarantine,
                                                        const char *directory, uint64_t now_ns);
void quarantine_close(struct quarantine *quarantine);

/* Copies a file of the ledger and flushes the copy. One that is not there, or that shrinks
 * meanwhile, is an error. 0 or -errno. */
__attribute__((warn_unused_result)) int quarantine_copy(struct quarantine *quarantine,
                                                        const char *name);

/* A line of repair.log, durable. 0 or -errno. */
__attribute__((warn_unused_result)) int quarantine_log(struct quarantine *quarantine,
                                                       const char *line);

/* All copies, and the directories that they are in, are durable. 0 or -errno. */
__attribute__((warn_unused_result)) int quarantine_sync(struct quarantine *quarantine);

#endif
