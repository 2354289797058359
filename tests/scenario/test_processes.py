# SPDX-License-Identifier: Apache-2.0
"""Processes: what is killed comes back, what hangs is replaced, a bad configuration changes nothing, a stop is orderly."""
import contextlib
import json
import os
import select
import signal
import socket
import sqlite3
import subprocess
import time

import pytest

from harness import BUILD, CALL_S, Broker, Client, VarlinkError

BROKER = {
    "clients": ["crooked"],
    "extra": '''provider "crooked" {
    plugin "misbehave"
    servers 1 deadline 1s queue 4
    cooling-off 0
    set issuer "https://misbehave.test"
}''',
}
STOP_S = 20


def pids(broker):
    """role -> pid, of what is up."""
    processes = broker.admin.call("Admin.Status")["processes"]
    return {p["role"]: p["pid"] for p in processes if p["state"] == "up"}


def settled(broker, seconds=30):
    """The same once nothing starts or stops any more: what a test before this one did may not be over."""
    end = time.monotonic() + seconds
    while True:
        processes = broker.admin.call("Admin.Status")["processes"]
        if all(p["state"] == "up" for p in processes) and len({p["role"] for p in processes}) == len(processes):
            return {p["role"]: p["pid"] for p in processes}
        assert time.monotonic() < end, f"it does not come to rest: {processes}"
        select.select([], [], [], 0.02)


def pids_after(broker, role, before, seconds=30):
    """The same once the role is up again: it may answer before the parent has heard that it is ready."""
    end = time.monotonic() + seconds
    while (now := pids(broker)).get(role) in (None, before[role]):
        assert time.monotonic() < end, f"{role} is not up again: {now}"
        select.select([], [], [], 0.02)
    return now


def reconnect(broker):
    """What was connected to an engine that is no more. Who connects meanwhile waits at the door."""
    for client in (broker.service, broker.admin):
        client.close()
        client._connect()
        client.pending = 0


@contextlib.contextmanager
def process_end(pid):
    """On leaving, the process has ended; without polling, and whoever's child it is."""
    fd = os.pidfd_open(pid)
    try:
        yield
        ended, _, _ = select.select([fd], [], [], STOP_S)
        assert ended, f"process {pid} did not end"
    finally:
        os.close(fd)


def kill(pid):
    with process_end(pid):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def config(broker):
    """config(old, new) changes the file; it is as it was at the end, and in force."""
    path = broker.path("countersign.conf")
    with open(path, encoding="utf-8") as f:
        text = f.read()

    def change(old, new):
        assert old in text
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new))

    yield change
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    broker.admin.call("Admin.Reload")


# --- what is killed ------------------------------------------------------------------------------------------------

def test_a_killed_engine_is_started_again_with_all_it_had(broker, person):
    session = person.session()
    payment = person.payment()
    person.confirm(person.authorize(session, payment)["challenge"]["id"])
    permit = person.authorize(session, payment)
    before = settled(broker)
    kill(before["engine"])
    reconnect(broker)
    assert person.service.call("Payments.Get", account=person.account, payment=payment["id"])["hold"] == permit["hold"]
    again = person.authorize(session, payment)
    assert again["outcome"] == "permit" and again["replayed"] is True and again["hold"] == permit["hold"]
    after = pids_after(broker, "engine", before)
    assert after.pop("engine") != before.pop("engine") and after == before
    engine = next(p for p in broker.admin.call("Admin.Status")["processes"] if p["role"] == "engine")
    assert engine["restarts"] >= 1
    assert broker.web("GET", "/healthz", certificate=None)[0] == 200


def test_the_engine_is_killed_many_times(broker, person):
    before = settled(broker)
    for _ in range(3):
        kill(before["engine"])
        reconnect(broker)
        before = pids_after(broker, "engine", before)
        assert person.spend(person.session(), "1.00")["outcome"] == "permit"


