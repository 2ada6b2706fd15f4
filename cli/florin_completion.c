/* florin_completion.c - scripts for shells, from the table of commands.
 *
 * Options of the tool's own are completed, words of a fixed choice, and files where one is meant.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "florin_table.h"

/* Calls `visit` for every command. */
static void each_command(void (*visit)(const struct tool_command *command))
{
    for (const struct tool_family *family = florin_families; family->heading != NULL; family++) {
        for (const struct tool_command *command = family->commands; command->name != NULL;
             command++)
            visit(command);
    }
}

static void print_name(const struct tool_command *command)
{
    printf(" %s", command->name);
}

static void print_options(const struct tool_option *options, size_t count)
{
    for (size_t i = 0; i < count && options[i].name != NULL; i++)
        printf(" --%s", options[i].name);
}

/* Words that a place may have; NULL: anything. "FILES": files and folders. */
static const char *choices_of(enum florin_word word)
{
    if (word == WORD_DIRECTION)
        return "deposit withdraw";
    if (word == WORD_STATUS)
        return "open frozen closed";
    if (word == WORD_SHELL)
        return "bash zsh fish";
    return word == WORD_DIRECTORY || word == WORD_FILE ? "FILES" : NULL;
}

static void print_bash_command(const struct tool_command *command)
{
    printf("    %s) options=\"$options", command->name);
    print_options(command->options, COMMAND_OPTIONS_MAX);
    printf("\"");
    for (int i = 0; i < COMMAND_WORDS_MAX && i < command->words_max; i++) {
        const char *choices = choices_of(command->words[i]);
        if (choices != NULL)
            printf("; [[ $place -ne %d ]] || words='%s'", i + 1, choices);
    }
    printf(" ;;\n");
}

/* Options with a value, as a pattern of the shell. */
static void print_valued(const struct tool_option *options, size_t count)
{
    for (size_t i = 0; i < count && options[i].name != NULL; i++) {
        if (options[i].argument != NULL)
            printf("|--%s", options[i].name);
    }
}

static void print_valued_of(const struct tool_command *command)
{
    print_valued(command->options, COMMAND_OPTIONS_MAX);
}

static void print_bash(void)
{
    printf("# bash completion of florin: source <(florin completion bash)\n"
           "_florin() {\n"
           "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
           "  local command='' place=0 i options words=''\n"
           "  COMPREPLY=()\n"
           "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "    case ${COMP_WORDS[i]} in\n"
           "    ''");
    print_valued(florin_global_options, COMMAND_OPTIONS_MAX);
    each_command(print_valued_of);
    printf(") ((++i)) ;;\n"
           "    -*) ;;\n"
           "    *) if [[ -z $command ]]; then command=${COMP_WORDS[i]}; else ((++place)); fi ;;\n"
           "    esac\n"
           "  done\n"
           "  ((++place))\n"
           "  options='");
    print_options(florin_global_options, COMMAND_OPTIONS_MAX);
    printf("'\n"
           "  case $command in\n"
           "    '') words='");
    each_command(print_name);
    printf("' ;;\n");
    each_command(print_bash_command);
    printf("  esac\n"
           "  if [[ $before == --status ]]; then words='open frozen closed'; fi\n"
           "  if [[ $word == -* ]]; then words=$options; fi\n"
           "  if [[ $words == FILES ]]; then\n"
           "    mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
           "  else\n"
           "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
           "  fi\n"
           "}\n"
           "complete -o filenames -F _florin florin\n");
}

static void print_quoted(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            printf("'\\''");
        else
            putchar(*text);
    }
}

static void print_zsh_name(const struct tool_command *command)
{
    printf("    '%s:", command->name);
    print_quoted(command->text);
    printf("'\n");
}

static void print_zsh_command(const struct tool_command *command)
{
    printf("    %s) choices+=(", command->name);
    print_options(command->options, COMMAND_OPTIONS_MAX);
    for (int i = 0; i < COMMAND_WORDS_MAX && i < command->words_max; i++) {
        const char *choices = choices_of(command->words[i]);
        if (choices != NULL && strcmp(choices, "FILES") != 0)
            printf(" %s", choices);
    }
    printf(" ) ;;\n");
}

static void print_zsh(void)
{
    printf("#compdef florin\n"
           "# zsh completion of florin: source <(florin completion zsh)\n"
           "_florin() {\n"
           "  local -a commands\n"
           "  commands=(\n");
    each_command(print_zsh_name);
    printf("  )\n"
           "  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
           "  local command=${words[2]}\n"
           "  local -a choices; choices=(");
    print_options(florin_global_options, COMMAND_OPTIONS_MAX);
    printf(" )\n"
           "  case $command in\n");
    each_command(print_zsh_command);
    printf("  esac\n"
           "  compadd -- $choices\n"
           "  _files\n"
           "}\n"
           "compdef _florin florin\n");
}

static void print_fish_option(const char *command, const struct tool_option *option)
{
    printf("complete -c florin ");
    if (command != NULL)
        printf("-n '__fish_seen_subcommand_from %s' ", command);
    printf("-l %s %s-d '", option->name, option->argument == NULL ? "" : "-r ");
    print_quoted(option->text);
    printf("'\n");
}

static void print_fish_command(const struct tool_command *command)
{
    printf("complete -c florin -n __fish_use_subcommand -f -a %s -d '", command->name);
    print_quoted(command->text);
    printf("'\n");
    for (int i = 0; i < COMMAND_OPTIONS_MAX && command->options[i].name != NULL; i++)
        print_fish_option(command->name, &command->options[i]);
    for (int i = 0; i < COMMAND_WORDS_MAX && i < command->words_max; i++) {
        const char *choices = choices_of(command->words[i]);
        if (choices != NULL && strcmp(choices, "FILES") != 0)
            printf("complete -c florin -n '__fish_seen_subcommand_from %s' -f -a '%s'\n",
                   command->name, choices);
    }
}

static void print_fish(void)
{
    printf("# fish completion of florin: florin completion fish | source\n");
    each_command(print_fish_command);
    for (const struct tool_option *option = florin_global_options; option->name; option++)
        print_fish_option(NULL, option);
}

enum exit_code florin_completion(const struct florin_call *call)
{
    if (strcasecmp(call->words[0], "bash") == 0)
        print_bash();
    else if (strcasecmp(call->words[0], "zsh") == 0)
        print_zsh();
    else
        print_fish();
    return EXIT_OK;
}
