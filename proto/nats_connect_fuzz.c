/* nats_connect_fuzz.c - any bytes, as the JSON of CONNECT and INFO.
 *
 *   - what json_parse takes is, written again by json_write_str and our own hand, the same tree once more;
 *   - CONNECT decodes to the same however often it is repeated, and what a log shows of it has known keys only, and no
 *     secret.
 *
 * With clang: ninja proto/nats_connect_fuzz. Elsewhere fuzz_main.c replays the corpus. */
#include <stdlib.h>
#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "proto/json.h"
#include "proto/json_write.h"
#include "proto/nats_connect.h"
#include "proto/nats_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { CONNECT_FUZZ_LEN_MAX = 4096, CONNECT_FUZZ_TEXT_MAX = 32 * CONNECT_FUZZ_LEN_MAX };

/* Write the node and what is below it; returns the node behind. The depth is the parser's. */
static const struct json_node *
fuzz_write(struct out *o, const struct json_node *v)
{
    static const char *const words[] = {[JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true"};

    switch (json_type(v)) {
    case JSON_STRING: json_write_str(o, v->text.ptr, v->text.len); break;
    case JSON_NUMBER: out_bytes(o, v->text.ptr, v->text.len); break;
    case JSON_ARRAY:
    case JSON_OBJECT: {
        const struct json_node *c = v + 1;
        bool                    object = v->type == JSON_OBJECT;
        out_byte(o, object ? '{' : '[');
        for (uint32_t i = 0; i < v->n; i++) {
            if (i > 0)
                out_byte(o, ',');
            if (object) {
                json_write_str(o, c->key.ptr, c->key.len);
                out_byte(o, ':');
            }
            c = fuzz_write(o, c);
        }
        ASSERT(c == json_next(v));
        out_byte(o, object ? '}' : ']');
        break;
    }
    default: out_str(o, words[v->type]);
    }
    return json_next(v);
}

static bool
fuzz_same_str(struct json_str a, struct json_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* A tree, written and parsed again, is the same. Returns whether text is JSON at all. */
static bool
fuzz_json(const uint8_t *data, size_t len)
{
    static char     text[CONNECT_FUZZ_TEXT_MAX];
    struct json    *doc = NULL, *again = NULL;
    struct json_why why;
    struct out      o;

    if (json_parse(data, len, CONNECT_FUZZ_LEN_MAX, &doc, &why) != OK) {
        ASSERT(why.what != NULL && why.off <= len);
        return false;
    }
    const struct json_node *v = json_root(doc);
    out_init(&o, text, sizeof(text));
    (void)fuzz_write(&o, v); /* the end of the document */
    ASSERT(!o.full && json_parse((uint8_t *)text, o.len, JSON_SIZE_MAX, &again, &why) == OK);
    const struct json_node *w = json_root(again);
    for (uint32_t i = 0; i < v->skip; i++) {
        ASSERT(v[i].type == w[i].type && v[i].n == w[i].n && v[i].skip == w[i].skip);
        ASSERT(fuzz_same_str(v[i].text, w[i].text) && fuzz_same_str(v[i].key, w[i].key));
    }
    json_free(doc);
    json_free(again);
    return true;
}

/* What is shown of a CONNECT is an object of known keys, and the secrets among them say one thing only. */
static void
fuzz_shown(const char *text, size_t n)
{
    static const char *const secrets[] = {"pass", "auth_token", "nkey", "sig", "jwt", "proxy_sig"};
    static const char *const others[] = {"verbose", "pedantic", "echo", "tls_required", "headers", "no_responders", "new_account",
        "protocol", "user", "name", "lang", "version", "account"};
    const struct json_str    redacted = {.ptr = "[REDACTED]", .len = 10};
    struct json             *doc = NULL;
    struct json_why          why;

    ASSERT(json_parse((const uint8_t *)text, n, JSON_SIZE_MAX, &doc, &why) == OK);
    const struct json_node *v = json_root(doc) + 1;
    for (uint32_t i = 0; i < json_root(doc)->n; i++, v = json_next(v)) {
        size_t n_found = 0;
        for (size_t k = 0; k < N_ELEMS(secrets); k++) {
            if (json_key_is(&v->key, secrets[k])) {
                ASSERT(v->type == JSON_STRING && fuzz_same_str(v->text, redacted));
                n_found++;
            }
        }
        for (size_t k = 0; k < N_ELEMS(others); k++)
            n_found += json_key_is(&v->key, others[k]);
        ASSERT(n_found == 1 && v->type != JSON_ARRAY && v->type != JSON_OBJECT);
    }
    json_free(doc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static char         text[CONNECT_FUZZ_TEXT_MAX];
    struct nats_connect once, twice;
    struct json_why     why;

    len = min_u64(len, CONNECT_FUZZ_LEN_MAX);
    bool is_json = fuzz_json(data, len);
    (void)nats_info_check(data, len, &why); /* any answer will do */
    nats_connect_init(&once);
    nats_connect_init(&twice);
    enum err e = nats_connect_decode(&once, data, len, &why);
    ASSERT(e != OK || is_json);
    ASSERT(nats_connect_decode(&twice, data, len, &why) == e && nats_connect_decode(&twice, data, len, &why) == e);
    ASSERT(fuzz_same_str(once.user, twice.user) && fuzz_same_str(once.jwt, twice.jwt) && once.protocol == twice.protocol);
    ASSERT(once.strings_len == twice.strings_len && once.verbose == twice.verbose && once.echo == twice.echo);

    size_t n = nats_connect_redact(data, len, text, sizeof(text));
    ASSERT(n < sizeof(text) && text[n] == '\0');
    if (strcmp(text, "[REDACTED]") != 0)
        fuzz_shown(text, n);
    nats_connect_fini(&once);
    nats_connect_wipe_secrets(&twice);
    nats_connect_fini(&twice);
    return 0;
}
