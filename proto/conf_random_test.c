/* Random configurations: any tree, in any spelling, is read as that tree. PROTO_SEED=n replays one. */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/rng.h"
#include "core/rt/util.h"
#include "proto/conf.h"
#include "proto/conf_check.h"
#include "proto/conf_priv.h"

static struct conf_str
random_str(struct rng *r, struct conf_doc *mem, bool key)
{
    static const char *const pieces[] = {"a", "b", "Z", "7", "-", "_", ".", ">", "*", "$", " ", "\t", "\n", "\r\n", "\"", "'", "\\", "{", "}", "[", "]", "(", ")",
        "#", "//", "/", ",", ";", "=", ":", "\xc3\xa9", "\xff", "\xc2\xa0", "\xe2\x80\xa8", "\n)\n", "true", "on", "include", "<&>", "\x7f", "\x01"};
    char            buf[256];
    size_t          len = 0;
    struct conf_str s = {0};

    for (uint64_t n = rng_below(r, 3) == 0 ? rng_below(r, 12) : 1 + rng_below(r, 3); n > 0; n--) {
        const char *piece = pieces[rng_below(r, rng_below(r, 2) == 0 ? 9 : N_ELEMS(pieces))];
        memcpy(buf + len, piece, strlen(piece));
        len += strlen(piece);
    }
    if (!key && rng_below(r, 10) == 0)
        buf[len++] = '\0';
    if (!key && rng_below(r, 10) == 0)
        buf[len++] = '\n';
    assert_int_equal(conf_copy(mem, buf, len, &s), OK);
    return s;
}

static double
random_float(struct rng *r)
{
    double   f = 0;
    uint64_t bits = rng_next(r);

    switch (rng_below(r, 4)) {
    case 0: return (double)rng_below(r, 2000) / 8 - 100;
    case 1: return (double)rng_below(r, 1000) / 1000;
    case 2: return -(double)bits;
    default: memcpy(&f, &bits, sizeof(f)); return f - f == 0 ? f : 0.5; /* every one that is a number */
    }
}

static int64_t
random_int(struct rng *r)
{
    static const int64_t units[] = {1, 1000, 1024, 1000000, 1048576, INT64_C(1000000000000000000), INT64_C(1152921504606846976)};

    if (rng_below(r, 4) == 0)
        return (int64_t)rng_next(r);
    return ((int64_t)rng_below(r, 13) - 6) * units[rng_below(r, N_ELEMS(units))];
}

static struct conf_value random_value(struct rng *r, struct conf_doc *mem, struct conf_str key, unsigned depth);

static bool
has_key(const struct conf_value *map, struct conf_str key)
{
    for (uint32_t i = 0; i < map->list.n; i++) {
        struct conf_str k = map->list.items[i].key;
        if (k.len == key.len && memcmp(k.bytes, key.bytes, k.len) == 0)
            return true;
    }
    return false;
}

static void
random_list(struct rng *r, struct conf_doc *mem, unsigned depth, struct conf_value *v)
{
    uint32_t n = (uint32_t)(rng_below(r, 20) == 0 ? rng_below(r, 40) : rng_below(r, 5));

    v->list.items = conf_alloc(mem, (n + 1) * sizeof(*v), alignof(struct conf_value));
    assert_non_null(v->list.items);
    v->list.n = 0;
    while (n-- > 0) {
        struct conf_str   key = v->type == CONF_MAP ? random_str(r, mem, true) : CONF_STR_LIT("");
        struct conf_value c = random_value(r, mem, key, depth - 1);
        if (conf_check_writable(&c) && (v->type == CONF_ARRAY || !has_key(v, key)))
            v->list.items[v->list.n++] = c;
    }
}

/* A value of the given key; what it is made of lives in mem. */
static struct conf_value
random_value(struct rng *r, struct conf_doc *mem, struct conf_str key, unsigned depth)
{
    struct conf_value v = {.key = key, .pos = {.file = "", .line = 1}};

    v.type = (enum conf_type)rng_below(r, depth > 0 ? CONF_ARRAY + 1 : CONF_TIME + 1);
    switch (v.type) {
    case CONF_STR: v.str = random_str(r, mem, false); break;
    case CONF_INT: v.i = random_int(r); break;
    case CONF_FLOAT: v.f = random_float(r); break;
    case CONF_BOOL: v.b = rng_below(r, 2) == 0; break;
    case CONF_TIME: v.i = (int64_t)rng_below(r, UINT64_C(315569520000)) - INT64_C(62167219200); break; /* the years 0 to 9999 */
    case CONF_MAP:
    case CONF_ARRAY: random_list(r, mem, depth, &v); break;
    }
    return v;
}

/* A tree, written in a random spelling, in files and variables, is read as that tree; and so is what was read. */
static void
any_tree_is_read_back_in_any_spelling(void **state)
{
    (void)state;
    enum { ROUNDS = 5000 };
    const char *said = getenv("PROTO_SEED");
    uint64_t    first = said == NULL ? 1 : strtoull(said, NULL, 10);

    for (uint64_t seed = first; seed < first + (said == NULL ? ROUNDS : 1); seed++) {
        struct rng              r;
        struct conf_check_world world = {0};
        struct conf_env         env = conf_check_env(&world);
        struct conf_doc        *mem = calloc(1, sizeof(*mem)), *d = NULL;
        char                    why[512];
        size_t                  len = 0;
        struct conf_value       top = {.type = CONF_STR};

        assert_non_null(mem);
        rng_init(&r, seed);
        while (top.type != CONF_MAP)
            top = random_value(&r, mem, CONF_STR_LIT(""), 5);
        char *text = conf_check_write(&top, seed, &world, &len);
        if (conf_parse(&env, "t", text, len, &d, why, sizeof(why)) != OK)
            fail_msg("seed %llu: %s\n%s", (unsigned long long)seed, why, text);
        if (!conf_check_same(&top, conf_doc_top(d)))
            fail_msg("seed %llu differs:\n%s", (unsigned long long)seed, text);
        conf_check_doc(d);
        conf_check_again(d, seed);
        conf_doc_free(d);
        conf_doc_free(mem);
        conf_check_fini(&world);
        free(text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_tree_is_read_back_in_any_spelling),
    };
    return cmocka_run_group_tests_name("conf_random", tests, NULL, NULL);
}
