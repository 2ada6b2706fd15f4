/* faulty_server.h - the switch between a test and a florind whose disk it rules.
 *
 * Lies in shared memory whose descriptor the server inherits: its first argument. The second is an
 * eventfd that wakes the server after a change.
 */
#ifndef FLORIN_TESTS_FAULTY_SERVER_H
#define FLORIN_TESTS_FAULTY_SERVER_H

#include <stdatomic.h>

enum faulty_mode {
    FAULTY_WORKS,
    FAULTY_HANGS, /* writes start and do not end, files of the log do not open, until it changes */
    FAULTY_FAILS, /* writes end with EIO */
    FAULTY_OPENS_HANG,      /* writes end, files of the log do not open */
    FAULTY_FAILS_AND_HANGS, /* writes end with EIO, files of the log do not open */
};

struct faulty_switch {
    _Atomic int mode;         /* the test's */
    _Atomic unsigned hanging; /* the server's: writes that have started and hang */
    _Atomic unsigned opening; /* the server's: files of the log that did not open at once */
};

#endif
