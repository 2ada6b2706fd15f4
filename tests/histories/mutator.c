/* mutator.c - one function a mutation; in the order of the rules.
 *
 * Some change what was answered or logged in the middle of the history, others add operations at
 * its end, on the accounts as they are then.
 */
#include "histories/mutator.h"

#include <string.h>

enum {
    TRIES_MAX = 20000,
    STRANGE_AMOUNT = 1000003, /* that no request of the generator has */
};

/* --- finding a place ------------------------------------------------------------------------- */

struct place {
    struct history_buffer *buffer;
    size_t number;
    struct history_operation *operation;
    struct history_leg *legs;
};

static struct place place_of(struct history_buffer *buffer, size_t number)
{
    return (struct place){buffer, number, history_operation(buffer, number),
                          history_legs(buffer, number)};
}

typedef bool (*suitable)(const struct generated *generated, const struct place *place);

/* A random operation of a client, or row of the log (buffer 0), that is suitable. */
static bool find(struct generated *generated, struct random *random, bool row, suitable suits,
                 struct place *found)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        size_t client = row ? 0 : random_between(random, 1, generated->buffers_count - 1);
        struct history_buffer *buffer = &generated->buffers[client];
        if (buffer->operations_count == 0)
            continue;
        *found = place_of(buffer, random_below(random, buffer->operations_count));
        if (suits(generated, found))
            return true;
    }
    return false;
}

static bool is_acknowledged(const struct generated *generated, const struct place *place)
{
    (void)generated;
    return place->operation->outcome == HISTORY_APPLIED && place->operation->lsn != 0;
}

/* ... and there is no other attempt of it. */
static bool is_acknowledged_once(const struct generated *generated, const struct place *place)
{
    return is_acknowledged(generated, place) && place->operation->key == 0;
}

static bool is_acknowledged_once_and_old(const struct generated *generated,
                                         const struct place *place)
{
    return is_acknowledged_once(generated, place) &&
           place->operation->lsn * 2 < generated->model.lsn;
}

static bool has_key_and_is_acknowledged(const struct generated *generated,
                                        const struct place *place)
{
    return is_acknowledged(generated, place) && place->operation->key != 0;
}

static bool is_acknowledged_with_legs(const struct generated *generated, const struct place *place)
{
    return is_acknowledged(generated, place) && place->operation->legs_count > 1;
}

static bool is_acknowledged_hold(const struct generated *generated, const struct place *place)
{
    return is_acknowledged_once(generated, place) && place->operation->kind == HISTORY_HOLD;
}

static bool is_read(const struct generated *generated, const struct place *place)
{
    (void)generated;
    return place->operation->kind == HISTORY_READ && place->operation->outcome == HISTORY_APPLIED &&
           place->legs->version > 1;
}

static bool is_mismatch(const struct generated *generated, const struct place *place)
{
    (void)generated;
    return place->operation->outcome == HISTORY_MISMATCH && place->operation->key == 0 &&
           place->operation->legs_count == 1;
}

static bool is_resolved_hold(const struct generated *generated, const struct place *place)
{
    if (place->operation->kind != HISTORY_HOLD)
        return false;
    const struct model_original *hold = model_find(&generated->model, place->operation->lsn);
    return hold != NULL && hold->rest == 0;
}

static bool is_deposit_row(const struct generated *generated, const struct place *place)
{
    (void)generated;
    return place->operation->kind == HISTORY_DEPOSIT;
}

/* The first row of an LSN. */
static bool find_row(const struct generated *generated, uint64_t lsn, struct place *found)
{
    struct history_buffer *own = &generated->buffers[0];
    for (size_t number = 0; number < own->operations_count; number++) {
        if (own->operations[number].lsn == lsn) {
            *found = place_of(own, number);
            return true;
        }
    }
    return false;
}

static void drop(const struct place *place)
{
    struct history_buffer *buffer = place->buffer;
    memmove(place->operation, place->operation + 1,
            (buffer->operations_count - place->number - 1) * sizeof(*place->operation));
    buffer->operations_count--;
}

/* --- adding at the end ----------------------------------------------------------------------- */

