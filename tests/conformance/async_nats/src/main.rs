//! The conformance features with async-nats.
//!
//!     client FEATURE URL
//!
//! Prints OK and ends with 0, or `FAIL: why` and 1. ../README.md says what each feature asks for.
//!
//! This library's flush() only empties its buffer. `Peer::fence` stands in for the other clients' flush: a
//! message to itself comes back after the server has handled everything that this connection said before.

use std::future::Future;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

type Anyhow = Box<dyn std::error::Error + Send + Sync>;
type Outcome = Result<(), Anyhow>;

const WAIT: Duration = Duration::from_secs(20); // ends a run that hangs; no measurement
const MAX_PAYLOAD: usize = 1048576;
const TOO_LARGE: usize = 2000; // for a server that takes 1000, behind a relay that lets the client believe in 9000

macro_rules! check {
    ($cond:expr, $($why:tt)+) => {
        if !$cond {
            return Err(format!($($why)+).into());
        }
    };
}

async fn within<T>(what: &str, f: impl Future<Output = T>) -> Result<T, Anyhow> {
    timeout(WAIT, f).await.map_err(|_| format!("{what} never happened").into())
}

/// A connection with a way to wait until the server has handled what it said.
struct Peer {
    nc: Client,
    own: Subscriber,
    subject: String,
    n_fences: u64,
}

impl Peer {
    async fn dial(url: &str) -> Result<Peer, Anyhow> {
        Peer::dial_with(url, ConnectOptions::new()).await
    }

    async fn dial_with(url: &str, options: ConnectOptions) -> Result<Peer, Anyhow> {
        let nc = options.subscription_capacity(65536).connect(url).await?;
        let subject = nc.new_inbox();
        let own = nc.subscribe(subject.clone()).await?;
        Ok(Peer { nc, own, subject, n_fences: 0 })
    }

    async fn fence(&mut self) -> Outcome {
        self.nc.publish(self.subject.clone(), Bytes::new()).await?;
        self.nc.flush().await?;
        within("the fence", self.own.next()).await?.ok_or("closed at the fence")?;
        self.n_fences += 1;
        Ok(())
    }

    async fn publish(&self, subject: &str, text: impl Into<Bytes>) -> Outcome {
        Ok(self.nc.publish(subject.to_string(), text.into()).await?)
    }

    /// Messages that came, without those of the fences.
    fn n_in(&self) -> u64 {
        self.nc.statistics().in_messages.load(Relaxed) - self.n_fences
    }
}

async fn expect(sub: &mut Subscriber, subject: &str, data: &[u8]) -> Result<Message, Anyhow> {
    let msg = within(subject, sub.next()).await?.ok_or(format!("the subscription ended before {subject}"))?;
    check!(msg.subject.as_str() == subject, "subject {}, not {subject}", msg.subject);
    check!(msg.payload == data, "{} other bytes on {subject}", msg.payload.len());
    Ok(msg)
}

async fn connect(url: &str) -> Outcome {
    let mut a = Peer::dial_with(url, ConnectOptions::new().name("conformance")).await?;
    let info = a.nc.server_info();
    check!(!info.server_id.is_empty() && !info.version.is_empty(), "no server id");
    check!(info.max_payload == MAX_PAYLOAD, "max_payload is {}", info.max_payload);
    check!(info.headers && info.client_id > 0, "no headers, or no client id");
    a.fence().await?;
    a.nc.drain().await?;
    Ok(())
}

async fn publish(url: &str) -> Outcome {
    let (mut a, mut b) = (Peer::dial(url).await?, Peer::dial(url).await?);
    let mut sub = a.nc.subscribe("pub.a").await?;
    a.fence().await?;
    let big: Vec<u8> = (0..65536u32).map(|i| i as u8).collect();
    let payloads = [&b""[..], &b"x"[..], &big[..256], &big[..]];
    for data in payloads {
        b.publish("pub.a", data.to_vec()).await?;
    }
    b.nc.publish_with_reply("pub.a", "pub.reply", "re".into()).await?;
    b.fence().await?;
    for data in payloads {
        expect(&mut sub, "pub.a", data).await?;
    }
    let msg = expect(&mut sub, "pub.a", b"re").await?;
    check!(msg.reply.as_deref() == Some("pub.reply"), "reply is {:?}", msg.reply);
    Ok(())
}

