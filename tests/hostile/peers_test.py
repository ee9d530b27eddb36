"""Peers that are slow, silent, half gone or gone: each gets what is due to it, and none of them holds up another."""

import socket

import pytest

from hostile.witness import MIB, Answering, Flood, until, wait_rss_below

CONNECT = b'CONNECT {"verbose":false,"pedantic":false}\r\nPING\r\n'


def n_conns_gone(server, n_fds):
    """Until the server has no more descriptors open than before."""
    until(lambda: server.n_fds() <= n_fds, f"the server to be back at {n_fds} descriptors")


# --- slow and silent -------------------------------------------------------------------------------------------------

def test_a_CONNECT_byte_by_byte_from_many_at_once(server, witness):
    """200 clients say CONNECT, SUB and PUB one byte at a time, all in step, and the witness is served at each byte."""
    before = server.rss()
    slow = [server.raw() for _ in range(200)]
    data = CONNECT + b"SUB slow.* 1\r\nPUB slow.x 2\r\nok\r\n"
    for i in range(len(data)):
        for c in slow:
            c.send(data[i:i + 1])
        witness.turn(1)
    for c in slow:
        c.expect(b"PONG\r\n")
        # Its own message, and those of others that came after its SUB.
        assert {(m.subject, m.payload) for m in c.fence()} == {(b"slow.x", b"ok")}
        c.close()
    wait_rss_below(server, before + 8 * MIB)


def test_connections_that_never_say_anything_cost_next_to_nothing(server, witness):
    """1,000 that never send CONNECT: no buffer is held for them, and all of it goes with them."""
    n_fds, before = server.n_fds(), server.rss()
    silent = [server.raw() for _ in range(1000)]
    witness.turn()
    assert server.sanitized or server.rss() <= before + 1000 * 4096
    for c in silent:
        c.close()
    n_conns_gone(server, n_fds)
    wait_rss_below(server, before + 4 * MIB)


def test_a_silent_client_without_CONNECT_becomes_stale(start_server):
    """Sheet 01, section 9: without CONNECT the PING timer runs from accept, so nobody holds a slot for ever."""
    server = start_server("--ping_interval", "100ms", "--ping_max", "2")
    with server.raw(auto_pong=False) as c:
        assert c.read_until_close() == b"PING\r\n" * 2 + b"-ERR 'Stale Connection'\r\n"
    server.check_serves()


# --- vanished --------------------------------------------------------------------------------------------------------

def test_F6_a_peer_that_vanished_is_found_by_its_silence(start_server):
    """Half-open: nothing comes from it any more, no FIN, no RST. Its PINGs go unanswered; who answers stays."""
    server = start_server("--ping_interval", "150ms", "--ping_max", "3", "-D")
    alive = Answering(server)
    n_fds = server.n_fds()
    vanished = [server.raw(auto_pong=False) for _ in range(20)]
    for c in vanished:
        c.send(CONNECT + b"SUB gone 1\r\n")
        c.expect(b"PONG\r\n")
    for c in vanished:
        assert c.read_until_close() == b"PING\r\n" * 3 + b"-ERR 'Stale Connection'\r\n"
        c.close()
    n_conns_gone(server, n_fds)
    until(lambda: server.log().count("Stale Client Connection - Closing") == 20, "a line for each of them")
    until(lambda: alive.n_pings > 6, "the one that answers to outlive them")
    alive.close()
    server.check_serves()


def test_F6_an_unanswered_PING_is_forgiven_by_any_PONG(start_server):
    """One PONG for two PINGs is enough, again and again: 24 PINGs, of which never more than a few were unanswered."""
    server = start_server("--ping_interval", "50ms", "--ping_max", "20")
    with server.raw(auto_pong=False) as c:
        c.send(CONNECT)
        c.expect(b"PONG\r\n")
        for _ in range(12):
            c.expect(b"PING\r\nPING\r\n")
            c.send(b"PONG\r\n")
        c.send(b"PONG\r\n" * 3 + b"SUB a 1\r\nPUB a 0\r\n\r\n")  # PONGs that nobody asked for hurt nobody
        until(lambda: b"MSG a 1 0\r\n\r\n" in c.pending(), "the message")