/* The next change of an account, as it would be right. */
static struct history_leg next_leg(const struct generated *generated, uint64_t account,
                                   int64_t balance_delta, int64_t held_delta)
{
    const struct model_account *now = &generated->model.accounts[account];
    struct history_leg leg = history_leg_of(account, balance_delta, held_delta);
    leg.version = now->version + 1;
    leg.balance = now->balance + balance_delta;
    leg.held = now->held + held_delta;
    return leg;
}

/* An acknowledged change that is in the log, with this many nanoseconds behind the end. */
static struct history_operation *add_change(struct generated *generated, enum history_kind kind,
                                            uint64_t lsn, const struct history_leg *legs,
                                            size_t legs_count, uint64_t invoke_ns,
                                            uint64_t return_ns)
{
    struct history_buffer *client = &generated->buffers[1];
    (void)history_record(&generated->buffers[0], kind, lsn, 0, legs, legs_count);
    size_t number =
        history_invoke(client, kind, 0, legs, legs_count, generated->end_ns + invoke_ns);
    history_return(client, number, HISTORY_APPLIED, generated->end_ns + return_ns);
    history_operation(client, number)->lsn = lsn;
    return history_operation(client, number);
}

static void add_read(struct generated *generated, uint64_t account, uint64_t version,
                     uint64_t invoke_ns, uint64_t return_ns)
{
    struct history_buffer *client = &generated->buffers[1];
    struct history_leg leg = history_leg_of(account, 0, 0);
    leg.version = version;
    size_t number = history_invoke(client, HISTORY_READ, 0, &leg, 1, generated->end_ns + invoke_ns);
    history_return(client, number, HISTORY_APPLIED, generated->end_ns + return_ns);
}

/* An account that was opened; 0: none was met. */
static uint64_t draw_account(const struct generated *generated, struct random *random)
{
    for (int tries = 0; tries < 100; tries++) {
        uint64_t account = random_between(random, 1, generated->model.accounts_count);
        if (generated->model.accounts[account].version > 0)
            return account;
    }
    return 0;
}

static bool draw_two_accounts(const struct generated *generated, struct random *random,
                              uint64_t *one, uint64_t *other)
{
    *one = draw_account(generated, random);
    *other = draw_account(generated, random);
    return *one != 0 && *other != 0 && *one != *other;
}

/* --- the mutations --------------------------------------------------------------------------- */

static bool answer_before_question(struct generated *generated, struct random *random)
{
    struct place place;
    if (!find(generated, random, false, is_acknowledged, &place))
        return false;
    place.operation->return_ns = place.operation->invoke_ns - 1;
    return place.operation->invoke_ns > 0;
}

static bool answer_once_more(struct generated *generated, struct random *random)
{
    struct place place;
    if (!find(generated, random, false, has_key_and_is_acknowledged, &place))
        return false;
    struct history_operation copy = *place.operation;
    size_t number = history_invoke(place.buffer, copy.kind, copy.key, NULL, 0, copy.invoke_ns);
    copy.lsn = ++generated->model.lsn;
    *history_operation(place.buffer, number) = copy;
    return true;
}

static bool use_lsn_again(struct generated *generated, struct random *random)
{
    struct place place;
    uint64_t account = draw_account(generated, random);
    if (account == 0 || !find(generated, random, false, is_acknowledged, &place))
        return false;
    struct history_leg leg = next_leg(generated, account, STRANGE_AMOUNT, 0);
    (void)add_change(generated, HISTORY_DEPOSIT, place.operation->lsn, &leg, 1, 1, 2);
    return true;
}

static bool apply_key_again(struct generated *generated, struct random *random)
{
    struct place place;
    struct place row;
    if (!find(generated, random, false, has_key_and_is_acknowledged, &place) ||
        !find_row(generated, place.operation->lsn, &row))
        return false;
    struct history_operation copy = *row.operation;
    size_t number = history_record(row.buffer, copy.kind, 0, copy.key, NULL, 0);
    copy.lsn = ++generated->model.lsn;
    *history_operation(row.buffer, number) = copy;
    return true;
}

static bool lose_acknowledged(struct generated *generated, struct random *random)
{
    struct place place;
    struct place row;
    if (!find(generated, random, false, is_acknowledged, &place))
        return false;
    uint64_t lsn = place.operation->lsn;
    while (find_row(generated, lsn, &row))
        drop(&row);
    return true;
}

