/* options_usage.c - the table of options as people read it: --help, and the page docs/operating.md. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/rt/util.h"
#include "core/server/options_doc.h"
#include "core/server/options_priv.h"

enum { USAGE_NAMES_LEN = 44 };

/* "--port, -p" */
static void
usage_names(const char *flags, const char *quote, char *to, size_t cap)
{
    size_t n = 0;

    to[0] = '\0';
    for (const char *p = flags; *p != '\0' && n + 4 < cap;) {
        size_t len = strcspn(p, " ");
        bool one = len == 1 || isupper((unsigned char)*p) || (len == 2 && strncmp(p, "ms", 2) == 0);
        n += (size_t)snprintf(to + n, cap - n, "%s%s%s%.*s%s", n > 0 ? ", " : "", quote, one ? "-" : "--", (int)len, p, quote);
        p += len + strspn(p + len, " ");
    }
}

static void
usage_row(const struct option_row *row)
{
    char names[128], line[160];

    if (row->flags == NULL)
        return;
    usage_names(row->flags, "", names, sizeof(names));
    (void)snprintf(line, sizeof(line), "%s%s%s", names, row->arg != NULL ? " " : "", row->arg != NULL ? row->arg : ""); /* cut: only ugly */
    printf("    %-*s ", USAGE_NAMES_LEN, line);
    if (row->why != NULL)
        printf("(refused: %s)\n", row->why);
    else if (row->feature != NULL)
        printf("(refused: midge does not have %s yet)\n", row->feature);
    else
        printf("%s%s%s%s\n", row->help, row->def != NULL ? " (default: " : "", row->def != NULL ? row->def : "", row->def != NULL ? ")" : "");
}

void
options_usage(void)
{
    const struct option_block *const blocks[] = {&options_flag_only, &options_top};

    printf("Usage: midge [options]\n\n");
    for (size_t b = 0; b < N_ELEMS(blocks); b++) {
        for (uint32_t i = 0; i < blocks[b]->n; i++)
            usage_row(&blocks[b]->rows[i]);
    }
}

void
options_usage_tls(void)
{
    printf("midge does not have TLS yet: --tls, --tlscert, --tlskey, --tlsverify and --tlscacert are refused.\n"
           "Put a proxy that ends TLS in front of it, or listen on loopback alone.\n");
}

/* ---- the page */

static const char *
doc_type(const struct option_row *row)
{
    switch (row->type) {
    case OPT_BOOL: return "true or false";
    case OPT_INT: return "number";
    case OPT_DUR:
    case OPT_DUR_STR:
    case OPT_TMO: return "duration";
    case OPT_MAP: return "map";
    default: return "text";
    }
}

static void
doc_row(FILE *f, const struct option_row *row)
{
    char names[256];

    fprintf(f, "| ");
    for (const char *p = row->keys; p != NULL && *p != '\0';) {
        size_t len = strcspn(p, " ");
        fprintf(f, "%s`%.*s`", p > row->keys ? ", " : "", (int)len, p);
        p += len + strspn(p + len, " ");
    }
    if (row->flags != NULL)
        usage_names(row->flags, "`", names, sizeof(names));
    fprintf(f, " | %s | %s | ", row->flags != NULL ? names : "", row->def != NULL ? row->def : "");
    if (row->min == 0 && row->max == 0)
        fprintf(f, "%s", row->unit != NULL ? row->unit : doc_type(row));
    else if (row->type == OPT_INT || row->read != NULL)
        fprintf(f, "%lld .. %lld %s", (long long)row->min, (long long)row->max, row->unit);
    else
        fprintf(f, "%s", row->unit);
    const char *reload = row->reload == RELOAD_YES ? "yes" : row->reload == RELOAD_NEW ? "new connections" : "no";
    fprintf(f, " | %s | %s |\n", row->keys != NULL ? reload : "", row->help);
}

static bool
doc_in_force(const struct option_row *row)
{
    return row->feature == NULL && row->why == NULL;
}

void
options_doc(FILE *f)
{
    const struct option_block *const blocks[] = {&options_top, &options_flag_only};

    fprintf(f, "| in the file | flag | default | unit, range | reload | meaning |\n| --- | --- | --- | --- | --- | --- |\n");
    for (size_t b = 0; b < N_ELEMS(blocks); b++) {
        for (uint32_t i = 0; i < blocks[b]->n; i++) {
            if (doc_in_force(&blocks[b]->rows[i]))
                doc_row(f, &blocks[b]->rows[i]);
        }
    }
    fprintf(f, "\nKnown, and refused:\n\n| option or flag | because |\n| --- | --- |\n");
    for (size_t b = 0; b < N_ELEMS(blocks); b++) {
        for (uint32_t i = 0; i < blocks[b]->n; i++) {
            const struct option_row *row = &blocks[b]->rows[i];
            char names[256] = "";
            if (doc_in_force(row))
                continue;
            if (row->flags != NULL)
                usage_names(row->flags, "`", names, sizeof(names));
            fprintf(f, "| ");
            for (const char *p = row->keys; p != NULL && *p != '\0';) {
                size_t len = strcspn(p, " ");
                fprintf(f, "%s`%.*s`", p > row->keys ? ", " : "", (int)len, p);
                p += len + strspn(p + len, " ");
            }
            fprintf(f, "%s%s | ", row->keys != NULL && row->flags != NULL ? ", " : "", names);
            if (row->why != NULL)
                fprintf(f, "%s |\n", row->why);
            else
                fprintf(f, "there is no support for %s yet |\n", row->feature);
        }
    }
}
