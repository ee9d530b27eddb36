/* subject.h - what a subject is: tokens, wildcards, validity, matching.
 *
 * A subject is tokens joined by dots. In a pattern the token `*` stands for any one token and a last token `>` for one or more;
 * inside a longer token both are ordinary bytes. Any byte may occur but the protocol's separators (space, tab, CR, LF). (Where the
 * reference validates a subject of its configuration it refuses FF too; from a client it takes it.)
 *
 * Threads  any; pure. Memory  none. All of them are loops over the bytes, linear in the lengths (sheet 05, C12).
 * Source   sheet 01, section 6.
 */
#ifndef MIDGE_BROKER_SUBJECT_H
#define MIDGE_BROKER_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SUBJECT_LEN_MAX = 65535 };

/* A subject one may subscribe to: 1 to SUBJECT_LEN_MAX bytes, no empty token, no separator, `>` only as the last token. */
bool subject_valid(const uint8_t *s, size_t len);
/* No token is exactly `*` or `>` (says nothing about validity). */
bool subject_literal(const uint8_t *s, size_t len);
/* A subject one may publish to in pedantic mode: valid and literal. */
bool subject_valid_publish(const uint8_t *s, size_t len);
/* Whether the valid pattern covers the subject, token by token. The subject is as published: `*` and `>` are ordinary tokens in
 * it, and one with an empty token is covered by nothing. */
bool subject_match(const uint8_t *pattern, size_t pattern_len, const uint8_t *s, size_t len);
/* Whether every subject that the pattern sub covers is covered by the pattern super. Both are valid. */
bool subject_subset(const uint8_t *sub, size_t sub_len, const uint8_t *super, size_t super_len);
/* Whether one subject exists that both valid patterns cover. */
bool subject_overlap(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);
/* Dots plus one; 0 for no bytes at all. */
uint32_t subject_n_tokens(const uint8_t *s, size_t len);
/* Whether a token is empty (also true for no bytes at all). */
bool subject_has_empty_token(const uint8_t *s, size_t len);

#endif
