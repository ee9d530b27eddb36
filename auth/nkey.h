/* nkey.h - NATS keys as text: a type letter, the key, a checksum, in base32.
 *
 * So far what a server says about itself: its public identity (N...) and its public encryption key (X...).
 *
 * Threads  any. Memory  the caller's buffers. Source  ADR-14; RFC 4648 (base32 without padding); CRC-16/XMODEM.
 */
#ifndef MIDGE_AUTH_NKEY_H
#define MIDGE_AUTH_NKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nkey_type { NKEY_SERVER = 13, NKEY_CURVE = 23 }; /* the letter's place in base32: N, X */

enum { NKEY_PUBLIC_LEN = 32, NKEY_TEXT_LEN = 56 };

/* The text of a public key, NUL-terminated. */
void nkey_encode(enum nkey_type type, const uint8_t key[NKEY_PUBLIC_LEN], char to[NKEY_TEXT_LEN + 1]);
/* Whether a text is a key of any kind: the length, the letters and the checksum are right. */
bool nkey_check(const char *text, size_t len);
/* A fresh identity: the public key's text. The private half is not kept: nothing signs with it yet. */
void nkey_random(enum nkey_type type, char to[NKEY_TEXT_LEN + 1]);

#endif
