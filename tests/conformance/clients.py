"""The client programs: where their sources are, what they need, how they are built and run.

    clients.py [NAME...]      build them (all), say which are there, which skip and why

Each is built in build-check/conformance/NAME from a copy of its sources, and again only when those or the
toolchain change, so a second run needs no network. Dependencies come through the ordinary package client of
the language, in the versions that the committed files name. A toolchain that is missing, or a registry that
gives nothing, makes the tests of that client skip; a program that cannot be built makes them fail.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(ROOT, "build-check", "conformance")
PYTHON = "/usr/bin/python3"  # Debian's, wherever another may stand in PATH
FETCH_TRIES = 2              # a registry may hiccup
STEP_S = 600                 # ends a fetch or a build that hangs
UNFETCHED_S = 1800           # what could not be fetched is not asked for again so soon: many runs follow each other


# How pip, npm, go and cargo say that something has not the hash that is written here.
TAMPERED = re.compile(r"DO NOT MATCH THE HASHES|EINTEGRITY|checksum mismatch|SECURITY ERROR|checksum for .* changed|failed to verify the checksum")


class Missing(Exception):
    """The toolchain is not here, or what it needs cannot be fetched."""


class BuildFailed(Exception):
    """The toolchain is here, and the program cannot be built."""


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            raise Missing(f"no {program} here")


def run(cmd, cwd, env=None):
    try:
        done = subprocess.run(cmd, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=STEP_S,
                              env={**os.environ, **(env or {})}, check=False)
    except subprocess.TimeoutExpired as e:
        raise BuildFailed(f"{' '.join(cmd)} took more than {STEP_S} s") from e
    if done.returncode != 0:
        raise BuildFailed(f"{' '.join(cmd)} ended with {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-6000:]}")


def fetch(cmd, cwd, env=None):
    """A step that only fetches: what is wrong with it is taken to be the registry's or the network's fault, but not a hash that differs."""
    for left in reversed(range(FETCH_TRIES)):
        try:
            run(cmd, cwd, env)
            return
        except BuildFailed as e:
            if TAMPERED.search(str(e)):
                raise BuildFailed(f"what was fetched is not what was pinned: {e}") from e
            if left == 0:
                print(e, file=sys.stderr)
                raise Missing(f"its packages cannot be fetched here ({' '.join(cmd[:2])})") from e


def version_of(*cmd):
    done = subprocess.run(cmd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    return (done.stdout + done.stderr).strip()


def at_least(text, wanted, what):
    """The first x.y in text must not be older than wanted."""
    found = re.search(r"(\d+)\.(\d+)", text)
    if not found or (int(found.group(1)), int(found.group(2))) < wanted:
        raise Missing(f"{what} is too old here: {text.splitlines()[0] if text else 'unknown'}")


def check_jars(folder, listed):
    """Maven has no lock file: the jars that came are those of the list, all of them and no others."""
    with open(listed) as f:
        wanted = dict(reversed(line.split()) for line in f)
    got = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as f:
            got[name] = hashlib.sha256(f.read()).hexdigest()
    if got != wanted:
        raise BuildFailed(f"the jars are not those of {os.path.basename(listed)}: {sorted(set(got.items()) ^ set(wanted.items()))}")


# Each program: toolchain() says what stands for the toolchain's version, or raises Missing; build(dir) builds in a
# copy of the sources; command(dir) is what runs it, before FEATURE URL.


class NatsC:
    def toolchain(self):
        need("gcc")
        if not os.path.exists("/usr/include/nats/nats.h"):
            raise Missing("no libnats-dev here")
        with open("/usr/include/nats/version.h") as f:
            return version_of("gcc", "--version") + f.read()

    def build(self, at):
        run(["gcc", "-std=gnu17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-o", "client", "client.c", "-lnats", "-lpthread"], at)

    def command(self, at):
        return [f"{at}/client"]


class NatsPy:
    def toolchain(self):
        need(PYTHON)
        if subprocess.run([PYTHON, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode:
            raise Missing("no python3-venv here")
        return version_of(PYTHON, "--version")

    def build(self, at):
        run([PYTHON, "-m", "venv", "venv"], at)
        fetch(["venv/bin/pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r", "requirements.txt"], at)

    def command(self, at):
        return [f"{at}/venv/bin/python", f"{at}/client.py"]


class NatsJs:
    def toolchain(self):
        need("node", "npm")
        version = version_of("node", "--version")
        at_least(version, (18, 0), "node")
        return version

    def build(self, at):
        fetch(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], at)

    def command(self, at):
        return ["node", f"{at}/client.mjs"]


class NatsGo:
    # A Go that is too old would fetch a whole newer one: it skips instead.
    ENV = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "CGO_ENABLED": "0"}

    def toolchain(self):
        need("go")
        version = version_of("go", "env", "GOVERSION")
        with open(f"{HERE}/nats_go/go.mod") as f:
            wanted = re.search(r"^go (\d+)\.(\d+)", f.read(), re.MULTILINE)
        at_least(version, (int(wanted.group(1)), int(wanted.group(2))), "go")
        return version

    def build(self, at):
        fetch(["go", "mod", "download"], at, self.ENV)
        run(["go", "build", "-o", "client", "."], at, self.ENV)

    def command(self, at):
        return [f"{at}/client"]


class AsyncNats:
    def toolchain(self):
        need("cargo", "rustc")
        version = version_of("rustc", "--version")
        at_least(version, (1, 89), "rustc")
        return version

    # What stands for it in Cargo.lock.in: committed text names no registry.
    REGISTRY = "registry+https://github.com/rust-lang/crates" + ".io-index"

    def build(self, at):
        with open(f"{at}/Cargo.lock.in") as there, open(f"{at}/Cargo.lock", "w") as here:
            here.write(there.read().replace("@REGISTRY@", self.REGISTRY))
        fetch(["cargo", "fetch", "--quiet", "--locked"], at)
        run(["cargo", "build", "--quiet", "--locked", "--offline"], at, {"CARGO_TARGET_DIR": f"{at}/target"})

    def command(self, at):
        return [f"{at}/target/debug/midge-conformance"]


class Jnats:
    def toolchain(self):
        need("java", "javac", "mvn")
        version = version_of("javac", "-version")
        found = re.search(r"\d+", version)
        if not found or int(found.group(0)) < 11:
            raise Missing(f"java is too old here: {version}")
        return version

    def build(self, at):
        shutil.rmtree(f"{at}/lib", ignore_errors=True)  # of another version
        fetch(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"], at)
        check_jars(f"{at}/lib", f"{at}/jars.sha256")
        run(["javac", "-cp", "lib/*", "-d", "classes", "Client.java"], at)

    def command(self, at):
        # The cheapest compiler: each run lives for a second.
        return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-cp", f"{at}/lib/*:{at}/classes", "Client"]


CLIENTS = {"nats_c": NatsC(), "nats_py": NatsPy(), "nats_js": NatsJs(), "nats_go": NatsGo(), "async_nats": AsyncNats(),
           "jnats": Jnats()}


def sources_of(name):
    """Relative paths of the sources, in order."""
    top = os.path.join(HERE, name)
    found = []
    for folder, _, files in os.walk(top):
        found += [os.path.relpath(os.path.join(folder, f), top) for f in files if not f.endswith(".pyc")]
    return sorted(found)


def stamp_of(name, toolchain):
    digest = hashlib.sha256(toolchain.encode())
    for path in sources_of(name):
        with open(os.path.join(HERE, name, path), "rb") as f:
            digest.update(path.encode() + b"\0" + f.read() + b"\0")
    return digest.hexdigest()


def build(client, at, stamp):
    """Build, or raise Missing without asking again when what it needs could not be fetched a moment ago."""
    unfetched = os.path.join(at, ".unfetched")
    if os.path.exists(unfetched) and time.time() - os.path.getmtime(unfetched) < UNFETCHED_S:
        with open(unfetched) as f:
            said, _, why = f.read().partition("\n")
        if said == stamp:
            raise Missing(why)
    try:
        client.build(at)
    except Missing as e:
        with open(unfetched, "w") as f:
            f.write(f"{stamp}\n{e}")
        raise


def prepare(name):
    """Build the program if it is not there yet. Returns the command that runs it, before FEATURE URL."""
    client = CLIENTS[name]
    toolchain = client.toolchain()
    at = os.path.join(OUT, name)
    os.makedirs(at, exist_ok=True)
    with open(os.path.join(OUT, f"{name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, stamp_file = stamp_of(name, toolchain), os.path.join(at, ".built")
        if not os.path.exists(stamp_file) or open(stamp_file).read() != stamp:
            # What a package client or a compiler left there from before may be used again, so it stays.
            for path in sources_of(name):
                os.makedirs(os.path.dirname(os.path.join(at, path)), exist_ok=True)
                shutil.copyfile(os.path.join(HERE, name, path), os.path.join(at, path))
            build(client, at, stamp)
            with open(stamp_file, "w") as f:
                f.write(stamp)
    return client.command(at)


def main():
    failed = 0
    for name in sys.argv[1:] or CLIENTS:
        try:
            prepare(name)
            print(f"{name}: ready", flush=True)
        except Missing as e:
            print(f"{name}: skips: {e}", flush=True)
        except BuildFailed as e:
            failed += 1
            print(f"{name}: FAILED: {e}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