@pytest.mark.parametrize("answer", [b"", b"PING\r\n"], ids=["silent", "pings_only"])
def test_F6_pinging_is_no_answer(start_server, answer):
    """Only a PONG says that our PINGs arrive. (A PING counts as a sign of life, and puts ours off; it does not count as an answer.)"""
    server = start_server("--ping_interval", "60ms", "--ping_max", "2")
    with server.raw(auto_pong=False) as c:
        c.send(CONNECT)
        c.expect(b"PONG\r\n")
        seen = b""
        while c.fill():
            new, c.buf[:] = bytes(c.buf), b""
            seen += new
            if answer and b"PING" in new and seen.count(b"PONG") < 3:
                try:
                    c.send(answer)
                except OSError:
                    pass  # it is being closed
        assert seen.endswith(b"-ERR 'Stale Connection'\r\n")
        assert seen.count(b"PING\r\n") >= 2


# --- half closed -----------------------------------------------------------------------------------------------------

def test_after_a_half_close_what_was_said_before_still_counts(server, witness):
    """PUBs, then shutdown(WR): all of them are delivered; the answers that are due come, and then the end."""
    with server.raw() as sub:
        sub.connect()
        sub.send(b"SUB half 1\r\n")
        sub.ping()
        c = server.raw()
        c.send(CONNECT + b"SUB half 9\r\n" + b"PUB half 1\r\nx\r\n" * 1000 + b"PING\r\n")
        c.shutdown_write()
        assert [m.payload for m in sub.read_msgs(1000)] == [b"x"] * 1000
        assert c.read_until_close() == b"PONG\r\n" + b"MSG half 9 1\r\nx\r\n" * 1000 + b"PONG\r\n"
        c.close()
        assert sub.fence() == []


def test_a_half_close_with_megabytes_due_delivers_them_all(server, witness):
    """It asked for 16 MiB of its own echo before it said that it has nothing more to say: they are sent, in full, first."""
    body = b"z" * 65536
    n = 256
    c = server.raw(rcvbuf=65536)
    c.send(CONNECT + b"SUB echo 1\r\n")
    c.expect(b"PONG\r\n")
    Flood(c, b"PUB echo 65536\r\n" + body + b"\r\n", limit=n * 65536).finish()
    c.shutdown_write()
    witness.turn()
    one = b"MSG echo 1 65536\r\n" + body + b"\r\n"
    for _ in range(n):
        c.expect(one)
    c.expect_close()
    c.close()


def test_half_closed_and_never_reading_is_cut_by_the_write_deadline(start_server, served):
    """Nothing more is said, nothing is read: its buffers are not held for ever."""
    server = start_server("--write_deadline", "200ms", "-D")
    served(server)
    n_fds, before = server.n_fds(), server.rss()
    c = server.raw(rcvbuf=4096)
    c.send(CONNECT + b"SUB echo 1\r\n")
    c.expect(b"PONG\r\n")
    Flood(c, b"PUB echo 65536\r\n" + bytes(65536) + b"\r\n", limit=16 * MIB).finish()
    c.shutdown_write()
    server.wait_log("WriteDeadline of 200ms exceeded|Client connection closed")
    n_conns_gone(server, n_fds)
    wait_rss_below(server, before + 24 * MIB)
    c.close()


def test_a_reset_in_the_middle_of_everything(server, witness):
    """RST inside a payload, inside a line, with output due, while others deliver to it: 200 times."""
    n_fds = server.n_fds()
    with server.raw() as publisher:
        publisher.connect()
        for i in range(200):
            c = server.raw(rcvbuf=4096).connect()
            c.send(b"SUB rst.> %d\r\n" % i)
            c.ping()
            publisher.send((b"PUB rst.%d 4096\r\n" % i + bytes(4096) + b"\r\n") * 8)
            c.send([b"PUB rst.x 1000\r\nabc", b"PUB rst.", b"PUB rst.x 3\r\nabc", b"PING\r\n" * 100, b""][i % 5])
            c.abort()
            if i % 20 == 0:
                witness.turn()
        publisher.ping()
    n_conns_gone(server, n_fds)


