"""What -V writes to the log about a client's operations."""

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
