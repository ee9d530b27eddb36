"""Bytes that are no NATS: each gets its verdict, costs nothing, and nobody else notices."""

import random

import pytest

from hostile.witness import MIB, Flood, wait_closed, wait_rss_below

UNKNOWN = b"-ERR 'Unknown Protocol Operation'\r\n"
TOO_LONG = b"-ERR 'maximum control line exceeded'\r\n"
TOO_BIG = b"-ERR 'Maximum Payload Violation'\r\n"
SILENT = b""

QUIET = b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n'


def verdict(server, data, connect=True, size=None):
    """What the server says to `data` (in pieces of `size`) before it closes."""
    with server.raw() as c:
        if connect:
            c.send(QUIET)
        try:
            c.send(data) if size is None else c.send_split(data, size)
        except OSError:
            pass  # it closed before it had all: the verdict is still there to read
        return c.read_until_close()


ENDLESS = [
    # What it is, and how it goes on and on.
    (b"PUB ", b"a", TOO_LONG),
    (b"PUB a", b" ", TOO_LONG),
    (b"SUB ", b"a.", TOO_LONG),
    (b"SUB a 1", b"1", TOO_LONG),
    (b"UNSUB ", b"1", TOO_LONG),
    (b"HPUB ", b"a", TOO_LONG),
    (b'CONNECT {"name":"', b"a", TOO_LONG),
    (b'CONNECT {"a":', b"[", TOO_LONG),
    (b"INFO {", b" ", TOO_LONG),
    (b"-ERR '", b"a", TOO_LONG),
    (b"PING", b" ", TOO_LONG),
    (b"PONG", b"x", TOO_LONG),
    (b"+OK", b"x", TOO_LONG),
    (b"P", b"P", UNKNOWN),
    (b"", b"A", UNKNOWN),
    (b"", b"\0", UNKNOWN),
    (b"", b"\n", UNKNOWN),
    (b"", b" ", UNKNOWN),
]