async fn subscribe(url: &str) -> Outcome {
    let (mut a, mut b) = (Peer::dial(url).await?, Peer::dial(url).await?);
    let mut x = a.nc.subscribe("sub.x").await?;
    let mut y = a.nc.subscribe("sub.y").await?;
    a.fence().await?;
    for i in 0..5000 {
        b.publish("sub.x", i.to_string()).await?;
    }
    b.fence().await?;
    for i in 0..5000 {
        expect(&mut x, "sub.x", i.to_string().as_bytes()).await?;
    }
    a.fence().await?;
    check!(a.n_in() == 5000, "{} messages came", a.n_in());
    x.unsubscribe().await?;
    a.fence().await?;
    b.publish("sub.x", "late").await?;
    b.publish("sub.y", "end").await?;
    b.fence().await?;
    expect(&mut y, "sub.y", b"end").await?;
    check!(a.n_in() == 5001, "a message came after UNSUB");
    Ok(())
}

async fn wildcards(url: &str) -> Outcome {
    let (mut a, mut b) = (Peer::dial(url).await?, Peer::dial(url).await?);
    let mut star = a.nc.subscribe("wild.*.c").await?;
    let mut gt = a.nc.subscribe("wild.>").await?;
    let mut lit = a.nc.subscribe("wild.a.b").await?;
    a.fence().await?;
    let subjects = ["wild.a.b", "wild.z.c", "wild.a", "wild.a.b.c", "wild", "other.a.c"];
    for s in subjects {
        b.publish(s, s).await?;
    }
    b.fence().await?;
    a.fence().await?;
    expect(&mut star, "wild.z.c", b"wild.z.c").await?;
    expect(&mut lit, "wild.a.b", b"wild.a.b").await?;
    for s in &subjects[..4] {
        expect(&mut gt, s, s.as_bytes()).await?;
    }
    check!(a.n_in() == 6, "{} messages came, not 6", a.n_in());
    Ok(())
}

async fn queue(url: &str) -> Outcome {
    let (mut a, mut b, mut c) = (Peer::dial(url).await?, Peer::dial(url).await?, Peer::dial(url).await?);
    let mut members = vec![
        a.nc.queue_subscribe("q.*", "workers".into()).await?,
        a.nc.queue_subscribe("q.*", "workers".into()).await?,
        c.nc.queue_subscribe("q.*", "workers".into()).await?,
    ];
    let mut plain = a.nc.subscribe("q.*").await?;
    a.fence().await?;
    c.fence().await?;
    for i in 0..300 {
        b.publish("q.work", i.to_string()).await?;
    }
    b.fence().await?;
    a.fence().await?;
    c.fence().await?;
    check!(a.n_in() + c.n_in() == 600, "{} and {} messages came, not 600 in all", a.n_in(), c.n_in());

    // All is here: what is left of each subscription ends after the connections drain.
    a.nc.drain().await?;
    c.nc.drain().await?;
    let mut seen = vec![0; 300];
    for (i, member) in members.iter_mut().enumerate() {
        let mut n = 0;
        while let Some(msg) = within("a member's end", member.next()).await? {
            seen[std::str::from_utf8(&msg.payload)?.parse::<usize>()?] += 1;
            n += 1;
        }
        check!(n > 0, "member {i} of the group never got a message");
    }
    check!(seen.iter().all(|&n| n == 1), "not each message to exactly one member");
    let mut n = 0;
    while within("the plain subscription's end", plain.next()).await?.is_some() {
        n += 1;
    }
    check!(n == 300, "the plain subscription got {n}");
    Ok(())
}

/// Answer "re:" and what was asked, with one header of the question given back, until the subscription ends.
fn serve(nc: &Client, mut sub: Subscriber) {
    let nc = nc.clone();
    tokio::spawn(async move {
        while let Some(msg) = sub.next().await {
            let mut headers = HeaderMap::new();
            if let Some(tag) = msg.headers.as_ref().and_then(|h| h.get("X-Tag")) {
                headers.insert("X-Tag-Back", tag.clone());
            }
            let text = [b"re:", &msg.payload[..]].concat();
            let Some(reply) = msg.reply else { continue };
            nc.publish_with_headers(reply, headers, text.into()).await.expect("the answer is sent");
        }
    });
}

