#include "core/rt/slab.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/poison.h"
#include "core/rt/util.h"

enum { SLAB_SYS_PAGE = 4096, SLAB_WORD_BITS = 64, SLAB_CAP_PAGES_MIN = 64 };

/* The bits of a word that stand for nothing because only n things exist. */
static uint64_t
slab_bits_beyond(uint32_t n)
{
    return n >= SLAB_WORD_BITS ? 0 : ~(BIT64(n) - 1);
}

static uint32_t
slab_objs_per_page(const struct slab *s)
{
    return 1u << s->page_shift;
}

static uint32_t
slab_n_words(const struct slab *s)
{
    return (slab_objs_per_page(s) + SLAB_WORD_BITS - 1) / SLAB_WORD_BITS;
}

static uint32_t
slab_n_full_words(const struct slab *s)
{
    return (slab_n_words(s) + SLAB_WORD_BITS - 1) / SLAB_WORD_BITS;
}

static uint64_t *
slab_taken_bits(const struct slab *s, uint32_t p)
{
    return s->meta[p].bits + slab_n_full_words(s);
}

static size_t
slab_page_len(const struct slab *s)
{
    return round_up_u64((uint64_t)s->obj_len << s->page_shift, SLAB_SYS_PAGE);
}

void
slab_init(struct slab *s, uint32_t obj_len, uint32_t n_max)
{
    ASSERT(obj_len >= 8 && obj_len <= SLAB_OBJ_LEN_MAX);
    ASSERT(n_max >= 1 && n_max <= BIT(31));

    memset(s, 0, sizeof *s);
    s->obj_len = obj_len;
    s->n_max = n_max;
    /* A slab of few objects should not take a large page for the first of them. */
    uint64_t target = min_u64(SLAB_PAGE_LEN, max_u64(SLAB_PAGE_LEN_MIN, (uint64_t)obj_len * n_max / 4));
    while ((uint64_t)obj_len << (s->page_shift + 1) <= target)
        s->page_shift++;
    ASSERT(s->page_shift < 31);
}

void
slab_fini(struct slab *s)
{
    for (uint32_t p = 0; p < s->n_pages; p++) {
        poison_clear(s->pages[p], slab_page_len(s));
        ASSERT(munmap(s->pages[p], slab_page_len(s)) == 0);
        free(s->meta[p].bits);
    }
    free(s->pages);
    free(s->meta);
    free(s->full);
    memset(s, 0, sizeof *s);
}

/* Room for one more page in the tables. Each keeps what it got if a later one fails: cap_pages says what all have. */
static bool
slab_grow_tables(struct slab *s)
{
    if (s->n_pages < s->cap_pages)
        return true;
    uint32_t cap = s->cap_pages == 0 ? SLAB_CAP_PAGES_MIN : s->cap_pages * 2;
    s->n_sys++;
    uint8_t **pages = fault_realloc(s->pages, cap * sizeof *pages);
    if (pages == NULL)
        return false;
    s->pages = pages;
    struct slab_page *meta = fault_realloc(s->meta, cap * sizeof *meta);
    if (meta == NULL)
        return false;
    s->meta = meta;
    uint64_t *full = fault_realloc(s->full, cap / SLAB_WORD_BITS * sizeof *full);
    if (full == NULL)
        return false;
    s->full = full;
    memset(full + s->cap_pages / SLAB_WORD_BITS, 0, (cap - s->cap_pages) / SLAB_WORD_BITS * sizeof *full);
    s->cap_pages = cap;
    return true;
}

/* The lowest page with a free object; n_pages: none. */
static uint32_t
slab_find_page(const struct slab *s)
{
    for (uint32_t p = s->page_low; p < s->n_pages; p = (p | (SLAB_WORD_BITS - 1)) + 1) {
        uint64_t free_pages = ~s->full[p / SLAB_WORD_BITS] >> (p % SLAB_WORD_BITS);
        if (free_pages != 0)
            return (uint32_t)min_u64(p + (uint32_t)__builtin_ctzll(free_pages), s->n_pages);
    }
    return s->n_pages;
}

