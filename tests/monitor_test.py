"""Monitoring as operators and tools see it. What the pages say is compared with nats-server's in tests/oracle/monitor_test.py."""

import os
import random
import re
import signal
import socket
import threading

import pytest

from support import Raw, patience
from support.http import Http, counted_in, fetch, monitor_port, until

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.fixture
def monitored(start_server):
    """A server with monitoring on any free port: srv.http is it."""
    def start(*args, **kw):
        srv = start_server("-m", "-1", *args, **kw)
        srv.http = monitor_port(srv)
        return srv
    return start


def page(srv, path):
    r = fetch(srv.http, path)
    assert r.status == 200, (path, r.status, r.body[:200])
    return r.json()


# ---- the pages ----

def test_counts_are_those_of_all_shards(monitored):
    """Subscribers and publishers on three shards: /varz sums up, /connz has each, /subsz finds what matches."""
    srv = monitored("--cores", "3")
    subs = [srv.raw().connect(name=f"s{i}") for i in range(6)]
    pubs = [srv.raw().connect(name=f"p{i}") for i in range(3)]
    for i, c in enumerate(subs):
        c.send(f"SUB all 1\r\nSUB one.{i} 2\r\n".encode())
        c.ping()
    for i, c in enumerate(pubs):
        c.send(b"PUB all 5\r\nhello\r\n" * 10 + f"PUB one.{i} 1\r\nx\r\n".encode())
        c.ping()
    for i, c in enumerate(subs):
        c.read_msgs(31 if i < 3 else 30)
    v = page(srv, "/varz")
    assert (v["connections"], v["total_connections"], v["subscriptions"]) == (9, 9, 12)
    assert (v["in_msgs"], v["in_bytes"]) == (33, 153)
    assert (v["out_msgs"], v["out_bytes"]) == (183, 903)
    conns = page(srv, "/connz?sort=msgs_to&limit=3")["connections"]
    assert [c["out_msgs"] for c in conns] == [31, 31, 31] and {c["name"] for c in conns} == {"s0", "s1", "s2"}
    assert [c["name"] for c in page(srv, "/connz?sort=start")["connections"]] == [f"s{i}" for i in range(6)] + [f"p{i}" for i in range(3)]
    seen = []
    for offset in range(0, 12, 5):  # pages of five, whatever shard they are on
        p = page(srv, f"/subsz?subs=1&limit=5&offset={offset}")
        assert p["total"] == 12 and len(p["subscriptions_list"]) == min(5, 12 - offset)
        seen += [(s["cid"], s["sid"]) for s in p["subscriptions_list"]]
    assert len(set(seen)) == 12
    p = page(srv, "/subsz?subs=1&test=all")
    assert p["total"] == 6 and {s["subject"] for s in p["subscriptions_list"]} == {"all"}
    for c in subs + pubs:
        c.close()
    p = until(srv.http, "/connz?state=closed&sort=stop", lambda p: p["total"] == 9)
    assert {c["reason"] for c in p["connections"]} == {"Client Closed"}


def test_A2_no_secret_is_shown(monitored):
    """Passwords, tokens, signatures: on no page, whoever was let in, and whoever was not."""
    srv = monitored()
    secret, stay = "s3cr3t-of-mine", []
    for keep in (True, False):
        for opts in ({"user": "u", "pass": secret}, {"auth_token": secret}, {"nkey": "UX", "sig": secret}, {"jwt": secret}, {"proxy_sig": secret},
                     {"tls": {"key": secret}}):
            c = srv.raw()
            c.connect(**opts)
            stay.append(c) if keep else c.close()
    until(srv.http, "/connz?state=closed", lambda p: p["total"] == 6)
    for path in ("/connz?state=all&auth=1&subs=detail", "/varz", "/subsz?subs=1", "/debug/vars", "/metrics", "/accountz?acc=$G"):
        assert secret.encode() not in fetch(srv.http, path).body, path
    users = {c.get("authorized_user") for c in page(srv, "/connz?state=all&auth=1")["connections"]}
    assert users == {"u", "[REDACTED]", "UX", None}


