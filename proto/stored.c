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

/* What four bits make of a sum: of the polynomials 0xedb88320 and, Castagnoli's, 0x82f63b78. */
static const uint32_t crc_ieee[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};
static const uint32_t crc_castagnoli[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static uint32_t
stored_crc(const uint32_t table[16], const uint8_t *p, size_t n)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
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
    to = stored_put(to, stored_crc(crc_ieee, p, n), 4);
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
        uint32_t crc = stored_crc(crc_castagnoli, p + off, len);
        to = stored_put(to, SNAPPY_STORED, 1);
        to = stored_put(to, (uint32_t)len + 4, 3);
        to = stored_put(to, (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8), 4);
        memcpy(to, p + off, len);
        to += len;
        off += len;
    }
}
