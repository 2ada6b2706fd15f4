/* story.c - reads histories from text, for tests that are to be read. */
#include "histories/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void give_up(const char *line)
{
    (void)fprintf(stderr, "story: not understood: %s\n", line);
    abort();
}

/* "a1-50~+5@4=100~5!3" */
static struct history_leg parse_leg(const char *word)
{
    char *next = NULL;
    struct history_leg leg = history_leg_of(strtoull(word + 1, &next, 10), 0, 0);
    while (*next != '\0') {
        const char *at = next;
        switch (*at) {
        case '+':
        case '-':
            leg.balance_delta = strtoll(at, &next, 10);
            break;
        case '~':
            if (at[1] == '+' || at[1] == '-')
                leg.held_delta = strtoll(at + 1, &next, 10);
            else
                leg.held = strtoll(at + 1, &next, 10);
            break;
        case '@':
            leg.version = strtoull(at + 1, &next, 10);
            break;
        case '=':
            leg.balance = strtoll(at + 1, &next, 10);
            break;
        case '!':
            leg.expected_version = strtoull(at + 1, &next, 10);
            break;
        default:
            give_up(word);
        }
    }
    return leg;
}

static enum history_kind parse_kind(const char *word)
{
    for (int kind = HISTORY_READ; kind <= HISTORY_AMEND; kind++) {
        if (strcmp(word, history_kind_name((enum history_kind)kind)) == 0)
            return (enum history_kind)kind;
    }
    give_up(word);
}

/* An outcome, or a member; false: neither. */
static bool parse_member(struct history_operation *operation, const char *word)
{
    for (int outcome = HISTORY_UNANSWERED; outcome <= HISTORY_REFUSED; outcome++) {
        if (strcmp(word, history_outcome_name((enum history_outcome)outcome)) == 0) {
            operation->outcome = (enum history_outcome)outcome;
            return true;
        }
    }
    if (strncmp(word, "key=", 4) == 0)
        operation->key = strtoull(word + 4, NULL, 10);
    else if (strncmp(word, "lsn=", 4) == 0)
        operation->lsn = strtoull(word + 4, NULL, 10);
    else if (strncmp(word, "of=", 3) == 0)
        operation->refers_to = strtoull(word + 3, NULL, 10);
    else if (strncmp(word, "min=", 4) == 0)
        operation->minimum = strtoll(word + 4, NULL, 10);
    else
        return false;
    return true;
}

void story_tell_line(struct story *story, char *line)
{
    char *rest = NULL;
    struct history_buffer *buffer = &story->buffers[0];
    struct history_operation told = {.outcome = HISTORY_APPLIED, .return_ns = HISTORY_NEVER};
    struct history_leg legs[HISTORY_LEGS_MAX];
    size_t legs_count = 0;
    const char *word = strtok_r(line, " ", &rest);
    if (strcmp(word, "crash") == 0) {
        history_crash(buffer, strtoull(rest, NULL, 10));
        return;
    }
    if (strcmp(word, "record") == 0) {
        told.is_record = true;
    } else {
        size_t client = strtoull(word + 1, NULL, 10);
        char *end = NULL;
        if (word[0] != 'c' || client >= STORY_CLIENTS)
            give_up(word);
        buffer = &story->buffers[client];
        word = strtok_r(NULL, " ", &rest);
        told.invoke_ns = strtoull(word, &end, 10);
        if (end[1] != '?')
            told.return_ns = strtoull(end + 1, NULL, 10);
    }
    told.kind = parse_kind(strtok_r(NULL, " ", &rest));
    while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
        if (parse_member(&told, word))
            continue;
        if (word[0] != 'a' || legs_count == HISTORY_LEGS_MAX)
            give_up(word);
        legs[legs_count++] = parse_leg(word);
    }
    size_t operation =
        history_invoke(buffer, told.kind, told.key, legs, legs_count, told.invoke_ns);
    told.first_leg = history_operation(buffer, operation)->first_leg;
    told.legs_count = legs_count;
    *history_operation(buffer, operation) = told;
}

void story_begin(struct story *story)
{
    for (uint32_t client = 0; client < STORY_CLIENTS; client++)
        history_buffer_init(&story->buffers[client], client);
}

void story_tell(struct story *story, const char *text)
{
    char copy[STORY_BYTES_MAX];
    char *rest = NULL;
    if (strlen(text) >= sizeof(copy))
        give_up(text);
    story_begin(story);
    memcpy(copy, text, strlen(text) + 1);
    for (char *line = strtok_r(copy, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        story_tell_line(story, line);
}

void story_forget(struct story *story)
{
    for (size_t client = 0; client < STORY_CLIENTS; client++)
        history_buffer_deinit(&story->buffers[client]);
}

size_t story_check(const struct story *story, struct history_report *report)
{
    const struct history_buffer *buffers[STORY_CLIENTS];
    for (size_t client = 0; client < STORY_CLIENTS; client++)
        buffers[client] = &story->buffers[client];
    return history_check(buffers, STORY_CLIENTS, report);
}