def test_expvars_and_threads(monitored):
    """/debug/vars has argv and a memory object; /stacksz a line for each thread."""
    srv = monitored("-n", "myname")
    v = page(srv, "/debug/vars")
    assert v["cmdline"][0].endswith("midge") and "myname" in v["cmdline"] and v["memstats"]["Sys"] > 0
    assert re.search(rb"^thread \d+ \(\S+\) \[\w\]$", fetch(srv.http, "/stacksz").body, re.M)


def test_root_page_links_to_what_is_there(monitored):
    """Every link that it shows leads to a page (or says why not)."""
    srv = monitored()
    r = fetch(srv.http, "/")
    assert r.header("content-type") == "text/html; charset=utf-8" and r.body.isascii() and r.header("access-control-allow-origin") is None
    links = re.findall(r'href="\./([^"]+)"', r.body.decode())
    assert links[:12] == ["varz", "jsz", "connz", "accountz", "accstatz", "subsz", "routez", "leafz", "gatewayz", "raftz", "healthz", "debug/vars"]
    for link in links:
        assert fetch(srv.http, "/" + link).status in (200, 404) and fetch(srv.http, "/" + link).body != b"404 page not found\n", link


def test_health_follows_the_listener(monitored):
    """ok while clients are taken."""
    srv = monitored()
    assert fetch(srv.http, "/healthz").body == b'{"status":"ok"}'


def test_hits_are_counted(monitored):
    """http_req_stats: an alias counts as its page, bad parameters count but for /connz and /routez, some pages never."""
    srv = monitored()
    for path in ("/", "/varz", "/connz", "/connz?limit=x", "/routez?subs=x", "/subsz", "/subscriptionsz", "/jsz?limit=x", "/raftz", "/debug/vars",
                 "/metrics", "/ipqueuesz", "/nope", "/healthz"):
        fetch(srv.http, path)
    assert page(srv, "/varz")["http_req_stats"] == {"/": 1, "/connz": 1, "/healthz": 1, "/jsz": 1, "/subsz": 2, "/varz": 2}


# ---- who may see them ----

