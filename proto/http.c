#include "proto/http.h"

#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "proto/out.h"

enum http_flag {
    HTTP_HAS_HOST = 1,
    HTTP_HAS_LENGTH = 2,
    HTTP_HAS_CODING = 4,
    HTTP_HAS_BODY = 8,
    HTTP_CLOSE = 16,
    HTTP_KEEP = 32,
    HTTP_EXPECT = 64,
};

/* ---- letters ---- */

static bool
http_is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* RFC 9110 5.6.2 */
static bool
http_is_token(uint8_t c)
{
    return http_is_alnum(c) || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
http_all_token(const uint8_t *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!http_is_token(s[i]))
            return false;
    }
    return len > 0;
}

static bool
http_is_host(uint8_t c)
{
    return http_is_alnum(c) || (c != 0 && strchr("!$%&'()*+,-.:;=[]_~", c) != NULL);
}

static uint8_t
http_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* In any letter case; word is ASCII. */
static bool
http_begins(const uint8_t *s, size_t len, const char *word)
{
    size_t n = strlen(word);

    if (len < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (http_lower(s[i]) != http_lower((uint8_t)word[i]))
            return false;
    }
    return true;
}

static bool
http_is(const uint8_t *s, size_t len, const char *word)
{
    return strlen(word) == len && http_begins(s, len, word);
}

static struct nats_view
http_trim(const uint8_t *s, size_t len)
{
    while (len > 0 && (s[0] == ' ' || s[0] == '\t')) {
        s++;
        len--;
    }
    while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'))
        len--;
    return (struct nats_view){.ptr = s, .len = len};
}

static int
http_hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- the request line ---- */

static bool
http_fail(struct http_parser *p, uint16_t status, const char *text)
{
    p->bad = (struct http_bad){.status = status, .text = text};
    return false;
}

static bool
http_escapes_ok(const uint8_t *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '%' && (len - i < 3 || http_hex(s[i + 1]) < 0 || http_hex(s[i + 2]) < 0))
            return false;
    }
    return true;
}

/* "/path?query", "http://host/path?query", or "*". The offsets of its parts from the line's beginning, which is the buffer's. */
static bool
http_target(struct http_parser *p, const uint8_t *buf, uint32_t off, uint32_t len)
{
    const uint8_t *s = buf + off;
    uint32_t skip = 0;

    if (len == 1 && s[0] == '*') {
        p->path = off;
        p->path_len = 1;
        return http_is(buf, p->method_len, "OPTIONS");
    }
    if (s[0] != '/') {
        if (http_begins(s, len, "http://"))
            skip = 7;
        else if (http_begins(s, len, "https://"))
            skip = 8;
        else
            return false;
        uint32_t host = skip;
        while (skip < len && s[skip] != '/' && s[skip] != '?') {
            if (!http_is_host(s[skip++]))
                return false;
        }
        if (skip == host)
            return false;
    }
    const uint8_t *q = memchr(s + skip, '?', len - skip);
    uint32_t end = q != NULL ? (uint32_t)(q - s) : len;
    p->path = off + skip;
    p->path_len = end - skip;
    p->query = q != NULL ? off + end + 1 : off + len;
    p->query_len = q != NULL ? len - end - 1 : 0;
    return http_escapes_ok(s + skip, end - skip);
}

static bool
http_version(struct http_parser *p, const uint8_t *s, uint32_t len)
{
    if (len != 8 || memcmp(s, "HTTP/", 5) != 0 || s[5] < '0' || s[5] > '9' || s[6] != '.' || s[7] < '0' || s[7] > '9')
        return http_fail(p, 400, "");
    if (s[5] != '1' || s[7] > '1')
        return http_fail(p, 505, "unsupported protocol version");
    p->http_1_0 = s[7] == '0';
    return true;
}

/* METHOD SP target SP HTTP/1.x */
static bool
http_request_line(struct http_parser *p, const uint8_t *buf, uint32_t len)
{
    const uint8_t *sp = memchr(buf, ' ', len);
    if (sp == NULL || !http_all_token(buf, (size_t)(sp - buf)))
        return http_fail(p, 400, "");
    p->method_len = (uint32_t)(sp - buf);
    uint32_t off = p->method_len + 1;
    const uint8_t *sp2 = memchr(buf + off, ' ', len - off);
    if (sp2 == NULL || sp2 == buf + off)
        return http_fail(p, 400, "");
    uint32_t target_len = (uint32_t)(sp2 - buf) - off;
    for (uint32_t i = off; i < off + target_len; i++) {
        if (buf[i] <= ' ' || buf[i] >= 0x7f)
            return http_fail(p, 400, "");
    }
    if (!http_version(p, sp2 + 1, len - off - target_len - 1))
        return false;
    return http_target(p, buf, off, target_len) || http_fail(p, 400, "");
}

