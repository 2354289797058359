# SPDX-License-Identifier: Apache-2.0
"""countersignctl store migrate: a running broker's store from its SQLite file to a real redis-server, and back."""
import contextlib
import fcntl
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time

import pytest

from harness import BUILD, Broker
from waiting import until

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is missing: install redis-server")

CTL = os.path.join(BUILD, "countersignctl")


class Redis:
    """A redis-server of the test's own, on a Unix socket, that syncs what it acknowledges."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="cs.r.")
        self.path = os.path.join(self.dir, "s")
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.path, "--dir", self.dir, "--appendonly", "yes", "--appendfsync", "always",
             "--save", "", "--maxmemory-policy", "noeviction"], stdout=subprocess.DEVNULL)
        self.socket = socket.socket(socket.AF_UNIX)
        until(self._connected, "redis-server to listen")
        self.file = self.socket.makefile("rb")

    def _connected(self):
        assert self.process.poll() is None
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            self.socket.connect(self.path)
            return True
        return False

    def __call__(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        return self.read()

    def read(self):
        kind, rest = (line := self.file.readline())[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def keys(self, kind):
        return [key for key in self("KEYS", "cs{*}" + kind + "*") if key.partition(b"}")[2].startswith(kind.encode())]

    def stop(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.dir)


@pytest.fixture(scope="module")
def server():
    server = Redis()
    yield server
    server.stop()


@pytest.fixture
def redis(server):
    server("FLUSHALL")
    return server


@pytest.fixture(scope="module")
def stopped(server):
    """A broker that paid and was stopped: its file is only read by what follows."""
    running = Broker()
    people(running, 2)
    running.halt()
    yield running
    running.stop()


@pytest.fixture
def broker():
    running = Broker()
    yield running
    running.stop()


def database(broker):
    return broker.path("state/countersign.db")


def config_for(broker, redis, **changes):
    """The broker's configuration with `store redis` in the place of `store sqlite`."""
    with open(broker.path("countersign.conf")) as file:
        lines = file.read().splitlines()
    at, = [i for i, line in enumerate(lines) if line.startswith("store ")]
    lines[at] = f'store redis {{ server "unix:{redis.path}" name "one" lease 200ms }}'
    lines = [changes.get(line.split(" ")[0], line) if line else line for line in lines]
    path = broker.path("shared.conf")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return path


def migrate(*args, wait=True):
    command = [CTL, "store", "migrate", "--json", *args]
    if wait:
        return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)


def last(text):
    return json.loads(text.strip().splitlines()[-1])


def people(broker, n):
    found = []
    for _ in range(n):
        person = broker.person()
        person.spend(person.session(), "20.00")
        found.append(person)
    return found


def rows(path, table):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_stopped_brokers_store_moves_and_is_compared(stopped, redis):
    broker = stopped
    before = open(database(broker), "rb").read()
    done = migrate("--from", database(broker), "--to", "redis", "-f", config_for(broker, redis))
    assert done.returncode == 0, done.stdout + done.stderr
    said = last(done.stdout)
    assert said["complete"] is True and said["records"] == 3 and said["claims"] == rows(database(broker), "claim") >= 2
    assert redis("HGET", redis.keys("meta")[0], "state") == b"ready"
    assert len(redis.keys("r")) == 3 and len(redis.keys("k")) == said["claims"]
    assert open(database(broker), "rb").read() == before
    # Again: there is a store now, which nobody overwrites.
    again = migrate("--from", database(broker), "--to", "redis", "-f", config_for(broker, redis))
    assert again.returncode == 1 and "moved to the prefix" in again.stderr and "a store that brokers use" in again.stderr


def test_a_broker_writes_during_the_copy_and_until_it_is_stopped(broker, redis):
    first, = people(broker, 1)
    process = migrate("--from", database(broker), "--to", "redis", "-f", config_for(broker, redis), wait=False)
    while "caught up" not in (line := process.stdout.readline()):
        assert line, process.stderr.read()
    # What comes now changes records that were copied, and brings link keys that were not.
    first.spend(first.session(), "30.00")
    people(broker, 2)
    broker.halt()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    said = last(out)
    assert said["complete"] is True and said["records"] == 4 and said["claims"] == rows(database(broker), "claim")


