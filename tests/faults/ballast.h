/* ballast.h - fills a file system to the last block, and gives the room back.
 *
 * Failures of the harness end the test program.
 */
#ifndef FLORIN_TESTS_BALLAST_H
#define FLORIN_TESTS_BALLAST_H

/* Makes, or extends, a file there that takes all room that is left. */
void ballast_fill(const char *directory);

void ballast_remove(const char *directory);

#endif
