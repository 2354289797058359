# SPDX-License-Identifier: Apache-2.0
"""Attacks on the log: edited, cut, shortened and reordered while the broker was down."""
import json
import os
import shutil
import sqlite3
import subprocess

import pytest

from harness import BUILD, STORE, Broker, VarlinkError

pytestmark = pytest.mark.skipif(STORE != "sqlite", reason="changes the SQLite file by hand")


@pytest.fixture(scope="module")
def halted():
    """A broker that has logged a few payments and stopped; its state is kept, to be spoilt again and again."""
    broker = Broker()
    person = broker.person()
    session = person.session()
    for amount in ("10.00", "11.00", "12.00"):
        person.spend(session, amount)
    broker.victim = person
    broker.halt()
    shutil.copytree(broker.path("state"), broker.path("kept"))
    yield broker
    broker.stop()


@pytest.fixture
def log(halted):
    """The log's rows, on a fresh copy of the state: (sqlite connection, [(seq, row)])."""
    halted.halt()
    shutil.rmtree(halted.path("state"))
    shutil.copytree(halted.path("kept"), halted.path("state"))
    connection = sqlite3.connect(halted.path("state/countersign.db"))
    yield connection, connection.execute("SELECT seq, row FROM log ORDER BY seq").fetchall()
    connection.close()


def write(connection, seq, row):
    connection.execute("UPDATE log SET row = ? WHERE seq = ?", (row, seq))


def edit(connection, rows, i, at):
    seq, row = rows[i]
    row = bytearray(row)
    row[int(len(row) * at)] ^= 1
    write(connection, seq, bytes(row))


def cut(connection, rows, i, _):
    write(connection, rows[i][0], rows[i][1][:-1])


def remove(connection, rows, i, _):
    connection.execute("DELETE FROM log WHERE seq = ?", (rows[i][0],))


def swap(connection, rows, i, _):
    write(connection, rows[i][0], rows[i - 1][1])
    write(connection, rows[i - 1][0], rows[i][1])


def detected(halted):
    """Refused at the start, or when the log is read; and never a crash."""
    try:
        halted.start()
    except RuntimeError as error:
        assert "restore it from a backup" in str(error), error
        assert "fatal" not in str(error)
        return True
    try:
        for account in (None, halted.victim.account):
            events = halted.admin.call("Admin.Events", limit=1000, account=account)["events"]
            assert events, account
    except VarlinkError as error:
        assert (error.name, error.parameters["what"]) == ("Unavailable", "store")
        assert halted.service.call("Whoami")["service"] == "checkout"
        return True
    return False


def test_X5_an_untouched_log_is_whole(halted, log):
    assert not detected(halted)


@pytest.mark.parametrize("i", [0, 1, 5, -3, -2, -1])
@pytest.mark.parametrize("how, at", [(edit, 0.1), (edit, 0.5), (edit, 0.99), (cut, 0), (remove, 0), (swap, 0)])
def test_X5_a_log_that_was_touched_is_found_out(halted, log, how, at, i):
    connection, rows = log
    if how is swap and i == 0:
        i = 2
    how(connection, rows, i, at)
    connection.commit()
    connection.close()
    assert detected(halted)


def test_X5_a_log_cut_off_at_its_end_is_found_out(halted, log):
    connection, rows = log
    connection.execute("DELETE FROM log WHERE seq > ?", (rows[-4][0],))
    connection.commit()
    connection.close()
    assert detected(halted)


def test_X5_each_event_names_the_one_before(halted, log):
    """The chain that `countersignctl events verify` will follow: no two events of an account have the same forebear."""
    log[0].close()
    assert not detected(halted)
    events = halted.admin.call("Admin.Events", limit=1000, account=halted.victim.account)["events"]
    links = [event["json"].get("prev") for event in events]
    assert len(links) == len(set(links)) > 5
    assert [event["revision"] for event in events] == list(range(1, len(events) + 1))


# --- by somebody who can make checksums: countersignctl events verify ----------------------------------------------

def crc32c(data, crc=0):
    crc ^= 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def get_var(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7f) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def put_var(value):
    out = b""
    while value > 0x7f:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


class Frame:
    """An event as it stands in a row of the log."""

    def __init__(self, body):
        self.key = body[1:17]
        self.revision, at = get_var(body, 17)
        self.back, at = get_var(body, at)
        n, at = get_var(body, at)
        self.event, at = body[at:at + n], at + n
        n, at = get_var(body, at)
        self.extra = body[at:at + n]

    def encode(self, seq):
        body = b"\1" + self.key + put_var(self.revision) + put_var(self.back) + put_var(len(self.event)) + self.event
        body += put_var(len(self.extra)) + self.extra
        return put_var(len(body)) + body + crc32c(seq.to_bytes(8, "little") + body).to_bytes(4, "little")


