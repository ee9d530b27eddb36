"""A steady state allocates nothing: architecture.md, "Memory"."""

import mmap
import os
import shutil
import struct
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
MSGS = 100_000
PAYLOAD = b"x" * 128


@pytest.fixture
def counter(tmp_path):
    """(environment for the server, function that reads how many allocations it has made)"""
    cc = shutil.which("cc") or shutil.which("gcc")
    if cc is None:
        pytest.skip("no C compiler for the counting library")
    lib = tmp_path / "alloc_count.so"
    subprocess.run([cc, "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", "-o", str(lib), os.path.join(HERE, "alloc_count.c")],
                   check=True, capture_output=True)
    path = tmp_path / "count"
    path.write_bytes(b"\0" * 8)
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 8) as m:
        yield {"LD_PRELOAD": str(lib), "ALLOC_COUNT_FILE": str(path)}, lambda: struct.unpack("<Q", m[:8])[0]


def sanitized(server_bin):
    with open(server_bin, "rb") as f:
        return b"__asan_init" in (data := f.read()) or b"__tsan_init" in data


def stream(pub, sub, n, batch=1000):
    """n messages from pub to sub, `batch` at a time; awaits them all."""
    data = b"".join(b"PUB steady.%d 128\r\n%s\r\n" % (i % 10, PAYLOAD) for i in range(batch))
    for _ in range(n // batch):
        pub.send(data)
        sub.read_msgs(batch)


@pytest.mark.parametrize("cores", ["1", "2"])
def test_100000_messages_make_no_allocation(start_server, server_bin, counter, cores):
    """After a warm-up, 100,000 messages are published and delivered, and the number of allocations and
    mappings does not move."""
    if sanitized(server_bin):
        pytest.skip("a sanitizer brings its own allocator")
    env, n_allocations = counter
    server = start_server("--cores", cores, env=env)
    with server.raw() as pub, server.raw() as sub:
        for c in (pub, sub):
            c.connect(verbose=False)
        sub.send(b"SUB steady.* 1\r\n")
        sub.fence()
        for batch in (1, 7, 30, 60, 120, 250, 500, 1000, 4000):  # every size of buffer has been used once
            stream(pub, sub, 20 * batch, batch)
        before = n_allocations()
        assert before > 0, "the counting library is not in the server"
        stream(pub, sub, MSGS)
        assert n_allocations() - before == 0
