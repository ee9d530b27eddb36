#include "core/rt/assert.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The process dies once, so there is one of it; it is a function, not state. */
static void (*_Atomic assert_hook)(void);

void
assert_on_failure(void (*fn)(void))
{
    atomic_store(&assert_hook, fn);
}

void
assert_failed(const char *fact, const char *file, int line, const char *func)
{
    void (*hook)(void) = atomic_exchange(&assert_hook, NULL); /* not again if it fails itself */
    if (hook != NULL)
        hook();
    /* No stdio streams: whoever failed may hold their locks. We die either way, so errors have no consequence. */
    char text[1024];
    int len = snprintf(text, sizeof text, "midge: ASSERT failed: %s (%s, %s:%d)\n", fact, func, file, line);
    if (len > 0 && write(STDERR_FILENO, text, strnlen(text, sizeof text)) < 0)
        abort();
    abort();
}
