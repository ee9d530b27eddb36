/* poison.h - memory that is nobody's, so that AddressSanitizer reports who touches it. Nothing in other builds.
 *
 * MIDGE_ASAN and MIDGE_TSAN are defined where gcc or clang builds with that sanitizer.
 *
 * Threads  any. Source  the sanitizer's public interface (sanitizer/asan_interface.h).
 */
#ifndef MIDGE_RT_POISON_H
#define MIDGE_RT_POISON_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define MIDGE_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define MIDGE_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MIDGE_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define MIDGE_TSAN 1
#endif
#endif

#ifdef MIDGE_ASAN
#include <sanitizer/asan_interface.h>
#endif

static inline void
poison_set(const void *p, size_t len)
{
#ifdef MIDGE_ASAN
    __asan_poison_memory_region(p, len);
#else
    (void)p;
    (void)len;
#endif
}

static inline void
poison_clear(const void *p, size_t len)
{
#ifdef MIDGE_ASAN
    __asan_unpoison_memory_region(p, len);
#else
    (void)p;
    (void)len;
#endif
}

#endif
