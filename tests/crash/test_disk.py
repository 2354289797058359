# SPDX-License-Identifier: Apache-2.0
"""A disk that is full, nearly full, read-only, or whose log cannot be cut: never a false permit, and well again with room."""
import contextlib
import os
import resource
import sqlite3
import subprocess

import pytest

from burst import Crowd, Spender, log_is_whole
from harness import BUILD, VarlinkError

RESERVE = 64 << 20      # below this only what takes power away is written
DISK = 192 << 20
CHECK_EVERY = 64        # commits between two looks at the disk
WAL_MAX = 64 << 20


def engine_pid(broker):
    processes = broker.admin.call("Admin.Status")["processes"]
    return next(p["pid"] for p in processes if p["role"] == "engine")


def outcome(service, spender, payment):
    """permit, or the name of the error."""
    try:
        answer = service.call("Payments.Authorize", **spender.call_for(payment, capture=True))
    except VarlinkError as error:
        return error.name
    if answer["outcome"] == "permit":
        spender.permits[payment] = answer["hold"]["id"]
    return answer["outcome"]


@contextlib.contextmanager
def no_file_grows(pid, at=0):
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (at, hard))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def permits_of(spenders):
    return sum(len(s.permits) for s in spenders)


def refusals_of(spenders):
    return sum(s.errors["Unavailable"] for s in spenders)


def test_a_disk_that_takes_nothing(broker):
    spender = Spender(broker)
    assert outcome(broker.service, spender, "p-900001") == "permit"
    pid = engine_pid(broker)
    with no_file_grows(pid):
        said = {outcome(broker.service, spender, f"p-{n}") for n in range(900002, 900012)}
        assert said == {"Unavailable"}
        # What needs no write is answered, by the same engine.
        assert broker.service.call("Payments.Get", account=spender.account, payment="p-900001")["hold"]
        assert engine_pid(broker) == pid
    assert outcome(broker.service, spender, "p-900020") == "permit"
    permits, _ = spender.check()
    assert permits == 2
    log_is_whole(broker)


def test_a_disk_that_fills_and_empties_during_a_burst(broker):
    spenders = [Spender(broker) for _ in range(2)]
    # The files are longer than a MiB by then or soon will be: that, too, is a disk with nothing left.
    for at in (0, 1 << 20, 0):
        pid = engine_pid(broker)
        crowd = Crowd(broker, spenders + spenders)
        permits, refusals = permits_of(spenders), refusals_of(spenders)
        crowd.until(lambda: permits_of(spenders) >= permits + 200, "200 permits")
        with no_file_grows(pid, at):
            crowd.until(lambda: refusals_of(spenders) > refusals, "a refusal")
        permits = permits_of(spenders)
        crowd.until(lambda: permits_of(spenders) > permits, "a permit now that there is room")
        crowd.end()
        assert engine_pid(broker) == pid
        assert outcome(broker.service, spenders[0], f"p-{800000 + len(spenders[0].permits)}") == "permit"
    for spender in spenders:
        assert set(spender.errors) <= {"Unavailable"}
        spender.check()
    broker.kill()
    broker.start()
    for spender in spenders:
        spender.check()
    log_is_whole(broker)


# --- a file system of its own, which takes root --------------------------------------------------------------------

