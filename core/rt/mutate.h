/* mutate.h - planted bugs, to prove that the simulation finds such bugs.
 *
 * MUTANT(set, M) is false at compile time, except in the simulation's own build of these sources (MIDGE_MUTATE).
 *
 * Threads  any. Source  design/architecture.md, "One rule that orders everything": the five mutations.
 */
#ifndef MIDGE_RT_MUTATE_H
#define MIDGE_RT_MUTATE_H

#include "core/rt/util.h"

enum mutation {
    MUTATE_TAIL_PER_MBOX = BIT(0),   /* batches are visible as they are sealed, not by one store */
    MUTATE_NO_MERGE = BIT(1),        /* drained mailbox by mailbox instead of by stamp */
    MUTATE_TAKE_AFTER_DRAIN = BIT(2), /* bytes taken after the drain (the simulation's scheduler does it) */
    MUTATE_NO_NOW_BOUND = BIT(3),    /* batches newer than now are taken */
    MUTATE_SEND_FIRST = BIT(4),      /* flush before publish (the simulation's scheduler does it) */
    MUTATE_OVERTAKE = BIT(5),        /* what follows a publish that waits for room is handled all the same */
    MUTATE_NO_PASS_ON = BIT(6),      /* a queue message whose members have gone is dropped */
    MUTATE_PARTIAL = BIT(7),         /* delivered where there is room at once, elsewhere later: twice */
};

#ifdef MIDGE_MUTATE
#define MUTANT(set, m) (((set)->mutations & (uint32_t)(m)) != 0)
#else
#define MUTANT(set, m) ((void)(set), 0)
#endif

#endif
