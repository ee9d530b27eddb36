"""client.py - the conformance features with nats-py.

    client.py FEATURE URL

Prints OK and ends with 0, or `FAIL: why` and 1. ../README.md says what each feature asks for.

This library's flush() may send its PING ahead of what waits in its buffer. fence() stands in for the other
clients' flush: a message to itself comes back after the server has handled everything said before.
"""

import asyncio
import json
import sys

import nats
from nats import errors, micro
from nats.micro.request import ServiceError
from nats.micro.service import EndpointConfig

WAIT_S = 20  # ends a run that hangs; no measurement
MAX_PAYLOAD = 1048576
TOO_LARGE = 2000  # for a server that takes 1000, behind a relay that lets the client believe in 9000


def check(cond, why):
    if not cond:
        raise AssertionError(why)


FENCES = {}  # connection -> [subject, subscription, fences so far]


async def fence(nc):
    """Whatever nc said has been handled, and whatever was sent to it before has arrived."""
    if nc not in FENCES:
        subject = nc.new_inbox()
        FENCES[nc] = [subject, await nc.subscribe(subject), 0]
    own = FENCES[nc]
    await nc.publish(own[0], b"")
    await own[1].next_msg(timeout=WAIT_S)
    own[2] += 1


def n_in(nc):
    """Messages that came, without those of the fences."""
    return nc.stats["in_msgs"] - (FENCES[nc][2] if nc in FENCES else 0)


async def expect(sub, subject, data):
    msg = await sub.next_msg(timeout=WAIT_S)
    check(msg.subject == subject, f"subject {msg.subject}, not {subject}")
    check(msg.data == data, f"{msg.data[:40]!r} on {subject}, not {data[:40]!r}")
    return msg


async def connect(url):
    nc = await nats.connect(url, name="conformance")
    check(nc.connected_url is not None and nc.client_id > 0, "no client id")
    check(nc.max_payload == MAX_PAYLOAD, f"max_payload is {nc.max_payload}")
    check(nc._server_info["headers"] is True and nc._server_info["server_id"], "no headers, or no server id")
    check(await nc.rtt() > 0, "no round-trip time")
    await nc.flush(timeout=WAIT_S)
    await nc.close()
    check(nc.is_closed, "not closed")


async def publish(url):
    a, b = await nats.connect(url), await nats.connect(url)
    sub = await a.subscribe("pub.a")
    await fence(a)
    big = bytes(range(256)) * 256
    for data in (b"", b"x", big[:256], big):
        await b.publish("pub.a", data)
    await b.publish("pub.a", b"re", reply="pub.reply")
    await fence(b)
    for data in (b"", b"x", big[:256], big):
        await expect(sub, "pub.a", data)
    msg = await expect(sub, "pub.a", b"re")
    check(msg.reply == "pub.reply", f"reply is {msg.reply!r}")


async def subscribe(url):
    a, b = await nats.connect(url), await nats.connect(url)
    x, y = await a.subscribe("sub.x"), await a.subscribe("sub.y")
    await fence(a)
    for i in range(5000):
        await b.publish("sub.x", b"%d" % i)
    await fence(b)
    for i in range(5000):
        await expect(x, "sub.x", b"%d" % i)
    await fence(a)
    check(x.pending_msgs == 0 and y.pending_msgs == 0, "more than was published")
    await x.unsubscribe()
    await fence(a)
    before = n_in(a)
    await b.publish("sub.x", b"late")
    await b.publish("sub.y", b"end")
    await fence(b)
    await expect(y, "sub.y", b"end")
    check(n_in(a) == before + 1, "a message came after UNSUB")


async def wildcards(url):
    a, b = await nats.connect(url), await nats.connect(url)
    star, gt, lit = [await a.subscribe(s) for s in ("wild.*.c", "wild.>", "wild.a.b")]
    await fence(a)
    subjects = ["wild.a.b", "wild.z.c", "wild.a", "wild.a.b.c", "wild", "other.a.c"]
    for s in subjects:
        await b.publish(s, s.encode())
    await fence(b)
    await fence(a)
    await expect(star, "wild.z.c", b"wild.z.c")
    await expect(lit, "wild.a.b", b"wild.a.b")
    for s in subjects[:4]:
        await expect(gt, s, s.encode())
    check(star.pending_msgs + gt.pending_msgs + lit.pending_msgs == 0, "something did not match and arrived")