static bool refuse_what_is_applied(struct generated *generated, struct random *random)
{
    struct place place;
    if (!find(generated, random, false, has_key_and_is_acknowledged, &place))
        return false;
    uint64_t key = place.operation->key;
    for (size_t client = 1; client < generated->buffers_count; client++) {
        struct history_buffer *buffer = &generated->buffers[client];
        for (size_t number = 0; number < buffer->operations_count; number++) {
            if (buffer->operations[number].key == key)
                buffer->operations[number].outcome = HISTORY_REFUSED;
        }
    }
    return true;
}

static bool invent_transaction(struct generated *generated, struct random *random)
{
    uint64_t account = draw_account(generated, random);
    struct history_leg leg = next_leg(generated, account, STRANGE_AMOUNT, 0);
    (void)history_record(&generated->buffers[0], HISTORY_DEPOSIT, generated->model.lsn + 1, 0, &leg,
                         1);
    return account != 0;
}

static bool lose_leg(struct generated *generated, struct random *random)
{
    struct place place;
    struct place row;
    if (!find(generated, random, false, is_acknowledged_with_legs, &place) ||
        !find_row(generated, place.operation->lsn, &row))
        return false;
    if (row.operation->legs_count > 1)
        row.operation->legs_count--;
    else
        drop(&row);
    return true;
}

static bool log_other_amount(struct generated *generated, struct random *random)
{
    struct place place;
    struct place row;
    if (!find(generated, random, false, is_acknowledged, &place) ||
        !find_row(generated, place.operation->lsn, &row))
        return false;
    row.legs->balance_delta++;
    return true;
}

static bool lose_money(struct generated *generated, struct random *random)
{
    uint64_t from = 0;
    uint64_t to = 0;
    if (!draw_two_accounts(generated, random, &from, &to))
        return false;
    const struct history_leg legs[] = {next_leg(generated, from, -5, 0),
                                       next_leg(generated, to, 4, 0)};
    (void)add_change(generated, HISTORY_TRANSFER, generated->model.lsn + 1, legs, 2, 1, 2);
    return true;
}

static bool use_version_again(struct generated *generated, struct random *random)
{
    uint64_t account = draw_account(generated, random);
    struct history_leg leg = next_leg(generated, account, 5, 0);
    leg.version--;
    (void)add_change(generated, HISTORY_DEPOSIT, generated->model.lsn + 1, &leg, 1, 1, 2);
    return account != 0;
}

static bool skip_version(struct generated *generated, struct random *random)
{
    uint64_t account = draw_account(generated, random);
    struct history_leg leg = next_leg(generated, account, 5, 0);
    leg.version++;
    (void)add_change(generated, HISTORY_DEPOSIT, generated->model.lsn + 1, &leg, 1, 1, 2);
    return account != 0;
}

static bool change_balance(struct generated *generated, struct random *random)
{
    struct place place;
    struct place row;
    if (!find(generated, random, false, is_acknowledged_once, &place) ||
        !find_row(generated, place.operation->lsn, &row))
        return false;
    for (size_t i = 0; i < place.operation->legs_count; i++)
        place.legs[i].balance = HISTORY_UNKNOWN;
    row.legs->balance++;
    return true;
}

static bool change_held(struct generated *generated, struct random *random)
{
    struct place place;
    struct place row;
    if (!find(generated, random, false, is_acknowledged_hold, &place) ||
        !find_row(generated, place.operation->lsn, &row))
        return false;
    place.legs->held = HISTORY_UNKNOWN;
    row.legs->held++;
    return true;
}

static bool ignore_expected_version(struct generated *generated, struct random *random)
{
    struct place place;
    if (!find(generated, random, false, is_acknowledged_once, &place))
        return false;
    place.legs->expected_version = place.legs->version;
    return true;
}

static bool overdraw(struct generated *generated, struct random *random)
{
    (void)random;
    uint64_t account = generated->model.accounts_count + 1;
    struct history_leg leg = history_leg_of(account, 100, 0);
    leg.version = 1;
    (void)add_change(generated, HISTORY_OPEN, generated->model.lsn + 1, &leg, 1, 1, 2);
    leg = history_leg_of(account, -101, 0);
    leg.version = 2;
    (void)add_change(generated, HISTORY_WITHDRAW, generated->model.lsn + 2, &leg, 1, 3, 4);
    return true;
}

