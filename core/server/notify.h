/* notify.h - what systemd is told (Type=notify, Type=notify-reload): ready, reloading, stopping.
 *
 * Without NOTIFY_SOCKET in the environment nothing happens. A message that cannot be sent is lost: the supervisor's own timeouts are for that.
 *
 * Threads  main.
 * Source   sd_notify(3): one datagram of VARIABLE=VALUE lines to the socket that NOTIFY_SOCKET names.
 */
#ifndef MIDGE_SERVER_NOTIFY_H
#define MIDGE_SERVER_NOTIFY_H

#include <stdint.h>

/* It serves; also at the end of a reload. */
void notify_ready(void);
/* A reload begins, at this moment of the monotonic clock. */
void notify_reloading(int64_t now_ns);
/* It is about to end. */
void notify_stopping(void);

#endif
