#include "proto/conf_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "core/rt/assert.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"
#include "proto/conf_priv.h"
#include "proto/utf8.h"

/* ---- a world ------------------------------------------------------------------------------------------------------ */

bool
conf_check_add(struct conf_check_world *w, bool file, const char *name, const char *bytes, size_t len)
{
    if (w->n == CONF_CHECK_TEXTS_MAX)
        return false;
    char *copy = malloc(len + 1);
    ASSERT(copy != NULL);
    memcpy(copy, bytes, len);
    copy[len] = '\0';
    w->texts[w->n].name = strdup(name);
    w->texts[w->n].bytes = copy;
    w->texts[w->n].len = len;
    w->texts[w->n++].file = file;
    return true;
}

static enum err
conf_check_read(void *arg, const char *path, char **ret_bytes, size_t *ret_len, const char **ret_why)
{
    const struct conf_check_world *w = arg;

    for (uint32_t i = 0; i < w->n; i++) {
        if (!w->texts[i].file || strcmp(w->texts[i].name, path) != 0)
            continue;
        *ret_len = w->texts[i].len;
        *ret_bytes = malloc(*ret_len + (*ret_len == 0)); /* of its length: a read behind it is seen */
        ASSERT(*ret_bytes != NULL);
        memcpy(*ret_bytes, w->texts[i].bytes, *ret_len);
        return OK;
    }
    *ret_why = "no such file or directory";
    return ERR_NOENT;
}

static const char *
conf_check_getenv(void *arg, const char *name)
{
    const struct conf_check_world *w = arg;

    for (uint32_t i = 0; i < w->n; i++) {
        if (!w->texts[i].file && strcmp(w->texts[i].name, name) == 0)
            return w->texts[i].bytes;
    }
    return NULL;
}

struct conf_env
conf_check_env(struct conf_check_world *w)
{
    return (struct conf_env){.arg = w, .read = conf_check_read, .getenv = conf_check_getenv};
}

void
conf_check_fini(struct conf_check_world *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        sodium_memzero(w->texts[i].bytes, w->texts[i].len); /* what is looked for later must not be ours */
        free(w->texts[i].name);
        free(w->texts[i].bytes);
    }
    w->n = 0;
}

/* ---- a tree ------------------------------------------------------------------------------------------------------- */

static void
conf_check_str(struct conf_str s)
{
    ASSERT(s.bytes != NULL && s.bytes[s.len] == '\0');
}

static void
conf_check_keys(const struct conf_value *map)
{
    uint32_t n = map->list.n;

    ASSERT((map->list.index != NULL) == (n >= CONF_INDEX_MIN));
    for (uint32_t i = 0; i < n; i++) {
        const struct conf_value *last = NULL;
        struct conf_str          key = map->list.items[i].key;
        for (uint32_t j = 0; j < n; j++) {
            struct conf_str other = map->list.items[j].key;
            if (conf_fold_equal(other, key))
                last = &map->list.items[j];
            ASSERT(i == j || other.len != key.len || memcmp(other.bytes, key.bytes, key.len) != 0);
        }
        if (strlen(key.bytes) == key.len)
            ASSERT(conf_get(map, key.bytes) == last);
    }
}

static void
conf_check_value(const struct conf_value *v, uint32_t depth)
{
    conf_check_str(v->key);
    ASSERT(depth <= CONF_DEPTH_MAX);
    ASSERT(v->pos.line >= 1 && v->pos.file != NULL);
    if (v->type == CONF_STR)
        conf_check_str(v->str);
    if (v->type != CONF_MAP && v->type != CONF_ARRAY)
        return;
    ASSERT(v->list.depth <= CONF_DEPTH_MAX - depth + 1 && v->list.size <= CONF_BYTES_MAX);
    if (v->type == CONF_MAP)
        conf_check_keys(v);
    for (uint32_t i = 0; i < v->list.n; i++) {
        ASSERT(v->type == CONF_MAP || v->list.items[i].key.len == 0);
        conf_check_value(&v->list.items[i], depth + 1);
    }
}

void
conf_check_doc(struct conf_doc *d)
{
    const struct conf_value *top = conf_doc_top(d);

    ASSERT(top->type == CONF_MAP);
    conf_check_keys(top);
    for (uint32_t i = 0; i < top->list.n; i++)
        conf_check_value(&top->list.items[i], 1);
}

