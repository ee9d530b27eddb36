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