/* Take the lowest free object of page p, which has one. Returns its position in the page. */
static uint32_t
slab_take_in(struct slab *s, uint32_t p)
{
    uint64_t *full = s->meta[p].bits, *taken = slab_taken_bits(s, p);
    uint32_t n_full_words = slab_n_full_words(s);
    for (uint32_t f = 0; f < n_full_words; f++) {
        if (~full[f] == 0)
            continue;
        uint32_t w = f * SLAB_WORD_BITS + (uint32_t)__builtin_ctzll(~full[f]);
        ASSERT(~taken[w] != 0);
        uint32_t bit = (uint32_t)__builtin_ctzll(~taken[w]);
        taken[w] |= BIT64(bit);
        if (~taken[w] == 0)
            full[f] |= BIT64(w % SLAB_WORD_BITS);
        s->meta[p].warm = true;
        if (++s->meta[p].n_used == slab_objs_per_page(s))
            s->full[p / SLAB_WORD_BITS] |= BIT64(p % SLAB_WORD_BITS);
        return w * SLAB_WORD_BITS + bit;
    }
    ASSERT(false); /* a page that is not full has a free object */
    return 0;
}

static bool
slab_add_page(struct slab *s)
{
    if (!slab_grow_tables(s))
        return false;
    uint32_t n_full_words = slab_n_full_words(s), n_words = slab_n_words(s);
    s->n_sys++;
    uint64_t *bits = fault_calloc(n_full_words + n_words, sizeof *bits);
    if (bits == NULL)
        return false;
    uint8_t *page = fault_map(slab_page_len(s));
    if (page == NULL) {
        free(bits);
        return false;
    }
    poison_set(page, slab_page_len(s));
    uint32_t p = s->n_pages++;
    s->pages[p] = page;
    s->meta[p] = (struct slab_page){.bits = bits};
    bits[n_full_words - 1] = slab_bits_beyond(n_words - (n_full_words - 1) * SLAB_WORD_BITS);
    slab_taken_bits(s, p)[n_words - 1] = slab_bits_beyond(slab_objs_per_page(s) - (n_words - 1) * SLAB_WORD_BITS);
    if (p == 0)
        ASSERT(slab_take_in(s, 0) == 0); /* number 0 means none: it stays taken for good, uncounted */
    return true;
}

uint32_t
slab_take(struct slab *s)
{
    ASSERT_SLOW(s->obj_len != 0);
    if (s->n_used == s->n_max)
        return 0;
    uint32_t p;
    while ((p = slab_find_page(s)) == s->n_pages) { /* twice at most: object 0 may fill the first page */
        if (!slab_add_page(s))
            return 0;
    }
    s->page_low = p;
    uint32_t i = p << s->page_shift | slab_take_in(s, p);
    s->n_used++;
    s->n_peaks[0] = s->n_used > s->n_peaks[0] ? s->n_used : s->n_peaks[0];
    void *obj = slab_at(s, i);
    poison_clear(obj, s->obj_len);
    memset(obj, 0, s->obj_len);
    return i;
}

void
slab_give(struct slab *s, uint32_t i)
{
    uint32_t p = i >> s->page_shift, at = i & (slab_objs_per_page(s) - 1), w = at / SLAB_WORD_BITS;
    ASSERT(i != 0 && p < s->n_pages);
    uint64_t *taken = slab_taken_bits(s, p);
    ASSERT((taken[w] & BIT64(at % SLAB_WORD_BITS)) != 0); /* else it is given back twice */

    taken[w] &= ~BIT64(at % SLAB_WORD_BITS);
    s->meta[p].bits[w / SLAB_WORD_BITS] &= ~BIT64(w % SLAB_WORD_BITS);
    s->full[p / SLAB_WORD_BITS] &= ~BIT64(p % SLAB_WORD_BITS);
    s->meta[p].n_used--;
    s->n_used--;
    s->page_low = p < s->page_low ? p : s->page_low;
    poison_set(slab_at(s, i), s->obj_len);
}

