/* log_reader.h - the whole log of a server, by GET /events, as records of a history.
 *
 * Thread: one.
 */
#ifndef TESTS_RECORDER_LOG_READER_H
#define TESTS_RECORDER_LOG_READER_H

#include <stdint.h>

#include "histories/history.h"

/* Every change from the first on. Ends the program when the server answers what it must not. */
void log_reader_read(unsigned port, struct history_buffer *buffer);

#endif
