# SPDX-License-Identifier: Apache-2.0
"""The worker with the plugin pam: real stacks of Debian's modules, and conversations that outlive a server."""

import base64
import glob
import hmac
import os
import select
import signal
import struct

import pytest

from worker_process import BUILD, Refused, now_ms

DEADLINE_MS = 3000
HANG_S = 60  # then a test has failed
ASKS = os.path.join(BUILD, "tests", "unit", ".libs", "pam_asks.so")
OATH = next(iter(glob.glob("/lib/*/security/pam_oath.so") + glob.glob("/usr/lib/*/security/pam_oath.so")), None)
KEY = b"12345678901234567890"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


SECRET, CHALLENGE = b64(b"\x01\x00alice"), b64(b"challenge one")


def hotp(counter):
    mac = hmac.new(KEY, struct.pack(">Q", counter), "sha1").digest()
    at = mac[-1] & 15
    return str((struct.unpack(">I", mac[at:at + 4])[0] & 0x7fffffff) % 10 ** 6).zfill(6)


@pytest.fixture
def start(start_worker, tmp_path):
    def with_service(text, settings="", **rest):
        (tmp_path / "pay").write_text(text)
        worker = start_worker("pam", "factor", f'set service "pay" set directory "{tmp_path}" {settings}'
                              f' cage {{ processes yes write "{tmp_path}" read "{BUILD}" "{tmp_path}" }}', **rest)
        assert worker.ready, worker.log()
        return worker

    if not os.path.exists(os.path.join(BUILD, "plugins", ".libs", "pam.so")):
        pytest.skip("the plugin pam was not built: install libpam0g-dev and run configure again")
    return with_service


def begin(connection, **changes):
    return connection.call("Begin", **{"deadline_ms": DEADLINE_MS, "request": "r1", "secret": SECRET, "challenge": CHALLENGE,
                                       "operation": "spend", "card": "{}", "number": 1, "now_ms": now_ms(), **changes})


def verify(connection, answer, **changes):
    return connection.call("Verify", **{"deadline_ms": DEADLINE_MS, "request": "r2", "secret": SECRET, "answer": answer, "last_step": -1,
                                        "challenge": CHALLENGE, "now_ms": now_ms(), **changes})


def failure(operation, *arguments, **rest):
    with pytest.raises(Refused) as refused:
        operation(*arguments, **rest)
    return refused.value.reason


needs_oath = pytest.mark.skipif(OATH is None, reason="pam_oath is absent: install libpam-oath")


@pytest.fixture
def oath(start, tmp_path):
    """pam_oath with one HOTP user, whose file is in this test's directory."""
    users = tmp_path / "users"
    users.write_text(f"HOTP\talice\t-\t{KEY.hex()}\n")
    users.chmod(0o600)
    return start(f"auth required pam_oath.so usersfile={users} window=5 digits=6\naccount required pam_permit.so\n").connect()


@needs_oath
def test_pam_oath_is_a_factor(oath):
    begun = begin(oath)
    assert [step["type"] for step in begun["steps"]] == ["secret"] and "alice" in begun["steps"][0]["label"]
    assert not verify(oath, "000000", state=begun["state"])["verdict"]
    begun = begin(oath)
    assert verify(oath, hotp(0), state=begun["state"])["verdict"]
    # pam_oath itself takes no code twice.
    begun = begin(oath)
    assert not verify(oath, hotp(0), state=begun["state"])["verdict"]
    begun = begin(oath)
    assert verify(oath, hotp(1), state=begun["state"])["verdict"]


@needs_oath
def test_enrolment_is_a_conversation(oath):
    begun = oath.call("Enrol", deadline_ms=DEADLINE_MS, request="r0", account_hint="al***", issuer="Shop", address="alice", now_ms=now_ms())
    done = oath.call("Verify", deadline_ms=DEADLINE_MS, request="r1", secret=begun["secret"], answer=hotp(0), last_step=-1, now_ms=now_ms())
    assert done["verdict"] and done["secret"] == SECRET
    # Whom pam_oath does not know it asks nothing.
    assert failure(oath.call, "Enrol", deadline_ms=DEADLINE_MS, request="r0", account_hint="al***", issuer="Shop", address="mallory",
                   now_ms=now_ms()) == "unreachable"


def test_the_user_is_never_of_the_answer(start):
    connection = start(f"auth required {ASKS} do=two\naccount required pam_permit.so\n").connect()
    begun = begin(connection)
    assert [step["type"] for step in begun["steps"]] == ["text", "secret"]
    assert verify(connection, "rex\nsecret", state=begun["state"])["verdict"]


