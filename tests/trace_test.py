"""What -V writes to the log about a client's operations."""

import re

import pytest

HEADERS = b"NATS/1.0\r\nA: b\r\n\r\n"


def test_trace_shows_the_arguments_of_each_operation(start_server):
    """A PUB after an HPUB: the header size of the one must not appear in the other."""
    server = start_server("-V")
    with server.raw() as c:
        c.connect(headers=True)
        c.send(b"HPUB a.h re %d %d\r\n%shi\r\n" % (len(HEADERS), len(HEADERS) + 2, HEADERS) + b"PUB a.p 2\r\nhi\r\nPUB a.r re 002\r\nhi\r\nSUB a.* q 7\r\nUNSUB 7 3\r\n")
        c.fence()
    for line in ("[HPUB a.h re 18 20]", "[PUB a.p 2]", "[PUB a.r re 002]", "[SUB a.* q 7]", "[UNSUB 7 3]"):
        server.wait_log(r"<<- " + line.replace("[", r"\[").replace("*", r"\*").replace("]", r"\]") + "$")


def test_trace_shows_what_nats_server_shows(start_server, start_reference):
    """The same streams to both: every line of every connection is there, in the same order."""
    shown = [traced(srv) for srv in (start_server("-V"), start_reference("-V"))]
    for ours, theirs in zip(*shown):
        assert "\n".join(ours) == "\n".join(theirs)
    assert '->> MSG_PAYLOAD: ["hi"]' in shown[0][1] and "<-> [DELSUB 8]" in shown[0][1]


def traced(server):
    """Play on it; the trace lines of each connection, without what differs from run to run."""
    with server.raw() as a, server.raw() as b, server.raw() as verbose:
        a.connect(headers=True, no_responders=True)
        b.connect(headers=False)
        b.send(b"SUB t.* 8\r\nSUB t.x workers 7\r\nUNSUB 8 4\r\nUNSUB none\r\n")
        assert b.fence() == []
        a.send(b"SUB re 1\r\nSUB t.h.> 2\r\nPUB t.a re.1 0002\r\nhi\r\nPUB t.b 0\r\n\r\nHPUB t.c re 18 20\r\n" + HEADERS + b"hi\r\n"
               b"HPUB t.h.d re 18 20\r\n" + HEADERS + b"hi\r\nHPUB t.h.e 18 18\r\n" + HEADERS + b"\r\n"
               b"PUB nobody re 0\r\n\r\nPUB t.d 3\r\n\x01\\x\r\nPUB t.x 1\r\nx\r\nSUB a..b 3\r\n")
        assert {one.verb for one in a.fence()} == {"HMSG", "-ERR"}
        a.send(b"UNSUB 2\r\nUNSUB 1\r\n")
        assert a.fence() == []
        assert len(b.fence()) == 5
        b.send(b"UNSUB 7\r\nPING\r\n")
        b.expect(b"PONG\r\n")
        verbose.connect(verbose=True)
        verbose.send(b"sub v 1\r\nunsub 1 1\r\npub v 1\r\nv\r\nPONG\r\nPING\r\n")
        verbose.expect(b"+OK\r\n+OK\r\n+OK\r\nMSG v 1 1\r\nv\r\nPONG\r\n")
        verbose.send(b"WHAT\r\n")
        assert b"Unknown Protocol Operation" in verbose.read_until_close()
        first = a.info["client_id"]
    server.stop()
    lines = re.findall(r"^\[\d+\] .* \[TRC\] \S+ - cid:(\d+) (?:- \".*?\" )?- (.*)$", server.log(), re.MULTILINE)
    assert {int(cid) - first for cid, _ in lines} == {0, 1, 2}
    by_itself = ("->> [PING]", "<<- [PONG]")  # on a slow machine the server pings meanwhile
    return [[text for cid, text in lines if int(cid) == first + i and text not in by_itself] for i in range(3)]


@pytest.mark.parametrize("which", ["start_server", "start_reference"])
def test_trace_shows_payloads_behind_their_operation_and_answers_in_nats_servers_words(request, which):
    server = request.getfixturevalue(which)("-V")
    with server.raw() as c:
        c.connect(name='a"b\n[1] [INF] forged', version="1.2", lang="py", user="u", verbose=True)
        c.send(b'PUB a 5\r\nh"\x01%s\r\nPUB a 0\r\n\r\nUNSUB 9\r\nPUB $NRG.x 0\r\n\r\n')
        c.fence()
    server.wait_log(r"->> \[-ERR Permissions")
    name = r' - cid:\d+ - "v1\.2:py:a\\"b\\n\[1\] \[INF\] forged" - "\$G/user:u" - '
    lines = [line for line in server.log().splitlines() if re.search(name, line)]
    said = [re.split(name, line)[1] for line in lines]
    said = said[said.index("<<- [PUB a 5]"):]
    wanted = ["<<- [PUB a 5]", '<<- MSG_PAYLOAD: ["h\\"\\x01%s"]', "->> [OK]", "<<- [PUB a 0]", "->> [OK]", "<<- [UNSUB 9]", "->> [OK]",
              "<<- [PUB $NRG.x 0]", '->> [-ERR Permissions Violation for Publish to "$NRG.x"]']
    assert said[:len(wanted)] == wanted


@pytest.mark.parametrize("which", ["start_server", "start_reference"])
def test_trace_shows_what_is_delivered_as_its_subscriber_gets_it(request, which):
    server = request.getfixturevalue(which)("-V")
    with server.raw() as a, server.raw() as b, server.raw() as pub:
        a.connect(headers=True, name="with")
        b.connect(headers=False, name="without")
        pub.connect(headers=True)
        a.send(b"SUB a 7\r\n")
        b.send(b"SUB a 8\r\n")
        a.ping()
        b.ping()
        pub.send(b"HPUB a re 18 20\r\n" + HEADERS + b"hi\r\nPUB a 0\r\n\r\n")
        pub.ping()
        a.fence()
        b.fence()
    for line in (r':with".* - ->> \[HMSG a 7 re 18 20\]$', r':with".* - ->> MSG_PAYLOAD: \["NATS/1\.0\\r\\nA: b\\r\\n\\r\\nhi"\]$',
                 r':without".* - ->> \[MSG a 8 re 2\]$', r':without".* - ->> MSG_PAYLOAD: \["hi"\]$', r':with".* - ->> \[MSG a 7 0\]$'):
        server.wait_log(line)


@pytest.mark.parametrize("which", ["start_server", "start_reference"])
def test_payloads_are_cut_and_left_out_as_configured(request, which, tmp_path):
    start, path = request.getfixturevalue(which), tmp_path / "t.conf"
    path.write_text("trace: true\nmax_traced_msg_len: 4\n")
    cut = start("-c", path)
    path.write_text("trace_headers: true\n")
    heads = start("-c", path)
    for s in (cut, heads):
        with s.raw() as c:
            c.connect(headers=True)
            c.send(b"PUB a 6\r\nabcdef\r\nHPUB a %d %d\r\n%bhi\r\n" % (len(HEADERS), len(HEADERS) + 2, HEADERS))
            c.fence()
    cut.wait_log(r'<<- MSG_PAYLOAD: \["abcd\.\.\."\]$')
    heads.wait_log(r'<<- MSG_PAYLOAD: \["NATS/1\.0\\r\\nA: b"\]$')
    assert "abcdef" not in heads.log()
