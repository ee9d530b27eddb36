/* client.c - the conformance features with nats.c (Debian's libnats-dev).
 *
 *     client FEATURE URL
 *
 * Prints OK and ends with 0, or `FAIL: why` and 1. ../README.md says what each feature asks for; the
 * five other languages ask for the same.
 *
 * Threads  main's, and those of the library: callbacks only set flags under a lock.
 * Memory   a client of one feature lives for a second: a failure leaves its objects to the exit.
 */
#include <nats/nats.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WAIT_MS = 20000,         /* ends a run that hangs; no measurement */
    N_ORDERED = 5000,
    N_QUEUE = 300,
    N_REQUESTS = 50,
    N_DRAIN = 100,
    N_MANY = 5,
    MAX_PAYLOAD = 1048576,   /* the server's default */
    TOO_LARGE = 2000,        /* for a server that takes 1000, behind a relay that lets the client believe in 9000 */
};

static _Noreturn void
fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)printf("FAIL: ");
    (void)vprintf(fmt, ap);
    (void)printf("\n");
    va_end(ap);
    exit(1);
}

#define CHECK(cond, ...)          \
    do {                          \
        if (!(cond))              \
            fail(__VA_ARGS__);    \
    } while (0)

/* A call of the library that must succeed. */
#define DO(call)                                                        \
    do {                                                                \
        natsStatus st_ = (call);                                        \
        CHECK(st_ == NATS_OK, "%s: %s", #call, natsStatus_GetText(st_)); \
    } while (0)

static natsConnection *
dial(const char *url)
{
    natsConnection *nc = NULL;
    DO(natsConnection_ConnectTo(&nc, url));
    return nc;
}

static natsSubscription *
subscribe(natsConnection *nc, const char *subject)
{
    natsSubscription *sub = NULL;
    DO(natsConnection_SubscribeSync(&sub, nc, subject));
    return sub;
}

/* Whatever nc said has been handled, and whatever was sent to it before has arrived. */
static void
flush(natsConnection *nc)
{
    DO(natsConnection_FlushTimeout(nc, WAIT_MS));
}

static natsMsg *
next(natsSubscription *sub)
{
    natsMsg *msg = NULL;
    DO(natsSubscription_NextMsg(&msg, sub, WAIT_MS));
    return msg;
}

static void
expect_msg(natsSubscription *sub, const char *subject, const void *data, size_t len)
{
    natsMsg *msg = next(sub);
    CHECK(strcmp(natsMsg_GetSubject(msg), subject) == 0, "subject %s, not %s", natsMsg_GetSubject(msg), subject);
    CHECK((size_t)natsMsg_GetDataLength(msg) == len, "%d bytes on %s, not %zu", natsMsg_GetDataLength(msg), subject, len);
    CHECK(len == 0 || memcmp(natsMsg_GetData(msg), data, len) == 0, "other bytes on %s", subject);
    natsMsg_Destroy(msg);
}

static void
expect_text(natsSubscription *sub, const char *subject, const char *text)
{
    expect_msg(sub, subject, text, strlen(text));
}

static uint64_t
queued(natsSubscription *sub)
{
    uint64_t n = 0;
    DO(natsSubscription_QueuedMsgs(sub, &n));
    return n;
}

/* Messages that came over the wire, whatever the library did with them. */
static uint64_t
n_in(natsConnection *nc)
{
    uint64_t n = 0;
    natsStatistics *stats = NULL;
    DO(natsStatistics_Create(&stats));
    DO(natsConnection_GetStats(nc, stats));
    DO(natsStatistics_GetCounts(stats, &n, NULL, NULL, NULL, NULL));
    natsStatistics_Destroy(stats);
    return n;
}

/* --- features ------------------------------------------------------------------------------------------------ */

static void
feature_connect(const char *url)
{
    natsConnection *nc = dial(url);
    char id[128] = "";
    int64_t rtt = 0;

    DO(natsConnection_GetConnectedServerId(nc, id, sizeof id));
    CHECK(strlen(id) > 0, "no server id");
    CHECK(natsConnection_GetMaxPayload(nc) == MAX_PAYLOAD, "max_payload is %ld", (long)natsConnection_GetMaxPayload(nc));
    DO(natsConnection_HasHeaderSupport(nc));
    DO(natsConnection_GetRTT(nc, &rtt));
    flush(nc);
    natsConnection_Close(nc);
    CHECK(natsConnection_IsClosed(nc), "not closed");
    natsConnection_Destroy(nc);
}

static void
feature_publish(const char *url)
{
    natsConnection *a = dial(url), *b = dial(url);
    natsSubscription *sub = subscribe(a, "pub.a");
    static uint8_t bytes[65536];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    flush(a);

    DO(natsConnection_Publish(b, "pub.a", NULL, 0));
    DO(natsConnection_Publish(b, "pub.a", "x", 1));
    DO(natsConnection_Publish(b, "pub.a", bytes, 256));
    DO(natsConnection_Publish(b, "pub.a", bytes, (int)sizeof bytes));
    DO(natsConnection_PublishRequest(b, "pub.a", "pub.reply", "re", 2));
    flush(b);

    expect_text(sub, "pub.a", "");
    expect_text(sub, "pub.a", "x");
    expect_msg(sub, "pub.a", bytes, 256);
    expect_msg(sub, "pub.a", bytes, sizeof bytes);
    natsMsg *msg = next(sub);
    CHECK(natsMsg_GetReply(msg) != NULL && strcmp(natsMsg_GetReply(msg), "pub.reply") == 0, "no reply subject");
    natsMsg_Destroy(msg);
}

static void
feature_subscribe(const char *url)
{
    natsConnection *a = dial(url), *b = dial(url);
    natsSubscription *x = subscribe(a, "sub.x"), *y = subscribe(a, "sub.y");
    char text[32];
    flush(a);

    for (int i = 0; i < N_ORDERED; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        DO(natsConnection_PublishString(b, "sub.x", text));
    }
    flush(b);
    for (int i = 0; i < N_ORDERED; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        expect_text(x, "sub.x", text);
    }
    flush(a);
    CHECK(queued(x) == 0 && queued(y) == 0, "more than was published");

    DO(natsSubscription_Unsubscribe(x));
    flush(a);
    DO(natsConnection_PublishString(b, "sub.x", "late"));
    DO(natsConnection_PublishString(b, "sub.y", "end"));
    flush(b);
    expect_text(y, "sub.y", "end");
    CHECK(n_in(a) == N_ORDERED + 1, "a message came after UNSUB");
}

static void
feature_wildcards(const char *url)
{
    static const char *const subjects[] = {"wild.a.b", "wild.z.c", "wild.a", "wild.a.b.c", "wild", "other.a.c"};
    natsConnection *a = dial(url), *b = dial(url);
    natsSubscription *star = subscribe(a, "wild.*.c"), *gt = subscribe(a, "wild.>"), *lit = subscribe(a, "wild.a.b");
    flush(a);

    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++)
        DO(natsConnection_PublishString(b, subjects[i], subjects[i]));
    flush(b);
    flush(a);

    expect_text(star, "wild.z.c", "wild.z.c");
    expect_text(lit, "wild.a.b", "wild.a.b");
    for (size_t i = 0; i < 4; i++)
        expect_text(gt, subjects[i], subjects[i]);
    CHECK(queued(star) == 0 && queued(gt) == 0 && queued(lit) == 0, "something did not match and arrived");
}

