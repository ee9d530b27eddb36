#include "tests/sim/client.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT_HEADERS_TEXT "NATS/1.0\r\nA: b\r\n\r\n"

enum { CLIENT_HEADERS_LEN = sizeof(CLIENT_HEADERS_TEXT) - 1 };

__attribute__((format(printf, 2, 3))) static void
client_complain(struct client *c, const char *fmt, ...)
{
    va_list ap;

    if (c->complaint[0] != '\0')
        return;
    int n = snprintf(c->complaint, sizeof(c->complaint), "c%u: ", c->id);
    va_start(ap, fmt);
    (void)vsnprintf(c->complaint + n, sizeof(c->complaint) - (size_t)n, fmt, ap); /* cut is fine in a message */
    va_end(ap);
}

/* ---- saying ---- */

static void
client_say(struct client *c, const void *bytes, uint32_t len)
{
    ASSERT(c->out_len + len <= CLIENT_OUT_MAX);
    memcpy(c->out + c->out_len, bytes, len);
    c->out_len += len;
}

__attribute__((format(printf, 2, 3))) static void
client_line(struct client *c, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    ASSERT(n > 0 && (size_t)n < sizeof(line));
    client_say(c, line, (uint32_t)n);
}

bool
client_room(const struct client *c, uint32_t len)
{
    return !c->over && c->out_len + len + 1024 <= CLIENT_OUT_MAX;
}

struct client *
client_connect(struct world *w, struct history *h, uint32_t flags)
{
    struct client *c = malloc(sizeof(*c));

    ASSERT(c != NULL);
    memset(c, 0, offsetof(struct client, out));
    c->w = w;
    c->h = h;
    c->flags = flags;
    c->last_sub = c->last_pub = UINT32_MAX;
    c->id = history_connect(h);
    h->clients[c->id].echo = (flags & CLIENT_CONNECT) == 0 || (flags & CLIENT_NO_ECHO) == 0;
    c->peer = sim_peer_connect(w->sim, WORLD_HOST, (uint16_t)atomic_load(&w->net_set.port));
    if ((flags & CLIENT_CONNECT) != 0)
        client_line(c, "CONNECT {\"pedantic\":false,\"verbose\":%s,\"echo\":%s,\"headers\":%s,\"protocol\":%d}\r\n", (flags & CLIENT_VERBOSE) != 0 ? "true" : "false",
                    (flags & CLIENT_NO_ECHO) != 0 ? "false" : "true", (flags & CLIENT_HEADERS) != 0 ? "true" : "false", (int)(c->id % 2));
    return c;
}

void
client_free(struct client *c)
{
    if (c == NULL)
        return;
    sim_peer_free(c->peer);
    free(c);
}

void
client_sub(struct client *c, uint32_t pattern, uint32_t queue)
{
    c->last_sub = history_sub(c->h, c->id, pattern, queue);
    client_line(c, "SUB %s %s %u\r\n", history_pattern_text(pattern), history_queue_text(queue), c->last_sub);
}

void
client_unsub(struct client *c, uint32_t sub)
{
    history_unsub(c->h, sub);
    client_line(c, "UNSUB %u\r\n", sub);
}

void
client_max(struct client *c, uint32_t sub, uint32_t max)
{
    history_max(c->h, sub, max);
    client_line(c, "UNSUB %u %u\r\n", sub, max);
}

/* What stands behind the number in every payload of publish `pub`: what a parser that lost its place would trip over. */
static const uint8_t *
client_filler(uint32_t pub)
{
    static const char text[] = "\r\nPUB a.x 3\r\nMSG +OK\r\n-ERR *.> 0123456789";
    static uint8_t filler[CLIENT_PAYLOAD_MAX + sizeof(text)];

    if (filler[0] == 0) {
        for (uint32_t i = 0; i < sizeof(filler); i++)
            filler[i] = (uint8_t)text[i % (sizeof(text) - 1)];
    }
    return filler + pub * 7 % (sizeof(text) - 1);
}

void
client_pub(struct client *c, uint32_t subject, uint32_t len, bool reply, bool hdr)
{
    ASSERT(len >= CLIENT_PAYLOAD_MIN && len <= CLIENT_PAYLOAD_MAX);
    char reply_text[32] = "", head[16];
    hdr = hdr && (c->flags & CLIENT_CONNECT) != 0 && (c->flags & CLIENT_HEADERS) != 0;
    uint32_t p = history_pub(c->h, c->id, subject, len, reply, hdr);

    c->last_pub = p;
    if (reply)
        (void)snprintf(reply_text, sizeof(reply_text), "r.%u ", p); /* fits */
    if (hdr) {
        client_line(c, "HPUB %s %s%u %u\r\n", history_pattern_text(subject), reply_text, CLIENT_HEADERS_LEN, CLIENT_HEADERS_LEN + len);
        client_say(c, CLIENT_HEADERS_TEXT, CLIENT_HEADERS_LEN);
    } else {
        /* Sometimes not as the server would write it, so that it has to. */
        client_line(c, "PUB %s %s%s%u\r\n", history_pattern_text(subject), reply_text, p % 16 == 0 ? "\t " : "", len);
    }
    (void)snprintf(head, sizeof(head), "%08x", p); /* fits */
    client_say(c, head, CLIENT_PAYLOAD_MIN);
    client_say(c, client_filler(p), len - CLIENT_PAYLOAD_MIN);
    client_say(c, "\r\n", 2);
}