@pytest.fixture
def small_disk(broker):
    """The broker's state on a disk of its own; fill(free) leaves so many bytes."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system takes root")
    state, kept = broker.path("state"), broker.path("kept")
    broker.halt()
    os.rename(state, kept)
    os.mkdir(state, 0o700)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "none", state], check=False,
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        os.rmdir(state)
        os.rename(kept, state)
        broker.start()
        pytest.skip("no file system can be mounted here: " + mounted.stderr.strip())
    try:
        subprocess.run(["cp", "-a", kept + "/.", state], check=True)
        broker.start()
        yield state
    finally:
        broker.halt()
        subprocess.run(["umount", state], check=True)


def fill(state, free):
    path = os.path.join(state, "filler")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    block = bytes(1 << 16)
    with open(path, "wb", buffering=0) as f, contextlib.suppress(OSError):
        while os.statvfs(state).f_bavail * os.statvfs(state).f_frsize > free:
            f.write(block)


def until_refused(broker, spender, first):
    """The broker looks at the disk now and then; it refuses after that many commits at most."""
    for n in range(first, first + CHECK_EVERY + 8):
        said = outcome(broker.service, spender, f"p-{n}")
        if said != "permit":
            return said
    return "permit"


def test_nearly_full_takes_power_away_only(small_disk, broker):
    spender, other = Spender(broker), Spender(broker)
    fill(small_disk, RESERVE // 2)
    assert until_refused(broker, spender, 700001) == "Unavailable"
    status = broker.admin.call("Admin.Status")["store"]
    assert status["narrow_only"] is True and "nearly full" in status["detail"]
    service = broker.service
    assert service.fails("Payments.Authorize", session=spender.session,
                         payment=spender.person.payment("2.00")).name == "Unavailable"
    # Narrowing goes through, and counts.
    assert service.call("Links.Suspend", link=other.person.link_id)["link"]["state"] == "suspended"
    assert service.call("Allowances.Revoke", allowance=other.allowance)["allowance"]["state"] == "revoked"
    assert broker.admin.call("Admin.Freeze", scope="account", target=other.account, reason="stolen")["frozen"] is True
    assert broker.admin.call("Admin.Freeze", scope="provider", target="sandbox", reason="stolen")["frozen"] is True
    # Look-ups go on.
    assert service.call("Lookup.ByAccount", account=spender.account)
    os.unlink(os.path.join(small_disk, "filler"))
    assert broker.admin.call("Admin.Status")["store"]["narrow_only"] is False
    assert broker.admin.call("Admin.Thaw", scope="provider", target="sandbox", reason="over")["frozen"] is False
    assert broker.service.call("Links.Get", link=other.person.link_id)["link"]["state"] == "suspended"
    broker.kill()
    broker.start()
    assert broker.service.call("Links.Get", link=other.person.link_id)["link"]["state"] == "suspended"
    events = {e["json"]["hold"] for e in spender.events() if e["type"] == "payment_permitted"}
    assert events == set(spender.permits.values())


def test_full_to_the_last_byte(small_disk, broker):
    spender = Spender(broker)
    crowd = Crowd(broker, [spender, spender])
    crowd.until(lambda: len(spender.permits) >= 100, "100 permits")
    fill(small_disk, 0)
    crowd.until(lambda: spender.errors["Unavailable"] > 0, "a refusal")
    crowd.end()
    assert outcome(broker.service, spender, "p-700001") == "Unavailable"
    os.unlink(os.path.join(small_disk, "filler"))
    assert broker.admin.call("Admin.Status")["store"]["narrow_only"] is False
    assert outcome(broker.service, spender, "p-700002") == "permit"
    spender.check()
    broker.kill()
    broker.start()
    spender.check()
    log_is_whole(broker)


def test_a_read_only_disk_is_refused_with_a_sentence(small_disk, broker):
    spender = Spender(broker)
    assert outcome(broker.service, spender, "p-1") == "permit"
    broker.halt()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = subprocess.run(
        [os.path.join(BUILD, "countersignd"), "-f", broker.path("countersign.conf"), "--libexec",
         os.path.join(BUILD, "testlibexec"), "--plugins", broker.path("plugins")],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=30, check=False,
        env={**os.environ, "CS_TEST_CLOCK": broker.path("clock")})
    assert done.returncode != 0 and b"ead-only" in done.stderr and small_disk.encode() in done.stderr
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    broker.start()
    spender.check()


# --- the WAL -------------------------------------------------------------------------------------------------------

def test_a_reader_that_never_ends_does_not_let_the_wal_grow(broker):
    """An admin's forgotten query keeps the WAL; the broker stops before its bound, and goes on when the reader ends."""
    spenders = [Spender(broker) for _ in range(4)]
    reader = sqlite3.connect(broker.path("state/countersign.db"), isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM log").fetchone()
    crowd = Crowd(broker, spenders)
    wal_bytes = []

    def refused():
        wal_bytes.append(broker.admin.call("Admin.Status")["store"]["wal_bytes"])
        return any(s.errors for s in spenders)

    crowd.until(refused, "a WAL that is full")
    crowd.end()
    assert max(wal_bytes) <= WAL_MAX + (4 << 20)
    status = broker.admin.call("Admin.Status")["store"]
    assert status["narrow_only"] is True and "end that reader" in status["detail"]
    link = spenders[0].person.link_id
    assert broker.service.call("Links.Suspend", link=link)["link"]["state"] == "suspended"
    reader.close()
    # It is tried again with the first that asks.
    outcome(broker.service, spenders[1], "p-900000")
    for spender in spenders[1:]:
        assert set(spender.errors) <= {"Unavailable"}
        assert outcome(broker.service, spender, "p-900001") == "permit"
        spender.check()
