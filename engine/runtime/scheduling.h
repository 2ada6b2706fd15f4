/* scheduling.h - what the ledger asks of the kernel's scheduler for its threads.
 *
 * Both are requests: where the kernel does not know them or refuses, the thread runs as it did.
 */
#ifndef FLORIN_RUNTIME_SCHEDULING_H
#define FLORIN_RUNTIME_SCHEDULING_H

/* Of the calling thread, a worker: it runs often and briefly, and when it wakes up it takes the
 * core at once from a thread that has longer turns. Its share of the core stays the same.
 * Linux 6.12 and later; before, nothing happens. */
void scheduling_prefer_wake_up(void);

/* Of the calling thread, and for good: it comes behind connections and commits where cores are
 * few. */
void scheduling_prefer_others(void);

#endif
