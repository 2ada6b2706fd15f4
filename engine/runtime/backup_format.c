/* backup_format.c - members, headers and texts of a backup.
 *
 * Header of a member (POSIX.1-1988 ustar, 512 bytes; numbers are octal text):
 *
 *       0  name[100]      345  prefix[155]  zeros
 *     100  mode[8]        "0000600"
 *     108  uid[8], gid[8] "0000000"
 *     124  size[12]       11 digits; from 8 GiB on: 0x80, then 11 bytes big-endian
 *     136  mtime[12]      11 digits
 *     148  chksum[8]      sum of all bytes, these as blanks: 6 digits, 0, blank
 *     156  typeflag       '0'
 *     157  linkname[100]  zeros
 *     257  magic[6], version[2]   "ustar", 0, "00"
 *     265  uname, gname, devmajor, devminor   zeros
 *
 * Guarantees: decode takes exactly what encode writes. It must not know files.
 */
#include "backup_format.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint_file.h"
#include "file_number.h"
#include "wal/segment.h"

enum {
    MODE_OFFSET = 100,
    UID_OFFSET = 108,
    GID_OFFSET = 116,
    SIZE_OFFSET = 124,
    TIME_OFFSET = 136,
    SUM_OFFSET = 148,
    SUM_BYTES = 8,
    TYPE_OFFSET = 156,
    MAGIC_OFFSET = 257,
    NUMBER_BYTES = 12,
    LOG_ID_DIGITS = 2 * META_LOG_ID_BYTES,
};

/* 11 octal digits. */
#define OCTAL_MAX (UINT64_C(077777777777))

/* --- names ----------------------------------------------------------------------------------- */

bool backup_parse_keys(const char *name, uint64_t *from_lsn, uint64_t *to_lsn)
{
    return file_number_parse(name, from_lsn) && name[FILE_NUMBER_DIGITS] == '-' &&
           file_number_parse(name + FILE_NUMBER_DIGITS + 1, to_lsn) &&
           strcmp(name + 2 * FILE_NUMBER_DIGITS + 1, ".keys") == 0 && *from_lsn <= *to_lsn;
}

static const char *behind(const char *name, const char *folder)
{
    size_t length = strlen(folder);
    return strncmp(name, folder, length) == 0 ? name + length : NULL;
}

enum backup_member backup_member_of_name(const char *name)
{
    uint64_t from;
    uint64_t to;
    const char *rest;
    if (strcmp(name, BACKUP_INFO_NAME) == 0)
        return BACKUP_MEMBER_INFO;
    if (strcmp(name, "meta") == 0)
        return BACKUP_MEMBER_META;
    if (strcmp(name, BACKUP_MANIFEST_NAME) == 0)
        return BACKUP_MEMBER_MANIFEST;
    if ((rest = behind(name, "checkpoint/")) != NULL && checkpoint_parse_name(rest, &from))
        return BACKUP_MEMBER_CHECKPOINT;
    if ((rest = behind(name, "keys/")) != NULL && backup_parse_keys(rest, &from, &to))
        return BACKUP_MEMBER_KEYS;
    if ((rest = behind(name, "log/")) != NULL &&
        segment_parse_name(rest, &from) == SEGMENT_FILE_LOG)
        return BACKUP_MEMBER_SEGMENT;
    return BACKUP_MEMBER_UNKNOWN;
}

/* --- headers --------------------------------------------------------------------------------- */

static void put_number(uint64_t value, uint8_t field[NUMBER_BYTES])
{
    if (value <= OCTAL_MAX) {
        snprintf((char *)field, NUMBER_BYTES, "%011" PRIo64, value);
        return;
    }
    memset(field, 0, NUMBER_BYTES);
    field[0] = 0x80;
    for (int i = NUMBER_BYTES - 1; value > 0; i--, value >>= 8)
        field[i] = (uint8_t)value;
}

/* Not strict: encoding again is. */
static uint64_t get_number(const uint8_t field[NUMBER_BYTES])
{
    uint64_t value = 0;
    bool binary = field[0] == 0x80;
    for (size_t i = 1; i < NUMBER_BYTES && binary; i++)
        value = value << 8 | field[i];
    for (size_t i = 0; i < NUMBER_BYTES && !binary && field[i] >= '0' && field[i] <= '7'; i++)
        value = value << 3 | (uint64_t)(field[i] - '0');
    return value;
}

