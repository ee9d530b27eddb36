// The conformance features with nats.go.
//
//	client FEATURE URL
//
// Prints OK and ends with 0, or `FAIL: why` and 1. ../README.md says what each feature asks for.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

const (
	wait       = 20 * time.Second // ends a run that hangs; no measurement
	maxPayload = 1048576
	tooLarge   = 2000 // for a server that takes 1000, behind a relay that lets the client believe in 9000
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

func letIn(url string, options ...nats.Option) {
	nc := dial(url, options...)
	flush(nc)
	nc.Close()
}

func refused(url string, options ...nats.Option) {
	_, err := nats.Connect(url, options...)
	check(errors.Is(err, nats.ErrAuthorization), "%v, not the error for credentials", err)
}

func userPassword(url string) {
	letIn(url, nats.UserInfo("ann", "pw-ann"))
	letIn(strings.Replace(url, "//", "//bob:pw-bob@", 1))
	refused(url, nats.UserInfo("ann", "pw-bob"))
	refused(url, nats.UserInfo("bob", "pw-ann"))
	refused(url, nats.UserInfo("nobody", "pw-ann"))
	refused(url)
}

func token(url string) {
	letIn(url, nats.Token("open-sesame"))
	letIn(strings.Replace(url, "//", "//open-sesame@", 1))
	refused(url, nats.Token("open-barley"))
	refused(url)
}

// told makes a connection report its errors into a channel, one by one.
func told(into chan<- error) nats.Option {
	return nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { into <- err })
}

func expectViolation(from <-chan error, text string) {
	select {
	case err := <-from:
		check(errors.Is(err, nats.ErrPermissionViolation), "%v, not of permissions", err)
		check(strings.Contains(err.Error(), text), "%v, not %s", err, text)
	case <-time.After(wait):
		fail("never told: %s", text)
	}
}

func permissions(url string) {
	annErrs, srvErrs := make(chan error, 16), make(chan error, 16)
	ann := dial(url, nats.UserInfo("ann", "pw-ann"), told(annErrs), nats.PermissionErrOnSubscribe(true))
	bob := dial(url, nats.UserInfo("bob", "pw-bob"))
	srv := dial(url, nats.UserInfo("srv", "pw-srv"), told(srvErrs))
	seen := subscribe(bob, "perm.>")
	flush(bob)

	must(ann.Publish("perm.ok.a", []byte("1")))
	must(ann.Publish("perm.no", []byte("2")))
	expectViolation(annErrs, `Permissions Violation for Publish to "perm.no"`)
	must(ann.Publish("perm.ok.secret", []byte("3")))
	expectViolation(annErrs, `Permissions Violation for Publish to "perm.ok.secret"`)
	must(ann.Publish("perm.ok.b", []byte("4")))
	expect(seen, "perm.ok.a", []byte("1"))
	expect(seen, "perm.ok.b", []byte("4"))

	no := subscribe(ann, "perm.no.x")
	expectViolation(annErrs, `Permissions Violation for Subscription to "perm.no.x"`)
	_, err := no.NextMsg(wait)
	check(errors.Is(err, nats.ErrPermissionViolation), "the subscription says %v", err)
	_, err = ann.QueueSubscribeSync("perm.jobs", "others")
	must(err)
	expectViolation(annErrs, `Permissions Violation for Subscription to "perm.jobs" using queue "others"`)
	jobs, err := ann.QueueSubscribeSync("perm.jobs", "workers")
	must(err)
	oks := subscribe(ann, "perm.ok.>")
	flush(ann)
	must(bob.Publish("perm.jobs", []byte("job")))
	must(bob.Publish("perm.ok.no.x", []byte("hidden")))
	must(bob.Publish("perm.ok.c", []byte("seen")))
	expect(jobs, "perm.jobs", []byte("job"))
	expect(oks, "perm.ok.c", []byte("seen"))
	flush(ann)
	check(queued(oks) == 0, "more came than is allowed")
	check(ann.Stats().Reconnects == 0, "it is another connection")

	_, err = srv.Subscribe("perm.svc.x", answer)
	must(err)
	must(srv.Publish("perm.svc.x", []byte("own")))
	expectViolation(srvErrs, `Permissions Violation for Publish to "perm.svc.x"`)
	msg, err := bob.Request("perm.svc.x", []byte("q"), wait)
	must(err)
	check(string(msg.Data) == "re:q", "the answer is %q", msg.Data)
}

