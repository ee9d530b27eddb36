/* load_frame.h - counts equal messages in a byte stream without reading them.
 *
 * A subscriber whose subject, sid and size never change receives the same number of bytes for
 * each message. Its stream can then be counted by length alone, and the generator may throw
 * the bytes away unread (frame_skip). Every now and then bytes are kept and compared with the
 * expected message at the expected place (frame_check): a lost byte, a foreign message or a
 * protocol error shows there, and at the end (frame_settle), where the count must come out
 * exactly.
 *
 * Between two messages a server may send PING (nats-server does about two seconds after
 * CONNECT). Seen ones are recognized. Unread ones show as a stream that is six bytes late; the
 * next comparison finds that and corrects the count. Until then the count is at most
 * FRAME_PINGS_MAX times six bytes too high, which is less than a message.
 *
 * Shape    phase is the position inside the current message; bytes / len are whole messages.
 * Threads  one at a time. Pure: no I/O.
 * Memory   the template and its mask are borrowed for the frame's life.
 */
#ifndef MIDGE_LOAD_FRAME_H
#define MIDGE_LOAD_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_PING_BYTES = 6, /* "PING\r\n" */
    FRAME_PINGS_MAX = 4,  /* in one run; more is not what was expected */
    FRAME_LEN_MIN = FRAME_PINGS_MAX * FRAME_PING_BYTES + 1,
};

struct frame {
    const uint8_t *tmpl;      /* one whole message; begins with anything but 'P' */
    const uint8_t *mask;      /* 0 where any byte may stand; NULL = every byte is fixed */
    uint32_t       len;       /* of tmpl and mask */
    uint32_t       phase;     /* < len */
    uint64_t       bytes;     /* of messages, skipped and checked so far */
    uint64_t       n_checked; /* bytes compared so far */
    uint32_t       n_pings;
    uint32_t       n_ping_left; /* bytes of a PING that are still to come */
    bool           skipped;     /* bytes went by unread since the phase was last known for sure */
};

/* What the bytes at hand are. */
enum frame_verdict {
    FRAME_PART, /* (a part of) one message, up to its end at most */
    FRAME_PING, /* (a part of) a PING between messages */
    FRAME_BAD,  /* neither: the stream is broken at this byte */
};

/* len is at least FRAME_LEN_MIN. */
void frame_init(struct frame *f, const uint8_t *tmpl, const uint8_t *mask, uint32_t len);

/* Whole messages so far. */
static inline uint64_t
frame_msgs(const struct frame *f)
{
    return f->bytes / f->len;
}

/* Account for n bytes nobody looked at. */
void frame_skip(struct frame *f, uint64_t n);

/* Account for the bytes up to the end of the message or PING they begin in.
 *   ret   *ret_used of the n bytes were taken (FRAME_BAD: are good). Before the call,
 *         f->phase tells where in the message a FRAME_PART begins, unless bytes were skipped. */
enum frame_verdict frame_step(struct frame *f, const uint8_t *data, size_t n, size_t *ret_used);

/* Account for n bytes and compare all of them.
 *   ret   false: they are not what was expected; *ret_off is where (within data) */
bool frame_check(struct frame *f, const uint8_t *data, size_t n, size_t *ret_off);

/* The stream is at rest: attribute what is left over of unread PINGs.
 *   ret   false: the stream does not consist of whole messages and PINGs */
bool frame_settle(struct frame *f);

#endif