void backup_header_encode(const char *name, uint64_t size, uint64_t time_s,
                          uint8_t block[BACKUP_BLOCK_BYTES])
{
    assert(strlen(name) < STORAGE_NAME_MAX);
    memset(block, 0, BACKUP_BLOCK_BYTES);
    memcpy(block, name, strlen(name));
    memcpy(block + MODE_OFFSET, "0000600", 7);
    memcpy(block + UID_OFFSET, "0000000", 7);
    memcpy(block + GID_OFFSET, "0000000", 7);
    put_number(size, block + SIZE_OFFSET);
    put_number(time_s, block + TIME_OFFSET);
    block[TYPE_OFFSET] = '0';
    memcpy(block + MAGIC_OFFSET, "ustar\00000", 8);
    memset(block + SUM_OFFSET, ' ', SUM_BYTES);
    unsigned sum = 0;
    for (size_t i = 0; i < BACKUP_BLOCK_BYTES; i++)
        sum += block[i];
    snprintf((char *)block + SUM_OFFSET, SUM_BYTES - 1, "%06o", sum);
}

bool backup_header_decode(const uint8_t block[BACKUP_BLOCK_BYTES], char name[STORAGE_NAME_MAX],
                          uint64_t *size, bool *end)
{
    uint8_t again[BACKUP_BLOCK_BYTES] = {0};
    *end = memcmp(block, again, sizeof(again)) == 0;
    if (*end)
        return true;
    size_t length = strnlen((const char *)block, STORAGE_NAME_MAX);
    if (length == 0 || length == STORAGE_NAME_MAX)
        return false;
    memcpy(name, block, length);
    name[length] = '\0';
    *size = get_number(block + SIZE_OFFSET);
    backup_header_encode(name, *size, get_number(block + TIME_OFFSET), again);
    return memcmp(block, again, sizeof(again)) == 0;
}

size_t backup_padding(uint64_t size)
{
    return (size_t)((BACKUP_BLOCK_BYTES - size % BACKUP_BLOCK_BYTES) % BACKUP_BLOCK_BYTES);
}

/* --- texts ----------------------------------------------------------------------------------- */

size_t backup_info_encode(const struct backup_info *info, char text[BACKUP_INFO_BYTES_MAX])
{
    char log_id[LOG_ID_DIGITS + 1];
    for (size_t i = 0; i < META_LOG_ID_BYTES; i++)
        snprintf(log_id + 2 * i, 3, "%02x", info->log_id[i]);
    int length = snprintf(text, BACKUP_INFO_BYTES_MAX,
                          "florin_backup=%" PRIu32 "\nlog_id=%s\ndurable_lsn=%" PRIu64
                          "\ntime_ns=%" PRIu64 "\n",
                          info->format_version, log_id, info->durable_lsn, info->time_ns);
    assert(length > 0 && length < BACKUP_INFO_BYTES_MAX);
    return (size_t)length;
}

/* The value of a line, "" if it is not there. */
static const char *find_value(const char *text, const char *name)
{
    const char *found = strstr(text, name);
    return found == NULL ? "" : found + strlen(name);
}

int backup_info_decode(const char *text, size_t length, struct backup_info *info)
{
    char copy[BACKUP_INFO_BYTES_MAX];
    char again[BACKUP_INFO_BYTES_MAX];
    static const char version_name[] = "florin_backup=";
    if (length >= sizeof(copy))
        return -EBADMSG;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (strncmp(copy, version_name, sizeof(version_name) - 1) != 0)
        return -EBADMSG;
    struct backup_info found = {
        .format_version = (uint32_t)strtoul(copy + sizeof(version_name) - 1, NULL, 10),
        .durable_lsn = strtoull(find_value(copy, "\ndurable_lsn="), NULL, 10),
        .time_ns = strtoull(find_value(copy, "\ntime_ns="), NULL, 10),
    };
    info->format_version = found.format_version;
    if (found.format_version != BACKUP_FORMAT_VERSION)
        return found.format_version == 0 ? -EBADMSG : -EPROTONOSUPPORT;
    uint64_t half;
    const char *log_id = find_value(copy, "\nlog_id=");
    if (strlen(log_id) < LOG_ID_DIGITS)
        return -EBADMSG;
    for (size_t i = 0; i < 2; i++) {
        if (!file_number_parse(log_id + i * FILE_NUMBER_DIGITS, &half))
            return -EBADMSG;
        for (size_t j = 0; j < sizeof(half); j++)
            found.log_id[i * sizeof(half) + j] = (uint8_t)(half >> (56 - 8 * j));
    }
    if (backup_info_encode(&found, again) != length || memcmp(copy, again, length) != 0)
        return -EBADMSG;
    *info = found;
    return 0;
}

size_t backup_manifest_line(const char *name, uint64_t size, uint64_t checksum,
                            char line[BACKUP_MANIFEST_LINE_MAX + 1])
{
    int length = snprintf(line, BACKUP_MANIFEST_LINE_MAX + 1, "%016" PRIx64 " %" PRIu64 " %s\n",
                          checksum, size, name);
    assert(length > 0 && length <= BACKUP_MANIFEST_LINE_MAX);
    return (size_t)length;
}
