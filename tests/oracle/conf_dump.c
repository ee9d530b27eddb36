/* conf_dump.c - what the configuration parser makes of a text, for the comparison with nats-server.
 *
 *     conf_dump FILE...   for each file one line: `ok DIGEST TREE` or `err "TEXT"`
 *     conf_dump -         the same for texts on stdin, each as four bytes of length (little endian) and its bytes, called t.conf
 *
 * TREE is JSON: each value is ["FILE:LINE:COLUMN", type, value], with a ! behind the column where it was used as a variable; types are
 * s(tring), i(nteger), f(loat, as text), b(ool), t(ime), m(ap), a(rray). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/conf.h"
#include "proto/json_write.h"

enum { DUMP_FILE_MAX = 64 << 20, DUMP_WHY = 8192, DUMP_POS = 8192 };

static enum err
dump_read(void *arg, const char *path, char **ret_bytes, size_t *ret_len, const char **ret_why)
{
    struct stat st;

    (void)arg;
    FILE *f = fopen(path, "rb");
    *ret_why = errno == ENOTDIR ? "not a directory" : errno == ENAMETOOLONG ? "file name too long" : "no such file or directory";
    if (f == NULL)
        return ERR_NOENT;
    *ret_why = "is a directory";
    char *bytes = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) ? malloc(DUMP_FILE_MAX) : NULL;
    if (bytes == NULL) {
        (void)fclose(f); /* it was only read */
        return ERR_IO;
    }
    *ret_len = fread(bytes, 1, DUMP_FILE_MAX, f);
    *ret_bytes = bytes;
    (void)fclose(f); /* it was only read */
    return OK;
}

static const char *
dump_getenv(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

static void
dump_str(struct conf_str s)
{
    size_t     cap = JSON_WRITE_MAX(s.len);
    char      *buf = malloc(cap);
    struct out o;

    if (buf == NULL)
        abort();
    out_init(&o, buf, cap);
    json_write_str(&o, s.bytes, s.len);
    (void)fwrite(o.ptr, 1, o.len, stdout); /* main looks */
    free(buf);
}

static int
dump_order(const void *a, const void *b)
{
    const struct conf_str *x = &((const struct conf_value *)a)->key, *y = &((const struct conf_value *)b)->key;
    int                    order = memcmp(x->bytes, y->bytes, x->len < y->len ? x->len : y->len);

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static void dump_value(const struct conf_value *v);

static void
dump_items(const struct conf_value *v)
{
    bool               map = v->type == CONF_MAP;
    size_t             size = (v->list.n + (v->list.n == 0)) * sizeof(*v->list.items);
    struct conf_value *sorted = malloc(size);

    if (sorted == NULL)
        abort();
    if (v->list.n > 0)
        memcpy(sorted, v->list.items, size);
    if (map)
        qsort(sorted, v->list.n, sizeof(*sorted), dump_order);
    putchar(map ? '{' : '[');
    for (uint32_t i = 0; i < v->list.n; i++) {
        fputs(i > 0 ? "," : "", stdout);
        if (map)
            dump_str(sorted[i].key);
        fputs(map ? ":" : "", stdout);
        dump_value(&sorted[i]);
    }
    putchar(map ? '}' : ']');
    free(sorted);
}

static void
dump_value(const struct conf_value *v)
{
    char pos[DUMP_POS];

    (void)snprintf(pos, sizeof(pos), "%s:%u:%u%s", v->pos.file, v->pos.line, v->pos.col, (v->flags & CONF_USED_AS_VARIABLE) != 0 ? "!" : "");
    putchar('[');
    dump_str((struct conf_str){.bytes = pos, .len = (uint32_t)strlen(pos)});
    printf(",\"%c\",", "sifbtma"[v->type]);
    switch (v->type) {
    case CONF_STR: dump_str(v->str); break;
    case CONF_INT:
    case CONF_TIME: printf("%lld", (long long)v->i); break;
    case CONF_FLOAT: printf("\"%.17g\"", v->f); break;
    case CONF_BOOL: printf("%s", v->b ? "true" : "false"); break;
    case CONF_MAP:
    case CONF_ARRAY: dump_items(v); break;
    }
    putchar(']');
}

static void
dump_result(enum err e, struct conf_doc *d, const char *why)
{
    char digest[CONF_DIGEST_LEN + 1];

    if (e == OK && conf_digest(d, digest) == OK) {
        printf("ok %s ", digest);
        dump_items(conf_doc_top(d));
        putchar('\n');
        conf_doc_free(d);
    } else {
        printf("err ");
        dump_str((struct conf_str){.bytes = why, .len = (uint32_t)strlen(why)});
        putchar('\n');
    }
    fflush(stdout);
}

static void
dump_stdin(const struct conf_env *env)
{
    uint8_t head[4];
    char    why[DUMP_WHY];

    while (fread(head, 1, sizeof(head), stdin) == sizeof(head)) {
        size_t len = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
        char  *bytes = malloc(len + (len == 0)); /* of its length: a read behind it is seen */
        if (bytes == NULL || fread(bytes, 1, len, stdin) != len)
            abort();
        struct conf_doc *d = NULL;
        enum err         e = conf_parse(env, "t.conf", bytes, len, &d, why, sizeof(why));
        dump_result(e, d, why);
        free(bytes);
    }
}

int
main(int argc, char **argv)
{
    const struct conf_env env = {.read = dump_read, .getenv = dump_getenv};
    char                  why[DUMP_WHY];

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-") == 0) {
            dump_stdin(&env);
            continue;
        }
        struct conf_doc *d = NULL;
        enum err         e = conf_parse_file(&env, argv[i], &d, why, sizeof(why));
        dump_result(e, d, why);
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
