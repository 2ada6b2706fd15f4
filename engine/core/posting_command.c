/* posting_command.c - a command with several accounts as legs and accounts, back again, and its
 * digest.
 *
 * Guarantees: posting_command() gives back what posting_init() has taken; the digest depends on all
 * that was asked for and on nothing else.
 * Must not know: the ledger.
 */
#include <string.h>

#include "bytes.h"
#include "money.h"
#include "posting.h"

enum {
    REQUEST_SEED = 3, /* another than those of other digests (key_answer.c) */
    REQUEST_HEAD_BYTES = 40,
    REQUEST_LEG_BYTES = 48,
};

/* --- from a command and back ------------------------------------------------------------- */

/* The number of the account in the posting, added when it is new. */
static uint8_t take_account(struct posting *posting, const struct hash_secret *secret,
                            const char *id, size_t id_length)
{
    uint64_t hash = hash_account(secret, id, id_length);
    for (uint8_t i = 0; i < posting->account_count; i++) {
        const struct posting_account *account = &posting->accounts[i];
        if (account->hash == hash && account->id_length == id_length &&
            memcmp(account->id, id, id_length) == 0)
            return i;
    }
    struct posting_account *added = &posting->accounts[posting->account_count];
    memcpy(added->id, id, id_length);
    added->id_length = (uint8_t)id_length;
    added->hash = hash;
    added->is_credited = false;
    added->is_conditional = false;
    added->is_new = false;
    return posting->account_count++;
}

static void take_leg(struct posting *posting, const struct hash_secret *secret,
                     const struct florin_leg *leg)
{
    uint8_t account = take_account(posting, secret, leg->account, leg->account_length);
    posting->legs[posting->leg_count++] = (struct posting_leg){
        .account = account,
        .direction = leg->direction,
        .amount_scale = leg->amount_scale,
        .amount = leg->amount_minor,
        .expected_version = leg->expected_version,
        .has_expected_balance = leg->has_expected_balance,
        .expected_balance_scale = leg->expected_balance_scale,
        .expected_balance = leg->expected_balance_minor,
        .group = leg->group,
    };
    if (leg->direction == FLORIN_CREDIT)
        posting->accounts[account].is_credited = true;
    if (leg->expected_version != 0 || leg->has_expected_balance)
        posting->accounts[account].is_conditional = true;
}

/* Transfers and captures as legs. */
static size_t legs_of_pair(const struct florin_command *command, struct florin_leg legs[2])
{
    legs[0] = (struct florin_leg){
        .account = command->account,
        .account_length = command->account_length,
        .direction = FLORIN_DEBIT,
        .amount_minor = command->amount_minor,
        .amount_scale = command->amount_scale,
        .expected_version = command->expected_version,
        .has_expected_balance = command->has_expected_balance,
        .expected_balance_minor = command->expected_balance_minor,
        .expected_balance_scale = command->expected_balance_scale,
    };
    legs[1] = (struct florin_leg){
        .account = command->to,
        .account_length = command->to_length,
        .direction = FLORIN_CREDIT,
        .amount_minor = command->amount_minor,
        .amount_scale = command->amount_scale,
        .expected_version = command->expected_to_version,
    };
    /* A hold, a void or a reversal has no use for `to`, and nobody has checked it there. */
    return posting_is(command->kind) && command->kind != FLORIN_REVERSE && command->to_length > 0
               ? 2
               : 1;
}

static bool has_own_legs(enum florin_command_kind kind)
{
    return kind != FLORIN_TRANSFER && kind != FLORIN_CAPTURE;
}

void posting_init(struct posting *posting, const struct florin_command *command,
                  const struct hash_secret *secret)
{
    struct florin_leg pair[2];
    const struct florin_leg *legs = command->legs;
    size_t count = command->leg_count;
    if (!has_own_legs(command->kind)) {
        count = legs_of_pair(command, pair);
        legs = pair;
    }
    posting->kind = command->kind;
    posting->amount_is_decimal = command->amount_is_decimal;
    posting->expected_by_precondition = command->expected_by_precondition;
    posting->dry_run = command->dry_run;
    posting->as_admin = command->as_admin;
    posting->user_data = command->user_data;
    posting->target_id = command->target_id;
    posting->request = posting_request(command);
    posting->not_created = FLORIN_ACCOUNT_NOT_FOUND;
    posting->hold_is_active = false;
    posting->hold_minor = 0;
    posting->key_length = (uint8_t)command->key_length;
    if (command->key_length > 0)
        memcpy(posting->key, command->key, command->key_length);
    posting->asked = command->amount_minor;
    posting->asked_scale = command->amount_scale;
    posting->leg_count = 0;
    posting->account_count = 0;
    for (size_t i = 0; i < count; i++)
        take_leg(posting, secret, &legs[i]);
    if (command->kind == FLORIN_REVERSE) {
        /* Its legs come from a record; its conditions are of the first leg's account. */
        (void)legs_of_pair(command, pair);
        posting->legs[0].expected_version = pair[0].expected_version;
        posting->legs[0].has_expected_balance = pair[0].has_expected_balance;
        posting->legs[0].expected_balance = pair[0].expected_balance_minor;
        posting->legs[0].expected_balance_scale = pair[0].expected_balance_scale;
    }
}

