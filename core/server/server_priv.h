/* server_priv.h - what the files of the server's life share. */
#ifndef MIDGE_SERVER_SERVER_PRIV_H
#define MIDGE_SERVER_SERVER_PRIV_H

#include "core/rt/file.h"
#include "core/server/server.h"

/* server.c */
/* Our process id into path. False: ret_why. */
bool server_write_pid(const char *path, char ret_why[FILE_WHY_MAX]);
/* The ports file where it is configured to be; an older one elsewhere goes. */
void server_write_ports(struct server *s);

/* server_reload.c */
void server_reload(struct server *s);

/* server_ldm.c */
/* Begin to be a lame duck; it is one already: nothing. */
void server_ldm_enter(struct server *s);
/* Go on with it, as far as it is time. True: the server is to stop. */
bool server_ldm_step(struct server *s);
/* When server_ldm_step wants to be called; INT64_MAX: after the next note. */
int64_t server_ldm_deadline(const struct server *s);

#endif
