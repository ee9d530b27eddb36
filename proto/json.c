#include "proto/json.h"

#include <string.h>

#include <sodium.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"
#include "proto/utf8.h"

struct json {
    size_t            size; /* of the allocation, for wiping */
    uint32_t          n_nodes;
    struct json_node *nodes; /* both behind this struct */
    char             *text;
};

/* An array or object that is open. */
struct json_open {
    uint32_t node;
    bool     object;
};

/* One walk over the text. The first (doc NULL) checks and counts; the second, which cannot fail, builds. */
struct json_walk {
    const uint8_t   *p;
    uint32_t         len, off;
    struct json     *doc;
    uint32_t         n_nodes; /* so far */
    size_t           n_text;  /* so far; up to three times len, for wrong bytes become U+FFFD */
    struct json_str  key;     /* of the value to come */
    struct json_open open[JSON_DEPTH_MAX];
    uint32_t         depth;
    const char      *what; /* of a failure */
};

static enum err
json_fail(struct json_walk *w, const char *what)
{
    w->what = what;
    return ERR_SYNTAX;
}

/* The byte at the position; 0, which no grammar rule accepts, at the end. */
static uint8_t
json_peek(const struct json_walk *w)
{
    return w->off < w->len ? w->p[w->off] : 0;
}

static void
json_skip_space(struct json_walk *w)
{
    while (w->off < w->len &&
           (w->p[w->off] == ' ' || w->p[w->off] == '\t' || w->p[w->off] == '\n' || w->p[w->off] == '\r'))
        w->off++;
}

/* ---- strings ------------------------------------------------------------------------------------------------------ */

static void
json_put(struct json_walk *w, const void *p, size_t n)
{
    if (w->doc != NULL)
        memcpy(w->doc->text + w->n_text, p, n);
    w->n_text += n;
}

static void
json_put_rune(struct json_walk *w, uint32_t rune)
{
    uint8_t buf[UTF8_LEN_MAX];
    json_put(w, buf, utf8_encode(rune, buf));
}

/* Text from `from` on becomes a string: terminate it. */
static struct json_str
json_put_end(struct json_walk *w, size_t from)
{
    struct json_str s = {.ptr = w->doc == NULL ? NULL : w->doc->text + from, .len = (uint32_t)(w->n_text - from)};
    json_put(w, "", 1);
    return s;
}

/* Four hexadecimal digits at the position. */
static bool
json_hex4(struct json_walk *w, uint32_t *ret)
{
    uint32_t v = 0;

    if (w->len - w->off < 4)
        return false;
    for (uint32_t i = 0; i < 4; i++) {
        uint8_t c = w->p[w->off + i], low = c | 0x20;
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f')
            v = v << 4 | (uint32_t)(low - 'a' + 10);
        else
            return false;
    }
    w->off += 4;
    *ret = v;
    return true;
}

/* \uXXXX, behind the u. A high surrogate takes the low one behind it along; one alone becomes U+FFFD. */
static bool
json_unicode(struct json_walk *w)
{
    uint32_t rune = 0, low = 0;

    if (!json_hex4(w, &rune))
        return false;
    uint32_t back = w->off;
    if (rune >= 0xD800 && rune < 0xDC00 && w->len - w->off >= 2 && w->p[w->off] == '\\' && w->p[w->off + 1] == 'u') {
        w->off += 2;
        if (!json_hex4(w, &low))
            return false;
        if (low >= 0xDC00 && low < 0xE000)
            rune = 0x10000 + ((rune - 0xD800) << 10) + (low - 0xDC00);
        else
            w->off = back; /* the second escape stands for itself */
    }
    json_put_rune(w, rune);
    return true;
}

/* What stands behind a backslash. */
static bool
json_escape(struct json_walk *w)
{
    char c = (char)json_peek(w);

    w->off++;
    switch (c) {
    case '"':
    case '\\':
    case '/': break;
    case 'b': c = '\b'; break;
    case 'f': c = '\f'; break;
    case 'n': c = '\n'; break;
    case 'r': c = '\r'; break;
    case 't': c = '\t'; break;
    case 'u': return json_unicode(w);
    default: w->off--; return false;
    }
    json_put(w, &c, 1);
    return true;
}

