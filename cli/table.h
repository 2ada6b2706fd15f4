/* table.h - rows for people: columns as wide as their widest cell on a terminal and in a pipe.
 *
 *     TIME                  TYPE      AMOUNT
 *     2026-11-22T15:12:48Z  Deposit   100.00
 *
 * Rows are kept up to TABLE_ROWS and printed together, then the widths stay: any number of rows
 * needs the memory of so many. Numbers stand right.
 *
 * Thread: the main thread.
 */
#ifndef FLORIN_CLI_TABLE_H
#define FLORIN_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum { TABLE_COLUMNS_MAX = 8, TABLE_CELL_BYTES = 96, TABLE_ROWS = 50 };

struct table_column {
    const char *heading;
    bool is_number;
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    bool has_heading; /* printed */
    size_t widths[TABLE_COLUMNS_MAX];
    size_t row_count;
    char cells[TABLE_ROWS][TABLE_COLUMNS_MAX][TABLE_CELL_BYTES];
};

void table_begin(struct table *table, const struct table_column *columns, size_t column_count);
/* A new row of empty cells; fill them before the next one. */
char (*table_row(struct table *table))[TABLE_CELL_BYTES];
/* Prints what is left. */
void table_end(struct table *table);

#endif