def test_killed_at_any_moment_it_goes_on(stopped, redis):
    broker = stopped
    config = config_for(broker, redis)
    for pause in (0.005, 0.01, 0.02, 0.03, 0.05, 0.08):
        process = migrate("--from", database(broker), "--to", "redis", "-f", config, wait=False)
        time.sleep(pause)  # Nothing waits for this: it only chooses the moment of the kill.
        process.kill()
        process.communicate()
    done = migrate("--from", database(broker), "--to", "redis", "-f", config)
    if "a store that brokers use" not in done.stderr:  # The last of those killed may just have been through.
        assert done.returncode == 0, done.stdout + done.stderr
        assert last(done.stdout)["complete"] is True
    assert redis("HGET", redis.keys("meta")[0], "state") == b"ready" and len(redis.keys("r")) == 3


def interrupted(broker, redis):
    """A migration that waits for its broker to stop, killed there: all is copied, nothing is compared."""
    config = config_for(broker, redis)
    with open(database(broker) + ".lock", "r+b") as lock:  # As the broker holds it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = migrate("--from", database(broker), "--to", "redis", "-f", config, wait=False)
        while "caught up" not in (line := process.stdout.readline()):
            assert line, process.stderr.read()
        process.kill()
        process.communicate()
    assert redis("HGET", redis.keys("meta")[0], "state") == b"import"
    return config


@pytest.mark.parametrize("kind, words", [("r", "the state of account"), ("c", "the state of account"), ("k", "a link key of account"),
                                         ("s", "a link key"), ("l", "event ")])
def test_a_changed_byte_is_found(stopped, redis, kind, words):
    broker = stopped
    config = interrupted(broker, redis)
    key = redis.keys(kind)[0]
    if kind == "s":
        redis("DEL", key)
    elif kind == "l":
        (number, (_, value)), = redis("XRANGE", key, "-", "+", "COUNT", 1)
        rest = redis("XRANGE", key, b"(" + number, "+")
        redis("DEL", key)
        redis("XADD", key, number, "e", value[:-9] + bytes([value[-9] ^ 1]) + value[-8:])
        for number, (_, value) in rest:
            redis("XADD", key, number, "e", value)
    else:
        value = redis("GET", key)
        redis("SETRANGE", key, len(value) - 9, bytes([value[-9] ^ 1]))
    # The records are not folded again, since no event of them is newer than what was copied.
    done = migrate("--from", database(broker), "--to", "redis", "-f", config)
    assert done.returncode == 1 and words in done.stderr and "differs" in done.stderr, done.stdout + done.stderr
    assert redis("HGET", redis.keys("meta")[0], "state") == b"import"


def test_what_is_refused(stopped, redis, tmp_path):
    broker = stopped
    config = config_for(broker, redis)
    run = lambda *args: migrate("--from", database(broker), "--to", "redis", "-f", *args)  # noqa: E731
    assert migrate("--from", "redis", "--to", "redis").returncode == 2
    assert migrate("--from", str(tmp_path / "none"), "--to", "redis", "-f", config).returncode == 3
    # Keys of another store under the same prefix.
    redis("HSET", "cs{0}h", "l", 1)
    redis("HSET", "cs{45}h", "l", 1)
    tag = next(str(i) for i in range(10000) if slot(str(i).encode()) < 16)
    redis("HSET", "cs{%s}h" % tag, "l", 1)
    done = run(config)
    assert done.returncode == 1 and "there are records under the prefix" in done.stderr
    redis("FLUSHALL")
    # Another key file than the one that the store was written with.
    with open(broker.path("state/other.key"), "wb") as file:
        file.write(os.urandom(32))
    os.chmod(broker.path("state/other.key"), 0o600)
    other = config_for(broker, redis, keys=f'keys {{ file "{broker.path("state/other.key")}" }}')
    done = run(other)
    assert done.returncode == 1 and "was written with another key" in done.stderr
    assert redis("DBSIZE") == 0


def slot(text):
    crc = 0
    for byte in text:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xffff
    return crc % 16384


def test_there_and_back(stopped, redis, tmp_path):
    broker = stopped
    config = config_for(broker, redis)
    there = migrate("--from", database(broker), "--to", "redis", "-f", config)
    assert there.returncode == 0, there.stderr
    back = str(tmp_path / "back.db")
    done = migrate("--from", "redis", "--to", back, "-f", config)
    assert done.returncode == 0, done.stdout + done.stderr
    for table in ("claim", "payment", "record"):
        assert rows(back, table) == rows(database(broker), table)
    assert {k: v for k, v in last(done.stdout).items() if k != "digest"} == {k: v for k, v in last(there.stdout).items() if k != "digest"}
    check = subprocess.run([CTL, "store", "check", "--database", back], capture_output=True, text=True, timeout=60)
    assert check.returncode == 0, check.stdout
    verify = subprocess.run([CTL, "events", "verify", "--database", back], capture_output=True, text=True, timeout=60)
    assert verify.returncode == 0, verify.stdout
    assert not os.path.exists(back + ".migrating") and oct(os.stat(back).st_mode & 0o777) == "0o600"