static bool
conf_check_same_str(struct conf_str a, struct conf_str b)
{
    return a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0;
}

bool
conf_check_same(const struct conf_value *a, const struct conf_value *b)
{
    if (a->type != b->type || !conf_check_same_str(a->key, b->key))
        return false;
    switch (a->type) {
    case CONF_STR: return conf_check_same_str(a->str, b->str);
    case CONF_INT:
    case CONF_TIME: return a->i == b->i;
    case CONF_FLOAT: return memcmp(&a->f, &b->f, sizeof(a->f)) == 0;
    case CONF_BOOL: return a->b == b->b;
    case CONF_MAP:
    case CONF_ARRAY: break;
    }
    bool same = a->list.n == b->list.n;
    for (uint32_t i = 0; same && i < a->list.n; i++)
        same = conf_check_same(&a->list.items[i], &b->list.items[i]);
    return same;
}

/* ---- writing: choices --------------------------------------------------------------------------------------------- */

struct conf_check_writer {
    FILE                    *out;
    struct rng              *rng;   /* NULL: always the same spelling */
    struct conf_check_world *world; /* where values and entries may go instead; NULL: nowhere */
    bool                     variable; /* this is the text of a variable: it includes no files */
    const struct conf_value *top;      /* all of what is written */
};

static bool
conf_check_may(const struct conf_check_writer *w, unsigned percent)
{
    return w->rng != NULL && rng_below(w->rng, 100) < percent;
}

/* One of several words, separated by `|`; the first one if always the same is wanted. */
static void
conf_check_pick(const struct conf_check_writer *w, const char *words)
{
    uint64_t n = 1, at = 0;

    for (const char *p = words; *p != '\0'; p++)
        n += *p == '|';
    at = w->rng == NULL ? 0 : rng_below(w->rng, n);
    for (const char *p = words; *p != '\0'; p++) {
        if (*p == '|')
            at--;
        else if (at == 0)
            fputc(*p, w->out);
        if (at > n)
            return;
    }
}

/* A word in random case. */
static void
conf_check_case(const struct conf_check_writer *w, const char *word)
{
    for (; *word != '\0'; word++) {
        bool letter = (*word | 0x20) >= 'a' && (*word | 0x20) <= 'z';
        fputc(letter && conf_check_may(w, 30) ? *word ^ 0x20 : *word, w->out);
    }
}

/* ---- writing: keys ------------------------------------------------------------------------------------------------ */

static bool
conf_check_has_space(struct conf_str s)
{
    uint32_t rune = 0;

    for (size_t at = 0; at < s.len;) {
        at += utf8_decode((const uint8_t *)s.bytes + at, s.len - at, &rune);
        if (conf_is_space(rune))
            return true;
    }
    return false;
}

/* None of the bytes of set, and no NUL, is in s. */
static bool
conf_check_free_of(struct conf_str s, const char *set)
{
    for (uint32_t i = 0; i < s.len; i++) {
        if (strchr(set, s.bytes[i]) != NULL) /* finds the NUL, too */
            return false;
    }
    return true;
}

static bool
conf_check_key_bare(struct conf_str key)
{
    return key.len > 0 && !conf_check_has_space(key) && conf_check_free_of(key, "=:{}[]\"'#/,;") && !conf_fold_equal(key, conf_str_c("include"));
}

static void
conf_check_key(struct conf_check_writer *w, struct conf_str key)
{
    bool bare = conf_check_key_bare(key), dquote = conf_check_free_of(key, "\""), squote = conf_check_free_of(key, "'");

    const char *quote = dquote ? "\"" : "'";
    ASSERT(bare || dquote || squote);
    if (bare && (conf_check_may(w, 70) || !(dquote || squote)))
        quote = "";
    else if (dquote && squote && conf_check_may(w, 50))
        quote = "'";
    fputs(quote, w->out);
    fwrite(key.bytes, 1, key.len, w->out);
    fputs(quote, w->out);
}

bool
conf_check_writable(const struct conf_value *v)
{
    bool key = conf_check_key_bare(v->key) || conf_check_free_of(v->key, "\"") || conf_check_free_of(v->key, "'");

    if (v->type != CONF_MAP && v->type != CONF_ARRAY)
        return key;
    for (uint32_t i = 0; key && i < v->list.n; i++)
        key = conf_check_writable(&v->list.items[i]);
    return key;
}