async def queue(url):
    a, b, c = [await nats.connect(url) for _ in range(3)]
    members = [await nc.subscribe("q.*", queue="workers") for nc in (a, a, c)]
    plain = await a.subscribe("q.*")
    await fence(a)
    await fence(c)
    for i in range(300):
        await b.publish("q.work", b"%d" % i)
    for nc in (b, a, c):
        await fence(nc)
    got = []
    for i, member in enumerate(members):
        check(member.pending_msgs > 0, f"member {i} of the group never got a message")
        got += [int((await member.next_msg(timeout=WAIT_S)).data) for _ in range(member.pending_msgs)]
    check(sorted(got) == list(range(300)), "not each message to exactly one member")
    check(plain.pending_msgs == 300, f"the plain subscription got {plain.pending_msgs}")


async def answer(msg):
    """Answer "re:" and what was asked, with one header of the question given back."""
    headers = {"X-Tag-Back": msg.headers["X-Tag"]} if msg.headers else None
    await msg._client.publish(msg.reply, b"re:" + msg.data, headers=headers)


async def request(url):
    a, b = await nats.connect(url), await nats.connect(url)
    await a.subscribe("svc.echo", cb=answer)
    await fence(a)
    for i in range(50):
        msg = await b.request("svc.echo", b"%d" % i, timeout=WAIT_S)
        check(msg.data == b"re:%d" % i, f"request {i} got {msg.data!r}")


async def no_responders(url):
    nc = await nats.connect(url)
    try:
        await nc.request("nobody.home", b"?", timeout=WAIT_S)
    except errors.NoRespondersError:
        return
    raise AssertionError("somebody answered")


async def headers(url):
    a, b = await nats.connect(url), await nats.connect(url)
    sub = await a.subscribe("hdr.a")
    await a.subscribe("hdr.svc", cb=answer)
    await fence(a)
    # nats-py sends one value for each name; two values of one name are the business of the other clients.
    await b.publish("hdr.a", b"body", headers={"X-One": "1", "X-Two": "b c"})
    msg = await expect(sub, "hdr.a", b"body")
    check(msg.headers == {"X-One": "1", "X-Two": "b c"}, f"headers are {msg.headers}")
    msg = await b.request("hdr.svc", b"q", timeout=WAIT_S, headers={"X-Tag": "t1"})
    check(msg.headers == {"X-Tag-Back": "t1"}, f"the answer's headers are {msg.headers}")


async def drain(url):
    closed, handled = asyncio.Event(), []

    async def on_closed():
        closed.set()

    async def on_msg(msg):
        handled.append(msg.data)

    a, b = await nats.connect(url, closed_cb=on_closed), await nats.connect(url)
    await a.subscribe("drain.x", cb=on_msg)
    await fence(a)
    for i in range(100):
        await b.publish("drain.x", b"%d" % i)
    await fence(b)
    await a.drain()
    await asyncio.wait_for(closed.wait(), WAIT_S)
    await b.publish("drain.x", b"late")
    await fence(b)
    check(handled == [b"%d" % i for i in range(100)], f"{len(handled)} messages were handled")


async def reconnect(url):
    back = asyncio.Event()

    async def on_back():
        back.set()

    async def on_error(_):
        pass  # refused connections, while the server is away

    a = await nats.connect(url, reconnected_cb=on_back, error_cb=on_error, reconnect_time_wait=0.02, max_reconnect_attempts=10000)
    sub = await a.subscribe("again.*")
    await fence(a)
    print("READY", flush=True)
    await asyncio.wait_for(back.wait(), WAIT_S)
    await fence(a)
    b = await nats.connect(url)
    await b.publish("again.b", b"from b")
    await fence(b)
    await expect(sub, "again.b", b"from b")
    await a.publish("again.a", b"from a")
    await expect(sub, "again.a", b"from a")