/* ---- header lines ---- */

static bool
http_on_length(struct http_parser *p, struct nats_view v)
{
    if ((p->flags & (HTTP_HAS_LENGTH | HTTP_HAS_CODING)) != 0 || v.len == 0 || v.len > 18)
        return http_fail(p, 400, "");
    p->flags |= HTTP_HAS_LENGTH;
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < '0' || v.ptr[i] > '9')
            return http_fail(p, 400, "");
        if (v.ptr[i] != '0')
            p->flags |= HTTP_HAS_BODY;
    }
    return true;
}

static bool
http_on_coding(struct http_parser *p, struct nats_view v)
{
    if ((p->flags & (HTTP_HAS_LENGTH | HTTP_HAS_CODING)) != 0 || p->http_1_0)
        return http_fail(p, 400, "");
    if (!http_is(v.ptr, v.len, "chunked"))
        return http_fail(p, 501, "unsupported transfer encoding");
    p->flags |= HTTP_HAS_CODING | HTTP_HAS_BODY;
    return true;
}

static bool
http_on_host(struct http_parser *p, struct nats_view v)
{
    if ((p->flags & HTTP_HAS_HOST) != 0)
        return http_fail(p, 400, "too many Host headers");
    p->flags |= HTTP_HAS_HOST;
    for (size_t i = 0; i < v.len; i++) {
        if (!http_is_host(v.ptr[i]))
            return http_fail(p, 400, "malformed Host header");
    }
    return true;
}

bool
http_has_token(struct nats_view list, const char *token)
{
    while (list.len > 0) {
        const uint8_t *comma = memchr(list.ptr, ',', list.len);
        size_t len = comma != NULL ? (size_t)(comma - list.ptr) : list.len;
        struct nats_view v = http_trim(list.ptr, len);
        if (http_is(v.ptr, v.len, token))
            return true;
        size_t skip = comma != NULL ? len + 1 : len;
        list.ptr += skip;
        list.len -= skip;
    }
    return false;
}

static bool
http_on_header(struct http_parser *p, const uint8_t *name, size_t name_len, struct nats_view v)
{
    if (http_is(name, name_len, "Host"))
        return http_on_host(p, v);
    if (http_is(name, name_len, "Content-Length"))
        return http_on_length(p, v);
    if (http_is(name, name_len, "Transfer-Encoding"))
        return http_on_coding(p, v);
    if (http_is(name, name_len, "Connection")) {
        if (http_has_token(v, "close"))
            p->flags |= HTTP_CLOSE;
        if (http_has_token(v, "keep-alive"))
            p->flags |= HTTP_KEEP;
    } else if (http_is(name, name_len, "Expect") && v.len > 0) {
        if (!http_is(v.ptr, v.len, "100-continue"))
            return http_fail(p, 417, "");
        p->flags |= HTTP_EXPECT;
    }
    return true;
}

static bool
http_header_line(struct http_parser *p, const uint8_t *line, uint32_t len)
{
    if (line[0] == ' ' || line[0] == '\t')
        return http_fail(p, 400, "folded header line");
    if (++p->n_headers > p->lim.max_headers)
        return http_fail(p, 431, "");
    const uint8_t *colon = memchr(line, ':', len);
    if (colon == NULL || !http_all_token(line, (size_t)(colon - line)))
        return http_fail(p, 400, "invalid header name");
    size_t name_len = (size_t)(colon - line);
    return http_on_header(p, line, name_len, http_trim(colon + 1, len - name_len - 1));
}

/* ---- lines ---- */

static void
http_give(const struct http_parser *p, const uint8_t *buf, uint32_t end, struct http_req *ret)
{
    static const uint8_t root[] = "/";

    *ret = (struct http_req){
        .method = {.ptr = buf, .len = p->method_len},
        .path = p->path_len > 0 ? (struct nats_view){.ptr = buf + p->path, .len = p->path_len} : (struct nats_view){.ptr = root, .len = 1},
        .query = {.ptr = buf + p->query, .len = p->query_len},
        .headers = {.ptr = buf + p->headers, .len = end - 2 - p->headers},
        .n_bytes = end,
        .http_1_0 = p->http_1_0,
        .keep_alive = (p->flags & HTTP_CLOSE) == 0 && (!p->http_1_0 || (p->flags & HTTP_KEEP) != 0),
        .has_body = (p->flags & HTTP_HAS_BODY) != 0,
        .expect = (p->flags & HTTP_EXPECT) != 0,
    };
}

