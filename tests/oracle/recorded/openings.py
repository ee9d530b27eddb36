"""The first lines of a conversation that many recordings share."""

QUIET = b'CONNECT {"verbose":false,"pedantic":false}\r\n'
VERBOSE = b'CONNECT {"verbose":true,"pedantic":false}\r\n'
PEDANTIC = b'CONNECT {"verbose":false,"pedantic":true}\r\n'
NO_ECHO = b'CONNECT {"verbose":false,"pedantic":false,"echo":false}\r\n'
HEADERS = b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n'
NO_RESP = b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n'
NO_RESP_NO_ECHO = b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"echo":false}\r\n'
PROTO1 = b'CONNECT {"verbose":false,"pedantic":false,"protocol":1}\r\n'


def pub(subject, payload=b"", reply=None):
    words = [b"PUB", subject] + ([reply] if reply else []) + [b"%d" % len(payload)]
    return b" ".join(words) + b"\r\n" + payload + b"\r\n"


def hpub(subject, headers, payload=b"", reply=None):
    words = [b"HPUB", subject] + ([reply] if reply else []) + [b"%d" % len(headers), b"%d" % (len(headers) + len(payload))]
    return b" ".join(words) + b"\r\n" + headers + payload + b"\r\n"


def sub(subject, sid, queue=None):
    words = [b"SUB", subject] + ([queue] if queue else []) + [sid]
    return b" ".join(words) + b"\r\n"
