/* florind_help.h - what --help prints. */
#ifndef FLORIN_CLI_FLORIND_HELP_H
#define FLORIN_CLI_FLORIND_HELP_H

void florind_help_print(void);

#endif
