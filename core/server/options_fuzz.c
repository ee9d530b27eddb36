/* options_fuzz.c - any bytes, as a configuration file: whatever they say, reading them again says the same, and a reload to the same changes nothing.
 *
 * With clang: ninja core/server/options_fuzz && core/server/options_fuzz -max_len=2000 core/server/corpus/options. Elsewhere fuzz_main.c replays
 * the corpus. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/rt/assert.h"
#include "core/server/options_diff.h"
#include "core/server/options_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { TREE_SIZE_MAX = 1 << 16 }; /* variables multiply */

static enum err
fuzz_read(void *arg, const char *path, char **ret_bytes, size_t *ret_len, const char **ret_why)
{
    (void)arg;
    (void)path;
    (void)ret_bytes;
    (void)ret_len;
    *ret_why = "no such file or directory";
    return ERR_NOENT;
}

static const char *
fuzz_getenv(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

/* Options of these bytes, checked; what was said. own. NULL: they are no tree. */
static char *
fuzz_load(const uint8_t *data, size_t len, bool warn, struct options *o, bool *ret_good)
{
    static const struct conf_env env = {.read = fuzz_read, .getenv = fuzz_getenv};
    char why[1024], *said = NULL;
    struct conf_doc *doc = NULL;

    if (conf_parse(&env, "t", (const char *)data, len, &doc, why, sizeof(why)) != OK)
        return NULL;
    const struct conf_value *top = conf_doc_top(doc);
    if (top->list.size <= TREE_SIZE_MAX) {
        *o = (struct options){.mem = arena_new()};
        struct option_reader r = {.o = o, .rep = options_report_new()};
        ASSERT(o->mem != NULL && r.rep != NULL);
        options_set_defaults(&r);
        r.unsupported_warn = warn;
        options_tree_read(&r, top, true);
        *ret_good = options_report_n_errors(r.rep) == 0;
        if (*ret_good)
            options_check(&r);
        *ret_good = options_report_n_errors(r.rep) == 0;
        ASSERT(!r.no_memory && r.in_unsupported == 0);
        said = strdup(options_report_text(r.rep));
        ASSERT(said != NULL && (*ret_good || said[0] != '\0'));
        options_report_free(r.rep);
    }
    conf_doc_free(doc);
    return said;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct options a, b;
    bool good_a = false, good_b = false;
    bool warn = len % 2 == 0;

    char *said_a = fuzz_load(data, len, warn, &a, &good_a);
    if (said_a == NULL)
        return 0;
    char *said_b = fuzz_load(data, len, warn, &b, &good_b);
    ASSERT(said_b != NULL && good_a == good_b && strcmp(said_a, said_b) == 0);
    if (good_a) {
        struct options_diff d;
        ASSERT(options_diff(&a, &b, &d) == OK);
        ASSERT(d.refusal == NULL && d.parts == 0 && d.lines.n == 2); /* the two that are always there */
    }
    free(said_a);
    free(said_b);
    options_free(&a);
    options_free(&b);
    return 0;
}
