/* mapping_conf.h - subject mappings as configured: plain data.
 *
 * Threads  built by main; read by mapping_new.
 * Memory   belongs to whoever built it.
 * Source   sheet 01, section 16.
 */
#ifndef MIDGE_BROKER_MAPPING_CONF_H
#define MIDGE_BROKER_MAPPING_CONF_H

#include <stdint.h>

struct mapping_dest_conf {
    const char *dest;    /* a transform's destination, or a subject */
    const char *cluster; /* NULL: any */
    uint32_t weight;     /* 0..100 */
};

/* One source and what becomes of it. The order of the file counts. */
struct mapping_conf {
    const char *src;
    const struct mapping_dest_conf *dests;
    uint32_t n_dests;
};

#endif