def test_a_killed_gateway_is_started_again(broker, shop):
    before = settled(broker)
    kill(before["gateway"])
    # Who comes meanwhile waits at the door, which the parent keeps open.
    assert broker.web("GET", "/healthz", certificate=None)[0] == 200
    after = pids_after(broker, "gateway", before)
    assert after.pop("gateway") != before.pop("gateway") and after == before


def test_a_killed_worker_costs_its_own_calls(broker, person):
    before = settled(broker)
    kill(before["worker:sandbox"])
    # The engine and the factor's worker do not notice.
    assert broker.service.call("Whoami")["service"] == "checkout"
    broker.person(linked=False)
    for _ in range(200):
        try:
            assert person.open()["outcome"] == "permit"
            break
        except VarlinkError as error:
            assert (error.name, error.parameters["what"]) == ("Unavailable", "sandbox")
            heard, _, _ = select.select([], [], [], 0.05)
    assert pids_after(broker, "worker:sandbox", before)["worker:sandbox"] != before["worker:sandbox"]


def test_a_hanging_plugin_is_unavailable_within_its_deadline(broker, person):
    shop = broker.connect()
    begun = shop.call("Sessions.Begin", provider="crooked")
    shop.send("Sessions.Open", sign_in=begun["sign_in"], id_token="!hang")
    # Others are served while it hangs.
    assert person.open()["outcome"] == "permit"
    assert not select.select([shop.socket], [], [], 0)[0]
    with pytest.raises(VarlinkError, match="Unavailable.*crooked"):
        shop.receive()
    begun = shop.call("Sessions.Begin", provider="crooked")
    assert shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token="nobody").parameters == {"what": "link"}


def test_a_crowd_at_a_hanging_plugin_is_turned_away(broker):
    crowd = []
    for _ in range(8):
        client = broker.connect()
        begun = client.call("Sessions.Begin", provider="crooked")
        client.send("Sessions.Open", sign_in=begun["sign_in"], id_token="!hang")
        crowd.append(client)
    names = []
    for client in crowd:
        with pytest.raises(VarlinkError) as caught:
            client.receive()
        names.append(caught.value.name)
    assert set(names) <= {"Unavailable", "TooMany"}
    assert broker.service.call("Whoami")["service"] == "checkout"


# --- the configuration ---------------------------------------------------------------------------------------------

def test_a_lowered_limit_counts_at_once(broker, person, config):
    session = person.session()
    generation = broker.admin.call("Admin.Status")["generation"]
    config("per-payment 1000", "per-payment 10")
    assert broker.admin.call("Admin.Reload")["generation"] == generation + 1
    answer = person.authorize(session, person.payment("20.00"))
    assert (answer["outcome"], answer["reason"], answer["detail"]["limit"]) == ("deny", "limit_payment", "10.00 CNY")
    assert broker.admin.call("Admin.Status")["generation"] == generation + 1


def test_reloads_wait_for_nothing_but_each_other(broker):
    """The second has to wait until what the first replaced has ended, which is told at once."""
    client = broker.connect("admin.sock")
    client.socket.settimeout(5)
    generations = [client.call("Admin.Reload")["generation"] for _ in range(3)]
    assert generations == list(range(generations[0], generations[0] + 3))


def test_sighup_reads_the_configuration_again(broker, person, config):
    session = person.session()
    generation = broker.admin.call("Admin.Status")["generation"]
    config("per-payment 1000", "per-payment 10")
    os.kill(pids(broker)["parent"], signal.SIGHUP)
    for _ in range(200):
        if broker.admin.call("Admin.Status")["generation"] > generation:
            break
        select.select([], [], [], 0.05)
    assert person.authorize(session, person.payment("20.00"))["reason"] == "limit_payment"


