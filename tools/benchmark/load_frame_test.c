/* load_frame_test.c - counting by length finds what does not belong. Plain asserts. */
#include "load_frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rt/assert.h"

#define MSG "MSG a 1 12\r\nhello, world\r\n"
enum { MSG_LEN = sizeof(MSG) - 1 };

/* Ten messages, split at every pair of places, checked or skipped: always ten, always in phase. */
static void
every_split_gives_the_same_count(void)
{
    uint8_t stream[10 * MSG_LEN];
    for (size_t i = 0; i < 10; i++)
        memcpy(stream + i * MSG_LEN, MSG, MSG_LEN);
    for (size_t a = 0; a <= sizeof(stream); a++) {
        for (size_t b = a; b <= sizeof(stream); b++) {
            struct frame f;
            size_t       off;
            frame_init(&f, (const uint8_t *)MSG, NULL, MSG_LEN);
            ASSERT(frame_check(&f, stream, a, &off));
            frame_skip(&f, b - a);
            ASSERT(frame_check(&f, stream + b, sizeof(stream) - b, &off));
            ASSERT(frame_msgs(&f) == 10 && f.phase == 0);
            ASSERT(f.n_checked == sizeof(stream) - (b - a));
        }
    }
}

/* A lost, an added or a changed byte is found, at its place. */
static void
a_wrong_byte_is_found(void)
{
    for (size_t bad = 0; bad < MSG_LEN; bad++) {
        uint8_t stream[2 * MSG_LEN];
        memcpy(stream, MSG, MSG_LEN);
        memcpy(stream + MSG_LEN, MSG, MSG_LEN);
        stream[MSG_LEN + bad] ^= 1;
        struct frame f;
        size_t       off = 0;
        frame_init(&f, (const uint8_t *)MSG, NULL, MSG_LEN);
        ASSERT(!frame_check(&f, stream, sizeof(stream), &off));
        ASSERT(off == MSG_LEN + bad);
    }
    struct frame f;
    size_t       off;
    frame_init(&f, (const uint8_t *)MSG, NULL, MSG_LEN);
    frame_skip(&f, MSG_LEN - 1); /* a byte was lost while nobody looked */
    ASSERT(!frame_check(&f, (const uint8_t *)MSG, MSG_LEN, &off));
}

/* Masked bytes may differ, the others may not. */
static void
the_mask_frees_only_its_bytes(void)
{
    uint8_t mask[MSG_LEN];
    memset(mask, 1, sizeof(mask));
    mask[4] = 0; /* the subject */
    uint8_t other[MSG_LEN];
    memcpy(other, MSG, MSG_LEN);
    other[4] = 'z';
    struct frame f;
    size_t       off;
    frame_init(&f, (const uint8_t *)MSG, mask, MSG_LEN);
    ASSERT(frame_check(&f, other, MSG_LEN, &off));
    other[5] = 'z';
    ASSERT(!frame_check(&f, other, MSG_LEN, &off));
    ASSERT(off == 5);
}

/* A PING between two messages, at every cut of the stream into a skipped and two checked parts
 * and a skipped rest: the count is the same, and no PING is taken for a message. */
static void
a_ping_between_messages_is_not_counted(void)
{
    enum { N_BEFORE = 2, N_AFTER = 3, TOTAL = (N_BEFORE + N_AFTER) * MSG_LEN + FRAME_PING_BYTES };
    uint8_t stream[TOTAL];
    size_t  len = 0;
    for (size_t i = 0; i < N_BEFORE + N_AFTER; i++) {
        if (i == N_BEFORE) {
            memcpy(stream + len, "PING\r\n", FRAME_PING_BYTES);
            len += FRAME_PING_BYTES;
        }
        memcpy(stream + len, MSG, MSG_LEN);
        len += MSG_LEN;
    }
    ASSERT(len == TOTAL);
    for (size_t a = 0; a <= TOTAL; a++) {
        for (size_t b = a; b <= TOTAL; b++) {
            for (size_t c = b; c <= TOTAL; c++) {
                struct frame f;
                size_t       off;
                frame_init(&f, (const uint8_t *)MSG, NULL, MSG_LEN);
                frame_skip(&f, a);
                ASSERT(frame_check(&f, stream + a, b - a, &off));
                ASSERT(frame_check(&f, stream + b, c - b, &off));
                frame_skip(&f, TOTAL - c);
                ASSERT(frame_settle(&f));
                ASSERT(frame_msgs(&f) == N_BEFORE + N_AFTER);
                ASSERT(f.n_pings == 1);
            }
        }
    }
}

/* A PING inside a message, too many of them, or a stream that ends inside a message are broken. */
static void
a_ping_in_the_wrong_place_is_found(void)
{
    struct frame f;
    size_t       off;
    uint8_t      stream[MSG_LEN + FRAME_PING_BYTES];
    memcpy(stream, MSG, 10);
    memcpy(stream + 10, "PING\r\n", FRAME_PING_BYTES);
    memcpy(stream + 10 + FRAME_PING_BYTES, &MSG[10], MSG_LEN - 10);
    frame_init(&f, (const uint8_t *)MSG, NULL, MSG_LEN);
    ASSERT(!frame_check(&f, stream, sizeof(stream), &off));
    ASSERT(off == 10);

    frame_init(&f, (const uint8_t *)MSG, NULL, MSG_LEN);
    for (uint32_t i = 0; i < FRAME_PINGS_MAX; i++)
        ASSERT(frame_check(&f, (const uint8_t *)"PING\r\n", FRAME_PING_BYTES, &off));
    ASSERT(!frame_check(&f, (const uint8_t *)"PING\r\n", FRAME_PING_BYTES, &off));

    frame_init(&f, (const uint8_t *)MSG, NULL, MSG_LEN);
    frame_skip(&f, MSG_LEN + 7);
    ASSERT(!frame_settle(&f));
    frame_init(&f, (const uint8_t *)MSG, NULL, MSG_LEN);
    ASSERT(frame_check(&f, (const uint8_t *)MSG, 6, &off)); /* six bytes, but known to be a message's */
    ASSERT(!frame_settle(&f));
}

int
main(void)
{
    every_split_gives_the_same_count();
    a_wrong_byte_is_found();
    the_mask_frees_only_its_bytes();
    a_ping_between_messages_is_not_counted();
    a_ping_in_the_wrong_place_is_found();
    (void)puts("load_frame: 5 passed");
    return EXIT_SUCCESS;
}
