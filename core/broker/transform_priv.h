/* transform_priv.h - what the files of transform.h share: a compiled transform. */
#ifndef MIDGE_BROKER_TRANSFORM_PRIV_H
#define MIDGE_BROKER_TRANSFORM_PRIV_H

#include <stdbool.h>

#include "core/broker/transform.h"

enum transform_kind {
    T_TEXT,
    T_REST, /* a last `>`: the rest of the subject */
    T_WILDCARD,
    T_PARTITION,
    T_RANDOM,
    T_SPLIT,
    T_SPLIT_LEFT,
    T_SPLIT_RIGHT,
    T_SLICE_LEFT,
    T_SLICE_RIGHT,
    T_LEFT,
    T_RIGHT,
    T_KIND_N,
};

/* One token of the destination. */
struct transform_op {
    uint8_t kind;
    int32_t num;       /* position, size, buckets, maximum */
    uint32_t off, len; /* in the destination: its text; the arguments while compiling; split's delimiter */
    int64_t token;     /* the number of the token it is made of */
    uint32_t args, n_args; /* partition: those it is made of, in `args` */
};

/* Numbers of tokens: 0 is the subject's first, n the one where the source's n-th `*` stands. */
struct transform {
    uint32_t src_len, dest_len;
    uint32_t n_src;   /* tokens of the source */
    uint32_t n_wild;
    uint32_t n_ops;
    bool rest;      /* the source ends in `>` */
    const char *dest;
    const uint32_t *wild; /* [n_wild] where in the source the `*` are, in tokens */
    struct transform_op *ops;
    int64_t *args;
};

struct transform_view {
    const char *p;
    size_t n;
};

#endif
