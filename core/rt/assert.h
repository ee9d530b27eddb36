/* assert.h - facts that must hold, checked in production too.
 *
 * ASSERT       always on: a crash costs an election, a silent lie costs data.
 * ASSERT_SLOW  only where MIDGE_ASSERT_SLOW is defined (debug, sanitizer and simulation builds).
 * ASSERT_OWNER the calling thread runs this shard (or a simulation does so in its stead).
 *
 * Never assert on bytes that came from a socket or a disk: that is a verdict.
 * Threads  any.
 */
#ifndef MIDGE_RT_ASSERT_H
#define MIDGE_RT_ASSERT_H

/* Print the fact that failed and where, then abort. Never returns. */
__attribute__((noreturn, cold)) void assert_failed(const char *fact, const char *file, int line, const char *func);

/* Have fn called, once, by the first assertion that fails, before it prints: the log writes what it still can. NULL: none. */
void assert_on_failure(void (*fn)(void));

#define ASSERT(fact)                                                   \
    do {                                                               \
        if (__builtin_expect(!(fact), 0))                              \
            assert_failed(#fact, __FILE__, __LINE__, __func__);        \
    } while (0)

#ifdef MIDGE_ASSERT_SLOW
#define ASSERT_SLOW(fact) ASSERT(fact)
#else
#define ASSERT_SLOW(fact)          \
    do {                           \
        (void)sizeof((fact) ? 1 : 0); \
    } while (0)
#endif

#endif