static void
feature_queue(const char *url)
{
    natsConnection *a = dial(url), *b = dial(url), *c = dial(url);
    natsConnection *of[3] = {a, a, c};
    natsSubscription *member[3] = {NULL}, *plain = subscribe(a, "q.*");
    for (size_t i = 0; i < 3; i++)
        DO(natsConnection_QueueSubscribeSync(&member[i], of[i], "q.*", "workers"));
    flush(a);
    flush(c);

    char text[32];
    for (int i = 0; i < N_QUEUE; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        DO(natsConnection_PublishString(b, "q.work", text));
    }
    flush(b);
    flush(a);
    flush(c);

    uint8_t seen[N_QUEUE] = {0};
    for (size_t i = 0; i < 3; i++) {
        CHECK(queued(member[i]) > 0, "member %zu of the group never got a message", i);
        for (uint64_t n = queued(member[i]); n > 0; n--) {
            natsMsg *msg = next(member[i]);
            (void)snprintf(text, sizeof text, "%.*s", natsMsg_GetDataLength(msg), natsMsg_GetData(msg));
            long at = strtol(text, NULL, 10);
            CHECK(at >= 0 && at < N_QUEUE && seen[at]++ == 0, "message %s came twice", text);
            natsMsg_Destroy(msg);
        }
    }
    for (int i = 0; i < N_QUEUE; i++)
        CHECK(seen[i] == 1, "message %d came to no member", i);
    CHECK(queued(plain) == N_QUEUE, "the plain subscription got %d", (int)queued(plain));
}