def own_address():
    """An address of this machine that is not loopback; None: there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # nothing is sent
            ip = s.getsockname()[0]
        except OSError:
            return None
    return None if ip.startswith("127.") else ip


def test_R5_a_bare_port_shows_strangers_their_health_only(monitored):
    """S1: peers that are not loopback get /healthz, and a line that says what opens the rest."""
    ip = own_address()
    if ip is None:
        pytest.skip("this machine has no other address than loopback")
    srv = monitored(host="0.0.0.0")
    with Http(srv.http, host=ip) as h:
        assert h.get("/healthz").status == 200
        for path in ("/varz", "/", "/connz", "/metrics", "/debug/vars", "/nope", "/healthz/"):
            r = h.get(path)
            assert r.status == 403 and b"monitor_allow" in r.body and r.body.count(b"\n") == 1, path
    assert fetch(srv.http, "/varz").status == 200


def conf(tmp_path, text):
    path = os.path.join(tmp_path, "monitor.conf")
    with open(path, "w") as f:
        f.write(text)
    return path


def test_an_address_written_out_opens_it(start_server, tmp_path):
    """S1: http: "host:port" is for everybody who reaches it, and a warning says so."""
    ip = own_address()
    if ip is None:
        pytest.skip("this machine has no other address than loopback")
    srv = start_server("-c", conf(tmp_path, 'http: "0.0.0.0:-1"'))
    with Http(monitor_port(srv), host=ip) as h:
        assert h.get("/varz").status == 200
    srv.wait_log("Monitoring on 0.0.0.0 is open to everybody who reaches it, without encryption")


def test_who_comes_in_without_a_name_is_shown_as_no_auth_user(start_server, tmp_path):
    srv = start_server("-c", conf(tmp_path, 'http_port: -1, no_auth_user: bob\nauthorization { users: [ {user: bob, password: x} ] }'))
    with srv.raw().connect(), Http(monitor_port(srv)) as h:
        assert [c["authorized_user"] for c in h.get("/connz?auth=1").json()["connections"]] == ["bob"]


def test_networks_that_are_allowed_see_it(start_server, tmp_path):
    """monitor_allow: those, and no others."""
    ip = own_address()
    if ip is None:
        pytest.skip("this machine has no other address than loopback")
    for allow, status in ((f"{ip}/32", 200), ("203.0.113.7/32", 403)):
        srv = start_server("-c", conf(tmp_path, f'http_port: -1, monitor_allow: ["{allow}"]'), host="0.0.0.0")
        with Http(monitor_port(srv), host=ip) as h:
            assert (h.get("/varz").status, h.get("/healthz").status) == (status, 200)


def test_a_base_path_stands_before_every_page(start_server, tmp_path):
    """http_base_path: pages are below it and nowhere else, as with nats-server."""
    port = monitor_port(start_server("-c", conf(tmp_path, 'http: "127.0.0.1:-1", http_base_path: "a//b/"')))
    for path, status in (("/a/b", 200), ("/a/b/varz", 200), ("/a/b/debug/vars", 200), ("/a/b/healthz", 200), ("/varz", 404), ("/a/b/", 404), ("/", 404),
                         ("/a/bvarz", 404), ("/a", 404)):
        assert fetch(port, path).status == status, path
    assert fetch(port, "/a/b/varz").json()["http_base_path"] == "/a/b"
    assert b'href="b/varz"' in fetch(port, "/a/b").body


def test_closed_connections_are_remembered_as_configured(start_server, tmp_path):
    """max_closed_clients: the last so many, of all shards together."""
    srv = start_server("-c", conf(tmp_path, "http_port: -1, max_closed_clients: 3"))
    port = monitor_port(srv)
    for i in range(8):
        with srv.raw() as c:
            c.connect(name=f"c{i}")
        # On another shard the one after it could be closed before it.
        until(port, "/connz?state=closed", lambda p: any(c["name"] == f"c{i}" for c in p["connections"]))
    p = until(port, "/connz?state=closed", lambda p: [c["name"] for c in p["connections"]] == ["c5", "c6", "c7"])
    assert p["total"] == 3


def test_varz_shows_what_is_configured(start_server, tmp_path):
    """Limits, tags, metadata, who must sign in: as nats-server shows them."""
    srv = start_server("-c", conf(tmp_path, """
        http: "127.0.0.1:-1", server_name: me, max_connections: 77, max_payload: 4096, max_subscriptions: 9, ping_interval: "30s", write_deadline: "3s"
        server_tags: [Fast, "az:1"], server_metadata: {b: "2", a: "1"}, feature_flags: {js_ack_fc_v2: true}, write_timeout: close
        authorization { user: ann, password: secret, timeout: 1.5 }"""))
    v = fetch(monitor_port(srv), "/varz").json()
    want = {"server_name": "me", "max_connections": 77, "max_payload": 4096, "max_subscriptions": 9, "ping_interval": 30 * 10**9, "write_deadline": 3 * 10**9,
            "tags": ["fast", "az:1"], "metadata": {"a": "1", "b": "2"}, "auth_required": True, "auth_timeout": 1.5, "write_timeout": "close"}
    assert {k: v[k] for k in want} == want
    assert v["metadata"].order == ["a", "b"] and v["feature_flags"]["js_ack_fc_v2"] is True
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", v["config_digest"])


def test_a_reload_is_seen(start_server, tmp_path):
    """Another configuration: /varz shows it, with its digest and when it was read, and monitor_allow counts anew."""
    path = conf(tmp_path, "http_port: -1, max_payload: 5000")
    srv = start_server("-c", path, host="0.0.0.0")
    port = monitor_port(srv)
    before = fetch(port, "/varz").json()
    ip = own_address()
    if ip is not None:
        assert Http(port, host=ip).get("/varz").status == 403
    conf(tmp_path, f'http_port: -1, max_payload: 6000, server_tags: [new], monitor_allow: ["{ip or "10.0.0.1"}"]')
    os.kill(srv.pid, signal.SIGHUP)
    after = until(port, "/varz", lambda v: v["max_payload"] == 6000)
    assert after["tags"] == ["new"] and after["config_digest"] != before["config_digest"]
    assert before["config_load_time"] < after["config_load_time"] and before["start"] == after["start"]
    if ip is not None:
        assert Http(port, host=ip).get("/varz").status == 200


# ---- hostile peers ----

def test_TOB_NATS_10_half_requests_and_silence_lock_nobody_out(monitored):
    """A thousand connections that say nothing, or a byte: the next one is served, and so are messages."""
    srv = monitored()
    c = srv.raw().connect()
    c.send(b"SUB a 1\r\n")
    flood = []
    for i in range(1000):
        s = socket.create_connection(("127.0.0.1", srv.http))
        if i % 2:
            s.sendall(b"G")
        flood.append(s)
        if i % 100 == 0:
            assert fetch(srv.http, "/healthz").status == 200
            c.send(b"PUB a 1\r\nx\r\n")
            assert c.read_msgs(1)[0].payload == b"x"
    assert fetch(srv.http, "/varz").status == 200
    for s in flood:
        s.close()


def test_TOB_NATS_10_who_takes_all_places_takes_them_from_itself(monitored):
    """Three hundred half requests from one address: whoever idles at another one is not closed for them."""
    srv = monitored()
    with Http(srv.http) as kept:
        assert kept.get("/healthz").status == 200
        flood = [Http(srv.http, source="127.0.0.2") for _ in range(300)]
        for h in flood:
            h.send(b"G")
        with Http(srv.http, source="127.0.0.2") as late:
            assert late.get("/healthz").status == 200
        assert kept.get("/healthz").status == 200
        assert counted_in(kept.get("/metrics"), "http_evicted") >= 300 - 128
        for h in flood:
            h.sock.close()


def test_readers_that_stop_are_no_burden(monitored):
    """Two hundred that ask for large pages and read nothing of them: others are served, messages flow, memory is bounded."""
    srv = monitored()
    c = srv.raw().connect()
    for i in range(2000):
        c.send(b"SUB a.%d.%s %d\r\n" % (i, b"x" * 500, i))
    c.ping()
    lazy = []
    for i in range(200):
        s = socket.create_connection(("127.0.0.1", srv.http), source_address=(f"127.0.0.{2 + i % 2}", 0))
        s.sendall(b"GET /subsz?subs=1&limit=5000 HTTP/1.1\r\nHost: a\r\n\r\n")
        lazy.append(s)
    for _ in range(20):
        c.send(b"SUB b 9999\r\nPUB b 1\r\nx\r\nUNSUB 9999\r\n")
        assert c.read_msgs(1)[0].payload == b"x"
    assert fetch(srv.http, "/healthz").status == 200
    assert page(srv, "/varz")["mem"] < 1 << 30
    for s in lazy:
        s.close()


def test_S9_monitoring_giant_requests_are_refused(monitored):
    """More than a head may have: 431, closed."""
    srv = monitored()
    for data in (b"GET /" + b"x" * (2 << 20), b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(200)) + b"\r\n"):
        with Http(srv.http) as h:
            try:
                h.send(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it did not wait for all of it
            try:
                r = h.read()
            except ConnectionResetError:
                continue
            assert r is None or r.status == 431
    with Http(srv.http) as h:
        assert h.get("/connz?sort=" + "x" * 9000).status == 400
    assert fetch(srv.http, "/healthz").status == 200


def test_H21_bodies_are_not_read(monitored):
    """A request with a body is answered, and its connection ends."""
    srv = monitored()
    with Http(srv.http) as h:
        r = h.get("/healthz", method="PUT", headers="Content-Length: 1000000000\r\n")
        assert r.status == 200 and r.header("connection") == "close" and h.at_end()


def test_H12_no_callback_is_called(monitored):
    """?callback=f changes nothing, and no browser may take a page for a script."""
    srv = monitored()
    for path in ("/varz", "/connz", "/subsz", "/healthz"):
        r = fetch(srv.http, path + "?callback=alert")
        assert r.header("content-type") == "application/json" and r.header("x-content-type-options") == "nosniff" and b"alert" not in r.body


def test_A44_offsets_and_limits_do_not_overflow(monitored):
    """Sums beyond 2^63 and negative numbers: a page, with what there is."""
    srv = monitored()
    c = srv.raw().connect()
    c.send(b"SUB a 1\r\n")
    c.ping()
    for offset in (2**31 - 1, 2**63 - 1, -1, -(2**63), 0, 1):
        for limit in (2**31 - 1, 2**63 - 1, -1, -(2**63), 0, 1):
            for path, name in (("/connz", "connections"), ("/connz?state=all&sort=idle", "connections"), ("/subsz?subs=1", "subscriptions_list")):
                p = page(srv, f"{path}{'&' if '?' in path else '?'}offset={offset}&limit={limit}")
                assert len(p.get(name, [])) == (1 if offset <= 0 else 0), (path, offset, limit)
                assert p["total"] == 1


def test_F17_any_query_is_answered(monitored):
    """Names and values at random, bytes of any kind: 200 or 400 for each page, and the server lives."""
    srv = monitored()
    rng = random.Random(17)
    names = ["sort", "auth", "subs", "offset", "limit", "cid", "state", "user", "acc", "mqtt_client", "test", "unused", "accs", "gw_name", "details", "stream",
             "consumer", "account", "js-enabled", "raft", "group", "all", "queues", "leader-only", "%00", "", "callback"]
    values = ["1", "0", "-1", "true", "detail", "closed", "stop", "cid", "9" * 30, "%", "%zz", "%00", "%ff%fe", "a;b", "a=b", "+", "%2B%3D%26", "*", ">", "a.b", "$G",
              "x" * 1500, "%0d%0aX:%20y", "\u00fc"]
    with Http(srv.http) as h:
        for _ in range(1500):
            path = rng.choice(["/varz", "/connz", "/subsz", "/routez", "/gatewayz", "/leafz", "/accountz", "/accstatz", "/jsz", "/healthz", "/raftz", "/ipqueuesz",
                               "/metrics", "/"])
            query = "&".join(f"{rng.choice(names)}={rng.choice(values)}" for _ in range(rng.randrange(5))).encode("utf-8")
            if any(b >= 0x80 for b in query):
                query = b"".join(b"%%%02X" % b if b >= 0x80 else bytes([b]) for b in query)
            h.send(b"GET " + path.encode() + b"?" + query + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            r = h.read()
            assert r.status in (200, 400, 404), (path, query, r.status)
            assert all("\n" not in v for _, v in r.headers)


def test_nothing_can_be_changed(monitored):
    """Whatever the method, a page only answers."""
    srv = monitored()
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        with Http(srv.http) as h:
            assert h.get("/varz", method=method).json()["connections"] == 0


def test_answers_are_never_mixed_up(monitored):
    """Forty at once, each with a question of its own, over kept connections."""
    srv = monitored("--cores", "3")
    clients = [srv.raw().connect(name=f"c{i}") for i in range(40)]
    cids = {c["name"]: c["cid"] for c in page(srv, "/connz")["connections"]}
    wrong = []

    def look(name):
        with Http(srv.http) as h:
            for k in range(30):
                r = h.get(f"/connz?cid={cids[name]}" if k % 3 else f"/accountz?acc=none-{name}-{k}")
                want = name.encode() if k % 3 else f"Account none-{name}-{k} does not exist".encode()
                if want not in r.body:
                    wrong.append((name, k, r.body))

    threads = [threading.Thread(target=look, args=(f"c{i}",)) for i in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert len(clients) == 40


def test_connections_that_come_and_go_disturb_no_page(monitored):
    """Pages while connections and subscriptions change all the time: each is whole."""
    srv = monitored("--cores", "3")
    stop = threading.Event()

    def storm():
        while not stop.is_set():
            c = Raw(srv.host, srv.port)
            c.connect(name="x" * 50)
            c.send(b"".join(b"SUB a.%d %d\r\n" % (i, i) for i in range(100)) + b"UNSUB 3\r\nPING\r\n")
            c.ops_until_pong()
            c.close()

    threads = [threading.Thread(target=storm) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        for _ in range(15):
            for path in ("/connz?subs=detail&state=all&sort=subs&limit=200", "/subsz?subs=1&limit=100000", "/varz", "/connz?subs=1",
                         "/connz?state=closed&sort=stop&limit=50"):
                p = page(srv, path)
                if path.startswith("/connz"):
                    assert p["num_connections"] == len(p["connections"])
                    assert len({c["cid"] for c in p["connections"]}) == len(p["connections"])
    finally:
        stop.set()
        for t in threads:
            t.join()


def test_it_ends_while_pages_are_made(monitored):
    """SIGTERM with requests in every stage: it ends in good order."""
    srv = monitored("--cores", "3")
    c = srv.raw().connect()
    c.send(b"".join(b"SUB a.%d %d\r\n" % (i, i) for i in range(5000)))
    c.ping()
    socks = [socket.create_connection(("127.0.0.1", srv.http)) for _ in range(100)]
    for s in socks:
        s.sendall(b"GET /subsz?subs=1&limit=5000 HTTP/1.1\r\nHost: a\r\n\r\n")
    srv.stop(signal.SIGTERM)
    for s in socks:
        s.close()


@pytest.mark.long
def test_F15_the_last_10000_closed_are_remembered(monitored):
    """12,000 connections come and go: of all shards together the last 10,000 stay."""
    srv = monitored("--cores", "3")
    for i in range(12000):
        with srv.raw() as c:
            c.send(b"PING\r\n")
            c.expect(b"PONG\r\n")
    p = until(srv.http, "/connz?state=closed&limit=20000&sort=cid", lambda p: p["total"] == 10000 and page(srv, "/varz")["connections"] == 0)
    cids = [c["cid"] for c in p["connections"]]
    assert len(cids) == 10000 and cids == list(range(cids[0], cids[0] + 10000))


# ---- /metrics ----

def metrics(srv):
    """name -> [(labels, value)], and name -> type."""
    out, types = {}, {}
    r = fetch(srv.http, "/metrics")
    assert r.status == 200 and r.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    for line in r.body.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"{name} comes twice"
            types[name] = kind
        elif not line.startswith("#"):
            m = re.fullmatch(r"(\w+)(?:\{(\w+)=\"([^\"]*)\"\})? ([0-9.]+)", line)
            assert m, line
            assert m.group(1) in types, f"no type before {line}"
            out.setdefault(m.group(1), []).append((m.group(3), float(m.group(4))))
    assert set(out) == set(types)
    return out, types


def counters():
    """The names of core/rt/counters.h."""
    with open(os.path.join(ROOT, "core", "rt", "counters.h")) as f:
        return re.findall(r"^    X\((\w+),", f.read(), re.M)


def test_metrics_have_every_counter_of_every_shard(monitored):
    """All of counters.h, as midge_shard_NAME_total; and the numbers of nats-server under the exporter's names."""
    srv = monitored("--cores", "2")
    c = srv.raw().connect()
    c.send(b"SUB a 1\r\nPUB a 3\r\nabc\r\n")
    c.read_msgs(1)
    out, types = metrics(srv)
    names = counters()
    shards = [str(i) for i in range(page(srv, "/varz")["gomaxprocs"])]
    assert len(names) > 25
    for name in names:
        assert [shard for shard, _ in out[f"midge_shard_{name}_total"]] == shards and types[f"midge_shard_{name}_total"] == "counter"
    assert sum(v for _, v in out["midge_shard_in_msgs_total"]) == 1
    v = page(srv, "/varz")
    for name in ("connections", "in_msgs", "out_bytes", "subscriptions", "max_payload", "cores", "slow_consumers"):
        assert out[f"gnatsd_varz_{name}"] == [(v["server_id"], v[name])]
    assert out["gnatsd_connz_num_connections"][0][1] == 1


