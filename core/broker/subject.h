/* subject.h - what a subject is: tokens, wildcards, validity, matching.
 *
 * Threads  any; pure. Memory  none. Source  sheet 01, section 6.
 */
#ifndef MIDGE_BROKER_SUBJECT_H
#define MIDGE_BROKER_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SUBJECT_LEN_MAX = 65535 };

/* A subject one may subscribe to: no empty token, no white space, `>` only as the last token. */
bool subject_valid(const uint8_t *s, size_t len);
/* No token is exactly `*` or `>` (says nothing about validity). */
bool subject_literal(const uint8_t *s, size_t len);
/* A subject one may publish to in pedantic mode: valid and literal. */
bool subject_valid_publish(const uint8_t *s, size_t len);
/* Whether the valid pattern covers the literal subject, token by token. */
bool subject_match(const uint8_t *pattern, size_t pattern_len, const uint8_t *s, size_t len);
/* Whether every subject that sub covers is covered by super (both may have wildcards). */
bool subject_subset(const uint8_t *sub, size_t sub_len, const uint8_t *super, size_t super_len);
/* Whether one subject exists that both cover. */
bool subject_overlap(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);
uint32_t subject_n_tokens(const uint8_t *s, size_t len);

#endif