/* Answer "re:" and what was asked, with one header of the question given back. */
static void
on_request(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)sub;
    (void)closure;
    natsMsg *answer = NULL;
    const char *tag = NULL;
    char text[64];
    int len = snprintf(text, sizeof text, "re:%.*s", natsMsg_GetDataLength(msg), natsMsg_GetData(msg));
    DO(natsMsg_Create(&answer, natsMsg_GetReply(msg), NULL, text, len));
    if (natsMsgHeader_Get(msg, "X-Tag", &tag) == NATS_OK)
        DO(natsMsgHeader_Set(answer, "X-Tag-Back", tag));
    DO(natsConnection_PublishMsg(nc, answer));
    natsMsg_Destroy(answer);
    natsMsg_Destroy(msg);
}

static void
feature_request(const char *url)
{
    natsConnection *a = dial(url), *b = dial(url);
    natsSubscription *sub = NULL;
    DO(natsConnection_Subscribe(&sub, a, "svc.echo", on_request, NULL));
    flush(a);

    for (int i = 0; i < N_REQUESTS; i++) {
        natsMsg *answer = NULL;
        char asked[32], wanted[40];
        (void)snprintf(asked, sizeof asked, "%d", i);
        (void)snprintf(wanted, sizeof wanted, "re:%d", i);
        DO(natsConnection_RequestString(&answer, b, "svc.echo", asked, WAIT_MS));
        CHECK((size_t)natsMsg_GetDataLength(answer) == strlen(wanted) && memcmp(natsMsg_GetData(answer), wanted, strlen(wanted)) == 0,
              "request %d got another answer", i);
        natsMsg_Destroy(answer);
    }
}

static void
feature_no_responders(const char *url)
{
    natsConnection *nc = dial(url);
    natsMsg *answer = NULL;
    natsStatus st = natsConnection_RequestString(&answer, nc, "nobody.home", "?", WAIT_MS);
    CHECK(st == NATS_NO_RESPONDERS, "%s, not no responders", natsStatus_GetText(st));
}

static void
feature_headers(const char *url)
{
    natsConnection *a = dial(url), *b = dial(url);
    natsSubscription *sub = subscribe(a, "hdr.a"), *svc = NULL;
    DO(natsConnection_Subscribe(&svc, a, "hdr.svc", on_request, NULL));
    flush(a);

    natsMsg *msg = NULL;
    DO(natsMsg_Create(&msg, "hdr.a", NULL, "body", 4));
    DO(natsMsgHeader_Set(msg, "X-One", "1"));
    DO(natsMsgHeader_Add(msg, "X-Two", "a"));
    DO(natsMsgHeader_Add(msg, "X-Two", "b c"));
    DO(natsConnection_PublishMsg(b, msg));
    natsMsg_Destroy(msg);

    const char *one = NULL, **two = NULL;
    int n_two = 0;
    msg = next(sub);
    DO(natsMsgHeader_Get(msg, "X-One", &one));
    DO(natsMsgHeader_Values(msg, "X-Two", &two, &n_two));
    CHECK(strcmp(one, "1") == 0, "X-One is %s", one);
    CHECK(n_two == 2 && strcmp(two[0], "a") == 0 && strcmp(two[1], "b c") == 0, "X-Two has %d values", n_two);
    CHECK(natsMsg_GetDataLength(msg) == 4 && memcmp(natsMsg_GetData(msg), "body", 4) == 0, "another body");
    free((void *)two);
    natsMsg_Destroy(msg);

    natsMsg *answer = NULL;
    DO(natsMsg_Create(&msg, "hdr.svc", NULL, "q", 1));
    DO(natsMsgHeader_Set(msg, "X-Tag", "t1"));
    DO(natsConnection_RequestMsg(&answer, b, msg, WAIT_MS));
    DO(natsMsgHeader_Get(answer, "X-Tag-Back", &one));
    CHECK(strcmp(one, "t1") == 0, "the answer's header is %s", one);
}

