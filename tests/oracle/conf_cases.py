"""Configuration texts written by hand: for each rule of the language what somebody may get wrong.

`|` stands between two texts.

Keys begin with z, so that none is an option of the server (see conf_generate.py, whose files and variables they name).
"""

# Keys, separators, what ends a value, braces around a file.
GRAMMAR = r"""
z|z\n|z:|z: |z =\n|z\n\n=1|z\n\n1|z: \r1|z a b|z a, zb c; zd e} zf g|z {zb 1} zc 2|z [1 2]|z [1 , ,]|z [,]|z [1 ,]|z {zb 1,, zc 2}|z {,zb 1}
"z a" : 1|'z a': 1|'z|"z|'z\nb' 1|"z" b|"z"b|"z\n" 1|z"b 1|=1|: 1|z {=1}|z {: 1}|z {a|z {a |z {a:|z {a: b|z {a: b |z {|z {a {|z [|z [a|z [a |z [a,
z {'a|z {"a|z{ 1|z#b 1|z//b 1|/z 1|/ z|z a#b|z a//b|z #a\n 1|z: /|#z|//z|z 1 #a\nzb 2 //c|z [1 //a\n2 #b\n3 ]|z {//a\nzb 1 //c\n#d\n}
z [{za:1}, {zb:2 }]|z [[1 ],[2, [3 ] ]\n]|z []\nzb {}|z {a {b {c {d [ {e 1} ] } } } }|z 1\r\nzb {\r\n zc 2\r\n}\r\n|z 1\rzb 2|\x0bz: a\x0bb|z\xa01|z: \xa0b
z {a\n\n:\n\n1\n}|z {a:,b:1}|z {a\n=\n\nb }|z == b|z : = b|z: =b|z :: b|z := b|z a]b|z a}b|z a;b|z [a;b]|z [a}b]|z [a]b|z {a b]c}
{}|{|{{}}|{z 1|{z 1}|{z 1} zb 2|{z 1}\nzb 2|{z 1},zb 2|{{z 1},zb 2}\nzc 3|{{z 1}b|{{z 1} |{{z 1};zb 2}|{{z 1}#c\nzb 2}|{z 1\n}\n}\n}\nzb 2|z 1}}|z 1} }\n|z 1 } } zb: 2|z 1\n}
}|} |}}|} }|}b|{z {b 1}}c|{z {b 1}\nc|{z }|{z:}|{z:\n1}|{z: 1,,zb 2}|{,z 1}|{=1}|{z 1;zb 2}|{z 1//x\n}|{z 1}//x\nzb 2|{z 1 #c|{#c\nz 1}|{#c|z 1\n{zb 2} zc 3
{"z": {"b": [1, "x", true, [], {}]},\n "zc": -1.5}\n|{"z":1,"zb":[1.5 ]}|z 1\n"zb": "x"\n'zc' = 'y'|z 1\nz 2|z 1\nZ 2|z {a 1, a 2, A 3}
|  \n\t|\xef\xbb\xbfz 1|z\xe2\x80\xa81|z \xc3\xa9 \xc3\xa9|z "a" \xff|\xff 1|z\xff 1|z {]|z 1\n]|z {a 1\n]|z ]|z ,|z ;|z [1 ;]|z {[}
""".strip("\n")