async fn request(url: &str) -> Outcome {
    let (mut a, b) = (Peer::dial(url).await?, Peer::dial(url).await?);
    serve(&a.nc, a.nc.subscribe("svc.echo").await?);
    a.fence().await?;
    for i in 0..50 {
        let msg = within("an answer", b.nc.request("svc.echo", i.to_string().into())).await??;
        check!(msg.payload == format!("re:{i}").as_bytes(), "request {i} got {:?}", msg.payload);
    }
    Ok(())
}

async fn no_responders(url: &str) -> Outcome {
    let a = Peer::dial(url).await?;
    match within("an answer", a.nc.request("nobody.home", "?".into())).await? {
        Ok(_) => Err("somebody answered".into()),
        Err(e) if e.kind() == async_nats::client::RequestErrorKind::NoResponders => Ok(()),
        Err(e) => Err(format!("{e}, not no responders").into()),
    }
}

async fn headers(url: &str) -> Outcome {
    let (mut a, b) = (Peer::dial(url).await?, Peer::dial(url).await?);
    let mut sub = a.nc.subscribe("hdr.a").await?;
    serve(&a.nc, a.nc.subscribe("hdr.svc").await?);
    a.fence().await?;
    let mut h = HeaderMap::new();
    h.insert("X-One", "1");
    h.append("X-Two", "a");
    h.append("X-Two", "b c");
    b.nc.publish_with_headers("hdr.a", h, "body".into()).await?;
    b.nc.flush().await?;
    let msg = expect(&mut sub, "hdr.a", b"body").await?;
    let got = msg.headers.ok_or("no headers came")?;
    let two: Vec<&str> = got.get_all("X-Two").map(|v| v.as_str()).collect();
    check!(got.get("X-One").map(|v| v.as_str()) == Some("1"), "X-One is {:?}", got.get("X-One"));
    check!(two == ["a", "b c"], "X-Two is {two:?}");
    let mut tag = HeaderMap::new();
    tag.insert("X-Tag", "t1");
    let back = within("an answer", b.nc.request_with_headers("hdr.svc", tag, "q".into())).await??;
    let back = back.headers.ok_or("the answer has no headers")?;
    check!(back.get("X-Tag-Back").map(|v| v.as_str()) == Some("t1"), "the answer's headers are {back:?}");
    Ok(())
}

/// Options whose events go to a channel.
fn with_events(options: ConnectOptions) -> (ConnectOptions, mpsc::UnboundedReceiver<Event>) {
    let (tx, rx) = mpsc::unbounded_channel();
    let options = options.event_callback(move |event| {
        let tx = tx.clone();
        async move {
            let _ = tx.send(event); // nobody listens any more when the test is over
        }
    });
    (options, rx)
}

async fn await_event(rx: &mut mpsc::UnboundedReceiver<Event>, what: &str, wanted: fn(&Event) -> bool) -> Outcome {
    loop {
        let event = within(what, rx.recv()).await?.ok_or("no more events")?;
        if wanted(&event) {
            return Ok(());
        }
    }
}

async fn drain(url: &str) -> Outcome {
    let (options, mut events) = with_events(ConnectOptions::new());
    let (mut a, mut b) = (Peer::dial_with(url, options).await?, Peer::dial(url).await?);
    let mut sub = a.nc.subscribe("drain.x").await?;
    a.fence().await?;
    for i in 0..100 {
        b.publish("drain.x", i.to_string()).await?;
    }
    b.fence().await?;
    // This client ends its subscriptions once UNSUB is written, not once its PONG is here: what has not come by then it drops.
    a.fence().await?;
    a.nc.drain().await?;
    for i in 0..100 {
        expect(&mut sub, "drain.x", i.to_string().as_bytes()).await?;
    }
    check!(within("the subscription's end", sub.next()).await?.is_none(), "more than was published");
    await_event(&mut events, "the close after the drain", |e| matches!(e, Event::Closed)).await
}

