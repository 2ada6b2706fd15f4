/* florin_help.c - the table for people. */
#include <stdio.h>

#include "florin_table.h"

enum { TEXT_COLUMN = 40 };

/* Two columns; a first one that is too long has a line of its own. */
static void print_row(int indent, const char *first, const char *text)
{
    int length = printf("%*s%s", indent, "", first);
    if (length >= TEXT_COLUMN)
        length = printf("\n") - 1;
    printf("%*s%s\n", TEXT_COLUMN - length, "", text);
}

static void print_option(const struct tool_option *option)
{
    char first[80];
    snprintf(first, sizeof(first), "--%s%s%s", option->name, option->argument == NULL ? "" : " ",
             option->argument == NULL ? "" : option->argument);
    print_row(6, first, option->text);
}

static void print_command(const struct tool_command *command)
{
    char first[80];
    snprintf(first, sizeof(first), "florin %s %s", command->name, command->usage);
    print_row(2, first, command->text);
    for (int i = 0; i < COMMAND_OPTIONS_MAX && command->options[i].name != NULL; i++)
        print_option(&command->options[i]);
}

static void print_global_options(void)
{
    printf("\nOptions of every command\n");
    for (const struct tool_option *option = florin_global_options; option->name; option++)
        print_option(option);
}

void florin_print_help(void)
{
    printf("florin " FLORIN_VERSION " - looks after a florind\n");
    for (const struct tool_family *family = florin_families; family->heading != NULL; family++) {
        printf("\n%s\n", family->heading);
        for (const struct tool_command *command = family->commands; command->name != NULL;
             command++)
            print_command(command);
    }
    print_global_options();
    printf("\n  florin --version\n"
           "\n"
           "Ends with 0; 1 when the server refused; 64 wrong usage, or an LSN that is not there;\n"
           "65 damaged files; 69 no answer from the server; 73 it would overwrite something; 74 "
           "the\n"
           "files cannot be read or written; 75 a server has the directory open; 77 no "
           "permission.\n");
}

void florin_print_command_help(const struct tool_command *command)
{
    print_command(command);
    print_global_options();
    printf("\nExample\n  %s\n", command->example);
}