VALUES = r"""
z "a\x41\t\n\r\"\\"|z "\q"|z "\x4"|z "\x|z "\x4g"|z "\|z a\x41b|z a\|z a\q|z a\tb|z 1\t|z true\t|z tr\x75e|z 'a\n'|z "\x\n|z "a\x4\n|z "\xé"
z a'b|z a'|z 'a'b'|z a"b"|z "a|z 'a|z "a\n|z 'a\n\n|z "a\nb"\nzb 1|z "\n|z "a\n" b|zb "|zb '|zb "a\x41|zb "\t
z (a|z (a)|z (a\n)|z (a\n)\n|z (\n)\n|z (\nab\n) c\n)\n|z (\nab\n)x\n)\n|z (\r\nab\r\n)\r\n)\n|z (\nab\n )\n)|z()\n|z: (a\n)\nzy: 1|z {y (a\n)\n}|z {y (a\n)}|z [(a\n)\n]|z [(a\n), b ]|z ()|z ()\n)\n|z (é)\n)\n
z true|z TRUE|z Yes|z nO|z oN|z OFF|z truex|z true'|z 'true'|z "on"|z [true, off ,yes]|z tRuE\nzb falsE|z t\xc3\xa9
z 0|z -1|z 007|z 9223372036854775807|z 9223372036854775808|z -9223372036854775808|z -9223372036854775809|z 00000000000000000000000001|z 1k|z 1K|z 1kb|z 1KIB|z 2mI|z 1e|z 7eib|z 8eb|z 1kk|z 1b|z 1i|z 1e5|z 1e5k|z 1k5|z -5k|z -5kz|z -5s|z --5|z -|z -a|z -.5|z 1m30s|z 2m30s|z 30ms|z 1h
z 1.5|z -1.5|z 1.|z .5|z 1.5.2|z 1.5k|z 1.5e3|z 1.2-3|z 1.2.3-4:5|z 1.2.3.a|z 10.0.0.1:4222|z 0.1\nzb 1.0\nzc 123456789012345678901234567890.5\nzd 0.0000001\nze 0.000001|z -0.0|z 99999999999999999999.0|z 1000000000000000000000.0
z 2016-05-04T18:53:41Z|z 2016-05-04|z 2016-05-04T18:53:41|z 2016-13-04T18:53:41Z|z 2016-02-31T18:53:41Z|z 2015-02-29T00:00:00Z|z 2000-02-29T00:00:00Z|z 1900-02-29T00:00:00Z|z 20160-1-1|z 1-2|z 2016-05-04T24:00:00Z|z 2016-05-04T23:60:00Z|z 2016-05-04T23:59:60Z|z 2016-0a|z 2016-05-04T18:53:41\n|z 0000-01-01T00:00:00Z|z 9999-12-31T23:59:59Zx
z 3abc|z 20s|z 50%|z 0x10|z 1_000|z 12:30|z +5|z 1'b|z 1'|z 1\\|z 1(|z 1"a"|z 1{|z [1'b ]|z 1k'b|z 1kz'b|z $a'
z "<>&\x00\x01\x08\x0c\x7f\xff"|z '<>&'|z a\x00b|z "\x5c"
""".strip("\n")

VARIABLES = r"""
z 1\nzb $z|z 1\nzb [$z, $z]|z {a 1, b {c $a} }\nzb $a|z $z|z $Z_NOPE|z $|z $$|$z 1\nzb $$z|z 1\nz 2\nzb $z\nz 3|z {a 1}\nzb $z\nzc $zb|z {a 1\nb $a}\nzb $z
z $2a$11$abc|z $2a$|z $2a|z "$2b$11$abc"|z [{a 1, b $a }]|z [{a 1},{b $a}]|z tr\nzb $z'|z true\nzb $z|z "$z"|z 1\nzb x$z|z 1\nZ 2\nzb $Z|'z b' 1\nzb "$z b"
z $Z_INT|z $Z_EMPTY|z $Z_STR|z $Z_QUOTED|z $Z_MAP|z $Z_LIST|z $Z_BROKEN|z $Z_CYCLE|z $Z_LINES|z $Z_PK|z $Z_BOOL|z $Z_BLOCK|z $Z_SPACES|z [$Z_INT, $Z_STR, $Z_MAP]|z {a $Z_LIST}|z 1\n\nzb $Z_BROKEN|z 1\n\nzb [\n$Z_CYCLE|Z_INT 1\nz $Z_INT|z {Z_INT 1, b $Z_INT}\nzc $Z_INT
""".strip("\n")

