/* event_log.c - lines of the operator's log.
 *
 * Guarantees: a line is written whole with one write(), so that lines of several threads do not
 * mix; no control byte reaches the terminal. It must not know what happens.
 */
#include "event_log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Room for the newline is kept. */
static void append(struct event_line *line, const char *bytes, size_t length)
{
    size_t room = EVENT_LINE_MAX - 1 - line->length;
    if (length > room)
        length = room;
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
}

static void append_text(struct event_line *line, const char *text)
{
    append(line, text, strlen(text));
}

static void append_time(struct event_line *line)
{
    struct timespec now;
    struct tm utc;
    char text[64];
    if (clock_gettime(CLOCK_REALTIME, &now) != 0 || gmtime_r(&now.tv_sec, &utc) == NULL)
        return;
    size_t length = strftime(text, sizeof(text), "time=%Y-%m-%dT%H:%M:%S", &utc);
    append(line, text, length);
    snprintf(text, sizeof(text), ".%03ldZ", now.tv_nsec / 1000000);
    append_text(line, text);
}

static const char *level_name(enum event_level level)
{
    switch (level) {
    case EVENT_INFO:
        return "info";
    case EVENT_WARN:
        return "warn";
    case EVENT_ERROR:
        return "error";
    }
    return "error";
}

void event_line_begin(struct event_line *line, enum event_level level, const char *event)
{
    line->length = 0;
    append_time(line);
    append_text(line, " level=");
    append_text(line, level_name(level));
    append_text(line, " event=");
    append_text(line, event);
}

void event_line_text(struct event_line *line, const char *key, const char *value)
{
    append_text(line, " ");
    append_text(line, key);
    append_text(line, "=");
    if (value[0] != '\0' && strpbrk(value, " \"=\\\x7f") == NULL) {
        const char *byte = value;
        while ((unsigned char)*byte >= 0x20)
            byte++;
        if (*byte == '\0') {
            append_text(line, value);
            return;
        }
    }
    append_text(line, "\"");
    for (const char *byte = value; *byte != '\0'; byte++) {
        char escape[8];
        if (*byte == '"' || *byte == '\\')
            snprintf(escape, sizeof(escape), "\\%c", *byte);
        else if ((unsigned char)*byte < 0x20 || *byte == 0x7f)
            snprintf(escape, sizeof(escape), "\\x%02x", (unsigned char)*byte);
        else
            snprintf(escape, sizeof(escape), "%c", *byte);
        append_text(line, escape);
    }
    append_text(line, "\"");
}

void event_line_number(struct event_line *line, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    event_line_text(line, key, text);
}

void event_line_write(struct event_line *line, const struct event_log *log)
{
    if (log->descriptor < 0)
        return;
    line->bytes[line->length++] = '\n';
    ssize_t written = write(log->descriptor, line->bytes, line->length);
    (void)written;
}

void event_log_line(void *log, const char *text)
{
    struct event_line line = {.length = 0};
    append_time(&line);
    if (strncmp(text, "level=", 6) != 0 && strstr(text, " level=") == NULL)
        append_text(&line, " level=info");
    append_text(&line, " ");
    append_text(&line, text);
    event_line_write(&line, log);
}
