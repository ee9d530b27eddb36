"""Users and permissions: the same file, the same conversations, the same verdicts, texts and deliveries. See permissions.py."""

import os

import pytest

from oracle.permissions import Case, covers, play

N_CASES = 40  # of 8 users each
N_LONG = 1500


@pytest.fixture(autouse=True)
def right_reference(reference_version):
    if reference_version != "2.14.5":
        pytest.skip(f"nats-server is {reference_version}; its answers are compared with those of 2.14.5 only")


def check(seed, tmp_path, start_server, start_reference):
    case = Case(seed)
    path = os.path.join(tmp_path, "permissions.conf")
    with open(path, "w") as f:
        f.write(case.text())
    theirs, ours = start_reference("-c", path), start_server("-c", path)
    want, got = play(theirs, case), play(ours, case)
    theirs.close()
    ours.close()
    for (user, step, expected), (_, _, answered) in zip(want, got):
        assert answered == expected, f"seed {seed}, user u{user} with {case.rules[user].text()}\nsubs {case.talks[user].subs}\nat: {step}"


@pytest.mark.parametrize("seed", range(N_CASES))
def test_the_same_permissions_mean_the_same(seed, tmp_path, start_server, start_reference):
    check(seed, tmp_path, start_server, start_reference)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1000 + N_LONG))
def test_the_same_permissions_mean_the_same_long(seed, tmp_path, start_server, start_reference):
    check(seed, tmp_path, start_server, start_reference)


def test_the_difference_is_told_by_a_rule():
    """What is kept from the comparison is what differences.py names, and nothing else."""
    assert covers("a.*", "a.>", literally=True) and not covers("a.*", "a.>")
    assert covers("a.>", "a.>") and covers("a.>", "a.*.b") and covers("*", "*")
    assert not covers("a", "a.b") and not covers("a.b", "a") and not covers("a.*", "a")


@pytest.mark.parametrize("allow, asked, theirs_takes", [
    ("a.*", "a.>", True), ("*", ">", True), ("a", "b.>", False), ("a.>", "a.>", True), ("a.*", "a.*", True)])
def test_wildcard_subset(allow, asked, theirs_takes, tmp_path, start_server, start_reference):
    """differences.py, wildcard-subset: nats-server takes the wildcards of a SUB for literal tokens."""
    path = os.path.join(tmp_path, "one.conf")
    with open(path, "w") as f:
        f.write(f'authorization {{ users = [ {{user: u, password: p, permissions: {{subscribe: "{allow}"}}}} ] }}\n')
    for srv, takes in ((start_reference("-c", path), theirs_takes), (start_server("-c", path), theirs_takes and covers(allow, asked))):
        with srv.raw() as c:
            c.connect(user="u", **{"pass": "p"})
            c.send(f"SUB {asked} 1\r\nPING\r\n".encode())
            if not takes:
                c.expect_err(f'Permissions Violation for Subscription to "{asked}"')
            c.expect(b"PONG\r\n")
