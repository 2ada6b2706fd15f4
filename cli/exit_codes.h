/* exit_codes.h - how florind and florin end; the numbers of sysexits.h. README.md has the table. */
#ifndef FLORIN_CLI_EXIT_CODES_H
#define FLORIN_CLI_EXIT_CODES_H

enum exit_code {
    EXIT_OK = 0,
    EXIT_REFUSED = 1,            /* florin: the server refused, and said why */
    EXIT_USAGE = 64,             /* the command line is wrong */
    EXIT_DAMAGED = 65,           /* the files are damaged, foreign or of another version */
    EXIT_UNAVAILABLE = 69,       /* the port is taken; florin: the server cannot be reached */
    EXIT_CANNOT_CREATE = 73,     /* the data directory cannot be made */
    EXIT_IO = 74,                /* the disk refused a write, or the end took too long */
    EXIT_LOCKED = 75,            /* another process has the data directory open */
    EXIT_NO_PERMISSION = 77,     /* the data directory or the address is not for this user */
    EXIT_BAD_CONFIGURATION = 78, /* the configuration file is wrong */
};

#endif