async fn reconnect(url: &str) -> Outcome {
    let options = ConnectOptions::new().max_reconnects(None).reconnect_delay_callback(|_| Duration::from_millis(20));
    let (options, mut events) = with_events(options);
    let mut a = Peer::dial_with(url, options).await?;
    let mut sub = a.nc.subscribe("again.*").await?;
    a.fence().await?;
    println!("READY");
    await_event(&mut events, "the disconnect", |e| matches!(e, Event::Disconnected)).await?;
    await_event(&mut events, "the reconnect", |e| matches!(e, Event::Connected)).await?;
    a.fence().await?;
    let mut b = Peer::dial(url).await?;
    b.publish("again.b", "from b").await?;
    b.fence().await?;
    expect(&mut sub, "again.b", b"from b").await?;
    a.publish("again.a", "from a").await?;
    a.nc.flush().await?;
    expect(&mut sub, "again.a", b"from a").await?;
    Ok(())
}

async fn no_echo(url: &str) -> Outcome {
    // A fence is an echo: this one cannot have it, so b asks and a answers, which is a round trip of both.
    let a = ConnectOptions::new().no_echo().connect(url).await?;
    let mut b = Peer::dial(url).await?;
    let mut own = a.subscribe("echo.x").await?;
    let mut other = b.nc.subscribe("echo.x").await?;
    serve(&a, a.subscribe("echo.svc").await?);
    a.flush().await?;
    b.fence().await?;
    while let Err(e) = within("an answer", b.nc.request("echo.svc", "up".into())).await? {
        check!(e.kind() == async_nats::client::RequestErrorKind::NoResponders, "{e}");
    }
    let n_in = a.statistics().in_messages.load(Relaxed);

    a.publish("echo.x", "from a".into()).await?;
    a.flush().await?;
    expect(&mut other, "echo.x", b"from a").await?;
    b.publish("echo.x", "from b").await?;
    b.fence().await?;
    expect(&mut own, "echo.x", b"from b").await?;
    expect(&mut other, "echo.x", b"from b").await?;
    check!(a.statistics().in_messages.load(Relaxed) == n_in + 1, "it heard itself");
    Ok(())
}

async fn max_payload(url: &str) -> Outcome {
    let (mut a, mut b) = (Peer::dial(url).await?, Peer::dial(url).await?);
    let mut sub = a.nc.subscribe("big.x").await?;
    a.fence().await?;
    let big = Bytes::from(vec![b'z'; MAX_PAYLOAD + 1]);
    match b.nc.publish("big.x", big.clone()).await {
        Err(e) if e.kind() == async_nats::client::PublishErrorKind::MaxPayloadExceeded => {}
        other => return Err(format!("a payload that is too large: {other:?}").into()),
    }
    b.publish("big.x", big.slice(1..)).await?;
    b.fence().await?;
    expect(&mut sub, "big.x", &big[1..]).await?;
    Ok(())
}

async fn auto_unsub(url: &str) -> Outcome {
    let (mut a, mut b) = (Peer::dial(url).await?, Peer::dial(url).await?);
    let mut sub = a.nc.subscribe("auto.x").await?;
    let mut end = a.nc.subscribe("auto.end").await?;
    sub.unsubscribe_after(5).await?;
    a.fence().await?;
    for i in 0..10 {
        b.publish("auto.x", i.to_string()).await?;
    }
    b.publish("auto.end", "end").await?;
    b.fence().await?;
    expect(&mut end, "auto.end", b"end").await?;
    for i in 0..5 {
        expect(&mut sub, "auto.x", i.to_string().as_bytes()).await?;
    }
    // The library stops by itself after five: what came over the wire tells whether the server did.
    check!(a.n_in() == 6, "the server sent {} messages, not 5 and the end", a.n_in());
    Ok(())
}

async fn let_in(url: &str, options: ConnectOptions) -> Outcome {
    Peer::dial_with(url, options).await?.fence().await
}

async fn refused(url: &str, options: ConnectOptions) -> Outcome {
    match within("an answer", options.connect(url)).await? {
        Ok(_) => Err("it was let in".into()),
        Err(e) if e.kind() == async_nats::ConnectErrorKind::AuthorizationViolation => Ok(()),
        Err(e) => Err(format!("{e}, not the error for credentials").into()),
    }
}

fn user(name: &str, password: &str) -> ConnectOptions {
    ConnectOptions::with_user_and_password(name.into(), password.into())
}

async fn user_password(url: &str) -> Outcome {
    let_in(url, user("ann", "pw-ann")).await?;
    let_in(url, user("bob", "pw-bob")).await?;
    refused(url, user("ann", "pw-bob")).await?;
    refused(url, user("bob", "pw-ann")).await?;
    refused(url, user("nobody", "pw-ann")).await?;
    refused(url, ConnectOptions::new()).await
}

