/* temporary_directory.h - a directory of a test's own, removed with all that is in it. */
#ifndef FLORIN_TESTS_TEMPORARY_DIRECTORY_H
#define FLORIN_TESTS_TEMPORARY_DIRECTORY_H

enum { TEMPORARY_DIRECTORY_MAX = 128 };

/* Makes it below $TMPDIR or /tmp; ends the test when that fails. */
void temporary_directory_make(char path[TEMPORARY_DIRECTORY_MAX]);

void temporary_directory_remove(const char *path);

#endif
