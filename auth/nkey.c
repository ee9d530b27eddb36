#include "auth/nkey.h"

#include <sodium.h>
#include <string.h>

static uint16_t
nkey_crc16(const uint8_t *p, uint32_t len)
{
    uint16_t crc = 0;

    for (uint32_t i = 0; i < len; i++) {
        crc = (uint16_t)(crc ^ (uint16_t)(p[i] << 8));
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

void
nkey_encode(enum nkey_type type, const uint8_t key[NKEY_PUBLIC_LEN], char to[NKEY_TEXT_LEN + 1])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t raw[1 + NKEY_PUBLIC_LEN + 2];
    uint32_t bits = 0, n_bits = 0, n = 0;

    raw[0] = (uint8_t)(type << 3);
    memcpy(raw + 1, key, NKEY_PUBLIC_LEN);
    uint16_t crc = nkey_crc16(raw, 1 + NKEY_PUBLIC_LEN);
    raw[sizeof(raw) - 2] = (uint8_t)(crc & 0xff);
    raw[sizeof(raw) - 1] = (uint8_t)(crc >> 8);
    for (uint32_t i = 0; i < sizeof(raw); i++) {
        bits = (bits << 8 | raw[i]) & 0xfff;
        n_bits += 8;
        while (n_bits >= 5) {
            n_bits -= 5;
            to[n++] = alphabet[(bits >> n_bits) & 31];
        }
    }
    to[n] = '\0'; /* 35 bytes are 56 letters exactly */
}

bool
nkey_check(const char *text, size_t len)
{
    uint8_t raw[1 + NKEY_PUBLIC_LEN + 2];
    uint32_t bits = 0, n_bits = 0, n = 0;

    if (len != NKEY_TEXT_LEN)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7')))
            return false;
        bits = (bits << 5 | (uint32_t)(c <= '7' ? c - '2' + 26 : c - 'A')) & 0xfff;
        n_bits += 5;
        if (n_bits >= 8) {
            n_bits -= 8;
            raw[n++] = (uint8_t)(bits >> n_bits);
        }
    }
    uint16_t crc = nkey_crc16(raw, 1 + NKEY_PUBLIC_LEN);
    return (raw[0] & 7) == 0 && raw[sizeof(raw) - 2] == (crc & 0xff) && raw[sizeof(raw) - 1] == crc >> 8;
}

void
nkey_random(enum nkey_type type, char to[NKEY_TEXT_LEN + 1])
{
    uint8_t public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];

    (void)crypto_sign_keypair(public, secret); /* documented to succeed always */
    if (type == NKEY_CURVE)
        (void)crypto_scalarmult_base(public, secret); /* fails for a NULL only */
    nkey_encode(type, public, to);
    sodium_memzero(secret, sizeof(secret));
}
