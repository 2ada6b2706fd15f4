/* posting_message.h - what shards tell each other about a posting.
 *
 *     home -> owner   CLAIM    keep these accounts for my posting
 *     owner -> home   GRANT    they are kept; this is their state, final and handed to the log
 *     home -> owner   RESOLVE  the record at `lsn` has changed them to this; or nothing has (lsn
 * 0); they are free again
 *
 * In memory only, so the layout is the machine's own; messages go between two shards in the order
 * in which they were sent.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_CORE_POSTING_MESSAGE_H
#define FLORIN_CORE_POSTING_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "currency.h"
#include "florin.h"

enum posting_message_kind { POSTING_CLAIM = 1, POSTING_GRANT = 2, POSTING_RESOLVE = 3 };

struct posting_message {
    uint32_t kind;          /* enum posting_message_kind */
    uint32_t account_count; /* of the arrays behind this */
    uint32_t posting;       /* home's number of it */
    uint32_t claim;         /* the owner's number of it; of CLAIM: unused */
    uint64_t lsn;           /* RESOLVE: of the record; 0: nothing was changed */
    uint64_t time_ns;       /* GRANT: newest of the owner's records; RESOLVE: of the record */
};

/* Behind a CLAIM. */
struct posting_claim_account {
    uint64_t hash;
    uint8_t id_length;
    bool may_create; /* with auto_create it comes into being */
    char id[FLORIN_ACCOUNT_ID_MAX];
};

/* Behind a GRANT, in the order of the CLAIM. */
struct posting_grant_account {
    bool exists;
    uint8_t status; /* enum florin_account_status */
    struct currency currency;
    int64_t balance_minor;
    int64_t floor_minor;
    uint64_t version;
    uint64_t last_lsn;
};

/* Behind a RESOLVE with an LSN, in the order of the CLAIM. */
struct posting_resolve_account {
    int64_t balance_minor;
    uint64_t version;
};

enum {
    POSTING_MESSAGE_BYTES_MAX =
        sizeof(struct posting_message) + FLORIN_LEGS_MAX * sizeof(struct posting_claim_account),
};

#endif
