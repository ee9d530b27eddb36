/* alloc_count.c - count a process's allocations, for the test that a steady state makes none.
 *
 * Preloaded into the server (LD_PRELOAD). Every call of malloc and its kin, and every mmap, adds one to a counter in a file
 * that the test maps, too (ALLOC_COUNT_FILE names it; it holds one 64-bit number).
 *
 * Threads  any. Memory  the mapping lives as long as the process.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static _Atomic uint64_t before_mapped;
static _Atomic uint64_t *counter = &before_mapped;

__attribute__((constructor)) static void
alloc_count_start(void)
{
    const char *path = getenv("ALLOC_COUNT_FILE");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        _exit(99); /* the test sees a server that never gets ready */
    void *p = (void *)syscall(SYS_mmap, NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        _exit(99);
    counter = p;
    (void)close(fd); /* the mapping stays */
}

static void
alloc_count(void)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

EXPORT void *malloc(size_t len);
EXPORT void *
malloc(size_t len)
{
    alloc_count();
    return __libc_malloc(len);
}

EXPORT void *calloc(size_t n, size_t len);
EXPORT void *
calloc(size_t n, size_t len)
{
    alloc_count();
    return __libc_calloc(n, len);
}

EXPORT void *realloc(void *p, size_t len);
EXPORT void *
realloc(void *p, size_t len)
{
    alloc_count();
    return __libc_realloc(p, len);
}

EXPORT void *aligned_alloc(size_t align, size_t len);
EXPORT void *
aligned_alloc(size_t align, size_t len)
{
    alloc_count();
    return __libc_memalign(align, len);
}

EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off);
EXPORT void *
mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
    alloc_count();
    return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, off);
}
