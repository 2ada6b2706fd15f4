/* florin_limits.h - every fixed limit of Florin, each with the reason for its number.
 *
 * A limit that an operator can set (accounts, keys, segment size) is an option; what stands
 * here is compiled in, because a file format, a wire format or a worst case is built on it.
 */
#ifndef FLORIN_LIMITS_H
#define FLORIN_LIMITS_H

enum {
    /* --- names and texts that clients choose --------------------------------------------- */

    /* Bytes of an account id. Holds a UUID, a ULID, an IBAN or an e-mail-like handle. */
    FLORIN_ACCOUNT_ID_MAX = 64,
    /* Bytes of an idempotency key: VARCHAR(255) of the schema that the project began with, and
     * the most that one length byte can say. */
    FLORIN_KEY_MAX = 255,
    /* Bytes of an account's metadata, as compact JSON: a few labels, not a document. */
    FLORIN_METADATA_MAX = 1024,
    /* Letters of a currency code: ISO 4217 has three; longer private ones exist. */
    FLORIN_CURRENCY_MAX = 8,
    /* Legs of a posting: a payroll run of a small firm, a sale with its taxes and fees. Each leg
     * may visit another worker, and the accounts of all are taken for microseconds. */
    FLORIN_LEGS_MAX = 64,
    /* Decimals of a currency: int64 minor units leave no room for more than 18 digits. */
    FLORIN_EXPONENT_MAX = 8,
    /* Bytes of an amount as text: 19 digits, sign, point, and some leading zeros. */
    FLORIN_AMOUNT_TEXT_MAX = 32,

    /* --- the engine ---------------------------------------------------------------------- */

    /* Worker threads. Rings exist between every two, so their memory grows with the square. */
    FLORIN_WORKERS_MAX = 64,
    /* Embedded clients (florin_client) of one ledger, for the same reason. */
    FLORIN_CLIENTS_MAX = 16,
    /* Commands that one worker has accepted and not yet answered: at 64 connections the
     * working set is 64; embedded batches fill several groups of 8192. */
    FLORIN_WAITERS_MAX = 32768,
    /* Active holds of one account: they stand in its image in a checkpoint, which has to fit into a
     * block of 64 KiB. */
    FLORIN_ACCOUNT_HOLDS_MAX = 1024,
    /* Transactions of one page of history: what fits into some reads of the disk, and is written as
     * JSON within a millisecond. */
    FLORIN_HISTORY_PAGE_MAX = 500,
    /* Accounts of one page of a list: each of them is read like any other. */
    FLORIN_ACCOUNT_PAGE_MAX = 200,
    /* Different currencies in one ledger: an account names its own with one byte. */
    FLORIN_CURRENCIES_MAX = 255,
    /* Currencies that an operator adds: those of ISO 4217 and these together fit into a ledger. */
    FLORIN_OWN_CURRENCIES_MAX = 64,

    /* --- the log ------------------------------------------------------------------------- */

    /* Bytes of a record of one account: fixed part, id, key, metadata, all at their maximum,
     * rounded up. */
    FLORIN_RECORD_SINGLE_MAX = 1536,
    /* Bytes of any record: a posting of FLORIN_LEGS_MAX legs with ids at their maximum. */
    FLORIN_RECORD_MAX = 8192,
    /* Bytes of payload in one frame, the unit of group commit: 8192 records of 128 bytes.
     * Larger groups gain nothing (the disk takes 2 GB/s) and delay the first answer. */
    FLORIN_GROUP_BYTES_MAX = 1024 * 1024,

    /* --- HTTP ---------------------------------------------------------------------------- */

    /* Bytes of a request body. The largest useful one today is an account with metadata. */
    FLORIN_BODY_MAX = 64 * 1024,
    /* Items of one batch: a full group of 8192 records of 128 bytes. */
    FLORIN_BATCH_ITEMS_MAX = 8192,
    /* Bytes of a batch's body: as many items of 256 bytes, written out in JSON. Its copy and the
     * search for its items are what the memory and the time of a batch are. */
    FLORIN_BATCH_BODY_MAX = 2 * 1024 * 1024,
    /* Bytes of one JSON item: an id and a key at their longest, each byte escaped to six, twice. */
    FLORIN_BATCH_ITEM_BYTES_MAX = 4096,
    /* Batches that one worker has accepted and not yet answered. */
    FLORIN_BATCHES_MAX = 64,
    /* Nesting of a request body: objects within metadata; the API itself needs one. */
    FLORIN_JSON_DEPTH_MAX = 8,
};

#endif
