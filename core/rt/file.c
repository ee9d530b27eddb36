#include "core/rt/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/rt/fault.h"

const char *
file_errno_text(int errnum, char *to, size_t cap)
{
    char text[128];

    (void)snprintf(to, cap, "%s", strerror_r(errnum, text, sizeof(text))); /* cut is fine */
    /* As Go has it: "EOF" and the like stay. */
    if (cap > 1 && to[0] != '\0' && islower((unsigned char)to[1]))
        to[0] = (char)tolower((unsigned char)to[0]);
    return to;
}

static bool
file_refused(const char *what, const char *path, char ret_why[FILE_WHY_MAX])
{
    char text[128];

    (void)file_errno_text(errno, text, sizeof(text));
    (void)snprintf(ret_why, FILE_WHY_MAX, "%s %s: %s", what, path, text); /* a path that long was refused for its length */
    return false;
}

static bool
file_put(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static bool
file_write_flags(const char *path, int flags, unsigned mode, const void *bytes, size_t len, char ret_why[FILE_WHY_MAX])
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | flags, mode);
    if (fd < 0)
        return file_refused("open", path, ret_why);
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) /* no device loses its rights */
        (void)fchmod(fd, mode);                     /* somebody else's file keeps its own: better than not writing it */
    bool ok = file_put(fd, bytes, len) || file_refused("write", path, ret_why);
    if (close(fd) != 0 && ok)
        ok = file_refused("close", path, ret_why);
    return ok;
}

bool
file_write(const char *path, unsigned mode, const void *bytes, size_t len, char ret_why[FILE_WHY_MAX])
{
    return file_write_flags(path, O_TRUNC, mode, bytes, len, ret_why);
}

bool
file_write_new(const char *path, unsigned mode, const void *bytes, size_t len, char ret_why[FILE_WHY_MAX])
{
    (void)unlink(path); /* if it is still there afterwards, making it fails */
    return file_write_flags(path, O_EXCL | O_NOFOLLOW, mode, bytes, len, ret_why);
}

/* All of fd into memory that grows by copying: realloc would leave what it moved behind. */
static enum err
file_get(int fd, size_t max, char **ret_bytes, size_t *ret_len, int *ret_errno)
{
    size_t len = 0, cap = 0;
    char *bytes = NULL;
    enum err e = OK;

    for (;;) {
        if (len == cap) {
            size_t more = cap == 0 ? 4096 : 2 * cap;
            char *to = len > max ? NULL : fault_malloc(more);
            if (to == NULL) {
                e = len > max ? ERR_LIMIT : ERR_NOMEM;
                break;
            }
            if (len > 0)
                memcpy(to, bytes, len);
            if (bytes != NULL)
                sodium_memzero(bytes, len);
            free(bytes);
            bytes = to;
            cap = more;
        }
        ssize_t n = read(fd, bytes + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        *ret_errno = errno;
        if (n < 0)
            e = err_from_errno(*ret_errno);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    if (e == OK && len > max)
        e = ERR_LIMIT;
    if (e == OK) {
        *ret_bytes = bytes;
        *ret_len = len;
        return OK;
    }
    if (bytes != NULL)
        sodium_memzero(bytes, len);
    free(bytes);
    return e;
}

enum err
file_read(const char *path, size_t max, char **ret_bytes, size_t *ret_len, char ret_why[128])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), errnum = errno;
    enum err e = fd < 0 ? err_from_errno(errnum) : file_get(fd, max, ret_bytes, ret_len, &errnum);

    if (fd >= 0)
        (void)close(fd); /* nothing was written */
    if (e == ERR_LIMIT || e == ERR_NOMEM)
        (void)snprintf(ret_why, 128, "%s", e == ERR_LIMIT ? "it is too long" : err_text(e)); /* fits */
    else if (e != OK)
        (void)file_errno_text(errnum, ret_why, 128);
    return e;
}

unsigned
file_mode(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (unsigned)st.st_mode & 07777 : 0;
}

bool
file_rename(const char *from, const char *to, char ret_why[FILE_WHY_MAX])
{
    return rename(from, to) == 0 || file_refused("rename", to, ret_why);
}

bool
file_remove(const char *path, char ret_why[FILE_WHY_MAX])
{
    return unlink(path) == 0 || file_refused("remove", path, ret_why);
}
