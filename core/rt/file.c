#include "core/rt/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

bool
file_write(const char *path, unsigned mode, const void *bytes, size_t len, char ret_why[FILE_WHY_MAX])
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, mode);
    if (fd < 0)
        return file_refused("open", path, ret_why);
    (void)fchmod(fd, mode); /* somebody else's file, or none (/dev/full) keeps its rights: better than not writing it */
    bool ok = file_put(fd, bytes, len) || file_refused("write", path, ret_why);
    if (close(fd) != 0 && ok)
        ok = file_refused("close", path, ret_why);
    return ok;
}

bool
file_rename(const char *from, const char *to, char ret_why[FILE_WHY_MAX])
{
    return rename(from, to) == 0 || file_refused("rename", to, ret_why);
}
