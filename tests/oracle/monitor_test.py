"""The same requests to nats-server's monitoring and ours, with the same clients attached: same status, same headers, the same keys in the
same order, the same types; the same values wherever they do not depend on the clock or on the machine.

nats-server runs without its system account, which Midge does not have yet: then it has no internal clients, and the same numbers."""

import os
import re
import signal

import pytest

from support import Raw, Server
from support.http import Http, fetch, monitor_port, until

from oracle.servers import is_nats_server

# What need not be equal; types and presence must be.
FREE = {
    "server_id", "server_name", "now", "start", "last_activity", "stop", "uptime", "idle", "rtt", "mem", "cpu", "go", "gomaxprocs", "port",
    "http_port", "config_load_time", "config_digest", "update_time", "num_cache", "num_matches", "cache_hit_rate", "max_fanout", "avg_fanout",
    "cmdline", "cores",
}
# Lists without an order of their own.
UNORDERED = {"subscriptions_list", "subscriptions_list_detail"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z")
COMPACT = re.compile(r"(\d+y)?(\d+d)?(\d+h)?(\d+m)?\d+s")
DURATION = re.compile(r"0s|(\d+h)?(\d+m)?\d+(\.\d+)?(s|ms|\u00b5s)")
FORMS = {"now": TIME, "start": TIME, "last_activity": TIME, "stop": TIME, "config_load_time": TIME, "update_time": TIME,
         "uptime": COMPACT, "idle": COMPACT, "rtt": DURATION}


class Watched:
    """A server with monitoring, and the clients of the scenario."""

    def __init__(self, server, reference):
        self.server = server
        self.reference = reference
        self.port = monitor_port(server)
        self.clients = []

    def client(self, **opts):
        c = Raw(self.server.host, self.server.port)
        self.clients.append(c)
        if opts.pop("connect", True):
            c.connect(**opts)
        return c

    def close(self):
        for c in self.clients:
            c.close()
        self.server.close()


def start_reference(binary, tmp_path):
    path = os.path.join(tmp_path, "no_system_account.conf")
    with open(path, "w") as f:
        f.write("no_system_account: true\n")
    return Server(binary, "-m", "-1", "-c", path)


@pytest.fixture
def both(server_bin, server_args, reference_bin, reference_version, tmp_path):
    if reference_version != "2.14.5":
        pytest.skip(f"nats-server is {reference_version}")
    itself = is_nats_server(server_bin)
    theirs = Watched(start_reference(reference_bin, tmp_path), True)
    ours = start_reference(server_bin, tmp_path) if itself else Server(server_bin, "-m", "-1", extra=server_args)
    pair = theirs, Watched(ours, itself)
    yield pair
    for w in pair:
        w.close()


def attach(w):
    """A subscriber with four subscriptions, a publisher, somebody who says nothing, and three who have gone."""
    gone = [w.client(name="gone", lang="raw", version="1"), w.client(connect=False), w.client(name="wrong")]
    gone[0].send(b"SUB gone.* gone 9\r\n")
    gone[0].ping()
    gone[0].close()
    gone[1].close()
    gone[2].send(b"NONSENSE\r\n")
    gone[2].expect_err("Unknown Protocol Operation")
    sub = w.client(name="sub <&>", lang="raw", version="1.2.3", user="ann", **{"pass": "secret"})
    sub.send(b"SUB foo 1\r\nSUB foo.* q 2\r\nSUB bar long-sid-of-mine\r\nSUB max 4\r\nUNSUB 4 3\r\n")
    sub.ping()
    pub = w.client(auth_token="hidden")
    pub.send(b"PUB foo 5\r\nhello\r\nPUB foo.x 2\r\nhi\r\nPUB nobody 0\r\n\r\nPUB max 1\r\n1\r\n")
    pub.ping()
    sub.read_msgs(3)
    w.client(connect=False)
    until(w.port, "/connz?state=all", lambda p: p["total"] == 6 and p["num_connections"] == 6)


def rank_cids(page):
    """cids as the order in which connections came: 0, 1, 2 ... (servers keep some numbers for themselves)."""
    cids = set()

    def look(v):
        if isinstance(v, dict):
            if "cid" in v:
                cids.add(v["cid"])
            for x in v.values():
                look(x)
        elif isinstance(v, list):
            for x in v:
                look(x)

    look(page)
    rank = {cid: i for i, cid in enumerate(sorted(cids))}

    def put(v):
        if isinstance(v, dict):
            for k, x in v.items():
                if k == "cid":
                    v[k] = rank[x]
                else:
                    put(x)
        elif isinstance(v, list):
            for x in v:
                put(x)

    put(page)
    return page


def kind(v):
    return "number" if isinstance(v, (int, float)) and not isinstance(v, bool) else type(v).__name__


def compare(theirs, ours, path="", key=""):
    assert kind(theirs) == kind(ours), f"{path}: {theirs!r} and {ours!r}"
    if key in FORMS:
        for v in (theirs, ours):
            assert FORMS[key].fullmatch(v), f"{path}: {v!r}"
    if isinstance(theirs, dict):
        assert theirs.order == ours.order, f"keys of {path or 'the page'}:\n{theirs.order}\n{ours.order}"
        for k in theirs.order:
            if k == "pending_bytes" and "stop" in theirs:
                continue  # nats-server counts its last words, or not
            compare(theirs[k], ours[k], f"{path}/{k}", k)
    elif isinstance(theirs, list):
        assert len(theirs) == len(ours), f"{path}: {theirs!r} and {ours!r}"
        by = (lambda v: v["sid"] if isinstance(v, dict) else v) if key in UNORDERED else (lambda v: 0)
        for i, (a, b) in enumerate(zip(sorted(theirs, key=by), sorted(ours, key=by))):
            compare(a, b, f"{path}[{i}]", key if not isinstance(a, dict) else "")
    elif key not in FREE:
        assert theirs == ours, f"{path}: {theirs!r} and {ours!r}"


def headers(r):
    """What both must agree on: not how the length is told, nor when."""
    return {k: v for k, v in r.headers if k not in ("date", "content-length", "transfer-encoding", "x-content-type-options", "connection")}


def same(both, path, **kw):
    theirs, ours = (fetch(w.port, path, **kw) for w in both)
    assert theirs.status == ours.status, f"{path}: {theirs.status} {theirs.body[:200]!r}, {ours.status} {ours.body[:200]!r}"
    assert headers(theirs) == headers(ours), path
    assert both[1].reference or ours.header("x-content-type-options") == "nosniff"
    return theirs, ours


PAGES = [
    "/varz", "/connz", "/connz?subs=1", "/connz?subs=detail", "/connz?subs=DETAIL&auth=true", "/connz?auth=1", "/connz?state=closed",
    "/connz?state=closed&subs=1&auth=1", "/connz?state=closed&subs=detail", "/connz?state=ANY&sort=cid", "/connz?limit=1", "/connz?limit=2&offset=1",
    "/connz?offset=99", "/connz?limit=-1&offset=-9", "/connz?limit=9223372036854775807&offset=9223372036854775807", "/connz?user=ann",
    "/connz?user=ann&auth=1", "/connz?user=%5BREDACTED%5D&auth=1", "/connz?user=nobody", "/connz?acc=$G&limit=1", "/connz?acc=nope",
    "/connz?mqtt_client=x", "/connz?cid=4711", "/connz?sort=", "/connz?limit=&offset=", "/connz?limit=1&limit=x", "/connz?callback=f",
    "/connz?limit=1&sort=subs", "/connz?limit=1&sort=msgs_to", "/connz?limit=1&sort=msgs_from", "/connz?limit=1&sort=bytes_to", "/connz?limit=1&sort=bytes_from", "/connz?sort=start",
    "/connz?sort=reason&state=closed&limit=1&offset=2", "/connz?sort=cid&state=all&limit=4&offset=1",
    "/subsz", "/subsz?subs=1", "/subscriptionsz?subs=t", "/subsz?subs=1&test=foo.x", "/subsz?subs=1&test=nobody.here",
    "/subsz?test=foo", "/subsz?acc=$G", "/subsz?acc=nope&subs=1", "/subsz?subs=1&offset=99", "/subsz?limit=0&offset=-1",
    "/routez", "/routez?subs=1", "/routez?subs=detail", "/gatewayz", "/gatewayz?accs=1&subs=detail", "/gatewayz?gw_name=x", "/gatewayz?acc_name=$G",
    "/leafz", "/leafz?subs=1", "/leafz?acc=$G", "/accountz", "/accountz?acc=$G", "/accstatz", "/accstatz?unused=1",
    "/jsz", "/jsz?accounts=1&streams=1&consumers=1&config=1&raft=1", "/jsz?acc=$G&limit=5&offset=-3",
    "/healthz", "/healthz?js-enabled=1", "/healthz?js-enabled-only=true", "/healthz?js-server-only=1", "/healthz?js-meta-only=1", "/healthz?details=1",
    "/healthz?account=$G&stream=s&consumer=c", "/healthz?stream=s", "/healthz?stream=s&details=true", "/healthz?consumer=c&account=a",
    "/ipqueuesz", "/%76arz", "/varz?x=%zz",
]
TEXTS = [
    "/connz?sort=foo", "/connz?sort=stop", "/connz?sort=reason&state=any", "/connz?state=x", "/connz?limit=x", "/connz?limit=1.5",
    "/connz?offset=99999999999999999999", "/connz?offset=-9223372036854775809", "/connz?cid=-1", "/connz?cid=18446744073709551616", "/connz?cid=x",
    "/connz?auth=yes", "/connz?subs=maybe", "/connz?limit=%22%0a%C3%BC%FF", "/subsz?subs=detail", "/subsz?test=foo.*", "/subsz?test=foo..x",
    "/subsz?limit=x", "/subsz?offset=1e3", "/routez?subs=x", "/gatewayz?accs=x", "/gatewayz?subs=x", "/leafz?subs=x", "/accountz?acc=nope",
    "/accstatz?unused=x", "/jsz?accounts=x", "/jsz?leader-only=1", "/jsz?limit=x", "/jsz?offset=x", "/healthz?details=x", "/healthz?js-enabled=x",
    "/healthz?js-enabled-only=x", "/healthz?js-server-only=x", "/raftz", "/raftz?acc=x", "/ipqueuesz?all=x", "/nope", "/varz/", "/connz/x", "/favicon.ico",
]


def test_pages_are_the_same(both):
    """Every page, every parameter, by the same clients."""
    for w in both:
        attach(w)
    for path in PAGES:
        theirs, ours = same(both, path)
        compare(rank_cids(theirs.json()), rank_cids(ours.json()), path)


def test_texts_are_the_same(both):
    """What is not understood is answered in the same words."""
    for path in TEXTS:
        theirs, ours = same(both, path)
        assert theirs.body == ours.body, path


def test_indentation_is_the_same(both):
    """Byte for byte, where nothing depends on clock or machine."""
    for path in ("/healthz", "/ipqueuesz", "/healthz?stream=s&details=1"):
        theirs, ours = same(both, path)
        assert theirs.body == ours.body
    mask = re.compile(rb'"(server_id|server_name|now)": "[^"]*"')
    for path in ("/connz", "/routez", "/gatewayz", "/leafz", "/jsz", "/accountz", "/accstatz?unused=1", "/connz?acc=x"):
        theirs, ours = same(both, path)
        assert mask.sub(rb'"\1": X', theirs.body) == mask.sub(rb'"\1": X', ours.body), path


def test_methods_and_versions_are_the_same(both):
    """Any method is GET, HEAD is without a body, a connection is kept as its version says."""
    for method in ("POST", "DELETE", "X-Y"):
        theirs, ours = same(both, "/healthz", method=method)
        assert theirs.body == ours.body
    for w in both:
        with Http(w.port) as h:
            r = h.get("/healthz", method="HEAD")
            assert (r.status, r.header("content-length"), h.get("/healthz").body) == (200, "15", b'{"status":"ok"}')
            r = h.get("/healthz", headers="Connection: close\r\n")
            assert r.header("connection") == "close" and h.at_end()
        with Http(w.port) as h:
            assert h.get("/healthz", version="1.0").status == 200 and h.at_end()
        with Http(w.port) as h:
            assert h.get("/healthz", version="1.0", headers="Connection: keep-alive\r\n").header("connection") == "keep-alive"
            assert h.get("/healthz", version="1.0").status == 200


def test_lame_ducks_are_unhealthy_alike(both):
    """No new clients: 500, in the same words; the pages stay."""
    for w in both:
        w.client(protocol=1)
        os.kill(w.server.pid, signal.SIGUSR2)
        w.server.wait_log("Entering lame duck mode")
    for path in ("/healthz", "/healthz?details=1", "/healthz?js-server-only=1"):
        for w in both:
            until(w.port, path, lambda p: p["status"] == "error")
        theirs, ours = same(both, path)
        assert (theirs.status, theirs.body) == (500, ours.body)
        for w in both:
            w.server.wait_log("Healthcheck failed: " + ("1 errors" if "details" in path else '"failed to be ready for connections after 1ms: server"'))
    compare(*(rank_cids(fetch(w.port, "/connz").json()) for w in both), "/connz")
    for w in both:
        w.server.kill()


BROKEN = [
    b"GET /varz HTTP/1.1\r\n\r\n", b"GET /varz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET /varz HTTP/2.0\r\nHost: a\r\n\r\n", b"FOO\r\n\r\n",
    b"GET /varz HTTP/1.1\r\nHost: a/b\r\n\r\n", b"GET /varz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"GET /varz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: foo\r\n\r\n", b"GET /varz HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", b"GET /%zz HTTP/1.1\r\n\r\n",
    b"GET /varz HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01\r\n\r\n",
]


def test_what_is_no_http_is_refused_alike(both):
    """The same status, and the end of the connection."""
    for data in BROKEN:
        statuses = []
        for w in both:
            with Http(w.port) as h:
                h.send(data)
                statuses.append(h.read().status)
                assert h.at_end()
        assert statuses[0] == statuses[1], data


def test_unclean_paths_lead_to_the_clean_one(both):
    """// and /../ are redirected, not served."""
    for path in ("//varz", "/../varz", "/a/../varz", "/./varz"):
        for w in both:
            r = fetch(w.port, path)
            assert (r.status, r.header("location")) == (307, "/varz"), path