// comesBack makes a connection come back soon, and say so.
func comesBack(back chan<- struct{}) []nats.Option {
	return []nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} })}
}

// expectAgain: a is connected again, and hears what a new connection to url says.
func expectAgain(a *nats.Conn, sub *nats.Subscription, url string) {
	flush(a)
	b := dial(url)
	must(b.Publish("again.b", []byte("from b")))
	flush(b)
	expect(sub, "again.b", []byte("from b"))
}

func lameDuck(urls string) {
	_, second, _ := strings.Cut(urls, ",")
	ldm, back := make(chan struct{}, 16), make(chan struct{}, 16)
	a := dial(urls, append(comesBack(back), nats.DontRandomize(),
		nats.LameDuckModeHandler(func(*nats.Conn) { ldm <- struct{}{} }))...)
	sub := subscribe(a, "again.*")
	flush(a)
	fmt.Println("READY")
	await(ldm, "the word of lame duck mode")
	await(back, "the reconnect")
	check(a.ConnectedUrl() == second, "it is with %s", a.ConnectedUrl())
	expectAgain(a, sub, second)
}

func slowConsumer(url string) {
	back := make(chan struct{}, 16)
	a := dial(url, append(comesBack(back), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	_, err := a.Subscribe("slow.x", func(*nats.Msg) {})
	must(err)
	sub := subscribe(a, "again.*")
	flush(a)
	fmt.Println("READY")
	await(back, "the reconnect")
	expectAgain(a, sub, url)
}

func tooLargeFeature(url string) {
	closed := make(chan struct{})
	a := dial(url, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	flush(a)
	must(a.Publish("big.x", make([]byte, tooLarge)))
	await(closed, "the close by the server")
	err := a.LastError()
	check(err != nil && strings.Contains(err.Error(), "Maximum Payload Violation"), "the error is %v", err)
}

func requestMany(url string) {
	a, b := dial(url), dial(url)
	texts := []string{"1", "2", "3", "4", "5", ""}
	_, err := a.Subscribe("many.ask", func(msg *nats.Msg) {
		for _, text := range texts {
			must(msg.Respond([]byte(text)))
		}
	})
	must(err)
	flush(a)
	inbox := b.NewRespInbox()
	answers := subscribe(b, inbox)
	must(b.PublishRequest("many.ask", inbox, []byte("?")))
	for _, text := range texts {
		expect(answers, inbox, []byte(text))
	}
	// Nobody there: that, too, comes as an answer.
	must(b.PublishRequest("nobody.home", inbox, []byte("?")))
	_, err = answers.NextMsg(wait)
	check(errors.Is(err, nats.ErrNoResponders), "%v, not no responders", err)
}

// discover asks on one of the subjects of services, and returns the n answers: no more than these may come.
func discover[T any](a, b *nats.Conn, n int, verb micro.Verb, name, id string) []T {
	subject, err := micro.ControlSubject(verb, name, id)
	must(err)
	inbox := b.NewInbox()
	answers := subscribe(b, inbox)
	must(b.PublishRequest(subject, inbox, nil))
	found := make([]T, n)
	for i := range found {
		msg, err := answers.NextMsg(wait)
		must(err)
		must(json.Unmarshal(msg.Data, &found[i]))
	}
	for _, nc := range []*nats.Conn{b, a, b} {
		flush(nc)
	}
	check(queued(answers) == 0, "more than %d answered %s", n, subject)
	return found
}

func service(url string) {
	a, b := dial(url), dial(url)
	echo := micro.HandlerFunc(func(req micro.Request) {
		must(req.Respond(append([]byte("re:"), req.Data()...), micro.WithHeaders(micro.Headers{"X-Tag-Back": {req.Headers().Get("X-Tag")}})))
	})
	one, err := micro.AddService(a, micro.Config{Name: "echoer", Version: "1.2.3", Description: "it echoes",
		Metadata: map[string]string{"where": "here"}, Endpoint: &micro.EndpointConfig{Subject: "echo", Handler: echo}})
	must(err)
	must(one.AddGroup("deep").AddEndpoint("fail", micro.HandlerFunc(func(req micro.Request) {
		must(req.Error("418", "no coffee", nil))
	}), micro.WithEndpointSubject("down.fail")))
	two, err := micro.AddService(a, micro.Config{Name: "echoer", Version: "1.2.4",
		Endpoint: &micro.EndpointConfig{Subject: "echo", Handler: echo}})
	must(err)
	flush(a)

	ids := map[string]bool{one.Info().ID: true, two.Info().ID: true}
	for _, name := range []string{"", "echoer"} {
		found := discover[micro.Ping](a, b, 2, micro.PingVerb, name, "")
		check(ids[found[0].ID] && ids[found[1].ID] && found[0].ID != found[1].ID, "PING finds %v", found)
	}
	info := discover[micro.Info](a, b, 1, micro.InfoVerb, "echoer", one.Info().ID)[0]
	check(info.Version == "1.2.3" && info.Metadata["where"] == "here", "info is %v", info)
	check(len(info.Endpoints) == 2 && info.Endpoints[0].Subject == "echo" && info.Endpoints[1].Subject == "deep.down.fail",
		"endpoints are %v", info.Endpoints)

	for i := range 20 {
		ask := nats.NewMsg("echo")
		ask.Data = []byte(strconv.Itoa(i))
		ask.Header.Set("X-Tag", "t")
		msg, err := b.RequestMsg(ask, wait)
		must(err)
		check(string(msg.Data) == fmt.Sprintf("re:%d", i) && msg.Header.Get("X-Tag-Back") == "t", "request %d got %v", i, msg)
	}
	msg, err := b.Request("deep.down.fail", nil, wait)
	must(err)
	check(msg.Header.Get(micro.ErrorCodeHeader) == "418", "the error's headers are %v", msg.Header)

	// A service counts a request after it has answered it: what was asked is counted some time, and nothing more.
	for deadline := time.Now().Add(wait); ; {
		asked, failed := 0, 0
		for _, stats := range discover[micro.Stats](a, b, 2, micro.StatsVerb, "echoer", "") {
			asked += stats.Endpoints[0].NumRequests
			if stats.ID == one.Info().ID {
				failed = stats.Endpoints[1].NumErrors
			}
		}
		if asked == 20 && failed == 1 {
			break
		}
		check(asked <= 20 && failed <= 1 && time.Now().Before(deadline), "of 20 requests %d, of 1 error %d counted", asked, failed)
	}

	must(one.Stop())
	flush(a)
	left := discover[micro.Ping](a, b, 1, micro.PingVerb, "", "")[0]
	check(left.ID == two.Info().ID, "%v is left", left)
}

var features = map[string]func(url string){
	"connect": connect, "publish": publish, "subscribe": subscribeFeature, "wildcards": wildcards, "queue": queue,
	"request": request, "no_responders": noResponders, "headers": headers, "drain": drain, "reconnect": reconnect,
	"no_echo": noEcho, "max_payload": maxPayloadFeature, "auto_unsub": autoUnsub,
	"user_password": userPassword, "token": token, "permissions": permissions, "lame_duck": lameDuck,
	"slow_consumer": slowConsumer, "too_large": tooLargeFeature, "request_many": requestMany, "service": service,
}

func main() {
	check(len(os.Args) == 3, "usage: client FEATURE URL")
	run := features[os.Args[1]]
	check(run != nil, "no feature %s", os.Args[1])
	run(os.Args[2])
	fmt.Println("OK")
}