/* The line that ends before the LF at `lf` is complete. True: go on. */
static bool
http_line(struct http_parser *p, const uint8_t *buf, uint32_t lf, bool *ret_end)
{
    uint32_t line = p->line, len = lf - 1 - line;

    p->line = lf + 1;
    if (line == 0) {
        p->headers = lf + 1;
        return http_request_line(p, buf, len);
    }
    if (len > 0)
        return http_header_line(p, buf + line, len);
    *ret_end = true;
    return p->http_1_0 || (p->flags & HTTP_HAS_HOST) != 0 || http_fail(p, 400, "missing required Host header");
}

/* A byte that is allowed in a head: everything but control characters, HT, CR and LF aside. CR stands before LF only. */
static bool
http_byte_ok(const uint8_t *buf, uint32_t i)
{
    bool after_cr = i > 0 && buf[i - 1] == '\r';

    if (after_cr || buf[i] == '\n')
        return after_cr && buf[i] == '\n';
    return (buf[i] >= ' ' && buf[i] != 0x7f) || buf[i] == '\t' || buf[i] == '\r';
}

void
http_parser_init(struct http_parser *p, const struct http_limits *lim)
{
    *p = (struct http_parser){.lim = *lim};
}

enum http_verdict
http_parse(struct http_parser *p, const uint8_t *buf, size_t len, struct http_req *ret, struct http_bad *ret_bad)
{
    bool end = false;

    while (p->bad.status == 0 && p->n_seen < len) {
        uint32_t i = p->n_seen++;
        if (i >= p->lim.max_bytes)
            (void)http_fail(p, 431, "");
        else if (!http_byte_ok(buf, i))
            (void)http_fail(p, 400, "");
        else if (buf[i] == '\n' && http_line(p, buf, i, &end) && end) {
            http_give(p, buf, i + 1, ret);
            return HTTP_REQ;
        }
    }
    if (p->bad.status == 0)
        return HTTP_MORE;
    *ret_bad = p->bad;
    return HTTP_BAD;
}

bool
http_header(const struct http_req *req, const char *name, size_t *at, struct nats_view *ret)
{
    const uint8_t *h = req->headers.ptr;

    while (*at < req->headers.len) {
        const uint8_t *line = h + *at;
        const uint8_t *lf = memchr(line, '\n', req->headers.len - *at);
        const uint8_t *colon = memchr(line, ':', req->headers.len - *at);
        if (lf == NULL || colon == NULL || colon > lf)
            return false; /* not a head that http_parse gave */
        *at = (size_t)(lf + 1 - h);
        if (http_is(line, (size_t)(colon - line), name)) {
            *ret = http_trim(colon + 1, (size_t)(lf - 1 - colon - 1));
            return true;
        }
    }
    return false;
}