@pytest.mark.parametrize("head,more,want", ENDLESS, ids=lambda v: repr(v)[2:20] if isinstance(v, bytes) else None)
def test_S9_control_line_without_end_is_cut_at_the_limit(server, witness, head, more, want):
    """64 KiB of a line that never ends: the verdict comes at 4 KiB, whole or in drops."""
    assert verdict(server, head + more * (65536 // len(more))) == want
    assert verdict(server, head + more * (9000 // len(more)), size=97) == want


def test_the_control_line_limit_is_the_configured_one(start_server):
    server = start_server("--max_control_line", 256)
    with server.raw() as c:
        c.connect()
        c.send(b"SUB " + b"a" * 254 + b" 1\r\nPING\r\n")
        c.expect(b"PONG\r\n")
    assert verdict(server, b"SUB " + b"a" * 255 + b" 1\r\n") == TOO_LONG
    server.check_serves()


# Sheet 05, row A1: fields of at most nine digits, no sign, no junk; compared with max_payload before anything is taken.
SIZES = [
    (b"PUB a 1048577\r\n", TOO_BIG),
    (b"PUB a 999999999\r\n", TOO_BIG),
    (b"PUB a 0999999999\r\n", SILENT),
    (b"PUB a 1000000000\r\n", SILENT),
    (b"PUB a 4294967296\r\n", SILENT),
    (b"PUB a 4294967295\r\n", SILENT),
    (b"PUB a 2147483648\r\n", SILENT),
    (b"PUB a 18446744073709551615\r\n", SILENT),
    (b"PUB a 18446744073709551617\r\n", SILENT),
    (b"PUB a 99999999999999999999999999999999\r\n", SILENT),
    (b"PUB a -1\r\n", SILENT),
    (b"PUB a +1\r\n", SILENT),
    (b"PUB a 0x10\r\n", SILENT),
    (b"PUB a 1e3\r\n", SILENT),
    (b"PUB a 1.0\r\n", SILENT),
    (b"PUB a 1,0\r\n", SILENT),
    (b"PUB a b c d 1\r\n", SILENT),
    (b"PUB a\r\n", SILENT),
    (b"PUB a b \r\n", SILENT),
    (b"PUB \r\n", SILENT),
    (b"PUB\r\n", UNKNOWN),
    (b"HPUB a 12 11\r\n", SILENT),
    (b"HPUB a 999999999 999999999\r\n", TOO_BIG),
    (b"HPUB a 12 999999999\r\n", TOO_BIG),
    (b"HPUB a 4294967308 12\r\n", SILENT),
    (b"HPUB a 12 4294967308\r\n", SILENT),
    (b"HPUB a -12 12\r\n", SILENT),
    (b"HPUB a 12 -12\r\n", SILENT),
    (b"HPUB a 12\r\n", SILENT),
    (b"HPUB a b c 12 12\r\n", SILENT),
    (b"MSG a 1 999999999\r\n", UNKNOWN),
    (b"HMSG a 1 12 999999999\r\n", UNKNOWN),
    (b"RMSG $G a 4294967297\r\n", UNKNOWN),
    (b"LMSG a 4294967297\r\n", UNKNOWN),
    (b"RS+ $G a\r\n", UNKNOWN),
    (b"LS+ a\r\n", UNKNOWN),
    (b"A+ $G\r\n", UNKNOWN),
    (b"PUB a 5\r\nhelloXX", UNKNOWN),
    (b"PUB a 5\r\nhello\n\r", UNKNOWN),
    (b"PUB a 5\r\nhello\r\r", UNKNOWN),
]


@pytest.mark.parametrize("data,want", SIZES, ids=lambda v: repr(v)[2:40] if isinstance(v, bytes) else None)
def test_A1_size_field_overflow(server, data, want):
    """Whole, cut at every byte, and byte by byte: one verdict."""
    assert verdict(server, data) == want
    assert verdict(server, data, size=1) == want
    for cut in range(1, len(data)):
        with server.raw() as c:
            c.send(QUIET + data[:cut])
            try:
                c.send(data[cut:])
            except OSError:
                pass
            assert c.read_until_close() == want, f"cut at {cut}"
    server.check_serves()


CR_LINES = [b"PUB abc\r 0\r\n\r\n", b"PUB a\rbc 123\n", b"SUB a\r 1\r\n", b"PUB foo\r5\nhello\r\n", b"PING\r\r\n", b"PING\rx\n",
            b"UNSUB 1\r\r\n", b"CONNECT {}\r \r\n", b"PUB a 1\rX\nx\r\n"]


@pytest.mark.parametrize("data", CR_LINES, ids=repr)
def test_TOB_NATS_5_a_bare_CR_is_an_error_however_it_is_split(server, data):
    assert verdict(server, data, size=1) == UNKNOWN
    for cut in range(len(data)):
        with server.raw() as c:
            c.send(QUIET + data[:cut])
            try:
                c.send(data[cut:])
            except OSError:
                pass
            assert c.read_until_close() == UNKNOWN, f"cut at {cut}"
    server.check_serves()


def test_A1_a_size_that_is_promised_takes_no_memory(start_server, served):
    """500 connections say that 64 MiB come, and send one byte: memory is for what has come."""
    server = start_server("--max_payload", 64 * MIB)
    served(server)
    before = server.rss()
    promises = [server.raw() for _ in range(500)]
    for c in promises:
        c.send(QUIET + b"PING\r\nPUB a %d\r\nx" % (64 * MIB))
        c.expect(b"PONG\r\n")
    server.check_serves()
    assert server.sanitized or server.rss() <= before + 16 * MIB
    for c in promises:
        c.close()
    wait_rss_below(server, before + 16 * MIB)


@pytest.mark.parametrize("size", [1, 17, 4096])
def test_a_payload_in_drops_arrives_whole(server, witness, size):
    """70 KB (three kinds of buffer) in pieces, with the witness between them."""
    body = bytes(random.Random(size).randrange(256) for _ in range(70_000 if size > 1 else 5_000))
    with server.raw() as c:
        c.connect()
        c.send(b"SUB drops 1\r\n")
        data = b"PUB drops %d\r\n%b\r\n" % (len(body), body)
        for i in range(0, len(data), 997):
            c.send_split(data[i:i + 997], size)
            if i % 5 == 0:
                witness.turn(1)
        c.expect(b"MSG drops 1 %d\r\n%b\r\n" % (len(body), body))


def test_a_truncated_message_is_not_delivered(server, witness):
    """The publisher promises five bytes, gives four and goes: nobody sees a message."""
    with server.raw() as sub:
        sub.connect()
        sub.send(b"SUB cut 1\r\n")
        sub.ping()
        for end in ("close", "abort", "shutdown_write"):
            for data in (b"PUB cut 5\r\nhell", b"PUB cut 5\r\nhello", b"PUB cut 5\r\nhello\r", b"PUB cut 5\r", b"PU"):
                c = server.raw().connect()
                c.send(data)
                getattr(c, end)()
                if end == "shutdown_write":
                    c.expect_close()
                    c.close()
        witness.turn()
        assert sub.fence() == []


# Other protocols' first bytes.
HELLOS = {
    "http": b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "post": b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    "tls": bytes.fromhex("1603010200010001fc0303") + bytes(64) + b"\x00\x20" + bytes(300),
    "sslv2": bytes.fromhex("802e0103010015000000100100"),
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "mqtt": bytes.fromhex("101000044d5154540402003c0004") + b"abcd",
    "redis": b"*1\r\n$4\r\nPING\r\n",
    "proxy_v1": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    "proxy_v2": bytes.fromhex("0d0a0d0a000d0a515549540a") + bytes.fromhex("2111000c") + bytes(12),
    "smb": bytes.fromhex("00000085ff534d4272"),
    "memcached": b"stats\r\n",
    "smtp": b"EHLO example.com\r\n",
    "rdp": bytes.fromhex("0300002b26e00000000000"),
}


@pytest.mark.parametrize("hello", HELLOS)
def test_another_protocol_on_the_port_is_refused_at_its_first_wrong_byte(server, witness, hello):
    assert verdict(server, HELLOS[hello], connect=False) == UNKNOWN
    assert verdict(server, HELLOS[hello], connect=False, size=1) == UNKNOWN


def test_eight_bit_and_NUL_bytes_are_ordinary_in_subjects_and_payloads(server, witness):
    subject = b"\x00\x01\x7f\x80\xff.\xfe"
    with server.raw() as c:
        c.connect()
        c.send(b"SUB %b 1\r\nPUB %b 3\r\n\x00\r\xff\r\n" % (subject, subject))
        c.expect(b"MSG %b 1 3\r\n\x00\r\xff\r\n" % subject)


VERBS = [b"PUB ", b"HPUB ", b"SUB ", b"UNSUB ", b"CONNECT ", b"PING", b"PONG", b"INFO ", b"+OK", b"-ERR ", b"MSG ", b"pub\t"]


def garbage(rng):
    """A stream that is NATS for a while: verbs, words, numbers, line ends, and bytes of any kind."""
    def word():
        return rng.choice([b"a", b"a.b", b"*", b">", b"a..b", b"1", b"0", b"5", b"12", b"99999", b"{}", b'{"verbose":false}',
                           b"[" * 40, b"\x00", b"\xff", bytes(rng.randrange(256) for _ in range(rng.randrange(9)))])

    out = []
    for _ in range(rng.randrange(1, 60)):
        kind = rng.randrange(8)
        if kind < 3:
            out.append(rng.choice([b"PING\r\n", b"SUB a 1\r\n", b"PUB a 2\r\nok\r\n", b"UNSUB 1\r\n", b"SUB a.> q 2\r\n"]))
        elif kind < 6:
            out.append(rng.choice(VERBS) + b" ".join(word() for _ in range(rng.randrange(5))))
            out.append(rng.choice([b"\r\n", b"\n", b"\r", b"", b"\r\n\r\n"]))
        else:
            out.append(word() * rng.randrange(1, 20))
    return b"".join(out)


@pytest.mark.parametrize("seed", range(4))
def test_garbage_hurts_nobody_else(server, witness, seed):
    """150 streams of random operations and bytes, cut at random; each ends as the client or the server likes."""
    rng = random.Random(seed)
    before = server.rss()
    for round_ in range(150):
        data = garbage(rng)
        with server.raw() as c:
            try:
                while data:
                    n = rng.choice([1, 7, 100, len(data)])
                    c.send(data[:n])
                    data = data[n:]
                rng.choice([c.shutdown_write, c.abort, c.close, c.pending])()
            except OSError:
                pass
        if round_ % 10 == 0:
            witness.turn()
    server.check_alive()
    wait_rss_below(server, before + 8 * MIB)


def test_a_flood_of_garbage_is_cut_at_once(server, witness):
    """One connection after another pushes random bytes as fast as it can."""
    rng = random.Random(1)
    for _ in range(20):
        flood = Flood(server.raw(info=False), rng.randbytes(65536))
        witness.turn()
        flood.wait_bytes(1 << 40)  # until it is cut
        wait_closed(flood.c)
        flood.c.close()