/* A flag that callbacks of the library raise. */
struct flag {
    pthread_mutex_t lock;
    pthread_cond_t raised;
    int n;
};

static void
flag_raise(struct flag *f)
{
    (void)pthread_mutex_lock(&f->lock);
    f->n++;
    (void)pthread_cond_broadcast(&f->raised);
    (void)pthread_mutex_unlock(&f->lock);
}

static void
flag_await(struct flag *f, int n, const char *what)
{
    struct timespec deadline;
    int rc = 0;
    (void)clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += WAIT_MS / 1000;
    (void)pthread_mutex_lock(&f->lock);
    while (f->n < n && rc == 0)
        rc = pthread_cond_timedwait(&f->raised, &f->lock, &deadline);
    int got = f->n;
    (void)pthread_mutex_unlock(&f->lock);
    CHECK(got >= n, "%s: %d, not %d", what, got, n);
}

static void
on_conn(natsConnection *nc, void *closure)
{
    (void)nc;
    flag_raise(closure);
}

static void
on_counted(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)nc;
    (void)sub;
    natsMsg_Destroy(msg);
    flag_raise(closure);
}

static void
feature_drain(const char *url)
{
    static struct flag handled = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    static struct flag closed = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    natsOptions *opts = NULL;
    natsConnection *a = NULL, *b = dial(url);
    natsSubscription *sub = NULL;
    DO(natsOptions_Create(&opts));
    DO(natsOptions_SetURL(opts, url));
    DO(natsOptions_SetClosedCB(opts, on_conn, &closed));
    DO(natsConnection_Connect(&a, opts));
    DO(natsConnection_Subscribe(&sub, a, "drain.x", on_counted, &handled));
    flush(a);

    for (int i = 0; i < N_DRAIN; i++)
        DO(natsConnection_PublishString(b, "drain.x", "m"));
    flush(b);
    DO(natsConnection_Drain(a));
    flag_await(&closed, 1, "closed after drain");
    flag_await(&handled, N_DRAIN, "messages handled by the end of the drain");
    DO(natsConnection_PublishString(b, "drain.x", "late"));
    flush(b);
    CHECK(handled.n == N_DRAIN, "%d messages were handled", handled.n);
}

static void
feature_reconnect(const char *url)
{
    static struct flag back = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    natsOptions *opts = NULL;
    natsConnection *a = NULL;
    DO(natsOptions_Create(&opts));
    DO(natsOptions_SetURL(opts, url));
    DO(natsOptions_SetMaxReconnect(opts, 10000));
    DO(natsOptions_SetReconnectWait(opts, 20));
    DO(natsOptions_SetReconnectJitter(opts, 1, 1));
    DO(natsOptions_SetReconnectedCB(opts, on_conn, &back));
    DO(natsConnection_Connect(&a, opts));
    natsSubscription *sub = subscribe(a, "again.*");
    flush(a);
    (void)printf("READY\n");
    (void)fflush(stdout);

    flag_await(&back, 1, "reconnected");
    flush(a);
    natsConnection *b = dial(url);
    DO(natsConnection_PublishString(b, "again.b", "from b"));
    flush(b);
    expect_text(sub, "again.b", "from b");
    DO(natsConnection_PublishString(a, "again.a", "from a"));
    expect_text(sub, "again.a", "from a");
}

