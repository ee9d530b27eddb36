"""Options and fixtures of every pytest suite. tests/README.md shows how to run them by hand."""

import os
import shlex
import shutil
import subprocess

import pytest

from support import Server, close_all
from support.http import monitor_port

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REFERENCE_VERSION = "2.14.5"


def pytest_addoption(parser):
    parser.addoption("--server-bin", default=os.environ.get("MIDGE_BIN", os.path.join(ROOT, "build", "midge")),
                     help="the server under test (default: build/midge, or $MIDGE_BIN)")
    parser.addoption("--server-args", default=os.environ.get("MIDGE_ARGS", ""),
                     help="flags for every start of the server under test, as one string: '--io epoll --cores 2'")
    parser.addoption("--reference-bin", default=os.environ.get("NATS_SERVER_BIN", ""),
                     help="nats-server for the comparisons (default: $NATS_SERVER_BIN, build-check/bin, Go's bin, PATH)")
    parser.addoption("--long", action="store_true", default=False, help="run the tests marked `long` too")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--long"):
        return
    for item in items:
        if "long" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="needs --long"))


@pytest.fixture(scope="session")
def server_bin(pytestconfig):
    """Path of the server under test."""
    path = pytestconfig.getoption("--server-bin")
    path = path if os.path.sep in path else shutil.which(path) or path
    if not os.access(path, os.X_OK):
        pytest.fail(f"no server at {path}: build it with tools/start --build-only, or say --server-bin", pytrace=False)
    return os.path.abspath(path)


@pytest.fixture(scope="session")
def server_args(pytestconfig):
    """Flags for every start of the server under test (list)."""
    return shlex.split(pytestconfig.getoption("--server-args"))


@pytest.fixture
def start_server(server_bin, server_args):
    """start_server(*flags, **options of Server) -> a ready Server. All of them are stopped and checked at the end."""
    started = []

    def start(*args, **kw):
        srv = Server(server_bin, *args, extra=server_args, **kw)
        started.append(srv)
        return srv

    yield start
    close_all(started)


@pytest.fixture
def conf(tmp_path):
    """conf(text) -> the path of a configuration file that says so; each call writes the same file."""
    path = tmp_path / "x.conf"

    def write(text=""):
        path.write_text(text + "\n")
        return str(path)

    return write


@pytest.fixture
def midge(start_server, conf):
    """midge(text of a file, *flags) -> the server under test with its monitoring on: srv.http is its port."""
    def start(text="", *flags, **kw):
        srv = start_server("-c", conf(text), "-m", "-1", *flags, **kw)
        srv.http = monitor_port(srv)
        return srv

    return start


@pytest.fixture
def server(start_server):
    """One server under test with default flags, for this test alone."""
    return start_server()


def find_reference(config):
    """Path of nats-server, or None."""
    said = config.getoption("--reference-bin")
    if said:
        return said
    gopath = os.environ.get("GOPATH", os.path.expanduser("~/go")).split(os.pathsep)[0]
    for path in (os.path.join(ROOT, "build-check", "bin", "nats-server"), os.path.join(gopath, "bin", "nats-server")):
        if os.access(path, os.X_OK):
            return path
    return shutil.which("nats-server")


@pytest.fixture(scope="session")
def reference_bin(pytestconfig):
    """Path of nats-server; the test skips where there is none."""
    path = find_reference(pytestconfig)
    if path is None:
        pytest.skip("no nats-server here (tools/check installs it where Go or Debian's package is to be had)")
    return path


@pytest.fixture(scope="session")
def reference_version(reference_bin):
    """Its version as text, such as 2.14.5. A comparison byte by byte holds for REFERENCE_VERSION only."""
    out = subprocess.run([reference_bin, "-v"], capture_output=True, text=True, timeout=60, check=True).stdout
    return out.strip().rsplit(" ", 1)[-1].lstrip("v")


@pytest.fixture
def start_reference(reference_bin):
    """start_reference(*flags, **options of Server) -> a ready nats-server. Stopped at the end."""
    started = []

    def start(*args, **kw):
        srv = Server(reference_bin, *args, **kw)
        started.append(srv)
        return srv

    yield start
    close_all(started)


@pytest.fixture(params=["tested", "nats-server"])
def start_either(request):
    """start_server, and start_reference: for what both must do."""
    return request.getfixturevalue("start_server" if request.param == "tested" else "start_reference")


@pytest.fixture
def reference(start_reference):
    """One nats-server with default flags, for this test alone."""
    return start_reference()


@pytest.fixture(scope="session")
def committed():
    """path -> text of every file that git tracks (of every file, where this is no checkout); binary files left out."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        paths = [p for p in listed.stdout.decode().split("\0") if p]
    else:
        paths = []
        for folder, folders, files in os.walk(ROOT):
            folders[:] = [f for f in folders if not f.startswith((".", "build", "__pycache__", "node_modules"))]
            paths += [os.path.relpath(os.path.join(folder, f), ROOT) for f in files]
    texts = {}
    for path in paths:
        full = os.path.join(ROOT, path)
        if os.path.isfile(full) and not os.path.islink(full):
            data = open(full, "rb").read()
            if b"\0" not in data:
                texts[path] = data.decode("utf-8", "replace")
    assert len(texts) > 20, "hardly any file was found: this test would prove nothing"
    return texts
