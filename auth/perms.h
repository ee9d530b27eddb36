/* perms.h - what a user may publish and subscribe to, compiled; and what a connection remembers of it.
 *
 *     publish    covered by an allow pattern, and by no deny pattern; else it may be a response (replies.h, the caller's)
 *     subscribe  a subset of one allow pattern, and of no deny pattern; queue patterns see below
 *     deliver    a subscription that only overlaps a deny pattern is accepted, and every message to it is checked
 *
 * Queues. Allow: where patterns with a queue cover the subject, a queue subscription must be of one of these queues; a plain one needs a
 * pattern without. Deny: a pattern without a queue denies all, one with a queue only that queue's members, and wins.
 *
 * What differs from nats-server on purpose: there `allow a.*` admits `SUB a.>`, because the subscription's wildcards are taken as literal
 * tokens. Here it must be a true subset. (Denies are matched as there: `deny a.*` refuses `SUB a.>`.)
 *
 * Shape    struct perms is immutable; struct verdicts is one connection's memory of answers: a direct-mapped table that forgets
 *          what another subject displaces. So nothing a peer sends makes it grow, or costs more than one walk.
 * Threads  perms: any. verdicts: the owning shard.
 * Memory   own: perms_new -> perms_free. verdicts: zeroed memory is an empty one.
 * Source   sheet 03, section 4; sheet 05, A11, A33, A34.
 */
#ifndef MIDGE_AUTH_PERMS_H
#define MIDGE_AUTH_PERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/auth_conf.h"
#include "auth/subjset.h"
#include "core/rt/err.h"

enum { PERMS_DIGEST_LEN = 32 };

struct perms {
    struct subjset *pub_allow, *pub_deny, *sub_allow, *sub_deny; /* NULL: not given */
    bool pub_none;  /* nothing but responses may be published */
    bool responses; /* allow_responses */
    int64_t responses_max;        /* -1: no limit */
    int64_t responses_expire_ns;  /* -1: never */
    uint8_t digest[PERMS_DIGEST_LEN]; /* of all of it: equal digests, equal sets */
};

/* own: *ret, by perms_free. fail: ERR_NOMEM */
enum err perms_new(const struct auth_perms *conf, struct perms **ret);
void perms_free(struct perms *p); /* NULL is fine */
/* Whether two configured sets say the same, in the same order. */
bool perms_conf_equal(const struct auth_perms *a, const struct auth_perms *b);
uint32_t perms_conf_hash(const struct auth_perms *a);
/* The same of two compiled sets; NULL: everything is allowed. */
bool perms_equal(const struct perms *a, const struct perms *b);

/* Whether publishing is checked at all, and subscribing. */
static inline bool
perms_checks_pub(const struct perms *p)
{
    return p->pub_allow != NULL || p->pub_deny != NULL || p->pub_none;
}
static inline bool
perms_checks_sub(const struct perms *p)
{
    return p->sub_allow != NULL || p->sub_deny != NULL;
}

/* The whole answers, without any memory of earlier ones. */
bool perms_pub(const struct perms *p, const uint8_t *subject, size_t len);
/* *ret_filter: allowed, but its messages have to be checked (written only then). queue_len 0: plain */
bool perms_sub(const struct perms *p, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len, bool *ret_filter);
/* Whether a message on this subject may go to a subscription of this queue that perms_sub allowed. */
bool perms_deliver(const struct perms *p, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len);

/* ---- remembering ---- */

enum { VERDICTS_N = 32, VERDICT_KEY_MAX = 57 };

/* 64 bytes: one cache line. */
struct verdict {
    uint32_t hash;
    uint8_t subject_len, queue_len; /* subject_len 0: empty */
    bool allowed;
    uint8_t bytes[VERDICT_KEY_MAX]; /* subject, queue */
};
_Static_assert(sizeof(struct verdict) == 64, "one cache line");
struct verdicts {
    struct verdict at[VERDICTS_N];
    uint64_t *walks; /* counts (counters.h) the checks of which no answer was remembered; NULL: nobody wants to know */
};

/* Whether this is the answer for the subject (and no queue). */
static inline bool
verdict_is(const struct verdict *v, const uint8_t *subject, size_t len)
{
    if (v->subject_len != len || v->queue_len != 0)
        return false;
    return bytes_equal(v->bytes, subject, len);
}

/* perms_pub and perms_deliver, through the memory. v NULL: without. *ret_at: where the answer is remembered now, if it is (written only then). */
bool perms_pub_known(const struct perms *p, struct verdicts *v, const uint8_t *subject, size_t len, const struct verdict **ret_at);
bool perms_deliver_known(const struct perms *p, struct verdicts *v, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len);

#endif
