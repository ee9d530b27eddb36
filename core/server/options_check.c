/* options_check.c - what only all options together show, whether they come from the file or from flags. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/password.h"
#include "core/rt/assert.h"
#include "core/rt/go_text.h"
#include "core/rt/log.h"
#include "core/rt/util.h"
#include "core/server/options_priv.h"

enum { PAYLOAD_LARGE = 8 << 20 };

#define AUTH_TIMEOUT_DEFAULT_NS (2 * NS_PER_S)

/* host, host:port, [v6]:port, v6. nats-server looks at it when it listens; it cannot change by then. */
static void
options_check_advertise(struct option_reader *r)
{
    struct options *o = r->o;
    const char *text = o->client_advertise;

    if (text == NULL)
        return;
    struct conf_value v = {.type = CONF_STR, .str = {.bytes = text, .len = (uint32_t)strlen(text)}};
    const char *host = text, *port = NULL, *colon = strrchr(text, ':');
    size_t host_len = strlen(text);
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        host = text + 1;
        host_len = end != NULL ? (size_t)(end - host) : 0;
        port = end != NULL && end[1] == ':' ? end + 2 : NULL;
        if (end == NULL || (end[1] != ':' && end[1] != '\0'))
            host_len = 0;
    } else if (colon != NULL && memchr(text, ':', (size_t)(colon - text)) == NULL) {
        host_len = (size_t)(colon - text);
        port = colon + 1;
    }
    char *end = NULL;
    long n = port != NULL ? strtol(port, &end, 10) : 0;
    if (host_len == 0 || (port != NULL && (*port == '\0' || *end != '\0' || n < -1 || n > 65535)) || strpbrk(text, " \t\r\n\"") != NULL) {
        options_fail(r->rep, "Error setting server INFO with ClientAdvertise value of %s, err=it is not host, host:port or [v6]:port", v.str.bytes);
        return;
    }
    o->client_advertise_host = option_copy(r, host, host_len);
    o->client_advertise_port = (uint16_t)(n > 0 ? n : 0); /* 0 and -1: that of the listener */
}

/* Sheet 02, section 2: names cannot hold spaces. */
static void
options_check_names(struct option_reader *r)
{
    if (r->o->server_name != NULL && strpbrk(r->o->server_name, " ") != NULL)
        options_fail(r->rep, "server name cannot contain spaces");
    if (r->o->cluster_name != NULL && strpbrk(r->o->cluster_name, " ") != NULL)
        options_fail(r->rep, "cluster name cannot contain spaces");
}

static void
options_check_lame_duck(struct option_reader *r)
{
    char a[GO_DURATION_LEN], b[GO_DURATION_LEN];
    const struct options *o = r->o;

    if (o->lame_duck_grace_ns >= o->lame_duck_duration_ns)
        options_fail(r->rep, "lame duck grace period (%s) should be strictly lower than lame duck duration (%s)",
                     go_duration_text(o->lame_duck_grace_ns, a), go_duration_text(o->lame_duck_duration_ns, b));
}

static void
options_check_auth(struct option_reader *r)
{
    struct auth_conf *a = &r->o->auth;
    bool found = false;

    if (a->timeout_ns == 0)
        a->timeout_ns = AUTH_TIMEOUT_DEFAULT_NS;
    a->required = r->closed;
    /* Users count before one user, and that before a token given beside it, as in nats-server where only flags can bring them together. */
    if (a->n_users > 0)
        a->user = a->pass = a->token = NULL;
    if (a->user != NULL && a->pass == NULL)
        a->pass = "";
    r->o->auth_plain |= a->user != NULL && !password_is_bcrypt(a->pass);
    if (a->no_auth_user == NULL)
        return;
    if (a->n_users == 0) {
        options_fail(r->rep, "no_auth_user: \"%s\" present, but users/nkeys are not defined", a->no_auth_user);
        return;
    }
    for (uint32_t i = 0; i < a->n_users && !found; i++)
        found = strcmp(a->users[i].name, a->no_auth_user) == 0;
    if (!found)
        options_fail(r->rep, "no_auth_user: \"%s\" not present as user or nkey in authorization block or account configuration", a->no_auth_user);
}

void
options_check(struct option_reader *r)
{
    const struct options *o = r->o;

    if (o->max_payload > o->max_pending)
        options_fail(r->rep, "max_payload (%lld) cannot be higher than max_pending (%lld)", (long long)o->max_payload, (long long)o->max_pending);
    if (o->http_port != 0 && o->https_port != 0)
        options_fail(r->rep, "Can't start monitoring: can't specify both HTTP (%lld) and HTTPs (%lld) ports", (long long)o->http_port,
                     (long long)o->https_port);
    options_check_names(r);
    options_check_advertise(r);
    options_check_lame_duck(r);
    options_check_auth(r);
}

bool
options_is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

void
options_log(const struct options *o)
{
    if (o->auth_plain)
        log_wrn("Plaintext passwords detected, use nkeys or bcrypt");
    if (o->auth.required)
        log_wrn("Who may come in is said by something that is not supported yet (accounts, nkeys, operators ..): nobody comes in by it, and nobody "
                "without a login");
    if (o->secrets_open)
        log_wrn("Configuration file %s holds a plaintext password or token, and others may read it; give it mode 0600", o->config_file);
    if ((o->auth.user != NULL || o->auth.token != NULL || o->auth.n_users > 0) && !options_is_loopback(o->host))
        log_wrn("Passwords and tokens come to %s without encryption: listen on loopback, or inside something that encrypts", o->host);
    if (o->max_payload > PAYLOAD_LARGE)
        log_wrn("Maximum payloads over %.2f MB are generally discouraged and could lead to poor performance", PAYLOAD_LARGE / 1048576.0);
}
