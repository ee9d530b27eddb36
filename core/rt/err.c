#include "core/rt/err.h"

#include <errno.h>

#include "core/rt/assert.h"

#define ERR_TEXT(name, text) [name] = text,
static const char *const err_texts[ERR_N] = {ERR_LIST(ERR_TEXT)};
#define ERR_NAME(name, text) [name] = #name,
static const char *const err_names[ERR_N] = {ERR_LIST(ERR_NAME)};

const char *
err_text(enum err e)
{
    ASSERT(e < ERR_N);
    return err_texts[e];
}

const char *
err_name(enum err e)
{
    ASSERT(e < ERR_N);
    return err_names[e];
}

enum err
err_from_errno(int errnum)
{
    switch (errnum) {
    case 0: return OK;
    case EAGAIN: return ERR_AGAIN;
    case EINPROGRESS: return ERR_PENDING;
    case ENOBUFS: return ERR_FULL;
    case ENOMEM: return ERR_NOMEM;
    case EMFILE:
    case ENFILE: return ERR_NOFILE;
    case EEXIST: return ERR_EXIST;
    case ENOENT: return ERR_NOENT;
    case EINVAL: return ERR_INVAL;
    case EACCES:
    case EPERM: return ERR_ACCESS;
    case EADDRINUSE: return ERR_ADDRINUSE;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT: return ERR_ADDR;
    case EPIPE: return ERR_CLOSED;
    case ECONNRESET:
    case ECONNABORTED: return ERR_RESET;
    case ECONNREFUSED: return ERR_REFUSED;
    case ETIMEDOUT: return ERR_TIMEOUT;
    case ECANCELED: return ERR_CANCELED;
    case ENOSYS:
    case EOPNOTSUPP: return ERR_UNSUPPORTED;
    case ENOSPC:
    case EDQUOT: return ERR_NOSPACE;
    default: return ERR_IO;
    }
}