def test_every_metric_is_documented(monitored):
    """docs/operating.md has each name. (Of the counters tests/operating_test.py says so.)"""
    with open(os.path.join(ROOT, "docs", "operating.md")) as f:
        documented = set(re.findall(r"^\| `(\w+)` \|", f.read(), re.M))
    out, _ = metrics(monitored())
    names = {name for name in out if name.startswith("gnatsd_") or name.removeprefix("midge_shard_").removesuffix("_total") not in counters()}
    assert len(names) > 40
    assert names - documented == set()
    assert {d for d in documented if d.startswith(("gnatsd_", "midge_"))} - set(out) == set()


def pipelined(n):
    """n requests of many lengths, and the status of each."""
    paths = [b"/healthz" if i % 3 else b"/nothing" for i in range(n)]
    return (b"".join(b"GET %b HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (p, b"x" * (i * 7 % 90)) for i, p in enumerate(paths)),
            [b"200" if p == b"/healthz" else b"404" for p in paths])


def test_pipelined_requests_are_all_answered(monitored):
    """In many pieces, each has its answer, in order; and of far more than is kept at once, the server survives."""
    srv = monitored()
    data, wanted = pipelined(400)
    with socket.create_connection(("127.0.0.1", srv.http)) as s:
        s.settimeout(patience(20))
        got = b""
        for at in range(0, len(data), 5000):
            s.sendall(data[at:at + 5000])
        while len(re.findall(rb"HTTP/1\.1 (\d+)", got)) < len(wanted):
            more = s.recv(1 << 20)
            assert more, "it hung up"
            got += more
    assert re.findall(rb"HTTP/1\.1 (\d+)", got) == wanted
    data, _ = pipelined(10_000)
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", srv.http)) as s:
            s.settimeout(patience(20))
            try:
                s.sendall(data)
                while s.recv(1 << 20):
                    pass
            except ConnectionError:
                pass
    assert fetch(srv.http, "/healthz").status == 200


def test_slow_readers_make_room_for_others(monitored):
    """All places taken by peers that do not read their answers: the next one still gets in."""
    srv = monitored()
    stuck = []
    for _ in range(256):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", srv.http))
        s.setblocking(False)
        try:
            while True:
                s.send(b"GET /varz HTTP/1.1\r\nHost: a\r\n\r\n" * 200)
        except (BlockingIOError, ConnectionError):
            stuck.append(s)
    assert fetch(srv.http, "/healthz").status == 200
    for s in stuck:
        s.close()


def test_metadata_with_quotes_is_still_json(start_server, tmp_path):
    srv = start_server("-c", conf(tmp_path, "http_port: -1\nserver_metadata { 'a\"b': 'c\"d' }"))
    with Http(monitor_port(srv)) as h:
        assert dict(dict(h.get("/varz").json())["metadata"]) == {'a"b': 'c"d'}


def test_A30_no_page_shows_the_secrets_of_the_command_line(monitored):
    srv = monitored("--user", "ann", "--pass", "s3cr3t-of-argv")
    for path in ("/debug/vars", "/varz", "/connz?auth=1&state=all", "/stacksz", "/metrics"):
        assert b"s3cr3t-of-argv" not in fetch(srv.http, path).body, path


def test_H11_who_is_signed_in_is_shown_only_when_asked_for(monitored):
    srv = monitored()
    srv.raw().connect(user="ann-of-h11", jwt="jwt-of-h11", name="gone").close()
    until(srv.http, "/connz?state=closed", lambda p: p["total"] == 1)
    with srv.raw() as c:
        c.connect(user="ann-of-h11", jwt="jwt-of-h11")
        assert b"ann-of-h11" not in fetch(srv.http, "/connz?state=all").body
        assert b"ann-of-h11" in fetch(srv.http, "/connz?state=all&auth=1").body
        assert b"jwt-of-h11" not in fetch(srv.http, "/connz?state=all&auth=1").body


def test_A2_a_seed_for_an_nkey_is_not_shown(monitored):
    srv = monitored()
    with srv.raw() as c:
        c.connect(nkey="SUAMY-SEED")
        users = {c.get("authorized_user") for c in page(srv, "/connz?auth=1")["connections"]}
        assert users == {"[REDACTED]"}


def test_T10_no_page_shows_a_payload(monitored):
    srv = monitored()
    with srv.raw() as c:
        c.connect(headers=True)
        head = b"NATS/1.0\r\nX: canary-head\r\n\r\n"
        c.send(b"SUB a 1\r\nHPUB a %d %d\r\n%bcanary-body\r\n" % (len(head), len(head) + 11, head))
        c.fence()
        for path in ("/varz", "/connz?subs=detail&auth=1", "/subsz?subs=1", "/accountz?acc=$G", "/debug/vars", "/stacksz", "/metrics", "/ipqueuesz"):
            assert b"canary" not in fetch(srv.http, path).body, path


def test_F15_a_closed_connection_is_remembered_with_reason_and_subscriptions(monitored):
    srv = monitored()
    with srv.raw() as c:
        c.connect(name="gone")
        c.send(b"SUB a.b 1\r\nNONSENSE\r\n")
        c.read_until_close()
    (one,) = until(srv.http, "/connz?state=closed&subs=1", lambda p: p["total"] == 1)["connections"]
    assert (one["name"], one["reason"], one["subscriptions_list"]) == ("gone", "Protocol Violation", ["a.b"])