def check(config, *args):
    return subprocess.run([CTL, "store", "check", "-f", config, *args], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def open_buckets(redis):
    """What the first broker does: the heads name the server that serves them."""
    info = dict(line.split(":", 1) for line in redis("INFO").decode().splitlines() if ":" in line)
    for key in redis("KEYS", "cs{*"):
        redis("HSET", key.partition(b"}")[0] + b"}h", "t", info["run_id"] + ":" + info["master_replid"])


def flip(redis, key, at=-9):
    value = redis("GET", key)
    redis("SETRANGE", key, len(value) + at, bytes([value[at] ^ 1]))


def cut(redis, key):
    """The last event of a part of the log is gone."""
    (number, _), = redis("XREVRANGE", key, "+", "-", "COUNT", 1)
    redis("XDEL", key, number)


def test_check_finds_and_repairs(stopped, redis):
    broker = stopped
    config = config_for(broker, redis)
    assert migrate("--from", database(broker), "--to", "redis", "-f", config).returncode == 0
    open_buckets(redis)
    done = check(config)
    assert done.returncode == 0 and done.stdout.startswith("whole: "), done.stdout + done.stderr
    # Link keys: the sets are the truth, the index follows.
    first, second = redis.keys("k")
    saved = redis("GET", first)
    redis("DEL", first)
    flip(redis, second, -1)
    done = check(config)
    assert done.returncode == 1 and "a link key that an account holds is not in the index" in done.stdout
    assert "the index of a link key fails its checksum" in done.stdout and "--repair" in done.stdout
    done = check(config, "--repair")
    assert done.returncode == 0 and done.stdout.count("    mended") == 2
    assert redis("GET", first)[8:] == saved[8:] and check(config).stdout.startswith("whole: ")
    # An account holds a mark of each security event that it ever got: more than one answer has, and none is passed over.
    redis("SADD", redis.keys("s")[0], *(n.to_bytes(16, "big") for n in range(1, 3001)))
    assert last(check(config, "--json").stdout)["findings"] == 3000
    # A damaged one that no account holds, so that only the walk through the index finds it.
    for key in redis.keys("s"):
        redis("DEL", key)
    flip(redis, first, -1)
    done = check(config)
    assert done.returncode == 1 and done.stdout.count("the index of a link key fails its checksum") == 1, done.stdout


@pytest.mark.parametrize("damage, words", [
    (lambda redis: flip(redis, redis.keys("r")[0]), "a state fails its checksum"),
    (lambda redis: redis("DEL", redis.keys("r")[0]), "an account with events has no state"),
    (lambda redis: flip(redis, redis.keys("c")[0]), "with links and factors is missing or fails its checksum"),
    (lambda redis: cut(redis, max(redis.keys("l"), key=lambda key: redis("XLEN", key))), "has fewer events than its head counts"),
    (lambda redis: redis("DEL", redis.keys("i")[0]), "is not in the list of its parts"),
    (lambda redis: redis("SETRANGE", (key := redis.keys("r")[0]), 0, bytes([redis("GET", key)[0] | 0x80])), "an account is held"),
    (lambda redis: redis("HSET", redis.keys("h")[0], "t", "f" * 40 + ":" + "0" * 40), "a bucket was not opened since its server started"),
], ids=["state", "no state", "cold", "log", "list", "held", "not open"])
def test_check_names_what_is_wrong(stopped, redis, damage, words):
    broker = stopped
    config = config_for(broker, redis)
    assert migrate("--from", database(broker), "--to", "redis", "-f", config).returncode == 0
    damage(redis)
    done = check(config)
    assert done.returncode == 1 and words in done.stdout and "NOT WHOLE" in done.stdout, done.stdout + done.stderr
    done = check(config, "--json")
    assert words in done.stdout and last(done.stdout)["whole"] is False



def poll(broker, **body):
    status, _, text = broker.web("POST", "/signals/poll", body, "market")
    assert status == 200, text
    return json.loads(text)["sets"]


def polled(broker, count):
    """So many events of the stream; on a shared store the transmitter sees them a moment after their commit."""
    return until(lambda: [sets] if len(sets := poll(broker, returnImmediately=True)) == count else None, f"{count} events of the stream")[0]


def acknowledge(broker, sets):
    """Takes them, and waits until it is in the log how far the stream has come."""
    def noted():
        page, found, after = None, 0, 0
        while page is None or page["next"] != after:
            after = page["next"] if page else 0
            page = broker.admin.call("Admin.Events", after=after, limit=100)
            found += sum(event["type"] == "receiver_sent" for event in page["events"])
        return found
    before = noted()
    assert poll(broker, ack=list(sets), returnImmediately=True) == {}
    until(lambda: noted() != before, "the stream's place in the log")


def told(broker, detail, fresh):
    def says():
        store = broker.admin.call("Admin.Store")["store"]
        return store["lease"]["fresh"] is fresh and store.get("detail", "").startswith(detail)
    until(says, f"fresh={fresh} and \"{detail}\" of the store")


def test_a_broker_goes_there_and_back(redis):
    """On both ways it permits, refuses a payment's second use, knows its links, and no event of a stream is lost."""
    broker = Broker(rights={"market": "signals"})
    try:
        first, second, third = people(broker, 3)
        assert broker.web("POST", "/signals/stream", {"delivery": {"method": "urn:ietf:rfc:8936"}, "events_requested": [
            "https://countersign.example/secevent/event-type/link-suspended"]}, "market")[0] == 201
        broker.service.call("Links.Suspend", link=first.link_id)
        taken = polled(broker, 1)
        acknowledge(broker, taken)
        broker.halt()
        config = config_for(broker, redis)
        sqlite_config = broker.path("countersign.conf")
        shutil.copy(sqlite_config, broker.path("sqlite.conf"))
        assert migrate("--from", database(broker), "--to", "redis", "-f", config).returncode == 0
        # Whoever starts it by the configuration of before would permit what was permitted already.
        with pytest.raises(RuntimeError, match="as this store was moved"):
            broker.start()
        broker.halt()
        shutil.copy(config, sqlite_config)
        broker.start()
        assert broker.admin.call("Admin.Store")["kind"] == "redis"
        assert polled(broker, 0) == {}
        for method, error, parameters in (("Admin.StoreForget", "NotFound", {"name": "nobody"}),
                                          ("Admin.StoreForget", "Conflict", {"name": "one"}),
                                          ("Admin.StoreRelease", "NotFound", {"account": first.account}),
                                          ("Admin.StoreRelease", "NotFound", {"bucket": 3})):
            assert broker.admin.fails(method, reason="to try it", **parameters).name == error
        second.service = broker.service
        second.spend(second.session(), "10.00")
        broker.service.call("Links.Suspend", link=second.link_id)
        waiting = polled(broker, 1)
        acknowledge(broker, waiting)
        broker.service.call("Links.Suspend", link=third.link_id)
        waiting = polled(broker, 1)
        assert check(config).returncode == 0
        # One that stood still while the store was moved, and goes on, permits nothing there.
        meta, = redis.keys("meta")
        redis("HSET", meta, "state", "moved")
        told(broker, "the store was moved into a file", fresh=False)
        redis("HSET", meta, "state", "ready")
        told(broker, "", fresh=True)
        broker.halt()
        back = database(broker) + ".back"
        done = migrate("--from", "redis", "--to", back, "-f", config)
        assert done.returncode == 0, done.stdout + done.stderr
        with pytest.raises(RuntimeError, match="it was moved into a file"):
            broker.start()
        broker.halt()
        for name in os.listdir(broker.path("state")):
            if name.startswith("countersign.db") and not name.endswith(".back"):
                os.remove(broker.path("state/" + name))
        os.rename(back, database(broker))
        shutil.copy(broker.path("sqlite.conf"), sqlite_config)
        broker.start()
        # What was taken does not come again, what was not does, under the same name.
        assert set(polled(broker, 1)) == set(waiting)
        assert broker.admin.call("Admin.Store")["kind"] == "sqlite"
        fourth, = people(broker, 1)
        fourth.spend(fourth.session(), "5.00")
        verify = subprocess.run([CTL, "--socket", broker.path("admin.sock"), "events", "verify", "--database", database(broker)],
                                capture_output=True, text=True, timeout=60)
        assert verify.returncode == 0, verify.stdout
    finally:
        broker.stop()