/* ---- writing: scalars --------------------------------------------------------------------------------------------- */

static void
conf_check_escaped(struct conf_check_writer *w, struct conf_str s, bool bare)
{
    for (uint32_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.bytes[i];
        bool    special = c < 0x20 || c == '\\' || c == '"' || (bare && strchr(" ;,]}'", c) != NULL);
        if ((!special && !conf_check_may(w, 5)) || (c == '\n' && !bare && conf_check_may(w, 30)))
            fputc(c, w->out);
        else if (strchr("\t\n\r\"\\", c) != NULL && c != 0 && conf_check_may(w, 60))
            fprintf(w->out, "\\%c", c == '\t' ? 't' : c == '\n' ? 'n' : c == '\r' ? 'r' : c);
        else
            fprintf(w->out, conf_check_may(w, 50) ? "\\x%02X" : "\\x%02x", c);
    }
}

static bool
conf_check_is_word(struct conf_str s)
{
    bool truth = false;

    return s.len > 0 && conf_check_free_of(s, "\n\r\t ;,]}'\\") && strchr("\"([{$.-0123456789#/=:", s.bytes[0]) == NULL &&
           !conf_check_has_space(s) && !conf_is_truth(s, &truth);
}

/* Can it be a block: does it end in a newline, and nowhere before that in what would end it? */
static bool
conf_check_is_block(struct conf_str s)
{
    for (uint32_t i = 0; i < s.len; i++) {
        if (s.bytes[i] == '\0' || (i >= 2 && memcmp(s.bytes + i - 2, "\n)\n", 3) == 0))
            return false;
    }
    return s.len > 0 && s.bytes[s.len - 1] == '\n';
}

/* *ret_line: only a line end may follow. */
static void
conf_check_string(struct conf_check_writer *w, struct conf_str s, bool *ret_line)
{
    *ret_line = conf_check_is_block(s) && conf_check_may(w, 50);
    if (*ret_line) {
        fputc('(', w->out);
        fwrite(s.bytes, 1, s.len, w->out);
        fputc(')', w->out);
    } else if (conf_check_is_word(s) && conf_check_may(w, 60)) {
        fwrite(s.bytes, 1, s.len, w->out);
    } else if (conf_check_free_of(s, "'") && conf_check_may(w, 50)) {
        fputc('\'', w->out);
        fwrite(s.bytes, 1, s.len, w->out);
        fputc('\'', w->out);
    } else if (s.len > 0 && (s.bytes[0] | 0x20) >= 'a' && (s.bytes[0] | 0x20) <= 'z' && conf_check_may(w, 30)) {
        fprintf(w->out, "\\x%02x", (uint8_t)s.bytes[0]); /* an escape makes a string of what is a word for true, too */
        conf_check_escaped(w, (struct conf_str){.bytes = s.bytes + 1, .len = s.len - 1}, true);
    } else {
        fputc('"', w->out);
        conf_check_escaped(w, s, false);
        fputc('"', w->out);
    }
}

static void
conf_check_int(struct conf_check_writer *w, int64_t i)
{
    static const char *const decimal[] = {"", "k", "m", "g", "t", "p", "e"};
    static const char *const binary[] = {"", "k", "m", "g", "t", "p", "e"};
    bool                     two = conf_check_may(w, 50);
    int64_t                  base = two ? 1024 : 1000;
    size_t                   power = 0;

    while (i != 0 && i % base == 0 && power + 1 < N_ELEMS(decimal) && conf_check_may(w, 80)) {
        i /= base;
        power++;
    }
    if (i < 0)
        fputc('-', w->out);
    if (conf_check_may(w, 10))
        fputs("00", w->out);
    fprintf(w->out, "%llu", i < 0 ? 0ull - (unsigned long long)i : (unsigned long long)i);
    conf_check_case(w, two ? binary[power] : decimal[power]);
    if (two && power > 0) {
        static const char *const kin[] = {"b", "i", "ib"};
        conf_check_case(w, kin[w->rng == NULL ? 0 : rng_below(w->rng, N_ELEMS(kin))]);
    }
}