static bool read_what_is_not(struct generated *generated, struct random *random)
{
    struct place place;
    if (!find(generated, random, false, is_read, &place))
        return false;
    place.legs->version = generated->model.accounts[place.legs->account].version + 1;
    return true;
}

static bool read_other_balance(struct generated *generated, struct random *random)
{
    struct place place;
    if (!find(generated, random, false, is_read, &place))
        return false;
    place.legs->balance++;
    return true;
}

static bool reject_the_right_version(struct generated *generated, struct random *random)
{
    struct place place;
    if (!find(generated, random, false, is_mismatch, &place))
        return false;
    place.legs->expected_version = place.legs->version;
    return true;
}

static bool void_no_hold(struct generated *generated, struct random *random)
{
    struct place row;
    if (!find(generated, random, true, is_deposit_row, &row))
        return false;
    struct history_leg leg = next_leg(generated, row.legs->account, 0, -5);
    uint64_t lsn = row.operation->lsn;
    struct history_operation *added =
        add_change(generated, HISTORY_VOID, generated->model.lsn + 1, &leg, 1, 1, 2);
    added->refers_to = lsn;
    return true;
}

static bool void_hold_again(struct generated *generated, struct random *random)
{
    struct place row;
    if (!find(generated, random, true, is_resolved_hold, &row))
        return false;
    struct history_leg leg = next_leg(generated, row.legs->account, 0, -row.legs->held_delta);
    uint64_t lsn = row.operation->lsn;
    struct history_operation *added =
        add_change(generated, HISTORY_VOID, generated->model.lsn + 1, &leg, 1, 1, 2);
    added->refers_to = lsn;
    return true;
}

static bool reverse_too_much(struct generated *generated, struct random *random)
{
    struct place row;
    if (!find(generated, random, true, is_deposit_row, &row))
        return false;
    uint64_t lsn = row.operation->lsn;
    const struct model_original *original = model_find(&generated->model, lsn);
    struct history_leg leg = next_leg(generated, row.legs->account, -original->rest - 1, 0);
    struct history_operation *added =
        add_change(generated, HISTORY_REVERSAL, generated->model.lsn + 1, &leg, 1, 1, 2);
    added->refers_to = lsn;
    return true;
}

static bool swap_lsns(struct generated *generated, struct random *random)
{
    uint64_t account = draw_account(generated, random);
    struct history_leg leg = next_leg(generated, account, 5, 0);
    (void)add_change(generated, HISTORY_DEPOSIT, generated->model.lsn + 2, &leg, 1, 1, 9);
    leg.version++;
    leg.balance += 5;
    (void)add_change(generated, HISTORY_DEPOSIT, generated->model.lsn + 1, &leg, 1, 1, 9);
    return account != 0;
}

/* A change with others behind it is asked for at the end. */
static bool move_change_to_the_end(struct generated *generated, struct random *random)
{
    struct place place;
    if (!find(generated, random, false, is_acknowledged_once_and_old, &place))
        return false;
    place.operation->invoke_ns = generated->end_ns + 1;
    place.operation->return_ns = generated->end_ns + 2;
    return true;
}

/* What was asked of a server that died is in the log behind what the next one did. */
static bool apply_after_the_crash(struct generated *generated, struct random *random)
{
    uint64_t account = draw_account(generated, random);
    uint64_t key = generated->next_key++;
    struct history_leg asked = history_leg_of(account, 7, 0);
    (void)history_invoke(&generated->buffers[1], HISTORY_DEPOSIT, key, &asked, 1,
                         generated->end_ns + 1);
    history_crash(&generated->buffers[0], generated->end_ns + 5);
    struct history_leg leg = next_leg(generated, account, 5, 0);
    (void)add_change(generated, HISTORY_DEPOSIT, generated->model.lsn + 1, &leg, 1, 11, 12);
    leg.balance_delta = 7;
    leg.version++;
    leg.balance += 7;
    (void)history_record(&generated->buffers[0], HISTORY_DEPOSIT, generated->model.lsn + 2, key,
                         &leg, 1);
    return account != 0;
}

static bool read_from_the_future(struct generated *generated, struct random *random)
{
    struct place place;
    if (!find(generated, random, false, is_read, &place))
        return false;
    place.operation->invoke_ns = 0;
    place.operation->return_ns = 0;
    return true;
}