void posting_command(const struct posting *posting, struct florin_leg legs[FLORIN_LEGS_MAX],
                     struct florin_command *command)
{
    for (uint8_t i = 0; i < posting->leg_count; i++) {
        const struct posting_leg *leg = &posting->legs[i];
        const struct posting_account *account = &posting->accounts[leg->account];
        legs[i] = (struct florin_leg){
            .account = account->id,
            .account_length = account->id_length,
            .direction = leg->direction,
            .amount_minor = leg->amount,
            .amount_scale = leg->amount_scale,
            .expected_version = leg->expected_version,
            .has_expected_balance = leg->has_expected_balance,
            .expected_balance_minor = leg->expected_balance,
            .expected_balance_scale = leg->expected_balance_scale,
            .group = leg->group,
        };
    }
    *command = (struct florin_command){
        .user_data = posting->user_data,
        .kind = posting->kind,
        .account = legs[0].account,
        .account_length = legs[0].account_length,
        .key = posting->key,
        .key_length = posting->key_length,
        .amount_is_decimal = posting->amount_is_decimal,
        .expected_by_precondition = posting->expected_by_precondition,
        .dry_run = posting->dry_run,
        .as_admin = posting->as_admin,
        .target_id = posting->target_id,
    };
    bool is_reversal = posting->kind == FLORIN_REVERSE;
    if (has_own_legs(posting->kind) && !is_reversal) {
        command->legs = legs;
        command->leg_count = posting->leg_count;
        return;
    }
    command->amount_minor = is_reversal ? posting->asked : legs[0].amount_minor;
    command->amount_scale = is_reversal ? posting->asked_scale : legs[0].amount_scale;
    command->expected_version = legs[0].expected_version;
    command->has_expected_balance = legs[0].has_expected_balance;
    command->expected_balance_minor = legs[0].expected_balance_minor;
    command->expected_balance_scale = legs[0].expected_balance_scale;
    if (posting->leg_count > 1 && !is_reversal) {
        command->to = legs[1].account;
        command->to_length = legs[1].account_length;
        command->expected_to_version = legs[1].expected_version;
    }
}

/* --- the request's digest ---------------------------------------------------------------- */

static uint64_t mix_leg(uint64_t digest, const struct florin_leg *leg)
{
    uint8_t bytes[REQUEST_LEG_BYTES + FLORIN_ACCOUNT_ID_MAX] = {0};
    struct money_decimal amount = {leg->amount_minor, leg->amount_scale};
    bytes_put_u64(bytes, digest);
    bytes[8] = (uint8_t)leg->direction;
    bytes[9] = amount.scale;
    bytes[10] = leg->has_expected_balance;
    bytes[11] = leg->has_expected_balance ? leg->expected_balance_scale : 0;
    bytes[12] = leg->group;
    bytes_put_i64(bytes + 16, amount.digits);
    bytes_put_u64(bytes + 24, leg->expected_version);
    bytes_put_i64(bytes + 32, leg->has_expected_balance ? leg->expected_balance_minor : 0);
    bytes_put_u64(bytes + 40, leg->account_length);
    memcpy(bytes + REQUEST_LEG_BYTES, leg->account, leg->account_length);
    return hash_bytes(bytes, REQUEST_LEG_BYTES + leg->account_length, REQUEST_SEED);
}

uint64_t posting_request(const struct florin_command *command)
{
    struct florin_leg pair[2];
    const struct florin_leg *legs = command->legs;
    size_t count = command->leg_count;
    uint8_t bytes[REQUEST_HEAD_BYTES] = {0};
    /* A reversal's legs are not asked for: they come from the log. */
    if (!has_own_legs(command->kind) || !posting_is(command->kind) ||
        command->kind == FLORIN_REVERSE) {
        count = legs_of_pair(command, pair);
        legs = pair;
    }
    bytes[0] = (uint8_t)command->kind;
    bytes[1] = command->amount_is_decimal;
    bytes[2] = command->expected_by_precondition;
    bytes[3] = command->as_admin;
    /* Only of kinds that read them, so that what posting_command() gives back is the same. */
    if (command->kind == FLORIN_CAPTURE || command->kind == FLORIN_VOID ||
        command->kind == FLORIN_REVERSE)
        bytes_put_u64(bytes + 8, command->target_id);
    if (command->kind == FLORIN_HOLD)
        bytes_put_u64(bytes + 16, command->expires_in_ns);
    bytes_put_u64(bytes + 24, count);
    uint64_t digest = hash_bytes(bytes, sizeof(bytes), REQUEST_SEED);
    for (size_t i = 0; i < count; i++)
        digest = mix_leg(digest, &legs[i]);
    return digest == 0 ? 1 : digest;
}