async fn token(url: &str) -> Outcome {
    let_in(url, ConnectOptions::with_token("open-sesame".into())).await?;
    refused(url, ConnectOptions::with_token("open-barley".into())).await?;
    refused(url, ConnectOptions::new()).await
}

/// The next error of the server that a connection reports.
async fn expect_error(rx: &mut mpsc::UnboundedReceiver<Event>, text: &str) -> Outcome {
    loop {
        match within(text, rx.recv()).await?.ok_or("no more events")? {
            Event::ServerError(e) => {
                check!(e.to_string().contains(text), "{e}, not {text}");
                return Ok(());
            }
            Event::Disconnected | Event::Closed => return Err(format!("disconnected before {text}").into()),
            _ => {}
        }
    }
}

async fn permissions(url: &str) -> Outcome {
    let (options, mut told) = with_events(user("ann", "pw-ann"));
    let mut ann = Peer::dial_with(url, options).await?;
    let (options, mut srv_told) = with_events(user("srv", "pw-srv"));
    let srv = options.connect(url).await?;
    let mut bob = Peer::dial_with(url, user("bob", "pw-bob")).await?;
    let mut seen = bob.nc.subscribe("perm.>").await?;
    bob.fence().await?;

    ann.publish("perm.ok.a", "1").await?;
    ann.publish("perm.no", "2").await?;
    expect_error(&mut told, "Permissions Violation for Publish to \"perm.no\"").await?;
    ann.publish("perm.ok.secret", "3").await?;
    expect_error(&mut told, "Permissions Violation for Publish to \"perm.ok.secret\"").await?;
    ann.publish("perm.ok.b", "4").await?;
    expect(&mut seen, "perm.ok.a", b"1").await?;
    expect(&mut seen, "perm.ok.b", b"4").await?;

    let _no = ann.nc.subscribe("perm.no.x").await?;
    expect_error(&mut told, "Permissions Violation for Subscription to \"perm.no.x\"").await?;
    let _others = ann.nc.queue_subscribe("perm.jobs", "others".into()).await?;
    expect_error(&mut told, "Permissions Violation for Subscription to \"perm.jobs\" using queue \"others\"").await?;
    let mut jobs = ann.nc.queue_subscribe("perm.jobs", "workers".into()).await?;
    let mut oks = ann.nc.subscribe("perm.ok.>").await?;
    ann.fence().await?;
    let before = ann.n_in();
    bob.publish("perm.jobs", "job").await?;
    bob.publish("perm.ok.no.x", "hidden").await?;
    bob.publish("perm.ok.c", "seen").await?;
    bob.fence().await?;
    expect(&mut jobs, "perm.jobs", b"job").await?;
    expect(&mut oks, "perm.ok.c", b"seen").await?;
    ann.fence().await?;
    check!(ann.n_in() == before + 2, "more came than is allowed");

    serve(&srv, srv.subscribe("perm.svc.x").await?);
    srv.publish("perm.svc.x", "own".into()).await?;
    expect_error(&mut srv_told, "Permissions Violation for Publish to \"perm.svc.x\"").await?;
    let msg = within("an answer", bob.nc.request("perm.svc.x", "q".into())).await??;
    check!(msg.payload == "re:q", "the answer is {:?}", msg.payload);
    Ok(())
}

/// Options of a client that comes back soon, and its events.
fn comes_back() -> (ConnectOptions, mpsc::UnboundedReceiver<Event>) {
    with_events(ConnectOptions::new().max_reconnects(None).reconnect_delay_callback(|_| Duration::from_millis(20)))
}

/// a is connected again: it hears what a new connection to url says.
async fn expect_again(a: &mut Peer, sub: &mut Subscriber, url: &str) -> Outcome {
    a.fence().await?;
    let mut b = Peer::dial(url).await?;
    b.publish("again.b", "from b").await?;
    b.fence().await?;
    expect(sub, "again.b", b"from b").await?;
    Ok(())
}

