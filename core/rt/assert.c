#include "core/rt/assert.h"

#include <stdio.h>
#include <stdlib.h>

void
assert_failed(const char *fact, const char *file, int line, const char *func)
{
    (void)fprintf(stderr, "midge: ASSERT failed: %s (%s, %s:%d)\n", fact, func, file, line); /* we die either way */
    (void)fflush(stderr);
    abort();
}