const char *
http_status_text(uint32_t status)
{
    static const struct {
        uint16_t status;
        const char *text;
    } all[] = {
        {200, "OK"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {417, "Expectation Failed"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < N_ELEMS(all); i++) {
        if (all[i].status == status)
            return all[i].text;
    }
    return "";
}

/* ---- paths and queries ---- */

/* The next character of s[*at..len): decoded. -1: a bad escape. */
static int
http_decode_one(const uint8_t *s, size_t len, size_t *at, bool plus)
{
    uint8_t c = s[(*at)++];

    if (plus && c == '+')
        return ' ';
    if (c != '%')
        return c;
    int high = len - *at < 2 ? -1 : http_hex(s[*at]);
    int low = high < 0 ? -1 : http_hex(s[*at + 1]);
    if (low < 0)
        return -1;
    *at += 2;
    return high << 4 | low;
}

bool
http_path_decode(struct nats_view path, char *to, size_t *ret_len)
{
    size_t n = 0;

    for (size_t at = 0; at < path.len;) {
        int c = http_decode_one(path.ptr, path.len, &at, false);
        if (c < 0)
            return false;
        to[n++] = (char)c;
    }
    *ret_len = n;
    return true;
}

size_t
http_path_clean(const char *path, size_t len, char *to)
{
    size_t n = 0;

    for (size_t i = 0; i < len;) {
        while (i < len && path[i] == '/')
            i++;
        size_t part = i;
        while (i < len && path[i] != '/')
            i++;
        size_t part_len = i - part;
        if (part_len == 2 && path[part] == '.' && path[part + 1] == '.') {
            while (n > 0 && to[--n] != '/')
                ;
        } else if (part_len > 0 && !(part_len == 1 && path[part] == '.')) {
            to[n++] = '/';
            memcpy(to + n, path + part, part_len);
            n += part_len;
        }
    }
    if (n == 0 || (len > 0 && path[len - 1] == '/'))
        to[n++] = '/';
    return n;
}

/* Whether s decodes to name. */
static bool
http_query_is(const uint8_t *s, size_t len, const char *name)
{
    size_t n = 0, name_len = strlen(name);

    for (size_t at = 0; at < len;) {
        int c = http_decode_one(s, len, &at, true);
        if (c < 0 || n >= name_len || (uint8_t)name[n++] != c)
            return false;
    }
    return n == name_len;
}

static bool
http_query_decode(const uint8_t *s, size_t len, char *to, size_t cap, size_t *ret_len)
{
    size_t n = 0;

    for (size_t at = 0; at < len;) {
        int c = http_decode_one(s, len, &at, true);
        if (c < 0)
            return false;
        if (n + 1 < cap)
            to[n] = (char)c;
        n++;
    }
    to[n < cap ? n : cap - 1] = '\0';
    *ret_len = n;
    return true;
}

enum http_query
http_query_get(struct nats_view query, const char *name, char *to, size_t cap, size_t *ret_len)
{
    size_t len;

    for (size_t at = 0; at < query.len;) {
        const uint8_t *s = query.ptr + at;
        const uint8_t *amp = memchr(s, '&', query.len - at);
        size_t pair_len = amp != NULL ? (size_t)(amp - s) : query.len - at;
        at += pair_len + 1;
        if (pair_len == 0 || memchr(s, ';', pair_len) != NULL)
            continue;
        const uint8_t *eq = memchr(s, '=', pair_len);
        size_t key_len = eq != NULL ? (size_t)(eq - s) : pair_len;
        if (!http_query_is(s, key_len, name))
            continue;
        size_t skip = eq != NULL ? key_len + 1 : pair_len;
        if (!http_query_decode(s + skip, pair_len - skip, to, cap, &len))
            continue;
        *ret_len = len < cap ? len : cap - 1;
        return len < cap ? HTTP_QUERY_FOUND : HTTP_QUERY_LONG;
    }
    return HTTP_QUERY_NONE;
}

/* ---- dates ---- */

static void
http_two(struct out *o, uint32_t v)
{
    out_byte(o, (char)('0' + v / 10 % 10));
    out_byte(o, (char)('0' + v % 10));
}

void
http_date(int64_t unix_s, char to[HTTP_DATE_LEN + 1])
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    enum { DAY_S = 86400, LAST = 2932896 /* 9999-12-31: four digits */ };
    int64_t day = unix_s < 0 ? 0 : unix_s / DAY_S;
    uint32_t s = unix_s < 0 ? 0 : (uint32_t)(unix_s % DAY_S);

    if (day > LAST)
        day = LAST;
    /* Days since 0000-03-01 in eras of 400 years: Howard Hinnant, "chrono-compatible low-level date algorithms". */
    uint32_t z = (uint32_t)day + 719468, era = z / 146097, doe = z % 146097;
    uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint32_t mp = (5 * doy + 2) / 153, d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9;
    uint32_t y = yoe + era * 400 + (m <= 2);
    struct out o;
    out_init(&o, to, HTTP_DATE_LEN + 1);
    out_str(&o, days[day % 7]);
    out_str(&o, ", ");
    http_two(&o, d);
    out_byte(&o, ' ');
    out_str(&o, months[(m - 1) % 12]);
    out_byte(&o, ' ');
    http_two(&o, y / 100);
    http_two(&o, y % 100);
    out_byte(&o, ' ');
    http_two(&o, s / 3600);
    out_byte(&o, ':');
    http_two(&o, s / 60 % 60);
    out_byte(&o, ':');
    http_two(&o, s % 60);
    out_str(&o, " GMT");
    out_byte(&o, '\0');
    ASSERT(!o.full && o.len == HTTP_DATE_LEN + 1);
}