void
client_ping(struct client *c)
{
    ASSERT(c->n_pings < CLIENT_PINGS_MAX);
    c->pings[c->n_pings++] = history_ping(c->h, c->id);
    client_line(c, "PING\r\n");
}

void
client_end(struct client *c, bool reset)
{
    history_end(c->h, c->id, true);
    c->over = true;
    if (reset)
        sim_peer_reset(c->peer);
    else
        sim_peer_close(c->peer);
}

uint32_t
client_send(struct client *c, uint32_t max)
{
    uint32_t len = (uint32_t)min_u64(c->out_len - c->out_off, max);
    if (c->over || len == 0)
        return 0;
    uint32_t n = (uint32_t)sim_peer_send(c->peer, c->out + c->out_off, len);
    c->out_off += n;
    if (c->out_off == c->out_len)
        c->out_off = c->out_len = 0;
    return n;
}

/* ---- hearing ---- */

static uint64_t
client_number(const char **at, const char *end)
{
    uint64_t v = 0;

    while (*at < end && **at == ' ')
        (*at)++;
    if (*at == end || **at < '0' || **at > '9')
        return UINT64_MAX;
    while (*at < end && **at >= '0' && **at <= '9')
        v = v * 10 + (uint64_t)(*(*at)++ - '0');
    return v;
}

static void
client_on_info(struct client *c, const char *line, uint32_t len)
{
    static const char key[] = "\"client_id\":";
    const char *at = memmem(line, len, key, sizeof(key) - 1), *end = line + len;

    if (c->open)
        return; /* a later INFO */
    if (at == NULL) {
        client_complain(c, "INFO without client_id");
        return;
    }
    at += sizeof(key) - 1;
    c->open = true;
    uint64_t cid = client_number(&at, end);
    history_open(c->h, c->id, cid, world_find_cid(c->w, cid));
}

static void
client_on_pong(struct client *c)
{
    if (c->n_pings == 0) {
        client_complain(c, "PONG without PING");
        return;
    }
    history_pong(c->h, c->pings[0]);
    c->n_pings--;
    memmove(c->pings, c->pings + 1, c->n_pings * sizeof(c->pings[0]));
    c->n_ponged++;
}

/* The number that a payload begins with; UINT32_MAX: none. */
static uint32_t
client_pub_of(const uint8_t *payload)
{
    uint32_t v = 0;

    for (uint32_t i = 0; i < CLIENT_PAYLOAD_MIN; i++) {
        uint8_t b = payload[i];
        if (!(b >= '0' && b <= '9') && !(b >= 'a' && b <= 'f'))
            return UINT32_MAX;
        v = v << 4 | (uint32_t)(b <= '9' ? b - '0' : b - 'a' + 10);
    }
    return v;
}

/* A whole message: its line's words, and its bytes. */
struct client_msg {
    const char *subject, *reply;
    uint32_t subject_len, reply_len;
    uint64_t sid, hdr, size;
    const uint8_t *bytes;
};

static void
client_on_msg(struct client *c, const struct client_msg *m)
{
    char reply[32];
    const uint8_t *payload = m->bytes + m->hdr;
    uint64_t len = m->size - m->hdr;

    if (m->sid >= c->h->n_subs || c->h->subs[m->sid].client != c->id) {
        client_complain(c, "a message for sid %" PRIu64 ", which is not ours", m->sid);
        return;
    }
    uint32_t pub = len < CLIENT_PAYLOAD_MIN ? UINT32_MAX : client_pub_of(payload);
    if (pub >= c->h->n_pubs) {
        client_complain(c, "a payload that nobody published");
        return;
    }
    const struct h_pub *p = &c->h->pubs[pub];
    const char *subject = history_pattern_text(p->subject);
    int n = p->reply ? snprintf(reply, sizeof(reply), "r.%u", pub) : 0;
    bool hdr = p->hdr && (c->flags & CLIENT_CONNECT) != 0 && (c->flags & CLIENT_HEADERS) != 0;
    bool same = len == p->len && m->subject_len == strlen(subject) && memcmp(m->subject, subject, m->subject_len) == 0 &&
                m->reply_len == (uint32_t)n && memcmp(m->reply, reply, m->reply_len) == 0 && m->hdr == (hdr ? CLIENT_HEADERS_LEN : 0) &&
                memcmp(m->bytes, CLIENT_HEADERS_TEXT, m->hdr) == 0 &&
                memcmp(payload + CLIENT_PAYLOAD_MIN, client_filler(pub), len - CLIENT_PAYLOAD_MIN) == 0;
    if (!same) {
        client_complain(c, "p%u arrived changed", pub);
        return;
    }
    if (!history_match(c->h->subs[m->sid].pattern, p->subject)) {
        client_complain(c, "p%u for s%" PRIu64 ", which it does not match", pub, m->sid);
        return;
    }
    history_msg(c->h, c->id, (uint32_t)m->sid, pub);
    c->n_msgs++;
    c->msg_pub = pub;
}

