/* options_auth.h - what the readers of blocks with users share. Internal to options_*. */
#ifndef MIDGE_SERVER_OPTIONS_AUTH_H
#define MIDGE_SERVER_OPTIONS_AUTH_H

#include "core/server/options_priv.h"

/* What a block of the shape of `authorization` says. */
struct option_auth {
    struct auth_conf conf;
    bool users_given, callout_given;
};
/* False: it is no map, which was reported. */
bool option_read_auth(struct option_reader *r, const struct conf_value *v, struct option_auth *ret);
/* A list of users. Returns how many are by name. */
uint32_t option_read_users(struct option_reader *r, const struct conf_value *v, const struct auth_user_conf **ret);
/* A permissions map; NULL: it is none, which was reported. */
const struct auth_perms *option_read_perms(struct option_reader *r, const struct conf_value *v);
/* whose: "leafnode ", or "". */
bool option_read_auth_timeout(struct option_reader *r, const struct conf_value *v, const char *whose, int64_t *ret_ns);
/* auth_callout, for its form. */
void option_read_callout(struct option_reader *r, const struct conf_value *v);
/* The text of a public nkey of one of the kinds ("U", "A", "UA"), with a good checksum. */
bool option_nkey_is(const char *text, const char *kinds);
/* Say that midge does not have a feature yet, unless that was said for the block already. guards: nobody may come in who would have been
 * let in by it alone. */
void option_refuse_value(struct option_reader *r, const struct conf_value *v, const char *key, const char *feature, bool guards);

#endif