async def no_echo(url):
    # A fence is an echo: this one cannot have it, so b asks and a answers, which is a round trip of both.
    a, b = await nats.connect(url, no_echo=True), await nats.connect(url)
    own, other = await a.subscribe("echo.x"), await b.subscribe("echo.x")
    await a.subscribe("echo.svc", cb=answer)
    await fence(b)
    answered = False
    while not answered:
        try:
            await b.request("echo.svc", b"up", timeout=WAIT_S)
            answered = True
        except errors.NoRespondersError:
            pass
    before = a.stats["in_msgs"]
    await a.publish("echo.x", b"from a")
    await expect(other, "echo.x", b"from a")
    await b.publish("echo.x", b"from b")
    await expect(other, "echo.x", b"from b")
    await expect(own, "echo.x", b"from b")
    check(a.stats["in_msgs"] == before + 1, "it heard itself")


async def max_payload(url):
    a, b = await nats.connect(url), await nats.connect(url)
    sub = await a.subscribe("big.x")
    await fence(a)
    try:
        await b.publish("big.x", b"z" * (MAX_PAYLOAD + 1))
        raise AssertionError("a payload that is too large was taken")
    except errors.MaxPayloadError:
        pass
    await b.publish("big.x", b"z" * MAX_PAYLOAD)
    await fence(b)
    await expect(sub, "big.x", b"z" * MAX_PAYLOAD)


async def auto_unsub(url):
    a, b = await nats.connect(url), await nats.connect(url)
    sub, end = await a.subscribe("auto.x"), await a.subscribe("auto.end")
    await sub.unsubscribe(limit=5)
    await fence(a)
    for i in range(10):
        await b.publish("auto.x", b"%d" % i)
    await b.publish("auto.end", b"end")
    await fence(b)
    await expect(end, "auto.end", b"end")
    for i in range(5):
        await expect(sub, "auto.x", b"%d" % i)
    # The library stops by itself after five: what came over the wire tells whether the server did.
    check(n_in(a) == 6, f"the server sent {n_in(a)} messages, not 5 and the end")


async def refused(url, **credentials):
    """The server does not let these in, and the client says why."""
    async def on_error(_):
        pass  # it is raised, too

    try:
        await nats.connect(url, allow_reconnect=False, error_cb=on_error, **credentials)
    except errors.Error as e:
        check("authorization violation" in str(e).lower(), f"{type(e).__name__}: {e}, not the error for credentials")
        return
    raise AssertionError(f"{credentials} were let in")


async def let_in(url, **credentials):
    nc = await nats.connect(url, **credentials)
    await fence(nc)
    await nc.close()


async def user_password(url):
    await let_in(url, user="ann", password="pw-ann")
    await let_in(url.replace("//", "//bob:pw-bob@"))
    await refused(url, user="ann", password="pw-bob")
    await refused(url, user="bob", password="pw-ann")
    await refused(url, user="nobody", password="pw-ann")
    await refused(url)


async def token(url):
    await let_in(url, token="open-sesame")
    await let_in(url.replace("//", "//open-sesame@"))
    await refused(url, token="open-barley")
    await refused(url)


class Errors:
    """The errors that a connection reports, one by one."""

    def __init__(self):
        self.said = asyncio.Queue()

    async def on_error(self, e):
        await self.said.put(str(e))

    async def expect(self, text):
        said = await asyncio.wait_for(self.said.get(), WAIT_S)
        check(text.lower() in said, f"{said!r}, not {text!r}")  # this library puts them in lower case