def frames_of(rows):
    found = []
    for _, row in rows:
        at = 0
        while at < len(row):
            n, at = get_var(row, at)
            found.append(Frame(row[at:at + n]))
            at += n + 4
    return found


def rewrite(connection, frames):
    """One row an event, each with the checksum that belongs to its place."""
    connection.execute("DELETE FROM log")
    connection.executemany("INSERT INTO log VALUES (?, ?)",
                           [(seq, frame.encode(seq)) for seq, frame in enumerate(frames, 1)])
    connection.commit()
    connection.close()


def verify(halted, *options):
    done = subprocess.run([os.path.join(BUILD, "countersignctl"), "--json", *options, "events", "verify"],
                          capture_output=True, text=True, timeout=60)
    assert done.stderr == "", done.stderr
    said = json.loads(done.stdout)
    assert done.returncode == (0 if said["whole"] else 1)
    return said


def verify_file(halted):
    return verify(halted, "--database", halted.path("state/countersign.db"))


@pytest.fixture
def mine(halted, log):
    """The victim's events as (place, frame), and all frames."""
    connection, rows = log
    frames = frames_of(rows)
    of = {}
    for i, frame in enumerate(frames):
        of.setdefault(frame.key, []).append(i)
    of.pop(bytes(16))
    return connection, frames, next(iter(of.values()))


def test_X5_verify_finds_an_untouched_log_whole(halted, mine):
    connection, frames, _ = mine
    rewrite(connection, frames)
    said = verify_file(halted)
    assert (said["whole"], said["events"], said["accounts"]) == (True, len(frames), 2)
    halted.start()
    try:
        live = verify(halted, "--socket", halted.path("admin.sock"))
        # The broker's start and its configuration are events of their own.
        assert live["whole"] and live["events"] > said["events"] and live["head"] != said["head"]
    finally:
        halted.halt()


@pytest.mark.parametrize("i", [0, 3, -1])
@pytest.mark.parametrize("part", ["event", "extra"])
def test_X5_verify_names_an_event_that_was_changed(halted, mine, part, i):
    connection, frames, places = mine
    places = [p for p in places if getattr(frames[p], part)]
    frame = frames[places[i]]
    spoilt = bytearray(getattr(frame, part))
    spoilt[-1] ^= 1
    setattr(frame, part, bytes(spoilt))
    rewrite(connection, frames)
    said = verify_file(halted)
    assert not said["whole"]
    after = [p for p in mine[2] if p > places[i]]
    # Itself, or the one behind it, which names another.
    assert said["seq"] in [places[i] + 1] + [p + 1 for p in after[:1]]


def test_X5_verify_names_the_first_of_two_that_changed_places(halted, mine):
    connection, frames, places = mine
    a, b = frames[places[3]], frames[places[4]]
    a.event, a.extra, b.event, b.extra = b.event, b.extra, a.event, a.extra
    rewrite(connection, frames)
    said = verify_file(halted)
    assert (said["whole"], said["seq"], said["revision"]) == (False, places[3] + 1, a.revision)


def test_X5_verify_misses_an_event_that_was_cut_out(halted, mine):
    connection, frames, places = mine
    gone = frames.pop(places[3])
    rewrite(connection, frames)
    said = verify_file(halted)
    assert (said["whole"], said["key"], said["revision"]) == (False, gone.key.hex(), gone.revision + 1)
    assert "before it is missing" in said["problem"]


def test_X5_verify_misses_an_event_whose_followers_were_renumbered(halted, mine):
    connection, frames, places = mine
    frames.pop(places[3])
    for i in places[4:]:
        frames[i - 1].revision -= 1
    rewrite(connection, frames)
    said = verify_file(halted)
    assert (said["whole"], said["seq"]) == (False, places[4])


def test_X5_verify_misses_the_newest_events_of_an_account(halted, mine):
    connection, frames, places = mine
    gone = [frames[p] for p in places[-2:]]
    rewrite(connection, [f for f in frames if f not in gone])
    said = verify_file(halted)
    assert (said["whole"], said["key"], said["revision"]) == (False, gone[0].key.hex(), gone[0].revision)
    assert "snapshot" in said["problem"]


def test_X5_verify_misses_a_row(halted, log):
    connection, rows = log
    connection.execute("DELETE FROM log WHERE seq = ?", (rows[4][0],))
    connection.commit()
    connection.close()
    said = verify_file(halted)
    assert (said["whole"], said["seq"], said["problem"]) == (False, rows[4][0], "it is missing")


def test_X5_verify_finds_a_damaged_row(halted, log):
    connection, rows = log
    edit(connection, rows, 4, 0.5)
    connection.commit()
    connection.close()
    said = verify_file(halted)
    assert not said["whole"] and rows[4][0] <= said["seq"] < rows[5][0] and "checksum" in said["problem"]
