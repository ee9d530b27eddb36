/* Fuzz entry for interest.h and sidmap.h: the input is a list of calls on two shards, compared with an array (interest_world.h).
 *
 *     call    one byte: what to do (its lowest 2 bits), account, shard, queue
 *     subject tokens of a byte each: a letter, `*`, `>`, an empty one; a byte of 0x80 and more ends the subject
 */
#include <stddef.h>
#include <stdint.h>

#include "core/broker/interest_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { FUZZ_CALLS_MAX = 400 };

static uint32_t
fuzz_subject(const uint8_t **p, const uint8_t *end, uint8_t *ret)
{
    static const char *const tokens[] = {"a", "b", "*", ">", "", "eightlen", "nine-long", "c"};
    uint32_t len = 0;
    while (*p < end) {
        uint8_t byte = *(*p)++;
        const char *t = tokens[byte & 7];
        if (len > 0)
            ret[len++] = '.';
        memcpy(ret + len, t, strlen(t));
        len += (uint32_t)strlen(t);
        if (byte >= 0x80 || len > WORLD_SUBJECT_MAX - 16)
            break;
    }
    return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct world w;
    static uint8_t subject[WORLD_SUBJECT_MAX];
    const uint8_t *p = data, *end = data + len;
    world_init(&w, 2, 8);
    for (int n = 0; p < end && n < FUZZ_CALLS_MAX; n++) {
        uint8_t call = *p++;
        uint32_t acc = (call >> 2 & 1) * 64, shard = call >> 3 & 1, queue = call >> 4 & 3;
        if ((call & 3) == 0) {
            if (w.n_subs > 0)
                world_remove(&w, call % w.n_subs);
            continue;
        }
        uint32_t subject_len = fuzz_subject(&p, end, subject);
        if ((call & 3) != 1)
            world_match(&w, shard, acc, subject, subject_len, call >> 4);
        else if (subject_valid(subject, subject_len))
            world_add(&w, shard, acc, subject, subject_len, (const uint8_t *)"xyz", queue);
    }
    world_check(&w);
    world_compare_subs(&w);
    while (w.n_subs > 0)
        world_remove(&w, 0);
    world_check(&w);
    world_fini(&w);
    return 0;
}
