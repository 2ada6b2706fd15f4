/* florin.c - the operator's tool: checks its command line against the table and calls the command.
 */
#include <stdio.h>
#include <string.h>

#include "florin_table.h"
#include "florin_words.h"

enum { WORDS_MAX = LEGS_WORDS_MAX };

/* A command line, read from left to right. Options of a command stand behind its name. */
struct reading {
    const struct tool_command *command; /* NULL: not yet */
    bool wants_help;
    bool wants_version;
    char *words[WORDS_MAX];
};

static enum exit_code wrong(const char *what, const char *why)
{
    fprintf(stderr, "florin: %s%s%s; see florin --help\n", what, why[0] == '\0' ? "" : ": ", why);
    return EXIT_USAGE;
}

/* `--name value` or `--name=value`; *used: how many words it took. */
static enum exit_code read_option(struct reading *reading, struct florin_call *call, char **words,
                                  int count, int *used)
{
    const char *name = words[0] + 2;
    const char *equals = strchr(name, '=');
    size_t length = equals == NULL ? strlen(name) : (size_t)(equals - name);
    *used = 1;
    if (reading->command == NULL && strcmp(name, "version") == 0) {
        reading->wants_version = true;
        return EXIT_OK;
    }
    const struct tool_option *option = florin_option_find(reading->command, name, length);
    if (option == NULL)
        return wrong("wrong option", words[0]);
    const char *value = equals == NULL ? NULL : equals + 1;
    if (option->argument == NULL) {
        if (value != NULL)
            return wrong("wrong option: it takes no value", words[0]);
        reading->wants_help |= option->word == WORD_HELP;
        (void)florin_word_store(call, option->word, "");
        return EXIT_OK;
    }
    if (value == NULL && count < 2)
        return wrong("wrong option: it wants a value", words[0]);
    if (value == NULL) {
        value = words[1];
        *used = 2;
    }
    const char *fault = florin_word_store(call, option->word, value);
    if (fault == NULL)
        return EXIT_OK;
    fprintf(stderr, "florin: wrong option --%s: %s; see florin --help\n", option->name, fault);
    return EXIT_USAGE;
}

/* Names, options and words; what the words must be is checked when all are there. */
static enum exit_code read_line(struct reading *reading, struct florin_call *call, int argc,
                                char **argv)
{
    bool only_words = false;
    int used;
    for (int i = 1; i < argc; i += used) {
        used = 1;
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && strncmp(argv[i], "--", 2) == 0) {
            enum exit_code code = read_option(reading, call, argv + i, argc - i, &used);
            if (code != EXIT_OK)
                return code;
        } else if (reading->command == NULL) {
            reading->command = florin_command_find(argv[i]);
            if (reading->command == NULL)
                return wrong("unknown command", argv[i]);
        } else {
            if (call->word_count == WORDS_MAX)
                return wrong("too many words", "");
            reading->words[call->word_count++] = argv[i];
        }
    }
    return EXIT_OK;
}

static enum exit_code check_words(const struct tool_command *command, struct florin_call *call)
{
    if (call->word_count < command->words_min || call->word_count > command->words_max) {
        fprintf(stderr, "florin: too few or too many words: florin %s %s; see florin %s --help\n",
                command->name, command->usage, command->name);
        return EXIT_USAGE;
    }
    for (int i = 0; i < call->word_count; i++) {
        int place = i < COMMAND_WORDS_MAX ? i : COMMAND_WORDS_MAX - 1;
        const char *fault = florin_word_store(call, command->words[place], call->words[i]);
        if (fault != NULL)
            return wrong(call->words[i], fault);
    }
    return EXIT_OK;
}

int main(int argc, char **argv)
{
    struct reading reading = {.command = NULL};
    struct florin_call call = {
        .server = "http://127.0.0.1:5000",
        .words = reading.words,
        .to_lsn = UINT64_MAX,
        .at_lsn = UINT64_MAX,
    };
    enum exit_code code = read_line(&reading, &call, argc, argv);
    if (code != EXIT_OK)
        return (int)code;
    if (reading.wants_version) {
        printf("florin " FLORIN_VERSION "\n");
        return EXIT_OK;
    }
    if (reading.wants_help) {
        if (reading.command == NULL)
            florin_print_help();
        else
            florin_print_command_help(reading.command);
        return EXIT_OK;
    }
    if (reading.command == NULL)
        return (int)wrong("what shall it do?", "");
    code = check_words(reading.command, &call);
    if (code == EXIT_OK)
        code = reading.command->run(&call);
    /* What was asked for and did not arrive is no success. */
    if (fflush(stdout) != 0 && code == EXIT_OK) {
        fprintf(stderr, "florin: the output cannot be written\n");
        code = EXIT_IO;
    }
    return (int)code;
}