@pytest.mark.parametrize("stack", ["auth required pam_permit.so\naccount required pam_permit.so\n",
                                   "auth required pam_deny.so\naccount required pam_permit.so\n",
                                   "auth required pam_no_such_module.so\naccount required pam_permit.so\n",
                                   "", "nonsense\n", "auth include no-such-file\n"])
def test_a_stack_that_asks_nothing_is_no_factor(start, stack):
    worker = start(stack)
    assert failure(begin, worker.connect()) == "unreachable"
    assert "says=" in worker.log()


def test_account_management_counts(start):
    connection = start(f"auth required {ASKS} do=one\naccount required pam_deny.so\n").connect()
    assert not verify(connection, "secret", state=begin(connection)["state"])["verdict"]
    connection = start(f"auth required {ASKS} do=one\naccount required pam_permit.so\n").connect()
    assert verify(connection, "secret", state=begin(connection)["state"])["verdict"]


def test_rounds_go_on_at_any_server_even_when_one_was_killed(start):
    worker = start(f"auth required {ASKS} do=serial\naccount required pam_permit.so\n", servers=2)
    first, second = worker.connect(), worker.connect()
    begun = begin(first)
    more = verify(second, "secret", state=begun["state"])
    assert (more["verdict"], more["more"], more["steps"][0]["label"]) == (False, True, "Which colour?")
    # The server that began is gone; its conversation is not.
    began = [server for server in children(worker.pid) if "countersign-kpr" in names(children(server))]
    assert len(began) == 1
    os.kill(began[0], signal.SIGKILL)
    assert verify(second, "blue", state=more["state"])["verdict"]


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(word) for word in f.read().split()]


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child] + descendants(child)
    return found


def names(pids):
    """Of those that still run: who has ended and was not asked for yet runs no more."""
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as f:
                name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
            found += [name] if rest.split()[0] not in "ZX" else []
        except FileNotFoundError:
            pass
    return found


def keepers(worker):
    return [pid for pid in descendants(worker.pid) if names([pid]) == ["countersign-kpr"]]


def assert_end(pids):
    """An event that must come, not a time."""
    for pid in pids:
        try:
            over = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        assert select.select([over], [], [], HANG_S)[0], names([pid])
        os.close(over)


def test_nothing_is_left_when_the_worker_ends(start):
    worker = start(f"auth required {ASKS} do=one\naccount required pam_permit.so\n")
    connection = worker.connect()
    begin(connection)
    started = [pid for pid in descendants(worker.pid) if names([pid])[0].startswith("countersign-k")]
    started += [pid for keeper in started for pid in children(keeper)]
    assert len(started) == 2
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert_end(started)


def test_a_conversation_ends_with_its_time(start):
    worker = start(f"auth required {ASKS} do=one\naccount required pam_permit.so\n", "set timeout 2")
    connection = worker.connect()
    begun = begin(connection)
    assert now_ms() < begun["expires_ms"] <= now_ms() + 2000
    assert_end(keepers(worker))
    assert failure(verify, connection, "secret", state=begun["state"]) == "unreachable"


def test_a_module_sees_nothing_of_the_worker(start, tmp_path):
    """pam_exec as a spy: what its process has open and in its environment."""
    script = tmp_path / "spy"
    script.write_text(f"#!/bin/sh\nls -l /proc/self/fd >{tmp_path}/fds\nenv >{tmp_path}/env\n")
    script.chmod(0o755)
    connection = start(f"auth optional pam_exec.so {script}\nauth required {ASKS} do=one\naccount required pam_permit.so\n").connect()
    os.environ["CS_SPIED"] = "yes"
    assert verify(connection, "secret", state=begin(connection)["state"])["verdict"]
    environment = (tmp_path / "env").read_text()
    assert "CS_" not in environment and "PAM_USER=alice" in environment and "PAM_RHOST" not in environment.replace("PAM_RHOST=\n", "")
    targets = [line.split(" -> ")[1] for line in (tmp_path / "fds").read_text().splitlines() if " -> " in line]
    # A pipe is of pam_exec's own; sockets, the plugin's file and the configuration's memory would be the worker's.
    own = ("/dev/null", f"{tmp_path}/fds")
    assert all(target in own or target.startswith(("/proc/", "pipe:")) for target in targets), targets


@pytest.mark.parametrize("do", ["block", "crash"])
def test_a_module_that_fails_costs_its_own_conversation(start, do):
    worker = start(f"auth required {ASKS} do={do}\naccount required pam_permit.so\n")
    connection = worker.connect()
    begun = begin(connection)
    costs = keepers(worker)
    assert failure(verify, connection, "secret", state=begun["state"], deadline_ms=500) in ("unreachable", "too_late")
    assert begin(connection)["steps"]
    assert_end(costs)
