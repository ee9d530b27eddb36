/* Tests of stored.h: against bytes that gzip and a snappy library made, and read back by hand. */
#include "proto/stored.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/util.h"

/* gzip.compress(b"123456789", 0, mtime=0) but for the byte of the system; its sum is the check value of CRC-32. */
static void
gzip_is_what_gzip_makes_without_compressing(void **state)
{
    static const uint8_t want[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1, 9, 0, 0xf6, 0xff, '1', '2', '3', '4', '5', '6', '7', '8', '9',
                                   0x26, 0x39, 0xf4, 0xcb, 9, 0, 0, 0};
    uint8_t got[sizeof(want)];
    (void)state;

    assert_int_equal(stored_gzip_len(9), sizeof(want));
    stored_gzip((const uint8_t *)"123456789", 9, got);
    assert_memory_equal(got, want, sizeof(want));
}

/* The sum is the check value of CRC-32C, 0xe3069283, masked: 0xc78cc37c... rotated right by 15, plus 0xa282ead8. */
static void
snappy_is_one_stored_chunk(void **state)
{
    uint32_t crc = UINT32_C(0xe3069283), masked = (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
    uint8_t want[27] = "\xff\x06\0\0sNaPpY\x01\x0d\0\0....123456789", got[27];
    (void)state;

    for (int i = 0; i < 4; i++)
        want[14 + i] = (uint8_t)(masked >> (8 * i));
    assert_int_equal(stored_snappy_len(9), 27);
    stored_snappy((const uint8_t *)"123456789", 9, got);
    assert_memory_equal(got, want, 27);
}

static uint32_t
little(const uint8_t *p, int n)
{
    uint32_t v = 0;
    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

/* Around the length of a block: every byte is there, and the last block says so. */
static void
long_ones_are_cut_into_blocks(void **state)
{
    static const size_t lens[] = {0, 1, 65535, 65536, 65537, 131070, 131071, 131072, 131073, 200000};
    (void)state;

    for (size_t k = 0; k < N_ELEMS(lens); k++) {
        size_t n = lens[k], at, off;
        uint8_t *p = malloc(n + 1), *z = malloc(stored_gzip_len(n)), *s = malloc(stored_snappy_len(n));
        assert_true(p != NULL && z != NULL && s != NULL);
        for (size_t i = 0; i < n; i++)
            p[i] = (uint8_t)(i * 7 + i / 251);
        stored_gzip(p, n, z);
        bool last = false;
        for (at = 10, off = 0; !last; off += little(z + at + 1, 2), at += 5 + little(z + at + 1, 2)) {
            size_t len = little(z + at + 1, 2);
            last = z[at] == 1;
            assert_true(last || z[at] == 0);
            assert_int_equal(len ^ little(z + at + 3, 2), 0xffff);
            assert_memory_equal(z + at + 5, p + off, len);
            if (last)
                assert_int_equal(off + len, n);
        }
        assert_int_equal(at + 8, stored_gzip_len(n));
        assert_int_equal(little(z + at + 4, 4), n);
        stored_snappy(p, n, s);
        for (at = 10, off = 0; at < stored_snappy_len(n);) {
            size_t len = little(s + at + 1, 3) - 4;
            assert_int_equal(s[at], 1);
            assert_in_range(len, 1, 65536);
            assert_memory_equal(s + at + 8, p + off, len);
            at += 8 + len;
            off += len;
        }
        assert_int_equal(off, n);
        free(p);
        free(z);
        free(s);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip_is_what_gzip_makes_without_compressing),
        cmocka_unit_test(snappy_is_one_stored_chunk),
        cmocka_unit_test(long_ones_are_cut_into_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
