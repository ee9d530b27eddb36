/* load_frame.c - see load_frame.h. */
#include "load_frame.h"

#include <string.h>

#include "core/rt/assert.h"

static const uint8_t frame_ping[FRAME_PING_BYTES] = {'P', 'I', 'N', 'G', '\r', '\n'};

void
frame_init(struct frame *f, const uint8_t *tmpl, const uint8_t *mask, uint32_t len)
{
    ASSERT(tmpl != NULL);
    ASSERT(len >= FRAME_LEN_MIN);
    ASSERT(tmpl[0] != 'P' && (mask == NULL || mask[0] != 0)); /* a PING shows in its first byte */
    *f = (struct frame){.tmpl = tmpl, .mask = mask, .len = len};
}

static void
frame_set_bytes(struct frame *f, uint64_t bytes)
{
    f->bytes = bytes;
    f->phase = (uint32_t)(bytes % f->len);
}

void
frame_skip(struct frame *f, uint64_t n)
{
    uint64_t ping = f->n_ping_left < n ? f->n_ping_left : n;
    f->n_ping_left -= (uint32_t)ping;
    frame_set_bytes(f, f->bytes + n - ping);
    f->skipped = f->skipped || n > ping;
}

/* Compare a run from phase on that stays inside a message: the first difference, or n. */
static size_t
frame_differ(const struct frame *f, uint32_t phase, const uint8_t *data, size_t n)
{
    const uint8_t *want = f->tmpl + phase;
    if (f->mask == NULL && memcmp(data, want, n) == 0)
        return n;
    const uint8_t *mask = f->mask == NULL ? NULL : f->mask + phase;
    for (size_t i = 0; i < n; i++) {
        if (data[i] != want[i] && (mask == NULL || mask[i] != 0))
            return i;
    }
    return n;
}

/* A PING begins here, or what is left of one that began among the skipped bytes. */
static bool
frame_ping_begins(struct frame *f, const uint8_t *data, size_t n)
{
    for (uint32_t gone = 0; gone < FRAME_PING_BYTES; gone++) {
        size_t left = FRAME_PING_BYTES - gone;
        if (left > n)
            left = n;
        if ((gone > 0 && !f->skipped) || f->phase != gone || memcmp(data, frame_ping + gone, left) != 0)
            continue;
        frame_set_bytes(f, f->bytes - gone);
        f->n_ping_left = FRAME_PING_BYTES - gone;
        f->n_pings++;
        return true;
    }
    return false;
}

/* Whole PINGs are among the skipped bytes, and these bytes fit if they are taken off. */
static bool
frame_resync(struct frame *f, const uint8_t *data, size_t n)
{
    for (uint32_t k = 1; f->skipped && f->n_pings + k <= FRAME_PINGS_MAX; k++) {
        if (f->bytes < (uint64_t)k * FRAME_PING_BYTES)
            return false;
        uint32_t phase = (uint32_t)((f->bytes - k * FRAME_PING_BYTES) % f->len);
        size_t   run = f->len - phase < n ? f->len - phase : n;
        if (frame_differ(f, phase, data, run) < run)
            continue;
        frame_set_bytes(f, f->bytes - k * FRAME_PING_BYTES);
        f->n_pings += k;
        f->skipped = false;
        return true;
    }
    return false;
}

enum frame_verdict
frame_step(struct frame *f, const uint8_t *data, size_t n, size_t *ret_used)
{
    ASSERT(n > 0);
    *ret_used = 0;
    size_t run = f->len - f->phase < n ? f->len - f->phase : n;
    if (f->n_ping_left == 0) {
        size_t same = frame_differ(f, f->phase, data, run);
        if (same == run) {
            frame_set_bytes(f, f->bytes + run);
            f->n_checked += run;
            *ret_used = run;
            return FRAME_PART;
        }
        if (!frame_ping_begins(f, data, n)) {
            if (frame_resync(f, data, n))
                return frame_step(f, data, n, ret_used); /* once: it fits now */
            *ret_used = same;
            return FRAME_BAD;
        }
    }
    run = f->n_ping_left < n ? f->n_ping_left : n;
    if (f->n_pings > FRAME_PINGS_MAX || memcmp(data, frame_ping + FRAME_PING_BYTES - f->n_ping_left, run) != 0)
        return FRAME_BAD;
    f->n_ping_left -= (uint32_t)run;
    *ret_used = run;
    return FRAME_PING;
}

bool
frame_check(struct frame *f, const uint8_t *data, size_t n, size_t *ret_off)
{
    size_t used = 0;
    for (size_t off = 0; off < n; off += used) {
        if (frame_step(f, data + off, n - off, &used) == FRAME_BAD) {
            *ret_off = off + used;
            return false;
        }
    }
    return true;
}

bool
frame_settle(struct frame *f)
{
    uint32_t n_pings = f->phase / FRAME_PING_BYTES;
    if (f->n_ping_left != 0 || f->phase % FRAME_PING_BYTES != 0 || f->n_pings + n_pings > FRAME_PINGS_MAX ||
        (n_pings > 0 && !f->skipped))
        return false;
    frame_set_bytes(f, f->bytes - f->phase);
    f->n_pings += n_pings;
    return true;
}
