/* nkey_test.c - keys as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/nkey.h"

/* The text begins with the letter of its type, has 56 letters of base32, and its checksum (CRC-16/XMODEM over type and key,
 * little end first) stands at the end: for the key of all zeroes this was worked out by hand from the definition. */
static void
text_has_letter_length_and_checksum(void **state)
{
    (void)state;
    uint8_t zero[NKEY_PUBLIC_LEN] = {0};
    char text[NKEY_TEXT_LEN + 1];

    nkey_encode(NKEY_SERVER, zero, text);
    assert_int_equal(strlen(text), NKEY_TEXT_LEN);
    assert_int_equal(text[0], 'N');
    assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), NKEY_TEXT_LEN);
    nkey_encode(NKEY_CURVE, zero, text);
    assert_int_equal(text[0], 'X');
}

/* One bit of the key changes the checksum, so a mistyped key does not pass. */
static void
checksum_depends_on_every_bit(void **state)
{
    (void)state;
    uint8_t key[NKEY_PUBLIC_LEN] = {0};
    char a[NKEY_TEXT_LEN + 1], b[NKEY_TEXT_LEN + 1];

    nkey_encode(NKEY_SERVER, key, a);
    for (unsigned bit = 0; bit < 8 * NKEY_PUBLIC_LEN; bit++) {
        key[bit / 8] = (uint8_t)(1u << bit % 8);
        nkey_encode(NKEY_SERVER, key, b);
        assert_string_not_equal(a + NKEY_TEXT_LEN - 4, b + NKEY_TEXT_LEN - 4);
        key[bit / 8] = 0;
    }
}

/* Two fresh identities differ. */
static void
fresh_identities_differ(void **state)
{
    (void)state;
    char a[NKEY_TEXT_LEN + 1], b[NKEY_TEXT_LEN + 1];
    nkey_random(NKEY_SERVER, a);
    nkey_random(NKEY_SERVER, b);
    assert_string_not_equal(a, b);
    nkey_random(NKEY_CURVE, b);
    assert_int_equal(b[0], 'X');
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_has_letter_length_and_checksum),
        cmocka_unit_test(checksum_depends_on_every_bit),
        cmocka_unit_test(fresh_identities_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
