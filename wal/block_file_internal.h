/* block_file_internal.h - the bytes of a block file, as its writer and its readers share them.
 *
 * block_file.c has the table of the format.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_WAL_BLOCK_FILE_INTERNAL_H
#define FLORIN_WAL_BLOCK_FILE_INTERNAL_H

#include "block_file.h"

enum {
    BLOCK_FILE_HEADER_BYTES = STORAGE_ALIGNMENT,
    BLOCK_FILE_FOOTER_BYTES = STORAGE_ALIGNMENT,
    /* One read or write (rounded up to whole blocks): a group commit may wait behind it, and 64 KiB
     * take a disk little longer than 4 KiB (docs/performance.md). */
    BLOCK_FILE_PIECE_BYTES = 64 * 1024,
};

/* DIRECTORY/NAME and an ending; all of it fits, or the caller is wrong. */
void block_file_full_name(const char *directory, const char *name, const char *ending,
                          char full_name[STORAGE_NAME_MAX]);

bool block_file_block_bytes_are_valid(uint64_t block_bytes);

void block_file_encode_header(const struct block_file_plan *plan,
                              uint8_t bytes[BLOCK_FILE_HEADER_BYTES]);

/* The seed of all checksums behind the header. */
uint64_t block_file_salt(const uint8_t header[BLOCK_FILE_HEADER_BYTES]);

/* Writes the header of a block whose payload stands in its place, with zeros behind it. Its
 * checksum. */
uint64_t block_file_seal_block(uint8_t *block, uint32_t block_bytes, uint64_t salt, uint64_t number,
                               uint32_t tag, size_t payload_length);

/* The chain after one more block; the first follows the salt. */
uint64_t block_file_chain(uint64_t chain, uint64_t block_checksum);

void block_file_encode_footer(uint64_t block_count, uint64_t chain,
                              const uint8_t totals[BLOCK_FILE_TOTALS_BYTES], uint64_t salt,
                              uint8_t bytes[BLOCK_FILE_FOOTER_BYTES]);

#endif