@pytest.mark.parametrize("old, new, says", [
    ("per-payment 1000", "per-paymnt 1000", ["countersign.conf:", "per-paymnt", "did you mean \"per-payment\""]),
    ("per-payment 1000", "per-payment -5", ["countersign.conf:", "without sign"]),
    ('stack "checkout"', 'stack "chekout"', ["chekout"]),
    ('realm "test"', 'realm "other"', ["realm", "restart"]),
    ('set issuer "https://misbehave.test"', 'plugin "nothing"', ["countersign.conf:", "plugin"])])
def test_a_bad_configuration_changes_nothing_and_says_why(broker, person, config, old, new, says):
    session = person.session()
    before, generation = settled(broker), broker.admin.call("Admin.Status")["generation"]
    config(old, new)
    error = broker.admin.fails("Admin.Reload")
    assert error.name == "Conflict"
    for word in says:
        assert word in error.parameters["what"]
    assert (pids(broker), broker.admin.call("Admin.Status")["generation"]) == (before, generation)
    assert person.authorize(session, person.payment("20.00"))["outcome"] == "step_up"


def test_a_bad_file_on_sighup_is_logged_with_its_place(broker, config):
    config("per-payment 1000", "per-paymnt 1000")
    os.kill(pids(broker)["parent"], signal.SIGHUP)
    for _ in range(200):
        if 'unknown option \\"per-paymnt\\"' in broker.log():
            break
        select.select([], [], [], 0.05)
    assert 'countersign.conf:' in broker.log().split('unknown option \\"per-paymnt\\"')[0].rsplit("\n", 1)[1]
    assert broker.service.call("Whoami")["service"] == "checkout"


def test_calls_in_flight_do_not_notice_a_reload(broker, person):
    client = broker.connect()
    begun = client.call("Sessions.Begin", provider="crooked")
    client.send("Sessions.Open", sign_in=begun["sign_in"], id_token="!slow")
    broker.admin.call("Admin.Reload")
    with pytest.raises(VarlinkError, match="NotFound.*link"):
        client.receive()


# --- starting and stopping -----------------------------------------------------------------------------------------

def test_a_stop_answers_what_was_read(broker, person):
    """Many calls asked ahead, then SIGTERM: each is answered or was not done, and what was answered is there."""
    session = person.session()
    shop = socket.socket(socket.AF_UNIX)
    shop.settimeout(CALL_S)
    shop.connect(broker.path("service.sock"))
    calls = [json.dumps({"method": "org.countersign.Payments.Authorize", "parameters": {
        "session": session, "payment": person.payment("0.01", id=f"stop-{i}")}}).encode() + b"\0" for i in range(200)]
    shop.sendall(b"".join(calls))
    logged = len(broker.log())
    assert broker.halt() == 0
    said = broker.log()[logged:]
    broker.start()
    data = b""
    while True:
        try:
            more = shop.recv(1 << 20)
        except ConnectionResetError:
            break
        if not more:
            break
        data += more
    shop.close()
    answers = [json.loads(text) for text in data.split(b"\0")[:-1]]
    assert data == b"" or data.endswith(b"\0")
    assert "event=kill" not in said
    events = broker.admin.call("Admin.Events", account=person.account, limit=1000)["events"]
    known = json.dumps(events)
    for answer in answers:
        if "challenge" in answer.get("parameters", {}):
            got = broker.service.call("StepUp.Get", challenge=answer["parameters"]["challenge"]["id"])
            assert got["card"]["amount"] == "0.01"
    assert len([a for a in answers if a.get("parameters", {}).get("outcome") == "step_up"]) <= known.count("challenge")


def try_to_start(broker, *arguments):
    """What countersignd says when it must not start; (status, its lines)."""
    done = subprocess.run(
        [os.path.join(BUILD, "countersignd"), "-f", broker.path("countersign.conf"), "--libexec",
         os.path.join(BUILD, "testlibexec"), "--plugins", broker.path("plugins"), *arguments],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=30, check=False,
        env={**os.environ, "CS_TEST_CLOCK": broker.path("clock")})
    return done.returncode, done.stderr.decode()


