/* options_load.c - command line, file and defaults, put together. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/rt/assert.h"
#include "core/rt/go_text.h"
#include "core/server/options_priv.h"

enum { EXIT_ERROR = 1, EXIT_USAGE = 2 };

void
options_free(struct options *o)
{
    arena_free(o->mem);
    *o = (struct options){0};
}

/* What ends the program before any file is read. OPTIONS_RUN: nothing does. */
static enum options_verdict
options_first(const struct options *o, const struct options_args *args, int rest, struct options_report *rep)
{
    if (o->version)
        return OPTIONS_VERSION;
    if (o->help)
        return OPTIONS_HELP;
    if (o->help_tls)
        return OPTIONS_HELP_TLS;
    if (rest < args->argc) {
        const char *word = args->argv[rest];
        char shown[OPTION_SHOWN_LEN];
        if (strcasecmp(word, "version") == 0)
            return OPTIONS_VERSION;
        if (strcasecmp(word, "help") == 0)
            return OPTIONS_HELP;
        options_fail(rep, "unrecognized command: %s", go_quote(word, strlen(word), shown, sizeof(shown)));
        return OPTIONS_BAD;
    }
    if (o->signal != NULL)
        return OPTIONS_SIGNAL;
    if (o->check && o->config_file == NULL) {
        options_fail(rep, "must specify [-c, --config] option to check configuration file syntax");
        return OPTIONS_BAD;
    }
    return OPTIONS_RUN;
}

static enum options_verdict
options_load_by(struct option_reader *r, const struct options_args *args)
{
    int rest;

    options_set_defaults(r);
    /* First for what they say about files, and for what is wrong with them; then again over the file. */
    r->unsupported_quiet = true;
    if (!options_flags_read(r, args, &rest))
        return OPTIONS_USAGE;
    r->unsupported_quiet = false;
    enum options_verdict v = options_first(r->o, args, rest, r->rep);
    if (v != OPTIONS_RUN)
        return v;
    r->unsupported_warn = r->o->unsupported_warn;
    bool decided = options_flags_has(args, "unsupported");
    if (r->o->config_file != NULL)
        options_file_read(r, r->o->config_file, decided);
    r->unsupported_warn = r->o->unsupported_warn;
    (void)options_flags_read(r, args, &rest); /* what is wrong is counted in the report */
    if (options_report_n_errors(r->rep) == 0)
        options_check(r);
    if (r->no_memory)
        options_fail(r->rep, "out of memory");
    if (options_report_n_errors(r->rep) > 0 || (r->o->check && options_report_n_warnings(r->rep) > r->n_unsupported))
        return OPTIONS_BAD;
    return r->o->check ? OPTIONS_CHECKED : OPTIONS_RUN;
}

enum options_verdict
options_load(const struct options_args *args, struct options *ret, struct options_report *report)
{
    *ret = (struct options){.mem = arena_new()};
    if (ret->mem == NULL) {
        options_fail(report, "out of memory");
        return OPTIONS_BAD;
    }
    struct option_reader r = {.o = ret, .rep = report};
    return options_load_by(&r, args);
}

int
options_act(enum options_verdict v, const struct options *o, struct options_report *report)
{
    const char *text = options_report_text(report);

    switch (v) {
    case OPTIONS_HELP: options_usage(); return 0;
    case OPTIONS_HELP_TLS: options_usage_tls(); return 0;
    case OPTIONS_VERSION: printf("nats-server: v%s\nmidge: v%s\n", OPTIONS_LEVEL, MIDGE_VERSION); return 0;
    case OPTIONS_SIGNAL: return -1;
    case OPTIONS_USAGE:
        fputs(text, stderr);
        options_usage();
        return EXIT_USAGE;
    case OPTIONS_BAD:
        fprintf(stderr, "nats-server: %s", text);
        if (o->unsupported_refused)
            fputs("(to start without what is not supported yet: --unsupported=warn, or unsupported: warn in the file)\n", stderr);
        return EXIT_ERROR;
    case OPTIONS_CHECKED: fprintf(stderr, "%snats-server: configuration file %s is valid (%s)\n", text, o->config_file, o->digest); return 0;
    case OPTIONS_RUN:
        if (text[0] != '\0')
            fputs(text, stderr);
        return -1;
    }
    ASSERT(!"a verdict that is none");
    return EXIT_ERROR;
}