async def permissions(url):
    told, srv_told = Errors(), Errors()
    ann = await nats.connect(url, user="ann", password="pw-ann", error_cb=told.on_error)
    bob = await nats.connect(url, user="bob", password="pw-bob")
    srv = await nats.connect(url, user="srv", password="pw-srv", error_cb=srv_told.on_error)
    seen = await bob.subscribe("perm.>")
    await fence(bob)

    await ann.publish("perm.ok.a", b"1")
    await ann.publish("perm.no", b"2")
    await told.expect('Permissions Violation for Publish to "perm.no"')
    await ann.publish("perm.ok.secret", b"3")
    await told.expect('Permissions Violation for Publish to "perm.ok.secret"')
    await ann.publish("perm.ok.b", b"4")
    await expect(seen, "perm.ok.a", b"1")
    await expect(seen, "perm.ok.b", b"4")

    await ann.subscribe("perm.no.x")
    await told.expect('Permissions Violation for Subscription to "perm.no.x"')
    await ann.subscribe("perm.jobs", queue="others")
    await told.expect('Permissions Violation for Subscription to "perm.jobs" using queue "others"')
    jobs, oks = await ann.subscribe("perm.jobs", queue="workers"), await ann.subscribe("perm.ok.>")
    await fence(ann)
    for subject, data in (("perm.jobs", b"job"), ("perm.ok.no.x", b"hidden"), ("perm.ok.c", b"seen")):
        await bob.publish(subject, data)
    await expect(jobs, "perm.jobs", b"job")
    await expect(oks, "perm.ok.c", b"seen")
    await fence(ann)
    check(oks.pending_msgs == 0 and ann.stats["reconnects"] == 0, "more came than is allowed, or another connection")

    await srv.subscribe("perm.svc.x", cb=answer)
    await srv.publish("perm.svc.x", b"own")
    await srv_told.expect('Permissions Violation for Publish to "perm.svc.x"')  # so the SUB before it is in force
    msg = await bob.request("perm.svc.x", b"q", timeout=WAIT_S)
    check(msg.data == b"re:q", f"the answer is {msg.data!r}")


async def lame_duck(url):
    ldm, back = asyncio.Event(), asyncio.Event()

    async def on_ldm():
        ldm.set()

    async def on_back():
        back.set()

    async def on_error(_):
        pass  # the end of the first server

    a = await nats.connect(url.split(","), dont_randomize=True, lame_duck_mode_cb=on_ldm, reconnected_cb=on_back,
                           error_cb=on_error, reconnect_time_wait=0.02, max_reconnect_attempts=10000)
    sub = await a.subscribe("again.*")
    await fence(a)
    print("READY", flush=True)
    await asyncio.wait_for(ldm.wait(), WAIT_S)
    await asyncio.wait_for(back.wait(), WAIT_S)
    check(a.connected_url.netloc == url.split(",")[1].split("//")[1], f"it is with {a.connected_url.netloc}")
    await fence(a)
    b = await nats.connect(url.split(",")[1])
    await b.publish("again.b", b"from b")
    await expect(sub, "again.b", b"from b")


async def too_large(url):
    told, closed = Errors(), asyncio.Event()

    async def on_closed():
        closed.set()

    a = await nats.connect(url, error_cb=told.on_error, closed_cb=on_closed)
    await fence(a)
    await a.publish("big.x", b"z" * TOO_LARGE)
    # This library closes for good, and keeps what the server said.
    await asyncio.wait_for(closed.wait(), WAIT_S)
    check("maximum payload violation" in str(a.last_error), f"the error is {a.last_error}")


async def slow_consumer(url):
    back = asyncio.Event()

    async def on_back():
        back.set()

    async def on_error(_):
        pass  # what the library itself drops, and the end of the connection

    a = await nats.connect(url, reconnected_cb=on_back, error_cb=on_error, reconnect_time_wait=0.02, max_reconnect_attempts=10000)
    await a.subscribe("slow.x", cb=ignore)
    sub = await a.subscribe("again.*")
    await fence(a)
    print("READY", flush=True)
    await asyncio.wait_for(back.wait(), WAIT_S)
    await fence(a)
    b = await nats.connect(url)
    await b.publish("again.b", b"from b")
    await expect(sub, "again.b", b"from b")


async def ignore(_):
    pass