@pytest.fixture
def halted(broker):
    """The broker's state, with nothing running on it; running again afterwards."""
    broker.halt()
    yield broker
    broker.start()


def test_a_second_broker_on_the_same_doors_is_refused(broker, shop):
    status, said = try_to_start(broker)
    assert status != 0 and "service.sock" in said
    assert shop.call("Whoami")["service"] == "checkout"


def test_a_second_engine_on_the_same_store_is_refused(broker, shop):
    with open(broker.path("countersign.conf"), encoding="utf-8") as f:
        text = f.read()
    for name in ("run", "service.sock", "admin.sock"):
        text = text.replace(f'"{broker.path(name)}"', f'"{broker.path("2" + name)}"')
    text = text.replace("door unix https", "door unix").split('service "market"')[0] + text[text.index("provider "):]
    text = "\n".join(line for line in text.split("\n") if not line.startswith(("listen https", "public-url")))
    with open(broker.path("second.conf"), "w", encoding="utf-8") as f:
        f.write(text)
    status, said = try_to_start(broker, "-f", broker.path("second.conf"))
    assert status != 0 and "another engine is using" in said and broker.path("state/countersign.db") in said
    assert shop.call("Whoami")["service"] == "checkout"


def test_loose_key_file(halted):
    path = halted.path("state/master.key")
    assert os.stat(path).st_mode & 0o777 == 0o600
    os.chmod(path, 0o640)
    try:
        status, said = try_to_start(halted)
    finally:
        os.chmod(path, 0o600)
    assert status != 0 and "others may read the master key" in said and "chmod 600" in said


def test_cut_key_file(halted):
    path = halted.path("state/master.key")
    with open(path, "rb") as f:
        key = f.read()
    with open(path, "r+b") as f:
        f.truncate(len(key) - 1)
    try:
        status, said = try_to_start(halted)
    finally:
        with open(path, "wb") as f:
            f.write(key)
    assert status != 0 and "restore it from its copy" in said


def test_loose_store_file(halted):
    path = halted.path("state/countersign.db")
    os.chmod(path, 0o644)
    try:
        status, said = try_to_start(halted)
    finally:
        os.chmod(path, 0o600)
    assert status != 0 and "chmod 0600" in said


def test_newer_schema(halted):
    path = halted.path("state/countersign.db")

    def set_version(version):
        db = sqlite3.connect(path)
        db.execute(f"PRAGMA user_version={version}")
        db.close()

    set_version(99)
    try:
        status, said = try_to_start(halted)
    finally:
        set_version(1)
    assert status != 0 and "has schema 99" in said and "newer program" in said


def test_another_programs_database(halted):
    path = halted.path("state/countersign.db")
    os.rename(path, path + ".kept")
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE shop(x)")
    db.close()
    os.chmod(path, 0o600)
    try:
        status, said = try_to_start(halted)
    finally:
        os.unlink(path)
        os.rename(path + ".kept", path)
    assert status != 0 and "database of something else" in said


def test_check_only_starts_nothing(broker):
    assert try_to_start(broker, "-n") == (0, "")


def test_readiness_means_every_door_is_open(halted):
    halted.start()
    try:
        # At once, without a second try.
        assert Client(halted.path("service.sock")).call("Whoami")["service"] == "checkout"
        assert halted.web("GET", "/healthz", certificate=None)[0] == 200
        assert set(pids(halted)) == {"parent", "engine", "gateway", "worker:sandbox", "worker:crooked", "worker:totp"}
    finally:
        halted.halt()


def test_a_broker_without_https_has_no_gateway():
    broker = Broker(https=False)
    try:
        person = broker.person()
        assert broker.service.call("Lookup.ByAccount", account=person.account)
        assert set(pids(broker)) == {"parent", "engine", "worker:sandbox", "worker:totp"}
    finally:
        broker.stop()