uint32_t
slab_next(const struct slab *s, uint32_t i)
{
    uint32_t at = (i & (slab_objs_per_page(s) - 1)) + 1; /* first position to look at */
    for (uint32_t p = i >> s->page_shift; p < s->n_pages; p++, at = 0) {
        if (s->meta[p].n_used == 0)
            continue;
        const uint64_t *taken = slab_taken_bits(s, p);
        for (; at < slab_objs_per_page(s); at = (at | (SLAB_WORD_BITS - 1)) + 1) {
            uint64_t bits = taken[at / SLAB_WORD_BITS] >> (at % SLAB_WORD_BITS);
            if (bits == 0)
                continue;
            at += (uint32_t)__builtin_ctzll(bits);
            if (at < slab_objs_per_page(s))
                return p << s->page_shift | at;
        }
    }
    return 0;
}

/* How many pages, from the first, hold the most objects that were taken at once lately. */
static uint32_t
slab_pages_to_keep(const struct slab *s)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < SLAB_KEEP_CALLS; k++)
        n = s->n_peaks[k] > n ? s->n_peaks[k] : n;
    return n == 0 ? 0 : (n >> s->page_shift) + 1; /* object 0 counts, too */
}

uint64_t
slab_trim(struct slab *s)
{
    uint32_t keep = slab_pages_to_keep(s), n = 0;
    for (uint32_t p = s->n_pages; p > keep && n < SLAB_TRIM_PAGES; p--) {
        struct slab_page *meta = &s->meta[p - 1];
        if (!meta->warm || meta->n_used > (p == 1 ? 1u : 0u))
            continue;
        /* The page stays where it is, so that nothing that was freed can be reached through a stale number
         * except zeroes. MADV_DONTNEED does not fail for a mapping of our own. */
        ASSERT(madvise(s->pages[p - 1], slab_page_len(s), MADV_DONTNEED) == 0);
        s->n_sys++;
        meta->warm = false;
        n++;
    }
    memmove(s->n_peaks + 1, s->n_peaks, sizeof s->n_peaks - sizeof s->n_peaks[0]);
    s->n_peaks[0] = s->n_used;
    return (uint64_t)n * slab_page_len(s);
}

uint64_t
slab_bytes(const struct slab *s)
{
    uint64_t per_bits = (uint64_t)(slab_n_full_words(s) + slab_n_words(s)) * sizeof(uint64_t);
    uint64_t sum = (uint64_t)s->cap_pages * (sizeof *s->pages + sizeof *s->meta) + s->cap_pages / 8;
    for (uint32_t p = 0; p < s->n_pages; p++)
        sum += per_bits + (s->meta[p].warm ? slab_page_len(s) : 0);
    return sum;
}

static void
slab_check_page(const struct slab *s, uint32_t p)
{
    const uint64_t *full = s->meta[p].bits, *taken = slab_taken_bits(s, p);
    uint32_t n_words = slab_n_words(s), n = 0;
    for (uint32_t w = 0; w < n_words; w++) {
        uint64_t real = w + 1 < n_words ? ~UINT64_C(0) : ~slab_bits_beyond(slab_objs_per_page(s) - w * SLAB_WORD_BITS);
        n += (uint32_t)__builtin_popcountll(taken[w] & real);
        ASSERT((taken[w] | real) == ~UINT64_C(0));
        ASSERT(((full[w / SLAB_WORD_BITS] >> (w % SLAB_WORD_BITS)) & 1) == (~taken[w] == 0));
    }
    ASSERT(n == s->meta[p].n_used);
    ASSERT(((s->full[p / SLAB_WORD_BITS] >> (p % SLAB_WORD_BITS)) & 1) == (n == slab_objs_per_page(s)));
    if (n > (p == 0 ? 1u : 0u))
        ASSERT(s->meta[p].warm);
    if (p < s->page_low)
        ASSERT(n == slab_objs_per_page(s));
}

void
slab_check(const struct slab *s)
{
    ASSERT(s->n_pages <= s->cap_pages && s->n_used <= s->n_max);
    uint64_t n = 0;
    for (uint32_t p = 0; p < s->n_pages; p++) {
        slab_check_page(s, p);
        n += s->meta[p].n_used;
    }
    ASSERT(n == s->n_used + (s->n_pages > 0 ? 1u : 0u)); /* object 0 */
}