static bool read_the_past(struct generated *generated, struct random *random)
{
    uint64_t account = draw_account(generated, random);
    struct history_leg leg = next_leg(generated, account, 5, 0);
    (void)add_change(generated, HISTORY_DEPOSIT, generated->model.lsn + 1, &leg, 1, 1, 2);
    add_read(generated, account, leg.version - 1, 3, 4);
    return account != 0;
}

static bool forget_in_a_crash(struct generated *generated, struct random *random)
{
    uint64_t account = draw_account(generated, random);
    struct history_leg leg = next_leg(generated, account, 5, 0);
    (void)add_change(generated, HISTORY_DEPOSIT, generated->model.lsn + 1, &leg, 1, 1, 2);
    history_crash(&generated->buffers[0], generated->end_ns + 3);
    add_read(generated, account, leg.version - 1, 4, 5);
    return account != 0;
}

static bool see_half_a_transfer(struct generated *generated, struct random *random)
{
    uint64_t from = 0;
    uint64_t to = 0;
    if (!draw_two_accounts(generated, random, &from, &to))
        return false;
    const struct history_leg legs[] = {next_leg(generated, from, -5, 0),
                                       next_leg(generated, to, 5, 0)};
    (void)add_change(generated, HISTORY_POSTING, generated->model.lsn + 1, legs, 2, 1, 20);
    add_read(generated, to, legs[1].version, 3, 4);
    add_read(generated, from, legs[0].version - 1, 5, 6);
    return true;
}

const struct mutation MUTATIONS[] = {
    {"answer before question", HISTORY_RECORDING, answer_before_question},
    {"answer once more", HISTORY_KEY_ANSWERED_TWICE, answer_once_more},
    {"use LSN again", HISTORY_LSN_TWICE, use_lsn_again},
    {"apply key again", HISTORY_KEY_APPLIED_TWICE, apply_key_again},
    {"lose acknowledged", HISTORY_ACKNOWLEDGED_LOST, lose_acknowledged},
    {"refuse what is applied", HISTORY_REFUSED_APPLIED, refuse_what_is_applied},
    {"invent transaction", HISTORY_RECORD_UNEXPLAINED, invent_transaction},
    {"lose leg", HISTORY_LEG_MISSING, lose_leg},
    {"log other amount", HISTORY_RECORD_DIFFERS, log_other_amount},
    {"lose money", HISTORY_MONEY_LOST, lose_money},
    {"use version again", HISTORY_VERSION_TWICE, use_version_again},
    {"skip version", HISTORY_VERSION_GAP, skip_version},
    {"change balance", HISTORY_BALANCE_FOLD, change_balance},
    {"change held", HISTORY_HELD_FOLD, change_held},
    {"ignore expected version", HISTORY_EXPECTED_VERSION, ignore_expected_version},
    {"overdraw", HISTORY_OVERDRAWN, overdraw},
    {"read what is not", HISTORY_OBSERVED_LOST, read_what_is_not},
    {"read other balance", HISTORY_READ_DIFFERS, read_other_balance},
    {"reject the right version", HISTORY_REFUSED_WRONGLY, reject_the_right_version},
    {"void no hold", HISTORY_LINK_BROKEN, void_no_hold},
    {"void hold again", HISTORY_HOLD_RESOLVED_TWICE, void_hold_again},
    {"reverse too much", HISTORY_REVERSED_TOO_MUCH, reverse_too_much},
    {"swap LSNs", HISTORY_LSN_ORDER, swap_lsns},
    {"move change to the end", HISTORY_LSN_REAL_TIME, move_change_to_the_end},
    {"apply after the crash", HISTORY_LSN_REAL_TIME, apply_after_the_crash},
    {"read from the future", HISTORY_READ_FROM_FUTURE, read_from_the_future},
    {"read the past", HISTORY_STALE_READ, read_the_past},
    {"forget in a crash", HISTORY_ACKNOWLEDGED_GONE, forget_in_a_crash},
    {"see half a transfer", HISTORY_CYCLE, see_half_a_transfer},
};
const size_t MUTATIONS_COUNT = sizeof(MUTATIONS) / sizeof(MUTATIONS[0]);