static void
feature_no_echo(const char *url)
{
    natsOptions *opts = NULL;
    natsConnection *a = NULL, *b = dial(url);
    DO(natsOptions_Create(&opts));
    DO(natsOptions_SetURL(opts, url));
    DO(natsOptions_SetNoEcho(opts, true));
    DO(natsConnection_Connect(&a, opts));
    natsSubscription *own = subscribe(a, "echo.x"), *other = subscribe(b, "echo.x");
    flush(a);
    flush(b);

    DO(natsConnection_PublishString(a, "echo.x", "from a"));
    flush(a);
    DO(natsConnection_PublishString(b, "echo.x", "from b"));
    flush(b);
    expect_text(own, "echo.x", "from b");
    expect_text(other, "echo.x", "from a");
    expect_text(other, "echo.x", "from b");
    flush(a);
    CHECK(queued(own) == 0, "it heard itself");
}

static void
feature_max_payload(const char *url)
{
    natsConnection *a = dial(url), *b = dial(url);
    natsSubscription *sub = subscribe(a, "big.x");
    static uint8_t bytes[MAX_PAYLOAD + 1];
    memset(bytes, 'z', sizeof bytes);
    flush(a);

    natsStatus st = natsConnection_Publish(b, "big.x", bytes, MAX_PAYLOAD + 1);
    CHECK(st == NATS_MAX_PAYLOAD, "%s, not the error for a payload that is too large", natsStatus_GetText(st));
    DO(natsConnection_Publish(b, "big.x", bytes, MAX_PAYLOAD));
    flush(b);
    expect_msg(sub, "big.x", bytes, MAX_PAYLOAD);
}

static void
feature_auto_unsub(const char *url)
{
    natsConnection *a = dial(url), *b = dial(url);
    natsSubscription *sub = subscribe(a, "auto.x"), *end = subscribe(a, "auto.end");
    DO(natsSubscription_AutoUnsubscribe(sub, 5));
    flush(a);

    char text[32];
    for (int i = 0; i < 10; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        DO(natsConnection_PublishString(b, "auto.x", text));
    }
    DO(natsConnection_PublishString(b, "auto.end", "end"));
    flush(b);
    expect_text(end, "auto.end", "end");
    for (int i = 0; i < 5; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        expect_text(sub, "auto.x", text);
    }
    /* The library stops by itself after five: what came over the wire tells whether the server did. */
    CHECK(n_in(a) == 6, "the server sent %d messages, not 5 and the end", (int)n_in(a));
}

/* --- what an operator sets up ---------------------------------------------------------------------------------- */

/* Options with a user or a token, either of which may be NULL. */
static natsOptions *
options_as(const char *url, const char *user, const char *password, const char *token)
{
    natsOptions *opts = NULL;
    DO(natsOptions_Create(&opts));
    DO(natsOptions_SetURL(opts, url));
    if (user != NULL)
        DO(natsOptions_SetUserInfo(opts, user, password));
    if (token != NULL)
        DO(natsOptions_SetToken(opts, token));
    return opts;
}

static natsConnection *
dial_as(const char *url, const char *user, const char *password, const char *token)
{
    natsConnection *nc = NULL;
    DO(natsConnection_Connect(&nc, options_as(url, user, password, token)));
    return nc;
}

static void
let_in(const char *url, const char *user, const char *password, const char *token)
{
    natsConnection *nc = dial_as(url, user, password, token);
    flush(nc);
    natsConnection_Close(nc);
}

static void
refused(const char *url, const char *user, const char *password, const char *token)
{
    natsConnection *nc = NULL;
    natsStatus st = natsConnection_Connect(&nc, options_as(url, user, password, token));
    CHECK(st == NATS_CONNECTION_AUTH_FAILED, "%s, not the error for credentials", natsStatus_GetText(st));
}

