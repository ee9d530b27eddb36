/* Protocol lines for the log (-V): "<<- [PUB foo 5]" came in, "->> [PONG]" goes out. Secrets of CONNECT are redacted, what
 * peers wrote is escaped. */
#include <stdio.h>
#include <string.h>

#include "core/net/net_priv.h"

enum {
    TRACE_TEXT_MAX = 1024,
    TRACE_PAYLOAD_MAX = 15000, /* more would not fit into a line */
    TRACE_BLANK_LEN = 4,       /* CR LF CR LF, which end the headers */
};

static const char *const trace_verbs[NATS_KIND_N] = {
    [NATS_PUB] = "PUB",         [NATS_HPUB] = "HPUB", [NATS_SUB] = "SUB",   [NATS_UNSUB] = "UNSUB",
    [NATS_CONNECT] = "CONNECT", [NATS_PING] = "PING", [NATS_PONG] = "PONG",
};

/* Append " text" of n bytes, escaped, at *off. */
static void
trace_arg(char *to, size_t cap, size_t *off, const uint8_t *p, size_t n)
{
    if (n == 0 || *off + 2 >= cap)
        return;
    to[(*off)++] = ' ';
    (void)log_quote(to + *off, cap - *off, p, n);
    *off += strlen(to + *off);
}

/* What of a message is to be seen: its headers without the blank line behind them, or all of it; up to max_traced_msg_len bytes. */
static void
trace_payload(const struct net *n, const char *name, const char *arrow, const uint8_t *p, uint32_t hdr_len, uint32_t len)
{
    char text[TRACE_PAYLOAD_MAX];
    uint32_t max = n->cfg->max_traced;

    if (n->cfg->trace_headers)
        len = hdr_len >= TRACE_BLANK_LEN ? hdr_len - TRACE_BLANK_LEN : 0;
    if (len == 0)
        return;
    bool cut = max > 0 && len > max;
    (void)log_quote_string(text, sizeof(text), p, cut ? max : len);
    log_trc("%s - %s MSG_PAYLOAD: [\"%s%s\"]", name, arrow, text, cut ? "..." : "");
}

void
trace_in(const struct net *n, const struct conn *c, const struct nats_op *op)
{
    char name[CONN_NAME_MAX], args[TRACE_TEXT_MAX];
    size_t off = 0;

    (void)conn_name(c, name, sizeof(name));
    args[0] = '\0';
    switch ((enum nats_kind)op->kind) {
    case NATS_PUB:
    case NATS_HPUB:
        trace_arg(args, sizeof(args), &off, op->subject, op->subject_len);
        trace_arg(args, sizeof(args), &off, op->reply, op->reply_len);
        if (op->kind == NATS_HPUB) /* the parser writes nothing there for PUB */
            trace_arg(args, sizeof(args), &off, op->hdr_text, op->hdr_text_len);
        trace_arg(args, sizeof(args), &off, op->size_text, op->size_text_len);
        break;
    case NATS_SUB:
        trace_arg(args, sizeof(args), &off, op->subject, op->subject_len);
        trace_arg(args, sizeof(args), &off, op->queue, op->queue_len);
        trace_arg(args, sizeof(args), &off, op->sid, op->sid_len);
        break;
    case NATS_UNSUB:
        trace_arg(args, sizeof(args), &off, op->sid, op->sid_len);
        if (op->max > 0)
            (void)snprintf(args + off, sizeof(args) - off, " %u", op->max);
        break;
    case NATS_CONNECT:
        args[0] = ' ';
        (void)nats_connect_redact(op->args, op->args_len, args + 1, sizeof(args) - 1); /* cut is fine in a log */
        break;
    case NATS_PING:
    case NATS_PONG:
        break;
    case NATS_INFO:
    case NATS_PLUS_OK:
    case NATS_MINUS_ERR:
        return; /* no client says these; what follows of them is logged where it is done */
    case NATS_KIND_N:
    default:
        ASSERT(false); /* an operation the parser does not make */
    }
    log_trc("%s - <<- [%s%s]", name, trace_verbs[op->kind], args);
    if (op->kind == NATS_PUB || op->kind == NATS_HPUB)
        trace_payload(n, name, "<<-", op->payload, op->kind == NATS_HPUB ? op->hdr_size : 0, op->size);
}

void
trace_mapping(const struct conn *c, const struct pub_msg *from, const uint8_t *to, uint32_t to_len)
{
    char name[CONN_NAME_MAX], args[TRACE_TEXT_MAX];
    size_t off = 0;

    if (LIKELY(!log_trace_on))
        return;
    args[0] = '\0';
    trace_arg(args, sizeof(args), &off, from->subject, from->subject_len);
    trace_arg(args, sizeof(args), &off, (const uint8_t *)"->", 2);
    trace_arg(args, sizeof(args), &off, to, to_len);
    log_trc("%s - <<- [MAPPING%s%s]", conn_name(c, name, sizeof(name)), args, to_len == 0 ? " " : "");
}

void
trace_out(const struct conn *c, const char *line, uint32_t len)
{
    char name[CONN_NAME_MAX], text[TRACE_TEXT_MAX];

    if (LIKELY(!log_trace_on))
        return;
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    (void)conn_name(c, name, sizeof(name));
    /* "-ERR 'text'" is shown without its quotes, "+OK" without its sign, as nats-server does. */
    if (len > 7 && memcmp(line, "-ERR '", 6) == 0 && line[len - 1] == '\'')
        log_trc("%s - ->> [-ERR %s]", name, log_quote(text, sizeof(text), line + 6, len - 7));
    else if (len == 3 && memcmp(line, "+OK", 3) == 0)
        log_trc("%s - ->> [OK]", name);
    else
        log_trc("%s - ->> [%s]", name, log_quote(text, sizeof(text), line, len));
}

void
trace_msg(const struct net *n, const struct endpoint *ep, const struct sub *s, const struct pub_msg *m)
{
    bool stripped = m->hdr && (ep->flags & EP_HEADERS) == 0;
    uint32_t payload_off = m->payload_off + (stripped ? m->hdr_len : 0), size = m->tail_len - 2 - payload_off, sid_len;
    char name[CONN_NAME_MAX], args[TRACE_TEXT_MAX];
    const uint8_t *sid = sub_sid(s, &sid_len);
    size_t off = 0;

    (void)conn_name((const struct conn *)(const void *)ep, name, sizeof(name));
    trace_arg(args, sizeof(args), &off, m->subject, m->subject_len);
    trace_arg(args, sizeof(args), &off, sid, sid_len);
    if (stripped) {
        trace_arg(args, sizeof(args), &off, m->reply, m->reply_len);
        (void)snprintf(args + off, sizeof(args) - off, " %u", size);
    } else {
        trace_arg(args, sizeof(args), &off, m->tail + 1, m->payload_off - 3); /* between its space and its line end */
    }
    log_trc("%s - ->> [%s%s]", name, m->hdr && !stripped ? "HMSG" : "MSG", args);
    trace_payload(n, name, "->>", m->tail + payload_off, stripped ? 0 : m->hdr_len, size);
}

void
trace_delsub(const struct endpoint *ep, const struct sub *s)
{
    char name[CONN_NAME_MAX], text[TRACE_TEXT_MAX];
    uint32_t sid_len;
    const uint8_t *sid = sub_sid(s, &sid_len);

    log_trc("%s - <-> [DELSUB %s]", conn_name((const struct conn *)(const void *)ep, name, sizeof(name)),
            log_quote(text, sizeof(text), sid, sid_len));
}