INCLUDES = r"""
include one.conf|include one.conf; z 1|include one.conf,z 1|include 'one.conf'|include "one.conf"|include: one.conf|include = one.conf|include  =one.conf|include\none.conf|include\n|include|include |include #a\n|include one.conf #a|include one.conf b 1|include one.conf\nzi 3|zi 3\ninclude one.conf
z {include one.conf}|z {include one.conf }|z {include one.conf\n}|z {include one.conf, c 1}|z {include one.conf , c 1}|z {include one.conf; c 1}|INCLUDE one.conf|Include\tone.conf|include broken.conf|include nofile.conf|include sub/deep.conf|include nested.conf|'include' one.conf|"include" b
include /one.conf|include ./one.conf|include sub/../one.conf|include sub//deep.conf|include sub|include one.conf/x|include one.conf\nz $zi|zi 9\ninclude one.conf\nz $zi|include unknown.conf|zv 1\ninclude unknown.conf|include endless.conf|z [include one.conf]|include 'one.conf|include "one.conf|include 'one.conf' z 1|include 'one.conf'; z 1
include 'one.conf', z 1|include 'one.conf'z 1|include "one\x2econf"|include $Z_STR|include {|include [|include (|include -|include 1|include .|include \a|include }|include ;|include ,|z {include }|z {include 'one.conf' c 1}|z {include 'one.conf' }|z {include\n'one.conf' }|z {include|z {include |z {include a|zincludes 1|{include one.conf}|{include 'one.conf'\nz 1}
""".strip("\n")

# What Midge refuses, or takes, unlike nats-server (conf_differences.py): each entry is met here.
DIFFERENT = {
    "conf-bracket": [b"z [1,2]", b"z [5k]", b"z [-1,2]\nzb 3", b"z [[1],[2]]"],
    "conf-overflow": [b"z 9223372036854775807k", b"z 10eib", b"z -9eb"],
    "conf-suffix": [b"z 1kbb", b"z 1kbi\nzb 2"],
    "conf-slash": [b"z 1 /", b"z {/a 1}", b"z {a 1 /b 2}", b"z [1 /2 ]", b"z {a 1\n/\n}", b"{{z 1}/\n}"],
    "conf-no-value": [b"z {}\nzc {a }", b"z { name }", b"z {a:}", b"z {a:\n}"],
    "conf-open-quote": [b"z 1\n\"", b"z 1\n'", b"z [\"", b"z [1, '", b"}\t'"],
    "conf-nul": [b"z 1\x00\nzb 2", b"z \"a\x00b\"", b"\x00"],
    "conf-secret": [b"z $2b$11$abcdefghijk", b"z {password 99999999999999999999}"],
    "conf-bounds": [b"z " + b"[" * 129 + b"1 " + b"]" * 129, b"z 1\n" + b"z [$z ]\n" * 129,
                    b"z xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n" + b"z [$z ,$z ,$z ,$z ,$z ,$z ,$z ,$z ]\n" * 8],
}


def cases():
    """Every text, in two readings: `\\n`, `\\t`, `\\r` as line ends and blanks (quoted escapes become raw bytes then), and as written."""
    out = []
    for block in (GRAMMAR, VALUES, VARIABLES, INCLUDES):
        for line in block.split("\n"):
            for case in line.split("|"):
                written = case.encode()
                raw = written.replace(b"\\n", b"\n").replace(b"\\r", b"\r").replace(b"\\t", b"\t")
                raw = raw.replace(b"\\x0b", b"\x0b").replace(b"\\xa0", b"\xc2\xa0").replace(b"\\xff", b"\xff").replace(b"\\xc3\\xa9", b"\xc3\xa9")
                raw = raw.replace(b"\\xef\\xbb\\xbf", b"\xef\xbb\xbf").replace(b"\\xe2\\x80\\xa8", b"\xe2\x80\xa8")
                out += [raw] if raw == written else [raw, written]
    return out
