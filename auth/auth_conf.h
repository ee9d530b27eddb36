/* auth_conf.h - users and permissions as configured: plain data, checked for form, not yet compiled.
 *
 * Threads  built by main (core/server reads it from the file); read by auth_new.
 * Memory   everything belongs to whoever built it (an arena of the options), until after auth_new returned: that copies what it keeps.
 * Source   sheet 02, section 3.2; sheet 03, sections 2 and 4.
 */
#ifndef MIDGE_AUTH_AUTH_CONF_H
#define MIDGE_AUTH_AUTH_CONF_H

#include <stdbool.h>
#include <stdint.h>

/* One list of subjects: "a.b", or for subscriptions "a.b queue". */
struct auth_subjects {
    const char *const *subjects;
    uint32_t n;
};

struct auth_perms {
    struct auth_subjects pub_allow, pub_deny, sub_allow, sub_deny;
    bool pub, sub;          /* that part was given at all */
    bool responses;         /* allow_responses */
    int64_t responses_max;  /* -1: no limit; default 1 */
    int64_t responses_expire_ns; /* -1: never; default 2 m */
};

enum auth_conn_type {
    AUTH_CONN_STANDARD = 1, AUTH_CONN_WEBSOCKET = 2, AUTH_CONN_LEAFNODE = 4, AUTH_CONN_LEAFNODE_WS = 8, AUTH_CONN_MQTT = 16,
    AUTH_CONN_MQTT_WS = 32, AUTH_CONN_IN_PROCESS = 64,
};

struct auth_user_conf {
    const char *name, *pass; /* pass: plain, or bcrypt ("$2a$...") */
    const char *account;     /* "$G" so far */
    const struct auth_perms *perms; /* NULL: the defaults */
    uint32_t conn_types;     /* bits of enum auth_conn_type; 0: any */
    bool proxy_required;
};

struct auth_conf {
    const char *user, *pass; /* a single user; NULL: none */
    const char *token;       /* NULL: none */
    const struct auth_user_conf *users;
    uint32_t n_users;
    const struct auth_perms *defaults; /* NULL: none */
    const char *no_auth_user;          /* NULL: none */
    bool required;                     /* nobody comes in who is none of these, even if there are none: who may is decided by something
                                        * that does not exist yet, and was told to do without (unsupported: warn) */
    int64_t timeout_ns;                /* from the connection's start to its CONNECT */
};

#endif
