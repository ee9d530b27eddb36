// client.mjs - the conformance features with @nats-io/transport-node.
//
//     node client.mjs FEATURE URL
//
// Prints OK and ends with 0, or `FAIL: why` and 1. ../README.md says what each feature asks for.
// The program runs in the folder that holds node_modules (clients.py puts it there).
import { connect as dial, createInbox, errors, headers as newHeaders } from "@nats-io/transport-node";

const WAIT_MS = 20000; // ends a run that hangs; no measurement
const MAX_PAYLOAD = 1048576;
const TOO_LARGE = 2000; // for a server that takes 1000, behind a relay that lets the client believe in 9000

function check(cond, why) {
  if (!cond) throw new Error(why);
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} never happened`)), WAIT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const open = [];
async function client(url, options = {}) {
  const nc = await dial({ servers: url, ...options });
  open.push(nc);
  return nc;
}

// The next message of a subscription's iterator, which must be the given one.
async function expect(sub, subject, text) {
  const { value: msg, done } = await within(sub.iterator.next(), `a message on ${subject}`);
  check(!done, `the subscription ended before ${subject}`);
  check(msg.subject === subject, `subject ${msg.subject}, not ${subject}`);
  if (text !== undefined) check(msg.string() === text, `${msg.string().slice(0, 40)} on ${subject}, not ${text.slice(0, 40)}`);
  return msg;
}

function subscribe(nc, subject, options) {
  const sub = nc.subscribe(subject, options);
  sub.iterator = sub[Symbol.asyncIterator]();
  return sub;
}

async function letIn(url, options) {
  const nc = await client(url, options);
  await nc.flush();
  await nc.close();
}

async function refused(url, options) {
  const e = await client(url, { ...options, reconnect: false }).then(() => null, (err) => err);
  check(e !== null, `${JSON.stringify(options)} was let in`);
  const none = [e, e.cause].some((one) => one instanceof errors.AuthorizationError);
  check(none, `${e.name}: ${e.message}, not the error for credentials`);
}

// The statuses of one type that a connection reports, one by one.
function statuses(nc, type) {
  const found = (async function* () {
    for await (const s of nc.status()) if (s.type === type) yield s;
  })();
  return async (what) => (await within(found.next(), what)).value;
}

async function expectViolation(next, text) {
  const { error } = await next(text);
  check(error instanceof errors.PermissionViolationError, `${error}, not of permissions`);
  check(error.message.includes(text), `${error.message}, not ${text}`);
}

const COMES_BACK = { maxReconnectAttempts: -1, reconnectTimeWait: 20, reconnectJitter: 1 };

// a is connected again: it hears what a new connection to url says.
async function expectAgain(a, sub, url) {
  await a.flush();
  const b = await client(url);
  b.publish("again.b", "from b");
  await b.flush();
  await expect(sub, "again.b", "from b");
}

const features = {
  async connect(url) {
    const nc = await client(url, { name: "conformance" });
    check(nc.info.server_id && nc.info.version, "no server id");
    check(nc.info.max_payload === MAX_PAYLOAD, `max_payload is ${nc.info.max_payload}`);
    check(nc.info.headers === true, "no headers");
    check((await nc.rtt()) >= 0, "no round-trip time");
    await nc.flush();
    await nc.close();
    check(nc.isClosed(), "not closed");
  },

  async publish(url) {
    const a = await client(url), b = await client(url);
    const sub = subscribe(a, "pub.a");
    await a.flush();
    const big = Uint8Array.from({ length: 65536 }, (_, i) => i & 255);
    const payloads = [new Uint8Array(0), big.slice(120, 121), big.slice(0, 256), big];
    for (const data of payloads) b.publish("pub.a", data);
    b.publish("pub.a", "re", { reply: "pub.reply" });
    await b.flush();
    for (const data of payloads) {
      const msg = await expect(sub, "pub.a");
      check(Buffer.compare(Buffer.from(msg.data), Buffer.from(data)) === 0, "other bytes");
    }
    check((await expect(sub, "pub.a", "re")).reply === "pub.reply", "no reply subject");
  },

  async subscribe(url) {
    const a = await client(url), b = await client(url);
    const x = subscribe(a, "sub.x"), y = subscribe(a, "sub.y");
    await a.flush();
    for (let i = 0; i < 5000; i++) b.publish("sub.x", `${i}`);
    await b.flush();
    for (let i = 0; i < 5000; i++) await expect(x, "sub.x", `${i}`);
    await a.flush();
    check(a.stats().inMsgs === 5000, `${a.stats().inMsgs} messages came`);
    x.unsubscribe();
    await a.flush();
    b.publish("sub.x", "late");
    b.publish("sub.y", "end");
    await b.flush();
    await expect(y, "sub.y", "end");
    check(a.stats().inMsgs === 5001, "a message came after UNSUB");
  },

  async wildcards(url) {
    const a = await client(url), b = await client(url);
    const star = subscribe(a, "wild.*.c"), gt = subscribe(a, "wild.>"), lit = subscribe(a, "wild.a.b");
    await a.flush();
    const subjects = ["wild.a.b", "wild.z.c", "wild.a", "wild.a.b.c", "wild", "other.a.c"];
    for (const s of subjects) b.publish(s, s);
    await b.flush();
    await a.flush();
    await expect(star, "wild.z.c", "wild.z.c");
    await expect(lit, "wild.a.b", "wild.a.b");
    for (const s of subjects.slice(0, 4)) await expect(gt, s, s);
    check(a.stats().inMsgs === 6, "something did not match and arrived");
  },

  async queue(url) {
    const a = await client(url), b = await client(url), c = await client(url);
    const seen = [[], [], []];
    [a, a, c].forEach((nc, i) => nc.subscribe("q.*", { queue: "workers", callback: (_, m) => seen[i].push(Number(m.string())) }));
    let plain = 0;
    a.subscribe("q.*", { callback: () => plain++ });
    await a.flush();
    await c.flush();
    for (let i = 0; i < 300; i++) b.publish("q.work", `${i}`);
    for (const nc of [b, a, c]) await nc.flush();
    seen.forEach((s, i) => check(s.length > 0, `member ${i} of the group never got a message`));
    const all = seen.flat().sort((p, q) => p - q);
    check(all.length === 300 && all.every((n, i) => n === i), "not each message to exactly one member");
    check(plain === 300, `the plain subscription got ${plain}`);
  },

  async request(url) {
    const a = await client(url), b = await client(url);
    a.subscribe("svc.echo", { callback: answer });
    await a.flush();
    for (let i = 0; i < 50; i++) {
      const msg = await b.request("svc.echo", `${i}`, { timeout: WAIT_MS });
      check(msg.string() === `re:${i}`, `request ${i} got ${msg.string()}`);
    }
  },

  async no_responders(url) {
    const nc = await client(url);
    const e = await nc.request("nobody.home", "?", { timeout: WAIT_MS }).then(() => null, (err) => err);
    check(e !== null, "somebody answered");
    const none = [e, e.cause].some((one) => one instanceof errors.NoRespondersError);
    check(none, `${e.name}: ${e.message}, not no responders`);
  },

  async headers(url) {
    const a = await client(url), b = await client(url);
    const sub = subscribe(a, "hdr.a");
    a.subscribe("hdr.svc", { callback: answer });
    await a.flush();
    const h = newHeaders();
    h.set("X-One", "1");
    h.append("X-Two", "a");
    h.append("X-Two", "b c");
    b.publish("hdr.a", "body", { headers: h });
    const msg = await expect(sub, "hdr.a", "body");
    check(msg.headers.get("X-One") === "1", `X-One is ${msg.headers.get("X-One")}`);
    check(msg.headers.values("X-Two").join("|") === "a|b c", `X-Two is ${msg.headers.values("X-Two")}`);
    const tag = newHeaders();
    tag.set("X-Tag", "t1");
    const back = await b.request("hdr.svc", "q", { timeout: WAIT_MS, headers: tag });
    check(back.headers.get("X-Tag-Back") === "t1", "the answer has another header");
  },

  async drain(url) {
    const a = await client(url), b = await client(url);
    const handled = [];
    a.subscribe("drain.x", { callback: (_, m) => handled.push(Number(m.string())) });
    await a.flush();
    for (let i = 0; i < 100; i++) b.publish("drain.x", `${i}`);
    await b.flush();
    await within(a.drain(), "the drain's end");
    await within(a.closed(), "the close after the drain");
    b.publish("drain.x", "late");
    await b.flush();
    check(handled.length === 100 && handled.every((n, i) => n === i), `${handled.length} messages were handled`);
  },

  async reconnect(url) {
    const a = await client(url, { maxReconnectAttempts: -1, reconnectTimeWait: 20, reconnectJitter: 1 });
    const sub = subscribe(a, "again.*");
    await a.flush();
    const back = (async () => {
      for await (const s of a.status()) if (s.type === "reconnect") return;
    })();
    console.log("READY");
    await within(back, "the reconnect");
    await a.flush();
    const b = await client(url);
    b.publish("again.b", "from b");
    await b.flush();
    await expect(sub, "again.b", "from b");
    a.publish("again.a", "from a");
    await expect(sub, "again.a", "from a");
  },

  async no_echo(url) {
    const a = await client(url, { noEcho: true }), b = await client(url);
    const own = subscribe(a, "echo.x"), other = subscribe(b, "echo.x");
    await a.flush();
    await b.flush();
    a.publish("echo.x", "from a");
    await a.flush();
    b.publish("echo.x", "from b");
    await b.flush();
    await expect(own, "echo.x", "from b");
    await expect(other, "echo.x", "from a");
    await expect(other, "echo.x", "from b");
    await a.flush();
    check(a.stats().inMsgs === 1, "it heard itself");
  },

  async max_payload(url) {
    const a = await client(url), b = await client(url);
    const sub = subscribe(a, "big.x");
    await a.flush();
    const big = new Uint8Array(MAX_PAYLOAD + 1).fill(122);
    let refused = null;
    try {
      b.publish("big.x", big);
    } catch (e) {
      refused = e;
    }
    check(refused !== null && /max_payload/i.test(refused.message), `a payload that is too large: ${refused}`);
    b.publish("big.x", big.slice(1));
    await b.flush();
    const msg = await expect(sub, "big.x");
    check(msg.data.length === MAX_PAYLOAD && msg.data.every((byte) => byte === 122), "other bytes");
  },

  async auto_unsub(url) {
    const a = await client(url), b = await client(url);
    const sub = subscribe(a, "auto.x", { max: 5 }), end = subscribe(a, "auto.end");
    await a.flush();
    for (let i = 0; i < 10; i++) b.publish("auto.x", `${i}`);
    b.publish("auto.end", "end");
    await b.flush();
    await expect(end, "auto.end", "end");
    for (let i = 0; i < 5; i++) await expect(sub, "auto.x", `${i}`);
    // The library stops by itself after five: what came over the wire tells whether the server did.
    check(a.stats().inMsgs === 6, `the server sent ${a.stats().inMsgs} messages, not 5 and the end`);
  },

  async user_password(url) {
    await letIn(url, { user: "ann", pass: "pw-ann" });
    await letIn(url, { user: "bob", pass: "pw-bob" });
    await refused(url, { user: "ann", pass: "pw-bob" });
    await refused(url, { user: "bob", pass: "pw-ann" });
    await refused(url, { user: "nobody", pass: "pw-ann" });
    await refused(url, {});
  },

  async token(url) {
    await letIn(url, { token: "open-sesame" });
    await refused(url, { token: "open-barley" });
    await refused(url, {});
  },

  async permissions(url) {
    const ann = await client(url, { user: "ann", pass: "pw-ann" }), told = statuses(ann, "error");
    const bob = await client(url, { user: "bob", pass: "pw-bob" });
    const srv = await client(url, { user: "srv", pass: "pw-srv" }), srvTold = statuses(srv, "error");
    const seen = subscribe(bob, "perm.>");
    await bob.flush();

    ann.publish("perm.ok.a", "1");
    ann.publish("perm.no", "2");
    await expectViolation(told, 'Permissions Violation for Publish to "perm.no"');
    ann.publish("perm.ok.secret", "3");
    await expectViolation(told, 'Permissions Violation for Publish to "perm.ok.secret"');
    ann.publish("perm.ok.b", "4");
    await expect(seen, "perm.ok.a", "1");
    await expect(seen, "perm.ok.b", "4");
    const asked = await ann.request("perm.no", "?", { timeout: WAIT_MS }).then(() => null, (err) => err);
    check([asked, asked?.cause].some((e) => e instanceof errors.PermissionViolationError), `a request: ${asked}`);
    await expectViolation(told, 'Permissions Violation for Publish to "perm.no"');

    const no = ann.subscribe("perm.no.x"), ended = no.closed;
    await expectViolation(told, 'Permissions Violation for Subscription to "perm.no.x"');
    check((await within(ended, "the subscription's end")) instanceof errors.PermissionViolationError, "another end");
    ann.subscribe("perm.jobs", { queue: "others", callback: () => {} });
    await expectViolation(told, 'Permissions Violation for Subscription to "perm.jobs" using queue "others"');
    const jobs = subscribe(ann, "perm.jobs", { queue: "workers" }), oks = subscribe(ann, "perm.ok.>");
    await ann.flush();
    const before = ann.stats().inMsgs;
    bob.publish("perm.jobs", "job");
    bob.publish("perm.ok.no.x", "hidden");
    bob.publish("perm.ok.c", "seen");
    await bob.flush();
    await expect(jobs, "perm.jobs", "job");
    await expect(oks, "perm.ok.c", "seen");
    await ann.flush();
    check(ann.stats().inMsgs === before + 2, "more came than is allowed");

    srv.subscribe("perm.svc.x", { callback: answer });
    srv.publish("perm.svc.x", "own");
    await expectViolation(srvTold, 'Permissions Violation for Publish to "perm.svc.x"');
    const msg = await bob.request("perm.svc.x", "q", { timeout: WAIT_MS });
    check(msg.string() === "re:q", `the answer is ${msg.string()}`);
  },

  async lame_duck(urls) {
    const [first, second] = urls.split(",");
    const a = await dial({ servers: [first, second], noRandomize: true, ...COMES_BACK });
    open.push(a);
    const ldm = statuses(a, "ldm"), back = statuses(a, "reconnect");
    const sub = subscribe(a, "again.*");
    await a.flush();
    const told = ldm("the word of lame duck mode"), came = back("the reconnect");
    console.log("READY");
    await told;
    await came;
    check(second.endsWith(a.getServer()), `it is with ${a.getServer()}`);
    await expectAgain(a, sub, second);
  },

  async slow_consumer(url) {
    const a = await client(url, COMES_BACK), back = statuses(a, "reconnect");
    a.subscribe("slow.x", { callback: () => {} });
    const sub = subscribe(a, "again.*");
    await a.flush();
    const came = back("the reconnect");
    console.log("READY");
    await came;
    await expectAgain(a, sub, url);
  },

  async too_large(url) {
    const a = await client(url, { reconnect: false }), told = statuses(a, "error");
    await a.flush();
    const error = told("the server's error");
    a.publish("big.x", new Uint8Array(TOO_LARGE));
    check(/maximum payload violation/i.test((await error).error.message), `the error is ${(await error).error}`);
    await within(a.closed(), "the close by the server");
  },

  async request_many(url) {
    const a = await client(url), b = await client(url);
    const texts = ["1", "2", "3", "4", "5", ""];
    a.subscribe("many.ask", { callback: (_, m) => texts.forEach((text) => m.respond(text)) });
    await a.flush();
    for (const noMux of [false, true]) {
      for (const how of [{ strategy: "sentinel" }, { strategy: "count", maxMessages: 6 }]) {
        const found = [];
        for await (const m of await b.requestMany("many.ask", "?", { maxWait: WAIT_MS, noMux, ...how })) found.push(m.string());
        const wanted = how.strategy === "sentinel" ? [texts, texts.slice(0, 5)] : [texts];
        check(wanted.some((w) => w.join() === found.join()), `${how.strategy}, noMux ${noMux}: ${found}`);
      }
    }
    // Nobody there: that, too, comes as an answer.
    const inbox = createInbox(), answers = subscribe(b, inbox);
    b.publish("nobody.home", "?", { reply: inbox });
    const { value: none } = await within(answers.iterator.next(), "an answer");
    check(none.headers.code === 503, `${none.headers.code}, not no responders`);
  },
};

// Answer "re:" and what was asked, with one header of the question given back.
function answer(err, msg) {
  if (err) throw err;
  let h;
  if (msg.headers) {
    h = newHeaders();
    h.set("X-Tag-Back", msg.headers.get("X-Tag"));
  }
  msg.respond(`re:${msg.string()}`, { headers: h });
}

try {
  await features[process.argv[2]](process.argv[3]);
  console.log("OK");
  process.exitCode = 0;
} catch (e) {
  console.log(`FAIL: ${e.stack}`);
  process.exitCode = 1;
}
await Promise.allSettled(open.map((nc) => nc.close()));
process.exit();
