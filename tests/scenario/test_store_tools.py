# SPDX-License-Identifier: Apache-2.0
"""countersignctl store: what an admin sees of a broker's store, and what a check of its file finds."""
import json
import os
import sqlite3
import subprocess

import pytest

from harness import BUILD, Broker, VarlinkError


@pytest.fixture(scope="module")
def broker():
    running = Broker()
    try:
        person = running.person()
        person.spend(person.session(), "20.00")
        yield running
    finally:
        running.stop()


def ctl(broker, *args):
    return subprocess.run([os.path.join(BUILD, "countersignctl"), "--socket", broker.path("admin.sock"), *args],
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def store_of(broker):
    return broker.path("state/countersign.db")


def copy_of(broker, tmp_path):
    path = str(tmp_path / "copy.db")
    source, target = sqlite3.connect(store_of(broker)), sqlite3.connect(path)
    source.backup(target)
    source.close()
    target.close()
    os.chmod(path, 0o600)
    return path


def test_status_tells_of_a_store_that_nobody_shares(broker):
    answer = broker.admin.call("Admin.Store")
    assert answer["kind"] == "sqlite" and answer["store"]["events"] > 5
    assert ctl(broker, "store", "status").stdout.startswith("sqlite: ready\n")


def test_words_on_what_is_shared_are_refused_where_nothing_is(broker):
    for method, parameters in (("Admin.StoreForget", {"name": "other"}), ("Admin.StoreRelease", {"account": "alice"}),
                               ("Admin.StoreRelease", {"bucket": 3})):
        with pytest.raises(VarlinkError) as refused:
            broker.admin.call(method, reason="none", **parameters)
        assert refused.value.name == "Conflict"
    with pytest.raises(VarlinkError) as refused:
        broker.admin.call("Admin.StoreRelease", reason="none")
    assert refused.value.name == "InvalidParameter"


def test_a_check_beside_the_broker_finds_it_whole(broker):
    done = ctl(broker, "store", "check", "--database", store_of(broker), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["whole"] is True and said["findings"] == 0 and said["events"] > 5 and said["claims"] >= 1
    # And nothing was changed, nor is the broker in any way hindered.
    assert broker.admin.call("Admin.Store")["store"]["narrow_only"] is False


def change(path, sql, *values):
    with sqlite3.connect(path) as db:
        assert db.execute(sql, values).rowcount > 0


def flip(path, table, column="row"):
    with sqlite3.connect(path) as db:
        row, = db.execute(f"SELECT {column} FROM {table} ORDER BY 1 LIMIT 1").fetchone()
        at = len(row) // 2
        assert db.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?",
                          (row[:at] + bytes([row[at] ^ 1]) + row[at + 1:], row)).rowcount == 1


@pytest.mark.parametrize("damage, words", [
    (lambda path: flip(path, "log"), "is missing or damaged"),
    (lambda path: change(path, "DELETE FROM log WHERE seq = (SELECT seq FROM log ORDER BY seq LIMIT 1 OFFSET 2)"),
     "is missing or damaged"),
    (lambda path: flip(path, "claim"), "a link key fails its checksum"),
    (lambda path: change(path, "DELETE FROM log WHERE seq > 1"), "there is no event of an account"),
], ids=["a changed byte of the log", "a row is gone", "a changed link key", "the end is gone"])
def test_a_check_names_what_is_damaged(broker, tmp_path, damage, words):
    path = copy_of(broker, tmp_path)
    assert ctl(broker, "store", "check", "--database", path).returncode == 0
    damage(path)
    done = ctl(broker, "store", "check", "--database", path)
    assert done.returncode == 1 and words in done.stdout and "restore the file from a backup" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("NOT WHOLE: ")


def test_a_check_of_no_store_says_so(broker, tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t(a)")
    done = ctl(broker, "store", "check", "--database", str(path))
    assert done.returncode == 6 and "is no store of Countersign" in done.stderr
    assert ctl(broker, "store", "check", "--database", str(tmp_path / "none.db")).returncode == 3
