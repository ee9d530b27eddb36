/* judge.h - the tiny model: what a history may not hold.
 *
 * p's `seen` is its publisher's PONG or the first message of it anywhere, whichever came first; s's `known` is the subscriber's PONG or
 * its first message. From there on nobody may tell the shards apart from one server without any:
 *
 *   due       s known before p began, p seen before a PING of the subscriber began (and before s's UNSUB did): s has p before that PONG
 *   past      p seen before s began: s never gets it
 *   order     p1 seen before p2 began, or both of one publisher: every connection gets all of p1 before p2
 *   once      s gets p at most once; of a queue group one member does
 *   queue     a member known before p began, and there for good: one member gets p
 *   unsub     nothing after the PONG behind an UNSUB
 *   max       no message beyond the number, from the PONG behind UNSUB on; and all up to it (due)
 *   echo      who wants no echo gets none
 *
 * Left out, because the server promises no more there (docs/architecture.md, "The rule that orders everything"): order, and the
 * PING of `due`, for queue messages while members of the group leave: they may be passed on. And `queue` where a message may have died with the
 * connection it was sent to.
 *
 * Threads  one. Memory  none of its own.
 */
#ifndef MIDGE_TESTS_SIM_JUDGE_H
#define MIDGE_TESTS_SIM_JUDGE_H

#include "tests/sim/history.h"

enum { JUDGE_PUBS_MAX = 2 };

/* Which rule, and whom it concerns; UINT32_MAX: nobody. */
struct verdict {
    const char *rule, *text;
    uint32_t client, sub, pubs[JUDGE_PUBS_MAX];
    uint64_t ping; /* a stamp; H_NEVER: none */
};

/* True: the history is as it must be. Everybody has seen the PONG of a last PING, sent when all publishes were over. */
bool judge(const struct history *h, struct verdict *ret);
/* Subscriptions whose last message (by count) came from a publisher of another shard. */
uint32_t judge_spent_across(const struct history *h);
/* The verdict, and the lines of the history that it is about. */
void judge_print(const struct history *h, const struct verdict *v);

#endif
