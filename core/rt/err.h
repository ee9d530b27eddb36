/* err.h - the one table of what can fail in the world outside.
 *
 * `enum err` is for the world (disk full, peer gone, a limit reached). Our own
 * bugs are ASSERTs, a peer's mistakes are verdicts (style.md, section 5).
 *
 * Threads  any. Memory  none.
 */
#ifndef MIDGE_RT_ERR_H
#define MIDGE_RT_ERR_H

/* One row: name, text for the operator. */
#define ERR_LIST(X)                                                      \
    X(OK,              "ok")                                             \
    X(ERR_AGAIN,       "not now; try again later")                       \
    X(ERR_PENDING,     "under way; a completion will follow")            \
    X(ERR_FULL,        "no room")                                        \
    X(ERR_LIMIT,       "a configured limit is reached")                  \
    X(ERR_NOMEM,       "out of memory")                                  \
    X(ERR_NOFILE,      "out of file descriptors")                        \
    X(ERR_EXIST,       "it exists already")                              \
    X(ERR_NOENT,       "there is no such thing")                         \
    X(ERR_INVAL,       "invalid argument")                               \
    X(ERR_RANGE,       "number out of range")                            \
    X(ERR_SYNTAX,      "syntax error")                                   \
    X(ERR_ACCESS,      "permission denied")                              \
    X(ERR_ADDRINUSE,   "address already in use")                         \
    X(ERR_ADDR,        "address not available or not understood")        \
    X(ERR_CLOSED,      "closed by the peer")                             \
    X(ERR_RESET,       "connection reset by the peer")                   \
    X(ERR_REFUSED,     "connection refused")                             \
    X(ERR_TIMEOUT,     "timed out")                                      \
    X(ERR_CANCELED,    "canceled")                                       \
    X(ERR_UNSUPPORTED, "not supported here")                             \
    X(ERR_NOSPACE,     "no space left on the device")                    \
    X(ERR_CORRUPT,     "stored bytes fail their check")                  \
    X(ERR_IO,          "input/output error")

#define ERR_ENUM(name, text) name,
enum err { ERR_LIST(ERR_ENUM) ERR_N };
#undef ERR_ENUM

/* The text of e; never NULL. */
const char *err_text(enum err e);

/* The symbol of e ("ERR_FULL"); never NULL. */
const char *err_name(enum err e);

/* Convert errno (or a negated completion code given as positive) to our table. Only io backends and
 * the few files that make system calls use it; what is not in the table becomes ERR_IO. */
enum err err_from_errno(int errnum);

#endif
