/* table.c - prints rows. It must not know what is in them. */
#include "table.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void table_begin(struct table *table, const struct table_column *columns, size_t column_count)
{
    assert(column_count <= TABLE_COLUMNS_MAX);
    table->columns = columns;
    table->column_count = column_count;
    table->has_heading = false;
    table->row_count = 0;
    for (size_t i = 0; i < column_count; i++)
        table->widths[i] = strlen(columns[i].heading);
}

static void print_cell(const struct table *table, size_t column, const char *text)
{
    int width = (int)table->widths[column];
    const char *gap = column == 0 ? "" : "  ";
    bool is_last = column + 1 == table->column_count;
    if (is_last && text[0] == '\0')
        return; /* no blanks at the end of a line */
    if (table->columns[column].is_number)
        printf("%s%*s", gap, width, text);
    else if (is_last)
        printf("%s%s", gap, text);
    else
        printf("%s%-*s", gap, width, text);
}

static void print_rows(struct table *table)
{
    for (size_t row = 0; row < table->row_count; row++) {
        for (size_t i = 0; i < table->column_count; i++) {
            size_t length = strlen(table->cells[row][i]);
            if (length > table->widths[i])
                table->widths[i] = length;
        }
    }
    for (size_t i = 0; i < table->column_count && !table->has_heading; i++)
        print_cell(table, i, table->columns[i].heading);
    if (!table->has_heading)
        printf("\n");
    table->has_heading = true;
    for (size_t row = 0; row < table->row_count; row++) {
        for (size_t i = 0; i < table->column_count; i++)
            print_cell(table, i, table->cells[row][i]);
        printf("\n");
    }
    table->row_count = 0;
}

char (*table_row(struct table *table))[TABLE_CELL_BYTES]
{
    if (table->row_count == TABLE_ROWS)
        print_rows(table);
    for (size_t i = 0; i < table->column_count; i++)
        table->cells[table->row_count][i][0] = '\0';
    return table->cells[table->row_count++];
}

void table_end(struct table *table)
{
    print_rows(table);
}