/* The URL with credentials in it. */
static void
url_as(char *with, size_t cap, const char *url, const char *credentials)
{
    const char *host = strstr(url, "//");
    CHECK(host != NULL, "no URL: %s", url);
    (void)snprintf(with, cap, "nats://%s@%s", credentials, host + 2);
}

static void
feature_user_password(const char *url)
{
    char with[256];
    url_as(with, sizeof with, url, "bob:pw-bob");
    let_in(url, "ann", "pw-ann", NULL);
    let_in(with, NULL, NULL, NULL);
    refused(url, "ann", "pw-bob", NULL);
    refused(url, "bob", "pw-ann", NULL);
    refused(url, "nobody", "pw-ann", NULL);
    refused(url, NULL, NULL, NULL);
}

static void
feature_token(const char *url)
{
    char with[256];
    url_as(with, sizeof with, url, "open-sesame");
    let_in(url, NULL, NULL, "open-sesame");
    let_in(with, NULL, NULL, NULL);
    refused(url, NULL, NULL, "open-barley");
    refused(url, NULL, NULL, NULL);
}

enum { N_ERRORS = 16, ERROR_CAP = 256 };

/* The errors that a connection reports, one by one. */
struct errors {
    struct flag flag;
    char text[N_ERRORS][ERROR_CAP];
    int n_taken;
};

#define ERRORS_INIT {{PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}, {""}, 0}

static void
on_error(natsConnection *nc, natsSubscription *sub, natsStatus st, void *closure)
{
    struct errors *errors = closure;
    const char *text = NULL;
    (void)sub;
    (void)natsConnection_GetLastError(nc, &text); /* its status is st */
    (void)pthread_mutex_lock(&errors->flag.lock);
    if (errors->flag.n < N_ERRORS)
        (void)snprintf(errors->text[errors->flag.n], ERROR_CAP, "%s: %s", natsStatus_GetText(st), text == NULL ? "" : text);
    (void)pthread_mutex_unlock(&errors->flag.lock);
    flag_raise(&errors->flag);
}

/* The next error is of permissions, and says this. Only one is on its way at a time: the library keeps the last one's text alone. */
static void
errors_expect(struct errors *errors, const char *text)
{
    CHECK(errors->n_taken < N_ERRORS, "too many errors");
    flag_await(&errors->flag, errors->n_taken + 1, text);
    const char *said = errors->text[errors->n_taken++];
    CHECK(strstr(said, natsStatus_GetText(NATS_NOT_PERMITTED)) == said, "%s, not of permissions", said);
    CHECK(strstr(said, text) != NULL, "%s, not %s", said, text);
}

static natsConnection *
dial_told(const char *url, const char *user, const char *password, struct errors *errors)
{
    natsConnection *nc = NULL;
    natsOptions *opts = options_as(url, user, password, NULL);
    DO(natsOptions_SetErrorHandler(opts, on_error, errors));
    DO(natsConnection_Connect(&nc, opts));
    return nc;
}

