/* ports_file.h - the addresses that clients reach us by, as a JSON file: for launchers that start a server on any free port.
 *
 *     DIR/nats-server_4711.ports   {"nats":["nats://127.0.0.1:35503"],"monitoring":["http://127.0.0.1:37889"]}
 *
 * It appears whole, and goes when the server ends.
 *
 * Threads  main. Memory  own: ports_file_write -> ports_file_remove.
 * Source   sheet 02, section 5.3.
 */
#ifndef MIDGE_SERVER_PORTS_FILE_H
#define MIDGE_SERVER_PORTS_FILE_H

#include <stdint.h>

/* A listener. */
struct ports_entry {
    const char *key;    /* "nats", "monitoring", ... in the order in which they are to stand */
    const char *scheme; /* "nats", "http", ... */
    const char *host;   /* "0.0.0.0" and the like stand for every address of this machine */
    uint16_t port;
};

struct ports_file {
    char *path; /* NULL: there is none */
};

/* Write DIR/PROGRAM_PID.ports; what it had written before goes. A failure is logged, and nothing else. */
void ports_file_write(struct ports_file *pf, const char *dir, const char *program, const struct ports_entry *entries, uint32_t n);
void ports_file_remove(struct ports_file *pf); /* without one: nothing */

#endif
