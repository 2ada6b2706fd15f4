/* florind.c - the server program. */
#include "exit_codes.h"
#include "florind_options.h"
#include "florind_run.h"

int main(int argc, char **argv)
{
    struct florind_options options;
    switch (florind_options_read(&options, argc, argv)) {
    case OPTIONS_RUN:
        return (int)florind_run(&options, NULL);
    case OPTIONS_SHOWN:
        return EXIT_OK;
    case OPTIONS_WRONG_USAGE:
        return EXIT_USAGE;
    case OPTIONS_WRONG_FILE:
        return EXIT_BAD_CONFIGURATION;
    }
    return EXIT_USAGE;
}
