/* server_cfg.h - a configuration, ready to be put in force: the options, and all that is made of them.
 *
 * Everything that can fail when a configuration is taken over fails here, at start as at a reload. What a room compiles from options
 * (users, mappings, ...) is made by server_cfg_new and hangs off net.
 *
 * Threads  main makes and frees it; while it is in force every shard reads it.
 * Memory   own: server_cfg_new -> server_cfg_free.
 */
#ifndef MIDGE_SERVER_SERVER_CFG_H
#define MIDGE_SERVER_SERVER_CFG_H

#include "auth/auth.h"
#include "auth/nkey.h"
#include "core/net/net.h"
#include "core/rt/log.h"
#include "core/server/options.h"

#define SERVER_VERSION OPTIONS_LEVEL

/* What the server is called for as long as it lives. */
struct server_names {
    char id[NKEY_TEXT_LEN + 1];
    char xkey[NKEY_TEXT_LEN + 1];
    char go[64];
    struct hash_key key; /* of all tables that peers fill */
    struct password_key password_key;
};

struct server_cfg {
    struct options opts;
    int64_t loaded_ns; /* when, since 1970 */
    struct auth *auth;
    struct mapping *mappings; /* NULL: none */
    char *event_extra;        /* see struct net_cfg; NULL: nothing */
    struct net_cfg net; /* views into opts and the names */
};

void server_names_random(struct server_names *nm);
/* take  opts: they belong to the snapshot, also when it fails
 * own   *ret, by server_cfg_free
 * fail  ERR_NOMEM */
enum err server_cfg_new(const struct server_names *nm, struct options *opts, struct server_cfg **ret);
void server_cfg_free(struct server_cfg *c); /* NULL is fine */
/* What the log is to be by these options: views into them. */
struct log_cfg server_cfg_log(const struct options *o);

#endif