static void
feature_permissions(const char *url)
{
    static struct errors told = ERRORS_INIT, srv_told = ERRORS_INIT;
    natsConnection *ann = dial_told(url, "ann", "pw-ann", &told), *srv = dial_told(url, "srv", "pw-srv", &srv_told);
    natsConnection *bob = dial_as(url, "bob", "pw-bob", NULL);
    natsSubscription *seen = subscribe(bob, "perm.>"), *jobs = NULL, *others = NULL, *svc = NULL;
    flush(bob);

    DO(natsConnection_PublishString(ann, "perm.ok.a", "1"));
    DO(natsConnection_PublishString(ann, "perm.no", "2"));
    errors_expect(&told, "Permissions Violation for Publish to \"perm.no\"");
    DO(natsConnection_PublishString(ann, "perm.ok.secret", "3"));
    errors_expect(&told, "Permissions Violation for Publish to \"perm.ok.secret\"");
    DO(natsConnection_PublishString(ann, "perm.ok.b", "4"));
    expect_text(seen, "perm.ok.a", "1");
    expect_text(seen, "perm.ok.b", "4");

    (void)subscribe(ann, "perm.no.x");
    errors_expect(&told, "Permissions Violation for Subscription to \"perm.no.x\"");
    DO(natsConnection_QueueSubscribeSync(&others, ann, "perm.jobs", "others"));
    errors_expect(&told, "Permissions Violation for Subscription to \"perm.jobs\" using queue \"others\"");
    DO(natsConnection_QueueSubscribeSync(&jobs, ann, "perm.jobs", "workers"));
    natsSubscription *oks = subscribe(ann, "perm.ok.>");
    flush(ann);
    DO(natsConnection_PublishString(bob, "perm.jobs", "job"));
    DO(natsConnection_PublishString(bob, "perm.ok.no.x", "hidden"));
    DO(natsConnection_PublishString(bob, "perm.ok.c", "seen"));
    expect_text(jobs, "perm.jobs", "job");
    expect_text(oks, "perm.ok.c", "seen");
    flush(ann);
    CHECK(queued(oks) == 0, "more came than is allowed");

    natsMsg *answer = NULL;
    DO(natsConnection_Subscribe(&svc, srv, "perm.svc.x", on_request, NULL));
    DO(natsConnection_PublishString(srv, "perm.svc.x", "own"));
    errors_expect(&srv_told, "Permissions Violation for Publish to \"perm.svc.x\"");
    DO(natsConnection_RequestString(&answer, bob, "perm.svc.x", "q", WAIT_MS));
    CHECK(natsMsg_GetDataLength(answer) == 4 && memcmp(natsMsg_GetData(answer), "re:q", 4) == 0, "another answer");
    natsMsg_Destroy(answer);
}

/* --- what an operator does ------------------------------------------------------------------------------------- */

/* Options of a client that comes back soon, and says so. */
static natsOptions *
options_back(struct flag *back)
{
    natsOptions *opts = NULL;
    DO(natsOptions_Create(&opts));
    DO(natsOptions_SetMaxReconnect(opts, 10000));
    DO(natsOptions_SetReconnectWait(opts, 20));
    DO(natsOptions_SetReconnectJitter(opts, 1, 1));
    DO(natsOptions_SetReconnectedCB(opts, on_conn, back));
    return opts;
}

/* a is connected again: it hears what a new connection to url says. */
static void
expect_again(natsConnection *a, natsSubscription *sub, const char *url)
{
    flush(a);
    natsConnection *b = dial(url);
    DO(natsConnection_PublishString(b, "again.b", "from b"));
    flush(b);
    expect_text(sub, "again.b", "from b");
}

static void
feature_lame_duck(const char *urls)
{
    static struct flag ldm = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    static struct flag back = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    char first[256], at[256];
    const char *second = strchr(urls, ',');
    CHECK(second != NULL && (size_t)(second - urls) < sizeof first, "two URLs are needed");
    (void)snprintf(first, sizeof first, "%.*s", (int)(second - urls), urls);
    second++;

    natsOptions *opts = options_back(&back);
    natsConnection *a = NULL;
    DO(natsOptions_SetServers(opts, (const char *[]){first, second}, 2));
    DO(natsOptions_SetNoRandomize(opts, true));
    DO(natsOptions_SetLameDuckModeCB(opts, on_conn, &ldm));
    DO(natsConnection_Connect(&a, opts));
    natsSubscription *sub = subscribe(a, "again.*");
    flush(a);
    (void)printf("READY\n");
    (void)fflush(stdout);

    flag_await(&ldm, 1, "told of lame duck mode");
    flag_await(&back, 1, "reconnected");
    DO(natsConnection_GetConnectedUrl(a, at, sizeof at));
    CHECK(strcmp(at, second) == 0, "it is with %s", at);
    expect_again(a, sub, second);
}

