/* event_log.h - the operator's log: one line an event, key=value, one write() a line.
 *
 *     time=2025-05-02T10:24:02.123Z level=info event=listening address=127.0.0.1:5000
 *
 * Values with spaces, quotes or control bytes are quoted and escaped.
 *
 *     struct event_line line;
 *     event_line_begin(&line, EVENT_INFO, "listening");
 *     event_line_text(&line, "address", address);
 *     event_line_write(&line, log);
 *
 * Thread: any; a line is the caller's own, and a write of one line is one system call.
 */
#ifndef FLORIN_HTTP_EVENT_LOG_H
#define FLORIN_HTTP_EVENT_LOG_H

#include <stddef.h>
#include <stdint.h>

enum { EVENT_LINE_MAX = 1024 };

enum event_level {
    EVENT_INFO,
    EVENT_WARN,
    EVENT_ERROR,
};

struct event_log {
    int descriptor; /* -1: silence */
};

struct event_line {
    char bytes[EVENT_LINE_MAX];
    size_t length;
};

void event_line_begin(struct event_line *line, enum event_level level, const char *event);
void event_line_text(struct event_line *line, const char *key, const char *value);
void event_line_number(struct event_line *line, const char *key, int64_t value);
/* Adds the newline and writes; what does not fit was cut. Errors of the write are ignored: there
 * is no better place to say so. */
void event_line_write(struct event_line *line, const struct event_log *log);

/* A line that others made in key=value form, without time and newline: gets a time, and a level
 * when it has none. Fits florin_options.log_line, with a struct event_log as its context. */
void event_log_line(void *log, const char *text);

#endif
