/* mutator.h - damages a good history in one place, in a way that breaks a known rule.
 *
 * For histories that were generated with records.
 */
#ifndef TESTS_HISTORIES_MUTATOR_H
#define TESTS_HISTORIES_MUTATOR_H

#include "histories/checker.h"
#include "histories/generator.h"
#include "simulation/random.h"

struct mutation {
    const char *name;
    enum history_rule rule; /* that is broken, and no other */
    /* false: the history has no place for it, and is to be thrown away. */
    bool (*apply)(struct generated *generated, struct random *random);
};

extern const struct mutation MUTATIONS[];
extern const size_t MUTATIONS_COUNT;

#endif