async fn lame_duck(urls: &str) -> Outcome {
    let (first, second) = urls.split_once(',').ok_or("two URLs are needed")?;
    let (options, mut events) = comes_back();
    let options = options.retain_servers_order().subscription_capacity(65536);
    let nc = options.connect([first, second].map(|url| url.parse::<async_nats::ServerAddr>()).into_iter().collect::<Result<Vec<_>, _>>()?).await?;
    let subject = nc.new_inbox();
    let own = nc.subscribe(subject.clone()).await?;
    let mut a = Peer { nc, own, subject, n_fences: 0 };
    let mut sub = a.nc.subscribe("again.*").await?;
    a.fence().await?;
    println!("READY");
    await_event(&mut events, "the word of lame duck mode", |e| matches!(e, Event::LameDuckMode)).await?;
    await_event(&mut events, "the disconnect", |e| matches!(e, Event::Disconnected)).await?;
    await_event(&mut events, "the reconnect", |e| matches!(e, Event::Connected)).await?;
    let port = a.nc.server_info().port;
    check!(second.ends_with(&format!(":{port}")), "it is with {port}");
    expect_again(&mut a, &mut sub, second).await
}

async fn slow_consumer(url: &str) -> Outcome {
    let (options, mut events) = comes_back();
    let mut a = Peer::dial_with(url, options).await?;
    let mut slow = a.nc.subscribe("slow.x").await?;
    tokio::spawn(async move { while slow.next().await.is_some() {} });
    let mut sub = a.nc.subscribe("again.*").await?;
    a.fence().await?;
    println!("READY");
    await_event(&mut events, "the disconnect", |e| matches!(e, Event::Disconnected)).await?;
    await_event(&mut events, "the reconnect", |e| matches!(e, Event::Connected)).await?;
    expect_again(&mut a, &mut sub, url).await
}

async fn too_large(url: &str) -> Outcome {
    let (options, mut events) = comes_back();
    let mut a = Peer::dial_with(url, options).await?;
    a.fence().await?;
    a.publish("big.x", vec![b'z'; TOO_LARGE]).await?;
    expect_error(&mut events, "Maximum Payload Violation").await?;
    await_event(&mut events, "the close by the server", |e| matches!(e, Event::Disconnected)).await
}

async fn request_many(url: &str) -> Outcome {
    let (mut a, b) = (Peer::dial(url).await?, Peer::dial(url).await?);
    let texts = ["1", "2", "3", "4", "5", ""];
    let mut asked = a.nc.subscribe("many.ask").await?;
    let nc = a.nc.clone();
    tokio::spawn(async move {
        while let Some(msg) = asked.next().await {
            let Some(reply) = msg.reply else { continue };
            for text in texts {
                nc.publish(reply.clone(), text.into()).await.expect("the answer is sent");
            }
        }
    });
    a.fence().await?;
    let inbox = b.nc.new_inbox();
    let mut answers = b.nc.subscribe(inbox.clone()).await?;
    b.nc.publish_with_reply("many.ask", inbox.clone(), "?".into()).await?;
    for text in texts {
        expect(&mut answers, &inbox, text.as_bytes()).await?;
    }
    // Nobody there: that, too, comes as an answer.
    b.nc.publish_with_reply("nobody.home", inbox.clone(), "?".into()).await?;
    let none = within("an answer", answers.next()).await?.ok_or("the subscription ended")?;
    check!(none.status == Some(async_nats::StatusCode::NO_RESPONDERS), "{:?}, not no responders", none.status);
    Ok(())
}

async fn run(feature: &str, url: &str) -> Outcome {
    match feature {
        "connect" => connect(url).await,
        "publish" => publish(url).await,
        "subscribe" => subscribe(url).await,
        "wildcards" => wildcards(url).await,
        "queue" => queue(url).await,
        "request" => request(url).await,
        "no_responders" => no_responders(url).await,
        "headers" => headers(url).await,
        "drain" => drain(url).await,
        "reconnect" => reconnect(url).await,
        "no_echo" => no_echo(url).await,
        "max_payload" => max_payload(url).await,
        "auto_unsub" => auto_unsub(url).await,
        "user_password" => user_password(url).await,
        "token" => token(url).await,
        "permissions" => permissions(url).await,
        "lame_duck" => lame_duck(url).await,
        "slow_consumer" => slow_consumer(url).await,
        "too_large" => too_large(url).await,
        "request_many" => request_many(url).await,
        _ => Err(format!("no feature {feature}").into()),
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    match run(&args[1], &args[2]).await {
        Ok(()) => println!("OK"),
        Err(e) => {
            println!("FAIL: {e}");
            std::process::exit(1);
        }
    }
}
