"""What the built program must show of the flags it was built with (sheet 05, C3), and that nothing in it calls itself (C12).

The program is read, not the build file: a flag that a compiler ignored, or that was lost on the way through link-time optimisation, shows here.
"""

import platform
import re
import shutil
import subprocess

import pytest


def tool(name, *args):
    if shutil.which(name) is None:
        pytest.skip(f"no {name} here (binutils)")
    return subprocess.run([name, *args], capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture(scope="module")
def sections(server_bin):
    return tool("readelf", "-hldW", server_bin)


@pytest.fixture(scope="module")
def symbols(server_bin):
    """Names that the program takes from elsewhere, and those that it shows to others."""
    takes, shows = set(), set()
    for line in tool("nm", "-D", server_bin).splitlines():
        *_, kind, name = line.split()
        (takes if kind in "Uwv" else shows).add(name.split("@")[0])
    return takes, shows


@pytest.fixture(scope="module")
def code(server_bin):
    return tool("objdump", "-d", "--no-show-raw-insn", server_bin)


@pytest.fixture(scope="module")
def sanitized(symbols):
    return any(re.match(r"__(asan|tsan|ubsan|msan)_", name) for name in symbols[0] | symbols[1])


def test_c3_the_program_is_loaded_anywhere(sections):
    assert re.search(r"Type:\s+DYN", sections) and re.search(r"Flags:.*\bPIE\b", sections)
    assert "TEXTREL" not in sections


def test_c3_what_the_loader_wrote_is_read_only_afterwards(sections):
    assert "GNU_RELRO" in sections
    assert re.search(r"\bBIND_NOW\b|Flags:.*\bNOW\b", sections)


def test_c3_no_stack_and_no_other_segment_is_both_written_and_run(sections):
    assert re.search(r"GNU_STACK.*\bRW\s", sections)
    assert not re.search(r"^\s+(LOAD|GNU_STACK)\s.*\bRWE\b", sections, re.MULTILINE)


def test_c3_it_loads_no_library_from_a_folder_of_the_builder(sections):
    assert not re.search(r"\((RPATH|RUNPATH)\)", sections)


def test_c3_stacks_are_guarded(symbols):
    assert "__stack_chk_fail" in symbols[0]


def test_c3_library_calls_are_checked(symbols, sanitized):
    if sanitized:
        pytest.skip("a sanitizer checks them")
    assert {"__memcpy_chk", "__snprintf_chk"} & symbols[0]


def test_c3_symbols_are_hidden(symbols, sanitized):
    if sanitized:
        pytest.skip("a sanitizer shows its own")
    # What is left are copies of the C library's data, and what the linker adds.
    assert not {name for name in symbols[1] if re.match(r"(io|net|conn|broker|interest|nats|json|shard|mbox|log|bufpool|slab|server)_", name)}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="-fcf-protection is x86's")
def test_c3_functions_that_are_called_through_pointers_are_marked(code):
    """The calls of struct shard_app and struct io_ops are indirect: their targets begin with endbr64."""
    starts = dict(re.findall(r"^[0-9a-f]+ <([^>]+)>:\n\s+[0-9a-f]+:\s+(\S+)", code, re.MULTILINE))
    called = [name for name in ("net_on_event", "net_on_record", "net_on_flush", "main") if name in starts]
    assert called and all(starts[name] == "endbr64" for name in called)


# ---- C12 ----


def call_graph(text):
    """function -> those that it calls (or jumps to, at their start), by name."""
    calls, here = {}, None
    for line in text.splitlines():
        head = re.match(r"^[0-9a-f]+ <([^>]+)>:$", line)
        if head:
            here = head.group(1)
            calls.setdefault(here, set())
            continue
        there = re.search(r"\s(callq?|jmpq?|bl|b)\s+[0-9a-f]+ <([^>+@]+)>", line)
        # A jump to one's own start is a loop, and takes no stack.
        if there and here and not (there.group(2) == here and there.group(1) in ("jmp", "jmpq", "b")):
            calls[here].add(there.group(2))
    return calls


def circles(calls):
    """Functions that reach themselves."""
    found = set()
    for start in calls:
        todo, seen = list(calls[start]), set()
        while todo:
            at = todo.pop()
            if at == start:
                found.add(start)
                break
            if at not in seen:
                seen.add(at)
                todo.extend(calls.get(at, ()))
    return found


def test_c12_a_circle_is_found():
    text = ("0000000000001000 <a>:\n    1000:\tcall   2000 <b>\n\n0000000000002000 <b>:\n    2000:\tjmp    3000 <c>\n"
            "\n0000000000003000 <c>:\n    3000:\tcall   1000 <a>\n    3005:\tcall   4000 <d>\n\n"
            "0000000000004000 <d>:\n    4000:\tjmp    4000 <d>\n    4005:\tcall   5000 <puts@plt>\n")
    assert circles(call_graph(text)) == {"a", "b", "c"}


# The operator's file, which no peer writes, and whose nesting has bounds that conf_test and the fuzzers reach: CONF_DEPTH_MAX, CONF_INCLUDES_MAX,
# CONF_VARIABLES_MAX. The options' blocks are as deep as their table.
BOUNDED = re.compile(r"conf_(value|scalar|variable|bytes|file|include|include_file|include_line|parse_text|digest_value)|option_read(_block|_by_type)?")


def test_c12_nothing_calls_itself_however_far_around(code, sanitized):
    """So nobody's bytes decide how deep the stack gets. (Calls through pointers are not seen here: callbacks never call back, by rule.)"""
    if sanitized:
        pytest.skip("the sanitizer's own functions are in it")
    found = {re.sub(r"\.(isra|part|constprop|lto_priv|cold)\b.*", "", name) for name in circles(call_graph(code))}
    assert {name for name in found if not BOUNDED.fullmatch(name)} == set()