/* A string; the position is on its quote. */
static enum err
json_walk_string(struct json_walk *w, struct json_str *ret)
{
    size_t from = w->n_text;

    for (w->off++; w->off < w->len;) {
        uint8_t c = w->p[w->off];
        if (c == '"') {
            w->off++;
            *ret = json_put_end(w, from);
            return OK;
        }
        if (c < 0x20)
            return json_fail(w, "control character in a string");
        if (c == '\\') {
            w->off++;
            if (!json_escape(w))
                return json_fail(w, "bad escape in a string");
        } else if (c < 0x80) {
            json_put(w, &c, 1);
            w->off++;
        } else {
            uint32_t rune = 0;
            w->off += (uint32_t)utf8_decode(w->p + w->off, w->len - w->off, &rune);
            json_put_rune(w, rune);
        }
    }
    return json_fail(w, "unexpected end");
}

/* ---- numbers and words -------------------------------------------------------------------------------------------- */

static uint32_t
json_skip_digits(struct json_walk *w)
{
    uint32_t from = w->off;

    while (w->off < w->len && w->p[w->off] >= '0' && w->p[w->off] <= '9')
        w->off++;
    return w->off - from;
}

static enum err
json_walk_number(struct json_walk *w, struct json_str *ret)
{
    uint32_t from = w->off;
    size_t   text = w->n_text;

    if (json_peek(w) == '-')
        w->off++;
    if (json_peek(w) == '0')
        w->off++; /* and no digit may follow */
    else if (json_skip_digits(w) == 0)
        return json_fail(w, "bad number");
    if (json_peek(w) == '.') {
        w->off++;
        if (json_skip_digits(w) == 0)
            return json_fail(w, "bad number");
    }
    if ((json_peek(w) | 0x20) == 'e') {
        w->off++;
        if (json_peek(w) == '+' || json_peek(w) == '-')
            w->off++;
        if (json_skip_digits(w) == 0)
            return json_fail(w, "bad number");
    }
    json_put(w, w->p + from, w->off - from);
    *ret = json_put_end(w, text);
    return OK;
}