/* The words of "MSG subject sid [reply] size" or "HMSG subject sid [reply] hdr size". */
static bool
client_words(const char *line, const char *end, bool hdr, struct client_msg *m)
{
    const char *word[6];
    uint32_t len[6], n = 0;

    for (const char *p = line; p < end && n < 6;) {
        word[n] = p;
        while (p < end && *p != ' ')
            p++;
        len[n] = (uint32_t)(p - word[n]);
        n++;
        p += p < end;
    }
    uint32_t n_least = hdr ? 5 : 4;
    if (n != n_least && n != n_least + 1)
        return false;
    *m = (struct client_msg){.subject = word[1], .subject_len = len[1], .reply = ""};
    if (n == n_least + 1) {
        m->reply = word[3];
        m->reply_len = len[3];
    }
    const char *at = word[2];
    m->sid = client_number(&at, end);
    at = word[n - 1];
    m->size = client_number(&at, end);
    at = word[n - 2];
    m->hdr = hdr ? client_number(&at, end) : 0;
    return m->size <= CLIENT_PAYLOAD_MAX + CLIENT_HEADERS_LEN && m->hdr <= m->size;
}

/* One operation at p; its bytes, or 0: not complete. */
static uint32_t
client_one(struct client *c, const uint8_t *p, uint32_t len)
{
    const uint8_t *lf = memchr(p, '\n', len);
    const char *line = (const char *)p;
    struct client_msg m;

    if (lf == NULL)
        return 0;
    uint32_t n = (uint32_t)(lf - p) + 1;
    if (n < 2 || p[n - 2] != '\r') {
        client_complain(c, "a line that ends without CR");
        return n;
    }
    bool hmsg = n > 5 && memcmp(line, "HMSG ", 5) == 0;
    if (hmsg || (n > 4 && memcmp(line, "MSG ", 4) == 0)) {
        if (!client_words(line, line + n - 2, hmsg, &m)) {
            client_complain(c, "a MSG line that is none: %.*s", (int)n - 2, line);
            return n;
        }
        if (len < n + m.size + 2)
            return 0;
        m.bytes = p + n;
        if (memcmp(p + n + m.size, "\r\n", 2) != 0)
            client_complain(c, "a payload that ends elsewhere");
        else
            client_on_msg(c, &m);
        return n + (uint32_t)m.size + 2;
    }
    if (n > 5 && memcmp(line, "INFO ", 5) == 0)
        client_on_info(c, line, n);
    else if (n == 6 && memcmp(line, "PONG", 4) == 0)
        client_on_pong(c);
    else if (n == 6 && memcmp(line, "PING", 4) == 0)
        client_line(c, "PONG\r\n");
    else if (n != 5 || memcmp(line, "+OK", 3) != 0)
        client_complain(c, "got: %.*s", (int)n - 2, line);
    return n;
}

bool
client_readable(struct client *c)
{
    return !c->over && sim_peer_readable(c->peer);
}

void
client_read(struct client *c, uint32_t max)
{
    uint32_t off = 0, n;

    if (c->over)
        return;
    max = (uint32_t)min_u64(max, CLIENT_IN_MAX - c->in_len);
    ASSERT(max > 0);
    c->in_len += (uint32_t)sim_peer_recv(c->peer, c->in + c->in_len, max);
    while (off < c->in_len && (n = client_one(c, c->in + off, c->in_len - off)) > 0)
        off += n;
    memmove(c->in, c->in + off, c->in_len - off);
    c->in_len -= off;
    enum sim_peer_state st = sim_peer_state(c->peer);
    if (st != SIM_PEER_EOF && st != SIM_PEER_RESET && st != SIM_PEER_REFUSED)
        return;
    if (c->w->cfg.sim.reset_ppm == 0 && c->w->cfg.pending_max == 0)
        client_complain(c, "the server ended the connection");
    history_end(c->h, c->id, false);
    c->over = true;
}
