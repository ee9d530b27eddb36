"""Random configuration texts: valid ones in random spellings, and the same with something broken.

Keys begin with z, so that none is an option of the server; texts are bytes. Which files and environment variables the texts
may name is said by FILES and ENVIRONMENT.
"""

import random

FILES = {
    "one.conf": b"zi 1\nzj: two\n",
    "nested.conf": b"zia: {zp 1\n zq [1 ,  2 ]\n}\nzf true\ninclude sub/deep.conf",
    "sub/deep.conf": b"include 'leaf.conf'\nzd: 1k # comment\n",
    "sub/leaf.conf": b"zl = 'leaf'",
    "broken.conf": b"zb {\n",
    "unknown.conf": b"zu 1\n\nzv $NOPE",
    "endless.conf": b"zn",
}
ENVIRONMENT = {
    "Z_INT": "42", "Z_EMPTY": "", "Z_STR": "hello", "Z_QUOTED": '"a b"', "Z_MAP": "{za: 1, zb: $Z_INT}", "Z_LIST": "[a,[b, {zc 1 }], 2k ]",
    "Z_BROKEN": "{a", "Z_CYCLE": "$Z_CYCLE2", "Z_CYCLE2": "$Z_CYCLE", "Z_LINES": "1\nzfoo: 3", "Z_PK": "1\npk: $Z_INT\nzx 2", "Z_BOOL": "yes",
    "Z_BLOCK": "(\nab\n)", "Z_SPACES": "a b",
}

WORDS = ["a", "b", "foo", "Bar", "x-y", "a.b.>", "é", "10.0.0.1:4222", "12:30", "0x10", "1h30m", "+5", "$2a$11$abc", "a#b", "a//b", "/a/b", "a'", 'a"b',
         "a\\tb", "\\x41\\x42", "http://h:1", "*", "_INBOX.>", "3abc", "1kk", "50%", "1.2.3", "1'", "1\\n"]
NUMBERS = ["0", "1", "-1", "007", "4222", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1k", "2KB", "3mib", "4Gi", "-5t", "1e", "6pb",
           "1.5", "-0.25", "0.0000001", "123456789012345678901234567890.5", "1.0", "0.1", "1.7976931348623157081452", "2016-05-04T18:53:41Z",
           "0000-01-01T00:00:00Z", "2016-02-29T23:59:59Z", "2015-02-29T23:59:59Z", "2016-05-04T24:00:00Z"]
TRUTHS = ["true", "false", "yes", "no", "on", "off", "TRUE", "Off", "yEs"]
STRINGS = ["", "a b", "a\nb", "é", "\u2028<>&", "$a", "true", "12", "#", "//", "a,b;c]d}e", "(\n)", "=:", "\t"]
BREAKS = [b"{", b"}", b"[", b"]", b",", b";", b":", b"=", b"'", b'"', b"(", b")", b"#", b"//", b"/", b"\\", b"\\q", b"\\x4", b"$", b"$zz", b"\n", b" ", b"\r",
          b"\t", b"\x0b", b"\xc2\xa0", b"\xff", b"-", b".", b"1", b"k", b"kb", b"1kbb", b"-a", b"1.", b"1e5", b"2016-", b"2016-05-04T", b"include ", b"z", b"$Z_MAP",
          b"$2b$10$abc", b"$Z_CYCLE", b"$Z_BROKEN", b"99999999999999999999", b"9e9", b"20eb", b"zk", b"zk:", b"zk: 1\n", b",,", b"}}", b"\n)\n", b"include one.conf\n"]