static enum err
json_walk_word(struct json_walk *w, const char *word)
{
    size_t n = strlen(word);

    if (w->len - w->off < n || memcmp(w->p + w->off, word, n) != 0)
        return json_fail(w, "a value was expected");
    w->off += (uint32_t)n;
    return OK;
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

/* Add a node to the tree, under what is open. */
static struct json_node *
json_add(struct json_walk *w, enum json_type type, const struct json_str *text)
{
    struct json_node *v = NULL;

    if (w->doc != NULL) {
        v = &w->doc->nodes[w->n_nodes];
        *v = (struct json_node){.key = w->key, .text = *text, .skip = 1, .type = (uint8_t)type};
        if (w->depth > 0)
            w->doc->nodes[w->open[w->depth - 1].node].n++;
    }
    w->n_nodes++;
    w->key = (struct json_str){0};
    return v;
}

static void
json_close(struct json_walk *w)
{
    const struct json_open *o = &w->open[--w->depth];

    if (w->doc != NULL)
        w->doc->nodes[o->node].skip = w->n_nodes - o->node;
    w->off++;
}

/* The key of a member and the colon behind it. */
static enum err
json_walk_key(struct json_walk *w)
{
    json_skip_space(w);
    if (json_peek(w) != '"')
        return json_fail(w, "a key was expected");
    enum err e = json_walk_string(w, &w->key);
    if (e != OK)
        return e;
    json_skip_space(w);
    if (json_peek(w) != ':')
        return json_fail(w, "a colon was expected");
    w->off++;
    return OK;
}

/* Open an array or object. *ret_more: a value comes next (it is not empty). */
static enum err
json_walk_open(struct json_walk *w, bool object, bool *ret_more)
{
    struct json_str none = {0};

    if (w->depth == JSON_DEPTH_MAX) {
        w->what = "nested too deeply";
        return ERR_LIMIT;
    }
    uint32_t node = w->n_nodes;
    (void)json_add(w, object ? JSON_OBJECT : JSON_ARRAY, &none); /* found again by its number */
    w->open[w->depth++] = (struct json_open){.node = node, .object = object};
    w->off++;
    json_skip_space(w);
    *ret_more = json_peek(w) != (object ? '}' : ']');
    if (!*ret_more)
        json_close(w);
    return *ret_more && object ? json_walk_key(w) : OK;
}

/* A value, or the opening of one. *ret_more: another value comes before this one is complete. */
static enum err
json_walk_value(struct json_walk *w, bool *ret_more)
{
    struct json_str text = {0};
    enum json_type  type = JSON_NULL;
    enum err        e = OK;

    *ret_more = false;
    json_skip_space(w);
    switch (json_peek(w)) {
    case '{': return json_walk_open(w, true, ret_more);
    case '[': return json_walk_open(w, false, ret_more);
    case '"':
        type = JSON_STRING;
        e = json_walk_string(w, &text);
        break;
    case 't':
        type = JSON_TRUE;
        e = json_walk_word(w, "true");
        break;
    case 'f':
        type = JSON_FALSE;
        e = json_walk_word(w, "false");
        break;
    case 'n': e = json_walk_word(w, "null"); break;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        type = JSON_NUMBER;
        e = json_walk_number(w, &text);
        break;
    default: return json_fail(w, w->off == w->len ? "unexpected end" : "a value was expected");
    }
    if (e == OK)
        (void)json_add(w, type, &text); /* found again by its place */
    return e;
}

/* Behind a value: close what closes. *ret_more: another value comes. */
static enum err
json_walk_behind(struct json_walk *w, bool *ret_more)
{
    *ret_more = false;
    while (w->depth > 0) {
        bool object = w->open[w->depth - 1].object;
        json_skip_space(w);
        uint8_t c = json_peek(w);
        if (c == ',') {
            w->off++;
            *ret_more = true;
            return object ? json_walk_key(w) : OK;
        }
        if (c != (object ? '}' : ']'))
            return json_fail(w, w->off == w->len ? "unexpected end" : "a comma or an end was expected");
        json_close(w);
    }
    return OK;
}

static enum err
json_walk_all(struct json_walk *w)
{
    enum err e = OK;
    bool     more = true;

    while (more) { /* each round takes at least one byte */
        e = json_walk_value(w, &more);
        if (e == OK && !more)
            e = json_walk_behind(w, &more);
        if (e != OK)
            return e;
    }
    json_skip_space(w);
    return w->off == w->len ? OK : json_fail(w, "bytes behind the value");
}

/* ---- documents ---------------------------------------------------------------------------------------------------- */

enum err
json_parse(const uint8_t *text, size_t len, size_t size_max, struct json **ret_doc, struct json_why *ret_why)
{
    ASSERT(size_max <= JSON_SIZE_MAX);

    *ret_why = (struct json_why){.what = "too large"};
    if (len > size_max)
        return ERR_LIMIT;
    struct json_walk w = {.p = text, .len = (uint32_t)len};
    enum err         e = json_walk_all(&w);
    if (e != OK) {
        *ret_why = (struct json_why){.what = w.what, .off = w.off};
        return e;
    }
    size_t       size = sizeof(struct json) + w.n_nodes * sizeof(struct json_node) + w.n_text;
    struct json *doc = fault_malloc(size);
    if (doc == NULL) {
        *ret_why = (struct json_why){.what = "out of memory"};
        return ERR_NOMEM;
    }
    *doc = (struct json){.size = size, .n_nodes = w.n_nodes, .nodes = (struct json_node *)(doc + 1)};
    doc->text = (char *)(doc->nodes + doc->n_nodes);

    struct json_walk build = {.p = text, .len = (uint32_t)len, .doc = doc};
    e = json_walk_all(&build);
    ASSERT(e == OK && build.n_nodes == w.n_nodes && build.n_text == w.n_text);
    *ret_doc = doc;
    return OK;
}

void
json_free(struct json *doc)
{
    if (doc == NULL)
        return;
    sodium_memzero(doc, doc->size);
    free(doc);
}

const struct json_node *
json_root(const struct json *doc)
{
    ASSERT(doc->n_nodes > 0);
    return doc->nodes;
}

bool
json_key_is(const struct json_str *key, const char *name)
{
    size_t i = 0;

    for (; *name != '\0' && i < key->len; name++) {
        const uint8_t *k = (const uint8_t *)key->ptr + i;
        uint8_t        c = k[0];
        size_t         left = key->len - i, n = 1;
        if (c >= 'A' && c <= 'Z')
            c |= 0x20;
        else if (left >= 2 && memcmp(k, "\xC5\xBF", 2) == 0) /* U+017F, long s */
            c = 's', n = 2;
        else if (left >= 3 && memcmp(k, "\xE2\x84\xAA", 3) == 0) /* U+212A, Kelvin sign */
            c = 'k', n = 3;
        if (c != (uint8_t)*name)
            return false;
        i += n;
    }
    return *name == '\0' && i == key->len;
}

const struct json_node *
json_get(const struct json_node *obj, const char *name)
{
    const struct json_node *found = NULL, *c = obj + 1;

    if (obj->type != JSON_OBJECT)
        return NULL;
    for (uint32_t i = 0; i < obj->n; i++, c = json_next(c)) {
        if (json_key_is(&c->key, name) && (found == NULL || c->type != JSON_NULL))
            found = c;
    }
    return found;
}

enum err
json_to_bool(const struct json_node *v, bool *io)
{
    switch (v->type) {
    case JSON_NULL: return OK;
    case JSON_TRUE: *io = true; return OK;
    case JSON_FALSE: *io = false; return OK;
    default: return ERR_INVAL;
    }
}

/* The digits of a whole number of the grammar: [-]digits, nothing else. */
static enum err
json_digits(const struct json_node *v, bool *ret_minus, uint64_t *ret)
{
    const char *p = v->text.ptr;
    uint64_t    n = 0;

    if (v->type != JSON_NUMBER)
        return ERR_INVAL;
    *ret_minus = p[0] == '-';
    for (size_t i = *ret_minus ? 1 : 0; i < v->text.len; i++) {
        if (p[i] < '0' || p[i] > '9')
            return ERR_INVAL; /* a fraction or an exponent */
        if (__builtin_mul_overflow(n, UINT64_C(10), &n) || __builtin_add_overflow(n, (uint64_t)(p[i] - '0'), &n))
            return ERR_RANGE;
    }
    *ret = n;
    return OK;
}

enum err
json_to_i64(const struct json_node *v, int64_t min, int64_t max, int64_t *io)
{
    bool     minus = false;
    uint64_t n = 0;

    if (v->type == JSON_NULL)
        return OK;
    enum err e = json_digits(v, &minus, &n);
    if (e != OK)
        return e;
    if (n > (uint64_t)INT64_MAX + (minus ? 1 : 0))
        return ERR_RANGE;
    int64_t i = minus ? (int64_t)(0 - n) : (int64_t)n;
    if (i < min || i > max)
        return ERR_RANGE;
    *io = i;
    return OK;
}

enum err
json_to_u64(const struct json_node *v, uint64_t max, uint64_t *io)
{
    bool     minus = false;
    uint64_t n = 0;

    if (v->type == JSON_NULL)
        return OK;
    enum err e = json_digits(v, &minus, &n);
    if (e != OK)
        return e;
    if (minus || n > max)
        return ERR_RANGE;
    *io = n;
    return OK;
}

enum err
json_to_str(const struct json_node *v, struct json_str *io)
{
    if (v->type == JSON_NULL)
        return OK;
    if (v->type != JSON_STRING)
        return ERR_INVAL;
    *io = v->text;
    return OK;
}

/* ---- decoding by a table ------------------------------------------------------------------------------------------ */

static enum err
json_to_container(const struct json_node *v, enum json_type type, const struct json_node **io)
{
    if (v->type == JSON_NULL)
        return OK;
    if (v->type != type)
        return ERR_INVAL;
    *io = v;
    return OK;
}

static enum err
json_decode_field(const struct json_node *v, const struct json_field *f, char *base)
{
    union { /* where a value goes that is only checked */
        bool                    b;
        int64_t                 i;
        uint64_t                u;
        struct json_str         s;
        const struct json_node *v;
    } sink;
    void *io = f->off == JSON_NO_OFF ? (void *)&sink : base + f->off;

    ASSERT(f->kind <= JSON_K_ARRAY);
    switch (f->kind) {
    case JSON_K_BOOL: return json_to_bool(v, io);
    case JSON_K_I64: return json_to_i64(v, INT64_MIN, INT64_MAX, io);
    case JSON_K_U64: return json_to_u64(v, UINT64_MAX, io);
    case JSON_K_STR: return json_to_str(v, io);
    case JSON_K_OBJECT: return json_to_container(v, JSON_OBJECT, io);
    case JSON_K_ARRAY: return json_to_container(v, JSON_ARRAY, io);
    }
    return ERR_INVAL; /* not reached */
}

enum err
json_decode(const struct json_node *obj, const struct json_field *fields, size_t n_fields, void *base,
    const struct json_field **ret_bad)
{
    if (ret_bad != NULL)
        *ret_bad = NULL;
    if (obj->type == JSON_NULL)
        return OK;
    if (obj->type != JSON_OBJECT)
        return ERR_INVAL;
    const struct json_node *c = obj + 1;
    for (uint32_t i = 0; i < obj->n; i++, c = json_next(c)) {
        for (size_t f = 0; f < n_fields; f++) {
            if (!json_key_is(&c->key, fields[f].name))
                continue;
            enum err e = json_decode_field(c, &fields[f], base);
            if (e != OK) {
                if (ret_bad != NULL)
                    *ret_bad = &fields[f];
                return e;
            }
            break;
        }
    }
    return OK;
}
