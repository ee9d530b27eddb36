// The conformance features with nats.go.
//
//	client FEATURE URL
//
// Prints OK and ends with 0, or `FAIL: why` and 1. ../README.md says what each feature asks for.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	wait       = 20 * time.Second // ends a run that hangs; no measurement
	maxPayload = 1048576
)

func fail(format string, args ...any) {
	fmt.Printf("FAIL: "+format+"\n", args...)
	os.Exit(1)
}

func check(cond bool, format string, args ...any) {
	if !cond {
		fail(format, args...)
	}
}

func must(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func dial(url string, options ...nats.Option) *nats.Conn {
	nc, err := nats.Connect(url, options...)
	must(err)
	return nc
}

func subscribe(nc *nats.Conn, subject string) *nats.Subscription {
	sub, err := nc.SubscribeSync(subject)
	must(err)
	// The slow-consumer limits of the library are its own affair.
	must(sub.SetPendingLimits(-1, -1))
	return sub
}

func flush(nc *nats.Conn) { must(nc.FlushTimeout(wait)) }

func expect(sub *nats.Subscription, subject string, data []byte) *nats.Msg {
	msg, err := sub.NextMsg(wait)
	must(err)
	check(msg.Subject == subject, "subject %s, not %s", msg.Subject, subject)
	check(bytes.Equal(msg.Data, data), "%d other bytes on %s", len(msg.Data), subject)
	return msg
}

func queued(sub *nats.Subscription) int {
	n, _, err := sub.Pending()
	must(err)
	return n
}

func connect(url string) {
	nc := dial(url, nats.Name("conformance"))
	check(nc.ConnectedServerId() != "" && nc.ConnectedServerVersion() != "", "no server id")
	check(nc.MaxPayload() == maxPayload, "max_payload is %d", nc.MaxPayload())
	check(nc.HeadersSupported(), "no headers")
	id, err := nc.GetClientID()
	must(err)
	check(id > 0, "no client id")
	_, err = nc.RTT()
	must(err)
	flush(nc)
	nc.Close()
	check(nc.IsClosed(), "not closed")
}

func publish(url string) {
	a, b := dial(url), dial(url)
	sub := subscribe(a, "pub.a")
	flush(a)
	big := make([]byte, 65536)
	for i := range big {
		big[i] = byte(i)
	}
	payloads := [][]byte{nil, []byte("x"), big[:256], big}
	for _, data := range payloads {
		must(b.Publish("pub.a", data))
	}
	must(b.PublishRequest("pub.a", "pub.reply", []byte("re")))
	flush(b)
	for _, data := range payloads {
		expect(sub, "pub.a", data)
	}
	check(expect(sub, "pub.a", []byte("re")).Reply == "pub.reply", "no reply subject")
}

func subscribeFeature(url string) {
	a, b := dial(url), dial(url)
	x, y := subscribe(a, "sub.x"), subscribe(a, "sub.y")
	flush(a)
	for i := range 5000 {
		must(b.Publish("sub.x", []byte(strconv.Itoa(i))))
	}
	flush(b)
	for i := range 5000 {
		expect(x, "sub.x", []byte(strconv.Itoa(i)))
	}
	flush(a)
	check(queued(x) == 0 && queued(y) == 0, "more than was published")
	must(x.Unsubscribe())
	flush(a)
	must(b.Publish("sub.x", []byte("late")))
	must(b.Publish("sub.y", []byte("end")))
	flush(b)
	expect(y, "sub.y", []byte("end"))
	check(a.Stats().InMsgs == 5001, "a message came after UNSUB")
}

func wildcards(url string) {
	a, b := dial(url), dial(url)
	star, gt, lit := subscribe(a, "wild.*.c"), subscribe(a, "wild.>"), subscribe(a, "wild.a.b")
	flush(a)
	subjects := []string{"wild.a.b", "wild.z.c", "wild.a", "wild.a.b.c", "wild", "other.a.c"}
	for _, s := range subjects {
		must(b.Publish(s, []byte(s)))
	}
	flush(b)
	flush(a)
	expect(star, "wild.z.c", []byte("wild.z.c"))
	expect(lit, "wild.a.b", []byte("wild.a.b"))
	for _, s := range subjects[:4] {
		expect(gt, s, []byte(s))
	}
	check(queued(star)+queued(gt)+queued(lit) == 0, "something did not match and arrived")
}

func queue(url string) {
	a, b, c := dial(url), dial(url), dial(url)
	var members []*nats.Subscription
	for _, nc := range []*nats.Conn{a, a, c} {
		sub, err := nc.QueueSubscribeSync("q.*", "workers")
		must(err)
		members = append(members, sub)
	}
	plain := subscribe(a, "q.*")
	flush(a)
	flush(c)
	for i := range 300 {
		must(b.Publish("q.work", []byte(strconv.Itoa(i))))
	}
	for _, nc := range []*nats.Conn{b, a, c} {
		flush(nc)
	}
	seen := map[string]int{}
	for i, sub := range members {
		n := queued(sub)
		check(n > 0, "member %d of the group never got a message", i)
		for range n {
			msg, err := sub.NextMsg(wait)
			must(err)
			seen[string(msg.Data)]++
		}
	}
	for i := range 300 {
		check(seen[strconv.Itoa(i)] == 1, "message %d came %d times", i, seen[strconv.Itoa(i)])
	}
	check(queued(plain) == 300, "the plain subscription got %d", queued(plain))
}

// answer "re:" and what was asked, with one header of the question given back.
func answer(msg *nats.Msg) {
	out := nats.NewMsg(msg.Reply)
	out.Data = append([]byte("re:"), msg.Data...)
	if tag := msg.Header.Get("X-Tag"); tag != "" {
		out.Header.Set("X-Tag-Back", tag)
	}
	must(msg.RespondMsg(out))
}

func request(url string) {
	a, b := dial(url), dial(url)
	_, err := a.Subscribe("svc.echo", answer)
	must(err)
	flush(a)
	for i := range 50 {
		msg, err := b.Request("svc.echo", []byte(strconv.Itoa(i)), wait)
		must(err)
		check(string(msg.Data) == fmt.Sprintf("re:%d", i), "request %d got %q", i, msg.Data)
	}
	// The old way: an inbox of its own, with an UNSUB after one message, for each request.
	old := dial(url, nats.UseOldRequestStyle())
	for i := range 50 {
		msg, err := old.Request("svc.echo", []byte(strconv.Itoa(i)), wait)
		must(err)
		check(string(msg.Data) == fmt.Sprintf("re:%d", i), "request %d got %q", i, msg.Data)
	}
}

func noResponders(url string) {
	_, err := dial(url).Request("nobody.home", []byte("?"), wait)
	check(errors.Is(err, nats.ErrNoResponders), "%v, not no responders", err)
}

func headers(url string) {
	a, b := dial(url), dial(url)
	sub := subscribe(a, "hdr.a")
	_, err := a.Subscribe("hdr.svc", answer)
	must(err)
	flush(a)
	out := nats.NewMsg("hdr.a")
	out.Data = []byte("body")
	out.Header.Set("X-One", "1")
	out.Header.Add("X-Two", "a")
	out.Header.Add("X-Two", "b c")
	must(b.PublishMsg(out))
	msg := expect(sub, "hdr.a", []byte("body"))
	two := msg.Header.Values("X-Two")
	check(msg.Header.Get("X-One") == "1", "X-One is %q", msg.Header.Get("X-One"))
	check(len(two) == 2 && two[0] == "a" && two[1] == "b c", "X-Two is %q", two)
	ask := nats.NewMsg("hdr.svc")
	ask.Data = []byte("q")
	ask.Header.Set("X-Tag", "t1")
	back, err := b.RequestMsg(ask, wait)
	must(err)
	check(back.Header.Get("X-Tag-Back") == "t1", "the answer's headers are %v", back.Header)
}

func drain(url string) {
	closed := make(chan struct{})
	var handled atomic.Int32
	a := dial(url, nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	b := dial(url)
	_, err := a.Subscribe("drain.x", func(*nats.Msg) { handled.Add(1) })
	must(err)
	flush(a)
	for range 100 {
		must(b.Publish("drain.x", []byte("m")))
	}
	flush(b)
	must(a.Drain())
	await(closed, "the close after the drain")
	must(b.Publish("drain.x", []byte("late")))
	flush(b)
	check(handled.Load() == 100, "%d messages were handled", handled.Load())
}

func await(happened <-chan struct{}, what string) {
	select {
	case <-happened:
	case <-time.After(wait):
		fail("%s never happened", what)
	}
}

func reconnect(url string) {
	back := make(chan struct{}, 16)
	a := dial(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }))
	sub := subscribe(a, "again.*")
	flush(a)
	fmt.Println("READY")
	await(back, "the reconnect")
	flush(a)
	b := dial(url)
	must(b.Publish("again.b", []byte("from b")))
	flush(b)
	expect(sub, "again.b", []byte("from b"))
	must(a.Publish("again.a", []byte("from a")))
	expect(sub, "again.a", []byte("from a"))
}

