#include "proto/stored.h"

#include <string.h>

enum {
    GZIP_HEAD = 10,
    GZIP_TAIL = 8,
    GZIP_BLOCK_HEAD = 5,
    SNAPPY_HEAD = 10,
    SNAPPY_CHUNK_HEAD = 8,
    SNAPPY_STORED = 1,
};

static const uint32_t POLY_IEEE = UINT32_C(0xedb88320), POLY_CASTAGNOLI = UINT32_C(0x82f63b78);

/* Bit by bit: this is for what somebody looks at by hand. */
static uint32_t
stored_crc(uint32_t poly, const uint8_t *p, size_t n)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ poly : crc >> 1;
    }
    return ~crc;
}

/* The low bytes of v, the least first. */
static uint8_t *
stored_put(uint8_t *to, uint32_t v, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++)
        *to++ = (uint8_t)(v >> (8 * i));
    return to;
}

size_t
stored_gzip_len(size_t n)
{
    size_t n_blocks = n == 0 ? 1 : (n + STORED_BLOCK_MAX - 1) / STORED_BLOCK_MAX;

    return GZIP_HEAD + n_blocks * GZIP_BLOCK_HEAD + n + GZIP_TAIL;
}

void
stored_gzip(const uint8_t *p, size_t n, uint8_t *to)
{
    static const uint8_t head[GZIP_HEAD] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};

    memcpy(to, head, sizeof(head));
    to += sizeof(head);
    size_t off = 0;
    do {
        size_t len = n - off < STORED_BLOCK_MAX ? n - off : STORED_BLOCK_MAX;
        to = stored_put(to, off + len == n, 1); /* the last block says so */
        to = stored_put(to, (uint32_t)len, 2);
        to = stored_put(to, ~(uint32_t)len, 2);
        if (len > 0)
            memcpy(to, p + off, len);
        to += len;
        off += len;
    } while (off < n);
    to = stored_put(to, stored_crc(POLY_IEEE, p, n), 4);
    (void)stored_put(to, (uint32_t)n, 4);
}

size_t
stored_snappy_len(size_t n)
{
    return SNAPPY_HEAD + (n + STORED_CHUNK_MAX - 1) / STORED_CHUNK_MAX * SNAPPY_CHUNK_HEAD + n;
}

void
stored_snappy(const uint8_t *p, size_t n, uint8_t *to)
{
    memcpy(to, "\xff\x06\0\0sNaPpY", SNAPPY_HEAD);
    to += SNAPPY_HEAD;
    for (size_t off = 0; off < n;) {
        size_t len = n - off < STORED_CHUNK_MAX ? n - off : STORED_CHUNK_MAX;
        uint32_t crc = stored_crc(POLY_CASTAGNOLI, p + off, len);
        to = stored_put(to, SNAPPY_STORED, 1);
        to = stored_put(to, (uint32_t)len + 4, 3);
        to = stored_put(to, (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8), 4);
        memcpy(to, p + off, len);
        to += len;
        off += len;
    }
}