static void
feature_slow_consumer(const char *url)
{
    static struct flag back = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    static struct flag heard = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    natsOptions *opts = options_back(&back);
    natsConnection *a = NULL;
    natsSubscription *slow = NULL;
    DO(natsOptions_SetURL(opts, url));
    DO(natsConnection_Connect(&a, opts));
    DO(natsConnection_Subscribe(&slow, a, "slow.x", on_counted, &heard));
    natsSubscription *sub = subscribe(a, "again.*");
    flush(a);
    (void)printf("READY\n");
    (void)fflush(stdout);

    flag_await(&back, 1, "reconnected");
    expect_again(a, sub, url);
}

static void
feature_too_large(const char *url)
{
    static struct flag closed = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    static uint8_t bytes[TOO_LARGE];
    natsOptions *opts = NULL;
    natsConnection *a = NULL;
    const char *text = NULL;
    DO(natsOptions_Create(&opts));
    DO(natsOptions_SetURL(opts, url));
    DO(natsOptions_SetAllowReconnect(opts, false));
    DO(natsOptions_SetClosedCB(opts, on_conn, &closed));
    DO(natsConnection_Connect(&a, opts));
    flush(a);
    DO(natsConnection_Publish(a, "big.x", bytes, TOO_LARGE));
    flag_await(&closed, 1, "closed by the server");
    (void)natsConnection_GetLastError(a, &text);
    CHECK(text != NULL && strstr(text, "Maximum Payload Violation") != NULL, "the error is %s", text == NULL ? "none" : text);
}

/* Answer with N_MANY numbers, and an empty message as the end. */
static void
on_ask(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)sub;
    (void)closure;
    char text[8];
    for (int i = 0; i < N_MANY; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        DO(natsConnection_PublishString(nc, natsMsg_GetReply(msg), text));
    }
    DO(natsConnection_PublishString(nc, natsMsg_GetReply(msg), ""));
    natsMsg_Destroy(msg);
}

static void
feature_request_many(const char *url)
{
    natsConnection *a = dial(url), *b = dial(url);
    natsSubscription *asked = NULL;
    natsInbox *inbox = NULL;
    char text[8];
    DO(natsConnection_Subscribe(&asked, a, "many.ask", on_ask, NULL));
    flush(a);

    DO(natsInbox_Create(&inbox));
    natsSubscription *answers = subscribe(b, inbox);
    DO(natsConnection_PublishRequestString(b, "many.ask", inbox, "?"));
    for (int i = 0; i < N_MANY; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        expect_text(answers, inbox, text);
    }
    expect_text(answers, inbox, "");

    /* Nobody there: that, too, comes as an answer. */
    natsMsg *none = NULL;
    DO(natsConnection_PublishRequestString(b, "nobody.home", inbox, "?"));
    natsStatus st = natsSubscription_NextMsg(&none, answers, WAIT_MS);
    CHECK(st == NATS_NO_RESPONDERS || (st == NATS_OK && natsMsg_IsNoResponders(none)), "%s, not no responders", natsStatus_GetText(st));
    natsMsg_Destroy(none);
    natsInbox_Destroy(inbox);
}

/* ------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(const char *url);
} features[] = {
    {"connect", feature_connect},         {"publish", feature_publish},     {"subscribe", feature_subscribe},
    {"wildcards", feature_wildcards},     {"queue", feature_queue},         {"request", feature_request},
    {"no_responders", feature_no_responders}, {"headers", feature_headers}, {"drain", feature_drain},
    {"reconnect", feature_reconnect},     {"no_echo", feature_no_echo},     {"max_payload", feature_max_payload},
    {"auto_unsub", feature_auto_unsub},   {"user_password", feature_user_password}, {"token", feature_token},
    {"permissions", feature_permissions}, {"lame_duck", feature_lame_duck}, {"slow_consumer", feature_slow_consumer},
    {"too_large", feature_too_large},     {"request_many", feature_request_many},
};

int
main(int argc, char **argv)
{
    CHECK(argc == 3, "usage: client FEATURE URL");
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        if (strcmp(argv[1], features[i].name) != 0)
            continue;
        features[i].run(argv[2]);
        (void)printf("OK\n");
        return 0;
    }
    fail("no feature %s", argv[1]);
}
