/* florin_table.h - every command of the tool with its words and options, once: what --help prints,
 * what the shell completes and what a command line is checked against come from here.
 *
 * Thread: any; constant.
 */
#ifndef FLORIN_CLI_FLORIN_TABLE_H
#define FLORIN_CLI_FLORIN_TABLE_H

#include <stddef.h>

#include "florin_commands.h"

/* What a word must be; florin_word_store() judges it and puts it into the call. */
enum florin_word {
    WORD_SERVER,
    WORD_JSON, /* the first flag; flags take no value */
    WORD_VERBOSE,
    WORD_HELP,
    WORD_DRY_RUN,
    WORD_FOLLOW,
    WORD_ACCEPT_LOSS, /* the last flag */
    WORD_ACCOUNT,
    WORD_TO_ACCOUNT,
    WORD_DIRECTION,
    WORD_AMOUNT,
    WORD_LEG,
    WORD_HOLD,
    WORD_TRANSACTION,
    WORD_SHELL,
    WORD_KEY,
    WORD_EXPECTED_VERSION,
    WORD_CURRENCY,
    WORD_BALANCE,
    WORD_MINIMUM_BALANCE,
    WORD_STATUS,
    WORD_METADATA,
    WORD_EXPIRES_IN,
    WORD_SINCE,
    WORD_BEFORE,
    WORD_LIMIT,
    WORD_VERSION,
    WORD_AT_TIME,
    WORD_AFTER,
    WORD_PREFIX,
    WORD_DIRECTORY,
    WORD_FILE,
    WORD_URL,
    WORD_FROM_LSN,
    WORD_TO_LSN,
    WORD_AT_LSN,
    WORD_UNTIL,
};

enum { COMMAND_WORDS_MAX = 3, COMMAND_OPTIONS_MAX = 6, LEGS_WORDS_MAX = 64 };

struct tool_option {
    const char *name;     /* without dashes; NULL: no more */
    const char *argument; /* NULL: a flag */
    enum florin_word word;
    const char *text;
};

struct tool_command {
    const char *name;
    const char *usage; /* its words, for people */
    const char *text;
    const char *example;
    enum exit_code (*run)(const struct florin_call *call);
    int words_min;
    int words_max; /* those behind the last of `words` are as it is */
    enum florin_word words[COMMAND_WORDS_MAX];
    struct tool_option options[COMMAND_OPTIONS_MAX];
};

/* A heading and the commands below it. */
struct tool_family {
    const char *heading;
    const struct tool_command *commands; /* ends with one without a name */
};

/* Ends with one without a heading. */
extern const struct tool_family florin_families[];
/* Of every command. Ends with one without a name. */
extern const struct tool_option florin_global_options[];

/* NULL: there is none. */
const struct tool_command *florin_command_find(const char *name);
/* Of the command (NULL: only those of every one); `name` is without dashes and ends at `length`. */
const struct tool_option *florin_option_find(const struct tool_command *command, const char *name,
                                             size_t length);

void florin_print_help(void);
void florin_print_command_help(const struct tool_command *command);

#endif