class Writer:
    def __init__(self, rng):
        self.rng = rng
        self.keys = []  # that can be named by a variable
        self.n = 0

    def pick(self, *choices):
        return self.rng.choice(choices)

    def key(self):
        self.n += 1
        name = f"z{self.n if self.rng.random() < 0.9 else self.rng.randrange(4)}" + self.pick("", "", "_a", "A", "-x")
        self.keys.append(name)
        return self.pick(name, name, name, f'"{name}"', f"'{name}'", f'"{name} s"')

    def blank(self):
        return self.pick("", " ", "  ", "\t")

    def comment(self):
        return self.pick(" # c {\n", " // c ]\n", "\n#\n", "\n\n//x\r\n")

    def between(self, kind):
        """What stands between two entries."""
        marks = ["\n", ",", "\r\n", "\n\n  "] + ([";"] if kind != "array" else [])
        return self.rng.choice([" " + self.rng.choice(marks), self.rng.choice(marks)]) + self.pick("", "", " ", self.comment() if kind != "array" else " ")

    def scalar(self):
        r = self.rng.random()
        if r < 0.25:
            return self.rng.choice(WORDS)
        if r < 0.5:
            return self.rng.choice(NUMBERS)
        if r < 0.6:
            return self.rng.choice(TRUTHS)
        if r < 0.75:
            text = self.rng.choice(STRINGS)
            for c, escape in (("\\", "\\\\"), ('"', '\\"'), ("\t", "\\t")):
                text = text.replace(c, escape)
            return f'"{text}"'
        if r < 0.85:
            return f"'{self.rng.choice(STRINGS)}'"
        if r < 0.9:
            return "(" + self.pick("", "x", "\n) y", "\n )") + "\n" + self.pick("", "é\n", "a)\n") + ")"
        if r < 0.95 and self.keys:
            return "$" + self.rng.choice(self.keys)
        return "$" + self.rng.choice(list(ENVIRONMENT))

    def value(self, depth):
        r = self.rng.random()
        if depth < 4 and r < 0.15:
            return "{" + self.blank() + self.entries(depth + 1, "map") + self.pick("", " ", "\n") + "}"
        if depth < 4 and r < 0.3:
            n = self.rng.randrange(4)
            items = [self.value(depth + 1) + self.pick(" ", "", "\n") for _ in range(n)]
            return "[" + self.blank() + self.pick(",", " , ", ",\n", "\n").join(items) + self.pick("", " ", "\n") + "]"
        return self.scalar()

    def entry(self, depth, kind):
        if self.rng.random() < 0.05:
            name = self.rng.choice(list(FILES))
            return self.pick("include ", "INCLUDE ", "Include\t") + self.pick(name, f"'{name}'", f'"./{name}"', f"sub/../{name}", f"/{name}") + self.pick("", " ")
        key, value = self.key(), self.value(depth)
        mark = self.pick(": ", " = ", " ", ":", "=", " :\t", "\n: " if self.rng.random() < 0.1 else ": ")
        if kind == "map" and self.rng.random() < 0.1:
            mark = mark.rstrip() + self.pick(":", "=")[len(mark.strip()):] + "\n "
        return key + mark + value

    def entries(self, depth, kind):
        n = self.rng.randrange(1, 5)
        return self.between(kind).join(self.entry(depth, kind) for _ in range(n))

    def text(self):
        body = self.entries(0, "top")
        if self.rng.random() < 0.15:
            body = self.pick("{", "{\n", "\n{ ") + body + self.pick("}", "\n}", "\n}\n", "\n}\n}\n")
        return (self.pick("", "# head\n", "\n\n") + body + self.pick("", "\n", " ", "\n# tail", "\r\n")).encode()


def mutate(rng, data):
    """The text with something taken away, put in, doubled or cut."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at = rng.randrange(len(data) + 1)
        to = min(len(data), at + rng.choice([1, 1, 1, 2, 5, 20]))
        how = rng.randrange(5)
        if how == 0:
            data = data[:at] + data[to:]
        elif how == 1:
            data = data[:at] + data[at:to] + data[at:]
        elif how == 2 and rng.random() < 0.3:
            data = data[:at]
        else:
            data = data[:at] + rng.choice(BREAKS) + data[at if how == 3 else to:]
    return data


def text_of(seed, broken):
    """The text of a seed, and the same broken."""
    rng = random.Random(seed)
    data = Writer(rng).text()
    return mutate(rng, data) if broken else data
