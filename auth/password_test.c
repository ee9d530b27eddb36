/* password_test.c - secrets compared: known hashes, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/password.h"

/* Made by Debian's libxcrypt; nats-server accepts them for these passwords. */
#define HASH_SECRET "$2b$04$Oy507AkP9e8TZIW7xVvUauNHBlexipUVywgzRs7uocfel3/KDYo5a"
#define HASH_EMPTY  "$2b$04$EX9gIUwsq2WrniSkx57W5OLvgXROl47wQXNnmWChA5M3j29I/gFy6"
#define HASH_72     "$2b$04$.fuIvhN7EUKEPONOiSAnHOsg1sNR1oGGSuvqDemRXDcu8l64BcZju" /* 72 times x */
#define HASH_8BIT   "$2b$04$tPnFAGlut9KqeyRbyVyLSO.xGZQnyCYY0MjWuUMkgn2eNzxU/MFG." /* "p\xc3\xa4ss" */

static bool
is_right(const char *stored, const void *secret, size_t len)
{
    struct password_given given;
    password_give(secret, len, &given);
    return password_bcrypt(stored, &given);
}

static bool
is_right_text(const char *stored, const char *secret)
{
    return is_right(stored, secret, strlen(secret));
}

static void
c7_bcrypt_hashes_of_others_are_understood(void **state)
{
    (void)state;
    assert_true(is_right_text(HASH_SECRET, "secret"));
    assert_false(is_right_text(HASH_SECRET, "secreT"));
    assert_false(is_right_text(HASH_SECRET, ""));
    assert_true(is_right_text(HASH_EMPTY, ""));
    assert_false(is_right_text(HASH_EMPTY, "x"));
    assert_true(is_right_text(HASH_8BIT, "p\xc3\xa4ss"));
}

/* $2a$, $2x$ and $2y$ are the names that other implementations gave to the same hash. */
static void
the_letter_says_nothing(void **state)
{
    char hash[] = HASH_8BIT;
    (void)state;

    for (const char *letter = "abxy"; *letter != '\0'; letter++) {
        hash[2] = *letter;
        assert_true(password_is_bcrypt(hash));
        assert_true(is_right_text(hash, "p\xc3\xa4ss"));
        assert_false(is_right_text(hash, "pass"));
    }
    hash[2] = 'c';
    assert_false(password_is_bcrypt(hash));
    assert_false(is_right_text(hash, "p\xc3\xa4ss"));
}

static void
seventy_two_bytes_count(void **state)
{
    char secret[100];
    (void)state;

    memset(secret, 'x', sizeof(secret));
    assert_true(is_right(HASH_72, secret, 72));
    assert_true(is_right(HASH_72, secret, 100));
    assert_false(is_right(HASH_72, secret, 71));
}

/* C would end the secret there, and take "secret\0anything" for "secret". */
static void
a_nul_in_a_secret_is_right_for_nothing(void **state)
{
    (void)state;
    assert_false(is_right(HASH_SECRET, "secret\0x", 8));
    assert_false(is_right(HASH_SECRET, "secret", 7));
    assert_false(is_right(HASH_EMPTY, "\0", 1));
}

static void
what_only_looks_like_a_hash_is_right_for_nothing(void **state)
{
    static const char *const bad[] = {
        "$2b$04$", "$2b$04$tooshort", HASH_SECRET "x", "$2b$99$Oy507AkP9e8TZIW7xVvUauNHBlexipUVywgzRs7uocfel3/KDYo5a",
        "$2b$04$!!507AkP9e8TZIW7xVvUauNHBlexipUVywgzRs7uocfel3/KDYo5a",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(password_is_bcrypt(bad[i]));
        assert_false(is_right_text(bad[i], "secret"));
    }
    assert_false(password_is_bcrypt("secret"));
    assert_false(password_is_bcrypt("$2b$4$"));
    assert_false(password_is_bcrypt("$2b$"));
    assert_false(password_is_bcrypt("$2$04$"));
    assert_false(password_is_bcrypt(""));
}

static void
keyed_hashes_are_equal_for_equal_secrets_and_keys_only(void **state)
{
    struct password_key k1, k2;
    struct password_hash a, b;
    (void)state;

    password_key_random(&k1);
    password_key_random(&k2);
    password_hash(&k1, "s3cret", 6, &a);
    password_hash(&k1, "s3cret", 6, &b);
    assert_true(password_hash_equal(&a, &b));
    password_hash(&k1, "s3creT", 6, &b);
    assert_false(password_hash_equal(&a, &b));
    password_hash(&k1, "s3cret\0", 7, &b);
    assert_false(password_hash_equal(&a, &b));
    password_hash(&k2, "s3cret", 6, &b);
    assert_false(password_hash_equal(&a, &b));
    password_hash(&k1, "", 0, &b);
    assert_false(password_hash_equal(&a, &b));
}

/* BLAKE2b of 32 bytes with the key 00 01 .. 1f, as Python's hashlib has it too. */
static void
c7_keyed_hashes_are_blake2b(void **state)
{
    static const uint8_t want[PASSWORD_HASH_LEN] = {0xd6, 0x3a, 0x32, 0xd3, 0xe4, 0x47, 0x38, 0xd7, 0x90, 0x7f, 0x96, 0x43, 0x16, 0xc2, 0x41, 0xad,
                                                    0xab, 0xa0, 0xab, 0xfe, 0xab, 0xc3, 0x23, 0x49, 0x67, 0x75, 0x78, 0xa1, 0x5a, 0x20, 0x3f, 0x7f};
    struct password_key key;
    struct password_hash got;
    (void)state;

    for (uint8_t i = 0; i < sizeof(key.k); i++)
        key.k[i] = i;
    password_hash(&key, "abc", 3, &got);
    assert_memory_equal(got.h, want, sizeof(want));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c7_bcrypt_hashes_of_others_are_understood),
        cmocka_unit_test(the_letter_says_nothing),
        cmocka_unit_test(seventy_two_bytes_count),
        cmocka_unit_test(a_nul_in_a_secret_is_right_for_nothing),
        cmocka_unit_test(what_only_looks_like_a_hash_is_right_for_nothing),
        cmocka_unit_test(keyed_hashes_are_equal_for_equal_secrets_and_keys_only),
        cmocka_unit_test(c7_keyed_hashes_are_blake2b),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