func noEcho(url string) {
	a, b := dial(url, nats.NoEcho()), dial(url)
	own, other := subscribe(a, "echo.x"), subscribe(b, "echo.x")
	flush(a)
	flush(b)
	must(a.Publish("echo.x", []byte("from a")))
	flush(a)
	must(b.Publish("echo.x", []byte("from b")))
	flush(b)
	expect(own, "echo.x", []byte("from b"))
	expect(other, "echo.x", []byte("from a"))
	expect(other, "echo.x", []byte("from b"))
	flush(a)
	check(queued(own) == 0, "it heard itself")
}

func maxPayloadFeature(url string) {
	a, b := dial(url), dial(url)
	sub := subscribe(a, "big.x")
	flush(a)
	big := bytes.Repeat([]byte("z"), maxPayload+1)
	err := b.Publish("big.x", big)
	check(errors.Is(err, nats.ErrMaxPayload), "%v, not the error for a payload that is too large", err)
	must(b.Publish("big.x", big[1:]))
	flush(b)
	expect(sub, "big.x", big[1:])
}

func autoUnsub(url string) {
	a, b := dial(url), dial(url)
	sub, end := subscribe(a, "auto.x"), subscribe(a, "auto.end")
	must(sub.AutoUnsubscribe(5))
	flush(a)
	for i := range 10 {
		must(b.Publish("auto.x", []byte(strconv.Itoa(i))))
	}
	must(b.Publish("auto.end", []byte("end")))
	flush(b)
	expect(end, "auto.end", []byte("end"))
	for i := range 5 {
		expect(sub, "auto.x", []byte(strconv.Itoa(i)))
	}
	// The library stops by itself after five: what came over the wire tells whether the server did.
	check(a.Stats().InMsgs == 6, "the server sent %d messages, not 5 and the end", a.Stats().InMsgs)
}

var features = map[string]func(url string){
	"connect": connect, "publish": publish, "subscribe": subscribeFeature, "wildcards": wildcards, "queue": queue,
	"request": request, "no_responders": noResponders, "headers": headers, "drain": drain, "reconnect": reconnect,
	"no_echo": noEcho, "max_payload": maxPayloadFeature, "auto_unsub": autoUnsub,
}

func main() {
	check(len(os.Args) == 3, "usage: client FEATURE URL")
	run := features[os.Args[1]]
	check(run != nil, "no feature %s", os.Args[1])
	run(os.Args[2])
	fmt.Println("OK")
}
