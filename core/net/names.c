/* What connections are called in the log, and how often the log is told of what peers do wrong. */
#include <stdio.h>
#include <string.h>

#include "core/net/client_auth.h"
#include "core/net/net_priv.h"

enum { NAME_PART_MAX = 256 }; /* bytes of a name, language, version or user that are shown */

/* ---- "1.2.3.4:5 - cid:7 - "v1.2:go:name" - "$G/user:u"" ---- */

/* Append text at *off; cut at cap. */
static void
name_add(char *to, uint32_t cap, uint32_t *off, const char *text)
{
    int n = snprintf(to + *off, cap - *off, "%s", text);
    *off = n < 0 || (uint32_t)n >= cap - *off ? cap - 1 : *off + (uint32_t)n;
}

/* Append before and a peer's text, if there is any. Returns whether there was. */
static bool
name_add_part(char *to, uint32_t cap, uint32_t *off, const char *before, const struct json_str *s)
{
    char text[NAME_PART_MAX];

    if (s->len == 0)
        return false;
    name_add(to, cap, off, before);
    name_add(to, cap, off, log_quote_string(text, sizeof(text), s->ptr, s->len));
    return true;
}

/* Who it says it is, by what it signed in with. (An nkey is not shown before somebody has verified it: clients have put seeds there.) */
static void
name_add_user(const struct conn *c, char *to, uint32_t cap, uint32_t *off)
{
    const struct nats_connect *o = c->opts;
    char label[NAME_PART_MAX];

    if (c->auth != NULL) { /* who it is, and not only says it is */
        if (*client_auth_label(c, label, sizeof(label)) == '\0')
            return;
        name_add(to, cap, off, " - \"$G/");
        name_add(to, cap, off, label);
        name_add(to, cap, off, "\"");
        return;
    }
    if (o == NULL || (c->flags & CONN_CONNECTED) == 0 || (o->user.len == 0 && !o->had_token))
        return;
    name_add(to, cap, off, " - \"$G/");
    if (!name_add_part(to, cap, off, "user:", &o->user))
        name_add(to, cap, off, "token");
    name_add(to, cap, off, "\"");
}

const char *
conn_name(const struct conn *c, char *to, uint32_t cap)
{
    char peer[ADDR_TEXT_MAX], text[32];
    uint32_t off = 0;

    (void)addr_text(&c->peer, peer, sizeof(peer)); /* empty when the system did not say */
    name_add(to, cap, &off, peer);
    (void)snprintf(text, sizeof(text), " - cid:%llu", (unsigned long long)c->cid);
    name_add(to, cap, &off, text);
    if (c->opts != NULL) {
        bool any = name_add_part(to, cap, &off, " - \"v", &c->opts->version);
        any |= name_add_part(to, cap, &off, any ? ":" : " - \"", &c->opts->lang);
        any |= name_add_part(to, cap, &off, any ? ":" : " - \"", &c->opts->name);
        if (any)
            name_add(to, cap, &off, "\"");
    }
    name_add_user(c, to, cap, &off);
    return to;
}

/* ---- how often ---- */

static const char *const quiet_what[NET_QUIET_N] = {
    [NET_QUIET_PROTOCOL] = "protocol errors",
    [NET_QUIET_AUTH] = "authentication errors",
    [NET_QUIET_PERMS] = "permissions violations",
    [NET_QUIET_SLOW] = "slow consumers",
    [NET_QUIET_HTTP] = "failed health checks",
};

static void
quiet_tell(struct net *n)
{
    for (uint32_t i = 0; i < NET_QUIET_N; i++) {
        if (n->quiet[i].n_more > 0)
            log_err("%u more %s within a second, not logged one by one", n->quiet[i].n_more, quiet_what[i]);
        n->quiet[i] = (struct net_quiet){0};
    }
}

static void
quiet_on_timer(struct timer *t, int64_t now_ns)
{
    (void)now_ns;
    quiet_tell(CONTAINER_OF(t, struct net, quiet_timer));
}

bool
net_may_log(struct net *n, enum net_quiet_kind kind)
{
    struct net_quiet *q = &n->quiet[kind];

    if (!timer_armed(&n->quiet_timer)) {
        n->quiet_timer.fn = quiet_on_timer;
        timer_arm(&n->sh->timers, &n->quiet_timer, n->sh->now + NS_PER_S);
    }
    if (q->n < NET_QUIET_MAX) {
        q->n++;
        return true;
    }
    q->n_more++;
    COUNT(&n->sh->counters, log_withheld, 1);
    return false;
}

void
net_quiet_end(struct net *n)
{
    timer_disarm(&n->sh->timers, &n->quiet_timer);
    quiet_tell(n);
}