def test_a_burst_that_ends_in_a_reset_is_not_lost_on_the_way(server, witness):
    """What stood before a PING that was answered has been handled, whatever its sender does next."""
    with server.raw() as sub:
        sub.connect()
        sub.send(b"SUB burst 1\r\n")
        sub.ping()
        for i in range(30):
            c = server.raw().connect()
            c.send(b"PUB burst 3\r\n%03d\r\n" % i * 50)
            c.ping()
            c.abort()
            assert [m.payload for m in sub.read_msgs(50)] == [b"%03d" % i] * 50


# --- write deadline --------------------------------------------------------------------------------------------------

def test_F6_a_subscriber_that_stops_reading_is_cut_by_the_write_deadline(start_server, served):
    """Below max_pending: only time tells it from a slow one. The publisher and the others do not notice."""
    server = start_server("--write_deadline", "300ms")
    witness = served(server)
    before = server.rss()
    stalled = server.raw(rcvbuf=4096).connect()
    stalled.send(b"SUB deadline 1\r\n")
    stalled.ping()
    publisher = server.raw().connect()
    Flood(publisher, b"PUB deadline 65536\r\n" + bytes(65536) + b"\r\n", limit=16 * MIB).finish()
    publisher.ping()
    witness.turn()
    server.wait_log(r"Slow Consumer Detected: WriteDeadline of 300ms exceeded with \d+ chunks of \d+ total bytes\.")
    stalled.close()
    wait_rss_below(server, before + 24 * MIB)


def test_F6_a_slow_reader_that_reads_is_not_cut(start_server, served):
    """Every write makes some progress within the deadline: it gets all there is, however long it takes."""
    server = start_server("--write_deadline", "5s")
    witness = served(server)
    n, body = 400, bytes(32768)
    slow = server.raw(rcvbuf=32768).connect()
    slow.send(b"SUB slow 1\r\n")
    slow.ping()
    publisher = server.raw().connect()
    Flood(publisher, b"PUB slow 32768\r\n" + body + b"\r\n", limit=n * 32768).finish()
    publisher.ping()
    one = b"MSG slow 1 32768\r\n" + body + b"\r\n"
    for i in range(n):
        slow.expect(one)
        if i % 50 == 0:
            witness.turn(1)
    slow.ping()
    assert "Slow Consumer" not in server.log()


# --- last words ------------------------------------------------------------------------------------------------------

def test_last_words_to_somebody_who_does_not_read_end_with_the_deadline(start_server, served):
    """8 MiB are due to it when it breaks the protocol: the server tries to say so, and gives up in time."""
    server = start_server("--write_deadline", "200ms", "-D")
    witness = served(server)
    n_fds = server.n_fds()
    for _ in range(3):
        c = server.raw(rcvbuf=4096)
        c.send(CONNECT + b"SUB echo 1\r\n")
        c.expect(b"PONG\r\n")
        Flood(c, b"PUB echo 65536\r\n" + bytes(65536) + b"\r\n", limit=8 * MIB).finish()
        c.send(b"NONSENSE\r\n")
        witness.turn()
    n_conns_gone(server, n_fds)


def test_the_verdict_reaches_a_client_that_goes_on_sending(server, witness):
    """It floods on behind its mistake; the -ERR is there to read all the same."""
    c = server.raw().connect()
    flood = Flood(c, b"PUB a 1\r\nx\r\n" * 1000, limit=1 * MIB).finish()
    assert flood.error is None
    try:
        c.send(b"BAD\r\n")
        Flood(c, b"PUB a 1\r\nx\r\n" * 1000).finish()
    except OSError:
        pass
    assert c.read_until_close() == b"-ERR 'Unknown Protocol Operation'\r\n"
    c.close()


def test_urgent_data_does_not_hold_up_what_follows(server, witness):
    """MSG_OOB: the last byte of "PIN" leaves the stream, as with nats-server. What is left is judged as it stands."""
    for _ in range(30):
        with server.raw() as c:
            c.connect()
            c.sock.send(b"PIN", socket.MSG_OOB)
            c.send(b"G\r\n")
            assert c.read_until_close() == b"-ERR 'Unknown Protocol Operation'\r\n"