static void
conf_check_float(struct conf_check_writer *w, double f)
{
    char text[2048];

    (void)snprintf(text, sizeof(text), "%.1074f", f); /* it fits: at most 309 digits before the point, and all behind it are exact */
    char *end = text + strlen(text);
    while (end[-1] == '0' && end[-2] != '.')
        end--;
    *end = '\0';
    fprintf(w->out, "%s%s", text, conf_check_may(w, 20) ? "000" : "");
}

static void
conf_check_time(struct conf_check_writer *w, int64_t s)
{
    int64_t  days = s / 86400, of_day = s % 86400, year = 0;
    unsigned month = 0, day = 0;

    if (of_day < 0) {
        of_day += 86400;
        days--;
    }
    conf_date_from_days(days, &year, &month, &day);
    fprintf(w->out, "%04d-%02u-%02uT%02d:%02d:%02dZ", (int)year, month, day, (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60));
}

/* ---- writing: maps, arrays, files --------------------------------------------------------------------------------- */

static void conf_check_list(struct conf_check_writer *w, const struct conf_value *v);
static void conf_check_entries(struct conf_check_writer *w, const struct conf_value *map, uint32_t from, uint32_t to, bool top);

static void
conf_check_blank(struct conf_check_writer *w, bool lines)
{
    if (conf_check_may(w, 30))
        conf_check_pick(w, " |\t|  ");
    if (lines && conf_check_may(w, 20))
        conf_check_pick(w, "\n|\r\n|\n\n# {\n| //]\n\t");
}

/* A value; *ret_line: only a line end may follow. */
static void
conf_check_plain(struct conf_check_writer *w, const struct conf_value *v, bool *ret_line)
{
    switch (v->type) {
    case CONF_STR: conf_check_string(w, v->str, ret_line); break;
    case CONF_INT: conf_check_int(w, v->i); break;
    case CONF_FLOAT: conf_check_float(w, v->f); break;
    case CONF_BOOL: conf_check_case(w, w->rng == NULL || conf_check_may(w, 50) ? (v->b ? "true" : "false") : v->b ? "yes" : "off"); break;
    case CONF_TIME: conf_check_time(w, v->i); break;
    case CONF_MAP:
    case CONF_ARRAY: conf_check_list(w, v); break;
    }
}

/* What ends an entry or an item: one of `words`, but a line end where nothing else may follow, and maybe nothing behind the last one. */
static void
conf_check_end(struct conf_check_writer *w, const char *words, bool line, bool last)
{
    if (!line)
        conf_check_blank(w, false);
    if (line)
        fputc('\n', w->out);
    else if (!last || conf_check_may(w, 20))
        conf_check_pick(w, words);
    conf_check_blank(w, true);
}

/* Is this a key anywhere in v? Then it is no name for a variable. */
static bool
conf_check_is_key(const struct conf_value *v, const char *name)
{
    bool found = conf_str_is(v->key, name);

    for (uint32_t i = 0; !found && (v->type == CONF_MAP || v->type == CONF_ARRAY) && i < v->list.n; i++)
        found = conf_check_is_key(&v->list.items[i], name);
    return found;
}

/* Make a text of its own: an environment variable or a file. False: there is no room for it. */
static bool
conf_check_apart(struct conf_check_writer *w, const struct conf_value *v, uint32_t from, uint32_t to, bool file, char name[16])
{
    char                    *bytes = NULL;
    size_t                   len = 0;
    bool                     line = false;
    struct conf_check_writer apart = *w;

    (void)snprintf(name, 16, file ? "f%u" : "V%u", w->world->n);
    apart.out = open_memstream(&bytes, &len);
    ASSERT(apart.out != NULL);
    apart.variable = !file;
    if (file)
        conf_check_entries(&apart, v, from, to, true);
    else
        conf_check_plain(&apart, v, &line);
    fputs(line ? "\n" : "", apart.out);
    (void)fclose(apart.out); /* memory */
    /* Texts inside it were added meanwhile: it cannot know its number before. */
    (void)snprintf(name, 16, file ? "f%u" : "V%u", w->world->n);
    bool ok = (file || (strlen(bytes) == len && !conf_check_is_key(w->top, name))) && conf_check_add(w->world, file, name, bytes, len);
    free(bytes);
    return ok;
}

static void
conf_check_any(struct conf_check_writer *w, const struct conf_value *v, bool *ret_line)
{
    char name[16];

    *ret_line = false;
    if (w->world != NULL && conf_check_may(w, 5) && conf_check_apart(w, v, 0, 0, false, name))
        fprintf(w->out, "$%s", name);
    else
        conf_check_plain(w, v, ret_line);
}