async def request_many(url):
    async def on_ask(msg):
        for text in (b"1", b"2", b"3", b"4", b"5", b""):
            await msg._client.publish(msg.reply, text)

    a, b = await nats.connect(url), await nats.connect(url)
    await a.subscribe("many.ask", cb=on_ask)
    await fence(a)
    inbox = b.new_inbox()
    answers = await b.subscribe(inbox)
    await b.publish("many.ask", b"?", reply=inbox)
    for text in (b"1", b"2", b"3", b"4", b"5", b""):
        await expect(answers, inbox, text)
    # Nobody there: that, too, comes as an answer.
    await b.publish("nobody.home", b"?", reply=inbox)
    msg = await answers.next_msg(timeout=WAIT_S)
    check(msg.headers and msg.headers.get("Status") == "503", f"headers are {msg.headers}")


async def service(url):
    async def on_echo(req):
        await req.respond(b"re:" + req.data, headers={"X-Tag-Back": (req.headers or {}).get("X-Tag", "none")})

    async def on_fail(req):
        raise ServiceError("418", "no coffee")

    a, b = await nats.connect(url), await nats.connect(url)
    one = await micro.add_service(a, name="echoer", version="1.2.3", description="it echoes", metadata={"where": "here"})
    await one.add_endpoint(EndpointConfig(name="echo", handler=on_echo))
    await one.add_group(name="deep").add_endpoint(EndpointConfig(name="fail", subject="down.fail", handler=on_fail))
    two = await micro.add_service(a, name="echoer", version="1.2.4")
    await two.add_endpoint(EndpointConfig(name="echo", handler=on_echo))
    await fence(a)

    async def discover(subject, n):
        inbox = b.new_inbox()
        answers = await b.subscribe(inbox)
        await b.publish(subject, b"", reply=inbox)
        found = [json.loads((await answers.next_msg(timeout=WAIT_S)).data) for _ in range(n)]
        await fence(b)
        await fence(a)
        await fence(b)
        check(answers.pending_msgs == 0, f"more than {n} answered {subject}")
        return found

    for subject in ("$SRV.PING", "$SRV.PING.echoer"):
        found = await discover(subject, 2)
        check({p["id"] for p in found} == {one.id, two.id}, f"{subject} finds {found}")
    (info,) = await discover(f"$SRV.INFO.echoer.{one.id}", 1)
    check(info["version"] == "1.2.3" and info["metadata"].get("where") == "here", f"info is {info}")
    check([e["subject"] for e in info["endpoints"]] == ["echo", "deep.down.fail"], f"endpoints are {info['endpoints']}")

    for i in range(20):
        msg = await b.request("echo", b"%d" % i, timeout=WAIT_S, headers={"X-Tag": "t"})
        check(msg.data == b"re:%d" % i and msg.headers == {"X-Tag-Back": "t"}, f"request {i} got {msg}")
    msg = await b.request("deep.down.fail", b"", timeout=WAIT_S)
    check(msg.headers["Nats-Service-Error-Code"] == "418", f"the error's headers are {msg.headers}")

    # A service may count a request after it has answered it: what was asked is counted some time, and nothing more.
    while True:
        stats = {s["id"]: s["endpoints"] for s in await discover("$SRV.STATS.echoer", 2)}
        asked, failed = sum(stats[x.id][0]["num_requests"] for x in (one, two)), stats[one.id][1]["num_errors"]
        if (asked, failed) == (20, 1):
            break
        check(asked <= 20 and failed <= 1, f"of 20 requests {asked}, of 1 error {failed} counted")

    await one.stop()
    await fence(a)
    (left,) = await discover("$SRV.PING", 1)
    check(left["id"] == two.id, f"{left} is left")


FEATURES = {f.__name__: f for f in (connect, publish, subscribe, wildcards, queue, request, no_responders, headers, drain,
                                    reconnect, no_echo, max_payload, auto_unsub, user_password, token, permissions,
                                    lame_duck, too_large, slow_consumer, request_many, service)}


def main():
    try:
        asyncio.run(asyncio.wait_for(FEATURES[sys.argv[1]](sys.argv[2]), 2 * WAIT_S))
    except Exception as e:  # whatever it was, the test shows it
        print(f"FAIL: {type(e).__name__}: {e}")
        sys.exit(1)
    print("OK")


main()
