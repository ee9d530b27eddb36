/* options_world.h - for tests: options from the text of a file and from flags, as main gets them. */
#ifndef MIDGE_SERVER_OPTIONS_WORLD_H
#define MIDGE_SERVER_OPTIONS_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "core/server/options.h"

struct options_world {
    struct options o;
    struct options_args *args;
    struct options_report *rep;
    enum options_verdict v;
    char path[64];
    const char *text; /* the report's, with the path of the file as F */
};

static inline void
world_close(struct options_world *w)
{
    options_free(&w->o);
    options_args_free(w->args);
    options_report_free(w->rep);
    if (w->path[0] != '\0')
        (void)unlink(w->path); /* the test is over */
    free((char *)(uintptr_t)w->text);
    *w = (struct options_world){0};
}

/* The report with every occurrence of the path as "F". */
static inline char *
world_text(struct options_world *w)
{
    const char *text = options_report_text(w->rep);
    char *to = calloc(1, strlen(text) + 1), *at = to;
    size_t len = strlen(w->path);

    ASSERT(to != NULL);
    while (*text != '\0') {
        bool here = len > 0 && strncmp(text, w->path, len) == 0;
        *at++ = here ? 'F' : *text;
        text += here ? len : 1;
    }
    return to;
}

/* Load; the file is conf (NULL: none), flags end with NULL. */
static inline const struct options *
world_load(struct options_world *w, const char *conf, const char *const *flags)
{
    char *argv[32] = {(char *)(uintptr_t)"midge"};
    int argc = 1;

    world_close(w);
    if (conf != NULL) {
        (void)snprintf(w->path, sizeof(w->path), "/tmp/midge_options_XXXXXX"); /* fits */
        int fd = mkstemp(w->path);
        ASSERT(fd >= 0 && write(fd, conf, strlen(conf)) == (ssize_t)strlen(conf));
        ASSERT(close(fd) == 0);
        argv[argc++] = (char *)(uintptr_t)"-c";
        argv[argc++] = w->path;
    }
    for (; flags != NULL && *flags != NULL; flags++) {
        ASSERT(argc < 31);
        argv[argc++] = strdup(*flags); /* what is secret is overwritten */
    }
    w->args = options_args_new(argc, argv);
    for (int i = conf != NULL ? 3 : 1; i < argc; i++)
        free(argv[i]);
    w->rep = options_report_new();
    ASSERT(w->args != NULL && w->rep != NULL);
    w->v = options_load(w->args, &w->o, w->rep);
    w->text = world_text(w);
    return &w->o;
}

#define WORLD_FLAGS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