static void
conf_check_list(struct conf_check_writer *w, const struct conf_value *v)
{
    bool line = false;

    fputc(v->type == CONF_MAP ? '{' : '[', w->out);
    if (v->type == CONF_MAP) {
        conf_check_entries(w, v, 0, v->list.n, false);
        fputc('}', w->out);
        return;
    }
    conf_check_blank(w, true);
    for (uint32_t i = 0; i < v->list.n; i++) {
        conf_check_any(w, &v->list.items[i], &line);
        bool last = i + 1 == v->list.n;
        conf_check_end(w, ",|\n| #]\n|,\n", line, last);
    }
    fputc(']', w->out);
}

static void
conf_check_entry(struct conf_check_writer *w, const struct conf_value *v, bool top, bool *ret_line)
{
    conf_check_key(w, v->key);
    conf_check_pick(w, ": |=| | = |:|\t|\n:| \n\n=\t|\n ");
    if (!top)
        conf_check_pick(w, "||\n|\t");
    conf_check_any(w, v, ret_line);
}

static void
conf_check_entries(struct conf_check_writer *w, const struct conf_value *map, uint32_t from, uint32_t to, bool top)
{
    char name[16];
    bool line = false;

    conf_check_blank(w, true);
    for (uint32_t i = from; i < to; i++) {
        uint32_t n = 1;
        if (w->world != NULL && !w->variable && conf_check_may(w, 10)) /* some of them go into a file */
            n += (uint32_t)rng_below(w->rng, to - i);
        if (n > 1 && conf_check_apart(w, map, i, i + n, true, name)) {
            conf_check_case(w, "include");
            fprintf(w->out, " '%s'", name);
            i += n - 1;
            line = false;
        } else {
            if (conf_check_may(w, 5)) { /* it comes again, and only the last one counts */
                conf_check_entry(w, &(struct conf_value){.type = CONF_INT, .key = map->list.items[i].key, .i = 7}, top, &line);
                fputc('\n', w->out);
            }
            conf_check_entry(w, &map->list.items[i], top, &line);
        }
        bool last = i + 1 == to;
        conf_check_end(w, "\n|,|;| #}\n| //\n|\r\n", line, last);
    }
}

char *
conf_check_write(const struct conf_value *top, uint64_t seed, struct conf_check_world *world, size_t *ret_len)
{
    char                    *bytes = NULL;
    struct rng               rng;
    struct conf_check_writer w = {.out = open_memstream(&bytes, ret_len), .rng = seed == 0 ? NULL : &rng, .world = world, .top = top};

    ASSERT(w.out != NULL);
    rng_init(&rng, seed);
    bool braces = conf_check_may(&w, 20);
    fputs(braces ? "{" : "", w.out);
    conf_check_entries(&w, top, 0, top->list.n, true);
    fputs(braces ? "}" : "", w.out);
    ASSERT(fclose(w.out) == 0 && bytes != NULL);
    return bytes;
}

static void
conf_check_once(struct conf_doc *d, uint64_t seed)
{
    struct conf_check_world world = {0};
    struct conf_env         env = conf_check_env(&world);
    char                    why[256], digests[2][CONF_DIGEST_LEN + 1];
    size_t                  len = 0;
    struct conf_doc        *again = NULL;
    char                   *bytes = conf_check_write(conf_doc_top(d), seed, &world, &len);
    enum err                e = conf_parse(&env, "t", bytes, len, &again, why, sizeof(why));
    bool                    same = e == OK && conf_check_same(conf_doc_top(d), conf_doc_top(again));

    if (!same) {
        fprintf(stderr, "seed %llu: %s\n%.*s\n", (unsigned long long)seed, e == OK ? "differs" : why, (int)len, bytes);
        abort();
    }
    ASSERT(conf_digest(d, digests[0]) == OK && conf_digest(again, digests[1]) == OK);
    ASSERT(strcmp(digests[0], digests[1]) == 0);
    conf_check_doc(again);
    conf_doc_free(again);
    conf_check_fini(&world);
    free(bytes);
}

void
conf_check_again(struct conf_doc *d, uint64_t seed)
{
    conf_check_once(d, 0);
    conf_check_once(d, seed + 1);
}
