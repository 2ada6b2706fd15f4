/* story.h - a history as text, one operation a line, in the words of history_operation_format.
 *
 *     c3 120-150 transfer key=7 lsn=31 a1-50@4=100 a2+50@9=250
 *     c1 160-? withdraw unanswered key=8 a1-20
 *     crash 200
 *     record withdraw key=8 lsn=32 a1-20@5=80
 */
#ifndef TESTS_HISTORIES_STORY_H
#define TESTS_HISTORIES_STORY_H

#include "histories/checker.h"

enum { STORY_CLIENTS = 65, STORY_BYTES_MAX = 4096 };

struct story {
    struct history_buffer buffers[STORY_CLIENTS]; /* by client */
};

/* Ends the program at a line that it does not understand. */
void story_tell(struct story *story, const char *text);
/* The same line by line; the line is changed. */
void story_begin(struct story *story);
void story_tell_line(struct story *story, char *line);
void story_forget(struct story *story);

size_t story_check(const struct story *story, struct history_report *report);

#endif
